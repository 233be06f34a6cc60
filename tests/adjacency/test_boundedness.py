"""Explicit constants of Lemma 37 against norms of random networks and along integrated flows."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo import adjacency, flows
from dlngeo.energies import Quadratic


def layers_of(rng, widths, size=()):
    return [rng.standard_normal((*size, b, a)) for a, b in itertools.pairwise(widths)]


def random_network(seed):
    rng = np.random.default_rng(seed)
    widths = tuple(int(d) for d in rng.integers(1, 5, rng.integers(2, 6)))
    scales = 10 ** rng.uniform(-1, 1, len(widths) - 1)
    layers = [c * W for c, W in zip(scales, layers_of(rng, widths), strict=True)]
    return rng, widths, layers


# ------------------------------------------------------------------------- Lemmas 37 and 38


@given(st.integers(0, 10**6))
@settings(max_examples=100)
def test_the_norm_of_the_product_lies_between_the_polynomials(seed):
    """(72), both sides; the coefficients of p are not negative."""
    _, widths, layers = random_network(seed)
    depth = len(layers)
    A = adjacency.from_weights(layers)
    x = (A**2).sum()
    power = (np.linalg.matrix_power(A, depth) ** 2).sum()
    constants = adjacency.norm_constants(A, widths)
    assert 0 < constants.gamma <= 1 and (constants.coefficients >= 0).all()
    assert constants.coefficients.shape == (depth,)
    assert constants.lower(x) <= power * (1 + 1e-12) + 1e-300
    assert power <= x**depth * (1 + 1e-12)


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_constants_by_their_formula(seed):
    """The polynomial term by term from the header, in 40 digits."""
    _, widths, layers = random_network(seed)
    depth = len(layers)
    G = [V @ V.T - W.T @ W for V, W in itertools.pairwise(layers)]
    sizes = [np.abs(np.linalg.eigvalsh(H)).max() for H in G]
    drift = sum(p * np.trace(H) for p, H in enumerate(G, start=1))
    gamma = 1 / (min(widths[-1], widths[-2]) ** (depth - 1) * depth**depth)
    constants = adjacency.norm_constants(adjacency.from_weights(layers), widths)
    assert constants.gamma == pytest.approx(gamma, rel=1e-14)
    for x in (0.3, 2.0):
        with mpmath.workdps(40):
            x_ = mpmath.mpf(x)
            p = gamma * depth * max(drift, 0.0) * x_ ** (depth - 1) if depth > 1 else 0
            for k, g in enumerate(sizes, start=1):
                p += x_ ** (depth - k) * ((x_ + mpmath.mpf(g)) ** k - x_**k)
            want = float(gamma * x_**depth - p)
        assert constants.lower(x) == pytest.approx(want, rel=1e-11, abs=1e-12)


def test_balanced_networks_have_no_correction(rng):
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    A = adjacency.from_weights((2 * Q, 2 * Q, 2 * Q))
    constants = adjacency.norm_constants(A, (3, 3, 3, 3))
    np.testing.assert_allclose(constants.coefficients, 0, atol=1e-13)
    # equality: all singular values are equal
    assert constants.lower((A**2).sum()) == pytest.approx(3 * 4.0**3, rel=1e-13)


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_lemma_38_corrected(seed):
    """k^{1-l} (Tr B)^l <= Tr B^l <= (Tr B)^l, and the power of the trace, not of its root."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 3, rng.integers(1, 6))
    power = rng.uniform(1, 5)
    k, trace, trace_of_power = values.size, values.sum(), (values**power).sum()
    assert k ** (1 - power) * trace**power <= trace_of_power * (1 + 1e-13)
    assert trace_of_power <= trace**power * (1 + 1e-13)


def test_printed_last_line_of_lemma_38_fails():
    """(Σ λ^l)^{1/l} <= (Σ λ)^{1/l} k^{l-1} as printed: false for one large eigenvalue."""
    value, power = 100.0, 2.0
    left = (value**power) ** (1 / power)
    assert left > value ** (1 / power) * 1 ** (power - 1)


# -------------------------------------------------------------------------- (26), Prop. 12.1


