"""The configuration of a simulation: from TOML or a preset, and back to TOML.

A file names the energy, the start and the numbers of :func:`dlngeo.langevin.simulate`::

    depth = 3
    beta = 100.0
    dt = 0.05
    steps = 500
    start = [[0.3, 0.8], [0.1, 0.3]]

    [energy]
    kind = "completion"                   # E = ½ Σ over the observed entries
    table = [[1.0, nan], [nan, 1.0]]      # nan where nothing is observed; or
    # triplets = [[0, 0, 1.0], [1, 1, 1.0]]   (row, column, value), counted from 0

or another kind of :data:`dlngeo.energies.KINDS`, as ``"quadratic"`` with its ``target``. What is
not named has the default of :class:`Config`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._engine import ENGINES
from dlngeo._equation import Equation
from dlngeo._plain import fields, from_file, lists, number, rows, shown
from dlngeo.energies import NamedEnergy, from_config
from dlngeo.langevin.engines import engine_for
from dlngeo.langevin.schemes import SCHEMES, chosen

_INTEGERS = {"steps": 1, "paths": 1, "seed": 0, "save_every": 1}
_MOST = 2**63 - 1  # what TOML promises to hold
_NUMBERS = ("depth", "beta", "kappa", "weight_decay", "dt")


@dataclass(frozen=True)
class Config:
    """One simulation; equal configurations give the same numbers, bit for bit.

    Attributes
    ----------
    energy : dict
        ``kind`` and the data that belong to it: :func:`dlngeo.energies.from_config`.
    start : (d, d) nested list
        The matrix that all paths start from.
    depth, beta, kappa, weight_decay, dt : float
        As for :func:`dlngeo.langevin.simulate`.
    steps, paths, seed : int
    save_every : int or None
        None: some 100 frames.
    engine : str
        "numpy", "numba", or "auto": numba where it is installed and has the scheme and the energy.
    upstairs : bool
        Whether the weights are simulated, from the symmetric lift of the start.
    method : str
        A name in :data:`dlngeo.langevin.SCHEMES`; "auto" is the first that fits.

    Raises
    ------
    ValueError, TypeError
        In one line, for whatever is out of range, of the wrong type, or does not fit together.
    """

    energy: dict[str, Any]
    start: list[list[float]]
    depth: float
    beta: float
    dt: float
    steps: int
    kappa: float = 1.0
    weight_decay: float = 0.0
    paths: int = 256
    seed: int = 0
    upstairs: bool = False
    method: str = "auto"
    engine: str = "auto"
    save_every: int | None = None

    def __post_init__(self) -> None:
        for name, least in _INTEGERS.items():
            if name != "save_every" or self.save_every is not None:
                object.__setattr__(self, name, _whole(getattr(self, name), name, least))
        for name in _NUMBERS:
            object.__setattr__(self, name, number(getattr(self, name), name))
        if not isinstance(self.upstairs, bool):
            raise TypeError(f"upstairs must be true or false, not {shown(self.upstairs)}")
        object.__setattr__(self, "start", self.matrix().tolist())
        _checks.depth(self.depth)
        _checks.positive(self.beta, "beta")
        _checks.positive(self.dt, "dt")
        _checks.non_negative(self.kappa, "kappa")
        _checks.non_negative(self.weight_decay, "weight_decay")
        if not 1e-100 <= self.steps * self.dt <= 1e100:  # as the flows beside the paths ask
            raise ValueError(
                f"steps * dt must be from 1e-100 to 1e100; it is {self.steps} * {self.dt:g}"
            )
        if self.upstairs and not self.depth.is_integer():
            raise ValueError(f"upstairs needs a whole depth, not {self.depth:g}")
        chosen(self.method, self.upstairs, self.depth)
        _checks.choice(self.engine, "engine", ENGINES)
        point, energy = self.matrix(), self.build_energy()
        data = lists(dict(self.energy))
        object.__setattr__(self, "energy", data)
        with np.errstate(over="ignore"):
            value = float(energy.value(point))
        if not math.isfinite(value):
            raise ValueError("energy must be finite at the start; it is beyond 1.8e308")

    def matrix(self) -> Array:
        """The start as an array."""
        point = _checks.matrix(rows(self.start, "start"), "start")
        if point.ndim != 2 or point.shape[0] != point.shape[1]:
            raise ValueError(f"start must be one square matrix; its shape is {point.shape}")
        return point

    def build_energy(self) -> NamedEnergy:
        """The energy that the configuration describes."""
        return from_config(self.energy, self.matrix().shape)

    def equation(self) -> Equation:
        """The Langevin equation that the configuration describes."""
        return Equation.of(
            self.build_energy(), self.depth, self.beta, self.kappa, self.weight_decay
        )

    def engine_taken(self) -> str:
        """The engine that ``engine`` stands for, here and now."""
        method = chosen(self.method, self.upstairs, self.depth)
        return engine_for(self.engine, SCHEMES[method](self.equation(), len(self.start)))

    def replaced(self, **changes: Any) -> Config:
        """The same with what is not None replaced."""
        return dataclasses.replace(self, **{k: v for k, v in changes.items() if v is not None})


def _whole(value: Any, name: str, least: int) -> int:
    most = math.inf if name == "seed" else _MOST
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer >= {least}, not {shown(value)}")
    if not least <= value <= most:
        bound = "" if value < least else f" and at most {most}"
        raise ValueError(f"{name} must be an integer >= {least}{bound}, not {shown(value)}")
    return int(value)


# ------------------------------------------------------------------------------------ to and from


def read(path: str | Path) -> Config:
    """The configuration in a TOML file.

    Raises
    ------
    ValueError, TypeError
        In one line that begins with the file's name.
    OSError
        If there is no such file.
    """
    return from_file(path, from_toml)


def from_toml(text: str) -> Config:
    """The configuration written in TOML."""
    return fields(tomllib.loads(text), Config)


def to_toml(config: Config) -> str:
    """TOML that :func:`from_toml` reads back to an equal configuration."""
    table = dataclasses.asdict(config)
    return tomli_w.dumps({key: value for key, value in table.items() if value is not None})


def difference(one: Config, other: Config) -> tuple[str, str, str]:
    """The first key in which two configurations differ, and what either gives it; else empty."""
    tables = [_flat(config) for config in (one, other)]
    for key in {**tables[1], **tables[0]}:
        # text, as NaN is no NaN's equal
        first, second = (
            f"{key} = {json.dumps(table[key])}" if key in table else f"{key} not given"
            for table in tables
        )
        if first != second:
            return key, first, second
    return "", "", ""


def _flat(config: Config) -> dict[str, Any]:
    """What is given, the energy's keys among the others."""
    table = dataclasses.asdict(config)
    del table["energy"]
    energy = config.build_energy().to_config()  # the same of a table and of its triplets
    return {key: value for key, value in table.items() if value is not None} | energy


