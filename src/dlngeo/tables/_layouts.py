"""Which cells of a text are names and which are numbers: the reading rule.

1. The first line is a header where words stand over the columns of numbers.
2. Leading columns of words are labels.
3. Two columns of words that repeat, then one of numbers, are triplets; all else is a table.

Whatever else could be meant is refused with the option that settles it: in the first line different
whole numbers, whole ones over others, or four and more that rise as no line below does (years,
wavelengths, or data?), whole numbers under a header in the first column (identifiers?), words mixed
with numbers, and narrow texts in which two columns name things that repeat (triplets?).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo.tables._delimited import Record
from dlngeo.tables._numerals import Numerals, disguised, shown, whole

NARROW = 10  # columns; a wider text is no list of triplets


class Options(NamedTuple):
    """What the caller says about a text; None where the rule is to decide."""

    layout: str = "auto"
    header: bool | None = None
    labels: int | None = None
    columns: tuple[str, ...] | None = None


class Arranged(NamedTuple):
    """A table as it was read, and how."""

    values: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    reading: str


class Lines:
    """The lines of one text, all of one width; a header one cell short gets an empty corner.

    Or an empty end, where lines end with a delimiter: labels given as none, or columns by name.
    """

    def __init__(
        self, name: str, lines: Iterator[Record], read: Numerals, options: Options
    ) -> None:
        self.name, self.read = name, read
        head = list(islice(lines, 2))
        self.first, self.cornered, self.trailing = head[0], False, False
        self.width = len(head[-1].cells)
        cells = self.first.cells
        names = options.header or all(read(cell) is None for cell in cells)
        if len(cells) == self.width - 1 and options.header is not False and names:
            at_end = not head[-1].cells[-1]
            self.trailing = at_end and (options.columns is not None or options.labels == 0)
            if at_end and not self.trailing and options.labels is None:
                raise self.error(
                    f"line {head[-1].number} has one cell more than line {self.first.number}, and "
                    "its last is empty: say --labels 1 if the first column has no title, "
                    "--labels 0 if lines end with a delimiter"
                )
            cells = [*cells, ""] if self.trailing else ["", *cells]
            self.first, self.cornered = self.first._replace(cells=cells), not self.trailing
        if not (self.cornered or self.trailing):
            self.width = len(cells)
        self._rest: Iterable[Record] = chain([self.first], head[1:], lines)

    def all(self) -> list[Record]:
        """Every line; they can be gone through again."""
        records = list(self)
        self._rest = records
        return records

    def __iter__(self) -> Iterator[Record]:
        for record in self._rest:
            if len(record.cells) != self.width:
                raise self.error(
                    f"not a matrix, line {record.number} has {_cells(len(record.cells))} and line "
                    f"{self.first.number} has {self.width}; --skip leaves out lines above the "
                    "table, --header says that the first may lack a cell"
                )
            if self.trailing and record.cells[-1]:
                raise self.error(
                    f"line {record.number} has a cell more than line {self.first.number} has names"
                )
            yield record

    def error(self, message: str) -> ValueError:
        """The refusal of this text."""
        return ValueError(f"{self.name}: {message}")

    def column(self, k: int, header: bool) -> str:
        """What a message calls a column."""
        title = self.first.cells[k] if header else ""
        return f"column {shown(title)}" if title else f"column {k + 1}"

    def wrong(self, record: Record, k: int, header: bool, labels: int | None = None) -> ValueError:
        """The refusal of a word among numbers, which ``labels`` may be meant to name."""
        cell = record.cells[k]
        hint = self.read.hint(cell)
        if labels is not None:
            hint += f"; --labels {labels} if the column holds labels"
        return self.error(
            f"line {record.number}, {self.column(k, header)}: {shown(cell)} is not a number{hint}"
        )

    def infinite(self, record: Record, k: int, header: bool) -> ValueError:
        """The refusal of an infinite number."""
        return self.error(
            f"line {record.number}, {self.column(k, header)}: {record.cells[k]!r} is infinite; "
            "entries must be finite or missing"
        )


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def table(lines: Lines, options: Options) -> Arranged | None:
    """Arrange the lines as a table; None where they are triplets by the rule."""
    records = lines.all()
    numbers = [[lines.read(cell) for cell in record.cells] for record in records]
    if options.layout == "auto" and _are_triplets(lines, records, numbers, options):
        return None
    body = slice(0 if options.header is False or len(records) == 1 else 1, None)
    labels = options.labels
    if labels is None:
        labels = max(_leading_words(records[body], numbers[body]), int(lines.cornered))
    if not 0 <= labels < lines.width:
        raise lines.error(
            "not a matrix of numbers, no column holds numbers throughout; "
            "--delimiter says what separates cells, --labels how many columns are labels"
        )
    header = options.header
    if header is None:
        header = len(records) > 1 and _has_header(lines, records, numbers, labels)
    if header and options.labels is None and labels == 0:
        labels = _identifiers(lines, records, numbers)
    start = int(header)
    if not any(any(record.cells) for record in records[start:]):
        raise lines.error("no line of numbers")
    width = lines.width
    while header and width > labels + 1 and not any(r.cells[width - 1] for r in records):
        width -= 1  # lines that end with a delimiter
    for record, line in zip(records[start:], numbers[start:], strict=True):
        _require_numbers(lines, record, line[labels:width], labels, header)
    # In a table with labels a line without any cell is no row.
    kept = [k for k in range(start, len(records)) if not labels or any(records[k].cells)]
    values = np.array([numbers[k][labels:width] for k in kept], dtype=float)
    rows = _row_labels([records[k].cells[:labels] for k in kept])
    titles = tuple(lines.first.cells[labels:width] if header else map(str, range(width - labels)))
    if options.header is None and header and len(titles) > 1 and len(set(titles)) == 1:
        raise lines.error(
            f"every column is named {shown(titles[0])}: a second line of names may follow, which "
            "--skip 1 makes the first; --header if this is the only one"
        )
    return Arranged(values, rows, titles, _described(header, labels))


def _described(header: bool, labels: int) -> str:
    columns = f"{labels} column{'s' * (labels > 1)} of labels" if labels else "no labels"
    return f"table with {'a header' if header else 'no header'} and {columns}"


def _row_labels(cells: list[list[str]]) -> tuple[str, ...]:
    """The first label of each row; all of them where the first alone does not tell rows apart."""
    if not cells[0]:
        return tuple(str(k) for k in range(len(cells)))
    first = tuple(labels[0] for labels in cells)
    return first if len(set(first)) == len(first) else tuple(" / ".join(c) for c in cells)


# ------------------------------------------------------------------------------------ the rule


def _leading_words(records: Sequence[Record], numbers: Sequence[Sequence[float | None]]) -> int:
    """How many leading columns hold words, and nothing that is or may be meant as a number."""
    for k in range(len(numbers[0])):
        column = [line[k] for line in numbers]
        if None not in column or any(x is not None and not math.isnan(x) for x in column):
            return k
        if any(x is None and disguised(r.cells[k]) for r, x in zip(records, column, strict=True)):
            return k
    return len(numbers[0])


def _has_header(
    lines: Lines, records: list[Record], numbers: list[list[float | None]], labels: int
) -> bool:
    first, cells = numbers[0][labels:], lines.first.cells
    words = sum(x is None for x in first)
    given = [x for x in first if x is not None and not math.isnan(x)]
    # What names a row below is no title: there a wrong cell stands in a line of data.
    again = bool(labels) and any(record.cells[0] == cells[0] for record in records[1:])
    if words and not given and not again:
        return True
    if not words and labels and not cells[0] and given and len(given) == len(first):
        return True  # nothing names the line, as pandas writes numbers over its columns
    if not words:
        below = [line[labels:] for line in numbers[1:]]
        if not given or not (_different(given) or _apart(first, below)):
            return False
        corner = not cells[0] and len(given) == len(cells) - max(1, labels)
        column = [line[0] for line in numbers[1:]]
        if corner and (labels or (_counts(given) and _counts(column))):
            return True
        gaps = not labels and len(given) < len(first)
        if gaps and not (corner and _different(column)) and not _apart(first, below):
            return False
    shown = ", ".join(cells[labels : labels + 4]) + ", …" * (len(first) > 4)
    raise lines.error(
        f"line {records[0].number} may be a header or data ({shown}): say --header or --no-header"
    )


def _different(numbers: Sequence[float | None]) -> bool:
    """Whether these are different whole numbers, as names may be."""
    return all(map(whole, numbers)) and len(set(numbers)) == len(numbers)


def _apart(first: Sequence[float | None], below: Sequence[Sequence[float | None]]) -> bool:
    """Whether a line of numbers is unlike those below: whole alone, or (four or more) rising."""

    def given(line: Sequence[float | None]) -> list[float]:
        return [x for x in line if x is not None and not math.isnan(x)]

    def rises(line: Sequence[float | None]) -> bool:
        values = given(line)
        return len(values) > 3 and all(a < b for a, b in itertools.pairwise(values))

    others = [x for line in below for x in given(line)]
    if all(map(whole, given(first))) and not all(map(whole, others)):
        return not any(all(map(whole, given(line))) for line in below if given(line))
    return rises(first) and not any(map(rises, below))


def _counts(numbers: Sequence[float | None]) -> bool:
    """Whether these are 0, 1, 2, …, as pandas numbers rows and columns."""
    return list(numbers) == list(range(len(numbers)))


def _identifiers(lines: Lines, records: list[Record], numbers: list[list[float | None]]) -> int:
    """How many label columns a header makes of a first column that holds numbers."""
    column = [line[0] for line in numbers[1:]]
    if not lines.first.cells[0] and all(record.cells[0] for record in records[1:]):
        return 1
    first = [x for x in column if x is not None and not math.isnan(x)]
    others = [x for line in numbers[1:] for x in line[1:] if x is not None and not math.isnan(x)]
    counting = all(map(whole, first)) and first == sorted(first) and not all(map(whole, others))
    if (_different(column) or (first and counting)) and len(column) > 1 and lines.width > 1:
        raise lines.error(
            f"{lines.column(0, True)} may be labels or data, whole numbers all: say --labels 1 or "
            "--labels 0"
        )
    return 0


def _are_triplets(
    lines: Lines, records: list[Record], numbers: list[list[float | None]], options: Options
) -> bool:
    """Whether these are triplets; where that cannot be told, the refusal."""
    if not 3 <= lines.width <= NARROW or options.labels is not None:
        return False
    start = int(options.header is not False and (options.header or _titles(numbers)))
    body, below = records[start:], numbers[start:]

    def names_things(k: int) -> bool:
        """Whether a column holds words or whole numbers throughout."""
        words = (r.cells[k] for r, n in zip(body, below, strict=True) if n[k] is None)
        return all(n[k] is None or whole(n[k]) for n in below) and not any(map(disguised, words))

    names = list(filter(names_things, range(lines.width)))
    repeating = [k for k in names if len({record.cells[k] for record in body}) < len(body)]
    if len(names) < 2 or not repeating:
        return False
    words = [k for k in names if all(n[k] is None for n in below)]
    if lines.width == 3 and words == [0, 1] and {0, 1} <= set(repeating):
        return True
    shown = " and ".join(lines.column(k, start == 1) for k in names[:2])
    raise lines.error(
        f"may be triplets, as {shown} repeat names or whole numbers, or a table: say "
        "--columns ROW,COLUMN,VALUE or --layout table"
    )


def _titles(numbers: list[list[float | None]]) -> bool:
    """Whether a word in the first line stands over a column of numbers."""
    return any(
        column[0] is None and len(column) > 1 and None not in column[1:]
        for column in zip(*numbers, strict=True)
    )


def _require_numbers(
    lines: Lines, record: Record, numbers: list[float | None], labels: int, header: bool
) -> None:
    for k, number in enumerate(numbers, start=labels):
        if number is None:
            raise lines.wrong(record, k, header, labels=k + 1 if k == labels else None)
        if math.isinf(number):
            raise lines.infinite(record, k, header)
