r"""What a landscape shows, at many points at once: E, S, F, |grad F|, the least curvature, the law.

All is read off one decomposition of W and off E, E′ and E″ in its frames; nothing is subtracted
that meets. The Hessian of F is that of the Levi-Civita connection of g^N, in the orthonormal basis
√K_kl u_k v_lᵀ the sum of

.. math:: \sqrt K\,E''\sqrt K + \langle E', \ddot W\rangle - \tfrac1\beta\mathrm{Hess}\,S + \gamma

(:mod:`dlngeo.metric._connection`, :func:`dlngeo.entropy.laplacian.entropy_hessian`; weight decay is
γ/2 times the squared length in √N λ, so that its Hessian is γ times the identity).

The second half is F as a function of a section's coordinates, with ordinary derivatives.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd_product, transpose
from dlngeo.energies import Energy
from dlngeo.entropy.free_energies import apply_curvature, decay_energy, thermal_curvature
from dlngeo.entropy.laplacian import entropy_hessian, slope_in_frame
from dlngeo.landscapes._sections import Section
from dlngeo.metric import connection_form
from dlngeo.spectral.divided_differences import table
from dlngeo.spectral.entropic_force import signed_log_ratio, total_force
from dlngeo.spectral.fibre_volume import State
from dlngeo.spectral.square_svd import SquareSVD

_BLOCK = 2**13


class Sheet(NamedTuple):
    """Points W (p, d, d), what E says there, and the frames: all that does not depend on depth."""

    U: Array
    sigma: Array
    Vt: Array
    rank: int
    value: Array  # (p,) E
    slope: Array  # (p, d, d) Uᵀ E′ V
    bend: Array | None  # (p, d², d²) E″ in the basis u_k v_lᵀ, where it is asked for

    @classmethod
    def of(cls, energy: Energy, W: Array, rank: int, curved: bool) -> Sheet:
        """The points, cut to the given rank."""
        d = W.shape[-1]
        U, sigma, Vt = SquareSVD.of(W, graded=True)
        sigma = _without_rounding(W, sigma)
        if rank < d:
            sigma = np.where(np.arange(d) < rank, sigma, 0.0)
            W = svd_product(U, sigma, Vt)
        slope = transpose(U) @ energy.gradient(W) @ transpose(Vt)
        bend = None
        if curved:
            basis = np.eye(d * d).reshape(-1, d, d)
            bend = np.asarray(energy.hessian(W[..., None, :, :], basis)).reshape(-1, d * d, d * d)
            both = np.einsum("pik,plj->pijkl", U, Vt).reshape(-1, d * d, d * d)
            bend = transpose(both) @ bend @ both
        return cls(U, sigma, Vt, rank, np.asarray(energy.value(W)), slope, bend)

    def state(self, depth: float) -> State:
        """The entropy's view of it."""
        d, r = self.sigma.shape[-1], self.rank
        plain = State.of(np.eye(d), depth, r, None)  # for its constants
        return plain._replace(U=self.U[..., :r], sigma=self.sigma[..., :r], Vt=self.Vt[..., :r, :])

    def without(self, depth: float, allowed: int) -> Array:
        """Where more than so many singular values are zero that the rank does not leave out."""
        if depth == 1:
            return np.zeros(len(self.sigma), dtype=bool)
        zeros = (self.sigma[..., : self.rank] == 0).sum(axis=-1)
        return np.asarray(zeros > (allowed if self.rank == self.sigma.shape[-1] else 0))


def _without_rounding(W: Array, sigma: Array) -> Array:
    """Singular values of rounding size put to zero, but those that graded matrices determine.

    Else what is shown at a point whose coordinates are rounded would hang on their last bits.
    """
    small = sigma <= sigma.shape[-1] * np.finfo(float).eps * sigma[..., :1]
    if not small.any():
        return sigma
    rows, columns = np.abs(W).max(axis=-1), np.abs(W).max(axis=-2)
    graded = (rows.min(axis=-1) < 1e-2 * rows.max(axis=-1)) | (
        columns.min(axis=-1) < 1e-2 * columns.max(axis=-1)
    )
    return np.where(small & ~graded[..., None], 0.0, sigma)


