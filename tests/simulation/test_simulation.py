"""An ensemble beside its flows, and where matrices sit beside the hyperbola of problem (14.1)."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp

from dlngeo import balanced, entropy, langevin, metric, simulation, weights
from dlngeo._results import ensemble
from dlngeo.energies import MatrixCompletion, Quadratic
from dlngeo.simulation import _beside

DIAGONAL = MatrixCompletion.from_nan([[1.0, np.nan], [np.nan, 1.0]])
START = np.array([[0.3, 0.8], [0.1, 0.3]])
RUN = {"depth": 3.0, "beta": 20.0, "weight_decay": 0.05, "dt": 0.05, "n_steps": 20, "n_paths": 6}


@pytest.fixture(scope="module")
def result():
    return simulation.beside_flow(DIAGONAL, START, **RUN, save_every=4, rng=0)


def integrated(velocity, start, times):
    """The path of W' = velocity(W) at these times, by an integrator of another library."""
    run = solve_ivp(
        lambda t, w: velocity(w.reshape(2, 2)).ravel(),
        (0, times[-1]),
        start.ravel(),
        t_eval=times,
        method="DOP853",
        rtol=1e-11,
        atol=1e-12,
    )
    return run.y.T.reshape(-1, 2, 2)


# --------------------------------------------------------------------------------- ensemble, flows


def test_the_ensemble_is_that_of_langevin(result):
    alone = langevin.simulate(DIAGONAL, START, **RUN, save_every=4, rng=0)
    assert_array_equal(result.ensemble.W, alone.W)


def test_all_three_share_their_times_and_start(result):
    for flow in (result.free_energy_flow, result.gradient_flow):
        assert_array_equal(flow.t, result.ensemble.t)
        assert_array_equal(flow.W[0], result.ensemble.W[0, 0])
    assert result.notes == ()


def test_flows_on_badly_scaled_data_stop_at_a_bound_and_say_so(monkeypatch, result):
    # stiffness 3 · (1e8)^{4/3} at W near 1e8, on a path of an ensemble that never saw it
    monkeypatch.setattr(_beside, "_MORE_STEPS", 20)
    bad = simulation.beside(Quadratic(1e8 * np.eye(2)), result.ensemble)
    for name, flow in bad.flows.items():
        assert flow.status == -1
        assert flow.stats["steps"] == RUN["n_steps"] + 20
        note = next(note for note in bad.notes if name in note)
        assert "gave up after 40 steps, at t = " in note
    assert np.isfinite(bad.gradient_flow.W).all()


def test_free_energy_flow_is_the_ode_of_its_gradient(result):
    def velocity(W):
        return -entropy.free_energy_gradient(DIAGONAL, W, 3.0, 20.0, 0.05)

    exact = integrated(velocity, START, result.ensemble.t)
    # the flow's own tolerance is 1e-8 a step
    assert_allclose(result.free_energy_flow.W, exact, atol=2e-7)


def test_gradient_flow_has_decay_and_no_entropy(result):
    def velocity(W):
        return -metric.gradient(DIAGONAL, W, 3.0) - 0.05 * 3 * W

    exact = integrated(velocity, START, result.ensemble.t)
    assert_allclose(result.gradient_flow.W, exact, atol=2e-7)
    assert np.abs(result.free_energy_flow.W[-1] - exact[-1]).max() > 1e-3  # entropy is felt


def test_weights_as_start_run_upstairs_over_the_same_flows(result):
    layers = balanced.lift(START, 3)
    options = {k: v for k, v in RUN.items() if k != "depth"}
    up = simulation.beside_flow(DIAGONAL, layers, **options, save_every=4, rng=0)
    assert_allclose(weights.end_to_end(up.ensemble.weights), up.ensemble.W, atol=1e-12)
    assert_allclose(up.free_energy_flow.W, result.free_energy_flow.W, atol=1e-7)


def test_without_noise_in_the_observable_paths_close_in_on_the_free_energy_flow():
    # the distance falls like √dt: a quarter of the step, half the distance
    far, near = (
        simulation.beside_flow(
            DIAGONAL, START, depth=2.0, beta=5.0, kappa=0.0, dt=dt, n_steps=round(0.5 / dt),
            n_paths=32, rng=1, upstairs=True,
        ).departure()[-1]
        for dt in (0.02, 0.005)
    )  # fmt: skip
    assert 0.35 < near / far < 0.65
    assert near < 0.05


