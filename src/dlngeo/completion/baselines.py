"""What a completion is held against: a split of the observed entries, and simple methods on it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from dlngeo._checks import RNG, Array
from dlngeo._linalg import transpose
from dlngeo._results.brief import brief
from dlngeo._threads import one_blas_thread

Mask = NDArray[np.bool_]
Progress = Callable[[str, float], None]

_VALIDATION = 0.1  # share of the training entries that chooses
_SMALL = 2000  # training entries; fewer take turns at validation
_FOLDS = 10
_ROUNDS = 1000  # of the truncated SVD, at most
_PATIENCE = 20  # rounds without improvement, beyond twice the best
_PATIENT_RANKS = 3  # ranks in a row that may do no better


@dataclass(frozen=True)
class TrainTestSplit:
    """Disjoint masks of the observed entries: ``fit`` and ``validation`` make up ``train``.

    ``folds`` are what validates: pairs of a mask to fit to and the places (k, 2) to validate on, in
    random order. They are ``fit`` and ``validation``, or in a small table ten parts of the training
    entries that take turns.
    """

    fit: Mask
    validation: Mask
    test: Mask
    folds: tuple[tuple[Mask, Array], ...]

    def __repr__(self) -> str:
        sizes = (f"{part} {getattr(self, part).sum()}" for part in ("fit", "validation", "test"))
        return f"TrainTestSplit({', '.join(sizes)}; {len(self.folds)} folds)"

    @property
    def train(self) -> Mask:
        """All that may be learned from."""
        return self.fit | self.validation


@dataclass(frozen=True)
class Method:
    """How one method did: its completion, its error on the held-out entries, its price.

    The error is NaN where nothing was held out.
    """

    name: str
    completed: Array
    rmse: float
    seconds: float
    chosen: str

    def __repr__(self) -> str:
        return brief(self)


def hold_out(table: Array, share: float, *, rng: RNG = None) -> TrainTestSplit:
    """Split the observed entries at random: ``share`` for test, a tenth of the rest to validate.

    A share of 0 leaves nothing to test on.
    """
    if not 0 <= share < 1:
        raise ValueError(f"holdout must lie in [0, 1), not {share!r}")
    observed = np.argwhere(np.isfinite(table))
    count = len(observed)
    tests = round(share * count)
    validations = max(1, round(_VALIDATION * (count - tests)))
    if tests < (share > 0) or count - tests - validations < 1:
        raise ValueError(
            f"table has too few observed entries, {count}, to hold out a share of {share:g} "
            "and validate"
        )
    order = np.random.default_rng(rng).permutation(observed)
    parts = np.split(order, (tests, tests + validations))
    test, validation, fit = (_mask(part, table.shape) for part in parts)
    folds: tuple[tuple[Mask, Array], ...] = ((fit, parts[1]),)
    if count - tests < _SMALL:
        train, turns = fit | validation, np.array_split(order[tests:], min(_FOLDS, count - tests))
        folds = tuple((train & ~_mask(part, table.shape), part) for part in turns)
    return TrainTestSplit(fit, validation, test, folds)


def _mask(places: Array, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(places.T)] = True
    return mask


def rmse(completed: Array, table: Array, mask: Mask) -> float:
    """Root mean square error over the entries of ``mask``; NaN where it has none."""
    if not mask.any():
        return math.nan
    return float(np.sqrt(np.mean((completed[mask] - table[mask]) ** 2)))


def _fill_columns(table: Array, mask: Mask) -> Array:
    """The mean of each column over ``mask`` (..., m, n); of everything, where it has no entry."""
    seen = np.where(mask, table, 0.0)
    count, total = mask.sum(axis=-2, keepdims=True), seen.sum(axis=-2, keepdims=True)
    everything = seen.sum(axis=(-2, -1), keepdims=True) / mask.sum(axis=(-2, -1), keepdims=True)
    means = np.where(count > 0, total / np.maximum(count, 1), everything)
    return np.broadcast_to(means, mask.shape).copy()


def column_mean(table: Array, split: TrainTestSplit) -> Method:
    """The mean of each column over the training entries."""
    begun = time.perf_counter()
    completed = _fill_columns(table, split.train)
    error = rmse(completed, table, split.test)
    return Method("column mean", completed, error, time.perf_counter() - begun, "")


@one_blas_thread
def truncated_svd(table: Array, split: TrainTestSplit, report: Progress) -> Method:
    """Iterated truncated SVD, rank after rank, of the rank that validates best.

    Each rank starts from the one before and runs as many rounds as validate best: they matter as
    training time does for the network, early ones regularise.
    """
    begun = time.perf_counter()
    schedule: list[int] = []  # rounds of each rank
    best, chosen = np.inf, 1
    fits = np.array([fit for fit, _ in split.folds])
    guess = _fill_columns(table, fits)
    for rank in range(1, min(table.shape) + 1):
        guess, rounds, error = _best_round(table, split, rank, guess, fits)
        schedule.append(rounds)
        if error < best:
            best, chosen = error, rank
        report("baselines", rank / (rank + _PATIENT_RANKS))
        if rank >= chosen + _PATIENT_RANKS:
            break
    completed = _fill_columns(table, split.train)
    for rank, rounds in enumerate(schedule[:chosen], start=1):
        path = hard_impute(table, split.train, rank, completed)
        completed = next(islice(path, rounds - 1, None))
    report("baselines", 1.0)
    error, seconds = rmse(completed, table, split.test), time.perf_counter() - begun
    return Method("truncated SVD", completed, error, seconds, f"rank {chosen}")


def _best_round(
    table: Array, split: TrainTestSplit, rank: int, guess: Array, fits: Mask
) -> tuple[Array, int, float]:
    """The iterates of :func:`hard_impute` that validate best, their number, and their error."""
    fold = np.repeat(np.arange(len(split.folds)), [len(places) for _, places in split.folds])
    i, j = np.concatenate([places for _, places in split.folds]).T
    best, kept, error = 1, guess, np.inf
    for k, iterate in enumerate(hard_impute(table, fits, rank, guess), start=1):
        now = float(np.sqrt(np.mean((iterate[fold, i, j] - table[i, j]) ** 2)))
        if now < error:
            best, kept, error = k, iterate, now
        if k >= min(_ROUNDS, 2 * best + _PATIENCE):
            break
    return kept, best, error


def hard_impute(table: Array, mask: Mask, rank: int, guess: Array) -> Iterator[Array]:
    """Truncate to ``rank`` and put the entries of ``mask`` back, in turn, for ever.

    Parameters
    ----------
    table : (m, n) array
    mask : (..., m, n) array of bool
        Where the table may be read; a stack of masks gives a stack of paths.
    rank : int
    guess : (..., m, n) array
        What fills the rest to begin with.

    Yields
    ------
    (..., m, n) array of the given rank, one a round
    """
    filled = np.where(mask, table, guess)
    basis = transpose(np.linalg.svd(filled, full_matrices=False)[2][..., :rank, :])
    while True:
        truncated = (filled @ basis) @ transpose(basis)
        yield truncated
        filled = np.where(mask, table, truncated)
        # A step of subspace iteration, warm from the last round: as the filled matrix settles, so
        # does the basis on its leading right singular vectors.
        basis = np.linalg.qr(transpose(filled) @ (filled @ basis))[0]
