"""Which engine takes a run's steps, and an equation as compiled kernels take it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dlngeo import _engine
from dlngeo._checks import Array
from dlngeo._equation import Equation
from dlngeo._paths.compiled import Plan
from dlngeo.energies import Energy, compiled_part
from dlngeo.langevin.lipschitz import curvature_bound
from dlngeo.langevin.root_chart import slope_at
from dlngeo.spectral.divided_differences import summed

_WIDEST = 64  # beyond it LAPACK's decomposition is the faster one


def engine_for(engine: str, scheme: Any) -> str:
    """The engine that ``engine=`` asks for; "auto" is NumPy where numba cannot serve or is slow."""
    name = _engine.chosen(engine)
    if name == "numpy":
        return name
    missing = _missing(scheme)
    if engine == "numba":
        if missing:
            raise ValueError(f"engine='numba' needs {missing}; take engine='numpy', or 'auto'")
        return name
    if missing:
        return "numpy"
    # eight matrices at a time a call of Python's costs more than their decompositions downstairs
    energy, small = scheme.equation.energy, scheme.shape[0] <= 2 and not scheme.upstairs
    return "numpy" if small and energy is not None and compiled_part(energy) is None else name


def _missing(scheme: Any) -> str:
    """What the compiled engine would need, and does not have; empty where it can serve."""
    if getattr(scheme, "kernel", None) is None:
        return "a scheme that it knows"
    energy, d = scheme.equation.energy, scheme.shape[0]
    if d > _WIDEST:
        return f"matrices of at most {_WIDEST} x {_WIDEST}"
    if energy is None:
        return ""
    if curvature_bound(energy) is None:
        return "an energy with the optional part hessian_norm or hessian_bound"
    return ""


def plan(kernel: str, equation: Equation, d: int, dt: float) -> Plan:
    """An equation and a scheme downstairs for the kernels."""
    from dlngeo._compiled.langevin import heed
    from dlngeo._compiled.langevin.arrays import Matrices

    scheme = getattr(heed, kernel)
    depth = float(equation.depth)
    law = _law(equation, d, dt, int(depth) if summed(depth) else 0)
    if scheme == heed.ENTRIES:
        law = law._replace(decay=float(equation.shrinkage))
    return Plan(law, scheme, *_energy(equation.energy, d), Matrices)


def plan_upstairs(
    equation: Equation, d: int, dt: float, frames_of: Callable[[Array], Array]
) -> Plan:
    """An equation upstairs for the kernels; ``frames_of`` states are the frames and λ as one row.

    At depth 1 weights are a matrix, and the step is Euler's.
    """
    from dlngeo._compiled.langevin.layers import Layers

    if equation.depth == 1:
        return plan("ENTRIES", equation, d, dt)
    law = _law(equation, d, dt, int(equation.depth))
    lanes = functools.partial(Layers, frames_of=frames_of)
    return Plan(law, -1, *_energy(equation.energy, d), lanes)


def _law(equation: Equation, d: int, dt: float, whole: int) -> Any:
    from dlngeo._compiled.langevin.chart import Law

    energy = equation.energy
    return Law(
        d=d,
        depth=float(equation.depth),
        whole=whole,
        temperature=float(equation.temperature),
        beta=float(equation.beta),
        decay=float(equation.weight_decay),
        entropy=equation.entropy,
        bounded=equation.depth != 1,
        slopes=energy is not None,
        curvature=0.0 if energy is None else float(curvature_bound(energy) or 0.0),
        dt=float(dt),
    )


def _energy(energy: Energy | None, d: int) -> tuple[Any, Any, Any, Any]:
    """A compiled function, its two matrices, and who is asked where it is Python's."""
    from dlngeo._compiled.energies import entrywise

    nothing = np.zeros((1, 1))
    if energy is None:
        return entrywise, nothing, nothing, None
    if compiled := compiled_part(energy):
        return compiled.function, compiled.A, compiled.B, None
    from dlngeo._compiled.asking import Asked, asked

    asking = Asked(lambda W: slope_at(energy, W), (d, d))
    return asked, asking.address, nothing, asking
