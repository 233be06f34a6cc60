r"""Schemes for the Riemannian Langevin equation downstairs: one step each, for stacks of states.

In the root chart Euler-Maruyama and the scheme of weak order 2 by S. Ninomiya and M. Ninomiya
(Finance Stoch. 13, 2009, 415-443); in the entries of W Euler-Maruyama, which alone serves at
infinite depth. In all of them the smallest λ is reflected where the determinant changes sign.

A scheme also says how fast its drift turns. On W the lifted energy has a Hessian of norm at most

.. math:: N\sigma_1^{2-2/N}\|E''(W)\| + (N-1)\,\sigma_1^{1-2/N}\|E'(W)\|_F,

and an explicit step longer than the inverse of that is cut (derived).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import frobenius
from dlngeo.dynamics.root_chart import Frames, RootChart, reflected, runge_kutta
from dlngeo.energies import Energy
from dlngeo.geometry import entropy, metric


class Terms(NamedTuple):
    """What stands in the equation."""

    energy: Energy | None
    beta: float
    kappa: float
    gamma: float
    entropy: bool


def turning(
    energy: Energy | None, W: Array, sigma: Array, depth: float, bend: float = 1.0
) -> Array:
    """The bound above for the largest singular values σ_1, (path,); 0 without an energy.

    ``bend`` multiplies its second term; at infinite depth σ_1² ‖E''‖ + bend σ_1 ‖E'‖.
    """
    if energy is None:
        return np.zeros(len(W))
    steep, curved = frobenius(energy.gradient(W)), curvature(energy, W)
    if math.isinf(depth):
        return np.asarray(sigma**2 * curved + bend * sigma * steep)
    second = sigma ** (1 - 2 / depth) * steep if depth > 1 else 0.0
    return np.asarray(depth * sigma ** (2 - 2 / depth) * curved + bend * (depth - 1) * second)


def curvature(energy: Energy, W: Array) -> Array:
    """The norm of E''(W), from below, by three products with it from one fixed direction."""
    Z = np.random.default_rng(0).standard_normal(W.shape[-2:])
    Z = np.broadcast_to(Z / np.linalg.norm(Z), W.shape)
    size = np.zeros(len(W))
    for _ in range(3):
        Z = energy.hessian(W, Z)
        size = np.linalg.norm(Z, axis=(-2, -1))
        Z = Z / np.where(size > 0, size, 1.0)[:, None, None]
    return size


class RootEuler:
    """Euler-Maruyama in the root chart."""

    def __init__(self, chart: RootChart, d: int, orientation: float) -> None:
        self._chart, self._shape, self._orientation = chart, (d, d), orientation
        self.noise_size = d * d

    def start(self, W: Array) -> Array:
        """The root of W."""
        return self._chart.to_root(W)

    def end_to_end(self, state: Array) -> Array:
        """W of roots."""
        return self._chart.from_root(state)

    def look(self, state: Array) -> tuple[Array, Frames]:
        """How fast the drift turns, and the frames."""
        chart = self._chart
        frames = chart.frames(state)
        sigma = frames.lam**chart.depth
        W = (frames.U * sigma[..., None, :]) @ frames.Vt
        return turning(chart.energy, W, sigma[..., 0], chart.depth) + chart.gamma, frames

    def step(
        self, state: Array, normals: Array, dt: float | Array, known: Frames | None = None
    ) -> Array:
        """One step."""
        h = _column(dt)
        B = np.sqrt(h) * normals.reshape(-1, *self._shape)
        frames = self._chart.frames(state) if known is None else known
        return _reflected(state + self._chart.velocity(frames, B, h, ito=True), self._orientation)


class WeakTwo(RootEuler):
    """Ninomiya and Ninomiya's scheme: the flow of Z_1, then of Z_2, random combinations of fields.

    Z_1 = √h S_1·V, Z_2 = h V_0 + √h S_2·V with Var S_1 = 1/2, Var S_2 = 3/2, Cov = -1/2, so that
    S_1 + S_2 is the step's Brownian increment. Both flows by the classical Runge-Kutta method: its
    error is of fifth order in √h with odd moments, so it costs h³ in the mean.
    """

    def __init__(self, chart: RootChart, d: int, orientation: float) -> None:
        super().__init__(chart, d, orientation)
        self.noise_size = 2 * d * d

    def step(
        self, state: Array, normals: Array, dt: float | Array, known: Frames | None = None
    ) -> Array:
        """One step."""
        h, chart = _column(dt), self._chart
        B, X = np.moveaxis(normals.reshape(-1, 2, *self._shape), 1, 0) * np.sqrt(h)
        one = X / math.sqrt(2)
        two = B - one
        frames = chart.frames(state) if known is None else known
        if chart.kappa:
            first = chart.velocity(frames, one, None, ito=False)
            state = runge_kutta(state, lambda Y: chart.field(Y, one, None, ito=False), first)
            frames = chart.frames(state)
        first = chart.velocity(frames, two, h, ito=False)
        new = runge_kutta(state, lambda Y: chart.field(Y, two, h, ito=False), first)
        return _reflected(new, self._orientation)


class EulerDownstairs:
    """Euler-Maruyama in the entries of W."""

    def __init__(self, terms: Terms, d: int, depth: float, orientation: float) -> None:
        self._terms, self._depth, self._shape = terms, depth, (d, d)
        self._orientation = orientation
        self._decay = terms.gamma * (1.0 if math.isinf(depth) else depth)
        self.noise_size = d * d

    def start(self, W: Array) -> Array:
        """W itself."""
        return W

    def end_to_end(self, state: Array) -> Array:
        """W itself."""
        return state

    def look(self, state: Array) -> tuple[Array, None]:
        """How fast the drift turns."""
        sigma = np.linalg.norm(state, 2, axis=(-2, -1))
        return turning(self._terms.energy, state, sigma, self._depth, 2.0) + self._decay, None

    def step(self, state: Array, normals: Array, dt: float | Array, known: object = None) -> Array:
        """One step."""
        energy, beta, kappa, _, with_entropy = self._terms
        depth, h = self._depth, _column(dt)
        B = np.sqrt(h) * normals.reshape(-1, *self._shape)
        drift = kappa / beta * metric.ito_drift(state, depth) - self._decay * state
        if with_entropy:
            drift = drift + entropy.gradient(state, depth) / beta
        if energy is not None:
            drift = drift - metric.gradient(energy, state, depth)
        noise = metric.sqrt(state, B, depth) * math.sqrt(2 * kappa / beta)
        return _reflected(state + h * drift + noise, self._orientation)


def _column(dt: float | Array) -> Array:
    """Times (path,), or one, against matrices (path, d, d)."""
    return np.reshape(np.asarray(dt, dtype=float), (-1, 1, 1))


def _reflected(Y: Array, orientation: float) -> Array:
    return reflected(Y, np.full(len(Y), orientation)) if orientation else Y
