"""Flat directions of an energy and the growth of the entropy along them."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy
from dlngeo.entropy import _flat_directions


@pytest.mark.parametrize("depth", [1.5, 2, 3, 10])
@pytest.mark.parametrize(("d", "rank"), [(2, 1), (2, 2), (3, 1), (3, 2), (4, 3), (5, 5)])
def test_entropy_grows_by_the_law(rng, d, rank, depth):
    W = rng.standard_normal((d, d))
    D = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d))
    U, sigma, Vt = np.linalg.svd(D)
    # ρ singular values of W + xD grow, the others tend to those of W off the ranges of D
    rest = np.linalg.svd(U[:, rank:].T @ W @ Vt[rank:].T, compute_uv=False)
    ends = np.linalg.svd(W + 1e7 * D, compute_uv=False)
    assert_allclose(ends, np.concatenate((1e7 * sigma[:rank], rest)), rtol=1e-4)
    # the corrections are of order x^{-2/N}: large x
    near, far = (
        entropy.boltzmann(np.diag(np.concatenate((x * sigma[:rank], rest))), depth)
        for x in (1e40, 1e80)
    )
    grown = (far - near) / (40 * math.log(10))
    assert_allclose(_flat_directions.entropy_growth(D, depth), grown, rtol=1e-6)


def test_entropy_growth_at_infinite_depth_has_a_log_log():
    D = np.diag([1.0, 0.0])
    S = [entropy.boltzmann(np.diag([x, 1.0]), math.inf) for x in (1e50, 1e100)]
    law = _flat_directions.entropy_growth(D, math.inf) * 50 * math.log(10) - 0.5 * math.log(2)
    assert_allclose(S[1] - S[0], law, rtol=1e-12)


def test_flat_directions(rng):
    mask = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0]], dtype=bool)
    X = rng.standard_normal((3, 2))
    energy = energies.MatrixCompletion(np.ones((3, 3)), mask)
    flat = _flat_directions.flat_directions(energy, 3, rng)
    assert_allclose(np.abs(flat[:, mask]).max(), 0, atol=1e-14)
    assert_allclose(np.einsum("kij,lij->kl", flat, flat), np.eye(4), atol=1e-13)
    missing = np.linalg.svd(X)[0][:, 2]
    for other in (
        energies.LinearRegression(X, rng.standard_normal((3, 2))),
        energies.Logistic(X, np.sign(rng.standard_normal((3, 2)))),
    ):
        flat = _flat_directions.flat_directions(other, 3, rng)
        assert flat.shape == (3, 3, 3)
        assert_allclose(flat, (flat @ missing)[..., None] * missing, atol=1e-8)
    assert len(_flat_directions.flat_directions(energies.Quadratic(np.eye(3)), 3, rng)) == 0


def test_an_energy_that_is_linear_is_not_flat(rng):
    class Linear:
        def value(self, W):
            return W.sum(axis=(-2, -1))

        def gradient(self, W):
            return np.ones_like(W)

        def hessian(self, W, Z):
            return np.zeros(np.broadcast_shapes(W.shape, Z.shape))

    flat = _flat_directions.flat_directions(Linear(), 2, rng)
    assert_allclose(flat.sum(axis=(-2, -1)), 0, atol=1e-6)


def test_representative_is_near_the_ones(rng):
    energy = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    D = _flat_directions.representative(_flat_directions.flat_directions(energy, 2, rng))
    assert_allclose(D, np.array([[0, 1], [1, 0]]) / math.sqrt(2), atol=1e-13)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_stationary_is_least_squares(rng, decay):
    X, Y = rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    W = _flat_directions.stationary(energies.LinearRegression(X, Y), 3, decay)
    assert_allclose(W, Y @ X.T @ np.linalg.inv(X @ X.T + decay * np.eye(3)), atol=1e-12)
    mask = np.eye(3, dtype=bool)
    least = _flat_directions.stationary(energies.MatrixCompletion(np.eye(3), mask), 3, decay)
    assert_allclose(least, np.eye(3) / (1 + decay), atol=1e-14)


def test_stationary_of_a_logistic_energy(rng):
    energy = energies.Logistic(rng.standard_normal((2, 9)), np.sign(rng.standard_normal((2, 9))))
    W = _flat_directions.stationary(energy, 2, 0.1)
    assert_allclose(energy.gradient(W) + 0.1 * W, 0, atol=1e-9)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_images_have_the_same_singular_values(rng, d):
    W = rng.standard_normal((d, d))
    images = _flat_directions.images(W)
    sigma = np.linalg.svd(images, compute_uv=False)
    assert_allclose(sigma, np.broadcast_to(sigma[0], sigma.shape), rtol=1e-12)
    assert len(images) == 1 + (d + 1) ** 2 + d * (d - 1) // 2
    wanted = W.copy()
    wanted[0] *= -1
    wanted[:, -1] *= -1
    assert (images == wanted).all(axis=(-2, -1)).any()
