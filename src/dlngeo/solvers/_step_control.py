"""What a solver is told about its steps, asked and warned of as SciPy's own solvers do."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import OdeSolver

from dlngeo import _checks
from dlngeo._checks import Array

LEAST_RTOL = 100 * float(np.finfo(float).eps)


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
    solver: OdeSolver,
    max_step: float,
    rtol: ArrayLike,
    atol: ArrayLike,
    first_step: float | None,
    extraneous: Iterable[str],
) -> tuple[Array, Array]:
    """The tolerances a solver uses, once all that it is told has been looked at.

    Call it from the solver's ``__init__``: warnings name the line that made the solver.
    """
    unused = ", ".join(f"`{name}`" for name in extraneous)
    if unused:
        text = f"The following arguments have no effect for a chosen solver: {unused}."
        warnings.warn(text, stacklevel=3)
    if not _checks.real(max_step, "max_step") > 0:
        raise ValueError(f"max_step must be > 0, not {max_step!r}")
    if first_step is not None:
        span = abs(solver.t_bound - solver.t)
        if not 0 < _checks.real(first_step, "first_step") <= span:
            raise ValueError(
                f"first_step must be > 0 and at most {span:g}, the time span; it is {first_step!r}"
            )
    return _relative(rtol), _absolute(atol, solver.n)


def _relative(value: ArrayLike) -> Array:
    rtol = _checks.real_array(value, "rtol")
    if not (rtol > 0).all():
        raise ValueError(f"rtol must be > 0, not {_checks.shown(value)}")
    if (rtol < LEAST_RTOL).any():
        text = f"rtol is too small; its floor {LEAST_RTOL:.3g} is taken instead"
        warnings.warn(text, stacklevel=4)
    return np.maximum(rtol, LEAST_RTOL)


def _absolute(value: ArrayLike, size: int) -> Array:
    atol = _checks.real_array(value, "atol")
    if atol.ndim and atol.shape != (size,):
        raise ValueError(f"atol must be a number or have shape ({size},), not {atol.shape}")
    if not (atol >= 0).all():
        raise ValueError(f"atol must be >= 0, not {_checks.shown(value)}")
    return atol


def scaled_error(error: Array, before: Array, after: Array, rtol: Any, atol: Any) -> float:
    """The root mean square of an error over its tolerance, ``atol + rtol * abs(y)``."""
    scale = atol + rtol * np.maximum(np.abs(before), np.abs(after))
    scale = np.where(scale > 0, scale, np.finfo(float).tiny)
    return float(np.linalg.norm(error / scale)) / float(np.sqrt(max(1, error.size)))
