"""What a terminal is shown: progress in bars or lines, reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table as Grid

from dlngeo._study import Progress, Report

_SECONDS = 5.0  # between two lines of progress


@contextmanager
def bar() -> Iterator[Progress]:
    """``progress(stage, fraction, total)``: bars on a terminal, elsewhere a line every few seconds.

    The rate is in steps a second where a total of steps is given.
    """
    if not sys.stderr.isatty():
        yield Lines(sys.stderr, time.monotonic)
        return
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as shown:
        tasks: dict[str, Any] = {}
        stages: dict[str, Stage] = {}

        def progress(stage: str, fraction: float, total: int = 0) -> None:
            now = time.monotonic()
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=1.0, said="")
                stages[stage] = Stage(now, fraction, total)
            said = stages[stage].said(now, fraction)
            shown.update(tasks[stage], completed=min(1.0, max(0.0, fraction)), said=said)

        yield progress


class Stage(NamedTuple):
    """When a stage was first heard of, and how far it was then: a run may go on from there."""

    begun: float
    fraction: float
    total: int = 0

    def rate(self, now: float, fraction: float) -> float:
        """The part that is done in a second."""
        return (fraction - self.fraction) / (now - self.begun) if now > self.begun else 0.0

    def said(self, now: float, fraction: float) -> str:
        """How many steps are done where they are counted, and the rate."""
        rate, total = self.rate(now, fraction), self.total
        if total:
            words = f"{round(fraction * total)} of {total}"
            return words + (f", {rate * total:.3g}/s" if rate > 0 else "")
        return f"{100 * rate:.2g} %/s" if rate > 0 else ""


class Lines:
    """Progress as lines of text, some seconds apart; a run that is quick has none."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream, self._clock = stream, clock
        self._last = clock()
        self._stages: dict[str, Stage] = {}

    def __call__(self, stage: str, fraction: float, total: int = 0) -> None:
        now = self._clock()
        begun = self._stages.setdefault(stage, Stage(now, fraction, total))
        rate = begun.rate(now, fraction)
        if now - self._last >= _SECONDS and rate > 0:
            self._last, left = now, _duration((1 - fraction) / rate)
            said = f"{stage}: {100 * fraction:.0f} %, {begun.said(now, fraction)}, {left} left"
            print(said, file=self._stream, flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show(report: Report, out: Path) -> None:
    """Print a report: its lines as they are, none of them broken where nothing is a terminal."""
    _say(report.above)
    if report.rows:
        grid = Grid(*report.columns)
        for row in report.rows:
            grid.add_row(*row)
        Console().print(grid)
    wrote = [f"Wrote {out}/: {', '.join(report.files)}"] if report.files else []
    replaced = f", in place of those of {report.replaced}" if report.replaced else ""
    _say([*report.below, *(line + replaced for line in wrote)])


def _say(lines: Sequence[str]) -> None:
    console = Console()
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=not console.is_terminal)
