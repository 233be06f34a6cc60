"""The root chart: drift and noise against the Laplacian and the metric operator, by differences."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy, metric
from dlngeo._equation import Equation
from dlngeo.langevin.root_chart import (
    Point,
    RootChart,
    _brownian,
    _entropic,
    _Pairs,
    _shortfall,
    reflected,
    stretch,
)
from dlngeo.spectral.entropic_force import mutual_forces

DEPTHS = [1, 2, 3, 2.5, 6]


def at(c, Y, noise=None, h=None):
    """Itô's drift times h and the noise at Y."""
    return c.velocity(c.frames(Y), noise, h)


def correction(c, Y):
    """Itô's drift less Stratonovich's, at Y."""
    point = Point.of(c.frames(Y), c.depth)
    return point.outside([(1.0, c.correction(point, 1.0))])


def chart(depth, energy=None, kappa=1.0, gamma=0.0, with_entropy=False, beta=1.0):
    return RootChart(Equation(energy, depth, beta, kappa, gamma, with_entropy))


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
    assert_allclose(at(c, c.to_root(W), h=1.0), exact, atol=3e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_noise_is_the_square_root_of_the_metric_operator(depth, rng):
    W, B = rng.standard_normal((2, 3, 3))
    c = chart(depth, kappa=0.5, beta=4.0)
    Y = c.to_root(W)
    exact = np.sqrt(2 * 0.5 / 4) * metric.sqrt(W, B, depth)
    assert_allclose(push(c, Y, at(c, Y, B)), exact, atol=1e-7)


@pytest.mark.parametrize("depth", DEPTHS)
def test_stratonovich_drift_differs_by_the_correction_of_the_noise(depth, rng):
    # ½ Σ DV_ij[V_ij] over the fields V_ij of the noise
    c, h = chart(depth, kappa=0.7, beta=1.3), 1e-5
    Y = c.to_root(rng.standard_normal((3, 3)))
    exact = np.zeros((3, 3))
    for E in np.eye(9).reshape(-1, 3, 3):
        V = at(c, Y, E)
        exact += 0.5 * (at(c, Y + h * V, E) - at(c, Y - h * V, E)) / (2 * h)
    assert_allclose(correction(c, Y), exact, atol=1e-8)


@pytest.mark.parametrize("depth", DEPTHS)
def test_energy_entropy_and_decay_push_forward_to_the_free_energy_gradient(depth, rng):
    W, target = rng.standard_normal((2, 3, 3))
    energy = energies.Quadratic(target)
    c = chart(depth, energy, kappa=0.0, gamma=0.3, with_entropy=True, beta=2.0)
    Y = c.to_root(W)
    exact = -entropy.free_energy_gradient(energy, W, depth, 2.0, 0.3)
    assert_allclose(push(c, Y, at(c, Y, h=1.0)), exact, atol=1e-7)


@pytest.mark.parametrize("depth", [2, 3, 2.5, 20])
def test_fields_are_continuous_where_values_meet_or_vanish(depth, rng):
    U, V = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    B = rng.standard_normal((3, 3))
    c = chart(depth, with_entropy=True)
    for lam, other in (([2, 1, 1], [2, 1, 1 - 1e-9]), ([2, 1, 0], [2, 1, 1e-12])):
        points = [U * np.array(x, float) @ V for x in (lam, other)]
        for fields in ([at(c, Y, B, 1.0) for Y in points], [correction(c, Y) for Y in points]):
            assert np.isfinite(fields).all()
            assert_allclose(fields[0], fields[1], atol=1e-7)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 10, 100.5])
def test_stretch_and_its_shortfall_against_many_digits(depth):
    for x in 10.0 ** np.arange(-12, 2.1, 0.5):
        S = stretch(np.array(x), depth)
        with mpmath.workdps(60):
            exact = mpmath.tanh(depth * mpmath.mpf(x) / 2) / mpmath.tanh(mpmath.mpf(x) / 2)
            short = depth - exact
        assert abs(S / exact - 1) < 1e-14
        got = float(_shortfall(np.array(x), S, depth))
        assert got == 0 if depth == 1 else abs(got / short - 1) < 2e-13
    assert stretch(np.zeros(()), depth) == depth


RATIOS = (0.0, 1e-200, 1e-9, 0.1, 0.5, 0.99, 1 - 1e-6, 1 - 1e-13, 1.0)


def quotients(k, l, depth):  # noqa: E741
    """S, (σ_k - σ_l)/(λ_k - λ_l), (N - S)/(λ_k - λ_l) as defined, at k != l."""
    square, power = k**2 - l**2, k**depth - l**depth
    stretch = power * (k + l) / ((k**depth + l**depth) * (k - l))
    assert square > 0
    return stretch, power / (k - l), (depth - stretch) / (k - l)


