"""Every statement of Menon's sections 2-9, 13 and 14 holds, and no misprint could stand in for it.

The statements are rows of a registry, in `menon/`, one file for each section.
`python tests/test_menon.py` measures every row and writes the table of docs/properties.md anew.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import dlngeo
from menon.registry import PRINTED, ROWS, WORDING, Residuals, Row

for section in (  # each enters its rows
    "section_3",
    "section_4",
    "section_4_remarks",
    "section_5",
    "section_6",
    "section_7",
    "section_8",
    "section_8_basis",
    "sections_9_to_12",
    "sections_13_and_14",
):
    importlib.import_module(f"menon.{section}")

HERE = Path(__file__).parent
TABLE = HERE.parent / "docs" / "properties.md"
HEADER = (
    "| number | statement | function | test | largest residual | note |",
    "|---|---|---|---|---|---|",
)


def largest(residuals: Residuals) -> float:
    return float(np.max([float(np.max(x)) for x in residuals()]))


def smallest(residuals: Residuals) -> float:
    return float(np.min([float(np.min(x)) for x in residuals()]))


def numbers():
    """Every numbered statement of sections 2-9, 13 and 14."""
    last = {2: 2, 3: 8, 4: 29, 5: 20, 6: 9, 7: 15, 8: 24, 14: 11}
    yield from (f"({s}.{k})" for s, end in last.items() for k in range(1, end + 1))
    yield from (f"Theorem {k}" for k in (1, 2, 3, 10, 11, 13, 14))
    yield from (f"Lemma {k}" for k in (1, 2, 3))
    yield "Definition 12"
    yield from (f"Remark {k}" for k in range(4, 10))
    yield from (f"Figure 9.{k}" for k in range(1, 6))
    yield from ("section 13.3", "section 13.4", *(f"section 14.{k}" for k in range(1, 6)))


# Where the paper misprints: the rows that must say so.
MISPRINTS = [
    *("(4.8)", "before (4.17)", "(4.19)", "Remark 9", "(5.9)", "(5.19)", "(5.20)", "(6.2)"),
    *("(6.3)", "(6.4)", "(7.10)", "(7.11)", "(7.13)", "(7.15)", "(8.4)", "(8.5)", "(8.8)"),
    *("(8.9)", "(8.21)", "section 12.1, item 2", "section 12.1, item 3", "(12.2)", "(12.10)"),
    *("sections 10-12", "(14.4)", "(14.9)", "(14.11)"),
]


def table(measure: Callable[[Row], str]) -> list[str]:
    return [*HEADER, *(line(entry, measure(entry)) for entry in ROWS.values())]


def place(test: str) -> tuple[str, str]:
    file, name = test.split(".")
    return f"test_{file}.py", f"test_{name}"


def line(entry: Row, residual: str) -> str:
    notes = [entry.note] if entry.note else []
    if entry.number in PRINTED:
        notes.append(f"printed form differs: {PRINTED[entry.number][0]}")
    if entry.number in WORDING:
        notes.append(f"misprint of wording: {WORDING[entry.number]}")
    functions = ", ".join(f"`{name}`" for name in entry.functions) or "–"
    test = "`{}::{}`".format(*place(entry.test)) if entry.test else "–"
    cells = (entry.number, entry.statement, functions, test, residual, "; ".join(notes))
    return "| " + " | ".join(cells) + " |"


def measured(entry: Row) -> str:
    if entry.residuals is None:
        return "open"
    value = largest(entry.residuals)
    return "0" if value == 0 else f"{value:.1e}"


SETTLED = [number for number, entry in ROWS.items() if entry.residuals is not None]


@pytest.mark.parametrize("number", SETTLED)
def test_statement(number):
    entry = ROWS[number]
    assert largest(entry.residuals) <= entry.tol


@pytest.mark.parametrize("number", PRINTED)
def test_misprint_would_be_caught(number):
    # The printed form misses by so much that it could not stand in the library for the row's tol.
    assert smallest(PRINTED[number][1]) > max(0.01, 1e4 * ROWS[number].tol)


def test_every_number_has_its_row():
    assert set(numbers()) <= set(ROWS)


@pytest.mark.parametrize("number", MISPRINTS)
def test_misprint_is_told_in_the_table(number):
    text = line(ROWS[number], "")
    assert "printed form differs" in text or "misprint of wording" in text


def test_rows_follow_the_paper():
    matches = [re.match(r"\((\d+)\.(\d+)\)", number) for number in ROWS]
    places = [(int(m[1]), int(m[2])) for m in matches if m]
    assert places == sorted(places)


@pytest.mark.parametrize("number", ROWS)
def test_functions_and_tests_named_exist(number):
    for name in ROWS[number].functions:
        module, attribute = name.split(".")
        assert hasattr(getattr(dlngeo, module), attribute), name
    if ROWS[number].test:
        file, name = place(ROWS[number].test)
        assert re.search(rf"^def {name}\(", (HERE / file).read_text(), re.M), (file, name)


def test_table_of_the_docs_is_this_one():
    lines = [text for text in TABLE.read_text().splitlines() if text.startswith("|")]
    cells = [re.split(r"(?<!\\) \| ", text) for text in lines[2:]]
    residuals = {row_cells[0].removeprefix("| "): row_cells[4] for row_cells in cells}
    assert lines == table(lambda entry: residuals[entry.number])
    for number in SETTLED:
        assert float(residuals[number]) <= ROWS[number].tol


def write_table():
    head = [text for text in TABLE.read_text().splitlines() if not text.startswith("|")]
    TABLE.write_text("\n".join(["\n".join(head).rstrip(), "", *table(measured)]) + "\n")


if __name__ == "__main__":
    write_table()
