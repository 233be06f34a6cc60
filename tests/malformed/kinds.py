"""What may be wrong with an argument: for each kind of argument, values that are not of it.

Each function here takes one valid value and returns it with the malformed ones, under the words by
which the test calls them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlngeo.energies import Quadratic

HUGE = 10**400  # no float holds it


class Argument(NamedTuple):
    valid: Any
    malformed: dict[str, Any]


def foreign(*, none: bool = False, text: bool = False) -> dict[str, Any]:
    """What is neither a number nor an array, a sequence or a function of the library's."""
    values: dict[str, Any] = {
        "text": "abc",
        "a number as text": "2",
        "bytes": b"2",
        "None": None,
        "dict": {},
        "object": object(),
        "class": int,
        "complex number": 1j,
    }
    if none:
        del values["None"]
    if text:
        del values["text"], values["a number as text"]
    return values


def given(valid: Any, malformed: dict[str, Any], without: Sequence[str] = ()) -> Argument:
    return Argument(valid, {word: v for word, v in malformed.items() if word not in without})


# ------------------------------------------------------------------------------------- numbers


def number(
    valid: float,
    *,
    none: bool = False,
    zero: bool = False,
    negative: bool = False,
    infinite: bool = False,
    nan: bool = False,
    arrays: bool = False,
    without: Sequence[str] = (),
) -> Argument:
    """A real number: positive and finite, unless told that more is allowed."""
    values = foreign(none=none) | {
        "function": math.sqrt,
        "two numbers": [1.0, 2.0],
        "an array of one": np.array([2.0]),
        "an array of two": np.array([1.0, 2.0]),
        "set": {1.0},
        "True": True,
        "a NumPy True": np.True_,
        "10**400": HUGE,
        "-10**400": -HUGE,
        "date": np.datetime64("2020-01-01"),
    }
    if arrays:
        for word in ("two numbers", "an array of one", "an array of two"):
            del values[word]
        values |= {
            "ragged": [[1.0, 2.0], [3.0]],
            "list of text": ["1", "2"],
            "object array": np.array([object()]),
            "complex array": np.array([1 + 1j]),
            "nan within": np.array([valid, math.nan]),
            "masked": np.ma.masked_array([valid, valid], [False, True]),
        }
        for word in ("True", "a NumPy True"):  # an array of booleans counts 0 and 1
            del values[word]
        if not negative:
            values["negative within"] = np.array([valid, -1.0])
    if not nan:
        values["nan"] = math.nan
    if not zero:
        values["zero"] = 0.0
    if not negative:
        values |= {"negative": -1.0, "-inf": -math.inf}
    if not infinite:
        values["inf"] = math.inf
        values["-inf"] = -math.inf
    return given(valid, values, without)


def integer(
    valid: int, least: int = 1, *, none: bool = False, without: Sequence[str] = ()
) -> Argument:
    values = number(valid, none=none, zero=True, negative=True).malformed | {
        "a half": 2.5,
        "a float": 2.0,
        "too small": least - 1,
        "negative": -1,
        "a decimal": np.float64(3),
    }
    return given(valid, values, without)


def depth(valid: float = 2, *, integral: bool = False, infinite: bool = False) -> Argument:
    """A depth; one at which ``inf`` is not allowed unless told so."""
    if integral:
        return integer(int(valid))
    more = {"below one": 0.5, "just below one": math.nextafter(1, 0)}
    return Argument(valid, number(valid, infinite=infinite).malformed | more)


def rank(valid: int | None = 2, *, none: bool = True, largest: int = 2) -> Argument:
    return Argument(valid, integer(2, none=none).malformed | {"too large": largest + 1})


