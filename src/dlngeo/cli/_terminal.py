"""What a terminal is shown: bars of progress, lines and tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid


@contextmanager
def bar() -> Iterator[Callable[[str, float], None]]:
    """``progress(stage, fraction)`` as bars on a terminal, and nothing elsewhere."""
    with Progress(
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


def say(*parts: str | Grid) -> None:
    """Print these, lines as they are: what is no terminal gets none of them broken."""
    console = Console()
    for part in parts:
        if isinstance(part, str):
            console.print(part, highlight=False, markup=False, soft_wrap=not console.is_terminal)
        else:
            console.print(part)
