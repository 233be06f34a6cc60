"""The Hessian quadratic form, its products and its spectrum (Wendin and Altafini, 4.5).

The formula stands in :mod:`dlngeo.hessian`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _linalg
from dlngeo._checks import Array, Weights
from dlngeo._linalg import layer_widths, prefix_products, transpose
from dlngeo._results.brief import brief
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, require_stacks
from dlngeo.hessian._lanczos import extremes
from dlngeo.weights import flatten, pull_back, push_forward, unflatten

DENSE = 400  # up to this order eigenvalues of the whole matrix cost less than a Lanczos run


class Extremes(NamedTuple):
    """The two ends of a spectrum, each of the shape of the stack."""

    least: Array
    greatest: Array

    def __repr__(self) -> str:
        return brief(self)


def form(energy: Energy, weights: Sequence[ArrayLike], V: Sequence[ArrayLike]) -> Array:
    r"""The Hessian quadratic form :math:`\mathfrak h(A, V)`, the second derivative of L along V.

    Parameters
    ----------
    energy : Energy
    weights, V : tuples of (..., d_p, d_{p-1}) arrays

    Returns
    -------
    (...) array

    Raises
    ------
    ValueError
        If V has other layers than the weights.

    Notes
    -----
    Source: Wendin and Altafini, (20)-(22), which hold as printed: no factor ½, and ρ_2 counts each
    pair of layers once.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy, weights = dln.energies.Quadratic(np.eye(2)), (np.eye(2), np.eye(2))
    >>> V = (np.eye(2), np.eye(2))
    >>> float(dln.hessian.form(energy, weights, V))  # |V_1 + V_2|² at a minimum
    8.0
    """
    layers, V = _pair(weights, V)
    W, first, second = _expansion(layers, V)
    require_stacks(energy, W, "weights")
    curvature = energy.hessian(W, first)
    total: Array = (curvature * first + 2 * energy.gradient(W) * second).sum(axis=(-2, -1))
    return total


def apply(energy: Energy, weights: Sequence[ArrayLike], V: Sequence[ArrayLike]) -> Weights:
    """The Hessian of the loss applied to a tangent tuple: the derivative of the gradient along V.

    Parameters
    ----------
    energy : Energy
    weights, V : tuples of (..., d_p, d_{p-1}) arrays

    Returns
    -------
    tuple of (..., d_p, d_{p-1}) arrays

    Notes
    -----
    Forward products and backpropagated covectors are carried with their derivatives: 8N - 8 matrix
    products, against the 3N - 3 of a gradient. The sum of its entries times V is :func:`form`.
    Source: derived; Wendin and Altafini, (22).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy, weights = dln.energies.Quadratic(np.eye(2)), (np.eye(2), np.eye(2))
    >>> first, second = dln.hessian.apply(energy, weights, (np.eye(2), np.zeros((2, 2))))
    >>> first.tolist(), second.tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    """
    layers, V = _pair(weights, V)
    _require(energy, layers)
    return _apply(energy, layers, V)


def _apply(energy: Energy, layers: Weights, V: Weights) -> Weights:
    prefixes = prefix_products(layers)
    changes = [V[0]]
    for p in range(1, len(layers)):
        changes.append(V[p] @ prefixes[p - 1] + layers[p] @ changes[-1])
    covector = energy.gradient(prefixes[-1])
    change = energy.hessian(prefixes[-1], changes[-1])
    result: list[Array] = []
    for p in range(len(layers) - 1, 0, -1):
        result.append(change @ transpose(prefixes[p - 1]) + covector @ transpose(changes[p - 1]))
        change = transpose(layers[p]) @ change + transpose(V[p]) @ covector
        covector = transpose(layers[p]) @ covector
    return (change, *reversed(result))


def dense(energy: Energy, weights: Sequence[ArrayLike]) -> Array:
    """The full Hessian ``(..., n, n)``, n = Σ d_p d_{p-1}, in the order of ``weights.to_vector``.

    For small networks: n Hessian-vector products at once, in memory of order n² times a stack.
    Exactly symmetric.
    """
    layers = _checks.weights(weights)
    _require(energy, layers)
    return _dense(energy, layers)


def _dense(energy: Energy, layers: Weights) -> Array:
    widths = layer_widths(layers)
    size = sum(W.shape[-1] * W.shape[-2] for W in layers)
    ones = (1,) * (layers[0].ndim - 2)
    units = unflatten(np.eye(size).reshape(size, *ones, size), widths)
    with np.errstate(over="ignore", invalid="ignore"):
        columns = np.moveaxis(flatten(_apply(energy, layers, units)), 0, -1)
        return _in_range(0.5 * (columns + transpose(columns)))


@one_blas_thread
def extreme_eigenvalues(
    energy: Energy,
    weights: Sequence[ArrayLike],
    *,
    method: Literal["auto", "dense", "lanczos"] = "auto",
    tol: float = 1e-6,
) -> Extremes:
    """The least and the greatest eigenvalue of the Hessian.

    Parameters
    ----------
    energy : Energy
    weights : tuple of (..., d_p, d_{p-1}) arrays
    method : "auto", "dense" or "lanczos"
        The whole spectrum of :func:`dense`, or Lanczos on Hessian-vector products, one network of a
        stack after another. "auto" is dense up to order 400.
    tol : float > 0
        Of Lanczos: the residual at which it stops, relative to the spectral radius. It bounds the
        error of an eigenvalue, which is of the order of its square where a gap sets the eigenvalue
        apart.

    Returns
    -------
    Extremes
        ``.least`` and ``.greatest``, of shape ``(...)``.

    Raises
    ------
    numpy.linalg.LinAlgError
        If Lanczos does not converge, or the Hessian exceeds the range of floating point.

    Notes
    -----
    By Lanczos' method; an end at zero, of whatever
    multiplicity, and a multiple of the identity are found as well as others. The starting vector
    is random with a fixed seed: results repeat.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy, weights = dln.energies.Quadratic(np.eye(2)), (np.eye(2), np.eye(2))
    >>> found = dln.hessian.extreme_eigenvalues(energy, weights)
    >>> round(float(found.greatest), 6), abs(round(float(found.least), 6))
    (2.0, 0.0)
    """
    layers, tol = _checks.weights(weights), _checks.positive(tol, "tol")
    _require(energy, layers)
    size = sum(W.shape[-1] * W.shape[-2] for W in layers)
    _checks.choice(method, "method", ("auto", "dense", "lanczos"))
    if method == "dense" or (method == "auto" and size <= DENSE):
        spectrum = np.linalg.eigvalsh(_dense(energy, layers))
        return Extremes(spectrum[..., 0][()], spectrum[..., -1][()])
    widths, ends = layer_widths(layers), np.empty((*layers[0].shape[:-2], 2))
    for index in np.ndindex(ends.shape[:-1]):
        point = tuple(W[index] for W in layers)

        def product(vector: Array, point: Weights = point) -> Array:
            return flatten(_apply(energy, point, unflatten(vector.ravel(), widths)))

        ends[index] = extremes(product, size, tol)
    return Extremes(ends[..., 0][()], ends[..., 1][()])


def nullity(energy: Energy, weights: Sequence[ArrayLike], *, tol: float = 1e-10) -> Array:
    """The dimension of the Hessian's null space, from the spectrum of :func:`dense`.

    Parameters
    ----------
    energy : Energy
    weights : tuple of (..., d_p, d_{p-1}) arrays
    tol : float >= 0
        Eigenvalues up to ``tol`` times the spectral radius count as zero, and so do those that
        rounding alone can make: up to n ε |E'| Σ_{p<q} Π_{k≠p,q} |W_k|, n the Hessian's order.

    Returns
    -------
    (...) array of int

    Notes
    -----
    At a critical point of a Quadratic loss it is positive but for two layers, equal input and
    output widths and all weights zero, where the Hessian is regular (Prop. 20 corrected).
    """
    layers, tol = _checks.weights(weights), _checks.non_negative(tol, "tol")
    _require(energy, layers)
    spectrum = np.abs(np.linalg.eigvalsh(_dense(energy, layers)))
    W = _expansion(layers, layers)[0]
    norms = [np.linalg.norm(M, axis=(-2, -1)) for M in (*layers, energy.gradient(W))]
    # Σ over pairs of layers of the product of all other norms, without division.
    coefficients = [np.ones_like(norms[0]), np.zeros_like(norms[0]), np.zeros_like(norms[0])]
    for norm in norms[:-1]:
        for k in (2, 1):
            coefficients[k] = coefficients[k] * norm + coefficients[k - 1]
        coefficients[0] = coefficients[0] * norm
    noise = spectrum.shape[-1] * np.finfo(float).eps * norms[-1] * coefficients[2]
    bound = np.maximum(tol * spectrum.max(axis=-1), noise)
    return (spectrum <= bound[..., None]).sum(axis=-1)


def sharpness(energy: Energy, weights: Sequence[ArrayLike]) -> Array:
    """The greatest eigenvalue of the Hessian, ``(...)``; as :func:`extreme_eigenvalues` finds it.

    Gradient descent of step η is linearly stable at a minimum where it is below 2/η.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([4.0, 1.0]))
    >>> weights = dln.balanced.lift(np.diag([4.0, 1.0]), 2)  # a balanced minimum
    >>> round(float(dln.hessian.sharpness(energy, weights)), 6)  # N σ^(2 - 2/N)
    8.0
    """
    return extreme_eigenvalues(energy, weights).greatest


@one_blas_thread
def sharpness_at_minimum(weights: Sequence[ArrayLike]) -> Array:
    r"""Sharpness of the quadratic loss ½|Σ - W|² at weights that reach its minimum W = Σ.

    .. math:: \lambda_{\max}\Big(\sum_{j=1}^N A_{j+1}A_{j+1}^T \otimes B_{j-1}^TB_{j-1}\Big),
       \quad A_j = W_N\cdots W_j,\ B_j = W_j\cdots W_1

    Of order d_N d_0, whatever the hidden widths. The target does not enter; where W ≠ Σ this is the
    sharpness of the Gauss-Newton part of the Hessian.

    Returns
    -------
    (...) array

    Notes
    -----
    For two layers it is |W_1|² + |W_2|² in spectral norms; on balanced weights N σ_1^{2-2/N}, σ_1
    the greatest singular value of W. That operator on matrices is dφ dφᵀ, of which ``form`` is the
    square |dφ(V)|² where E' vanishes.
    """
    layers = _checks.weights(weights)
    shape = (layers[-1].shape[-2], layers[0].shape[-1])
    size, stack = shape[0] * shape[1], layers[0].shape[:-2]
    if len(layers) == 1:
        return np.ones(stack)[()]
    if len(layers) == 2:
        norms = [np.linalg.norm(W, ord=2, axis=(-2, -1)) for W in layers]
        with np.errstate(over="ignore"):
            return _in_range(norms[0] ** 2 + norms[1] ** 2)[()]
    if size <= DENSE:
        units = np.eye(size).reshape(size, *(1,) * len(stack), *shape)
        with np.errstate(over="ignore", invalid="ignore"):
            images = _in_range(_gram(layers, units))
        columns = np.moveaxis(images.reshape(size, *stack, size), 0, -1)
        return np.linalg.eigvalsh(0.5 * (columns + transpose(columns)))[..., -1][()]
    result = np.empty(stack)
    for index in np.ndindex(stack):
        point = tuple(W[index] for W in layers)

        def product(vector: Array, point: Weights = point) -> Array:
            return _gram(point, vector.reshape(shape)).ravel()

        result[index] = extremes(product, size, tol=1e-6)[1]
    return result[()]


def _gram(layers: Weights, Z: Array) -> Array:
    """dφ dφᵀ of a matrix: Σ A_{j+1}A_{j+1}ᵀ Z B_{j-1}ᵀB_{j-1}."""
    prefixes = prefix_products(layers)
    return push_forward(pull_back(Z, layers, prefixes), layers, prefixes)


def _require(energy: Energy, layers: Weights) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        W = _linalg.product(layers)
    if not np.isfinite(W).all():
        raise ValueError("weights must have a product within the range of floating point")
    require_stacks(energy, W, "weights")


def _in_range(values: Array) -> Array:
    if not np.isfinite(values).all():
        raise np.linalg.LinAlgError("the Hessian exceeds the range of floating point")
    return values


def _expansion(layers: Weights, V: Weights) -> tuple[Array, Array, Array]:
    """W, ρ_1 and ρ_2: the first coefficients of (W_N + εV_N) ⋯ (W_1 + εV_1)."""
    zeroth, first = layers[0], V[0]
    second = np.zeros_like(first)
    for W, change in zip(layers[1:], V[1:], strict=True):
        second = W @ second + change @ first
        first = W @ first + change @ zeroth
        zeroth = W @ zeroth
    return zeroth, first, second


def _pair(weights: Sequence[ArrayLike], V: Sequence[ArrayLike]) -> tuple[Weights, Weights]:
    layers, tangent = _checks.weights(weights), _checks.weights(V, "V")
    if layer_widths(layers) != layer_widths(tangent):
        raise ValueError(
            f"V must have the layers of the weights, of widths {layer_widths(layers)}; "
            f"its widths are {layer_widths(tangent)}"
        )
    return layers, tangent
