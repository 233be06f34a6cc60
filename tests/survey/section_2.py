"""Section 2: block-shift calculus, the regression problem, its reduction, the gradient flow."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import adjacency, critical_points, energies, flows, hessian
from dlngeo import weights as networks
from menon.material import flat, gap, lifted_slope, product, rank, size
from survey.material import (
    chain,
    change,
    diagonal,
    full_hessian,
    integrate,
    nets,
    place,
    random_net,
)
from survey.points import fibre_point
from survey.registry import printed, row


@row(
    "section 2.1.1",
    "adjacency.powers adjacency.nilpotency_index",
    tol=1e-13,
    test="adjacency.powers_hold_the_products",
)
def _():
    """F^k = blk_k(F_{1:k}, …, F_{h+1-k:h}), of nilpotency index h + 1."""
    for net in nets():
        for k, power in enumerate(adjacency.powers(net.A, net.h)):
            if k:
                blocks = [chain(net.layers, j + 1, j + k) for j in range(net.h + 1 - k)]
                yield gap(power, place(blocks, k, net.widths))
        yield abs(adjacency.nilpotency_index(net.A) - net.h - 1)


@row("(1)", "adjacency.mixed_product", test="blocks.mixed_products_are_single_blocks")
def _():
    """F^{h-j}GF^{j-1} = blk_h(F_{j+1:h}G_jF_{1:j-1})."""
    for net in nets():
        F, G = net.layers, net.V
        for j in range(1, net.h + 1):
            corner = chain(F, j + 1, net.h) @ G[j - 1] @ chain(F, 1, j - 1)
            exact = place([corner], net.h, net.widths)
            ours = adjacency.mixed_product(net.A, place(G, 1, net.widths), (net.h - j, j - 1))
            yield gap(ours, exact)


@row("(2)", "adjacency.mixed_product", test="blocks.mixed_products_are_single_blocks")
def _():
    """Two factors G: blk_h(F_{j+k+1:h}G_{j+k}F_{k+1:j+k-1}G_kF_{1:k-1})."""
    for net in nets():
        F, G, h = net.layers, net.V, net.h
        for k in range(1, h):
            for j in range(1, h - k + 1):
                middle = G[j + k - 1] @ chain(F, k + 1, j + k - 1) @ G[k - 1]
                corner = chain(F, j + k + 1, h) @ middle @ chain(F, 1, k - 1)
                ours = adjacency.mixed_product(
                    net.A, place(G, 1, net.widths), (h - j - k, j - 1, k - 1)
                )
                yield gap(ours, place([corner], h, net.widths))


@row("(3)", "weights.end_to_end", test="weights.layers_stand_in_network_order")
def _():
    """f(X) = W_h ⋯ W_1X."""
    for net in nets():
        X = np.random.default_rng(1).standard_normal((net.widths[0], 7))
        x = X
        for W in net.layers:
            x = W @ x
        yield gap(networks.end_to_end(net.layers) @ X, x)


def regression(seed=0, n=4, m=2, samples=9):
    generator = np.random.default_rng(seed)
    X, Y = generator.standard_normal((n, samples)), generator.standard_normal((m, samples))
    W = generator.standard_normal((m, n))
    return X, Y, W, energies.LinearRegression(X, Y)


@row("(4)", "energies.LinearRegression", test="energies.value_is_the_definition", note="loss = 2E")
def _():
    """‖Y - WX‖² = Σ_i ‖y_i - f(x_i)‖²."""
    for seed in range(3):
        X, Y, W, energy = regression(seed)
        pairs = zip(X.T, Y.T, strict=True)
        yield gap(2 * energy.value(W), sum(size(y - W @ x) ** 2 for x, y in pairs))


@row(
    "Assumption 1",
    "energies.LinearRegression",
    tol=0.0,
    test="energies.whitening_needs_full_row_rank",
    note="output no wider than the input; narrow hidden layers are ordinary, see section 7",
)
def _():
    """More samples than inputs, X of full row rank: whitening refuses others."""
    for X in (np.ones((3, 5)), np.eye(4)[:, :3]):
        yield refused(lambda X=X: energies.LinearRegression(X, np.ones((2, X.shape[1]))).whiten())


def refused(call):
    """0 where a call raises ValueError."""
    try:
        call()
    except ValueError:
        return 0.0
    return 1.0


@row("(5)", "energies.Quadratic", test="energies.value_is_the_definition")
def _():
    """L = ½‖Σ - W_{1:h}‖²."""
    for net in nets():
        entries = [(net.Sigma[i] - net.W[i]) ** 2 for i in np.ndindex(net.W.shape)]
        yield gap(net.energy.value(net.W), sum(entries) / 2)


@row(
    "(6)",
    "energies.LinearRegression",
    test="energies.the_whitened_target_is_a_singular_value_matrix",
)
def _():
    """Σ is rectangular diagonal, its entries the singular values of Y's part that X explains."""
    for seed in range(3):
        X, Y, _, energy = regression(seed)
        target = energy.whiten().energy.target
        explained = Y @ np.linalg.pinv(X) @ X
        sigma = np.linalg.svd(explained, compute_uv=False)[: len(Y)]
        yield gap(target, diagonal(sigma, *target.shape))


