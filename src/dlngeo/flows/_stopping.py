"""When a flow ends before its time: the energy fell far enough, or its gradient vanished.

The test is on E'(W), not on the velocity: at a saddle of the network the velocity vanishes and
E'(W) does not (survey, section 4). Where the end need not have E' = 0, with weight decay, there is
no such test.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.integrate import OdeSolver
from scipy.optimize import brentq

from dlngeo._checks import Array
from dlngeo.flows._systems import System

STOP_LOSS = "the energy fell to stop_loss"
STATIONARY = "stationary: the gradient of the energy vanished"


class StopRules:
    """Whether a state ends the run: the energy has reached a bound, or its gradient vanished."""

    def __init__(self, system: System, stop_loss: float | None, gtol: float) -> None:
        self._system, self._bound = system, stop_loss
        self._threshold: float | None = None
        if gtol > 0 and system.equation.weight_decay == 0:
            begin = system.reading(system.start)
            here = system.slope(begin[0]) if begin is not None else 0.0
            self._threshold = gtol * max(here, system.slope_at_zero())

    def reason(self, W: Any, energy: float) -> str:
        """Why to stop at this state, read as W and its energy; empty to go on."""
        if self._bound is not None and energy <= self._bound:
            return STOP_LOSS
        if self._threshold is not None and self._system.slope(W) <= self._threshold:
            return STATIONARY
        return ""

    def crossing(self, solver: OdeSolver, t_old: float) -> tuple[float, Array]:
        """Where within the solver's last step the energy first fulfils the bound."""
        dense, t, bound = solver.dense_output(), float(solver.t), self._bound or 0.0

        def excess(s: float) -> float:
            read = self._system.reading(np.asarray(dense(s)))
            return math.inf if read is None else read[1] - bound

        if not excess(t_old) > 0 > excess(t):
            return t, solver.y
        spacing = float(np.spacing(max(abs(t_old), abs(t))))
        root = float(brentq(excess, t_old, t, xtol=4 * spacing))
        while root < t and excess(root) > 0:  # the last bits on the low side
            root = min(t, root + 8 * spacing)
        return root, np.asarray(dense(root))
