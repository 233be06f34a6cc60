"""Completing a large table: biases, a flow of low rank, and all that validation chooses."""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._callbacks import Callback
from dlngeo._checks import RNG, Array
from dlngeo._engine import chosen as chosen_engine
from dlngeo.energies import SparseCompletion
from dlngeo.lowrank._biases import Table, rmse
from dlngeo.lowrank._completed import LowRankCompletion
from dlngeo.lowrank._factors import Factors
from dlngeo.lowrank._flow import flow
from dlngeo.lowrank._starts import spectral_start

Progress = Callable[[str, float], None]

_RANKS = (5, 10, 20, 40)
_DECAYS = (0.0, 0.1, 0.2)  # times the mean number of entries of a row and a column together
_SHRINKAGES = (0.3, 1.0, 3.0, 10.0, 30.0)  # entries that a bias of zero counts for
_WORSE = 1.01  # times the least error, where training ends
_GAIN = 0.999  # times the error, below which there is a gain worth waiting for
_PATIENCE = 10  # times the time of the last gain, when training ends
_IDLE = 20  # steps since then, at least, when it does
_STEPS = 200  # of a trial, at most
_LONG = 1e9  # a time that no trial comes to
_SCALE = 0.02  # of the leading singular value of the residual


def complete(
    rows: ArrayLike,
    cols: ArrayLike,
    values: ArrayLike,
    shape: tuple[int, int],
    *,
    depth: float = 3,
    rank: int | None = None,
    weight_decay: float | None = None,
    biases: bool = True,
    validation: float = 0.1,
    scale: float | None = None,
    clip: bool = False,
    rng: RNG = None,
    engine: str = "auto",
    chosen: dict[str, Any] | None = None,
    trials: MutableMapping[str, dict[str, Any]] | None = None,
    progress: Progress | None = None,
) -> LowRankCompletion:
    """Complete a table from some of its entries, by a deep linear network of low rank.

    Part of the entries is held out. Mean and biases are fitted to the others by ridge regression,
    and the flow from a small start in the directions of their residual to that residual, until the
    held-out entries are predicted worse again. Rank, weight decay and time are those that predict
    best; with them it is trained on all entries.

    Parameters
    ----------
    rows, cols, values, shape
        As for :class:`dlngeo.energies.SparseCompletion`.
    depth : real number >= 1
    rank : int or None
        None: chosen from 5, 10, 20, 40, up to the first that predicts no better than those below.
    weight_decay : float >= 0, or None
        None: chosen from 0, 0.1 and 0.2 times the entries over m + n.
    biases : bool
        Whether rows and columns have biases; else there is the mean alone.
    validation : float between 0 and 1
        Part of the entries that is held out.
    scale : float > 0, or None
        All singular values of the start; None: 0.02 of the leading one of :func:`spectral_start`.
    clip : bool
        Whether predictions keep to the range of the values.
    rng : Generator, SeedSequence, integer or None
        Draws the entries held out.
    engine : "auto", "numpy" or "numba"
    chosen : dict or None
        The summary of a completion of some of the entries: its rank, weight decay, shrinkage and
        time are taken, and nothing is held out.
    trials : dict or None
        What has been tried, by name, which is not tried again; what is tried now is added:
        ``error`` and ``time`` where validation is best, ``times`` and ``errors`` along the path.
        Kept in a file, they let a run that was interrupted go on: the result is the same.
    progress : callable or None
        ``progress(stage, fraction)`` after each step; stages are "choosing" and "training".

    Returns
    -------
    LowRankCompletion

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> rng = np.random.default_rng(0)
    >>> truth = dln.lowrank.random_start((80, 60), 2, scale=60.0, rng=rng)
    >>> rows, cols = np.nonzero(rng.random((80, 60)) < 0.4)
    >>> values = 3 + truth.entries(rows, cols)
    >>> found = dln.lowrank.complete(rows, cols, values, (80, 60), rank=2, rng=1)
    >>> missed = found.predict([0, 1, 2], [3, 4, 5]) - 3 - truth.entries([0, 1, 2], [3, 4, 5])
    >>> bool(np.abs(missed).max() < 0.1)
    True
    """
    whole = SparseCompletion(rows, cols, values, shape)  # checks them
    share = _checks.positive(validation, "validation")
    held = round(share * whole.values.size)
    if not (share < 1 and 0 < held < whole.values.size):
        raise ValueError(
            f"validation must leave entries on both sides; {share:g} holds out {held} of "
            f"{whole.values.size}"
        )
    chosen_engine(engine)  # refuses what is none
    if trials is not None:
        _checks.instance(trials, "trials", MutableMapping)
    report = _unheard if progress is None else _checks.function(progress, "progress")
    number = _checks.depth(depth)
    if math.isinf(number):
        raise ValueError("depth must be finite: at inf the singular spaces do not move")
    m, n = whole.shape
    taken = None if chosen is None else _chosen(chosen, min(m, n))
    ranks = [k for k in _RANKS if 2 * k <= min(m, n)] or [1]
    unit = whole.values.size / (m + n)
    settings = _Settings(
        number,
        ranks if rank is None else [_checks.rank(rank, (m, n), None, 2)],
        [d * unit for d in _DECAYS]
        if weight_decay is None
        else [_checks.non_negative(weight_decay, "weight_decay")],
        None if scale is None else _checks.positive(scale, "scale"),
        engine,
    )
    shrinkages = _SHRINKAGES if _checks.flag(biases, "biases") else (math.inf,)
    limits = (float(whole.values.min()), float(whole.values.max()))
    clipped = limits if _checks.flag(clip, "clip") else None
    everything, generator = Table.of(whole, slice(None)), _checks.rng(rng)
    if taken is not None:
        return _trained(everything, settings, taken, clipped, report)
    order = generator.permutation(whole.values.size)
    seen = Table.of(whole, np.sort(order[held:]))
    hidden = Table.of(whole, np.sort(order[:held]))
    done = {} if trials is None else trials
    found = _validated(seen, hidden, settings, shrinkages, clipped, done, report)
    return _trained(everything, settings, found, clipped, report)


