"""Zeros of the derivative of F along a section by Newton's method from the cells of the grid."""

from __future__ import annotations

import numpy as np

from dlngeo._checks import Array
from dlngeo.landscapes._points.index import ZERO, signature
from dlngeo.landscapes._points.restriction import Restriction

_MOST = 4000  # cells that Newton's method starts from: of more, each second and so on


def inner_points(
    F: Restriction, axes: tuple[Array, ...], grid: Array, det: Array, rank: int
) -> list[tuple[Array, str]]:
    """The zeros of F's derivative along the section, and their kinds."""
    count = len(axes)
    found = F.slope(grid.reshape(-1, count), rank)
    slope = np.where(np.abs(found.along) <= 1e-14 * found.terms, 0.0, found.along)
    slope = slope.reshape(grid.shape)
    cells = np.isfinite(_corners(det)).all(axis=0)
    signs = _corners(np.sign(det))
    if rank == F.d and not F.smooth:
        cells &= (signs == signs[0]).all(axis=0) & (signs[0] != 0)
    cells &= _corners((slope != 0).any(axis=-1)).any(axis=0)  # else F is constant there
    for i in range(count):
        corners = _corners(slope[..., i])
        cells &= np.isfinite(corners).all(axis=0)
        cells &= (corners.min(axis=0) <= 0) & (corners.max(axis=0) >= 0)
    centres = _corners(grid).mean(axis=0)[cells]
    if not len(centres):
        return []
    step = np.array([float(np.diff(x).max()) for x in axes])
    x = _newton(F, centres[:: 1 + len(centres) // _MOST], 2 * step, rank)
    inside = np.all([(a[0] <= v) & (v <= a[-1]) for a, v in zip(axes, x.T, strict=True)], axis=0)
    x = x[inside]
    if not len(x):
        return []
    end, bend = F.slope(x, rank), F.bend(x, rank)
    size = end.terms + np.abs(bend) @ step  # within 1e-8 of a cell of a zero
    good = (np.abs(end.along) <= ZERO * size).all(axis=1)
    x, bend = x[good], bend[good]
    kinds = [_kind(*each) for each in zip(bend, F.bend_terms(x, rank), strict=True)]
    return list(zip(x, kinds, strict=True))


def _corners(values: Array) -> Array:
    """The values at the corners of each cell, corners first; along the first one or two axes."""
    rows = np.stack([values[:-1], values[1:]])
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        return rows
    return np.concatenate([rows[:, :, :-1], rows[:, :, 1:]])


def _newton(F: Restriction, x: Array, longest: Array, rank: int) -> Array:
    """Newton's method from each point, its steps no longer than ``longest``."""
    for _ in range(40):
        slope, bend = F.slope(x, rank).along, F.bend(x, rank)
        good = np.isfinite(slope).all(axis=1) & np.isfinite(bend).all(axis=(1, 2))
        x, slope, bend = x[good], slope[good], bend[good]
        if not len(x):
            break
        step = -(np.linalg.pinv(bend, rcond=1e-9, hermitian=True) @ slope[:, :, None])[..., 0]
        share = np.abs(step / longest).max(axis=1)
        x = x + step / np.maximum(share, 1.0)[:, None]
        if share.max() <= 1e-12:
            break
    return x


def _kind(bend: Array, terms: Array) -> str:
    below, flat = signature(bend, terms)
    if flat:
        return "flat"
    return "minimum" if below == 0 else "maximum" if below == len(bend) else "saddle"
