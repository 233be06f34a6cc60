"""A matrix of low rank by its singular value decomposition, W = U diag(σ) Vᵀ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import svd

_CHUNK = 1 << 12  # entries at a time: their factors stay in the cache


class Factors(NamedTuple):
    """A matrix of rank r, U diag(sigma) Vᵀ.

    Attributes
    ----------
    U : (m, r) array
        Left singular vectors, orthonormal.
    sigma : (r,) array, decreasing
    V : (n, r) array
        Right singular vectors, orthonormal.

    Examples
    --------
    >>> import dlngeo as dln
    >>> W = dln.lowrank.random_start((1000, 500), 3, scale=1.0, rng=0)
    >>> W
    Factors(1000 x 500 of rank 3)
    >>> W.entries([0, 999], [2, 499]).shape, W.dense().shape
    ((2,), (1000, 500))
    """

    U: Array
    sigma: Array
    V: Array

    def __repr__(self) -> str:
        return f"Factors({len(self.U)} x {len(self.V)} of rank {self.sigma.size})"

    def entries(self, rows: ArrayLike, cols: ArrayLike) -> Array:
        """W[rows, cols], for vectors of indices counted from 0."""
        i, j = (
            _places(index, name, len(frame))
            for index, name, frame in ((rows, "rows", self.U), (cols, "cols", self.V))
        )
        if i.shape != j.shape:
            raise ValueError(
                f"rows and cols must be of one length; their shapes are {i.shape} and {j.shape}"
            )
        return inner_products(self.U * self.sigma, self.V, i, j)

    def dense(self) -> Array:
        """W, of m × n numbers."""
        return np.asarray((self.U * self.sigma) @ self.V.T)


def inner_products(L: Array, R: Array, i: Array, j: Array) -> Array:
    """⟨L[i_k], R[j_k]⟩ (k,): entries of L Rᵀ, of indices known to be within."""
    w = np.empty(i.size)
    ones = np.ones(L.shape[1])
    left, right = np.empty((2, min(_CHUNK, i.size), L.shape[1]))
    for k in range(0, i.size, _CHUNK):
        few = i[k : k + _CHUNK].size
        np.take(L, i[k : k + _CHUNK], axis=0, out=left[:few], mode="clip")
        np.take(R, j[k : k + _CHUNK], axis=0, out=right[:few], mode="clip")
        left[:few] *= right[:few]
        np.dot(left[:few], ones, out=w[k : k + few])
    return w


def of_product(L: Array, core: Array, R: Array) -> Factors:
    """The singular value decomposition of L core Rᵀ, from those of r × r matrices."""
    (Q, left), (P, right) = np.linalg.qr(L), np.linalg.qr(R)
    U, sigma, Vt = svd(left @ core @ right.T)
    return Factors(Q @ U, sigma, P @ Vt.T)


def started(value: Any, rank: int | None, name: str = "start") -> Factors:
    """What a flow starts from: the nearest matrix of the stated rank, which it must have.

    Given as three arrays (U, sigma, V), whose columns need not be orthonormal, or as a matrix.
    """
    if isinstance(value, tuple | list) and len(value) == 3 and np.ndim(value[0]) == 2:
        found = _of_three(value, name)
    else:
        W = _checks.matrix(_checks.one_array(value, name), name)
        if W.ndim != 2:
            raise ValueError(f"{name} must be one matrix, not a stack; its shape is {W.shape}")
        U, sigma, Vt = svd(W)
        found = Factors(U, sigma, Vt.T)
    size = max(len(found.U), len(found.V))
    largest = found.sigma.size
    r = largest if rank is None else _checks.integer(rank, "rank", 1)
    if r > largest:
        raise ValueError(f"rank must be at most {largest}, what {name} has; it is {r}")
    known = int((found.sigma > size * np.finfo(float).eps * found.sigma[0]).sum())
    if known == 0:
        raise np.linalg.LinAlgError(f"{name} must not be zero: no flow leaves it within a rank")
    if known < r:
        raise np.linalg.LinAlgError(
            f"{name} must have the rank {r} that {'its shape' if rank is None else 'rank='} says; "
            f"its numerical rank is {known}: pass rank={known}"
        )
    return Factors(found.U[:, :r], found.sigma[:r], found.V[:, :r])


def _of_three(value: Any, name: str) -> Factors:
    U, V = (_checks.matrix(value[k], f"{name}[{k}]") for k in (0, 2))
    sigma = _checks.real_array(value[1], f"{name}[1]")
    if not (U.ndim == V.ndim == 2 and U.shape[1:] == sigma.shape == V.shape[1:]):
        raise ValueError(
            f"{name} must be (U, sigma, V) of shapes (m, r), (r,) and (n, r), not {U.shape}, "
            f"{sigma.shape} and {V.shape}"
        )
    if sigma.size > min(len(U), len(V)):
        raise ValueError(
            f"{name} must have no more columns than rows; U and V have shapes {U.shape}, {V.shape}"
        )
    return of_product(U, np.diag(sigma), V)


def _places(index: ArrayLike, name: str, bound: int) -> Array:
    found = _checks.any_array(index, name)
    if found.ndim != 1:
        raise ValueError(f"{name} must be a vector of integers; its shape is {found.shape}")
    if found.size and found.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers; its dtype is {found.dtype}")
    if found.size and not (found.min() >= 0 and found.max() < bound):
        raise ValueError(
            f"{name} must lie in 0..{bound - 1}; it runs from {found.min()} to {found.max()}"
        )
    return found.astype(np.intp)
