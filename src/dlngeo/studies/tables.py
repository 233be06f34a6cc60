"""Reading an incomplete matrix: tables with gaps, triplets, and data sets that ship along.

A table is a matrix whose missing entries are NaN (in CSV: empty, ``nan``, ``na``, ``null`` or
``..``), with or without a header line and leading columns of labels. Triplets are lines of row
label, column label, value. Both come as ``.csv`` (or ``.tsv``, ``.txt``), ``.npy`` or ``.npz``.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from dlngeo._checks import Array
from dlngeo.energies import MatrixCompletion

DATASETS = {
    "fertility": "Total fertility rate, 219 countries x 1960-2013. Source: World Bank, World "
    "Development Indicators SP.DYN.TFRT.IN (CC BY 4.0)",
}
Layout = Literal["auto", "table", "triplets"]
_MISSING = {"", "nan", "na", "n/a", "null", "none", "..", "-"}
_DELIMITERS = {".tsv": "\t"}


@dataclass(frozen=True)
class Table:
    """An incomplete matrix: values with NaN where nothing was observed, and labels."""

    name: str
    values: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or 0 in self.values.shape:
            raise ValueError(f"{self.name}: not a matrix, its shape is {self.values.shape}")
        if np.isinf(self.values).any():
            raise ValueError(f"{self.name}: entries must be finite or missing, some are infinite")
        if not np.isfinite(self.values).any():
            raise ValueError(f"{self.name}: no entry is observed")


def dataset(name: str) -> Table:
    """A data set that ships with the package; see ``DATASETS``."""
    if name not in DATASETS:
        raise ValueError(f"dataset must be one of {', '.join(DATASETS)}, not {name!r}")
    text = resources.files("dlngeo").joinpath("data", f"{name}.csv").read_text("utf-8")
    return _from_lines(list(csv.reader(text.splitlines())), name, "table", DATASETS[name])


def read(path: str | Path, layout: Layout = "auto") -> Table:
    """Read an incomplete matrix from a file.

    Parameters
    ----------
    path : path of a ``.csv``, ``.tsv``, ``.txt``, ``.npy`` or ``.npz`` file
        An ``.npz`` holds one array, or ``i``, ``j``, ``values`` and maybe ``shape``, or a matrix
        that ``scipy.sparse.save_npz`` wrote.
    layout : {"auto", "table", "triplets"}
        ``auto`` takes three columns for triplets if the first two hold labels or whole numbers that
        repeat while no pair of them does.

    Raises
    ------
    ValueError, OSError
        One line that says what was required and what was found.
    """
    if layout not in ("auto", "table", "triplets"):
        raise ValueError(f"layout must be 'auto', 'table' or 'triplets', not {layout!r}")
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".txt"):
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                lines = list(csv.reader(file, delimiter=_DELIMITERS.get(suffix, ",")))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path}: not a text table ({error})") from None
        return _from_lines(lines, str(path), layout, "")
    if suffix == ".npy":
        return _from_array(_load(path)[""], str(path), layout)
    if suffix == ".npz":
        return _from_npz(path, layout)
    raise ValueError(f"{path}: must be a .csv, .tsv, .txt, .npy or .npz file")


def from_triplets(
    rows: Sequence[str], columns: Sequence[str], values: ArrayLike, name: str = "triplets"
) -> Table:
    """The table of (row label, column label, value), labels in natural order."""
    row_labels, column_labels = _ordered(rows), _ordered(columns)
    row_of = {label: k for k, label in enumerate(row_labels)}
    column_of = {label: k for k, label in enumerate(column_labels)}
    i = [row_of[label] for label in rows]
    j = [column_of[label] for label in columns]
    matrix = np.full((len(row_labels), len(column_labels)), np.nan)
    numbers = np.asarray(values, dtype=float)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name}: the values of triplets must be finite numbers")
    if len(set(zip(i, j, strict=True))) < len(i):
        raise ValueError(f"{name}: a (row, column) pair occurs twice")
    matrix[i, j] = numbers
    return Table(name, matrix, row_labels, column_labels)


def _ordered(labels: Sequence[str]) -> tuple[str, ...]:
    unique = set(labels)
    if all(label.isdecimal() for label in unique):
        return tuple(sorted(unique, key=int))
    return tuple(sorted(unique))


def _from_lines(lines: list[list[str]], name: str, layout: Layout, source: str) -> Table:
    lines = [[cell.strip() for cell in line] for line in lines if any(c.strip() for c in line)]
    if not lines:
        raise ValueError(f"{name}: empty")
    width = len(lines[0])
    for number, line in enumerate(lines, start=1):
        if len(line) != width:
            raise ValueError(
                f"{name}: not a matrix, line {number} has {len(line)} cells and the first {width}"
            )
    header = None if all(_cell(c) for c in lines[0]) else lines[0]
    body = lines[1:] if header else lines
    if not body:
        raise ValueError(f"{name}: no line of numbers")
    if layout == "triplets" or (layout == "auto" and _looks_like_triplets(body)):
        if width != 3:
            raise ValueError(f"{name}: triplets need 3 columns (row, column, value), not {width}")
        i, j, values = zip(*body, strict=True)
        return from_triplets(i, j, _numbers([values], name)[0], name)
    labels = 0
    while labels < width and not all(_cell(line[labels]) for line in body):
        labels += 1
    if labels == width:
        raise ValueError(f"{name}: not a matrix of numbers, no column holds numbers throughout")
    matrix = _numbers([line[labels:] for line in body], name)
    rows = tuple(line[0] if labels else str(k) for k, line in enumerate(body))
    columns = tuple(header[labels:]) if header else tuple(str(k) for k in range(width - labels))
    return Table(name, matrix, rows, columns, source)


def _looks_like_triplets(body: list[list[str]]) -> bool:
    if len(body[0]) != 3 or any(c.lower() in _MISSING for line in body for c in line):
        return False
    pairs = {(line[0], line[1]) for line in body}
    labels = [{line[k] for line in body} for k in (0, 1)]
    whole = all(not _is_number(c) or c.isdecimal() for found in labels for c in found)
    numeric = all(_is_number(line[2]) for line in body)
    # Entries share rows and columns; a column of row labels in a table repeats nothing.
    repeats = all(len(found) < len(body) for found in labels)
    return whole and numeric and repeats and len(pairs) == len(body)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.lower() not in _MISSING


def _cell(cell: str) -> bool:
    return cell.lower() in _MISSING or _is_number(cell)


def _numbers(cells: Sequence[Sequence[str]], name: str) -> Array:
    for row, line in enumerate(cells):
        for cell in line:
            if not _cell(cell):
                raise ValueError(f"{name}: {cell!r} in row {row} is not a number")
    return np.array([[np.nan if c.lower() in _MISSING else float(c) for c in r] for r in cells])


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of an ``.npz`` by name, or that of an ``.npy`` under the empty name."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a NumPy file of numbers ({error})") from None


def _from_array(array: NDArray[np.generic], name: str, layout: Layout) -> Table:
    if array.dtype.kind not in "buif" or array.ndim != 2:
        raise ValueError(
            f"{name}: must hold a real matrix, not {array.dtype} of shape {array.shape}"
        )
    matrix = array.astype(float)
    whole = matrix.shape[1] == 3 and bool((matrix[:, :2] % 1 == 0).all())
    if layout == "triplets" and not whole:
        raise ValueError(f"{name}: triplets need shape (k, 3) and whole-number indices")
    if layout != "table" and whole:
        lines = [[str(int(i)), str(int(j)), repr(float(v))] for i, j, v in matrix]
        if layout == "triplets" or _looks_like_triplets(lines):
            i, j, _ = zip(*lines, strict=True)
            return from_triplets(i, j, matrix[:, 2], name)
    return _unlabelled(matrix, name)


def _unlabelled(matrix: Array, name: str) -> Table:
    rows, columns = (tuple(str(k) for k in range(d)) for d in matrix.shape)
    return Table(name, matrix, rows, columns)


def _from_npz(path: Path, layout: Layout) -> Table:
    name = str(path)
    arrays = _load(path)
    keys = set(arrays)
    if {"format", "shape", "data"} <= keys:
        entries = sparse.load_npz(path).tocoo()
        return _scatter(entries.row, entries.col, entries.data, entries.shape, name)
    if {"i", "j", "values"} <= keys:
        i, j, values = (np.atleast_1d(arrays[key]) for key in ("i", "j", "values"))
        shape = arrays.get("shape", np.array([i.max(initial=0) + 1, j.max(initial=0) + 1]))
        return _scatter(i, j, values, tuple(int(d) for d in shape), name)
    if len(keys) == 1:
        return _from_array(next(iter(arrays.values())), name, layout)
    raise ValueError(
        f"{name}: must hold one array, or i, j, values (and shape), not {', '.join(sorted(keys))}"
    )


def _scatter(
    i: NDArray[np.generic],
    j: NDArray[np.generic],
    values: NDArray[np.generic],
    shape: tuple[int, ...],
    name: str,
) -> Table:
    try:
        energy = MatrixCompletion.from_triplets(i, j, values, (shape[0], shape[1]))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None
    return _unlabelled(np.where(energy.mask, energy.observed, np.nan), name)
