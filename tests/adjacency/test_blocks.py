"""Mixed products and variations against sums over words, written out factor by factor.

Packing and powers are tested through the door, in `test_adjacency.py`.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo import adjacency

NETWORKS = ["h2", "h3", "h5"]


def layers_of(rng, widths, size=()):
    return [rng.standard_normal((*size, b, a)) for a, b in itertools.pairwise(widths)]


def network(rng, widths, size=()):
    return adjacency.from_weights(layers_of(rng, widths, size))


def random_widths(rng, deepest=6):
    return tuple(int(d) for d in rng.integers(1, 5, rng.integers(2, deepest + 1)))


def multiply(factors):
    result = factors[0]
    for F in factors[1:]:
        result = result @ F
    return result


def words(A, V, order, depth):
    """The sum of all products of ``depth`` factors, ``order`` of them V."""
    total = np.zeros_like(A)
    for places in itertools.combinations(range(depth), order):
        total = total + multiply([V if p in places else A for p in range(depth)])
    return total


def golden_network(golden_flow, name):
    golden = golden_flow["networks"][name]
    widths = tuple(golden["d"])
    A, V = (
        adjacency.from_weights([np.array(W, dtype=float) for W in golden[k]]) for k in ("W", "V")
    )
    target = np.zeros((widths[-1], widths[0]))
    np.fill_diagonal(target, np.array(golden["sigma"], dtype=float))
    depth = len(widths) - 1
    M = adjacency.blk(depth, [target], widths) - np.linalg.matrix_power(A, depth)
    return A, V, M, depth, golden


# ------------------------------------------------------------------------------ mixed products


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_mixed_products_are_single_blocks(seed):
    """(1) and (2): F^{N-j} G F^{j-1} and F^{N-j-k} G F^{j-1} G F^{k-1} in the corner."""
    rng = np.random.default_rng(seed)
    widths = random_widths(rng)
    N = len(widths) - 1
    F, G = layers_of(rng, widths), layers_of(rng, widths)
    big = [adjacency.from_weights(layers) for layers in (F, G)]
    for chosen in itertools.chain(
        itertools.combinations(range(1, N + 1), 1), itertools.combinations(range(1, N + 1), 2)
    ):
        chain = [G[p - 1] if p in chosen else F[p - 1] for p in range(N, 0, -1)]
        if len(chosen) == 1:
            (j,) = chosen
            exponents = (N - j, j - 1)
        else:
            k, upper = chosen
            j = upper - k
            exponents = (N - j - k, j - 1, k - 1)
        want = adjacency.blk(N, [multiply(chain)], widths)
        got = adjacency.mixed_product(*big, exponents)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-13 * np.abs(want).max())


def test_mixed_products_of_other_orders(rng):
    F, G = rng.standard_normal((2, 3, 3))
    np.testing.assert_allclose(adjacency.mixed_product(F, G, (2,)), F @ F, rtol=1e-13)
    got = adjacency.mixed_product(F, G, (0, 0, 1, 2))
    np.testing.assert_allclose(got, G @ G @ F @ G @ F @ F, rtol=1e-12)


# ---------------------------------------------------------------------------------- variations


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_rho_is_the_sum_over_all_words(seed):
    """(20), (21) and Table 1, for networks and for any square matrices."""
    rng = np.random.default_rng(seed)
    widths = random_widths(rng)
    pairs = [(network(rng, widths), network(rng, widths)), rng.standard_normal((2, 3, 3))]
    for A, V in pairs:
        depth = len(widths) - 1
        for order in range(depth + 1):
            want = words(A, V, order, depth)
            got = adjacency.rho(A, V, order, depth)
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-13 * np.abs(want).max())


def test_rho_2_has_every_triple_once(rng):
    """(21): i + j + k = N - 2; the printed Table 1, with N exponents, has other factors."""
    A, V = rng.standard_normal((2, 3, 3))
    depth, power = 5, np.linalg.matrix_power
    triples = [t for t in itertools.product(range(depth - 1), repeat=3) if sum(t) == depth - 2]
    want = sum(power(A, i) @ V @ power(A, j) @ V @ power(A, k) for i, j, k in triples)
    np.testing.assert_allclose(adjacency.rho(A, V, 2, depth), want, rtol=1e-12)
    # N exponents of sum N - 2 stand between N - 1 factors V
    exponents = [
        t for t in itertools.product(range(depth - 1), repeat=depth) if sum(t) == depth - 2
    ]
    printed = sum(adjacency.mixed_product(A, V, t) for t in exponents)
    assert np.abs(printed - want).max() > 0.1 * np.abs(want).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_golden_variations(name, golden_flow):
    """The first variation, and the Hessian form (22) without a factor of one half."""
    A, V, M, depth, golden = golden_network(golden_flow, name)
    rho_1, rho_2 = (adjacency.rho(A, V, k, depth) for k in (1, 2))
    first = float(golden["first_variation_AV"])
    assert -np.vdot(rho_1, M) == pytest.approx(first, rel=1e-13, abs=1e-15)
    form = np.vdot(rho_1, rho_1) - 2 * np.vdot(rho_2, M)
    assert form == pytest.approx(float(golden["hessian_form_AV"]), rel=1e-13)


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_lemma_19(seed):
    """ρ_k(PAP⁻¹, V) = ρ_k(A, P⁻¹VP), k = 1, ..., N, for P that keep input and output."""
    rng = np.random.default_rng(seed)
    widths = random_widths(rng, 5)
    depth = len(widths) - 1
    A, V = network(rng, widths), network(rng, widths)
    hidden = [np.eye(d) + 0.3 * np.tril(rng.standard_normal((d, d)), -1) for d in widths[1:-1]]
    P = adjacency.blk(0, [np.eye(widths[0]), *hidden, np.eye(widths[-1])], widths)
    inverse = np.linalg.inv(P)
    for order in range(1, depth + 1):
        left = adjacency.rho(P @ A @ inverse, V, order, depth)
        right = adjacency.rho(A, inverse @ V @ P, order, depth)
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-12 * max(np.abs(left).max(), 1))


# -------------------------------------------------------------------------- stacks, bad input


def test_a_stack_equals_a_loop(rng):
    A, V = rng.standard_normal((2, 4, 3, 3))
    rho, mixed = adjacency.rho(A, V, 2, 4), adjacency.mixed_product(A, V, (1, 0, 2))
    for k in range(4):
        np.testing.assert_allclose(rho[k], adjacency.rho(A[k], V[k], 2, 4), rtol=1e-12)
        np.testing.assert_allclose(mixed[k], adjacency.mixed_product(A[k], V[k], (1, 0, 2)))
    np.testing.assert_allclose(adjacency.rho(A[0], V, 2, 4)[3], words(A[0], V[3], 2, 4), rtol=1e-11)


@pytest.mark.parametrize(
    ("order", "depth", "match"),
    [(-1, 2, "order"), (3, 2, "order must be at most"), (1, 0, "depth"), (1.5, 2, "order")],
)
def test_bad_orders_are_refused(order, depth, match):
    with pytest.raises((ValueError, TypeError), match=match):
        adjacency.rho(np.eye(2), np.eye(2), order, depth)


def test_bad_matrices_and_exponents_are_refused():
    with pytest.raises(ValueError, match="V must be square"):
        adjacency.rho(np.eye(2), np.ones((2, 3)), 1, 2)
    with pytest.raises(ValueError, match="A and V must have one size"):
        adjacency.rho(np.eye(2), np.eye(3), 1, 2)
    with pytest.raises(ValueError, match=r"exponents\[1\] must be an integer >= 0"):
        adjacency.mixed_product(np.eye(2), np.eye(2), (1, -1))
    with pytest.raises(ValueError, match="exponents must hold at least one"):
        adjacency.mixed_product(np.eye(2), np.eye(2), ())
