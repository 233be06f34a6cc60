"""Incomplete matrices with labels: from files, triplets, arrays, pandas frames; data sets.

A table is a matrix whose missing entries are NaN. A file is delimited text (``.csv``, ``.tsv``,
``.txt``, ``.dat``, ``.data``), ``.npy`` or ``.npz``. Of a text the reading rule tells what is a
name and what is a number (:mod:`dlngeo.tables._layouts`, docs/completion.md): what it does not
decide is refused with the option that does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _incomplete
from dlngeo._checks import Array
from dlngeo.tables import _array_files, _layouts, _triplets
from dlngeo.tables._delimited import records
from dlngeo.tables._layouts import Arranged, Lines, Options
from dlngeo.tables._numerals import Numerals

DATASETS = {
    "fertility": "Total fertility rate, 219 countries x 1960-2013. Source: World Bank, World "
    "Development Indicators SP.DYN.TFRT.IN (CC BY 4.0)",
}
Layout = Literal["auto", "table", "triplets"]
_TEXT = (".csv", ".tsv", ".txt", ".dat", ".data")


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
    path : path of a text file, ``.npy`` or ``.npz``
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
    _checks.choice(layout, "layout", ("auto", "table", "triplets"))
    _checks.instance(path, "path", str, os.PathLike)
    options = _options(layout, header, labels, columns)
    numerals = Numerals(_checks.text(decimal, "decimal"), _words(missing))
    if delimiter is not None:
        _checks.text(delimiter, "delimiter")
    path, skip = Path(path), _checks.integer(skip, "skip", 0)
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz") and delimiter is None:
        plain = options._replace(layout="auto") == Options() and not (skip or _words(missing))
        if not plain or decimal != ".":
            raise ValueError(f"{path}: only --layout belongs to NumPy files, other options to text")
        return _table(str(path), _array_files.read(path, layout))
    if suffix not in _TEXT and delimiter is None:
        raise ValueError(
            f"{path}: must be a {', '.join(_TEXT)}, .npy or .npz file; other names are read as "
            "text where --delimiter is given"
        )
    lines = Lines(str(path), records(path, delimiter, decimal, skip), numerals, options)
    found = None if options.layout == "triplets" else _layouts.table(lines, options)
    return _table(str(path), _triplets.read(lines, options) if found is None else found)


def _options(
    layout: str,
    header: bool | None,
    labels: int | None,
    columns: str | Sequence[str | int] | None,
) -> Options:
    """What is said of how lines and columns are laid out, once it is of the right kinds."""
    if header is not None:
        _checks.flag(header, "header")
    if labels is not None:
        labels = _checks.integer(labels, "labels", 0)
    if columns is None:
        return Options(layout, header, labels, None)
    if layout == "table" or labels is not None:
        raise ValueError("--columns are those of triplets: not with --layout table, nor --labels")
    if isinstance(columns, str):
        columns = columns.split(",")
    names = []
    for k, column in enumerate(_checks.sequence(columns, "columns", "names or numbers")):
        names.append(str(_checks.instance(column, f"columns[{k}]", str, int)).strip())
    return Options("triplets", header, None, tuple(names))


def _words(missing: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(missing, str):
        return (missing,)
    words = _checks.sequence(missing, "missing", "a sequence of strings")
    return tuple(_checks.text(word, f"missing[{k}]") for k, word in enumerate(words))


def _table(name: str, found: Arranged) -> Table:
    layout = "triplets" if found.reading.startswith("triplets") else "table"
    return Table(name, found.values, found.rows, found.columns, "", layout, found.reading)
