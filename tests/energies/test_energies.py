"""The energies against explicit sums.

A least-squares energy is quadratic, so its central differences are exact for any step and serve as
derivatives without truncation error.
"""

from functools import partial

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo.energies import (
    Energy,
    LinearRegression,
    Logistic,
    MatrixCompletion,
    MatrixSensing,
    Quadratic,
)

M, N = 3, 4
same = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12, strict=True)
DATA = np.random.default_rng(1)
TARGET = DATA.standard_normal((M, N))
X_MANY, Y_MANY = DATA.standard_normal((N, 9)), DATA.standard_normal((M, 9))
X_FEW, Y_FEW = DATA.standard_normal((N, 2)), DATA.standard_normal((M, 2))
X_DEFICIENT = DATA.standard_normal((N, 2)) @ DATA.standard_normal((2, 9))
MASK = DATA.random((M, N)) < 0.5
B, Y_B = DATA.standard_normal((5, M, N)), DATA.standard_normal(5)
LABELS = np.sign(DATA.standard_normal((M, 9)))

ENERGIES = {
    "quadratic": Quadratic(TARGET),
    "regression": LinearRegression(X_MANY, Y_MANY),
    "regression, few samples": LinearRegression(X_FEW, Y_FEW),
    "regression, rank-deficient": LinearRegression(X_DEFICIENT, Y_MANY),
    "completion": MatrixCompletion(TARGET, MASK),
    "sensing": MatrixSensing(B, Y_B),
    "logistic": Logistic(X_MANY, LABELS),
}
each_energy = pytest.mark.parametrize("energy", ENERGIES.values(), ids=ENERGIES)


def distance(W):
    return 0.5 * sum((W[i, j] - TARGET[i, j]) ** 2 for i in range(M) for j in range(N))


def misfit(X, Y, W):
    """½ Σ over samples s and outputs i of (y_is - Σ_j W_ij x_js)²."""
    return 0.5 * sum(
        (Y[i, s] - sum(W[i, j] * X[j, s] for j in range(N))) ** 2
        for i in range(M)
        for s in range(X.shape[1])
    )


def disagreement(W):
    return 0.5 * sum(
        (W[i, j] - TARGET[i, j]) ** 2 for i in range(M) for j in range(N) if MASK[i, j]
    )


def mismeasurement(W):
    return 0.5 * sum(
        (sum(B[k, i, j] * W[i, j] for i in range(M) for j in range(N)) - Y_B[k]) ** 2
        for k in range(len(Y_B))
    )


DEFINITIONS = {
    "quadratic": distance,
    "regression": partial(misfit, X_MANY, Y_MANY),
    "regression, few samples": partial(misfit, X_FEW, Y_FEW),
    "regression, rank-deficient": partial(misfit, X_DEFICIENT, Y_MANY),
    "completion": disagreement,
    "sensing": mismeasurement,
}
each_definition = pytest.mark.parametrize(
    ("energy", "definition"),
    [(ENERGIES[k], DEFINITIONS[k]) for k in DEFINITIONS],
    ids=DEFINITIONS,
)


def units():
    """The matrices with a single 1, as a stack (M, N, M, N)."""
    return np.eye(M * N).reshape(M, N, M, N)


@each_definition
def test_value_is_the_definition(energy, definition, rng):
    W = rng.standard_normal((M, N))
    same(energy.value(W), definition(W))


@each_definition
def test_gradient_is_the_central_difference(energy, definition, rng):
    W = rng.standard_normal((M, N))
    want = [
        [(definition(W + e) - definition(W - e)) / 2 for e in row]  # exact for any step
        for row in units()
    ]
    same(energy.gradient(W), want)


@each_definition
def test_hessian_is_the_second_difference(energy, definition, rng):
    W, Z = rng.standard_normal((2, M, N))
    want = [
        [
            (definition(W + Z + e) - definition(W + e) - definition(W + Z) + definition(W))
            for e in row
        ]
        for row in units()
    ]
    same(energy.hessian(W, Z), want)


@each_energy
def test_a_stack_equals_a_loop(energy, rng):
    W, Z = rng.standard_normal((2, 2, 3, M, N))
    indices = list(np.ndindex(2, 3))
    value, gradient, hessian = energy.value(W), energy.gradient(W), energy.hessian(W, Z)
    assert value.shape == (2, 3) and gradient.shape == hessian.shape == W.shape
    for k in indices:
        same(value[k], energy.value(W[k]))
        same(gradient[k], energy.gradient(W[k]))
        same(hessian[k], energy.hessian(W[k], Z[k]))


