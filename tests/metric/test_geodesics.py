"""Geodesics in Hamiltonian form: against finite differences, conserved quantities, closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import metric
from dlngeo.metric import _geodesics
from dlngeo.spectral.frame import Frame

# m, n, rank, depth
CASES = [
    (3, 3, 3, 2),
    (3, 3, 3, 3),
    (3, 3, 3, 2.5),
    (2, 2, 2, 12),
    (3, 3, 3, np.inf),
    (3, 4, 3, 3),
    (5, 3, 3, 2),
    (4, 4, 2, 3),
    (3, 5, 2, 4),
    (4, 3, 1, 2.5),
]


def point(m, n, r, rng):
    return rng.standard_normal((m, r)) @ rng.standard_normal((r, n))


def tangent(W, r, Z):
    """The projection on the tangent space of the rank-r matrices."""
    U, _, Vt = np.linalg.svd(W)
    U, V = U[:, :r], Vt[:r].T
    m, n = W.shape
    return Z - (np.eye(m) - U @ U.T) @ Z @ (np.eye(n) - V @ V.T)


def hamiltonian(W, P, depth, r):
    """½⟨P, 𝒜P⟩ by the metric operator."""
    return 0.5 * np.sum(P * metric.apply(W, P, depth, rank=r))


def cut(W, r):
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    return (U[:, :r] * s[:r]) @ Vt[:r]


@pytest.mark.parametrize(("m", "n", "r", "depth"), CASES)
def test_force_is_minus_the_gradient_of_the_hamiltonian(m, n, r, depth, rng):
    W = point(m, n, r, rng)
    P = tangent(W, r, rng.standard_normal((m, n)))
    velocity, force = _geodesics.hamilton(Frame.of(W, depth, r), P)
    assert_allclose(velocity, metric.apply(W, P, depth, rank=r), rtol=1e-12, atol=1e-12)
    for _ in range(3):
        Z, h = tangent(W, r, rng.standard_normal((m, n))), 1e-5
        rise = [hamiltonian(cut(W + s * h * Z, r), P, depth, r) for s in (1, -1)]
        slope = (rise[0] - rise[1]) / (2 * h)
        assert_allclose(np.sum(force * Z), -slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("depth", [2, 3, 2.5, 20, np.inf])
def test_force_is_smooth_where_singular_values_meet(depth, rng):
    U, V = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    P = rng.standard_normal((3, 3))
    force = [
        _geodesics.hamilton(Frame.of(U * [2.0, 1 + gap, 1.0] @ V, depth, 3), P)[1]
        for gap in (0.0, 1e-15, 1e-12, 1e-9)
    ]
    for other in force[1:]:
        assert_allclose(other, force[0], atol=1e-7 * np.abs(force[0]).max())
    assert_allclose(force[1], force[0], atol=1e-12 * np.abs(force[0]).max())


@pytest.mark.parametrize(("m", "n", "r", "depth"), CASES)
def test_speed_and_angular_momenta_are_conserved(m, n, r, depth, rng):
    W = point(m, n, r, rng)
    Z = 0.3 * tangent(W, r, rng.standard_normal((m, n)))
    speed = metric.inner(W, Z, Z, depth, rank=r)
    Z = Z * 0.4 / np.sqrt(speed)
    h, t = 1e-3, 0.6
    stencil = np.array([1, -8, 0, 8, -1]) / (12 * h)
    path = metric.geodesic(W, Z, depth, t + h * np.arange(-2, 3), rank=r)
    here, velocity = path[2], np.tensordot(stencil, path, axes=1)
    assert np.linalg.matrix_rank(here, tol=1e-10) == r
    assert_allclose(metric.inner(here, velocity, velocity, depth, rank=r), 0.16, rtol=1e-8)
    P0, P1 = (metric.solve(X, Y, depth, rank=r) for X, Y in ((W, Z), (here, velocity)))
    for left, right in ((W, P0), (W.T, P0.T)):
        start = right @ left.T - left @ right.T
        moved, momentum = (here, P1) if left is W else (here.T, P1.T)
        end = momentum @ moved.T - moved @ momentum.T
        assert_allclose(end, start, atol=1e-8 * np.abs(P0).max() * np.abs(W).max())


@pytest.mark.parametrize(("m", "n", "r", "depth"), CASES)
def test_geodesics_start_as_told_and_can_be_run_back(m, n, r, depth, rng):
    W = point(m, n, r, rng)
    Z = tangent(W, r, rng.standard_normal((m, n)))
    Z *= 0.4 / np.sqrt(metric.inner(W, Z, Z, depth, rank=r))
    h = 1e-4
    times = np.array([1.0, h, 0.0, -h])  # in any order
    path = metric.geodesic(W, Z, depth, times, rank=r)
    assert path.shape == (4, m, n)
    assert_allclose(path[2], cut(W, r), atol=1e-13)
    assert_allclose((path[1] - path[3]) / (2 * h), Z, atol=1e-6)
    assert_allclose(metric.exp(W, Z, depth, rank=r), path[0], atol=1e-11)


@pytest.mark.parametrize("depth", [2, 3, 2.5, np.inf])
def test_diagonal_matrices_are_flat(depth):
    # the root λ = σ^{1/N} (log σ at depth inf) moves on a straight line, orders may cross
    s, speed, t = np.array([2.0, 1.0, 0.3]), np.array([-0.5, 0.4, 0.1]), np.linspace(0, 1, 5)
    if np.isinf(depth):
        exact = s * np.exp(np.outer(t, speed))
        Z = np.diag(s * speed)
    else:
        lam = s ** (1 / depth)
        exact = (lam + np.outer(t, speed)) ** depth
        Z = np.diag(depth * lam ** (depth - 1) * speed)
    path = metric.geodesic(np.diag(s), Z, depth, t)
    assert_allclose(path, exact[:, :, None] * np.eye(3), atol=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 7])
def test_rotated_multiples_of_the_identity_are_a_flat_cone(depth):
    # W = ρ R(θ), d = 2: ds² = 2N(dλ² + λ² dθ²/N²) with λ = ρ^{1/N}, so that in the plane with polar
    # angle θ/N geodesics are straight lines.
    radial, angular, t = 0.2, 0.7, 0.8
    J = np.array([[0.0, -1.0], [1.0, 0.0]])
    Z = depth * radial * np.eye(2) + angular * J
    flat = 1 + t * (radial + 1j * angular / depth)
    rho, theta = np.abs(flat) ** depth, depth * np.angle(flat)
    exact = rho * (np.cos(theta) * np.eye(2) + np.sin(theta) * J)
    assert_allclose(metric.geodesic(np.eye(2), Z, depth, [t])[0], exact, atol=1e-12)


def test_depth_two_symmetric_geodesics_are_those_of_bures_wasserstein(rng):
    # (I + tL) A (I + tL) with SL + LS = Z (Bhatia, Jain and Lim, 2019)
    B = rng.standard_normal((4, 4))
    A = B @ B.T + np.eye(4)
    L = 0.2 * rng.standard_normal((4, 4))
    L = L + L.T
    t = np.linspace(-0.5, 1, 4)
    exact = [(np.eye(4) + s * L) @ A @ (np.eye(4) + s * L) for s in t]
    assert_allclose(metric.geodesic(A, A @ L + L @ A, 2, t), exact, atol=1e-11)


@pytest.mark.parametrize("W", [np.eye(3), np.arange(12.0).reshape(3, 4) - 5])
def test_depth_one_is_flat(W, rng):
    Z = rng.standard_normal(W.shape)
    path = metric.geodesic(W, Z, 1, [0.0, 0.5, -2.0])
    assert_allclose(path, [W, W + 0.5 * Z, W - 2 * Z], atol=1e-14)


def test_finite_depth_tends_to_infinite_depth_like_one_over_n(rng):
    # N g^N → g^∞: the same velocity traces the same curve
    W, Z = rng.standard_normal((3, 3)) + 2 * np.eye(3), 0.3 * rng.standard_normal((3, 3))
    limit = metric.exp(W, Z, np.inf)
    depths = np.array([50, 100, 200, 400])
    errors = [np.abs(metric.exp(W, Z, N) - limit).max() for N in depths]
    assert errors[0] > 1e-4
    order = np.polyfit(np.log(depths), np.log(errors), 1)[0]
    assert abs(order + 1) < 0.02
    metrics = [N * metric.inner(W, Z, Z, N) / metric.inner(W, Z, Z, np.inf) - 1 for N in depths]
    assert abs(np.polyfit(np.log(depths), np.log(np.abs(metrics)), 1)[0] + 1) < 0.02


def test_equivariance_and_scaling(rng):
    W, Z = rng.standard_normal((3, 4)), 0.2 * rng.standard_normal((3, 4))
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    P = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    end = metric.exp(W, Z, 3)
    assert_allclose(metric.exp(Q @ W @ P, Q @ Z @ P, 3), Q @ end @ P, atol=1e-11)
    assert_allclose(metric.exp(W.T, Z.T, 3), end.T, atol=1e-11)
    assert_allclose(metric.exp(1e-200 * W, 1e-200 * Z, 3), 1e-200 * end, atol=1e-211)


def test_stacks_are_loops(rng):
    W, Z = rng.standard_normal((2, 1, 3, 3)), 0.1 * rng.standard_normal((4, 3, 3))
    path = metric.geodesic(W, Z, 3, [0.5, 1.0])
    assert path.shape == (2, 2, 4, 3, 3)
    for i in range(2):
        for j in range(4):
            assert_allclose(
                path[:, i, j], metric.geodesic(W[i, 0], Z[j], 3, [0.5, 1.0]), atol=1e-10
            )


def test_leaving_full_rank_is_an_error_that_says_when():
    # λ_2 = 1 - 2t vanishes at t = 1/2
    W, Z = np.diag([2.0, 1.0]), np.diag([0.0, -6.0])
    with pytest.raises(
        np.linalg.LinAlgError, match=r"rank below 2 at t = 0\.49|rank below 2 at t = 0\.5"
    ):
        metric.exp(W, Z, 3)
    assert_allclose(metric.geodesic(W, Z, 3, [0.4])[0], np.diag([2.0, 0.2**3]), atol=1e-12)


def test_infinite_depth_keeps_frozen_spaces(rng):
    W, Z = point(4, 5, 2, rng), rng.standard_normal((4, 5))
    with pytest.warns(metric.FrozenSpaceWarning):
        end = metric.exp(W, Z, np.inf, rank=2)
    U, _, Vt = np.linalg.svd(W)
    assert_allclose(U[:, 2:].T @ end, 0, atol=1e-12)
    assert_allclose(end @ Vt[2:].T, 0, atol=1e-12)
    core = metric.exp(U[:, :2].T @ W @ Vt[:2].T, U[:, :2].T @ Z @ Vt[:2].T, np.inf)
    assert_allclose(end, U[:, :2] @ core @ Vt[:2], atol=1e-10)


def test_bad_input():
    W = np.eye(2)
    with pytest.raises(ValueError, match="times must have shape"):
        metric.geodesic(W, W, 2, 1.0)
    with pytest.raises(ValueError, match="times must be finite"):
        metric.geodesic(W, W, 2, [np.nan])
    with pytest.raises(ValueError, match="Z must have shape"):
        metric.exp(W, np.eye(3), 2)
    with pytest.raises(np.linalg.LinAlgError, match="pass rank="):
        metric.exp(np.diag([1.0, 0.0]), W, 2)
    with pytest.raises(ValueError, match="depth"):
        metric.exp(W, W, 0.5)
    with pytest.raises(np.linalg.LinAlgError, match=r"could not be followed|range of floating"):
        metric.exp(np.eye(2), 1e4 * np.eye(2), np.inf)
