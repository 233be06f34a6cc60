"""Lyapunov exponents of SGD against golden values, exact averages, and nonlinear SGD."""

import itertools

import mpmath
import numpy as np
import pytest

from dlngeo import stability as sgd
from dlngeo import weights

PAIR = np.array([[1.0, 0.3], [0.3, 1.0]])


def kernel_of(rng, n, features):
    G = rng.standard_normal((n, features))
    return G @ G.T


# ------------------------------------------------------------------------------ one direction


def test_golden_exponents_and_threshold(golden_flow):
    golden = golden_flow["edge_of_stability"]
    kappa = 4.25 * np.array([1.0, 4.0])
    for eta, value in golden["lyapunov(eta)=mean ln|1-eta x^2 q|"].items():
        found = sgd.commuting_exponent(kappa, float(eta))
        np.testing.assert_allclose(found, float(value), rtol=1e-14)
    zero = float(golden["eta_SGD_zero_of_lyapunov_above_threshold"])
    np.testing.assert_allclose(sgd.critical_steps(kappa), [zero], rtol=1e-15)
    multipliers = golden["GD_multiplier(eta)=1-eta*sharpness"]
    for eta, value in multipliers.items():
        found = sgd.commuting_exponent(kappa, float(eta), batch=2)
        np.testing.assert_allclose(found, np.log(abs(float(value))), rtol=1e-13)


def test_nonlinear_sgd_follows_the_exponent():
    """SGD itself, from a residual of 10^-400, in 600 digits."""
    rng = np.random.default_rng(5)
    eta, x = 0.2, (1, 2)
    steps = rng.integers(2, size=300)
    with mpmath.workdps(600):
        w1, w2 = mpmath.mpf(2), (1 + mpmath.mpf(10) ** -400) / 2
        start = abs(1 - w1 * w2)
        e = mpmath.mpf(eta)
        for i in steps:
            pull = e * x[i] ** 2 * (1 - w1 * w2)
            w1, w2 = w1 + pull * w2, w2 + pull * w1
        rate = float(mpmath.log(abs(1 - w1 * w2) / start)) / len(steps)
    share = steps.mean()
    want = [sgd.commuting_exponent([4.25 * xi**2], eta) for xi in x]
    np.testing.assert_allclose(rate, (1 - share) * want[0] + share * want[1], rtol=1e-13)


def test_commuting_exponent_averages_over_all_batches(rng):
    kappa, eta = rng.uniform(0.1, 4, 6), rng.uniform(0.1, 2, (3, 2))
    for batch in (1, 2, 5, 6):
        want = np.zeros((3, 2))
        batches = list(itertools.combinations(kappa, batch))
        for chosen in batches:
            want += np.log(abs(1 - eta * np.mean(chosen))) / len(batches)
        np.testing.assert_allclose(sgd.commuting_exponent(kappa, eta, batch=batch), want)
    assert sgd.commuting_exponent([1.0, 2.0], 0.5) == -np.inf


@pytest.mark.parametrize("kappa", [[1.0, 4.0], [1.0, 20.0, 400.0], [3.0], [0.0, 2.0], [5.0, 5.0]])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_critical_steps_are_all_changes_of_sign(kappa, scale):
    kappa = np.array(kappa)
    found = sgd.critical_steps(kappa * scale) * scale
    eta = np.geomspace(1e-4, 1e4, 400_001)
    stable = sgd.commuting_exponent(kappa, eta) < 0
    changes = np.flatnonzero(np.diff(stable))
    assert stable[0] and not stable[-1] and len(changes) == len(found)
    assert (eta[changes] <= found * (1 + 1e-12)).all()
    assert (found * (1 - 1e-12) <= eta[changes + 1]).all()


def test_critical_step_of_full_batches_is_the_edge():
    kappa = np.array([0.3, 1.1, 2.5, 0.0])
    np.testing.assert_allclose(sgd.critical_steps(kappa, batch=4), [2 / kappa.mean()], rtol=1e-15)


# -------------------------------------------------------------------------- the tangent kernel


@pytest.mark.parametrize("widths", [(3, 2), (3, 4, 2), (2, 3, 1, 4)], ids=str)
def test_tangent_kernel_from_exact_derivatives(widths, rng):
    layers = weights.random(widths, 1.0, rng=rng, size=(2,))
    X = rng.standard_normal((widths[0], 5))
    vector = weights.to_vector(layers)
    # The outputs are affine in each single entry, so a difference with step 1 is the derivative.
    jacobian = np.stack(
        [
            (weights.end_to_end(weights.from_vector(vector + e, widths)) @ X)
            - weights.end_to_end(layers) @ X
            for e in np.eye(vector.shape[-1])
        ],
        axis=-1,
    )  # (2, outputs, samples, parameters)
    rows = jacobian.swapaxes(1, 2).reshape(2, 5 * widths[-1], -1)
    np.testing.assert_allclose(sgd.tangent_kernel(layers, X), rows @ rows.mT, atol=1e-12)


