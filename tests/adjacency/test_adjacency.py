"""The block-shift calculus against explicit loops, exact differences and golden values.

An energy that is quadratic in W is quadratic in every single weight, and the imbalance is quadratic
in all of them, so the central differences below are exact for any step.
"""

import itertools

import numpy as np
import pytest

from dlngeo import adjacency, flows, weights
from dlngeo.energies import LinearRegression, MatrixCompletion, MatrixSensing, Quadratic

WIDTHS = [(3, 2), (3, 4, 2), (2, 3, 4, 2), (4, 3, 3, 2), (2, 1, 3, 2, 4), (3, 3, 3, 3)]
every_width = pytest.mark.parametrize("widths", WIDTHS, ids=str)


def layers_of(rng, widths, size=()):
    return tuple(
        rng.standard_normal((*size, rows, columns)) for columns, rows in itertools.pairwise(widths)
    )


def energies(widths):
    rng = np.random.default_rng(7)
    m, n = widths[-1], widths[0]
    return [
        Quadratic(rng.standard_normal((m, n))),
        LinearRegression(rng.standard_normal((n, 6)), rng.standard_normal((m, 6))),
        MatrixCompletion(rng.standard_normal((m, n)), np.eye(m, n, dtype=bool)),
        MatrixSensing(rng.standard_normal((5, m, n)), rng.standard_normal(5)),
    ]


every_energy = pytest.mark.parametrize(
    "kind", range(4), ids=lambda k: energies((2, 2))[k].__class__
)


def placed(k, blocks, widths):
    """blk_k entry by entry: block F_j leads from layer j - 1 to layer j - 1 + k."""
    start = [sum(widths[:p]) for p in range(len(widths))]
    A = np.zeros((sum(widths), sum(widths)))
    for j, F in enumerate(blocks):
        for a, b in np.ndindex(widths[j + k], widths[j]):
            A[start[j + k] + a, start[j] + b] = F[a][b]
    return A


def block_pattern(k, widths):
    """Where blk_k may differ from zero."""
    sizes = zip(widths[k:], widths, strict=False)
    return placed(k, [np.ones(size) for size in sizes], widths) == 1


def chain(layers, j, k):
    """W_{j+k} ⋯ W_{j+1}, the identity for k = 0."""
    result = np.eye(layers[j].shape[1] if j < len(layers) else layers[-1].shape[0])
    for W in layers[j : j + k]:
        result = W @ result
    return result


def numbers(value):
    return np.array(value, dtype=float)


# --------------------------------------------------------------------------- packing, powers


@every_width
def test_blk_places_blocks_on_a_lower_diagonal(widths, rng):
    for k in range(len(widths)):
        sizes = zip(widths[k:], widths, strict=False)
        blocks = [rng.standard_normal(size) for size in sizes]
        np.testing.assert_array_equal(adjacency.blk(k, blocks, widths), placed(k, blocks, widths))


@every_width
def test_blocks_are_read_back(widths, rng):
    A = rng.standard_normal((sum(widths), sum(widths)))
    for k in range(len(widths)):
        got = adjacency.blocks(A, k, widths)
        assert len(got) == len(widths) - k
        np.testing.assert_array_equal(
            placed(k, got, widths), np.where(block_pattern(k, widths), A, 0)
        )


@every_width
def test_weights_are_packed_in_blocks_and_read_back(widths, rng):
    layers = layers_of(rng, widths)
    A = adjacency.from_weights(layers)
    np.testing.assert_array_equal(A, placed(1, layers, widths))
    for got, want in zip(adjacency.to_weights(A, widths), layers, strict=True):
        np.testing.assert_array_equal(got, want)


def test_unpacked_weights_are_copies(rng):
    widths = (2, 3, 2)
    A = adjacency.from_weights(layers_of(rng, widths))
    before = A.copy()
    for W in (*adjacency.to_weights(A, widths), *adjacency.blocks(A, 1, widths)):
        W[:] = 7
    np.testing.assert_array_equal(A, before)


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (2, 2), (6, 0), (0, 6), (4, 3)])
def test_an_entry_outside_the_blocks_is_refused(place, rng):
    widths = (2, 3, 2)
    A = adjacency.from_weights(layers_of(rng, widths))
    A[place] = 1e-300
    with pytest.raises(ValueError, match=r"block-shift form.*1e-300"):
        adjacency.to_weights(A, widths)


@every_width
def test_powers_hold_the_products(widths, rng):
    """(16): A^k = blk_k(W_k ⋯ W_1, ..., W_N ⋯ W_{N-k+1}), and A^{N+1} = 0."""
    layers = layers_of(rng, widths)
    depth = len(layers)
    powers = adjacency.powers(adjacency.from_weights(layers), depth + 1)
    assert len(powers) == depth + 2
    for k in range(depth + 1):
        want = placed(k, [chain(layers, j, k) for j in range(depth + 1 - k)], widths)
        np.testing.assert_allclose(powers[k], want, rtol=0, atol=1e-14 * np.abs(want).max())
    assert not powers[-1].any()