def _unheard(stage: str, fraction: float) -> None:
    """Progress that nobody asked for."""


def _chosen(summary: Any, largest: int) -> dict[str, Any]:
    """A copy of the summary of another completion, once it says all that is to be taken."""
    found = dict(_checks.instance(summary, "chosen", dict))
    missing = {"rank", "weight_decay", "time", "shrinkage", "entries"} - found.keys()
    if missing:
        raise ValueError(f"chosen must be the summary of a completion; {min(missing)} is missing")
    for name, least, most in (("rank", 0, largest), ("entries", 1, None)):
        found[name] = _checks.integer(found[name], f"chosen[{name!r}]", least, most)
    for name in ("weight_decay", "time", "shrinkage"):
        number = _checks.real(found[name], f"chosen[{name!r}]")
        if not (number >= 0 and (number < math.inf or name == "shrinkage")):
            raise ValueError(f"chosen[{name!r}] must be >= 0, not {number:g}")
    return found


class _Settings(NamedTuple):
    """What is tried."""

    depth: float
    ranks: list[int]
    decays: list[float]
    scale: float | None
    engine: str


def _validated(
    seen: Table,
    hidden: Table,
    settings: _Settings,
    shrinkages: tuple[float, ...],
    limits: tuple[float, float] | None,
    done: MutableMapping[str, dict[str, Any]],
    report: Progress,
) -> dict[str, Any]:
    """The choice that predicts the hidden entries best."""
    found = [(rmse(seen.biases(s).at(hidden), hidden, limits), s) for s in shrinkages]
    alone, shrinkage = min(found)
    biases = seen.biases(shrinkage)
    energy, expected = seen.residual(biases), biases.at(hidden)
    best: dict[str, Any] = {
        "validation_rmse": alone, "time": 0.0, "rank": 0, "weight_decay": 0.0,
    }  # fmt: skip
    tries = [(rank, decay) for rank in settings.ranks for decay in settings.decays]
    cost, total, tried = 0, sum(rank for rank, _ in tries), 0
    starts: dict[int, Factors | None] = {}
    for rank, decay in tries:
        if tried and decay == settings.decays[0] and best["rank"] != tries[tried - 1][0]:
            break  # the rank before was no better than those below it
        name = f"rank {rank}, weight decay {decay:.6g}"
        if name not in done:
            if rank not in starts:
                starts = {rank: _start(energy, rank, settings)}
            start = starts[rank]
            look = _Trial(hidden, expected, limits, partial(_tell, report, cost, rank, total))
            if start is not None:
                _flow(energy, start, decay, settings, look=look)
            done[name] = look.outcome()
        cost, tried = cost + rank, tried + 1
        report("choosing", cost / total)
        if done[name]["error"] < best["validation_rmse"]:
            best = {"validation_rmse": done[name]["error"], "time": done[name]["time"]}
            best |= {"rank": rank, "weight_decay": decay}
    best |= {"shrinkage": shrinkage, "biases_rmse": alone, "entries": len(seen.values)}
    report("choosing", 1.0)
    return best | {"trials": tried}


