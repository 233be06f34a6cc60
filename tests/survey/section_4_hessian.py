"""Section 4.5: directions of zero and negative curvature, and saddles without any."""

from __future__ import annotations

import numpy as np

from dlngeo import critical_points, hessian
from menon.material import flat, gap, size
from survey.material import change, diagonal, full_hessian, place, random_net, second
from survey.points import (
    CRITICAL,
    blocks_of_Z,
    fibre_point,
    least_eigenvalue,
    near_diagonal,
    saddles,
    strict,
)
from survey.registry import printed, row


def gauge_direction(point, *, inverse=False):
    """PVP⁻¹ with V = blk_1([-U_SᵀΣ; 0], 0, …, 0, [U_S 0]), or P⁻¹VP."""
    net = point.net
    first, *_, last = near_diagonal(net.widths, net.sigma, point.S)
    V = [np.zeros_like(W) for W in net.layers]
    V[0], V[-1] = -first, last
    return change(V, [np.linalg.inv(P) for P in point.P] if inverse else point.P)


def scale(net, V):
    return max(1.0, np.abs(full_hessian(net)).max()) * size(flat(V)) ** 2


@row(
    "Proposition 20",
    "hessian.form hessian.nullity",
    tol=1e-12,
    test="critical_points.a_gauge_direction_lies_in_the_kernel",
    note="not at 0 for h = 2, d_x = d_y, where the Hessian is regular",
)
def _():
    """At critical points 𝔥(A, PVP⁻¹) = 0 for V ≠ 0; the nullity is that of the full Hessian."""
    for point in CRITICAL:
        net = point.net
        if point.S:
            V = gauge_direction(point)
            yield abs(hessian.form(net.energy, net.layers, V)) / scale(net, V)
            image = hessian.apply(net.energy, net.layers, V)
            yield size(flat(image)) / scale(net, V)
        spectrum = np.abs(np.linalg.eigvalsh(full_hessian(net)))
        exact = (spectrum <= 1e-10 * max(1.0, spectrum[-1])).sum()
        yield abs(int(hessian.nullity(net.energy, net.layers)) - exact)
        yield float(exact == 0)


@printed("Proposition 20", "direction P⁻¹VP for PVP⁻¹")
def _():
    points = [point for point in CRITICAL if point.S]
    values = [second(p.net, gauge_direction(p, inverse=True)) for p in points]
    yield np.median(np.abs(values))


@printed("Proposition 20", "ρ_2 = VA_1^{h-1}V, which is 0, for VA_1^{h-2}V = -A_1^h")
def _():
    for widths, sigma in (((3, 3, 2), (2.0, 1.0)), ((4, 3, 3, 2), (2.0, 1.0))):
        Z = blocks_of_Z(widths, (0,), range(1, len(widths)), np.random.default_rng(0))
        point = fibre_point(widths, sigma, (0,), Z, plain=True)
        V, h = place(gauge_direction(point), 1, widths), point.net.h
        power = np.linalg.matrix_power
        assert gap(V @ power(point.net.A, h - 2) @ V, -power(point.net.A, h)) < 1e-13
        yield gap(V @ power(point.net.A, h - 1) @ V, -power(point.net.A, h))


@printed("Proposition 20", "Σ - U_SU_Sᵀ for Σ - U_SU_SᵀΣ")
def _():
    for sigma, S in (((2.0, 1.0), (0,)), ((3.0, 2.0, 0.5), (0, 2))):
        Sigma, U = np.diag(sigma), np.eye(len(sigma))[:, S]
        yield abs(np.trace(U @ U.T @ Sigma @ (Sigma - U @ U.T).T))


@printed(
    "Proposition 20", "for S = ∅ “W_{1:i} ≠ 0 for some i unless A = 0”; W_1 = 0, W_2 ≠ 0 is one"
)
def _():
    for point in CRITICAL:
        layers = point.net.layers
        if not point.S and not layers[0].any() and any(W.any() for W in layers):
            yield size(flat(layers))


@printed("Proposition 20", "a kernel at every critical point, V = 0 allowed; see Proposition 3")
def _():
    net = random_net((2, 3, 2), (2.0, 1.0)).at([np.zeros((3, 2)), np.zeros((2, 3))])
    yield float(np.abs(np.linalg.eigvalsh(full_hessian(net))).min())


