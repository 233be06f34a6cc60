"""Reading an incomplete matrix: tables with gaps, triplets, and data sets that ship along.

A table is a matrix whose missing entries are NaN (in text: empty, ``nan``, ``na``, ``null`` or
``..``), with or without a header line and leading columns of labels. Triplets are lines of row
label, column label, value. Both come as text (``.csv``, ``.tsv``, ``.txt``; cells separated by
commas, semicolons, tabs or blanks), ``.npy`` or ``.npz``.

A first line is a header where it holds a word above numbers; or, above labelled rows, where its
first cell is empty, or its other cells are three or more whole numbers rising by one (years). A
first column of numbers is data unless the header's first cell is empty.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import pairwise
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


@dataclass(frozen=True)
class Table:
    """An incomplete matrix: values with NaN where nothing was observed, and labels."""

    name: str
    values: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    source: str = ""
    layout: str = "table"

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
    return replace(_from_lines(_cells(text), name, "table"), source=DATASETS[name])


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
            return _from_lines(_cells(path.read_text("utf-8-sig")), str(path), layout)
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path}: not a text table ({error})") from None
    if suffix == ".npy":
        arrays = _load(path)
        if "" not in arrays:
            raise ValueError(f"{path}: must hold one array; it is an .npz archive")
        return _from_array(arrays[""], str(path), layout)
    if suffix == ".npz":
        return _from_npz(path, layout)
    raise ValueError(f"{path}: must be a .csv, .tsv, .txt, .npy or .npz file")


def from_triplets(
    rows: Sequence[str], columns: Sequence[str], values: ArrayLike, name: str = "triplets"
) -> Table:
    """The table of (row label, column label, value).

    Labels that are all whole numbers are ordered by size, others alphabetically.
    """
    row_labels, column_labels = _ordered(rows), _ordered(columns)
    row_of = {label: k for k, label in enumerate(row_labels)}
    column_of = {label: k for k, label in enumerate(column_labels)}
    i = [row_of[label] for label in rows]
    j = [column_of[label] for label in columns]
    matrix = _unobserved((len(row_labels), len(column_labels)), name)
    numbers = np.asarray(values, dtype=float)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name}: the values of triplets must be finite numbers")
    if len(set(zip(i, j, strict=True))) < len(i):
        raise ValueError(f"{name}: a (row, column) pair occurs twice")
    matrix[i, j] = numbers
    return Table(name, matrix, row_labels, column_labels, layout="triplets")


def _unobserved(shape: tuple[int, int], name: str) -> Array:
    try:
        return np.full(shape, np.nan)
    except MemoryError:
        raise ValueError(f"{name}: a matrix of shape {shape} does not fit into memory") from None


def _ordered(labels: Sequence[str]) -> tuple[str, ...]:
    unique = set(labels)
    if all(label.isdecimal() for label in unique):
        return tuple(sorted(unique, key=int))
    return tuple(sorted(unique))


def _cells(text: str) -> list[list[str]]:
    """The cells of a text table; the first line tells what separates them."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    delimiter = max(",;\t", key=lines[0].count)
    if delimiter not in lines[0]:
        return [line.split() for line in lines]
    return [[cell.strip() for cell in line] for line in csv.reader(lines, delimiter=delimiter)]


def _from_lines(lines: list[list[str]], name: str, layout: Layout) -> Table:
    if not lines:
        raise ValueError(f"{name}: empty")
    width = len(lines[0])
    for number, line in enumerate(lines, start=1):
        if len(line) != width:
            raise ValueError(
                f"{name}: not a matrix, line {number} has {len(line)} cells and the first {width}"
            )
    if layout == "triplets" and width != 3:
        raise ValueError(f"{name}: triplets need 3 columns (row, column, value), not {width}")
    if layout != "table" and width == 3:
        body = lines if _is_number(lines[0][2]) else lines[1:]
        if layout == "triplets" or _looks_like_triplets(body):
            i, j, values = zip(*body, strict=True) if body else ((), (), ())
            return from_triplets(i, j, _numbers([values], name)[0], name)
    labels, header = _margins(lines)
    body = lines[1:] if header else lines
    if not body:
        raise ValueError(f"{name}: no line of numbers")
    if labels == width:
        raise ValueError(
            f"{name}: not a matrix of numbers, no column holds numbers throughout; "
            "cells are separated by commas, semicolons, tabs or blanks"
        )
    matrix = _numbers([line[labels:] for line in body], name)
    rows = tuple(line[0] if labels else str(k) for k, line in enumerate(body))
    columns = tuple(lines[0][labels:]) if header else tuple(str(k) for k in range(width - labels))
    return Table(name, matrix, rows, columns)


