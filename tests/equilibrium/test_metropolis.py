"""The Metropolis-adjusted Langevin equation: its short-time law, its balance, its contracts.

Its stationary law is tested in test_stationary_law.py.
"""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import kstest

from dlngeo import entropy, equilibrium, metric
from dlngeo._results.ensemble import Ensemble
from dlngeo.energies import MatrixCompletion, Quadratic
from dlngeo.equilibrium import metropolis
from dlngeo.equilibrium._metropolis import _Walk
from dlngeo.equilibrium._normalisation import Setting
from dlngeo.equilibrium.mixing import effective_size, split_rhat

START = np.array([[1.4, 0.3], [-0.2, 0.9]])
COMPLETION = MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
RUN = {"depth": 2, "beta": 2.0, "weight_decay": 0.3, "dt": 0.1}


class Box:
    """E = 0 where no entry exceeds 1, and ``wall`` elsewhere."""

    def __init__(self, wall):
        self.wall = wall

    def value(self, W):
        assert np.isfinite(W).all()
        return np.where((np.abs(W) <= 1).all(axis=(-2, -1)), 0.0, self.wall)

    def gradient(self, W):
        return np.zeros_like(W)

    def hessian(self, W, Z):
        return np.zeros_like(Z)


# --------------------------------------------------------------------------- the transition law


@pytest.mark.parametrize(("depth", "decay"), [(1, 0.0), (2, 0.4), (3, 0.0), (2.5, 0.0)])
def test_short_time_mean_and_covariance_are_those_of_the_equation(depth, decay):
    """As dt → 0 all but some √dt is accepted, and W moves by the drift and noise of (12.12)."""
    n, dt, beta, kappa = 20000, 1e-3, 2.0, 0.7
    energy = Quadratic(np.array([[0.3, 0.1], [0.0, -0.5]]))
    run = metropolis(
        energy, START, depth=depth, beta=beta, kappa=kappa, weight_decay=decay, dt=dt, n_steps=1,
        n_paths=n, rng=3,
    )  # fmt: skip
    refused = 1 - run.acceptance.mean()
    assert refused < 1.5 * np.sqrt(dt)
    change = (run.W[:, 1] - START).reshape(n, 4)
    drift = kappa / beta * metric.ito_drift(START, depth) - entropy.free_energy_gradient(
        energy, START, depth, beta, decay
    )
    A = np.array([metric.apply(START, E, depth).ravel() for E in np.eye(4).reshape(4, 2, 2)])
    covariance = 2 * kappa / beta * dt * A
    error = np.sqrt(np.diag(covariance) / n)
    assert (np.abs(change.mean(axis=0) - dt * drift.ravel()) < 5 * error + 20 * dt**2).all()
    noise = 5 * covariance.max() * np.sqrt(2 / n)
    assert_allclose(np.cov(change.T), covariance, atol=noise + refused * covariance.max())


def normal_log_density(x, mean, covariance):
    off = x - mean
    quadratic = off @ np.linalg.solve(covariance, off)
    return -0.5 * (quadratic + np.linalg.slogdet(2 * math.pi * covariance)[1])


@pytest.mark.parametrize("dt", [0.05, 20.0])  # at the second the step is cut
def test_balance_of_two_points_by_brute_force(rng, dt):
    """π(Y) q(Y, Y') a(Y, Y'), all by definition in the entries of Y, does not change by exchange.

    The chart's covariance and density come from those of W through the derivative of Y → W.
    """
    depth, beta, kappa, decay, d = 3, 1.3, 0.8, 0.2, 2
    setting = Setting.of(COMPLETION, (d, d), depth, beta, kappa, None, decay)
    walk = _Walk(setting, dt, 1.0)
    target = np.array([[0.4, 0.1], [-0.1, 0.9]])
    points = np.stack([walk.chart.to_root(W) for W in (START, target)])
    states = walk.at(points, points)

    def jacobian(Y):
        steps = np.eye(d * d).reshape(-1, d, d) * 1e-6
        return np.stack(
            [(walk.chart.from_root(Y + e) - walk.chart.from_root(Y - e)).ravel() / 2e-6
             for e in steps], axis=-1,
        )  # fmt: skip

    log_pi, log_q = [], []
    for here, there in ((0, 1), (1, 0)):
        Y, W, J = points[here], states.W[here], jacobian(points[here])
        free = entropy.free_energy(COMPLETION, W, depth, beta, decay)
        log_pi.append(
            metric.log_volume_density(W, depth) - beta / kappa * free + np.linalg.slogdet(J)[1]
        )
        A = np.array([metric.apply(W, E, depth).ravel() for E in np.eye(4).reshape(4, d, d)])
        inverse, h = np.linalg.inv(J), states.h[here, 0, 0]
        covariance = 2 * kappa * h / beta * inverse @ A @ inverse.T
        mean = (Y + states.move[here]).ravel()
        log_q.append(normal_log_density(points[there].ravel(), mean, covariance))
    ours = [float(walk._log_chance(states, points[::-1])[k]) for k in (0, 1)]
    assert_allclose(ours[0] - ours[1], log_q[0] - log_q[1], rtol=1e-6)
    assert_allclose(states.level[0] - states.level[1], log_pi[0] - log_pi[1], rtol=1e-6)
    # and a step to that very point is accepted with the chance of Metropolis and Hastings
    noise = points[::-1] - points - states.move
    G = invert_noise(walk, states, noise)
    normals = np.column_stack([G.reshape(2, -1), np.zeros(2)])
    chance = walk.step(states, normals)[1]
    known = [min(0.0, log_pi[1 - k] + log_q[1 - k] - log_pi[k] - log_q[k]) for k in (0, 1)]
    assert_allclose(np.log(chance), known, rtol=1e-5, atol=1e-9)
    assert min(known) < -1e-3


