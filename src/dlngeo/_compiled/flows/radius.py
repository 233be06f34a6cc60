"""The spectral radius of a flow's Jacobian on lanes: a power method, each lane until it settles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlngeo._checks import Array
from dlngeo._compiled.flows.steps import Members, layout, load, views
from dlngeo._compiled.flows.velocity import Problem, Rows, rest, velocity
from dlngeo._compiled.kernels import bare, kernel
from dlngeo._compiled.lanes import (
    LANES,
    at,
    bits,
    choose,
    lane,
    mul_add,
    put,
    root,
    size,
    splat,
)

ROUNDS = 50
SHIFT = math.sqrt(np.finfo(float).eps)


@kernel
def radii(
    S: Array, begins: Array, numbers: Array, widths: Array, energy: Any, A: Array, B: Array,
    y: Array, f: Array, ones: Array, direction: Array, radius: Array, counts: Array,
) -> None:  # fmt: skip
    """The radii at states, the directions in the place of those given, and evaluations."""
    rows, problem = layout(begins, numbers), Problem(bare(widths), energy, bare(A), bare(B))
    members, names = Members(bare(y), bare(f), ones, ones), np.arange(ones.size)
    for first in range(0, ones.size, LANES):
        radius_tile(bare(S), rows, problem, members, bare(direction), radius, counts, names, first)


@kernel
def radius_tile(
    S: Array, rows: Rows, problem: Problem, members: Members, direction: Array, radius: Array,
    counts: Array, names: Array, first: int,
) -> None:  # fmt: skip
    """Those of the members named from ``first`` on; members.h must be 1.

    1.2 times an estimate settled to one percent; to ``counts`` evaluations are added.
    """
    W, E1, E = views(S, rows, problem.widths)
    n, one = rows.size, splat(1.0)
    v, point, f, image = rows.stage, rows.after, rows.slopes, rows.slopes + rows.size
    count = load(S, rows, members, names, first)
    for k in range(LANES):
        q = names[first + min(k, count - 1)]
        for i in range(n):
            S[v + i, k] = direction[q, i]
    rest(S, rows, problem.widths[0])
    length = _length(S, rows.before, n)
    shift = SHIFT * choose(length > 0.0, length, 1.0)
    length = _length(S, v, n)
    for i in range(n):
        other = splat((1.0 if i % 2 == 0 else -1.0) / math.sqrt(n))
        put(S, v + i, choose(length > 0.0, at(S, v + i) / length, other))
    found, cost, unsettled = splat(0.0), splat(0.0), one > 0.0
    for turn in range(ROUNDS):
        for i in range(n):
            put(S, point + i, mul_add(shift, at(S, v + i), at(S, rows.before + i)))
        velocity(S, rows, problem, W, E1, E, point, one, image)
        for i in range(n):
            put(S, image + i, (at(S, image + i) - at(S, f + i)) / shift)
        length = _length(S, image, n)
        length = choose(length < math.inf, length, 0.0)
        turned = unsettled & (length > 0.0)
        for i in range(n):
            put(S, v + i, choose(turned, at(S, image + i) / length, at(S, v + i)))
        near = length == 0.0
        if turn > 0:
            near = near | (size(length - found) <= 0.01 * length)
        cost = choose(unsettled, cost + 1.0, cost)
        found = choose(unsettled, length, found)
        unsettled = unsettled & ~near
        if bits(unsettled) == 0:
            break
    for k in range(count):
        q = names[first + k]
        radius[q] = 1.2 * lane(found, k)
        counts[q] += int(lane(cost, k))
        for i in range(n):
            direction[q, i] = S[v + i, k]


@kernel
def _length(S: Array, begin: int, n: int) -> Any:
    """Of vectors that stand in n rows."""
    total = splat(0.0)
    for k in range(n):
        total = mul_add(at(S, begin + k), at(S, begin + k), total)
    return root(total)
