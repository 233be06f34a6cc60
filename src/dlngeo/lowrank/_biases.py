"""Entries of a table, and what mean and biases of rows and columns say of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo.energies import SparseCompletion


class Table(NamedTuple):
    """Entries of a table."""

    rows: Array
    cols: Array
    values: Array
    shape: tuple[int, int]

    @classmethod
    def of(cls, energy: SparseCompletion, some: Any) -> Table:
        return cls(energy.rows[some], energy.cols[some], energy.values[some], energy.shape)

    def biases(self, shrinkage: float) -> Biases:
        """Mean and biases by ridge regression, row and column biases in turn."""
        m, n = self.shape
        mean = float(self.values.mean())
        b, c = np.zeros(m), np.zeros(n)
        if shrinkage < math.inf:
            of_rows = np.bincount(self.rows, minlength=m) + shrinkage
            of_cols = np.bincount(self.cols, minlength=n) + shrinkage
            for _ in range(20):
                b = np.bincount(self.rows, self.values - mean - c[self.cols], m) / of_rows
                c = np.bincount(self.cols, self.values - mean - b[self.rows], n) / of_cols
        return Biases(mean, b, c)

    def residual(self, biases: Biases) -> SparseCompletion:
        rest = self.values - biases.at(self)
        return SparseCompletion(self.rows, self.cols, rest, self.shape)


class Biases(NamedTuple):
    mean: float
    rows: Array
    cols: Array

    def at(self, table: Table) -> Array:
        return np.asarray(self.mean + self.rows[table.rows] + self.cols[table.cols])


def rmse(predicted: Array, table: Table, limits: tuple[float, float] | None) -> float:
    if limits is not None:
        predicted = np.clip(predicted, *limits)
    return float(np.sqrt(np.mean((predicted - table.values) ** 2)))
