"""Section 6: the network of five layers, and those of two, three and four weights."""

from __future__ import annotations

import numpy as np

from dlngeo import adjacency, critical_points, exact, flows, hessian, sequential, survey_figures
from dlngeo import weights as networks
from menon.material import flat, gap, rank, size
from survey.material import Net, full_hessian, integrate, random_net, scalar
from survey.registry import printed, row, same

WIDTHS, SIGMA = (11, 6, 6, 6, 6, 4), (4.0, 3.0, 2.0, 1.0)


def laws(net):
    """The differentials of all entries of the imbalances, upper triangles, one a row."""
    rows = []
    for i, (V, W) in enumerate(zip(net.layers, net.layers[1:], strict=False)):
        for a in range(net.widths[i + 1]):
            for b in range(a + 1):
                change = [np.zeros_like(M) for M in net.layers]
                change[i][a] += V[b]
                change[i][b] += V[a]
                change[i + 1][:, a] -= W[:, b]
                change[i + 1][:, b] -= W[:, a]
                rows.append(flat(change))
    return np.array(rows)


@row("section 6.1", "weights.to_vector adjacency.from_weights weights.imbalance")
def _():
    """198 variables, 84 independent laws, 39 nodes."""
    net = random_net(WIDTHS, SIGMA)
    yield abs(networks.to_vector(net.layers).size - 198)
    yield abs(adjacency.from_weights(net.layers).size - 39**2)
    yield abs(sum(d * (d + 1) // 2 for d in map(len, networks.imbalance(net.layers))) - 84)
    yield abs(rank(laws(net)) - 84)
    yield size(laws(net) @ flat(net.velocity)) / size(flat(net.velocity))


@printed(
    "section 6.1",
    "‖A(t)^h‖ is monotone since L is: from w = (2, -1.9), σ = 1 it falls to 0 and rises to 1",
)
def _():
    start, *later = integrate(scalar(2.0, -1.9), np.linspace(0, 20, 400))
    sizes = [abs(float(state.W[0, 0])) for state in [start, *later]]
    turn = int(np.argmin(sizes))
    yield min(sizes[0] - sizes[turn], sizes[-1] - sizes[turn])


@row(
    "section 6.1, norm",
    "sequential.train",
    tol=1e-2,
    test="sequential.sequential_near_the_origin",
    note="from a start of size 0.1: the tolerance is its imbalance",
)
def _():
    """‖A‖ → (hΣσ^{2/h})^{1/2} from near 0."""
    run = sequential.train(0.1, rng=0)
    end = flat([W[-1] for W in run.weights])
    yield abs(size(end) / np.sqrt(5 * (np.array(SIGMA) ** 0.4).sum()) - 1)


@row(
    "Figure 2",
    "sequential.train sequential.learning",
    tol=0.0,
    test="sequential.simultaneous_away_from_the_origin",
)
def _():
    """Learning is sequential near the origin, simultaneous away from it; distances to saddles."""
    target = sequential.diagonal_target()
    for scale, verdict in ((0.1, "sequential"), (1.0, "simultaneous")):
        run = sequential.train(scale, rng=1)
        found = sequential.learning(run, target)
        yield float(found.verdict != verdict)
        gaps = [
            min(size(W - np.where(target >= SIGMA[k], target, 0.0)) for W in run.W)
            for k in range(3)
        ]
        near = max(gaps) < 0.05 * SIGMA[-1]
        yield float(near != (verdict == "sequential"))


same(
    "Figure 3",
    "δ-balanced paths: singular vectors align where the σ are apart",
    "(60)",
    "the bound on what is not aligned, measured as (60)",
)
same("Figure 4", "Losses along the arcs", "Theorem 24.4")


# ---------------------------------------------------------------------------- a single node

NODES = [((0.5, 0.1), 1.0), ((1.5, -0.7), 0.5), ((-0.3, -0.9), 2.0), ((0.2, -1.4), 1.0)]


@row("(62)", "exact.single_node hessian.dense", tol=1e-11, test="riccati.golden_values_of_62")
def _():
    """ẇ_1 = w_2(σ - w_1w_2), ẇ_2 = w_1(σ - w_1w_2); eigenvalues ±σ at 0, 0 and -(σ² + w⁴)/w²."""
    for w, sigma in NODES:
        times = [0.3, 1.0, 3.0]
        for t, state in zip(times, integrate(scalar(*w, sigma=sigma), times), strict=True):
            yield size(exact.single_node(t, w, sigma) - flat(state.layers))
        for a in (0.7, 2.0):
            point = scalar(a, sigma / a, sigma=sigma)
            spectrum = np.linalg.eigvalsh(hessian.dense(point.energy, point.layers))
            yield size(spectrum - [0.0, (sigma**2 + a**4) / a**2]) / spectrum[-1]
        origin = scalar(0.0, 0.0, sigma=sigma)
        spectrum = np.linalg.eigvalsh(hessian.dense(origin.energy, origin.layers))
        yield size(spectrum - [-sigma, sigma])


@row("(63)", "exact.single_node", test="riccati.single_node_at_extremes")
def _():
    """The end has w_1w_2 = σ and w_1² - w_2² = c."""
    for w, sigma in NODES:
        a, b = exact.single_node(np.inf, w, sigma)
        yield gap(a * b, sigma)
        yield gap(a**2 - b**2, w[0] ** 2 - w[1] ** 2)


def end_64(w, sigma):
    c = w[0] ** 2 - w[1] ** 2
    first = np.sqrt((c + np.sqrt(c**2 + 4 * sigma**2)) / 2)
    return np.array([first, sigma / first])


@row(
    "(64)",
    "exact.single_node",
    test="riccati.misprint_64_has_the_sign_of_the_sum",
    note="times sgn(w_1(0) + w_2(0))",
)
def _():
    """w_e = ±(((c + (c² + 4σ²)^½)/2)^½, σ/…)."""
    for w, sigma in NODES:
        yield gap(exact.single_node(np.inf, w, sigma), np.sign(sum(w)) * end_64(w, sigma))


@printed("(64)", "one end for each c, without the sign")
def _():
    for w, sigma in NODES:
        if sum(w) < 0:
            yield gap(end_64(w, sigma), exact.single_node(np.inf, w, sigma))


@row(
    "section 6.2.1",
    "exact.single_node weights.gradient",
    tol=1e-12,
    test="riccati.the_stable_manifold_is_never_left",
)
def _():
    """L̇ = -2(w_1² + w_2²)L; w_1 = w_2 leads to ±√σ(1, 1), w_1 = -w_2 to 0."""
    for w, sigma in NODES:
        net = scalar(*w, sigma=sigma)
        slope = -(size(flat(networks.gradient(net.energy, net.layers))) ** 2)
        yield gap(slope, -2 * (w[0] ** 2 + w[1] ** 2) * net.loss)
        for sign in (1.0, -1.0):
            end = exact.single_node(np.inf, (0.3 * sign, 0.3 * sign), sigma)
            yield gap(end, sign * np.sqrt(sigma) * np.ones(2))
        yield size(exact.single_node(np.inf, (0.4, -0.4), sigma))


same("Figure 5", "Phase portrait and landscape of the single node", "(62)")


# ------------------------------------------------------------------------- three and four weights


@row("(65)", "weights.gradient flows.gradient_flow", tol=1e-11)
def _():
    """ẇ_i = Π_{k≠i}w_k (σ - w_1w_2w_3), with w_i² - w_{i+1}² constant."""
    for w in ((0.5, 0.4, -0.3), (1.2, -0.6, 0.8)):
        net = scalar(*w)
        a, b, c = w
        r = 1.0 - a * b * c
        yield gap(
            -flat(networks.gradient(net.energy, net.layers)), [b * c * r, a * c * r, a * b * r]
        )
        run = flows.gradient_flow(
            net.energy,
            net.layers,
            (0, 5),
            t_eval=[0.0, 5.0],
            method="DOP853",
            rtol=1e-12,
            atol=1e-14,
        )
        squares = np.array([W[:, 0, 0] for W in run.weights]) ** 2
        yield size(np.diff(np.diff(squares, axis=0), axis=1))
        (end,) = integrate(net, [5.0])
        yield size(flat([W[-1] for W in run.weights]) - flat(end.layers))


@row(
    "section 6.2.2",
    "weights.gradient weights.imbalance critical_points.classify",
    tol=1e-13,
    note="c_1, c_2, c_1 + c_2 ≠ 0 is needed; the laws are independent where at most one w_i is 0",
)
def _():
    """L̇ = -2(w_2²w_3² + w_1²w_3² + w_1²w_2²)L, zero off the minima where two w_i are zero."""
    for w in ((0.5, 0.4, -0.3), (0.0, 1.0, 0.7), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)):
        net = scalar(*w)
        a, b, c = (x**2 for x in w)
        slope = -(size(flat(networks.gradient(net.energy, net.layers))) ** 2)
        yield abs(slope + 2 * (b * c + a * c + a * b) * net.loss)
        C = flat(networks.imbalance(net.layers))
        apart = C[0] != 0 and C[1] != 0 and C.sum() != 0
        yield float(apart and slope == 0)
        kind = critical_points.classify(net.layers, [1.0]).kind
        yield float((slope == 0) != (kind != "regular"))
        yield float((rank(laws(net)) == 2) != (sum(x == 0 for x in w) <= 1))


@printed("section 6.2.2", "L̇ < 0 as soon as c_1, c_2 ≠ 0: at w = (0, 1, 0) c = (-1, 1) and L̇ = 0")
def _():
    net = scalar(0.0, 1.0, 0.0)
    C = flat(networks.imbalance(net.layers))
    yield float(np.abs(C).min()) if size(flat(net.velocity)) == 0 else 0.0


@printed("section 6.2.2", "the one-forms are always independent: not where two w_i are zero")
def _():
    for w in ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)):
        yield 2.0 - rank(laws(scalar(*w)))


