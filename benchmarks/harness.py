"""What is compared and how time is taken.

A :class:`Row` is a question; its :class:`Contender` objects answer it, and take turns in rounds, so
that what disturbs the machine disturbs all. Processor time counts, of all threads and of processes
that a contender starts; of the rounds the median, with the quartiles beside it.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

OURS, PEER, BOUND = "ours", "peer", "bound"


class Skip(Exception):
    """Raised by ``make`` where a contender cannot run here; the reason is in the report."""


class Answer(NamedTuple):
    """What a contender's call may return: signed errors, their standard errors, the work it took.

    Errors of several calls are averaged, so that samples add up; the largest of a call's counts.
    """

    errors: Sequence[float] = ()
    standard_errors: Sequence[float] = ()  # none: the errors are exact
    units: float | None = None  # None: the contender's
    seconds: float | None = None  # None: the call's; else what the process it ran took for the work


@dataclass(frozen=True)
class Contender:
    """One way to do it.

    ``make`` imports and prepares, and returns the call that is timed; what it cannot import or
    raises as :class:`Skip` is skipped by name. ``units`` is the work of one call (path-steps,
    starts); ``at`` the place on the row's axis (a step, a tolerance, a width).
    """

    name: str
    make: Callable[[], Callable[[], Any]]
    units: float = 1.0
    kind: str = OURS
    at: float | None = None


@dataclass(frozen=True)
class Goal:
    """The time of one is at most ``limit`` times that of another; in seconds, beside nobody."""

    of: str
    beside: str
    limit: float


@dataclass(frozen=True)
class Row:
    """A question: ``unit`` is what the time is counted in, ``axis`` what ``at`` is.

    With an axis and errors it is a work-precision figure, with an axis alone a scaling figure, and
    else a cost. ``clock`` is "processor", or "wall" where workers share the work.
    """

    group: str
    name: str
    unit: str
    contenders: Sequence[Contender]
    axis: str | None = None
    goals: Sequence[Goal] = ()
    clock: str = "processor"
    error: str = "error"


@dataclass
class Figure:
    """What was measured of one contender; times in seconds a unit."""

    name: str
    kind: str
    at: float | None = None
    seconds: float | None = None
    quartiles: tuple[float, float] | None = None
    wall: float | None = None
    first: float | None = None  # seconds of the first call, with compilation
    rounds: int = 0
    error: float | None = None
    standard_error: float | None = None
    skipped: str | None = None
    failed: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, seconds a round at least, seconds a contender at most.

    A first call of ``longest`` seconds counts, compiled or not, and is the only one.
    """

    rounds: int
    least: float
    most: float
    longest: float = 60.0


QUICK, FULL = Effort(3, 0.01, 0.5), Effort(5, 0.02, 1.5)


