"""Landscapes: arguments of every function."""

from __future__ import annotations

import math
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dlngeo import landscapes
from malformed.arrays import matrix, widths
from malformed.dynamics import TARGET
from malformed.geometry import Call, W, Z
from malformed.kinds import (
    Argument,
    choice,
    depth,
    energy,
    file,
    flag,
    foreign,
    instance,
    integer,
    number,
    rank,
)


@cache
def landscape() -> landscapes.Landscape:
    return landscapes.plane(TARGET, depth=2, beta=2.0, at=W, extent=1.0, n=6)


def _several(argument: Argument, more: dict[str, Any]) -> Argument:
    """A number, or a sequence of distinct ones."""
    without = ("two numbers", "an array of one", "an array of two", "set")
    values = {word: v for word, v in argument.malformed.items() if word not in without}
    return Argument(argument.valid, values | {"a set": {2.0}, "none": [], "twice": [2, 2]} | more)


def _few(valid: Any, **more: Any) -> Argument:
    """One or two of something."""
    return Argument(valid, foreign() | {"number": 3, "none": [], "three": [*valid] * 3} | more)


def _axes() -> Argument:
    return _few(
        ((0, 1), (1, 0)),
        halves=((0.5, 1),),
        beyond=((0, 2),),
        negative=((0, -1),),
        twice=((0, 1), (0, 1)),
        mixed=((0, 1), np.eye(2)),
        texts=("ab", "cd"),
        zero=(np.zeros((2, 2)),),
    )


def _extent() -> Argument:
    bad: Any = {"zero": 0.0, "negative": -1.0, "nan": math.nan, "inf": math.inf, "True": True}
    more = {"backwards": (2.0, 1.0), "texts": ("a", "b"), "three": ((0, 1),) * 3, "set": {0, 1}}
    return Argument(1.0, foreign() | bad | more | {"10**400": (0, 10**400)})


def _counts() -> Argument:
    values = integer(6, 2).malformed
    keep = {word: v for word, v in values.items() if word not in ("two numbers", "set")}
    return Argument(6, keep | {"three": (2, 2, 2), "halves": (2.5, 2.5)})


def _axes_of_figures() -> Argument:
    more = {"number": 3.0, "a figure": Figure(), "array": np.eye(2)}
    return Argument(None, foreign(none=True) | more)


def _file() -> Path:
    path = Path(tempfile.mkdtemp()) / "landscape.toml"
    path.write_text(landscapes.config.to_toml(landscapes.PRESETS["boundary"]))
    return path


@cache
def instances() -> dict[str, Any]:
    """Objects whose methods are called."""
    return {
        "landscapes.Landscape": landscape(),
        "landscapes.Section": landscapes.Section.entries(W, [(0, 1), (1, 0)]),
        "landscapes.Config": landscapes.PRESETS["boundary"],
    }


def entries() -> dict[str, Call]:
    at = matrix(W, one=True, square=True, free=True)
    base = matrix(W, one=True, free=True)
    given = Argument(landscape(), instance(landscape()).malformed)
    figure = Argument(Figure().add_subplot(), _axes_of_figures().malformed | {"None": 3})
    wrong = {"number": 3, "numbers": (1, 2), "two": ["u", "v"]}
    names = Argument(["u"], foreign(text=True, none=True) | wrong)
    moved = Argument(
        np.zeros((3, 2, 2)), matrix(W, without=["vector", "number"]).malformed | {"one": np.eye(2)}
    )
    several = foreign(text=True) | {"number": 3, "none": [], "another": ["G"]}
    return {
        "landscapes.plane": {
            "energy": energy(TARGET),
            "depth": _several(depth(2, infinite=True), {"below one in it": [0.5, 2]}),
            "beta": _several(number(2.0, infinite=True, without=["-inf"]), {"zero in it": [0, 2]}),
            "weight_decay": _several(number(0.1, zero=True), {"negative in it": [-1, 2]}),
            "kappa": _several(number(1.0), {"zero in it": [0, 2]}),
            "axes": _axes(),
            "at": Argument(W, {k: v for k, v in at.malformed.items() if k != "None"}),
            "extent": _extent(),
            "n": _counts(),
            "quantities": Argument(("E", "F"), several | {"a text": "G"}),
            "rank": rank(None),
            "widths": Argument(None, widths((2, 2, 2), none=True).malformed),
        },
        "landscapes.plot": {
            "landscape": given,
            "quantity": choice("F"),
            "ax": _axes_of_figures(),
            "kind": choice(None, none=True),
            "points": flag(False),
            "colorbar": flag(True),
        },
        "landscapes.draw_points": {
            "ax": figure, "landscape": given, "quantity": choice("F"),
        },
        "landscapes.draw_paths": {"ax": figure, "landscape": given, "paths": moved},
        "landscapes.flow_lines": {
            "landscape": given, "count": integer(2), "time": number(0.5, none=True),
        },
        "landscapes.read": {"path": file(_file())},
        "landscapes.Landscape.dimensions": {"quantity": choice("F")},
        "landscapes.Section.entries": {"at": base, "axes": _few(((0, 1),), beyond=((0, 2),))},
        "landscapes.Section.along": {
            "at": matrix(W, one=True, free=True, without=["more columns"]),
            "directions": _few((Z,), zero=(0 * Z,), wide=(np.ones((2, 3)),)),
            "names": names,
        },
        "landscapes.Section.singular_values": {
            "at": base, "indices": _few((0, 1), beyond=(2,), negative=(-1,), halves=(0.5,)),
        },
        "landscapes.Section.through": {"matrices": _few((W, Z), one=(W,), same=(W, W))},
        "landscapes.Section.points": {
            "coordinates": Argument(
                [1.0, 2.0], foreign() | {"number": 3.0, "three": [1.0] * 3, "nan": [1, math.nan]}
            )
        },
        "landscapes.Section.coordinates": {"W": matrix(W)},
        "landscapes.Section.distance": {"W": matrix(W)},
    }  # fmt: skip
