r"""Local minima of the free energy over the closure of the d × d matrices, rank d - 1 included.

For depth 1 < N < ∞ and d >= 2 the free energy is finite, by continuity, where one singular value
vanishes, and +∞ where two do; at depth ``inf`` it is +∞ at every zero. In W it has the slope
σ_d^{2/N-1} there, but in the root Y = U Λ Vᵀ, Λ = Σ^{1/N}, the entropy and the weight decay are
analytic and W = Y(YᵀY)^{(N-1)/2} once differentiable. So descent runs in Y, and Newton's method
finishes it on the stratum, rank d or d - 1, where it ended. :mod:`dlngeo.entropy._minimisers` calls
this file from many starts.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from dlngeo._checks import Array
from dlngeo._linalg import svd, svd_product
from dlngeo.energies import Energy
from dlngeo.entropy.free_energies import apply_curvature, decay_energy, thermal_curvature
from dlngeo.spectral.divided_differences import quotient
from dlngeo.spectral.entropic_force import power_curvature, signed_log_ratio, total_force
from dlngeo.spectral.fibre_volume import State, orthogonal_group_log_volume

_HUGE = 1e100  # stands for what floating point cannot hold, in a line search
_FLAT = 1e-7  # curvatures below this, relative to the largest, may be those of a continuum


class Point(NamedTuple):
    """A matrix of exactly the stated rank, with its value F and the derivatives on its stratum."""

    U: Array
    sigma: Array  # (d,), zeros exact
    Vt: Array
    rank: int
    value: float
    slope: Array  # (p,) gradient in the frame's coordinates
    terms: float  # the size of what adds up to the slope
    hessian: Array  # (p, p) Riemannian Hessian of the stratum, embedded
    normal: float  # u_dᵀ E' v_d, at rank d - 1

    @property
    def W(self) -> Array:
        """The matrix."""
        return svd_product(self.U, self.sigma, self.Vt)

    @property
    def residual(self) -> float:
        """The gradient's norm relative to its terms."""
        return float(np.linalg.norm(self.slope)) / max(self.terms, np.finfo(float).tiny)


