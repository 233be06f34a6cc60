"""What a global error of a completion's gradient flow costs: a tolerance or a step is varied.

The mild problem has a truth of norm 1. At norm 30 the fastest rate is 93 times as large, and the
stiff problem takes 120 times as long to its end: there stability bounds explicit steps. An error
is |W(t) - exact| / |exact|: at the end, or the largest at eight times on the way, on which the
order in which singular values are learnt depends. The descents are Euler's method; where their end
is exact and their way is not, that shows.

Implicit solvers (SciPy's Radau and BDF, diffrax's Kvaerno5) take minutes: they factor a Jacobian of
2700 columns that they first difference. LSODA takes so long only where it goes over to that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import PEER, Answer, Contender, Row
from benchmarks.peers import completion as peers
from benchmarks.peers.completion import DEPTH, Problem

PROBLEMS = (
    Problem("norm 1", 1.0, 1300.0),
    Problem("norm 30", 30.0, 500.0),
    Problem("stiff", 1.0, 152_000.0, 16),
)
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10)
OURS = ("auto", "ROCK4", "RKC", "DOP853")
SCIPY = ("RK45", "DOP853", "RK23")
DIFFRAX = ("Tsit5", "Dopri8")
SHARES = (1.0, 0.5, 0.1, 0.02)  # of the longest stable step


def ours(problem: Problem, method: str, rtol: float) -> Callable[[], Any]:
    from dlngeo import energies, flows

    truth, mask, start = problem.data()
    energy = energies.MatrixCompletion(truth, mask)

    def run() -> np.ndarray:
        return flows.gradient_flow(
            energy, start, (0, problem.time), method=method, rtol=rtol, max_steps=10**6,
            t_eval=problem.times(), gtol=0,
        ).W  # fmt: skip

    return run


def judged(problem: Problem, make: Callable[[], Any], along: bool) -> Callable[[], Any]:
    """The call, and its error as the answer."""
    exact, run = peers.reference(problem), make()
    norms = np.linalg.norm(exact, axis=(1, 2))

    def answer() -> Answer:
        errors = np.linalg.norm(run() - exact, axis=(1, 2)) / norms
        return Answer([float(errors.max() if along else errors[-1])])

    return answer


def contenders(problem: Problem, along: bool, quick: bool) -> list[Contender]:
    found = []

    def add(name: str, kind: str, at: float, make: Callable[[], Any]) -> None:
        found.append(Contender(name, lambda: judged(problem, make, along), 1, kind, at))

    for rtol in TOLERANCES[:3:2] if quick else TOLERANCES:
        for method in OURS:
            if method == "RKC" and rtol < 1e-6:
                continue  # of order 2: minutes
            add(method, "ours", rtol, lambda m=method, r=rtol: ours(problem, m, r))
        if rtol not in TOLERANCES[:: 1 if problem.norm == 1 else 2]:
            continue  # seconds each, where stability bounds their steps
        for method in SCIPY if rtol > 1e-7 else SCIPY[:2]:
            add(f"SciPy {method}", PEER, rtol,
                lambda m=method, r=rtol: peers.scipy_solver(problem, m, r))  # fmt: skip
        for solver in DIFFRAX:
            add(f"diffrax {solver}", PEER, rtol,
                lambda m=solver, r=rtol: peers.diffrax_solver(problem, m, r))  # fmt: skip
    if along and problem.norm == 1 and not quick:  # seconds each
        for rtol in (1e-4, 1e-8):
            add("SciPy LSODA", PEER, rtol,
                lambda r=rtol: peers.scipy_solver(problem, "LSODA", r))  # fmt: skip
    longest = 2 / (DEPTH * problem.norm ** (2 - 2 / DEPTH))
    for share in SHARES[:2] if quick else SHARES:
        rate = share * longest
        add("NumPy descent", PEER, rate, lambda r=rate: peers.numpy_descent(problem, r))
        if share >= 0.1:
            add("torch descent", PEER, rate, lambda r=rate: peers.torch_descent(problem, r))
    return found


def few(problem: Problem) -> list[Contender]:
    """Ours, and of each kind of peer the best: explicit ones take half a minute each."""
    found = []

    def add(name: str, kind: str, at: float, make: Callable[[], Any]) -> None:
        found.append(Contender(name, lambda: judged(problem, make, True), 1, kind, at))

    for rtol in TOLERANCES:
        for method in ("auto", "ROCK4"):
            add(method, "ours", rtol, lambda m=method, r=rtol: ours(problem, m, r))
    add("SciPy DOP853", PEER, 1e-4, lambda: peers.scipy_solver(problem, "DOP853", 1e-4))
    add("SciPy RK45", PEER, 1e-4, lambda: peers.scipy_solver(problem, "RK45", 1e-4))
    add("diffrax Tsit5", PEER, 1e-4, lambda: peers.diffrax_solver(problem, "Tsit5", 1e-4))
    rate = SHARES[0] * 2 / DEPTH
    add("NumPy descent", PEER, rate, lambda: peers.numpy_descent(problem, rate))
    return found


def rows(quick: bool) -> list[Row]:
    """Both problems by their way, the mild one by its end besides."""
    mild, large, stiff = PROBLEMS
    asked = [(mild, "on the way"), (mild, "at the end"), (large, "on the way")]
    found = [
        Row("Completion work-precision", f"{problem.name}, {where}", "run",
            contenders(problem, where == "on the way", quick), axis="rtol or step",
            error=f"relative error {where}")
        for problem, where in (asked[:1] if quick else asked)
    ]  # fmt: skip
    if not quick:
        found.append(Row("Completion work-precision", "stiff, on the way", "run", few(stiff),
                         axis="rtol or step", error="relative error on the way"))  # fmt: skip
    return found
