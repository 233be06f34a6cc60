"""Which engine computes an ensemble: NumPy, or what numba compiles (the extra ``fast``)."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util

from dlngeo._checks import choice

ENGINES = ("auto", "numpy", "numba")


def chosen(engine: str) -> str:
    """The engine that ``engine=`` asks for; "auto" is numba where it is installed."""
    choice(engine, "engine", ENGINES)
    there = importlib.util.find_spec("numba") is not None
    if engine == "numba" and not there:
        raise ImportError("engine='numba' needs numba: pip install 'dlngeo[fast]'")
    if engine == "auto":
        return "numba" if there else "numpy"
    return engine


@functools.cache
def recorded(engine: str) -> str:
    """An engine and its version, as provenance keeps it: on them the last bits depend."""
    return f"{engine} {importlib.metadata.version(engine)}"
