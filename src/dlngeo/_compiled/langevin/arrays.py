"""The arrays of all paths for the kernels of :mod:`~dlngeo._compiled.langevin.steps`, and back."""

from __future__ import annotations

import numpy as np

from dlngeo._checks import Array
from dlngeo._compiled.lanes import LANES, workspace
from dlngeo._compiled.langevin.chart import Frames, Tables
from dlngeo._compiled.langevin.steps import Paths, Room


def all_paths(
    d: int, first: Array, alive: Array, kept: Array | None, frames: Array | None
) -> Paths:
    """Paths at ``first`` (path, d, d), of which some are followed; with frames that are known."""
    count = len(first)
    groups = -(-count // LANES)
    rows = np.minimum(np.arange(groups * LANES), count - 1)  # the last fills the tail
    living = np.isin(np.arange(groups * LANES), alive).reshape(groups, LANES)
    weight = 1 << np.arange(LANES)
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
        alive=(living * weight).sum(axis=1),
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


def by_lane(numbers: Array) -> Array:
    """An array (path, k) as (group, k, 8)."""
    groups, k = len(numbers) // LANES, numbers.shape[1]
    lanes = workspace(groups * k).reshape(groups, k, LANES)
    lanes[...] = np.moveaxis(numbers.reshape(groups, LANES, k), 1, 2)
    return lanes


def by_path(lanes: Array, count: int) -> Array:
    """An array (group, k, 8) as (path, k)."""
    return np.moveaxis(lanes, 1, 2).reshape(-1, lanes.shape[1])[:count]
