"""Ensembles of flows: members against the same flow by itself, exact solutions, invariants."""

import dataclasses
import importlib.util
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced, energies, exact, flows, weights

NAN = math.nan
DIAGONAL = energies.MatrixCompletion.from_nan([[1, NAN], [NAN, 1]])  # Menon, (14.1)
ENGINES = ["numpy"]
if importlib.util.find_spec("numba"):
    ENGINES.append("numba")

engines = pytest.mark.parametrize("engine", ENGINES)


def gaussian(paths, m, n, seed=0):
    return np.random.default_rng(seed).standard_normal((paths, m, n))


def completion(m, n, seed=0):
    rng = np.random.default_rng(seed)
    return energies.MatrixCompletion(rng.standard_normal((m, n)), rng.random((m, n)) < 0.6)


# ------------------------------------------------------------------ against one flow at a time


@engines
@pytest.mark.parametrize("depth", [1, 2, 2.5, 3, 10, 13, math.inf])
@pytest.mark.parametrize("method", ["DOP853", "ROCK4"])
def test_members_follow_their_own_flows(engine, depth, method):
    starts, times = gaussian(3, 2, 2), [0.0, 0.3, 1.0]
    options = {"depth": depth, "t_eval": times, "gtol": 0.0}
    many = flows.ensemble(
        DIAGONAL, starts, (0, 1), rtol=1e-9, method=method, engine=engine, **options
    )
    assert many.success and (many.t_end == 1).all()
    for k, start in enumerate(starts):
        one = flows.gradient_flow(DIAGONAL, start, (0, 1), method="DOP853", rtol=1e-12, **options)
        assert_allclose(many.W[k], one.W, atol=1e-7, rtol=0)
        assert_allclose(many.W_end[k], one.W[-1], atol=1e-7, rtol=0)
        assert_allclose(many.energy_end[k], one.energy[-1], rtol=1e-6, atol=1e-12)
    assert (many.W[:, -1] == many.W_end).all()


@engines
@pytest.mark.parametrize(("m", "n"), [(2, 4), (4, 2), (5, 5), (1, 3)])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_any_shape(engine, m, n, depth):
    energy, starts = completion(m, n), gaussian(3, m, n)
    many = flows.ensemble(energy, starts, (0, 1), depth=depth, rtol=1e-9, engine=engine)
    for k, start in enumerate(starts):
        one = flows.gradient_flow(
            energy, start, (0, 1), depth=depth, method="DOP853", rtol=1e-12, t_eval=[1.0]
        )
        assert_allclose(many.W_end[k], one.W[-1], atol=1e-7, rtol=0)


def test_rectangular_at_real_depth_is_numpys():
    energy, starts = completion(2, 3), gaussian(3, 2, 3)
    many = flows.ensemble(energy, starts, (0, 1), depth=2.5, rtol=1e-9)
    assert many.engine.startswith("numpy")
    one = flows.gradient_flow(
        energy, starts[1], (0, 1), depth=2.5, method="DOP853", rtol=1e-12, t_eval=[1.0]
    )
    assert_allclose(many.W_end[1], one.W[-1], atol=1e-7, rtol=0)


@engines
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_weights_upstairs_unbalanced_and_of_any_widths(engine, decay):
    widths, rng = (3, 4, 2, 3), np.random.default_rng(0)
    layers = weights.random(widths, 0.7, rng=rng, size=5)
    energy = completion(3, 3)
    many = flows.ensemble(
        energy, layers, (0, 2), weight_decay=decay, rtol=1e-10, engine=engine, t_eval=[0, 2]
    )
    for k in range(5):
        one = flows.gradient_flow(
            energy, tuple(W[k] for W in layers), (0, 2), weight_decay=decay, method="DOP853",
            rtol=1e-12, t_eval=[2.0],
        )  # fmt: skip
        for ours, theirs in zip(many.weights, one.weights, strict=True):
            assert_allclose(ours[k], theirs[-1], atol=1e-8, rtol=0)
    assert_allclose(many.W_end, weights.end_to_end(many.weights), atol=1e-14)
    before, after = weights.imbalance(layers), weights.imbalance(many.weights)
    for G, H in zip(before, after, strict=True):  # conserved; with decay it falls as exp(-2γt)
        assert_allclose(H, np.exp(-4 * decay) * G, atol=1e-9)


