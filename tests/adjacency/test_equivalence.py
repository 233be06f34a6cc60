"""Equivalent networks: the moves of Props. 16 and 40 against explicit products of the layers."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space

from dlngeo import adjacency
from dlngeo.energies import MatrixSensing, Quadratic


def layers_of(rng, widths, size=()):
    return [rng.standard_normal((*size, b, a)) for a, b in itertools.pairwise(widths)]


def random_widths(rng):
    return tuple(int(d) for d in rng.integers(1, 5, rng.integers(2, 6)))


def multiply(layers):
    result = layers[0]
    for W in layers[1:]:
        result = W @ result
    return result


def haar(rng, d):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


def low_rank(rng, widths, r):
    """Layers of rank r, so that both null spaces are there."""
    return [
        rng.standard_normal((b, r)) @ rng.standard_normal((r, a))
        for a, b in itertools.pairwise(widths)
    ]


def annihilated(rng, layers, dead):
    """Z_p with W_{p+1} Z_p = 0 and Z_p W_{p-1} = 0; Z_dead = 0 makes Z_N ⋯ Z_1 = 0."""
    Z = []
    for p, W in enumerate(layers):
        left = null_space(layers[p + 1]) if p + 1 < len(layers) else np.eye(W.shape[0])
        right = null_space(layers[p - 1].T) if p > 0 else np.eye(W.shape[1])
        core = rng.standard_normal((left.shape[1], right.shape[1]))
        Z.append(left @ core @ right.T * (p != dead))
    return Z


# ---------------------------------------------------------------------------- change of basis


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_a_change_of_basis_is_a_similarity(seed):
    rng = np.random.default_rng(seed)
    widths = random_widths(rng)
    A = adjacency.from_weights(layers_of(rng, widths))
    bases = [haar(rng, d) @ np.diag(rng.uniform(0.5, 2.0, d)) for d in widths[1:-1]]
    P = adjacency.blk(0, [np.eye(widths[0]), *bases, np.eye(widths[-1])], widths)
    got = adjacency.change_basis(A, bases, widths)
    np.testing.assert_allclose(got, P @ A @ np.linalg.inv(P), rtol=0, atol=1e-13)
    assert adjacency.are_equivalent(A, got, widths, tol=1e-13)
    if len(widths) > 2 and min(widths[:2]) > 0:
        moved = adjacency.from_weights([2 * W for W in adjacency.to_weights(A, widths)])
        assert not adjacency.are_equivalent(A, moved, widths)


@pytest.mark.parametrize("kind", ["quadratic", "sensing"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_orthogonal_changes_commute_with_the_flow(kind, seed):
    """Prop. 8, for every energy; and Q_2 = P Q_1 Pᵀ."""
    rng = np.random.default_rng(seed)
    widths = random_widths(rng)
    m, n = widths[-1], widths[0]
    energy = (
        Quadratic(rng.standard_normal((m, n)))
        if kind == "quadratic"
        else MatrixSensing(rng.standard_normal((3, m, n)), rng.standard_normal(3))
    )
    A = adjacency.from_weights(layers_of(rng, widths))
    bases = [haar(rng, d) for d in widths[1:-1]]
    moved = adjacency.change_basis(A, bases, widths)
    gradient = adjacency.gradient(A, energy, widths)
    want = adjacency.change_basis(gradient, bases, widths)
    got = adjacency.gradient(moved, energy, widths)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * (1 + np.abs(want).max()))
    P = adjacency.blk(0, [np.eye(n), *bases, np.eye(m)], widths)
    Q = P @ adjacency.commutator(A) @ P.T
    np.testing.assert_allclose(adjacency.commutator(moved), Q, rtol=0, atol=1e-12)


def test_other_changes_of_basis_do_not_commute_with_the_flow(rng):
    widths, bases = (2, 3, 2), [np.diag([1.0, 2.0, 3.0])]
    A, energy = adjacency.from_weights(layers_of(rng, widths)), Quadratic(np.eye(2))
    moved = adjacency.change_basis(A, bases, widths)
    want = adjacency.change_basis(adjacency.gradient(A, energy, widths), bases, widths)
    assert np.abs(adjacency.gradient(moved, energy, widths) - want).max() > 0.1


# ------------------------------------------------------------------------- Props. 16 and 40


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_annihilated_additions_keep_the_product(seed):
    rng = np.random.default_rng(seed)
    widths = tuple(int(d) for d in rng.integers(2, 6, rng.integers(3, 6)))
    layers = low_rank(rng, widths, 1)
    Z = annihilated(rng, layers, dead=rng.integers(len(layers)))
    A, extra = adjacency.from_weights(layers), adjacency.from_weights(Z)
    assert adjacency.is_annihilated(A, extra, widths, tol=1e-12)
    np.testing.assert_allclose(A @ extra, 0, atol=1e-12)
    np.testing.assert_allclose(extra @ A, 0, atol=1e-12)
    bases = [haar(rng, d) @ np.diag(rng.uniform(0.5, 2.0, d)) for d in widths[1:-1]]
    moved = adjacency.change_basis(A + extra, bases, widths)
    assert adjacency.are_equivalent(A, moved, widths, tol=1e-12)
    want = multiply(layers)
    got = multiply(adjacency.to_weights(moved, widths))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * max(np.abs(want).max(), 1))


def test_the_power_of_z_must_vanish_too(rng):
    """AZ = ZA = 0 alone lets Z_N ⋯ Z_1 through."""
    widths = (3, 3, 3)
    layers = low_rank(rng, widths, 1)
    Z = annihilated(rng, layers, dead=None)
    A, extra = adjacency.from_weights(layers), adjacency.from_weights(Z)
    np.testing.assert_allclose(A @ extra + extra @ A, 0, atol=1e-13)
    assert not adjacency.is_annihilated(A, extra, widths)
    assert not adjacency.are_equivalent(A, A + extra, widths)


def test_the_condition_is_not_necessary():
    """Remark after Prop. 40: Z_1 beyond the kernel of W_2, within that of W_3 W_2."""
    layers = [np.eye(2), np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 1.0]])]
    Z = [np.array([[0.0, 0.0], [1.0, 0.0]]), np.zeros((2, 2)), np.zeros((1, 2))]
    A, extra = adjacency.from_weights(layers), adjacency.from_weights(Z)
    widths = (2, 2, 2, 1)
    assert adjacency.are_equivalent(A, A + extra, widths)
    assert not adjacency.is_annihilated(A, extra, widths)


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_side_alone_does_not_do(side, rng):
    """Z_2 W_1 = 0 and W_2 Z_1 = 0 are both looked at."""
    W1, W2 = rng.standard_normal((2, 2)), np.array([[1.0, 0.0]])
    Z = [np.array([[0.0, 0.0], [1.0, 1.0]]), np.zeros((1, 2))]  # W_2 Z_1 = 0, Z_2 = 0
    if side == "right":
        Z = [np.zeros((2, 2)), rng.standard_normal((1, 2))]  # Z_2 W_1 ≠ 0
    A, extra = adjacency.from_weights((W1, W2)), adjacency.from_weights(Z)
    assert adjacency.is_annihilated(A, extra, (2, 2, 1)) == (side == "left")


# ----------------------------------------------------------------------------- stacks, bad input


def test_stacks(rng):
    widths = (2, 3, 2)
    A = adjacency.from_weights(layers_of(rng, widths, size=(4,)))
    bases = [haar(rng, 3)]
    moved = adjacency.change_basis(A, bases, widths)
    assert moved.shape == A.shape
    for k in range(4):
        alone = adjacency.change_basis(A[k], bases, widths)
        np.testing.assert_allclose(moved[k], alone, rtol=1e-12, atol=1e-14)
    got = adjacency.are_equivalent(A, moved[0], widths)
    np.testing.assert_array_equal(got, [True, False, False, False])
    zero = adjacency.is_annihilated(A, np.zeros_like(A[0]), widths)
    np.testing.assert_array_equal(zero, [True] * 4)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_verdicts_do_not_depend_on_the_scale(scale, rng):
    widths = (3, 3, 3)
    layers = [scale * W for W in low_rank(rng, widths, 1)]
    Z = [scale * F for F in annihilated(rng, layers, dead=0)]
    A, extra = adjacency.from_weights(layers), adjacency.from_weights(Z)
    assert adjacency.is_annihilated(A, extra, widths)
    assert adjacency.are_equivalent(A, A + extra, widths)
    assert not adjacency.are_equivalent(A, 1.001 * A, widths)


def test_bad_bases_are_refused(rng):
    widths = (2, 3, 2)
    A = adjacency.from_weights(layers_of(rng, widths))
    with pytest.raises(ValueError, match="bases must be 1 matrices, not 2"):
        adjacency.change_basis(A, [np.eye(3)] * 2, widths)
    with pytest.raises(ValueError, match=r"bases\[0\] must have shape"):
        adjacency.change_basis(A, [np.eye(2)], widths)
    with pytest.raises(np.linalg.LinAlgError):
        adjacency.change_basis(A, [np.zeros((3, 3))], widths)
    with pytest.raises(ValueError, match="block-shift form"):
        adjacency.change_basis(np.eye(7), [np.eye(3)], widths)


# ------------------------------------------------------------------------------ tiny and huge


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_layers_whose_products_leave_floating_point(rng, size):
    widths = (2, 3, 2)
    layers = layers_of(rng, widths)
    other = [W.copy() for W in layers]
    other[0][0, 0] *= 1 + 1e-3
    A, B = (adjacency.from_weights([size * W for W in Ws]) for Ws in (layers, other))
    assert adjacency.are_equivalent(A, A, widths)
    assert not adjacency.are_equivalent(A, B, widths)
    assert not adjacency.is_annihilated(A, B, widths)
    zero = 0 * A
    assert adjacency.are_equivalent(zero, zero, widths)
    assert not adjacency.are_equivalent(A, zero, widths)


def test_traces_of_a_layer_count_as_zero(rng):
    """A layer of Z that is rounding beside the network's own is no layer of Z."""
    widths = (3, 4, 4, 3)
    layers = low_rank(rng, widths, 2)
    Z = annihilated(rng, layers, dead=1)
    A = adjacency.from_weights(layers)
    for junk, want in ((1e-27, True), (1e-12, True), (1e-8, False)):
        Z[1] = junk * rng.standard_normal((4, 4))
        assert adjacency.is_annihilated(A, adjacency.from_weights(Z), widths) == want
