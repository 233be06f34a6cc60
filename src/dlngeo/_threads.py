"""One BLAS thread while a long run works on small matrices.

OpenBLAS spreads a product of two 100 x 100 matrices over all processors. Its threads then wait for
each other, spinning, longer than they compute: twice to a hundred times the processor time, and on
a busy machine as much longer by the clock. They are worth having from some 512 x 512 on. With one
thread a sum is also added up in the same order on every machine with the same kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

SMALL = 512**2  # entries of the largest matrix for which threads do not pay

P = ParamSpec("P")
R = TypeVar("R")


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function run on one BLAS thread, unless one of its arguments holds a large matrix.

    It costs some 20 microseconds a call: for the doors of long runs.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        if max(map(_largest, (*args, *kwargs.values())), default=0) > SMALL:
            return function(*args, **kwargs)
        with _ONE_THREAD:
            return function(*args, **kwargs)

    return limited


def _largest(argument: Any) -> int:
    """Entries of the largest matrix that an argument is, holds or lists; a stack's is one of it."""
    held = argument if isinstance(argument, (list, tuple)) else getattr(argument, "__dict__", {})
    inside = held.values() if isinstance(held, dict) else held
    shapes = [getattr(value, "shape", None) for value in (argument, *inside)]
    return max(
        (math.prod(s[-2:]) for s in shapes if isinstance(s, tuple) and len(s) > 1), default=0
    )


class _OneThread:
    """The number of threads belongs to the process: who comes first sets it, the last restores it.

    Threads of the caller may run at once; each leaving alone would restore what it found.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._found: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._found = _blas().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._found.restore_original_limits()
            # threadpoolctl lets one thread alone set the number until it leaves such a block.
            with _blas().limit(limits=None):
                pass


_ONE_THREAD = _OneThread()


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries that NumPy and SciPy have loaded; finding them takes a millisecond."""
    return ThreadpoolController()
