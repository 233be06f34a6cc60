"""ROCK4: stability and order by brute force, its coefficients against their definitions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from dlngeo.solvers import ROCK4, Auto, _rock4_coefficients
from dlngeo.solvers._rock4 import rock4_step
from dlngeo.solvers._rock4_coefficients import OFFERED, coefficients, reach, stages_for
from dlngeo.solvers._step_control import MidpointOutput

SOME = (5, 6, 7, 8, 12, 15, 25, 57, 135, 289)


def heat(n):
    """The second-difference matrix on n interior points: real spectrum down to about -4 n²."""
    L = -2 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    return L * (n + 1) ** 2


def step(fun, t, y, h, stages):
    slopes = np.empty((4, y.size))
    return rock4_step(fun, t, y, fun(t, y), h, coefficients(stages), slopes)


@pytest.mark.parametrize("stages", SOME)
def test_amplification_stays_below_one_along_the_interval(stages):
    z = -reach(stages) * (1 - np.cos(np.linspace(0, np.pi, 8001))) / 2
    R, _, error = step(lambda t, y: z * y, 0.0, np.ones_like(z), 1.0, stages)
    rippling = z < -0.06
    assert np.abs(R).max() < 1 + 1e-12
    assert np.abs(R[rippling]).max() <= _rock4_coefficients.RIPPLE + 1e-3
    assert np.abs(error).max() < 1 + 0.5 * reach(stages)  # no worse than a slope of the new state


@pytest.mark.parametrize("stages", SOME)
def test_linear_terms_are_those_of_the_exponential_to_order_four(stages):
    # the Taylor coefficients of R at 0 from a contour integral
    z = 0.5 * np.exp(2j * np.pi * np.arange(16) / 16)

    def fun(t, y):
        u, v = y[:16], y[16:]
        return np.concatenate((z.real * u - z.imag * v, z.imag * u + z.real * v))

    y0 = np.concatenate((np.ones(16), np.zeros(16)))
    R = step(fun, 0.0, y0, 1.0, stages)[0]
    taylor = np.fft.fft(R[:16] + 1j * R[16:]).real / 16 / 0.5 ** np.arange(16)
    assert_allclose(taylor[:5], [1, 1, 1 / 2, 1 / 6, 1 / 24], atol=1e-11)
    assert 1e-4 < abs(taylor[5] - 1 / 120) < 8e-3


def nonlinear(t, y):
    a, b, c = y
    return np.array([a * b - np.sin(t) * c, -(a**2) + np.cos(3 * t) * c, np.sin(b) * a])


@pytest.mark.parametrize("stages", SOME)
def test_fixed_step_has_order_four_and_its_error_too(stages):
    y0 = np.array([1.0, 0.5, 0.7])
    exact = solve_ivp(nonlinear, (0, 1), y0, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    counts, errors, estimates = np.array([16, 32, 64]), [], []
    for n in counts:
        y = y0
        for k in range(n):
            y, _, estimate = step(nonlinear, k / n, y, 1 / n, stages)
            if k == 0:
                estimates.append(np.abs(estimate).max())
        errors.append(np.abs(y - exact).max())
    assert abs(np.polyfit(np.log(1 / counts), np.log(errors), 1)[0] - 4) < 0.15
    assert abs(np.polyfit(np.log(1 / counts), np.log(estimates), 1)[0] - 4) < 0.4


@pytest.mark.parametrize("stages", SOME)
def test_rounding_stays_small_at_every_mode(stages):
    # with all the order-making stages at the end it would be 1e-16 · 0.01 z⁴: 1e-3 at 135 stages
    z = -reach(stages) * (1 - np.cos(np.linspace(0, np.pi, 2001))) / 2
    y = step(lambda t, y: z * (y - 0.7), 0.0, np.full_like(z, 0.7), 1.0, stages)[0]
    assert np.abs(y - 0.7).max() < 1e-17 * (10 + reach(stages)) ** 2.8


def test_stages_offered_are_the_least_stable_ones():
    for z in (0.0, 1.0, 5.9, 6.0, 300.0, 1e4):
        s = stages_for(z)
        assert reach(s) >= z
        assert s == 5 or reach(OFFERED[OFFERED.index(s) - 1]) < z
    assert stages_for(1e12) == OFFERED[-1]


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7, 1e-9])
def test_stiff_linear_problem_to_tolerance(rng, rtol):
    L, y0 = heat(60), rng.standard_normal(60)
    run = solve_ivp(lambda t, y: L @ y, (0, 0.02), y0, method=ROCK4, rtol=rtol, atol=rtol)
    assert run.success
    assert np.abs(run.y[:, -1] - expm(0.02 * L) @ y0).max() < rtol


def test_stiffness_costs_its_square_root():
    def evaluations(n):
        L = heat(n)
        y0 = np.sin(np.pi * np.arange(1, n + 1) / (n + 1))
        return solve_ivp(lambda t, y: L @ y, (0, 1), y0, method=ROCK4, rtol=1e-5, atol=1e-8).nfev

    assert evaluations(200) < 6 * evaluations(50)


def test_a_rest_state_is_reached_to_rounding():
    # noise of the stages must not keep the slope up
    L = heat(30)
    run = solve_ivp(lambda t, y: L @ (y - 1), (0, 50), np.zeros(30), method=ROCK4, rtol=1e-6)
    assert_allclose(run.y[:, -1], 1, atol=1e-8)


def test_blow_up_and_no_value_fail():
    run = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method=ROCK4)
    assert not run.success
    assert 0.99 < run.t[-1] < 1.01
    run = solve_ivp(lambda t, y: np.full_like(y, np.nan), (0, 1), [1.0], method=ROCK4)
    assert run.status == -1
    assert run.t[-1] == 0


def test_zero_field_takes_few_steps():
    run = solve_ivp(lambda t, y: 0 * y, (0, 1e6), [1.0, 0.0], method=ROCK4)
    assert_allclose(run.y[:, -1], [1, 0])
    assert run.nfev < 200


def test_a_right_hand_side_may_reuse_its_array():
    room = np.empty(3)

    def fun(t, y):
        room[:] = -np.array([1.0, 20.0, 400.0]) * y
        return room

    run = solve_ivp(fun, (0, 1), np.ones(3), method=ROCK4, rtol=1e-6, atol=1e-9)
    assert_allclose(run.y[:, -1], np.exp([-1.0, -20.0, -400.0]), atol=1e-5)


def test_the_polynomial_between_ends_and_middle_is_exact_to_degree_five(rng):
    p = np.polynomial.Polynomial(rng.standard_normal(6))
    ends, slope = (0.5, 2.0), p.deriv()
    given = [np.array([f(x)]) for f in (p, slope) for x in ends]
    middle = [np.array([f(1.25)]) for f in (p, slope)]
    output = MidpointOutput(*ends, *given, *middle)
    t = np.linspace(*ends, 9)
    assert_allclose(output(t)[0], p(t), rtol=1e-13, atol=1e-13)
    assert_allclose(output(t[2]), [p(t[2])], rtol=1e-13)


@pytest.mark.parametrize("method", [ROCK4, Auto])
@pytest.mark.parametrize("writes", [False, True])
def test_states_within_a_step_are_as_exact_as_its_end(method, writes):
    # y' = -λ (y - sin t) + cos t, of solution sin t from 0: stiff for ROCK4, not for the other
    rates, room = np.array([1.0, 1e3 if method is ROCK4 else 3.0]), np.empty(2)

    def fun(t, y):
        found = -rates * (y - np.sin(t)) + np.cos(t)
        if writes:
            room[:] = found
            return room
        return found

    solver = method(fun, 0.0, np.zeros(2), 3.0, rtol=1e-6, atol=1e-8)
    worst = {"end": 0.0, "state": 0.0, "dense": 0.0}
    while solver.status == "running":
        solver.step()
        t = solver.t_old + 0.7 * (solver.t - solver.t_old)
        dense = solver.dense_output()(t)
        for name, at, y in (
            ("end", solver.t, solver.y),
            ("state", t, solver.state(t)),
            ("dense", t, dense),
        ):
            worst[name] = max(worst[name], np.abs(y - np.sin(at)).max())
    assert worst["end"] < 3e-6 and worst["state"] < 3e-6 and worst["dense"] < 3e-5
