"""The schemes by name: what ``method=`` may be, here, on the command line and in TOML files.

A scheme is a class that is made from an equation and the width d, and takes stacks of states one
step further. A new one goes into a file of its own and one line of :data:`SCHEMES`.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol

from dlngeo._checks import Array, Weights, choice
from dlngeo._equation import Equation
from dlngeo._paths.bridges import Stepper
from dlngeo.langevin._downstairs import EulerDownstairs, RootEuler, WeakTwo
from dlngeo.langevin._upstairs import Projection


class Scheme(Stepper, Protocol):
    """One step of the Langevin equation, and how a run begins and is read."""

    upstairs: ClassVar[bool]  # whether it moves weights, or W
    depths: ClassVar[str]  # "any", "finite" or "whole"

    def __init__(self, equation: Equation, d: int) -> None: ...

    def start(self, point: Any, /) -> Array:
        """First states (path, ...) from weights upstairs, from W downstairs."""
        ...

    def keep(self, W: Array) -> Array | None:
        """What each path keeps of its start (path, ...)."""
        ...

    def record(self, state: Array) -> Array:
        """What is saved of states."""
        ...

    def read(self, frames: Array) -> tuple[Array, Weights | None]:
        """W of what was saved, and the weights upstairs."""
        ...


#: Every scheme by its name; "auto" is the first that fits.
SCHEMES: dict[str, type[Scheme]] = {
    "weak2": WeakTwo,
    "root": RootEuler,
    "euler": EulerDownstairs,
    "projection": Projection,
}


def chosen(method: str, upstairs: bool, depth: float) -> str:
    """The name of the scheme that ``method`` asks for; refused where it does not fit."""
    choice(method, "method", ("auto", *SCHEMES))
    fits = [
        name
        for name, scheme in SCHEMES.items()
        if scheme.upstairs == upstairs and (scheme.depths == "any" or math.isfinite(depth))
    ]
    if method != "auto" and method not in fits:
        where = "upstairs" if upstairs else f"downstairs at depth {depth:g}"
        raise ValueError(f"method must be 'auto' or of {fits} {where}, not {method!r}")
    return fits[0] if method == "auto" else method
