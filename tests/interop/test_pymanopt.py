"""The face to pymanopt: its optimisers and checks on (full-rank matrices, g^N)."""

import math
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("pymanopt")

import pymanopt
from pymanopt.manifolds import Euclidean
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions

from dlngeo.energies import MatrixCompletion, Quadratic
from dlngeo.flows import gradient_flow
from dlngeo.interop.pymanopt import DeepLinearManifold

INF = math.inf
KINDS = [(3, 3, 1), (3, 3, 2), (4, 2, 3), (2, 3, 2.5), (1, 3, 4), (3, 3, INF)]


def problem_of(energy, manifold):
    return pymanopt.Problem(
        manifold,
        pymanopt.function.numpy(manifold)(lambda W: float(energy.value(W))),
        euclidean_gradient=pymanopt.function.numpy(manifold)(energy.gradient),
        euclidean_hessian=pymanopt.function.numpy(manifold)(energy.hessian),
    )


def near(rng, m, n, spread=0.3):
    return np.eye(m, n) + spread * rng.standard_normal((m, n))


# ------------------------------------------------------------------------------------ the manifold


@pytest.mark.parametrize(("m", "n", "depth"), KINDS)
def test_random_tangent_vectors_have_length_one(m, n, depth):
    manifold = DeepLinearManifold(m, n, depth, rng=0)
    W = manifold.random_point()
    assert W.shape == (m, n)
    assert np.linalg.matrix_rank(W) == min(m, n)
    Z = manifold.random_tangent_vector(W)
    assert manifold.norm(W, Z) == pytest.approx(1, rel=1e-12)
    assert isinstance(manifold.inner_product(W, Z, Z), float)
    assert manifold.norm(W, manifold.zero_vector(W)) == 0
    assert manifold.dim == m * n
    assert manifold.typical_dist == pytest.approx(math.sqrt(m * n))
    np.testing.assert_array_equal(manifold.projection(W, Z), Z)
    np.testing.assert_array_equal(manifold.to_tangent_space(W, Z), Z)
    again = DeepLinearManifold(m, n, depth, rng=0)
    np.testing.assert_array_equal(again.random_point(), W)


@pytest.mark.parametrize(("m", "n", "depth"), KINDS)
def test_gradient_is_dual_to_the_differential(rng, m, n, depth):
    manifold = DeepLinearManifold(m, n, depth)
    W, E, Z = near(rng, m, n), *rng.standard_normal((2, m, n))
    gradient = manifold.euclidean_to_riemannian_gradient(W, E)
    assert manifold.inner_product(W, gradient, Z) == pytest.approx((E * Z).sum(), rel=1e-11)


@pytest.mark.parametrize(("m", "n", "depth"), KINDS)
def test_gradient_check_has_slope_two(rng, m, n, depth):
    """As pymanopt.tools.diagnostics.check_gradient, which NumPy 2.4 no longer runs."""
    manifold = DeepLinearManifold(m, n, depth, rng=1)
    problem = problem_of(Quadratic(np.ones((m, n))), manifold)
    W = near(rng, m, n)
    Z = manifold.random_tangent_vector(W)
    slope = manifold.inner_product(W, problem.riemannian_gradient(W), Z)
    steps = np.logspace(-4, -1, 10)
    ahead = np.array([problem.cost(manifold.retraction(W, h * Z)) for h in steps])
    error = np.abs(ahead - problem.cost(W) - slope * steps)
    assert np.polyfit(np.log(steps), np.log(error), 1)[0] == pytest.approx(2, abs=1e-3)


@pytest.mark.parametrize(("m", "n", "depth"), [(2, 2, 2), (3, 2, 3), (2, 2, INF)])
def test_retraction_agrees_with_exp_to_first_order(rng, m, n, depth):
    manifold = DeepLinearManifold(m, n, depth, rng=2)
    W = near(rng, m, n)
    Z = manifold.random_tangent_vector(W)
    gaps = [np.abs(manifold.exp(W, h * Z) - manifold.retraction(W, h * Z)).max() / h**2
            for h in (1e-2, 1e-3, 1e-4)]  # fmt: skip
    assert gaps[0] > 1e-3  # of first order, not of second
    np.testing.assert_allclose(gaps, gaps[-1], rtol=0.05)


