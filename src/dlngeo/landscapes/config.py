"""The configuration of a landscape: from TOML or a preset, and back to TOML.

A file names the energy, the section and the numbers of :func:`dlngeo.landscapes.plane`::

    depth = 3                             # or several: [2, 3, inf]
    beta = 20.0
    weight_decay = 0.018
    entries = [[0, 1], [1, 0]]            # or directions, singular_values, through
    extent = 3.0

    [energy]
    kind = "completion"
    table = [[1.0, nan], [nan, 1.0]]

What is not named has the default of :class:`Config`.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from dlngeo import _checks, _plain
from dlngeo.energies import NamedEnergy, from_config
from dlngeo.landscapes._landscape import QUANTITIES, Landscape
from dlngeo.landscapes._plane import plane, quantity_names
from dlngeo.landscapes._sections import Section

_SECTIONS = ("entries", "directions", "singular_values", "through")
_NUMBERS = ("depth", "beta", "weight_decay", "kappa")


@dataclass(frozen=True)
class Config:
    """One landscape.

    Attributes
    ----------
    energy : dict
        ``kind`` and the data that belong to it: :func:`dlngeo.energies.from_config`.
    depth, beta, weight_decay, kappa : float or list of floats
    extent : float or list
    entries, directions, singular_values, through : list or None
        One of them: entries (i, j), counted from 0; matrices; indices of singular values of ``at``,
        counted from 0; two or three matrices. None of them: the entries (0, 1) and (1, 0).
    at : (m, n) nested list or None
    widths : list of ints or None
        As for :func:`dlngeo.landscapes.plane`.
    n : int
    quantities : list of names
    flow_lines : int
        Flow lines start from so many points along each axis of a plane; 0 for none.
    points : bool
        Whether minimisers and critical points are looked for.

    Raises
    ------
    ValueError, TypeError
        In one line, for what is out of range or of the wrong type.
    """

    energy: dict[str, Any]
    depth: float | list[float]
    extent: float | list[Any]
    beta: float | list[float] = math.inf
    weight_decay: float | list[float] = 0.0
    kappa: float | list[float] = 1.0
    entries: list[list[int]] | None = None
    directions: list[list[list[float]]] | None = None
    singular_values: list[int] | None = None
    through: list[list[list[float]]] | None = None
    at: list[list[float]] | None = None
    widths: list[int] | None = None
    n: int = 200
    quantities: list[str] = dataclasses.field(default_factory=lambda: ["E", "S", "F"])
    flow_lines: int = 0
    points: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "energy", _plain.lists(self.energy))
        for name in (*_NUMBERS, "extent", *_SECTIONS, "at", "widths", "quantities"):
            object.__setattr__(self, name, _plain.lists(getattr(self, name)))
        _checks.integer(self.n, "n", 2, 2**20)
        quantity_names(self.quantities)
        _checks.integer(self.flow_lines, "flow_lines", 0, 100)
        _checks.flag(self.points, "points")
        self._landscape(2, ["E"])  # refuses

    def build_energy(self) -> NamedEnergy:
        """The energy that the configuration describes."""
        shape = None
        for given in (self.at, *(self.through or ()), *(self.directions or ())):
            if given is not None:
                shape = _plain.rows(given, "at").shape
                break
        return from_config(self.energy, None if shape is None else (shape[0], shape[1]))

    def section(self) -> Section | None:
        """The section; None for entries."""
        given = [name for name in _SECTIONS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(_SECTIONS)}, not {' and '.join(given)}")
        if not given or given == ["entries"]:
            return None
        (name,) = given
        items = _checks.sequence(getattr(self, name), name, "a list")
        if name == "through":
            if self.at is not None:
                raise ValueError("at must not be given with through, which has its points")
            return Section.through([_plain.rows(M, name) for M in items])
        if self.at is None:
            raise ValueError(f"at must be given with {name}")
        at = _plain.rows(self.at, "at")
        if name == "directions":
            return Section.along(at, [_plain.rows(M, name) for M in items])
        return Section.singular_values(at, items)

    def landscape(self) -> Landscape:
        """What the configuration describes, computed."""
        return self._landscape(self.n, self.quantities)

    def _landscape(self, n: int, quantities: list[str]) -> Landscape:
        section = self.section()
        axes: Any = section if section is not None else self.entries or ((0, 1), (1, 0))
        at = None if section is not None or self.at is None else _plain.rows(self.at, "at")
        return plane(
            self.build_energy(),
            depth=self.depth, beta=self.beta, weight_decay=self.weight_decay, kappa=self.kappa,
            axes=axes, at=at, extent=self.extent, n=n,
            quantities=quantities, widths=self.widths,
        )  # fmt: skip

    def replaced(self, **changes: Any) -> Config:
        """The same with what is not None replaced."""
        return dataclasses.replace(self, **{k: v for k, v in changes.items() if v is not None})


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
    return _plain.from_file(path, from_toml)


def from_toml(text: str) -> Config:
    """The configuration written in TOML."""
    return _plain.fields(tomllib.loads(text), Config)


def to_toml(config: Config) -> str:
    """TOML that :func:`from_toml` reads back to an equal configuration."""
    table = dataclasses.asdict(config)
    return tomli_w.dumps({key: value for key, value in table.items() if value is not None})


# ---------------------------------------------------------------------------------------- presets

_DIAGONAL = {"kind": "completion", "table": [[1.0, float("nan")], [float("nan"), 1.0]]}

PRESETS: dict[str, Config] = {
    # Menon's problem 14.1 in the plane of its unobserved entries: E = 0, and W has rank one on the
    # hyperbola W_12 W_21 = 1. The weight decay lies below the threshold (N-1)/(N 2^{2/N}) of γβ:
    # the minimisers are four, of rank one, in this plane.
    "hyperbola": Config(
        energy=_DIAGONAL,
        depth=3,
        beta=20.0,
        weight_decay=0.018,
        extent=3.0,
        n=400,
        quantities=list(QUANTITIES),
        flow_lines=6,
    ),
    # The pair of singular values, with signs, in the frames of the target.
    "singular-values": Config(
        energy={"kind": "quadratic", "target": [[2.0, 0.0], [0.0, 1.0]]},
        depth=3,
        beta=5.0,
        at=[[2.0, 0.0], [0.0, 1.0]],
        singular_values=[0, 1],
        extent=[[-1.0, 3.0], [-1.0, 3.0]],
        n=400,
        quantities=["E", "S", "F", "slope", "curvature"],
        flow_lines=6,
    ),
    # A line across det W = 0, at x = 0, and singular values that meet, at x = 1 and -1.
    "boundary": Config(
        energy={"kind": "quadratic", "target": [[1.0, 0.0], [0.0, 0.6]]},
        depth=[2.0, 3.0, 10.0, math.inf],
        beta=5.0,
        at=[[1.0, 0.0], [0.0, 0.0]],
        entries=[[1, 1]],
        extent=[-1.5, 1.5],
        n=2001,
        quantities=["S", "F", "slope", "curvature"],
    ),
}


def preset(name: str) -> Config:
    """The configuration of that name."""
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    return PRESETS[name]
