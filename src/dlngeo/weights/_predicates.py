"""The special classes of weights: balanced, aligned, decoupled, diagonal.

Wendin and Altafini, section 5.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, prefix_products, transpose
from dlngeo.weights._layers import imbalances


def is_balanced(weights: Sequence[ArrayLike], tol: float = 1e-10) -> Array:
    """Whether every imbalance vanishes: max_p ‖G_p‖_F ≤ tol · max_p ‖W_p‖_F².

    Source: Menon, (4.4); Wendin and Altafini, section 5 ("0-balanced").

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> bool(dln.weights.is_balanced((np.diag([2.0, 1.0]), np.diag([2.0, 1.0]))))
    True
    >>> bool(dln.weights.is_balanced((np.diag([2.0, 1.0]), np.diag([1.0, 2.0]))))
    False
    """
    layers, tol = _checks.weights(weights), _checks.non_negative(tol, "tol")
    scale = np.max([frobenius(W) for W in layers], axis=0)[..., None, None]
    # Squares of very large or small weights would leave the range of floating point.
    return _largest_imbalance(tuple(W / np.where(scale > 0, scale, 1.0) for W in layers)) <= tol


def is_delta_balanced(weights: Sequence[ArrayLike], delta: float) -> Array:
    """Whether ‖W_p W_pᵀ - W_{p+1}ᵀ W_{p+1}‖_F ≤ delta for every p, an absolute bound.

    Source: Wendin and Altafini, section 5.3.1.
    """
    delta = _checks.non_negative(delta, "delta")
    return _largest_imbalance(_checks.weights(weights)) <= delta


def is_diagonal(weights: Sequence[ArrayLike], tol: float = 1e-10) -> Array:
    """Whether every W_p is (rectangular) diagonal, up to ``tol`` · ‖W_p‖_F.

    Source: Wendin and Altafini, section 5 ("block-shift diagonal").
    """
    layers, tol = _checks.weights(weights), _checks.non_negative(tol, "tol")
    return np.all([_is_diagonal(W, frobenius(W), tol) for W in layers], axis=0)


def is_aligned(weights: Sequence[ArrayLike], tol: float = 1e-10) -> Array:
    """Whether singular value decompositions W_p = U_p Λ_p V_pᵀ exist with V_{p+1}ᵀ U_p = I.

    Λ_p may hold its singular values anywhere, one at most in each row and column. Equivalent, and
    free of the choices an SVD makes: at each hidden layer p the Gram matrices of
    all paths that end there, (W_p ⋯ W_j)(W_p ⋯ W_j)ᵀ, commute with those of all paths that leave,
    (W_k ⋯ W_{p+1})ᵀ(W_k ⋯ W_{p+1}). Commutators are compared with ``tol`` times the product of the
    layers' norms. Source: Wendin and Altafini, section 5.1.
    """
    layers, tol = _units(_checks.weights(weights)), _checks.non_negative(tol, "tol")
    return np.asarray(np.all([_commute(L, R, tol) for L, R in _gram_pairs(layers)], axis=0)) | (
        np.zeros(layers[0].shape[:-2], dtype=bool)
    )


def is_decoupled(weights: Sequence[ArrayLike], tol: float = 1e-10) -> Array:
    """Whether the weights are aligned with U_N = I and V_1 = I (up to signs of singular values).

    That is: aligned; the Gram matrices of all paths from the input or into the output are diagonal,
    and so is the end-to-end matrix; and at each hidden layer what comes from input k lies on the
    line of what goes to output k. Source: Wendin and Altafini, section 5.2.
    """
    layers, tol = _units(_checks.weights(weights)), _checks.non_negative(tol, "tol")
    verdicts = [is_aligned(layers, tol)]
    for path, size in _paths(layers):
        verdicts.append(_is_diagonal(transpose(path) @ path, size**2, tol))
    for path, size in _paths(tuple(transpose(W) for W in reversed(layers))):
        verdicts.append(_is_diagonal(transpose(path) @ path, size**2, tol))
    whole = _paths(layers)[-1]
    verdicts.append(_is_diagonal(*whole, tol))
    r = min(layers[-1].shape[-2], layers[0].shape[-1])
    for p in range(1, len(layers)):
        (B, b), (A, a) = _paths(layers[:p])[-1], _paths(layers[p:])[-1]
        M = B[..., :, :r] @ A[..., :r, :]  # symmetric where each pair of lines is one
        verdicts.append(frobenius(M - transpose(M)) <= tol * a * b)
    return np.all(verdicts, axis=0)


def _units(layers: Weights) -> Weights:
    """Each layer over its norm, so that no product of many leaves the range of floating point."""
    norms = [frobenius(W)[..., None, None] for W in layers]
    return tuple(W / np.where(n > 0, n, 1.0) for W, n in zip(layers, norms, strict=True))


def _largest_imbalance(layers: Weights) -> Array:
    zero = np.zeros(layers[0].shape[:-2])
    return np.max([zero, *(frobenius(G) for G in imbalances(layers))], axis=0)


def _paths(layers: Weights) -> list[tuple[Array, Array]]:
    """Products of the first layers, one, two, ..., with the product of their norms."""
    sizes = itertools.accumulate((frobenius(W) for W in layers), np.multiply)
    return list(zip(prefix_products(layers), sizes, strict=True))


def _gram_pairs(layers: Weights) -> list[tuple[tuple[Array, Array], tuple[Array, Array]]]:
    backwards = tuple(transpose(W) for W in reversed(layers))
    pairs = []
    for p in range(1, len(layers)):
        incoming = _paths(backwards[len(layers) - p :])
        outgoing = _paths(layers[p:])
        pairs += [
            ((transpose(L) @ L, a**2), (transpose(R) @ R, b**2))
            for L, a in incoming
            for R, b in outgoing
        ]
    return pairs


def _commute(left: tuple[Array, Array], right: tuple[Array, Array], tol: float) -> Array:
    (L, a), (R, b) = left, right
    small: Array = frobenius(L @ R - R @ L) <= tol * a * b
    return small


def _is_diagonal(W: Array, scale: Array, tol: float) -> Array:
    small: Array = frobenius(W * (1 - np.eye(*W.shape[-2:]))) <= tol * scale
    return small
