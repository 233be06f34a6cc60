"""Paths that run side by side, eight to a vector, by what numba compiles.

A kernel takes every eight paths through a block of steps. Where a path's step must be taken in
parts, or its decomposition is a delicate one, its eight stop; NumPy takes that one step for it, as
:mod:`~dlngeo._paths.groups` would, and the kernel goes on. So a path's numbers depend on no other
path, and on when it is looked at only in that its frames of singular vectors are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from dlngeo._checks import Array
from dlngeo._paths.bridges import Here
from dlngeo._paths.groups import Group, taken
from dlngeo._paths.run import End

_LANES = 8
_BLOCK, _NOISE = 256, 2**20  # noise is drawn for at most so many steps, and numbers, at once


class Plan(NamedTuple):
    """A scheme as the kernels take it."""

    law: Any  # dlngeo._compiled.langevin.chart.Law
    scheme: int
    energy: Any  # a compiled function of A, B, W, slope, value
    A: Array
    B: Array
    asking: Any  # dlngeo._compiled.asking.Asked, where the energy is Python's; else None
    lanes: Callable[[Plan, Array, Array, Array | None, Array | None], Lanes]
    """Lanes of a plan: first states (path, ...), which are followed, and what they keep.

    Then the frames that a group before left; None where there was none.
    """


class Lanes(Protocol):
    """All paths of a group, eight to a vector."""

    paths: Any  # arrays rows (group, 8); alive, done, left (group,)

    def advance(self, noise: Array, first: int, n_steps: int, before: int) -> None:
        """Take all paths to the end of a block of noise, or to where one waits."""
        ...

    def taken(self, group: Array, lane: Array) -> Array:
        """States (lane, ...) of some lanes that wait."""
        ...

    def put(self, group: Array, lane: Array, state: Array) -> None:
        """States from outside; NaN where a path has ended."""
        ...

    def shown(self) -> Array:
        """What is saved of all states (path, ...)."""
        ...

    def states(self) -> tuple[Array, Array]:
        """All states (path, ...), and frames (path, ...) of singular vectors."""
        ...


@runtime_checkable
class OnLanes(Protocol):
    """A stepper that has kernels."""

    def on_lanes(self, dt: float) -> Plan | None:
        """What the kernels need; None where they cannot serve."""
        ...


class CompiledGroup(Group):
    """Paths that run side by side, by compiled steps."""

    def _begin(self, first: Array, before: End | None) -> None:
        stepper: Any = self._stepper
        self._plan: Plan = stepper.on_lanes(self._run.dt)
        frames = None if before is None else before.frames
        self._lanes = self._plan.lanes(self._plan, first, self._rows, self._kept, frames)
        self._drawn = self._streams.places()
        self._block, self._at = np.empty((len(first), 0, self._stepper.noise_size)), 0

    def _go(self, step: int) -> None:
        while self._step < step and self._rows.size:
            if self._at == self._block.shape[1]:
                self._draw()
            count = min(step - self._step, self._block.shape[1] - self._at)
            self._advance(count)
            self._step, self._at = self._step + count, self._at + count

    def _draw(self) -> None:
        """The noise of some steps, (path, step, noise_size)."""
        from dlngeo._compiled.normals import fill

        size = self._stepper.noise_size
        block = max(1, min(_BLOCK, _NOISE // (len(self._reached) * size)))
        block = min(block, self._run.n_steps - self._step)
        self._block, self._at = np.empty((len(self._reached), block, size)), 0
        fill(self._drawn, self._block)

    def _places(self) -> Array:
        return self._drawn

    def _advance(self, count: int) -> None:
        asking, paths = self._plan.asking, self._lanes.paths
        paths.done[:] = 0
        before = self._run.before + self._step
        while True:
            self._lanes.advance(self._block, self._at, count, before)
            if asking is not None and asking.error is not None:
                raise asking.error
            if not paths.left.any():
                return
            self._take_left()

    def _take_left(self) -> None:
        """The step that some lanes could not take whole, by NumPy."""
        paths = self._lanes.paths
        group, lane = np.nonzero(paths.left[:, None] >> np.arange(_LANES) & 1)
        rows, step = paths.rows[group, lane], paths.done[group] - 1
        state = self._lanes.taken(group, lane)
        here = Here.of(self._stepper, state, None if self._kept is None else self._kept[rows])
        normals, cut = self._block[rows, self._at + step], self._bridges.used
        there, followed = taken(self._stepper, here, normals, self._run.dt, self._bridges, rows)
        self._aside += len(rows) - (self._bridges.used - cut)
        gone = np.reshape(~followed, (-1,) + (1,) * (state.ndim - 1))
        self._lanes.put(group, lane, np.where(gone, np.nan, there.state))
        if not followed.all():
            lost = ~followed
            self._reached[rows[lost]] = self._step + step[lost]
            np.bitwise_and.at(paths.alive, group[lost], ~(1 << lane[lost]))
            self._rows = np.setdiff1d(self._rows, rows[lost])

    def _shown(self) -> Array:
        return self._lanes.shown()[self._rows]

    def _states(self) -> tuple[Array, Array | None]:
        known, frames = self._lanes.states()
        state = np.full(known.shape, np.nan)
        state[self._rows] = known[self._rows]
        return state, frames
