r"""What a landscape shows, at many points at once: E, S, F, |grad F|, the least curvature, the law.

All is read off one decomposition of W and off E, E′ and E″ in its frames; nothing is subtracted
that meets. The Hessian of F is that of the Levi-Civita connection of g^N, in the orthonormal basis
√K_kl u_k v_lᵀ the sum of

.. math:: \sqrt K\,E''\sqrt K + \langle E', \ddot W\rangle - \tfrac1\beta\mathrm{Hess}\,S + \gamma

(:mod:`dlngeo.metric._connection`, :func:`dlngeo.entropy.laplacian.entropy_hessian`; weight decay is
γ/2 times the squared length in √N λ, so that its Hessian is γ times the identity).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd_product, transpose
from dlngeo.energies import Energy
from dlngeo.entropy.free_energies import decay_energy
from dlngeo.entropy.laplacian import entropy_hessian, slope_in_frame
from dlngeo.metric import connection_form
from dlngeo.spectral.divided_differences import table
from dlngeo.spectral.fibre_volume import State
from dlngeo.spectral.square_svd import SquareSVD


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
        sigma = without_rounding(W, sigma)
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


def without_rounding(W: Array, sigma: Array) -> Array:
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