@engines
@pytest.mark.parametrize("depth", [2, 3.5, math.inf])
def test_weight_decay_downstairs(engine, depth):
    starts = gaussian(2, 2, 2)
    options = {"depth": depth, "weight_decay": 0.2}
    many = flows.ensemble(DIAGONAL, starts, (0, 3), rtol=1e-9, engine=engine, **options)
    one = flows.gradient_flow(
        DIAGONAL, starts[1], (0, 3), method="DOP853", rtol=1e-12, t_eval=[3.0], **options
    )
    assert_allclose(many.W_end[1], one.W[-1], atol=1e-7)
    assert (many.status == 0).all()  # E' need not vanish: never stationary


@engines
@pytest.mark.parametrize(
    "energy",
    [
        energies.Quadratic(np.diag([2.0, 1.0])),
        energies.LinearRegression([[1.0, 0.5, 2.0], [0.0, 1.0, 1.0]], [[1.0, 2, 3], [0, 1, 1]]),
        energies.MatrixSensing(np.random.default_rng(1).standard_normal((3, 2, 2)), [1.0, 2, 3]),
    ],
    ids=["quadratic", "regression", "sensing"],
)
def test_energies(engine, energy):
    starts = gaussian(3, 2, 2)
    many = flows.ensemble(energy, starts, (0, 1), depth=3, rtol=1e-9, engine=engine)
    assert_allclose(many.energy_end, energy.value(many.W_end), rtol=1e-12, atol=1e-14)
    one = flows.gradient_flow(
        energy, starts[2], (0, 1), depth=3, method="DOP853", rtol=1e-12, t_eval=[1.0]
    )
    assert_allclose(many.W_end[2], one.W[-1], atol=1e-7)


# ------------------------------------------------------------------------------ exact solutions


@engines
@pytest.mark.parametrize("depth", [2, 3, 4.5, math.inf])
def test_diagonal_starts_follow_the_exact_modes(engine, depth):
    # On diagonal matrices E = ½‖W - diag(3, 1)‖² splits into modes with closed solutions.
    s = np.array([[0.1, 0.2], [2.0, 1.5], [1e-3, 0.9]])
    starts, times = s[:, :, None] * np.eye(2), np.array([0.5, 1.0, 2.0])
    energy = energies.Quadratic(np.diag([3.0, 1.0]))
    run = flows.ensemble(
        energy, starts, (0, 2), depth=depth, rtol=1e-11, t_eval=times, engine=engine, gtol=0
    )
    for k in range(2):
        sigma = np.array([3.0, 1.0])[k]
        known = exact.singular_value(times, s[:, k, None], sigma, depth)
        assert_allclose(run.W[:, :, k, k], known, rtol=2e-8)
    assert_allclose(run.W[..., 0, 1], 0, atol=1e-14)


@engines
@pytest.mark.parametrize("sign", [-1, 1])
def test_invariants_of_problem_14_1(engine, sign):
    # As in test_identities: at N = 2 c = [(WWᵀ)^½ - (WᵀW)^½]_11 is conserved, and where det W > 0
    # I = (W_12 + W_21)/(2 √det), where det W < 0 J = (W_21 - W_12)/(2 √|det|).
    W = gaussian(40, 2, 2)
    W = np.where((np.linalg.det(W) * sign > 0)[:, None, None], W, W[:, :, ::-1])
    run = flows.ensemble(DIAGONAL, W, (0, 300), depth=2, rtol=1e-11, gtol=1e-9, engine=engine)
    assert run.success and (run.energy_end < 1e-14).all()

    def invariants(W):
        U, sigma, Vt = np.linalg.svd(W)
        roots = [(F * sigma[:, None, :]) @ F.mT for F in (U, Vt.mT)]
        root = np.sqrt(np.abs(np.linalg.det(W)))
        return (roots[0] - roots[1])[:, 0, 0], (W[:, 1, 0] + sign * W[:, 0, 1]) / (2 * root)

    for before, after in zip(invariants(W), invariants(run.W_end), strict=True):
        assert_allclose(after, before, rtol=1e-7, atol=1e-8)


