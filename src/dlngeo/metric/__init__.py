r"""The metric g^N on end-to-end matrices, through the operator 𝒜_{N,W} (Menon, 4.3, 7.2).

.. math:: \mathcal A_{N,W}(Z) = \sum_{k=1}^N (WW^T)^{(N-k)/N} Z\, (W^TW)^{(k-1)/N}

with (·)^0 = I also at rank deficiency, and g^N(W)(Z_1, Z_2) = Tr(Z_1ᵀ 𝒜⁻¹ Z_2). In singular-value
coordinates W = U Σ Vᵀ it multiplies the entry on u_k v_lᵀ by a number, the eigenvalue K_kl of
:func:`spectrum`, so :func:`apply`, :func:`solve` and :func:`sqrt`, the operator, its inverse and
its square root, all act the same way. Where W has rank r below its dimensions, directions u_k v_lᵀ
with one of k, l beyond r carry σ_k^{2-2/N}, and those with both beyond r carry 0 (1 at depth 1).

Built on these are the Riemannian :func:`gradient` of an energy, the volume
(:func:`log_volume_density`), the drift of Brownian motion (:func:`ito_drift`), and the geodesics:
:func:`exp` and :func:`geodesic`, :func:`log` and :func:`distance`, and :func:`connect`, which says
all that is known of a shortest path.

Every function takes W ``(..., m, n)`` and these keywords:

depth : real number >= 1, or ``inf``
    ``inf`` is the limit of 𝒜_N / N (14.7), so that N·g^N → g^∞. There the row and column spaces
    of a rectangular or rank-deficient W are frozen: 𝒜 vanishes on all that leaves them, and a
    :class:`FrozenSpaceWarning` says so.
rank : int or None
    None: full rank. An integer r: the rank-r stratum; smaller singular values are set to zero
    exactly. At rank deficiency 𝒜 is only Hölder continuous in W, so the rank is never guessed.
    Where σ_r <= max(m, n) ε σ_1, and the entries of W do not determine σ_r to their own rounding
    (those of graded matrices and of zero rows do), a call refuses with
    ``numpy.linalg.LinAlgError`` and names the numerical rank: always if its answer is singular
    there, as an inverse, a volume or a geodesic is; if it is continuous only where an error of
    max(m, n) ε σ_1 in σ_r moves the answer by more than 1e-10 relatively. Depth 1 never refuses.
widths : (d_0, ..., d_N) or None
    The layer widths, if a bottleneck is to bound the rank that None stands for.
"""

from __future__ import annotations

from dlngeo.metric._connection import connection_form as connection_form
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
