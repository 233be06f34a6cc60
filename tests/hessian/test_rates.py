"""Bounds on the rate of decay beside the measured rate, with the printed forms put to shame.

Oracles: golden values, the operator Σ_j (W_{j+1:N} W_{j+1:N}ᵀ) ⊗ (W_{1:j-1}ᵀ W_{1:j-1}) built as an
explicit matrix, whose least eigenvalue is half the sharpest rate over all targets; loops over
blocks; and losses along integrated flows.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo import flows, rates
from dlngeo.energies import LinearRegression, Logistic, Quadratic

BOUNDS = {
    "layers": rates.layer_bound,
    "imbalance": rates.imbalance_bound,
    "definite": rates.definite_imbalance_bound,
}
every_bound = pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)


def layers_of(rng, widths, size=(), scale=1.0):
    return tuple(scale * rng.standard_normal((*size, b, a)) for a, b in itertools.pairwise(widths))


def numbers(value):
    return np.array(value, dtype=float)


def chain(layers, dimension):
    result = np.eye(dimension)
    for W in layers:
        result = W @ result
    return result


def sharpest(layers):
    """2 λ_min of the matrix of R ↦ Σ_j (A_{j+1} A_{j+1}ᵀ) R (B_{j-1}ᵀ B_{j-1}): the least -L̇/L."""
    m, n = layers[-1].shape[0], layers[0].shape[1]
    total = np.zeros((m * n, m * n))
    for j in range(len(layers)):
        B = chain(layers[:j], n)
        A = chain(layers[j + 1 :], layers[j].shape[0])
        total += np.kron(A @ A.T, B.T @ B)
    return 2 * np.linalg.eigvalsh(total)[0]


def eigenvalue(H, index):
    """Number ``index`` from below, as the paper counts."""
    return np.sort(np.linalg.eigvalsh(H))[index - 1]


def conserved(layers):
    return [V @ V.T - W.T @ W for V, W in itertools.pairwise(layers)]


def golden_rate49(golden_flow):
    golden = golden_flow["rate49"]
    target = np.zeros((2, 2))
    np.fill_diagonal(target, numbers(golden["Sigma_diag"]))
    return [numbers(W) for W in golden["W"]], Quadratic(target), golden


def golden_rate52(golden_flow):
    golden = golden_flow["rate52"]
    return [[[float(w)]] for w in golden["W"]], Quadratic([[float(golden["sigma"])]]), golden


def peaked(rng, widths, j, scale=1.0):
    """Weights whose layers shrink away from layer j, so that imbalances have the signs of (49)."""
    layers = layers_of(rng, widths)
    shaped = []
    for i, W in enumerate(layers, start=1):
        U, _, Vt = np.linalg.svd(W, full_matrices=False)
        size = 0.2 if i == j else 2.0 ** abs(i - j)
        sigma = size * rng.uniform(1.0, 1.3, size=U.shape[1])
        shaped.append(scale * (U * sigma) @ Vt)
    return shaped


# ---------------------------------------------------------------------------- golden examples


def test_golden_counterexample_to_the_printed_49(golden_flow):
    layers, energy, golden = golden_rate49(golden_flow)
    measured = rates.measured(energy, layers)
    assert measured == pytest.approx(float(golden["minus_dL_over_L"]), rel=1e-14)
    bound = rates.imbalance_bound(layers, layer=golden["j"])
    assert bound == pytest.approx(2 * float(golden["corrected_49"]), rel=1e-14)
    assert bound <= measured < float(golden["printed_49"])


def test_the_printed_index_of_49_is_another_eigenvalue(golden_flow):
    layers, _, golden = golden_rate49(golden_flow)
    d, C, j = golden["d"], conserved(layers), golden["j"]
    behind = np.prod([eigenvalue(-C[i - 1], 1 + d[i] - d[i + 1]) for i in range(j, len(layers))])
    printed = behind * np.prod([eigenvalue(C[i - 1], 1 + d[i + 1] - d[i]) for i in range(1, j)])
    corrected = behind * np.prod([eigenvalue(C[i - 1], 1 + d[i] - d[i - 1]) for i in range(1, j)])
    assert printed == pytest.approx(float(golden["printed_49"]), rel=1e-14)
    assert rates.imbalance_bound(layers, layer=j) == pytest.approx(2 * corrected, rel=1e-14)


def test_golden_52(golden_flow):
    layers, energy, golden = golden_rate52(golden_flow)
    measured = rates.measured(energy, layers)
    assert measured == pytest.approx(float(golden["minus_dL_over_L"]), rel=1e-14)
    bound = rates.definite_imbalance_bound(layers, layer=golden["j"])
    assert bound == pytest.approx(2 * float(golden["alpha_h"]), rel=1e-14)
    assert float(golden["alpha_h"]) < bound <= measured


@pytest.mark.parametrize("name", ["h2", "h3", "h5"])
def test_golden_velocity_of_the_loss(name, golden_flow):
    golden = golden_flow["networks"][name]
    target = np.zeros((golden["d"][-1], golden["d"][0]))
    np.fill_diagonal(target, numbers(golden["sigma"]))
    want = -float(golden["dL_dt"]) / float(golden["loss"])
    got = rates.measured(Quadratic(target), [numbers(W) for W in golden["W"]])
    assert got == pytest.approx(want, rel=1e-14)


# ------------------------------------------------------------------------- bounds are bounds


@pytest.mark.parametrize("seed", range(60))
@every_bound
def test_a_bound_lies_below_the_sharpest_rate(bound, seed):
    """Random widths and depths; the oracle is the least rate that any target could give."""
    rng = np.random.default_rng(seed)
    depth = rng.integers(1, 6)
    j = int(rng.integers(1, depth + 1))
    rise, fall = np.sort(rng.integers(1, 5, j)), np.sort(rng.integers(1, 5, depth + 1 - j))[::-1]
    widths = (*rise, *fall)
    layers = peaked(rng, widths, j)
    least = sharpest(layers)
    assert bound(layers) <= least * (1 + 1e-12) + 1e-13


@given(st.integers(0, 10**6))
@settings(max_examples=60)
def test_all_bounds_lie_below_the_measured_rate(seed):
    rng = np.random.default_rng(seed)
    widths = tuple(rng.integers(1, 5, rng.integers(2, 6)))
    layers = layers_of(rng, widths)
    energy = Quadratic(rng.standard_normal((widths[-1], widths[0])))
    got = rates.rates(energy, layers)
    for bound in got[1:]:
        assert 0 <= bound <= got.measured * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_47_is_sharp_with_the_factor_two_for_single_nodes(seed):
    """The printed (47), without the factor, is half of what is true."""
    rng = np.random.default_rng(seed)
    layers = layers_of(rng, (1,) * rng.integers(2, 7))
    w = numbers(layers).ravel()
    want = 2 * sum(np.prod(np.delete(w, i) ** 2) for i in range(w.size))
    assert rates.layer_bound(layers) == pytest.approx(want, rel=1e-13)
    assert rates.measured(Quadratic([[0.3]]), layers) == pytest.approx(want, rel=1e-13)


@pytest.mark.parametrize("seed", range(20))
def test_47_is_its_sum(seed):
    rng = np.random.default_rng(seed)
    widths = tuple(rng.integers(1, 5, rng.integers(2, 6)))
    layers = layers_of(rng, widths)
    want = 0.0
    for j in range(len(layers)):
        before = [np.linalg.eigvalsh(W.T @ W)[0] for W in layers[:j]]
        behind = [np.linalg.eigvalsh(W @ W.T)[0] for W in layers[j + 1 :]]
        want += 2 * np.prod([*before, *behind])
    assert rates.layer_bound(layers) == pytest.approx(want, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_52_is_sharp_for_single_nodes_with_the_factor_two(seed):
    """α_h → Σ_j Π_{i≠j} w_i² as w_j → 0: a product of squares, all imbalances taken from w_j."""
    rng = np.random.default_rng(seed)
    h = int(rng.integers(2, 6))
    j = int(rng.integers(1, h + 1))
    w = np.array([1.5 ** abs(i - j) for i in range(1, h + 1)]) * rng.uniform(1.0, 1.05, h)
    w[j - 1] = 1e-7
    layers = w[:, None, None]
    measured = rates.measured(Quadratic([[1.0]]), layers)
    assert rates.definite_imbalance_bound(layers, layer=j) == pytest.approx(measured, rel=1e-11)


@pytest.mark.parametrize("seed", range(30))
def test_52_is_its_product_of_sums(seed):
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(2, 6))
    j = int(rng.integers(1, depth + 1))
    ends = rng.integers(1, 4, 2)
    widths = (ends[0], *[max(ends)] * (depth - 1), ends[1])
    layers = definite(rng, widths, j)
    C, want = conserved(layers), 2.0
    for i in range(1, depth):
        if i >= j:
            want *= sum(eigenvalue(-C[k - 1], 1 + widths[k] - ends[1]) for k in range(j, i + 1))
        else:
            want *= sum(eigenvalue(C[k - 1], 1 + widths[k] - ends[0]) for k in range(i, j))
    got = rates.definite_imbalance_bound(layers, layer=j)
    assert want > 0
    assert got == pytest.approx(want, rel=1e-9)
    assert got <= sharpest(layers) * (1 + 1e-12)
    assert got <= rates.definite_imbalance_bound(layers)


def definite(rng, widths, j):
    """Weights with C_i >= 0 for i < j and C_i <= 0 for i >= j, of the least ranks that allow it."""
    first, last = widths[0], widths[-1]
    r = min(first, last)
    layers = [None] * (len(widths) - 1)
    left, right = rng.standard_normal((widths[j], r)), rng.standard_normal((r, widths[j - 1]))
    layers[j - 1] = 0.3 * left @ right
    for i in range(j, len(widths) - 1):  # W_{i+1}ᵀW_{i+1} = W_i W_iᵀ + a positive part
        layers[i] = root(rng, layers[i - 1] @ layers[i - 1].T, widths[i + 1], last)
    for i in range(j - 2, -1, -1):  # W_i W_iᵀ = W_{i+1}ᵀ W_{i+1} + a positive part
        layers[i] = root(rng, layers[i + 1].T @ layers[i + 1], widths[i], first).T
    return layers


def root(rng, S, rows, rank):
    """W of that rank with WᵀW - S positive semidefinite, S being of no larger rank."""
    values, Q = np.linalg.eigh(S)
    values, Q = values[::-1], Q[:, ::-1]
    U = np.linalg.qr(rng.standard_normal((rows, rank)))[0]
    size = np.sqrt(np.maximum(values[:rank], 0) + rng.uniform(0.5, 2.0, rank))
    return (U * size) @ Q[:, :rank].T


# -------------------------------------------------------------------------- along trajectories


@pytest.mark.parametrize("widths", [(2, 3, 2), (2, 3, 5, 2), (1, 2, 2, 1), (3, 3, 3)], ids=str)
def test_bounds_of_the_imbalance_hold_along_the_flow(widths, rng):
    """L(t) <= L(0) e^{-rate t} with the rate of the start, and the bounds stay what they are."""
    j = 2
    layers = peaked(rng, widths, j, scale=0.6)
    energy = Quadratic(rng.standard_normal((widths[-1], widths[0])))
    times = np.linspace(0, 2, 9)
    run = flows.gradient_flow(energy, layers, (0, 2), t_eval=times, rtol=1e-9, gtol=0)
    along = rates.rates(energy, run.weights)
    rate = rates.imbalance_bound(layers)
    assert rate > 0.05
    np.testing.assert_allclose(along.by_imbalance, rate, rtol=1e-5)
    assert (along.by_imbalance <= along.by_layers * (1 + 1e-7)).all()
    assert (along.by_layers <= along.measured * (1 + 1e-10)).all()
    assert (run.energy <= run.energy[0] * np.exp(-rate * times) * (1 + 1e-6)).all()


def test_the_definite_bound_holds_along_the_flow(rng):
    widths, j = (2, 3, 3, 2), 2
    layers = definite(rng, widths, j)
    energy = Quadratic(rng.standard_normal((2, 2)))
    times = np.linspace(0, 0.5, 6)
    run = flows.gradient_flow(energy, layers, (0, 0.5), t_eval=times, rtol=1e-9, gtol=0)
    rate = rates.definite_imbalance_bound(layers, layer=j)
    assert rate > 0.5
    along = rates.definite_imbalance_bound(run.weights, layer=j, tol=1e-6)
    np.testing.assert_allclose(along, rate, rtol=1e-5)
    assert (run.energy <= run.energy[0] * np.exp(-rate * times) * (1 + 1e-6)).all()


def test_measured_is_the_logarithmic_derivative_along_the_flow(rng):
    widths = (3, 4, 2)
    energy, layers = Quadratic(rng.standard_normal((2, 3))), layers_of(rng, widths)
    step = 1e-3
    times = np.array([0, step, 2 * step])
    run = flows.gradient_flow(energy, layers, (0, 2 * step), t_eval=times, rtol=1e-12, gtol=0)
    slope = -(np.log(run.energy[2]) - np.log(run.energy[0])) / (2 * step)
    middle = rates.measured(energy, [W[1] for W in run.weights])
    assert slope == pytest.approx(middle, rel=1e-4)


# ------------------------------------------------------------------------------ other energies


def test_regression_counts_from_its_infimum(rng):
    X, Y = rng.standard_normal((2, 7)), rng.standard_normal((2, 7))
    energy, layers = LinearRegression(X, Y), peaked(rng, (2, 3, 2), 1)
    best = energy.value(Y @ np.linalg.pinv(X))
    curvature = np.linalg.eigvalsh(X @ X.T)[0]
    measured = rates.measured(energy, layers, infimum=best)
    assert measured >= curvature * rates.layer_bound(layers)
    assert curvature * rates.imbalance_bound(layers) > 0


def test_an_energy_that_is_not_quadratic_is_measured(rng):
    X, Y = rng.standard_normal((2, 6)), np.sign(rng.standard_normal((1, 6)))
    energy, (W1, W2) = Logistic(X, Y), layers_of(rng, (2, 3, 1))
    G = energy.gradient(W2 @ W1)
    want = ((W2.T @ G) ** 2).sum() + ((G @ W1.T) ** 2).sum()
    want /= np.logaddexp(0, -Y * (W2 @ W1 @ X)).sum()
    assert rates.measured(energy, (W1, W2)) == pytest.approx(want, rel=1e-13)


# --------------------------------------------------------------------- where nothing is known


@pytest.mark.parametrize("widths", [(2, 1, 2), (3, 1, 2, 3), (2, 3, 1, 4, 2)], ids=str)
@every_bound
def test_a_bottleneck_leaves_no_bound(bound, widths, rng):
    assert bound(layers_of(rng, widths)) == 0


@pytest.mark.parametrize("bound", [rates.imbalance_bound, rates.definite_imbalance_bound])
def test_balanced_weights_have_no_bound_from_imbalances(bound, rng):
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert bound((Q, np.eye(3), Q.T)) == pytest.approx(0, abs=1e-15)


def test_imbalances_of_both_signs_leave_no_definite_bound():
    layers = (np.diag([1.0, 2.0]), np.diag([2.0, 1.0]))
    assert rates.definite_imbalance_bound(layers) == 0


def test_one_layer_decays_at_rate_two(rng):
    layers = layers_of(rng, (3, 2))
    got = rates.rates(Quadratic(np.ones((2, 3))), layers)
    np.testing.assert_allclose(got, 2.0, rtol=1e-14)


def test_a_singular_layer_leaves_the_other_terms(rng):
    """Prop. 26 needs one positive term alone."""
    layers = (np.diag([2.0, 3.0]), np.zeros((2, 2)))
    assert rates.layer_bound(layers) == pytest.approx(8)


def test_widths_of_49_may_jump_at_the_peak(rng):
    """d_{j-1} and d_j are not compared: (1, 2, 5, 3) and (1, 5, 2, 2) fit j = 2."""
    for widths in ((1, 2, 5, 3), (1, 5, 2, 2)):
        assert np.isfinite(rates.imbalance_bound(layers_of(rng, widths), layer=2))


# ---------------------------------------------------------------------------- stacks, bad input


@pytest.mark.parametrize("widths", [(2, 3, 3, 2), (3, 1, 3), (2, 2)], ids=str)
def test_a_stack_equals_a_loop(widths, rng):
    layers = layers_of(rng, widths, size=(2, 3))
    energy = Quadratic(rng.standard_normal((widths[-1], widths[0])))
    together = rates.rates(energy, layers)
    for got in together:
        assert got.shape == (2, 3)
    for index in np.ndindex(2, 3):
        alone = rates.rates(energy, [W[index] for W in layers])
        for got, want in zip(together, alone, strict=True):
            assert got[index] == pytest.approx(want, rel=1e-12)


def test_the_loss_must_be_above_its_infimum():
    with pytest.raises(ValueError, match=r"above its infimum 0; its least value is 0"):
        rates.measured(Quadratic(np.eye(2)), (np.eye(2), np.eye(2)))


@pytest.mark.parametrize("layer", [0, 1, 4, 1.5])
def test_a_layer_whose_widths_do_not_fit_is_refused(layer, rng):
    layers = layers_of(rng, (2, 3, 4, 1))  # j = 2 and 3 fit
    with pytest.raises((ValueError, TypeError), match="layer must be"):
        rates.imbalance_bound(layers, layer=layer)


def test_a_narrow_hidden_layer_is_refused(rng):
    with pytest.raises(ValueError, match=r"layer must be one of \[\]"):
        rates.definite_imbalance_bound(layers_of(rng, (2, 3, 1, 1)), layer=1)


@pytest.mark.parametrize("tol", [-1.0, np.nan])
def test_bad_tolerance_is_refused(tol, rng):
    with pytest.raises(ValueError, match="tol must be finite and >= 0"):
        rates.definite_imbalance_bound(layers_of(rng, (2, 2)), tol=tol)


@every_bound
def test_weights_that_do_not_chain_are_refused(bound):
    with pytest.raises(ValueError, match="weights must chain"):
        bound([np.ones((3, 2)), np.ones((2, 2))])


def test_a_loss_beyond_floating_point_has_no_rate():
    with pytest.raises(ValueError, match="exceeds the range of floating point"):
        rates.measured(Quadratic(1e160 * np.eye(2)), [np.eye(2)] * 2)
