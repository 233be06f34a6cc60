"""The command line: ``dlngeo complete``. No mathematics here."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

# Matrices here are small: BLAS threads that wait for each other cost more than they save, without
# bound on a busy machine. Whoever sets these variables is obeyed.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from dlngeo import __version__
from dlngeo.studies import completion, tables

# What typer raises for an argument that it cannot parse; it has no public name there.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Geometry and stochastic dynamics of deep linear networks.",
)


@app.callback()
def _main() -> None:
    """Geometry and stochastic dynamics of deep linear networks."""


@app.command()
def complete(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A table with gaps or triplets (row, column, value): .csv, .tsv, .npy or .npz. "
            "Without it, the data set of --dataset.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="A data set that ships along: " + ", ".join(tables.DATASETS) + "."),
    ] = None,
    layout: Annotated[
        str, typer.Option(help="How DATA is laid out: auto, table or triplets.")
    ] = "auto",
    depth: Annotated[int, typer.Option(help="Number of weight matrices.")] = 3,
    width: Annotated[
        int | None,
        typer.Option(help="Hidden width; by default the smaller dimension, at most 100."),
    ] = None,
    holdout: Annotated[float, typer.Option(help="Share of the entries to hold out.")] = 0.2,
    scale: Annotated[
        float, typer.Option(help="Size of the start relative to the data; smaller: lower rank.")
    ] = 1e-3,
    tolerance: Annotated[
        float, typer.Option(help="Train at most to this fraction of the initial energy.")
    ] = 1e-6,
    rtol: Annotated[float, typer.Option(help="Relative tolerance of the integrator.")] = 1e-4,
    t_max: Annotated[float, typer.Option(help="Longest flow time.")] = 1e4,
    seed: Annotated[int, typer.Option(help="Chooses held-out entries and start.")] = 0,
    out: Annotated[
        Path, typer.Option(help="Folder for completed.csv, summary.json and completion.png.")
    ] = Path("dlngeo-completion"),
) -> None:
    """Fill in an incomplete matrix by the gradient flow of a deep linear network.

    Holds out a share of the observed entries, trains on the rest, and sets the error on the
    held-out entries beside the column mean and an iterated truncated SVD.
    """
    if data is not None and dataset is not None:
        raise ValueError("give DATA or --dataset, not both")
    if data is not None:
        table = tables.read(data, layout)  # type: ignore[arg-type]
    else:
        table = tables.dataset("fertility" if dataset is None else dataset)
    _require_folder(out)

    begun = time.perf_counter()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        tasks: dict[str, int] = {}

        def progress(stage: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0)
            bar.update(tasks[stage], completed=min(1.0, max(0.0, fraction)))  # type: ignore[arg-type]

        result = completion.complete(
            table.values,
            depth=depth,
            width=width,
            holdout=holdout,
            scale=scale,
            tolerance=tolerance,
            rtol=rtol,
            t_max=t_max,
            seed=seed,
            progress=progress,
        )
    summary = completion.summary(
        result,
        [
            ("dlngeo", __version__),
            ("data", table.name),
            ("source", table.source),
            ("layout", table.layout),
            ("depth", depth),
            ("scale", scale),
            ("tolerance", tolerance),
            ("rtol", rtol),
            ("holdout", holdout),
            ("seed", seed),
        ],
    )
    summary["total_seconds"] = time.perf_counter() - begun
    out.mkdir(parents=True, exist_ok=True)
    # All four files are made in a folder beside their place, and then moved there.
    with tempfile.TemporaryDirectory(dir=out) as draft:
        _write(Path(draft), table, result, summary)
        for file in Path(draft).iterdir():
            file.replace(out / file.name)
    _show(table, result, summary, out)


def _require_folder(out: Path) -> None:
    """Refuse at once what could not be written to at the end."""
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise ValueError(f"--out {out}: {existing} is not a folder that can be written to")


def _write(
    out: Path, table: tables.Table, result: completion.Completion, summary: dict[str, object]
) -> None:
    from dlngeo.studies import plotting

    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    with (out / "completed.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *table.columns])
        for label, row in zip(table.rows, result.completed, strict=True):
            writer.writerow([label, *(f"{x:.6g}" for x in row)])
    np.save(out / "completed.npy", result.completed)
    m, n = result.table.shape
    title = f"{Path(table.name).stem}, {m} × {n}: deep linear {result.network.name}"
    plotting.save(plotting.completion_figure(result, title), out / "completion.png")


def _show(
    table: tables.Table,
    result: completion.Completion,
    summary: dict[str, object],
    out: Path,
) -> None:
    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=not console.is_terminal)

    m, n = result.table.shape
    say(
        f"{table.name}, read as {table.layout}: {m} × {n}, {summary['observed']} entries "
        f"observed, {summary['missing_share']:.0%} missing, {summary['held_out']} held out"
    )
    if table.source:
        say(table.source)
    grid = Grid("method", "held-out RMSE", "effective rank", "chosen", "time")
    for method in result.methods:
        grid.add_row(
            method.name,
            f"{method.rmse:.4g}",
            f"{completion.rank_of(result, method):.2f}",
            method.chosen or "-",
            f"{method.seconds:.1f} s",
        )
    console.print(grid)
    say(completion.verdict(result))
    say(f"Wrote {out}/: completed.csv, completed.npy, summary.json, completion.png")


def main() -> None:
    """Run the command line: a bad argument or file gives one line and exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without × gets a question mark
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except typer.Abort:
        code = _fail("interrupted", 130)
    except _UsageError as error:
        code = _fail(error.format_message(), 2)
    except (ValueError, TypeError, OSError) as error:
        code = _fail(str(error), 2)
    except MemoryError:
        code = _fail("the matrix does not fit into memory", 2)
    except RuntimeError as error:
        code = _fail(str(error), 1)
    raise SystemExit(code or 0)


def _fail(message: str, code: int) -> int:
    print("dlngeo:", " ".join(message.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
