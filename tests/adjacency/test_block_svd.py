"""Both singular value decompositions of the adjacency matrix, and the exact form of (60)."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo import adjacency, weights

WIDTHS = [(3, 2), (3, 4, 2), (2, 5, 3, 3), (4, 2, 3, 1), (1, 1, 1), (2, 1, 3, 2, 4)]
every_width = pytest.mark.parametrize("widths", WIDTHS, ids=str)


def layers_of(rng, widths, size=()):
    return [rng.standard_normal((*size, b, a)) for a, b in itertools.pairwise(widths)]


def orthogonal(Q):
    return np.abs(Q.mT @ Q - np.eye(Q.shape[-1])).max() < 1e-14


def haar(rng, d):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


# ------------------------------------------------------------------------------------- Prop. 7


@every_width
def test_block_shift_decomposition(widths, rng):
    layers = layers_of(rng, widths, size=(2, 3))
    A = adjacency.from_weights(layers)
    U, L, V = adjacency.block_svd(A, widths)
    np.testing.assert_allclose(U @ L @ V.mT, A, rtol=0, atol=1e-14)
    for p, (W, Lambda) in enumerate(zip(layers, adjacency.to_weights(L, widths), strict=True)):
        assert orthogonal(adjacency.blocks(U, 0, widths)[p + 1])
        assert orthogonal(adjacency.blocks(V, 0, widths)[p])
        r = min(W.shape[-2:])
        values = np.linalg.svd(W, compute_uv=False)
        np.testing.assert_allclose(Lambda[..., range(r), range(r)], values, rtol=1e-13)
        assert np.count_nonzero(Lambda) == np.count_nonzero(values)
    assert not adjacency.blocks(U, 0, widths)[0].any()
    assert not adjacency.blocks(V, 0, widths)[-1].any()


# ------------------------------------------------------------------------------------ Prop. 39


@every_width
def test_standard_decomposition(widths, rng):
    layers = layers_of(rng, widths, size=(2, 3))
    A = adjacency.from_weights(layers)
    U, sigma, V = adjacency.standard_svd(A, widths)
    assert orthogonal(U) and orthogonal(V)
    np.testing.assert_allclose((U * sigma[..., None, :]) @ V.mT, A, rtol=0, atol=1e-14)
    np.testing.assert_allclose(sigma, np.linalg.svd(A, compute_uv=False), rtol=0, atol=1e-14)
    extra = sum(widths) - sum(min(pair) for pair in itertools.pairwise(widths))
    assert (sigma == 0).sum(axis=-1).min() >= extra
    assert (np.diff(sigma) <= 0).all()


@pytest.mark.parametrize("name", ["h2", "h3", "h5"])
def test_golden_singular_values(name, golden_flow):
    golden = golden_flow["networks"][name]
    widths = tuple(golden["d"])
    A = adjacency.from_weights([np.array(W, dtype=float) for W in golden["W"]])
    _, sigma, _ = adjacency.standard_svd(A, widths)
    want = np.array(golden["singular_values_A"], dtype=float)
    np.testing.assert_allclose(sigma, want, rtol=1e-14, atol=1e-16)
    structural = sum(widths) - sum(min(pair) for pair in itertools.pairwise(widths))
    assert structural == golden["n_zero_singular_structural"]


def test_layers_of_different_size_keep_their_small_singular_values():
    """A decomposition of A as a whole would know them to 1e-16 of the largest only."""
    rng = np.random.default_rng(3)
    layers = [1e12 * rng.standard_normal((3, 3)), 1e-12 * rng.standard_normal((2, 3))]
    _, sigma, _ = adjacency.standard_svd(adjacency.from_weights(layers), (3, 3, 2))
    with mpmath.workdps(40):
        small = sorted(mpmath.svd_r(mpmath.matrix(layers[1].tolist()), compute_uv=False))[::-1]
    np.testing.assert_allclose(sigma[3:5], np.array(small, dtype=float), rtol=1e-14)


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_vanishing_and_equal_singular_values(fill):
    widths = (3, 4, 2)
    A = adjacency.from_weights([np.full((4, 3), fill), fill * np.eye(2, 4)])
    U, sigma, V = adjacency.standard_svd(A, widths)
    assert orthogonal(U) and orthogonal(V)
    np.testing.assert_allclose((U * sigma) @ V.T, A, rtol=0, atol=1e-14)


# ------------------------------------------------------------------------- Prop. 36, (58)-(60)


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_misalignment_sums_to_the_imbalance(seed):
    """The exact form of (60)."""
    rng = np.random.default_rng(seed)
    widths = tuple(int(d) for d in rng.integers(1, 5, rng.integers(2, 6)))
    layers = layers_of(rng, widths)
    terms = adjacency.misalignment(adjacency.from_weights(layers), widths)
    assert len(terms) == len(widths) - 2
    for T, G in zip(terms, weights.imbalance(layers), strict=True):
        assert T.shape == G.shape and (T >= 0).all()
        size = max((W**2).sum() for W in layers) ** 2
        assert T.sum() == pytest.approx((G**2).sum(), rel=1e-12, abs=1e-13 * size)


def test_the_printed_60_is_approximate(rng):
    """Equal values on both sides are assumed there: Σ Θ_kl (s_k² - s_l²)²."""
    widths = (3, 3, 3)
    layers = layers_of(rng, widths)
    (exact,) = adjacency.misalignment(adjacency.from_weights(layers), widths)
    U, t, _ = np.linalg.svd(layers[0])
    s, Vt = np.linalg.svd(layers[1])[1:]
    overlap = (Vt @ U) ** 2
    printed = ((overlap + overlap.T) / 2 * (t[:, None] ** 2 - t[None, :] ** 2) ** 2).sum()
    want = (weights.imbalance(layers)[0] ** 2).sum()
    assert exact.sum() == pytest.approx(want, rel=1e-13)
    assert abs(printed - want) > 0.1 * want
    wielandt_hoffman = ((t**2 - s**2) ** 2).sum()
    assert wielandt_hoffman <= want  # (58)


def test_printed_size_of_delta_in_prop_36_fails():
    """With δ far below σ^{1/N} but not below σ^{2/N}, |s - t| may exceed the bound δ itself."""
    s, t = 2e-2, 0.0  # N = 2: s² - t² = 4e-4 = δ, while s - t = 2e-2 = 50 δ
    layers = ([[s]], [[t]])
    delta = s**2
    assert weights.is_delta_balanced(layers, delta * (1 + 1e-12))
    assert delta < s / 10 and abs(s - t) > 10 * delta
    (term,) = adjacency.misalignment(adjacency.from_weights(layers), (1, 1, 1))
    assert term[0, 0] == pytest.approx(delta**2, rel=1e-14)


def test_misalignment_of_nearly_balanced_layers_has_no_cancellation():
    s, t = 1.0 + 1e-14, 1.0
    (term,) = adjacency.misalignment(adjacency.from_weights(([[t]], [[s]])), (1, 1, 1))
    assert term[0, 0] == pytest.approx(((s - t) * (s + t)) ** 2, rel=1e-13)


# ------------------------------------------------------------------------- aligned, decoupled


def aligned(rng, widths, ends=True):
    """U, Λ, V and A of a network built aligned; with ends=False decoupled."""
    frames = [haar(rng, d) for d in widths]
    if not ends:
        frames[0], frames[-1] = np.eye(widths[0]), np.eye(widths[-1])
    middles = []
    for a, b in itertools.pairwise(widths):
        D = np.zeros((b, a))
        np.fill_diagonal(D, rng.uniform(0.5, 2.0, min(a, b)))
        middles.append(D)
    zero = [np.zeros((d, d)) for d in (widths[0], widths[-1])]
    U = adjacency.blk(0, [zero[0], *frames[1:]], widths)
    V = adjacency.blk(0, [*frames[:-1], zero[1]], widths)
    Lambda = adjacency.blk(1, middles, widths)
    return U, Lambda, V, U @ Lambda @ V.T


@pytest.mark.parametrize("widths", [(3, 3, 3, 3), (4, 3, 5, 3, 2), (2, 2, 2)], ids=str)
def test_powers_of_aligned_networks_keep_their_frames(widths, rng):
    """Prop. 29: A^k = U Λ^k Vᵀ, and VᵀU = J; a network that is not aligned fails."""
    U, Lambda, V, A = aligned(rng, widths)
    np.testing.assert_allclose(V.T @ U, adjacency.hidden_projection(widths), atol=1e-14)
    for k in range(1, len(widths)):
        want = U @ np.linalg.matrix_power(Lambda, k) @ V.T
        np.testing.assert_allclose(adjacency.powers(A, k)[k], want, rtol=0, atol=1e-13)
    other = adjacency.from_weights(layers_of(rng, widths))
    parts = adjacency.block_svd(other, widths)
    miss = parts.U @ parts.Lambda @ parts.Lambda @ parts.V.T - other @ other
    assert np.abs(miss).max() > 0.1


@pytest.mark.parametrize("widths", [(3, 3, 3, 3), (4, 3, 5, 3, 2)], ids=str)
def test_decoupled_networks_are_diagonal_in_orthogonal_bases(widths, rng):
    """Props. 31, 32 corrected: A = PΛPᵀ with P = blk_0(I, V_2, ..., V_N, I)."""
    _, Lambda, V, A = aligned(rng, widths, ends=False)
    hidden = [*adjacency.blocks(V, 0, widths)[1:-1]]
    ends = [np.eye(d) for d in (widths[0], widths[-1])]
    P = adjacency.blk(0, [ends[0], *hidden, ends[1]], widths)
    np.testing.assert_allclose(P @ Lambda @ P.T, A, rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="blk_0 takes"):  # printed: V_2, ..., V_{N-1}
        adjacency.blk(0, [ends[0], *hidden[:-1], ends[1]], widths)


# ---------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "function", [adjacency.block_svd, adjacency.standard_svd, adjacency.misalignment]
)
def test_matrices_outside_the_form_are_refused(function):
    with pytest.raises(ValueError, match="block-shift form"):
        function(np.eye(3), (1, 1, 1))


def test_a_stack_equals_a_loop(rng):
    widths = (3, 4, 2)
    A = adjacency.from_weights(layers_of(rng, widths, size=(2, 3)))
    (together,) = adjacency.misalignment(A, widths)
    sigma = adjacency.standard_svd(A, widths).sigma
    for index in np.ndindex(2, 3):
        (alone,) = adjacency.misalignment(A[index], widths)
        np.testing.assert_allclose(together[index], alone, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            sigma[index], adjacency.standard_svd(A[index], widths).sigma, rtol=1e-13
        )
