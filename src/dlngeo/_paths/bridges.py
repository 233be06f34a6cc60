"""One step of a scheme, tried; and in parts, by Brownian bridges, where it cannot be taken whole.

A path whose drift turns too fast for a step, or whose step leads nowhere, is taken through it in
parts: as long as the drift allows where each begins, and halved as often as one fails. The parts'
increments come from the Brownian bridge over the step, and an increment that was drawn is divided,
never drawn again: noise stays the noise that was drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from dlngeo._checks import Array
from dlngeo._random import Streams, child

PARTS = 1000  # of a step that are tried at most
_SHORTEST = 2.0**-20  # of a step as long as the drift allows
_TURN = 4.0  # a step may lead to where the drift turns this fast, in units of 1/h


class Stepper(Protocol):
    """One step of a scheme, for a stack of finite states (path, ...).

    A step that is taken in parts is taken in parts as long as the drift allows, or ``fineness``
    times as short where a stepper has that attribute.
    """

    noise_size: int

    def prepare(self, state: Array, kept: Array | None) -> tuple[Array, Any]:
        """A Lipschitz constant of the drift there, (path,), and what a step may use again.

        That is None, or (nested named tuples of) arrays whose first axis is the path. ``kept``
        (path, ...) is what the scheme keeps of each path's start.
        """
        ...

    def step(self, state: Array, normals: Array, dt: float | Array, ready: Any) -> Array:
        """The next state, after a time dt, or (path,) times; not finite where there is none.

        ``ready`` is what :meth:`prepare` said of the state.
        """
        ...


class Here(NamedTuple):
    """Where paths are, and what a step from there needs."""

    state: Array
    kept: Array | None
    rate: Array
    ready: Any

    @classmethod
    def of(cls, stepper: Stepper, state: Array, kept: Array | None) -> Here:
        """States, made ready for a step."""
        return cls(state, kept, *stepper.prepare(state, kept))

    def rows(self, rows: Array) -> Here:
        """Some of the paths."""
        some: Here = _each(lambda part: part[rows], self)
        return some

    def replaced(self, rows: Array, other: Here) -> Here:
        """These paths are where the other's are."""

        def put(old: Array, new: Array) -> Array:
            old = old.copy()
            old[rows] = new
            return old

        both: Here = _each(put, self, other)
        return both

    def where(self, chosen: Array, other: Here) -> Here:
        """The other's paths where they are not chosen."""

        def choose(one: Array, two: Array) -> Array:
            return np.where(chosen.reshape(-1, *(1,) * (one.ndim - 1)), one, two)

        mixed: Here = self if chosen.all() else _each(choose, self, other)
        return mixed


def _each(function: Callable[..., Array], *trees: Any) -> Any:
    """A function of arrays at every leaf of nested named tuples of one form."""
    if trees[0] is None:
        return None
    if isinstance(trees[0], np.ndarray):
        return function(*trees)
    return type(trees[0])(*(_each(function, *parts) for parts in zip(*trees, strict=True)))


def attempt(stepper: Stepper, here: Here, normals: Array, h: float | Array) -> tuple[Here, Array]:
    """Where a step of time h leads, and whether it does, (path,): if not the path stays."""
    new = stepper.step(here.state, normals, h, here.ready)
    good = np.isfinite(new).reshape(len(new), -1).all(axis=1)
    if not good.all():
        new = np.where(good.reshape(-1, *(1,) * (new.ndim - 1)), new, here.state)
    there = Here.of(stepper, new, here.kept)
    good &= h * there.rate <= _TURN
    return there.where(good, here), good


