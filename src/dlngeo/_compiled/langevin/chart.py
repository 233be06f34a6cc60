r"""Drift and noise in the root chart on lanes: :mod:`dlngeo.langevin.root_chart`, compiled.

At Y = Σ_p λ_p u_p v_pᵀ the field is U A Vᵀ, and A is made of the tables Uᵀ B V of the noise and of
E'(W), pair by pair.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dlngeo._compiled.jacobi import product
from dlngeo._compiled.kernels import part
from dlngeo._compiled.lanes import Lanes, at, choose, mul_add, put, root, splat
from dlngeo._compiled.pairs import brownian, entropic, power, shapes, stratonovich


class Law(NamedTuple):
    """The equation as a kernel takes it."""

    d: int
    depth: float
    whole: int  # the depth, where sums of powers serve; else 0
    temperature: float
    beta: float
    decay: float  # of the state
    entropy: bool
    bounded: bool  # whether det W keeps its sign
    slopes: bool  # whether there is an energy
    curvature: float  # the norm of E''
    dt: float


class Frames(NamedTuple):
    """Where eight paths are: addresses of a state, of its decomposition and of E'(W) there."""

    state: int
    U: int
    lam: int
    V: int
    slope: int


class Tables(NamedTuple):
    """Room for what a field is made of: addresses."""

    noise: int  # Uᵀ B V, then the noise of B
    second: int  # the same of another increment
    drift: int  # Uᵀ E'(W) V, then the drift
    correction: int  # half the noise's derivative along itself: a diagonal
    half: int


@part
def inside(frames: Frames, B: int, table: int, half: int, d: int) -> None:
    """The table Uᵀ B V."""
    product(frames.U, d, 1, B, 1, d, half, d)
    product(half, d, 1, frames.V, d, 1, table, d)


@part
def outside(frames: Frames, table: int, half: int, new: int, d: int) -> None:
    """The matrix U A Vᵀ of a table A; it may be written over the table."""
    product(table, d, 1, frames.V, 1, d, half, d)
    product(frames.U, 1, d, half, 1, d, new, d)


@part
def end_to_end(frames: Frames, W: int, half: int, depth: float, d: int) -> None:
    """The matrix U Λ^N Vᵀ."""
    for p in range(d):
        factor = power(at(frames.lam, p), depth)
        for k in range(p * d, p * d + d):
            put(half, k, at(frames.U, k) * factor)
    product(half, 1, d, frames.V, 1, d, W, d)


@part
def fields(law: Law, frames: Frames, B: int, X: int, noises: int, h: float, room: Tables) -> None:
    """The tables of Itô's drift times h, and of the noise of B, with ``noises`` = 2 of X too.

    Then the correction besides.
    """
    d, E = law.d, room.drift
    if noises > 0:
        inside(frames, B, room.noise, room.half, d)
    if noises > 1:
        inside(frames, X, room.second, room.half, d)
    if law.slopes:
        inside(frames, frames.slope, E, room.half, d)
    else:
        zero(E, d * d)
    amplitude = math.sqrt(2 * law.temperature)
    for p in range(d):
        lam, k = at(frames.lam, p), p * d + p
        slope = power(lam, law.depth - 1) * at(E, k) if law.slopes else splat(0.0)
        put(E, k, -h * (law.decay * lam + slope))
        put(room.correction, p, 0.0)
        if noises > 0:
            put(room.noise, k, amplitude / math.sqrt(law.depth) * at(room.noise, k))
        if noises > 1:
            put(room.second, k, amplitude / math.sqrt(law.depth) * at(room.second, k))
    for p in range(d - 1):
        for q in range(p + 1, d):
            _pair(law, frames.lam, p, q, noises, amplitude, h, room)


@part
def _pair(
    law: Law, lam: int, p: int, q: int, noises: int, amplitude: float, h: float, room: Tables
) -> None:
    """What λ_p and λ_q have between them, into the tables."""
    d, E = law.d, room.drift
    x, y = at(lam, p), at(lam, q)
    first = x >= y
    larger, smaller = choose(first, x, y), choose(first, y, x)
    there = larger > 0.0
    inverse = 1.0 / choose(there, larger, 1.0)
    ratio, gap = smaller * inverse, (larger - smaller) * inverse
    inverse = choose(there, inverse, 0.0)
    S, steep, short = shapes(ratio, gap, law.depth, law.whole)
    up, down = brownian(S, short, ratio, law.depth)
    upper, lower, stretched = p * d + q, q * d + p, root(S)
    if noises > 0:
        even, odd = 0.5 * amplitude / stretched, 0.5 * amplitude * stretched
        _split(room.noise, upper, lower, even, odd)
        if noises > 1:
            _split(room.second, upper, lower, even, odd)
            other, another = stratonovich(S, stretched, short, ratio, law.depth)
            factor = h * law.temperature * inverse
            other, another = factor * (up - other), factor * (down - another)
            put(room.correction, p, at(room.correction, p) + choose(first, other, another))
            put(room.correction, q, at(room.correction, q) + choose(first, another, other))
    up, down = law.temperature * up, law.temperature * down
    if law.entropy:
        pull, push = entropic(ratio, gap, law.depth, law.whole)
        share = 1 / (law.depth * law.beta)
        up, down = up + share * pull, down + share * push
    up, down = h * inverse * up, h * inverse * down
    put(E, p * d + p, at(E, p * d + p) + choose(first, up, down))
    put(E, q * d + q, at(E, q * d + q) + choose(first, down, up))
    if law.slopes:
        steep = (-0.5 * h) * (steep * power(larger, law.depth - 1))
        _split(E, upper, lower, steep / S, steep)


@part
def _split(table: int, upper: int, lower: int, even: Lanes, odd: Lanes) -> None:
    """Multiply even and odd part of a pair of entries."""
    plus = even * (at(table, upper) + at(table, lower))
    minus = odd * (at(table, upper) - at(table, lower))
    put(table, upper, plus + minus)
    put(table, lower, plus - minus)


@part
def velocity(law: Law, frames: Frames, B: int, noisy: bool, h: float, room: Tables) -> None:
    """Itô's drift times h and the noise of B, carried to Y: into ``room.drift``."""
    fields(law, frames, B, B, 1 if noisy else 0, h, room)
    if noisy:
        add(1.0, room.noise, room.drift, law.d * law.d)
    outside(frames, room.drift, room.half, room.drift, law.d)


@part
def zero(A: int, rows: int) -> None:
    """Zeros."""
    for k in range(rows):
        put(A, k, 0.0)


@part
def add(factor: float, A: int, B: int, rows: int) -> None:
    """B + factor A, to B."""
    for k in range(rows):
        put(B, k, mul_add(splat(factor), at(A, k), at(B, k)))


@part
def copy(A: int, B: int, rows: int) -> None:
    """A to B."""
    for k in range(rows):
        put(B, k, at(A, k))
