"""The flow that takes up directions as they are born, against the full flow from the same start."""

import numpy as np
import pytest

from dlngeo import energies, flows
from dlngeo.lowrank import flow, random_start
from dlngeo.lowrank._growing import _grown, _time

SCALE = 1e-3
DIAGONAL = energies.Quadratic(np.diag([4.0, 2.0, 1.0, 0.0]))
TRUTH = random_start((15, 12), 3, scale=1.0, rng=2)._replace(sigma=np.array([4.0, 2.0, 1.0]))
SEEN = np.nonzero(np.random.default_rng(0).random((15, 12)) < 0.8)
ENERGY = energies.SparseCompletion(*SEEN, TRUTH.dense()[SEEN], (15, 12))


def full(energy, depth, times, **options):
    U, _, Vt = np.linalg.svd(-energy.gradient(np.zeros(energy.shape)), full_matrices=False)
    run = flows.gradient_flow(
        energy, SCALE * U @ Vt, (0, times[-1]), depth=depth, t_eval=times, gtol=0, **options
    )
    return run.singular_values


def crossings(times, sigma, level):
    """When each singular value first exceeds a level."""
    found = [np.argmax(s > level) for s in sigma.T if (s > level).any()]
    return [
        np.interp(level, sigma[k - 1 : k + 1, j], times[k - 1 : k + 1]) for j, k in enumerate(found)
    ]


@pytest.mark.parametrize("depth", [2, 3, 2.5])
def test_modes_that_do_not_see_each_other(depth):
    """At a diagonal target each singular value follows an equation of its own (survey, 7)."""
    times = np.linspace(0, {2: 12, 3: 30, 2.5: 20}[depth], 60)
    wanted = full(DIAGONAL, depth, times, rtol=1e-8)
    options = {"scale": SCALE, "t_eval": times, "rtol": 1e-8, "gtol": 0}
    run = flow(DIAGONAL, None, (0, times[-1]), depth=depth, **options)
    found = run.singular_values
    assert run.status == 0 and run.stats["births"] == 3 and found.shape == (60, 3)
    near, far = (crossings(times, sigma, 0.4) for sigma in (found, wanted))
    np.testing.assert_allclose(near, far, rtol=0.02)
    np.testing.assert_allclose(found[-1], [4, 2, 1], atol=1e-2)


@pytest.mark.parametrize(("depth", "end", "decay"), [(2, 16, 0.0), (3, 40, 0.0), (2, 16, 0.02)])
def test_completion(depth, end, decay):
    times = np.linspace(0, end, 60)
    options = {"rtol": 1e-6, "weight_decay": decay}
    wanted = full(ENERGY, depth, times, **options)
    run = flow(
        ENERGY, None, (0, end), depth=depth, scale=SCALE, t_eval=times, gtol=0, rank=5, **options
    )
    near, far = (crossings(times, sigma[:, :3], 0.4) for sigma in (run.singular_values, wanted))
    np.testing.assert_allclose(near, far, rtol=0.1)
    np.testing.assert_allclose(run.singular_values[-1, :3], wanted[-1, :3], atol=0.03)


def test_a_rank_is_not_exceeded():
    run = flow(DIAGONAL, None, (0, 12), depth=2, scale=SCALE, rank=2)
    assert run.singular_values.shape == (2, 2)
    np.testing.assert_allclose(run.singular_values[-1], [4, 2], atol=1e-2)


def test_a_start_and_a_scale_are_too_much():
    with pytest.raises(ValueError, match="start must be None where scale="):
        flow(DIAGONAL, np.eye(4), (0, 1), depth=2, scale=0.1)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_amplitudes_follow_their_equation(depth, decay):
    from scipy.integrate import solve_ivp

    from dlngeo._equation import Equation

    equation, slope = Equation(None, depth, weight_decay=decay), np.array([0.7, 0.4])
    a = np.array([0.1, 0.02])

    def rate(t, s):
        return depth * s ** (2 - 2 / depth) * slope - decay * depth * s

    oracle = solve_ivp(rate, (0, 0.5), a, rtol=1e-10, atol=1e-14).y[:, -1]
    np.testing.assert_allclose(_grown(a, 0.5, slope, equation), oracle, rtol=1e-7)
    when = _time(0.1, float(oracle[0]), 0.7, equation)
    assert when == pytest.approx(0.5, rel=1e-6)


def test_where_there_is_nothing_to_learn_nothing_is_born():
    energy = energies.SparseCompletion([0, 1], [0, 1], [1.0, 0.0], (3, 3))
    run = flow(energy, None, (0, 30), depth=2, scale=1e-4)
    assert run.stats["births"] == 1


def test_a_large_one_is_followed_sparsely():
    shape = (260, 230)
    truth = random_start(shape, 2, scale=1.0, rng=2)._replace(sigma=np.array([9.0, 5.0]))
    seen = np.nonzero(np.random.default_rng(1).random(shape) < 0.3)
    energy = energies.SparseCompletion(*seen, truth.dense()[seen], shape)
    run = flow(energy, None, (0, 1e3), depth=3, scale=1e-3, rank=4, stop_loss=1e-4)
    assert run.status == 1
    np.testing.assert_allclose(run.singular_values[-1, :2], [9, 5], atol=0.05)
