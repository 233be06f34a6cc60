"""The law of large width at any κ: the library's at κ ≥ ½, by collocation below.

For E = ½ Tr WᵀW the gas of x = βσ²/d has, θ = 1/N and t = 2κ - 1, the density e^{-d² I/(2κ)},

    I = ∫ x dμ - ½ ∬ [log|x - y| + t log|x^θ - y^θ|] dμ dμ  for large d,

positive definite as t > -1; of β only x knows. Its minimiser μ has, where it lives,

    x = ⨍ [x/(x - y) + tθ x^θ/(x^θ - y^θ)] dμ(y),

an equation of Wiener and Hopf in log x with the symbol K(s) = π cot πs + tπ cot πNs. Where μ begins
at x = 0, ``equilibrium.limit_moments`` and its neighbours have its solution, at κ ≥ ½. For κ < ½,
N > 1, the zeros of K nearest to 0 are no longer real, that formula's density changes sign near
x = 0, and μ begins at a > 0: it is then computed by collocation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

import dlngeo as dln

NODES = 80  # of the collocation


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
    """The law of x = βσ²/d; κ > 0, not just below ½."""
    if not (kappa > 0 and depth >= 1):
        raise ValueError(f"kappa must be positive and depth >= 1, not {kappa:g} and {depth:g}")
    if kappa < 0.5 and depth > 1:
        return _apart(depth, kappa)
    of = dln.equilibrium
    return Law(
        *of.limit_support(depth, kappa=kappa),
        of.limit_moments(depth, 4, kappa=kappa),
        lambda x: of.limit_density(x, depth, kappa=kappa),
        of.limit_edge_scale(depth, kappa=kappa),
    )


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
