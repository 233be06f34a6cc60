"""All that is wrong with a study, found at once and before anything runs."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from dlngeo import _checks, _plain
from dlngeo._study import Mistakes
from dlngeo.sweeps import observables
from dlngeo.sweeps.settings import DYNAMICS, LAWS, LOW_RANK_LAWS, Key, function, word
from dlngeo.sweeps.starts import energy_of, shape_of
from dlngeo.sweeps.study import Cell, Study, located, matrix_of

_NAMED_CELLS = 3  # cells that are told to be wrong, of those with the same mistake
_FIXED = ("kind", "law", "matrix", "dataset", "call", "upstairs")
_RESERVED = ("path", "time", "row", "column", "index")


class _Found:
    """The mistakes so far, by their places."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def add(self, key: str, words: str) -> None:
        if (key, words) not in self.all:
            self.all.append((key, words))

    @contextmanager
    def noting(self, key: str) -> Iterator[None]:
        """What a check refuses is noted."""
        try:
            yield
        except (ValueError, TypeError, ImportError) as error:
            self.add(key, " ".join(str(error).split()))


def require(study: Study) -> None:
    """Refuse a study with all its mistakes."""
    found = _Found()
    _top(study, found)
    top = found.all
    study, found = _mended(study, top), _Found()
    _energy(study, found)
    for section, kind, kinds in (("start", "law", LAWS), ("dynamics", "kind", DYNAMICS)):
        _table(study, section, kind, kinds, found)
    _grid(study, found)
    _names(study, found)
    wrong = tuple(key for key, _ in top)
    found.all = top + [one for one in found.all if one[0].partition(".")[0] not in wrong]
    if found.all:
        _energy_alone(study, found)
    else:
        _cells(study, found)
    if found.all:
        raise Mistakes(found.all)


def _top(study: Study, found: _Found) -> None:
    """The types of the fields."""
    for name in ("energy", "start", "dynamics", "grid", "series"):
        if not isinstance(getattr(study, name), dict):
            found.add(name, f"{name} must be a table [{name}]")
    with found.noting("paths"):
        _checks.integer(study.paths, "paths", 1)
    with found.noting("seed"):
        _checks.integer(study.seed, "seed", 0, None)
    names = study.observables
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        found.add("observables", "observables must be a list of names, at least one")
    for name in ("figure", "folder"):
        with found.noting(name):
            _checks.text(getattr(study, name), name)


def _mended(study: Study, top: list[tuple[str, str]]) -> Study:
    """The study with its defaults for fields of the wrong type, so that the others can be told."""
    mended = copy.copy(study)
    for one in fields(study):
        if one.name in dict(top):
            made = one.default_factory() if callable(one.default_factory) else one.default
            object.__setattr__(mended, one.name, {} if made is MISSING else made)
    return mended


def _energy(study: Study, found: _Found) -> None:
    """Which of the three ways the energy is named in."""
    ways = [way for way in ("kind", "dataset", "call") if way in study.energy]
    if len(ways) != 1:
        came = " and ".join(ways) or "none"
        found.add("energy", f"[energy] must have one of kind, dataset and call; it has {came}")
    if "call" in study.energy:
        with found.noting("energy.call"):
            function(study.energy["call"], study.folder, "energy.call")


def _energy_alone(study: Study, found: _Found) -> None:
    """The energy's own mistakes, where others keep the cells from being looked at."""
    on_grid = any(key.startswith("energy.") for key in study.grid)
    if not on_grid and not any(key.startswith("energy") for key, _ in found.all):
        with found.noting("energy"):
            energy_of(study, Cell(0, {}, study.energy, {}, {}))


def _table(
    study: Study, section: str, kind: str, kinds: Mapping[str, dict[str, Key]], found: _Found
) -> None:
    """The keys of [start] or of [dynamics]: known, there, and what they must be."""
    table: dict[str, Any] = getattr(study, section)
    named = word(table, kind)
    if named not in kinds:
        came = f"not {_checks.shown(table[kind])}" if kind in table else "and is missing"
        found.add(
            f"{section}.{kind}", f"{section}.{kind} must be one of {', '.join(kinds)}, {came}"
        )
        return
    known = kinds[named]
    for key, value in table.items():
        if key == kind:
            continue
        name = f"{section}.{key}"
        if key not in known:
            found.add(name, _unknown(name, key, [kind, *known], f"[{section}] of {kind} {named}"))
        else:
            with found.noting(name):
                known[key].check(value, name)
    on_grid = {located(key, study) for key in study.grid}
    for key, what in known.items():
        if what.required and key not in table and f"{section}.{key}" not in on_grid:
            found.add(section, f"{section}.{key} must be given, here or in [grid]")


