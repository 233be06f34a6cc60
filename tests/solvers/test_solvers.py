"""The Runge-Kutta-Chebyshev solver, against exact solutions and its defining recurrences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicHermiteSpline
from scipy.linalg import expm

from dlngeo.solvers import RKC, _rkc, _stabilised, _step_control


def heat(n):
    """The second-difference matrix on n interior points: real spectrum down to about -4 n²."""
    L = -2 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    return L * (n + 1) ** 2


def amplification(stages, z):
    """The step's stability polynomial, read off a scalar linear step."""
    y, _, _ = _rkc.rkc_step(lambda t, y: z * y, 0.0, np.ones(1), z * np.ones(1), 1.0, stages)
    return y[0]


@pytest.mark.parametrize("stages", [2, 3, 7, 40])
def test_step_is_its_stability_polynomial(stages):
    # P(z) = a + b T_s(w0 + w1 z), with a = 1 - b T_s(w0): Sommeijer et al., (2.3)
    w0 = 1 + (2 / 13) / stages**2
    T = np.polynomial.Chebyshev.basis(stages)
    w1 = T.deriv(1)(w0) / T.deriv(2)(w0)
    b = T.deriv(2)(w0) / T.deriv(1)(w0) ** 2
    for z in (0.3, -0.1, -1.7, -0.5 * stages**2):
        assert_allclose(amplification(stages, z), 1 - b * T(w0) + b * T(w0 + w1 * z), rtol=1e-11)


@pytest.mark.parametrize("stages", [2, 5, 20, 100])
def test_stage_count_is_stable_and_no_larger_than_needed(stages):
    reach = (stages**2 - 1) / 1.54
    assert _rkc.stages_for(1.0, 0.999 * reach) == stages
    # 2/3 (s² - 1)(1 - 2/15 · 2/13) is the length of the damped stability interval
    assert all(abs(amplification(stages, z)) <= 1 + 1e-9 for z in np.linspace(-reach, 0, 201))


@pytest.mark.parametrize("stages", [2, 6, 15])
def test_fixed_step_has_order_two(stages):
    def fun(t, y):
        return np.array([y[1], -y[0]]) + np.cos(t) * np.array([0.0, 1.0])

    def solve(h):
        y, t = np.array([1.0, 0.0]), 0.0
        for _ in range(round(1 / h)):
            y, _, _ = _rkc.rkc_step(fun, t, y, fun(t, y), h, stages)
            t += h
        return y

    exact = np.array([np.cos(1) + np.sin(1) / 2, -np.sin(1) + np.sin(1) / 2 + np.cos(1) / 2])
    steps = np.array([1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128])
    errors = [np.linalg.norm(solve(h) - exact) for h in steps]
    order = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(order - 2) < 0.05


def test_step_of_a_batch_is_the_step_of_each_state(rng):
    L = heat(5)
    y, h = rng.standard_normal((4, 5)), np.array([1e-3, 2e-3, 3e-3, 4e-3])
    together = _rkc.rkc_step(lambda t, y: y @ L, 0.0, y, y @ L, h[:, None], 6)
    for k in range(4):
        one = _rkc.rkc_step(lambda t, y: L @ y, 0.0, y[k], L @ y[k], h[k], 6)
        for batch, single in zip(together, one, strict=True):
            assert_allclose(batch[k], single, rtol=1e-12, atol=1e-15)


def test_spectral_radius_of_a_batch(rng):
    matrices = np.stack([heat(8), -np.diag(np.arange(8.0)), 3 * np.ones((8, 8))])
    y = rng.standard_normal((3, 8))

    def fun(t, y):
        return np.einsum("kij,kj->ki", matrices, y)

    radius, _ = _stabilised.spectral_radius(fun, 0.0, y, fun(0.0, y), fun(0.0, y))
    exact = np.abs(np.linalg.eigvalsh(matrices)).max(axis=1)
    assert_allclose(radius, 1.2 * exact, rtol=0.05)


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7])
def test_stiff_linear_problem_to_tolerance(rng, rtol):
    L, y0 = heat(60), rng.standard_normal(60)
    run = solve_ivp(lambda t, y: L @ y, (0, 0.02), y0, method=RKC, rtol=rtol, atol=rtol)
    assert run.success
    assert np.abs(run.y[:, -1] - expm(0.02 * L) @ y0).max() < 100 * rtol


