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
from dlngeo.energies import Energy
from dlngeo.langevin.root_chart import RootChart, reflected, runge_kutta
from dlngeo.spectral.divided_differences import quotient
from dlngeo.spectral.entropic_force import mutual_forces
from dlngeo.spectral.square_svd import PairTable, SquareSVD, pairs, row_sums, size

_NOISE, _NEWTON = 3.0, 6  # standard deviations of noise that are looked ahead; iterations


class Terms(NamedTuple):
    """What stands in the equation."""

    energy: Energy | None
    beta: float
    kappa: float
    gamma: float
    entropy: bool


class Known(NamedTuple):
    """What a look at states leaves to the step: their frames, and E'(W)."""

    frames: SquareSVD
    slope: Array | None


def turning(
    energy: Energy | None, W: Array, sigma: Array, depth: float, bend: float = 1.0
) -> Array:
    """The bound above for the largest singular values σ_1, (path,); 0 without an energy.

    ``bend`` multiplies its second term; at infinite depth σ_1² ‖E''‖ + bend σ_1 ‖E'‖.
    """
    if energy is None:
        return np.zeros(len(W))
    return _turning(energy, W, energy.gradient(W), sigma, depth, bend)


def _turning(
    energy: Energy, W: Array, slope: Array, sigma: Array, depth: float, bend: float
) -> Array:
    steep, curved = size(slope), curvature(energy, W)
    if math.isinf(depth):
        return np.asarray(sigma**2 * curved + bend * sigma * steep)
    second = sigma ** (1 - 2 / depth) * steep if depth > 1 else 0.0
    return np.asarray(depth * sigma ** (2 - 2 / depth) * curved + bend * (depth - 1) * second)


def curvature(energy: Energy, W: Array) -> Array | float:
    """The norm of E''(W): as the energy says it where it is constant; else from below.

    Then by three products with it from one fixed direction.
    """
    constant: float | None = getattr(energy, "hessian_norm", None)
    if constant is not None:
        return constant
    Z = np.random.default_rng(0).standard_normal(W.shape[-2:])
    Z = np.broadcast_to(Z / np.linalg.norm(Z), W.shape)
    size = np.zeros(len(W))
    for _ in range(3):
        Z = energy.hessian(W, Z)
        size = np.linalg.norm(Z, axis=(-2, -1))
        turns = np.isfinite(size) & (size > 0)
        Z = np.where(turns[:, None, None], Z / np.where(turns, size, 1.0)[:, None, None], 0.0)
    return size


def ahead(rate: Array, top: Array, depth: float, spread: float) -> Array:
    r"""How fast the drift turns where noise may lead: the inverse of the longest step h allowed.

    .. math:: h\,R\,(1 + s\sqrt h/\lambda_1)^{2N-2} = 1

    with R the rate at hand, λ_1 = ``top`` (σ_1 at depth inf, where the power is e^{2s√h}) and s
    three standard deviations of its noise in unit time (derived). So a step is as short as it must
    be before its noise is known: to refuse steps for where they led would favour the others.
    """
    far = _NOISE * spread
    there = np.isfinite(rate) & (rate > 0) & (top > 0)
    log_rate = np.log(np.where(there, rate, 1.0))
    u = -log_rate  # of log h: Newton's method from above, on a convex function
    for _ in range(_NEWTON):
        root = far * np.exp(0.5 * u)
        if math.isinf(depth):
            miss, slope = u + log_rate + 2 * root, 1 + root
        else:
            way = root / np.where(there, top, 1.0)
            miss = u + log_rate + (2 * depth - 2) * np.log1p(way)
            slope = 1 + (depth - 1) * way / (1 + way)
        u = u - miss / slope
    return np.where(there, np.exp(-u), rate)


