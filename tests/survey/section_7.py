"""Section 7: steps of descent, other losses, few measurements, bottlenecks, skip connections."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import adjacency, critical_points, energies, flows, nuclear_norm, stability
from dlngeo import weights as networks
from menon.material import flat, gap, lifted_slope, product, size, slope
from survey.material import full_hessian, nets, place, random_net, sum_over_layers
from survey.points import fibre_point
from survey.registry import later, printed, row


@row(
    "(67)",
    "flows.gradient_descent adjacency.gradient",
    test="adjacency.descent_subtracts_the_gradient",
)
def _():
    """A(k+1) = A(k) + ηΣ_j(A^{h-j})ᵀ(E - A^h)(A^{j-1})ᵀ; A(k) keeps its form."""
    for net in nets():
        run = flows.gradient_descent(net.energy, net.layers, 0.01, 1)
        ours = adjacency.from_weights([W[-1] for W in run.weights])
        yield gap(ours, net.A + 0.01 * sum_over_layers(net))
        step = -0.01 * adjacency.gradient(net.A, net.energy, net.widths)
        yield gap(step, 0.01 * sum_over_layers(net))


@printed("(67)", "A(k) - ηΣ_j(…), the wrong sign")
def _():
    for net in nets():
        step = -0.01 * adjacency.gradient(net.A, net.energy, net.widths)
        yield gap(-0.01 * sum_over_layers(net), step)


@row(
    "section 7, descent",
    "stability.imbalance_change",
    tol=1e-12,
    test="stability.imbalance_change_is_what_a_step_does",
)
def _():
    """Steps of descent change the imbalances, by η²(G_iG_iᵀ - G_{i+1}ᵀG_{i+1})."""
    for net in nets():
        moved = net.at([W + 0.1 * V for W, V in zip(net.layers, net.velocity, strict=True)])
        ours = stability.imbalance_change(net.energy, net.layers, 0.1)
        for change, old, new in zip(ours, net.C, moved.C, strict=True):
            yield size(change - (new - old)) / size(moved.A) ** 2


@row(
    "section 7, other losses",
    "energies.Logistic weights.gradient",
    tol=1e-12,
    test="energies.logistic_against_differences_in_60_digits",
    note="the quadratic case's statements on minima are not claimed for it",
)
def _():
    """Convex losses other than the quadratic one train by the same chain."""
    generator = np.random.default_rng(0)
    X, Y = generator.standard_normal((4, 9)), np.sign(generator.standard_normal((2, 9)))
    energy = energies.Logistic(X, Y)
    net = random_net((4, 3, 3, 2), (2.0, 1.0))
    exact = lifted_slope(lambda W: np.log(1 + np.exp(-Y * (W @ X))).sum(), net.layers)
    yield gap(networks.gradient(energy, net.layers), exact)


def sensing(seed=0, count=5):
    generator = np.random.default_rng(seed)
    B = generator.standard_normal((count, 3, 4))
    target = np.outer(generator.standard_normal(3), generator.standard_normal(4))
    return B, np.einsum("kij,ij->k", B, target), target


@row(
    "(68)",
    "energies.MatrixSensing energies.MatrixCompletion",
    test="energies.sensing_single_entries_is_completion",
)
def _():
    """L_ms = ½Σ_i(⟨B_i, W⟩ - y_i)²; B_i = 𝔼_kl is completion, B = e_kx_lᵀ regression."""
    for seed in range(3):
        B, y, target = sensing(seed)
        generator = np.random.default_rng(seed + 50)
        W = generator.standard_normal((3, 4))
        energy = energies.MatrixSensing(B, y)

        def loss(M, B=B, y=y):
            return sum((np.trace(C.T @ M) - v) ** 2 for C, v in zip(B, y, strict=True)) / 2

        yield gap(energy.value(W), loss(W))
        yield gap(energy.gradient(W), slope(loss, W))
        X = generator.standard_normal((4, 6))
        pairs = list(itertools.product(range(3), range(6)))
        rows = np.array([np.outer(np.eye(3)[k], X[:, m]) for k, m in pairs])
        Y = target @ X
        regression = energies.MatrixSensing(rows, np.array([Y[k, m] for k, m in pairs]))
        yield gap(regression.value(W), energies.LinearRegression(X, Y).value(W))


@row(
    "section 7, few measurements",
    "nuclear_norm.minimum_nuclear_norm flows.gradient_flow",
    tol=1e-7,
    test="nuclear_norm.certificate_of_random_sensing",
    note="a greedy low rank, not always of least nuclear norm: measured here as ≥",
)
def _():
    """Networks fit few measurements of low rank; least nuclear norm by its dual certificate."""
    B, y, _ = sensing(1, 7)
    energy = energies.MatrixSensing(B, y)
    found = nuclear_norm.minimum_nuclear_norm(energy)
    yield size(np.einsum("kij,ij->k", B, found.W) - y) / size(y)
    dual = np.einsum("k,kij->ij", found.multipliers, B)
    yield max(0.0, np.linalg.norm(dual, 2) - 1)
    yield (np.linalg.svd(found.W, compute_uv=False).sum() - found.multipliers @ y) / found.value
    start = networks.random_balanced((4, 3, 3, 3), 0.1, rng=0)
    run = flows.gradient_flow(energy, start, (0, 1e4), stop_loss=1e-12)
    nuclear = np.linalg.svd(run.W[-1], compute_uv=False).sum()
    yield max(0.0, found.bound - nuclear) / nuclear


def bottlenecks():
    generator = np.random.default_rng(5)
    for widths, sigma, S in (
        ((3, 1, 3, 2), (2.0, 1.0), (0,)),
        ((3, 1, 3, 2), (2.0, 1.0), (1,)),
        ((3, 4, 2, 3), (3.0, 2.0, 1.0), (0, 1)),
        ((3, 4, 2, 3), (3.0, 2.0, 1.0), (0, 2)),
        ((3, 4, 2, 3), (3.0, 2.0, 1.0), (1, 2)),
    ):
        r = len(S)
        Z = [generator.standard_normal((b - r, a - r)) for a, b in itertools.pairwise(widths)]
        Z[0] = generator.standard_normal((widths[1] - r, widths[0]))
        yield fibre_point(widths, sigma, S, Z)  # the bottleneck makes Z_{1:h} = 0


@row(
    "section 7, bottlenecks",
    "critical_points.classify adjacency.least_loss",
    tol=1e-12,
    test="critical_points.classification_agrees_with_the_full_hessian_through_bottlenecks",
)
def _():
    """S = {1..d_min} is the global minimum ½Σ_{i>d_min}σ_i²; other S of that rank are strict."""
    for point in bottlenecks():
        net = point.net
        least = np.linalg.eigvalsh(full_hessian(net))[0]
        found = critical_points.classify(net.layers, net.sigma)
        yield size(flat(net.velocity)) / size(net.A) ** net.h
        yield abs(found.value - net.loss) + float(found.signature != point.S)
        yield float(found.kind != ("minimum" if point.leading else "strict saddle"))
        yield float((least < -1e-9) == point.leading)
        floor = (net.sigma[min(net.widths) :] ** 2).sum() / 2
        yield abs(adjacency.least_loss(net.Sigma, net.widths) - floor)
        yield abs(net.loss - floor) if point.leading else float(net.loss < floor + 0.1)


@printed("section 7, bottlenecks", "Prop. 14 kept: rank < d_y a saddle; here it is the minimum")
def _():
    for point in bottlenecks():
        if point.leading:
            yield float(np.linalg.eigvalsh(full_hessian(point.net))[0] > -1e-9)


def skipped(layers, k, end):
    """W_{1:h} + W_{end+1:h}W_{1:k}."""
    around = [*layers[:k], *layers[end:]]
    return product(layers) + (product(around) if around else np.eye(len(layers[0])))


def wide(layers, k, j, *, as_printed=False):
    """The blocks of section 7 from k+1 to k+j; printed: to k+j-1."""
    last = k + j - 1 if as_printed else k + j
    result = [W.copy() for W in layers]
    one = np.eye(3)
    result[k] = np.vstack([layers[k], one])
    for p in range(k + 1, last - 1):
        result[p] = np.block([[layers[p], 0 * one], [0 * one, one]])
    result[last - 1] = np.hstack([layers[last - 1], one])
    return result


SKIPS = [(4, 0, 3), (4, 1, 3), (5, 1, 3), (5, 0, 4)]


@row(
    "section 7, skips",
    "adjacency.with_skips adjacency.skip_mask adjacency.skip_widths",
    test="skip.a_single_skip_is_the_blocks_of_section_7_corrected",
    note="d_k(j - 1) extra nodes, right as printed",
)
def _():
    """W̃_{k+1} = [W; 1], …, W̃_{k+j} = [W 1] carry a skip k → k + j; the mask holds the ones."""
    for h, k, j in SKIPS:
        net = random_net((3,) * (h + 1), (3.0, 2.0, 1.0), seed=h)
        ours = adjacency.with_skips(net.layers, [(k, k + j)])
        yield gap(ours, wide(net.layers, k, j))
        yield gap(product(ours), skipped(net.layers, k, k + j))
        widths = adjacency.skip_widths(net.widths, [(k, k + j)])
        yield abs(sum(widths) - sum(net.widths) - 3 * (j - 1))
        mask = adjacency.skip_mask(net.widths, [(k, k + j)])
        G = adjacency.gradient(place(ours, 1, widths), net.energy, widths, mask=mask)
        inner = adjacency.without_skips(adjacency.to_weights(G, widths), net.widths)
        exact = [
            slope(
                lambda X, p=p, net=net, k=k, j=j: (
                    (
                        (skipped((*net.layers[:p], X, *net.layers[p + 1 :]), k, k + j) - net.Sigma)
                        ** 2
                    ).sum()
                    / 2
                ),
                W,
            )
            for p, W in enumerate(net.layers)
        ]
        yield gap(inner, exact)


@printed("section 7, skips", "blocks to W̃_{k+j-1}: a skip k → k + j - 1")
def _():
    for h, k, j in SKIPS:
        net = random_net((3,) * (h + 1), (3.0, 2.0, 1.0), seed=h)
        short = wide(net.layers, k, j, as_printed=True)
        yield gap(product(short), skipped(net.layers, k, k + j))


later("section 7, nonlinear", "Networks with activations", "outside the library")
