"""Gauss-Legendre methods: implicit, symmetric, and exact in every quadratic invariant.

The imbalances G_p of a network are quadratic in the weights, and a Runge-Kutta method with
b_i a_ij + b_j a_ji = b_i b_j conserves what is quadratic and conserved (Cooper, 1987): G_p then
drifts by rounding alone, provided that the stage equations are solved to rounding.

Source: E. Hairer, C. Lubich and G. Wanner, "Geometric Numerical Integration", II.1.3 and IV.2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.integrate import DenseOutput

from dlngeo._checks import Array
from dlngeo._linalg import frobenius
from dlngeo.solvers._gauss_stages import carried_step
from dlngeo.solvers._step_control import RHS, AdaptiveSolver, scaled_error


class Knot(NamedTuple):
    """A state on the way, the right-hand side there, and what rounding left of the state."""

    t: float
    y: Array
    f: Array
    rest: Array

    def step(self, fun: RHS, h: float, order: int) -> tuple[Array, Array, bool]:
        """One step from here: the state, its rest, and whether its stages were solved."""
        return carried_step(fun, self.t, self.y, self.rest, self.f, h, order)

    def follow(self, fun: RHS, h: float, order: int) -> Knot | None:
        """The next knot, if there is one."""
        y, rest, solved = self.step(fun, h, order)
        if not solved or not np.isfinite(y).all():
            return None
        f = fun(self.t + h, y)
        return Knot(self.t + h, y, f, rest) if np.isfinite(f).all() else None


class GaussLegendre(AdaptiveSolver):
    """Gauss-Legendre of order 4 (two stages) with automatic step size.

    :class:`GaussLegendre2`, the implicit midpoint rule, and :class:`GaussLegendre6` are those of
    one and three stages. Each step is taken as two halves, and once as a whole for an estimate of
    the error; the halves count, so that quadratic invariants are kept to rounding, between steps
    too.

    Parameters
    ----------
    fun, t0, y0, t_bound, vectorized
        As for every ``scipy.integrate.OdeSolver``.
    max_step : float
        Bound on the step size.
    rtol, atol : float or array
        The distance between the halves and the whole step, 2^order - 1 times the local error, is
        kept below ``atol + rtol * abs(y)`` in the root mean square.
    first_step : float or None
        None: 1e-3 of the time in which the state would change by its own size.
    **extraneous
        Of no effect: a warning says so, as SciPy's solvers do.

    Attributes
    ----------
    rejected : int
        Steps whose error was too large, or whose stages were not solved.

    Notes
    -----
    Stages are solved to rounding, by fixed-point iteration, where that fails by Newton's method
    with GMRES, and where that fails too the step is halved. It is for conservation, not for speed.
    Dense output takes a step of its own, from the knot before, to each time it is asked for: it
    costs as much, is of the same order, and keeps what steps keep.

    Examples
    --------
    Of a rotation it keeps the radius:

    >>> from scipy.integrate import solve_ivp
    >>> import dlngeo as dln
    >>> field = lambda t, y: [y[1], -y[0]]
    >>> run = solve_ivp(field, (0, 10), [1.0, 0.0], method=dln.solvers.GaussLegendre, rtol=1e-3)
    >>> bool(abs((run.y[:, -1] ** 2).sum() - 1) < 1e-12)
    True
    """

    order = 4
    _knots: tuple[Knot, ...] = ()

    def _prepare(self) -> None:
        self._rest = np.zeros_like(self.y)

    def _first_step(self) -> float:
        size, speed = (float(frobenius(v[None])) if v.size else 0.0 for v in (self.y, self.f))
        return 1e-3 * size / speed if size > 0 and 0 < speed < math.inf else 1e-3

    def _attempt(self, h: float) -> tuple[float, tuple[Knot, Knot]]:
        """The scaled error of two half steps, infinite where a stage was not solved."""
        begin = Knot(self.t, self.y, self.f, self._rest)
        failed = math.inf, (begin, begin)
        whole, _, solved = begin.step(self.fun, h, self.order)
        if not solved:
            return failed
        middle = begin.follow(self.fun, 0.5 * h, self.order)
        end = middle and middle.follow(self.fun, 0.5 * h, self.order)
        if not middle or not end:
            return failed
        error = scaled_error(end.y - whole, self.y, end.y, self.rtol, self.atol)
        return error, (middle, end)

    def _shorter(self, h: float, error: float) -> float:
        return h * (max(0.2, self._factor(error)) if math.isfinite(error) else 0.5)

    def _factor(self, error: float) -> float:
        return float(0.9 / error ** (1 / (self.order + 1)))

    def _accept(self, h: float, error: float, t: float, attempt: tuple[Knot, Knot]) -> None:
        middle, end = attempt
        self._h = h * min(4.0, self._factor(error) if error > 0 else 4.0)
        self._knots = (Knot(self.t, self.y, self.f, self._rest), middle)
        self.t, self.y, self.f, self._rest = t, end.y, end.f, end.rest

    def _dense_output_impl(self) -> DenseOutput:
        return StepsOutput(self.fun, self._knots, self.t, self.y, self.order)


class GaussLegendre2(GaussLegendre):
    """The implicit midpoint rule, of order 2: Gauss-Legendre with one stage."""

    order = 2


class GaussLegendre6(GaussLegendre):
    """Of order 6: Gauss-Legendre with three stages."""

    order = 6


class StepsOutput(DenseOutput):
    """Gauss-Legendre steps from the beginning or the middle of a step to any time within it."""

    def __init__(self, fun: RHS, knots: tuple[Knot, ...], t: float, y: Array, order: int) -> None:
        super().__init__(knots[0].t, t)
        self._fun, self._knots, self._last, self._order = fun, knots, y, order

    def _call_impl(self, t: Array) -> Array:
        times = np.asarray(t)
        states = [self._at(float(s)) for s in times.reshape(-1)]
        return np.stack(states, axis=-1) if times.ndim else states[0]

    def _at(self, s: float) -> Array:
        if s == self.t:
            return self._last
        first, middle = self._knots
        late = abs(s - first.t) >= abs(middle.t - first.t)
        knot = middle if late else first
        with np.errstate(over="ignore", invalid="ignore"):
            state, _, solved = knot.step(self._fun, s - knot.t, self._order)
        if not solved:
            raise ArithmeticError(f"the stages from t = {knot.t:g} to {s:g} were not solved")
        return state