def _margins(lines: list[list[str]]) -> tuple[int, bool]:
    """How many leading columns are labels, and whether the first line is a header."""
    first, below = lines[0], lines[1:] or lines
    labels = 0
    while labels < len(first) and not all(_cell(line[labels]) for line in below):
        labels += 1
    named = len(lines) > 1 and all(first[1:]) and len(set(first)) == len(first)
    if named and not first[0] and all(line[0] for line in below):
        return max(1, labels), True
    heads = first[labels:]
    if not all(_cell(cell) for cell in heads):
        return labels, True
    whole = labels > 0 and len(heads) >= 3 and all(cell.isdecimal() for cell in heads)
    return labels, whole and all(int(b) - int(a) == 1 for a, b in pairwise(heads))


def _looks_like_triplets(body: list[list[str]]) -> bool:
    if not body or any(c.lower() in _MISSING for line in body for c in line):
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
    with path.open("rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"": loaded}
            with loaded:
                return {key: loaded[key] for key in loaded.files}
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: not a NumPy file of numbers ({error})") from None


def _from_array(array: NDArray[np.generic], name: str, layout: Layout) -> Table:
    if array.dtype.kind not in "buif" or array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"{name}: must hold a real matrix, not {array.dtype} of shape {array.shape}"
        )
    matrix = array.astype(float)
    if np.isinf(matrix).any():
        raise ValueError(f"{name}: entries must be finite or missing, some are infinite")
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
    name, arrays = str(path), _load(path)
    keys = set(arrays)
    if {"format", "shape", "data"} <= keys:
        try:
            entries = sparse.load_npz(path).tocoo()
        except (KeyError, ValueError, TypeError, NotImplementedError) as error:
            raise ValueError(f"{name}: not a sparse matrix of SciPy's ({error})") from None
        return _scatter(entries.row, entries.col, entries.data, np.array(entries.shape), name)
    if {"i", "j", "values"} <= keys:
        i, j, values = (np.atleast_1d(arrays[key]) for key in ("i", "j", "values"))
        if any(index.dtype.kind not in "iu" for index in (i, j)):
            raise ValueError(f"{name}: i and j must hold integers, not {i.dtype} and {j.dtype}")
        guess = np.array([int(index.max(initial=0)) + 1 for index in (i, j)])
        return _scatter(i, j, values, arrays.get("shape", guess), name)
    if len(keys) == 1:
        return _from_array(next(iter(arrays.values())), name, layout)
    raise ValueError(
        f"{name}: must hold one array, or i, j, values (and shape); "
        f"it holds {', '.join(sorted(keys)) or 'nothing'}"
    )


def _scatter(
    i: NDArray[np.generic],
    j: NDArray[np.generic],
    values: NDArray[np.generic],
    shape: NDArray[np.generic],
    name: str,
) -> Table:
    if shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise ValueError(f"{name}: shape must hold two integers, not {shape.tolist()}")
    try:
        energy = MatrixCompletion.from_triplets(i, j, values, tuple(shape.tolist()))
    except MemoryError:
        raise ValueError(f"{name}: shape {shape.tolist()} does not fit into memory") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None
    matrix = np.where(energy.mask, energy.observed, np.nan)
    return replace(_unlabelled(matrix, name), layout="triplets")
