"""An energy asked by factors: E(L Rᵀ) and its derivatives by L and R, which are S R and Sᵀ L.

S = E'(L Rᵀ) is never formed where the energy is a sum over entries: it is sparse, with the entries'
pattern. NumPy and SciPy do it in steps, numba in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array

from dlngeo._checks import Array
from dlngeo._engine import chosen
from dlngeo._linalg import frobenius
from dlngeo.energies import Energy, Entries, entries_part, require_stacks
from dlngeo.lowrank._factors import inner_products

LANES = 8  # numbers in a vector of the compiled kernels
_CACHE = 1 << 20  # bytes that a block of columns takes
Pulled = tuple[float, Array, Array]
Second = Callable[[tuple[Array, Array], Array, Array], tuple[Array, Array]]


class Pull(Protocol):
    """One energy, by factors L (m, r) and R (n, r)."""

    def __call__(self, L: Array, R: Array) -> Pulled:
        """E(L Rᵀ), S R and Sᵀ L, with S = E'(L Rᵀ)."""
        ...

    def value(self, L: Array, R: Array) -> float:
        """E(L Rᵀ)."""
        ...

    def slope(self, L: Array, R: Array) -> float:
        """‖S‖_F."""
        ...

    def gradient(self, L: Array, R: Array) -> Any:
        """S, what products are taken with: sparse, or an array."""
        ...

    def along(self, L: Array, R: Array, W: tuple[Array, Array]) -> float:
        """⟨Z, E''(L Rᵀ) Z⟩ for Z = W[0] W[1]ᵀ."""
        ...

    def second(self, L: Array, R: Array) -> Second:
        """Z = W[0] W[1]ᵀ, U and V to D V and Dᵀ U, with D = E''(L Rᵀ) Z."""
        ...


def require_energy(energy: Energy, W: Array, name: str) -> None:
    """Refuse what is no energy of matrices like W, which is not looked at where it is large."""
    sparse = callable(getattr(energy, "entries", None))
    require_stacks(energy, W[None][:0] if sparse else W, name, hessian=False)


def shape_of(energy: Energy) -> tuple[int, int]:
    """The shape of an energy that has one."""
    shape = getattr(energy, "shape", None)
    if not (isinstance(shape, tuple) and len(shape) == 2):
        raise TypeError("energy must have a shape (m, n), which tells that of the start")
    require_energy(energy, np.broadcast_to(0.0, shape), "energy")
    return shape


def pull_of(energy: Energy, shape: tuple[int, int], engine: str) -> Pull:
    """The fastest way that the energy and the engine know."""
    fast, entries = chosen(engine) == "numba", entries_part(energy)
    if entries is None:
        return DensePull(energy)
    if fast:
        return CompiledPull(entries, shape)
    return SparsePull(entries, shape)


class DensePull:
    """By way of W: for energies that say nothing of entries."""

    def __init__(self, energy: Energy) -> None:
        self._energy = energy

    def __call__(self, L: Array, R: Array) -> Pulled:
        W = L @ R.T
        S = self._energy.gradient(W)
        return float(self._energy.value(W)), S @ R, S.T @ L

    def value(self, L: Array, R: Array) -> float:
        return float(self._energy.value(L @ R.T))

    def slope(self, L: Array, R: Array) -> float:
        return float(frobenius(self._energy.gradient(L @ R.T)))

    def gradient(self, L: Array, R: Array) -> Array:
        return self._energy.gradient(L @ R.T)

    def along(self, L: Array, R: Array, W: tuple[Array, Array]) -> float:
        Z = W[0] @ W[1].T
        return float((Z * self._energy.hessian(L @ R.T, Z)).sum())

    def second(self, L: Array, R: Array) -> Second:
        point = L @ R.T

        def products(W: tuple[Array, Array], U: Array, V: Array) -> tuple[Array, Array]:
            D = self._energy.hessian(point, W[0] @ W[1].T)
            return D @ V, D.T @ U

        return products


