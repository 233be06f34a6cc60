r"""Schemes for the Riemannian Langevin equation downstairs: one step each, for stacks of states.

In the root chart Euler-Maruyama and a scheme of weak order 2; in the entries of W Euler-Maruyama,
which alone serves at infinite depth. In all of them the smallest λ is reflected where the
determinant changes sign.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._equation import Equation
from dlngeo._paths.compiled import Plan
from dlngeo.langevin.engines import plan
from dlngeo.langevin.lipschitz import bound, lipschitz_ahead
from dlngeo.langevin.root_chart import (
    Point,
    RootChart,
    orientation,
    reflected,
    runge_kutta,
    within_range,
)
from dlngeo.spectral.divided_differences import quotient
from dlngeo.spectral.entropic_force import mutual_forces
from dlngeo.spectral.square_svd import PairTable, SquareSVD, pairs, row_sums, size


class Ready(NamedTuple):
    """What a step takes over: the frames of the states, E'(W), and the signs of det W to keep."""

    frames: SquareSVD
    slope: Array | None
    orientation: Array | None

    def reflected(self, new: Array, way: Array, least: Array) -> Array:
        """Reflected where a way this long may have changed the determinant's sign (Weyl)."""
        if self.orientation is None:
            return new
        return reflected(new, self.orientation, way >= 0.999 * least)


class Downstairs:
    """What the schemes on d × d matrices share: frames are W, and det W keeps its sign."""

    upstairs: ClassVar[bool] = False
    kernel: ClassVar[str | None] = None  # the compiled scheme

    def __init__(self, equation: Equation, d: int) -> None:
        self.equation, self.shape = equation, (d, d)
        self.noise_size = d * d

    def keep(self, W: Array) -> Array | None:
        """The signs of det W, (path,); nothing at depth 1, where there is no boundary."""
        return None if self.equation.depth == 1 else orientation(W)

    def read(self, frames: Array) -> tuple[Array, None]:
        """W, and no weights."""
        return frames, None

    def on_lanes(self, dt: float) -> Plan:
        """The scheme as the compiled kernels take it."""
        assert self.kernel is not None
        return plan(self.kernel, self.equation, self.shape[0], dt)


class RootEuler(Downstairs):
    """Euler-Maruyama in the root chart."""

    depths: ClassVar[str] = "finite"
    kernel: ClassVar[str | None] = "ROOT"

    def __init__(self, equation: Equation, d: int) -> None:
        super().__init__(equation, d)
        self._chart = RootChart(equation)

    def start(self, W: Array) -> Array:
        """The root of W."""
        return self._chart.to_root(W)

    def record(self, state: Array) -> Array:
        """W of roots."""
        return self._chart.from_root(state)

    def prepare(self, state: Array, kept: Array | None = None) -> tuple[Array, Ready]:
        """A Lipschitz constant of the drift, and what a step takes over."""
        energy, depth, decay = self._chart.energy, self._chart.depth, self.equation.weight_decay
        frames = self._chart.frames(state)
        if energy is None:
            return np.full(len(state), float(decay)), Ready(frames, None, kept)
        W = self._chart.end_to_end(frames)
        slope, top = energy.gradient(W), frames.lam[:, 0]
        rate = bound(energy, W, slope, top**depth, depth)
        spread = math.sqrt(2 * self.equation.temperature / depth)
        return lipschitz_ahead(rate, top, depth, spread) + decay, Ready(frames, slope, kept)

    def step(
        self, state: Array, normals: Array, dt: float | Array, ready: Ready | None = None
    ) -> Array:
        """One step."""
        h, ready = _column(dt), ready or self.prepare(state)[1]
        B = np.sqrt(h) * normals.reshape(-1, *self.shape)
        move = self._chart.velocity(ready.frames, B, h, ready.slope)
        return self._arrived(state + move, state, ready)

    def _arrived(self, new: Array, state: Array, ready: Ready) -> Array:
        new = within_range(new, size(new), self._chart.depth)
        return ready.reflected(new, size(new - state), ready.frames.lam[:, -1])


_ROOT2 = math.sqrt(2)
# Of each stage its time, its share of X there, its share of the drift, and of B and X in the noise.
_STAGES = (
    (1 / 3, _ROOT2, 11 / 6, 9 / 4, -3 / _ROOT2),
    (1 / 9, 2 * _ROOT2, -1.0, -9 / 4, 4.5 / _ROOT2),
)


