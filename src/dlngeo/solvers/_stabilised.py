"""What the stabilised explicit solvers share: the spectral radius, and how steps follow it.

A stabilised method buys a stability interval that grows with the square of its stages. It must know
how far the spectrum reaches: from a bound that it is given, or from a power method on differences
of the right-hand side, which goes on from the direction found last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import DenseOutput

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import frobenius
from dlngeo.solvers._step_control import RHS, AdaptiveSolver, HermiteOutput, scaled_error

EPS = float(np.finfo(float).eps)
REFRESH = 25  # steps between estimates of the spectral radius


def spectral_radius(
    fun: RHS, t: Any, y: Array, f: Array, v: Array, iterations: int = 50
) -> tuple[Array, Array]:
    """Estimate the spectral radius of ∂fun/∂y at each state of a batch, by a power method.

    Parameters
    ----------
    fun, t, y, f
        As for :func:`dlngeo.solvers._rkc.rkc_step`; states along the last axis, ``(..., n)``.
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
    step = np.sqrt(EPS) * np.where(size > 0, size, 1.0)
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


class StabilisedSolver(AdaptiveSolver):
    """A solver whose stages follow h times the spectral radius, and whose error goes as h^order.

    A method adds its longest h·ρ (``_most``), the step (``_attempt``) and the next (``_growth``).
    """

    order: int  # of h in the estimate of a local error

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
        self._age = REFRESH  # steps since the radius was estimated
        super().__init__(
            fun, t0, y0, t_bound, max_step, rtol, atol, vectorized, first_step, **extraneous
        )
        self.y_old: Array = self.y
        self.f_old: Array = self.f
        # Rounding inside a step grows with the square of the stages.
        self._most_stages = max(2, int(math.sqrt(float(np.min(self.rtol)) / (10 * EPS))))

    def _most(self) -> float:
        """The largest h·ρ that a step may have."""
        raise NotImplementedError

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

    def _into_step(self, t: float) -> float:
        """How far a time within the last step is from its beginning."""
        t = _checks.finite(t, "t")
        if self.t_old is None:
            raise ValueError(f"t must lie within the last step, and none was taken; it is {t}")
        if not min(self.t_old, self.t) <= t <= max(self.t_old, self.t):
            raise ValueError(
                f"t must lie within the last step, from {self.t_old} to {self.t}; it is {t}"
            )
        return t - self.t_old

    def _error(self, error: Array, y: Array) -> float:
        return scaled_error(error, self.y, y, self.rtol, self.atol)

    def _try_step(self) -> tuple[bool, str | None]:
        if self._age >= REFRESH:
            self._refresh_radius()
        return super()._try_step()

    def _longest(self) -> float:
        h = super()._longest()
        return min(h, self._most() / self._radius) if self._radius > 0 else h

    def _growth(self, h: float, error: float) -> float:
        """The factor of the next step, after one of size h."""
        raise NotImplementedError

    def _shorter(self, h: float, error: float) -> float:
        if self._age > 0:
            self._refresh_radius()
        return h * (max(0.1, 0.8 / error ** (1 / self.order)) if math.isfinite(error) else 0.1)

    def _accept(self, h: float, error: float, t: float, attempt: tuple[Array, Array]) -> None:
        self._h = h * self._growth(h, error)
        self._age += 1
        self.y_old, self.f_old = self.y, self.f
        self.t, (self.y, self.f) = t, attempt

    def _dense_output_impl(self) -> DenseOutput:
        return HermiteOutput(self.t_old, self.t, self.y_old, self.y, self.f_old, self.f)