def _tell(report: Progress, done: int, rank: int, total: int, steps: int) -> None:
    """How far it is with the trials; a trial does not know how many steps it will take."""
    report("choosing", (done + (1 - 0.8**steps) * rank) / total)


class _Trial:
    """Looks at the hidden entries after each step, and ends the run where they get worse."""

    def __init__(
        self,
        hidden: Table,
        expected: Array,
        limits: tuple[float, float] | None,
        report: Callable[[int], None],
    ) -> None:
        self._hidden, self._expected, self._limits = hidden, expected, limits
        self._report = report
        self.error, self.time = math.inf, 0.0
        self._last = math.inf, 0.0  # error and time of the last gain worth waiting for
        self._idle = 0  # steps since then
        self._path: list[tuple[float, float]] = []

    def outcome(self) -> dict[str, Any]:
        times, errors = ([step[k] for step in self._path] for k in (0, 1))
        return {"error": self.error, "time": self.time, "times": times, "errors": errors}

    def __call__(self, t: float, W: Factors) -> None:
        places = self._hidden.rows, self._hidden.cols
        error = rmse(self._expected + W.entries(*places), self._hidden, self._limits)
        self._path.append((t, error))
        self._report(len(self._path))
        if error < self.error:
            self.error, self.time = error, t
        if error < _GAIN * self._last[0]:
            self._last, self._idle = (error, t), -1
        self._idle += 1
        waited = self._idle >= _IDLE and t > _PATIENCE * self._last[1]
        if waited or error > _WORSE * self.error:
            raise StopIteration


def _start(energy: SparseCompletion, rank: int, settings: _Settings) -> Factors | None:
    """In the directions of the residual, all singular values alike; None if it has too few."""
    try:
        start = spectral_start(energy, rank)
    except ValueError:
        return None
    scale = settings.scale or _SCALE * float(start.sigma[0])
    return start._replace(sigma=np.full(rank, scale))


def _flow(
    energy: SparseCompletion,
    start: Factors,
    decay: float,
    settings: _Settings,
    time: float = _LONG,
    look: _Trial | Callback | None = None,
) -> Factors:
    run = flow(
        energy, start, (0, time), depth=settings.depth, weight_decay=decay, rtol=1e-4,
        max_steps=_STEPS if time == _LONG else 10 * _STEPS, callback=look, engine=settings.engine,
    )  # fmt: skip
    return run.factors()


def _trained(
    table: Table,
    settings: _Settings,
    chosen: dict[str, Any],
    limits: tuple[float, float] | None,
    report: Progress,
) -> LowRankCompletion:
    """With all entries, as far as the choice says: E is a sum, so that more of them go faster."""
    biases = table.biases(chosen["shrinkage"])
    chosen["time"] *= chosen["entries"] / len(table.values)
    chosen["entries"] = len(table.values)
    energy, (m, n) = table.residual(biases), table.shape
    start = _start(energy, chosen["rank"], settings) if chosen["rank"] else None
    if start is None:  # mean and biases say it all
        W = Factors(np.zeros((m, 0)), np.zeros(0), np.zeros((n, 0)))
    else:
        time = chosen["time"]

        def tell(t: float, W: Factors) -> None:
            report("training", t / time)

        W = _flow(energy, start, chosen["weight_decay"], settings, time, tell)
    return LowRankCompletion(*W, biases.rows, biases.cols, biases.mean, limits, chosen)
