r"""What pairs of singular values have between them at any depth: one lane at a time.

The formulas of :mod:`dlngeo.langevin.root_chart`, :mod:`dlngeo.spectral.entropic_force` and
:mod:`dlngeo.spectral.divided_differences` where they need exponentials; whole depths have sums of
powers, in :mod:`~dlngeo._compiled.pairs`.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import zeta

from dlngeo._compiled.kernels import part

# Coefficients (-1)^{n+1} 2 ζ(2n)/π^{2n} of y^{2n-1} in coth y - 1/y; (4^n - 1) times them in tanh.
_COTH = np.array(
    [(-1) ** (n + 1) * 2 * float(zeta(2 * n)) / math.pi ** (2 * n) for n in range(1, 13)]
)
_TANH_TERMS = 10


@part
def log_ratio(ratio: float, gap: float) -> float:
    """-log ratio, of a ratio of at most 1 that is 1 - gap."""
    return -math.log1p(-gap) if ratio > 0.5 else -math.log(ratio)


@part
def stretch(x: float, depth: float) -> float:
    """S = tanh(Nx/2)/tanh(x/2), N at x = 0."""
    return math.tanh(0.5 * depth * x) / math.tanh(0.5 * x) if x > 0 else depth


@part
def steepness(x: float, depth: float) -> float:
    """(σ_k - σ_l)/(λ_k - λ_l) at λ_k = 1, λ_l = e^{-x}."""
    return math.expm1(-depth * x) / math.expm1(-x) if x > 0 else depth


@part
def shortfall(x: float, S: float, depth: float) -> float:
    """N - S without cancellation: a series where Nx is small."""
    y = 0.5 * x
    if depth * y >= 0.3:
        return depth - S
    if y == 0:
        return 0.0
    series = 0.0
    for n in range(_TANH_TERMS - 1, 0, -1):
        power = 2 * n + 1
        term = (4.0 ** (n + 1) - 1) * _COTH[n]
        series = series * (y * y) + term * (depth - depth**power)
    return series * (y * y) * (y / math.tanh(y))


@part
def _langevin(y: float) -> float:
    """Coth y - 1/y."""
    if abs(y) >= 0.5:
        return 1 / math.tanh(y) - 1 / y
    series = 0.0
    for n in range(len(_COTH) - 1, -1, -1):
        series = series * (y * y) + _COTH[n]
    return y * series


@part
def pull(t: float, depth: float) -> float:
    """φ(t) of Menon (12.8); at depth inf the limit of φ/N."""
    if depth == np.inf:
        return 0.5 * (1 - _langevin(t))
    if abs(t) > 1:
        return 1 / math.expm1(2 * t / depth) - depth / math.expm1(2 * t)
    return 0.5 * (depth - 1 - depth * _langevin(t) + _langevin(t / depth))


@part
def quotient(larger: float, x: float, depth: float) -> float:
    """K of two singular values, larger and larger e^{-x}."""
    if larger == 0:
        return 1.0 if depth == 1 else 0.0
    if depth == np.inf:
        return larger * larger * (-math.expm1(-2 * x) / (2 * x) if x > 0 else 1.0)
    factor = math.expm1(-2 * x) / math.expm1(-2 * x / depth) if x > 0 else depth
    return larger ** (2 - 2 / depth) * factor
