"""The stability of discrete training against golden values, brute force, and descent itself."""

import itertools

import mpmath
import numpy as np
import pytest

from dlngeo import flows, stability, weights
from dlngeo.energies import LinearRegression, Logistic, Quadratic


def scalar(*values):
    return tuple(np.array([[float(v)]]) for v in values)


# ---------------------------------------------------------------------------------- sharpness


def test_sharpness_is_the_largest_eigenvalue_of_the_golden_hessian(golden_flow):
    for net in golden_flow["networks"].values():
        target = np.zeros((net["d"][-1], net["d"][0]))
        np.fill_diagonal(target, np.array(net["sigma"], dtype=float))
        layers = tuple(np.array(W, dtype=float) for W in net["W"])
        run = stability.descend(Quadratic(target), layers, 0.1, 0)
        np.testing.assert_allclose(run.sharpness, [float(net["hessian_max_eig"])], rtol=1e-13)


def test_golden_edge_of_gradient_descent(golden_flow):
    golden = golden_flow["edge_of_stability"]
    X = np.array([[1.0, 2.0]])
    run = stability.descend(LinearRegression(X, X), scalar(2, 0.5), 0.1, 0)
    mean = run.sharpness[0] / 2  # the golden loss is the mean of two samples
    np.testing.assert_allclose(mean, float(golden["sharpness=mean(x^2) q"]), rtol=1e-14)
    np.testing.assert_allclose(2 / mean, float(golden["eta_GD_threshold=2/sharpness"]), rtol=1e-14)
    assert run.edge == 20


@pytest.mark.parametrize("kind", [Quadratic, LinearRegression, Logistic])
def test_sharpness_along_a_stack_by_differences(kind, rng):
    if kind is Quadratic:
        energy = Quadratic(rng.standard_normal((2, 3)))
    elif kind is LinearRegression:
        energy = LinearRegression(rng.standard_normal((3, 6)), rng.standard_normal((2, 6)))
    else:
        energy = Logistic(rng.standard_normal((3, 6)), np.sign(rng.standard_normal((2, 6))))
    layers = weights.random((3, 2, 2, 2), 0.7, rng=rng, size=(2,))
    run = stability.descend(energy, layers, 0.02, 4, save_every=2)
    assert run.sharpness.shape == (3, 2) == run.trajectory.energy.shape
    vector, e = weights.to_vector(run.trajectory.weights), 1e-5
    size = vector.shape[-1]
    hessian = np.empty((3, 2, size, size))
    for k in range(size):
        step = e * np.eye(size)[k]
        up, down = (
            weights.to_vector(
                weights.gradient(energy, weights.from_vector(vector + s, (3, 2, 2, 2)))
            )
            for s in (step, -step)
        )
        hessian[..., k] = (up - down) / (2 * e)
    want = np.linalg.eigvalsh((hessian + hessian.mT) / 2)[..., -1]
    np.testing.assert_allclose(run.sharpness, want, rtol=1e-8)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_minimal_sharpness(depth, golden_flow, rng):
    table = golden_flow["edge_of_stability"]["min_sharpness_on_manifold_h_layers(x=1)"]
    for case, value in table.items():
        h, sigma = (float(part.split("=")[1]) for part in case.split(","))
        np.testing.assert_allclose(stability.minimal_sharpness(sigma, int(h)), float(value))
    sigma = np.array([2.0, 0.7])
    U, V = (np.linalg.qr(rng.standard_normal((3, 2)))[0] for _ in range(2))
    ends = [V, *[np.linalg.qr(rng.standard_normal((3, 2)))[0]] * (depth - 1), U]
    layers = tuple((Q * sigma ** (1 / depth)) @ P.T for P, Q in itertools.pairwise(ends))
    run = stability.descend(Quadratic((U * sigma) @ V.T), layers, 1.0, 0)
    np.testing.assert_allclose(run.sharpness, stability.minimal_sharpness(2.0, depth))
    # Every scalar minimum is at least as sharp as the balanced one.
    w = np.exp(rng.standard_normal((200, depth)))
    w *= (2.0 / w.prod(axis=-1, keepdims=True)) ** (1 / depth)
    stack = tuple(w[:, p, None, None] for p in range(depth))
    sharp = stability.descend(Quadratic([[2.0]]), stack, 1.0, 0).sharpness
    assert (sharp >= stability.minimal_sharpness(2.0, depth) * (1 - 1e-12)).all()


