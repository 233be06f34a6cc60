"""The law of large width at κ ≥ ½: closed forms, a series of residues, quadrature, refusals."""

import math

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from dlngeo import equilibrium
from dlngeo.equilibrium import _limit_kappa as law

INF = math.inf
SHARES = np.array([1e-200, 1e-20, 1e-3, 0.1, 0.5, 0.9, 0.999])  # of the upper edge


def symbol_factor(s, depth, kappa):
    """P(s) √(2κ) at real s >= 0, by another split of the integrand than the library's."""
    s, y, t = np.asarray(s, dtype=float), np.exp(np.arange(-50.0, 60.0, 0.1)), 2 * kappa - 1
    rest = np.log(np.pi * y * (1 / np.tanh(np.pi * y) + t / np.tanh(np.pi * depth * y)))
    rest -= 0.5 * np.log1p(y * y)
    nodes = s[..., None] * y / (s[..., None] ** 2 + y * y)
    value = np.sqrt(1 + s) * np.exp((nodes @ rest) * 0.1 / np.pi)
    return np.where(s == 0, np.sqrt(1 + t / depth), value)


def residues(x, depth, kappa, terms=600):
    """The density at whole depth: a power of x for each zero of the symbol, which has period 1."""
    t = 2 * kappa - 1

    def numerator(s):
        one, two = np.sin(np.pi * (depth + 1) * s), np.sin(np.pi * (depth - 1) * s)
        return (1 + t) * one + (1 - t) * two

    ends = [((k + 1e-9) / depth, (k + 1 - 1e-9) / depth) for k in range(depth)]
    own = np.array([brentq(numerator, *pair, xtol=1e-15) for pair in ends])
    roots = (own + np.arange(terms)[:, None]).ravel()
    one, two = (np.pi / np.sin(np.pi * n * own) for n in (1, depth))
    bend = np.tile(one**2 + t * depth * two**2, terms)  # -K'
    zero, last = symbol_factor([0.0, 1.0], depth, kappa)
    weight = zero * symbol_factor(roots, depth, kappa) / ((1 - roots) * roots * bend)
    high = zero * last
    return np.array([weight @ np.exp((roots - 1) * np.log(v / high)) for v in x]) / high


@pytest.mark.parametrize("depth", [1.0, 1.5, 2.0, 8.0, 100.0, INF])
def test_at_one_it_is_the_closed_form(depth):
    high = equilibrium.limit_support(depth)[1]
    assert_allclose(law.edge(depth, 1.0), high, rtol=1e-14)
    assert_allclose(law.moments(depth, 9, 1.0), equilibrium.limit_moments(depth, 9), rtol=1e-13)
    known = equilibrium.limit_density(high * SHARES, depth)
    far = 1e-16 * np.log(SHARES) ** 2 if depth > 8 else 0.0  # where x ρ is 1/log² x
    error = np.abs(law.density(high * SHARES, high, depth, 1.0) / known - 1)
    assert (error < 2e-13 + 10 * far).all()


@pytest.mark.parametrize(("depth", "kappa"), [(2, 0.6), (3, 2.0), (5, 50.0), (1, 3.0)])
def test_the_density_is_a_series_of_residues(depth, kappa):
    high = equilibrium.limit_support(depth, kappa=kappa)[1]
    x = high * SHARES[:-2]
    ours = equilibrium.limit_density(x, depth, kappa=kappa)
    assert_allclose(ours, residues(x, depth, kappa), rtol=1e-12)


@pytest.mark.parametrize("kappa", [0.8, 4.0])
def test_depth_two_is_hypergeometric(kappa):
    """By Γ(s + r) Γ(s + 1 - r)/(Γ(s + 2) Γ(s + ½)), sin² πr = ½ + 1/(4κ)."""
    root = mpmath.asin(mpmath.sqrt(mpmath.mpf(2 * kappa + 1) / (4 * kappa))) / mpmath.pi
    high = mpmath.mpf(2 * kappa + 1) / (4 * root * (1 - root))
    gamma = mpmath.gamma
    assert_allclose(equilibrium.limit_support(2, kappa=kappa)[1], float(high), rtol=1e-14)
    moments = equilibrium.limit_moments(2, 4, kappa=kappa)
    for s in range(5):
        value = high**s * mpmath.sqrt(mpmath.pi) * gamma(s + root) * gamma(s + 1 - root)
        value /= gamma(root) * gamma(1 - root) * gamma(s + 2) * gamma(s + 0.5)
        assert_allclose(moments[s], float(value), rtol=1e-13)


