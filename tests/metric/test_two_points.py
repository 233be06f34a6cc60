"""Geodesics between two matrices: their energy, its derivatives, and what the paths satisfy."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from dlngeo import metric
from dlngeo._lobatto import rule
from dlngeo.metric import _closed_forms, _two_points
from dlngeo.metric._lagrangian import energy, local, parts, stretches
from dlngeo.metric._polynomial_paths import Paths
from dlngeo.spectral.frame import Frame

INF = math.inf
DEPTHS = [1.02, 1.5, 2, 2.5, 3, 4, 7, 12, 13, 50, INF]


def slope(function, h=2e-3):
    """The derivative at 0, by Richardson extrapolation."""
    levels = [(function(x) - function(-x)) / (2 * x) for x in (h, h / 2, h / 4, h / 8)]
    for order in (4, 16, 64):
        levels = [(order * fine - coarse) / (order - 1) for coarse, fine in pairwise(levels)]
    return levels[0]


def invertible(d, rng, count=2):
    """Random matrices of one component."""
    W = rng.standard_normal((count, d, d))
    W[np.linalg.det(W) < 0, 0] *= -1
    return W


def refind(W, V, depth, rank=None):
    """How far the geodesic of the logarithm ends from V, relative to V."""
    end = metric.exp(W, metric.log(W, V, depth, rank=rank), depth, rank=rank)
    return np.abs(end - V).max() / np.abs(V).max()


# ------------------------------------------------------------------------------- points, energy


@pytest.mark.parametrize("degree", [2, 3, 8, 25])
def test_the_rule_is_exact_for_polynomials(degree):
    points = rule(degree)
    t = points.times
    assert_allclose(t + t[::-1], 1, atol=1e-15)
    for power in range(2 * degree):
        assert_allclose(points.weights @ t**power, 1 / (power + 1), rtol=1e-13)
    for power in range(1, degree + 1):
        assert_allclose(points.slope @ t**power, power * t ** (power - 1), atol=1e-11)
    bump = t * (1 - t)  # -u″ = 2 with u = 0 at both ends
    assert_allclose(points.flat @ (2 * points.weights)[1:-1], bump[1:-1], atol=1e-14)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("a", [[1.0, 1.0, 0.8, 0.8 + 1e-13, 0.4], [2.0, 1.0, 0.5, 0.2, 0.15]])
def test_energy_is_the_metric_and_the_force_its_derivative(depth, a, rng):
    U, V = (np.linalg.qr(rng.standard_normal((5, 5)))[0] for _ in range(2))
    v, Z = rng.standard_normal((2, 5, 5))
    a = np.array(a)
    Y, W = (U * a) @ V, (U * a**2) @ V
    L, momentum, force, _ = energy(Y, v, depth, 5)
    s, t = stretches(a, a)
    S, A = parts(U.T @ v @ V.T)
    speed = U @ (s * S + t * A) @ V  # of Y → W
    h = 1e-5 * a.min()
    roots = (np.linalg.svd(Y + x * v) for x in (h, -h))
    ends = [(left * sigma**2) @ right for left, sigma, right in roots]
    assert_allclose((ends[0] - ends[1]) / (2 * h), speed, atol=1e-7)
    assert_allclose(2 * L, metric.inner(W, speed, speed, depth), rtol=1e-11)
    if a.min() > 0.1:
        Z *= 0.3
        want = slope(lambda x: energy(Y + x * Z, v, depth, 5)[0])
        assert_allclose((force * Z).sum(), want, atol=1e-9 * np.abs(force).max())
        want = slope(lambda x: energy(Y, v + x * Z, depth, 5)[0])
        assert_allclose((momentum * Z).sum(), want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("depth", [1.5, 2, 3, 2.5, 20])
def test_energy_below_full_rank_is_that_of_the_stratum(depth, rng):
    Y = rng.standard_normal((4, 2)) @ rng.standard_normal((2, 4))
    U, a, Vt = np.linalg.svd(Y)
    outside = U[:, 2:] @ U[:, 2:].T @ rng.standard_normal((4, 4)) @ Vt[2:].T @ Vt[2:]
    Z = rng.standard_normal((4, 4))
    v = Z - U[:, 2:] @ U[:, 2:].T @ Z @ Vt[2:].T @ Vt[2:]
    L, momentum, force, _ = energy(Y, v + outside, depth, 2)
    a[2:] = 0
    s, t = stretches(a, a)
    S, A = parts(U.T @ v @ Vt.T)
    speed = U @ (s * S + t * A) @ Vt
    W = (U * a**2) @ Vt
    assert_allclose(2 * L, metric.inner(W, speed, speed, depth, rank=2), rtol=1e-11)
    for part in (momentum, force):
        assert_allclose(U[:, 2:].T @ part @ Vt[2:].T, 0, atol=1e-11 * np.abs(part).max())


@pytest.mark.parametrize(("rank", "blocks"), [(3, False), (2, True)])
@pytest.mark.parametrize("depth", [2, 3, 2.5])
def test_gradient_of_the_energy_of_a_path(rank, blocks, depth, rng):
    """By differences, below full rank with the last block following."""
    ends = [rng.standard_normal((3, rank)) @ rng.standard_normal((rank, 3)) for _ in range(2)]
    ends[1] = 0.2 * ends[1] + ends[0] if rank == 3 else ends[0] @ np.diag([1.1, 0.9, 1.2])
    paths = Paths(ends[0], ends[1] - ends[0], depth, rank, blocks, 5)
    eta, Z = 0.02 * rng.standard_normal((2, 1, 4, 3, 3))
    if blocks:
        eta[..., rank:, rank:] = Z[..., rank:, rank:] = 0
    found = (paths.value(eta).gradient * Z).sum()
    want = slope(lambda x: paths.value(eta + x * Z).energy[0], h=1e-2)
    assert_allclose(found, want, rtol=1e-8)


# ----------------------------------------------------------------------------- far-away pairs


@pytest.mark.parametrize(("d", "count"), [(2, 6), (3, 3), (5, 1)])
def test_random_pairs_of_one_component_at_infinite_depth(d, count, rng):
    for _ in range(count):
        assert refind(*invertible(d, rng), INF) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3, 4, 5])
def test_a_hundred_random_pairs_at_infinite_depth(d, rng):
    """g^∞ is complete: every pair of one component has a geodesic."""
    for _ in range(100):
        assert refind(*invertible(d, rng), INF) < 1e-10


def test_a_long_geodesic_is_followed_to_its_end():
    """3,305 evaluations; the condition number of its start is 5,182."""
    rng = np.random.default_rng(1062)
    W, V = rng.standard_normal((2, 3, 3))
    if np.linalg.det(W) * np.linalg.det(V) < 0:
        V[0] *= -1
    assert refind(W, V, INF) < 1e-10


@pytest.mark.parametrize("depth", [1.5, 2, 2.5, 3, 7, 40])
@pytest.mark.parametrize("d", [2, 4])
def test_random_pairs_at_finite_depth(depth, d, rng):
    found = 0
    for _ in range(3):
        W, V = invertible(d, rng)
        try:
            assert refind(W, V, depth) < 1e-10
            found += 1
        except np.linalg.LinAlgError as error:  # there may be none within full rank
            assert "no geodesic" in str(error)
    assert found >= 2


@pytest.mark.parametrize(("m", "n", "rank"), [(2, 3, 2), (4, 2, 2), (4, 3, 2)])
@pytest.mark.parametrize("depth", [2, 3, 2.5])
def test_far_pairs_of_other_shapes_and_ranks(m, n, rank, depth, rng):
    for _ in range(1 if rank < min(m, n) else 2):
        W, V = (rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)) for _ in range(2))
        try:
            found = metric.connect(W, V, depth, rank=rank)
        except np.linalg.LinAlgError as error:
            assert "no geodesic" in str(error)
            continue
        if found.velocity is None:
            continue
        end = metric.exp(W, found.velocity, depth, rank=rank)
        assert_allclose(end, V, atol=1e-9 * np.abs(V).max())
        length = np.sqrt(metric.inner(W, found.velocity, found.velocity, depth, rank=rank))
        assert_allclose(found.distance, length, rtol=1e-9)


def test_both_signs_of_the_last_block(rng):
    """Ranges one direction of which is turned by more than a right angle, and less."""
    W = np.zeros((4, 4))
    W[:2, :2] = [[2.0, 0.3], [0.1, 1.0]]
    for angle in (1.4, 1.75):
        turn = np.eye(4)
        turn[1:3, 1:3] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        assert refind(W, turn @ W, 3, rank=2) < 1e-10


@pytest.mark.parametrize("depth", [1.5, 2, 3, 2.5, INF])
def test_points_of_the_path_are_those_of_the_geodesic(depth, rng):
    W, V = invertible(3, rng)
    found = metric.connect(W, V, depth)
    want = metric.geodesic(W, found.velocity, depth, np.linspace(0, 1, 17))
    assert_allclose(found.path, want, atol=1e-11)
    assert_allclose(found.distance, metric.distance(W, V, depth), rtol=1e-13)


@pytest.mark.parametrize("depth", [2, 3, 2.5, INF])
def test_the_slope_of_the_squared_distance_is_the_logarithm(depth, rng):
    """d(d²/2) = -g(log, ·) at the start: first variation, by differences."""
    W, V = invertible(3, rng)
    Z, direction = metric.log(W, V, depth), rng.standard_normal((3, 3))
    direction *= 0.05 * np.linalg.norm(W)
    found = slope(lambda x: 0.5 * metric.distance(W + x * direction, V, depth) ** 2, h=0.02)
    assert_allclose(found, -metric.inner(W, Z, direction, depth), rtol=1e-7)


def test_no_chain_of_matrices_is_shorter():
    """Chords measured midway, by brute force; 16 of them are some 1e-3 off."""
    W, V = np.array([[1.0, 0.2], [-0.3, 0.8]]), np.array([[0.4, -0.9], [0.8, 0.6]])
    for depth in (3, INF):
        far = metric.distance(W, V, depth)

        def chain(x, depth=depth):
            points = np.concatenate((W[None], x.reshape(-1, 2, 2), V[None]))
            steps, middle = np.diff(points, axis=0), 0.5 * (points[1:] + points[:-1])
            return len(steps) * metric.inner(middle, steps, steps, depth).sum()

        start = metric.connect(W, V, depth).path[1:-1]
        relaxed = minimize(chain, start.ravel(), method="L-BFGS-B", options={"maxiter": 60})
        assert_allclose(np.sqrt(relaxed.fun), far, rtol=2e-3)


# ------------------------------------------------------------------------ closed forms, corners


@pytest.mark.parametrize("d", [2, 5])
def test_bures_wasserstein_and_the_path_agree(d, rng):
    """The closed form, turned by an orthogonal matrix, beside the general method."""
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    A, B = (Q @ (M @ M.T + 0.1 * np.eye(d)) for M in rng.standard_normal((2, d, d)))
    start, end = (Frame.of(W, 2, d) for W in (A, B))
    times = np.linspace(0, 1, 17)
    length, velocity, path = _closed_forms.same_polar_factor(start, B, times)
    pair = _two_points.ends(start, end, B - A)
    found = _two_points.shortest(pair, _two_points.starts(pair), 1e-12)
    assert_allclose(found.length, length, rtol=1e-12)
    assert_allclose(found.velocity, velocity, atol=1e-10)
    assert_allclose(found.points(times), path, atol=1e-10)
    assert_allclose(metric.log(A, B, 2), velocity, atol=1e-15)
    assert (
        _closed_forms.same_polar_factor(start, B + 1e-9 * rng.standard_normal((d, d)), times)
        is None
    )


@pytest.mark.parametrize("depth", [1.5, 2, 2.5, 3, 13, INF])
def test_neighbours_lose_no_digits(depth, rng):
    """At 1e-12 the distance is the metric's, to the curvature of that size."""
    W, Z = invertible(3, rng)
    V = W + 1e-12 * Z
    apart = V - W  # exact
    norm = np.sqrt(metric.inner(W, apart, apart, depth))
    assert_allclose(metric.distance(W, V, depth), norm, rtol=1e-10)
    assert_allclose(metric.log(W, V, depth), apart, rtol=1e-9, atol=1e-10 * np.abs(apart).max())


