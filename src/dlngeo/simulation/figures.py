"""The figure of a simulation: an ensemble in time beside its flows, readable in greyscale.

For Menon's completion problem (14.1) two of the four panels show where paths end beside the
hyperbola W_12 W_21 = 1 of minimisers of rank one, (14.3); it is his Figure 9.5 with real paths.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlngeo._checks import Array
from dlngeo._figures import line, name_ends
from dlngeo.simulation._beside import Comparison, Observable, is_hyperbola, on_hyperbola
from dlngeo.simulation.config import Config

FLOWS: dict[str, dict[str, Any]] = {
    "free-energy flow": {"color": "black", "linestyle": "--", "linewidth": 1.3},
    "gradient flow": {"color": "black", "linestyle": ":", "linewidth": 1.6},
}
_MEAN: dict[str, Any] = {"color": "0.35", "linewidth": 1.4}
_NAMES = {
    "spread": "middle 80 % of the paths",
    "error": "mean ± 2 s.e.",
    "mean": "mean",
    **{name: name for name in FLOWS},
}
_TITLES = {
    "energy": ("Energy E(W)", "energy"),
    "singular_values": ("Singular values of W", "singular value"),
    "effective_rank": ("Effective rank of W", "effective rank"),
}
_SHOWN = 6  # singular values drawn


def comparison_figure(config: Config, result: Comparison, title: str) -> Figure:
    """Four panels: where paths end or their energy, singular values, rank, and what they spread."""
    figure = Figure(figsize=(10, 8), layout="constrained")
    first, values, last, rank = figure.subplots(2, 2).ravel()
    planar = is_hyperbola(config.build_energy())
    if planar:
        draw_plane(first, result)
    else:
        draw_in_time(first, result, "energy")
    if planar and config.kappa > 0:
        draw_positions(last, result)
    else:
        draw_departure(last, result)
    draw_in_time(values, result, "singular_values")
    draw_in_time(rank, result, "effective_rank")
    for axes in (first, values, last, rank):
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = rank.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    if not result.ensemble.success:
        lost = np.count_nonzero(result.ensemble.status)
        paths = f"{lost} path{'s' if lost > 1 else ''} ended early"
        title += f"\n{paths}: all is shown up to t = {result.whole.t[-1]:g}"
    figure.suptitle(title, parse_math=False, fontsize=11)
    return figure


# ------------------------------------------------------------------------------------ over time


def draw_in_time(axes: Axes, result: Comparison, observable: Observable) -> None:
    """Mean ± 2 s.e. over the paths, the middle 80 % of them, and both flows."""
    t, values = result.whole.t, getattr(result.whole, observable)
    mean, error = result.band(observable)
    low, high = np.quantile(values, (0.1, 0.9), axis=0)
    bands = (_columns(x)[:, :_SHOWN].T for x in (mean, error, low, high))
    for k, (m, e, below, above) in enumerate(zip(*bands, strict=True)):
        names: dict[str, Any] = _NAMES if k == 0 else dict.fromkeys(_NAMES)
        axes.fill_between(t, below, above, color="0.9", label=names["spread"])
        if np.isfinite(e).all():
            axes.fill_between(t, m - 2 * e, m + 2 * e, color="0.65", label=names["error"])
        line(axes, t, m, **_MEAN, label=names["mean"])
        for name, flow in result.flows.items():
            single = _columns(getattr(flow, observable))[:, k]
            line(axes, flow.t, single, **FLOWS[name], label=names[name])
    title, text = _TITLES[observable]
    axes.set_title(title)
    axes.set(xlabel="time t", ylabel=text)
    axes.margins(x=0)
    if observable == "singular_values":
        ends = mean[-1, :_SHOWN]
        name_ends(axes, t[-1], ends, [rf"$\sigma_{k + 1}$" for k in range(len(ends))])


def draw_departure(axes: Axes, result: Comparison) -> None:
    """How far paths are from the free-energy flow; κ = 0 closes the gap as dt → 0."""
    departure = result.departure()
    line(axes, result.whole.t[: departure.size], departure, **_MEAN)
    axes.set_title("Distance of the paths from the free-energy flow")
    axes.set(xlabel="time t", ylabel="root mean square of $\\|W - W_F\\|_F$")
    axes.set_ylim(bottom=0)
    axes.margins(x=0)


def _columns(values: Array) -> Array:
    return values if values.ndim == 2 else values[:, None]


# -------------------------------------------------------------------------------- the hyperbola


def draw_plane(axes: Axes, result: Comparison) -> None:
    """The plane of W_12 and W_21: ends of the paths, the flows, and the hyperbola."""
    x, y = result.whole.W[:, -1, 0, 1], result.whole.W[:, -1, 1, 0]
    limits = _limits(x, result, (0, 1)), _limits(y, result, (1, 0))
    (left, right), (bottom, top) = limits
    outside = int(((x < left) | (x > right) | (y < bottom) | (y > top)).sum())
    for side in (-1, 1):
        a = side * np.geomspace(1e-3, 1e3, 2000)
        name = "$W_{12}W_{21} = 1$" if side > 0 else None
        axes.plot(a, 1 / a, color="0.55", linewidth=1, zorder=1, label=name)
    axes.plot(x, y, ".", color="0.7", markersize=4, zorder=0, label="paths at the end")
    for name, flow in result.flows.items():
        x_of, y_of = flow.W[:, 0, 1], flow.W[:, 1, 0]
        axes.plot(x_of, y_of, **FLOWS[name])
        axes.plot(x_of[-1], y_of[-1], *_end(name), zorder=4)
    start = result.ensemble.W[0, 0]
    axes.plot(start[0, 1], start[1, 0], "s", color="black", markersize=5, label="start")
    axes.set(xlim=limits[0], ylim=limits[1], xlabel="$W_{12}$", ylabel="$W_{21}$")
    beyond = f" ({outside} of {x.size} outside)" if outside else ""
    axes.set_title("Where the paths end" + beyond)
    axes.legend(frameon=False, fontsize=8)


def draw_positions(axes: Axes, result: Comparison) -> None:
    """Histogram of log|a| at the nearest point [[1, a], [1/a, 1]], and where the flows end."""
    position = np.log(np.abs(on_hyperbola(result.whole.W[:, -1]).a))
    axes.hist(position, bins=min(30, max(5, position.size // 8)), color="0.8", edgecolor="0.5")
    for name, flow in result.flows.items():
        end = float(np.log(np.abs(on_hyperbola(flow.W[-1]).a)))
        axes.axvline(end, **FLOWS[name], label=f"end of the {name}")
    axes.set(xlabel=r"$\log|a|$ of the nearest minimiser of rank one", ylabel="paths")
    axes.set_title("Place along the hyperbola")
    axes.legend(frameon=False, fontsize=8)


def _end(name: str) -> tuple[str]:
    return ("kx",) if name == "gradient flow" else ("k+",)


def _limits(ends: Array, result: Comparison, entry: tuple[int, int]) -> tuple[float, float]:
    """Room for the flows and all but the outermost paths."""
    lines = [flow.W[:, entry[0], entry[1]] for flow in result.flows.values()]
    seen = np.concatenate([*lines, np.quantile(ends, (0.01, 0.99))])
    low, high = float(seen.min()), float(seen.max())
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin
