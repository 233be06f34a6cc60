"""What the figures of several studies share. Matplotlib is used without its global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from dlngeo._checks import Array

_APART = 0.06  # of the height of an axes: names closer than that would overlap


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG at 150 dots per inch."""
    figure.savefig(path, dpi=150)


def line(axes: Axes, x: Array, y: Array, **style: Any) -> None:
    """A line, or a dot where it has one point only."""
    dot: dict[str, Any] = {"marker": "o", "markersize": 4, "clip_on": False}
    axes.plot(x, y, **style, **(dot if len(x) == 1 else {}))


def name_ends(axes: Axes, x: float, values: Array, names: Sequence[str]) -> None:
    """Names beside the ends of lines, from the uppermost down; moved apart where values meet.

    To be called when the limits of the axes are what they will be.
    """
    axes.get_ylim()  # brings them up to date
    points = np.column_stack([np.full(len(values), x), values])
    height = (axes.transScale + axes.transLimits).transform(points)[:, 1]
    room = _APART * np.arange(len(values))
    places = isotonic_regression(height + room, increasing=False).x - room
    for name, y in zip(names, places, strict=True):
        axes.annotate(
            name,
            (x, y),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            xytext=(4, 0),
            va="center",
            annotation_clip=False,
        )
