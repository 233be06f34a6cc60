"""Planes and lines through matrix space, and their coordinates.

W = base + Σ_i x_i D_i with one or two directions D_i: entries of W, matrices of the user's,
singular values at fixed frames, or what leads from one given matrix to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd


@dataclass(frozen=True, eq=False)
class Section:
    """A plane or a line through the m × n matrices, W = base + Σ_i x_i directions_i.

    Made by :meth:`entries`, :meth:`along`, :meth:`singular_values` or :meth:`through`.

    Attributes
    ----------
    base : (m, n) array
    directions : (k, m, n) array, k = 1 or 2
    names : tuple of k strings
        Of the coordinates: dimensions of arrays, labels of figures.
    """

    base: Array
    directions: Array
    names: tuple[str, ...]

    def __repr__(self) -> str:
        kind = "line" if len(self.names) == 1 else "plane"
        m, n = self.base.shape
        return f"Section({kind} of {', '.join(self.names)} through the {m} x {n} matrices)"

    @classmethod
    def entries(cls, at: ArrayLike, axes: Sequence[tuple[int, int]]) -> Section:
        """One or two entries (i, j) of W, from 0, vary; the others are those of ``at``.

        Examples
        --------
        >>> import dlngeo as dln
        >>> section = dln.landscapes.Section.entries([[1, 0], [0, 1]], [(0, 1), (1, 0)])
        >>> section.names, section.points([2.0, 0.5]).tolist()
        (('W_12', 'W_21'), [[1.0, 2.0], [0.5, 1.0]])
        """
        base = _matrix(at, "at").copy()
        pairs = [_entry(axis, base.shape) for axis in _one_or_two(axes, "axes")]
        directions = np.zeros((len(pairs), *base.shape))
        for direction, pair in zip(directions, pairs, strict=True):
            direction[pair], base[pair] = 1.0, 0.0
        apart = "" if max(base.shape) < 10 else ","
        return cls._of(base, directions, [f"W_{i + 1}{apart}{j + 1}" for i, j in pairs], "axes")

    @classmethod
    def along(
        cls, at: ArrayLike, directions: Sequence[ArrayLike], names: Sequence[str] | None = None
    ) -> Section:
        """W = at + x directions[0] + y directions[1]; names None: "x" and "y"."""
        items = _one_or_two(directions, "directions")
        given = ("x", "y")[: len(items)] if names is None else names
        words = [_checks.text(name, "names") for name in _checks.sequence(given, "names", "words")]
        if len(words) != len(items) or len(set(words)) < len(words):
            raise ValueError(f"names must name {len(items)} coordinates, each its own, not {words}")
        return cls._along(at, items, words, "directions")

    @classmethod
    def _along(
        cls, at: ArrayLike, items: Sequence[ArrayLike], names: Sequence[str], name: str
    ) -> Section:
        base = _matrix(at, "at")
        found = [_matrix(D, f"{name}[{i}]", base.shape) for i, D in enumerate(items)]
        return cls._of(base, np.array(found), names, name)

    @classmethod
    def singular_values(cls, at: ArrayLike, indices: Sequence[int]) -> Section:
        """One or two singular values of ``at`` vary, counted from 0 downwards; its frames stay.

        A negative one turns the sign of a singular vector. Where singular values of ``at`` are
        equal its frames are not determined: take :meth:`along` with u_k v_kᵀ of your own.
        """
        W = _matrix(at, "at")
        U, sigma, Vt = svd(W)
        last = sigma.size - 1
        chosen = [_checks.integer(k, "indices", 0, last) for k in _one_or_two(indices, "indices")]
        directions = np.array([np.outer(U[:, k], Vt[k]) for k in chosen])
        base = W - np.tensordot(sigma[chosen], directions, axes=1)
        if len(chosen) == sigma.size:
            base = np.zeros_like(W)  # to rounding it is
        return cls._of(base, directions, [f"sigma_{k + 1}" for k in chosen], "indices")

    @classmethod
    def through(cls, matrices: Sequence[ArrayLike]) -> Section:
        """Through two or three given matrices A, B, C: W = A + s (B - A) + t (C - A)."""
        points = _checks.sequence(matrices, "matrices")
        if len(points) not in (2, 3):
            raise ValueError(f"matrices must be two or three, not {len(points)}")
        A = _matrix(points[0], "matrices[0]")
        others = [_matrix(M, f"matrices[{i}]", A.shape) for i, M in enumerate(points) if i]
        return cls._of(A, np.array(others) - A, ["s", "t"][: len(others)], "matrices")

    @classmethod
    def _of(cls, base: Array, directions: Array, names: Sequence[str], name: str) -> Section:
        flat = directions.reshape(len(directions), -1)
        sizes = np.linalg.norm(flat, axis=-1, keepdims=True)
        least = np.linalg.svd(flat / np.where(sizes > 0, sizes, 1.0), compute_uv=False)[-1]
        if not ((sizes > 0).all() and least > 1e-12):
            raise ValueError(
                f"{name} must span a line or a plane: to rounding they are dependent, or zero"
            )
        return cls(base, directions, tuple(names))

    def points(self, coordinates: ArrayLike) -> Array:
        """The matrices (..., m, n) at coordinates (..., k)."""
        x = _checks.real_array(coordinates, "coordinates")
        if x.ndim < 1 or x.shape[-1] != len(self.names):
            raise ValueError(f"coordinates must have shape (..., {len(self.names)}), not {x.shape}")
        return np.asarray(self.base + np.tensordot(x, self.directions, axes=1))

    def coordinates(self, W: ArrayLike) -> Array:
        """The coordinates (..., k) of the point of the section nearest to W (..., m, n)."""
        apart = _checks.matrix(W, shape=self.base.shape) - self.base
        flat = self.directions.reshape(len(self.names), -1)
        return np.asarray(apart.reshape(*apart.shape[:-2], self.base.size) @ np.linalg.pinv(flat))

    def distance(self, W: ArrayLike) -> Array:
        """The Frobenius distance of W (..., m, n) from the section."""
        near = self.points(self.coordinates(W))
        return np.asarray(frobenius(np.asarray(W) - near))


def determinants(section: Section, coordinates: Array) -> Array:
    """Det W at coordinates (..., k), up to one positive factor, so that it stays in the range."""
    W = section.points(coordinates)
    return np.asarray(np.linalg.det(W / (float(np.abs(W).max(initial=0.0)) or 1.0)))


def edges(section: Section, axes: tuple[Array, ...]) -> Array:
    """:func:`determinants` on a grid; 0 where the section lies in det W = 0, 1 of rectangular W."""
    if section.base.shape[0] != section.base.shape[1]:  # of lower rank at single points alone
        return np.ones([x.size for x in axes])
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    det, W = determinants(section, grid), section.points(grid)
    W = W / (float(np.abs(W).max(initial=0.0)) or 1.0)
    rounding = 1e-14 * W.shape[-1] * np.linalg.norm(W, axis=-1).prod(axis=-1)  # Hadamard's bound
    return np.where((np.abs(det) <= rounding).all(), 0.0, det)


def reach(section: Section, axes: tuple[Array, ...]) -> float:
    """The largest entry of a window's corners."""
    corners = np.stack(np.meshgrid(*(x[[0, -1]] for x in axes), indexing="ij"), axis=-1)
    return float(np.abs(section.points(corners)).max())