def test_powers_of_any_matrix(rng):
    A = rng.standard_normal((3, 3))
    got = adjacency.powers(A, 3)
    for k, want in enumerate([np.eye(3), A, A @ A, A @ A @ A]):
        np.testing.assert_allclose(got[k], want, rtol=1e-13, atol=1e-14)
    assert len(adjacency.powers(A, 0)) == 1


# ------------------------------------------------------------------------- nilpotency index


@every_width
def test_nilpotency_index_is_one_more_than_the_depth(widths, rng):
    assert adjacency.nilpotency_index(adjacency.from_weights(layers_of(rng, widths))) == len(widths)


@pytest.mark.parametrize(
    ("dead", "index"), [((), 5), ((0,), 4), ((3,), 4), ((1,), 3), ((0, 2), 2), ((0, 1, 2, 3), 1)]
)
def test_nilpotency_index_is_one_more_than_the_longest_living_chain(dead, index, rng):
    layers = list(layers_of(rng, (2, 3, 2, 4, 3)))
    for p in dead:
        layers[p][:] = 0
    assert adjacency.nilpotency_index(adjacency.from_weights(layers)) == index


def test_nilpotency_index_falls_where_layers_annihilate():
    layers = [np.array([[1.0], [1.0]]), np.array([[1.0, -1.0]])]
    assert adjacency.nilpotency_index(adjacency.from_weights(layers)) == 2


@pytest.mark.parametrize("A", [np.eye(3), np.array([[0, 1], [1, 0]]), [[0.5]]])
def test_a_matrix_that_is_not_nilpotent_is_refused(A):
    with pytest.raises(ValueError, match="nilpotent"):
        adjacency.nilpotency_index(A)


# -------------------------------------------------------------------------- loss and gradient


@every_width
def test_loss_is_half_the_distance_in_the_corner(widths, rng):
    """(11): ½‖blk_N(Σ) - A^N‖²."""
    layers, target = layers_of(rng, widths), rng.standard_normal((widths[-1], widths[0]))
    A, depth = adjacency.from_weights(layers), len(layers)
    corner = placed(depth, [target], widths)
    want = 0.5 * ((corner - np.linalg.matrix_power(A, depth)) ** 2).sum()
    assert adjacency.loss(A, Quadratic(target), widths) == pytest.approx(want, rel=1e-13)


@every_energy
@every_width
def test_loss_is_the_energy_of_the_end_to_end_matrix(widths, kind, rng):
    layers, energy = layers_of(rng, widths), energies(widths)[kind]
    got = adjacency.loss(adjacency.from_weights(layers), energy, widths)
    assert got == pytest.approx(energy.value(chain(layers, 0, len(layers))), rel=1e-12)


@every_energy
@every_width
def test_gradient_is_the_exact_difference_over_every_free_entry(widths, kind, rng):
    energy = energies(widths)[kind]
    A = adjacency.from_weights(layers_of(rng, widths))
    gradient = adjacency.gradient(A, energy, widths)
    want = np.zeros_like(A)
    for place in np.argwhere(block_pattern(1, widths)):
        step = np.zeros_like(A)
        step[tuple(place)] = 1.0
        there, back = (adjacency.loss(A + sign * step, energy, widths) for sign in (1, -1))
        want[tuple(place)] = (there - back) / 2
    np.testing.assert_allclose(gradient, want, rtol=0, atol=1e-13 * np.abs(want).max())


@every_energy
@every_width
def test_gradient_is_in_block_shift_form_to_the_last_bit(widths, kind, rng):
    A = adjacency.from_weights(layers_of(rng, widths))
    gradient = adjacency.gradient(A, energies(widths)[kind], widths)
    assert not gradient[~block_pattern(1, widths)].any()


@every_energy
@every_width
def test_gradient_is_that_of_the_weights(widths, kind, rng):
    """Two implementations that share nothing: whole matrices here, backpropagation there."""
    layers, energy = layers_of(rng, widths), energies(widths)[kind]
    A = adjacency.from_weights(layers)
    got = adjacency.to_weights(adjacency.gradient(A, energy, widths), widths)
    for G, want in zip(got, weights.gradient(energy, layers), strict=True):
        np.testing.assert_allclose(G, want, rtol=0, atol=1e-13 * np.abs(want).max())