@pytest.mark.parametrize(("factor", "grows"), [(0.98, False), (1.02, True)])
def test_descent_is_stable_below_the_edge_and_unstable_beyond(factor, grows, rng):
    layers = weights.random((3, 3, 2), 1.0, rng=rng)
    energy = Quadratic(weights.end_to_end(layers))
    sharpness = stability.descend(energy, layers, 1.0, 0).sharpness[0]
    nearby = tuple(W + 1e-7 * rng.standard_normal(W.shape) for W in layers)
    run = flows.gradient_descent(energy, nearby, 2 * factor / sharpness, 300)
    rate = np.log(run.energy[-1] / run.energy[-100]) / 99 / 2
    if grows:
        np.testing.assert_allclose(rate, np.log(2 * factor - 1), rtol=0.05)
    assert (rate > 0) == grows


# ------------------------------------------------------------------------------- two-cycles


def test_golden_two_cycle(golden_flow):
    golden = golden_flow["edge_of_stability"]["period2_beyond_edge"]
    cycle = stability.two_cycle(1.1, 1.0)
    high, low = map(float, golden["x_y"])
    np.testing.assert_allclose([cycle.low, cycle.high], [low, high], rtol=1e-15)
    np.testing.assert_allclose(cycle.multiplier, float(golden["multiplier"]), rtol=1e-14)
    assert cycle.stable


