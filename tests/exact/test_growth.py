"""The clock of one mode against quadrature of dv / (v^{1+a} (s - v)) in 25 digits."""

import mpmath
import numpy as np
import pytest

from dlngeo.exact import _growth as growth

EXPONENTS = [0.0, 1e-9, 0.02, 1 / 3, 0.5, 0.6, 0.9, 0.99, 1 - 1e-9, 1.0]
# log v at start and end, and the sign: in every range of the series, and across their borders
PATHS = [
    *[(-30.0, -3.0, 1), (-3.0, -0.5, 1), (-0.5, -0.1, 1), (-0.1, -1e-6, 1), (-9.0, -1e-9, 1)],
    *[(5.0, 0.1, 1), (30.0, 25.0, 1), (0.8, 0.6, 1), (0.6, 1e-8, 1), (200.0, 1e-3, 1)],
    *[(3.0, -2.0, -1), (-1.0, -20.0, -1), (30.0, 28.0, -1), (0.1, -0.1, -1), (0.7, 0.5, -1)],
]


def duration(start, end, sign, a):
    """∫ dL / (v^a (s - v)), L = log v, and the velocity of L at the end."""

    def slowness(L):
        return mpmath.exp(-a * L) / (sign - mpmath.exp(L))

    with mpmath.workdps(25):
        pieces = mpmath.linspace(mpmath.mpf(start), mpmath.mpf(end), 7)
        unit = slowness(mpmath.mpf(end))  # quad knows absolute accuracy alone
        return unit * mpmath.quad(lambda L: slowness(L) / unit, pieces), 1 / unit


@pytest.mark.parametrize("a", EXPONENTS)
@pytest.mark.parametrize(("start", "end", "sign"), PATHS)
def test_clock_and_its_inverse(start, end, sign, a):
    time, velocity = duration(start, end, sign, a)
    found = growth.passage(np.array(start), np.array(end), np.array(sign), a)
    # Rounding of log v at either end moves the time by as much times the slowness there.
    _, slow_start = duration(start, start, sign, a)
    eps = 2.3e-16
    inherent = eps * (abs(start / slow_start) + abs(end / velocity) + abs(time))
    assert abs(found - time) <= 8 * inherent
    moved = growth.evolve(np.array(start), np.array(sign), a, np.array(float(time)))
    assert abs(moved - end) <= 30 * eps * max(1.0, abs(end)) + 8 * eps * abs(time * velocity)


@pytest.mark.parametrize("a", [0.0, 0.05, 0.5, 1.0])
def test_there_and_further_is_further(a, rng):
    """The flow property φ_{s+t} = φ_t ∘ φ_s, over stacks of starts, signs and times."""
    log_v = rng.uniform(-5, 5, (40, 1))
    sign = rng.choice([-1.0, 1.0], (40, 1))
    s, t = rng.uniform(0, 5, (2, 1, 30))
    once = growth.evolve(log_v, sign, a, s + t)
    twice = growth.evolve(growth.evolve(log_v, sign, a, s), sign, a, t)
    assert once.shape == (40, 30)
    np.testing.assert_allclose(twice, once, rtol=0, atol=1e-12)


@pytest.mark.parametrize("a", [0.0, 0.01, 0.5, 1.0])
def test_ends_of_the_line(a):
    inf = np.inf
    log_v = np.array([-inf, -800.0, -800.0, 0.0, 0.0, 5.0, 5.0, -3.0])
    sign = np.array([1, 1, 1, 1, -1, 1, -1, -1])
    np.testing.assert_array_equal(growth.evolve(log_v, sign, a, np.array(0.0)), log_v)
    limits = growth.evolve(log_v, sign, a, np.array(inf))
    np.testing.assert_array_equal(limits, [-inf, 0, 0, 0, -inf, 0, -inf, -inf])
    late = growth.evolve(np.array([-5.0, 5.0]), np.array([1, 1]), a, np.array(1e290))
    np.testing.assert_allclose(late, 0, atol=1e-300)


def test_never_is_infinite():
    a = 0.5
    start, end = np.array([-1.0, -1.0, -1.0, 1.0, 1.0, -1.0]), np.array([-2.0, 0.0, 1, 0, 2, -0.5])
    sign = np.array([1, 1, 1, 1, 1, -1])
    assert np.isposinf(growth.passage(start, end, sign, a)).all()
    assert growth.passage(np.array(-1.0), np.array(-1.0), np.array(1), a) == 0
