"""What a flow keeps, what dies on its way, and that a run in two parts is a run in one."""

import numpy as np
import pytest

from dlngeo import energies, flows
from dlngeo.lowrank import flow, polish, random_start, spectral_start

TRUTH = random_start((30, 20), 2, scale=1.0, rng=5)._replace(sigma=np.array([3.0, 2.0]))
SEEN = np.nonzero(np.random.default_rng(6).random((30, 20)) < 0.6)
NOISE = 0.1 * np.random.default_rng(7).standard_normal(SEEN[0].size)
ENERGY = energies.SparseCompletion(*SEEN, TRUTH.dense()[SEEN] + NOISE, (30, 20))


@pytest.mark.parametrize("depth", [2, 3, 2.5])
def test_the_diagonal_of_the_outer_layers_is_kept_where_the_slope_is_diagonal(depth):
    """Of W_N W_Nᵀ - W_1ᵀ W_1 = UΣ^{2/N}Uᵀ - VΣ^{2/N}Vᵀ, entries on the diagonal observed alone."""
    places = np.arange(7)
    energy = energies.SparseCompletion(places, places, np.linspace(1, 2, 7), (7, 7))
    start = random_start((7, 7), 2, scale=1.0, rng=3)._replace(sigma=np.array([0.8, 0.3]))
    run = flow(energy, start, (0, 5), depth=depth, t_eval=[0, 0.5, 2, 5], rtol=1e-10)

    def kept(k):
        W = run.factors(k)
        size = W.sigma ** (2 / depth)
        return (W.U**2 * size).sum(axis=1) - (W.V**2 * size).sum(axis=1)

    assert np.abs(run.factors().dense() - run.factors(0).dense()).max() > 0.3
    for k in (1, 2, 3):
        np.testing.assert_allclose(kept(k), kept(0), atol=1e-7)


class Rivals:
    """Two entries, of which the second has little to gain once the first has grown."""

    shape = (2, 2)

    def value(self, W):
        a, b = W[..., 0, 0], W[..., 1, 1]
        return 0.29 * (a - 5) ** 2 + (b - 1.5) ** 2 + 2.9 * b * a**2 / (1 + a**2)

    def gradient(self, W):
        a, b = W[..., 0, 0], W[..., 1, 1]
        found = np.zeros_like(W)
        found[..., 0, 0] = 0.58 * (a - 5) + 5.8 * a * b / (1 + a**2) ** 2
        found[..., 1, 1] = 2 * (b - 1.5) + 2.9 * a**2 / (1 + a**2)
        return found

    def hessian(self, W, Z):
        a, b = W[..., 0, 0], W[..., 1, 1]
        mixed = 5.8 * a / (1 + a**2) ** 2
        bend = 0.58 + 5.8 * b * (1 - 3 * a**2) / (1 + a**2) ** 3
        found = np.zeros(np.broadcast(W, Z).shape)
        found[..., 0, 0] = bend * Z[..., 0, 0] + mixed * Z[..., 1, 1]
        found[..., 1, 1] = 2 * Z[..., 1, 1] + mixed * Z[..., 0, 0]
        return found


def test_a_direction_that_was_born_dies_and_the_full_flow_says_so_too():
    times = np.linspace(0, 40, 80)
    options = {"depth": 2, "t_eval": times, "gtol": 0, "rtol": 1e-8, "weight_decay": 0.5}
    energies.check(Rivals(), np.diag([1.0, 0.5]))
    run = flow(Rivals(), None, (0, 40), scale=1e-3, **options)
    assert run.status == 0
    assert run.stats["deaths"] >= 1 and run.stats["births"] == 1 + run.stats["deaths"]
    full = flows.gradient_flow(Rivals(), 1e-3 * np.eye(2), (0, 40), **options)
    near = np.stack([np.abs(np.diag(W)) for W in full.W])
    order = -np.sort(-near, axis=1)
    assert order[:, 1].max() > 0.5  # it was there
    np.testing.assert_allclose(run.singular_values[-1], order[-1], atol=2e-3)


def test_a_flow_in_two_parts_is_one():
    start = spectral_start(ENERGY, 2)
    options = {"depth": 3, "rtol": 1e-10, "weight_decay": 0.05}
    whole = flow(ENERGY, start, (0, 2), **options).factors().dense()
    half = flow(ENERGY, start, (0, 0.7), **options)
    rest = flow(ENERGY, half.factors(), (0.7, 2), **options)
    np.testing.assert_allclose(rest.factors().dense(), whole, atol=1e-8)


def test_a_polish_leaves_the_weight_decay_behind():
    """It goes to the minimum of E itself, which says how far decay held the flow from it."""
    start = spectral_start(ENERGY, 2)
    held = flow(ENERGY, start, (0, 200), depth=3, weight_decay=0.2, rtol=1e-8).factors()
    free = flow(ENERGY, start, (0, 2000), depth=3, rtol=1e-8).factors().dense()
    found = polish(ENERGY, held)
    assert found.status == 1 and found.energy < float(ENERGY.value(held.dense()))
    np.testing.assert_allclose(found.W.dense(), free, atol=1e-6)
    np.testing.assert_allclose(found.moved, np.linalg.norm(free - held.dense()), rtol=1e-4)
    assert found.moved > 0.05
