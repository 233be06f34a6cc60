"""An energy of Python's for the kernels: asked for eight matrices at a time, under the lock."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dlngeo._checks import Array
from dlngeo._compiled.kernels import energy
from dlngeo._compiled.lanes import LANES

_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)
_intrinsic: Any = intrinsic


class Asked:
    """A gradient that kernels can call by its address; what it raises is kept for later."""

    def __init__(self, gradient: Callable[[Array], Array], shape: tuple[int, int]) -> None:
        self.error: BaseException | None = None
        self._gradient, self._shape = gradient, (*shape, LANES)
        self._views: dict[int, Array] = {}
        self._callback = _CALLBACK(self._answer)  # must outlive the kernels' run
        address = ctypes.cast(self._callback, ctypes.c_void_p).value
        self.address = np.array([[float(address or 0)]])  # whole numbers up to 2^53 are exact

    def _answer(self, W: int, slope: int) -> None:
        matrices, answer = self._view(W), self._view(slope)
        answer[...] = np.nan
        if self.error is None:
            try:
                stack = np.ascontiguousarray(np.moveaxis(matrices, -1, 0))
                slopes = np.asarray(self._gradient(stack))
                if slopes.shape != stack.shape:
                    raise ValueError(
                        f"energy.gradient must have the shape {stack.shape} of its W, not "
                        f"{slopes.shape}"
                    )
                answer[...] = np.moveaxis(slopes, 0, -1)
            except BaseException as error:  # it cannot pass through a kernel
                self.error = error

    def _view(self, address: int) -> Array:
        if address not in self._views:
            size = int(np.prod(self._shape))
            numbers = (ctypes.c_double * size).from_address(address)
            self._views[address] = np.ctypeslib.as_array(numbers).reshape(self._shape)
        return self._views[address]


@_intrinsic
def _ask(typingctx, address, W, slope):  # type: ignore[no-untyped-def]
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [whole, whole]).as_pointer()
        places = [
            context.cast(builder, x, k, types.int64) for x, k in zip(args, sig.args, strict=True)
        ]
        builder.call(builder.inttoptr(places[0], kind), places[1:])
        return context.get_dummy_value()

    return types.void(address, W, slope), build


@energy
def asked(A: Array, B: Array, W: Array, slope: Array, value: Array) -> None:
    """E'(W) of the :class:`Asked` whose address is in A; no value."""
    value[:] = 0.0
    _ask(np.int64(A[0, 0]), W.ctypes.data, slope.ctypes.data)
