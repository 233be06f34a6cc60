"""Standard normal numbers as NumPy draws them from SFC64, to the last bit, for many streams.

NumPy's generator is asked for one number after the other by a pointer; here both steps are one
loop. The tables of the ziggurat are those that numba keeps of NumPy's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.np.random._constants import (
    fi_double,
    ki_double,
    wi_double,
    ziggurat_nor_inv_r,
    ziggurat_nor_r,
)

from dlngeo._checks import Array
from dlngeo._compiled.kernels import kernel, part

_ONE, _BYTE, _EIGHT = np.uint64(1), np.uint64(0xFF), np.uint64(8)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_S3, _S9, _S11, _S24, _S40 = (np.uint64(k) for k in (3, 9, 11, 24, 40))
_TINY = 1.0 / 2**53


@kernel
def fill(places: Array, normals: Array) -> None:
    """The next numbers of each stream, (path, step, size); ``places`` (path, 4) are moved on."""
    steps, size = normals.shape[1:]
    for path in range(len(places)):
        a, b, c, w = places[path, 0], places[path, 1], places[path, 2], places[path, 3]
        for step in range(steps):
            for k in range(size):
                word, a, b, c, w = _next(a, b, c, w)
                row = np.int64(word & _BYTE)
                word >>= _EIGHT
                low = (word >> _ONE) & _MANTISSA
                x = np.float64(np.int64(low)) * wi_double[row]
                if word & _ONE:
                    x = -x
                if low >= ki_double[row]:
                    x, a, b, c, w = _rest(x, row, low, a, b, c, w)
                normals[path, step, k] = x
        places[path, 0], places[path, 1], places[path, 2], places[path, 3] = a, b, c, w


@part
def _next(a: Any, b: Any, c: Any, w: Any) -> tuple[Any, Any, Any, Any, Any]:
    """SFC64: the next word and the state after it."""
    word = a + b + w
    return word, b ^ (b >> _S11), c + (c << _S3), ((c << _S24) | (c >> _S40)) + word, w + _ONE


@part
def _rest(
    x: float, row: Any, low: Any, a: Any, b: Any, c: Any, w: Any
) -> tuple[float, Any, Any, Any, Any]:
    """What is drawn in one of a hundred cases: at the edge of a layer, or in the tail."""
    while True:
        if row == 0:
            word, a, b, c, w = _next(a, b, c, w)
            far = -ziggurat_nor_inv_r * math.log1p(-_TINY * np.float64(word >> _S11))
            word, a, b, c, w = _next(a, b, c, w)
            high = -math.log1p(-_TINY * np.float64(word >> _S11))
            if high + high > far * far:
                far += ziggurat_nor_r
                return (-far if (low >> _EIGHT) & _ONE else far), a, b, c, w
            continue
        word, a, b, c, w = _next(a, b, c, w)
        share = np.float64(word >> _S11) * _TINY
        if (fi_double[row - 1] - fi_double[row]) * share + fi_double[row] < math.exp(-0.5 * x * x):
            return x, a, b, c, w
        word, a, b, c, w = _next(a, b, c, w)
        row = np.int64(word & _BYTE)
        word >>= _EIGHT
        low = (word >> _ONE) & _MANTISSA
        x = np.float64(np.int64(low)) * wi_double[row]
        if word & _ONE:
            x = -x
        if low < ki_double[row]:
            return x, a, b, c, w
