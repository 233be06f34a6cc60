"""What a weak error of the Langevin equation costs: dt is halved, time and error are plotted.

The errors are those of two moments against an exact law (:mod:`benchmarks.laws`), the larger of the
two; other paths at every call, and all calls' paths count. Paths are as many as make a call last
about as long for every contender, so the standard errors of fast ones are smaller.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import PEER, Answer, Contender, Row
from benchmarks.laws import LAWS, Law
from benchmarks.peers import langevin as peers
from benchmarks.rows.langevin_steps import engine_options

STEPS = (2, 4, 8, 16, 32)
PATH_STEPS = {2: 80_000, 5: 15_000}  # of a call, one decomposition each
MOST = 10_000  # paths


def ours(law: Law, steps: int, paths: int, method: str, engine: str) -> Callable[[], Any]:
    from dlngeo import energies, langevin

    options, one = engine_options(engine), law.problem
    d = one.d
    energy: Any = energies.Quadratic(one.centre * np.eye(d))
    if not one.pull:
        energy = energies.LinearRegression(np.zeros((d, 1)), np.zeros((d, 1)))  # E = 0
    options |= {"depth": one.depth, "beta": one.beta, "weight_decay": one.decay}
    if method == "projection":
        options |= {"upstairs": True}
    seeds = itertools.count()
    starts = law.starts(paths, 0)

    def run() -> Answer:
        ends = langevin.simulate(
            energy, starts, dt=law.time / steps, n_steps=steps, rng=next(seeds), save_every=steps,
            method=method, **options,
        ).W[:, -1]  # fmt: skip
        return law.error(ends, starts)

    return run


def peer(law: Law, steps: int, paths: int, ends: Callable[..., Any]) -> Callable[[], Any]:
    one, starts = dataclasses.replace(law.problem, dt=law.time / steps), law.starts(paths, 0)
    run = ends(one, steps, starts)
    return lambda: law.error(run(), starts)


def sdeint(law: Law, steps: int, paths: int) -> Callable[[], Any]:
    """Timed on a few paths; the error is that of the same scheme in NumPy, on many."""
    error = peer(law, steps, paths, peers.plain_numpy)()
    few = law.starts(8, 0)
    one = dataclasses.replace(law.problem, dt=law.time / steps)
    run = peers.sdeint_plain(one, steps, few)

    def timed() -> Answer:
        run()
        return error._replace(units=len(few))

    return timed


def contenders(law: Law, quick: bool) -> list[Contender]:
    found = []
    budget = PATH_STEPS[law.problem.d] // (5 if quick else 1)
    chosen = STEPS[1:5:2] if quick else STEPS

    def add(name: str, make: Callable[..., Any], share: float, kind: str, *more: Any) -> None:
        for steps in chosen:
            paths = min(MOST, max(200, int(share * budget / steps)))
            found.append(
                Contender(
                    name,
                    lambda steps=steps, paths=paths: make(law, steps, paths, *more),
                    paths, kind, law.time / steps,
                )
            )  # fmt: skip

    for engine, faster in (("numpy", 1), ("numba", 5)):
        add(f"weak2, {engine}", ours, faster / 3, "ours", "weak2", engine)
        add(f"root, {engine}", ours, faster, "ours", "root", engine)
        add(f"euler, {engine}", ours, faster, "ours", "euler", engine)
    add("projection, numpy", ours, 1 / 40, "ours", "projection", "numpy")
    add("projection, numba", ours, 1, "ours", "projection", "numba")
    add("JAX scan, Euler", peer, 1, PEER, peers.jax_scan)
    add("sdeint itoEuler", sdeint, 1, PEER)
    return found


def rows(quick: bool) -> list[Row]:
    """A row for each law."""
    return [
        Row("Langevin work-precision", law.name, "path", contenders(law, quick), axis="dt",
            error="relative weak error")
        for law in LAWS
    ]  # fmt: skip
