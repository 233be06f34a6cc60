"""Carry a flow through time with any OdeSolver: what to save, when to stop, what went wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import BDF, DOP853, LSODA, RK23, RK45, OdeSolver, Radau
from scipy.optimize import brentq

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.dynamics.solvers import RKC, GaussLegendre
from dlngeo.dynamics.systems import System
from dlngeo.dynamics.trajectory import Trajectory, build

METHODS: dict[str, type[OdeSolver]] = {
    solver.__name__: solver
    for solver in (RKC, GaussLegendre, RK45, RK23, DOP853, Radau, BDF, LSODA)
}
Callback = Callable[[float, Array], Any]


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


def integrate(system: System, t_span: tuple[float, float], control: Control) -> Trajectory:
    """Integrate until the span ends, a rule says stop, or the solver fails."""
    with np.errstate(over="ignore", invalid="ignore"):  # overflow is seen to, not warned of
        return _integrate(system, t_span, control)


def _integrate(system: System, t_span: tuple[float, float], control: Control) -> Trajectory:
    t0, t1 = _time_span(t_span)
    record = _Record(t0, system.start, _times(control.t_eval, t0, t1))
    rules = StopRules(system, control.stop_loss, _checks.non_negative(control.gtol, "gtol"))
    limit = math.inf
    if control.max_steps is not None:
        limit = _checks.integer(control.max_steps, "max_steps", 1)
    solver = _start(system, t0, t1, control)

    t, y, steps, status, message = t0, system.start, 0, 0, "reached the end of the time span"
    reason = rules.reason(y)
    while not reason and solver.status == "running":
        if steps >= limit:
            status, message = -1, f"gave up after {steps} steps, at t = {t:.6g} of {t1:g}"
            break
        trouble = solver.step()
        if solver.status == "failed" or not _finite(system, solver.y):
            status = -1
            message = (
                f"failed at t = {t:.6g}: {trouble or 'the next state or its energy overflows'}; "
                f"the last good state, of largest entry {np.abs(y).max():.3g}, is kept"
            )
            break
        steps += 1
        t_old, t, y = t, float(solver.t), solver.y
        reason = rules.reason(y)
        if reason == STOP_LOSS:
            t, y = rules.crossing(solver, t_old)
        record.step(solver, t_old, t, y)
        if control.callback is not None:
            try:
                control.callback(t, system.end_to_end(y))
            except StopIteration:
                reason = "the callback stopped the run"
    if reason:
        status, message = 1, f"{reason}, at t = {t:.6g}"
    if status != 0:
        record.finish(t, y)
    stats = {"steps": steps, "evaluations": int(solver.nfev), "jacobians": int(solver.njev)}
    if isinstance(solver, RKC):
        stats["rejected"] = solver.rejected
    return read_off(system, record.times, record.states, status, message, stats)


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
        root = float(brentq(excess, t_old, t, xtol=4 * np.finfo(float).eps * abs(t)))
        while root < t and excess(root) > 0:  # the last bits on the low side
            root = min(t, root + 8 * float(np.spacing(t)))
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
        gradient = self._system.energy.gradient(W)
        return float(np.max(np.linalg.norm(gradient, axis=(-2, -1))))


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


def _start(system: System, t0: float, t1: float, control: Control) -> OdeSolver:
    rtol, atol = _checks.positive(control.rtol, "rtol"), control.atol
    if atol is None:
        atol = 1e-3 * rtol * (float(np.abs(system.start).max()) or 1.0)
    atol = _checks.non_negative(atol, "atol")
    solver_class = _solver_class(control.method)
    return solver_class(system.velocity, t0, system.start, t1, rtol=rtol, atol=atol)


def _solver_class(method: str | type[OdeSolver]) -> type[OdeSolver]:
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
        return METHODS[method]
    if isinstance(method, type) and issubclass(method, OdeSolver):
        return method
    raise TypeError(f"method must be a solver's name or an OdeSolver class, not {method!r}")


def _time_span(t_span: tuple[float, float]) -> tuple[float, float]:
    try:
        t0, t1 = (float(t) for t in t_span)
    except (TypeError, ValueError):
        raise TypeError(f"t_span must be two numbers (t_0, t_1), not {t_span!r}") from None
    if not (math.isfinite(t0) and math.isfinite(t1) and t0 < t1):
        raise ValueError(f"t_span must be finite and increasing, not {t_span!r}")
    return t0, t1


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
