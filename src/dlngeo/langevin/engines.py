"""Which engine takes a run's steps, and an equation as compiled kernels take it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlngeo import _engine
from dlngeo._equation import Equation
from dlngeo._paths.compiled import Plan
from dlngeo.energies import compiled_part
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
    # eight matrices at a time a call of Python's costs more than their decompositions
    energy, small = scheme.equation.energy, scheme.shape[0] <= 2
    return "numpy" if small and energy is not None and compiled_part(energy) is None else name


def _missing(scheme: Any) -> str:
    """What the compiled engine would need, and does not have; empty where it can serve."""
    if getattr(scheme, "kernel", None) is None:
        return "a scheme that it knows: one downstairs"
    energy, d = scheme.equation.energy, scheme.shape[0]
    if d > _WIDEST:
        return f"matrices of at most {_WIDEST} x {_WIDEST}"
    if energy is None:
        return ""
    if curvature_bound(energy) is None:
        return "an energy with the optional part hessian_norm or hessian_bound"
    return ""


def plan(kernel: str, equation: Equation, d: int, dt: float) -> Plan:
    """An equation and a scheme for the kernels."""
    from dlngeo._compiled.energies import entrywise
    from dlngeo._compiled.langevin import heed
    from dlngeo._compiled.langevin.chart import Law

    energy, depth = equation.energy, float(equation.depth)
    scheme = getattr(heed, kernel)
    parts: tuple[Any, Any, Any] = (entrywise, np.zeros((1, 1)), np.zeros((1, 1)))
    asking, curved = None, 0.0
    if energy is not None:
        curved = float(curvature_bound(energy) or 0.0)
        if compiled := compiled_part(energy):
            parts = compiled.function, compiled.A, compiled.B
        else:
            from dlngeo._compiled.asking import Asked, asked

            asking = Asked(lambda W: slope_at(energy, W), (d, d))
            parts = asked, asking.address, parts[2]
    law = Law(
        d=d,
        depth=depth,
        whole=int(depth) if summed(depth) else 0,
        temperature=float(equation.temperature),
        beta=float(equation.beta),
        decay=float(equation.shrinkage if scheme == heed.ENTRIES else equation.weight_decay),
        entropy=equation.entropy,
        bounded=depth != 1,
        slopes=energy is not None,
        curvature=curved,
        dt=float(dt),
    )
    return Plan(law, scheme, *parts, asking)
