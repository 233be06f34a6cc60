"""The spectral form of the metric operator 𝒜_{N,W}: the frames of W and 𝒜's eigenvalues on them.

Everything downstairs that needs an SVD of W (the metric, its geodesics, the entropy) starts here.
Menon, section 7.2; rank r and rectangular W derived.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _rank
from dlngeo._checks import Array
from dlngeo._linalg import svd, svd_product, transpose
from dlngeo.spectral.divided_differences import quotient, table

Widths = Sequence[int] | None


class FrozenSpaceWarning(UserWarning):
    """At infinite depth the row and column spaces of a matrix below full square rank are fixed."""


class Parts(NamedTuple):
    """A matrix Z in the frames of W: inside both ranges, in the row part, in the column part."""

    inside: Array  # Uᵀ Z V, (..., r, r)
    right: Array | None  # Uᵀ Z (I - V Vᵀ), (..., r, n), None where V is square
    left: Array | None  # (I - U Uᵀ) Z V, (..., m, r), None where U is square


class Frame(NamedTuple):
    """The spectral form of 𝒜_{N,W}: frames of W and the eigenvalues on their products."""

    U: Array  # (..., m, r)
    sigma: Array  # (..., r)
    Vt: Array  # (..., r, n)
    depth: float
    eigenvalues: Array  # (..., r, r), on u_k v_lᵀ with k, l <= r
    border: Array | None  # (..., r), on u_k v_lᵀ with one of k, l beyond r; None where none is

    @classmethod
    def of(cls, W: Array, depth: float, rank: int) -> Frame:
        """Decompose W, keeping its ``rank`` largest singular values; unchecked."""
        U, sigma, Vt = svd(W)
        if rank < sigma.shape[-1]:
            U, sigma, Vt = U[..., :rank], sigma[..., :rank], Vt[..., :rank, :]
        return cls.with_frames(U, sigma, Vt, depth)

    @classmethod
    def with_frames(cls, U: Array, sigma: Array, Vt: Array, depth: float) -> Frame:
        """The frame of U diag(sigma) Vᵀ."""
        inside = table(sigma, depth)
        whole = U.shape[-2] == Vt.shape[-1] == sigma.shape[-1]
        border = None if whole else quotient(sigma, np.zeros(()), depth)
        return cls(U, sigma, Vt, depth, inside, border)

    def split(self, Z: Array) -> Parts:
        """Z in these frames; what lies outside both ranges is dropped."""
        Ut, V = transpose(self.U), transpose(self.Vt)
        rows = Ut @ Z
        inside = rows @ V
        tall, wide = (A.shape[-2] > A.shape[-1] for A in (self.U, V))
        return Parts(
            inside,
            rows - inside @ self.Vt if wide else None,
            Z @ V - self.U @ inside if tall else None,
        )

    def join(self, parts: Parts) -> Array:
        """The matrix whose parts these are."""
        Z = self.U @ parts.inside @ self.Vt
        if parts.right is not None:
            Z = Z + self.U @ parts.right
        if parts.left is not None:
            Z = Z + parts.left @ self.Vt
        return Z

    def map(self, function: Callable[[Array], Array], Z: Array) -> Array:
        """function(𝒜) applied to Z; at depth 1, where 𝒜 is the identity, function(1) = 1."""
        if self.depth == 1:
            return np.broadcast_to(Z, np.broadcast_shapes(Z.shape, self.shape)).copy()
        inside, right, left = self.split(Z)
        inside = function(self.eigenvalues) * inside
        if self.border is not None:
            border = function(self.border)
            right = None if right is None else border[..., :, None] * right
            left = None if left is None else border[..., None, :] * left
        return self.join(Parts(inside, right, left))

    def apply(self, Z: Array) -> Array:
        """𝒜(Z)."""
        return self.map(lambda K: K, Z)

    def sqrt(self, Z: Array) -> Array:
        """𝒜^{1/2}(Z)."""
        return self.map(np.sqrt, Z)

    def point(self, W: Array) -> Array:
        """W itself at full rank, else the nearest matrix of the frame's rank."""
        if self.sigma.shape[-1] == min(W.shape[-2:]):
            return W
        return svd_product(self.U, self.sigma, self.Vt)

    def at(self, sigma: Array) -> Frame:
        """The frame of the same directions with other singular values."""
        return Frame.with_frames(self.U, sigma, self.Vt, self.depth)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of W."""
        return (*self.U.shape[:-1], self.Vt.shape[-1])


def prepare(
    W: ArrayLike,
    vectors: dict[str, ArrayLike],
    depth: float,
    rank: int | None,
    widths: Widths = None,
    name: str = "W",
) -> tuple[Frame, tuple[Array, ...]]:
    """Arguments checked, and the frame of W, for what is singular where the rank is lower."""
    frame, arrays, doubt = _arguments(W, vectors, depth, rank, widths, name)
    if doubt is not None:
        _rank.refuse(doubt, name)
    return frame, arrays


def continuous(
    function: Callable[..., Array],
    W: ArrayLike,
    vectors: dict[str, ArrayLike],
    depth: float,
    rank: int | None,
    widths: Widths = None,
    *,
    finite: bool = True,
) -> Array:
    """function(frame of W, vectors), a matrix continuous in W, refused where rounding moves it.

    ``finite``: refused too where it exceeds the range of floating point.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        frame, arrays, doubt = _arguments(W, vectors, depth, rank, widths)
        if doubt is None:
            result = function(frame, *arrays)
        else:
            result = _rank.settled(lambda sigma: function(frame.at(sigma), *arrays), doubt, 2)
    if finite and not np.isfinite(result).all():
        raise np.linalg.LinAlgError(
            "the result exceeds the range of floating point; the largest entry of W is "
            f"{np.abs(W).max():g}"
        )
    return result


