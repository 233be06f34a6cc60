"""The root chart: drift and noise against the Laplacian and the metric operator, by differences."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies
from dlngeo.dynamics.root_chart import RootChart, _shortfall, _stretch, reflected
from dlngeo.geometry import entropy, metric

DEPTHS = [1, 2, 3, 2.5, 6]


def chart(depth, energy=None, kappa=1.0, gamma=0.0, with_entropy=False, beta=1.0):
    return RootChart(energy, depth, beta, kappa, gamma, with_entropy)


def push(c, Y, A):
    """The velocity of W when Y moves by A."""
    h = 1e-6
    return (c.from_root(Y + h * A) - c.from_root(Y - h * A)) / (2 * h)


@pytest.mark.parametrize("depth", DEPTHS)
def test_ito_drift_is_the_laplacian_of_the_entries_of_the_root(depth, rng):
    W, h, d = rng.standard_normal((3, 3)), 2e-4, 3
    c, units = chart(depth), np.eye(9).reshape(-1, 3, 3)
    A = np.array([metric.apply(W, E, depth).ravel() for E in units])
    first = np.array([(c.to_root(W + h * E) - c.to_root(W - h * E)) / (2 * h) for E in units])
    second = np.array(
        [
            [
                sum(s * t * c.to_root(W + h * (s * E + t * F)) for s in (1, -1) for t in (1, -1))
                for F in units
            ]
            for E in units
        ]
    ) / (4 * h**2)
    exact = np.einsum("ab,abij->ij", A, second)
    exact += np.einsum("a,aij->ij", metric.ito_drift(W, depth).ravel(), first)
    assert d == 3
    assert_allclose(c.field(c.to_root(W), None, 1.0, ito=True), exact, atol=3e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_noise_is_the_square_root_of_the_metric_operator(depth, rng):
    W, B = rng.standard_normal((2, 3, 3))
    c = chart(depth, kappa=0.5, beta=4.0)
    Y = c.to_root(W)
    exact = np.sqrt(2 * 0.5 / 4) * metric.sqrt(W, B, depth)
    assert_allclose(push(c, Y, c.field(Y, B, None, ito=True)), exact, atol=1e-7)


@pytest.mark.parametrize("depth", DEPTHS)
def test_stratonovich_drift_differs_by_the_correction_of_the_noise(depth, rng):
    # b - ½ Σ DV_ij[V_ij] over the fields V_ij of the noise
    c, h = chart(depth, kappa=0.7, beta=1.3), 1e-5
    Y = c.to_root(rng.standard_normal((3, 3)))
    correction = np.zeros((3, 3))
    for E in np.eye(9).reshape(-1, 3, 3):
        V = c.field(Y, E, None, ito=True)
        turned = c.field(Y + h * V, E, None, True) - c.field(Y - h * V, E, None, True)
        correction += 0.5 * turned / (2 * h)
    ito, stratonovich = (c.field(Y, None, 1.0, ito=flag) for flag in (True, False))
    assert_allclose(stratonovich, ito - correction, atol=1e-8)


@pytest.mark.parametrize("depth", DEPTHS)
def test_energy_entropy_and_decay_push_forward_to_the_free_energy_gradient(depth, rng):
    W, target = rng.standard_normal((2, 3, 3))
    energy = energies.Quadratic(target)
    c = chart(depth, energy, kappa=0.0, gamma=0.3, with_entropy=True, beta=2.0)
    Y = c.to_root(W)
    exact = -entropy.free_energy_gradient(energy, W, depth, 2.0, 0.3)
    assert_allclose(push(c, Y, c.field(Y, None, 1.0, ito=True)), exact, atol=1e-7)


@pytest.mark.parametrize("ito", [True, False])
@pytest.mark.parametrize("depth", [2, 3, 2.5, 20])
def test_field_is_continuous_where_values_meet_or_vanish(depth, ito, rng):
    U, V = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    B = rng.standard_normal((3, 3))
    c = chart(depth, with_entropy=True)
    for lam, other in (([2, 1, 1], [2, 1, 1 - 1e-9]), ([2, 1, 0], [2, 1, 1e-12])):
        fields = [c.field(U * np.array(x, float) @ V, B, 1.0, ito) for x in (lam, other)]
        assert np.isfinite(fields).all()
        assert_allclose(fields[0], fields[1], atol=1e-7)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 10, 100.5])
def test_stretch_and_its_shortfall_against_many_digits(depth):
    for x in 10.0 ** np.arange(-12, 2.1, 0.5):
        S = _stretch(np.array(x), depth)
        with mpmath.workdps(60):
            exact = mpmath.tanh(depth * mpmath.mpf(x) / 2) / mpmath.tanh(mpmath.mpf(x) / 2)
            short = depth - exact
        assert abs(S / exact - 1) < 1e-14
        got = float(_shortfall(np.array(x), S, depth))
        assert got == 0 if depth == 1 else abs(got / short - 1) < 2e-13
    assert _stretch(np.zeros(()), depth) == depth


def test_reflection_keeps_the_sign_of_the_determinant(rng):
    Y = rng.standard_normal((50, 3, 3))
    mended = reflected(Y, np.ones(50))
    assert (np.linalg.det(mended) > 0).all()
    sigma = [np.linalg.svd(X, compute_uv=False) for X in (Y, mended)]
    assert_allclose(sigma[0], sigma[1], atol=1e-12)
    right = np.linalg.det(Y) > 0
    assert np.array_equal(mended[right], Y[right])
