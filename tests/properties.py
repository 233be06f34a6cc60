"""Registries of statements: a row for each, and beside it what the paper misprints.

A row's function yields residuals of the statement as the library has it, each against something
that shares no code with it: complex steps, sums written out, Gram matrices of explicit tangent
vectors, quadrature, mpmath. `printed` beside a row yields the residuals of the form that the paper
prints where that is wrong. They must be large: substituting it in the library fails the row.

Each paper has one registry, which writes its table into a page of the documentation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
HEADER = [
    "| number | statement | function | test | largest residual | note |",
    "|---|---|---|---|---|---|",
]

Residuals = Callable[[], Iterator[float]]


class Row(NamedTuple):
    number: str
    statement: str
    functions: tuple[str, ...]
    tol: float
    test: str
    note: str
    residuals: Residuals | None  # None: open, or a law that its test compares by samples


class Misprint(NamedTuple):
    number: str
    differs: str
    residuals: Residuals


@cache  # what several rows share is measured once
def largest(residuals: Residuals) -> float:
    return float(np.max([float(np.max(x)) for x in residuals()]))


def smallest(residuals: Residuals) -> float:
    return float(np.min([float(np.min(x)) for x in residuals()]))


def place(test: str) -> tuple[str, str]:
    """File and function of "file.name"."""
    file, name = test.split(".")
    return f"test_{file}.py", f"test_{name}"


def literal(text: str) -> str:
    """Indices and stars stand for themselves, outside code and **W**."""
    return re.sub(r"(`[^`]*`)|(\*\*)|([_*])", lambda m: m[1] or m[2] or f"\\{m[3]}", text)


class Registry:
    """The statements of one paper in its order, its misprints, and those of wording alone."""

    def __init__(self, paper: str, page: str, wording: dict[str, str]) -> None:
        self.test = f"{paper}.statement"
        self.page = HERE.parent / "docs" / page
        self.wording = wording
        self.rows: dict[str, Row] = {}
        self.misprints: list[Misprint] = []

    def row(self, number, functions, *, tol=1e-13, test="", note=""):
        """Enter a statement: the docstring of the function that yields its residuals.

        ``functions`` are names in dlngeo; ``test`` is the test that looks most closely,
        "file.name".
        """

        def enter(residuals: Residuals) -> Residuals:
            assert number not in self.rows, number
            words = residuals.__doc__.removesuffix(".")
            self.rows[number] = Row(
                number, words, tuple(functions.split()), tol, test or self.test, note, residuals
            )
            return residuals

        return enter

    def same(self, number, statement, of, note=""):
        """Enter a statement that says again what the row `of` measures."""
        assert number not in self.rows, number
        self.rows[number] = self.rows[of]._replace(
            number=number, statement=statement, note=note or f"measured as {of}"
        )

    def later(self, number, statement, note, functions="", test=""):
        """Enter a statement that the library does not carry, or not yet."""
        assert number not in self.rows, number
        names = tuple(functions.split())
        self.rows[number] = Row(number, statement, names, 0.0, test, note, None)

    def printed(self, number, differs):
        """Enter what the paper prints for a row instead, and the residuals of that."""

        def enter(residuals: Residuals) -> Residuals:
            self.misprints.append(Misprint(number, differs, residuals))
            return residuals

        return enter

    @property
    def settled(self) -> list[str]:
        return [number for number, entry in self.rows.items() if entry.residuals is not None]

    def holds(self, number: str) -> bool:
        entry = self.rows[number]
        return largest(entry.residuals) <= entry.tol

    def catches(self, misprint: Misprint) -> bool:
        """Whether the printed form misses by too much to stand in the library for the row."""
        return smallest(misprint.residuals) > max(0.01, 1e4 * self.rows[misprint.number].tol)

    def in_order(self, number: str = r"\((\d+)\.(\d+)\)") -> bool:
        """Whether the equations, whose numbers the pattern reads, follow the paper."""
        matches = [re.match(number, name) for name in self.rows]
        places = [tuple(int(part) for part in m.groups()) for m in matches if m]
        return places == sorted(places)

    # ------------------------------------------------------------------------------- the table

    def line(self, entry: Row, residual: str) -> str:
        notes = [entry.note] if entry.note else []
        differs = [m.differs for m in self.misprints if m.number == entry.number]
        if differs:
            notes.append(f"printed form differs: {'; '.join(differs)}")
        if entry.number in self.wording:
            notes.append(f"misprint of wording: {self.wording[entry.number]}")
        functions = ", ".join(f"`{name}`" for name in entry.functions) or "–"
        test = "`{}::{}`".format(*place(entry.test)) if entry.test else "–"
        said = literal(entry.statement), literal("; ".join(notes))
        cells = (entry.number, said[0], functions, test, residual, said[1])
        return "| " + " | ".join(cells) + " |"

    def table(self, measure: Callable[[Row], str]) -> list[str]:
        return [*HEADER, *(self.line(entry, measure(entry)) for entry in self.rows.values())]

    def page_lines(self) -> list[str]:
        return [text for text in self.page.read_text().splitlines() if text.startswith("|")]

    def page_residuals(self) -> dict[str, str]:
        cells = [re.split(r"(?<!\\) \| ", text) for text in self.page_lines()[2:]]
        return {row_cells[0].removeprefix("| "): row_cells[4] for row_cells in cells}

    def write(self) -> None:
        """Measure every row and write the table anew."""
        head = [text for text in self.page.read_text().splitlines() if not text.startswith("|")]
        lines = ["\n".join(head).rstrip(), "", *self.table(measured)]
        self.page.write_text("\n".join(lines) + "\n")


def measured(entry: Row) -> str:
    if entry.residuals is None:
        return "open" if entry.note.startswith("open") else "see test"
    value = largest(entry.residuals)
    return "0" if value == 0 else f"{value:.1e}"


def missing(entry: Row) -> list[str]:
    """The functions and tests that a row names and that are not there."""
    absent = []
    for name in entry.functions:
        module, attribute = name.split(".")
        if not hasattr(import_module(f"dlngeo.{module}"), attribute):
            absent.append(name)
    if entry.test:
        file, name = place(entry.test)
        path = next(HERE.rglob(file), None)
        if path is None or not re.search(rf"^def {name}\(", path.read_text(), re.M):
            absent.append(f"{file}::{name}")
    return absent
