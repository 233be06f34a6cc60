"""A landscape of 2 × 2 matrices: all its quantities at once, beside what decompositions cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import BOUND, Contender, Goal, Row

NUMBERS = {"depth": 3, "beta": 20.0, "weight_decay": 0.018}
SECONDS = 3.0  # goal for 400 × 400 points


def energy() -> Any:
    from dlngeo import energies

    return energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])


def plane(n: int, quantities: tuple[str, ...]) -> Callable[[], Any]:
    from dlngeo import landscapes

    return lambda: (
        landscapes.plane(energy(), **NUMBERS, extent=3.0, n=n, quantities=quantities).values
    )


def decompositions(n: int) -> Callable[[], Any]:
    """An SVD of each W and the eigenvalues of each Hessian, by LAPACK."""
    generator = np.random.default_rng(0)
    W = generator.standard_normal((n * n, 2, 2))
    forms = generator.standard_normal((n * n, 4, 4))
    return lambda: (np.linalg.svd(W), np.linalg.eigvalsh(forms))


def rows(quick: bool) -> list[Row]:
    n = 100 if quick else 400
    every = ("E", "S", "F", "slope", "curvature", "density")
    found = [
        Contender("six quantities", lambda: plane(n, every)),
        Contender("E, S, F", lambda: plane(n, every[:3])),
        Contender("bare svd and eigvalsh", lambda: decompositions(n), kind=BOUND),
    ]
    goals = [Goal("six quantities", "", SECONDS)]
    return [Row("Landscape", f"d = 2, {n} × {n} points", "landscape", found, goals=goals)]
