"""Many paths of one stochastic scheme: noise path by path, saved frames, paths that end early.

Path k depends on its own stream alone, to the last bit. A step that cannot be taken whole is taken
in parts by the paths that need it (:mod:`~dlngeo._paths.bridges`). A path that cannot be followed
even so ends there; the others go on. All paths are brought to one saved frame before any goes on to
the next, so that a callback sees them together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dlngeo._checks import Array
from dlngeo._paths.bridges import Stepper
from dlngeo._paths.compiled import CompiledGroup
from dlngeo._paths.groups import Group
from dlngeo._paths.run import End, Outcome, Run

#: What takes a group of paths on, by the name of its engine.
ENGINES: dict[str, type[Group]] = {"numpy": Group, "numba": CompiledGroup}

# As many paths run side by side as keep Python's share of a step small and temporaries in cache.
_CHUNK, _STATES = 8192, 2**17  # at most so many paths, and numbers in their states


def all_paths(
    stepper: Stepper,
    first: Array,
    run: Run,
    record: Callable[[Array], Array] = np.asarray,
    *,
    kept: Array | None = None,
    end: End | None = None,
    show: Callable[[Array], Array] = np.asarray,
    engine: str = "numpy",
) -> Outcome:
    """Run all paths.

    ``first`` (1 or path, ...) are their first states and ``kept`` what the scheme keeps of them,
    where they do not go on from the ``end`` of another run; NaN where a path has ended before. A
    frame is ``record`` of the states, and the callback is given ``show`` of it. ``engine`` is of
    :data:`ENGINES`.
    """
    alive = np.isfinite(first).reshape(len(first), -1).all(axis=1)
    begun = record(first[alive])
    frames = np.full((len(run.paths), len(run.saved()), *begun.shape[1:]), np.nan, begun.dtype)
    frames[:, 0][np.broadcast_to(alive, len(run.paths))] = begun
    parts = _parts(run, first[0].size)
    first = _each_path(first, run)
    kept = None if kept is None else _each_path(kept, run)

    def group(part: slice) -> Group:
        some = None if kept is None else kept[part]
        before = None if end is None else end.part(part)
        return ENGINES[engine](stepper, run, part, frames[part], record, first[part], some, before)

    pool = ThreadPoolExecutor(run.workers) if run.workers > 1 else None
    with pool or contextlib.nullcontext():
        every = pool.map if pool else map
        if run.callback is None:  # one group after the other: the last one's state is not kept
            results = list(every(lambda part: group(part).follow(), parts))
        else:
            groups = [group(part) for part in parts]
            run = _together(groups, every, run, frames, show)
            results = [group.result(run.n_steps) for group in groups]
    reached, cut, aside, ends = zip(*results, strict=True)
    frames = frames[:, : len(run.saved())]
    end = End.joined(ends)
    return Outcome(run, frames, np.concatenate(reached), sum(cut), end, sum(aside))


def _parts(run: Run, size: int) -> list[slice]:
    """The paths that run side by side, states of so many numbers."""
    count = len(run.paths)
    together = min(_CHUNK, max(1, _STATES // max(1, size)))
    step = max(1, min(together, -(-count // run.workers)))
    step += -step % 8 if step > 8 else 0  # whole vectors
    return [slice(start, start + step) for start in range(0, count, step)]


def _each_path(array: Array, run: Run) -> Array:
    """What all paths have in common, or each has, path by path."""
    return np.broadcast_to(array, (len(run.paths), *array.shape[1:]))


def _together(
    groups: list[Group],
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
