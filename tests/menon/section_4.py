"""Section 4 up to (4.22): the invariant varieties, 𝒜 and the metric."""

from __future__ import annotations

import itertools
import math

import numpy as np

from dlngeo import balanced, metric
from dlngeo import weights as networks
from menon.material import (
    act,
    all_points,
    along,
    any_weights,
    energy_for,
    full,
    gap,
    library_operator,
    lifted_slope,
    measured_velocity,
    operator,
    path,
    product,
    rank,
    size,
    slope,
    tangent_space,
)
from menon.registry import printed, row, same


def imbalances(layers):
    return [A @ A.T - B.T @ B for A, B in itertools.pairwise(layers)]


@row(
    "(4.1)",
    "weights.imbalance",
    test="weights.imbalance_has_this_sign_and_order",
    note="definition",
)
def _():
    """**G** is N - 1 symmetric matrices."""
    for layers in any_weights():
        G = networks.imbalance(layers)
        yield float(len(G) != len(layers) - 1)
        yield from (gap(A, A.T) for A in G)


@row(
    "(4.2)", "weights.imbalance balanced.residual", test="weights.imbalance_has_this_sign_and_order"
)
def _():
    """W_{p+1}ᵀW_{p+1} = W_pW_pᵀ - G_p."""
    for layers in any_weights():
        G = networks.imbalance(layers)
        for p in range(len(layers) - 1):
            yield gap(layers[p + 1].T @ layers[p + 1], layers[p] @ layers[p].T - G[p])


@row("(4.3)", "balanced.residual balanced.contains", test="balanced.charts_x_and_y_and_back")
def _():
    """The variety M_G."""
    for layers in any_weights():
        G = imbalances(layers)
        yield float(balanced.residual(layers, G))
        yield float(not balanced.contains(layers, G) or balanced.contains(layers))
        yield gap(
            balanced.residual(layers, [A + np.eye(len(A)) for A in G]),
            max(math.sqrt(len(A)) for A in G),
        )


@row("(4.4)", "balanced.residual weights.is_balanced", test="weights.balanced_both_ways")
def _():
    """W_{p+1}ᵀW_{p+1} = W_pW_pᵀ."""
    for P in all_points():
        yield float(balanced.residual(P.layers))
        yield float(not networks.is_balanced(P.layers))
    for layers in any_weights():
        yield gap(balanced.residual(layers), max(size(G) for G in imbalances(layers)))


@row(
    "(4.5)",
    "weights.random_balanced balanced.random",
    test="weights.random_balanced_layers_share_singular_values",
)
def _():
    """On M_0 all layers have the same singular values."""
    for P in all_points():
        for layers in (
            balanced.random(P.widths, P.sigma, rng=1),
            networks.random_balanced(P.widths, 1.0, rng=1),
        ):
            lam = [np.linalg.svd(W, compute_uv=False)[: min(P.widths)] for W in layers]
            yield from (gap(other, lam[0]) for other in lam[1:])


@row("(4.6)", "balanced.dimension", tol=0.0, test="balanced.printed_dimension_for_equal_widths")
def _():
    """M has dimension d² + (N - 1) d(d - 1)/2."""
    for P in full():
        d = P.r
        dimension = d**2 + (P.N - 1) * d * (d - 1) // 2
        yield abs(balanced.dimension(P.widths, d) - dimension)
        yield abs(tangent_space(P).shape[1] - dimension)


same("(4.7)", "The initial value problem", "(3.4)")


@row("(4.8)", "weights.imbalance", test="weights.golden_networks")
def _():
    """G_p = W_pW_pᵀ - W_{p+1}ᵀW_{p+1}, 1 ≤ p ≤ N - 1."""
    for layers in any_weights():
        yield gap(networks.imbalance(layers), imbalances(layers))


@printed("(4.8)", "the opposite sign, and p up to n")
def _():
    for layers in any_weights():
        ours = networks.imbalance(layers)
        yield gap([B.T @ B - A @ A.T for A, B in itertools.pairwise(layers)], ours)


@row(
    "Theorem 1",
    "flows.gradient_flow weights.imbalance weights.end_to_end_velocity",
    tol=1e-08,
    test="identities.imbalance_is_conserved_from_an_unbalanced_start",
)
def _():
    """Every M_G is invariant; W obeys (4.9)."""
    for layers in any_weights():
        energy, h = energy_for(layers), 5e-4
        run = path(energy, layers, 0.2 + h * np.arange(-2, 3))
        here = [W[2] for W in run.weights]
        yield gap(networks.imbalance(here), imbalances(layers))
        yield gap(networks.end_to_end_velocity(energy, here), measured_velocity(run, h))


