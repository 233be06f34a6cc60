"""Weights: maps, lifted gradient, invariants, initialisations and special classes.

Oracles: explicit sums and products, golden values, exact differences. The lifted energy of a
least-squares E is quadratic in each layer, so its central differences hold for any step; for other
energies the complex step has no error of truncation either.
"""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo import weights as networks
from dlngeo.energies import Quadratic

WIDTHS = [(3, 3), (2, 4), (3, 3, 3), (4, 2, 3), (2, 5, 3, 4), (3, 4, 1, 2, 5)]
each_widths = pytest.mark.parametrize("widths", WIDTHS, ids=str)
same = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12, strict=True)


def gaussian(widths, rng, size=()):
    return tuple(rng.standard_normal((*size, b, a)) for a, b in itertools.pairwise(widths))


def same_weights(got, want):
    for G, W in zip(got, want, strict=True):
        same(G, W)


def multiply(factors, dimension):
    """F_k ⋯ F_1, which is the identity if there are none."""
    result = np.eye(dimension)
    for F in factors:
        result = F @ result
    return result


class Sine:
    """Not quadratic: E(W) = Σ_ij c_ij sin W_ij. Analytic, hence fit for complex steps."""

    def __init__(self, m, n):
        self.c = 1 + np.arange(m * n).reshape(m, n)

    def value(self, W):
        return (self.c * np.sin(W)).sum(axis=(-2, -1))

    def gradient(self, W):
        return self.c * np.cos(W)

    def hessian(self, W, Z):
        return -self.c * np.sin(W) * Z


# ------------------------------------------------------------------ maps to and from the weights


def test_layers_stand_in_network_order(rng):
    W_1, W_2, W_3 = gaussian((2, 5, 3, 4), rng)
    assert networks.widths((W_1, W_2, W_3)) == (2, 5, 3, 4)
    want = np.zeros((4, 2))
    for a, b, c, d in np.ndindex(4, 3, 5, 2):
        want[a, d] += W_3[a, b] * W_2[b, c] * W_1[c, d]
    same(networks.end_to_end((W_1, W_2, W_3)), want)


def test_one_layer_is_its_own_end_to_end_matrix(rng):
    (W,) = weights = gaussian((4, 3), rng)
    np.testing.assert_array_equal(networks.end_to_end(weights), W)


def test_to_vector_writes_row_by_row():
    weights = ([[1, 2], [3, 4], [5, 6]], [[7, 8, 9]])
    np.testing.assert_array_equal(networks.to_vector(weights), np.arange(1.0, 10.0), strict=True)


