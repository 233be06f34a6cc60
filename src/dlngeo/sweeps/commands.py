"""``dlngeo sweep`` runs a study, or goes on with one; ``dlngeo show`` says what a store holds."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from dlngeo._store.files import require_folder, together
from dlngeo._store.signals import Stopped
from dlngeo._study import Argument, Option, Progress, Report
from dlngeo.sweeps.executors import opened
from dlngeo.sweeps.reading import read, recorded
from dlngeo.sweeps.running import load, run
from dlngeo.sweeps.settings import function

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS, _ROWS, _PANELS, _LINES = 4, 40, 6, 8
_LETTER, _HANDLE = 0.066, 0.6  # inches: of a legend's letters, and of a line with its gaps
_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Sweep:
    """Run a study: an energy, a start and a dynamics over a grid of settings, many paths in each.

    STUDY is a TOML file; all its mistakes are told before anything runs. Runs are kept in chunks:
    the same command, given again after an interruption, goes on from them.

    Exit codes: 0; 1 where a run failed, a chunk could not be computed or a worker died (what there
    is is kept); 2 for arguments and files that cannot be used; 130 and 143 when interrupted or
    terminated.
    """

    FOLDER: ClassVar[str] = "Folder of the store; by default dlngeo- and the name of the study."

    study: Annotated[
        Path | None, Argument("A TOML file: energy, start, dynamics, grid, paths, observables.")
    ] = None
    executor: Annotated[
        str, Option("Who computes: inline, processes, or dask://host:port, a scheduler's address.")
    ] = "inline"
    workers: Annotated[
        int | None,
        Option("Chunks that are computed at once; by default as many as there are processors."),
    ] = None
    chunk: Annotated[
        int | None, Option("Runs in a chunk of a new store; by default what a timed probe finds.")
    ] = None
    mix_environments: Annotated[
        bool,
        Option(
            "Go on from runs made with other versions or on another kind of processor; the whole "
            "is then not, bit for bit, one run.",
            "--mix-environments",
        ),
    ] = False

    @property
    def folder(self) -> Path:
        """One for each name."""
        return Path(f"dlngeo-{self._file.stem}")

    @property
    def _file(self) -> Path:
        if self.study is None:
            raise ValueError("STUDY must be given: the TOML file of a study")
        return self.study

    def run(self, out: Path, progress: Progress) -> Report:
        """Run what is not in ``out`` yet."""
        study = read(self._file)
        require_folder(out)
        done, notices = 0, list[str]()

        def kept(runs: int) -> None:
            nonlocal done
            done = runs
            progress("runs", done / study.runs, study.runs)

        try:
            with opened(self.executor, self.workers) as (executor, workers):
                data = run(
                    study, out, executor=executor, workers=workers, chunk=self.chunk,
                    mix_environments=self.mix_environments, progress=kept, notice=notices.append,
                )  # fmt: skip
        except Stopped as stop:
            there = f"{out} keeps {done} of {study.runs} runs, and the same command"
            raise Stopped(stop.number, f"{there} goes on from there") from None
        found = report(data, self._file.stem, files=["runs.zarr", "seals"])
        return Report(
            [*notices, *found.above], found.columns, found.rows, found.below, found.files,
            code=found.code,
        )  # fmt: skip


@dataclass(frozen=True)
class Show:
    """Show what a store holds: a table of its cells and a figure.

    STORE is the folder that ``dlngeo sweep`` wrote, finished or not. The figure is that which the
    study names, or means over paths along the grid.
    """

    FOLDER: ClassVar[str] = "Folder for the figure; by default STORE itself."

    store: Annotated[Path | None, Argument("The folder of a store.")] = None

    @property
    def folder(self) -> Path:
        """The store's."""
        if self.store is None:
            raise ValueError("STORE must be given: the folder of a store")
        return self.store

    def run(self, out: Path, progress: Progress) -> Report:
        """Read all of it, draw the figure."""
        from dlngeo._figures import save

        data = load(self.folder)
        if not data.attrs["finished"]:
            raise ValueError(f"{self.folder}: no run is finished yet; dlngeo sweep goes on with it")
        require_folder(out)
        out.mkdir(parents=True, exist_ok=True)
        named = recorded(data.attrs["study"], data.attrs["folder"]).figure
        if not named and not _scalars(data):
            return report(data, self.folder.name, files=[], more=["There is nothing to draw."])
        draw = function(named, data.attrs["folder"], "figure") if named else overview
        with together(out, last="figure.png") as draft:
            save(draw(data), draft / "figure.png")
        said = [] if named else _not_drawn(data)
        return report(data, self.folder.name, files=["figure.png"], more=said)


