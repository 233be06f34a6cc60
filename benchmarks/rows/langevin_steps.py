"""What a path-step of the Langevin equation costs: 1000 paths at once, from end to end.

Depth 3, β = 10, a quadratic energy, dt = 1e-3. Ours is :func:`dlngeo.langevin.simulate` with noise,
cutting and reflection, `projection` upstairs; the bound is the bare decomposition of such a stack,
of one matrix a path, or moving it once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import BOUND, PEER, Contender, Goal, Row
from benchmarks.peers import langevin as peers
from benchmarks.peers.langevin import Problem

PATHS = 1000
STEPS = {2: 400, 5: 120, 10: 45, 20: 15}
METHODS = ("weak2", "root", "euler")
FEW = 100  # paths, where NumPy goes upstairs
ENGINES = ("numpy", "numba")
BESIDE_SVD = {2: (1 / 9, 1.0), 5: (1 / 6, 1.3), 10: (1 / 3.5, 2.1), 20: (1 / 1.9, 3.9)}
BESIDE_JAX = {2: 1 / 10, 5: 1 / 8, 10: 1 / 4, 20: 1 / 2}


def engine_options(engine: str) -> dict[str, Any]:
    """``engine=`` for simulate; without numba its contenders are skipped by name."""
    from dlngeo import langevin

    if engine == "numba":
        import numba  # noqa: F401
    elif "engine" not in inspect.signature(langevin.simulate).parameters:
        return {}  # an older state, which has NumPy alone
    return {"engine": engine}


def ours(d: int, steps: int, paths: int, method: str, engine: str) -> Callable[[], Any]:
    from dlngeo import energies, langevin

    problem, options = Problem(d), engine_options(engine)
    energy, start = energies.Quadratic(np.eye(d)), problem.start()

    def run() -> None:
        langevin.simulate(
            energy, start, depth=problem.depth, beta=problem.beta, dt=problem.dt, n_steps=steps,
            n_paths=paths, rng=0, save_every=steps, method=method, upstairs=method == "projection",
            **options,
        )  # fmt: skip

    return run


def stack(d: int) -> np.ndarray:
    return Problem(d).start() + 0.05 * np.random.default_rng(1).standard_normal((PATHS, d, d))


def bare_svd(d: int) -> Callable[[], Any]:
    W = stack(d)
    return lambda: np.linalg.svd(W)


def traffic(d: int) -> Callable[[], Any]:
    W = stack(d)
    room = np.empty_like(W)
    return lambda: np.copyto(room, W)


def normals(d: int) -> Callable[[], Any]:
    rng, room = np.random.Generator(np.random.SFC64(0)), np.empty((PATHS, d, d))
    return lambda: rng.standard_normal(out=room)


def contenders(d: int, n: int) -> list[Contender]:
    problem = Problem(d)
    starts = np.broadcast_to(problem.start(), (PATHS, d, d))

    def own(method: str, engine: str, paths: int = PATHS) -> Contender:
        steps = max(1, n // (3 if method == "weak2" or paths == FEW else 1))
        name = f"{method}, {engine}"
        return Contender(name, lambda: ours(d, steps, paths, method, engine), steps * paths)

    def many(name: str, run: Callable[..., Any]) -> Contender:
        return Contender(name, lambda: run(problem, n, starts), n * PATHS, PEER)

    def one(name: str, run: Callable[..., Any]) -> Contender:
        return Contender(name, lambda: run(problem, n, starts[:1]), n, PEER)

    return [
        Contender("bare svd", lambda: bare_svd(d), PATHS, BOUND),
        *(own(method, engine) for engine in ENGINES for method in METHODS),
        own("projection", "numpy", FEW),
        own("projection", "numba"),
        many("NumPy, batched Euler", peers.plain_numpy),
        many("JAX scan, Euler", peers.jax_scan),
        many("diffrax, Euler", peers.diffrax_euler),
        many("torch, Euler", peers.torch_batched),
        one("sdeint itoEuler", peers.sdeint_plain),
        one("sdeint itoEuler, interop", peers.sdeint_face),
        Contender("normals alone", lambda: normals(d), PATHS, BOUND),
        Contender("copying W once", lambda: traffic(d), PATHS, BOUND),
    ]


def goals(d: int) -> list[Goal]:
    euler, weak2 = BESIDE_SVD[d]
    fast = [f"{method}, numba" for method in ("root", "euler")]
    return [
        *(Goal(name, "bare svd", euler) for name in fast),
        *(Goal(name, "JAX scan, Euler", BESIDE_JAX[d]) for name in fast),
        Goal("weak2, numba", "bare svd", weak2),
    ]


def rows(quick: bool) -> list[Row]:
    """A row for each width."""
    return [
        Row("Langevin step", f"d = {d}", "path-step", contenders(d, n // (4 if quick else 1)),
            goals=goals(d))
        for d, n in STEPS.items()
    ]  # fmt: skip
