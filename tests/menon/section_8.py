"""Section 8 up to (8.16): the tangent space of M and the pullback metric."""

# ruff: noqa: E741
# k and l are the paper's indices.

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.linalg import block_diag, expm

from dlngeo import balanced
from dlngeo import weights as networks
from menon.material import (
    all_points,
    antisymmetric,
    flat,
    full,
    gap,
    one_turn,
    size,
    sorted_points,
    tangent_space,
    turned,
)
from menon.registry import printed, row, same


def moving(P, seed=8):
    """Random A_0, ..., A_N, antisymmetric, and θ."""
    generator = np.random.default_rng(seed)
    A = [M - M.T for M in (generator.standard_normal((d, d)) for d in P.widths)]
    return A, generator.standard_normal(P.r)


def chart_velocity(P, A, theta):
    return balanced.chart_differential(P.Q, P.lam, A, theta)


def chart_complex_step(P, A, theta):
    step = 1e-40j
    Q = [expm(step * A_p) @ Q_p for A_p, Q_p in zip(A, P.Q, strict=True)]
    layers = [(R * (P.lam + step * theta)) @ S.T for S, R in itertools.pairwise(Q)]
    return [W.imag / 1e-40 for W in layers]


@row(
    "(8.1)",
    "balanced.chart_differential",
    test="submersion.tangent_vectors_keep_balance_to_first_order",
)
def _():
    """D𝔷: the velocity of curves in the chart."""
    for P in all_points():
        A, theta = moving(P)
        exact = chart_complex_step(P, A, theta)
        yield gap(chart_velocity(P, A, theta), exact)
        yield gap(balanced.project_tangent(P.layers, exact, rank=P.r), exact)


@row("(8.2)", "balanced.chart_differential", test="submersion.projections_are_those_of_brute_force")
def _():
    """D𝔷(θ, A)_p = A_pW_p + Q_pθQ_{p-1}ᵀ - W_pA_{p-1}."""
    for P in all_points():
        A, theta = moving(P)
        yield gap(chart_velocity(P, A, theta), turned(P, A, theta))


@row(
    "(8.3)",
    "balanced.chart_differential balanced.project_tangent",
    tol=1e-12,
    test="submersion.projections_are_those_of_brute_force",
    note="definition",
)
def _():
    """Tangent vectors are the D𝔷(θ, A)."""
    for P in all_points():
        T = tangent_space(P)
        V = flat(chart_velocity(P, *moving(P)))
        yield gap(T @ (T.T @ V), V)
        exact = T @ (T.T @ flat(P.vectors))
        yield gap(flat(balanced.project_tangent(P.layers, P.vectors, rank=P.r)), exact)


@row("(8.4)", "weights.norm balanced.chart_differential", test="weights.norm_sums_all_squares")
def _():
    """‖V‖² = Σ_p Tr V_pᵀV_p."""
    for P in all_points():
        V = chart_velocity(P, *moving(P))
        yield gap(networks.norm(V) ** 2, sum(np.trace(A.T @ A) for A in V))


@printed("(8.4)", "Σ_k over an index that is not there: N Tr V_pᵀV_p")
def _():
    for P in full():
        V = chart_velocity(P, *moving(P))
        yield max(gap(P.N * np.trace(A.T @ A), networks.norm(V) ** 2) for A in V)


@row("(8.5)", "weights.norm balanced.chart_differential", note="by polarisation of the norm")
def _():
    """⟨V, V′⟩ = Σ_p Tr V_pᵀV_p′."""
    for P in all_points():
        V, U = chart_velocity(P, *moving(P)), chart_velocity(P, *moving(P, 1))
        both = [[A + s * B for A, B in zip(V, U, strict=True)] for s in (1, -1)]
        ours = (networks.norm(both[0]) ** 2 - networks.norm(both[1]) ** 2) / 4
        yield gap(ours, sum(np.trace(A.T @ B) for A, B in zip(V, U, strict=True)))


