"""What is said of a completion: its summary, the table on the terminal, the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from dlngeo import observables
from dlngeo.completion._complete import Completion
from dlngeo.completion.baselines import Method
from dlngeo.completion.factored import Factored


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
        "rows_without_data": _labels(result.rows, ~observed.any(axis=1)),
        "columns_without_data": _labels(result.columns, ~observed.any(axis=0)),
        "widths": list(result.widths),
        "centre": result.centre,
        "spread": result.spread,
        "held_out_rmse": {
            method.name: None if math.isnan(method.rmse) else method.rmse
            for method in result.methods
        },
        "seconds": {method.name: method.seconds for method in result.methods},
        "chosen": {method.name: method.chosen for method in result.methods if method.chosen},
        "network": {
            "flow_time": float(path.t[-1]),
            "validation_runs": result.choice.folds,
            "validation_rmse": result.spread * float(result.choice.errors.min()),
            "uncertain": result.choice.doubt,
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


def _labels(labels: Sequence[str], chosen: Any) -> list[str]:
    return [label for label, here in zip(labels, chosen.tolist(), strict=True) if here]


def headline(name: str, reading: str, result: Completion) -> str:
    """What was read, and how much of it is there."""
    m, n = result.table.shape
    observed = result.split.train | result.split.test
    return (
        f"{name}, read as {reading}: {m} × {n}, {observed.sum()} entries observed, "
        f"{1 - observed.mean():.0%} missing, {result.split.test.sum()} held out"
    )


COLUMNS = ("method", "held-out RMSE", "effective rank", "chosen", "time")


def rows(result: Completion) -> list[tuple[str, ...]]:
    """One line for each method, in the order of ``COLUMNS``."""
    return [
        (
            method.name,
            "-" if math.isnan(method.rmse) else f"{method.rmse:.4g}",
            f"{rank_of(result, method):.2f}",
            method.chosen or "-",
            f"{method.seconds:.1f} s",
        )
        for method in result.methods
    ]


def rank_of(result: Completion, method: Method) -> float:
    """Effective rank (entropy) of a method's matrix, after the mean is taken off."""
    return float(
        observables.effective_rank(observables.singular_values(method.completed - result.centre))
    )


def verdict(result: Completion) -> str:
    """How the network stands to both baselines, honestly, and what is in doubt."""
    sentences = ["Nothing was held out: there is no estimate of the error."]
    if result.split.test.any():
        sentences = [_compared(result.network, result.column_mean, result.truncated_svd)]
    if result.choice.doubt:
        sentences.append(f"How long to train is uncertain: {result.choice.doubt}.")
    energy = result.trajectory.energy
    if energy[-1] > 0.5 * energy[0] > 0:
        sentences.append(
            "It hardly left its start: a larger scale, fewer layers or a longer t_max may help."
        )
    return " ".join(sentences)


def gaps_left(result: Completion) -> str:
    """Which rows and columns stay empty, having no data; empty if none do."""
    observed = result.split.train | result.split.test
    found = []
    for kind, labels, axis in (("row", result.rows, 1), ("column", result.columns, 0)):
        empty = _labels(labels, ~observed.any(axis=axis))
        if empty:
            names = ", ".join(empty[:5]) + ", …" * (len(empty) > 5)
            found.append(f"{len(empty)} {kind}{'s' * (len(empty) > 1)} ({names})")
    return f"Left empty, having no data: {' and '.join(found)}." if found else ""


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def rmse(self) -> float: ...


def _compared(network: _Named, one: _Named, other: _Named) -> str:
    parts = [_against(network, method) for method in (one, other)]
    return f"The network's held-out error is {parts[0]} and {parts[1]}."


def _against(ours: _Named, other: _Named) -> str:
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


# ---------------------------------------------------------------------------- the factored method


def factored_summary(
    result: Factored, extra: Sequence[tuple[str, object]] = ()
) -> dict[str, object]:
    """Everything that is reported, as plain numbers and strings for JSON."""
    triplets, found = result.triplets, result.found
    m, n = triplets.shape
    return {
        **dict(extra),
        "shape": [m, n],
        "observed": triplets.values.size,
        "missing_share": 1 - triplets.values.size / (m * n),
        "held_out": result.held_out,
        "held_out_rmse": {
            score.name: None if math.isnan(score.rmse) else score.rmse for score in result.scores
        },
        "network": {
            "depth": result.depth,
            **found.summary,
            "uncertain": factored_doubt(result),
            "mean": found.mean,
            "limits": found.limits,
            "effective_rank": _effective(result),
            "singular_values": found.sigma[:20].tolist(),
        },
        "trials": {
            name: {"validation_rmse": trial["error"], "time": trial["time"]}
            for name, trial in result.trials.items()
        },
    }


def factored_headline(result: Factored) -> str:
    """What was read, and how much of it is there."""
    triplets = result.triplets
    m, n = triplets.shape
    return (
        f"{triplets.name}, read as {triplets.reading}: {m} × {n}, {triplets.values.size} entries "
        f"observed, {100 - 100 * triplets.values.size / (m * n):.3g}% missing, "
        f"{result.held_out} held out"
    )


FACTORED_COLUMNS = ("method", "held-out RMSE", "effective rank", "chosen")


def factored_rows(result: Factored) -> list[tuple[str, ...]]:
    """One line for each method, in the order of ``FACTORED_COLUMNS``."""
    ranks = (f"{_effective(result):.2f}", "-", "-")
    return [
        (
            score.name,
            "-" if math.isnan(score.rmse) else f"{score.rmse:.4g}",
            rank,
            score.chosen or "-",
        )
        for score, rank in zip(result.scores, ranks, strict=True)
    ]


def factored_verdict(result: Factored) -> str:
    """How the network stands to both baselines, and what is in doubt."""
    sentences = ["Nothing was held out: there is no estimate of the error."]
    if result.held_out:
        sentences = [_compared(result.network, result.column_mean, result.biases)]
    doubt = factored_doubt(result)
    return " ".join([*sentences, *([f"The choice is uncertain: {doubt}."] if doubt else [])])


def factored_doubt(result: Factored) -> str:
    """Why another choice might predict better; empty if nothing says so."""
    summary = result.found.summary
    rank = summary["rank"]
    if rank == 0:
        return "mean and biases alone validated best, and no matrix of low rank is added"
    if rank == max(result.ranks) > min(result.ranks):
        return f"of the ranks tried the largest, {rank}, validated best; --rank tries a larger one"
    best = min(result.trials.values(), key=lambda trial: trial["error"])
    if best["time"] >= best["times"][-1]:
        return "the validation error was least at the end of the run"
    return ""


def _effective(result: Factored) -> float:
    """Effective rank (entropy) of the matrix of low rank, without mean and biases."""
    sigma = result.found.sigma
    return float(observables.effective_rank(sigma)) if sigma.size else 0.0