@engines
def test_a_lifted_start_stays_balanced_and_of_its_rank(engine):
    x, y = gaussian(2, 4, 3)
    start = (x[:, :2] @ y[:, :2].T)[None]  # rank 2: two singular values of rounding size
    energy = completion(4, 4)
    up = flows.ensemble(energy, balanced.lift(start, 3, rank=2), (0, 5), rtol=1e-9, engine=engine)
    assert max(np.abs(G).max() for G in weights.imbalance(up.weights)) < 1e-7
    down = flows.ensemble(energy, start, (0, 5), depth=3, rtol=1e-9, engine=engine)
    assert_allclose(down.W_end, up.W_end, atol=1e-7)
    assert np.linalg.svd(down.W_end[0])[1][2] < 1e-12


# ------------------------------------------------------------------------- small and large times


@engines
@pytest.mark.parametrize("depth", [2, 3, 10])
def test_starts_of_scale_1e_20(engine, depth):
    s = 1e-20 * np.array([1.0, 2.0, 5.0])
    energy = energies.Quadratic([[1.0]])
    run = flows.ensemble(
        energy, s[:, None, None], (0, 1e30), depth=depth, stop_loss=0.125, rtol=1e-10, engine=engine
    )
    assert (run.status == 1).all()
    assert_allclose(run.W_end[:, 0, 0], 0.5, rtol=1e-9)
    assert_allclose(run.t_end, exact.passage_time(s, 0.5, 1.0, depth), rtol=1e-7)


@engines
def test_what_is_below_the_spacing_of_time_is_still_resolved(engine):
    # At N = 10 a start of 1e-20 waits for 1e15 units; what follows takes one.
    energy, start = energies.Quadratic([[1.0]]), np.full((1, 1, 1), 1e-20)
    options = {"depth": 10, "rtol": 1e-10, "gtol": 0, "engine": engine}
    run = flows.ensemble(energy, start, (0, 1e30), stop_loss=1e-20, **options)
    assert run.success and abs(run.W_end[0, 0, 0] - 1) < 2e-10
    assert np.spacing(run.t_end[0]) > 0.05


# ------------------------------------------------------------------------------------------ files


@engines
def test_frames_of_long_stable_steps(engine):
    """At rest by t = 60; parts of ROCK4's steps of length 200 are as stable as the steps."""
    start = [
        [0.00011664893963403045, 8.621136091452795e-06],
        [3.608847899483423e-05, 2.188223830413295e-05],
    ]
    times = np.append(0.0, np.geomspace(1e-2, 3e4, 3000))
    run = flows.ensemble(
        DIAGONAL,
        np.array([start]),
        (0, 3e4),
        depth=3,
        t_eval=times,
        rtol=1e-8,
        gtol=0.0,
        engine=engine,
    )
    rest = run.W[0, times > 60]
    assert_allclose(rest, np.broadcast_to(run.W_end[0], rest.shape), atol=1e-6)


@engines
def test_round_trip_and_xarray(engine, tmp_path):
    layers = weights.random((2, 3, 2), 0.5, rng=0, size=4)
    run = flows.ensemble(DIAGONAL, layers, (0, 1), t_eval=[0, 0.5], engine=engine)
    run.save(tmp_path / "run")
    again = flows.FlowEnsemble.load(tmp_path / "run")
    for name in ("W_end", "t_end", "energy_end", "status", "t", "W"):
        assert getattr(again, name).tobytes() == getattr(run, name).tobytes()
    assert all(map(np.array_equal, again.weights, run.weights))
    assert (again.message, again.engine) == (run.message, run.engine)
    assert all(np.array_equal(again.stats[k], run.stats[k]) for k in run.stats)
    assert "4 paths, 2 times" in repr(again)
    data = run.to_xarray()
    assert data["W"].dims == ("path", "time", "row", "column")
    assert data["W_1"].shape == (4, 3, 2) and data["t_end"].dims == ("path",)


def test_files_that_are_not_whole_are_refused(tmp_path):
    run = flows.ensemble(DIAGONAL, gaussian(3, 2, 2), (0, 1), depth=2)
    run.save(tmp_path / "run")
    short = dataclasses.replace(run, W_end=run.W_end[:2])
    short.save(tmp_path / "short")
    with pytest.raises(ValueError, match="the same paths"):
        flows.FlowEnsemble.load(tmp_path / "short")
    assert flows.FlowEnsemble.load(tmp_path / "run").W is None
