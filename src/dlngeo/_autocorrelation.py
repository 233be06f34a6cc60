"""Sums of autocorrelations along paths, (path, time, ...): by fast transforms, cut off by Geyer."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from dlngeo._checks import Array


def lagged_sums(deviations: Array) -> Array:
    """Σ_t x_t x_{t+k} of each path, (path, lag, ...)."""
    n = deviations.shape[1]
    length = next_fast_len(2 * n, real=True)
    power = np.abs(rfft(deviations, length, axis=1)) ** 2
    return np.asarray(irfft(power, length, axis=1)[:, :n])


def summed(correlation: Array) -> Array:
    """½ Σ ρ over positive and negative lags, from correlations (lag, ...) with ρ_0 = 1.

    They are summed in pairs as long as the pairs stay positive and fall (Geyer, 1992).
    """
    even = len(correlation) - len(correlation) % 2
    pairs = correlation[0:even:2] + correlation[1:even:2]
    alive = np.logical_and.accumulate(pairs > 0, axis=0)
    pairs = np.minimum.accumulate(np.where(alive, pairs, 0.0), axis=0)
    return np.asarray(pairs.sum(axis=0) - 0.5)
