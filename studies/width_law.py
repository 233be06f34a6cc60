"""The law of large width at any κ, from its equilibrium problem.

For E = ½ Tr WᵀW the gas of x = βσ²/d has, θ = 1/N and t = 2κ - 1, the density e^{-d² I/(2κ)},

    I = ∫ x dμ - ½ ∬ [log|x - y| + t log|x^θ - y^θ|] dμ dμ  for large d,

positive definite as t > -1; of β only x knows. Its minimiser μ has, where it lives,

    x = ⨍ [x/(x - y) + tθ x^θ/(x^θ - y^θ)] dμ(y),

an equation of Wiener and Hopf in log x with the symbol K(s) = π cot πs + tπ cot πNs. With P free of
zeros and poles in Re s ≥ 0, growing like √s, P(s) P(-s) = s K(s), a law that begins at x = 0 has

    ∫ x^s dμ = L^s P(0) / ((1 + s) P(s)),  L = P(0) P(1)  its upper edge,  P(0)² = 1 + t/N.

For κ ≥ ½ this is μ. For κ < ½, N > 1, the zeros of K nearest to 0 are no longer real, the formula's
density changes sign near x = 0, and μ begins at a > 0: it is then computed by collocation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

TERMS = 600  # of the series of the density, for each root in (0, 1)
NODES = 80  # of the collocation
_LOG_Y = np.arange(-50.0, 60.0, 0.1)


class Law(NamedTuple):
    """μ: its interval, ∫ x^k dμ, k = 0 ... 4, density, and what carries its edge to Tracy-Widom.

    ``scale`` is A in ρ ≈ A^{3/2} √(high - x)/π, as of ``equilibrium.limit_edge_scale``.
    """

    low: float
    high: float
    moments: Any
    density: Callable[[Any], Any]
    scale: float


@functools.cache
def law(depth: float, kappa: float) -> Law:
    """The law of x = βσ²/d; whole depths, κ > 0, not just below ½."""
    if not (kappa > 0 and depth >= 1 and float(depth).is_integer()):
        raise ValueError(f"depth must be whole and kappa positive, not {depth:g} and {kappa:g}")
    if depth == 1 or kappa == 0.5:  # Marchenko and Pastur
        depth, kappa, stretch = 1.0, 0.5, kappa if depth == 1 else 0.5
        first = _touching(depth, kappa)
        return Law(
            0.0,
            2 * stretch * first.high,
            first.moments * (2 * stretch) ** np.arange(5),
            lambda x: first.density(np.asarray(x) / (2 * stretch)) / (2 * stretch),
            first.scale / (2 * stretch),
        )
    return _touching(depth, kappa) if kappa > 0.5 else _apart(depth, kappa)


def symbol_factor(s: Any, depth: float, kappa: float) -> Any:
    r"""P(s), s ≥ 0: log P(s) = (s/π) ∫_0^∞ log(πy coth πy + tπy coth πNy) dy/(s² + y²)."""
    s, y, t = np.asarray(s, dtype=float), np.exp(_LOG_Y), 2 * kappa - 1
    known = 0.5 * np.log1p(y * y)  # of √(1 + s)
    rest = np.log(np.pi * y * (1 / np.tanh(np.pi * y) + t / np.tanh(np.pi * depth * y))) - known
    nodes = s[..., None] * y / (s[..., None] ** 2 + y * y)
    value = np.sqrt(1 + s) * np.exp((nodes @ rest) * 0.1 / np.pi)
    return np.where(s == 0, np.sqrt(1 + t / depth), value)[()]


def _roots(depth: int, t: float) -> Any:
    """The zeros of K in (0, 1): one between any two poles, for K falls. Its period is 1."""

    def numerator(s: float) -> float:
        pi = np.pi
        return (1 + t) * np.sin(pi * (depth + 1) * s) + (1 - t) * np.sin(pi * (depth - 1) * s)

    tiny = 1e-9
    return np.array([brentq(numerator, (k + tiny) / depth, (k + 1 - tiny) / depth, xtol=1e-15)
                     for k in range(depth)])  # fmt: skip


def _touching(depth: float, kappa: float) -> Law:
    t = 2 * kappa - 1
    zero, one = symbol_factor(np.array([0.0, 1.0]), depth, kappa)
    high, k = zero * one, np.arange(5)
    moments = high**k * zero / ((1 + k) * symbol_factor(k, depth, kappa))
    own = _roots(int(depth), t)
    roots = (own + np.arange(TERMS)[:, None]).ravel()
    one_bend, other = (np.pi / np.sin(np.pi * n * own) for n in (1, depth))
    bend = one_bend**2 + t * depth * other**2  # -K'
    factor = np.concatenate([symbol_factor(part, depth, kappa) for part in np.split(roots, 100)])
    weight = zero * factor / ((1 - roots) * roots * np.tile(bend, TERMS))

    def density(x: Any) -> Any:
        x = np.asarray(x, dtype=float)
        inside = (x > 0) & (x < high)
        share = np.log(x[inside] / high)
        answer = np.zeros(x.shape)
        answer[inside] = np.array([weight @ np.exp((roots - 1) * u) for u in share]) / high
        return answer

    return Law(0.0, high, moments, density, np.cbrt(4 * zero**2 / (1 + t)) / high)


def _apart(depth: float, kappa: float) -> Law:
    """In u = log x, |u - log C| ≤ ℓ, ρ = √(1 - τ²) Σ c_j U_j(τ) against du, τ = (u - log C)/ℓ."""
    t, theta = 2 * kappa - 1, 1 / depth
    angle = np.pi * np.arange(1, NODES + 1) / (NODES + 1)
    sine = np.sin(angle[:, None] * np.arange(1, NODES + 1))  # U_j(τ') sin φ', ∫ = Σ weight
    places = np.pi * (np.arange(NODES + 1) + 0.5) / (NODES + 1)
    tau = np.cos(places)
    own = (1 + t) * np.pi * np.cos(places[:, None] * np.arange(1, NODES + 1))

    def solve(length: float) -> Any:
        gaps = length * (tau[:, None] - np.cos(angle))
        smooth = _bernoulli(gaps) + t * theta * _bernoulli(theta * gaps)
        weight = np.pi / (NODES + 1) * np.sin(angle)
        system = np.zeros((NODES + 2, NODES + 2))
        system[:-1, :NODES] = own + length * (smooth * weight) @ sine
        system[:-1, NODES] = -np.exp(length * (tau - 1))
        system[:-1, NODES + 1] = 1.0
        system[-1, 0] = length * np.pi / 2
        return np.linalg.solve(system, np.eye(NODES + 2)[-1])

    grid = np.arange(1.0, 30.0, 0.5)  # C is positive and what does not fit changes sign
    left = [solve(length)[-1] for length in grid]
    k = next((k for k in range(len(grid) - 1) if left[k] * left[k + 1] < 0), None)
    if k is None:
        raise ValueError(f"at κ = {kappa:g} the law begins below e^-59 of its upper edge")
    length = brentq(lambda h: solve(h)[-1], grid[k], grid[k + 1], xtol=1e-13)
    *c, high, _ = solve(length)
    high, c = float(high), np.array(c)
    weight = length * np.pi / (NODES + 1) * np.sin(angle) * (sine @ c)
    x = high * np.exp(length * (np.cos(angle) - 1))
    moments = np.array([weight @ x**k for k in range(5)])
    steep = c @ np.arange(1, NODES + 1)
    scale = (np.pi * np.sqrt(2 / length) * steep / high**1.5) ** (2 / 3)
    low = high * np.exp(-2 * length)

    def density(x: Any) -> Any:
        x = np.asarray(x, dtype=float)
        inside = (x > low) & (x < high)
        place = np.arccos(1 + np.log(x[inside] / high) / length)
        answer = np.zeros(x.shape)
        answer[inside] = np.sin(place[..., None] * np.arange(1, NODES + 1)) @ c / x[inside]
        return answer

    return Law(low, high, moments, density, scale)


def _bernoulli(w: Any) -> Any:
    """1/(1 - e^{-w}) - 1/w."""
    near = np.abs(w) < 1e-2
    far = np.where(near, 1.0, w)
    series = 0.5 + w / 12 - w**3 / 720
    return np.where(near, series, -1 / np.expm1(-far) - 1 / far)
