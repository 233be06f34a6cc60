r"""Which blocks Z make a critical point: interval decompositions (Wendin and Altafini, 4.4).

At a critical point of rank r < d_y the blocks Z_1, ..., Z_N of (33) satisfy, and need satisfy no
more than,

.. math:: Z_{j-1}\cdots Z_1\, \Sigma_Q^T\, Z_N\cdots Z_{j+1} = 0 \quad (j = 1, \dots, N)

(corrected: two zero blocks are enough, not needed). Read Σ_Qᵀ as an arrow from the output back to
the input: the blocks with it are a representation of a cyclic quiver, and the condition says that
no path of all arrows but one is left. Such a representation is a sum of *intervals*: in bases of
the hidden layers fit for it each basis vector goes to the next layer's, or to zero. An interval
through the output goes on at the input (a *bridge*); with ``back`` arrows before and ``on`` after,
the condition reads back + on <= N - 2. All other intervals start at a free input or in a hidden
layer and may have any length; none reaches the output. Drawing intervals at random draws every
critical point.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array, Weights


class Intervals(NamedTuple):
    """Intervals by the hidden layers 1..N-1 that they visit.

    Bridges ``(back, on)`` visit N - back, ..., N - 1 and 1, ..., on; inputs 1, ..., on; segments
    ``(low, high)`` what their name says. Each node of a hidden layer lies in one interval.
    """

    bridges: list[tuple[int, int]]
    inputs: list[int]
    segments: list[tuple[int, int]]


def draw(
    room: list[int],
    bridges: int,
    inputs: int,
    generator: np.random.Generator,
    tightened: bool | None,
) -> Intervals:
    """Random intervals through hidden layers of ``room`` nodes each.

    Parameters
    ----------
    room : N - 1 sizes
    bridges, inputs : numbers of intervals through the output and from free inputs
    tightened : None, or whether the point is to be non-strict as far as Z decides

    Raises
    ------
    ValueError
        If there are no such intervals.
    """
    depth = len(room) + 1
    if tightened and depth == 2 and bridges and room[0]:
        raise ValueError("no saddle of two layers with hidden nodes to spare is tightened")
    if tightened is False and not (bridges and all(room)):
        raise ValueError(
            "all critical points of this rank are tightened: it is the least width's, or no smaller"
        )
    free, intervals = list(room), Intervals([], [], [])

    def take(layers: range, most: int) -> int:
        """Walk over layers while they have room, ``most`` at most; how many were taken."""
        for step, layer in enumerate(layers):
            if step == most or not free[layer - 1]:
                return step
            free[layer - 1] -= 1
        return min(most, len(layers))

    def bridge(back: int, on: int) -> None:
        intervals.bridges.append((take(range(depth - 1, 0, -1), back), take(range(1, depth), on)))

    def segment(low: int, most: int) -> None:
        intervals.segments.append((low, low - 1 + take(range(low, depth), most)))

    if tightened is False:
        low, high = sorted(generator.choice(np.arange(1, depth + 1), 2, replace=False).tolist())
        bridge(depth - high, low - 1)
        segment(low, high - low)
    while len(intervals.bridges) < bridges:
        arrows = int(generator.integers(depth - 1))
        back = int(generator.integers(arrows + 1))
        bridge(back, arrows - back)
    for _ in range(inputs):
        intervals.inputs.append(take(range(1, depth), int(generator.integers(depth))))
    for low in range(1, depth):
        while free[low - 1]:
            segment(low, int(generator.integers(1, depth - low + 1)))
    if tightened and is_loose(intervals, depth):
        for layer in generator.choice(np.arange(1, depth + 1), 3, replace=False).tolist():
            intervals = cut(intervals, depth, layer)
    return intervals


def is_loose(intervals: Intervals, depth: int) -> bool:
    """Whether the point is not tightened.

    It is not where for some p < q both Z_{q-1} ⋯ Z_{p+1} and Z_{p-1} ⋯ Z_1 Σ_Qᵀ Z_N ⋯ Z_{q+1} are
    not zero: one interval runs through the hidden layers p..q-1, and a bridge from q to p - 1.
    """
    runs = [*intervals.segments, *((1, on) for on in intervals.inputs)]
    for back, on in intervals.bridges:
        runs += [(depth - back, depth - 1), (1, on)]
    return any(
        low <= high and low <= on + 1 and high >= depth - back - 1
        for low, high in runs
        for back, on in intervals.bridges
    )


def cut(intervals: Intervals, depth: int, layer: int) -> Intervals:
    """The intervals with Z_layer set to zero."""
    result = Intervals([], [], [])

    def forward(on: int) -> int:
        if layer <= on:
            result.segments.append((layer, on))
        return min(on, layer - 1)

    for back, on in intervals.bridges:
        if layer > depth - back:
            result.segments.append((depth - back, layer - 1))
        result.bridges.append((min(back, depth - layer), forward(on)))
    result.inputs.extend(forward(on) for on in intervals.inputs)
    for low, high in intervals.segments:
        if low < layer <= high:
            result.segments.extend([(low, layer - 1), (layer, high)])
        else:
            result.segments.append((low, high))
    return result


def blocks(intervals: Intervals, room: list[int]) -> Weights:
    """The blocks J_1, ..., J_N of zeros and ones in bases along the intervals.

    Input and output have the bridges as their first basis vectors, the input the free ones after
    them: J_1 is room_1 × (bridges + inputs), J_N bridges × room_{N-1}.
    """
    depth, used = len(room) + 1, [0] * len(room)
    sizes = [len(intervals.bridges) + len(intervals.inputs), *room, len(intervals.bridges)]
    result: list[Array] = [np.zeros((sizes[p + 1], sizes[p])) for p in range(depth)]

    def run(layers: range, node: int | None) -> int | None:
        """Join new nodes of consecutive layers, the first to ``node`` before it; the last node."""
        for layer in layers:
            new = used[layer - 1]
            used[layer - 1] += 1
            if node is not None:
                result[layer - 1][new, node] = 1
            node = new
        return node

    for k, (back, on) in enumerate(intervals.bridges):
        last = run(range(depth - back, depth), None)
        if last is not None:
            result[-1][k, last] = 1
        run(range(1, on + 1), k)
    for k, on in enumerate(intervals.inputs, start=len(intervals.bridges)):
        run(range(1, on + 1), k)
    for low, high in intervals.segments:
        run(range(low, high + 1), None)
    return tuple(result)
