"""Malformed matrices, vectors, families of matrices, widths and times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from malformed.kinds import HUGE, Argument, foreign, given


def entries(valid: Any, *, nan: bool = False, infinite: bool = False) -> dict[str, Any]:
    """Arrays of the valid one's shape with something wrong in them, and what is no array."""
    V = np.asarray(valid, dtype=float)
    first = (0,) * V.ndim
    values: dict[str, Any] = foreign() | {
        "function": math.sqrt,
        "ragged": [[1.0, 2.0], [3.0]],
        "object array": np.full(V.shape, object()),
        "complex array": V.astype(complex) + 1j,
        "array of text": V.astype(str),
        "array of dates": np.full(V.shape, np.datetime64("2020-01-01")),
        "structured array": np.zeros(V.shape, dtype=[("a", float), ("b", float)]),
        "10**400 in it": np.where(V.flat[0] == V, HUGE, V.astype(object)),
        "None in it": np.where(V.flat[0] == V, None, V.astype(object)),
        "masked": np.ma.masked_array(V, np.arange(V.size).reshape(V.shape) == 0),
        "set": {1.0, 2.0},
        "generator": (x for x in (1.0, 2.0)),
    }
    for word, wrong, allowed in (
        ("nan in it", math.nan, nan),
        ("inf in it", math.inf, infinite),
        ("-inf in it", -math.inf, infinite),
    ):
        if not allowed:
            values[word] = V.copy()
            values[word][first] = wrong
    return values


def matrix(
    valid: Any,
    *,
    free: bool = False,
    square: bool = False,
    one: bool = False,
    none: bool = False,
    without: Sequence[str] = (),
) -> Argument:
    """A matrix whose shape others of the call fix, unless ``free``; ``one``: no stack of them."""
    V = np.asarray(valid, dtype=float)
    m, n = V.shape[-2:]
    values = entries(valid) | {
        "number": 3.0,
        "vector": np.ones(n),
        "empty list": [],
        "no rows": np.zeros((0, n)),
        "no columns": np.zeros((m, 0)),
        "0 x 0": np.zeros((0, 0)),
    }
    if not free:
        values |= {"more rows": np.ones((m + 5, n)), "more of both": np.ones((m + 5, n + 5))}
    if not free or square:
        values["more columns"] = np.ones((m, n + 5))
    if one:
        values["stack"] = np.stack([V, V, V])
    if none:
        del values["None"]
    return given(valid, values, without)


def vector(
    valid: Any,
    *,
    negative: bool = False,
    zero: bool = True,
    length: bool = False,
    one: bool = False,
    nan: bool = False,
    infinite: bool = False,
    scalar: bool = False,
    none: bool = False,
    empty: bool = False,
    without: Sequence[str] = (),
) -> Argument:
    """Numbers: non-negative unless ``negative``; ``length``: how many is fixed by the others."""
    V = np.asarray(valid, dtype=float)
    values = entries(valid, nan=nan, infinite=infinite)
    if not empty:
        values |= {"empty list": [], "none of them": np.zeros((*V.shape[:-1], 0))}
    if not scalar:
        values["number"] = 3.0
    if not negative:
        values["negative"] = np.where(np.arange(V.size).reshape(V.shape) == 0, -1.0, V)
    if not zero:
        values["zero"] = np.where(np.arange(V.size).reshape(V.shape) == 0, 0.0, V)
    if length:
        values["too many"] = np.linspace(9.0, 1.0, V.shape[-1] + 7)
    if one:
        values["matrix"] = np.ones((3, V.shape[-1]))
    if none:
        del values["None"]
    return given(valid, values, without)


