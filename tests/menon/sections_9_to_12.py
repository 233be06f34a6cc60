"""Section 9, and section 12 as far as the library carries it."""

# ruff: noqa: E741
# k and l are the paper's indices.

from __future__ import annotations

import numpy as np

from dlngeo import balanced, entropy, metric, submersion
from dlngeo import weights as networks
from menon.material import (
    all_points,
    along,
    energy_for,
    flat,
    full,
    gap,
    hidden_turns,
    library_operator,
    log_volume,
    one_turn,
    operator,
    orbit_space,
    rank_one_minimisers,
    tangent_space,
)
from menon.registry import later, printed, row, same

same("Figure 9.1", "Conic sections", "(5.10)")


@row(
    "Figure 9.2",
    "submersion.vertical submersion.horizontal balanced.project_tangent",
    tol=1e-11,
    test="submersion.projections_are_those_of_brute_force",
)
def _():
    """M sliced into orbits: T_W M = vertical ⊕ horizontal."""
    for P in all_points():
        V, T = P.vectors, tangent_space(P)
        up, across = (
            flat(project(P.layers, V, rank=P.r))
            for project in (submersion.vertical, submersion.horizontal)
        )
        yield gap(up + across, T @ (T.T @ flat(V)))
        orbit = orbit_space(P)
        yield gap(up, orbit @ (orbit.T @ flat(V)))


later(
    "Figure 9.3",
    "Motion by curvature from tangential noise",
    "a law: its test compares samples; the figure is still open",
    "langevin.brownian_motion",
    test="dyson.sphere_grows_by_minus_half_its_mean_curvature",
)
later(
    "Figure 9.4",
    "Stochastic upstairs, deterministic downstairs",
    "a law: its test compares samples; the figure is still open",
    "langevin.simulate flows.free_energy_flow",
    test="langevin_laws.noise_in_the_gauge_alone_moves_w_by_curvature",
)


@row("Figure 9.5", "energies.MatrixCompletion", tol=1e-14, note="see (14.3)")
def _():
    """A rank-one curve in the zero set."""
    yield from rank_one_minimisers(np.geomspace(0.1, 10, 21))


def second_fundamental_trace(P):
    """Tr II of the orbit in M: accelerations of turning curves, projected on M ⊖ orbit."""
    turns = hidden_turns(P)
    velocities = np.array([flat(one_turn(P, p, A)) for p, A in turns])
    U, s, _ = np.linalg.svd(velocities, full_matrices=False)
    T, O = tangent_space(P), orbit_space(P)
    trace = 0.0
    for k in np.flatnonzero(s > 1e-9 * s[0]):
        A = [np.zeros((d, d)) for d in P.widths]
        for weight, (p, turn) in zip(U[:, k] / s[k], turns, strict=True):
            A[p] = A[p] + weight * turn
        trace = trace + flat(
            [
                A[p + 1] @ A[p + 1] @ W - 2 * A[p + 1] @ W @ A[p] + W @ A[p] @ A[p]
                for p, W in enumerate(P.layers)
            ]
        )
    return T @ (T.T @ trace) - O @ (O.T @ trace)


def lifted_force(P):
    slope_of_S = entropy.gradient(P.W, P.N, rank=P.r, widths=P.widths)
    return flat(submersion.horizontal_lift(P.layers, slope_of_S, rank=P.r))


@row(
    "section 12.1, item 2",
    "balanced.mean_curvature balanced.second_fundamental_form entropy.gradient",
    tol=1e-10,
    test="submersion.mean_curvature_is_the_trace_of_the_second_fundamental_form",
)
def _():
    """The entropy's gradient is -H, H the mean curvature of the orbit."""
    for P in all_points():
        H = second_fundamental_trace(P)
        yield gap(flat(balanced.mean_curvature(P.layers, rank=P.r)), H)
        steps = [networks.from_vector(v, P.widths) for v in orbit_space(P).T]
        II = [balanced.second_fundamental_form(P.layers, V, V, rank=P.r) for V in steps]
        yield gap(sum(flat(part) for part in II), H)
        yield gap(lifted_force(P), -H)


@printed("section 12.1, item 2", "grad S = H")
def _():
    for P in all_points():
        yield gap(lifted_force(P), flat(balanced.mean_curvature(P.layers, rank=P.r)))


later(
    "section 12.1, item 3",
    "Δ(f∘φ) = (Δf + ⟨grad S, grad f⟩)∘φ",
    "a law: its test compares samples; printed form differs: Brownian motion projects to "
    "Brownian motion",
    "langevin.brownian_motion",
    test="langevin.brownian_motions_differ_by_the_gradient_of_the_entropy",
)
later(
    "(12.2)",
    "The generator (1/β)(tr_{TO} Hess + κ tr_⊥ Hess)",
    "a law: its test compares samples; printed form differs: Δ_O is an “angular Laplacian”",
    "langevin.simulate",
    test="langevin_laws.upstairs_projects_to_downstairs",
)


@row(
    "(12.8)",
    "entropy.gradient",
    tol=1e-12,
    test="entropy.gradient_is_that_of_the_entropy",
    note="rank r adds Σ_p (d_p - r) λ_k^{N-2}, derived",
)
def _():
    """Σ′, with grad S = Q_NΣ′Q_0ᵀ."""
    for P in all_points():
        N, spare, force = P.N, sum(d - P.r for d in P.widths[1:-1]), []
        for k, a in enumerate(P.lam):
            pull = sum(
                N * a ** (2 * N - 1) / (a ** (2 * N) - b ** (2 * N)) - a / (a**2 - b**2)
                for l, b in enumerate(P.lam)
                if l != k
            )
            force.append(pull * a ** (N - 1) + spare * a ** (N - 2))
        exact = (P.Q[-1] * force) @ P.Q[0].T
        yield gap(entropy.gradient(P.W, N, rank=P.r, widths=P.widths), exact)


@row(
    "(12.10)",
    "metric.sqrt",
    tol=1e-12,
    test="metric.sqrt_is_the_positive_root",
    note="the noise alone; the process comes with the Langevin module",
)
def _():
    """Noise Q_N(√K ∘ dB)Q_0ᵀ, of covariance 𝒜."""
    for P in all_points():
        R = library_operator(P, metric.sqrt)
        yield gap(R @ R.T, operator(P))


@printed("(12.10)", "√K ∘ dB, not conjugated")
def _():
    for P in full():
        yield gap(np.diag(metric.spectrum(P.sigma, P.N).ravel()), operator(P))


@row(
    "(12.13)",
    "entropy.free_energy_gradient",
    tol=1e-12,
    test="free_energy.free_energy_and_gradient_are_golden",
)
def _():
    """The gradient of F is 𝒜(E′) - (1/β) Q_NΣ′Q_0ᵀ."""
    beta = 3.0
    for P in full():
        energy, Z = energy_for(P.layers), P.Z[0]
        dsigma = np.diag(P.Q[-1].T @ Z @ P.Q[0])
        rate = along(energy.value, (P.W,), (Z,))
        rate -= along(lambda s, N=P.N: log_volume(s, N), (P.sigma,), (dsigma,)) / beta
        gradient = entropy.free_energy_gradient(energy, P.W, P.N, beta)
        yield gap(Z.ravel() @ np.linalg.solve(operator(P), gradient.ravel()), rate)


later(
    "sections 10-12",
    "The Langevin equations (10.1)–(12.12)",
    "open: a row for each; tested as laws in test_langevin.py, test_dyson.py, test_root_chart.py",
    "langevin.simulate dyson.simulate",
    test="dyson.eigenvalues_of_the_lift_have_the_law_of_dyson",
)
