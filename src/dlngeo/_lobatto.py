"""Gauss-Lobatto-Legendre points: polynomials in time by their values, integrals by their sums."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

from dlngeo._checks import Array


class Rule(NamedTuple):
    """The points of degree n on [0, 1]."""

    times: Array  # (n + 1,)
    weights: Array
    slope: Array  # (n + 1, n + 1): values to values of the derivative
    flat: Array  # (n - 1, n - 1): the inverse of slopeᵀ weights slope at the inner points
    coefficients: Array  # (n + 1, n + 1): values to Legendre coefficients


@lru_cache(maxsize=32)
def rule(degree: int) -> Rule:
    """The rule of this degree."""
    top = legendre.Legendre.basis(degree)
    inner = np.sort(top.deriv().roots().real)
    x = np.concatenate(([-1.0], 0.5 * (inner - inner[::-1]), [1.0]))
    values = legendre.legvander(x, degree)
    weights = 1 / (degree * (degree + 1) * values[:, -1] ** 2)
    gaps = x[:, None] - x + np.eye(degree + 1)
    slope = values[:, -1:] / values[:, -1] / gaps
    slope -= np.diag(slope.sum(axis=1))
    slope *= 2
    flat = np.linalg.inv(((slope.T * weights) @ slope)[1:-1, 1:-1])
    return Rule((x + 1) / 2, weights, slope, flat, np.linalg.inv(values))
