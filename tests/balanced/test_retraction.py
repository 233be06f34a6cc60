"""The retraction on the balanced manifold: nearest point, exact balance, second order."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced
from dlngeo import weights as networks

CASES = [
    ((3, 3, 3), [1.5, 0.9, 0.4]),
    ((3, 3, 3, 3, 3), [1.5, 0.9, 0.4]),
    ((2, 4, 5, 3), [1.2, 0.7]),
    ((4, 3, 3, 3, 6), [1.2, 0.7]),
    ((3, 3, 3, 3), [1.1]),
    ((3, 3, 3), [1.0, 1.0, 0.5]),
]


def setting(widths, lam, rng):
    sigma = np.array(lam) ** (len(widths) - 1)
    layers = balanced.random(widths, sigma, rng=0)
    V = [rng.standard_normal(W.shape) for W in layers]
    V = balanced.project_tangent(layers, V, rank=len(lam))
    size = np.sqrt(sum((Y**2).sum() for Y in V))
    return layers, [Y / size for Y in V]


def flat(layers):
    return networks.to_vector(layers)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_result_is_balanced_and_the_offset_is_normal(widths, lam, rng):
    layers, V = setting(widths, lam, rng)
    V = [0.1 * Y + 0.02 * rng.standard_normal(Y.shape) for Y in V]  # not tangent
    there = balanced.retract(layers, V, rank=len(lam))
    assert balanced.residual(there) < 1e-14
    offset = [W + Y - X for W, Y, X in zip(layers, V, there, strict=True)]
    assert np.linalg.norm(flat(offset)) > 1e-3
    tangential = balanced.project_tangent(there, offset, rank=len(lam))
    assert_allclose(flat(tangential), 0, atol=1e-12)


@pytest.mark.parametrize(("widths", "lam"), CASES)
def test_order_is_two_by_a_fit(widths, lam, rng):
    # second order: no tangential acceleration, so P_T(R(tV) - W - tV) = O(t³)
    layers, V = setting(widths, lam, rng)
    steps = 0.1 * 2.0 ** -np.arange(5)
    gaps = []
    for t in steps:
        there = balanced.retract(layers, [t * Y for Y in V], rank=len(lam))
        gap = [X - W - t * Y for X, W, Y in zip(there, layers, V, strict=True)]
        gaps.append(np.linalg.norm(flat(balanced.project_tangent(layers, gap, rank=len(lam)))))
    order = np.polyfit(np.log(steps), np.log(gaps), 1)[0]
    assert order > 2.8  # 3 where the cubic term does not vanish


def test_no_step_leads_nowhere(rng):
    layers, V = setting((3, 4, 3), [1.2, 0.8, 0.3], rng)
    there = balanced.retract(layers, [0 * Y for Y in V])
    assert_allclose(flat(there), flat(layers), atol=1e-14)


def test_many_steps_stay_on_the_manifold(rng):
    layers, _ = setting((3, 3, 3, 3), [1.2, 0.8, 0.5], rng)
    for _ in range(200):
        V = [0.02 * rng.standard_normal(W.shape) for W in layers]
        layers = balanced.retract(layers, balanced.project_tangent(layers, V))
    assert balanced.residual(layers) < 1e-12


def test_stacks_are_loops(rng):
    layers = balanced.random((3, 4, 3), [1.0, 0.5, 0.2], rng=0, size=(4,))
    V = [0.03 * rng.standard_normal(W.shape) for W in layers]
    together = balanced.retract(layers, V)
    for k in range(4):
        alone = balanced.retract([W[k] for W in layers], [Y[k] for Y in V])
        for a, b in zip(together, alone, strict=True):
            assert_allclose(a[k], b, atol=1e-12)


def test_too_long_a_step_is_refused():
    with pytest.raises(ValueError, match=r"V is too long .* take a shorter step"):
        balanced.retract([np.eye(2)] * 2, [-np.eye(2)] * 2)
