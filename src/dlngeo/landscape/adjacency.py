r"""The network as one matrix: its adjacency matrix in block-shift form (Wendin and Altafini, 2-3).

A network of widths (d_0, ..., d_N) is the n_v × n_v matrix A = blk_1(W_1, ..., W_N), n_v = Σ d_p:
block (p, p-1) is W_p, all others vanish. Its powers hold the products of consecutive layers,
A^N = blk_N(W_N ⋯ W_1), and the gradient flow of the whole network is one matrix ODE. Everything
here is written in whole n_v × n_v matrices as the paper writes it: this file is the ground truth
that :mod:`dlngeo.weights` is compared with, not the fast path.

Blocks are numbered from 0, so layer p holds rows d_0 + ... + d_{p-1} onward. Every function accepts
stacks ``(..., n_v, n_v)``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import transpose
from dlngeo.energies import Energy


def blk(k: int, blocks: Sequence[ArrayLike], widths: Sequence[int]) -> Array:
    """The matrix with ``blocks`` F_1, ..., F_{N+1-k} on its k-th lower block diagonal.

    Parameters
    ----------
    k : int, 0 to N
    blocks : sequence of N + 1 - k arrays
        F_j of shape ``(..., d_{j+k-1}, d_{j-1})``.
    widths : (d_0, ..., d_N)

    Returns
    -------
    (..., n_v, n_v) array

    Notes
    -----
    Source: Wendin and Altafini, section 2.1.1.
    """
    widths = _checks.widths(widths)
    k = _band(k, widths)
    if len(blocks) != len(widths) - k:
        raise ValueError(f"blk_{k} takes {len(widths) - k} blocks, not {len(blocks)}")
    arrays = [
        _checks.matrix(F, f"blocks[{j}]", (widths[j + k], widths[j])) for j, F in enumerate(blocks)
    ]
    result = np.zeros((*np.broadcast_shapes(*(F.shape[:-2] for F in arrays)), *_square(widths)))
    for j, F in enumerate(arrays):
        result[(..., *_place(widths, j + k, j))] = F
    return result


def from_weights(weights: Sequence[ArrayLike]) -> Array:
    """The adjacency matrix A = blk_1(W_1, ..., W_N), ``(..., n_v, n_v)``, eq. (10)."""
    layers = _checks.weights(weights)
    return blk(1, layers, (layers[0].shape[-1], *(W.shape[-2] for W in layers)))


def to_weights(A: ArrayLike, widths: Sequence[int]) -> Weights:
    """The weights of which A is the adjacency matrix.

    Raises
    ------
    ValueError
        If A has an entry outside the blocks (p, p-1).
    """
    A, widths = _state(A, widths)
    weights = blocks(A, 1, widths)
    outside = np.abs(A - blk(1, weights, widths)).max()
    if outside > 0:
        raise ValueError(
            f"A must be in block-shift form for the widths {widths}; "
            f"an entry outside has magnitude {outside:g}"
        )
    return weights


def blocks(A: ArrayLike, k: int, widths: Sequence[int]) -> Weights:
    """The blocks F_1, ..., F_{N+1-k} on the k-th lower block diagonal of A (copies)."""
    A, widths = _state(A, widths)
    k = _band(k, widths)
    return tuple(A[(..., *_place(widths, j + k, j))].copy() for j in range(len(widths) - k))


def powers(A: ArrayLike, highest: int) -> list[Array]:
    """I, A, A², ..., up to the given power; A^k = blk_k(W_k ⋯ W_1, ...), eq. (16)."""
    A = _square_matrix(A)
    result = [np.broadcast_to(np.eye(A.shape[-1]), A.shape).copy()]
    for _ in range(_checks.integer(highest, "highest", 0)):
        result.append(A @ result[-1])
    return result


def nilpotency_index(A: ArrayLike) -> int:
    """The least k with A^k = 0: N + 1 for a network whose end-to-end matrix is not zero.

    In block-shift form the vanishing blocks are products with exact zeros, so no tolerance enters.
    Of a stack, the index of the whole block-diagonal matrix: the largest.

    Raises
    ------
    ValueError
        If A is not nilpotent.
    """
    A = _square_matrix(A)
    power = A = A / (np.abs(A).max() or 1.0)
    for k in range(1, A.shape[-1] + 1):
        largest = np.abs(power).max()
        if largest == 0:
            return k
        power = A @ (power / largest)  # no power underflows
    raise ValueError("A must be nilpotent; its powers do not vanish")


def loss(A: ArrayLike, energy: Energy, widths: Sequence[int]) -> Array:
    """The lifted energy E(W_N ⋯ W_1) read off A^N, of shape ``(...)``.

    For :class:`~dlngeo.energies.Quadratic` of target Σ it is ½‖blk_N(Σ) - A^N‖², eq. (11).
    """
    A, widths = _state(A, widths)
    (W,) = blocks(np.linalg.matrix_power(A, len(widths) - 1), len(widths) - 1, widths)
    return energy.value(W)


def gradient(A: ArrayLike, energy: Energy, widths: Sequence[int]) -> Array:
    r"""The gradient of :func:`loss` in the block-shift matrices.

    .. math:: \nabla\mathcal L(A) = \sum_{j=1}^N (A^{N-j})^T\,\mathrm{blk}_N(E'(W))\,(A^{j-1})^T

    Returns
    -------
    (..., n_v, n_v) array in block-shift form

    Notes
    -----
    For Quadratic(Σ) E' = W - Σ and minus this is the right-hand side of (12).
    Source: Wendin and Altafini, Prop. 4.
    """
    A, widths = _state(A, widths)
    return block_gradient(A, energy, widths)


def block_gradient(A: Array, energy: Energy, widths: tuple[int, ...]) -> Array:
    """:func:`gradient` without checks."""
    depth = len(widths) - 1
    steps = [np.broadcast_to(np.eye(A.shape[-1]), A.shape)]
    for _ in range(depth):
        steps.append(A @ steps[-1])
    corner = (..., *_place(widths, depth, 0))
    residual = np.zeros_like(A)
    residual[corner] = energy.gradient(steps[depth][corner])
    total = np.zeros_like(A)
    for j in range(1, depth + 1):
        total += transpose(steps[depth - j]) @ residual @ transpose(steps[j - 1])
    return total


def commutator(A: ArrayLike) -> Array:
    """Q = [A, Aᵀ] = A Aᵀ - Aᵀ A, eq. (18): block diagonal, with the imbalances inside.

    Q = blk_0(-W_1ᵀW_1, G_1, ..., G_{N-1}, W_N W_Nᵀ), G_p = W_p W_pᵀ - W_{p+1}ᵀ W_{p+1}.
    """
    A = _square_matrix(A)
    Q: Array = A @ transpose(A) - transpose(A) @ A
    return Q


def hidden_projection(widths: Sequence[int]) -> Array:
    """J = blk_0(0, I, ..., I, 0): the projection on the hidden nodes, ``(n_v, n_v)``."""
    widths = _checks.widths(widths)
    diagonal = np.ones(sum(widths))
    diagonal[: widths[0]] = 0
    diagonal[-widths[-1] :] = 0
    return np.diag(diagonal)


def conserved(A: ArrayLike, widths: Sequence[int]) -> Array:
    """J Q = blk_0(0, G_1, ..., G_{N-1}, 0), which the gradient flow leaves constant (Prop. 6)."""
    A, widths = _state(A, widths)
    product: Array = hidden_projection(widths) @ commutator(A)
    return product


def _square_matrix(value: ArrayLike) -> Array:
    A = _checks.matrix(value, "A")
    if A.shape[-1] != A.shape[-2]:
        raise ValueError(f"A must be square; its shape is {A.shape}")
    return A


def _band(k: int, widths: tuple[int, ...]) -> int:
    if not 0 <= _checks.integer(k, "k", 0) < len(widths):
        raise ValueError(f"k must lie in 0..{len(widths) - 1}, not {k}")
    return k


def _square(widths: tuple[int, ...]) -> tuple[int, int]:
    return (sum(widths), sum(widths))


def _place(widths: tuple[int, ...], row: int, column: int) -> tuple[slice, slice]:
    edges = list(itertools.accumulate(widths, initial=0))
    return slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1])


def _state(A: ArrayLike, widths: Sequence[int]) -> tuple[Array, tuple[int, ...]]:
    dims = _checks.widths(widths)
    return _checks.matrix(A, "A", _square(dims)), dims
