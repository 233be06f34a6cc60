"""One run of a stochastic scheme: its steps, its paths and their seed; how it came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dlngeo import _checks
from dlngeo._callbacks import checked, stops
from dlngeo._checks import RNG, Array
from dlngeo._paths.bridges import PARTS
from dlngeo._random import recorded, seed_sequence

_NAMED = 5  # paths that a message names
Callback = Callable[[float, Array], Any]


@dataclass(frozen=True)
class Run:
    """Steps of length dt, which frames are kept, and which of a seed's paths are run.

    The first step is number ``before`` of those counted from time ``origin``: a run that goes on
    from another counts on.
    """

    dt: float
    n_steps: int
    every: int
    paths: range
    seed: np.random.SeedSequence
    workers: int = 1
    callback: Callback | None = None
    origin: float = 0.0
    before: int = 0
    asked: int = 0  # steps that were asked for, where the callback ended the run before them

    @classmethod
    def of(
        cls,
        dt: float,
        n_steps: int,
        every: int | None,
        n_paths: int,
        rng: RNG,
        *,
        first_path: int = 0,
        workers: int = 1,
        callback: Callback | None = None,
    ) -> Run:
        """Arguments checked; some 100 frames unless ``every`` says otherwise."""
        n_steps = _checks.integer(n_steps, "n_steps", 1)
        n_paths = _checks.integer(n_paths, "n_paths", 1)
        first_path = _checks.integer(first_path, "first_path", 0)
        every = max(1, n_steps // 100) if every is None else every
        return cls(
            _checks.positive(dt, "dt"),
            n_steps,
            _checks.integer(every, "save_every", 1),
            range(first_path, first_path + n_paths),
            seed_sequence(rng),
            _checks.integer(workers, "workers", 1),
            checked(callback),
        )

    def after(self, earlier: Mapping[str, Any]) -> Run:
        """The same run, where it goes on from another of this provenance."""
        before, origin = earlier["steps_before"] + earlier["n_steps"], earlier["origin"]
        if earlier["dt"] != self.dt:
            before, origin = 0, origin + earlier["dt"] * before
        return dataclasses.replace(self, before=before, origin=origin)

    def saved(self) -> Array:
        """The steps whose frames are kept, the start and the last in any case."""
        steps = np.arange(0, self.n_steps, self.every)
        return np.append(steps, self.n_steps)

    def time(self, step: Array | int) -> Array:
        """The time after so many steps of this run."""
        return np.asarray(self.origin + self.dt * (self.before + step))

    def stopped(self, step: int) -> Run:
        """The run, ended by its callback after so many steps; the same where that is the last."""
        return (
            self
            if step == self.n_steps
            else dataclasses.replace(self, n_steps=step, asked=self.n_steps)
        )

    def stops(self, step: int, frame: Array) -> bool:
        """Whether the callback, shown a frame, raises StopIteration."""
        return stops(self.callback, float(self.time(step)), frame)

    def provenance(self) -> dict[str, Any]:
        """What it takes to run any path again."""
        return recorded(self.seed) | {
            "dt": self.dt, "n_steps": self.n_steps, "first_path": self.paths.start,
            "origin": self.origin, "steps_before": self.before,
        } | ({"steps_asked": self.asked} if self.asked else {})  # fmt: skip


class End(NamedTuple):
    """What it takes to go on: each path's state in its scheme, and its place in its streams."""

    state: Array  # (path, ...), NaN where a path has ended
    kept: Array | None  # (path, ...), what the scheme keeps of each path's start
    streams: Array  # (path, 4), states of the generators of noise
    bridges: Array  # (path, 4), of those for parts of steps; 0 where none was opened
    frames: Array | None = None  # (path, ...), singular vectors that an engine keeps

    @classmethod
    def joined(cls, parts: Sequence[End]) -> End:
        """All paths of some groups."""
        arrays: list[Any] = [
            None if several[0] is None else np.concatenate(several)
            for several in zip(*parts, strict=True)
        ]
        return cls(*arrays)

    def part(self, part: slice) -> End:
        """Some of the paths."""
        arrays: list[Any] = [None if array is None else array[part] for array in self]
        return End(*arrays)


class Outcome(NamedTuple):
    """Frames (path, time, ...), NaN after a path's end; what the run says of its paths."""

    run: Run  # shorter than it was asked for where the callback stopped it
    frames: Array
    reached: Array  # (path,): the last step to which each was followed, -1: none of this run
    cut: int  # steps that were taken in parts
    end: End
    aside: int = 0  # whole steps that an engine left to NumPy

    @property
    def times(self) -> Array:
        """The times of the frames."""
        return self.run.time(self.run.saved())

    @property
    def followed(self) -> Array:
        """Which frames are there, (path, time)."""
        return np.asarray(self.run.saved() <= self.reached[:, None])

    @property
    def status(self) -> Array:
        """0 where a path was followed to the end, -1 elsewhere."""
        return np.where(self.reached < self.run.n_steps, -1, 0)

    def ends(self, earlier: Array | None = None) -> Array:
        """The times to which the paths were followed; ``earlier`` of those that ended before."""
        ends = self.run.time(self.reached)
        return ends if earlier is None else np.where(self.reached < 0, earlier, ends)

    def provenance(self) -> dict[str, Any]:
        """What it takes to run any path again, and how many steps were taken in parts."""
        aside = {"aside": self.aside} if self.aside else {}
        return self.run.provenance() | {"cut": self.cut} | aside

    def message(self, ends: Array) -> str:
        """One line: which paths ended early, when and why, and what was taken in parts."""
        return report(ends, self.provenance())


def report(ends: Array, provenance: Mapping[str, Any]) -> str:
    """One line on a run whose paths were followed to these times."""
    dt, n_steps, first, cut = (provenance[key] for key in ("dt", "n_steps", "first_path", "cut"))
    before = provenance.get("steps_before", 0) + n_steps
    lost = np.flatnonzero(ends < provenance.get("origin", 0.0) + dt * before)
    said = "all steps were taken"
    if asked := provenance.get("steps_asked"):
        said = f"the callback stopped the run after {n_steps} of {asked} steps"
    if lost.size:
        named = [f"path {first + k} at t = {ends[k]:g}" for k in lost[:_NAMED]]
        if lost.size > _NAMED:
            named.append(f"{lost.size - _NAMED} more")
        said = (
            f"{lost.size} of {len(ends)} paths ended early: {', '.join(named)}; from there no step "
            f"of dt = {dt:g}, even in {PARTS} parts, could be taken: take a shorter dt, or see "
            "whether the energy is bounded below"
        )
    return said + (f", {cut} of {n_steps * len(ends)} in parts" if cut else "")
