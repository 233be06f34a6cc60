"""Solvers whose step follows an estimate of its error: what those of this room share.

What they are told is asked and warned of as SciPy's own solvers do. A solver of this kind proposes
a step, takes it and says how far it is off, in units of the tolerance; here is the loop that
accepts the step or tries a shorter one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import DenseOutput, OdeSolver

from dlngeo import _checks
from dlngeo._checks import Array

RHS = Callable[[Any, Array], Array]

LEAST_RTOL = 100 * float(np.finfo(float).eps)
TOO_SMALL = "the step size fell below the spacing between numbers"


class AdaptiveSolver(OdeSolver):
    """An ``OdeSolver`` that takes steps of its own choice, with SciPy's common options.

    A solver gives the first step, the longest one it can take now, the step itself and its error,
    and what becomes of the step size where the step is rejected or accepted.
    """

    def __init__(
        self,
        fun: RHS,
        t0: float,
        y0: Array,
        t_bound: float,
        max_step: float = np.inf,
        rtol: float = 1e-3,
        atol: float = 1e-6,
        vectorized: bool = False,
        first_step: float | None = None,
        **extraneous: Any,
    ) -> None:
        problem(fun, t0, y0, t_bound, vectorized)
        super().__init__(fun, t0, y0, t_bound, vectorized)
        self.t: float
        self.y: Array
        self.rtol, self.atol = tolerances(self, max_step, rtol, atol, first_step, extraneous)
        self.max_step, self.rejected = max_step, 0
        # a right-hand side may write into one array each time: its answer lasts until the next
        self._passing: RHS = self.fun
        self.fun: RHS = lambda t, y: np.array(self._passing(t, y))
        with np.errstate(over="ignore", invalid="ignore"):
            self.f: Array = self.fun(self.t, self.y)
            self._prepare()
            idle = self.n == 0 or self.t == self.t_bound
            self._h = first_step or (0.0 if idle else self._first_step())

    def _prepare(self) -> None:
        """Make what the steps need beyond the state."""

    def _first_step(self) -> float:
        raise NotImplementedError

    def _longest(self) -> float:
        """The step to try, before the end of the span is looked at."""
        return min(self._h, self.max_step)

    def _attempt(self, h: float) -> tuple[float, Any]:
        """The scaled error of a step of signed size h, and what the solver keeps of it."""
        raise NotImplementedError

    def _shorter(self, h: float, error: float) -> float:
        """The step to try after one of size h was rejected."""
        raise NotImplementedError

    def _accept(self, h: float, error: float, t: float, attempt: Any) -> None:
        """Take the step of size h to time t, and choose the next."""
        raise NotImplementedError

    def _step_impl(self) -> tuple[bool, str | None]:
        with np.errstate(over="ignore", invalid="ignore"):  # such a step is rejected
            return self._try_step()

    def _try_step(self) -> tuple[bool, str | None]:
        least = 10 * abs(np.nextafter(self.t, self.direction * np.inf) - self.t)
        while True:
            h, remaining = self._longest(), abs(self.t_bound - self.t)
            h = remaining if 1.1 * h >= remaining else h
            if h < least and h < remaining:
                return False, TOO_SMALL
            error, attempt = self._attempt(h * self.direction)
            if error <= 1:
                break
            self.rejected += 1
            self._h = self._shorter(h, error)
        t = self.t + h * self.direction if h < remaining else self.t_bound
        self._accept(h, error, t, attempt)
        return True, None


def problem(fun: Any, t0: float, y0: ArrayLike, t_bound: float, vectorized: bool) -> None:
    """Refuse what is no initial value problem; SciPy's base class looks at less."""
    _checks.function(fun, "fun")
    _checks.finite(t0, "t0")
    if np.isnan(_checks.real(t_bound, "t_bound")):
        raise ValueError("t_bound must be a number or infinite, not nan")
    if _checks.real_array(y0, "y0").ndim != 1:
        raise ValueError(f"y0 must be a vector; its shape is {np.shape(y0)}")
    _checks.flag(vectorized, "vectorized")


