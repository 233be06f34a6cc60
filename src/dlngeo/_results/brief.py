"""Short reprs of results: shapes in the place of arrays."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

_FEW = 6  # entries of a vector that are shown


def brief(result: Any) -> str:
    """A tuple or dataclass of named fields as ``Name(field=array (3, 2), ...)``."""
    names = [f.name for f in fields(result) if f.repr] if is_dataclass(result) else result._fields
    parts = (f"{name}={_short(getattr(result, name))}" for name in names)
    return f"{type(result).__name__}({', '.join(parts)})"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.size <= _FEW:
            return f"[{', '.join(map(_short, value.tolist()))}]"
        return f"array {value.shape}"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return f"arrays {', '.join(str(part.shape) for part in value)}"
    return f"list of {len(value)}" if isinstance(value, list) else repr(value)
