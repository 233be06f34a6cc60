"""Section 4.7: how fast the loss falls."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import rates
from dlngeo import weights as networks
from menon.material import flat, gap, size
from survey.material import Net, chain, haar, integrate, nets, random_net, scalar
from survey.registry import printed, row

SIGMAS = [(2.0, 1.0), (4.0, 3.0, 2.0, 1.0)]
ALPHA = np.linspace(0, 1, 41)


def measured(net):
    """-L̇/L."""
    return size(flat(net.velocity)) ** 2 / net.loss


def least_bound(net):
    """The sum of (47), without a factor."""
    total = 0.0
    for j in range(net.h):
        factors = [np.linalg.eigvalsh(W.T @ W)[0] for W in net.layers[:j]]
        factors += [np.linalg.eigvalsh(W @ W.T)[0] for W in net.layers[j + 1 :]]
        total += np.prod(factors)
    return total


SQUARE = [((2, 2, 2), (2.0, 1.0)), ((3, 3, 3, 3), (3.0, 2.0, 1.0)), ((2, 3, 3, 2), (2.0, 1.0))]
SCALARS = [(0.1, 2.0, 3.0), (0.5, -0.4), (1.2, 0.3, -0.7, 0.9)]


@row("Proposition 26", "rates.layer_bound rates.measured", test="rates.47_is_its_sum")
def _():
    """L̇ ≤ -2(…)L from the least singular values of the layers."""
    for seed in range(30):
        for shape in SQUARE:
            net = random_net(*shape, seed)
            norms = np.prod([size(W) ** 2 for W in net.layers])
            yield abs(rates.layer_bound(net.layers) - 2 * least_bound(net)) / norms
            yield gap(rates.measured(net.energy, net.layers), measured(net))
            yield max(0.0, rates.layer_bound(net.layers) / measured(net) - 1)


@row("(47)", "rates.layer_bound", test="rates.47_is_sharp_with_the_factor_two_for_single_nodes")
def _():
    """L̇ ≤ -2Σ_jΠ_{i<j}λ_min(W_iᵀW_i)Π_{i>j}λ_min(W_iW_iᵀ)L, equal for single nodes."""
    for w in SCALARS:
        net = scalar(*w)
        yield gap(rates.layer_bound(net.layers), measured(net))


@printed("(47)", "without the factor 2")
def _():
    for w in SCALARS:
        yield gap(least_bound(scalar(*w)), measured(scalar(*w)))


@row("(48)", "rates.measured adjacency.loss_velocity", test="rates.golden_velocity_of_the_loss")
def _():
    """L̇ = -Σ_j tr(W_{1:j-1}ΞᵀW_{j+1:h}W_{j+1:h}ᵀΞW_{1:j-1}ᵀ)."""
    for net in nets():
        total = 0.0
        for j in range(1, net.h + 1):
            B, A = chain(net.layers, 1, j - 1), chain(net.layers, j + 1, net.h)
            total += np.trace(B @ net.Xi.T @ A @ A.T @ net.Xi @ B.T)
        yield gap(rates.measured(net.energy, net.layers) * net.loss, total)


def eigenvalue(H, index):
    return np.linalg.eigvalsh(H)[index - 1]


def bound_49(net, j, *, as_printed=False):
    """The product (49) with its indices as corrected, or as printed."""
    d, factors = net.widths, []
    for i in range(1, j):
        index = 1 + (d[i + 1] - d[i] if as_printed else d[i] - d[i - 1])
        factors.append(eigenvalue(net.C[i - 1], index))
    for i in range(j, net.h):
        factors.append(eigenvalue(-net.C[i - 1], 1 + d[i] - d[i + 1]))
    return np.prod(factors)


def graded(widths, j, seed=0):
    """Layers that grow towards layer j, so that the imbalances have the signs of (49)."""
    generator = np.random.default_rng(seed)
    layers = []
    for i, (a, b) in enumerate(itertools.pairwise(widths), start=1):
        frame = haar(generator, max(a, b))[:b, :a]
        scale = 1.4 ** abs(i - j) * (0.9 + 0.2 * generator.random())
        layers.append(scale * frame if i != j else 0.3 * frame)
    return Net(tuple(widths), np.arange(min(widths[0], widths[-1]), 0.0, -1), tuple(layers))


PEAKED = [((2, 3, 4, 2), 2), ((2, 3, 4, 2), 3), ((2, 3, 5, 3, 2), 3), ((3, 3, 3, 3), 2)]


def golden_49():
    """D = (2, 3, 5, 2), σ in any order."""
    W_1 = np.array([[1.0, 0], [0, 10], [0, 0]])
    W_2 = np.zeros((5, 3))
    W_3 = np.zeros((2, 5))
    W_3[0, 0], W_3[1, 1] = 3.0, 3.0
    return Net((2, 3, 5, 2), np.array([1.0, 0.01]), (W_1, W_2, W_3))


@row(
    "Proposition 27",
    "rates.imbalance_bound",
    tol=1e-12,
    test="rates.bounds_of_the_imbalance_hold_along_the_flow",
    note="widths d_0 ≤ ⋯ ≤ d_{j-1} and d_j ≥ ⋯ ≥ d_h",
)
def _():
    """The loss decays at the rate 2·(49) for ever."""
    for widths, j in PEAKED:
        net = graded(widths, j)
        rate = rates.imbalance_bound(net.layers, layer=j)
        yield float(not rate > 0)
        for t, state in zip(times := [0.05, 0.1, 0.3], integrate(net, times), strict=True):
            yield max(0.0, state.loss - net.loss * np.exp(-rate * t)) / net.loss


@row("(49)", "rates.imbalance_bound", test="rates.a_bound_lies_below_the_sharpest_rate")
def _():
    """2Π_{i<j}λ_{1+d_i-d_{i-1}}(C_i)Π_{i≥j}λ_{1+d_i-d_{i+1}}(-C_i), below -L̇/L."""
    for net, j in [*((graded(widths, j), j) for widths, j in PEAKED), (golden_49(), 2)]:
        ours = rates.imbalance_bound(net.layers, layer=j)
        yield gap(ours, 2 * bound_49(net, j))
        yield max(0.0, ours / measured(net) - 1)


@printed("(49)", "λ_{1+d_{i+1}-d_i}(C_i) for i < j, and no factor 2; it may exceed -L̇/L")
def _():
    net = golden_49()
    yield bound_49(net, 2, as_printed=True) / measured(net) - 1


@row("(50)", "weights.imbalance", tol=1e-13)
def _():
    """λ_k(W_iW_iᵀ) ≥ λ_k(C_i) + λ_min(W_{i+1}ᵀW_{i+1}) ≥ λ_k(C_i)."""
    for net in nets():
        for i, C in enumerate(networks.imbalance(net.layers)):
            W, X = net.layers[i], net.layers[i + 1]
            low = np.linalg.eigvalsh(C)
            mid = low + np.linalg.eigvalsh(X.T @ X)[0]
            top = np.linalg.eigvalsh(W @ W.T)
            yield max(0.0, float((mid - top).max()), float((low - mid).max()))


@row("(51)", "weights.imbalance", tol=1e-13)
def _():
    """λ_k(W_iᵀW_i) ≥ λ_k(-C_{i-1}) + λ_min(W_{i-1}W_{i-1}ᵀ) ≥ λ_k(-C_{i-1})."""
    for net in nets():
        for i, C in enumerate(networks.imbalance(net.layers)):
            W, X = net.layers[i + 1], net.layers[i]
            low = np.linalg.eigvalsh(-C)
            mid = low + np.linalg.eigvalsh(X @ X.T)[0]
            top = np.linalg.eigvalsh(W.T @ W)
            yield max(0.0, float((mid - top).max()), float((low - mid).max()))


def alpha(net, j):
    """α_h of (52)."""
    d, total = net.widths, 1.0
    for i in range(1, net.h):
        if i >= j:
            terms = [eigenvalue(-net.C[k - 1], 1 + d[k] - d[-1]) for k in range(j, i + 1)]
        else:
            terms = [eigenvalue(net.C[k - 1], 1 + d[k] - d[0]) for k in range(i, j)]
        total *= sum(terms)
    return total


DEFINITE = [((3, 3, 3, 3), 1), ((3, 3, 3, 3), 2), ((2, 2, 2, 2, 2), 3), ((1, 1, 1, 1), 1)]


@row(
    "Proposition 28",
    "rates.definite_imbalance_bound",
    tol=1e-12,
    test="rates.the_definite_bound_holds_along_the_flow",
)
def _():
    """The loss decays at the rate 2α_h for ever."""
    for widths, j in DEFINITE:
        net = graded(widths, j)
        rate = rates.definite_imbalance_bound(net.layers, layer=j)
        yield float(not rate > 0)
        for t, state in zip(times := [0.05, 0.1, 0.3], integrate(net, times), strict=True):
            yield max(0.0, state.loss - net.loss * np.exp(-rate * t)) / net.loss


@row("(52)", "rates.definite_imbalance_bound", tol=1e-12, test="rates.52_is_its_product_of_sums")
def _():
    """2Π_iα_(i), sums of eigenvalues of the C_i; sharp for single nodes."""
    for widths, j in DEFINITE:
        net = graded(widths, j)
        ours = rates.definite_imbalance_bound(net.layers, layer=j)
        yield gap(ours, 2 * alpha(net, j))
        yield max(0.0, ours / measured(net) - 1)
    for eps in (1e-7, 1e-8):
        net = scalar(eps, 2.0, 3.0)  # the rate is 2(36 + 13 ε²)
        yield abs(rates.definite_imbalance_bound(net.layers, layer=1) / measured(net) - 1)


@printed("(52)", "the rate α_h, without the factor 2")
def _():
    net = scalar(1e-7, 2.0, 3.0)
    yield gap(alpha(net, 1), measured(net))