@row("(4.9)", "weights.end_to_end_velocity", test="weights.end_to_end_velocity_is_the_printed_sum")
def _():
    """W′ = -Σ A_{p+1}A_{p+1}ᵀ E′ B_{p-1}ᵀB_{p-1}."""
    for layers in any_weights():
        energy = energy_for(layers)
        down = [-V for V in lifted_slope(energy.value, layers)]
        exact = along(lambda *w: product(w), layers, down)
        yield gap(networks.end_to_end_velocity(energy, layers), exact)


@row("(4.10)", "weights.end_to_end_velocity", test="weights.end_to_end_velocity_is_the_printed_sum")
def _():
    """A_p = W_N⋯W_p, B_p = W_p⋯W_1."""
    for layers in any_weights():
        energy, N = energy_for(layers), len(layers)
        A = [product(layers[p:]) for p in range(N)] + [np.eye(len(layers[-1]))]
        B = [np.eye(layers[0].shape[1])] + [product(layers[: p + 1]) for p in range(N)]
        slope_down = energy.gradient(A[0])
        exact = -sum(A[p + 1] @ A[p + 1].T @ slope_down @ B[p].T @ B[p] for p in range(N))
        yield gap(networks.end_to_end_velocity(energy, layers), exact)


@row(
    "Theorem 2",
    "flows.gradient_flow",
    tol=1e-08,
    test="identities.three_flows_are_one_from_a_balanced_start",
)
def _():
    """Balanced weights: W(t) obeys (4.11) by itself."""
    for P in full():
        energy = energy_for(P.layers)
        up, down = path(energy, P.layers, [1.0]), path(energy, P.W, [1.0], depth=P.N)
        yield gap(down.W[-1], product([W[-1] for W in up.weights]))


@row(
    "(4.11)",
    "metric.gradient weights.end_to_end_velocity",
    tol=1e-13,
    test="metric.end_to_end_velocity_of_balanced_weights",
    note="rank r: the zeroth power is the identity",
)
def _():
    """W′ = -Σ (WWᵀ)^{(N-k)/N} E′ (WᵀW)^{(k-1)/N}."""
    for P in all_points():
        energy = energy_for(P.layers)
        exact = -act(operator(P), slope(energy.value, P.W))
        yield gap(networks.end_to_end_velocity(energy, P.layers), exact)
        yield gap(-metric.gradient(energy, P.W, P.N, rank=P.r), exact)


@row("(4.12)", "metric.inner", test="metric.inner_is_bilinear_symmetric_and_positive")
def _():
    """g(Z, Z) is a squared length."""
    for P in full():
        Z = P.Z[0]
        values, vectors = np.linalg.eigh(operator(P))
        yield gap(metric.inner(P.W, Z, Z, P.N), ((vectors.T @ Z.ravel()) ** 2 / values).sum())


@row("(4.13)", "metric.inner", test="metric.inner_is_bilinear_symmetric_and_positive")
def _():
    """Polarisation."""
    for P in all_points():
        X, Y = P.Z
        lengths = [metric.inner(P.W, Z, Z, P.N, rank=P.r) for Z in (X + Y, X - Y)]
        yield gap(metric.inner(P.W, X, Y, P.N, rank=P.r), (lengths[0] - lengths[1]) / 4)


@row("(4.14)", "metric.apply", test="metric.apply_is_the_sum_4_14")
def _():
    """𝒜(Z) = Σ (WWᵀ)^{(N-k)/N} Z (WᵀW)^{(k-1)/N}."""
    for P in all_points():
        yield gap(library_operator(P, metric.apply), operator(P))


same("(4.15)", "W′ = -𝒜(E′)", "(4.11)")


@row("(4.16)", "metric.inner metric.solve", test="metric.inner_is_the_trace_with_the_inverse")
def _():
    """g(Z, Z) = Tr Zᵀ𝒜⁻¹Z."""
    for P in all_points():
        Z = P.Z[0]
        exact = Z.ravel() @ np.linalg.pinv(operator(P), rcond=1e-10) @ Z.ravel()
        yield gap(metric.inner(P.W, Z, Z, P.N, rank=P.r), exact)


