"""The command line: ``dlngeo complete`` and ``dlngeo simulate``. No mathematics here."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as Grid

from dlngeo import completion, simulation, tables
from dlngeo._environment import numerics
from dlngeo._store.files import held, require_folder, together
from dlngeo._store.signals import Stopped, stoppable
from dlngeo.cli._terminal import bar, say
from dlngeo.completion import report as completion_report
from dlngeo.simulation import config as simulation_config
from dlngeo.simulation import report
from dlngeo.simulation import store as simulation_store

# What typer raises for an argument that it cannot parse; it has no public name there.
_UsageError: Any = typer.BadParameter.__base__

# What is said of how DATA is laid out where nothing is said.
_UNTOLD = {
    "layout": "auto", "columns": None, "header": None, "labels": None, "delimiter": None,
    "decimal": ".", "missing": (), "skip": 0,
}  # fmt: skip


def _folder(value: str | Path) -> Path:
    """What --out names; ``Path("")`` would be the folder one is in."""
    if not str(value).strip():
        raise typer.BadParameter("a folder must be named; the present one is .")
    return Path(value)


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
            help="A table with gaps or triplets (row, column, value): text, .npy or .npz. "
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
    columns: Annotated[
        str | None,
        typer.Option(
            help="Triplets: the columns of row, column and value, as user,item,rating or 1,2,3.",
            show_default=False,
        ),
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header", help="Whether line 1 holds names.", show_default=False
        ),
    ] = None,
    labels: Annotated[
        int | None,
        typer.Option(help="How many first columns hold labels.", show_default=False),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(help="What separates cells: ; or :: or tab or blank.", show_default=False),
    ] = None,
    decimal: Annotated[str, typer.Option(help="The decimal mark, . or a comma.")] = ".",
    missing: Annotated[
        list[str] | None,
        typer.Option(help="One more spelling of a missing value, like -999.", show_default=False),
    ] = None,
    skip: Annotated[int, typer.Option(help="Lines above the table.")] = 0,
    depth: Annotated[int, typer.Option(help="Number of weight matrices.")] = 3,
    width: Annotated[
        int | None,
        typer.Option(help="Hidden width; by default the smaller dimension, at most 100."),
    ] = None,
    holdout: Annotated[
        float, typer.Option(help="Share of the entries to hold out; 0: no error estimate.")
    ] = 0.2,
    scale: Annotated[
        float, typer.Option(help="Size of the start relative to the data; smaller: lower rank.")
    ] = 1e-3,
    tolerance: Annotated[
        float, typer.Option(help="Train at most to this fraction of the initial energy.")
    ] = 1e-6,
    rtol: Annotated[float, typer.Option(help="Relative tolerance of the integrator.")] = 5e-4,
    t_max: Annotated[float, typer.Option(help="Longest flow time.")] = 1e4,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Write the network's values for observed entries too.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Chooses held-out entries and start.")] = 0,
    out: Annotated[
        Path,
        typer.Option(
            parser=_folder,
            metavar="FOLDER",
            help="Folder for completed.csv, summary.json and completion.png.",
        ),
    ] = Path("dlngeo-completion"),
) -> None:
    """Fill in an incomplete matrix by the gradient flow of a deep linear network.

    Holds out a share of the observed entries, trains on the rest, and sets the error on the
    held-out entries beside the column mean and an iterated truncated SVD. What is written comes
    from training on all observed entries; these stay as they are.

    Reading: line 1 is a header where words stand over numbers; first columns of words are labels;
    two columns of words that repeat and one of numbers are triplets. Where more than that is
    needed, the option that settles it is named.
    """
    if data is not None and dataset is not None:
        raise ValueError("give DATA or --dataset, not both")
    told: dict[str, Any] = {
        "layout": layout, "columns": columns, "header": header, "labels": labels,
        "delimiter": delimiter, "decimal": decimal, "missing": tuple(missing or ()), "skip": skip,
    }  # fmt: skip
    if data is not None:
        table = tables.read(data, **told)
    elif told != _UNTOLD:
        raise ValueError("--layout, --columns and the like say how DATA is read; DATA is missing")
    else:
        table = tables.dataset("fertility" if dataset is None else dataset)
    require_folder(out)
    _require_other_files(out, data)

    begun = time.perf_counter()
    settings: dict[str, Any] = {
        "depth": depth, "scale": scale, "tolerance": tolerance, "rtol": rtol, "holdout": holdout,
        "seed": seed,
    }  # fmt: skip
    with held(out):
        with bar() as progress:
            result = completion.complete(
                table, width=width, t_max=t_max, progress=progress, **settings
            )
        source = {"data": table.name, "source": table.source, "layout": table.layout}
        source["reading"] = table.reading
        made = [
            *numerics().items(), *source.items(), *settings.items(), ("t_max", t_max),
            ("smooth", smooth),
        ]  # fmt: skip
        summary = completion_report.summary(result, made)
        summary["total_seconds"] = time.perf_counter() - begun
        from dlngeo.completion import files as completion_files

        with together(out, last="summary.json") as folder:
            completion_files.save(result, folder, name=Path(table.name).stem, smooth=smooth)
            _write_json(folder / "summary.json", summary)
    grid = Grid(*completion_report.COLUMNS)
    for row in completion_report.rows(result):
        grid.add_row(*row)
    wrote = f"Wrote {out}/: completed.csv, completed.npy, summary.json, completion.png"
    headline = completion_report.headline(table.name, table.reading, result)
    verdict, empty = completion_report.verdict(result), completion_report.gaps_left(result)
    above, below = [table.source] if table.source else [], [empty] if empty else []
    say(headline, *above, grid, verdict, *below, wrote)


def _require_other_files(out: Path, data: Path | None) -> None:
    """Refuse to write over what is read, or over a simulation."""
    written = [out / name for name in ("completed.csv", "completed.npy")]
    if data is not None and any(file.exists() and file.samefile(data) for file in written):
        raise ValueError(f"--out {out} would overwrite DATA, {data}; name another folder")
    if (out / "groups").exists():
        raise ValueError(f"--out {out} holds a simulation; name another folder")


# --------------------------------------------------------------------------------------- simulate


@app.command()
def simulate(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="A TOML file: energy, start, depth, beta, dt, steps and the like. "
            "Without it, --preset.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"One of {', '.join(simulation_config.PRESETS)}; hyperbola where neither is given."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=_folder,
            metavar="FOLDER",
            help="Folder for the results; by default dlngeo- and the name of the run.",
        ),
    ] = None,
    paths: Annotated[int | None, typer.Option(help="Number of paths.")] = None,
    steps: Annotated[int | None, typer.Option(help="Number of steps.")] = None,
    dt: Annotated[float | None, typer.Option(help="Length of a step.")] = None,
    beta: Annotated[float | None, typer.Option(help="Inverse temperature.")] = None,
    kappa: Annotated[
        float | None, typer.Option(help="Noise in W relative to noise in the gauge.")
    ] = None,
    depth: Annotated[float | None, typer.Option(help="Number of layers.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Strength of weight decay.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all paths.")] = None,
    upstairs: Annotated[
        bool | None,
        typer.Option(
            "--upstairs/--downstairs", help="Simulate the weights, or W.", show_default=False
        ),
    ] = None,
    mix_environments: Annotated[
        bool,
        typer.Option(
            "--mix-environments",
            help="Go on from paths made with other versions or on another kind of processor; the "
            "whole is then not, bit for bit, one run.",
        ),
    ] = False,
) -> int:
    """Simulate the Riemannian Langevin equation beside the flows from the same start.

    Options replace what CONFIG or the preset says. Finished paths are kept in groups: the same
    command, given again after an interruption, goes on from them.

    Exit codes: 0; 1 where a path or a flow ended before its time (what there is is written); 2 for
    arguments and files that cannot be used; 130 and 143 when interrupted or terminated.
    """
    if config is not None and preset is not None:
        raise ValueError("give CONFIG or --preset, not both")
    name = config.stem if config is not None else preset or "hyperbola"
    told = simulation_config.read(config) if config is not None else simulation_config.preset(name)
    told = told.replaced(
        paths=paths, steps=steps, dt=dt, beta=beta, kappa=kappa, depth=depth,
        weight_decay=weight_decay, seed=seed, upstairs=upstairs,
    )  # fmt: skip
    folder = Path(f"dlngeo-{name}") if out is None else out
    require_folder(folder)

    begun, done = time.perf_counter(), 0
    try:
        with held(folder):
            with bar() as progress:

                def kept(paths: int) -> None:
                    nonlocal done
                    done = paths
                    progress("paths", done / told.paths)

                result = simulation_store.run(
                    told, folder, progress=kept, mix_environments=mix_environments
                )
            _finish_simulation(name, told, result, folder, begun)
    except Stopped as stop:
        message = f"{stop}; {folder} holds {done} of {told.paths} paths, and the same command"
        return _fail(f"{message} goes on from there", stop.code)
    return 1 if result.notes else 0


def _finish_simulation(
    name: str,
    config: simulation_config.Config,
    result: simulation.Comparison,
    out: Path,
    begun: float,
) -> None:
    from dlngeo.completion import figure as plotting
    from dlngeo.simulation import figures as simulation_figures

    made = result.ensemble.provenance["versions"]
    summary = report.summary(config, result, [*made.items(), ("run", name)])
    summary["simulation_seconds"] = simulation_store.seconds(config, out)
    headline = report.headline(name, config)
    with together(out, last="summary.json") as folder:
        simulation_store.save(config, result, folder, beside=out)
        figure = simulation_figures.comparison_figure(config, result, headline)
        plotting.save(figure, folder / "simulation.png")
        summary["total_seconds"] = time.perf_counter() - begun
        _write_json(folder / "summary.json", summary)
    columns = ("ensemble, mean ± s.e.", "free-energy flow", "gradient flow")
    grid = Grid(report.heading(result), *columns)
    for row in report.rows(result):
        grid.add_row(*row)
    wrote = f"Wrote {out}/: simulation.png, paths.npz, summary.json, config.toml"
    say(headline, grid, report.verdict(config, result), wrote)


# ------------------------------------------------------------------------------- common to both


def _write_json(file: Path, content: dict[str, object]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Run the command line: a bad argument or file gives one line and exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without × gets a question mark
    try:
        with stoppable():
            code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except Stopped as stop:
        code = _fail(str(stop), stop.code)
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
