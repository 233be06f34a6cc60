"""The law of large width against its moments, known special cases, and 50-digit arithmetic."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from dlngeo.equilibrium import _limit_law as law

INF = math.inf
DEPTHS = [1, 1.5, 2, 3, 10, 1e4, INF]
whole = st.integers(1, 40)


def curve(v, depth):
    """Both x and ρ at v as the complex formula has them: B = sin((N+1)φ)/sin(Nφ) e^{iφ}."""
    v = mpmath.mpf(v)
    if math.isinf(depth):
        power = v * mpmath.cot(v)
        return mpmath.sin(v) / v * mpmath.exp(power), mpmath.sin(v) * mpmath.exp(-power) / mpmath.pi
    N = mpmath.mpf(depth)
    phi = v / (N + 1)
    B = mpmath.sin(v) / mpmath.sin(N * phi) * mpmath.expj(phi)
    x = B ** (N + 1) / (N * (B - 1))
    return mpmath.re(x), abs(mpmath.im(B**-N)) / mpmath.pi


@pytest.mark.parametrize("depth", [1, 2, 2.5, 7, INF])
def test_the_density_has_the_moments(depth):
    v = math.pi * (np.polynomial.legendre.leggauss(200)[0] + 1) / 2
    weight = np.polynomial.legendre.leggauss(200)[1] * math.pi / 2
    place = np.log((math.pi - v) / v)
    log_x, log_rho = law.log_curve(place, depth)
    h = 1e-5
    rise = law.log_curve(place + h, depth)[0] - law.log_curve(place - h, depth)[0]
    slope = rise / (2 * h) * math.pi / (v * (math.pi - v))  # -d log x/dv
    for k in range(1, 6):
        total = (weight * np.exp((k + 1) * log_x + log_rho) * slope).sum()
        assert_allclose(total, law.limit_moments(depth, k)[k], rtol=1e-8)


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_density_lies_on_the_complex_curve(depth):
    for v in (1e-3, 0.1, 1.0, 2.0, 3.0, 3.1, 3.14):
        with mpmath.workdps(50):
            x, rho = curve(v, depth)
            if x < mpmath.mpf("1e-300"):
                continue
            x, rho = float(x), float(rho)
        near_edge = 1e-14 / max(v, 1e-3) ** 2  # the square root magnifies rounding of x
        far = 2e-15 * abs(math.log(x))
        assert_allclose(law.limit_density(x, depth), rho, rtol=2e-14 + near_edge + far)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_mass_is_one(depth):
    # x = s^{N+1} takes the singularity at zero away; ρ dx = (N+1) s^N ρ ds
    edge = law.limit_support(depth)[1]
    t, weight = np.polynomial.legendre.leggauss(300)
    angle = (t + 1) * math.pi / 4
    s = edge ** (1 / (depth + 1)) * np.sin(angle)  # and the square root at the edge
    slope = edge ** (1 / (depth + 1)) * np.cos(angle)
    rho = law.limit_density(s ** (depth + 1), depth)
    mass = (weight * math.pi / 4 * rho * (depth + 1) * s**depth * slope).sum()
    assert_allclose(mass, 1, rtol=1e-8)


def test_depth_one_is_marchenko_pastur():
    x = np.array([1e-200, 1e-8, 0.3, 1.0, 2.0, 3.9])
    known = np.sqrt((4 - x) / x) / (2 * math.pi)
    ours = law.limit_density(x, 1)
    # exponentials of logarithms as large as |log x|
    assert (np.abs(ours / known - 1) <= 1e-14 + 4e-16 * np.abs(np.log(x))).all()
    catalan = [math.comb(2 * k, k) // (k + 1) for k in range(12)]
    assert_allclose(law.limit_moments(1, 11), catalan, rtol=1e-14)


@given(whole, st.integers(0, 12))
def test_moments_are_binomials(depth, n):
    known = [math.comb((depth + 1) * k, k) / (depth**k * (k + 1)) for k in range(n + 1)]
    assert_allclose(law.limit_moments(depth, n), known, rtol=1e-13)


def test_moments_at_infinite_depth():
    known = [k**k / math.factorial(k + 1) for k in range(12)]
    assert_allclose(law.limit_moments(INF, 11), known, rtol=1e-13)
    assert_allclose(law.limit_moments(1e15, 11), known, rtol=1e-12)


@settings(max_examples=30)
@given(st.floats(1, 1e6))
def test_moments_at_real_depth_by_gamma_functions(depth):
    with mpmath.workdps(40):
        N = mpmath.mpf(depth)
        known = [float(mpmath.binomial((N + 1) * k, k) / (N**k * (k + 1))) for k in range(6)]
    assert_allclose(law.limit_moments(depth, 5), known, rtol=1e-13)


@pytest.mark.parametrize("depth", DEPTHS)
def test_moments_grow_like_powers_of_the_edge(depth):
    moments = law.limit_moments(depth, 400)
    ratio = moments[400] / moments[399]
    # the square root at the edge: m_k ~ edge^k k^{-3/2}
    assert_allclose(ratio * (1 + 1.5 / 400), law.limit_support(depth)[1], rtol=2e-4)
    assert law.limit_support(depth)[0] == 0


def test_support_at_whole_depth():
    assert_allclose([law.limit_support(N)[1] for N in (1, 2, 3)], [4, 27 / 8, 256 / 81], rtol=1e-15)
    assert law.limit_support(INF)[1] == math.e


@pytest.mark.parametrize("depth", DEPTHS)
def test_edge_scale_is_the_height_of_the_square_root(depth):
    edge = law.limit_support(depth)[1]
    gap = 1e-7
    height = law.limit_density(edge - gap, depth) * math.pi / math.sqrt(gap)
    assert_allclose(law.limit_edge_scale(depth) ** 1.5, height, rtol=1e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_zero_outside_infinite_at_zero(depth):
    edge = law.limit_support(depth)[1]
    density = law.limit_density([[-1.0, 0.0], [edge, 10.0]], depth)
    assert density.shape == (2, 2)
    assert np.array_equal(density, [[0, np.inf], [0, 0]])


def test_a_stack_is_a_loop(rng):
    x = rng.random((3, 4)) * 3
    assert np.array_equal(
        law.limit_density(x, 3), [[float(law.limit_density(v, 3)) for v in row] for row in x]
    )


def gibbs_mean(d, depth, kappa, beta, upper, n):
    """E of the mean of σ² by Gauss-Legendre over λ_1 > λ_2 > ... > λ_d > 0, λ_{k+1} = t λ_k."""
    a, b = 1 / (2 * kappa), 1 - 1 / (2 * kappa)
    node, weight = np.polynomial.legendre.leggauss(n)
    node, weight = (node + 1) / 2, weight / 2
    grid = np.meshgrid(*[node] * d, indexing="ij")
    mass = np.prod(np.meshgrid(*[weight] * d, indexing="ij"), axis=0)
    lam = [upper * grid[0]]
    for t in grid[1:]:
        mass = mass * lam[-1]  # dλ_{k+1} = λ_k dt
        lam.append(lam[-1] * t)
    density = mass
    for k in range(d):
        for l in range(k):  # noqa: E741
            density = density * (lam[l] ** (2 * depth) - lam[k] ** (2 * depth)) ** a
            density = density * (lam[l] ** 2 - lam[k] ** 2) ** b
    square = sum(x ** (2 * depth) for x in lam)
    density = density * np.exp(-beta / (2 * kappa) * square)
    return (density * square / d).sum() / density.sum()


@pytest.mark.parametrize("kappa", [0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_mean_square_by_quadrature(depth, kappa):
    beta = 1.3
    upper = (80 * kappa / beta) ** (1 / (2 * depth)) * 1.1
    for d, n in ((1, 200), (2, 200), (3, 90)):
        known = gibbs_mean(d, depth, kappa, beta, upper, n)
        ours = law.mean_square(d, depth=depth, beta=beta, kappa=kappa)
        assert_allclose(ours, known, rtol=1e-7 if d < 3 else 1e-4)


def test_mean_square_tends_to_the_first_moment():
    for depth in (1, 2, 5.5):
        d = 10**8
        mean = law.mean_square(d, depth=depth, beta=3.0) * 3.0 / d
        assert_allclose(mean, law.limit_moments(depth, 1)[1], rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: law.limit_moments(0.5, 2), "depth must be"),
        (lambda: law.limit_moments(2, -1), "n must be"),
        (lambda: law.limit_density([np.nan], 2), "x must be finite"),
        (lambda: law.mean_square(3, depth=INF, beta=1.0), "kappa < "),
        (lambda: law.mean_square(0, depth=2, beta=1.0), "d must be"),
        (lambda: law.mean_square(2, depth=2, beta=-1.0), "beta must be"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
