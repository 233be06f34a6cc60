"""Many steps of many paths, eight at a time: what the engine ``numba`` calls.

A step is taken whole where the drift allows it there and where it leads, as
:mod:`dlngeo._paths.bridges` says; lanes for which it is not are left where they are and named, and
their eight stop until somebody has taken that step for them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dlngeo._checks import Array
from dlngeo._compiled.jacobi import svd
from dlngeo._compiled.kernels import kernel, part
from dlngeo._compiled.lanes import (
    LANES,
    Lanes,
    at,
    bits,
    choose,
    mask_of,
    mul_add,
    put,
    put_lane,
    root,
    splat,
)
from dlngeo._compiled.langevin.chart import (
    Frames,
    Law,
    Tables,
    add,
    copy,
    end_to_end,
    fields,
    outside,
    velocity,
    zero,
)
from dlngeo._compiled.langevin.entries import increment, layer_size
from dlngeo._compiled.langevin.heed import (
    ENTRIES,
    TURN,
    WEAK_TWO,
    farthest,
    graded,
    keep_sign,
    make_orthogonal,
    slow,
)

_ROOT2 = math.sqrt(2)
# Of each stage its time, its share of X there, its share of the drift, and of B and X in the noise.
_STAGES = (
    (1 / 3, _ROOT2, 11 / 6, 9 / 4, -3 / _ROOT2),
    (1 / 9, 2 * _ROOT2, -1.0, -9 / 4, 4.5 / _ROOT2),
)
_AFRESH = 16  # steps after which V is made orthogonal again


class Paths(NamedTuple):
    """Where all paths are, eight by eight."""

    state: Array  # (group, rows, 8), as U, λ and V
    U: Array
    lam: Array
    V: Array
    kept: Array  # (group, 8): the signs of det W to keep
    rows: Array  # (group, 8): which path is in a lane
    alive: Array  # (group,): lanes that are followed, as bits
    fresh: Array  # (group,): lanes whose state was set from outside
    done: Array  # (group,): steps of the block that are taken
    left: Array  # (group,): lanes that wait for the last of these to be taken for them
    lame: Array  # (group,): lanes whose decomposition did not come to its end


class Room(NamedTuple):
    """What eight paths need for a step: addresses, and arrays for the energy."""

    slope: int
    there: Frames
    stage: Frames
    tables: Tables
    noise: int
    W: Array  # (d, d, 8), as its slope
    W_slope: Array
    value: Array


@kernel
def advance(
    law: Law, scheme: int, energy: Any, A: Array, B: Array, paths: Paths, room: Room,
    noise: Array, first: int, n_steps: int, before: int,
) -> None:  # fmt: skip
    """Take all groups to the end of a block, or to a step that a lane cannot take whole.

    ``noise`` is (path, step, size), ``first`` its first step and ``before`` that step's number.
    """
    for g in range(len(paths.done)):
        here = _here(paths, room, g, law.d)
        paths.left[g] = 0
        if paths.alive[g] == 0:
            continue
        if paths.fresh[g]:
            paths.lame[g] |= _decompose(law, here, room.there, paths.fresh[g]) & paths.fresh[g]
            paths.fresh[g] = 0
        if paths.done[g] == n_steps:
            continue
        top, steep = _look(law, scheme, energy, A, B, here, room)
        while paths.done[g] < n_steps and paths.left[g] == 0:
            step = paths.done[g]
            for k in range(LANES):
                _draw(noise[paths.rows[g, k], first + step], room.noise, k, math.sqrt(law.dt))
            whole = bits(slow(law, scheme, top, steep, 1.0)) & ~paths.lame[g]
            paths.lame[g] = 0
            if scheme == ENTRIES and law.d > 2:
                whole &= ~graded(here, law.d)
            good = _step(law, scheme, energy, A, B, here, room, before + step)
            if law.bounded:
                keep_sign(here, room.there, at(paths.kept, g), room.tables.half, law.d)
            there_top, there_steep = _look(law, scheme, energy, A, B, room.there, room)
            good &= whole & bits(slow(law, scheme, there_top, there_steep, TURN))
            mask = mask_of(good)
            _move(here, room.there, good, law.d)
            top, steep = choose(mask, there_top, top), choose(mask, there_steep, steep)
            paths.left[g] = paths.alive[g] & ~good
            paths.done[g] = step + 1


@part
def _here(paths: Paths, room: Room, g: int, d: int) -> Frames:
    square, row = 8 * LANES * d * d, 8 * LANES * d
    return Frames(
        paths.state.ctypes.data + g * square,
        paths.U.ctypes.data + g * square,
        paths.lam.ctypes.data + g * row,
        paths.V.ctypes.data + g * square,
        room.slope,
    )


@part
def _draw(normals: Array, noise: int, lane: int, scale: float) -> None:
    for k in range(len(normals)):
        put_lane(noise, k, lane, scale * normals[k])


@part
def _decompose(law: Law, here: Frames, there: Frames, lanes: int) -> int:
    """The frames of states in some lanes, from the V at hand; where that did not come to an end."""
    copy(here.V, there.V, law.d * law.d)
    unfinished = svd(here.state, there.U, there.lam, there.V, law.d)
    mask = mask_of(lanes)
    for k in range(law.d * law.d):
        put(here.U, k, choose(mask, at(there.U, k), at(here.U, k)))
        put(here.V, k, choose(mask, at(there.V, k), at(here.V, k)))
    for k in range(law.d):
        put(here.lam, k, choose(mask, at(there.lam, k), at(here.lam, k)))
    return unfinished


@part
def _move(here: Frames, there: Frames, good: int, d: int) -> None:
    """The good lanes are there."""
    mask = mask_of(good)
    for k in range(d * d):
        put(here.state, k, choose(mask, at(there.state, k), at(here.state, k)))
        put(here.U, k, choose(mask, at(there.U, k), at(here.U, k)))
        put(here.V, k, choose(mask, at(there.V, k), at(here.V, k)))
        put(here.slope, k, choose(mask, at(there.slope, k), at(here.slope, k)))
    for k in range(d):
        put(here.lam, k, choose(mask, at(there.lam, k), at(here.lam, k)))


@part
def _look(
    law: Law, scheme: int, energy: Any, A: Array, B: Array, frames: Frames, room: Room
) -> tuple[Lanes, Lanes]:
    """E'(W) of states; the largest λ (at depth inf σ) and ‖E'‖."""
    top, steep = at(frames.lam, 0), splat(0.0)
    for p in range(1, law.d):
        top = choose(at(frames.lam, p) > top, at(frames.lam, p), top)
    if scheme == ENTRIES:
        top = layer_size(top, law.depth)
    if law.slopes:
        _slope(law, scheme, energy, A, B, frames, room)
        for k in range(law.d * law.d):
            steep = mul_add(at(frames.slope, k), at(frames.slope, k), steep)
    return top, root(steep)


@part
def _slope(
    law: Law, scheme: int, energy: Any, A: Array, B: Array, frames: Frames, room: Room
) -> None:
    """E'(W) of states."""
    W = room.W.ctypes.data
    if scheme == ENTRIES:
        copy(frames.state, W, law.d * law.d)
    else:
        end_to_end(frames, W, room.tables.half, law.depth, law.d)
    energy(A, B, room.W, room.W_slope, room.value)
    copy(room.W_slope.ctypes.data, frames.slope, law.d * law.d)


