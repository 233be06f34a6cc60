"""Every statement of Menon's sections 2-14 holds, and no misprint could stand in for it.

The statements are rows of a registry, in `menon/`, one file for each section.
`python tests/test_menon.py` measures every row and writes the table of docs/properties.md anew.
"""

from __future__ import annotations

import importlib

import pytest

from menon.registry import MENON
from properties import missing

for section in (  # each enters its rows
    "section_3",
    "section_4",
    "section_4_remarks",
    "section_5",
    "section_6",
    "section_7",
    "section_8",
    "section_8_basis",
    "section_9",
    "section_10",
    "section_11",
    "section_12",
    "sections_13_and_14",
):
    importlib.import_module(f"menon.{section}")


def numbers():
    """Every numbered statement of sections 2-14."""
    last = {2: 2, 3: 8, 4: 29, 5: 20, 6: 9, 7: 15, 8: 24, 10: 5, 11: 11, 12: 13, 14: 11}
    yield from (f"({s}.{k})" for s, end in last.items() for k in range(1, end + 1))
    yield from (f"Theorem {k}" for k in (1, 2, 3, 10, 11, 13, 14, 15, 18))
    yield from (f"Lemma {k}" for k in (1, 2, 3))
    yield "Definition 12"
    yield from (f"Remark {k}" for k in (*range(4, 10), 16, 17))
    yield from (f"Figure 9.{k}" for k in range(1, 6))
    yield from (f"section 12.1, item {k}" for k in (1, 2, 3))
    yield from ("section 13.3", "section 13.4", *(f"section 14.{k}" for k in range(1, 6)))


# Where the paper misprints: the rows that must say so.
MISPRINTS = [
    *("(4.8)", "before (4.17)", "(4.19)", "Remark 9", "(5.9)", "(5.19)", "(5.20)", "(6.2)"),
    *("(6.3)", "(6.4)", "(7.10)", "(7.11)", "(7.13)", "(7.15)", "(8.4)", "(8.5)", "(8.8)"),
    *("(8.9)", "(8.21)", "section 12.1, item 2", "section 12.1, item 3", "(12.2)", "(12.10)"),
    *("(12.5)", "(12.12)", "(14.4)", "(14.9)", "(14.11)"),
]


@pytest.mark.parametrize("number", MENON.settled)
def test_statement(number):
    assert MENON.holds(number)


@pytest.mark.parametrize("misprint", MENON.misprints, ids=lambda misprint: misprint.number)
def test_misprint_would_be_caught(misprint):
    assert MENON.catches(misprint)


def test_every_number_has_its_row():
    assert set(numbers()) <= set(MENON.rows)


@pytest.mark.parametrize("number", MISPRINTS)
def test_misprint_is_told_in_the_table(number):
    text = MENON.line(MENON.rows[number], "")
    assert "printed form differs" in text or "misprint of wording" in text


def test_rows_follow_the_paper():
    assert MENON.in_order()


@pytest.mark.parametrize("number", MENON.rows)
def test_functions_and_tests_named_exist(number):
    assert not missing(MENON.rows[number])


def test_table_of_the_docs_is_this_one():
    residuals = MENON.page_residuals()
    assert MENON.page_lines() == MENON.table(lambda entry: residuals[entry.number])
    for number in MENON.settled:
        assert float(residuals[number]) <= MENON.rows[number].tol


if __name__ == "__main__":
    MENON.write()
