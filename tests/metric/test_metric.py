"""The metric operator against its definition, the sum (4.14), in 80-digit arithmetic.

The oracle takes fractional powers of WWᵀ and WᵀW, diagonalised separately, and sums; the library
decomposes W once and multiplies by numbers. Where W has a stated rank the oracle keeps as many
eigenvalues and calls the rest zero.
"""

import math
import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_sylvester

from dlngeo import metric, weights
from dlngeo.energies import LinearRegression, MatrixCompletion, Quadratic

INF = math.inf
SHAPES = [(3, 3), (4, 2), (2, 4), (1, 3), (3, 1), (1, 1)]
# Integers of rank exactly 2.
RANK_TWO = [
    np.array([[1, 2, 3], [2, 0, 1], [3, 2, 4]]),
    np.array([[1, 0], [0, 2], [3, 1], [1, 2]]) @ np.array([[1, 2, -1], [0, 1, 1]]),
    np.array([[2, 1, -1], [0, 1, 1]]).T @ np.array([[1, 0, 3, 1], [0, 2, 1, 2]]),
]
GRADES = [(8, 0), (-8, 0), (0, 8), (0, -8), (8, 8), (8, -8), (-8, 8), (16, 0), (-16, 16)]
FUNCTIONS = [metric.apply, metric.sqrt, metric.solve]
FrozenSpaceWarning = metric.FrozenSpaceWarning
frozen = pytest.mark.filterwarnings("ignore::dlngeo.metric.FrozenSpaceWarning")


# ------------------------------------------------------------------------------------ oracles


def powers(W, exponents, rank):
    """(WWᵀ)^p for each p, as mpmath matrices, with (·)^0 = I; only ``rank`` eigenvalues count."""
    values, Q = mpmath.eigsy(W * W.T)
    rows = W.rows

    def power(p):
        if p == 0:
            return mpmath.eye(rows)
        diagonal = [values[k] ** p if k >= rows - rank else 0 for k in range(rows)]
        return Q * mpmath.diag(diagonal) * Q.T

    return [power(p) for p in exponents]


def terms(W, depth, rank=None):
    """The pairs of factors in (4.14), left and right of Z."""
    W = mpmath.matrix(np.asarray(W, dtype=float).tolist())
    rank = min(W.rows, W.cols) if rank is None else rank
    exponents = [mpmath.mpf(k) / depth for k in range(depth)]
    return list(zip(powers(W, exponents[::-1], rank), powers(W.T, exponents, rank), strict=True))


def definition(W, Z, depth, rank=None):
    """𝒜_{N,W}(Z) by (4.14)."""
    with mpmath.workdps(80):
        Z = mpmath.matrix(np.asarray(Z, dtype=float).tolist())
        total = mpmath.zeros(Z.rows, Z.cols)
        for L, R in terms(W, depth, rank):
            total += L * Z * R
        return np.array(total.tolist(), dtype=float)


def definition_solved(W, Z, depth):
    """𝒜⁻¹(Z) from the Kronecker matrix of (4.14), by LU."""
    m, n = np.shape(W)
    with mpmath.workdps(120):
        kron = mpmath.zeros(m * n, m * n)
        for L, R in terms(W, depth):
            for i, j, k, l in np.ndindex(m, n, m, n):  # noqa: E741
                kron[i * n + j, k * n + l] += L[i, k] * R[j, l]
        solution = mpmath.lu_solve(kron, mpmath.matrix(np.ravel(Z).tolist()))
        return np.array(solution.tolist(), dtype=float).reshape(m, n)


def integral(W, Z, rank=None):
    """∫_0^1 (WWᵀ)^{1-t} Z (WᵀW)^t dt, (14.7), by Gauss-Legendre quadrature with 40 points."""
    U, sigma, Vt = np.linalg.svd(np.asarray(W, dtype=float), full_matrices=False)
    rank = sigma.size if rank is None else rank
    U, sigma, Vt = U[:, :rank], sigma[:rank], Vt[:rank]
    nodes, factors = np.polynomial.legendre.leggauss(40)
    total = np.zeros(np.shape(Z))
    for t, factor in zip((nodes + 1) / 2, factors / 2, strict=True):
        left, right = (U * sigma ** (2 - 2 * t)) @ U.T, (Vt.T * sigma ** (2 * t)) @ Vt
        total += factor * left @ Z @ right
    return total


def error(got, want):
    """The largest error relative to the largest entry."""
    assert np.shape(got) == np.shape(want)
    return np.abs(np.subtract(got, want)).max() / np.abs(want).max()


def with_singular_values(rng, shape, sigma):
    m, n = shape
    U, V = (np.linalg.qr(rng.standard_normal((d, len(sigma))))[0] for d in (m, n))
    return (U * np.asarray(sigma)) @ V.T


def generic(rng, shape):
    """A matrix of condition at most 4, and a tangent vector."""
    sigma = rng.uniform(0.5, 2, size=min(shape))
    return with_singular_values(rng, shape, sigma), rng.standard_normal(shape)