@pytest.mark.parametrize("name", ["h2", "h3", "h5"])
def test_golden_networks(name, golden_flow):
    """Loss, minus the right-hand side of (12), and [A, Aᵀ] by brute force in 40 digits."""
    golden = golden_flow["networks"][name]
    widths = tuple(golden["d"])
    target = np.zeros((widths[-1], widths[0]))
    np.fill_diagonal(target, numbers(golden["sigma"]))
    A, energy = adjacency.from_weights([numbers(W) for W in golden["W"]]), Quadratic(target)
    assert adjacency.loss(A, energy, widths) == pytest.approx(float(golden["loss"]), rel=1e-15)
    rhs = placed(1, [numbers(F) for F in golden["rhs_blocks"]], widths)
    np.testing.assert_allclose(adjacency.gradient(A, energy, widths), -rhs, rtol=0, atol=1e-15)
    Q = placed(0, [numbers(F) for F in golden["Q_blocks"]], widths)
    np.testing.assert_allclose(adjacency.commutator(A), Q, rtol=0, atol=1e-15)
    ends = [np.zeros((d, d)) for d in (widths[0], widths[-1])]
    C = placed(0, [ends[0], *map(numbers, golden["C"]), ends[1]], widths)
    np.testing.assert_allclose(adjacency.conserved(A, widths), C, rtol=0, atol=1e-15)


# ------------------------------------------------------------------------------ conservation


@every_width
def test_commutator_holds_the_imbalances(widths, rng):
    """(18): Q = blk_0(-W_1ᵀW_1, G_1, ..., G_{N-1}, W_N W_Nᵀ), exactly zero elsewhere."""
    layers = layers_of(rng, widths)
    Q = adjacency.commutator(adjacency.from_weights(layers))
    blocks = [-layers[0].T @ layers[0]]
    blocks += [V @ V.T - W.T @ W for V, W in itertools.pairwise(layers)]
    blocks += [layers[-1] @ layers[-1].T]
    np.testing.assert_allclose(Q, placed(0, blocks, widths), rtol=0, atol=1e-14)
    assert not Q[~block_pattern(0, widths)].any()


def test_commutator_of_any_matrix(rng):
    A = rng.standard_normal((4, 4))
    want = np.einsum("ik,jk->ij", A, A) - np.einsum("ki,kj->ij", A, A)
    np.testing.assert_allclose(adjacency.commutator(A), want, rtol=0, atol=1e-14)


@every_width
def test_conserved_is_the_imbalance_of_the_hidden_layers(widths, rng):
    layers = layers_of(rng, widths)
    ends = [np.zeros((d, d)) for d in (widths[0], widths[-1])]
    want = placed(0, [ends[0], *weights.imbalance(layers), ends[1]], widths)
    got = adjacency.conserved(adjacency.from_weights(layers), widths)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-14)


@every_width
def test_hidden_projection(widths):
    inner = [np.eye(d) for d in widths]
    inner[0][:] = inner[-1][:] = 0
    np.testing.assert_array_equal(adjacency.hidden_projection(widths), placed(0, inner, widths))


@every_energy
@every_width
def test_gradient_flow_conserves_the_hidden_blocks(widths, kind, rng):
    """Prop. 6: d/dt of J(AAᵀ - AᵀA) vanishes at Ȧ = -gradient, for every energy."""
    A = adjacency.from_weights(layers_of(rng, widths))
    velocity = -adjacency.gradient(A, energies(widths)[kind], widths)
    velocity /= np.linalg.norm(velocity)
    there, back = (adjacency.conserved(A + sign * velocity, widths) for sign in (1, -1))
    np.testing.assert_allclose((there - back) / 2, 0, rtol=0, atol=1e-14)


def test_other_motions_conserve_nothing(rng):
    widths = (2, 3, 4, 2)
    A, velocity = (adjacency.from_weights(layers_of(rng, widths)) for _ in range(2))
    there, back = (adjacency.conserved(A + sign * velocity, widths) for sign in (1, -1))
    assert np.abs(there - back).max() > 0.1


def test_input_and_output_blocks_are_not_conserved(rng):
    """Q as a whole moves: the projection J is needed."""
    widths = (2, 3, 4, 2)
    A = adjacency.from_weights(layers_of(rng, widths))
    velocity = -adjacency.gradient(A, energies(widths)[0], widths)
    change = adjacency.commutator(A + velocity) - adjacency.commutator(A - velocity)
    assert np.abs(change[:2, :2]).max() > 0.1 and np.abs(change[-2:, -2:]).max() > 0.1


# ------------------------------------------------------- velocities along the gradient flow


def velocity_of(function, A, energy, widths, **keywords):
    """The derivative of a function of A along the flow, by differences of fourth order."""
    V = -adjacency.gradient(A, energy, widths, **keywords)
    step = 1e-3 / max(1.0, np.abs(V).max())
    near, far = (function(A + k * step * V) - function(A - k * step * V) for k in (1, 2))
    return (8 * near - far) / (12 * step)


