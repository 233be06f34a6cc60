"""A network's weights: a tuple ``(W_1, ..., W_N)``, W_p of shape ``(..., d_p, d_{p-1})``.

Weights stand in network order: ``weights[0]`` is W_1, next to the input. This file carries what
holds for any widths: the end-to-end matrix and the lifted gradient (Menon, sections 3 and 4), the
imbalances that the gradient flow conserves, initialisations, and the special classes of Wendin and
Altafini, section 5 (balanced, aligned, decoupled, diagonal).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import RNG, Array, Weights
from dlngeo._linalg import frobenius, orthonormalise, product, transpose
from dlngeo.energies import Energy, require_stacks

# ------------------------------------------------------------------ maps to and from the weights


def widths(weights: Sequence[ArrayLike]) -> tuple[int, ...]:
    """The layer widths (d_0, ..., d_N), input first."""
    layers = _checks.weights(weights)
    return (layers[0].shape[-1], *(W.shape[-2] for W in layers))


def end_to_end(weights: Sequence[ArrayLike]) -> Array:
    """The end-to-end matrix φ(W_1, ..., W_N) = W_N ⋯ W_1, of shape ``(..., d_N, d_0)``.

    Source: Menon, eq. (3.3).
    """
    layers = _checks.weights(weights)
    return product(layers) if len(layers) > 1 else layers[0].copy()


def to_vector(weights: Sequence[ArrayLike]) -> Array:
    """All entries as one vector ``(..., Σ d_p d_{p-1})``: W_1 first, each matrix row by row."""
    return flatten(_checks.weights(weights))


def from_vector(vector: ArrayLike, widths: Sequence[int]) -> Weights:
    """The weights of the given widths that :func:`to_vector` turned into ``vector``."""
    vector, widths = _checks.real_array(vector, "vector"), _checks.widths(widths)
    size = sum(a * b for a, b in itertools.pairwise(widths))
    if vector.ndim < 1 or vector.shape[-1] != size:
        raise ValueError(
            f"vector must have {size} entries for the widths {widths}; its shape is {vector.shape}"
        )
    return unflatten(vector, widths)


def flatten(weights: Weights) -> Array:
    """:func:`to_vector` without checks."""
    return np.concatenate(
        [W.reshape(*W.shape[:-2], W.shape[-2] * W.shape[-1]) for W in weights], axis=-1
    )


def unflatten(vector: Array, widths: tuple[int, ...]) -> Weights:
    """:func:`from_vector` without checks; the matrices are views of ``vector``."""
    layers, start = [], 0
    for columns, rows in itertools.pairwise(widths):
        stop = start + rows * columns
        layers.append(vector[..., start:stop].reshape(*vector.shape[:-1], rows, columns))
        start = stop
    return tuple(layers)


# ----------------------------------------------------------------------- gradients and velocities


def gradient(energy: Energy, weights: Sequence[ArrayLike]) -> Weights:
    r"""Euclidean gradient of the lifted energy E ∘ φ, layer by layer.

    .. math:: \nabla_{W_p} = (W_N\cdots W_{p+1})^T\, E'(W)\, (W_{p-1}\cdots W_1)^T

    Parameters
    ----------
    energy : Energy
    weights : tuple of (..., d_p, d_{p-1}) arrays

    Returns
    -------
    tuple of (..., d_p, d_{p-1}) arrays
        Minus the velocity of the gradient flow (3.5).

    Notes
    -----
    Prefixes W_{p-1} ⋯ W_1 and the backpropagated E' are reused: 3N - 3 products in all.
    Source: Menon, eq. (3.6).
    """
    layers = _checks.weights(weights)
    prefixes = list(itertools.accumulate(layers, lambda B, W: W @ B))
    require_stacks(energy, prefixes[-1], "weights", hessian=False)
    return pull_back(energy.gradient(prefixes[-1]), layers, prefixes)


def pull_back(covector: Array, weights: Weights, prefixes: Sequence[Array]) -> Weights:
    """The adjoint of dφ applied to a matrix, given the prefixes B_p = W_p ⋯ W_1; (3.6) for E'."""
    layers: list[Array] = []
    for p in range(len(weights) - 1, 0, -1):
        layers.append(covector @ transpose(prefixes[p - 1]))
        covector = transpose(weights[p]) @ covector
    return (covector, *reversed(layers))