# ---------------------------------------------------------------------------- random products


def residual_products(kernel, eta, n, batch, n_steps, n_chains, rng):
    """Growth rates of residuals, by multiplication with 1 - (η/b) K Σ e_i e_iᵀ itself."""
    size = len(kernel)
    m = size // n
    # Residuals that the parameters can move: those of the range of K. Rounding leaves the range,
    # and stays outside for ever.
    into_range = kernel @ np.linalg.pinv(kernel, rcond=1e-10)
    e = rng.standard_normal((n_chains, size)) @ into_range.T
    total = np.zeros(n_chains)
    for k in range(n_steps + n_steps // 10):
        if k == n_steps // 10:
            total[:] = 0
        for c in range(n_chains):
            chosen = rng.choice(n, batch, replace=False)
            mask = np.isin(np.arange(size) // m, chosen)
            e[c] = into_range @ (e[c] - eta / batch * kernel @ (e[c] * mask))
            norm = np.linalg.norm(e[c])
            e[c] /= norm
            total[c] += np.log(norm)
    rates = total / n_steps
    return rates.mean(), rates.std(ddof=1) / np.sqrt(n_chains)


@pytest.mark.parametrize(
    ("n", "outputs", "batch", "features"), [(2, 1, 1, 2), (4, 1, 2, 3), (3, 2, 1, 9), (3, 2, 2, 4)]
)
def test_top_exponent_by_products_of_residuals(n, outputs, batch, features):
    rng = np.random.default_rng(n + batch)
    K = kernel_of(rng, n * outputs, features)
    eta = 2.2 * n / np.linalg.eigvalsh(K)[-1]
    want, error = residual_products(K, eta, n, batch, 700, 12, rng)
    found = sgd.lyapunov(K, eta, outputs=outputs, batch=batch, n_steps=1500, rng=rng)
    slack = 5 * np.hypot(error, found.standard_errors[0])
    assert abs(found.exponents[0] - want) < slack < 0.2


def test_golden_random_products(golden_flow):
    golden = golden_flow["edge_of_stability"]
    table = golden["noncommuting_MC_top_exponent_K_1_0p3"]
    steps = [float(eta) for eta in table]
    found = sgd.lyapunov(PAIR, steps, n_steps=3000, n_chains=100, rng=2)
    for k, value in enumerate(table.values()):
        if "+-" in value:
            want, error = map(float, value.split("+-"))
        else:
            want, error = float(value.split()[0]), 0.0
        want_error = max(error, 5e-5)  # printed to four digits
        slack = 5 * np.hypot(found.standard_errors[k, 0], want_error)
        assert abs(found.exponents[k, 0] - want) < slack < 0.02
    exact = golden["noncommuting_2_samples"]["special eta=1/K_11=1/K_22"]
    np.testing.assert_allclose(float(exact.split(": ")[1]), 0.5 * np.log(0.3), rtol=1e-15)


def test_exponents_add_up_to_the_exact_sum():
    rng = np.random.default_rng(11)
    K = kernel_of(rng, 4, 3)
    eta = np.array([0.1, 0.4]) / np.diag(K).mean()
    found = sgd.lyapunov(K, eta, n_exponents=3, n_steps=1500, n_chains=60, rng=rng)
    assert found.exponents.shape == found.standard_errors.shape == (2, 3)
    assert (np.diff(found.exponents, axis=-1) < 0).all()
    total = sgd.sum_of_exponents(K, eta)
    np.testing.assert_allclose(total, np.log(abs(1 - eta[:, None] * np.diag(K))).mean(-1))
    slack = 5 * found.standard_errors.sum(axis=-1)
    assert (np.abs(found.exponents.sum(axis=-1) - total) < slack).all() and slack.max() < 0.05


def test_sum_of_exponents_is_the_mean_log_determinant(rng):
    K = kernel_of(rng, 6, 6)
    for outputs, batch in [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2)]:
        n = 6 // outputs
        logs = []
        for chosen in itertools.combinations(range(n), batch):
            mask = np.isin(np.arange(6) // outputs, chosen)
            step = np.eye(6) - 0.3 / batch * K * mask
            logs.append(np.linalg.slogdet(step)[1])
        found = sgd.sum_of_exponents(K, 0.3, outputs=outputs, batch=batch)
        np.testing.assert_allclose(found, np.mean(logs), rtol=1e-10)


def test_full_batches_are_gradient_descent(rng):
    K = kernel_of(rng, 5, 3)
    eta = np.array([0.2, 1.0])
    found = sgd.lyapunov(K, eta, batch=5, n_exponents=3)
    values = np.linalg.eigvalsh(K)[-3:]
    for k in range(2):
        want = np.sort(np.log(np.abs(1 - eta[k] * values / 5)))[::-1]
        np.testing.assert_allclose(found.exponents[k], want, rtol=1e-10)
    np.testing.assert_array_equal(found.standard_errors, np.zeros((2, 3)))


def test_parallel_gradients_are_exact_and_agree_with_products(rng):
    kappa = np.array([0.5, 1.0, 2.0])
    K = np.sqrt(np.outer(kappa, kappa))
    found = sgd.lyapunov(K, [0.7, 1.3])
    want = sgd.commuting_exponent(kappa, [0.7, 1.3])
    np.testing.assert_allclose(found.exponents[:, 0], want, rtol=1e-13)
    np.testing.assert_array_equal(found.standard_errors, np.zeros((2, 1)))
    product, error = residual_products(K, 1.3, 3, 1, 700, 12, rng)
    assert abs(product - want[1]) < 5 * error < 0.3


def test_all_steps_see_the_same_batches():
    K = kernel_of(np.random.default_rng(0), 5, 4)
    options = {"n_steps": 100, "n_chains": 5, "batch": 2}
    both = sgd.lyapunov(K, [[0.1], [0.2]], rng=3, **options)
    assert both.exponents.shape == (2, 1, 1)
    for k, eta in enumerate((0.1, 0.2)):
        one = sgd.lyapunov(K, eta, rng=3, **options)
        np.testing.assert_allclose(both.exponents[k, 0], one.exponents, rtol=1e-12)
    other = sgd.lyapunov(K, 0.1, rng=4, **options)
    assert abs(other.exponents - both.exponents[0, 0]) > 1e-6


def test_a_step_that_annihilates_is_no_nan():
    """η K_11 = η K_22 = 1: the second exponent is -∞, whatever rounding makes of it."""
    found = sgd.lyapunov(np.eye(2), 1.0, n_steps=50, n_chains=4, rng=0)
    assert not np.isnan(found.exponents).any() and not np.isnan(found.standard_errors).any()
    assert found.exponents[0] < -0.3
    assert sgd.sum_of_exponents(np.eye(2), 1.0) < -30


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: sgd.lyapunov(np.eye(2), 0.0), ValueError, "step must be > 0"),
        (lambda: sgd.lyapunov(np.eye(2), np.inf), ValueError, "step must be finite"),
        (lambda: sgd.lyapunov(np.eye(2), 0.1, batch=3), ValueError, "batch must be at most 2"),
        (lambda: sgd.lyapunov(np.eye(2), 0.1, batch=1.5), TypeError, "batch must be an integer"),
        (lambda: sgd.lyapunov(np.eye(2), 0.1, n_exponents=3), ValueError, "rank 2 of the kernel"),
        (lambda: sgd.lyapunov(np.eye(3), 0.1, outputs=2), ValueError, "one square matrix"),
        (lambda: sgd.lyapunov(np.ones((2, 3)), 0.1), ValueError, "one square matrix"),
        (lambda: sgd.lyapunov([[1.0, 0.1], [0.0, 1]], 0.1), ValueError, "must be symmetric"),
        (lambda: sgd.lyapunov(-np.eye(2), 0.1), ValueError, "positive semidefinite"),
        (lambda: sgd.lyapunov(np.zeros((2, 2)), 0.1), ValueError, "not zero"),
        (lambda: sgd.lyapunov(np.eye(2), 0.1, n_chains=1), ValueError, "n_chains must be"),
        (lambda: sgd.sum_of_exponents(np.eye(40), 0.1, batch=20), ValueError, "too many"),
        (lambda: sgd.commuting_exponent([-1.0], 0.1), ValueError, "curvatures must be a vector"),
        (lambda: sgd.commuting_exponent([0.0], 0.1), ValueError, "not all of them zero"),
        (lambda: sgd.critical_steps([[1.0]]), ValueError, "curvatures must be a vector"),
        (lambda: sgd.tangent_kernel((np.eye(2),), np.ones(2)), ValueError, "X must be a matrix"),
        (
            lambda: sgd.tangent_kernel((np.eye(2),), np.ones((3, 4))),
            ValueError,
            "X must have shape",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
