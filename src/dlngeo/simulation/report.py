"""What a simulation is reported to have found: plain numbers for JSON, table rows, one sentence."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from dlngeo import statistics
from dlngeo._checks import Array
from dlngeo._plain import jsonable
from dlngeo._results.trajectory import Trajectory
from dlngeo.simulation._beside import Comparison, Observable, is_hyperbola, on_hyperbola
from dlngeo.simulation.config import Config

_OBSERVABLES: tuple[Observable, ...] = ("singular_values", "energy", "effective_rank")
_SHOWN = 6  # singular values in the table


def summary(
    config: Config, result: Comparison, extra: Sequence[tuple[str, object]] = ()
) -> dict[str, object]:
    """Everything that is reported, ready for JSON; NaN and infinity become strings."""
    ensemble = result.whole
    ends: dict[str, object] = {}
    for name in _OBSERVABLES:
        mean, error = result.band(name)
        ends[name] = {"mean": mean[-1], "error": error[-1]}
    free, plain = result.flows.values()
    departure = result.departure()
    report: dict[str, object] = {
        **dict(extra),
        "config": dataclasses.asdict(config),
        "frames": ensemble.t.size,
        "t": ensemble.t[-1],
        "paths_ended_early": int(np.count_nonzero(ensemble.status)),
        "message": ensemble.message,
        "notes": list(result.notes),
        "ensemble": {**ends, "beta_energy": config.beta * ensemble.energy[:, -1].mean()},
        "free_energy_flow": _end(free),
        "gradient_flow": _end(plain),
        "rms_distance_from_free_energy_flow": {
            "t": ensemble.t[departure.size - 1],
            "value": departure[-1],
        },
    }
    if is_hyperbola(config.build_energy()):
        report["hyperbola"] = hyperbola(result)
    return {key: jsonable(value) for key, value in report.items()}


def headline(name: str, config: Config) -> str:
    """What was run, in one line."""
    decay = f", γ = {config.weight_decay:g}" if config.weight_decay else ""
    where = "upstairs, " if config.upstairs else ""
    return (
        f"{name}: {where}depth {config.depth:g}, β = {config.beta:g}, κ = {config.kappa:g}{decay}; "
        f"{config.paths} paths of {config.steps} steps to t = {config.steps * config.dt:g}, "
        f"seed {config.seed}"
    )


def hyperbola(result: Comparison) -> dict[str, object]:
    """Where the ends sit beside the rank-one minimisers [[1, a], [1/a, 1]] of problem (14.1)."""
    a, distance = on_hyperbola(result.whole.W[:, -1])
    flows = {}
    for name, flow in result.flows.items():
        end = on_hyperbola(flow.W[-1])
        flows[name] = {"a": float(end.a), "distance": float(end.distance)}
    return {
        "log_abs_a": _distribution(np.log(np.abs(a))),
        "share_with_positive_a": float((a > 0).mean()),
        "distance": _distribution(distance),
        "flows": flows,
    }


def columns(result: Comparison) -> tuple[str, ...]:
    """The table's heads, the first of which says when the rows are taken."""
    whole = result.ensemble.success
    when = "at the end" if whole else f"at t = {result.whole.t[-1]:g}"
    return (when, "ensemble, mean ± s.e.", *result.flows)


def rows(result: Comparison) -> list[tuple[str, str, str, str]]:
    """The table: observable, ensemble at its last whole frame, the two flows at their ends."""
    table = []
    free, plain = result.flows.values()
    sigma = result.band("singular_values")
    for k in range(min(_SHOWN, sigma.value.shape[1])):
        ends = [f"{flow.singular_values[-1, k]:.4g}" for flow in (free, plain)]
        middle = _with_error(sigma.value[-1, k], sigma.error[-1, k])
        table.append((f"σ_{k + 1}", middle, ends[0], ends[1]))
    names: tuple[Observable, ...] = ("energy", "effective_rank")
    for name in names:
        mean, error = result.band(name)
        ends = [f"{getattr(flow, name)[-1]:.4g}" for flow in (free, plain)]
        table.append((name.replace("_", " "), _with_error(mean[-1], error[-1]), ends[0], ends[1]))
    return table


def verdict(config: Config, result: Comparison) -> str:
    """One line: what noise made of the flow."""
    ensemble, rank = result.whole, result.band("effective_rank")
    free, plain = (flow.effective_rank[-1] for flow in result.flows.values())
    if config.kappa == 0:
        apart = result.departure()
        said = (
            f"At t = {ensemble.t[apart.size - 1]:g} the paths are {apart[-1]:.2g} from the "
            "free-energy flow (root mean square)"
        )
        said += f"; effective rank {rank.value[-1]:.4g}, the gradient flow's {plain:.4g}."
    else:
        said = (
            f"At t = {ensemble.t[-1]:g} the ensemble's effective rank is "
            f"{_with_error(rank.value[-1], rank.error[-1])}, the free-energy flow's {free:.4g}, "
            f"the gradient flow's {plain:.4g}."
        )
    if is_hyperbola(config.build_energy()):
        a, distance = on_hyperbola(ensemble.W[:, -1])
        far, place = statistics.mean(distance), np.log(np.abs(a))
        said += (
            f" The paths lie {_with_error(far.value, far.error)} from the minimisers of rank one, "
            f"where log|a| has mean {place.mean():.2g} and standard deviation {place.std():.2g}."
        )
    return " ".join([said, *(f"Cut short: {note}." for note in result.notes)])


def _end(flow: Trajectory) -> dict[str, object]:
    return {
        "t": flow.t[-1],
        "status": flow.status,
        "message": flow.message,
        "W": flow.W[-1],
        "singular_values": flow.singular_values[-1],
        "energy": flow.energy[-1],
        "effective_rank": flow.effective_rank[-1],
    }


def _distribution(values: Array) -> dict[str, object]:
    mean, error = statistics.mean(values)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    return {
        "mean": mean,
        "error": error,
        "standard_deviation": values.std(),
        "quantiles": dict(zip(map(str, levels), np.quantile(values, levels), strict=True)),
    }


def _with_error(mean: float | Array, error: float | Array) -> str:
    return f"{float(mean):.4g}" + (f" ± {float(error):.2g}" if math.isfinite(error) else "")
