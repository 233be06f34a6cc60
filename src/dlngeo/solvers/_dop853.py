"""The step of Dormand and Prince of order 8, its error, and the polynomial between its ends.

The coefficients are SciPy's, read off its :class:`scipy.integrate.DOP853`; the step is here because
:class:`dlngeo.solvers.Auto` needs its stages to tell stiffness, and because one row of slopes
times the tableau is all the work there is.

Source: Hairer, Norsett and Wanner, "Solving Ordinary Differential Equations I", II.5, II.10, IV.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import integrate
from scipy.integrate import DenseOutput

from dlngeo._checks import Array
from dlngeo.solvers._step_control import RHS

_METHOD: Any = integrate.DOP853
STAGES = int(_METHOD.n_stages)
_ROWS = [_METHOD.A[i, :i] for i in range(STAGES)]
_TIMES = _METHOD.C.tolist()
_ENDS = _METHOD.B - _METHOD.A[-1]  # the new state less the argument of the last stage
_EXTRA = list(zip(_METHOD.A_EXTRA, _METHOD.C_EXTRA.tolist(), strict=True))


def dop853_step(fun: RHS, t: float, y: Array, f: Array, h: float, slopes: Array) -> Array:
    """The state after a step of size h from (t, y), where f is ``fun(t, y)``, an array of its own.

    The right-hand sides go to ``slopes`` (13, n), the one at the new state last.
    """
    slopes[0] = f
    for i in range(1, STAGES):
        slopes[i] = fun(t + _TIMES[i] * h, y + h * (_ROWS[i] @ slopes[:i]))
    new: Array = y + h * (_METHOD.B @ slopes[:STAGES])
    slopes[STAGES] = fun(t + h, new)
    return new


def error(slopes: Array, h: float, scale: Array) -> float:
    """The scaled error: of order 5, less where that of order 3 shows it to be too large."""
    fifth, third = (  # times h first: slopes may be too large to be squared
        float(np.linalg.norm(h * (E @ slopes) / scale)) for E in (_METHOD.E5, _METHOD.E3)
    )
    size = float(np.hypot(fifth, 0.1 * third))
    return fifth * (fifth / size) / max(1, scale.size) ** 0.5 if size > 0 else size


def stiffness(slopes: Array) -> float:
    """H times the Jacobian's size along the difference of the last two stages, at one time both."""
    apart = float(np.abs(_ENDS @ slopes[:STAGES]).max(initial=0.0))
    change = float(np.abs(slopes[STAGES] - slopes[STAGES - 1]).max(initial=0.0))
    return change / apart if apart > 0 else 0.0


class Dop853Output(DenseOutput):
    """The polynomial of degree 7 through a step; it costs three right-hand sides."""

    def __init__(
        self, fun: RHS, t_old: float, t: float, y_old: Array, y: Array, slopes: Array
    ) -> None:
        super().__init__(t_old, t)
        h = t - t_old
        rows = np.empty((STAGES + 4, y.size))
        rows[: STAGES + 1] = slopes
        for i, (row, c) in enumerate(_EXTRA, STAGES + 1):
            rows[i] = fun(t_old + c * h, y_old + h * (row[:i] @ rows[:i]))
        change = y - y_old
        first = h * slopes[0] - change
        second = change - h * slopes[STAGES] - first
        self._start = y_old
        self._terms = (change, first, second, *(h * (_METHOD.D @ rows)))

    def _call_impl(self, t: Array) -> Array:
        x = (np.asarray(t) - self.t_old) / (self.t - self.t_old)
        factors, result = (x, 1 - x), np.zeros((self._start.size, *x.shape))
        shape = (-1, *[1] * x.ndim)
        for i, term in enumerate(reversed(self._terms)):  # nested, in turn from either end
            result = (result + term.reshape(shape)) * factors[i % 2]
        return np.asarray(result + self._start.reshape(shape))
