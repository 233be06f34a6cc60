"""Carry a flow through time with any ``OdeSolver``, and say how the run went.

What is integrated stands in :mod:`dlngeo.flows._systems`, what a user asks for in ``_control``,
when to stop in ``_stopping``, what is saved in ``_record``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import OdeSolver

from dlngeo import _callbacks
from dlngeo._checks import Array
from dlngeo._lockstep.follow import CROSSED, REASONS
from dlngeo.flows._control import Control
from dlngeo.flows._record import Record
from dlngeo.flows._stopping import STOP_LOSS, StopRules
from dlngeo.flows._systems import System

EVALUATIONS = 100  # of the velocity that max_steps allows for each step, on average


def integrate(system: System, control: Control) -> Any:
    """Integrate until the span ends, a rule says stop, or the solver fails."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # seen to, not warned of
        run = _Run(system, control)
        status, message = 0, "reached the end of the time span"
        try:
            reason = run.follow()
            if reason:
                status, message = 1, f"{reason}, at t = {run.t:.6g}"
        except _BudgetSpent as spent:
            status, message = -1, f"gave up after {spent}, at t = {run.t:.6g} of {run.t_end:g}"
        except _IntegrationFailed as trouble:
            largest = np.abs(run.y).max()
            status = -1
            message = (
                f"failed at t = {run.t:.6g}: {trouble}; the last good state, of largest entry "
                f"{largest:.3g}, is kept"
            )
        if status != 0:
            run.record.finish(run.t, run.y)
        if status >= 0 and system.crossed(run.y):
            status, message = -1, f"{message}; {REASONS[CROSSED]}"
        stats = run.stats()
        run.forget()
        return run.record.trajectory(system, status, message, stats)


class _BudgetSpent(Exception):
    """So many steps or evaluations were allowed, and no more."""


class _IntegrationFailed(Exception):
    """The flow cannot be followed from here."""


class _Run:
    """One integration: where it stands, and what it has cost."""

    def __init__(self, system: System, control: Control) -> None:
        (self.t, self.t_end), self.y = control.t_span, system.start
        self.record = Record(self.t, self.y, control.t_eval)
        self._system, self._control = system, control
        self._rules = StopRules(system, control.stop_loss, control.gtol)
        self._solver: OdeSolver | None = None
        self._steps = self._evaluations = 0
        self._asking = False  # whether a velocity is being asked for

    def follow(self) -> str:
        """Go on to the end of the span, or to where a rule says stop; why, empty at the end."""
        begin = self._system.reading(self.y)
        if begin is None:
            raise _IntegrationFailed("the energy is not finite at the start")
        if not np.isfinite(self._velocity(self.t, self.y)).all():
            raise _IntegrationFailed("the velocity is not finite at the start")
        reason = self._rules.reason(*begin)
        if reason:
            return reason
        tolerances = self._control.tolerances(self._system)
        self._solver = self._control.solver(
            self._velocity, self.t, self.y, self.t_end, **tolerances
        )
        while not reason and self._solver.status == "running":
            if self._steps >= self._control.max_steps:
                raise _BudgetSpent(f"{self._steps} steps")
            reason = self._step(self._solver)
        return reason

    def _step(self, solver: OdeSolver) -> str:
        try:
            trouble = solver.step()
        except ValueError:  # LinAlgError is one
            if self._asking:  # the energy's own
                raise
            raise _IntegrationFailed("what the solver is made of is not finite nearby") from None
        read = None if solver.status == "failed" else self._system.reading(solver.y)
        if read is None:
            raise _IntegrationFailed(trouble or "the next state or its energy is not finite")
        self._steps += 1
        t_old, self.t, self.y = self.t, float(solver.t), solver.y
        reason = self._rules.reason(*read)
        if reason == STOP_LOSS:
            self.t, self.y = self._rules.crossing(solver, t_old)
        self.record.step(solver, t_old, self.t, self.y)
        if self._control.callback is not None:
            W = (read if self.y is solver.y else self._system.reading(self.y) or read)[0]
            if _callbacks.stops(self._control.callback, self.t, self._system.seen(W)):
                reason = "the callback stopped the run"
        return reason

    def _velocity(self, t: float, y: Array) -> Array:
        if self._evaluations >= EVALUATIONS * self._control.max_steps:
            raise _BudgetSpent(f"{self._evaluations} evaluations of the velocity")
        self._evaluations += 1
        self._asking = True
        velocity = self._system.velocity(t, y)
        self._asking = False
        return velocity

    def forget(self) -> None:
        """Empty the solver, which holds itself and this run: its memory is free at once."""
        if self._solver is not None:
            vars(self._solver).clear()

    def stats(self) -> dict[str, int]:
        stats = {"steps": self._steps, "evaluations": self._evaluations}
        for name, key in (("jacobians", "njev"), ("rejected", "rejected")):
            count = getattr(self._solver, key, None)
            if count is not None:
                stats[name] = int(count)
        return stats | getattr(self._solver, "taken", {})
