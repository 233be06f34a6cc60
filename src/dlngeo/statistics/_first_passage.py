"""Times of first passage of paths, above all between ranks, and the law of those times.

Times are those of saved frames. A path that passes and returns between two frames is not seen: the
times are too long, by the order of the square root of the distance of frames. Users find all this
in :mod:`dlngeo.statistics`.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._results.ensemble import Ensemble, refuse_early_ends
from dlngeo.observables import effective_rank
from dlngeo.statistics._estimates import Estimate


class Passages(NamedTuple):
    """Times of first passage, from the start of each path's clock."""

    times: Array  # (path,): inf where it was not seen
    watched: Array  # (path,): for how long it was looked for; -inf where the clock never started

    def __repr__(self) -> str:
        return f"Passages({np.isfinite(self.times).sum()} of {len(self.times)} paths passed)"


def first_passage(
    t: ArrayLike, values: ArrayLike, level: float, *, origin: float | None = None
) -> Passages:
    """When a quantity first comes to a level, or beyond it, from the side where it was.

    Parameters
    ----------
    t : (time,) increasing array
    values : (path, time) array
    level : float
    origin : float or None
        None: clocks start with the first frame. A number: the clock of each path starts where it
        first comes to that level, so that ``times`` is how long it takes from there.

    Returns
    -------
    Passages
        0 where the level is passed already when the clock starts.

    Raises
    ------
    ValueError
        For times that do not increase, shapes that do not fit, or entries that are not finite.

    Examples
    --------
    >>> import dlngeo as dln
    >>> values = [[0.0, 1.0, 2.0], [0.0, 0.0, 0.5]]  # two paths, the second of which does not come
    >>> dln.statistics.first_passage([0, 1, 2], values, 1.5).times.tolist()
    [2.0, inf]
    """
    t, values = _checks.real_array(t, "t"), _checks.real_array(values, "values")
    if t.ndim != 1 or t.size == 0 or not (np.diff(t) > 0).all():
        raise ValueError(f"t must be an increasing vector; its shape is {t.shape}")
    if values.ndim != 2 or values.shape[1] != t.size:
        raise ValueError(f"values must have shape (path, {t.size}), as t has; not {values.shape}")
    begin = np.zeros(len(values), dtype=int)
    if origin is not None:
        begin = _reached(values, begin, _checks.finite(origin, "origin"))
    end = _reached(values, begin, _checks.finite(level, "level"))
    started = np.append(t, np.inf)[begin]
    with np.errstate(invalid="ignore"):
        times = np.where(end < t.size, np.append(t, np.inf)[end] - started, np.inf)
    return Passages(times, t[-1] - started)


def _reached(values: Array, begin: Array, level: float) -> Array:
    """The first frame from ``begin`` on that has come to the level; the number of frames: never."""
    frames = values.shape[1]
    first = values[np.arange(len(values)), np.minimum(begin, frames - 1)]
    side = np.sign(first - level)[:, None]
    there = (side * (values - level) <= 0) & (np.arange(frames) >= begin[:, None])
    return np.where(there.any(axis=1), there.argmax(axis=1), frames)


def first_passage_times(
    ensemble: Ensemble,
    rank: float,
    *,
    origin: float | None = None,
    kind: Literal["entropy", "stable", "threshold"] = "threshold",
    threshold: float = 1e-2,
) -> Passages:
    """When the effective rank of each path first comes to ``rank``, from above or from below.

    Parameters
    ----------
    ensemble : Ensemble
    rank : float
        A whole number for ``kind="threshold"``; the other kinds take any value between 1 and d,
        and come to the ends only in a limit.
    origin : float or None
        The time from one rank to another: clocks start where a path first comes to this rank.
    kind, threshold
        As for :func:`dlngeo.observables.effective_rank`.

    Returns
    -------
    Passages
        ``times`` (path,), inf where it was not seen, and ``watched`` (path,).

    Raises
    ------
    ValueError
        If paths ended early: where they did may depend on their rank.
    """
    _checks.instance(ensemble, "ensemble", Ensemble)
    rank = _checks.finite(rank, "rank")
    refuse_early_ends(ensemble)
    ranks = effective_rank(ensemble.singular_values, kind, threshold=threshold)
    return first_passage(ensemble.t, ranks, rank, origin=origin)


