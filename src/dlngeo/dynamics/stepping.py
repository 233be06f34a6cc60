"""Many paths of one stochastic scheme: noise path by path, saved frames, steps taken in parts.

Path k depends on its own stream alone, to the last bit. Where the drift turns too fast for a step
of length dt, the step is taken in parts; how long the next part is follows from the state before
it, so the law is that of a scheme with variable steps, and the parts' increments come from the
Brownian bridge over the step: noise stays the noise that was drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._environment import numerics
from dlngeo.dynamics.noise import Streams, seed_sequence
from dlngeo.weights import RNG

# As many paths run side by side as keep Python's share of a step small and temporaries in cache.
_CHUNK, _STATES = 8192, 2**17  # at most so many paths, and numbers in their states
_BLOCK, _NOISE = 32, 2**20  # noise is drawn for at most so many steps, and numbers, at once
_PARTS = 1000  # into which a step may be cut


class Stepper(Protocol):
    """One step of a scheme, for a stack of states (path, ...)."""

    noise_size: int

    def look(self, state: Array) -> tuple[Array, Any]:
        """How fast the drift turns, (path,), and what a step may use again."""
        ...

    def step(self, state: Array, normals: Array, dt: float | Array, known: Any = None) -> Array:
        """The next state, after a time dt, or (path,) times."""
        ...


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

    def saved(self) -> list[int]:
        """The steps whose frames are kept."""
        steps = list(range(0, self.n_steps + 1, self.every))
        return steps if steps[-1] == self.n_steps else [*steps, self.n_steps]

    def times(self, frames: int) -> Array:
        """The times of the first so many frames."""
        return self.dt * np.array(self.saved()[:frames])

    def provenance(self) -> dict[str, Any]:
        """What it takes to run any path again."""
        return {
            "entropy": self.seed.entropy, "spawn_key": self.seed.spawn_key, "dt": self.dt,
            "n_steps": self.n_steps, "first_path": self.paths.start,
            "versions": numerics(),
        }  # fmt: skip


class Paths(NamedTuple):
    """Frames (path, time, ...), the last step good for all paths, how many steps were cut."""

    frames: Array
    reached: int
    cut: int

    def whole(self, plan: Plan) -> Array:
        """The frames; ``FloatingPointError`` where a path could not be followed to the end."""
        if self.reached < plan.n_steps:
            raise FloatingPointError(
                f"a path could not be followed beyond t = {self.reached * plan.dt:g}; "
                f"dt = {plan.dt:g} is too long"
            )
        return self.frames


def all_paths(
    stepper: Stepper, first: Array, plan: Plan, record: Callable[[Array], Array] = np.asarray
) -> Paths:
    """Run all paths from one start; a frame is ``record`` of the states."""
    begin = record(first[None])[0]
    frames = np.empty((len(plan.paths), len(plan.saved()), *begin.shape), begin.dtype)
    together = min(_CHUNK, max(1, _STATES // first.size))
    size = max(1, min(together, -(-len(plan.paths) // plan.workers)))

    def chunk(start: int) -> tuple[int, int]:
        part = plan.paths[start : start + size]
        return _run(stepper, first, plan, part, frames[start : start + size], record)

    starts = range(0, len(plan.paths), size)
    if plan.workers == 1:
        ends = [chunk(start) for start in starts]
    else:
        with ThreadPoolExecutor(plan.workers) as pool:
            ends = list(pool.map(chunk, starts))
    reached = min(step for step, _ in ends)
    kept = sum(1 for step in plan.saved() if step <= reached)
    return Paths(frames[:, :kept], reached, sum(cut for _, cut in ends))


def _run(
    stepper: Stepper,
    first: Array,
    plan: Plan,
    paths: range,
    frames: Array,
    record: Callable[[Array], Array],
) -> tuple[int, int]:
    """Run some paths side by side into ``frames``; the last good step, and how many were cut."""
    streams, bridges = Streams(plan.seed, paths), _Bridges(plan.seed, paths)
    state = np.broadcast_to(first, (len(paths), *first.shape)).copy()
    frames[:, 0] = record(first[None])
    block = max(1, min(_BLOCK, _NOISE // (len(paths) * stepper.noise_size)))
    saved = plan.saved()
    step, slot = 0, 1
    while step < plan.n_steps:
        for normals in streams.normals(min(block, plan.n_steps - step), stepper.noise_size):
            with np.errstate(all="ignore"):
                new = _attempt(stepper, state, normals, plan.dt, bridges)
            if new is None:
                return step, bridges.used
            state, step = new, step + 1
            if step == saved[slot]:
                frames[:, slot] = record(state)
                slot += 1
    return step, bridges.used


def _attempt(
    stepper: Stepper, state: Array, normals: Array, dt: float, bridges: _Bridges
) -> Array | None:
    """The next state; None where a path cannot be followed."""
    try:
        rate, known = stepper.look(state)
        parts = dt * rate
        if not (parts <= _PARTS).all():
            return None
        stiff = np.flatnonzero(parts > 1)
        new = stepper.step(state, normals, np.where(parts > 1, 0.0, dt), known)
        if stiff.size:
            new[stiff] = _in_parts(stepper, state[stiff], normals[stiff], dt, bridges, stiff)
    except (np.linalg.LinAlgError, ValueError, OverflowError):
        return None
    return new if np.isfinite(new).all() else None


def _in_parts(
    stepper: Stepper, state: Array, normals: Array, dt: float, bridges: _Bridges, paths: Array
) -> Array:
    """One step of these paths in parts, short enough each for the drift where it begins."""
    state, left = state.copy(), np.sqrt(dt) * normals
    rest = np.full(len(state), dt)
    active = np.arange(len(state))
    bridges.used += active.size
    while active.size:
        rate, known = stepper.look(state[active])
        if not (dt * rate <= _PARTS).all():
            raise OverflowError
        time = rest[active]
        parts = np.maximum(np.ceil(time * rate), 1.0)
        h = time / parts
        middle = np.flatnonzero(parts > 1)
        increment = left[active] / parts[:, None]
        spread = np.sqrt(h * (1 - 1 / parts))[middle, None]
        increment[middle] += spread * bridges.normals(paths[active[middle]], left.shape[1])
        state[active] = stepper.step(state[active], increment / np.sqrt(h)[:, None], h, known)
        left[active] -= increment
        rest[active] = time - h
        active = active[middle]
    return state


class _Bridges:
    """Normal numbers for the parts of steps, one stream a path, opened where it is needed."""

    def __init__(self, seed: np.random.SeedSequence, paths: range) -> None:
        self._seed, self._paths = seed, paths
        self._streams: dict[int, Streams] = {}
        self.used = 0  # steps that were cut

    def normals(self, rows: Array, size: int) -> Array:
        """(rows, size) numbers, the next of each row's stream."""
        drawn = np.empty((len(rows), size))
        for numbers, row in zip(drawn, rows, strict=True):
            numbers[...] = self._stream(int(row)).normals(1, size)[0, 0]
        return drawn

    def _stream(self, row: int) -> Streams:
        if row not in self._streams:
            key = (*self._seed.spawn_key, self._paths[row])
            child = np.random.SeedSequence(
                self._seed.entropy, spawn_key=key, pool_size=self._seed.pool_size
            )
            self._streams[row] = Streams(child, range(1))
        return self._streams[row]
