"""Right-hand sides upstairs and downstairs over width and depth, beside what bounds them.

OPENBLAS_NUM_THREADS=1 python -m pytest benchmarks/bench_right_hand_sides.py \
    --benchmark-group-by=param:d --benchmark-columns=median,iqr
"""

import numpy as np
import pytest

from dlngeo import adjacency, energies, weights
from dlngeo._equation import Equation
from dlngeo.flows._systems import AdjacencyFlow, EndToEndFlow, WeightFlow

WIDTHS = (2, 10, 50, 200)
DEPTHS = (3, 10, 100)


def problem(d):
    rng = np.random.default_rng(0)
    mask = rng.random((d, d)) < 0.5
    mask[0, 0] = True
    return energies.MatrixCompletion(rng.standard_normal((d, d)), mask)


def start(d, depth):
    return weights.random_balanced((d,) * (depth + 1), 1 / np.sqrt(d), rng=1)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("d", WIDTHS)
def test_upstairs(benchmark, d, depth):
    system = WeightFlow(Equation(problem(d), depth), start(d, depth))
    benchmark(system.velocity, 0.0, system.start)


@pytest.mark.parametrize("depth", (*DEPTHS, np.inf))
@pytest.mark.parametrize("d", WIDTHS)
def test_downstairs(benchmark, d, depth):
    W = np.random.default_rng(1).standard_normal((d, d)) / np.sqrt(d)
    system = EndToEndFlow(Equation(problem(d), depth), W, None)
    benchmark(system.velocity, 0.0, system.start)


@pytest.mark.parametrize("d", WIDTHS)
def test_bare_svd(benchmark, d):
    benchmark(np.linalg.svd, np.random.default_rng(1).standard_normal((d, d)))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("d", WIDTHS)
def test_bare_products(benchmark, d, depth):
    """The 3N - 3 matrix products that the lifted gradient needs, and nothing else."""
    factors = [np.random.default_rng(1).standard_normal((d, d)) / np.sqrt(d)] * 2

    def products():
        for _ in range(3 * depth - 3):
            factors[0] @ factors[1]

    benchmark(products)


@pytest.mark.parametrize("d", (2, 10))
def test_adjacency_depth_3(benchmark, d):
    system = AdjacencyFlow(Equation(problem(d), 3), adjacency.from_weights(start(d, 3)), (d,) * 4)
    benchmark(system.velocity, 0.0, system.start)
