"""The study of large width: its universal laws against other formulas, and a small run of it.

Statistical tests allow 5 standard errors, as the study itself states them.
"""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.special import airy

from dlngeo import equilibrium
from dlngeo import large_width as study


@pytest.fixture(scope="module")
def result():
    return study.converge(2, (12, 24, 48), n_paths=6, n_draws=250, warmup=120, rng=0)


# -------------------------------------------------------------------------------- universal laws


def test_tracy_widom_by_painleve():
    """Log F_1 = -½ ∫_s^∞ [q + (x - s) q²] dx, q'' = sq + 2q³, q ~ Ai."""

    def velocity(s, state):
        q, slope, _, area, _ = state
        return [slope, s * q + 2 * q**3, -q, -(q**2), -area]

    start = 12.0
    value, slope = airy(start)[:2]
    grid = np.linspace(4, -4, 17)
    path = solve_ivp(
        velocity, (start, -4), [value, slope, 0, 0, 0], t_eval=grid, method="DOP853",
        rtol=1e-13, atol=1e-26,
    )  # fmt: skip
    known = np.exp(-0.5 * (path.y[2] + path.y[4]))
    assert_allclose(study.tracy_widom(grid), known, rtol=1e-8, atol=1e-10)


def test_tracy_widom_moments():
    assert (np.diff(study.tracy_widom(np.linspace(-8, 8, 161))) > 0).all()
    node, weight = np.polynomial.legendre.leggauss(60)
    one = two = three = 0.0
    for low, high in ((-10, 0), (0, 14)):
        s, w = low + (high - low) * (node + 1) / 2, (high - low) * weight / 2
        distribution = study.tracy_widom(s)
        # ∫ f dF = ∫_0^∞ f' (1 - F) - ∫_{-∞}^0 f' F for f = s, s², s³
        tail = w * (1 - distribution if low == 0 else -distribution)
        one, two, three = (
            total + k * (s ** (k - 1) * tail).sum() for k, total in ((1, one), (2, two), (3, three))
        )
    mean, variance, skewness = study.TRACY_WIDOM
    assert_allclose(one, mean, rtol=1e-10)
    assert_allclose(two - one**2, variance, rtol=1e-10)
    central = three - 3 * one * two + 2 * one**3
    assert_allclose(central / variance**1.5, skewness, rtol=1e-9)


def test_spacing_ratio_density_is_that_of_three_levels():
    node, weight = np.polynomial.legendre.leggauss(40)
    r = (node + 1) / 2
    density = study.spacing_ratio_density(r) * weight / 2
    assert_allclose(density.sum(), 1, rtol=1e-12)
    assert_allclose((density * r).sum(), 4 - 2 * math.sqrt(3), rtol=1e-12)
    rng = np.random.default_rng(0)
    matrices = rng.standard_normal((40000, 3, 3))
    levels = np.linalg.eigvalsh(matrices + matrices.mT)
    gaps = np.diff(levels, axis=-1)
    sampled = gaps.min(axis=-1) / gaps.max(axis=-1)
    error = sampled.std() / math.sqrt(sampled.size)
    assert abs(sampled.mean() - (density * r).sum()) < 5 * error
    assert np.array_equal(study.spacing_ratio_density([-0.1, 1.1]), [0, 0])


def test_spacing_ratio_of_large_matrices():
    rng = np.random.default_rng(1)
    matrices = rng.standard_normal((400, 100, 100))
    levels = np.linalg.eigvalsh(matrices + matrices.mT)[:, 25:75]
    gaps = np.diff(levels, axis=-1)
    ratio = np.minimum(gaps[:, 1:], gaps[:, :-1]) / np.maximum(gaps[:, 1:], gaps[:, :-1])
    draws = ratio.mean(axis=-1)
    assert abs(draws.mean() - study.SPACING_RATIO) < 5 * draws.std() / 20