def family(
    valid: Sequence[Any], *, none: bool = False, count: bool = True, without: Sequence[str] = ()
) -> Argument:
    """A sequence of matrices whose shapes others of the call fix; ``count``: their number too."""
    first, rest = np.asarray(valid[0], dtype=float), tuple(valid[1:])
    inside = matrix(first, free=not rest and not count).malformed
    values = {f"[0]: {word}": (bad, *rest) for word, bad in inside.items()}
    values |= foreign(none=none) | {
        "number": 3.0,
        "one matrix": first,
        "empty": (),
        "function": math.sqrt,
        "text in it": ("abc",) * len(valid),
        "set": {1.0, 2.0},
        "of numbers": (1.0,) * len(valid),
        "stack of another length": (np.ones((3, *first.shape)), *(np.ones((2, 2, 2)),) * len(rest)),
    }
    if not rest:
        del values["stack of another length"]
    if count:
        values |= {"one too few": tuple(valid[:-1]), "one too many": (*valid, valid[-1])}
    return given(tuple(valid), values, without)


def layers(valid: Sequence[Any], *, driven: bool = False, without: Sequence[str] = ()) -> Argument:
    """Weights, whose shapes must chain; ``driven``: by something that settles the input's width."""
    values = family(valid, count=False).malformed
    if not driven:
        del values["[0]: more columns"]
    if len(valid) > 1:
        d = np.shape(valid[0])[-2]
        values["broken chain"] = (*valid[:-1], np.ones((2, d + 3)))
    return given(tuple(valid), values, without)


def widths(
    valid: Sequence[int],
    *,
    none: bool = False,
    fixed: bool = True,
    without: Sequence[str] = (),
) -> Argument:
    """Widths (d_0, ..., d_N); ``fixed``: others of the call settle input, output and depth."""
    inside = {"half": 2.5, "text": "2", "zero": 0, "negative": -1, "bool": True, "10**400": HUGE}
    more = {"None": None, "nan": math.nan, "a float": 2.0, "list": [2]}
    values = {f"{word} in it": (*valid[:-1], bad) for word, bad in (inside | more).items()}
    values |= foreign(none=none) | {
        "number": 3,
        "one width": (2,),
        "empty": (),
        "matrix": np.full((2, 2), 2),
        "function": math.sqrt,
    }
    if fixed:
        values |= {"another input": (valid[0] + 4, *valid[1:]), "another output": (*valid[:-1], 9)}
    return given(tuple(valid), values, without)


def indices(valid: Sequence[int], bound: int, *, without: Sequence[str] = ()) -> Argument:
    """Distinct indices below ``bound``."""
    inside = {"half": 0.5, "text": "0", "negative": -1, "too large": bound, "huge": HUGE}
    more: dict[str, Any] = {"None": None, "bool": True, "nan": math.nan, "list": [0]}
    values = {f"{word} in it": (*valid[1:], bad) for word, bad in (inside | more).items()}
    values |= foreign() | {"number": 3, "function": math.sqrt, "matrix": np.eye(2)}
    return given(tuple(valid), values, without)


def span(valid: tuple[float, float] = (0.0, 0.01)) -> Argument:
    """A span of time."""
    values = foreign() | {
        "number": 1.0,
        "one number": (1.0,),
        "three numbers": (0.0, 1.0, 2.0),
        "backwards": (1.0, 0.0),
        "nan": (0.0, math.nan),
        "inf": (0.0, math.inf),
        "from -inf": (-math.inf, 0.0),
        "text in it": ("0", "1"),
        "None in it": (0.0, None),
        "complex in it": (0.0, 1j),
        "huge": (0.0, HUGE),
        "matrix": np.eye(2),
        "set": {0.0, 1.0},
        "empty": (),
        "bools": (False, True),
    }
    return Argument(valid, values)


def times(valid: Any, *, none: bool = True, outside: float | None = None) -> Argument:
    """Times to record at, within a span: in order, finite."""
    values = vector(valid, negative=True, none=none, one=True, empty=True, scalar=True).malformed
    if outside is not None:
        values |= {"outside the span": [0.0, outside], "unsorted": valid[::-1]}
    return Argument(valid, values)
