"""The phases of the free energy of problem 14.1: minimisers and threshold against the formulas."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlngeo as dln


@pytest.fixture(scope="module")
def phases():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import phases

        yield phases
    sys.modules.pop("phases", None)


ENERGY = dln.energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))


@pytest.mark.parametrize(("share", "count"), [(0.6, 4), (1.5, 2)])
def test_minimisers(phases, share, count):
    cell = {"beta": 10.0, "weight_decay": share * phases.threshold(3) / 10}
    runs = SimpleNamespace(energy=ENERGY, depth=3.0, cell=cell, W=np.ones((1, 2, 2)))
    row = phases.minimisers(runs)[0]
    assert (row[0], row[1]) == (count, 1)
    assert row[4] < 1e-6


def test_the_threshold(phases):
    assert_allclose(phases.measured_threshold(ENERGY, 3.0, 10.0), phases.threshold(3), rtol=1e-5)


@pytest.mark.parametrize("depth", [3.0, 4.0, 10.0])
@pytest.mark.parametrize("share", [0.5, 0.99, 1.01, 3.0])
def test_the_formula_is_stationary_on_rank_one(phases, depth, share):
    """F along [[p, q], [r, qr/p]]: no change of first order in any of p, q, r."""
    beta, decay = 2.0, share * phases.threshold(depth) / 2.0

    def value(x):
        W = np.array([[x[0], x[1]], [x[2], x[1] * x[2] / x[0]]])
        size = np.linalg.norm(W)
        entropy = (1 - 1 / depth) * np.log(size)
        return ENERGY.value(W) - entropy / beta + decay * depth / 2 * size ** (2 / depth)

    W = phases.minimiser(depth, beta, decay)
    x = np.array([W[0, 0], W[0, 1], W[1, 0]])
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-5 * x[k]
        assert abs(value(x + step) - value(x - step)) / 2e-5 < 1e-8
