"""The loop over paths: groups, threads, frames, memory; the network as one of its instances."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced, energies, equilibrium, langevin, weights
from dlngeo._paths import stepping
from dlngeo.langevin._upstairs import lifted_gradient

START = np.array([[1.4, 0.3], [-0.2, 0.9]])
ENERGY = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
OPTIONS = {"depth": 2, "beta": 3.0, "dt": 0.01, "n_steps": 7, "rng": 11}


@pytest.mark.parametrize("upstairs", [False, True])
def test_groups_and_threads_do_not_change_a_path(upstairs, monkeypatch):
    whole = langevin.simulate(ENERGY, START, n_paths=9, upstairs=upstairs, **OPTIONS)
    monkeypatch.setattr(stepping, "_CHUNK", 2)
    shared = langevin.simulate(ENERGY, START, n_paths=9, upstairs=upstairs, workers=3, **OPTIONS)
    assert np.array_equal(whole.W, shared.W)
    one = langevin.simulate(ENERGY, START, first_path=5, upstairs=upstairs, **OPTIONS)
    assert np.array_equal(whole.W[5:6], one.W)
    again = one.provenance
    seed = np.random.SeedSequence(again["seed"], spawn_key=again["spawn_key"])
    more = OPTIONS | {"rng": seed, "dt": again["dt"], "n_steps": again["n_steps"]}
    rerun = langevin.simulate(
        ENERGY, START, first_path=again["first_path"], upstairs=upstairs, **more
    )
    assert np.array_equal(rerun.W, one.W)


def test_groups_of_paths_are_cut_alike():
    # a stiff target: steps in parts draw from streams of their own
    energy = energies.Quadratic(30 * np.diag([1.0, 0.3]))
    options = {"depth": 2, "beta": 1.0, "dt": 0.05, "n_steps": 3, "rng": 4}
    whole = langevin.simulate(energy, np.eye(2), n_paths=6, **options)
    part = langevin.simulate(energy, np.eye(2), n_paths=2, first_path=3, workers=2, **options)
    assert whole.provenance["cut"] > 0
    assert np.array_equal(whole.W[3:5], part.W)


def test_frames_are_the_steps_asked_for():
    run = langevin.simulate(ENERGY, START, n_paths=2, save_every=3, **OPTIONS)
    every = langevin.simulate(ENERGY, START, n_paths=2, save_every=1, **OPTIONS)
    assert_allclose(run.t, [0.0, 0.03, 0.06, 0.07])
    assert np.array_equal(run.W, every.W[:, [0, 3, 6, 7]])


def test_the_network_is_an_instance_of_the_driver():
    layers = balanced.lift(START, 3, rng=0)
    options = {"beta": 3.0, "kappa": 0.4, "dt": 0.01, "n_steps": 5, "n_paths": 3, "rng": 2}
    run = langevin.simulate(ENERGY, layers, save_every=1, engine="numpy", **options)
    space = langevin.BalancedWeights((2, 2, 2, 2))
    paths = langevin.submersion_sde(
        space,
        weights.to_vector(layers),
        gradient=lifted_gradient(ENERGY, space.widths),
        save_every=1,
        **options,
    )
    assert np.array_equal(paths.x, run.W)
    assert np.array_equal(paths.m, weights.to_vector(run.weights))
    G = weights.imbalance(run.weights)
    assert_allclose(run.imbalance, np.max([np.linalg.norm(g, axis=(2, 3)) for g in G], axis=0))
    assert run.imbalance.max() < 1e-13


def test_steps_split_into_orbit_and_horizontal_part(rng):
    layers = balanced.lift(START, 3, rng=0)
    space = langevin.BalancedWeights((2, 2, 2, 2))
    m, v = weights.to_vector(layers), rng.standard_normal(12)
    along, across = space.split(m, v)
    h = 1e-6  # φ does not change along the orbit, to first order
    ahead, behind = (space.observe(m + s * h * along) for s in (1, -1))
    assert_allclose((ahead - behind) / (2 * h), 0, atol=1e-8)
    assert abs(along @ across) < 1e-12
    tangent = weights.to_vector(balanced.project_tangent(layers, weights.from_vector(v, (2,) * 4)))
    assert_allclose(along + across, tangent, atol=1e-12)


def test_many_paths_with_few_frames_fit_into_memory():
    # frames and their observables: 3000 paths x 101 frames of 5 x 5 are 61 MB
    tracemalloc.start()
    run = langevin.simulate(
        energies.Quadratic(np.eye(5)), np.eye(5), depth=3, beta=10.0, dt=1e-3, n_steps=20,
        n_paths=3000, rng=0, save_every=1, method="root",
    )  # fmt: skip
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = run.W.nbytes
    assert peak < 2.5 * size + 40e6


@pytest.mark.parametrize("upstairs", [False, True])
def test_to_xarray_names_everything(upstairs):
    run = langevin.simulate(
        ENERGY, START, n_paths=3, first_path=4, upstairs=upstairs, **OPTIONS | {"rng": 2**100}
    )
    data = run.to_xarray()
    assert dict(data.W.sizes) == {"path": 3, "time": 8, "row": 2, "column": 2}
    assert np.array_equal(data.path, [4, 5, 6])
    assert np.array_equal(
        data.singular_values.sel(path=5).isel(index=0), run.singular_values[1, :, 0]
    )
    assert ("W_2" in data) == ("imbalance" in data) == upstairs
    assert data.attrs["beta"] == 3.0
    assert int(data.attrs["seed"]) == 2**100


def test_a_wrong_argument_of_the_driver_is_told():
    space = langevin.BalancedWeights((2, 2, 2))
    start = weights.to_vector(balanced.lift(START, 2))
    options = {"beta": 1.0, "dt": 0.1, "n_steps": 1, "n_paths": 1}
    with pytest.raises(ValueError, match="gradient must keep the shape"):
        langevin.submersion_sde(space, start, gradient=lambda m: m[0], **options)
    with pytest.raises(ValueError, match="widths must be equal"):
        langevin.BalancedWeights((2, 3, 2))
    with pytest.raises(ValueError, match="first_path"):
        langevin.simulate(ENERGY, START, depth=2, beta=1, dt=0.1, n_steps=1, first_path=-1)
    with pytest.raises(ValueError, match="whole"):
        langevin.brownian_motion(START, on="orbit", depth=np.inf, beta=1, dt=0.1, n_steps=1)


@pytest.mark.parametrize(
    ("method", "answer"),
    [("value", np.float64(0.0)), ("gradient", np.ones(7)), ("hessian", np.eye(2))],
)
def test_an_energy_that_knows_no_stacks_is_told(method, answer):
    class Broken(energies.Quadratic):
        pass

    setattr(Broken, method, lambda self, *args: answer)
    energy = Broken(np.eye(2))
    with pytest.raises(ValueError, match=f"energy.{method} must give shape"):
        langevin.simulate(energy, START, depth=2, beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match=f"energy.{method} must give shape"):
        equilibrium.metropolis(energy, START, depth=2, beta=1, dt=0.1, n_steps=1)
