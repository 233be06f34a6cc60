"""Sections 5.3 and 5.4: balanced networks, nearly balanced ones, and the scalar equation."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np

from dlngeo import adjacency, critical_points, exact, flows, hessian
from dlngeo import weights as networks
from menon.material import flat, gap, size
from survey.material import Net, change, diagonal, full_hessian, haar, integrate, nets, scalar
from survey.points import fibre_point
from survey.registry import printed, row, same
from survey.section_5 import SHAPES, balanced


@row(
    "Proposition 34",
    "weights.random_balanced weights.is_aligned weights.is_decoupled",
    tol=1e-7,
    test="weights.random_balanced_layers_share_singular_values",
    note="the tolerance is that of the flow's end",
)
def _():
    """0-balanced: aligned, one set of singular values for ever, and decoupled in the limit."""
    for net in balanced():
        yield float(not networks.is_aligned(net.layers) or networks.is_decoupled(net.layers))
        for state in [
            *integrate(net, [0.3, 1.0]),
            net.at(networks.random_balanced(net.widths, 1.0, rng=1)),
        ]:
            values = [np.linalg.svd(W, compute_uv=False)[: min(net.widths)] for W in state.layers]
            yield size(np.diff(values, axis=0)) / size(values)
    for net in list(balanced())[:2]:
        run = flows.gradient_flow(net.energy, net.layers, (0, 1e3), gtol=1e-9)
        end = tuple(W[-1] for W in run.weights)
        yield size(net.Sigma - networks.end_to_end(end))
        yield float(not networks.is_decoupled(end, tol=1e-5))


def balanced_critical(seed=2):
    """A* = PΛPᵀ with Λ^h = SΣ, P orthogonal."""
    generator = np.random.default_rng(seed)
    for widths, sigma in SHAPES:
        for S in ((0,), (1,), tuple(range(len(sigma)))):
            root = np.where(np.isin(range(len(sigma)), S), sigma, 0.0) ** (1 / (len(widths) - 1))
            plain = [diagonal(root, b, a) for a, b in itertools.pairwise(widths)]
            P = [haar(generator, d) for d in widths[1:-1]]
            yield S, Net(tuple(widths), np.array(sigma), change(plain, P))


@row(
    "Proposition 35",
    "critical_points.parametrise",
    tol=1e-12,
    test="critical_points.balanced_points_of_graded_sigma",
    note="Z can be chosen 0: it is in the representation that parametrise chooses",
)
def _():
    """At 0-balanced critical points Z = 0."""
    for S, net in balanced_critical():
        found = critical_points.parametrise(net.layers, net.sigma)
        yield float(found.signature != S)
        yield size(flat(found.Z))
        yield size(flat(networks.imbalance(net.layers)))


@printed(
    "Proposition 35", "Z = 0 in every representation; Z_1 may have columns in S for the same A*"
)
def _():
    for S, net in balanced_critical():
        found = critical_points.parametrise(net.layers, net.sigma)
        if 0 in found.Z[0].shape:
            continue
        r, Z = len(S), [B.copy() for B in found.Z]
        Z[0][:, list(S)] = 0.5
        shear = np.eye(net.widths[1])
        shear[r:, :r] = -0.5 / net.sigma[list(S)]
        P = [found.P[0] @ shear, *found.P[1:]]
        other = change(fibre_point(net.widths, net.sigma, S, Z, plain=True).net.layers, P)
        yield size(flat(Z)) if gap(other, net.layers) < 1e-12 else 0.0


def gram_values(net):
    """ς_i² and ς_{i+1}² at every hidden layer, zeros included."""
    for i, (V, W) in enumerate(itertools.pairwise(net.layers), start=1):
        d = net.widths[i]
        left, right = (np.linalg.svd(M, compute_uv=False) ** 2 for M in (V, W))
        yield np.pad(left, (0, d - left.size)), np.pad(right, (0, d - right.size))


@row(
    "Proposition 36",
    "weights.is_delta_balanced weights.imbalance",
    test="weights.delta_balanced_is_an_absolute_bound_on_the_largest_imbalance",
)
def _():
    """δ² ≥ ‖C_i‖² ≥ Σ_k(ς_ik² - ς_{i+1,k}²)², so abs(ς_i - ς_{i+1}) ≤ δ/(ς_i + ς_{i+1})."""
    for net in nets():
        delta = max(size(C) for C in net.C)
        yield float(not networks.is_delta_balanced(net.layers, delta * (1 + 1e-12)))
        yield float(networks.is_delta_balanced(net.layers, delta * (1 - 1e-12)))
        for left, right in gram_values(net):
            yield max(0.0, size(left - right) - delta)
            top = delta / (np.sqrt(left) + np.sqrt(right) + 1e-300)
            yield max(0.0, float((np.abs(np.sqrt(left) - np.sqrt(right)) - top).max()))


@printed(
    "Proposition 36",
    "abs(ς_i - ς_{i+1}) ≪ δ for δ ≪ σ^{1/h}; it is bounded by δ/(2σ^{1/h}), and wants δ ≪ σ^{2/h}",
)
def _():
    root = 0.01  # σ^{1/h}
    delta = root / 10
    for other in (np.sqrt(root**2 + delta), np.sqrt(root**2 + delta / 2)):
        layers = (np.array([[root]]), np.array([[other]]))
        assert networks.is_delta_balanced(layers, delta * (1 + 1e-12))
        yield abs(root - other) / delta - 1


@row(
    "(58)",
    "adjacency.misalignment weights.imbalance",
    test="block_svd.misalignment_sums_to_the_imbalance",
)
def _():
    """Σ_k(ς_ik² - ς_{i+1,k}²)² ≤ ‖C_i‖², with equality for aligned layers."""
    for net in nets():
        terms = adjacency.misalignment(net.A, net.widths)
        for (left, right), term in zip(gram_values(net), terms, strict=True):
            yield max(0.0, size(left - right) ** 2 - term.sum())
    for net in balanced():
        grown = net.at([(1 + i) * W for i, W in enumerate(net.layers)])
        for (left, right), C in zip(gram_values(grown), grown.C, strict=True):
            yield gap(size(left - right) ** 2, size(C) ** 2)


@row(
    "(59)",
    "adjacency.misalignment",
    tol=1e-12,
    test="block_svd.misalignment_sums_to_the_imbalance",
    note="exact up to the last approximation, which puts ς_i for ς_{i+1}",
)
def _():
    """‖C_i‖² = Σ_k(ς_ik⁴ + ς_{i+1,k}⁴) - 2‖W_{i+1}W_i‖²."""
    for net in nets():
        terms = adjacency.misalignment(net.A, net.widths)
        for i, (left, right) in enumerate(gram_values(net)):
            total = (left**2 + right**2).sum() - 2 * size(net.layers[i + 1] @ net.layers[i]) ** 2
            yield gap(terms[i].sum(), total)


def frames_at(net, i):
    """V_{i+1}ᵀU_i with squared singular values on both sides, zeros included."""
    U = np.linalg.svd(net.layers[i])[0]
    Vt = np.linalg.svd(net.layers[i + 1])[2]
    left, right = list(gram_values(net))[i]
    return (Vt @ U) ** 2, left, right


@row(
    "(60)",
    "adjacency.misalignment",
    test="block_svd.the_printed_60_is_approximate",
    note="exact form: ‖C_i‖² = Σ_kl(v_{i+1,k}·u_il)²(ς_{i+1,k}² - ς_il²)²",
)
def _():
    """What each pair of modes adds to ‖C_i‖²."""
    for net in nets():
        for i, term in enumerate(adjacency.misalignment(net.A, net.widths)):
            squares, left, right = frames_at(net, i)
            expected = squares * (right[:, None] - left[None, :]) ** 2
            yield size(term.sum() - expected.sum()) / expected.sum()
            yield gap(term.sum(), size(net.C[i]) ** 2)


@printed("(60)", "Σ_kl Θ_kl(ς_ik² - ς_il²)² with Θ symmetrised, which is approximate")
def _():
    for net in nets():
        for i in range(net.h - 1):
            squares, left, _ = frames_at(net, i)
            theta = (squares + squares.T) / 2
            yield gap((theta * (left[:, None] - left[None, :]) ** 2).sum(), size(net.C[i]) ** 2)


# -------------------------------------------------------------------- the scalar equation (61)


def scalar_time(start, end, sigma, h):
    """∫ dz / (z^{h-1}(σ - z^h)), by mpmath."""
    return float(mpmath.quad(lambda z: 1 / (z ** (h - 1) * (sigma - z**h)), [start, end]))


@row(
    "(61)",
    "exact.layer_value exact.passage_time",
    tol=1e-11,
    test="exact.layer_value_by_quadrature",
    note="equilibria 0 and σ^{1/h}; -σ^{1/h} for even h, while at odd h a negative z falls to 0",
)
def _():
    """ż = z^{h-1}(σ - z^h)."""
    for h, sigma in itertools.product((2, 3, 5), (0.5, 2.0)):
        for part in (0.3, 0.7, 0.95):
            z, end = 0.2, 0.2 + part * (sigma ** (1 / h) - 0.2)
            t = scalar_time(z, end, sigma, h)
            yield gap(exact.layer_value(t, z, sigma, h), end)
            yield gap(exact.passage_time(z**h, end**h, sigma, h), t)
            (state,) = integrate(scalar(*[z] * h, sigma=sigma), [t])
            yield gap(flat(state.layers), [end] * h)
        yield gap(exact.layer_value(np.inf, 0.2, sigma, h), sigma ** (1 / h))
        low = exact.layer_value(np.inf, -0.2, sigma, h)
        yield abs(low - (-(sigma ** (1 / h)) if h % 2 == 0 else 0.0))


@printed("(61)", "equilibria 0, ±σ_j")
def _():
    for h, sigma in itertools.product((2, 3, 5), (0.5, 2.0)):
        yield gap(sigma, exact.layer_value(np.inf, 0.2, sigma, h))
        low = exact.layer_value(np.inf, -0.2, sigma, h)
        yield abs(-sigma - low) / sigma


@row(
    "section 5.4, Hessian",
    "hessian.form",
    test="exact.misprint_hessian_of_61_lacks_the_factor_h",
    note="not homogeneous",
)
def _():
    """d²L/dz² = h(hz^h - (h-1)(σ - z^h))z^{h-2} along equal layers."""
    for h, (z, sigma) in itertools.product((2, 3, 5), ((0.7, 2.0), (1.3, 0.5), (0.2, 1.0))):
        net = scalar(*[z] * h, sigma=sigma)
        ones = [np.ones((1, 1))] * h
        expected = h * (h * z**h - (h - 1) * (sigma - z**h)) * z ** (h - 2)
        yield abs(hessian.form(net.energy, net.layers, ones) - expected)
        yield abs(full_hessian(net).sum() - expected)


@printed("section 5.4, Hessian", "without the factor h: the curvature per unit of arc length")
def _():
    for h, (z, sigma) in itertools.product((2, 3, 5), ((0.7, 2.0), (1.3, 0.5), (0.2, 1.0))):
        value = (h * z**h - (h - 1) * (sigma - z**h)) * z ** (h - 2)
        yield gap(value, full_hessian(scalar(*[z] * h, sigma=sigma)).sum())


@row(
    "section 5.4, order",
    "exact.passage_time exact.layer_value",
    tol=0.0,
    test="exact.order_of_learning_needs_small_starts",
    note="by absolute thresholds; by half-rises z(0) must be small",
)
def _():
    """From one small start the larger σ passes every level first; other starts may reverse it."""
    for h in (2, 3, 5):
        times = np.linspace(0.05, 8, 40)
        one, two = (exact.layer_value(times, 0.4, sigma, h) for sigma in (2.0, 1.0))
        yield float(not (one > two).all())
        slow = exact.passage_time(0.05**h, 0.5, 2.0, h)
        yield float(slow < exact.passage_time(0.6**h, 0.5, 1.0, h))


@printed(
    "section 5.4, order", "σ_j before σ_k, read as half-rises: u(0) = 0.4, σ = 2, 1 reverses it"
)
def _():
    first, second = (scalar_time(np.sqrt(0.4), np.sqrt(s / 2), s, 2) for s in (2.0, 1.0))
    yield (first - second) / first


same("Figure 1", "The graph of (61), and sequential learning or not", "(61)")