@each_energy
def test_hessian_broadcasts_point_and_direction(energy, rng):
    W, Z = rng.standard_normal((2, 5, M, N))
    one_point, one_direction = energy.hessian(W[0], Z), energy.hessian(W, Z[0])
    for k in range(5):
        same(one_point[k], energy.hessian(W[0], Z[k]))
        same(one_direction[k], energy.hessian(W[k], Z[0]))


@each_energy
def test_an_energy_keeps_the_protocol(energy):
    assert isinstance(energy, Energy)
    assert energy.shape == (M, N)


def test_anything_with_the_three_methods_is_an_energy():
    class Quartic:
        def value(self, W):
            return (W**4).sum(axis=(-2, -1)) / 4

        def gradient(self, W):
            return W**3

        def hessian(self, W, Z):
            return 3 * W**2 * Z

    assert isinstance(Quartic(), Energy)
    assert not isinstance(TARGET, Energy)


@each_energy
@pytest.mark.parametrize(
    ("W", "error", "match"),
    [
        (np.full((M, N), np.nan), ValueError, "W must be finite"),
        (np.full((M, N), np.inf), ValueError, "W must be finite"),
        (np.zeros((M, N), dtype=complex), TypeError, "real numbers"),
        (np.zeros((N, M)), ValueError, r"W must have shape \(\.\.\., 3, 4\)"),
        (np.zeros(N), ValueError, "W must be a matrix"),
    ],
    ids=["nan", "inf", "complex", "transposed", "vector"],
)
def test_a_bad_point_is_refused(energy, W, error, match):
    for call in (energy.value, energy.gradient, lambda W: energy.hessian(W, TARGET)):
        with pytest.raises(error, match=match):
            call(W)
    with pytest.raises(error, match=match.replace("W must", "Z must")):
        energy.hessian(TARGET, W)


# --------------------------------------------------------------------------------- quadratic


@pytest.mark.parametrize(
    ("target", "error", "match"),
    [
        ([[1.0, np.nan]], ValueError, "target must be finite"),
        ([[1j]], TypeError, "target must be an array of real"),
        ([["a"]], TypeError, "target must be an array of real"),
        ([1.0, 2.0], ValueError, "target must be a matrix"),
        (np.zeros((2, 3, 3)), ValueError, "one matrix, not a stack"),
        (np.zeros((0, 3)), ValueError, "m, n >= 1"),
    ],
)
def test_a_bad_target_is_refused(target, error, match):
    with pytest.raises(error, match=match):
        Quadratic(target)


# -------------------------------------------------------------------------------- regression


def test_regression_at_a_perfect_fit_is_zero(rng):
    W = rng.standard_normal((M, N))
    energy = LinearRegression(X_MANY, W @ X_MANY)
    assert abs(energy.value(W)) < 1e-26
    same(energy.gradient(W), np.zeros((M, N)))


@pytest.mark.parametrize(
    ("X", "Y", "error", "match"),
    [
        (X_MANY, Y_FEW, ValueError, "as many columns"),
        (X_MANY, Y_MANY[0], ValueError, "Y must be a matrix"),
        (X_MANY[None], Y_MANY, ValueError, "X must be one matrix"),
        (X_MANY * np.nan, Y_MANY, ValueError, "X must be finite"),
        (X_MANY, Y_MANY * 1j, TypeError, "Y must be an array of real"),
    ],
)
def test_bad_data_are_refused(X, Y, error, match):
    with pytest.raises(error, match=match):
        LinearRegression(X, Y)


def layers(widths, rng):
    return tuple(rng.standard_normal((d, e)) for d, e in zip(widths[1:], widths[:-1], strict=True))


def end_to_end(weights):
    W = weights[0]
    for layer in weights[1:]:
        W = layer @ W
    return W


WIDTHS = [(N, M), (N, 2, M), (N, 5, 3, M)]


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("m", [M, N, N + 2])
def test_whitening_keeps_the_energy_up_to_a_constant(widths, m, rng):
    X, Y = rng.standard_normal((N, 9)), rng.standard_normal((m, 9))
    energy, maps, constant = LinearRegression(X, Y).whiten()
    before = layers((*widths[:-1], m), rng)
    loss = 0.5 * np.sum((Y - end_to_end(before) @ X) ** 2)
    distance = 0.5 * np.sum((energy.target - end_to_end(maps.whiten(before))) ** 2)
    same(distance + constant, loss)


def test_the_constant_is_what_no_weights_can_explain():
    null = np.linalg.svd(X_MANY)[2][N:]  # V_2ᵀ
    same(LinearRegression(X_MANY, Y_MANY).whiten().constant, 0.5 * np.sum((Y_MANY @ null.T) ** 2))


