"""The figure of a completion: how its training went, readable in greyscale."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from dlngeo._checks import Array
from dlngeo._figures import line, name_ends
from dlngeo.completion._complete import Completion
from dlngeo.completion.baselines import Method
from dlngeo.observables import effective_rank

_LINE: dict[str, Any] = {"linewidth": 1.4}
_SHOWN, _NAMED = 12, 3  # singular values drawn, and those that get a name


def completion_figure(result: Completion, title: str) -> Figure:
    """Four panels over flow time: error, singular values, effective rank, imbalance."""
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    error, values, rank, balance = figure.subplots(2, 2).ravel()
    path = result.trajectory
    _draw_errors(error, result)
    _draw_singular_values(values, result)
    t = _shown_times(result)
    line(rank, t, path.effective_rank, color="black", label="entropy", **_LINE)
    stable = effective_rank(path.singular_values, "stable")
    line(rank, t, stable, color="0.45", linestyle="--", label="stable", **_LINE)
    rank.set(title="Effective rank of W(t)", ylabel="effective rank", yscale="log")
    rank.yaxis.set_major_formatter("{x:g}")
    rank.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))  # 2, not 2 × 10⁰
    rank.legend(frameon=False)
    assert path.imbalance_drift is not None and path.weights is not None
    squares = np.max([(W**2).sum(axis=(-2, -1)) for W in path.weights], axis=0)
    sizes = r"$\max_p\|W_p\|_F^2$"
    line(balance, t, squares, color="0.45", linestyle="--", label=sizes, **_LINE)
    drift = np.where(path.imbalance_drift > 0, path.imbalance_drift, np.nan)
    label = r"$\max_p\|G_p(t)-G_p(0)\|_F$"
    line(balance, t, drift, color="black", label=label, **_LINE)
    balance.set(title="Imbalance: conserved by the exact flow", ylabel="size", yscale="log")
    balance.legend(frameon=False)
    for axes in (error, values, rank, balance):
        axes.set(xscale="log", xlabel="flow time t")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
    figure.suptitle(title, parse_math=False)
    return figure


def _shown_times(result: Completion) -> Array:
    """Times fit for a logarithmic axis: the start stands at half the first step."""
    t = result.trajectory.t.copy()
    if t[0] <= 0:
        validated = result.choice.times[result.choice.times > 0]
        t[0] = np.concatenate([t[1:], validated, [2.0]])[0] / 2
    return t


def _draw_errors(axes: Axes, result: Completion) -> None:
    path, t = result.trajectory, _shown_times(result)
    training = result.spread * np.sqrt(2 * path.energy / result.entries)
    line(axes, t, training, color="black", label="training entries", **_LINE)
    choice = result.choice
    shown = choice.times > 0
    axes.plot(
        choice.times[shown],
        result.spread * choice.errors[shown],
        color="0.65",
        linewidth=0.8,
        label="validation",
    )
    if result.split.test.any():
        held_out = _held_out(result, result.centre + result.spread * path.W)
        line(axes, t, held_out, color="0.45", linestyle="--", label="held-out", **_LINE)
        _draw_baseline(axes, result.truncated_svd)
    axes.set(title="Loss", ylabel="root mean square error", yscale="log")
    axes.legend(frameon=False)


def _draw_baseline(axes: Axes, svd: Method) -> None:
    axes.axhline(svd.rmse, color="black", linestyle=":", linewidth=1)
    axes.annotate(
        f"{svd.name}, {svd.chosen}",
        (0.02, svd.rmse),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        xytext=(0, 3),
        fontsize=8,
    )


def _held_out(result: Completion, completed: Array) -> Array:
    truth = result.table[result.split.test]
    errors: Array = np.sqrt(((completed[:, result.split.test] - truth) ** 2).mean(axis=-1))
    return errors


def _draw_singular_values(axes: Axes, result: Completion) -> None:
    t, sigma = _shown_times(result), result.trajectory.singular_values
    count = min(_SHOWN, sigma.shape[1])
    for k in range(count):
        shade = 0.75 * k / max(1, count - 1)
        line(axes, t, sigma[:, k], color=str(shade), **_LINE)
    floor = sigma[:, :count].max(axis=0).min()
    axes.set(
        title=f"The {count} largest singular values of W(t)",
        ylabel="singular value",
        yscale="log",
    )
    axes.set_ylim(bottom=max(1e-12 * sigma.max(), min(sigma[0, 0], floor) / 3))
    names = [rf"$\sigma_{k + 1}$" for k in range(min(_NAMED, count))]
    name_ends(axes, t[-1], sigma[-1, : len(names)], names)
