"""Gauss-Legendre: order, symmetry, quadratic invariants to rounding, SciPy's solver interface."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.interpolate import pade

from dlngeo import energies, flows, weights
from dlngeo.solvers import GaussLegendre, GaussLegendre2, GaussLegendre6
from dlngeo.solvers._gauss_stages import gauss_step


def pendulum(t, y):
    return np.stack((y[1], -np.sin(y[0])))


def rigid_body(t, y):
    """Euler's equations: |y|² and Σ y_k²/I_k are conserved, both quadratic."""
    I = np.array([2.0, 1.0, 2 / 3])  # noqa: E741
    return np.cross(y, y / I)


def march(fun, y, h, steps):
    for k in range(steps):
        y, solved = gauss_step(fun, k * h, y, fun(k * h, y), h)
        assert solved
    return y


def test_step_has_order_four():
    reference = solve_ivp(pendulum, (0, 2), [1.2, 0.4], method="DOP853", rtol=1e-13, atol=1e-14)
    counts = np.array([10, 20, 40, 80])
    errors = [
        np.abs(march(pendulum, np.array([1.2, 0.4]), 2 / n, n) - reference.y[:, -1]).max()
        for n in counts
    ]
    assert abs(np.polyfit(np.log(2 / counts), np.log(errors), 1)[0] - 4) < 0.1


def test_step_is_its_defining_equations(rng):
    # collocation at (1 ± 1/√3)/2: solved here as one linear system
    A, y, h = rng.standard_normal((3, 3)), rng.standard_normal(3), 0.1
    a = np.array([[1 / 4, 1 / 4 - np.sqrt(3) / 6], [1 / 4 + np.sqrt(3) / 6, 1 / 4]])
    K = np.linalg.solve(np.eye(6) - h * np.kron(a, A), np.tile(A @ y, 2))
    exact = y + h / 2 * (K[:3] + K[3:])
    ours, solved = gauss_step(lambda t, x: A @ x, 0.0, y, A @ y, h)
    assert solved
    assert_allclose(ours, exact, rtol=1e-14)


def test_step_is_symmetric():
    y = np.array([1.2, 0.4])
    there = march(pendulum, y, 0.1, 5)
    assert_allclose(march(pendulum, there, -0.1, 5), y, atol=1e-14)


def test_quadratic_invariants_are_kept_to_rounding():
    y = np.array([0.8, 0.6, 0.1])
    end = march(rigid_body, y, 0.05, 4000)
    I = np.array([2.0, 1.0, 2 / 3])  # noqa: E741
    assert abs(end @ end - y @ y) < 1e-13
    assert abs(end @ (end / I) - y @ (y / I)) < 1e-13


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("z", [-0.5, -50.0, -5000.0, 3.0])
def test_a_step_of_any_length_is_its_rational_function(order, z):
    # on y' = zy a Gauss method is the diagonal Padé approximant of the exponential
    s = order // 2
    top, bottom = pade([1 / math.factorial(k) for k in range(2 * s + 1)], s)
    y = np.array([1.0, -2.0])
    new, solved = gauss_step(lambda t, x: z * x, 0.0, y, z * y, 1.0, order)
    assert solved
    assert_allclose(new, y * top(z) / bottom(z), rtol=2e-14 * max(1, abs(z)))


def test_stages_without_a_solution_are_told():
    # y = 1 + h/2 (y² + ...) has no real root for long steps
    y = np.ones(2)
    assert not gauss_step(lambda t, x: x**2 + 1, 0.0, y, 2 * y, 4.0)[1]
    assert not gauss_step(lambda t, x: np.full_like(x, np.nan), 0.0, y, y, 1.0)[1]