def _arguments(
    W: ArrayLike,
    vectors: dict[str, ArrayLike],
    depth: float,
    rank: int | None,
    widths: Widths,
    name: str = "W",
) -> tuple[Frame, tuple[Array, ...], _rank.Doubt | None]:
    point, depth = _checks.matrix(W, name), _checks.depth(depth)
    shape = point.shape[-2:]
    arrays = tuple(_checks.matrix(Z, key, (shape[0], shape[1])) for key, Z in vectors.items())
    r = _checks.rank(rank, shape, widths, depth)
    if math.isinf(depth) and r < max(shape):
        warnings.warn(
            f"at depth inf a {shape[0]} x {shape[1]} matrix of rank {r} keeps its row and column "
            "spaces: 𝒜 vanishes, and g is infinite, on all that leaves them",
            FrozenSpaceWarning,
            stacklevel=4,
        )
    U, sigma, Vt = svd(point)
    doubt = None if depth == 1 else _rank.doubt(point, sigma, r)
    frame = Frame.with_frames(U[..., :r], sigma[..., :r], Vt[..., :r, :], depth)
    return frame, arrays, doubt


def require_invertible(frame: Frame) -> None:
    """Refuse a frame on whose range 𝒜 has no inverse."""
    # A subnormal eigenvalue has no digits and no finite inverse.
    least = float(np.finfo(float).tiny)
    singular = not (frame.eigenvalues >= least).all()
    if frame.border is not None and not math.isinf(frame.depth):
        singular = singular or not (frame.border >= least).all()
    if frame.depth > 1 and singular:
        raise np.linalg.LinAlgError(
            f"𝒜 is singular: W was taken to have rank {frame.sigma.shape[-1]}, but its smallest "
            f"singular value there is {frame.sigma.min():g}, whose power is below the range of "
            "floating point; pass rank= if its rank is lower"
        )


def inverse(eigenvalues: Array) -> Array:
    """1/K, and 0 where K vanishes (the frozen directions at depth inf)."""
    return np.where(eigenvalues > 0, 1 / np.where(eigenvalues > 0, eigenvalues, 1.0), 0.0)
