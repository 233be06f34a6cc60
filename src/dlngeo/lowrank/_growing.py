r"""The flow from a small start of full rank, with the rank that has been born.

From W_0 = scale · U Vᵀ, U and V the singular frames of -E'(0), directions come up one after
another. What is up is carried in factored form; the amplitudes a_1 >= a_2 >= ... of what is not are
carried by

.. math:: \dot a_j = N a_j^{2-2/N} s_j(t) - \gamma N a_j,

s_j the singular values of -E'(W) outside the row and column spaces of W. A direction is taken up
where it begins to matter, a_j ⟨Z, E''Z⟩ = max(s_j, s_1(0)/5) / 100 for Z = u_j v_jᵀ, and let go
where weight decay has brought it back to a tenth of that.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, svds

from dlngeo._checks import Array
from dlngeo._equation import Equation
from dlngeo._linalg import svd
from dlngeo.flows import Control, integrate
from dlngeo.lowrank._factors import Factors
from dlngeo.lowrank._pulls import Pull
from dlngeo.lowrank._systems import system_of
from dlngeo.lowrank._trajectory import LowRankTrajectory, read

_MATTERS = 1e-2  # a direction's bend over its slope where it is taken up
_DENSE = 200  # of the lesser dimension: below, all that is unborn is carried
_CARRIED = 3  # above, so many


def grow(
    equation: Equation,
    pull: Pull,
    shape: tuple[int, int],
    scale: float,
    rank: int,
    control: Control,
) -> LowRankTrajectory:
    """Follow the flow, taking up directions and letting them go, up to a rank."""
    return _Growth(equation, pull, shape, scale, rank).follow(control)


class _Growth:
    """One run: where it stands, what is unborn, and what is to be saved."""

    _ended = False

    def __init__(
        self, equation: Equation, pull: Pull, shape: tuple[int, int], scale: float, rank: int
    ) -> None:
        self._equation, self._pull, self._shape, self._rank = equation, pull, shape, rank
        nothing = Factors(np.zeros((shape[0], 0)), np.zeros(0), np.zeros((shape[1], 0)))
        u, slopes, v = self._outside(nothing)
        self._unborn, self._first = np.full(slopes.size - 1, scale), float(slopes[0])
        self._W = Factors(u[:, :1], np.array([scale]), v[:, :1])
        self._least = [0.1 * scale]  # below which a direction is let go
        self._parts: list[tuple[float, Factors, float]] = []
        self._stats: dict[str, int] = {"births": 1, "deaths": 0}

    def follow(self, control: Control) -> LowRankTrajectory:
        t, t_end = control.t_span
        times = control.t_eval if control.t_eval is not None else np.array(control.t_span)
        run = None
        while run is None or (t < t_end and not self._ended):
            watch = _Watch(self, control.callback, t)
            t_next = min(t_end, t + max(watch.wait(), 1e-9 * (t_end - t)))
            inside = times[(times > t) & (times < t_next)]
            saved = np.array([*([t] if t in times else []), *inside, t_next])
            piece = dataclasses.replace(
                control,
                t_span=(t, t_next),
                t_eval=np.unique(saved),
                callback=watch,
                max_steps=max(1, control.max_steps - self._stats.get("steps", 0)),
            )
            run = integrate(system_of(self._equation, self._W, self._pull), piece)
            self._keep(run, times)
            t, self._W = float(run.t[-1]), run.factors()
            self._ended = run.status < 0 or (run.status == 1 and not watch.stopped)
            if not self._ended and t < t_end:
                self._change(watch)
        last = self._parts[-1][0] if self._parts else -np.inf
        if run.status != 0 and t > last:
            self._parts.append((t, run.factors(), float(run.energy[-1])))
        return self._trajectory(run)

    def _keep(self, run: LowRankTrajectory, times: Array) -> None:
        last = self._parts[-1][0] if self._parts else -np.inf
        for k, t in enumerate(run.t.tolist()):
            if t in times and t > last:
                self._parts.append((t, run.factors(k), float(run.energy[k])))
        for name, count in run.stats.items():
            self._stats[name] = self._stats.get(name, 0) + count

    def _change(self, watch: _Watch) -> None:
        """Let go what has died, and take up what begins to matter."""
        W = self._W
        if W.sigma.size > 1 and W.sigma[-1] < self._least[-1]:
            self._W = Factors(W.U[:, :-1], W.sigma[:-1], W.V[:, :-1])
            self._unborn = np.append(W.sigma[-1], self._unborn)
            self._least.pop()
            self._stats["deaths"] += 1
            return
        u, slopes, v = self._outside(W)
        if W.sigma.size < self._rank and self._matters(u, slopes, v):
            amplitude = self._unborn[0]
            sigma = np.append(W.sigma, amplitude)
            order = np.argsort(-sigma, kind="stable")
            U, V = np.column_stack([W.U, u[:, 0]]), np.column_stack([W.V, v[:, 0]])
            self._W = Factors(U[:, order], sigma[order], V[:, order])
            self._unborn = self._unborn[1:]
            if self._sparse and self._unborn.size:
                self._unborn = np.append(self._unborn, self._unborn[-1])
            self._least.append(0.1 * amplitude)
            self._stats["births"] += 1

    def _matters(self, u: Array, slopes: Array, v: Array, nearly: float = 0.98) -> bool:
        if not (slopes.size and self._unborn.size):
            return False
        return bool(self._unborn[0] >= nearly * self._threshold(u, slopes, v))

    def _threshold(self, u: Array, slopes: Array, v: Array) -> float:
        """The amplitude at which the first unborn direction matters."""
        W = self._W
        bend = self._pull.along(W.U * W.sigma, W.V, (u[:, :1], v[:, :1]))
        slope = max(float(slopes[0]), self._first / 5)
        return _MATTERS * slope / bend if bend > 0 else np.inf

    @property
    def _sparse(self) -> bool:
        return min(self._shape) > _DENSE

    def _outside(self, W: Factors) -> tuple[Array, Array, Array]:
        """Leading singular triplets of -E'(W) outside the spaces of W."""
        if W.sigma.size:
            S = self._pull.gradient(W.U * W.sigma, W.V)
        else:
            S = self._pull.gradient(*(np.zeros((size, 1)) for size in self._shape))
        count = min(self._shape) - W.sigma.size
        if not self._sparse:
            dense = S.toarray() if hasattr(S, "toarray") else S
            dense = dense - W.U @ (W.U.T @ dense)
            u, slopes, vt = svd(dense - (dense @ W.V) @ W.V.T)
            return -u[:, :count], slopes[:count], vt[:count].T
        operator = LinearOperator(
            self._shape,
            matvec=lambda x: _out(S @ _out(x, W.V), W.U),
            rmatvec=lambda x: _out(S.T @ _out(x, W.U), W.V),
        )
        begin = np.random.default_rng(0).standard_normal(min(self._shape))
        u, slopes, vt = svds(operator, k=min(_CARRIED, count), v0=begin, tol=1e-4)
        return -u[:, ::-1], slopes[::-1], vt[::-1].T

    def _trajectory(self, run: LowRankTrajectory) -> LowRankTrajectory:
        largest = max(W.sigma.size for _, W, _ in self._parts)
        filled = [_filled(W, largest) for _, W, _ in self._parts]
        t, energy = (np.array([part[k] for part in self._parts]) for k in (0, 2))
        return read(t, filled, energy, run.status, run.message, self._stats)