# ---------------------------------------------------------------------------------------- presets

_DIAGONAL = {"kind": "completion", "table": [[1.0, float("nan")], [float("nan"), 1.0]]}

PRESETS: dict[str, Config] = {
    # Menon's problem 14.1. Without weight decay the ensemble has no equilibrium: it drifts out
    # along the unobserved entries. A little of it, and both flows end at rank one, a = 1, while the
    # ensemble spreads along the hyperbola and keeps off it.
    "hyperbola": Config(
        energy=_DIAGONAL,
        start=[[0.2, 0.9], [0.04, 0.2]],
        depth=3,
        beta=60.0,
        weight_decay=0.05,
        dt=0.05,
        steps=500,
    ),
    # Noise in the gauge alone, upstairs: the weights wander, W follows the free energy (12.6-12.7).
    "curvature": Config(
        energy=_DIAGONAL,
        start=[[1.0, 2.0], [0.45, 1.0]],
        depth=3,
        beta=5.0,
        kappa=0.0,
        dt=0.005,
        steps=800,
        paths=64,
        upstairs=True,
    ),
    # Singular values that start equal: flows keep them so, by symmetry; noise drives them apart.
    "repulsion": Config(
        energy={"kind": "quadratic", "target": np.eye(4).tolist()},
        start=np.eye(4).tolist(),
        depth=3,
        beta=50.0,
        dt=0.02,
        steps=200,
        paths=128,
    ),
}


def preset(name: str) -> Config:
    """The configuration of that name."""
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    return PRESETS[name]
