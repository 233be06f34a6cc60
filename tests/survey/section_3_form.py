"""Sections 3.4 to 3.6: decompositions, changes of basis, norm, weight decay, numerical range."""

from __future__ import annotations

import numpy as np

from dlngeo import adjacency, flows
from menon.material import along, flat, gap, product, size
from survey.material import (
    basis_matrix,
    change,
    commute,
    diagonal,
    gauge,
    integrate,
    nets,
    place,
    sum_over_layers,
)
from survey.registry import printed, row


@row("Proposition 7", "adjacency.block_svd", test="block_svd.block_shift_decomposition")
def _():
    """A = UΛVᵀ with Λ = blk_1(Λ_1, …, Λ_h)."""
    for net in nets():
        U, Lambda, V = adjacency.block_svd(net.A, net.widths)
        yield gap(U @ Lambda @ V.T, net.A)
        values = [np.linalg.svd(W, compute_uv=False) for W in net.layers]
        exact = [diagonal(s, *W.shape) for s, W in zip(values, net.layers, strict=True)]
        yield gap(Lambda, place(exact, 1, net.widths))
        n, m = net.widths[0], net.widths[-1]
        yield size(U.T @ U - np.diag([0.0] * n + [1.0] * (len(U) - n)))
        yield size(V.T @ V - np.diag([1.0] * (len(V) - m) + [0.0] * m))


@row(
    "section 3.5",
    "adjacency.change_basis adjacency.are_equivalent",
    tol=1e-12,
    test="equivalence.a_change_of_basis_is_a_similarity",
)
def _():
    """A_2 = PA_1P⁻¹ is W_i → P_iW_iP_{i-1}⁻¹, of the same A^h."""
    for net in nets():
        P = gauge(net.widths)
        ours = adjacency.change_basis(net.A, P, net.widths)
        big = basis_matrix(P, net.widths)
        yield gap(ours, big @ net.A @ np.linalg.inv(big))
        yield gap(ours, place(change(net.layers, P), 1, net.widths))
        yield float(not adjacency.are_equivalent(net.A, ours, net.widths))


@row(
    "Proposition 8",
    "adjacency.change_basis adjacency.gradient flows.adjacency_flow",
    tol=1e-11,
    test="equivalence.orthogonal_changes_commute_with_the_flow",
)
def _():
    """The flow is equivariant under orthogonal changes of the hidden basis; Q turns with them."""
    for net in nets():
        P = gauge(net.widths, orthogonal=True)
        big = basis_matrix(P, net.widths)
        turned = adjacency.change_basis(net.A, P, net.widths)
        velocity = adjacency.gradient(turned, net.energy, net.widths)
        yield gap(velocity, -big @ sum_over_layers(net) @ big.T)
        yield gap(adjacency.commutator(turned), big @ commute(net.A, net.A.T) @ big.T)
        run = flows.adjacency_flow(
            net.energy,
            turned,
            net.widths,
            (0, 1),
            t_eval=[1.0],
            method="DOP853",
            rtol=1e-12,
            atol=1e-13,
        )
        (end,) = integrate(net, [1.0])
        yield gap(adjacency.from_weights([W[-1] for W in run.weights]), big @ end.A @ big.T)


@row(
    "Proposition 9",
    "adjacency.norm_velocity",
    tol=1e-12,
    test="adjacency.the_norm_rests_at_points_that_are_not_critical",
)
def _():
    """‖A‖ rests at critical points, and at W_i = a𝕀 of fitting a, which is none."""
    for net in nets():
        rest = ones(net)
        yield abs(adjacency.norm_velocity(rest.A, net.energy, net.widths))
        yield float(size(flat(rest.velocity)) < 0.1)


def ones(net):
    d, b = net.widths, np.prod(net.widths[1:-1], initial=1.0)
    a = (net.sigma.sum() / (b * d[0] * d[-1])) ** (1 / net.h)
    return net.at([a * np.ones(W.shape) for W in net.layers])


@printed(
    "Proposition 9",
    "A^{h-1}(E - A^h) ≠ 0 in the proof, a product that is always 0; meant is (A^{h-1})ᵀ(E - A^h)",
)
def _():
    for net in nets():
        rest = ones(net)
        power = np.linalg.matrix_power(rest.A, net.h - 1)
        yield float(size(power @ rest.M) == 0 and size(power.T @ rest.M) > 0.1)


@row("(23)", "adjacency.norm_velocity", test="adjacency.velocity_of_the_norm")
def _():
    """d/dt ‖A‖² = 2h⟨E - A^h, A^h⟩."""
    for net in nets():
        ours = adjacency.norm_velocity(net.A, net.energy, net.widths)
        yield gap(ours, 2 * net.h * (net.Xi * net.W).sum())
        yield gap(ours, 2 * flat(net.layers) @ flat(net.velocity))


@row(
    "Proposition 10",
    "adjacency.gradient flows.adjacency_flow",
    tol=1e-11,
    test="adjacency.gradient_with_weight_decay",
)
def _():
    """Weight decay adds -γA to the flow."""
    for net in nets():
        run = flows.adjacency_flow(
            net.energy,
            net.A,
            net.widths,
            (0, 1),
            t_eval=[1.0],
            weight_decay=0.3,
            method="DOP853",
            rtol=1e-12,
            atol=1e-13,
        )
        (end,) = integrate(net, [1.0], decay=0.3)
        yield gap(adjacency.from_weights([W[-1] for W in run.weights]), end.A)


def decayed(*layers, S, gamma=0.3):
    return (((S - product(layers)) ** 2).sum() + gamma * sum((W**2).sum() for W in layers)) / 2


@row("(24)", "adjacency.loss", test="adjacency.loss_is_the_energy_of_the_end_to_end_matrix")
def _():
    """L^reg = ½(‖E - A^h‖² + γ‖A‖²)."""
    for net in nets():
        ours = adjacency.loss(net.A, net.energy, net.widths, weight_decay=0.3)
        yield gap(ours, decayed(*net.layers, S=net.Sigma))


@row("(25)", "adjacency.gradient", test="adjacency.gradient_with_weight_decay")
def _():
    """Ȧ = Σ_j (A^{h-j})ᵀ(E - A^h)(A^{j-1})ᵀ - γA."""
    for net in nets():
        ours = adjacency.gradient(net.A, net.energy, net.widths, weight_decay=0.3)
        yield gap(-ours, sum_over_layers(net) - 0.3 * net.A)
        exact = along(lambda *w, S=net.Sigma: decayed(*w, S=S), net.layers, net.V)
        yield gap((ours * place(net.V, 1, net.widths)).sum(), exact)


@row(
    "Proposition 11",
    "adjacency.numerical_radius",
    test="numerical_range.the_support_is_the_same_in_every_direction",
)
def _():
    """The numerical range is a disk; spectra of A_sy and A_sk agree up to i and are symmetric."""
    for net in nets():
        radius, A = adjacency.numerical_radius(net.A), net.A
        for theta in (0.0, 0.4, 1.9):
            turned = np.exp(1j * theta) * A
            yield gap(np.linalg.eigvalsh((turned + turned.conj().T) / 2)[-1], radius)
        symmetric = np.linalg.eigvalsh((A + A.T) / 2)
        skew = np.linalg.eigvalsh((A - A.T) / 2j)
        yield gap(skew, symmetric)
        yield gap(-symmetric[::-1], symmetric)
        for k in range(2, net.h + 1):
            yield abs(np.trace(np.linalg.matrix_power(A, k).T @ A))
