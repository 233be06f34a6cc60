"""Paths that run side by side, eight to a vector, by what numba compiles.

A kernel takes every eight paths through a block of steps. Where a path's step must be taken in
parts, or its decomposition is a delicate one, its eight stop; NumPy takes that one step for it, as
:mod:`~dlngeo._paths.groups` would, and the kernel goes on. So a path's numbers depend on no other
path, and on when it is looked at only in that its frames of singular vectors are kept.
"""

from __future__ import annotations

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
    asking: Any = None  # dlngeo._compiled.asking.Asked, where the energy is Python's


@runtime_checkable
class OnLanes(Protocol):
    """A stepper that has kernels."""

    def on_lanes(self, dt: float) -> Plan | None:
        """What the kernels need; None where they cannot serve."""
        ...


class CompiledGroup(Group):
    """Paths that run side by side, by compiled steps."""

    def _begin(self, first: Array, before: End | None) -> None:
        from dlngeo._compiled.langevin.arrays import all_paths, room

        stepper: Any = self._stepper
        self._plan: Plan = stepper.on_lanes(self._run.dt)
        self._d = self._plan.law.d
        frames = None if before is None else before.frames
        self._paths = all_paths(self._d, first, self._rows, self._kept, frames)
        self._room, self._held = room(self._d, self._stepper.noise_size)
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
        from dlngeo._compiled.langevin.steps import advance

        plan, paths = self._plan, self._paths
        paths.done[:] = 0
        before = self._run.before + self._step
        while True:
            advance(
                plan.law, plan.scheme, plan.energy, plan.A, plan.B, paths, self._room,
                self._block, self._at, count, before,
            )  # fmt: skip
            if plan.asking is not None and plan.asking.error is not None:
                raise plan.asking.error
            if not paths.left.any():
                return
            self._take_left()

    def _take_left(self) -> None:
        """The step that some lanes could not take whole, by NumPy."""
        paths, d = self._paths, self._d
        group, lane = np.nonzero(paths.left[:, None] >> np.arange(_LANES) & 1)
        rows, step = paths.rows[group, lane], paths.done[group] - 1
        state = paths.state[group, :, lane].reshape(-1, d, d)
        here = Here.of(self._stepper, state, None if self._kept is None else self._kept[rows])
        normals, cut = self._block[rows, self._at + step], self._bridges.used
        there, followed = taken(self._stepper, here, normals, self._run.dt, self._bridges, rows)
        self._aside += len(rows) - (self._bridges.used - cut)
        new = np.where(followed[:, None], there.state.reshape(-1, d * d), np.nan)
        paths.state[group, :, lane] = new
        np.bitwise_or.at(paths.fresh, group, 1 << lane)
        if not followed.all():
            lost = ~followed
            self._reached[rows[lost]] = self._step + step[lost]
            np.bitwise_and.at(paths.alive, group[lost], ~(1 << lane[lost]))
            self._rows = np.setdiff1d(self._rows, rows[lost])

    def _shown(self) -> Array:
        from dlngeo._compiled.langevin.arrays import by_path
        from dlngeo._compiled.langevin.steps import all_end_to_end

        W = np.empty(self._paths.state.shape)
        all_end_to_end(self._plan.law, self._plan.scheme, self._paths, self._room, W.ctypes.data)
        d = self._d
        return by_path(W, len(self._reached)).reshape(-1, d, d)[self._rows]

    def _states(self) -> tuple[Array, Array | None]:
        from dlngeo._compiled.langevin.arrays import by_path

        paths, d, count = self._paths, self._d, len(self._reached)
        state = np.full((count, d, d), np.nan)
        state[self._rows] = by_path(paths.state, count)[self._rows].reshape(-1, d, d)
        frames = [by_path(part, count) for part in (paths.U, paths.lam, paths.V)]
        return state, np.concatenate(frames, axis=1)
