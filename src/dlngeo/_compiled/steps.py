"""Many steps of many paths, eight at a time: what the engine ``numba`` calls.

A step is taken whole where the drift allows it there and where it leads, as
:mod:`dlngeo._paths.bridges` says; lanes for which it is not are left where they are and named, and
their eight stop until somebody has taken that step for them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._compiled.chart import Frames, Law, Tables, end_to_end, velocity
from dlngeo._compiled.entries import increment, layer_size
from dlngeo._compiled.jacobi import product, svd
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
    signed,
    size,
    splat,
)
from dlngeo._compiled.pairs import power

ROOT, ENTRIES = 0, 1  # schemes
_TURN = 4.0  # a step may lead to where the drift turns this fast, in units of 1/dt
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
        if paths.fresh[g]:
            paths.lame[g] |= _decompose(law, here, room.there, paths.fresh[g]) & paths.fresh[g]
            paths.fresh[g] = 0
        top, steep = _look(law, scheme, energy, A, B, here, room)
        while paths.done[g] < n_steps and paths.left[g] == 0:
            step = paths.done[g]
            for k in range(LANES):
                _draw(noise[paths.rows[g, k], first + step], room.noise, k, math.sqrt(law.dt))
            whole = bits(_slow(law, scheme, top, steep, 1.0)) & ~paths.lame[g]
            paths.lame[g] = 0
            if scheme == ENTRIES and law.d > 2:
                whole &= ~_graded(here, law.d)
            good = _step(law, scheme, here, room, at(paths.kept, g), before + step)
            there_top, there_steep = _look(law, scheme, energy, A, B, room.there, room)
            good &= whole & bits(_slow(law, scheme, there_top, there_steep, _TURN))
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
def _copy(A: int, B: int, d: int) -> None:
    """A to B."""
    for k in range(d * d):
        put(B, k, at(A, k))


@part
def _decompose(law: Law, here: Frames, there: Frames, lanes: int) -> int:
    """The frames of states in some lanes, from the V at hand; where that did not come to an end."""
    _copy(here.V, there.V, law.d)
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
    d = law.d
    top, steep = at(frames.lam, 0), splat(0.0)
    for p in range(1, d):
        top = choose(at(frames.lam, p) > top, at(frames.lam, p), top)
    if scheme == ENTRIES:
        top = layer_size(top, law.depth)
    if law.slopes:
        W = room.W.ctypes.data
        if scheme == ENTRIES:
            _copy(frames.state, W, d)
        else:
            end_to_end(frames, W, room.tables.half, law.depth, d)
        energy(A, B, room.W, room.W_slope, room.value)
        _copy(room.W_slope.ctypes.data, frames.slope, d)
        for k in range(d * d):
            steep = mul_add(at(frames.slope, k), at(frames.slope, k), steep)
    return top, root(steep)


@part
def _slow(law: Law, scheme: int, top: Lanes, steep: Lanes, turn: float) -> Any:
    """Whether dt times the drift's Lipschitz constant is at most ``turn``, noise looked ahead.

    :mod:`dlngeo.langevin.lipschitz` without its root: h R (1 + s √h/λ_1)^{2N-2} <= 1.
    """
    depth, room = law.depth, turn / law.dt - law.decay
    h = 1 / room if room > 0 else np.inf
    spread = 3 * math.sqrt(2 * law.temperature * h)
    bend = 2.0 if scheme == ENTRIES else 1.0
    if not law.slopes:
        rate, ahead = splat(0.0), splat(1.0)
    elif depth == np.inf:
        rate = top * top * law.curvature + bend * top * steep
        ahead = splat(math.exp(2 * spread))
    else:
        rate = depth * law.curvature * power(top, 2 * depth - 2)
        if depth > 1:
            rate = rate + bend * (depth - 1) * power(top, depth - 2) * steep
        ahead = power(1.0 + spread / math.sqrt(depth) / top, 2 * depth - 2)
    return (h * rate * ahead <= 1.0) & (rate >= 0.0)


@part
def _step(law: Law, scheme: int, here: Frames, room: Room, kept: Lanes, number: int) -> int:
    """One step, to ``room.there``; the lanes, as bits, in which it led somewhere."""
    d, there, move = law.d, room.there, room.tables.noise
    noisy = law.temperature > 0
    if scheme == ENTRIES:
        increment(law, here, room.noise, noisy, law.dt, room.tables)
    else:
        velocity(law, here, room.noise, noisy, law.dt, True, room.tables)
    way, norm = splat(0.0), splat(0.0)
    for k in range(d * d):
        new, step = at(here.state, k) + at(move, k), at(move, k)
        put(there.state, k, new)
        put(there.V, k, at(here.V, k))
        way, norm = mul_add(step, step, way), mul_add(new, new, norm)
    if number % _AFRESH == _AFRESH - 1 and d > 2:
        _make_orthogonal(there.V, room.tables, d)
    good = bits(root(norm) <= _range(law, scheme))
    good &= ~svd(there.state, there.U, there.lam, there.V, d)
    if law.bounded:
        least = at(here.lam, 0)
        for p in range(1, d):
            least = choose(at(here.lam, p) < least, at(here.lam, p), least)
        near = bits(root(way) >= 0.999 * least)
        if near:
            sign = _orientation(there, room.tables.half, d)
            turned = near & bits(sign * kept < 0.0)
            if turned:
                _reflect(there, turned, d)
    return good


@part
def _graded(frames: Frames, d: int) -> int:
    """Lanes whose small singular values need more care, :func:`dlngeo._linalg.svd`."""
    low = high = at(frames.lam, 0)
    for p in range(1, d):
        low = choose(at(frames.lam, p) < low, at(frames.lam, p), low)
        high = choose(at(frames.lam, p) > high, at(frames.lam, p), high)
    small = bits(low < 1e-3 * high)
    if small == 0:
        return 0
    return small & (_uneven(frames.state, d, 1, d) | _uneven(frames.state, 1, d, d))


@part
def _uneven(Y: int, i: int, j: int, d: int) -> int:
    """Lanes whose rows, or columns, differ by more than a factor of 100 in size."""
    least, most = splat(np.inf), splat(0.0)
    for p in range(d):
        largest = splat(0.0)
        for q in range(d):
            entry = size(at(Y, p * i + q * j))
            largest = choose(entry > largest, entry, largest)
        least = choose(largest < least, largest, least)
        most = choose(largest > most, largest, most)
    return bits(least < 1e-2 * most)


@part
def _range(law: Law, scheme: int) -> float:
    """The largest norm of states whose W does not leave floating point."""
    largest = 1.79e308
    return largest if scheme == ENTRIES else largest ** (1 / law.depth)


@part
def _make_orthogonal(V: int, room: Tables, d: int) -> None:
    """V (3 - VᵀV)/2: what rounding has added up over many rotations, squared."""
    product(V, d, 1, V, d, 1, room.half, d)
    product(room.half, d, 1, V, 1, d, room.slope, d)
    for k in range(d * d):
        put(V, k, 1.5 * at(V, k) - 0.5 * at(room.slope, k))


@part
def _orientation(frames: Frames, R: int, d: int) -> Lanes:
    """The sign of det W: of U's, by Householder's reflections, as V turns; for d = 2 as it is."""
    Y = frames.state
    if d == 1:
        return at(Y, 0)
    if d == 2:
        beside = at(Y, 1) * at(Y, 2)
        return mul_add(at(Y, 0), at(Y, 3), -beside) + mul_add(-at(Y, 1), at(Y, 2), beside)
    for k in range(d * d):
        put(R, k, at(frames.U, k))
    sign = splat(1.0)
    for p in range(d - 1):
        square = splat(0.0)
        for k in range(p, d):
            square = mul_add(at(R, p * d + k), at(R, p * d + k), square)
        first = at(R, p * d + p)
        sign = signed(sign, sign * first)
        # v = x + sign(x_0) ‖x‖ e_0, and 2/‖v‖²
        head = first + signed(root(square), first)
        factor = 1.0 / (square + size(first) * root(square))
        put(R, p * d + p, head)
        for q in range(p + 1, d):
            along = splat(0.0)
            for k in range(p, d):
                along = mul_add(at(R, p * d + k), at(R, q * d + k), along)
            along = along * factor
            for k in range(p, d):
                put(R, q * d + k, at(R, q * d + k) - along * at(R, p * d + k))
    return sign * at(R, d * d - 1)


@part
def _reflect(frames: Frames, lanes: int, d: int) -> None:
    """The smallest singular value of some lanes to its other side."""
    least = at(frames.lam, 0)
    for p in range(1, d):
        least = choose(at(frames.lam, p) < least, at(frames.lam, p), least)
    for p in range(d):
        some = lanes & bits(at(frames.lam, p) == least)
        lanes &= ~some
        if some == 0:
            continue
        mask, twice = mask_of(some), 2.0 * at(frames.lam, p)
        for i in range(d):
            u = at(frames.U, p * d + i)
            for j in range(d):
                entry = at(frames.state, i * d + j)
                turned = entry - twice * u * at(frames.V, p * d + j)
                put(frames.state, i * d + j, choose(mask, turned, entry))
            put(frames.U, p * d + i, choose(mask, -u, u))


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
            _copy(here.state, W + g * square, law.d)
        else:
            end_to_end(here, W + g * square, room.tables.half, law.depth, law.d)
