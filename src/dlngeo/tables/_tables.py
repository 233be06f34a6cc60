"""Incomplete matrices with labels: from files, triplets, arrays, pandas frames; data sets.

A table is a matrix whose missing entries are NaN. A file is delimited text (``.csv``, ``.tsv``,
``.txt``, ``.dat``, ``.data``), ``.npy`` or ``.npz``. Of a text the reading rule tells what is a
name and what is a number (:mod:`dlngeo.tables._layouts`, docs/completion.md): what it does not
decide is refused with the option that does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlngeo import _checks, _incomplete
from dlngeo._checks import Array
from dlngeo.tables import _triplets
from dlngeo.tables._layouts import Arranged
from dlngeo.tables._lists import Listed, of_matrix
from dlngeo.tables._reading import Reading, opened

DATASETS = {
    "fertility": "Total fertility rate, 219 countries x 1960-2013. Source: World Bank, World "
    "Development Indicators SP.DYN.TFRT.IN (CC BY 4.0)",
}
Layout = Literal["auto", "table", "triplets"]


@dataclass(frozen=True)
class Table:
    """An incomplete matrix with its labels.

    Attributes
    ----------
    name : str
    values : (m, n) array, NaN where nothing was observed
    rows, columns : tuple of str
        Labels; numbers from 0 where the source has none.
    source : str
        Where data that ship along come from.
    layout : "table" or "triplets"
    reading : str
        How a file was read, in words.
    """

    name: str
    values: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    source: str = ""
    layout: str = "table"
    reading: str = "table"

    def __repr__(self) -> str:
        m, n = self.values.shape
        seen = np.isfinite(self.values).sum()
        return f"Table({self.name!r}, {m} × {n}, {seen} entries observed, read as {self.reading})"

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or 0 in self.values.shape:
            raise ValueError(f"{self.name}: not a matrix, its shape is {self.values.shape}")
        if np.isinf(self.values).any():
            raise ValueError(f"{self.name}: entries must be finite or missing, some are infinite")
        if not np.isfinite(self.values).any():
            raise ValueError(f"{self.name}: no entry is observed")


@dataclass(frozen=True)
class Triplets:
    """Observed entries with the labels of rows and columns, of a table that may be too large.

    Attributes
    ----------
    name : str
    i, j : (k,) arrays of int
        Row and column of each entry, counted from 0.
    values : (k,) array
    rows, columns : tuple of str
        Labels of the m rows and n columns.
    source, layout, reading : str
        As of a :class:`Table`.
    titles : tuple of two str, or None
        What a file's header calls the columns that name rows and columns.
    """

    name: str
    i: NDArray[np.int64]
    j: NDArray[np.int64]
    values: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    source: str = ""
    layout: str = "triplets"
    reading: str = "triplets"
    titles: tuple[str, str] | None = None

    def __repr__(self) -> str:
        m, n = self.shape
        seen = self.values.size
        return f"Triplets({self.name!r}, {m} × {n}, {seen} entries observed, {self.reading})"

    def __post_init__(self) -> None:
        if not self.values.size:
            raise ValueError(f"{self.name}: no entry is observed")
        if not np.isfinite(self.values).all():
            raise ValueError(f"{self.name}: entries must be finite or missing, some are infinite")

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return len(self.rows), len(self.columns)

    def table(self) -> Table:
        """The same as a matrix of m × n numbers."""
        one = Listed(self.i, self.j, self.values, self.rows, self.columns, self.reading)
        found = _table(self.name, one.arranged(self.name))
        return replace(found, source=self.source, layout=self.layout)


def triplets_of(table: Table) -> Triplets:
    """The observed entries of a table."""
    found = of_matrix(Arranged(table.values, table.rows, table.columns, table.reading))
    return Triplets(table.name, *found[:5], table.source, table.layout, table.reading)


def dataset(name: str) -> Table:
    """A data set that ships with the package; see ``DATASETS``."""
    _checks.choice(name, "name", tuple(DATASETS))
    with resources.as_file(resources.files("dlngeo") / "data" / f"{name}.csv") as path:
        return replace(read(path, "table", header=True), name=name, source=DATASETS[name])


def from_matrix(matrix: Any, name: str = "table") -> Table:
    """The table of a matrix.

    Parameters
    ----------
    matrix : (m, n) array, masked array, or pandas DataFrame
        Missing are NaN, masked entries, and what pandas calls missing. A frame keeps its labels.
    name : str
        What messages call it.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> table = dln.tables.from_matrix([[1.0, np.nan], [2.0, 3.0]])
    >>> table.values.shape, table.rows
    ((2, 2), ('0', '1'))
    """
    values = _incomplete.array(matrix, _checks.text(name, "name"))
    if values.ndim != 2:
        raise ValueError(f"{name} must be a matrix; its shape is {values.shape}")
    return Table(name, values, *_incomplete.labels(matrix, values.shape))


def from_triplets(
    rows: Sequence[Any], columns: Sequence[Any], values: ArrayLike, name: str = "triplets"
) -> Table:
    """The table of (row label, column label, value); a value that is NaN or masked is a gap.

    Labels that are all whole numbers are ordered by size, others alphabetically.

    Examples
    --------
    >>> import dlngeo as dln
    >>> table = dln.tables.from_triplets(["ann", "bob"], ["tea", "jam"], [5.0, 3.0])
    >>> table.columns, table.values.tolist()
    (('jam', 'tea'), [[nan, 5.0], [3.0, nan]])
    """
    rows = _checks.sequence(rows, "rows", "a sequence of labels")
    columns = _checks.sequence(columns, "columns", "a sequence of labels")
    _checks.text(name, "name")
    if _checks.masked(rows) or _checks.masked(columns):
        raise ValueError(f"{name}: labels must not be masked; leave such triplets out")
    for side, labels in (("rows", rows), ("columns", columns)):
        gaps = [k for k, label in enumerate(labels) if label is None or label != label]
        if gaps:
            raise ValueError(f"{name}: {side}[{gaps[0]}] must be a label; it is missing")
    numbers = np.atleast_1d(_incomplete.array(values, f"the values of {name}"))
    found = _triplets.from_labels([str(x) for x in rows], [str(x) for x in columns], numbers, name)
    return _table(name, found)


def read(
    path: str | Path,
    layout: Layout = "auto",
    *,
    header: bool | None = None,
    labels: int | None = None,
    columns: str | Sequence[str | int] | None = None,
    delimiter: str | None = None,
    decimal: str = ".",
    missing: Sequence[str] = (),
    skip: int = 0,
) -> Table:
    r"""Read an incomplete matrix from a file.

    Parameters
    ----------
    path : path of a text file, also packed as ``.gz``, ``.npy`` or ``.npz``
        An ``.npz`` holds one array, or ``i``, ``j``, ``values`` and maybe ``shape``, or a matrix
        that ``scipy.sparse.save_npz`` wrote. A file of any other name is text if a delimiter is
        given.
    layout : {"auto", "table", "triplets"}
    header : bool or None
        Whether the first line holds names. None, here and below: the reading rule decides, or
        refuses and names the option (``--header`` is this keyword on the command line).
    labels : int >= 0 or None
        How many leading columns are labels.
    columns : three names or numbers from 1, or None
        The columns of a list of triplets: row, column, value, as "user,item,rating" or in a
        sequence. The case of names does not matter.
    delimiter : str or None
        What separates cells: a character, several, or "tab" or "blank".
    decimal : {".", ","}
    missing : sequence of str
        Spellings of a missing value besides ``MISSING``.
    skip : int >= 0
        Lines above the table.

    Raises
    ------
    ValueError, OSError
        One line that says what was required and what was found, with line and column.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import dlngeo as dln
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "ratings.csv"
    ...     _ = file.write_text("user,item,rating\nann,tea,5\nbob,jam,3\nann,jam,4\n")
    ...     table = dln.tables.read(file, columns="user,item,rating")
    >>> table.rows, table.columns, table.values.tolist()
    (('ann', 'bob'), ('jam', 'tea'), [[4.0, 5.0], [3.0, nan]])
    """
    reading = Reading.of(layout, header, labels, columns, delimiter, decimal, missing, skip)
    name, found = opened(path, reading, dense=True)
    return _table(name, found)


def read_triplets(
    path: str | Path,
    layout: Layout = "auto",
    *,
    header: bool | None = None,
    labels: int | None = None,
    columns: str | Sequence[str | int] | None = None,
    delimiter: str | None = None,
    decimal: str = ".",
    missing: Sequence[str] = (),
    skip: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Triplets:
    r"""Read the observed entries of a file, without a matrix: for ratings, and all that is large.

    Where ``layout`` or ``columns`` say that the file is of triplets it is read line by line, and
    only labels, indices and values are kept.

    Parameters
    ----------
    path, layout, header, labels, columns, delimiter, decimal, missing, skip
        As for :func:`read`.
    progress : callable or None
        ``progress(fraction)`` now and then while a text is read.

    Raises
    ------
    ValueError, OSError
        As :func:`read` does.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import dlngeo as dln
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "ratings.csv"
    ...     _ = file.write_text("user,item,rating\nann,tea,5\nbob,jam,3\nann,jam,4\n")
    ...     found = dln.tables.read_triplets(file, columns="user,item,rating")
    >>> found.rows, found.columns, found.shape
    (('ann', 'bob'), ('jam', 'tea'), (2, 2))
    >>> found.i.tolist(), found.j.tolist(), found.values.tolist()
    ([0, 1, 0], [1, 0, 0], [5.0, 3.0, 4.0])
    """
    reading = Reading.of(layout, header, labels, columns, delimiter, decimal, missing, skip)
    if progress is not None:
        _checks.function(progress, "progress")
    name, found = opened(path, reading, dense=False, progress=progress)
    layout = "triplets" if found.reading.startswith("triplets") else "table"
    if isinstance(found, Arranged):
        found = of_matrix(found)
    return Triplets(name, *found[:5], "", layout, found.reading, found.titles)


def _table(name: str, found: Arranged | Listed) -> Table:
    if isinstance(found, Listed):
        found = found.arranged(name)
    layout = "triplets" if found.reading.startswith("triplets") else "table"
    return Table(name, found.values, found.rows, found.columns, "", layout, found.reading)