def report(
    data: xarray.Dataset, name: str, files: Sequence[str], more: Sequence[str] = ()
) -> Report:
    """The table: a row for each cell, with means over its paths."""
    axes, scalars = _axes(data), _scalars(data)
    scalars, hidden = scalars[:_COLUMNS], ", ".join(scalars[_COLUMNS:])
    data = data.assign({name: data[name].load() for name in scalars})  # once, not cell by cell
    rows = []
    cells = list(itertools.product(*(range(data.sizes[axis]) for axis in axes)))
    for place in cells[:_ROWS]:
        cell = data[dict(zip(axes, place, strict=True))]
        labels = [_number(cell[axis].item()) if axis in cell.coords else "" for axis in axes]
        rows.append([*labels, *(_mean(cell[one]) for one in scalars)])
    finished, runs = data.attrs["finished"], data.attrs["runs"]
    below = [f"… and {len(cells) - _ROWS} more cells"] if len(cells) > _ROWS else []
    below += [f"… and more observables, which the table leaves out: {hidden}"] if hidden else []
    if not scalars:
        kept = ", ".join(str(one) for one in data.data_vars if one != "status") or "status alone"
        below += [f"No observable is one number a run, to have a mean; kept are: {kept}."]
    below += more
    failed = int((data["status"] == -1).sum()) if "status" in data else 0
    below += [f"{failed} runs failed: their status is -1"] if failed else []
    refused = data.attrs.get("refused", "")
    below += [f"some could not begin: {refused}"] if refused else []
    below += _time(data)
    return Report(
        above=[f"{name}: {finished} of {runs} runs, {data.sizes['path']} paths in each of "
               f"{len(cells)} cells"],
        columns=[*axes, *(f"{one}, mean ± s.e." for one in scalars)],
        rows=rows,
        below=below,
        files=files,
        code=1 if failed or refused else 0,
    )  # fmt: skip


def overview(data: xarray.Dataset) -> Figure:
    """Means over paths of the scalar observables, along the axis with most values."""
    from matplotlib.figure import Figure

    scalars = _scalars(data)[:_PANELS]
    columns = min(3, max(1, len(scalars)))
    rows = max(1, math.ceil(len(scalars) / columns))
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.9 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    along = _along(data)
    for axes, name in zip(panels, scalars, strict=False):
        if along:
            _draw_means(axes, data[name], along)
        else:
            _draw_spread(axes, data[name])
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(scalars) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        _draw_legend(figure, handles, labels, ["mean ± 2 s.e. over paths", *_not_drawn(data)])
    return figure


def _draw_legend(figure: Figure, handles: Any, labels: list[str], title: list[str]) -> None:
    """Below the panels, in as many columns as there is room for, the figure so much higher."""
    width, height = figure.get_size_inches()
    letters = int((width - _HANDLE) / _LETTER)
    labels = [textwrap.fill(label.replace(" = ", "\xa0=\xa0"), letters) for label in labels]
    longest = max(len(line) for label in labels for line in label.splitlines())
    columns = max(1, min(4, int(width / (_LETTER * longest + _HANDLE))))
    said = "\n".join(textwrap.fill(words, letters) for words in title)
    lines = math.ceil(sum(label.count("\n") + 1 for label in labels) / columns)
    figure.set_size_inches(width, height + 0.16 * (lines + said.count("\n")))
    figure.legend(
        handles, labels, title=said, loc="outside lower center", ncols=columns, frameon=False,
        fontsize=8, title_fontsize=8,
    )  # fmt: skip


