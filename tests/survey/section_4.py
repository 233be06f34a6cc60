"""Section 4 up to Lemma 19: convergence, critical points, fibres and their parametrisation."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import adjacency, critical_points, flows
from menon.material import flat, gap, product, size
from survey.material import (
    ALL_POINTS,
    CRITICAL,
    basis_matrix,
    chain,
    change,
    diagonal,
    fibre_point,
    full_hessian,
    gauge,
    integrate,
    near_diagonal,
    nets,
    place,
    random_net,
    saddles,
    subsets,
    thinned,
)
from survey.registry import printed, row


def least_eigenvalue(net):
    """The least eigenvalue of the Hessian over its spectral radius."""
    spectrum = np.linalg.eigvalsh(full_hessian(net))
    return spectrum[0] / max(1.0, np.abs(spectrum).max())


def scalar(*w, sigma=1.0):
    net = random_net((1,) * (len(w) + 1), (sigma,))
    return net.at([np.array([[x]]) for x in w])


@row(
    "Proposition 12",
    "adjacency.norm_bound flows.gradient_flow critical_points.classify",
    tol=1e-9,
    test="boundedness.the_flow_stays_within_the_bound",
    note="pointwise convergence is Łojasiewicz's theorem: not numerical",
)
def _():
    """For t ≥ 0 paths are bounded; equilibria are the critical points; paths end at one."""
    for net in nets():
        bound = adjacency.norm_bound(net.A, net.Sigma, net.widths)
        for state in integrate(net, [0.5, 2.0, 8.0]):
            yield max(0.0, size(state.A) / bound - 1)
    for net in nets()[:3]:
        run = flows.gradient_flow(net.energy, net.layers, (0, 1e4), gtol=1e-11)
        end = net.at([W[-1] for W in run.weights])
        yield size(flat(end.velocity))
        yield float(critical_points.classify(end.layers, net.sigma).kind == "regular")


@printed("Proposition 12", "solutions for all t: backwards they may blow up")
def _():
    for z in (1.2, 2.0):  # h = 2, σ = 1, w_1 = w_2 = z, just after the blow-up
        net = scalar(z, z)
        t = -0.999 * np.log(z**2 / (z**2 - 1)) / 2
        growth = np.exp(2 * t)
        there = np.sqrt(z**2 * growth / (1 + z**2 * (growth - 1)))
        yield np.sqrt(2) * there / adjacency.norm_bound(net.A, net.Sigma, net.widths) - 1


@row(
    "(26)",
    "adjacency.norm_constants adjacency.norm_velocity",
    tol=0.0,
    test="boundedness.the_norm_of_the_product_lies_between_the_polynomials",
)
def _():
    """(1/2h) d/dt ‖A‖² ≤ ‖E‖‖A^h‖ - γ‖A‖^{2h} + p(‖A‖²)."""
    for net, scale in itertools.product(nets(), (0.1, 1.0, 10.0)):
        big = net.at([scale * W for W in net.layers])
        constants = adjacency.norm_constants(big.A, net.widths)
        rate = adjacency.norm_velocity(big.A, net.energy, net.widths) / (2 * net.h)
        top = size(net.Sigma) * size(big.W) - constants.lower(size(big.A) ** 2)
        yield max(0.0, rate - top)


@row(
    "Proposition 13",
    "adjacency.loss adjacency.loss_velocity",
    tol=0.0,
    test="adjacency.velocity_of_the_loss",
)
def _():
    """L ≥ 0, L̇ ≤ 0; L vanishes on more than a point."""
    for net in nets():
        yield max(0.0, -adjacency.loss(net.A, net.energy, net.widths))
        yield max(0.0, adjacency.loss_velocity(net.A, net.energy, net.widths))
    for point in thinned(CRITICAL):
        if not point.Q:
            yield float(point.net.loss > 1e-25)


@row("(27)", "adjacency.loss_velocity", test="adjacency.loss_falls_by_the_sum_over_layers")
def _():
    """L̇ = -Σ_j ‖(A^{h-j})ᵀ(E - A^h)(A^{j-1})ᵀ‖²."""
    for net in nets():
        power = np.linalg.matrix_power
        exact = -sum(
            size(power(net.A, net.h - j).T @ net.M @ power(net.A, j - 1).T) ** 2
            for j in range(1, net.h + 1)
        )
        yield gap(adjacency.loss_velocity(net.A, net.energy, net.widths), exact)


@row("(28)", "adjacency.loss_velocity adjacency.gradient", test="adjacency.golden_velocities")
def _():
    """L̇ = -‖∇L‖²."""
    for net in nets():
        step = 1e-40j
        moved = [W + step * V for W, V in zip(net.layers, net.velocity, strict=True)]
        exact = np.imag(((net.Sigma - product(moved)) ** 2).sum() / 2) / 1e-40
        yield gap(-(size(adjacency.gradient(net.A, net.energy, net.widths)) ** 2), exact)


@row("(29)", "adjacency.loss_velocity", test="adjacency.velocity_of_the_loss")
def _():
    """L̇ = -tr(ȦᵀȦ)."""
    for net in nets():
        A_dot = place(net.velocity, 1, net.widths)
        ours = adjacency.loss_velocity(net.A, net.energy, net.widths)
        yield gap(ours, -np.trace(A_dot.T @ A_dot))


def diagonal_blocks(net):
    """Traces of the diagonal blocks of ȦᵀȦ, beside those of the terms of (30)."""
    A_dot = place(net.velocity, 1, net.widths)
    edges = np.cumsum([0, *net.widths])
    gram = A_dot.T @ A_dot
    blocks = [np.trace(gram[a:b, a:b]) for a, b in itertools.pairwise(edges)]
    terms = []
    for j in range(1, net.h + 1):
        right = net.Xi @ chain(net.layers, 1, j - 1).T
        middle = chain(net.layers, j + 1, net.h)
        terms.append(np.trace(right.T @ middle @ middle.T @ right))
    return blocks, terms


@row("(30)", "adjacency.loss_velocity", test="adjacency.loss_falls_by_the_sum_over_layers")
def _():
    """L̇ = -Σ_j tr(…ᵀ …), the j-th being the block (j, j) of ȦᵀȦ."""
    for net in nets():
        blocks, terms = diagonal_blocks(net)
        yield gap(blocks[:-1], terms)
        yield gap(adjacency.loss_velocity(net.A, net.energy, net.widths), -sum(terms))


@printed("(30)", "in the proof block (j+1, j+1) of ȦᵀȦ")
def _():
    for net in nets():
        blocks, terms = diagonal_blocks(net)
        yield gap(blocks[1:], terms)


def lower_nearby(point):
    """The least loss at random small changes of the blocks Z, under that of the saddle."""
    generator, net, best = np.random.default_rng(8), point.net, np.inf
    for _ in range(60):
        Z = [B + 0.02 * generator.standard_normal(B.shape) for B in point.Z]
        moved = fibre_point(net.widths, net.sigma, point.S, Z, plain=True).net
        best = min(best, moved.loss)
    return best - point.value


@row("Proposition 14", "critical_points.classify", tol=0.0)
def _():
    """L is neither convex nor concave; minima are those of rank d_y, all others are saddles."""
    for net in nets():
        spectrum = np.linalg.eigvalsh(full_hessian(net.at([0.2 * W for W in net.layers])))
        yield float(not spectrum[0] < 0 < spectrum[-1])
    for point in CRITICAL:
        kind = critical_points.classify(point.net.layers, point.net.sigma).kind
        full = np.linalg.matrix_rank(point.net.W, tol=1e-8) == point.net.sigma.size
        yield float((kind == "minimum") != full)
        if point.Q:
            yield float(lower_nearby(point) >= 0 and least_eigenvalue(point.net) > -1e-9)


@row(
    "(31)",
    "critical_points.critical_value critical_points.classify",
    tol=1e-12,
    test="signatures.an_arc_is_the_loss_of_a_line_of_matrices",
)
def _():
    """A^h = blk_h(SΣ) and L = ½Σ(1 - s_i)σ_i²; every S occurs."""
    for point in CRITICAL:
        found = critical_points.classify(point.net.layers, point.net.sigma)
        yield float(found.signature != point.S)
        ours = critical_points.critical_value(point.net.sigma, point.S)
        yield abs(ours - point.net.loss)
        yield abs(found.value - point.net.loss)
    for point in CRITICAL[::9]:  # and the library's own points
        drawn = critical_points.sample(point.net.sigma, point.net.widths, point.S, rng=0)
        kept = np.where(np.isin(range(point.net.sigma.size), point.S), point.net.sigma, 0.0)
        yield size(product(drawn) - diagonal(kept, *point.net.Sigma.shape))
        yield size(flat(point.net.at(drawn).velocity))


@row("Proposition 15", "critical_points.graph critical_points.classify", tol=1e-12)
def _():
    """2^{d_y} levels; each unbounded unless h = 2, d_x = d_y, S = ∅; minima not isolated."""
    for sigma in ((2.0, 1.0), (3.0, 2.0, 1.0)):
        exact = sorted(
            sum(s**2 for i, s in enumerate(sigma) if i not in S) / 2 for S in subsets(len(sigma))
        )
        yield gap(sorted(critical_points.graph(sigma).values), exact)
    for point in CRITICAL:
        if point.S or any(Z.any() for Z in point.Z):
            far = stretched(point, 100.0)
            yield float(size(flat(far)) < 20)
            yield size(product(far) - point.net.W) / size(flat(far)) ** 2
            found = critical_points.classify(far, point.net.sigma)
            yield float(found.signature != point.S)


def stretched(point, factor):
    """A far point of the same level: by the first hidden basis, or along the ray of a Z_i."""
    layers = list(point.net.layers)
    if point.S:
        P = [factor * np.eye(d) for d in point.net.widths[1:-1]]
        return change(layers, P)
    p = max(range(len(layers)), key=lambda k: size(point.Z[k]))
    layers[p] = factor * layers[p]
    return tuple(layers)


@printed("Proposition 15", "every level unbounded: for h = 2, d_x = d_y that of S = ∅ is {0}")
def _():
    net = random_net((2, 3, 2), (2.0, 1.0)).at([np.zeros((3, 2)), np.zeros((2, 3))])
    yield float(np.abs(np.linalg.eigvalsh(full_hessian(net))).min())
    for seed in range(20):  # W_2W_1 = 0 off the origin: no critical point
        generator = np.random.default_rng(seed)
        W_1, W_2 = generator.standard_normal((3, 2)), generator.standard_normal((2, 3))
        W_2 = W_2 @ (np.eye(3) - W_1 @ np.linalg.pinv(W_1))
        yield size(flat(net.at([W_1, W_2]).velocity))


@row(
    "Proposition 16",
    "adjacency.is_annihilated adjacency.are_equivalent",
    tol=1e-12,
    test="equivalence.annihilated_additions_keep_the_product",
)
def _():
    """AZ = ZA = 0 and Z^h = 0 make P(A + Z)P⁻¹ equivalent to A."""
    for point in thinned(ALL_POINTS):
        widths = point.net.widths
        near = place(near_diagonal(widths, point.net.sigma, point.S), 1, widths)
        plain = fibre_point(widths, point.net.sigma, point.S, point.Z, plain=True)
        Z = plain.net.A - near
        yield size(near @ Z) + size(Z @ near) + size(np.linalg.matrix_power(Z, point.net.h))
        yield float(not adjacency.is_annihilated(near, Z, widths))
        yield float(not adjacency.are_equivalent(near, point.net.A, widths))
        yield size(
            np.linalg.matrix_power(point.net.A, point.net.h)
            - np.linalg.matrix_power(near, point.net.h)
        )


@row(
    "section 4.3",
    "critical_points.parametrise critical_points.assemble",
    tol=1e-10,
    note="constructive: P and Z from the weights, critical or not",
)
def _():
    """Over SΣ every point is P(A_1 + Z)P⁻¹ with Z_{1:h} = 0."""
    for point in ALL_POINTS:
        net = point.net
        S, P, Z = critical_points.parametrise(net.layers, net.sigma)
        yield float(S != point.S)
        again = fibre_point(net.widths, net.sigma, S, Z, plain=True).net
        yield size(flat(change(again.layers, P)) - flat(net.layers))
        if len(S) < net.sigma.size:
            yield size(product(Z))


@row("Proposition 17", "critical_points.graph critical_points.classify", tol=1e-12)
def _():
    """φ maps each level to one point SΣ of 2^{d_y} isolated ones, one of them the minimum."""
    for point in CRITICAL:
        kept = [s if i in point.S else 0.0 for i, s in enumerate(point.net.sigma)]
        yield size(point.net.W - diagonal(kept, *point.net.Sigma.shape))
    for sigma in ((2.0, 1.0), (3.0, 2.0, 1.0)):
        graph = critical_points.graph(sigma)
        yield abs(len(graph.signatures) - 2 ** len(sigma))
        yield abs(np.sum(graph.values == 0) - 1)
        yield float(len(set(graph.values)) != 2 ** len(sigma))


@row("(32)", "critical_points.assemble", tol=0.0)
def _():
    """The near-diagonal A_1."""
    for point in thinned(ALL_POINTS):
        net = point.net
        ours = critical_points.assemble(net.sigma, net.widths, point.S)
        yield size(flat(ours) - flat(near_diagonal(net.widths, net.sigma, point.S)))


@row(
    "(33)",
    "critical_points.assemble critical_points.classify",
    tol=1e-13,
    test="strings.all_strings_are_critical_and_fill_the_layers",
    note="critical if and only if r = d_y, or Z_{1:h} = 0 and Z_{1:j-1}Σ_QᵀZ_{j+1:h} = 0 for all j",
)
def _():
    """A* = P(A_1 + Z)P⁻¹, and which Z make it critical."""
    for point in ALL_POINTS:
        net = point.net
        ours = critical_points.assemble(net.sigma, net.widths, point.S, point.P, point.Z)
        yield size(flat(ours) - flat(net.layers))
        rest = size(flat(net.velocity)) < 1e-9
        yield float(rest != point.is_critical())
        kind = critical_points.classify(net.layers, net.sigma).kind
        yield float(rest != (kind != "regular"))


@printed("(33)", "critical only if two blocks Z_i are zero, which is not necessary")
def _():
    points = [point for point in ALL_POINTS if point.Q]
    verdicts = [sum(not Z.any() for Z in point.Z) >= 2 for point in points]
    truth = [size(flat(point.net.velocity)) < 1e-9 for point in points]
    yield np.mean(np.array(verdicts) != truth)


def strict(point):
    return least_eigenvalue(point.net) < -1e-9


KINDS = {True: "strict saddle", False: "non-strict saddle"}


@row(
    "Proposition 18",
    "critical_points.classify",
    tol=0.0,
    note="tightened: for all layers p < q, Z_{p+1:q-1} = 0 or Z_{1:p-1}Σ_QᵀZ_{q+1:h} = 0",
)
def _():
    """Minima, strict and non-strict saddles, against the spectrum of the full Hessian."""
    for point in CRITICAL:
        kind = critical_points.classify(point.net.layers, point.net.sigma).kind
        truth = KINDS[strict(point)] if point.Q else "minimum"
        yield float(kind != truth)
        yield float(point.is_strict() != strict(point))
    for seed, point in enumerate(CRITICAL[::4]):  # points the library draws
        net = point.net.at(
            critical_points.sample(point.net.sigma, point.net.widths, point.S, rng=seed)
        )
        kind = critical_points.classify(net.layers, net.sigma).kind
        truth = KINDS[least_eigenvalue(net) < -1e-9] if point.Q else "minimum"
        yield float(kind != truth)


@printed("Proposition 18", "A_1 is always tightened: at h = 2 every saddle is strict")
def _():
    for widths in ((3, 3, 2), (2, 2, 2), (4, 3, 2)):
        Z = [np.zeros((widths[1] - 1, widths[0])), np.zeros((1, widths[1] - 1))]
        yield float(strict(fibre_point(widths, (2.0, 1.0), (0,), Z)))


@printed("Proposition 18", "tightened is not defined; “three Z_i are zero” is sufficient only")
def _():
    points = [point for point in saddles() if point.leading and point.net.h == 4]
    verdicts = [sum(not Z.any() for Z in point.Z) >= 3 for point in points]
    yield np.mean(np.array(verdicts) == [strict(point) for point in points])


@row("Lemma 19", "adjacency.rho hessian.form", tol=1e-12, test="blocks.lemma_19")
def _():
    """ρ_k(PAP⁻¹, V) = ρ_k(A, P⁻¹VP), k = 1, …, h."""
    for net in nets():
        big = basis_matrix(gauge(net.widths), net.widths)
        inverse, V = np.linalg.inv(big), place(net.V, 1, net.widths)
        for k in range(1, net.h + 1):
            ours = adjacency.rho(big @ net.A @ inverse, V, k, net.h)
            yield gap(ours, words(net.A, inverse @ V @ big, k, net.h))


def words(A, V, k, h, exponents=None):
    """Σ A^{k_1}VA^{k_2}V ⋯ VA^{k_{m}}, Σk_i = h - k, m = k + 1 of them or as many as are named."""
    m, power = exponents or k + 1, np.linalg.matrix_power
    total = np.zeros_like(A)
    for counts in itertools.product(range(h - k + 1), repeat=m):
        if sum(counts) == h - k:
            term = power(A, counts[0])
            for count in counts[1:]:
                term = term @ V @ power(A, count)
            total += term
    return total


@row("(34)", "adjacency.rho", test="blocks.rho_is_the_sum_over_all_words")
def _():
    """ρ_k = Σ A^{k_1}VA^{k_2} ⋯ VA^{k_{k+1}}, k_1 + ⋯ + k_{k+1} = h - k."""
    for net in nets():
        V = place(net.V, 1, net.widths)
        for k in range(1, net.h + 1):
            yield gap(adjacency.rho(net.A, V, k, net.h), words(net.A, V, k, net.h))


@printed("(34)", "h exponents, of sum h - k")
def _():
    for net in nets()[1:3]:
        V = place(net.V, 1, net.widths)
        for k in range(1, net.h - 1):
            exact = words(net.A, V, k, net.h)
            yield gap(words(net.A, V, k, net.h, exponents=net.h), exact)


@row("(35)", "adjacency.rho", tol=1e-12, test="blocks.lemma_19")
def _():
    """ρ_k(PAP⁻¹, V) written out; outer P and P⁻¹ act as identities."""
    for net in nets():
        big = basis_matrix(gauge(net.widths), net.widths)
        V = place(net.V, 1, net.widths)
        moved = big @ net.A @ np.linalg.inv(big)
        for k in range(1, net.h + 1):
            yield gap(adjacency.rho(moved, V, k, net.h), words(moved, V, k, net.h))
