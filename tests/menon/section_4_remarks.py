"""Section 4, the remarks: thin gradients, orbits, the Simons cone, Bures-Wasserstein."""

# ruff: noqa: E741
# l and m are the paper's indices.

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np

from dlngeo import balanced, metric, submersion
from dlngeo import weights as networks
from menon.material import (
    all_points,
    any_weights,
    energy_for,
    flat,
    full,
    gap,
    lifted_slope,
    path,
    product,
    rank,
    size,
)
from menon.registry import printed, row


@row(
    "Remark 4",
    "submersion.differential submersion.horizontal_lift metric.gradient",
    test="submersion.lifted_gradients_are_horizontal_lifts_of_riemannian_gradients",
)
def _():
    """g^N explained by the submersion."""
    for P in all_points():
        energy = energy_for(P.layers)
        up = lifted_slope(energy.value, P.layers)
        gradient = metric.gradient(energy, P.W, P.N, rank=P.r)
        yield gap(submersion.differential(P.layers, up), gradient)
        yield gap(submersion.horizontal_lift(P.layers, gradient, rank=P.r), up)


@row(
    "Remark 5",
    "submersion.thin_gradients submersion.horizontal",
    test="submersion.lifted_gradients_are_horizontal_lifts_of_riemannian_gradients",
    note="r(m + n - r) at W of rank r",
)
def _():
    """The lifted gradients at **W** fill at most d² dimensions."""
    for layers in any_weights():
        W, thin = product(layers), submersion.thin_gradients(layers)
        r = rank(W)  # 2 in the network with a bottleneck
        rows = np.concatenate([V.reshape(W.size, -1) for V in thin], axis=1)
        yield abs(rank(rows) - r * (sum(W.shape) - r))
        for l, m in np.ndindex(*W.shape):
            exact = lifted_slope(lambda X, l=l, m=m: X[l, m], layers)
            yield gap([V[l, m] for V in thin], exact)
    for P in all_points():
        thin = submersion.thin_gradients(P.layers)
        rows = np.concatenate([V.reshape(P.W.size, -1) for V in thin], axis=1)
        yield abs(rank(rows) - P.r * (sum(P.W.shape) - P.r))
        for l, m in np.ndindex(*P.W.shape):
            V = [layer[l, m] for layer in thin]
            yield size(flat(submersion.horizontal(P.layers, V, rank=P.r)) - flat(V))


