"""Steps of gradient flows on lanes, each member with its own step size.

Members stand in rows, ``y[member]``, and eight of them, a tile, are taken at a time through scratch
that stays in the cache; where fewer than eight are named, the last stands for those that lack.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._compiled.flows.velocity import Problem, Rows, rest, velocity
from dlngeo._compiled.kernels import bare, kernel
from dlngeo._compiled.lanes import LANES, Lanes, at, choose, mul_add, put, root, size, splat


class Pair(NamedTuple):
    """Dormand and Prince's 8(5,3): the rows of A from the second stage on, then b; its errors."""

    starts: Array  # where the coefficients of a stage begin
    stages: Array  # the slopes that they multiply
    coefficients: Array
    three: Array
    five: Array


class Chebyshev(NamedTuple):
    """A stabilised method of one number of stages.

    Two recurrences, (stages, 3): of h times the slope, of the last two states; between them four
    stages, whose coefficients (4, 4) are those of stages 2, 3, 4 and of what comes of them.
    """

    first: Array
    second: Array
    finish: Array
    error: Array  # weights of the state before, the first body's end, three slopes, the new state


class Members(NamedTuple):
    """Members in rows, with their step sizes and absolute tolerances."""

    y: Array
    f: Array
    h: Array
    atol: Array


class Outcome(NamedTuple):
    """What a step brought."""

    y: Array  # where the error is at most ``limit``, else what was before
    f: Array
    value: Array  # E, at the step's end in any case
    slope: Array  # ‖E'‖
    error: Array
    stiffness: Array  # h times the spectral radius, as the last two slopes of the pair show it
    limit: float


@kernel
def layout(begins: Array, numbers: Array) -> Rows:
    """Rows from two arrays."""
    b = begins
    return Rows(b[0], numbers[0], numbers[1], b[1], b[2], b[3], b[4], b[5], b[6], b[7])


@kernel
def load(S: Array, rows: Rows, members: Members, names: Array, first: int) -> int:
    """Put the members named from ``first`` on into lanes: states, and h times their velocities."""
    count = min(LANES, names.size - first)
    y, f = members.y, members.f
    for lane in range(LANES):
        q = names[first + min(lane, count - 1)]
        S[rows.scalars, lane], S[rows.scalars + 1, lane] = members.h[q], members.atol[q]
    for lane in range(LANES):
        q = names[first + min(lane, count - 1)]
        for k in range(rows.size):
            S[rows.before + k, lane] = y[q, k]
            S[rows.slopes + k, lane] = f[q, k]
    h = at(S, rows.scalars)
    for k in range(rows.size):
        put(S, rows.slopes + k, h * at(S, rows.slopes + k))
    return count


@kernel
def hand_over(
    S: Array, rows: Rows, slope: Array, value: Array, members: Members, out: Outcome, last: int,
    names: Array, first: int, count: int,
) -> None:  # fmt: skip
    """What became of a tile: rows 2 and 3 of the scalars are error and stiffness."""
    entries, square, s = slope.shape[0] * slope.shape[1], splat(0.0), rows.scalars
    for k in range(rows.W + entries, rows.W + 2 * entries):
        square = mul_add(at(S, k), at(S, k), square)
    put(S, s + 4, root(square))
    for lane in range(count):
        q = names[first + lane]
        out.value[q], out.slope[q] = value[lane], S[s + 4, lane]
        out.error[q], out.stiffness[q] = S[s + 2, lane], S[s + 3, lane]
        if out.error[q] <= out.limit and math.isfinite(value[lane]):
            for k in range(rows.size):
                out.y[q, k], out.f[q, k] = S[rows.after + k, lane], S[last + k, lane]
        else:
            out.y[q], out.f[q] = members.y[q], members.f[q]


@kernel
def look(
    S: Array, begins: Array, numbers: Array, widths: Array, energy: Any, A: Array, B: Array,
    y: Array, f: Array, h: Array, atol: Array,
    y_new: Array, f_new: Array, value: Array, slope: Array, error: Array, stiffness: Array,
) -> None:  # fmt: skip
    """The velocities of states, E and ‖E'‖."""
    S, widths, rows = bare(S), bare(widths), layout(begins, numbers)
    problem, members = Problem(widths, energy, bare(A), bare(B)), Members(bare(y), bare(f), h, atol)
    out = Outcome(bare(y_new), bare(f_new), value, slope, error, stiffness, numbers[3])
    W, E1, E = views(S, rows, widths)
    names = np.arange(h.size)
    for first in range(0, h.size, LANES):
        count = load(S, rows, members, names, first)
        for k in range(rows.size):
            put(S, rows.after + k, at(S, rows.before + k))
        rest(S, rows, widths[0])
        velocity(S, rows, problem, W, E1, E, rows.after, splat(1.0), rows.slopes)
        put(S, rows.scalars + 2, splat(0.0))
        put(S, rows.scalars + 3, splat(0.0))
        hand_over(S, rows, E1, E, members, out, rows.slopes, names, first, count)


