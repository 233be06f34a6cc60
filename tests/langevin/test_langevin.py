"""The Riemannian Langevin equation: short times, contracts, reproducibility."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy, langevin, metric
from dlngeo._equation import Equation
from dlngeo._paths import groups, stepping
from dlngeo.langevin.schemes import RootEuler, WeakTwo

START = np.array([[1.4, 0.3], [-0.2, 0.9]])
COMPLETION = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
ZERO = energies.Quadratic(np.zeros((2, 2)))


# --------------------------------------------------------------------------------- short times


@pytest.mark.parametrize("method", ["weak2", "root", "euler"])
@pytest.mark.parametrize("depth", [2, 3])
def test_short_time_mean_and_covariance(method, depth):
    n, dt = 20000, 1e-3
    run = langevin.simulate(
        COMPLETION,
        START,
        depth=depth,
        beta=2.0,
        kappa=0.7,
        dt=dt,
        n_steps=1,
        n_paths=n,
        rng=3,
        method=method,
    )
    change = (run.W[:, 1] - START).reshape(n, 4)
    drift = 0.7 / 2 * metric.ito_drift(START, depth) - entropy.free_energy_gradient(
        COMPLETION, START, depth, 2.0
    )
    A = np.array([metric.apply(START, E, depth).ravel() for E in np.eye(4).reshape(4, 2, 2)])
    covariance = 2 * 0.7 / 2.0 * dt * A
    error = np.sqrt(np.diag(covariance) / n)
    assert (np.abs(change.mean(axis=0) - dt * drift.ravel()) < 5 * error + 20 * dt**2).all()
    assert_allclose(np.cov(change.T), covariance, atol=5 * covariance.max() * np.sqrt(2 / n))


# ------------------------------------------------------------------------------- the contracts


@pytest.mark.parametrize("upstairs", [False, True])
def test_a_path_is_the_same_in_any_company(upstairs, monkeypatch):
    options = {"depth": 2, "beta": 3.0, "dt": 0.01, "n_steps": 7, "rng": 11, "upstairs": upstairs}
    many = langevin.simulate(COMPLETION, START, n_paths=9, **options)
    few = langevin.simulate(COMPLETION, START, n_paths=4, **options)
    assert np.array_equal(many.W[:4], few.W)
    monkeypatch.setattr(stepping, "_CHUNK", 2)
    monkeypatch.setattr(groups, "_BLOCK", 3)
    again = langevin.simulate(COMPLETION, START, n_paths=9, **options)
    assert np.array_equal(many.W, again.W)


def test_noise_lives_in_the_entries_of_w():
    # turning W, E and the noise by fixed frames turns the path: no choice of an SVD enters
    Q = np.array([[0.6, -0.8], [0.8, 0.6]])
    energy, turned = energies.Quadratic(START), energies.Quadratic(Q @ START)
    normals = np.random.default_rng(0).standard_normal((5, 8))
    B = normals.reshape(5, 2, 2, 2)
    for scheme, noise in ((WeakTwo, B), (RootEuler, B[:, 0])):
        ends = []
        for e, R in ((energy, np.eye(2)), (turned, Q)):
            stepper = scheme(Equation(e, 3, 2.0, 1.0), 2)
            Y = np.broadcast_to(stepper.start(R @ np.diag([1.2, 0.7])), (5, 2, 2))
            ends.append(stepper.record(stepper.step(Y, (R @ noise).reshape(5, -1), 0.01)))
        assert_allclose(ends[1], Q @ ends[0], atol=1e-12)


@pytest.mark.parametrize("upstairs", [False, True])
@pytest.mark.parametrize("depth", [2, 3])
def test_sign_of_the_determinant_is_kept(depth, upstairs):
    start = np.diag([1.0, -0.02])
    run = langevin.simulate(
        ZERO,
        start,
        depth=depth,
        beta=2.0,
        dt=0.002,
        n_steps=40,
        n_paths=60,
        rng=0,
        upstairs=upstairs,
    )
    assert run.success, run.message
    assert (np.linalg.det(run.W) <= 0).all()
    assert run.singular_values[:, :, 1].min() < 1e-2


def test_infinite_depth_drifts_by_w_over_beta():
    run = langevin.brownian_motion(
        START, depth=np.inf, beta=2.0, dt=1e-3, n_steps=20, n_paths=8000, rng=0
    )
    end = run.W[:, -1]
    exact = START * np.exp(0.02 / 2)
    error = end.std(axis=0, ddof=1) / np.sqrt(8000)
    assert (np.abs(end.mean(axis=0) - exact) < 5 * error + 1e-4).all()


def test_brownian_motions_differ_by_the_gradient_of_the_entropy():
    t, n = 0.02, 4000
    options = {"beta": 1.0, "dt": t / 4, "n_steps": 4, "save_every": 4, "n_paths": n, "rng": 0}
    drift = {}
    for on in ("end-to-end", "balanced", "orbit"):
        run = langevin.brownian_motion(START, on=on, depth=2, **options)
        end = run.W[:, -1].reshape(n, 4)
        drift[on] = (end.mean(axis=0) - START.ravel()) / t, end.std(axis=0) / np.sqrt(n) / t
    push = entropy.gradient(START, 2).ravel()
    curvature = metric.ito_drift(START, 2).ravel()
    for on, exact in (("end-to-end", curvature), ("balanced", curvature + push), ("orbit", push)):
        mean, error = drift[on]
        assert (np.abs(mean - exact) < 5 * error + 0.02).all(), on


def test_a_run_that_explodes_says_so_and_keeps_its_frames():
    energy = energies.Quadratic(1e3 * np.eye(2))
    run = langevin.simulate(
        energy,
        100 * np.eye(2),
        depth=3,
        beta=1.0,
        dt=0.1,
        n_steps=50,
        n_paths=3,
        rng=0,
        save_every=1,
        method="euler",
    )
    assert (run.status == -1).all()
    assert not run.success
    assert "3 of 3 paths ended early: path 0 at t = 0" in run.message
    assert "shorter dt" in run.message
    assert np.isfinite(run.W[:, 0]).all() and np.isnan(run.W[:, 1:]).all()
    assert run.t.size == run.W.shape[1] == 51


def test_bad_input():
    with pytest.raises(ValueError, match="beta"):
        langevin.simulate(ZERO, START, depth=2, beta=0, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="kappa"):
        langevin.simulate(ZERO, START, depth=2, beta=1, kappa=-1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="square"):
        langevin.simulate(ZERO, np.ones((2, 3)), depth=2, beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="full rank"):
        langevin.simulate(ZERO, np.diag([1.0, 0.0]), depth=2, beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match=r"start.*numerical rank is 1"):  # on every processor
        langevin.simulate(ZERO, np.ones((2, 2)), depth=2, beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match=r"start\[0\].*numerical rank is 1"):
        langevin.simulate(ZERO, (np.ones((2, 2)),) * 2, beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="balanced"):
        langevin.simulate(ZERO, (np.eye(2), 2 * np.eye(2)), beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="whole depth"):
        langevin.simulate(ZERO, START, depth=2.5, beta=1, dt=0.1, n_steps=1, upstairs=True)
    with pytest.raises(ValueError, match="at depth inf"):
        langevin.simulate(ZERO, START, depth=np.inf, beta=1, dt=0.1, n_steps=1, method="weak2")
    with pytest.raises(ValueError, match="on must be"):
        langevin.brownian_motion(START, on="sphere", depth=2, beta=1, dt=0.1, n_steps=1)


def test_a_stiff_step_is_cut_and_the_law_is_right():
    # near the target 30 diag(1, 0.3) the drift turns within 1/900: uncut, weak2 settles at σ_1 = 20
    energy = energies.Quadratic(30 * np.diag([1.0, 0.3]))
    options = {"depth": 2, "beta": 1.0, "dt": 0.05, "n_steps": 10, "rng": 4, "save_every": 10}
    run = langevin.simulate(energy, np.eye(2), n_paths=40, **options)
    assert run.success, run.message
    assert run.provenance["cut"] > 0
    assert "in parts" in run.message
    top = run.singular_values[:, -1, 0]
    # β = 1: σ_1 fluctuates about 30 with standard deviation near 1
    assert abs(top.mean() - 30) < 5 * max(top.std(ddof=1), 0.5) / np.sqrt(40) + 0.1
    few = langevin.simulate(energy, np.eye(2), n_paths=3, **options)
    assert np.array_equal(run.W[:3], few.W)


class Holes:
    """½‖W - 1‖² entry by entry, without a gradient where an entry exceeds 1.2."""

    shape, hessian_bound = (2, 2), 1.0

    def value(self, W):
        return 0.5 * ((W - 1) ** 2).sum((-2, -1))

    def gradient(self, W):
        return np.where(np.abs(W) > 1.2, np.nan, W - 1)

    def hessian(self, W, V):
        return V


def test_paths_upstairs_end_where_an_energy_has_no_gradient():
    W = np.random.default_rng(202).standard_normal((2, 2))
    run = langevin.simulate(
        Holes(), W, depth=2, beta=2.0, dt=0.01, n_steps=5, n_paths=4, upstairs=True, rng=3
    )
    assert (np.abs(W) > 1.2).any()
    assert (run.status == -1).all()


def test_a_bound_that_is_no_number_is_refused_by_name():
    energy = Holes()
    energy.hessian_bound = lambda: 1.0
    with pytest.raises(TypeError, match="hessian_bound must be"):
        langevin.simulate(energy, np.eye(2), depth=2, beta=2.0, dt=0.01, n_steps=5, rng=3)
