"""Section 11: Dyson Brownian motion by submersion, and the sphere."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import dyson, langevin
from dlngeo._random import Streams
from dlngeo.langevin._submersion_sde import Tangential
from menon.material import gap, size
from menon.registry import row, same
from one_step import FIRST, cubature

X = np.array([-1.0, 0.2, 1.5])
PULL = np.array([sum(1 / (a - b) for b in X if b != a) for a in X])  # Σ_j 1/(x_i - x_j)
STEP = {"n_steps": 1, "n_paths": 6, "rng": 4}


def haar():
    generator = np.random.default_rng(1)
    Q, _ = np.linalg.qr(generator.standard_normal((3, 3)) + 1j * generator.standard_normal((3, 3)))
    return Q


U = haar()
M = (U * X) @ U.conj().T


def orbit_velocities():
    """An orthonormal basis of T_M O_x, [A, M] for anti-Hermitian A, and these A."""
    for i, j in itertools.combinations(range(3), 2):
        E = np.zeros((3, 3), complex)
        E[i, j] = 1
        for A in (E - E.T, 1j * (E + E.T)):
            A = U @ A @ U.conj().T / (np.sqrt(2) * abs(X[i] - X[j]))
            yield A, A @ M - M @ A


def split(H):
    """P_M H and P_M^⊥ H, by that basis."""
    basis = [V for _, V in orbit_velocities()]
    tangent = sum(np.sum(V.conj() * H, axis=(-2, -1)).real[..., None, None] * V for V in basis)
    return tangent, H - tangent


def noise(paths):
    """The Hermitian noise of the first step."""
    return langevin.HermitianMatrices(3).noise(Streams(STEP["rng"], range(paths)).normals(1, 9)[0])


def spread(space):
    """The covariance of a space's noise, by cubature."""
    points, mass = cubature(space.noise_size)
    H = space.noise(points).reshape(len(points), -1)
    H = np.concatenate((H.real, H.imag), axis=1)
    return np.einsum("p,pi,pj->ij", mass, H, H)


@row("(11.1)", "dyson.simulate", tol=1e-9, test="dyson.second_moment_and_centre_of_mass")
def _():
    """dx_i = Σ_j dt/(x_i - x_j) + √(2/β) dW_i."""
    for beta, dt in ((1.0, 0.1), (4.0, 0.01)):
        run = dyson.simulate(X, beta=beta, dt=dt, **STEP)
        x = run.x[:, 1]
        pull = (1 / (x[:, :, None] - x[:, None] + np.diag([np.inf] * 3))).sum(axis=2)
        normals = Streams(STEP["rng"], range(6)).normals(1, 3)[0]
        yield gap(x - X, dt * pull + np.sqrt(2 * dt / beta) * normals)


@row("(11.2)", "dyson.simulate", tol=0.0, test="dyson.implicit_step_solves_its_equation")
def _():
    """The chamber x_1 < ⋯ < x_d is not left for β ≥ 1."""
    for beta in (1.0, 2.0):
        run = dyson.simulate(X, beta=beta, dt=0.1, n_steps=200, n_paths=50, rng=0)
        yield float((np.diff(run.x, axis=-1) <= 0).any())


@row(
    "(11.3)",
    "langevin.HermitianMatrices",
    test="dyson.hermitian_noise_and_its_projections",
)
def _():
    """The orbit O_x = {UXU*}: its tangent space is [A, M], A anti-Hermitian."""
    space = langevin.HermitianMatrices(3)
    for A, V in orbit_velocities():
        curve = (np.eye(3) - 0.5 * A, np.eye(3) + 0.5 * A)  # Cayley: unitary
        turn = np.linalg.solve(*curve)
        yield gap(space.observe(turn @ M @ turn.conj().T), X)
        tangent, normal = space.split(M, V)
        yield gap(tangent, V)
        yield size(normal)


