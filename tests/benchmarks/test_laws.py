"""Exact laws and the peers' equation, which share no code with the library, beside the library."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from benchmarks.laws import LAWS, GibbsLaw, dimension
from benchmarks.peers.langevin import Problem, plain_numpy
from dlngeo import energies, equilibrium
from dlngeo.interop.sdeint import equations


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_drift_and_noise_of_the_peers_are_the_library_s(depth):
    problem = Problem(3, depth, 2.0, 1.0, 1.0, 0.4)
    f, G = equations(energies.Quadratic(np.eye(3)), 3, depth=depth, beta=2.0, weight_decay=0.4)
    W = problem.start()
    drift, diffuse = problem.fields(np, np.eye(3))
    assert_allclose(drift(W).ravel(), f(W.ravel(), 0.0), atol=1e-12)
    noise = np.stack([diffuse(W, B.reshape(3, 3)).ravel() for B in np.eye(9)], axis=1)
    assert_allclose(noise @ noise.T, G(W.ravel(), 0.0) @ G(W.ravel(), 0.0).T, atol=1e-12)


@pytest.mark.parametrize(("d", "depth"), [(2, 3), (4, 2), (3, 5)])
def test_the_density_is_homogeneous_of_that_degree(d, depth):
    lam = np.linspace(1.0, 2.0, d)[::-1]
    zero = energies.Quadratic(np.zeros((d, d)))

    def log_density(scale):
        sigma = (scale * lam) ** depth
        energy = 0.5 * (sigma**2).sum()
        return equilibrium.log_density(zero, sigma, depth=depth, beta=1.0) + energy

    degree = (log_density(2.0) - log_density(1.0)) / np.log(2)
    assert degree + d == pytest.approx(dimension(d, depth))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_euler_comes_to_the_exact_moments_as_steps_are_halved(law):
    starts = law.starts(4000, 0)

    def errors(steps):
        problem = law.problem.__class__(**{**vars(law.problem), "dt": law.time / steps})
        return law.error(plain_numpy(problem, steps, starts)(), starts)

    coarse, fine = errors(8), errors(64)
    assert max(map(abs, coarse.errors)) > 0.1
    for error, spread in zip(fine.errors, fine.standard_errors, strict=True):
        assert abs(error) < 0.08 + 4 * spread


def test_starts_in_equilibrium_have_its_moments():
    law = next(law for law in LAWS if isinstance(law, GibbsLaw))
    W = law.starts(200_000, 1)
    energy = (W**2).sum(axis=(1, 2)) / 2
    beta = law.problem.beta
    for sample, exact in zip((energy, np.exp(-beta * energy)), law.moments(), strict=True):
        assert abs(sample.mean() - exact) < 4 * sample.std() / np.sqrt(len(sample))
    # the share of singular values, by quadrature of the density in polar angle
    share = (W[:, 1, 1] / W[:, 0, 0]) ** (1 / 3)

    def density(t):
        x, y = np.cos(t) ** 2, np.sin(t) ** 2
        return (x - y) * np.sqrt(x * x + x * y + y * y) * (x**3 + y**3) ** -(dimension(2, 3) / 6)

    total = quad(density, 0, np.pi / 4)[0]
    mean = quad(lambda t: np.tan(t) * density(t) / total, 0, np.pi / 4)[0]
    assert abs(share.mean() - mean) < 4 * share.std() / np.sqrt(len(share))
