r"""Decoupled paths and single modes in closed form (survey, sections 5.2 and 5.4; (55), (61)).

The scalar equation :math:`\dot z = z^{h-1}(\sigma - z^h)` is solved at every depth through its
implicit hypergeometric form (:mod:`dlngeo.exact._growth`), at depths 1 and 2 outright. Here are
the cases: depth, sign of the target, units, and what leaves the range of floating point.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.exact import _growth as growth
from dlngeo.exact._riccati import times

# ---------------------------------------------------------------------------- decoupled paths


def decoupled_velocity(xi: ArrayLike, sigma: ArrayLike) -> Array:
    r"""Velocity of a decoupled network, path by path.

    .. math:: \dot\xi_{ij} = \prod_{k\ne i}\xi_{kj}\,\Big(\sigma_j - \prod_k\xi_{kj}\Big)

    Parameters
    ----------
    xi : (..., h, r) array
        The diagonals of the h layers.
    sigma : (..., r) array
        The targets of the r paths, of either sign.

    Returns
    -------
    (..., h, r) array

    Notes
    -----
    No division, so zeros are ordinary. Source: Wendin and Altafini, (55).
    """
    xi, sigma = _checks.matrix(xi, "xi"), _checks.real_array(sigma, "sigma")
    if sigma.ndim < 1 or sigma.shape[-1] != xi.shape[-1]:
        raise ValueError(
            f"sigma must have shape (..., {xi.shape[-1]}), one target a path; not {sigma.shape}"
        )
    one = np.ones_like(xi[..., :1, :])
    before = np.cumprod(np.concatenate([one, xi[..., :-1, :]], axis=-2), axis=-2)
    behind = np.cumprod(np.concatenate([one, xi[..., :0:-1, :]], axis=-2), axis=-2)
    residual = sigma[..., None, :] - xi.prod(axis=-2, keepdims=True)
    velocity: Array = before * np.flip(behind, axis=-2) * residual
    return velocity


def layer_value(t: ArrayLike, z: ArrayLike, sigma: ArrayLike, depth: int) -> Array:
    r"""The solution z(t) of :math:`\dot z = z^{h-1}(\sigma - z^h)`, z(0) = z, at depth h.

    Parameters
    ----------
    t : array of times >= 0, infinity included
    z : array
        The common value of the h layers of a path, of either sign.
    sigma : array
        The target, of either sign.
    depth : int >= 1

    Returns
    -------
    array of the broadcast shape of t, z and sigma

    Raises
    ------
    ValueError
        For a negative time or a depth below 1.

    Notes
    -----
    Equilibria for σ > 0: 0, σ^{1/h}, and -σ^{1/h} at even h; at odd h a negative z falls to 0.
    Source: Wendin and Altafini, (61), its equilibria corrected.
    """
    h = _checks.integer(depth, "depth", 1)
    t, z, sigma = _broadcast(t, _checks.real_array(z, "z"), sigma)
    if h == 1:
        return _relax(t, z, sigma)
    effective = np.where((z < 0) & (h % 2 == 1), -sigma, sigma)
    if h == 2:
        return np.copysign(_depth_two(t, np.abs(z), effective), z)
    with np.errstate(divide="ignore"):
        log_start = h * np.log(np.abs(z))
    return np.copysign(_grow(t, np.abs(z), log_start, effective, h, 1 / h), z)


def singular_value(t: ArrayLike, s: ArrayLike, sigma: ArrayLike, depth: float) -> Array:
    r"""A singular value of the end-to-end matrix that learns the target σ in its own direction.

    .. math:: \dot s = N s^{2-2/N}(\sigma - s), \qquad s(0) = s

    Balanced weights whose end-to-end matrix has the singular vectors of the target move so, each
    singular value alone.

    Parameters
    ----------
    t : array of times >= 0, infinity included
    s : array of numbers >= 0
    sigma : array
        The target; negative where the target's entry has the other sign.
    depth : 1, a real number >= 2, or inf
        At ``inf`` the limit after division by N: :math:`\dot s = s^2(\sigma - s)`. Depths between
        1 and 2 are left out: 0 is no equilibrium of theirs that a path could not leave.

    Returns
    -------
    array of the broadcast shape of t, s and sigma
        At depth 1 it may pass through zero.

    Raises
    ------
    ValueError
        For negative times or singular values, or another depth.

    Notes
    -----
    Source: Wendin and Altafini, (61) with s = z^h; Menon, (4.11), (14.7) for a diagonal W.

    Examples
    --------
    >>> import math
    >>> import dlngeo as dln
    >>> round(float(dln.exact.singular_value(math.inf, 0.5, 3.0, 2)), 6)  # it learns the target
    3.0
    >>> T = dln.exact.passage_time(0.5, 2.0, 3.0, 2)
    >>> round(float(dln.exact.singular_value(T, 0.5, 3.0, 2)), 6)
    2.0
    """
    depth = _depth(depth)
    t, s, sigma = _broadcast(t, _non_negative(s, "s"), sigma)
    if depth == 1:
        return _relax(t, s, sigma)
    if depth == 2:
        return _depth_two(t, np.sqrt(s), sigma) ** 2
    with np.errstate(divide="ignore"):
        return _grow(t, s, np.log(s), sigma, depth, 1.0)


def passage_time(start: ArrayLike, end: ArrayLike, sigma: ArrayLike, depth: float) -> Array:
    r"""The time in which :func:`singular_value` moves from ``start`` to ``end``.

    .. math:: \int_{start}^{end}\frac{ds}{N s^{2-2/N}(\sigma - s)}

    Parameters
    ----------
    start, end : arrays of numbers >= 0
    sigma : array
    depth : 1, a real number >= 2, or inf

    Returns
    -------
    array
        Infinity where the path from ``start`` never comes to ``end``, its limit included.

    Notes
    -----
    Source: Wendin and Altafini, (61); time as a hypergeometric function of z^h / σ.

    Examples
    --------
    At depth 2 the logistic law, log(10)/(2σ):

    >>> import math
    >>> import dlngeo as dln
    >>> T = dln.exact.passage_time(0.5, 2.0, 3.0, 2)
    >>> round(float(T) * 6, 6) == round(math.log(10), 6)
    True
    """
    depth = _depth(depth)
    start, end = _non_negative(start, "start"), _non_negative(end, "end")
    start, end, sigma = np.broadcast_arrays(start, end, _checks.real_array(sigma, "sigma"))
    if depth == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            time = -np.log1p((end - start) / (start - sigma))
        return np.where(start == end, 0.0, np.where(time >= 0, time, np.inf))[()]
    a, rate = 1 - 2 / depth, _rate(depth)
    zero = sigma == 0
    size = np.where(zero, 1.0, np.abs(sigma))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        time = growth.passage(_log_ratio(start, size), _log_ratio(end, size), np.sign(sigma), a)
        ratio = np.where(start == end, 0.0, np.log(start / end))
        fall = np.expm1((1 + a) * ratio) * np.exp(-(1 + a) * np.log(start)) / (1 + a)
        fall = np.where(start == end, 0.0, np.where((end < start) & (end > 0), fall, np.inf))
        unit = size ** (1 + a)
        scaled = np.exp(np.log(time) - (1 + a) * np.log(size))  # where the unit leaves the range
        time = np.where((unit > 0) & (unit < np.inf), time / unit, scaled)
        result: Array = np.where(zero, fall, time) / rate
    return result


def _grow(t: Array, start: Array, log_start: Array, sigma: Array, h: float, p: float) -> Array:
    """u(t)^p of u' = h u^{2-2/h} (σ - u) from ``start`` = u^p, for u >= 0 and h > 2."""
    a, time, size = 1 - 2 / h, _rate(h) * t, np.abs(sigma)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        # σ = 0, and any σ far below u: u^{-(1+a)} grows linearly
        pace = np.where(time > 0, np.log((1 + a) * time) + (1 + a) * log_start, -np.inf)
        shrink = -np.logaddexp(0.0, pace) / (1 + a)
        log_v = log_start - np.log(size)
        log_v = np.where(np.abs(log_v) < 1, np.log(start / size**p) / p, log_v)
        free = (size == 0) | (log_v + shrink > 41)  # e^41: beyond rounding
        clock = np.where(free | (time == 0), 0.0, np.exp((1 + a) * np.log(size) + np.log(time)))
        log_end = growth.evolve(np.where(free, 0.0, log_v), np.sign(sigma), a, clock)
        # from the start or from the equilibrium, whichever lies nearer
        near = np.abs(log_end) < np.abs(log_end - log_v)
        grown = np.where(near, size**p * np.exp(p * log_end), start * np.exp(p * (log_end - log_v)))
    return np.where(start == 0, 0.0, np.where(free, start * np.exp(p * shrink), grown))[()]


