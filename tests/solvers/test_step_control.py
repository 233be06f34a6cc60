"""What SciPy's own solvers say and achieve, asked of ours: options, warnings, errors at t_eval."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dlngeo.solvers import RKC, ROCK4, Auto, GaussLegendre

BOTH = pytest.mark.parametrize("method", [RKC, ROCK4, Auto, GaussLegendre])


def decay(t, y):
    return -y


def rational(t, y):
    """The problem of SciPy's tests, solved by :func:`solution`."""
    return np.array([y[1] / t, y[1] * (y[0] + 2 * y[1] - 1) / (t * (y[0] - 1))])


def solution(t):
    return np.array((t / (t + 10), 10 * t / (t + 10) ** 2))


def errors(method, t_span, t_eval, rtol=1e-3, atol=1e-6):
    """In tolerances, at each time, as SciPy's ``compute_error`` has them."""
    run = solve_ivp(
        rational, t_span, [1 / 3, 2 / 9], method=method, rtol=rtol, atol=atol, t_eval=t_eval
    )
    assert run.success
    np.testing.assert_array_equal(run.t, t_eval)
    exact = solution(run.t)
    return np.linalg.norm((run.y - exact) / (atol + rtol * np.abs(exact)), axis=0) / np.sqrt(2)


SPANS = pytest.mark.parametrize(
    ("t_span", "t_eval"),
    [
        ((5, 9), np.linspace(5, 9, 10)),
        ((5, 1), np.linspace(5, 1, 10)),
        ((5, 9), [5, 5.01, 7, 8, 8.01, 9]),
        ((5, 1), [5, 4.99, 3, 1.5, 1.1, 1.01, 1]),
        ((5, 9), [5.01, 7, 8, 8.01]),
        ((5, 1), [4.99, 3, 1.5, 1.1, 1.01]),
    ],
)


@SPANS
def test_rkc_is_within_two_tolerances_where_scipy_asks_for_five(t_span, t_eval):
    assert errors(RKC, t_span, t_eval).max() < 2


@SPANS
@pytest.mark.parametrize("method", [ROCK4, Auto])
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_order_four_and_eight_are_within_five_tolerances(t_span, t_eval, method, rtol):
    assert errors(method, t_span, t_eval, rtol, rtol / 1000).max() < 5


@SPANS
@pytest.mark.parametrize("rtol", [1e-3, 1e-4, 1e-6])
def test_gauss_legendre_is_as_good_as_rk45(t_span, t_eval, rtol):
    ours, theirs = (
        errors(method, t_span, t_eval, rtol, rtol / 1000) for method in (GaussLegendre, "RK45")
    )
    assert ours.max() <= theirs.max()


@BOTH
def test_options_without_effect_are_warned_of(method):
    with pytest.warns(UserWarning, match="no effect for a chosen solver: `jac`, `lband`"):
        run = solve_ivp(decay, (0, 1), [1.0], method=method, jac=lambda t, y: [[-1.0]], lband=0)
    assert run.success


@BOTH
def test_least_rtol_is_warned_of_and_taken(method):
    with pytest.warns(UserWarning, match="rtol is too small; its floor 2.22e-14"):
        solver = method(decay, 0, [1.0, 2.0], 1, rtol=[1e-20, 1e-3])
    assert solver.rtol.min() == 100 * np.finfo(float).eps


@BOTH
@pytest.mark.parametrize("options", [{"rtol": 1e-20}, {"jac": None}])
def test_a_warning_names_the_line_that_made_the_solver(method, options):
    with pytest.warns(UserWarning) as caught:
        method(decay, 0, [1.0, 2.0], 1, **options)
    assert [warning.filename for warning in caught] == [__file__]


@BOTH
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"first_step": 1.5}, "first_step must be > 0 and at most 1"),
        ({"first_step": 0}, "first_step"),
        ({"first_step": np.nan}, "first_step"),
        ({"max_step": np.nan}, "max_step"),
        ({"rtol": np.nan}, "rtol"),
        ({"atol": [1e-6] * 3}, r"atol must be a number or have shape \(2,\)"),
        ({"atol": [-1.0, 1.0]}, "atol must be >= 0"),
    ],
)
@pytest.mark.parametrize("t_bound", [1, -1])
def test_bad_options_are_refused_as_scipy_does(method, t_bound, bad, message):
    with pytest.raises(ValueError, match=message):
        method(decay, 0, [1.0, 2.0], t_bound, **bad)


@BOTH
def test_first_step_may_be_the_whole_span(method):
    assert solve_ivp(decay, (0, 1e-3), [1.0], method=method, first_step=1e-3).success


@BOTH
@pytest.mark.parametrize("scale", [2.0**-600, 2.0**600])
def test_units_do_not_matter(method, scale):
    # squares are beyond the range of floating point, states are not
    def spiral(t, y):
        return np.array([[-1.0, 2.0], [-2.0, -1.0]]) @ y

    one, other = (
        solve_ivp(spiral, (0, 1), [s, 0.5 * s], method=method, rtol=1e-6, atol=0.0)
        for s in (1.0, scale)
    )
    np.testing.assert_array_equal(other.y / scale, one.y)
    assert other.nfev == one.nfev


@BOTH
def test_a_field_may_write_into_one_array(method):
    buffer = np.empty(1)

    def field(t, y):
        buffer[:] = -2 * y
        return buffer

    runs = [
        solve_ivp(f, (0, 2), [1.0], method=method, rtol=1e-6, atol=1e-9, t_eval=[0.7, 2.0])
        for f in (field, lambda t, y: -2 * y)
    ]
    np.testing.assert_array_equal(runs[0].y, runs[1].y)
    assert runs[0].nfev == runs[1].nfev


@BOTH
def test_nothing_to_do_is_done(method):
    assert solve_ivp(lambda t, y: -y, (0, 1), [], method=method).status == 0
    solver = method(lambda t, y: -y, 1.0, np.ones(1), 1.0)
    solver.step()
    assert solver.status == "finished"


@BOTH
def test_a_start_at_zero_with_no_absolute_tolerance(method):
    run = solve_ivp(lambda t, y: 1 - y, (0, 1), [0.0], method=method, rtol=1e-6, atol=1e-300)
    assert run.status == 0
    assert abs(run.y[0, -1] - (1 - np.exp(-1))) < 1e-5
