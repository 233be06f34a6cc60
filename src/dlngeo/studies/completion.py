"""Matrix completion by a deep linear network, held against simple baselines.

The protocol is the same for all: a share of the observed entries is held out and never seen. Of the
rest, the training entries, one tenth chooses what is to be chosen (how long the network trains, the
rank of the truncated SVD); then each method is fitted to all training entries with that choice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dlngeo import _checks, observables, weights
from dlngeo._checks import Array, Weights
from dlngeo._threads import one_blas_thread
from dlngeo.dynamics.flows import gradient_flow
from dlngeo.dynamics.trajectory import Trajectory
from dlngeo.energies import MatrixCompletion
from dlngeo.studies.baselines import (
    Mask,
    Method,
    Progress,
    Split,
    column_mean,
    hold_out,
    rmse,
    truncated_svd,
)

_PATIENCE = 1.3  # training ends once the validation error exceeds its best by this factor


@dataclass(frozen=True)
class Completion:
    """The outcome of :func:`complete`.

    Attributes
    ----------
    table : (m, n) array
        The data, NaN where nothing was observed.
    completed : (m, n) array
        The network's matrix, in the units of the data.
    network, column_mean, truncated_svd : Method
    trajectory : Trajectory
        Of the final training run, for the standardised matrix (x - centre)/spread.
    entries : int
        How many entries it was trained on.
    validation_error : (2, k) array
        Times, and errors on the validation entries along the run that chose the training time.
    centre, spread : float
        Mean and standard deviation of the training entries.
    widths : tuple of int
    split : Split
    """

    table: Array
    completed: Array
    network: Method
    column_mean: Method
    truncated_svd: Method
    trajectory: Trajectory
    entries: int
    validation_error: Array
    centre: float
    spread: float
    widths: tuple[int, ...]
    split: Split

    @property
    def methods(self) -> tuple[Method, ...]:
        """Network first, then the baselines."""
        return (self.network, self.truncated_svd, self.column_mean)


@one_blas_thread
def complete(
    table: Array,
    *,
    depth: int = 3,
    width: int | None = None,
    holdout: float = 0.2,
    scale: float = 1e-3,
    tolerance: float = 1e-6,
    rtol: float = 1e-4,
    t_max: float = 1e4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Completion:
    """Fill in a matrix by the gradient flow of a deep linear network from a small balanced start.

    Parameters
    ----------
    table : (m, n) array, NaN where nothing was observed
    depth : int >= 1
        Number of weight matrices.
    width : int or None
        Width of the hidden layers; None: min(m, n), at most 100. It bounds the rank.
    holdout : float in (0, 1)
        Share of the observed entries to hold out.
    scale : float > 0
        Spectral norm of the starting matrix relative to that of the standardised data. Smaller
        means closer to low rank, and longer.
    tolerance : float > 0
        Train at most until the energy has fallen to this fraction of its start.
    rtol : float
        Relative tolerance of the integrator.
    t_max : float > 0
        Longest flow time.
    seed : int
        Chooses the held-out entries and the start.
    progress : callable or None
        ``progress(stage, fraction)`` while it runs.

    Raises
    ------
    ValueError
        If too few entries are observed to hold some out, or any parameter is out of range.
    """
    depth = _checks.integer(depth, "depth", 1)
    _checks.positive(t_max, "t_max")
    if not 0 < _checks.positive(tolerance, "tolerance") < 1:
        raise ValueError(f"tolerance must lie in (0, 1), not {tolerance!r}")
    _checks.positive(scale, "scale")
    report = progress or (lambda stage, fraction: None)
    table = _table(table)
    split_seed, start_seed = np.random.SeedSequence(_checks.integer(seed, "seed", 0)).spawn(2)
    split = hold_out(table, holdout, rng=split_seed)
    centre, spread = _standard(table[split.train])
    standardised = (table - centre) / spread

    widths = _widths(table.shape, depth, width)
    start = _start(standardised, split.train, widths, scale, start_seed)
    begun = time.perf_counter()
    setting = _Setting(standardised, start, tolerance, rtol, report)
    _, errors = _train(setting, split.fit, t_max, "choosing", split.validation)
    best = float(errors[0, errors[1].argmin()])
    trajectory, _ = _train(setting, split.train, best, "training", None)
    completed = centre + spread * trajectory.W[-1]
    network = Method(
        f"network of depth {depth}",
        completed,
        rmse(completed, table, split.test),
        time.perf_counter() - begun,
        f"t = {best:.4g}",
    )
    return Completion(
        table=table,
        completed=completed,
        network=network,
        column_mean=column_mean(table, split),
        truncated_svd=truncated_svd(table, split, report),
        trajectory=trajectory,
        entries=int(split.train.sum()),
        validation_error=np.vstack((errors[0], spread * errors[1])),
        centre=centre,
        spread=spread,
        widths=widths,
        split=split,
    )


def _table(table: Array) -> Array:
    table = _checks.real_array(table, "table", finite=False)
    if table.ndim != 2:
        raise ValueError(f"table must be a matrix; its shape is {table.shape}")
    largest = float(np.abs(table[np.isfinite(table)]).max(initial=0.0))
    if largest > 0 and not 1e-100 < largest < 1e100:
        raise ValueError(
            f"the largest entry of table must lie between 1e-100 and 1e100, not at {largest:.3g}; "
            "change its unit"
        )
    return table


def _standard(values: Array) -> tuple[float, float]:
    """Mean and standard deviation; 1 where all values agree up to rounding."""
    centre, spread = float(values.mean()), float(values.std())
    rounding = 8 * float(np.finfo(float).eps) * float(np.abs(values).max())
    return centre, spread if spread > rounding else 1.0


# ------------------------------------------------------------------------------- the network


class _Setting(NamedTuple):
    """What both training runs share."""

    standardised: Array
    start: Weights
    tolerance: float
    rtol: float
    report: Progress


def _widths(shape: tuple[int, ...], depth: int, width: int | None) -> tuple[int, ...]:
    m, n = shape
    hidden = min(m, n, 100) if width is None else _checks.integer(width, "width", 1)
    return (n, *[hidden] * (depth - 1), m)


def _start(
    standardised: Array,
    mask: Mask,
    widths: tuple[int, ...],
    scale: float,
    seed: np.random.SeedSequence,
) -> Weights:
    """Balanced weights whose product has ``scale`` times the spectral norm of the data."""
    layers = weights.random_balanced(widths, 1.0, rng=seed)
    # Filled with zeros, a share p of the entries shows about p of the norm.
    data = np.linalg.norm(np.where(mask, standardised, 0.0), 2) / mask.mean()
    now = np.linalg.norm(weights.end_to_end(layers), 2)
    factor = (scale * data / now) ** (1 / len(layers))
    if not 1e-100 < factor < 1e100 and data > 0:
        raise ValueError(f"scale must leave the start within 1e-100 and 1e100; {scale:g} does not")
    return tuple(factor * W for W in layers)


def _train(
    setting: _Setting, mask: Mask, t_end: float, stage: str, watch: Mask | None
) -> tuple[Trajectory, Array]:
    """Run the flow on the entries of ``mask``; with ``watch``, record its error and stop by it."""
    standardised, start, tolerance, rtol, report = setting
    energy = MatrixCompletion(np.where(mask, standardised, 0.0), mask)
    first = float(energy.value(weights.end_to_end(start)))
    errors = [
        (0.0, rmse(weights.end_to_end(start), standardised, mask if watch is None else watch))
    ]

    def look(t: float, W: Array) -> None:
        if watch is None:
            report(stage, t / t_end)
            return
        value = float(energy.value(W))
        report(stage, math.log(max(value / first, tolerance)) / math.log(tolerance))
        error = rmse(W, standardised, watch)
        errors.append((t, error))
        if error > _PATIENCE * min(e for _, e in errors) and value < 0.1 * first:
            raise StopIteration

    stop_loss: float | None = None
    if watch is not None:
        stop_loss = tolerance * first
    elif t_end == 0:  # nothing did better than the start
        stop_loss = math.inf
    trajectory = gradient_flow(
        energy,
        start,
        (0.0, t_end or 1.0),
        rtol=rtol,
        t_eval=None if watch is None else [t_end],
        stop_loss=stop_loss,
        gtol=1e-8 if watch is not None else 0.0,
        callback=look,
    )
    if not trajectory.success:
        raise RuntimeError(f"the network's training failed: {trajectory.message}")
    return trajectory, np.array(errors).T


# ---------------------------------------------------------------------------------- the summary


def summary(result: Completion, extra: Sequence[tuple[str, object]] = ()) -> dict[str, object]:
    """Everything that is reported, as plain numbers and strings for JSON."""
    path, sigma = result.trajectory, result.trajectory.singular_values[-1]
    kinds = ("entropy", "stable", "threshold")
    observed = result.split.train | result.split.test
    assert path.imbalance_drift is not None  # the run was upstairs
    return {
        **dict(extra),
        "shape": list(observed.shape),
        "observed": int(observed.sum()),
        "missing_share": float(1 - observed.mean()),
        "held_out": int(result.split.test.sum()),
        "rows_without_data": int((~observed.any(axis=1)).sum()),
        "columns_without_data": int((~observed.any(axis=0)).sum()),
        "widths": list(result.widths),
        "centre": result.centre,
        "spread": result.spread,
        "held_out_rmse": {method.name: method.rmse for method in result.methods},
        "seconds": {method.name: method.seconds for method in result.methods},
        "chosen": {method.name: method.chosen for method in result.methods if method.chosen},
        "network": {
            "flow_time": float(path.t[-1]),
            "training_rmse": result.spread * math.sqrt(2 * path.energy[-1] / result.entries),
            "effective_rank": {
                kind: float(observables.effective_rank(sigma, kind))  # type: ignore[arg-type]
                for kind in kinds
            },
            "singular_values": sigma[:20].tolist(),
            "imbalance_drift": float(path.imbalance_drift.max()),
            "message": path.message,
            **path.stats,
        },
    }


def rank_of(result: Completion, method: Method) -> float:
    """Effective rank (entropy) of a method's matrix, after the mean is taken off."""
    return float(
        observables.effective_rank(observables.singular_values(method.completed - result.centre))
    )


def verdict(result: Completion) -> str:
    """How the network stands to both baselines, honestly."""
    parts = [
        _against(result.network, other) for other in (result.column_mean, result.truncated_svd)
    ]
    sentence = f"The network's held-out error is {parts[0]} and {parts[1]}."
    energy = result.trajectory.energy
    if energy[-1] > 0.5 * energy[0] > 0:
        sentence += (
            " It hardly left its start: a larger scale, fewer layers or a longer t_max may help."
        )
    return sentence


def _against(ours: Method, other: Method) -> str:
    name = f"the {other.name}'s"
    if ours.rmse == other.rmse:
        return f"equal to {name}"
    if ours.rmse < other.rmse:
        return f"{1 - ours.rmse / other.rmse:.1%} below {name}"
    if ours.rmse < 3 * other.rmse:
        return f"{ours.rmse / other.rmse - 1:.1%} above {name}"
    if other.rmse == 0:
        return f"above {name}, which is zero"
    return f"{ours.rmse / other.rmse:.2g} times {name}"