@pytest.mark.parametrize(("m", "n", "depth"), KINDS)
def test_transport_is_a_smooth_isometry(rng, m, n, depth):
    manifold = DeepLinearManifold(m, n, depth)
    W, V, Y, Z = near(rng, m, n), near(rng, m, n), *rng.standard_normal((2, m, n))
    moved = manifold.transport(W, V, Y), manifold.transport(W, V, Z)
    want = manifold.inner_product(W, Y, Z)
    size = manifold.norm(W, Y) * manifold.norm(W, Z)
    assert manifold.inner_product(V, *moved) == pytest.approx(want, abs=1e-12 * size)
    np.testing.assert_allclose(manifold.transport(W, W, Z), Z, atol=1e-12)
    np.testing.assert_allclose(manifold.transport(V, W, moved[1]), Z, atol=1e-11)
    near_by = manifold.transport(W, W + 1e-7 * Y, Z)
    np.testing.assert_allclose(near_by, Z, atol=1e-5)


@pytest.mark.parametrize(("m", "n", "depth"), [(2, 2, 1), (2, 2, 2), (2, 2, INF)])
def test_geodesics(rng, m, n, depth):
    manifold = DeepLinearManifold(m, n, depth)
    W, V = near(rng, m, n, 0.15), near(rng, m, n, 0.15)
    velocity = manifold.log(W, V)
    np.testing.assert_allclose(manifold.exp(W, velocity), V, atol=1e-11)
    assert manifold.norm(W, velocity) == pytest.approx(manifold.dist(W, V), rel=1e-11)
    middle = manifold.pair_mean(W, V)
    assert manifold.dist(W, middle) == pytest.approx(manifold.dist(W, V) / 2, rel=1e-10)
    assert manifold.dist(V, middle) == pytest.approx(manifold.dist(W, V) / 2, rel=1e-10)
    np.testing.assert_allclose(middle, manifold.pair_mean(V, W), atol=1e-10)


def test_depth_one_is_euclidean_space(rng):
    manifold, other = DeepLinearManifold(3, 2, 1), Euclidean(3, 2)
    W, V, Y, Z = rng.standard_normal((4, 3, 2))
    for name, arguments in {
        "inner_product": (W, Y, Z),
        "norm": (W, Y),
        "dist": (W, V),
        "exp": (W, Z),
        "log": (W, V),
        "retraction": (W, Z),
        "transport": (W, V, Z),
        "pair_mean": (W, V),
        "projection": (W, Z),
        "euclidean_to_riemannian_gradient": (W, Z),
    }.items():
        got, want = (getattr(space, name)(*arguments) for space in (manifold, other))
        np.testing.assert_allclose(got, want, atol=1e-14)
    assert manifold.typical_dist == other.typical_dist


def test_depth_one_needs_no_decomposition(monkeypatch, rng):
    """It is Euclidean space, and costs what that costs."""
    manifold = DeepLinearManifold(3, 2, 1, rng=0)
    W, V, Y, Z = rng.standard_normal((4, 3, 2))

    def refuse(*arguments, **keywords):
        raise AssertionError("a decomposition")

    for name in ("svd", "eigh", "qr", "solve", "det", "slogdet"):
        monkeypatch.setattr(np.linalg, name, refuse)
    manifold.inner_product(W, Y, Z), manifold.norm(W, Y), manifold.dist(W, V)
    manifold.exp(W, Z), manifold.log(W, V), manifold.pair_mean(W, V)
    manifold.retraction(W, Z), manifold.transport(W, V, Z), manifold.random_tangent_vector(W)
    manifold.euclidean_to_riemannian_gradient(W, Y)
    bend = manifold.euclidean_to_riemannian_hessian(W, Y, V, Z)
    np.testing.assert_array_equal(bend, V)
    assert not any(np.shares_memory(bend, A) for A in (W, V, Y, Z))


