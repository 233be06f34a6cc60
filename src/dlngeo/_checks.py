"""What every public door asks of its arguments, and the words in which it refuses.

Each function returns its argument in the form the library works with, or raises
``TypeError``/``ValueError`` naming the argument, what is required, and what came, in one line.

Text is never read as a number, and a truth value is none: ``True`` is refused where one number is
wanted, and 1 where a truth value is. Within arrays booleans count as 0 and 1, as in NumPy. A number
that no float holds, 10**400 say, is refused wherever one is wanted.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[Any]  # float64, or bool where a predicate answers
Weights: TypeAlias = tuple[Array, ...]
RNG = np.random.Generator | np.random.SeedSequence | np.random.BitGenerator | int | None


def real_array(value: ArrayLike, name: str, *, finite: bool = True) -> Array:
    """A float64 array without NaN or infinity."""
    array = any_array(value, name)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must be an array of real numbers; its dtype is {array.dtype}")
    array = np.asarray(array, dtype=np.float64)
    if finite and not all_finite(array):
        bad = int(array.size - np.isfinite(array).sum())
        raise ValueError(
            f"{name} must be finite; {bad} of its {array.size} entries are NaN or infinite"
        )
    return array


def all_finite(array: Array) -> bool:
    """Whether all floats are finite: where their squares have a sum, that says it sooner."""
    return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def any_array(value: ArrayLike, name: str) -> Array:
    """What NumPy makes of an argument, whatever its type."""
    if type(value) is np.ndarray:
        return value
    if masked(value):
        raise ValueError(f"{name} must not be masked: NumPy would read what its mask hides")
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array of numbers, its rows of one length") from None


def masked(value: object) -> bool:
    """Whether a masked array, alone or within lists, hides an entry."""
    if isinstance(value, list | tuple):
        return any(map(masked, value))
    return isinstance(value, np.ma.MaskedArray) and bool(np.ma.getmaskarray(value).any())


def matrix(value: ArrayLike, name: str = "W", shape: tuple[int, int] | None = None) -> Array:
    """A finite stack of matrices ``(..., m, n)``, of the given last two dimensions if any."""
    array = real_array(value, name)
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise ValueError(
            f"{name} must be a matrix or a stack of them, (..., m, n) with m, n >= 1; "
            f"its shape is {array.shape}"
        )
    if shape is not None and array.shape[-2:] != shape:
        raise ValueError(f"{name} must have shape (..., {shape[0]}, {shape[1]}), not {array.shape}")
    return array


def complex_array(value: ArrayLike, name: str) -> Array:
    """A finite array of real or complex numbers."""
    array = any_array(value, name)
    if array.dtype.kind != "c":
        return real_array(value, name)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite; it has NaN or infinite entries")
    return array


def singular_values(value: ArrayLike, name: str = "sigma") -> Array:
    """Finite non-negative numbers ``(..., r)``."""
    array = real_array(value, name)
    if array.ndim < 1 or array.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., r) with r >= 1, not {array.shape}")
    if (array < 0).any():
        raise ValueError(f"{name} must be non-negative; its smallest entry is {array.min():g}")
    return array


# ------------------------------------------------------------------------------------- numbers


def real(value: float, name: str) -> float:
    """A real number; NaN and infinity are let through."""
    if type(value) is float:
        return value
    if type(value) is not int and not _is_number(value):
        raise TypeError(f"{name} must be a real number, not {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(
            f"{name} must be a number that a float holds, not {shown(value)}"
        ) from None


def _is_number(value: Any) -> bool:
    if isinstance(value, (Real, Decimal)):
        return not isinstance(value, bool)
    return getattr(value, "ndim", None) == 0 and np.asarray(value).dtype.kind in "iuf"


def depth(value: float) -> float:
    """A depth downstairs: a real number >= 1, or ``inf``."""
    try:
        number = real(value, "depth")
    except TypeError:
        raise TypeError(f"depth must be a real number >= 1 or inf, not {shown(value)}") from None
    if not number >= 1:
        raise ValueError(f"depth must be a real number >= 1 or inf, not {shown(value)}")
    return number


def positive(value: float, name: str) -> float:
    """A finite number > 0."""
    number = real(value, name)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be finite and > 0, not {shown(value)}")
    return number


def non_negative(value: float, name: str) -> float:
    """A finite number >= 0."""
    number = real(value, name)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and >= 0, not {shown(value)}")
    return number


def finite(value: float, name: str) -> float:
    """A finite number."""
    number = real(value, name)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, not {shown(value)}")
    return number


def integer(value: Any, name: str, least: int, most: int | None = sys.maxsize) -> int:
    """An integer not below ``least``, nor above what indexes an array unless ``most`` says so."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer >= {least}, not {shown(value)}") from None
    if number < least:
        raise ValueError(f"{name} must be an integer >= {least}, not {shown(number)}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be an integer of at most {most}, not {shown(number)}")
    return number


def time_span(value: tuple[float, float]) -> tuple[float, float]:
    """Two finite times, the first before the second."""
    ends = sequence(value, "t_span", "two numbers (t_0, t_1)")
    if len(ends) != 2:
        raise ValueError(f"t_span must be two numbers (t_0, t_1), not {shown(value)}")
    t0, t1 = (real(t, f"t_span[{k}]") for k, t in enumerate(ends))
    if not (math.isfinite(t0) and math.isfinite(t1) and t0 < t1):
        raise ValueError(f"t_span must be finite and increasing, not {shown(value)}")
    if not 1e-100 <= t1 - t0 <= 1e100:  # squared in error estimates, SciPy's too
        raise ValueError(
            f"t_span must be of a length from 1e-100 to 1e100, not {t1 - t0:g}: take another unit "
            "of time"
        )
    return t0, t1


