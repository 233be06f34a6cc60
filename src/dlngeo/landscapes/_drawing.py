"""Figures of a landscape: contours, surfaces and profiles, and what is drawn on them.

Every function takes and returns ``Axes``. Colours grow lighter with the value, so that figures can
be read in grey; what is NaN is hatched, and where det W = 0 there is a dashed line.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.landscapes._landscape import Landscape, named, one_number
from dlngeo.landscapes._points import BESIDE
from dlngeo.landscapes._sections import edges, reach

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("contour", "surface", "profile")
_LOGARITHMIC = ("slope", "density")
_LABELS = {
    "E": "$E$", "S": "$S$", "F": r"$F_\beta$", "slope": r"$|\mathrm{grad}\,F_\beta|$",
    "curvature": r"least eigenvalue of $\mathrm{Hess}\,F_\beta$", "density": "Gibbs density",
}  # fmt: skip
_STROKES = ("-", "--", "-.", ":", (0, (1, 4)), (0, (6, 2, 1, 2, 1, 2)))
_MARKS: dict[str, dict[str, Any]] = {
    "minimiser": {"marker": "*", "s": 130},
    "minimum": {"marker": "o", "s": 36},
    "saddle": {"marker": "X", "s": 50},
    "maximum": {"marker": "^", "s": 45},
    "flat": {"marker": "s", "s": 16},
}


def plot(
    landscape: Landscape,
    quantity: str = "F",
    ax: Axes | None = None,
    *,
    kind: str | None = None,
    points: bool = False,
    colorbar: bool = True,
) -> Axes:
    """Draw one quantity of a landscape.

    Parameters
    ----------
    landscape : Landscape
        On a plane: of one depth, β, weight decay and κ (:meth:`Landscape.select`).
    quantity : str
        One that it has.
    ax : matplotlib Axes or None
        None: of a new figure, ``ax.figure``. A surface needs axes with ``projection="3d"``.
    kind : "contour", "surface", "profile" or None
        None: contours of a plane, the profile of a line.
    points : bool
        Whether :attr:`Landscape.points` are drawn too (:func:`draw_points`).
    colorbar : bool
        Whether contours have one.

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    The outermost hundredth of the values at either end has the colour of the outermost level.
    Slopes and densities have logarithmic levels. On a profile dashed lines stand where det W = 0,
    dotted ones where singular values meet.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])
    >>> landscape = dln.landscapes.plane(energy, depth=3, beta=20, extent=2, n=30)
    >>> ax = dln.landscapes.plot(landscape, "F")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('$W_{12}$', '$W_{21}$')
    """
    _checks.instance(landscape, "landscape", Landscape)
    _checks.choice(quantity, "quantity", tuple(landscape.values))
    for value, name in ((points, "points"), (colorbar, "colorbar")):
        _checks.flag(value, name)
    line = len(landscape.coordinates) == 1
    kind = (
        ("profile" if line else "contour") if kind is None else _checks.choice(kind, "kind", _KINDS)
    )
    if (kind == "profile") != line:
        raise ValueError(f"a {kind} is drawn of a {'plane' if line else 'line'}")
    if not line:
        for name in landscape.dimensions(quantity)[:-2]:
            one_number(landscape, name)  # refuses
    axes = axes_of(ax, kind)
    if kind == "contour":
        _contour(axes, landscape, quantity, colorbar)
    else:
        (_surface if kind == "surface" else _profile)(axes, landscape, quantity)
    if points and kind != "surface":
        draw_points(axes, landscape, quantity=quantity)
    return axes


def axes_of(ax: Any, kind: str) -> Any:
    """The axes given, or those of a new figure."""
    if ax is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.4, 4.4), layout="constrained")
        return figure.add_subplot(projection="3d" if kind == "surface" else None)
    if not hasattr(ax, "plot_surface" if kind == "surface" else "contourf"):
        wanted = 'Axes with projection="3d"' if kind == "surface" else "matplotlib Axes"
        raise TypeError(f"ax must be {wanted}, not {_checks.shown(ax)}")
    return ax


# ------------------------------------------------------------------------------- the kinds


def _logarithmic(values: Array, quantity: str) -> bool:
    """Whether levels are; not where a slope is zero everywhere."""
    return quantity in _LOGARITHMIC and bool((values > 0).any())


def _levels(values: Array, quantity: str) -> Array:
    """The levels of the contours of values that are not all NaN."""
    finite = values[np.isfinite(values)]
    logarithmic = _logarithmic(values, quantity)
    if logarithmic:
        finite = finite[finite > 0]
    low, high = np.quantile(finite, (0.01, 0.99))
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    if logarithmic:
        return np.geomspace(max(low, 1e-6 * high), high, 21)
    return np.linspace(low, high, 21)


def _contour(axes: Axes, landscape: Landscape, quantity: str, colorbar: bool) -> None:
    x, y = landscape.coordinates.values()
    values = landscape.values[quantity].T
    axes.patch.set(facecolor="0.85", edgecolor="0.6", hatch="xxx")  # shows where nothing is drawn
    axes.set(xlabel=_coordinate(landscape, 0), ylabel=_coordinate(landscape, 1))
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    if np.ptp(x) < 0.05 * np.abs(x).max():  # long numbers
        axes.locator_params(axis="x", nbins=3)
    if not np.isfinite(values).any():
        said = f"{_LABELS[quantity]}: no value\nanywhere in the window"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", bbox={"fc": "white"})
        return
    levels = _levels(values, quantity)
    masked = np.ma.masked_invalid(np.clip(values, levels[0], levels[-1]))
    norm = "log" if _logarithmic(values, quantity) else None
    filled = np.maximum(masked, 0.99 * levels[0] + 0.01 * levels[1])  # the least level is open
    drawn = axes.contourf(x, y, filled, levels, cmap="viridis", norm=norm)
    inner = levels[2:-1:2]  # at the ends all beyond is clipped
    axes.contour(x, y, masked, inner, colors="black", linewidths=0.4, linestyles="-", alpha=0.5)
    if quantity == "curvature" and levels[0] < 0 < levels[-1]:
        axes.contour(x, y, masked, [0.0], colors="white", linewidths=1.2)
    _edges(axes, landscape)
    if colorbar:
        figure: Any = axes.figure
        ticks = levels[::4]
        bar = figure.colorbar(drawn, ax=axes, shrink=0.9, ticks=ticks, format=_format(ticks))
        bar.ax.minorticks_off()
        bar.set_label(_LABELS[quantity])


def _format(ticks: Array) -> str:
    """So many digits that neighbours differ, three at least."""
    apart = float((np.diff(ticks) / np.maximum(np.abs(ticks[1:]), np.abs(ticks[:-1]))).min())
    return f"%.{min(max(3, 1 + math.ceil(-math.log10(apart))), 15)}g"


def _surface(axes: Any, landscape: Landscape, quantity: str) -> None:
    x, y = np.meshgrid(*landscape.coordinates.values(), indexing="ij")
    if not np.isfinite(landscape.values[quantity]).any():
        raise ValueError(f"{quantity} has no value anywhere in the window")
    levels = _levels(landscape.values[quantity], quantity)
    values = np.clip(landscape.values[quantity], levels[0], levels[-1])
    label = _LABELS[quantity]
    if _logarithmic(values, quantity):
        values, label = np.log10(values), rf"$\log_{{10}}$ of {label}"
    axes.plot_surface(x, y, values, cmap="viridis", rcount=80, ccount=80, linewidth=0)
    axes.set(xlabel=_coordinate(landscape, 0), ylabel=_coordinate(landscape, 1))
    axes.set_zlabel(label, labelpad=12)


def _profile(axes: Axes, landscape: Landscape, quantity: str) -> None:
    (x,) = landscape.coordinates.values()
    names = landscape.dimensions(quantity)[:-1]
    values = landscape.values[quantity]
    for count, at in enumerate(np.ndindex(values.shape[:-1])):
        said = named(
            {name: landscape.sequences[name][i] for name, i in zip(names, at, strict=True)}
        )
        style: dict[str, Any] = {
            "color": str(0.55 * (count % 4) / 3),
            "linestyle": _STROKES[count % len(_STROKES)],
        }
        axes.plot(x, values[at], label=said or None, linewidth=1.4, **style)
    finite = values[np.isfinite(values)]
    if finite.size:
        low, high = np.quantile(finite, (0.005, 0.995))
        if quantity in _LOGARITHMIC and low > 0 and high > 100 * low:
            axes.set_yscale("log")
        elif high > low:
            axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    for places, stroke in ((_crossings(landscape), "--"), (_meetings(landscape), ":")):
        for place in places:
            axes.axvline(place, color="0.5", linewidth=0.9, linestyle=stroke, zorder=0)
    axes.set(xlabel=_coordinate(landscape, 0), ylabel=_LABELS[quantity])
    axes.margins(x=0)
    if names:
        axes.legend(frameon=False, fontsize=8)


def _crossings(landscape: Landscape) -> Array:
    """Where det W changes its sign along a line, by linear interpolation."""
    (x,) = landscape.coordinates.values()
    det = edges(landscape.section, tuple(landscape.coordinates.values()))
    i = np.flatnonzero(np.diff((det >= 0).astype(int)))
    return np.asarray(x[i] - det[i] * (x[i + 1] - x[i]) / (det[i + 1] - det[i]))


def _meetings(landscape: Landscape) -> list[float]:
    """Where two singular values meet along a line."""
    (x,) = landscape.coordinates.values()

    def gap(at: Array) -> Array:
        sigma = np.linalg.svd(landscape.section.points(at[:, None]), compute_uv=False)
        return np.asarray(-np.diff(sigma).max(axis=-1) / sigma[:, 0].max(initial=1e-300))

    if min(landscape.section.base.shape) < 2:
        return []
    gaps = gap(x)
    inner = (gaps[1:-1] <= gaps[:-2]) & (gaps[1:-1] <= gaps[2:])
    found = []
    for i in np.flatnonzero(inner) + 1:
        ends = (float(x[i - 1]), float(x[i + 1]))
        best: Any = minimize_scalar(
            lambda s: float(gap(np.array([s]))[0]), bounds=ends, method="bounded",
            options={"xatol": 1e-9 * (ends[1] - ends[0])},
        )  # fmt: skip
        if best.fun < 1e-6:
            found.append(float(best.x))
    return found


def _edges(axes: Axes, landscape: Landscape) -> None:
    """The curve det W = 0."""
    det = edges(landscape.section, tuple(landscape.coordinates.values()))
    if det.min() < 0 < det.max():
        x, y = landscape.coordinates.values()
        axes.contour(x, y, det.T, [0.0], colors="white", linewidths=1.0, linestyles="--")


def _coordinate(landscape: Landscape, axis: int) -> str:
    """A coordinate's name as Matplotlib sets it."""
    name = landscape.section.names[axis]
    head, _, index = name.partition("_")
    if not index:
        return f"${name}$" if name.isalpha() and len(name) == 1 else name
    return rf"$\sigma_{{{index}}}$" if head == "sigma" else f"${head}_{{{index}}}$"


