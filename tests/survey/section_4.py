"""Sections 4.1 and 4.2: convergence and the critical points."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import adjacency, critical_points, flows
from menon.material import flat, gap, product, size
from survey.material import chain, diagonal, full_hessian, integrate, nets, place, scalar
from survey.points import CRITICAL, fibre_point, least_eigenvalue, thinned
from survey.registry import printed, row


@row(
    "Proposition 12",
    "adjacency.norm_bound flows.gradient_flow critical_points.classify",
    tol=1e-11,
    test="boundedness.the_flow_stays_within_the_bound",
    note="pointwise convergence is Łojasiewicz's theorem: not numerical",
)
def _():
    """For t ≥ 0 paths are bounded; equilibria are the critical points; paths end at one."""
    for net in nets():
        bound = adjacency.norm_bound(net.A, net.Sigma, net.widths)
        for state in integrate(net, [0.5, 2.0]):
            yield max(0.0, size(state.A) / bound - 1)
    for net in nets()[:3]:
        run = flows.gradient_flow(net.energy, net.layers, (0, 1e3), gtol=1e-12, method="LSODA")
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
            yield float(least_eigenvalue(point.net) > -1e-9 and lower_nearby(point) >= 0)


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
