"""The error of completions where nothing was observed, against observations, depth and scale.

A random matrix of Frobenius norm SIZE, its entries of root mean square 1, observed at random
places; the flow takes up directions as they come up (``lowrank.flow`` with ``scale=``) until the
observed entries are fitted.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import dlngeo as dln

SIZE = 100


@functools.cache
def problem(rank: int, entries: int, seed: int) -> Any:
    """The truth, and which entries are seen."""
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((2, SIZE, rank))
    truth = A @ B.T
    mask = np.zeros(SIZE**2, dtype=bool)
    mask[rng.permutation(SIZE**2)[:entries]] = True
    return truth * (SIZE / np.linalg.norm(truth)), mask.reshape(SIZE, SIZE)


def seen(rank: int, entries: int, seed: int) -> Any:
    """½ Σ (W_ij - T_ij)² over the entries that are seen."""
    truth, mask = problem(rank, entries, seed)
    rows, cols = np.nonzero(mask)
    energy = dln.energies.SparseCompletion(rows, cols, truth[mask], truth.shape)
    energy.problem = rank, entries, seed
    return energy


def missed(runs: Any) -> Any:
    """The mean square error over the entries that are not seen."""
    truth, mask = problem(*runs.energy.problem)
    return np.mean((runs.W - truth)[:, ~mask] ** 2, axis=1)


def middle(ds: Any) -> Any:
    """The median over tables."""
    return ds["missed"].isel(path=0).median("seed")


def draw(ds: Any) -> Figure:
    """The median error over the number of entries, for each depth and scale."""
    figure = Figure(figsize=(5.5, 3.8), layout="constrained")
    axes = figure.subplots()
    shades = ("#999999", "#000000", "#1b6f8a", "#c77f1a")
    for scale, line, mark in zip(ds.scale.values, ("--", "-", ":"), "osx", strict=False):
        for depth, shade in zip(ds.depth.values, shades, strict=False):
            error = middle(ds).sel(scale=scale, depth=depth)
            axes.semilogy(
                ds.entries, error, mark, ls=line, ms=4, color=shade,
                label=f"N = {depth:g}, scale {scale:g}",
            )  # fmt: skip
    axes.set(xlabel=f"observed entries of {SIZE**2:,}", ylabel="mean square error on the others")
    axes.legend(fontsize=7, ncols=2)
    return figure


def report(ds: Any) -> None:
    """Print medians and ranges over tables."""
    for scale in ds.scale.values:
        for depth in ds.depth.values:
            one = ds["missed"].sel(scale=scale, depth=depth).isel(path=0)
            rows = zip(one.min("seed").values, middle(ds).sel(scale=scale, depth=depth).values,
                       one.max("seed").values, strict=True)  # fmt: skip
            said = ", ".join(f"{b:.2g} ({a:.2g} to {c:.2g})" for a, b, c in rows)
            print(f"N = {depth:g}, scale {scale:g}: {said}")
    print("status:", dict(zip(*np.unique(ds["status"], return_counts=True), strict=True)))


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))
