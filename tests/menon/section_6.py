"""Section 6: orbits, their volume, entropy, the volume of g^N, the submersion."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import expm

from dlngeo import balanced, energies, entropy, metric, submersion
from menon.material import (
    FULL,
    Point,
    Quartic,
    all_points,
    along,
    antisymmetric,
    differential_matrix,
    flat,
    full,
    gap,
    hidden_turns,
    log_volume,
    one_turn,
    point,
    product,
    size,
    tangent_space,
)
from menon.registry import later, printed, row, same
from menon.section_4 import imbalances


@row("(6.1)", "balanced.lift balanced.act", test="balanced.lift_is_balanced_over_w")
def _():
    """O_W: the balanced weights over W."""
    for P in all_points():
        for rng in (None, 0):
            layers = balanced.lift(P.W, P.N, rank=P.r, widths=P.widths, rng=rng)
            yield gap(product(layers), P.W)
            yield size(imbalances(layers))
        generator = np.random.default_rng(0)
        gauge = [np.linalg.qr(generator.standard_normal((d, d)))[0] for d in P.widths[1:-1]]
        moved = balanced.act(P.layers, gauge)
        yield gap(product(moved), P.W)
        yield size(imbalances(moved))


def rotation(t, axis):
    c, s = np.cos(t), np.sin(t)
    R = np.zeros((*t.shape, 3, 3))
    i, j = [k for k in range(3) if k != axis]
    R[..., axis, axis] = 1
    R[..., i, i] = R[..., j, j] = c
    R[..., i, j], R[..., j, i] = -s, s
    return R


def orbit_volume_3(lam):
    """vol(O_W) for d = 3, N = 2 over both components of O_3: Euler angles, Gram determinants."""
    x, w = np.polynomial.legendre.leggauss(24)
    a = np.arange(6) * np.pi / 3
    grid = np.meshgrid(a, (x + 1) * np.pi / 2, a, indexing="ij")
    weight = (w * np.pi / 2)[None, :, None] * (np.pi / 3) ** 2
    h = 1e-5

    def layers(angles):
        Q = rotation(angles[0], 2) @ rotation(angles[1], 0) @ rotation(angles[2], 2)
        return np.concatenate([Q * lam, np.swapaxes(Q * lam, -1, -2)], axis=-1)  # Q_0 = Q_2 = I

    tangents = []
    for i in range(3):
        up, down = ([g + s * h * (j == i) for j, g in enumerate(grid)] for s in (1, -1))
        tangents.append((layers(up) - layers(down)).reshape(*grid[0].shape, -1) / (2 * h))
    T = np.stack(tangents, axis=-2)
    return 2 * (np.sqrt(np.linalg.det(T @ np.swapaxes(T, -1, -2))) * weight).sum()


def orbit_volume_2(lam, N):
    """vol(O_W) for d = 2: N - 1 angles, each over both components; the Gram determinant summed."""
    count, total = 5, 0.0
    J = np.array([[0.0, -1.0], [1.0, 0.0]])
    for index in np.ndindex(*[count] * (N - 1)):
        turns = [expm(2 * np.pi * i / count * J) for i in index]
        P = Point([np.eye(2), *turns, np.eye(2)], np.array(lam))
        T = np.array([flat(one_turn(P, p, J)) for p in range(1, N)])
        total += math.sqrt(np.linalg.det(T @ T.T)) * (2 * np.pi / count) ** (N - 1)
    return 2 ** (N - 1) * total


@row(
    "(6.2)",
    "entropy.boltzmann entropy.orthogonal_group_log_volume",
    tol=1e-09,
    test="entropy.whole_orbit_by_quadrature",
)
def _():
    """vol(O_W) = c_d^{N-1} √(van Σ² / van Σ^{2/N}), c_d = vol_F(O_d)."""
    for lam, N in (([1.2, 0.7], 2), ([1.2, 0.7], 3), ([0.9, 0.3], 4)):
        S = entropy.boltzmann(np.diag(lam) ** N, N)
        yield gap(math.exp(S), orbit_volume_2(lam, N))
    lam = np.array([1.3, 0.8, 0.5])
    yield gap(math.exp(entropy.boltzmann(np.diag(lam) ** 2, 2)), orbit_volume_3(lam))


@printed("(6.2)", "c_d for “the standard Haar measure”, of total mass 1")
def _():
    pairs = math.sqrt((1.2**6 - 0.7**6) / (1.2**2 - 0.7**2))
    yield gap(pairs, orbit_volume_2([1.2, 0.7], 3))


def vandermonde(a):
    return np.linalg.det(np.vander(a, increasing=True))


@row("(6.3)", "entropy.boltzmann", tol=1e-12, test="entropy.entropy_and_gradient_are_golden")
def _():
    """The Vandermonde determinant Π (a_k - a_j), in absolute value."""
    for P in full():
        ratio = abs(vandermonde(P.sigma**2) / vandermonde(P.lam**2))
        constant = (P.N - 1) * entropy.orthogonal_group_log_volume(P.r)
        yield gap(math.exp(2 * (entropy.boltzmann(P.W, P.N) - constant)), ratio)


@printed("(6.3)", "signed: (-1)^{d(d-1)/2} for σ decreasing, a negative density in (6.4)")
def _():
    for d in (2, 3):
        a = np.array([1.5, 0.9, 0.4])[:d]
        yield gap(vandermonde(a), abs(vandermonde(a)))


def volume_by_gram(P):
    """√det of the library's g^N on the partial derivatives of Q_NΣQ_0ᵀ by σ, Q_0 and Q_N."""
    Q_0, Q_N, S = P.Q[0], P.Q[-1], np.diag(P.sigma)
    tangents = [Q_N @ np.diag(e) @ Q_0.T for e in np.eye(P.r)]
    for Q, place in ((Q_0, 0), (Q_N, 1)):
        full_frame = np.linalg.qr(np.hstack((Q, np.eye(len(Q)))))[0]
        full_frame[:, : P.r] = Q
        turns = [Q @ A for A in antisymmetric(P.r)]
        turns += [np.outer(n, e) for n in full_frame[:, P.r : len(Q)].T for e in np.eye(P.r)]
        tangents += [Q_N @ S @ dQ.T if place == 0 else dQ @ S @ Q_0.T for dQ in turns]
    T = np.array(tangents)
    gram = metric.inner(P.W, T[:, None], T[None], P.N, rank=P.r)
    density = metric.log_volume_density(P.W, P.N, rank=P.r)
    flat_T = T.reshape(len(T), -1)
    lebesgue = math.sqrt(np.linalg.det(flat_T @ flat_T.T))
    return math.sqrt(np.linalg.det(gram)), math.exp(density) * lebesgue