def swap(point, i, j, column):
    """P R P⁻¹ and P⁻¹ R P with U_K of a single 1, at row i and the column named."""
    net, r = point.net, point.r
    R = [np.zeros_like(W) for W in net.layers]
    R[0][column, i], R[-1][i, column] = net.sigma[i], 1.0
    assert column < r
    return change(R, point.P), change(R, [np.linalg.inv(P) for P in point.P])


def swaps():
    """Points and pairs i < j, i dropped and j kept."""
    for point in CRITICAL:
        for i in point.Q:
            for column, j in enumerate(point.S):
                if i < j:
                    yield point, i, j, column


@row(
    "Proposition 21",
    "hessian.form critical_points.negative_direction",
    tol=1e-12,
    test="critical_points.the_basis_change_is_not_the_printed_one",
    note="U_K has its 1 at (i, place of j in S)",
)
def _():
    """𝔥(A, PRP⁻¹) = σ_j² - σ_i² < 0, i dropped, j kept, i < j; so for every strict saddle."""
    for point, i, j, column in swaps():
        net = point.net
        V, _ = swap(point, i, j, column)
        exact = net.sigma[j] ** 2 - net.sigma[i] ** 2
        yield abs(hessian.form(net.energy, net.layers, V) - exact) / scale(net, V)
        yield abs(second(net, V) - exact) / scale(net, V)
    for point in saddles():
        if strict(point):
            net = point.net
            V = critical_points.negative_direction(net.layers, net.sigma)
            yield float(second(net, V) >= 0)
            if not point.leading:  # the least σ kept against the greatest dropped
                exact = net.sigma[list(point.S)].min() ** 2 - net.sigma[point.Q].max() ** 2
                yield abs(second(net, V) - exact) / scale(net, V)


@printed("Proposition 21", "V = P⁻¹RP: 𝔥 is often positive")
def _():
    values = [second(point.net, swap(point, i, j, c)[1]) for point, i, j, c in swaps()]
    yield np.mean(np.array(values) >= 0)


@printed("Proposition 21", "U_K = E_{ij} of r columns: not defined, or another pair's")
def _():
    for point, i, j, column in swaps():
        if j != column and j < point.r and point.S[j] != j:
            net = point.net
            value = second(net, swap(point, i, j, j)[0])
            yield abs(value - (net.sigma[j] ** 2 - net.sigma[i] ** 2))


@row("Remark 22", "hessian.dense critical_points.classify", tol=1e-12)
def _():
    """A strict saddle may look non-strict to diagonal variations."""
    for widths, sigma, S in (
        ((4, 3, 3, 2), (2.0, 1.0), (1,)),
        ((3, 3, 3, 3), (3.0, 2.0, 1.0), (2,)),
    ):
        Z = blocks_of_Z(widths, S, range(1, len(widths)), np.random.default_rng(0))
        point = fibre_point(widths, sigma, S, Z, plain=True)
        net = point.net
        P = [np.eye(len(W)) for W in net.layers[:-1]]
        for base in P:  # the kept σ on its own place of the diagonal
            base[[0, S[0]]] = base[[S[0], 0]]
        net = net.at(change(net.layers, P))
        spread = [net.layers[p] - diagonal(np.diag(W), *W.shape) for p, W in enumerate(net.layers)]
        yield size(flat(spread))
        H = hessian.dense(net.energy, net.layers)
        mask = flat([diagonal(np.ones(min(W.shape)), *W.shape) for W in net.layers]) > 0
        least = np.linalg.eigvalsh(H[np.ix_(mask, mask)])[0]
        yield max(0.0, -least)
        yield float(np.linalg.eigvalsh(full_hessian(net))[0] > -0.1)
        yield float(critical_points.classify(net.layers, net.sigma).kind != "strict saddle")


@row("Proposition 23", "hessian.extreme_eigenvalues critical_points.classify", tol=1e-12)
def _():
    """S = {1..r} with three zero Z_i: 𝔥 ≥ 0."""
    for point in saddles():
        if point.leading and sum(not Z.any() for Z in point.Z) >= 3:
            yield max(0.0, -least_eigenvalue(point.net))
            net = point.net
            least = hessian.extreme_eigenvalues(net.energy, net.layers).least
            yield max(0.0, -least) / max(1.0, np.abs(full_hessian(net)).max())
            kind = critical_points.classify(net.layers, net.sigma).kind
            yield float(kind != "non-strict saddle")
