r"""Tangent vectors of the balanced manifold on lanes: :mod:`dlngeo.balanced.tangent`, compiled.

At W_s = Q_s Λ Q_{s-1}ᵀ, in the frames Q, entries (k, l) and (l, k) of all layers stand by
themselves. Of λ_k and λ_l, scaled so that the larger is 1, everything is made: the profile
λ_k^{N-s} λ_l^{s-1} of what is horizontal, and the tridiagonal matrix with λ_k² + λ_l² on and
-λ_k λ_l beside its diagonal, which finds both the vertical part B_s Λ - Λ B_{s-1} (antisymmetric B)
and the normal one S_s Λ - Λ S_{s-1} (symmetric S).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dlngeo._compiled.kernels import part
from dlngeo._compiled.lanes import LANES, Lanes, at, choose, mul_add, put, splat
from dlngeo._compiled.langevin.chart import Law
from dlngeo._compiled.pairs import power


class Pair(NamedTuple):
    """Room for what a pair of singular values has in all layers: addresses of N + 1 rows each."""

    upper: int  # entries (k, l) of layers 1, …, N
    lower: int  # entries (l, k)
    solved: int  # B or S of the hidden layers 1, …, N - 1, with 0 before and after
    pivots: int  # the inverse pivots of the tridiagonal matrix
    first: int  # powers of λ_k
    second: int  # powers of λ_l


@part
def read(tables: int, p: int, q: int, common: Lanes, law: Law, pair: Pair) -> None:
    """Entries (p, q) and (q, p) of all layers, less what they have in common."""
    d = law.d
    for s in range(law.whole):
        row = s * d * d
        put(pair.upper, s + 1, at(tables, row + p * d + q) - common)
        put(pair.lower, s + 1, at(tables, row + q * d + p) - common)


@part
def _scaled(lam: int, p: int, q: int) -> tuple[Lanes, Lanes, Lanes]:
    """The larger of two λ, and both divided by it."""
    x, y = at(lam, p), at(lam, q)
    larger = choose(x > y, x, y)
    inverse = 1.0 / choose(larger > 0.0, larger, 1.0)
    return larger, x * inverse, y * inverse


@part
def _solve(k: Lanes, l: Lanes, depth: int, pair: Pair) -> None:  # noqa: E741
    """The tridiagonal system with the right-hand side in ``pair.solved``."""
    diagonal, beside = mul_add(k, k, l * l), k * l
    below, here = splat(0.0), splat(0.0)
    for p in range(1, depth):
        below = 1.0 / (diagonal - beside * beside * below)
        here = (at(pair.solved, p) + beside * here) * below
        put(pair.pivots, p, below)
        put(pair.solved, p, here)
    after = splat(0.0)
    for p in range(depth - 1, 0, -1):
        after = at(pair.solved, p) + beside * at(pair.pivots, p) * after
        put(pair.solved, p, after)
    put(pair.solved, 0, 0.0)
    put(pair.solved, depth, 0.0)


@part
def _right(k: Lanes, l: Lanes, sign: float, depth: int, pair: Pair) -> None:  # noqa: E741
    """Half of V_p Λ - Λ V_{p+1} and its transpose, with a sign."""
    for p in range(1, depth):
        one = at(pair.upper, p) * l - k * at(pair.upper, p + 1)
        two = at(pair.lower, p) * k - l * at(pair.lower, p + 1)
        put(pair.solved, p, 0.5 * (one + sign * two))


@part
def step(law: Law, lam: int, tables: int, E: int, pair: Pair) -> None:
    """The tangent step, in place of the tables Q_sᵀ ξ_s Q_{s-1} of noise √dt ξ.

    E is the table of E'(W).
    """
    d, depth, h = law.d, law.whole, law.dt
    across = math.sqrt(2 * law.temperature)
    for p in range(d):
        total = splat(0.0)
        for s in range(depth):
            total += at(tables, s * d * d + p * d + p)
        value = at(lam, p)
        move = across / depth * total - h * law.decay * value
        if law.slopes:
            move = move - h * power(value, law.depth - 1) * at(E, p * d + p)
        for s in range(depth):
            put(tables, s * d * d + p * d + p, move)
    for p in range(d - 1):
        for q in range(p + 1, d):
            _step_pair(law, lam, tables, E, p, q, across, pair)


@part
def _step_pair(
    law: Law, lam: int, tables: int, E: int, p: int, q: int, across: float, pair: Pair
) -> None:
    d, depth, along = law.d, law.whole, math.sqrt(2 / law.beta)
    larger, k, l = _scaled(lam, p, q)  # noqa: E741
    read(tables, p, q, splat(0.0), law, pair)
    put(pair.first, 0, 1.0)
    put(pair.second, 0, 1.0)
    for s in range(1, depth):
        put(pair.first, s, at(pair.first, s - 1) * k)
        put(pair.second, s, at(pair.second, s - 1) * l)
    up = down = square = splat(0.0)
    for s in range(1, depth + 1):
        one = at(pair.first, depth - s) * at(pair.second, s - 1)
        two = at(pair.second, depth - s) * at(pair.first, s - 1)
        up, down = mul_add(one, at(pair.upper, s), up), mul_add(two, at(pair.lower, s), down)
        square = mul_add(one, one, square)
    share = across / square
    up, down = share * up, share * down
    if law.slopes:
        steep = law.dt * power(larger, law.depth - 1)
        up = up - steep * at(E, p * d + q)
        down = down - steep * at(E, q * d + p)
    _right(k, l, -1.0, depth, pair)
    _solve(k, l, depth, pair)
    for s in range(1, depth + 1):
        one = at(pair.first, depth - s) * at(pair.second, s - 1)
        two = at(pair.second, depth - s) * at(pair.first, s - 1)
        here, before = at(pair.solved, s), at(pair.solved, s - 1)
        row = (s - 1) * d * d
        put(tables, row + p * d + q, along * (here * l - k * before) + up * one)
        put(tables, row + q * d + p, along * (l * before - k * here) + down * two)


@part
def straighten(lam: int, bent: int, p: int, q: int, law: Law, pair: Pair) -> None:
    """Add what is seen as tangent at Λ where P_T of the pair is sought at H = Λ + Θ.

    At Λ half of V_p Λ - Λ V_{p+1} less its transpose vanishes if V is normal; at H there is half of
    ``bent`` less its transpose besides, which an antisymmetric addition to V_p makes up for.
    """
    d, total = law.d, splat(0.0)
    inverse = 1.0 / (at(lam, p) + at(lam, q))
    for s in range(law.whole, 0, -1):
        row = (s - 1) * d * d
        total = total + (at(bent, row + p * d + q) - at(bent, row + q * d + p)) * inverse
        put(pair.upper, s, at(pair.upper, s) + total)
        put(pair.lower, s, at(pair.lower, s) - total)


@part
def without_normal_part(lam: int, p: int, q: int, law: Law, pair: Pair) -> Lanes:
    """The tangent part of a pair, in its place; the sum of its squares."""
    _, k, l = _scaled(lam, p, q)  # noqa: E741
    _right(k, l, 1.0, law.whole, pair)
    _solve(k, l, law.whole, pair)
    total = splat(0.0)
    for s in range(1, law.whole + 1):
        here, before = at(pair.solved, s), at(pair.solved, s - 1)
        one = at(pair.upper, s) - (here * l - k * before)
        two = at(pair.lower, s) - (here * k - l * before)
        put(pair.upper, s, one)
        put(pair.lower, s, two)
        total = mul_add(one, one, mul_add(two, two, total))
    return total


@part
def turn(lam: int, H: int, turns: int, p: int, q: int, mask: Any, law: Law, pair: Pair) -> Lanes:
    """A tangent pair A_s Λ + Θ - Λ A_{s-1}, A_0 = 0: Θ is added to H, A_s kept, where masked.

    The sum of the squares of A's two entries in all layers is returned.
    """
    d, l = law.d, at(lam, q)  # noqa: E741
    inverse, angle, square = 1.0 / (at(lam, p) + l), splat(0.0), splat(0.0)
    change = at(pair.upper, 1)
    for s in range(1, law.whole + 1):
        angle = angle + (at(pair.upper, s) - at(pair.lower, s)) * inverse
        square = mul_add(angle, angle, square)
        kept = choose(mask, angle, 0.0)
        put(turns, (s - 1) * d * d + p * d + q, kept)
        put(turns, (s - 1) * d * d + q * d + p, -kept)
        if s == 1:
            change = change - angle * l
    entry = at(H, p * d + q) + choose(mask, change, 0.0)
    put(H, p * d + q, entry)
    put(H, q * d + p, entry)
    return square + square


@part
def block(rows: int, s: int, size: int) -> int:
    """The address of block s of an array of blocks of so many rows."""
    return rows + s * size * 8 * LANES
