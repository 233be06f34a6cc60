"""What ``dlngeo complete`` writes beside its summary: the completed matrix and the figure."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from dlngeo._checks import Array
from dlngeo._figures import save as save_figure
from dlngeo.completion._complete import Completion
from dlngeo.completion.figure import completion_figure


def save(result: Completion, folder: Path, *, name: str, smooth: bool = False) -> None:
    """Write ``completed.csv``, ``completed.npy`` and ``completion.png``.

    Parameters
    ----------
    result : Completion
    folder : Path
    name : str
        Of the data, for the figure's title.
    smooth : bool
        The network's values everywhere; else observed entries stay as they are.
    """
    matrix = result.completed if smooth else result.filled
    _write_csv(folder / "completed.csv", matrix, result.rows, result.columns)
    np.save(folder / "completed.npy", matrix)
    m, n = matrix.shape
    title = f"{name}, {m} × {n}: deep linear {result.network.name}"
    save_figure(completion_figure(result, title), folder / "completion.png")


def _write_csv(file: Path, matrix: Array, rows: tuple[str, ...], columns: tuple[str, ...]) -> None:
    """Labels and numbers, which read back as the same; what is NaN stays empty."""
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["", *columns])
        for label, row in zip(rows, matrix.tolist(), strict=True):
            writer.writerow([label, *("" if math.isnan(x) else repr(x) for x in row)])
