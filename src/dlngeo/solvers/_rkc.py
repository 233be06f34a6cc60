"""Runge-Kutta-Chebyshev: explicit, for stiff problems whose Jacobian has a real negative spectrum.

RKC spends s evaluations a step on a stability interval of length 0.65 s². The step itself,
:func:`rkc_step`, is a function of states of any shape; :class:`RKC` chooses its size and stages.

Source: B. P. Sommeijer, L. F. Shampine and J. G. Verwer, "RKC: an explicit solver for parabolic
PDEs", J. Comput. Appl. Math. 88 (1998) 315-326; second order, damping 2/13.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo.solvers._stabilised import StabilisedSolver
from dlngeo.solvers._step_control import RHS

SAFETY = 5.0  # by which the estimate of a local error is held below its tolerance


class Coefficients(NamedTuple):
    """Coefficients of the s-stage method: one entry a stage from the second on."""

    first: float
    mu: Array
    nu: Array
    mu_tilde: Array
    gamma_tilde: Array
    c: Array  # times of the stages 1 to s


@lru_cache(maxsize=512)
def coefficients(stages: int) -> Coefficients:
    """The RKC coefficients for ``stages`` >= 2, Sommeijer, Shampine and Verwer, (2.3)-(2.8)."""
    s = stages
    w0 = 1 + (2 / 13) / s**2
    T, dT, ddT = np.empty((3, s + 1))
    T[:2], dT[:2], ddT[:2] = (1, w0), (0, 1), (0, 0)
    for j in range(2, s + 1):
        T[j] = 2 * w0 * T[j - 1] - T[j - 2]
        dT[j] = 2 * T[j - 1] + 2 * w0 * dT[j - 1] - dT[j - 2]
        ddT[j] = 4 * dT[j - 1] + 2 * w0 * ddT[j - 1] - ddT[j - 2]
    w1 = dT[s] / ddT[s]
    b = np.empty(s + 1)
    b[2:] = ddT[2:] / dT[2:] ** 2
    b[:2] = b[2]
    a = 1 - b * T
    c = np.empty(s + 1)
    c[2:] = w1 * ddT[2:] / dT[2:]
    c[1] = c[2] / dT[2]
    mu_tilde = 2 * b[2:] * w1 / b[1:-1]
    return Coefficients(
        first=float(b[1] * w1),
        mu=2 * b[2:] * w0 / b[1:-1],
        nu=-b[2:] / b[:-2],
        mu_tilde=mu_tilde,
        gamma_tilde=-a[1:-1] * mu_tilde,
        c=c[1:],
    )


def rkc_step(
    fun: RHS, t: Any, y: Array, f: Array, h: Any, stages: int
) -> tuple[Array, Array, Array]:
    """One RKC step from (t, y) of size h, for a state or a batch of states of any shape.

    Parameters
    ----------
    fun : callable
        ``fun(t, y)``, of the shape of y.
    t, h : float or array
        Time and step size; arrays broadcast against y, one step size a state.
    y, f : array
        The state and ``fun(t, y)``.
    stages : int >= 2
        :func:`stages_for` says how many are stable.

    Returns
    -------
    y_new, f_new, error : arrays of the shape of y
        The new state, its right-hand side, and an estimate of the local error, entry by entry.
    """
    k = coefficients(stages)
    before, current = y, y + k.first * h * f
    for j in range(stages - 1):
        slope = fun(t + k.c[j] * h, current)
        after = (
            (1 - k.mu[j] - k.nu[j]) * y
            + k.mu[j] * current
            + k.nu[j] * before
            + (k.mu_tilde[j] * h) * slope
            + (k.gamma_tilde[j] * h) * f
        )
        before, current = current, after
    f_new = fun(t + h, current)
    error = 0.8 * (y - current) + 0.4 * h * (f + f_new)
    return current, f_new, error


def stages_for(h: float, spectral_radius: float) -> int:
    """The least number of stages that is stable for step h: 1 + ⌊√(1 + 1.54 h ρ)⌋."""
    return 1 + math.isqrt(int(1 + 1.54 * h * spectral_radius))


class RKC(StabilisedSolver):
    """Runge-Kutta-Chebyshev of order 2 with automatic step size and stage count.

    Parameters
    ----------
    fun, t0, y0, t_bound, vectorized
        As for every ``scipy.integrate.OdeSolver``.
    max_step : float
        Bound on the step size.
    rtol, atol : float or array
        The local error is kept below a fifth of ``atol + rtol * abs(y)`` in the root mean square:
        at order 2 many steps add up.
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
    For Jacobians whose eigenvalues are real and negative, or lie close to that axis, with growing
    directions where the flow leaves a saddle. Dense output is the cubic Hermite interpolant.

    Examples
    --------
    >>> from scipy.integrate import solve_ivp
    >>> import dlngeo as dln
    >>> run = solve_ivp(lambda t, y: -1000 * y, (0, 10), [1.0], method=dln.solvers.RKC, rtol=1e-4)
    >>> run.success, run.nfev < 2000  # RK45 needs 21,000 evaluations
    (True, True)
    """

    order = 3
    _error_old = _h_old = 0.0

    def _most(self) -> float:
        return (self._most_stages**2 - 1) / 1.54

    def _error(self, error: Array, y: Array) -> float:
        return SAFETY * super()._error(error, y)

    def _attempt(self, h: float) -> tuple[float, tuple[Array, Array]]:
        stages = min(max(2, stages_for(abs(h), self._radius)), self._most_stages + 1)
        y, f, error = rkc_step(self.fun, self.t, self.y, self.f, h, stages)
        return self._error(error, y), (y, f)

    def _accept(self, h: float, error: float, t: float, attempt: tuple[Array, Array]) -> None:
        super()._accept(h, error, t, attempt)
        self._error_old, self._h_old = error, h

    def _growth(self, h: float, error: float) -> float:
        """The factor of the next step: proportional control first, predictive afterwards."""
        if error == 0:
            return 10.0
        factor = 0.8 / error ** (1 / self.order)
        if self._error_old > 0:
            factor *= (h / self._h_old) * (self._error_old / error) ** (1 / self.order)
        return min(10.0, max(0.1, factor))
