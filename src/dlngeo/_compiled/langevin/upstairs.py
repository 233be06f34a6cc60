"""Many steps of balanced weights, eight paths at a time: the scheme ``projection``.

Where a path is are the frames Q_0, …, Q_N and λ of its weights W_s = Q_s Λ Q_{s-1}ᵀ; a step needs
no decomposition of weights. As in :mod:`~dlngeo._compiled.langevin.steps` a step is taken whole or
left, with the lane's name, to somebody else.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dlngeo._checks import Array
from dlngeo._compiled.jacobi import product
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
from dlngeo._compiled.langevin.chart import Frames, Law, copy, end_to_end
from dlngeo._compiled.langevin.heed import TURN
from dlngeo._compiled.langevin.nearest import Search, search
from dlngeo._compiled.langevin.tangent import block, step
from dlngeo._compiled.pairs import power

_AFRESH = 16  # steps after which frames are made orthogonal again


class LayerPaths(NamedTuple):
    """Where all paths are, eight by eight."""

    layers: Array  # (group, rows, 8), as Q and λ; of groups that wait, and where they are asked for
    Q: Array  # the columns of Q_0, …, Q_N as rows
    lam: Array
    rows: Array  # (group, 8): which path is in a lane
    alive: Array  # (group,): lanes that are followed, as bits
    done: Array  # (group,): steps of the block that are taken
    left: Array  # (group,): lanes that wait for the last of these to be taken for them


class LayerRoom(NamedTuple):
    """What eight paths need for a step: addresses, and arrays for the energy."""

    here: int  # E'(W) where they are
    Q: int  # where a step leads
    lam: int
    slope: int
    E: int  # the table of E'(W)
    search: Search
    W: Array  # (d, d, 8), as its slope
    W_slope: Array
    value: Array


class _At(NamedTuple):
    """A place: addresses."""

    Q: int
    lam: int
    slope: int


@kernel
def advance_layers(
    law: Law, energy: Any, A: Array, B: Array, paths: LayerPaths, room: LayerRoom, noise: Array,
    first: int, n_steps: int, before: int,
) -> None:  # fmt: skip
    """Take all groups to the end of a block, or to a step that a lane cannot take whole.

    ``noise`` is (path, step, size), ``first`` its first step and ``before`` that step's number.
    """
    scale, there = math.sqrt(law.dt), _At(room.Q, room.lam, room.slope)
    rows = law.d * law.d
    for g in range(len(paths.done)):
        here = _here(paths, room, g, law)
        paths.left[g] = 0
        if paths.alive[g] == 0 or paths.done[g] == n_steps:
            continue
        top, steep = _look(law, energy, A, B, here, room)
        while paths.done[g] < n_steps and paths.left[g] == 0:
            number = paths.done[g]
            for k in range(LANES):
                normals = noise[paths.rows[g, k], first + number]
                for entry in range(len(normals)):
                    put_lane(room.search.turns, entry, k, scale * normals[entry])
            good = bits(_slow(law, here.lam, top, steep, 1.0))
            good &= _step(law, here, there, room, before + number)
            there_top, there_steep = _look(law, energy, A, B, there, room)
            good &= bits(_slow(law, there.lam, there_top, there_steep, TURN))
            mask = mask_of(good)
            _move(there.Q, here.Q, mask, (law.whole + 1) * rows)
            _move(there.lam, here.lam, mask, law.d)
            _move(there.slope, here.slope, mask, rows)
            top, steep = choose(mask, there_top, top), choose(mask, there_steep, steep)
            paths.left[g] = paths.alive[g] & ~good
            paths.done[g] = number + 1
        if paths.left[g]:
            _layers(law, here, paths.layers.ctypes.data, g, room.search.half)


@kernel
def all_layers(law: Law, paths: LayerPaths, room: LayerRoom) -> None:
    """The layers of all paths."""
    for g in range(len(paths.done)):
        here = _here(paths, room, g, law)
        _layers(law, here, paths.layers.ctypes.data, g, room.search.half)


@part
def _here(paths: LayerPaths, room: LayerRoom, g: int, law: Law) -> _At:
    Q = block(paths.Q.ctypes.data, g, (law.whole + 1) * law.d * law.d)
    return _At(Q, block(paths.lam.ctypes.data, g, law.d), room.here)


@part
def _layers(law: Law, here: _At, layers: int, g: int, half: int) -> None:
    """W_s = Q_s Λ Q_{s-1}ᵀ of a group."""
    d, rows = law.d, law.d * law.d
    for s in range(law.whole):
        above, below = block(here.Q, s + 1, rows), block(here.Q, s, rows)
        for k in range(rows):
            put(half, k, at(above, k) * at(here.lam, k // d))
        product(half, 1, d, below, 1, d, block(layers, g * law.whole + s, rows), d)


@part
def _move(there: int, here: int, mask: Any, rows: int) -> None:
    for k in range(rows):
        put(here, k, choose(mask, at(there, k), at(here, k)))


@part
def _look(
    law: Law, energy: Any, A: Array, B: Array, place: _At, room: LayerRoom
) -> tuple[Lanes, Lanes]:
    """E'(W) of a place; the largest λ and ‖E'‖."""
    d, rows = law.d, law.d * law.d
    top, steep = at(place.lam, 0), splat(0.0)
    for p in range(1, d):
        top = choose(at(place.lam, p) > top, at(place.lam, p), top)
    if law.slopes:
        frames = Frames(0, block(place.Q, law.whole, rows), place.lam, place.Q, 0)
        end_to_end(frames, room.W.ctypes.data, room.search.half, law.depth, d)
        energy(A, B, room.W, room.W_slope, room.value)
        copy(room.W_slope.ctypes.data, place.slope, rows)
        for k in range(rows):
            steep = mul_add(at(place.slope, k), at(place.slope, k), steep)
    return top, root(steep)


@part
def _slow(law: Law, lam: int, top: Lanes, steep: Lanes, turn: float) -> Any:
    """As :func:`dlngeo._compiled.langevin.heed.slow`, with the pole where two λ vanish."""
    depth, room = law.depth, splat(turn / law.dt - law.decay)
    if law.d > 1:
        least = at(lam, 0)
        second = splat(1.79e308)
        for p in range(1, law.d):
            value = at(lam, p)
            lower = value < least
            second = choose(lower, least, choose(value < second, value, second))
            least = choose(lower, value, least)
        both = least + second
        share = 2 * (depth - 1) * (1 + law.temperature * law.beta) / law.beta
        room = room - share / (both * both)
    h = 1.0 / room
    if not law.slopes:
        return room > 0.0
    rate = depth * law.curvature * power(top, 2 * depth - 2)
    rate = rate + (depth - 1) * power(top, depth - 2) * steep
    spread = root(h) * (3 * math.sqrt(2 * law.temperature / depth))
    ahead = power(1.0 + spread / top, 2 * depth - 2)
    return (room > 0.0) & (h * rate * ahead <= 1.0) & (rate >= 0.0)


@part
def _step(law: Law, here: _At, there: _At, room: LayerRoom, number: int) -> int:
    """One step, to ``there``; the lanes, as bits, in which it led somewhere."""
    d, rows, depth, find = law.d, law.d * law.d, law.whole, room.search
    for s in range(depth):
        above, below = block(here.Q, s + 1, rows), block(here.Q, s, rows)
        _inside(above, block(find.turns, s, rows), below, find.half, block(find.Y, s, rows), d)
    if law.slopes:
        _inside(block(here.Q, depth, rows), here.slope, here.Q, find.half, room.E, d)
    step(law, here.lam, find.Y, room.E, find.pair)
    good, turned = search(law, here.lam, find)
    copy(find.lam, there.lam, d)
    for s in range(depth + 1):
        new = block(there.Q, s, rows)
        product(block(find.G, s, rows), d, 1, block(here.Q, s, rows), 1, d, new, d)
        if number % _AFRESH == _AFRESH - 1:
            _make_orthogonal(new, find, d)
    if bits(turned < 0.0):
        _reflect(there, block(there.Q, depth, rows), turned, d)
    norm = splat(0.0)
    for p in range(d):
        norm = mul_add(at(there.lam, p), at(there.lam, p), norm)
    return good & bits(root(norm) <= 1.79e308 ** (1 / law.depth))


@part
def _inside(above: int, B: int, below: int, half: int, table: int, d: int) -> None:
    """The table Qᵀ B P."""
    product(above, d, 1, B, 1, d, half, d)
    product(half, d, 1, below, d, 1, table, d)


@part
def _make_orthogonal(Q: int, find: Search, d: int) -> None:
    """(3 - QQᵀ) Q/2: what rounding has added up over many rotations, squared."""
    product(Q, d, 1, Q, d, 1, find.half, d)
    product(find.half, d, 1, Q, 1, d, find.U, d)
    for k in range(d * d):
        put(Q, k, 1.5 * at(Q, k) - 0.5 * at(find.U, k))


@part
def _reflect(there: _At, last: int, turned: Lanes, d: int) -> None:
    """The smallest λ to its other side: the last frame's vector turned round."""
    least = at(there.lam, 0)
    for p in range(1, d):
        least = choose(at(there.lam, p) < least, at(there.lam, p), least)
    lanes = bits(turned < 0.0)
    for p in range(d):
        some = lanes & bits(at(there.lam, p) == least)
        lanes &= ~some
        mask = mask_of(some)
        for k in range(p * d, p * d + d):
            put(last, k, choose(mask, -at(last, k), at(last, k)))
