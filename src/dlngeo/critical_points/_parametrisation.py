r"""The fibres of the critical values, parametrised (Wendin and Altafini, sections 4.3-4.4).

The weights whose end-to-end matrix is SΣ, of signature S and rank r, are

.. math:: W_p = P_p\,(A_1 + Z)_p\,P_{p-1}^{-1},\qquad P_0 = P_N = 1,\quad Z_N\cdots Z_1 = 0

with the near-diagonal A_1 of (32), blocks Z of (33) and any invertible bases P of the hidden
layers: all of them (corrected; the paper has this for critical points alone). They are critical
exactly where Z_{j-1} ⋯ Z_1 Σ_Qᵀ Z_N ⋯ Z_{j+1} = 0 for every j, Σ_Q being the rows of Σ that S drops
(corrected), or r = d_y. Here are the way from (P, Z) to the weights and the way back.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import (
    diagonal_matrix,
    frobenius,
    layer_widths,
    prefix_products,
    product,
    suffix_products,
    transpose,
)
from dlngeo._results.brief import brief
from dlngeo.critical_points._signatures import (
    Signature,
    check_signature,
    check_target,
    check_widths,
)


class Parameters(NamedTuple):
    """A point of a fibre: its signature, the hidden bases P_1..P_{N-1}, the blocks Z_1..Z_N."""

    signature: Signature
    P: Weights
    Z: Weights

    def __repr__(self) -> str:
        return brief(self)


def assemble(
    sigma: ArrayLike,
    widths: Sequence[int],
    signature: Iterable[int],
    P: Sequence[ArrayLike] | None = None,
    Z: Sequence[ArrayLike] | None = None,
) -> Weights:
    """The weights P(A_1 + Z)P⁻¹ of (32)-(33).

    Parameters
    ----------
    sigma : (d_y,) array
    widths : (d_0, ..., d_N)
    signature : 0-based indices, r of them
    P : sequence of N - 1 invertible arrays (..., d_p, d_p), or None for identities
    Z : sequence of N arrays, or None for zeros
        Z_1 of shape (..., d_1 - r, d_0), Z_p (..., d_p - r, d_{p-1} - r), Z_N (..., d_N - r,
        d_{N-1} - r); leading dimensions broadcast.

    Returns
    -------
    tuple of (..., d_p, d_{p-1}) arrays
        On the fibre over SΣ if Z_N ⋯ Z_1 = 0; critical if
        Z_{j-1} ⋯ Z_1 Σ_Qᵀ Z_N ⋯ Z_{j+1} = 0 for every j, Σ_Q being the rows of Σ that S drops.

    Raises
    ------
    ValueError
        If a shape does not fit, or a hidden layer is narrower than r.
    numpy.linalg.LinAlgError
        If a P_p is singular.

    Notes
    -----
    Source: Wendin and Altafini, (32)-(33), Prop. 16.
    """
    values = check_target(sigma, widths)
    dims = check_widths(values, widths)
    kept = check_signature(signature, values.size)
    check_rank(dims, kept)
    shapes = _block_shapes(dims, len(kept))
    blocks = [np.zeros(shape) for shape in shapes] if Z is None else _checks.sequence(Z, "Z")
    bases = [np.eye(d) for d in dims[1:-1]] if P is None else _checks.sequence(P, "P")
    if len(blocks) != len(shapes) or len(bases) != len(dims) - 2:
        raise ValueError(
            f"{len(shapes)} layers take {len(dims) - 2} bases P and {len(shapes)} blocks Z, "
            f"not {len(bases)} and {len(blocks)}"
        )
    arrays = [_checks.real_array(B, f"Z[{p}]") for p, B in enumerate(blocks)]
    for p, (B, shape) in enumerate(zip(arrays, shapes, strict=True)):
        if B.shape[-2:] != shape:
            raise ValueError(f"Z[{p}] must have shape (..., {shape[0]}, {shape[1]}), not {B.shape}")
    frames = [
        _checks.matrix(B, f"P[{p}]", (d, d))
        for p, (B, d) in enumerate(zip(bases, dims[1:-1], strict=True))
    ]
    return assembled(values, dims, kept, frames, arrays)


def assembled(
    sigma: Array,
    dims: tuple[int, ...],
    kept: Signature,
    P: Sequence[Array],
    Z: Sequence[Array],
) -> Weights:
    """The weights of (32)-(33), arguments checked."""
    r, dropped = len(kept), dropped_by(kept, sigma.size)
    stack = np.broadcast_shapes(*(B.shape[:-2] for B in (*P, *Z)))
    layers = [np.zeros((*stack, b, a)) for a, b in itertools.pairwise(dims)]
    layers[0][..., range(r), kept] = sigma[list(kept)]
    layers[0][..., r:, :] = Z[0]
    for W, block in zip(layers[1:-1], Z[1:-1], strict=True):
        W[..., range(r), range(r)] = 1
        W[..., r:, r:] = block
    layers[-1][..., kept, range(r)] = 1
    layers[-1][..., dropped, r:] = Z[-1]
    return conjugate(layers, P)


def conjugate(layers: Sequence[Array], P: Sequence[Array]) -> Weights:
    """P_p F_p P_{p-1}⁻¹ of the blocks F_p, P_0 = P_N = 1."""
    result = list(layers)
    for p, basis in enumerate(P):
        result[p] = basis @ result[p]
        result[p + 1] = transpose(np.linalg.solve(transpose(basis), transpose(result[p + 1])))
    return tuple(result)


def parametrise(weights: Sequence[ArrayLike], sigma: ArrayLike, tol: float = 1e-9) -> Parameters:
    """Signature, P and Z of a point, critical or not, whose end-to-end matrix is SΣ.

    P_p = [W_p ⋯ W_1 Σᵀ U_S Σ_S⁻², N_p] with N_p an orthonormal basis of the null space of
    U_Sᵀ W_N ⋯ W_{p+1}. Then the columns S of Z_1 are zero, and :func:`assemble` gives the weights
    back. P and Z are unique up to the basis N_p.

    Parameters
    ----------
    weights : tuple of (d_p, d_{p-1}) arrays, one network
    sigma : (d_y,) array
    tol : float
        As for :func:`classify`.

    Raises
    ------
    ValueError
        If the end-to-end matrix is not SΣ for any signature, or the weights are a stack.

    Notes
    -----
    Source: Wendin and Altafini, section 4.3 corrected: the condition of Prop. 16 is necessary, too.
    """
    layers, values = prepare(weights, sigma)
    tol = _checks.positive(tol, "tol")
    if layers[0].ndim > 2:
        raise ValueError(
            f"weights must be one network, not a stack; their leading dimensions are "
            f"{layers[0].shape[:-2]}"
        )
    keep, near = nearest(layers, values, tol)
    if not near:
        raise ValueError("the end-to-end matrix of weights is not SΣ for any signature S")
    kept = tuple(int(i) for i in np.flatnonzero(keep))
    return _parametrise(layers, values, kept)


def _parametrise(layers: Weights, sigma: Array, kept: Signature) -> Parameters:
    r, columns = len(kept), list(kept)
    prefixes = prefix_products(layers)
    suffixes = suffix_products(layers)
    bases: list[Array] = []
    lower: list[Array] = []  # the last rows of P_p⁻¹
    for B, A in zip(prefixes[:-1], suffixes[1:], strict=True):
        R, L = B[:, columns] / sigma[columns], A[columns]
        N = np.linalg.svd(L)[2][r:].T if r else np.eye(L.shape[1])
        bases.append(np.concatenate([R, N], axis=1))
        lower.append(N.T - (N.T @ R) @ L)
    Z = [lower[0] @ layers[0]]
    Z[0][:, columns] = 0.0
    for p in range(1, len(layers) - 1):
        Z.append(lower[p] @ layers[p] @ bases[p - 1][:, r:])
    Z.append((layers[-1] @ bases[-1][:, r:])[dropped_by(kept, sigma.size)])
    return Parameters(kept, tuple(bases), tuple(Z))


def prepare(weights: Sequence[ArrayLike], sigma: ArrayLike) -> tuple[Weights, Array]:
    """Weights and σ, checked on their own and against each other."""
    layers = _checks.weights(weights)
    dims = layer_widths(layers)
    values = check_target(sigma, dims)
    check_widths(values, dims)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(product(layers)).all() and np.isfinite(norm_product(layers)).all()
    if not finite:
        raise ValueError(
            "weights must have a finite end-to-end matrix, of layers whose norms have a finite "
            "product; it overflows"
        )
    return layers, values


def nearest(layers: Weights, sigma: Array, tol: float) -> tuple[Array, Array]:
    """The signature S of the SΣ nearest to the end-to-end matrix, as a mask; whether it is near.

    Raises
    ------
    ValueError
        Where the layers are so large against their product that rounding hides the smallest σ.
    """
    W = product(layers)
    keep = np.diagonal(W, axis1=-2, axis2=-1) > 0.5 * sigma
    distance = frobenius(W - rectangular(layers, np.where(keep, sigma, 0.0)))
    quarter = 0.25 * sigma.min()
    limit = np.minimum(np.sqrt(tol) * (sigma.max() + norm_product(layers)), quarter)
    error = _rounding(layers)
    if ((error > quarter) & (distance <= limit + error)).any():
        raise ValueError(
            f"weights must determine their end-to-end matrix to a quarter of the smallest sigma, "
            f"{quarter:.3g}; rounding in layers of this size leaves {error.max():.3g} open"
        )
    return keep, np.asarray(distance <= limit)


def _rounding(layers: Weights) -> Array:
    """d_max ε Σ_p |W_N ⋯ W_{p+1}| |W_p| |W_{p-1} ⋯ W_1|: how far rounding may move the product."""
    before = [1.0, *(_norm(B) for B in prefix_products(layers[:-1]))]
    after = [*(_norm(A) for A in suffix_products(layers[1:])), 1.0]
    terms = [a * _norm(W) * b for a, W, b in zip(after, layers, before, strict=True)]
    width = max(layer_widths(layers))
    return np.asarray(width * np.finfo(float).eps * sum(terms))


def _norm(W: Array) -> Array:
    return np.asarray(np.linalg.norm(W, ord=2, axis=(-2, -1)))


def norm_product(layers: Weights) -> Array:
    """The product of the layers' spectral norms."""
    return np.asarray(np.prod([_norm(W) for W in layers], axis=0))


def check_rank(dims: tuple[int, ...], kept: Signature) -> None:
    """Refuse a signature of more indices than the narrowest layer has nodes."""
    if min(dims) < len(kept):
        raise ValueError(
            f"signature must have at most {min(dims)} indices, the least of the widths {dims}; "
            f"it has {len(kept)}"
        )


def _block_shapes(dims: tuple[int, ...], r: int) -> list[tuple[int, int]]:
    shapes = [(b - r, a - r) for a, b in itertools.pairwise(dims)]
    shapes[0] = (dims[1] - r, dims[0])
    return shapes


def dropped_by(kept: Signature, count: int) -> list[int]:
    """The indices that a signature does not hold."""
    return [i for i in range(count) if i not in kept]


def rectangular(layers: Weights, diagonal: Array) -> Array:
    """The rectangular matrix of the shape of the end-to-end matrix with that diagonal."""
    return diagonal_matrix(diagonal, layers[-1].shape[-2], layers[0].shape[-1])
