"""A grid of runs, numbered in its own order, and the blocks in which they are computed and kept.

A block is a box of the grid whose runs have consecutive numbers: single indices along the first
axes, a piece of the next one, and whole axes after that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """The runs ``first`` to ``last``, and where they lie in the grid."""

    number: int
    place: tuple[int, ...]  # of the block among the blocks, along each axis
    box: tuple[slice, ...]
    first: int
    last: int

    @property
    def runs(self) -> range:
        """The runs' numbers."""
        return range(self.first, self.last + 1)

    @property
    def name(self) -> str:
        """Of the block among the others, whatever the length of the last axis."""
        return "-".join(map(str, self.place))

    @property
    def ends(self) -> list[list[int]]:
        """The box in plain numbers."""
        return [[part.start, part.stop] for part in self.box]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the box."""
        return tuple(part.stop - part.start for part in self.box)


def block_shape(grid: tuple[int, ...], runs: int) -> tuple[int, ...]:
    """The shape of blocks of some ``runs`` runs, the pieces of an axis as equal as can be."""
    whole, shape = 1, []
    for size in reversed(grid):
        if whole * size <= runs or not size:
            shape.append(size)
        elif whole < runs or not shape:
            pieces = math.ceil(size / max(1, runs // whole))
            shape.append(math.ceil(size / pieces))
            runs = 0
        else:
            shape.append(1)
            runs = 0
        whole *= size
    return tuple(reversed(shape))


def blocks(grid: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[Block]:
    """All blocks of a grid in the order of their runs."""
    counts = [math.ceil(size / piece) for size, piece in zip(grid, shape, strict=True)]
    first = 0
    for number, place in enumerate(itertools.product(*map(range, counts))):
        box = tuple(
            slice(k * piece, min((k + 1) * piece, size))
            for k, piece, size in zip(place, shape, grid, strict=True)
        )
        runs = math.prod(part.stop - part.start for part in box)
        yield Block(number, place, box, first, first + runs - 1)
        first += runs
