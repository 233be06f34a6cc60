r"""How fast the drift of the Langevin equation changes, which bounds an explicit step.

On W the lifted energy has a Hessian of norm at most

.. math:: N\sigma_1^{2-2/N}\|E''(W)\| + (N-1)\,\sigma_1^{1-2/N}\|E'(W)\|_F,

a Lipschitz constant of its gradient; an explicit step longer than the inverse of that is cut
(derived).
"""

from __future__ import annotations

import math

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.energies import Energy
from dlngeo.spectral.square_svd import size

_NOISE, _NEWTON = 3.0, 6  # standard deviations of noise that are looked ahead; iterations


def lipschitz(
    energy: Energy | None, W: Array, sigma: Array, depth: float, bend: float = 1.0
) -> Array:
    """The bound above for the largest singular values σ_1, (path,); 0 without an energy.

    ``bend`` multiplies its second term; at infinite depth σ_1² ‖E''‖ + bend σ_1 ‖E'‖.
    """
    if energy is None:
        return np.zeros(len(W))
    return bound(energy, W, energy.gradient(W), sigma, depth, bend)


def bound(
    energy: Energy, W: Array, slope: Array, sigma: Array, depth: float, bend: float = 1.0
) -> Array:
    """:func:`lipschitz` where E'(W) is known."""
    steep, curved = size(slope), curvature(energy, W)
    if math.isinf(depth):
        return np.asarray(sigma**2 * curved + bend * sigma * steep)
    second = sigma ** (1 - 2 / depth) * steep if depth > 1 else 0.0
    return np.asarray(depth * sigma ** (2 - 2 / depth) * curved + bend * (depth - 1) * second)


def curvature_bound(energy: Energy) -> float | None:
    """What the norm of E'' exceeds nowhere, where the energy says it."""
    for name in ("hessian_norm", "hessian_bound"):
        bound = getattr(energy, name, None)
        if bound is not None:
            return _checks.non_negative(bound, f"the energy's {name}")
    return None


def curvature(energy: Energy, W: Array) -> Array | float:
    """The norm of E''(W): what the energy says that it never exceeds; else from below.

    Then by three products with it from one fixed direction.
    """
    constant = curvature_bound(energy)
    if constant is not None:
        return constant
    Z = np.random.default_rng(0).standard_normal(W.shape[-2:])
    Z = np.broadcast_to(Z / np.linalg.norm(Z), W.shape)
    size = np.zeros(len(W))
    for _ in range(3):
        Z = energy.hessian(W, Z)
        size = np.linalg.norm(Z, axis=(-2, -1))
        turns = np.isfinite(size) & (size > 0)
        Z = np.where(turns[:, None, None], Z / np.where(turns, size, 1.0)[:, None, None], 0.0)
    return size


def lipschitz_ahead(rate: Array, top: Array, depth: float, spread: float) -> Array:
    r"""A Lipschitz constant where noise may lead: the inverse of the longest step h allowed.

    .. math:: h\,R\,(1 + s\sqrt h/\lambda_1)^{2N-2} = 1

    with R the rate at hand, λ_1 = ``top`` (σ_1 at depth inf, where the power is e^{2s√h}) and s
    three standard deviations of its noise in unit time (derived). So a step is as short as it must
    be before its noise is known: to refuse steps for where they led would favour the others.
    """
    far = _NOISE * spread
    there = np.isfinite(rate) & (rate > 0) & (top > 0)
    log_rate = np.log(np.where(there, rate, 1.0))
    u = -log_rate  # of log h: Newton's method from above, on a convex function
    for _ in range(_NEWTON):
        root = far * np.exp(0.5 * u)
        if math.isinf(depth):
            miss, slope = u + log_rate + 2 * root, 1 + root
        else:
            way = root / np.where(there, top, 1.0)
            miss = u + log_rate + (2 * depth - 2) * np.log1p(way)
            slope = 1 + (depth - 1) * way / (1 + way)
        u = u - miss / slope
    return np.where(there, np.exp(-u), rate)


def pole(lam: Array, depth: float, beta: float, kappa: float) -> Array:
    """The drift's Lipschitz constant without an energy: a pole where two λ vanish (derived)."""
    if depth == 1 or lam.shape[-1] == 1:
        return np.zeros(lam.shape[:-1])
    return np.asarray(2 * (depth - 1) * (1 + kappa) / beta / (lam[..., -2] + lam[..., -1]) ** 2)