def commute(F, G):
    return F @ G - G @ F


def sym(F):
    return F + F.T


@every_energy
@every_width
def test_velocity_of_the_commutator(widths, kind, rng):
    """(19) for every energy; Q is quadratic in A, so the difference over one step is exact."""
    energy, A = energies(widths)[kind], adjacency.from_weights(layers_of(rng, widths))
    V = -adjacency.gradient(A, energy, widths)
    want = (adjacency.commutator(A + V) - adjacency.commutator(A - V)) / 2
    got = adjacency.commutator_velocity(A, energy, widths)
    size = max(np.abs(want).max(), np.abs(V).max() ** 2)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-14 * size)
    middle = adjacency.hidden_projection(widths)
    assert not (middle @ got).any()


@every_width
def test_all_forms_of_19_and_its_misprint(widths, rng):
    target = rng.standard_normal((widths[-1], widths[0]))
    A, N = adjacency.from_weights(layers_of(rng, widths)), len(widths) - 1
    E, P = placed(N, [target], widths), adjacency.powers(A, N)
    M = E - P[N]
    got = adjacency.commutator_velocity(A, Quadratic(target), widths)
    proof = -P[N].T @ M + M @ P[N].T + P[N] @ M.T - M.T @ P[N]
    first = sum(
        P[N - j].T @ commute(M, A.T) @ P[j - 1].T + P[j - 1] @ commute(A, M.T) @ P[N - j]
        for j in range(1, N + 1)
    )
    second = sym(commute(M, P[N].T))
    third = sym(commute(P[N], E.T)) - 2 * commute(P[N], P[N].T)
    printed = sym(commute(P[N], E.T)) + 2 * commute(P[N], P[N].T)
    size = np.abs(got).max()
    for want in (proof, first, second, third):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-13 * size)
    assert np.abs(got - printed).max() > 0.1 * size


@pytest.mark.parametrize("decay", [0.0, 0.3])
@every_energy
@every_width
def test_velocity_of_the_norm(widths, kind, decay, rng):
    """(23) for every energy, with weight decay; ‖A‖² is quadratic in A."""
    energy, A = energies(widths)[kind], adjacency.from_weights(layers_of(rng, widths))
    V = -adjacency.gradient(A, energy, widths, weight_decay=decay)
    want = 2 * (A * V).sum()
    got = adjacency.norm_velocity(A, energy, widths, weight_decay=decay)
    assert got == pytest.approx(want, rel=1e-12, abs=1e-12 * np.abs(V).max())


@pytest.mark.parametrize("name", ["h2", "h3", "h5"])
def test_golden_velocities(name, golden_flow):
    golden = golden_flow["networks"][name]
    A, energy, widths = golden_network(golden)
    got = adjacency.loss_velocity(A, energy, widths)
    assert got == pytest.approx(float(golden["dL_dt"]), rel=1e-14)
    got = adjacency.norm_velocity(A, energy, widths)
    assert got == pytest.approx(float(golden["d_normA2_dt"]), rel=1e-13)
    regularised = -adjacency.gradient(A, energy, widths, weight_decay=0.1)
    want = numbers(golden["rhs_L2reg_gamma_0p1_block1"])
    first = adjacency.to_weights(regularised, widths)[0]
    np.testing.assert_allclose(first, want, rtol=0, atol=1e-15)


def golden_network(golden):
    widths = tuple(golden["d"])
    target = np.zeros((widths[-1], widths[0]))
    np.fill_diagonal(target, numbers(golden["sigma"]))
    return adjacency.from_weights([numbers(W) for W in golden["W"]]), Quadratic(target), widths


@pytest.mark.parametrize("decay", [0.0, 0.3])
@every_energy
def test_velocity_of_the_loss(kind, decay, rng):
    widths = (2, 3, 4, 2)
    energy, A = energies(widths)[kind], adjacency.from_weights(layers_of(rng, widths))

    def loss(A):
        return adjacency.loss(A, energy, widths, weight_decay=decay)

    want = velocity_of(loss, A, energy, widths, weight_decay=decay)
    got = adjacency.loss_velocity(A, energy, widths, weight_decay=decay)
    assert got < 0
    assert got == pytest.approx(want, rel=1e-8)