@settings(deadline=None, max_examples=50)
@given(
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    size=st.sampled_from([(), (3,), (2, 1)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_from_vector_undoes_to_vector(widths, size, seed):
    weights = gaussian(widths, np.random.default_rng(seed), size)
    vector = networks.to_vector(weights)
    assert vector.shape == (*size, sum(a * b for a, b in itertools.pairwise(widths)))
    for back, W in zip(networks.from_vector(vector, widths), weights, strict=True):
        np.testing.assert_array_equal(back, W, strict=True)


@pytest.mark.parametrize(
    ("vector", "widths", "error", "match"),
    [
        (np.zeros(5), (2, 3), ValueError, "must have 6 entries"),
        (0.0, (1, 1), ValueError, "must have 1 entries"),
        ([np.nan] * 6, (2, 3), ValueError, "vector must be finite"),
        ([1j] * 6, (2, 3), TypeError, "real numbers"),
        (np.zeros(0), (2, 0), ValueError, r"widths\[1\] must be an integer >= 1"),
        (np.zeros(6), (2,), ValueError, "at least input and output"),
        (np.zeros(6), 6, TypeError, "must be a sequence"),
    ],
)
def test_a_vector_that_holds_no_such_weights_is_refused(vector, widths, error, match):
    with pytest.raises(error, match=match):
        networks.from_vector(vector, widths)


# ----------------------------------------------------------------------- gradients and velocities


@each_widths
def test_gradient_is_the_central_difference(widths, rng):
    weights, target = gaussian(widths, rng), rng.standard_normal((widths[-1], widths[0]))

    def loss(layers):
        return 0.5 * np.sum((multiply(layers, widths[0]) - target) ** 2)

    for p, G in enumerate(networks.gradient(Quadratic(target), weights)):
        want = np.zeros(G.shape)
        for i, j in np.ndindex(G.shape):
            step = np.zeros(G.shape)
            step[i, j] = 1
            plus, minus = ((*weights[:p], weights[p] + s, *weights[p + 1 :]) for s in (step, -step))
            want[i, j] = (loss(plus) - loss(minus)) / 2  # exact: quadratic in one layer
        same(G, want)


@each_widths
def test_gradient_of_any_energy_is_the_complex_step(widths, rng):
    energy, weights = Sine(widths[-1], widths[0]), gaussian(widths, rng)
    for p, G in enumerate(networks.gradient(energy, weights)):
        want = np.zeros(G.shape)
        for i, j in np.ndindex(G.shape):
            step = np.zeros(G.shape, dtype=complex)
            step[i, j] = 1e-30j
            moved = (*weights[:p], weights[p] + step, *weights[p + 1 :])
            want[i, j] = energy.value(multiply(moved, widths[0])).imag / 1e-30
        same(G, want)


@each_widths
def test_end_to_end_velocity_is_the_printed_sum(widths, rng):
    """Menon (4.9): -Σ_p A_{p+1}A_{p+1}ᵀ E'(W) B_{p-1}ᵀB_{p-1} with A_{N+1} = B_0 = 1."""
    energy, weights = Sine(widths[-1], widths[0]), gaussian(widths, rng)
    depth, slope = len(weights), energy.gradient(multiply(weights, widths[0]))
    want = np.zeros(slope.shape)
    for p in range(1, depth + 1):
        A = multiply(weights[p:], widths[p])  # W_N ⋯ W_{p+1}
        B = multiply(weights[: p - 1], widths[0])  # W_{p-1} ⋯ W_1
        want -= A @ A.T @ slope @ B.T @ B
    same(networks.end_to_end_velocity(energy, weights), want)


def golden_network(golden_flow, name):
    case = golden_flow["networks"][name]
    weights, directions, rhs, imbalance = (
        tuple(np.array(M, dtype=float) for M in case[key]) for key in ("W", "V", "rhs_blocks", "C")
    )
    target = np.zeros((case["d"][-1], case["d"][0]))
    np.fill_diagonal(target, [float(s) for s in case["sigma"]])
    numbers = {key: float(case[key]) for key in ("loss", "first_variation_AV", "dL_dt", "normA2")}
    product = np.array(case["product"], dtype=float)
    return Quadratic(target), weights, directions, rhs, imbalance, product, numbers


@pytest.mark.parametrize("name", ["h2", "h3", "h5"])
def test_golden_networks(name, golden_flow):
    energy, weights, V, rhs, imbalance, product, numbers = golden_network(golden_flow, name)
    gradient = networks.gradient(energy, weights)
    same(networks.end_to_end(weights), product)
    same(energy.value(product), numbers["loss"])
    same_weights(gradient, [-R for R in rhs])
    same_weights(networks.imbalance(weights), imbalance)
    same(networks.norm(weights) ** 2, numbers["normA2"])
    along_V = sum(np.vdot(G, Z) for G, Z in zip(gradient, V, strict=True))
    same(along_V, numbers["first_variation_AV"])
    velocity = networks.end_to_end_velocity(energy, weights)
    same(np.vdot(energy.gradient(product), velocity), numbers["dL_dt"])


def test_golden_step_of_gradient_descent(golden_flow):
    energy, weights, *_ = golden_network(golden_flow, "h3")
    golden = golden_flow["gd_step_h3_eta_0p01"]
    slopes = networks.gradient(energy, weights)
    after = tuple(W - 0.01 * G for W, G in zip(weights, slopes, strict=True))
    same(after[0], np.array(golden["W1_block1"], dtype=float))
    same(energy.value(networks.end_to_end(after)), float(golden["loss_after"]))
    change = networks.imbalance(after)[0] - networks.imbalance(weights)[0]
    same(change, np.array(golden["C1_change"], dtype=float))


# ------------------------------------------------------------------------ invariants and norms


def test_imbalance_has_this_sign_and_order():
    weights = ([[1.0], [2.0]], [[0.0, 3.0]], [[5.0]])
    first, second = networks.imbalance(weights)
    np.testing.assert_array_equal(first, [[1, 2], [2, 4 - 9]], strict=False)
    np.testing.assert_array_equal(second, [[9 - 25]], strict=False)


def test_one_layer_has_no_imbalance(rng):
    assert networks.imbalance(gaussian((3, 2), rng)) == ()


@each_widths
def test_gradient_flow_conserves_imbalances(widths, rng):
    """d/dt G_p = 0: the derivative of G_p along the gradient, written out."""
    weights = gaussian(widths, rng)
    slopes = networks.gradient(Sine(widths[-1], widths[0]), weights)
    for (W, V), (next_W, next_V) in itertools.pairwise(zip(weights, slopes, strict=True)):
        rate = V @ W.T + W @ V.T - next_V.T @ next_W - next_W.T @ next_V
        same(rate, np.zeros(rate.shape))


@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-200])
def test_norm_sums_all_squares(scale, rng):
    weights = gaussian((4, 2, 3), rng)
    want = math.sqrt(sum(x * x for W in weights for x in W.flat))
    np.testing.assert_allclose(
        networks.norm([scale * W for W in weights]), scale * want, rtol=1e-14
    )


# ---------------------------------------------------------------------------- initialisations

INITIALISATIONS = {
    "random": networks.random,
    "balanced": networks.random_balanced,
    "decoupled": networks.random_decoupled,
}
each_initialisation = pytest.mark.parametrize(
    "initialise", INITIALISATIONS.values(), ids=INITIALISATIONS
)


@each_initialisation
@each_widths
def test_initialisation_has_the_widths_and_size(initialise, widths):
    for size in ((), (2, 3)):
        weights = initialise(widths, 0.5, rng=0, size=size)
        assert networks.widths(weights) == widths
        assert all(W.shape[:-2] == size for W in weights)


@each_initialisation
def test_initialisation_is_reproducible(initialise):
    first = initialise((3, 2, 4), 0.5, rng=7)
    for rng in (7, np.random.default_rng(7), np.random.SeedSequence(7)):
        for again, W in zip(initialise((3, 2, 4), 0.5, rng=rng), first, strict=True):
            np.testing.assert_array_equal(again, W)
    assert not np.array_equal(initialise((3, 2, 4), 0.5, rng=8)[0], first[0])


@each_initialisation
def test_initialisation_scales(initialise):
    small, large = (initialise((3, 2, 4), s, rng=7) for s in (0.5, 50.0))
    same_weights([100 * W for W in small], large)


@each_initialisation
@pytest.mark.parametrize(
    ("widths", "scale", "error", "match"),
    [
        ((3, 0, 2), 1.0, ValueError, r"widths\[1\] must be an integer >= 1, not 0"),
        ((3, -1), 1.0, ValueError, r"widths\[1\] must be an integer >= 1"),
        ((3, 2.5), 1.0, TypeError, r"widths\[1\] must be an integer >= 1"),
        ((3,), 1.0, ValueError, "at least input and output"),
        (3, 1.0, TypeError, "must be a sequence"),
        ((3, 2), -1.0, ValueError, "scale must be finite and > 0"),
        ((3, 2), 0.0, ValueError, "scale must be finite and > 0"),
        ((3, 2), np.nan, ValueError, "scale must be finite and > 0"),
        ((3, 2), "wide", TypeError, "scale must be a real number"),
    ],
)
def test_bad_widths_and_scales_are_refused(initialise, widths, scale, error, match):
    with pytest.raises(error, match=match):
        initialise(widths, scale, rng=0)


def test_random_entries_are_independent_gaussians():
    n, scale = 20_000, 0.5
    x, y = (W[:, 0, 0] / scale for W in networks.random((2, 3, 2), scale, rng=0, size=(n,)))
    # standard errors: 1/√n of x and xy, √(2/n) of x², √(96/n) of x⁴
    assert abs(np.mean(x)) < 5 / math.sqrt(n)
    assert abs(np.mean(x * y)) < 5 / math.sqrt(n)
    assert abs(np.mean(x**2) - 1) < 5 * math.sqrt(2 / n)
    assert abs(np.mean(x**4) - 3) < 5 * math.sqrt(96 / n)


@each_widths
def test_random_balanced_is_balanced_to_rounding(widths):
    weights = networks.random_balanced(widths, 0.5, rng=0)
    for W, next_W in itertools.pairwise(weights):
        gap = np.linalg.norm(W @ W.T - next_W.T @ next_W)
        assert gap < 1e-14 * np.linalg.norm(W) ** 2


@each_widths
def test_random_balanced_layers_share_singular_values(widths):
    weights = networks.random_balanced(widths, 0.5, rng=0)
    r = min(widths)
    lam = np.linalg.svd(weights[0], compute_uv=False)[:r]
    assert lam[-1] > 0
    for W in weights:
        sigma = np.linalg.svd(W, compute_uv=False)
        same(sigma, np.pad(lam, (0, len(sigma) - r)))
    sigma = np.linalg.svd(multiply(weights, widths[0]), compute_uv=False)
    same(sigma, np.pad(lam ** len(weights), (0, len(sigma) - r)))


@pytest.mark.parametrize("widths", [(3, 3, 3), (2, 5, 3)], ids=str)
def test_random_balanced_layers_are_as_large_as_a_gaussian_matrix(widths):
    """‖W_p‖²/scale² is χ² with k = d_0 d_N degrees of freedom; s.e. of its mean √(2k/n)."""
    n, scale, k = 10_000, 0.5, widths[0] * widths[-1]
    for W in networks.random_balanced(widths, scale, rng=0, size=(n,)):
        squares = (W**2).sum(axis=(-2, -1)) / scale**2
        assert abs(squares.mean() - k) < 5 * math.sqrt(2 * k / n)


def test_random_balanced_layer_of_equal_widths_is_gaussian():
    n = 10_000
    for W in networks.random_balanced((3, 3, 3), 1.0, rng=0, size=(n,)):
        for i, j in np.ndindex(3, 3):
            x = W[:, i, j]
            assert abs(np.mean(x)) < 5 / math.sqrt(n)
            assert abs(np.mean(x**2) - 1) < 5 * math.sqrt(2 / n)
            assert abs(np.mean(x**4) - 3) < 5 * math.sqrt(96 / n)


def test_random_balanced_of_one_layer_is_gaussian_with_all_its_singular_values():
    n = 10_000
    (W,) = networks.random_balanced((2, 4), 1.0, rng=0, size=(n,))
    squares = (W**2).sum(axis=(-2, -1))
    assert abs(squares.mean() - 8) < 5 * math.sqrt(16 / n)


def test_random_balanced_at_a_bottleneck_keeps_the_largest_singular_value():
    """Against other Gaussian matrices, within 5 standard errors of the difference of means."""
    n = 5_000
    layer = networks.random_balanced((3, 1, 3), 1.0, rng=0, size=(n,))[0]
    gaussians = np.random.default_rng(1).standard_normal((n, 3, 3))
    got, want = (layer**2).sum(axis=(-2, -1)), np.linalg.norm(gaussians, 2, axis=(-2, -1)) ** 2
    assert abs(got.mean() - want.mean()) < 5 * math.sqrt((got.var() + want.var()) / n)


def orthogonal(d, rng):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


@each_widths
def test_random_decoupled_is_diagonal_in_rotated_hidden_bases(widths):
    """Diagonal Gram matrices at both ends, a diagonal end-to-end matrix, and joint alignment."""
    weights = networks.random_decoupled(widths, 0.5, rng=0)
    whole = multiply(weights, widths[0])
    same(whole, np.eye(*whole.shape) * whole)
    for M in (weights[0].T @ weights[0], weights[-1] @ weights[-1].T):
        same(M, np.diag(np.diagonal(M)))
    assert networks.is_decoupled(weights)
    assert len(widths) == 2 or not networks.is_diagonal(weights)


def test_random_decoupled_singular_values_are_gaussian():
    """Each layer has r = 2 Gaussian singular values: ‖W_p‖²/scale² is χ²_2, s.e. √(4/n)."""
    n, scale = 10_000, 0.5
    for W in networks.random_decoupled((2, 4, 3, 2), scale, rng=0, size=(n,)):
        squares = (W**2).sum(axis=(-2, -1)) / scale**2
        r = min(W.shape[-2:])
        assert abs(squares.mean() - r) < 5 * math.sqrt(2 * r / n)


@each_widths
def test_a_step_towards_a_diagonal_target_keeps_weights_decoupled(widths):
    """Wendin and Altafini, Prop. 31, for one explicit Euler step."""
    weights = networks.random_decoupled(widths, 0.7, rng=0)
    target = np.zeros((widths[-1], widths[0]))
    np.fill_diagonal(target, [3.0, 2.0, 1.0, 0.5, 0.25])
    slopes = networks.gradient(Quadratic(target), weights)
    moved = tuple(W - 0.1 * G for W, G in zip(weights, slopes, strict=True))
    assert networks.is_decoupled(moved)


@pytest.mark.parametrize(("d", "r"), [(3, 3), (3, 2), (4, 1)])
def test_haar_frames_are_orthonormal_and_uniform(d, r):
    n = 10_000
    Q = networks.haar_frame(d, r, np.random.default_rng(0), (n,))
    same(np.swapaxes(Q, -1, -2) @ Q, np.broadcast_to(np.eye(r), (n, r, r)))
    # an entry q of a unit vector: E q = 0, E q² = 1/d, Var q² = 2(d - 1)/(d²(d + 2))
    assert (abs(Q.mean(axis=0)) < 5 / math.sqrt(d * n)).all()
    error = math.sqrt(2 * (d - 1) / (d**2 * (d + 2)) / n)
    assert (abs((Q**2).mean(axis=0) - 1 / d) < 5 * error).all()


def test_haar_frames_reach_both_components_of_the_orthogonal_group():
    n = 10_000
    Q = networks.haar_frame(3, 3, np.random.default_rng(0), (n,))
    assert abs(np.linalg.det(Q).mean()) < 5 / math.sqrt(n)


# --------------------------------------------------------------------------------- predicates


def rectangular(rows, columns, diagonal):
    W = np.zeros((rows, columns))
    np.fill_diagonal(W, diagonal)
    return W


def in_bases(diagonals, frames):
    """W_p = P_p Λ_p P_{p-1}ᵀ."""
    return tuple(
        Q @ rectangular(len(Q), len(P), diagonal) @ P.T
        for diagonal, (P, Q) in zip(diagonals, itertools.pairwise(frames), strict=True)
    )


DIAGONALS = {
    "distinct": [(3.0, 2.0, 1.0), (5.0, 4.0, 0.5), (2.0, 1.5, 1.0)],
    "unsorted, negative": [(1.0, -2.0, 3.0), (-4.0, 0.5, 5.0), (1.5, -2.0, -1.0)],
    "degenerate": [(2.0, 2.0, 1.0), (3.0, 3.0, 3.0), (1.0, 4.0, 4.0)],
    "with zeros": [(2.0, 0.0, 1.0), (0.0, 3.0, 1.0), (1.0, 1.0, 0.0)],
    "zero": [(0.0, 0.0, 0.0)] * 3,
}
each_diagonals = pytest.mark.parametrize("diagonals", DIAGONALS.values(), ids=DIAGONALS)


def test_balanced_is_relative_to_the_weights():
    # 1 × 1: G = (1 + e)² - 1 = 2e against the bound tol · (1 + e)²
    weights = ([[1 + 1e-6]], [[1.0]])
    assert networks.is_balanced(weights, tol=2.1e-6)
    assert not networks.is_balanced(weights, tol=1.9e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-60, 1e60])
