"""Newton's method on the matrices of rank r: derivatives by differences, ends, and refusals."""

import numpy as np
import pytest

from dlngeo import energies
from dlngeo.lowrank import Factors, flow, polish, random_start, spectral_start
from dlngeo.lowrank._polish import _Local
from dlngeo.lowrank._pulls import pull_of

SHAPE = (40, 30)
TRUTH = random_start(SHAPE, 2, scale=1.0, rng=5)._replace(sigma=np.array([3.0, 2.0]))
SEEN = np.nonzero(np.random.default_rng(6).random(SHAPE) < 0.5)
NOISE = 0.1 * np.random.default_rng(7).standard_normal(SEEN[0].size)
EXACT = energies.SparseCompletion(*SEEN, TRUTH.dense()[SEEN], SHAPE)
NOISY = energies.SparseCompletion(*SEEN, TRUTH.dense()[SEEN] + NOISE, SHAPE)
SIGNS = energies.SparseLogistic(*SEEN, np.sign(TRUTH.dense()[SEEN]), SHAPE)
DENSE = energies.Quadratic(TRUTH.dense() + 0.1 * np.random.default_rng(8).standard_normal(SHAPE))


def near(amount=0.05):
    rng = np.random.default_rng(9)
    U, V = (np.linalg.qr(A + amount * rng.standard_normal(A.shape))[0] for A in (TRUTH.U, TRUTH.V))
    return Factors(U, np.array([2.9, 2.1]), V)


@pytest.mark.parametrize("energy", [NOISY, SIGNS, DENSE], ids=repr)
def test_gradient_and_hessian_are_those_of_E_along_the_retraction(energy):
    """The nearest matrix of rank r to W + Z is a retraction of second order."""
    here = _Local(pull_of(energy, SHAPE, "numpy"), near())
    x = here.project(np.random.default_rng(10).standard_normal(here.gradient.size))
    x /= np.linalg.norm(x)
    h = 1e-3
    up, down = (float(energy.value(here.moved(s * h * x).dense())) for s in (1, -1))
    assert (up - down) / (2 * h) == pytest.approx(here.gradient @ x, rel=1e-5, abs=1e-6)
    second = (up - 2 * here.value + down) / h**2
    assert second == pytest.approx(x @ here.hessian(x), rel=1e-4)


def test_the_hessian_is_symmetric():
    here = _Local(pull_of(NOISY, SHAPE, "auto"), near())
    x, y = map(here.project, np.random.default_rng(11).standard_normal((2, here.gradient.size)))
    assert x @ here.hessian(y) == pytest.approx(y @ here.hessian(x), rel=1e-12)


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_it_ends_what_a_flow_began(engine):
    run = flow(EXACT, spectral_start(EXACT, 2), (0, 1e3), depth=3, stop_loss=1e-3)
    found = polish(EXACT, run.factors(), engine=engine)
    assert found.status == 1 and found.energy < 1e-22
    np.testing.assert_allclose(found.W.dense(), TRUTH.dense(), atol=1e-11)
    moved = np.linalg.norm(found.W.dense() - run.factors().dense())
    assert found.moved == pytest.approx(moved, rel=1e-6)
    assert found.products > 0 and 0 < found.least < found.largest


def test_it_finds_the_end_of_the_flow_where_nothing_fits():
    start = spectral_start(NOISY, 2)
    long = flow(NOISY, start, (0, 2000), depth=2, rtol=1e-9)
    found = polish(NOISY, flow(NOISY, start, (0, 5), depth=2).factors())
    assert found.status == 1 and found.slope < 1e-10
    np.testing.assert_allclose(found.W.dense(), long.factors().dense(), atol=1e-7)


def test_the_nearest_matrix_of_a_rank():
    U, sigma, Vt = np.linalg.svd(DENSE.target)
    found = polish(DENSE, near())
    np.testing.assert_allclose(found.W.dense(), (U[:, :2] * sigma[:2]) @ Vt[:2], atol=1e-8)


def test_a_continuum_of_minimisers_is_left_to_the_flow():
    few = energies.SparseCompletion([0, 1, 2], [0, 1, 2], [1.0, 2.0, 3.0], SHAPE)
    start = random_start(SHAPE, 2, scale=1.0, rng=0)
    found = polish(few, start)
    assert found.status == -1 and "not positive" in found.message
    assert found.steps == 0 and found.moved < 1e-12