@part
def _step(
    law: Law, scheme: int, energy: Any, A: Array, B: Array, here: Frames, room: Room, number: int
) -> int:
    """One step, to ``room.there``; the lanes, as bits, in which it led somewhere."""
    d, there, tables = law.d, room.there, room.tables
    noisy = law.temperature > 0
    copy(here.state, there.state, d * d)
    good = -1
    if scheme == WEAK_TWO and noisy:
        good = _stages(law, energy, A, B, here, room)
    elif scheme == WEAK_TWO:
        good = _runge_kutta(law, energy, A, B, here, room)
    else:
        if scheme == ENTRIES:
            increment(law, here, room.noise, noisy, law.dt, tables)
        else:
            velocity(law, here, room.noise, noisy, law.dt, tables)
        add(1.0, tables.drift, there.state, d * d)
    norm = splat(0.0)
    for k in range(d * d):
        norm = mul_add(at(there.state, k), at(there.state, k), norm)
    good &= bits(root(norm) <= farthest(law, scheme))
    copy(here.V, there.V, d * d)
    if number % _AFRESH == _AFRESH - 1 and d > 2:
        make_orthogonal(there.V, tables, d)
    return good & ~svd(there.state, there.U, there.lam, there.V, d)


@part
def _stages(law: Law, energy: Any, A: Array, B: Array, here: Frames, room: Room) -> int:
    """The scheme of weak order 2, :class:`dlngeo.langevin._downstairs.WeakTwo`."""
    d, tables, stage, good = law.d, room.tables, room.stage, -1
    rows = d * d
    X = room.noise + 8 * LANES * rows
    fields(law, here, room.noise, X, 2, law.dt, tables)
    # what the stages take over is kept where the end of the step will be looked at
    drift, one, two = room.there.U, room.there.V, room.there.slope
    copy(tables.drift, drift, d * d)
    copy(tables.noise, one, d * d)
    copy(tables.second, two, d * d)
    for p in range(d):
        k = p * d + p
        put(tables.noise, k, at(tables.noise, k) - at(tables.correction, p))
    add(1 / 6, drift, tables.noise, rows)
    add(-1.5 / _ROOT2, two, tables.noise, rows)
    outside(here, tables.noise, tables.half, tables.noise, d)
    add(1.0, tables.noise, room.there.state, rows)
    for time, spread, share, of_B, of_X in _STAGES:
        zero(tables.noise, rows)
        add(time, drift, tables.noise, rows)
        add(time, one, tables.noise, rows)
        add(time * spread, two, tables.noise, rows)
        outside(here, tables.noise, tables.half, tables.noise, d)
        good &= _visit(law, energy, A, B, here, tables.noise, 1.0, room)
        zero(stage.state, rows)
        add(of_B, room.noise, stage.state, rows)
        add(of_X, X, stage.state, rows)
        velocity(law, stage, stage.state, True, share * law.dt, tables)
        add(1.0, tables.drift, room.there.state, rows)
    return good


