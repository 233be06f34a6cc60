"""Plateaus and jumps of curves whose levels and jump times are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dlngeo.observables import plateaus

TIMES = np.linspace(0.0, 10.0, 2001)


def steps(t, times, levels, width=0.0):
    """From level to level at the times, linear over the width about each."""
    curve = np.full_like(t, levels[0])
    for time, before, after in zip(times, levels, levels[1:], strict=False):
        share = (t - time) / width + 0.5 if width else (t >= time).astype(float)
        curve += (after - before) * np.clip(share, 0, 1)
    return curve


@pytest.mark.parametrize("width", [0.0, 0.1, 1.0])
def test_times_and_levels(width):
    found = plateaus(TIMES, steps(TIMES, [3.0, 6.5], [3.0, 2.0, 1.0], width))
    assert_allclose(found.level, [3, 2, 1], atol=1e-12)
    assert_allclose(found.jump, [3, 6.5], atol=0.003)  # half a sample: the polygon's ramp
    assert_allclose(found.height, [-1, -1], atol=1e-12)
    assert_allclose(found.start, [0, 3, 6.5], atol=0.02 + width / 4)  # two cells
    assert (found.end[:-1] <= found.start[1:]).all()


def test_half_way_between_samples_is_exact():
    t = np.array([0.0, 4.0, 4.5, 10.0])  # the ramp from 4 to 4.5 has one piece
    found = plateaus(t, [2.0, 2.0, 1.0, 1.0])
    assert_allclose(found.jump, [4.25], rtol=1e-12)


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_noise(noise):
    """White noise up to as high as a jump, at 5,000 times."""
    t = np.linspace(0, 10, 5001)
    curve = steps(t, [3.0, 6.5], [3.0, 2.0, 1.0])
    for seed in range(10):
        found = plateaus(t, curve + noise * np.random.default_rng(seed).standard_normal(t.size))
        assert found.level.size == 3
        assert_allclose(found.level, [3, 2, 1], atol=5 * 1.3 * noise / np.sqrt(1500))
        assert_allclose(found.noise, noise, rtol=0.1)
        # the false crossings of some 1,700 samples add a random walk of steps 0.002 to the time
        assert_allclose(found.jump, [3, 6.5], atol=0.01 + 5 * 0.002 * 0.5 * np.sqrt(1700))


def test_the_clock_is_the_callers():
    t = np.geomspace(1, 1e8, 3000)
    curve = steps(np.log10(t), [2.0, 5.0], [1.0, 2.0, 3.0])
    found = plateaus(np.log10(t), curve)
    assert_allclose(found.jump, [2, 5], atol=0.003)
    assert plateaus(t, curve).jump.size == 0  # in t all is over at once
    scaled = plateaus(1e-9 * np.log10(t) + 3, curve)
    assert_allclose(scaled.jump, 1e-9 * found.jump + 3, rtol=1e-15)


def test_thresholds():
    curve = steps(TIMES, [2.0, 3.0, 7.0], [1.0, 2.0, 3.0, 3.16])
    assert_allclose(plateaus(TIMES, curve).jump, [2, 3], atol=0.003)
    assert_allclose(plateaus(TIMES, curve, height=0.15).jump, [2, 3, 7], atol=0.003)
    (high,) = plateaus(TIMES, curve, length=0.2).height
    assert 2 <= high <= 2.16  # the last two are one plateau, where the median may be either
    assert plateaus(TIMES, curve, height=2.5).level.size <= 1


def test_a_short_excursion_is_no_plateau():
    curve = 1 + np.where((TIMES > 5) & (TIMES < 5.2), 1.0, 0.0)
    found = plateaus(TIMES, curve)
    assert_array_equal(found.level, [1])
    assert_array_equal(found.jump, [])


@pytest.mark.parametrize("change", [1.0, 3.0, 10.0])
def test_a_ramp_has_no_plateaus(change):
    assert plateaus(TIMES, change * TIMES / 10).level.size == 0


def test_a_slow_way_between_plateaus_is_one_jump():
    found = plateaus(TIMES, steps(TIMES, [5.0], [3.0, 1.0], 4.0))
    assert_allclose(found.level, [3, 1], atol=0.05)
    assert_allclose(found.jump, [5], atol=0.01)


def test_rest():
    found = plateaus(TIMES, np.full(TIMES.size, 2.0))
    assert_array_equal(found.level, [2])
    assert_array_equal(found.noise, [0])
    assert (found.start[0], found.end[0]) == (0, 10)


def test_samples_where_things_happen():
    """Times as a solver leaves them: dense in a jump, three in a long plateau."""
    t = np.concatenate([[0.0, 2.0], np.linspace(2.9, 3.1, 50), [6.0, 10.0]])
    found = plateaus(t, 1 + np.clip((t - 2.9) / 0.2, 0, 1))
    assert_allclose(found.jump, [3], rtol=1e-12)
    assert_allclose(found.level, [1, 2], rtol=1e-12)


@pytest.mark.parametrize(
    ("t", "values", "options", "words"),
    [
        ([0, 1, 1], [1, 1, 2], {}, "increasing"),
        ([0.0], [1.0], {}, "at least two"),
        ([0, 1, 2], [1, 2], {}, "one finite number for each of 3 times"),
        ([0, 1], [1, np.nan], {}, "finite"),
        ([0, 1], [1, 2], {"height": 0.0}, "height"),
        ([0, 1], [1, 2], {"length": 0.6}, "length"),
    ],
)
def test_refusals(t, values, options, words):
    with pytest.raises(ValueError, match=words):
        plateaus(t, values, **options)


def test_values_whose_rounding_is_a_jump_are_refused():
    t = np.linspace(0, 1, 50)
    with pytest.raises(ValueError, match="values must be at most"):
        plateaus(t, 1e200 + 0 * t)
