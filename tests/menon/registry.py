"""The registry of statements: a row for each, and beside it what the paper misprints.

A row's function yields residuals of the statement as the library has it, each against something
that shares no code with it: complex steps, sums written out, Gram matrices of explicit tangent
vectors, quadrature, mpmath. `printed` beside a row yields the residuals of the form that the paper
prints where that is wrong. They must be large: substituting it in the library fails the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

Residuals = Callable[[], Iterator[float]]


class Row(NamedTuple):
    number: str
    statement: str
    functions: tuple[str, ...]
    tol: float
    test: str
    note: str
    residuals: Residuals | None  # None: open


ROWS: dict[str, Row] = {}
PRINTED: dict[str, tuple[str, Residuals]] = {}


def row(number, functions, *, tol=1e-13, test="menon.statement", note=""):
    """Enter a statement: the docstring of the function that yields its residuals.

    ``functions`` are names in dlngeo; ``test`` is the test that looks most closely, "file.name".
    """

    def enter(residuals: Residuals) -> Residuals:
        assert number not in ROWS, number
        words = residuals.__doc__.removesuffix(".")
        ROWS[number] = Row(number, words, tuple(functions.split()), tol, test, note, residuals)
        return residuals

    return enter


def same(number, statement, of, note=""):
    """Enter a statement that says again what the row `of` measures."""
    assert number not in ROWS, number
    ROWS[number] = ROWS[of]._replace(
        number=number, statement=statement, note=note or f"measured as {of}"
    )


def later(number, statement, note, functions="", test=""):
    """Enter a statement that the library does not carry yet."""
    assert number not in ROWS, number
    ROWS[number] = Row(number, statement, tuple(functions.split()), 0.0, test, note, None)


def printed(number, differs):
    """Enter what the paper prints for a row instead, and the function that yields its residuals."""

    def enter(residuals: Residuals) -> Residuals:
        PRINTED[number] = (differs, residuals)
        return residuals

    return enter


# Misprints of labels and wording: nothing in them could be substituted in a program.
WORDING = {
    "(8.9)": "block h^{d,d-1} for h^{d-1,d}, a label: h^{k,l} is symmetric in k and l",
    "(14.4)": "a stray “a ∈ R \\ {0}”",
    "sections 10-12": "(12.5) has L(x) for E(x); (12.12) names Theorem 14 for Theorem 10",
}