def matrix_of(function, shape):
    """The matrix of a linear map on m × n matrices, column by column."""
    m, n = shape
    units = np.eye(m * n).reshape(m * n, m, n)
    return np.stack([function(unit).ravel() for unit in units], axis=-1)


def tangent_projection(W, Z, rank):
    """Z without its part outside the first ``rank`` singular directions on both sides."""
    U, _, Vt = np.linalg.svd(np.asarray(W, dtype=float))
    return Z - U[:, rank:] @ U[:, rank:].T @ Z @ Vt[rank:].T @ Vt[rank:]


# ----------------------------------------------------------------------------- the definition


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 8, 9, 20])
@pytest.mark.parametrize("shape", SHAPES)
def test_apply_is_the_sum_4_14(shape, depth, rng):
    W, Z = generic(rng, shape)
    assert error(metric.apply(W, Z, depth), definition(W, Z, depth)) < 1e-14


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("W", RANK_TWO)
def test_zeroth_power_is_the_identity_at_rank_deficiency(W, depth, rng):
    Z = rng.standard_normal(W.shape)
    assert error(metric.apply(W, Z, depth, rank=2), definition(W, Z, depth, rank=2)) < 1e-14


def test_a_projection_for_the_zeroth_power_is_something_else(rng):
    """The reading of (·)^0 that is not meant differs, so the test above can tell."""
    W, Z = RANK_TWO[0], rng.standard_normal((3, 3))
    U, _, Vt = np.linalg.svd(W)
    projected = U[:, :2] @ U[:, :2].T @ Z @ Vt[:2].T @ Vt[:2]
    assert error(metric.apply(W, projected, 2, rank=2), definition(W, Z, 2, rank=2)) > 1e-2


@pytest.mark.parametrize("shape", SHAPES)
@frozen
def test_infinite_depth_is_the_integral_14_7(shape, rng):
    W, Z = generic(rng, shape)
    assert error(metric.apply(W, Z, INF), integral(W, Z)) < 1e-14


@pytest.mark.parametrize("W", RANK_TWO)
@frozen
def test_infinite_depth_at_rank_deficiency_is_the_integral_14_7(W, rng):
    Z = rng.standard_normal(W.shape)
    assert error(metric.apply(W, Z, INF, rank=2), integral(W, Z, 2)) < 1e-14


@pytest.mark.parametrize("depth", [1.0001, 1.5, 2.5, 7.5, 123.4])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_real_depth_solves_its_sylvester_equation(shape, depth, rng):
    """(WWᵀ)^{1/N} X - X (WᵀW)^{1/N} = WWᵀ Z - Z WᵀW: telescoping (4.14), true for every real N."""
    W, Z = generic(rng, shape)
    U, sigma, Vt = np.linalg.svd(W)
    left, right = np.zeros(shape[0]), np.zeros(shape[1])
    left[: sigma.size] = right[: sigma.size] = sigma ** (2 / depth)
    L, R = (U * left) @ U.T, (Vt.T * right) @ Vt
    X = metric.apply(W, Z, depth)
    residual = L @ X - X @ R - (W @ W.T @ Z - Z @ W.T @ W)
    assert np.abs(residual).max() < 3e-14 * np.abs(X).max()


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize(
    "W",
    [
        pytest.param(np.eye(3), id="identity"),
        pytest.param(np.eye(3)[[2, 0, 1]] * [1, -1, 1], id="signed permutation"),
        pytest.param(np.array([[1, -2, 2], [2, -1, -2], [2, 2, 1]]) / 3, id="rotation"),
        pytest.param(np.diag([2.0, 2.0, 0.5])[[1, 2, 0]], id="a pair"),
        pytest.param(np.eye(4, 2)[:, ::-1], id="frame"),
        pytest.param(np.diag([2.0, 2.0, 0.5]) + 1e-14 * np.eye(3, k=1), id="nearly a pair"),
    ],
)
def test_repeated_singular_values_leave_no_choice_of_frame_visible(W, depth, rng):
    Z = rng.standard_normal(W.shape)
    assert error(metric.apply(W, Z, depth), definition(W, Z, depth)) < 1e-14


@pytest.mark.parametrize("depth", [1, 2, 3, 9, INF])
@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_scales_at_the_ends_of_floating_point(depth, scale, rng):
    """𝒜_{N,cW} = c^{2-2/N} 𝒜_{N,W}."""
    W, Z = generic(rng, (3, 3))
    image = integral(W, Z) if depth == INF else definition(W, Z, depth)
    factor = scale ** (2 - 2 / depth)
    assert error(metric.apply(scale * W, Z, depth), factor * image) < 1e-13
    assert error(metric.solve(scale * W, factor * image, depth), Z) < 1e-13
    assert error(metric.inner(scale * W, factor * image, Z, depth), (Z * Z).sum()) < 1e-13


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize(("rows", "columns"), GRADES)
def test_solve_is_accurate_for_graded_matrices(rows, columns, depth, rng):
    """D_1 C D_2 over so many decades a side; plain LAPACK fails half of these."""
    C = np.array([[2.0, 1, 0.5], [-1, 1.5, 1], [0.25, -1, 2]])
    W = np.logspace(0, -rows, 3)[:, None] * C * np.logspace(0, -columns, 3)
    Z = rng.standard_normal((3, 3))
    assert error(metric.solve(W, Z, depth), definition_solved(W, Z, depth)) < 1e-12


