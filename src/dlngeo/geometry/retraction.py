"""A retraction of second order on the balanced manifold: metric projection.

Users find it in :mod:`dlngeo.balanced`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, svd, transpose
from dlngeo.geometry.charts import chart, coordinates, layer_rank
from dlngeo.geometry.tangent import Split, tangent_argument

_ITERATIONS = 60


def retract(
    weights: Sequence[ArrayLike], V: Sequence[ArrayLike], *, rank: int | None = None
) -> Weights:
    """The balanced weights of rank r nearest to weights + V: a retraction of second order.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced
    V : tuple of arrays of the same shapes
        Tangent for a retraction; any short V is taken.
    rank : int or None
        None: the least width.

    Returns
    -------
    tuple of arrays
        Balanced to rounding. For tangent V the curve t → retract(weights, tV) has no tangential
        acceleration at t = 0, so it follows the geodesic of (M_r, ι) up to O(t³).

    Raises
    ------
    ValueError
        If the weights are not balanced, or V is so long that the projection is not found.

    Notes
    -----
    Fixed-point iteration X ← E(X + P_{T_X}(Y - X)) for Y = weights + V, where E reads balanced
    weights off nearly balanced ones layer by layer. It contracts by the distance of Y from M times
    the curvature, of order |V|². Source: derived; metric projections are retractions of second
    order (Absil and Malick, 2012).
    """
    vectors, layers = tangent_argument(weights, V), _checks.weights(weights)
    r = layer_rank(layers, rank)
    coordinates(layers, r, name="weights")  # refuses what is not balanced, or of lower rank
    return nearest(layers, vectors, r)


def nearest(layers: Weights, vectors: Weights, r: int) -> Weights:
    """:func:`retract` at weights of the library's own, of rank r."""
    wanted = tuple(W + Y for W, Y in zip(layers, vectors, strict=True))
    here = _nearly_balanced(wanted, r)
    scale = np.max([frobenius(W) for W in wanted], axis=0)
    best = np.full(scale.shape, np.inf)
    active = np.ones(scale.shape, dtype=bool)  # each network of a stack ends by itself
    for _ in range(_ITERATIONS):
        if not _of_full_rank(here, r):
            break
        step = Split.within(here, [a - b for a, b in zip(wanted, here, strict=True)], r).tangent()
        size = np.max([frobenius(T) for T in step], axis=0)
        active &= (size > 1e-14 * scale) & ((size > 1e-11 * scale) | (size <= 0.5 * best))
        if not active.any():
            return here
        best = np.minimum(best, size)
        moved = _nearly_balanced([a + b for a, b in zip(here, step, strict=True)], r)
        choice = active[..., None, None]
        here = tuple(np.where(choice, a, b) for a, b in zip(moved, here, strict=True))
    raise ValueError(
        f"V is too long for a projection on the balanced manifold of rank {r}: no nearest point "
        f"was found in {_ITERATIONS} iterations; take a shorter step"
    )


def _of_full_rank(layers: Weights, r: int) -> bool:
    """Whether every network of a stack still has rank r."""
    lam = np.linalg.svd(layers[0], compute_uv=False)[..., r - 1]
    return bool((lam > 0).all())


def _nearly_balanced(layers: Sequence[Array], r: int) -> Weights:
    return chart(*nearest_coordinates(layers, r))


def nearest_coordinates(layers: Sequence[Array], r: int) -> tuple[list[Array], Array]:
    """Frames and λ close to nearly balanced weights: exact on M_r, to first order beside it."""
    U, _, Vt = svd(layers[0])
    frames = [transpose(Vt)[..., :r], U[..., :r]]
    for W in layers[1:]:
        left, _, right = np.linalg.svd(W @ frames[-1], full_matrices=False)
        frames.append(left @ right)
    diagonals = [
        np.einsum("...ik,...ij,...jk->...k", Q, W, P)
        for P, Q, W in zip(frames[:-1], frames[1:], layers, strict=True)
    ]
    return frames, np.mean(diagonals, axis=0)
