"""The arrays of all paths for the kernels of :mod:`~dlngeo._compiled.langevin.steps`, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlngeo._checks import Array
from dlngeo._compiled.lanes import LANES, workspace
from dlngeo._compiled.langevin.chart import Frames, Tables
from dlngeo._compiled.langevin.heed import WEAK_TWO
from dlngeo._compiled.langevin.steps import Paths, Room, advance, all_end_to_end


class Matrices:
    """Paths of d × d matrices: what a group of :mod:`dlngeo._paths.compiled` asks of lanes."""

    def __init__(
        self, plan: Any, first: Array, rows: Array, kept: Array | None, frames: Array | None
    ) -> None:
        self._plan, self._d, self._shape = plan, plan.law.d, first.shape
        self.paths = all_paths(self._d, first, rows, kept, frames)
        noise_size = (2 if plan.scheme == WEAK_TWO else 1) * self._d**2
        self._room, self._held = room(self._d, noise_size)

    def advance(self, noise: Array, first: int, n_steps: int, before: int) -> None:
        """Take all paths to the end of a block, or to where one waits."""
        plan = self._plan
        advance(
            plan.law, plan.scheme, plan.energy, plan.A, plan.B, self.paths, self._room,
            noise, first, n_steps, before,
        )  # fmt: skip

    def taken(self, group: Array, lane: Array) -> Array:
        """States of some lanes, as the scheme knows them."""
        return self.paths.state[group, :, lane].reshape(-1, *self._shape[1:])

    def put(self, group: Array, lane: Array, state: Array) -> None:
        """States from outside; NaN where a path has ended."""
        self.paths.state[group, :, lane] = state.reshape(len(state), -1)
        np.bitwise_or.at(self.paths.fresh, group, 1 << lane)

    def shown(self) -> Array:
        """What is saved of all states."""
        W = np.empty(self.paths.state.shape)
        plan = self._plan
        all_end_to_end(plan.law, plan.scheme, self.paths, self._room, W.ctypes.data)
        return by_path(W, self._shape[0]).reshape(self._shape)

    def states(self) -> tuple[Array, Array]:
        """All states, and the frames that go with them."""
        paths, count = self.paths, self._shape[0]
        frames = [by_path(part, count) for part in (paths.U, paths.lam, paths.V)]
        return by_path(paths.state, count).reshape(self._shape), np.concatenate(frames, axis=1)


def all_paths(
    d: int, first: Array, alive: Array, kept: Array | None, frames: Array | None
) -> Paths:
    """Paths at ``first`` (path, d, d), of which some are followed; with frames that are known."""
    count = len(first)
    rows, living = in_groups(count, alive)
    groups = len(living)
    if frames is None:
        known = np.zeros((count, 2 * d * d + d))
        known[:, d * d + d :] = np.eye(d).ravel()
    else:
        known = frames
    signs = np.ones(count) if kept is None else kept
    return Paths(
        state=by_lane(first.reshape(count, -1)[rows]),
        U=by_lane(known[rows, : d * d]),
        lam=by_lane(known[rows, d * d : d * d + d]),
        V=by_lane(known[rows, d * d + d :]),
        kept=np.ascontiguousarray(signs[rows].reshape(groups, LANES)),
        rows=rows.reshape(groups, LANES),
        alive=living,
        fresh=np.full(groups, 0 if frames is not None else 2**LANES - 1),
        done=np.zeros(groups, dtype=np.int64),
        left=np.zeros(groups, dtype=np.int64),
        lame=np.zeros(groups, dtype=np.int64),
    )


def room(d: int, noise_size: int) -> tuple[Room, Array]:
    """What eight paths need for a step, and the array that holds it and must be kept."""
    rows = [d * d] * 13 + [d, d, d, noise_size]
    held = workspace(sum(rows))
    start = held.ctypes.data + 8 * LANES * np.concatenate([[0], np.cumsum(rows)[:-1]])
    square, lam = [int(x) for x in start[:13]], [int(x) for x in start[13:]]
    W = workspace(2 * d * d).reshape(2, d, d, LANES)
    there = Frames(square[0], square[1], lam[0], square[2], square[3])
    stage = Frames(square[4], square[5], lam[1], square[6], square[7])
    tables = Tables(square[8], square[9], square[10], lam[2], square[11])
    return Room(square[12], there, stage, tables, lam[3], W[0], W[1], np.zeros(LANES)), held


def in_groups(count: int, alive: Array) -> tuple[Array, Array]:
    """Which path is in each lane, and of each group the lanes that are followed, as bits."""
    groups = -(-count // LANES)
    rows = np.minimum(np.arange(groups * LANES), count - 1)  # the last fills the tail
    living = np.isin(np.arange(groups * LANES), alive).reshape(groups, LANES)
    return rows, (living * (1 << np.arange(LANES))).sum(axis=1)


def by_lane(numbers: Array) -> Array:
    """An array (path, k) as (group, k, 8)."""
    groups, k = len(numbers) // LANES, numbers.shape[1]
    lanes = workspace(groups * k).reshape(groups, k, LANES)
    lanes[...] = np.moveaxis(numbers.reshape(groups, LANES, k), 1, 2)
    return lanes


def by_path(lanes: Array, count: int) -> Array:
    """An array (group, k, 8) as (path, k)."""
    return np.moveaxis(lanes, 1, 2).reshape(-1, lanes.shape[1])[:count]
