"""Jumps of the rank in completions that learn one direction after another, and the losses between.

A stage ends where the loss falls half-way from one plateau to the next. For N ≥ 3 the flow leaves
the origin as Ẇ = 𝒜_W(-E'(0)), homogeneous of degree 2 - 2/N, so times go as scale^{-(1-2/N)}.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import least_squares

import dlngeo as dln

STAGES = 2  # the rank of the target
WAIT = 1.5  # times the time to the end, in which the last plateau is seen


def table(size: int) -> Any:
    """½ Σ (W_ij - T_ij)² over half of the entries of a T of rank 2, singular values 2 : 1."""
    rng = np.random.default_rng(2)
    U, V = (np.linalg.qr(rng.standard_normal((size, STAGES)))[0] for _ in range(2))
    mask = rng.permutation(size * size).reshape(size, size) < size * size // 2
    return dln.energies.MatrixCompletion(size * (U * [1.0, 0.5]) @ V.T, mask)


@functools.cache
def critical_values(size: int) -> Any:
    """E at rest on rank 0 and 1 of a table: what is left where the flow of that rank ends."""
    energy = table(size)
    zero = np.zeros(energy.shape)
    U, _, Vt = np.linalg.svd(-energy.gradient(zero))
    start = 1e-3 * np.outer(U[:, 0], Vt[0])
    path = dln.flows.gradient_flow(energy, start, (0, 100), depth=3, rank=1, rtol=1e-8)
    return np.array([energy.value(zero), path.energy[-1]])


def stages(runs: Any) -> Any:
    """The times of two jumps, the two plateau losses before them over E at rest less 1, σ_3/σ_1."""
    return np.array([_stages(runs, W, end) for W, end in zip(runs.start, runs.t_end, strict=True)])


def _stages(runs: Any, W: Any, end: float) -> Any:
    path = dln.flows.gradient_flow(
        runs.energy, W, (0, WAIT * end), depth=runs.depth, rtol=1e-7, gtol=0
    )
    rest = critical_values(len(W))
    height = 0.25 * min(rest[0] - rest[1], rest[1])
    found = dln.observables.plateaus(path.t, path.energy, height=height, length=0.01)
    if found.jump.size != STAGES:
        return np.full(2 * STAGES + 1, np.nan)
    sigma = path.singular_values[-1]
    return np.array([*found.jump, *(found.level[:STAGES] / rest - 1), sigma[2] / sigma[0]])


def exponent(scales: Any, times: Any) -> float:
    """The p of t = α scale^{-p} + b."""

    def misfit(x: Any) -> Any:
        return (np.exp(x[0]) * scales ** -x[1] + x[2]) / times - 1

    guess = -np.polyfit(np.log(scales), np.log(times), 1)
    found = least_squares(misfit, [-guess[1], guess[0], 0.0], x_scale="jac", xtol=1e-14, ftol=1e-14)
    return float(found.x[1])


def draw(ds: Any) -> Figure:
    """Times of both jumps over the scale; the losses of the plateaus against critical values."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    shades, lines = ("#777777", "#000000", "#1b6f8a", "#c77f1a"), ("-.", "-", "--", ":")
    for depth, shade, line in zip(ds.depth.values, shades, lines, strict=False):
        rows = ds["stages"].sel(depth=depth).values[:, 0]
        for k, mark in enumerate("os"):
            label = f"N = {depth:g}, to rank {k + 1}"
            left.loglog(ds.scale, rows[:, k], mark, ls=line, ms=4, color=shade, label=label)
        right.loglog(ds.scale, np.abs(rows[:, 3]), "s", ls=line, ms=4, color=shade)
        right.loglog(ds.scale, rows[:, 4], "^", ls=line, ms=4, color=shade, mfc="white")
    left.set(xlabel="scale of the start", ylabel="time of the jump", ylim=(0.3, 1e5))
    left.legend(fontsize=7, ncols=2, loc="upper right")
    right.set(xlabel="scale of the start")
    right.set_ylabel("squares: loss at rank 1 over critical, less 1\ntriangles: σ₃/σ₁ at the end")
    return figure


def report(ds: Any) -> None:
    """Print times, exponents, losses and what is left of σ_3."""
    scales = ds.scale.values
    for depth in ds.depth.values:
        rows = ds["stages"].sel(depth=depth).values[:, 0]
        print(f"N = {depth:g}\n{np.array2string(rows, precision=6)}")
        for k in range(STAGES):
            if depth > 2:
                found = exponent(scales, rows[:, k])
                print(f"   jump {k + 1}: exponent {found:.5f}, 1 - 2/N = {1 - 2 / depth:.5f}")
            else:
                steps = np.diff(rows[:, k]) / np.diff(-np.log(scales))
                print(f"   jump {k + 1}: time gained by each factor e of scale {steps}")


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))
