"""Sections 13 and 14: completion of 2 × 2 matrices, infinite depth, open questions."""

# ruff: noqa: E741
# k and l are the paper's indices.

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
from scipy.optimize import brentq

from dlngeo import balanced, entropy, flows, landscapes, langevin, metric, submersion
from dlngeo import weights as networks
from menon.material import (
    COMPLETION,
    act,
    antisymmetric,
    any_weights,
    flat,
    full,
    gap,
    infinite_operator,
    library_operator,
    one_turn,
    operator,
    orthonormal,
    point,
    rank_one_minimisers,
    size,
)
from menon.registry import later, printed, row

later(
    "section 13.3",
    "Jumps of the effective rank; clustering at low rank",
    "open: their times derived to leading order and measured in the studies (jumps), not proved",
    "observables.plateaus",
)


def null_space(rows):
    _, s, Vt = np.linalg.svd(np.array(rows))
    return Vt[np.sum(s > 1e-10 * s[0]) :]


@row(
    "section 13.4",
    "langevin.imbalance_drift langevin.simulate_unbalanced",
    tol=1e-10,
    test="unbalanced.mean_motion_of_the_imbalance",
    note="the conjecture itself is open; at N = 2, d_0 = d_2, noise restores balance where κ = 1, "
    "not at κ = 0",
)
def _():
    """The mean of dG under Itô noise tangent to the variety of G; at κ = 0 in the gauge."""
    beta = 3.0
    for layers in any_weights():
        widths = networks.widths(layers)
        units = [networks.from_vector(e, widths) for e in np.eye(sum(W.size for W in layers))]

        def turn(V, layers=layers):
            pairs = [V_p @ W.T + W @ V_p.T for W, V_p in zip(layers, V, strict=True)]
            pulls = [V_p.T @ W + W.T @ V_p for W, V_p in zip(layers, V, strict=True)]
            return flat([a - b for a, b in zip(pairs[:-1], pulls[1:], strict=True)])

        slopes = np.array([turn(V) for V in units]).T
        moves = np.array([flat(submersion.differential(layers, V)) for V in units]).T
        spaces = {1.0: null_space(slopes), 0.0: null_space(np.vstack((slopes, moves)))}
        for kappa, basis in spaces.items():
            exact = 0.0
            for v in basis:  # G is quadratic: its mean change is that of the second moments
                V = networks.from_vector(v, widths)
                pairs = [a @ a.T - b.T @ b for a, b in itertools.pairwise(V)]
                exact = exact + 2 / beta * flat(pairs)
            drift = langevin.imbalance_drift(layers, beta=beta, kappa=kappa)
            yield size(flat(drift) - exact) / max(size(exact), 1.0)


@row("(14.1)", "energies.MatrixCompletion", test="energies.value_is_the_definition")
def _():
    """E = ½((W_11 - 1)² + (W_22 - 1)²)."""
    for W in np.random.default_rng(0).standard_normal((5, 2, 2)):
        yield gap(COMPLETION.value(W), ((W[0, 0] - 1) ** 2 + (W[1, 1] - 1) ** 2) / 2)
        yield gap(COMPLETION.gradient(W), np.diag([W[0, 0] - 1, W[1, 1] - 1]))


@row(
    "(14.2)",
    "energies.MatrixCompletion",
    tol=0.0,
    test="energies.completion_does_not_read_outside_the_mask",
)
def _():
    """E = 0 on [[1, *], [*, 1]]."""
    for a, b in np.random.default_rng(0).standard_normal((5, 2)):
        yield float(COMPLETION.value([[1, a], [b, 1]]))


@row("(14.3)", "energies.MatrixCompletion observables.singular_values", tol=1e-14)
def _():
    """Rank one and E = 0 at [[1, a], [1/a, 1]], a ≠ 0."""
    yield from rank_one_minimisers([0.3, 1.0, 5.0, -0.3, -1.0, -5.0])


@row("(14.4)", "energies.MatrixCompletion", tol=1e-14, note="[[1, -1], [-1, 1]] attracts as well")
def _():
    """The low-rank minimiser [[1, 1], [1, 1]]."""
    yield from rank_one_minimisers([1.0, -1.0])


@row(
    "(14.5)",
    "metric.gradient",
    test="identities.completion_of_two_by_two_ends_where_its_invariants_say",
)
def _():
    """The flow of (14.1)."""
    for P in full():
        if P.r == 2:
            for N in (1, 2, 3, 6):
                exact = act(operator(P, N), COMPLETION.gradient(P.W))
                yield gap(metric.gradient(COMPLETION, P.W, N), exact)


