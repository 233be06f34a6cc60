"""Closed forms against the golden values, quadrature in 25 digits, and the integrators.

An error of the solution is judged by backward error: the time that quadrature finds between start
and solution, times the velocity there, is the error of the solution.
"""

import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dlngeo import exact, flows, weights
from dlngeo.energies import Quadratic

INF = math.inf
EPS = np.finfo(float).eps
TIGHT = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-15, "gtol": 0.0}


def time_between(start, end, velocity):
    """∫ dx / velocity(x), by mpmath in the logarithm of x, for positive start and end."""
    with mpmath.workdps(25):
        a, b = mpmath.log(mpmath.mpf(float(start))), mpmath.log(mpmath.mpf(float(end)))
        unit = mpmath.exp(b) / velocity(mpmath.exp(b))  # quad knows absolute accuracy alone
        return unit * mpmath.quad(
            lambda L: mpmath.exp(L) / velocity(mpmath.exp(L)) / unit, mpmath.linspace(a, b, 8)
        )


def relative_error(start, end, t, velocity):
    """The relative error of ``end`` as the state after t."""
    with mpmath.workdps(25):
        late = time_between(start, end, velocity) - mpmath.mpf(float(t))
        return float(abs(late * velocity(mpmath.mpf(float(end))) / mpmath.mpf(float(end))))


def arrived(start, end, limit, t, velocity):
    """Whether ``end`` is the limit to rounding, and ``t`` late enough for that."""
    if abs(end / limit - 1) > 1e-15:
        return False
    close = end * (1 + math.copysign(2e-15, start - end))
    assert time_between(start, close, velocity) < t
    return True


# ------------------------------------------------------------------------- decoupled paths (55)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_decoupled_velocity_is_the_flow_of_diagonal_weights(depth, rng):
    xi, sigma = rng.standard_normal((4, depth, 3)), rng.standard_normal(3)
    xi[0, 0, 0] = xi[1, :2, 1] = 0.0  # one zero layer, two zero layers
    layers = tuple(xi[:, k, :, None] * np.eye(3) for k in range(depth))
    want = weights.gradient(Quadratic(np.diag(sigma)), layers)
    found = exact.decoupled_velocity(xi, sigma)
    for k in range(depth):
        np.testing.assert_allclose(-found[:, k, :, None] * np.eye(3), want[k], atol=1e-14)


def test_decoupled_velocity_takes_targets_in_stacks(rng):
    xi, sigma = rng.standard_normal((5, 2, 3)), rng.standard_normal((5, 3))
    found = exact.decoupled_velocity(xi, sigma)
    for k in range(5):
        np.testing.assert_array_equal(found[k], exact.decoupled_velocity(xi[k], sigma[k]))


# --------------------------------------------------------------------------- the scalar (61)


def test_golden_values_of_61(golden_flow):
    for case in golden_flow["eq61"]["cases"]:
        h, sigma, z = case["h"], float(case["sigma"]), float(case["z0"])
        t = np.array(case["t"], dtype=float)
        want = np.array(case["z"], dtype=float)
        np.testing.assert_allclose(exact.layer_value(t, z, sigma, h), want, rtol=3e-15)
        product = exact.singular_value(t, z**h, sigma, h)
        np.testing.assert_allclose(product, want**h, rtol=6e-15)
        half = exact.passage_time(z**h, sigma / 2, sigma, h)
        np.testing.assert_allclose(half, float(case["t_half_of_product"]), rtol=3e-15)
        limit = exact.layer_value(INF, z, sigma, h)
        np.testing.assert_allclose(limit, float(case["z_inf"]), rtol=1e-15)


@pytest.mark.parametrize("depth", [2, 3, 4, 50])
@pytest.mark.parametrize("sigma", [2.0, -1.5, 0.0, 1e-12, -1e-30, 1e-200])
@pytest.mark.parametrize("z", [0.3, 1.3])
def test_layer_value_by_quadrature(z, sigma, depth):
    def velocity(z):
        return z ** (depth - 1) * (mpmath.mpf(sigma) - z**depth)

    for t in (1e-3, 1.7):
        end = float(exact.layer_value(t, z, sigma, depth))
        if sigma > 0 and arrived(z, end, sigma ** (1 / depth), t, velocity):
            continue
        # log v of the product is h log z: its rounding is h times that of z.
        assert relative_error(z, end, t, velocity) < (4 + 2 * depth) * EPS


