"""Predictions for asked pairs of labels, known or not."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo.completion._complete import Completion
from dlngeo.lowrank import LowRankCompletion
from dlngeo.tables import Triplets

KNOWN = ("neither", "row", "column", "both")
Places = Callable[[Array, Array], tuple[Array, Array]]


class Predictor(NamedTuple):
    """Where each label stands, and what is predicted at (i, j), -1 for a label that is unknown.

    ``at`` returns the predictions, and what is known of each: a place of ``KNOWN``.
    """

    rows: dict[str, int]
    columns: dict[str, int]
    at: Places

    def write(
        self, file: Path, titles: tuple[str, str], parts: Iterable[list[tuple[str, str]]]
    ) -> tuple[int, int]:
        """A line for each pair; how many there are, and of how many a label is unknown."""
        count = unknown = 0
        with file.open("w", newline="", encoding="utf-8") as text:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow([*titles, "prediction", "known"])
            for pairs in parts:
                i = np.array([self.rows.get(row, -1) for row, _ in pairs])
                j = np.array([self.columns.get(column, -1) for _, column in pairs])
                values, known = self.at(i, j)
                words = (KNOWN[k] for k in known.tolist())
                numbers = map(repr, values.tolist())
                writer.writerows(
                    (*pair, x, word) for pair, x, word in zip(pairs, numbers, words, strict=True)
                )
                count, unknown = count + len(pairs), unknown + int((known < 3).sum())
        return count, unknown


def of_factored(found: LowRankCompletion, triplets: Triplets) -> Predictor:
    """The network's prediction; of an unknown row the mean and the column's bias, and so on.

    A row or column that is listed without a value is as unknown as one that is not listed.
    """
    m, n = triplets.shape
    has_row = np.bincount(triplets.i, minlength=m) > 0
    has_column = np.bincount(triplets.j, minlength=n) > 0

    def at(i: Array, j: Array) -> tuple[Array, Array]:
        row, column = (i >= 0) & has_row[i], (j >= 0) & has_column[j]
        known = row + 2 * column
        values = np.full(i.size, found.mean)
        values[row] += found.row_biases[i[row]]
        values[column] += found.column_biases[j[column]]
        if found.limits is not None:
            values = np.clip(values, *found.limits)
        both = known == 3
        values[both] = found.predict(i[both], j[both])
        return values, known

    return Predictor(places(triplets.rows, "row"), places(triplets.columns, "column"), at)


def of_dense(result: Completion) -> Predictor:
    """The network's entry; the column's mean, the row's or that of all where it has none."""
    table, completed = result.table, result.completed
    seen, filled = ~np.isnan(table), np.nan_to_num(table)
    everything = float(filled.sum() / seen.sum())
    has_row, has_column = (np.asarray(seen.any(axis=k)) for k in (1, 0))
    of_row, of_column = (filled.sum(axis=k) / np.maximum(1, seen.sum(axis=k)) for k in (1, 0))

    def at(i: Array, j: Array) -> tuple[Array, Array]:
        row, column = (i >= 0) & has_row[i], (j >= 0) & has_column[j]
        means = np.where(row, of_row[i], everything)
        means = np.where(column, of_column[j], means)
        return np.where(row & column, completed[i, j], means), row + 2 * column

    return Predictor(places(result.rows, "row"), places(result.columns, "column"), at)


def places(labels: tuple[str, ...], side: str) -> dict[str, int]:
    """Where each label stands; refused where one stands twice."""
    found = {label: k for k, label in enumerate(labels)}
    if len(found) < len(labels):
        twice = next(label for k, label in enumerate(labels) if found[label] != k)
        raise ValueError(f"--predict: the label {twice!r} names more than one {side} of DATA")
    return found