@every_width
def test_loss_falls_by_the_sum_over_layers(widths, rng):
    """(27), (48); each term of (27) lies in block (j, j) of its Gram matrix, blocks from 1."""
    target = rng.standard_normal((widths[-1], widths[0]))
    layers = layers_of(rng, widths)
    A, N = adjacency.from_weights(layers), len(widths) - 1
    P = adjacency.powers(A, N)
    M = placed(N, [target], widths) - P[N]
    R = target - chain(layers, 0, N)
    total = 0.0
    for j in range(1, N + 1):
        term = P[N - j].T @ M @ P[j - 1].T
        F = chain(layers, j, N - j).T @ R @ chain(layers, 0, j - 1).T
        total += (F**2).sum()
        gram = adjacency.blocks(term.T @ term, 0, widths)
        np.testing.assert_allclose(gram[j - 1], F.T @ F, rtol=0, atol=1e-12 * (F**2).sum())
        assert not gram[j].any()  # printed: block (j + 1, j + 1)
    got = adjacency.loss_velocity(A, Quadratic(target), widths)
    assert got == pytest.approx(-total, rel=1e-12)


def test_the_norm_rests_at_points_that_are_not_critical(rng):
    """Prop. 9, the counterexample: constant weights; the printed witness A^{N-1}(E - A^N) is 0."""
    widths, target = (2, 3, 2), np.diag([3.0, 1.0])
    a = (target.sum() / (3 * 2 * 2)) ** 0.5
    A = adjacency.from_weights([np.full((3, 2), a), np.full((2, 3), a)])
    energy = Quadratic(target)
    assert adjacency.norm_velocity(A, energy, widths) == pytest.approx(0, abs=1e-14)
    M = placed(2, [target], widths) - A @ A
    assert not (A @ M).any()
    assert np.abs(A.T @ M).max() > 0.5
    assert np.abs(adjacency.gradient(A, energy, widths)).max() > 0.5


@every_energy
@every_width
def test_gradient_with_weight_decay(widths, kind, rng):
    """(25): quadratic in each entry still, so the difference is exact."""
    energy, gamma = energies(widths)[kind], 0.7
    A = adjacency.from_weights(layers_of(rng, widths))
    got = adjacency.gradient(A, energy, widths, weight_decay=gamma)
    for place in np.argwhere(block_pattern(1, widths))[::3]:
        step = np.zeros_like(A)
        step[tuple(place)] = 1.0
        there, back = (
            adjacency.loss(A + sign * step, energy, widths, weight_decay=gamma) for sign in (1, -1)
        )
        assert got[tuple(place)] == pytest.approx(
            (there - back) / 2, rel=1e-11, abs=1e-12 * np.abs(got).max()
        )
    added = 0.5 * gamma * (A**2).sum()
    want = adjacency.loss(A, energy, widths) + added  # (24)
    assert adjacency.loss(A, energy, widths, weight_decay=gamma) == pytest.approx(want, rel=1e-14)


def test_descent_subtracts_the_gradient(golden_flow):
    """(67) corrected: plus the sum; the printed minus climbs."""
    golden, step = golden_flow["networks"]["h3"], golden_flow["gd_step_h3_eta_0p01"]
    A, energy, widths = golden_network(golden)
    total = np.zeros_like(A)
    target = placed(len(widths) - 1, [energy.target], widths)
    P = adjacency.powers(A, 3)
    for j in (1, 2, 3):
        total += P[3 - j].T @ (target - P[3]) @ P[j - 1].T
    after = A - 0.01 * adjacency.gradient(A, energy, widths)
    np.testing.assert_allclose(after, A + 0.01 * total, rtol=0, atol=1e-15)
    first = adjacency.to_weights(after, widths)[0]
    np.testing.assert_allclose(first, numbers(step["W1_block1"]), rtol=0, atol=1e-15)
    assert adjacency.loss(after, energy, widths) == pytest.approx(
        float(step["loss_after"]), rel=1e-14
    )
    printed = adjacency.loss(A - 0.01 * total, energy, widths)
    assert printed > adjacency.loss(A, energy, widths)


def test_the_loss_at_zero_is_half_the_square_of_the_target():
    """Prop. 4; ψ without its half, as printed, is twice that."""
    target = np.diag([2.0, 1.0])
    assert adjacency.loss(np.zeros((6, 6)), Quadratic(target), (2, 2, 2)) == 0.5 * 5


# ------------------------------------------------------ aligned and decoupled networks in motion


def aligned_layers(rng, widths, decoupled):
    """W_p = Q_p D_p Q_{p-1}ᵀ with orthogonal Q; Q_0 = Q_N = 1 if decoupled."""
    frames = [np.linalg.qr(rng.standard_normal((d, d)))[0] for d in widths]
    if decoupled:
        frames[0], frames[-1] = np.eye(widths[0]), np.eye(widths[-1])
    middles = []
    for a, b in itertools.pairwise(widths):
        D = np.zeros((b, a))
        np.fill_diagonal(D, rng.uniform(0.5, 2.0, min(a, b)))
        middles.append(D)
    layers = [Q @ D @ P.T for D, (P, Q) in zip(middles, itertools.pairwise(frames), strict=True)]
    return layers, middles, frames