def pole(lam: Array, depth: float, beta: float, kappa: float) -> Array:
    """How fast the drift turns without an energy: where two λ vanish it has a pole (derived)."""
    if depth == 1 or lam.shape[-1] == 1:
        return np.zeros(lam.shape[:-1])
    return np.asarray(2 * (depth - 1) * (1 + kappa) / beta / (lam[..., -2] + lam[..., -1]) ** 2)


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

    def look(self, state: Array) -> tuple[Array, Known]:
        """How fast the drift turns, the frames and the slope of the energy."""
        chart = self._chart
        frames = chart.frames(state)
        if chart.energy is None:
            return np.full(len(state), float(chart.gamma)), Known(frames, None)
        W = chart.end_to_end(frames)
        slope = chart.energy.gradient(W)
        top, depth = frames.lam[:, 0], chart.depth
        rate = _turning(chart.energy, W, slope, top**depth, depth, 1.0)
        rate = ahead(rate, top, depth, math.sqrt(2 * chart.kappa / (chart.beta * depth)))
        return rate + chart.gamma, Known(frames, slope)

    def step(
        self, state: Array, normals: Array, dt: float | Array, known: Known | None = None
    ) -> Array:
        """One step."""
        h = _column(dt)
        B = np.sqrt(h) * normals.reshape(-1, *self._shape)
        frames, slope = known or Known(self._chart.frames(state), None)
        move = self._chart.velocity(frames, B, h, ito=True, slope=slope)
        return self._reflected(state + move, state, frames)

    def _reflected(self, new: Array, state: Array, frames: SquareSVD) -> Array:
        new = within_range(new, size(new), self._chart.depth)
        return _reflected(new, self._orientation, size(new - state), frames.lam[:, -1])


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
        self, state: Array, normals: Array, dt: float | Array, known: Known | None = None
    ) -> Array:
        """One step."""
        h, chart = _column(dt), self._chart
        B, X = np.moveaxis(normals.reshape(-1, 2, *self._shape), 1, 0) * np.sqrt(h)
        one = X / math.sqrt(2)
        two = B - one
        start = frames = chart.frames(state) if known is None else known.frames
        middle = state
        if chart.kappa:
            first = chart.velocity(frames, one, None, ito=False)
            middle = runge_kutta(state, lambda Y: chart.field(Y, one, None, ito=False), first)
            frames = chart.frames(middle)
        first = chart.velocity(frames, two, h, ito=False)
        new = runge_kutta(middle, lambda Y: chart.field(Y, two, h, ito=False), first)
        return self._reflected(new, state, start)


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

    def look(self, state: Array) -> tuple[Array, Known]:
        """How fast the drift turns, the frames and the slope of the energy."""
        energy, frames = self._terms.energy, SquareSVD.of(state, graded=True)
        if energy is None:
            return np.full(len(state), float(self._decay)), Known(frames, None)
        slope = energy.gradient(state)
        top, depth, terms = frames.lam[:, 0], self._depth, self._terms
        rate = _turning(energy, state, slope, top, depth, 2.0)
        spread = math.sqrt(2 * terms.kappa / terms.beta)
        if math.isinf(depth):
            rate = ahead(rate, top, depth, spread)
        else:
            rate = ahead(rate, top ** (1 / depth), depth, spread / math.sqrt(depth))
        return rate + self._decay, Known(frames, slope)

    def step(
        self, state: Array, normals: Array, dt: float | Array, known: Known | None = None
    ) -> Array:
        """One step."""
        h = np.atleast_1d(np.asarray(dt, dtype=float))
        frames, slope = known or self.look(state)[1]
        sigma = frames.values()
        k, l = pairs(len(sigma))  # noqa: E741
        between = np.sqrt(quotient(sigma[k], sigma[l], self._depth))
        beside = np.sqrt(quotient(sigma, sigma, self._depth))
        B = normals.reshape(-1, *self._shape)
        X = PairTable.of(frames.inside(B) * np.sqrt(2 * self._terms.kappa / self._terms.beta * h))
        if slope is not None:
            E = PairTable.of(frames.inside(slope))
            X = PairTable(
                X.diagonal - h * beside * E.diagonal,
                X.upper - h * between * E.upper,
                X.lower - h * between * E.lower,
            )
        diagonal = beside * X.diagonal + h * self._radial(sigma)
        A = PairTable(diagonal, between * X.upper, between * X.lower)
        new = state + frames.outside(A.table())
        return _reflected(new, self._orientation, size(new - state), sigma[-1])

    def _radial(self, sigma: Array) -> Array:
        """The drift but for the energy's: diagonal in the frames."""
        depth, terms = self._depth, self._terms
        if depth == 1:
            return -self._decay * sigma
        infinite = math.isinf(depth)
        force: Array | float = terms.kappa * (1.0 if infinite else depth - 1)
        if terms.entropy:
            k, l = pairs(len(sigma))  # noqa: E741
            force = force + row_sums(*mutual_forces(sigma[k], sigma[l], depth))
        power = sigma if infinite else sigma ** (1 - 2 / depth)
        radial = power * force / terms.beta - self._decay * sigma
        # at depth 2 and below there is no drift at a singular W
        return np.asarray(np.where(sigma > 0, radial, np.nan) if 1 < depth <= 2 else radial)


def within_range(new: Array, norm: Array, depth: float) -> Array:
    """States (path, ...) of roots of this norm, NaN where W = Y^N leaves floating point."""
    there = np.isfinite(norm**depth)
    axes = tuple(range(there.ndim, new.ndim))
    return new if there.all() else np.where(np.expand_dims(there, axes), new, np.nan)


def _column(dt: float | Array) -> Array:
    """Times (path,), or one, against matrices (path, d, d)."""
    return np.reshape(np.asarray(dt, dtype=float), (-1, 1, 1))


def _reflected(new: Array, orientation: float, way: Array, least: Array) -> Array:
    """Reflected where a way this long may have changed the determinant's sign (Weyl)."""
    return reflected(new, orientation, way >= 0.999 * least) if orientation else new
