r"""How fast the loss falls: lower bounds on -L̇/L, and the rate itself (Wendin and Altafini, 4.7).

L = ½‖W_N ⋯ W_1 - Σ‖² under its gradient flow. Each bound is a function of the weights, with the
factor 2 that the paper leaves out, so that L̇ <= -rate · L at these weights. Propositions 27 and 28
use the imbalances G_p = W_p W_pᵀ - W_{p+1}ᵀ W_{p+1} alone, which the flow conserves: there
L(t) <= L(0) e^{-rate t} all along. A bound of 0 says nothing. All three hold for any convex energy
with ‖E'‖² >= 2μ(E - E*), multiplied by μ, with L - E* in the place of L.

Weights may be a stack, so a trajectory's weights give the rates along it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo import weights as networks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import layer_widths, product, svd
from dlngeo._results.brief import brief
from dlngeo.energies import Energy, require_stacks

__all__ = [
    "Rates",
    "definite_imbalance_bound",
    "imbalance_bound",
    "layer_bound",
    "measured",
    "rates",
]


def __dir__() -> list[str]:
    return __all__


class Rates(NamedTuple):
    """The measured rate -L̇/L with the bounds beneath it, each ``(...)``."""

    measured: Array
    by_layers: Array
    by_imbalance: Array
    by_definite_imbalance: Array

    def __repr__(self) -> str:
        return brief(self)


def measured(energy: Energy, weights: Sequence[ArrayLike], *, infimum: float = 0.0) -> Array:
    r"""The rate at which the loss falls along the gradient flow, :math:`-\dot L/(L - L_*)`.

    Parameters
    ----------
    energy : Energy
    weights : tuple of (..., d_p, d_{p-1}) arrays
    infimum : float
        The value L_* that the loss tends to.

    Returns
    -------
    (...) array
        ‖∇L‖² / (L - L_*).

    Raises
    ------
    ValueError
        Where the loss is not above the infimum: the rate is not defined there; or where loss or
        rate exceed the range of floating point.

    Notes
    -----
    Source: Wendin and Altafini, (27) and (48).
    """
    layers, infimum = _checks.weights(weights), _checks.finite(infimum, "infimum")
    W = product(layers)
    require_stacks(energy, W, "weights", hessian=False)
    with np.errstate(over="ignore"):
        excess = energy.value(W) - infimum
    if not (excess > 0).all():
        raise ValueError(
            f"the loss must be above its infimum {infimum:g}; its least value is "
            f"{np.min(excess) + infimum:g}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        squares = [(G**2).sum(axis=(-2, -1)) for G in networks.gradient(energy, layers)]
        rate: Array = sum(squares) / excess
    if not np.isfinite(rate).all():
        raise ValueError("the loss or its gradient exceeds the range of floating point")
    return rate


def layer_bound(weights: Sequence[ArrayLike]) -> Array:
    r"""The bound from the least singular values of the layers.

    .. math:: 2\sum_{j=1}^N \prod_{i<j}\lambda_{\min}(W_i^TW_i)\prod_{i>j}\lambda_{\min}(W_iW_i^T)

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays

    Returns
    -------
    (...) array
        Sharp: equality for layers of width 1. 0 if every j has a bottleneck on the wrong side.

    Notes
    -----
    Source: Wendin and Altafini, Prop. 26, (47) corrected by the factor 2.
    """
    layers = _checks.weights(weights)
    columns, rows = _least_squares(layers), _least_squares([W.mT for W in layers])
    total = np.zeros(layers[0].shape[:-2])
    for j in range(len(layers)):
        factors = [*columns[:j], *rows[j + 1 :], np.ones(())]
        total = total + np.prod(np.broadcast_arrays(*factors), axis=0)
    return 2 * total


def imbalance_bound(weights: Sequence[ArrayLike], *, layer: int | None = None) -> Array:
    r"""The bound from imbalances of enough eigenvalues of one sign.

    .. math:: 2\prod_{i<j} \lambda_{1+d_i-d_{i-1}}(G_i)
       \prod_{i=j}^{N-1}\lambda_{1+d_i-d_{i+1}}(-G_i)

    with eigenvalues increasing. Widths must grow up to layer j - 1 and fall from layer j on:
    d_0 <= ... <= d_{j-1} and d_j >= ... >= d_N.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays
    layer : int or None
        The number j of the weight matrix, 1 to N. None: the largest bound, 0 if no j has fitting
        widths.

    Returns
    -------
    (...) array
        Constant along the flow; 0 where a factor is not positive.

    Raises
    ------
    ValueError
        If the widths do not fit the layer that is asked for.

    Notes
    -----
    Source: Wendin and Altafini, Prop. 27, (49) corrected: the index of the first product, the
    factor 2 and the condition on the widths.
    """
    layers = _checks.weights(weights)
    widths, depth = layer_widths(layers), len(layers)
    G = networks.imbalances(layers)

    def bound(j: int) -> Array:
        rise = [_from_below(G[i - 1], 1 + widths[i] - widths[i - 1]) for i in range(1, j)]
        fall = [_from_below(-G[i - 1], 1 + widths[i] - widths[i + 1]) for i in range(j, depth)]
        return _twice_product([*rise, *fall], layers)

    return _over_layers(bound, layers, layer, _unimodal(widths))


def definite_imbalance_bound(
    weights: Sequence[ArrayLike], *, layer: int | None = None, tol: float = 1e-12
) -> Array:
    r"""The bound from imbalances that are semidefinite, positive before layer j, negative after.

    .. math:: 2\prod_{i=1}^{N-1}\alpha_{(i)}, \qquad \alpha_{(i)} =
       \sum_{l=j}^{i}\lambda_{1+d_l-d_N}(-G_l)\ (i\ge j), \quad
       \sum_{l=i}^{j-1}\lambda_{1+d_l-d_0}(G_l)\ (i<j)

    with eigenvalues increasing, for G_i >= 0 if i < j, G_i <= 0 if i >= j, and no hidden layer
    narrower than input or output.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays
    layer : int or None
        The number j of the weight matrix, 1 to N. None: the largest bound, 0 if the widths fit
        none.
    tol : float
        An eigenvalue of the wrong sign counts as zero up to ``tol`` (‖W_i‖² + ‖W_{i+1}‖²).

    Returns
    -------
    (...) array
        Constant along the flow; 0 where the signs are not as they should be.

    Raises
    ------
    ValueError
        If a layer is asked for although a hidden layer is too narrow.

    Notes
    -----
    Source: Wendin and Altafini, Prop. 28, (52), corrected by the factor 2; Min, Vidal and Mallada
    (2023).
    """
    layers, tol = _checks.weights(weights), _checks.non_negative(tol, "tol")
    widths = layer_widths(layers)
    G = networks.imbalances(layers)
    scale = [(V**2).sum((-2, -1)) + (W**2).sum((-2, -1)) for V, W in itertools.pairwise(layers)]

    def bound(j: int) -> Array:
        signed = [G_i if i < j else -G_i for i, G_i in enumerate(G, start=1)]
        ends = [widths[0] if i < j else widths[-1] for i in range(1, len(layers))]
        signs = [
            np.linalg.eigvalsh(H)[..., 0] >= -tol * s for H, s in zip(signed, scale, strict=True)
        ]
        values = [
            _from_below(H, 1 + d - end)
            for H, d, end in zip(signed, widths[1:-1], ends, strict=True)
        ]
        before = list(itertools.accumulate(values[: j - 1][::-1], np.add))
        behind = list(itertools.accumulate(values[j - 1 :], np.add))
        rate = _twice_product([*before, *behind], layers)
        return np.where(np.all([np.ones_like(rate, dtype=bool), *signs], axis=0), rate, 0.0)[()]

    wide = all(d >= max(widths[0], widths[-1]) for d in widths[1:-1])
    return _over_layers(bound, layers, layer, range(1, len(widths)) if wide else [])


def rates(energy: Energy, weights: Sequence[ArrayLike], *, infimum: float = 0.0) -> Rates:
    """The measured rate beside the three bounds, at the weights or along a stack of them.

    Parameters and errors as for :func:`measured`. The bounds are those of
    :class:`~dlngeo.energies.Quadratic`.

    Examples
    --------
    The measured rate lies above each bound:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = dln.weights.random_balanced((2, 2, 2), 1.0, rng=0)
    >>> found = dln.rates.rates(dln.energies.Quadratic(np.diag([4.0, 1.0])), weights)
    >>> bool(found.measured >= found.by_layers > 0)
    True
    """
    return Rates(
        measured(energy, weights, infimum=infimum),
        layer_bound(weights),
        imbalance_bound(weights),
        definite_imbalance_bound(weights),
    )


def _least_squares(layers: Sequence[Array]) -> list[Array]:
    """λ_min(WᵀW) of each layer: 0 where W has more columns than rows."""
    return [
        svd(W)[1][..., -1] ** 2 if W.shape[-2] >= W.shape[-1] else np.zeros(W.shape[:-2])
        for W in layers
    ]


def _from_below(H: Array, index: int) -> Array:
    """Eigenvalue number ``index`` >= 1 of symmetric matrices, counted from the least."""
    value: Array = np.linalg.eigvalsh(H)[..., index - 1]
    return value


def _twice_product(factors: Sequence[Array], layers: Weights) -> Array:
    result = np.full(layers[0].shape[:-2], 2.0)[()]
    for factor in factors:
        result = result * np.maximum(factor, 0.0)
    return result


def _unimodal(widths: tuple[int, ...]) -> list[int]:
    """The j with d_0 <= ... <= d_{j-1} and d_j >= ... >= d_N."""
    return [
        j
        for j in range(1, len(widths))
        if all(a <= b for a, b in itertools.pairwise(widths[:j]))
        and all(a >= b for a, b in itertools.pairwise(widths[j:]))
    ]


def _over_layers(
    bound: Callable[[int], Array], layers: Weights, layer: int | None, fitting: Sequence[int]
) -> Array:
    """The bound at one layer, or the largest over all whose widths fit."""
    if layer is None:
        zero = np.zeros(layers[0].shape[:-2])
        return np.max([zero, *(bound(j) for j in fitting)], axis=0)
    j = _checks.integer(layer, "layer", 1)
    if j not in fitting:
        raise ValueError(
            f"layer must be one of {list(fitting)} for the widths {layer_widths(layers)}, not {j}"
        )
    return bound(j)
