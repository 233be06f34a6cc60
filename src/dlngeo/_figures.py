"""What the figures of several studies share. Matplotlib is used without its global state."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG at 150 dots per inch."""
    figure.savefig(path, dpi=150)