@kernel
def views(S: Array, rows: Rows, widths: Array) -> tuple[Array, Array, Array]:
    """W, E' and E as an energy takes them."""
    m, n = widths[-1], widths[0]
    W = S[rows.W : rows.W + m * n].reshape(m, n, LANES)
    slope = S[rows.W + m * n : rows.W + 2 * m * n].reshape(m, n, LANES)
    return W, slope, S[rows.W + 2 * m * n]


@kernel
def dormand_prince(
    S: Array, begins: Array, numbers: Array, widths: Array, energy: Any, A: Array, B: Array,
    starts: Array, stages: Array, coefficients: Array, three: Array, five: Array,
    y: Array, f: Array, h: Array, atol: Array,
    y_new: Array, f_new: Array, value: Array, slope: Array, error: Array, stiffness: Array,
) -> None:  # fmt: skip
    """One step of the 8(5,3) pair for every member."""
    S, widths, rows = bare(S), bare(widths), layout(begins, numbers)
    problem, members = Problem(widths, energy, bare(A), bare(B)), Members(bare(y), bare(f), h, atol)
    out = Outcome(bare(y_new), bare(f_new), value, slope, error, stiffness, numbers[3])
    pair = Pair(bare(starts), bare(stages), bare(coefficients), bare(three), bare(five))
    names = np.arange(h.size)
    for first in range(0, h.size, LANES):
        pair_tile(S, rows, problem, pair, numbers[2], members, out, names, first)


@kernel
def pair_tile(
    S: Array, rows: Rows, problem: Problem, pair: Pair, rtol: float, members: Members, out: Outcome,
    names: Array, first: int,
) -> None:  # fmt: skip
    """One step of the 8(5,3) pair for the members named from ``first`` on."""
    W, E1, E = views(S, rows, problem.widths)
    n, final = rows.size, pair.starts.size - 1
    last = rows.slopes + final * n
    count = load(S, rows, members, names, first)
    step = at(S, rows.scalars)
    rest(S, rows, problem.widths[0])
    for s in range(final - 1):
        _combine(S, rows, pair, s, rows.stage)
        velocity(S, rows, problem, W, E1, E, rows.stage, step, rows.slopes + (s + 1) * n)
    _combine(S, rows, pair, final - 1, rows.after)
    velocity(S, rows, problem, W, E1, E, rows.after, splat(1.0), last)
    _errors(S, rows, pair, rtol, last)
    hand_over(S, rows, E1, E, members, out, last, names, first, count)


@kernel
def _combine(S: Array, rows: Rows, pair: Pair, s: int, out: int) -> None:
    """The state before and the slopes that a stage takes."""
    n, begin, end = rows.size, pair.starts[s], pair.starts[s + 1]
    coefficients, stages = pair.coefficients, pair.stages
    for k in range(n):
        total = at(S, rows.before + k)
        for j in range(begin, end):
            total = mul_add(splat(coefficients[j]), at(S, rows.slopes + stages[j] * n + k), total)
        put(S, out + k, total)


@kernel
def _errors(S: Array, rows: Rows, pair: Pair, rtol: float, last: int) -> None:
    """The error in units of the tolerance, and h times the spectral radius."""
    h, atol, n = at(S, rows.scalars), at(S, rows.scalars + 1), rows.size
    fives = threes = top = bottom = splat(0.0)
    for k in range(n):
        x, y = at(S, rows.before + k), at(S, rows.after + k)
        scale = 1.0 / tolerance(x, y, rtol, atol)
        three = five = splat(0.0)
        for j in range(pair.three.size):
            slope = at(S, rows.slopes + j * n + k)
            three = mul_add(splat(pair.three[j]), slope, three)
            five = mul_add(splat(pair.five[j]), slope, five)
        three, five = three * scale, five * scale
        threes, fives = mul_add(three, three, threes), mul_add(five, five, fives)
        turn = h * at(S, last + k) - at(S, last - n + k)
        move = y - at(S, rows.stage + k)
        top, bottom = mul_add(turn, turn, top), mul_add(move, move, bottom)
    both = mul_add(splat(0.01), threes, fives)
    put(S, rows.scalars + 2, fives / root(choose(both == 0.0, 1.0, both * float(n))))
    put(S, rows.scalars + 3, root(top / choose(bottom > 0.0, bottom, 1.0)))


@kernel
def tolerance(x: Lanes, y: Lanes, rtol: float, atol: Lanes) -> Lanes:
    """Of an entry."""
    a, b = size(x), size(y)
    return mul_add(splat(rtol), choose(a > b, a, b), atol)


