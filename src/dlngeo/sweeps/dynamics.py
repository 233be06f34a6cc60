"""The runs of some paths of a cell: what each kind of dynamics calls, and what it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dlngeo import flows, langevin, lowrank
from dlngeo._checks import Array, Weights
from dlngeo.energies import Energy
from dlngeo.sweeps import starts
from dlngeo.sweeps.study import Cell, Study

_NOT_ARGUMENTS = ("kind", "t_end", "upstairs", "steps", "step", "rank")


@dataclass(frozen=True, eq=False)
class Runs:
    """Some paths of one cell when they have run: what an observable of yours is given.

    Attributes
    ----------
    cell : dict
        The values of the grid's axes.
    energy : Energy
    depth : float
    start, W : (path, m, n) arrays
        W where each path began and where it ended.
    t_end, energy_end : (path,) arrays
    status : (path,) integer array
        0: the end of the time; 1: stopped early, as asked; -1: failed: W is its last good state,
        NaN for "langevin" and where the start was refused.
    weights : tuple of (path, d_p, d_{p-1}) arrays, or None downstairs
        At the end.
    t : (time,) array, or None where no series is kept
    W_t : (path, time, m, n) array, or None
        NaN after a path's end.
    seconds : float
        That the integrators took.
    """

    cell: dict[str, Any]
    energy: Energy
    depth: float
    ends: Any
    starts: Any
    t_end: Array
    energy_end: Array
    status: Array
    seconds: float
    weights: Weights | None = None
    t: Array | None = None
    frames: Any = None
    refused: str = ""  # why the dynamics is not defined at the start of these paths

    @cached_property
    def W(self) -> Array:
        """Where each path ended."""
        return _dense(self.ends)

    @cached_property
    def start(self) -> Array:
        """Where each path began."""
        return _dense(self.starts)

    @cached_property
    def W_t(self) -> Array | None:
        """Each path at the times ``t``."""
        return self.frames if self.frames is None else np.asarray(self.frames)

    def __repr__(self) -> str:
        return f"Runs({self.status.size} paths of {self.cell})"


def _dense(matrices: Any) -> Array:
    """Matrices as an array, those in factors multiplied out."""
    if isinstance(matrices, np.ndarray):
        return matrices
    return np.stack([one.dense() if isinstance(one, lowrank.Factors) else one for one in matrices])


def run(study: Study, cell: Cell, energy: Energy, paths: range) -> list[Runs]:
    """Run these paths of a cell, all in one ensemble where there is one for the dynamics.

    A start at which the dynamics is not defined, as one of rank lower but for rounding, is a failed
    run by itself; the others go without it.
    """
    shape = starts.shape_of(energy, cell)
    try:
        return [_held(_KINDS[cell.dynamics["kind"]](study, cell, energy, shape, paths))]
    except np.linalg.LinAlgError as error:
        if len(paths) == 1:
            return [_refused(study, cell, energy, shape, paths, str(error))]
    half = len(paths) // 2
    return [one for part in (paths[:half], paths[half:]) for one in run(study, cell, energy, part)]


def _held(runs: Runs) -> Runs:
    """With runs that ended as asked, or at rest, where they ended from then on."""
    if runs.t is None or runs.frames is None:
        return runs
    after = (runs.status == 1)[:, None] & (runs.t > runs.t_end[:, None])
    if not after.any():
        return runs
    return replace(runs, frames=np.where(after[..., None, None], runs.W[:, None], runs.frames))


def _refused(
    study: Study, cell: Cell, energy: Energy, shape: Any, paths: range, words: str
) -> Runs:
    """One path that could not begin."""
    layers, nothing = None, np.full((1, *shape), np.nan)
    if cell.dynamics.get("upstairs") or cell.dynamics["kind"] == "descent":
        begin = starts.upstairs(study, cell, shape, paths)
        W: Any = starts.downstairs_of(begin)
        layers = tuple(np.full_like(one, np.nan) for one in begin)
    elif cell.dynamics["kind"] == "lowrank":
        one = starts.low_rank(study, cell, energy, shape, paths[0])
        W = nothing if one is None else [one]
    else:
        W = starts.downstairs(study, cell, shape, paths)
    t = series_times(study, cell)
    return Runs(
        cell.values, energy, cell.dynamics["depth"], nothing, W, np.array([np.nan]),
        np.array([np.nan]), np.array([-1]), 0.0, layers, t,
        None if t is None else np.full((1, t.size, *shape), np.nan),
        words.replace("[0]", "", 1),  # it is alone
    )  # fmt: skip


def series_times(study: Study, cell: Cell) -> Array | None:
    """The times of the series; None where there is none."""
    dynamics = cell.dynamics
    if "every" not in study.series:
        return _times(study)
    steps = np.append(np.arange(0, dynamics["steps"], study.series["every"]), dynamics["steps"])
    return np.asarray(steps * dynamics["dt" if "dt" in dynamics else "step"])


def _arguments(cell: Cell, *but: str) -> dict[str, Any]:
    """What the door is given by name."""
    out = (*_NOT_ARGUMENTS, *but)
    return {key: value for key, value in cell.dynamics.items() if key not in out}


def _times(study: Study) -> Array | None:
    return np.array(study.series["times"], dtype=float) if "times" in study.series else None


def _saved(study: Study, cell: Cell) -> Array:
    """The times of a series and the end."""
    times = _times(study)
    return np.union1d([] if times is None else times, [cell.dynamics["t_end"]])


def _flow(study: Study, cell: Cell, energy: Energy, shape: Any, paths: range) -> Runs:
    up, depth = cell.dynamics.get("upstairs", False), cell.dynamics["depth"]
    arguments = _arguments(cell, "depth")
    if up:
        begin: Any = starts.upstairs(study, cell, shape, paths)
        W = starts.downstairs_of(begin)
    else:
        begin = W = starts.downstairs(study, cell, shape, paths)
        arguments["depth"] = depth
    clock = time.perf_counter()
    found = flows.ensemble(
        energy, begin, (0.0, cell.dynamics["t_end"]), t_eval=_times(study), **arguments
    )
    seconds = time.perf_counter() - clock
    return Runs(
        cell.values, energy, depth, found.W_end, W, found.t_end, found.energy_end, found.status,
        seconds, found.weights, found.t, found.W,
    )  # fmt: skip


def _langevin(study: Study, cell: Cell, energy: Energy, shape: Any, paths: range) -> Runs:
    dynamics, depth = cell.dynamics, cell.dynamics["depth"]
    up = dynamics.get("upstairs", False)
    begin: Any = (starts.upstairs if up else starts.downstairs)(study, cell, shape, paths)
    arguments = _arguments(cell, *(("depth",) if up else ()))
    every = study.series.get("every")
    clock = time.perf_counter()
    found = langevin.simulate(
        energy, begin, n_steps=dynamics["steps"], rng=starts.noise(study, cell), upstairs=up,
        first_path=paths.start, save_every=every or dynamics["steps"], **arguments,
    )  # fmt: skip
    seconds = time.perf_counter() - clock
    weights = None if found.weights is None else tuple(W[:, -1] for W in found.weights)
    return Runs(
        cell.values, energy, depth, found.W[:, -1], found.W[:, 0], found.ends,
        found.energy[:, -1], found.status, seconds, weights,
        found.t if every else None, found.W if every else None,
    )  # fmt: skip


def _free_energy_flow(study: Study, cell: Cell, energy: Energy, shape: Any, paths: range) -> Runs:
    W, times = starts.downstairs(study, cell, shape, paths), _times(study)
    span, rank = (0.0, cell.dynamics["t_end"]), cell.dynamics.get("rank")
    saved = _saved(study, cell)
    clock = time.perf_counter()
    found = [
        flows.free_energy_flow(energy, one, span, t_eval=saved, rank=rank, **_arguments(cell))
        for one in W
    ]
    return _of_trajectories(cell, energy, W, found, times, time.perf_counter() - clock)


def _descent(study: Study, cell: Cell, energy: Energy, shape: Any, paths: range) -> Runs:
    layers, dynamics = starts.upstairs(study, cell, shape, paths), cell.dynamics
    every, steps = study.series.get("every"), dynamics["steps"]
    clock = time.perf_counter()
    found = [
        flows.gradient_descent(
            energy, [W[k] for W in layers], dynamics["step"], steps,
            save_every=every or steps, **_arguments(cell, "depth"),
        )
        for k in range(len(paths))
    ]  # fmt: skip
    seconds = time.perf_counter() - clock
    times = series_times(study, cell)
    return _of_trajectories(cell, energy, starts.downstairs_of(layers), found, times, seconds)


def _lowrank(study: Study, cell: Cell, energy: Energy, shape: Any, paths: range) -> Runs:
    begin = [starts.low_rank(study, cell, energy, shape, path) for path in paths]
    grown = cell.start["law"] == "slope"
    times, span = _times(study), (0.0, cell.dynamics["t_end"])
    saved = np.union1d([0.0] if grown else [], _saved(study, cell))
    clock = time.perf_counter()
    found = [
        lowrank.flow(
            energy, one, span, t_eval=saved, rank=cell.dynamics["rank"],
            scale=cell.start["scale"] if grown else None, **_arguments(cell),
        )
        for one in begin
    ]  # fmt: skip
    seconds = time.perf_counter() - clock
    first = [one.factors(0) for one in found] if grown else begin
    return _of_trajectories(cell, energy, first, found, times, seconds)


def _of_trajectories(
    cell: Cell, energy: Energy, begin: Any, found: list[Any], times: Array | None, seconds: float
) -> Runs:
    """Runs that went one by one."""
    factors = isinstance(found[0], lowrank.LowRankTrajectory)
    ends = [one.factors() if factors else one.W[-1] for one in found]
    weights = None
    if not factors and found[0].weights is not None:
        layers = zip(*(one.weights for one in found), strict=True)
        weights = tuple(np.stack([W[-1] for W in several]) for several in layers)
    frames = None if times is None else np.stack([_frames(one, times) for one in found])
    return Runs(
        cell.values, energy, cell.dynamics["depth"], ends if factors else np.stack(ends), begin,
        np.array([one.t[-1] for one in found]), np.array([one.energy[-1] for one in found]),
        np.array([one.status for one in found]), seconds, weights, times, frames,
    )  # fmt: skip


def _frames(one: Any, times: Array) -> Array:
    """A trajectory at the times that it has of these; NaN at others."""
    W = _dense([one.factors(k) for k in range(one.t.size)]) if hasattr(one, "U") else one.W
    frames = np.full((times.size, *W.shape[1:]), np.nan)
    place = np.searchsorted(times, one.t)
    there = (place < times.size) & (times[np.minimum(place, times.size - 1)] == one.t)
    frames[place[there]] = W[there]
    return frames


_KINDS: dict[str, Callable[[Study, Cell, Energy, Any, range], Runs]] = {
    "flow": _flow,
    "free_energy_flow": _free_energy_flow,
    "langevin": _langevin,
    "descent": _descent,
    "lowrank": _lowrank,
}
