"""Completing a large table: biases, a flow of low rank, and all that validation chooses."""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import RNG, Array
from dlngeo._engine import chosen as chosen_engine
from dlngeo.energies import SparseCompletion
from dlngeo.lowrank._choosing import Progress, Search, Settings, Table, run_flow, start
from dlngeo.lowrank._completed import LowRankCompletion
from dlngeo.lowrank._factors import Factors

_RANKS = (5, 10, 20, 40)
_SMALL, _SMALL_RANKS = 20, (1, 2, 3, 5)  # of the lesser dimension: below, these
_MOST = 1e100  # of entries, whose squares are taken
_SHRINKAGES = (0.3, 1.0, 3.0, 10.0, 30.0)  # entries that a bias of zero counts for


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
    best, and so is whether there are biases; with them it is trained on all entries.

    Parameters
    ----------
    rows, cols, values, shape
        As for :class:`dlngeo.energies.SparseCompletion`.
    depth : real number >= 1
    rank : int or None
        None: chosen from 5, 10, 20, 40, up to the first that predicts no better than those below,
        and up to min(m, n) / 2; where min(m, n) < 20 from 1, 2, 3, 5, up to min(m, n).
    weight_decay : float >= 0, or None
        None: chosen from 0 and eight others, in units of what would hold down all of the residual.
    biases : bool
        Whether rows and columns may have biases, which validation decides; else there is the mean
        alone.
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

    Raises
    ------
    ValueError, TypeError
        For entries and settings that cannot be used.
    RuntimeError
        Where the final training does not come to its time, which a ``chosen`` one may be too long
        for.

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
    _require_size(whole.values)
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
    several, most = (_RANKS, min(m, n) // 2) if min(m, n) >= _SMALL else (_SMALL_RANKS, min(m, n))
    ranks = [k for k in several if k <= most]
    settings = Settings(
        number,
        ranks if rank is None else [_checks.rank(rank, (m, n), None, 2)],
        None if weight_decay is None else _checks.non_negative(weight_decay, "weight_decay"),
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
    found = Search(seen, hidden, settings, clipped, done, report).run(shrinkages)
    return _trained(everything, settings, found, clipped, report)


def _unheard(stage: str, fraction: float) -> None:
    """Progress that nobody asked for."""


def _require_size(values: Array) -> None:
    """Refuse entries whose squares would leave the range of floating point."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest and not 1 / _MOST <= largest <= _MOST:
        raise ValueError(
            f"values must have a largest magnitude from {1 / _MOST:g} to {_MOST:g}, not "
            f"{largest:.3g}; measure them in another unit"
        )


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


def _trained(
    table: Table,
    settings: Settings,
    chosen: dict[str, Any],
    limits: tuple[float, float] | None,
    report: Progress,
) -> LowRankCompletion:
    """With all entries, as far as the choice says: E is a sum, so that more of them go faster."""
    biases = table.biases(chosen["shrinkage"])
    chosen["time"] *= chosen["entries"] / len(table.values)
    chosen["entries"] = len(table.values)
    energy, (m, n) = table.residual(biases), table.shape
    begin = start(energy, chosen["rank"], settings) if chosen["rank"] else None
    if begin is None:  # mean and biases say it all
        W = Factors(np.zeros((m, 0)), np.zeros(0), np.zeros((n, 0)))
    else:
        time = chosen["time"]

        def tell(t: float, W: Factors) -> None:
            report("training", t / time)

        W = run_flow(energy, begin, chosen["weight_decay"], settings, time, tell)
    return LowRankCompletion(*W, biases.rows, biases.cols, biases.mean, limits, chosen)
