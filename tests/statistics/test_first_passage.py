"""First passage: by hand, by SciPy's Kaplan-Meier estimator, and reflected Brownian motion."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import erf
from scipy.stats import CensoredData, ecdf

from dlngeo import langevin
from dlngeo._equation import Equation
from dlngeo._results.ensemble import build
from dlngeo.observables import effective_rank
from dlngeo.statistics import (
    Passages,
    first_passage,
    first_passage_times,
    mean_passage_time,
    survival,
)

INF = np.inf


def ensemble_of(ranks, t):
    """Diagonal matrices 3 × 3 of these ranks, (path, time), up to ``threshold``."""
    sigma = np.where(np.arange(3) < np.asarray(ranks)[..., None], [3.0, 2.0, 1.0], 1e-4)
    return build(
        Equation(None, 1), np.asarray(t, float), sigma[..., None] * np.eye(3), None, 0, "", {}
    )


# ------------------------------------------------------------------------------------- by hand


def test_first_passages_by_hand():
    t = [0.0, 1.0, 2.5, 4.0, 7.0]
    ranks = [[3, 3, 2, 1, 1], [3, 1, 3, 3, 1], [1, 1, 2, 3, 3], [3, 3, 3, 3, 3], [2, 3, 1, 2, 2]]
    run = ensemble_of(ranks, t)
    to_two = first_passage_times(run, 2)
    assert_array_equal(to_two.times, [2.5, 1.0, 2.5, INF, 0.0])  # the second leaps past it
    assert_array_equal(to_two.watched, 5 * [7.0])
    assert_array_equal(first_passage_times(run, 1).times, [4.0, 1.0, 0.0, INF, 2.5])
    assert_array_equal(first_passage_times(run, 3).times, [0.0, 0.0, 4.0, 0.0, 1.0])
    between = first_passage_times(run, 1, origin=2)
    assert_array_equal(between.times, [1.5, 0.0, INF, INF, 2.5])
    assert_array_equal(between.watched, [4.5, 6.0, 4.5, -INF, 7.0])
    back = first_passage_times(run, 3, origin=1)
    assert_array_equal(back.times, [INF, 1.5, 4.0, INF, INF])
    assert_array_equal(back.watched, [3.0, 6.0, 7.0, -INF, 4.5])


def test_threshold_and_kind():
    run = ensemble_of([[3, 2, 1], [1, 2, 3]], [0.0, 1.0, 2.0])
    assert_array_equal(first_passage_times(run, 1, threshold=1e-6).times, [INF, INF])
    sigma = np.array([3.0, 2.0, 1e-4])
    for kind in ("entropy", "stable"):
        level = effective_rank(sigma, kind) + 0.01
        assert_array_equal(first_passage_times(run, level, kind=kind).times, [1.0, 2.0])


def test_clocks_start_with_the_first_frame():
    passages = first_passage([5.0, 6.0, 8.0], [[0.0, 1.0, 2.0]], 1.5)
    assert_array_equal((passages.times, passages.watched), [[3.0], [3.0]])


@settings(max_examples=100)
@given(
    values=st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=5),
    level=st.integers(0, 3),
    origin=st.one_of(st.none(), st.integers(0, 3)),
)
def test_first_passage_is_a_plain_search(values, level, origin):
    t = np.array([0.0, 0.5, 1.5, 2.0, 3.0, 5.0])

    def search(path, begin, goal):
        for k in range(begin, 6):
            if (path[begin] - goal) * (path[k] - goal) <= 0:
                return k
        return None

    got = first_passage(t, values, level, origin=origin)
    for path, time, watched in zip(values, *got, strict=True):
        begin = 0 if origin is None else search(path, 0, origin)
        end = None if begin is None else search(path, begin, level)
        assert watched == (-INF if begin is None else 5.0 - t[begin])
        assert time == (INF if end is None else t[end] - t[begin])


# --------------------------------------------------------------------------- the law of the times


def test_survival_without_censoring_is_a_fraction(rng):
    times = np.where(rng.random(200) < 0.3, INF, np.round(rng.exponential(size=200), 1))
    times[times > 3] = INF
    passages = Passages(times, np.full(200, 3.0))
    t = np.array([[0.0, 0.35, 1.0], [2.0, 2.95, 3.0]])
    p = (times > t[..., None]).mean(axis=-1)
    estimate = survival(passages, t)
    assert_allclose(estimate.value, p, rtol=1e-13)
    assert_allclose(estimate.error, np.sqrt(p * (1 - p) / 200), rtol=1e-12)
    for horizon in (0.0, 0.35, 1.0, 3.0):
        cut = np.minimum(times, horizon)
        got = mean_passage_time(passages, horizon)
        assert_allclose(got.value, cut.mean(), rtol=1e-13)
        assert_allclose(got.error, cut.std() / math.sqrt(200), rtol=1e-11, atol=1e-15)


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")
def test_survival_with_censoring_is_kaplan_and_meiers(rng):
    true, watched = rng.exponential(size=300), rng.uniform(0.5, 4, size=300)
    times = np.where(true <= watched, true, INF)
    never = Passages(np.append(times, [INF, INF]), np.append(watched, [-INF, -INF]))
    seen = np.isfinite(times)
    known = ecdf(CensoredData(uncensored=times[seen], right=watched[~seen])).sf
    t = np.linspace(0, 3.9, 40)
    estimate = survival(never, t)
    assert_allclose(estimate.value, known.evaluate(t), rtol=1e-12)
    # SciPy tells Greenwood's error through its linear interval
    high = known.confidence_interval(0.5, method="linear").high
    index = np.searchsorted(high.quantiles, 1.5, side="right") - 1
    width = high.probabilities[index] - known.evaluate(1.5)
    assert_allclose(survival(never, 1.5).error, width / 0.6744897501960817, rtol=1e-9)
    early = t < 3  # where many are still watched
    assert (np.abs(estimate.value - np.exp(-t)) <= 5 * estimate.error)[early].all()


def test_a_restricted_mean_with_censoring(rng):
    # censored samples of the exponential law, whose restricted mean is 1 - e^{-h}
    true, watched = rng.exponential(size=(2, 400, 200))
    watched += 1.0
    horizon, values, errors = 1.8, [], []
    for k in range(200):
        times = np.where(true[:, k] <= watched[:, k], true[:, k], INF)
        estimate = mean_passage_time(Passages(times, watched[:, k]), horizon)
        values.append(estimate.value)
        errors.append(estimate.error)
    spread = np.std(values, ddof=1)
    assert abs(np.mean(values) - (1 - math.exp(-horizon))) < 5 * spread / math.sqrt(200)
    assert abs(np.sqrt(np.mean(np.square(errors))) / spread - 1) < 5 / math.sqrt(400)


def test_when_all_have_passed_nothing_is_left():
    passages = Passages(np.array([1.0, 2.0, 2.0]), np.array([3.0, 3.0, 3.0]))
    assert survival(passages, 100.0) == (0, 0)
    assert_allclose(mean_passage_time(passages, 100.0).value, 5 / 3)


# ------------------------------------------------------------------------------ Brownian motion


def survival_down(start, low, t):
    """Brownian motion of variance t has not come down to ``low``."""
    return erf((start - low) / np.sqrt(2 * t))


def survival_up(start, high, t):
    """Brownian motion of variance t, reflected at 0, has not come up to ``high``."""
    n = 2 * np.arange(50)[:, None] + 1
    terms = (-1.0) ** np.arange(50)[:, None] * np.cos(n * np.pi * start / (2 * high)) / n
    return 4 / np.pi * (terms * np.exp(-((n * np.pi / high) ** 2) * t / 8)).sum(axis=0)


# Looked at in frames, a level seems ζ(1/2)/√(2π) · √dt farther off (Chernoff)
SHIFT = 0.5825971579
TIMES = np.array([0.2, 0.5, 1.0])


def test_passages_of_reflected_brownian_motion(rng):
    start, dt, low = 0.8, 0.002, 0.3
    steps = math.sqrt(dt) * rng.standard_normal((8000, 500))
    steps = np.concatenate((np.full((8000, 1), start), steps), axis=1)
    free, t, shift = np.cumsum(steps, axis=1), dt * np.arange(501), SHIFT * math.sqrt(dt)
    lam = np.abs(free)

    down = survival(first_passage(t, lam, low), TIMES)
    assert (np.abs(down.value - survival_down(start, low - shift, TIMES)) < 5 * down.error).all()
    seldom = survival(first_passage(t[::5], lam[:, ::5], low), TIMES)
    farther = survival_down(start, low - math.sqrt(5) * shift, TIMES)
    assert (np.abs(seldom.value - farther) < 5 * seldom.error).all()
    assert (np.abs(seldom.value - survival_down(start, low, TIMES)) > 5 * seldom.error).any()

    start, high = 0.3, 1.0
    up = survival(first_passage(t, np.abs(free - 0.5), high), TIMES)
    assert (np.abs(up.value - survival_up(start, high + shift, TIMES)) < 5 * up.error).all()
    unreflected = erf((high + shift - start) / np.sqrt(2 * TIMES))
    assert (np.abs(up.value - unreflected) > 5 * up.error).any()


def test_passages_of_the_smallest_root_at_depth_two():
    # λ = σ^{1/2} of one width at depth 2 and β = 1 is |B|: generator ∂²/(Nβ)
    start, dt = 0.8, 0.005
    run = langevin.brownian_motion(
        [[start**2]], depth=2, beta=1.0, dt=dt, n_steps=200, n_paths=500, rng=3, save_every=1
    )
    lam, shift = np.sqrt(run.singular_values[..., 0]), SHIFT * math.sqrt(dt)
    down = survival(first_passage(run.t, lam, 0.3), TIMES)
    up = survival(first_passage(run.t, lam, 1.6), TIMES)
    assert (np.abs(down.value - survival_down(start, 0.3 - shift, TIMES)) < 5 * down.error).all()
    assert (np.abs(up.value - survival_up(start, 1.6 + shift, TIMES)) < 5 * up.error).all()
    assert up.error.max() < 0.03


# ------------------------------------------------------------------------------------ bad input


def test_bad_arguments_are_refused():
    for t in ([0.0, 0.0], [[0.0, 1.0]], []):
        with pytest.raises(ValueError, match="increasing"):
            first_passage(t, np.zeros((1, 2)), 1.0)
    for values in (np.zeros((1, 3)), np.zeros(2)):
        with pytest.raises(ValueError, match=r"shape \(path, 2\)"):
            first_passage([0.0, 1.0], values, 1.0)
    with pytest.raises(ValueError, match="level must be finite"):
        first_passage([0.0, 1.0], np.zeros((1, 2)), np.nan)
    passages = Passages(np.array([1.0, INF]), np.array([3.0, 3.0]))
    for t in (-0.1, 3.1):
        with pytest.raises(ValueError, match="between 0 and 3"):
            survival(passages, t)
    for horizon in (-1.0, 3.1):
        with pytest.raises(ValueError, match="horizon"):
            mean_passage_time(passages, horizon)
    with pytest.raises(ValueError, match="clock started"):
        survival(Passages(np.array([INF]), np.array([-INF])), 1.0)
