"""R̂ and effective sample size on chains whose answers are known."""

import math

import numpy as np
import pytest
from arviz_stats.base import array_stats
from numpy.testing import assert_allclose

from dlngeo.equilibrium.mixing import effective_size, split_rhat


def autoregressive(rng, memory, shape):
    """Stationary x_{t+1} = memory x_t + noise along axis 1, variance 1."""
    noise = rng.standard_normal(shape) * math.sqrt(1 - memory**2)
    x = np.empty(shape)
    x[:, 0] = rng.standard_normal((shape[0], *shape[2:]))
    for t in range(1, shape[1]):
        x[:, t] = memory * x[:, t - 1] + noise[:, t]
    return x


@pytest.mark.parametrize("memory", [-0.5, 0.0, 0.5, 0.9])
def test_effective_size_of_an_autoregression(rng, memory):
    paths, draws, repeats = 4, 2000, 100
    x = autoregressive(rng, memory, (paths, draws, repeats))
    known = paths * draws * (1 - memory) / (1 + memory)
    sizes = effective_size(x)
    assert sizes.shape == (repeats,)
    # the estimate is biased by a few percent upwards or downwards, never by a tenth on average
    assert_allclose(sizes.mean(), known, rtol=0.1)


def test_effective_size_predicts_the_error_of_a_mean(rng):
    x = autoregressive(rng, 0.8, (4, 1000, 400))
    predicted = 1 / math.sqrt(effective_size(x).mean())
    seen = x.mean(axis=(0, 1)).std()
    # the standard error of a standard deviation over 400 is 1/√800; 5 of them
    assert abs(seen / predicted - 1) < 5 / math.sqrt(800)


def test_rhat_is_near_one_for_independent_draws(rng):
    rhat = split_rhat(rng.standard_normal((4, 500, 50)))
    assert rhat.shape == (50,)
    assert (rhat < 1.03).all()


def test_rhat_by_hand():
    # two paths of 8: half paths 0101 and 2323; means ½, ½, 2½, 2½; variances ⅓
    x = np.array([[0, 1] * 4, [2, 3] * 4], dtype=float)
    between = 4 / 3
    assert_allclose(split_rhat(x), math.sqrt(3 / 4 + between / (1 / 3)), rtol=1e-14)


def test_rhat_sees_paths_apart_and_paths_that_drift(rng):
    x = rng.standard_normal((4, 400))
    apart = x + np.arange(4)[:, None]
    assert split_rhat(apart) > 1.5
    assert effective_size(apart) < 20
    drifting = x + np.linspace(0, 3, 400)
    assert split_rhat(drifting) > 1.2


def test_what_stands_still():
    still = np.ones((2, 10))
    assert split_rhat(still) == 1
    assert effective_size(still) == 20
    assert split_rhat(still * [[1.0], [2.0]]) == np.inf


def test_a_stack_is_a_loop(rng):
    x = autoregressive(rng, 0.5, (3, 60, 4))
    for function in (split_rhat, effective_size):
        assert_allclose(function(x), [function(x[..., k]) for k in range(4)], rtol=1e-12)


def test_an_odd_number_of_draws(rng):
    x = rng.standard_normal((2, 101))
    without = np.delete(x, 50, axis=1)
    assert split_rhat(x) == split_rhat(without)


@pytest.mark.parametrize("function", [split_rhat, effective_size])
def test_refusals(function):
    with pytest.raises(ValueError, match="at least 8 draws"):
        function(np.zeros((4, 7)))
    with pytest.raises(ValueError, match="at least 8 draws"):
        function(np.zeros(100))
    with pytest.raises(ValueError, match="finite"):
        function(np.full((2, 10), np.nan))


@pytest.mark.parametrize("draws", [1000, 1001])
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("apart", [0.0, 0.3])
def test_both_against_arviz(rng, memory, draws, apart):
    """R̂ is the same number. ArviZ ends its sum with half a pair more, of the order of its noise."""
    x = autoregressive(rng, memory, (4, draws, 5)) + apart * np.arange(4)[:, None, None]
    axes = {"chain_axis": 0, "draw_axis": 1}
    for k, (rhat, size) in enumerate(zip(split_rhat(x), effective_size(x), strict=True)):
        assert_allclose(rhat, array_stats.rhat(x[..., k], method="split", **axes), rtol=1e-12)
        assert_allclose(size, array_stats.ess(x[..., k], method="mean", **axes), rtol=0.05)
