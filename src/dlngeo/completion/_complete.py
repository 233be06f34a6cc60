"""Matrix completion by a deep linear network, held against simple baselines.

The protocol is the same for all: a share of the observed entries is held out and never seen. The
rest, the training entries, choose what is to be chosen (how long the network trains, the rank of
the truncated SVD); then each method is fitted to all training entries with that choice, and judged
on the held-out ones. What is handed out is the network trained once more, on every observed entry.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlngeo import _checks, _incomplete, weights
from dlngeo._checks import Array, Weights
from dlngeo._results.trajectory import Trajectory
from dlngeo._threads import one_blas_thread
from dlngeo.completion._training import Choice, Setting, choose_time, frames, train
from dlngeo.completion.baselines import (
    Mask,
    Method,
    Progress,
    TrainTestSplit,
    column_mean,
    hold_out,
    rmse,
    truncated_svd,
)
from dlngeo.tables import Table

_LARGEST = 1e50  # scale; squares of the squared errors of a start beyond overflow


@dataclass(frozen=True)
class Completion:
    """The outcome of :func:`complete`.

    Attributes
    ----------
    table : (m, n) array
        The data, NaN where nothing was observed.
    rows, columns : tuple of str
        Labels: those of a :class:`~dlngeo.tables._tables.Table` or a pandas frame, else numbers.
    completed : (m, n) array
        The network's matrix after training on every observed entry, in the units of the data. Rows
        and columns without any data are NaN.
    network, column_mean, truncated_svd : Method
        Fitted to the training entries alone, with their error on the held-out ones.
    trajectory : Trajectory
        Of the training run behind ``network``, for the standardised matrix (x - centre)/spread.
    entries : int
        How many entries it was trained on.
    choice : Choice
        How long it trained, the validation error behind that (of the standardised matrix), and
        whether it is in doubt.
    centre, spread : float
        Mean and standard deviation of the training entries.
    widths : tuple of int
    split : TrainTestSplit
    """

    table: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    completed: Array
    network: Method
    column_mean: Method
    truncated_svd: Method
    trajectory: Trajectory
    entries: int
    choice: Choice
    centre: float
    spread: float
    widths: tuple[int, ...]
    split: TrainTestSplit

    def __repr__(self) -> str:
        m, n = self.table.shape
        errors = (f"{method.name} {method.rmse:.4g}" for method in self.methods)
        return f"Completion({m} × {n}, held-out RMSE: {', '.join(errors)})"

    @property
    def methods(self) -> tuple[Method, ...]:
        """Network first, then the baselines."""
        return (self.network, self.truncated_svd, self.column_mean)

    @property
    def filled(self) -> Array:
        """The data where observed, the network's matrix elsewhere."""
        return np.where(np.isnan(self.table), self.completed, self.table)


