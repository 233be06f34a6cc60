"""One point and a stack of vectors, a stack of points and one vector: a loop, whatever the shapes.

Lengths of a stack that meet the depth or a width are among them, since those are where axes can be
taken for one another. At depth 1, where most functions take a short cut, shapes and values are
compared with those of a depth just above; and nothing that is returned is a view of an argument.
"""

import itertools
import math

import numpy as np
import pytest

from dlngeo import adjacency, balanced, entropy, hessian, metric, submersion, weights
from dlngeo.energies import MatrixCompletion, Quadratic
from dlngeo.entropy import laplacian

PAIRS = [
    ((), ()),
    *((p, ()) for p in [(1,), (2,), (3,), (4,), (2, 3)]),
    *(((), v) for v in [(1,), (2,), (3,), (4,), (2, 3)]),
    ((3,), (1,)),
    ((2, 1), (3,)),
    ((2,), (3, 2)),
    ((0,), ()),
    ((), (0,)),
]


def pick(argument, stack, index):
    """The entry of an array, or of each layer of weights, for one index of the whole stack."""
    if isinstance(argument, tuple):
        return tuple(pick(layer, stack, index) for layer in argument)
    return np.broadcast_to(argument, (*stack, *argument.shape[-2:]))[index]


def parts(value):
    return [np.asarray(a) for a in (value if isinstance(value, tuple) else (value,))]


def equals_a_loop(function, arguments, shapes, rtol=1e-9):
    stack = np.broadcast_shapes(*shapes)
    got = parts(function(*arguments))
    for index in np.ndindex(*stack):
        alone = parts(function(*(pick(a, stack, index) for a in arguments)))
        for one, all_ in zip(alone, got, strict=True):
            assert all_.shape == (*stack, *one.shape)
            np.testing.assert_allclose(all_[index], one, rtol=rtol, atol=1e-9)


# ------------------------------------------------------------------------------------ upstairs

UPSTAIRS = {
    "differential": submersion.differential,
    "vertical": submersion.vertical,
    "horizontal": submersion.horizontal,
    "project_tangent": balanced.project_tangent,
    "retract": lambda W, V: balanced.retract(W, tuple(0.01 * X for X in V)),
    "second_fundamental_form": lambda W, V: balanced.second_fundamental_form(W, V, V),
    "hessian": lambda W, V: hessian.apply(energy_of(W), W, V),
    "form": lambda W, V: hessian.form(energy_of(W), W, V),
}


def energy_of(layers):
    return Quadratic(np.ones((layers[-1].shape[-2], layers[0].shape[-1])))


@pytest.mark.parametrize("widths", [(2, 2), (2, 2, 2), (3, 4, 2, 3), (2, 2, 2, 2, 2)], ids=str)
@pytest.mark.parametrize("function", UPSTAIRS.values(), ids=UPSTAIRS)
def test_weights_and_vectors(function, widths, rng):
    sigma = np.arange(min(widths), 0.0, -1)
    for p, v in PAIRS:
        layers = balanced.random(widths, sigma, rng=1, size=p)
        V = tuple(rng.standard_normal((*v, *W.shape[-2:])) for W in layers)
        equals_a_loop(function, (layers, V), (p, v))


@pytest.mark.parametrize("widths", [(2, 2), (2, 2, 2), (3, 4, 2, 3), (2, 2, 2, 2, 2)], ids=str)
def test_horizontal_lift(widths, rng):
    sigma = np.arange(min(widths), 0.0, -1)
    for p, v in PAIRS:
        layers = balanced.random(widths, sigma, rng=1, size=p)
        Z = rng.standard_normal((*v, widths[-1], widths[0]))
        equals_a_loop(submersion.horizontal_lift, (layers, Z), (p, v))
        if min(widths) == min(widths[0], widths[-1]):
            lifted = submersion.horizontal_lift(layers, Z)
            wanted = np.broadcast_to(Z, (*np.broadcast_shapes(p, v), *Z.shape[-2:]))
            back = submersion.differential(layers, lifted)
            np.testing.assert_allclose(back, projected(layers, wanted), atol=1e-12)


def projected(layers, Z):
    """Z on the tangent space of the matrices of the rank of the weights."""
    W = weights.end_to_end(layers)
    r = min(weights.widths(layers))
    U, _, Vt = np.linalg.svd(W)
    left, right = U[..., r:], Vt[..., r:, :]
    outside = left @ left.mT @ Z @ right.mT @ right
    return Z - outside


