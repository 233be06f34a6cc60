"""What a step on lanes must heed: its length, the sign of det W, delicate decompositions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlngeo._compiled.jacobi import product
from dlngeo._compiled.kernels import part
from dlngeo._compiled.lanes import (
    Lanes,
    at,
    bits,
    choose,
    mask_of,
    mul_add,
    put,
    root,
    signed,
    size,
    splat,
)
from dlngeo._compiled.langevin.chart import Frames, Law, Tables
from dlngeo._compiled.pairs import power

ROOT, ENTRIES, WEAK_TWO = 0, 1, 2  # schemes
TURN = 4.0  # a step may lead to where the drift turns this fast, in units of 1/dt


@part
def slow(law: Law, scheme: int, top: Lanes, steep: Lanes, turn: float) -> Any:
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
def farthest(law: Law, scheme: int) -> float:
    """The largest norm of states whose W does not leave floating point."""
    largest = 1.79e308
    return largest if scheme == ENTRIES else largest ** (1 / law.depth)


@part
def keep_sign(here: Frames, there: Frames, kept: Lanes, half: int, d: int) -> None:
    """Reflect where the way may have changed the determinant's sign (Weyl), and has."""
    way, least = splat(0.0), at(here.lam, 0)
    for k in range(d * d):
        step = at(there.state, k) - at(here.state, k)
        way = mul_add(step, step, way)
    for p in range(1, d):
        least = choose(at(here.lam, p) < least, at(here.lam, p), least)
    near = bits(root(way) >= 0.999 * least)
    if near:
        turned = near & bits(_orientation(there, half, d) * kept < 0.0)
        if turned:
            _reflect(there, turned, d)


@part
def _orientation(frames: Frames, R: int, d: int) -> Lanes:
    """The sign of det W: of U's, as V turns; for d = 2 as it is."""
    Y = frames.state
    if d == 1:
        return at(Y, 0)
    if d == 2:
        beside = at(Y, 1) * at(Y, 2)
        return mul_add(at(Y, 0), at(Y, 3), -beside) + mul_add(-at(Y, 1), at(Y, 2), beside)
    return orientation(frames.U, R, d)


@part
def orientation(A: int, R: int, d: int) -> Lanes:
    """A number with the sign of det A, by Householder's reflections."""
    for k in range(d * d):
        put(R, k, at(A, k))
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


@part
def graded(frames: Frames, d: int) -> int:
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
def make_orthogonal(V: int, room: Tables, d: int) -> None:
    """V (3 - VᵀV)/2: what rounding has added up over many rotations, squared."""
    product(V, d, 1, V, d, 1, room.half, d)
    product(room.half, d, 1, V, 1, d, room.drift, d)
    for k in range(d * d):
        put(V, k, 1.5 * at(V, k) - 0.5 * at(room.drift, k))
