r"""The Gibbs law of W given that it lies in the window: a density that integrates to one over it.

Against Lebesgue measure the Gibbs measure has the density e^{-βF/κ} vol(g^N), which is
|det W|^{1/N-1} times something continuous at rank d - 1. So it is infinite where det W = 0, and
sums over grid points would miss the mass there. In each cell of the grid the rest is taken for a
linear function of σ_d^{2/N}, by |det W|^{2/N}, with its value at the edge where the cell has one;
powers of det W are integrated with det W linear, in closed form along the axis on which it varies
more and by Gauss's rule on the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from dlngeo._checks import Array
from dlngeo._linalg import singular_values
from dlngeo.landscapes._sections import Section

AtEdge = Callable[[Array], Array]

_SETTLED = 0.05  # what leaving out every second point may change of the mass
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def normalised(
    smooth: Array, det: Array, depth: float, axes: tuple[Array, ...], at_edge: AtEdge
) -> Array:
    """The density on the grid, from the logarithm of its continuous factor and det W.

    ``at_edge`` tells that logarithm at points (p, k) of det W = 0.

    Raises
    ------
    ValueError
        Where the grid does not tell the mass.
    """
    smooth = np.where(np.isnan(smooth), -np.inf, smooth)
    top = float(smooth.max())
    if not (np.isfinite(top) and (det != 0).any()):
        raise ValueError("the section lies in det W = 0, where the Gibbs density is infinite")
    factor = np.exp(smooth - top)

    def edge(x: Array) -> Array:
        return np.exp(np.nan_to_num(at_edge(x), nan=-np.inf) - top)

    def mass(*parts: slice) -> float:
        inner = tuple(x[part] for x, part in zip(axes, parts, strict=True))
        return float(_cells(factor[parts], det[parts], depth, inner, edge).sum())

    even = [2 * ((x.size - 1) // 2) + 1 for x in axes]
    whole = mass(*(slice(None) for _ in axes))
    fine, coarse = (mass(*(slice(0, size, step) for size in even)) for step in (1, 2))
    if not abs(fine - coarse) <= _SETTLED * fine:
        raise ValueError(
            "the Gibbs density of this window cannot be normalised on this grid: without every "
            f"second point its mass is {coarse / fine:.3g} of what it is; take more points"
        )
    with np.errstate(divide="ignore"):
        power = np.where(det == 0, np.nan, np.abs(det)) ** (1 / depth - 1)
    return np.asarray(factor / whole * power)


def refuse_divergent(
    section: Section, axes: tuple[Array, ...], grid: Array, depth: float, kappa: float
) -> None:
    """Refuse a window with a matrix of rank d - 2 or less where the mass near it is infinite.

    Near one with c zero singular values, at distance x, the density goes like x^{-e} with
    e = s c (1 + (c - 1)(1 - 1/(2κ))), s = 1 - 1/N.
    """
    if grid.shape[-1] < 2 or depth == 1:
        return
    size = float(np.abs(grid).max())
    spacing = sum(
        float(np.abs(np.diff(x)).max() * np.linalg.norm(D))
        for x, D in zip(axes, section.directions, strict=True)
    )
    second = np.linalg.svd(grid, compute_uv=False)[..., -2]
    if not second.min() <= spacing:
        return
    place = np.unravel_index(int(second.argmin()), second.shape)
    start = np.array([x[i] for x, i in zip(axes, place, strict=True)])
    end = minimize(
        lambda x: float(singular_values(section.points(x))[-2]), start, method="Nelder-Mead",
        options={"xatol": 1e-12, "fatol": 1e-12},
    ).x  # fmt: skip
    inside = all(x[0] <= y <= x[-1] for x, y in zip(axes, end, strict=True))
    zeros = int((singular_values(section.points(end)) <= 1e-9 * size).sum())
    power = (1 - 1 / depth) * zeros * (1 + (zeros - 1) * (1 - 1 / (2 * kappa)))
    if inside and zeros >= 2 and power >= len(axes):
        raise ValueError(
            f"the Gibbs density of this window cannot be normalised: near its matrix with {zeros} "
            f"zero singular values it grows like x^-{power:.3g} with the distance x"
        )


# ----------------------------------------------------------------------------- cell by cell


def _cells(factor: Array, det: Array, depth: float, axes: tuple[Array, ...], edge: AtEdge) -> Array:
    """The mass of each cell."""
    heights, corners = _corners(factor), _corners(det)
    size = np.diff(axes[0])
    if len(axes) == 2:
        size = size[:, None] * np.diff(axes[1])
    if depth == 1:
        return np.asarray(heights.mean(axis=0) * size)
    share, power = 1 - 1 / depth, 2 / depth
    low, high = heights.min(axis=0), heights.max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope, foot = _fit(heights, np.abs(corners) ** power)
        crossed = (corners.min(axis=0) <= 0) & (corners.max(axis=0) >= 0)
        if crossed.any():
            x, v = _edge_places(corners[:, crossed], axes, crossed), np.abs(corners[:, crossed])
            at = foot[crossed] = edge(x)
            slope[crossed] = _rise(heights[:, crossed] - at, v**power)
            low[crossed] = np.minimum(low[crossed], at)
            high[crossed] = np.maximum(high[crossed], at)
        unit = _mean(corners, share)
        mean = foot * unit + slope * _mean(corners, share - power)
        # the factor is not of this form near matrices of rank d - 2
        fits = np.isfinite(mean) & (low * unit <= mean) & (mean <= high * unit)
    return np.asarray(np.where(fits, mean, heights.mean(axis=0) * unit) * size)


def _corners(values: Array) -> Array:
    """The values at a cell's corners: (2, n) on a line; (4, n, m) on a plane, along x first."""
    if values.ndim == 1:
        return np.stack([values[:-1], values[1:]])
    return np.stack([values[:-1, :-1], values[1:, :-1], values[:-1, 1:], values[1:, 1:]])


