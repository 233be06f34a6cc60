"""Many steps in one call, as long as a step is all that happens.

A member goes on until its next step would be more than a step: its last, one with a frame in it,
one that ends at a bound, a change of the method. Before that it stays, and :mod:`dlngeo._lockstep`
takes the step. What is decided here is decided there by the same operations, in the same order, so
that nothing depends on who took which step.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dlngeo._checks import Array
from dlngeo._compiled.flows.radius import radius_tile
from dlngeo._compiled.flows.steps import (
    Chebyshev,
    Members,
    Outcome,
    Pair,
    chebyshev_tile,
    layout,
    pair_tile,
)
from dlngeo._compiled.flows.velocity import Problem, Rows
from dlngeo._compiled.kernels import bare, kernel
from dlngeo._compiled.lanes import LANES


class Company(NamedTuple):
    """Rows of numbers, one for each member, named as in :class:`dlngeo._lockstep.Members`."""

    t: Array
    t_low: Array
    h: Array
    atol: Array
    threshold: Array
    value: Array
    radius: Array
    frame: Array  # the time of the next frame
    steps: Array
    stable_steps: Array
    evaluations: Array
    rejected: Array
    held: Array
    signs: Array
    switches: Array
    age: Array
    ones: Array
    tried: Array  # the step that is tried


class Rules(NamedTuple):
    """When a step is more than a step, and how the next one is chosen."""

    t1: float
    bound: float
    steps: float
    evaluations: float
    least: float  # a step, as a part of the time
    offset: float  # of E
    patience: int
    turns: int  # evaluations of a tile after which the call returns


class Table(NamedTuple):
    """The stabilised methods by their numbers of stages, one after another."""

    stages: Array
    reaches: Array
    known: Array  # whether the coefficients are there
    first: Array  # the bodies in a row
    second: Array
    begins: Array  # (2, methods + 1): where in them a method's begin
    finish: Array
    error: Array


@kernel
def company(reals: Array, counts: Array) -> Company:
    """Members from two arrays."""
    x, k = bare(reals), bare(counts)
    return Company(
        x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7],
        k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7], x[8], x[9],
    )  # fmt: skip


@kernel
def results(y: Array, f: Array, outcome: Array) -> Outcome:
    """What steps bring, from three arrays; of a step whose error is above 1 nothing is kept."""
    rows = bare(outcome)
    return Outcome(bare(y), bare(f), rows[0], rows[1], rows[2], rows[3], 1.0)


@kernel
def rules(numbers: Array) -> Rules:
    """Rules from an array."""
    n = numbers
    return Rules(n[0], n[1], n[2], n[3], n[4], n[5], int(n[6]), int(n[7]))


@kernel
def coast_pair(
    S: Array, begins: Array, numbers: Array, widths: Array, energy: Any, A: Array, B: Array,
    starts: Array, stages: Array, coefficients: Array, three: Array, five: Array,
    limits: Array, near: float, edge: float,
    room: Array, y: Array, f: Array, reals: Array, counts: Array,
    y_new: Array, f_new: Array, outcome: Array,
) -> None:  # fmt: skip
    """Steps of the 8(5,3) pair, written over what was before, eight members at a time."""
    S, rows, who, rule = bare(S), layout(begins, numbers), company(reals, counts), rules(limits)
    problem = Problem(bare(widths), energy, bare(A), bare(B))
    members = Members(bare(y), bare(f), who.h, who.atol)
    out = results(y_new, f_new, outcome)
    pair = Pair(bare(starts), bare(stages), bare(coefficients), bare(three), bare(five))
    names, cost, left, turns = bare(room)[0], starts.size - 1, 0, 0
    for q in range(who.h.size):
        names[left] = q
        left += plain(who, rule, q, who.h[q])
    while left > 0 and turns < rule.turns:
        count, turns = min(LANES, left), turns + cost
        pair_tile(S, rows, problem, pair, numbers[2], members, out, names[:count], 0)
        for i in range(count - 1, -1, -1):
            q = names[i]
            if not _after_pair(who, rule, near, edge, members, out, q, cost) or not plain(
                who, rule, q, who.h[q]
            ):
                left -= 1
                names[i] = names[left]


@kernel
def coast_chebyshev(
    S: Array, begins: Array, numbers: Array, widths: Array, energy: Any, A: Array, B: Array,
    stages: Array, reaches: Array, known: Array, first: Array, second: Array, bodies: Array,
    finish: Array, error: Array, limits: Array, longest: float, price: float, refresh: int,
    direction: Array, room: Array, y: Array, f: Array, reals: Array, counts: Array,
    y_new: Array, f_new: Array, outcome: Array,
) -> None:  # fmt: skip
    """Steps of stabilised methods, members of equal numbers of stages together.

    ``longest`` bounds h times the spectral radius, ``price`` is what the pair pays for that much.
    """
    S, rows, who, rule = bare(S), layout(begins, numbers), company(reals, counts), rules(limits)
    problem = Problem(bare(widths), energy, bare(A), bare(B))
    members = Members(bare(y), bare(f), who.tried, who.atol)
    still = Members(members.y, members.f, who.ones, who.atol)
    out = results(y_new, f_new, outcome)
    table = Table(
        bare(stages), bare(reaches), bare(known), bare(first), bare(second), bare(bodies),
        bare(finish), bare(error),
    )  # fmt: skip
    names, kinds, tile = bare(room)[0], bare(room)[1], bare(room)[2]
    left, turns = who.h.size, 0
    for q in range(left):
        names[q] = q
    while left > 0 and turns < rule.turns:
        turns += _find_radii(S, rows, problem, still, direction, who, names[:left], tile, refresh)
        for i in range(left - 1, -1, -1):
            if not _plain_stable(who, rule, table, longest, members.h, kinds, names[i]):
                left -= 1
                names[i] = names[left]
        for kind in range(stages.size):
            turns += _step_all(
                S, rows, problem, table, numbers[2], members, out, names[:left], kinds, tile, kind
            )
        for i in range(left - 1, -1, -1):
            q = names[i]
            if not _after_stable(
                who, rule, table, price, refresh, members, out, q, stages[kinds[q]]
            ):
                left -= 1
                names[i] = names[left]


@kernel
def _find_radii(
    S: Array, rows: Rows, problem: Problem, still: Members, direction: Array, who: Company,
    names: Array, tile: Array, refresh: int,
) -> int:  # fmt: skip
    """Estimate anew the radii that are old; about how many evaluations of tiles that took."""
    count = cost = 0
    for i in range(names.size):
        q = names[i]
        if who.age[q] >= refresh:
            tile[count], who.age[q] = q, 0
            count += 1
        if count == LANES or (count > 0 and i == names.size - 1):
            radius_tile(
                S, rows, problem, still, bare(direction), who.radius, who.evaluations,
                tile[:count], 0,
            )  # fmt: skip
            count, cost = 0, cost + 10
    return cost


@kernel
def _step_all(
    S: Array, rows: Rows, problem: Problem, table: Table, rtol: float, members: Members,
    out: Outcome, names: Array, kinds: Array, tile: Array, kind: int,
) -> int:  # fmt: skip
    """One step of the members that are due for one method; evaluations of tiles."""
    method, count, cost = _method(table, kind), 0, 0
    for i in range(names.size):
        if kinds[names[i]] == kind:
            tile[count] = names[i]
            count += 1
        if count == LANES or (count > 0 and i == names.size - 1):
            chebyshev_tile(S, rows, problem, method, rtol, members, out, tile[:count], 0)
            count, cost = 0, cost + table.stages[kind]
    return cost


@kernel
def _method(table: Table, kind: int) -> Chebyshev:
    a, b = table.begins[:, kind], table.begins[:, kind + 1]
    first, second = table.first[a[0] : b[0]], table.second[a[1] : b[1]]
    return Chebyshev(first, second, table.finish[kind], table.error[kind])


@kernel
def later(who: Company, q: int, h: float) -> tuple[float, float]:
    """The time after h, in two parts, as :meth:`dlngeo._lockstep.members.Members.later`."""
    total = who.t[q] + h
    part = total - who.t[q]
    low = who.t_low[q] + ((who.t[q] - (total - part)) + (h - part))
    t = total + low
    return t, low - (t - total)


@kernel
def plain(who: Company, rule: Rules, q: int, h: float) -> bool:
    """Whether a step of size h is no more than that, as far as can be told before it."""
    if who.steps[q] >= rule.steps or who.evaluations[q] >= rule.evaluations:
        return False
    if not h < (rule.t1 - who.t[q]) - who.t_low[q]:
        return False
    long = h > max(rule.least * abs(who.t[q]), 1e-300)
    return long and later(who, q, h)[0] < who.frame[q]


@kernel
def _plain_stable(
    who: Company, rule: Rules, table: Table, longest: float, h: Array, kinds: Array, q: int
) -> bool:
    """The same for a stabilised step, whose size and number of stages are chosen here."""
    h[q] = min(who.h[q], longest / max(who.radius[q], 1e-300))
    kinds[q] = _kind(table, h[q] * who.radius[q])
    return table.known[kinds[q]] and plain(who, rule, q, h[q])


@kernel
def _kind(table: Table, z: float) -> int:
    """The first method that is stable for h·ρ = z, else the last."""
    k = 0
    while k < table.reaches.size - 1 and table.reaches[k] < z:
        k += 1
    return k


@kernel
def _after_pair(
    who: Company, rule: Rules, near: float, edge: float, members: Members, out: Outcome, q: int,
    cost: int,
) -> bool:  # fmt: skip
    """Whether a step of the pair was no more than that; if so, it is taken, or rejected."""
    taken, end = _outcome(who, rule, out, q)
    close = taken and out.stiffness[q] > near
    signs = who.signs[q]
    if taken:
        signs = max(signs + (1 if close else -1), 0)
    if end or signs >= rule.patience << min(who.switches[q], 40):
        return False
    h = who.h[q]
    root = math.sqrt(math.sqrt(math.sqrt(out.error[q])))
    most = 10.0 if taken and not who.held[q] else 1.0
    who.h[q] = h * _factor(0.9 / root, 0.2, most)
    if close:
        who.h[q] = min(who.h[q], edge * h / max(out.stiffness[q], near))
    who.held[q], who.signs[q] = not taken, signs
    _settle(who, rule, members, out, q, h, taken, cost)
    return True


@kernel
def _after_stable(
    who: Company, rule: Rules, table: Table, price: float, refresh: int, members: Members,
    out: Outcome, q: int, cost: int,
) -> bool:  # fmt: skip
    """Whether a stabilised step was no more than that; if so, it is taken, or rejected."""
    taken, end = _outcome(who, rule, out, q)
    h = members.h[q]
    z = h * who.radius[q]
    signs = who.signs[q]
    if taken:
        dear = table.stages[_kind(table, z)] > price * z
        signs = signs + 1 if dear else 0
    if end or signs >= rule.patience:
        return False
    root = math.sqrt(math.sqrt(out.error[q]))
    who.h[q] = h * _factor(0.6 / root, 0.1, 2.0 if taken else 1.0)
    who.signs[q] = signs
    if taken:
        who.age[q] += 1
        who.stable_steps[q] += 1
    elif who.age[q] > 0:
        who.age[q] = refresh
    _settle(who, rule, members, out, q, h, taken, cost)
    return True


@kernel
def _outcome(who: Company, rule: Rules, out: Outcome, q: int) -> tuple[bool, bool]:
    """Whether a step is taken, and whether the path ends in it."""
    value = out.value[q] + rule.offset
    taken = out.error[q] <= 1.0 and math.isfinite(value)
    return taken, taken and (value <= rule.bound or out.slope[q] <= who.threshold[q])


@kernel
def _factor(change: float, least: float, most: float) -> float:
    """What becomes of the step size; the least where the error is no number."""
    return min(change if change > least else least, most)


@kernel
def _settle(
    who: Company, rule: Rules, members: Members, out: Outcome, q: int, h: float, taken: bool,
    cost: int,
) -> None:  # fmt: skip
    """Count the step, and where it is taken put its end in the place of its beginning."""
    who.evaluations[q] += cost
    if not taken:
        who.rejected[q] += 1
        return
    who.steps[q] += 1
    who.t[q], who.t_low[q] = later(who, q, h)
    who.value[q] = out.value[q] + rule.offset
    for k in range(members.y.shape[1]):
        members.y[q, k], members.f[q, k] = out.y[q, k], out.f[q, k]
