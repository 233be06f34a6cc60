"""Plain numbers, as a TOML file holds them: lists of rows, checked entry by entry.

What is refused is named by its place, ``energy.table[0][1]``, and shown in some words.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlngeo._checks import Array


def rows(value: Any, name: str) -> Array:
    """Rows of numbers, all of one length, as an array."""
    lists = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(lists, list | tuple) or not all(isinstance(r, list | tuple) for r in lists):
        raise TypeError(f"{name} must be a list of rows [[…], …], not {shown(value)}")
    lengths = sorted({len(row) for row in lists})
    if len(lengths) != 1 or lengths[0] == 0:
        found = " and ".join(map(str, lengths)) or "no rows"
        raise ValueError(f"{name} must have rows of one length, at least 1; it has {found}")
    return np.array([numbers(row, f"{name}[{i}]") for i, row in enumerate(lists)])


def numbers(value: Any, name: str) -> list[float]:
    """A list of numbers."""
    row = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(row, list | tuple):
        raise TypeError(f"{name} must be a list of numbers, not {shown(value)}")
    return [number(x, f"{name}[{j}]") for j, x in enumerate(row)]


def number(value: Any, name: str) -> float:
    """A number, which may be nan or inf."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, not {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number up to 1.8e308, not {shown(value)}") from None


def shown(value: Any) -> str:
    """What came, in no more than some words."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return f"an integer of {int(math.log10(abs(value))) + 1} digits"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