def _depth_two(t: Array, z: Array, sigma: Array) -> Array:
    """z(t) of z' = z (σ - z²), z >= 0: z² = σ z_0² e^{2σt} / (σ + z_0² (e^{2σt} - 1))."""
    size = np.abs(sigma)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        time = np.where(size > 0, size * t, 0.0)
        spent = np.sqrt(np.where(size > 0, -np.expm1(-2 * time) / size, 2 * t))
        up = 1 / np.hypot(np.exp(-time) / z, spent)
        down = np.exp(-time) * z / np.hypot(1.0, z * spent)
    return np.where(z == 0, 0.0, np.where(sigma >= 0, up, down))


def _relax(t: Array, z: Array, sigma: Array) -> Array:
    relaxed: Array = z * np.exp(-t) - sigma * np.expm1(-t)
    return relaxed


def _log_ratio(value: Array, size: Array) -> Array:
    return np.log(value) - np.log(size)


def _rate(depth: float) -> float:
    return 1.0 if math.isinf(depth) else depth


def _depth(value: float) -> float:
    depth = _checks.depth(value)
    if 1 < depth < 2:
        raise ValueError(f"depth must be 1, a real number >= 2, or inf, not {value!r}")
    return depth


def _non_negative(value: ArrayLike, name: str) -> Array:
    array = _checks.real_array(value, name)
    if (array < 0).any():
        raise ValueError(f"{name} must be non-negative; its smallest entry is {array.min():g}")
    return array


def _broadcast(t: ArrayLike, z: Array, sigma: ArrayLike) -> tuple[Array, ...]:
    return np.broadcast_arrays(times(t), z, _checks.real_array(sigma, "sigma"))