class FreeEnergy(NamedTuple):
    """F_β of one energy, as a function of one matrix."""

    energy: Energy
    d: int
    depth: float
    beta: float
    gamma: float

    # ---------------------------------------------------------------------------- in the root Y

    @property
    def root(self) -> float:
        """Y is the root of W of this order: N, and W itself at depth inf."""
        return 1.0 if math.isinf(self.depth) else self.depth

    def matrix(self, Y: Array) -> Array:
        """W = U Λ^N Vᵀ for Y = U Λ Vᵀ."""
        U, lam, Vt = svd(Y)
        return svd_product(U, lam**self.root, Vt)

    def in_root(self, y: Array) -> tuple[float, Array]:
        """F and its gradient in Y, a vector of d² entries."""
        U, lam, Vt = svd(y.reshape(self.d, self.d))
        with np.errstate(over="ignore", under="ignore"):
            sigma = lam**self.root
            W = svd_product(U, sigma, Vt)
            if not sigma[0] < _HUGE:
                return _HUGE, np.zeros_like(y)
            value = self._spectral_value(sigma) + float(self.energy.value(W))
        if not abs(value) < _HUGE:
            return _HUGE, np.zeros_like(y)
        parts = power_curvature(np.maximum(lam, 1e-150), self.root)
        C = U.T @ self.energy.gradient(W) @ Vt.T
        pulled = 0.5 * (parts.symmetric * (C + C.T) + parts.skew * (C - C.T))
        spectral = self.gamma * self.root * lam - self._root_force(lam, sigma) / self.beta
        gradient = U @ (pulled + np.diag(spectral)) @ Vt
        return value, np.asarray(gradient).ravel()

    def _root_force(self, lam: Array, sigma: Array) -> Array:
        """∂S/∂λ; at depth inf ∂S/∂σ."""
        if self.d == 1 or self.depth == 1:
            return np.zeros_like(lam)
        force = total_force(signed_log_ratio(sigma[:, None], sigma[None, :]), self.depth)
        return np.where(lam > 0, force / np.where(lam > 0, lam, 1.0), 0.0)

    def _spectral_value(self, sigma: Array) -> float:
        """-S/β + decay, with S continued to rank d - 1."""
        frame = np.eye(self.d)
        constant = 0.0
        if not math.isinf(self.depth):
            constant = (self.depth - 1) * orthogonal_group_log_volume(self.d)
        state = State(frame, sigma, frame, frame, self.depth, 0.0, constant)
        value = -float(state.entropy()) / self.beta
        if self.gamma > 0:
            value += float(decay_energy(sigma, self.depth, self.gamma))
        return value

    def descend(self, W: Array) -> Array:
        """A local minimum near W, by a quasi-Newton method in Y."""
        U, sigma, Vt = svd(W)
        start = svd_product(U, sigma ** (1 / self.root), Vt)
        options = {"gtol": 1e-6, "maxiter": 200 * self.d**2}
        end: Any = minimize(self.in_root, start.ravel(), jac=True, method="BFGS", options=options)
        return self.matrix(end.x.reshape(self.d, self.d))

    # -------------------------------------------------------------------------- on a stratum

    def value(self, W: Array, rank: int) -> float:
        """F at W cut to the given rank, by continuity."""
        U, sigma, Vt = svd(W)
        sigma = np.where(np.arange(self.d) < rank, sigma, 0.0)
        return self._spectral_value(sigma) + float(self.energy.value(svd_product(U, sigma, Vt)))

    def at(self, W: Array, rank: int) -> Point:
        """W cut to the given rank, with first and second derivatives along the stratum."""
        U, sigma, Vt = svd(W)
        sigma = np.where(np.arange(self.d) < rank, sigma, 0.0)
        point = svd_product(U, sigma, Vt)
        value = self._spectral_value(sigma) + float(self.energy.value(point))
        E = U.T @ self.energy.gradient(point) @ Vt.T
        if not (sigma[:rank] > 0).all():
            raise np.linalg.LinAlgError(f"W has not rank {rank}")
        if rank == 0:
            nothing = np.zeros(0)
            return Point(U, sigma, Vt, 0, value, nothing, 0.0, np.zeros((0, 0)), float(E[0, 0]))
        cut = State.of(point, self.depth, rank, None)._replace(
            U=U[:, :rank], sigma=sigma[:rank], Vt=Vt[:rank], point=point
        )
        entropy = cut.force() / quotient(cut.sigma, cut.sigma, self.depth) / self.beta
        decay = self.gamma * cut.sigma ** (2 / self.depth - 1)
        slope = E.copy()
        slope[np.arange(rank), np.arange(rank)] += decay - entropy
        inside = self._coordinates(rank)
        hessian = self._hessian(cut, U, Vt, E)
        terms = float(np.linalg.norm(E) + np.linalg.norm(decay) + np.linalg.norm(entropy))
        return Point(U, sigma, Vt, rank, value, slope[inside], terms, hessian, float(E[-1, -1]))

    def _coordinates(self, rank: int) -> Array:
        """Which entries of Uᵀ Z V are tangent to the stratum."""
        inside = np.ones((self.d, self.d), dtype=bool)
        inside[rank:, rank:] = False
        return inside

    def _hessian(self, cut: State, U: Array, Vt: Array, E: Array) -> Array:
        """The Hessian of the stratum, the curvature of the latter included, in coordinates."""
        rank = cut.sigma.shape[0]
        inside = self._coordinates(rank)
        C = np.eye(self.d**2).reshape(-1, self.d, self.d)[inside.ravel()]
        Z = U @ C @ Vt
        bend = self.energy.hessian(cut.point, Z) + apply_curvature(
            thermal_curvature(cut, self.beta, self.gamma), cut, Z
        )
        D = U.T @ bend @ Vt.T
        if rank < self.d:  # the stratum curves towards E' on u_d v_dᵀ (Vandereycken, 2013)
            across = E[-1, -1] / cut.sigma
            D[:, -1, :rank] += across * C[:, :rank, -1]
            D[:, :rank, -1] += across * C[:, -1, :rank]
        H = D[:, inside]
        return np.asarray((H + H.T) / 2)

    def finish(self, W: Array, rank: int, floor: float = 1e-12, steps: int = 100) -> Point:
        """Newton's method on the stratum; curvature is taken by absolute value.

        Directions of curvature below ``floor`` times the largest are left alone.
        """
        here = best = self.at(W, rank)
        stalls, least = 0, math.inf
        for _ in range(steps if rank > 0 else 0):
            curvature, axes = np.linalg.eigh(here.hessian)
            size = np.abs(curvature)
            size = np.where(size > floor * size.max(), size, np.inf)
            step = -axes @ ((axes.T @ here.slope) / size)
            fall = float(here.slope @ step)
            if -fall <= self._rounding(here):  # F no longer tells: do the steps still shrink?
                stalls, least = (0, -fall) if -fall < 0.5 * least else (stalls + 1, least)
            done = stalls == 2 or here.residual < 1e-15
            there = None if done else self._line_search(here, step, fall)
            if there is None:
                break
            here = there
            if here.residual < best.residual or here.value < best.value - self._rounding(best):
                best = here
        return best

    def _rounding(self, p: Point) -> float:
        return 1e-13 * (abs(p.value) + 1 / self.beta)

    def _line_search(self, here: Point, step: Array, fall: float) -> Point | None:
        """The first of the halved steps that lowers F; where F is flat to rounding, the whole."""
        C = np.zeros((self.d, self.d))
        C[self._coordinates(here.rank)] = step
        Z = here.U @ C @ here.Vt
        W, rounding = here.W, self._rounding(here)
        flat = -fall <= rounding
        for k in range(1 if flat else 30):
            trial = W + 0.5**k * Z
            gain = self.value(trial, here.rank) - here.value
            if not gain <= (rounding if flat else 1e-4 * 0.5**k * fall):
                continue
            try:
                return self.at(trial, here.rank)
            except np.linalg.LinAlgError:  # on the edge of the stratum
                continue
        return None


# ------------------------------------------------------------------------ where to start and end