@row(
    "Remark 6",
    "balanced.lift balanced.act balanced.orbit_dimension",
    test="balanced.haar_lifts_move_along_one_orbit",
    note="(N - 1) d(d - 1)/2 dimensions at full rank, Σ_p (r d_p - r(r + 1)/2) at rank r",
)
def _():
    """The fibre over W is one orbit of the hidden frames."""
    for P in all_points():
        count = sum(P.r * d - P.r * (P.r + 1) // 2 for d in P.widths[1:-1])
        units = np.eye(sum(W.size for W in P.layers))
        ambient = [networks.from_vector(e, P.widths) for e in units]
        images = [flat(submersion.vertical(P.layers, V, rank=P.r)) for V in ambient]
        yield abs(rank(images) - count)
        yield abs(balanced.orbit_dimension(P.widths, P.r) - count)
    for P in full():
        one, two = (balanced.lift(P.W, P.N, rng=seed) for seed in (1, 2))
        gauge, below = [], np.eye(P.r)
        for A, B in zip(one[:-1], two[:-1], strict=True):
            below = B @ below @ np.linalg.inv(A)
            gauge.append(below)
        yield gap(balanced.act(one, gauge), two)
        yield max(size(R.T @ R - np.eye(P.r)) for R in gauge)


@row(
    "Remark 7",
    "flows.gradient_flow",
    tol=1e-09,
    test="identities.imbalance_is_conserved_from_an_unbalanced_start",
    note="the convergence theorems themselves: not numerical",
)
def _():
    """‖W_{p+1}(t)‖² - ‖W_p(t)‖² is constant, so bounds on W bound the weights."""
    for layers in any_weights():
        run = path(energy_for(layers), layers, [0.0, 0.3, 0.6])
        squares = np.array([(W**2).sum(axis=(1, 2)) for W in run.weights])
        yield size(np.diff(np.diff(squares, axis=0), axis=1)) / squares.max()


@row("(4.23)", "weights.imbalance", test="weights.norm_sums_all_squares")
def _():
    """‖W_{p+1}‖² = ‖W_p‖² - Tr G_p."""
    for layers in any_weights():
        for G, (A, B) in zip(networks.imbalance(layers), itertools.pairwise(layers), strict=True):
            yield gap(size(A) ** 2 - np.trace(G), size(B) ** 2)


def eight():
    """A point of the balanced variety for d = N = 2 as x_1, ..., x_8 of (4.24), and off it."""
    on = balanced.random((2, 2, 2), [1.7, 0.4], rng=0)
    off = np.random.default_rng(0).standard_normal((2, 2, 2))
    for W_1, W_2 in (on, off):
        yield (W_1, W_2), [*W_1.ravel(), *W_2.ravel()], W_1 is on[0]


@row("Remark 8", "balanced.dimension", tol=1e-07)
def _():
    """The balanced manifold of d = N = 2 lies in the Simons cone, minimal in R⁸."""
    yield abs(balanced.dimension((2, 2, 2), 2) - 5)

    def normal(x):
        gradient = x * np.repeat([1.0, -1.0], 4)
        return gradient / np.linalg.norm(gradient)

    # The trace of the normal's derivative: at a point of the cone, its mean curvature.
    x = np.array(next(eight())[1])
    steps = 1e-5 * np.eye(8)
    yield abs(sum(((normal(x + e) - normal(x - e)) @ e) / 2e-10 for e in steps))


@row("(4.24)", "balanced.simons_coordinates", tol=0.0, note="definition")
def _():
    """The coordinates x_1, ..., x_8."""
    for layers, x, _ in eight():
        yield size(balanced.simons_coordinates(layers) - x)


def cone(index, difference):
    """An entry of G_1 is the difference of both sides, and zero on the balanced variety."""
    for layers, x, on in eight():
        exact = difference(*x)
        yield abs(networks.imbalance(layers)[0][index] - exact) / size(x) ** 2
        if on:
            yield abs(exact) / size(x) ** 2


@row("(4.25)", "weights.imbalance")
def _():
    """x₅² + x₇² = x₁² + x₂²."""
    yield from cone((0, 0), lambda a, b, c, d, e, f, g, h: a * a + b * b - e * e - g * g)


@row("(4.26)", "weights.imbalance")
def _():
    """x₅x₆ + x₇x₈ = x₁x₃ + x₂x₄."""
    yield from cone((0, 1), lambda a, b, c, d, e, f, g, h: a * c + b * d - e * f - g * h)


@row("(4.27)", "weights.imbalance")
def _():
    """x₆² + x₈² = x₃² + x₄²."""
    yield from cone((1, 1), lambda a, b, c, d, e, f, g, h: c * c + d * d - f * f - h * h)


@row("(4.28)", "balanced.simons_cone weights.imbalance")
def _():
    """The Simons cone: x₁² + ⋯ + x₄² = x₅² + ⋯ + x₈²."""
    for layers, x, on in eight():
        difference = (np.array(x[:4]) ** 2).sum() - (np.array(x[4:]) ** 2).sum()
        yield abs(np.trace(networks.imbalance(layers)[0]) - difference) / size(x) ** 2
        yield abs(balanced.simons_cone(x) - difference) / size(x) ** 2
        if on:
            yield abs(difference) / size(x) ** 2


def positive_definite(d, seed=4):
    A, X = np.random.default_rng(seed).standard_normal((2, d, d))
    return A @ A.T + 0.2 * np.eye(d), X + X.T


@row(
    "(4.29)",
    "metric.inner",
    tol=1e-12,
    test="metric.depth_two_on_positive_definite_matrices_is_twice_bures_wasserstein",
)
def _():
    """V = {W_2 = W_1ᵀ}: g² is the submersion metric of 2‖dW_1‖²."""
    for d in (2, 3):
        S, X = positive_definite(d)
        W_1 = np.linalg.cholesky(S).T
        rows = [(Z.T @ W_1 + W_1.T @ Z).ravel() for Z in np.eye(d * d).reshape(-1, d, d)]
        shortest = np.linalg.lstsq(np.array(rows).T, X.ravel(), rcond=None)[0]
        yield gap(metric.inner(S, X, X, 2), 2 * shortest @ shortest)


def squared_distance(A, B):
    """d_BW² = Tr A + Tr B - 2 Tr (A^½BA^½)^½ in mpmath's digits."""
    values = mpmath.eig(A * B, left=False, right=False)
    cross = sum(mpmath.sqrt(mpmath.re(v)) for v in values)
    return sum(A[i, i] + B[i, i] for i in range(len(A))) - 2 * cross


def bures_wasserstein(d):
    """S, X and g^BW(X, X) = d_BW²(S, S + eX)/e² in 60 digits."""
    S, X = positive_definite(d)
    with mpmath.workdps(60):
        A, Y, e = mpmath.matrix(S.tolist()), mpmath.matrix(X.tolist()), mpmath.mpf(10) ** -20
        return S, X, float(squared_distance(A, A + e * Y) / e**2)


@row(
    "Remark 9",
    "metric.inner metric.distance submersion.bures_wasserstein",
    tol=1e-8,
    test="metric.depth_two_on_positive_definite_matrices_is_twice_bures_wasserstein",
)
def _():
    """g² on positive definite matrices is 2 g^BW."""
    for d in (2, 3):
        S, X, exact = bures_wasserstein(d)
        yield gap(metric.inner(S, X, X, 2), 2 * exact)
        with mpmath.workdps(40):
            far = S @ S + np.eye(d)
            exact = math.sqrt(squared_distance(*(mpmath.matrix(M.tolist()) for M in (S, far))))
        yield gap(submersion.bures_wasserstein(S, far), exact)
        yield gap(metric.distance(S, far, 2), math.sqrt(2) * exact)


@printed("Remark 9", "g² = g^BW")
def _():
    for d in (2, 3):
        S, X, exact = bures_wasserstein(d)
        yield gap(exact, metric.inner(S, X, X, 2))
