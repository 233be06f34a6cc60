"""ROCK4: explicit, of order 4, for stiff problems whose Jacobian has a real negative spectrum.

s evaluations a step give a stability interval of length 0.35 s². Two recurrences of stages stand
before and after four stages that make the order; :mod:`_rock4_coefficients` computes them all.

Source: A. Abdulle, SIAM J. Sci. Comput. 23 (2002) 2041-2054.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import DenseOutput
from scipy.linalg.blas import daxpy, dscal

from dlngeo._checks import Array
from dlngeo.solvers._rock4_coefficients import (
    OFFERED,
    Body,
    Coefficients,
    coefficients,
    reach,
    stages_for,
)
from dlngeo.solvers._stabilised import EPS, StabilisedSolver
from dlngeo.solvers._step_control import RHS, MidpointOutput

_ROUNDING = 0.03  # part of the tolerance that rounding may take


def rock4_step(
    fun: RHS, t: float, y: Array, f: Array, h: float, k: Coefficients, slopes: Array
) -> tuple[Array, Array, Array]:
    """One step from (t, y) of size h.

    Parameters
    ----------
    fun : callable
        ``fun(t, y)``, of the shape of y; it may write into one array each time.
    y, f : (n,) array
        The state and ``fun(t, y)``.
    k : Coefficients
    slopes : (4, n) array
        Room for the right-hand sides of the finish.

    Returns
    -------
    y_new, f_new, error : (n,) arrays
        The new state, its right-hand side, and an estimate of the local error, entry by entry.
    """
    start = _follow(fun, t, y, f, h, k.first)
    for i in range(4):
        argument = start + h * (k.A[i - 1] @ slopes[:i]) if i else start
        slopes[i] = fun(t + k.c[i] * h, argument)
    new = start + h * (k.b @ slopes)
    if k.second:
        new = _follow(fun, t, new, fun(t + k.starts[1] * h, new), h, k.second)
    error = k.error[0] * y + k.error[1] * start + h * (k.error[2:5] @ slopes[:3]) + k.error[5] * new
    return new, np.array(fun(t + h, new)), error


def _follow(fun: RHS, t: float, y: Array, f: Array, h: float, body: Body) -> Array:
    """The end of a recurrence that begins at y, where the slope is f."""
    before, now = y.copy(), daxpy(f, y.copy(), a=h * body[0][0])
    for mu, nu, kappa, c in body[1:]:
        slope = fun(t + c * h, now)
        before = daxpy(slope, daxpy(now, dscal(kappa, before), a=nu), a=mu * h)
        before, now = now, before
    return now


class ROCK4(StabilisedSolver):
    """Orthogonal Runge-Kutta-Chebyshev of order 4 with automatic step size and stage count.

    Parameters
    ----------
    fun, t0, y0, t_bound, vectorized
        As for every ``scipy.integrate.OdeSolver``.
    max_step : float
        Bound on the step size.
    rtol, atol : float or array
        The local error is kept below ``atol + rtol * abs(y)`` in the root mean square.
    first_step : float or None
        None: chosen from the right-hand side.
    spectral_radius : callable or None
        ``spectral_radius(t, y)``, a bound for the Jacobian's spectral radius; None: a power method
        estimates it every 25 steps and after a rejected step.
    **extraneous
        Of no effect: a warning says so, as SciPy's solvers do.

    Attributes
    ----------
    rejected : int
        Steps whose error was too large, or whose stages were not finite.

    Notes
    -----
    For the problems of :class:`RKC`, at any tolerance. Dense output is the polynomial of degree 5
    that meets states and slopes at the ends of a step and in its middle, which a step of half the
    size finds; for any number of times it costs as much once.

    Examples
    --------
    >>> from scipy.integrate import solve_ivp
    >>> import dlngeo as dln
    >>> run = solve_ivp(lambda t, y: -1000 * y, (0, 10), [1.0], method=dln.solvers.ROCK4, rtol=1e-8)
    >>> run.success, run.nfev < 2000  # RK45 needs 21,000 evaluations
    (True, True)
    """

    order = 4

    def _most(self) -> float:
        # Rounding, multiplied by up to 0.02 z^2.8 in the state and 3e-5 z^3.8 in its error, stays
        # below a tenth and a half of the tolerance, z = h·ρ.
        most = (float(np.min(self.rtol)) / EPS) ** 0.35
        return max(reach(OFFERED[0]), min(1.6 * most, 1.2e4))

    def _growth(self, h: float, error: float) -> float:
        # The estimate has zeros along the interval: a small one is not to be trusted far.
        return min(2.0, max(0.1, 0.6 / error ** (1 / 4))) if error > 0 else 2.0

    def _attempt(self, h: float) -> tuple[float, tuple[Array, Array]]:
        k = coefficients(stages_for(abs(h) * self._radius))
        slopes = np.empty((4, self.n))
        y, f, error = rock4_step(self._passing, self.t, self.y, self.f, h, k, slopes)
        return self._error(error, y), (y, f)

    def state(self, t: float) -> Array:
        """The state at a time within the last step, by a step of the method from its beginning.

        As exact as the steps themselves, for about as many right-hand sides; dense output is less
        exact, and serves any number of times.
        """
        return self._part(self._into_step(t))[0]

    def _part(self, h: float) -> tuple[Array, Array]:
        """State and slope after a part of the last step."""
        k, slopes = coefficients(stages_for(abs(h) * self._radius)), np.empty((4, self.n))
        return rock4_step(self._passing, self.t_old, self.y_old, self.f_old, h, k, slopes)[:2]

    def _dense_output_impl(self) -> DenseOutput:
        ends = self.t_old, self.t, self.y_old, self.y, self.f_old, self.f
        return MidpointOutput(*ends, *self._part(0.5 * (self.t - self.t_old)))
