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
from dlngeo.balanced.charts import chart, coordinates, layer_rank
from dlngeo.balanced.tangent import TangentSplit, tangent_argument

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

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = dln.balanced.lift(np.diag([4.0, 1.0]), 2)
    >>> moved = dln.balanced.retract(weights, (0.1 * np.eye(2), 0.1 * np.eye(2)))
    >>> bool(dln.weights.is_balanced(moved))
    True
    """
    vectors, layers = tangent_argument(weights, V), _checks.weights(weights)
    r = layer_rank(layers, rank)
    coordinates(layers, r, name="weights")  # refuses what is not balanced, or of lower rank
    wanted = tuple(W + Y for W, Y in zip(layers, vectors, strict=True))
    nearest, found = projection(wanted, r)
    if not found.all():
        raise ValueError(
            f"V is too long for a projection on the balanced manifold of rank {r}: no nearest "
            f"point was found in {_ITERATIONS} iterations; take a shorter step"
        )
    return nearest


def projection(wanted: Weights, r: int) -> tuple[Weights, Array]:
    """The nearest balanced weights of rank r, and where they were found; unchecked.

    Each network of a stack ends by itself; one that has no nearest weights does not stop the rest.
    """
    if len(wanted) == 1 and r == min(wanted[0].shape[-2:]):  # every matrix is balanced
        return wanted, np.asarray(np.isfinite(wanted[0]).all(axis=(-2, -1)))
    stack = wanted[0].shape[:-2]
    goals = [W.reshape(-1, *W.shape[-2:]) for W in wanted]
    nearest, scale = [W.copy() for W in goals], np.max([frobenius(W) for W in goals], axis=0)
    found, best = np.zeros(scale.shape, dtype=bool), np.full(scale.shape, np.inf)
    rows = np.flatnonzero(np.isfinite(scale) & (scale > 0))  # where the search goes on
    here = tuple(W[rows] for W in goals)
    for _ in range(_ITERATIONS):
        frames, lam = nearest_coordinates(here, r)
        here = chart(frames, lam)
        away = [W[rows] - X for W, X in zip(goals, here, strict=True)]
        step = TangentSplit.at(frames, lam, away).tangent()
        size, width = np.max([frobenius(T) for T in step], axis=0), scale[rows]
        there = np.isfinite(size) & (lam[..., -1] > 0)
        near = there & (
            (size <= 1e-14 * width) | ((size <= 1e-11 * width) & (size > 0.5 * best[rows]))
        )
        found[rows] = near
        for layer, X in zip(nearest, here, strict=True):
            layer[rows[near]] = X[near]
        going = there & ~near
        best[rows] = np.minimum(best[rows], size)
        rows = rows[going]
        if not rows.size:
            break
        here = tuple(X[going] + T[going] for X, T in zip(here, step, strict=True))
    layers = (layer.reshape(*stack, *layer.shape[-2:]) for layer in nearest)
    return tuple(layers), found.reshape(stack)


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
