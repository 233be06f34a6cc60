"""The metric, its geodesics, the projection on T_W M, a Hessian-vector product, pymanopt's face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import BOUND, PEER, Contender, Goal, Row

STACKS = {2: 1000, 5: 1000, 10: 500, 20: 100}
GEODESICS = (2, 3, 5, 10)
SECONDS = {2: 0.01, 10: 0.3}  # goals


def stack(d: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, STACKS[d], d, d))


def bare_svd(d: int) -> Callable[[], Any]:
    W = stack(d)[0]
    return lambda: np.linalg.svd(W)


def operator(d: int, depth: float) -> Callable[[], Any]:
    from dlngeo import metric

    W, Z = stack(d)
    return lambda: metric.apply(W, Z, depth)


def pair(d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two Gaussian matrices of positive determinant."""
    W, V = np.random.default_rng(seed).standard_normal((2, d, d)) / np.sqrt(d)
    for matrix in (W, V):
        matrix[0] *= np.linalg.slogdet(matrix)[0]
    return W, V


def geodesic(what: str, d: int, depth: int) -> Callable[[], Any]:
    from dlngeo import metric

    W, V = pair(d, 0)
    function = getattr(metric, what)
    return lambda: function(W, V, depth)


def exponential(d: int, depth: int) -> Callable[[], Any]:
    from dlngeo import metric

    W, V = pair(d, 0)
    velocity = metric.log(W, V, depth)
    return lambda: metric.exp(W, velocity, depth)


def projection() -> Callable[[], Any]:
    from dlngeo import balanced

    layers = balanced.random((50,) * 11, np.linspace(1, 2, 50), rng=0)
    V = [np.random.default_rng(1).standard_normal(W.shape) for W in layers]
    return lambda: balanced.project_tangent(layers, V)


def ten_products() -> Callable[[], Any]:
    """One for each layer."""
    A, B = np.random.default_rng(0).standard_normal((2, 50, 50))
    return lambda: [A @ B for _ in range(10)]


def second_derivative(what: str) -> Callable[[], Any]:
    from dlngeo import energies, hessian, weights

    energy = energies.Quadratic(np.eye(100))
    W, V = (weights.random((100,) * 11, 0.1, rng=k) for k in (1, 2))
    if what == "gradient":
        return lambda: weights.gradient(energy, W)
    return lambda: hessian.apply(energy, W, V)


def fixed_rank(d: int, rank: int, what: str) -> Callable[[], Any]:
    """Rank-r matrices in pymanopt: another metric, the nearest that it has."""
    from pymanopt.manifolds import FixedRankEmbedded

    manifold = FixedRankEmbedded(d, d, rank)
    np.random.seed(0)  # noqa: NPY002 - pymanopt draws from the global generator
    point = manifold.random_point()
    vector = manifold.random_tangent_vector(point)
    slope = np.random.default_rng(0).standard_normal((d, d))
    if what == "gradient":
        return lambda: manifold.projection(point, slope)  # of the matrix of derivatives
    return lambda: manifold.retraction(point, vector)


def face(d: int, what: str) -> Callable[[], Any]:
    """Ours by the face to pymanopt."""
    from dlngeo.interop.pymanopt import DeepLinearManifold

    manifold = DeepLinearManifold(d, d, 3, rng=0)
    point = manifold.random_point()
    slope = np.random.default_rng(0).standard_normal((d, d))
    if what == "gradient":
        return lambda: manifold.euclidean_to_riemannian_gradient(point, slope)
    vector = manifold.random_tangent_vector(point)
    return lambda: manifold.retraction(point, vector)


def upstairs(d: int, rank: int, what: str) -> Callable[[], Any]:
    """Ours on the balanced manifold of that rank, depth 3."""
    from dlngeo import balanced

    layers = balanced.random((d, rank, rank, d), np.linspace(1, 2, rank), rng=0)
    V = [np.random.default_rng(1).standard_normal(W.shape) for W in layers]
    if what == "gradient":
        return lambda: balanced.project_tangent(layers, V)
    tangent = balanced.project_tangent(layers, V)
    return lambda: balanced.retract(layers, [0.1 * Z for Z in tangent])


def of_metric(d: int) -> Row:
    found = [Contender("bare svd", lambda: bare_svd(d), STACKS[d], BOUND)]
    for depth in (3, 10, np.inf):
        name = f"metric.apply, depth {depth:g}"
        found.append(Contender(name, lambda n=depth: operator(d, n), STACKS[d]))
    return Row("Metric operator", f"d = {d}", "matrix", found)


def of_geodesics(d: int) -> Row:
    found = [Contender("exp", lambda: exponential(d, 3))]
    found += [
        Contender(what, lambda what=what: geodesic(what, d, 3)) for what in ("log", "distance")
    ]
    limits = [Goal(what, "", SECONDS[d]) for what in ("log", "distance") if d in SECONDS]
    return Row("Geodesics at depth 3", f"d = {d}, random pair", "call", found, goals=limits)


def of_pymanopt(d: int, rank: int) -> Row:
    found = []
    for what in ("gradient", "retraction"):
        found += [
            Contender(f"{what}, FixedRankEmbedded", lambda w=what: fixed_rank(d, rank, w),
                      kind=PEER),
            Contender(f"{what}, balanced manifold", lambda w=what: upstairs(d, rank, w)),
            Contender(f"{what}, DeepLinearManifold (full rank)", lambda w=what: face(d, w)),
        ]  # fmt: skip
    return Row("Manifolds, one matrix", f"d = {d}, rank {rank}", "call", found)


def rows(quick: bool) -> list[Row]:
    """The metric by width, geodesics by width, and single figures."""
    widths = (2, 10) if quick else tuple(STACKS)
    pairs = (2, 5) if quick else GEODESICS
    return [
        *(of_metric(d) for d in widths),
        *(of_geodesics(d) for d in pairs),
        Row("Tangent projection", "d = 50, N = 10", "call", [
            Contender("ten products of 50 × 50", ten_products, kind=BOUND),
            Contender("project_tangent", projection),
        ], goals=[Goal("project_tangent", "ten products of 50 × 50", 15)]),
        Row("Second derivative", "widths 100, N = 10", "call", [
            Contender("gradient", lambda: second_derivative("gradient")),
            Contender("Hessian-vector product", lambda: second_derivative("product")),
        ]),
        of_pymanopt(30, 3),
        *([] if quick else [of_pymanopt(200, 10)]),
    ]  # fmt: skip
