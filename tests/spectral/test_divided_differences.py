"""The eigenvalues K of the metric operator, judged by the quotient (7.13) in many-digit arithmetic.

The quotient loses digits only by cancellation, which 120 digits outlast: no oracle here uses the
forms that the library computes with.
"""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo.spectral.divided_differences import second_quotient, spectrum

DEPTHS = [1, 1.0001, 1.5, 2, 3, 4, 5, 7, 8, 9, 10, 100, 1e6, math.inf]
SIGMA = np.array([2.5, 0.0, 1.0, 0.3, 0.0, 2.5, 7.0])  # unordered, with a pair and two zeros

magnitude = st.floats(-100, 100).map(lambda x: 10.0**x)
small = st.floats(-17, -0.01).map(lambda x: 10.0**x)
ratio = st.floats(-300, 0).map(lambda x: 10.0**x)


def quotient(a, b, depth):
    """(7.13) corrected, (14.8) at depth inf, with their limits at a = b and at zero."""
    with mpmath.workdps(120):
        a, b, depth = mpmath.mpf(float(a)), mpmath.mpf(float(b)), mpmath.mpf(depth)
        if a == b:
            return depth * a ** (2 - 2 / depth) if mpmath.isfinite(depth) else a**2
        if mpmath.isfinite(depth):
            return (a**2 - b**2) / (a ** (2 / depth) - b ** (2 / depth))
        return (a**2 - b**2) / (2 * mpmath.log(a / b)) if a * b else mpmath.mpf(0)


def relative_error(got, a, b, depth):
    """Against the quotient; infinite where K should vanish and does not."""
    got, want = mpmath.mpf(float(got)), quotient(a, b, depth)
    if want == 0:
        return 0.0 if got == 0 else math.inf
    return float(abs(got - want) / want)


def largest_error(sigma, depth):
    K = spectrum(sigma, depth)
    pairs = np.ndindex(K.shape)
    return max(relative_error(K[k, j], sigma[k], sigma[j], depth) for k, j in pairs)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "sigma",
    [
        pytest.param(SIGMA, id="generic"),
        pytest.param([1.0, 1 + 1e-15, 1 - 1e-15, 1 + 1e-8], id="nearly equal"),
        pytest.param([3e-100, 3e-100 * (1 + 1e-15), 0.0, 1.0], id="tiny"),
        pytest.param([3e100, 3e100 * (1 + 1e-15), 0.0, 1.0], id="huge"),
        pytest.param([1e100, 1e50, 1.0, 1e-50, 1e-100], id="200 decades"),
        pytest.param([1.0, 0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 1)], id="switch of log"),
        pytest.param([0.0, 0.0], id="zero"),
        pytest.param([4.0], id="one"),
    ],
)
def test_relative_error_is_below_1e_13(sigma, depth):
    assert largest_error(sigma, depth) < 1e-13


@settings(deadline=None, max_examples=50, derandomize=True)
@given(a=magnitude, gap=small, depth=st.sampled_from(DEPTHS))
def test_relative_error_near_coincidence(a, gap, depth):
    assert largest_error([a, a * (1 - gap)], depth) < 1e-13


@settings(deadline=None, max_examples=50, derandomize=True)
@given(a=magnitude, ratio=ratio, depth=st.sampled_from(DEPTHS))
def test_relative_error_at_any_ratio(a, ratio, depth):
    """K of the pair alone: at the smaller value's own place K may underflow."""
    b = a * ratio
    assert relative_error(spectrum([a, b], depth)[0, 1], a, b, depth) < 1e-13


@settings(deadline=None, max_examples=50, derandomize=True)
@given(a=magnitude, b=magnitude, depth=st.floats(1, 1e4))
def test_relative_error_at_any_real_depth(a, b, depth):
    assert largest_error([a, b], depth) < 1e-13


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_spectrum_is_that_of_the_operator(depth, rng):
    """For W = M^N positive definite the fractional powers in (4.14) are whole powers of M."""
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    mu = np.array([1.3, 0.9, 0.6])
    M = (frame * mu) @ frame.T
    power = np.linalg.matrix_power
    operator = sum(
        np.kron(power(M, 2 * (depth - k)), power(M, 2 * (k - 1))) for k in range(1, depth + 1)
    )
    np.testing.assert_allclose(
        np.sort(spectrum(mu**depth, depth).ravel()), np.linalg.eigvalsh(operator), rtol=1e-13
    )


@pytest.mark.parametrize("depth", [2, 3, 7.5])
def test_printed_denominator_is_a_misprint(depth):
    """(7.13) as printed has σ² below, so that K would be 1 for any two different values."""
    assert abs(spectrum([1.5, 0.5], depth)[0, 1] - 1) > 0.1


@pytest.mark.parametrize("towards", [0, math.inf])
@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6, 7, 8])
def test_sum_and_quotient_meet(depth, towards):
    """Whole depths up to 8 and the depths beside them are computed by different formulas."""
    beside = math.nextafter(depth, towards)
    np.testing.assert_allclose(spectrum(SIGMA, depth), spectrum(SIGMA, beside), rtol=5e-15)


def test_depth_just_above_one_is_nearly_the_identity():
    """K = 1 at depth 1 exactly; beside it only where a singular value is not zero."""
    sigma = SIGMA[SIGMA > 0]
    np.testing.assert_allclose(spectrum(sigma, math.nextafter(1, 2)), 1, rtol=5e-15)
    np.testing.assert_array_equal(spectrum(SIGMA, 1), np.ones((7, 7)))