def section_of(axes: Any, at: Any, shape: tuple[int, int] | None) -> Section:
    """What ``axes`` and ``at`` of :func:`~dlngeo.landscapes.plane` describe."""
    if isinstance(axes, Section):
        if at is not None:
            raise ValueError("at must be None where axes is a Section, which has its base")
        return axes
    items = _one_or_two(axes, "axes")
    entries = [np.ndim(item) == 1 for item in items]
    if at is None:
        if shape is None:
            raise ValueError("at must be given: the energy does not tell the shape of W")
        at = np.zeros(shape)
    if all(entries):
        return Section.entries(at, items)
    if any(entries):
        raise ValueError("axes must be entries (i, j), or matrices, not one of each")
    return Section._along(at, items, ("x", "y")[: len(items)], "axes")


def _one_or_two(items: Any, name: str) -> tuple[Any, ...]:
    found = _checks.sequence(items, name, "one or two of them")
    if len(found) not in (1, 2):
        raise ValueError(f"{name} must be one, for a line, or two, for a plane; not {len(found)}")
    return found


def _entry(value: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    pair = _checks.sequence(value, "axes", "entries (i, j) of W")
    if len(pair) != 2:
        raise ValueError(f"axes must hold entries (i, j) of W, not {_checks.shown(value)}")
    i, j = (_checks.integer(k, "axes", 0, size - 1) for k, size in zip(pair, shape, strict=True))
    return i, j


def _matrix(value: ArrayLike, name: str, shape: tuple[int, ...] | None = None) -> Array:
    W = _checks.matrix(value, name)
    if W.ndim != 2 or (shape is not None and W.shape != shape):
        wanted = "one matrix" if shape is None else f"one {shape[0]} x {shape[1]} matrix"
        raise ValueError(f"{name} must be {wanted}; its shape is {W.shape}")
    return W
