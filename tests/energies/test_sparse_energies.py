"""Energies of single entries against the dense completion and explicit sums."""

import math

import mpmath
import numpy as np
import pytest

from dlngeo import energies, flows
from dlngeo.energies import SparseCompletion, SparseHuber, SparseLogistic

RNG = np.random.default_rng(3)
SHAPE = (4, 5)
MASK = RNG.random(SHAPE) < 0.5
ROWS, COLS = np.nonzero(MASK)
SHUFFLED = RNG.permutation(ROWS.size)
VALUES = RNG.standard_normal(ROWS.size)
SIGNS = np.sign(VALUES)


def made(cls, values, **more):
    """With its entries in no order."""
    return cls(ROWS[SHUFFLED], COLS[SHUFFLED], values[SHUFFLED], SHAPE, **more)


SPARSE = made(SparseCompletion, VALUES)
HUBER = made(SparseHuber, VALUES, threshold=0.7)
LOGISTIC = made(SparseLogistic, SIGNS)
DENSE = energies.MatrixCompletion.from_triplets(ROWS, COLS, VALUES, SHAPE)


def test_it_is_the_dense_completion():
    W, Z = np.random.default_rng(0).standard_normal((2, 3, *SHAPE))
    np.testing.assert_allclose(SPARSE.value(W), DENSE.value(W), rtol=1e-14)
    np.testing.assert_array_equal(SPARSE.gradient(W), DENSE.gradient(W))
    np.testing.assert_array_equal(SPARSE.hessian(W, Z), DENSE.hessian(W, Z))
    np.testing.assert_array_equal(SPARSE.hessian(W[0], Z), DENSE.hessian(W[0], Z))
    np.testing.assert_array_equal(SPARSE.null_space().entries, ~MASK)
    np.testing.assert_array_equal(SPARSE.fits().project(W[0]), DENSE.fits().project(W[0]))


def huber(x, a):
    size = abs(x - a)
    return size**2 / 2 if size <= 0.7 else 0.7 * (size - 0.35)


def logistic(x, a):
    return float(mpmath.log1p(mpmath.exp(-a * x)))


@pytest.mark.parametrize("scale", [0.1, 1.0, 50.0])
@pytest.mark.parametrize(
    ("energy", "one", "values"),
    [(HUBER, huber, VALUES), (LOGISTIC, logistic, SIGNS)],
    ids=["Huber", "logistic"],
)
def test_values_are_sums_over_entries(energy, one, values, scale):
    W = scale * np.random.default_rng(1).standard_normal(SHAPE)
    wanted = math.fsum(map(one, W[ROWS, COLS].tolist(), values.tolist()))
    np.testing.assert_allclose(energy.value(W), wanted, rtol=1e-13)


@pytest.mark.parametrize("energy", [SPARSE, HUBER, LOGISTIC], ids=repr)
def test_check_passes(energy):
    W = np.random.default_rng(2).standard_normal((2, *SHAPE))
    tol = 0.2 if energy is HUBER else 1e-5  # Huber's slope has kinks
    energies.check(energy, W, tol=tol)
    assert energy.gradient(W).shape == W.shape


def test_check_examines_the_entries():
    wrong = made(SparseCompletion, VALUES)
    wrong.entries = made(SparseCompletion, 2 * VALUES).entries
    with pytest.raises(ValueError, match=r"energy.entries\(\) must give"):
        energies.check(wrong, np.ones(SHAPE))


def test_entries_are_by_rows():
    entries = SPARSE.entries()
    np.testing.assert_array_equal(entries.starts, [0, *np.cumsum(MASK.sum(axis=1))])
    np.testing.assert_array_equal(entries.columns, COLS)
    np.testing.assert_array_equal(entries.target, VALUES)
    assert HUBER.entries().target is None
    assert repr(entries) == f"Entries({ROWS.size} in 4 rows)"


def test_it_serves_where_the_dense_one_does():
    start = 0.1 * np.random.default_rng(4).standard_normal(SHAPE)
    a, b = (flows.gradient_flow(e, start, (0, 5), depth=3) for e in (SPARSE, DENSE))
    np.testing.assert_allclose(a.W[-1], b.W[-1], rtol=1e-9, atol=1e-12)


def test_a_large_one_takes_no_table():
    size = 10**6
    energy = SparseCompletion([0, size - 1], [size - 1, 0], [1.0, 2.0], (size, size))
    assert repr(energy) == "SparseCompletion(1000000 x 1000000, 2 observed)"
    assert energy.entries().starts[-1] == 2


@pytest.mark.parametrize(
    ("rows", "cols", "values", "words"),
    [
        ([0, 0], [1, 1], [1.0, 2.0], "each entry once"),
        ([0, 4], [1, 1], [1.0, 2.0], r"rows must lie in 0\.\.3; it runs from 0 to 4"),
        ([0, 1], [1, -1], [1.0, 2.0], r"cols must lie in 0\.\.4"),
        ([0], [1, 1], [1.0, 2.0], "rows and values must be vectors of one length"),
        ([], [], [], "values must be a vector"),
    ],
)
def test_refusals(rows, cols, values, words):
    with pytest.raises(ValueError, match=words):
        SparseCompletion(rows, cols, values, SHAPE)


def test_labels_are_signs():
    with pytest.raises(ValueError, match="labels 1 and -1 alone; they have 3"):
        SparseLogistic([0], [0], [3], (1, 1))
