r"""Singular value decompositions of the adjacency matrix (Wendin and Altafini, 3.4, 5.3.1, A.4).

Two of them, both assembled from decompositions W_p = U_p Λ_p V_pᵀ of the layers: the block-shift
one, A = UΛVᵀ with Λ = blk_1(Λ_1, ..., Λ_N), and the standard one, with Ω diagonal. Signs, and the
frames of singular values that meet, are the usual freedom of a singular value decomposition. How
the frames U_p and V_{p+1} on the two sides of a hidden layer are turned against each other, weighed
by the singular values, is :func:`misalignment`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import completed, diagonal_matrix, svd, transpose
from dlngeo._results.brief import brief
from dlngeo.adjacency._blocks import blk, to_weights


class BlockSVD(NamedTuple):
    """A = U Λ Vᵀ with block-diagonal frames and a block-shift Λ, each ``(..., n_v, n_v)``."""

    U: Array
    Lambda: Array
    V: Array

    def __repr__(self) -> str:
        return brief(self)


class StandardSVD(NamedTuple):
    """A = U diag(sigma) Vᵀ: U and V orthogonal ``(..., n_v, n_v)``, sigma decreasing."""

    U: Array
    sigma: Array
    V: Array

    def __repr__(self) -> str:
        return brief(self)


def block_svd(A: ArrayLike, widths: Sequence[int]) -> BlockSVD:
    r"""The block-shift singular value decomposition A = U Λ Vᵀ.

    .. math:: U = \mathrm{blk}_0(0, U_1, \dots, U_N),\quad
       \Lambda = \mathrm{blk}_1(\Lambda_1, \dots, \Lambda_N),\quad
       V = \mathrm{blk}_0(V_1, \dots, V_N, 0)

    Parameters
    ----------
    A : (..., n_v, n_v) array in block-shift form
    widths : (d_0, ..., d_N)

    Returns
    -------
    BlockSVD
        U_p and V_p square and orthogonal, Λ_p of the shape of W_p with its singular values,
        decreasing, on the diagonal. The network is aligned where VᵀU = J can be had.

    Raises
    ------
    ValueError
        If A has an entry outside the blocks (p, p-1).

    Notes
    -----
    Source: Wendin and Altafini, Prop. 7.
    """
    widths = _checks.widths(widths)
    parts = [_full_svd(W) for W in to_weights(A, widths)]
    stack = parts[0][1].shape[:-1]
    ends = [np.zeros((*stack, d, d)) for d in (widths[0], widths[-1])]
    middles = [diagonal_matrix(sigma, U.shape[-1], V.shape[-1]) for U, sigma, V in parts]
    return BlockSVD(
        blk(0, [ends[0], *(U for U, _, _ in parts)], widths),
        blk(1, middles, widths),
        blk(0, [*(V for _, _, V in parts), ends[1]], widths),
    )


def standard_svd(A: ArrayLike, widths: Sequence[int]) -> StandardSVD:
    r"""The singular value decomposition A = U diag(σ) Vᵀ of the whole matrix, layer by layer.

    Its singular values are those of the layers together with n_v - Σ_p min(d_p, d_{p-1}) zeros.

    Parameters
    ----------
    A, widths
        As for :func:`block_svd`.

    Returns
    -------
    StandardSVD
        The zeros that the shapes impose are exact.

    Notes
    -----
    Source: Wendin and Altafini, Prop. 39, (75)-(79).
    """
    widths = _checks.widths(widths)
    parts = [_full_svd(W) for W in to_weights(A, widths)]
    stack = parts[0][1].shape[:-1]
    counts = [sigma.shape[-1] for _, sigma, _ in parts]
    extra = sum(widths) - sum(counts)
    left = [np.broadcast_to(np.eye(widths[0]), (*stack, widths[0], widths[0]))]
    right = [np.broadcast_to(np.eye(widths[-1]), (*stack, widths[-1], widths[-1]))]
    U = blk(0, [*left, *(U for U, _, _ in parts)], widths)
    V = blk(0, [*(V for _, _, V in parts), *right], widths)
    used_left, used_right = _columns(counts, widths[1:], widths[0]), _columns(counts, widths, 0)
    sigma = np.concatenate([s for _, s, _ in parts] + [np.zeros((*stack, extra))], axis=-1)
    order = np.argsort(-sigma, axis=-1, kind="stable")
    return StandardSVD(
        np.take_along_axis(U[..., _first(used_left, sum(widths))], order[..., None, :], axis=-1),
        np.take_along_axis(sigma, order, axis=-1),
        np.take_along_axis(V[..., _first(used_right, sum(widths))], order[..., None, :], axis=-1),
    )


def misalignment(A: ArrayLike, widths: Sequence[int]) -> tuple[Array, ...]:
    r"""What each pair of modes adds to the imbalance ‖G_p‖² of a hidden layer.

    .. math:: (v_k\cdot u_l)^2 (s_k^2 - t_l^2)^2, \qquad
       \|G_p\|_F^2 = \sum_{kl} (v_k\cdot u_l)^2 (s_k^2 - t_l^2)^2

    with u_l, t_l the left singular vectors and values of W_p, and v_k, s_k the right ones of
    W_{p+1}, values beyond the rank being zero. So δ-balanced weights have frames aligned up to
    δ / |s_k² - t_l²|: bound :func:`~dlngeo.weights.is_delta_balanced` by the root of the sum.

    Parameters
    ----------
    A, widths
        As for :func:`block_svd`.

    Returns
    -------
    tuple of N - 1 arrays (..., d_p, d_p)
        Entry (k, l), singular values decreasing.

    Notes
    -----
    Source: Wendin and Altafini, (58)-(60) corrected: (60) is approximate, this is exact.
    """
    parts = [_full_svd(W) for W in to_weights(A, _checks.widths(widths))]
    terms = []
    for (U, sigma, _), (_, tau, V) in itertools.pairwise(parts):
        t, s = _padded(sigma, U.shape[-1])[..., None, :], _padded(tau, V.shape[-1])[..., :, None]
        overlap = transpose(V) @ U
        terms.append((overlap * ((s - t) * (s + t))) ** 2)
    return tuple(terms)


def _full_svd(W: Array) -> tuple[Array, Array, Array]:
    """U, sigma, V with U and V square."""
    U, sigma, Vt = svd(W)
    return completed(U), sigma, completed(transpose(Vt))


def _padded(sigma: Array, length: int) -> Array:
    padding = [(0, 0)] * (sigma.ndim - 1) + [(0, length - sigma.shape[-1])]
    return np.pad(sigma, padding)


def _columns(counts: Sequence[int], dims: Sequence[int], start: int) -> list[int]:
    """The columns of a block-diagonal frame that carry the singular values, layer by layer."""
    edges = itertools.accumulate(dims, initial=start)
    return [edge + k for edge, count in zip(edges, counts, strict=False) for k in range(count)]


def _first(chosen: list[int], size: int) -> list[int]:
    """The chosen indices, then all others."""
    return chosen + sorted(set(range(size)) - set(chosen))