@each_widths
def test_balanced_both_ways(widths, scale, rng):
    assert networks.is_balanced(networks.random_balanced(widths, scale, rng=rng))
    alone = len(widths) == 2  # one layer has nothing to balance
    assert networks.is_balanced([scale * W for W in gaussian(widths, rng)]) == alone


def test_balanced_needs_every_layer(rng):
    W, *_ = networks.random_balanced((3, 3, 3), 1.0, rng=rng)
    weights = (W, W.T, 2 * W)
    assert networks.is_balanced(weights[:2]) and not networks.is_balanced(weights)


def test_delta_balanced_is_an_absolute_bound_on_the_largest_imbalance():
    weights = ([[3.0]], [[2.0]], [[1.0]])  # G = 5, 3
    assert networks.is_delta_balanced(weights, 5.0)
    assert not networks.is_delta_balanced(weights, 4.999)
    assert networks.is_delta_balanced(weights[:1], 0.0)


@pytest.mark.parametrize("delta", [-1.0, np.nan, np.inf])
def test_delta_must_not_be_negative(delta):
    with pytest.raises(ValueError, match="delta must be finite and >= 0"):
        networks.is_delta_balanced(([[1.0]],), delta)


@each_diagonals
def test_diagonal_layers_are_diagonal_decoupled_and_aligned(diagonals):
    weights = in_bases(diagonals, [np.eye(d) for d in (4, 3, 5, 3)])
    assert networks.is_diagonal(weights)
    assert networks.is_decoupled(weights)
    assert networks.is_aligned(weights)


