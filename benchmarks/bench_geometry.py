"""The metric operator beside its bare SVD, the tangent projection beside N products, logarithms.

OPENBLAS_NUM_THREADS=1 python -m pytest benchmarks/bench_geometry.py --benchmark-columns=median,iqr
"""

import math

import numpy as np
import pytest

from dlngeo import balanced, metric

STACKS = ((1000, 2), (1000, 5), (500, 10), (100, 20))


def stack(count, d):
    return np.random.default_rng(0).standard_normal((2, count, d, d))


@pytest.mark.parametrize(("count", "d"), STACKS)
def test_bare_batched_svd(benchmark, count, d):
    benchmark(np.linalg.svd, stack(count, d)[0])


@pytest.mark.parametrize("depth", [3, 10])
@pytest.mark.parametrize(("count", "d"), STACKS)
def test_metric_apply(benchmark, count, d, depth):
    W, Z = stack(count, d)
    benchmark(metric.apply, W, Z, depth)


def test_ten_products_of_50(benchmark):
    A, B = np.random.default_rng(0).standard_normal((2, 50, 50))
    benchmark(lambda: [A @ B for _ in range(10)])


def test_tangent_projection_of_50_at_depth_10(benchmark):
    layers = balanced.random((50,) * 11, np.linspace(1, 2, 50), rng=0)
    V = [np.random.default_rng(1).standard_normal(W.shape) for W in layers]
    benchmark(balanced.project_tangent, layers, V)


@pytest.mark.parametrize("depth", [3, math.inf])
@pytest.mark.parametrize("d", [2, 5, 10])
@pytest.mark.parametrize("apart", ["near", "anywhere"])
def test_metric_log(benchmark, apart, d, depth):
    """Pairs of one component: Gaussian ones, or those within 10 % of a Gaussian matrix."""
    pairs = []
    for seed in range(5):
        W, V = np.random.default_rng(seed).standard_normal((2, d, d))
        if apart == "near":
            V = W + 0.1 * np.linalg.norm(W, -2) * V / np.linalg.norm(V)
        if np.linalg.det(W) * np.linalg.det(V) < 0:
            V[0] *= -1
        pairs.append((W, V))
    benchmark.pedantic(lambda: [metric.log(W, V, depth) for W, V in pairs], rounds=3, iterations=1)
