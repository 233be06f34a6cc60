"""Completion of a large table in factored form: one velocity, and the whole way to a fit.

m = n = 10,000, rank 10, a million entries. The whole way is from the truncated decomposition of the
observed entries, which all begin with and which is not counted, to E = 1e-12 E(0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import BOUND, PEER, Contender, Goal, Row
from benchmarks.peers import lowrank as peers
from benchmarks.peers.lowrank import Table

SHARE = 1e-12


def _energy(table: Table) -> Any:
    from dlngeo import energies

    return energies.SparseCompletion(*table.observed(), (table.d, table.d))


def velocity(table: Table, engine: str) -> Callable[[], Any]:
    from dlngeo import lowrank
    from dlngeo._equation import Equation
    from dlngeo.lowrank import _pulls, _systems

    energy = _energy(table)
    start = lowrank.spectral_start(energy, table.rank)
    pull = _pulls.pull_of(energy, (table.d, table.d), engine)
    system = _systems.system_of(Equation(energy, 3), start, pull)
    return lambda: system.velocity(0.0, system.start)


def whole(table: Table, engine: str) -> Callable[[], Any]:
    from dlngeo import lowrank

    energy = _energy(table)
    start = lowrank.spectral_start(energy, table.rank)
    bound = SHARE * 0.5 * float(energy.values @ energy.values)

    def call() -> Any:
        run = lowrank.flow(
            energy, start, (0, 1e9), depth=3, stop_loss=bound, rtol=1e-4, engine=engine
        )
        if run.status != 1:
            raise RuntimeError(run.message)
        return run

    return call


def traffic(table: Table) -> Callable[[], Any]:
    """What must be read and written once an entry: its column, its value, rows of R and SᵀL."""
    rng = np.random.default_rng(0)
    R, by_R = rng.standard_normal((2, table.d, table.rank))
    cols = rng.integers(0, table.d, table.count).astype(np.int32)
    rows = np.empty((1 << 12, table.rank))

    def call() -> None:
        for k in range(0, cols.size, len(rows)):
            some = cols[k : k + len(rows)]
            for table_ in (R, by_R):
                np.take(table_, some, axis=0, out=rows[: some.size], mode="clip")

    return call


def rows(quick: bool) -> list[Row]:
    table = Table(2000, 10, 10**5) if quick else Table()
    name = f"{table.d} x {table.d}, rank {table.rank}, {table.count} entries"
    ours = ["numba", "numpy"]
    return [
        Row(
            "Low rank", f"E and its velocity at depth 3; {name}", "evaluation",
            [
                *(Contender(engine, lambda e=engine: velocity(table, e)) for engine in ours),
                Contender("pymanopt", lambda: peers.gradient(table, False), kind=PEER),
                Contender("pymanopt, chunks", lambda: peers.gradient(table, True), kind=PEER),
                Contender("rows gathered", lambda: traffic(table), kind=BOUND),
            ],
            goals=[Goal("numba", "pymanopt", 1 / 6), Goal("numpy", "pymanopt", 1 / 1.8)],
        ),
        Row(
            "Low rank", f"the way to E = 1e-12 E(0); {name}", "run",
            [
                Contender("flow, depth 3", lambda: whole(table, "numba")),
                Contender("pymanopt CG", lambda: peers.solve(table, SHARE), kind=PEER),
            ],
            goals=[Goal("flow, depth 3", "pymanopt CG", 1 / 5)],
        ),
    ]  # fmt: skip
