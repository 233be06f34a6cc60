"""Carry a flow through time with any OdeSolver: what to save, when to stop, what went wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import BDF, DOP853, LSODA, RK23, RK45, OdeSolver, Radau
from scipy.optimize import brentq

from dlngeo import _callbacks, _checks
from dlngeo._callbacks import Callback
from dlngeo._checks import Array
from dlngeo._linalg import frobenius
from dlngeo._results.trajectory import Trajectory, build
from dlngeo.flows._systems import System
from dlngeo.solvers import RKC, GaussLegendre

METHODS: dict[str, type[OdeSolver]] = {
    solver.__name__: solver
    for solver in (RKC, GaussLegendre, RK45, RK23, DOP853, Radau, BDF, LSODA)
}


@dataclass(frozen=True)
class Control:
    """The keywords that every flow takes; :func:`dlngeo.flows.gradient_flow` explains them."""

    method: str | type[OdeSolver]
    t_eval: ArrayLike | None
    stop_loss: float | None
    gtol: float
    rtol: float
    atol: float | None
    max_steps: int | None
    callback: Callback | None


EVALUATIONS = 100  # of the velocity that max_steps allows for each step, on average


def integrate(system: System, t_span: tuple[float, float], control: Control) -> Trajectory:
    """Integrate until the span ends, a rule says stop, or the solver fails."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # seen to, not warned of
        run = _Run(system, t_span, control)
        status, message = 0, "reached the end of the time span"
        try:
            reason = run.follow()
            if reason:
                status, message = 1, f"{reason}, at t = {run.t:.6g}"
        except _GaveUp as spent:
            status, message = -1, f"gave up after {spent}, at t = {run.t:.6g} of {run.t_end:g}"
        except _Failed as trouble:
            largest = np.abs(run.y).max()
            status = -1
            message = (
                f"failed at t = {run.t:.6g}: {trouble}; the last good state, of largest entry "
                f"{largest:.3g}, is kept"
            )
        if status != 0:
            run.record.finish(run.t, run.y)
        return read_off(system, run.record.times, run.record.states, status, message, run.stats())


class _GaveUp(Exception):
    """So many steps or evaluations were allowed, and no more."""


class _Failed(Exception):
    """The flow cannot be followed from here."""


class _Run:
    """One integration: where it stands, and what it has cost."""

    def __init__(self, system: System, t_span: tuple[float, float], control: Control) -> None:
        self.t, self.t_end = _checks.time_span(t_span)
        self.y = system.start
        self.record = _Record(self.t, self.y, _times(control.t_eval, self.t, self.t_end))
        self._system, self._callback = system, _callbacks.checked(control.callback)
        gtol = _checks.non_negative(control.gtol, "gtol")
        self._rules = StopRules(system, bound(control.stop_loss), gtol)
        self._limit = math.inf
        if control.max_steps is not None:
            self._limit = _checks.integer(control.max_steps, "max_steps", 1)
        self._solver_class = _solver_class(control.method)
        self._tolerances = _tolerances(system, control)
        self._solver: OdeSolver | None = None
        self._steps = self._evaluations = 0
        self._asking = False  # whether a velocity is being asked for

    def follow(self) -> str:
        """Go on to the end of the span, or to where a rule says stop; why, empty at the end."""
        if not _finite(self._system, self.y):
            raise _Failed("the energy is not finite at the start")
        if not np.isfinite(self._velocity(self.t, self.y)).all():
            raise _Failed("the velocity is not finite at the start")
        reason = self._rules.reason(self.y)
        if reason:
            return reason
        self._solver = self._solver_class(
            self._velocity, self.t, self.y, self.t_end, **self._tolerances
        )
        while not reason and self._solver.status == "running":
            if self._steps >= self._limit:
                raise _GaveUp(f"{self._steps} steps")
            reason = self._step(self._solver)
        return reason

    def _step(self, solver: OdeSolver) -> str:
        try:
            trouble = solver.step()
        except ValueError:  # LinAlgError is one
            if self._asking:  # the energy's own
                raise
            raise _Failed("what the solver is made of is not finite nearby") from None
        if solver.status == "failed" or not _finite(self._system, solver.y):
            raise _Failed(trouble or "the next state or its energy is not finite")
        self._steps += 1
        t_old, self.t, self.y = self.t, float(solver.t), solver.y
        reason = self._rules.reason(self.y)
        if reason == STOP_LOSS:
            self.t, self.y = self._rules.crossing(solver, t_old)
        self.record.step(solver, t_old, self.t, self.y)
        if self._callback is not None:
            W = self._system.end_to_end(self.y)
            if _callbacks.stops(self._callback, self.t, W):
                reason = "the callback stopped the run"
        return reason

    def _velocity(self, t: float, y: Array) -> Array:
        if self._evaluations >= EVALUATIONS * self._limit:
            raise _GaveUp(f"{self._evaluations} evaluations of the velocity")
        self._evaluations += 1
        self._asking = True
        velocity = self._system.velocity(t, y)
        self._asking = False
        return velocity

    def stats(self) -> dict[str, int]:
        stats = {"steps": self._steps, "evaluations": self._evaluations}
        for name, key in (("jacobians", "njev"), ("rejected", "rejected")):
            count = getattr(self._solver, key, None)
            if count is not None:
                stats[name] = int(count)
        return stats


def _finite(system: System, y: Array) -> bool:
    """Whether a state and its energy are within the range of floating point."""
    if not np.isfinite(y).all():
        return False
    W = system.end_to_end(y)
    return bool(np.isfinite(W).all() and np.isfinite(system.energy.value(W)).all())