@pytest.mark.parametrize("sigma", [1.0, 3.0])
@pytest.mark.parametrize("a", [1.0, 1.05, 1.2, 1.5, 3.0])
def test_two_cycle_and_its_multipliers_by_the_map(a, sigma):
    eta = a / sigma
    cycle = stability.two_cycle(sigma, eta)

    def twice(w1, w2):
        for _ in range(2):
            r = sigma - w1 * w2
            w1, w2 = w1 + eta * r * w2, w2 + eta * r * w1
        return w1, w2

    for z in map(float, (cycle.low, cycle.high)):
        np.testing.assert_allclose(twice(z, z), (z, z), rtol=1e-13)
        with mpmath.workdps(30):
            h = mpmath.mpf(10) ** -12
            p = [sum(twice(z + s * h, z + s * h)) for s in (1, -1)]
            q = [twice(z + s * h, z - s * h) for s in (1, -1)]
            along = float((p[0] - p[1]) / (4 * h))
            across = float(((q[0][0] - q[0][1]) - (q[1][0] - q[1][1])) / (4 * h))
        np.testing.assert_allclose(cycle.multiplier, along, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(cycle.transverse, across, rtol=1e-11, atol=1e-11)
    assert cycle.stable == (1 < a < np.sqrt(5) - 1)


def test_descent_settles_on_the_stable_cycle():
    """From unequal layers: the imbalance dies out, and the orbit of period 2 remains."""
    sigma, eta = 1.5, 1.15 / 1.5
    run = flows.gradient_descent(Quadratic([[sigma]]), scalar(1.1, 0.9), eta, 3000)
    cycle = stability.two_cycle(sigma, eta)
    for W in run.weights:
        last = np.sort(W[-2:, 0, 0])
        np.testing.assert_allclose(last, [cycle.low, cycle.high], rtol=1e-10)


def test_before_the_edge_there_is_no_cycle():
    with pytest.raises(ValueError, match="at least 1, the edge; it is"):
        stability.two_cycle([1.0, 2.0], 0.5)


# --------------------------------------------------------------------------------- imbalance


def test_golden_imbalance_change(golden_flow):
    net, golden = golden_flow["networks"]["h3"], golden_flow["gd_step_h3_eta_0p01"]
    target = np.zeros((2, 4))
    np.fill_diagonal(target, np.array(net["sigma"], dtype=float))
    layers = tuple(np.array(W, dtype=float) for W in net["W"])
    change = stability.imbalance_change(Quadratic(target), layers, 0.01)
    want = np.array(golden["C1_change"], dtype=float)
    np.testing.assert_allclose(change[0], want, rtol=0, atol=1e-18)


def test_imbalance_change_is_what_a_step_does(rng):
    layers = weights.random((3, 4, 2, 3), 0.8, rng=rng, size=(5,))
    energy = LinearRegression(rng.standard_normal((3, 7)), rng.standard_normal((3, 7)))
    run = flows.gradient_descent(energy, layers, 0.05, 1)
    before, after = (weights.imbalance(tuple(W[k] for W in run.weights)) for k in (0, 1))
    for x, y, change in zip(
        before, after, stability.imbalance_change(energy, layers, 0.05), strict=True
    ):
        np.testing.assert_allclose(y - x, change, rtol=0, atol=1e-13)


def test_scalar_imbalance_shrinks_by_eta_squared_r_squared():
    w1, w2, sigma, eta = 1.7, 0.4, 1.2, 0.3
    (change,) = stability.imbalance_change(Quadratic([[sigma]]), scalar(w1, w2), eta)
    c, r = w1**2 - w2**2, sigma - w1 * w2
    np.testing.assert_allclose(change, [[-c * eta**2 * r**2]], rtol=1e-14)


# ------------------------------------------------------------------------------ stability map


def test_stability_map_of_the_golden_model(golden_flow):
    golden = golden_flow["edge_of_stability"]
    kernel = stability.tangent_kernel(scalar(2, 0.5), [[1.0, 2.0]])
    table = golden["lyapunov(eta)=mean ln|1-eta x^2 q|"]
    result = stability.stability_map(kernel, [float(eta) for eta in table], [1, 2])
    assert result.exponents.shape == (len(table), 2) == result.stable.shape
    want = [float(v) for v in table.values()]
    np.testing.assert_allclose(result.exponents[:, 0], want, rtol=1e-13)
    np.testing.assert_array_equal(result.standard_errors, np.zeros((len(table), 2)))
    edge = float(golden["eta_GD_threshold=2/sharpness"])
    np.testing.assert_array_equal(result.stable[:, 1], result.steps < edge)
    assert result.stable[:, 0].all()  # SGD is stable at 0.2 and 0.25, beyond the edge of descent


def test_stability_map_has_a_column_for_each_batch_size(rng):
    kernel = stability.tangent_kernel(
        weights.random((4, 3, 2), 0.5, rng=rng), rng.standard_normal((4, 5))
    )
    edge = 2 * 5 / np.linalg.eigvalsh(kernel)[-1]
    steps = edge * np.array([0.1, 0.99, 1.01, 8.0])
    result = stability.stability_map(
        kernel, steps, [1, 3, 5], outputs=2, n_steps=400, n_chains=20, rng=1
    )
    assert result.batches == (1, 3, 5)
    assert (result.standard_errors[:, :2] > 0).all() and (result.standard_errors[:, 2] == 0).all()
    np.testing.assert_array_equal(result.stable[:, 2], [True, True, False, False])
    np.testing.assert_array_equal(result.stable[0], [True] * 3)
    np.testing.assert_array_equal(result.stable[-1], [False] * 3)
    again = stability.stability_map(
        kernel, steps, [1, 3, 5], outputs=2, n_steps=400, n_chains=20, rng=1
    )
    np.testing.assert_array_equal(again.exponents, result.exponents)


def stop_at(n, seen):
    def callback(count, point):
        seen.append((count, point))
        if len(seen) == n:
            raise StopIteration

    return callback


def test_a_callback_sees_every_step_of_descent_and_may_end_it(rng):
    layers, energy = weights.random((2, 3, 2), 0.5, rng=rng), Quadratic(np.eye(2))
    full, seen = stability.descend(energy, layers, 0.1, 9), []
    run = stability.descend(energy, layers, 0.1, 9, callback=stop_at(4, seen))
    assert run.trajectory.status == 1
    np.testing.assert_array_equal(run.sharpness, full.sharpness[:5])
    for (t, W), t_full, W_full in zip(
        seen, full.trajectory.t[1:], full.trajectory.W[1:], strict=False
    ):
        assert t == t_full
        np.testing.assert_array_equal(W, W_full)


def test_a_callback_sees_the_estimate_of_the_exponents_and_may_end_it(rng):
    kernel = stability.tangent_kernel(
        weights.random((4, 3, 2), 0.5, rng=rng), rng.standard_normal((4, 5))
    )
    options = {"outputs": 2, "n_exponents": 2, "n_chains": 3, "rng": 1}
    seen = []
    full = stability.lyapunov(kernel, [0.1, 0.2], n_steps=30, callback=stop_at(-1, seen), **options)
    assert [count for count, _ in seen] == list(range(1, 31))
    np.testing.assert_array_equal(seen[-1][1], full.exponents)
    np.testing.assert_array_equal(
        stability.lyapunov(kernel, [0.1, 0.2], n_steps=30, **options).exponents, full.exponents
    )
    ended = stability.lyapunov(kernel, [0.1, 0.2], n_steps=30, callback=stop_at(12, []), **options)
    np.testing.assert_array_equal(ended.exponents, seen[11][1])


def test_a_callback_may_end_a_stability_map():
    seen = []
    result = stability.stability_map(
        np.diag([2.0, 1.0, 0.5]), [0.1, 0.2], [3, 2, 1], n_steps=5, callback=stop_at(2, seen)
    )
    assert result.batches == (3, 2) and result.exponents.shape == (2, 2)
    assert [count for count, _ in seen] == [1, 2]
    np.testing.assert_array_equal(np.stack([e for _, e in seen], axis=-1), result.exponents)


def test_results_show_themselves_in_a_line(rng):
    energy, many = Quadratic(np.eye(2)), [0.8] * 1000
    kernel = np.diag([2.0, 1.0])
    results = [
        stability.descend(energy, weights.random((2, 3, 2), 0.5, rng=rng), 0.1, 99),
        stability.two_cycle(2.0, 0.7),
        stability.two_cycle(2.0, many),
        stability.stability_map(kernel, many, [1, 2], n_steps=3, n_chains=2),
        stability.stability_map(kernel, [], [1] * 99, n_steps=3, n_chains=2),
        stability.lyapunov(kernel, many, n_steps=3, n_chains=2),
        stability.lyapunov(kernel, [], n_steps=3, n_chains=2),
    ]
    for result in results:
        text = repr(result)
        assert text.startswith(f"{type(result).__name__}(") and len(text) < 250 and "\n" not in text


def test_numbers_come_out_where_numbers_went_in():
    cycle = stability.two_cycle(2.0, 0.7)
    values = [
        *cycle,
        stability.minimal_sharpness(2.0, 3),
        stability.commuting_exponent([2.0, 1.0], 0.1),
        stability.sum_of_exponents(np.diag([2.0, 1.0]), 0.1),
    ]
    assert not any(isinstance(value, np.ndarray) for value in values)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: stability.two_cycle(-1.0, 2.0), ValueError, "sigma must be > 0"),
        (lambda: stability.two_cycle(1.0, np.nan), ValueError, "step must be finite"),
        (lambda: stability.minimal_sharpness(-1.0, 2), ValueError, "non-negative"),
        (lambda: stability.minimal_sharpness(1.0, 0), ValueError, "depth must be an integer >= 1"),
        (
            lambda: stability.imbalance_change(Quadratic([[1.0]]), scalar(1, 1), 0.0),
            ValueError,
            "step must be finite and > 0",
        ),
        (lambda: stability.stability_map(np.eye(2), [0.0], [1]), ValueError, "steps must be > 0"),
        (lambda: stability.stability_map(np.eye(2), [1.0], [3]), ValueError, "batch must be at"),
        (
            lambda: stability.stability_map(np.eye(2), [1.0], [0]),
            ValueError,
            r"batches\[0\] must be",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_imbalance_change_of_a_long_step_at_a_minimum_is_zero():
    (change,) = stability.imbalance_change(Quadratic(np.eye(2)), [np.eye(2)] * 2, 1e200)
    assert (change == 0).all()
