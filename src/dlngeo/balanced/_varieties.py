"""The G-balanced varieties, points on them, and orbits of the gauge group (Menon, 4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _rank
from dlngeo._checks import RNG, Array, Weights
from dlngeo._linalg import frobenius, svd, together, transpose
from dlngeo.balanced.charts import (
    chart,
    frame_argument,
    imbalance_argument,
    rank_argument,
)
from dlngeo.weights import haar_frame, imbalances

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

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = (np.eye(2), 2 * np.eye(2))
    >>> round(float(dln.balanced.residual(weights)), 6)  # |I - 4I|, and from G = -3I nothing
    4.242641
    >>> float(dln.balanced.residual(weights, [-3 * np.eye(2)]))
    0.0
    """
    layers = _checks.weights(weights)
    actual = imbalances(layers)
    wanted = imbalance_argument(G, [W.shape[-2] for W in layers[:-1]])
    zero = np.zeros(layers[0].shape[:-2])
    return np.max([zero, *(frobenius(a - b) for a, b in zip(actual, wanted, strict=True))], axis=0)


def contains(
    weights: Sequence[ArrayLike], G: Sequence[ArrayLike] | None = None, tol: float = 1e-10
) -> Array:
    """Whether weights lie on the G-balanced variety: residual <= tol · max_p ‖W_p‖_F².

    Source: Menon, (4.2)-(4.4).
    """
    layers, tol = _checks.weights(weights), _checks.non_negative(tol, "tol")
    scale = np.max([frobenius(W) for W in layers], axis=0)[..., None, None]
    scale = np.where(scale > 0, scale, 1.0)  # squares of very large or small weights are no numbers
    wanted = imbalance_argument(G, [W.shape[-2] for W in layers[:-1]])
    inside: Array = (
        residual([W / scale for W in layers], [M / scale / scale for M in wanted]) <= tol
    )
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

    Examples
    --------
    >>> import dlngeo as dln
    >>> dln.balanced.dimension((3, 3, 3), 3)  # 9 of W, 3 of the one hidden frame
    12
    >>> dln.balanced.dimension((3, 3, 3), 1)
    7
    """
    widths = _checks.widths(widths)
    r = rank_argument(rank, widths)
    return r + sum(r * d - r * (r + 1) // 2 for d in widths)


def orbit_dimension(widths: Sequence[int], rank: int) -> int:
    """The dimension of the fibre O_W in M_r, Σ_{p=1}^{N-1} (r d_p - r(r+1)/2).

    The rest of :func:`dimension`, r(d_0 + d_N - r), is that of the rank-r matrices downstairs and,
    for r the least width, of the space of lifted gradients
    (:func:`dlngeo.submersion.thin_gradients`).

    Parameters
    ----------
    widths : (d_0, ..., d_N)
    rank : int, at most the least width

    Notes
    -----
    For equal widths and full rank (N-1) d(d-1)/2. Source: Menon, (4.6), Remark 6; rank r derived.
    """
    widths = _checks.widths(widths)
    r = rank_argument(rank, widths)
    return sum(r * d - r * (r + 1) // 2 for d in widths[1:-1])


# ------------------------------------------------------------------------------- the Simons cone


def simons_coordinates(weights: Sequence[ArrayLike]) -> Array:
    """Two d × d layers as a point of R^{2d²}: the rows of W_1, then those of W_2.

    At d = 2 Menon's x_1, ..., x_8, in which balance reads x_5² + x_7² = x_1² + x_2²,
    x_5 x_6 + x_7 x_8 = x_1 x_3 + x_2 x_4, x_6² + x_8² = x_3² + x_4²: the three entries of the
    imbalance. Source: Menon, Remark 8, (4.24)-(4.27).
    """
    layers = _checks.weights(weights)
    d = layers[0].shape[-1]
    if len(layers) != 2 or any(W.shape[-2:] != (d, d) for W in layers):
        raise ValueError(
            "weights must be two square matrices of one size; their shapes are "
            f"{[W.shape for W in layers]}"
        )
    return np.concatenate([W.reshape(*W.shape[:-2], d * d) for W in layers], axis=-1)


def simons_cone(x: ArrayLike) -> Array:
    """The quadratic form |x'|² - |x''|² of the two halves of x, whose zero set is the Simons cone.

    The trace of the imbalance, ‖W_1‖² - ‖W_2‖², at the coordinates of weights: zero on balanced
    ones, a five-dimensional variety within the cone in R^8. Source: Menon, (4.28).
    """
    point = _checks.real_array(x, "x")
    if point.ndim < 1 or point.shape[-1] % 2 or point.shape[-1] == 0:
        raise ValueError(f"x must have shape (..., 2k) with k >= 1, not {point.shape}")
    half = point.shape[-1] // 2
    a, b = point[..., :half], point[..., half:]
    return ((a - b) * (a + b)).sum(axis=-1)


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

    Raises
    ------
    numpy.linalg.LinAlgError
        If the numerical rank of W is lower, so that rounding of W, to the power 1/N, would decide
        over what the layers are.

    Notes
    -----
    Source: Menon, (5.15)-(5.17), (6.1), Remark 6; rank r and widths derived.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> W_1, W_2 = dln.balanced.lift(np.diag([4.0, 1.0]), 2)
    >>> W_1.round(12).tolist(), bool(np.allclose(W_2 @ W_1, np.diag([4.0, 1.0])))
    ([[2.0, 0.0], [0.0, 1.0]], True)
    """
    point, depth = _checks.matrix(W), _checks.integer(depth, "depth", 1)
    m, n = point.shape[-2:]
    dims = (*[n] * depth, m) if widths is None else _checks.widths(widths)
    r = _checks.rank(rank, point.shape, dims, depth)
    U, sigma, Vt = svd(point)
    first, last = transpose(Vt)[..., :r], U[..., :r]
    stack = point.shape[:-2]
    lam = sigma[..., :r] ** (1 / depth)
    doubt = None if depth == 1 else _rank.doubt(point, sigma, r)
    if doubt is not None:  # the size of every layer's singular values
        lam = _rank.settled(lambda sigma: sigma ** (1 / depth), doubt, 1)
    if rng is None:
        hidden = [_nearest_frame(first, d) for d in dims[1:-1]]
    else:
        generator = _checks.rng(rng)
        hidden = [haar_frame(d, r, generator, stack) for d in dims[1:-1]]
    return chart([first, *hidden, last], lam)


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
    singular values as well see :func:`dlngeo.weights.random_balanced`. Source: Menon,
    (5.15)-(5.20).
    """
    widths, sigma = _checks.widths(widths), _checks.singular_values(sigma, "sigma")
    r = sigma.shape[-1]
    if r > min(widths):
        raise ValueError(f"sigma must hold at most {min(widths)} numbers, the least width, not {r}")
    generator = _checks.rng(rng)
    frames = [haar_frame(d, r, generator, _checks.stack(size)) for d in widths]
    return chart(frames, sigma ** (1 / (len(widths) - 1)))


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

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = dln.balanced.lift(np.diag([4.0, 1.0]), 2)
    >>> turned = dln.balanced.act(weights, ([[0.0, 1.0], [-1.0, 0.0]],))  # one hidden layer
    >>> bool(np.allclose(dln.weights.end_to_end(turned), np.diag([4.0, 1.0])))
    True
    """
    layers = list(_checks.weights(weights))
    gauge = _checks.sequence(gauge, "gauge")
    if len(gauge) != len(layers) - 1:
        raise ValueError(f"gauge must hold {len(layers) - 1} matrices, not {len(gauge)}")
    for p, value in enumerate(gauge):
        d = layers[p].shape[-2]
        P = frame_argument(_checks.matrix(value, f"gauge[{p}]", (d, d)), f"gauge[{p}]", d)
        layers[p] = P @ layers[p]
        layers[p + 1] = layers[p + 1] @ transpose(P)
    return together(layers)