def end_to_end_velocity(energy: Energy, weights: Sequence[ArrayLike]) -> Array:
    r"""Velocity of the end-to-end matrix under the gradient flow, for any weights.

    .. math:: \dot W = -\sum_{p=1}^N A_{p+1}A_{p+1}^T\, E'(W)\, B_{p-1}^TB_{p-1},
       \quad A_p = W_N\cdots W_p,\ B_p = W_p\cdots W_1,\ A_{N+1} = B_0 = 1

    Returns
    -------
    (..., d_N, d_0) array

    Notes
    -----
    Source: Menon, eqs. (4.9)-(4.10). On balanced weights it equals -𝒜_{N,W}(E'(W)), (4.11).
    """
    layers = _checks.weights(weights)
    prefixes = list(itertools.accumulate(layers, lambda B, W: W @ B))
    require_stacks(energy, prefixes[-1], "weights", hessian=False)
    velocities = pull_back(-energy.gradient(prefixes[-1]), layers, prefixes)
    return push_forward(velocities, layers, prefixes)


def push_forward(tangent: Weights, weights: Weights, prefixes: Sequence[Array]) -> Array:
    """dφ of a tangent tuple, given the prefixes: (W_p B)' = V_p B + W_p B' layer by layer."""
    result = tangent[0]
    for p in range(1, len(weights)):
        result = tangent[p] @ prefixes[p - 1] + weights[p] @ result
    return result


# ------------------------------------------------------------------------ invariants and norms


def imbalance(weights: Sequence[ArrayLike]) -> Weights:
    """The N - 1 imbalances G_p = W_p W_pᵀ - W_{p+1}ᵀ W_{p+1}, each ``(..., d_p, d_p)``.

    The gradient flow of every energy conserves them; with weight decay γ they shrink by exp(-2γt).
    Source: Menon, eqs. (4.2), (4.8) corrected; Wendin and Altafini, Prop. 6.
    """
    return imbalances(_checks.weights(weights))


def imbalances(weights: Weights) -> Weights:
    """:func:`imbalance` without checks."""
    return tuple(
        left @ transpose(left) - transpose(right) @ right
        for left, right in itertools.pairwise(weights)
    )


def norm(weights: Sequence[ArrayLike]) -> Array:
    """The Frobenius norm (Σ_p ‖W_p‖²)^{1/2} of all weights, Menon (3.2); shape ``(...)``."""
    return _root_sum_squares([frobenius(W) for W in _checks.weights(weights)])


def _root_sum_squares(norms: Sequence[Array]) -> Array:
    total = norms[0]
    for value in norms[1:]:
        total = np.hypot(total, value)
    return total


# ---------------------------------------------------------------------------- initialisations


def random(
    widths: Sequence[int], scale: float, *, rng: RNG = None, size: int | tuple[int, ...] = ()
) -> Weights:
    """Independent Gaussian entries of mean 0 and standard deviation ``scale``.

    Parameters
    ----------
    widths : (d_0, ..., d_N)
    scale : float > 0
    rng : anything that ``numpy.random.default_rng`` takes
    size : int or tuple of int
        Leading dimensions, for a stack of networks.
    """
    widths, scale, size = _checks_random(widths, scale, size)
    generator = _checks.rng(rng)
    return tuple(
        scale * generator.standard_normal((*size, rows, columns))
        for columns, rows in itertools.pairwise(widths)
    )


def random_balanced(
    widths: Sequence[int], scale: float, *, rng: RNG = None, size: int | tuple[int, ...] = ()
) -> Weights:
    r"""Balanced weights W_p = Q_p Λ Q_{p-1}ᵀ with Haar frames and Gaussian singular values.

    Q_p is uniform on the Stiefel manifold St(r, d_p), r = min_p d_p, and Λ holds the r largest
    singular values of a d_N × d_0 matrix of Gaussian entries of standard deviation ``scale``. For
    equal widths each layer has the law of one layer of :func:`random`; the end-to-end matrix is
    Q_N Λ^N Q_0ᵀ.

    Parameters
    ----------
    widths, scale, rng, size
        As for :func:`random`.

    Notes
    -----
    Source: Menon, (5.15)-(5.20); the idea of Arora, Cohen, Golowich and Hu (2019), Procedure 1.
    """
    widths, scale, size = _checks_random(widths, scale, size)
    generator = _checks.rng(rng)
    rank = min(widths)
    gaussian = generator.standard_normal((*size, widths[-1], widths[0]))
    lam = scale * np.linalg.svd(gaussian, compute_uv=False)[..., None, :rank]
    frames = [haar_frame(d, rank, generator, size) for d in widths]
    return tuple((Q * lam) @ transpose(P) for P, Q in itertools.pairwise(frames))


