"""The Hessian of the network's loss, without forming it (Wendin and Altafini, section 4.5)."""

from __future__ import annotations

from dlngeo.hessian._form import (
    Extremes,
    apply,
    dense,
    extreme_eigenvalues,
    form,
    nullity,
    sharpness,
    sharpness_at_minimum,
)

__all__ = [
    "Extremes",
    "apply",
    "dense",
    "extreme_eigenvalues",
    "form",
    "nullity",
    "sharpness",
    "sharpness_at_minimum",
]


def __dir__() -> list[str]:
    return __all__