class SparsePull:
    """With NumPy and SciPy: the entries of W, then two products with S."""

    def __init__(self, entries: Entries, shape: tuple[int, int]) -> None:
        small = np.int32 if max(*shape, entries.columns.size) < 2**31 else np.int64
        self._loss, self._curvature = entries.loss, entries.curvature
        self._starts = entries.starts.astype(small)
        self._columns = entries.columns.astype(small)
        self._rows: Array = np.repeat(np.arange(shape[0], dtype=small), np.diff(entries.starts))
        self._shape, self._target = shape, entries.target

    def _entries(self, L: Array, R: Array) -> Array:
        return inner_products(L, R, self._rows, self._columns)

    def _matrix(self, data: Array) -> Any:
        return csr_array((data, self._columns, self._starts), shape=self._shape)

    def __call__(self, L: Array, R: Array) -> Pulled:
        value, slope = self._loss(self._entries(L, R))
        S = self._matrix(slope)
        return float(value.sum()), S @ R, S.T @ L

    def value(self, L: Array, R: Array) -> float:
        return float(self._loss(self._entries(L, R))[0].sum())

    def slope(self, L: Array, R: Array) -> float:
        if self._target is not None:
            return math.sqrt(2 * self.value(L, R))
        return float(np.linalg.norm(self._loss(self._entries(L, R))[1]))

    def gradient(self, L: Array, R: Array) -> Any:
        return self._matrix(self._loss(self._entries(L, R))[1])

    def along(self, L: Array, R: Array, W: tuple[Array, Array]) -> float:
        return float((self._curvature(self._entries(L, R)) * self._entries(*W) ** 2).sum())

    def second(self, L: Array, R: Array) -> Second:
        curvature = self._curvature(self._entries(L, R))

        def products(W: tuple[Array, Array], U: Array, V: Array) -> tuple[Array, Array]:
            D = self._matrix(curvature * self._entries(*W))
            return D @ V, D.T @ U

        return products


class CompiledPull(SparsePull):
    """With numba: where ℓ is a square all in one pass over the entries, else in two."""

    def __init__(self, entries: Entries, shape: tuple[int, int]) -> None:
        super().__init__(entries, shape)
        from dlngeo._compiled import observed

        self._kernels = observed
        self._blocks: dict[int, tuple[Array, Array, Array]] = {}  # by width

    def _entries(self, L: Array, R: Array) -> Array:
        w = np.empty(self._columns.size)
        self._kernels.inner_products(self._starts, self._columns, *_rows(L, R), w)
        return w

    def __call__(self, L: Array, R: Array) -> Pulled:
        if self._target is None:
            return self._in_two(*_rows(L, R))
        r = L.shape[1]
        width = max(2, -(-r // LANES))
        one_pass = self._kernels.squares if width == 2 else self._kernels.wide_squares
        filled = [_filled(A, width) for A in (L, R)]
        found = [np.zeros_like(A) for A in filled]
        value = one_pass(len(L), *self._in_blocks(self._target, width), *filled, *found)
        by_L, by_R = (A.reshape(-1, LANES * width)[:, :r] for A in found)
        return float(value), by_L, by_R

    def _in_two(self, L: Array, R: Array) -> Pulled:
        value, slope = self._loss(self._entries(L, R))
        by_L, by_R = np.zeros_like(L), np.zeros_like(R)
        self._kernels.products(self._starts, self._columns, slope, L, R, by_L, by_R)
        return float(value.sum()), by_L, by_R

    def value(self, L: Array, R: Array) -> float:
        if self._target is None:
            return super().value(L, R)
        L, R = _rows(L, R)
        return float(self._kernels.sum_of_squares(self._starts, self._columns, self._target, L, R))

    def _in_blocks(self, target: Array, width: int) -> tuple[Array, Array, Array]:
        """Starts, columns and targets with the columns in blocks, block by block."""
        if width not in self._blocks:
            m, n = self._shape
            wide = max(1, _CACHE // (2 * 8 * LANES * width))
            run = (self._columns // wide).astype(np.int64) * m + self._rows
            order = np.argsort(run, kind="stable")
            starts = np.searchsorted(run[order], np.arange(-(-n // wide) * m + 1))
            kept = starts.astype(self._starts.dtype), self._columns[order], target[order]
            self._blocks = {width: kept}  # of one rank at a time
        return self._blocks[width]


def _filled(A: Array, width: int) -> Array:
    """Rows filled up with zeros, eight numbers a row."""
    filled = np.zeros((len(A), LANES * width))
    filled[:, : A.shape[1]] = A
    return filled.reshape(-1, LANES)


def _rows(L: Array, R: Array) -> tuple[Array, Array]:
    return np.ascontiguousarray(L), np.ascontiguousarray(R)
