"""Sections 2 and 3: the loss, the network, its gradient flow."""

from __future__ import annotations

import numpy as np

from dlngeo import energies
from dlngeo import weights as networks
from menon.material import (
    STENCIL,
    any_weights,
    energy_for,
    flat,
    gap,
    lifted_slope,
    path,
    product,
    size,
    slope,
)
from menon.registry import row


def samples():
    X, Y = np.random.default_rng(1).standard_normal((2, 3, 7))
    layers = next(any_weights())
    return X, Y, layers, energies.LinearRegression(X, Y)


@row("(2.1)", "energies.LinearRegression", test="energies.value_is_the_definition", note="L = 2E/n")
def _():
    """L = (1/n) Σ abs(f(X_k) - Y_k)²."""
    X, Y, layers, energy = samples()
    loss = sum(size(product(layers) @ x - y) ** 2 for x, y in zip(X.T, Y.T, strict=True)) / 7
    yield gap(2 / 7 * energy.value(networks.end_to_end(layers)), loss)


@row("(2.2)", "weights.gradient", test="weights.gradient_is_the_central_difference")
def _():
    """The flow of the weights descends L."""
    X, Y, layers, energy = samples()
    exact = lifted_slope(lambda W: ((W @ X - Y) ** 2).sum() / 7, layers)
    yield gap(flat(networks.gradient(energy, layers)) * 2 / 7, exact)


@row(
    "(3.1)",
    "weights.to_vector weights.from_vector",
    tol=0.0,
    test="weights.from_vector_undoes_to_vector",
    note="definition; stored input first",
)
def _():
    """The weights as one point."""
    for layers in any_weights():
        vector = networks.to_vector(layers)
        yield size(vector - flat(layers))
        yield gap(networks.from_vector(vector, networks.widths(layers)), layers)


@row("(3.2)", "weights.norm", test="weights.norm_sums_all_squares")
def _():
    """‖**W**‖² = Σ Tr W_pᵀW_p."""
    for layers in any_weights():
        yield gap(networks.norm(layers) ** 2, sum(np.trace(W.T @ W) for W in layers))


@row("(3.3)", "weights.end_to_end", test="weights.layers_stand_in_network_order")
def _():
    """φ(**W**) = W_N ⋯ W_1."""
    for layers in any_weights():
        x = np.eye(layers[0].shape[1])
        for W in layers:
            x = np.array([[sum(W[i] * column) for i in range(len(W))] for column in x.T]).T
        yield gap(networks.end_to_end(layers), x)


@row("(3.4)", "flows.gradient_flow", tol=1e-08, test="flows.weight_flow_meets_golden_end")
def _():
    """**W**′ = -∇L, along a path."""
    for layers in any_weights():
        energy, h = energy_for(layers), 5e-4
        run = path(energy, layers, 0.1 + h * np.arange(-2, 3))
        here = [W[2] for W in run.weights]
        velocity = [np.tensordot(STENCIL, W, axes=1) / h for W in run.weights]
        yield gap(velocity, -flat(lifted_slope(energy.value, here)))


@row("(3.5)", "weights.gradient", test="weights.gradient_of_any_energy_is_the_complex_step")
def _():
    """Each layer descends E∘φ."""
    for layers in any_weights():
        energy = energy_for(layers)
        ours, exact = networks.gradient(energy, layers), lifted_slope(energy.value, layers)
        yield from map(gap, ours, exact)


@row("(3.6)", "weights.gradient", test="weights.golden_networks")
def _():
    """∇_{W_p} = (W_N⋯W_{p+1})ᵀ E′ (W_{p-1}⋯W_1)ᵀ."""
    for layers in any_weights():
        energy = energy_for(layers)
        slope_down = energy.gradient(product(layers))
        for p, ours in enumerate(networks.gradient(energy, layers)):
            above, below = layers[p + 1 :], layers[:p]
            exact = product(above).T @ slope_down if above else slope_down
            yield gap(ours, exact @ product(below).T if below else exact)


@row(
    "(3.7)",
    "energies.Quadratic energies.LinearRegression energies.MatrixCompletion energies.MatrixSensing",
    test="energies.gradient_is_the_central_difference",
)
def _():
    """E′ holds the partial derivatives."""
    generator = np.random.default_rng(2)
    target, X, Y, W = generator.standard_normal((4, 3, 3))
    mask, A, b = target > 0, generator.standard_normal((4, 3, 3)), generator.standard_normal(4)
    for energy, value in (
        (energies.Quadratic(target), lambda W: ((W - target) ** 2).sum() / 2),
        (energies.LinearRegression(X, Y), lambda W: ((Y - W @ X) ** 2).sum() / 2),
        (energies.MatrixCompletion(target, mask), lambda W: ((W - target)[mask] ** 2).sum() / 2),
        (energies.MatrixSensing(A, b), lambda W: (((A * W).sum(axis=(1, 2)) - b) ** 2).sum() / 2),
    ):
        yield gap(energy.gradient(W), slope(value, W))


@row("(3.8)", "energies.MatrixCompletion", test="energies.value_is_the_definition")
def _():
    """E = ½ Σ_S abs(W_ij - a_ij)²."""
    a, W = np.random.default_rng(2).standard_normal((2, 3, 4))
    mask = np.abs(a) < 1
    exact = sum((W[i, j] - a[i, j]) ** 2 / 2 for i, j in np.argwhere(mask))
    yield gap(energies.MatrixCompletion(a, mask).value(W), exact)