def processor_and_wall() -> tuple[float, float]:
    """Processor seconds of this process and of its children so far, and the clock."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system, time.perf_counter()


def _cost(times: tuple[float, float]) -> float:
    """Seconds to reckon with: a busy machine stretches the clock, and who sleeps uses no other."""
    processor, wall = times
    return max(processor, wall / 20, 1e-9)


@dataclass
class _Runner:
    """A contender that is ready, and the times of its rounds."""

    contender: Contender
    figure: Figure
    call: Callable[[], Any]
    repeats: int = 1
    rounds: int = 1
    times: list[tuple[float, float]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def once(self, repeats: int) -> tuple[float, float]:
        own = 0.0
        before = processor_and_wall()
        for _ in range(repeats):
            answer = self.call()
            if isinstance(answer, Answer):
                self.answers.append(answer)
                own += answer.seconds or 0.0
        after = processor_and_wall()
        if own:
            return own / repeats, own / repeats
        return (after[0] - before[0]) / repeats, (after[1] - before[1]) / repeats

    def warm_up(self, effort: Effort) -> None:
        """The first call may compile; the second says how often to repeat, and counts if long."""
        times = self.once(1)
        self.figure.first = times[1]
        if _cost(times) < effort.longest:
            times = self.once(1)
        cost = _cost(times)
        if cost >= effort.most / 2:
            self.times.append(times)
            self.rounds = 0
            return
        self.repeats = max(1, round(effort.least / cost))
        affordable = int(effort.most / (self.repeats * cost))
        self.rounds = max(1, min(effort.rounds, affordable))

    def round(self) -> None:
        """One more round."""
        self.times.append(self.once(self.repeats))

    def finish(self, clock: str) -> None:
        """Medians into the figure."""
        units = self.contender.units
        if self.answers:
            units = self.answers[-1].units or units
            if self.answers[-1].errors:
                self.figure.error, self.figure.standard_error = pooled(self.answers)
        own = sorted(t[clock == "wall"] / units for t in self.times)
        self.figure.seconds = statistics.median(own)
        self.figure.quartiles = (own[(len(own) - 1) // 4], own[-1 - (len(own) - 1) // 4])
        self.figure.wall = statistics.median(t[1] / units for t in self.times)
        self.figure.rounds = len(self.times)


def pooled(answers: Sequence[Answer]) -> tuple[float, float]:
    """The largest mean error of several calls, and its standard error; calls are independent."""
    means = [statistics.fmean(errors) for errors in zip(*(a.errors for a in answers), strict=True)]
    k = max(range(len(means)), key=lambda k: abs(means[k]))
    if not answers[0].standard_errors:
        return abs(means[k]), 0.0
    squares = [a.standard_errors[k] ** 2 for a in answers]
    return abs(means[k]), math.sqrt(sum(squares)) / len(answers)


def _attempt(figure: Figure, do: Callable[[], Any]) -> Any:
    """What ``do`` returns; None, and the reason in the figure, where it cannot."""
    try:
        return do()
    except Skip as reason:
        figure.skipped = str(reason)
    except ImportError as missing:
        figure.skipped = f"no module {missing.name}" if missing.name else str(missing)
    except Exception as error:
        figure.failed = f"{type(error).__name__}: {error}"
    return None


def interleaved(
    contenders: Sequence[Contender], effort: Effort, clock: str = "processor"
) -> list[Figure]:
    """Figures of contenders that take turns, in their order; each round begins with another."""
    figures, runners = [], []
    for contender in contenders:
        figure = Figure(contender.name, contender.kind, contender.at)
        figures.append(figure)
        call = _attempt(figure, contender.make)
        if call is None:
            continue
        runner = _Runner(contender, figure, call)
        _attempt(figure, lambda runner=runner: runner.warm_up(effort))
        if figure.failed is None and figure.skipped is None:
            runners.append(runner)
    for k in range(effort.rounds):
        for j in range(len(runners)):
            runner = runners[(j + k) % len(runners)]
            if k < runner.rounds and runner.figure.failed is None:
                _attempt(runner.figure, runner.round)
    for runner in runners:
        if runner.figure.failed is None:
            runner.finish(clock)
    return figures


@dataclass
class Measured:
    """A row and the figures of its contenders."""

    row: Row
    figures: list[Figure]

    def of(self, name: str, at: float | None = None) -> Figure | None:
        """The figure of that contender; None where there is none."""
        for figure in self.figures:
            if figure.name == name and at in (None, figure.at) and figure.seconds is not None:
                return figure
        return None

    def ratio(self, name: str, beside: str) -> float | None:
        """Time of one over the time of another or a second; None where one of them did not run."""
        one, other = self.of(name), self.of(beside) if beside else Figure("a second", BOUND, 1, 1.0)
        if one is None or other is None or not one.seconds or not other.seconds:
            return None
        return one.seconds / other.seconds


def measure(row: Row, effort: Effort) -> Measured:
    """All of a row."""
    return Measured(row, interleaved(row.contenders, effort, row.clock))
