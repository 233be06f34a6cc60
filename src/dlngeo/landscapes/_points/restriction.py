"""F as a function of a section's coordinates, with its ordinary derivatives."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd_product, transpose
from dlngeo.energies import Energy
from dlngeo.entropy.free_energies import apply_curvature, thermal_curvature
from dlngeo.landscapes._quantities import Quantities, Sheet
from dlngeo.landscapes._sections import Section
from dlngeo.spectral.entropic_force import signed_log_ratio, total_force
from dlngeo.spectral.fibre_volume import State
from dlngeo.spectral.square_svd import SquareSVD

_BLOCK = 2**13


class Slope(NamedTuple):
    """The derivative of F at points of a section."""

    along: Array  # (p, k): in the section's coordinates
    size: Array  # (p,): the length of the derivative in all directions
    relative: Array  # (p,): that relative to its terms
    terms: Array  # (p, k): the size of what adds up to ``along``
    U: Array
    sigma: Array
    Vt: Array
    normal: Array  # (p,): u_dᵀ E′ v_d


class Restriction(NamedTuple):
    """F on a section, at full rank and along the matrices of rank d - 1."""

    energy: Energy
    section: Section
    depth: float
    beta: float
    gamma: float

    @property
    def d(self) -> int:
        """The matrices are d × d."""
        return len(self.section.base)

    @property
    def smooth(self) -> bool:
        """Whether F has ordinary derivatives at singular matrices too."""
        return self.depth == 1 or (math.isinf(self.beta) and self.gamma == 0)

    def value(self, W: Array, rank: int) -> Array:
        """F at matrices (p, d, d) cut to a rank; by continuity at d - 1."""
        U, sigma, Vt = SquareSVD.of(W, graded=True)
        sigma = np.where(np.arange(self.d) < rank, sigma, 0.0)
        sheet = Sheet.of(self.energy, svd_product(U, sigma, Vt), self.d, False)
        sheet = sheet._replace(sigma=sigma)
        return Quantities(sheet, self.depth, self.beta, self.gamma).free_energy()

    def slope(self, x: Array, rank: int) -> Slope:
        """The derivative at coordinates (p, k); at rank d - 1 that of F along the stratum."""
        blocks = (self.section.points(x[i : i + _BLOCK]) for i in range(0, len(x), _BLOCK))
        parts = [self.slope_of(W, rank) for W in blocks]
        return Slope(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    @np.errstate(divide="ignore", invalid="ignore", over="ignore")
    def slope_of(self, W: Array, rank: int) -> Slope:
        """:meth:`slope` at matrices (p, d, d), which need not lie in the section."""
        d = self.d
        U, sigma, Vt = SquareSVD.of(W, graded=True)
        kept = np.arange(d) < rank
        if rank < d:
            sigma = np.where(kept, sigma, 0.0)
            W = svd_product(U, sigma, Vt)
        e = transpose(U) @ self.energy.gradient(W) @ transpose(Vt)
        push, pull = self._forces(sigma, rank)
        total = e.copy()
        k = np.arange(d)
        total[:, k, k] += pull - push
        normal = e[:, -1, -1].copy()
        if rank < d:
            total[:, -1, -1] = 0.0
        D = transpose(U)[:, None] @ self.section.directions @ transpose(Vt)[:, None]
        sizes = frobenius(e) + np.linalg.norm(push, axis=1)
        sizes += np.linalg.norm(pull, axis=1)
        lengths = np.linalg.norm(self.section.directions, axis=(1, 2))
        return Slope(
            np.einsum("pij,pkij->pk", total, D),
            frobenius(total),
            frobenius(total) / np.maximum(sizes, np.finfo(float).tiny),
            np.outer(sizes, lengths),
            U,
            sigma,
            Vt,
            normal,
        )

    def _forces(self, sigma: Array, rank: int) -> tuple[Array, Array]:
        """∂S/∂σ/β and the derivative of the weight decay, 0 beyond the rank."""
        kept = np.arange(self.d) < rank
        zero = np.zeros_like(sigma)
        push = zero
        if self.depth > 1 and not math.isinf(self.beta):
            t = signed_log_ratio(sigma[:, :, None], sigma[:, None, :])
            layers = 1.0 if math.isinf(self.depth) else self.depth
            push = np.where(kept, total_force(t, self.depth) / sigma / layers / self.beta, 0.0)
        pull = zero
        if self.gamma > 0:
            pull = np.where(kept, self.gamma * sigma ** (2 / self.depth - 1), 0.0)
        return push, pull

    def bend(self, x: Array, rank: int) -> Array:
        """The second derivative at coordinates (p, k), (p, k, k).

        At full rank, or anywhere where F is smooth; at rank d - 1 on a section of such matrices.
        """
        W, D = self.section.points(x), self.section.directions
        bend = np.asarray(self.energy.hessian(W[:, None], D))
        if self.smooth:
            bend = bend + self.gamma * D
        else:
            state = self._stacked(W, rank)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                curvature = thermal_curvature(state, self.beta, self.gamma)
                bend = bend + apply_curvature(curvature, state, D)
        return np.einsum("kij,plij->pkl", D, bend)

    def bend_terms(self, x: Array, rank: int) -> Array:
        """The size of what adds up to the diagonal of :meth:`bend`, (p, k)."""
        W, D = self.section.points(x), self.section.directions
        bend = np.asarray(self.energy.hessian(W[:, None], D))
        size = np.abs(np.einsum("kij,pkij->pk", D, bend))
        if self.smooth:
            return size + self.gamma * (D**2).sum(axis=(1, 2))
        state, k = self._stacked(W, rank), np.arange(rank)
        C = transpose(state.U) @ D @ transpose(state.Vt)
        own = np.abs(np.diagonal(C, axis1=-2, axis2=-1))
        both, apart = 0.5 * (C + transpose(C)) ** 2, 0.5 * (C - transpose(C)) ** 2
        rows = ((transpose(state.U) @ D) ** 2).sum(axis=-1) - (C**2).sum(axis=-1)
        columns = ((D @ transpose(state.Vt)) ** 2).sum(axis=-2) - (C**2).sum(axis=-2)
        for beta, gamma in ((self.beta, 0.0), (math.inf, self.gamma)):
            part = thermal_curvature(state, beta, gamma)
            pairs = np.abs(part.symmetric) * both + np.abs(part.skew) * apart
            pairs[..., k, k] = 0.0
            size = size + pairs.sum(axis=(-2, -1))
            size += (own * (np.abs(part.diagonal) @ own[..., None])[..., 0]).sum(axis=-1)
            size += (np.abs(part.border) * np.maximum(rows + columns, 0.0)).sum(axis=-1)
        return np.asarray(size)

    def _stacked(self, W: Array, rank: int) -> State:
        """The entropy's view of matrices (p, d, d), with an axis for the directions."""
        state = Sheet.of(self.energy, W, rank, False).state(self.depth)
        U, sigma, Vt = (part[:, None] for part in (state.U, state.sigma, state.Vt))
        return state._replace(U=U, sigma=sigma, Vt=Vt)