# ------------------------------------------------------------------------------- points on it


def draw_points(ax: Axes, landscape: Landscape, *, quantity: str = "F") -> Axes:
    """Mark the minimisers of F and its critical points on the section, by kind and rank.

    Full marks have full rank, open ones a lower rank; minimisers off the section are left out.
    On a profile at several depths, β or weight decays each curve has its own, at the height of
    ``quantity``, but where that is NaN.
    """
    _checks.instance(landscape, "landscape", Landscape)
    _checks.choice(quantity, "quantity", tuple(landscape.values))
    ax, line = axes_of(ax, "contour"), len(landscape.coordinates) == 1
    cases = list(landscape.cases.values()) if line else [landscape]
    for name in cases[0].dimensions(quantity)[: -len(landscape.coordinates)]:
        one_number(cases[0], name)  # refuses
    marks: dict[tuple[str, int], list[Array]] = {}
    for one in cases:
        found, places = one.points, _places(one, quantity)
        seen = np.isfinite(places).all(axis=1)
        for kind, rank in sorted(set(zip(found.kind, found.rank.tolist(), strict=True))):
            which = seen & (np.array(found.kind) == kind) & (found.rank == rank)
            if which.any():
                marks.setdefault((kind, rank), []).append(places[which])
    d = len(landscape.section.base)
    for (kind, rank), parts in sorted(marks.items()):
        x, y = np.concatenate(parts).T
        inside, edge = ("black", "white") if rank == d else ("white", "black")
        look = _MARKS[kind] | {"facecolor": inside, "edgecolor": edge, "zorder": 5}
        ax.scatter(x, y, label=f"{kind}, rank {rank}", **look)
    if marks:
        every = np.concatenate([x for parts in marks.values() for x in parts])
        if line:
            _include(ax, every[:, 1])
            ax.legend(fontsize=7, framealpha=0.9, loc="best")
        else:
            _legend(ax, every, len(marks))
    return ax


