"""Auto: DOP853's own steps, the choice between methods, and the way back."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import DOP853, solve_ivp

from dlngeo.solvers import ROCK4, Auto, _dop853


def rational(t, y):
    return np.array([y[1] / t, y[1] * (y[0] + 2 * y[1] - 1) / (t * (y[0] - 1))])


def follow(fun, y0, end, **options):
    solver = Auto(fun, 0.0, y0, end, **options)
    while solver.status == "running":
        solver.step()
    return solver


def prothero(rate, speed=1.0):
    """A solution cos(t) that attracts at a rate."""
    return lambda t, y: -rate * (y - np.cos(speed * t)) - speed * np.sin(speed * t)


@pytest.mark.parametrize("h", [0.3, -0.2])
def test_step_error_and_polynomial_are_scipy_s(h):
    y0 = np.array([1 / 3, 2 / 9])
    theirs = DOP853(rational, 5.0, y0, 5.0 + 2 * h, first_step=abs(h), rtol=1.0, atol=1.0)
    theirs.step()
    slopes = np.empty((13, 2))
    f = rational(5.0, y0)
    y = _dop853.dop853_step(rational, 5.0, y0, f, h, slopes)
    assert_allclose(y, theirs.y, rtol=1e-15)
    scale = np.array([1e-3, 2e-3])
    exact = theirs._estimate_error_norm(slopes, h, scale)
    assert_allclose(_dop853.error(slopes, h, scale), exact, rtol=1e-12)
    t = 5.0 + h * np.linspace(0, 1, 7)
    ours = _dop853.Dop853Output(rational, 5.0, theirs.t, y0, y, slopes)
    assert_allclose(ours(t), theirs.dense_output()(t), rtol=1e-13)
    assert_allclose(ours(t[3]), theirs.dense_output()(t[3]), rtol=1e-13)


def test_size_of_the_jacobian_is_seen_where_a_mode_rules():
    slopes = np.empty((13, 1))
    for rate in (0.5, 5.0, 50.0):
        _dop853.dop853_step(
            lambda t, y, r=rate: -r * y, 0.0, np.ones(1), -rate * np.ones(1), 0.1, slopes
        )
        assert_allclose(_dop853.stiffness(slopes), 0.1 * rate, rtol=1e-4)


def test_a_problem_that_is_not_stiff_is_left_to_order_eight():
    solver = follow(lambda t, y: np.array([y[1], -y[0]]), [1.0, 0.0], 20.0, rtol=1e-9, atol=1e-9)
    assert solver.taken["ROCK4"] == 0
    assert_allclose(solver.y, [np.cos(20), -np.sin(20)], atol=1e-7)


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_a_stiff_problem_is_given_to_rock4(rtol):
    fun = prothero(1e3, 0.01)
    solver = follow(fun, [2.0], 100.0, rtol=rtol, atol=rtol)
    assert solver.taken["ROCK4"] > 0
    assert abs(solver.y[0] - np.cos(1.0)) < 20 * rtol
    assert solver.nfev < 2 * 1e3 * 100 / 3  # the explicit method needs two a unit of ρt


def test_the_way_back_is_open():
    # stiff until t = 10, then an oscillator that no stabilised method likes
    def fun(t, y):
        rate = 1000.0 if t < 10 else 0.0
        turn = 0.0 if t < 10 else 1.0
        return np.array([-rate * y[0] + turn * y[1], -turn * y[0] - 1e-3 * y[1]])

    solver = Auto(fun, 0.0, [1.0, 1.0], 100.0, rtol=1e-8, atol=1e-10)
    used = []
    while solver.status == "running":
        before = dict(solver.taken)
        solver.step()
        used.append((solver.t, solver.taken["ROCK4"] > before["ROCK4"]))
    assert any(rock for t, rock in used if t < 10)
    assert not any(rock for t, rock in used if t > 40)


@pytest.mark.parametrize("first_step", [None, 0.1])
def test_steps_taken_are_counted(first_step):
    solver = Auto(prothero(1e3), 0.0, [2.0], 10.0, first_step=first_step)
    steps = 0
    while solver.status == "running":
        solver.step()
        steps += 1
    assert sum(solver.taken.values()) == steps


def test_between_steps_it_is_as_good_as_at_their_ends():
    # nearly so: the slopes of a stiff mode carry its error h·ρ times
    fun, t = prothero(1e3), np.linspace(0, 10, 301)
    run = solve_ivp(fun, (0, 10), [1.0], method=Auto, rtol=1e-7, atol=1e-7, t_eval=t)
    assert_allclose(run.y[0], np.cos(t), atol=1e-5)
    run = solve_ivp(fun, (0, 10), [1.0], method=Auto, rtol=1e-7, atol=1e-7, dense_output=True)
    assert_allclose(run.sol(t)[0], np.cos(t), atol=1e-5)


def test_backwards_no_field_and_no_value():
    run = solve_ivp(lambda t, y: y, (1, 0), [np.e], method=Auto, rtol=1e-9, atol=1e-12)
    assert_allclose(run.y[0, -1], 1, rtol=1e-8)
    run = solve_ivp(lambda t, y: 0 * y, (0, 1e6), [1.0, 0.0], method=Auto)
    assert run.success and run.nfev < 500
    run = solve_ivp(lambda t, y: np.full_like(y, np.nan), (0, 1), [1.0], method=Auto)
    assert run.status == -1 and run.t[-1] == 0
    run = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method=Auto)
    assert run.status == -1 and abs(run.t[-1] - 1) < 1e-3


def test_it_follows_the_stiff_van_der_pol_oscillator():
    # its Jacobian has real eigenvalues on the slow parts and leaves them in the jumps
    def fun(t, y):
        return np.array([y[1], 100 * (1 - y[0] ** 2) * y[1] - y[0]])

    exact = solve_ivp(fun, (0, 200), [2.0, 0.0], method="Radau", rtol=1e-9, atol=1e-11)
    ours = solve_ivp(fun, (0, 200), [2.0, 0.0], method=Auto, rtol=1e-7, atol=1e-9)
    assert_allclose(ours.y[:, -1], exact.y[:, -1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("rtol", "most"), [(1e-4, 1e4), (1e-6, 3e4)])
@pytest.mark.parametrize("start", [(0.5, 0.25), (2.0, 0.0)])
def test_along_a_stiff_parabola_it_keeps_to_the_tolerance(rtol, most, start):
    # the gradient flow of 5000 (y - x²)² + (x - 2)²/2 + y²/20: ROCK4's long steps blow up off the
    # parabola, and its short ones miss 1e-4 by a factor of 200
    def fun(t, z):
        x, y = z
        apart = 1e4 * (y - x * x)
        return np.array([2 * x * apart - (x - 2), -apart - 0.1 * y])

    t = np.linspace(0, 5, 11)
    exact = solve_ivp(fun, (0, 5), start, method="Radau", rtol=1e-10, atol=1e-12, t_eval=t)
    ours = solve_ivp(fun, (0, 5), start, method=Auto, rtol=rtol, atol=1e-3 * rtol, t_eval=t)
    assert np.abs(ours.y - exact.y).max() < 6 * rtol and ours.nfev < most


def test_where_rock4_is_the_cheaper_one_rkc_is_not_taken_up():
    n = 60  # the heat equation: linear, of rates up to 4 n²
    L = (n + 1) ** 2 * (np.eye(n, k=1) + np.eye(n, k=-1) - 2 * np.eye(n))
    start = np.random.default_rng(0).standard_normal(n)
    for rtol in (1e-4, 1e-6):
        solver = follow(lambda t, y: L @ y, start, 0.3, rtol=rtol, atol=1e-3 * rtol)
        assert solver.taken["RKC"] == 0 and solver.taken["ROCK4"] > 0
        values, vectors = np.linalg.eigh(L)
        exact = vectors @ (np.exp(0.3 * values) * (vectors.T @ start))
        assert_allclose(solver.y, exact, rtol=0, atol=10 * rtol * np.abs(exact).max())


def test_where_rkc_is_the_cheaper_one_it_is():
    fun, cost = prothero(1e3, 0.01), {}
    for method in (Auto, ROCK4):
        solver = method(fun, 0.0, [2.0], 100.0, rtol=1e-4, atol=1e-4)
        while solver.status == "running":
            solver.step()
        cost[method] = solver.nfev
    assert cost[Auto] < 0.4 * cost[ROCK4]


@pytest.mark.parametrize("rate", [1e300, 1e200, 1e100, 1e-100, 1e-300])
@pytest.mark.parametrize("size", [1.0, 1e-5])
def test_any_unit_of_time(rate, size):
    run = solve_ivp(
        lambda t, y: -rate * y, (0, 1 / rate), [size], method=Auto, rtol=1e-6, atol=1e-9 * size
    )
    assert run.success and run.nfev < 100
    assert_allclose(run.y[0, -1], size * np.exp(-1), rtol=1e-6)
