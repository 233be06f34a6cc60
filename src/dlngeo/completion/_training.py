"""Training a network on some entries of a matrix, and for how long.

The flow learns one singular value after another, and between two of them the validation error is
flat or rises a little: a plateau is not the end. So validation looks at whole runs, to the end of
training, and takes the time of the least error. A small table has too few entries to spare for
that; there the training entries take turns, in folds.

A run on more entries is faster by as much, the gradient being a sum over them: times are carried
over so that time times entries stays the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dlngeo import weights
from dlngeo._checks import Array, Weights
from dlngeo._results.brief import brief
from dlngeo._results.trajectory import Trajectory
from dlngeo.completion.baselines import Mask, Progress, TrainTestSplit
from dlngeo.energies import MatrixCompletion
from dlngeo.flows import gradient_flow

_GROUPS = 10  # of the validation entries of one run, for the standard error
_STEPS = 10_000  # of a run of validation, which ends there; training may take ten times as many
_ROOM = 1 << 24  # numbers that the kept frames of a training run may take
_FRAMES = 20  # of a training run, at least
_WIDE = 10.0  # ratio of times within one standard error that makes the choice uncertain


class Setting(NamedTuple):
    """What all runs share."""

    standardised: Array
    start: Weights
    tolerance: float
    rtol: float
    t_max: float
    report: Progress


@dataclass(frozen=True)
class Choice:
    """How long to train, and how sure that is.

    Attributes
    ----------
    time : float
        Where the validation error is least.
    entries : int
        How many entries a run has whose times these are: the training entries.
    times : (k,) array
    errors : (k,) array
        Root mean square validation error, over all runs.
    folds : int
        Number of runs; 1 where a tenth of the training entries validated.
    doubt : str
        Why the choice is uncertain; empty if it is not.
    """

    time: float
    entries: int
    times: Array
    errors: Array
    folds: int
    doubt: str

    def __repr__(self) -> str:
        return brief(self)

    def time_for(self, entries: int) -> float:
        """The chosen time for a run on that many entries."""
        return self.time * self.entries / entries


def choose_time(setting: Setting, split: TrainTestSplit) -> Choice:
    """Validate through whole runs: one run where there is much, else one for each fold."""
    entries, folds = int(split.train.sum()), split.folds
    curves: list[tuple[Array, Array]] = []
    sizes: list[int] = []
    for number, (fit, places) in enumerate(folds):
        groups = [places] if len(folds) > 1 else np.array_split(places, _GROUPS)
        times, squares = _validate(setting, fit, groups, number / len(folds), 1 / len(folds))
        curves.append((times * (fit.sum() / entries), squares))
        sizes += map(len, groups)
    times, squares = _together(curves)
    mean = np.average(squares, axis=0, weights=sizes)
    best = int(mean.argmin())
    doubt = _doubt(times, squares, best)
    return Choice(float(times[best]), entries, times, np.sqrt(mean), len(folds), doubt)


def frames(setting: Setting, choice: Choice) -> Array | None:
    """The times of a training run to keep: None, all steps, where memory has room for that.

    Else those of the run of validation, as many as there is room for, and the end.
    """
    size = setting.standardised.size + sum(W.size for W in setting.start)
    inside = choice.times[choice.times < choice.time]
    room = max(_FRAMES, _ROOM // size)
    if inside.size < room or choice.time == 0:
        return None
    kept = np.unique(np.linspace(0, inside.size - 1, room - 1).round().astype(int))
    return np.array([*inside[kept], choice.time])


def train(
    setting: Setting, mask: Mask, t_end: float, stage: str, t_eval: Array | list[float] | None
) -> Trajectory:
    """The flow on the entries of ``mask`` until ``t_end``; the start alone where that is 0.

    ``t_eval`` are the times to keep; None: every step.
    """
    stop_loss = None
    if t_end == 0:  # any bound above the energy of the start, which ends the run there
        first = float(_energy(setting, mask).value(weights.end_to_end(setting.start)))
        stop_loss = 2 * first + 1.0
    return _flow(
        setting,
        mask,
        t_end or 1.0,
        stop_loss=stop_loss,
        gtol=0.0,
        t_eval=t_eval,
        callback=lambda t, W: setting.report(stage, t / t_end),
    )


def _validate(
    setting: Setting, fit: Mask, groups: list[Array], done: float, share: float
) -> tuple[Array, Array]:
    """Times of a whole run on ``fit``, and mean squares (groups, times) over each group."""
    standardised, start, tolerance = setting.standardised, setting.start, setting.tolerance
    energy = _energy(setting, fit)
    W0 = weights.end_to_end(start)
    with np.errstate(over="ignore"):
        first = float(energy.value(W0))
    if not math.isfinite(first):
        raise ValueError("scale is too large: the energy at the start is not finite")
    i, j = np.concatenate(groups).T
    edges = np.cumsum([0, *map(len, groups[:-1])])
    sizes = np.array([len(group) for group in groups])

    def squares(W: Array) -> Array:
        return np.asarray(np.add.reduceat((W[i, j] - standardised[i, j]) ** 2, edges) / sizes)

    times, found = [0.0], [squares(W0)]

    def record(t: float, W: Array) -> None:
        fallen = math.log(max(float(energy.value(W)) / first, tolerance)) / math.log(tolerance)
        setting.report("choosing", done + share * fallen)
        times.append(t)
        found.append(squares(W))

    _flow(
        setting,
        fit,
        setting.t_max,
        may_give_up=True,
        stop_loss=tolerance * first,
        gtol=1e-8,
        t_eval=[setting.t_max],
        callback=record,
    )
    return np.array(times), np.array(found).T


def _flow(
    setting: Setting, mask: Mask, t_end: float, may_give_up: bool = False, **control: object
) -> Trajectory:
    path = gradient_flow(
        _energy(setting, mask),
        setting.start,
        (0.0, t_end),
        method="RKC",  # many short steps: validation looks, and curves are drawn, at each
        rtol=setting.rtol,
        max_steps=_STEPS if may_give_up else 10 * _STEPS,
        **control,  # type: ignore[arg-type]
    )
    if not path.success and not (may_give_up and path.message.startswith("gave up")):
        raise RuntimeError(f"the network's training failed: {path.message}")
    return path


def _energy(setting: Setting, mask: Mask) -> MatrixCompletion:
    return MatrixCompletion(np.where(mask, setting.standardised, 0.0), mask)


def _together(curves: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """All curves on common times; a run that has ended stays where it ended."""
    if len(curves) == 1:
        return curves[0]
    times = np.unique(np.concatenate([t for t, _ in curves]))
    return times, np.array([np.interp(times, t, squares[0]) for t, squares in curves])


def _doubt(times: Array, squares: Array, best: int) -> str:
    """Why the least error may stand elsewhere."""
    excess = squares - squares[:, best : best + 1]
    error = excess.std(axis=0, ddof=1) / math.sqrt(len(excess))
    within = times[(excess.mean(axis=0) <= error) & (times > 0)]
    if best == 0:
        return "no time of training did better in validation than the start"
    if times[best] > 0.95 * times[-1]:
        return (
            f"the validation error was least at the end of the run, t = {times[best]:.4g}; "
            "training to a smaller tolerance, or longer, may do better"
        )
    if within[-1] > _WIDE * within[0]:
        return (
            f"validation errors from t = {within[0]:.4g} to {within[-1]:.4g} lie within one "
            "standard error of the least"
        )
    return ""
