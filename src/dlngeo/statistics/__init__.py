"""Observables of ensembles, with their standard errors (Menon, sections 6 and 12)."""

from __future__ import annotations

from dlngeo.statistics._estimates import Estimate, autocorrelation_time, mean
from dlngeo.statistics._first_passage import (
    Passages,
    first_passage,
    first_passage_times,
    mean_passage_time,
    survival,
)
from dlngeo.statistics._free_energy import Balance, dissipation, free_energy, free_energy_balance

__all__ = [
    "Balance",
    "Estimate",
    "Passages",
    "autocorrelation_time",
    "dissipation",
    "first_passage",
    "first_passage_times",
    "free_energy",
    "free_energy_balance",
    "mean",
    "mean_passage_time",
    "survival",
]


def __dir__() -> list[str]:
    return __all__
