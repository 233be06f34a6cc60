r"""Critical points of the network's loss, all of them, and their kinds (Wendin-Altafini, 4.2-4.6).

The loss is ½|Σ - W_N ⋯ W_1|² with Σ rectangular diagonal, d_y × d_x, of distinct positive entries
``sigma``. At a critical point the end-to-end matrix is SΣ, S a diagonal matrix of zeros and ones:
the set of the σ_i that it keeps is the point's *signature*, a tuple of 0-based indices. All points
of one signature have one value, :func:`critical_value`, and are

.. math:: W_p = P_p\,(A_1 + Z)_p\,P_{p-1}^{-1},\qquad P_0 = P_N = 1

with the near-diagonal A_1 of (32), blocks Z of (33) and invertible bases P of the hidden layers:
:func:`assemble` makes the weights of (P, Z), :func:`parametrise` finds these back, and
:func:`sample` draws a random critical point. :func:`classify` tells of any weights whether they are
a minimum, a strict or non-strict saddle, or no critical point, and :func:`negative_direction` gives
a way down from a strict saddle. Between critical points run arcs on which W moves on a straight
line: :func:`arc`, :func:`arc_minimum`, :func:`arc_weights`, and the :func:`graph` of those that
descend (4.6).
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
