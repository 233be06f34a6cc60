"""The stationary law of the Langevin equation, d = 1 and 2, against quadrature of Gibbs densities.

The densities are written out here: against dλ, λ = σ^{1/N},

    e^{-βE/κ} [(λ_1^{2N} - λ_2^{2N})/(λ_1² - λ_2²)]^{1/(2κ)} (λ_1² - λ_2²).

Paths are independent and each counts once: standard errors and tests of Kolmogorov and Smirnov are
over paths. Fixed seeds; 5 standard errors, and p-values above 5e-7 with them.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from dlngeo import langevin
from dlngeo.energies import MatrixCompletion, Quadratic
from dlngeo.equilibrium import metropolis, sample

P_VALUE = 5e-7
ZERO = Quadratic(np.zeros((2, 2)))
CASES = [(1, 1.0), (2, 0.5), (2, 1.0), (2, 2.0), (3, 0.5), (3, 1.0), (3, 2.0)]


class Law:
    """Distribution functions of σ_1 and σ_2 for E = ½|W|², d = 2, by a product rule."""

    def __init__(self, depth, kappa, beta):
        node, weight = np.polynomial.legendre.leggauss(400)
        top = math.sqrt(2 * (40 + 2 / kappa) * kappa / beta) ** (1 / depth)
        one = top * (node[:, None] + 1) / 2  # λ_1
        share = (node + 1) / 2  # λ_2/λ_1
        two = one * share
        pair = one ** (2 * depth - 2) * sum(share ** (2 * j) for j in range(depth))
        energy = 0.5 * (one ** (2 * depth) + two ** (2 * depth))
        density = np.exp(-beta / kappa * energy) * pair ** (1 / (2 * kappa)) * (one**2 - two**2)
        self.mass = density * one * weight[:, None] * weight
        self.mass /= self.mass.sum()
        self.sigma = np.broadcast_to(one, two.shape) ** depth, two**depth

    def mean(self, k):
        return (self.mass * self.sigma[k]).sum()

    def distribution(self, k):
        order = np.argsort(self.sigma[k].ravel())
        values = self.sigma[k].ravel()[order]
        total = np.cumsum(self.mass.ravel()[order])
        return lambda x: np.interp(x, values, total)


def test_the_rule_against_known_laws():
    """Depth 1: ‖W‖² is χ² with 4 degrees; any depth: the mean of Σσ² in closed form."""
    for depth, kappa in CASES:
        law = Law(depth, kappa, 1.7)
        squares = (law.mass * (law.sigma[0] ** 2 + law.sigma[1] ** 2)).sum()
        a = 1 / (2 * kappa)
        assert abs(squares / (2 * kappa * (depth * a + 2 - a) / (depth * 1.7)) - 1) < 1e-10
    law = Law(1, 1.0, 1.0)
    fourth = (law.mass * (law.sigma[0] ** 2 + law.sigma[1] ** 2) ** 2).sum()
    assert abs(fourth - 24) < 1e-8


def check_law(sigma, law):
    """Independent draws (path, 2) of singular values against the law."""
    for k in (0, 1):
        error = sigma[:, k].std(ddof=1) / math.sqrt(len(sigma))
        assert abs(sigma[:, k].mean() - law.mean(k)) < 5 * error
        assert kstest(sigma[:, k], law.distribution(k)).pvalue > P_VALUE


def errors_off(sigma, law, tolerance):
    """How far means over late times (path, time, 2) are from the law, in standard errors.

    Each path gives one mean; their standard error must be below a share of the law's mean.
    """
    known = np.array([law.mean(0), law.mean(1)])
    means = sigma.mean(axis=1)
    error = means.std(axis=0, ddof=1) / math.sqrt(len(means))
    assert (error < tolerance * known).all()
    return np.abs((means.mean(axis=0) - known) / error).max()


# ---------------------------------------------------------------------------- one singular value


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("kappa", [0.5, 2.0])
def test_one_by_one(depth, kappa):
    """Against dλ the density is e^{-βE/κ}, with a target and weight decay; no entropy."""
    target, decay, beta = 0.6, 0.2, 1.5
    energy = Quadratic([[target]])

    def density(root):
        loss = 0.5 * (root**depth - target) ** 2 + 0.5 * decay * depth * root**2
        return math.exp(-beta / kappa * loss)

    low = -12.0 if depth == 1 else 0.0
    grid = np.linspace(low, 12.0, 1201)
    parts = np.concatenate([[0], np.cumsum([quad(density, *ends)[0] for ends in pairwise(grid)])])
    run = metropolis(
        energy, [[1.0]], depth=depth, beta=beta, kappa=kappa, weight_decay=decay, dt=0.8,
        n_steps=50, n_paths=1500, rng=5,
    )  # fmt: skip
    W = run.W[:, -1, 0, 0]
    root = np.sign(W) * np.abs(W) ** (1 / depth)
    assert kstest(root, lambda x: np.interp(x, grid, parts / parts[-1])).pvalue > P_VALUE


# --------------------------------------------------------------------------- two singular values


@pytest.mark.parametrize(("depth", "kappa"), CASES)
def test_metropolis_at_a_large_step(depth, kappa):
    run = metropolis(
        ZERO, 0.7 * np.eye(2), depth=depth, beta=1.0, kappa=kappa, dt=0.4, n_steps=150,
        n_paths=600, rng=1, save_every=5,
    )  # fmt: skip
    law = Law(depth, kappa, 1.0)
    assert run.acceptance.mean() < 0.9  # far from the limit dt → 0
    check_law(run.singular_values[:, -1], law)
    assert errors_off(run.singular_values[:, 15:], law, 0.04) < 5


def test_the_test_notices_a_wrong_law():
    """The same means are far from the laws of the neighbouring depth and of another κ."""
    run = metropolis(
        ZERO, 0.7 * np.eye(2), depth=2, beta=1.0, dt=0.4, n_steps=150, n_paths=600, rng=1,
        save_every=5,
    )  # fmt: skip
    for depth, kappa in ((3, 1.0), (2, 0.8)):
        assert errors_off(run.singular_values[:, 15:], Law(depth, kappa, 1.0), 0.04) > 5


@pytest.mark.parametrize(("depth", "kappa"), [(1, 1.0), (2, 1.0), (3, 0.5), (2, 2.0)])
def test_the_langevin_equation_at_a_moderate_step(depth, kappa):
    run = langevin.simulate(
        ZERO, 0.7 * np.eye(2), depth=depth, beta=1.0, kappa=kappa, dt=0.05, n_steps=120,
        n_paths=700, rng=1, save_every=10,
    )  # fmt: skip
    law = Law(depth, kappa, 1.0)
    check_law(run.singular_values[:, -1], law)
    assert errors_off(run.singular_values[:, run.t > 3], law, 0.04) < 5


def late_means(depth, kappa, dt, n_paths, times, upstairs):
    """By how many standard errors the means of λ_1, λ_2, σ_1, σ_2 miss, and those errors.

    Over late times (times[0], times[1]] of paths from 0.7·1, one mean a path; relative.
    """
    n_steps = round(times[1] / dt)
    run = langevin.simulate(
        ZERO, 0.7 * np.eye(2), depth=depth, beta=1.0, kappa=kappa, dt=dt, n_steps=n_steps,
        n_paths=n_paths, rng=11, upstairs=upstairs, save_every=max(1, round(0.05 / dt)),
    )  # fmt: skip
    assert run.success and not run.status.any(), run.message
    law, sigma = Law(depth, kappa, 1.0), run.singular_values[:, run.t > times[0]]
    values = np.concatenate([sigma ** (1 / depth), sigma], axis=2).mean(axis=1)
    known = [(law.mass * law.sigma[k] ** (1 / p)).sum() for p in (depth, 1) for k in (0, 1)]
    error = values.std(axis=0, ddof=1) / math.sqrt(n_paths)
    return np.abs((values.mean(axis=0) - known) / error).max(), error / known


def test_upstairs_reaches_the_stationary_law():
    """A few paths: standard errors of 1 % in λ_1 and 4 % in λ_2."""
    off, error = late_means(2, 1.0, 0.01, 60, (0.8, 2.5), True)
    assert off < 5
    assert error[0] < 0.02 and error[1] < 0.06


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "kappa", "dt", "times"),
    [(2, 1.0, 0.01, (1.0, 3.0)), (3, 2.0, 0.0025, (0.8, 2.0)), (3, 1.0, 0.02, (1.0, 3.0))],
)
def test_upstairs_reaches_the_stationary_law_with_many_paths(depth, kappa, dt, times):
    """1000 paths: standard errors below 1 % in λ_1 and σ_1, 2.5 % in λ_2."""
    off, error = late_means(depth, kappa, dt, 1000, times, True)
    assert off < 5
    assert (error[:3] < [0.005, 0.025, 0.015]).all()


def test_a_deep_network_at_a_long_step_keeps_to_its_law():
    """At dt = 0.05 σ_1 turns within 1/(19 σ_1^{1.8}); few paths, errors below 1 % in λ_1."""
    off, error = late_means(10, 1.0, 0.05, 40, (1.0, 2.5), False)
    assert off < 5
    assert error[0] < 0.01 and error[2] < 0.06


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "times"), [(7, (7.0, 15.0)), (10, (9.0, 18.0))])
def test_deep_networks_at_a_long_step_with_many_paths(depth, times):
    """700 paths: standard errors 0.3 % in σ_1, 0.9 % in λ_2."""
    off, error = late_means(depth, 1.0, 0.05, 700, times, False)
    assert off < 5
    assert (error[:3] < [0.001, 0.02, 0.005]).all()


@pytest.mark.parametrize(("depth", "kappa"), [(2, 1.0), (3, 2.0)])
def test_the_gas_has_the_same_law(depth, kappa):
    draws = sample(
        ZERO, shape=(2, 2), depth=depth, beta=1.0, kappa=kappa, n_paths=500, n_draws=8, warmup=60,
        rng=1,
    )  # fmt: skip
    check_law(draws.singular_values[:, -1], Law(depth, kappa, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "kappa"), [(2, 0.5), (3, 1.0), (3, 2.0)])
def test_both_with_many_paths(depth, kappa):
    law = Law(depth, kappa, 1.0)
    options = {"depth": depth, "beta": 1.0, "kappa": kappa, "n_paths": 4000, "save_every": 10}
    run = metropolis(ZERO, 0.7 * np.eye(2), dt=0.3, n_steps=300, rng=1, **options)
    check_law(run.singular_values[:, -1], law)
    assert errors_off(run.singular_values[:, 15:], law, 0.01) < 5
    run = langevin.simulate(ZERO, 0.7 * np.eye(2), dt=0.03, n_steps=200, rng=1, **options)
    check_law(run.singular_values[:, -1], law)


# ----------------------------------------------------------------- an energy that sees directions


def gibbs_averages(energy, depth, kappa, beta, decay, orientation, count, seed):
    """Means under the Gibbs measure by importance sampling from Gaussian roots Y; errors.

    Of |W_12 - W_21|, W_11, σ_1 and σ_2, in the component where det Y has this sign.
    """
    rng = np.random.default_rng(seed)
    spread = math.sqrt(kappa / (beta * decay * depth))
    Y = spread * rng.standard_normal((count, 2, 2))
    U, lam, Vt = np.linalg.svd(Y)
    W = (U * lam[:, None, :] ** depth) @ Vt
    one, two = lam.T
    pair = sum(one ** (2 * (depth - 1 - j)) * two ** (2 * j) for j in range(depth))
    # the decay (γN/2)|Y|² is the Gaussian's own
    weight = np.exp(-beta / kappa * energy.value(W)) * pair ** (1 / (2 * kappa))
    weight *= np.linalg.det(Y) * orientation > 0 if depth > 1 else 1.0
    values = observables(W, lam**depth)
    means = (weight[:, None] * values).sum(axis=0) / weight.sum()
    off = weight[:, None] * (values - means) / weight.mean()
    return means, off.std(axis=0) / math.sqrt(count)


def observables(W, sigma):
    skew = np.abs(W[..., 0, 1] - W[..., 1, 0])
    return np.stack([skew, W[..., 0, 0], sigma[..., 0], sigma[..., 1]], axis=-1)


@pytest.mark.parametrize(
    ("depth", "kappa", "orientation"), [(1, 1.0, 1), (2, 1.0, 1), (2, 0.5, -1), (3, 2.0, -1)]
)
def test_metropolis_for_completion_with_weight_decay(depth, kappa, orientation):
    beta, decay = 2.0, 0.5
    energy = MatrixCompletion(np.diag([1.0, 0.5]), np.eye(2, dtype=bool))
    known, known_error = gibbs_averages(energy, depth, kappa, beta, decay, orientation, 300_000, 0)
    run = metropolis(
        energy, np.array([[1.0, 0.2], [0.1, 0.8 * orientation]]), depth=depth, beta=beta,
        kappa=kappa, weight_decay=decay, dt=0.4, n_steps=150, n_paths=500, rng=2, save_every=5,
    )  # fmt: skip
    means = observables(run.W[:, 10:], run.singular_values[:, 10:]).mean(axis=1)
    error = np.hypot(means.std(axis=0, ddof=1) / math.sqrt(len(means)), known_error)
    assert (np.abs(means.mean(axis=0) - known) < 5 * error).all()
    assert (error < 0.04 * (1 + known)).all() and (known > 0.05).all()