@one_blas_thread
def complete(
    table: Any,
    *,
    depth: int = 3,
    width: int | None = None,
    holdout: float = 0.2,
    scale: float = 1e-3,
    tolerance: float = 1e-6,
    rtol: float = 5e-4,
    t_max: float = 1e4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Completion:
    """Fill in a matrix by the gradient flow of a deep linear network from a small balanced start.

    Parameters
    ----------
    table : (m, n) array, masked array, pandas DataFrame or Table
        NaN, masked or pandas' NA where nothing was observed.
    depth : int >= 1
        Number of weight matrices.
    width : int or None
        Width of the hidden layers; None: min(m, n), at most 100. It bounds the rank.
    holdout : float in [0, 1)
        Share of the observed entries to hold out; with 0 no error is estimated.
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
        Chooses the held-out entries, what validates, and the start.
    progress : callable or None
        ``progress(stage, fraction)`` while it runs.

    Raises
    ------
    ValueError, TypeError
        If too few entries are observed to hold some out, or any argument is out of range.

    Examples
    --------
    A table of rank one, three tenths of it missing:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> rng = np.random.default_rng(0)
    >>> whole = np.outer(rng.uniform(1, 2, 8), rng.uniform(1, 2, 8))
    >>> table = np.where(rng.random(whole.shape) < 0.3, np.nan, whole)
    >>> found = dln.completion.complete(table, depth=2, t_max=10)
    >>> found.network.rmse < found.column_mean.rmse
    True
    """
    depth = _checks.integer(depth, "depth", 1)
    t_max = _checks.positive(t_max, "t_max")
    _require_start_and_end(scale, tolerance)
    holdout = _checks.real(holdout, "holdout")
    if progress is not None:
        _checks.function(progress, "progress")
    values, rows, columns = _labelled(table)
    seeds = np.random.SeedSequence(_checks.integer(seed, "seed", 0))
    split_seed, start_seed = seeds.spawn(2)
    split = hold_out(values, holdout, rng=split_seed)
    centre, spread = _standard(values[split.train])
    standardised = (values - centre) / spread

    widths = _widths(values.shape, depth, width)
    start = _start(standardised, split.train, widths, scale, start_seed)
    begun = time.perf_counter()
    report = progress or _unheard
    setting = Setting(standardised, start, tolerance, rtol, t_max, report)
    choice = choose_time(setting, split)
    trajectory = train(setting, split.train, choice.time, "training", frames(setting, choice))
    fitted = centre + spread * trajectory.W[-1]
    error, seconds = rmse(fitted, values, split.test), time.perf_counter() - begun
    chosen = f"t = {trajectory.t[-1]:.4g}"
    last, observed = trajectory, split.train | split.test
    if split.test.any():
        t_end = choice.time_for(int(observed.sum()))
        last = train(setting, observed, t_end, "refitting", [t_end or 1.0])
    return Completion(
        table=values,
        rows=rows,
        columns=columns,
        completed=_where_there_are_data(centre + spread * last.W[-1], observed),
        network=Method(f"network of depth {depth}", fitted, error, seconds, chosen),
        column_mean=column_mean(values, split),
        truncated_svd=truncated_svd(values, split, report),
        trajectory=trajectory,
        entries=choice.entries,
        choice=choice,
        centre=centre,
        spread=spread,
        widths=widths,
        split=split,
    )


def _require_start_and_end(scale: float, tolerance: float) -> None:
    """Refuse a start that overflows, and an end of training that is none."""
    if not 0 < _checks.positive(tolerance, "tolerance") < 1:
        raise ValueError(f"tolerance must lie in (0, 1), not {tolerance!r}")
    if _checks.positive(scale, "scale") > _LARGEST:
        raise ValueError(f"scale must be at most {_LARGEST:g}, not {scale:g}: a start is small")


def _unheard(stage: str, fraction: float) -> None:
    """Progress that nobody asked for."""


def _labelled(table: Any) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    """The values and labels of whatever holds a matrix with gaps."""
    if isinstance(table, Table):
        values, rows, columns = table.values, table.rows, table.columns
    else:
        values = _incomplete.array(table, "table")
        if values.ndim != 2 or 0 in values.shape:
            raise ValueError(f"table must be a matrix; its shape is {values.shape}")
        rows, columns = _incomplete.labels(table, values.shape)
    largest = float(np.abs(values[~np.isnan(values)]).max(initial=0.0))
    if largest > 0 and not 1e-100 < largest < 1e100:
        raise ValueError(
            f"the largest entry of table must lie between 1e-100 and 1e100, not at {largest:.3g}; "
            "change its unit"
        )
    return values, rows, columns


def _where_there_are_data(matrix: Array, observed: Mask) -> Array:
    """NaN in rows and columns of which nothing was observed: they would show the start."""
    reached = observed.any(axis=1, keepdims=True) & observed.any(axis=0, keepdims=True)
    return np.where(reached, matrix, np.nan)


def _standard(values: Array) -> tuple[float, float]:
    """Mean and standard deviation; 1 where all values agree up to rounding."""
    centre, spread = float(values.mean()), float(values.std())
    rounding = 8 * float(np.finfo(float).eps) * float(np.abs(values).max())
    return centre, spread if spread > rounding else 1.0


# ------------------------------------------------------------------------------- the network


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