@pytest.mark.parametrize("m", [M, N, N + 2])
def test_the_whitened_target_is_a_singular_value_matrix(m, rng):
    X, Y = rng.standard_normal((N, 9)), rng.standard_normal((m, 9))
    target = LinearRegression(X, Y).whiten().energy.target
    sigma = np.diagonal(target)
    assert target.shape == (m, N)
    assert np.count_nonzero(target) == len(sigma)
    assert (np.diff(sigma) <= 0).all() and (sigma >= 0).all()
    V_1 = np.linalg.svd(X, full_matrices=False)[2]
    same(sigma.copy(), np.linalg.svd(Y @ V_1.T, compute_uv=False))


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_unwhiten_undoes_whiten(widths, rng):
    maps = LinearRegression(X_MANY, Y_MANY).whiten().maps
    weights = layers(widths, rng)
    for W, there_and_back in zip(weights, maps.unwhiten(maps.whiten(weights)), strict=True):
        same(there_and_back, W)
    for W, back_and_there in zip(weights, maps.whiten(maps.unwhiten(weights)), strict=True):
        same(back_and_there, W)


def test_whitening_changes_the_ends_alone_and_takes_stacks(rng):
    maps = LinearRegression(X_MANY, Y_MANY).whiten().maps
    stack = tuple(rng.standard_normal((2, *W.shape)) for W in layers((N, 5, 2, M), rng))
    whitened = maps.whiten(stack)
    np.testing.assert_array_equal(whitened[1], stack[1])
    for k in range(2):
        for whole, single in zip(whitened, maps.whiten([W[k] for W in stack]), strict=True):
            same(whole[k], single)


def test_misprint_loss_4_is_twice_loss_5(rng):
    """A.2 says that (4) is (5) plus ‖Y V_2‖²; differences of the two differ by the factor 2."""
    energy, maps, _ = LinearRegression(X_MANY, Y_MANY).whiten()
    here, there = layers((N, 5, M), rng), layers((N, 5, M), rng)
    printed_4 = [np.sum((Y_MANY - end_to_end(w) @ X_MANY) ** 2) for w in (here, there)]
    printed_5 = [energy.value(end_to_end(maps.whiten(w))) for w in (here, there)]
    change_4, change_5 = printed_4[1] - printed_4[0], printed_5[1] - printed_5[0]
    same(change_4, 2 * change_5)
    assert abs(change_4 - change_5) > 0.1 * abs(change_4)


def nearly_deficient():
    U, _, Vt = np.linalg.svd(X_MANY, full_matrices=False)
    return (U * [1, 1, 1, 1e-17]) @ Vt


@pytest.mark.parametrize(
    ("X", "Y"),
    [
        (X_DEFICIENT, Y_MANY),
        (X_FEW, Y_FEW),
        (0 * X_MANY, Y_MANY),
        (nearly_deficient(), Y_MANY),
    ],
    ids=["rank 2", "fewer samples than inputs", "zero", "rank 3 to rounding"],
)
def test_whitening_needs_full_row_rank(X, Y):
    with pytest.raises(ValueError, match="full row rank 4"):
        LinearRegression(X, Y).whiten()


@pytest.mark.parametrize("widths", [(N + 1, M), (N, 2, M + 1)], ids=str)
def test_whitening_refuses_weights_of_other_widths(widths, rng):
    maps = LinearRegression(X_MANY, Y_MANY).whiten().maps
    for change in (maps.whiten, maps.unwhiten):
        with pytest.raises(ValueError, match="must lead from 4 to 3"):
            change(layers(widths, rng))


# -------------------------------------------------------------------------------- completion


def test_completion_does_not_read_outside_the_mask(rng):
    W = rng.standard_normal((M, N))
    energy = MatrixCompletion(np.where(MASK, TARGET, np.nan), MASK)
    same(energy.value(W), disagreement(W))
    np.testing.assert_array_equal(energy.gradient(W), np.where(MASK, W - TARGET, 0))


def test_completion_takes_a_mask_of_zeros_and_ones(rng):
    W = rng.standard_normal((M, N))
    same(MatrixCompletion(TARGET, MASK.astype(int)).value(W), disagreement(W))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_three_ways_to_say_what_is_observed(seed):
    rng = np.random.default_rng(seed)
    table, W = rng.standard_normal((2, 4, 3))
    i, j = np.divmod(rng.permutation(12)[: rng.integers(1, 13)], 3)
    mask = np.zeros((4, 3), dtype=bool)
    mask[i, j] = True
    want = 0.5 * sum((W[a, b] - table[a, b]) ** 2 for a, b in zip(i, j, strict=True))
    same(MatrixCompletion(table, mask).value(W), want)
    same(MatrixCompletion.from_nan(np.where(mask, table, np.nan)).value(W), want)
    same(MatrixCompletion.from_triplets(i, j, table[i, j], (4, 3)).value(W), want)


