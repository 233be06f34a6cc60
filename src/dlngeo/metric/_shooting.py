r"""Shooting: the geodesic of g^N from W_0 that ends at W_1, by Newton's method.

The unknown is ξ, the velocity at W_0 in an orthonormal frame of g^N, Z = 𝒜_{W_0}^{1/2} ξ; what must
vanish is the miss at W_1 in the same measure, 𝒜_{W_1}^{-1/2}(exp(Z) - W_1). Between the two the map
is close to an isometry, whatever the singular values. The Jacobian is taken by differences over a
stack of geodesics, and kept while it serves: first roughly, to see where an aim leads, then to
rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo.metric._geodesics import Effort, trace
from dlngeo.spectral.frame import Frame, inverse

_ROUGH, _FINE = Effort(1e-7, 500), Effort(1e-13, 1000)
_NEAR, _EXACT = 1e-3, 1e-12  # of the miss, relative to the length
_ITERATIONS = 25


class Aim(NamedTuple):
    """Coordinates of a velocity, and the Jacobian of the miss near it."""

    xi: Array
    jacobian: Array | None


def aim(miss: Miss, path: Callable[[float], Array]) -> Aim | None:
    """Where Newton's method leads, roughly, from the velocity with which ``path`` begins."""
    step = 1e-6
    velocity = (path(step) - path(0.0)) / step
    return _newton(miss, Aim(miss.coordinates(velocity), None), _NEAR, _ROUGH)


def finish(miss: Miss, rough: Aim) -> Array | None:
    """The coordinates to rounding, or None."""
    found = _newton(miss, rough, _EXACT, _FINE)
    return None if found is None else found.xi


class Miss:
    """By how much a geodesic misses its target, in orthonormal coordinates at both ends."""

    def __init__(self, start: Frame, end: Frame, target: Array) -> None:
        self.start, self.end, self.target = start, end, target
        m, n = target.shape
        r = start.sigma.size
        basis = np.eye(m * n).reshape(-1, m, n)
        if r < min(m, n):  # an orthonormal basis of the tangent space: range of the projector
            outside = (
                (np.eye(m) - start.U @ start.U.T) @ basis @ (np.eye(n) - start.Vt.T @ start.Vt)
            )
            tangent = (basis - outside).reshape(m * n, m * n)
            values, vectors = np.linalg.eigh(tangent)
            basis = vectors[:, values > 0.5].T.reshape(-1, m, n)
        self.basis = basis

    def coordinates(self, Z: Array) -> Array:
        """ξ of a velocity."""
        xi = self.start.map(lambda K: np.sqrt(inverse(K)), Z)
        return np.asarray(np.tensordot(self.basis, xi, axes=2))

    def velocity(self, xi: Array) -> Array:
        """𝒜^{1/2} ξ, of a stack of coordinates."""
        return self.start.map(np.sqrt, np.tensordot(xi, self.basis, axes=1))

    def __call__(self, xi: Array, effort: Effort) -> Array:
        """The miss (..., m n) of a stack of coordinates."""
        reached = trace(self.start, self.velocity(xi), np.ones(1), effort)[0]
        miss = self.end.map(lambda K: np.sqrt(inverse(K)), reached - self.target)
        return miss.reshape(*xi.shape[:-1], -1)


def _newton(miss: Miss, start: Aim, tolerance: float, effort: Effort) -> Aim | None:
    """A zero of the miss, or None. Steps that do not help or leave the manifold are halved."""
    xi, jacobian = start
    fresh = False
    value = _try(miss, xi, effort)
    while value is None:  # the start leaves the manifold: a shorter one
        xi = 0.5 * xi
        if np.linalg.norm(xi) < 1e-3:
            return None
        value = _try(miss, xi, effort)
    for _ in range(_ITERATIONS):
        size, length = float(np.linalg.norm(value)), float(np.linalg.norm(xi))
        if size <= tolerance * max(length, 1e-3):
            return Aim(xi, jacobian)
        if jacobian is None:
            jacobian, fresh = _jacobian(miss, xi), True
            if jacobian is None:
                return None
        step = -np.linalg.lstsq(jacobian, value, rcond=1e-10)[0]
        better = _damped(miss, xi, step, size, effort)
        if better is None:
            if fresh:
                return Aim(xi, jacobian) if size <= 100 * tolerance * length else None
            jacobian = None
            continue
        slow = np.linalg.norm(better[1]) > 0.1 * size
        (xi, value), fresh = better, False
        if slow:
            jacobian = None  # it no longer serves
    return None


def _damped(
    miss: Miss, xi: Array, step: Array, size: float, effort: Effort
) -> tuple[Array, Array] | None:
    for halving in range(5):
        trial = xi + step * 0.5**halving
        value = _try(miss, trial, effort)
        if value is not None and np.linalg.norm(value) < size * (1 - 0.1 * 0.5**halving):
            return trial, value
    return None


def _try(miss: Miss, xi: Array, effort: Effort) -> Array | None:
    try:
        return miss(xi, effort)
    except np.linalg.LinAlgError:
        return None


def _jacobian(miss: Miss, xi: Array) -> Array | None:
    """Differences within one stack of geodesics, whose common steps make the errors cancel."""
    h = 1e-5 * max(float(np.linalg.norm(xi)), 1e-3)
    values = _try(miss, xi + h * np.concatenate((np.zeros((1, xi.size)), np.eye(xi.size))), _ROUGH)
    return None if values is None else np.asarray((values[1:] - values[0]).T / h)
