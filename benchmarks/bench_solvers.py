"""One stiff matrix completion by every solver, to the same energy from the same start.

d = 30, rank 3, 40 % observed, depth 3, balanced start of scale 1e-2, to E = 1e-10.

OPENBLAS_NUM_THREADS=1 python -m pytest benchmarks/bench_solvers.py --benchmark-columns=min,rounds
"""

import numpy as np
import pytest

from dlngeo import energies, flows, weights

D, RANK, SHARE, DEPTH, SCALE, TARGET = 30, 3, 0.4, 3, 1e-2, 1e-10


def problem():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((D, RANK)) @ rng.standard_normal((RANK, D))
    truth /= np.linalg.norm(truth, 2)
    energy = energies.MatrixCompletion(truth, rng.random((D, D)) < SHARE)
    lam = np.full(D, SCALE)
    frames = [weights.haar_frame(D, D, rng) for _ in range(DEPTH + 1)]
    start = tuple((frames[p + 1] * lam) @ frames[p].T for p in range(DEPTH))
    return energy, start


@pytest.mark.parametrize("rtol", [1e-4, 1e-6])
@pytest.mark.parametrize("where", ["upstairs", "downstairs"])
@pytest.mark.parametrize("method", ["RKC", "LSODA", "BDF", "RK45", "DOP853"])
def test_to_low_energy(benchmark, method, where, rtol):
    if method in ("BDF", "DOP853", "RK45") and (where == "downstairs" or rtol < 1e-4):
        pytest.skip("minutes each; upstairs at rtol 1e-4 shows how they stand")
    energy, start = problem()
    begin = start if where == "upstairs" else weights.end_to_end(start)
    depth = None if where == "upstairs" else DEPTH

    def run():
        return flows.gradient_flow(
            energy,
            begin,
            (0, 1e5),
            depth=depth,
            method=method,
            rtol=rtol,
            stop_loss=TARGET,
            t_eval=[1e5],
            max_steps=300_000,
        )

    trajectory = benchmark.pedantic(run, rounds=1, iterations=1)
    benchmark.extra_info |= trajectory.stats
    benchmark.extra_info["end"] = f"{trajectory.message} (E = {trajectory.energy[-1]:.2g})"