# ------------------------------------------------------------------------------ golden values


WELL_CONDITIONED = ["d2_generic", "d2_negdet", "d3_generic", "d4_generic", "d2_equal_sv"]
WELL_CONDITIONED += ["d2_near_repeated", "d3_near_repeated", "d2_rank1", "d3_rank2", "d4_rank2"]
GOLDEN = [*WELL_CONDITIONED, "d2_small_sv_nongraded", "d3_graded", "d2_tiny_sv_diag"]


def numbers(value):
    return np.array(value, dtype=float)


def read(case):
    """W, Z, the rank, and (depth, values, cond) for every depth of a golden case.

    ``cond`` is how far entrywise rounding of W moves the exact result; no program that reads
    floats can be closer than a few times that (four: the SVD rounds as well). Where that is less,
    1e-13 is asked for: at σ = 5e-91 the rounding of 2/N, times |log σ|, takes a fifth of it.
    """
    depths = []
    for depth, values in case["N"].items():
        cond = {name: float(number) for name, number in values["cond"].items()}
        depths.append((INF if depth == "inf" else int(depth), values, cond))
    return numbers(case["W"]), numbers(case["Z"]), case["rank"], depths


@pytest.mark.parametrize("name", GOLDEN)
@frozen
def test_golden(name, golden_geometry):
    """𝒜(Z), 𝒜⁻¹ of the projection of Z on the range, and g, at the stated rank."""
    W, Z, rank, depths = read(golden_geometry["cases"][name])
    deficient = rank < W.shape[0]
    for depth, golden, cond in depths:
        # With rank= the Hölder condition of a deficient W does not count: zeros are exact.
        tolerance = 1e-13 if deficient else max(1e-13, 4 * cond["A_rel"])
        assert error(metric.apply(W, Z, depth, rank=rank), numbers(golden["A"])) < tolerance
        tolerance = 1e-13 if deficient else max(1e-13, 4 * cond["g_rel"])
        X = metric.solve(W, Z, depth, rank=rank)
        assert error(X, numbers(golden["Ainv"])) < tolerance
        inner = metric.inner(W, Z, Z, depth, rank=rank)
        assert inner == pytest.approx(float(golden["g"]), rel=tolerance)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_without_a_stated_rank(name, golden_geometry):
    """At full rank nothing changes; at rank deficiency 𝒜 is as far off as rounding W makes it.

    Where that is more than 1e-10 the rank must be stated.
    """
    W, Z, rank, depths = read(golden_geometry["cases"][name])
    for depth, golden, cond in depths:
        if rank < min(W.shape) and cond["A_rel"] > 1e-10:
            with pytest.raises(np.linalg.LinAlgError, match=f"pass rank={rank}"):
                metric.apply(W, Z, depth)
            continue
        tolerance = max(1e-13, 10 * cond["A_rel"])
        assert error(metric.apply(W, Z, depth), numbers(golden["A"])) < tolerance


def test_golden_names_are_all_there(golden_geometry):
    assert sorted(golden_geometry["cases"]) == sorted(GOLDEN)


@pytest.mark.parametrize("name", WELL_CONDITIONED)
@frozen
def test_apply_undoes_solve_up_to_the_projection_on_the_range(name, golden_geometry):
    W, Z, rank, depths = read(golden_geometry["cases"][name])
    for depth, golden, _ in depths:
        there = metric.apply(W, metric.solve(W, Z, depth, rank=rank), depth, rank=rank)
        back = metric.solve(W, metric.apply(W, Z, depth, rank=rank), depth, rank=rank)
        assert error(there, numbers(golden["Zt"])) < 1e-14
        assert error(back, numbers(golden["Zt"])) < 1e-14


# ---------------------------------------------------------------- root, inverse, inner product


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
@pytest.mark.parametrize("shape", SHAPES)
def test_sqrt_is_the_positive_root(shape, depth, rng):
    """The one symmetric positive map whose square is 𝒜."""
    W, _ = generic(rng, shape)
    root = matrix_of(lambda Z: metric.sqrt(W, Z, depth), shape)
    np.testing.assert_allclose(root, root.T, rtol=0, atol=1e-14)
    assert np.linalg.eigvalsh(root).min() > 0.1
    assert error(root @ root, matrix_of(lambda Z: definition(W, Z, depth), shape)) < 1e-14


@pytest.mark.parametrize("depth", [2, 5])
@pytest.mark.parametrize("W", RANK_TWO)
def test_sqrt_at_rank_deficiency(W, depth, rng):
    Z = rng.standard_normal(W.shape)
    twice = metric.sqrt(W, metric.sqrt(W, Z, depth, rank=2), depth, rank=2)
    assert error(twice, definition(W, Z, depth, rank=2)) < 1e-14


