"""Section 5: polar factors and the charts 𝔵, 𝔶, 𝔷."""

from __future__ import annotations

import itertools
import math

import numpy as np

from dlngeo import balanced, observables
from menon.material import (
    all_points,
    any_weights,
    flat,
    full,
    gap,
    point,
    product,
    root,
    size,
    tangent_space,
)
from menon.registry import printed, row, same
from menon.section_4 import imbalances


@row(
    "(5.1)",
    "balanced.to_right_polar balanced.to_left_polar",
    test="balanced.charts_x_and_y_and_back",
)
def _():
    """Polar factors: W = QP = RUᵀ."""
    for first, last, *_ in any_weights(square=True):
        Q, U = balanced.to_right_polar((first, last))[1][0], balanced.to_left_polar((first, last))
        U = U[1][0]
        for factor in (Q, U):
            yield size(factor.T @ factor - np.eye(len(factor)))
        yield gap(Q @ root(last.T @ last), last)
        yield gap(root(first @ first.T) @ U.T, first)


@row("(5.2)", "balanced.to_svd observables.singular_values", test="linalg.svd_is_a_thin_svd")
def _():
    """The singular value decomposition."""
    for layers in any_weights():
        for W in layers:
            (V_P, V_R), sigma = balanced.to_svd((W,))
            yield gap((V_R * sigma) @ V_P.T, W)
            yield size(V_R.T @ V_R - np.eye(sigma.size)) + size(V_P.T @ V_P - np.eye(sigma.size))
            yield gap(observables.singular_values(W), sigma)


@row("(5.3)", "balanced.to_svd", test="balanced.chart_z_and_back")
def _():
    """P = V_PΣV_Pᵀ, R = V_RΣV_Rᵀ."""
    for layers in any_weights():
        (V_P, V_R), sigma = balanced.to_svd((layers[0],))
        P, R = (V_P * sigma) @ V_P.T, (V_R * sigma) @ V_R.T
        yield gap(P @ P, layers[0].T @ layers[0])
        yield gap(R @ R, layers[0] @ layers[0].T)


@row(
    "(5.4)",
    "balanced.to_right_polar balanced.to_left_polar",
    tol=1e-11,
    test="balanced.charts_x_and_y_and_back",
)
def _():
    """Q = V_RV_Pᵀ, U = V_PV_Rᵀ."""
    # W (WᵀW)^{-½}, free of an SVD, has the square of W's condition number in its error.
    for first, last, *_ in any_weights(square=True):
        (V_P, V_R), _ = balanced.to_svd((last,))
        Q = last @ np.linalg.inv(root(last.T @ last))
        yield gap(V_R @ V_P.T, Q)
        yield gap(balanced.to_right_polar((first, last))[1][0], Q)
        (V_P, V_R), _ = balanced.to_svd((first,))
        U = first.T @ np.linalg.inv(root(first @ first.T))
        yield gap(V_P @ V_R.T, U)
        yield gap(balanced.to_left_polar((first, last))[1][0], U)


def charted():
    """Weights from the chart 𝔵 with G_p < 0, and from 𝔶 with G_p > 0."""
    generator = np.random.default_rng(6)
    for d, N in ((3, 3), (2, 4)):
        W, *turns = generator.standard_normal((N, d, d))
        turns = [np.linalg.qr(T)[0] for T in turns]
        squares = [A @ A.T / 2 for A in generator.standard_normal((N - 1, d, d))]
        below = [-S for S in squares]
        yield W, turns, below, balanced.from_right_polar(W, turns, below), squares


@row(
    "(5.5)",
    "balanced.from_right_polar balanced.to_right_polar",
    test="balanced.charts_x_and_y_and_back",
)
def _():
    """The chart 𝔵: (Q_N, …, Q_2, W_1) ↦ **W**."""
    for W_1, Q, G, layers, _ in charted():
        yield gap(flat(balanced.to_right_polar(layers)), flat([W_1, Q, G]))
    for layers in any_weights(square=True):
        yield gap(balanced.from_right_polar(*balanced.to_right_polar(layers)), layers)


@row("(5.6)", "balanced.from_right_polar", test="balanced.definite_imbalance_always_has_one_chart")
def _():
    """P_{p+1}² = R_p² - G_p."""
    for _, _, G, layers, _ in charted():
        for A, B, G_p in zip(layers, layers[1:], G, strict=False):
            yield gap(B.T @ B, A @ A.T - G_p)