def invert_noise(walk, states, noise):
    """The Gaussian matrices that the chart turns into this noise."""
    basis = np.eye(4).reshape(4, 1, 2, 2) * np.ones((4, 2, 1, 1))
    columns = [walk.chart.velocity(states.frames, np.sqrt(states.h) * E, None, True) for E in basis]
    linear = np.stack(columns, axis=-1).reshape(2, 4, 4)
    return np.linalg.solve(linear, noise.reshape(2, 4, 1)).reshape(2, 2, 2)


# ----------------------------------------------------------------------------- hard energies


@pytest.mark.parametrize("wall", [np.inf, np.nan])
def test_walls_are_not_crossed_and_the_law_between_them_is_flat(wall):
    """At depth 1 and d = 1 it is uniform on (-1, 1)."""
    run = metropolis(Box(wall), [[0.9]], depth=1, beta=1.0, dt=0.3, n_steps=40, n_paths=3000, rng=4)
    ends = run.W[:, -1, 0, 0]
    assert (np.abs(run.W) <= 1).all()
    assert kstest(ends, "uniform", args=(-1, 2)).pvalue > 1e-6
    assert np.isfinite(run.energy).all()


def test_walls_for_deep_matrices():
    run = metropolis(
        Box(np.nan), 0.3 * START, depth=3, beta=1.0, dt=0.1, n_steps=30, n_paths=200, rng=4
    )
    assert (np.abs(run.W) <= 1).all() and (np.linalg.det(run.W) > 0).all()
    assert 0.05 < run.acceptance.mean() < 0.95


def test_a_far_start_comes_home():
    """Where Euler's step at this dt would leap to infinity, the shorter step walks in."""
    run = metropolis(
        Quadratic(np.zeros((2, 2))), 300 * START, depth=3, beta=1.0, dt=0.1, n_steps=300,
        n_paths=20, rng=0,
    )  # fmt: skip
    assert run.singular_values[:, -1].max() < 30


@pytest.mark.parametrize("start", [np.diag([1e-9, 1e-9]), np.diag([1.0, 1e-8, 1e-160])])
def test_a_start_where_singular_values_vanish_is_left(start):
    """Where two λ vanish the drift has a pole; the step is short there, and grows on the way."""
    run = metropolis(
        Quadratic(np.zeros(start.shape)), start, depth=2, beta=1.0, dt=0.1, n_steps=400,
        n_paths=20, rng=0,
    )  # fmt: skip
    assert run.singular_values[:, -1, 1].min() > 1e-4
    assert run.acceptance.min() > 0.1


def test_the_sign_of_the_determinant_is_kept_but_at_depth_one():
    zero = Quadratic(np.zeros((2, 2)))
    options = {"beta": 1.0, "dt": 0.5, "n_steps": 100, "n_paths": 20, "rng": 2}
    for start in (np.eye(2), np.diag([1.0, -1.0])):
        run = metropolis(zero, start, depth=2, **options)
        assert (np.linalg.det(run.W) * np.linalg.det(start) > 0).all()
    free = np.sign(np.linalg.det(metropolis(zero, np.eye(2), depth=1, **options).W))
    assert (free < 0).any() and (free > 0).any()


