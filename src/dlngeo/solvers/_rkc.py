"""Runge-Kutta-Chebyshev: explicit, for stiff problems whose Jacobian has a real negative spectrum.

RKC spends s evaluations a step on a stability interval of length 0.65 s². The step itself,
:func:`rkc_step`, is a function of states of any shape; :class:`RKC` chooses its size and stages.

Source: B. P. Sommeijer, L. F. Shampine and J. G. Verwer, "RKC: an explicit solver for parabolic
PDEs", J. Comput. Appl. Math. 88 (1998) 315-326; second order, damping 2/13.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import DenseOutput

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import frobenius
from dlngeo.solvers._step_control import RHS, AdaptiveSolver, scaled_error

_EPS = float(np.finfo(float).eps)
_REFRESH = 25  # steps between estimates of the spectral radius
_SAFETY = 5.0  # by which the estimate of a local error is held below its tolerance


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


def spectral_radius(
    fun: RHS, t: Any, y: Array, f: Array, v: Array, iterations: int = 50
) -> tuple[Array, Array]:
    """Estimate the spectral radius of ∂fun/∂y at each state of a batch, by a power method.

    Parameters
    ----------
    fun, t, y, f
        As for :func:`rkc_step`; states along the last axis, ``(..., n)``.
    v : (..., n) array
        Where to start: the vector returned last time, or f.

    Returns
    -------
    radius : (...) array
        1.2 times the estimate, which the iteration has settled to one percent.
    v : (..., n) array
        The dominant direction found.
    """
    size = _norm(y)
    step = np.sqrt(_EPS) * np.where(size > 0, size, 1.0)
    length = _norm(v)
    # A fixed direction where there is none yet: ones of alternating sign are rarely invariant.
    fallback = np.resize([1.0, -1.0], y.shape[-1]) / math.sqrt(y.shape[-1])
    v = np.where(length > 0, v / np.where(length > 0, length, 1.0), fallback)
    radius = np.zeros_like(length)
    for i in range(iterations):
        image = (fun(t, y + step * v) - f) / step
        previous, radius = radius, _norm(image)
        v = np.where(radius > 0, image / np.where(radius > 0, radius, 1.0), v)
        if i > 0 and (np.abs(radius - previous) <= 0.01 * radius).all():
            break
    return 1.2 * radius[..., 0], v


def _norm(y: Array) -> Array:
    """Euclidean norms along the last axis, without overflow or underflow; (..., 1)."""
    return frobenius(y[..., None, :])[..., None]


class RKC(AdaptiveSolver):
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
        spectral_radius: Callable[[float, Array], float] | None = None,
        **extraneous: Any,
    ) -> None:
        if spectral_radius is not None:
            _checks.function(spectral_radius, "spectral_radius")
        self._bound = spectral_radius
        self._eigenvector: Array | None = None  # where the power method stands
        self._radius = 0.0
        self._age = _REFRESH  # steps since the radius was estimated
        self._error_old = self._h_old = 0.0
        super().__init__(
            fun, t0, y0, t_bound, max_step, rtol, atol, vectorized, first_step, **extraneous
        )
        self.y_old: Array | None = None
        self.f_old: Array = self.f
        # Rounding inside a step grows with the square of the stages.
        self._most_stages = max(2, int(math.sqrt(float(np.min(self.rtol)) / (10 * _EPS))))

    def _first_step(self) -> float:
        self._refresh_radius()
        span = abs(self.t_bound - self.t)
        h = min(self.max_step, span, 1 / self._radius if self._radius > 0 else np.inf)
        change = self.fun(self.t + h * self.direction, self.y + h * self.direction * self.f)
        error = h * self._error(change - self.f, self.y)
        if not math.isfinite(error):
            return 1e-3 * h
        return min(h, 0.1 * h / math.sqrt(error)) if error > 0 else h

    def _refresh_radius(self) -> None:
        if self._bound is not None:
            self._radius = float(self._bound(self.t, self.y))
        else:
            start = self.f if self._eigenvector is None else self._eigenvector
            radius, self._eigenvector = spectral_radius(self.fun, self.t, self.y, self.f, start)
            self._radius = float(radius)
            if not math.isfinite(self._radius):  # the right-hand side overflowed nearby
                self._radius, self._eigenvector = 0.0, self.f
        self._age = 0

    def _error(self, error: Array, y: Array) -> float:
        return _SAFETY * scaled_error(error, self.y, y, self.rtol, self.atol)

    def _try_step(self) -> tuple[bool, str | None]:
        if self._age >= _REFRESH:
            self._refresh_radius()
        return super()._try_step()

    def _longest(self) -> float:
        h = super()._longest()
        if self._radius > 0:
            h = min(h, (self._most_stages**2 - 1) / (1.54 * self._radius))
        return h

    def _attempt(self, h: float) -> tuple[float, tuple[Array, Array]]:
        stages = min(max(2, stages_for(abs(h), self._radius)), self._most_stages + 1)
        y, f, error = rkc_step(self.fun, self.t, self.y, self.f, h, stages)
        return self._error(error, y), (y, f)

    def _shorter(self, h: float, error: float) -> float:
        if self._age > 0:
            self._refresh_radius()
        return h * (max(0.1, 0.8 / error ** (1 / 3)) if math.isfinite(error) else 0.1)

    def _accept(self, h: float, error: float, t: float, attempt: tuple[Array, Array]) -> None:
        self._h = h * self._growth(h, error)
        self._error_old, self._h_old = error, h
        self._age += 1
        self.y_old, self.f_old = self.y, self.f
        self.t, (self.y, self.f) = t, attempt

    def _growth(self, h: float, error: float) -> float:
        """The factor of the next step: proportional control first, predictive afterwards."""
        if error == 0:
            return 10.0
        factor = 0.8 / error ** (1 / 3)
        if self._error_old > 0:
            factor *= (h / self._h_old) * (self._error_old / error) ** (1 / 3)
        return min(10.0, max(0.1, factor))

    def _dense_output_impl(self) -> DenseOutput:
        return HermiteOutput(self.t_old, self.t, self.y_old, self.y, self.f_old, self.f)


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