def test_velocity_of_aligned_layers_and_the_misprint_of_54(rng):
    """(54) holds for 2 <= i <= N-1; i = 1 has V_1ᵀ on the right too, i = N has U_N on the left."""
    widths = (3, 3, 3, 3)
    layers, D, frames = aligned_layers(rng, widths, decoupled=False)
    target = np.diag([3.0, 2.0, 1.0])
    P = [np.eye(3), *frames[1:-1], np.eye(3)]  # the basis of (53)
    V1, U = frames[0], frames[-1]
    energy = Quadratic(target)
    velocity = weights.gradient(energy, layers)
    moved = [-P[i + 1].T @ G @ P[i] for i, G in enumerate(velocity)]
    for i in range(3):
        behind, before = chain(D, i + 1, 2 - i), chain(D, 0, i)
        printed = behind.T @ (U.T @ target @ V1 - chain(D, 0, 3)) @ before.T
        corrected = printed
        if i == 0:
            corrected = printed @ V1.T
        if i == 2:
            corrected = U @ printed
        np.testing.assert_allclose(moved[i], corrected, rtol=0, atol=1e-13)
        if i != 1:
            assert np.abs(moved[i] - printed).max() > 0.5


def test_the_flow_keeps_decoupled_networks_but_not_aligned_ones(rng):
    """Prop. 31, after a finite time of integration."""
    widths, target = (3, 3, 3, 3), np.diag([3.0, 2.0, 1.0])
    verdicts = {}
    for decoupled in (True, False):
        layers, _, _ = aligned_layers(rng, widths, decoupled)
        assert weights.is_aligned(layers)
        A = adjacency.from_weights(layers)
        run = flows.adjacency_flow(Quadratic(target), A, widths, (0, 0.1), rtol=1e-9)
        end = [W[-1] for W in run.weights]
        verdicts[decoupled] = weights.is_aligned(end, tol=1e-6)
        if decoupled:
            assert weights.is_decoupled(end, tol=1e-6)
    assert verdicts == {True: True, False: False}


# --------------------------------------------------------------------------------- bottlenecks


@pytest.mark.parametrize("widths", [(3, 2, 3), (4, 3, 1, 3), (3, 5, 3), (2, 3), (4, 2, 5, 4)])
def test_least_loss(widths, rng):
    """Attained by truncation (Eckart and Young), and no random network is below it."""
    target = rng.standard_normal((widths[-1], widths[0]))
    U, sigma, Vt = np.linalg.svd(target)
    r = min(widths)
    least = adjacency.least_loss(target, widths)
    assert least == pytest.approx(0.5 * (sigma[r:] ** 2).sum(), rel=1e-13, abs=1e-15)
    frames = [np.eye(d, r) for d in widths]
    frames[0], frames[-1] = Vt[:r].T * sigma[:r], U[:, :r]
    layers = [Q @ P.T for P, Q in itertools.pairwise(frames)]
    A, energy = adjacency.from_weights(layers), Quadratic(target)
    assert adjacency.loss(A, energy, widths) == pytest.approx(least, rel=1e-12, abs=1e-14)
    np.testing.assert_allclose(adjacency.gradient(A, energy, widths), 0, atol=1e-13)
    others = adjacency.from_weights(layers_of(rng, widths, size=(50,)))
    assert (adjacency.loss(others, energy, widths) >= least).all()


def test_golden_bottleneck(golden_flow):
    golden = golden_flow["critical_points"]["bottleneck_global_min_S1"]
    A, energy, widths = golden_network(golden)
    least = adjacency.least_loss(energy.target, widths)
    assert least == float(golden["loss"]) == 0.5
    assert adjacency.loss(A, energy, widths) == pytest.approx(least, rel=1e-14)
    np.testing.assert_allclose(adjacency.gradient(A, energy, widths), 0, atol=1e-15)


def test_least_loss_of_a_stack_of_targets(rng):
    targets = rng.standard_normal((2, 3, 3, 4))
    got = adjacency.least_loss(targets, (4, 2, 3))
    assert got.shape == (2, 3)
    for index in np.ndindex(2, 3):
        assert got[index] == pytest.approx(adjacency.least_loss(targets[index], (4, 2, 3)))


# ------------------------------------------------------------------------------------ stacks