@frozen
@pytest.mark.parametrize("shape", SHAPES)
def test_sqrt_at_infinite_depth(shape, rng):
    W, Z = generic(rng, shape)
    assert error(metric.sqrt(W, metric.sqrt(W, Z, INF), INF), integral(W, Z)) < 1e-14


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
@pytest.mark.parametrize("shape", SHAPES)
def test_solve_inverts_the_sum_4_14(shape, depth, rng):
    W, Z = generic(rng, shape)
    assert error(definition(W, metric.solve(W, Z, depth), depth), Z) < 1e-14
    assert error(metric.solve(W, definition(W, Z, depth), depth), Z) < 1e-14


@pytest.mark.parametrize("depth", [2, 3, 7])
@pytest.mark.parametrize("W", RANK_TWO)
def test_solve_below_full_rank_projects_on_the_tangent_space(W, depth, rng):
    Z = rng.standard_normal(W.shape)
    want = tangent_projection(W, Z, 2)
    X = metric.solve(W, Z, depth, rank=2)
    assert error(definition(W, X, depth, rank=2), want) < 5e-14  # the inverse is of condition 10²
    np.testing.assert_allclose(tangent_projection(W, X, 2), X, rtol=0, atol=1e-14)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_inner_is_the_trace_with_the_inverse(shape, depth, rng):
    (W, Z1), Z2 = generic(rng, shape), rng.standard_normal(shape)
    want = np.trace(Z1.T @ definition_solved(W, Z2, depth))
    scale = np.linalg.norm(Z1) * np.linalg.norm(Z2)
    assert metric.inner(W, Z1, Z2, depth) == pytest.approx(want, rel=0, abs=1e-14 * scale)


@pytest.mark.parametrize("depth", [1, 2.5, 3, INF])
@pytest.mark.parametrize("rank", [None, 2])
@frozen
def test_inner_is_bilinear_symmetric_and_positive(rank, depth, rng):
    W = rng.standard_normal((4, 3))
    X, Y, Z = rng.standard_normal((3, 4, 3))

    def g(a, b):
        return metric.inner(W, a, b, depth, rank=rank)

    scale = g(X, X) + g(Y, Y) + g(Z, Z)
    assert abs(g(2 * X - 3 * Y, Z) - 2 * g(X, Z) + 3 * g(Y, Z)) < 1e-13 * scale
    assert g(X, Y) == g(Y, X)
    assert min(g(X, X), g(Y, Y), g(Z, Z)) > 1e-3 * scale


@pytest.mark.parametrize("depth", [2, 3, INF])
def test_inner_is_never_negative_on_what_the_rank_leaves_out(depth, rng):
    """A vector normal to the stratum has length zero, not minus rounding."""
    W = np.diag([2.0, 1.0, 0.0])
    Z = np.zeros((3, 3))
    Z[2, 2] = 1e8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FrozenSpaceWarning)
        assert metric.inner(W, Z, Z, depth, rank=2) == 0


