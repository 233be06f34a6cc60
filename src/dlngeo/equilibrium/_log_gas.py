r"""The gas of singular values and its sampler, Hamiltonian Monte Carlo in logarithms of gaps.

The Gibbs measure of :mod:`dlngeo.equilibrium` gives to w_1 > ... > w_r, w = log σ, the density

.. math:: \log\rho = -\tfrac\beta\kappa V(\sigma) + \sum_k\Big[2(r-k)\big(a+\tfrac bN\big)
   + \tfrac{c+1}N\Big]w_k + \sum_{k<l}\big[a\log(1-e^{-2\Delta_{kl}})
   + b\log(1-e^{-2\Delta_{kl}/N})\big]

with Δ_kl = w_k - w_l, a = 1/(2κ), b = 1 - a, and c the power of λ = σ^{1/N} that rectangular or
bottlenecked networks add; at depth inf log Δ stands in place of log(1 - e^{-2Δ/N}). For V = ½Σσ²
and κ >= ½ it is concave, but the chambers w_k > w_{k+1} have walls. In

.. math:: y_1 = w_1, \qquad y_{k+1} = \log(w_k - w_{k+1})

there are none, every Δ is a sum of positive terms, and the density is smooth. The metric of the
sampler is the Hessian at the mode, which takes the long waves and the single gaps to one scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from dlngeo._callbacks import Callback, stops
from dlngeo._checks import Array

Potential = Callable[[Array], tuple[Array, Array]]  # sigma -> value (...), slope (..., r)

_LARGEST_SUM = 8  # whole depths up to here: 1 - z^N from 1 - z by a sum
_ACCEPTANCE = 0.8


class LogGas(NamedTuple):
    """A density of singular values: what the head of this file calls V, β/κ, a, N and c."""

    potential: Potential
    strength: float  # β/κ
    share: float  # a = 1/(2κ)
    depth: float
    extra: float  # c
    size: int  # r

    def log_density(self, y: Array) -> Array:
        """Log density against dy, up to a constant, ``(...)``."""
        drop, w = _positions(y)
        whole, part = _closeness(_pair_gaps(drop), self.depth)
        pairs = self.share * np.log(whole) + (1 - self.share) * np.log(part)
        value = self.potential(np.exp(w))[0]
        linear = (self._powers() * w).sum(axis=-1) + y[..., 1:].sum(axis=-1)
        return np.asarray(linear + pairs.sum(axis=-1) - self.strength * value)

    def force(self, y: Array) -> Array:
        """The gradient of :meth:`log_density`, ``(..., r)``."""
        drop, w = _positions(y)
        gaps = _pair_gaps(drop)
        whole, part = _closeness(gaps, self.depth)
        rest = 1 - self.share
        if math.isinf(self.depth):
            repulsion = 2 * self.share * (1 / whole - 1) + rest / gaps
        else:
            repulsion = 2 * self.share * (1 / whole - 1) + 2 * rest / self.depth * (1 / part - 1)
        sigma = np.exp(w)
        force_on_w = self._powers() - self.strength * sigma * self.potential(sigma)[1]
        force_on_w = force_on_w + _scatter(repulsion, self.size)
        behind = np.cumsum(force_on_w[..., ::-1], axis=-1)[..., ::-1]  # Σ_{l>=k}
        force = np.ones_like(y)
        force[..., 0] = behind[..., 0]
        force[..., 1:] -= np.exp(y[..., 1:]) * behind[..., 1:]
        return force

    def _powers(self) -> Array:
        """The coefficients of w_k."""
        behind = np.arange(self.size - 1, -1, -1)
        pair = self.share + (1 - self.share) / self.depth
        return 2 * pair * behind + (self.extra + 1) / self.depth


class Chains(NamedTuple):
    """What the sampler hands back, path by path."""

    log_sigma: Array  # (path, draw, r), decreasing
    log_density: Array  # (path, draw), against dy
    acceptance: Array  # (path,)


def sample_log_gas(
    gas: LogGas,
    generators: Sequence[np.random.Generator],
    *,
    n_draws: int,
    warmup: int,
    thin: int,
    callback: Callback | None = None,
) -> Chains:
    """Run one chain a generator; no chain depends on the others."""
    centre, scale = _laplace(gas)
    paths, r, moves = len(generators), gas.size, warmup + n_draws * thin
    leaps = 1 + math.ceil(1.4 * r**0.28)  # about a quarter of an oscillation
    z = 1.2 * np.stack([g.standard_normal(r) for g in generators])
    target = _Whitened(gas, centre, scale)
    level, force = target.level(z), target.force(z)
    log_step = np.full(paths, math.log(1.6 / leaps))
    averaged = log_step.copy()
    kept, levels = np.empty((paths, n_draws, r)), np.empty((paths, n_draws))
    accepted = np.zeros(paths)
    for move in range(moves):
        noise = np.stack([g.standard_normal(r) for g in generators])
        uniform = np.stack([g.random(2) for g in generators])
        step = np.exp(log_step) * (0.8 + 0.4 * uniform[:, 0])
        with np.errstate(all="ignore"):  # a leap too far overflows, and is refused
            proposal, momentum, ahead = _leapfrog(target, z, noise, force, step, leaps)
            height = target.level(proposal)
            change = height - level - 0.5 * (momentum**2 - noise**2).sum(axis=-1)
        change = np.where(np.isfinite(change) & np.isfinite(ahead).all(axis=-1), change, -np.inf)
        chance = np.exp(np.minimum(change, 0.0))
        taken = uniform[:, 1] < chance
        z = np.where(taken[:, None], proposal, z)
        force = np.where(taken[:, None], ahead, force)
        level = np.where(taken, height, level)
        if move < warmup:
            log_step = log_step + (chance - _ACCEPTANCE) / (move + 2) ** 0.5
            averaged = averaged + (log_step - averaged) * min(1.0, 3 / (move + 3))
            if move == warmup - 1:
                log_step = averaged
            continue
        accepted += chance
        draw, left = divmod(move - warmup + 1, thin)
        if left == 0:
            kept[:, draw - 1], levels[:, draw - 1] = z, level
            if stops(callback, draw, np.exp(_positions(target.point(z))[1])):
                break
    log_sigma = _positions(target.point(kept[:, :draw]))[1]
    return Chains(log_sigma, levels[:, :draw], accepted / (draw * thin))


class _Whitened(NamedTuple):
    """The density in z, y = centre + scale z."""

    gas: LogGas
    centre: Array
    scale: Array

    def point(self, z: Array) -> Array:
        return np.asarray(self.centre + (self.scale @ z[..., None])[..., 0])

    def level(self, z: Array) -> Array:
        return self.gas.log_density(self.point(z))

    def force(self, z: Array) -> Array:
        return np.asarray((self.scale.T @ self.gas.force(self.point(z))[..., None])[..., 0])


def _leapfrog(
    target: _Whitened, z: Array, momentum: Array, force: Array, step: Array, leaps: int
) -> tuple[Array, Array, Array]:
    step = step[:, None]
    momentum = momentum + 0.5 * step * force
    for leap in range(leaps):
        z = z + step * momentum
        force = target.force(z)
        momentum = momentum + (step if leap < leaps - 1 else 0.5 * step) * force
    return z, momentum, force


def _laplace(gas: LogGas) -> tuple[Array, Array]:
    """The mode in y, and a matrix whose product with its transpose is the inverse Hessian there."""
    r = gas.size
    start = np.full(r, -math.log(max(r, 2)))
    levels = np.linspace(-60, 60, 481)
    tried = np.tile(start, (levels.size, 1))
    tried[:, 0] = levels
    with np.errstate(all="ignore"):
        heights = gas.log_density(tried)
        start[0] = levels[np.argmax(np.where(np.isfinite(heights), heights, -np.inf))]

        def fall(y: Array) -> tuple[float, Array]:
            value, slope = -float(gas.log_density(y)), -gas.force(y)
            return (value, slope) if math.isfinite(value) else (1e300, np.zeros(r))

        centre = minimize(
            fall, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "maxcor": 30}
        ).x
    width = 1e-4
    shifts = width * np.eye(r)
    bend = (gas.force(centre + shifts) - gas.force(centre - shifts)) / (2 * width)
    curvatures, axes = np.linalg.eigh(-(bend + bend.T) / 2)
    floor = max(1e-6 * abs(curvatures[-1]), 1e-3 * abs(curvatures).min(), 1e-300)
    return np.asarray(centre), np.asarray(axes / np.sqrt(np.maximum(curvatures, floor)))


def _positions(y: Array) -> tuple[Array, Array]:
    """How far each w lies below the first, and w."""
    drop = np.zeros_like(y)
    np.cumsum(np.exp(y[..., 1:]), axis=-1, out=drop[..., 1:])
    return drop, y[..., :1] - drop


def _pair_gaps(drop: Array) -> Array:
    """Δ_kl of the pairs k < l, in lexicographic order, ``(..., r(r-1)/2)``."""
    k, l = np.triu_indices(drop.shape[-1], 1)  # noqa: E741
    # take, unlike an index, lays the pairs of one path side by side: sums know nothing of the rest
    return np.asarray(np.take(drop, l, axis=-1) - np.take(drop, k, axis=-1))


def _closeness(gaps: Array, depth: float) -> tuple[Array, Array]:
    """1 - e^{-2Δ} and 1 - e^{-2Δ/N}; Δ in place of the latter at depth inf."""
    if math.isinf(depth):
        return -np.expm1(-2 * gaps), gaps
    part = -np.expm1(-2 * gaps / depth)
    if depth > _LARGEST_SUM or not float(depth).is_integer():
        return -np.expm1(-2 * gaps), part
    z, total = 1 - part, np.ones_like(part)
    for _ in range(int(depth) - 1):
        total = total * z + 1
    return part * total, part


def _scatter(repulsion: Array, r: int) -> Array:
    """Σ_{l>k} F_kl - Σ_{l<k} F_lk."""
    k, l = np.triu_indices(r, 1)  # noqa: E741
    square = np.zeros((*repulsion.shape[:-1], r, r))
    square[..., k, l] = repulsion
    return np.asarray(square.sum(axis=-1) - square.sum(axis=-2))