def _fit(heights: Array, v: Array) -> tuple[Array, Array]:
    """The slope and foot of heights as a linear function of v, by least squares."""
    apart = v - v.mean(axis=0)
    square = (apart**2).sum(axis=0)
    slope = np.where(square > 0, (apart * heights).sum(axis=0) / square, 0.0)
    return slope, heights.mean(axis=0) - slope * v.mean(axis=0)


def _rise(heights: Array, v: Array) -> Array:
    """The slope of heights as a multiple of v, by least squares."""
    square = (v**2).sum(axis=0)
    return np.where(square > 0, (heights * v).sum(axis=0) / np.where(square > 0, square, 1.0), 0.0)


def _edge_places(corners: Array, axes: tuple[Array, ...], crossed: Array) -> Array:
    """A point (p, k) of the edge in each cell that it crosses."""
    places = np.nonzero(crossed)
    low = np.column_stack([x[i] for x, i in zip(axes, places, strict=True)])
    step = np.column_stack([x[i + 1] - x[i] for x, i in zip(axes, places, strict=True)])
    # between the corners of least and largest det W, where it is linear
    first, last = corners.argmin(axis=0), corners.argmax(axis=0)
    k = np.arange(len(low))
    a, b = corners[first, k], corners[last, k]
    part = np.where(b > a, -a / np.where(b > a, b - a, 1.0), 0.5)[:, None]
    one, two = (np.column_stack([c % 2, c // 2])[:, : len(axes)] for c in (first, last))
    return np.asarray(low + step * (one + part * (two - one)))


def _mean(corners: Array, share: float) -> Array:
    """The mean of |u|^{-s} over a cell, u linear or bilinear between its corners."""
    if len(corners) == 2:
        return _mean_between(corners[0], corners[1], share)
    a, b, c, d = corners
    turn = np.abs(b - a) + np.abs(d - c) < np.abs(c - a) + np.abs(d - b)
    b, c = np.where(turn, c, b), np.where(turn, b, c)  # from a to b it varies more
    mean = np.zeros_like(a)
    for node, weight in zip(0.5 * (1 + _NODES), 0.5 * _WEIGHTS, strict=True):
        mean += weight * _mean_between(a + node * (c - a), b + node * (d - b), share)
    return mean


def _mean_between(a: Array, b: Array, share: float) -> Array:
    """The mean of |u|^{-s} over u from a to b, s < 1."""
    largest = np.maximum(np.abs(a), np.abs(b))
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.abs(0.5 * (a + b)) ** -share
        rise = np.sign(b) * np.abs(b) ** (1 - share) - np.sign(a) * np.abs(a) ** (1 - share)
        whole = rise / (1 - share) / (b - a)
    return np.where(np.abs(b - a) <= 1e-4 * largest, middle, whole)
