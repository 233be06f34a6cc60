"""Tangent space of the balanced manifold and the submersion, against brute-force bases."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced, energies, entropy, metric, submersion
from dlngeo import weights as networks

# widths, singular values of each layer
CASES = [
    ((3, 3, 3), [1.5, 0.9, 0.4]),
    ((3, 3, 3, 3, 3), [1.5, 0.9, 0.4]),
    ((2, 4, 5, 3), [1.2, 0.7]),
    ((4, 3, 3, 3, 6), [1.2, 0.7]),  # rank 2 below every width
    ((3, 3, 3, 3), [1.1]),
    ((3, 3, 3), [1.0, 1.0, 0.5]),  # repeated
    ((4, 2), [1.3, 0.8]),  # depth 1
]


def point(widths, lam, seed=0):
    generator = np.random.default_rng(seed)
    frames = [networks.haar_frame(d, len(lam), generator) for d in widths]
    return balanced.from_svd(frames, lam), frames


def flat(layers):
    return np.concatenate([np.ravel(W) for W in layers])


def shaped(vector, widths):
    return networks.from_vector(vector, widths)


def span(columns):
    """Orthogonal projector on the span of vectors, by SVD."""
    columns = np.array(columns).T
    U, s, _ = np.linalg.svd(columns, full_matrices=False)
    U = U[:, s > 1e-9 * s[0]]
    return U @ U.T


def generators(widths):
    """(p, A) for elementary rotations of each layer of nodes."""
    for p, d in enumerate(widths):
        for i, j in itertools.combinations(range(d), 2):
            A = np.zeros((d, d))
            A[i, j], A[j, i] = 1.0, -1.0
            yield p, A


def moved(layers, p, A):
    """Velocity of the weights when layer p of nodes turns by A: (8.2) with θ = 0."""
    V = [np.zeros_like(W) for W in layers]
    if p > 0:
        V[p - 1] = A @ layers[p - 1]
    if p < len(layers):
        V[p] = V[p] - layers[p] @ A
    return flat(V)


def projectors(widths, lam):
    layers, frames = point(widths, lam)
    hidden = [moved(layers, p, A) for p, A in generators(widths) if 0 < p < len(widths) - 1]
    turns = [moved(layers, p, A) for p, A in generators(widths)]
    # at repeated singular values M_r is still a manifold: all symmetric matrices for Λ' span it
    r = len(lam)
    for i, j in itertools.combinations_with_replacement(range(r), 2):
        S = np.zeros((r, r))
        S[i, j] = S[j, i] = 1.0
        turns.append(flat([frames[p + 1] @ S @ frames[p].T for p in range(len(layers))]))
    size = sum(W.size for W in layers)
    orbit = span(hidden) if hidden else np.zeros((size, size))
    return layers, span(turns), orbit


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_projections_are_those_of_brute_force(widths, lam, rng):
    layers, tangent, orbit = projectors(widths, lam)
    assert round(np.trace(tangent)) == balanced.dimension(widths, len(lam))
    V = rng.standard_normal(len(tangent))
    arguments = (layers, shaped(V, widths))
    ours = {
        "tangent": balanced.project_tangent(*arguments, rank=len(lam)),
        "vertical": submersion.vertical(*arguments, rank=len(lam)),
        "horizontal": submersion.horizontal(*arguments, rank=len(lam)),
    }
    exact = {"tangent": tangent, "vertical": orbit, "horizontal": tangent - orbit}
    for name, projector in exact.items():
        assert_allclose(flat(ours[name]), projector @ V, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_tangent_vectors_keep_balance_to_first_order(widths, lam, rng):
    layers, _ = point(widths, lam)
    V = [rng.standard_normal(W.shape) for W in layers]
    T = balanced.project_tangent(layers, V, rank=len(lam))
    for W, X, (p, Y) in zip(layers, layers[1:], enumerate(T), strict=False):
        change = Y @ W.T + W @ Y.T - T[p + 1].T @ X - X.T @ T[p + 1]
        assert_allclose(change, 0, atol=1e-12)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_differential_is_that_of_the_product(widths, lam, rng):
    layers, _ = point(widths, lam)
    V, h = [rng.standard_normal(W.shape) for W in layers], 1e-5
    ends = [
        networks.end_to_end([W + s * h * Y for W, Y in zip(layers, V, strict=True)])
        for s in (1, -1)
    ]
    assert_allclose(submersion.differential(layers, V), (ends[0] - ends[1]) / (2 * h), atol=1e-8)
    vertical = submersion.vertical(layers, V, rank=len(lam))
    assert_allclose(submersion.differential(layers, vertical), 0, atol=1e-12)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_horizontal_lift_is_an_isometry(widths, lam, rng):
    # Theorem 13, for every rank: dφ(lift Z) = Z on the tangent space, |lift Z|² = g^N(Z, Z)
    layers, frames = point(widths, lam)
    r, depth, W = len(lam), len(widths) - 1, networks.end_to_end(layers)
    Z = rng.standard_normal(W.shape)
    outside = np.eye(W.shape[0]) - frames[-1] @ frames[-1].T
    Z = Z - outside @ Z @ (np.eye(W.shape[1]) - frames[0] @ frames[0].T)
    lifted = submersion.horizontal_lift(layers, Z, rank=r)
    assert_allclose(submersion.differential(layers, lifted), Z, atol=1e-12)
    norm = sum((V**2).sum() for V in lifted)
    assert_allclose(norm, metric.inner(W, Z, Z, depth, rank=r), rtol=1e-12)
    again = submersion.horizontal(layers, lifted, rank=r)
    for a, b in zip(again, lifted, strict=True):
        assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_lifted_gradients_are_horizontal_lifts_of_riemannian_gradients(widths, lam, rng):
    # (3.6) against (4.15): dφ of the lifted gradient is 𝒜(E')
    layers, _ = point(widths, lam)
    W, depth, r = networks.end_to_end(layers), len(widths) - 1, len(lam)
    energy = energies.Quadratic(rng.standard_normal(W.shape))
    gradient = networks.gradient(energy, layers)
    below = metric.gradient(energy, W, depth, rank=r)
    assert_allclose(submersion.differential(layers, gradient), below, atol=1e-12)
    for a, b in zip(submersion.horizontal_lift(layers, below, rank=r), gradient, strict=True):
        assert_allclose(a, b, atol=1e-11)


def test_lift_keeps_digits_at_small_singular_values(rng):
    # σ_3 = 1e-12 at depth 4: 𝒜⁻¹ there is 1e18; the lift is still horizontal and exact
    layers, frames = point((3, 3, 3, 3, 3), [1.0, 0.3, 1e-3])
    Z = np.outer(frames[-1][:, 2], frames[0][:, 2])
    lifted = submersion.horizontal_lift(layers, Z)
    # dλ_3 = 1 / (4 λ_3³) in each layer
    size = np.sqrt(sum((V**2).sum() for V in lifted))
    assert_allclose(size, 2 * 1 / (4 * 1e-9), rtol=1e-6)


def basis_vectors(basis, part):
    """The vectors of one field, flattened: (count, size)."""
    layers = getattr(basis, part)
    vectors = [np.reshape(V, (-1, V.shape[-2] * V.shape[-1])) for V in layers]
    return np.concatenate(vectors, axis=1)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_theorem_14_gives_an_orthonormal_basis(widths, lam):
    layers, tangent, orbit = projectors(widths, lam)
    basis = balanced.orthonormal_basis(layers, rank=len(lam))
    B = np.concatenate([basis_vectors(basis, part) for part in ("l", "u", "outside")])
    assert len(B) == balanced.dimension(widths, len(lam))
    assert_allclose(B @ B.T, np.eye(len(B)), atol=1e-12)
    assert_allclose(B.T @ B, tangent, atol=1e-11)
    # 1 <= p <= N - 1 are vertical, l and p = 0, N horizontal
    depth, pairs = len(widths) - 1, len(lam) * (len(lam) - 1) // 2
    u = basis_vectors(basis, "u").reshape(pairs, depth + 1, len(tangent))
    assert_allclose(u[:, 1:depth] @ orbit, u[:, 1:depth], atol=1e-11)
    assert_allclose(u[:, [0, depth]] @ orbit, 0, atol=1e-11)
    assert_allclose(basis_vectors(basis, "l") @ orbit, 0, atol=1e-11)


def test_printed_sign_of_8_21_is_not_tangent():
    # with a plus the vectors are orthonormal and in the kernel of dφ, but leave the manifold
    layers, tangent, _ = projectors((3, 3, 3, 3), [1.5, 0.9, 0.4])
    Q, lam = balanced.to_svd(layers)
    N, p = 3, 1
    norm = np.sqrt(N * (lam[0] ** 2 + lam[1] ** 2 - 2 * lam[0] * lam[1] * np.cos(p * np.pi / N)))

    def a(k, l, s):  # noqa: E741
        x = p * np.pi / N
        return (lam[k] * np.sin((s - 1) * x) - lam[l] * np.sin(s * x)) / norm

    for sign, on_manifold in ((-1, True), (1, False)):
        V = flat(
            [
                a(0, 1, s) * np.outer(Q[s][:, 0], Q[s - 1][:, 1])
                + sign * a(1, 0, s) * np.outer(Q[s][:, 1], Q[s - 1][:, 0])
                for s in range(1, N + 1)
            ]
        )
        assert_allclose(np.linalg.norm(V), 1, rtol=1e-12)
        assert_allclose(submersion.differential(layers, shaped(V, (3,) * 4)), 0, atol=1e-12)
        off = np.linalg.norm(tangent @ V - V)
        assert (off < 1e-12) == on_manifold
        assert off < 1e-12 or off > 0.1


def test_pullback_metric_is_golden(golden_geometry):
    for case in golden_geometry["pullback"]:
        lam, depth = np.array(case["lambda"], dtype=float), case["N"]
        gram = np.array(case["gram_moving_frame(Q_p alpha Q_p^T)"], dtype=float)
        blocks = balanced.pullback_metric(lam, depth)
        ours = np.zeros_like(gram)
        ours[: lam.size, : lam.size] = depth * np.eye(lam.size)
        for k, block in enumerate(blocks):
            at = slice(lam.size + k * (depth + 1), lam.size + (k + 1) * (depth + 1))
            ours[at, at] = block
        assert_allclose(ours, gram, atol=1e-15)
        if case["d"] > 2:  # printed (8.8), α not turned with the frame: not block diagonal
            fixed = np.array(case["gram_fixed_frame(alpha)"], dtype=float)
            assert np.abs(fixed - ours).max() > 0.1


def test_determinant_of_the_interior_block():
    # rows 1 .. N-1: (σ_k² - σ_l²)/(λ_k² - λ_l²), the square of the entropy's factor
    lam, depth = np.array([1.3, 0.6]), 5
    (block,) = balanced.pullback_metric(lam, depth)
    sigma = lam**depth
    exact = (sigma[0] ** 2 - sigma[1] ** 2) / (lam[0] ** 2 - lam[1] ** 2)
    assert_allclose(np.linalg.det(block[1:-1, 1:-1]), exact, rtol=1e-13)


def test_stacks_are_loops(rng):
    widths, lam = (3, 4, 3), [1.2, 0.6, 0.3]
    layers = balanced.random(widths, np.array(lam) ** 2, rng=0, size=(5,))
    V = [rng.standard_normal(W.shape) for W in layers]
    Z = rng.standard_normal((5, 3, 3))
    for name in ("vertical", "horizontal"):
        together = getattr(submersion, name)(layers, V)
        for k in range(5):
            alone = getattr(submersion, name)([W[k] for W in layers], [Y[k] for Y in V])
            for a, b in zip(together, alone, strict=True):
                assert_allclose(a[k], b, atol=1e-12)
    lifted = submersion.horizontal_lift(layers, Z)
    for k in range(5):
        alone = submersion.horizontal_lift([W[k] for W in layers], Z[k])
        for a, b in zip(lifted, alone, strict=True):
            assert_allclose(a[k], b, atol=1e-11)


def test_bad_input():
    layers, _ = point((3, 3, 3), [1.0, 0.5, 0.2])
    with pytest.raises(ValueError, match="V must have the shapes of the weights"):
        submersion.vertical(layers, layers[:1])
    with pytest.raises(ValueError, match="must be balanced"):
        submersion.horizontal(networks.random((3, 3, 3), 1.0, rng=0), layers)
    with pytest.raises(ValueError, match="Z must have shape"):
        submersion.horizontal_lift(layers, np.ones((2, 3)))


def second_fundamental_trace(widths, lam):
    """Tr II of the orbit in M by brute force: accelerations of curves in the orbit, normal parts.

    A curve with generators A turns W_p to e^{tA_p} W_p e^{-tA_{p-1}}, of acceleration
    A_p² W_p - 2 A_p W_p A_{p-1} + W_p A_{p-1}².
    """
    layers, tangent, orbit = projectors(widths, lam)
    turns = [(p, A) for p, A in generators(widths) if 0 < p < len(widths) - 1]
    velocities = np.array([moved(layers, p, A) for p, A in turns])
    U, s, _ = np.linalg.svd(velocities, full_matrices=False)
    trace = np.zeros(len(tangent))
    for k in np.flatnonzero(s > 1e-9 * s[0]):  # an orthonormal basis of the orbit's tangent space
        A = [np.zeros((d, d)) for d in widths]
        for weight, (p, turn) in zip(U[:, k] / s[k], turns, strict=True):
            A[p] = A[p] + weight * turn
        acceleration = [
            A[p + 1] @ A[p + 1] @ W - 2 * A[p + 1] @ W @ A[p] + W @ A[p] @ A[p]
            for p, W in enumerate(layers)
        ]
        trace += (tangent - orbit) @ flat(acceleration)
    return layers, trace


@pytest.mark.parametrize(("widths", "lam"), [case for case in CASES if len(case[0]) > 2])
def test_mean_curvature_is_the_trace_of_the_second_fundamental_form(widths, lam):
    layers, exact = second_fundamental_trace(widths, lam)
    ours = balanced.mean_curvature(layers, rank=len(lam))
    assert np.linalg.norm(exact) > 0.1 or len(lam) == 1
    assert_allclose(flat(ours), exact, atol=1e-11)


@pytest.mark.parametrize(("widths", "lam"), [case for case in CASES if len(case[0]) > 2])
def test_gradient_of_the_entropy_is_minus_mean_curvature(widths, lam):
    # (12.1) item 2, sign corrected: the printed grad S = H is off by 2 |H|
    layers, _ = point(widths, lam)
    W, depth, r = networks.end_to_end(layers), len(widths) - 1, len(lam)
    slope = entropy.gradient(W, depth, rank=r, widths=widths)
    H = balanced.mean_curvature(layers, rank=r)
    assert_allclose(submersion.differential(layers, H), -slope, atol=1e-11)
    for a, b in zip(submersion.horizontal_lift(layers, slope, rank=r), H, strict=True):
        assert_allclose(a, -b, atol=1e-11)


def test_many_vectors_at_one_point(rng):
    layers, _ = point((3, 4, 3), [1.2, 0.7])
    V = [rng.standard_normal((5, *W.shape)) for W in layers]
    many = balanced.project_tangent(layers, V, rank=2)
    for k in range(5):
        one = balanced.project_tangent(layers, [X[k] for X in V], rank=2)
        for a, b in zip(many, one, strict=True):
            assert_allclose(a[k], b, atol=1e-14)
