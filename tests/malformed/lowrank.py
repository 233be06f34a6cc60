"""Flows of low rank."""

from __future__ import annotations

import math
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dlngeo import energies, lowrank
from malformed.arrays import indices, matrix, vector
from malformed.dynamics import flow_control
from malformed.geometry import Call, W
from malformed.kinds import (
    Argument,
    choice,
    depth,
    energy,
    file,
    flag,
    foreign,
    function,
    given,
    integer,
    number,
    rank,
    rng,
    shape,
)


def _start() -> Argument:
    good = (np.eye(2), np.array([2.0, 1.0]), np.eye(2))
    wrong: dict[str, Any] = {
        "U of text": ("abc", *good[1:]),
        "two parts": good[:2],
        "sigma as a matrix": (good[0], np.eye(2), good[2]),
        "sigma too long": (good[0], np.ones(3), good[2]),
        "nan in sigma": (good[0], np.array([math.nan, 1.0]), good[2]),
        "V a stack": (*good[:2], np.ones((1, 2, 2))),
        "of rank 1": (good[0], np.array([2.0, 0.0]), good[2]),
        "of 5 x 2": (np.ones((5, 2)), *good[1:]),
    }
    return Argument(good, matrix(W, free=True, one=True).malformed | wrong)


def _chosen() -> Argument:
    good = _completion().summary
    wrong: dict[str, Any] = {
        "a rank of text": good | {"rank": "abc"},
        "a rank too large": good | {"rank": 3},
        "no entries": good | {"entries": 0},
        "a time of nan": good | {"time": math.nan},
        "a decay of -1": good | {"weight_decay": -1.0},
    }
    return Argument(good, foreign(none=True) | {"list": []} | wrong)


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    _trajectory().save(folder / "saved")
    _completion().save(folder / "completion")
    return folder


@cache
def _trajectory() -> lowrank.LowRankTrajectory:
    target = energies.Quadratic(np.diag([3.0, 1.0]))
    return lowrank.flow(target, np.eye(2), (0.0, 0.1), depth=2)


@cache
def _completion() -> lowrank.LowRankCompletion:
    return lowrank.complete([0, 1], [0, 1], [1.0, 2.0], (2, 2), rank=1, validation=0.5, rng=0)


def instances() -> dict[str, Any]:
    """An object whose methods are called."""
    return {
        "lowrank.LowRankCompletion": _completion(),
        "lowrank.Factors": _trajectory().factors(),
        "lowrank.LowRankTrajectory": _trajectory(),
    }


def entries() -> dict[str, Call]:
    control = flow_control()
    less = {"infinite": math.inf} | depth(2).malformed
    engine = choice("numpy")
    places: Call = {
        "rows": indices([0, 1], 2, without=["bool in it"]),
        "cols": indices([0, 1], 2, without=["bool in it"]),
    }
    return {
        "lowrank.flow": {
            "energy": energy(),
            "start": _start(),
            "depth": Argument(2, less),
            "rank": rank(2),
            "scale": Argument(None, number(0.1, none=True).malformed),
            "engine": engine,
            "gtol": number(1e-8, zero=True),
        }
        | control,
        "lowrank.complete": places
        | {
            "values": vector([1.0, 2.0], negative=True, length=True),
            "shape": shape((2, 2)),
            "depth": Argument(2, less),
            "rank": rank(1),
            "weight_decay": number(0.0, none=True, zero=True),
            "biases": flag(False),
            "validation": number(0.5, without=["one"]),
            "scale": number(0.1, none=True),
            "clip": flag(False),
            "rng": rng(),
            "engine": engine,
            "chosen": _chosen(),
            "trials": given(None, foreign(none=True) | {"list": []}, without=["dict"]),
            "progress": function(lambda stage, fraction: None, none=True),
        },
        "lowrank.LowRankCompletion.predict": places,
        "lowrank.LowRankCompletion.save": {"path": file(_folder() / "new")},
        "lowrank.LowRankCompletion.load": {"path": file(_folder() / "completion")},
        "lowrank.polish": {
            "energy": energy(),
            "start": _start(),
            "rank": rank(2),
            "gtol": number(1e-8, zero=True),
            "max_steps": integer(3, 0),
            "engine": engine,
        },
        "lowrank.random_start": {
            "shape": shape((2, 2)),
            "rank": rank(2, none=False),
            "scale": number(1.0),
            "rng": rng(),
        },
        "lowrank.spectral_start": {
            "energy": energy(without=["of 5 x 5"]),
            "rank": rank(2, none=False),
        },
        "lowrank.Factors.entries": places,
        "lowrank.Factors.dense": {},
        "lowrank.LowRankTrajectory.factors": {"k": integer(0, -2, without=["negative"])},
        "lowrank.LowRankTrajectory.save": {"path": file(_folder() / "new")},
        "lowrank.LowRankTrajectory.load": {"path": file(_folder() / "saved")},
    }