def tolerances(
    solver: AdaptiveSolver,
    max_step: float,
    rtol: ArrayLike,
    atol: ArrayLike,
    first_step: float | None,
    extraneous: Iterable[str],
) -> tuple[Array, Array]:
    """The tolerances a solver uses, once all that it is told has been looked at."""
    unused = ", ".join(f"`{name}`" for name in extraneous)
    if unused:
        _warn(solver, f"The following arguments have no effect for a chosen solver: {unused}.")
    if not _checks.real(max_step, "max_step") > 0:
        raise ValueError(f"max_step must be > 0, not {max_step!r}")
    if first_step is not None:
        span = abs(solver.t_bound - solver.t)
        if not 0 < _checks.real(first_step, "first_step") <= span:
            raise ValueError(
                f"first_step must be > 0 and at most {span:g}, the time span; it is {first_step!r}"
            )
    relative = _relative(rtol)
    if (relative < LEAST_RTOL).any():
        _warn(solver, f"rtol is too small; its floor {LEAST_RTOL:.3g} is taken instead")
    return np.maximum(relative, LEAST_RTOL), _absolute(atol, solver.n)


def _warn(solver: AdaptiveSolver, text: str) -> None:
    """Warn of the line that made the solver."""
    inits = 1 if type(solver).__init__ is AdaptiveSolver.__init__ else 2
    warnings.warn(text, stacklevel=3 + inits)


def _relative(value: ArrayLike) -> Array:
    rtol = _checks.real_array(value, "rtol")
    if not (rtol > 0).all():
        raise ValueError(f"rtol must be > 0, not {_checks.shown(value)}")
    return rtol


def _absolute(value: ArrayLike, size: int) -> Array:
    atol = _checks.real_array(value, "atol")
    if atol.ndim and atol.shape != (size,):
        raise ValueError(f"atol must be a number or have shape ({size},), not {atol.shape}")
    if not (atol >= 0).all():
        raise ValueError(f"atol must be >= 0, not {_checks.shown(value)}")
    return atol


def tolerance(before: Array, after: Array, rtol: Any, atol: Any) -> Array:
    """``atol + rtol * abs(y)``, with the larger of two states for y; never zero."""
    scale = atol + rtol * np.maximum(np.abs(before), np.abs(after))
    return np.maximum(scale, np.finfo(float).tiny)


def scaled_error(error: Array, before: Array, after: Array, rtol: Any, atol: Any) -> float:
    """The root mean square of an error over its tolerance."""
    scaled = error / tolerance(before, after, rtol, atol)
    return float(np.linalg.norm(scaled)) / math.sqrt(max(1, error.size))


class HermiteOutput(DenseOutput):
    """The cubic that meets states and slopes at both ends of a step.

    SciPy's ``CubicHermiteSpline`` is as accurate and takes four times as long to set up.
    """

    def __init__(
        self, t_old: float, t: float, y_old: Any, y: Array, f_old: Array, f: Array
    ) -> None:
        super().__init__(t_old, t)
        h = t - t_old
        change = y - y_old
        self._start = y_old
        self._cubic = np.stack(
            (h * f_old, 3 * change - h * (2 * f_old + f), h * (f_old + f) - 2 * change)
        )

    def _call_impl(self, t: Array) -> Array:
        x = (np.asarray(t) - self.t_old) / (self.t - self.t_old)
        powers = np.stack((x, x**2, x**3))
        result = np.tensordot(self._cubic, powers, axes=(0, 0))
        result += self._start if x.ndim == 0 else self._start[:, None]
        return np.asarray(result)


class MidpointOutput(HermiteOutput):
    """The polynomial of degree 5 that meets states and slopes at both ends and in the middle."""

    def __init__(
        self, t_old: float, t: float, y_old: Any, y: Array, f_old: Array, f: Array, middle: Array,
        slope: Array,
    ) -> None:  # fmt: skip
        super().__init__(t_old, t, y_old, y, f_old, f)
        h = t - t_old
        apart = middle - super()._call_impl(np.asarray(0.5 * (t_old + t)))
        turn = h * slope - (1.5 * (y - y_old) - 0.25 * h * (f_old + f))  # less the cubic's
        self._quintic = 16 * np.stack((apart, turn))

    def _call_impl(self, t: Array) -> Array:
        x = (np.asarray(t) - self.t_old) / (self.t - self.t_old)
        bump = (x * (1 - x)) ** 2
        result = super()._call_impl(t)
        result += np.tensordot(self._quintic, np.stack((bump, bump * (x - 0.5))), axes=(0, 0))
        return result
