"""What validation chooses for a completion: biases or none, rank, weight decay and time."""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dlngeo._callbacks import Callback
from dlngeo._checks import Array
from dlngeo.energies import SparseCompletion
from dlngeo.lowrank._factors import Factors, inner_products
from dlngeo.lowrank._flow import flow
from dlngeo.lowrank._starts import spectral_start

Progress = Callable[[str, float], None]

DECAYS = (0.0, 1e-4, 4e-4, 1.6e-3, 6e-3, 0.025, 0.05, 0.1, 0.2)  # of one that leaves nothing
_WORSE = 1.06  # times the least error, beyond twice its time, where training ends
_GAIN = 0.999  # times the error, below which there is a gain worth waiting for
_PATIENCE = 5  # times the time of the last gain, when training ends
_IDLE = 12  # steps since then, at least, when it does
_GIVES_UP = 2  # decays in a row that validate worse
_STEPS = 400  # of a trial, at most
_RTOL = 1e-3
_LONG = 1e9  # a time that no trial comes to
_SCALE = 0.02  # of the leading singular value of the residual


class Table(NamedTuple):
    """Entries of a table."""

    rows: Array
    cols: Array
    values: Array
    shape: tuple[int, int]

    @classmethod
    def of(cls, energy: SparseCompletion, some: Any) -> Table:
        return cls(energy.rows[some], energy.cols[some], energy.values[some], energy.shape)

    def biases(self, shrinkage: float) -> Biases:
        """Mean and biases by ridge regression, row and column biases in turn."""
        m, n = self.shape
        mean = float(self.values.mean())
        b, c = np.zeros(m), np.zeros(n)
        if shrinkage < math.inf:
            of_rows = np.bincount(self.rows, minlength=m) + shrinkage
            of_cols = np.bincount(self.cols, minlength=n) + shrinkage
            for _ in range(20):
                b = np.bincount(self.rows, self.values - mean - c[self.cols], m) / of_rows
                c = np.bincount(self.cols, self.values - mean - b[self.rows], n) / of_cols
        return Biases(mean, b, c)

    def residual(self, biases: Biases) -> SparseCompletion:
        rest = self.values - biases.at(self)
        return SparseCompletion(self.rows, self.cols, rest, self.shape)


class Biases(NamedTuple):
    """A mean, and what rows and columns add to it."""

    mean: float
    rows: Array
    cols: Array

    def at(self, table: Table) -> Array:
        """What they expect of the entries of a table."""
        return np.asarray(self.mean + self.rows[table.rows] + self.cols[table.cols])


def rmse(predicted: Array, table: Table, limits: tuple[float, float] | None) -> float:
    """The root mean square error over the entries of a table, predictions kept to the limits."""
    if limits is not None:
        predicted = np.clip(predicted, *limits)
    return float(np.sqrt(np.mean((predicted - table.values) ** 2)))


class Settings(NamedTuple):
    """What is tried."""

    depth: float
    ranks: list[int]
    decay: float | None  # None: chosen
    scale: float | None
    engine: str


class Search:
    """Trials, one after another: what comes next depends on what the last ones found."""

    def __init__(
        self,
        seen: Table,
        hidden: Table,
        settings: Settings,
        limits: tuple[float, float] | None,
        done: MutableMapping[str, dict[str, Any]],
        report: Progress,
    ) -> None:
        self._seen, self._hidden, self._settings, self._limits = seen, hidden, settings, limits
        self._done, self._report, self._tried, self._cost = done, report, 0, 0
        self._total = settings.ranks[0] * len(DECAYS) + 3 * sum(settings.ranks)
        self._best: dict[str, Any] = {}

    def run(self, shrinkages: tuple[float, ...]) -> dict[str, Any]:
        """The choice that predicts the hidden entries best."""
        alone, shrinkage = min(
            (rmse(self._seen.biases(s).at(self._hidden), self._hidden, self._limits), s)
            for s in shrinkages
        )
        self._best = {
            "validation_rmse": alone, "time": 0.0, "rank": 0, "weight_decay": 0.0,
            "shrinkage": shrinkage,
        }  # fmt: skip
        ways = [_Way(self, s) for s in dict.fromkeys((shrinkage, math.inf))]
        found = [way.first() for way in ways[: 2 if shrinkages[0] < math.inf else 1]]
        ways[int(np.argmin(found))].further()
        self._report("choosing", 1.0)
        more = {"biases_rmse": alone, "entries": len(self._seen.values), "trials": self._tried}
        return self._best | more

    def attempt(self, way: _Way, rank: int, decay: float) -> float:
        """The least error of one trial, which may have been run before."""
        words = "" if way.shrinkage < math.inf else "no biases, "
        name = f"{words}rank {rank}, weight decay {decay:.6g}"
        if name not in self._done:
            tell = partial(_tell, self._report, self._cost, rank, self._total)
            look = _Trial(self._hidden, way.expected, self._limits, tell)
            begin = way.start(rank)
            if begin is not None:
                run_flow(way.energy, begin, decay, self._settings, look=look)
            self._done[name] = look.outcome()
        self._tried, self._cost = self._tried + 1, self._cost + rank
        self._report("choosing", min(1.0, self._cost / self._total))
        error, time = self._done[name]["error"], self._done[name]["time"]
        if error < self._best["validation_rmse"]:
            self._best |= {"validation_rmse": error, "time": time, "shrinkage": way.shrinkage}
            self._best |= {"rank": rank, "weight_decay": decay}
        return float(error)

    @property
    def settings(self) -> Settings:
        """What is tried."""
        return self._settings

    def residual(self, shrinkage: float) -> tuple[SparseCompletion, Array]:
        """What biases leave to learn, and what they expect of the hidden entries."""
        biases = self._seen.biases(shrinkage)
        return self._seen.residual(biases), biases.at(self._hidden)


