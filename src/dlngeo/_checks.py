"""What every public door asks of its arguments, and the words in which it refuses.

Each function returns its argument in the form the library works with, or raises
``TypeError``/``ValueError`` naming the argument, what is required, and what came.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[Any]  # float64, or bool where a predicate answers
Weights: TypeAlias = tuple[Array, ...]


def real_array(value: ArrayLike, name: str, *, finite: bool = True) -> Array:
    """A float64 array without NaN or infinity."""
    if masked(value):
        raise ValueError(f"{name} must not be masked: NumPy would read what its mask hides")
    try:
        array = np.asarray(value)
    except ValueError as error:  # a ragged list
        raise ValueError(f"{name} must be an array of numbers: {error}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must be an array of real numbers; its dtype is {array.dtype}")
    array = np.asarray(array, dtype=np.float64)
    if finite and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise ValueError(
            f"{name} must be finite; {bad} of its {array.size} entries are NaN or infinite"
        )
    return array


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


def singular_values(value: ArrayLike, name: str = "sigma") -> Array:
    """Finite non-negative numbers ``(..., r)``."""
    array = real_array(value, name)
    if array.ndim < 1 or array.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., r) with r >= 1, not {array.shape}")
    if (array < 0).any():
        raise ValueError(f"{name} must be non-negative; its smallest entry is {array.min():g}")
    return array


def depth(value: float) -> float:
    """A depth downstairs: a real number >= 1, or ``inf``."""
    try:
        if isinstance(value, (str, bytes)):  # float() would read it
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"depth must be a real number >= 1 or inf, not {value!r}") from None
    if not number >= 1:
        raise ValueError(f"depth must be a real number >= 1 or inf, not {value!r}")
    return number


def integer(value: Any, name: str, least: int) -> int:
    """An integer not below ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer >= {least}, not {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be an integer >= {least}, not {number}")
    return number


def positive(value: float, name: str) -> float:
    """A finite number > 0."""
    number = real(value, name)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be finite and > 0, not {value!r}")
    return number


def non_negative(value: float, name: str) -> float:
    """A finite number >= 0."""
    number = real(value, name)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and >= 0, not {value!r}")
    return number


def real(value: float, name: str) -> float:
    """A real number; NaN and infinity are let through."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number, not {value!r}") from None


def stack(value: int | tuple[int, ...]) -> tuple[int, ...]:
    """Leading dimensions, from an integer or a tuple as NumPy's ``size`` takes them."""
    sizes = value if isinstance(value, tuple | list) else (value,)
    return tuple(integer(k, "size", 0) for k in sizes)


def widths(value: Sequence[int]) -> tuple[int, ...]:
    """Layer widths ``(d_0, ..., d_N)``: at least two positive integers."""
    try:
        numbers = tuple(value)
    except TypeError:
        raise TypeError(f"widths must be a sequence (d_0, ..., d_N), not {value!r}") from None
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
    try:
        layers = tuple(value)
    except TypeError:
        raise TypeError(
            f"{name} must be a sequence of matrices (W_1, ..., W_N), not {type(value).__name__}"
        ) from None
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