same("Figure 6", "Critical points of three weights: minima and the axes", "section 6.2.2")


def two_nodes(w, sigma=1.0):
    W_1, W_2 = np.array([[w[0]], [w[1]]]), np.array([[w[2], w[3]]])
    return Net((1, 2, 1), np.array([sigma]), (W_1, W_2))


FOURS = [(0.5, -0.3, 0.8, 0.4), (1.0, 0.2, -0.5, 0.7)]


@row("(66)", "weights.gradient weights.imbalance adjacency.from_weights")
def _():
    """ẇ = (w_3, w_4, w_1, w_2)(σ - w_1w_3 - w_2w_4), and the laws c_1, c_2, c_3."""
    for w in FOURS:
        net = two_nodes(w)
        a, b, c, d = w
        r = 1.0 - a * c - b * d
        yield gap(-flat(networks.gradient(net.energy, net.layers)), [c * r, d * r, a * r, b * r])
        (C,) = networks.imbalance(net.layers)
        yield gap(C, [[a * a - c * c, a * b - c * d], [a * b - c * d, b * b - d * d]])
        A = adjacency.from_weights(net.layers)
        yield gap(A, [[0, 0, 0, 0], [a, 0, 0, 0], [b, 0, 0, 0], [0, c, d, 0]])


@row(
    "section 6.2.3",
    "weights.gradient weights.imbalance",
    tol=1e-13,
    note="3 where W_1 and W_2ᵀ are independent, 2 otherwise; 2n - 1 independent laws for (1, n, 1)",
)
def _():
    """L̇ = -2(Σw_i²)L, and the dimension of the laws' span."""
    for w in FOURS:
        net = two_nodes(w)
        slope = -(size(flat(networks.gradient(net.energy, net.layers))) ** 2)
        yield gap(slope, -2 * size(np.array(w)) ** 2 * net.loss)
        yield abs(rank(laws(net)) - 3)
        yield size(laws(net) @ flat(net.velocity))
        yield abs(rank(laws(two_nodes((w[0], w[1], 2 * w[0], 2 * w[1])))) - 2)
    for n in (2, 3, 5):
        yield abs(rank(laws(random_net((1, n, 1), (1.0,)))) - (2 * n - 1))


@printed("section 6.2.3", "dimension 3 at each w")
def _():
    for scale in (0.5, -1.0, 2.0):
        yield 3.0 - rank(laws(two_nodes((1.0, 0.4, scale, 0.4 * scale))))


@row("Figure 7", "survey_figures.two_node_minima", tol=1e-8)
def _():
    """Minima are scattered but for the pairs that a law binds."""
    w1, w2, w3, w4 = survey_figures.two_node_minima(1.0, count=30, rng=0).T
    yield float(np.abs(w1 * w3 + w2 * w4 - 1.0).max())
    yield float(np.abs(w1**2 - w3**2 - 0.5).max())
    for w in zip(w1, w2, w3, w4, strict=True):
        yield max(0.0, -float(np.linalg.eigvalsh(full_hessian(two_nodes(w)))[0]))
