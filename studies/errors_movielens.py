"""Errors of completed ratings, MovieLens-100k, by how many are seen, depth and scale of the start.

A fifth of the ratings is held out, the same at every share; of those seen a tenth says when to
stop. Mean and biases of users and films are taken off first, by ridge regression; a balanced flow
of rank 20 without weight decay learns the rest. Nothing but depth, start and time regularises it.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

import dlngeo as dln

COLUMNS = ("biases", "error", "best", "effective_rank", "fitted")
PACKAGE = "neighbors==0.2.1"
RANK = 20
SHRINKAGE = 5.0  # ratings that a bias of zero counts for
WORSE = 1.06  # times the least error of validation, where a run ends
STARS = (1.0, 5.0)
SHADES = ("#999999", "#000000", "#c77f1a")
TITLES = {"slope": "start along the slope, growing", "random": "start in random directions"}


class Ratings(NamedTuple):
    """Users, films, stars."""

    rows: Any
    cols: Any
    values: Any
    shape: tuple[int, int]

    def some(self, which: Any) -> Ratings:
        """Those of these places in the list."""
        return Ratings(self.rows[which], self.cols[which], self.values[which], self.shape)


@functools.cache
def ratings() -> Ratings:
    """All of them, from the package that has them in its wheel."""
    found = importlib.util.find_spec("neighbors")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            f"the ratings of MovieLens-100k come with the package {PACKAGE}, which is not installed"
        )
    path = Path(found.origin).parent / "data" / "movielens100k.csv"
    users, films, stars = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1, 2)).T
    rows, cols = (np.unique(one, return_inverse=True)[1] for one in (users, films))
    return Ratings(rows, cols, stars, (int(rows.max()) + 1, int(cols.max()) + 1))


def biases(known: Ratings) -> tuple[float, Any, Any]:
    """Mean, and biases of rows and columns, each fitted in turn to what the others leave."""
    rows, cols, values, (m, n) = known
    mean, b, c = float(values.mean()), np.zeros(m), np.zeros(n)
    of_rows, of_cols = (
        np.bincount(k, minlength=size) + SHRINKAGE for k, size in ((rows, m), (cols, n))
    )
    for _ in range(20):
        b = np.bincount(rows, values - mean - c[cols], m) / of_rows
        c = np.bincount(cols, values - mean - b[rows], n) / of_cols
    return mean, b, c


class Split:
    """Ratings to learn from, to stop by and to judge by, and what biases say of them."""

    def __init__(self, whole: Ratings, share: float, seed: int) -> None:
        order, count = np.random.default_rng(seed).permutation(whole.values.size), whole.values.size
        judged, seen = round(0.2 * count), round(share * count)
        if not 0 < seen <= count - judged:
            raise ValueError(f"share must be above 0 and at most 0.8, not {share:g}")
        stop = round(0.1 * seen)
        self.judge = whole.some(order[:judged])
        self.stop = whole.some(order[judged : judged + stop])
        self.learn = whole.some(order[judged + stop : judged + seen])
        self.mean, self.b, self.c = biases(self.learn)

    def expected(self, of: Ratings) -> Any:
        """What mean and biases say."""
        return self.mean + self.b[of.rows] + self.c[of.cols]

    def error(self, of: Ratings, W: Any = None) -> float:
        """The root mean square error, with predictions kept to the stars that there are."""
        said = self.expected(of) + (0.0 if W is None else W.entries(of.rows, of.cols))
        return float(np.sqrt(np.mean((np.clip(said, *STARS) - of.values) ** 2)))


@functools.lru_cache(maxsize=2)
def split(share: float, seed: int) -> Split:
    """A split of MovieLens-100k."""
    return Split(ratings(), share, seed)


def seen(share: float, seed: int, start: str) -> Any:
    """½ Σ (W_ij - what biases leave of the rating)² over the ratings to learn from."""
    if start not in ("slope", "random"):
        raise ValueError(f"start must be slope or random, not {start!r}")
    part = split(share, seed)
    rows, cols, values, shape = part.learn
    energy = dln.energies.SparseCompletion(rows, cols, values - part.expected(part.learn), shape)
    energy.part, energy.start = part, start
    return energy


def errors(runs: Any) -> Any:
    """RMSE of biases and of the flow where validation stops it and at best; rank then; last misfit.

    The cell's own run is a moment; the flow is run here, where it can be looked at on its way.
    """
    part, scale, path = runs.energy.part, runs.cell["scale"], []

    def look(t: float, W: Any) -> None:
        rank = float(dln.observables.effective_rank(W.sigma))
        path.append((part.error(part.stop, W), part.error(part.judge, W), rank))
        if path[-1][0] > WORSE * min(path)[0]:
            raise StopIteration

    grown, seed = runs.energy.start == "slope", runs.cell["seed"]
    shape = part.learn.shape
    begin = None if grown else dln.lowrank.random_start(shape, RANK, scale=scale, rng=seed)
    run = dln.lowrank.flow(
        runs.energy, begin, (0, 1e9), depth=runs.depth, rank=RANK, scale=scale if grown else None,
        rtol=1e-6, gtol=0, max_steps=2000, callback=look,
    )  # fmt: skip
    steps = np.array(path)
    stopped = steps[np.argmin(steps[:, 0])]
    fitted = np.sqrt(2 * run.energy[-1] / part.learn.values.size)
    row = [part.error(part.judge), stopped[1], steps[:, 1].min(), stopped[2], fitted]
    return np.tile(row, (len(runs.status), 1))


def draw(ds: Any) -> Figure:
    """The gain over biases by the scale of the start, for each depth and start, at two shares."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    rows = ds["errors"].isel(path=0)
    gains = rows[..., 1] - rows[..., 0]
    several = figure.subplots(1, ds.start.size, sharey=True)
    for axes, start in zip(several, ds.start.values, strict=True):
        for depth, shade, mark in zip(ds.depth.values, SHADES, "os^", strict=False):
            for share, line in zip(ds.share.values[::-1], ("-", "--"), strict=False):
                some = gains.sel(start=start, depth=depth, share=share)
                axes.errorbar(
                    ds.scale, some.mean("seed"), some.std("seed", ddof=1) / ds.seed.size**0.5,
                    marker=mark, ms=4, ls=line, lw=1, color=shade, mfc="none",
                    label=f"N = {depth:g}, {share:.0%} seen",
                )  # fmt: skip
        axes.axhline(0, color="#777777", lw=0.6)
        axes.set(xlabel="scale of the start", xscale="log", title=TITLES[start])
    several[0].set_ylabel("RMSE less that of biases")
    several[-1].legend(fontsize=7, loc="lower right")
    return figure