def test_edge_variable_of_gaussian_matrices():
    # depth 1 is Wishart: the bidiagonal model, and its centre 4 (d - ½)
    d, count = 40, 4000
    rng, k = np.random.default_rng(2), np.arange(d)
    model = np.zeros((count, d, d))
    model[:, k, k] = np.sqrt(rng.chisquare(d - k, (count, d)))
    model[:, k[1:], k[:-1]] = np.sqrt(rng.chisquare(d - k[1:], (count, d - 1)))
    x = np.linalg.svd(model, compute_uv=False) ** 2 / d
    top = study.edge_variable(x, 1) + 2 * equilibrium.limit_edge_scale(1) * d ** (-1 / 3)
    # what is left is of order d^{-2/3} = 0.085
    assert abs(top.mean() - study.TRACY_WIDOM[0]) < 0.15
    assert abs(top.var() - study.TRACY_WIDOM[1]) < 0.25


# ----------------------------------------------------------------------------------- the study


def test_moments_reach_their_limits(result):
    for k, series in enumerate(result.moments, start=1):
        assert series.limit == equilibrium.limit_moments(2, 3)[k]
        assert abs(series.deviation) < 5
        assert series.error < 0.05 * series.limit
        # at finite width they are visibly elsewhere
        assert abs(series.values[0] - series.limit) > 2 * abs(series.extrapolated - series.limit)


def test_the_mean_at_finite_width_is_exact(result):
    series = result.moments[0]
    assert (abs(series.values - result.exact_mean) < 5 * series.errors).all()
    assert_allclose(result.exact_mean, [(0.75 * (d - 1) + 0.5) / d for d in (12, 24, 48)])


def test_fluctuations_are_universal(result):
    assert abs(result.edge_mean.deviation) < 5
    assert abs(result.spacing_ratio.deviation) < 5
    assert result.spacing_ratio.error < 0.02  # the Poisson value, 0.386, is far off
    assert abs(result.edge_variance.deviation) < 5
    assert abs(result.edge_variance.values[-1] - study.TRACY_WIDOM[1]) < 0.4
    assert (result.edge_skewness.values > 0).all()


def test_what_is_kept(result):
    assert [x.shape for x in result.x] == [(6, 250, d) for d in (12, 24, 48)]
    assert (np.diff(result.x[0], axis=-1) < 0).all()
    assert (result.r_hat < 1.1).all()
    assert "depth 2" in repr(result) and "12, 24, 48" in repr(result)
    values = result.x[1].mean(axis=-1)
    assert_allclose(result.moments[0].values[1], values.mean())


def test_extrapolation_of_an_exact_polynomial():
    rng = np.random.default_rng(0)
    widths = (8, 16, 32, 64)
    draws = [3 + 2 / d - 5 / d**2 + 1e-6 * rng.standard_normal((4, 100)) for d in widths]
    series = study._series(widths, draws, (1.0, 2.0), 3.0)
    assert abs(series.deviation) < 5
    assert series.error < 1e-5


def test_the_seed_decides_and_progress_is_told():
    told = []
    keywords = {"widths": (8, 9, 10), "n_paths": 2, "n_draws": 8, "warmup": 5}
    one = study.converge(3, **keywords, rng=4, report=lambda label, share: told.append(share))
    two = study.converge(3, **keywords, rng=4)
    assert all(np.array_equal(a, b) for a, b in zip(one.x, two.x, strict=True))
    assert told == sorted(told) and told[-1] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((math.inf,), "depth inf"),
        ((2, (8, 16)), "three different"),
        ((2, (4, 8, 16)), "widths must be"),
        ((0.5,), "depth must be"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        study.converge(*arguments)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 3, 5.5])
def test_wide_matrices_follow_the_laws(depth):
    wide = study.converge(depth, (20, 40, 80, 160), n_moments=4, n_draws=600, rng=5)
    for series in (*wide.moments, wide.edge_mean, wide.edge_variance, wide.spacing_ratio):
        assert abs(series.deviation) < 5
    assert abs(wide.edge_skewness.deviation) < 5
    assert wide.moments[3].error < 0.02 * wide.moments[3].limit
    assert wide.edge_variance.error < 0.15