def test_stiffness_costs_its_square_root(rng):
    def evaluations(n):
        L = heat(n)
        y0 = np.sin(np.pi * np.arange(1, n + 1) / (n + 1))
        return solve_ivp(lambda t, y: L @ y, (0, 1), y0, method=RKC, rtol=1e-4, atol=1e-8).nfev

    # four times the points is sixteen times the spectral radius: about four times the work
    assert evaluations(200) < 6 * evaluations(50)


def test_dense_output_is_third_order_accurate(rng):
    run = solve_ivp(
        lambda t, y: -np.array([1.0, 10.0]) * y,
        (0, 1),
        [1.0, 1.0],
        method=RKC,
        rtol=1e-6,
        atol=1e-9,
        dense_output=True,
    )
    t = np.linspace(0, 1, 57)
    assert_allclose(run.sol(t), np.exp(-np.outer([1, 10], t)), atol=2e-5)


def test_backward_integration():
    run = solve_ivp(lambda t, y: y, (1, 0), [np.e], method=RKC, rtol=1e-8, atol=1e-10)
    assert_allclose(run.y[0, -1], 1, rtol=1e-5)


def test_given_spectral_radius_spares_the_power_method():
    calls = []

    def fun(t, y):
        calls.append(t)
        return -50 * y

    given = solve_ivp(fun, (0, 1), [1.0], method=RKC, spectral_radius=lambda t, y: 50.0)
    bare = solve_ivp(fun, (0, 1), [1.0], method=RKC)
    assert given.nfev < bare.nfev
    assert len(calls) == given.nfev + bare.nfev


def test_zero_right_hand_side_takes_few_steps():
    run = solve_ivp(lambda t, y: 0 * y, (0, 1e6), [1.0, 0.0], method=RKC)
    assert run.success
    assert_allclose(run.y[:, -1], [1, 0])
    assert run.nfev < 200


def test_blow_up_fails_before_the_pole():
    run = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method=RKC)
    assert not run.success
    assert 0.99 < run.t[-1] < 1.01
    assert np.isfinite(run.y).all()


def test_right_hand_side_without_value_fails_at_once():
    run = solve_ivp(lambda t, y: np.full_like(y, np.nan), (0, 1), [1.0], method=RKC)
    assert not run.success
    assert run.t[-1] == 0


@pytest.mark.parametrize("bad", [{"rtol": 0}, {"max_step": 0}, {"first_step": -1}, {"atol": -1}])
def test_bad_options(bad):
    with pytest.raises(ValueError, match="must be"):
        solve_ivp(lambda t, y: -y, (0, 1), [1.0], method=RKC, **bad)


@pytest.mark.parametrize("h", [0.3, -0.3, 1e-90])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_dense_output_is_scipy_s_cubic(h, n, rng):
    y_old, y, f_old, f = rng.standard_normal((4, n))
    f_old, f = f_old / abs(h), f / abs(h)
    ours = _step_control.HermiteOutput(1.0 * h, 2.0 * h, y_old, y, f_old, f)
    x = np.linspace(0, 1, 11)
    if n:
        slopes = np.stack((h * f_old, h * f))
        theirs = CubicHermiteSpline([0.0, 1.0], np.stack((y_old, y)), slopes)
        np.testing.assert_allclose(ours((1 + x) * h), theirs(x).T, rtol=0, atol=1e-14)
        np.testing.assert_allclose(ours(1.3 * h), theirs(0.3), rtol=0, atol=1e-14)
    assert ours((1 + x) * h).shape == (n, 11)