@row(
    "(11.4)",
    "dyson.simulate_lift langevin.HermitianMatrices",
    test="dyson.hermitian_noise_and_its_projections",
)
def _():
    """The equation dM = P_M dH + √(2/β) P_M^⊥ dH."""
    dt, covariance = 0.01, spread(langevin.HermitianMatrices(3))
    # ⟨H, A⟩ has variance ‖A‖²: the first nine coordinates are real parts, the others imaginary
    for A in (np.eye(3), np.outer(U[:, 0], U[:, 1].conj()) + np.outer(U[:, 1], U[:, 0].conj())):
        a = np.concatenate((np.ravel(A).real, np.ravel(A).imag))
        yield gap(a @ covariance @ a, size(A) ** 2)
    tangent, normal = split(noise(6))
    for beta in (1.0, 4.0, np.inf):
        run = dyson.simulate_lift(M, beta=beta, dt=dt, **STEP)
        yield gap(run.m[:, 1] - M, np.sqrt(dt) * (tangent + np.sqrt(2 / beta) * normal))


def eigenvalue_generator(beta, kappa, gradient=None, h=2e-5):
    """(E f(x_h) - f(x))/h of the eigenvalues x, extrapolated to h = 0: of x and of all x_i x_j."""
    stepper = Tangential(langevin.HermitianMatrices(3), beta, kappa, gradient)
    points, mass = cubature(9)

    def f(x):
        return np.concatenate(
            (x, (x[..., :, None] * x[..., None, :]).reshape(*x.shape[:-1], 9)), -1
        )

    def change(h):
        new = stepper.step(np.broadcast_to(M, (len(points), 3, 3)), points, h)
        return (mass @ f(np.linalg.eigvalsh(new)) - f(X)) / h

    return 2 * change(h / 2) - change(h)


def expected(drift, strength):
    """The generator of dx = drift dt + √(strength) dW on the same functions."""
    product = np.outer(drift, X) + np.outer(X, drift) + strength * np.eye(3)
    return np.concatenate((drift, product.ravel()))


@row(
    "Theorem 15",
    "dyson.simulate_lift dyson.simulate",
    tol=1e-6,
    test="dyson.eigenvalues_of_the_lift_have_the_law_of_dyson",
)
def _():
    """Eigenvalues of (11.4) obey (11.1); at β = ∞ orbits move by -½ of their mean curvature."""
    for beta in (1.0, 4.0, np.inf):
        yield gap(eigenvalue_generator(2.0, 2 / beta), expected(PULL, 2 / beta))
    curvature = sum(A @ V - V @ A for A, V in orbit_velocities())  # accelerations of e^{tA}Me^{-tA}
    _, normal = split(curvature)
    yield gap(-0.5 * np.diag(U.conj().T @ normal @ U).real, PULL)


def entropy_slope(x, step=2e-3):
    return np.array(
        [
            sum(c * dyson.log_orbit_volume(x + step * k * e) for k, c in FIRST.items()) / step
            for e in np.eye(len(x))
        ]
    )


@row("(11.5)", "dyson.log_orbit_volume", test="dyson.entropy_of_the_orbit")
def _():
    """S = log vol(O_x) = 2 log van(x) + C."""

    def log_volume(x):  # of the map A ↦ [A, X] from a fixed basis: half the log of its Gram matrix
        moves = []
        for i, j in itertools.combinations(range(len(x)), 2):
            E = np.zeros((len(x), len(x)), complex)
            E[i, j] = 1
            for A in (E - E.T, 1j * (E + E.T)):
                V = A * x - x[:, None] * A
                moves.append(np.concatenate((V.real.ravel(), V.imag.ravel())))
        return 0.5 * np.linalg.slogdet(np.array(moves) @ np.array(moves).T)[1]

    for one, two in ((X, 2 * X), (X, np.array([0.1, 0.3, 4.0]))):
        found = dyson.log_orbit_volume(two) - dyson.log_orbit_volume(one)
        yield gap(found, log_volume(two) - log_volume(one))


same("Remark 16", "The entropy of the orbit", "(11.5)")


