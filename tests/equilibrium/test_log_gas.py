"""The gas of singular values: its density against the definition, its sampler against exact laws.

Exact laws: matrices of Gaussian entries at depth 1, the bidiagonal model of the Laguerre ensemble
at κ = ½ and any depth, quadrature for two singular values, and exact means at every depth.
Statistical tests allow 5 standard errors, taken from effective sample sizes.
"""

import itertools
import math

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo.equilibrium._log_gas import LogGas, sample_log_gas
from dlngeo.equilibrium.mixing import effective_size, split_rhat

INF = math.inf
CASES = list(itertools.product([1, 2, 3, 2.5, 12, INF], [0.05, 0.5, 1.0, 3.0]))


def half_squares(sigma):
    return 0.5 * (sigma**2).sum(axis=-1), sigma


def quadratic_gas(size, depth, kappa, beta=1.0, extra=0.0):
    return LogGas(half_squares, beta / kappa, 1 / (2 * kappa), depth, extra, size)


def run(gas, *, paths=6, draws=400, warmup=200, seed=0):
    generators = np.random.default_rng(seed).spawn(paths)
    return sample_log_gas(gas, generators, n_draws=draws, warmup=warmup, thin=1)


def scores(draws, known):
    """Deviations from the known means in standard errors; draws (path, draw, ...)."""
    error = draws.std(axis=(0, 1)) / np.sqrt(effective_size(draws))
    return (draws.mean(axis=(0, 1)) - known) / error


# ------------------------------------------------------------------------------------- density


def definition(y, depth, kappa, beta, extra):
    """The density in λ (log σ at depth inf) times the Jacobian to y, in 60 digits."""
    with mpmath.workdps(60):
        y = [mpmath.mpf(float(v)) for v in y]
        w = [y[0]]
        for v in y[1:]:
            w.append(w[-1] - mpmath.exp(v))
        a = 1 / (2 * mpmath.mpf(kappa))
        total = -beta / mpmath.mpf(kappa) / 2 * sum(mpmath.exp(2 * v) for v in w)
        total += sum(y[1:])  # dw/dy
        for one, two in itertools.combinations(w, 2):
            whole = mpmath.log(mpmath.exp(2 * one) - mpmath.exp(2 * two))
            if math.isinf(depth):
                total += a * (whole - mpmath.log(one - two)) + mpmath.log(one - two)
            else:
                part = mpmath.log(mpmath.exp(2 * one / depth) - mpmath.exp(2 * two / depth))
                total += a * (whole - part) + part
        if not math.isinf(depth):
            total += (extra + 1) * sum(w) / depth  # λ^c dλ/dw
        return total


@pytest.mark.parametrize(("depth", "kappa"), CASES)
def test_density_is_the_definition(rng, depth, kappa):
    extra = 0.0 if math.isinf(depth) else 1.5
    gas = quadratic_gas(4, depth, kappa, 1.3, extra)
    base = np.zeros(4)
    ys = rng.standard_normal((6, 4)) * [0.5, 3, 3, 3]
    ys[0, 1:] = -25  # gaps of 1e-11
    ys[1, 3] = 4  # the last one e^{-55} of the others
    for y in ys:
        known = definition(y, depth, kappa, 1.3, extra) - definition(base, depth, kappa, 1.3, extra)
        ours = float(gas.log_density(y) - gas.log_density(base))
        # positions are rounded: 1e-16/1e-11 of the logarithm of a gap
        scale = abs(float(known)) + 50 / kappa
        assert abs(ours - float(known)) < (1e-5 if y[1] == -25 else 1e-12) * scale


@pytest.mark.parametrize(("depth", "kappa"), CASES)
def test_force_is_the_gradient(rng, depth, kappa):
    gas = quadratic_gas(5, depth, kappa, 1.3, 0.0 if math.isinf(depth) else 2.0)
    y = rng.standard_normal((7, 5))
    h = 1e-5
    slopes = [
        (gas.log_density(y + h * e) - gas.log_density(y - h * e)) / (2 * h) for e in np.eye(5)
    ]
    assert_allclose(gas.force(y), np.stack(slopes, axis=-1), rtol=1e-6, atol=1e-6 / kappa)


def test_a_single_value():
    gas = quadratic_gas(1, 3, 1.0)
    y = np.linspace(-3, 1, 5)[:, None]
    assert_allclose(gas.log_density(y), y[:, 0] / 3 - 0.5 * np.exp(2 * y[:, 0]), rtol=1e-14)
    chains = run(gas)
    # σ² of density σ^{1/N - 1} e^{-σ²/2} dσ: twice a Gamma variable of shape 1/(2N)
    assert abs(scores(np.exp(2 * chains.log_sigma), 1 / 3)).max() < 5


# ------------------------------------------------------------------------------------- sampler


@pytest.mark.parametrize("shape", [(6, 6), (9, 5)])
def test_depth_one_is_a_gaussian_matrix(shape):
    kappa, beta = 0.7, 2.0
    extra = abs(shape[0] - shape[1])
    chains = run(quadratic_gas(min(shape), 1, kappa, beta, extra))
    rng = np.random.default_rng(1)
    entries = rng.standard_normal((20000, *shape)) * math.sqrt(kappa / beta)
    known = np.linalg.svd(entries, compute_uv=False)
    sigma = np.exp(chains.log_sigma)
    for power in (1, 2, 4):
        noise = (known**power).std(axis=0) / math.sqrt(20000)
        draws = sigma**power
        error = np.hypot(draws.std(axis=(0, 1)) / np.sqrt(effective_size(draws)), noise)
        assert (abs(draws.mean(axis=(0, 1)) - (known**power).mean(axis=0)) < 5 * error).all()


