"""Gradient flows solved in closed form: the oracles of the integrators."""

from __future__ import annotations

from dlngeo.exact._modes import decoupled_velocity, layer_value, passage_time, singular_value
from dlngeo.exact._riccati import single_node, two_layer

__all__ = [
    "decoupled_velocity",
    "layer_value",
    "passage_time",
    "single_node",
    "singular_value",
    "two_layer",
]


def __dir__() -> list[str]:
    return __all__
