"""python -m benchmarks: measure, and write the table and the figures."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import draw
from benchmarks.harness import FULL, OURS, QUICK, Measured, Row, measure
from benchmarks.machine import machine
from benchmarks.report import readable, write
from benchmarks.rows import every_row


def selected(rows: Sequence[Row], patterns: Sequence[str], ours: bool) -> list[Row]:
    """The rows whose "group, name" some pattern finds; with ``ours``, our contenders alone."""
    kept = []
    for row in rows:
        words = f"{row.group}, {row.name}"
        if patterns and not any(re.search(p, words, re.IGNORECASE) for p in patterns):
            continue
        if ours:
            own = [one for one in row.contenders if one.kind == OURS]
            row = dataclasses.replace(row, contenders=own, goals=())
        if row.contenders:
            kept.append(row)
    return kept


def say(done: Measured) -> None:
    """One line a contender, as soon as its row is done."""
    print(f"{done.row.group}, {done.row.name}", flush=True)
    for figure in done.figures:
        what = figure.name if figure.at is None else f"{figure.name} at {figure.at:g}"
        if figure.seconds is None:
            said = f"skipped: {figure.skipped}" if figure.failed is None else figure.failed
        else:
            said = f"{readable(figure.seconds)} a {done.row.unit}"
            if figure.error is not None:
                said += f", error {figure.error:.2g} ± {figure.standard_error or 0:.1g}"
        print(f"    {what:36} {said}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="a few minutes; for a first look")
    parser.add_argument("-k", action="append", default=[], metavar="PATTERN", help="rows to run")
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"), metavar="DIR")
    parser.add_argument("--ours", action="store_true", help="without peers and bounds")
    parser.add_argument("--list", action="store_true", help="name the rows, and stop")
    asked = parser.parse_args(arguments)
    rows = selected(every_row(asked.quick), asked.k, asked.ours)
    if asked.list or not rows:
        print("\n".join(f"{row.group}, {row.name}" for row in rows) or "no such row")
        return 0 if asked.list else 2
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks", *words])
    about, done = machine(), []
    for row in rows:
        done.append(measure(row, QUICK if asked.quick else FULL))
        say(done[-1])
        write(asked.out, done, about, command)  # what is measured is kept if the rest is stopped
    for picture in draw(asked.out, done):
        print(picture)
    print(asked.out / "table.md")
    return int(any(figure.failed for row in done for figure in row.figures))


if __name__ == "__main__":
    sys.exit(main())
