"""Paths of the Langevin equation for problem 14.1 to long times, in stages.

An explicit step is bounded by the inverse of L = N σ_1^{2 - 2/N} + (N - 1) σ_1^{1 - 2/N} ‖E'‖,
which differs by orders between paths. So a path is taken on for as long as λ_1² + λ_2² can hardly
change, with a step that its W at the beginning of that time sets, before the noise is known; then
its step is chosen anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import dlngeo as dln

ENERGY = dln.energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
QUANTITIES = ("unseen", "size", "ratio", "martingale", "energy")
PATHS, COUNT = 1000, 41
#: Of each depth, κ and β when it ends, and how many paths; other cells of the grid are NaN.
CELLS = {
    (2, 0.5, 1): (100.0, 1000), (3, 0.5, 1): (50.0, 640), (5, 0.5, 1): (2.0, 800),
    (2, 1, 1): (100.0, 1000), (3, 1, 1): (50.0, 640), (5, 1, 1): (2.0, 800),
    (2, 0.5, 200): (1e4, 128), (2, 1, 200): (1e4, 128), (3, 0.5, 1000): (1e4, 80),
}  # fmt: skip
STEP, STAGE, FLOOR = 0.25, 0.05, 0.2  # of 1/L; of β(λ_1² + λ_2²); of t/β, in λ_1² + λ_2²
SAMPLES = 32  # of the energy, in a stage
LEAST = 1e-14  # σ_2/σ_1 where a stage begins: a W of lower rank but for rounding is refused


class Plan(NamedTuple):
    """A cell's equation and how far and how often it is followed."""

    depth: float
    kappa: float
    beta: float
    t_end: float
    paths: int

    def times(self, count: int) -> Any:
        """Four an octave, the last ``t_end``."""
        return self.t_end * 2.0 ** (np.arange(1 - count, 1) / 4)


def singular_values(W: Any) -> Any:
    """σ_1 >= σ_2 of 2 × 2 matrices (..., 2, 2): (σ_1 ± σ_2)² = ‖W‖² ± 2 |det W|."""
    square = (W**2).sum(axis=(-2, -1))
    twice = 2 * np.abs(W[..., 0, 0] * W[..., 1, 1] - W[..., 0, 1] * W[..., 1, 0])
    both, gap = np.sqrt(square + twice), np.sqrt(np.maximum(square - twice, 0.0))
    top = (both + gap) / 2
    return np.stack([top, twice / (2 * top)], axis=-1)


def radius(W: Any, depth: float) -> Any:
    """λ_1² + λ_2²."""
    return (singular_values(W) ** (2 / depth)).sum(axis=-1)


def growth(runs: Any) -> Any:
    """All paths of a cell, (1, path, time, quantity): they are run here."""
    key = tuple(runs.cell[name] for name in ("depth", "kappa", "beta"))
    found = np.full((1, PATHS, COUNT, len(QUANTITIES)), np.nan)
    if key in CELLS:
        plan = Plan(*key, *CELLS[key])
        found[0, : plan.paths] = follow(plan, COUNT, 31)
    return found


def follow(plan: Plan, count: int, seed: int) -> Any:
    """The quantities (path, time, quantity) of Gaussian starts, at ``plan.times(count)``.

    ½(|W_12| + |W_21|); R² = λ_1² + λ_2²; σ_2/σ_1; R²(t) - R²(0) + 2 ∫⟨W, E'⟩ - 2(4κ + N - 1)t/(βN),
    whose mean is 0; and βE since the time before. NaN where a path failed.
    """
    key = [seed, *(round(1000 * x) for x in plan[:3])]
    W = np.random.default_rng(key).standard_normal((plan.paths, 2, 2))
    seeds = (np.random.SeedSequence(key, spawn_key=(k,)) for k in itertools.count())
    begun, work, now = radius(W, plan.depth), np.zeros(plan.paths), 0.0
    rate = 2 * (4 * plan.kappa + plan.depth - 1) / (plan.beta * plan.depth)
    found = np.empty((plan.paths, count, len(QUANTITIES)))
    for k, t in enumerate(plan.times(count)):
        W, sums = _follow(plan, W, now, float(t), seeds)
        work += sums[:, 0]
        sigma, size = singular_values(W), radius(W, plan.depth)
        found[:, k, 0] = (np.abs(W[:, 0, 1]) + np.abs(W[:, 1, 0])) / 2
        found[:, k, 1], found[:, k, 2] = size, sigma[:, 1] / sigma[:, 0]
        found[:, k, 3] = size - begun + 2 * work - rate * t
        found[:, k, 4] = plan.beta * sums[:, 1] / (t - now)
        now = float(t)
    return found


def _follow(plan: Plan, W: Any, begin: float, end: float, seeds: Iterator[Any]) -> tuple[Any, Any]:
    """Where all paths are at the ``end``, and ∫⟨W, E'⟩ dt, ∫E dt: in halves where that is long."""
    size = np.maximum(radius(W, plan.depth), FLOOR * end / plan.beta)
    long = end - begin > STAGE * plan.beta * size
    there = ~long & np.isfinite(size)
    new, sums = W.copy(), np.full((len(W), 2), np.nan)
    steps = _steps(plan, W, size, end - begin)
    for n in np.unique(steps[there]):
        some = there & (steps == n)
        run = dln.langevin.simulate(
            ENERGY, W[some], depth=plan.depth, beta=plan.beta, kappa=plan.kappa,
            dt=(end - begin) / n, n_steps=int(n), rng=next(seeds),
            save_every=max(1, int(n) // SAMPLES),
        )  # fmt: skip
        off = run.W[..., [0, 1], [0, 1]] - 1
        for k, f in enumerate((off * (off + 1), off**2 / 2)):
            sums[some, k] = np.trapezoid(f.sum(axis=-1), run.t, axis=1)
        new[some] = _of_full_rank(run.W[:, -1], W[some])
    if long.any():
        half = (begin + end) / 2
        middle, first = _follow(plan, W[long], begin, half, seeds)
        new[long], second = _follow(plan, middle, half, end, seeds)
        sums[long] = first + second
    return new, sums


def _of_full_rank(W: Any, before: Any) -> Any:
    """W with σ_2 >= LEAST σ_1, which moves λ_2 by 2e-3 λ_1 at most, det W of its sign before."""
    low = singular_values(W)[:, 1] < LEAST * singular_values(W)[:, 0]
    if low.any():
        U, sigma, V = np.linalg.svd(W[low])
        sigma[:, 1] = LEAST * sigma[:, 0] * np.sign(np.linalg.det(before[low]))
        sigma[:, 1] *= np.sign(np.linalg.det(U) * np.linalg.det(V))
        W[low] = U * sigma[:, None] @ V
    return W


def _steps(plan: Plan, W: Any, size: Any, span: float) -> Any:
    """How many steps, a power of 2: each at most STEP/L, for the L of a W of that R² at least."""
    depth, top = plan.depth, np.maximum(singular_values(W)[:, 0], size ** (plan.depth / 2) / 2)
    steep = np.hypot(W[:, 0, 0] - 1, W[:, 1, 1] - 1)
    rate = depth * top ** (2 - 2 / depth) + (depth - 1) * top ** (1 - 2 / depth) * steep
    need = np.nan_to_num(span * rate / STEP, nan=1.0)
    return 2 ** np.ceil(np.log2(np.maximum(need, 4))).astype(np.int64)