@pytest.mark.parametrize("depth", [1, 2, 3.5, 10])
def test_half_kappa_is_a_laguerre_ensemble(depth):
    """Bidiagonal model of Dumitriu and Edelman (2002), β = 1, weight x^{1/(2N) - 1} e^{-βx}."""
    d, beta = 7, 1.5
    chains = run(quadratic_gas(d, depth, 0.5, beta))
    rng, count = np.random.default_rng(2), 20000
    model = np.zeros((count, d, d))
    k = np.arange(d)
    model[:, k, k] = np.sqrt(rng.chisquare(d - 1 + 1 / depth - k, (count, d)))
    model[:, k[1:], k[:-1]] = np.sqrt(rng.chisquare(d - k[1:], (count, d - 1)))
    known = np.linalg.svd(model, compute_uv=False) / math.sqrt(2 * beta)
    sigma = np.exp(chains.log_sigma)
    for power in (1, 2):
        noise = (known**power).std(axis=0) / math.sqrt(count)
        draws = sigma**power
        error = np.hypot(draws.std(axis=(0, 1)) / np.sqrt(effective_size(draws)), noise)
        assert (abs(draws.mean(axis=(0, 1)) - (known**power).mean(axis=0)) < 5 * error).all()


def two_by_quadrature(depth, kappa, beta, powers):
    """E of σ_1^p and σ_2^p for two values, over w_1 and w_1 - w_2 = e^s."""
    w = np.linspace(-25, 3, 1401)[:, None]
    s = np.linspace(-18, 12 if math.isinf(depth) else 6, 1501)
    gap = np.exp(s)
    log = -beta / kappa / 2 * (np.exp(2 * w) + np.exp(2 * (w - gap))) + s
    a = 1 / (2 * kappa)
    whole = 2 * w + np.log(-np.expm1(-2 * gap))
    if math.isinf(depth):
        log = log + a * (whole - s) + s
    else:
        part = 2 * w / depth + np.log(-np.expm1(-2 * gap / depth))
        log = log + a * (whole - part) + part + (2 * w - gap) / depth
    mass = np.exp(log - log.max())
    return [
        [(mass * np.exp(p * v)).sum() / mass.sum() for v in (w + 0 * gap, w - gap)] for p in powers
    ]


@pytest.mark.parametrize(
    ("depth", "kappa"), [(2, 1.0), (3, 0.3), (2.5, 2.0), (20, 1.0), (INF, 0.05), (INF, 0.15)]
)
def test_two_values_by_quadrature(depth, kappa):
    powers = (0.3, 1, 2)
    chains = run(quadratic_gas(2, depth, kappa, 2.0))
    known = two_by_quadrature(depth, kappa, 2.0, powers)
    for power, means in zip(powers, known, strict=True):
        assert abs(scores(np.exp(power * chains.log_sigma), means)).max() < 5


@pytest.mark.parametrize(
    ("size", "depth", "kappa", "extra"),
    [(3, 2, 1.0, 0), (10, 3, 0.2, 4.5), (20, 2, 5.0, 0), (30, 1.5, 1.0, 1), (12, INF, 0.3, 0)],
)
def test_mean_square_is_exact(size, depth, kappa, extra):
    # the density without its energy is homogeneous of this degree in σ
    degree = (size - 1) * (0.5 + (kappa - 0.5) / depth) / kappa + (extra + 1) / depth
    chains = run(quadratic_gas(size, depth, kappa, 0.4, extra))
    draws = np.exp(2 * chains.log_sigma).mean(axis=-1)
    assert abs(scores(draws, degree * kappa / 0.4)) < 5
    assert split_rhat(chains.log_sigma).max() < 1.05
    assert effective_size(chains.log_sigma).min() > 400  # of 2400
    assert (abs(chains.acceptance - 0.8) < 0.15).all()


def test_wide_gases_mix():
    chains = run(quadratic_gas(60, 2, 1.0), paths=4, draws=150, warmup=150)
    assert split_rhat(chains.log_sigma).max() < 1.1
    assert effective_size(chains.log_sigma).min() > 100
    exact = 59 * 0.75 + 0.5
    assert abs(scores(np.exp(2 * chains.log_sigma).mean(axis=-1), exact)) < 5


def test_values_come_in_order_and_thinning_skips():
    gas = quadratic_gas(4, 2, 1.0)
    every = sample_log_gas(gas, np.random.default_rng(3).spawn(2), n_draws=30, warmup=20, thin=1)
    third = sample_log_gas(gas, np.random.default_rng(3).spawn(2), n_draws=10, warmup=20, thin=3)
    assert (np.diff(every.log_sigma, axis=-1) < 0).all()
    assert np.array_equal(every.log_sigma[:, 2::3], third.log_sigma)
    y = np.concatenate(
        (every.log_sigma[..., :1], np.log(-np.diff(every.log_sigma, axis=-1))), axis=-1
    )
    assert_allclose(every.log_density, gas.log_density(y), rtol=1e-10)


def test_a_path_does_not_depend_on_the_others():
    gas = quadratic_gas(5, 3, 1.0)
    four = run(gas, paths=4, draws=50, warmup=50).log_sigma
    one = run(gas, paths=1, draws=50, warmup=50).log_sigma
    assert np.array_equal(four[0], one[0])
