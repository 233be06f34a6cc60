"""Critical points of the network's loss, all of them, and their kinds (Wendin-Altafini,
4.4-4.5).
"""

from __future__ import annotations

from dlngeo.critical_points._classification import Classification, classify, negative_direction
from dlngeo.critical_points._parametrisation import Parameters, assemble, parametrise
from dlngeo.critical_points._sample import sample
from dlngeo.critical_points._signatures import (
    ArcMinimum,
    Graph,
    Signature,
    arc,
    arc_minimum,
    arc_weights,
    critical_value,
    graph,
    signatures,
)
from dlngeo.critical_points._signatures import check_signature as check_signature

__all__ = [
    "ArcMinimum",
    "Classification",
    "Graph",
    "Parameters",
    "Signature",
    "arc",
    "arc_minimum",
    "arc_weights",
    "assemble",
    "classify",
    "critical_value",
    "graph",
    "negative_direction",
    "parametrise",
    "sample",
    "signatures",
]


def __dir__() -> list[str]:
    return __all__