@pytest.mark.parametrize("depth", [1.5, 2, 3, INF])
def test_equal_matrices(depth, rng):
    W = invertible(3, rng)[0]
    assert metric.distance(W, W, depth) < 1e-14
    assert_allclose(metric.log(W, W, depth), 0, atol=1e-14)


@pytest.mark.parametrize("depth", [2, 3, INF])
def test_coincident_singular_values(depth, rng):
    """Multiples of orthogonal matrices; a half turn, where geodesics are many."""
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    Q *= np.sign(np.linalg.det(Q))
    assert refind(2 * np.eye(3), Q, depth) < 1e-10
    assert refind(np.eye(2), -np.eye(2), depth) < 1e-10
    assert refind(np.diag([3.0, 2.0, 1.0]), np.diag([1.0, 2.0, 3.0]), depth) < 1e-10


@pytest.mark.parametrize("depth", [2, 3])
def test_graded_pairs(depth, rng):
    """Singular values from 1 to 1e-8: what exp cannot follow is judged by the other direction."""
    A, B, C = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(3))
    near = np.linalg.qr(np.eye(3) + 0.05 * rng.standard_normal((3, 3)))[0]
    W, V = (A * [1, 1e-4, 1e-8]) @ B, (near @ A * [1, 2e-4, 3e-8]) @ B
    there, back = metric.distance(W, V, depth), metric.distance(V, W, depth)
    assert_allclose(there, back, rtol=1e-8)
    velocity = metric.log(W, V, depth)
    assert_allclose(np.sqrt(metric.inner(W, velocity, velocity, depth)), there, rtol=1e-7)
    assert_allclose(metric.distance(C @ W, C @ V, depth), there, rtol=1e-7)