@pytest.mark.parametrize(
    ("observed", "mask", "error", "match"),
    [
        (TARGET, np.zeros((M, N), dtype=bool), ValueError, "at least one observed"),
        (TARGET, MASK.T, ValueError, "of one shape"),
        (TARGET[0], MASK[0], ValueError, "must be matrices"),
        (TARGET[None], MASK[None], ValueError, "must be matrices"),
        (TARGET, MASK + 0.5, TypeError, "booleans"),
        (TARGET, np.where(MASK, np.nan, 1), TypeError, "booleans"),
        (np.where(MASK, np.nan, 0), MASK, ValueError, "finite wherever mask"),
        (np.where(MASK, np.inf, 0), MASK, ValueError, "finite wherever mask"),
        (TARGET * 1j, MASK, TypeError, "observed must be an array of real"),
    ],
)
def test_bad_observations_are_refused(observed, mask, error, match):
    with pytest.raises(error, match=match):
        MatrixCompletion(observed, mask)


@pytest.mark.parametrize(
    ("i", "j", "values", "shape", "error", "match"),
    [
        ([0, 1, 0], [1, 0, 1], [1, 2, 1], (2, 2), ValueError, "observed once"),
        ([2], [0], [1], (2, 2), ValueError, r"i must lie in 0\.\.1"),
        ([0], [2], [1], (2, 2), ValueError, r"j must lie in 0\.\.1"),
        ([-1], [0], [1], (2, 2), ValueError, r"i must lie in 0\.\.1"),
        ([0.5], [0], [1], (2, 2), TypeError, "i must hold integers"),
        ([0], [True], [1], (2, 2), TypeError, "j must hold integers"),
        ([0, 1], [0], [1], (2, 2), ValueError, "of one length"),
        ([[0]], [[0]], [[1]], (2, 2), ValueError, "must be vectors"),
        ([0], [0], [np.nan], (2, 2), ValueError, "values must be finite"),
        ([0], [0], [1j], (2, 2), TypeError, "values must be an array of real"),
        ([], [], [], (2, 2), ValueError, "at least one observed"),
        ([0], [0], [1], (2, 0), ValueError, "shape must be an integer >= 1"),
        ([0], [0], [1], (2, 1.5), TypeError, "shape must be an integer >= 1"),
    ],
)
def test_bad_triplets_are_refused(i, j, values, shape, error, match):
    with pytest.raises(error, match=match):
        MatrixCompletion.from_triplets(i, j, values, shape)


@pytest.mark.parametrize(
    ("table", "error", "match"),
    [
        ([[np.nan, np.nan]], ValueError, "at least one observed"),
        ([[np.inf, 1.0]], ValueError, "table must be finite or NaN"),
        ([1.0, np.nan], ValueError, "table must be one matrix"),
        ([[1j]], TypeError, "table must be an array of real"),
    ],
)
def test_bad_tables_are_refused(table, error, match):
    with pytest.raises(error, match=match):
        MatrixCompletion.from_nan(table)


# ----------------------------------------------------------------------------------- sensing


def test_sensing_single_entries_is_completion(rng):
    W, Z = rng.standard_normal((2, M, N))
    sensing = MatrixSensing(units()[MASK], TARGET[MASK])
    completion = MatrixCompletion(TARGET, MASK)
    same(sensing.value(W), completion.value(W))
    same(sensing.gradient(W), completion.gradient(W))
    same(sensing.hessian(W, Z), completion.hessian(W, Z))


@pytest.mark.parametrize(
    ("measurements", "values", "error", "match"),
    [
        (B[0], Y_B, ValueError, r"shape \(count, m, n\)"),
        (B, Y_B[:4], ValueError, r"values \(count,\)"),
        (B, Y_B[:, None], ValueError, r"values \(count,\)"),
        (B[:0], Y_B[:0], ValueError, "count >= 1"),
        (B * np.nan, Y_B, ValueError, "measurements must be finite"),
        (B, Y_B * np.nan, ValueError, "values must be finite"),
        (B * 1j, Y_B, TypeError, "measurements must be an array of real"),
    ],
)
def test_bad_measurements_are_refused(measurements, values, error, match):
    with pytest.raises(error, match=match):
        MatrixSensing(measurements, values)