class WeakTwo(RootEuler):
    r"""A scheme of weak order 2 with three decompositions a step, whatever the number of noises.

    With a and G the drift (Itô's) and the noise at Y, B the step's Brownian increment and X a
    second one, independent of it,

    .. math:: Y_1 = Y + \tfrac h3 a + \tfrac13 G(B + \sqrt2 X), \qquad
       Y_2 = Y + \tfrac h9 a + \tfrac19 G(B + 2\sqrt2 X),

    .. math:: Y' = Y + h\big(\tfrac16 a + \tfrac{11}6 a_1 - a_2 - \tfrac12 G'G\big)
       + G\big(B - \tfrac3{\sqrt8}X\big) + \tfrac94 G_1\big(B - \tfrac{\sqrt8}3X\big)
       - \tfrac94 G_2\big(B - \sqrt2 X\big),

    where a_i, G_i belong to Y_i, and ½G'G is Itô's drift less Stratonovich's, at Y. Derived: the
    moments of Y' - Y agree with those of the Itô-Taylor expansion up to h² (docs/langevin.md).
    Without noise, at κ = 0, the classical Runge-Kutta method of order 4.
    """

    kernel: ClassVar[str | None] = "WEAK_TWO"
    fineness: ClassVar[float] = 2.0  # at the longest step its error, of order h², is seen

    def __init__(self, equation: Equation, d: int) -> None:
        super().__init__(equation, d)
        self.noise_size = 2 * d * d

    def step(
        self, state: Array, normals: Array, dt: float | Array, ready: Ready | None = None
    ) -> Array:
        """One step."""
        h, chart, ready = _column(dt), self._chart, ready or self.prepare(state)[1]
        if not self.equation.kappa:
            first = chart.velocity(ready.frames, None, h, ready.slope)
            new = runge_kutta(state, lambda Y: chart.velocity(chart.frames(Y), None, h), first)
            return self._arrived(new, state, ready)
        B, X = np.moveaxis(normals.reshape(-1, 2, *self.shape), 1, 0) * np.sqrt(h)
        point = Point.of(ready.frames, chart.depth)
        drift, correction = chart.drift(point, h, ready.slope), chart.correction(point, h)
        one, two = chart.noise(point, B), chart.noise(point, X)
        new = state + point.outside(
            [(1 / 6, drift), (-1.0, correction), (1.0, one), (-1.5 / _ROOT2, two)]
        )
        for time, spread, share, of_B, of_X in _STAGES:
            Y = state + point.outside([(time, drift), (time, one), (time * spread, two)])
            new += chart.velocity(chart.frames(Y), of_B * B + of_X * X, share * h)
        return self._arrived(new, state, ready)


class EulerDownstairs(Downstairs):
    """Euler-Maruyama in the entries of W."""

    depths: ClassVar[str] = "any"
    kernel: ClassVar[str | None] = "ENTRIES"

    def start(self, W: Array) -> Array:
        """W itself."""
        return W

    def record(self, state: Array) -> Array:
        """W itself."""
        return state

    def prepare(self, state: Array, kept: Array | None = None) -> tuple[Array, Ready]:
        """A Lipschitz constant of the drift, and what a step takes over."""
        energy, depth, decay = self.equation.energy, self.equation.depth, self.equation.shrinkage
        frames = SquareSVD.of(state, graded=True)
        if energy is None:
            return np.full(len(state), float(decay)), Ready(frames, None, kept)
        slope, top = energy.gradient(state), frames.lam[:, 0]
        rate = bound(energy, state, slope, top, depth, 2.0)
        spread = math.sqrt(2 * self.equation.temperature)
        if math.isinf(depth):
            rate = lipschitz_ahead(rate, top, depth, spread)
        else:
            rate = lipschitz_ahead(rate, top ** (1 / depth), depth, spread / math.sqrt(depth))
        return rate + decay, Ready(frames, slope, kept)

    def step(
        self, state: Array, normals: Array, dt: float | Array, ready: Ready | None = None
    ) -> Array:
        """One step."""
        h = np.atleast_1d(np.asarray(dt, dtype=float))
        ready = ready or self.prepare(state)[1]
        frames, slope, depth = ready.frames, ready.slope, self.equation.depth
        sigma = frames.values()
        k, l = pairs(len(sigma))  # noqa: E741
        between = np.sqrt(quotient(sigma[k], sigma[l], depth))
        beside = np.sqrt(quotient(sigma, sigma, depth))
        B = normals.reshape(-1, *self.shape)
        X = PairTable.of(frames.inside(B) * np.sqrt(2 * self.equation.temperature * h))
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
        return ready.reflected(new, size(new - state), sigma[-1])

    def _radial(self, sigma: Array) -> Array:
        """The drift but for the energy's: diagonal in the frames."""
        equation, depth, decay = self.equation, self.equation.depth, self.equation.shrinkage
        if depth == 1:
            return -decay * sigma
        infinite = math.isinf(depth)
        force: Array | float = equation.kappa * (1.0 if infinite else depth - 1)
        if equation.entropy:
            k, l = pairs(len(sigma))  # noqa: E741
            force = force + row_sums(*mutual_forces(sigma[k], sigma[l], depth))
        power = sigma if infinite else sigma ** (1 - 2 / depth)
        radial = power * force / equation.beta - decay * sigma
        # at depth 2 and below there is no drift at a singular W
        return np.asarray(np.where(sigma > 0, radial, np.nan) if 1 < depth <= 2 else radial)


def _column(dt: float | Array) -> Array:
    """Times (path,), or one, against matrices (path, d, d)."""
    return np.reshape(np.asarray(dt, dtype=float), (-1, 1, 1))
