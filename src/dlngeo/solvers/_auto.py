"""Order 8 while a problem is not stiff, ROCK4 where it is: the choice is made along the way.

Stiff is where stability, not accuracy, bounds the explicit step. Each of its steps tells h times
the Jacobian's size; where that stays near the edge of the stability region, one step of ROCK4 is
tried, and taken up if the time that its error allows costs less. The way back is open: where steps
of ROCK4 are so short that the explicit method is stable, that one goes on.

Source: Hairer and Wanner, "Solving Ordinary Differential Equations II", IV.2, for the test.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import DenseOutput

from dlngeo._checks import Array
from dlngeo.solvers import _dop853
from dlngeo.solvers._rock4 import ROCK4
from dlngeo.solvers._rock4_coefficients import stages_for
from dlngeo.solvers._step_control import AdaptiveSolver, scaled_error, tolerance

_NEAR = 4.0  # h·|J| that is near the edge of the explicit method's stability, 6.4
_EDGE = 6.0  # to which steps are held
_CALM = 2.5  # h·ρ below which the explicit method has as long a step for its price
_GAIN = 0.8  # of the explicit price of a time: below it ROCK4 is taken up
_SIGNS = 6  # steps near the edge, or calm ones, that count
_PATIENCE = 10  # steps from a vain trial to the next, doubled each time
_STAY = 20  # steps of ROCK4 that show a trial not to have been vain


class Auto(ROCK4):
    """Dormand and Prince's order 8 where the problem is not stiff, ROCK4 where it is.

    Parameters
    ----------
    fun, t0, y0, t_bound, max_step, rtol, atol, vectorized, first_step, spectral_radius
        As for :class:`~dlngeo.solvers.ROCK4`.
    **extraneous
        Of no effect: a warning says so, as SciPy's solvers do.

    Attributes
    ----------
    taken : dict
        Steps taken by either method, ``{"DOP853": ..., "ROCK4": ...}``.
    rejected : int
        Steps whose error was too large, or whose stages were not finite.

    Notes
    -----
    For spectra that are real, or not stiff. Dense output is of order 7 and costs three evaluations
    a step, or is ROCK4's.

    Examples
    --------
    >>> from scipy.integrate import solve_ivp
    >>> import dlngeo as dln
    >>> fun = lambda t, y: [-1000 * (y[0] - y[1]), -y[1]]
    >>> solver = dln.solvers.Auto(fun, 0, [0.0, 1.0], 10, rtol=1e-8)
    >>> while solver.status == "running":
    ...     _ = solver.step()
    >>> min(solver.taken.values()) > 0, solver.nfev < 3000
    (True, True)
    """

    _stiff = False
    _signs = _wait = _stay = 0
    _patience = _PATIENCE

    def _prepare(self) -> None:
        self.taken = {"DOP853": 0, "ROCK4": 0}
        self._slopes = np.empty((_dop853.STAGES + 1, self.n))
        self._failed = False

    def _first_step(self) -> float:
        longest = min(self.max_step, abs(self.t_bound - self.t))
        size, speed = self._norm(self.y), self._norm(self.f)
        if not (size > 0 and 0 < speed < math.inf):
            return 1e-3 * longest if math.isfinite(longest) else 1e-3
        h = min(longest, 0.01 * size / speed)
        signed = h * self.direction
        bend = self._norm(self.fun(self.t + signed, self.y + signed * self.f) - self.f)
        if not math.isfinite(bend):
            return 1e-3 * h
        return min(longest, h * min(100.0, (0.01 / (h * max(speed, bend))) ** (1 / 8)))

    def _norm(self, v: Array) -> float:
        return scaled_error(v, self.y, self.y, self.rtol, self.atol)

    def _try_step(self) -> tuple[bool, str | None]:
        if self._stiff:
            return super()._try_step()
        if self._signs >= _SIGNS and self._wait <= 0:
            self._stiff = self._rock4_pays()
            self._signs, self._failed = 0, False
        return AdaptiveSolver._try_step(self)

    def _rock4_pays(self) -> bool:
        """Whether a step of ROCK4, of a length that its error allows, costs less for its time."""
        self._refresh_radius()
        h = min(self._h, self.max_step, abs(self.t_bound - self.t))
        error, _ = super()._attempt(h * self.direction)
        if not error < math.inf or self._radius == 0:
            longer = 0.0
        else:
            longer = h * min(10.0, 0.8 / max(error, 1e-10) ** (1 / self.order))
        if stages_for(longer * self._radius) * h < _GAIN * _dop853.STAGES * longer:
            self._h, self._stay = longer, 0
            return True
        self._put_off()
        return False

    def _put_off(self) -> None:
        """Let the next trial wait, twice as long as the last one."""
        self._wait = self._patience
        self._patience *= 2

    def _longest(self) -> float:
        return super()._longest() if self._stiff else AdaptiveSolver._longest(self)

    def _attempt(self, h: float) -> tuple[float, tuple[Array, Array]]:
        if self._stiff:
            return super()._attempt(h)
        slopes = self._slopes
        y = _dop853.dop853_step(self._passing, self.t, self.y, self.f, h, slopes)
        scale = tolerance(self.y, y, self.rtol, self.atol)
        return _dop853.error(slopes, h, scale), (y, slopes[-1].copy())

    def _shorter(self, h: float, error: float) -> float:
        if self._stiff:
            return super()._shorter(h, error)
        self._failed = True
        return h * (max(0.2, 0.9 / error ** (1 / 8)) if math.isfinite(error) else 0.1)

    def _accept(self, h: float, error: float, t: float, attempt: tuple[Array, Array]) -> None:
        self._by_rock4 = self._stiff
        self.taken["ROCK4" if self._stiff else "DOP853"] += 1
        super()._accept(h, error, t, attempt)
        if self._stiff:
            calm = h * self._radius < _CALM
            self._signs = self._signs + 1 if calm else 0
            self._stay += 1
            if self._signs >= _SIGNS:
                self._stiff, self._signs = False, 0
                self._patience = _PATIENCE if self._stay >= _STAY else self._patience
                self._put_off()
        else:
            size = _dop853.stiffness(self._slopes)
            near = size > _NEAR
            if near:
                self._h = min(self._h, _EDGE * h / size)
            self._signs = min(_SIGNS, self._signs + 1) if near else max(0, self._signs - 1)
            self._wait -= 1

    def _growth(self, h: float, error: float) -> float:
        if self._stiff:
            return super()._growth(h, error)
        most, self._failed = 1.0 if self._failed else 10.0, False
        return max(0.2, min(most, 0.9 / error ** (1 / 8))) if error > 0 else most

    def state(self, t: float) -> Array:
        """The state at a time within the last step, by a step of its method."""
        if self._by_rock4:
            return super().state(t)
        slopes = np.empty_like(self._slopes)
        return _dop853.dop853_step(
            self._passing, self.t_old, self.y_old, self.f_old, t - self.t_old, slopes
        )

    def _dense_output_impl(self) -> DenseOutput:
        if self._by_rock4:
            return super()._dense_output_impl()
        return _dop853.Dop853Output(self.fun, self.t_old, self.t, self.y_old, self.y, self._slopes)
