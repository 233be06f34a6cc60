"""Geodesics of the balanced manifold with the ambient metric, and O'Neill's tensor.

Against the definition (normal acceleration), the submersion onto g^N, and differences.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced, metric, submersion, weights
from dlngeo.balanced import geodesics
from dlngeo.balanced.integrability import integrability

SIZES = [(1, 3), (2, 1), (2, 2), (2, 5), (3, 3), (4, 2)]  # d, depth


def point(d, depth, rng, size=1.0):
    """A network and a tangent vector of this norm."""
    layers = balanced.random((d,) * (depth + 1), np.linspace(2, 0.8, d), rng=rng)
    V = np.stack(balanced.project_tangent(layers, rng.standard_normal((depth, d, d))))
    return np.stack(layers), V * size / np.linalg.norm(V)


@pytest.mark.parametrize(("d", "depth"), SIZES)
def test_acceleration_is_normal_and_keeps_the_imbalances(d, depth, rng):
    W, V = point(d, depth, rng)
    a = geodesics.acceleration(W, V)
    assert_allclose(balanced.project_tangent(tuple(W), tuple(a)), 0, atol=1e-14)

    def bent(t):
        return np.stack(weights.imbalance(tuple(W + t * V + 0.5 * t * t * a)) or [np.zeros(1)])

    h = 1e-3  # the imbalance of a curve of second order is of third
    assert_allclose((bent(h) + bent(-h)) / h**2, 0, atol=1e-5)


@pytest.mark.parametrize(("d", "depth"), SIZES)
def test_geodesics_keep_their_speed_and_can_be_run_back(d, depth, rng):
    W, V = point(d, depth, rng)
    h, times = 1e-3, np.array([0.5, -1.0, 0.0, 1.0])
    path = geodesics.path(W, V, times)
    for there in path:
        assert weights.is_balanced(tuple(there), tol=1e-13)
    assert_allclose(path[2], W, atol=1e-14)
    stencil = np.array([1, -8, 0, 8, -1]) / (12 * h)
    speed = np.tensordot(stencil, geodesics.path(W, V, 1 + h * np.arange(-2, 3)), axes=1)
    assert_allclose(np.linalg.norm(speed), 1, rtol=1e-9)
    assert_allclose(geodesics.path(path[3], -speed, np.ones(1))[0], W, atol=1e-9)


@pytest.mark.parametrize(("d", "depth"), SIZES)
@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_logarithm_inverts(d, depth, size, rng):
    W, V = point(d, depth, rng, size)
    end = geodesics.path(W, V, np.ones(1))[0]
    assert_allclose(geodesics.logarithm(W, end), V, atol=1e-11)
    assert_allclose(geodesics.logarithm(W, W), 0)


@pytest.mark.parametrize(("d", "depth"), SIZES)
def test_horizontal_geodesics_lie_over_those_of_the_metric(d, depth, rng):
    W, V = point(d, depth, rng)
    H = submersion.horizontal(tuple(W), tuple(V))
    end = geodesics.path(W, np.stack(H), np.ones(1))[0]
    below = weights.end_to_end(tuple(W))
    want = metric.exp(below, submersion.differential(tuple(W), H), depth)
    assert_allclose(weights.end_to_end(tuple(end)), want, atol=1e-12)


def test_what_has_no_geodesic_is_refused():
    W = np.stack([np.diag([1.0, 1.0])] * 2)
    V = np.stack([np.diag([0.0, -2.0])] * 2)
    with pytest.raises(np.linalg.LinAlgError, match=r"rank at t = 0\.(5|49)"):
        geodesics.path(W, V, np.ones(1))
    with pytest.raises(np.linalg.LinAlgError, match="determinants of the same signs"):
        geodesics.logarithm(W, np.stack([np.diag([1.0, -1.0])] * 2))


@pytest.mark.parametrize(("d", "depth"), SIZES)
def test_integrability_is_what_oneill_defines(d, depth, rng):
    """A_X Y = ver D_X (hor Y) + hor D_X (ver Y), Y extended by projection, in the ambient space."""
    W, X = point(d, depth, rng)
    _, Y = point(d, depth, rng)
    Y = np.stack(balanced.project_tangent(tuple(W), tuple(Y)))
    across = submersion.horizontal(tuple(W), tuple(X))

    def slope(part, h=1e-3):
        def at(t):
            there = balanced.retract(tuple(W), tuple(t * A for A in across))
            return np.stack(part(there, tuple(Y)))

        near, far = (at(t) - at(-t) for t in (h, 2 * h))
        return tuple((8 * near - far) / (12 * h))

    want = np.stack(submersion.vertical(tuple(W), slope(submersion.horizontal)))
    want = want + np.stack(submersion.horizontal(tuple(W), slope(submersion.vertical)))
    found = np.stack(integrability(tuple(W), tuple(X), tuple(Y)))
    assert_allclose(found, want, atol=1e-9)
