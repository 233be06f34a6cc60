"""``dlngeo complete``: a table is read, completed, held against baselines, and written."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from dlngeo import tables
from dlngeo._environment import numerics
from dlngeo._store.files import GROUPS, held, require_folder, together, write_json
from dlngeo._study import Argument, Option, Progress, Report
from dlngeo.completion import report
from dlngeo.completion._complete import Completion, complete

_READING = ("layout", "columns", "header", "labels", "delimiter", "decimal", "skip")
_TRAINING = ("depth", "scale", "tolerance", "rtol", "holdout", "seed", "t_max")


@dataclass(frozen=True)
class Complete:
    """Fill in an incomplete matrix by the gradient flow of a deep linear network.

    Holds out a share of the observed entries, trains on the rest, and sets the error on the
    held-out entries beside the column mean and an iterated truncated SVD. What is written comes
    from training on all observed entries; these stay as they are.

    Reading: line 1 is a header where words stand over numbers; first columns of words are labels;
    two columns of words that repeat and one of numbers are triplets. Where more than that is
    needed, the option that settles it is named.
    """

    FOLDER: ClassVar[str] = (
        "Folder for completed.csv, summary.json and completion.png; by default dlngeo-completion."
    )
    FILES: ClassVar[tuple[str, ...]] = (
        "completed.csv", "completed.npy", "summary.json", "completion.png",
    )  # fmt: skip

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
    depth: Annotated[int, Option("Number of weight matrices.")] = 3
    width: Annotated[
        int | None, Option("Hidden width; by default the smaller dimension, at most 100.")
    ] = None
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
        """Complete the table, and write the matrix, a summary and a figure."""
        table = self._table()
        require_folder(out)
        self._require_other_files(out)
        before, begun = _name_of(out / "summary.json"), time.perf_counter()
        with held(out):
            result = complete(
                table, width=self.width, progress=progress, **self._settings(_TRAINING)
            )
            self._write(table, result, out, begun)
        headline = report.headline(table.name, table.reading, result)
        return Report(
            above=[headline, *filter(None, [table.source])],
            columns=report.COLUMNS,
            rows=report.rows(result),
            below=[*filter(None, [report.verdict(result), report.gaps_left(result)])],
            files=self.FILES,
            replaced=before,
        )

    def _settings(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

    def _reading(self) -> dict[str, Any]:
        return self._settings(_READING) | {"missing": tuple(self.missing or ())}

    def _table(self) -> tables.Table:
        """The data; how they are laid out is said of a file alone."""
        if self.data is not None and self.dataset is not None:
            raise ValueError("give DATA or --dataset, not both")
        reading = self._reading()
        if self.data is not None:
            return tables.read(self.data, **reading)
        if reading != Complete()._reading():
            raise ValueError(
                "--layout, --columns and the like say how DATA is read; DATA is missing"
            )
        return tables.dataset("fertility" if self.dataset is None else self.dataset)

    def _require_other_files(self, out: Path) -> None:
        """Refuse to write over what is read, or over a simulation."""
        written = [out / name for name in ("completed.csv", "completed.npy")]
        data = self.data
        if data is not None and any(file.exists() and file.samefile(data) for file in written):
            raise ValueError(f"--out {out} would overwrite DATA, {data}; name another folder")
        if (out / GROUPS).exists():
            raise ValueError(f"--out {out} holds a simulation; name another folder")

    def _write(self, table: tables.Table, result: Completion, out: Path, begun: float) -> None:
        from dlngeo.completion import files  # and Matplotlib

        source = {"data": table.name, "source": table.source, "layout": table.layout}
        source |= {"reading": table.reading}
        made = numerics() | source | self._settings((*_TRAINING, "smooth"))
        summary = report.summary(result, list(made.items()))
        summary["total_seconds"] = time.perf_counter() - begun
        with together(out, last="summary.json") as draft:
            files.save(result, draft, name=Path(table.name).stem, smooth=self.smooth)
            write_json(draft / "summary.json", summary)


def _name_of(summary: Path) -> str:
    """What the results in the folder are of; empty where there are none."""
    try:
        return str(json.loads(summary.read_text(encoding="utf-8"))["data"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, TypeError, KeyError):
        return "another run"
