"""The second derivative of the entropy in singular values, against mpmath at 400 digits."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from dlngeo.spectral.entropic_force import entropy_curvature, power_curvature

DEPTHS = [1.5, 2, 3, 3.5, 5, 8, 9, 40, 1e4, math.inf]
TOLERANCE = 4e-13  # singular values 1e300 apart: their log ratio, 690, is true to rounding only


def pair(a, b, depth):
    """∂_a, ∂_a² and ∂_a∂_b of ½ log K(a, b), the formula as it stands, differentiated by hand."""
    square = a * a - b * b
    first, second = 2 * a / square, 2 / square - 4 * a * a / square**2
    cross = 4 * a * b / square**2
    if math.isinf(depth):
        log = mpmath.log(a / b)
        first -= 1 / (a * log)
        second += (1 + 1 / log) / (a * a * log)
        cross -= 1 / (a * b * log * log)
    else:
        e = mpmath.mpf(2) / depth
        gap = a**e - b**e
        first -= e * a ** (e - 1) / gap
        second += (e * a ** (e - 1) / gap) ** 2 - e * (e - 1) * a ** (e - 2) / gap
        cross -= e * a ** (e - 1) * e * b ** (e - 1) / gap**2
    return first / 2, second / 2, cross / 2


def exact_curvature(sigma, depth, spare):
    """Diagonal, symmetric and skew parts; values that coincide are set 1e-40 apart."""
    with mpmath.workdps(400):
        s = [mpmath.mpf(x) * (1 + mpmath.mpf(10) ** -40 * k) for k, x in enumerate(sigma)]
        extra = 0 if math.isinf(depth) else mpmath.mpf(spare) / depth
        r = len(s)
        pairs = {(k, m): pair(s[k], s[m], depth) for k in range(r) for m in range(r) if k != m}
        force = [extra / s[k] + sum(pairs[k, m][0] for m in range(r) if m != k) for k in range(r)]
        parts = np.zeros((3, r, r))
        for k in range(r):
            parts[0, k, k] = sum(pairs[k, m][1] for m in range(r) if m != k) - extra / s[k] ** 2
            for m in range(r):
                parts[2, k, m] = (force[k] + force[m]) / (s[k] + s[m])
                if k != m:
                    parts[0, k, m] = pairs[k, m][2]
                    parts[1, k, m] = (force[k] - force[m]) / (s[k] - s[m])
    return parts


def assert_exact(sigma, depth, spare=0.0):
    sigma = np.array(sigma, dtype=float)
    ours, exact = entropy_curvature(sigma, depth, spare), exact_curvature(sigma, depth, spare)
    assert_allclose(ours.diagonal, exact[0], rtol=TOLERANCE)
    off = ~np.eye(len(sigma), dtype=bool)
    # depth 2, d = 2: zero
    assert_allclose(ours.symmetric[off], exact[1][off], rtol=TOLERANCE, atol=1e-300)
    assert_allclose(ours.skew, exact[2], rtol=TOLERANCE)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "sigma",
    [[1, 1, 1], [1e-5, 1e-5, 1], [1e100, 1e-30, 1], [2, 1e-100], [1, math.e, math.e**2], [3, 2, 1]],
)
def test_curvature_at_coincident_and_distant_values(sigma, depth):
    assert_exact(sigma, depth)


@settings(max_examples=40)
@given(
    gap=st.floats(-300, 0),
    third=st.sampled_from([1.7, 1.69, 0.3, 1e5, 1e-9]),
    depth=st.sampled_from(DEPTHS),
)
def test_curvature_has_no_cancellation_at_any_gap(gap, third, depth):
    a = 1.7
    b = a * (1 - 10.0**gap) if gap < -1e-3 else a / 2
    assert_exact([a, b, third], depth)


@settings(max_examples=30)
@given(
    logs=st.lists(st.floats(-5, 5), min_size=2, max_size=4),
    depth=st.sampled_from(DEPTHS),
    spare=st.integers(0, 7),
)
def test_curvature_at_any_ratio(logs, depth, spare):
    # wide hidden layers cancel against the pairs: the terms' sizes set the scale there
    sigma = np.exp(logs)
    if spare == 0:
        assert_exact(sigma, depth)
        return
    ours, exact = entropy_curvature(sigma, depth, spare), exact_curvature(sigma, depth, spare)
    scale = (1 + spare) / np.multiply.outer(sigma, sigma)
    off = ~np.eye(len(sigma), dtype=bool)
    for part, wanted in zip(ours[:2], exact[:2], strict=True):
        assert (np.abs(part - wanted) <= 1e-14 * scale)[off].all()
    assert_allclose(ours.skew, exact[2], rtol=TOLERANCE)


@pytest.mark.parametrize("depth", DEPTHS)
def test_two_that_meet_may_be_turned_into_one_another(depth):
    # at σ_k = σ_l the frames are free: symmetric part = ∂²_kk - ∂²_kl
    parts = entropy_curvature(np.array([0.7, 0.7, 1.3]), depth, 0.0)
    turned = parts.diagonal[0, 0] - parts.diagonal[0, 1]
    assert_allclose(parts.symmetric[0, 1], turned, rtol=1e-13)


def test_depth_one_is_flat():
    for part in entropy_curvature(np.array([2.0, 1.0, 1.0, 1e-9]), 1, 0.0):
        assert_allclose(part, 0, atol=0)


@settings(max_examples=60)
@given(gap=st.floats(-300, 150), power=st.sampled_from([-0.999, -1 / 3, 0.0, 0.3, 1.0]))
def test_power_curvature(gap, power):
    a = 1.3
    b = a * (1 - 10.0**gap) if gap < -0.1 else a * 10.0**-gap
    ours = power_curvature(np.array([a, b]), power)
    with mpmath.workdps(1000):
        x, y, q = mpmath.mpf(a), mpmath.mpf(b), mpmath.mpf(power)
        rise = q * x ** (q - 1) if x == y else (x**q - y**q) / (x - y)
        wanted = [float(v) for v in (rise, (x**q + y**q) / (x + y), q * y ** (q - 1))]
    assert_allclose(
        [ours.symmetric[0, 1], ours.skew[0, 1], ours.diagonal[1, 1]], wanted, rtol=1e-13
    )
