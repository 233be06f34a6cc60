"""The table, as Markdown and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import BOUND, Figure, Measured


def readable(seconds: float) -> str:
    """Seconds with three digits and a prefix."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def exponent(figures: Sequence[Figure]) -> tuple[float, float] | None:
    """The p of time ~ at^p by least squares of logarithms, its standard error (nan: two points)."""
    points = [(f.at, f.seconds) for f in figures if f.at and f.seconds]
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points)).T
    apart = x - x.mean()
    slope = float(apart @ y / (apart @ apart))
    rest = y - y.mean() - slope * apart
    error = math.sqrt(rest @ rest / (len(x) - 2) / (apart @ apart)) if len(x) > 2 else math.nan
    return slope, error


def curves(row: Measured) -> dict[str, list[Figure]]:
    """The figures of each contender along the axis."""
    found: dict[str, list[Figure]] = {}
    for figure in row.figures:
        found.setdefault(figure.name, []).append(figure)
    return found


def reference(row: Measured) -> Figure | None:
    """What the others are compared with: the bound, or else the first that ran."""
    ran = [figure for figure in row.figures if figure.seconds]
    return next((figure for figure in ran if figure.kind == BOUND), ran[0] if ran else None)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(row: Measured, name: str) -> str:
    """Time, and in brackets its ratio to the reference."""
    figure, beside = row.of(name), reference(row)
    if figure is None or figure.seconds is None or beside is None or beside.seconds is None:
        return "–"
    return f"{readable(figure.seconds)} ({figure.seconds / beside.seconds:.3g})"


def _costs(rows: Sequence[Measured]) -> list[str]:
    """Contenders downwards, rows across."""
    names = list(dict.fromkeys(figure.name for row in rows for figure in row.figures))
    besides = dict.fromkeys(f.name for row in rows if (f := reference(row)))
    first = rows[0].row
    lines = [
        f"{first.clock.capitalize()} time a {first.unit}; in brackets × {', '.join(besides)}.", "",
        _line("", *(row.row.name for row in rows)), _line(*["---"] * (len(rows) + 1)),
    ]  # fmt: skip
    return lines + [_line(name, *(_cell(row, name) for row in rows)) for name in names]


def _point(figure: Figure) -> str:
    if figure.seconds is None:
        return "–"
    if figure.error is None:
        return readable(figure.seconds)
    spread = f" ± {figure.standard_error:.1g}" if figure.standard_error else ""
    return f"{readable(figure.seconds)}, {figure.error:.2g}{spread}"


def _along(row: Measured) -> list[str]:
    """Contenders downwards, the axis across; the fitted exponent where there are no errors."""
    places = list(dict.fromkeys(f.at for f in row.figures if f.at is not None))
    fitted = not any(figure.error is not None for figure in row.figures)
    what = f"{row.row.clock.capitalize()} time a {row.row.unit}"
    what += "; exponent of the last column by least squares." if fitted else f", {row.row.error}."
    header = [f"{place:g}" for place in places] + ["exponent"] * fitted
    lines = [f"**{row.row.name}.** {what}", "", _line(row.row.axis or "", *header)]
    lines.append(_line(*["---"] * (len(header) + 1)))
    for name, figures in curves(row).items():
        by = {figure.at: _point(figure) for figure in figures}
        cells = [by.get(place, "–") for place in places]
        if fitted:
            found = exponent(figures)
            cells.append("–" if found is None else f"{found[0]:.2f} ± {found[1]:.2f}")
        lines.append(_line(name, *cells))
    return [*lines, ""]


def goals(rows: Sequence[Measured]) -> list[dict[str, Any]]:
    """Each goal beside what was measured; "met" is None where one of the two did not run."""
    found = []
    for row in rows:
        for goal in row.row.goals:
            ratio = row.ratio(goal.of, goal.beside)
            found.append({
                "group": row.row.group, "row": row.row.name, "of": goal.of, "beside": goal.beside,
                "limit": goal.limit, "ratio": ratio,
                "met": None if ratio is None else ratio <= goal.limit,
            })  # fmt: skip
    return found


def _goal_table(found: Sequence[dict[str, Any]]) -> list[str]:
    said = "Time of the first over time of the second; in seconds where there is no second."
    lines = ["## Goals", "", said, ""]
    lines += [_line("row", "time of", "over", "at most", "measured", ""), _line(*["---"] * 6)]
    for one in found:
        measured = "–" if one["ratio"] is None else f"{one['ratio']:.3g}"
        verdict = {True: "met", False: "**not met**", None: "not run"}[one["met"]]
        where = f"{one['group']}, {one['row']}"
        lines.append(
            _line(where, one["of"], one["beside"], f"{one['limit']:.3g}", measured, verdict)
        )
    return [*lines, ""]


def _absent(rows: Sequence[Measured]) -> list[str]:
    """Who did not run, and why, by name."""
    said: dict[tuple[str, str], None] = {}
    for row in rows:
        for figure in row.figures:
            if figure.skipped is not None:
                said[figure.name, f"skipped: {figure.skipped}"] = None
            if figure.failed is not None:
                said[figure.name, f"FAILED: {figure.failed}"] = None
    return [f"- {name}: {why}" for name, why in said]


def markdown(rows: Sequence[Measured], about: dict[str, Any], command: str) -> str:
    """The whole report."""
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items() if v)
    lines = [
        "# Benchmarks", "", f"`{command}`", "",
        f"{about['processor']}, {about['processors']} processors, lanes {about['lanes']}; "
        f"{about['threads']}; BLAS {', '.join(about['BLAS'])}; load {about['load']}. "
        f"Python {about['python']}, {versions}; {about['compiler'] or 'no C++ compiler'}. "
        f"Commit {about['commit']}.", "",
        "Medians of rounds in which all of a row take turns.", "",
    ]  # fmt: skip
    for group, members in groupby(rows, key=lambda row: row.row.group):
        those = list(members)
        lines += [f"## {group}", ""]
        plain = [row for row in those if row.row.axis is None]
        if plain:
            lines += [*_costs(plain), ""]
        for row in those:
            if row.row.axis is not None:
                lines += _along(row)
        absent = _absent(those)
        lines += [*absent, ""] if absent else []
    found = goals(rows)
    return "\n".join(lines + (_goal_table(found) if found else []))


def data(rows: Sequence[Measured], about: dict[str, Any], command: str) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "command": command,
        "machine": about,
        "rows": [
            {
                "group": row.row.group, "row": row.row.name, "unit": row.row.unit,
                "axis": row.row.axis, "clock": row.row.clock,
                "figures": [figure.as_dict() for figure in row.figures],
            }
            for row in rows
        ],
        "goals": goals(rows),
    }  # fmt: skip


def write(out: Path, rows: Sequence[Measured], about: dict[str, Any], command: str) -> None:
    """table.md and results.json in a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(markdown(rows, about, command) + "\n", encoding="utf-8")
    text = json.dumps(data(rows, about, command), indent=1, ensure_ascii=False)
    (out / "results.json").write_text(text + "\n", encoding="utf-8")
