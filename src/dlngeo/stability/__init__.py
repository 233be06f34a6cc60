"""When training by steps is stable: sharpness against 2/η, and Lyapunov exponents of SGD."""

from __future__ import annotations

from dlngeo.stability._edge import (
    EdgeRun,
    StabilityMap,
    TwoCycle,
    descend,
    imbalance_change,
    minimal_sharpness,
    stability_map,
    two_cycle,
)
from dlngeo.stability._lyapunov import (
    LyapunovEstimate,
    commuting_exponent,
    critical_steps,
    lyapunov,
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
