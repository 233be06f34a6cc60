"""Entropy of the fibre, against golden values, mpmath and finite differences."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from dlngeo import entropy, metric, weights
from golden import golden_cases, tolerance

# ------------------------------------------------------------------------------------- volumes


def test_volumes_are_golden(golden_geometry):
    for name, value in golden_geometry["constants"].items():
        if name.startswith("c_"):
            ours = entropy.orthogonal_group_log_volume(int(name[2]))
        else:
            r, d = (int(c) for c in name.removeprefix("vol_F(St(").rstrip(")").split(","))
            ours = entropy.stiefel_log_volume(r, d)
        assert_allclose(math.exp(ours), float(value), rtol=1e-13)


def test_frames_fibre_over_spheres():
    # St(r, d) over S^{d-1} with fibre St(r-1, d-1), each new angle of Frobenius length √2 shared
    for d in range(2, 7):
        for r in range(2, d + 1):
            sphere = entropy.stiefel_log_volume(1, d)
            fibre = entropy.stiefel_log_volume(r - 1, d - 1)
            whole = sphere + fibre + (r - 1) / 2 * math.log(2)
            assert_allclose(entropy.stiefel_log_volume(r, d), whole, rtol=1e-13)


# ------------------------------------------------------------------------------------- entropy


def test_entropy_and_gradient_are_golden(golden_geometry):
    for name, W, _, rank, depth, values in golden_cases(golden_geometry):
        tol = tolerance(name, depth)
        exact = float(values["S0"] if math.isinf(depth) else values["S"])
        assert_allclose(entropy.boltzmann(W, depth, rank=rank), exact, rtol=tol, atol=tol)
        slope = np.array(values["gradS"], dtype=float)
        got = entropy.gradient(W, depth, rank=rank)
        assert_allclose(got, slope, rtol=0, atol=tol * max(1.0, np.abs(slope).max()))


def test_printed_form_of_14_11_differs(golden_geometry):
    # printed without the factor 1/2
    W = np.array(golden_geometry["cases"]["d2_generic"]["W"], dtype=float)
    s = np.linalg.svd(W, compute_uv=False)
    printed = np.log((s[0] ** 2 - s[1] ** 2) / (2 * np.log(s[0] / s[1])))
    ours = entropy.boltzmann(W, math.inf)
    assert_allclose(printed, 2 * ours, rtol=1e-13)
    assert abs(ours) > 0.01


def test_whole_orbit_by_quadrature():
    # d = 2, N = 2: the fibre is W_1 = Q Λ Q_0ᵀ, Q over both components of O_2. Its length, summed
    # over a fine polygon of angles, is vol(O_W).
    W = np.array([[1.25, -0.5], [0.375, 0.75]])
    U, sigma, Vt = np.linalg.svd(W)
    lam = np.sqrt(sigma)
    t = np.linspace(0, 2 * np.pi, 20_001)
    turn = np.stack([np.cos(t), -np.sin(t), np.sin(t), np.cos(t)], axis=-1).reshape(-1, 2, 2)
    length = 0.0
    for flip in (np.eye(2), np.diag([1.0, -1.0])):
        Q = turn @ flip
        W_1, W_2 = (Q * lam) @ Vt, (U * lam) @ np.swapaxes(Q, -1, -2)
        steps = [np.diff(W_p, axis=0) for W_p in (W_1, W_2)]
        length += np.sqrt(sum((step**2).sum(axis=(1, 2)) for step in steps)).sum()
    assert_allclose(np.exp(entropy.boltzmann(W, 2)), length, rtol=1e-7)


@pytest.mark.parametrize(("r", "widths"), [(1, (2, 3, 2)), (2, (3, 4, 5, 3)), (3, (3, 5, 3))])
def test_hidden_widths_by_gram_determinant(rng, r, widths):
    # Local density: differentials of Q_p -> (W_1, ..., W_N) over an orthonormal basis of each
    # T St(r, d_p), p = 1 .. N-1, must have the Gram determinant of exp(S) / Π vol(St(r, d_p)).
    lam = np.array([1.3, 0.8, 0.5])[:r]
    frames = [weights.haar_frame(d, r, rng) for d in widths]
    columns = []
    for p in range(1, len(widths) - 1):
        for tangent in stiefel_tangents(frames[p]):
            layers = [np.zeros((b, a)) for a, b in itertools.pairwise(widths)]
            layers[p - 1] = (tangent * lam) @ frames[p - 1].T
            layers[p] = (frames[p + 1] * lam) @ tangent.T
            columns.append(np.concatenate([W.ravel() for W in layers]))
    density = 0.5 * np.linalg.slogdet(np.array(columns) @ np.array(columns).T)[1]
    depth = len(widths) - 1
    W = (frames[-1] * lam**depth) @ frames[0].T
    volumes = sum(entropy.stiefel_log_volume(r, d) for d in widths[1:-1])
    ours = entropy.boltzmann(W, depth, rank=r, widths=widths) - volumes
    assert_allclose(ours, density, rtol=1e-11, atol=1e-12)


def stiefel_tangents(Q):
    """A Frobenius-orthonormal basis of T_Q St(r, d), from unit rotations of columns."""
    d, r = Q.shape
    full = np.linalg.qr(np.hstack((Q, np.eye(d))))[0][:, :d]
    full[:, :r] = Q
    for k in range(r):
        for l in range(k + 1, r):  # noqa: E741
            T = np.zeros((d, r))
            T[:, k], T[:, l] = Q[:, l], -Q[:, k]
            yield T / np.sqrt(2)
        for j in range(r, d):
            T = np.zeros((d, r))
            T[:, k] = full[:, j]
            yield T


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 7, 40, math.inf])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_gradient_is_that_of_the_entropy(rng, d, depth):
    # 𝒜 of the Euclidean gradient, by central differences
    W, h = rng.standard_normal((d, d)) + 2 * np.eye(d), 1e-5
    slope = np.zeros((d, d))
    for index in np.ndindex(d, d):
        step = np.zeros((d, d))
        step[index] = h
        above, below = (entropy.boltzmann(W + s * step, depth) for s in (1, -1))
        slope[index] = (above - below) / (2 * h)
    exact = metric.apply(W, slope, depth)
    assert_allclose(entropy.gradient(W, depth), exact, atol=1e-8 * (1 + np.abs(exact).max()))


def force_50_digits(a, b, depth):
    """N a^{3N-2} ... of (12.8) as printed, for one pair, at 400 digits."""
    with mpmath.workdps(400):
        a, b = mpmath.mpf(a), mpmath.mpf(b)
        N = mpmath.mpf(depth)
        la, lb = a ** (1 / N), b ** (1 / N)
        whole = N * la ** (2 * N - 1) / (la ** (2 * N) - lb ** (2 * N)) - la / (la**2 - lb**2)
        return float(whole * la ** (N - 1))


@settings(deadline=None, max_examples=60)
@given(
    gap=st.floats(-300, 0),
    depth=st.sampled_from([2, 3, 5, 8, 9, 100]),
    swap=st.booleans(),
)
def test_force_has_no_cancellation_at_any_gap(gap, depth, swap):
    a = 1.7
    b = a * (1 - 10.0**gap) if gap < -1e-3 else 10.0 ** (300 * gap) * 1e-3
    if a == b:  # coincide in floating point: the limit (N-1)/2 · a^{1-2/N}
        exact = (depth - 1) / 2 * a ** (1 - 2 / depth)
    else:
        exact = force_50_digits(*((b, a) if swap else (a, b)), depth)
    W = np.diag([b, a] if swap else [a, b])
    assert_allclose(entropy.gradient(W, depth)[0, 0], exact, rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(gap=st.floats(-300, 0), depth=st.sampled_from([2, 3, 5, 8.5, 100, math.inf]))
def test_entropy_is_continuous_through_coincidence(gap, depth):
    a = 1.7
    b = a * (1 - min(10.0**gap, 1e-9))
    together = entropy.boltzmann(a * np.eye(2), depth)
    assert_allclose(entropy.boltzmann(np.diag([a, b]), depth), together, atol=1e-7)
    gradients = [entropy.gradient(np.diag(pair), depth) for pair in ([a, b], [a, a])]
    assert_allclose(*gradients, rtol=1e-6)


@pytest.mark.parametrize("depth", [2, 3, math.inf])
def test_frames_turn_the_gradient_and_leave_the_entropy(rng, depth):
    W = rng.standard_normal((4, 4))
    U, V = (weights.haar_frame(4, 4, rng) for _ in range(2))
    turned = U @ W @ V.T
    assert_allclose(entropy.boltzmann(turned, depth), entropy.boltzmann(W, depth), rtol=1e-12)
    there = entropy.gradient(turned, depth)
    assert_allclose(there, U @ entropy.gradient(W, depth) @ V.T, atol=1e-11 * np.abs(there).max())


def test_depth_one_has_one_point_in_each_fibre(rng):
    W = rng.standard_normal((3, 3))
    assert entropy.boltzmann(W, 1) == 0
    assert_allclose(entropy.gradient(W, 1), 0, atol=1e-14)


def test_infinite_depth_is_the_limit(rng):
    # S_N (no constant) - d(d-1)/4 log N -> S_inf, grad S_N / N -> grad S_inf; O(1/N)
    W = rng.standard_normal((3, 3)) + 2 * np.eye(3)
    gaps, slopes = [], []
    for depth in (1e3, 2e3, 4e3):
        constant = (depth - 1) * entropy.orthogonal_group_log_volume(3)
        rescaled = entropy.boltzmann(W, depth) - constant - 3 * 2 / 4 * math.log(depth)
        gaps.append(abs(rescaled - entropy.boltzmann(W, math.inf)))
        slope = entropy.gradient(W, depth) / depth
        slopes.append(np.abs(slope - entropy.gradient(W, math.inf)).max())
    assert_allclose(slopes[:-1], 2 * np.array(slopes[1:]), rtol=0.05)
    assert gaps[2] < 0.6 * gaps[1] < 0.36 * gaps[0] + 1e-8


def test_stacks_are_loops(rng):
    W = rng.standard_normal((2, 3, 4, 4))
    for depth in (2, 9, math.inf):
        together = (
            entropy.boltzmann(W, depth),
            entropy.gradient(W, depth),
            metric.log_volume_density(W, depth),
        )
        for index in np.ndindex(2, 3):
            alone = (
                entropy.boltzmann(W[index], depth),
                entropy.gradient(W[index], depth),
                metric.log_volume_density(W[index], depth),
            )
            for stack, one in zip(together, alone, strict=True):
                assert_allclose(stack[index], one, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy.stiefel_log_volume(3, 2), "at most d"),
        (lambda: entropy.orthogonal_group_log_volume(0), "d must be"),
        (lambda: entropy.boltzmann(np.ones((2, 3)), 2), "pass widths="),
        (lambda: entropy.boltzmann(np.eye(2), 0.5), "depth must be"),
        (lambda: entropy.boltzmann(np.eye(2), 3, widths=(2, 2, 2)), "do not fit depth"),
        (lambda: entropy.gradient(np.full((2, 2), np.nan), 2), "finite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ------------------------------------------------------------------------------ volume of g^N


def test_volume_density_is_golden(golden_geometry):
    for name, W, _, rank, depth, values in golden_cases(golden_geometry):
        if rank is None and "detA_pow_mhalf" in values:
            exact = float(values["detA_pow_mhalf"])
            tol = 1e-12 if "small_sv" not in name else 1e-6  # σ_2 is known to 1e-8 there
            ours = metric.log_volume_density(W, depth)
            assert_allclose(ours, math.log(exact), rtol=tol, atol=tol)


@pytest.mark.parametrize(("shape", "rank"), [((3, 3), 2), ((4, 3), 2), ((3, 5), None)])
def test_volume_density_on_a_stratum_is_a_determinant(rng, shape, rank):
    # 𝒜 as a matrix on all of R^{m x n}: the product of its non-zero eigenvalues
    m, n = shape
    r = rank or min(shape)
    W = rng.standard_normal((m, r)) @ rng.standard_normal((r, n))
    basis = np.eye(m * n).reshape(-1, m, n)
    A = metric.apply(W, basis, 3, rank=rank).reshape(m * n, -1)
    eigenvalues = np.sort(np.linalg.eigvalsh((A + A.T) / 2))[-r * (m + n - r) :]
    ours = metric.log_volume_density(W, 3, rank=rank)
    assert_allclose(ours, -0.5 * np.log(eigenvalues).sum(), rtol=1e-9)


def test_volume_is_infinite_where_spaces_freeze():
    with pytest.warns(metric.FrozenSpaceWarning):
        assert metric.log_volume_density(np.ones((2, 3)), math.inf, rank=1) == math.inf


# --------------------------------------------------------------------- zero singular values


def test_depth_one_has_no_force_at_rank_deficiency():
    D = np.diag([1.0, 0.0])
    assert_allclose(entropy.gradient(D, 1), 0, atol=0)


@pytest.mark.parametrize(("depth", "sigma"), [(1.5, [1.0, 0.0]), (2, [0.0, 0.0])])
def test_no_gradient_where_it_has_no_limit(depth, sigma):
    with pytest.raises(np.linalg.LinAlgError, match="no gradient at a matrix with"):
        entropy.gradient(np.diag(sigma), depth)


@pytest.mark.parametrize("depth", [2, 3, 9, math.inf])
def test_gradient_is_continuous_at_one_zero(depth):
    at, near = (entropy.gradient(np.diag([1.0, x]), depth) for x in (0.0, 1e-200))
    assert_allclose(at[0, 0], near[0, 0], rtol=1e-2 if math.isinf(depth) else 1e-12)
    assert_allclose(at[1, 1], 0, atol=1e-14)


def test_entropy_at_infinite_depth_is_minus_infinity_at_rank_deficiency():
    D = np.diag([1.0, 0.0])
    assert entropy.boltzmann(D, math.inf) == -math.inf


@pytest.mark.parametrize("depth", [1.5, 2, 3, math.inf])
@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e154, 1e300])
def test_entropy_and_volume_at_any_size(depth, scale):
    """S and the volume form of cW against those of W: K is homogeneous of degree 2 - 2/N."""
    B, power = np.array([[1.0, 2.0], [3.0, 4.0]]), 2 - 2 / depth
    shift = power * math.log(scale)
    assert entropy.boltzmann(scale * B, depth) == pytest.approx(
        float(entropy.boltzmann(B, depth)) + 0.5 * shift, rel=1e-13
    )
    assert metric.log_volume_density(scale * B, depth) == pytest.approx(
        float(metric.log_volume_density(B, depth)) - 2 * shift, rel=1e-13
    )


def test_what_overflows_is_refused():
    B = 1e150 * np.array([[1.0, 2.0], [3.0, 4.0]])
    for depth in (2.5, 3, math.inf):
        with pytest.raises(np.linalg.LinAlgError, match="exceeds the range"):
            metric.apply(B, B, depth)
