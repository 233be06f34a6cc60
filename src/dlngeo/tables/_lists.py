"""Lists of observed entries with the labels of rows and columns: what takes no m × n numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlngeo._checks import Array
from dlngeo.tables._layouts import Arranged
from dlngeo.tables._numerals import label_order

Indices = NDArray[np.int64]


class Listed(NamedTuple):
    """Entries as they were read; ``titles`` are the names of the columns of labels, if they have.

    Rows and columns are numbered in the order of their labels.
    """

    i: Indices
    j: Indices
    values: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    reading: str
    titles: tuple[str, str] | None = None

    def arranged(self, name: str) -> Arranged:
        """The matrix of these entries, NaN elsewhere."""
        shape = (len(self.rows), len(self.columns))
        try:
            matrix = np.full(shape, np.nan)
        except MemoryError:
            raise ValueError(
                f"{name}: a matrix of shape {shape} does not fit into memory"
            ) from None
        matrix[self.i, self.j] = self.values
        return Arranged(matrix, self.rows, self.columns, self.reading)


def listed(
    rows: Sequence[str],
    columns: Sequence[str],
    i: Indices,
    j: Indices,
    values: Array,
    reading: str = "triplets",
    titles: tuple[str, str] | None = None,
) -> Listed:
    """Entries (i, j, value) with rows and columns in the order of their labels; NaN is a gap.

    Labels that are all whole numbers are ordered by size, others alphabetically.
    """
    row_order, column_order = label_order(rows), label_order(columns)
    seen = ~np.isnan(values)
    if not seen.all():
        i, j, values = i[seen], j[seen], values[seen]
    return Listed(
        np.argsort(row_order)[i],
        np.argsort(column_order)[j],
        values,
        tuple(rows[k] for k in row_order.tolist()),
        tuple(columns[k] for k in column_order.tolist()),
        reading,
        titles,
    )


def of_matrix(found: Arranged) -> Listed:
    """The observed entries of a matrix."""
    i, j = np.nonzero(~np.isnan(found.values))
    return Listed(i, j, found.values[i, j], found.rows, found.columns, found.reading)


def repeated(i: Indices, j: Indices) -> tuple[int, int] | None:
    """The first two places of an entry that is listed more than once."""
    order = np.lexsort((j, i))
    same = (np.diff(i[order]) == 0) & (np.diff(j[order]) == 0)
    if not same.any():
        return None
    k = int(same.argmax())  # lexsort is stable: the earlier place comes first
    return int(order[k]), int(order[k + 1])