def _unknown(name: str, key: str, known: list[str], where: str) -> str:
    near = difflib.get_close_matches(key, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown key {name}; {hint}{where} has {', '.join(known)}"


def _grid(study: Study, found: _Found) -> None:
    """The axes: known keys, not given twice, values that their keys may have."""
    known = {
        "dynamics": DYNAMICS.get(word(study.dynamics, "kind")),
        "start": LAWS.get(word(study.start, "law")),
    }
    for key, values in study.grid.items():
        name = f"grid.{key}"
        place = located(key, study)
        section, _, setting = place.partition(".")
        if not place:
            if "." in key or None not in known.values():  # else it may be a key of that kind
                keys = [one for table in known.values() for one in table or {}]
                where = "write 'section.key', or a key of [dynamics] or [start], which"
                words = _unknown(name, key, keys, where).replace("which has", "which have")
                found.add(name, words)
            continue
        if setting in _FIXED:
            found.add(name, f"{name} must not vary: {', '.join(_FIXED)} are the same in all cells")
            continue
        if setting in getattr(study, section):
            found.add(name, f"{setting} stands in [{section}] and in [grid]; take one away")
        if not isinstance(values, list) or not values:
            found.add(name, f"{name} must be a list of values, at least one")
            continue
        if not all(isinstance(value, bool | int | float | str) for value in values):
            found.add(name, f"{name} must be a list of numbers or of words")
            continue
        if len(set(map(repr, values))) < len(values):
            found.add(name, f"{name} must not name a value twice")
        what = known.get(section)
        if what is None:  # the energy's, or of a kind that there is not
            continue
        if setting not in what:
            found.add(name, _unknown(place, setting, list(what), f"[{section}]"))
        for k, value in enumerate(values):
            if setting in what:
                with found.noting(name):
                    what[setting].check(value, f"{name}[{k}]")
    dimensions = [key.rpartition(".")[2] for key in study.grid]
    for one in dimensions:
        if dimensions.count(one) > 1 or one in _RESERVED:
            found.add("grid", f"grid must not have two axes {one}, nor one of the dataset's own")


def _names(study: Study, found: _Found) -> None:
    """Observables, series and the figure."""
    axes = [key.rpartition(".")[2] for key in study.grid]
    with found.noting("figure"):
        if study.figure:
            function(study.figure, study.folder, "figure")
    for name in study.observables:
        with found.noting("observables"):
            observables.require_name(name, study.folder)
    names = [observables.variable(name) for name in study.observables]
    twice = sorted({name for name in names if (names + axes).count(name) > 1})
    if twice:
        found.add("observables", f"observables must each be named once: {', '.join(twice)}")
    if study.series:
        _series(study, found)


def _series(study: Study, found: _Found) -> None:
    series = study.series
    kind = word(study.dynamics, "kind")
    stepped = kind in ("langevin", "descent")
    when = "every" if stepped else "times"
    if kind not in DYNAMICS:
        return
    for key in series:
        if key not in ("observables", when):
            found.add(f"series.{key}", f"unknown key series.{key}; it has observables and {when}")
    for key in ("observables", when):
        if key not in series:
            found.add("series", f"series.{key} must be given")
    names = series.get("observables", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        found.add("series.observables", "series.observables must be a list of names")
        return
    for name in names:
        with found.noting("series.observables"):
            observables.require_series_name(name)
    with found.noting(f"series.{when}"):
        if stepped and "every" in series:
            _checks.integer(series["every"], "series.every", 1)
            varied = sorted({"dt", "steps", "step"} & set(study.axes))
            if varied:
                raise ValueError(
                    f"series need the same times in all cells; grid varies {varied[0]}"
                )
        elif "times" in series:
            times = np.array(_plain.numbers(series["times"], "series.times"))
            if not (times.size and np.isfinite(times).all() and (np.diff(times) > 0).all()):
                raise ValueError("series.times must be finite and increasing")
            if times.size and times[0] < 0:
                raise ValueError("series.times must not begin before 0")


# ------------------------------------------------------------------------------ cell by cell


def _cells(study: Study, found: _Found) -> None:
    """What only shows where the settings of a cell meet; said once, with the first cells."""
    places: dict[tuple[str, str], list[Cell]] = {}
    for cell in study.cells():
        for key, words in _cell(study, cell):
            places.setdefault((key, words), []).append(cell)
    for (key, words), cells in places.items():
        named = "; ".join(map(repr, cells[:_NAMED_CELLS]))
        more = f" and {len(cells) - _NAMED_CELLS} more cells" if len(cells) > _NAMED_CELLS else ""
        found.add(key, f"{words} ({named}{more})" if study.grid else words)


def _cell(study: Study, cell: Cell) -> Iterable[tuple[str, str]]:
    """The mistakes of one cell."""
    try:
        shape = shape_of(energy_of(study, cell), cell)
    except Exception as error:  # whatever an energy of yours raises
        return [("energy", " ".join(str(error).split()) or repr(error))]
    rules = (_depths, _starts, _ends)
    found = [(key, words) for rule in rules for key, words in rule(study, cell, shape)]
    for name in study.observables + study.series.get("observables", []):
        words = observables.misfit(name, cell, shape)
        if words:
            found.append(("observables", words))
    return found


Rule = Callable[[Study, Cell, tuple[int, int]], Iterator[tuple[str, str]]]


def _depths(study: Study, cell: Cell, shape: tuple[int, int]) -> Iterator[tuple[str, str]]:
    dynamics, kind = cell.dynamics, cell.dynamics["kind"]
    depth, square = dynamics["depth"], shape[0] == shape[1]
    of = f"W is {shape[0]} x {shape[1]}"
    if kind == "langevin" and not square:
        yield "dynamics.kind", f"langevin needs square W; {of}"
    if depth == float("inf") and not square:
        yield "dynamics.depth", f"depth inf needs square W; {of}"
    if dynamics.get("upstairs") and not float(depth).is_integer():
        yield "dynamics.upstairs", f"upstairs needs whole depths, not {depth:g}"
    if "rank" in dynamics and dynamics["rank"] > min(shape):
        yield "dynamics.rank", f"rank must be at most {min(shape)}, not {dynamics['rank']}"


def _starts(study: Study, cell: Cell, shape: tuple[int, int]) -> Iterator[tuple[str, str]]:
    start, dynamics = cell.start, cell.dynamics
    law, up = start["law"], dynamics.get("upstairs", False) or dynamics["kind"] == "descent"
    if law in LOW_RANK_LAWS and dynamics["kind"] != "lowrank":
        yield "start.law", f"law {law} needs dynamics of kind lowrank"
    if law == "balanced" and not float(dynamics["depth"]).is_integer():
        yield "start.law", "law balanced needs whole depths: it is a product of layers"
    if law == "gaussian" and up and dynamics["kind"] == "langevin":
        yield "start.law", "langevin upstairs needs balanced weights: take law balanced or matrix"
    if law == "matrix" and up and dynamics["kind"] != "langevin" and shape[0] != shape[1]:
        yield "start.law", "law matrix upstairs needs square W, which is lifted"
    if law == "matrix" and matrix_of(cell).shape != shape:
        words = f"start.matrix must be {shape[0]} x {shape[1]}, as the energy asks"
        yield "start.matrix", f"{words}, not of shape {matrix_of(cell).shape}"
    if "sign" in start and shape[0] != shape[1]:
        yield "start.sign", f"sign needs square W; W is {shape[0]} x {shape[1]}"
    if "width" in start and not up and law != "balanced":
        yield "start.width", "width is of hidden layers: it needs upstairs = true, or law balanced"
    if "sign" in start and start.get("width", shape[0]) < shape[0]:
        yield "start.sign", "sign needs hidden layers no narrower than W: its det is zero"


def _ends(study: Study, cell: Cell, shape: tuple[int, int]) -> Iterator[tuple[str, str]]:
    times, dynamics = study.series.get("times"), cell.dynamics
    if times and "t_end" in dynamics and times[-1] > dynamics["t_end"]:
        yield "series.times", f"times must not go beyond t_end = {dynamics['t_end']:g}"
    if study.dynamics["kind"] == "langevin" and dynamics["steps"] * dynamics["dt"] > 1e100:
        yield "dynamics.steps", "steps * dt must be at most 1e100"
