"""How everything here is compiled: kept on disk, the interpreter's lock released, IEEE rounding."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import types
from numba.core.cgutils import voidptr_t
from numba.extending import intrinsic

from dlngeo._checks import Array

#: A part of kernels: no product and sum is fused or reordered, division by zero gives inf or NaN.
part: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy")


def kernel(function: Callable[..., Any]) -> Any:
    """Compile what Python calls, as :data:`part`, and keep it on disk.

    numba compiles anew where the function's own file has changed; this room's files call each
    other, so a change of any of them counts.
    """
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    kept = compiled._cache._cache_file
    kept._source_stamp = (*kept._source_stamp, _digest())
    return compiled


@functools.cache
def _digest() -> str:
    """What is written in this room."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


#: The same, written out where it is called: for what is called often and does little.
inlined: Callable[..., Any] = numba.njit(
    cache=True, nogil=True, error_model="numpy", inline="always"
)

_intrinsic: Any = intrinsic
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


@_intrinsic
def _pointer(typingctx, address):  # type: ignore[no-untyped-def]
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], voidptr_t)

    return types.voidptr(address), build


@kernel
def bare(array: Array) -> Array:
    """The same numbers, which nobody counts references to: for slices within loops.

    The array itself must outlive it.
    """
    return numba.carray(_pointer(array.ctypes.data), array.shape, array.dtype)


@kernel
def call(function: Any, A: Array, B: Array, W: Array, slope: Array, value: Array) -> None:
    """One energy, called from Python."""
    function(A, B, W, slope, value)