# ------------------------------------------------------------------------- other than numbers


def flag(value: bool, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def choice(value: str, name: str, options: Sequence[str]) -> str:
    """One of some words."""
    if not (isinstance(value, str) and value in options):
        words = " or ".join(", ".join(map(repr, options)).rsplit(", ", 1))
        raise ValueError(f"{name} must be {words}, not {shown(value)}")
    return value


def text(value: str, name: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {shown(value)}")
    return value


def function(value: Callable[..., Any], name: str) -> Callable[..., Any]:
    """What can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be callable, not {shown(value)}")
    return value


def instance(value: Any, name: str, *classes: type) -> Any:
    """An object of one of some classes."""
    if isinstance(value, type) or not isinstance(value, classes):
        wanted = " or ".join(cls.__name__ for cls in classes)
        raise TypeError(f"{name} must be of the class {wanted}, not {shown(value)}")
    return value


def rng(value: Any, name: str = "rng") -> np.random.Generator:
    """The generator that ``numpy.random.default_rng`` makes of an argument."""
    try:
        if isinstance(value, bool | str):
            raise TypeError
        return np.random.default_rng(value)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name} must be None, an integer >= 0, a sequence of them, a SeedSequence or a "
            f"Generator, not {shown(value)}"
        ) from None


def sequence(value: Any, name: str, what: str = "a sequence of matrices") -> tuple[Any, ...]:
    """The members of a sequence, of which text, mappings and sets are none."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    try:
        if isinstance(value, (str, bytes, Mapping, Set)):
            raise TypeError
        return tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be {what}, not {shown(value)}") from None


def shown(value: Any) -> str:
    """A value as a message shows it: in one line, and a short one."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of some {round(value.bit_length() * math.log10(2))} digits"
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


# --------------------------------------------------------------------------- sizes and weights


def stack(value: int | tuple[int, ...]) -> tuple[int, ...]:
    """Leading dimensions, from an integer or a tuple as NumPy's ``size`` takes them."""
    sizes = value if isinstance(value, tuple | list) else (value,)
    return tuple(integer(k, "size", 0) for k in sizes)


def shape(value: tuple[int, int], name: str = "shape") -> tuple[int, int]:
    """The shape (m, n) of a matrix."""
    listed = isinstance(value, (tuple, list)) or getattr(value, "ndim", 0) == 1
    if not listed or len(value) != 2:
        raise ValueError(f"{name} must be two integers (m, n), not {shown(value)}")
    m, n = (integer(k, name, 1) for k in value)
    return m, n


def one_array(start: Any, name: str) -> Any:
    """Matrices with a depth, as one array; no weights, which know theirs."""
    if isinstance(start, list | tuple) and start and np.ndim(start[0]) == 2:
        what = "not a sequence of matrices: those are weights, and know their depth"
        raise ValueError(f"{name} must be one array where depth is given, {what}")
    return start


def widths(value: Sequence[int]) -> tuple[int, ...]:
    """Layer widths ``(d_0, ..., d_N)``: at least two positive integers."""
    numbers = sequence(value, "widths", "a sequence (d_0, ..., d_N)")
    if len(numbers) < 2:
        raise ValueError(f"widths must name at least input and output, (d_0, d_1); got {numbers}")
    return tuple(integer(d, f"widths[{p}]", 1) for p, d in enumerate(numbers))


def weights(value: Sequence[ArrayLike] | Array, name: str = "weights") -> Weights:
    """Weights ``(W_1, ..., W_N)`` whose shapes ``(..., d_p, d_{p-1})`` chain."""
    if isinstance(value, np.ndarray) and value.ndim < 3:
        raise TypeError(
            f"{name} must be a sequence of matrices (W_1, ..., W_N), not one array of shape "
            f"{value.shape} (a matrix downstairs comes with depth=...)"
        )
    layers = sequence(value, name, "a sequence of matrices (W_1, ..., W_N)")
    if not layers:
        raise ValueError(f"{name} must hold at least one matrix; it is empty")
    arrays = tuple(matrix(W, f"{name}[{p}]") for p, W in enumerate(layers))
    for p in range(1, len(arrays)):
        if arrays[p].shape[-1] != arrays[p - 1].shape[-2]:
            raise ValueError(
                f"{name} must chain: {name}[{p}] has shape {arrays[p].shape} and needs "
                f"{arrays[p - 1].shape[-2]} columns, as many as {name}[{p - 1}], of shape "
                f"{arrays[p - 1].shape}, has rows"
            )
    stacks = {W.shape[:-2] for W in arrays}
    if len(stacks) > 1:
        raise ValueError(
            f"{name} must share their leading dimensions; they have {sorted(map(str, stacks))}"
        )
    return arrays


def rank(
    value: int | None, shape: tuple[int, ...], network: Sequence[int] | None, depth: float
) -> int:
    """The rank that W is said to have: ``value``, or the largest that shape and widths allow."""
    m, n = shape[-2:]
    largest = min(m, n)
    if network is not None:
        dims = widths(network)
        if (dims[-1], dims[0]) != (m, n):
            raise ValueError(
                f"widths must lead from {n} to {m}, the shape of W being {shape}; "
                f"they lead from {dims[0]} to {dims[-1]}"
            )
        if len(dims) - 1 != depth:
            raise ValueError(f"widths of {len(dims) - 1} layers do not fit depth {depth:g}")
        largest = min(dims)
    if value is None:
        return largest
    number = integer(value, "rank", 1)
    if number > largest:
        raise ValueError(f"rank must be at most {largest}, the least dimension; it is {number}")
    return number
