r"""The singular value decomposition of 2 × 2 matrices in closed form, a stack at a time.

On the plane of complex numbers a matrix is v ↦ z v + w v̄, and its singular values are |z| + |w|
and ||z| - |w||; the product of U's and Vᵀ's rotations is z/|z|, their quotient w/|w|. The smaller
singular value is taken from the determinant, formed in twice the digits, so that both are true to
rounding, down to 1e-290 of the larger. Sums, products and square roots alone, entry by entry: what
comes out for one matrix does not depend on its company.
"""

from __future__ import annotations

import numpy as np

from dlngeo._checks import Array

_SPLIT = 2.0**27 + 1
_LARGE = 2.0**200  # beyond it, and below its inverse, a matrix is scaled by a power of two
_NOTHING = 1e-290  # of a matrix of size 1


def svd(W: Array) -> tuple[Array, Array, Array]:
    """U, sigma, Vᵀ of matrices ``(..., 2, 2)``; sigma falls, U turns, Vᵀ turns or reflects."""
    entries = np.ascontiguousarray(paths_last(W, 2))
    scale = _scale(entries)
    if scale is not None:
        entries = entries / scale
    sums = 0.5 * (entries[0] + entries[1, ::-1])  # a + d, b + c
    differences = 0.5 * (entries[0] - entries[1, ::-1])  # a - d, b - c
    real, imaginary = np.empty((2, *sums.shape))
    real[0], real[1] = sums[0], differences[0]  # of z and of w
    imaginary[0] = -differences[1]
    imaginary[1] = sums[1]
    size = np.hypot(real, imaginary)
    nothing = size <= _NOTHING
    if nothing.any():  # any direction serves
        real, imaginary = np.where(nothing, 1.0, real), np.where(nothing, 0.0, imaginary)
        (x, u), (y, v) = (part / np.where(nothing, 1.0, size) for part in (real, imaginary))
    else:
        (x, u), (y, v) = real / size, imaginary / size
    sigma = np.empty_like(size)
    first = sigma[0] = size[0] + size[1]
    det = _determinant(entries)
    # where both agree x · x / x may round to more than x
    sigma[1] = np.minimum(np.abs(det) / np.where(first > 0, first, 1.0), first)
    U, Vt = np.empty_like(entries), np.empty_like(entries)
    # U turns by half the sum of the angles of z and w, Vᵀ by z's angle less that.
    cosine, sine = _half(x * u - y * v, x * v + y * u)
    U[0, 0] = U[1, 1] = cosine
    U[1, 0], U[0, 1] = sine, -sine
    Vt[0, 0] = x * cosine + y * sine
    Vt[0, 1] = x * sine - y * cosine
    sign = np.copysign(1.0, det)
    Vt[1, 0], Vt[1, 1] = -sign * Vt[0, 1], sign * Vt[0, 0]
    if scale is not None:
        sigma *= scale
    return paths_first(U, 2), paths_first(sigma, 1), paths_first(Vt, 2)


def _determinant(entries: Array) -> Array:
    """The determinant ad - bc, each product in two parts (Dekker, 1971)."""
    big = _SPLIT * entries
    high = big - (big - entries)
    low = entries - high
    product = entries[0] * entries[1, ::-1]
    error = high[0] * high[1, ::-1] - product
    error += high[0] * low[1, ::-1]
    error += low[0] * high[1, ::-1]
    error += low[0] * low[1, ::-1]
    return np.asarray((product[0] - product[1]) + (error[0] - error[1]))


def _scale(entries: Array) -> Array | None:
    """The power of two next to the largest entry where squares might not be numbers; else 1."""
    largest = np.abs(entries).max(axis=(0, 1))
    extreme = (largest > _LARGE) | (largest < 1 / _LARGE)
    if not extreme.any():
        return None
    power = np.ldexp(1.0, np.clip(np.frexp(largest)[1], -1000, 1000))
    return np.where(extreme & (largest > 0), power, 1.0)


def _half(x: Array, y: Array) -> tuple[Array, Array]:
    """Cosine and sine of half the angle of x + iy of size 1."""
    large = np.sqrt(0.5 * (1 + np.abs(x)))
    small = 0.5 * np.abs(y) / large
    right = x >= 0
    return np.where(right, large, small), np.copysign(np.where(right, small, large), y)


def paths_last(A: Array, axes: int) -> Array:
    """The last so many axes in front of the stack's: a view."""
    return A.transpose(*range(A.ndim - axes, A.ndim), *range(A.ndim - axes))


def paths_first(A: Array, axes: int) -> Array:
    """The inverse of :func:`paths_last`."""
    return A.transpose(*range(axes, A.ndim), *range(axes))
