"""The figure of a completion in factored form: what validation saw, and what it is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlngeo._figures import line
from dlngeo.completion.factored import Factored

_LINE: dict[str, Any] = {"linewidth": 1.4}
_STYLES = ("-", "--", "-.", ":")


def factored_figure(result: Factored, title: str) -> Figure:
    """Four panels: validation along the path, the trials, held-out errors, singular values."""
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    path, trials, groups, values = figure.subplots(2, 2).ravel()
    _draw_paths(path, result)
    _draw_trials(trials, result)
    _draw_groups(groups, result)
    _draw_values(values, result)
    for axes in (path, trials, groups, values):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, parse_math=False)
    return figure


def _draw_paths(axes: Axes, result: Factored) -> None:
    """Of each rank the weight decay that validates best."""
    alone = result.found.summary["biases_rmse"]
    for k, (rank, trials) in enumerate(result.ranks.items()):
        decay, best = min(trials, key=lambda pair: pair[1]["error"])
        times, errors = np.array(best["times"]), np.array(best["errors"])
        shown = errors < alone + 2 * (alone - min(best["error"], 0.99 * alone))
        if shown.any():
            style = _STYLES[k % len(_STYLES)]
            label = f"rank {rank}, γ = {decay:.3g}"
            shade = str(0.6 - 0.6 * k / 3 if k < 4 else 0.0)
            line(axes, times[shown], errors[shown], color=shade, ls=style, label=label, **_LINE)
            place = best["time"], best["error"]
            if all(np.isfinite(place)):
                axes.plot(*place, "o", color=shade, markersize=4)
    axes.axhline(alone, color="black", linestyle=":", linewidth=1)
    axes.annotate("biases alone", (0.02, alone), xycoords=("axes fraction", "data"), fontsize=8,
                  textcoords="offset points", xytext=(0, 3))  # fmt: skip
    axes.set(
        title="Validation along the path", xlabel="flow time t", xscale="log",
        ylabel="validation RMSE",
    )  # fmt: skip
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _draw_trials(axes: Axes, result: Factored) -> None:
    """The least validation error of each trial."""
    decays: dict[float, list[tuple[int, float]]] = {}
    for rank, trials in result.ranks.items():
        for decay, trial in trials:
            if np.isfinite(trial["error"]):
                decays.setdefault(decay, []).append((rank, trial["error"]))
    for k, (decay, points) in enumerate(sorted(decays.items())):
        ranks, errors = zip(*points, strict=True)
        style: dict[str, Any] = {"marker": "os^D"[k % 4], "markersize": 4}
        style |= {"linestyle": _STYLES[k % len(_STYLES)], "color": str(0.3 * (k % 3))}
        axes.plot(ranks, errors, label=f"γ = {decay:.3g}", **style, **_LINE)
    axes.set(title="Least validation error of each trial", xlabel="rank", ylabel="validation RMSE")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if decays:
        axes.legend(frameon=False, title="weight decay")


def _draw_groups(axes: Axes, result: Factored) -> None:
    """What the network and the biases are worth, by how much of a row there was to learn from."""
    if not result.groups or not result.held_out:
        _say(axes, "nothing was held out", "Held-out error")
        return
    count, network, biases = np.array(result.groups).T
    places = np.arange(count.size)
    axes.plot(places, biases, "s--", color="0.45", markersize=4, label="biases", **_LINE)
    axes.plot(places, network, "o-", color="black", markersize=4, label="network", **_LINE)
    axes.axhline(result.network.rmse, color="black", linestyle=":", linewidth=1)
    axes.annotate(f"network, all rows: {result.network.rmse:.4g}", (0.02, result.network.rmse),
                  xycoords=("axes fraction", "data"), fontsize=8,
                  textcoords="offset points", xytext=(0, 3))  # fmt: skip
    axes.set(
        title="Held-out error by what is known of the row",
        xlabel="entries of the row to learn from, mean of each sixth", ylabel="held-out RMSE",
    )  # fmt: skip
    axes.set_xticks(places, [f"{mean:.3g}" for mean in count])
    axes.legend(frameon=False)


def _draw_values(axes: Axes, result: Factored) -> None:
    sigma, title = result.found.sigma, "Singular values, without the biases"
    if not sigma.size:
        _say(axes, "mean and biases alone", title)
        return
    axes.plot(np.arange(1, sigma.size + 1), sigma, "o-", color="black", markersize=4, **_LINE)
    axes.set(title=title, xlabel="k", ylabel=r"$\sigma_k$", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _say(axes: Axes, words: str, title: str) -> None:
    """In the place of what there is not to draw."""
    axes.text(0.5, 0.5, words, ha="center", va="center", color="0.3", transform=axes.transAxes)
    axes.set(title=title, xticks=[], yticks=[])
