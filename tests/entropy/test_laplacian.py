"""|grad F|² and the Laplacian of F: by their definitions, along geodesics, and in 60 digits."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from dlngeo import entropy, metric
from dlngeo.energies import Logistic, MatrixCompletion, Quadratic
from dlngeo.entropy.laplacian import entropy_laplacian, free_energy_laplacian, squared_slope

INF = math.inf
DEPTHS = [1, 1.6, 2, 3, 4.5, 15, 40.5, INF]
FUNCTIONS = [squared_slope, free_energy_laplacian]


def energies(d, rng):
    return {
        "quadratic": Quadratic(rng.standard_normal((d, d))),
        "completion": MatrixCompletion(rng.standard_normal((d, d)), np.eye(d, dtype=bool)),
        "logistic": Logistic(
            rng.standard_normal((d, 5)), np.where(rng.random((d, 5)) < 0.5, 1.0, -1.0)
        ),
    }


def point(d, rng):
    """A matrix of singular values between ½ and 2."""
    U, V = np.linalg.qr(rng.standard_normal((2, d, d)))[0]
    return (U * rng.uniform(0.5, 2, d)) @ V


def decay(depth):
    return 0.0 if depth == INF else 0.4


# ------------------------------------------------------------------------------ by definition


@pytest.mark.parametrize("name", ["quadratic", "completion", "logistic"])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_laplacian_is_the_divergence_of_the_gradient(d, depth, name, rng):
    # div(√g grad F)/√g in the entries, by five-point differences
    W, energy, h = point(d, rng), energies(d, rng)[name], 2e-4

    def current(X):
        gradient = entropy.free_energy_gradient(energy, X, depth, 0.7, decay(depth))
        return np.exp(metric.log_volume_density(X, depth)) * gradient

    total = 0.0
    for E in np.eye(d * d).reshape(-1, d, d):
        one = current(W + h * E) - current(W - h * E)
        two = current(W + 2 * h * E) - current(W - 2 * h * E)
        total += ((8 * one - two) / (12 * h) * E).sum()
    want = total / np.exp(metric.log_volume_density(W, depth))
    got = free_energy_laplacian(energy, W, depth, 0.7, decay(depth))
    assert abs(got - want) < 1e-8 * max(1, abs(want))


@pytest.mark.parametrize(("d", "depth"), [(2, 2), (2, 3), (2, INF), (3, 2), (3, 3)])
def test_laplacian_is_the_sum_of_second_derivatives_along_geodesics(d, depth, rng):
    W, energy, h = point(d, rng), energies(d, rng)["quadratic"], 0.02

    def value(X):
        return entropy.free_energy(energy, X, depth, 0.7, decay(depth))

    steps = metric.sqrt(W, np.eye(d * d).reshape(-1, d, d), depth)  # orthonormal in g^N
    gram = metric.inner(W, steps[:, None], steps[None], depth)
    assert_allclose(gram, np.eye(d * d), atol=1e-12)
    points = {k: np.array([metric.exp(W, k * h * Z, depth) for Z in steps]) for k in (-2, -1, 1, 2)}
    near = value(points[1]) + value(points[-1])
    far = value(points[2]) + value(points[-2])
    want = ((16 * near - far - 30 * value(W)) / (12 * h * h)).sum()
    got = free_energy_laplacian(energy, W, depth, 0.7, decay(depth))
    assert_allclose(got, want, rtol=2e-5)  # the differences err by h⁴ times sixth derivatives


@pytest.mark.parametrize("name", ["quadratic", "completion", "logistic"])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("d", [1, 2, 4])
def test_squared_slope_is_the_length_of_the_gradient(d, depth, name, rng):
    W, energy = point(d, rng), energies(d, rng)[name]
    G = entropy.free_energy_gradient(energy, W, depth, 0.7, decay(depth))
    got = squared_slope(energy, W, depth, 0.7, decay(depth))
    assert_allclose(got, metric.inner(W, G, G, depth), rtol=1e-12)
    slope = entropy.free_energy_gradient(energy, W, depth, 0.7, decay(depth), riemannian=False)
    assert_allclose(got, (slope * metric.apply(W, slope, depth)).sum(), rtol=1e-11)


# --------------------------------------------------------------------------- in many digits


def exact_entropy_laplacian(sigma, depth, digits=60):
    """The head's radial operator on ½ Σ log K, differentiated at high precision."""
    with mpmath.workdps(digits):
        s = [mpmath.mpf(float(x)) for x in sigma]
        # singular values that meet are pulled apart, by less than any digit that is looked at
        s = [x * (1 + mpmath.mpf(10) ** (-digits // 3) * k) for k, x in enumerate(s)]
        inf = math.isinf(depth)
        N = mpmath.mpf(1 if inf else depth)
        x = [mpmath.log(a) if inf else a ** (1 / N) for a in s]

        def pair(a, b):
            if inf:
                return mpmath.log((mpmath.exp(2 * a) - mpmath.exp(2 * b)) / (a - b))
            return mpmath.log((a ** (2 * N) - b ** (2 * N)) / (a**2 - b**2))

        total = mpmath.mpf(0)
        for k, a in enumerate(x):
            for m, b in enumerate(x):
                if m == k:
                    continue
                with mpmath.workdps(3 * digits):
                    first = mpmath.diff(lambda y, b=b: pair(y, b) / 2, a, h=mpmath.mpf(10) ** -50)
                    second = mpmath.diff(
                        lambda y, b=b: pair(y, b) / 2, a, 2, h=mpmath.mpf(10) ** -50
                    )
                    total += second
                    for l, c in enumerate(x):  # noqa: E741
                        if l != k:
                            weight = 1 / (a - c) if inf else 2 * a / (a**2 - c**2)
                            total += weight * first
        return float(total / N)


@pytest.mark.parametrize("depth", [1.1, 1.6, 2, 2.5, 3, 7, 33.3, 1000, INF])
@pytest.mark.parametrize(
    "sigma",
    [
        (2.0, 1.0),
        (1.0, 1.0),
        (1.0, 1.0 - 1e-9),
        (1.0, math.exp(-0.999), 0.2),
        (1.0, math.exp(-1.501), math.exp(-1.0)),
        (1.0, 1e-3, 1e-3),
        (3.0, 3.0, 3.0),
        (1e5, 1.0, 1e-5),
        (2.0, 1.9, 0.7, 0.69),
    ],
)
def test_entropy_laplacian_in_many_digits(sigma, depth):
    got = entropy_laplacian(np.array(sigma), depth)
    assert_allclose(got, exact_entropy_laplacian(sigma, depth), rtol=1e-13)


@pytest.mark.parametrize("depth", [1.5, 2, 3, 4.5, 30])
def test_a_vanishing_singular_value_is_a_limit(depth):
    at, near = (entropy_laplacian(np.array([2.0, 0.5, x]), depth) for x in (0.0, 1e-60**depth))
    assert np.isfinite(at)
    assert_allclose(at, near, rtol=1e-12)


def test_depth_two_in_closed_form(rng):
    # K = σ_k + σ_l = λ_k² + λ_l² = r², log r is harmonic, and the rest is 2/r² a pair over N = 2
    sigma = rng.uniform(0.1, 2, (7, 2))
    assert_allclose(entropy_laplacian(sigma, 2), 1 / sigma.sum(axis=-1), rtol=1e-14)


@settings(max_examples=60)
@given(
    sigma=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5),
    depth=st.floats(1.05, 50),
    scale=st.floats(1e-6, 1e6),
)
def test_entropy_laplacian_is_positive_symmetric_and_homogeneous(sigma, depth, scale):
    # S(cW) = S(W) + const, and dilation by c multiplies g^N by c^{2/N}
    sigma = np.array(sigma)
    value = entropy_laplacian(sigma, depth)
    assert value > 0 or (sigma.size == 1 and value == 0)
    assert_allclose(entropy_laplacian(sigma[::-1], depth), value, rtol=1e-10)
    scaled = entropy_laplacian(scale * sigma, depth)
    assert_allclose(scaled, scale ** (-2 / depth) * value, rtol=1e-8)


def test_infinite_depth_is_a_limit(rng):
    W, energy = point(3, rng), energies(3, rng)["quadratic"]
    for function in FUNCTIONS:
        far, limit = function(energy, W, 1e8, 0.7), function(energy, W, INF, 0.7)
        assert_allclose(far / 1e8, limit, rtol=1e-6)


def test_weight_decay_has_a_constant_laplacian(rng):
    W, energy = point(3, rng), energies(3, rng)["quadratic"]
    for depth in (1, 2, 3.5):
        with_decay = free_energy_laplacian(energy, W, depth, 0.7, 0.3)
        assert_allclose(with_decay - free_energy_laplacian(energy, W, depth, 0.7), 0.3 * 9)


# ------------------------------------------------------------------- singular points and stacks


def test_the_boundary_has_limits_at_depth_above_two(rng):
    # the normal derivative of F vanishes at λ_d = 0: nothing is left of 1/λ_d
    energy = energies(3, rng)["quadratic"]
    for depth in (2.5, 3, 6):
        on, near = (np.diag([2.0, 1.0, x]) for x in (0.0, 1e-9**depth))
        for function in FUNCTIONS:
            limit = function(energy, on, depth, 0.7, 0.2)
            assert_allclose(
                limit, function(energy, near, depth, 0.7, 0.2), rtol=1e-3
            )  # λ^{N-2} is left


def test_singular_points_are_refused_where_there_is_no_limit():
    one, two = np.diag([1.0, 1.0, 0.0]), np.diag([1.0, 0.0, 0.0])
    energy = Quadratic(np.eye(3))
    for depth in (1.5, 2, INF):
        with pytest.raises(np.linalg.LinAlgError, match="1 zero singular"):
            free_energy_laplacian(energy, one, depth, 1.0)
    for function in FUNCTIONS:
        for depth in (1.5, 2, 3, INF):
            with pytest.raises(np.linalg.LinAlgError, match="2 zero singular"):
                function(energy, two, depth, 1.0)
        assert np.isfinite(function(energy, two, 1, 1.0))
    assert np.isfinite(squared_slope(energy, one, 1.5, 1.0))
    with pytest.raises(np.linalg.LinAlgError, match="range of floating point"):
        free_energy_laplacian(energy, 1e-250 * np.eye(3), 1.2, 1.0)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("depth", [1, 2, 3.5, INF])
def test_a_stack_equals_a_loop(depth, function, rng):
    W, energy = rng.standard_normal((2, 3, 3, 3)), energies(3, rng)["logistic"]
    together = function(energy, W, depth, 0.7)
    assert together.shape == (2, 3)
    for index in np.ndindex(2, 3):
        assert_allclose(together[index], function(energy, W[index], depth, 0.7), rtol=1e-12)
    assert function(energy, W[:0], depth, 0.7).shape == (0, 3)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_arguments_are_refused(function):
    energy = Quadratic(np.eye(2))
    with pytest.raises(ValueError, match="W must be square"):
        function(Quadratic(np.ones((2, 3))), np.ones((2, 3)), 2, 1.0)
    with pytest.raises(ValueError, match="beta"):
        function(energy, np.eye(2), 2, 0.0)
    with pytest.raises(ValueError, match="weight_decay"):
        function(energy, np.eye(2), 2, 1.0, -1.0)
    with pytest.raises(ValueError, match="no limit"):
        function(energy, np.eye(2), INF, 1.0, 1.0)
    with pytest.raises(ValueError, match="depth"):
        function(energy, np.eye(2), 0.5, 1.0)
