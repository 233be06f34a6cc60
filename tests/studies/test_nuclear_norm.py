"""Least nuclear norm against closed forms, one-dimensional search, and its own certificate."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from dlngeo import flows, weights
from dlngeo.energies import MatrixCompletion, MatrixSensing, Quadratic
from dlngeo.nuclear_norm import minimum_nuclear_norm


def nuclear(W):
    return np.linalg.svd(W, compute_uv=False).sum()


def low_rank(shape, rank, rng):
    return rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))


def sensing(T, count, rng):
    B = rng.standard_normal((count, *T.shape))
    return MatrixSensing(B, np.einsum("kij,ij->k", B, T))


def check(energy, result, tol=1e-8):
    """W fits, ν is feasible, and the two values are as close as they say: a proof of optimality."""
    assert result.success and abs(result.gap) <= tol * result.value
    np.testing.assert_allclose(result.value, nuclear(result.W), rtol=1e-13)
    scale = max(1.0, np.abs(result.W).max())
    if isinstance(energy, MatrixCompletion):
        np.testing.assert_array_equal(result.W[energy.mask], energy.observed[energy.mask])
        normal, values = result.multipliers, energy.observed
        assert not normal[~energy.mask].any()
    else:
        measured = np.einsum("kij,ij->k", energy.measurements, result.W)
        np.testing.assert_allclose(measured, energy.values, rtol=0, atol=1e-11 * scale)
        normal = np.einsum("k,kij->ij", result.multipliers, energy.measurements)
        values = energy.values
    assert np.linalg.norm(normal, 2) <= 1 + 1e-12
    np.testing.assert_allclose((values * result.multipliers).sum(), result.bound, rtol=1e-11)


@pytest.mark.parametrize(
    ("shape", "rank", "count"),
    [((5, 5), 1, 18), ((8, 8), 2, 50), ((6, 3), 1, 14), ((3, 7), 3, 5), ((4, 4), 4, 16)],
)
def test_certificate_of_random_sensing(shape, rank, count, rng):
    T = low_rank(shape, rank, rng)
    energy = sensing(T, count, rng)
    result = minimum_nuclear_norm(energy)
    check(energy, result)
    assert result.value <= nuclear(T) * (1 + 1e-8)
    if rank < 3:  # measurements enough to recover it
        np.testing.assert_allclose(result.W, T, atol=1e-6)


@pytest.mark.parametrize(("shape", "rank"), [((6, 6), 1), ((9, 5), 2), ((4, 8), 4)])
def test_certificate_of_completion(shape, rank, rng):
    T = low_rank(shape, rank, rng)
    energy = MatrixCompletion(T, rng.random(shape) < 0.6)
    check(energy, minimum_nuclear_norm(energy))


def test_sensing_single_entries_is_completion(rng):
    T, mask = low_rank((5, 4), 2, rng), rng.random((5, 4)) < 0.6
    units = np.eye(20).reshape(5, 4, 5, 4)[mask]
    one = minimum_nuclear_norm(MatrixCompletion(T, mask))
    other = minimum_nuclear_norm(MatrixSensing(units, T[mask]))
    np.testing.assert_allclose(one.value, other.value, rtol=1e-7)


def test_one_measurement(rng):
    """Of all W with ⟨B, W⟩ = y the least ‖W‖_* is |y| / ‖B‖, at the top singular pair of B."""
    B = rng.standard_normal((1, 4, 6))
    result = minimum_nuclear_norm(MatrixSensing(B, [-2.5]), tol=1e-12)
    U, s, Vt = np.linalg.svd(B[0])
    np.testing.assert_allclose(result.value, 2.5 / s[0], rtol=1e-11)
    np.testing.assert_allclose(result.W, -2.5 / s[0] * np.outer(U[:, 0], Vt[0]), atol=1e-6)


def test_prescribed_diagonal():
    """‖W‖_* >= Σ|W_ii|, with equality at the diagonal matrix."""
    d = np.array([3.0, -1.0, 0.5, 0.0])
    result = minimum_nuclear_norm(MatrixCompletion(np.diag(d), np.eye(4, dtype=bool)))
    np.testing.assert_allclose(result.value, 4.5, rtol=1e-8)


@pytest.mark.parametrize("entries", [(1.0, 2.0, 3.0), (0.1, 1.0, -1.0), (1.0, 0.2, 0.3)])
def test_one_missing_entry_by_search(entries):
    a, b, c = entries
    search = minimize_scalar(lambda x: nuclear([[a, b], [c, x]]), bracket=(-1, 1), tol=1e-13)
    energy = MatrixCompletion.from_nan([[a, b], [c, np.nan]])
    result = minimum_nuclear_norm(energy, tol=1e-11)
    check(energy, result, tol=1e-11)
    np.testing.assert_allclose(result.value, search.fun, rtol=1e-10)


def test_all_entries_observed_leave_no_choice(rng):
    T = rng.standard_normal((3, 5))
    result = minimum_nuclear_norm(MatrixCompletion(T, np.ones((3, 5), dtype=bool)))
    np.testing.assert_array_equal(result.W, T)


@pytest.mark.parametrize("scale", [1e-100, 1e-6, 1e6, 1e100])
def test_scale_of_values_and_measurements(scale, rng):
    energy = sensing(low_rank((5, 5), 1, rng), 16, rng)
    want = minimum_nuclear_norm(energy)
    for B, y, factor in (
        (energy.measurements, scale * energy.values, scale),
        (scale * energy.measurements, energy.values, 1 / scale),
    ):
        result = minimum_nuclear_norm(MatrixSensing(B, y))
        assert result.success
        np.testing.assert_allclose(result.value, want.value * factor, rtol=1e-7)


def test_dependent_measurements_and_contradictions(rng):
    T = low_rank((4, 4), 1, rng)
    energy = sensing(T, 12, rng)
    B = np.concatenate([energy.measurements, energy.measurements[:3] + energy.measurements[3:6]])
    y = np.einsum("kij,ij->k", B, T)
    doubled = MatrixSensing(B, y)
    check(doubled, minimum_nuclear_norm(doubled))
    y[-1] += 0.1
    with pytest.raises(ValueError, match="no matrix fits the measurements"):
        minimum_nuclear_norm(MatrixSensing(B, y))


def test_zero_values_are_fitted_by_zero(rng):
    for energy in (
        MatrixSensing(rng.standard_normal((3, 2, 2)), np.zeros(3)),
        MatrixSensing(np.zeros((1, 2, 2)), [0.0]),
        MatrixCompletion(np.zeros((2, 2)), np.eye(2, dtype=bool)),
    ):
        result = minimum_nuclear_norm(energy)
        assert result.success and result.value == result.bound == 0
        np.testing.assert_array_equal(result.W, np.zeros((2, 2)))


def test_too_few_iterations_say_so_and_still_bound(rng):
    energy = sensing(low_rank((6, 6), 2, rng), 25, rng)
    best = minimum_nuclear_norm(energy)
    short = minimum_nuclear_norm(energy, max_iterations=1)
    assert not short.success and short.iterations == 1
    assert 0 <= short.bound <= best.value <= short.value
    np.testing.assert_allclose(short.gap, short.value - short.bound)


def test_the_network_fits_with_no_less_nuclear_norm(rng):
    """A deep network from a small start on the measurements that the least nuclear norm fits."""
    T = low_rank((4, 4), 1, rng)
    T /= np.linalg.norm(T)
    energy = sensing(T, 11, rng)
    least = minimum_nuclear_norm(energy)
    start = weights.random_balanced((4, 4, 4, 4), 0.05, rng=1)
    run = flows.gradient_flow(energy, start, (0, 1e5), stop_loss=1e-16)
    W = run.W[-1]
    assert nuclear(W) >= least.value * (1 - 1e-6)
    np.testing.assert_allclose(W, T, atol=0.02)  # here both recover it


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda e: minimum_nuclear_norm(Quadratic(np.eye(2))), TypeError, "not Quadratic"),
        (lambda e: minimum_nuclear_norm(e, tol=0.0), ValueError, "tol must be finite and > 0"),
        (lambda e: minimum_nuclear_norm(e, max_iterations=0), ValueError, "max_iterations must"),
    ],
)
def test_bad_arguments_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call(MatrixCompletion(np.eye(2), np.eye(2, dtype=bool)))