def _places(one: Landscape, quantity: str) -> Array:
    """Where a figure has the points, (k, 2); NaN off the section, and out of the window."""
    found, axes = one.points, list(one.coordinates.values())
    seen = found.distance <= BESIDE * reach(one.section, tuple(axes))
    for x, grid in zip(found.coordinates.T, axes, strict=True):
        seen &= (grid[0] <= x) & (x <= grid[-1])
    places = found.coordinates
    if len(axes) == 1:
        height = found.value
        if quantity != "F":
            height = np.interp(places[:, 0], axes[0], one.values[quantity])
        places = np.column_stack([places[:, 0], height])
    return np.where(seen[:, None], places, np.nan)


def _include(ax: Axes, heights: Array) -> None:
    """Room for marks beyond what a profile shows."""
    if ax.get_yscale() != "linear":
        return
    low, high = ax.get_ylim()
    room = 0.05 * (high - low)
    ax.set_ylim(min(low, heights.min() - room), max(high, heights.max() + room))


def _legend(ax: Axes, points: Array, rows: int) -> None:
    """A legend in a corner without points, below the axes where each has some."""
    figure: Any = ax.figure
    across, up = ax.get_window_extent().size / figure.dpi  # inches
    x, y = ax.transAxes.inverted().transform(ax.transData.transform(points)).T
    wide, high = 1.45 / across, (0.2 + 0.15 * rows) / up
    for side in ("upper", "lower"):
        for end in ("left", "right"):
            beside = x < wide if end == "left" else x > 1 - wide
            if not (beside & (y > 1 - high if side == "upper" else y < high)).any():
                corner: Any = f"{side} {end}"
                ax.legend(fontsize=7, framealpha=0.9, loc=corner)
                return
    below = (0.5, -0.42 / float(up))
    ax.legend(fontsize=7, loc="upper center", bbox_to_anchor=below, ncols=min(rows, 2))
