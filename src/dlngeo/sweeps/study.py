"""A study: an energy, a start, a dynamics, a grid of settings and what is read off each run."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import tomli_w

from dlngeo import _checks
from dlngeo._checks import Array

_SECTIONS = ("dynamics", "start", "energy")


@dataclass(frozen=True)
class Cell:
    """One point of the grid: its number, the values of the axes, and the tables they lead to."""

    number: int
    values: dict[str, Any]
    energy: dict[str, Any]
    start: dict[str, Any]
    dynamics: dict[str, Any]

    def __repr__(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self.values.items()) or "the run"


@dataclass(frozen=True)
class Study:
    """What is run: for each cell of a grid a number of paths; equal studies give equal numbers.

    Attributes
    ----------
    energy : dict
        ``kind`` and the data that belong to it, as for :func:`dlngeo.energies.from_config`; or
        ``dataset``, a name of :data:`dlngeo.tables.DATASETS`; or ``call``, "module:function", whose
        answer, given the other keys, is the energy.
    start : dict
        ``law``, one of "gaussian", "balanced", "matrix", and for flows of low rank "frames",
        "spectral", "slope"; with ``scale``, ``sign`` (of det W), ``width`` (of hidden layers) or
        ``matrix``.
    dynamics : dict
        ``kind``, one of "flow", "free_energy_flow", "langevin", "descent", "lowrank", and the
        arguments of that door: ``depth``, ``t_end``, ``beta``, ``dt``, ``steps`` and so on.
    grid : dict of lists
        Values of keys of ``dynamics`` and ``start`` by their names, of others as "section.key".
        Cells are all combinations, the last key varying fastest.
    observables : list of str
        What is kept of each run; docs/sweeps.md has the names. "module:function" is one of yours.
    series : dict
        ``observables`` to be kept along time, at ``times``, or for steps each ``every`` of them.
    paths : int
        Runs in each cell.
    seed : int
    figure : str
        "module:function", which draws a figure of the dataset for ``dlngeo show``.
    folder : str
        Where modules of yours are looked for besides.

    Raises
    ------
    Mistakes
        A ``ValueError`` that names everything that is wrong, each with what is asked for.

    Examples
    --------
    >>> import dlngeo as dln
    >>> study = dln.sweeps.Study(
    ...     energy={"kind": "quadratic", "target": [[1.0, 0.0], [0.0, 2.0]]},
    ...     start={"law": "gaussian"},
    ...     dynamics={"kind": "flow", "t_end": 20.0},
    ...     grid={"depth": [1, 2, 3], "scale": [1.0, 0.1]},
    ...     paths=50,
    ... )
    >>> study.runs, study.sizes
    (300, {'depth': 3, 'scale': 2, 'path': 50})
    """

    energy: dict[str, Any]
    start: dict[str, Any]
    dynamics: dict[str, Any]
    grid: dict[str, list[Any]] = field(default_factory=dict)
    observables: list[str] = field(default_factory=lambda: ["W", "t_end", "energy", "status"])
    series: dict[str, Any] = field(default_factory=dict)
    paths: int = 1
    seed: int = 0
    figure: str = ""
    folder: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        from dlngeo.sweeps.checking import require

        for one in fields(self):
            object.__setattr__(self, one.name, plain(getattr(self, one.name)))
        require(self)

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The grid's axes by the names of their dimensions."""
        return {key.rpartition(".")[2]: values for key, values in self.grid.items()}

    @property
    def coordinates(self) -> dict[str, Any]:
        """The axes and the numbers of the paths."""
        return self.axes | {"path": np.arange(self.paths)}

    @property
    def sizes(self) -> dict[str, int]:
        """How long each axis is, paths last."""
        return {name: len(values) for name, values in self.coordinates.items()}

    @property
    def runs(self) -> int:
        """How many there are in all."""
        return math.prod(self.sizes.values())

    def cell(self, number: int) -> Cell:
        """The cell of this number."""
        number = _checks.integer(number, "number", 0, self.runs // self.paths - 1)
        place = np.unravel_index(number, tuple(map(len, self.grid.values())) or (1,))
        tables = {name: dict(getattr(self, name)) for name in _SECTIONS}
        values = {}
        for (key, choices), k in zip(self.grid.items(), place, strict=False):
            section, _, name = located(key, self).rpartition(".")
            tables[section][name] = values[name] = choices[int(k)]
        return Cell(number, values, **tables)

    def cells(self) -> Iterator[Cell]:
        """All cells in their order."""
        return map(self.cell, range(self.runs // self.paths))

    def to_toml(self) -> str:
        """TOML that :func:`read` reads back to an equal study."""
        table = {one.name: getattr(self, one.name) for one in fields(self)}
        del table["folder"]
        return tomli_w.dumps({key: value for key, value in table.items() if value not in ("", {})})


def located(key: str, study: Study) -> str:
    """The table and key that a key of the grid stands for; empty where there is none."""
    from dlngeo.sweeps.settings import DYNAMICS, LAWS, word

    section, dot, name = key.partition(".")
    if dot:
        return key if section in _SECTIONS and name else ""
    if key in DYNAMICS.get(word(study.dynamics, "kind"), {}):
        return f"dynamics.{key}"
    return f"start.{key}" if key in LAWS.get(word(study.start, "law"), {}) else ""


def plain(value: Any) -> Any:
    """The same in Python's own types: arrays as lists, NumPy's numbers as Python's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def differences(one: Study, other: Study) -> list[str]:
    """Where two studies differ, as "dynamics.t_end = 10.0, not 20.0"."""
    first, second = _flat(one), _flat(other)
    found = []
    for key in dict.fromkeys(itertools.chain(first, second)):
        a, b = (repr(table[key]) if key in table else "nothing" for table in (first, second))
        if a != b:  # as text, for NaN is no NaN's equal
            found.append(f"{key} = {_short(a)}, not {_short(b)}")
    return found


def replaced_paths(study: Study, paths: int) -> Study:
    """The same with another number of paths, not checked again."""
    other = copy.copy(study)
    object.__setattr__(other, "paths", paths)
    return other


def _flat(study: Study) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for one in fields(study):
        value = getattr(study, one.name)
        if one.name in ("folder", "figure"):
            continue
        if isinstance(value, dict):
            flat |= {f"{one.name}.{key}": item for key, item in value.items()}
            flat |= {f"order of {one.name}": list(value)} if one.name == "grid" else {}
        else:
            flat[one.name] = value
    return flat


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def matrix_of(cell: Cell) -> Array:
    """The start that a table gives in numbers."""
    return np.asarray(cell.start["matrix"], dtype=float) * cell.start.get("scale", 1.0)
