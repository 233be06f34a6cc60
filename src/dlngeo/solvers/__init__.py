"""Solvers that SciPy lacks: Runge-Kutta-Chebyshev, explicit, for stiff real negative spectra."""

from __future__ import annotations

from dlngeo.solvers._gauss_legendre import GaussLegendre
from dlngeo.solvers._rkc import RKC, Coefficients

__all__ = [
    "RKC",
    "Coefficients",
    "GaussLegendre",
]


def __dir__() -> list[str]:
    return __all__