def in_parts(
    stepper: Stepper, here: Here, normals: Array, dt: float, bridges: Bridges, paths: Array
) -> tuple[Here, Array]:
    """One step of these paths in parts, and which of them were followed to its end."""
    count, size = normals.shape
    pile, failed = _Pile(dt, normals), np.zeros(count, dtype=bool)
    followed, active = np.ones(count, dtype=bool), np.arange(count)
    bridges.used += count
    fineness = float(getattr(stepper, "fineness", 1.0))
    for _ in range(PARTS):
        time, rate = pile.next(active)[0], here.rate[active]
        parts = np.maximum(np.ceil(fineness * time * rate), 1.0)
        parts = np.where(failed[active], np.maximum(parts, 2.0), parts)
        possible = time >= parts * (_SHORTEST / np.maximum(rate, 1 / dt))  # not NaN either
        followed[active[~possible]] = False
        active, parts = active[possible], parts[possible]
        middle = active[parts > 1]
        if middle.size:
            pile.divide(middle, parts[parts > 1], bridges.normals(paths[middle], size))
        if not active.size:
            return here, followed
        h, increments = pile.next(active)
        there, good = attempt(stepper, here.rows(active), increments / np.sqrt(h)[:, None], h)
        here = here.replaced(active, there)
        failed[active] = ~good
        active = active[pile.done(active, good)]
    followed[active] = False
    return here, followed


class _Pile:
    """What is left of a step, path by path: intervals, their Brownian increments, next on top."""

    def __init__(self, dt: float, normals: Array) -> None:
        count, size = normals.shape
        self._time, self._left = np.empty((count, 8)), np.empty((count, 8, size))
        self._time[:, 0], self._left[:, 0] = dt, np.sqrt(dt) * normals
        self._top = np.zeros(count, dtype=int)

    def next(self, rows: Array) -> tuple[Array, Array]:
        """The length and the increment of the next interval."""
        return self._time[rows, self._top[rows]], self._left[rows, self._top[rows]]

    def divide(self, rows: Array, parts: Array, normals: Array) -> None:
        """Lay the first of so many equal parts on the rest, its increment from the bridge."""
        share, (time, whole) = 1 / parts, self.next(rows)
        spread = np.sqrt(time * share * (1 - share))
        first = share[:, None] * whole + spread[:, None] * normals
        self._put(rows, time * (1 - share), whole - first)
        self._top[rows] += 1
        if self._top.max() == self._time.shape[1]:
            self._time = np.concatenate([self._time, np.empty_like(self._time)], axis=1)
            self._left = np.concatenate([self._left, np.empty_like(self._left)], axis=1)
        self._put(rows, time * share, first)

    def done(self, rows: Array, good: Array) -> Array:
        """Take off what was done well; which paths are not at the end."""
        self._top[rows] -= good
        return self._top[rows] >= 0

    def _put(self, rows: Array, time: Array, increments: Array) -> None:
        top = self._top[rows]
        self._time[rows, top], self._left[rows, top] = time, increments


class Bridges:
    """Normal numbers for the parts of steps, one stream a path, opened where it is needed."""

    def __init__(
        self, seed: np.random.SeedSequence, paths: range, places: Array | None = None
    ) -> None:
        self._seed, self._paths = seed, paths
        self._streams: dict[int, Streams] = {}
        for row, place in enumerate(() if places is None else places):
            if place.any():
                self._open(row, place[None])
        self.used = 0  # steps that were cut

    def places(self) -> Array:
        """Where each stream is, (path, 4); 0 where it was not opened."""
        places = np.zeros((len(self._paths), 4), dtype=np.uint64)
        for row, stream in self._streams.items():
            places[row] = stream.places()[0]
        return places

    def normals(self, rows: Array, size: int) -> Array:
        """(rows, size) numbers, the next of each row's stream."""
        drawn = np.empty((len(rows), size))
        for numbers, row in zip(drawn, rows, strict=True):
            numbers[...] = self._stream(int(row)).normals(1, size)[0, 0]
        return drawn

    def _stream(self, row: int) -> Streams:
        return self._streams.get(row) or self._open(row, None)

    def _open(self, row: int, place: Array | None) -> Streams:
        stream = Streams(child(self._seed, self._paths[row]), range(1), place)
        self._streams[row] = stream
        return stream
