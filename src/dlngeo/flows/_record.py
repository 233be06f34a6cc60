"""The states of a run that are saved, and the trajectory made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import OdeSolver

from dlngeo._checks import Array
from dlngeo.flows._systems import System


class Record:
    """The states to save: at the wanted times, or at every step where none are named."""

    def __init__(self, t0: float, start: Array, wanted: Array | None = None) -> None:
        self._wanted = wanted
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
            dense = solver.dense_output()
            for s in inside.tolist():
                self.add(s, y if s == t else np.asarray(dense(s)))

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
