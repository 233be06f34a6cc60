"""Section 7: the proofs of Theorems 1-3, line by line."""

# ruff: noqa: E741
# k and l are the paper's indices.

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import balanced, metric, submersion
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
    operator,
    product,
    size,
)
from menon.registry import printed, row, same


@row(
    "(7.1)",
    "weights.gradient submersion.differential",
    test="weights.gradient_of_any_energy_is_the_complex_step",
)
def _():
    """∂E/∂W_{p,jk} = E′_{lm} ∂W_{lm}/∂W_{p,jk}."""
    for layers in any_weights():
        energy, widths = energy_for(layers), networks.widths(layers)
        slope_down = energy.gradient(product(layers))
        gradient = networks.to_vector(networks.gradient(energy, layers))
        for entry, e in zip(gradient, np.eye(gradient.size), strict=True):
            dW = submersion.differential(layers, networks.from_vector(e, widths))
            yield abs(entry - (slope_down * dW).sum()) / size(gradient)


@row("(7.2)", "weights.end_to_end", test="weights.layers_stand_in_network_order")
def _():
    """W_{lm} as a sum over all paths."""
    for layers in any_weights():
        letters = "abcdefg"[: len(layers) + 1]
        terms = ",".join(f"{b}{a}" for a, b in itertools.pairwise(letters))
        exact = np.einsum(f"{terms}->{letters[-1]}{letters[0]}", *layers)
        yield gap(networks.end_to_end(layers), exact)


def unit_derivatives():
    """(p, j, k), layers, the library's ∂W/∂W_{p,jk}."""
    for layers in any_weights():
        for p, W in enumerate(layers):
            for j, k in np.ndindex(*W.shape):
                V = [np.zeros_like(A) for A in layers]
                V[p][j, k] = 1.0
                yield (p, j, k), layers, tuple(V), submersion.differential(layers, V)


@row("(7.3)", "submersion.differential", test="submersion.differential_is_that_of_the_product")
def _():
    """∂W/∂W_{p,jk}."""
    for _, layers, V, ours in unit_derivatives():
        yield gap(ours, along(lambda *w: product(w), layers, V))


@row("(7.4)", "submersion.differential", test="submersion.differential_is_that_of_the_product")
def _():
    """∂W_{lm}/∂W_{p,jk} = (W_N⋯W_{p+1})_{lj} (W_{p-1}⋯W_1)_{km}."""
    for (p, j, k), layers, _, ours in unit_derivatives():
        above = product([np.eye(layers[p].shape[0]), *layers[p + 1 :]])
        below = product([np.eye(layers[0].shape[1]), *layers[:p]])
        yield gap(ours, np.outer(above[:, j], below[k]))


same("(7.5)", "W_p′ = -(W_N⋯W_{p+1})ᵀ E′ (W_{p-1}⋯W_1)ᵀ", "(3.5)")


def descending():
    for layers in any_weights():
        energy = energy_for(layers)
        velocity = [-V for V in networks.gradient(energy, layers)]
        yield layers, velocity, energy.gradient(product(layers))


@row("(7.6)", "weights.gradient", test="weights.gradient_flow_conserves_imbalances")
def _():
    """(W_pW_pᵀ)′ = W_p′W_pᵀ + W_pW_p′ᵀ."""
    for layers, velocity, _ in descending():
        for W, V in zip(layers, velocity, strict=True):
            yield gap(V @ W.T + W @ V.T, along(lambda X: X @ X.T, (W,), (V,)))


@row("(7.7)", "weights.gradient", test="weights.gradient_flow_conserves_imbalances")
def _():
    """W_p′W_pᵀ = -(W_N⋯W_{p+1})ᵀ E′ (W_p⋯W_1)ᵀ."""
    for layers, velocity, slope_down in descending():
        for p in range(len(layers) - 1):
            exact = -product(layers[p + 1 :]).T @ slope_down @ product(layers[: p + 1]).T
            yield gap(velocity[p] @ layers[p].T, exact)


@row("(7.8)", "weights.gradient", test="weights.gradient_flow_conserves_imbalances")
def _():
    """W_{p+1}ᵀW_{p+1}′ = -(W_N⋯W_{p+1})ᵀ E′ (W_p⋯W_1)ᵀ."""
    for layers, velocity, slope_down in descending():
        for p in range(len(layers) - 1):
            exact = -product(layers[p + 1 :]).T @ slope_down @ product(layers[: p + 1]).T
            yield gap(layers[p + 1].T @ velocity[p + 1], exact)


@row("(7.9)", "weights.gradient", test="weights.gradient_flow_conserves_imbalances")
def _():
    """W_p′W_pᵀ = W_{p+1}ᵀW_{p+1}′."""
    for layers, velocity, _ in descending():
        for p in range(len(layers) - 1):
            yield gap(velocity[p] @ layers[p].T, layers[p + 1].T @ velocity[p + 1])


@row("(7.10)", "submersion.differential", test="submersion.differential_is_that_of_the_product")
def _():
    """W′ = Σ_p W_N⋯W_p′⋯W_1."""
    for layers, velocity, _ in descending():
        exact = along(lambda *w: product(w), layers, velocity)
        yield gap(submersion.differential(layers, velocity), exact)


@printed("(7.10)", "three terms without an ellipsis, and a “general term” without a dot")
def _():
    for layers, velocity, _ in descending():
        if len(layers) > 3:
            three = (0, len(layers) - 2, len(layers) - 1)
            terms = [product((*layers[:p], velocity[p], *layers[p + 1 :])) for p in three]
            yield gap(sum(terms), submersion.differential(layers, velocity))


