"""The arrays of all paths of weights for :mod:`~dlngeo._compiled.langevin.upstairs`, and back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np

from dlngeo._checks import Array
from dlngeo._compiled.lanes import LANES, workspace
from dlngeo._compiled.langevin.arrays import by_lane, by_path, in_groups
from dlngeo._compiled.langevin.nearest import Search
from dlngeo._compiled.langevin.tangent import Pair
from dlngeo._compiled.langevin.upstairs import LayerPaths, LayerRoom, advance_layers, all_layers


class Layers:
    """Paths of balanced weights: what a group of :mod:`dlngeo._paths.compiled` asks of lanes.

    ``frames_of`` states are the columns of Q_0, …, Q_N as rows, and λ.
    """

    def __init__(
        self,
        plan: Any,
        first: Array,
        rows: Array,
        kept: Array | None,
        frames: Array | None,
        *,
        frames_of: Callable[[Array], Array],
    ) -> None:
        self._plan, self._shape, self._frames = plan, first.shape, frames_of
        self._d, self._depth = plan.law.d, plan.law.whole
        if frames is None:
            frames = np.ones((len(first), (self._depth + 1) * self._d**2 + self._d))
            frames[rows] = self._frames(first[rows])
        self.paths = self._all_paths(frames, rows)
        self._room, self._held = room(self._d, self._depth)

    def _all_paths(self, frames: Array, alive: Array) -> LayerPaths:
        rows, living = in_groups(len(frames), alive)
        groups, frames = len(living), frames[rows]
        return LayerPaths(
            layers=by_lane(np.zeros((len(rows), self._shape[1]))),
            Q=by_lane(frames[:, : -self._d]),
            lam=by_lane(frames[:, -self._d :]),
            rows=rows.reshape(groups, LANES),
            alive=living,
            done=np.zeros(groups, dtype=np.int64),
            left=np.zeros(groups, dtype=np.int64),
        )

    def advance(self, noise: Array, first: int, n_steps: int, before: int) -> None:
        """Take all paths to the end of a block, or to where one waits."""
        plan = self._plan
        advance_layers(
            plan.law, plan.energy, plan.A, plan.B, self.paths, self._room, noise, first, n_steps,
            before,
        )  # fmt: skip

    def taken(self, group: Array, lane: Array) -> Array:
        """States of some lanes of groups that wait."""
        return self.paths.layers[group, :, lane]

    def put(self, group: Array, lane: Array, state: Array) -> None:
        """States from outside; NaN where a path has ended."""
        there = np.isfinite(state).all(axis=1)
        frames = self._frames(state[there])
        self.paths.Q[group[there], :, lane[there]] = frames[:, : -self._d]
        self.paths.lam[group[there], :, lane[there]] = frames[:, -self._d :]

    def shown(self) -> Array:
        """What is saved of all states."""
        all_layers(self._plan.law, self.paths, self._room)
        return by_path(self.paths.layers, self._shape[0]).copy()

    def states(self) -> tuple[Array, Array]:
        """All states, and the frames that go with them."""
        frames = [by_path(part, self._shape[0]) for part in (self.paths.Q, self.paths.lam)]
        return self.shown(), np.concatenate(frames, axis=1)


def room(d: int, depth: int) -> tuple[LayerRoom, Array]:
    """What eight paths need for a step, and the array that holds it and must be kept."""
    square, every, frames = d * d, depth * d * d, (depth + 1) * d * d
    rows = [every] * 3 + [frames] * 2 + [square] * 7 + [d] * 2 + [depth + 1] * 6
    held = workspace(sum(rows))
    start = [held.ctypes.data + 8 * LANES * k for k in (0, *accumulate(rows[:-1]))]
    Y, seen, turns, G, Q, H, U, R, half, E, here, slope, lam, there, *pair = start
    W = workspace(2 * square).reshape(2, d, d, LANES)
    find = Search(Y, seen, turns, G, H, lam, U, R, half, Pair(*pair))
    return LayerRoom(here, Q, there, slope, E, find, W[0], W[1], np.zeros(LANES)), held
