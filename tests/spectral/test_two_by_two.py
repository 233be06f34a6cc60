"""The closed form of the 2 × 2 singular value decomposition against many digits and LAPACK."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from dlngeo.spectral import two_by_two

EPS = np.finfo(float).eps
signed = st.builds(
    lambda mantissa, exponent: mantissa * 10.0**exponent,
    st.floats(-10, 10).filter(lambda x: x == 0 or abs(x) > 1e-3),
    st.integers(-120, 120),
)
SPECIAL = [
    np.zeros((2, 2)),
    np.eye(2),
    -np.eye(2),
    *(x * np.eye(2) for x in (7.5e-100, 1.9)),  # x · x / x may round to more
    np.diag([1.0, -1.0]),
    np.array([[0.0, -1.0], [1.0, 0.0]]),
    np.array([[0.0, 1.0], [1.0, 0.0]]),
    np.ones((2, 2)),
    np.array([[0.0, 0.0], [3.0, 0.0]]),
    np.array([[1.0, 1.0], [1.0, 1 + 2 * EPS]]),
    np.array([[3e300, 1e300], [1e300, -2e300]]),
    np.array([[3e-300, 1e-300], [1e-300, -2e-300]]),
    np.full((2, 2), 5e-324),
    np.array([[1.0, 1e-200], [-1e-200, 1.0]]),
]


def exact_values(W):
    with mpmath.workdps(900):
        a, b, c, d = (mpmath.mpf(float(x)) for x in W.ravel())
        z = mpmath.sqrt((a + d) ** 2 + (c - b) ** 2) / 2
        w = mpmath.sqrt((a - d) ** 2 + (c + b) ** 2) / 2
        return z + w, abs(z - w)


def check(W):
    U, sigma, Vt = two_by_two.svd(W)
    assert U.shape == Vt.shape == (2, 2)
    largest = np.abs(W).max()
    for Q in (U, Vt):
        assert_allclose(Q @ Q.T, np.eye(2), rtol=0, atol=4 * EPS)
    unit = largest if largest > 0 else 1.0
    rebuilt = (U * (sigma / unit)) @ Vt
    assert_allclose(rebuilt, W / unit, rtol=0, atol=8 * EPS)
    assert sigma[0] >= sigma[1] >= 0
    for value, exact in zip(sigma, exact_values(W), strict=True):
        # below 1e-290 of the larger, or in the subnormals, there are fewer digits
        assert abs(value - exact) <= 8 * EPS * exact + 1e-290 * largest + 1e-322


@given(st.tuples(signed, signed, signed, signed))
def test_graded_matrices(entries):
    check(np.array(entries).reshape(2, 2))


@given(st.integers(0, 1000), st.integers(-14, 0), st.booleans())
def test_values_that_meet(seed, exponent, flip):
    # a rotation and a little more: the frames of the difference alone tell where the axes are
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 7)
    Q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    check(np.diag([1.0, -1.0 if flip else 1.0]) @ Q + 10.0**exponent * rng.standard_normal((2, 2)))


@pytest.mark.parametrize("W", SPECIAL, ids=range(len(SPECIAL)))
def test_special_matrices(W):
    check(W)


def test_a_stack_against_lapack_and_each_matrix_by_itself():
    W = (
        np.random.default_rng(0).standard_normal((3, 17, 2, 2))
        * 10.0 ** np.arange(-8, 9)[:, None, None]
    )
    W[1, 4], W[2, 5] = 0.0, 1e-250
    whole = two_by_two.svd(W)
    known = np.linalg.svd(W, compute_uv=False)
    # LAPACK knows a singular value to a few roundings of the largest one, and no better
    assert (np.abs(whole[1] - known) <= 8 * EPS * known[..., :1]).all()
    for n in range(1, 18):
        for part, all_of_it in zip(two_by_two.svd(W[0, :n]), whole, strict=True):
            assert np.array_equal(part, all_of_it[0, :n])
    for part, all_of_it in zip(two_by_two.svd(W[1, 4]), whole, strict=True):
        assert np.array_equal(part, all_of_it[1, 4])


def test_equal_singular_values_do_not_rise():
    """By way of the determinant the second of 7.5e-100 (1, 1) came out one rounding above."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    for exponent in range(-250, 251, 2):
        for digits in (1.0, 3.3, 7.5):
            check(digits * 10.0**exponent * np.eye(2))
            check(digits * 10.0**exponent * turn)