def report(ds: Any) -> None:
    """Print errors with standard errors over splits, and the paired gain over biases."""
    first = ds["errors"].isel(path=0, start=0, scale=0, depth=0)[..., 0]
    for share in ds.share.values:
        said = first.sel(share=share).values
        spread = said.std(ddof=1) / said.size**0.5
        print(f"{share:g} of the ratings: biases {said.mean():.4f} ± {spread:.4f}")
        for start in ds.start.values:
            for scale in ds.scale.values:
                for depth in ds.depth.values:
                    cell = {"share": share, "start": start, "scale": scale, "depth": depth}
                    rows = ds["errors"].isel(path=0).sel(cell).values
                    gain, many = rows[:, 1] - rows[:, 0], len(rows)
                    print(
                        f"   {start}, scale {scale:g}, N = {depth:g}: "
                        f"{rows[:, 1].mean():.4f} ± {rows[:, 1].std(ddof=1) / many**0.5:.4f}, "
                        f"gain {gain.mean():+.4f} ± {gain.std(ddof=1) / many**0.5:.4f}, at best "
                        f"{rows[:, 2].mean():.4f}, rank {rows[:, 3].mean():.1f}, last RMSE on what "
                        f"it learns from {rows[:, 4].mean():.2f}"
                    )


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))
