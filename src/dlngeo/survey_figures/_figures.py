r"""Figures 2 to 7 of Wendin and Altafini, section 6, drawn anew and corrected.

Figures 2 and 3 show trajectories of the five-layer network of section 6.1, or any other, figure 4
the arcs between its critical points. Figures 5 to 7 are drawn by
:mod:`dlngeo.survey_figures._small_networks`. Every figure is readable in greyscale.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from dlngeo import _checks, weights
from dlngeo._checks import Array, Weights
from dlngeo._linalg import svd
from dlngeo._results.trajectory import Trajectory
from dlngeo.critical_points import arc, arc_minimum

_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


def overlaps(weights_: Sequence[ArrayLike], count: int) -> tuple[Array, ...]:
    """|v_k · u_l| at each hidden layer, for the leading ``count`` modes: (..., count, count).

    u_l are left singular vectors of W_p, v_k right ones of W_{p+1}; free of the signs of an SVD.
    Source: Wendin and Altafini, 5.3.1.
    """
    layers, count = _checks.weights(weights_, "weights_"), _checks.integer(count, "count", 1)
    least = _least_width(layers)
    if count > least:
        raise ValueError(f"count must be at most {least}, the least width; it is {count}")
    frames = [svd(W) for W in layers]
    return tuple(
        np.abs(V[..., :count, :] @ U[..., :count])
        for (U, _, _), (_, _, V) in itertools.pairwise(frames)
    )


def misaligned(weights_: Sequence[ArrayLike], count: int) -> Array:
    r"""‖[V_{p+1}ᵀ U_p] - 1‖_F² at each hidden layer, signs chosen to make it least: (..., N - 1).

    Of the leading ``count`` modes: :math:`\sum_{kl} o_{kl}^2 - 2\sum_k o_{kk} + count`, o the
    :func:`overlaps`. Source: Wendin and Altafini, section 6.1, figures 2 and 3.
    """
    found = []
    for o in overlaps(weights_, count):
        diagonal = np.diagonal(o, axis1=-2, axis2=-1)
        off = (o * (1 - np.eye(count))) ** 2
        found.append(((1 - diagonal) ** 2).sum(axis=-1) + off.sum(axis=(-2, -1)))
    return np.stack(found, axis=-1)


def figure_2(near: Trajectory, away: Trajectory, sigma: ArrayLike) -> Figure:
    """Two trajectories of weights: singular values of W and of all layers, norms, loss, alignment.

    ``sigma`` holds the target's singular values. Source: Wendin and Altafini, figure 2.
    """
    paths = (_layers(near, "near"), _layers(away, "away"))
    values = _values(sigma, "sigma", min(map(_least_width, paths)))
    figure = Figure(figsize=(10, 14), layout="constrained")
    panels = figure.subplots(5, 2, sharex="col")
    titles = ("(a) near the origin", "(b) away from the origin")
    for column, path, layers, title in zip(panels.T, (near, away), paths, titles, strict=True):
        _draw_values(column[0], path, values)
        column[0].set_title(title)
        _draw_layers(column[1], path.t, layers, values.size)
        size = weights.norm(layers)
        column[2].plot(path.t, size, "k-", label=r"$\|A\|_F$")
        whole = np.linalg.norm(path.W, axis=(-2, -1))
        column[2].plot(path.t, whole, "k--", label=r"$\|A^h\|_F=\|W\|_F$")
        column[2].set(ylabel="norm", yscale="log")
        column[3].plot(path.t, path.energy, "k-", label="loss")
        plateaus = 0.5 * np.append(np.cumsum(values[::-1] ** 2)[::-1], 0.0)[:-1]
        for level in plateaus:
            column[3].axhline(level, color="0.6", linestyle=":", linewidth=1)
        column[3].plot(
            [], [], ":", color="0.6", label=r"critical values $\frac{1}{2}\sum_{i>k}\sigma_i^2$"
        )
        column[3].set(ylabel="loss", yscale="log", ylim=(plateaus[-1] / 100, None))
        _draw_alignment(column[4], path.t, layers, values.size)
        for axes, place in zip(
            column[2:], ("center left", "lower left", "lower left"), strict=True
        ):
            axes.legend(frameon=False, fontsize=8, loc=place)
        _time_axis(column, path, values)
    figure.suptitle("Gradient flow of a deep linear network from two starts")
    return figure


def figure_3(separate: Trajectory, close: Trajectory, sigmas: Sequence[ArrayLike]) -> Figure:
    """Two δ-balanced trajectories, of well separated σ and of σ close in pairs: do modes align?

    Singular values, alignment of the layers' frames, overlap of neighbouring modes, balance.
    ``sigmas`` holds the singular values of either target. Source: Wendin and Altafini, figure 3.
    """
    paths = (_layers(separate, "separate"), _layers(close, "close"))
    given = _checks.sequence(sigmas, "sigmas", "two sequences of singular values")
    if len(given) != 2:
        raise ValueError(f"sigmas must be two sequences of singular values, not {len(given)}")
    figure = Figure(figsize=(10, 11.5), layout="constrained")
    panels = figure.subplots(4, 2, sharex="col")
    titles = ("(a) separate singular values", "(b) pairs of close singular values")
    both = [_values(s, f"sigmas[{k}]", _least_width(paths[k])) for k, s in enumerate(given)]
    for k, (path, layers, values) in enumerate(zip((separate, close), paths, both, strict=True)):
        column, title = panels.T[k], titles[k]
        _draw_values(column[0], path, values)
        column[0].set_title(title)
        _draw_alignment(column[1], path.t, layers, values.size)
        common = np.max(overlaps(layers, values.size), axis=0)
        for k in range(values.size - 1):
            pair = np.maximum(common[:, k, k + 1], common[:, k + 1, k])
            label = f"modes {k + 1}, {k + 2}"
            column[2].plot(path.t, pair, color=str(0.2 * k), linestyle=_STYLES[k], label=label)
        column[2].set(ylabel=r"$\max_p |v_{p+1,k}\cdot u_{p,l}|$", yscale="log")
        _draw_balance(column[3], path, layers)
        for axes in column[1:]:
            axes.legend(frameon=False, fontsize=8)
        _time_axis(column, path, values)
    figure.suptitle("Alignment of the layers' singular vectors near the origin")
    return figure


def figure_4(sigma: ArrayLike, depth: int = 5) -> Figure:
    """The loss along arcs between critical points: down, up, and mixed with a minimum between.

    Source: Wendin and Altafini, figure 4; corrected: a mixed arc has one interior minimum and no
    maximum, whichever lift is taken.
    """
    values = _checks.singular_values(sigma)
    if values.ndim != 1 or values.size < 4:
        raise ValueError(f"sigma must be one vector of 4 entries or more; it is {values.shape}")
    figure = Figure(figsize=(11, 4), layout="constrained")
    down = [((), (0,)), ((0,), (0, 1)), ((3,), (0, 3)), ((), (0, 1, 2, 3))]
    mixed = [((0,), (1,)), ((1, 2), (0,)), ((0, 3), (1, 2)), ((3,), (0, 1))]
    cases = (
        (r"$S_1\subset S_2$: falls", down),
        (r"$S_1\supset S_2$: rises", [(b, a) for a, b in down]),
        ("neither: a minimum between", mixed),
    )
    alpha = np.linspace(0, 1, 201)
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (title, arcs) in zip(panels, cases, strict=True):
        for (start, end), style in zip(arcs, _STYLES, strict=False):
            label = rf"{_set(start)}$\to${_set(end)}"
            axes.plot(
                alpha, arc(values, start, end, alpha, depth), "k", linestyle=style, label=label
            )
        if arcs is mixed:
            lowest = np.array([arc_minimum(values, *ends) for ends in arcs])
            axes.plot(*lowest.T, color="k", marker="v", linestyle="none", label="minimum of an arc")
        axes.set(title=title, xlabel=r"$\alpha$", ylim=(0, None))
        axes.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel(r"loss $L(A(\alpha))$")
    figure.suptitle("The loss along arcs between critical points of signatures $S_1$ and $S_2$")
    return figure


# ------------------------------------------------------------------------------------- parts


def _layers(path: Trajectory, name: str) -> Weights:
    weights: Weights | None = _checks.instance(path, name, Trajectory).weights
    if weights is None:
        raise ValueError(f"{name} must be of weights; it is of a matrix downstairs")
    return weights


def _least_width(layers: Weights) -> int:
    return min(min(W.shape[-2:]) for W in layers)


def _values(sigma: ArrayLike, name: str, most: int) -> Array:
    """Decreasing, and no more than the network has."""
    values = _checks.singular_values(sigma, name)
    if values.ndim != 1 or values.size > most:
        raise ValueError(f"{name} must be a vector of at most {most} entries; it is {values.shape}")
    return np.sort(values)[::-1]


def _set(signature: Sequence[int]) -> str:
    return "{" + ",".join(str(i + 1) for i in signature) + "}"


def _draw_values(axes: Axes, path: Trajectory, sigma: Array) -> None:
    for k, value in enumerate(sigma):
        axes.axhline(value, color="0.6", linestyle=":", linewidth=1)
        axes.plot(path.t, path.singular_values[:, k], color=str(0.15 * k), linestyle=_STYLES[k % 6])
    far = path.singular_values[0, 0] > 3 * sigma[0]
    axes.set(ylabel="singular values of $W$", yscale="log" if far else "linear")


def _draw_layers(axes: Axes, t: Array, layers: Weights, count: int) -> None:
    for p, W in enumerate(layers):
        for k, value in enumerate(svd(W)[1].T):
            label = (f"leading {count} of a layer" if k == 0 else "others") if p == 0 else None
            shade, style = ("black", "-") if k < count else ("0.6", "--")
            axes.plot(
                t,
                value,
                color=shade,
                linestyle=style,
                linewidth=0.8,
                label=label if k in (0, count) else None,
            )
    top = 1.2 * max(svd(W)[1].max() for W in layers)
    axes.set(ylabel="singular values of $A$", ylim=(0, top))
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")


def _draw_alignment(axes: Axes, t: Array, layers: Weights, count: int) -> None:
    for p, value in enumerate(misaligned(layers, count).T):
        label = rf"$p={p + 1}$"
        axes.plot(t, value, color=str(0.18 * p), linestyle=_STYLES[p % 6], label=label)
    axes.set(ylabel=r"$\|V_{p+1}^T U_p - 1\|_F^2$", yscale="log", ylim=(1e-4, 20))


def _draw_balance(axes: Axes, path: Trajectory, layers: Weights) -> None:
    """δ, below it what (58) bounds by it, and how far the integrator lets it drift."""
    assert path.imbalance is not None and path.imbalance_drift is not None
    axes.plot(path.t, path.imbalance, "k-", label=r"$\delta=\max_p\|G_p\|_F$")
    least = _least_width(layers)
    squares = [svd(W)[1][..., :least] ** 2 for W in layers]
    spread = [np.linalg.norm(a - b, axis=-1) for a, b in itertools.pairwise(squares)]
    label = r"$\max_p\|\Lambda_p^2-\Lambda_{p+1}^2\|_F$"
    axes.plot(path.t, np.max(spread, axis=0), "--", color="0.4", label=label)
    drift = np.where(path.imbalance_drift > 0, path.imbalance_drift, np.nan)
    axes.plot(path.t, drift, ":", color="0.4", label=r"$\max_p\|G_p(t)-G_p(0)\|_F$")
    axes.set(ylabel="balance", yscale="log", ylim=(1e-9, 1))


def _time_axis(column: Sequence[Axes], path: Trajectory, sigma: Array) -> None:
    """Logarithmic time, from a third of the first rise."""
    risen = np.argmax(path.singular_values[:, 0] > 0.1 * sigma[0])
    first = max(path.t[1], path.t[risen] / 3)
    for axes in column:
        axes.set(xscale="log", xlim=(first, 1.2 * path.t[-1]))
        axes.spines[["top", "right"]].set_visible(False)
    column[-1].set_xlabel("flow time $t$")
