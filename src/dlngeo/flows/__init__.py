"""Gradient flows and gradient descent: of the weights, of the end-to-end matrix, of the network."""

from __future__ import annotations

from dlngeo._results.trajectory import Trajectory
from dlngeo.flows._control import METHODS
from dlngeo.flows._descent import gradient_descent
from dlngeo.flows._flows import adjacency_flow, free_energy_flow, gradient_flow

__all__ = [
    "METHODS",
    "Trajectory",
    "adjacency_flow",
    "free_energy_flow",
    "gradient_descent",
    "gradient_flow",
]


def __dir__() -> list[str]:
    return __all__
