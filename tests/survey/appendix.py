"""The appendix: symbols, the reduction of the loss, boundedness, a standard SVD, equivalence."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import adjacency
from dlngeo import weights as networks
from menon.material import flat, gap, product, size
from survey.material import chain, diagonal, integrate, nets, place, random_net
from survey.points import ALL_POINTS, fibre_point, near_diagonal, thinned
from survey.registry import printed, row, same
from survey.section_2 import regression


@row(
    "Table 1, C_i",
    "weights.imbalance",
    test="weights.imbalance_has_this_sign_and_order",
    note="Lemma 37 uses the opposite sign",
)
def _():
    """C_i = W_iW_iᵀ - W_{i+1}ᵀW_{i+1}."""
    for net in nets():
        yield gap(networks.imbalance(net.layers), net.C)


@printed("Table 1, C_i", "W_iW_iᵀ - W_{i+1}W_{i+1}ᵀ, of the wrong shape, and not conserved")
def _():
    net = random_net((3, 3, 3, 3), (3.0, 2.0, 1.0))
    (end,) = integrate(net, [0.5])
    start, after = (
        flat([V @ V.T - W @ W.T for V, W in itertools.pairwise(state.layers)])
        for state in (net, end)
    )
    yield gap(after, start)


same("Table 1, ρ_k", "k + 1 exponents", "(34)", "h exponents in print, as in (34)")


def svd_of(X):
    U, s, Vt = np.linalg.svd(X)
    return U, s, Vt[: len(s)].T, Vt[len(s) :].T


@row(
    "(69)", "energies.LinearRegression", test="energies.whitening_keeps_the_energy_up_to_a_constant"
)
def _():
    """X = U_X[Λ_X 0]V_Xᵀ: the maps to W_1 = W̄_1U_XΛ_XV_Y have its singular values."""
    for seed in range(3):
        X, _, _, energy = regression(seed)
        _, s, _, _ = svd_of(X)
        maps = energy.whiten().maps
        yield gap(np.linalg.svd(maps.to_input, compute_uv=False), s)
        yield gap(maps.to_input @ maps.from_input, np.eye(len(s)))


@row("(70)", "energies.LinearRegression", test="energies.value_is_the_definition")
def _():
    """‖Y - W̄X‖² = ‖Y - W̄U_XΣ_XV_Xᵀ‖²."""
    for seed in range(3):
        X, Y, W, energy = regression(seed)
        U, s, V, _ = svd_of(X)
        yield gap(2 * energy.value(W), size(Y - W @ (U * s) @ V.T) ** 2)


@row(
    "(71)",
    "energies.LinearRegression",
    test="energies.misprint_loss_4_is_twice_loss_5",
    note="(4) = 2·(5) + ‖YV_X²‖²",
)
def _():
    """… = ‖Σ - U_YᵀW̄_h⋯W̄_1U_XΛ_XV_Y‖² + ‖YV_X²‖²."""
    for seed in range(3):
        X, Y, _, energy = regression(seed)
        _, _, _, rest = svd_of(X)
        net = random_net((4, 3, 3, 2), (2.0, 1.0), seed)
        reduced = energy.whiten()
        W = product(reduced.maps.whiten(net.layers))
        total = size(reduced.energy.target - W) ** 2 + size(Y @ rest) ** 2
        yield gap(size(Y - net.W @ X) ** 2, total)
        yield gap(2 * reduced.constant, size(Y @ rest) ** 2)
        yield gap(2 * energy.value(net.W), total)


@printed("(71)", "the loss (4) “equivalently” (5)")
def _():
    for seed in range(3):
        X, Y, W, energy = regression(seed)
        (white,) = energy.whiten().maps.whiten((W,))
        yield gap(energy.whiten().energy.value(white), size(Y - W @ X) ** 2)


@printed("(71)", "one flow for both, which holds only where Λ_X is a multiple of the identity")
def _():
    for seed in range(3):
        _, _, _, energy = regression(seed)
        net, reduced = random_net((4, 3, 3, 2), (2.0, 1.0), seed), regression(seed)[3].whiten()
        G = networks.gradient(energy, net.layers)  # W̄ moves by -G
        white = networks.gradient(reduced.energy, reduced.maps.whiten(net.layers))
        yield gap(G[0] @ reduced.maps.to_input, white[0])


@row(
    "Lemma 37",
    "adjacency.norm_constants",
    tol=0.0,
    test="boundedness.constants_by_their_formula",
    note="explicit γ and p; q = 0",
)
def _():
    """γ‖A‖^{2h} - p(‖A‖²) ≤ ‖A^h‖² ≤ ‖A‖^{2h}, p of degree h - 1 with coefficients ≥ 0."""
    for net in nets():
        constants = adjacency.norm_constants(net.A, net.widths)
        yield float(not 0 < constants.gamma < 1) + float(len(constants.coefficients) != net.h)
        yield max(0.0, -float(constants.coefficients.min()))
        (end,) = integrate(net, [0.5])
        again = adjacency.norm_constants(end.A, net.widths)
        yield float(gap(again.coefficients, constants.coefficients) > 1e-9)


@row(
    "(72)",
    "adjacency.norm_constants",
    tol=0.0,
    test="boundedness.the_norm_of_the_product_lies_between_the_polynomials",
)
def _():
    """Both bounds, at weights small and large, balanced and not."""
    for net, scale in itertools.product(nets(), (0.1, 1.0, 10.0)):
        starts = [net.layers, networks.random_balanced(net.widths, 1.0, rng=1)]
        for layers in starts:
            state = net.at([scale * W for W in layers])
            x, value = size(state.A) ** 2, size(state.W) ** 2
            yield max(0.0, adjacency.norm_constants(state.A, net.widths).lower(x) - value)
            yield max(0.0, value - x**net.h)


@row("(73)", "weights.imbalance", tol=1e-12)
def _():
    """Tr W_{j+1:h}(W_jW_jᵀ)^j(…)ᵀ = tr W_{j+2:h}(W_{j+1}W_{j+1}ᵀ)^{j+1}(…)ᵀ + a term in C_j."""
    power = np.linalg.matrix_power
    for net in nets():
        G = networks.imbalance(net.layers)  # minus the lemma's C_j
        for j in range(1, net.h):
            V, W = net.layers[j - 1], net.layers[j]
            A, B = chain(net.layers, j + 1, net.h), chain(net.layers, j + 2, net.h)
            K = power(W.T @ W + G[j - 1], j) - power(W.T @ W, j)
            left = np.trace(A @ power(V @ V.T, j) @ A.T)
            right = np.trace(B @ power(W @ W.T, j + 1) @ B.T) + np.trace(A @ K @ A.T)
            yield gap(right, left)


@row(
    "Lemma 38",
    "adjacency.norm_constants",
    tol=1e-15,
    test="boundedness.lemma_38_corrected",
    note="γ = k^{1-ℓ}, in norm_constants r^{1-h}h^{-h}",
)
def _():
    """γ(tr B)^ℓ ≤ tr B^ℓ ≤ (tr B)^ℓ for B ≥ 0 of size k."""
    generator = np.random.default_rng(2)
    for k, power in itertools.product((1, 2, 4), (1.5, 2.0, 5.0)):
        values = generator.uniform(0, 3, k)
        trace, other = values.sum() ** power, (values**power).sum()
        yield max(0.0, k ** (1 - power) * trace / other - 1 - 1e-14, other / trace - 1 - 1e-14)
    for net in nets():
        r = min(net.widths[-2:])
        exact = float(r) ** (1 - net.h) * float(net.h) ** -net.h
        yield gap(adjacency.norm_constants(net.A, net.widths).gamma, exact)


@row("(74)", "adjacency.norm_constants", tol=1e-14, test="boundedness.lemma_38_corrected")
def _():
    """(Σλ)^ℓ ≤ k^{ℓ-1}Σλ^ℓ, by Hölder, with equality for equal λ."""
    for k, power in itertools.product((2, 3, 5), (2.0, 3.5)):
        values = np.full(k, 0.7)
        yield gap(k ** (power - 1) * (values**power).sum(), values.sum() ** power)
    for r, h in itertools.product((2, 3), (2, 4)):  # balanced, Λ a multiple of 1: equality in (72)
        layers = [0.8 * np.eye(r)] * h
        A = place(layers, 1, (r,) * (h + 1))
        constants = adjacency.norm_constants(A, (r,) * (h + 1))
        yield gap(constants.lower(size(A) ** 2), size(product(layers)) ** 2)


@printed(
    "(74)", "in the last line (Σλ^ℓ)^{1/ℓ} ≤ (Σλ)^{1/ℓ}k^{ℓ-1}; it is Σλ ≤ (Σλ^ℓ)^{1/ℓ}k^{1-1/ℓ}"
)
def _():
    for value, power in ((100.0, 2.0), (50.0, 3.0)):
        yield value / value ** (1 / power) - 1  # k = 1


# ----------------------------------------------------------------------------- A.4 and A.5


@row("Proposition 39", "adjacency.standard_svd", test="block_svd.standard_decomposition")
def _():
    """The singular values of A: those of the W_i and n_v - Σmin(d_i, d_{i-1}) zeros."""
    for net in nets():
        ours = adjacency.standard_svd(net.A, net.widths).sigma
        yield gap(ours, np.linalg.svd(net.A, compute_uv=False))
        values = np.concatenate([np.linalg.svd(W, compute_uv=False) for W in net.layers])
        exact = np.zeros(len(net.A))
        exact[: values.size] = np.sort(values)[::-1]
        yield gap(ours, exact)


@row("(75)", "adjacency.standard_svd adjacency.block_svd", test="block_svd.standard_decomposition")
def _():
    """U_i = [U_i^σ U_i^o]: the columns that carry singular values first, each W_i thin."""
    for net in nets():
        U, Lambda, V = adjacency.block_svd(net.A, net.widths)
        edges = np.cumsum([0, *net.widths])
        for i, W in enumerate(net.layers, start=1):
            q = min(W.shape)
            a, b, c = edges[i - 1], edges[i], edges[i + 1]
            left, right = U[b:c, b : b + q], V[a:b, a : a + q]
            yield gap(left @ Lambda[b : b + q, a : a + q] @ right.T, W)


def assembled(net):
    """(76)-(78) put together here: pairs of columns that carry singular values, and these."""
    n, edges = len(net.A), np.cumsum([0, *net.widths])
    used, values = [], []
    for i, W in enumerate(net.layers, start=1):
        Q, s, Rt = np.linalg.svd(W)
        for k, value in enumerate(s):
            u, v = np.zeros(n), np.zeros(n)
            u[edges[i] : edges[i + 1]], v[edges[i - 1] : edges[i]] = Q[:, k], Rt[k]
            used.append((u, v))
            values.append(value)
    return used, np.array(values)


@row("(76)", "adjacency.standard_svd", test="block_svd.standard_decomposition")
def _():
    """U is orthogonal; each of its columns lives in one layer."""
    for net in nets():
        U = adjacency.standard_svd(net.A, net.widths).U
        yield size(U.T @ U - np.eye(len(U)))
        yield supports(U, net.widths)
        used, values = assembled(net)
        order = np.argsort(-values)
        inner = [abs(U[:, k] @ used[m][0]) - 1 for k, m in enumerate(order)]
        yield np.abs(inner).max()


def supports(U, widths):
    """Zero if each column lives in the rows of one layer."""
    edges = np.cumsum([0, *widths])
    blocks = np.array([np.abs(U[a:b]).max(axis=0) > 0 for a, b in itertools.pairwise(edges)])
    return float((blocks.sum(axis=0) != 1).any())


@row("(77)", "adjacency.standard_svd", test="block_svd.standard_decomposition")
def _():
    """V likewise."""
    for net in nets():
        V = adjacency.standard_svd(net.A, net.widths).V
        yield size(V.T @ V - np.eye(len(V)))
        yield supports(V, net.widths)
        used, values = assembled(net)
        order = np.argsort(-values)
        inner = [abs(V[:, k] @ used[m][1]) - 1 for k, m in enumerate(order)]
        yield np.abs(inner).max()


@row("(78)", "adjacency.standard_svd", tol=0.0, test="block_svd.standard_decomposition")
def _():
    """Ω is diagonal, its last n_v - q entries exact zeros."""
    for net in nets():
        sigma = adjacency.standard_svd(net.A, net.widths).sigma
        q = sum(min(W.shape) for W in net.layers)
        yield float(np.abs(sigma[q:]).max()) + float(sigma[q - 1] == 0)
        yield max(0.0, float(np.diff(sigma).max()))


@row("(79)", "adjacency.standard_svd", test="block_svd.standard_decomposition")
def _():
    """UΩVᵀ = A."""
    for net in nets():
        U, sigma, V = adjacency.standard_svd(net.A, net.widths)
        yield gap((U * sigma) @ V.T, net.A)
        exact = sum(s * np.outer(u, v) for (u, v), s in zip(*assembled(net), strict=True))
        yield gap((U * sigma) @ V.T, exact)


@row(
    "Proposition 40",
    "adjacency.is_annihilated adjacency.are_equivalent",
    tol=1e-12,
    test="equivalence.the_condition_is_not_necessary",
    note="the conditions are those of Proposition 16",
)
def _():
    """W_{j+1}Z_j = 0, Z_jW_{j-1} = 0 and Z^h = 0 suffice; they are not necessary."""
    for point in thinned(ALL_POINTS):
        net = point.net
        near = near_diagonal(net.widths, net.sigma, point.S)
        plain = fibre_point(net.widths, net.sigma, point.S, point.Z, plain=True).net.layers
        Z = [A - B for A, B in zip(plain, near, strict=True)]
        for j in range(net.h - 1):
            yield size(near[j + 1] @ Z[j]) + size(Z[j + 1] @ near[j])
        big = (place(near, 1, net.widths), place(Z, 1, net.widths))
        yield float(not adjacency.is_annihilated(*big, net.widths))
        yield size(product(plain) - product(near))
    W = [np.eye(2), diagonal([1.0], 2, 2), diagonal([0.0, 1.0], 2, 2)]  # W_3W_2 = 0, W_2Z_1 ≠ 0
    Z = [diagonal([0.5], 2, 2), np.zeros((2, 2)), np.zeros((2, 2))]
    moved = [A + B for A, B in zip(W, Z, strict=True)]
    one, two, change = (place(layers, 1, (2, 2, 2, 2)) for layers in (W, moved, Z))
    yield float(not adjacency.are_equivalent(one, two, (2, 2, 2, 2)))
    yield float(adjacency.is_annihilated(one, change, (2, 2, 2, 2)))
