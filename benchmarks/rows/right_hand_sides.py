"""A right-hand side upstairs and downstairs over width and depth, beside what bounds it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import BOUND, Contender, Row

WIDTHS = (2, 10, 50, 200)
DEPTHS = (3, 10, 100)


def problem(d: int) -> Any:
    from dlngeo import energies

    rng = np.random.default_rng(0)
    mask = rng.random((d, d)) < 0.5
    mask[0, 0] = True
    return energies.MatrixCompletion(rng.standard_normal((d, d)), mask)


def layers(d: int, depth: int) -> Any:
    from dlngeo import weights

    return weights.random_balanced((d,) * (depth + 1), 1 / math.sqrt(d), rng=1)


def matrix(d: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((d, d)) / math.sqrt(d)


def upstairs(d: int, depth: int) -> Callable[[], Any]:
    from dlngeo._equation import Equation
    from dlngeo.flows._systems import WeightFlow

    system = WeightFlow(Equation(problem(d), depth), layers(d, depth))
    return lambda: system.velocity(0.0, system.start)


def downstairs(d: int, depth: float) -> Callable[[], Any]:
    from dlngeo._equation import Equation
    from dlngeo.flows._systems import EndToEndFlow

    system = EndToEndFlow(Equation(problem(d), depth), matrix(d), None)
    return lambda: system.velocity(0.0, system.start)


def adjacency_flow(d: int, depth: int) -> Callable[[], Any]:
    from dlngeo import adjacency
    from dlngeo._equation import Equation
    from dlngeo.flows._systems import AdjacencyFlow

    start = adjacency.from_weights(layers(d, depth))
    system = AdjacencyFlow(Equation(problem(d), depth), start, (d,) * (depth + 1))
    return lambda: system.velocity(0.0, system.start)


def products(d: int, depth: int) -> Callable[[], Any]:
    """The 3N - 3 matrix products that the lifted gradient needs, and nothing else."""
    A, B = matrix(d), matrix(d).T.copy()
    return lambda: [A @ B for _ in range(3 * depth - 3)]


def bare_svd(d: int) -> Callable[[], Any]:
    W = matrix(d)
    return lambda: np.linalg.svd(W)


def contenders(d: int) -> list[Contender]:
    found = [Contender("bare svd", lambda: bare_svd(d), kind=BOUND)]
    for depth in DEPTHS:
        found += [
            Contender(f"3N - 3 products, N = {depth}", lambda n=depth: products(d, n), kind=BOUND),
            Contender(f"upstairs, N = {depth}", lambda n=depth: upstairs(d, n)),
            Contender(f"downstairs, N = {depth}", lambda n=depth: downstairs(d, n)),
        ]
    found.append(Contender("downstairs, depth inf", lambda: downstairs(d, math.inf)))
    if d <= 10:
        found.append(Contender("adjacency, N = 3", lambda: adjacency_flow(d, 3)))
    return found


def rows(quick: bool) -> list[Row]:
    """A row for each width."""
    widths = WIDTHS[:2] if quick else WIDTHS
    return [Row("Right-hand side", f"d = {d}", "call", contenders(d)) for d in widths]
