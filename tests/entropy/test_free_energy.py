"""The free energy, its gradient and Hessian: golden values, finite differences, mpmath."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from dlngeo import energies, entropy, metric, weights
from golden import golden_cases, tolerance

BETA = 2.0


# ------------------------------------------------------------------------- value and gradient


def test_free_energy_and_gradient_are_golden(golden_geometry):
    for name, W, B, rank, depth, values in golden_cases(golden_geometry):
        energy, tol = energies.Quadratic(B), tolerance(name, depth)
        exact = float(values["F0"] if math.isinf(depth) else values["F"])
        ours = entropy.free_energy(energy, W, depth, BETA, rank=rank)
        assert_allclose(ours, exact, rtol=tol, atol=10 * tol)
        slope = np.array(values["gradF"], dtype=float)
        ours = entropy.free_energy_gradient(energy, W, depth, BETA, rank=rank)
        assert_allclose(ours, slope, rtol=0, atol=10 * tol * max(1.0, np.abs(slope).max()))


@pytest.mark.parametrize("gamma", [0.0, 0.4])
@pytest.mark.parametrize("depth", [1, 2, 3.5, 12])
def test_euclidean_gradient_of_the_free_energy(rng, depth, gamma):
    W, h = rng.standard_normal((3, 3)) + 2 * np.eye(3), 1e-5
    energy = energies.Quadratic(rng.standard_normal((3, 3)))
    exact = np.zeros((3, 3))
    for index in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[index] = h
        above, below = (
            entropy.free_energy(energy, W + s * step, depth, BETA, gamma) for s in (1, -1)
        )
        exact[index] = (above - below) / (2 * h)
    ours = entropy.free_energy_gradient(energy, W, depth, BETA, gamma, riemannian=False)
    assert_allclose(ours, exact, atol=1e-8 * (1 + np.abs(exact).max()))
    riemannian = entropy.free_energy_gradient(energy, W, depth, BETA, gamma)
    assert_allclose(riemannian, metric.apply(W, ours, depth), rtol=1e-11, atol=1e-12)


def test_weight_decay_is_the_norm_of_balanced_weights():
    start = weights.random_balanced((3, 3, 3, 3), 0.8, rng=0)
    W, energy = weights.end_to_end(start), energies.Quadratic(np.eye(3))
    with_decay, without = (entropy.free_energy(energy, W, 3, BETA, g) for g in (0.3, 0.0))
    assert_allclose(with_decay - without, 0.15 * weights.norm(start) ** 2, rtol=1e-12)


def test_free_energy_of_completion_is_unbounded_below_along_unobserved_entries():
    # d = 2, N = 3, W_12 = W_21 = x: F = -(1/β)[(1 - 1/N) log x + ½ log N] + o(1), γ = 0
    energy = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    for x in (1e3, 1e6):
        W = np.array([[1.0, x], [x, 1.0]])
        constant = 2 * entropy.orthogonal_group_log_volume(2)
        ours = entropy.free_energy(energy, W, 3, BETA) + constant / BETA
        assert_allclose(ours, -(2 / 3 * math.log(x) + 0.5 * math.log(3)) / BETA, rtol=1e-3)


def test_zero_singular_values_are_let_through():
    D, energy = np.diag([1.0, 0.0]), energies.Quadratic(np.eye(2))
    assert entropy.free_energy(energy, D, math.inf, BETA) == math.inf
    assert_allclose(entropy.free_energy_gradient(energy, D, 1, BETA), np.diag([0.0, -1.0]))


# ------------------------------------------------------------------------------------- Hessian


def dense(energy, W, depth, gamma=0.0, **options):
    """The Hessian as a matrix on R^{mn}."""
    m, n = W.shape
    basis = np.eye(m * n).reshape(-1, m, n)
    stack = entropy.free_energy_hessian(energy, W, depth, BETA, basis, gamma, **options)
    return stack.reshape(m * n, m * n)


@pytest.mark.parametrize("gamma", [0.0, 0.4])
@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 7.3, 12, 100, math.inf])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_hessian_is_the_derivative_of_the_gradient(rng, d, depth, gamma):
    gamma = 0.0 if math.isinf(depth) else gamma
    energy = energies.Quadratic(rng.standard_normal((d, d)))
    W, Z, h = rng.standard_normal((d, d)) + 2 * np.eye(d), rng.standard_normal((d, d)), 1e-4
    slopes = [
        entropy.free_energy_gradient(energy, W + s * h * Z, depth, BETA, gamma, riemannian=False)
        for s in (-2, -1, 1, 2)
    ]  # fourth order: the smallest singular value makes the third derivative large
    exact = (slopes[0] - 8 * slopes[1] + 8 * slopes[2] - slopes[3]) / (12 * h)
    ours = entropy.free_energy_hessian(energy, W, depth, BETA, Z, gamma)
    assert_allclose(ours, exact, atol=1e-10 * (1 + np.abs(exact).max()))


@pytest.mark.parametrize("widths", [(2, 5, 3, 4), (4, 4, 3), (3, 3, 4, 3), (1, 2, 3)])
def test_hessian_for_other_widths(rng, widths):
    # against second differences of the value
    m, n, depth, h = widths[-1], widths[0], len(widths) - 1, 1e-4
    energy = energies.Quadratic(rng.standard_normal((m, n)))
    W, Z = rng.standard_normal((m, n)), rng.standard_normal((m, n))

    def value(s):
        return entropy.free_energy(energy, W + s * Z, depth, BETA, 0.3, widths=widths)

    exact = (-value(2 * h) + 16 * value(h) - 30 * value(0) + 16 * value(-h) - value(-2 * h)) / (
        12 * h**2
    )
    ours = entropy.free_energy_hessian(energy, W, depth, BETA, Z, 0.3, widths=widths)
    assert_allclose((ours * Z).sum(), exact, rtol=1e-6)


@pytest.mark.parametrize("depth", [1.5, 2, 3, 8, 9, math.inf])
def test_hessian_is_symmetric_and_turns_with_the_frames(rng, depth):
    energy = energies.Quadratic(np.zeros((4, 4)))
    U, V = (weights.haar_frame(4, 4, rng) for _ in range(2))
    for sigma in ([3, 2, 1, 0.1], [1, 1, 1, 1], [2, 2 - 1e-12, 1e-3, 1e-3]):
        D = np.diag(np.array(sigma, dtype=float))
        H = dense(energy, U @ D @ V.T, depth)
        size = np.abs(H).max()
        assert_allclose(H, H.T, atol=1e-13 * size)
        turn = np.kron(U, V)
        assert_allclose(turn.T @ H @ turn, dense(energy, D, depth), atol=1e-10 * size)


@given(gap=st.floats(-300, -0.1), depth=st.sampled_from([2, 3, 5, 9, 100, math.inf]))
def test_hessian_of_a_pair_at_any_gap(gap, depth):
    # on diag(a, b) turning and mixing the two axes: (f_a + f_b)/(a + b), (f_a - f_b)/(a - b)
    a = 1.7
    b = a * (1 - 10.0**gap)
    energy = energies.MatrixCompletion(np.zeros((2, 2)), np.eye(2, dtype=bool))
    with mpmath.workdps(400):
        x = mpmath.mpf(a)
        y = mpmath.mpf(b) if a != b else x * (1 - mpmath.mpf(10) ** -40)
        e = 0 if math.isinf(depth) else mpmath.mpf(2) / depth
        S = [
            s / (s * s - c * c)
            - (1 / (2 * s * mpmath.log(s / c)) if e == 0 else e / 2 * s ** (e - 1) / (s**e - c**e))
            for s, c in ((x, y), (y, x))
        ]
        even, odd = -(S[0] - S[1]) / (x - y) / BETA, -(S[0] + S[1]) / (x + y) / BETA
    D = np.diag([a, b])
    mix, turn = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [-1.0, 0.0]])
    for Z, wanted in ((mix, even), (turn, odd)):
        ours = entropy.free_energy_hessian(energy, D, depth, BETA, Z)
        assert_allclose(ours, float(wanted) * Z, rtol=1e-12, atol=1e-15)


def test_hessian_at_a_zero_singular_value():
    D, energy = np.diag([1.0, 0.0]), energies.Quadratic(np.eye(2))
    Z = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert_allclose(entropy.free_energy_hessian(energy, D, 1, BETA, Z, 0.5), 1.5 * Z)
    with pytest.raises(np.linalg.LinAlgError, match="full rank"):
        entropy.free_energy_hessian(energy, D, 2, BETA, Z)
    with pytest.raises(np.linalg.LinAlgError, match="range of floating point"):
        entropy.free_energy_hessian(energy, np.diag([1.0, 1e-250]), 3, BETA, Z)


# --------------------------------------------------------------------------------- all of them


def test_stacks_are_loops(rng):
    W, Z = rng.standard_normal((2, 2, 3, 4, 4))
    energy = energies.Quadratic(rng.standard_normal((4, 4)))

    def everything(depth, W, Z):
        return (
            entropy.free_energy(energy, W, depth, BETA),
            entropy.free_energy_gradient(energy, W, depth, BETA),
            entropy.free_energy_hessian(energy, W, depth, BETA, Z),
        )

    for depth in (2, 9, math.inf):
        together = everything(depth, W, Z)
        for index in np.ndindex(2, 3):
            for stack, one in zip(together, everything(depth, W[index], Z[index]), strict=True):
                assert_allclose(stack[index], one, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy.free_energy(energies.Quadratic(np.eye(2)), np.eye(2), 2, 0), "beta"),
        (lambda: entropy.free_energy(energies.Quadratic(np.eye(2)), np.eye(2), 2, -1), "beta"),
        (
            lambda: entropy.free_energy(
                energies.Quadratic(np.eye(2)), np.eye(2), math.inf, 1, weight_decay=0.1
            ),
            "no limit",
        ),
        (
            lambda: entropy.free_energy_gradient(
                energies.Quadratic(np.eye(2)), np.eye(2), 2, 1, riemannian=False, rank=1
            ),
            "full rank",
        ),
        (
            lambda: entropy.free_energy_hessian(
                energies.Quadratic(np.eye(2)), np.eye(2), 2, 1, np.eye(2), rank=1
            ),
            "full rank",
        ),
        (
            lambda: entropy.free_energy_hessian(
                energies.Quadratic(np.eye(2)), np.eye(2), 2, 1, np.eye(3)
            ),
            "Z must have shape",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
