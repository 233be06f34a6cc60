"""How time grows with width, depth, paths, steps and workers; the report fits exponents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import BOUND, Contender, Row
from benchmarks.peers.langevin import Problem
from benchmarks.rows import right_hand_sides
from benchmarks.rows.geometry import geodesic
from benchmarks.rows.langevin_steps import ENGINES, engine_options

METHODS = ("weak2", "root")


def simulation(
    method: str, engine: str, d: int = 5, depth: int = 3, paths: int = 200, steps: int = 20,
    workers: int = 1,
) -> Callable[[], Any]:  # fmt: skip
    from dlngeo import energies, langevin

    options, start = engine_options(engine), Problem(d).start()
    energy = energies.Quadratic(np.eye(d))

    def run() -> None:
        langevin.simulate(
            energy, start, depth=depth, beta=10.0, dt=1e-3 * 3 / depth, n_steps=steps,
            n_paths=paths, rng=0, save_every=steps, method=method, workers=workers, **options,
        )  # fmt: skip

    return run


def along(
    what: str, places: Sequence[int], units: Callable[[int], float] = lambda _: 1.0, **fixed: Any
) -> list[Contender]:
    """Both engines and schemes along one of simulation's arguments."""
    return [
        Contender(
            f"{method}, {engine}",
            lambda m=method, e=engine, k=k: simulation(m, e, **{what: k}, **fixed),
            units(k), at=k,
        )
        for engine in ENGINES
        for method in METHODS
        for k in places
    ]  # fmt: skip


def bare_svd(d: int, paths: int) -> Callable[[], Any]:
    W = np.random.default_rng(0).standard_normal((paths, d, d))
    return lambda: np.linalg.svd(W)


def over_width(quick: bool) -> Row:
    widths = (2, 5, 10) if quick else (2, 3, 5, 10, 20, 40)
    found = [Contender("bare svd", lambda d=d: bare_svd(d, 200), 200, BOUND, d) for d in widths]
    found += along("d", widths, lambda _: 4000)
    return Row("Scaling", "Langevin over width", "path-step", found, axis="d")


def over_depth(quick: bool) -> Row:
    depths = (2, 5, 20) if quick else (2, 3, 5, 10, 20, 50, 100)
    return Row(
        "Scaling", "Langevin over depth, d = 5", "path-step",
        along("depth", depths, lambda _: 4000), axis="N",
    )  # fmt: skip


def over_paths(quick: bool) -> Row:
    paths = (10, 100, 1000) if quick else (1, 10, 100, 1000)
    return Row(
        "Scaling", "Langevin over paths, d = 5", "run", along("paths", paths), axis="paths"
    )  # fmt: skip


def over_steps(quick: bool) -> Row:
    steps = (10, 100) if quick else (10, 100, 1000)
    return Row(
        "Scaling", "Langevin over steps, d = 5, 64 paths", "run",
        along("steps", steps, paths=64), axis="steps",
    )  # fmt: skip


def over_workers(quick: bool) -> Row:
    """By the clock: what other programs leave of the machine decides."""
    size = 200 if quick else 1000
    return Row(
        "Scaling", "Langevin over workers, d = 5, by the clock", "run",
        along("workers", (1, 2), paths=size), axis="workers", clock="wall",
    )  # fmt: skip


def right_hand_side(what: str, places: Sequence[int], name: str, axis: str) -> Row:
    """Upstairs and downstairs over width or depth."""
    found = []
    for k in places:
        d, depth = (k, 3) if what == "d" else (10, k)
        found += [
            Contender("upstairs", lambda d=d, n=depth: right_hand_sides.upstairs(d, n), at=k),
            Contender("downstairs", lambda d=d, n=depth: right_hand_sides.downstairs(d, n), at=k),
        ]
    return Row("Scaling", name, "call", found, axis=axis)


def over_pairs(quick: bool) -> Row:
    widths = (2, 3) if quick else (2, 3, 5, 8, 12)
    found = [Contender("log", lambda d=d: geodesic("log", d, 3), at=d) for d in widths]
    return Row("Scaling", "metric.log of random pairs, N = 3", "call", found, axis="d")


def rows(quick: bool) -> list[Row]:
    """Over width, depth, paths, steps, workers."""
    widths = (5, 20) if quick else (5, 10, 20, 50, 100, 200)
    depths = (3, 10) if quick else (2, 3, 5, 10, 20, 50, 100)
    return [
        over_width(quick),
        over_depth(quick),
        over_paths(quick),
        over_steps(quick),
        over_workers(quick),
        right_hand_side("d", widths, "Right-hand side over width, N = 3", "d"),
        right_hand_side("N", depths, "Right-hand side over depth, d = 10", "N"),
        over_pairs(quick),
    ]
