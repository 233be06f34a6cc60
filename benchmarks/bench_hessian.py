"""A Hessian-vector product beside a gradient, at widths 100 and depth 10: within ten times.

OPENBLAS_NUM_THREADS=1 python -m pytest benchmarks/bench_hessian.py --benchmark-columns=median,iqr
"""

import numpy as np
import pytest

from dlngeo import energies, hessian, weights

WIDTHS = (100,) * 11


@pytest.mark.parametrize("what", ["gradient", "product"])
def test_cost(benchmark, what):
    energy = energies.Quadratic(np.eye(100))
    W, V = (weights.random(WIDTHS, 0.1, rng=k) for k in (1, 2))
    if what == "gradient":
        benchmark(weights.gradient, energy, W)
    else:
        benchmark(hessian.apply, energy, W, V)
