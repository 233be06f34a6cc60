"""Energies of single entries by factors: ⟨L_i, R_j⟩ on the observed entries, and products with S.

Entries are by rows: those of row i are ``columns[starts[i]:starts[i + 1]]``. :func:`squares` and
:func:`wide_squares` do all in one pass, in vectors: rows of L, R and what becomes of them are
filled up with zeros to ``width`` times eight, one such vector a row of an array (rows · width, 8).
They take the columns in blocks, ``starts`` (blocks · m + 1) block by block: of a block, R and SᵀL
stay in the cache, where any row may ask for any column of it.
"""

from __future__ import annotations

from dlngeo._checks import Array
from dlngeo._compiled.kernels import bare, kernel, part
from dlngeo._compiled.lanes import Lanes, at, lane, mul_add, put, splat


@part
def _sum(x: Lanes) -> float:
    first = (lane(x, 0) + lane(x, 4)) + (lane(x, 1) + lane(x, 5))
    return first + ((lane(x, 2) + lane(x, 6)) + (lane(x, 3) + lane(x, 7)))


@kernel
def squares(
    m: int,
    starts: Array,
    columns: Array,
    target: Array,
    L: Array,
    R: Array,
    by_L: Array,
    by_R: Array,
) -> float:
    """½‖S‖², S R and Sᵀ L, of S = L Rᵀ - target on the entries, at width 2; into zeros."""
    L, R, by_L, by_R = bare(L), bare(R), bare(by_L), bare(by_R)
    total = 0.0
    for run in range(starts.size - 1):
        i = 2 * (run % m)
        x, y = at(L, i), at(L, i + 1)
        by_x, by_y = at(by_L, i), at(by_L, i + 1)
        for k in range(starts[run], starts[run + 1]):
            j = 2 * columns[k]
            u, v = at(R, j), at(R, j + 1)
            rest = _sum(mul_add(x, u, y * v)) - target[k]
            total += rest * rest
            weight = splat(rest)
            by_x, by_y = mul_add(weight, u, by_x), mul_add(weight, v, by_y)
            put(by_R, j, mul_add(weight, x, at(by_R, j)))
            put(by_R, j + 1, mul_add(weight, y, at(by_R, j + 1)))
        put(by_L, i, by_x)
        put(by_L, i + 1, by_y)
    return 0.5 * total


@kernel
def wide_squares(
    m: int,
    starts: Array,
    columns: Array,
    target: Array,
    L: Array,
    R: Array,
    by_L: Array,
    by_R: Array,
) -> float:
    """The same at any width."""
    width = L.shape[0] // m
    L, R, by_L, by_R = bare(L), bare(R), bare(by_L), bare(by_R)
    total = 0.0
    for run in range(starts.size - 1):
        i = width * (run % m)
        for k in range(starts[run], starts[run + 1]):
            j = width * columns[k]
            inner = at(L, i) * at(R, j)
            for b in range(1, width):
                inner = mul_add(at(L, i + b), at(R, j + b), inner)
            rest = _sum(inner) - target[k]
            total += rest * rest
            weight = splat(rest)
            for b in range(width):
                put(by_L, i + b, mul_add(weight, at(R, j + b), at(by_L, i + b)))
                put(by_R, j + b, mul_add(weight, at(L, i + b), at(by_R, j + b)))
    return 0.5 * total


@kernel
def products(
    starts: Array, columns: Array, S: Array, L: Array, R: Array, by_L: Array, by_R: Array
) -> None:
    """S R and Sᵀ L, of S given on the entries; into zeros."""
    m, r = L.shape
    for i in range(m):
        for k in range(starts[i], starts[i + 1]):
            j = columns[k]
            for q in range(r):
                by_L[i, q] += S[k] * R[j, q]
            for q in range(r):
                by_R[j, q] += S[k] * L[i, q]


@kernel
def inner_products(starts: Array, columns: Array, L: Array, R: Array, w: Array) -> None:
    """L Rᵀ on the entries."""
    m, r = L.shape
    for i in range(m):
        for k in range(starts[i], starts[i + 1]):
            j = columns[k]
            total = 0.0
            for q in range(r):
                total += L[i, q] * R[j, q]
            w[k] = total


@kernel
def sum_of_squares(starts: Array, columns: Array, target: Array, L: Array, R: Array) -> float:
    """½‖S‖²."""
    m, r = L.shape
    total = 0.0
    for i in range(m):
        for k in range(starts[i], starts[i + 1]):
            j = columns[k]
            rest = -target[k]
            for q in range(r):
                rest += L[i, q] * R[j, q]
            total += rest * rest
    return 0.5 * total