@pytest.mark.parametrize("t_span", [(0, 5), (5, 0)])
def test_through_solve_ivp(t_span):
    options = {"t_eval": np.linspace(*t_span, 23), "rtol": 1e-8, "atol": 1e-10}
    ours = solve_ivp(pendulum, t_span, [1.2, 0.4], method=GaussLegendre, **options)
    exact = solve_ivp(
        pendulum,
        t_span,
        [1.2, 0.4],
        method="DOP853",
        t_eval=options["t_eval"],
        rtol=1e-12,
        atol=1e-13,
    )
    assert ours.success
    assert_allclose(ours.y, exact.y, atol=2e-6)  # between steps the interpolant is of order 3
    assert_allclose(ours.y[:, -1], exact.y[:, -1], atol=5e-7)  # 50 rtol after time 5


def test_tolerance_is_met_and_a_stiff_step_is_cut():
    run = solve_ivp(
        lambda t, y: -200 * (y - np.cos(t)),
        (0, 1),
        [0.0],
        method=GaussLegendre,
        rtol=1e-6,
        atol=1e-9,
        first_step=0.5,
    )
    exact = (200**2 * np.cos(1) + 200 * np.sin(1)) / (200**2 + 1)  # e^{-200} is gone
    assert abs(run.y[0, -1] - exact) < 1e-6


def test_imbalance_drifts_by_rounding_alone():
    energy = energies.Quadratic(np.diag([4.0, 3.0, 2.0]))
    start = weights.random((3, 4, 3, 3), 0.6, rng=0)
    options = {"rtol": 1e-5, "gtol": 0}
    ours = flows.gradient_flow(energy, start, (0, 2), method="GaussLegendre", **options)
    other = flows.gradient_flow(energy, start, (0, 2), method="RK45", **options)
    assert ours.imbalance_drift[-1] < 3e-14 * ours.imbalance.max()
    assert other.imbalance_drift[-1] > 1e-8  # what a tolerance of 1e-5 costs elsewhere
    fine = flows.gradient_flow(energy, start, (0, 2), method="DOP853", rtol=1e-11, gtol=0)
    assert_allclose(ours.W[-1], fine.W[-1], atol=1e-3)


def test_invariants_are_kept_between_steps_too():
    y0 = np.array([0.8, 0.6, 0.1])
    I = np.array([2.0, 1.0, 2 / 3])  # noqa: E741
    for t_span in ((0, 10), (10, 0)):
        run = solve_ivp(
            rigid_body, t_span, y0, method=GaussLegendre, rtol=1e-3, dense_output=True,
            t_eval=np.linspace(*t_span, 57),
        )  # fmt: skip
        exact = solve_ivp(
            rigid_body, t_span, y0, method="DOP853", rtol=1e-12, atol=1e-13, t_eval=run.t
        )
        for y in (run.y, run.sol(run.t)):
            assert np.abs((y**2).sum(axis=0) - y0 @ y0).max() < 1e-14
            assert np.abs((y**2 / I[:, None]).sum(axis=0) - y0 @ (y0 / I)).max() < 1e-14
            assert_allclose(y, exact.y, atol=1e-3)
    knots = run.sol.ts
    assert_allclose(run.sol(knots[3] + 1e-9), run.sol(knots[3] - 1e-9), atol=1e-7)


def test_imbalance_is_kept_at_the_times_asked_for():
    # values at t_eval came from cubics and lost it by 2e-6
    energy = energies.Quadratic(np.diag([4.0, 3.0, 2.0]))
    start = weights.random((3, 4, 3, 3), 0.6, rng=0)
    t = np.linspace(0, 2, 41)
    run = flows.gradient_flow(energy, start, (0, 2), method="GaussLegendre", t_eval=t, gtol=0)
    assert_allclose(run.t, t)
    assert run.imbalance_drift.max() < 3e-14 * run.imbalance.max()
    fine = flows.gradient_flow(energy, start, (0, 2), method="DOP853", rtol=1e-12, t_eval=t, gtol=0)
    assert_allclose(run.W, fine.W, atol=1e-5)
    stopped = flows.gradient_flow(energy, start, (0, 2), method="GaussLegendre", stop_loss=1.0)
    assert stopped.energy[-1] <= 1.0
    assert stopped.imbalance_drift.max() < 3e-14 * run.imbalance.max()


