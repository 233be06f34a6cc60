"""The phases of the free energy: minimisers, thresholds and jumps against formulas, at d = 2."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import dlngeo as dln


@pytest.fixture(scope="module")
def phases():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import phases

        yield phases
    sys.modules.pop("phases", None)


ENERGY = dln.energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
BETA = 10.0


@pytest.mark.parametrize(
    ("depth", "share", "count", "rank", "dimension"),
    [
        (1.5, 0.6, 2, 2, 0),
        (1.5, 1.5, 1, 2, 0),
        (2, 0.6, 0, 2.5, 1),
        (2, 1.5, 0, 2.5, 1),
        (3, 0.6, 4, 1, 0),
        (3, 1.5, 2, 1, 0),
        (10, 0.9, 4, 1, 0),
    ],
)
def test_minimisers(phases, depth, share, count, rank, dimension):
    cell = {"beta": BETA, "weight_decay": share * phases.threshold(depth) / BETA}
    runs = SimpleNamespace(energy=ENERGY, depth=float(depth), cell=cell, W=np.ones((1, 2, 2)))
    row = dict(zip(phases.COLUMNS, phases.found_minimisers(runs)[0], strict=True))
    assert (row["count"], row["rank"], row["dimension"]) == (count, rank, dimension)
    assert row["miss"] < 1e-9


@pytest.mark.parametrize("depth", [2.0, 3.0])
def test_the_threshold(phases, depth):
    assert_allclose(phases.measured_threshold(depth, BETA), phases.threshold(depth), rtol=1e-6)


def test_the_jump_is_found_where_it_should_be(phases):
    beta = 4 * phases.end_point(3)[0]
    formula = phases.jump(3, beta)
    small, _, large = phases.wells(3, beta, formula)
    for share, m in ((0.999, large), (1.001, small)):
        found = dln.entropy.minimise_free_energy(ENERGY, 3, beta, share * formula, starts=8)
        assert len(found.points) == 2
        assert_allclose(abs(found.points[0]), m, rtol=0.02)


@pytest.mark.parametrize("depth", [2.5, 3.0, 6.0])
def test_the_end_of_the_line_of_jumps(phases, depth):
    """Three derivatives of F in m vanish there; colder there are two wells, warmer there is one."""
    beta, gamma, m = phases.end_point(depth)
    h = 0.02 * m
    values = phases.height(m + h * np.arange(-4, 5), depth, beta, gamma)
    stencils = np.array(
        [
            [1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280],
            [-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560],
            [-7 / 240, 3 / 10, -169 / 120, 61 / 30, 0, -61 / 30, 169 / 120, -3 / 10, 7 / 240],
        ]
    )
    assert_allclose(stencils @ values / h ** np.arange(1, 4) * m ** np.arange(1, 4), 0, atol=1e-6)
    assert len(phases.wells(depth, 1.5 * beta, phases.jump(depth, 1.5 * beta))) == 3
    assert len(phases.wells(depth, 0.9 * beta, gamma)) == 1


def test_the_limit_of_cold(phases):
    gamma, m = phases.coldest_jump(3)
    assert_allclose((gamma, m), (0.5, 0.5), rtol=1e-15)
    assert_allclose(phases.jump(3, 1e7), gamma, rtol=1e-5)
    limit, rate = phases.cold(3, 0.3)
    for beta in (1e4, 1e6):
        assert_allclose(phases.half_norm(3, beta, 0.3) - limit, rate / beta, rtol=10 / beta**0.5)
    assert_allclose(phases.half_norm(2, 50.0, 0.7), (0.3 + np.sqrt(0.09 + 1 / 50)) / 2, rtol=1e-13)


@pytest.mark.parametrize("depth", [1.3, 2.0, 3.0, 7.5])
@pytest.mark.parametrize("share", [0.5, 1.3, 8.0])
def test_nothing_lies_below_the_formula(phases, depth, share):
    """Random searches in the entries of W, by F as it is written."""
    gamma, rng = share * phases.threshold(depth) / BETA, np.random.default_rng(0)

    def value(w):
        sigma = np.linalg.svd(w.reshape(2, 2), compute_uv=False)
        sigma = sigma * [1 + 1e-9, 1]  # never equal
        ratio = (sigma[0] ** 2 - sigma[1] ** 2) / np.subtract(*sigma ** (2 / depth))
        energy = 0.5 * ((w[0] - 1) ** 2 + (w[3] - 1) ** 2)
        return (
            energy - 0.5 * np.log(ratio) / BETA + gamma * depth / 2 * np.sum(sigma ** (2 / depth))
        )

    best = value(phases.minimisers(depth, BETA, gamma)[0].ravel())
    for _ in range(4):
        end = minimize(value, 2 * rng.standard_normal(4), method="Nelder-Mead")
        assert end.fun > best - 1e-7


def test_the_curve_at_depth_two(phases):
    """All of it is as low as its corners, and nothing beside it."""
    gamma = 0.15 / BETA
    m = phases.half_norm(2, BETA, gamma)
    root = np.sqrt(m * m - 1)
    level = dln.entropy.free_energy(ENERGY, [[1, m + root], [m - root, 1]], 2, BETA, gamma)
    sides = [(0.3, 0.3 - 2 * root), (0.3, 0.3 + 2 * root), (2 * m - 0.9, 0.9), (-2 * m + 1, -1)]
    for r, s in sides:
        W = np.array([[1, r], [s, 1]])
        assert phases.distance(W, 2, BETA, gamma) < 1e-12
        assert_allclose(dln.entropy.free_energy(ENERGY, W, 2, BETA, gamma), level, rtol=1e-12)
    assert np.sign(1 - sides[0][0] * sides[0][1]) == 1
    assert np.sign(1 - sides[2][0] * sides[2][1]) == -1