class _Way:
    """Trials with biases, or with the mean alone."""

    def __init__(self, search: Search, shrinkage: float) -> None:
        self._search, self.shrinkage = search, shrinkage
        self.energy, self.expected = search.residual(shrinkage)
        self._starts: dict[int, Factors | None] = {}
        self._unit, self._place = 0.0, 0
        ranks, decay = search.settings.ranks, search.settings.decay
        self._given = decay is not None
        self._error = math.inf
        first = self.start(ranks[0])
        if first is not None:
            self._unit = _largest_decay(self.energy, first, search.settings.depth)

    def start(self, rank: int) -> Factors | None:
        if rank not in self._starts:
            self._starts = {rank: start(self.energy, rank, self._search.settings)}
        return self._starts[rank]

    def first(self) -> float:
        """At the least rank all decays, from the largest to where they validate worse again."""
        rank = self._search.settings.ranks[0]
        if self._given:
            self._error = self._try(rank, 0)
            return self._error
        worse = 0
        for place in reversed(range(len(DECAYS))):
            error = self._try(rank, place)
            worse = 0 if error < self._error else worse + 1
            if error < self._error:
                self._error, self._place = error, place
            if worse == _GIVES_UP:
                break
        return self._error

    def further(self) -> None:
        """At larger ranks, up to the first that is no better, the decays beside the best."""
        for rank in self._search.settings.ranks[1:]:
            before, self._error = self._error, self._try(rank, self._place)
            if not self._given:
                for step in (1, -1):
                    if self._climb(rank, step):
                        break
            if not self._error < before:
                break

    def _climb(self, rank: int, step: int) -> bool:
        """Whether a larger decay, or a smaller one, is better; as far as it is."""
        moved = False
        while 0 <= self._place + step < len(DECAYS):
            error = self._try(rank, self._place + step)
            if not error < self._error:
                break
            self._error, self._place, moved = error, self._place + step, True
        return moved

    def _try(self, rank: int, place: int) -> float:
        decay = self._search.settings.decay
        return self._search.attempt(
            self, rank, DECAYS[place] * self._unit if decay is None else decay
        )


def _largest_decay(energy: SparseCompletion, start: Factors, depth: float) -> float:
    """What holds the leading direction down: s σ^{1-2/N}, s the slope at zero along it."""
    u, v = start.U[:, :1], start.V[:, :1]
    along = inner_products(u, v, energy.rows, energy.cols)
    slope = float(energy.values @ along)
    return slope * (slope / float(along @ along)) ** (1 - 2 / depth)


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
        worse = error > _WORSE * self.error and t > 2 * self.time
        if waited or worse:
            raise StopIteration


def start(energy: SparseCompletion, rank: int, settings: Settings) -> Factors | None:
    """In the directions of the residual, all singular values alike; None if it has too few."""
    try:
        found = spectral_start(energy, rank)
    except ValueError:
        return None
    scale = settings.scale or _SCALE * float(found.sigma[0])
    return found._replace(sigma=np.full(rank, scale))


def run_flow(
    energy: SparseCompletion,
    start: Factors,
    decay: float,
    settings: Settings,
    time: float | None = None,
    look: _Trial | Callback | None = None,
) -> Factors:
    """The flow, run in a unit in which the residual is of size 1; told and handed out in its own.

    With W = cW', E is c²E', and time and decay have the unit c^{2-2/N}, one over the other. Without
    a time it is ``look`` that ends it, or the number of steps; a run to a time must come to it.
    """
    unit = _unit(energy.values)
    rate = unit ** (2 - 2 / settings.depth)
    span, steps = (_LONG, _STEPS) if time is None else (time * rate, 10 * _STEPS)

    def tell(t: float, W: Factors) -> None:
        if look is not None:
            look(t / rate, _times(W, unit))

    run = flow(
        SparseCompletion(energy.rows, energy.cols, energy.values / unit, energy.shape),
        _times(start, 1 / unit), (0, span), depth=settings.depth, weight_decay=decay / rate,
        rtol=_RTOL, max_steps=steps, callback=tell, engine=settings.engine,
    )  # fmt: skip
    if time is not None and not run.success:
        reached, taken = run.t[-1] / rate, run.stats["steps"]
        raise RuntimeError(f"training ended at time {reached:.4g} of {time:.4g}, in {taken} steps")
    return _times(run.factors(), unit)


def _unit(values: Array) -> float:
    """The power of two next to their root mean square, by which nothing is rounded."""
    return float(2.0 ** np.round(0.5 * np.log2(np.mean(values**2))))


def _times(W: Factors, number: float) -> Factors:
    return W._replace(sigma=number * W.sigma)
