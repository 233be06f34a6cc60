"""Studies in TOML files: each mistake with the line it is in."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

from dlngeo import _plain
from dlngeo._study import Mistakes
from dlngeo.sweeps.study import Study

_KEYS = [field.name for field in dataclasses.fields(Study) if field.name != "folder"]
_TABLES = ("energy", "start", "dynamics", "grid", "series")
_ASSIGNED = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|[\w-]+))*)\s*=""")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")


def read(path: str | Path) -> Study:
    """The study in a TOML file; modules that it names may lie beside it.

    Raises
    ------
    Mistakes
        A ``ValueError`` with a line for each mistake: the file, the line, what is asked for.
    ValueError
        For what is no TOML.
    OSError
        If there is no such file.
    """
    text, path = _plain.text(path), Path(path)
    try:
        return from_toml(text, folder=str(path.absolute().parent))
    except Mistakes as error:
        lines = [f"{path.name}, {_line(text, key)}{words}" for key, words in error.found]
        raise Mistakes(error.found, lines) from None
    except ValueError as error:  # also of tomllib, with the line
        raise ValueError(f"{path.name}: {error}") from None
    except RecursionError:
        raise ValueError(f"{path.name}: lists are nested too deeply") from None


def from_toml(text: str, *, folder: str = "") -> Study:
    """The study written in TOML."""
    table = tomllib.loads(text)
    found = [(key, _unknown(key)) for key in table if key not in _KEYS]
    missing = [name for name in ("energy", "start", "dynamics") if name not in table]
    found += [("", f"[{name}] must be given") for name in missing]
    known: dict[str, Any] = {key: value for key, value in table.items() if key in _KEYS}
    try:
        study = Study(**({name: {} for name in missing} | known), folder=folder)
    except Mistakes as error:
        of_missing = tuple(f"{name}." for name in missing) + tuple(missing)
        found += [(key, words) for key, words in error.found if not key.startswith(of_missing)]
    if found:
        raise Mistakes(found)
    return study


def recorded(text: str, folder: str) -> Study:
    """The study that a store was made for; what it names need not be there any more."""
    study, table = object.__new__(Study), tomllib.loads(text)
    for one in dataclasses.fields(Study):
        made = one.default_factory() if callable(one.default_factory) else one.default
        object.__setattr__(study, one.name, table.get(one.name, made))
    object.__setattr__(study, "folder", folder)
    return study


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, _KEYS, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown key {key}; {hint}A study has {', '.join(_KEYS)}"


def _line(text: str, place: str) -> str:
    """Where a key stands, as "line 3: ", or the table that it belongs to; else empty."""
    table, best = "", 0
    section = place.partition(".")[0]
    for number, line in enumerate(text.splitlines(), start=1):
        header, assigned = _HEADER.match(line), _ASSIGNED.match(line)
        if header:
            table = header[1].strip()
            best = number if table == section and not best else best
        elif assigned:
            key = ".".join(part.strip(" \"'") for part in _parts(assigned[1]))
            name = f"{table}.{key}" if table else key
            if name == place:
                return f"line {number}: "
            if name.startswith(f"{place}.") and not best:
                best = number
    return f"line {best}: " if best else ""


def _parts(key: str) -> list[str]:
    return re.findall(r"\"[^\"]*\"|'[^']*'|[\w-]+", key)