FUNCTIONS = {
    "loss": lambda A, widths: adjacency.loss(A, energies(widths)[0], widths),
    "gradient": lambda A, widths: adjacency.gradient(A, energies(widths)[2], widths),
    "regularised": lambda A, widths: adjacency.gradient(
        A, energies(widths)[1], widths, weight_decay=0.2
    ),
    "loss_velocity": lambda A, widths: adjacency.loss_velocity(A, energies(widths)[0], widths),
    "norm_velocity": lambda A, widths: adjacency.norm_velocity(A, energies(widths)[0], widths),
    "commutator_velocity": lambda A, widths: adjacency.commutator_velocity(
        A, energies(widths)[0], widths
    ),
    "commutator": lambda A, widths: adjacency.commutator(A),
    "conserved": adjacency.conserved,
    "power": lambda A, widths: adjacency.powers(A, 3)[3],
    "identity": lambda A, widths: adjacency.powers(A, 0)[0],
    "to_weights": lambda A, widths: adjacency.to_weights(A, widths)[1],
    "blocks": lambda A, widths: adjacency.blocks(A, 2, widths)[0],
    "blk": lambda A, widths: adjacency.blk(1, adjacency.blocks(A, 1, widths), widths),
    "from_weights": lambda A, widths: adjacency.from_weights(adjacency.to_weights(A, widths)),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_stack_equals_a_loop(function, rng):
    widths = (2, 3, 4, 2)
    single = [placed(1, layers_of(rng, widths), widths) for _ in range(6)]
    stack = np.reshape(single, (2, 3, 11, 11))
    before = stack.copy()
    together = function(stack, widths)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(together[index], function(stack[index], widths), atol=1e-13)
    np.testing.assert_array_equal(stack, before)


def test_blk_broadcasts_its_blocks(rng):
    F = [rng.standard_normal((5, 3, 2)), rng.standard_normal((2, 3))]
    stack = adjacency.blk(1, F, (2, 3, 2))
    for k in range(5):
        np.testing.assert_array_equal(stack[k], placed(1, [F[0][k], F[1]], (2, 3, 2)))


def test_lists_are_taken():
    A = adjacency.from_weights([[[1, 2]], [[3], [4]]])
    assert [W.tolist() for W in adjacency.to_weights(A.tolist(), [2, 1, 2])] == [
        [[1, 2]],
        [[3], [4]],
    ]


# ---------------------------------------------------------------------------------- bad input


ON_A = {
    "to_weights": adjacency.to_weights,
    "blocks": lambda A, widths: adjacency.blocks(A, 1, widths),
    "loss": lambda A, widths: adjacency.loss(A, Quadratic(np.eye(2)), widths),
    "gradient": lambda A, widths: adjacency.gradient(A, Quadratic(np.eye(2)), widths),
    "conserved": adjacency.conserved,
    "loss_velocity": lambda A, widths: adjacency.loss_velocity(A, Quadratic(np.eye(2)), widths),
    "norm_velocity": lambda A, widths: adjacency.norm_velocity(A, Quadratic(np.eye(2)), widths),
    "commutator_velocity": lambda A, widths: adjacency.commutator_velocity(
        A, Quadratic(np.eye(2)), widths
    ),
}


@pytest.mark.parametrize("function", ON_A.values(), ids=ON_A)
@pytest.mark.parametrize(
    ("A", "widths", "error", "match"),
    [
        (np.zeros((6, 6)), (2, 3, 2), ValueError, r"A must have shape \(..., 7, 7\)"),
        (np.zeros((7, 6)), (2, 3, 2), ValueError, r"A must have shape \(..., 7, 7\)"),
        (np.zeros(7), (2, 3, 2), ValueError, "A must be a matrix"),
        (np.full((7, 7), np.nan), (2, 3, 2), ValueError, "A must be finite"),
        (np.zeros((7, 7), dtype=complex), (2, 3, 2), TypeError, "real"),
        (np.zeros((7, 7)), (7,), ValueError, "widths must name at least"),
        (np.zeros((7, 7)), (2, 0, 5), ValueError, "widths"),
        (np.zeros((7, 7)), (2, 3.0, 2), TypeError, "widths"),
        (np.zeros((7, 7)), 7, TypeError, "widths must be a sequence"),
    ],
)
def test_bad_states_are_refused(A, widths, error, match, function):
    with pytest.raises(error, match=match):
        function(A, widths)


@pytest.mark.parametrize("k", [-1, 3])
def test_diagonals_out_of_range_are_refused(k):
    with pytest.raises(ValueError, match="k must"):
        adjacency.blk(k, [np.eye(2)], (2, 2, 2))


def test_a_fractional_diagonal_is_refused():
    with pytest.raises(TypeError, match="k must be an integer"):
        adjacency.blk(0.5, [np.eye(2)], (2, 2, 2))


@pytest.mark.parametrize(
    ("blocks", "match"),
    [
        ([np.eye(2)], "takes 2 blocks, not 1"),
        ([np.eye(2)] * 3, "takes 2 blocks, not 3"),
        ([np.eye(2), np.ones((2, 3))], r"blocks\[1\] must have shape"),
        ([np.eye(2), [[1, np.nan], [0, 1]]], r"blocks\[1\] must be finite"),
    ],
)
def test_bad_blocks_are_refused(blocks, match):
    with pytest.raises(ValueError, match=match):
        adjacency.blk(1, blocks, (2, 2, 2))


def test_weights_that_do_not_chain_are_refused():
    with pytest.raises(ValueError, match="weights must chain"):
        adjacency.from_weights([np.ones((3, 2)), np.ones((2, 2))])


def test_an_energy_of_another_shape_is_refused():
    for function in (adjacency.loss, adjacency.gradient):
        with pytest.raises(ValueError, match="shape"):
            function(np.zeros((7, 7)), Quadratic(np.ones((3, 2))), (2, 3, 2))


@pytest.mark.parametrize("highest", [-1, 1.5])
def test_bad_powers_are_refused(highest):
    with pytest.raises((ValueError, TypeError), match="highest must be an integer >= 0"):
        adjacency.powers(np.eye(2), highest)


def test_commutator_needs_a_square_matrix():
    with pytest.raises(ValueError, match="A must be square"):
        adjacency.commutator(np.ones((2, 3)))


def test_nilpotency_does_not_underflow():
    with pytest.raises(ValueError, match="must be nilpotent"):
        adjacency.nilpotency_index(1e-200 * np.eye(3))
    small = 1e-200 * np.ones((2, 2))
    A = adjacency.from_weights((np.ones((2, 3)), small, small))
    assert adjacency.nilpotency_index(A) == 4


@pytest.mark.parametrize("k", [-1, 4, 7])
def test_blocks_lie_on_diagonals_that_exist(k):
    A = adjacency.from_weights((np.ones((2, 3)), np.ones((2, 2)), np.ones((2, 2))))
    with pytest.raises(ValueError, match="k must"):
        adjacency.blocks(A, k, (3, 2, 2, 2))


@pytest.mark.parametrize("call", [adjacency.nilpotency_index, lambda A: adjacency.powers(A, 2)])
def test_powers_need_a_square_matrix(call):
    with pytest.raises(ValueError, match="A must be square"):
        call(np.ones((2, 3)))


@pytest.mark.parametrize(
    "function",
    [adjacency.loss, adjacency.gradient, adjacency.norm_velocity, adjacency.loss_velocity],
)
@pytest.mark.parametrize("decay", [-0.1, np.nan, np.inf])
def test_bad_weight_decay_is_refused(function, decay):
    with pytest.raises(ValueError, match="weight_decay must be finite and >= 0"):
        function(np.zeros((7, 7)), Quadratic(np.eye(2)), (2, 3, 2), weight_decay=decay)


def test_a_target_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="target must have shape"):
        adjacency.least_loss(np.eye(3), (2, 3, 2))


