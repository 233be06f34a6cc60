"""Many paths of one stochastic scheme: noise path by path, saved frames, paths that end early.

Path k depends on its own stream alone, to the last bit. A step that cannot be taken whole is taken
in parts by the paths that need it (:mod:`~dlngeo._paths.bridges`). A path that cannot be followed
even so ends there; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from dlngeo import _checks
from dlngeo._checks import RNG, Array
from dlngeo._paths.bridges import PARTS, Bridges, Here, Stepper, attempt, in_parts
from dlngeo._random import Streams, recorded, seed_sequence

# As many paths run side by side as keep Python's share of a step small and temporaries in cache.
_CHUNK, _STATES = 8192, 2**17  # at most so many paths, and numbers in their states
_BLOCK, _NOISE = 32, 2**20  # noise is drawn for at most so many steps, and numbers, at once
_NAMED = 5  # paths that a message names


class Plan(NamedTuple):
    """Steps of length dt, which frames are kept, and which of a seed's paths are run."""

    dt: float
    n_steps: int
    every: int
    paths: range
    seed: np.random.SeedSequence
    workers: int = 1

    @classmethod
    def of(
        cls,
        dt: float,
        n_steps: int,
        every: int | None,
        n_paths: int,
        rng: RNG,
        first_path: int = 0,
        workers: int = 1,
    ) -> Plan:
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
        )

    def saved(self) -> Array:
        """The steps whose frames are kept, the start and the last in any case."""
        steps = np.arange(0, self.n_steps, self.every)
        return np.append(steps, self.n_steps)

    def times(self) -> Array:
        """The times of the frames."""
        return self.dt * self.saved()

    def provenance(self) -> dict[str, Any]:
        """What it takes to run any path again."""
        return recorded(self.seed) | {
            "dt": self.dt, "n_steps": self.n_steps, "first_path": self.paths.start
        }  # fmt: skip


class Paths(NamedTuple):
    """Frames (path, time, ...), NaN after a path's end; what the run says of its paths."""

    frames: Array
    reached: Array  # (path,): the last step to which each was followed
    cut: int  # steps that were taken in parts

    def status(self, plan: Plan) -> Array:
        """0 where a path was followed to the end, -1 elsewhere."""
        return np.where(self.reached < plan.n_steps, -1, 0)

    def ends(self, plan: Plan) -> Array:
        """The times to which the paths were followed."""
        return np.asarray(plan.dt * self.reached)

    def message(self, plan: Plan) -> str:
        """One line: which paths ended early, when and why, and what was taken in parts."""
        return report(self.ends(plan), plan.provenance() | {"cut": self.cut})


def report(ends: Array, told: dict[str, Any]) -> str:
    """One line on a run whose paths were followed to these times, from its provenance."""
    dt, n_steps, first, cut = (told[key] for key in ("dt", "n_steps", "first_path", "cut"))
    lost = np.flatnonzero(ends < dt * n_steps)
    said = "all steps were taken"
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


def all_paths(
    stepper: Stepper, first: Array, plan: Plan, record: Callable[[Array], Array] = np.asarray
) -> Paths:
    """Run all paths from one start; a frame is ``record`` of the states."""
    begin = record(first[None])[0]
    frames = np.empty((len(plan.paths), len(plan.saved()), *begin.shape), begin.dtype)
    together = min(_CHUNK, max(1, _STATES // first.size))
    size = max(1, min(together, -(-len(plan.paths) // plan.workers)))

    def chunk(start: int) -> tuple[Array, int]:
        part = plan.paths[start : start + size]
        return _run(stepper, first, plan, part, frames[start : start + size], record)

    starts = range(0, len(plan.paths), size)
    if plan.workers == 1:
        ends = [chunk(start) for start in starts]
    else:
        with ThreadPoolExecutor(plan.workers) as pool:
            ends = list(pool.map(chunk, starts))
    reached = np.concatenate([steps for steps, _ in ends])
    frames[plan.saved() > reached[:, None]] = np.nan
    return Paths(frames, reached, sum(cut for _, cut in ends))


def _run(
    stepper: Stepper,
    first: Array,
    plan: Plan,
    paths: range,
    frames: Array,
    record: Callable[[Array], Array],
) -> tuple[Array, int]:
    """Run some paths side by side into ``frames``; their last good steps, how many were cut."""
    streams, bridges = Streams(plan.seed, paths), Bridges(plan.seed, paths)
    reached, rows = np.full(len(paths), plan.n_steps), np.arange(len(paths))
    frames[:, 0] = record(first[None])
    block = max(1, min(_BLOCK, _NOISE // (len(paths) * stepper.noise_size)))
    saved = plan.saved()
    step, slot = 0, 1
    with np.errstate(all="ignore"):  # what overflows ends a path
        here = Here.of(stepper, np.broadcast_to(first, (len(paths), *first.shape)).copy())
        while step < plan.n_steps and rows.size:
            for normals in streams.normals(min(block, plan.n_steps - step), stepper.noise_size):
                noise = normals if rows.size == len(paths) else normals[rows]
                here, followed = _step(stepper, here, noise, plan.dt, bridges, rows)
                if not followed.all():
                    reached[rows[~followed]] = step
                    rows, here = rows[followed], here.rows(followed)
                step += 1
                if not rows.size:
                    break
                if step == saved[slot]:
                    frames[rows, slot] = record(here.state)
                    slot += 1
    return reached, bridges.used


def _step(
    stepper: Stepper, here: Here, normals: Array, dt: float, bridges: Bridges, paths: Array
) -> tuple[Here, Array]:
    """Where one step leads, in parts where it must be, and which paths could be followed."""
    whole = dt * here.rate <= 1
    there, good = attempt(stepper, here, normals, np.where(whole, dt, 0.0))
    followed = np.ones(len(paths), dtype=bool)
    rest = np.flatnonzero(~(whole & good))
    if rest.size:
        ends, followed[rest] = in_parts(
            stepper, here.rows(rest), normals[rest], dt, bridges, paths[rest]
        )
        there = there.replaced(rest, ends)
    return there, followed
