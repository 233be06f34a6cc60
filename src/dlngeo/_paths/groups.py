"""Paths that run side by side: their noise, their steps with NumPy, their frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._paths.bridges import Bridges, Here, Stepper, attempt, in_parts
from dlngeo._paths.run import End, Run
from dlngeo._random import Streams

_BLOCK, _NOISE = 32, 2**20  # noise is drawn for at most so many steps, and numbers, at once


class Result(NamedTuple):
    """What came of a group."""

    reached: Array  # (path,): the last step to which each was followed
    cut: int  # steps that were taken in parts
    aside: int  # whole steps that an engine left to NumPy
    end: End


class Group:
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
        before: End | None,
    ) -> None:
        self._stepper, self._run, self._frames, self._record = stepper, run, frames, record
        self._kept, paths = kept, run.paths[part]
        self._streams = Streams(run.seed, paths, None if before is None else before.streams)
        self._bridges = Bridges(run.seed, paths, None if before is None else before.bridges)
        self._again = (run.seed, paths, self._streams.places())
        alive = np.isfinite(first).reshape(len(first), -1).all(axis=1)
        self._reached, self._rows = np.where(alive, run.n_steps, -1), np.flatnonzero(alive)
        self._step, self._aside, self._saved = 0, 0, run.saved()
        with np.errstate(all="ignore"):
            self._begin(first, before)

    def advance(self, slot: int) -> None:
        """Go on to a saved frame."""
        with np.errstate(all="ignore"):  # what overflows ends a path
            self._go(int(self._saved[slot]))
            if self._rows.size:
                self._frames[self._rows, slot] = self._shown()

    def follow(self) -> Result:
        """All steps, and what came of them."""
        for slot in range(1, len(self._saved)):
            self.advance(slot)
        return self.result(self._run.n_steps)

    def result(self, n_steps: int) -> Result:
        """What came of the paths, so many steps after the start."""
        places = self._places()
        if n_steps < self._run.n_steps:  # noise was drawn ahead
            streams, size = Streams(*self._again), self._stepper.noise_size
            for left in range(n_steps, 0, -_BLOCK):
                streams.normals(min(_BLOCK, left), size)
            places = streams.places()
        state, more = self._states()
        end = End(state, self._kept, places, self._bridges.places(), more)
        return Result(np.minimum(self._reached, n_steps), self._bridges.used, self._aside, end)

    # What an engine does in its own way.

    def _begin(self, first: Array, before: End | None) -> None:
        """Where the paths are."""
        state = first[self._rows].copy()
        kept = None if self._kept is None else self._kept[self._rows]
        self._here, self._noise = Here.of(self._stepper, state, kept), self._normals()

    def _go(self, step: int) -> None:
        """Steps up to this one."""
        while self._step < step and self._rows.size:
            normals, rows = next(self._noise), self._rows
            some = normals if rows.size == len(normals) else normals[rows]
            there, followed = taken(
                self._stepper, self._here, some, self._run.dt, self._bridges, rows
            )
            if not followed.all():
                self._reached[rows[~followed]] = self._step
                self._rows, there = rows[followed], there.rows(followed)
            self._here = there
            self._step += 1

    def _shown(self) -> Array:
        """What is saved of the paths that go on."""
        return self._record(self._here.state)

    def _states(self) -> tuple[Array, Array | None]:
        """The states of all paths, NaN where one has ended; and what else it takes to go on."""
        here = self._here.state
        state = np.full((len(self._reached), *here.shape[1:]), np.nan).astype(here.dtype)
        state[self._rows] = here
        return state, None

    def _places(self) -> Array:
        """Where each stream is, (path, 4)."""
        return self._streams.places()

    def _normals(self) -> Iterator[Array]:
        """The noise of one step after the other, drawn some steps ahead; (path, noise_size)."""
        size, left = self._stepper.noise_size, self._run.n_steps
        block = max(1, min(_BLOCK, _NOISE // (len(self._reached) * size)))
        while left:
            yield from self._streams.normals(min(block, left), size)
            left -= min(block, left)


def taken(
    stepper: Stepper, here: Here, normals: Array, dt: float, bridges: Bridges, paths: Array
) -> tuple[Here, Array]:
    """One step, in parts where it must be; and which paths were followed to its end."""
    whole = dt * here.rate <= 1
    there, good = attempt(stepper, here, normals, np.where(whole, dt, 0.0))
    followed = np.ones(len(normals), dtype=bool)
    rest = np.flatnonzero(~(whole & good))
    if rest.size:
        ends, followed[rest] = in_parts(
            stepper, here.rows(rest), normals[rest], dt, bridges, paths[rest]
        )
        there = there.replaced(rest, ends)
    return there, followed
