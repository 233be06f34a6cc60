"""Every statement of Wendin and Altafini's sections 2-7 and A holds; no misprint could stand in.

The statements are rows of a registry, in `survey/`, one file or more for each section.
`python tests/test_survey.py` measures every row and writes the table of docs/properties-survey.md
anew.
"""

from __future__ import annotations

import importlib

import pytest

from properties import missing
from survey.registry import SURVEY

for section in (  # each enters its rows
    "section_2",
    "section_3",
    "section_3_form",
    "section_4",
    "section_4_fibres",
    "section_4_hessian",
    "section_4_proof",
    "section_4_arcs",
    "section_4_rates",
    "section_5",
    "section_5_balanced",
    "section_6",
    "section_7",
    "appendix",
):
    importlib.import_module(f"survey.{section}")


def numbers():
    """Every numbered statement of sections 2-7 and of the appendix."""
    yield from (f"({k})" for k in range(1, 80))
    elsewhere = (1, 2, 19, 22, 24, 25, 37, 38)  # one counter for all kinds
    yield from (f"Proposition {k}" for k in range(3, 41) if k not in elsewhere)
    yield from ("Assumption 1", "Assumption 2", "Lemma 19", "Lemma 37", "Lemma 38")
    yield from ("Remark 22", "Remark 25", *(f"Theorem 24.{k}" for k in range(1, 5)))
    yield from (f"Figure {k}" for k in range(1, 8))
    yield from (f"section 6.2.{k}" for k in (1, 2, 3))
    yield from (f"section 7, {name}" for name in ("descent", "other losses", "few measurements"))
    yield from (f"section 7, {name}" for name in ("bottlenecks", "skips", "nonlinear"))


# Where the paper misprints, and in how many ways: the rows that must say so.
MISPRINTS = {
    "(19)": 1,
    "(67)": 1,
    "Proposition 21": 2,
    "Proposition 20": 5,
    "Proposition 15": 1,
    "Proposition 3": 2,
    "Proposition 18": 2,
    "(33)": 1,
    "Theorem 24.1": 1,
    "Theorem 24.2": 1,
    "Theorem 24.3": 1,
    "Theorem 24.4": 1,
    "(47)": 1,
    "(49)": 1,
    "(52)": 1,
    "(54)": 1,
    "Proposition 32": 1,
    "section 5.2.1": 1,
    "(57)": 1,
    "Proposition 35": 1,
    "(37)": 1,
    "Proposition 23": 1,
    "(38)": 1,
    "(42)": 1,
    "(34)": 1,
    "Table 1, C_i": 1,
    "(61)": 1,
    "section 5.4, Hessian": 1,
    "section 5.4, order": 1,
    "section 6.1": 1,
    "section 6.2.2": 2,
    "section 6.2.3": 1,
    "(64)": 1,
    "section 7, skips": 1,
    "Proposition 36": 1,
    "(60)": 1,
    "Proposition 9": 1,
    "(30)": 1,
    "Proposition 4": 1,
    "Proposition 12": 1,
    "(74)": 1,
    "section 7, bottlenecks": 1,
    "(71)": 2,
    "(22)": 1,
    "Proposition 5": 1,
}
WORDING = ("section 3.5", "section 4.3", "Proposition 20", "Proposition 36")


@pytest.mark.parametrize("number", SURVEY.settled)
def test_statement(number):
    assert SURVEY.holds(number)


@pytest.mark.parametrize("misprint", SURVEY.misprints, ids=lambda misprint: misprint.number)
def test_misprint_would_be_caught(misprint):
    assert SURVEY.catches(misprint)


def test_every_number_has_its_row():
    assert set(numbers()) <= set(SURVEY.rows)


def test_every_misprint_is_measured():
    measured = [misprint.number for misprint in SURVEY.misprints]
    assert {number: measured.count(number) for number in measured} == MISPRINTS


@pytest.mark.parametrize("number", [*MISPRINTS, *WORDING])
def test_misprint_is_told_in_the_table(number):
    text = SURVEY.line(SURVEY.rows[number], "")
    assert ("printed form differs" in text) == (number in MISPRINTS)
    assert ("misprint of wording" in text) == (number in WORDING)


def test_rows_follow_the_paper():
    assert SURVEY.in_order(r"\((\d+)\)")


@pytest.mark.parametrize("number", SURVEY.rows)
def test_functions_and_tests_named_exist(number):
    assert not missing(SURVEY.rows[number])


def test_table_of_the_docs_is_this_one():
    residuals = SURVEY.page_residuals()
    assert SURVEY.page_lines() == SURVEY.table(lambda entry: residuals[entry.number])
    for number in SURVEY.settled:
        assert float(residuals[number]) <= SURVEY.rows[number].tol


if __name__ == "__main__":
    SURVEY.write()