@row(
    "Assumption 2",
    "critical_points.critical_value",
    tol=0.0,
    note="distinct partial sums are not asked for: nothing needs them",
)
def _():
    """The σ_i are positive and distinct: others are refused."""
    for sigma in ([1.0, 1.0], [2.0, 0.0], [2.0, -1.0]):
        yield refused(lambda sigma=sigma: critical_points.critical_value(sigma, (0,)))


@row("(7)", "energies.Quadratic energies.LinearRegression", tol=1e-12)
def _():
    """The least-squares problem ends at W* = Σ, in the data's coordinates at YX⁺."""
    for seed in range(3):
        X, Y, _, energy = regression(seed)
        reduced = energy.whiten()
        (W,) = reduced.maps.unwhiten((reduced.energy.target,))
        yield gap(W, Y @ np.linalg.pinv(X))
        yield size(reduced.energy.gradient(reduced.energy.target))
        yield size(energy.gradient(W)) / size(Y) ** 2


def minimum(widths, sigma, seed=3):
    """A minimum with every Z_i but the empty Z_h drawn at random."""
    generator = np.random.default_rng(seed)
    r = len(sigma)
    Z = [generator.standard_normal((b - r, a - r)) for a, b in itertools.pairwise(widths)]
    Z[0] = generator.standard_normal((widths[1] - r, widths[0]))
    return fibre_point(widths, sigma, tuple(range(r)), Z)


WIDE = [((1, 2, 1), (1.0,)), ((2, 5, 2), (2.0, 1.0)), ((4, 3, 3, 2), (2.0, 1.0))]


@row(
    "Proposition 3",
    "hessian.nullity critical_points.classify",
    tol=1e-12,
    test="hessian.nullity_of_a_regular_minimum",
)
def _():
    """Minima reach L = 0 and fill unbounded sets of dimension Σd_id_{i-1} - d_xd_y."""
    for widths, sigma in WIDE:
        point = minimum(widths, sigma)
        yield point.net.loss
        P = [1e3 * np.eye(d) for d in widths[1:-1]]
        far = change(point.net.layers, P)
        yield size(product(far) - point.net.Sigma) + (networks.norm(far) < 1e2)
        free = sum(W.size for W in point.net.layers) - widths[0] * widths[-1]
        yield abs(free - differential_nullity(point.net))
        yield abs(free - int(hessian.nullity(point.net.energy, point.net.layers)))
        yield float(critical_points.classify(far, sigma).kind != "minimum")


def differential_nullity(net):
    """The dimension of the kernel of dφ, which is tangent to the minima."""
    rows = [
        flat(place_one(net, p, unit))
        for p, W in enumerate(net.layers, start=1)
        for unit in np.eye(W.size).reshape(-1, *W.shape)
    ]
    return len(rows) - rank(rows)


def place_one(net, p, unit):
    return chain(net.layers, p + 1, net.h) @ unit @ chain(net.layers, 1, p - 1)


@printed("Proposition 3", "dim ≥ Σd_i², which fails where a hidden layer is wider than the input")
def _():
    for widths, sigma in WIDE[:2]:
        bound = sum(d**2 for d in widths[1:-1])
        yield max(0, bound - differential_nullity(minimum(widths, sigma).net))


@printed(
    "Proposition 3",
    "the same for every critical level: none isolated, all unbounded; at h = 2, d_x = d_y the only "
    "critical point of S = ∅ is 0, of a regular Hessian",
)
def _():
    # 0 is isolated: least singular value of the Hessian, against the claim of a kernel.
    net = random_net((2, 3, 2), (2.0, 1.0)).at([np.zeros((3, 2)), np.zeros((2, 3))])
    yield float(np.abs(np.linalg.eigvalsh(full_hessian(net))).min())


@row("(8)", "flows.gradient_flow", tol=1e-12, test="flows.weight_flow_meets_golden_end")
def _():
    """The minimum of L is reached: the flow comes to L = 0."""
    for net in nets()[:3]:
        run = flows.gradient_flow(net.energy, net.layers, (0, 400), stop_loss=1e-13)
        yield float(run.energy[-1])


@row("(9)", "weights.gradient", test="weights.golden_networks")
def _():
    """dW_j/dt = W_{j+1:h}ᵀ(Σ - W_{1:h})W_{1:j-1}ᵀ, the negative gradient."""
    for net in nets():
        ours = [-G for G in networks.gradient(net.energy, net.layers)]
        yield gap(ours, net.velocity)
        down = lifted_slope(lambda W, S=net.Sigma: ((S - W) ** 2).sum() / 2, net.layers)
        yield gap([-G for G in down], net.velocity)


@row(
    "section 2.2",
    "flows.gradient_descent",
    tol=0.02,
    test="flows.descent_tends_to_the_flow",
    note="the ratio of two errors, ½ in the limit of small steps",
)
def _():
    """Gradient descent tends to the flow: half the step, half the error."""
    for net in nets():
        (end,) = integrate(net, [0.1])
        errors = []
        for count in (200, 400):
            run = flows.gradient_descent(net.energy, net.layers, 0.1 / count, count)
            errors.append(size(flat([W[-1] for W in run.weights]) - flat(end.layers)))
        yield abs(errors[1] / errors[0] - 0.5)