def _along(data: xarray.Dataset) -> str:
    """The axis of numbers with most values; empty where none has two."""
    numeric = [axis for axis in _axes(data) if data[axis].dtype.kind in "iuf"]
    axis = max(numeric, key=lambda axis: data.sizes[axis], default="")
    return axis if axis and data.sizes[axis] > 1 else ""


def _not_drawn(data: xarray.Dataset) -> list[str]:
    """What :func:`overview` leaves out."""
    along, found = _along(data), []
    lines = math.prod(data.sizes[axis] for axis in _axes(data) if axis != along)
    if along and lines > _LINES:
        found.append(f"drawn are the first {_LINES} of {lines} lines")
    more = _scalars(data)[_PANELS:]
    return [*found, f"not drawn: {', '.join(more)}"] if more else found


def _draw_means(axes: Axes, values: Any, along: str) -> None:
    """Mean ± 2 standard errors along an axis, a line for each cell of the others."""
    others = [one for one in values.dims if one not in (along, "path")]
    x = values[along].values
    if not np.isfinite(x).all():  # places, with the values as their names
        axes.set_xticks(range(x.size), [_number(one) for one in x])
        x = np.arange(x.size)
    cells = itertools.product(*(range(values.sizes[one]) for one in others))
    for k, place in enumerate(itertools.islice(cells, _LINES)):
        part = values[dict(zip(others, place, strict=True))].transpose(along, "path").values
        mean, error = _moments(part)
        words = [f"{one} = {_number(values[one].values[i])}" for one, i in zip(others, place)]  # noqa: B905
        axes.errorbar(
            x, mean, 2 * error, marker="o", markersize=3, capsize=2, linewidth=1.2,
            linestyle=_STYLES[k % 4], color=str(0.15 * (k // 4) + 0.1 * (k % 4)),
            label=", ".join(words) or "all paths",
        )  # fmt: skip
    if x.min() > 0 and x.max() > 20 * x.min():
        axes.set_xscale("log")
    axes.set_xlabel(along)
    axes.set_ylabel(values.name)


def _draw_spread(axes: Axes, values: Any) -> None:
    """How the values of all paths are distributed."""
    shown = values.values[np.isfinite(values.values)]
    axes.hist(shown, bins=min(40, max(1, round(math.sqrt(shown.size)))), color="0.6")
    axes.set_xlabel(values.name)
    axes.set_ylabel("runs")


def _moments(values: Any) -> tuple[Any, Any]:
    """Mean and standard error over the last axis, of what is finite."""
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    filled = np.where(there, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=-1) / count
        spread = np.where(there, values - mean[..., None], 0.0)
        error = np.sqrt((spread**2).sum(axis=-1) / (count - 1) / count)
    return mean, error


def _axes(data: xarray.Dataset) -> list[str]:
    """The grid's."""
    one = next(iter(data.data_vars.values()))
    return [str(name) for name in one.dims[: list(one.dims).index("path")]]


def _scalars(data: xarray.Dataset) -> list[str]:
    """Observables that are one real number a run."""
    dims = {*_axes(data), "path"}
    return [str(n) for n, one in data.data_vars.items() if {*one.dims} == dims and n != "status"]


def _mean(values: Any) -> str:
    mean, error = (float(one) for one in _moments(values.values))
    if not math.isfinite(mean):
        return "-"
    return f"{mean:.4g}" + (f" ± {error:.2g}" if math.isfinite(error) else "")


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def _time(data: xarray.Dataset) -> list[str]:
    seconds, inside = data.attrs["seconds"], data.attrs["integrator_seconds"]
    if not seconds:
        return []
    return [f"{seconds:.3g} s of computing, {inside / seconds:.0%} of it in integrators"]