def test_random_points_come_from_the_component_that_is_asked_for():
    signs = {None: {1, -1}, 1: {1}, -1: {-1}}
    for component, want in signs.items():
        manifold = DeepLinearManifold(3, 3, 2, rng=0, component=component)
        points = [manifold.random_point() for _ in range(40)]
        assert {int(np.sign(np.linalg.det(W))) for W in points} == want
    plain = DeepLinearManifold(3, 3, 2, rng=0)
    assert all(np.linalg.det(plain.random_point()) > 0 for _ in range(40))
    for component in (1, -1):  # any two points have a distance
        joined = DeepLinearManifold(1, 1, 2, rng=1, component=component)
        assert joined.dist(joined.random_point(), joined.random_point()) > 0


# --------------------------------------------------------------------------- the Hessian


class Sines:
    """E = Σ sin(c_ij W_ij): no quadratic energy."""

    def __init__(self, shape):
        self.c = np.cos(np.arange(1.0, math.prod(shape) + 1) ** 2).reshape(shape) + 1.2

    def value(self, W):
        return np.sin(self.c * W).sum()

    def gradient(self, W):
        return self.c * np.cos(self.c * W)

    def hessian(self, W, Z):
        return -(self.c**2) * np.sin(self.c * W) * Z


def hessian_of(manifold, energy, W, Z):
    return manifold.euclidean_to_riemannian_hessian(W, energy.gradient(W), energy.hessian(W, Z), Z)


HESSIAN_KINDS = [*KINDS, (2, 2, 1.5), (2, 3, 1.2), (3, 2, 2), (4, 1, 7), (2, 2, 20)]


@pytest.mark.parametrize(("m", "n", "depth"), HESSIAN_KINDS)
def test_the_hessian_is_the_second_derivative_along_geodesics(rng, m, n, depth):
    manifold, energy = DeepLinearManifold(m, n, depth, rng=3), Sines((m, n))
    W = near(rng, m, n)
    Z = 0.3 * manifold.random_tangent_vector(W)
    h = 3e-3
    values = [energy.value(manifold.exp(W, k * h * Z)) for k in (-2, -1, 0, 1, 2)]
    want = np.dot([-1, 16, -30, 16, -1], values) / (12 * h**2)
    got = manifold.inner_product(W, hessian_of(manifold, energy, W, Z), Z)
    assert got == pytest.approx(want, abs=1e-8)


@pytest.mark.parametrize(("m", "n", "depth"), HESSIAN_KINDS)
def test_the_hessian_is_linear_and_symmetric(rng, m, n, depth):
    manifold, energy = DeepLinearManifold(m, n, depth, rng=4), Sines((m, n))
    W = near(rng, m, n)
    Y, Z = manifold.random_tangent_vector(W), manifold.random_tangent_vector(W)
    of_Y, of_Z = hessian_of(manifold, energy, W, Y), hessian_of(manifold, energy, W, Z)
    both = hessian_of(manifold, energy, W, 2 * Y - 3 * Z)
    np.testing.assert_allclose(both, 2 * of_Y - 3 * of_Z, atol=1e-11)
    one, other = manifold.inner_product(W, of_Y, Z), manifold.inner_product(W, Y, of_Z)
    assert one == pytest.approx(other, abs=1e-11)


