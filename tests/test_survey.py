"""Every statement of Wendin and Altafini's sections 2-7 and A holds; no misprint could stand in.

The statements are rows of a registry, in `survey/`, one file for each section.
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
):
    importlib.import_module(f"survey.{section}")


@pytest.mark.parametrize("number", SURVEY.settled)
def test_statement(number):
    assert SURVEY.holds(number)


@pytest.mark.parametrize("misprint", SURVEY.misprints, ids=lambda misprint: misprint.number)
def test_misprint_would_be_caught(misprint):
    assert SURVEY.catches(misprint)


@pytest.mark.parametrize("number", SURVEY.rows)
def test_functions_and_tests_named_exist(number):
    assert not missing(SURVEY.rows[number])


if __name__ == "__main__":
    SURVEY.write()
