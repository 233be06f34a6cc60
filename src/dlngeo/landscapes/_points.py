"""What stands out on a landscape: minimisers of F, and critical points of F on the section.

Critical points of full rank are zeros of the derivative of F along the section, found by Newton's
method from every cell of the grid in which all its components change sign. Those of rank d - 1
(:mod:`dlngeo.landscapes._boundary`) lie on det W = 0, where F has an edge. The minimisers are those
of F over all matrices, of :func:`dlngeo.entropy.minimise_free_energy`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo.energies import Energy
from dlngeo.entropy import minimise_free_energy
from dlngeo.landscapes._boundary import edge_points
from dlngeo.landscapes._quantities import Restriction
from dlngeo.landscapes._sections import Section, determinants

_FLAT = 1e-7  # a second derivative below this, relative to the largest, counts as zero
_ZERO = 1e-8  # and a gradient relative to its terms
_ALIKE = 1e-13  # relative to the largest entry, points this close are apart by rounding alone
_MOST = 400  # cells that Newton's method starts from


class Points(NamedTuple):
    """Points that stand out, k of them, minimisers first.

    Critical points closer together than the grid's cells, or in a cell with a matrix of rank d - 2,
    may be missed.

    Attributes
    ----------
    W : (k, d, d) array
    coordinates : (k, axes) array
        Of the nearest points of the section.
    rank : (k,) array of int
    kind : tuple of k strings
        "minimiser": of F over all matrices. Of F on the section: "minimum", "saddle", "maximum",
        or "flat" where a second derivative vanishes.
    value : (k,) array
        F.
    distance : (k,) array
        From the section: 0 but for minimisers.
    stationary : (k,) array of bool
        Whether the gradient of F vanishes in all directions, at rank d - 1 in those of the stratum.
    message : str
        What the search for minimisers answered.
    """

    W: Array
    coordinates: Array
    rank: Array
    kind: tuple[str, ...]
    value: Array
    distance: Array
    stationary: Array
    message: str

    def __repr__(self) -> str:
        counts = {kind: self.kind.count(kind) for kind in dict.fromkeys(self.kind)}
        return (
            f"Points({', '.join(f'{kind}: {count}' for kind, count in counts.items()) or 'none'})"
        )


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def points_on(
    energy: Energy,
    section: Section,
    axes: tuple[Array, ...],
    depth: float,
    beta: float,
    decay: float,
) -> Points:
    """All that :class:`Points` has, for one F."""
    F = Restriction(energy, section, depth, beta, decay)
    minimisers, ranks, message = _minimisers(F)
    places, apart = section.coordinates(minimisers), section.distance(minimisers)
    on = apart <= 1e-6 * (1 + np.abs(minimisers).max(axis=(1, 2), initial=0.0))
    kept = _critical(F, axes, places[on])
    x = np.reshape([point[0] for point in kept], (-1, len(axes)))
    W = np.concatenate([minimisers, section.points(x)])
    rank = np.concatenate([ranks, np.array([point[1] for point in kept], dtype=int)])
    value, still = np.zeros(len(W)), np.ones(len(W), dtype=bool)
    for r in set(rank.tolist()):
        here = rank == r
        value[here] = F.value(W[here], r)
        still[here] = F.slope_of(W[here], r).relative <= _ZERO
    still[: len(minimisers)] = True
    return Points(
        W=W,
        coordinates=np.concatenate([places, x]),
        rank=rank,
        kind=("minimiser",) * len(minimisers) + tuple(point[2] for point in kept),
        value=value,
        distance=np.concatenate([apart, np.zeros(len(kept))]),
        stationary=still,
        message=message,
    )


def _critical(
    F: Restriction, axes: tuple[Array, ...], known: Array
) -> list[tuple[Array, int, str]]:
    """Coordinates, rank and kind of the section's critical points, but those known, each once."""
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    det = determinants(F.section, grid)
    found = [(x, F.d, kind) for x, kind in _inner(F, axes, grid, det)]
    found += [(x, F.d - 1, kind) for x, kind in edge_points(F, axes, det)]
    kept: list[tuple[Array, int, str]] = []
    sizes = np.array([x[-1] - x[0] for x in axes])
    lengths = np.abs(F.section.directions).max(axis=(1, 2))
    rounding = _ALIKE * np.abs(F.section.points(grid)).max() / lengths
    for x, rank, kind in found:
        width = (0.02 if kind == "flat" else 1e-4) * sizes
        if not _near(x, known, np.maximum(width, rounding)):
            kept.append((x, rank, kind))
            known = np.concatenate([known, x[None]])
    return kept


def _minimisers(F: Restriction) -> tuple[Array, Array, str]:
    """The minimisers over all matrices, their ranks, and what the search says."""
    none = np.zeros((0, F.d, F.d)), np.zeros(0, dtype=int)
    if math.isinf(F.beta):
        return *none, "at beta inf the minimisers of F are those of E and the weight decay"
    try:
        found = minimise_free_energy(F.energy, F.depth, F.beta, F.gamma, shape=(F.d, F.d))
    except ValueError as error:  # of an energy that is infinite, or without a value, somewhere
        return *none, f"the search for minimisers failed: {error}"
    except RuntimeError as error:
        return *none, str(error)
    return found.points, found.ranks, found.message


# ------------------------------------------------------------------------ at full rank


def _inner(
    F: Restriction, axes: tuple[Array, ...], grid: Array, det: Array
) -> list[tuple[Array, str]]:
    """The zeros of F's derivative along the section, and their kinds."""
    count = len(axes)
    found = F.slope(grid.reshape(-1, count), F.d)
    slope = np.where(np.abs(found.along) <= 1e-14 * found.terms, 0.0, found.along)
    slope = slope.reshape(grid.shape)
    cells = np.isfinite(_corners(det)).all(axis=0)
    signs = _corners(np.sign(det))
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
    x = _newton(F, centres[:: 1 + len(centres) // _MOST], 2 * step)
    inside = np.all([(a[0] <= v) & (v <= a[-1]) for a, v in zip(axes, x.T, strict=True)], axis=0)
    x = x[inside]
    if not len(x):
        return []
    end = F.slope(x, F.d)
    x = x[(np.abs(end.along) <= _ZERO * end.terms).all(axis=1)]
    return [(point, _kind(bend)) for point, bend in zip(x, F.bend(x), strict=True)]


def _corners(values: Array) -> Array:
    """The values at the corners of each cell, corners first; along the first one or two axes."""
    rows = np.stack([values[:-1], values[1:]])
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        return rows
    return np.concatenate([rows[:, :, :-1], rows[:, :, 1:]])


def _newton(F: Restriction, x: Array, longest: Array) -> Array:
    """Newton's method from each point, its steps no longer than ``longest``."""
    for _ in range(40):
        slope, bend = F.slope(x, F.d).along, F.bend(x)
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


def _kind(bend: Array) -> str:
    size = np.sqrt(np.abs(np.diagonal(bend)))
    size = np.where(size > 0, size, 1.0)
    values = np.linalg.eigvalsh(bend / np.outer(size, size))
    if (np.abs(values) <= _FLAT * max(1e-300, float(np.abs(values).max()))).any():
        return "flat"
    return "minimum" if values[0] > 0 else "maximum" if values[-1] < 0 else "saddle"


def _near(x: Array, others: Array, width: Array) -> bool:
    return bool((np.abs(others - x) <= width).all(axis=1).any())
