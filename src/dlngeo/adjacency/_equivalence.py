r"""Networks of one end-to-end matrix, A_1 ~ A_2 (Wendin and Altafini, 4.3 and A.5).

Equivalent are networks with A_1^N = A_2^N. Two moves stay in a class: a change of basis A → PAP⁻¹
of the hidden nodes, P = blk_0(1, P_1, ..., P_{N-1}, 1), and the addition of a network Z with
AZ = ZA = 0 and Z^N = 0. If the bases are orthogonal, the first move commutes with the gradient flow
and turns Q = [A, Aᵀ] into PQPᵀ (Prop. 8).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, product, transpose
from dlngeo.adjacency._blocks import blocks, from_weights, network, to_weights


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
    first, second = _layers(A1, widths, "A1"), _layers(A2, widths, "A2")
    tol = _checks.non_negative(tol, "tol")
    (one, a), (two, b) = _scaled_product(first), _scaled_product(second)
    top = np.maximum(a, b)
    top = np.where(np.isfinite(top), top, 0.0)  # of two networks with a zero layer
    one, two = (P * np.exp(size - top)[..., None, None] for P, size in ((one, a), (two, b)))
    equal: Array = frobenius(one - two) <= tol
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
        Relative to the norms of the factors; and a layer of either network that is at most tol
        times the other's counts as zero.

    Returns
    -------
    (...) array of bool

    Notes
    -----
    Source: Wendin and Altafini, Props. 16 and 40, whose conditions are the same.
    """
    tol = _checks.non_negative(tol, "tol")
    pairs = zip(_layers(A, widths, "A"), _layers(Z, widths, "Z"), strict=True)
    layers, others = zip(*(_without_traces(W, X, tol) for W, X in pairs), strict=True)
    products = [others]
    for p in range(len(layers) - 1):
        products += [(others[p], layers[p + 1]), (layers[p], others[p + 1])]
    verdicts = [frobenius(_scaled_product(factors)[0]) <= tol for factors in products]
    together: Array = np.logical_and.reduce(np.broadcast_arrays(*verdicts))
    return together


def _layers(A: ArrayLike, widths: Sequence[int], name: str) -> Weights:
    A, dims = network(A, widths, name)
    return blocks(A, 1, dims)


def _scaled_product(layers: Weights) -> tuple[Array, Array]:
    """The product of the layers over their norms, and the logarithm of the norms' product."""
    norms = [frobenius(W) for W in layers]
    lengths = [np.where(n > 0, n, 1.0)[..., None, None] for n in norms]
    units = [W / n for W, n in zip(layers, lengths, strict=True)]
    with np.errstate(divide="ignore"):
        return product(units), np.asarray(sum(np.log(n) for n in norms))


def _without_traces(W: Array, X: Array, tol: float) -> tuple[Array, Array]:
    """Both layers, one that is at most ``tol`` times the other set to zero."""
    w, x = frobenius(W)[..., None, None], frobenius(X)[..., None, None]
    return np.where(w <= tol * x, 0.0, W), np.where(x <= tol * w, 0.0, X)
