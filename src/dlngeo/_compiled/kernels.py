"""How everything here is compiled: kept on disk, the interpreter's lock released, IEEE rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import types

from dlngeo._checks import Array

#: A kernel: no product and sum is fused or reordered, division by zero gives inf or NaN.
kernel: Callable[..., Any] = numba.njit(cache=True, nogil=True, error_model="numpy")

_TABLE = types.Array(types.float64, 2, "C")
_LANES = types.Array(types.float64, 3, "C")
_ROW = types.Array(types.float64, 1, "C")
_ENERGY = types.void(_TABLE, _TABLE, _LANES, _LANES, _ROW)


def energy(function: Callable[..., None]) -> Any:
    """Compile ``function(A, B, W, slope, value)``, one energy's E'(W) and E(W) on lanes.

    A and B are its data, two C-contiguous matrices. It reads W (m, n, lane) and writes slope
    (m, n, lane) and value (lane,), each lane by itself. All energies compiled so are of one type:
    a kernel that takes one is compiled once for them all.
    """
    return numba.cfunc(_ENERGY, cache=True, error_model="numpy")(function)


@kernel
def call(function: Any, A: Array, B: Array, W: Array, slope: Array, value: Array) -> None:
    """One energy, called from Python."""
    function(A, B, W, slope, value)
