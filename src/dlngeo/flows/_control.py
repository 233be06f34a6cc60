"""The keywords that every flow takes: with what solver, what to save, when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import BDF, DOP853, LSODA, RK23, RK45, OdeSolver, Radau

from dlngeo import _callbacks, _checks
from dlngeo._callbacks import Callback
from dlngeo._checks import Array
from dlngeo.flows._systems import System
from dlngeo.solvers import RKC, ROCK4, Auto, GaussLegendre, GaussLegendre2, GaussLegendre6

METHODS: dict[str, type[OdeSolver]] = {"auto": Auto} | {
    solver.__name__: solver
    for solver in (
        ROCK4,
        RKC,
        GaussLegendre,
        GaussLegendre2,
        GaussLegendre6,
        RK45,
        RK23,
        DOP853,
        Radau,
        BDF,
        LSODA,
    )
}


@dataclass(frozen=True)
class Control:
    """The keywords, checked; :func:`dlngeo.flows.gradient_flow` explains them."""

    t_span: tuple[float, float]
    solver: type[OdeSolver]
    t_eval: Array | None
    stop_loss: float | None
    gtol: float
    rtol: float
    atol: float | None
    max_steps: float
    callback: Callback | None

    @classmethod
    def of(
        cls,
        t_span: tuple[float, float],
        method: str | type[OdeSolver],
        t_eval: ArrayLike | None,
        stop_loss: float | None,
        gtol: float,
        rtol: float,
        atol: float | None,
        max_steps: int | None,
        callback: Callback | None,
    ) -> Control:
        """What a user asks for."""
        t0, t1 = _checks.time_span(t_span)
        return cls(
            (t0, t1),
            _solver_class(method),
            _times(t_eval, t0, t1),
            energy_bound(stop_loss),
            _checks.non_negative(gtol, "gtol"),
            _checks.positive(rtol, "rtol"),
            None if atol is None else _checks.non_negative(atol, "atol"),
            math.inf if max_steps is None else _checks.integer(max_steps, "max_steps", 1),
            _callbacks.checked(callback),
        )

    def tolerances(self, system: System) -> dict[str, Any]:
        """Those of the solver: without ``atol`` each member of a stack has its own."""
        if self.atol is not None:  # at 0 SciPy's solvers never end
            return {"rtol": self.rtol, "atol": max(self.atol, float(np.finfo(float).tiny))}
        largest = np.abs(system.start).reshape(system.members, -1).max(axis=-1)
        each = 1e-3 * self.rtol * np.where(largest > 0, largest, 1.0)
        return {"rtol": self.rtol, "atol": np.repeat(each, system.start.size // system.members)}


def energy_bound(stop_loss: float | None) -> float | None:
    """What stop_loss= may be."""
    if stop_loss is None:
        return None
    bound = _checks.real(stop_loss, "stop_loss")
    if not math.isfinite(bound):
        raise ValueError(f"stop_loss must be a finite number or None, not {stop_loss!r}")
    return bound


def _solver_class(method: str | type[OdeSolver]) -> type[OdeSolver]:
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
        return METHODS[method]
    if isinstance(method, type) and issubclass(method, OdeSolver):
        return method
    raise TypeError(f"method must be a solver's name or an OdeSolver class, not {method!r}")


def _times(t_eval: ArrayLike | None, t0: float, t1: float) -> Array | None:
    if t_eval is None:
        return None
    times = np.atleast_1d(_checks.real_array(t_eval, "t_eval"))
    if times.ndim != 1 or not times.size or (np.diff(times) <= 0).any():
        raise ValueError("t_eval must be a vector of increasing times")
    if times[0] < t0 or times[-1] > t1:
        raise ValueError(
            f"t_eval must lie within t_span ({t0:g}, {t1:g}); it runs from {times[0]:g} to "
            f"{times[-1]:g}"
        )
    return times
