"""Plain numbers, as a TOML file holds them: lists of rows, checked entry by entry; and such files.

What is refused is named by its place, ``energy.table[0][1]``, and shown in some words.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array

Made = TypeVar("Made")

_LONGEST = 2**26  # bytes of a file


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


def lists(value: Any) -> Any:
    """Arrays and tuples as lists, NumPy's numbers as Python's; what else there is, as it is."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {key: lists(item) for key, item in value.items()}
    return [lists(item) for item in value] if isinstance(value, list | tuple) else value


def jsonable(value: Any) -> Any:
    """The same in Python's own types; NaN and infinity as text."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def shown(value: Any) -> str:
    """What came, in no more than some words."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return f"an integer of {int(math.log10(abs(value))) + 1} digits"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"


# ---------------------------------------------------------------------------------- whole files


def text(path: str | Path) -> str:
    """What is written in a file, which is refused by its name where it is no text."""
    path = Path(_checks.instance(path, "path", str, os.PathLike))
    with path.open("rb") as file:  # which may be a device without an end
        content = file.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        raise ValueError(f"{path.name}: must be at most {_LONGEST >> 20} MiB long")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: not text in UTF-8 (byte {error.start})") from None


def from_file(path: str | Path, made: Callable[[str], Made]) -> Made:
    """What ``made`` makes of a text file; its refusals begin with the file's name."""
    content, name = text(path), Path(path).name
    try:
        return made(content)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    except ValueError as error:  # also of tomllib, with the line
        raise ValueError(f"{name}: {error}") from None
    except RecursionError:
        raise ValueError(f"{name}: lists are nested too deeply") from None


def fields(table: dict[str, Any], cls: Callable[..., Made]) -> Made:
    """An object of a dataclass from the keys of a table; unknown and missing ones are refused."""
    known: Any = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = [key for key in table if key not in known]
    if unknown:
        raise ValueError(f"unknown key {shown(unknown[0])}; the keys are {', '.join(known)}")
    missing = [
        name
        for name, field in known.items()
        if field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
        and name not in table
    ]
    if missing:
        raise ValueError(f"{', '.join(missing)} must be given")
    return cls(**table)
