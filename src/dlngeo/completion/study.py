"""``dlngeo complete``: a table is read, completed, held against baselines, and written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from dlngeo import tables
from dlngeo._checks import choice
from dlngeo._environment import numerics
from dlngeo._store.files import GROUPS, RUNS, held, require_folder, together, write_json
from dlngeo._store.signals import Stopped
from dlngeo._study import Argument, Option, Progress, Report
from dlngeo.completion import checkpoint, factored, predictions, report
from dlngeo.completion._complete import complete

_READING = ("layout", "columns", "header", "labels", "delimiter", "decimal", "skip")
_COMMON = ("depth", "holdout", "seed")
_OF_DENSE = ("width", "scale", "tolerance", "rtol", "t_max", "smooth")
_OF_FACTORED = ("rank", "weight_decay", "clip")
_MOST = 10_000_000  # entries of a dense matrix
_METHODS = ("auto", "dense", "factored")
_MARKS = {"dlngeo", "data", "method", "held_out", "held_out_rmse"}  # of a completion's summary


class _Before(NamedTuple):
    """An earlier completion in the folder: of what it is, and the files it wrote; empty if none."""

    name: str
    files: frozenset[str]


@dataclass(frozen=True)
class Complete:
    """Fill in an incomplete matrix by the gradient flow of a deep linear network.

    Holds out a share of the observed entries, trains on the rest, and sets the error on the
    held-out entries beside simple baselines. What is written comes from training on all observed
    entries.

    A small table is completed as a matrix, whose observed entries stay as they are. One of more
    than 100,000 entries, or of more than 10,000 of which less than a tenth was observed, is
    completed in factored form, with biases, and never formed: factors are written, and predictions
    for the pairs of --predict. The same command, given again after an interruption, goes on.

    Reading: line 1 is a header where words stand over numbers; first columns of words are labels;
    two columns of words that repeat and one of numbers are triplets. Where more than that is
    needed, the option that settles it is named.
    """

    FOLDER: ClassVar[str] = (
        "Folder for completed.csv or factors.npz, summary.json and completion.png; by default "
        "dlngeo-completion."
    )
    FILES: ClassVar[tuple[str, ...]] = (
        "completed.csv", "completed.npy", "summary.json", "completion.png",
    )  # fmt: skip
    FACTORED_FILES: ClassVar[tuple[str, ...]] = (
        "factors.npz", "rows.csv", "columns.csv", "summary.json", "completion.png",
    )  # fmt: skip
    PREDICTIONS: ClassVar[str] = "predictions.csv"

    data: Annotated[
        Path | None,
        Argument(
            "A table with gaps or triplets (row, column, value): text, .npy or .npz. Without it, "
            "the data set of --dataset."
        ),
    ] = None
    dataset: Annotated[
        str | None, Option("A data set that ships along: " + ", ".join(tables.DATASETS) + ".")
    ] = None
    layout: Annotated[str, Option("How DATA is laid out: auto, table or triplets.")] = "auto"
    columns: Annotated[
        str | None,
        Option("Triplets: the columns of row, column and value, as user,item,rating or 1,2,3."),
    ] = None
    header: Annotated[
        bool | None, Option("Whether line 1 holds names.", "--header/--no-header")
    ] = None
    labels: Annotated[int | None, Option("How many first columns hold labels.")] = None
    delimiter: Annotated[str | None, Option("What separates cells: ; or :: or tab or blank.")] = (
        None
    )
    decimal: Annotated[str, Option("The decimal mark, . or a comma.")] = "."
    missing: Annotated[
        list[str] | None, Option("One more spelling of a missing value, like -999.")
    ] = None
    skip: Annotated[int, Option("Lines above the table.")] = 0
    method: Annotated[str, Option("How it is completed: auto, dense or factored.")] = "auto"
    predict: Annotated[
        Path | None,
        Option("A text of pairs, row and column as DATA names them: predictions.csv answers."),
    ] = None
    depth: Annotated[int, Option("Number of weight matrices.")] = 3
    width: Annotated[
        int | None, Option("Hidden width; by default the smaller dimension, at most 100.")
    ] = None
    rank: Annotated[int | None, Option("Rank of the factors; by default chosen by validation.")] = (
        None
    )
    weight_decay: Annotated[
        float | None, Option("Of the factored method; by default chosen by validation.")
    ] = None
    clip: Annotated[
        bool, Option("Keep predictions of the factored method to the range of the data.", "--clip")
    ] = False
    holdout: Annotated[float, Option("Share of the entries to hold out; 0: no error estimate.")] = (
        0.2
    )
    scale: Annotated[
        float, Option("Size of the start relative to the data; smaller: lower rank.")
    ] = 1e-3
    tolerance: Annotated[float, Option("Train at most to this fraction of the initial energy.")] = (
        1e-6
    )
    rtol: Annotated[float, Option("Relative tolerance of the integrator.")] = 5e-4
    t_max: Annotated[float, Option("Longest flow time.")] = 1e4
    smooth: Annotated[
        bool, Option("Write the network's values for observed entries too.", "--smooth")
    ] = False
    seed: Annotated[int, Option("Chooses held-out entries and start.")] = 0

    @property
    def folder(self) -> Path:
        """The same for every table."""
        return Path("dlngeo-completion")

    def run(self, out: Path, progress: Progress) -> Report:
        """Complete the table, and write matrix or factors, a summary and a figure."""
        triplets = self._triplets(lambda fraction: progress("reading", fraction))
        method = self._method(triplets)
        require_folder(out)
        self._require_other_files(out)
        self._require_pairs(triplets)
        begun = time.perf_counter()
        with held(out):
            before = self._before(out, method)
            if method == "dense":
                return self._dense(triplets, out, begun, before, progress)
            return self._factored(triplets, out, begun, before, progress)

    def _dense(
        self,
        triplets: tables.Triplets,
        out: Path,
        begun: float,
        before: _Before,
        progress: Progress,
    ) -> Report:
        checkpoint.require_none(out)
        table = triplets.table()
        training = [name for name in (*_COMMON, *_OF_DENSE) if name != "smooth"]
        result = complete(table, progress=progress, **self._settings(training))
        settings = self._settings((*training, "smooth"))
        summary = report.summary(result, self._made(triplets, "dense", settings))

        def save(draft: Path) -> None:
            from dlngeo.completion import files  # and Matplotlib

            files.save(result, draft, name=Path(table.name).stem, smooth=self.smooth)

        predictor = predictions.of_dense(result) if self.predict else None
        said = self._write(triplets, out, summary, begun, save, predictor, self.FILES, before)
        headline = report.headline(table.name, table.reading, result)
        return replace(
            said,
            above=[headline, *filter(None, [table.source])],
            columns=report.COLUMNS,
            rows=report.rows(result),
            below=[
                *filter(None, [report.verdict(result), report.gaps_left(result)]), *said.below,
            ],
        )  # fmt: skip

    def _factored(
        self,
        triplets: tables.Triplets,
        out: Path,
        begun: float,
        before: _Before,
        progress: Progress,
    ) -> Report:
        settings = self._settings((*_COMMON, *_OF_FACTORED))
        done = checkpoint.Checkpoint(
            out, checkpoint.settings_of(triplets, method="factored", **settings)
        )
        try:
            result = factored.complete(triplets, done=done, progress=progress, **settings)
        except Stopped as stop:
            parts = f"{len(done)} part{'s' * (len(done) != 1)}"
            there = f"{out} holds {parts} of the run, and the same command"
            raise Stopped(stop.number, f"{there} goes on from there" if done else "") from None
        made = self._made(triplets, "factored", settings)
        summary = report.factored_summary(result, made)

        def save(draft: Path) -> None:
            from dlngeo.completion import files  # and Matplotlib

            files.save_factored(result, draft, name=Path(triplets.name).stem)

        predictor = predictions.of_factored(result.found, triplets) if self.predict else None
        written = self.FACTORED_FILES
        said = self._write(triplets, out, summary, begun, save, predictor, written, before)
        done.remove()
        return replace(
            said,
            above=[report.factored_headline(result), *filter(None, [triplets.source])],
            columns=report.FACTORED_COLUMNS,
            rows=report.factored_rows(result),
            below=[report.factored_verdict(result), *said.below],
        )

    def _settings(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

    def _reading(self) -> dict[str, Any]:
        return self._settings(_READING) | {"missing": tuple(self.missing or ())}

    def _triplets(self, progress: Callable[[float], None]) -> tables.Triplets:
        """The data; how they are laid out is said of a file alone."""
        if self.data is not None and self.dataset is not None:
            raise ValueError("give DATA or --dataset, not both")
        reading = self._reading()
        if self.data is not None:
            return tables.read_triplets(self.data, progress=progress, **reading)
        if reading != Complete()._reading():
            raise ValueError(
                "--layout, --columns and the like say how DATA is read; DATA is missing"
            )
        name = "fertility" if self.dataset is None else self.dataset
        return tables.triplets_of(tables.dataset(name))

    def _method(self, triplets: tables.Triplets) -> str:
        """Asked for, or what size and density say; options of the other one are refused."""
        (m, n), observed = triplets.shape, triplets.values.size
        method = choice(self.method, "method", _METHODS)
        if method == "auto":
            method = factored.method_for((m, n), observed)
        if method == "dense" and m * n > _MOST:
            raise ValueError(
                f"--method dense takes at most {_MOST} entries; {triplets.name} has {m} × {n}"
            )
        other, foreign = ("factored", _OF_FACTORED) if method == "dense" else ("dense", _OF_DENSE)
        for name in foreign:
            if getattr(self, name) != getattr(Complete(), name):
                raise ValueError(
                    f"--{name.replace('_', '-')} belongs to --method {other}; {triplets.name}, "
                    f"{m} × {n} with {observed} entries observed, is completed by {method}"
                )
        return str(method)

    def _require_pairs(self, triplets: tables.Triplets) -> None:
        """Refuse pairs that could not be answered at the end."""
        if self.predict is not None:
            predictions.places(triplets.rows, "row")
            predictions.places(triplets.columns, "column")
            for _ in self._pairs(triplets):
                pass

    def _pairs(self, triplets: tables.Triplets) -> Iterator[list[tuple[str, str]]]:
        assert self.predict is not None
        known = set(triplets.rows), set(triplets.columns)
        return tables.asked_pairs(self.predict, triplets.titles, known, self.delimiter, self.header)

    def _require_other_files(self, out: Path) -> None:
        """Refuse to write over what is read, or over a simulation."""
        names = {*self.FILES, *self.FACTORED_FILES, self.PREDICTIONS}
        written = [out / name for name in names]
        for name, read in (("DATA", self.data), ("--predict", self.predict)):
            if read and any(f.exists() and read.exists() and f.samefile(read) for f in written):
                raise ValueError(f"--out {out} would overwrite {name}, {read}; name another folder")
        if any((out / name).exists() for name in (RUNS, GROUPS)):
            raise ValueError(f"--out {out} holds a simulation; name another folder")

    def _before(self, out: Path, method: str) -> _Before:
        """The earlier completion in the folder; refused where other files would be written over."""
        before = _Before("", frozenset())
        with suppress(OSError, ValueError):
            before = self._told(json.loads((out / "summary.json").read_text(encoding="utf-8")))
        ours = before.files
        if (out / checkpoint.NAME).exists():  # killed perhaps while files were moved there
            ours = ours | {*self.FACTORED_FILES, self.PREDICTIONS} - {"summary.json"}
        written = self.FILES if method == "dense" else self.FACTORED_FILES
        for name in (*written, *([self.PREDICTIONS] if self.predict else [])):
            if name not in ours and os.path.lexists(out / name):
                raise ValueError(
                    f"--out {out} holds {name}, which no completion is known to have written and "
                    f"this one would overwrite; name another folder, or remove it"
                )
        return before

    def _told(self, summary: Any) -> _Before:
        """What a summary says; nothing where it is not one of a completion."""
        if not (isinstance(summary, dict) and summary.keys() >= _MARKS):
            return _Before("", frozenset())
        files = self.FILES if summary["method"] == "dense" else self.FACTORED_FILES
        more = [self.PREDICTIONS] if "predicted" in summary else []
        return _Before(str(summary["data"]), frozenset([*files, *more]))

    def _made(
        self, triplets: tables.Triplets, method: str, settings: dict[str, Any]
    ) -> list[tuple[str, object]]:
        source = {"data": triplets.name, "source": triplets.source, "layout": triplets.layout}
        source |= {"reading": triplets.reading, "method": method}
        return list((numerics() | source | settings).items())

    def _write(
        self,
        triplets: tables.Triplets,
        out: Path,
        summary: dict[str, object],
        begun: float,
        save: Callable[[Path], None],
        predictor: predictions.Predictor | None,
        files: tuple[str, ...],
        before: _Before,
    ) -> Report:
        """All files together; those of an earlier run that has others go."""
        below = []
        with together(out, last="summary.json") as draft:
            save(draft)
            if predictor is not None:
                titles = triplets.titles or ("row", "column")
                file = draft / self.PREDICTIONS
                count, unknown = predictor.write(file, titles, self._pairs(triplets))
                files = (*files, self.PREDICTIONS)
                summary["predicted"] = {"pairs": count, "unknown": unknown}
                below = [_answered(count, unknown, summary["method"] == "dense")]
            summary["total_seconds"] = time.perf_counter() - begun
            write_json(draft / "summary.json", summary)
        for name in before.files - {*files}:
            (out / name).unlink(missing_ok=True)
        return Report([], [], [], below, files, before.name)


def _answered(count: int, unknown: int, dense: bool) -> str:
    said = f"Predicted {count} pair{'s' * (count != 1)}"
    if unknown:
        means = "the mean of the column, the row or everything answers"
        how = means if dense else "mean and known biases answer"
        said += f"; of {unknown} a label is unknown or without data, and {how}"
    return f"{said}."
