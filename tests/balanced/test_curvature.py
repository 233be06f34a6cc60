"""Curvature of the orbit, the differential of the chart and the Simons cone, by brute force."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

from dlngeo import balanced, submersion
from dlngeo import weights as networks

CASES = [
    ((3, 3, 3), [1.5, 0.9, 0.4]),
    ((3, 3, 3, 3), [1.0, 1.0, 0.4]),
    ((2, 4, 3, 2), [1.2, 0.7]),
    ((3, 4, 4, 3), [1.1, 0.6]),
]


def point(widths, lam, seed=0):
    generator = np.random.default_rng(seed)
    frames = [networks.haar_frame(d, len(lam), generator) for d in widths]
    return balanced.from_svd(frames, lam), frames


def turns(widths, generator):
    """Random antisymmetric A_p at hidden layers, zero at the ends."""
    A = [np.zeros((d, d)) for d in widths]
    for p in range(1, len(widths) - 1):
        A[p] = generator.standard_normal((widths[p],) * 2)
        A[p] = A[p] - A[p].T
    return A


def act(layers, A, t):
    frames = [expm(t * turn) for turn in A]
    return [frames[p + 1] @ W @ frames[p].T for p, W in enumerate(layers)]


def norm(layers):
    return np.sqrt(sum(np.sum(W**2) for W in layers))


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_second_fundamental_form_is_the_horizontal_acceleration(widths, lam, rng):
    # of any curve in the orbit, by differences of fourth order along exp(tA)·weights
    layers, _ = point(widths, lam)
    r, h = len(lam), 2e-3
    A = turns(widths, rng)
    path = [act(layers, A, t * h) for t in range(-2, 3)]
    first, second = (
        np.array([1, -8, 0, 8, -1]) / 12 / h,
        np.array([-1, 16, -30, 16, -1]) / 12 / h**2,
    )
    velocity = [
        sum(c * W for c, W in zip(first, stack, strict=True)) for stack in zip(*path, strict=True)
    ]
    acceleration = [
        sum(c * W for c, W in zip(second, stack, strict=True)) for stack in zip(*path, strict=True)
    ]
    exact = submersion.horizontal(layers, acceleration, rank=r)
    ours = balanced.second_fundamental_form(layers, velocity, velocity, rank=r)
    assert norm(ours) > 0.1
    assert norm([a - b for a, b in zip(ours, exact, strict=True)]) < 1e-7 * norm(ours)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_second_fundamental_form_is_bilinear_symmetric_and_blind_to_horizontal_parts(
    widths, lam, rng
):
    layers, _ = point(widths, lam)
    r = len(lam)
    V, X = ([rng.standard_normal(W.shape) for W in layers] for _ in range(2))

    def form(one, two):
        return balanced.second_fundamental_form(layers, one, two, rank=r)

    both = [v + 2 * x for v, x in zip(V, X, strict=True)]
    for a, b, c, d, e in zip(
        form(both, both), form(V, V), form(V, X), form(X, V), form(X, X), strict=True
    ):
        assert_allclose(a, b + 2 * c + 2 * d + 4 * e, atol=1e-10)
        assert_allclose(c, d, atol=1e-11)
    vertical = submersion.vertical(layers, V, rank=r)
    for a, b in zip(form(V, X), form(vertical, X), strict=True):
        assert_allclose(a, b, atol=1e-10)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_mean_curvature_is_the_trace(widths, lam):
    layers, _ = point(widths, lam)
    r = len(lam)
    basis = []
    for p in range(1, len(widths) - 1):
        for i, j in itertools.combinations(range(widths[p]), 2):
            A = [np.zeros((d, d)) for d in widths]
            A[p][i, j], A[p][j, i] = 1.0, -1.0
            V = [A[s + 1] @ W - W @ A[s] for s, W in enumerate(layers)]
            basis.append(np.concatenate([Y.ravel() for Y in V]))
    U, s, _ = np.linalg.svd(np.array(basis).T, full_matrices=False)
    U = U[:, s > 1e-9]
    assert U.shape[1] == balanced.orbit_dimension(widths, r)
    total = [np.zeros_like(W) for W in layers]
    for column in U.T:
        V = networks.from_vector(column, widths)
        form = balanced.second_fundamental_form(layers, V, V, rank=r)
        total = [a + b for a, b in zip(total, form, strict=True)]
    for a, b in zip(total, balanced.mean_curvature(layers, rank=r), strict=True):
        assert_allclose(a, b, atol=1e-11)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_differential_of_the_chart(widths, lam, rng):
    _, frames = point(widths, lam)
    A = [M - M.T for M in (rng.standard_normal((d, d)) for d in widths)]
    theta, h = rng.standard_normal(len(lam)), 1e-5
    ends = [
        balanced.from_svd(
            [expm(s * h * turn) @ Q for turn, Q in zip(A, frames, strict=True)], lam + s * h * theta
        )
        for s in (1, -1)
    ]
    ours = balanced.chart_differential(frames, lam, A, theta)
    for a, plus, minus in zip(ours, *ends, strict=True):
        assert_allclose(a, (plus - minus) / (2 * h), atol=1e-8)
    tangent = balanced.project_tangent(balanced.from_svd(frames, lam), ours, rank=len(lam))
    for a, b in zip(ours, tangent, strict=True):
        assert_allclose(a, b, atol=1e-12)


def test_bad_arguments_of_the_chart_differential():
    Q, A = [np.eye(2)] * 3, [np.zeros((2, 2))] * 3
    with pytest.raises(ValueError, match="theta must have shape"):
        balanced.chart_differential(Q, [2.0, 1.0], A, [1.0])
    with pytest.raises(ValueError, match="A must hold 3"):
        balanced.chart_differential(Q, [2.0, 1.0], A[:2], [1.0, 1.0])
    with pytest.raises(ValueError, match="A_0 must be antisymmetric"):
        balanced.chart_differential(Q, [2.0, 1.0], [np.eye(2), *A[1:]], [1.0, 1.0])


def test_dimensions_add_up():
    for widths, r in (((3, 3, 3), 3), ((4, 5, 3, 6), 2), ((2, 2), 2)):
        downstairs = r * (widths[0] + widths[-1] - r)
        assert balanced.dimension(widths, r) == downstairs + balanced.orbit_dimension(widths, r)


# ---------------------------------------------------------------------------------- Simons cone


def test_simons_coordinates_are_the_printed_ones():
    x = np.arange(1.0, 9)
    W_1, W_2 = x[:4].reshape(2, 2), x[4:].reshape(2, 2)
    assert_allclose(balanced.simons_coordinates((W_1, W_2)), x)
    G = networks.imbalance((W_1, W_2))[0]
    printed = [
        [
            x[0] ** 2 + x[1] ** 2 - x[4] ** 2 - x[6] ** 2,
            x[0] * x[2] + x[1] * x[3] - x[4] * x[5] - x[6] * x[7],
        ],
        [
            x[0] * x[2] + x[1] * x[3] - x[4] * x[5] - x[6] * x[7],
            x[2] ** 2 + x[3] ** 2 - x[5] ** 2 - x[7] ** 2,
        ],
    ]
    assert_allclose(G, printed)
    assert_allclose(balanced.simons_cone(x), np.trace(G))


def test_balanced_weights_lie_on_the_cone_and_the_cone_is_minimal(rng):
    layers = balanced.random((2, 2, 2), [1.3, 0.4], rng=1, size=5)
    x = balanced.simons_coordinates(layers)
    assert_allclose(balanced.simons_cone(x), 0, atol=1e-14)

    def unit_normal(y):  # by complex step of the quadratic form
        gradient = np.array([balanced_form(y + 1e-30j * e).imag / 1e-30 for e in np.eye(8)])
        return gradient / np.linalg.norm(gradient)

    def balanced_form(y):
        return np.sum(y[:4] ** 2) - np.sum(y[4:] ** 2)

    h = 1e-4  # mean curvature: minus the divergence of the unit normal
    divergence = sum(
        (unit_normal(x[0] + h * e)[i] - unit_normal(x[0] - h * e)[i]) / (2 * h)
        for i, e in enumerate(np.eye(8))
    )
    assert abs(divergence) < 1e-7
    off = rng.standard_normal(8)  # elsewhere the level sets are curved
    elsewhere = sum(
        (unit_normal(off + h * e)[i] - unit_normal(off - h * e)[i]) / (2 * h)
        for i, e in enumerate(np.eye(8))
    )
    assert abs(elsewhere) > 0.01


def test_simons_bad_input():
    with pytest.raises(ValueError, match="two square matrices"):
        balanced.simons_coordinates((np.eye(2),) * 3)
    with pytest.raises(ValueError, match="shape"):
        balanced.simons_cone([1.0, 2.0, 3.0])


# -------------------------------------------------------------------------------- thin gradients


@pytest.mark.parametrize(
    ("widths", "rank"), [((3, 3, 3), 3), ((4, 5, 3), 3), ((3, 5, 5, 4), 3), ((4, 2, 4), 2)]
)
def test_thin_gradients_span_the_horizontal_space(widths, rank):
    layers = balanced.random(widths, np.linspace(1, 2, rank), rng=0)
    gradients = submersion.thin_gradients(layers)
    m, n = widths[-1], widths[0]
    assert gradients[0].shape[:2] == (m, n)
    flat = np.concatenate([G.reshape(m * n, -1) for G in gradients], axis=1)
    assert np.linalg.matrix_rank(flat) == rank * (m + n - rank) <= m * n
    for l, k in itertools.product(range(m), range(n)):  # noqa: E741
        V = [G[l, k] for G in gradients]
        for a, b in zip(submersion.horizontal(layers, V, rank=rank), V, strict=True):
            assert_allclose(a, b, atol=1e-12)


def test_thin_gradients_are_gradients_and_stack(rng):
    stack = networks.random((2, 3, 2), 1.0, rng=0, size=4)
    gradients = submersion.thin_gradients(stack)
    assert gradients[0].shape == (2, 2, 4, 3, 2)
    h = 1e-6
    for p in range(2):
        for i, j in np.ndindex(stack[p].shape[1:]):
            moved = [[W.copy() for W in stack] for _ in range(2)]
            moved[0][p][:, i, j] += h
            moved[1][p][:, i, j] -= h
            slope = (networks.end_to_end(moved[0]) - networks.end_to_end(moved[1])) / (2 * h)
            assert_allclose(gradients[p][..., i, j], np.moveaxis(slope, 0, -1), atol=1e-9)
