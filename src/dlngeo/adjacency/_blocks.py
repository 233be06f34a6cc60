r"""Matrices in block-shift form: packing, powers and mixed products (Wendin and Altafini, 2.1.1).

A network of widths (d_0, ..., d_N) is the n_v × n_v matrix A = blk_1(W_1, ..., W_N), n_v = Σ d_p:
block (p, p-1) is W_p, all others vanish. Its powers hold the products of consecutive layers,
A^N = blk_N(W_N ⋯ W_1).

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
from dlngeo._linalg import layer_widths


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
    blocks = _checks.sequence(blocks, "blocks")
    if len(blocks) != len(widths) - k:
        raise ValueError(f"blk_{k} takes {len(widths) - k} blocks, not {len(blocks)}")
    arrays = [_checks.matrix(F, f"blocks[{j}]") for j, F in enumerate(blocks)]
    for j, F in enumerate(arrays):
        if F.shape[-2:] != (widths[j + k], widths[j]):
            raise ValueError(
                f"blocks[{j}] must have shape (..., {widths[j + k]}, {widths[j]}) for the widths "
                f"{widths}, not {F.shape}"
            )
    result = np.zeros((*_common_stack(arrays), *_square(widths)))
    for j, F in enumerate(arrays):
        result[(..., *place(widths, j + k, j))] = F
    return result


def from_weights(weights: Sequence[ArrayLike]) -> Array:
    """The adjacency matrix A = blk_1(W_1, ..., W_N), ``(..., n_v, n_v)``, eq. (10).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = (np.array([[1.0, 2.0]]), np.array([[3.0]]))  # widths 2, 1, 1
    >>> dln.adjacency.from_weights(weights).tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0]]
    """
    layers = _checks.weights(weights)
    return blk(1, layers, layer_widths(layers))


def to_weights(A: ArrayLike, widths: Sequence[int]) -> Weights:
    """The weights of which A is the adjacency matrix, (10).

    Raises
    ------
    ValueError
        If A has an entry outside the blocks (p, p-1).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> A = dln.adjacency.from_weights((np.array([[1.0, 2.0]]), np.array([[3.0]])))
    >>> [W_p.tolist() for W_p in dln.adjacency.to_weights(A, (2, 1, 1))]
    [[[1.0, 2.0]], [[3.0]]]
    """
    A, widths = network(A, widths)
    return blocks(A, 1, widths)


def blocks(A: ArrayLike, k: int, widths: Sequence[int]) -> Weights:
    """The blocks F_1, ..., F_{N+1-k} on the k-th lower block diagonal of A, copied.

    Source: Wendin and Altafini, section 2.1.1.
    """
    A, widths = state(A, widths)
    k = _band(k, widths)
    return tuple(A[(..., *place(widths, j + k, j))].copy() for j in range(len(widths) - k))


def powers(A: ArrayLike, highest: int) -> list[Array]:
    """I, A, A², ..., up to the given power; A^k = blk_k(W_k ⋯ W_1, ...), eq. (16)."""
    A = square_matrix(A)
    result = [np.broadcast_to(np.eye(A.shape[-1]), A.shape).copy()]
    for _ in range(_checks.integer(highest, "highest", 0)):
        result.append(A @ result[-1])
    return result


def nilpotency_index(A: ArrayLike) -> int:
    """The least k with A^k = 0: N + 1 for a network whose end-to-end matrix is not zero.

    In block-shift form the vanishing blocks are products with exact zeros, so no tolerance enters.
    Of a stack, the index of the whole block-diagonal matrix: the largest. Source: Wendin and
    Altafini, section 2.1.1.

    Raises
    ------
    ValueError
        If A is not nilpotent.
    """
    A = square_matrix(A)
    power = A = A / (np.abs(A).max(initial=0.0) or 1.0)
    for k in range(1, A.shape[-1] + 1):
        largest = np.abs(power).max(initial=0.0)
        if largest == 0:
            return k
        power = A @ (power / largest)  # no power underflows
    raise ValueError("A must be nilpotent; its powers do not vanish")


def mixed_product(F: ArrayLike, G: ArrayLike, exponents: Sequence[int]) -> Array:
    r"""The product :math:`F^{k_1} G F^{k_2} G \cdots G F^{k_{s+1}}` with s factors G.

    In block-shift form of total order N it is one block, in the corner: exponents (N-j, j-1) give
    blk_N(F_N ⋯ F_{j+1} G_j F_{j-1} ⋯ F_1), and (N-j-k, j-1, k-1) put G_{j+k} and G_k in the chain.

    Parameters
    ----------
    F, G : (..., n, n) arrays
    exponents : (k_1, ..., k_{s+1}), integers >= 0, left to right

    Returns
    -------
    (..., n, n) array

    Notes
    -----
    Source: Wendin and Altafini, (1) and (2).
    """
    F, G = _pair(F, G, "F", "G")
    exponents = _checks.sequence(exponents, "exponents", "a sequence of integers")
    if len(exponents) < 1:
        raise ValueError("exponents must hold at least one integer; they are empty")
    counts = [_checks.integer(k, f"exponents[{j}]", 0) for j, k in enumerate(exponents)]
    result: Array = np.linalg.matrix_power(F, counts[0])
    for k in counts[1:]:
        result = result @ G @ np.linalg.matrix_power(F, k)
    return result


def rho(A: ArrayLike, V: ArrayLike, order: int, depth: int) -> Array:
    r"""The sum ρ_k(A, V) of all products of k factors V and N - k factors A.

    .. math:: (A + \epsilon V)^N = \sum_{k=0}^N \epsilon^k \rho_k(A, V), \qquad
       \rho_k = \sum_{k_1 + \dots + k_{k+1} = N - k} A^{k_1} V A^{k_2} V \cdots V A^{k_{k+1}}

    Parameters
    ----------
    A, V : (..., n, n) arrays
    order : int
        The number k of factors V, 0 to N.
    depth : int N >= 1

    Returns
    -------
    (..., n, n) array

    Notes
    -----
    The first variation of the loss ½‖E - A^N‖² along V is -Tr(ρ_1 (E - A^N)ᵀ), and the second
    ‖ρ_1‖² - 2 Tr(ρ_2 (E - A^N)ᵀ), (22). Source: Wendin and Altafini, (20), (21) and Table 1
    corrected: k + 1 exponents, whose sum is N - k.
    """
    A, V = _pair(A, V, "A", "V")
    depth, order = _checks.integer(depth, "depth", 1), _checks.integer(order, "order", 0)
    if order > depth:
        raise ValueError(f"order must be at most the depth {depth}, not {order}")
    shape = np.broadcast_shapes(A.shape, V.shape)
    one = np.broadcast_to(np.eye(shape[-1]), shape)
    coefficients = [one, *(np.zeros(shape) for _ in range(order))]
    for _ in range(depth):  # multiply the polynomial in ε by A + εV
        coefficients = [
            A @ C + V @ B if j else A @ C
            for j, (B, C) in enumerate(zip([one, *coefficients], coefficients, strict=False))
        ]
    return coefficients[order]


def _pair(F: ArrayLike, G: ArrayLike, f: str, g: str) -> tuple[Array, Array]:
    F, G = square_matrix(F, f), square_matrix(G, g)
    if F.shape[-1] != G.shape[-1]:
        raise ValueError(
            f"{f} and {g} must have one size; their shapes are {F.shape} and {G.shape}"
        )
    return F, G


def square_matrix(value: ArrayLike, name: str = "A") -> Array:
    """A stack of square matrices."""
    A = _checks.matrix(value, name)
    if A.shape[-1] != A.shape[-2]:
        raise ValueError(f"{name} must be square; its shape is {A.shape}")
    return A


def _band(k: int, widths: tuple[int, ...]) -> int:
    if not 0 <= _checks.integer(k, "k", 0) < len(widths):
        raise ValueError(f"k must lie in 0..{len(widths) - 1}, not {k}")
    return k


def _square(widths: tuple[int, ...]) -> tuple[int, int]:
    return (sum(widths), sum(widths))


def place(widths: tuple[int, ...], row: int, column: int) -> tuple[slice, slice]:
    """Where block (row, column) lies."""
    edges = list(itertools.accumulate(widths, initial=0))
    return slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1])


def state(A: ArrayLike, widths: Sequence[int], name: str = "A") -> tuple[Array, tuple[int, ...]]:
    """A stack of n_v × n_v matrices and their widths."""
    dims = _checks.widths(widths)
    matrix, n = _checks.matrix(A, name), sum(dims)
    if matrix.shape[-2:] != (n, n):
        raise ValueError(
            f"{name} must have shape (..., {n}, {n}) for the widths {dims}, not {matrix.shape}"
        )
    return matrix, dims


def network(A: ArrayLike, widths: Sequence[int], name: str = "A") -> tuple[Array, tuple[int, ...]]:
    """A stack of matrices in block-shift form, A = blk_1(W_1, ..., W_N), and their widths.

    Raises
    ------
    ValueError
        If A has an entry outside the blocks (p, p-1).
    """
    A, dims = state(A, widths, name)
    outside = np.abs(A - blk(1, blocks(A, 1, dims), dims)).max(initial=0.0)
    if outside > 0:
        raise ValueError(
            f"{name} must be in block-shift form for the widths {dims}; "
            f"an entry outside has magnitude {outside:g}"
        )
    return A, dims


def _common_stack(arrays: Sequence[Array]) -> tuple[int, ...]:
    """The leading dimensions of blocks that broadcast against each other."""
    try:
        return np.broadcast_shapes(*(A.shape[:-2] for A in arrays))
    except ValueError:
        raise ValueError(
            "blocks must have leading dimensions that broadcast; the shapes are "
            f"{[A.shape for A in arrays]}"
        ) from None
