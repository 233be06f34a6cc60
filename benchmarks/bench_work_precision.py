"""Work against precision: one completion flow by our solvers and SciPy's, at many tolerances.

d = 30, rank 3, 40 % observed, depth 3, balanced start of scale 1e-2, upstairs, from t = 0 to where
E = 1e-10. Two drawings of the data: of `mild`, stability bounds an explicit step by no more than
accuracy does for most of the way; of `stiff`, where some entries hang on few observations, the
last directions take 300 times as long. The error is that of W at the end, relative, against DOP853
at rtol 1e-13. A run that takes longer than the cap is given up and named so.

OPENBLAS_NUM_THREADS=1 python benchmarks/bench_work_precision.py [--problem mild] [--cap 60]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from dlngeo import energies, flows, weights

D, RANK, SHARE, DEPTH, SCALE, TARGET = 30, 3, 0.4, 3, 1e-2, 1e-10
SEEDS = {"mild": 0, "stiff": 5}
OURS = ("auto", "ROCK4", "RKC")
SCIPY = ("DOP853", "RK45", "RK23", "LSODA", "BDF", "Radau")
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)


def problem(name):
    """The energy and the start."""
    rng = np.random.default_rng(SEEDS[name])
    truth = rng.standard_normal((D, RANK)) @ rng.standard_normal((RANK, D))
    truth /= np.linalg.norm(truth, 2)
    energy = energies.MatrixCompletion(truth, rng.random((D, D)) < SHARE)
    frames = [weights.haar_frame(D, D, rng) for _ in range(DEPTH + 1)]
    return energy, tuple(SCALE * frames[p + 1] @ frames[p].T for p in range(DEPTH))


def reference(energy, start):
    """The time at which E = 1e-10, and W there."""
    options = {"gtol": 0, "t_eval": [1e7], "stop_loss": TARGET}
    end = flows.gradient_flow(energy, start, (0, 1e7), method="auto", rtol=1e-10, **options).t[-1]
    run = flows.gradient_flow(
        energy, start, (0, end), method="DOP853", rtol=1e-13, atol=1e-16, t_eval=[end], gtol=0
    )
    return float(end), run.W[-1]


def measure(energy, start, end, exact, method, rtol, cap):
    """Seconds of processor time, evaluations and error of one run; None beyond the cap."""
    begin = time.process_time()

    def watch(t, W):
        if time.process_time() - begin > cap:
            raise StopIteration

    run = flows.gradient_flow(
        energy, start, (0, end), method=method, rtol=rtol, t_eval=[end], gtol=0, callback=watch
    )
    seconds = time.process_time() - begin
    error = float(np.linalg.norm(run.W[-1] - exact) / np.linalg.norm(exact))
    done = run.status == 0
    row = {
        "method": method,
        "rtol": rtol,
        "seconds": seconds,
        "evaluations": run.stats["evaluations"],
    }
    return row | {"error": error if done else None, "reached": float(run.t[-1] / end)}


def best(rows, names, error):
    """The fastest run of these methods with at most this error."""
    fit = [
        r for r in rows if r["method"] in names and r["error"] is not None and r["error"] <= error
    ]
    return min(fit, key=lambda r: r["seconds"], default=None)


HEAD = "\n| {} | {} | {} | {} | {} |\n|---|---|---|---|---|"


def line(r):
    """One run, as a row of a table."""
    said = f"{r['error']:.1e}" if r["error"] is not None else f"gave up at {r['reached']:.1%}"
    cells = (r["method"], f"{r['rtol']:.0e}", f"{r['seconds']:.3f}", str(r["evaluations"]), said)
    return f"| {' | '.join(cells)} |"


def first_at_each_error(rows):
    """Ours and SciPy's fastest, error by error."""
    print(HEAD.format("error at most", "ours", "seconds", "SciPy's", "seconds, ratio"))
    for error in 10.0 ** -np.arange(4, 11):
        ours, theirs = best(rows, OURS, error), best(rows, SCIPY, error)
        cells = [f"{r['method']} | {r['seconds']:.3f}" if r else "none | –" for r in (ours, theirs)]
        ratio = f"{theirs['seconds'] / ours['seconds']:.1f}" if ours and theirs else "–"
        print(f"| {error:.0e} | {cells[0]} | {cells[1]}, {ratio} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", choices=SEEDS, action="append")
    parser.add_argument("--method", choices=OURS + SCIPY, action="append")
    parser.add_argument("--cap", type=float, default=60.0, help="seconds a run may take")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for name in options.problem or SEEDS:
        energy, start = problem(name)
        end, exact = reference(energy, start)
        rows = results[name] = []
        print(f"\n{name}, to t = {end:.6g}")
        print(HEAD.format("method", "rtol", "seconds", "evaluations", "error"))
        for method in options.method or OURS + SCIPY:
            for rtol in TOLERANCES:
                rows.append(measure(energy, start, end, exact, method, rtol, options.cap))
                print(line(rows[-1]), flush=True)
                if rows[-1]["error"] is None:  # a smaller tolerance takes longer
                    break
        first_at_each_error(rows)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