def partial_products(shift):
    """A_p against Q_NΣ^{(N-p+shift)/N}Q_{p-1}ᵀ, B_p against Q_pΣ^{p/N}Q_0ᵀ; their squares."""
    for P in all_points():
        layers, N = balanced.from_svd(P.Q, P.lam), P.N
        for p in range(1, N + 1):
            A, s = product(layers[p - 1 :]), P.sigma ** ((N - p + shift) / N)
            yield gap((P.Q[-1] * s) @ P.Q[p - 1].T, A)
            yield gap((P.Q[-1] * s**2) @ P.Q[-1].T, A @ A.T)
            if shift:
                B, s = product(layers[:p]), P.sigma ** (p / N)
                yield gap(B, (P.Q[p] * s) @ P.Q[0].T)
                yield gap(B.T @ B, (P.Q[0] * s**2) @ P.Q[0].T)


@row("(7.11)", "balanced.from_svd", test="metric.end_to_end_velocity_of_balanced_weights")
def _():
    """A_p = Q_NΣ^{(N-p+1)/N}Q_{p-1}ᵀ, B_p = Q_pΣ^{p/N}Q_0ᵀ."""
    yield from partial_products(1)


@printed("(7.11)", "the exponent (N - p)/n")
def _():
    yield from partial_products(0)


@row("(7.12)", "balanced.to_svd", test="linalg.svd_is_a_thin_svd")
def _():
    """W = Σ σ_j u_jv_jᵀ."""
    for P in all_points():
        (V, U), sigma = balanced.to_svd((P.W,), rank=P.r)
        yield gap(sum(s * np.outer(u, v) for s, u, v in zip(sigma, U.T, V.T, strict=True)), P.W)


@row(
    "Lemma 1",
    "metric.apply metric.spectrum",
    tol=1e-12,
    test="divided_differences.spectrum_is_that_of_the_operator",
)
def _():
    """𝒜 is symmetric, positive definite and diagonal on u_kv_lᵀ."""
    for P in full():
        A = library_operator(P, metric.apply)
        yield gap(A, A.T)
        values = np.linalg.eigvalsh(operator(P))
        yield float((values <= 0).any())
        yield gap(np.sort(metric.spectrum(P.sigma, P.N).ravel()), values)


def eigenvalue_rows(choose):
    """Residual of 𝒜 u_kv_lᵀ = K_kl u_kv_lᵀ, K from `choose(P)`, 𝒜 the sum (4.14)."""
    for P in full():
        K = choose(P)
        for k, l in np.ndindex(P.r, P.r):
            unit = np.outer(P.Q[-1][:, k], P.Q[0][:, l])
            yield k, l, gap(K[k, l] * unit, act(operator(P), unit))


@row(
    "(7.13)",
    "metric.spectrum",
    test="divided_differences.spectrum_is_that_of_the_operator",
    note="the case split is by σ_k ≠ σ_l, not by k ≠ l",
)
def _():
    """𝒜u_kv_lᵀ = (σ_k² - σ_l²)/(σ_k^{2/N} - σ_l^{2/N}) u_kv_lᵀ for σ_k ≠ σ_l."""
    yield from (
        error for k, l, error in eigenvalue_rows(lambda P: metric.spectrum(P.sigma, P.N)) if k != l
    )
    for N in (2, 3, 6):
        twin = metric.spectrum([1.3, 1.3, 0.4], N)
        yield gap(twin[0, 1], N * 1.3 ** (2 - 2 / N))


@printed("(7.13)", "denominators σ_k² - σ_l²: every eigenvalue 1")
def _():
    yield from (error for k, l, error in eigenvalue_rows(lambda P: np.ones((P.r, P.r))) if k != l)


@row("(7.14)", "metric.spectrum", test="divided_differences.spectrum_is_that_of_the_operator")
def _():
    """𝒜u_kv_kᵀ = Nσ_k^{2-2/N} u_kv_kᵀ."""
    yield from (
        error for k, l, error in eigenvalue_rows(lambda P: metric.spectrum(P.sigma, P.N)) if k == l
    )


def length_by_entries(P, diagonal):
    Z = P.Q[-1].T @ P.Z[0] @ P.Q[0]
    total = sum(diagonal(P.sigma[k], P.N) * Z[k, k] ** 2 for k in range(P.r))
    for k, l in itertools.permutations(range(P.r), 2):
        quotient = (P.lam[k] ** 2 - P.lam[l] ** 2) / (P.sigma[k] ** 2 - P.sigma[l] ** 2)
        total += quotient * Z[k, l] ** 2
    return total


@row("(7.15)", "metric.inner", tol=1e-12, test="metric.inner_is_the_trace_with_the_inverse")
def _():
    """g(Z, Z) = (1/N) Σ σ_k^{-2(1-1/N)} Z_kk² + Σ_{k≠l} Z_kl²/K_kl."""
    for P in full():
        Z = P.Z[0]
        exact = length_by_entries(P, lambda s, N: s ** (2 / N - 2) / N)
        yield gap(metric.inner(P.W, Z, Z, P.N), exact)


@printed("(7.15)", "N Σ σ_k^{2(1-1/N)} Z_kk²")
def _():
    for P in full():
        Z = P.Z[0]
        other = length_by_entries(P, lambda s, N: N * s ** (2 - 2 / N))
        yield gap(other, metric.inner(P.W, Z, Z, P.N))