def test_diagonal_is_relative_to_each_layer():
    weights = ([[1e-9, 0.0], [1e-15, 1e-9]], np.eye(2))
    assert networks.is_diagonal(weights, tol=1e-5)
    assert not networks.is_diagonal(weights, tol=1e-7)


@each_diagonals
def test_rotating_hidden_bases_keeps_weights_decoupled(diagonals, rng):
    frames = [np.eye(4), orthogonal(3, rng), orthogonal(5, rng), np.eye(3)]
    weights = in_bases(diagonals, frames)
    assert networks.is_decoupled(weights)
    assert networks.is_aligned(weights)


@pytest.mark.parametrize("end", [0, -1])
def test_rotating_an_end_leaves_weights_aligned_alone(end, rng):
    frames = [np.eye(4), orthogonal(3, rng), orthogonal(5, rng), np.eye(3)]
    frames[end] = orthogonal(len(frames[end]), rng)
    weights = in_bases(DIAGONALS["distinct"], frames)
    assert networks.is_aligned(weights)
    assert not networks.is_decoupled(weights)


@each_diagonals
def test_aligned_in_any_bases(diagonals, rng):
    weights = in_bases(diagonals, [orthogonal(d, rng) for d in (4, 3, 5, 3)])
    assert networks.is_aligned(weights)


