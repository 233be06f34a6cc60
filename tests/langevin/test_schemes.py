"""One step of each scheme against the geometry's own operators, and the same in any company."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy, metric
from dlngeo._equation import Equation
from dlngeo.langevin.lipschitz import curvature, lipschitz
from dlngeo.langevin.schemes import SCHEMES


def problem(d, rng):
    X, Y = rng.standard_normal((2, d, max(9, d + 3)))
    return {
        "quadratic": energies.Quadratic(rng.standard_normal((d, d))),
        "regression": energies.LinearRegression(X, Y),
        "completion": energies.MatrixCompletion(Y[:, :d], np.eye(d, dtype=bool)),
        "sensing": energies.MatrixSensing(rng.standard_normal((7, d, d)), rng.standard_normal(7)),
        "logistic": energies.Logistic(X, np.sign(Y)),
    }


def scheme(name, energy, d, depth, beta=2.0, kappa=0.7, gamma=0.2):
    return SCHEMES[name](Equation(energy, depth, beta, kappa, gamma), d)


def ready(stepper, state):
    """What a step takes over where det W > 0."""
    return stepper.prepare(state, np.ones(len(state)))


def oriented(W):
    W = W.copy()
    W[np.linalg.det(W) < 0, 0] *= -1
    return W


# ------------------------------------------------------------------------------------- one step


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 4, 6.5, 12, 13, 100, math.inf])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_euler_in_w_is_the_sum_of_its_parts(d, depth, rng):
    beta, kappa, gamma, h = 2.0, 0.7, 0.0 if depth == math.inf else 0.2, 1e-4
    W = oriented(np.eye(d) + 0.3 * rng.standard_normal((5, d, d)))
    energy = problem(d, rng)["quadratic"]
    stepper = scheme("euler", energy, d, depth, beta, kappa, gamma)
    normals = rng.standard_normal((5, d * d))
    times = h * np.arange(1, 6)
    drift = kappa / beta * metric.ito_drift(W, depth) - entropy.free_energy_gradient(
        energy, W, depth, beta, gamma
    )
    noise = metric.sqrt(W, normals.reshape(5, d, d), depth)
    times = times[:, None, None]
    exact = W + times * drift + np.sqrt(2 * kappa / beta * times) * noise
    rate, known = ready(stepper, W)
    assert (rate > 0).all()
    for given in (known, None):
        new = stepper.step(W, normals, times[:, 0, 0], given)
        assert_allclose(new, exact, rtol=0, atol=1e-14 * np.abs(exact).max())


@pytest.mark.parametrize("depth", [2, 3, 3.5])
def test_euler_in_w_where_values_meet_vanish_or_differ_hugely(depth, rng):
    energy = problem(3, rng)["quadratic"]
    normals = rng.standard_normal((4, 9))
    values = np.array([[2, 1, 1], [1, 1, 1], [1, 1e-8, 1e-12], [2, 1, 1 - 1e-15]])
    U, V = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    W = oriented((U * values[:, None, :]) @ V)
    stepper = scheme("euler", energy, 3, depth)
    new = stepper.step(W, normals, 1e-9, ready(stepper, W)[1])
    drift = 0.35 * metric.ito_drift(W, depth) - entropy.free_energy_gradient(
        energy, W, depth, 2.0, 0.2
    )
    noise = metric.sqrt(W, normals.reshape(4, 3, 3), depth)
    exact = W + 1e-9 * drift + np.sqrt(0.7e-9) * noise
    kept = np.linalg.det(exact) > 0  # what has not been reflected
    assert kept.sum() >= 2
    assert_allclose(new[kept], exact[kept], rtol=0, atol=1e-14)


def test_euler_has_no_step_at_a_singular_matrix_where_its_drift_has_no_limit():
    stepper = scheme("euler", None, 3, 2)
    assert not np.isfinite(stepper.step(np.zeros((1, 3, 3)), np.zeros((1, 9)), 0.1)).any()
    assert np.isfinite(
        scheme("euler", None, 3, 3).step(np.zeros((1, 3, 3)), np.ones((1, 9)), 0.1)
    ).all()


@pytest.mark.parametrize("name", ["root", "euler", "weak2"])
@pytest.mark.parametrize("d", [2, 4])
def test_every_step_keeps_the_sign_of_the_determinant(d, name, rng):
    W = oriented(rng.standard_normal((400, d, d)))
    stepper = scheme(name, None, d, 3, beta=1.0)
    state = W if name == "euler" else stepper.start(W)
    normals = rng.standard_normal((400, stepper.noise_size))
    new = stepper.step(state, normals, 0.05, ready(stepper, state)[1])
    assert (np.linalg.det(new) > 0).all()


# ---------------------------------------------------------------------------------- the company


@pytest.mark.parametrize("depth", [2, 3, 2.5, 13])
@pytest.mark.parametrize("name", ["root", "euler", "weak2"])
@pytest.mark.parametrize("d", [2, 3, 5, 8])
def test_a_path_takes_the_same_step_in_any_company(d, name, depth, rng):
    W = oriented(rng.standard_normal((17, d, d)) / math.sqrt(d))
    for energy in problem(d, rng).values():
        stepper = scheme(name, energy, d, depth)
        state = W if name == "euler" else stepper.start(W)
        normals = rng.standard_normal((17, stepper.noise_size))
        rate, known = ready(stepper, state)
        new = stepper.step(state, normals, 1e-3, known)
        for n in (1, 2, 3, 4, 5, 7, 8, 9, 16):
            few, part = ready(stepper, state[:n])
            assert np.array_equal(few, rate[:n])
            assert np.array_equal(stepper.step(state[:n], normals[:n], 1e-3, part), new[:n])


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 20])
def test_energies_say_the_same_in_any_company(d, rng):
    W, Z = rng.standard_normal((2, 17, d, d))
    for energy in problem(d, rng).values():
        value, gradient, hessian = energy.value(W), energy.gradient(W), energy.hessian(W, Z)
        for n in range(1, 18):
            assert np.array_equal(energy.value(W[:n]), value[:n])
            assert np.array_equal(energy.gradient(W[:n]), gradient[:n])
            assert np.array_equal(energy.hessian(W[:n], Z[:n]), hessian[:n])


# ------------------------------------------------------------------------------------- how fast


@pytest.mark.parametrize("kind", ["quadratic", "regression", "completion", "sensing", "logistic"])
def test_curvature_is_the_norm_of_the_hessian(kind, rng):
    d = 3
    energy, W = problem(d, rng)[kind], rng.standard_normal((d, d))
    units = np.eye(d * d).reshape(-1, d, d)
    h = 1e-4
    columns = [(energy.gradient(W + h * E) - energy.gradient(W - h * E)) / (2 * h) for E in units]
    norm = np.linalg.norm(np.reshape(columns, (d * d, d * d)), 2)
    found = np.broadcast_to(curvature(energy, W[None]), 1)[0]
    if kind == "logistic":  # a bound, and without it from below, by a few products
        assert norm < found
        del energy.hessian_bound
        (found,) = curvature(energy, W[None])
        assert 0.5 * norm < found < norm * (1 + 1e-6)
    else:
        assert_allclose(found, norm, rtol=1e-7)
    steep = np.linalg.norm(energy.gradient(W))
    bound = 3 * 2.0 ** (4 / 3) * found + 2 * 2.0 ** (1 / 3) * steep
    assert_allclose(lipschitz(energy, W[None], np.array([2.0]), 3), [bound], rtol=1e-14)
