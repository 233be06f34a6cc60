"""The kernels by themselves: the SVD on lanes, pairs of singular values, NumPy's normal numbers."""

import math

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dlngeo._random import Streams

pytest.importorskip("numba")

from dlngeo._compiled import jacobi, kernels, lanes, normals, pairs, scalars
from dlngeo._compiled.lanes import workspace
from dlngeo.spectral import two_by_two

EPS = 2.0**-52


def on_lanes(A):
    """A stack of eight matrices as rows of eight numbers."""
    rows = workspace(A[0].size)
    rows[...] = A.reshape(8, -1).T
    return rows


def decomposed(Y, V=None):
    """U, λ and V of eight matrices, each (8, ...), columns as they come."""
    d = Y.shape[-1]
    U, lam = workspace(d * d), workspace(d)
    V = on_lanes(np.broadcast_to(np.eye(d), Y.shape) if V is None else V.mT)
    assert jacobi.svd(on_lanes(Y), U, lam, V, d) == 0
    U, V = (np.moveaxis(part.reshape(d, d, 8), 2, 0).mT for part in (U, V))
    return U, lam.T.copy(), V


def sorted_down(lam):
    return -np.sort(-lam, axis=1)


def assert_is_svd(Y, U, lam, V, tol=4.0):
    d = Y.shape[-1]
    size = np.abs(Y).max(axis=(1, 2), keepdims=True)
    assert (np.abs((U * lam[:, None]) @ V.mT - Y) <= tol * d * EPS * size).all()
    for Q in (U, V):
        assert_allclose(Q.mT @ Q, np.broadcast_to(np.eye(d), Q.shape), atol=tol * d * EPS)


@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e150, 1e-300])
@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 13])
def test_a_cold_start_is_numpys_decomposition(d, scale, rng):
    Y = scale * rng.standard_normal((8, d, d))
    U, lam, V = decomposed(Y)
    assert_is_svd(Y, U, lam, V)
    sigma = np.linalg.svd(Y, compute_uv=False)
    assert_allclose(sorted_down(lam), sigma, atol=4 * d * EPS * sigma.max())


