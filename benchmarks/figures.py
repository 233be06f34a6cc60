"""A figure for each group of rows: costs, work against precision, or scaling. Readable in grey."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogFormatterSciNotation, NullFormatter

from benchmarks.harness import BOUND, OURS, Measured
from benchmarks.report import curves, exponent

MARKERS = "osD^vP*X<>hp"
LINES = ("-", "--", "-.", ":")
SHADES = {OURS: "0.0", BOUND: "0.25", "peer": "0.55"}


def _styles(rows: Sequence[Measured]) -> dict[str, dict[str, Any]]:
    """Ours dark and filled, peers grey and hollow, bounds a cross."""
    styles: dict[str, dict[str, Any]] = {}
    counts = {OURS: 0, "peer": 0, BOUND: 0}
    for figure in (figure for row in rows for figure in row.figures if figure.seconds):
        if figure.name in styles:
            continue
        k, shade = counts[figure.kind], SHADES[figure.kind]
        counts[figure.kind] += 1
        if figure.kind == OURS and "numpy" in figure.name:
            shade = "0.3"
        style: dict[str, Any] = {"color": shade, "linestyle": LINES[k % len(LINES)]}
        style["linewidth"] = 1.8 if shade == "0.0" else 1.0
        if figure.kind == BOUND:
            style |= {"marker": "x+1"[k % 3], "markersize": 8}
        else:
            marker = MARKERS[k % len(MARKERS)]
            fill = shade if figure.kind == OURS else "white"
            style |= {"marker": marker, "markersize": 5.5, "markerfacecolor": fill}
        styles[figure.name] = style
    return styles


def _costs(axes: Axes, rows: Sequence[Measured], styles: dict[str, dict[str, Any]]) -> None:
    """Rows across, time upwards."""
    for name, style in styles.items():
        points = [(k, f.seconds) for k, row in enumerate(rows) if (f := row.of(name))]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, label=name, **style)
    axes.set_xticks(range(len(rows)), [row.row.name for row in rows])
    if len(rows) > 6 or max(len(row.row.name) for row in rows) > 12:
        axes.tick_params(axis="x", rotation=30)
    axes.set_xlim(-0.4, len(rows) - 0.6)
    axes.set(yscale="log", ylabel=f"seconds a {rows[0].row.unit} ({rows[0].row.clock} time)")


def _precision(axes: Axes, row: Measured, styles: dict[str, dict[str, Any]]) -> None:
    """Error upwards, time across: the lower left is better. Bars are two standard errors.

    An error below two of its standard errors is unknown: the bound is drawn, with an arrow down.
    """
    for name, figures in curves(row).items():
        points = [(f.seconds, f.error, 2 * (f.standard_error or 0.0)) for f in figures if f.error]
        if points:
            x, y, spread = (np.array(part) for part in zip(*points, strict=True))
            unknown = y < spread
            y = np.where(unknown, spread, y)
            bars = np.where(unknown, 0.35 * y, np.minimum(spread, 0.8 * y))
            axes.errorbar(
                x, y, yerr=[bars, np.where(unknown, 0, spread)] if spread.any() else None,
                uplims=unknown, label=name, elinewidth=0.6, capsize=1.5, **styles[name],
            )  # fmt: skip
    axes.set(xscale="log", yscale="log", title=row.row.name, ylabel=row.row.error)
    axes.set_xlabel(f"seconds a {row.row.unit} ({row.row.clock} time)")


def _scaling(axes: Axes, row: Measured, styles: dict[str, dict[str, Any]]) -> None:
    """Time upwards, the axis across; the fitted exponent in the legend."""
    for name, figures in curves(row).items():
        points = [(f.at, f.seconds) for f in figures if f.at and f.seconds]
        if points:
            fit = exponent(figures)
            label = name if fit is None else f"{name}: exponent {fit[0]:.2f}"
            axes.plot(*zip(*sorted(points), strict=True), label=label, **styles[name])
    places = sorted({f.at for f in row.figures if f.at})
    axes.set(xscale="log", yscale="log", title=row.row.name, xlabel=row.row.axis)
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(f"seconds a {row.row.unit} ({row.row.clock} time)")


def _finish(axes: Axes) -> None:
    axes.grid(True, which="major", color="0.85", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    low, high = axes.get_ylim()
    if high / low < 12:
        axes.yaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(2, 1)))
        axes.tick_params(which="minor", labelsize=7)
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _pictures(rows: Sequence[Measured]) -> Iterator[tuple[str, list[Any]]]:
    """File names, and what is drawn on each: a list of (draw, what) panels."""
    for group, members in groupby(rows, key=lambda row: row.row.group):
        ran = [row for row in members if any(figure.seconds for figure in row.figures)]
        plain = [row for row in ran if row.row.axis is None]
        panels: list[Any] = [(_costs, plain)] if plain else []
        for row in ran:
            if row.row.axis is not None:
                errors = any(figure.error is not None for figure in row.figures)
                panels.append((_precision if errors else _scaling, row))
        if panels:
            yield re.sub(r"\W+", "-", group.lower()).strip("-"), panels


def draw(out: Path, rows: Sequence[Measured]) -> list[Path]:
    """One PNG a group; where they are."""
    written = []
    styles_of = {
        group: _styles(list(members))
        for group, members in groupby(rows, key=lambda row: row.row.group)
    }
    for name, panels in _pictures(rows):
        across = min(2, len(panels))
        down = -(-len(panels) // across)
        canvas = Canvas(figsize=(7.2 * across, 4.0 * down), layout="constrained")
        grid = canvas.subplots(down, across, squeeze=False).ravel()
        for axes, (panel, what) in zip(grid, panels, strict=False):
            group = (what[0] if isinstance(what, list) else what).row.group
            panel(axes, what, styles_of[group])
            _finish(axes)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        written.append(out / f"{name}.png")
        canvas.savefig(written[-1], dpi=150)
    return written
