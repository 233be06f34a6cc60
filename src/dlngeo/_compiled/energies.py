"""The library's energies on lanes: E'(W) and E(W) of many matrices at once.

Each ``function(A, B, W, slope, value)`` is as :func:`~dlngeo._compiled.kernels.energy` says.
"""

from __future__ import annotations

import math

import numpy as np

from dlngeo._checks import Array
from dlngeo._compiled.kernels import energy


@energy
def entrywise(A: Array, B: Array, W: Array, slope: Array, value: Array) -> None:
    """½ Σ A_ij (W_ij - B_ij)²: completion with A the mask, a target with A = 1."""
    m, n, lanes = W.shape
    for p in range(lanes):
        value[p] = 0.0
    for i in range(m):
        for j in range(n):
            weight, target = A[i, j], B[i, j]
            for p in range(lanes):
                rest = weight * (W[i, j, p] - target)
                slope[i, j, p] = rest
                value[p] += 0.5 * rest * rest


@energy
def regression(A: Array, B: Array, W: Array, slope: Array, value: Array) -> None:
    """½ ‖W A - B‖²."""
    m, n, lanes = W.shape
    rest = np.empty(lanes)
    value[:] = 0.0
    slope[:] = 0.0
    for i in range(m):
        for s in range(A.shape[1]):
            for p in range(lanes):
                rest[p] = -B[i, s]
            for j in range(n):
                for p in range(lanes):
                    rest[p] += W[i, j, p] * A[j, s]
            for p in range(lanes):
                value[p] += 0.5 * rest[p] * rest[p]
            for j in range(n):
                for p in range(lanes):
                    slope[i, j, p] += rest[p] * A[j, s]


@energy
def sensing(A: Array, B: Array, W: Array, slope: Array, value: Array) -> None:
    """½ Σ_k (⟨A_k, W⟩ - B_k)², each row of A a measurement's entries."""
    m, n, lanes = W.shape
    rest = np.empty(lanes)
    value[:] = 0.0
    slope[:] = 0.0
    for k in range(A.shape[0]):
        for p in range(lanes):
            rest[p] = -B[0, k]
        for i in range(m):
            for j in range(n):
                for p in range(lanes):
                    rest[p] += A[k, i * n + j] * W[i, j, p]
        for p in range(lanes):
            value[p] += 0.5 * rest[p] * rest[p]
        for i in range(m):
            for j in range(n):
                for p in range(lanes):
                    slope[i, j, p] += rest[p] * A[k, i * n + j]


@energy
def logistic(A: Array, B: Array, W: Array, slope: Array, value: Array) -> None:
    """Σ log(1 + exp(-B_is (W A)_is))."""
    m, n, lanes = W.shape
    margin = np.empty(lanes)
    value[:] = 0.0
    slope[:] = 0.0
    for i in range(m):
        for s in range(A.shape[1]):
            for p in range(lanes):
                margin[p] = 0.0
            for j in range(n):
                for p in range(lanes):
                    margin[p] += W[i, j, p] * A[j, s]
            for p in range(lanes):
                signed = B[i, s] * margin[p]
                small = math.exp(-abs(signed))
                value[p] += max(-signed, 0.0) + math.log1p(small)
                share = (small if signed > 0 else 1.0) / (1.0 + small)
                margin[p] = -B[i, s] * share
            for j in range(n):
                for p in range(lanes):
                    slope[i, j, p] += margin[p] * A[j, s]