def first_guesses(F: FreeEnergy, foot: Array, generator: np.random.Generator, count: int) -> Array:
    """Gaussian matrices about a minimum of E and about zero, over two decades of size.

    Scaling W shows that (γN/2) Σ σ^{2/N} is about d(d-1)(N-1)/(4β) where E does not matter, and
    that the entropy drives W to some d/(βk)^{1/2} against an energy of curvature k.
    """
    d = F.d
    basis = np.eye(d * d).reshape(-1, d, d)
    curvature = float(np.linalg.norm(F.energy.hessian(foot, basis).reshape(d * d, -1), 2))
    heat = d / math.sqrt(F.beta) / math.sqrt(curvature) if curvature > 0 else 0.0
    size = max(float(np.linalg.norm(foot, 2)), heat)
    if F.gamma > 0:
        free = (d - 1) * (F.depth - 1) / (2 * F.gamma * F.beta * F.depth)
        size = max(size, free ** (F.depth / 2) if d > 1 else 0.0)
    size = size if 0 < size < math.inf else 1.0
    noise = size * generator.standard_normal((count, d, d))
    scales = 10.0 ** generator.uniform(-1.5, 0.5, count)
    about = np.where(np.arange(count) % 3 > 0, 1.0, 0.0)[:, None, None]
    return np.asarray(about * foot + scales[:, None, None] * noise)


def attempt(F: FreeEnergy, W: Array, rank: int) -> Point | None:
    """The end of Newton's method from W, if it stays on the stratum."""
    try:
        point = F.finish(W, rank)
    except np.linalg.LinAlgError:
        return None
    return point if np.isfinite(point.hessian).all() else None


def finished(F: FreeEnergy, W: Array, boundary: bool) -> list[Point]:
    """The end of a descent, finished on whichever stratum it may have ended on."""
    sigma = np.linalg.svd(W, compute_uv=False)
    root = (sigma[-1] / sigma[0]) ** (1 / F.root) if sigma[0] > 0 else 0.0
    ranks = ([F.d] if root > 1e-4 or not boundary else []) + (
        [F.d - 1] if boundary and (root < 0.1 or F.d == 1) else []
    )
    points = [attempt(F, W, rank) for rank in ranks]
    return [p for p in points if p is not None]


# -------------------------------------------------------------- what holds at a point found


def multiplier(F: FreeEnergy, p: Point) -> float:
    """The rate at which F rises from rank d - 1 into full rank; inf at full rank."""
    if p.rank == F.d:
        return math.inf
    sigma = p.sigma[: p.rank]
    force = float((sigma ** (-2 / F.depth)).sum()) / F.beta
    if F.depth > 2:
        return (F.gamma * F.depth - force) / 2
    if F.depth < 2:
        return -abs(p.normal)
    return F.gamma - force / 2 - abs(p.normal)


def stays(F: FreeEnergy, p: Point) -> bool:
    """Whether F does not fall from p into full rank."""
    return p.rank == F.d or multiplier(F, p) >= -1e-8 * (F.gamma * F.depth + p.terms)


def family(F: FreeEnergy, p: Point) -> tuple[int, float]:
    """The dimension of the set of minimisers through p, and the least curvature across it."""
    if p.rank == 0:
        return 0, math.inf
    curvature, axes = np.linalg.eigh(p.hessian)
    share = np.abs(curvature) / (np.abs(curvature).max() or 1.0)
    flat = share <= _FLAT
    floor = math.sqrt(_FLAT * share[~flat].min(initial=1.0))
    dimension = 0
    inside = np.ones((F.d, F.d), dtype=bool)
    inside[p.rank :, p.rank :] = False
    for axis in axes.T[flat]:
        C = np.zeros((F.d, F.d))
        C[inside] = axis
        dimension += _goes_on(F, p, p.U @ C @ p.Vt, p.rank, floor)
    left = curvature[~flat] if dimension == flat.sum() else curvature
    if p.rank < F.d and abs(multiplier(F, p)) <= _FLAT * F.gamma:
        dimension += _goes_on(F, p, np.outer(p.U[:, -1], p.Vt[-1]), F.d, floor)
    return dimension, float(left.min()) if left.size else math.inf


def _goes_on(F: FreeEnergy, p: Point, Z: Array, rank: int, floor: float) -> bool:
    """Whether minimisers as low as p lie in direction Z or -Z, as near as p's least σ asks for."""
    sizes = float(np.linalg.norm(p.W)), float(p.sigma[p.rank - 1])
    return any(
        _continues(F, p, 0.05 * s * size * Z, rank, floor) for size in sizes for s in (1, -1)
    )


def _continues(F: FreeEnergy, p: Point, step: Array, rank: int, floor: float) -> bool:
    """Whether Newton's method from p + step, across what is flat, ends as low, and not at p."""
    try:
        q = F.finish(p.W + step, rank, floor=floor)
    except np.linalg.LinAlgError:
        return False
    same = abs(q.value - p.value) <= 1e-11 * (abs(p.value) + 1 / F.beta)
    moved = np.linalg.norm(q.W - p.W) > 0.1 * np.linalg.norm(step)
    return bool(same and moved and q.residual < 1e-8)
