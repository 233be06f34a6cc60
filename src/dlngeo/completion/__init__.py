"""Matrix completion by a deep linear network, held against simple baselines."""

from __future__ import annotations

from dlngeo.completion._complete import Completion, complete

__all__ = [
    "Completion",
    "complete",
]


def __dir__() -> list[str]:
    return __all__