@row("(5.7)", "balanced.from_right_polar", test="balanced.charts_x_and_y_and_back")
def _():
    """W_2 = Q_2 √(W_1W_1ᵀ - G_1)."""
    for W_1, Q, G, layers, _ in charted():
        exact = [W_1]
        for Q_p, G_p in zip(Q, G, strict=True):
            exact.append(Q_p @ root(exact[-1] @ exact[-1].T - G_p))
        yield gap(layers, exact)


same("(5.8)", "W_{p+1} = Q_{p+1} √(W_pW_pᵀ - G_p)", "(5.7)")


def right_roots(W_1, Q, G, squared):
    """P_1, ..., P_N by the iteration (5.9), P_1² = W_1ᵀW_1 or as printed."""
    U, sigma, Vt = np.linalg.svd(W_1)
    P = [(Vt.T * (sigma if squared else sigma**2)) @ Vt]
    for Q_p, G_p in zip([U @ Vt, *Q[:-1]], G, strict=True):
        P.append(root(Q_p @ P[-1] @ P[-1] @ Q_p.T - G_p))
    return P


@row(
    "(5.9)",
    "balanced.from_right_polar",
    test="balanced.definite_imbalance_always_has_one_chart",
    note="smooth where each root's argument is > 0; G_p < 0 suffices",
)
def _():
    """P_1² = W_1ᵀW_1, P_{p+1} = √(Q_pP_p²Q_pᵀ - G_p)."""
    for W_1, Q, G, layers, _ in charted():
        yield gap([root(W.T @ W) for W in layers], right_roots(W_1, Q, G, squared=True))


@printed("(5.9)", "P_1 = W_1ᵀW_1")
def _():
    for W_1, Q, G, layers, _ in charted():
        yield gap(right_roots(W_1, Q, G, squared=False), [root(W.T @ W) for W in layers])


@row("(5.10)", "balanced.from_right_polar", test="balanced.conics_of_width_one")
def _():
    """Width 1: w_{p+1} = v_{p+1} √(w_p² - g_p)."""
    w, v, g = [0.8], [1.0, -1.0, -1.0], [-0.3, 0.5, -1.1]
    for v_p, g_p in zip(v, g, strict=True):
        w.append(v_p * math.sqrt(w[-1] ** 2 - g_p))
    ours = balanced.from_right_polar([[0.8]], [[[x]] for x in v], [[[x]] for x in g])
    yield gap(ours, w)


@row(
    "(5.11)",
    "balanced.from_left_polar balanced.to_left_polar",
    test="balanced.charts_x_and_y_and_back",
)
def _():
    """The chart 𝔶: (W_N, U_{N-1}, …, U_1) ↦ **W**."""
    for W_N, U, _, _, G in charted():
        layers = balanced.from_left_polar(W_N, U, G)
        yield gap(flat(balanced.to_left_polar(layers)), flat([W_N, U, G]))
    for layers in any_weights(square=True):
        yield gap(balanced.from_left_polar(*balanced.to_left_polar(layers)), layers)


@row(
    "(5.12)",
    "balanced.from_left_polar",
    test="balanced.definite_imbalance_always_has_one_chart",
    note="smooth where each root's argument is > 0; G_p > 0 suffices, the sign opposite to (5.9)",
)
def _():
    """W_p = √(W_{p+1}ᵀW_{p+1} + G_p) U_pᵀ."""
    for W_N, U, _, _, G in charted():
        exact = [W_N]
        for U_p, G_p in zip(U, G[::-1], strict=True):
            exact.insert(0, root(exact[0].T @ exact[0] + G_p) @ U_p.T)
        yield gap(balanced.from_left_polar(W_N, U, G), exact)


@row("(5.13)", "balanced.from_svd", test="balanced.chart_z_is_balanced_and_multiplies_to_its_svd")
def _():
    """The chart 𝔷 is balanced."""
    for P in all_points():
        yield size(imbalances(balanced.from_svd(P.Q, P.lam)))


