"""Runs that go on are the run in one piece, bit for bit; starts of their own; callbacks."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dlngeo import balanced, dyson, energies, equilibrium, langevin
from dlngeo._paths import groups, stepping
from dlngeo.langevin import SCHEMES, Ensemble

START = np.array([[1.4, 0.3], [-0.2, 0.9]])
ZERO = energies.Quadratic(np.zeros((2, 2)))
ENERGY = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
OPTIONS = {"beta": 2.0, "weight_decay": 0.05, "dt": 0.05}
RUNS = {
    "weak2": {"depth": 3},
    "root": {"depth": 2.5, "method": "root"},
    "euler": {"depth": 2, "method": "euler"},
    "infinite": {"depth": np.inf},
    "flat": {"depth": 1},
    "projection": {"depth": 3, "upstairs": True},
}
# a step so long that most are taken in parts, from the streams of the bridges
LONG = {"cut": {"depth": 3, "dt": 0.25}, "cut upstairs": {"depth": 2, "upstairs": True, "dt": 0.25}}


def whole(n_steps, start=START, **changes):
    options = {"n_paths": 7, "rng": 5, "save_every": 3} | OPTIONS | changes
    return langevin.simulate(ENERGY, start, n_steps=n_steps, **options)


def going_on(ensemble, n_steps, **changes):
    options = {"save_every": 3} | OPTIONS | changes
    return langevin.simulate(ENERGY, ensemble, n_steps=n_steps, **options)


def same(one, two):
    """Whether the frames of two runs are the same to the last bit."""
    for name in ("t", "W", "energy", "singular_values", "effective_rank", "status", "ends"):
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    for a, b in zip(one.weights or (), two.weights or (), strict=True):
        assert_array_equal(a, b)


def late(ensemble, frame):
    """The frames from one on."""
    cut = {name: getattr(ensemble, name)[:, frame:] for name in ("W", "energy", "singular_values")}
    cut["effective_rank"] = ensemble.effective_rank[:, frame:]
    weights = ensemble.weights and tuple(W[:, frame:] for W in ensemble.weights)
    return dataclasses.replace(ensemble, t=ensemble.t[frame:], weights=weights, **cut)


# ------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("name", RUNS | LONG)
def test_two_pieces_are_one_run_bit_for_bit(name):
    changes = (RUNS | LONG)[name]
    first = whole(12, **changes)
    rest = going_on(first, 15, **({"dt": changes["dt"]} if name in LONG else {}))
    same(rest, late(whole(27, **changes), 4))
    assert first.provenance["cut"] > 20 or name not in LONG
    assert rest.provenance["first_path"] == 0 and rest.provenance["steps_before"] == 12


@pytest.mark.parametrize("name", ["weak2", "projection", "cut"])
def test_a_file_in_between_changes_nothing(name, tmp_path):
    changes = (RUNS | LONG)[name]
    whole(6, **changes).save(tmp_path / "run")
    rest = going_on(Ensemble.load(tmp_path / "run"), 9, dt=changes.get("dt", 0.05))
    same(rest, late(whole(15, **changes), 2))


def test_neither_groups_nor_workers_enter(monkeypatch):
    full = late(whole(18, depth=3, dt=0.25), 4)
    monkeypatch.setattr(stepping, "_CHUNK", 3)
    monkeypatch.setattr(groups, "_BLOCK", 5)
    first = whole(12, depth=3, dt=0.25, workers=2)
    same(going_on(first, 6, dt=0.25), full)


def test_three_pieces_and_paths_in_the_middle_of_a_seed():
    one = whole(6, depth=2, first_path=4, n_paths=3)
    three = going_on(going_on(one, 9), 12)
    same(three, late(whole(27, depth=2, first_path=4, n_paths=3), 5))
    assert three.t[0] == 0.05 * 15


def test_a_path_that_ended_stays_ended():
    class Cliff(energies.Quadratic):
        """No gradient beyond a wall, however short the step."""

        def gradient(self, W):
            return np.where(W[..., :1, :1] > 1.6, np.nan, super().gradient(W))

    cliff = Cliff(np.zeros((2, 2)))
    options = {"depth": 2, "beta": 2.0, "dt": 0.05, "save_every": 1}
    first = langevin.simulate(cliff, START, n_steps=8, n_paths=30, rng=1, **options)
    lost = first.status < 0
    assert 2 < lost.sum() < 28
    rest = langevin.simulate(cliff, first, n_steps=8, **options)
    full = langevin.simulate(cliff, START, n_steps=16, n_paths=30, rng=1, **options)
    same(rest, late(full, 8))
    assert np.isnan(rest.W[lost]).all()
    assert (rest.ends[lost] == first.ends[lost]).all()
    assert (full.status[lost] == -1).all() and "ended early" in rest.message


def test_another_step_goes_on_from_the_same_time():
    first = whole(10, depth=2)
    rest = going_on(first, 4, dt=0.1, save_every=1)
    assert rest.t.tolist() == [first.t[-1] + 0.1 * k for k in range(5)]
    assert_array_equal(rest.W[:, 0], first.W[:, -1])


def test_brownian_motion_goes_on():
    options = {"beta": 2.0, "dt": 0.01, "save_every": 1}
    for on in ("end-to-end", "balanced", "orbit"):
        first = langevin.brownian_motion(
            START, on=on, depth=2, n_steps=5, n_paths=3, rng=0, **options
        )
        rest = langevin.brownian_motion(first, on=on, n_steps=5, **options)
        full = langevin.brownian_motion(
            START, on=on, depth=2, n_steps=10, n_paths=3, rng=0, **options
        )
        same(rest, late(full, 5))


def test_what_does_not_fit_an_ensemble_is_refused():
    first = whole(6, depth=3)
    for changes, said in (
        ({"depth": 2}, "depth must be 3"),
        ({"upstairs": True}, "upstairs must be False"),
        ({"n_paths": 3}, "n_paths must be 7"),
        ({"rng": 1}, "rng and first_path"),
        ({"first_path": 2}, "rng and first_path"),
        ({"method": "root"}, "method must be 'weak2'"),
    ):
        with pytest.raises(ValueError, match=said):
            going_on(first, 2, **changes)
    with pytest.raises(ValueError, match="has 7 for 2 paths: an ensemble goes on as a whole"):
        going_on(dataclasses.replace(first, W=first.W[:2]), 2)
    with pytest.raises(ValueError, match="states of its paths"):
        going_on(dataclasses.replace(first, end=None), 2)


# ------------------------------------------------------------------------------ starts of their own


def starts(n):
    return START + 0.3 * np.random.default_rng(3).standard_normal((n, 2, 2))


@pytest.mark.parametrize("name", RUNS)
def test_each_path_from_its_own_start_is_that_path_alone(name):
    points = starts(5)
    points[1:3, 0] *= -1  # determinants of both signs
    assert len(set(np.sign(np.linalg.det(points)))) == 2
    run = whole(12, start=points, n_paths=None, **RUNS[name])
    assert_array_equal(run.W[:, 0], run.W[:, 0] if run.weights else points)
    for k, point in enumerate(points):
        alone = whole(12, start=point, n_paths=1, first_path=k, **RUNS[name])
        assert_array_equal(run.W[k], alone.W[0])
    det = np.linalg.det(run.W)
    if name != "flat":
        assert (np.sign(det) == np.sign(det[:, :1])).all()


def test_weights_may_be_stacked_too():
    points = starts(4)
    layers = balanced.lift(points, 2)
    run = langevin.simulate(ENERGY, layers, n_steps=5, rng=0, **OPTIONS)
    lifted = langevin.simulate(ENERGY, points, depth=2, upstairs=True, n_steps=5, rng=0, **OPTIONS)
    same(run, lifted)
    assert run.W.shape[0] == 4


def test_stacks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="n_paths must be 4, as many as start has, not 3"):
        whole(2, start=starts(4), n_paths=3, depth=2)
    singular = starts(4)
    singular[2] = np.ones((2, 2))
    with pytest.raises(ValueError, match="numerical rank"):
        whole(2, start=singular, n_paths=None, depth=2)
    with pytest.raises(ValueError, match="weights, and know their depth"):
        whole(2, start=balanced.lift(START, 3), n_paths=None, depth=3)
    with pytest.raises(ValueError, match="a tuple of weights, or an array with its depth"):
        whole(2, start=np.stack([START] * 3), n_paths=None)
    with pytest.raises(ValueError, match="one square matrix, or"):
        whole(2, start=np.ones((2, 2, 2, 2)), depth=2)


# ------------------------------------------------------------------------------------ callbacks


@pytest.mark.parametrize("name", ["weak2", "projection"])
def test_the_callback_sees_every_frame_and_can_end_the_run(name):
    seen = []

    def look(t, W):
        seen.append((t, W.copy()))
        if t > 0.4:
            raise StopIteration

    run = whole(60, callback=look, **RUNS[name])
    assert [t for t, _ in seen] == run.t[1:].tolist()
    assert_array_equal(np.stack([W for _, W in seen], axis=1), run.W[:, 1:])
    assert run.success and run.provenance["n_steps"] == 9 and run.t.size == 4
    same(run, whole(9, **RUNS[name]))
    same(going_on(run, 12), late(whole(21, **RUNS[name]), 3))


def test_a_callback_gets_a_copy():
    def spoil(t, W):
        W[...] = np.nan

    same(whole(6, depth=2, callback=spoil), whole(6, depth=2))


def test_a_run_that_its_callback_stopped_says_so():
    def stop(t, W):
        raise StopIteration

    run = whole(20, depth=2, callback=stop)
    assert run.message.startswith("the callback stopped the run after 3 of 20 steps")
    assert run.success and run.provenance["steps_asked"] == 20
    rest = going_on(run, 4)
    assert rest.message.startswith("all steps were taken")
    law = {"depth": 2, "beta": 2.0, "rng": 0, "callback": stop}
    sample = equilibrium.sample(ZERO, shape=(2, 2), n_draws=9, warmup=2, thin=2, **law)
    assert sample.message == "the callback stopped the run after 2 of 18 moves"
    assert np.isinf(sample.r_hat).all() and (sample.effective_size == 0).all()
    walk = equilibrium.metropolis(ZERO, START, dt=0.01, n_steps=5, save_every=2, **law)
    assert walk.message == "the callback stopped the run after 2 of 5 moves"


def test_errors_of_a_callback_are_its_own():
    def broken(t, W):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        whole(6, depth=2, callback=broken)


def test_every_driver_calls_back():
    seen = []

    def look(t, x):
        seen.append(np.shape(x))

    options = {"dt": 0.01, "n_steps": 4, "n_paths": 3, "rng": 0, "callback": look}
    dyson.simulate([0.0, 1.0], beta=2.0, **options)
    dyson.simulate_lift(np.diag([0.0, 1.0]), beta=2.0, **options)
    langevin.brownian_motion(START, depth=2, beta=2.0, **options)
    weights = (np.eye(2), 2 * np.eye(2))
    langevin.simulate_unbalanced(ENERGY, weights, beta=2.0, **options)
    assert seen == [(3, 2)] * 8 + [(3, 2, 2)] * 8


# --------------------------------------------------------------------------------------- schemes


def test_schemes_by_name():
    methods = [name for name, scheme in SCHEMES.items() if not scheme.upstairs]
    assert methods == ["weak2", "root", "euler"]
    for method in methods:
        run = whole(3, depth=2, method=method)
        assert run.provenance["method"] == method
    assert whole(3, depth=2, upstairs=True).provenance["method"] == "projection"
    with pytest.raises(ValueError, match=r"method must be 'auto' or of \['projection'\] upstairs"):
        whole(3, depth=2, upstairs=True, method="weak2")


def test_an_ensemble_knows_its_equation():
    run = whole(3, depth=3)
    assert run.equation.energy is ENERGY
    assert (run.equation.depth, run.equation.beta, run.equation.kappa) == (3, 2.0, 1.0)
    assert (run.equation.weight_decay, run.equation.entropy) == (0.05, True)
