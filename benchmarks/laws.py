"""Exact laws of the Langevin equation (12.12) at κ = 1, to measure weak errors by.

In λ = σ^{1/N} the process is a gradient diffusion of strength s² = 2/(βN) whose density, without an
energy, is Π |λ_k² - λ_l²| √K_kl: homogeneous of degree D - d with D = d + (N+1) d(d-1)/2.
Reflection at λ_d = 0 changes neither law below, nor does a passage to the other sign of det W.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.stats import ncx2

from benchmarks.harness import Answer
from benchmarks.peers.langevin import Problem

Array = Any


def dimension(d: int, depth: int) -> float:
    """D above."""
    return d + (depth + 1) * d * (d - 1) / 2


class Law(Protocol):
    """A problem whose outcome at T is known."""

    name: str
    problem: Problem
    time: float

    def starts(self, paths: int, seed: int) -> Array:
        """First matrices (path, d, d)."""
        ...

    def error(self, ends: Array, starts: Array) -> Answer:
        """Signed relative errors of the two moments, and the larger standard error."""
        ...


def _answer(samples: list[Array], exact: list[float]) -> Answer:
    """Relative errors of means against exact ones."""
    errors = tuple(float(x.mean() / m - 1) for x, m in zip(samples, exact, strict=True))
    spreads = [
        float(x.std(ddof=1)) / abs(m) / math.sqrt(len(x))
        for x, m in zip(samples, exact, strict=True)
    ]
    return Answer(errors, tuple(spreads))


@dataclass(frozen=True)
class RadialLaw:
    """No energy, weight decay γ: R² = Σ σ^{2/N} is a squared Bessel process drawn towards 0.

    R²(T) is v times a noncentral χ² of D degrees, v = s² (1 - e^{-2γT}) / 2γ, of noncentrality
    e^{-2γT} R²(0) / v. The errors are those of E R² and E R⁴.
    """

    problem: Problem
    time: float
    name: str

    def starts(self, paths: int, seed: int) -> Array:
        return np.broadcast_to(self.problem.start(), (paths, self.problem.d, self.problem.d))

    def moments(self) -> list[float]:
        """E R² and E R⁴ at T."""
        one, N, decay = self.problem, self.problem.depth, self.problem.decay
        strength = 2 / (one.beta * N)
        v = strength * -math.expm1(-2 * decay * self.time) / (2 * decay)
        start = squares(one.start(), N) * math.exp(-2 * decay * self.time)
        law = ncx2(dimension(one.d, N), start / v)
        mean = law.mean()
        return [float(v * mean), float(v * v * (law.var() + mean**2))]

    def error(self, ends: Array, starts: Array) -> Answer:
        found = squares(ends, self.problem.depth)
        return _answer([found, found**2], self.moments())


@dataclass(frozen=True)
class GibbsLaw:
    """E(W) = ½|W|², d = 2, begun in equilibrium: βE is of the Gamma law of shape D/2N at any time.

    The errors are those of the means of E and e^{-βE}, each less the start's, whose law is exact.
    """

    problem: Problem
    time: float
    name: str

    def starts(self, paths: int, seed: int) -> Array:
        """λ = r (cos θ, sin θ): θ by its cumulative distribution, r by a Gamma law given θ."""
        N, beta, rng = self.problem.depth, self.problem.beta, np.random.default_rng(seed)
        theta = np.linspace(0, np.pi / 4, 20_001)
        x, y = np.cos(theta) ** 2, np.sin(theta) ** 2
        K = sum(x ** (N - 1 - j) * y**j for j in range(N))
        energy, shape = (x**N + y**N) / 2, dimension(2, N) / (2 * N)
        density = (x - y) * np.sqrt(K) * energy**-shape
        steps = (density[1:] + density[:-1]) / 2
        total = np.concatenate([[0], np.cumsum(steps)])
        angle = np.interp(rng.random(paths) * total[-1], total, theta)
        r = (rng.gamma(shape, size=paths) / (beta * np.interp(angle, theta, energy))) ** (1 / N / 2)
        sigma = (r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)) ** N
        return sigma[:, :, None] * np.eye(2)

    def moments(self) -> list[float]:
        """The means of E and e^{-βE}."""
        shape = dimension(2, self.problem.depth) / (2 * self.problem.depth)
        return [shape / self.problem.beta, 2.0**-shape]

    def error(self, ends: Array, starts: Array) -> Answer:
        exact = self.moments()
        late, early = ((W**2).sum(axis=(1, 2)) / 2 for W in (ends, starts))
        gone, began = (np.exp(-self.problem.beta * energy) for energy in (late, early))
        return _answer([late - early + exact[0], gone - began + exact[1]], exact)


def squares(W: Array, depth: int) -> Array:
    """R² = Σ σ_k^{2/N}."""
    return (np.linalg.svd(W, compute_uv=False) ** (2 / depth)).sum(axis=-1)


LAWS: tuple[Law, ...] = (
    RadialLaw(Problem(2, 3, 2.0, 0.0, 0.0, 1.0), 0.5, "d = 2, weight decay, to T = 0.5"),
    RadialLaw(Problem(5, 3, 4.0, 0.0, 0.0, 1.0), 0.5, "d = 5, weight decay, to T = 0.5"),
    GibbsLaw(Problem(2, 3, 2.0, 1.0, 0.0), 0.5, "d = 2, in equilibrium, to T = 0.5"),
)
