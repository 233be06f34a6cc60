"""The phases of the free energy of problem 14.1: four minimisers, or two, all of rank one.

On rank one F = E + (γN/2) σ^{2/N} - (1 - 1/N) (log σ)/β + const. Where γβ < (N - 1)/(N 2^{2/N}) it
is least at [[1, a], [1/a, 1]], |a| + 1/|a| = 2m, m = ((N - 1)/(γNβ))^{N/2}/2: four points. Above it
is at m[[1, ±1], [±1, 1]], 2(m - 1) + (γ(2m)^{2/N} - (1 - 1/N)/β)/m = 0: two.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

import dlngeo as dln

COLUMNS = ("count", "rank", "log_a", "diagonal", "miss")


def threshold(depth: float) -> float:
    """γβ at which four minimisers become two."""
    return (depth - 1) / (depth * 2 ** (2 / depth))


def minimiser(depth: float, beta: float, decay: float) -> Any:
    """The minimiser whose entries are positive and increase along the first row."""
    size = ((depth - 1) / (decay * depth * beta)) ** (depth / 2)
    if size >= 2:
        a = size / 2 + np.sqrt(size**2 / 4 - 1)
        return np.array([[1.0, a], [1 / a, 1.0]])

    def slope(m: float) -> float:
        return 2 * (m - 1) + (decay * (2 * m) ** (2 / depth) - (1 - 1 / depth) / beta) / m

    return brentq(slope, 1e-3, 2.0, xtol=1e-15, rtol=1e-14) * np.ones((2, 2))


def minimisers(runs: Any) -> Any:
    """How many, their rank, |log |a||, W_11; the distance from the formula."""
    beta, decay = runs.cell["beta"], runs.cell["weight_decay"]
    found = dln.entropy.minimise_free_energy(runs.energy, runs.depth, beta, decay)
    W = found.points[0]
    wanted = minimiser(runs.depth, beta, decay)
    alike = np.sort(np.abs(W), axis=None) - np.sort(wanted, axis=None)
    row = [
        len(found.points),
        found.ranks.max(),
        abs(0.5 * np.log(abs(W[0, 1] / W[1, 0]))),
        W[0, 0],
        np.abs(alike).max(),
    ]
    return np.tile(row, (len(runs.W), 1))


def measured_threshold(energy: Any, depth: float, beta: float, step: float = 1e-3) -> float:
    """Where cosh log |a| - 1 of the minimisers that were found, extrapolated, is zero."""
    there = threshold(depth)
    heights = []
    for share in (1 - step, 1 - 2 * step):
        found = dln.entropy.minimise_free_energy(energy, depth, beta, share * there / beta)
        W = found.points
        heights.append(np.cosh(0.5 * np.log(np.abs(W[:, 0, 1] / W[:, 1, 0]))).max() - 1)
    rise = heights[1] - heights[0]
    return there * (1 - step + step * heights[0] / rise)


def draw(ds: Any) -> Figure:
    """|log |a|| and W_11 of the minimisers over γβ; the formula is drawn through them."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    shades, marks = ("#000000", "#1b6f8a", "#c77f1a"), {5.0: "o", 10.0: "^"}
    for depth, shade, line in zip(ds.depth.values, shades, ("-", "--", ":"), strict=False):
        grid = np.geomspace(0.04, 1.6, 300)
        for beta, mark in marks.items():
            rows = ds["minimisers"].sel(depth=depth, beta=beta).values[:, 0]
            x = ds.weight_decay.values * beta
            curve = np.array([minimiser(depth, beta, g / beta) for g in grid])
            label = f"N = {depth:g}, β = {beta:g}"
            left.plot(x, rows[:, 2], mark, mfc="none", color=shade, label=label)
            right.plot(x, rows[:, 3], mark, mfc="none", color=shade)
            right.plot(grid, curve[:, 0, 0], ls=line, color=shade, lw=1)
        spread = 0.5 * np.log(curve[:, 0, 1] / curve[:, 1, 0])
        left.plot(grid, spread, ls=line, color=shade, lw=1)
        left.axvline(threshold(depth), ls=line, color=shade, lw=0.6)
    left.set(xlabel="γβ", ylabel="|log |a|| of the minimisers", xscale="log", ylim=(-0.2, 8))
    right.set(xlabel="γβ", ylabel="$W_{11}$ of the minimisers", xscale="log")
    left.legend(fontsize=7, loc="upper right")
    return figure


def report(ds: Any) -> None:
    """Print how far the minimisers are from the formulas, and the thresholds."""
    rows = ds["minimisers"].values.reshape(-1, len(COLUMNS))
    depth, beta, decay = np.meshgrid(
        *(ds[k].values for k in ds["minimisers"].dims[:3]), indexing="ij"
    )
    below = (decay * beta < threshold(depth)).ravel()
    for name, members in (("below", below), ("above", ~below)):
        some = rows[members]
        print(
            f"{name}: {len(some)} cells, counts {np.unique(some[:, 0])}, ranks "
            f"{np.unique(some[:, 1])}, worst miss {some[:, 4].max():.2g}"
        )
    energy = dln.energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    for N in ds.depth.values:
        found = measured_threshold(energy, float(N), 10.0)
        print(f"N = {N:g}: threshold {found:.8f}, formula {threshold(N):.8f}")


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))