# ---------------------------------------------------------------------------------- logistic


def unlikelihood(W, X=X_MANY, Y=LABELS):
    """Σ log(1 + exp(-Y_is (W X)_is)) of an mpmath matrix, to its working precision."""
    margins = W * mpmath.matrix(X.tolist())
    return mpmath.fsum(
        mpmath.log1p(mpmath.exp(-Y[i, s] * margins[i, s])) for i, s in np.ndindex(Y.shape)
    )


def moved(W, *moves):
    """W plus multiples of matrices, in the working precision of mpmath."""
    result = mpmath.matrix(W.tolist())
    for step, Z in moves:
        result += step * mpmath.matrix(Z.tolist())
    return result


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_logistic_against_differences_in_60_digits(scale, rng):
    energy = ENERGIES["logistic"]
    W, Z = scale * rng.standard_normal((M, N)), rng.standard_normal((M, N))
    with mpmath.workdps(60):
        h, f = mpmath.mpf(10) ** -15, unlikelihood
        np.testing.assert_allclose(energy.value(W), float(f(moved(W))), rtol=1e-14)
        gradient, hessian = np.empty((2, M, N))
        for index in np.ndindex(M, N):
            e = np.zeros((M, N))
            e[index] = 1
            pp, pm = f(moved(W, (h, e), (h, Z))), f(moved(W, (h, e), (-h, Z)))
            mp, mm = f(moved(W, (-h, e), (h, Z))), f(moved(W, (-h, e), (-h, Z)))
            gradient[index] = (f(moved(W, (h, e))) - f(moved(W, (-h, e)))) / (2 * h)
            hessian[index] = (pp - pm - mp + mm) / (4 * h**2)
    same(energy.gradient(W), gradient)
    same(energy.hessian(W, Z), hessian)


def test_logistic_far_out_is_linear_on_one_side_and_zero_on_the_other():
    energy = Logistic([[1.0]], [[1.0]])
    W = np.array([-1e300, -800.0, 800.0, 1e300])[:, None, None]
    np.testing.assert_array_equal(energy.value(W), [1e300, 800.0, 0.0, 0.0])
    np.testing.assert_array_equal(energy.gradient(W).ravel(), [-1.0, -1.0, 0.0, 0.0])
    np.testing.assert_array_equal(energy.hessian(W, [[1.0]]).ravel(), np.zeros(4))
    # exp(-700) is far below rounding, and still a number
    np.testing.assert_allclose(energy.value([[700.0]]), np.exp(-700.0), rtol=1e-13)


@pytest.mark.parametrize(
    ("X", "Y", "error", "match"),
    [
        (X_MANY, np.zeros((M, 9)), ValueError, "labels 1 and -1 alone; it has 0"),
        (X_MANY, 2 * LABELS, ValueError, "labels 1 and -1 alone"),
        (X_MANY, LABELS[:, :4], ValueError, "as many columns"),
        (X_MANY, LABELS[0], ValueError, "Y must be a matrix"),
        (X_MANY[None], LABELS, ValueError, "X must be one matrix"),
        (X_MANY * np.nan, LABELS, ValueError, "X must be finite"),
        (X_MANY, LABELS * 1j, TypeError, "Y must be an array of real"),
    ],
)
def test_bad_labels_are_refused(X, Y, error, match):
    with pytest.raises(error, match=match):
        Logistic(X, Y)


def test_energies_do_not_share_the_callers_arrays():
    target, mask = np.ones((2, 2)), np.ones((2, 2), dtype=bool)
    quadratic = Quadratic(target)
    completion = MatrixCompletion(target, mask)
    target[:], mask[0, 0] = 7.0, False
    assert quadratic.value(np.ones((2, 2))) == 0
    assert completion.mask.all()
    assert completion.value(np.ones((2, 2))) == 0


def test_the_logistic_bound_on_the_hessian_is_attained_at_zero_alone(rng):
    X, Y = rng.standard_normal((3, 8)), np.sign(rng.standard_normal((2, 8)))
    energy = Logistic(X, Y)
    units = np.eye(6).reshape(6, 2, 3)
    norms = [
        np.linalg.norm(energy.hessian(W, units).reshape(6, 6), 2)
        for W in (np.zeros((2, 3)), *rng.standard_normal((20, 2, 3)))
    ]
    assert norms[0] == pytest.approx(energy.hessian_bound, rel=1e-13)
    assert max(norms[1:]) < energy.hessian_bound
