"""Sections 3.1 to 3.3: the network as one matrix, its invariants and its Hessian form."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.linalg import block_diag

from dlngeo import adjacency, flows, hessian
from dlngeo import weights as networks
from menon.material import along, flat, gap, lifted_slope, product, size
from survey.material import (
    chain,
    commute,
    descent,
    full_hessian,
    integrate,
    nets,
    place,
    second,
    sum_over_layers,
    sym,
)
from survey.registry import printed, row, same


def in_shift_form(net, matrix):
    """What lies outside the blocks (p, p-1)."""
    edges = np.cumsum([0, *net.widths])
    ones = [np.ones((b, a)) for a, b in itertools.pairwise(np.diff(edges))]
    return size(matrix * (1 - place(ones, 1, net.widths)))


@row(
    "(10)",
    "adjacency.from_weights adjacency.to_weights",
    tol=0.0,
    note="definition",
    test="adjacency.weights_are_packed_in_blocks_and_read_back",
)
def _():
    """A = blk_1(W_1, …, W_h)."""
    for net in nets():
        yield size(adjacency.from_weights(net.layers) - net.A)
        yield size(flat(adjacency.to_weights(net.A, net.widths)) - flat(net.layers))


@row(
    "Proposition 4",
    "adjacency.loss adjacency.gradient",
    test="adjacency.gradient_is_the_exact_difference_over_every_free_entry",
)
def _():
    """L and its flow in terms of A; L(0) = ½‖Σ‖²."""
    for net in nets():
        slopes = lifted_slope(lambda W, S=net.Sigma: ((S - W) ** 2).sum() / 2, net.layers)
        ours = adjacency.gradient(net.A, net.energy, net.widths)
        yield gap(ours, place(slopes, 1, net.widths))
        yield gap(adjacency.loss(0 * net.A, net.energy, net.widths), size(net.Sigma) ** 2 / 2)


@printed("Proposition 4", "in the proof d/dA tr((A^h)ᵀA^h) without ½, and L(0) = ‖Σ‖²")
def _():
    for net in nets():
        once = [
            chain(net.layers, j + 1, net.h).T @ net.Sigma @ chain(net.layers, 1, j - 1).T
            for j in range(1, net.h + 1)
        ]
        other = [
            chain(net.layers, j + 1, net.h).T @ net.W @ chain(net.layers, 1, j - 1).T
            for j in range(1, net.h + 1)
        ]
        slopes = lifted_slope(lambda W, S=net.Sigma: ((S - W) ** 2).sum() / 2, net.layers)
        yield gap([2 * b - a for a, b in zip(once, other, strict=True)], slopes)
        yield gap(size(net.Sigma) ** 2, adjacency.loss(0 * net.A, net.energy, net.widths))


@row("(11)", "adjacency.loss", test="adjacency.loss_is_half_the_distance_in_the_corner")
def _():
    """L = ½‖E - A^h‖²."""
    for net in nets():
        power = np.linalg.multi_dot([net.A] * net.h)
        ours = adjacency.loss(net.A, net.energy, net.widths)
        yield gap(ours, size(net.E - power) ** 2 / 2)
        yield gap(ours, net.loss)


@row("(12)", "adjacency.gradient", test="adjacency.golden_networks")
def _():
    """Ȧ = Σ_j (A^{h-j})ᵀ(E - A^h)(A^{j-1})ᵀ."""
    for net in nets():
        ours = -adjacency.gradient(net.A, net.energy, net.widths)
        yield gap(ours, sum_over_layers(net))
        yield gap(ours, place(net.velocity, 1, net.widths))


@row("(13)", "adjacency.powers", test="adjacency.powers_hold_the_products")
def _():
    """A^h = blk_h(W_{1:h})."""
    for net in nets():
        yield gap(adjacency.powers(net.A, net.h)[-1], place([net.W], net.h, net.widths))


@row("(14)", "adjacency.loss_velocity", test="adjacency.velocity_of_the_loss")
def _():
    """L̇ = ⟨∇L, Ȧ⟩."""
    for net in nets():

        def loss(*layers, S=net.Sigma):
            return ((S - product(layers)) ** 2).sum() / 2

        exact = along(loss, net.layers, net.velocity)
        yield gap(adjacency.loss_velocity(net.A, net.energy, net.widths), exact)


@row(
    "Proposition 5",
    "flows.adjacency_flow adjacency.nilpotency_index",
    tol=0.0,
    test="flows.adjacency_flow_meets_golden_end",
    note="isospectral in the eigenvalues, all zero, not in the singular values",
)
def _():
    """A(t) keeps its form: nilpotent, all eigenvalues 0."""
    for net in nets()[:3]:
        run = flows.adjacency_flow(net.energy, net.A, net.widths, (0, 1), t_eval=[0.0, 0.5, 1.0])
        for layers in zip(*run.weights, strict=True):
            A = adjacency.from_weights(layers)
            yield in_shift_form(net, A)
            yield size(np.linalg.matrix_power(A, net.h + 1))
            yield abs(adjacency.nilpotency_index(A) - net.h - 1)


@printed("Proposition 5", "“isospectral” read as conserved singular values")
def _():
    for net in nets()[:3]:
        run = flows.adjacency_flow(net.energy, net.A, net.widths, (0, 1), t_eval=[0.0, 1.0])
        start, end = (adjacency.from_weights(layers) for layers in zip(*run.weights, strict=True))
        s = [np.linalg.svd(A, compute_uv=False) for A in (start, end)]
        yield gap(s[1], s[0])


@row("(15)", "adjacency.gradient", test="adjacency.gradient_is_that_of_the_weights")
def _():
    """Ȧ = blk_1(W_{2:h}ᵀΞ, W_{3:h}ᵀΞW_1ᵀ, …, ΞW_{1:h-1}ᵀ)."""
    for net in nets():
        ours = -adjacency.gradient(net.A, net.energy, net.widths)
        yield gap(
            flat(adjacency.to_weights(ours, net.widths)), flat(descent(net.layers, net.Sigma))
        )


@row("(16)", "adjacency.powers adjacency.blocks", test="adjacency.powers_hold_the_products")
def _():
    """Block (k+1, ℓ) of A^{k-ℓ+1} is W_{ℓ:k}."""
    for net in nets():
        for first in range(1, net.h + 1):
            for last in range(first, net.h + 1):
                band = last - first + 1
                power = adjacency.powers(net.A, net.h)[band]
                ours = adjacency.blocks(power, band, net.widths)[first - 1]
                yield gap(ours, chain(net.layers, first, last))


@row("(17)", "adjacency.gradient", test="adjacency.gradient_is_in_block_shift_form_to_the_last_bit")
def _():
    """(A^{h-j})ᵀ(E - A^h)(A^{j-1})ᵀ has only the block (j+1, j), which is Ẇ_j."""
    for net in nets():
        blocks = adjacency.to_weights(
            -adjacency.gradient(net.A, net.energy, net.widths), net.widths
        )
        for j in range(1, net.h + 1):
            power = np.linalg.matrix_power
            term = power(net.A, net.h - j).T @ net.M @ power(net.A, j - 1).T
            only = [B * (p == j - 1) for p, B in enumerate(blocks)]
            yield gap(term, place(only, 1, net.widths))


@row("(18)", "adjacency.commutator", test="adjacency.commutator_holds_the_imbalances")
def _():
    """Q = AAᵀ - AᵀA = blk_0(-W_1ᵀW_1, C_1, …, C_{h-1}, W_hW_hᵀ)."""
    for net in nets():
        first, last = net.layers[0], net.layers[-1]
        exact = block_diag(-first.T @ first, *net.C, last @ last.T)
        yield gap(adjacency.commutator(net.A), exact)


def Q_velocity(net):
    """d/dt [A, Aᵀ] along (12), by a complex step."""
    A, step = net.A + 1e-40j * sum_over_layers(net), 1e-40
    return np.imag(A @ A.T - A.T @ A) / step


@row(
    "Proposition 6",
    "adjacency.conserved adjacency.hidden_projection weights.imbalance",
    tol=1e-11,
    test="adjacency.gradient_flow_conserves_the_hidden_blocks",
    note="along paths; the tolerance is the other integrator's",
)
def _():
    """JQ(t) is constant, and JQ̇ = 0."""
    for net in nets():
        J = np.diag([0.0] * net.widths[0] + [1.0] * sum(net.widths[1:-1]) + [0.0] * net.widths[-1])
        yield size(adjacency.hidden_projection(net.widths) - J)
        yield size(J @ Q_velocity(net)) / size(Q_velocity(net))
        start, *later = integrate(net, [0.0, 0.7, 2.0])
        for state in later:
            ours = adjacency.conserved(state.A, net.widths)
            yield size(ours - J @ commute(start.A, start.A.T)) / size(start.A) ** 2
        yield gap(networks.imbalance(net.layers), net.C)


same("section 3.2", "The laws of the hidden layers", "Proposition 6")


def forms_of_19(net, sign):
    P, E, M = np.linalg.matrix_power(net.A, net.h), net.E, net.M
    yield sym(commute(P, M.T))
    yield sym(commute(M, P.T))
    yield sym(commute(P, E.T)) + sign * 2 * commute(P, P.T)


@row("(19)", "adjacency.commutator_velocity", test="adjacency.all_forms_of_19_and_its_misprint")
def _():
    """Q̇ = [A^h, Mᵀ] + [A^h, Mᵀ]ᵀ = [A^h, Eᵀ] + [A^h, Eᵀ]ᵀ - 2[A^h, (A^h)ᵀ]."""
    for net in nets():
        ours = adjacency.commutator_velocity(net.A, net.energy, net.widths)
        yield gap(ours, Q_velocity(net))
        for form in forms_of_19(net, -1):
            yield gap(ours, form)


@printed("(19)", "+2[A^h, (A^h)ᵀ] in the last line")
def _():
    for net in nets():
        *_, last = forms_of_19(net, +1)
        yield gap(last, Q_velocity(net))


def tensor_coefficients(net):
    """ρ_0, ρ_1, ρ_2 from A + εV with ε as a nilpotent matrix: powers of one larger matrix."""
    V = place(net.V, 1, net.widths)
    shift = np.diag([1.0, 1.0], -1)
    big = np.kron(np.eye(3), net.A) + np.kron(shift, V)
    power, n = np.linalg.matrix_power(big, net.h), len(V)
    return [power[k * n : (k + 1) * n, :n] for k in range(3)]


def remainder_order(net):
    """|L(A + εV) - its expansion to ε²| / ε³ for two steps."""
    _, first, twice = tensor_coefficients(net)
    slope = -(first * net.M).sum()
    curve = (first**2).sum() - 2 * (twice * net.M).sum()
    for step in (1e-2, 5e-3):
        moved = net.at([W + step * V for W, V in zip(net.layers, net.V, strict=True)])
        yield abs(moved.loss - net.loss - step * slope - step**2 / 2 * curve) / step**3


@row("(20)", "adjacency.rho", test="blocks.rho_is_the_sum_over_all_words")
def _():
    """ρ_1 = Σ_j A^{h-j}VA^{j-1}; the first variation of L is -tr(ρ_1(E - A^h)ᵀ)."""
    for net in nets():
        ours = adjacency.rho(net.A, place(net.V, 1, net.widths), 1, net.h)
        yield gap(ours, tensor_coefficients(net)[1])
        exact = along(lambda *w, S=net.Sigma: ((S - product(w)) ** 2).sum() / 2, net.layers, net.V)
        yield gap(-np.trace(ours @ net.M.T), exact)


@row("(21)", "adjacency.rho", test="blocks.rho_2_has_every_triple_once")
def _():
    """ρ_2 = Σ_{i+j+k=h-2} A^iVA^jVA^k."""
    for net in nets():
        ours = adjacency.rho(net.A, place(net.V, 1, net.widths), 2, net.h)
        yield gap(ours, tensor_coefficients(net)[2])


@row(
    "(22)",
    "hessian.form hessian.apply hessian.dense",
    test="hessian.form_and_product_are_second_derivatives",
)
def _():
    """𝔥(A, V) = ‖ρ_1‖² - 2 tr(ρ_2(E - A^h)ᵀ) = d²/dε² L(A + εV)."""
    for net in nets():
        exact = second(net, net.V)
        yield gap(hessian.form(net.energy, net.layers, net.V), exact)
        _, first, twice = tensor_coefficients(net)
        yield gap((first**2).sum() - 2 * np.trace(twice @ net.M.T), exact)
        yield gap(
            flat(hessian.apply(net.energy, net.layers, net.V)), full_hessian(net) @ flat(net.V)
        )
        yield gap(hessian.dense(net.energy, net.layers), full_hessian(net))


@printed("(22)", "a remainder o(ε³) in the expansion; it is O(ε³)")
def _():
    for net in nets():
        one, two = remainder_order(net)
        yield two / one  # would fall with ε
