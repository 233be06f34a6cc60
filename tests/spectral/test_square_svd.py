"""Tables in singular frames with the paths last, against the matrices they stand for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo.spectral.square_svd import PairTable, SquareSVD, pairs, row_sums, size

EPS = np.finfo(float).eps


def as_matrices(table):
    return np.moveaxis(table, (0, 1), (-2, -1))


@pytest.mark.parametrize("stack", [(), (5,), (2, 3)])
@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_inside_outside_and_diagonal(d, stack, rng):
    Y, B = rng.standard_normal((2, *stack, d, d))
    frames = SquareSVD.of(Y)
    U, lam, V = frames.U, frames.lam, frames.Vt.mT
    assert (np.diff(lam, axis=-1) <= 0).all()
    assert_allclose((U * lam[..., None, :]) @ V.mT, Y, atol=1e-14)
    assert_allclose(as_matrices(frames.inside(B)), U.mT @ B @ V, atol=1e-14)
    assert_allclose(frames.outside(frames.inside(B)), B, atol=1e-13)
    assert_allclose(frames.diagonal(frames.values()), Y, atol=1e-14)
    assert frames.outside(frames.inside(B)).flags.c_contiguous


@pytest.mark.parametrize("d", [2, 5])
def test_graded_frames_know_small_values(d):
    scale = 10.0 ** -np.arange(0, 4 * d, 4)
    Y = scale[:, None] * (np.eye(d) + 0.1 * np.random.default_rng(0).standard_normal((1, d, d)))
    product = np.prod(SquareSVD.of(Y, graded=True).lam)
    _, logarithm = np.linalg.slogdet(Y[0] / scale[:, None])
    assert_allclose(product, np.exp(logarithm) * scale.prod(), rtol=1e-13)


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_parts_and_row_sums(d, rng):
    table = rng.standard_normal((d, d, 4))
    parts = PairTable.of(table)
    k, l = pairs(d)  # noqa: E741
    assert all(parts.upper[i, 2] == table[k[i], l[i], 2] for i in range(len(k)))
    assert all(parts.lower[i, 2] == table[l[i], k[i], 2] for i in range(len(k)))
    assert np.array_equal(parts.table(), table)
    beside = [[sum(table[k, j, p] for j in range(d) if j != k) for p in range(4)] for k in range(d)]
    assert_allclose(row_sums(parts.upper, parts.lower), beside, atol=4 * d * EPS)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 9, 20])
def test_same_bits_in_any_company(d, rng):
    Y, B = rng.standard_normal((2, 17, d, d))
    upper, lower = rng.standard_normal((2, d * (d - 1) // 2, 17))
    frames = SquareSVD.of(Y)
    inside = frames.inside(B)
    out, norms, sums = frames.outside(inside), size(B), row_sums(upper, lower)
    for n in range(1, 18):
        few = SquareSVD.of(Y[:n])
        for one, other in zip(few, frames, strict=True):
            assert np.array_equal(one, other[:n])
        table = few.inside(B[:n])
        assert np.array_equal(table, inside[..., :n])
        assert np.array_equal(few.outside(table), out[:n])
        assert np.array_equal(size(B[:n]), norms[:n])
        assert np.array_equal(row_sums(upper[:, :n], lower[:, :n]), sums[:, :n])