def test_local_scales_are_the_metric(rng):
    Y = invertible(3, rng)[0]
    X = rng.standard_normal((3, 3))
    here, _ = local(Y, 3, 3)
    assert_allclose(here.map(-1.0, here.map(1.0, X)), X, atol=1e-12)
    assert_allclose((X * here.map(1.0, X)).sum(), 2 * energy(Y, X, 3, 3)[0], rtol=1e-12)


entries = st.integers(-20, 20).map(lambda k: k / 8)
matrices = st.lists(entries, min_size=4, max_size=4).map(lambda x: np.reshape(x, (2, 2)))


@settings(max_examples=8)
@given(matrices, matrices, st.sampled_from([2.5, INF]), st.floats(0, 6.28))
def test_distance_is_symmetric_invariant_and_homogeneous(W, V, depth, angle):
    assume(np.linalg.det(W) * np.linalg.det(V) > 0.05)
    assume(min(np.linalg.svd(A, compute_uv=False)[1] for A in (W, V)) > 0.2)
    c, s = np.cos(angle), np.sin(angle)
    Q, P = np.array([[c, -s], [s, c]]), np.array([[s, c], [c, -s]])
    try:
        there = metric.connect(W, V, depth)
    except np.linalg.LinAlgError:  # none within full rank
        assume(False)
    scale = 3.0 ** (0 if math.isinf(depth) else 1 / depth)
    for A, B, factor in (
        (V, W, 1),
        (Q @ W @ P, Q @ V @ P, 1),
        (W.T, V.T, 1),
        (3 * W, 3 * V, scale),
    ):
        other = metric.connect(A, B, depth)
        assert_allclose(other.distance, factor * there.distance, rtol=1e-8, atol=1e-13)
