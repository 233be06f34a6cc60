"""What ``dlngeo complete`` writes beside its summary: matrix or factors, and the figure."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from dlngeo._checks import Array
from dlngeo._figures import save as save_figure
from dlngeo.completion._complete import Completion
from dlngeo.completion.factored import Factored
from dlngeo.completion.factored_figure import factored_figure
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


def save_factored(result: Factored, folder: Path, *, name: str) -> None:
    """Write ``factors.npz``, ``rows.csv``, ``columns.csv`` and ``completion.png``.

    The first is what :meth:`dlngeo.lowrank.LowRankCompletion.load` reads; its rows and columns are
    named, in their order, by the two texts.
    """
    triplets, found = result.triplets, result.found
    found.save(folder / "factors.npz")
    titles = triplets.titles or ("row", "column")
    sides = (
        ("rows.csv", titles[0], triplets.rows, triplets.i, found.row_biases),
        ("columns.csv", titles[1], triplets.columns, triplets.j, found.column_biases),
    )
    for file, title, labels, places, biases in sides:
        observed = np.bincount(places, minlength=len(labels))
        with (folder / file).open("w", newline="", encoding="utf-8") as text:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow([title, "observed", "bias"])
            writer.writerows(
                zip(labels, observed.tolist(), map(repr, biases.tolist()), strict=True)
            )
    m, n = triplets.shape
    title = f"{name}, {m} × {n}: deep linear {result.network.name}, in factored form"
    save_figure(factored_figure(result, title), folder / "completion.png")