def table(valid: dict[str, Any]) -> Argument:
    """A configuration: a kind, and numbers under further keys."""
    key = next(k for k in valid if k != "kind")
    bad: Any = {"number": 3, "list": [valid], "matrix": np.eye(2), "no data": {"kind": "quadratic"}}
    wrong = {
        "text": "abc",
        "None": None,
        "number": 3.0,
        "row": [1.0],
        "ragged": [[1.0], [1.0, 2.0]],
    }
    wrong |= {"empty": [], "complex": [[1j]], "True": [[True]], "infinite": [[math.inf]]}
    inside = {f"{word} in {key}": valid | {key: value} for word, value in wrong.items()}
    other = {"another kind": valid | {"kind": "cubic"}, "more keys": valid | {"more": 1}}
    return Argument(valid, foreign() | bad | inside | other)


def choice(valid: Any, *, none: bool = False) -> Argument:
    values = foreign(none=none) | {"number": 3, "list": ["auto"], "empty": "", "True": True}
    return Argument(valid, values | {"an array": np.zeros(2)})


def flag(valid: bool | None, *, none: bool = False) -> Argument:
    values = foreign(none=none) | {"two": 2, "half": 0.5, "list": [], "array": np.zeros(2)}
    return Argument(valid, values | {"no": "no", "nan": math.nan})


def shape(valid: tuple[int, int], *, none: bool = False) -> Argument:
    bad: Any = {"one": (2,), "three": (2, 2, 2), "number": 2, "half": (2.5, 2), "zero": (0, 2)}
    more = {"negative": (2, -1), "text in it": ("2", "2"), "huge": (HUGE, 2), "bool": (True, 2)}
    return Argument(valid, foreign(none=none) | bad | more | {"nan": (math.nan, 2), "set": {2, 3}})


def size(valid: Any = ()) -> Argument:
    bad: Any = {"half": 2.5, "text in it": ("2",), "negative": -1, "huge": HUGE, "bool": True}
    return Argument(valid, foreign() | bad | {"negative in it": (2, -1), "a float": (2.0,)})


def rng(valid: Any = 0) -> Argument:
    bad: Any = {"half": 1.5, "negative": -1, "function": math.sqrt, "nan": math.nan}
    more = {"list of negative": [-1], "list of text": ["a"], "True": True, "set": {1}}
    return Argument(valid, foreign(none=True) | bad | more)


def text(valid: str | None) -> Argument:
    return Argument(
        valid,
        foreign(none=valid is None, text=True) | {"number": 3, "list": ["a"], "array": np.eye(2)},
    )


def function(valid: Callable[..., Any] | None, *, none: bool = False) -> Argument:
    values = foreign(none=none)
    del values["class"]  # a class can be called
    return Argument(valid, values | {"number": 3.0, "array": np.eye(2), "list": [math.sqrt]})


def file(valid: Any) -> Argument:
    """The path of a file."""
    return Argument(valid, foreign(text=True) | {"number": 3.5, "list": ["a.csv"]})


def instance(valid: Any, *, none: bool = False) -> Argument:
    """An object of one class of the library's."""
    more = {"its class": type(valid), "number": 3.0, "list": [valid], "array": np.eye(2)}
    return Argument(valid, foreign(none=none) | more | {"function": math.sqrt})


class Silent:
    """No energy: no methods."""


class Scalars:
    """No energy: its gradient is a number."""

    def value(self, W: Any) -> Any:
        return 0.5 * (W**2).sum(axis=(-2, -1))

    def gradient(self, W: Any) -> Any:
        return self.value(W)

    def hessian(self, W: Any, Z: Any) -> Any:
        return self.value(Z)


def energy(valid: Any = None, *, none: bool = False, without: Sequence[str] = ()) -> Argument:
    """An energy of 2 × 2 matrices unless another is given."""
    valid = Quadratic(np.diag([3.0, 1.0])) if valid is None and not none else valid
    bad: Any = {"function": math.sqrt, "class of energies": Quadratic, "no methods": Silent()}
    more = {"number": 3.0, "list": [valid], "matrix": np.eye(2), "no gradient": Scalars()}
    values = foreign(none=none) | bad | more | {"of 5 x 5": Quadratic(np.eye(5))}
    return given(valid, values, without)