@pytest.mark.parametrize("depth", [1.5, 2, 3, INF])
@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-7, 1e-3])
def test_the_hessian_where_singular_values_meet(depth, gap):
    """The limit along a line of points on which nothing meets, linear in the distance."""
    manifold, energy = DeepLinearManifold(2, 2, depth), Sines((2, 2))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    Z = np.array([[0.3, -0.2], [0.5, 0.1]])

    def at(g):
        return hessian_of(manifold, energy, turn @ np.diag([1.0, 1.0 - g]), Z)

    want = (at(0.02) - 5 * at(0.016) + 10 * at(0.012) - 10 * at(0.008) + 5 * at(0.004)) + gap * (
        -25 / 12 * at(0.004) + 4 * at(0.008) - 3 * at(0.012) + 4 / 3 * at(0.016) - at(0.02) / 4
    ) / 0.004
    np.testing.assert_allclose(at(gap), want, atol=2e-6 + 10 * gap**2)


@pytest.mark.parametrize(("m", "n", "depth"), [(3, 3, 2), (2, 3, 3), (2, 2, INF)])
def test_hessian_check_has_slope_three(rng, m, n, depth):
    """As pymanopt.tools.diagnostics.check_hessian, which NumPy 2.4 no longer runs."""
    manifold, energy = DeepLinearManifold(m, n, depth, rng=1), Sines((m, n))
    W = near(rng, m, n)
    Z = 0.3 * manifold.random_tangent_vector(W)
    gradient = manifold.euclidean_to_riemannian_gradient(W, energy.gradient(W))
    slope = manifold.inner_product(W, gradient, Z)
    bend = manifold.inner_product(W, hessian_of(manifold, energy, W, Z), Z)
    steps = np.logspace(-2, -0.5, 8)
    ahead = np.array([energy.value(manifold.exp(W, h * Z)) for h in steps])
    error = np.abs(ahead - energy.value(W) - slope * steps - bend / 2 * steps**2)
    assert np.polyfit(np.log(steps), np.log(error), 1)[0] == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(("m", "n", "depth"), [(4, 4, 1.5), (4, 4, 2), (5, 3, 3), (3, 3, INF)])
def test_trust_regions_complete_a_matrix(rng, m, n, depth):
    """To a gradient of 1e-9 in a few steps, at the end quadratically."""
    truth = near(rng, m, n, 0.3)
    mask = rng.random((m, n)) < 0.7
    mask[0, 0] = True
    energy = MatrixCompletion(truth, mask)
    manifold = DeepLinearManifold(m, n, depth)
    problem = problem_of(energy, manifold)
    run = TrustRegions(verbosity=0, min_gradient_norm=1e-9, max_iterations=60)
    result = run.run(problem, initial_point=near(rng, m, n, 0.1))
    assert result.cost < 1e-18
    assert result.iterations < 25
    np.testing.assert_allclose(result.point[mask], truth[mask], atol=1e-8)


# ------------------------------------------------------------------------------------ optimisers


@pytest.mark.parametrize("optimiser", [SteepestDescent, ConjugateGradient])
@pytest.mark.parametrize(("m", "n", "depth"), [(3, 3, 1), (3, 3, 2), (4, 2, 3), (3, 3, INF)])
def test_optimisers_reach_the_minimum_of_a_quadratic(rng, optimiser, m, n, depth):
    target = near(rng, m, n)
    problem = problem_of(Quadratic(target), DeepLinearManifold(m, n, depth))
    run = optimiser(verbosity=0, min_gradient_norm=1e-8, max_iterations=500, min_step_size=0)
    result = run.run(problem, initial_point=near(rng, m, n, 0.1))
    np.testing.assert_allclose(result.point, target, atol=1e-7)


@pytest.mark.parametrize("optimiser", [SteepestDescent, ConjugateGradient])
def test_optimisers_complete_a_matrix(rng, optimiser):
    """The diagonal and one more entry of 3 x 3, from one matrix: the minimum is 0."""
    mask = np.eye(3, dtype=bool)
    mask[0, 1] = True
    energy = MatrixCompletion(rng.uniform(0.5, 2, (3, 3)), mask)
    problem = problem_of(energy, DeepLinearManifold(3, 3, 2))
    run = optimiser(verbosity=0, min_gradient_norm=1e-8, max_iterations=500, min_step_size=0)
    result = run.run(problem, initial_point=near(rng, 3, 3, 0.1))
    assert result.cost < 1e-14