@pytest.mark.parametrize("d", [3, 10, 20])
def test_a_thousand_warm_starts_add_up_to_nothing(d, rng):
    Y, V = rng.standard_normal((8, d, d)), None
    for _ in range(1000 // d):
        Y = Y + 0.02 * rng.standard_normal((8, d, d))
        U, lam, V = decomposed(Y, V)
    assert_is_svd(Y, U, lam, V, tol=20.0)


def test_degenerate_and_singular_matrices(rng):
    d = 4
    Q = np.linalg.qr(rng.standard_normal((8, d, d)))[0]
    values = [
        [1, 1, 1, 1], [1, 1, 1, 1 - 1e-15], [2, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0],
        [1, 1e-8, 1e-8, 1e-16], [3, 3, 1e-200, 1e-200], [5, 4, 3, 2],
    ]  # fmt: skip
    Y = Q * np.array(values, dtype=float)[:, None] @ np.roll(Q, 1, axis=0).mT
    U, lam, V = decomposed(Y)
    assert_allclose((U * lam[:, None]) @ V.mT, Y, atol=40 * EPS)
    assert_allclose(sorted_down(lam), sorted_down(np.array(values, float)), atol=40 * EPS)
    assert_allclose(V.mT @ V, np.broadcast_to(np.eye(d), V.shape), atol=20 * EPS)


def test_graded_columns_keep_their_small_singular_values(rng):
    """C D with D from 1 to 1e-60: each σ to its own rounding, against 200 digits."""
    d = 4
    Y = rng.standard_normal((8, d, d)) * 10.0 ** -np.array([0, 20, 40, 60])
    lam = sorted_down(decomposed(Y)[1])
    for matrix, found in zip(Y, lam, strict=True):
        with mpmath.workdps(200):
            exact = sorted(mpmath.svd_r(mpmath.matrix(matrix.tolist()), compute_uv=False))[::-1]
        assert_allclose(found, [float(x) for x in exact], rtol=1e-14)


def test_two_by_two_is_the_stacks_closed_form(rng):
    Y = rng.standard_normal((8, 2, 2))
    Y[:7] = [
        np.zeros((2, 2)), np.eye(2), [[1, 1e-200], [0, 1e-250]], np.ones((2, 2)),
        [[1, 1], [1, 1 + 1e-15]], [[0, 1], [1, 0]], [[1e-170, 0], [0, 1e170]],
    ]  # fmt: skip
    U, lam, V = decomposed(Y)
    for found, known in zip((U, lam, V.mT), two_by_two.svd(Y), strict=True):
        assert_allclose(found, known, rtol=4 * EPS, atol=4 * EPS)
    assert_allclose(lam[:, 1], two_by_two.svd(Y)[1][:, 1], rtol=4 * EPS)


@pytest.mark.parametrize("d", [2, 5, 6])
def test_a_lane_depends_on_no_neighbour(d, rng):
    Y = rng.standard_normal((8, d, d))
    alone = [decomposed(np.repeat(Y[k : k + 1], 8, axis=0)) for k in range(8)]
    company = Y.copy()
    company[3], company[5] = np.nan, np.inf
    for together in (decomposed(Y), decomposed(company)):
        for k in {0, 1, 2, 4, 6, 7}:
            for part, own in zip(together, alone[k], strict=True):
                assert_array_equal(part[k], own[0])
                assert_array_equal(part[k], own[k])


def test_what_is_not_finite_has_no_finite_values(rng):
    Y = rng.standard_normal((8, 3, 3))
    Y[2, 0, 1] = np.nan
    lam = decomposed(Y)[1]
    assert not np.isfinite(lam[2]).all() and np.isfinite(np.delete(lam, 2, axis=0)).all()


def test_normal_numbers_are_numpys_to_the_last_bit():
    """2.4 million numbers, 600 of them from the tail, from wherever a stream is."""
    known, paths = Streams(7, range(3, 15)), range(3, 15)
    places = Streams(7, paths).places()
    for steps, size in ((1, 3), (50_000, 4)):
        found = np.empty((12, steps, size))
        normals.fill(places, found)
        assert_array_equal(found, np.moveaxis(known.normals(steps, size), 0, 1))
        assert_array_equal(places, known.places())
    assert (np.abs(found) > 3.6541528853610088).sum() > 500


def test_cube_roots_against_many_digits(rng):
    special = [0.0, 5e-324, 1e-300, 1e-290, 1.0, 8.0, 1e300, 1.7e308]
    x = np.concatenate([special, 10.0 ** rng.uniform(-300, 300, 1992)]).reshape(-1, 8)
    found = np.empty_like(x)
    _cube_roots(x, found)
    with mpmath.workdps(30):
        exact = [float(mpmath.cbrt(mpmath.mpf(number))) for number in x.ravel()]
    assert_allclose(found.ravel(), exact, rtol=2 * EPS)
    beyond = np.array([[np.inf, np.nan, 1.0, 27.0, 0.0, 64.0, 1e9, 1e-9]])
    _cube_roots(beyond, beyond)
    assert_allclose(beyond[0], [np.inf, np.nan, 1, 3, 0, 4, 1e3, 1e-3], rtol=2 * EPS)


@kernels.part
def _cube_roots(x, found):
    for k in range(len(x)):
        lanes.put(found, k, pairs.cube_root(lanes.at(x, k)))


@pytest.mark.parametrize("depth", [1.5, 2.5, 40.5, math.inf])
def test_pulls_and_quotients_against_many_digits(depth):
    for x in (1e-9, 1e-3, 0.2, 0.7, 3.0, 40.0):
        with mpmath.workdps(60):
            t, N = mpmath.mpf(x), mpmath.mpf(1e40 if math.isinf(depth) else depth)
            power = mpmath.exp(-2 * t)
            K = (1 - power) / (2 * t if math.isinf(depth) else 1 - mpmath.exp(-2 * t / N))

            def langevin(y):
                return mpmath.coth(y) - 1 / y

            pulls = [(N - 1 - N * langevin(s) + langevin(s / N)) / 2 for s in (t, -t)]
            pulls = [float(p / N if math.isinf(depth) else p) for p in pulls]
        assert_allclose(scalars.quotient(1.0, x, depth), float(K), rtol=1e-13)
        found = [scalars.pull(s, depth) for s in (x, -x)]
        assert_allclose(found, pulls, rtol=1e-12, atol=1e-15 * min(depth, 2))