@row(
    "section 14.1",
    "flows.gradient_flow",
    tol=1e-06,
    test="identities.completion_of_two_by_two_ends_where_its_invariants_say",
    note="rank-one starts: (2 cosh h)^{2/N} tanh h is conserved, h = log abs(a); at N = 2 every "
    "end is known, else one invariant of it: studies (landing)",
)
def _():
    """Where the flow of (14.1) ends."""
    for N in (2, 3):
        u, v = np.array([1.2, 0.5]), np.array([0.4, 0.9])
        W = np.outer(u, v)
        s = size(W) ** (2 / N)
        c = s * (u[0] ** 2 / (u @ u) - v[0] ** 2 / (v @ v))
        run = flows.gradient_flow(
            COMPLETION,
            W,
            (0, 200),
            depth=N,
            rank=1,
            method="DOP853",
            rtol=1e-10,
            atol=1e-12,
            t_eval=[200.0],
        )
        h = math.log(abs(run.W[-1][0, 1]))
        yield gap((2 * math.cosh(h)) ** (2 / N) * math.tanh(h), c)


@row(
    "section 14.2",
    "entropy.minimise_free_energy landscapes.plane",
    tol=1e-9,
    note="without weight decay F is unbounded below; with it all are known at every N > 1: "
    "studies (phases)",
)
def _():
    """The minimisers of F for (14.1)."""
    N, beta, gamma = 3, 2.0, 0.5  # γβ above (N - 1)/(N 2^{2/N}): two, m [[1, ±1], [±1, 1]]

    def slope_in_m(m):
        decay = gamma * (2 * m) ** (2 / N - 1) * 2
        return 2 * (m - 1) - (1 - 1 / N) / (beta * m) + decay

    m = brentq(slope_in_m, 0.1, 2, xtol=1e-14)
    found = entropy.minimise_free_energy(COMPLETION, N, beta, gamma, starts=6)
    order = np.argsort(found.points[:, 0, 1])
    yield gap(found.points[order], [[[m, -m], [-m, m]], [[m, m], [m, m]]])
    a, beta = 1.8, 20.0  # below it four, of rank one: a, 1/a, -a, -1/a
    gamma = (N - 1) / (N * beta * (a + 1 / a) ** (2 / N))
    landscape = landscapes.plane(
        COMPLETION, depth=N, beta=beta, weight_decay=gamma, extent=2.5, n=20, quantities=("F",)
    )
    points = landscape.points
    ends = points.coordinates[[kind == "minimiser" for kind in points.kind]]
    yield gap(np.sort(ends[:, 0]), [-a, -1 / a, 1 / a, a])
    for N in (2, 3):
        nowhere = entropy.minimise_free_energy(COMPLETION, N, beta)
        yield float(nowhere.family != "none")
        yield gap(nowhere.rate, (1 - 1 / N) / beta)


@row(
    "(14.6)",
    "metric.apply",
    tol=1e-12,
    test="metric.infinite_depth_is_the_limit_of_the_operator_over_n",
)
def _():
    """𝒜_N/N."""
    for P in full():
        for N in (7, 50):
            yield gap(library_operator(P, metric.apply, N) / N, operator(P, N) / N)
        limit = library_operator(P, metric.apply, math.inf)
        # The error has an expansion in 1/N: Richardson.
        values = [operator(P, 100 * 2**j) / (100 * 2**j) for j in range(5)]
        for j in range(1, 5):
            values = [(2**j * b - a) / (2**j - 1) for a, b in itertools.pairwise(values)]
        yield gap(values[0], limit)


@row("(14.7)", "metric.apply", tol=1e-12, test="metric.infinite_depth_is_the_integral_14_7")
def _():
    """𝒜_∞(Z) = ∫ (WWᵀ)^{1-s}Z(WᵀW)^s ds."""
    for P in full():
        yield gap(library_operator(P, metric.apply, math.inf), infinite_operator(P))


@row(
    "Lemma 3",
    "metric.apply metric.spectrum",
    tol=1e-12,
    test="divided_differences.relative_error_is_below_1e_13",
)
def _():
    """𝒜_∞ is symmetric, positive definite and diagonal on u_kv_lᵀ."""
    for P in full():
        A = library_operator(P, metric.apply, math.inf)
        yield gap(A, A.T)
        values = np.linalg.eigvalsh(infinite_operator(P))
        yield float((values <= 0).any())
        yield gap(np.sort(metric.spectrum(P.sigma, math.inf).ravel()), values)


