"""What moves across a landscape, flow lines and other paths; and a panel for each quantity."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, flows
from dlngeo._checks import Array
from dlngeo._results.ensemble import Ensemble
from dlngeo._results.trajectory import Trajectory
from dlngeo.landscapes._drawing import axes_of, draw_points, plot
from dlngeo.landscapes._landscape import QUANTITIES, Landscape, named, one_number
from dlngeo.landscapes._plane import quantities_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_paths(
    ax: Axes,
    landscape: Landscape,
    paths: Trajectory | Ensemble | ArrayLike | Iterable[Trajectory],
    **style: Any,
) -> Axes:
    """Draw flows, geodesics or Langevin paths, each by its nearest points of the plane.

    Parameters
    ----------
    ax : matplotlib Axes
    landscape : Landscape
        On a plane.
    paths : Trajectory, Ensemble, or array (time, ..., m, n), as of ``metric.geodesic``
        Or a list of several.
    style
        Of the lines, as ``Axes.plot`` takes it.
    """
    _checks.instance(landscape, "landscape", Landscape)
    ax = axes_of(ax, "contour")
    if len(landscape.coordinates) != 2:
        raise ValueError("paths are drawn on planes; the landscape is on a line")
    look: dict[str, Any] = {"color": "white", "linewidth": 0.9, "zorder": 3} | style
    limits = ax.get_xlim(), ax.get_ylim()
    for W in _matrices(paths):
        x = landscape.section.coordinates(W).reshape(len(W), -1, 2)
        ax.plot(x[..., 0], x[..., 1], **look)
    ax.set(xlim=limits[0], ylim=limits[1])
    return ax


def _matrices(paths: Any) -> list[Array]:
    """Arrays (time, ..., m, n)."""
    if isinstance(paths, Trajectory):
        return [paths.W]
    if isinstance(paths, Ensemble):
        return [np.moveaxis(paths.W, 0, 1)]
    if isinstance(paths, list | tuple) and paths:
        first = paths[0]
        if isinstance(first, Trajectory | Ensemble) or np.ndim(first) > 2:
            return [W for path in paths for W in _matrices(path)]
    W = _checks.matrix(paths, "paths")
    if W.ndim < 3:
        raise ValueError(f"paths must have shape (time, ..., m, n); its shape is {W.shape}")
    return [W]


def flow_lines(landscape: Landscape, count: int = 5, *, time: float | None = None) -> Trajectory:
    """The gradient flow of F from a coarse grid of points of a plane, as one stack.

    Flows leave the plane unless it is invariant; :func:`draw_paths` draws them projected.

    Parameters
    ----------
    landscape : Landscape
        On a plane, of one depth, β and weight decay.
    count : int
        Starts along each axis.
    time : float > 0 or None
        How long; None: what the steepest quarter of the window needs for its range of F, ten times.
    """
    _checks.instance(landscape, "landscape", Landscape)
    count = _checks.integer(count, "count", 1)
    if len(landscape.coordinates) != 2:
        raise ValueError("flow lines are those of a plane; the landscape is on a line")
    depth, beta, decay = (one_number(landscape, name) for name in ("depth", "beta", "weight_decay"))
    W = _starts(landscape, count)
    if not len(W):
        raise ValueError("no start of full rank, and the flow does not leave det W = 0")
    end = _lasting(landscape, W) if time is None else _checks.positive(time, "time")
    moments = np.concatenate([[0.0], end * np.geomspace(1e-4, 1.0, 200)])
    common: dict[str, Any] = {"depth": depth, "weight_decay": decay, "t_eval": moments}
    if not np.isinf(beta):
        common["widths"] = landscape.widths
    if np.isinf(beta):
        return flows.gradient_flow(landscape.energy, W, (0.0, end), **common)
    return flows.free_energy_flow(landscape.energy, W, (0.0, end), beta=beta, **common)


def _starts(landscape: Landscape, count: int) -> Array:
    """The points (k, d, d) of a coarse grid that have full rank."""
    lines = [
        x[0] + (np.arange(count) + 0.5) / count * (x[-1] - x[0])
        for x in landscape.coordinates.values()
    ]
    W = landscape.section.points(np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1))
    W = W.reshape(-1, *W.shape[-2:])
    sigma = np.linalg.svd(W, compute_uv=False)
    return np.asarray(W[sigma[:, -1] > 1e-3 * sigma[:, 0]])


def _lasting(landscape: Landscape, W: Array) -> float:
    """The time in which F falls by ten times its range, at the steepest quarter of the window."""
    coarse = _starts(landscape, 6)  # few starts may all be where F is flat
    W = coarse if len(coarse) else W
    numbers = (one_number(landscape, name) for name in ("depth", "beta", "weight_decay"))
    with np.errstate(over="ignore", invalid="ignore"):
        here = quantities_at(landscape, W)(*numbers)
        F, slope = here.free_energy(), np.quantile(here.slope(), 0.75)
        time = 10 * ((np.ptp(F) or abs(F[0]) or 1.0) / slope) / slope if slope > 0 else 1.0
    if not 1e-100 <= time <= 1e100:
        raise ValueError(
            f"F falls within a time of {time:.3g}, no flow is followed so; take another unit of W, "
            "or no flow lines"
        )
    return float(time)


# --------------------------------------------------------------------- the figure of a study


def landscape_figure(
    landscape: Landscape, title: str, *, flow: int = 0, points: bool = True
) -> Figure:
    """All quantities of a plane or a line; flow lines and points are drawn on F.

    Of a plane at several depths, β, γ or κ a row for each, with its own points and flow lines.
    """
    from matplotlib.figure import Figure

    names, line = list(landscape.values), len(landscape.coordinates) == 1
    each = [("", landscape)] if line else rows_of(landscape, points and "F" in landscape.values)
    columns = min(3, len(names)) if len(names) != 4 else 2
    rows = math.ceil(len(names) / columns)
    if len(each) > 1:
        rows, columns = len(each), len(names)
    figure = Figure(figsize=(4.4 * columns, 3.7 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    lines: dict[tuple[Any, ...], Trajectory] = {}
    pairs = [(one, name, said) for said, one in each for name in names]
    for axes, (one, name, said) in zip(panels, pairs, strict=False):
        plot(one, name, axes)
        axes.set_title(_title(name) + (f", {said}" if said else ""), fontsize=10)
        if name == "F" and flow and not line and len(_starts(one, flow)):
            F = tuple(one.numbers[number] for number in QUANTITIES["F"][1])
            lines[F] = lines[F] if F in lines else flow_lines(one, flow)
            draw_paths(axes, one, lines[F])
        if name == "F" and points:
            draw_points(axes, one)
    for axes in panels[len(pairs) :]:
        axes.remove()
    figure.suptitle(title, parse_math=False, fontsize=11)
    return figure


def rows_of(landscape: Landscape, points: bool = False) -> list[tuple[str, Landscape]]:
    """What contours of a plane can be drawn of, and what is said of it: at one of each number."""
    found = []
    for case, each in landscape.cases.items():
        if points:
            _ = each.points  # found once, and then shared by all κ
        several = each.sequences if "density" in each.values else {}
        for values in itertools.product(*several.values()):
            choice = dict(zip(several, map(float, values), strict=True))
            said = ", ".join(words for words in (case, named(choice)) if words)
            found.append((said, each.select(**choice)))
    return found


def _title(name: str) -> str:
    words = QUANTITIES[name][0].replace("g^N", "$g^N$")
    return words[0].upper() + words[1:]
