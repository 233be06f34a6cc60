"""The linear algebra beneath: relative accuracy is the promise, 60-digit arithmetic the judge."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import _linalg

SHAPES = [(5, 5), (7, 3), (3, 7), (4, 1), (1, 4)]
GRADES = [(0, 0), (3, 0), (16, 0), (-16, 0), (0, 16), (0, -16), (8, 8), (8, -8)]
GRADES += [(-8, 8), (-8, -8), (-16, 16)]


def graded(m, n, rows, columns):
    """D_1 C D_2: row and column scales fall (or rise) by so many decades, C is well conditioned."""
    C = np.random.default_rng(10 * m + n).standard_normal((m, n))
    assert np.linalg.cond(C) < 100
    return np.logspace(0, -rows, m)[:, None] * C * np.logspace(0, -columns, n)


def singular_values_60_digits(W):
    with mpmath.workdps(60):
        tall = W if W.shape[0] >= W.shape[1] else W.T
        return list(mpmath.svd_r(mpmath.matrix(tall.tolist()), compute_uv=False))


@pytest.mark.parametrize(("rows", "columns"), GRADES)
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_svd_is_accurate_relative_to_each_singular_value(m, n, rows, columns):
    W = graded(m, n, rows, columns)
    sigma = _linalg.svd(W)[1]
    for got, want in zip(sigma, singular_values_60_digits(W), strict=True):
        assert abs(mpmath.mpf(float(got)) - want) < 1e-12 * want


def test_accuracy_is_more_than_lapack_gives():
    """Plain gesdd fails the test above."""
    W = graded(5, 5, -16, 0)
    smallest = singular_values_60_digits(W)[-1]
    assert abs(np.linalg.svd(W, compute_uv=False)[-1] - smallest) > 1e-6 * smallest


@pytest.mark.parametrize("decades", [0, 16])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_svd_is_a_thin_svd(m, n, decades):
    W = graded(m, n, decades, 0)
    U, sigma, Vt = _linalg.svd(W)
    r = min(m, n)
    assert (U.shape, sigma.shape, Vt.shape) == ((m, r), (r,), (r, n))
    assert (np.diff(sigma) <= 0).all() and (sigma >= 0).all()
    np.testing.assert_allclose(U.T @ U, np.eye(r), rtol=0, atol=1e-14)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(r), rtol=0, atol=1e-14)
    np.testing.assert_allclose((U * sigma) @ Vt, W, rtol=0, atol=1e-14 * sigma[0])


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_svd_neither_overflows_nor_underflows(scale):
    W = graded(4, 4, 8, 0)
    np.testing.assert_allclose(_linalg.svd(scale * W)[1], scale * _linalg.svd(W)[1], rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_svd_of_zero(shape):
    U, sigma, Vt = _linalg.svd(np.zeros(shape))
    assert (sigma == 0).all()
    np.testing.assert_allclose(U.T @ U, np.eye(min(shape)))
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(min(shape)))


def test_svd_finds_the_rank_of_a_graded_matrix_with_a_zero_row():
    W = graded(5, 5, 8, 0)
    W[2] = 0
    sigma = _linalg.svd(W)[1]
    assert sigma[-1] <= 1e-16 * sigma[0] and sigma[-2] > 1e-9 * sigma[0]


def test_svd_of_a_stack_that_is_graded_in_part_equals_a_loop(rng):
    stack = rng.standard_normal((2, 3, 4, 5))
    stack[0, 1] = graded(4, 5, 12, 0)
    stack[1, 2] = 0
    before = stack.copy()
    together = _linalg.svd(stack)
    for index in np.ndindex(2, 3):
        for whole, single in zip(together, _linalg.svd(stack[index]), strict=True):
            np.testing.assert_array_equal(whole[index], single)
    np.testing.assert_array_equal(stack, before)


def test_frobenius_is_the_root_of_the_sum_of_squares(rng):
    stack = rng.standard_normal((2, 3, 4))
    want = [sum(x**2 for row in W.tolist() for x in row) ** 0.5 for W in stack]
    np.testing.assert_allclose(_linalg.frobenius(stack), want, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 0.0])
def test_frobenius_neither_overflows_nor_underflows(scale):
    np.testing.assert_allclose(_linalg.frobenius(np.full((2, 8), scale)), 4 * scale, rtol=1e-14)


def test_product_multiplies_from_the_left(rng):
    A, B, C = rng.standard_normal((2, 3)), rng.standard_normal((4, 2)), rng.standard_normal((5, 4))
    want = np.einsum("ab,bc,cd->ad", C, B, A)
    np.testing.assert_allclose(_linalg.product([A, B, C]), want, rtol=1e-12)
    assert _linalg.product([A]) is A


def test_transpose_swaps_the_last_two_axes(rng):
    stack = rng.standard_normal((2, 3, 4))
    for k in range(2):
        np.testing.assert_array_equal(_linalg.transpose(stack)[k], stack[k].T)


def test_products_of_layers_from_both_ends(rng):
    layers = [rng.standard_normal((2, b, a)) for a, b in ((3, 4), (4, 2), (2, 5))]
    A, B, C = layers
    assert _linalg.layer_widths(layers) == (3, 4, 2, 5)
    for found, wanted in zip(_linalg.prefix_products(layers), (A, B @ A, C @ B @ A), strict=True):
        assert_allclose(found, wanted, rtol=1e-14)
    for found, wanted in zip(_linalg.suffix_products(layers), (C @ B @ A, C @ B, C), strict=True):
        assert_allclose(found, wanted, rtol=1e-13, atol=1e-13)


def test_a_frame_is_completed_and_svd_product_undoes_the_svd(rng):
    W = rng.standard_normal((4, 5, 3))
    U, sigma, Vt = _linalg.svd(W)
    assert_allclose(_linalg.svd_product(U, sigma, Vt), W, atol=1e-14)
    whole = _linalg.completed(U)
    assert_allclose(whole.mT @ whole, np.broadcast_to(np.eye(5), (4, 5, 5)), atol=1e-14)
    assert np.array_equal(whole[..., :3], U)
    middle = _linalg.diagonal_matrix(sigma, 5, 3)
    assert_allclose(whole @ middle @ Vt, W, atol=1e-14)


def test_root_of_a_positive_semidefinite_matrix(rng):
    X = rng.standard_normal((3, 4, 2))
    M = X @ X.mT  # of rank 2
    root = _linalg.psd_root(M, "M", 1e-12)
    assert_allclose(root @ root, M, atol=1e-13)
    assert (np.linalg.eigvalsh(root) > -1e-14).all()
    exact = _linalg.psd_root(M, "M", 1e-12, 1e-14)
    assert np.linalg.matrix_rank(exact, tol=1e-12).tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="M must be positive semidefinite"):
        _linalg.psd_root(M - np.eye(4), "M", 1e-12)
