r"""Paths that are polynomials in time, and their energy with its gradient.

A path runs from Y_0 to Y_0 + Δ in the chart of :mod:`~dlngeo.metric._lagrangian`. It is the line
between them and a polynomial of degree n that vanishes at both ends, given by its values η at the
inner Gauss-Lobatto-Legendre points of [0, 1]; the energy is summed over all of these points. By
stationary phase the least energy, and its derivatives by the ends, which are the momenta there, are
found to the square of the error of the path. What is small beside Δ is never added to Y before it
is differentiated, so that neighbours lose no digits.

Below full rank the path is given by three blocks of Y in fixed frames, the fourth being
M = E A⁻¹ B. Derived.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

from dlngeo._checks import Array
from dlngeo._linalg import transpose
from dlngeo._lobatto import rule
from dlngeo.metric._lagrangian import Local, energy


class Value(NamedTuple):
    """What is known at some paths, one to a member."""

    energy: Array  # (members,)
    gradient: Array  # (members, n - 1, k, k)
    momentum: Array  # (members, k, k), at the start
    local: Local


class Paths(NamedTuple):
    """Paths from one Y_0 to one Y_0 + Δ, square and of one rank."""

    start: Array  # (k, k)
    step: Array
    depth: float
    rank: int
    blocks: bool  # whether the last block of Y follows from the others
    degree: int

    @property
    def line(self) -> Array:
        """The line at the points, (n + 1, k, k)."""
        return np.asarray(self.start + rule(self.degree).times[:, None, None] * self.step)

    def motion(self, eta: Array) -> tuple[Array, Array]:
        """Y and Ẏ at the points, (members, n + 1, k, k)."""
        k, points = len(self.start), rule(self.degree)
        Y = np.repeat(self.line[None], len(eta), axis=0)
        Y[:, 1:-1] += eta
        flat = eta.reshape(len(eta), -1, k * k)
        v = (points.slope[:, 1:-1] @ flat).reshape(Y.shape) + self.step
        if self.blocks:
            _fill(Y, v, self.rank)
        return Y, v

    def value(self, eta: Array) -> Value:
        """Energy and gradient."""
        points, count = rule(self.degree), len(eta)
        Y, v = self.motion(eta)
        L, momentum, force, here = energy(Y, v, self.depth, self.rank)
        if self.blocks:
            _pull(Y, v, momentum, force, self.rank)
        shape = (count, self.degree + 1, -1)
        share = points.weights[:, None]
        total = points.slope.T @ (share * momentum.reshape(shape)) + share * force.reshape(shape)
        gradient = total.reshape(Y.shape)
        return Value(L @ points.weights, gradient[:, 1:-1], -gradient[:, 0], here)

    def precondition(self, G: Array, local: Local) -> Array:
        """The gradient by the Hessian of a flat metric, in orthonormal frames of the metric."""
        here = Local(*(part[:, 1:-1] for part in local))
        X = here.map(-0.5, G)
        X = rule(self.degree).flat @ X.reshape(len(G), self.degree - 1, -1)
        X = here.map(-0.5, X.reshape(G.shape))
        if self.blocks:
            X[..., self.rank :, self.rank :] = 0.0
        return X

    def coefficients(self, eta: Array) -> Array:
        """Legendre coefficients (members, n + 1, k k) of what is added to the line."""
        full = np.zeros((len(eta), self.degree + 1, eta[0, 0].size))
        full[:, 1:-1] = eta.reshape(len(eta), self.degree - 1, -1)
        return np.asarray(rule(self.degree).coefficients @ full)

    def tail(self, eta: Array) -> float:
        """The largest of the last coefficients, relative to Δ."""
        return float(np.abs(self.coefficients(eta)[:, -2:]).max() / np.abs(self.step).max())

    def at(self, eta: Array, times: Array) -> Array:
        """Y of every member at any times, (members, time, k, k)."""
        k = len(self.start)
        basis = legendre.legvander(2 * times - 1, self.degree)
        bent = (basis @ self.coefficients(eta)).reshape(len(eta), len(times), k, k)
        Y = self.start + times[:, None, None] * self.step + bent
        if self.blocks:
            _fill(Y, np.zeros_like(Y), self.rank)
        return np.asarray(Y)

    def refined(self, eta: Array, degree: int) -> tuple[Paths, Array]:
        """The same paths at another degree."""
        finer = self._replace(degree=degree)
        times = rule(degree).times[1:-1]
        basis = legendre.legvander(2 * times - 1, self.degree)
        k = len(self.start)
        return finer, (basis @ self.coefficients(eta)).reshape(len(eta), degree - 1, k, k)


def _fill(Y: Array, v: Array, r: int) -> None:
    """M = E A⁻¹ B and its derivative, in place."""
    K, G = _ratios(Y, r)
    Y[..., r:, r:] = G @ Y[..., :r, r:]
    turned = v[..., r:, :r] - G @ v[..., :r, :r]
    v[..., r:, r:] = turned @ K + G @ v[..., :r, r:]


def _ratios(Y: Array, r: int) -> tuple[Array, Array]:
    """A⁻¹ B and E A⁻¹."""
    inverse = np.linalg.inv(Y[..., :r, :r])
    return inverse @ Y[..., :r, r:], Y[..., r:, :r] @ inverse


def _pull(Y: Array, v: Array, momentum: Array, force: Array, r: int) -> None:
    """Momentum and force of the three blocks, in place: the adjoint of :func:`_fill`."""
    inverse = np.linalg.inv(Y[..., :r, :r])
    K, G = _ratios(Y, r)
    _share(momentum, momentum[..., r:, r:], K, G)
    rho, back = momentum[..., r:, r:].copy(), transpose(inverse)
    p = v[..., r:, :r] - G @ v[..., :r, :r]
    q = v[..., :r, r:] - v[..., :r, :r] @ K
    _share(force, force[..., r:, r:], K, G)
    by_K, by_G = back @ (transpose(p) @ rho), (rho @ transpose(q)) @ back
    force[..., :r, r:] += by_K
    force[..., r:, :r] += by_G
    force[..., :r, :r] -= by_K @ transpose(K) + transpose(G) @ by_G
    momentum[..., r:, r:] = 0.0
    force[..., r:, r:] = 0.0


def _share(total: Array, last: Array, K: Array, G: Array) -> None:
    r = K.shape[-2]
    left = transpose(G) @ last
    total[..., r:, :r] += last @ transpose(K)
    total[..., :r, r:] += left
    total[..., :r, :r] -= left @ transpose(K)