def pull(t, depth):
    """φ of Menon (12.8), from its definition by the Langevin function."""

    def langevin(y):
        return mpmath.coth(y) - 1 / y

    return (depth - 1 - depth * langevin(t) + langevin(t / depth)) / 2


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 4, 7, 12, 13, 40.5])
def test_pairs_against_many_digits(depth):
    for ratio in RATIOS:
        lam = np.array([1.7, 1.7 * ratio])
        between = _Pairs.of(lam, depth)
        with mpmath.workdps(700):
            N = mpmath.mpf(depth)
            k, l = (mpmath.mpf(float(x)) for x in lam)  # noqa: E741
            if k == l:
                l = k * (1 - mpmath.mpf(10) ** -100)  # noqa: E741
            stretch, steep, short = quotients(k, l, N)
            noise = [1 / stretch - 1 / N, (1 / mpmath.sqrt(stretch) - 1 / mpmath.sqrt(N))]
            noise[1] /= mpmath.sqrt(N)
            turn = [stretch - 1 / N, (mpmath.sqrt(stretch) - 1 / mpmath.sqrt(N)) / mpmath.sqrt(N)]
            drifts = [
                (-noise[i] / (k - l) - turn[i] / (k + l), noise[i] / (k - l) - turn[i] / (k + l))
                for i in (0, 1)
            ]
            if l > 0 and depth > 1:
                t = N * mpmath.log(l / k)
                pulls = pull(t, N) / k, pull(-t, N) / l
            else:
                pulls = (N - 1) / k, mpmath.mpf(0)
            exact = [float(x) for x in (stretch, steep, short)]
            drifts = [[float(x) for x in pair] for pair in drifts]
            pulls = [float(x) for x in pulls]
        found = [float(x[0]) for x in (between.stretch, between.steep, between.short)]
        # the gap itself is a difference of rounded numbers
        assert_allclose(found[:2], exact[:2], rtol=4e-15 * depth + 2e-15)
        assert_allclose(found[2], exact[2], rtol=1e-12, atol=1e-15 * depth**2)
        size = max(abs(x) for pair in drifts for x in pair)
        for ito, pair in zip((True, False), drifts, strict=True):
            got = [float(x[0]) for x in _brownian(between, depth, ito)]
            assert_allclose(got, pair, rtol=1e-13, atol=1e-14 * max(size, depth))
        got = [float(x[0]) for x in _entropic(between, depth)]
        assert_allclose(got, pulls, rtol=1e-13 * depth, atol=1e-14 * depth)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 4, 7, 12, 13, 40.5])
def test_mutual_forces_against_many_digits(depth):
    for ratio in (1e-200, 1e-9, 0.1, 0.99, 1 - 1e-9, 1.0):
        a, b = np.array([2.5]), np.array([2.5 * ratio])
        with mpmath.workdps(700):
            N, t = mpmath.mpf(depth), mpmath.log(mpmath.mpf(b[0]) / mpmath.mpf(a[0]))
            t = t if t else -(mpmath.mpf(10) ** -100)
            exact = [float(pull(x, N)) for x in (t, -t)]
        found = [float(x[0]) for x in mutual_forces(a, b, depth)]
        assert_allclose(found, exact, rtol=5e-14, atol=1e-15 * depth)
    assert np.isfinite(mutual_forces(np.zeros(1), np.zeros(1), depth)).all()


def test_nothing_pushes_where_both_values_vanish():
    for depth in (2, 3, 2.5, 20):
        between = _Pairs.of(np.zeros((2, 1)), depth)
        for rows in (*_brownian(between, depth, True), *_entropic(between, depth)):
            assert np.array_equal(rows, np.zeros((1, 1)))
        assert np.array_equal(between.stretch, np.ones((1, 1)))  # no frame is singled out


def test_reflection_keeps_the_sign_of_the_determinant(rng):
    Y = rng.standard_normal((50, 3, 3))
    mended = reflected(Y, np.ones(50))
    assert (np.linalg.det(mended) > 0).all()
    sigma = [np.linalg.svd(X, compute_uv=False) for X in (Y, mended)]
    assert_allclose(sigma[0], sigma[1], atol=1e-12)
    right = np.linalg.det(Y) > 0
    assert np.array_equal(mended[right], Y[right])
    some = np.arange(50) % 2 == 0
    half = reflected(Y, np.ones(50), some)
    assert np.array_equal(half[some], mended[some])
    assert np.array_equal(half[~some], Y[~some])