@part
def _runge_kutta(law: Law, energy: Any, A: Array, B: Array, here: Frames, room: Room) -> int:
    """The classical method of order 4, where there is no noise."""
    rows, tables, good = law.d * law.d, room.tables, -1
    velocity(law, here, 0, False, law.dt, tables)
    add(1 / 6, tables.drift, room.there.state, rows)
    for share, weight in ((0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6)):
        good &= _visit(law, energy, A, B, here, tables.drift, share, room)
        velocity(law, room.stage, 0, False, law.dt, tables)
        add(weight, tables.drift, room.there.state, rows)
    return good


@part
def _visit(
    law: Law, energy: Any, A: Array, B: Array, here: Frames, way: int, share: float, room: Room
) -> int:
    """The stage at a share of a way from here; the lanes, as bits, whose frames were found."""
    stage = room.stage
    copy(here.state, stage.state, law.d * law.d)
    add(share, way, stage.state, law.d * law.d)
    copy(here.V, stage.V, law.d * law.d)
    unfinished = svd(stage.state, stage.U, stage.lam, stage.V, law.d)
    if law.slopes:
        _slope(law, WEAK_TWO, energy, A, B, stage, room)
    return ~unfinished


@kernel
def all_end_to_end(law: Law, scheme: int, paths: Paths, room: Room, W: int) -> None:
    """W of all states, to an address."""
    square = 8 * LANES * law.d * law.d
    for g in range(len(paths.done)):
        here = _here(paths, room, g, law.d)
        if paths.fresh[g]:
            paths.lame[g] |= _decompose(law, here, room.there, paths.fresh[g]) & paths.fresh[g]
            paths.fresh[g] = 0
        if scheme == ENTRIES:
            copy(here.state, W + g * square, law.d * law.d)
        else:
            end_to_end(here, W + g * square, room.tables.half, law.depth, law.d)
