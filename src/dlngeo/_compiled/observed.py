"""Energies of single entries by factors: ⟨L_i, R_j⟩ on the observed entries, and products with S.

Entries are by rows: those of row i are ``columns[starts[i]:starts[i + 1]]``. One thread.
"""

from __future__ import annotations

from dlngeo._checks import Array
from dlngeo._compiled.kernels import kernel


@kernel
def squares(
    starts: Array, columns: Array, target: Array, L: Array, R: Array, by_L: Array, by_R: Array
) -> float:
    """½‖S‖², S R and Sᵀ L, of S = L Rᵀ - target on the entries."""
    m, r = L.shape
    by_R[:] = 0.0
    by_L[:] = 0.0
    total = 0.0
    for i in range(m):
        for k in range(starts[i], starts[i + 1]):
            j = columns[k]
            rest = -target[k]
            for q in range(r):
                rest += L[i, q] * R[j, q]
            total += rest * rest
            for q in range(r):
                by_L[i, q] += rest * R[j, q]
            for q in range(r):
                by_R[j, q] += rest * L[i, q]
    return 0.5 * total


@kernel
def products(
    starts: Array, columns: Array, S: Array, L: Array, R: Array, by_L: Array, by_R: Array
) -> None:
    """S R and Sᵀ L, of S given on the entries."""
    m, r = L.shape
    by_R[:] = 0.0
    by_L[:] = 0.0
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