def infinite_eigenvalues(diagonal, K):
    for P in full():
        for k, l in np.ndindex(P.r, P.r):
            if (k == l) == diagonal:
                unit = np.outer(P.Q[-1][:, k], P.Q[0][:, l])
                yield gap(K(P, k, l) * unit, act(infinite_operator(P), unit))


@row(
    "(14.8)", "metric.spectrum", tol=1e-12, test="divided_differences.relative_error_is_below_1e_13"
)
def _():
    """𝒜_∞u_kv_lᵀ = (σ_k² - σ_l²)/(2 log σ_k/σ_l) u_kv_lᵀ."""
    yield from infinite_eigenvalues(False, lambda P, k, l: metric.spectrum(P.sigma, math.inf)[k, l])


@row(
    "(14.9)", "metric.spectrum", tol=1e-12, test="divided_differences.relative_error_is_below_1e_13"
)
def _():
    """𝒜_∞u_kv_kᵀ = σ_k²u_kv_kᵀ."""
    yield from infinite_eigenvalues(True, lambda P, k, l: metric.spectrum(P.sigma, math.inf)[k, l])


@printed("(14.9)", "𝒜, which has Nσ_k^{2-2/N} there, for 𝒜_∞")
def _():
    for P in full():
        yield gap(np.diag(metric.spectrum(P.sigma, P.N)), P.sigma**2)


@row("(14.10)", "metric.inner", tol=1e-12, test="metric.golden")
def _():
    """g^∞(Z, Z)."""
    for P in full():
        Z = P.Z[0]
        exact = Z.ravel() @ np.linalg.solve(infinite_operator(P), Z.ravel())
        yield gap(metric.inner(P.W, Z, Z, math.inf), exact)


def entropy_limit(P):
    """Lim S_N - (d(d-1)/4) log N, without constants: Richardson in 50 digits at N = 10⁸, 2·10⁸."""
    with mpmath.workdps(50):

        def at(N):
            pairs = itertools.combinations([mpmath.mpf(float(s)) for s in P.sigma], 2)
            power = mpmath.mpf(2) / N
            return sum(mpmath.log((a**2 - b**2) / (a**power - b**power) / N) for a, b in pairs) / 2

        return float(2 * at(2 * 10**8) - at(10**8))


@row("(14.11)", "entropy.boltzmann", tol=1e-12, test="entropy.infinite_depth_is_the_limit")
def _():
    """S_∞ = ½ Σ log((σ_k² - σ_l²)/(2 log σ_k/σ_l))."""
    for P in full():
        yield gap(entropy.boltzmann(P.W, math.inf), entropy_limit(P))


@printed("(14.11)", "without the factor ½")
def _():
    for P in full():
        pairs = itertools.combinations(P.sigma, 2)
        other = sum(math.log((a**2 - b**2) / (2 * math.log(a / b))) for a, b in pairs)
        yield gap(other, entropy.boltzmann(P.W, math.inf))


later(
    "section 14.3",
    "The law of large width",
    "a limit: its tests measure moments, edge and spacings with error bars",
    "equilibrium.limit_moments equilibrium.limit_density large_width.converge",
    test="large_width_study.moments_reach_their_limits",
)


@row(
    "section 14.4",
    "metric.apply balanced.project_tangent",
    tol=1e-11,
    test="metric.repeated_singular_values_leave_no_choice_of_frame_visible",
    note="rank r: in every row that says so",
)
def _():
    """At repeated singular values 𝒜 and g know no frame."""
    P = point((3, 3, 3), (1.2, 1.2, 0.5))
    yield gap(library_operator(P, metric.apply), operator(P))
    # M_d is smooth there: Λ moves by every symmetric matrix, not by diagonal ones alone.
    units = [E + E.T for E in np.eye(9).reshape(-1, 3, 3)]
    moves = [flat([Q @ S @ R.T for R, Q in itertools.pairwise(P.Q)]) for S in units]
    moves += [flat(one_turn(P, p, A)) for p in range(P.N + 1) for A in antisymmetric(3)]
    T = orthonormal(moves)
    exact = T @ (T.T @ flat(P.vectors))
    yield gap(flat(balanced.project_tangent(P.layers, P.vectors)), exact)


later(
    "section 14.5", "Gradient and Hamiltonian structure together", "open: a question, no statement"
)
