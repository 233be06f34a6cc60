"""What a terminal is shown: bars of progress, lines and tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table as Grid

from dlngeo._study import Progress, Report


@contextmanager
def bar() -> Iterator[Progress]:
    """``progress(stage, fraction)`` as bars on a terminal, and nothing elsewhere."""
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as shown:
        tasks: dict[str, Any] = {}

        def progress(stage: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=1.0)
            shown.update(tasks[stage], completed=min(1.0, max(0.0, fraction)))

        yield progress


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
