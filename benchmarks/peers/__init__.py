"""The same problems in other libraries, each written as a good user of it would."""

from __future__ import annotations

import os
from typing import Any


def jax_on_one_thread() -> Any:
    """jax, in float64, whose pools of threads were made while one processor was to be seen."""
    affinity = getattr(os, "sched_getaffinity", lambda _: set())(0)
    if affinity:
        os.sched_setaffinity(0, {min(affinity)})
    try:
        import jax

        jax.devices()
    finally:
        if affinity:
            os.sched_setaffinity(0, affinity)
    return jax
