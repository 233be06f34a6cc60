"""The proof of Proposition 23, (36) to (46), line by line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlngeo import adjacency, hessian
from menon.material import flat, gap, product, size
from survey.material import place
from survey.points import blocks_of_Z, fibre_point, near_diagonal
from survey.registry import printed, row

# ------------------------------------------------------------------------- the proof, (36)-(46)


class Parts(NamedTuple):
    """What the proof names: everything in the plain basis, at S = {1..r}."""

    net: object
    V: tuple
    A_1: np.ndarray
    Z: np.ndarray
    blocks: list
    r: int
    zeros: tuple[int, int, int]

    @property
    def h(self):
        return self.net.h

    @property
    def big_V(self):
        return place(self.V, 1, self.net.widths)

    @property
    def projections(self):
        """I_S and I_Q of the proof: on the first and last block."""
        d_y, n = self.net.widths[-1], sum(self.net.widths)
        kept, dropped = np.zeros(n), np.zeros(n)
        for start in (0, n - d_y):
            kept[start : start + self.r] = 1
            dropped[start + self.r : start + d_y] = 1
        return np.diag(kept), np.diag(dropped)

    def term(self, j):
        """(A_1 + Z)^{h-j} V (A_1 + Z)^{j-1}, the powers of A_1 and Z added."""
        return self.power(self.h - j) @ self.big_V @ self.power(j - 1)

    def power(self, k):
        power = np.linalg.matrix_power
        return np.eye(len(self.A_1)) if k == 0 else power(self.A_1, k) + power(self.Z, k)

    def sum(self, left, right, js):
        """Σ_j left^{h-j} V right^{j-1}."""
        power = np.linalg.matrix_power
        return sum(power(left, self.h - j) @ self.big_V @ power(right, j - 1) for j in js)

    @property
    def G(self):
        """Σ_{k ≥ ℓ_3} Z_h ⋯ Z_{k+1} V_21^{(k)}."""
        r, total = self.r, 0
        for k in range(self.zeros[2], self.h + 1):
            V_21 = self.V[k - 1][r:, :r]
            total = total + (product([V_21, *self.blocks[k:]]) if k < self.h else V_21)
        return total

    @property
    def G_tilde(self):
        """Σ_{j ≤ ℓ_1} V_12^{(j)} Z_{j-1} ⋯ Z_1, in the dropped columns."""
        r, d_y, total = self.r, self.net.widths[-1], 0
        for j in range(1, self.zeros[0] + 1):
            V_12 = self.V[0][:r] if j == 1 else self.V[j - 1][:r, r:]
            total = total + product([*self.blocks[: j - 1], V_12])
        return total[:, r:d_y]

    @property
    def Sigma_Q(self):
        return np.diag(self.net.sigma[self.r :])

    @property
    def Sigma_S(self):
        return np.diag(self.net.sigma[: self.r])

    @property
    def three_terms(self):
        """The matrices of (38), its last sum from j = ℓ_3."""
        kept, dropped = self.projections
        first, _, last = self.zeros
        return (
            kept @ self.sum(self.A_1, self.A_1, range(1, self.h + 1)) @ kept,
            kept @ self.sum(self.A_1, self.Z, range(1, first + 1)) @ dropped,
            dropped @ self.sum(self.Z, self.A_1, range(last, self.h + 1)) @ kept,
        )

    @property
    def rho_1(self):
        return adjacency.rho(self.A_1 + self.Z, self.big_V, 1, self.h)

    @property
    def rho_2(self):
        return adjacency.rho(self.A_1 + self.Z, self.big_V, 2, self.h)

    @property
    def negative(self):
        """tr(ρ_2(E - A^h)ᵀ)."""
        return (self.rho_2 * self.net.M).sum()


def parts(widths, sigma, r, zeros, seed=0):
    generator = np.random.default_rng(seed)
    S = tuple(range(r))
    Z = blocks_of_Z(widths, S, zeros, generator)
    Z[0][:, :r] = 0  # the proof's Z I_S = 0
    point = fibre_point(widths, sigma, S, Z, plain=True)
    A_1 = place(near_diagonal(widths, sigma, S), 1, widths)
    return Parts(point.net, point.net.V, A_1, point.net.A - A_1, Z, r, zeros)


def proofs(*, square=False):
    yield parts((3, 4, 4, 4, 3), (3.0, 2.0, 1.0), 1, (1, 2, 4))
    yield parts((3, 4, 5, 4, 3), (3.0, 2.0, 1.0), 2, (1, 3, 4))
    yield parts((2, 3, 3, 3, 3, 2), (2.0, 1.0), 1, (2, 3, 4))
    if not square:
        yield parts((4, 3, 3, 3, 3, 2), (2.0, 1.0), 1, (1, 3, 5))


PROOF = dict(test="critical_points.classification_agrees_with_the_full_hessian")


@row("(36)", "adjacency.rho", **PROOF)
def _():
    """‖ρ_1‖² = ‖Σ_j (A_1^{h-j} + Z^{h-j})V(A_1^{j-1} + Z^{j-1})‖²."""
    for part in proofs():
        exact = sum(part.term(j) for j in range(1, part.h + 1))
        yield gap(part.rho_1, exact)


@row("(37)", "adjacency.rho", **PROOF, note="equal for d_x = d_y; ≤ if d_x > d_y, which is enough")
def _():
    """The same between I_S + I_Q on both sides."""
    for part in proofs(square=True):
        both = sum(part.projections)
        yield gap(size(both @ part.rho_1 @ both) ** 2, size(part.rho_1) ** 2)


@printed("(37)", "= (36) always; inputs beyond d_y are lost")
def _():
    part = parts((4, 3, 3, 3, 3, 2), (2.0, 1.0), 1, (1, 3, 5))
    both = sum(part.projections)
    yield gap(size(both @ part.rho_1 @ both) ** 2, size(part.rho_1) ** 2)


@printed("Proposition 23", "ZI_S = 0 in the proof; Z_1 may have columns in S")
def _():
    widths, sigma = (3, 4, 4, 4, 3), (3.0, 2.0, 1.0)
    Z = blocks_of_Z(widths, (0,), (2, 3, 4), np.random.default_rng(0))
    point = fibre_point(widths, sigma, (0,), Z, plain=True)
    yield float(size(flat(point.net.velocity)) < 1e-12) * size(Z[0][:, :1])


@row("(38)", "adjacency.rho", **PROOF, note="the last sum from j = ℓ_3")
def _():
    """‖ρ_1‖² splits into three, by S and Q."""
    for part in [*proofs(square=True), deep()]:
        exact = sum(size(term) ** 2 for term in part.three_terms)
        yield gap(size(part.rho_1) ** 2, exact)


def deep():
    """Eight layers, the last zero block the third: many terms beyond it."""
    return parts((2, 3, 3, 3, 3, 3, 3, 3, 2), (2.0, 1.0), 1, (1, 2, 3))


@printed("(38)", "the last sum from j = h - ℓ_3 - 1, which leaves out terms at h = 8")
def _():
    part = deep()
    kept, dropped = part.projections
    short = part.sum(part.Z, part.A_1, range(part.h - part.zeros[2] - 1, part.h + 1))
    yield gap(dropped @ short @ kept, part.three_terms[2])


@row("(39)", "adjacency.rho", **PROOF)
def _():
    """tr(ρ_2(E - A^h)ᵀ) = tr((I_QE)ᵀΣ Z^iVA_1^jVZ^k), j > 0."""
    power = np.linalg.matrix_power
    for part in proofs():
        h, V = part.h, part.big_V
        total = sum(
            power(part.Z, h - 2 - j - k) @ V @ power(part.A_1, j) @ V @ power(part.Z, k)
            for j in range(1, h - 1)
            for k in range(h - 1 - j)
        )
        yield gap(part.negative, np.trace((part.projections[1] @ part.net.E).T @ total))


@row("(40)", "adjacency.rho", **PROOF)
def _():
    """… = tr(Σ_Qᵀ[Σ_k Z_h⋯Z_{k+1}V_21][Σ_j V_12Z_{j-1}⋯Z_1])."""
    for part in proofs():
        yield gap(part.negative, np.trace(part.Sigma_Q.T @ part.G @ part.G_tilde))


@row("(41)", "adjacency.rho", **PROOF)
def _():
    """The last term of (38) is ‖GΣ_S‖², seen in ρ_1."""
    for part in [*proofs(), deep()]:
        kept, dropped = part.projections
        yield gap(size(dropped @ part.rho_1 @ kept), size(part.G @ part.Sigma_S))


def weighted(part, exponent):
    return sum(
        part.net.sigma[j] ** 2 * part.G[k, j] ** exponent
        for k in range(len(part.G))
        for j in range(part.r)
    )


@row("(42)", "adjacency.rho", **PROOF)
def _():
    """… = Σ_jk σ_j²G_kj²."""
    for part in proofs():
        kept, dropped = part.projections
        yield gap(size(dropped @ part.rho_1 @ kept) ** 2, weighted(part, 2))


@printed("(42)", "G_kj without its square")
def _():
    for part in proofs():
        kept, dropped = part.projections
        yield gap(weighted(part, 1), size(dropped @ part.rho_1 @ kept) ** 2)


def differences(part):
    sigma, r = part.net.sigma, part.r
    return sum(
        (sigma[j] ** 2 - sigma[k + r] ** 2) * part.G[k, j] ** 2
        for k in range(len(part.G))
        for j in range(r)
    )


@row("(43)", "adjacency.rho", **PROOF)
def _():
    """… = Σ_jk (σ_j² - σ_{k+r}²)G_kj² + Σ_jk σ_{k+r}²G_kj²."""
    for part in proofs():
        kept, dropped = part.projections
        rest = (part.net.sigma[part.r :, None] ** 2 * part.G**2).sum()
        yield gap(size(dropped @ part.rho_1 @ kept) ** 2, differences(part) + rest)


@row("(44)", "adjacency.rho", **PROOF)
def _():
    """… = Σ_jk (σ_j² - σ_{k+r}²)G_kj² + ‖Σ_QᵀG‖², the first sum ≥ 0."""
    for part in proofs():
        kept, dropped = part.projections
        exact = differences(part) + size(part.Sigma_Q.T @ part.G) ** 2
        yield gap(size(dropped @ part.rho_1 @ kept) ** 2, exact)
        yield max(0.0, -differences(part))


@row("(45)", "adjacency.rho", **PROOF)
def _():
    """The second term of (38) is ‖G̃‖²."""
    for part in proofs():
        kept, dropped = part.projections
        yield gap(size(kept @ part.rho_1 @ dropped), size(part.G_tilde))


@row("(46)", "adjacency.rho hessian.form", **PROOF)
def _():
    """tr(ρ_2(E - A^h)ᵀ) = tr(Σ_QᵀGG̃), so 𝔥 ≥ ‖Σ_QᵀG - G̃ᵀ‖² ≥ 0."""
    for part in proofs():
        cross = np.trace(part.Sigma_Q.T @ part.G @ part.G_tilde)
        yield gap(part.negative, cross)
        ours = hessian.form(part.net.energy, part.net.layers, part.V)
        yield max(0.0, size(part.Sigma_Q.T @ part.G - part.G_tilde.T) ** 2 - ours) / ours