def survival(passages: Passages, t: ArrayLike) -> Estimate:
    """The chance that the passage takes longer than t, from paths watched for different times.

    Parameters
    ----------
    passages : Passages
    t : array of times >= 0
        Not beyond the time that the longest path was watched.

    Returns
    -------
    Estimate
        Of the shape of t: the estimate of Kaplan and Meier, Greenwood's error. Where all paths were
        watched beyond t these are the fraction p still on its way, and √(p(1-p)/paths). An error
        of 0 at p = 0 or 1 is not one: n paths leave some 3/n possible.

    Raises
    ------
    ValueError
        For t out of range, or when no clock started.
    """
    law = _kaplan_meier(passages)
    t = _checks.real_array(t, "t")
    _within(law, t, "t")
    spread = np.append(0.0, np.cumsum(law.hazard))
    index = np.searchsorted(law.events, t, side="right")
    value = law.alive[index]
    return Estimate(value, value * np.sqrt(spread[index]))


def mean_passage_time(passages: Passages, horizon: float) -> Estimate:
    """The mean of the smaller of passage time and horizon, ∫ survival dt up to the horizon.

    Parameters and errors as :func:`survival`. Where all paths were watched beyond the horizon it is
    the mean of ``minimum(times, horizon)`` and its standard error (with paths, not paths - 1). The
    mean without a horizon cannot be had from paths that have not all passed.
    """
    law = _kaplan_meier(passages)
    end = _checks.non_negative(horizon, "horizon")
    _within(law, np.asarray(end), "horizon")
    edges = np.minimum(np.concatenate(([0.0], law.events, [end])), end)
    areas = law.alive * np.diff(edges)
    later = np.append(np.cumsum(areas[::-1])[::-1], 0.0)[1:-1]  # of survival beyond each event
    error = np.sqrt((later**2 * law.hazard).sum())
    return Estimate(areas.sum(), error)


class _Law(NamedTuple):
    events: Array  # the different times at which a path passed, or was lost
    alive: Array  # survival before the first, and after each
    hazard: Array  # Greenwood's terms d/(n (n - d)), 0 where all have passed
    end: float  # nothing is known beyond


def _kaplan_meier(passages: Passages) -> _Law:
    from scipy.stats import CensoredData, ecdf  # half a second to import, for few users

    _checks.instance(passages, "passages", Passages)
    times = np.asarray(passages.times, dtype=float)
    watched = np.asarray(passages.watched, dtype=float)
    if not (watched >= 0).any():
        raise ValueError(f"passages must hold a path whose clock started; none of {len(times)} did")
    passed = np.isfinite(times)
    seen, lost = times[passed], watched[~passed & (watched >= 0)]
    law = ecdf(CensoredData(uncensored=seen, right=lost)).sf
    alive = np.append(1.0, law.probabilities)
    deaths = np.diff(np.searchsorted(np.sort(seen), law.quantiles, side="right"), prepend=0)
    followed = np.sort(np.concatenate((seen, lost)))
    n = len(followed) - np.searchsorted(followed, law.quantiles, side="left")
    hazard = np.where(n > deaths, deaths / n / np.maximum(n - deaths, 1), 0.0)
    return _Law(law.quantiles, alive, hazard, math.inf if alive[-1] == 0 else float(watched.max()))


def _within(law: _Law, t: Array, name: str) -> None:
    if t.size and not (t.min() >= 0 and t.max() <= law.end):
        raise ValueError(
            f"{name} must lie between 0 and {law.end:g}, for as long as paths were watched; it "
            f"goes from {t.min():g} to {t.max():g}"
        )
