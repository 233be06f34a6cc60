"""One chunk of a study: consecutive runs, cell by cell, as any process computes them."""

from __future__ import annotations

import math
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlngeo import _engine
from dlngeo._environment import numerics
from dlngeo._store.runs import Variable
from dlngeo._threads import one_blas_thread
from dlngeo.sweeps import dynamics, observables, starts
from dlngeo.sweeps.settings import digest, function
from dlngeo.sweeps.study import Cell, Study

_LONG, _SHORT = 4.0, 1.0  # seconds that a chunk should take at most, and at least
_PROBE, _ENOUGH = 0.025, 0.5  # seconds that tell what runs take, at least and at most
_BYTES = 2**26  # of a chunk at most


class Chunk(NamedTuple):
    """The observables of some runs, and how they were made."""

    variables: dict[str, Variable]
    record: dict[str, Any]


@one_blas_thread
def compute(study: Study, first: int, last: int) -> Chunk:
    """The runs ``first`` to ``last`` of a study, the paths of a cell in one ensemble."""
    begun, integrators, parts = time.perf_counter(), 0.0, []
    refused = ""
    for cell, paths in spans(study, first, last):
        try:
            energy = starts.energy_of(study, cell)
            several = dynamics.run(study, cell, energy, paths)
            series = study.series.get("observables", [])
            parts += [
                observables.read(runs, study.observables, series, study.folder) for runs in several
            ]
        except Exception as error:
            raise RuntimeError(
                f"{cell!r}, paths {paths[0]} to {paths[-1]}: {type(error).__name__}: {error}"
                f"{_place(error, study)}"
            ) from None
        integrators += sum(runs.seconds for runs in several)
        refused = refused or next((runs.refused for runs in several if runs.refused), "")
    seconds = {"seconds": time.perf_counter() - begun, "integrators": integrators}
    record = seconds | {"environment": environment(study), "refused": refused}
    return Chunk(_joined(parts), record | {"modules": modules(study)})


def spans(study: Study, first: int, last: int) -> list[tuple[Cell, range]]:
    """The cells of some runs, with their paths."""
    found = []
    for number in range(first // study.paths, last // study.paths + 1):
        start, stop = (run - number * study.paths for run in (first, last + 1))
        found.append((study.cell(number), range(max(0, start), min(study.paths, stop))))
    return found


def environment(study: Study) -> dict[str, str]:
    """On what the last bits depend."""
    engine = _engine.chosen(study.dynamics.get("engine", "auto"))
    return numerics() | {"engine": _engine.recorded(engine)}


def modules(study: Study) -> dict[str, str]:
    """The modules of yours that numbers depend on, with the SHA-256 of their files."""
    for key, name in _yours(study):
        function(name, study.folder, key)  # which loads it
    return {module: digest(module) for module in _modules(study)}


def _modules(study: Study) -> list[str]:
    return [name.partition(":")[0] for _, name in _yours(study)]


def _yours(study: Study) -> list[tuple[str, str]]:
    """The functions of yours that numbers depend on, and the keys that name them."""
    named = [("energy.call", study.energy["call"])] if "call" in study.energy else []
    return named + [("observables", name) for name in study.observables if ":" in name]


def _place(error: Exception, study: Study) -> str:
    """Where in a module of yours an error comes from, as " (own.py, line 3)"."""
    yours = {getattr(sys.modules.get(name), "__file__", None) for name in _modules(study)}
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f" ({Path(f.filename).name}, line {f.lineno})" for f in frames if f.filename in yours]
    return lines[-1] if lines else ""


def _joined(parts: list[dict[str, Variable]]) -> dict[str, Variable]:
    """All cells' observables, those of smaller matrices filled up with NaN."""
    joined = {}
    for name, one in parts[0].items():
        arrays = [part[name].values for part in parts]
        inner = {array.shape[1:] for array in arrays}
        if len(inner) > 1:
            arrays = [_filled(array, tuple(map(max, zip(*inner, strict=True)))) for array in arrays]
        joined[name] = Variable(one.dimensions, np.concatenate(arrays))
    return joined


def _filled(array: Any, inner: tuple[int, ...]) -> Any:
    pads = [(0, size - there) for size, there in zip(inner, array.shape[1:], strict=True)]
    if not any(size for _, size in pads):
        return array
    return np.pad(array, [(0, 0), *pads], constant_values=np.nan)


def filled(variables: dict[str, Variable], shape: tuple[int, int]) -> dict[str, Variable]:
    """Observables of W as those of W of a larger shape, the same in all chunks."""
    sizes = {"row": shape[0], "column": shape[1], "index": min(shape)}
    return {
        name: Variable(
            one.dimensions,
            _filled(
                one.values,
                tuple(
                    sizes.get(dimension, size)
                    for dimension, size in zip(one.dimensions, one.values.shape[1:], strict=True)
                ),
            ),
        )
        for name, one in variables.items()
    }


def largest(study: Study) -> tuple[int, int]:
    """The shape that holds W of every cell."""
    known: dict[str, tuple[int, int]] = {}
    for cell in study.cells():
        key = repr((cell.energy, cell.start if cell.start["law"] == "matrix" else ""))
        if key not in known:
            known[key] = starts.shape_of(starts.energy_of(study, cell), cell)
    rows, columns = zip(*known.values(), strict=True)
    return max(rows), max(columns)


def chunk_size(study: Study, workers: int) -> int:
    """Runs that take a good while, and some for each worker if there are enough.

    Paths of one cell take some time together and some time each; both are told by more and more
    paths of the first cell, and two other cells say how much it differs. What paths take together
    is no more than half of a chunk's time. Time is the processor's: a machine that is busy now may
    be free later. Where all runs seem to take less than the longest chunk, that is enough.
    """
    compute(study, 0, 0)  # compiled, read and imported once for all
    count, now, size = 1, *_timed(study, 0, 1)
    fewer, before, one = 0, 0.0, now
    # Twice at least, and until it shows what paths take each: together is the most of it for a few.
    while count < study.paths and (fewer == 0 or now < max(_PROBE, min(2 * one, _ENOUGH))):
        if fewer and now * study.runs < _LONG * count:
            break
        more = 4 if now < _ENOUGH else 2
        fewer, before, count = count, now, min(more * count, study.paths)
        now, size = _timed(study, 0, count)
    each = max((now - before) / (count - fewer), now / count / 50)
    cells = study.runs // study.paths
    others = [study.paths * k for k in sorted({cells // 2, cells - 1} - {0})]
    factor = (now + sum(_timed(study, run, count)[0] for run in others)) / now / (1 + len(others))
    each, together = factor * each, factor * max(0.0, now - count * each)

    def runs(seconds: float) -> int:
        cell = together + each * study.paths
        if cell <= seconds:
            return study.paths * int(seconds / cell)
        return max(1, int(max(seconds - together, together) / each))

    fair = math.ceil(study.runs / (4 * workers))
    most = max(1, _BYTES * count // size)
    return min(most, runs(_LONG), max(runs(_SHORT), fair))


def _timed(study: Study, first: int, count: int) -> tuple[float, int]:
    """Seconds of the processor that some runs took, and bytes that their observables have."""
    begun = time.process_time()
    chunk = compute(study, first, first + count - 1)
    size = sum(one.values.nbytes for one in chunk.variables.values())
    return time.process_time() - begun, size
