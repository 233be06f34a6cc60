"""A file and what is said of how it is to be read: which reader takes it, and with what options."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dlngeo import _checks
from dlngeo.tables import _array_files, _layouts, _triplets
from dlngeo.tables._delimited import inner_suffix, records
from dlngeo.tables._layouts import Arranged, Lines, Options
from dlngeo.tables._lists import Listed
from dlngeo.tables._numerals import Numerals

_TEXT = (".csv", ".tsv", ".txt", ".dat", ".data")


class Reading(NamedTuple):
    """What is said of a file, of the right kinds; ``plain``: nothing that is of texts alone."""

    options: Options
    numerals: Numerals
    delimiter: str | None
    skip: int
    plain: bool

    @classmethod
    def of(
        cls,
        layout: str,
        header: bool | None,
        labels: int | None,
        columns: str | Sequence[str | int] | None,
        delimiter: str | None,
        decimal: str,
        missing: str | Sequence[str],
        skip: int,
    ) -> Reading:
        """The keywords of :func:`dlngeo.tables.read`, checked."""
        _checks.choice(layout, "layout", ("auto", "table", "triplets"))
        options = _options(layout, header, labels, columns)
        numerals = Numerals(_checks.text(decimal, "decimal"), _words(missing))
        if delimiter is not None:
            _checks.text(delimiter, "delimiter")
        skip = _checks.integer(skip, "skip", 0)
        said = options._replace(layout="auto") != Options() or skip or _words(missing)
        return cls(options, numerals, delimiter, skip, not said and decimal == ".")


def opened(
    path: str | Path,
    reading: Reading,
    dense: bool,
    progress: Callable[[float], None] | None = None,
) -> tuple[str, Arranged | Listed]:
    """The name of a file and what it holds; ``dense``: a matrix is to be made of it."""
    _checks.instance(path, "path", str, os.PathLike)
    path, name = Path(path), str(path)
    options, delimiter = reading.options, reading.delimiter
    if path.suffix.lower() in (".npy", ".npz") and delimiter is None:
        if not reading.plain:
            raise ValueError(f"{name}: only --layout belongs to NumPy files, other options to text")
        return name, _array_files.read(path, options.layout, dense)
    if inner_suffix(path) not in _TEXT and delimiter is None:
        raise ValueError(
            f"{name}: must be a {', '.join(_TEXT)}, .npy or .npz file; other names are read as "
            "text where --delimiter is given"
        )
    numerals = reading.numerals
    text = records(path, delimiter, numerals.decimal, reading.skip, progress)
    lines = Lines(name, text, numerals, options)
    found = None if options.layout == "triplets" else _layouts.table(lines, options)
    return name, _triplets.read(lines, options) if found is None else found


def _options(
    layout: str,
    header: bool | None,
    labels: int | None,
    columns: str | Sequence[str | int] | None,
) -> Options:
    """What is said of how lines and columns are laid out, once it is of the right kinds."""
    if header is not None:
        _checks.flag(header, "header")
    if labels is not None:
        labels = _checks.integer(labels, "labels", 0)
    if columns is None:
        return Options(layout, header, labels, None)
    if layout == "table" or labels is not None:
        raise ValueError("--columns are those of triplets: not with --layout table, nor --labels")
    if isinstance(columns, str):
        columns = columns.split(",")
    names = []
    for k, column in enumerate(_checks.sequence(columns, "columns", "names or numbers")):
        names.append(str(_checks.instance(column, f"columns[{k}]", str, int)).strip())
    return Options("triplets", header, None, tuple(names))


def _words(missing: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(missing, str):
        return (missing,)
    words = _checks.sequence(missing, "missing", "a sequence of strings")
    return tuple(_checks.text(word, f"missing[{k}]") for k, word in enumerate(words))