@pytest.mark.parametrize("depth", [2, 2.0001, 2.5, 3, 10, 1000.0, INF])
@pytest.mark.parametrize("sigma", [2.0, -1.5, 0.0, 1e-9])
@pytest.mark.parametrize("s", [1e-3, 3.0])
def test_singular_value_by_quadrature(s, sigma, depth):
    def velocity(s):
        n, power = (1, mpmath.mpf(2)) if depth == INF else (depth, 2 - 2 / mpmath.mpf(depth))
        return n * s**power * (mpmath.mpf(sigma) - s)

    for t in (1e-3, 1.7):
        end = float(exact.singular_value(t, s, sigma, depth))
        if sigma > 0 and arrived(s, end, sigma, t, velocity):
            continue
        if end > 1e-12:  # below, quadrature loses more digits than the function
            assert relative_error(s, end, t, velocity) < 100 * EPS
        if sigma > 0 and abs(end / sigma - 1) > 1e-3:
            back = exact.passage_time(s, end, sigma, depth)
            slack = EPS * abs(float(end / velocity(mpmath.mpf(end))))
            slack += EPS * abs(float(s / velocity(mpmath.mpf(s))))
            np.testing.assert_allclose(back, t, rtol=1e-13, atol=20 * slack)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("sigma", [1.5, 0.0, -1.0])
def test_every_sign_against_the_integrator(depth, sigma):
    t = np.array([0.0, 0.5, 1.0, 4.0])
    starts = np.array([-1.2, -0.4, 0.0, 0.4, 1.2])
    layers = (starts[:, None, None],) * depth
    run = flows.gradient_flow(Quadratic([[sigma]]), layers, (0, 4), t_eval=t, **TIGHT)
    found = exact.layer_value(t[:, None], starts, sigma, depth)
    for W in run.weights:
        np.testing.assert_allclose(found, W[..., 0, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 2.5, INF])
