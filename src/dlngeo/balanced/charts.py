r"""The chart 𝔷 of the balanced manifolds and its inverse (Menon, section 5).

.. math:: \mathfrak z:\ W_p = Q_p\Lambda Q_{p-1}^T, \qquad Q_p\in\mathrm{St}(r,d_p),\
   \Lambda = \Sigma^{1/N},\qquad W_N\cdots W_1 = Q_N\Sigma Q_0^T

covers the balanced manifold M_r. Users find it in :mod:`dlngeo.balanced`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _rank
from dlngeo._checks import Array, Weights
from dlngeo._linalg import (
    frobenius,
    layer_widths,
    orthonormalise,
    svd,
    svd_product,
    together,
    transpose,
)

ORTHOGONAL = 1e-8  # how far a frame that is passed in may be from orthonormal
_ORTHONORMAL = 3e-14  # rounding


def from_svd(Q: Sequence[ArrayLike], lam: ArrayLike) -> Weights:
    """The chart 𝔷: balanced weights W_p = Q_p Λ Q_{p-1}ᵀ.

    Parameters
    ----------
    Q : tuple (Q_0, ..., Q_N) of (..., d_p, r) arrays with orthonormal columns
    lam : (..., r) array, non-negative
        λ_k = σ_k^{1/N}, the singular values of every layer.

    Returns
    -------
    tuple of (..., d_p, d_{p-1}) arrays

    Raises
    ------
    ValueError
        If a Q_p is not orthonormal, or lam is negative.

    Notes
    -----
    Source: Menon, (5.15)-(5.17), (5.20) corrected.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> Q = (np.eye(2), np.eye(2), np.eye(2))
    >>> weights = dln.balanced.from_svd(Q, [2.0, 1.0])
    >>> dln.weights.end_to_end(weights).tolist()
    [[4.0, 0.0], [0.0, 1.0]]
    """
    lam = _checks.singular_values(lam, "lam")
    Q = _checks.sequence(Q, "Q")
    if len(Q) < 2:
        raise ValueError(f"Q must hold at least Q_0 and Q_1, not {len(Q)} frames")
    frames = [frame_argument(value, f"Q_{p}", lam.shape[-1]) for p, value in enumerate(Q)]
    return together(chart(frames, lam))


def to_svd(
    weights: Sequence[ArrayLike], *, rank: int | None = None, tol: float = 1e-8
) -> tuple[tuple[Array, ...], Array]:
    """Coordinates (Q_0, ..., Q_N), lam of balanced weights: the inverse of :func:`from_svd`.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced
    rank : int or None
        None: the least width.
    tol : float
        Relative imbalance that is accepted as zero.

    Returns
    -------
    Q : tuple of (..., d_p, r) arrays
    lam : (..., r) array, decreasing

    Raises
    ------
    ValueError
        If the weights are not balanced, or have another rank.
    numpy.linalg.LinAlgError
        If the numerical rank of a layer is lower: σ_r(W_p) <= max(d_p, d_{p-1}) ε σ_1(W_p), the
        layer's entries not determining it (graded ones do).

    Notes
    -----
    Q_0 and Q_1 come from one SVD, of W_1; each further frame is Q_p = W_p Q_{p-1} Λ⁻¹, so that the
    signs and order that the SVD chose are the same in all frames. They are free otherwise. Division
    by a small λ magnifies what is left of larger directions; Gram-Schmidt takes it out again.
    Source: Menon, (5.15)-(5.20), inverted.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> Q, lam = dln.balanced.to_svd((np.diag([2.0, 1.0]), np.diag([2.0, 1.0])))
    >>> len(Q), lam.round(12).tolist()
    (3, [2.0, 1.0])
    """
    layers, tol = _checks.weights(weights), _checks.positive(tol, "tol")
    frames, lam = coordinates(layers, layer_rank(layers, rank), tol, "weights")
    return tuple(frames), lam


def layer_rank(layers: Weights, rank: int | None) -> int:
    """The rank that weights are said to have: None stands for the least width."""
    widths = layer_widths(layers)
    return min(widths) if rank is None else rank_argument(rank, widths)


def coordinates(
    layers: Weights, r: int, tol: float = 1e-8, name: str | None = None
) -> tuple[list[Array], Array]:
    """:func:`to_svd` of checked weights: frames and λ.

    ``name`` is that of the argument which the weights are; every layer of one must have numerical
    rank r. None: a state of the library.
    """
    U, lam, Vt = svd(layers[0])
    scale = lam[..., 0]
    open_set = len(layers) == 1 and r == lam.shape[-1]  # one layer of any rank: nothing is singular
    if name is not None and not open_set:
        _rank.require(layers[0], lam, r, f"{name}[0]")
    lower = not open_set and not (lam[..., r - 1] > 0).all()
    if lower or (lam[..., r:] > np.sqrt(tol) * scale[..., None]).any():
        raise ValueError(
            f"weights must have rank {r}; the singular values of W_1 are {lam[..., : r + 1]}"
        )
    lam = lam[..., :r]
    frames = [transpose(Vt)[..., :r], U[..., :r]]
    off, one, apart = np.zeros_like(scale), np.eye(r), []
    for W in layers[1:]:
        Q = W @ frames[-1] / lam[..., None, :]
        E = transpose(Q) @ Q - one
        largest = np.abs(E).max(axis=(-2, -1))
        apart.append(largest)
        if W.shape[-1] > r or (largest > 0.1 * tol).any():  # else its norm is below tol * r
            off = np.maximum(off, _imbalance_of(W, E, lam, scale))
        frames.append(_orthonormalised(Q, E, largest))
    if not (off <= tol * r).all():
        raise ValueError(
            "weights must be balanced; their largest imbalance, relative to ‖W_1‖², is "
            f"{off.max():.3g}"
        )
    if name is not None:
        for p, (W, largest) in enumerate(zip(layers[1:], apart, strict=True), start=1):
            _require_alike(W, largest, lam / scale[..., None], f"{name}[{p}]")
    return frames, lam


def well_conditioned_coordinates(layers: Weights, r: int) -> tuple[list[Array], Array] | None:
    """:func:`coordinates` of one network of square layers of full rank, or None.

    By an eigendecomposition of W_1ᵀ W_1, which costs half an SVD, wherever that gives frames
    orthonormal to rounding: where the weights are balanced and their condition is some 10 at most.
    """
    W = layers[0]
    if W.ndim != 2 or any(X.shape != (r, r) for X in layers):
        return None
    scale = np.abs(W).max()
    if not 1e-100 < scale < 1e100:
        return None
    squares, first = np.linalg.eigh(W.T @ W)
    if squares[0] <= 1e-4 * squares[-1]:
        return None
    lam = np.sqrt(squares[::-1])
    frames = [first[:, ::-1]]
    for X in layers:
        Q = X @ frames[-1]
        Q /= lam
        E = Q.T @ Q
        E.flat[:: r + 1] -= 1
        if not np.vdot(E, E) <= r * _ORTHONORMAL**2:
            return None
        frames.append(Q)
    return frames, lam


def _require_alike(W: Array, off: Array, share: Array, name: str) -> None:
    """Refuse a layer whose squared singular values are off by more than 1e-3 of those of W_1.

    Beyond what rounding of the largest does to the smallest. Such weights may be balanced relative
    to their norm, but what is divided by λ_r would not know.
    """
    rounding = 8 * max(W.shape[-2:]) * np.finfo(float).eps / share[..., -1]
    if (off > 1e-3 + rounding).any():
        _rank.require(W, svd(W)[1], share.shape[-1], name)
        raise ValueError(
            f"weights must be balanced in every direction; {name} stretches one by {off.max():.3g} "
            f"(of the square) otherwise than the first layer, whose σ_r/σ_1 is {share.min():.3g}"
        )


def _imbalance_of(W: Array, E: Array, lam: Array, scale: Array) -> Array:
    """Relative imbalance below a layer W whose next frame has QᵀQ = I + E.

    Λ E Λ is the imbalance on the range; what W does beyond the range is the rest of its norm.
    """
    share = lam / scale[..., None]
    inside = np.linalg.norm(share[..., :, None] * E * share[..., None, :], axis=(-2, -1))
    if W.shape[-1] == lam.shape[-1]:
        return np.asarray(inside)
    size = np.linalg.norm(W / scale[..., None, None], axis=(-2, -1)) ** 2
    return np.asarray(inside + np.abs(size - (share**2).sum(axis=-1)))


def _orthonormalised(Q: Array, E: Array, largest: Array) -> Array:
    """Gram-Schmidt on columns with QᵀQ = I + E, to first order in E where E² is below rounding.

    Each matrix of a stack is treated by its own E, of size ``largest``.
    """
    if (largest <= _ORTHONORMAL).all():
        return Q
    mended = Q - Q @ (np.triu(E) - 0.5 * E * np.eye(E.shape[-1]))
    far, exact = largest > 1e-8, largest <= _ORTHONORMAL
    if far.any():
        mended[far] = orthonormalise(Q[far])
    mended[exact] = Q[exact]
    return np.asarray(mended)


def chart_differential(
    Q: Sequence[ArrayLike], lam: ArrayLike, A: Sequence[ArrayLike], theta: ArrayLike
) -> Weights:
    """The differential D𝔷 of the chart: A_p W_p + Q_p θ Q_{p-1}ᵀ - W_p A_{p-1}, layer by layer.

    The velocity of 𝔷(exp(tA_0) Q_0, ..., exp(tA_N) Q_N, λ + tθ) at t = 0.

    Parameters
    ----------
    Q, lam
        As for :func:`from_svd`.
    A : tuple (A_0, ..., A_N) of antisymmetric (..., d_p, d_p) arrays
    theta : (..., r) array

    Returns
    -------
    tuple of (..., d_p, d_{p-1}) arrays, tangent to M_r

    Notes
    -----
    Source: Menon, (8.1)-(8.3).
    """
    Q, A = _checks.sequence(Q, "Q"), _checks.sequence(A, "A")
    layers = from_svd(Q, lam)
    theta = _checks.real_array(theta, "theta")
    r = np.shape(lam)[-1]
    if theta.shape[-1:] != (r,):
        raise ValueError(f"theta must have shape (..., {r}), as lam has; it has {theta.shape}")
    if len(A) != len(Q):
        raise ValueError(f"A must hold {len(Q)} matrices, one a frame, not {len(A)}")
    turns, frames = [], [np.asarray(frame, dtype=float) for frame in Q]
    for p, (value, frame) in enumerate(zip(A, frames, strict=True)):
        d = frame.shape[-2]
        turn = _checks.matrix(value, f"A_{p}", (d, d))
        if (frobenius(turn + transpose(turn)) > 1e-12 * frobenius(turn)).any():
            raise ValueError(f"A_{p} must be antisymmetric")
        turns.append(turn)
    stretched = chart(frames, theta)
    return together(
        after @ W + change - W @ before
        for W, change, (before, after) in zip(
            layers, stretched, itertools.pairwise(turns), strict=True
        )
    )


def chart(frames: Sequence[Array], lam: Array) -> Weights:
    """:func:`from_svd` without checks."""
    return tuple(svd_product(Q, lam, transpose(P)) for P, Q in itertools.pairwise(frames))


def frame_argument(value: ArrayLike, name: str, r: int) -> Array:
    """A matrix with r orthonormal columns."""
    Q = _checks.matrix(value, name)
    if Q.shape[-1] != r:
        raise ValueError(f"{name} must have {r} columns, as lam has entries; it has {Q.shape[-1]}")
    off = frobenius(transpose(Q) @ Q - np.eye(r)).max(initial=0.0)
    if off > ORTHOGONAL:
        raise ValueError(f"{name} must have orthonormal columns; it is off by {off:.3g}")
    return Q


# ------------------------------------------------------------------------------------ arguments


def rank_argument(rank: int, widths: Sequence[int]) -> int:
    """A rank that the widths allow."""
    r = _checks.integer(rank, "rank", 1)
    if r > min(widths):
        raise ValueError(f"rank must be at most {min(widths)}, the least width; it is {r}")
    return r


def imbalance_argument(G: Sequence[ArrayLike] | None, hidden: Sequence[int]) -> Weights:
    """Symmetric matrices, one a hidden layer; zeros for None."""
    if G is None:
        return tuple(np.zeros((d, d)) for d in hidden)
    G = _checks.sequence(G, "G")
    if len(G) != len(hidden):
        raise ValueError(f"G must hold {len(hidden)} matrices, one a hidden layer, not {len(G)}")
    matrices = []
    for p, (value, d) in enumerate(zip(G, hidden, strict=True), start=1):
        matrix = _checks.matrix(value, f"G_{p}", (d, d))
        if (frobenius(matrix - transpose(matrix)) > 1e-12 * frobenius(matrix)).any():
            raise ValueError(f"G_{p} must be symmetric")
        matrices.append(matrix)
    return tuple(matrices)
