"""Members of an ensemble of flows, moved by what numba compiles (:mod:`dlngeo._compiled`)."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np

from dlngeo._checks import Array
from dlngeo._lockstep.members import Members
from dlngeo._lockstep.motion import (
    ERROR_FIVE,
    ERROR_THREE,
    STAGES,
    TABLEAU,
    Limits,
    PairControl,
    StableControl,
    Step,
)
from dlngeo.energies import compiled_part
from dlngeo.solvers import coefficients

GROUP = 2**17  # numbers of states that are in hand at once
LANES = 8
_TURNS = 50_000  # evaluations of eight members in one call: a user's interrupt waits for its end
_REALS = ("t", "t_low", "h", "atol", "threshold", "value", "radius")  # of members, as kernels
_COUNTS = (
    "steps", "stable_steps", "evaluations", "rejected", "held", "signs", "switches", "age"
)  # fmt: skip


class CompiledMotion:
    """Steps of one problem, members in rows."""

    def __init__(
        self, energy: Any, widths: tuple[int, ...], depth: float, decay: float, rtol: float
    ) -> None:
        from numba import typeof

        from dlngeo._compiled.flows import coast, radius, steps
        from dlngeo._compiled.lanes import workspace

        data: Any = compiled_part(energy)
        self._steps, self._coast, self._radius = steps, coast, radius
        self._offset = data.offset
        self._stages: set[int] = set()  # that steps have had
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
        self._stages.add(stages)
        return self._run(self._steps.chebyshev, _chebyshev(stages), y, f, h, atol, limit)

    def radii(self, y: Array, f: Array, direction: Array) -> tuple[Array, Array, Array]:
        """The spectral radius at each state, 1.2 times an estimate settled to one percent."""
        S, begins, *problem = self._problem
        y, f, direction = map(np.ascontiguousarray, (y, f, direction.copy()))
        radius, count, numbers = np.empty(len(y)), np.zeros(len(y), dtype=int), self._numbers
        self._call(
            self._radius.radii, S, begins, np.array([*numbers, 1.0]), *problem, y, f,
            np.ones(len(y)), direction, radius, count,
        )  # fmt: skip
        return radius, direction, count

    def coast_pair(self, members: Members, limits: Limits, control: PairControl) -> None:
        """Take steps of the pair that are no more than steps."""
        near, edge, patience = control
        self._go_on(self._coast.coast_pair, _pair(), members, limits, patience, near, edge)

    def coast_stabilised(self, members: Members, limits: Limits, control: StableControl) -> None:
        """The same with ROCK4, of numbers of stages that a step has had before."""
        if not self._stages or not members.direction.size:
            return
        table = _table(tuple(control.stages.tolist()), frozenset(self._stages))
        numbers = control.longest, control.price, control.refresh
        method = (control.stages, control.reaches, *table)
        direction = members.direction = np.ascontiguousarray(members.direction)
        self._go_on(
            self._coast.coast_chebyshev, method, members, limits, control.patience, *numbers,
            direction,
        )  # fmt: skip

    def _go_on(
        self, kernel: Any, method: tuple[Array, ...], members: Members, limits: Limits,
        patience: int, *control: Any,
    ) -> None:  # fmt: skip
        """Steps of members, in their place."""
        *ends, frames = limits
        count = len(frames)
        reals = [*(getattr(members, name) for name in _REALS), frames, *np.ones((2, count))]
        rows = np.array(reals)
        counts = np.array([getattr(members, name) for name in _COUNTS], dtype=int)
        members.y, members.f = map(np.ascontiguousarray, (members.y, members.f))
        room = np.empty((3, max(count, LANES)), dtype=int)
        outcome = np.empty_like(members.y), np.empty_like(members.f), np.empty((4, count))
        S, begins, *problem = self._problem
        numbers = np.array([*self._numbers, 1.0])
        rules = np.array([*ends, self._offset, patience, _TURNS])
        self._call(
            kernel, S, begins, numbers, *problem, *method, rules, *control, room, members.y,
            members.f, rows, counts, *outcome,
        )  # fmt: skip
        for name, row in zip(_REALS, rows, strict=False):
            setattr(members, name, row)
        for name, row in zip(_COUNTS, counts, strict=True):
            setattr(members, name, row)
        members.held = members.held.astype(bool)

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


@lru_cache(maxsize=128)
def _table(offered: tuple[int, ...], known: frozenset[int]) -> tuple[Array, ...]:
    """The methods of these numbers of stages in a row, empty where they are not known."""
    absent = np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((4, 4)), np.zeros(6)
    methods = [_chebyshev(stages) if stages in known else absent for stages in offered]
    first, second, finish, error = zip(*methods, strict=True)
    begins = np.array([np.cumsum([0, *map(len, bodies)]) for bodies in (first, second)])
    return (
        np.array([stages in known for stages in offered]),
        np.concatenate(first),
        np.concatenate(second),
        begins,
        np.array(finish),
        np.array(error),
    )