@pytest.mark.parametrize("widths", [(2, 3, 2), (3, 2, 2, 2), (1, 1, 1, 1), (2, 2)], ids=str)
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_flow_stays_within_the_bound(widths, scale, rng):
    layers = [scale * W for W in layers_of(rng, widths)]
    target = 2 * rng.standard_normal((widths[-1], widths[0]))
    bound = adjacency.norm_bound(adjacency.from_weights(layers), target, widths)
    run = flows.gradient_flow(Quadratic(target), layers, (0, 3), rtol=1e-6)
    norms = np.sqrt(sum((W**2).sum(axis=(-2, -1)) for W in run.weights))
    assert (norms <= bound * (1 + 1e-6)).all()


def test_backward_in_time_there_is_none():
    """Prop. 12 corrected, t >= 0 only: the scalar flow blows up at -ln(z²/(z² - σ))/(2σ)."""
    z0, sigma = 2.0, 1.0  # depth 2, both layers z: (z²)' = 2 z² (σ - z²)
    blow_up = math.log(z0**2 / (z0**2 - sigma)) / (2 * sigma)
    for close in (1e-3, 1e-6):
        t = -blow_up * (1 - close)
        u = sigma * z0**2 / (z0**2 + (sigma - z0**2) * math.exp(-2 * sigma * t))
        bound = adjacency.norm_bound(adjacency.from_weights(([[z0]], [[z0]])), [[sigma]], (1, 1, 1))
        assert math.sqrt(2 * u) > 10 * bound
    assert bound == pytest.approx(math.sqrt(2) * z0, rel=1e-14)  # forward it only falls


@given(st.integers(0, 10**6))
@settings(max_examples=60)
def test_the_bound_is_the_root_or_the_start(seed):
    rng, widths, layers = random_network(seed)
    target = rng.standard_normal((widths[-1], widths[0])) * 10 ** rng.uniform(-3, 3)
    A = adjacency.from_weights(layers)
    constants = adjacency.norm_constants(A, widths)
    bound = adjacency.norm_bound(A, target, widths)
    start = np.sqrt((A**2).sum())
    assert bound >= start * (1 - 1e-15)
    level = (target**2).sum()
    with mpmath.workdps(60):
        gamma, p = mpmath.mpf(constants.gamma), list(map(mpmath.mpf, constants.coefficients))

        def excess(x):  # changes sign once, by Descartes
            return gamma * x ** len(p) - sum(c * x**k for k, c in enumerate(p)) - level

        x = mpmath.mpf(bound) ** 2
        assert excess(x * (1 + mpmath.mpf(1e-12))) > 0
        if bound > start * (1 + 1e-14):
            assert excess(x * (1 - mpmath.mpf(1e-12))) < 0


@pytest.mark.parametrize("scale", [1e-80, 1e80])
def test_the_bound_scales_with_the_weights(scale, rng):
    """‖A‖ → s‖A‖ and ‖Σ‖ → s^N ‖Σ‖ multiply the bound by s."""
    widths = (2, 3, 2, 2)
    layers, target = layers_of(rng, widths), rng.standard_normal((2, 2))
    want = adjacency.norm_bound(adjacency.from_weights(layers), target, widths)
    moved = adjacency.from_weights([scale * W for W in layers])
    got = adjacency.norm_bound(moved, scale**3 * target, widths)
    assert got == pytest.approx(scale * want, rel=1e-12)


def test_nothing_to_learn_from_nothing():
    assert adjacency.norm_bound(np.zeros((3, 3)), [[0.0]], (1, 1, 1)) == 0


# ----------------------------------------------------------------------------- stacks, bad input


def test_stacks(rng):
    widths = (2, 3, 2)
    A = adjacency.from_weights(layers_of(rng, widths, size=(2, 3)))
    A[0, 0] = 0
    target = rng.standard_normal((2, 2))
    got = adjacency.norm_bound(A, target, widths)
    assert got.shape == (2, 3)
    for index in np.ndindex(2, 3):
        alone = adjacency.norm_bound(A[index], target, widths)
        assert got[index] == pytest.approx(alone, rel=1e-13)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="block-shift form"):
        adjacency.norm_constants(np.eye(3), (1, 1, 1))
    with pytest.raises(ValueError, match="target must have shape"):
        adjacency.norm_bound(np.zeros((3, 3)), np.eye(2), (1, 1, 1))
