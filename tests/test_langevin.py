"""The Riemannian Langevin equation: law against law, exact moments, reproducibility."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.stats import ks_2samp

from dlngeo import energies
from dlngeo.dynamics import langevin, root_chart, stepping
from dlngeo.dynamics.root_chart import RootChart
from dlngeo.dynamics.schemes import RootEuler, WeakTwo
from dlngeo.geometry import balanced, entropy, metric

START = np.array([[1.4, 0.3], [-0.2, 0.9]])
COMPLETION = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
ZERO = energies.Quadratic(np.zeros((2, 2)))


def mean_square(depth, kappa, beta=1.0, d=2):
    """E[mean σ²] for E = ½|W|²: κ[(d-1)(Na+b)+1]/(Nβ), a = 1/(2κ), b = 1 - a."""
    a = 1 / (2 * kappa)
    return kappa * ((d - 1) * (depth * a + 1 - a) + 1) / (depth * beta)


def errors_apart(one, two):
    """Difference of the means of two samples in standard errors."""
    spread = np.sqrt(one.var(axis=0, ddof=1) / len(one) + two.var(axis=0, ddof=1) / len(two))
    return (one.mean(axis=0) - two.mean(axis=0)) / spread


# --------------------------------------------------------------------------------- stationary law


@pytest.mark.parametrize(("depth", "kappa"), [(2, 1.0), (3, 0.5)])
def test_stationary_mean_is_exact_to_statistical_error(depth, kappa):
    run = langevin.simulate(
        ZERO, 0.7 * np.eye(2), depth=depth, beta=1.0, kappa=kappa, dt=0.05, n_steps=160,
        n_paths=500, rng=1, save_every=10,
    )  # fmt: skip
    late = (run.singular_values[:, run.t > 3] ** 2).mean(axis=(1, 2))
    exact = mean_square(depth, kappa)
    assert abs(late.mean() - exact) < 5 * late.std(ddof=1) / np.sqrt(len(late))
    assert late.std(ddof=1) / np.sqrt(len(late)) < 0.03 * exact


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "kappa"), [(2, 1.0), (3, 1.0), (2, 2.0)])
def test_stationary_mean_within_one_percent_where_euler_is_not(depth, kappa):
    options = {"beta": 1.0, "kappa": kappa, "dt": 0.02, "save_every": 10, "rng": 1}
    exact = mean_square(depth, kappa)
    late = {}
    for method in ("auto", "euler"):
        run = langevin.simulate(
            ZERO, 0.7 * np.eye(2), depth=depth, n_steps=1000, n_paths=2500, method=method, **options
        )
        late[method] = (run.singular_values[:, run.t > 4] ** 2).mean(axis=(1, 2))
    error = late["auto"].std(ddof=1) / np.sqrt(2500)
    assert error < 0.004 * exact
    assert abs(late["auto"].mean() / exact - 1) < 0.01 + 2 * error / exact
    if depth == 2 and kappa == 1:
        assert late["euler"].mean() > 1.04 * exact


# -------------------------------------------------------------------- upstairs against downstairs


@pytest.mark.parametrize(("depth", "kappa"), [(2, 1.0), (3, 0.3)])
def test_upstairs_projects_to_downstairs(depth, kappa):
    options = {"beta": 6.0, "kappa": kappa, "dt": 0.005, "n_steps": 30, "save_every": 30}
    up = langevin.simulate(
        COMPLETION, balanced.lift(START, depth, rng=0), n_paths=1500, rng=1, **options
    )
    down = langevin.simulate(COMPLETION, START, depth=depth, n_paths=3000, rng=2, **options)
    assert up.success and down.success
    assert np.abs(errors_apart(up.singular_values[:, -1], down.singular_values[:, -1])).max() < 5
    one, two = up.W[:, -1].reshape(-1, 4), down.W[:, -1].reshape(-1, 4)
    assert np.abs(errors_apart(one, two)).max() < 5
    assert np.abs(errors_apart((one - one.mean(0)) ** 2, (two - two.mean(0)) ** 2)).max() < 5
    for k in range(2):
        assert ks_2samp(up.singular_values[:, -1, k], down.singular_values[:, -1, k]).pvalue > 1e-5
    ends = tuple(W[:, -1] for W in up.weights)
    assert balanced.residual(ends).max() < 1e-12


BESIDE = {"beta": 1.0, "kappa": 1.0, "dt": 0.01, "n_steps": 30, "save_every": 30}


@pytest.fixture(scope="module")
def ends_upstairs():
    run = langevin.simulate(COMPLETION, balanced.lift(START, 3), n_paths=2500, rng=1, **BESIDE)
    return run.singular_values[:, -1]


@pytest.mark.parametrize("removed", [None, "entropy", "curvature"])
def test_law_test_notices_a_missing_drift(removed, monkeypatch, ends_upstairs):
    # the same comparison fails without grad S, or without the drift of Brownian motion
    if removed == "entropy":
        monkeypatch.setattr(root_chart, "total_pull", lambda t, depth: np.zeros(t.shape[:-1]))
    elif removed == "curvature":
        monkeypatch.setattr(root_chart, "_spread", lambda lam, x, S, depth, ito: np.zeros_like(lam))
    down = langevin.simulate(COMPLETION, START, depth=3, n_paths=2500, rng=2, **BESIDE)
    worst = np.abs(errors_apart(ends_upstairs, down.singular_values[:, -1])).max()
    assert worst < 5 if removed is None else worst > 5


def test_noise_in_the_gauge_alone_moves_w_by_curvature():
    # κ = 0: upstairs noise, downstairs the free-energy flow (12.6)-(12.7), noise of order √dt
    options = {"beta": 4.0, "kappa": 0.0, "rng": 0, "n_paths": 150}
    exact = solve_ivp(
        lambda t, y: -entropy.free_energy_gradient(COMPLETION, y.reshape(2, 2), 2, 4.0).ravel(),
        (0, 0.2), START.ravel(), rtol=1e-10, atol=1e-12,
    ).y[:, -1].reshape(2, 2)  # fmt: skip
    spread = []
    for n_steps in (10, 40):
        up = langevin.simulate(
            COMPLETION,
            balanced.lift(START, 2),
            dt=0.2 / n_steps,
            n_steps=n_steps,
            save_every=n_steps,
            **options,
        )
        spread.append(up.W[:, -1].std(axis=0).max())
    assert 1.6 < spread[0] / spread[1] < 2.5
    assert_allclose(up.W[:, -1].mean(axis=0), exact, atol=5 * spread[1] / np.sqrt(150) + 2e-3)
    down = langevin.simulate(COMPLETION, START, depth=2, dt=0.02, n_steps=10, **options)
    assert_allclose(down.W[:, -1], np.broadcast_to(exact, (150, 2, 2)), atol=1e-5)
    assert np.linalg.norm(exact - START) > 0.05


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


@pytest.mark.parametrize("depth", [1, 3])
def test_weak_order_by_quadrature(depth):
    # d = 1: dλ = -λ^{N-1} E' dt + √(2κ/βN) dB; E f(λ_h) against f + hLf + h²L²f/2 + h³L³f/6
    W, beta, target, h0 = 1.3, 3.0, 0.4, 0.02
    energy = energies.Quadratic([[target]])
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.outer(weights, weights).ravel() / weights.sum() ** 2
    lam = np.polynomial.Polynomial([0, 1])
    drift = -(lam ** (depth - 1)) * (lam**depth - target)

    def generator(f):
        return drift * f.deriv() + f.deriv(2) / (beta * depth)

    f = [lam**2]
    for _ in range(4):
        f.append(generator(f[-1]))
    root = W ** (1 / depth)
    orders = {}
    for name, scheme in (("weak2", WeakTwo), ("root", RootEuler)):
        stepper = scheme(RootChart(energy, depth, beta, 1.0, 0.0), 1, 0.0)
        errors = []
        for h in (h0, h0 / 2, h0 / 4):
            exact = sum(g(root) * h**k / np.prod(range(1, k + 1)) for k, g in enumerate(f))
            normals = grid if stepper.noise_size == 2 else grid[:, :1]
            end = stepper.step(np.full((len(grid), 1, 1), root), normals, h)[:, 0, 0]
            errors.append(abs(mass @ end**2 - exact))
        orders[name] = np.polyfit(np.log([h0, h0 / 2, h0 / 4]), np.log(errors), 1)[0]
    assert abs(orders["root"] - 2) < 0.15  # local: one more than the global order
    assert orders["weak2"] > 2.8


# ------------------------------------------------------------------------------- the contracts


@pytest.mark.parametrize("upstairs", [False, True])
def test_a_path_is_the_same_in_any_company(upstairs, monkeypatch):
    options = {"depth": 2, "beta": 3.0, "dt": 0.01, "n_steps": 7, "rng": 11, "upstairs": upstairs}
    many = langevin.simulate(COMPLETION, START, n_paths=9, **options)
    few = langevin.simulate(COMPLETION, START, n_paths=4, **options)
    assert np.array_equal(many.W[:4], few.W)
    monkeypatch.setattr(stepping, "_CHUNK", 2)
    monkeypatch.setattr(stepping, "_BLOCK", 3)
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
            stepper = scheme(RootChart(e, 3, 2.0, 1.0, 0.0), 2, 1.0)
            Y = np.broadcast_to(stepper.start(R @ np.diag([1.2, 0.7])), (5, 2, 2))
            ends.append(stepper.end_to_end(stepper.step(Y, (R @ noise).reshape(5, -1), 0.01)))
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
    assert run.status == -1
    assert not run.success
    assert "shorter dt" in run.message
    assert np.isfinite(run.W).all()
    assert run.t.size == run.W.shape[1] >= 1


def test_bad_input():
    with pytest.raises(ValueError, match="beta"):
        langevin.simulate(ZERO, START, depth=2, beta=0, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="kappa"):
        langevin.simulate(ZERO, START, depth=2, beta=1, kappa=-1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="square"):
        langevin.simulate(ZERO, np.ones((2, 3)), depth=2, beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="full rank"):
        langevin.simulate(ZERO, np.diag([1.0, 0.0]), depth=2, beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="balanced"):
        langevin.simulate(ZERO, (np.eye(2), 2 * np.eye(2)), beta=1, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="whole depth"):
        langevin.simulate(ZERO, START, depth=2.5, beta=1, dt=0.1, n_steps=1, upstairs=True)
    with pytest.raises(ValueError, match="root chart"):
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
