"""What a completion is held against: a split of the observed entries, and simple methods on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlngeo import weights
from dlngeo._checks import Array

Mask = NDArray[np.bool_]
Progress = Callable[[str, float], None]

_VALIDATION = 0.1  # share of the training entries that chooses


@dataclass(frozen=True)
class Split:
    """Disjoint masks of the observed entries: ``fit`` and ``validation`` make up ``train``."""

    fit: Mask
    validation: Mask
    test: Mask

    @property
    def train(self) -> Mask:
        """All that may be learned from."""
        return self.fit | self.validation


@dataclass(frozen=True)
class Method:
    """How one method did: its completion, its error on the held-out entries, its price."""

    name: str
    completed: Array
    rmse: float
    seconds: float
    chosen: str


def hold_out(table: Array, share: float, *, rng: weights.RNG = None) -> Split:
    """Split the observed entries at random: ``share`` for test, a tenth of the rest to validate."""
    if not 0 < share < 1:
        raise ValueError(f"holdout must lie in (0, 1), not {share!r}")
    observed = np.argwhere(np.isfinite(table))
    count = len(observed)
    tests = round(share * count)
    validations = max(1, round(_VALIDATION * (count - tests)))
    if tests < 1 or count - tests - validations < 1:
        raise ValueError(
            f"too few observed entries, {count}, to hold out a share of {share:g} and validate"
        )
    order = np.random.default_rng(rng).permutation(observed)
    masks = []
    for part in np.split(order, (tests, tests + validations)):
        mask = np.zeros(table.shape, dtype=bool)
        mask[part[:, 0], part[:, 1]] = True
        masks.append(mask)
    test, validation, fit = masks
    return Split(fit=fit, validation=validation, test=test)


def rmse(completed: Array, table: Array, mask: Mask) -> float:
    """Root mean square error over the entries of ``mask``."""
    return float(np.sqrt(np.mean((completed[mask] - table[mask]) ** 2)))


def _fill_columns(table: Array, mask: Mask) -> Array:
    """The mean of each column over ``mask``; of everything, where a column has no entry."""
    count = mask.sum(axis=0)
    total = np.where(mask, table, 0.0).sum(axis=0)
    means = np.where(count > 0, total / np.maximum(count, 1), table[mask].mean())
    return np.broadcast_to(means, table.shape).copy()


def column_mean(table: Array, split: Split) -> Method:
    """The mean of each column over the training entries."""
    begun = time.perf_counter()
    completed = _fill_columns(table, split.train)
    error = rmse(completed, table, split.test)
    return Method("column mean", completed, error, time.perf_counter() - begun, "")


def truncated_svd(table: Array, split: Split, report: Progress) -> Method:
    """Iterated truncated SVD ("hard impute") of the rank that does best on the validation part."""
    begun = time.perf_counter()
    errors: list[float] = []
    guess = _fill_columns(table, split.fit)
    for rank in range(1, min(table.shape) + 1):
        guess = hard_impute(table, split.fit, rank, guess)
        errors.append(rmse(guess, table, split.validation))
        report("baselines", rank / (rank + 3))
        if rank >= int(np.argmin(errors)) + 4:  # three ranks in a row did no better
            break
    best = int(np.argmin(errors)) + 1
    completed = _fill_columns(table, split.train)
    for rank in range(1, best + 1):
        completed = hard_impute(table, split.train, rank, completed)
    error = rmse(completed, table, split.test)
    report("baselines", 1.0)
    seconds = time.perf_counter() - begun
    return Method("truncated SVD", completed, error, seconds, f"rank {best}")


def hard_impute(
    table: Array, mask: Mask, rank: int, guess: Array, *, tol: float = 1e-5, iterations: int = 2000
) -> Array:
    """Fill the entries outside ``mask`` and truncate to ``rank``, in turn, until nothing moves.

    Parameters
    ----------
    table : (m, n) array
    mask : (m, n) array of bool
    rank : int
    guess : (m, n) array
        Where to start.
    tol : float
        Relative change of the filled matrix at which to stop.
    iterations : int

    Returns
    -------
    (m, n) array of the given rank
    """
    filled = np.where(mask, table, guess)
    tall = filled.shape[0] >= filled.shape[1]
    truncated = guess
    for _ in range(iterations):
        # The leading singular vectors on the short side, from the small Gram matrix.
        gram = filled.T @ filled if tall else filled @ filled.T
        basis = np.linalg.eigh(gram)[1][:, -rank:]
        truncated = (filled @ basis) @ basis.T if tall else basis @ (basis.T @ filled)
        new = np.where(mask, table, truncated)
        change = np.linalg.norm(new - filled)
        filled = new
        if change <= tol * np.linalg.norm(filled):
            break
    return truncated
