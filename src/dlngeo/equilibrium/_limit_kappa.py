r"""The law of large width at other κ: the solution of its equilibrium problem.

The gas of x = βσ²/d has, with a = 1/(2κ) and b = 1 - a, the density e^{-d² κ I}, where

.. math:: I = \int \frac{x}{\kappa}d\mu
   - \iint [a\log|x - y| + b\log|x^{1/N} - y^{1/N}|]\,d\mu\,d\mu

up to what vanishes as d → ∞. That nothing pulls at any x is an equation of Wiener and Hopf in
log x, with the symbol 𝒦(s) = π(a cot πs + b cot πNs). With P free of zeros and poles in Re s ≥ 0,
growing like √s, and P(s)P(-s) = s𝒦(s), a law that begins at x = 0 has

.. math:: \int x^s d\mu = \frac{L^s P(0)}{(1+s)P(s)},\qquad L = 2\kappa P(0)P(1),\qquad
   P(0)^2 = a + \frac bN,

L its upper edge. For κ ≥ ½ (or N = 1) that is a positive density and nothing pulls at x outwards;
for other κ the law leaves zero. Source: derived; docs/studies.md says how.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.optimize import brentq

from dlngeo._checks import Array

_STEP = 0.13  # in log y: what is analytic within π/4 of the line is integrated to rounding
_LOWEST, _HIGHEST = -20.0, 18.0
_NODES, _TAKEN, _SIZE = 32, 24, 50.3  # of the hyperbola: some 1e-13 within a factor of 2


def factor(s: Array, depth: float, kappa: float) -> Array:
    r"""P at complex s off the negative axis.

    .. math:: \log P(s) = \frac s\pi\int_0^\infty\frac{\log h(y)}{s^2 + y^2}\,dy,\qquad
       h(y) = \pi y\,(a\coth\pi y + b\coth\pi Ny)

    along the ray arg y = arg(s)/2; s𝒦(s)/P(-s) for Re s < 0.
    """
    left = s.real < 0
    direct = _right(np.where(left, -s, s), depth, kappa)
    other = np.where(left, s, 1j)
    return np.asarray(np.where(left, _symbol(other, depth, kappa) * other / direct, direct))


@functools.lru_cache(maxsize=64)
def edge(depth: float, kappa: float) -> float:
    """L = 2κ P(0) P(1)."""
    one = complex(_right(np.array([1.0 + 0j]), depth, kappa)[0]).real
    return 2 * kappa * math.sqrt(_at_zero(depth, kappa)) * one


def moments(depth: float, n: int, kappa: float) -> Array:
    """∫ x^k dμ, k = 0 ... n."""
    k = np.arange(n + 1.0)
    P = np.append(math.sqrt(_at_zero(depth, kappa)), _right(k[1:] + 0j, depth, kappa).real)
    return np.asarray(edge(depth, kappa) ** k * P[0] / ((1 + k) * P))


def density(x: Array, high: float, depth: float, kappa: float) -> Array:
    r"""The density at 0 < x < L, ``high``, from ∫ x^s dμ as a Laplace transform in u = log(L/x).

    It is inverted along a hyperbola about the singularities, all at s ≤ -r (Weideman and Trefethen,
    2007), one for all u between two powers of 2, with e^{-ru} in front.
    """
    near = np.log1p((np.maximum(x, high / 2) - high) / high)
    u = -np.where(x > high / 2, near, np.log(x) - math.log(high))
    first, octave = _first_root(depth, kappa), np.frexp(u)[1]
    turn = 1.1721 - 0.3443j * math.pi * (np.arange(_TAKEN) * 2 + 1) / _NODES
    z, slope = _SIZE * (1 - np.sin(turn)), _SIZE * 0.3443j * np.cos(turn)
    answer = np.empty(u.shape)
    for k in np.unique(octave):
        some, unit = octave == k, 2.0 ** (k - 0.5)
        s = z / unit - first
        weight = slope * 2 / (1j * _NODES * unit * (1 + s) * factor(s, depth, kappa))
        answer[some] = (np.exp(u[some, None] / unit * z) * weight).sum(axis=1).real
    front = math.sqrt(_at_zero(depth, kappa)) * np.exp(-first * u)
    with np.errstate(over="ignore"):  # beyond all floats next to zero
        return np.maximum(front * answer, 0.0) / x


def _plain(depth: float, kappa: float) -> float:
    """A depth that is infinite to rounding, or would overflow, as infinite."""
    return depth if depth < min(1e17 * kappa, 1e290) else math.inf


def _at_zero(depth: float, kappa: float) -> float:
    """P(0)²."""
    a = 1 / (2 * kappa)
    return a + (1 - a) / depth


def _right(s: Array, depth: float, kappa: float) -> Array:
    """P at Re s >= 0, less what h without its waves, the root of h(0)² + (πy)², contributes."""
    a, zero = 1 / (2 * kappa), _at_zero(depth, kappa)
    depth = _plain(depth, kappa)
    lowest = _LOWEST - (math.log(depth) if math.isfinite(depth) else max(math.log(kappa), 0.0))
    size = np.exp(np.arange(lowest, _HIGHEST, _STEP))
    turn = np.exp(0.5j * np.angle(s))[..., None]
    y = math.pi * turn * size
    deep = y if math.isinf(depth) else y / np.tanh(depth * y)
    rest = np.log(a * y / np.tanh(y) + (1 - a) * deep) - 0.5 * np.log(zero**2 + y**2)
    pole = s[..., None] / turn
    total = (rest * pole * size / (pole**2 + size**2)).sum(axis=-1) * _STEP / math.pi
    return np.asarray(np.sqrt(zero + math.pi * s) * np.exp(total))


def _symbol(s: Array, depth: float, kappa: float) -> Array:
    a = 1 / (2 * kappa)
    depth = _plain(depth, kappa)
    deep = -1j * np.sign(s.imag) if math.isinf(depth) else 1 / np.tan(math.pi * depth * s)
    return np.asarray(math.pi * (a / np.tan(math.pi * s) + (1 - a) * deep))


def _first_root(depth: float, kappa: float) -> float:
    """The least zero of 𝒦 at s > 0: κ sin π(N+1)r = (κ - 1) sin π(N-1)r."""
    if math.isinf(_plain(depth, kappa)):
        return 0.0

    def falling(s: float) -> float:
        one, two = (math.sin(math.pi * (depth + step) * s) for step in (1, -1))
        return one - (1 - 1 / kappa) * two

    most = min(1 / depth, 0.75)
    if falling(most) >= 0:  # κ is ½ but for rounding
        return most
    return float(brentq(falling, 1e-9 / depth, most, xtol=1e-300, rtol=8.9e-16))
