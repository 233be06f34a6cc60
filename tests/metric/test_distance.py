"""Logarithm and distance: closed forms, axioms of a distance, discrete geodesics upstairs."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced, metric, submersion
from dlngeo.metric._discrete_geodesics import discrete_geodesic

# m, n, rank, depth
CASES = [
    (2, 2, 2, 2),
    (3, 3, 3, 3),
    (3, 3, 3, 2.5),
    (3, 3, 3, np.inf),
    (2, 3, 2, 3),
    (3, 3, 2, 3),
    (4, 3, 1, 2),
]


def pair(m, n, r, depth, length, rng):
    """A matrix, a tangent vector of this length, and the end of its geodesic."""
    W = rng.standard_normal((m, r)) @ rng.standard_normal((r, n))
    Z = metric.apply(W, rng.standard_normal((m, n)), depth, rank=r)
    Z *= length / np.sqrt(metric.inner(W, Z, Z, depth, rank=r))
    return W, Z, metric.exp(W, Z, depth, rank=r)


@pytest.mark.parametrize(("m", "n", "r", "depth"), CASES)
def test_log_inverts_exp(m, n, r, depth, rng):
    W, Z, end = pair(m, n, r, depth, 0.5, rng)
    assert_allclose(metric.log(W, end, depth, rank=r), Z, atol=1e-10)
    assert_allclose(metric.distance(W, end, depth, rank=r), 0.5, rtol=1e-10)


@pytest.mark.parametrize(("m", "n", "r", "depth"), CASES)
def test_distance_is_symmetric_and_invariant(m, n, r, depth, rng):
    W, _, end = pair(m, n, r, depth, 0.7, rng)
    Q = np.linalg.qr(rng.standard_normal((m, m)))[0]
    P = np.linalg.qr(rng.standard_normal((n, n)))[0]
    assert_allclose(metric.distance(end, W, depth, rank=r), 0.7, rtol=1e-9)
    assert_allclose(metric.distance(W.T, end.T, depth, rank=r), 0.7, rtol=1e-9)
    assert_allclose(metric.distance(Q @ W @ P, Q @ end @ P, depth, rank=r), 0.7, rtol=1e-9)


@pytest.mark.parametrize("depth", [2, 3])
def test_triangle_inequality(depth, rng):
    W = rng.standard_normal((3, 2, 2)) + 2 * np.eye(2)
    d = metric.distance(W[:, None], W[None], depth)
    assert_allclose(np.diagonal(d), 0, atol=1e-14)
    assert_allclose(d, d.T, rtol=1e-9)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        assert d[i, j] < d[i, k] + d[k, j]


@pytest.mark.parametrize("d", [2, 4])
def test_depth_two_is_sqrt_two_bures_wasserstein(d, rng):
    A, B = (M @ M.T + 0.1 * np.eye(d) for M in rng.standard_normal((2, d, d)))
    root = _root(A)
    squared = np.trace(A) + np.trace(B) - 2 * np.trace(_root(root @ B @ root))
    assert_allclose(submersion.bures_wasserstein(A, B), np.sqrt(squared), rtol=1e-12)
    assert_allclose(metric.distance(A, B, 2), np.sqrt(2 * squared), rtol=1e-10)


def _root(A):
    values, vectors = np.linalg.eigh(A)
    return (vectors * np.sqrt(values)) @ vectors.T


def test_bures_wasserstein_loses_no_digits_between_neighbours(rng):
    A = np.diag([2.0, 1.0, 1e-3])
    B = A + np.diag([0, 1e-9, 0])
    exact = np.sqrt(1 + 1e-9) - 1  # commuting: ‖√A - √B‖
    assert_allclose(submersion.bures_wasserstein(A, B), exact, rtol=1e-6)
    assert submersion.bures_wasserstein(A, A) < 1e-15
    with pytest.raises(ValueError, match="semidefinite"):
        submersion.bures_wasserstein(A, -A)
    with pytest.raises(ValueError, match="symmetric"):
        submersion.bures_wasserstein(A, rng.standard_normal((3, 3)))
    with pytest.raises(ValueError, match="same size"):
        submersion.bures_wasserstein(A, np.eye(2))


@pytest.mark.parametrize("depth", [2, 3, np.inf])
def test_same_frames_in_the_same_order_are_exact(depth):
    s, t = np.array([3.0, 1.0, 1e-90]), np.array([0.5, 0.25, 1e-100])
    log = np.isinf(depth)
    exact = np.log(s / t) if log else np.sqrt(depth) * (s ** (1 / depth) - t ** (1 / depth))
    found = metric.connect(np.diag(s), np.diag(t), depth)
    assert_allclose(found.distance, np.linalg.norm(exact), rtol=1e-15)
    assert not found.touches_boundary
    assert_allclose(found.path[0], np.diag(s), rtol=1e-13)
    assert_allclose(found.path[-1], np.diag(t), rtol=1e-12)


@pytest.mark.parametrize(("depth", "tol"), [(2, 1e-12), (3, 1e-12), (np.inf, 1e-12)])
def test_same_frames_of_dense_matrices(depth, tol, rng):
    U, V = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
    s, t = np.array([3.0, 2.0, 2.0, 0.4]), np.array([1.5, 1.5, 1.0, 0.1])
    log = np.isinf(depth)
    exact = np.log(s / t) if log else np.sqrt(depth) * (s ** (1 / depth) - t ** (1 / depth))
    found = metric.connect(U * s @ V, U * t @ V, depth)
    assert_allclose(found.distance, np.linalg.norm(exact), rtol=tol)
    speed = np.sqrt(metric.inner(U * s @ V, found.velocity, found.velocity, depth))
    assert_allclose(speed, found.distance, rtol=tol)


@pytest.mark.parametrize("depth", [2, 3])
def test_rotations_lie_on_a_flat_cone(depth):
    # d = 2: ρ R(θ) has polar coordinates (√2N ρ^{1/N}, θ/N) in a flat plane
    theta, rho = 2.5, 0.6
    W = rho * np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    lam = rho ** (1 / depth)
    exact = np.sqrt(2 * depth * (1 + lam**2 - 2 * lam * np.cos(theta / depth)))
    assert_allclose(metric.distance(np.eye(2), W, depth), exact, rtol=1e-10)


def test_distance_at_depth_one_is_the_frobenius_distance(rng):
    W, X = rng.standard_normal((2, 3, 4))
    assert_allclose(metric.distance(W, X, 1), np.linalg.norm(W - X), rtol=1e-15)
    assert_allclose(metric.log(W, X, 1), X - W)


def test_neighbours_are_as_far_apart_as_the_metric_says(rng):
    W, Z = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    for h in (1e-3, 1e-6):
        near = metric.distance(W, W + h * Z, 3) / (h * np.sqrt(metric.inner(W, Z, Z, 3)))
        assert abs(near - 1) < 10 * h


@pytest.mark.parametrize(("m", "n", "r", "depth"), [(2, 2, 2, 2), (3, 3, 3, 3), (3, 2, 1, 3)])
def test_distance_is_that_of_the_fibres(m, n, r, depth, rng):
    # Theorem 13: discrete geodesics of balanced networks, gauges free (error some 1e-5)
    W, Z, _ = pair(m, n, r, depth, 0.6, rng)
    geodesic = metric.geodesic(W, Z, depth, np.linspace(0, 1, 5), rank=r)
    geodesic[1:-1] += 0.01 * np.linalg.norm(W) * rng.standard_normal((3, m, n))
    U, s, Vt = np.linalg.svd(geodesic, full_matrices=False)
    path = (U[..., :r] * s[..., None, :r]) @ Vt[..., :r, :]
    found = discrete_geodesic(path, depth, r)
    assert_allclose(found.length, 0.6, rtol=2e-5)
    assert_allclose(found.path[0], W, atol=1e-12)


def test_chain_length_is_a_length_upstairs(rng):
    # no gauge can make two fibres closer than the distance downstairs, nor much farther for long
    W, _, end = pair(3, 3, 3, 2, 0.3, rng)
    sample = [
        np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(one, two, strict=True)))
        for one, two in (
            (balanced.lift(W, 2, rng=k), balanced.lift(end, 2, rng=k + 1)) for k in range(200)
        )
    ]
    assert min(sample) > 0.3 * (1 - 0.02)  # chords upstairs are shorter than arcs, by the square


def test_opposite_determinants_have_no_path(rng):
    W = rng.standard_normal((3, 3))
    with pytest.raises(np.linalg.LinAlgError, match="determinants of the same sign"):
        metric.distance(W, -W, 3)
    with pytest.raises(np.linalg.LinAlgError, match="determinants of the same sign"):
        metric.log([[1.0]], [[-2.0]], 4)


def test_a_rectangle_turns_round():
    # 1 × 2: ds² = 2(dλ² + λ² dθ²/2) with λ = |W|^{1/2}, a cone of angle π/√2 between these two,
    # although the straight line between them runs through zero
    exact = 2 * np.sqrt(2) * np.sin(np.pi / np.sqrt(8))
    assert_allclose(metric.distance([[1.0, 0.0]], [[-1.0, 0.0]], 2), exact, rtol=1e-10)


def test_infinite_depth_needs_common_spaces(rng):
    core = rng.standard_normal((2, 2, 2)) + 2 * np.eye(2)
    U, V = (np.linalg.qr(rng.standard_normal((d, 2)))[0] for d in (3, 4))
    A, B = U @ core[0] @ V.T, U @ core[1] @ V.T
    with pytest.warns(metric.FrozenSpaceWarning):
        distance = metric.distance(A, B, np.inf, rank=2)
    assert_allclose(distance, metric.distance(core[0], core[1], np.inf), rtol=1e-9)
    with (
        pytest.warns(metric.FrozenSpaceWarning),
        pytest.raises(np.linalg.LinAlgError, match="row and column spaces"),
    ):
        metric.log(A, rng.standard_normal((3, 2)) @ V.T, np.inf, rank=2)


def test_stacks_broadcast(rng):
    W = np.eye(2) + 0.1 * rng.standard_normal((3, 2, 2))
    X = np.eye(2) + 0.1 * rng.standard_normal((2, 1, 2, 2))
    d, Z = metric.distance(W, X, 3), metric.log(W, X, 3)
    assert d.shape == (2, 3)
    assert Z.shape == (2, 3, 2, 2)
    assert_allclose(d[1, 2], metric.distance(W[2], X[1, 0], 3), rtol=1e-12)
    assert_allclose(Z[1, 2], metric.log(W[2], X[1, 0], 3), atol=1e-12)


def test_empty_stacks_keep_their_shapes():
    assert metric.distance(np.ones((0, 2, 2)), np.eye(2), 3).shape == (0,)
    assert metric.log(np.ones((0, 2, 2)), np.eye(2), 3).shape == (0, 2, 2)


def test_bad_input():
    with pytest.raises(ValueError, match="same shape"):
        metric.distance(np.eye(2), np.eye(3), 2)
    with pytest.raises(np.linalg.LinAlgError, match="W1 must have full rank 2"):
        metric.distance(np.eye(2), np.diag([1.0, 0.0]), 2)
    with pytest.raises(ValueError, match="one matrix"):
        metric.connect(np.ones((2, 2, 2)), np.eye(2), 2)


def test_length_of_a_chain_is_extrapolated():
    """16 chords are 1.7e-5 short, 8 of them 7e-5; the extrapolated length is 4e-7 off."""
    W0, W1 = np.array([[1.0, 0.2], [-0.1, 0.8]]), np.array([[0.5, 0.9], [-0.7, 1.3]])
    t = np.linspace(0, 1, 5)[:, None, None]
    found = discrete_geodesic((1 - t) * W0 + t * W1, 2, 2)
    assert found.path.shape == (17, 2, 2)
    assert_allclose(found.length, metric.distance(W0, W1, 2), rtol=3e-6)


# ------------------------------------------------------------------------- the cone of 1 x n


def on_the_cone(a, b, depth):
    """The distance of two rows: g^N is a cone there, of radius √N σ^{1/N} and angle θ/√N."""
    sizes = [math.hypot(*row[0]) for row in (a, b)]
    u, v = a[0] / sizes[0], b[0] / sizes[1]
    angle = 2 * math.atan2(math.hypot(*(u - v)), math.hypot(*(u + v))) / math.sqrt(depth)
    r, s = (size ** (1 / depth) for size in sizes)
    return math.sqrt(depth) * math.hypot(r - s, 2 * math.sqrt(r * s) * math.sin(angle / 2))


@pytest.mark.parametrize("size", [1e-150, 1e-20, 1.0, 1e150])
@pytest.mark.parametrize("depth", [1.0001, 1.5, 2, 7, 50])
@pytest.mark.parametrize("apart", [1e-9, 0.7, math.pi - 1e-3, math.pi - 1e-12])
def test_rows(size, depth, apart):
    """Any size, any angle: beyond it there is another, longer geodesic the other way round."""
    a = np.array([[0.8, -0.6]])
    b = 1.3 * np.array([[math.cos(apart), math.sin(apart)]]) @ [[0.8, -0.6], [0.6, 0.8]]
    want = on_the_cone(a, b, depth) * size ** (1 / depth)
    assert metric.distance(size * a, size * b, depth) == pytest.approx(want, rel=1e-14)
    assert metric.distance(size * a.T, size * b.T, depth) == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize(("m", "n"), [(1, 3), (4, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("depth", [1.5, 2, 7])
def test_rank_one(m, n, depth, rng):
    """The velocity leads there, its length is the distance, and the path is its geodesic."""
    W, V = (np.outer(rng.standard_normal(m), rng.standard_normal(n)) for _ in range(2))
    found = metric.connect(W, V, depth, rank=1)
    Z = found.velocity
    np.testing.assert_allclose(metric.exp(W, Z, depth, rank=1), V, atol=1e-11)
    norm = math.sqrt(metric.inner(W, Z, Z, depth, rank=1))
    assert norm == pytest.approx(found.distance, rel=1e-13)
    path = metric.geodesic(W, Z, depth, np.linspace(0, 1, 17), rank=1)
    np.testing.assert_allclose(found.path, path, atol=1e-11)
    assert not found.touches_boundary
    assert metric.distance(V, W, depth, rank=1) == pytest.approx(found.distance, rel=1e-14)


def test_opposite_rows():
    """Any of the great circles will do; a column of one entry has none."""
    a = np.array([[0.6, 0.8]])
    found = metric.connect(a, -2 * a, 3)
    assert found.distance == pytest.approx(on_the_cone(a, -2 * a, 3), rel=1e-14)
    np.testing.assert_allclose(metric.exp(a, found.velocity, 3), -2 * a, atol=1e-11)
    with pytest.raises(np.linalg.LinAlgError, match="same sign"):
        metric.distance([[1.0]], [[-1.0]], 3)


@pytest.mark.parametrize(("size", "depth"), [(1e-20, 2), (1e150, 2), (1e-150, 3)])
def test_square_matrices_of_any_size(size, depth):
    W, V = np.array([[1.0, 0.2], [-0.3, 0.8]]), np.array([[0.7, -0.1], [0.2, 1.3]])
    one, other = metric.connect(W, V, depth), metric.connect(size * W, size * V, depth)
    assert other.distance == pytest.approx(one.distance * size ** (1 / depth), rel=1e-10)
    np.testing.assert_allclose(other.velocity / size, one.velocity, rtol=1e-9)
    np.testing.assert_allclose(other.path / size, one.path, rtol=1e-9)