@printed("(8.5)", "Σ_k, and a comma in the trace: N Tr V_pᵀV_p′")
def _():
    for P in full():
        V, U = chart_velocity(P, *moving(P)), chart_velocity(P, *moving(P, 1))
        terms = [np.trace(A.T @ B) for A, B in zip(V, U, strict=True)]
        yield max(gap(P.N * term, sum(terms)) for term in terms)


@row("(8.6)", "balanced.orthonormal_basis", test="submersion.theorem_14_gives_an_orthonormal_basis")
def _():
    """**l**_i = D𝔷(e_i, 0)."""
    for P in sorted_points():
        l = balanced.orthonormal_basis(P.layers, rank=P.r).l
        zero = [np.zeros((d, d)) for d in P.widths]
        for i, e in enumerate(np.eye(P.r)):
            yield gap([part[i] * math.sqrt(P.N) for part in l], chart_complex_step(P, zero, e))


@row(
    "(8.7)",
    "balanced.pullback_metric",
    test="submersion.pullback_metric_is_golden",
    note="definition",
)
def _():
    """α_kl = (e_ke_lᵀ - e_le_kᵀ)/√2, of norm 1."""
    for d in (2, 3, 4):
        alpha = np.array([A.ravel() for A in antisymmetric(d)])
        yield size(alpha @ alpha.T - np.eye(d * (d - 1) // 2))
        yield abs(len(balanced.pullback_metric(np.ones(d), 2)) - len(alpha))


def gram(P, frame):
    """⟨·, ·⟩ of l_1, ..., l_d and, pair after pair, a^0_kl, ..., a^N_kl."""
    zero = [np.zeros((d, d)) for d in P.widths]
    vectors = [flat(turned(P, zero, e)) for e in np.eye(P.r)]
    for A in antisymmetric(P.r):
        vectors += [flat(one_turn(P, p, Q @ A @ Q.T if frame else A)) for p, Q in enumerate(P.Q)]
    return np.array(vectors) @ np.array(vectors).T


def pullback(P):
    return block_diag(P.N * np.eye(P.r), *balanced.pullback_metric(P.lam, P.N))


@row("(8.8)", "balanced.pullback_metric", test="submersion.pullback_metric_is_golden")
def _():
    """a^p_kl = D𝔷(0, Q_pα_klQ_pᵀ at p): the moving frame."""
    for P in full():
        yield gap(gram(P, frame=True), pullback(P))


@printed("(8.8)", "A^p_kl = α_kl, fixed: the Gram matrix is not block diagonal")
def _():
    for P in full()[:2]:  # plane rotations commute: d = 2 does not show it
        yield gap(gram(P, frame=False), pullback(P))


@row("Lemma 2", "balanced.pullback_metric", test="submersion.pullback_metric_is_golden")
def _():
    """The pullback metric is block diagonal."""
    for P in full():
        G, blocks = gram(P, frame=True), [np.ones((P.r, P.r))]
        blocks += [np.ones((P.N + 1, P.N + 1))] * (P.r * (P.r - 1) // 2)
        yield size(G * (1 - block_diag(*blocks))) / size(G)
        yield gap(G, pullback(P))  # pairs in lexicographic order


same("(8.9)", "Blocks: NI_d, then h^{1,2}, …, h^{d-1,d}", "Lemma 2")


@row("(8.10)", "balanced.pullback_metric", test="submersion.pullback_metric_is_golden")
def _():
    """h^{k,l} tridiagonal: λ_k² + λ_l², halved at both ends, and -λ_kλ_l."""
    for P in full():
        pairs = itertools.combinations(P.lam, 2)
        for (a, b), block in zip(pairs, balanced.pullback_metric(P.lam, P.N), strict=True):
            exact = np.zeros((P.N + 1, P.N + 1))
            for p in range(P.N):
                exact[p : p + 2, p : p + 2] += [
                    [(a**2 + b**2) / 2, -a * b],
                    [-a * b, (a**2 + b**2) / 2],
                ]
            yield gap(block, exact)


def in_frames(P, V):
    return [Q.T @ V_p @ R for R, Q, V_p in zip(P.Q, P.Q[1:], V, strict=False)]


@row(
    "(8.11)", "balanced.chart_differential", test="submersion.projections_are_those_of_brute_force"
)
def _():
    """Q_pᵀD𝔷_pQ_{p-1} = Q_pᵀA_pQ_pΛ + θ - ΛQ_{p-1}ᵀA_{p-1}Q_{p-1}."""
    for P in full():
        A, theta = moving(P)
        B = [Q.T @ A_p @ Q for A_p, Q in zip(A, P.Q, strict=True)]
        exact = [B[p + 1] * P.lam + np.diag(theta) - P.lam[:, None] * B[p] for p in range(P.N)]
        yield gap(in_frames(P, chart_velocity(P, A, theta)), exact)


@row(
    "(8.12)", "balanced.chart_differential", test="submersion.theorem_14_gives_an_orthonormal_basis"
)
def _():
    """A = 0: every Q_pᵀD𝔷_pQ_{p-1} is θ."""
    for P in all_points():
        A, theta = moving(P)
        V = chart_velocity(P, [0 * A_p for A_p in A], theta)
        yield gap(in_frames(P, V), [np.diag(theta)] * P.N)


@row(
    "(8.13)", "balanced.chart_differential", test="submersion.projections_are_those_of_brute_force"
)
def _():
    """θ = 0: Q_pᵀD𝔷_pQ_{p-1} = B_pΛ - ΛB_{p-1}, without a diagonal."""
    for P in all_points():
        A, theta = moving(P)
        parts = in_frames(P, chart_velocity(P, A, 0 * theta))
        B = [Q.T @ A_p @ Q for A_p, Q in zip(A, P.Q, strict=True)]
        if P.r > 1:
            yield gap(parts, [B[p + 1] * P.lam - P.lam[:, None] * B[p] for p in range(P.N)])
        yield max(size(np.diag(part)) for part in parts)


@row(
    "(8.14)", "balanced.chart_differential", test="submersion.theorem_14_gives_an_orthonormal_basis"
)
def _():
    """⟨D𝔷(θ, 0), D𝔷(0, A)⟩ = 0."""
    for P in all_points():
        A, theta = moving(P)
        one = flat(chart_velocity(P, [0 * A_p for A_p in A], theta))
        two = flat(chart_velocity(P, A, 0 * theta))
        yield abs(one @ two) / (size(one) * size(two))


@row("(8.15)", "balanced.pullback_metric", test="submersion.pullback_metric_is_golden")
def _():
    """Only neighbouring p, with the same α, meet off the diagonal."""
    for P in full():
        G = gram(P, frame=True)[P.r :, P.r :]
        index = [(pair, p) for pair in range(P.r * (P.r - 1) // 2) for p in range(P.N + 1)]
        far = np.array([[a != b or abs(p - q) > 1 for b, q in index] for a, p in index])
        yield size(G * far) / size(G)
        blocks = balanced.pullback_metric(P.lam, P.N)
        yield size(block_diag(*blocks) * far)


@row(
    "(8.16)",
    "balanced.pullback_metric",
    test="submersion.pullback_metric_is_golden",
    note="-λ_kλ_l beside the diagonal",
)
def _():
    """Tr α_ijΛα_klΛ = λ_iλ_j(δ_ilδ_jk - δ_ikδ_jl)."""
    lam = np.array([1.5, 0.9, 0.4, 0.2])
    pairs = list(itertools.combinations(range(4), 2))
    alpha = list(antisymmetric(4))
    beside = balanced.pullback_metric(lam, 3)[:, 0, 1]
    for a, (i, j) in enumerate(pairs):
        for b, (k, l) in enumerate(pairs):
            trace = np.trace(alpha[a] * lam @ alpha[b] * lam)
            yield abs(trace - lam[i] * lam[j] * ((i == l) * (j == k) - (i == k) * (j == l)))
            yield abs(trace - (beside[a] if a == b else 0.0))
