"""Section 10: the Langevin equation, in flat space and on a manifold."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import energies, entropy, equilibrium, langevin, metric
from dlngeo._random import Streams
from menon.material import full, gap, operator, point, size
from menon.registry import row
from one_step import FIRST, Equation, exact_generator, scheme_generator


def slope(f, x, step=2e-3):
    """Derivatives by the entries of x, by differences of sixth order: (entry, ...)."""
    units = np.eye(x.size).reshape(-1, *x.shape)
    return np.array([sum(c * f(x + step * k * E) for k, c in FIRST.items()) for E in units]) / step


@row(
    "(10.1)",
    "equilibrium.log_density",
    tol=1e-12,
    test="equilibrium.depth_one_is_gaussian",
    note="of singular values at N = 1, where van(Σ²) is the Jacobian",
)
def _():
    """The Gibbs density e^{-βV}/Z."""
    energy, beta = energies.Quadratic(np.zeros((3, 3))), 1.7
    one, two = (1.5, 0.9, 0.4), (2.0, 0.8, 0.1)
    found, exact = [], []
    for sigma in (one, two):
        found.append(equilibrium.log_density(energy, sigma, depth=1, beta=beta))
        pairs = itertools.combinations(sigma, 2)
        jacobian = sum(np.log(a**2 - b**2) for a, b in pairs)
        exact.append(-beta * np.sum(np.square(sigma)) / 2 + jacobian)
    yield gap(found[1] - found[0], exact[1] - exact[0])


@row("(10.2)", "langevin.simulate", test="langevin.short_time_mean_and_covariance")
def _():
    """Depth 1: dx = -∇V dt + √(2/β) dW."""
    start, target = np.array([[1.2, 0.3], [-0.4, 0.8]]), np.diag([0.5, -1.0])
    beta, dt = 3.0, 0.01
    run = langevin.simulate(
        energies.Quadratic(target), start, depth=1, beta=beta, dt=dt, n_steps=1, n_paths=5,
        rng=3, method="euler",
    )  # fmt: skip
    normals = Streams(3, range(5)).normals(1, 4).reshape(5, 2, 2)
    exact = -dt * (start - target) + np.sqrt(2 * dt / beta) * normals
    yield gap(run.W[:, 1] - start, exact)


@row(
    "(10.3)",
    "equilibrium.log_density entropy.free_energy_gradient",
    tol=1e-8,
    test="equilibrium.density_is_entropy_energy_and_volume",
    note="on (M_d, g^N) against its volume, with κ: (κ/β) grad log ρ = -grad F",
)
def _():
    """The Gibbs density carries no current: ∇ρ/β + ρ∇V = 0."""
    beta = 1.7
    for P, kappa in itertools.product(full(), (0.5, 2.0)):
        for N in (1, P.N):
            energy = energies.Quadratic(np.zeros(P.W.shape))

            def log_rho(s, N=N, kappa=kappa, energy=energy):
                lam = s ** (1 / N)
                pairs = itertools.combinations(lam, 2)
                volume = sum(np.log(a**2 - b**2) for a, b in pairs)
                found = equilibrium.log_density(energy, s, depth=N, beta=beta, kappa=kappa)
                return found - volume

            radial = (P.Q[-1] * slope(log_rho, P.sigma)) @ P.Q[0].T
            current = kappa / beta * (operator(P, N) @ radial.ravel())
            yield gap(current, -entropy.free_energy_gradient(energy, P.W, N, beta))


@row(
    "(10.4)",
    "metric.ito_drift metric.apply",
    tol=1e-8,
    test="metric.ito_drift_is_the_laplacian_of_the_entries",
    note="of the entries of W in (M_d, g^N)",
)
def _():
    """Δ_h f = ∂_i(√det(h) h^{ij} ∂_j f)/√det(h)."""

    def at(W, N):
        U, s, Vt = np.linalg.svd(W)
        return operator(point_of(U, s ** (1 / N), Vt, N), N)

    def weighted(W, N):
        A = at(W, N)
        return A / np.sqrt(np.linalg.det(A))

    for P in full():
        A = at(P.W, P.N)
        change = slope(lambda W, N=P.N: weighted(W, N), P.W)
        exact = np.einsum("bba->a", change) * np.sqrt(np.linalg.det(A))
        yield gap(metric.ito_drift(P.W, P.N), exact)
        units = np.eye(P.W.size).reshape(-1, *P.W.shape)
        yield gap(np.array([metric.apply(P.W, E, P.N).ravel() for E in units]), A)


def point_of(U, lam, Vt, N):
    """A point over U diag(λ^N) Vt: only the outer frames matter."""
    P = point((len(lam),) * (N + 1), lam)
    return P._replace(Q=[Vt.T, *P.Q[1:-1], U])


@row(
    "(10.5)",
    "langevin.simulate langevin.submersion_sde",
    tol=1e-6,
    test="langevin_orders.one_step_has_the_generator_of_the_equation",
    note="a generator: that of one step, by cubature",
)
def _():
    """The equation dx = -grad V dt + dB on a manifold: the generator Δ/β - grad V."""
    for N in (1, 2, 4):
        equation = Equation(2, N, 1.0, entropy=False)
        for scheme in ("weak2", "root", "euler"):
            exact = exact_generator(equation)
            yield size(scheme_generator(scheme, equation) - exact) / size(exact)
