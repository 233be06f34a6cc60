"""Completing what is too large, or too sparse, for a dense network: in factored form.

The protocol is that of the dense network: a share of the entries is held out and judges; the rest
chooses rank, weight decay and time, and is fitted; what is handed out is trained once more, on
every observed entry. Nothing here has m × n numbers.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._study import Progress
from dlngeo._threads import one_blas_thread
from dlngeo.lowrank import LowRankCompletion
from dlngeo.lowrank import complete as complete_factored
from dlngeo.tables import Triplets

LARGE = 100_000  # m × n, beyond which a table is large
SPARSE_FROM, SPARSE = 10_000, 0.1  # m × n beyond, and share observed below, which it is sparse
JUDGED = "judged"  # the name of what is kept beside the trials
_FEWEST = 5  # entries to learn from: a tenth validates
_GROUPS = 6  # of held-out entries, by how much of their row was observed


class Score(NamedTuple):
    """How one method did on the held-out entries; NaN where there are none."""

    name: str
    rmse: float
    chosen: str = ""


@dataclass(frozen=True)
class Factored:
    """The outcome of :func:`complete`.

    ``found`` was trained on every entry, ``network`` and the others on those that were not held
    out. ``trials`` has the validation error along the path of each trial, and ``groups`` the
    held-out errors by how many entries of the row there were to learn from: for each group the
    mean number of entries, the network's error and the biases'.
    """

    triplets: Triplets
    found: LowRankCompletion
    held_out: int
    network: Score
    biases: Score
    column_mean: Score
    trials: dict[str, dict[str, Any]]
    groups: list[tuple[float, float, float]]
    depth: int

    @property
    def ranks(self) -> dict[int, list[tuple[float, dict[str, Any]]]]:
        """Weight decay and outcome of the trials of each rank, which their names tell.

        Of those with biases, or where the completion has none of those without.
        """
        found: dict[int, list[tuple[float, dict[str, Any]]]] = {}
        without = math.isinf(self.found.summary["shrinkage"])
        for name, trial in self.trials.items():
            if name.startswith("no biases") != without:
                continue
            rank, decay = (float(part.split()[-1]) for part in name.split(",")[-2:])
            found.setdefault(int(rank), []).append((decay, trial))
        return {rank: found[rank] for rank in sorted(found)}

    @property
    def scores(self) -> tuple[Score, ...]:
        """Network first, then the baselines."""
        return self.network, self.biases, self.column_mean


def method_for(shape: tuple[int, int], observed: int) -> str:
    """The method that is taken by itself, "dense" or "factored"."""
    cells = shape[0] * shape[1]
    sparse = cells > SPARSE_FROM and observed < SPARSE * cells
    return "factored" if cells > LARGE or sparse else "dense"


@one_blas_thread
def complete(
    triplets: Triplets,
    *,
    depth: int,
    rank: int | None,
    weight_decay: float | None,
    clip: bool,
    holdout: float,
    seed: int,
    done: MutableMapping[str, dict[str, Any]],
    progress: Progress,
) -> Factored:
    """Complete a list of entries; what is in ``done`` is not computed again."""
    holdout = _checks.real(holdout, "holdout")
    if not 0 <= holdout < 1:
        raise ValueError(f"holdout must lie in [0, 1), not {holdout!r}")
    seeds = np.random.SeedSequence(_checks.integer(seed, "seed", 0)).spawn(2)
    split, shape = _Split.of(triplets, holdout, seeds[0]), triplets.shape
    settings: dict[str, Any] = {
        "depth": depth, "rank": rank, "weight_decay": weight_decay, "clip": clip,
    }  # fmt: skip
    found = None
    if JUDGED not in done:
        found = complete_factored(
            *split.train, shape, **settings, rng=seeds[1], trials=done, progress=progress
        )
        done[JUDGED] = _judged(found, split, triplets)
    judged = done[JUDGED]
    if split.held_out or found is None:

        def refitting(stage: str, fraction: float) -> None:
            progress("refitting", fraction)

        everything = triplets.i, triplets.j, triplets.values
        found = complete_factored(
            *everything, shape, **settings, chosen=judged["summary"], progress=refitting
        )
    summary, name = judged["summary"], f"network of depth {depth}"
    chosen = f"rank {summary['rank']}, t = {summary['time']:.4g}"
    return Factored(
        triplets,
        found,
        split.held_out,
        Score(name, judged["network"], chosen),
        Score("bias model", judged["biases"]),
        Score("column mean", judged["column_mean"]),
        {name: trial for name, trial in done.items() if name != JUDGED},
        [(group[0], group[1], group[2]) for group in judged["groups"]],
        depth,
    )


class _Split(NamedTuple):
    """Entries to learn from and entries that judge, as rows, columns and values."""

    train: tuple[Array, Array, Array]
    test: tuple[Array, Array, Array]
    held_out: int

    @classmethod
    def of(cls, triplets: Triplets, share: float, seed: np.random.SeedSequence) -> _Split:
        count = triplets.values.size
        tests = round(share * count)
        if tests < (share > 0) or count - tests < _FEWEST:
            raise ValueError(
                f"{triplets.name} has too few observed entries, {count}, to hold out a share of "
                f"{share:g} and validate"
            )
        order = np.random.default_rng(seed).permutation(count)
        parts = np.sort(order[tests:]), np.sort(order[:tests])
        train, test = (
            (triplets.i[part], triplets.j[part], triplets.values[part]) for part in parts
        )
        return cls(train, test, tests)


def _judged(found: LowRankCompletion, split: _Split, triplets: Triplets) -> dict[str, Any]:
    """What the held-out entries say of the network and of simpler methods, as plain numbers."""
    (i, j, values), (rows, cols, seen) = split.test, split.train
    m, n = triplets.shape
    biases = found.mean + found.row_biases[i] + found.column_biases[j]
    if found.limits is not None:
        biases = np.clip(biases, *found.limits)
    count = np.bincount(cols, minlength=n)
    mean = np.where(count > 0, np.bincount(cols, seen, n) / np.maximum(count, 1), seen.mean())
    misses = found.predict(i, j) - values, biases - values, mean[j] - values
    network, plain, column = map(_root_mean_square, misses)
    observed = np.bincount(rows, minlength=m)[i]
    parts = np.array_split(np.argsort(observed, kind="stable"), min(_GROUPS, max(1, values.size)))
    groups = [
        (float(observed[part].mean()), *(_root_mean_square(miss[part]) for miss in misses[:2]))
        for part in parts
        if part.size
    ]
    scores = {"network": network, "biases": plain, "column_mean": column}
    return {"summary": found.summary, "groups": groups} | scores


def _root_mean_square(misses: Array) -> float:
    return float(np.sqrt(np.mean(misses**2))) if misses.size else math.nan