def test_diagonal_flow_downstairs(depth):
    """Each singular value of a diagonal W moves alone, (4.11) and (14.7)."""
    t = np.linspace(0, 3, 5)
    start, target = np.array([0.2, 0.5, 1.1]), np.array([1.0, 2.0, 0.5])
    run = flows.gradient_flow(
        Quadratic(np.diag(target)), np.diag(start), (0, 3), depth=depth, t_eval=t, **TIGHT
    )
    found = exact.singular_value(t[:, None], start, target, depth)
    np.testing.assert_allclose(run.W, found[..., None] * np.eye(3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("widths", [(3, 3, 3), (4, 3, 5, 3)], ids=str)
def test_balanced_aligned_weights_follow_it(widths, rng):
    """In the singular frames of the target, whatever the hidden layers' bases."""
    depth, t = len(widths) - 1, np.linspace(0, 2, 5)
    U, _ = np.linalg.qr(rng.standard_normal((widths[-1], 3)))
    V, _ = np.linalg.qr(rng.standard_normal((widths[0], 3)))
    frames = [V, *(np.linalg.qr(rng.standard_normal((d, 3)))[0] for d in widths[1:-1]), U]
    z, sigma = np.array([0.3, 0.6, 0.9]), np.array([3.0, 1.0, 0.2])
    layers = tuple((Q * z) @ P.T for P, Q in itertools.pairwise(frames))
    run = flows.gradient_flow(Quadratic((U * sigma) @ V.T), layers, (0, 2), t_eval=t, **TIGHT)
    s = exact.singular_value(t[:, None], z**depth, sigma, depth)
    np.testing.assert_allclose(run.W, (U * s[:, None, :]) @ V.T, rtol=0, atol=1e-12)


def test_equilibria_and_limits():
    limit = exact.layer_value
    np.testing.assert_array_equal(limit(INF, [-2.0, 0.0, 2.0], 0.0, 3), np.zeros(3))
    np.testing.assert_allclose(limit(INF, [-2, -1e-9, 0, 1e-9, 2], 8.0, 3), [0, 0, 0, 2, 2])
    np.testing.assert_allclose(limit(INF, [-2, -1e-9, 0, 1e-9, 2], 16.0, 4), [-2, -2, 0, 2, 2])
    np.testing.assert_allclose(limit(INF, [-2, 0, 3], -8.0, 3), [-2, 0, 0])
    np.testing.assert_allclose(limit(INF, [-2, 0, 3], 5.0, 1), [5, 5, 5])
    for h in (2, 3, 5):  # at the equilibrium nothing moves, not even by rounding
        z = 7.0 ** (1 / h)
        np.testing.assert_allclose(limit([0, 1, 1e9], z, 7.0, h), z, rtol=2e-16)
        np.testing.assert_array_equal(limit(0.0, [-0.3, 0.0, 5.0], 2.0, h), [-0.3, 0.0, 5.0])


@pytest.mark.parametrize("depth", [2, 3, 5, 8])
def test_extremes_stay_finite(depth):
    z = np.array([1e-150, 1e-60, 1e-20, 1e-5, 1.0, 1e10, 1e30])
    t = np.array([0.0, 1e-300, 1e-3, 1.0, 1e10, 1e300, INF])[:, None]
    for sigma in (0.0, 5e-324, 1e-100, 1.0, 1e20, -1.0, -1e-100):
        with np.errstate(all="raise", under="ignore"):
            path = exact.layer_value(t, z, sigma, depth)
        assert np.isfinite(path).all() and (path >= 0).all()
        towards = abs(sigma) ** (1 / depth) if sigma > 0 else 0.0
        gap = np.abs(path - towards)
        assert (np.diff(gap, axis=0) <= 4 * EPS * (path[1:] + towards)).all()


def test_a_plateau_of_ten_to_the_twelve():
    """At depth 4 a start of 1e-6 stays for about 1/(2 σ z²), and its end is found to rounding."""
    z, sigma = 1e-6, 1.0
    plateau = float(exact.passage_time(z**4, 0.5, sigma, 4))
    velocity = lambda s: 4 * s ** mpmath.mpf("1.5") * (1 - s)  # noqa: E731
    want = time_between(z**4, 0.5, velocity)
    np.testing.assert_allclose(plateau, float(want), rtol=5e-15)
    assert 4.9e11 < plateau < 5.1e11
    np.testing.assert_allclose(
        exact.layer_value(0.9 * plateau, z, sigma, 4), z / 0.1**0.5, rtol=1e-9
    )


def test_misprint_hessian_of_61_lacks_the_factor_h():
    """d²/dz² ½(σ - z^h)² is h times what is printed; the printed one is -d(ż)/dz, by (61)."""
    h, sigma, z, e = 3, 2.0, 0.7, 1e-4
    printed = (h * z**h - (h - 1) * (sigma - z**h)) * z ** (h - 2)
    loss = lambda z: 0.5 * (sigma - z**h) ** 2  # noqa: E731
    second = (loss(z + e) - 2 * loss(z) + loss(z - e)) / e**2
    np.testing.assert_allclose(second, h * printed, rtol=1e-6)
    xi = np.full((2, h, 1), z) + np.array([e, -e])[:, None, None]
    slope = np.diff(exact.decoupled_velocity(xi, [sigma])[:, 0, 0]) / (2 * e)
    np.testing.assert_allclose(slope, printed, rtol=1e-6)


def test_passage_time_of_huge_and_tiny_targets():
    """Values times s make a passage faster by s^{2-2/N}."""
    want = exact.passage_time(1e-30, 0.5, 1.0, 3)
    for exponent in (-220, -30, 30, 235):
        scale = float(f"1e{exponent}")
        found = exact.passage_time(1e-30 * scale, 0.5 * scale, scale, 3)
        np.testing.assert_allclose(np.log(found), np.log(want) - 4 / 3 * np.log(scale), rtol=1e-13)


def test_passage_time_never_and_at_once():
    never = exact.passage_time([0.0, 0.5, 0.5, 2.0, 0.5], [0.5, 0.4, 1.0, 0.5, 2.0], 1.0, 3)
    assert np.isposinf(never).all()
    assert exact.passage_time(0.3, 0.3, 0.0, 3) == 0
    for depth in (1, 2, 3, INF):
        for start, end, sigma in [(2.0, 0.5, 0.0), (2.0, 0.5, -1.0), (0.1, 0.5, 1.0), (3, 2, 1.0)]:
            n, power = (1, 2.0) if depth == INF else (depth, 2 - 2 / depth)
            want = time_between(start, end, lambda s, n=n, p=power, g=sigma: n * s**p * (g - s))
            found = exact.passage_time(start, end, sigma, depth)
            np.testing.assert_allclose(found, float(want), rtol=1e-14)
            back = exact.singular_value(found, start, sigma, depth)
            np.testing.assert_allclose(back, end, rtol=1e-14)
    assert np.isposinf(exact.passage_time(2.0, 0.0, 0.0, 2))
    assert np.isposinf(exact.passage_time([0.5, 1.0, 2.0], [2.0, 2.0, 3.0], 1.0, 1)).all()


def test_a_stack_equals_a_loop(rng):
    t, z, sigma = rng.uniform(0, 2, (4, 1, 1)), rng.standard_normal((3, 1)), rng.standard_normal(5)
    for depth in (1, 2, 3, 4):
        path = exact.layer_value(t, z, sigma, depth)
        assert path.shape == (4, 3, 5)
        for k in np.ndindex(4, 3, 5):
            single = exact.layer_value(t[k[0], 0, 0], z[k[1], 0], sigma[k[2]], depth)
            np.testing.assert_allclose(path[k], single, rtol=1e-15)


def test_order_of_learning_needs_small_starts():
    """σ_1 = 2 reaches its half after σ_2 = 1 does if both start at 0.4 (depth 2)."""
    slow, fast = exact.passage_time(0.4, [1.0, 0.5], [2.0, 1.0], 2)
    np.testing.assert_allclose([slow, fast], [np.log(4) / 4, np.log(1.5) / 2], rtol=1e-14)
    assert slow > fast
    first, second = exact.passage_time(0.01, [1.0, 0.5], [2.0, 1.0], 2)
    assert first < second


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: exact.layer_value(-1.0, 1.0, 1.0, 2), ValueError, "t must be >= 0"),
        (lambda: exact.layer_value(np.nan, 1.0, 1.0, 2), ValueError, "t must be >= 0"),
        (lambda: exact.layer_value(1.0, INF, 1.0, 2), ValueError, "z must be finite"),
        (lambda: exact.layer_value(1.0, 1.0, np.nan, 2), ValueError, "sigma must be finite"),
        (lambda: exact.layer_value(1.0, 1.0, 1.0, 2.5), TypeError, "depth must be an integer"),
        (lambda: exact.layer_value(1.0, 1.0, 1.0, 0), ValueError, "depth must be an integer >= 1"),
        (lambda: exact.singular_value(1.0, -1.0, 1.0, 2), ValueError, "s must be non-negative"),
        (lambda: exact.singular_value(1.0, 1.0, 1.0, 1.5), ValueError, "number >= 2, or inf"),
        (lambda: exact.passage_time(1.0, -1.0, 1.0, 2), ValueError, "end must be non-negative"),
        (lambda: exact.decoupled_velocity(np.ones((2, 3)), [1.0]), ValueError, "one target a path"),
        (lambda: exact.decoupled_velocity(np.ones(3), [1.0]), ValueError, "xi must be a matrix"),
    ],
)
def test_bad_arguments_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_backwards_is_no_solution():
    """A check that the oracle can fail: a state a rounding away from the path is noticed."""
    velocity = lambda z: z**2 * (2 - z**3)  # noqa: E731
    end = float(exact.layer_value(1.0, 0.5, 2.0, 3))
    assert relative_error(0.5, end * (1 + 1e-13), 1.0, velocity) > 5e-14
    check = solve_ivp(lambda _, z: z**2 * (2 - z**3), (0, 1), [0.5], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(check.y[0, -1], end, rtol=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3, INF])
@pytest.mark.parametrize("sigma", [2.0, 0.0, -1.0])
def test_numbers_come_out_where_numbers_went_in(depth, sigma):
    values = [
        exact.singular_value(1.0, 0.5, sigma, depth),
        exact.passage_time(0.5, 0.8, sigma, depth),
        exact.layer_value(1.0, -0.5, sigma, 3 if depth == INF else depth),
    ]
    assert [type(value) for value in values] == [np.float64] * 3
