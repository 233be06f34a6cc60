"""Pairs of labels, a row's and a column's, for which something is asked: a text, read in parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, islice
from pathlib import Path

from dlngeo.tables._delimited import Record, records
from dlngeo.tables._numerals import shown

Titles = tuple[str, str]
_PART = 1 << 15  # pairs


def asked_pairs(
    path: Path,
    titles: Titles | None,
    known: tuple[Collection[str], Collection[str]],
    delimiter: str | None = None,
    header: bool | None = None,
) -> Iterator[list[tuple[str, str]]]:
    """The pairs (row, column) of a text, some at a time.

    They stand in the columns of these titles, which line 1 holds; without titles in the first two
    columns, and there is no header. ``known`` are the labels that there are, which tell a header
    that must not be there from a pair.

    Raises
    ------
    ValueError, OSError
        In one line, for a column that is missing, a label that is empty, lines of other widths, or
        a first line that may be a header where ``header`` is None.
    """
    lines = records(path, delimiter, ".", 0)
    first = next(lines)
    row, column = (0, 1) if titles is None else (_place(path, first, title) for title in titles)
    if len(first.cells) < 2:
        raise ValueError(f"{path}: pairs need 2 columns, of row and column; there is 1")
    if titles is None:
        pair = first.cells[0], first.cells[1]
        if header is None and pair[0] not in known[0] and pair[1] not in known[1]:
            raise ValueError(
                f"{path}: line {first.number} may be a header or a pair ({', '.join(pair)}): say "
                "--no-header; where DATA has no header, pairs have none"
            )
        lines = chain([first], lines)
    pairs = (_pair(path, record, len(first.cells), row, column) for record in lines)
    while part := list(islice(pairs, _PART)):
        yield part


def _place(path: Path, first: Record, title: str) -> int:
    found = [k for k, cell in enumerate(first.cells) if cell.casefold() == title.casefold()]
    if len(found) != 1:
        names = ", ".join(map(repr, first.cells[:8])) + ", …" * (len(first.cells) > 8)
        raise ValueError(
            f"{path}: {len(found) or 'no'} columns are named {shown(title)}, as in DATA; "
            f"line {first.number} holds {names}"
        )
    return found[0]


def _pair(path: Path, record: Record, width: int, row: int, column: int) -> tuple[str, str]:
    cells = record.cells
    if len(cells) != width:
        raise ValueError(
            f"{path}: line {record.number} has {len(cells)} cells where the first has {width}"
        )
    if not (cells[row] and cells[column]):
        raise ValueError(f"{path}: line {record.number}: a label is empty")
    return cells[row], cells[column]
