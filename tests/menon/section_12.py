"""Section 12: the Riemannian Langevin equation of a submersion, and of the deep linear network.

Generators are those of one step of the library's schemes, by cubature (`one_step.py`).
"""

# ruff: noqa: E741
# k and l are the paper's indices.

from __future__ import annotations

import itertools

import mpmath
import numpy as np

from dlngeo import balanced, entropy, langevin, metric, submersion
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
    tangent_space,
)
from menon.registry import printed, row, same
from one_step import Equation, exact_generator, scheme_generator

same("section 12.1, item 1", "There is an entropy S(x) = log vol(O_x)", "(6.2)")


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


BARE = {"energy": False, "gamma": 0.0}
FULL = {"gamma": 0.0}


@row(
    "section 12.1, item 3",
    "langevin.brownian_motion",
    tol=1e-6,
    test="langevin.brownian_motions_differ_by_the_gradient_of_the_entropy",
)
def _():
    """Δ(f∘φ) = (Δf + ⟨grad S, grad f⟩)∘φ."""
    for d, N in ((2, 2), (2, 3), (3, 2), (2, 5)):
        equation = Equation(d, N, 1.0, **BARE)
        yield gap(scheme_generator("upstairs", equation), exact_generator(equation))


@printed("section 12.1, item 3", "Brownian motion projects to Brownian motion")
def _():
    for d, N in ((2, 2), (2, 3), (3, 2), (2, 5)):
        equation = Equation(d, N, 1.0, **BARE)
        other = exact_generator(equation._replace(entropy=False))
        yield gap(scheme_generator("upstairs", equation), other)


@row(
    "(12.1)",
    "langevin.BalancedWeights langevin.submersion_sde",
    tol=1e-11,
    test="submersion.projections_are_those_of_brute_force",
)
def _():
    """Noise P_m dM + √κ P_m^⊥ dM."""
    for P in full():
        space = langevin.BalancedWeights(P.widths)
        units = np.eye(flat(P.layers).size)
        here = np.broadcast_to(flat(P.layers), units.shape)
        T, O = tangent_space(P), orbit_space(P)
        along_orbit, across = space.split(here, units)
        yield gap(along_orbit, O @ O.T)
        yield gap(across, T @ T.T - O @ O.T)


@row(
    "(12.2)",
    "langevin.BalancedWeights langevin.submersion_sde",
    tol=1e-6,
    test="langevin_orders.one_step_has_the_generator_of_the_equation",
)
def _():
    """The generator (1/β)(tr_{TO} Hess + κ tr_⊥ Hess)."""
    for kappa in (0.0, 0.3, 2.0):
        equation = Equation(2, 3, kappa, **BARE)
        yield gap(scheme_generator("upstairs", equation), exact_generator(equation))


@printed("(12.2)", "Δ_O is an “angular Laplacian”, which annihilates f∘φ")
def _():
    for kappa in (0.3, 2.0):
        equation = Equation(2, 3, kappa, **BARE)
        other = exact_generator(equation._replace(entropy=False))
        yield gap(scheme_generator("upstairs", equation), other)


def generators_of(scheme, *equations):
    for equation in equations:
        yield gap(scheme_generator(scheme, equation), exact_generator(equation))


CASES = [Equation(2, 2, 0.3), Equation(2, 3, 2.0), Equation(3, 2, 1.0, gamma=0.0)]


@row(
    "(12.3)",
    "langevin.simulate langevin.submersion_sde",
    tol=1e-6,
    test="langevin_laws.upstairs_projects_to_downstairs",
)
def _():
    """Upstairs dm = -grad L dt + P_m dM + √κ P_m^⊥ dM: its generator on f∘φ is that of (12.4)."""
    yield from generators_of("upstairs", *CASES)


@row(
    "(12.4)",
    "langevin.simulate",
    tol=1e-6,
    test="langevin_laws.upstairs_projects_to_downstairs",
)
def _():
    """Downstairs dx = -grad F dt + dX, X Brownian motion of strength κ/β."""
    yield from generators_of("weak2", *CASES)


