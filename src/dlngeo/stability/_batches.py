"""Batches of samples drawn without replacement, and the checks that stochastic descent shares."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array

MOST_BATCHES = 200_000


def batch_size(batch: int, n: int) -> int:
    """How many of n samples a batch has."""
    size = _checks.integer(batch, "batch", 1)
    if size > n:
        raise ValueError(f"batch must be at most {n}, the number of samples; it is {size}")
    return size


def batches(n: int, batch: int) -> Array:
    """All batches of n samples, as rows of indices."""
    count = math.comb(n, batch)
    if count > MOST_BATCHES:
        raise ValueError(
            f"{n} samples have {count} batches of {batch}, too many to average over exactly"
        )
    return np.array(list(itertools.combinations(range(n), batch)))


def positive(value: ArrayLike, name: str) -> Array:
    """An array of finite numbers > 0."""
    array = _checks.real_array(value, name)
    if not (array > 0).all():
        raise ValueError(f"{name} must be > 0; its smallest entry is {array.min():g}")
    return array