@each_widths
def test_balanced_weights_are_aligned_not_decoupled(widths):
    """Wendin and Altafini, Prop. 34."""
    weights = networks.random_balanced(widths, 0.5, rng=0)
    assert networks.is_aligned(weights)
    assert not networks.is_decoupled(weights)


@pytest.mark.parametrize("widths", [(3, 3, 3), (4, 2, 3), (2, 5, 3, 4)], ids=str)
def test_generic_weights_are_nothing_special(widths, rng):
    weights = gaussian(widths, rng)
    assert not networks.is_aligned(weights)
    assert not networks.is_decoupled(weights)
    assert not networks.is_diagonal(weights)
    assert not networks.is_balanced(weights)


def test_commuting_neighbours_need_not_be_aligned():
    """W_2 = 1 commutes with everything, yet hides that W_1 W_1ᵀ and W_3ᵀ W_3 do not commute."""
    W_1, W_3 = np.diag([1.0, 2.0]), np.array([[1.0, 1.0], [0.0, 1.0]])
    assert networks.is_aligned((W_1, np.eye(2)))
    assert networks.is_aligned((np.eye(2), W_3))
    assert not networks.is_aligned((W_1, np.eye(2), W_3))


def test_degenerate_singular_values_align_with_anything(rng):
    """LAPACK's singular vectors of an orthogonal W_1 are arbitrary; others align with W_2."""
    weights = (orthogonal(4, rng), rng.standard_normal((3, 4)))
    assert networks.is_aligned(weights)


