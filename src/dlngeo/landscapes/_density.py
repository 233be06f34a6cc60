r"""The Gibbs law of W given that it lies in the window: a density that integrates to one over it.

Against Lebesgue measure the Gibbs measure has the density e^{-βF/κ} vol(g^N), which is
|det W|^{1/N-1} times something continuous at rank d - 1. So it is infinite where det W = 0, and
sums over grid points would miss the mass there. In each cell of the grid the power is integrated
with det W linear, in closed form along the axis on which det W varies more and by Gauss's rule on
the other; the rest is averaged over the corners.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from dlngeo._checks import Array
from dlngeo._linalg import singular_values
from dlngeo.landscapes._sections import Section

_SETTLED = 0.05  # what leaving out every second point may change of the mass
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def normalised(smooth: Array, det: Array, depth: float, axes: tuple[Array, ...]) -> Array:
    """The density on the grid, from the logarithm of its continuous factor and det W.

    Raises
    ------
    ValueError
        Where the grid does not tell the mass.
    """
    share = 1 - 1 / depth
    smooth = np.where(np.isnan(smooth), -np.inf, smooth)
    top = float(smooth.max())
    if not (np.isfinite(top) and (det != 0).any()):
        raise ValueError("the section lies in det W = 0, where the Gibbs density is infinite")
    factor = np.exp(smooth - top)
    mass = float(_cells(factor, det, share, axes).sum())
    even = [slice(0, 2 * ((x.size - 1) // 2) + 1) for x in axes]
    inner = tuple(x[part] for x, part in zip(axes, even, strict=True))
    fine = _cells(factor[tuple(even)], det[tuple(even)], share, inner).sum()
    every = tuple(slice(part.start, part.stop, 2) for part in even)
    coarse = _cells(factor[every], det[every], share, tuple(x[::2] for x in inner)).sum()
    if not abs(fine - coarse) <= _SETTLED * fine:
        raise ValueError(
            "the Gibbs density of this window cannot be normalised on this grid: without every "
            f"second point its mass is {coarse / fine:.3g} of what it is; take more points"
        )
    with np.errstate(divide="ignore"):
        density = factor / mass * np.where(det == 0, np.nan, np.abs(det)) ** -share
    return np.asarray(density)


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


def _cells(factor: Array, det: Array, share: float, axes: tuple[Array, ...]) -> Array:
    """The mass of each cell."""
    if len(axes) == 1:
        return 0.5 * (factor[1:] + factor[:-1]) * _mean(det[:-1], det[1:], share) * np.diff(axes[0])
    height = 0.25 * (factor[1:, 1:] + factor[1:, :-1] + factor[:-1, 1:] + factor[:-1, :-1])
    area = np.diff(axes[0])[:, None] * np.diff(axes[1])
    a, b, c, d = det[:-1, :-1], det[1:, :-1], det[:-1, 1:], det[1:, 1:]
    turn = np.abs(b - a) + np.abs(d - c) < np.abs(c - a) + np.abs(d - b)
    b, c = np.where(turn, c, b), np.where(turn, b, c)  # from a to b it varies more
    mean = np.zeros_like(height)
    for node, weight in zip(0.5 * (1 + _NODES), 0.5 * _WEIGHTS, strict=True):
        mean += weight * _mean(a + node * (c - a), b + node * (d - b), share)
    return np.asarray(height * mean * area)


def _mean(a: Array, b: Array, share: float) -> Array:
    """The mean of |u|^{-s} over u from a to b."""
    largest = np.maximum(np.abs(a), np.abs(b))
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.abs(0.5 * (a + b)) ** -share
        rise = np.sign(b) * np.abs(b) ** (1 - share) - np.sign(a) * np.abs(a) ** (1 - share)
        whole = rise / (1 - share) / (b - a)
    return np.where(np.abs(b - a) <= 1e-4 * largest, middle, whole)
