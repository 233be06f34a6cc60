"""What a cell of text says: a number, nothing (a gap), or a word."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

MISSING = (
    "", "NaN", "NA", "N/A", "#N/A", "#NA", "<NA>", "n.a.", "null", "none", ".", "..", "...", "?",
    "-", "--",
)  # fmt: skip


_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
_DISGUISED = re.compile(r"[-+−]?[$€£¥]?\s*[-+−]?\d[\d.,'’_\s]*([eE][-+]?\d+)?\s*[%$€£¥]?")


class Numerals:
    """Reads cells: a float, NaN for a missing value, None for a word.

    Parameters
    ----------
    decimal : "." or ","
        The decimal mark. The other one is no part of a number: there are no thousands separators.
    missing : iterable of str
        Spellings of a missing value besides ``MISSING``, whose case does not matter. A number among
        them stands for every spelling of that number.
    """

    def __init__(self, decimal: str = ".", missing: Iterable[str] = ()) -> None:
        if decimal not in (".", ","):
            raise ValueError(f"--decimal must be . or , and not {decimal!r}")
        self.decimal = decimal
        self._gaps = {sign.casefold() for sign in MISSING}
        self._numbers: set[float] = set()
        for sign in missing:
            number = self(sign.strip())
            if number is None:
                self._gaps.add(sign.strip().casefold())
            elif not math.isnan(number):
                self._numbers.add(number)

    def __call__(self, cell: str) -> float | None:
        """The number in a cell; NaN for a gap, None for a word."""
        text = cell
        if self.decimal == ",":
            text = cell.replace(".", "_").replace(",", ".")
        try:
            number = float(text)
        except ValueError:
            return math.nan if cell.casefold() in self._gaps else None
        if "_" in text:  # Python's own digits, 1_000
            return None
        return math.nan if number in self._numbers else number

    def hint(self, cell: str) -> str:
        """Which option would make a number of a word, or a gap; empty if none is to be seen."""
        other = "," if self.decimal == "." else "."
        if cell.count(other) == 1 and Numerals(other)(cell) is not None:
            return f"; --decimal {other} if that is the decimal mark: thousands have no separator"
        if not any(map(str.isalnum, cell)) or cell.startswith("#"):
            return f"; --missing '{cell}' if it stands for a missing value"
        if disguised(cell):
            return "; numbers are written without separators of thousands, per cent or currency"
        return ""


def disguised(cell: str) -> bool:
    """Whether a word may be meant as a number or a gap: 1,200.5 or 1,5 or 12 % or $3 or *."""
    return bool(_DISGUISED.fullmatch(cell)) or not any(map(str.isalnum, cell))


def shown(cell: str) -> str:
    """A cell as a message quotes it."""
    return repr(cell if len(cell) <= 40 else cell[:39] + "…")


def whole(number: float | None) -> bool:
    """Whether a cell holds a whole number, as years and identifiers are."""
    return number is not None and number.is_integer()


def label_order(labels: Sequence[str]) -> NDArray[np.int64]:
    """The order of labels: by size where all are whole numbers, else alphabetical."""
    if all(map(_WHOLE.fullmatch, labels)):
        return np.array(sorted(range(len(labels)), key=lambda k: float(labels[k])), dtype=np.int64)
    return np.array(sorted(range(len(labels)), key=labels.__getitem__), dtype=np.int64)
