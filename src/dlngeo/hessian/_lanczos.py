"""Both ends of the spectrum of a symmetric operator that is known by its products alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from dlngeo._checks import Array
from dlngeo._linalg import frobenius

_STEPS = 40  # before ARPACK, which needs a Krylov space of 20 dimensions
_FLOOR = 100 * float(np.finfo(float).eps)  # of a relative residual

Product = Callable[[Array], Array]


def extremes(product: Product, size: int, tol: float) -> tuple[float, float]:
    """The least and the greatest eigenvalue, of residuals below ``tol`` times the larger modulus.

    Lanczos with all vectors kept finds both where they stand apart, or where the operator has few
    different eigenvalues. Otherwise ARPACK finds the end of larger modulus, and the other one of
    the operator shifted by it, so that an end at zero is found as well as another. The starting
    vector is random with a fixed seed: results repeat.

    Raises numpy.linalg.LinAlgError where ARPACK does not converge, or a product is not finite.
    """
    start = np.random.default_rng(0).standard_normal(size)
    start /= np.linalg.norm(start)
    with np.errstate(over="ignore", invalid="ignore"):
        largest = float(frobenius(product(start)[None]))
    if largest == 0:  # a generic vector in the null space: the operator is zero
        return 0.0, 0.0
    if not math.isfinite(largest):
        raise np.linalg.LinAlgError("the operator exceeds the range of floating point")
    unit = 2.0 ** math.floor(math.log2(largest))

    def scaled(vector: Array) -> Array:
        return product(vector) / unit

    ends = _short(scaled, start, tol) or _arpack(scaled, start, tol)
    return ends[0] * unit, ends[1] * unit


def _short(product: Product, start: Array, tol: float) -> tuple[float, float] | None:
    """Both ends if a short Krylov space holds them.

    A generic vector has a part in every eigenspace: that of an operator with k different
    eigenvalues spans, in k products, an invariant space that has them all, where ARPACK would have
    to divide by a residual of zero.
    """
    basis, tol = start[None], max(tol, _FLOOR)
    diagonal: list[float] = []
    side: list[float] = []
    for _ in range(min(start.size, _STEPS)):
        image = product(basis[-1])
        diagonal.append(float(basis[-1] @ image))
        for _ in range(2):  # once more, against rounding
            image = image - (basis @ image) @ basis
        left = float(np.linalg.norm(image))
        T = np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1)
        values, vectors = np.linalg.eigh(T)
        if (left * np.abs(vectors[-1, [0, -1]]) <= tol * np.abs(values).max()).all():
            return float(values[0]), float(values[-1])
        side.append(left)
        basis = np.concatenate((basis, image[None] / left))
    return None


def _arpack(product: Product, start: Array, tol: float) -> tuple[float, float]:
    size = start.size

    def end(shift: float) -> float:
        operator = LinearOperator(
            (size, size), matvec=lambda v: product(v.ravel()) - shift * v.ravel(), dtype=np.float64
        )
        values = eigsh(
            operator,
            k=1,
            which="LM",
            v0=start,
            maxiter=10_000,
            tol=tol,
            return_eigenvectors=False,
        )
        return float(values[0]) + shift

    try:
        one = end(0.0)
        other = end(one)
    except ArpackError as error:
        raise np.linalg.LinAlgError(f"Lanczos has not converged: {error}") from None
    return min(one, other), max(one, other)