def volume_formula(P):
    """N^{-r/2} 2^{-r(r-1)/2} Π σ^{-(N-1)/N} Π abs(λ_k² - λ_l²) Π λ_k^{(m-r)+(n-r)}."""
    spare = len(P.Q[0]) + len(P.Q[-1]) - 2 * P.r
    constant = P.N ** (-P.r / 2) * 2 ** (-P.r * (P.r - 1) / 2)
    return constant * np.prod(P.lam ** (1 - P.N + spare)) * abs(vandermonde(P.lam**2))


@row(
    "Theorem 11",
    "metric.log_volume_density metric.inner",
    tol=1e-11,
    test="entropy.volume_density_is_golden",
    note="any rank and shape",
)
def _():
    """The volume form of g^N."""
    for P in all_points():
        for ours in volume_by_gram(P):
            yield gap(ours, volume_formula(P))


@row(
    "(6.4)",
    "metric.log_volume_density",
    tol=1e-11,
    test="entropy.volume_density_is_golden",
    note="every W is counted 2^d times",
)
def _():
    """√det g dW = N^{-d/2} 2^{-d(d-1)/2} det(Σ²)^{-(N-1)/2N} abs(van Σ^{2/N}) dΣdQ_0dQ_N."""
    for P in full():
        constant = P.N ** (-P.r / 2) * 2 ** (-P.r * (P.r - 1) / 2)
        exponent = -(P.N - 1) / (2 * P.N)
        rest = np.prod(P.sigma**2) ** exponent * abs(vandermonde(P.sigma ** (2 / P.N)))
        yield gap(volume_by_gram(P)[1], constant * rest)