@row(
    "(11.6)", "dyson.log_orbit_volume dyson.simulate", tol=1e-11, test="dyson.entropy_of_the_orbit"
)
def _():
    """The equation dx = ½∇S dt + √(2/β) dW."""
    yield gap(0.5 * entropy_slope(X), PULL)


@row("Remark 17", "dyson.simulate_lift langevin.submersion_sde", tol=0.0, test="menon.statement")
def _():
    """β of (11.4) is an anisotropy: (12.1) at inverse temperature 2 with κ = 2/β."""
    for beta in (1.0, 4.0):
        run = dyson.simulate_lift(M, beta=beta, dt=0.01, **STEP)
        other = langevin.submersion_sde(
            langevin.HermitianMatrices(3), M, beta=2.0, kappa=2 / beta, dt=0.01, **STEP
        )
        yield size(run.m - other.m)


def energy_slope(x):
    """E′ of E = Σ (x_i - i)²/2 + x_1 x_3."""
    return x - np.arange(3) + x[..., [2, 1, 0]] * [1, 0, 1]


def lifted(m):
    """∇L, L(M) = E(eig M)."""
    x, V = np.linalg.eigh(m)
    return (V * energy_slope(x)[..., None, :]) @ np.conj(np.swapaxes(V, -1, -2))


@row(
    "(11.7)",
    "langevin.submersion_sde langevin.HermitianMatrices",
    test="dyson.hermitian_noise_and_its_projections",
)
def _():
    """The equation dM = -∇L dt + √(2/β) (P_M dH + √κ P_M^⊥ dH)."""
    beta, kappa, dt = 3.0, 0.4, 0.01
    run = langevin.submersion_sde(
        langevin.HermitianMatrices(3), M, beta=beta, kappa=kappa, gradient=lifted, dt=dt, **STEP
    )
    tangent, normal = split(noise(6))
    force = (U * energy_slope(X)) @ U.conj().T
    exact = -dt * force + np.sqrt(2 * dt / beta) * (tangent + np.sqrt(kappa) * normal)
    yield gap(run.m[:, 1] - M, exact)


@row(
    "(11.8)",
    "langevin.submersion_sde dyson.log_orbit_volume",
    tol=1e-6,
    test="dyson.eigenvalues_of_the_lift_have_the_law_of_dyson",
)
def _():
    """The equation dx = -∇F dt + √(2κ/β) dW."""
    beta = 3.0
    for kappa in (0.0, 0.4, 2.0):
        exact = expected(-energy_slope(X) + entropy_slope(X) / beta, 2 * kappa / beta)
        yield gap(eigenvalue_generator(beta, kappa, lifted), exact)


same("(11.9)", "F = E - S/β", "(11.8)")


@row("(11.10)", "langevin.Sphere langevin.submersion_sde", test="menon.statement")
def _():
    """The equation dm = P_m dW, P_m = 1 - mmᵀ/|m|²."""
    for m in np.random.default_rng(0).standard_normal((5, 4)):
        P = np.eye(4) - np.outer(m, m) / (m @ m)
        tangent, normal = langevin.Sphere(4).split(np.broadcast_to(m, (4, 4)), np.eye(4))
        yield gap(tangent, P)
        yield gap(normal, np.eye(4) - P)


@row(
    "(11.11)",
    "langevin.Sphere langevin.submersion_sde",
    tol=1e-6,
    test="dyson.sphere_grows_by_minus_half_its_mean_curvature",
)
def _():
    """The radius grows by (d - 1)/2r."""
    for d in (2, 5):
        m = np.random.default_rng(0).standard_normal(d)
        r = np.linalg.norm(m)
        stepper = Tangential(langevin.Sphere(d), 2.0, 0.0, None)
        points, mass = cubature(d)

        def growth(h, m=m, r=r, stepper=stepper, points=points, mass=mass):
            new = stepper.step(np.broadcast_to(m, points.shape), points, h)
            return (mass @ np.linalg.norm(new, axis=-1) - r) / h

        yield gap(2 * growth(1e-5) - growth(2e-5), (d - 1) / (2 * r))
