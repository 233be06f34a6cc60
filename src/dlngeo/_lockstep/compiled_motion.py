"""Members of an ensemble of flows, moved by what numba compiles (:mod:`dlngeo._compiled`)."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np

from dlngeo._checks import Array
from dlngeo._lockstep.motion import ERROR_FIVE, ERROR_THREE, STAGES, TABLEAU, Step
from dlngeo.energies import compiled_part
from dlngeo.solvers import coefficients

GROUP = 2**17  # numbers of states that are in hand at once


class CompiledMotion:
    """Steps of one problem, members in rows."""

    def __init__(
        self, energy: Any, widths: tuple[int, ...], depth: float, decay: float, rtol: float
    ) -> None:
        from numba import typeof

        from dlngeo._compiled import flow_steps
        from dlngeo._compiled.lanes import workspace

        data: Any = compiled_part(energy)
        self._steps, self._offset = flow_steps, data.offset
        self._typeof: Any = typeof
        self._compiled: dict[Any, Any] = {}
        m, n = widths[-1], widths[0]
        self.size = sum(a * b for a, b in itertools.pairwise(widths))
        work = 5 * m * n + 2 * n if depth > 0 else 2 * n * sum(widths)
        lengths = [2 * m * n + 1, work, 5, *[self.size] * 3, (STAGES + 1) * self.size]
        *begins, total = np.cumsum([0, *lengths]).tolist()
        self.rtol, self._numbers = rtol, (float(depth), float(decay), rtol)
        self.group = max(8, min(16384, GROUP // self.size))
        self._problem = (
            workspace(total), np.array([self.size, *begins]), np.array(widths),
            data.function, data.A, data.B,
        )  # fmt: skip

    def look(self, y: Array) -> Step:
        """Velocities of states, E and ‖E'‖."""
        ones = np.ones(len(y))
        return self._run(self._steps.look, (), y, y, ones, ones, math.inf)

    def pair(self, y: Array, f: Array, h: Array, atol: Array, limit: float) -> Step:
        """A step of Dormand and Prince's pair."""
        return self._run(self._steps.dormand_prince, _pair(), y, f, h, atol, limit)

    def stabilised(
        self, y: Array, f: Array, h: Array, atol: Array, stages: int, limit: float
    ) -> Step:
        """A step of ROCK4 with so many stages."""
        return self._run(self._steps.chebyshev, _chebyshev(stages), y, f, h, atol, limit)

    def _run(
        self, kernel: Any, method: tuple[Array, ...], y: Array, f: Array, h: Array, atol: Array,
        limit: float,
    ) -> Step:  # fmt: skip
        members = map(np.ascontiguousarray, (y, f, h, atol))
        step = Step(np.empty_like(y), np.empty_like(y), *np.empty((4, len(h))))
        S, begins, *problem = self._problem
        numbers = np.array([*self._numbers, limit])
        self._call(kernel, S, begins, numbers, *problem, *method, *members, *step)
        step.value[:] += self._offset
        return step

    def _call(self, kernel: Any, *arguments: Any) -> None:
        """The kernel; numba looks at the types of its arguments, which stay, but once."""
        compiled = self._compiled.get(kernel)
        if compiled is not None:
            compiled(*arguments)
            return
        kernel(*arguments)
        types = tuple(map(self._typeof, arguments))
        self._compiled[kernel] = kernel.get_overload(types)


@lru_cache(maxsize=1)
def _pair() -> tuple[Array, ...]:
    stages = [np.flatnonzero(row) for row in TABLEAU]
    return (
        np.cumsum([0, *map(len, stages)]),
        np.concatenate(stages),
        np.concatenate([row[index] for row, index in zip(TABLEAU, stages, strict=True)]),
        ERROR_THREE,
        ERROR_FIVE,
    )


@lru_cache(maxsize=128)
def _chebyshev(stages: int) -> tuple[Array, ...]:
    method = coefficients(stages)
    finish = np.zeros((4, 4))
    for i in range(3):
        finish[i, : i + 1] = method.A[i]
    finish[3] = method.b
    bodies = (
        np.array([row[:3] for row in body]).reshape(-1, 3) for body in (method.first, method.second)
    )
    return (*bodies, finish, method.error.copy())
