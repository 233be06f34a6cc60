"""When training by steps is stable: sharpness against 2/η, and Lyapunov exponents of SGD."""

from __future__ import annotations

from dlngeo.stability._commuting import commuting_exponent, critical_steps
from dlngeo.stability._edge import (
    EdgeRun,
    TwoCycle,
    descend,
    imbalance_change,
    minimal_sharpness,
    two_cycle,
)
from dlngeo.stability._lyapunov import (
    LyapunovEstimate,
    StabilityMap,
    lyapunov,
    stability_map,
    sum_of_exponents,
    tangent_kernel,
)

__all__ = [
    "EdgeRun",
    "LyapunovEstimate",
    "StabilityMap",
    "TwoCycle",
    "commuting_exponent",
    "critical_steps",
    "descend",
    "imbalance_change",
    "lyapunov",
    "minimal_sharpness",
    "stability_map",
    "sum_of_exponents",
    "tangent_kernel",
    "two_cycle",
]


def __dir__() -> list[str]:
    return __all__
