"""The phases beyond d = 2: the problem in singular values alone against the search."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlngeo as dln


@pytest.fixture(scope="module")
def wide():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import phases_wide

        yield phases_wide
    for name in ("phases_wide", "phases"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("size", "depth", "decay", "count", "rank"),
    [
        (3, 2, 0.05, 8, 3),
        (3, 2, 0.02, 16, 3),
        (3, 3, 0.2, 4, 2),
        (3, 3, 0.4, 0, 2),
        (4, 3, 0.4, 8, 3),
    ],
)
def test_minimisers(wide, size, depth, decay, count, rank):
    cell = {"beta": 5.0, "weight_decay": decay}
    energy = wide.diagonal(size)
    runs = SimpleNamespace(energy=energy, depth=float(depth), cell=cell, W=np.ones((1, size, size)))
    row = dict(zip(wide.COLUMNS, wide.found_minimisers(runs)[0], strict=True))
    assert (row["count"], row["rank"]) == (count, rank)
    assert row["miss"] < 1e-8
    sigma = np.array([row[f"σ_{k}"] for k in range(1, size + 1)])
    assert row["dimension"] == row["least dimension"] == wide.dimension(sigma)


@pytest.mark.parametrize(
    ("sigma", "dimension"),
    [
        ([2.0, 2.0, 2.0], 0),
        ([0.5, 0.5, 0.5], 0),
        ([8.0, 8.0, 0.0], 2),
        ([1.4, 1.4, 0.0], 0),
        ([1.6, 0.7, 0.0], 1),
        ([3.0, 2.0, 0.0], 3),
        ([2.9, 0.0, 0.0], 0),
        ([5.0, 5.0, 5.0, 0.0], 5),
        ([2.0, 2.0, 2.0, 2.0], 2),
        ([2.0, 0.5, 0.5, 0.0], 2),
    ],
)
def test_dimension_by_the_rank_of_conditions(wide, sigma, dimension):
    """Skew generators on both sides of one such W, and the diagonals that they make."""
    sigma, rng = np.array(sigma), np.random.default_rng(0)
    d = len(sigma)
    assert wide.dimension(sigma) == dimension
    full = sigma.sum() > d
    U, V = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    W = U * sigma @ (V if full else U).T
    moves = []
    for k in range(d):
        for j in range(k):
            A = np.zeros((d, d))
            A[k, j], A[j, k] = 1, -1
            moves += [A @ W, W @ A] if full else [A @ W - W @ A]
    moves = np.array(moves)
    orbit = np.linalg.matrix_rank(moves.reshape(len(moves), -1), tol=1e-9)
    diagonals = moves[:, np.arange(d), np.arange(d)]
    assert max(0, orbit - np.linalg.matrix_rank(diagonals, tol=1e-9)) == dimension


def test_the_bound_is_that_of_the_entropy(wide):
    """Against the library's F at a positive matrix with equal diagonal entries."""
    beta, decay, depth = 3.0, 0.3, 4
    values = []
    for first, others in ((1.3, 0.3), (0.6, 0.5), (0.2, 0.9)):
        W = others * np.eye(3) + (first - others) / 3 * np.ones((3, 3))
        exact = dln.entropy.free_energy(wide.diagonal(3), W, depth, beta, decay)
        lam = np.array([first, others, others]) ** (1 / depth)
        values.append(wide.bound(lam, depth, beta, decay)[0] / beta - exact)
    assert_allclose(values, values[0], rtol=1e-10)


def test_the_gradient_of_the_bound(wide):
    lam = np.array([1.1, 0.7, 0.4, 0.2])
    slope = wide.bound(lam, 3, 2.0, 0.4)[1]
    for k in range(4):
        step = 1e-6 * np.eye(4)[k]
        rise = wide.bound(lam + step, 3, 2.0, 0.4)[0] - wide.bound(lam - step, 3, 2.0, 0.4)[0]
        assert_allclose(rise / 2e-6, slope[k], rtol=1e-7)


def test_two_by_two_is_the_closed_form(wide):
    import phases

    for decay in (0.02, 0.3, 0.9):
        m = phases.half_norm(3, 5.0, decay)
        assert_allclose(wide.reduced(2, 3, 5.0, decay), [2 * m, 0], atol=1e-9)
    assert all(wide.full_rank(2, N) == (N < 2) for N in (1.5, 1.99, 2.01, 3))
    assert_allclose(wide.threshold(2, 3), phases.threshold(3), rtol=1e-15)


def test_equal_singular_values_break_where_the_formula_says(wide):
    """The bound's second difference along (1, -1) of (s, s, 0) changes its sign there."""
    beta, gamma = wide.breaking(3, 3, 1.1)

    def bend(decay):
        values = [wide.bound(np.array([1.1 + h, 1.1 - h, 0]) ** (1 / 3), 3, beta, decay)[0]
                  for h in (0.01, 0.0)]  # fmt: skip
        return values[0] - values[1]

    assert bend(0.99 * gamma) > 0 > bend(1.01 * gamma)
    assert abs(bend(gamma)) < 0.01 * abs(bend(1.01 * gamma))
    before, after = (wide.reduced(3, 3, beta, share * gamma) for share in (0.99, 1.01))
    assert math.isclose(before[0], before[1], rel_tol=1e-6) and after[0] > 1.05 * after[1]


def test_three_by_three_at_depth_three(wide):
    """S in elementary symmetric functions, and largest at (½, ½, 0)."""
    x = np.random.default_rng(0).dirichlet([0.7, 0.7, 0.7], 2000)
    q = x[:, 0] * x[:, 1] + x[:, 0] * x[:, 2] + x[:, 1] * x[:, 2]
    values = np.array([-2 * wide.bound(np.sqrt(one), 3, 1e-300, 1e-300)[0] for one in x])
    assert_allclose(np.exp(values), q**2 - q**3 - x.prod(axis=1), rtol=1e-12, atol=1e-18)
    assert np.exp(values).max() <= 3 / 64
