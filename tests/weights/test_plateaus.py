"""Plateaus and jumps of curves whose levels and jump times are known, and of what is learnt."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dlngeo import exact, sequential
from dlngeo._results import trajectory
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


@pytest.mark.parametrize(
    ("edges", "steps", "levels", "jumps"),
    [
        ((0.3, 0.6), (3, 2, 1.8), (3, 1.8), (0.3,)),  # a step below height after a jump
        ((0.3, 0.6), (3, 2, 1.6), (3, 1.6), (0.3,)),
        ((0.4, 0.6), (0, 0.35, 0.8), (0, 0.8), (0.6,)),
        ((0.6,), (0, 0.4), (0,), ()),
    ],
)
def test_flat_plateaus_beside_a_step_below_height_are_kept(edges, steps, levels, jumps):
    t = np.linspace(0, 1, 5001)
    found = plateaus(t, np.array(steps, dtype=float)[np.searchsorted(edges, t, side="right")])
    assert_allclose(found.level, levels, atol=1e-12)
    assert_allclose(found.jump, jumps, atol=1e-3)


@pytest.mark.parametrize("rise", [0.3, 0.6, 1.0, 3.0])
@pytest.mark.parametrize("length", [0.002, 0.01, 0.05, 0.3])
def test_a_ramp_has_no_plateau_whatever_the_length(rise, length):
    t = np.linspace(0, 1, 2001)
    assert plateaus(t, rise * t, length=length).level.size == 0


@pytest.mark.parametrize(
    ("begin", "span", "height"),
    [(1e14, 10.0, 0.5), (0.0, 1e307, 1e200), (0.0, 1e-310, 1e-200), (-1e300, 1e299, 1e-3)],
)
def test_any_unit_of_time_and_of_values(begin, span, height):
    x = np.linspace(0, 1, 501)
    t, values = begin + span * x, 3 * height * (x > 0.4)
    found = plateaus(t, values, height=height)
    assert_allclose(found.level / height, [0, 3], atol=1e-12)
    assert_allclose((found.jump - begin) / span, 0.4, atol=0.003)
    assert_allclose((found.start[0], found.end[-1]), (t[0], t[-1]))


def test_times_that_rounding_does_not_tell_apart_are_refused():
    with pytest.raises(ValueError, match="tells apart"):
        plateaus([-1e16, 1e-5, 2e-5], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="tells apart"):
        plateaus([-1.7e308, 0.0, 1.7e308], [0.0, 1.0, 2.0])


def test_values_whose_rounding_is_a_jump_are_refused():
    t = np.linspace(0, 1, 50)
    with pytest.raises(ValueError, match="values must be at most"):
        plateaus(t, 1e200 + 0 * t)


# ------------------------------------------------------------- of the number of directions learnt

SHORT = np.linspace(0.0, 10.0, 1001)


def ramp(start, length):
    """From 0 to 1, linear over [start, start + length]."""
    return np.clip((SHORT - start) / length, 0, 1)


def path_of(curves, t=SHORT):
    """A trajectory U diag(curves) Vᵀ of curves (time, ..., r), and the map to targets."""
    curves = np.asarray(curves, dtype=float)
    rng, r = np.random.default_rng(0), np.shape(curves)[-1]
    U, V = (np.linalg.qr(rng.standard_normal((d, d)))[0][:, :r] for d in (3, 4))

    def dress(values):
        return (U * values[..., None, :]) @ V.T

    W = dress(curves)
    nothing = {"weight_decay": 0.0, "rank": None, "status": 0, "message": "", "stats": {}}
    return trajectory.build(t, W, None, np.zeros(W.shape[:-2]), **nothing), dress


def solved(sigma, starts, depth, times):
    """The exact flow from a start with the target's frames."""
    sigma = np.array(sigma)
    curves = exact.singular_value(times[:, None], np.array(starts), sigma, depth)
    path, dress = path_of(curves, t=times)
    return sequential.learning(path, dress(sigma))


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_plateaus_of_decoupled_modes(depth):
    """Levels 0, 1, 2, 3; jumps where each mode alone is half of σ_k."""
    sigma, start = np.array([4.0, 2.0, 1.0]), 1e-12 if depth == 2 else 1e-3
    half = exact.passage_time(start, sigma / 2, sigma, depth)
    found = solved(sigma, start, depth, np.linspace(0, half[-1] + 12 / depth, 4001))
    assert_allclose(found.plateaus.level, [0, 1, 2, 3], atol=0.02)
    assert_allclose(found.plateaus.jump, half, rtol=0.003)
    assert (found.plateaus.end[:-1] <= found.plateaus.start[1:]).all()
    assert found.plateaus.start[0] == 0 and found.plateaus.end[-1] == found.t[-1]
    assert found.verdict == "sequential"


def test_modes_that_rise_together_jump_once():
    """σ and starts such that all three are half-way at once: no verdict, one jump of three."""
    sigma, depth = np.array([2.0, 1.8, 1.6]), 2
    starts = sigma / (1 + np.exp(2 * sigma * 3.0))  # logistic: half-way at time 3
    half = exact.passage_time(starts, sigma / 2, sigma, depth)
    assert np.ptp(half) < 1e-12
    found = solved(sigma, starts, depth, np.linspace(0, 12, 2001)).plateaus
    assert_allclose(found.level, [0, 3], atol=0.1)
    assert_allclose(found.jump, half[0], rtol=0.01)


def test_plateaus_count_directions_in_any_order():
    path, dress = path_of(np.stack([ramp(6, 0.5), ramp(1, 0.5)], axis=-1) * [2, 1])
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))
    assert_allclose(found.plateaus.level, [0, 1, 2], atol=1e-12)
    assert_allclose(found.plateaus.jump, [1.25, 6.25], atol=0.02)
    assert found.verdict == "neither"  # {2} first


def test_plateaus_of_a_stack_and_of_equal_values():
    slow = np.stack([2 * ramp(1, 0.5), 2 * ramp(1, 0.5), ramp(5, 0.5)], axis=-1)
    never = np.stack([2 * ramp(1, 0.5), 2 * ramp(1, 0.5), 0 * SHORT], axis=-1)
    both, dress = path_of(np.stack([slow, never], axis=1))
    target = dress(np.array([2.0, 2.0, 1.0]))
    found = sequential.learning(both, target).plateaus
    assert found.shape == (2,)
    for one, levels in zip(found, ([0, 2, 3], [0, 2]), strict=True):
        assert_allclose(one.level, levels, atol=1e-12)
    first = sequential.learning(both, target, rank=2).plateaus[0]
    assert_allclose(first.level, [0, 2], atol=1e-12)


def test_one_saved_time_has_no_plateau():
    path, dress = path_of([[2.0, 1.0]], t=np.zeros(1))
    assert sequential.learning(path, dress(np.array([2.0, 1.0]))).plateaus.level.size == 0
