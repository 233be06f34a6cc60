"""Sections 4.3 and 4.4: fibres, their parametrisation, and what kind a critical point is."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import adjacency, critical_points
from menon.material import flat, gap, product, size
from survey.material import (
    basis_matrix,
    change,
    diagonal,
    full_hessian,
    gauge,
    nets,
    place,
    random_net,
)
from survey.points import (
    ALL_POINTS,
    CRITICAL,
    fibre_point,
    least_eigenvalue,
    near_diagonal,
    saddles,
    strict,
    subsets,
    thinned,
)
from survey.registry import printed, row


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
    tol=1e-12,
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
    test="intervals.all_intervals_are_critical_and_fill_the_layers",
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