@pytest.mark.parametrize(("depth", "kappa"), [(2.5, 2.0), (1.2, 0.7), (30.0, 1.3), (INF, 0.8)])
def test_the_density_has_the_moments(depth, kappa):
    """∫ x^k ρ dx by Gauss and Legendre in y, x = L sin² y, k >= 1."""
    node, weight = np.polynomial.legendre.leggauss(400)
    y, weight = np.pi / 4 * (node + 1), np.pi / 4 * weight
    high = equilibrium.limit_support(depth, kappa=kappa)[1]
    x = high * np.sin(y) ** 2
    mass = weight * equilibrium.limit_density(x, depth, kappa=kappa) * high * np.sin(2 * y)
    moments = equilibrium.limit_moments(depth, 4, kappa=kappa)
    assert_allclose([mass @ x**k for k in range(1, 5)], moments[1:], rtol=1e-6)
    mean = kappa * (1 / (2 * kappa) + (1 - 1 / (2 * kappa)) / depth)  # exact at every width
    assert_allclose(moments[:2], [1, mean], rtol=1e-13)


@pytest.mark.parametrize("depth", [1.0, 2.0, 3.5, INF])
def test_one_half_is_marchenko_pastur_at_half_the_size(depth):
    x = np.array([-1.0, 0.0, 1e-100, 0.3, 1.0, 1.9, 2.1])
    known = 2 * equilibrium.limit_density(2 * x, 1)
    assert_allclose(equilibrium.limit_density(x, depth, kappa=0.5), known, rtol=1e-12)
    halves = 0.5 ** np.arange(6)
    moments = equilibrium.limit_moments(depth, 5, kappa=0.5)
    assert_allclose(moments, equilibrium.limit_moments(1, 5) * halves, rtol=1e-13)


@pytest.mark.parametrize("kappa", [0.1, 0.7, 30.0])
def test_depth_one_is_marchenko_pastur_times_kappa(kappa):
    x = np.array([[1e-30, 0.5], [2.0, 3.9]])
    ours = equilibrium.limit_density(kappa * x, 1, kappa=kappa)
    assert_allclose(ours, equilibrium.limit_density(x, 1) / kappa, rtol=1e-12)


@pytest.mark.parametrize("depth", [1.5, 3.0, INF])
@pytest.mark.parametrize("kappa", [0.6, 1.0, 20.0])
def test_edge_scale_is_the_height_of_the_square_root(depth, kappa):
    high = equilibrium.limit_support(depth, kappa=kappa)[1]
    gap = 1e-7 * high
    height = equilibrium.limit_density(high - gap, depth, kappa=kappa) * math.pi / math.sqrt(gap)
    assert_allclose(equilibrium.limit_edge_scale(depth, kappa=kappa) ** 1.5, height, rtol=1e-6)


@pytest.mark.parametrize("kappa", [0.5 + 1e-15, 0.7, 1e6, 1e150])
@pytest.mark.parametrize("depth", [1.0, 1.3, 2.0, 100.0, 1e15, 1e20, INF])
def test_extremes_are_finite_and_positive(depth, kappa):
    high = equilibrium.limit_support(depth, kappa=kappa)[1]
    x = high * np.array([1e-100, 1e-8, 0.5, 1 - 1e-6, 1 - 2e-16])
    density = equilibrium.limit_density(x, depth, kappa=kappa)
    assert (density >= 0).all() and np.isfinite(density).all() and (density[1:4] > 0).all()


@pytest.mark.parametrize("kappa", [1e3, 1e6, 1e8, 1e10])
def test_the_edge_at_infinite_depth_and_large_kappa(kappa):
    zero, last = symbol_factor([0.0, 1.0], INF, kappa)
    assert_allclose(law.edge(INF, kappa), zero * last, rtol=1e-12)  # of the oracle


def test_next_to_zero_no_warning():
    found = equilibrium.limit_density([5e-324, 1e-310, 1e-300], 100, kappa=5)
    assert found[0] == INF and (np.diff(np.log(found[1:])) < 0).all()


def test_kappa_below_one_half_is_refused():
    refused = [
        lambda: equilibrium.limit_moments(2, 2, kappa=0.4),
        lambda: equilibrium.limit_support(INF, kappa=0.4),
        lambda: equilibrium.limit_density(1.0, 3, kappa=0.4),
        lambda: equilibrium.limit_edge_scale(3, kappa=0.4),
    ]
    for call in refused:
        with pytest.raises(ValueError, match=r"kappa must be >= 1/2 at depth > 1, not 0\.4"):
            call()
    with pytest.raises(ValueError, match="kappa must be finite and > 0"):
        equilibrium.limit_moments(1, 2, kappa=-1.0)
