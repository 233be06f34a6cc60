"""Eight float64 lanes as one value: what a kernel computes with, one vector register or several.

Code that is written for one matrix computes for eight: ``x = at(A, k)`` is row k of an array
(rows, 8), arithmetic and comparisons go lane by lane, and ``put(A, k, x)`` writes the row. A may
also be the address of such an array: numbers need no counting of references, arrays do. The
vectors are LLVM's, so that nothing is left to its loop vectoriser, and every lane sees the same
operations whatever its neighbours are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once, get_or_insert_function
from numba.extending import (
    intrinsic,
    lower_builtin,
    models,
    register_model,
    type_callable,
)
from numba.np.arrayobj import make_array

from dlngeo._checks import Array

Lanes: TypeAlias = Any  # in a kernel: eight numbers
LANES = 8
STACK = 32
_CUBE_ROOT = 3071306043645493248.0  # two thirds of the bits of 1, less what suits mantissas
_on_lanes: Any = intrinsic
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)


class _Lanes(types.Type):
    """Eight numbers."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


class _Mask(types.Type):
    """Eight answers."""

    def __init__(self) -> None:
        super().__init__(name="LaneMask")


LANES_TYPE, MASK_TYPE = _Lanes(), _Mask()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _DOUBLES)


@register_model(_Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BITS)


def _splat(context: Any, builder: Any, value: Any, kind: Any) -> Any:
    """A number in all lanes; lanes as they are."""
    if isinstance(kind, _Lanes):
        return value
    number = context.cast(builder, value, kind, types.float64)
    one = builder.insert_element(ir.Constant(_DOUBLES, ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), None))


def _operation(op: Any, result: Any, build: Callable[[Any, Any, Any], Any]) -> None:
    """An operation of two lanes, or of lanes and a number."""

    def typing(context: Any) -> Any:
        def typer(a: Any, b: Any) -> Any:
            both = isinstance(a, _Lanes), isinstance(b, _Lanes)
            other = all(isinstance(x, _Lanes | types.Number) for x in (a, b))
            return result if any(both) and other else None

        return typer

    type_callable(op)(typing)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (_splat(context, builder, x, k) for x, k in zip(args, sig.args, strict=True))
        return build(builder, a, b)

    for kinds in ((_Lanes, _Lanes), (_Lanes, types.Number), (types.Number, _Lanes)):
        lower_builtin(op, *kinds)(lower)


for _op in (operator.add, operator.iadd):
    _operation(_op, LANES_TYPE, lambda builder, a, b: builder.fadd(a, b))
for _op in (operator.sub, operator.isub):
    _operation(_op, LANES_TYPE, lambda builder, a, b: builder.fsub(a, b))
_operation(operator.mul, LANES_TYPE, lambda builder, a, b: builder.fmul(a, b))
_operation(operator.truediv, LANES_TYPE, lambda builder, a, b: builder.fdiv(a, b))


def _comparison(op: Any, sign: str) -> None:
    _operation(op, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered(sign, a, b))


_comparison(operator.lt, "<")
_comparison(operator.le, "<=")
_comparison(operator.gt, ">")
_comparison(operator.ge, ">=")
_comparison(operator.eq, "==")


def _masks(op: Any, build: Callable[..., Any], count: int) -> None:
    def typing(context: Any) -> Any:
        def typer(*kinds: Any) -> Any:
            return MASK_TYPE if all(isinstance(kind, _Mask) for kind in kinds) else None

        def one(a: Any) -> Any:
            return typer(a)

        def two(a: Any, b: Any) -> Any:
            return typer(a, b)

        return one if count == 1 else two

    type_callable(op)(typing)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return build(builder, *args)

    lower_builtin(op, *(_Mask,) * count)(lower)


_masks(operator.and_, lambda builder, a, b: builder.and_(a, b), 2)
_masks(operator.or_, lambda builder, a, b: builder.or_(a, b), 2)
_masks(operator.invert, lambda builder, a: builder.not_(a), 1)


def _negation(context: Any) -> Any:
    return lambda a: LANES_TYPE if isinstance(a, _Lanes) else None


type_callable(operator.neg)(_negation)


