"""A network's weights: a tuple ``(W_1, ..., W_N)``, W_p of shape ``(..., d_p, d_{p-1})``.

Weights stand in network order: ``weights[0]`` is W_1, next to the input. This file carries what
holds for any widths: the end-to-end matrix and the lifted gradient (Menon, sections 3 and 4), and
the imbalances that the gradient flow conserves.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, layer_widths, prefix_products, product, transpose
from dlngeo.energies import Energy, require_stacks

# ------------------------------------------------------------------ maps to and from the weights


def widths(weights: Sequence[ArrayLike]) -> tuple[int, ...]:
    """The layer widths (d_0, ..., d_N), input first."""
    return layer_widths(_checks.weights(weights))


def end_to_end(weights: Sequence[ArrayLike]) -> Array:
    """The end-to-end matrix φ(W_1, ..., W_N) = W_N ⋯ W_1, of shape ``(..., d_N, d_0)``.

    Source: Menon, eq. (3.3).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> W_1, W_2 = np.array([[1.0, 2.0]]), np.array([[3.0], [1.0]])  # widths 2, 1, 2
    >>> dln.weights.end_to_end((W_1, W_2)).tolist()
    [[3.0, 6.0], [1.0, 2.0]]
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

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([3.0, 1.0]))
    >>> first, second = dln.weights.gradient(energy, (np.eye(2), 2 * np.eye(2)))
    >>> first.tolist()  # W_2ᵀ E'(W_2 W_1)
    [[-2.0, 0.0], [0.0, 2.0]]
    """
    layers = _checks.weights(weights)
    prefixes = prefix_products(layers)
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

    Examples
    --------
    Two layers W_1 = I, W_2 = 2I: the velocity is -(W_2W_2ᵀE′ + E′W_1ᵀW_1).

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([3.0, 1.0]))
    >>> dln.weights.end_to_end_velocity(energy, (np.eye(2), 2 * np.eye(2))).tolist()
    [[5.0, 0.0], [0.0, -5.0]]
    """
    layers = _checks.weights(weights)
    prefixes = prefix_products(layers)
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

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> (G,) = dln.weights.imbalance((np.eye(2), 2 * np.eye(2)))  # W_1 W_1ᵀ - W_2ᵀ W_2
    >>> G.tolist()
    [[-3.0, 0.0], [0.0, -3.0]]
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
