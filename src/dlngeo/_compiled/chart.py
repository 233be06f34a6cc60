r"""Drift and noise in the root chart on lanes: :mod:`dlngeo.langevin.root_chart`, compiled.

At Y = Σ_p λ_p u_p v_pᵀ the field is U A Vᵀ, and A is made of the tables Uᵀ B V of the noise and of
E'(W), pair by pair.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dlngeo._compiled.jacobi import product
from dlngeo._compiled.kernels import part
from dlngeo._compiled.lanes import at, choose, put
from dlngeo._compiled.pairs import brownian, entropic, power, shapes


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

    noise: int  # Uᵀ B V
    slope: int  # Uᵀ E'(W) V
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
def velocity(
    law: Law, frames: Frames, B: int, noisy: bool, h: float, ito: bool, room: Tables
) -> None:
    """The drift times h, and the noise carried to Y: into ``room.noise``.

    At h = 0 the noise alone.
    """
    d, A, E = law.d, room.noise, room.slope
    slopes = law.slopes and h != 0
    if noisy:
        inside(frames, B, A, room.half, d)
    else:
        for k in range(d * d):
            put(A, k, 0.0)
    if slopes:
        inside(frames, frames.slope, E, room.half, d)
    amplitude = math.sqrt(2 * law.temperature)
    for p in range(d):
        lam = at(frames.lam, p)
        drift = -law.decay * lam
        if slopes:
            drift -= power(lam, law.depth - 1) * at(E, p * d + p)
        put(A, p * d + p, amplitude / math.sqrt(law.depth) * at(A, p * d + p) + h * drift)
    for p in range(d - 1):
        for q in range(p + 1, d):
            _pair(law, frames.lam, A, E, p, q, amplitude, h, ito, slopes)
    outside(frames, A, room.half, A, d)


@part
def _pair(
    law: Law, lam: int, A: int, E: int, p: int, q: int,
    amplitude: float, h: float, ito: bool, slopes: bool,
) -> None:  # fmt: skip
    """What λ_p and λ_q have between them, into the table of a field."""
    d = law.d
    x, y = at(lam, p), at(lam, q)
    first = x >= y
    larger, smaller = choose(first, x, y), choose(first, y, x)
    there = larger > 0.0
    inverse = 1.0 / choose(there, larger, 1.0)
    ratio, gap = smaller * inverse, (larger - smaller) * inverse
    inverse = choose(there, inverse, 0.0)
    S, steep, short = shapes(ratio, gap, law.depth, law.whole)
    onto_larger, onto_smaller, stretched = brownian(S, short, ratio, law.depth, ito)
    up, down = law.temperature * onto_larger, law.temperature * onto_smaller
    upper, lower = p * d + q, q * d + p
    even, odd = at(A, upper) + at(A, lower), at(A, upper) - at(A, lower)
    even, odd = even * (0.5 * amplitude) / stretched, odd * (0.5 * amplitude) * stretched
    if h != 0:
        if law.entropy:
            pull, push = entropic(ratio, gap, law.depth, law.whole)
            share = 1 / (law.depth * law.beta)
            up, down = up + share * pull, down + share * push
        up, down = h * inverse * up, h * inverse * down
        put(A, p * d + p, at(A, p * d + p) + choose(first, up, down))
        put(A, q * d + q, at(A, q * d + q) + choose(first, down, up))
    if slopes:
        steep = (0.5 * h) * (steep * power(larger, law.depth - 1))
        even -= steep * (at(E, upper) + at(E, lower)) / S
        odd -= steep * (at(E, upper) - at(E, lower))
    put(A, upper, even + odd)
    put(A, lower, even - odd)
