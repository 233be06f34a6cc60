"""The fibres over SΣ: weights from (P, Z) and back, against golden weights and bare gradients."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlngeo import critical_points, weights
from dlngeo.energies import Quadratic

CASES = [
    ([2.0, 1.0], (3, 3, 2), (0,)),
    ([2.0, 1.0], (4, 3, 3, 2), ()),
    ([1.0, 3.0, 2.0], (3, 4, 3, 5, 3), (1,)),
    ([1.0, 3.0, 2.0], (5, 4, 4, 3), (0, 2)),
    ([2.0, 1.0], (2, 3, 4, 2), (0, 1)),
    ([2.0, 1.0], (3, 2, 2, 2, 2, 2), (0,)),
    ([2.0, 1.0, 0.5], (3, 4, 2, 4, 3), (0, 1)),
    ([1.5], (1, 2, 3, 1), ()),
]


def target(sigma, widths):
    matrix = np.zeros((widths[-1], widths[0]))
    np.fill_diagonal(matrix, sigma)
    return matrix


def kept(sigma, widths, S):
    return target(np.where(np.isin(np.arange(len(sigma)), S), sigma, 0.0), widths)


def block_shapes(widths, r):
    shapes = [(b - r, a - r) for a, b in itertools.pairwise(widths)]
    return [(widths[1] - r, widths[0]), *shapes[1:]]


def worst_gradient(sigma, widths, layers):
    energy = Quadratic(target(sigma, widths))
    return max(np.abs(G).max() for G in weights.gradient(energy, layers))


# ----------------------------------------------------------------------------------- assemble


def test_golden_weights(golden_flow):
    seen = 0
    for name, case in golden_flow["critical_points"].items():
        if name.startswith("bottleneck"):  # its Z is written for other conventions
            continue
        d, S = case["d"], [i - 1 for i in case["S_1based"]]
        sigma = np.array(case["sigma"], dtype=float)
        shapes = block_shapes(d, len(S))
        Z = [np.array(B, float).reshape(s) for B, s in zip(case["Z"], shapes, strict=True)]
        P = case["P_hidden"] and [np.array(B, float) for B in case["P_hidden"]]
        got = critical_points.assemble(sigma, d, S, P, Z)
        for W, want in zip(got, case["W"], strict=True):
            np.testing.assert_allclose(W, np.array(want, float), rtol=0, atol=2e-15)
            seen += 1
    assert seen > 30


@pytest.mark.parametrize(("sigma", "widths", "S"), CASES)
def test_without_p_and_z_it_is_the_near_diagonal_point(sigma, widths, S):
    layers = critical_points.assemble(sigma, widths, S)
    np.testing.assert_array_equal(weights.end_to_end(layers), kept(sigma, widths, S))
    assert worst_gradient(sigma, widths, layers) == 0
    assert all(np.linalg.matrix_rank(W) == len(S) for W in layers)


@pytest.mark.parametrize(("sigma", "widths", "S"), CASES)
def test_any_z_whose_product_vanishes_stays_on_the_fibre(sigma, widths, S, rng):
    """Critical or not, and the way back finds the same signature and gives the weights again."""
    shapes = block_shapes(widths, len(S))
    for zero in range(len(shapes)):
        Z = [rng.standard_normal(shape) for shape in shapes]
        Z[zero] *= 0
        P = [rng.standard_normal((d, d)) + 3 * np.eye(d) for d in widths[1:-1]]
        layers = critical_points.assemble(sigma, widths, S, P, Z)
        size = np.prod([np.linalg.norm(W, 2) for W in layers])
        W = weights.end_to_end(layers)
        np.testing.assert_allclose(W, kept(sigma, widths, S), rtol=0, atol=1e-14 * size)
        found = critical_points.parametrise(layers, sigma)
        assert found.signature == S
        assert [B.shape for B in found.Z] == shapes
        again = critical_points.assemble(sigma, widths, *found)
        for one, two in zip(layers, again, strict=True):
            np.testing.assert_allclose(two, one, rtol=0, atol=1e-12 * np.abs(one).max())


def test_one_zero_block_is_not_enough(rng):
    """Two layers, Z_1 = 0 alone: on the fibre, not critical. Z_2 = 0, Z_1 beyond Σ: critical."""
    sigma, widths, S = [2.0, 1.0], (4, 3, 2), (0,)
    Z1, Z2 = rng.standard_normal((2, 4)), rng.standard_normal((1, 2))
    layers = critical_points.assemble(sigma, widths, S, None, [0 * Z1, Z2])
    assert worst_gradient(sigma, widths, layers) > 0.1
    Z1[:, :2] = 0
    layers = critical_points.assemble(sigma, widths, S, None, [Z1, 0 * Z2])
    assert worst_gradient(sigma, widths, layers) < 1e-15


def test_stacks_of_z_and_p(rng):
    sigma, widths, S = CASES[3]
    shapes = block_shapes(widths, len(S))
    Z = [rng.standard_normal((5, *shape)) for shape in shapes]
    P = [rng.standard_normal((2, 1, d, d)) for d in widths[1:-1]]
    layers = critical_points.assemble(sigma, widths, S, P, Z)
    for i, k in np.ndindex(2, 5):
        one = critical_points.assemble(sigma, widths, S, [B[i, 0] for B in P], [B[k] for B in Z])
        for W, V in zip(layers, one, strict=True):
            np.testing.assert_allclose(W[i, k], V, rtol=1e-10, atol=1e-12)


# --------------------------------------------------------------------------------- parametrise


@pytest.mark.parametrize(("sigma", "widths", "S"), CASES)
def test_the_way_back_is_in_normal_form(sigma, widths, S):
    layers = critical_points.sample(sigma, widths, S, rng=3)
    found = critical_points.parametrise(layers, sigma)
    assert found.signature == S
    np.testing.assert_array_equal(found.Z[0][:, list(S)], 0)
    r = len(S)
    for P in found.P:
        N = P[:, r:]
        np.testing.assert_allclose(N.T @ N, np.eye(N.shape[1]), rtol=0, atol=1e-13)


@given(
    order=st.permutations(range(4)),
    spread=st.integers(0, 8),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 4),
)
def test_graded_sigma(order, spread, seed, count):
    """σ from 1 down to 10⁻⁸: the signature is still read, and the weights come back."""
    sigma = 10.0 ** (-spread * np.array(order) / 3) * (1 + 0.1 * np.array(order))
    S = tuple(sorted(np.argsort(-sigma)[:count].tolist()))
    widths = (6, 5, 5, 4)
    layers = critical_points.sample(sigma, widths, S, rng=seed, tightened=True)
    found = critical_points.parametrise(layers, sigma)
    assert found.signature == S
    for one, two in zip(layers, critical_points.assemble(sigma, widths, *found), strict=True):
        np.testing.assert_allclose(two, one, rtol=0, atol=1e-6 * np.abs(one).max())


# -------------------------------------------------------------------------------------- sample


@given(
    hidden=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    output=st.integers(1, 3),
    extra=st.integers(0, 2),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_samples_are_critical(hidden, output, extra, seed, data):
    widths = (output + extra, *hidden, output)
    sigma = np.random.default_rng(seed).uniform(0.3, 3, size=output)
    S = data.draw(st.sets(st.integers(0, output - 1), max_size=min(widths)))
    layers = critical_points.sample(sigma, widths, S, rng=seed)
    assert weights.widths(layers) == widths
    size = np.prod([max(1.0, np.linalg.norm(W, 2)) for W in layers])
    assert worst_gradient(sigma, widths, layers) < 1e-14 * size
    want = kept(sigma, widths, list(S))
    np.testing.assert_allclose(weights.end_to_end(layers), want, rtol=0, atol=1e-14 * size)


def test_samples_repeat_with_their_seed_and_come_in_stacks():
    one = critical_points.sample([2.0, 1.0], (3, 3, 4, 2), (0,), rng=7)
    two = critical_points.sample([2.0, 1.0], (3, 3, 4, 2), (0,), rng=7)
    for W, V in zip(one, two, strict=True):
        np.testing.assert_array_equal(W, V)
    stack = critical_points.sample([2.0, 1.0], (3, 3, 4, 2), (0,), rng=7, size=(2, 5))
    assert [W.shape for W in stack] == [(2, 5, 3, 3), (2, 5, 4, 3), (2, 5, 2, 4)]
    assert worst_gradient([2.0, 1.0], (3, 3, 4, 2), stack) < 1e-13
    for W, V in zip(stack, one, strict=True):
        np.testing.assert_array_equal(W[0, 0], V)


# ----------------------------------------------------------------------------------- bad input


def test_bad_input_is_refused():
    sigma, widths = [2.0, 1.0], (3, 3, 2)
    for S, match in [((2,), "distinct indices in 0..1"), ((0, 0), "distinct")]:
        with pytest.raises(ValueError, match=match):
            critical_points.sample(sigma, widths, S)
    with pytest.raises(ValueError, match="at most 1 indices"):
        critical_points.sample(sigma, (3, 1, 2), (0, 1))
    with pytest.raises(ValueError, match="tightened"):
        critical_points.sample(sigma, widths, (0,), tightened=True)
    with pytest.raises(ValueError, match="tightened"):
        critical_points.sample(sigma, widths, (0, 1), tightened=False)
    with pytest.raises(ValueError, match="2 layers take 1 bases P and 2 blocks Z"):
        critical_points.assemble(sigma, widths, (0,), [])
    with pytest.raises(ValueError, match=r"Z\[0\] must have shape \(..., 2, 3\)"):
        critical_points.assemble(sigma, widths, (0,), None, [np.zeros((3, 3)), np.zeros((1, 2))])
    with pytest.raises(ValueError, match=r"P\[0\] must have shape"):
        critical_points.assemble(sigma, widths, (0,), [np.eye(2)])
    with pytest.raises(np.linalg.LinAlgError):
        critical_points.assemble(sigma, widths, (0,), [np.zeros((3, 3))])
    with pytest.raises(ValueError, match="not SΣ"):
        critical_points.parametrise(weights.random(widths, 1.0, rng=1), sigma)
    with pytest.raises(ValueError, match="one network"):
        critical_points.parametrise(weights.random(widths, 1.0, rng=1, size=2), sigma)


@pytest.mark.parametrize("c", [1e-150, 1e-10, 1e10, 1e150])
@pytest.mark.parametrize("tightened", [True, False])
def test_samples_of_a_target_of_any_size(c, tightened):
    """Loss and weights scale together, so the points do; Z is not lost beside a large Σ."""
    sigma, widths, kept = np.array([3.0, 2.0, 1.0]), (4, 5, 4, 3), (0,)
    layers = critical_points.sample(sigma, widths, kept, rng=1, tightened=tightened)
    scaled = critical_points.sample(c * sigma, widths, kept, rng=1, tightened=tightened)
    for W, V in zip(layers, scaled, strict=True):
        np.testing.assert_allclose(V / c ** (1 / 3), W, rtol=1e-12, atol=1e-13)
    kind = critical_points.classify(scaled, c * sigma).kind
    assert kind == ("non-strict saddle" if tightened else "strict saddle")
