r"""What the search for minimisers of the free energy answers, and the answers that need no search.

Without weight decay F_β falls to -∞ wherever E is constant along a line; and where the entropy is
constant the minimisers are those of E and the decay (Menon, 6.3 and 14.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlngeo._checks import Array
from dlngeo.entropy._descent import FreeEnergy
from dlngeo.entropy._flat_directions import entropy_growth, representative, stationary


@dataclass(frozen=True)
class Minimisers:
    """What :func:`minimise_free_energy` found; k points, one row each.

    Attributes
    ----------
    family : "points", "continuum" or "none"
        Isolated minimisers; samples of a set of positive dimension; or the infimum is not attained.
    points : (k, d, d) array
    value : float
        The infimum of F, with the entropy at rank d - 1 continued; -inf where F is unbounded below.
    ranks : (k,) int array
    dimensions : (k,) int array
        Of the set of minimisers through each point; 0 where the point is isolated.
    residuals : (k,) array
        Norm of the gradient along the point's stratum, relative to the terms that make it up.
    curvatures : (k,) array
        Least eigenvalue of the Hessian along the stratum, Euclidean, family directions left out;
        inf where no direction is left.
    multipliers : (k,) array
        At rank d - 1 the rate at which F rises into full rank: half its second derivative in
        σ_d^{1/N} for N > 2, its least slope in σ_d for N <= 2; negative at no minimiser. inf at
        full rank.
    hits : (k,) int array
        How many local searches ended at each point; 0 where a symmetry of the energy (transposing,
        signs, exchange of indices) made it of another. Where isolated points were found once only,
        there are likely to be more: raise ``starts``.
    searches : int
        How many there were in all.
    direction : (d, d) array or None
        For "none": F falls along it; Frobenius norm 1.
    rate : float
        For "none", the factor c in F ~ -c log x along x · direction; 0 otherwise.
    message : str
        How certain the answer is, and why.
    """

    family: Literal["points", "continuum", "none"]
    points: Array
    value: float
    ranks: Array
    dimensions: Array
    residuals: Array
    curvatures: Array
    multipliers: Array
    hits: Array
    searches: int
    direction: Array | None
    rate: float
    message: str

    def __repr__(self) -> str:
        ranks = ", ".join(map(str, sorted(set(self.ranks.tolist())))) or "none"
        return (
            f"Minimisers(family {self.family!r}, points {self.points.shape} of rank {ranks}, "
            f"value {self.value:.6g}, {self.searches} searches)"
        )


# -------------------------------------------------------------------- where F has no lower bound


def unbounded_along(F: FreeEnergy, flat: Array) -> Minimisers:
    """The answer where E is constant along these directions: F falls without end along one."""
    direction = representative(flat)
    foot = stationary(F.energy, F.d) + 0.1 * np.diag(np.arange(1.0, F.d + 1))
    scale = 1 + float(np.abs(foot).max())
    near, far = (F.value(foot + x * scale * direction, F.d) for x in (1e3, 1e6))
    rate = entropy_growth(direction, F.depth) / F.beta
    return none(
        F,
        direction,
        rate,
        f"F is unbounded below, proved: E is constant along the direction ({len(flat)} such "
        f"dimensions, to rounding), and the entropy grows like {rate * F.beta:.4g} log x; from 1e3 "
        f"to 1e6 times W, F falls by {near - far:.6g}, by the law {rate * math.log(1e3):.6g}",
    )


def none(
    F: FreeEnergy, direction: Array, rate: float, message: str, value: float = -math.inf
) -> Minimisers:
    """The answer that there is no minimiser, and along which direction F falls."""
    empty = np.zeros(0)
    return Minimisers(
        family="none",
        points=np.zeros((0, F.d, F.d)),
        value=value,
        ranks=empty.astype(int),
        dimensions=empty.astype(int),
        residuals=empty,
        curvatures=empty,
        multipliers=empty,
        hits=empty.astype(int),
        searches=0,
        direction=direction,
        rate=rate,
        message=f"no minimiser: {message}",
    )


# --------------------------------------------------------------------- where S is constant in W


def without_entropy(F: FreeEnergy) -> Minimisers:
    """Depth 1, or 1 × 1 without weight decay: the minimisers of E + (γ/2)‖W‖² (γ = 0 if d = 1)."""
    W = stationary(F.energy, F.d, F.gamma)
    here, twice = F.value(W, F.d), F.value(2 * W, F.d)
    if twice < here - 1e-14 * abs(here):
        message = "E falls along the direction for ever; the value is E there, not its infimum"
        return none(F, W / np.linalg.norm(W), 0.0, message, twice)
    basis = np.eye(F.d**2).reshape(-1, F.d, F.d)
    bend = F.energy.hessian(W, basis).reshape(F.d**2, -1) + F.gamma * np.eye(F.d**2)
    slope = F.energy.gradient(W) + F.gamma * W
    curvature = np.linalg.eigvalsh((bend + bend.T) / 2)
    largest = max(float(np.abs(curvature).max()), np.finfo(float).tiny)
    dimension = int((np.abs(curvature) <= 1e-12 * largest).sum())
    left = curvature[np.abs(curvature) > 1e-12 * largest]
    size = float(np.linalg.norm(F.energy.gradient(np.zeros_like(W))) + largest)
    what = "a continuum: E + decay is constant along the flat directions of its Hessian"
    return Minimisers(
        family="continuum" if dimension else "points",
        points=W[None],
        value=here,
        ranks=np.array([np.linalg.matrix_rank(W)]),
        dimensions=np.array([dimension]),
        residuals=np.array([np.linalg.norm(slope) / size]),
        curvatures=np.array([left.min() if left.size else math.inf]),
        multipliers=np.array([math.inf]),
        hits=np.array([1]),
        searches=1,
        direction=None,
        rate=0.0,
        message="the entropy is constant here: the minimisers are those of E and the decay, "
        + (f"{what}; the point is that of least norm" if dimension else "one point if E is convex"),
    )
