"""Completion beside its peers: the error on entries held out, and what it takes.

MovieLens-100k, a fifth of its ratings held out, over seeds that nothing was tuned on; and the World
Bank's fertility table, a fifth of what is observed held out. Whatever a method chooses it chooses
by validation within the entries that it is given. Predictions of ratings are clipped to 1 ... 5.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import OURS, PEER, Answer, Contender, Row, Skip
from benchmarks.peers.imputation import METHODS, Seen, Task

FIRST = 200  # seed
Split = tuple[Seen, Seen]


def movielens(seeds: int) -> Iterator[Split]:
    """Ratings to train on and ratings held out."""
    found = importlib.util.find_spec("neighbors")
    if found is None or found.origin is None:
        raise Skip("neighbors==0.2.1, whose wheel has the ratings, is not installed")
    path = Path(found.origin).parent / "data" / "movielens100k.csv"
    users, items, ratings = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1, 2)).T
    rows, cols = (np.unique(one, return_inverse=True)[1] for one in (users, items))
    yield from _splits(rows, cols, ratings, (rows.max() + 1, cols.max() + 1), seeds)


def fertility(seeds: int) -> Iterator[Split]:
    from dlngeo import tables

    table = tables.dataset("fertility").values
    rows, cols = np.nonzero(np.isfinite(table))
    yield from _splits(rows, cols, table[rows, cols], table.shape, seeds)


def _splits(
    rows: np.ndarray, cols: np.ndarray, values: np.ndarray, shape: tuple[int, int], seeds: int
) -> Iterator[Split]:
    order = np.lexsort((cols, rows))
    whole = Seen(rows[order], cols[order], values[order], shape)
    for seed in range(FIRST, FIRST + seeds):
        shuffled = np.random.default_rng(seed).permutation(values.size)
        tests = round(0.2 * values.size)
        yield whole.some(shuffled[tests:]), whole.some(shuffled[:tests])


def ours(seen: Seen, seed: int, clip: bool, depth: float) -> Callable[..., np.ndarray]:
    from dlngeo import lowrank

    return lowrank.complete(*seen, depth=depth, clip=clip, rng=seed).predict


def judged(
    splits: Callable[[int], Iterator[Split]],
    seeds: int,
    method: Callable[[Seen, int], Callable[..., np.ndarray]],
) -> Callable[[], Answer]:
    """All seeds, and the mean of the errors on what was held out with its standard error."""
    ready = list(splits(seeds))

    def call() -> Answer:
        errors = []
        for seed, (seen, hidden) in enumerate(ready):
            missed = method(seen, seed)(hidden.rows, hidden.cols) - hidden.values
            errors.append(float(np.sqrt(np.mean(missed**2))))
        spread = float(np.std(errors, ddof=1)) / np.sqrt(seeds) if seeds > 1 else 0.0
        return Answer([float(np.mean(errors))], [spread], seeds)

    return call


def contenders(
    splits: Callable[[int], Iterator[Split]], seeds: int, clip: bool
) -> Iterator[Contender]:
    for depth in (2, 3):

        def mine(seen: Seen, seed: int, depth: int = depth) -> Any:
            return ours(seen, seed, clip, depth)

        yield Contender(
            f"complete, depth {depth}", lambda mine=mine: judged(splits, seeds, mine), kind=OURS,
            at=seeds,
        )  # fmt: skip
    for name, method in METHODS.items():

        def theirs(seen: Seen, seed: int, method: Any = method) -> Any:
            return method(Task(seen, seed, clip))

        yield Contender(
            name, lambda theirs=theirs: judged(splits, seeds, theirs), kind=PEER, at=seeds
        )


def rows(quick: bool) -> list[Row]:
    tables = (("MovieLens-100k", movielens, 5, True), ("fertility", fertility, 20, False))
    return [
        Row(
            "Completion peers", name, "seed",
            list(contenders(splits, 1 if quick else seeds, clip)), axis="seeds",
            error="root mean square error on entries held out",
        )
        for name, splits, seeds, clip in tables
    ]  # fmt: skip
