r"""Critical points of rank d - 1: where a section meets det W = 0, and F is critical along it.

There F = F_0 + c σ_d^{2/N} + u_dᵀE′v_d (±σ_d), c = ½(γN - Σ_{k<d} σ_k^{-2/N}/β): for N > 2 an edge
where c > 0, a ridge where c < 0, whatever the energy; for N = 2 where |c| exceeds what else is
linear in σ_d, u_dᵀE′v_d and, within a section, the change of F along the stratum; for smaller N
neither. In a plane the edge is a curve, followed from cell to cell of the grid.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from dlngeo._checks import Array
from dlngeo.landscapes._points.restriction import Restriction, Slope
from dlngeo.landscapes._sections import determinants

_FLAT = 1e-7  # relative to its terms, a rise below this is none


def edge_points(F: Restriction, axes: tuple[Array, ...], det: Array) -> list[tuple[Array, str]]:
    """Coordinates (k,) and kind of each critical point on det W = 0."""
    if not 2 <= F.depth < math.inf or F.d < 2:
        return []
    if len(axes) == 1:
        ends = np.array([[axes[0][i], axes[0][i + 1]] for i in np.flatnonzero(_crossed(det, 0))])
        x = _roots(F, ends[:, :1], ends[:, 1:]) if len(ends) else np.zeros((0, 1))
        signs = _beside(F, F.slope(x, F.d - 1)) if len(x) else np.zeros(0)
        return [
            (point, "minimum" if sign > 0 else "maximum")
            for point, sign in zip(x, signs, strict=True)
            if sign
        ]
    start, end = _segments(F, axes, det)
    return _critical(F, start, end) if len(start) else []


# ------------------------------------------------------------------------------- the curve


def _crossed(det: Array, axis: int) -> Array:
    """Between which neighbours det W changes its sign; zero counts as positive."""
    positive = det >= 0
    return np.asarray(np.diff(positive.astype(int), axis=axis) != 0)


def _segments(F: Restriction, axes: tuple[Array, ...], det: Array) -> tuple[Array, Array]:
    """Both ends, on the curve, of its piece in each cell that it crosses once."""
    x, y = axes
    across = np.full((2, *det.shape, 2), np.nan)  # where it crosses the edges along x, along y
    for axis, edges in enumerate((_crossed(det, 0), _crossed(det, 1))):
        i, j = np.nonzero(edges)
        if i.size:
            low = np.column_stack([x[i], y[j]])
            high = np.column_stack([x[i + (axis == 0)], y[j + (axis == 1)]])
            across[axis, i, j] = _roots(F, low, high)
    sides = np.stack(  # of the cell (i, j): below, above, left, right
        [across[0, :-1, :-1], across[0, :-1, 1:], across[1, :-1, :-1], across[1, 1:, :-1]]
    )
    there = ~np.isnan(sides[..., 0])
    starts, ends = [], []
    for one, two in itertools.combinations(range(4), 2):
        cells = there[one] & there[two] & (there.sum(axis=0) == 2)
        starts.append(sides[one][cells])
        ends.append(sides[two][cells])
    return np.concatenate(starts), np.concatenate(ends)


def _roots(F: Restriction, low: Array, high: Array) -> Array:
    """The place (p, k) between two points where det W vanishes, by bisection."""
    positive = determinants(F.section, low) >= 0
    for _ in range(60):
        middle = 0.5 * (low + high)
        same = (determinants(F.section, middle) >= 0) == positive
        low, high = (
            np.where(same[:, None], middle, low),
            np.where(same[:, None], high, middle),
        )
    return 0.5 * (low + high)


def _normals(F: Restriction, slope: Slope) -> Array:
    """u_dᵀ D_i v_d: how σ_d changes along each coordinate."""
    D = F.section.directions
    return np.einsum("pi,kij,pj->pk", slope.U[:, :, -1], D, slope.Vt[:, -1])


# -------------------------------------------------------------------- critical points along it


def _critical(F: Restriction, start: Array, end: Array) -> list[tuple[Array, str]]:
    """The critical points of F along pieces of the curve."""
    chord = end - start
    whole = (chord != 0).any(axis=1)
    start, end, chord = start[whole], end[whole], chord[whole]
    first, last = (_along(F, x, chord) for x in (start, end))
    # a zero at one end counts as a change within the piece, at both as none
    one = np.where(first == 0, -np.sign(last), np.sign(first))
    two = np.where(last == 0, -np.sign(first), np.sign(last))
    change = one * two < 0
    start, end, chord, rising = start[change], end[change], chord[change], one[change] < 0
    if not len(start):
        return []
    low, high = np.zeros(len(start)), np.ones(len(start))
    for _ in range(50):
        middle = 0.5 * (low + high)
        x = _projected(F, start + middle[:, None] * (end - start))
        below = (_along(F, x, chord) < 0) == rising
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    x = _projected(F, start + (0.5 * (low + high))[:, None] * (end - start))
    rise, terms = _rise(F, x, chord)
    flat = np.abs(rise) <= 1e-6 * terms  # else it jumps: a piece leads from one curve to another
    signs = np.where(flat, _beside(F, F.slope(x, F.d - 1)), 0)
    kinds = {(True, 1): "minimum", (False, -1): "maximum"}
    return [
        (point, kinds.get((bool(up), int(sign)), "saddle"))
        for point, up, sign in zip(x, rising, signs, strict=True)
        if sign
    ]


def _along(F: Restriction, x: Array, chord: Array) -> Array:
    """The derivative of F along the curve, in the direction of a chord; 0 where it is rounding."""
    rise, terms = _rise(F, x, chord)
    return np.where(np.abs(rise) <= 1e-12 * terms, 0.0, rise)


def _rise(F: Restriction, x: Array, chord: Array) -> tuple[Array, Array]:
    """That derivative, and the size of what adds up to it."""
    slope = F.slope(x, F.d - 1)
    normal = _normals(F, slope)
    tangent = np.column_stack([-normal[:, 1], normal[:, 0]])
    tangent *= np.sign((tangent * chord).sum(axis=1))[:, None]
    rise = (slope.along * tangent).sum(axis=1)
    terms = (slope.terms * np.abs(tangent)).sum(axis=1)
    return rise, terms


def _projected(F: Restriction, x: Array) -> Array:
    """The points of the curve near x, by Newton's method on the signed σ_d."""
    for _ in range(6):
        W = F.section.points(x)
        slope = F.slope(x, F.d)
        normal = _normals(F, slope)
        size = slope.sigma[:, -1]
        # σ_d is positive, and u_dᵀ D v_d its derivative, on either side
        length = (normal**2).sum(axis=1)
        step = np.where(length > 0, size / np.where(length > 0, length, 1.0), 0.0)
        x = x - step[:, None] * normal
        if (size <= 1e-16 * np.abs(W).max(axis=(1, 2))).all():
            break
    return x


