"""What is paid once: imports, the first call of a compiled engine, and whole commands.

Each call is a process of its own. A first call is timed inside it, in processor time, with numba
imported by it; "compiling" has an empty cache, "cached" one that an earlier call filled. Without
numba means that the process does not find it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.harness import BOUND, Answer, Contender, Goal, Row, Skip

FIRST = """
import time
import numpy as np
import dlngeo as dln
energy = dln.energies.Quadratic(np.eye(3))
options = dict(depth=3, beta=10.0, dt=1e-3, n_steps=2, n_paths=8, rng=0)
{numba}
began = time.process_time()
dln.langevin.simulate(energy, np.eye(3), engine="{engine}", **options)
print(time.process_time() - began)
"""
HIDDEN = "import sys; sys.modules['numba'] = None; "
COMMAND = "from dlngeo.cli import main; main()"


@cache
def kernels() -> tempfile.TemporaryDirectory[str]:
    """A cache of kernels that the first process fills; removed at the end."""
    return tempfile.TemporaryDirectory()


def process(code: str, *words: str, **environment: str) -> str:
    """What a fresh interpreter says."""
    there = {**os.environ, "NUMBA_CACHE_DIR": kernels().name, **environment}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=there, capture_output=True, text=True
    )
    if done.returncode:
        raise Skip((done.stderr.strip().splitlines() or ["failed"])[-1])
    return done.stdout


def running(code: str) -> Callable[[], Any]:
    return lambda: lambda: process(code) and None


def first_call(engine: str, compiling: bool = False, imported: bool = False) -> Callable[[], Any]:
    code = FIRST.format(engine=engine, numba="import numba" if imported else "")

    def make() -> Callable[[], Any]:
        if engine == "numba":
            import numba  # noqa: F401

        def call() -> Answer:
            if not compiling:
                return Answer(seconds=float(process(code)))
            with tempfile.TemporaryDirectory() as empty:
                return Answer(seconds=float(process(code, NUMBA_CACHE_DIR=empty)))

        return call

    return make


def command(words: tuple[str, ...], numba: bool, compiling: bool = False) -> Callable[[], Any]:
    """A command of the README, into a folder that is thrown away."""

    def make() -> Callable[[], Any]:
        if numba:
            import numba as _  # noqa: F401

        def call() -> None:
            with tempfile.TemporaryDirectory() as room:
                empty: Mapping[str, str] = {"NUMBA_CACHE_DIR": room} if compiling else {}
                out = ("--out", str(Path(room) / "out"))
                process(("" if numba else HIDDEN) + COMMAND, *words, *out, **empty)

        return call

    return make


def rows(quick: bool) -> list[Row]:
    """Imports, first calls, commands."""
    compiling = [Contender("numba, compiling", first_call("numba", compiling=True))]
    if quick:
        compiling = []
    cached = "numba, cached, after import numba"
    found = [
        Row("Start", "imports", "process", [
            Contender("python", running("pass"), kind=BOUND),
            Contender("import numpy", running("import numpy"), kind=BOUND),
            Contender("import dlngeo", running("import dlngeo")),
            Contender("import dlngeo.langevin", running("import dlngeo.langevin")),
            Contender("import numba", running("import numba"), kind=BOUND),
        ]),
        Row("Start", "first call of langevin.simulate", "call", [
            Contender("numpy", first_call("numpy")),
            Contender(cached, first_call("numba", imported=True)),
            Contender("numba, cached, with its import", first_call("numba")),
            *compiling,
        ], goals=[Goal(cached, "", 0.2)]),
    ]  # fmt: skip
    for name in () if quick else ("complete", "simulate"):
        found.append(
            Row("Commands", f"dlngeo {name}", "command", [
                Contender("without numba", command((name,), numba=False)),
                Contender("with numba, cached", command((name,), numba=True)),
                Contender("with numba, compiling", command((name,), numba=True, compiling=True)),
            ])
        )  # fmt: skip
    return found
