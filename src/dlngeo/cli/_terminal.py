"""What a terminal is shown: bars of progress, lines and tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table as Grid

from dlngeo._study import Progress, Report

_SECONDS = 5.0  # between lines of progress where nothing is a terminal


@contextmanager
def bar() -> Iterator[Progress]:
    """``progress(stage, fraction, total)`` as bars on a terminal, elsewhere as a line now and then.

    With a total also how many steps are done, at what rate, and how long the rest will take.
    """
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as shown:
        tasks: dict[str, Any] = {}
        stages: dict[str, _Stage] = {}

        def progress(stage: str, fraction: float, total: int = 0) -> None:
            if stage not in tasks:
                stages[stage] = _Stage(stage, total)
                tasks[stage] = shown.add_task(stage, total=1.0, said="")
            fraction = min(1.0, max(0.0, fraction))
            said = stages[stage].said(fraction)
            shown.update(tasks[stage], completed=fraction, said=said)
            if shown.disable:
                stages[stage].line(said, fraction)

        yield progress


class _Stage:
    """How fast a stage goes, from what it has done since it was first heard of."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._begun = self._last = time.monotonic()
        self._first: float | None = None

    def said(self, fraction: float) -> str:
        """Steps, their rate and the time left, as far as they can be told."""
        if not self._total:
            return ""
        self._first = fraction if self._first is None else self._first
        seconds, done = time.monotonic() - self._begun, fraction - self._first
        words = f"{round(fraction * self._total)} of {self._total}"
        if done > 0 and seconds > 0:
            left = timedelta(seconds=round(seconds * (1 - fraction) / done))
            words += f", {done * self._total / seconds:.3g}/s, {left} left"
        return words

    def line(self, said: str, fraction: float) -> None:
        """One line every few seconds."""
        now = time.monotonic()
        if self._total and now - self._last >= _SECONDS and fraction < 1:
            self._last = now
            print(f"{self._name}: {said}", file=sys.stderr, flush=True)


def show(report: Report, out: Path) -> None:
    """Print a report: its lines as they are, none of them broken where nothing is a terminal."""
    grid = Grid(*report.columns)
    for row in report.rows:
        grid.add_row(*row)
    _say(report.above)
    Console().print(grid)
    wrote = f"Wrote {out}/: {', '.join(report.files)}"
    wrote += f", in place of those of {report.replaced}" if report.replaced else ""
    _say([*report.below, wrote])


def _say(lines: Sequence[str]) -> None:
    console = Console()
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=not console.is_terminal)
