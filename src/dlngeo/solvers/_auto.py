"""Order 8 while a problem is not stiff, ROCK4 or RKC where it is: the choice is made along the way.

Stiff is where stability, not accuracy, bounds the explicit step. Each of its steps tells h times
the Jacobian's size; where that stays near the edge of the stability region, one step of ROCK4 is
tried, and taken up if the time that its error allows costs less. The way back is open: where steps
of ROCK4 are so short that the explicit method is stable, that one goes on.

ROCK4's last four stages multiply what they meet by powers of h·ρ, which for linear problems cancel.
Where a stiff problem's slow motion is curved they do not, and long steps blow up. RKC's stages are
stable one by one: at loose tolerances, where its order 2 does, it is tried where ROCK4 fails.

Source: Hairer and Wanner, "Solving Ordinary Differential Equations II", IV.2, for the test.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import DenseOutput

from dlngeo._checks import Array
from dlngeo.solvers import _dop853, _rkc
from dlngeo.solvers._rock4 import ROCK4
from dlngeo.solvers._rock4_coefficients import stages_for
from dlngeo.solvers._stabilised import StabilisedSolver
from dlngeo.solvers._step_control import AdaptiveSolver, scaled_error, tolerance

_NEAR = 4.0  # h·|J| that is near the edge of the explicit method's stability, 6.4
_EDGE = 6.0  # to which steps are held
_CALM = 2.5  # h·ρ below which the explicit method has as long a step for its price
_GAIN = 0.8  # of the explicit price of a time: below it ROCK4 is taken up
_SIGNS = 6  # steps near the edge, or calm ones, that count
_PATIENCE = 10  # steps from a vain trial to the next, doubled each time
_STAY = 20  # steps of ROCK4 that show a trial not to have been vain
_LOOSE = 1e-7  # the relative tolerance from which RKC is tried
_TURN = 100  # steps of RKC after which ROCK4 is tried again


class Auto(ROCK4):
    """Dormand and Prince's order 8 where the problem is not stiff, ROCK4 or RKC where it is.

    Parameters
    ----------
    fun, t0, y0, t_bound, max_step, rtol, atol, vectorized, first_step, spectral_radius
        As for :class:`~dlngeo.solvers.ROCK4`.
    **extraneous
        Of no effect: a warning says so, as SciPy's solvers do.

    Attributes
    ----------
    taken : dict
        Steps taken by each method, ``{"DOP853": ..., "ROCK4": ..., "RKC": ...}``.
    rejected : int
        Steps whose error was too large, or whose stages were not finite.

    Notes
    -----
    For spectra that are real, or not stiff. RKC is taken up at rtol 1e-7 or more, where steps of
    ROCK4 fail that RKC can take: where a slow motion is curved, say. Dense output is of order 7 and
    costs three evaluations a step, or is that of ROCK4 or RKC.

    Examples
    --------
    >>> from scipy.integrate import solve_ivp
    >>> import dlngeo as dln
    >>> fun = lambda t, y: [-1000 * (y[0] - y[1]), -y[1]]
    >>> solver = dln.solvers.Auto(fun, 0, [0.0, 1.0], 10, rtol=1e-8)
    >>> while solver.status == "running":
    ...     _ = solver.step()
    >>> min(solver.taken["DOP853"], solver.taken["ROCK4"]) > 0, solver.nfev < 3000
    (True, True)
    """

    _mode = _last = "DOP853"  # now, and at the last step
    _signs = _wait = _stay = 0
    _patience = _PATIENCE
    _rejections, _trial = 0, 1  # of ROCK4; the one at which RKC is tried

    def _prepare(self) -> None:
        self.taken = {"DOP853": 0, "ROCK4": 0, "RKC": 0}
        self._slopes = np.empty((_dop853.STAGES + 1, self.n))
        self._failed = False
        self._loose = float(np.min(self.rtol)) >= _LOOSE

    @property
    def _stiff(self) -> bool:
        return self._mode != "DOP853"

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
        if self._mode == "RKC" and self._stay % _TURN == _TURN - 1 and self._rock4_is_cheaper():
            self._mode = "ROCK4"
        if self._stiff:
            return super()._try_step()
        if self._signs >= _SIGNS and self._wait <= 0:
            self._mode = "ROCK4" if self._rock4_pays() else "DOP853"
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

    def _rock4_is_cheaper(self) -> bool:
        """Whether ROCK4 costs less than RKC for the time that its error allows."""
        self._stay += 1
        h = min(self._longest(), abs(self.t_bound - self.t))
        error, _ = super()._attempt(h * self.direction)
        longer = h * min(2.0, 0.6 / max(error, 1e-10) ** (1 / 4)) if error < math.inf else 0.0
        return stages_for(longer * self._radius) * h < _GAIN * longer * self._rkc_stages(h)

    def _rkc_pays(self, h: float, shorter: float) -> float:
        """The step that RKC can take where ROCK4 cannot take h; 0 if a shorter one costs less."""
        error, _ = self._by_rkc(h * self.direction)
        longer = h * min(4.0, 0.8 / max(error, 1e-10) ** (1 / 3)) if error < math.inf else 0.0
        dear = stages_for(shorter * self._radius) / shorter
        pays = self._rkc_stages(longer) < _GAIN * dear * longer
        return longer if pays else 0.0

    def _rkc_stages(self, h: float) -> int:
        return min(max(2, _rkc.stages_for(h, self._radius)), self._most_stages + 1)

    def _by_rkc(self, h: float) -> tuple[float, tuple[Array, Array]]:
        stages = self._rkc_stages(abs(h))
        y, f, error = _rkc.rkc_step(self.fun, self.t, self.y, self.f, h, stages)
        return _rkc.SAFETY * self._error(error, y), (y, f)

    def _most(self) -> float:
        return (self._most_stages**2 - 1) / 1.54 if self._mode == "RKC" else super()._most()

    def _put_off(self) -> None:
        """Let the next trial wait, twice as long as the last one."""
        self._wait = self._patience
        self._patience *= 2

    def _longest(self) -> float:
        return super()._longest() if self._stiff else AdaptiveSolver._longest(self)

    def _attempt(self, h: float) -> tuple[float, tuple[Array, Array]]:
        if self._mode == "RKC":
            return self._by_rkc(h)
        if self._stiff:
            return super()._attempt(h)
        slopes = self._slopes
        y = _dop853.dop853_step(self._passing, self.t, self.y, self.f, h, slopes)
        scale = tolerance(self.y, y, self.rtol, self.atol)
        return _dop853.error(slopes, h, scale), (y, slopes[-1].copy())

    def _shorter(self, h: float, error: float) -> float:
        if self._stiff:
            shorter = super()._shorter(h, error)
            self._rejections += self._mode == "ROCK4"
            if self._mode == "ROCK4" and self._loose and self._rejections >= self._trial:
                longer = self._rkc_pays(h, shorter)
                if longer > 0:
                    self._mode, self._stay = "RKC", 0
                    return longer
                self._rejections, self._trial = 0, 2 * self._trial
            return shorter
        self._failed = True
        return h * (max(0.2, 0.9 / error ** (1 / 8)) if math.isfinite(error) else 0.1)

    def _accept(self, h: float, error: float, t: float, attempt: tuple[Array, Array]) -> None:
        self._last = self._mode
        self.taken[self._mode] += 1
        super()._accept(h, error, t, attempt)
        if self._stiff:
            calm = h * self._radius < _CALM
            self._signs = self._signs + 1 if calm else 0
            self._stay += 1
            if self._signs >= _SIGNS:
                self._mode, self._signs = "DOP853", 0
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
        if self._mode == "RKC":
            return min(5.0, max(0.1, 0.8 / error ** (1 / 3))) if error > 0 else 5.0
        if self._stiff:
            return super()._growth(h, error)
        most, self._failed = 1.0 if self._failed else 10.0, False
        return max(0.2, min(most, 0.9 / error ** (1 / 8))) if error > 0 else most

    def state(self, t: float) -> Array:
        """The state at a time within the last step, by a step of its method."""
        h = self._into_step(t)
        if self._last == "ROCK4":
            return super().state(t)
        if self._last == "RKC":
            stages = self._rkc_stages(abs(h))
            return _rkc.rkc_step(self.fun, self.t_old, self.y_old, self.f_old, h, stages)[0]
        slopes = np.empty_like(self._slopes)
        return _dop853.dop853_step(self._passing, self.t_old, self.y_old, self.f_old, h, slopes)

    def _dense_output_impl(self) -> DenseOutput:
        if self._last == "ROCK4":
            return super()._dense_output_impl()
        if self._last == "RKC":
            return StabilisedSolver._dense_output_impl(self)
        return _dop853.Dop853Output(self.fun, self.t_old, self.t, self.y_old, self.y, self._slopes)