def test_infinite_depth_is_the_limit_with_error_one_over_n():
    depths = np.array([1e2, 1e3, 1e4, 1e5])
    limit = spectrum(SIGMA, math.inf)
    errors = [np.abs(spectrum(SIGMA, N) / N - limit).max() for N in depths]
    assert np.polyfit(np.log(depths), np.log(errors), 1)[0] == pytest.approx(-1, abs=0.01)


@pytest.mark.parametrize("depth", DEPTHS)
def test_permuting_sigma_permutes_both_axes(depth, rng):
    order = rng.permutation(SIGMA.size)
    want = spectrum(SIGMA, depth)[np.ix_(order, order)]
    np.testing.assert_array_equal(spectrum(SIGMA[order], depth), want)


@pytest.mark.parametrize("depth", DEPTHS)
def test_symmetric(depth):
    """To rounding: in the sum the two orders are added up from opposite ends."""
    K = spectrum(SIGMA, depth)
    np.testing.assert_allclose(K, K.T, rtol=1e-15)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_stack_equals_a_loop(depth, rng):
    stack = rng.exponential(size=(2, 3, 4))
    stack[1, 2] = 0
    K = spectrum(stack, depth)
    assert K.shape == (2, 3, 4, 4)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(K[index], spectrum(stack[index], depth))


def test_integers_and_lists_are_taken():
    np.testing.assert_array_equal(spectrum([1, 2], 2), [[2, 3], [3, 4]])


def test_argument_is_not_changed():
    before = SIGMA.copy()
    spectrum(SIGMA, 3)
    np.testing.assert_array_equal(SIGMA, before)


@pytest.mark.parametrize(
    ("depth", "error"),
    [
        (0, ValueError),
        (0.5, ValueError),
        (-1, ValueError),
        (-math.inf, ValueError),
        (math.nan, ValueError),
        ("a", TypeError),
        (None, TypeError),
        ([2, 3], TypeError),
    ],
)
def test_bad_depth_is_refused(depth, error):
    with pytest.raises(error, match="depth must be a real number >= 1 or inf"):
        spectrum([1.0, 2.0], depth)


@pytest.mark.parametrize(
    ("sigma", "error", "match"),
    [
        ([1.0, -1e-300], ValueError, "non-negative"),
        ([1.0, math.nan], ValueError, "finite"),
        ([1.0, math.inf], ValueError, "finite"),
        (1.0, ValueError, "shape"),
        ([], ValueError, "shape"),
        ([1j], TypeError, "real"),
        (["one"], TypeError, "real"),
    ],
)
def test_bad_singular_values_are_refused(sigma, error, match):
    with pytest.raises(error, match=match):
        spectrum(sigma, 2)


def exact_second_quotient(values, depth):
    """The second divided difference of t^N (of exp at depth inf), coincidences split by 1e-40."""
    with mpmath.workdps(160):
        a, b, c = (
            mpmath.mpf(float(v)) * (1 + k * mpmath.mpf(10) ** -40) for k, v in enumerate(values)
        )
        if math.isinf(depth):
            x, y, z = (2 * mpmath.log(v) for v in (a, b, c))
            f = mpmath.exp
        else:
            x, y, z = (v ** (2 / mpmath.mpf(depth)) for v in (a, b, c))

            def f(t):
                return t ** mpmath.mpf(depth)

        first = [(f(s) - f(t)) / (s - t) for s, t in ((x, y), (y, z))]
        return float((first[0] - first[1]) / (x - z))


@pytest.mark.parametrize(
    ("depth", "tol"),
    [(2, 1e-15), (3, 4e-15), (8, 4e-15), (1.5, 1e-13)]
    + [(N, 1e-14) for N in (2.5, 9, 40, 1e4, math.inf)],
)
@settings(max_examples=40)
@given(
    size=st.floats(-6, 6),
    gaps=st.tuples(*[st.one_of(small, ratio)] * 2),
    turn=st.permutations(range(3)),
)
def test_second_quotient_has_no_cancellation(depth, tol, size, gaps, turn):
    values = 10.0**size * np.array([1.0, 1 - 0.999 * gaps[0], 1 / (1 + 3 * gaps[1])])[list(turn)]
    got = second_quotient(*values, depth)
    assert abs(got / exact_second_quotient(values, depth) - 1) < tol


@pytest.mark.parametrize("depth", [2, 3, 5, 2.5, 20, math.inf])
def test_second_quotient_at_zero(depth):
    one, zero = np.ones(()), np.zeros(())
    # with a zero: (K(a, b) - K(a, 0)) / b^{2/N}; at depth inf the limit is 0, logarithmically
    a, b = np.array(2.0), np.array(0.7)
    if math.isinf(depth):
        assert second_quotient(a, b, zero, depth) == 0
        return
    exact = (spectrum([2.0, 0.7], depth)[0, 1] - spectrum([2.0, 0.0], depth)[0, 1]) / 0.7 ** (
        2 / depth
    )
    assert abs(second_quotient(a, b, zero, depth) / exact - 1) < 1e-13
    assert abs(second_quotient(one, zero, zero, depth) - 1) < 1e-14  # (1 - 0)/(1 - 0) twice
    assert second_quotient(zero, zero, zero, depth) == (1.0 if depth == 2 else 0.0)
