"""Means and autocorrelation times with their errors, on processes whose answers are known."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter
from scipy.stats import sem

from dlngeo.statistics import Passages, autocorrelation_time, mean


def ornstein_uhlenbeck(rng, memory, shape):
    """Stationary x_{t+1} = memory x_t + noise along axis 1, variance 1."""
    noise = rng.standard_normal(shape)
    noise[:, 1:] *= math.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], noise, axis=1)


def test_mean_is_the_mean_and_its_standard_error(rng):
    x = rng.standard_normal((7, 4, 3)) + 1e6
    estimate = mean(x)
    assert_allclose(estimate.value, sum(x) / 7, rtol=1e-15)
    assert_allclose(estimate.error, sem(x, axis=0), rtol=1e-8)


def test_the_error_of_a_mean_is_seen_over_repetitions(rng):
    estimate = mean(rng.exponential(size=(50, 4000)))
    assert abs(estimate.value.std() / np.sqrt((estimate.error**2).mean()) - 1) < 5 * 0.02


def test_one_path_says_nothing_of_its_error():
    estimate = mean([[1.0, 2.0]])
    assert_allclose(estimate.value, [1, 2])
    assert (estimate.error == np.inf).all()
    assert mean([3.0]).error == np.inf
    assert autocorrelation_time(np.arange(20.0)[None], 1.0).error == np.inf


def test_short_reprs():
    assert repr(mean([1.0, 2.0])) == "Estimate(1.5 ± 0.5)"
    assert repr(mean([[1.0, 2.0]])) == "Estimate(shape (2,))"
    passages = Passages(np.array([1.0, np.inf]), np.array([2.0, 2.0]))
    assert repr(passages) == "Passages(1 of 2 paths passed)"


def test_bad_values_are_refused():
    for values in (np.zeros((0, 3)), 1.0):
        with pytest.raises(ValueError, match="path"):
            mean(values)
    with pytest.raises(ValueError, match="finite"):
        mean([1.0, np.inf])
    with pytest.raises(ValueError, match="at least 8"):
        autocorrelation_time(np.zeros((3, 7)), 1.0)
    with pytest.raises(ValueError, match="dt"):
        autocorrelation_time(np.zeros((3, 9)), 0.0)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("frames", [3000, 3001])
def test_autocorrelation_time_of_an_ornstein_uhlenbeck_process(rng, memory, frames):
    # ρ_k = a^k: τ = dt (1 + a)/(1 - a)/2, which is dt/log(1/a) up to O(dt²)
    x, dt = ornstein_uhlenbeck(rng, memory, (40, frames, 6)), 0.1
    estimate = autocorrelation_time(x, dt)
    known = dt / 2 * (1 + memory) / (1 - memory)
    assert estimate.value.shape == estimate.error.shape == (6,)
    # where the sum stops biases it by a percent or two
    assert (np.abs(estimate.value - known) < 5 * estimate.error + 0.02 * known).all()
    assert np.sqrt((estimate.error**2).mean()) < 0.1 * known


@pytest.mark.parametrize(("paths", "frames"), [(12, 400), (40, 150)])
def test_the_error_of_an_autocorrelation_time_is_seen_over_repetitions(rng, paths, frames):
    x = ornstein_uhlenbeck(rng, 0.8, (paths, frames, 300))
    estimate = autocorrelation_time(x, 1.0)
    seen = estimate.value.std(ddof=1)
    told = np.sqrt((estimate.error**2).mean())
    # seen is known to 1/√600; told, a root mean square, is larger by a tenth or two
    assert -5 / math.sqrt(600) < told / seen - 1 < 5 / math.sqrt(600) + 0.2
    assert abs(estimate.value.mean() / 4.5 - 1) < 0.05  # (1 + 0.8)/(1 - 0.8)/2, biased by the stop


def test_it_predicts_the_variance_of_a_time_average(rng):
    x, dt = ornstein_uhlenbeck(rng, 0.9, (400, 1000)), 0.05
    tau = autocorrelation_time(x, dt).value
    ratio = x.mean(axis=1).var(ddof=1) / (2 * tau / (1000 * dt))
    assert abs(ratio - 1) < 5 * math.sqrt(2 / 400)


def test_what_does_not_move_has_half_a_frame():
    for constant in (1.0, 0.1, -1e10 / 3):
        estimate = autocorrelation_time(np.full((3, 11), constant), 0.2)
        assert_allclose(estimate, (0.1, 0.0), atol=1e-15)


def test_paths_that_stay_apart_have_a_long_time(rng):
    x = rng.standard_normal((6, 200))
    together, apart = (autocorrelation_time(x + c * np.arange(6)[:, None], 1.0) for c in (0, 5))
    assert together.value < 1
    assert apart.value > 50


def test_units_of_time_and_many_quantities(rng):
    x = ornstein_uhlenbeck(rng, 0.5, (5, 100, 2, 3))
    whole = autocorrelation_time(x, 0.3)
    for index in np.ndindex(2, 3):
        alone = autocorrelation_time(x[:, :, *index], 1.0)
        assert_allclose(whole.value[index], 0.3 * alone.value, rtol=1e-12)
        assert_allclose(whole.error[index], 0.3 * alone.error, rtol=1e-12)