class _Watch:
    """Sees each step of a piece: carries what is unborn, and stops where the rank must change."""

    def __init__(self, growth: _Growth, callback: Any, t: float) -> None:
        self._growth, self._callback, self._t = growth, callback, t
        self._u, self._slopes, self._v = growth._outside(growth._W)
        self.stopped = False

    def wait(self) -> float:
        """The time until the first unborn direction matters if nothing changes."""
        growth = self._growth
        if growth._W.sigma.size >= growth._rank or not (self._slopes.size and growth._unborn.size):
            return np.inf
        a, b = growth._unborn[0], growth._threshold(self._u, self._slopes, self._v)
        return _time(a, b, float(self._slopes[0]), growth._equation)

    def __call__(self, t: float, W: Factors) -> None:
        growth, before = self._growth, self._slopes
        growth._W = W
        self._u, self._slopes, self._v = growth._outside(W)
        few = min(growth._unborn.size, before.size, self._slopes.size)
        mean = 0.5 * (before[:few] + self._slopes[:few])
        growth._unborn[:few] = _grown(growth._unborn[:few], t - self._t, mean, growth._equation)
        self._t = t
        if self._callback is not None:
            self._callback(t, W)
        born = W.sigma.size < growth._rank and growth._matters(
            self._u, self._slopes, self._v, nearly=1.0
        )
        died = W.sigma.size > 1 and W.sigma[-1] < growth._least[-1]
        if born or died:
            self.stopped = True
            raise StopIteration


def _rate(h: Array | float, equation: Equation) -> Any:
    """∫ exp(-(N - 2)γt) dt over a time h."""
    x = (equation.depth - 2) * equation.weight_decay
    return -np.expm1(-x * h) / x if x else h


def _grown(a: Array, h: float, slope: Array, equation: Equation) -> Array:
    """Amplitudes after a time h; inf where they pass beyond all bounds."""
    N, pushed = equation.depth, slope * _rate(h, equation)
    if N == 2:
        with np.errstate(over="ignore"):
            return np.asarray(a * np.exp(2 * (pushed - equation.weight_decay * h)))
    power = np.maximum(a ** (2 / N - 1) + (2 - N) * pushed, 0.0)
    with np.errstate(divide="ignore"):
        after = power ** (N / (2 - N))
    return np.asarray(after * np.exp(-N * equation.weight_decay * h))


def _time(a: float, b: float, slope: float, equation: Equation) -> float:
    """When an amplitude has gone from a to b; inf where it never does."""
    if not (slope > 0 and b < np.inf):
        return np.inf
    if a >= b:
        return 0.0
    N, slow = equation.depth, equation.weight_decay
    free = np.log(b / a) / 2 if N == 2 else (b ** (2 / N - 1) - a ** (2 / N - 1)) / (2 - N)
    low, high = 0.0, float(free / slope)
    if not slow:
        return high
    reached = lambda h: float(_grown(np.array(a), h, np.array(slope), equation)) >= b  # noqa: E731
    for _ in range(60):
        if reached(high):
            break
        high *= 2
    else:
        return np.inf
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _out(x: Array, frame: Array) -> Array:
    x = x.reshape(-1)
    return np.asarray(x - frame @ (frame.T @ x))


def _filled(W: Factors, rank: int) -> Factors:
    """With zeros for directions that are not there."""
    more = rank - W.sigma.size
    return Factors(
        np.pad(W.U, ((0, 0), (0, more))),
        np.pad(W.sigma, (0, more)),
        np.pad(W.V, ((0, 0), (0, more))),
    )