@printed("(6.4)", "the exponent of det Σ² positive; constants dropped")
def _():
    for widths, lam in FULL:
        one, two = point(widths, lam), point(widths, [2 * lam[0], *lam[1:]])
        ratio = volume_by_gram(two)[1] / volume_by_gram(one)[1]

        def print_(P):
            exponent = (P.N - 1) / (2 * P.N)
            return np.prod(P.sigma**2) ** exponent * abs(vandermonde(P.sigma ** (2 / P.N)))

        yield gap(print_(two) / print_(one), ratio)


@row(
    "Theorem 10",
    "entropy.boltzmann entropy.orthogonal_group_log_volume",
    tol=1e-11,
    test="entropy.hidden_widths_by_gram_determinant",
    note="rank r and hidden widths: derived",
)
def _():
    """vol(O_W), by the Gram determinant at any d and N."""
    volume = {1: 2.0}  # O_d fibres over spheres, each metre of S^{d-1} being √2 long in O_{d-1}
    for d in (2, 3):
        sphere = 2 * math.pi ** (d / 2) / math.gamma(d / 2)
        volume[d] = volume[d - 1] * sphere * 2 ** ((d - 1) / 2)
    for P in full():
        T = np.array([flat(one_turn(P, p, P.Q[p] @ A @ P.Q[p].T)) for p, A in hidden_turns(P)])
        density = math.sqrt(np.linalg.det(T @ T.T))
        exact = volume[P.r] ** (P.N - 1) * density
        yield gap(math.exp(entropy.boltzmann(P.W, P.N)), exact)


@row(
    "Definition 12",
    "entropy.boltzmann entropy.free_energy",
    tol=1e-09,
    test="free_energy.free_energy_and_gradient_are_golden",
)
def _():
    """Entropy and free energy."""
    W, energy = np.diag([1.2**3, 0.7**3]), Quartic(np.ones((2, 2)))
    exact = energy.value(W) - math.log(orbit_volume_2([1.2, 0.7], 3)) / 5.0
    yield gap(entropy.free_energy(energy, W, 3, 5.0), exact)


same("(6.5)", "S = log vol(O_W)", "(6.2)")


same("(6.6)", "F = E - S/β", "Definition 12")


later(
    "(6.7)",
    "W′ = -grad F",
    "a path: its test compares another integrator; its right side is (12.13)",
    "flows.free_energy_flow entropy.free_energy_gradient",
    test="flows.free_energy_flow_descends_the_free_energy_and_meets_another_integrator",
)
later(
    "(6.8)",
    "The Riemannian Langevin equation",
    "a law: its tests compare samples, to 5 standard errors",
    "langevin.simulate",
    test="langevin.short_time_mean_and_covariance",
)


@row(
    "(6.9)",
    "entropy.minimise_free_energy",
    tol=1e-9,
    note="not one point in general: it may be empty, a pair, or a continuum; see section 14.2",
)
def _():
    """S_β = argmin F."""
    for phi, N, beta in (([2.0, 1.0], 3, 4.0), ([1.5, 0.8], 2, 2.0)):
        # By von Neumann's trace inequality the frames are those of Φ. σ = Φ + S′(σ)/β contracts.
        sigma = np.array(phi)
        for _ in range(80):
            force = [along(lambda x, N=N: log_volume(x, N), (sigma,), (e,)) for e in np.eye(2)]
            sigma = phi + np.array(force) / beta
        found = entropy.minimise_free_energy(energies.Quadratic(np.diag(phi)), N, beta, starts=4)
        yield gap(found.points, [np.diag(sigma)])


@row(
    "Theorem 13",
    "metric.inner submersion.horizontal_lift",
    tol=1e-10,
    test="submersion.horizontal_lift_is_an_isometry",
    note="r = d, 2 and 1; rectangular",
)
def _():
    """φ: M_r → rank-r matrices is a Riemannian submersion onto g^N."""
    for P in all_points():
        T, Z = tangent_space(P), P.Z[0]
        shortest = np.linalg.lstsq(differential_matrix(P) @ T, Z.ravel(), rcond=1e-10)[0]
        yield gap(submersion.horizontal_lift(P.layers, Z, rank=P.r), T @ shortest)
        yield gap(metric.inner(P.W, Z, Z, P.N, rank=P.r), shortest @ shortest)
