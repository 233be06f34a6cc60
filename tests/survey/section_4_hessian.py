"""Section 4.5: directions of zero and negative curvature, and saddles without any."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlngeo import adjacency, critical_points, hessian
from menon.material import flat, gap, product, size
from survey.material import (
    CRITICAL,
    blocks_of_Z,
    change,
    diagonal,
    fibre_point,
    full_hessian,
    near_diagonal,
    place,
    random_net,
    saddles,
    second,
)
from survey.registry import printed, row
from survey.section_4 import least_eigenvalue, strict


def gauge_direction(point, *, inverse=False):
    """PVP⁻¹ with V = blk_1([-U_SᵀΣ; 0], 0, …, 0, [U_S 0]), or P⁻¹VP."""
    net = point.net
    first, *_, last = near_diagonal(net.widths, net.sigma, point.S)
    V = [np.zeros_like(W) for W in net.layers]
    V[0], V[-1] = -first, last
    return change(V, [np.linalg.inv(P) for P in point.P] if inverse else point.P)


def scale(net, V):
    return max(1.0, np.abs(full_hessian(net)).max()) * size(flat(V)) ** 2


@row(
    "Proposition 20",
    "hessian.form hessian.nullity",
    tol=1e-12,
    test="critical_points.a_gauge_direction_lies_in_the_kernel",
    note="not at 0 for h = 2, d_x = d_y, where the Hessian is regular",
)
def _():
    """At critical points 𝔥(A, PVP⁻¹) = 0 for V ≠ 0; the nullity is that of the full Hessian."""
    for point in CRITICAL:
        net = point.net
        if point.S:
            V = gauge_direction(point)
            yield abs(hessian.form(net.energy, net.layers, V)) / scale(net, V)
            image = hessian.apply(net.energy, net.layers, V)
            yield size(flat(image)) / scale(net, V)
        spectrum = np.abs(np.linalg.eigvalsh(full_hessian(net)))
        exact = (spectrum <= 1e-10 * max(1.0, spectrum[-1])).sum()
        yield abs(int(hessian.nullity(net.energy, net.layers)) - exact)
        yield float(exact == 0)


@printed("Proposition 20", "direction P⁻¹VP for PVP⁻¹")
def _():
    points = [point for point in CRITICAL if point.S]
    values = [second(p.net, gauge_direction(p, inverse=True)) for p in points]
    yield np.median(np.abs(values))


@printed("Proposition 20", "ρ_2 = VA_1^{h-1}V, which is 0, for VA_1^{h-2}V = -A_1^h")
def _():
    for widths, sigma in (((3, 3, 2), (2.0, 1.0)), ((4, 3, 3, 2), (2.0, 1.0))):
        Z = blocks_of_Z(widths, (0,), range(1, len(widths)), np.random.default_rng(0))
        point = fibre_point(widths, sigma, (0,), Z, plain=True)
        V, h = place(gauge_direction(point), 1, widths), point.net.h
        power = np.linalg.matrix_power
        assert gap(V @ power(point.net.A, h - 2) @ V, -power(point.net.A, h)) < 1e-13
        yield gap(V @ power(point.net.A, h - 1) @ V, -power(point.net.A, h))


@printed("Proposition 20", "Σ - U_SU_Sᵀ for Σ - U_SU_SᵀΣ")
def _():
    for sigma, S in (((2.0, 1.0), (0,)), ((3.0, 2.0, 0.5), (0, 2))):
        Sigma, U = np.diag(sigma), np.eye(len(sigma))[:, S]
        yield abs(np.trace(U @ U.T @ Sigma @ (Sigma - U @ U.T).T))


@printed(
    "Proposition 20", "for S = ∅ “W_{1:i} ≠ 0 for some i unless A = 0”; W_1 = 0, W_2 ≠ 0 is one"
)
def _():
    for point in CRITICAL:
        layers = point.net.layers
        if not point.S and not layers[0].any() and any(W.any() for W in layers):
            yield size(flat(layers))


@printed("Proposition 20", "a kernel at every critical point, V = 0 allowed; see Proposition 3")
def _():
    net = random_net((2, 3, 2), (2.0, 1.0)).at([np.zeros((3, 2)), np.zeros((2, 3))])
    yield float(np.abs(np.linalg.eigvalsh(full_hessian(net))).min())


def swap(point, i, j, column):
    """P R P⁻¹ and P⁻¹ R P with U_K of a single 1, at row i and the column named."""
    net, r = point.net, point.r
    R = [np.zeros_like(W) for W in net.layers]
    R[0][column, i], R[-1][i, column] = net.sigma[i], 1.0
    assert column < r
    return change(R, point.P), change(R, [np.linalg.inv(P) for P in point.P])


def swaps():
    """Points and pairs i < j, i dropped and j kept."""
    for point in CRITICAL:
        for i in point.Q:
            for column, j in enumerate(point.S):
                if i < j:
                    yield point, i, j, column


@row(
    "Proposition 21",
    "hessian.form critical_points.negative_direction",
    tol=1e-12,
    test="critical_points.the_basis_change_is_not_the_printed_one",
    note="U_K has its 1 at (i, place of j in S)",
)
def _():
    """𝔥(A, PRP⁻¹) = σ_j² - σ_i² < 0, i dropped, j kept, i < j; so for every strict saddle."""
    for point, i, j, column in swaps():
        net = point.net
        V, _ = swap(point, i, j, column)
        exact = net.sigma[j] ** 2 - net.sigma[i] ** 2
        yield abs(hessian.form(net.energy, net.layers, V) - exact) / scale(net, V)
        yield abs(second(net, V) - exact) / scale(net, V)
    for point in saddles():
        if strict(point):
            V = critical_points.negative_direction(point.net.layers, point.net.sigma)
            yield float(second(point.net, V) >= 0)


@printed("Proposition 21", "V = P⁻¹RP: 𝔥 is often positive")
def _():
    values = [second(point.net, swap(point, i, j, c)[1]) for point, i, j, c in swaps()]
    yield np.mean(np.array(values) >= 0)


@printed("Proposition 21", "U_K = E_{ij} of r columns: not defined, or another pair's")
def _():
    for point, i, j, column in swaps():
        if j != column and j < point.r and point.S[j] != j:
            net = point.net
            value = second(net, swap(point, i, j, j)[0])
            yield abs(value - (net.sigma[j] ** 2 - net.sigma[i] ** 2))


@row("Remark 22", "hessian.dense critical_points.classify", tol=1e-12)
def _():
    """A strict saddle may look non-strict to diagonal variations."""
    for widths, sigma, S in (
        ((4, 3, 3, 2), (2.0, 1.0), (1,)),
        ((3, 3, 3, 3), (3.0, 2.0, 1.0), (2,)),
    ):
        Z = blocks_of_Z(widths, S, range(1, len(widths)), np.random.default_rng(0))
        point = fibre_point(widths, sigma, S, Z, plain=True)
        net = point.net
        P = [np.eye(len(W)) for W in net.layers[:-1]]
        for base in P:  # the kept σ on its own place of the diagonal
            base[[0, S[0]]] = base[[S[0], 0]]
        net = net.at(change(net.layers, P))
        spread = [net.layers[p] - diagonal(np.diag(W), *W.shape) for p, W in enumerate(net.layers)]
        yield size(flat(spread))
        H = hessian.dense(net.energy, net.layers)
        mask = flat([diagonal(np.ones(min(W.shape)), *W.shape) for W in net.layers]) > 0
        least = np.linalg.eigvalsh(H[np.ix_(mask, mask)])[0]
        yield max(0.0, -least)
        yield float(np.linalg.eigvalsh(full_hessian(net))[0] > -0.1)
        yield float(critical_points.classify(net.layers, net.sigma).kind != "strict saddle")


@row("Proposition 23", "hessian.extreme_eigenvalues critical_points.classify", tol=1e-12)
def _():
    """S = {1..r} with three zero Z_i: 𝔥 ≥ 0."""
    for point in saddles():
        if point.leading and sum(not Z.any() for Z in point.Z) >= 3:
            yield max(0.0, -least_eigenvalue(point.net))
            net = point.net
            least = hessian.extreme_eigenvalues(net.energy, net.layers).least
            yield max(0.0, -least) / max(1.0, np.abs(full_hessian(net)).max())
            kind = critical_points.classify(net.layers, net.sigma).kind
            yield float(kind != "non-strict saddle")


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
