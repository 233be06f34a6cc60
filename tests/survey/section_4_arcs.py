"""Section 4.6: arcs between critical points."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import critical_points
from menon.material import flat, gap, product, size
from survey.material import descent, diagonal, integrate, scalar
from survey.points import fibre_point, subsets
from survey.registry import printed, row

SIGMAS = [(2.0, 1.0), (4.0, 3.0, 2.0, 1.0)]
ALPHA = np.linspace(0, 1, 41)


def line_loss(sigma, one, two, alpha):
    """½‖Σ - (1-α)S_1Σ - αS_2Σ‖²."""
    sigma = np.array(sigma)
    phi = [
        ((1 - a) * np.isin(range(sigma.size), one) + a * np.isin(range(sigma.size), two)) * sigma
        for a in np.atleast_1d(alpha)
    ]
    return 0.5 * ((sigma - np.array(phi)) ** 2).sum(axis=1)


def pairs(kind):
    """σ and two signatures: "equal", "inside" (S_1 ⊂ S_2) or "mixed"."""
    for sigma in SIGMAS:
        for one, two in itertools.product(subsets(len(sigma)), repeat=2):
            a, b = set(one), set(two)
            found = "equal" if a == b else "inside" if a < b else "outside" if b < a else "mixed"
            if found == kind:
                yield sigma, one, two


@row(
    "Theorem 24.1",
    "critical_points.arc critical_points.critical_value",
    test="signatures.an_arc_is_the_loss_of_a_line_of_matrices",
)
def _():
    """S_1 = S_2: L(A(α)) = ½Σ(1 - s_i)σ_i² throughout."""
    for sigma, one, two in pairs("equal"):
        ours = critical_points.arc(sigma, one, two, ALPHA, 3)
        yield size(ours - line_loss(sigma, one, two, ALPHA))
        yield np.ptp(ours)
        yield size(ours[0] - critical_points.critical_value(sigma, one))


@printed("Theorem 24.1", "Σ(1 - s_i)σ_i², without ½")
def _():
    for sigma, one, two in pairs("equal"):
        if len(one) < len(sigma):
            dropped = sum(s**2 for i, s in enumerate(sigma) if i not in one)
            yield gap(dropped, line_loss(sigma, one, two, 0.5))


@row(
    "Theorem 24.2",
    "critical_points.arc critical_points.arc_weights",
    test="signatures.the_ends_of_an_arc_of_weights_are_critical",
    note="the weights of the arc start from (32): from another point there may be no arc",
)
def _():
    """S_1 ⊂ S_2: L(A(α)) decreases; the arc is lifted by weights, critical at both ends."""
    for sigma, one, two in pairs("inside"):
        ours = critical_points.arc(sigma, one, two, ALPHA, 3)
        yield size(ours - line_loss(sigma, one, two, ALPHA)) / ours[0]
        yield max(0.0, float(np.diff(ours).max()))
        widths = (len(sigma) + 1, len(sigma), len(sigma) + 1, len(sigma))
        layers = critical_points.arc_weights(sigma, one, two, ALPHA, widths)
        target = diagonal(sigma, widths[-1], widths[0])
        for k, expected in enumerate(line_loss(sigma, one, two, ALPHA)):
            at = [W[k] for W in layers]
            yield abs(size(target - product(at)) ** 2 / 2 - expected)
        for end in (0, -1):
            yield size(flat(descent([W[end] for W in layers], target)))


@printed(
    "Theorem 24.2",
    "an arc from any A_1: at h = 2, d = (3, 2, 2), S_1 = {1}, Z_1 = (0, 0, 0.8) "
    "the third column of W_1(α) must jump",
)
def _():
    point = fibre_point(
        (3, 2, 2), (2.0, 1.0), (0,), [np.array([[0, 0, 0.8]]), np.zeros((1, 1))], plain=True
    )
    assert critical_points.classify(point.net.layers, point.net.sigma).signature == (0,)
    # Of rank 2, W_2W_1 = diag(2, α) leaves W_2 regular, and W_1 no third column.
    yield size(point.net.layers[0][:, 2])


@row(
    "Theorem 24.3",
    "critical_points.graph",
    tol=0.0,
    test="signatures.the_graph_is_that_of_subsets",
    note="counts of arcs",
)
def _():
    """From a signature of k indices 2^{d_y-k} - 1 arcs descend, and 2^k - 1 come down to it."""
    for sigma in SIGMAS:
        graph = critical_points.graph(sigma)
        for node, out, into in zip(graph.signatures, graph.descends, graph.descends.T, strict=True):
            yield abs(out.sum() - (2 ** (len(sigma) - len(node)) - 1))
            yield abs(into.sum() - (2 ** len(node) - 1))


@printed("Theorem 24.3", "counts of all submanifolds: 0 would have no stable one")
def _():
    for w in (0.5, 1.0):
        (end,) = integrate(scalar(w, -w), [20.0])
        yield 1 - size(flat(end.layers)) / w


@row(
    "Theorem 24.4",
    "critical_points.arc_minimum critical_points.arc",
    test="signatures.golden_arcs",
    note="L(A(α)) depends on Φ(α) alone",
)
def _():
    """Mixed signatures: a strictly convex quadratic, one minimum between the ends, no maximum."""
    for sigma, one, two in pairs("mixed"):
        ours = critical_points.arc(sigma, one, two, ALPHA, 3)
        yield size(ours - line_loss(sigma, one, two, ALPHA)) / ours[0]
        yield max(0.0, -float(np.diff(ours, 2).min()))
        alpha, value = critical_points.arc_minimum(sigma, one, two)
        left, middle, right = line_loss(sigma, one, two, [0.0, 0.5, 1.0])
        curve, slope = 4 * (left - 2 * middle + right), 4 * middle - 3 * left - right
        yield abs(alpha + slope / curve)
        yield abs(value - line_loss(sigma, one, two, alpha)[0]) / value
        yield float(not (0 < alpha < 1 and value < min(left, right)))


@printed("Theorem 24.4", "“nothing can be said”, “local minima/maxima”")
def _():
    for one, two in (((0,), (1,)), ((0, 3), (1, 3)), ((1, 2), (0,))):
        ends = line_loss(SIGMAS[1], one, two, [0.0, 1.0]).min()
        yield (ends - critical_points.arc_minimum(SIGMAS[1], one, two).value) / ends


@row("Remark 25", "critical_points.graph", tol=1e-8)
def _():
    """All arcs from 0 descend, from the highest level; yet 0 has stable directions."""
    for sigma in SIGMAS:
        graph = critical_points.graph(sigma)
        yield abs(graph.descends[0].sum() - (len(graph.signatures) - 1))
        yield float(graph.values.argmax() != 0 or graph.signatures[0] != ())
    (end,) = integrate(scalar(0.5, -0.5), [20.0])
    yield size(flat(end.layers))
