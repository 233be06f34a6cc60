"""Incomplete matrices in NumPy's files: ``.npy``, ``.npz``, and SciPy's sparse ones."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dlngeo._checks import Array
from dlngeo.energies import checked_triplets
from dlngeo.tables._layouts import NARROW, Arranged
from dlngeo.tables._lists import Listed
from dlngeo.tables._triplets import from_labels

# What NumPy and SciPy raise for a damaged file.
_DAMAGE = (
    ValueError, TypeError, EOFError, KeyError, IndexError, AttributeError, OverflowError,
    MemoryError, NotImplementedError, RuntimeError, SyntaxError, OSError, struct.error,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read(path: Path, layout: str, dense: bool) -> Arranged | Listed:
    """What a file holds; ``layout`` is "auto", "table" or "triplets".

    ``dense`` says whether a matrix is to be made of it, which then has to fit into memory.
    """
    name, arrays = str(path), _load(path)
    if path.suffix.lower() == ".npz":
        if "" in arrays:
            raise ValueError(f"{name}: must be an archive; it is an .npy file")
        return _from_npz(path, arrays, layout, dense)
    if "" not in arrays:
        raise ValueError(f"{name}: must hold one array; it is an .npz archive")
    return _from_array(arrays[""], name, layout)


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of an ``.npz`` by name, or that of an ``.npy`` under the empty name."""
    with path.open("rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"": loaded}
            with loaded:
                return {key: loaded[key] for key in loaded.files}
        except _DAMAGE as error:
            raise ValueError(f"{path}: not a NumPy file of numbers ({error})") from None


def _from_array(array: NDArray[np.generic], name: str, layout: str) -> Arranged | Listed:
    if array.dtype.kind not in "buif" or array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"{name}: must hold a real matrix, not {array.dtype} of shape {array.shape}"
        )
    matrix = array.astype(float)
    if layout == "triplets":
        if matrix.shape[1] != 3 or not (matrix[:, :2] % 1 == 0).all():
            raise ValueError(f"{name}: triplets need shape (k, 3) and whole-number indices")
        i, j = ([str(int(x)) for x in matrix[:, k]] for k in (0, 1))
        return from_labels(i, j, matrix[:, 2], name)
    if layout == "auto" and _may_be_triplets(matrix):
        raise ValueError(
            f"{name}: may be triplets, as columns of whole numbers repeat, or a table: say "
            "--layout triplets or --layout table"
        )
    return _unlabelled(matrix, "table")


def _may_be_triplets(matrix: Array) -> bool:
    """The rule of :mod:`dlngeo.tables._layouts` for numbers without names."""
    if not 3 <= matrix.shape[1] <= NARROW:
        return False
    with np.errstate(invalid="ignore"):
        named = matrix[:, (matrix % 1 == 0).all(axis=0)]
    return named.shape[1] > 1 and any(np.unique(x).size < x.size for x in named.T)


def _unlabelled(matrix: Array, reading: str) -> Arranged:
    return Arranged(matrix, *_numbers(matrix.shape), reading)


def _numbers(shape: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(map(str, range(shape[0]))), tuple(map(str, range(shape[1])))


def _from_npz(
    path: Path, arrays: dict[str, NDArray[np.generic]], layout: str, dense: bool
) -> Arranged | Listed:
    name = str(path)
    keys = set(arrays)
    if {"format", "shape", "data"} <= keys:
        try:
            matrix = sparse.load_npz(path)
        except _DAMAGE as error:
            raise ValueError(f"{name}: not a sparse matrix of SciPy's ({error})") from None
        if matrix.format not in ("coo", "csr", "csc"):
            raise ValueError(
                f"{name}: must be a sparse matrix of format coo, csr or csc; {matrix.format} does "
                "not tell entries that are zero from gaps"
            )
        seen = matrix.tocoo()
        return _scatter(seen.row, seen.col, seen.data, np.array(seen.shape), name, dense)
    if {"i", "j", "values"} <= keys:
        if keys - {"i", "j", "values", "shape"}:
            raise ValueError(f"{name}: must hold i, j, values (and shape), not {sorted(keys)}")
        i, j, values = (np.atleast_1d(arrays[key]) for key in ("i", "j", "values"))
        if any(index.dtype.kind not in "iu" for index in (i, j)):
            raise ValueError(f"{name}: i and j must hold integers, not {i.dtype} and {j.dtype}")
        guess = np.array([int(index.max(initial=0)) + 1 for index in (i, j)])
        return _scatter(i, j, values, arrays.get("shape", guess), name, dense)
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
    dense: bool,
) -> Listed:
    if shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise ValueError(f"{name}: shape must hold two integers, not {shape.tolist()}")
    try:
        rows, columns, entries, (m, n) = checked_triplets(i, j, values, tuple(shape.tolist()))
        if dense:
            np.empty((m, n))
    except MemoryError:
        raise ValueError(f"{name}: shape {shape.tolist()} does not fit into memory") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None
    return Listed(rows, columns, entries, *_numbers((m, n)), "triplets")
