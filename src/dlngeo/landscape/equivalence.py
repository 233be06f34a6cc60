r"""Networks of one end-to-end matrix, A_1 ~ A_2 (Wendin and Altafini, 4.3 and A.5).

Equivalent are networks with A_1^N = A_2^N. Two moves stay in a class: a change of basis A → PAP⁻¹
of the hidden nodes, P = blk_0(1, P_1, ..., P_{N-1}, 1), and the addition of a network Z with
AZ = ZA = 0 and Z^N = 0. If the bases are orthogonal, the first move commutes with the gradient flow
and turns Q = [A, Aᵀ] into PQPᵀ (Prop. 8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, product, transpose
from dlngeo.landscape.blocks import from_weights, to_weights


def change_basis(A: ArrayLike, bases: Sequence[ArrayLike], widths: Sequence[int]) -> Array:
    r"""The network PAP⁻¹ with P = blk_0(1, P_1, ..., P_{N-1}, 1): W_p → P_p W_p P_{p-1}⁻¹.

    Parameters
    ----------
    A : (..., n_v, n_v) array in block-shift form
    bases : sequence of N - 1 arrays (..., d_p, d_p)
        Invertible. Input and output keep their coordinates.
    widths : (d_0, ..., d_N)

    Returns
    -------
    (..., n_v, n_v) array

    Raises
    ------
    numpy.linalg.LinAlgError
        If a basis is singular.
    ValueError
        If A is not in block-shift form, or a basis has another shape.

    Notes
    -----
    Source: Wendin and Altafini, section 3.5, Prop. 8.
    """
    widths = _checks.widths(widths)
    layers = to_weights(A, widths)
    bases = _checks.sequence(bases, "bases")
    if len(bases) != len(widths) - 2:
        raise ValueError(f"bases must be {len(widths) - 2} matrices, not {len(bases)}")
    hidden = [
        _checks.matrix(P, f"bases[{p}]", (widths[p + 1], widths[p + 1]))
        for p, P in enumerate(bases)
    ]
    left = [*hidden, np.eye(widths[-1])]
    right = [np.eye(widths[0]), *hidden]
    moved = [
        transpose(np.linalg.solve(transpose(R), transpose(L @ W)))
        for L, W, R in zip(left, layers, right, strict=True)
    ]
    stack = np.broadcast_shapes(*(W.shape[:-2] for W in moved))
    return from_weights([np.broadcast_to(W, (*stack, *W.shape[-2:])) for W in moved])


def are_equivalent(
    A1: ArrayLike, A2: ArrayLike, widths: Sequence[int], *, tol: float = 1e-10
) -> Array:
    """Whether A_1^N = A_2^N, up to ``tol`` times the larger product of the layers' norms.

    Parameters
    ----------
    A1, A2 : (..., n_v, n_v) arrays in block-shift form
    widths : (d_0, ..., d_N)
    tol : float >= 0

    Returns
    -------
    (...) array of bool

    Notes
    -----
    Source: Wendin and Altafini, section 4.3.
    """
    first, second = to_weights(A1, widths), to_weights(A2, widths)
    tol = _checks.non_negative(tol, "tol")
    size = np.maximum(_size(first), _size(second))
    equal: Array = frobenius(product(first) - product(second)) <= tol * size
    return equal


def is_annihilated(
    A: ArrayLike, Z: ArrayLike, widths: Sequence[int], *, tol: float = 1e-10
) -> Array:
    """Whether AZ = ZA = 0 and Z^N = 0, which makes P(A + Z)P⁻¹ equivalent to A.

    In blocks W_{p+1} Z_p = 0, Z_{p+1} W_p = 0 and Z_N ⋯ Z_1 = 0. Sufficient, not necessary.

    Parameters
    ----------
    A, Z : (..., n_v, n_v) arrays in block-shift form
    widths : (d_0, ..., d_N)
    tol : float >= 0
        Relative to the norms of the factors.

    Returns
    -------
    (...) array of bool

    Notes
    -----
    Source: Wendin and Altafini, Props. 16 and 40, whose conditions are the same.
    """
    layers, others = to_weights(A, widths), to_weights(Z, widths)
    tol = _checks.non_negative(tol, "tol")
    verdicts = [frobenius(product(others)) <= tol * _size(others)]
    for p in range(len(layers) - 1):
        for below, above in ((others[p], layers[p + 1]), (layers[p], others[p + 1])):
            verdicts.append(frobenius(above @ below) <= tol * frobenius(above) * frobenius(below))
    together: Array = np.logical_and.reduce(np.broadcast_arrays(*verdicts))
    return together


def _size(layers: Weights) -> Array:
    return np.asarray(math.prod(frobenius(W) for W in layers))
