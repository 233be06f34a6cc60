"""The face to pymanopt: its optimisers and checks on (full-rank matrices, g^N)."""

import math
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("pymanopt")

import pymanopt
from pymanopt.manifolds import Euclidean
from pymanopt.optimizers import ConjugateGradient, SteepestDescent

from dlngeo.dynamics.flows import gradient_flow
from dlngeo.energies import MatrixCompletion, Quadratic
from dlngeo.interop.pymanopt import DeepLinearManifold

INF = math.inf
KINDS = [(3, 3, 1), (3, 3, 2), (4, 2, 3), (2, 3, 2.5), (1, 3, 4), (3, 3, INF)]


def problem_of(energy, manifold):
    return pymanopt.Problem(
        manifold,
        pymanopt.function.numpy(manifold)(lambda W: float(energy.value(W))),
        euclidean_gradient=pymanopt.function.numpy(manifold)(energy.gradient),
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
    with pytest.raises(NotImplementedError):
        manifold.euclidean_to_riemannian_hessian(*rng.standard_normal((4, 2, 2)))


def test_the_library_does_not_import_pymanopt():
    code = (
        "import sys, dlngeo\n"
        "for name in dlngeo.__all__: getattr(dlngeo, name)\n"
        "assert 'pymanopt' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
