"""Many paths of one stochastic scheme: noise path by path, saved frames, paths that end early.

Path k depends on its own stream alone, to the last bit. A step that cannot be taken whole is taken
in parts by the paths that need it (:mod:`~dlngeo._paths.bridges`). A path that cannot be followed
even so ends there; the others go on. All paths are brought to one saved frame before any goes on to
the next, so that a callback sees them together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dlngeo._checks import Array
from dlngeo._paths.bridges import Bridges, Here, Stepper, attempt, in_parts
from dlngeo._paths.run import End, Outcome, Run
from dlngeo._random import Streams

# As many paths run side by side as keep Python's share of a step small and temporaries in cache.
_CHUNK, _STATES = 8192, 2**17  # at most so many paths, and numbers in their states
_BLOCK, _NOISE = 32, 2**20  # noise is drawn for at most so many steps, and numbers, at once


def all_paths(
    stepper: Stepper,
    first: Array,
    run: Run,
    record: Callable[[Array], Array] = np.asarray,
    *,
    kept: Array | None = None,
    end: End | None = None,
    show: Callable[[Array], Array] = np.asarray,
) -> Outcome:
    """Run all paths.

    ``first`` (1 or path, ...) are their first states and ``kept`` what the scheme keeps of them,
    where they do not go on from the ``end`` of another run; NaN where a path has ended before. A
    frame is ``record`` of the states, and the callback is given ``show`` of it.
    """
    alive = np.isfinite(first).reshape(len(first), -1).all(axis=1)
    sample = record(first[alive][:1])
    frames = np.full((len(run.paths), len(run.saved()), *sample.shape[1:]), np.nan, sample.dtype)
    parts = _parts(run, first[0].size)
    first = _each_path(first, run)
    kept = None if kept is None else _each_path(kept, run)

    def group(part: slice) -> _Group:
        some = None if kept is None else kept[part]
        places = (None, None) if end is None else (end.streams[part], end.bridges[part])
        return _Group(stepper, run, part, frames[part], record, first[part], some, places)

    pool = ThreadPoolExecutor(run.workers) if run.workers > 1 else None
    with pool or contextlib.nullcontext():
        every = pool.map if pool else map
        if run.callback is None:  # one group after the other: the last one's state is not kept
            results = list(every(lambda part: group(part).follow(), parts))
        else:
            groups = [group(part) for part in parts]
            run = _together(groups, every, run, frames, show)
            results = [group.result(run.n_steps) for group in groups]
    reached, cut, ends = zip(*results, strict=True)
    frames = frames[:, : len(run.saved())]
    return Outcome(run, frames, np.concatenate(reached), sum(cut), End.joined(ends))


def _parts(run: Run, size: int) -> list[slice]:
    """The paths that run side by side, states of so many numbers."""
    count = len(run.paths)
    together = min(_CHUNK, max(1, _STATES // max(1, size)))
    step = max(1, min(together, -(-count // run.workers)))
    return [slice(start, start + step) for start in range(0, count, step)]


def _each_path(array: Array, run: Run) -> Array:
    """What all paths have in common, or each has, path by path."""
    return np.broadcast_to(array, (len(run.paths), *array.shape[1:]))


def _together(
    groups: list[_Group],
    every: Callable[..., Iterable[None]],
    run: Run,
    frames: Array,
    show: Callable[[Array], Array],
) -> Run:
    """All groups to one saved frame after the other; the run, as far as the callback let it."""
    for slot, step in enumerate(run.saved()[1:], 1):
        list(every(lambda group, slot=slot: group.advance(slot), groups))
        if run.stops(int(step), show(frames[:, slot])):
            return run.stopped(int(step))
    return run


class _Group:
    """Paths that run side by side."""

    def __init__(
        self,
        stepper: Stepper,
        run: Run,
        part: slice,
        frames: Array,
        record: Callable[[Array], Array],
        first: Array,
        kept: Array | None,
        places: tuple[Array | None, Array | None],
    ) -> None:
        self._stepper, self._run, self._frames, self._record = stepper, run, frames, record
        self._kept, paths = kept, run.paths[part]
        self._streams = Streams(run.seed, paths, places[0])
        self._bridges = Bridges(run.seed, paths, places[1])
        self._again = (run.seed, paths, self._streams.places())
        alive = np.isfinite(first).reshape(len(first), -1).all(axis=1)
        self._reached, self._rows = np.where(alive, run.n_steps, -1), np.flatnonzero(alive)
        frames[self._rows, 0] = record(first[self._rows])
        self._noise, self._step, self._saved = self._normals(), 0, run.saved()
        with np.errstate(all="ignore"):
            state = first[self._rows].copy()
            self._here = Here.of(stepper, state, None if kept is None else kept[self._rows])

    def advance(self, slot: int) -> None:
        """Go on to a saved frame."""
        with np.errstate(all="ignore"):  # what overflows ends a path
            while self._step < self._saved[slot] and self._rows.size:
                self._take(next(self._noise))
                self._step += 1
        if self._rows.size:
            self._frames[self._rows, slot] = self._record(self._here.state)

    def follow(self) -> tuple[Array, int, End]:
        """All steps, and what came of them."""
        for slot in range(1, len(self._saved)):
            self.advance(slot)
        return self.result(self._run.n_steps)

    def result(self, n_steps: int) -> tuple[Array, int, End]:
        """To which steps the paths were followed, how many were cut; what it takes to go on."""
        state = np.full((len(self._reached), *self._here.state.shape[1:]), np.nan)
        state = state.astype(self._here.state.dtype)
        state[self._rows] = self._here.state
        streams = self._streams
        if n_steps < self._run.n_steps:  # noise was drawn ahead
            streams = Streams(*self._again)
            size = self._stepper.noise_size
            for left in range(n_steps, 0, -_BLOCK):
                streams.normals(min(_BLOCK, left), size)
        end = End(state, self._kept, streams.places(), self._bridges.places())
        return np.minimum(self._reached, n_steps), self._bridges.used, end

    def _normals(self) -> Iterator[Array]:
        """The noise of one step after the other, drawn some steps ahead; (path, noise_size)."""
        size, left = self._stepper.noise_size, self._run.n_steps
        block = max(1, min(_BLOCK, _NOISE // (len(self._reached) * size)))
        while left:
            yield from self._streams.normals(min(block, left), size)
            left -= min(block, left)

    def _take(self, normals: Array) -> None:
        """One step of all paths, in parts where it must be; who cannot be followed ends."""
        dt, rows, here = self._run.dt, self._rows, self._here
        if rows.size < len(normals):
            normals = normals[rows]
        whole = dt * here.rate <= 1
        there, good = attempt(self._stepper, here, normals, np.where(whole, dt, 0.0))
        followed = np.ones(rows.size, dtype=bool)
        rest = np.flatnonzero(~(whole & good))
        if rest.size:
            ends, followed[rest] = in_parts(
                self._stepper, here.rows(rest), normals[rest], dt, self._bridges, rows[rest]
            )
            there = there.replaced(rest, ends)
        if not followed.all():
            self._reached[rows[~followed]] = self._step
            self._rows, there = rows[followed], there.rows(followed)
        self._here = there
