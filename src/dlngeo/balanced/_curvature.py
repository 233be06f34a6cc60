"""Curvature of the gauge orbit within the balanced manifold (Menon, section 12.1).

Users find it in :mod:`dlngeo.balanced`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Weights
from dlngeo._linalg import svd_product, transpose
from dlngeo.balanced.charts import layer_rank, to_svd
from dlngeo.balanced.tangent import TangentSplit
from dlngeo.spectral.entropic_force import signed_log_ratio, total_force


def mean_curvature(weights: Sequence[ArrayLike], *, rank: int | None = None) -> Weights:
    r"""Mean curvature vector H = tr II of the orbit O_W within (M_r, ι), at balanced weights.

    .. math:: H_s = -\sum_k \frac{1}{N\lambda_k}\Big[\sum_{l\ne k}\varphi(\log\tfrac{\sigma_l}
       {\sigma_k}) + \sum_{p=1}^{N-1}(d_p-r)\Big]\,q_{s,k}q_{s-1,k}^T

    with φ as in :func:`dlngeo.entropy.gradient`: minus the horizontal lift of grad S, so that
    dφ(H) = -grad S.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced
    rank : int or None
        None: the least width.

    Returns
    -------
    tuple of arrays of the shapes of the weights
        Horizontal; inward, as on the sphere of section 11.2.

    Notes
    -----
    Source: Menon, (12.1) item 2 with its sign corrected, (12.8); rank r derived.

    Examples
    --------
    The mean curvature of the orbit is minus the gradient of the entropy, lifted (Menon, 12.1):

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> W = np.diag([4.0, 1.0])
    >>> weights = dln.balanced.lift(W, 2)
    >>> H = dln.balanced.mean_curvature(weights)
    >>> bool(np.allclose(dln.submersion.differential(weights, H), -dln.entropy.gradient(W, 2)))
    True
    """
    frames, lam = to_svd(weights, rank=rank)
    depth = len(frames) - 1
    t = depth * signed_log_ratio(lam[..., :, None], lam[..., None, :])
    if depth == 1:  # the orbit is a point
        return (np.zeros((frames[1] @ transpose(frames[0])).shape),)
    spare = sum(Q.shape[-2] - lam.shape[-1] for Q in frames[1:-1])
    speed = -(total_force(t, depth) + spare) / (depth * lam)
    return tuple(svd_product(Q, speed, transpose(P)) for P, Q in pairwise(frames))


def second_fundamental_form(
    weights: Sequence[ArrayLike],
    V1: Sequence[ArrayLike],
    V2: Sequence[ArrayLike],
    *,
    rank: int | None = None,
) -> Weights:
    r"""The second fundamental form II(V1, V2) of the orbit O_W within (M_r, ι).

    For V1 = V2 the horizontal part of the acceleration of exp(tA)·weights, where the gauge A moves
    the weights by V1: A_p² W_p - 2 A_p W_p A_{p-1} + W_p A_{p-1}²; bilinear and symmetric.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced
    V1, V2 : tuples of arrays of the same shapes
        Their vertical parts are taken.
    rank : int or None
        None: the least width.

    Returns
    -------
    tuple of arrays of the shapes of the weights
        Horizontal. Its trace is :func:`mean_curvature`.

    Notes
    -----
    Source: derived; Menon, (8.13), (12.1) item 2 with its sign corrected.
    """
    layers = _checks.weights(weights)
    one, two = (
        TangentSplit.of(layers, V, rank, name).gauge() for name, V in (("V1", V1), ("V2", V2))
    )
    squares = [0.5 * (A @ B + B @ A) for A, B in zip(one, two, strict=True)]
    acceleration = [
        squares[p + 1] @ W - one[p + 1] @ W @ two[p] - two[p + 1] @ W @ one[p] + W @ squares[p]
        for p, W in enumerate(layers)
    ]
    return TangentSplit.within(layers, acceleration, layer_rank(layers, rank)).horizontal()