def across(F: Restriction, slope: Slope) -> Array:
    """1 where F rises from the stratum to both sides of it, -1 where it falls, 0 where neither.

    Along u_d v_dᵀ; other ways to leave it agree where N > 2, or F is stationary along it.
    """
    return _sides(F, slope, slope.normal, np.ones(len(slope.normal)))


def _beside(F: Restriction, slope: Slope) -> Array:
    """The same for leaving it within the section."""
    normal = _normals(F, slope)
    rate = (normal**2).sum(axis=1)  # of σ_d, along the normal in coordinates
    return _sides(F, slope, slope.normal * rate + (slope.along * normal).sum(axis=1), rate)


def _sides(F: Restriction, slope: Slope, linear: Array, rate: Array) -> Array:
    """The sign of c |σ_d|^{2/N} and a linear term beside it, σ_d changing at a rate."""
    sigma = slope.sigma[:, : F.d - 1]
    force = (sigma ** (-2 / F.depth)).sum(axis=1) / F.beta
    pull = F.gamma * F.depth
    edge, flat = 0.5 * (pull - force), _FLAT * (pull + force)
    if F.depth == 2:
        edge, flat = edge * rate, flat * rate + np.abs(linear)
    lost = (np.abs(edge) <= flat) | (sigma == 0).any(axis=1)  # of rank d - 2
    lost |= (F.depth < 2) | (rate == 0)  # there σ_d is felt more; or to second order alone
    return np.where(lost, 0, np.sign(edge)).astype(int)
