"""Descent on the closure: derivatives in the root and on the strata, against differences."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy
from dlngeo.entropy._descent import FreeEnergy

BETA = 2.0


def problem(rng, d, depth, gamma=0.4):
    energy = energies.Quadratic(rng.standard_normal((d, d)))
    return FreeEnergy(energy, d, depth, BETA, 0.0 if math.isinf(depth) else gamma)


@pytest.mark.parametrize("depth", [1.5, 2, 3, 4, 7.5, math.inf])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_gradient_in_the_root(rng, d, depth):
    F, h = problem(rng, d, depth), 1e-4
    y = (np.eye(d) + 0.2 * rng.standard_normal((d, d))).ravel()
    exact = [
        (-v[3] + 8 * v[2] - 8 * v[1] + v[0]) / (12 * h)
        for v in ([F.in_root(y + s * h * e)[0] for s in (-2, -1, 1, 2)] for e in np.eye(d * d))
    ]
    value, slope = F.in_root(y)
    assert_allclose(slope, exact, atol=1e-9 * (1 + np.abs(exact).max()))
    W = F.matrix(y.reshape(d, d))
    assert_allclose(value, entropy.free_energy(F.energy, W, depth, BETA, F.gamma), rtol=1e-13)


@pytest.mark.parametrize("depth", [2, 3, 10])
def test_value_is_continuous_onto_the_boundary(rng, depth):
    F = problem(rng, 3, depth)
    near = F.value(np.diag([2.0, 1.0, 1e-200]), 3)
    assert_allclose(F.value(np.diag([2.0, 1.0, 1e-200]), 2), near, rtol=1e-13)
    assert F.value(np.diag([2.0, 0.0, 0.0]), 1) == math.inf


@pytest.mark.parametrize("depth", [1.5, 2, 3, 8])
@pytest.mark.parametrize(("d", "rank"), [(1, 1), (2, 2), (2, 1), (3, 2), (4, 3)])
def test_derivatives_on_the_stratum(rng, d, rank, depth):
    # the nearest matrix of rank r is a retraction of second order: differences along it
    F, h = problem(rng, d, depth), 1e-3
    W = rng.standard_normal((d, d)) + 2 * np.eye(d)
    here = F.at(W, rank)
    inside = np.ones((d, d), dtype=bool)
    inside[rank:, rank:] = False
    for _ in range(4):
        C = np.where(inside, rng.standard_normal((d, d)), 0.0)
        Z = here.U @ C @ here.Vt
        v = [F.value(here.W + s * h * Z, rank) for s in (-2, -1, 0, 1, 2)]
        first = (v[0] - 8 * v[1] + 8 * v[3] - v[4]) / (12 * h)
        second = (-v[0] + 16 * v[1] - 30 * v[2] + 16 * v[3] - v[4]) / (12 * h**2)
        c = C[inside]
        assert_allclose(here.slope @ c, first, atol=1e-8 * (1 + abs(first)))
        assert_allclose(c @ here.hessian @ c, second, rtol=1e-6, atol=1e-7)


def test_a_matrix_below_the_rank_is_refused(rng):
    with pytest.raises(np.linalg.LinAlgError, match="rank"):
        problem(rng, 2, 3).at(np.diag([1.0, 0.0]), 2)


def test_newton_converges_quadratically(rng):
    F = problem(rng, 3, 3)
    W = F.finish(rng.standard_normal((3, 3)), 2).W
    around = W + 1e-3 * rng.standard_normal((3, 3))
    residuals = [F.finish(around, 2, steps=k).residual for k in (0, 1, 2, 3)]
    assert residuals[1] < 1e-2 * residuals[0]
    assert residuals[2] < 1e-4 * residuals[1]
    assert residuals[3] < 1e-13