@row(
    "(5.14)",
    "balanced.from_right_polar balanced.to_left_polar",
    test="balanced.lift_is_balanced_over_w",
)
def _():
    """On M: R_p = P_{p+1}, W_p = R_pV_pᵀ, P_p = V_pR_pV_pᵀ."""
    for W_1, Q, _, _, _ in charted():
        layers = balanced.from_right_polar(W_1, Q)
        V = balanced.to_left_polar(layers)[1][::-1]
        for W_p, above, V_p in zip(layers, layers[1:], V, strict=False):
            R = root(W_p @ W_p.T)
            yield gap(R, root(above.T @ above))
            yield gap(W_p, R @ V_p.T)
            yield gap(V_p @ R @ V_p.T, root(W_p.T @ W_p))


@row("(5.15)", "balanced.from_svd balanced.to_svd", test="balanced.chart_z_and_back")
def _():
    """The chart 𝔷: (Λ, Q_N, …, Q_0) ↦ **W**."""
    for P in full():
        Q, lam = balanced.to_svd(balanced.from_svd(P.Q, P.lam))
        yield gap(lam, P.lam)
        signs = np.sign((Q[0] * P.Q[0]).sum(axis=0))
        yield from (gap(ours * signs, exact) for ours, exact in zip(Q, P.Q, strict=True))


@row("(5.16)", "balanced.from_svd", test="balanced.chart_z_is_balanced_and_multiplies_to_its_svd")
def _():
    """W_p = Q_pΛQ_{p-1}ᵀ, Λ = Σ^{1/N}."""
    for P in all_points():
        exact = [Q @ np.diag(P.lam) @ R.T for R, Q in itertools.pairwise(P.Q)]
        yield gap(balanced.from_svd(P.Q, P.lam), exact)


@row(
    "(5.17)",
    "balanced.from_svd balanced.lift",
    test="balanced.chart_z_is_balanced_and_multiplies_to_its_svd",
)
def _():
    """W = Q_NΣQ_0ᵀ."""
    for P in all_points():
        exact = P.Q[-1] @ np.diag(P.lam**P.N) @ P.Q[0].T
        yield gap(product(balanced.from_svd(P.Q, P.lam)), exact)
        yield gap(product(balanced.lift(exact, P.N, rank=P.r, widths=P.widths, rng=0)), exact)


@row(
    "(5.18)",
    "observables.singular_values balanced.to_svd",
    tol=0.0,
    test="observables.singular_values_decrease_and_are_not_negative",
    note="definition",
)
def _():
    """σ_1 ≥ σ_2 ≥ ⋯ ≥ σ_d."""
    for P in all_points():
        yield max(0.0, *np.diff(observables.singular_values(P.W)))
        yield max(0.0, *np.append(np.diff(balanced.to_svd(P.layers, rank=P.r)[1]), 0.0))


def deficient():
    return point((4, 4, 4), (1.3, 0.9, 0.6))


@row("(5.19)", "observables.singular_values", test="balanced.lift_through_other_widths_and_ranks")
def _():
    """Rank r: σ_{r+1} = ⋯ = σ_d = 0."""
    P = deficient()
    sigma = observables.singular_values(product(balanced.from_svd(P.Q, P.lam)))
    yield gap(sigma[: P.r], P.sigma)
    yield size(sigma[P.r :])


@printed("(5.19)", "σ_{d-r+1} = ⋯ = σ_d = 0")
def _():
    P = deficient()
    yield size(observables.singular_values(P.W)[4 - P.r :])


@row(
    "(5.20)",
    "balanced.dimension balanced.from_svd",
    tol=0.0,
    test="balanced.dimension_is_the_rank_of_the_chart",
)
def _():
    """𝔷_r: R_+^r × St(r, d)^{N+1} → M_r, dim M_r = r + (N + 1)(rd - r(r + 1)/2)."""
    for P in [*all_points(), deficient()]:
        ours = balanced.dimension(P.widths, P.r)
        yield abs(ours - tangent_space(P).shape[1])
        yield abs(ours - P.r - sum(P.r * d - P.r * (P.r + 1) // 2 for d in P.widths))


@printed("(5.20)", "R_+^d × St^{N+1}: d - r dimensions too many")
def _():
    P = deficient()
    print_ = 4 + (P.N + 1) * (4 * P.r - P.r * (P.r + 1) // 2)
    yield abs(print_ - balanced.dimension(P.widths, P.r)) / print_