@lower_builtin(operator.neg, _Lanes)
def _negative(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def _of_llvm(name: str, count: int) -> Callable[..., Any]:
    """A function of LLVM's on lanes."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = [_splat(context, builder, x, k) for x, k in zip(args, sig.args, strict=True)]
        kind = ir.FunctionType(_DOUBLES, [_DOUBLES] * count)
        function = get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f64")
        return builder.call(function, lanes)

    return build


@_on_lanes
def root(typingctx, a):  # type: ignore[no-untyped-def]
    """√a."""
    return LANES_TYPE(a), _of_llvm("sqrt", 1)


@_on_lanes
def size(typingctx, a):  # type: ignore[no-untyped-def]
    """|a|."""
    return LANES_TYPE(a), _of_llvm("fabs", 1)


@_on_lanes
def signed(typingctx, a, b):  # type: ignore[no-untyped-def]
    """|a| with the sign of b."""
    return LANES_TYPE(a, b), _of_llvm("copysign", 2)


@_on_lanes
def near_cube_root(typingctx, a):  # type: ignore[no-untyped-def]
    """∛a of normal numbers to 6 %: a third of their bits, and two thirds of those of 1."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        words = ir.VectorType(ir.IntType(64), LANES)
        third, rest = (ir.Constant(_DOUBLES, [x] * LANES) for x in (1 / 3, _CUBE_ROOT))
        number = builder.sitofp(builder.bitcast(args[0], words), _DOUBLES)
        number = builder.fadd(builder.fmul(number, third), rest)
        return builder.bitcast(builder.fptosi(number, words), _DOUBLES)

    return LANES_TYPE(a), build


@_on_lanes
def mul_add(typingctx, a, b, c):  # type: ignore[no-untyped-def]
    """The sum a b + c, rounded once."""
    return LANES_TYPE(a, b, c), _of_llvm("fma", 3)


@_on_lanes
def choose(typingctx, mask, a, b):  # type: ignore[no-untyped-def]
    """Of a where the mask says so, of b elsewhere."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (_splat(context, builder, args[k], sig.args[k]) for k in (1, 2))
        return builder.select(args[0], a, b)

    return LANES_TYPE(mask, a, b), build


@_on_lanes
def bits(typingctx, mask):  # type: ignore[no-untyped-def]
    """The mask as an integer, lane k its bit k."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(LANES)), ir.IntType(64))

    return types.int64(mask), build


@_on_lanes
def mask_of(typingctx, number):  # type: ignore[no-untyped-def]
    """The inverse of :func:`bits`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = context.cast(builder, args[0], sig.args[0], types.int64)
        return builder.bitcast(builder.trunc(number, ir.IntType(LANES)), _BITS)

    return MASK_TYPE(number), build


@_on_lanes
def splat(typingctx, number):  # type: ignore[no-untyped-def]
    """A number in all lanes."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(context, builder, args[0], sig.args[0])

    return LANES_TYPE(number), build


@_on_lanes
def lane(typingctx, a, k):  # type: ignore[no-untyped-def]
    """The number in lane k."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        k = context.cast(builder, args[1], sig.args[1], types.int64)
        return builder.extract_element(args[0], k)

    return types.float64(a, k), build


@_on_lanes
def with_lane(typingctx, a, k, number):  # type: ignore[no-untyped-def]
    """Lanes with another number in lane k."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        k = context.cast(builder, args[1], sig.args[1], types.int64)
        number = context.cast(builder, args[2], sig.args[2], types.float64)
        return builder.insert_element(args[0], number, k)

    return LANES_TYPE(a, k, number), build


def _row(context: Any, builder: Any, base: Any, kind: Any, k: Any, of: Any) -> Any:
    """Where row k begins, of an array or after an address."""
    k = context.cast(builder, k, of, types.intp)
    if isinstance(kind, types.Integer):
        rows = builder.inttoptr(base, _DOUBLES.as_pointer())
    else:
        data = make_array(kind)(context, builder, base).data
        rows = builder.bitcast(data, _DOUBLES.as_pointer())
    return builder.gep(rows, [k])


@_on_lanes
def at(typingctx, rows, k):  # type: ignore[no-untyped-def]
    """Row k of a C-contiguous array (rows, 8), or of the one at an address."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _row(context, builder, args[0], sig.args[0], args[1], sig.args[1])
        return builder.load(pointer, align=8)

    return LANES_TYPE(rows, k), build


@_on_lanes
def put(typingctx, rows, k, a):  # type: ignore[no-untyped-def]
    """Write row k of a C-contiguous array (rows, 8), or of the one at an address."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _row(context, builder, args[0], sig.args[0], args[1], sig.args[1])
        builder.store(_splat(context, builder, args[2], sig.args[2]), pointer, align=8)
        return context.get_dummy_value()

    return types.void(rows, k, a), build


@_on_lanes
def put_lane(typingctx, rows, k, lane, number):  # type: ignore[no-untyped-def]
    """Write one number of a row."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        row = _row(context, builder, args[0], sig.args[0], args[1], sig.args[1])
        lane = context.cast(builder, args[2], sig.args[2], types.intp)
        numbers = builder.bitcast(row, ir.DoubleType().as_pointer())
        builder.store(args[3], builder.gep(numbers, [lane]))
        return context.get_dummy_value()

    return types.void(rows, k, lane, number), build


@_on_lanes
def stack(typingctx):  # type: ignore[no-untyped-def]
    """The address of ``STACK`` rows that are the function's own."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = alloca_once(builder, ir.ArrayType(_DOUBLES, STACK))
        return builder.ptrtoint(rows, ir.IntType(64))

    return types.int64(), build


def workspace(rows: int) -> Array:
    """An array (rows, 8) that begins where a cache line does."""
    numbers = np.zeros(rows * LANES + LANES)
    skip = -(numbers.ctypes.data // 8) % LANES
    return numbers[skip : skip + rows * LANES].reshape(rows, LANES)
