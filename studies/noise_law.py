"""What theory says of noise on problem 14.1, and the radial process that it leads to.

λ = σ^{1/N}, E = ½((W_11 - 1)² + (W_22 - 1)²), time is t/β. Far out the pair (λ_1, λ_2) moves by the
generator (κΔ + (½ - κ) ∇ log h · ∇)/N, h = (λ_1^{2N} - λ_2^{2N})/(λ_1² - λ_2²), of degree 2N - 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import solve_banded

CORE = 2.0  # λ_1² + λ_2² where the radial process is reflected: the σ of the identity


def dimension(depth: float, kappa: float) -> float:
    """δ of the squared Bessel process that λ_1² + λ_2² is far out."""
    return 2 + (depth - 1) * (1 / kappa - 2)


def drift(depth: float, kappa: float, beta: float) -> float:
    """The mean of d(λ_1² + λ_2²)/dt far out, 2κδ/(βN); at κ = 0 its limit."""
    return 2 * (2 * kappa + (depth - 1) * (1 - 2 * kappa)) / (beta * depth)


def exponent(depth: float, kappa: float) -> float:
    """The p of E|W_12| ~ t^p: N/2 where δ ≥ 0 (over log t at δ = 0), (N + δ)/2 where δ < 0."""
    return depth / 2 if kappa == 0 else (depth + min(dimension(depth, kappa), 0.0)) / 2


def _angles(depth: float, kappa: float) -> tuple[Any, Any]:
    """θ, tan θ = λ_2/λ_1, and its density in the long run, (h/R^{2N-2})^{1/(2κ) - 1}."""
    theta = np.linspace(0, np.pi / 4, 4001)
    x, y = np.cos(theta) ** 2, np.sin(theta) ** 2
    h = sum(x**k * y ** (depth - 1 - k) for k in range(int(depth)))
    return theta, h ** (1 / (2 * kappa) - 1)


def ratio(depth: float, kappa: float) -> float:
    """The median of σ_2/σ_1 = tan^N θ in the long run."""
    theta, weight = _angles(depth, kappa)
    share = np.concatenate([[0.0], np.cumsum(weight[1:] + weight[:-1])])
    return float(np.tan(np.interp(0.5, share / share[-1], theta)) ** depth)


def unseen(depth: float, kappa: float) -> Callable[[Any, float], Any]:
    """E[R^N cos^N θ + R^N sin^N θ]/2 as a function of time and of the core, by the radial process.

    R has its law, θ independent of it that of the long run: E|W_12| for |W_12| = R^N cos^N θ,
    |W_21| = R^N sin^N θ or the other way round.
    """
    theta, weight = _angles(depth, kappa)
    share = (np.cos(theta) ** depth + np.sin(theta) ** depth) / 2
    mean = np.trapezoid(share * weight, theta) / np.trapezoid(weight, theta)
    times = np.geomspace(1e-3, 1e5, 161)
    R, laws = radial(depth, kappa, times)
    known = np.log(mean * (laws @ R**depth))

    def at(t: Any, core: float) -> Any:
        scale = core / CORE
        log_t = np.log(t / scale)
        inside = np.interp(log_t, np.log(times), known, left=np.nan, right=np.nan)
        return scale ** (depth / 2) * np.exp(inside)

    return at


def radial(depth: float, kappa: float, times: Any, step: float = 0.01) -> tuple[Any, Any]:
    """R and its law (time, R) at increasing times, of the Bessel process from R² = CORE.

    The generator is (κ/N)(∂² + (δ - 1)/R ∂), reflected at the start: finite volumes in log R, and
    implicit steps in time, each a share of the time that has gone.
    """
    delta, low = dimension(depth, kappa), np.log(CORE) / 2
    high = np.log(12 * np.sqrt(CORE + 2 * kappa * times[-1] / depth))
    s, gap = np.linspace(low, high, 3000, retstep=True)
    ends = np.linspace(low, high + gap, 3001)
    flow = kappa / depth * np.exp((delta - 2) * (ends[1:-1] - low)) / gap
    mass = np.exp(delta * (s + gap / 2 - low)) * gap * np.exp(2 * low)
    up, down = flow / mass[:-1], flow / mass[1:]
    law = np.zeros(s.size)
    law[0], now, laws = 1.0, 0.0, []
    for t in times:
        first = now or min(step * CORE, t / 2)
        parts = np.diff(np.geomspace(first, t, 2 + int(np.log(t / first) / step)), prepend=now)
        for h in parts[parts > 0]:
            bands = np.zeros((3, s.size))
            bands[0, 1:], bands[2, :-1] = -h * down, -h * up
            bands[1] = 1.0
            bands[1, :-1] += h * up
            bands[1, 1:] += h * down
            law = solve_banded((1, 1), bands, law)
        laws.append(law)
        now = t
    return np.exp(s + gap / 2), np.array(laws)
