"""Section 13.4: noise tangent to G-balanced varieties moves the imbalance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import null_space

from dlngeo import balanced, energies, langevin, weights
from dlngeo.langevin import TangentNoise


def jacobian(function, m):
    h = 1e-6
    columns = [(function(m + h * e) - function(m - h * e)) / (2 * h) for e in np.eye(len(m))]
    return np.array(columns).T


def spaces(m, widths):
    """Projectors on ker dG and ker dG ∩ ker φ_* by differences and null spaces."""

    def G(m):
        parts = weights.imbalance(weights.from_vector(m, widths))
        return np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0)

    def W(m):
        return weights.end_to_end(weights.from_vector(m, widths)).ravel()

    dG, dW = jacobian(G, m), jacobian(W, m)
    tangent = null_space(dG, rcond=1e-7) if len(dG) else np.eye(len(m))
    kernel = null_space(np.concatenate((dG, dW)), rcond=1e-7)
    return tangent @ tangent.T, kernel @ kernel.T


@pytest.mark.parametrize("widths", [(1, 1, 1), (2, 2, 2), (2, 2, 2, 2), (3, 2, 4), (2, 3, 3, 1)])
def test_projectors_are_those_of_brute_force(widths, rng):
    m = weights.to_vector(weights.random(widths, 1.0, rng=rng))
    space = TangentNoise(widths)
    for found, exact in zip(space.projectors(m), spaces(m, widths), strict=True):
        assert_allclose(found, exact, atol=1e-8)
    v = rng.standard_normal(len(m))
    along, across = space.split(m, v)
    tangent, kernel = spaces(m, widths)
    assert_allclose(along, kernel @ v, atol=1e-8)
    assert_allclose(along + across, tangent @ v, atol=1e-8)


def test_one_node_moves_towards_balance():
    # d = 1, N = 2: dG = -(2/β) G/|w|² dt, a function of the path, without noise
    w, beta = (np.array([[1.3]]), np.array([[0.4]])), 1.0
    G = 1.3**2 - 0.4**2
    (drift,) = langevin.imbalance_drift(w, beta=beta)
    assert_allclose(drift, -2 / beta * G / (1.3**2 + 0.4**2), rtol=1e-13)
    run = langevin.simulate_unbalanced(
        energies.Quadratic([[0.5]]), w, beta=beta, dt=1e-4, n_steps=2000, n_paths=30, rng=0,
        save_every=1,
    )  # fmt: skip
    x, y = (W[..., 0, 0] for W in run.weights)
    imbalance, square = x**2 - y**2, x**2 + y**2
    rate = -2 / beta / square[:, :-1]
    exact = G * np.exp(np.cumsum(rate * 1e-4, axis=1)[:, -1])
    # Euler leaves noise of order dt in each step: about √(t dt) 2/β in all
    assert_allclose(imbalance[:, -1], exact, atol=0.06)
    assert abs((imbalance[:, -1] - exact).mean()) < 0.012
    assert exact.max() < 0.92 * G


@pytest.mark.parametrize("kappa", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("widths", [(2, 2, 2), (2, 2, 2, 2), (2, 3, 1)])
def test_mean_motion_of_the_imbalance(widths, kappa, rng):
    # one long step of noise is exact for G, a quadratic function
    start, beta, dt, n = weights.random(widths, 1.0, rng=rng), 3.0, 0.01, 10000
    run = langevin.simulate_unbalanced(
        None, start, beta=beta, kappa=kappa, dt=dt, n_steps=1, n_paths=n, rng=1
    )
    drift = langevin.imbalance_drift(start, beta=beta, kappa=kappa)
    for G, mean in zip(weights.imbalance(run.weights), drift, strict=True):
        change = (G[:, 1] - G[:, 0]) / dt
        error = change.std(axis=0, ddof=1) / np.sqrt(n)
        assert (np.abs(change.mean(axis=0) - mean) < 5 * error + 1e-12).all()
    if kappa == 0:  # the gauge moves W at second order alone
        first, last = run.W[:, 0], run.W[:, 1]
        assert np.abs(last - first).std() < 0.2 * np.sqrt(dt)


def towards_balance(widths, kappa, rng):
    layers = weights.random(widths, 1.0, rng=rng, size=100)
    drift = langevin.imbalance_drift(layers, beta=1.0, kappa=kappa)
    return sum(
        (G * D).sum(axis=(-2, -1))
        for G, D in zip(weights.imbalance(layers), drift, strict=True)
    )  # fmt: skip


@pytest.mark.parametrize("d", [2, 3])
def test_noise_restores_balance_at_depth_two_and_gauge_noise_undoes_it(d, rng):
    assert (towards_balance((d, d, d), 1.0, rng) < 0).all()
    assert (towards_balance((d, d, d), 0.0, rng) > 0).all()


@pytest.mark.parametrize("kappa", [1.0, 3.0])
@pytest.mark.parametrize("widths", [(1, 1, 1), (2, 3, 2), (2, 1, 2), (3, 2, 3), (1, 3, 1)])
def test_noise_restores_balance_at_equal_input_and_output_widths(widths, kappa, rng):
    assert (towards_balance(widths, kappa, rng) < 0).all()


def test_unequal_widths_are_pushed_out_of_balance(rng):
    # the surface a² - |b|² = G has the normal (a, -b): noise of 1 - nnᵀ moves a² - |b|² by
    # (2/β)[(1 - a²/|w|²) - (2 - |b|²/|w|²)] = -(2/β)(1 + G/|w|²)
    beta = 3.0
    for a, b in zip(rng.standard_normal(20), rng.standard_normal((20, 2)), strict=True):
        n = np.array([a, -b[0], -b[1]]) / np.sqrt(a**2 + b @ b)
        noise = 2 / beta * (np.eye(3) - np.outer(n, n))
        want = noise[0, 0] - noise[1, 1] - noise[2, 2]
        (drift,) = langevin.imbalance_drift([[[a]], b[:, None]], beta=beta)
        assert_allclose(drift, [[want]], rtol=1e-13)
        G = a**2 - b @ b
        assert_allclose(drift, -2 / beta * (1 + G / (a**2 + b @ b)), rtol=1e-12)
    assert (towards_balance((1, 1, 2), 1.0, rng) > 0).any()
    balanced_one = ([[1.0]], [[0.6], [0.8]])
    assert_allclose(langevin.imbalance_drift(balanced_one, beta=beta)[0], -2 / beta, rtol=1e-14)


def test_balanced_weights_stay_in_the_mean_at_depth_two_alone(rng):
    W = rng.standard_normal((4, 2, 2))
    (drift,) = langevin.imbalance_drift(balanced.lift(W, 2, rng=rng), beta=1.0)
    assert_allclose(drift, 0, atol=1e-13)
    for kappa in (0.0, 1.0):
        drift = langevin.imbalance_drift(balanced.lift(W, 3, rng=rng), beta=1.0, kappa=kappa)
        assert np.abs(drift).max() > 0.05


def test_a_path_is_the_same_in_any_company(rng):
    start = weights.random((2, 2, 2), 1.0, rng=rng)
    options = {"beta": 2.0, "dt": 1e-3, "n_steps": 5, "rng": 3}
    many = langevin.simulate_unbalanced(None, start, n_paths=9, **options)
    few = langevin.simulate_unbalanced(None, start, n_paths=2, first_path=3, workers=2, **options)
    assert np.array_equal(many.W[3:5], few.W)


def test_bad_input(rng):
    start = weights.random((2, 2, 2), 1.0, rng=rng, size=3)
    with pytest.raises(ValueError, match="one network"):
        langevin.simulate_unbalanced(None, start, beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="beta"):
        langevin.imbalance_drift(start, beta=-1)
    big = tuple(1e200 * W[0] for W in start)
    with pytest.raises(ValueError, match="weights must have a finite end-to-end matrix"):
        langevin.simulate_unbalanced(energies.Quadratic(np.eye(2)), big, beta=1, dt=1.0, n_steps=3)
    large = tuple(1e100 * W[0] for W in start)
    run = langevin.simulate_unbalanced(
        energies.Quadratic(np.eye(2)), large, beta=1, dt=1.0, n_steps=3
    )
    assert (run.status == -1).all() and "ended early" in run.message
