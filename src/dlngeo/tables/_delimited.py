"""Delimited text as lines of cells: encoding, delimiter, the number of each line in its file.

The cells are parsed by Python's ``csv`` in its strict form, line by line. What separates them is
given, or is the one of comma, semicolon, tab and bar that the first line holds; blanks where it
holds none.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO, cast

_OFTEN = 1 << 14  # lines between two reports of progress
_NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "blank": " "}
_SHOWN = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}


class Record(NamedTuple):
    """One line of the file, by its number there, and its cells."""

    number: int
    cells: list[str]


def records(
    path: Path,
    delimiter: str | None,
    decimal: str,
    skip: int,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Record]:
    """The lines below the first ``skip`` that are not blank, as cells without outer blanks.

    Of a text of one column a blank line between others is an empty cell. ``progress`` is told now
    and then how much of the file has been read.
    """
    with path.open("rb") as raw:
        try:
            file = io.TextIOWrapper(_plain(raw, path), encoding="utf-8-sig", newline="")
            lines = file if progress is None else _told(file, raw, progress)
            yield from _records(lines, path, delimiter, decimal, skip)
        except UnicodeDecodeError:
            raise ValueError(_not_utf8(path)) from None
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise ValueError(f"{path}: not a whole gzip file, as a name in .gz says") from None


def _plain(raw: BinaryIO, path: Path) -> BinaryIO:
    """The bytes of the text, unpacked where the name ends in .gz."""
    if path.suffix.lower() != ".gz":
        return raw
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw))


def _told(file: TextIO, raw: BinaryIO, progress: Callable[[float], None]) -> Iterator[str]:
    size = max(1, os.fstat(raw.fileno()).st_size)
    for number, line in enumerate(file):
        if number % _OFTEN == 0:
            progress(raw.tell() / size)
        yield line
    progress(1.0)


def inner_suffix(path: Path) -> str:
    """What the name of a text ends in, but for .gz."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def _records(
    file: Iterable[str], path: Path, delimiter: str | None, decimal: str, skip: int
) -> Iterator[Record]:
    lines = _text(islice(file, skip, None), path)
    before = []  # blank lines above the first
    for line in lines:
        before.append(line)
        if line.strip():
            break
    else:
        raise ValueError(f"{path}: no line of cells; it is empty" + (" below --skip" * (skip > 0)))
    separator = _separator(before[-1], path, delimiter, decimal, skip + len(before))
    if len(separator) > 1:
        for number, line in enumerate(chain(before, lines), start=skip + 1):
            if line.strip():
                yield Record(number, [cell.strip() for cell in line.split(separator)])
        return
    if separator == " ":
        lines = (line.rstrip(" \r\n") + "\n" for line in lines)
        before[-1] = before[-1].rstrip(" \r\n") + "\n"
    yield from _filled(_parsed(chain(before, lines), separator, path, skip))


def _parsed(lines: Iterator[str], separator: str, path: Path, skip: int) -> Iterator[Record]:
    """The cells of every line, one empty cell where it is blank."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    number = 0
    try:
        for cells in reader:
            yield Record(skip + number + 1, [cell.strip() for cell in cells] or [""])
            number = reader.line_num
    except csv.Error as error:
        trouble = str(error)
        if "end of data" in trouble:
            trouble = "a quotation mark opens and never closes"
        elif "expected after" in trouble:
            trouble = "text follows upon a closing quotation mark"
        raise ValueError(f"{path}: line {skip + number + 1}: {trouble}") from None


def _filled(records: Iterator[Record]) -> Iterator[Record]:
    """The lines that are not blank; of one column also the blank ones between them."""
    width = 0
    gaps: list[Record] = []  # of one column, if more of it follows
    for record in records:
        if record.cells != [""]:
            width = width or len(record.cells)
            yield from gaps
            yield record
            gaps = []
        elif width == 1:
            gaps.append(record)


def _text(lines: Iterator[str], path: Path) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise ValueError(f"{path}: not a text table, it holds NUL; save it as UTF-8 text")
        yield line


def _separator(line: str, path: Path, given: str | None, decimal: str, number: int) -> str:
    if given is not None:
        separator = _NAMED.get(given, given)
        if not separator or any(c in separator for c in '"\r\n') or separator == decimal:
            raise ValueError(f"--delimiter must separate cells; {given!r} cannot")
        return separator
    if inner_suffix(path) == ".tsv":
        return "\t"
    if line.lower().startswith("sep="):
        raise ValueError(
            f"{path}: line {number} is Excel's note of the delimiter: say --skip {number}"
        )
    bare = re.sub(r'"[^"]*("|$)', "", line)
    found = [c for c in _SHOWN if c in bare and c != decimal]
    if len(found) > 1:
        kinds = " and ".join(_SHOWN[c] for c in found)
        raise ValueError(
            f"{path}: line {number} holds {kinds}: say --delimiter, "
            "and --decimal , where commas are decimal"
        )
    return found[0] if found else " "


def _not_utf8(path: Path) -> str:
    with path.open("rb") as raw:
        for number, line in enumerate(_plain(raw, path), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return (
                    f"{path}: not a text table in UTF-8, line {number} holds the byte "
                    f"0x{byte:02x}; save it as UTF-8"
                )
    return f"{path}: not a text table in UTF-8"  # a sequence cut off at the end
