"""Lists of (row label, column label, value)."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import chain

import numpy as np

from dlngeo._checks import Array
from dlngeo.tables._delimited import Record
from dlngeo.tables._layouts import Lines, Options
from dlngeo.tables._lists import Listed, listed, repeated

Places = tuple[int, int, int]  # of row, column and value among the cells of a line


def read(lines: Lines, options: Options) -> Listed:
    """Read the lines one by one; only labels, indices and values are kept.

    The first line is a header where columns are chosen by name, or where a word stands for the
    value. A listed entry without a value is a gap, and its row and column are there.
    """
    records = iter(lines)
    first = next(records)
    places, named = _places(lines, options)
    header = options.header
    if header is None:
        header = named or lines.read(first.cells[places[2]]) is None
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    i, j, numbers, values = array("q"), array("q"), array("q"), array("d")
    for record in records if header else chain([first], records):
        row, column = (_label(lines, record, k, header) for k in places[:2])
        value = lines.read(record.cells[places[2]])
        if value is None:
            raise lines.wrong(record, places[2], header)
        if math.isinf(value):
            raise lines.infinite(record, places[2], header)
        i.append(rows.setdefault(row, len(rows)))
        j.append(columns.setdefault(column, len(columns)))
        numbers.append(record.number)
        values.append(value)
    if not values:
        raise lines.error("no line of numbers")
    title = [first.cells[k] for k in places]
    if (
        header
        and options.header is None
        and not named
        and (title[0] in rows or title[1] in columns)
    ):
        # What names rows or columns below is no title: the value is wrong there.
        raise lines.wrong(first, places[2], False)
    if options.header is None and not (named or header) and i.count(0) == j.count(0) == 1 < len(i):
        raise lines.error(
            f"line {first.number} may be a header or data, neither of its names stands below "
            f"({', '.join(title)}): say --header or --no-header"
        )
    indices = np.array(i), np.array(j)
    twice = repeated(*indices)
    if twice is not None:
        a, b = twice
        pair = f"({list(rows)[i[a]]}, {list(columns)[j[a]]})"
        raise lines.error(f"the entry {pair} occurs twice, in lines {numbers[a]} and {numbers[b]}")
    names = ", ".join(lines.column(k, header) for k in places)
    titles = (title[0], title[1]) if header and title[0] and title[1] else None
    return listed(
        list(rows), list(columns), *indices, np.array(values), f"triplets of {names}", titles
    )


def _places(lines: Lines, options: Options) -> tuple[Places, bool]:
    """Where row, column and value stand, and whether the first line names them."""
    columns = options.columns
    if columns is None:
        if lines.width != 3:
            raise lines.error(
                f"triplets need 3 columns (row, column, value), not {lines.width}; "
                "--columns ROW,COLUMN,VALUE chooses"
            )
        columns = ("1", "2", "3")
    if len(columns) != 3:
        raise ValueError(
            f"--columns must name 3 columns, ROW,COLUMN,VALUE, not {len(columns)}: "
            f"{','.join(columns)}"
        )
    if options.header is False and not all(c.isdecimal() for c in columns):
        raise ValueError("--columns must hold numbers from 1 where there is no header")
    by_name = bool(options.header) or not all(c.isdecimal() for c in columns)
    first, second, third = (_place(lines, column, by_name) for column in columns)
    if len({first, second, third}) < 3:
        raise ValueError(f"--columns must name 3 different columns, not {','.join(columns)}")
    named = lines.cornered or not all(c.isdecimal() for c in columns)
    return (first, second, third), named


def _place(lines: Lines, column: str, by_name: bool) -> int:
    """The place of a column by its number, or by its name where the first line is of names."""
    cells = lines.first.cells
    numbered = column.isdecimal() and 1 <= int(column) <= lines.width
    if column.isdecimal() and (numbered or not by_name or column not in cells):
        if by_name and column in cells and cells[int(column) - 1] != column:
            raise lines.error(
                f"--columns {column} may be the column of that number or of that name, which has "
                f"number {cells.index(column) + 1}: give its number"
            )
        if not numbered:
            raise lines.error(f"--columns {column}: there are {lines.width} columns, from 1")
        return int(column) - 1
    found = [k for k, cell in enumerate(cells) if cell.casefold() == column.casefold()]
    if len(found) != 1:
        names = ", ".join(map(repr, cells[:8])) + ", …" * (len(cells) > 8)
        raise lines.error(
            f"--columns {column}: {len(found) or 'no'} columns have that name; "
            f"line {lines.first.number} holds {names}"
        )
    return found[0]


def _label(lines: Lines, record: Record, k: int, header: bool) -> str:
    label = record.cells[k]
    if not label:
        raise lines.error(f"line {record.number}, {lines.column(k, header)}: a label is empty")
    return label


def from_labels(rows: Sequence[str], columns: Sequence[str], values: Array, name: str) -> Listed:
    """The entries of vectors of labels and values; NaN is a gap."""
    if not len(rows) == len(columns) == len(values):
        raise ValueError(
            f"{name}: rows, columns and values must be of one length, not {len(rows)}, "
            f"{len(columns)} and {len(values)}"
        )
    of_row = {label: k for k, label in enumerate(dict.fromkeys(rows))}
    of_column = {label: k for k, label in enumerate(dict.fromkeys(columns))}
    i = np.array([of_row[label] for label in rows], dtype=np.int64)
    j = np.array([of_column[label] for label in columns], dtype=np.int64)
    twice = repeated(i, j)
    if twice is not None:
        a, b = twice
        raise ValueError(
            f"{name}: the entry ({rows[a]}, {columns[a]}) occurs twice, at {a} and {b}"
        )
    return listed(list(of_row), list(of_column), i, j, values)