def test_a_diagonal_product_is_not_enough_to_be_decoupled():
    W = np.array([[1.0, 1.0], [0.0, 1.0]])
    assert not networks.is_decoupled((W, np.linalg.inv(W)))


def test_what_neither_input_nor_output_sees_must_be_aligned_too():
    W_2, W_3, zero = np.diag([1.0, 2.0]), np.array([[1.0, 1.0], [0.0, 1.0]]), np.zeros((2, 2))
    assert not networks.is_decoupled((zero, W_2, W_3, zero))
    assert networks.is_decoupled((zero, W_2, W_2, zero))


def test_both_ends_must_be_diagonal_even_if_the_product_vanishes():
    W, zero = np.array([[1.0, 1.0], [0.0, 1.0]]), np.zeros((2, 2))
    assert not networks.is_decoupled((W, zero))
    assert not networks.is_decoupled((zero, W))


def test_signs_of_singular_values_are_free_but_not_their_places():
    assert networks.is_decoupled((np.diag([1.0, -3.0, 2.0]),))
    assert not networks.is_decoupled((np.array([[0.0, 1.0], [1.0, 0.0]]),))


def test_one_layer_is_aligned(rng):
    weights = gaussian((4, 3), rng)
    assert networks.is_aligned(weights)
    assert not networks.is_decoupled(weights)