def test_weights_from_parts_share_their_leading_dimensions(rng):
    """One layer of a gauge or one frame stacked: all layers are."""

    def frame(d, r, *size):
        return np.linalg.qr(rng.standard_normal((*size, d, r)))[0]

    def turn(d, *size):
        X = rng.standard_normal((*size, d, d))
        return X - X.mT

    layers = balanced.random((2, 3, 3, 2), [2.0, 1.0], rng=1)
    Q, A = (frame(3, 2, 4), frame(3, 2), frame(2, 2)), (turn(3, 4), turn(3), turn(2))
    one = (frame(3, 2), frame(3, 2), frame(2, 2))
    made = [
        balanced.act(layers, (frame(3, 3, 4), frame(3, 3))),
        balanced.act(layers, (frame(3, 3), frame(3, 3, 4))),
        balanced.from_svd(Q, [2.0, 1.0]),
        balanced.chart_differential(one, [2.0, 1.0], A, [1.0, 1.0]),
        balanced.from_right_polar(np.eye(3), (frame(3, 3), frame(3, 3, 4))),
        balanced.from_left_polar(np.eye(3), (frame(3, 3), frame(3, 3, 4))),
    ]
    for result in made:
        assert {W.shape[:-2] for W in result} == {(4,)}
        assert weights.end_to_end(result).shape[0] == 4
    np.testing.assert_allclose(
        balanced.from_svd(Q, [2.0, 1.0])[1],
        balanced.from_svd(one[:0] + Q[1:], [2.0, 1.0])[0] + np.zeros((4, 1, 1)),
    )


# ---------------------------------------------------------------------------------- downstairs

INF = math.inf
DOWNSTAIRS = {
    "apply": metric.apply,
    "sqrt": metric.sqrt,
    "solve": metric.solve,
    "inner": lambda W, Z, depth: metric.inner(W, Z, Z, depth),
    "inner with one": lambda W, Z, depth: metric.inner(W, Z, np.ones(W.shape[-2:]), depth),
}


def points(rng, shape, m, n):
    return 0.2 * rng.standard_normal((*shape, m, n)) + 2 * np.eye(m, n)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 7, INF])
@pytest.mark.parametrize("function", DOWNSTAIRS.values(), ids=DOWNSTAIRS)
def test_matrices_and_vectors(function, depth, rng):
    for (p, v), (m, n) in itertools.product(PAIRS, [(2, 2), (3, 2), (1, 3)]):
        if depth < INF or m == n:
            arguments = points(rng, p, m, n), rng.standard_normal((*v, m, n))
            equals_a_loop(lambda W, Z: function(W, Z, depth), arguments, (p, v))


@pytest.mark.parametrize(
    ("depth", "pairs"), [(1, PAIRS), (2, [((), (2,)), ((3,), ()), ((2, 1), (3,))])]
)
def test_geodesics_of_stacks(depth, pairs, rng):
    def points_first(W, Z):
        return np.moveaxis(metric.geodesic(W, Z, depth, [0.0, 0.5, -0.3]), 0, -3)

    for p, v in pairs:
        W, Z = points(rng, p, 2, 2), 0.1 * rng.standard_normal((*v, 2, 2))
        equals_a_loop(lambda W, Z: metric.exp(W, Z, depth), (W, Z), (p, v))
        equals_a_loop(points_first, (W, Z), (p, v))
        for ends in (metric.log, metric.distance):
            if depth == 1 or not p:
                equals_a_loop(lambda A, B, f=ends: f(A, B, depth), (W, 2 * np.eye(2) + Z), (p, v))


# ------------------------------------------------------------------------- depth 1 and just above

ENERGY = MatrixCompletion(
    np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[True, True], [False, True]])
)
SHORT_CUTS = {
    "apply": metric.apply,
    "sqrt": metric.sqrt,
    "solve": metric.solve,
    "inner": lambda W, Z, N: metric.inner(W, Z, Z, N),
    "gradient": lambda W, Z, N: metric.gradient(ENERGY, W, N),
    "log_volume_density": lambda W, Z, N: metric.log_volume_density(W, N),
    "ito_drift": lambda W, Z, N: metric.ito_drift(W, N),
    "exp": metric.exp,
    "geodesic": lambda W, Z, N: metric.geodesic(W, Z, N, [-0.5, 0.0, 1.0]),
    "log": lambda W, Z, N: metric.log(W, W + Z, N),
    "distance": lambda W, Z, N: metric.distance(W, W + Z, N),
    "boltzmann": lambda W, Z, N: entropy.boltzmann(W, N),
    "entropy gradient": lambda W, Z, N: entropy.gradient(W, N),
    "free_energy": lambda W, Z, N: entropy.free_energy(ENERGY, W, N, 2.0, 0.3),
    "free_energy_gradient": lambda W, Z, N: entropy.free_energy_gradient(ENERGY, W, N, 2.0, 0.3),
    "euclidean gradient": lambda W, Z, N: entropy.free_energy_gradient(
        ENERGY, W, N, 2.0, 0.3, riemannian=False
    ),
    "hessian": lambda W, Z, N: entropy.free_energy_hessian(ENERGY, W, N, 2.0, Z, 0.3),
    "squared_slope": lambda W, Z, N: laplacian.squared_slope(ENERGY, W, N, 2.0, 0.3),
    "laplacian": lambda W, Z, N: laplacian.free_energy_laplacian(ENERGY, W, N, 2.0, 0.3),
}


