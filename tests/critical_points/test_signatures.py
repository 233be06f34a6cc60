"""Critical values and arcs against golden values, sums written out, and the loss of weights."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlngeo import critical_points, weights
from dlngeo.critical_points._signatures import leading
from dlngeo.energies import Quadratic

SIGMA = np.array([4.0, 3.0, 2.0, 1.0])


def diagonal(sigma, shape):
    target = np.zeros(shape)
    np.fill_diagonal(target, sigma)
    return target


def indices(text):
    """A golden signature, 1-based, as a 0-based tuple."""
    return tuple(int(i) - 1 for i in text.strip("[] ").split(",") if i.strip())


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_golden_arcs(depth, golden_flow):
    cases = golden_flow["arcs_sigma_4_3_2_1"]
    assert len(cases) == 5
    for name, case in cases.items():
        start, end = (indices(side) for side in name.split("->"))
        alpha, loss = (np.array(case[key], dtype=float) for key in ("alpha", "L"))
        got = critical_points.arc(SIGMA, start, end, alpha, depth)
        np.testing.assert_allclose(got, loss, rtol=1e-15)
        least = critical_points.arc_minimum(SIGMA, start, end)
        want = (float(case["alpha_star"]), float(case["L_at_alpha_star"]))
        np.testing.assert_allclose(least, want, rtol=1e-15)


subsets = st.sets(st.integers(0, 3)).map(tuple)


@given(start=subsets, end=subsets, seed=st.integers(0, 2**32 - 1))
def test_an_arc_is_the_loss_of_a_line_of_matrices(start, end, seed):
    """½|Σ - (1-α)S₁Σ - αS₂Σ|², and the same for the weights above it."""
    generator = np.random.default_rng(seed)
    sigma, alpha = generator.uniform(0.1, 3, size=4), generator.uniform(size=6)
    energy = Quadratic(diagonal(sigma, (4, 5)))
    keep = [np.isin(np.arange(4), S) for S in (start, end)]
    line = np.stack([diagonal(sigma * ((1 - t) * keep[0] + t * keep[1]), (4, 5)) for t in alpha])
    want = energy.value(line)
    got = critical_points.arc(sigma, start, end, alpha, 3)
    np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15)
    layers = critical_points.arc_weights(sigma, start, end, alpha, (5, 6, 4, 4))
    np.testing.assert_allclose(weights.end_to_end(layers), line, rtol=1e-14, atol=1e-15)
    if set(start) != set(end):
        least = critical_points.arc_minimum(sigma, start, end)
        grid = critical_points.arc(sigma, start, end, np.linspace(0, 1, 1001), 3)
        assert critical_points.arc(sigma, start, end, least.alpha, 3) == pytest.approx(
            least.value, rel=1e-13, abs=1e-15
        )
        assert least.value <= grid.min() * (1 + 1e-14)
        assert grid.min() - least.value < 1e-6 * (sigma**2).sum()


@pytest.mark.parametrize(("start", "end"), [((), (0, 1, 2, 3)), ((0, 3), (1,)), ((2,), (2,))])
def test_the_ends_of_an_arc_of_weights_are_critical(start, end):
    energy = Quadratic(diagonal(SIGMA, (4, 6)))
    layers = critical_points.arc_weights(SIGMA, start, end, [0.0, 1.0], (6, 4, 5, 4))
    for G in weights.gradient(energy, layers):
        np.testing.assert_allclose(G, 0, rtol=0, atol=1e-14)
    want = [critical_points.critical_value(SIGMA, S) for S in (start, end)]
    np.testing.assert_allclose(energy.value(weights.end_to_end(layers)), want, rtol=1e-14)


def test_an_arc_of_mixed_type_has_a_minimum_inside_and_no_maximum():
    alpha = np.linspace(0, 1, 101)
    loss = critical_points.arc(SIGMA, (0, 3), (1, 2), alpha, 2)
    assert (np.diff(loss, 2) > 0).all()
    assert loss.min() < min(loss[0], loss[-1])


def test_arc_takes_any_shape_of_alpha():
    alpha = np.linspace(0, 1, 6).reshape(2, 3)
    assert critical_points.arc(SIGMA, (0,), (1,), alpha, 2).shape == (2, 3)
    assert np.shape(critical_points.arc(SIGMA, (0,), (1,), 0.5, 2)) == ()
    layers = critical_points.arc_weights(SIGMA, (0,), (1,), alpha, (4, 2, 3, 4))
    assert [W.shape for W in layers] == [(2, 3, 2, 4), (2, 3, 3, 2), (2, 3, 4, 3)]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_graph_is_that_of_subsets(count):
    sigma = SIGMA[:count]
    nodes, values, descends = critical_points.graph(sigma)
    assert len(nodes) == len(set(nodes)) == 2**count
    for k, node in enumerate(nodes):
        assert values[k] == pytest.approx(
            sum(sigma[i] ** 2 for i in range(count) if i not in node) / 2, rel=1e-15
        )
        assert values[k] == critical_points.critical_value(sigma, node)
        assert descends[k].sum() == 2 ** (count - len(node)) - 1
        assert descends[:, k].sum() == 2 ** len(node) - 1
    for j, k in itertools.product(range(len(nodes)), repeat=2):
        assert descends[j, k] == (set(nodes[j]) < set(nodes[k]))
        if descends[j, k]:
            path = critical_points.arc(sigma, nodes[j], nodes[k], np.linspace(0, 1, 11), 2)
            assert (np.diff(path) < 0).all()


def test_a_bottleneck_limits_the_signatures():
    nodes = critical_points.graph(SIGMA, (5, 2, 7, 4)).signatures
    assert len(nodes) == 1 + 4 + 6
    assert max(len(node) for node in nodes) == 2
    assert critical_points.signatures(3, 1) == [(), (0,), (1,), (2,)]


def test_leading_signatures_take_sigma_in_any_order():
    assert leading(np.array([1.0, 3.0, 2.0]), 2) == (1, 2)


def test_bad_input_is_refused():
    for sigma, match in [
        ([1.0, 1.0], "distinct"),
        ([1.0, 0.0], "positive"),
        ([1.0, -1.0], "non-negative"),
        ([[1.0, 2.0]], "one vector"),
        ([1.0, np.nan], "finite"),
    ]:
        with pytest.raises(ValueError, match=match):
            critical_points.graph(sigma)
    for S in [(4,), (0, 0), (-1,)]:
        with pytest.raises(ValueError, match="signature"):
            critical_points.critical_value(SIGMA, S)
    for S in [(0.5,), 3, "a"]:
        with pytest.raises(TypeError, match="signature"):
            critical_points.critical_value(SIGMA, S)
    with pytest.raises(ValueError, match="alpha must lie"):
        critical_points.arc(SIGMA, (), (0,), 1.5, 2)
    with pytest.raises(ValueError, match="depth"):
        critical_points.arc(SIGMA, (), (0,), 0.5, 0)
    with pytest.raises(ValueError, match="start and end must differ"):
        critical_points.arc_minimum(SIGMA, (1, 2), (2, 1))
    for widths, match in [
        ((4, 4), "two layers"),
        ((3, 4, 4), "start at that or more"),
        ((4, 4, 3), "must end at 4"),
        ((4, 1, 4), "at least 2"),
    ]:
        with pytest.raises(ValueError, match=match):
            critical_points.arc_weights(SIGMA, (0,), (1,), 0.5, widths)


def test_the_least_loss_along_an_arc_of_tiny_sigma():
    """Squares of 1e-200 underflow; where the minimum lies does not."""
    least = critical_points.arc_minimum([2e-200, 1e-200], (0,), (1,))
    assert least.alpha == pytest.approx(0.2, rel=1e-14)
    with pytest.raises(ValueError, match="must differ"):
        critical_points.arc_minimum([2e-200, 1e-200], (0,), (0,))


def test_sigma_alone_may_differ_by_any_factor():
    """No network rounds them: the least loss on the arc is ½ a²b²/(a² + b²)."""
    a, b = 1e100, 1e-60
    least = critical_points.arc_minimum([a, b], (0,), (1,))
    assert least.value == pytest.approx(0.5 * b**2, rel=1e-14)
    assert len(critical_points.graph([a, b]).signatures) == 4
    with pytest.raises(ValueError, match="distinct"):
        critical_points.arc_minimum([1.0, 1e-60, 1e-60 * (1 + 1e-13)], (0,), (1,))
