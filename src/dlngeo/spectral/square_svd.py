"""The SVD of a stack of square matrices, and tables in its frames with the paths last.

What a stochastic step does in the frames is arithmetic on pairs k < l of singular values. Tables
``(d, d, ...)`` with the stack's dimensions last turn it into few operations on long rows, each of
which gives a path the same bits in any company: sums over a table's first dimensions are written
out, since a sum that NumPy orders by itself depends on how many paths there are.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from dlngeo import _linalg
from dlngeo._checks import Array
from dlngeo._linalg import svd_product, transpose
from dlngeo.spectral import two_by_two
from dlngeo.spectral.two_by_two import paths_first, paths_last


class SquareSVD(NamedTuple):
    """Y = U diag(lam) Vt, lam falling; stacks ``(..., d, d)`` and ``(..., d)``."""

    U: Array
    lam: Array
    Vt: Array

    @classmethod
    def of(cls, Y: Array, graded: bool = False) -> SquareSVD:
        """The decomposition of Y; ``graded``: small singular values to their own rounding.

        Where Y is not finite, lam is NaN.
        """
        if Y.shape[-1] == 2:
            return cls(*two_by_two.svd(Y))
        there = np.asarray(np.isfinite(Y).all(axis=(-2, -1)))
        if not there.all():
            Y = np.where(there[..., None, None], Y, 0.0)
        U, lam, Vt = _linalg.svd(Y) if graded else np.linalg.svd(Y)
        return cls(U, lam if there.all() else np.where(there[..., None], lam, np.nan), Vt)

    def values(self) -> Array:
        """The singular values as rows (d, ...)."""
        return np.ascontiguousarray(paths_last(self.lam, 1))

    def inside(self, B: Array) -> Array:
        """The table of Uᵀ B V."""
        if self.lam.shape[-1] != 2:
            return _table(transpose(self.U) @ B @ transpose(self.Vt))
        U, B, Vt = _table(self.U), _table(B), _table(self.Vt)
        half = U[0, :, None] * B[0] + U[1, :, None] * B[1]
        return np.asarray(half[:, None, 0] * Vt[:, 0] + half[:, None, 1] * Vt[:, 1])

    def outside(self, table: Array) -> Array:
        """U A Vᵀ of a table A."""
        if self.lam.shape[-1] != 2:
            return np.asarray(self.U @ _stack(table) @ self.Vt)
        U, Vt = _table(self.U), _table(self.Vt)
        half = U[:, None, 0] * table[0] + U[:, None, 1] * table[1]
        return _stack(half[:, 0, None] * Vt[0] + half[:, 1, None] * Vt[1])

    def diagonal(self, values: Array) -> Array:
        """U diag(values) Vᵀ of rows (d, ...)."""
        if self.lam.shape[-1] != 2:
            return svd_product(self.U, paths_first(values, 1), self.Vt)
        U, Vt = _table(self.U), _table(self.Vt)
        one, two = U[:, 0] * values[0], U[:, 1] * values[1]
        return _stack(one[:, None] * Vt[0] + two[:, None] * Vt[1])


def _table(A: Array) -> Array:
    return np.ascontiguousarray(paths_last(A, 2))


def _stack(table: Array) -> Array:
    return np.ascontiguousarray(paths_first(table, 2))


@functools.cache
def pairs(d: int) -> tuple[Array, Array]:
    """The indices k < l."""
    return np.triu_indices(d, 1)


class PairTable(NamedTuple):
    """A table by its diagonal (d, ...) and its rows (pair, ...) above and below."""

    diagonal: Array
    upper: Array
    lower: Array

    @classmethod
    def of(cls, table: Array) -> PairTable:
        """The diagonal and the pairs of a table."""
        k, l = pairs(len(table))  # noqa: E741
        diagonal = np.arange(len(table))
        return cls(table[diagonal, diagonal], table[k, l], table[l, k])

    def table(self) -> Array:
        """The whole table."""
        d = len(self.diagonal)
        k, l = pairs(d)  # noqa: E741
        table = np.empty((d, *self.diagonal.shape))
        diagonal = np.arange(d)
        table[diagonal, diagonal], table[k, l], table[l, k] = self
        return table


def row_sums(upper: Array, lower: Array) -> Array:
    """Sums over l ≠ k of what stands above and below the diagonal, as rows (d, ...)."""
    d = (1 + math.isqrt(1 + 8 * len(upper))) // 2
    if d == 1:
        return np.zeros((1, *upper.shape[1:]))
    if d == 2:
        return np.concatenate([upper, lower])
    table = PairTable(np.zeros((d, *upper.shape[1:])), upper, lower).table()
    total = table[:, 0] + table[:, 1]
    for column in range(2, d):
        total += table[:, column]
    return np.asarray(total)


def size(A: Array) -> Array:
    """The Frobenius norm of each matrix of a stack; infinite where a square is."""
    rows = np.ascontiguousarray(A).reshape(*A.shape[:-2], -1)
    return np.sqrt(np.vecdot(rows, rows))
