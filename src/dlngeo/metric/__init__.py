"""The metric g^N on end-to-end matrices, through the operator 𝒜_{N,W} (Menon, 4.3, 7.2)."""

from __future__ import annotations

from dlngeo.metric._connection import riemannian_hessian as riemannian_hessian
from dlngeo.metric._distance import Connection, NoGeodesicWarning, connect, distance, log
from dlngeo.metric._geodesics import exp, geodesic
from dlngeo.metric._operator import (
    apply,
    gradient,
    inner,
    ito_drift,
    log_volume_density,
    solve,
    sqrt,
)
from dlngeo.metric._operator import drift as drift
from dlngeo.spectral.divided_differences import spectrum
from dlngeo.spectral.frame import FrozenSpaceWarning

__all__ = [
    "Connection",
    "FrozenSpaceWarning",
    "NoGeodesicWarning",
    "apply",
    "connect",
    "distance",
    "exp",
    "geodesic",
    "gradient",
    "inner",
    "ito_drift",
    "log",
    "log_volume_density",
    "solve",
    "spectrum",
    "sqrt",
]


def __dir__() -> list[str]:
    return __all__