@pytest.mark.parametrize("factors", [(1e-6, 1.0, 1e8), (1e-20, 1e-20, 1e-20), (1e20, 1e20, 1e20)])
def test_alignment_knows_no_scale(factors, rng):
    aligned = in_bases(DIAGONALS["distinct"], [orthogonal(d, rng) for d in (4, 3, 5, 3)])
    generic = gaussian((4, 3, 5, 3), rng)
    decoupled = networks.random_decoupled((4, 3, 5, 3), 1.0, rng=rng)
    for predicate, weights, verdict in (
        (networks.is_aligned, aligned, True),
        (networks.is_aligned, generic, False),
        (networks.is_decoupled, decoupled, True),
        (networks.is_decoupled, aligned, False),
        (networks.is_diagonal, generic, False),
    ):
        assert predicate([c * W for c, W in zip(factors, weights, strict=True)]) == verdict


@pytest.mark.parametrize("predicate", [networks.is_aligned, networks.is_decoupled])
def test_tolerance_bounds_the_departure(predicate):
    weights = (np.diag([2.0, 1.0]), np.array([[1.0, 1e-6], [1e-6, 2.0]]))
    assert predicate(weights, tol=1e-5)
    assert not predicate(weights, tol=1e-8)


# ----------------------------------------------------------------- stacks and bad input, for all

SINE = Sine(3, 4)
DOORS = {
    "end_to_end": networks.end_to_end,
    "to_vector": networks.to_vector,
    "gradient": partial(networks.gradient, SINE),
    "end_to_end_velocity": partial(networks.end_to_end_velocity, SINE),
    "imbalance": networks.imbalance,
    "norm": networks.norm,
    "is_balanced": networks.is_balanced,
    "is_delta_balanced": partial(networks.is_delta_balanced, delta=12.0),
    "is_diagonal": networks.is_diagonal,
    "is_aligned": networks.is_aligned,
    "is_decoupled": networks.is_decoupled,
}
each_door = pytest.mark.parametrize("function", DOORS.values(), ids=DOORS)


def mixed_stack(rng):
    """A stack (2, 2) of networks of widths (4, 2, 3): generic, balanced, decoupled, diagonal."""
    kinds = (
        gaussian((4, 2, 3), rng),
        networks.random_balanced((4, 2, 3), 1.0, rng=rng),
        networks.random_decoupled((4, 2, 3), 1.0, rng=rng),
        (rectangular(2, 4, 3.0), rectangular(3, 2, 2.0)),
    )
    return tuple(
        np.stack(layer).reshape(2, 2, *layer[0].shape) for layer in zip(*kinds, strict=True)
    )


@each_door
def test_a_stack_equals_a_loop(function, rng):
    stack = mixed_stack(rng)
    together = function(stack)
    for k in np.ndindex(2, 2):
        single = function(tuple(W[k] for W in stack))
        if isinstance(single, tuple):
            same_weights([G[k] for G in together], single)
        else:
            assert together.shape == (2, 2, *single.shape)
            same(together[k], single)


