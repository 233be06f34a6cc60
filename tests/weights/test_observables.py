"""Singular values, effective ranks and Schatten norms against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo import observables

KINDS = ["entropy", "stable", "threshold"]
SPECTRA = [[3.0], [2.0, 1.0], [1.0, 2.0, 0.5], [5.0, 0.0, 0.03, 0.04], [1.0, 1.0, 1.0]]


def entropy_rank(sigma):
    p = [s / sum(sigma) for s in sigma if s > 0]
    return math.exp(-sum(x * math.log(x) for x in p))


def stable_rank(sigma):
    return sum(s**2 for s in sigma) / max(sigma) ** 2


def threshold_rank(sigma):
    return sum(s > 0.01 * max(sigma) for s in sigma)


DEFINITIONS = {"entropy": entropy_rank, "stable": stable_rank, "threshold": threshold_rank}


@pytest.mark.parametrize("sigma", SPECTRA)
@pytest.mark.parametrize("kind", KINDS)
def test_effective_rank_is_its_definition(kind, sigma):
    want = DEFINITIONS[kind](sigma)
    assert observables.effective_rank(sigma, kind) == pytest.approx(want, rel=1e-14)


def test_effective_rank_by_hand():
    # p = (2/3, 1/3): the entropy is log 3 - (2/3) log 2
    assert observables.effective_rank([2.0, 1.0]) == pytest.approx(3 / 2 ** (2 / 3), rel=1e-14)
    assert observables.effective_rank([2.0, 1.0], "stable") == 1.25


@pytest.mark.parametrize(("threshold", "count"), [(0, 3), (0.1, 2), (0.5, 1), (0.49, 2)])
def test_threshold_counts_what_exceeds_it(threshold, count):
    sigma = [2.0, 1.0, 0.1, 0.0]
    assert observables.effective_rank(sigma, "threshold", threshold=threshold) == count


@pytest.mark.parametrize("kind", KINDS)
def test_effective_rank_of_zero_is_zero(kind):
    np.testing.assert_array_equal(observables.effective_rank(np.zeros((2, 3)), kind), [0, 0])


@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e-323])
@pytest.mark.parametrize("kind", KINDS)
def test_effective_rank_of_equal_numbers_is_their_count(kind, scale):
    assert observables.effective_rank([scale] * 4, kind) == pytest.approx(4, rel=1e-14)


@settings(deadline=None, max_examples=50)
@given(
    sigma=st.lists(st.floats(0, 10), min_size=1, max_size=6).filter(lambda s: max(s) > 1e-3),
    scale=st.sampled_from([1e-250, 1e-3, 7.0, 1e250]),
    kind=st.sampled_from(["entropy", "stable"]),
)
def test_effective_rank_knows_neither_scale_nor_order(sigma, scale, kind):
    rank = observables.effective_rank(sigma, kind)
    assert 1 - 1e-14 <= rank <= len(sigma) * (1 + 1e-14)
    scaled = observables.effective_rank(scale * np.array(sigma[::-1]), kind)
    assert scaled == pytest.approx(rank, rel=1e-12)


@pytest.mark.parametrize("sigma", [*SPECTRA, [0.0, 0.0]])
@pytest.mark.parametrize("p", [0.4, 2 / 3, 1, 2, 3.5])
def test_schatten_norm_is_its_definition(p, sigma):
    want = sum(s**p for s in sigma) ** (1 / p)
    assert observables.schatten_norm(sigma, p) == pytest.approx(want, rel=1e-13)


def test_schatten_norm_at_infinity_is_the_largest():
    assert observables.schatten_norm([1.0, 3.0, 2.0], math.inf) == 3.0


def test_schatten_2_is_the_frobenius_norm_and_infinity_the_spectral_norm(rng):
    W = rng.standard_normal((3, 5))
    sigma = observables.singular_values(W)
    assert observables.schatten_norm(sigma, 2) == pytest.approx(np.linalg.norm(W), rel=1e-13)
    want = np.linalg.norm(W, 2)
    assert observables.schatten_norm(sigma, math.inf) == pytest.approx(want, rel=1e-13)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
@pytest.mark.parametrize("p", [0.5, 1, 2, math.inf])
def test_schatten_norm_neither_overflows_nor_underflows(p, scale):
    want = scale * (1 if math.isinf(p) else 4 ** (1 / p))
    assert observables.schatten_norm([scale] * 4, p) == pytest.approx(want, rel=1e-13)


def test_nuclear_norm_is_the_sum():
    assert observables.nuclear_norm([3.0, 1.0, 0.5]) == pytest.approx(4.5, rel=1e-15)


@pytest.mark.parametrize("shape", [(4, 4), (2, 5), (5, 2)])
def test_singular_values_squared_are_eigenvalues_of_the_gram_matrix(shape, rng):
    W = rng.standard_normal(shape)
    gram = W @ W.T if shape[0] <= shape[1] else W.T @ W
    want = np.sqrt(np.linalg.eigvalsh(gram)[::-1])
    np.testing.assert_allclose(observables.singular_values(W), want, rtol=1e-12)


def test_singular_values_decrease_and_are_not_negative():
    got = observables.singular_values(np.diag([1.0, -3.0, 0.0, 2.0]))
    np.testing.assert_allclose(got, [3, 2, 1, 0], rtol=1e-15, atol=0)


OF_SPECTRA = {
    "entropy": observables.effective_rank,
    "stable": lambda s: observables.effective_rank(s, "stable"),
    "threshold": lambda s: observables.effective_rank(s, "threshold", threshold=0.5),
    "nuclear": observables.nuclear_norm,
    "schatten 1/2": lambda s: observables.schatten_norm(s, 0.5),
    "schatten inf": lambda s: observables.schatten_norm(s, math.inf),
}


@pytest.mark.parametrize("function", OF_SPECTRA.values(), ids=OF_SPECTRA)
def test_a_stack_of_spectra_equals_a_loop(function, rng):
    stack = rng.random((2, 3, 4))
    stack[1, 2] = 0
    want = [[function(s) for s in row] for row in stack]
    np.testing.assert_allclose(function(stack), want, rtol=1e-15, atol=0, strict=True)


def test_a_stack_of_matrices_equals_a_loop(rng):
    stack = rng.standard_normal((2, 3, 4, 5))
    want = [[observables.singular_values(W) for W in row] for row in stack]
    np.testing.assert_array_equal(observables.singular_values(stack), want, strict=True)


@pytest.mark.parametrize("function", OF_SPECTRA.values(), ids=OF_SPECTRA)
@pytest.mark.parametrize(
    ("sigma", "error", "match"),
    [
        ([1.0, -0.5], ValueError, "non-negative"),
        ([1.0, math.nan], ValueError, "finite"),
        ([math.inf], ValueError, "finite"),
        ([1j], TypeError, "real numbers"),
        (1.0, ValueError, r"shape \(\.\.\., r\)"),
        ([], ValueError, "r >= 1"),
    ],
)
def test_what_is_no_spectrum_is_refused(function, sigma, error, match):
    with pytest.raises(error, match=match):
        function(sigma)


@pytest.mark.parametrize(
    ("W", "error", "match"),
    [
        ([1.0, 2.0], ValueError, "matrix"),
        ([[1.0, math.nan]], ValueError, "finite"),
        ([[1j]], TypeError, "real numbers"),
        (np.zeros((0, 3)), ValueError, "m, n >= 1"),
    ],
)
def test_what_is_no_matrix_is_refused(W, error, match):
    with pytest.raises(error, match=match):
        observables.singular_values(W)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, math.nan])
def test_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        observables.effective_rank([1.0], "threshold", threshold=threshold)


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"entropy.*stable.*threshold"):
        observables.effective_rank([1.0], "numerical")


@pytest.mark.parametrize("p", [0, -1, math.nan])
def test_schatten_order_must_be_positive(p):
    with pytest.raises(ValueError, match="p must be > 0"):
        observables.schatten_norm([1.0], p)
