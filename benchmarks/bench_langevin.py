"""A step of the Langevin equation beside the bare batched SVD, and beside sdeint if it is there.

One round is one step of the whole batch: divide by the number of paths.

OPENBLAS_NUM_THREADS=1 python -m pytest benchmarks/bench_langevin.py --benchmark-columns=median,iqr
"""

import numpy as np
import pytest

from dlngeo import energies
from dlngeo.dynamics.langevin import EulerDownstairs, RootEuler, WeakTwo, _Terms
from dlngeo.dynamics.root_chart import RootChart

PATHS = {2: 1000, 5: 1000, 10: 500, 20: 100}
DEPTH, BETA, DT = 3, 10.0, 1e-3


def start(d):
    return np.random.default_rng(0).standard_normal((PATHS[d], d, d))


@pytest.mark.parametrize("d", PATHS)
def test_bare_batched_svd(benchmark, d):
    benchmark(np.linalg.svd, start(d))


@pytest.mark.parametrize("scheme", ["euler", "root", "weak2"])
@pytest.mark.parametrize("d", PATHS)
def test_step(benchmark, d, scheme):
    energy = energies.Quadratic(np.eye(d))
    if scheme == "euler":
        stepper = EulerDownstairs(_Terms(energy, BETA, 1.0, 0.0, True), d, DEPTH, 1.0)
    else:
        chart = RootChart(energy, DEPTH, BETA, 1.0, 0.0)
        stepper = (RootEuler if scheme == "root" else WeakTwo)(chart, d, 1.0)
    state = stepper.start(start(d)) if scheme != "euler" else start(d)
    normals = np.random.default_rng(1).standard_normal((PATHS[d], stepper.noise_size))
    benchmark(stepper.step, state, normals, DT)


@pytest.mark.parametrize("d", PATHS)
def test_ten_steps_of_one_path_by_sdeint(benchmark, d):
    sdeint = pytest.importorskip("sdeint")
    from dlngeo.interop.sdeint import equations

    f, G = equations(energies.Quadratic(np.eye(d)), d, depth=DEPTH, beta=BETA)
    t = np.linspace(0, 10 * DT, 11)
    benchmark(sdeint.itoEuler, f, G, start(d)[0].ravel(), t)
