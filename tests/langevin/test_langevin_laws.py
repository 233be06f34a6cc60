"""Laws of the Riemannian Langevin equation: upstairs against downstairs, and exact moments."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.stats import ks_2samp

from dlngeo import balanced, energies, entropy, langevin
from dlngeo.langevin import _upstairs as upstairs
from dlngeo.langevin import root_chart
from dlngeo.weights import from_vector, push_forward, to_vector

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


def central_squares(sample):
    """Squares about the mean: their mean is the variance."""
    return (sample - sample.mean(axis=0)) ** 2


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
    exact = mean_square(depth, kappa)

    def late(method):
        run = langevin.simulate(
            ZERO, 0.7 * np.eye(2), depth=depth, beta=1.0, kappa=kappa, dt=0.02, n_steps=1000,
            n_paths=2500, rng=1, save_every=10, method=method,
        )  # fmt: skip
        sample = (run.singular_values[:, run.t > 4] ** 2).mean(axis=(1, 2)) / exact
        return sample.mean() - 1, sample.std(ddof=1) / np.sqrt(len(sample))

    excess, error = late("auto")
    assert error < 0.003
    assert abs(excess) < 0.01
    if depth == 2 and kappa == 1:  # measured: 7.7 % and 2.8 %, each ± 0.3 %
        assert late("euler")[0] > 0.06
        assert 0.015 < late("root")[0] < 0.04


# -------------------------------------------------------------------- upstairs against downstairs

TIME, BETA = 0.15, 4.0


def start_near_the_boundary(d, depth, kappa):
    """λ_d lies 1.3 standard deviations of its noise above 0: some paths reach the boundary."""
    generator = np.random.default_rng(0)
    U, V = (np.linalg.qr(generator.standard_normal((d, d)))[0] for _ in range(2))
    lam = np.array([1.0, 0.75, 0.0])[[0, -1] if d == 2 else [0, 1, 2]]
    lam[-1] = 1.3 * np.sqrt(2 * kappa * TIME / (BETA * depth))
    return (U * lam**depth) @ V.T


def both_ends(d, depth, kappa, n_paths):
    """Ends of paths upstairs, and of three times as many downstairs.

    Upstairs the scheme is of first order, downstairs of second. With dt = 0.01/N the drift's share
    of the bias, measured without noise, is at most 0.0015 in λ and 0.0023 in an entry of W: below
    0.4 standard errors of λ with 2000 paths. At twice that dt it shows at N = 5.
    """
    steps = 15 * depth
    energy = energies.MatrixCompletion(np.eye(d), np.eye(d, dtype=bool))
    start = start_near_the_boundary(d, depth, kappa)
    options = {"beta": BETA, "kappa": kappa, "weight_decay": 0.3, "save_every": steps}
    options |= {"dt": TIME / steps, "n_steps": steps}
    layers = balanced.lift(start, depth, rng=0)
    up = langevin.simulate(energy, layers, n_paths=n_paths, rng=1, **options)
    down = langevin.simulate(energy, start, depth=depth, n_paths=3 * n_paths, rng=2, **options)
    assert up.success, up.message
    assert down.success, down.message
    assert balanced.residual(tuple(W[:, -1] for W in up.weights)).max() < 1e-12
    return up, down


def worst_difference(up, down, depth):
    """The largest |z| of means and variances of σ, λ and all entries, the least p of KS tests."""
    largest, least = 0.0, 1.0
    flat = [(r.singular_values[:, -1], r.W[:, -1].reshape(len(r.W), -1)) for r in (up, down)]
    (s, W), (t, X) = flat
    for one, two in ((s, t), (s ** (1 / depth), t ** (1 / depth)), (W, X)):
        both = errors_apart(one, two), errors_apart(*map(central_squares, (one, two)))
        largest = max(largest, np.abs(both).max())
        least = min(least, *(ks_2samp(*pair).pvalue for pair in zip(one.T, two.T, strict=True)))
    return largest, least


GRID = list(itertools.product((2, 3), (2, 3, 5), (0.3, 1.0, 2.0)))
SOME = [(2, 2, 1.0), (2, 3, 0.3), (2, 5, 2.0), (3, 2, 0.3), (3, 3, 2.0), (3, 5, 1.0)]


@pytest.mark.parametrize(
    ("d", "depth", "kappa", "n_paths"),
    [
        *((*case, 600 // case[1]) for case in SOME),
        *(pytest.param(*case, 2000, marks=pytest.mark.slow) for case in GRID),
    ],
)
def test_upstairs_projects_to_downstairs(d, depth, kappa, n_paths):
    up, down = both_ends(d, depth, kappa, n_paths)
    assert 0.01 < (down.singular_values[:, -1, -1] ** (1 / depth) < 0.02).mean() < 0.2
    largest, least = worst_difference(up, down, depth)
    assert largest < 5
    assert least > 1e-6


BESIDE = {"beta": 1.0, "kappa": 0.8, "dt": 0.0125, "n_steps": 24, "save_every": 24}


def ends_upstairs(**engine):
    start = balanced.lift(START, 3)
    run = langevin.simulate(COMPLETION, start, rng=1, n_paths=1500, **BESIDE, **engine)
    assert run.success
    return run.singular_values[:, -1]


def ends_downstairs(**engine):
    run = langevin.simulate(COMPLETION, START, depth=3, rng=2, n_paths=5000, **BESIDE, **engine)
    return run.singular_values[:, -1]


def on_a_straight_line(space, m, v):
    """Balanced weights over W + dφ(V): a retraction of first order."""
    layers, step = from_vector(m, space.widths), from_vector(v, space.widths)
    below = list(itertools.accumulate(layers, lambda B, W: W @ B))
    return to_vector(balanced.lift(below[-1] + push_forward(step, layers, below), len(layers)))


def test_law_test_notices_what_is_missing(monkeypatch):
    up, down = ends_upstairs(), ends_downstairs()
    assert np.abs(errors_apart(up, down)).max() < 5
    for drift in ("_entropic", "_brownian"):  # grad S, and the drift of Brownian motion
        with monkeypatch.context() as patch:
            whole = getattr(root_chart, drift)
            patch.setattr(root_chart, drift, lambda *a, f=whole: tuple(0 * x for x in f(*a)))
            assert np.abs(errors_apart(up, ends_downstairs(engine="numpy"))).max() > 5, drift
    # a retraction must be of second order, or W misses the curvature of the orbits
    monkeypatch.setattr(upstairs.BalancedWeights, "move", on_a_straight_line)
    assert np.abs(errors_apart(ends_upstairs(engine="numpy"), down)).max() > 5


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