@pytest.mark.parametrize(
    "function", [*FUNCTIONS, lambda W, Z, *a, **k: metric.gradient(Still(Z), W, *a, **k)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_depth_one_is_the_identity(function, shape, rng):
    """Also where W has no rank at all, and below full rank: no projection."""
    Z = rng.standard_normal(shape)
    for W in (rng.standard_normal(shape), np.zeros(shape)):
        np.testing.assert_array_equal(function(W, Z, 1), Z)
        np.testing.assert_array_equal(function(W, Z, 1, rank=1), Z)
        inner = metric.inner(W, Z, 2 * Z, 1, rank=1)
        assert inner == pytest.approx(2 * (Z**2).sum(), rel=1e-14)


# --------------------------------------------------------------------------------- symmetries


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    shape=st.sampled_from([(2, 2), (3, 3), (4, 2), (2, 4), (1, 3)]),
    depth=st.sampled_from([1, 1.5, 2, 3, 5, 10, INF]),
    deficient=st.booleans(),
    sigma=st.lists(st.floats(0.5, 2), min_size=3, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_orthogonal_equivariance(shape, depth, deficient, sigma, seed):
    """𝒜_{UWVᵀ}(UZVᵀ) = U 𝒜_W(Z) Vᵀ, and the same for root, inverse and inner product."""
    rng = np.random.default_rng(seed)
    rank = max(1, min(shape) - deficient)
    W = with_singular_values(rng, shape, sigma[:rank])
    Z = rng.standard_normal(shape)
    U, V = (np.linalg.qr(rng.standard_normal((d, d)))[0] for d in shape)
    turned_W, turned_Z = U @ W @ V.T, U @ Z @ V.T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FrozenSpaceWarning)
        for function in FUNCTIONS:
            want = U @ function(W, Z, depth, rank=rank) @ V.T
            got = function(turned_W, turned_Z, depth, rank=rank)
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-13)
        got = metric.inner(turned_W, turned_Z, turned_Z, depth, rank=rank)
        assert got == pytest.approx(metric.inner(W, Z, Z, depth, rank=rank), rel=1e-13)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_transposition(shape, function, rng):
    """(𝒜_{N,W} Z)ᵀ = 𝒜_{N,Wᵀ}(Zᵀ): the text before (4.17), corrected."""
    W, Z = generic(rng, shape)
    assert error(function(W, Z, 3).T, function(W.T, Z.T, 3)) < 1e-14


def test_transposition_as_printed_is_a_misprint(rng):
    """The text before (4.17) leaves W untransposed."""
    W, Z = generic(rng, (3, 3))
    assert error(metric.apply(W, Z, 3).T, metric.apply(W, Z.T, 3)) > 1e-2


# ----------------------------------------------------------------------------------- gradient


class Still:
    """An energy of constant gradient Z."""

    def __init__(self, Z):
        self.Z = Z

    def value(self, W):
        return (W * self.Z).sum(axis=(-2, -1))

    def gradient(self, W):
        return self.Z + 0 * W

    def hessian(self, W, Z):
        return 0 * W * Z


def energies(shape):
    rng = np.random.default_rng(5)
    m, n = shape
    return [
        Quadratic(rng.standard_normal(shape)),
        LinearRegression(rng.standard_normal((n, 7)), rng.standard_normal((m, 7))),
        MatrixCompletion(rng.standard_normal(shape), np.eye(m, n, dtype=bool)),
    ]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_gradient_is_the_operator_on_the_euclidean_gradient(shape, depth, rng):
    W, _ = generic(rng, shape)
    for energy in energies(shape):
        want = definition(W, energy.gradient(W), depth)
        assert error(metric.gradient(energy, W, depth), want) < 1e-14


@pytest.mark.parametrize("depth", [1, 2, 3.5, 10])
def test_gradient_represents_the_derivative(depth, rng):
    """(4.19) corrected: g(grad E, Z) is the derivative of E along Z, here an exact difference."""
    W, Z = generic(rng, (3, 4))
    for energy in energies((3, 4)):
        derivative = (energy.value(W + Z) - energy.value(W - Z)) / 2
        gradient = metric.gradient(energy, W, depth)
        assert metric.inner(W, gradient, Z, depth) == pytest.approx(derivative, rel=1e-12)


def test_4_19_as_printed_is_a_misprint(rng):
    """Its second expression lacks grad: Tr(Zᵀ 𝒜⁻¹ E′) is not the derivative."""
    W, Z = generic(rng, (3, 3))
    energy = Quadratic(rng.standard_normal((3, 3)))
    derivative = (energy.value(W + Z) - energy.value(W - Z)) / 2
    printed = metric.inner(W, energy.gradient(W), Z, 3)
    assert abs(printed - derivative) > 1e-2 * abs(derivative)


def test_gradient_with_rank_is_taken_at_the_point_of_that_rank(rng):
    """Seen with observed entries only: for Quadratic the difference is normal to the stratum."""
    W, observed = rng.standard_normal((2, 3, 4))
    energy = MatrixCompletion(observed, rng.random((3, 4)) < 0.5)
    U, sigma, Vt = np.linalg.svd(W)
    point = (U[:, :2] * sigma[:2]) @ Vt[:2]
    want = definition(W, energy.gradient(point), 3, rank=2)
    assert error(metric.gradient(energy, W, 3, rank=2), want) < 1e-14
    assert error(definition(W, energy.gradient(W), 3, rank=2), want) > 1e-2


@pytest.mark.parametrize("widths", [(3, 3, 3), (2, 4, 3), (4, 5, 3, 2), (3, 2, 4), (4, 3, 1, 2, 3)])
def test_end_to_end_velocity_of_balanced_weights(widths):
    """(4.11): downstairs the gradient flow is Ẇ = -𝒜(E′), at a bottleneck with its rank."""
    layers = weights.random_balanced(widths, 1.0, rng=1)
    W = weights.end_to_end(layers)
    for energy in energies(W.shape):
        velocity = weights.end_to_end_velocity(energy, layers)
        image = metric.apply(W, energy.gradient(W), len(layers), widths=widths)
        assert error(-image, velocity) < 1e-13


def test_end_to_end_velocity_of_other_weights_is_something_else():
    layers = weights.random((4, 5, 3, 2), 1.0, rng=1)
    W = weights.end_to_end(layers)
    energy = energies(W.shape)[0]
    velocity = weights.end_to_end_velocity(energy, layers)
    assert error(-metric.apply(W, energy.gradient(W), 3), velocity) > 1e-3


# ----------------------------------------------------------------------------- rank and widths


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
def test_rank_sets_smaller_singular_values_to_zero(shape, depth, rng):
    W, Z = generic(rng, shape)
    got = metric.apply(W, Z, depth, rank=2)
    assert error(got, definition(W, Z, depth, rank=2)) < 1e-14
    assert error(got, metric.apply(W, Z, depth)) > 1e-3


def test_rank_is_exact_where_rounding_is_not(rng):
    """At depth 50 a singular value of 1e-17 counts as 0.2; with rank= it counts as nothing."""
    W, Z = RANK_TWO[0], rng.standard_normal((3, 3))
    want = definition(W, Z, 50, rank=2)
    assert error(metric.apply(W, Z, 50, rank=2), want) < 1e-13
    with pytest.raises(np.linalg.LinAlgError, match="numerical rank is 2"):
        metric.apply(W, Z, 50)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_full_rank_may_be_said(function, rng):
    W, Z = generic(rng, (3, 4))
    np.testing.assert_array_equal(function(W, Z, 3, rank=3), function(W, Z, 3))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bottleneck_bounds_the_rank(function, rng):
    W, Z = generic(rng, (3, 4))
    narrow, wide = (4, 2, 5, 3), (4, 6, 5, 3)
    np.testing.assert_array_equal(function(W, Z, 3, widths=narrow), function(W, Z, 3, rank=2))
    np.testing.assert_array_equal(function(W, Z, 3, widths=wide), function(W, Z, 3))
    np.testing.assert_array_equal(
        function(W, Z, 3, widths=narrow, rank=1), function(W, Z, 3, rank=1)
    )


@pytest.mark.parametrize("depth", [2, 3, INF])
@pytest.mark.parametrize("W", [np.diag([1.0, 0.0]), np.zeros((2, 2)), np.zeros((3, 2))])
@frozen
def test_solve_at_a_singular_matrix_asks_for_its_rank(W, depth):
    Z = np.ones(W.shape)
    for call in (lambda: metric.solve(W, Z, depth), lambda: metric.inner(W, Z, Z, depth)):
        with pytest.raises(np.linalg.LinAlgError, match="rank="):
            call()


def test_one_singular_matrix_in_a_stack_is_enough():
    W = np.stack([np.eye(2), np.diag([1.0, 0.0])])
    with pytest.raises(np.linalg.LinAlgError, match="rank="):
        metric.solve(W, np.eye(2), 3)


# ------------------------------------------------------------------------------ infinite depth


CALLS = {
    "apply": lambda W, Z, **keywords: metric.apply(W, Z, INF, **keywords),
    "sqrt": lambda W, Z, **keywords: metric.sqrt(W, Z, INF, **keywords),
    "solve": lambda W, Z, **keywords: metric.solve(W, Z, INF, **keywords),
    "inner": lambda W, Z, **keywords: metric.inner(W, Z, Z, INF, **keywords),
    "gradient": lambda W, Z, **keywords: metric.gradient(Still(Z), W, INF, **keywords),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("shape", "rank"), [((3, 2), None), ((2, 3), None), ((3, 3), 2)])
def test_frozen_spaces_are_warned_of_at_the_caller(call, shape, rank, rng):
    W, Z = generic(rng, shape)
    with pytest.warns(FrozenSpaceWarning, match="keeps its row and column spaces") as record:
        call(W, Z, rank=rank)
    assert [entry.filename for entry in record] == [__file__]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("rank", [None, 3])
def test_full_square_rank_is_not_warned_of(call, rank, rng):
    W, Z = generic(rng, (3, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(W, Z, rank=rank)


@frozen
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("shape", "rank"), [((4, 2), 2), ((2, 4), 2), ((3, 3), 2)])
def test_infinite_depth_moves_nothing_out_of_the_spaces(shape, rank, function, rng):
    """The result is P_U · P_V, and depends on P_U Z P_V alone."""
    W = with_singular_values(rng, shape, [2.0, 0.7])
    Z = rng.standard_normal(shape)
    U, _, Vt = np.linalg.svd(W, full_matrices=False)
    P, Q = U[:, :rank] @ U[:, :rank].T, Vt[:rank].T @ Vt[:rank]
    got = function(W, Z, INF, rank=rank)
    np.testing.assert_allclose(P @ got @ Q, got, rtol=0, atol=1e-14)
    np.testing.assert_allclose(function(W, P @ Z @ Q, INF, rank=rank), got, rtol=0, atol=1e-14)
    outside = function(W, Z - P @ Z @ Q, INF, rank=rank)
    np.testing.assert_allclose(outside, 0, rtol=0, atol=1e-14)


def test_infinite_depth_is_the_limit_of_the_operator_over_n(rng):
    W, Z = generic(rng, (3, 3))
    limit = metric.apply(W, Z, INF)
    errors = [np.linalg.norm(metric.apply(W, Z, N) / N - limit) for N in (1e3, 1e4, 1e5)]
    np.testing.assert_allclose(np.divide(errors[1:], errors[:-1]), 0.1, rtol=1e-2)


# -------------------------------------------------------------------------------------- stacks


STACKED = {
    "apply": metric.apply,
    "sqrt": metric.sqrt,
    "solve": metric.solve,
    "inner": lambda W, Z, depth, **keywords: metric.inner(W, Z, Z[..., ::-1, :], depth, **keywords),
}
ALL = STACKED | {
    "gradient": lambda W, Z, depth, **keywords: metric.gradient(Still(Z), W, depth, **keywords),
}


@frozen
@pytest.mark.parametrize("function", STACKED.values(), ids=STACKED)
@pytest.mark.parametrize("depth", [1, 2, 3.5, INF])
@pytest.mark.parametrize(("shape", "rank"), [((3, 3), None), ((3, 3), 2), ((4, 2), None)])
def test_a_stack_equals_a_loop(shape, rank, depth, function, rng):
    """With a graded matrix among them, which takes another SVD."""
    W, Z = rng.standard_normal((2, 2, 5, *shape))
    W[0, 1, -1] *= 1e-6
    together = function(W, Z, depth, rank=rank)
    for index in np.ndindex(2, 5):
        alone = function(W[index], Z[index], depth, rank=rank)
        np.testing.assert_allclose(together[index], alone, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("depth", [1, 2, 3.5])
@pytest.mark.parametrize("rank", [None, 2])
def test_gradients_of_a_stack_equal_a_loop(rank, depth, rng):
    """Of as many matrices as each has rows, so that a wrong axis would broadcast unnoticed."""
    W, energy = rng.standard_normal((3, 3, 4)), Quadratic(rng.standard_normal((3, 4)))
    together = metric.gradient(energy, W, depth, rank=rank)
    for k in range(3):
        alone = metric.gradient(energy, W[k], depth, rank=rank)
        np.testing.assert_allclose(together[k], alone, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    ("left", "right"), [((), (5,)), ((5,), ()), ((2, 1), (1, 5)), ((2, 5), (5,))]
)
def test_stacks_broadcast(left, right, depth, function, rng):
    W, Z = rng.standard_normal((*left, 3, 2)), rng.standard_normal((*right, 3, 2))
    whole = np.broadcast_shapes(W.shape, Z.shape)
    want = function(np.broadcast_to(W, whole), np.broadcast_to(Z, whole), depth)
    got = function(W, Z, depth)
    assert got.shape == whole
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(("left", "right"), [((), (5,)), ((5,), ()), ((2, 1), (1, 5))])
def test_inner_products_broadcast(left, right, depth, rng):
    W, Z = rng.standard_normal((*left, 3, 2)), rng.standard_normal((*right, 3, 2))
    whole = np.broadcast_shapes(left, right)
    got = metric.inner(W, Z, Z, depth)
    assert got.shape == whole
    W, Z = (np.broadcast_to(X, (*whole, 3, 2)) for X in (W, Z))
    for index in np.ndindex(whole):
        alone = metric.inner(W[index], Z[index], Z[index], depth)
        assert got[index] == pytest.approx(alone, rel=1e-12)


def test_arguments_are_not_changed(rng):
    W, Z = rng.standard_normal((2, 3, 4))
    before = W.copy(), Z.copy()
    for function in ALL.values():
        for depth in (1, 3):
            function(W, Z, depth, rank=2)
    assert metric.apply(W, Z, 1) is not Z
    np.testing.assert_array_equal((W, Z), before)


def test_integers_and_lists_are_taken():
    want = definition([[1, 2], [3, 5]], [[1, 0], [0, 1]], 3)
    assert error(metric.apply([[1, 2], [3, 5]], [[1, 0], [0, 1]], 3), want) < 1e-14


# ----------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("function", ALL.values(), ids=ALL)
@pytest.mark.parametrize(
    ("depth", "error_class"),
    [
        (0, ValueError),
        (0.5, ValueError),
        (-1, ValueError),
        (-INF, ValueError),
        (math.nan, ValueError),
        ("a", TypeError),
        (None, TypeError),
    ],
)
def test_bad_depth_is_refused(depth, error_class, function):
    with pytest.raises(error_class, match="depth must be a real number >= 1 or inf"):
        function(np.eye(2), np.eye(2), depth)


@pytest.mark.parametrize("function", ALL.values(), ids=ALL)
@pytest.mark.parametrize(
    ("W", "error_class", "match"),
    [
        (np.full((2, 2), np.nan), ValueError, "W must be finite"),
        (np.full((2, 2), np.inf), ValueError, "W must be finite"),
        (np.ones(2), ValueError, "W must be a matrix"),
        (np.ones((2, 0)), ValueError, "W must be a matrix"),
        (np.eye(2) * 1j, TypeError, "real"),
    ],
)
def test_bad_points_are_refused(W, error_class, match, function):
    with pytest.raises(error_class, match=match):
        function(W, np.eye(2), 3)


@pytest.mark.parametrize(
    "function",
    [
        *FUNCTIONS,
        lambda W, Z, depth: metric.inner(W, Z, W, depth),
        lambda W, Z, depth: metric.inner(W, W, Z, depth),
    ],
)
@pytest.mark.parametrize(
    ("Z", "match"),
    [
        (np.ones((2, 3)), "Z[12]? must have shape"),
        (np.ones((3, 2)), "Z[12]? must have shape"),
        (np.ones(2), "Z[12]? must be a matrix"),
        (np.array([[1, np.nan], [0, 1]]), "Z[12]? must be finite"),
    ],
)
def test_bad_tangent_vectors_are_refused(Z, match, function):
    with pytest.raises(ValueError, match=match):
        function(np.eye(2), Z, 3)


def test_an_energy_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="shape"):
        metric.gradient(Quadratic(np.ones((2, 3))), np.eye(2), 3)


@pytest.mark.parametrize("function", ALL.values(), ids=ALL)
@pytest.mark.parametrize(
    ("keywords", "error_class", "match"),
    [
        ({"rank": 0}, ValueError, "rank must be an integer >= 1"),
        ({"rank": 3}, ValueError, "rank must be at most 2"),
        ({"rank": 1.5}, TypeError, "rank must be an integer"),
        ({"rank": 2, "widths": (3, 1, 2, 2)}, ValueError, "rank must be at most 1"),
        ({"widths": (2, 2, 2, 3)}, ValueError, "widths must lead from 3 to 2"),
        ({"widths": (3, 2, 2)}, ValueError, "widths of 2 layers do not fit depth 3"),
        ({"widths": (3, 0, 2, 2)}, ValueError, "widths"),
        ({"widths": 3}, TypeError, "widths must be a sequence"),
    ],
)
def test_bad_rank_and_widths_are_refused(keywords, error_class, match, function):
    W = np.eye(2, 3)
    with pytest.raises(error_class, match=match):
        function(W, W, 3, **keywords)


@pytest.mark.parametrize("depth", [2.5, INF])
def test_widths_fit_only_a_whole_depth(depth):
    with pytest.raises(ValueError, match="do not fit depth"):
        metric.apply(np.eye(2), np.eye(2), depth, widths=(2, 2, 2))


@pytest.mark.parametrize("size", [1e-155, 1e-160])
@pytest.mark.parametrize("shape", [(2, 2), (3, 1)])
def test_subnormal_eigenvalues_are_singular(size, shape):
    depth = np.inf if shape == (2, 2) else 1e6  # K about σ²
    W = size * np.eye(*shape)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        metric.solve(W, np.ones(shape), depth)


def test_gradient_through_a_bottleneck_is_taken_at_the_cut_point(rng):
    W, energy = rng.standard_normal((3, 3)), Quadratic(rng.standard_normal((3, 3)))
    by_widths = metric.gradient(energy, W, 2, widths=(3, 2, 3))
    by_rank = metric.gradient(energy, W, 2, rank=2)
    np.testing.assert_allclose(by_widths, by_rank, rtol=1e-14)


@pytest.mark.parametrize("text", ["2", "inf", b"2"])
def test_depth_is_a_number_not_its_name(text):
    with pytest.raises(TypeError, match="depth must be a real number"):
        metric.spectrum([1.0, 2.0], text)


def test_depth_two_on_positive_definite_matrices_is_twice_bures_wasserstein(rng):
    # Remark 9 corrected: g^BW(X, X) = ½ Tr(X L) with S L + L S = X, and g²(X, X) = Tr(X L)
    B, X = rng.standard_normal((2, 4, 4))
    S, X = B @ B.T + 0.1 * np.eye(4), X + X.T
    L = solve_sylvester(S, S, X)
    np.testing.assert_allclose(metric.inner(S, X, X, 2), np.trace(X @ L), rtol=1e-11)


# ------------------------------------------------------------------------- Brownian motion's drift


@pytest.mark.parametrize("name", GOLDEN)
@frozen
def test_ito_drift_golden(name, golden_geometry):
    W, _, rank, depths = read(golden_geometry["cases"][name])
    deficient = rank < W.shape[0]
    for depth, golden, cond in depths:
        drift = metric.ito_drift(W, depth, rank=rank)
        if depth == 1:
            assert not drift.any()
            continue
        # σ_k^{1-2/N} feels the rounding of a small σ_k more than 𝒜 does, and less than g
        tolerance = 1e-13 if deficient else max(1e-13, 4 * cond["g_rel"])
        assert error(drift, numbers(golden["ito_drift"])) < tolerance


@pytest.mark.parametrize("depth", [1, 2, 3, 2.5, INF])
def test_ito_drift_is_the_laplacian_of_the_entries(depth, rng):
    # Δ W_a = Σ_b ∂_b(√|g| g^{ab})/√|g| with g^{ab} the matrix of 𝒜, by central differences
    W, h = rng.standard_normal((3, 3)) + np.eye(3), 1e-5
    basis = np.eye(9).reshape(9, 3, 3)

    def weighted(X):
        matrix = np.array([metric.apply(X, E, depth).ravel() for E in basis])
        return np.exp(metric.log_volume_density(X, depth)) * matrix

    total = sum(
        (weighted(W + h * E) - weighted(W - h * E))[b] / (2 * h) for b, E in enumerate(basis)
    )
    exact = total.reshape(3, 3) / np.exp(metric.log_volume_density(W, depth))
    assert np.abs(metric.ito_drift(W, depth) - exact).max() < 1e-7


def test_ito_drift_at_a_zero_singular_value():
    W = np.diag([2.0, 0.0])
    assert np.allclose(metric.ito_drift(W, 3), np.diag([2 * 2 ** (1 / 3), 0]))
    assert np.allclose(metric.ito_drift(W, 2, rank=1), np.diag([1.0, 0.0]))
    for depth in (1.5, 2):
        with pytest.raises(np.linalg.LinAlgError, match="no limit"):
            metric.ito_drift(W, depth)