def test_departure_is_the_root_mean_square_distance(result):
    flow = result.free_energy_flow.W
    wanted = [
        np.sqrt(np.mean([np.sum((path[k] - flow[k]) ** 2) for path in result.ensemble.W]))
        for k in range(len(flow))
    ]
    assert_allclose(result.departure(), wanted, rtol=1e-13)


@pytest.mark.parametrize("observable", ["singular_values", "energy", "effective_rank"])
def test_band_is_mean_and_standard_error(result, observable):
    values = getattr(result.ensemble, observable)
    mean, error = result.band(observable)
    count = len(values)
    centre = sum(values) / count
    assert_allclose(mean, centre, rtol=1e-13)
    variance = sum((v - centre) ** 2 for v in values) / (count - 1)
    assert_allclose(error, np.sqrt(variance / count), atol=1e-14)


class Explosive:
    """E = -½‖W‖² from outside: everything runs to infinity in finite time."""

    def value(self, W):
        return -0.5 * (np.asarray(W) ** 2).sum(axis=(-2, -1))

    def gradient(self, W):
        return -np.asarray(W)

    def hessian(self, W, Z):
        return -np.asarray(Z)


def test_what_ends_early_is_kept_and_said(result):
    # at depth 3 σ' = 3 σ^{7/3} without noise: σ = 1 reaches infinity at t = 1/4
    t = np.linspace(0.0, 0.5, 11)
    still = np.broadcast_to(np.diag([1.0, 0.5]), (2, 11, 2, 2))
    equation = dataclasses.replace(result.ensemble.equation, weight_decay=0.0, beta=1e3)
    stayed = dataclasses.replace(result.ensemble, t=t, W=still, equation=equation)
    again = simulation.beside(Explosive(), stayed)
    assert [note.split(":")[0] for note in again.notes] == [
        "the free-energy flow",
        "the gradient flow",
    ]
    for flow in again.flows.values():
        assert_array_equal(flow.t[:5], t[:5])
        assert 0.2 < flow.t[-1] < 0.26
        assert np.isfinite(flow.W).all()
    assert again.departure().size == 5  # the end itself is no common time
    assert np.isfinite(again.departure()).all()


def ended_early(run, path, frame):
    """The same run, one path of which is followed up to a frame only."""
    W, ends = run.W.copy(), run.ends.copy()
    W[path, frame + 1 :], ends[path] = np.nan, run.t[frame]
    return ensemble.build(run.equation, run.t, W, None, ends, "lost", run.provenance)


def test_ensemble_that_ends_at_once_has_flows_of_one_frame(result):
    stiff = MatrixCompletion.from_nan([[1e9, np.nan], [np.nan, 1.0]])
    ended = ended_early(result.ensemble, 2, 0)
    assert simulation.beside(DIAGONAL, ended).notes == ("the ensemble: lost",)
    again = simulation.beside(stiff, ended)
    for flow in again.flows.values():
        assert_array_equal(flow.t, [0.0])
        assert_array_equal(flow.W, result.ensemble.W[0, :1])
    assert_array_equal(again.departure(), [0.0])


def test_nothing_is_averaged_over_survivors(result):
    again = simulation.beside(DIAGONAL, ended_early(result.ensemble, 4, 2))
    assert_array_equal(again.whole.t, result.ensemble.t[:3])
    assert again.ensemble.t.size == result.ensemble.t.size  # what was run is kept
    for name in ("singular_values", "energy", "effective_rank"):
        ours, theirs = again.band(name), result.band(name)
        assert_array_equal(ours.value, theirs.value[:3])
        assert_array_equal(ours.error, theirs.error[:3])
    assert_allclose(again.departure(), result.departure()[:3], rtol=1e-7)
    for flow in again.flows.values():
        assert_array_equal(flow.t, result.ensemble.t[:3])


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"beta": 0.0}, "beta must be finite and > 0"),
        ({"n_paths": 0}, "n_paths must be an integer >= 1"),
        ({"depth": 0.5}, "depth"),
    ],
)
def test_bad_arguments_are_refused(changes, wanted):
    with pytest.raises(ValueError, match=wanted):
        simulation.beside_flow(DIAGONAL, START, **{**RUN, **changes}, rng=0)


# ------------------------------------------------------------------------------------ the hyperbola


def point(a):
    return np.array([[1.0, a], [1 / a, 1.0]])


