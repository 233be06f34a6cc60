"""Theorems that tie files together: three flows, one motion."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import sqrtm

from dlngeo import adjacency, energies, flows, metric, weights

# Each flow is asked for 1e-9 relative error a step, and the paths may then differ by 1e-7.
OPTIONS = {"method": "DOP853", "rtol": 1e-9, "gtol": 0}
AGREEMENT = 1e-7


def completion_energy(rng, m, n):
    mask = rng.random((m, n)) < 0.6
    mask[0, 0] = True
    return energies.MatrixCompletion(rng.standard_normal((m, n)), mask)


@pytest.mark.parametrize("widths", [(3, 3, 3), (4, 5, 3, 2), (2, 4, 4, 5, 3), (5, 4)])
@pytest.mark.parametrize("kind", ["quadratic", "completion"])
def test_three_flows_are_one_from_a_balanced_start(rng, widths, kind):
    m, n = widths[-1], widths[0]
    if kind == "quadratic":
        energy = energies.Quadratic(rng.standard_normal((m, n)))
    else:
        energy = completion_energy(rng, m, n)
    start = weights.random_balanced(widths, 0.7, rng=1)
    t = np.linspace(0, 2, 9)
    upstairs = flows.gradient_flow(energy, start, (0, 2), t_eval=t, **OPTIONS)
    network = flows.adjacency_flow(
        energy, adjacency.from_weights(start), widths, (0, 2), t_eval=t, **OPTIONS
    )
    downstairs = flows.gradient_flow(
        energy, weights.end_to_end(start), (0, 2), depth=len(start), t_eval=t, **OPTIONS
    )
    assert np.abs(upstairs.W[-1] - upstairs.W[0]).max() > 0.05  # something happened
    assert_allclose(network.W, upstairs.W, atol=AGREEMENT)
    assert_allclose(downstairs.W, upstairs.W, atol=AGREEMENT)
    assert upstairs.imbalance.max() < AGREEMENT


def test_three_flows_agree_under_the_default_solver(rng):
    energy = energies.Quadratic(rng.standard_normal((3, 4)))
    start = weights.random_balanced((4, 4, 3), 0.7, rng=1)
    t = np.linspace(0, 2, 9)
    upstairs = flows.gradient_flow(energy, start, (0, 2), t_eval=t)
    network = flows.adjacency_flow(
        energy, adjacency.from_weights(start), (4, 4, 3), (0, 2), t_eval=t
    )
    downstairs = flows.gradient_flow(energy, weights.end_to_end(start), (0, 2), depth=2, t_eval=t)
    # rtol 1e-6 a step at second order: some 1e-5 after the run
    assert_allclose(network.W, upstairs.W, atol=5e-5)
    assert_allclose(downstairs.W, upstairs.W, atol=5e-5)


def test_rank_deficient_balanced_start_stays_on_its_stratum(rng):
    # Theorem 3 at rank r: a bottleneck of width 2 upstairs is rank=2 downstairs.
    widths = (5, 2, 4)
    energy = energies.Quadratic(rng.standard_normal((4, 5)))
    start = weights.random_balanced(widths, 0.7, rng=2)
    t = np.linspace(0, 2, 5)
    upstairs = flows.gradient_flow(energy, start, (0, 2), t_eval=t, **OPTIONS)
    downstairs = flows.gradient_flow(
        energy, weights.end_to_end(start), (0, 2), depth=2, rank=2, t_eval=t, **OPTIONS
    )
    assert_allclose(downstairs.W, upstairs.W, atol=AGREEMENT)


@pytest.mark.parametrize("widths", [(3, 3, 3), (4, 5, 3, 2)])
def test_imbalance_is_conserved_from_an_unbalanced_start(rng, widths):
    energy = energies.Quadratic(rng.standard_normal((widths[-1], widths[0])))
    start = weights.random(widths, 0.7, rng=3)
    upstairs = flows.gradient_flow(energy, start, (0, 3), **OPTIONS)
    network = flows.adjacency_flow(energy, adjacency.from_weights(start), widths, (0, 3), **OPTIONS)
    for run in (upstairs, network):
        end = [W[-1] for W in run.weights]
        for G0, G in zip(weights.imbalance(start), weights.imbalance(end), strict=True):
            assert np.linalg.norm(G0) > 0.1
            assert_allclose(G, G0, atol=AGREEMENT)
    A = adjacency.from_weights([W[-1] for W in network.weights])
    assert_allclose(
        adjacency.conserved(A, widths),
        adjacency.conserved(adjacency.from_weights(start), widths),
        atol=AGREEMENT,
    )


def test_off_balance_4_9_holds_and_4_11_does_not(rng):
    # Along an unbalanced path, dW/dt by differences of a fine trajectory.
    widths = (4, 5, 3, 2)
    energy = energies.Quadratic(rng.standard_normal((2, 4)))
    start = weights.random(widths, 0.7, rng=3)
    h, t = 1e-3, 0.4
    times = t + h * np.array([-2, -1, 0, 1, 2])
    run = flows.gradient_flow(
        energy, start, (0, 1), t_eval=times, method="DOP853", rtol=1e-13, atol=1e-14
    )
    stencil = np.array([1, -8, 0, 8, -1]) / (12 * h)  # error O(h^4)
    measured = np.tensordot(stencil, run.W, axes=1)
    layers = [W[2] for W in run.weights]
    by_4_9 = weights.end_to_end_velocity(energy, layers)
    by_4_11 = -metric.gradient(energy, run.W[2], depth=3)
    assert_allclose(by_4_9, measured, atol=1e-8)
    assert np.linalg.norm(by_4_11 - measured) > 0.1 * np.linalg.norm(measured)


def test_energy_decreases_by_the_squared_riemannian_gradient(rng):
    # (4.22): dE/dt = -g(grad E, grad E)
    energy = energies.Quadratic(rng.standard_normal((3, 3)))
    W0, h = rng.standard_normal((3, 3)), 2e-5
    run = flows.gradient_flow(
        energy, W0, (0, 2 * h), depth=4, t_eval=[0, h, 2 * h], method="DOP853", rtol=1e-12
    )
    gradient = metric.gradient(energy, run.W[1], 4)
    rate = (run.energy[2] - run.energy[0]) / (2 * h)
    assert_allclose(rate, -metric.inner(run.W[1], gradient, gradient, 4), rtol=1e-5)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("seed", range(4))
def test_completion_of_two_by_two_ends_where_its_invariants_say(seed, sign):
    # (14.1): E = ½((W_11 - 1)² + (W_22 - 1)²), N = 2. Conserved: c = [(WWᵀ)^½ - (WᵀW)^½]_11, and
    # where det W > 0 I = (W_12 + W_21)/(2 √det), where det W < 0 J = (W_21 - W_12)/(2 √|det|).
    # They fix the end: σ = m(1 ± k) with k = |I|/√(1+I²), m² = 1 + c²(1+I²)/(4I²); or
    # |det W| = c²/(4J²).
    W0 = np.random.default_rng(seed).standard_normal((2, 2))
    W0 = W0 if np.linalg.det(W0) * sign > 0 else W0[:, ::-1]
    energy = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    run = flows.gradient_flow(
        energy, W0, (0, 400), depth=2, method="DOP853", rtol=1e-11, atol=1e-13, gtol=1e-11
    )
    assert run.energy[-1] < 1e-18
    c = (sqrtm(W0 @ W0.T) - sqrtm(W0.T @ W0))[0, 0].real
    root = np.sqrt(abs(np.linalg.det(W0)))
    sigma = run.singular_values[-1]
    if np.linalg.det(W0) > 0:
        invariant = (W0[0, 1] + W0[1, 0]) / (2 * root)
        k = abs(invariant) / np.hypot(1, invariant)
        m = np.sqrt(1 + c**2 * (1 + invariant**2) / (4 * invariant**2))
        assert_allclose(sigma, [m * (1 + k), m * (1 - k)], rtol=1e-6)
    else:
        invariant = (W0[1, 0] - W0[0, 1]) / (2 * root)
        assert_allclose(sigma[0] * sigma[1], c**2 / (4 * invariant**2), rtol=1e-6)
