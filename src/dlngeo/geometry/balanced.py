r"""G-balanced varieties: charts and their inverses, the fibre over W, orbits (Menon, 4 and 5).

The variety of G = (G_1, ..., G_{N-1}) holds the weights whose imbalances
W_p W_pᵀ - W_{p+1}ᵀ W_{p+1} are the G_p. At G = 0 it is the union of the balanced manifolds M_r, one
for each rank r; for hidden widths d_p >= r these have the chart

.. math:: \mathfrak z:\ W_p = Q_p\Lambda Q_{p-1}^T, \qquad Q_p\in\mathrm{St}(r,d_p),\
   \Lambda = \Sigma^{1/N},\qquad W_N\cdots W_1 = Q_N\Sigma Q_0^T

and the orthogonal groups of the hidden layers act on them. The charts 𝔵 and 𝔶 build
weights of any G layer by layer, from the input or from the output.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, orthonormalise, svd, transpose
from dlngeo.weights import RNG, haar_frame, imbalances

_ORTHOGONAL = 1e-8  # how far a frame that is passed in may be from orthonormal


# ------------------------------------------------------------------------------- the varieties


def residual(weights: Sequence[ArrayLike], G: Sequence[ArrayLike] | None = None) -> Array:
    """How far weights are from the G-balanced variety: max_p ‖G_p(weights) - G_p‖_F, ``(...)``.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays
    G : tuple of N - 1 symmetric (..., d_p, d_p) arrays, or None for the balanced variety

    Notes
    -----
    Source: Menon, (4.2)-(4.4).
    """
    layers = _checks.weights(weights)
    actual = imbalances(layers)
    wanted = _imbalance_argument(G, [W.shape[-2] for W in layers[:-1]])
    zero = np.zeros(layers[0].shape[:-2])
    return np.max([zero, *(frobenius(a - b) for a, b in zip(actual, wanted, strict=True))], axis=0)


def contains(
    weights: Sequence[ArrayLike], G: Sequence[ArrayLike] | None = None, tol: float = 1e-10
) -> Array:
    """Whether weights lie on the G-balanced variety: residual <= tol · max_p ‖W_p‖_F²."""
    layers, tol = _checks.weights(weights), _checks.non_negative(tol, "tol")
    scale = np.max([frobenius(W) for W in layers], axis=0)
    inside: Array = residual(layers, G) <= tol * scale**2
    return inside


def dimension(widths: Sequence[int], rank: int) -> int:
    """The dimension of the balanced manifold M_r, r + Σ_{p=0}^N (r d_p - r(r+1)/2).

    Parameters
    ----------
    widths : (d_0, ..., d_N)
    rank : int, at most the least width

    Notes
    -----
    For equal widths d: r + (N+1)(rd - r(r+1)/2). Source: Menon, (5.20) corrected.
    """
    widths = _checks.widths(widths)
    r = _rank(rank, widths)
    return r + sum(r * d - r * (r + 1) // 2 for d in widths)


def _rank(rank: int, widths: Sequence[int]) -> int:
    r = _checks.integer(rank, "rank", 1)
    if r > min(widths):
        raise ValueError(f"rank must be at most {min(widths)}, the least width; it is {r}")
    return r


def _imbalance_argument(G: Sequence[ArrayLike] | None, hidden: Sequence[int]) -> Weights:
    if G is None:
        return tuple(np.zeros((d, d)) for d in hidden)
    if len(G) != len(hidden):
        raise ValueError(f"G must hold {len(hidden)} matrices, one a hidden layer, not {len(G)}")
    matrices = []
    for p, (value, d) in enumerate(zip(G, hidden, strict=True), start=1):
        matrix = _checks.matrix(value, f"G_{p}", (d, d))
        if (frobenius(matrix - transpose(matrix)) > 1e-12 * frobenius(matrix)).any():
            raise ValueError(f"G_{p} must be symmetric")
        matrices.append(matrix)
    return tuple(matrices)


# -------------------------------------------------------------------------------- the chart z


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
    """
    lam = _checks.singular_values(lam, "lam")
    if len(Q) < 2:
        raise ValueError(f"Q must hold at least Q_0 and Q_1, not {len(Q)} frames")
    frames = [_frame(value, f"Q_{p}", lam.shape[-1]) for p, value in enumerate(Q)]
    return _chart(frames, lam)


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

    Notes
    -----
    Q_0 and Q_1 come from one SVD, of W_1; each further frame is Q_p = W_p Q_{p-1} Λ⁻¹, so that the
    signs and order that the SVD chose are the same in all frames. They are free otherwise. Division
    by a small λ magnifies what is left of larger directions; Gram-Schmidt takes it out again.
    """
    layers = _checks.weights(weights)
    scale = np.max([frobenius(W) for W in layers], axis=0)
    off = residual(layers)
    if (off > tol * scale**2).any():
        raise ValueError(f"weights must be balanced; their largest imbalance is {off.max():.3g}")
    widths = (layers[0].shape[-1], *(W.shape[-2] for W in layers))
    r = min(widths) if rank is None else _rank(rank, widths)
    U, lam, Vt = svd(layers[0])
    if not (lam[..., r - 1] > 0).all() or (lam[..., r:] > np.sqrt(tol) * scale[..., None]).any():
        raise ValueError(
            f"weights must have rank {r}; the singular values of W_1 are {lam[..., : r + 1]}"
        )
    lam = lam[..., :r]
    frames = [transpose(Vt)[..., :r], U[..., :r]]
    for W in layers[1:]:
        frames.append(orthonormalise(W @ frames[-1] / lam[..., None, :]))
    return tuple(frames), lam


def _chart(frames: Sequence[Array], lam: Array) -> Weights:
    return tuple((Q * lam[..., None, :]) @ transpose(P) for P, Q in itertools.pairwise(frames))


def _frame(value: ArrayLike, name: str, r: int) -> Array:
    Q = _checks.matrix(value, name)
    if Q.shape[-1] != r:
        raise ValueError(f"{name} must have {r} columns, as lam has entries; it has {Q.shape[-1]}")
    off = frobenius(transpose(Q) @ Q - np.eye(r)).max()
    if off > _ORTHOGONAL:
        raise ValueError(f"{name} must have orthonormal columns; it is off by {off:.3g}")
    return Q


# ------------------------------------------------------------------------- points and orbits


def lift(
    W: ArrayLike,
    depth: int,
    *,
    rng: RNG = None,
    rank: int | None = None,
    widths: Sequence[int] | None = None,
) -> Weights:
    """Balanced weights on the fibre over W.

    Parameters
    ----------
    W : (..., m, n) array
    depth : int >= 1
    rng : anything that ``numpy.random.default_rng`` takes, or None
        Draws a gauge from Haar measure: a uniform point of the fibre under the orbit's symmetry.
        None takes the symmetric gauge, Q_p = Q_0: each hidden layer is (WᵀW)^{1/2N}, whatever
        signs and order an SVD of W has; layers of another width than n have the nearest frame.
    rank : int or None
        None: the least of W's dimensions and the widths.
    widths : (n, d_1, ..., m) or None
        None: every hidden layer has width n.

    Returns
    -------
    tuple of ``depth`` arrays whose product is W (cut to the stated rank)
    """
    point, depth = _checks.matrix(W), _checks.integer(depth, "depth", 1)
    m, n = point.shape[-2:]
    dims = (*[n] * depth, m) if widths is None else _checks.widths(widths)
    r = _checks.rank(rank, point.shape, dims, depth)
    U, sigma, Vt = svd(point)
    first, last = transpose(Vt)[..., :r], U[..., :r]
    stack = point.shape[:-2]
    if rng is None:
        hidden = [_nearest_frame(first, d) for d in dims[1:-1]]
    else:
        generator = np.random.default_rng(rng)
        hidden = [haar_frame(d, r, generator, stack) for d in dims[1:-1]]
    return _chart([first, *hidden, last], sigma[..., :r] ** (1 / depth))


def _nearest_frame(Q: Array, d: int) -> Array:
    """The orthonormal d × r frame nearest to the first d rows of Q (padded with zeros)."""
    n = Q.shape[-2]
    if d >= n:
        return np.concatenate((Q, np.zeros((*Q.shape[:-2], d - n, Q.shape[-1]))), axis=-2)
    U, _, Vt = np.linalg.svd(Q[..., :d, :], full_matrices=False)
    return np.asarray(U @ Vt)


def random(
    widths: Sequence[int],
    sigma: ArrayLike,
    *,
    rng: RNG = None,
    size: int | tuple[int, ...] = (),
) -> Weights:
    """A random point of M_r whose end-to-end matrix has the singular values ``sigma``, r of them.

    All frames are independent and uniform (Haar), so the fibre and W's frames are too. For random
    singular values as well see :func:`dlngeo.weights.random_balanced`.
    """
    widths, sigma = _checks.widths(widths), _checks.singular_values(sigma, "sigma")
    r = _rank(sigma.shape[-1], widths)
    stack = (size,) if isinstance(size, int) else tuple(size)
    generator = np.random.default_rng(rng)
    frames = [haar_frame(d, r, generator, stack) for d in widths]
    return _chart(frames, sigma ** (1 / (len(widths) - 1)))


def act(weights: Sequence[ArrayLike], gauge: Sequence[ArrayLike]) -> Weights:
    """The action of the hidden orthogonal groups, W_p → P_p W_p P_{p-1}ᵀ with P_0 = P_N = I.

    Parameters
    ----------
    weights : tuple of N arrays (..., d_p, d_{p-1})
    gauge : tuple (P_1, ..., P_{N-1}) of orthogonal (..., d_p, d_p) arrays

    Returns
    -------
    tuple of arrays with the same product; imbalances turn with the gauge, P_p G_p P_pᵀ

    Notes
    -----
    Source: Menon, section 6.2; Wendin and Altafini, section 3.5.
    """
    layers = list(_checks.weights(weights))
    if len(gauge) != len(layers) - 1:
        raise ValueError(f"gauge must hold {len(layers) - 1} matrices, not {len(gauge)}")
    for p, value in enumerate(gauge):
        d = layers[p].shape[-2]
        P = _frame(_checks.matrix(value, f"gauge[{p}]", (d, d)), f"gauge[{p}]", d)
        layers[p] = P @ layers[p]
        layers[p + 1] = layers[p + 1] @ transpose(P)
    return tuple(layers)


# ---------------------------------------------------------------------------- the charts x, y


def from_right_polar(
    W_1: ArrayLike, Q: Sequence[ArrayLike], G: Sequence[ArrayLike] | None = None
) -> Weights:
    """The chart 𝔵: weights of imbalance G, from W_1 and the polar factors of the layers above.

    W_{p+1} = Q_{p+1} P_{p+1}, P_{p+1} = (W_p W_pᵀ - G_p)^{1/2}.

    Parameters
    ----------
    W_1 : (..., d_1, d_0) array
    Q : tuple (Q_2, ..., Q_N) of (..., d_p, d_{p-1}) arrays
        Isometric on the range of P_p; orthogonal matrices always are.
    G : tuple (G_1, ..., G_{N-1}) of symmetric (..., d_p, d_p) arrays, or None for zero

    Raises
    ------
    ValueError
        If W_p W_pᵀ - G_p has a negative eigenvalue (it says which p, and how negative; G_p <= 0
        suffices for none), or a Q_p is not isometric where it must be.

    Notes
    -----
    Source: Menon, (5.5)-(5.9), (5.9) corrected: P_1² = W_1ᵀ W_1.
    """
    layers = [_checks.matrix(W_1, "W_1")]
    hidden = [layers[0].shape[-2], *(np.shape(q)[-2] for q in Q[:-1])] if len(Q) else []
    wanted = _imbalance_argument(G, hidden)
    for p, value in enumerate(Q, start=1):
        W = layers[-1]
        P = _psd_root(W @ transpose(W) - wanted[p - 1], W, f"W_{p} W_{p}ᵀ - G_{p}")
        layers.append(_isometry(value, P, f"Q_{p + 1}") @ P)
    return tuple(layers)


def to_right_polar(weights: Sequence[ArrayLike]) -> tuple[Array, tuple[Array, ...], Weights]:
    """W_1, (Q_2, ..., Q_N) and G of any weights: the inverse of :func:`from_right_polar`.

    Q_p is the polar factor of W_p = Q_p P_p, a partial isometry where W_p has a kernel.
    """
    layers = _checks.weights(weights)
    return layers[0], tuple(_polar_factor(W) for W in layers[1:]), imbalances(layers)


def from_left_polar(
    W_N: ArrayLike, U: Sequence[ArrayLike], G: Sequence[ArrayLike] | None = None
) -> Weights:
    """The chart 𝔶: weights of imbalance G, from W_N and the polar factors of the layers below.

    W_p = R_p U_pᵀ, R_p = (W_{p+1}ᵀ W_{p+1} + G_p)^{1/2}.

    Parameters
    ----------
    W_N : (..., d_N, d_{N-1}) array
    U : tuple (U_{N-1}, ..., U_1) of (..., d_{p-1}, d_p) arrays
        In the order in which they are used; isometric on the range of R_p.
    G : tuple (G_1, ..., G_{N-1}) of symmetric (..., d_p, d_p) arrays, or None for zero

    Raises
    ------
    ValueError
        As :func:`from_right_polar`; G_p >= 0 suffices for the roots to exist.

    Notes
    -----
    Source: Menon, (5.11)-(5.12).
    """
    layers = [_checks.matrix(W_N, "W_N")]
    hidden = [layers[0].shape[-1], *(np.shape(u)[-2] for u in U[:-1])] if len(U) else []
    wanted = _imbalance_argument(G, hidden[::-1])
    for p, value in zip(range(len(U), 0, -1), U, strict=True):
        W = layers[-1]
        R = _psd_root(transpose(W) @ W + wanted[p - 1], W, f"W_{p + 1}ᵀ W_{p + 1} + G_{p}")
        layers.append(R @ transpose(_isometry(value, R, f"U_{p}")))
    return tuple(reversed(layers))


def to_left_polar(weights: Sequence[ArrayLike]) -> tuple[Array, tuple[Array, ...], Weights]:
    """W_N, (U_{N-1}, ..., U_1) and G of any weights: the inverse of :func:`from_left_polar`."""
    layers = _checks.weights(weights)
    factors = tuple(transpose(_polar_factor(W)) for W in reversed(layers[:-1]))
    return layers[-1], factors, imbalances(layers)


def _psd_root(square: Array, W: Array, name: str) -> Array:
    """The positive semidefinite root; eigenvalues within rounding of zero are taken as zero."""
    values, vectors = np.linalg.eigh(square)
    rounding = 1e-13 * np.maximum(frobenius(square), frobenius(W) ** 2)
    least = values[..., 0]
    if (least < -rounding).any():
        raise ValueError(
            f"{name} must be positive semidefinite to have a root; its least eigenvalue is "
            f"{least.min():.3g}"
        )
    root = np.sqrt(np.maximum(values, 0.0))
    return np.asarray((vectors * root[..., None, :]) @ transpose(vectors))


def _isometry(value: ArrayLike, P: Array, name: str) -> Array:
    Q = _checks.matrix(value, name)
    if Q.shape[-1] != P.shape[-1]:
        raise ValueError(f"{name} must have {P.shape[-1]} columns, not {Q.shape[-1]}")
    image = Q @ P
    off = frobenius(transpose(image) @ image - P @ P) / np.maximum(frobenius(P) ** 2, 1e-300)
    if off.max() > _ORTHOGONAL:
        raise ValueError(
            f"{name} must be isometric on the range of the root it multiplies; it is off by "
            f"{off.max():.3g}"
        )
    return Q


def _polar_factor(W: Array) -> Array:
    """U Vᵀ over the singular values that are not zero to rounding."""
    U, sigma, Vt = svd(W)
    kept = sigma > max(W.shape[-2:]) * np.finfo(float).eps * sigma[..., :1]
    return np.asarray((U * kept[..., None, :]) @ Vt)
