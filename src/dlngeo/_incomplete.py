"""Matrices with gaps: a NaN, a masked entry, or what pandas calls missing.

A mask means missing here and nowhere else; pandas is not imported, its frames are known by their
methods.
"""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array


def array(value: Any, name: str) -> Array:
    """A float64 array, NaN where ``value`` has a gap; no entry is infinite.

    ``value`` is an array, a masked array, a pandas DataFrame, or a Series, which gives a vector.
    """
    if is_frame(value):
        numbers = _frame(value, name)
    elif hasattr(value, "to_frame"):
        numbers = _frame(value.to_frame(), name)[:, 0]
    elif isinstance(value, np.ma.MaskedArray):
        seen = _checks.real_array(np.ma.getdata(value), name, finite=False)
        numbers = np.where(np.ma.getmaskarray(value), np.nan, seen)
    else:
        numbers = _checks.real_array(value, name, finite=False)
    if np.isinf(numbers).any():
        raise ValueError(f"{name} must be finite or NaN; it has infinite entries")
    return numbers


def is_frame(value: object) -> bool:
    """Whether ``value`` is a pandas DataFrame, or another library's of the same methods."""
    return all(hasattr(value, name) for name in ("iloc", "index", "columns", "isna"))


def labels(value: Any, shape: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels of a frame's rows and columns; numbers from 0 for an array."""
    if is_frame(value):
        return _texts(value.index), _texts(value.columns)
    return tuple(map(str, range(shape[0]))), tuple(map(str, range(shape[1])))


def _texts(index: Any) -> tuple[str, ...]:
    """Labels as text; those of several levels are joined by a slash."""
    return tuple(
        " / ".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in index
    )


def _frame(frame: Any, name: str) -> Array:
    missing = np.asarray(frame.isna(), dtype=bool)
    values = np.full(missing.shape, np.nan)
    for k, label in enumerate(frame.columns):
        series, seen = frame.iloc[:, k], ~missing[:, k]
        where = f"{name}, column {label!r},"
        kind = getattr(series.dtype, "kind", "O")
        if kind == "O":
            values[seen, k] = _objects(series, seen, where)
        elif kind in "buif":
            values[:, k] = series.to_numpy(dtype=float, na_value=np.nan)
        else:
            raise TypeError(f"{where} must hold real numbers; its dtype is {series.dtype}")
    return np.where(missing, np.nan, values)


def _objects(series: Any, seen: Array, where: str) -> list[float]:
    """The numbers of a column of Python objects, where something is seen."""
    found = []
    for label, item, here in zip(series.index, series, seen, strict=True):
        if not here:
            continue
        real = isinstance(item, Number | np.bool_) and not isinstance(item, complex | np.complex64)
        if not real:
            raise TypeError(f"{where} must hold real numbers; in row {label!r} it holds {item!r}")
        found.append(float(item))
    return found