@row("before (4.17)", "metric.apply", test="metric.transposition")
def _():
    """𝒜_W(Z)ᵀ = 𝒜_{Wᵀ}(Zᵀ)."""
    for P in all_points():
        Z = P.Z[0]
        left, right = metric.apply(P.W, Z, P.N, rank=P.r), act(operator(P), Z).T
        yield gap(left.T, right)
        yield gap(metric.apply(P.W.T, Z.T, P.N, rank=P.r), right)


@printed("before (4.17)", "𝒜_W(Z)ᵀ = 𝒜_W(Zᵀ)")
def _():
    for P in full():
        yield gap(metric.apply(P.W, P.Z[0].T, P.N), metric.apply(P.W, P.Z[0], P.N).T)


@row("(4.17)", "metric.inner", test="metric.inner_is_the_trace_with_the_inverse")
def _():
    """g(Z₁, Z₂) = Tr Z₁ᵀ𝒜⁻¹Z₂."""
    for P in full():
        X, Y = P.Z
        exact = X.ravel() @ np.linalg.solve(operator(P), Y.ravel())
        yield gap(metric.inner(P.W, X, Y, P.N), exact)


@row("(4.18)", "metric.gradient metric.inner", test="metric.gradient_represents_the_derivative")
def _():
    """dE(Z) = g(grad E, Z)."""
    for P in all_points():
        energy, Z = energy_for(P.layers), P.Z[0]
        gradient = metric.gradient(energy, P.W, P.N, rank=P.r)
        exact = along(energy.value, (P.W,), (Z,))
        yield gap(metric.inner(P.W, gradient, Z, P.N, rank=P.r), exact)


@row("(4.19)", "metric.gradient", test="metric.gradient_represents_the_derivative")
def _():
    """dE(Z) = Tr ZᵀE′ = g(grad E, Z), grad E = 𝒜(E′)."""
    for P in full():
        energy, Z = energy_for(P.layers), P.Z[0]
        exact = np.trace(Z.T @ slope(energy.value, P.W))
        gradient = metric.gradient(energy, P.W, P.N)
        yield gap(Z.ravel() @ np.linalg.solve(operator(P), gradient.ravel()), exact)


@printed("(4.19)", "g(grad E, Z) = Tr Zᵀ𝒜⁻¹E′")
def _():
    for P in full():
        slope_down = energy_for(P.layers).gradient(P.W)
        yield gap(metric.solve(P.W, slope_down, P.N), slope_down)


@row(
    "(4.20)",
    "metric.apply metric.solve",
    tol=0.0,
    test="metric.solve_below_full_rank_projects_on_the_tangent_space",
)
def _():
    """The rank-r matrices: dim = r(m + n - r)."""
    for P in all_points():
        m, n = P.W.shape
        yield abs(rank(library_operator(P, metric.apply)) - P.r * (m + n - P.r))
        yield abs(rank(P.W) - P.r)


@row(
    "Theorem 3",
    "flows.gradient_flow metric.gradient",
    tol=1e-08,
    test="identities.rank_deficient_balanced_start_stays_on_its_stratum",
)
def _():
    """W(t) stays on its rank and flows by -grad E there."""
    for P in all_points():
        energy = energy_for(P.layers)
        up = path(energy, P.layers, [0.5]).weights
        W = product([layer[-1] for layer in up])
        yield gap(path(energy, P.W, [0.5], depth=P.N, rank=P.r).W[-1], W)
        yield float(np.append(np.linalg.svd(W, compute_uv=False), 0.0)[P.r])


@row(
    "(4.21)",
    "metric.gradient",
    test="submersion.lifted_gradients_are_horizontal_lifts_of_riemannian_gradients",
)
def _():
    """W′ = -grad E(W)."""
    for P in all_points():
        energy = energy_for(P.layers)
        up = lifted_slope(energy.value, P.layers)
        exact = along(lambda *w: product(w), P.layers, up)
        yield gap(metric.gradient(energy, P.W, P.N, rank=P.r), exact)


@row(
    "(4.22)",
    "metric.inner metric.gradient",
    test="identities.energy_decreases_by_the_squared_riemannian_gradient",
)
def _():
    """dE/dt = -‖grad E‖²."""
    for P in all_points():
        energy = energy_for(P.layers)
        gradient = metric.gradient(energy, P.W, P.N, rank=P.r)
        up = lifted_slope(energy.value, P.layers)
        rate = along(lambda *w, E=energy: E.value(product(w)), P.layers, [-V for V in up])
        yield gap(-metric.inner(P.W, gradient, gradient, P.N, rank=P.r), rate)