# -------------------------------------------------------------------------------- the contracts


def test_a_path_is_the_same_in_any_company():
    many = metropolis(COMPLETION, START, n_steps=70, n_paths=7, rng=11, **RUN)
    few = metropolis(COMPLETION, START, n_steps=70, n_paths=2, rng=11, **RUN)
    one = metropolis(COMPLETION, START, n_steps=70, n_paths=1, rng=11, **RUN)
    assert np.array_equal(many.W[:2], few.W) and np.array_equal(many.W[:1], one.W)
    assert np.array_equal(many.acceptance[:2], few.acceptance)
    shorter = metropolis(COMPLETION, START, n_steps=33, n_paths=2, rng=11, **RUN)
    assert np.array_equal(shorter.W, few.W[:, :34])
    seed = np.random.SeedSequence(many.provenance["seed"], spawn_key=many.provenance["spawn_key"])
    assert np.array_equal(metropolis(COMPLETION, START, n_steps=70, n_paths=7, rng=seed, **RUN).W,
                          many.W)  # fmt: skip


def test_frames_and_observables():
    run = metropolis(COMPLETION, START, n_steps=50, n_paths=3, save_every=3, rng=0, **RUN)
    assert isinstance(run, Ensemble) and isinstance(run, equilibrium.GibbsSample)
    assert_allclose(run.t, 0.1 * np.append(np.arange(0, 50, 3), 50), rtol=1e-14)
    assert_allclose(run.W[:, 0], np.broadcast_to(START, (3, 2, 2)), rtol=1e-13)
    assert_allclose(np.linalg.svd(run.W, compute_uv=False), run.singular_values, rtol=1e-9)
    assert_allclose(run.energy, COMPLETION.value(run.W), rtol=1e-14)
    every = metropolis(COMPLETION, START, n_steps=50, n_paths=3, save_every=1, rng=0, **RUN)
    assert np.array_equal(every.W[:, [*range(0, 50, 3), 50]], run.W)
    moved = (np.diff(every.W, axis=1) != 0).any(axis=(2, 3)).sum()
    # the mean chance of a move is the share of moves, to the error of 150 trials
    assert abs(every.acceptance.mean() - moved / 150) < 5 * 0.5 / math.sqrt(150)
    late = np.sqrt(every.singular_values[:, 25:])
    assert_allclose(every.r_hat, split_rhat(late), rtol=1e-9)
    assert_allclose(every.effective_size, effective_size(late), rtol=1e-6)
    brief = metropolis(COMPLETION, START, n_steps=5, n_paths=3, rng=0, **RUN)
    assert np.isinf(brief.r_hat).all() and not brief.effective_size.any()
    assert "acceptance" in repr(run)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"weight_decay": 0.0}, ValueError, "cannot be normalised.*does not see"),
        ({"depth": math.inf, "weight_decay": 0.0}, ValueError, "no root chart"),
        ({"depth": 0.5}, ValueError, "depth"),
        ({"kappa": 0.0}, ValueError, "kappa"),
        ({"dt": 0.0}, ValueError, "dt"),
        ({"n_steps": 0}, ValueError, "n_steps"),
        ({"n_paths": 0}, ValueError, "n_paths"),
        ({"save_every": 0}, ValueError, "save_every"),
        ({"start": np.ones((2, 2))}, ValueError, "start .* numerical rank is 1"),
        ({"start": np.ones((2, 3))}, ValueError, "square"),
        ({"start": "W"}, TypeError, "start"),
        ({"energy": Box(np.inf), "start": 3 * np.eye(2)}, ValueError, "finite energy"),
    ],
)
def test_refusals(change, error, words):
    arguments = {"energy": COMPLETION, "start": START, "n_steps": 2, "n_paths": 1} | RUN | change
    energy, start = arguments.pop("energy"), arguments.pop("start")
    with pytest.raises(error, match=words):
        metropolis(energy, start, **arguments)


def test_a_verdict_that_is_not_known_runs():
    class Tilted(Quadratic):
        """½‖W - 1‖², of a user's own: not rotation-invariant."""

    energy = COMPLETION
    narrow = equilibrium.normalisable(energy, shape=(2, 2), depth=2, beta=1.0, widths=(2, 1, 2))
    assert narrow.finite is None
    run = metropolis(Tilted(np.eye(2)), START, depth=2, beta=1.0, dt=0.1, n_steps=5, rng=0)
    assert run.success
