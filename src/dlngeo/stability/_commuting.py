r"""Lyapunov exponents of stochastic gradient descent where the samples' steps commute.

If the gradients of all samples are parallel, as for scalar data, a step multiplies one number: the
exponent is the mean of a logarithm, and the steps at which it changes its sign can be listed.

Source: Chemnitz, Engel, Kuehn and Kuntz, the part on Lyapunov exponents of interpolation solutions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import bisect, minimize_scalar

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.stability._batches import batch_size, batches, positive


def commuting_exponent(curvatures: ArrayLike, step: ArrayLike, *, batch: int = 1) -> Array:
    r"""Lyapunov exponent of SGD if all samples' gradients are parallel, as for scalar data.

    .. math:: \lambda(\eta) = \mathbb E_B\ln|1 - \eta\bar\kappa_B|,
       \qquad \bar\kappa_B = \tfrac1b\sum_{i\in B}\kappa_i

    Parameters
    ----------
    curvatures : (n,) array of numbers κ_i = ‖∇f(x_i)‖² >= 0, not all zero
        For a scalar network f = w_h⋯w_1 x: κ_i = x_i² Σ_p Π_{k≠p} w_k².
    step : array of numbers η > 0
    batch : int
        Samples of a step, drawn without replacement; n means gradient descent.

    Returns
    -------
    array of the shape of step
        -inf where one step can annihilate the error.

    Notes
    -----
    Source: Chemnitz, Engel, Kuehn and Kuntz; closed form derived.
    """
    kappa, eta = _batch_means(_curvatures(curvatures), batch), positive(step, "step")
    with np.errstate(divide="ignore"):
        exponent: Array = np.log(np.abs(1 - eta[..., None] * kappa)).mean(axis=-1)
    return exponent


def critical_steps(curvatures: ArrayLike, *, batch: int = 1) -> Array:
    """All steps η > 0 at which :func:`commuting_exponent` changes its sign, in increasing order.

    SGD is stable below the first and unstable beyond the last; between them stable and unstable
    steps alternate. Parameters as for :func:`commuting_exponent`.

    Notes
    -----
    Between two poles 1/κ_B the exponent is concave and comes from -∞ and goes there: it has two
    zeros or none.
    """
    kappa = _batch_means(_curvatures(curvatures), batch)
    poles = np.unique(1 / kappa[kappa > 0])

    def exponent(eta: float) -> float:
        with np.errstate(divide="ignore"):
            return float(np.log(np.abs(1 - eta * kappa)).mean())

    zeros: list[float] = []
    for left, right in itertools.pairwise(poles):
        top = minimize_scalar(
            lambda x: -exponent(x),
            bounds=(left, right),
            method="bounded",
            options={"xatol": 1e-9 * (right - left)},
        ).x
        if exponent(top) > 0:
            zeros += [_bisect(exponent, left, top), _bisect(exponent, top, right)]
    far = 2 * poles[-1]
    while exponent(far) <= 0:
        far *= 2
    return np.array([*zeros, _bisect(exponent, poles[-1], far)])


def _batch_means(kappa: Array, batch: int) -> Array:
    means: Array = kappa[batches(kappa.size, batch_size(batch, kappa.size))].mean(axis=-1)
    return means


def _bisect(f: Callable[[float], float], left: float, right: float) -> float:
    """The zero between; one end may be -∞."""
    return float(bisect(f, left, right, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=5000))


def _curvatures(value: ArrayLike) -> Array:
    kappa = _checks.real_array(value, "curvatures")
    if kappa.ndim != 1 or not (kappa >= 0).all() or not (kappa > 0).any():
        raise ValueError("curvatures must be a vector of numbers >= 0, not all of them zero")
    return kappa