def read_off(
    system: System,
    times: list[float],
    states: list[Array],
    status: int,
    message: str,
    stats: dict[str, int],
) -> Trajectory:
    """The trajectory of a system through the given states."""
    y = np.array(states)
    W = system.end_to_end(y)
    return build(
        np.array(times),
        W,
        system.weights(y),
        system.energy.value(W),
        weight_decay=system.gamma,
        rank=system.rank,
        status=status,
        message=message,
        stats=stats,
    )


# --------------------------------------------------------------------------------- when to stop

STOP_LOSS = "the energy fell to stop_loss"
STATIONARY = "stationary: the gradient of the energy vanished"


class StopRules:
    """Whether a state ends the run: the energy has reached a bound, or its gradient vanished.

    The test is on E'(W), not on the velocity: at a saddle of the network the velocity vanishes and
    E'(W) does not. Where the end need not have E' = 0, with weight decay, there is no such test.
    """

    def __init__(self, system: System, stop_loss: float | None, gtol: float) -> None:
        self._system, self._bound = system, stop_loss
        self._threshold: float | None = None
        if gtol > 0 and system.gamma == 0:
            W = system.end_to_end(system.start)
            self._threshold = gtol * max(self._slope(W), self._slope_at_zero(W))

    def reason(self, y: Array) -> str:
        """Why to stop at this state; empty to go on."""
        if self._bound is None and self._threshold is None:
            return ""
        W = self._system.end_to_end(y)
        if self._bound is not None and self._energy(W) <= self._bound:
            return STOP_LOSS
        if self._threshold is not None and self._slope(W) <= self._threshold:
            return STATIONARY
        return ""

    def crossing(self, solver: OdeSolver, t_old: float) -> tuple[float, Array]:
        """Where within the solver's last step the energy first fulfils the bound."""
        dense, t, bound = solver.dense_output(), float(solver.t), self._bound or 0.0

        def excess(s: float) -> float:
            return self._energy(self._system.end_to_end(dense(s))) - bound

        if not excess(t_old) > 0 > excess(t):
            return t, solver.y
        spacing = float(np.spacing(max(abs(t_old), abs(t))))
        root = float(brentq(excess, t_old, t, xtol=4 * spacing))
        while root < t and excess(root) > 0:  # the last bits on the low side
            root = min(t, root + 8 * spacing)
        return root, np.asarray(dense(root))

    def _slope_at_zero(self, W: Array) -> float:
        """‖E'(0)‖, a size that E' has somewhere; 0 where E is not defined there."""
        try:
            slope = self._slope(np.zeros_like(W))
        except (ValueError, ArithmeticError):  # LinAlgError is a ValueError
            return 0.0
        return slope if math.isfinite(slope) else 0.0

    def _energy(self, W: Array) -> float:
        return float(np.max(self._system.energy.value(W)))

    def _slope(self, W: Array) -> float:
        return float(np.max(frobenius(self._system.energy.gradient(W))))


# --------------------------------------------------------------------------------- what to save


class _Record:
    """The states to save: at the wanted times, or at every step where none are named."""

    def __init__(self, t0: float, start: Array, wanted: Array | None) -> None:
        self._wanted = wanted
        first = wanted is None or wanted[0] == t0
        self.times: list[float] = [t0] if first else []
        self.states: list[Array] = [start] if first else []

    def step(self, solver: OdeSolver, t_old: float, t: float, y: Array) -> None:
        if self._wanted is None:
            self._add(t, y)
            return
        inside = self._wanted[(self._wanted > t_old) & (self._wanted <= t)]
        if inside.size:
            dense = solver.dense_output()
            for s in inside.tolist():
                self._add(s, y if s == t else np.asarray(dense(s)))

    def finish(self, t: float, y: Array) -> None:
        """Save the last state of a run that ends early, if it is not saved yet."""
        if not self.times or self.times[-1] < t:
            self._add(t, y)

    def _add(self, t: float, y: Array) -> None:
        self.times.append(t)
        self.states.append(y)


# ------------------------------------------------------------------------------------ arguments


def _tolerances(system: System, control: Control) -> dict[str, Any]:
    rtol = _checks.positive(control.rtol, "rtol")
    if control.atol is not None:
        atol = _checks.non_negative(control.atol, "atol")  # at 0 SciPy's solvers never end
        return {"rtol": rtol, "atol": max(atol, float(np.finfo(float).tiny))}
    largest = np.abs(system.start).reshape(system.members, -1).max(axis=-1)
    each = 1e-3 * rtol * np.where(largest > 0, largest, 1.0)
    return {"rtol": rtol, "atol": np.repeat(each, system.start.size // system.members)}


def bound(stop_loss: float | None) -> float | None:
    """What stop_loss= may be."""
    if stop_loss is None:
        return None
    bound = _checks.real(stop_loss, "stop_loss")
    if not math.isfinite(bound):
        raise ValueError(f"stop_loss must be a finite number or None, not {stop_loss!r}")
    return bound


def _solver_class(method: str | type[OdeSolver]) -> type[OdeSolver]:
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
        return METHODS[method]
    if isinstance(method, type) and issubclass(method, OdeSolver):
        return method
    raise TypeError(f"method must be a solver's name or an OdeSolver class, not {method!r}")


def _times(t_eval: ArrayLike | None, t0: float, t1: float) -> Array | None:
    if t_eval is None:
        return None
    times = np.atleast_1d(_checks.real_array(t_eval, "t_eval"))
    if times.ndim != 1 or not times.size or (np.diff(times) <= 0).any():
        raise ValueError("t_eval must be a vector of increasing times")
    if times[0] < t0 or times[-1] > t1:
        raise ValueError(
            f"t_eval must lie within t_span ({t0:g}, {t1:g}); it runs from {times[0]:g} to "
            f"{times[-1]:g}"
        )
    return times