class Quantities:
    """The quantities of one sheet at one depth, β and γ; NaN where infinite, or without a value."""

    def __init__(self, sheet: Sheet, depth: float, beta: float, gamma: float) -> None:
        self.sheet, self.depth, self.beta, self.gamma = sheet, depth, beta, gamma
        self.K = table(sheet.sigma, depth)

    def energy(self) -> Array:
        """E, without weight decay."""
        return self.sheet.value

    def entropy(self) -> Array:
        """S, by continuity where σ_d = 0."""
        entropy = self.sheet.state(self.depth).entropy()
        return np.where(np.isfinite(entropy), entropy, np.nan)

    def free_energy(self) -> Array:
        """F = E - S/β + decay."""
        F = (
            self.sheet.value
            if math.isinf(self.beta)
            else self.sheet.value - self.entropy() / self.beta
        )
        if self.gamma > 0:
            F = F + decay_energy(self.sheet.sigma, self.depth, self.gamma)
        return F

    def slope(self) -> Array:
        """The length of grad F in g^N."""
        sheet = self.sheet
        with np.errstate(invalid="ignore", over="ignore"):
            parts = slope_in_frame(
                sheet.slope, sheet.sigma, self.K, self.depth, self.beta, self.gamma
            )
            length = frobenius(parts)
        lost = sheet.without(self.depth, 0 if math.isinf(self.depth) else 1)
        return np.where(lost, np.nan, length)

    def curvature(self) -> Array:
        """The least eigenvalue of Hess F relative to g^N; on the stratum at lower rank."""
        lost = self.sheet.without(self.depth, 1 if 2 < self.depth < math.inf else 0)
        form = self.hessian()
        whole = np.asarray(np.isfinite(form).all(axis=(-2, -1)))
        least = np.linalg.eigvalsh(np.where(whole[:, None, None], form, 0.0))[..., 0]
        return np.where(lost | ~whole, np.nan, least)

    def hessian(self) -> Array:
        """Hess F in the basis √K_kl u_k v_lᵀ: (p, d², d²), less where the rank is lower."""
        return sum(self.hessian_terms(), np.zeros(()))

    def hessian_terms(self) -> list[Array]:
        """What adds up to :meth:`hessian`: of E″, of the bending of geodesics, of S, of γ."""
        sheet, N = self.sheet, self.depth
        d, r = sheet.sigma.shape[-1], sheet.rank
        assert sheet.bend is not None
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            root = np.sqrt(self.K).reshape(-1, d * d)
            terms = [
                root[:, :, None] * sheet.bend * root[:, None, :],
                connection_form(sheet.slope, sheet.sigma, self.K, N).reshape(-1, d * d, d * d),
            ]
            if not math.isinf(self.beta):
                terms.append(_entropic(sheet.sigma, N, self.beta))
        if self.gamma > 0:
            terms.append(np.broadcast_to(self.gamma * np.eye(d * d), terms[0].shape))
        if r == d:
            return terms
        inside = np.ones((d, d), dtype=bool)
        inside[r:, r:] = False
        if math.isinf(N):  # K is zero where one of two singular values is: W keeps its spaces
            inside[r:] = inside[:, r:] = False
        kept = np.flatnonzero(inside)
        return [term[:, kept[:, None], kept] for term in terms]

    def smooth_log_density(self, kappa: float) -> Array:
        r"""Log of e^{-βF/κ} vol(g^N) without the factor Π σ_k^{1/N-1} = |det W|^{1/N-1}.

        That factor is infinite where det W = 0; the rest is continuous there.
        """
        d = self.sheet.sigma.shape[-1]
        k, l = np.triu_indices(d, 1)  # noqa: E741
        with np.errstate(divide="ignore"):
            pairs = np.log(self.K[:, k, l]).sum(axis=-1)  # each pair stands for two directions
        volume = -pairs - 0.5 * d * math.log(self.depth)
        return np.asarray(volume - self.beta * self.free_energy() / kappa)


def _entropic(sigma: Array, depth: float, beta: float) -> Array:
    """-Hess S/β in the basis √K_kl u_k v_lᵀ: (p, d², d²)."""
    d = sigma.shape[-1]
    form, entropy = np.zeros((len(sigma), d, d, d, d)), entropy_hessian(sigma, depth)
    k = np.arange(d)
    form[:, k[:, None], k[:, None], k, k] = -entropy.radial / beta
    for i, j in np.ndindex(d, d):
        if i != j:
            form[:, i, j, i, j] -= entropy.own[:, i, j] / beta
            form[:, i, j, j, i] -= entropy.mixed[:, i, j] / beta
    return form.reshape(-1, d * d, d * d)


# ----------------------------------------------------------------- along the coordinates


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
