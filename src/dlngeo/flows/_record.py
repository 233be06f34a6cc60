"""The states of a run that are saved, and the trajectory made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import OdeSolver

from dlngeo._checks import Array
from dlngeo.flows._systems import System

_SHARE = 0.1  # of all evaluations, for states within steps
_COST = 12  # evaluations of a step


class Record:
    """The states to save: at the wanted times, or at every step where none are named."""

    def __init__(self, t0: float, start: Array, wanted: Array | None = None) -> None:
        self._wanted, self._spent = wanted, 0
        first = wanted is None or wanted[0] == t0
        self.times: list[float] = [t0] if first else []
        self.states: list[Array] = [start] if first else []

    def step(self, solver: OdeSolver, t_old: float, t: float, y: Array) -> None:
        """Save what is wanted of the solver's last step, which ended in y at time t."""
        if self._wanted is None:
            self.add(t, y)
            return
        inside = self._wanted[(self._wanted > t_old) & (self._wanted <= t)]
        if inside.size:
            before, between = solver.nfev, self._between(solver, inside.size)
            for s in inside.tolist():
                self.add(s, y if s == t else np.asarray(between(s)))
            self._spent += solver.nfev - before

    def _between(self, solver: OdeSolver, frames: int) -> Callable[[float], Array]:
        """What tells states within the last step: a polynomial, or steps of the method itself.

        Those are as exact as what they lie between, and are taken while they cost but a little.
        """
        state: Callable[[float], Array] | None = getattr(solver, "state", None)
        if state is None or self._spent + _COST * frames > _SHARE * solver.nfev:
            return solver.dense_output()
        return state

    def finish(self, t: float, y: Array) -> None:
        """Save the last state of a run that ends early, if it is not saved yet."""
        if not self.times or self.times[-1] < t:
            self.add(t, y)

    def add(self, t: float, y: Array) -> None:
        """Save a state."""
        self.times.append(t)
        self.states.append(y)

    def trajectory(self, system: System, status: int, message: str, stats: dict[str, int]) -> Any:
        """The trajectory of a system through the saved states."""
        return system.trajectory(
            np.array(self.times), np.array(self.states), status, message, stats
        )
