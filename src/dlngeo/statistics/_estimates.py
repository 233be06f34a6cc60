"""Means over paths and autocorrelation times along them, each with its standard error.

Users find them in :mod:`dlngeo.statistics`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._autocorrelation import lagged_sums, summed
from dlngeo._checks import Array

_GROUPS = 16  # of paths, left out in turn
_LEAST = 8  # frames, below which there is nothing to say


class Estimate(NamedTuple):
    """A value and its standard error, of one shape."""

    value: Array
    error: Array

    def __repr__(self) -> str:
        if np.ndim(self.value):
            return f"Estimate(shape {np.shape(self.value)})"
        return f"Estimate({self.value:.6g} ± {self.error:.2g})"


def mean(values: ArrayLike) -> Estimate:
    """The mean over paths, and its standard error.

    Parameters
    ----------
    values : (path, ...) array
        At least one path.

    Returns
    -------
    Estimate
        Of shape ``(...)``. The error is the standard deviation (with paths - 1) over the square
        root of the number of paths; inf, not NaN, for one path, which says nothing of its spread.

    Raises
    ------
    ValueError
        For no path, or entries that are not finite, as those of a path that ended early.

    Examples
    --------
    >>> import dlngeo as dln
    >>> found = dln.statistics.mean([1.0, 2.0, 3.0])
    >>> float(found.value), round(float(found.error), 6)  # 1/√3
    (2.0, 0.57735)
    """
    values = _followed(values)
    if values.ndim < 1 or len(values) == 0:
        raise ValueError(f"values must have shape (path, ...), path >= 1, not {values.shape}")
    value = values.mean(axis=0)
    if len(values) == 1:
        return Estimate(value, np.full(value.shape, np.inf)[()])
    return Estimate(value, values.std(axis=0, ddof=1) / math.sqrt(len(values)))


def autocorrelation_time(values: ArrayLike, dt: float) -> Estimate:
    r"""The integrated autocorrelation time of stationary paths, in units of time.

    .. math:: \tau = \frac{dt}2\sum_{k=-\infty}^\infty\rho_k \approx \int_0^\infty\rho(s)\,ds

    so that e^{-t/τ} has time τ, and a mean over a time T the variance 2τ/T of one value.

    Parameters
    ----------
    values : (path, time, ...) array
        One quantity or many, on at least 8 frames, after the paths became stationary.
    dt : float > 0
        Time between frames.

    Returns
    -------
    Estimate
        Of shape ``(...)``; dt/2 is what independent frames have, and what is returned where
        nothing moves. The error is the jackknife's, paths left out in up to 16 groups; inf for one
        path.

    Notes
    -----
    Correlations are about the mean of all paths, which share one law: paths that stay apart make τ
    long. They are summed in pairs as long as the pairs stay positive and fall (Geyer, 1992).
    """
    values, dt = _followed(values), _checks.positive(dt, "dt")
    if values.ndim < 2 or len(values) == 0 or values.shape[1] < _LEAST:
        raise ValueError(
            f"values must have shape (path, time, ...) with at least {_LEAST} frames; their shape "
            f"is {values.shape}"
        )
    paths, frames = values.shape[:2]
    groups = min(paths, _GROUPS)
    first = np.arange(groups) * paths // groups
    parts = np.add.reduceat(_products(values), first, axis=0)
    whole = parts.sum(axis=0)
    least = 0.5 / math.log10(paths * frames)
    value = dt * np.maximum(_summed(whole), least)
    if groups < 2:
        return Estimate(value, np.full(value.shape, np.inf)[()])
    left = dt * np.maximum(_summed(np.moveaxis(whole - parts, 0, 1)), least)
    return Estimate(value, math.sqrt(groups - 1) * left.std(axis=0))


def _followed(values: ArrayLike) -> Array:
    """Finite values of paths: no mean is taken over survivors in silence."""
    array = _checks.real_array(values, "values", finite=False)
    bad = ~np.isfinite(array)
    if array.ndim and bad.any():
        lost = int(bad.reshape(len(array), -1).any(axis=1).sum())
        raise ValueError(
            f"values must be finite; those of {lost} of {len(array)} paths are not, as after the "
            "end of a path: take the paths whose status is 0, or ensemble.together(), and say so"
        )
    return array


def _products(values: Array) -> Array:
    """Mean products of deviations (path, lag, ...), over all pairs of frames so far apart."""
    n = values.shape[1]
    still = np.ptp(values, axis=(0, 1)) == 0  # whose mean is true only to rounding
    centred = np.where(still, 0.0, values - values.mean(axis=(0, 1)))
    pairs = np.arange(n, 0, -1).reshape(-1, *[1] * (values.ndim - 2))
    return np.asarray(lagged_sums(centred) / pairs)


def _summed(covariance: Array) -> Array:
    """½ Σ ρ over positive and negative lags, from covariances (lag, ...)."""
    still = covariance[0] == 0
    return np.where(still, 0.5, summed(covariance / np.where(still, 1.0, covariance[0])))