@pytest.mark.parametrize("function", SHORT_CUTS.values(), ids=SHORT_CUTS)
def test_short_cuts_of_depth_one(function, rng):
    for p, v in [((), ()), ((2,), ()), ((), (2,)), ((0,), ()), ((), (0,))]:
        W, Z = points(rng, p, 2, 2), 0.1 * rng.standard_normal((*v, 2, 2))
        copies = W.copy(), Z.copy()
        flat, bent = function(W, Z, 1), function(W, Z, 1 + 1e-9)
        assert np.shape(flat) == np.shape(bent)
        np.testing.assert_allclose(flat, bent, rtol=1e-7, atol=1e-7)
        assert not any(np.shares_memory(flat, given) for given in (W, Z))
        np.testing.assert_array_equal(W, copies[0])
        np.testing.assert_array_equal(Z, copies[1])


def test_the_paths_of_depth_one():
    W, V = np.eye(2), np.array([[2.0, 0.3], [0.0, 1.0]])
    flat, bent = metric.connect(W, V, 1), metric.connect(W, V, 1 + 1e-9)
    assert flat.path.shape == bent.path.shape
    np.testing.assert_allclose(flat.path, bent.path, atol=1e-7)
    np.testing.assert_allclose(flat.velocity, bent.velocity, atol=1e-7)
    assert flat.distance == pytest.approx(bent.distance, rel=1e-7)


def test_depth_one_is_exact(rng):
    """No SVD, no rounding of one: W + Z, and differences of nearby matrices to their last digit."""
    W = rng.standard_normal((3, 3))
    Z = 1e-12 * rng.standard_normal((3, 3))
    np.testing.assert_array_equal(metric.exp(W, Z, 1), W + Z)
    np.testing.assert_array_equal(metric.log(W, W + Z, 1), (W + Z) - W)
    assert metric.distance(W, W + Z, 1) == pytest.approx(np.linalg.norm((W + Z) - W), rel=1e-14)


def test_one_layer_returns_no_view(rng):
    V = (rng.standard_normal((3, 3)),)
    assert not np.shares_memory(submersion.differential((np.eye(3),), V), V[0])


# ------------------------------------------------------------------------------- any size


@pytest.mark.parametrize("size", [1e-160, 1e-100, 1e100])
def test_what_scales_with_the_weights_does_so_at_every_size(size, rng):
    """Squares of 1e-160 have no digits left, products of layers of 1e±100 no value."""
    layers = balanced.random((3, 4, 2, 3), [2.0, 1.0], rng=1)
    V = tuple(rng.standard_normal(W.shape) for W in layers)
    scaled, moved = (tuple(size * X for X in part) for part in (layers, V))
    for function in (balanced.project_tangent, submersion.vertical, submersion.horizontal):
        for got, want in zip(function(scaled, moved), function(layers, V), strict=True):
            np.testing.assert_allclose(got / size, want, rtol=1e-9, atol=1e-12)
    form = balanced.second_fundamental_form(scaled, moved, moved)
    for got, want in zip(form, balanced.second_fundamental_form(layers, V, V), strict=True):
        np.testing.assert_allclose(got / size, want, rtol=1e-8, atol=1e-11)
    assert balanced.contains(scaled)
    assert not balanced.contains(moved)
    assert weights.is_aligned(scaled)
    assert not weights.is_aligned(moved)
    assert not weights.is_decoupled(moved)
    assert weights.is_decoupled(tuple(size * np.eye(*W.shape) for W in layers))
    W, Z = points(rng, (), 3, 2), rng.standard_normal((3, 2))
    for depth in (1.5, 3):
        got = metric.inner(size * W, size * Z, size * Z, depth)
        want = metric.inner(W, Z, Z, depth) * size ** (2 / depth)
        assert got == pytest.approx(want, rel=1e-12)


def test_stacks_of_length_zero():
    layers = tuple(np.zeros((0, b, a)) for a, b in itertools.pairwise((2, 3, 2)))
    frame = np.zeros((0, 3, 3))
    for result in (balanced.act(layers, [frame]), balanced.from_svd([frame] * 3, np.ones(3))):
        assert {W.shape[0] for W in result} == {0}
    assert adjacency.nilpotency_index(np.zeros((0, 4, 4))) == 1
