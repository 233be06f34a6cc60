"""The flow of the whole adjacency matrix with every solver, at d = 40 and in any units."""

import numpy as np
import pytest

from dlngeo import adjacency, balanced, energies, flows
from dlngeo.flows._control import METHODS

IMPLICIT = ("Radau", "BDF", "LSODA")  # at d = 40 their Jacobians have 14,400 columns


def problem(d, depth=2):
    rng = np.random.default_rng(0)
    target = rng.standard_normal((d, 2)) @ rng.standard_normal((2, d)) / d
    layers = balanced.lift(0.3 * rng.standard_normal((d, d)) / np.sqrt(d), depth)
    return target, layers


@pytest.mark.parametrize("method", [name for name in METHODS if name not in IMPLICIT])
def test_every_solver_at_width_40(method):
    target, layers = problem(40)
    energy, options = energies.Quadratic(target), {"t_eval": [0.5], "gtol": 0}
    exact = flows.gradient_flow(energy, layers, (0, 0.5), method="DOP853", rtol=1e-10, **options)
    A = adjacency.from_weights(layers)
    run = flows.adjacency_flow(
        energy, A, (40, 40, 40), (0, 0.5), method=method, rtol=1e-5, **options
    )
    assert run.success and np.abs(run.W[-1] - exact.W[-1]).max() < 1e-5


@pytest.mark.parametrize("scale", [1e45, 1.0, 1e-45])
@pytest.mark.parametrize("method", METHODS)
def test_every_solver_in_any_units(method, scale):
    # weights s W_p and target s² T in time t / s² move as W_p and T in time t
    target, layers = problem(3)
    options = {"gtol": 0, "rtol": 1e-6}
    exact = flows.gradient_flow(
        energies.Quadratic(target), layers, (0, 2), method="DOP853", t_eval=[2.0], gtol=0, rtol=1e-9
    ).W[-1]
    A, end = adjacency.from_weights([scale * W for W in layers]), 2 / scale**2
    energy = energies.Quadratic(scale**2 * target)
    run = flows.adjacency_flow(
        energy, A, (3, 3, 3), (0, end), method=method, t_eval=[end], **options
    )
    assert run.success and np.abs(run.W[-1] / scale**2 - exact).max() < 3e-5


@pytest.mark.parametrize("method", METHODS)
def test_what_no_float_holds_is_said(method):
    target, layers = problem(3)
    for scale, success in ((1e100, False), (1e-100, True)):  # E overflows, or nothing moves
        A = adjacency.from_weights([scale * W for W in layers])
        energy = energies.Quadratic(scale * (scale * target))
        run = flows.adjacency_flow(energy, A, (3, 3, 3), (0, 1), method=method, gtol=0)
        assert run.success == success
        assert success or "the energy is not finite at the start" in run.message
    with pytest.raises(ValueError, match="another unit of time"):
        flows.adjacency_flow(energy, A, (3, 3, 3), (0, 1e-140), method=method)
