"""Balanced varieties: charts, their inverses, the fibre and its orbits."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import sqrtm

from dlngeo import balanced
from dlngeo import weights as networks

WIDTHS = [(3, 3, 3), (2, 4, 5, 3), (4, 3, 3, 3, 6), (5, 2)]


def frames(widths, rank, seed=0, size=()):
    generator = np.random.default_rng(seed)
    return [networks.haar_frame(d, rank, generator, size) for d in widths]


def direct_imbalance(layers):
    return [a @ a.T - b.T @ b for a, b in itertools.pairwise(layers)]


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("rank", [1, 2])
def test_chart_z_is_balanced_and_multiplies_to_its_svd(widths, rank):
    Q, lam = frames(widths, rank), np.array([1.4, 0.6])[:rank]
    layers = balanced.from_svd(Q, lam)
    assert all(np.abs(G).max() < 1e-14 for G in direct_imbalance(layers))
    product = np.linalg.multi_dot([*reversed(layers), np.eye(widths[0])])
    depth = len(widths) - 1
    assert_allclose(product, (Q[-1] * lam**depth) @ Q[0].T, atol=1e-14)
    assert_allclose(balanced.residual(layers), 0, atol=1e-14)
    assert balanced.contains(layers)


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("rank", [1, 2])
def test_chart_z_and_back(widths, rank):
    layers = balanced.from_svd(frames(widths, rank), np.array([1.4, 0.6])[:rank])
    Q, lam = balanced.to_svd(layers, rank=rank)
    for q in Q:
        assert_allclose(q.T @ q, np.eye(rank), atol=1e-13)
    assert_allclose(lam, [1.4, 0.6][:rank], rtol=1e-13)
    for before, after in zip(layers, balanced.from_svd(Q, lam), strict=True):
        assert_allclose(after, before, atol=1e-13)


def test_chart_z_and_back_at_repeated_and_graded_singular_values():
    for lam in ([1.0, 1.0, 1.0], [1.0, 1e-4, 1e-7], [2.0, 2.0, 1e-3]):
        layers = balanced.from_svd(frames((3, 4, 3, 3), 3), lam)
        Q, found = balanced.to_svd(layers)
        assert_allclose(found, lam, rtol=1e-8)
        for before, after in zip(layers, balanced.from_svd(Q, found), strict=True):
            assert_allclose(after, before, atol=1e-9)


def test_to_svd_refuses_what_is_not_balanced_or_has_another_rank():
    with pytest.raises(ValueError, match="must be balanced; their largest imbalance"):
        balanced.to_svd(networks.random((3, 3, 3), 1.0, rng=0))
    layers = balanced.from_svd(frames((3, 3, 3), 2), [1.0, 0.5])
    with pytest.raises(ValueError, match="must have rank 1"):
        balanced.to_svd(layers, rank=1)


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("rank", [1, 2])
def test_dimension_is_the_rank_of_the_chart(widths, rank):
    # brute force: the numerical rank of the chart's differential, with Q_p = exp(A_p) Q_p
    Q, lam = frames(widths, rank), np.array([1.4, 0.6])[:rank]
    depth, columns = len(widths) - 1, []

    def flat(dQ, dlam):
        layers = []
        for p in range(1, depth + 1):
            V = (dQ[p] * lam) @ Q[p - 1].T + (Q[p] * dlam) @ Q[p - 1].T
            layers.append((V + (Q[p] * lam) @ dQ[p - 1].T).ravel())
        return np.concatenate(layers)

    zero = [np.zeros_like(q) for q in Q]
    columns += [flat(zero, unit) for unit in np.eye(rank)]
    for p, d in enumerate(widths):
        for i, j in itertools.combinations(range(d), 2):
            A = np.zeros((d, d))
            A[i, j], A[j, i] = 1.0, -1.0
            columns.append(flat([*zero[:p], A @ Q[p], *zero[p + 1 :]], np.zeros(rank)))
    assert balanced.dimension(widths, rank) == np.linalg.matrix_rank(np.array(columns), tol=1e-9)


def test_printed_dimension_for_equal_widths():
    # r + (N+1)(rd - r(r+1)/2); full rank: d + (N+1) d(d-1)/2 = d² + (N-1) d(d-1)/2
    assert balanced.dimension((4,) * 4, 4) == 16 + 2 * 6
    assert balanced.dimension((5,) * 3, 2) == 2 + 3 * (10 - 3)


# ------------------------------------------------------------------------- the fibre, orbits


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
@pytest.mark.parametrize("rng", [None, 7])
def test_lift_is_balanced_over_w(depth, shape, rng):
    W = np.random.default_rng(1).standard_normal(shape)
    layers = balanced.lift(W, depth, rng=rng)
    assert len(layers) == depth
    product = layers[0]
    for layer in layers[1:]:
        product = layer @ product
    assert_allclose(product, W, atol=1e-13)
    assert all(np.abs(G).max() < 1e-13 for G in direct_imbalance(layers))


def test_symmetric_lift_is_made_of_roots_and_knows_no_svd():
    W = np.random.default_rng(1).standard_normal((3, 3))
    root = sqrtm(sqrtm(W.T @ W))  # (WᵀW)^{1/4}, depth 2
    layers = balanced.lift(W, 2)
    assert_allclose(layers[0], root, atol=1e-12)
    assert_allclose(layers[1], W @ np.linalg.inv(root), atol=1e-12)
    # repeated singular values: any SVD of the identity gives the same lift
    assert_allclose(balanced.lift(4 * np.eye(3), 2)[0], 2 * np.eye(3), atol=1e-14)


@pytest.mark.parametrize("rng", [None, 7])
def test_lift_through_other_widths_and_ranks(rng):
    generator = np.random.default_rng(1)
    W = generator.standard_normal((4, 2)) @ generator.standard_normal((2, 5))
    for widths in ((5, 2, 4), (5, 7, 3, 4)):
        layers = balanced.lift(W, len(widths) - 1, rank=2, widths=widths, rng=rng)
        assert networks.widths(layers) == widths
        assert_allclose(networks.end_to_end(layers), W, atol=1e-13)
        assert balanced.contains(layers)


def test_haar_lifts_move_along_one_orbit():
    W = np.random.default_rng(1).standard_normal((3, 3))
    one, two = (balanced.lift(W, 3, rng=seed) for seed in (0, 1))
    assert np.abs(one[0] - two[0]).max() > 0.1
    (Q, _), (P, _) = balanced.to_svd(one), balanced.to_svd(two)
    # signs of the two SVDs agree up to a common column sign, removed by Q_0
    sign = np.sign(np.sum(Q[0] * P[0], axis=0))
    gauge = [(p * sign) @ q.T for q, p in zip(Q[1:-1], P[1:-1], strict=True)]
    for moved, layer in zip(balanced.act(one, gauge), two, strict=True):
        assert_allclose(moved, layer, atol=1e-12)


@pytest.mark.parametrize("widths", WIDTHS)
def test_action_keeps_the_product_and_turns_imbalances(widths):
    layers = networks.random(widths, 1.0, rng=0)
    gauge = frames(widths[1:-1], 1) and [
        networks.haar_frame(d, d, np.random.default_rng(d)) for d in widths[1:-1]
    ]
    moved = balanced.act(layers, gauge)
    assert_allclose(networks.end_to_end(moved), networks.end_to_end(layers), atol=1e-12)
    pairs = zip(direct_imbalance(layers), direct_imbalance(moved), gauge, strict=True)
    for before, after, P in pairs:
        assert_allclose(after, P @ before @ P.T, atol=1e-12)


def test_random_points_have_the_singular_values_asked_for():
    layers = balanced.random((4, 3, 5, 4), [2.0, 0.5], rng=0, size=(6,))
    product = networks.end_to_end(layers)
    assert product.shape == (6, 4, 4)
    sigma = np.linalg.svd(product, compute_uv=False)
    assert_allclose(sigma[:, :2], np.broadcast_to([2.0, 0.5], (6, 2)), rtol=1e-12)
    assert balanced.contains(layers).all()


# ---------------------------------------------------------------------------- charts x and y


@pytest.mark.parametrize("widths", [(3, 3, 3), (4, 3, 3, 3), (2, 3, 4)])
def test_charts_x_and_y_and_back(widths):
    layers = networks.random(widths, 1.0, rng=3)
    for G, exact in zip(balanced.to_right_polar(layers)[2], direct_imbalance(layers), strict=True):
        assert_allclose(G, exact, atol=1e-14)
    for there, back in (
        (balanced.to_right_polar, balanced.from_right_polar),
        (balanced.to_left_polar, balanced.from_left_polar),
    ):
        for before, after in zip(layers, back(*there(layers)), strict=True):
            assert_allclose(after, before, atol=1e-7)  # roots of R² - G lose half the digits


@pytest.mark.parametrize("sign", [-1, 1])
def test_definite_imbalance_always_has_one_chart(sign):
    # G_p < 0 suffices for x, G_p > 0 for y
    generator = np.random.default_rng(0)
    G = []
    for _ in range(2):
        B = generator.standard_normal((3, 3))
        G.append(sign * (B @ B.T))
    Q = [networks.haar_frame(3, 3, generator) for _ in range(2)]
    chart = balanced.from_right_polar if sign < 0 else balanced.from_left_polar
    layers = chart(generator.standard_normal((3, 3)), Q, G)
    assert_allclose(balanced.residual(layers, G), 0, atol=1e-12)
    for ours, exact in zip(direct_imbalance(layers), G, strict=True):
        assert_allclose(ours, exact, atol=1e-12)


def test_conics_of_width_one():
    # (5.10): w_{p+1} = ± sqrt(w_p² - g_p)
    layers = balanced.from_right_polar([[1.5]], ([[1.0]], [[-1.0]]), ([[-2.0]], [[1.0]]))
    w_2 = np.sqrt(1.5**2 + 2)
    w_3 = -np.sqrt(w_2**2 - 1)
    assert_allclose([W[0, 0] for W in layers], [1.5, w_2, w_3], rtol=1e-15)


def test_missing_root_says_which_and_by_how_much():
    eye = np.eye(2)
    with pytest.raises(ValueError, match=r"W_2 W_2ᵀ - G_2 .* least eigenvalue is -2"):
        balanced.from_right_polar(eye, (eye, eye), (0 * eye, 3 * eye))
    with pytest.raises(ValueError, match=r"W_2ᵀ W_2 \+ G_1 .* least eigenvalue is -2"):
        balanced.from_left_polar(eye, (eye, eye), (-3 * eye, 0 * eye))


def test_rank_deficient_charts_x_and_y():
    layers = balanced.from_svd(frames((3, 3, 3, 3), 2), [1.3, 0.7])
    right = balanced.from_right_polar(*balanced.to_right_polar(layers)[:2])
    left = balanced.from_left_polar(*balanced.to_left_polar(layers)[:2])
    for a, b, c in zip(layers, right, left, strict=True):
        assert_allclose(b, a, atol=1e-7)
        assert_allclose(c, a, atol=1e-7)


def test_stacks_are_loops():
    Q, lam = frames((3, 4, 2), 2, size=(5,)), np.abs(np.random.default_rng(0).normal(size=(5, 2)))
    together = balanced.from_svd(Q, lam)
    W = networks.end_to_end(together)
    lifted = balanced.lift(W, 2, widths=(3, 4, 2))
    for k in range(5):
        alone = balanced.from_svd([q[k] for q in Q], lam[k])
        single = balanced.lift(W[k], 2, widths=(3, 4, 2))
        for p in range(2):
            assert_allclose(together[p][k], alone[p], atol=1e-14)
            assert_allclose(lifted[p][k], single[p], atol=1e-13)
    assert balanced.residual(together).shape == (5,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: balanced.from_svd([np.ones((2, 2))] * 2, [1.0, 1.0]), "orthonormal"),
        (lambda: balanced.from_svd([np.eye(2)], [1.0, 1.0]), "at least Q_0 and Q_1"),
        (lambda: balanced.from_svd([np.eye(2)] * 2, [1.0]), "1 columns"),
        (lambda: balanced.from_svd([np.eye(2)] * 2, [1.0, -1.0]), "non-negative"),
        (lambda: balanced.dimension((3, 2, 3), 3), "at most 2"),
        (lambda: balanced.residual([np.eye(2)] * 2, ()), "1 matrices"),
        (lambda: balanced.residual([np.eye(2)] * 2, [[[0, 1], [0, 0]]]), "symmetric"),
        (lambda: balanced.act([np.eye(2)] * 2, [2 * np.eye(2)]), "orthonormal"),
        (lambda: balanced.act([np.eye(2)] * 2, []), "1 matrices"),
        (lambda: balanced.lift(np.eye(2), 0), "depth"),
        (lambda: balanced.from_right_polar(np.eye(2), [2 * np.eye(2)]), "isometric"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("size", [3, np.int64(3), (3,)])
def test_size_as_numpy_takes_it(size):
    assert balanced.random((2, 2), [1.0], rng=0, size=size)[0].shape == (3, 2, 2)
