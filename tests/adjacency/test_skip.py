"""Skip connections against a recursion over layers and differences over the learning weights."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo import adjacency, weights
from dlngeo.energies import MatrixSensing, Quadratic


def layers_of(rng, widths, size=()):
    return [rng.standard_normal((*size, b, a)) for a, b in itertools.pairwise(widths)]


def forward(layers, skips):
    """The map as a recursion over layers: x_l = W_l x_{l-1} + Σ x_k over the skips k -> l."""
    states = [np.eye(layers[0].shape[1])]
    for p, W in enumerate(layers, start=1):
        states.append(W @ states[-1] + sum(states[k] for k, end in skips if end == p))
    return states[-1]


def random_case(seed):
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(2, 6))
    widths = [int(d) for d in rng.integers(1, 4, depth + 1)]
    possible = list(itertools.combinations(range(depth + 1), 2))
    possible = [(k, end) for k, end in possible if end > k + 1]
    rng.shuffle(possible)
    chosen = [tuple(map(int, pair)) for pair in possible[: rng.integers(0, 4)]]
    for k, end in chosen:  # equal widths, spread over all joined layers
        widths = [widths[k] if d == widths[end] else d for d in widths]
    return rng, tuple(widths), chosen


# ---------------------------------------------------------------------------------- the map


@given(st.integers(0, 10**6))
@settings(max_examples=60)
def test_the_wide_network_has_the_skips(seed):
    rng, widths, skips = random_case(seed)
    layers = layers_of(rng, widths)
    wide = adjacency.with_skips(layers, skips)
    want = forward(layers, skips)
    got = weights.end_to_end(wide)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * max(np.abs(want).max(), 1))
    assert weights.widths(wide) == adjacency.skip_widths(widths, skips)
    extra = sum(widths[k] * (end - k - 1) for k, end in skips)
    assert sum(adjacency.skip_widths(widths, skips)) == sum(widths) + extra


@pytest.mark.parametrize(("k", "j"), [(1, 2), (1, 3), (0, 2), (2, 2), (0, 4), (0, 5)])
def test_a_single_skip_is_the_blocks_of_section_7_corrected(k, j, rng):
    """Printed: the chain of blocks ends at W̃_{k+j-1}, a skip from k to k + j - 1."""
    widths = (3,) * 6
    layers = layers_of(rng, widths)
    want = list(layers)
    one, zero = np.eye(3), np.zeros((3, 3))
    want[k] = np.vstack([layers[k], one])
    for p in range(k + 1, k + j - 1):
        want[p] = np.block([[layers[p], zero], [zero, one]])
    want[k + j - 1] = np.hstack([layers[k + j - 1], one])
    got = adjacency.with_skips(layers, [(k, k + j)])
    for G, W in zip(got, want, strict=True):
        np.testing.assert_array_equal(G, W)
    before, between = multiply(layers[:k], 3), multiply(layers[k : k + j], 3)
    target = multiply(layers[k + j :], 3) @ (between + one) @ before
    np.testing.assert_allclose(weights.end_to_end(got), target, rtol=0, atol=1e-11)
    if j > 2:  # the printed blocks
        printed = weights.end_to_end(adjacency.with_skips(layers, [(k, k + j - 1)]))
        assert np.abs(printed - target).max() > 0.5


def multiply(layers, d):
    result = np.eye(d)
    for W in layers:
        result = W @ result
    return result


def test_no_skip_changes_nothing(rng):
    layers = layers_of(rng, (2, 3, 2))
    for G, W in zip(adjacency.with_skips(layers, []), layers, strict=True):
        np.testing.assert_array_equal(G, W)
    block = adjacency.from_weights([np.ones_like(W) for W in layers]) == 1
    np.testing.assert_array_equal(adjacency.skip_mask((2, 3, 2), []), block)


# --------------------------------------------------------------------------------- learning


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_the_masked_gradient_is_that_of_the_learning_weights(seed):
    """Central differences, exact for a quadratic energy: no path passes one weight twice."""
    rng, widths, skips = random_case(seed)
    layers = layers_of(rng, widths)
    energy = Quadratic(rng.standard_normal((widths[-1], widths[0])))
    wide = adjacency.skip_widths(widths, skips)
    mask = adjacency.skip_mask(widths, skips)
    A = adjacency.from_weights(adjacency.with_skips(layers, skips))
    gradient = adjacency.gradient(A, energy, wide, mask=mask)
    assert not gradient[~mask].any()
    learned = adjacency.without_skips(adjacency.to_weights(gradient, wide), widths)
    for p, W in enumerate(layers):
        want = np.zeros_like(W)
        for place in np.ndindex(W.shape):
            values = []
            for sign in (1, -1):
                moved = [V.copy() for V in layers]
                moved[p][place] += sign
                values.append(energy.value(forward(moved, skips)))
            want[place] = (values[0] - values[1]) / 2
        size = max(1.0, np.abs(want).max(), energy.value(forward(layers, skips)))
        np.testing.assert_allclose(learned[p], want, rtol=0, atol=1e-12 * size)


def test_without_the_mask_the_identity_edges_would_move(rng):
    widths, skips = (2, 3, 2, 2), [(0, 2)]
    wide, mask = adjacency.skip_widths(widths, skips), adjacency.skip_mask(widths, skips)
    A = adjacency.from_weights(adjacency.with_skips(layers_of(rng, widths), skips))
    gradient = adjacency.gradient(A, Quadratic(np.eye(2)), wide)
    assert np.abs(gradient[~mask]).max() > 0.1
    masked = adjacency.gradient(A, Quadratic(np.eye(2)), wide, mask=mask)
    np.testing.assert_array_equal(masked, np.where(mask, gradient, 0))


def test_the_mask_is_one_on_the_leading_blocks():
    widths, skips = (2, 1, 2, 2), [(0, 2), (0, 3)]
    wide = adjacency.skip_widths(widths, skips)
    assert wide == (2, 1 + 2 + 2, 2 + 2, 2)
    parts = adjacency.blocks(adjacency.skip_mask(widths, skips), 1, wide)
    for M, (a, b) in zip(parts, itertools.pairwise(widths), strict=True):
        want = np.zeros_like(M)
        want[:b, :a] = 1
        np.testing.assert_array_equal(M, want)


def test_descent_with_the_mask_keeps_the_skips_and_lowers_the_loss(rng):
    """The masked flow, by small explicit steps."""
    widths, skips = (2, 2, 2, 2), [(0, 2), (1, 3)]
    wide, mask = adjacency.skip_widths(widths, skips), adjacency.skip_mask(widths, skips)
    start = [0.3 * W for W in layers_of(rng, widths)]
    energy = MatrixSensing(rng.standard_normal((3, 2, 2)), rng.standard_normal(3))
    A = adjacency.from_weights(adjacency.with_skips(start, skips))
    losses = []
    for _ in range(200):
        losses.append(adjacency.loss(A, energy, wide))
        A = A - 0.02 * adjacency.gradient(A, energy, wide, mask=mask)
    assert (np.diff(losses) < 0).all() and losses[-1] < 0.2 * losses[0]
    layers = adjacency.without_skips(adjacency.to_weights(A, wide), widths)
    again = adjacency.from_weights(adjacency.with_skips(layers, skips))
    np.testing.assert_array_equal(A, again)


def test_imbalances_are_conserved_but_where_a_skip_ends(rng):
    """Under the masked flow G_p of a layer that skips pass over stays; that of layer 2 moves."""
    widths, skips = (2, 2, 2, 2, 2), [(0, 2)]
    wide, mask = adjacency.skip_widths(widths, skips), adjacency.skip_mask(widths, skips)
    layers = layers_of(rng, widths)
    A = adjacency.from_weights(adjacency.with_skips(layers, skips))
    gradient = adjacency.gradient(A, Quadratic(np.eye(2)), wide, mask=mask)
    V = adjacency.without_skips(adjacency.to_weights(gradient, wide), widths)
    change = [
        (up + up.T) - (down + down.T)
        for up, down in (
            (V[p] @ layers[p].T, V[p + 1].T @ layers[p + 1]) for p in range(len(layers) - 1)
        )
    ]
    size = max(np.abs(F).max() for F in V)
    for p, G in enumerate(change, start=1):
        assert (np.abs(G).max() > 0.1 * size) if p == 2 else (np.abs(G).max() < 1e-13 * size)


# ----------------------------------------------------------------------------- stacks, bad input


def test_stacks(rng):
    widths, skips = (2, 3, 2, 2), [(0, 2), (0, 3)]
    layers = layers_of(rng, widths, size=(4,))
    wide = adjacency.with_skips(layers, skips)
    for k in range(4):
        alone = adjacency.with_skips([W[k] for W in layers], skips)
        for G, W in zip(wide, alone, strict=True):
            np.testing.assert_array_equal(G[k], W)
    for G, W in zip(adjacency.without_skips(wide, widths), layers, strict=True):
        np.testing.assert_array_equal(G, W)


@pytest.mark.parametrize(
    ("skips", "match"),
    [
        ([(0, 1)], "k \\+ 1 < l"),
        ([(2, 0)], "k \\+ 1 < l"),
        ([(1, 4)], "k \\+ 1 < l <= 3"),
        ([(0, 3)], "joins 2 and 4"),
        ([(0, 2), (0, 2)], "named twice"),
        ([3], "pairs"),
        ([(0, 2, 3)], "pairs"),
        ([(-1, 2)], "skips must be an integer >= 0"),
    ],
)
def test_bad_skips_are_refused(skips, match):
    with pytest.raises(ValueError, match=match):
        adjacency.skip_widths((2, 3, 2, 4), skips)


def test_blocks_that_are_not_there_are_refused(rng):
    wide = adjacency.with_skips(layers_of(rng, (2, 3, 2)), [(0, 2)])
    with pytest.raises(ValueError, match="must contain blocks of the widths"):
        adjacency.without_skips(wide, (2, 6, 2))
    with pytest.raises(ValueError, match="must contain blocks of the widths"):
        adjacency.without_skips(wide, (2, 3, 2, 2))


@pytest.mark.parametrize("mask", [np.ones((7, 7)), np.ones((6, 6), dtype=bool)])
def test_bad_masks_are_refused(mask):
    with pytest.raises(ValueError, match="mask must be a boolean array"):
        adjacency.gradient(np.zeros((7, 7)), Quadratic(np.eye(2)), (2, 3, 2), mask=mask)
