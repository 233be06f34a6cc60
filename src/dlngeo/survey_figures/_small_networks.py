r"""Networks of two, three and four weights, drawn: figures 5 to 7 of Wendin and Altafini, 6.2.

One hidden node, two hidden layers of one node, one hidden layer of two nodes, each with a single
input and output: the loss is ½(σ - W)², its minima W = σ. What the figures show is made by
functions of its own. Minima are green dots and lines, saddles red crosses and lines.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from dlngeo import _checks, exact, weights
from dlngeo._checks import RNG, Array, Weights
from dlngeo.energies import Quadratic
from dlngeo.flows import gradient_flow

_MINIMUM: dict[str, Any] = {"color": "#1b7837", "marker": "o", "linestyle": "none", "zorder": 5}
_SADDLE: dict[str, Any] = {"color": "#b2182b", "marker": "X", "linestyle": "none", "zorder": 6}
_ORBIT: dict[str, Any] = {"color": "0.55", "linewidth": 0.9}


def figure_5(sigma: float = 1.0) -> Figure:
    """A single hidden node, L = ½(σ - w_1 w_2)²: phase portrait and landscape.

    Orbits are those of the closed form (62). Source: Wendin and Altafini, figure 5.
    """
    sigma = _checks.positive(sigma, "sigma")
    unit, reach = np.sqrt(sigma), 2.5 * np.sqrt(sigma)
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    phase, land = figure.subplots(1, 2)
    for path in node_orbits(sigma):
        phase.plot(*path, **_ORBIT)
        _arrow(phase, path)
    line = np.array([-reach, reach])
    phase.plot(line, -line, "k--", linewidth=1.2, label="separatrix $w_1=-w_2$")
    phase.plot([-unit, unit], [-unit, unit], "k-", linewidth=1.6, label="heteroclinic $w_1=w_2$")
    grid = np.linspace(-reach, reach, 301)
    w1, w2 = np.meshgrid(grid, grid)
    loss = 0.5 * (sigma - w1 * w2) ** 2
    levels = sigma**2 * np.array([0, 0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.9, 2, 5, 10, 30])
    norm = BoundaryNorm(levels, 256)
    filled = land.contourf(w1, w2, loss, levels=levels, cmap="Greys", norm=norm, alpha=0.7)
    land.contour(w1, w2, loss, levels=levels, colors="k", linewidths=0.4)
    figure.colorbar(filled, ax=land, label="loss", ticks=levels, format="%g")
    curve = np.geomspace(sigma / reach, reach, 40)
    for axes in (phase, land):
        for sign in (-1, 1):
            axes.plot(sign * curve, sign * sigma / curve, "-", color="#1b7837", linewidth=2.5)
        axes.plot([-unit, unit], [-unit, unit], label="balanced minima", **_MINIMUM)
        axes.plot([0], [0], label="saddle", markersize=9, **_SADDLE)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="$w_1$", ylabel="$w_2$")
        axes.set_aspect("equal")
    phase.plot([], [], "-", color="#1b7837", linewidth=2.5, label=r"minima $w_1w_2=\sigma$")
    phase.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=8, frameon=False
    )
    phase.set_title("(a) phase portrait")
    land.set_title("(b) landscape: flat around the origin")
    return figure


def node_orbits(sigma: float) -> Array:
    """Orbits of a single node from a circle of radius 2.4 √σ: (orbit, 2, time), closed form."""
    beside = np.array([-0.06, -0.01, 0.01, 0.06])  # of the separatrix
    angles = np.concatenate(
        [np.linspace(0, 2 * np.pi, 33)[:-1], 0.75 * np.pi + beside, 1.75 * np.pi + beside]
    )
    start = 2.4 * np.sqrt(sigma) * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    t = np.append(0.0, np.geomspace(1e-3, 1e2, 160)) / sigma
    return np.moveaxis(exact.single_node(t, start[:, None, :], sigma), -1, 1)


def figure_6(sigma: float = 1.0, *, rng: RNG = 0) -> Figure:
    """Two hidden layers of one node, L = ½(σ - w_1 w_2 w_3)²: space, and two slices.

    Minima are w_1 w_2 w_3 = σ, saddles the three axes: strict, but for the origin. Source: Wendin
    and Altafini, figure 6.
    """
    sigma = _checks.positive(sigma, "sigma")
    unit = sigma ** (1 / 3)
    figure = Figure(figsize=(13, 5.3), layout="constrained")
    figure.suptitle(r"Two hidden layers of one node: minima $w_1w_2w_3=\sigma$, saddles the axes")
    space = figure.add_subplot(1, 3, 1, projection="3d")
    starts = 1.2 * unit * _checks.rng(rng).standard_normal((40, 3))
    path = small_flow(tuple(starts[:, [p], None] for p in range(3)), sigma)
    points = np.stack([W[..., 0, 0] for W in path], axis=-1)
    for k in range(points.shape[1]):
        space.plot(*points[:, k].T, **_ORBIT)
    space.plot(*points[-1].T, markersize=4, label="minima reached", **_MINIMUM)
    edge = 2.5 * unit
    for sheet in sheets(sigma, edge):
        space.plot_surface(*sheet, color="#1b7837", alpha=0.15, linewidth=0)
    for p in range(3):
        axis = np.zeros((3, 2))
        axis[p] = [-edge, edge]
        space.plot(
            *axis,
            color="#b2182b",
            linestyle="--",
            linewidth=1.5,
            label="strict saddles" if p == 0 else None,
        )
    space.plot([0], [0], [0], markersize=9, label="origin, non-strict", **_SADDLE)
    space.set(xlabel="$w_1$", ylabel="$w_2$", zlabel="$w_3$", title="(a) flow and critical points")
    space.legend(fontsize=7, loc="upper left")
    space.set_box_aspect(None, zoom=0.85)
    plane, cut = figure.add_subplot(1, 3, 2), figure.add_subplot(1, 3, 3)
    grid = np.linspace(-edge, edge, 201)
    x, z = np.meshgrid(grid, grid)
    residual = sigma - x**2 * z
    plane.streamplot(
        x, z, x * z * residual, x**2 * residual, color="0.6", linewidth=0.7, density=1.1
    )
    curve = np.linspace(np.sqrt(sigma / edge), edge, 80)
    for sign in (-1, 1):
        plane.plot(sign * curve, sigma / curve**2, "-", color="#1b7837", linewidth=2.5)
        hyperbola = np.linspace(sigma / unit / edge, edge, 80)
        cut.plot(sign * hyperbola, sign * sigma / unit / hyperbola, color="#1b7837", linewidth=2.5)
    plane.axvline(0, color="#b2182b", linestyle="--", linewidth=1.5)
    plane.plot([0], [0], markersize=9, **_SADDLE)
    plane.set(xlabel="$w_1=w_2$", ylabel="$w_3$", title="(b) invariant plane $w_1=w_2$")
    loss = 0.5 * (sigma - x * z * unit) ** 2
    levels = sigma**2 * np.array([0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.9, 2, 5, 10])
    lines = cut.contour(x, z, loss, levels=levels, colors="0.5", linewidths=0.8)
    cut.clabel(lines, fontsize=6, fmt="%.3g")
    cut.plot([0], [0], "D", color="#b2182b", zorder=6)
    cut.set(xlabel="$w_1$", ylabel="$w_2$", title=r"(c) loss at $w_3=\sigma^{1/3}$")
    for axes in (plane, cut):
        axes.set(xlim=(-edge, edge), ylim=(-edge, edge))
        axes.set_aspect("equal")
    return figure


def figure_7(sigma: float = 1.0, *, rng: RNG = 0) -> Figure:
    """One hidden layer of two nodes: minima reached, in slices of the four weights.

    From starts that share the value of w_1² - w_3² they lie on a curve in the plane of this pair
    and are scattered in all others. Source: Wendin and Altafini, figure 7.
    """
    w = two_node_minima(_checks.positive(sigma, "sigma"), rng=rng).T
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    figure.suptitle(r"Two hidden nodes: minima $w_1w_3+w_2w_4=\sigma$ reached by the flow")
    grid = figure.add_gridspec(2, 4, height_ratios=(1, 1.15))
    for k, (i, j) in enumerate([(0, 2), (1, 3), (0, 1), (0, 3)]):
        axes = figure.add_subplot(grid[0, k])
        axes.plot(w[i], w[j], markersize=2.5, **_MINIMUM)
        axes.plot([0], [0], markersize=8, **_SADDLE)
        axes.set(xlabel=f"$w_{i + 1}$", ylabel=f"$w_{j + 1}$")
        title = "$w_1^2-w_3^2$ shared by all starts" if (i, j) == (0, 2) else "nothing shared"
        axes.set_title(title, fontsize=10)
    for k, (a, b, c) in enumerate(itertools.combinations(range(4), 3)):
        axes = figure.add_subplot(grid[1, k], projection="3d")
        axes.plot(w[a], w[b], w[c], markersize=2, label="minima reached", **_MINIMUM)
        axes.plot([0], [0], [0], markersize=8, label="saddle", **_SADDLE)
        axes.set(xlabel=f"$w_{a + 1}$", ylabel=f"$w_{b + 1}$", zlabel=f"$w_{c + 1}$")
        axes.tick_params(labelsize=7)
        axes.set_box_aspect(None, zoom=0.72)
    axes.legend(fontsize=8)
    return figure


def two_node_minima(sigma: float, *, count: int = 400, rng: RNG = 0) -> Array:
    """Ends (w_1, ..., w_4) of flows that start with w_1² - w_3² = σ/2: (count, 4)."""
    generator = _checks.rng(rng)
    unit, sign = np.sqrt(sigma), generator.choice([-1.0, 1.0], count)
    angle, w2, w4 = generator.standard_normal((3, count))
    w1, w3 = np.sqrt(0.5) * sign * np.cosh(0.8 * angle), np.sqrt(0.5) * np.sinh(0.8 * angle)
    start = (
        unit * np.stack([w1, w2], axis=-1)[..., None],
        unit * np.stack([w3, w4], axis=-1)[:, None, :],
    )
    return weights.to_vector([W[-1] for W in small_flow(start, sigma)])


def small_flow(start: Weights, sigma: float) -> Weights:
    """Weights (time, ...) of the flow of a stack of one-input, one-output networks, to rest."""
    energy = Quadratic([[sigma]])
    path = gradient_flow(
        energy, start, (0.0, 200.0 / sigma), method="DOP853", rtol=1e-10, gtol=1e-9
    )
    assert path.weights is not None
    return path.weights


# ------------------------------------------------------------------------------------- parts


def sheets(sigma: float, edge: float) -> list[Array]:
    """The four sheets of w_1 w_2 w_3 = σ within |w_i| <= edge, each (3, n, n)."""
    p, q = np.meshgrid(np.linspace(0, 1, 25), np.linspace(0, 1, 25))
    share = np.stack([p, (1 - p) * q, (1 - p) * (1 - q)])
    sheet = edge * np.exp(-share * np.log(edge**3 / sigma))
    signs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    return [sign[:, None, None] * sheet for sign in signs]


def _arrow(axes: Axes, path: Array) -> None:
    """An arrow head a third of the way along a path (2, time)."""
    length = np.cumsum(np.linalg.norm(np.diff(path), axis=0))
    k = int(np.searchsorted(length, length[-1] / 3))
    style = {"arrowstyle": "-|>", "color": "0.35"}
    (x, y), (x_to, y_to) = path[:, k], path[:, k + 1]
    axes.annotate("", (x_to, y_to), (x, y), arrowprops=style)