def test_small_steps_follow_the_gradient_flow():
    """Explicit Euler steps through gradient and retraction, against an integrated flow."""
    energy = Quadratic(np.array([[1.0, 0.2], [-0.3, 0.7]]))
    start = np.array([[0.5, 0.1], [0.0, 0.4]])
    manifold = DeepLinearManifold(2, 2, 3)
    problem = problem_of(energy, manifold)
    want = gradient_flow(energy, start, (0.0, 1.0), depth=3, rtol=1e-10, atol=1e-12).W[-1]
    errors = []
    for steps in (200, 400):
        W = start
        for _ in range(steps):
            W = manifold.retraction(W, -problem.riemannian_gradient(W) / steps)
        errors.append(np.abs(W - want).max())
    assert errors[0] < 1e-2
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.05)


# ---------------------------------------------------------------------------------------- refusals


def test_what_is_refused(rng):
    manifold = DeepLinearManifold(2, 2, 2)
    with pytest.raises(np.linalg.LinAlgError):
        manifold.inner_product(np.diag([1.0, 0.0]), np.eye(2), np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        manifold.exp(np.eye(2), -np.diag([4.0, 0.0]))
    with pytest.raises(ValueError, match="shape"):
        manifold.retraction(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match="at depth inf"):
        DeepLinearManifold(2, 3, INF)
    with pytest.raises(ValueError, match="m must be"):
        DeepLinearManifold(0, 3, 2)
    with pytest.raises(ValueError, match="depth must be"):
        DeepLinearManifold(2, 3, 0.5)
    for component, m in ((0, 2), (2, 2), (-1, 3)):
        with pytest.raises(ValueError, match="component must be"):
            DeepLinearManifold(m, 2, 2, component=component)
    with pytest.raises(np.linalg.LinAlgError):
        manifold.euclidean_to_riemannian_hessian(np.diag([1.0, 0.0]), *np.ones((3, 2, 2)))


METHODS = {
    "inner_product": ("point", "tangent_vector_a", "tangent_vector_b"),
    "norm": ("point", "tangent_vector"),
    "euclidean_to_riemannian_gradient": ("point", "euclidean_gradient"),
    "euclidean_to_riemannian_hessian": (
        "point", "euclidean_gradient", "euclidean_hessian", "tangent_vector",
    ),
    "random_tangent_vector": ("point",),
    "zero_vector": ("point",),
    "projection": ("point", "vector"),
    "to_tangent_space": ("point", "vector"),
    "retraction": ("point", "tangent_vector"),
    "transport": ("point_a", "point_b", "tangent_vector_a"),
    "exp": ("point", "tangent_vector"),
    "log": ("point_a", "point_b"),
    "dist": ("point_a", "point_b"),
    "pair_mean": ("point_a", "point_b"),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("depth", [1, 2])
def test_every_argument_is_one_finite_matrix_of_the_shape(name, depth):
    """None is broadcast, and none passes unseen; the message names the argument."""
    manifold, good = DeepLinearManifold(2, 2, depth, rng=0), np.array([[1.0, 0.1], [0.0, 1.0]])
    method = getattr(manifold, name)
    method(*(good for _ in METHODS[name]))
    wrong = [1.0, np.eye(3), np.ones((1, 2)), np.stack((good, good)), np.full((2, 2), np.nan)]
    for k, argument in enumerate(METHODS[name]):
        for value in wrong:
            arguments = [good for _ in METHODS[name]]
            arguments[k] = value
            with pytest.raises(ValueError, match=rf"^{argument} must"):
                method(*arguments)
        arguments[k] = "point"
        with pytest.raises(TypeError, match=rf"^{argument} must"):
            method(*arguments)


def test_the_library_does_not_import_pymanopt():
    code = (
        "import sys, dlngeo\n"
        "for name in dlngeo.__all__: getattr(dlngeo, name)\n"
        "assert 'pymanopt' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
