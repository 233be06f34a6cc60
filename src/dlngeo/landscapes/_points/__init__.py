"""What stands out on a landscape: minimisers of F, and critical points of F on the section.

Critical points of full rank are zeros of the derivative of F along the section, found by Newton's
method from every cell of the grid in which all its components change sign. Those of rank d - 1
(``boundary.py``) lie on det W = 0, where F has an edge. The minimisers are those
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
from dlngeo.landscapes._points.boundary import across, edge_points
from dlngeo.landscapes._points.index import ZERO, indices, near_zero
from dlngeo.landscapes._points.restriction import Restriction
from dlngeo.landscapes._points.search import inner_points
from dlngeo.landscapes._sections import Section, edges, reach

_ALIKE = 1e-13  # relative to the largest entry, points this close are apart by rounding alone
BESIDE = 1e-6  # so far from the section, relative to the window's reach, is on it
_EMPTY = 1e-9  # where F is smooth, so small a singular value for none


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
        det W = 0. 0: to one side each, or not told, as at depth < 2, and at depth 2 where F is not
        stationary; and at other ranks. At depth above 2 the index among all d² directions is one
        more where F falls.
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
        still[here] = slope.relative <= ZERO
        if F.smooth:
            still[here] |= near_zero(F, axes, W[here], slope.size)
        elif r == F.d - 1:
            told = (depth > 2) | still[here]
            leaving[here] = np.where(told, across(F, slope), 0)
    still[: len(minimisers)] = True
    index, zeros = indices(F, W, rank, still)
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
    inner = inner_points(F, axes, grid, det, rank)
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


def _near(x: Array, others: Array, width: Array) -> bool:
    return bool((np.abs(others - x) <= width).all(axis=1).any())