@kernel
def chebyshev(
    S: Array, begins: Array, numbers: Array, widths: Array, energy: Any, A: Array, B: Array,
    first_body: Array, second_body: Array, finish: Array, weights: Array,
    y: Array, f: Array, h: Array, atol: Array,
    y_new: Array, f_new: Array, value: Array, slope: Array, error: Array, stiffness: Array,
) -> None:  # fmt: skip
    """One step of a stabilised method, of one number of stages, for every member."""
    S, widths, rows = bare(S), bare(widths), layout(begins, numbers)
    problem, members = Problem(widths, energy, bare(A), bare(B)), Members(bare(y), bare(f), h, atol)
    out = Outcome(bare(y_new), bare(f_new), value, slope, error, stiffness, numbers[3])
    method = Chebyshev(bare(first_body), bare(second_body), bare(finish), bare(weights))
    names = np.arange(h.size)
    for first in range(0, h.size, LANES):
        chebyshev_tile(S, rows, problem, method, numbers[2], members, out, names, first)


@kernel
def chebyshev_tile(
    S: Array, rows: Rows, problem: Problem, method: Chebyshev, rtol: float, members: Members,
    out: Outcome, names: Array, first: int,
) -> None:  # fmt: skip
    """One step of a stabilised method for the members named from ``first`` on."""
    W, E1, E = views(S, rows, problem.widths)
    n, after, stage, slopes = rows.size, rows.after, rows.stage, rows.slopes
    start, spare, last = slopes + 6 * n, slopes + 7 * n, slopes + 5 * n
    count = load(S, rows, members, names, first)
    step = at(S, rows.scalars)
    rest(S, rows, problem.widths[0])
    _move(S, n, rows.before, start)
    _recur(S, rows, problem, W, E1, E, method.first, start, slopes, step)
    velocity(S, rows, problem, W, E1, E, start, step, slopes + n)
    for i in range(1, 4):
        _onward(S, rows, method.finish, i, start, stage)
        velocity(S, rows, problem, W, E1, E, stage, step, slopes + (i + 1) * n)
    _onward(S, rows, method.finish, 4, start, after)
    if method.second.shape[0] > 0:
        velocity(S, rows, problem, W, E1, E, after, step, spare)
        _recur(S, rows, problem, W, E1, E, method.second, after, spare, step)
    _stable_errors(S, rows, method.error, start, rtol)
    velocity(S, rows, problem, W, E1, E, after, splat(1.0), last)
    hand_over(S, rows, E1, E, members, out, last, names, first, count)


@kernel
def _move(S: Array, n: int, source: int, target: int) -> None:
    for k in range(n):
        put(S, target + k, at(S, source + k))


@kernel
def _recur(
    S: Array, rows: Rows, problem: Problem, W: Array, E1: Array, E: Array,
    body: Array, state: int, first: int, step: Lanes,
) -> None:  # fmt: skip
    """The end of a recurrence from a state, in its place; ``first`` is h times the slope there."""
    n, before, now = rows.size, state, rows.slopes + 8 * rows.size
    slope = now + n
    for k in range(n):
        put(S, now + k, mul_add(splat(body[0, 0]), at(S, first + k), at(S, before + k)))
    for j in range(1, body.shape[0]):
        velocity(S, rows, problem, W, E1, E, now, step, slope)
        for k in range(n):
            part = mul_add(splat(body[j, 0]), at(S, slope + k), body[j, 2] * at(S, before + k))
            put(S, before + k, mul_add(splat(body[j, 1]), at(S, now + k), part))
        now, before = before, now
    if now != state:
        _move(S, n, now, state)


@kernel
def _onward(S: Array, rows: Rows, finish: Array, stages: int, start: int, out: int) -> None:
    """A state and the slopes of the four stages, which begin with the second of all."""
    n = rows.size
    for k in range(n):
        total = at(S, start + k)
        for j in range(stages):
            slope = at(S, rows.slopes + (j + 1) * n + k)
            total = mul_add(splat(finish[stages - 1, j]), slope, total)
        put(S, out + k, total)


@kernel
def _stable_errors(S: Array, rows: Rows, weights: Array, start: int, rtol: float) -> None:
    """The error of a stabilised step in units of the tolerance."""
    n, atol, total = rows.size, at(S, rows.scalars + 1), splat(0.0)
    for k in range(n):
        x, y = at(S, rows.before + k), at(S, rows.after + k)
        error = mul_add(splat(weights[0]), x, weights[1] * at(S, start + k))
        for j in range(3):
            error = mul_add(splat(weights[2 + j]), at(S, rows.slopes + (j + 1) * n + k), error)
        error = mul_add(splat(weights[5]), y, error) / tolerance(x, y, rtol, atol)
        total = mul_add(error, error, total)
    put(S, rows.scalars + 2, root(total / float(n)))
    put(S, rows.scalars + 3, splat(0.0))
