"""Two-layer closed forms against golden values, the integrator, and mpmath's matrix exponential."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from dlngeo import exact, flows
from dlngeo.energies import Quadratic

TIGHT = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-15, "gtol": 0.0}
EPS = np.finfo(float).eps


# ------------------------------------------------------------------------------ a single node


def riccati_500(t, w, sigma):
    """(62) through the linear equations that the Riccati equation of (w_1 ± w_2)² comes from."""
    with mpmath.workdps(500):
        w1, w2, s, t = (mpmath.mpf(float(x)) for x in (*w, sigma, t))
        p, q = w1 + w2, w1 - w2
        c2 = (p * q) ** 2
        kappa = mpmath.sqrt(s * s + c2 / 4)
        cosh, sinh = mpmath.cosh(kappa * t), (mpmath.sinh(kappa * t) / kappa if kappa else t)
        ends = []
        for x, g in ((p, s), (q, -s)):  # X = x²: X' = 2gX - X²/2 + c²/2
            top = x * x * (cosh + g * sinh) + c2 / 2 * sinh
            ends.append(mpmath.sign(x) * mpmath.sqrt(top / (cosh + (x * x / 2 - g) * sinh)))
        return float((ends[0] + ends[1]) / 2), float((ends[0] - ends[1]) / 2)


def test_golden_values_of_62(golden_flow):
    for case in golden_flow["eq62"]["cases"]:
        w, sigma = np.array(case["w0"], dtype=float), float(case["sigma"])
        table = np.array(case["t_w1_w2"], dtype=float)
        found = exact.single_node(table[:, 0], w, sigma)
        np.testing.assert_allclose(found, table[:, 1:], rtol=0, atol=4 * EPS * np.abs(table).max())
        limit = exact.single_node(np.inf, w, sigma)
        np.testing.assert_allclose(limit, np.array(case["w_e"], dtype=float), rtol=4 * EPS)


STARTS = [(2.0, -1.9), (0.3, 0.2), (1.0, -1.0), (1.0, 1.0), (1.0, 0.0), (-0.5, 0.1), (0.0, 0.0)]


@pytest.mark.parametrize("sigma", [1.5, 0.0, -0.7])
def test_single_node_against_the_integrator(sigma):
    t, w = np.array([0.0, 0.5, 2.0, 5.0]), np.array(STARTS)
    layers = (w[:, 0, None, None], w[:, 1, None, None])
    run = flows.gradient_flow(Quadratic([[sigma]]), layers, (0, 5), t_eval=t, **TIGHT)
    found = exact.single_node(t[:, None], w, sigma)
    # Rounding sends the integrator off the stable manifold: there it is good for short times.
    want = np.stack([W[..., 0, 0] for W in run.weights], axis=-1)
    np.testing.assert_allclose(found, want, rtol=0, atol=2e-12)


tiny = st.floats(1e-100, 1e-6)
large = st.floats(1e-6, 3)
numbers = st.one_of(st.just(0.0), tiny, large, tiny.map(np.negative), large.map(np.negative))


@settings(max_examples=200)
@given(w1=numbers, w2=numbers, sigma=numbers, t=st.one_of(numbers.map(abs), st.floats(0, 60)))
def test_single_node_against_500_digits(w1, w2, sigma, t):
    found = exact.single_node(t, (w1, w2), sigma)
    want = riccati_500(t, (w1, w2), sigma)
    # A rounding error of w_1 + w_2, or of the sum that is conserved, moves what comes of it by as
    # much relative to itself: the errors are relative to the larger of w(0) and w(t).
    size = max(abs(w1), abs(w2), *map(abs, want))
    np.testing.assert_allclose(found, want, rtol=0, atol=(8 + 8 * abs(sigma * t)) * EPS * size)


@pytest.mark.parametrize("sigma", [1.0, 0.0, -1.0, 1e-200, 1e200])
def test_single_node_at_extremes(sigma):
    sizes = np.array([0.0, 1e-200, 1e-100, 1e-8, 1.0, 1e100, 1e150])
    w = np.stack(np.meshgrid(sizes, [*-sizes, *sizes], indexing="ij"), axis=-1)
    t = np.array([0.0, 1e-300, 1.0, 1e10, 1e300, np.inf])[:, None, None]
    path = exact.single_node(t, w, sigma)
    assert np.isfinite(path).all()
    error = np.abs(path[0] - w).max(axis=-1)
    assert (error <= 2 * EPS * np.abs(w).max(axis=-1)).all()
    bound = 2 * np.maximum(np.abs(w).max(axis=-1), abs(sigma) ** 0.5)
    assert (np.abs(path) <= bound[..., None]).all()


def test_misprint_64_has_the_sign_of_the_sum():
    """w_e as printed is always positive; w_1 + w_2 keeps its sign."""
    w, sigma = np.array([[-0.3, 0.2], [0.3, -0.2]]), 2.0
    c = w[:, 0] ** 2 - w[:, 1] ** 2
    printed = np.sqrt((c + np.sqrt(c**2 + 4 * sigma**2)) / 2)
    limit = exact.single_node(np.inf, w, sigma)
    np.testing.assert_allclose(limit[:, 0], [-printed[0], printed[1]], rtol=1e-15)
    np.testing.assert_allclose(limit.prod(axis=-1), sigma, rtol=1e-15)


def test_the_stable_manifold_is_never_left():
    t = np.array([0.0, 1.0, 50.0, 1e6, np.inf])
    path = exact.single_node(t, (1.0, -1.0), 1.0)
    np.testing.assert_array_equal(path[:, 0], -path[:, 1])
    want = np.exp(-t) / np.sqrt(2 - np.exp(-2 * t))  # w' = -w (1 + w²)
    np.testing.assert_allclose(path[:, 0], want, rtol=4 * EPS)


# -------------------------------------------------------------------------------- two layers


def start(n, hidden, m, lam, rng, scale=0.4):
    """W_1 random and W_2 with W_2ᵀW_2 = W_1W_1ᵀ + λ, for hidden <= m."""
    W_1 = scale * rng.standard_normal((hidden, n))
    values, V = np.linalg.eigh(W_1 @ W_1.T + lam * np.eye(hidden))
    frame = np.linalg.qr(rng.standard_normal((m, m)))[0][:, :hidden]
    return W_1, frame @ (np.sqrt(np.maximum(values, 0))[:, None] * V.T)


CASES = [
    *[(3, 2, 4, 0.0), (4, 3, 3, 0.5), (5, 1, 2, 0.3), (2, 2, 3, 1.0), (1, 1, 1, 0.0)],
    *[(2, 3, 3, 0.7), (2, 3, 4, 0.0), (6, 2, 2, 0.0)],
]


def invariants(W_1, W_2):
    return W_2 @ W_1, W_1.mT @ W_1, W_2 @ W_2.mT


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("n", "hidden", "m", "lam"), CASES)
def test_two_layer_against_the_integrator(n, hidden, m, lam, transposed, rng):
    W_1, W_2 = start(n, hidden, m, lam, rng)
    Phi = rng.standard_normal((m, n))
    if transposed:
        W_1, W_2, Phi = W_2.T, W_1.T, Phi.T
    t = np.array([0.0, 1e-3, 0.1, 1.0, 4.0])
    run = flows.gradient_flow(Quadratic(Phi), (W_1, W_2), (0, 4), t_eval=t, **TIGHT)
    found = exact.two_layer(t, (W_1, W_2), Phi)
    assert found[0].shape == run.weights[0].shape and found[1].shape == run.weights[1].shape
    for x, y in zip(invariants(*found), invariants(*run.weights), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=3e-12)


@pytest.mark.parametrize(("n", "hidden", "m", "lam"), CASES)
def test_two_layer_is_its_symmetric_root(n, hidden, m, lam, rng):
    # e^{Ft} R (1 + Rᵀ ∫ e^{2Fs} ds R)^{-1/2}, by quadrature; the start at t = 0
    layers, Phi = start(n, hidden, m, lam, rng), rng.standard_normal((m, n))
    R = np.concatenate([layers[0].T, layers[1]])
    F = np.zeros((n + m, n + m))
    F[n:, :n], F[:n, n:] = Phi, Phi.T
    F += lam / 2 * np.diag(np.repeat([-1.0, 1.0], [n, m]))
    for W, want in zip(exact.two_layer(0.0, layers, Phi), layers, strict=True):
        np.testing.assert_allclose(W, want, rtol=0, atol=1e-14)
    x, w = np.polynomial.legendre.leggauss(40)
    for t in (1e-6, 0.3, 2.0):
        spent = sum(b * expm(2 * F * (t / 2 * (1 + a))) for a, b in zip(x, w, strict=True)) * t / 2
        M, V = np.linalg.eigh(np.eye(hidden) + R.T @ spent @ R)
        want = expm(F * t) @ R @ (V / np.sqrt(M)) @ V.T
        A, B = exact.two_layer(t, layers, Phi)
        np.testing.assert_allclose(np.concatenate([A.T, B]), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "hidden", "m", "lam"), CASES)
def test_two_layer_begins_with_the_velocity_of_the_weights(n, hidden, m, lam, rng):
    layers, Phi = start(n, hidden, m, lam, rng), rng.standard_normal((m, n))
    h = 1e-5
    near = exact.two_layer([h, 2 * h], layers, Phi)
    residual = Phi - layers[1] @ layers[0]
    velocities = (layers[1].T @ residual, residual @ layers[0].T)
    for W, first, velocity in zip(near, layers, velocities, strict=True):
        slope = (4 * W[0] - W[1] - 3 * first) / (2 * h)
        np.testing.assert_allclose(slope, velocity, rtol=0, atol=1e-7)


def riccati_matrix(t, W_1, W_2, Phi, lam):
    """RRᵀ(t) from the linear Hamiltonian system of 2k equations, in 300 digits."""
    m, n = Phi.shape
    with mpmath.workdps(300):
        R = mpmath.matrix(np.concatenate([W_1.T, W_2]).tolist())
        H = mpmath.zeros(2 * (n + m))
        for i in range(n + m):
            H[i, i] = (-lam if i < n else lam) / mpmath.mpf(2)
            H[n + m + i, n + m + i] = -H[i, i]
            H[n + m + i, i] = mpmath.mpf(1)
        for i, j in np.ndindex(m, n):
            H[n + i, j] = H[j, n + i] = mpmath.mpf(float(Phi[i, j]))
            H[n + m + n + i, n + m + j] = H[n + m + j, n + m + n + i] = -H[n + i, j]
        flow = mpmath.expm(H * t)
        state = mpmath.zeros(2 * (n + m), n + m)
        S = R * R.T
        for i, j in np.ndindex(n + m, n + m):
            state[i, j] = S[i, j]
        for i in range(n + m):
            state[n + m + i, i] = mpmath.mpf(1)
        state = flow * state  # (Y, Z): S = Y Z⁻¹
        S = state[: n + m, :] * state[n + m :, :] ** -1
        return np.array(S.tolist(), dtype=float)


@pytest.mark.parametrize("t", [0.5, 8.0, 60.0])
def test_two_layer_against_300_digits(t):
    """Modes that grow by e^{10 t} and e^t, one after the other, from a tiny start."""
    rng = np.random.default_rng(3)
    W_1 = np.ldexp(np.round(16 * rng.standard_normal((2, 3))), -20)
    W_2, lam = W_1.T[:, ::-1] @ np.array([[0.0, 1.0], [1.0, 0.0]]), 0.0  # W_2 = W_1ᵀ: balanced
    Phi = np.diag([10.0, 1.0, 0.125])
    A, B = exact.two_layer(t, (W_1, W_2), Phi)
    R = np.concatenate([A.T, B])
    want = riccati_matrix(t, W_1, W_2, Phi, lam)
    # F t is known to eps ‖F t‖, so growing modes are known to as much.
    np.testing.assert_allclose(R @ R.T, want, rtol=0, atol=50 * EPS * (1 + t) * np.abs(want).max())


@pytest.mark.parametrize(("n", "hidden", "m", "lam"), CASES)
def test_two_layer_ends_at_the_best_fit_of_its_rank(n, hidden, m, lam, rng):
    W_1, W_2 = start(n, hidden, m, lam, rng)
    Phi = rng.standard_normal((m, n))
    U, s, Vt = np.linalg.svd(Phi, full_matrices=False)
    A, B = exact.two_layer([1e4, 1e8, 1e12], (W_1, W_2), Phi)
    best = (U[:, :hidden] * s[:hidden]) @ Vt[:hidden]
    np.testing.assert_allclose(B @ A, np.broadcast_to(best, (3, m, n)), atol=2e-14)
    gap = B.mT @ B - A @ A.mT
    np.testing.assert_allclose(gap, np.broadcast_to(lam * np.eye(hidden), gap.shape), atol=2e-14)


def test_two_layer_with_equal_and_zero_singular_values(rng):
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    for values in ([2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 0.0, 0.0], [0.0] * 4):
        W_1, W_2 = start(4, 3, 4, 0.0, rng)
        Phi = Q @ np.diag(values)
        t = np.array([0.0, 0.3, 3.0])
        run = flows.gradient_flow(Quadratic(Phi), (W_1, W_2), (0, 3), t_eval=t, **TIGHT)
        found = exact.two_layer(t, (W_1, W_2), Phi)
        for x, y in zip(invariants(*found), invariants(*run.weights), strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=3e-12)


def test_two_layer_of_one_node_is_the_single_node():
    t, w = np.array([0.0, 0.5, 2.0, 1e5]), np.array(STARTS)
    layers = (w[:, 0, None, None], w[:, 1, None, None])
    A, B = exact.two_layer(t, layers, [[1.5]])
    want = exact.single_node(t[:, None], w, 1.5)
    off = np.abs(w.sum(axis=-1)) > 0  # on the stable manifold rounding decides after a while
    product = (B @ A)[..., 0, 0]
    np.testing.assert_allclose(product[:, off], want.prod(axis=-1)[:, off], atol=1e-14)


def test_a_stack_of_networks_and_targets_equals_a_loop(rng):
    nets = [start(3, 2, 4, lam, rng) for lam in (0.0, 0.2, 0.9)]
    Phi = rng.standard_normal((3, 4, 3))
    t = rng.uniform(0, 3, (2, 5))
    A, B = exact.two_layer(t, tuple(np.stack(W) for W in zip(*nets, strict=True)), Phi)
    assert A.shape == (2, 5, 3, 2, 3) and B.shape == (2, 5, 3, 4, 2)
    for k, net in enumerate(nets):
        one = exact.two_layer(t[1, 2], net, Phi[k])
        for x, y in zip(invariants(A[1, 2, k], B[1, 2, k]), invariants(*one), strict=True):
            np.testing.assert_allclose(x, y, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda: exact.single_node(1.0, [1.0, 2, 3], 1.0),
            ValueError,
            r"w must have shape \(\.\.\., 2\)",
        ),
        (lambda: exact.single_node(-1.0, [1.0, 2], 1.0), ValueError, "t must be >= 0"),
        (lambda: exact.single_node(1.0, [1.0, np.nan], 1.0), ValueError, "w must be finite"),
        (lambda: exact.two_layer(1.0, (np.eye(2),) * 3, np.eye(2)), ValueError, "two layers"),
        (lambda: exact.two_layer(1.0, (np.eye(2),) * 2, np.eye(3)), ValueError, "target must have"),
        (lambda: exact.two_layer(np.inf, (np.eye(2),) * 2, np.eye(2)), ValueError, "finite"),
        (
            lambda: exact.two_layer(1.0, (np.diag([1.0, 2]), np.eye(2)), np.eye(2)),
            ValueError,
            "a multiple of the identity; they are off by 2.12",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
