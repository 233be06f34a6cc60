"""The face to sdeint: drift and diffusion against the generator, and sdeint's own paths."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy, metric
from dlngeo.interop.sdeint import equations


@pytest.mark.parametrize("depth", [1, 2, 3, 2.5, np.inf])
def test_generator_of_the_equations(depth, rng):
    # f and G Gᵀ/2 against (κ/β)Δ_g - g(grad F, grad ·) on a cubic test function, all by differences
    d, beta, kappa, h = 2, 3.0, 0.7, 1e-4
    W, target = rng.standard_normal((2, d, d)) + np.eye(d)
    energy = energies.Quadratic(target)
    C = rng.standard_normal((d, d))

    def test_function(X):
        return np.sum(C * X) ** 3 / 6 + X[0, 1] * X[1, 0]

    def free_energy(X):
        return float(entropy.free_energy(energy, X, depth, beta))

    units = np.eye(d * d).reshape(-1, d, d)

    def gradient(function, X):
        return np.array([(function(X + h * E) - function(X - h * E)) / (2 * h) for E in units])

    def flux(X):  # √|g| g^{-1} ∂φ
        matrix = np.array([metric.apply(X, E, depth).ravel() for E in units])
        return np.exp(metric.log_volume_density(X, depth)) * matrix @ gradient(test_function, X)

    divergence = sum(
        (flux(W + h * E) - flux(W - h * E))[b] / (2 * h) for b, E in enumerate(units)
    ) / np.exp(metric.log_volume_density(W, depth))
    A = np.array([metric.apply(W, E, depth).ravel() for E in units])
    slope = gradient(free_energy, W) @ A @ gradient(test_function, W)
    exact = kappa / beta * divergence - slope

    f, G = equations(energy, d, depth=depth, beta=beta, kappa=kappa)
    y = W.ravel()
    hessian = np.array(
        [
            (gradient(test_function, W + h * E) - gradient(test_function, W - h * E)) / (2 * h)
            for E in units
        ]
    )
    noise = G(y, 0.0)
    ours = f(y, 0.0) @ gradient(test_function, W) + 0.5 * np.trace(noise @ noise.T @ hessian)
    assert_allclose(ours, exact, rtol=2e-5, atol=2e-5)


def test_paths_of_sdeint_have_the_right_short_time_law(rng):
    sdeint = pytest.importorskip("sdeint")
    d, steps, paths, T = 2, 4, 1500, 0.02
    W = np.array([[1.5, 0.2], [-0.3, 1.0]])
    f, G = equations(energies.Quadratic(np.eye(2)), d, depth=3, beta=2.0)
    t = np.linspace(0, T, steps + 1)
    ends = np.array(
        [
            sdeint.itoEuler(f, G, W.ravel(), t, generator=np.random.default_rng(k))[-1]
            for k in range(paths)
        ]
    )
    covariance = T * G(W.ravel(), 0.0) @ G(W.ravel(), 0.0).T
    error = np.sqrt(np.diag(covariance) / paths)
    assert (np.abs(ends.mean(axis=0) - W.ravel() - T * f(W.ravel(), 0.0)) < 5 * error + 5e-4).all()
    assert_allclose(np.cov(ends.T), covariance, atol=5 * covariance.max() * np.sqrt(2 / paths))


def test_bad_input():
    energy = energies.Quadratic(np.eye(2))
    with pytest.raises(ValueError, match="beta"):
        equations(energy, 2, depth=2, beta=-1)
    with pytest.raises(ValueError, match="d must be"):
        equations(energy, 0, depth=2, beta=1)
    with pytest.raises(ValueError, match="depth"):
        equations(energy, 2, depth=0, beta=1)
    f, G = equations(energy, 2, depth=2, beta=1)
    for y in (np.eye(2), np.ones(3), np.ones((2, 4)), np.full(4, np.nan), 1.0):
        for function in (f, G):
            with pytest.raises(ValueError, match=r"^y must"):
                function(y, 0.0)