TARGET = Quadratic(np.eye(2))
ON_NETWORKS = {
    "to_weights": adjacency.to_weights,
    "loss": lambda A, widths: adjacency.loss(A, TARGET, widths),
    "gradient": lambda A, widths: adjacency.gradient(A, TARGET, widths),
    "conserved": adjacency.conserved,
    "commutator_velocity": lambda A, widths: adjacency.commutator_velocity(A, TARGET, widths),
    "norm_velocity": lambda A, widths: adjacency.norm_velocity(A, TARGET, widths),
    "loss_velocity": lambda A, widths: adjacency.loss_velocity(A, TARGET, widths),
    "block_svd": adjacency.block_svd,
    "standard_svd": adjacency.standard_svd,
    "misalignment": adjacency.misalignment,
    "norm_constants": adjacency.norm_constants,
    "norm_bound": lambda A, widths: adjacency.norm_bound(A, np.eye(2), widths),
    "change_basis": lambda A, widths: adjacency.change_basis(A, [np.eye(3)], widths),
    "are_equivalent": lambda A, widths: adjacency.are_equivalent(0 * A, A, widths),
    "is_annihilated": lambda A, widths: adjacency.is_annihilated(0 * A, A, widths),
    "adjacency_flow": lambda A, widths: flows.adjacency_flow(TARGET, A, widths, (0.0, 0.1)),
}


@pytest.mark.parametrize("function", ON_NETWORKS.values(), ids=ON_NETWORKS)
def test_a_matrix_that_is_no_network_is_refused(function, rng):
    """A stray entry would enter A^N: another network's loss, without a word."""
    widths = (2, 3, 2)
    A = adjacency.from_weights(layers_of(rng, widths))
    function(A, widths)
    for index in [(0, 0), (6, 0), (0, 3), (3, 3), (6, 6)]:
        stray = A.copy()
        stray[index] = 1e-9
        with pytest.raises(ValueError, match="must be in block-shift form"):
            function(stray, widths)
        with pytest.raises(ValueError, match="must be in block-shift form"):
            function(np.stack((A, stray)), widths)