same("(12.5)", "F = E - S/β", "Definition 12")


@row(
    "(12.6)",
    "langevin.simulate",
    tol=1e-6,
    test="langevin_laws.noise_in_the_gauge_alone_moves_w_by_curvature",
)
def _():
    """κ = 0, dm = -grad L dt + P_m dM: its generator on f∘φ is the derivative along -grad F."""
    yield from generators_of("upstairs", Equation(2, 2, 0.0), Equation(2, 3, 0.0))


@row(
    "(12.7)",
    "langevin.simulate flows.free_energy_flow",
    tol=1e-6,
    test="langevin_laws.noise_in_the_gauge_alone_moves_w_by_curvature",
    note="the flow itself: (6.7)",
)
def _():
    """κ = 0 downstairs: x′ = -grad F, without noise."""
    yield from generators_of("weak2", Equation(2, 2, 0.0), Equation(3, 3, 0.0))


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


def radial_laplacian(lam, N):
    """Δ|W|² = ρ⁻¹ Σ ∂_k(ρ ∂_k |λ^N|²)/N with ρ = van(λ²), (6.4), by differences in 60 digits."""
    with mpmath.workdps(60):
        lam = [mpmath.mpf(float(a)) for a in lam]

        def density(x):
            return mpmath.fprod(abs(a**2 - b**2) for a, b in itertools.combinations(x, 2))

        def flux(k, x):
            return density(x) * 2 * N * x[k] ** (2 * N - 1)

        total = sum(
            mpmath.diff(lambda t, k=k: flux(k, [*lam[:k], t, *lam[k + 1 :]]), lam[k])
            for k in range(len(lam))
        )
        return float(total / (N * density(lam)))


@row(
    "(12.9)",
    "metric.ito_drift metric.spectrum",
    tol=1e-12,
    test="metric.ito_drift_is_the_laplacian_of_the_entries",
)
def _():
    """Σ″ = (N - 1)Λ^{N-2}, with ΔW = Q_NΣ″Q_0ᵀ."""
    for P in full():
        drift, N = metric.ito_drift(P.W, P.N), P.N
        yield gap(drift, (P.Q[-1] * (N - 1) * P.lam ** (N - 2)) @ P.Q[0].T)
        whole = 2 * np.sum(P.W * drift) + 2 * np.sum(metric.spectrum(P.sigma, N))
        yield gap(whole, radial_laplacian(P.lam, N))


@row(
    "Theorem 18",
    "langevin.brownian_motion",
    tol=1e-6,
    test="langevin.brownian_motions_differ_by_the_gradient_of_the_entropy",
)
def _():
    """Brownian motion on (M_d, g^N): drift Q_NΣ″Q_0ᵀ/β and the noise of (12.10)."""
    bare = {"entropy": False, **BARE}
    for scheme in ("weak2", "euler"):
        yield from generators_of(scheme, Equation(2, 3, 1.0, **bare), Equation(3, 2, 1.0, **bare))


@row(
    "(12.10)",
    "metric.sqrt",
    tol=1e-12,
    test="langevin.short_time_mean_and_covariance",
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
    "(12.11)",
    "langevin.simulate",
    tol=1e-6,
    test="langevin_laws.upstairs_projects_to_downstairs",
)
def _():
    """Upstairs d**W** = -∇(E∘φ) dt + d**M**: its generator on f∘φ is that of (12.12)."""
    yield from generators_of("upstairs", Equation(2, 5, 0.6, **FULL), Equation(3, 3, 0.3, **FULL))


@row(
    "(12.12)",
    "langevin.simulate",
    tol=1e-6,
    test="langevin_laws.upstairs_projects_to_downstairs",
    note="also at depth inf and at any real depth, derived",
)
def _():
    """The equation dW = -grad F dt + dX, X by Theorem 18."""
    for scheme in ("weak2", "root", "euler"):
        yield from generators_of(scheme, Equation(2, 5, 0.6, **FULL), Equation(3, 3, 0.3, **FULL))


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
