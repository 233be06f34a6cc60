"""Flows and gradient descent against golden trajectories, closed forms and other solvers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from dlngeo import adjacency, energies, entropy, flows, weights
from dlngeo.solvers import RKC


def rectangular_diagonal(sigma, m, n):
    target = np.zeros((m, n))
    np.fill_diagonal(target, sigma)
    return target


@pytest.fixture(params=["h2", "h3", "h5"])
def golden_run(request, golden_flow):
    network = golden_flow["networks"][request.param]
    end = golden_flow["matrix_flow_trajectories"][request.param]
    widths = tuple(network["d"])
    sigma = np.array(network["sigma"], dtype=float)
    energy = energies.Quadratic(rectangular_diagonal(sigma, widths[-1], widths[0]))
    start = tuple(np.array(W, dtype=float) for W in network["W"])
    final = tuple(np.array(W, dtype=float) for W in end["W_T"])
    return energy, start, widths, float(end["T"]), final


# ------------------------------------------------------------------------------- the right path


@pytest.mark.parametrize(
    ("method", "tolerance"),
    [("RKC", 2e-6), ("RK45", 1e-7), ("DOP853", 1e-7), ("Radau", 1e-7), ("LSODA", 1e-6)],
)
def test_weight_flow_meets_golden_end(golden_run, method, tolerance):
    energy, start, _, T, final = golden_run
    run = flows.gradient_flow(energy, start, (0, T), method=method, rtol=1e-8, gtol=0)
    assert run.success
    for layer, exact in zip(run.weights, final, strict=True):
        assert_allclose(layer[-1], exact, atol=tolerance)


def test_adjacency_flow_meets_golden_end(golden_run):
    energy, start, widths, T, final = golden_run
    A = adjacency.from_weights(start)
    run = flows.adjacency_flow(energy, A, widths, (0, T), method="DOP853", rtol=1e-10)
    for layer, exact in zip(run.weights, final, strict=True):
        assert_allclose(layer[-1], exact, atol=1e-9)


def test_global_error_of_rkc_follows_its_tolerance(golden_run):
    energy, start, _, T, final = golden_run
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        run = flows.gradient_flow(energy, start, (0, T), method="RKC", rtol=rtol, t_eval=[T])
        errors.append(max(np.abs(w[-1] - e).max() for w, e in zip(run.weights, final, strict=True)))
    # second order: the global error goes as rtol^(2/3)
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8


@pytest.mark.parametrize("depth", [2, 3, 5, np.inf])
def test_balanced_scalar_flow_downstairs(depth):
    # d = 1: sigma' = -N sigma^{2-2/N} (sigma - s), the equation (61) of the survey for sigma
    s, sigma0, T = 2.0, 0.3, 0.3
    run = flows.gradient_flow(
        energies.Quadratic([[s]]), np.array([[sigma0]]), (0, T), depth=depth, rtol=1e-9
    )
    # time as an integral over sigma, by Gauss-Legendre quadrature
    x, w = np.polynomial.legendre.leggauss(200)
    end = run.W[-1, 0, 0]
    y = (sigma0 + end) / 2 + (end - sigma0) / 2 * x
    speed = (y**2 if np.isinf(depth) else depth * y ** (2 - 2 / depth)) * (s - y)
    assert_allclose((end - sigma0) / 2 * np.sum(w / speed), T, rtol=1e-6)


def test_depth_one_downstairs_is_plain_gradient_flow(rng):
    target, W0 = rng.standard_normal((2, 3, 4))
    t = np.array([0.0, 0.3, 1.0])
    run = flows.gradient_flow(
        energies.Quadratic(target), W0, (0, 1), depth=1, t_eval=t, rtol=1e-9, method="DOP853"
    )
    exact = target + np.exp(-t)[:, None, None] * (W0 - target)
    assert_allclose(run.W, exact, atol=1e-8)


@pytest.mark.parametrize("depth", [2, 2.5, 4])
def test_downstairs_keeps_a_stated_rank(rng, depth):
    W0 = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 4))
    energy = energies.Quadratic(rng.standard_normal((5, 4)))
    run = flows.gradient_flow(energy, W0, (0, 2), depth=depth, rank=2)
    assert (run.singular_values[:, 2:] == 0).all()
    assert np.linalg.svd(run.W[-1], compute_uv=False)[2] < 1e-14
    assert run.energy[-1] < run.energy[0]


def test_infinite_depth_is_the_limit_of_large_depth(rng):
    energy = energies.Quadratic(rng.standard_normal((3, 3)))
    W0 = np.eye(3) + 0.3 * rng.standard_normal((3, 3))
    options = {"rtol": 1e-10, "method": "DOP853"}
    limit = flows.gradient_flow(energy, W0, (0, 1), depth=np.inf, **options).W[-1]
    gaps = []
    for depth in (50, 100, 200):
        # 𝒜_N / N: time runs N times slower
        run = flows.gradient_flow(energy, W0, (0, 1 / depth), depth=depth, **options)
        gaps.append(np.abs(run.W[-1] - limit).max())
    assert_allclose(gaps[:-1], 2 * np.array(gaps[1:]), rtol=0.1)  # error O(1/N)


def test_a_stack_is_a_loop(rng):
    energy = energies.Quadratic(rng.standard_normal((2, 3)))
    stack = weights.random((3, 4, 2), 0.5, rng=1, size=(3,))
    options = {"t_eval": [1, 2], "rtol": 1e-10, "method": "DOP853"}
    together = flows.gradient_flow(energy, stack, (0, 2), **options)
    assert together.W.shape == (2, 3, 2, 3)
    assert together.energy.shape == together.effective_rank.shape == (2, 3)
    assert together.imbalance_drift.shape == (2, 3)
    for k in range(3):
        alone = flows.gradient_flow(energy, [W[k] for W in stack], (0, 2), **options)
        assert_allclose(together.W[:, k], alone.W, atol=1e-8)
    down = flows.gradient_flow(energy, together.W[0], (0, 1), depth=3, t_eval=[1])
    assert down.W.shape == (1, 3, 2, 3)
    A = flows.adjacency_flow(energy, adjacency.from_weights(stack), (3, 4, 2), (0, 2), **options)
    assert_allclose(A.W, together.W, atol=1e-8)


# ----------------------------------------------------------------------------------- weight decay


@pytest.mark.parametrize(("method", "tolerance"), [("RKC", 1e-5), ("DOP853", 1e-7)])
def test_weight_decay_shrinks_every_imbalance(rng, method, tolerance):
    # survey 3.6.2: C(t) = exp(-2 γ t) C(0)
    gamma, t = 0.3, np.linspace(0, 2, 5)
    energy = energies.Quadratic(rng.standard_normal((2, 4)))
    start = weights.random((4, 3, 3, 2), 0.8, rng=2)
    run = flows.gradient_flow(
        energy, start, (0, 2), weight_decay=gamma, t_eval=t, rtol=tolerance / 100, method=method
    )
    before, after = weights.imbalance(start), weights.imbalance([W[-1] for W in run.weights])
    for G0, G in zip(before, after, strict=True):
        assert_allclose(G, np.exp(-2 * gamma * 2) * G0, atol=tolerance)
    assert run.imbalance_drift.max() < tolerance
    assert run.imbalance[0] > 0.1


@pytest.mark.parametrize("depth", [1, 3])
def test_weight_decay_is_the_same_upstairs_and_downstairs(depth):
    energy = energies.Quadratic(np.diag([2.0, 1.0, 0.5]))
    start = weights.random_balanced((3,) * (depth + 1), 0.5, rng=3)
    options = {"weight_decay": 0.2, "t_eval": [3], "rtol": 1e-10, "method": "DOP853"}
    up = flows.gradient_flow(energy, start, (0, 3), **options)
    W0 = weights.end_to_end(start)
    down = flows.gradient_flow(energy, W0, (0, 3), depth=depth, **options)
    assert_allclose(up.W, down.W, atol=1e-8)


def test_weight_decay_at_infinite_depth_is_gradient_of_log_determinant():
    # E + γ log|det W| in g^inf: 𝒜_inf(γ W^{-T}) = γ W, so with E = 0 the flow is W(0) e^{-γt}
    W0 = np.array([[1.0, 0.2], [-0.4, 0.8]])
    nothing = energies.MatrixSensing(np.zeros((1, 2, 2)), [0.0])
    run = flows.gradient_flow(
        nothing, W0, (0, 1), depth=np.inf, weight_decay=0.7, t_eval=[1], rtol=1e-9
    )
    assert_allclose(run.W[-1], np.exp(-0.7) * W0, rtol=1e-6)


# ------------------------------------------------------------------------ what a trajectory holds


def test_observables_are_those_of_the_states(rng):
    energy = energies.Quadratic(rng.standard_normal((2, 3)))
    start = weights.random((3, 5, 2), 0.4, rng=4)
    run = flows.gradient_flow(energy, start, (0, 1))
    k = run.t.size // 2
    layers = [W[k] for W in run.weights]
    assert_allclose(run.W[k], layers[1] @ layers[0], rtol=1e-14)
    assert_allclose(run.energy[k], 0.5 * np.sum((run.W[k] - energy.target) ** 2), rtol=1e-13)
    assert_allclose(run.singular_values[k], np.linalg.svd(run.W[k])[1], rtol=1e-12)
    p = run.singular_values[k] / run.singular_values[k].sum()
    assert_allclose(run.effective_rank[k], np.exp(-np.sum(p * np.log(p))), rtol=1e-12)
    G = layers[0] @ layers[0].T - layers[1].T @ layers[1]
    G0 = start[0] @ start[0].T - start[1].T @ start[1]
    assert_allclose(run.imbalance[k], np.linalg.norm(G), rtol=1e-12)
    assert_allclose(run.imbalance_drift[k], np.linalg.norm(G - G0), atol=1e-12)
    assert run.stats["steps"] == run.t.size - 1
    assert run.stats["evaluations"] > run.stats["steps"]
    assert (np.diff(run.energy) < 0).all()


def test_times_asked_for_are_the_times_saved(rng):
    energy = energies.Quadratic(rng.standard_normal((3, 3)))
    t = [0.1, 0.25, 0.7]
    W0 = rng.standard_normal((3, 3))
    run = flows.gradient_flow(energy, W0, (0, 1), depth=2, t_eval=t, rtol=1e-7)
    assert_allclose(run.t, t)
    assert run.weights is run.imbalance is run.imbalance_drift is None
    dense = flows.gradient_flow(energy, W0, (0, 0.7), depth=2, method="DOP853", rtol=1e-11)
    assert_allclose(run.W[-1], dense.W[-1], atol=1e-5)


def test_to_xarray_names_everything(rng):
    pytest.importorskip("xarray")
    start = weights.random((3, 2, 2), 0.4, rng=4, size=(5,))
    run = flows.gradient_flow(energies.Quadratic(np.ones((2, 3))), start, (0, 1), t_eval=[0, 1])
    data = run.to_xarray()
    assert data["W"].dims == ("time", "batch_0", "row", "column")
    assert data["W_1"].dims == ("time", "batch_0", "node_1", "node_0")
    assert_allclose(data["W_2"].sel(time=1), run.weights[1][-1])
    assert set(data) >= {"energy", "singular_values", "effective_rank", "imbalance"}
    assert data.attrs["status"] == 0


# ------------------------------------------------------------------------------- how a run ends


def test_stop_loss_is_met_to_the_last_bit(rng):
    energy = energies.Quadratic(rng.standard_normal((3, 3)))
    start = weights.random((3, 3, 3), 0.5, rng=0)
    for method in ("RKC", "RK45"):
        run = flows.gradient_flow(energy, start, (0, 1e4), stop_loss=1e-3, method=method)
        assert run.status == 1
        assert "stop_loss" in run.message
        assert 1e-3 * (1 - 1e-9) < run.energy[-1] <= 1e-3
        assert (run.energy[:-1] > 1e-3).all()


def test_stop_loss_already_met_ends_at_once():
    run = flows.gradient_flow(energies.Quadratic(np.eye(2)), [np.eye(2)], (0, 1), stop_loss=1.0)
    assert run.status == 1
    assert run.t.tolist() == [0.0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_plateau_at_a_saddle_is_not_the_end(seed):
    # Section 6.1 of the survey: the run waits near the origin and near each saddle in turn.
    sigma = [4.0, 3.0, 2.0, 1.0]
    energy = energies.Quadratic(rectangular_diagonal(sigma, 4, 11))
    start = weights.random((11, 6, 6, 6, 6, 4), 0.05, rng=seed)
    run = flows.gradient_flow(energy, start, (0, 1e5), rtol=1e-4)
    assert run.status == 1
    assert "stationary" in run.message
    assert_allclose(run.singular_values[-1], sigma, rtol=1e-6)
    assert 500 < run.t[-1] < 5000  # T of about 0.5e3 to 1.6e3 to learn, and a tail to converge
    slope = np.linalg.norm(np.diff(run.W, axis=0), axis=(1, 2)) / np.diff(run.t)
    assert slope.min() < 1e-4 * slope.max()  # there were plateaus


def test_exact_saddle_is_not_called_stationary():
    energy = energies.Quadratic(np.diag([2.0, 1.0]))
    start = [np.zeros((2, 2))] * 3
    run = flows.gradient_flow(energy, start, (0, 10))
    assert run.status == 0
    assert run.t[-1] == 10
    assert_allclose(run.W[-1], 0)


def test_start_at_the_minimum_ends_at_once():
    run = flows.gradient_flow(energies.Quadratic(np.eye(2)), np.eye(2), (0, 10), depth=3)
    assert run.status == 1
    assert run.stats["steps"] == 0


class Unbounded:
    """E = -|W|^4 / 4, whose flow leaves every bound in finite time."""

    def value(self, W):
        return -0.25 * (W**2).sum(axis=(-2, -1)) ** 2

    def gradient(self, W):
        return -(W**2).sum(axis=(-2, -1), keepdims=True) * W

    def hessian(self, W, Z):
        raise NotImplementedError


@pytest.mark.parametrize("method", ["RKC", "RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA"])
def test_divergence_is_said_and_the_last_good_state_kept(method):
    # d = 1, depth 1: w' = w^3 from w = 1 has its pole at t = 1/2
    run = flows.gradient_flow(Unbounded(), [[[1.0]]], (0, 1), method=method)
    assert run.status == -1
    assert not run.success
    assert "failed at t = " in run.message
    assert np.isfinite(run.W).all()
    assert np.isfinite(run.energy).all()
    if method != "LSODA":  # which may step across the pole
        assert_allclose(run.t[-1], 0.5, atol=1e-3)


class LogBarrier:
    """E = |W|²/2 - log|det W|: not defined at zero, least on the orthogonal group."""

    def value(self, W):
        return 0.5 * (W**2).sum(axis=(-2, -1)) - np.linalg.slogdet(W)[1]

    def gradient(self, W):
        return W - np.swapaxes(np.linalg.inv(W), -1, -2)

    def hessian(self, W, Z):
        raise NotImplementedError


def test_energy_that_is_not_defined_at_zero():
    W0 = np.array([[2.0, 0.3], [0.1, 1.0]])
    run = flows.gradient_flow(LogBarrier(), W0, (0, 100), depth=3)
    assert "stationary" in run.message
    U, _, Vt = np.linalg.svd(run.W[-1])
    assert_allclose(run.W[-1], U @ Vt, atol=1e-6)


def test_step_limit_says_so(rng):
    energy = energies.Quadratic(rng.standard_normal((3, 3)))
    run = flows.gradient_flow(energy, [rng.standard_normal((3, 3))], (0, 100), max_steps=3)
    assert run.status == -1
    assert "gave up after 3 steps" in run.message
    assert run.t.size == 4


def test_callback_sees_every_step_and_may_stop():
    seen = []

    def look(t, W):
        seen.append((t, W.shape))
        if t > 0.5:
            raise StopIteration

    run = flows.gradient_flow(
        energies.Quadratic(np.eye(2)), [0.1 * np.eye(2)] * 2, (0, 5), callback=look, t_eval=[5]
    )
    assert run.status == 1
    assert "callback" in run.message
    assert run.t[-1] == seen[-1][0] > 0.5
    assert seen[0][1] == (2, 2)


BIG = energies.Quadratic(1e155 * np.eye(2))  # whose value at most matrices is beyond 1e308


@pytest.mark.parametrize(
    "run",
    [
        lambda: flows.gradient_flow(BIG, np.eye(2), (0, 1), depth=1),
        lambda: flows.gradient_flow(BIG, 2e155 * np.eye(2), (0, 1), depth=2),
        lambda: flows.gradient_flow(BIG, [np.eye(2)] * 2, (0, 1), t_eval=[1]),
        lambda: flows.free_energy_flow(BIG, np.diag([1.0, 2.0]), (0, 1), depth=2, beta=1.0),
        lambda: flows.gradient_descent(BIG, [np.eye(2)] * 2, 0.1, 3),
        lambda: flows.gradient_descent(BIG, [np.eye(2)] * 2, 0.1, 0),
    ],
)
def test_an_energy_beyond_floating_point_fails_at_the_start(run):
    run = run()
    assert run.status == -1
    assert "energy is not finite at the start" in run.message
    assert run.t.tolist() == [0.0]
    assert np.isfinite(run.W).all()


def test_a_velocity_beyond_floating_point_fails_at_the_start():
    # at depth 3 it is of size σ^{4/3} |E'| = 1e350
    energy = energies.Quadratic(1e150 * np.eye(2))
    run = flows.gradient_flow(energy, np.diag([1e150, 2e150]), (0, 1), depth=3)
    assert run.status == -1
    assert "velocity is not finite at the start" in run.message


def test_weights_whose_product_overflows_are_refused():
    with pytest.raises(ValueError, match="start must have a product within the range"):
        flows.gradient_flow(energies.Quadratic([[1.0]]), [[[1e200]], [[1e200]]], (0, 1))


@pytest.mark.parametrize("depth", [1, 2, 3, 20])
@pytest.mark.parametrize("scale", [2.0**-160, 2.0**160])
def test_units_do_not_matter(scale, depth):
    # W -> sW goes with t -> s^{2/N-2} t; powers of two, so that nothing is rounded
    W0, target = np.array([[0.5, 0.1], [0.0, 0.6]]), np.diag([1.0, 2.0])
    one, other = (
        flows.gradient_flow(
            energies.Quadratic(s * target), s * W0, (0, 2 / depth * s ** (2 / depth - 2)),
            depth=depth, gtol=0, method="DOP853",
        )
        for s in (1.0, scale)
    )  # fmt: skip
    assert other.success
    assert_allclose(other.W[-1] / scale, one.W[-1], rtol=1e-4)
    up = weights.random_balanced((2, 2, 2), 0.5, rng=0)
    one, other = (
        flows.gradient_flow(
            energies.Quadratic(s * target), [np.sqrt(s) * W for W in up], (0, 1 / s), gtol=0
        )
        for s in (1.0, scale)
    )
    assert_allclose(other.W[-1] / scale, one.W[-1], rtol=1e-4)
    assert np.isfinite(other.imbalance).all()


def test_small_data_are_not_called_stationary():
    # squares of 1e-170 are 0, the gradient is not
    run = flows.gradient_flow(energies.Quadratic([[1e-170]]), [[3e-170]], (0, 1), depth=1)
    assert run.status == 0
    assert_allclose(run.W[-1], (1 + 2 * np.exp(-1)) * 1e-170, rtol=1e-4)


def test_imbalance_of_large_and_small_layers_is_no_nan():
    layers = [2.0**520 * np.eye(2), 2.0**-520 * np.eye(2)]
    run = flows.gradient_descent(energies.Quadratic(2 * np.eye(2)), layers, 1.0, 0)
    assert not np.isnan(run.imbalance).any()
    assert not np.isnan(run.imbalance_drift).any()


def test_members_of_a_stack_have_tolerances_of_their_own_size():
    # with one tolerance, of the largest, the small one would be known to 1e-3
    start = np.stack([1e-12 * np.eye(2), 1e6 * np.eye(2)])
    run = flows.gradient_flow(
        energies.Quadratic(np.eye(2)), start, (0, 1), depth=2, t_eval=[1], method="DOP853"
    )
    # σ' = 2σ(1 - σ): σ/(1-σ) grows like e^{2t}
    for W, s in zip(run.W[-1], (1e-12, 1e6), strict=True):
        odds = s / (1 - s) * np.exp(2)
        assert_allclose(W, odds / (1 + odds) * np.eye(2), rtol=1e-5)


@pytest.mark.parametrize("method", flows.METHODS)
def test_no_absolute_tolerance_comes_to_an_end(method):
    run = flows.gradient_flow(
        energies.Quadratic(np.eye(2)), np.diag([2.0, 0.0]), (0, 1), depth=3, atol=0, method=method
    )
    assert run.status in (0, -1)
    assert (run.W[:, 1] == 0).all()


class Walled:
    """A slope of -1 within the ball of radius 2, and NaN beyond: the flow runs into the wall."""

    def value(self, W):
        return -W.sum(axis=(-2, -1))

    def gradient(self, W):
        inside = (W**2).sum(axis=(-2, -1), keepdims=True) <= 4
        return np.where(inside, -1.0, np.nan) * np.ones_like(W)


@pytest.mark.parametrize("method", flows.METHODS)
def test_nan_in_a_gradient_fails_and_keeps_the_last_good_state(method):
    run = flows.gradient_flow(Walled(), [[1.0]], (0, 5), depth=1, method=method, max_steps=2000)
    assert run.status == -1
    assert "failed at t = " in run.message
    assert np.isfinite(run.W).all()
    assert run.W.max() <= 2


@pytest.mark.parametrize("method", ["RKC", "GaussLegendre", "RK45", "Radau", "BDF", "LSODA"])
def test_errors_of_an_energy_propagate(method):
    class Raising(energies.Quadratic):
        def gradient(self, W):
            if np.abs(W).max() < 0.9:
                raise ValueError("mine")
            return super().gradient(W)

    with pytest.raises(ValueError, match=r"^mine$"):
        flows.gradient_flow(Raising([[0.0]]), [[1.0]], (0, 5), depth=1, method=method)


@pytest.mark.parametrize("method", ["RKC", "GaussLegendre", "RK45", "Radau", "LSODA"])
def test_step_limit_bounds_evaluations_too(method):
    asked = []

    class Asked(energies.Quadratic):
        def gradient(self, W):
            asked.append(W.ndim)
            return super().gradient(W)

    # at rest, but for rounding: RKC would take steps of 670,000 stages
    options = {"depth": 1, "gtol": 0, "method": method, "rtol": 1e-3, "max_steps": 100}
    run = flows.gradient_flow(Asked([[1.0]]), [[3.0]], (0, 1e12), **options)
    assert len(asked) <= 100 * 100 + 5  # some at the door
    assert run.stats["evaluations"] <= 100 * 100
    if method == "RKC":
        assert run.status == -1
        assert "gave up after 10000 evaluations of the velocity, at t = " in run.message


def test_bound_met_in_a_step_that_ends_at_time_zero():
    # the root's tolerance is relative to the times of the step, of which one is 0
    energy, start = energies.Quadratic([[1.0]]), [[3.0]]
    options = {"depth": 1, "gtol": 0, "method": "RK45"}
    end = flows.gradient_flow(energy, start, (-1, 0), **options).energy[-1]
    run = flows.gradient_flow(energy, start, (-1, 0), stop_loss=end * (1 + 1e-6), **options)
    assert run.status == 1
    assert run.t[-1] <= 0
    assert run.energy[-1] <= end * (1 + 1e-6)


def test_stats_say_what_auto_took():
    # not stiff: an exit from a saddle, followed at a small tolerance; stiff: a long way to t = 1e4
    energy = energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])
    start = weights.random_balanced((2, 2, 2, 2), 0.3, rng=1)
    short = flows.gradient_flow(energy, start, (0, 2), rtol=1e-8, gtol=0)
    assert short.stats["ROCK4"] == 0
    assert short.stats["DOP853"] == short.stats["steps"]
    assert short.stats["evaluations"] < 500  # RKC, of order 2, took 4,000
    long = flows.gradient_flow(energy, start, (0, 1e4), rtol=1e-4, gtol=0, t_eval=[1e4])
    assert long.stats["ROCK4"] > 0
    taken = sum(long.stats[name] for name in ("DOP853", "ROCK4", "RKC"))
    assert taken == long.stats["steps"]
    assert long.stats["evaluations"] < 4000  # DOP853 would take 50,000
    assert long.success


@pytest.mark.parametrize("depth", [None, 3])
def test_auto_meets_dop853_on_a_stiff_completion(depth):
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((6, 1)) @ rng.standard_normal((1, 6))
    energy = energies.MatrixCompletion(truth / np.linalg.norm(truth), rng.random((6, 6)) < 0.6)
    start = weights.random_balanced((6,) * 4, 0.2, rng=3)
    begin = start if depth is None else weights.end_to_end(start)
    t = [10.0, 100.0, 1000.0]
    options = {"t_eval": t, "gtol": 0, "depth": depth}
    exact = flows.gradient_flow(energy, begin, (0, 1e3), method="DOP853", rtol=1e-11, **options)
    run = flows.gradient_flow(energy, begin, (0, 1e3), rtol=1e-7, **options)
    assert_allclose(run.W, exact.W, atol=1e-6)
    assert run.stats["evaluations"] < exact.stats["evaluations"] / 2


# ------------------------------------------------------------------------------ gradient descent


def test_one_step_of_descent_is_golden(golden_flow):
    network, step = golden_flow["networks"]["h3"], golden_flow["gd_step_h3_eta_0p01"]
    widths, sigma = network["d"], np.array(network["sigma"], dtype=float)
    energy = energies.Quadratic(rectangular_diagonal(sigma, widths[-1], widths[0]))
    start = [np.array(W, dtype=float) for W in network["W"]]
    run = flows.gradient_descent(energy, start, 0.01, 1)
    exact = np.array(step["W1_block1"], dtype=float)
    assert_allclose(run.weights[0][-1], exact, atol=1e-15)
    assert_allclose(run.energy[-1], float(step["loss_after"]), rtol=1e-14)
    change = weights.imbalance([W[-1] for W in run.weights])[0] - weights.imbalance(start)[0]
    assert_allclose(change, np.array(step["C1_change"], dtype=float), atol=1e-15)


def test_descent_tends_to_the_flow(rng):
    energy = energies.Quadratic(rng.standard_normal((2, 3)))
    start = weights.random((3, 3, 2), 0.5, rng=5)
    flow = flows.gradient_flow(energy, start, (0, 1), rtol=1e-10, method="DOP853").W[-1]
    errors = [
        np.abs(flows.gradient_descent(energy, start, 1 / n, n).W[-1] - flow).max()
        for n in (100, 200, 400)
    ]
    assert_allclose(errors[:-1], 2 * np.array(errors[1:]), rtol=0.05)  # first order


def test_descent_saves_as_asked_and_the_end():
    energy, start = energies.Quadratic(np.eye(2)), [0.5 * np.eye(2)] * 2
    run = flows.gradient_descent(energy, start, 0.1, 10, save_every=4, weight_decay=0.1)
    assert_allclose(run.t, [0, 0.4, 0.8, 1.0])
    w = 0.5
    for _ in range(10):
        w -= 0.1 * (w * (w**2 - 1) + 0.1 * w)
    assert_allclose(run.weights[0][-1], w * np.eye(2), rtol=1e-13)
    stopped = flows.gradient_descent(energy, start, 0.1, 1000, stop_loss=1e-4)
    assert stopped.status == 1
    assert stopped.energy[-1] <= 1e-4 < stopped.energy[-2]


def test_descent_that_diverges_keeps_the_last_finite_state():
    run = flows.gradient_descent(energies.Quadratic([[1.0]]), [[[3.0]], [[3.0]]], 1.0, 100)
    assert run.status == -1
    assert "diverged" in run.message
    assert np.isfinite(run.W).all()
    assert run.stats["steps"] < 20


# ------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"t_span": (1, 0)}, ValueError, "t_span must be finite and increasing"),
        ({"t_span": (0, np.inf)}, ValueError, "t_span must be finite"),
        ({"t_span": 3}, TypeError, "two numbers"),
        ({"t_span": (1, 1)}, ValueError, "t_span must be finite and increasing"),
        ({"t_span": (0, 1e150)}, ValueError, "t_span must be of a length from 1e-100 to 1e100"),
        ({"t_span": (0, 1e-150)}, ValueError, "t_span must be of a length"),
        ({"weight_decay": -1}, ValueError, "weight_decay"),
        ({"method": "Euler"}, ValueError, "auto, ROCK4, RKC, GaussLegendre, "),
        ({"method": 7}, TypeError, "solver's name"),
        ({"t_eval": [0.5, 0.2]}, ValueError, "increasing"),
        ({"t_eval": [0.5, 2]}, ValueError, "within t_span"),
        ({"rtol": 0}, ValueError, "rtol"),
        ({"atol": -1}, ValueError, "atol"),
        ({"gtol": np.nan}, ValueError, "gtol"),
        ({"max_steps": 0}, ValueError, "max_steps"),
        ({"stop_loss": np.nan}, ValueError, "stop_loss must be a finite number"),
        ({"stop_loss": np.inf}, ValueError, "stop_loss must be a finite number"),
        ({"stop_loss": [1.0, 2.0]}, TypeError, "stop_loss"),
        ({"stop_loss": 1j}, TypeError, "stop_loss"),
        ({"callback": 3}, TypeError, "callback must be callable"),
        ({"start": [np.ones((0, 2, 2))] * 2}, ValueError, "start must hold a network"),
        ({"start": np.ones((0, 2, 2)), "depth": 2}, ValueError, "start must hold a matrix"),
        ({"rank": 1}, ValueError, "downstairs"),
        ({"start": np.eye(2)}, TypeError, "depth="),
        ({"start": [np.eye(2), np.ones((2, 3))]}, ValueError, "chain"),
        ({"start": [np.full((2, 2), np.nan)]}, ValueError, "finite"),
        ({"start": np.eye(3), "depth": 2}, ValueError, "shape"),
        ({"start": np.eye(2), "depth": 0}, ValueError, "depth must be"),
        ({"start": np.eye(2), "depth": 3, "rank": 5}, ValueError, "rank"),
        ({"start": np.eye(2), "depth": np.inf, "rank": 1}, ValueError, "full rank"),
    ],
)
def test_bad_input(change, error, message):
    arguments = {"start": [np.eye(2)] * 2, "t_span": (0, 1)} | change
    with pytest.raises(error, match=message):
        flows.gradient_flow(energies.Quadratic(np.eye(2)), **arguments)


def test_rectangular_matrix_has_no_flow_at_infinite_depth():
    W = np.ones((2, 3))
    with pytest.raises(ValueError, match="square matrices of full rank"):
        flows.gradient_flow(energies.Quadratic(W), W, (0, 1), depth=np.inf)


def test_adjacency_flow_needs_block_shift_form():
    with pytest.raises(ValueError, match="block-shift form"):
        flows.adjacency_flow(energies.Quadratic(np.eye(2)), np.ones((6, 6)), (2, 2, 2), (0, 1))


@pytest.mark.parametrize(
    "bad",
    [{"step": 0}, {"n_steps": -1}, {"save_every": 0}, {"stop_loss": np.nan}],
)
def test_bad_descent(bad):
    arguments = {"step": 0.1, "n_steps": 3} | bad
    with pytest.raises(ValueError, match=next(iter(bad))):
        flows.gradient_descent(energies.Quadratic(np.eye(2)), [np.eye(2)], **arguments)


@pytest.mark.parametrize("bad", [{"stop_loss": "low"}, {"stop_loss": [1, 2]}, {"callback": 3}])
def test_descent_refuses_other_types(bad):
    with pytest.raises(TypeError, match=next(iter(bad))):
        flows.gradient_descent(energies.Quadratic(np.eye(2)), [np.eye(2)], 0.1, 3, **bad)


def test_empty_stacks_are_refused():
    energy = energies.Quadratic(np.eye(2))
    with pytest.raises(ValueError, match="A must hold a network"):
        flows.adjacency_flow(energy, np.ones((0, 6, 6)), (2, 2, 2), (0, 1))
    with pytest.raises(ValueError, match="weights must hold a network"):
        flows.gradient_descent(energy, [np.ones((0, 2, 2))], 0.1, 3)


def test_solver_class_may_be_given(rng):
    energy = energies.Quadratic(rng.standard_normal((2, 2)))
    runs = [
        flows.gradient_flow(energy, [np.eye(2)] * 2, (0, 1), method=method)
        for method in ("RKC", RKC)
    ]
    assert_allclose(runs[0].W[-1], runs[1].W[-1], rtol=0, atol=0)


# --------------------------------------------------------------------------------- free energy


@pytest.mark.parametrize("depth", [2, 3, 2.5, np.inf])
def test_free_energy_flow_descends_the_free_energy_and_meets_another_integrator(depth, rng):
    W0, energy = rng.standard_normal((3, 3)), energies.Quadratic(rng.standard_normal((3, 3)))
    beta = 3.0

    def velocity(t, y):
        return -entropy.free_energy_gradient(energy, y.reshape(3, 3), depth, beta).ravel()

    exact = solve_ivp(velocity, (0, 0.5), W0.ravel(), method="DOP853", rtol=1e-11, atol=1e-13)
    run = flows.free_energy_flow(
        energy, W0, (0, 0.5), depth=depth, beta=beta, method="DOP853", rtol=1e-10
    )
    assert_allclose(run.W[-1].ravel(), exact.y[:, -1], atol=1e-8)
    F = entropy.free_energy(energy, run.W, depth, beta)
    assert (np.diff(F) < 0).all()
    without = flows.gradient_flow(energy, W0, (0, 0.5), depth=depth, gtol=0)
    assert np.linalg.norm(without.W[-1] - run.W[-1]) > 1e-2  # entropy is at work


def test_free_energy_flow_at_rank_r_and_with_decay(rng):
    W0 = rng.standard_normal((4, 2)) @ rng.standard_normal((2, 3))
    energy = energies.Quadratic(rng.standard_normal((4, 3)))
    options = {"depth": 3, "beta": 2.0, "rank": 2, "widths": (3, 5, 4, 4), "weight_decay": 0.2}
    h = 1e-5
    run = flows.free_energy_flow(
        energy, W0, (0, 2 * h), t_eval=[0, h, 2 * h], method="DOP853", rtol=1e-12, **options
    )
    velocity = (run.W[2] - run.W[0]) / (2 * h)
    exact = -entropy.free_energy_gradient(
        energy, run.W[1], 3, 2.0, 0.2, rank=2, widths=(3, 5, 4, 4)
    )
    assert_allclose(velocity, exact, atol=1e-6 * np.abs(exact).max())
    with pytest.raises(ValueError, match="widths="):
        flows.free_energy_flow(energy, W0, (0, 1), depth=3, beta=2.0, rank=2)
    with pytest.raises(ValueError, match="beta"):
        flows.free_energy_flow(energy, W0, (0, 1), **{**options, "beta": 0})


def test_radau_tells_of_a_matrix_that_is_not_finite():
    target = 1e150 * np.array([[2.0, 0.3], [0.1, 1.0]])
    run = flows.gradient_flow(
        energies.Quadratic(target), 1e150 * np.eye(2), (0, 1), depth=2, method="Radau"
    )
    assert run.status == -1 and "not finite" in run.message


def test_weights_with_a_depth_are_refused():
    layers = (np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="weights, and know their depth"):
        flows.gradient_flow(energies.Quadratic(np.eye(2)), layers, (0, 1), depth=2)


def test_a_callback_that_writes_into_its_matrix_changes_nothing():
    def spoil(t, W):
        W *= 1.5

    start, energy = np.diag([1.0, 0.5]), energies.Quadratic(np.diag([2.0, 1.0]))
    plain = flows.gradient_flow(energy, start, (0, 1), depth=2)
    spoiled = flows.gradient_flow(energy, start, (0, 1), depth=2, callback=spoil)
    assert (plain.W == spoiled.W).all()
