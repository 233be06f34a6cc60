"""The Riemannian Langevin equation beside the two flows it fluctuates about (Menon, 6.7, 12.12)."""

from __future__ import annotations

from dlngeo.simulation._beside import (
    Comparison,
    Position,
    beside,
    beside_flow,
    is_hyperbola,
    on_hyperbola,
)

__all__ = [
    "Comparison",
    "Position",
    "beside",
    "beside_flow",
    "is_hyperbola",
    "on_hyperbola",
]


def __dir__() -> list[str]:
    return __all__