@pytest.mark.parametrize(
    ("predicate", "verdicts"),
    [
        (networks.is_balanced, [False, True, False, False]),
        (networks.is_aligned, [False, True, True, True]),
        (networks.is_decoupled, [False, False, True, True]),
        (networks.is_diagonal, [False, False, False, True]),
    ],
)
def test_each_network_of_a_stack_has_its_own_verdict(predicate, verdicts, rng):
    np.testing.assert_array_equal(predicate(mixed_stack(rng)).ravel(), verdicts)


@each_door
def test_a_stack_of_one_layer_networks_keeps_its_shape(function, rng):
    stack = gaussian((4, 3), rng, size=(2,))
    together = function(stack)
    parts = together if isinstance(together, tuple) else (together,)
    assert all(part.shape[0] == 2 for part in parts)


def bad_weights():
    W_1, W_2 = np.ones((2, 4)), np.ones((3, 2))
    return {
        "empty": ((), ValueError, "at least one matrix"),
        "no chain": ((W_2, W_1), ValueError, r"weights\[1\] has shape \(2, 4\) and needs 3 col"),
        "nan": ((W_1, W_2 * np.nan), ValueError, r"weights\[1\] must be finite"),
        "inf": ((W_1 * np.inf, W_2), ValueError, r"weights\[0\] must be finite"),
        "complex": ((W_1, W_2 * 1j), TypeError, r"weights\[1\] must be an array of real"),
        "vector": ((W_1, W_2[0]), ValueError, r"weights\[1\] must be a matrix"),
        "no rows": ((W_1[:0], W_2[:, :0]), ValueError, "m, n >= 1"),
        "stacks": ((W_1[None], W_2), ValueError, "share their leading dimensions"),
        "one matrix": (W_1, TypeError, "sequence of matrices"),
        "a number": (3.0, TypeError, "sequence of matrices"),
    }


@each_door
@pytest.mark.parametrize(("weights", "error", "match"), bad_weights().values(), ids=bad_weights())
def test_what_is_no_network_is_refused(function, weights, error, match):
    with pytest.raises(error, match=match):
        function(weights)


@pytest.mark.parametrize("function", [networks.gradient, networks.end_to_end_velocity])
def test_an_energy_of_another_shape_is_refused(function, rng):
    with pytest.raises(ValueError, match=r"must have shape \(\.\.\., 3, 4\)"):
        function(Quadratic(np.zeros((3, 4))), gaussian((3, 2, 4), rng))


def test_weights_as_one_array_of_matrices_are_taken(rng):
    layers = rng.standard_normal((4, 3, 3))
    same(networks.end_to_end(layers), networks.end_to_end(tuple(layers)))


def test_arguments_are_not_changed(rng):
    weights = mixed_stack(rng)
    before = [W.copy() for W in weights]
    for function in DOORS.values():
        function(weights)
    for W, copy in zip(weights, before, strict=True):
        np.testing.assert_array_equal(W, copy)


def test_lines_in_and_out_of_a_hidden_layer_must_agree_to_be_decoupled():
    # Input 1 ends in hidden node 1, output 1 comes from hidden node 2: W_1 = P Λ_1 and
    # W_2 = Λ_2 Pᵀ ask for different first columns of P.
    crossed = (np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]]))
    assert not networks.is_decoupled(crossed)
    assert networks.is_aligned(crossed)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_balance_is_judged_at_any_scale(scale):
    assert not networks.is_balanced((scale * np.eye(2), 2 * scale * np.eye(2)))
    assert networks.is_balanced((scale * np.eye(2), scale * np.eye(2)))


def test_size_may_be_an_integer():
    assert networks.random((2, 3), 1.0, rng=0, size=4)[0].shape == (4, 3, 2)


def test_empty_stacks_pass():
    empty = networks.random((2, 3, 2), 1.0, rng=0, size=0)
    assert networks.to_vector(empty).shape == (0, 12)
    assert networks.is_balanced(empty).shape == (0,)