def random_decoupled(
    widths: Sequence[int], scale: float, *, rng: RNG = None, size: int | tuple[int, ...] = ()
) -> Weights:
    """Decoupled (spectral) weights: diagonal layers in Haar-rotated bases of the hidden layers.

    W_p = P_p Λ_p P_{p-1}ᵀ with P_0 = P_N = I, P_p Haar on O(d_p) between, and Λ_p a rectangular
    diagonal matrix of Gaussian entries of standard deviation ``scale``. The gradient flow of
    :class:`~dlngeo.energies.Quadratic` with a diagonal target keeps them decoupled.

    Parameters
    ----------
    widths, scale, rng, size
        As for :func:`random`.

    Notes
    -----
    Source: Wendin and Altafini, section 5, Props. 31 and 32 (corrected).
    """
    widths, scale, size = _checks_random(widths, scale, size)
    generator = _checks.rng(rng)
    identity = [np.broadcast_to(np.eye(d), (*size, d, d)) for d in (widths[0], widths[-1])]
    hidden = [haar_frame(d, d, generator, size) for d in widths[1:-1]]
    frames = [identity[0], *hidden, identity[1]]
    layers = []
    for P, Q in itertools.pairwise(frames):
        r = min(P.shape[-1], Q.shape[-1])
        diagonal = scale * generator.standard_normal((*size, 1, r))
        layers.append((Q[..., :r] * diagonal) @ transpose(P[..., :r]))
    return tuple(layers)


def _checks_random(
    widths: Sequence[int], scale: float, size: int | tuple[int, ...]
) -> tuple[tuple[int, ...], float, tuple[int, ...]]:
    return _checks.widths(widths), _checks.positive(scale, "scale"), _checks.stack(size)


def haar_frame(d: int, r: int, generator: np.random.Generator, size: tuple[int, ...] = ()) -> Array:
    """Uniform (Haar) orthonormal r-frames in R^d, ``(*size, d, r)``."""
    return orthonormalise(generator.standard_normal((*size, d, r)))


# --------------------------------------------------------------------------------- predicates


def is_balanced(weights: Sequence[ArrayLike], tol: float = 1e-10) -> Array:
    """Whether every imbalance vanishes: max_p ‖G_p‖_F ≤ tol · max_p ‖W_p‖_F².

    Source: Menon, (4.4); Wendin and Altafini, section 5 ("0-balanced").
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
    for path, size in _paths(layers, start=0):
        verdicts.append(_is_diagonal(transpose(path) @ path, size**2, tol))
    for path, size in _paths(tuple(transpose(W) for W in reversed(layers)), start=0):
        verdicts.append(_is_diagonal(transpose(path) @ path, size**2, tol))
    whole = list(_paths(layers, start=0))[-1]
    verdicts.append(_is_diagonal(*whole, tol))
    r = min(layers[-1].shape[-2], layers[0].shape[-1])
    for p in range(1, len(layers)):
        (B, b), (A, a) = _paths(layers[:p], start=0)[-1], _paths(layers[p:], start=0)[-1]
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


def _paths(layers: Weights, start: int) -> list[tuple[Array, Array]]:
    """Products of layers start, start+1, ..., with the product of their norms."""
    products = itertools.accumulate(layers[start:], lambda B, W: W @ B)
    sizes = itertools.accumulate((frobenius(W) for W in layers[start:]), np.multiply)
    return list(zip(products, sizes, strict=True))


def _gram_pairs(layers: Weights) -> list[tuple[tuple[Array, Array], tuple[Array, Array]]]:
    backwards = tuple(transpose(W) for W in reversed(layers))
    pairs = []
    for p in range(1, len(layers)):
        incoming = _paths(backwards, start=len(layers) - p)
        outgoing = _paths(layers, start=p)
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
