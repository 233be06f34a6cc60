"""What stands out on a landscape: minimisers of F, and critical points of F on the section.

Critical points of full rank are zeros of the derivative of F along the section, found by Newton's
method from every cell of the grid in which all its components change sign. Those of rank d - 1
(:mod:`dlngeo.landscapes._boundary`) lie on det W = 0, where F has an edge. The minimisers are those
of F over all matrices, of :func:`dlngeo.entropy.minimise_free_energy`.

The index of a point says how F lies around it in all directions: how many eigenvalues of Hess F
relative to g^N are negative, along the matrices of its rank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import singular_values
from dlngeo.energies import Energy
from dlngeo.entropy import minimise_free_energy
from dlngeo.landscapes._boundary import across, edge_points
from dlngeo.landscapes._quantities import Quantities, Restriction, Sheet
from dlngeo.landscapes._sections import Section, edges, reach

_FLAT = 1e-7  # a second derivative below this, relative to its terms, counts as zero
_ZERO = 1e-8  # and a gradient relative to its terms
_ALIKE = 1e-13  # relative to the largest entry, points this close are apart by rounding alone
BESIDE = 1e-6  # so far from the section, relative to the window's reach, is on it
_EMPTY = 1e-9  # and where F is smooth, so small a singular value for none
_MOST = 400  # cells that Newton's method starts from


@dataclass(frozen=True, eq=False)
class Points:
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
    index : (k,) array of int
        Where it does, how many eigenvalues of Hess F relative to g^N are negative: of d² where the
        rank is d, of d² - 1, along the stratum, where it is d - 1. Elsewhere -1.
    zeros : (k,) array of int
        How many are zero, along symmetries of F and valleys: below 1e-7 when the basis is scaled
        so that the terms of each diagonal entry have sum 1. They count for no index; -1 as there.
    across : (k,) array of int
        At rank d - 1, whether F rises (1) or falls (-1) on leaving the stratum, to both sides of
        det W = 0. 0: to one side each, or not told, as at depth < 2; and at other ranks. At depth
        above 2 the index among all d² directions is one more where F falls.
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
    index: Array
    zeros: Array
    across: Array
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
    kept = _critical(F, axes, places[apart <= BESIDE * reach(section, axes)])
    x = np.reshape([point[0] for point in kept], (-1, len(axes)))
    W = np.concatenate([minimisers, section.points(x)])
    rank = np.concatenate([ranks, np.array([point[1] for point in kept], dtype=int)])
    value, still, leaving = np.zeros(len(W)), np.ones(len(W), dtype=bool), np.zeros(len(W), int)
    for r in set(rank.tolist()):
        here, felt = rank == r, F.d if F.smooth else r
        value[here] = F.value(W[here], felt)
        slope = F.slope_of(W[here], felt)
        still[here] = slope.relative <= _ZERO
        if F.smooth:
            still[here] |= _near_zero(F, axes, W[here], slope.size)
        elif r == F.d - 1:
            leaving[here] = across(F, slope)
    still[: len(minimisers)] = True
    index, zeros = _indices(F, W, rank, still)
    return Points(
        W=W,
        coordinates=np.concatenate([places, x]),
        rank=rank,
        kind=("minimiser",) * len(minimisers) + tuple(point[2] for point in kept),
        value=value,
        distance=np.concatenate([apart, np.zeros(len(kept))]),
        stationary=still,
        index=index,
        zeros=zeros,
        across=leaving,
        message=message,
    )


def _critical(
    F: Restriction, axes: tuple[Array, ...], known: Array
) -> list[tuple[Array, int, str]]:
    """Coordinates, rank and kind of the section's critical points, but those known, each once."""
    grid, det = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1), edges(F.section, axes)
    singular = F.d > 1 and F.depth < math.inf and not F.smooth and not det.any()
    rank = F.d - 1 if singular else F.d
    inner = _inner(F, axes, grid, det, rank)
    found = [(x, rank, kind) for x, kind in inner]
    if F.smooth and inner:
        sigma = singular_values(F.section.points(np.array([x for x, _ in inner])))
        ranks = (sigma > _EMPTY * sigma[:, :1]).sum(axis=1).tolist()
        found = [(x, own, kind) for (x, kind), own in zip(inner, ranks, strict=True)]
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
    good = (np.abs(end.along) <= _ZERO * size).all(axis=1)
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
    below, flat = _signature(bend, terms)
    if flat:
        return "flat"
    return "minimum" if below == 0 else "maximum" if below == len(bend) else "saddle"


def _near(x: Array, others: Array, width: Array) -> bool:
    return bool((np.abs(others - x) <= width).all(axis=1).any())


# ------------------------------------------------------------------------- in all directions


def _near_zero(F: Restriction, axes: tuple[Array, ...], W: Array, slope: Array) -> Array:
    """Whether E′ is within rounding of a zero of it, by E″: its own terms may all be zero there."""
    cell = sum(
        float(np.diff(x).max() * np.linalg.norm(D))
        for x, D in zip(axes, F.section.directions, strict=True)
    )
    basis = np.eye(F.d**2).reshape(-1, F.d, F.d)
    bend = np.asarray(F.energy.hessian(W[:, None], basis)).reshape(len(W), -1)
    length = np.maximum(np.minimum(np.linalg.norm(W, axis=(1, 2)), cell), 1e-6 * cell)
    return np.asarray(slope <= _ZERO * np.abs(bend).max(axis=1, initial=0.0) * length)


def _indices(F: Restriction, W: Array, rank: Array, still: Array) -> tuple[Array, Array]:
    """How many eigenvalues of Hess F are negative, and how many zero; -1 where that is not told."""
    index, zeros = np.full(len(W), -1), np.full(len(W), -1)
    for r in (F.d, F.d - 1):
        here = np.flatnonzero(still & (F.smooth | (rank == r)))
        if not len(here):
            continue
        sheet = Sheet.of(F.energy, W[here], F.d if F.smooth else r, True)
        if F.smooth:  # E″ itself has the same signs, and no zeros at singular matrices
            assert sheet.bend is not None
            own = np.broadcast_to(F.gamma * np.eye(F.d**2), sheet.bend.shape)
            terms = [sheet.bend, own]
        else:
            terms = Quantities(sheet, F.depth, F.beta, F.gamma).hessian_terms()
        form = sum(terms, np.zeros(()))
        size = sum((np.abs(np.diagonal(x, axis1=1, axis2=2)) for x in terms), np.zeros(()))
        for k, each, scale in zip(here, form, size, strict=True):
            if np.isfinite(each).all() and np.isfinite(scale).all():
                index[k], zeros[k] = _signature(each, scale)
    return index, zeros


def _signature(form: Array, terms: Array) -> tuple[int, int]:
    """How many eigenvalues of a form are negative, and zero, by the terms of its diagonal."""
    scale = np.sqrt(np.where(terms > 0, terms, 1.0))
    if not form.size:
        return 0, 0
    values = np.linalg.eigvalsh(form / scale[:, None] / scale)
    level = _FLAT * max(1.0, float(np.abs(values).max()))
    return int((values < -level).sum()), int((np.abs(values) <= level).sum())