@given(st.floats(-8, 8), st.sampled_from([-1.0, 1.0]))
def test_points_of_the_hyperbola_are_found(h, sign):
    a = sign * np.exp(h)
    found = simulation.on_hyperbola(point(a))
    assert found.a == pytest.approx(a, rel=1e-12)
    assert found.distance < 1e-12 * max(abs(a), 1 / abs(a))


@given(
    st.lists(st.floats(-5, 5), min_size=4, max_size=4),
    st.floats(0.02, 50),
    st.sampled_from([-1, 1]),
)
def test_no_point_is_nearer(entries, size, sign):
    W = np.array(entries).reshape(2, 2)
    found = simulation.on_hyperbola(W)
    other = np.linalg.norm(W - point(sign * size))
    assert found.distance <= other * (1 + 1e-12)
    assert found.distance == pytest.approx(np.linalg.norm(W - point(found.a)), rel=1e-12)


def test_distance_by_a_fine_grid(rng):
    W = 1.5 * rng.standard_normal((40, 2, 2))
    h = np.linspace(-6, 6, 120001)
    a = np.concatenate([np.exp(h), -np.exp(h)])
    for matrix, distance in zip(W, simulation.on_hyperbola(W).distance, strict=True):
        squares = (matrix[0, 1] - a) ** 2 + (matrix[1, 0] - 1 / a) ** 2
        diagonal = (matrix[0, 0] - 1) ** 2 + (matrix[1, 1] - 1) ** 2
        # the grid's step of 1e-4 in log a costs a square of it
        assert distance == pytest.approx(np.sqrt(squares.min() + diagonal), rel=1e-6, abs=1e-3)


def test_along_the_normal_the_foot_stays(rng):
    # at a = 2 the normal to x y = 1 is (1/2, 2), and the nearest focal point far away
    normal = np.array([0.5, 2.0]) / np.hypot(0.5, 2.0)
    for s in (-0.3, -0.1, 0.1, 0.3):
        x, y = np.array([2.0, 0.5]) + s * normal
        a, distance = simulation.on_hyperbola([[1.0, x], [y, 1.0]])
        assert a == pytest.approx(2.0, rel=1e-12)
        assert distance == pytest.approx(abs(s), rel=1e-12)


def test_symmetries_and_stacks(rng):
    W = rng.standard_normal((5, 3, 2, 2))
    a, distance = simulation.on_hyperbola(W)
    turned = simulation.on_hyperbola(W.mT)
    assert_allclose(turned.a, 1 / a, rtol=1e-8)
    assert_allclose(turned.distance, distance, rtol=1e-12)
    mirrored = simulation.on_hyperbola(W * [[1, -1], [-1, 1]])
    assert_allclose(mirrored.a, -a, rtol=1e-8)
    alone = simulation.on_hyperbola(W[3, 1])
    assert (alone.a, alone.distance) == (a[3, 1], distance[3, 1])


@given(st.floats(-8, 8))
def test_of_two_nearest_points_the_larger_is_returned(x):
    # exact ties, which rounding alone would decide
    assert simulation.on_hyperbola([[1.0, x], [-x, 1.0]]).a > 0
    if abs(x) > 2.01:
        a = simulation.on_hyperbola([[1.0, x], [x, 1.0]]).a
        assert a == pytest.approx(x / 2 + np.sqrt(x**2 / 4 - 1), rel=1e-9)


def test_centre_of_the_plane_has_a_nearest_point():
    # x = y = 0: a = ±1 at distance √2
    a, distance = simulation.on_hyperbola([[1.0, 0.0], [0.0, 1.0]])
    assert a == pytest.approx(1.0)
    assert distance == pytest.approx(np.sqrt(2))


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"W must have shape \(\.\.\., 2, 2\)"):
        simulation.on_hyperbola(np.eye(3))


@pytest.mark.parametrize(
    ("energy", "wanted"),
    [
        (DIAGONAL, True),
        (MatrixCompletion.from_nan([[1.0, np.nan], [np.nan, 2.0]]), False),
        (MatrixCompletion.from_nan([[np.nan, 1.0], [1.0, np.nan]]), False),
        (MatrixCompletion.from_nan([[1.0, 0.0], [np.nan, 1.0]]), False),
        (MatrixCompletion.from_nan(np.where(np.eye(3), 1.0, np.nan)), False),
        (Quadratic(np.eye(2)), False),
    ],
)
def test_only_that_problem_is_recognised(energy, wanted):
    assert simulation.is_hyperbola(energy) is wanted