@pytest.mark.parametrize("bad", [{"rtol": 0}, {"atol": -1}, {"max_step": 0}, {"first_step": -1}])
def test_bad_options(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        GaussLegendre(pendulum, 0, [1.0, 0.0], 1, **bad)


def test_blow_up_is_reported():
    run = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method=GaussLegendre)
    assert run.status == -1
    assert abs(run.t[-1] - 1) < 1e-3


def drift(method, steps, every):
    """The largest drift of an imbalance, at steps and between them, where iteration diverges.

    h times the Jacobian's norm is about 2.5 at the start: fixed points are not found.
    """
    energy = energies.Quadratic(np.random.default_rng(0).standard_normal((10, 10)))
    start = weights.random((10,) * 4, 0.6, rng=0)
    shape = (10,) * 4

    def velocity(t, y):
        layers = weights.gradient(energy, weights.from_vector(y, shape))
        return -weights.to_vector(layers)

    y0, h = weights.to_vector(start), 0.004
    solver = method(velocity, 0.0, y0, steps * h, rtol=1e3, atol=1e3, max_step=h, first_step=h)
    before, worst = weights.imbalance(start), 0.0
    for k in range(steps):
        solver.step()
        if k < 5 or k % every == 0 or k == steps - 1:
            between = solver.dense_output()(solver.t_old + 0.3 * (solver.t - solver.t_old))
            for y in (solver.y, between):
                after = weights.imbalance(weights.from_vector(y, shape))
                gaps = [np.linalg.norm(a - b) for a, b in zip(after, before, strict=True)]
                worst = max(worst, *gaps)
    assert solver.status == "finished" and solver.rejected == 0
    return worst


ALL = pytest.mark.parametrize("method", [GaussLegendre, GaussLegendre2, GaussLegendre6])


@ALL
def test_imbalances_are_kept_where_iteration_diverges(method):
    assert drift(method, 200, 50) < 1e-13


@pytest.mark.slow
@ALL
def test_imbalances_are_kept_over_a_hundred_thousand_steps(method):
    assert drift(method, 100_000, 5_000) < 1e-13


@pytest.mark.parametrize(
    ("method", "order"), [(GaussLegendre2, 2), (GaussLegendre, 4), (GaussLegendre6, 6)]
)
def test_each_has_its_order(method, order):
    assert method.order == order
    counts = np.array([5, 10, 20, 40])
    exact = solve_ivp(pendulum, (0, 2), [1.2, 0.4], method="DOP853", rtol=1e-13, atol=1e-14)
    errors = []
    for n in counts:
        y, h = np.array([1.2, 0.4]), 2 / n
        for k in range(n):
            y, solved = gauss_step(pendulum, k * h, y, pendulum(k * h, y), h, order)
            assert solved
        errors.append(np.abs(y - exact.y[:, -1]).max())
    assert abs(np.polyfit(np.log(2 / counts), np.log(errors), 1)[0] - order) < 0.15


@ALL
def test_tolerances_are_followed_at_any_order(method):
    exact = solve_ivp(pendulum, (0, 5), [1.2, 0.4], method="DOP853", rtol=1e-12, atol=1e-13)
    for rtol in (1e-3, 1e-5):
        run = solve_ivp(pendulum, (0, 5), [1.2, 0.4], method=method, rtol=rtol, atol=rtol / 100)
        assert_allclose(run.y[:, -1], exact.y[:, -1], atol=100 * rtol)


@ALL
def test_names_of_the_flows(method):
    energy = energies.Quadratic(np.diag([4.0, 3.0, 2.0]))
    start = weights.random((3, 4, 3, 3), 0.6, rng=0)
    t = np.linspace(0, 1, 11)
    options = {"method": method.__name__, "t_eval": t, "gtol": 0, "rtol": 1e-4}
    run = flows.gradient_flow(energy, start, (0, 1), **options)
    assert run.imbalance_drift.max() < 3e-14 * run.imbalance.max()
    again = flows.gradient_flow(energy, start, (0, 1), **(options | {"method": method}))
    assert (run.W == again.W).all()
