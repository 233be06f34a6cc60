"""Starts of the stochastic drivers: full numerical rank, and the side of det W = 0 they keep."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced, energies, equilibrium, langevin
from dlngeo.simulation import config as simulation_config
from dlngeo.simulation import store as simulation_store

ZERO = energies.Quadratic(np.zeros((2, 2)))
RUN = {"beta": 1.0, "dt": 0.001, "n_steps": 5, "n_paths": 30, "rng": 0}
GRADED = np.array([[1, 1e-10], [2e-10, 1e-20]])  # det = -1e-20, σ_2 = 1e-20: certain


def turned(sigma, seed=0):
    """A matrix of these singular values in no special frames."""
    rng = np.random.default_rng(seed)
    d = len(sigma)
    Q, P = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    return (Q * sigma) @ P


SINGULAR = [np.ones((2, 2)), np.zeros((2, 2)), np.array([[1.0, 2], [2, 4]]), turned([1.0, 1e-17])]


@pytest.mark.parametrize("start", SINGULAR)
def test_lower_rank_is_refused_by_every_driver(start):
    layers = (start, start.T)
    calls = [
        lambda: langevin.simulate(ZERO, start, depth=2, **RUN),
        lambda: langevin.simulate(ZERO, start, depth=np.inf, **RUN),
        lambda: langevin.simulate(ZERO, start, depth=3, upstairs=True, **RUN),
        lambda: langevin.simulate(ZERO, layers, **RUN),
        lambda: langevin.brownian_motion(start, depth=2, **RUN),
        lambda: langevin.brownian_motion(layers, on="balanced", **RUN),
        lambda: equilibrium.metropolis(ZERO, start, depth=2, **RUN),
    ]
    for call in calls:
        with pytest.raises(np.linalg.LinAlgError, match=r"^start.* numerical rank is [01]") as told:
            call()
        assert "\n" not in str(told.value) and "rank=" not in str(told.value)


def test_depth_one_refuses_no_start():
    for start in SINGULAR:
        assert langevin.simulate(ZERO, start, depth=1, **RUN).success
        assert langevin.simulate(ZERO, (start,), **RUN).success
        assert equilibrium.metropolis(ZERO, start, depth=1, **RUN).success


def test_a_configuration_with_such_a_start_is_refused_before_anything_is_written(tmp_path):
    told = simulation_config.preset("hyperbola").replaced(start=[[1.0, 1.0], [1.0, 1.0]], paths=2)
    with pytest.raises(ValueError, match=r"^start .* numerical rank is 1"):
        simulation_store.run(told, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", ["weak2", "root", "euler"])
def test_a_graded_start_is_taken_and_its_side_is_kept(method):
    run = langevin.simulate(ZERO, GRADED, depth=2, method=method, **RUN)
    assert np.array_equal(run.W[:, 0], np.broadcast_to(GRADED, (30, 2, 2)))
    assert_allclose(run.singular_values[:, 0, 1], 1e-20, rtol=1e-12)
    assert (np.linalg.det(run.W) < 0).all()


def test_metropolis_takes_a_graded_start():
    run = equilibrium.metropolis(ZERO, GRADED, depth=2, **RUN | {"n_steps": 200})
    assert (np.linalg.det(run.W) < 0).all() and run.success
    assert np.array_equal(run.W[:, 0], np.broadcast_to(GRADED, (30, 2, 2)))


def test_ten_ordinary_layers_are_an_ordinary_network():
    """λ_d = 0.02 in each layer, 1e-17 in the product: the layers count."""
    rng = np.random.default_rng(3)
    frames = [np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(11)]
    layers = balanced.from_svd(frames, np.array([1.0, 0.5, 0.02]))
    energy = energies.Quadratic(np.zeros((3, 3)))
    run = langevin.simulate(energy, layers, **RUN | {"n_paths": 3})
    assert run.success


def test_upstairs_the_side_is_kept_however_small_the_product_is():
    """σ_2 = 2e-3^12 of σ_1: the determinant of the product is rounding, those of the layers not.

    Read off the product, 48 of 100 paths ended on the other side.
    """
    rng = np.random.default_rng(0)
    frames = [np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(13)]
    layers = balanced.from_svd(frames, np.array([1.0, 2e-3]))
    run = langevin.simulate(ZERO, layers, beta=1e4, dt=0.01, n_steps=40, n_paths=60, rng=0)
    sides = np.prod([np.linalg.slogdet(W)[0] for W in run.weights], axis=0)
    assert (sides == sides[0, 0]).all()
    least = np.linalg.svd(run.weights[0], compute_uv=False)[..., 1]
    assert least.min() < 5e-4 < 0.005 < least.max()  # it was reached, and left
