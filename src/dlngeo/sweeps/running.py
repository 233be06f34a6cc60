"""Running a study: chunks of a size that a probe finds, on any executor, each kept when it is done.

What a chunk holds depends on the study and the numbers of its runs alone, so neither the executor,
nor the size of chunks, nor their order, nor a restart changes a number.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlngeo import _checks
from dlngeo._environment import differences as environments_differ
from dlngeo._store.blocks import Block, block_shape
from dlngeo._store.files import held, named
from dlngeo._store.runs import Runs, State, found, leftovers, require_extra
from dlngeo.sweeps import work
from dlngeo.sweeps.dynamics import series_times
from dlngeo.sweeps.executors import Inline
from dlngeo.sweeps.observables import variable
from dlngeo.sweeps.reading import recorded
from dlngeo.sweeps.study import Study, differences, replaced_paths

if TYPE_CHECKING:
    import xarray

Seen = Callable[[int], None]  # told how many runs are on the disk
_Pending = dict[Future[Any], Block]
_NAMED = 3  # chunks that a refusal names


def run(
    study: Study,
    out: str | Path,
    *,
    executor: Executor | None = None,
    workers: int = 1,
    chunk: int | None = None,
    mix_environments: bool = False,
    progress: Seen | None = None,
    notice: Callable[[str], None] | None = None,
) -> xarray.Dataset:
    """Run a study, or go on with what is in a folder already; the runs as a labelled dataset.

    Parameters
    ----------
    study : Study
    out : path
        A folder for the store, this process's alone meanwhile.
    executor : concurrent.futures.Executor or None
        Who computes chunks: a ``ProcessPoolExecutor``, the executor of a Dask client
        (``client.get_executor()``), or any other. None: this process.
    workers : int >= 1
        How many chunks are computed at once; twice as many are handed to the executor.
    chunk : int >= 1 or None
        Runs in a chunk of a new store; None: what a timed probe finds. No number depends on it.
    mix_environments : bool
        Go on where versions or processors differ from those of the runs that are there; the whole
        is then not, bit for bit, one run.
    progress : callable or None
        ``progress(runs)``, told how many runs are on the disk.
    notice : callable or None
        ``notice(line)``, told of chunks that are damaged and computed anew.

    Returns
    -------
    xarray.Dataset
        As :func:`load`.

    Raises
    ------
    ValueError
        Where the folder holds runs of another study, named by its differences, or of another
        environment; or is being written by another process.
    OSError
        Where the disk is full, and the like.
    RuntimeError
        Where chunks failed or workers died. What is finished is kept in any case.

    Examples
    --------
    >>> import tempfile
    >>> import dlngeo as dln
    >>> study = dln.sweeps.Study(
    ...     energy={"kind": "quadratic", "target": [[1.0, 0.0], [0.0, 2.0]]},
    ...     start={"law": "gaussian", "scale": 0.1},
    ...     dynamics={"kind": "flow", "t_end": 100.0},
    ...     grid={"depth": [1, 2]},
    ...     observables=["singular_values"],
    ...     paths=10,
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     runs = dln.sweeps.run(study, folder).load()
    >>> dict(runs.sizes)
    {'depth': 2, 'path': 10, 'index': 2}
    >>> runs.singular_values.mean("path").round(3).values.tolist()
    [[2.0, 1.0], [2.0, 1.0]]
    """
    _checks.instance(study, "study", Study)
    out = Path(_checks.instance(out, "out", str, os.PathLike))
    if executor is not None:
        _checks.instance(executor, "executor", Executor)
    workers = _checks.integer(workers, "workers", 1)
    if chunk is not None:
        chunk = _checks.integer(chunk, "chunk", 1)
    _checks.flag(mix_environments, "mix_environments")
    for name, called in (("progress", progress), ("notice", notice)):
        if called is not None:
            _checks.function(called, name)
    require_extra()
    with held(out), named(out):
        store, state = _opened(study, out, workers, chunk)
        sweep = _Sweep(study, store, state, mix_environments, progress or (lambda runs: None))
        for words in state.damaged.values():
            if notice is not None:
                notice(f"{words}; it is computed anew")
        sweep.finish(executor or Inline(), 2 * workers if executor is not None else 1)
        return labelled(study, store, sweep.state)


def load(out: str | Path) -> xarray.Dataset:
    """The runs in a folder, finished or not, as a labelled dataset.

    Parameters
    ----------
    out : path
        The folder of a store, which :func:`run` made.

    Returns
    -------
    xarray.Dataset
        The observables over the grid's axes and ``path``; matrices over ``row`` and ``column``
        besides, vectors over ``index``, series over ``time``. Runs that are not finished are NaN,
        their ``status`` -9; ``finished`` counts the others. The attributes say how all was made.

    Raises
    ------
    ValueError
        Where there is no store, or a chunk of it is damaged.
    """
    out = Path(_checks.instance(out, "out", str, os.PathLike))
    store, state = opened(out)
    if state.damaged:
        raise ValueError(
            f"{'; '.join(list(state.damaged.values())[:_NAMED])}: run the study again, which "
            "computes it anew"
        )
    return labelled(study_in(store), store, state)


def opened(out: Path) -> tuple[Runs, State]:
    """The store in a folder, and what is finished of it."""
    require_extra()
    store = found(out)
    if store is None:
        raise ValueError(f"{out} holds no runs; dlngeo sweep, or dlngeo.sweeps.run, writes them")
    return store, store.state()


def study_in(store: Runs) -> Study:
    """The study that a store was made for."""
    if "study" not in store.attributes:
        raise ValueError(f"{store.out} holds paths of dlngeo simulate, no runs of a study")
    return recorded(str(store.attributes["study"]), str(store.attributes["folder"]))


def labelled(study: Study, store: Runs, state: State) -> xarray.Dataset:
    """The dataset of a store, with times, words along axes, and what the chunks record."""
    data = store.dataset(state)
    words = {name: values for name, values in study.coordinates.items() if name not in data.coords}
    if "time" in data.dims:
        words["time"] = series_times(study, study.cell(0))
    data = data.assign_coords({k: v for k, v in words.items() if k in data.dims})
    named = [variable(name) for name in study.observables]
    named += [f"{name}_t" for name in study.series.get("observables", [])]
    data = data[[name for name in named if name in data]]
    records = list(state.finished.values())
    made = list({repr(one["environment"]): one["environment"] for one in records}.values())
    refused = next((one["refused"] for one in records if one.get("refused")), "")
    finished = sum(len(block.runs) for block in store.blocks if block.number in state.finished)
    return data.assign_attrs(
        finished=finished,
        runs=study.runs,
        seconds=sum(one["seconds"] for one in records),
        integrator_seconds=sum(one["integrators"] for one in records),
        versions=json.dumps(made[0] if made else {}),
        **({"refused": refused} if refused else {}),
        **({"mixed_with": json.dumps(made[1:])} if len(made) > 1 else {}),
    )


# ---------------------------------------------------------------------------------- the store


def _opened(study: Study, out: Path, workers: int, chunk: int | None) -> tuple[Runs, State]:
    """The store of this study, made where there is none, and what is finished of it."""
    store = found(out)
    if store is None:
        size = work.chunk_size(study, workers) if chunk is None else chunk
        block = block_shape(tuple(study.sizes.values()), min(size, study.runs))
        about = {"study": study.to_toml(), "folder": study.folder, "seed": study.seed}
        store = Runs.create(out, study.coordinates, block, about)
        return store, State({}, {})
    for file in leftovers(out):
        file.unlink()
    there = study_in(store)
    more = study.paths > there.paths
    differ = differences(replaced_paths(there, study.paths) if more else there, study)
    if differ:
        raise ValueError(
            f"{out} holds runs of another study: {'; '.join(differ)}; give the study as it was, or "
            "another folder"
        )
    state = store.state()
    for record in state.finished.values():
        _require_modules(out, study, record)
    if store.grid["path"] < study.paths:
        store.grow(study.coordinates, study=study.to_toml())
        state = store.state()
    store.label(study.coordinates)
    store.change(study=study.to_toml(), folder=study.folder)  # the figure may be another
    return store, state


def _require_modules(out: Path, study: Study, record: Mapping[str, Any]) -> None:
    """Refuse runs that modules of yours made when they were others than now."""
    now, then = work.modules(study), record.get("modules", {})
    differ = [name for name in now if then.get(name) != now[name]]
    if differ:
        raise ValueError(
            f"{out} holds runs of another {', '.join(differ)}: the module has changed; give it as "
            "it was, or another folder"
        )


# --------------------------------------------------------------------------------- the chunks


class _Sweep:
    """The chunks of a study that are not finished yet, on their way."""

    def __init__(self, study: Study, store: Runs, state: State, mix: bool, progress: Seen) -> None:
        self.study, self.store, self.state = study, store, state
        self._mix, self._progress = mix, progress
        self._shape = work.largest(study)
        self._blocks = store.blocks
        self._failed: list[str] = []

    def finish(self, executor: Executor, window: int) -> None:
        """Compute what is missing, so many chunks handed over at once."""
        todo = (block for block in self._blocks if block.number not in self.state.finished)
        pending: _Pending = {}
        self._tell()
        try:
            while self._fill(pending, todo, executor, window):
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda one: pending[one].number):
                    self._take(pending.pop(future), future)
        finally:
            for future in pending:
                future.cancel()
        if self._failed:
            named = "; ".join(self._failed[:_NAMED])
            more = len(self._failed) - _NAMED
            raise RuntimeError(
                f"{len(self._failed)} of {len(self._blocks)} chunks failed: {named}"
                f"{f'; and {more} more' if more > 0 else ''}. {self._kept()}"
            )

    def _fill(
        self, pending: _Pending, todo: Iterator[Block], executor: Executor, window: int
    ) -> bool:
        """Hand chunks over until so many are on their way; whether any is."""
        while len(pending) < window and (block := next(todo, None)) is not None:
            try:
                future = executor.submit(work.compute, self.study, block.first, block.last)
            except Exception as error:
                raise self._dead(block, error) from None
            pending[future] = block
        return bool(pending)

    def _take(self, block: Block, future: Future[Any]) -> None:
        """Keep what a chunk's future holds."""
        try:
            chunk = future.result()
        except (BrokenExecutor, CancelledError) as error:
            raise self._dead(block, error) from None
        except Exception as error:
            self._failed.append(f"chunk {block.number} ({' '.join(str(error).split())})")
            return
        _require_modules(self.store.out, self.study, chunk.record)
        self._require_environment(chunk.record["environment"])
        self.store.write(block, work.filled(chunk.variables, self._shape), chunk.record)
        self.state.finished[block.number] = chunk.record
        self._tell()

    def _dead(self, block: Block, error: Exception) -> RuntimeError:
        return RuntimeError(
            f"a worker died, with chunk {block.number} or one beside it "
            f"({type(error).__name__}: {error}); it may have run out of memory. {self._kept()}"
        )

    def _tell(self) -> None:
        self._progress(self._runs())

    def _runs(self) -> int:
        finished = self.state.finished
        return sum(len(block.runs) for block in self._blocks if block.number in finished)

    def _kept(self) -> str:
        return (
            f"{self.store.out} keeps {self._runs()} of {self.study.runs} runs, and the same "
            "command goes on from there"
        )

    def _require_environment(self, now: Mapping[str, str]) -> None:
        """Refuse runs whose last bits are not those of the runs that are there."""
        for record in self.state.finished.values():
            differ = environments_differ(dict(record["environment"]), dict(now))
            if differ and not self._mix:
                raise ValueError(
                    f"{self.store.out} holds runs of another environment: {differ}. Choose another "
                    "folder, or --mix-environments: then the numbers are no longer those of one run"
                )
            return
