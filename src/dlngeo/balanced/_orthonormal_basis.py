"""The orthonormal basis of a tangent space of M_r, and the pullback metric (Menon, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import transpose
from dlngeo._results.brief import brief
from dlngeo.balanced.charts import to_svd
from dlngeo.balanced.tangent import chebyshev_square, profiles


class OrthonormalBasis(NamedTuple):
    """An orthonormal basis of T_W M_r in the Frobenius metric; each field a tuple over layers.

    Attributes
    ----------
    l : tuple of (..., r, d_p, d_{p-1}) arrays
        The singular values' directions (8.20).
    u : tuple of (..., r(r-1)/2, N + 1, d_p, d_{p-1}) arrays
        Pairs k < l in lexicographic order, then p = 0, ..., N: horizontal for p = 0 and N (8.23),
        (8.24), vertical for 1 <= p <= N - 1 (8.21).
    outside : tuple of (..., Σ_p r(d_p - r), d_p, d_{p-1}) arrays
        What leads out of the frames of layer 0, 1, ..., N in turn; none where every width is r.
    """

    l: Weights  # noqa: E741
    u: Weights
    outside: Weights

    def __repr__(self) -> str:
        return brief(self)


def orthonormal_basis(weights: Sequence[ArrayLike], *, rank: int | None = None) -> OrthonormalBasis:
    """The orthonormal basis of Theorem 14 at balanced weights, rank r included.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced
    rank : int or None
        None: the least width.

    Notes
    -----
    The basis rests on the frames that an SVD of W_1 happened to return; the projections do not.
    Source: Menon, (8.17)-(8.24), (8.21) with its sign corrected; ``outside`` derived.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = dln.balanced.lift(np.diag([4.0, 1.0]), 3)
    >>> basis = dln.balanced.orthonormal_basis(weights)
    >>> basis.l[0].shape, basis.u[0].shape  # in the first layer: along λ, and with the frames
    ((2, 2, 2), (1, 4, 2, 2))
    """
    frames, lam = to_svd(weights, rank=rank)
    depth, r = len(frames) - 1, lam.shape[-1]
    unit = np.zeros((*lam.shape, r, r))
    diagonal = np.arange(r)
    unit[..., diagonal, diagonal, diagonal] = 1 / np.sqrt(depth)
    parts = _pair_coordinates(lam, depth)
    pairs = [
        (Q[..., None, None, :, :], transpose(P)[..., None, None, :, :]) for P, Q in pairwise(frames)
    ]
    return OrthonormalBasis(
        l=tuple(Q[..., 0, :, :] @ unit @ P[..., 0, :, :] for Q, P in pairs),
        u=tuple(Q @ part @ P for (Q, P), part in zip(pairs, parts, strict=True)),
        outside=_outside_basis(frames),
    )


def _pair_coordinates(lam: Array, depth: int) -> Array:
    """Coordinates q_{s,·} q_{s-1,·}ᵀ of the vectors u: (N, ..., pairs, N + 1, r, r)."""
    r = lam.shape[-1]
    k, l = np.triu_indices(r, 1)  # noqa: E741
    pair = np.arange(k.size)
    result = np.zeros((depth, *lam.shape[:-1], k.size, depth + 1, r, r))
    profile = profiles(lam, depth)
    result[..., pair, 0, l, k] = profile[..., l, k]
    result[..., pair, depth, k, l] = profile[..., k, l]
    a, b = lam[..., k], lam[..., l]
    s = np.arange(1, depth + 1).reshape(-1, *[1] * lam.ndim)
    for p in range(1, depth):
        before, here = np.sin((s - 1) * p * np.pi / depth), np.sin(s * p * np.pi / depth)
        norm = np.sqrt(depth * chebyshev_square(a, b, p * np.pi / (2 * depth)))
        result[..., pair, p, k, l] = (a * before - b * here) / norm
        result[..., pair, p, l, k] = -(b * before - a * here) / norm
    return result


def _outside_basis(frames: tuple[Array, ...]) -> Weights:
    """Unit vectors that turn one q_{p,k} out of the span of Q_p, p = 0, ..., N in turn."""
    r, stack = frames[0].shape[-1], frames[0].shape[:-2]
    widths = [Q.shape[-2] for Q in frames]
    layers: list[list[Array]] = [[] for _ in widths[1:]]
    for p, Q in enumerate(frames):
        d = widths[p]
        normal = np.linalg.qr(Q, mode="complete")[0][..., r:]  # (..., d, d - r)
        share = 1.0 if p in (0, len(frames) - 1) else np.sqrt(0.5)
        for s, block in enumerate(layers, start=1):
            count = r * (d - r)
            part = np.zeros((*stack, d - r, r, widths[s], widths[s - 1]))
            if s == p:  # n q_{p-1,k}ᵀ
                part = np.einsum("...in,...jk->...nkij", normal, frames[p - 1]) * share
            elif s == p + 1:  # q_{p+1,k} nᵀ
                part = np.einsum("...ik,...jn->...nkij", frames[p + 1], normal) * share
            block.append(part.reshape(*stack, count, widths[s], widths[s - 1]))
    return tuple(np.concatenate(block, axis=-3) for block in layers)


def pullback_metric(lam: ArrayLike, depth: int) -> Array:
    r"""The blocks of the pullback metric 𝔷^♯ι on the angles, one for each pair k < l.

    Tridiagonal, (N + 1) × (N + 1): λ_k² + λ_l² on the diagonal, halved at both ends, -λ_k λ_l
    beside it; in the moving frame Q_p α_kl Q_pᵀ. The block of the λ themselves is N·I.

    Parameters
    ----------
    lam : (..., r) array, non-negative
    depth : int >= 1

    Returns
    -------
    (..., r(r-1)/2, N + 1, N + 1) array, pairs in lexicographic order

    Notes
    -----
    Source: Menon, (8.8)-(8.10), (8.8) and (8.9) corrected.

    Examples
    --------
    >>> import dlngeo as dln
    >>> dln.balanced.pullback_metric([2.0, 1.0], 2).tolist()
    [[[2.5, -2.0, 0.0], [-2.0, 5.0, -2.0], [0.0, -2.0, 2.5]]]
    """
    lam, depth = _checks.singular_values(lam, "lam"), _checks.integer(depth, "depth", 1)
    k, l = np.triu_indices(lam.shape[-1], 1)  # noqa: E741
    a, b = lam[..., k, None], lam[..., l, None]
    result = np.zeros((*lam.shape[:-1], k.size, depth + 1, depth + 1))
    p = np.arange(depth + 1)
    result[..., p, p] = (a**2 + b**2) * np.where((p == 0) | (p == depth), 0.5, 1.0)
    result[..., p[1:], p[:-1]] = result[..., p[:-1], p[1:]] = -a * b
    return result
