r"""All minimisers of the free energy over the closure of the d × d matrices (Menon, 6.3 and 14.2).

Whether there are any is decided first: without weight decay F_β falls to -∞ wherever E is
constant along a line (:mod:`dlngeo.entropy._flat_directions`), for matrix completion along the
unobserved entries. With weight decay, or an E that grows in every direction, there are minimisers,
and :mod:`dlngeo.entropy._descent` looks for them. Users find this in :mod:`dlngeo.entropy`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from dlngeo import _callbacks, _checks
from dlngeo._callbacks import Callback
from dlngeo._checks import RNG, Array
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, require_stacks
from dlngeo.entropy._answers import Minimisers, none, unbounded_along, without_entropy
from dlngeo.entropy._descent import (
    FreeEnergy,
    Point,
    attempt,
    family,
    finished,
    first_guesses,
    multiplier,
    stays,
)
from dlngeo.entropy._flat_directions import flat_directions, images, stationary

_EQUAL = 1e-9  # values of F within this count as one, relative to F and 1/β
_FEW = 32  # more points than this are taken for samples
_SAME = 1e-4  # and points within this: where the Hessian is singular no better is known


@one_blas_thread
def minimise_free_energy(
    energy: Energy,
    depth: float,
    beta: float,
    weight_decay: float = 0.0,
    *,
    shape: tuple[int, int] | None = None,
    starts: int = 24,
    rng: RNG = 0,
    callback: Callback | None = None,
) -> Minimisers:
    r"""All minimisers of F_β = E - S/β + (γN/2) Σ σ^{2/N} over the closure of the d × d matrices.

    On the boundary S is continued: finite at rank d - 1 for 1 < N < ∞, -∞ below it and, at depth
    inf, at every singular matrix.

    Parameters
    ----------
    energy : Energy
        Bounded below, on square matrices.
    depth : real number >= 1, or inf
    beta : float > 0
    weight_decay : float >= 0
        γ; 0 at depth inf, where the penalty tends to log|det W| and F is unbounded below.
    shape : (d, d), or None
        None: ``energy.shape``.
    starts : int
        Local searches, each at full rank and, where minimisers may lie there, at rank d - 1.
    rng : anything that ``numpy.random.default_rng`` takes
        Draws the starts; the default gives the same answer on each call.
    callback : callable or None
        ``callback(count, W)`` after the searches from each start, with the matrix where that at
        full rank ended; it may raise StopIteration, and what was found so far is the answer, as its
        message says. Not called where no search is needed.

    Returns
    -------
    Minimisers

    Raises
    ------
    ValueError
        For bad input, matrices that are not square, or weight decay at depth inf.
    RuntimeError
        If no search ends at a stationary point.

    Notes
    -----
    That F is unbounded below is proved, up to the rounding of a null space, for energies that are
    constant along a line, and a numerical finding for others. That no minimiser lies lower than
    those returned is a finding of the search, as ``hits`` of ``searches`` says. At a point of rank
    d - 1 :func:`~dlngeo.entropy.free_energy` with rank None sees σ_d's rounding, to the power 2/N.
    Source: Menon, (6.6), (6.9), section 14.2; the answers derived.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([3.0, 1.0]))
    >>> found = dln.entropy.minimise_free_energy(energy, 2, 50.0)
    >>> found.family, found.ranks.tolist()
    ('points', [2])
    >>> bool(np.allclose(found.points[0], np.diag([3.002, 1.002]), atol=1e-3))
    True
    """
    F, generator = _arguments(energy, depth, beta, weight_decay, shape), _checks.rng(rng)
    starts, callback = _checks.integer(starts, "starts", 1), _callbacks.checked(callback)
    flat = flat_directions(F.energy, F.d, generator)
    felt = F.d > 1 and F.depth > 1  # the entropy is not constant
    if F.gamma == 0 and felt and len(flat):
        return unbounded_along(F, flat)
    if F.depth == 1 or (F.d == 1 and F.gamma == 0):
        return without_entropy(F)
    return _search(F, generator, starts, callback)


def _arguments(
    energy: Energy, depth: float, beta: float, weight_decay: float, shape: Any
) -> FreeEnergy:
    depth, beta = _checks.depth(depth), _checks.positive(beta, "beta")
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    if gamma > 0 and math.isinf(depth):
        raise ValueError(
            "weight_decay must be 0 at depth inf: its penalty tends to log|det W|, unbounded below"
        )
    size = getattr(energy, "shape", None) if shape is None else shape
    if size is None:
        raise ValueError("the energy has no attribute shape: pass shape=(d, d)")
    if np.shape(size) != (2,) or size[0] != size[1]:
        raise ValueError(f"the closure is that of square matrices; the shape is {size!r}")
    d = _checks.integer(size[0], "shape", 1)
    require_stacks(energy, np.eye(d), "shape")
    return FreeEnergy(energy, d, depth, beta, gamma)


# ------------------------------------------------------------------------------------ the search


def _search(
    F: FreeEnergy, generator: np.random.Generator, starts: int, callback: Callback | None
) -> Minimisers:
    boundary = F.gamma > 0 and not math.isinf(F.depth)
    found: list[Point] = []
    guesses = first_guesses(F, stationary(F.energy, F.d), generator, starts)
    for count, W in enumerate(guesses, start=1):
        end = F.descend(W)
        escape = _escapes(F, end)
        if escape is not None:
            return escape
        found += finished(F, end, boundary)
        if boundary:
            found += [p for p in [attempt(F, W, F.d - 1)] if p is not None]
        if _callbacks.stops(callback, count, end):
            break
    good = [p for p in found if p.residual < 1e-8 and math.isfinite(p.value) and stays(F, p)]
    if not good:
        raise RuntimeError(f"none of {count} searches ended at a stationary point of F")
    best = min(p.value for p in good)
    lowest = [p for p in good if p.value - best <= _EQUAL * (abs(best) + 1 / F.beta)]
    points, hits = _distinct(lowest)
    mirrored = _mirrored(F, points)
    hits = np.concatenate((hits, np.zeros(len(mirrored), dtype=int)))
    report = _report(F, points + mirrored, hits, len(found))
    if count == starts:
        return report
    ended = f"{report.message}; the callback ended the search after {count} of {starts} starts"
    return replace(report, message=ended)


def _escapes(F: FreeEnergy, W: Array) -> Minimisers | None:
    """Whether F still falls along the ray through W, up to 1e6 times its length."""
    if F.gamma > 0:
        return None
    values = [F.value(10.0**k * W, F.d) for k in range(7)]
    drops = -np.diff(values)
    if not (drops > 1e-3 / F.beta).all():
        return None
    direction = W / np.linalg.norm(W)
    return none(
        F,
        direction,
        float(drops[-1]) / math.log(10),
        "F seems unbounded below, a numerical finding, not proved: it still falls at 1e6 times the "
        "length at which a search stopped",
    )


def _mirrored(F: FreeEnergy, points: list[Point]) -> list[Point]:
    """What symmetries that the energy turns out to have make of the points, if these are few."""
    known, new, queue = [p.W for p in points], [], list(points)
    while queue and len(known) <= _FEW:
        p = queue.pop()
        level = _EQUAL * (abs(p.value) + 1 / F.beta)
        for W in images(p.W):
            if min(float(np.abs(W - V).max()) for V in known) <= _SAME * float(np.abs(W).max()):
                continue
            q = attempt(F, W, p.rank) if abs(F.value(W, p.rank) - p.value) <= level else None
            if q is not None and q.residual < 1e-8 and abs(q.value - p.value) <= level:
                known.append(q.W)
                new.append(q)
                queue.append(q)
    return new


def _distinct(points: list[Point]) -> tuple[list[Point], Array]:
    """One of each, the lower rank and then the smaller residual, and how often each was found."""
    kept: list[Point] = []
    hits: list[int] = []
    largest = max(float(np.abs(p.W).max()) for p in points)
    for p in sorted(points, key=lambda p: (p.rank, p.residual)):
        scale = _SAME * (1e-3 * largest + float(np.abs(p.W).max()))
        same = [k for k, q in enumerate(kept) if np.abs(p.W - q.W).max() <= scale]
        if same:
            hits[same[0]] += 1
        else:
            kept.append(p)
            hits.append(1)
    return kept, np.array(hits)


def _report(F: FreeEnergy, points: list[Point], hits: Array, runs: int) -> Minimisers:
    order = sorted(range(len(points)), key=lambda k: tuple(np.round(points[k].W, 6).ravel()))
    points, hits = [points[k] for k in order], hits[order]
    traits = [family(F, p) for p in points]
    dimensions = np.array([t[0] for t in traits])
    ranks = np.array([p.rank for p in points])
    residuals = np.array([p.residual for p in points])
    multipliers = np.array([multiplier(F, p) for p in points])
    continuum = bool(dimensions.any())
    what = (
        f"a continuum of dimension {dimensions.max()}, {len(points)} samples"
        if continuum
        else f"{len(points)} isolated"
    )
    once = int((hits == 1).sum())
    doubt = f"; {once} found once only, so there may be more" if once and not continuum else ""
    return Minimisers(
        family="continuum" if continuum else "points",
        points=np.array([p.W for p in points]),
        value=min(p.value for p in points),
        ranks=ranks,
        dimensions=dimensions,
        residuals=residuals,
        curvatures=np.array([t[1] for t in traits]),
        multipliers=multipliers,
        hits=hits,
        searches=runs,
        direction=None,
        rate=0.0,
        message=f"numerical: {what}, of rank {', '.join(map(str, sorted(set(ranks.tolist()))))}; "
        f"{hits.sum()} of {runs} local searches ended at the value, none below; relative gradients "
        f"up to {residuals.max():.1e}{doubt}",
    )
