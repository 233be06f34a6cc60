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
    """A plane or a line through the d × d matrices, W = base + Σ_i x_i directions_i.

    Made by :meth:`entries`, :meth:`along`, :meth:`singular_values` or :meth:`through`.

    Attributes
    ----------
    base : (d, d) array
    directions : (k, d, d) array, k = 1 or 2
    names : tuple of k strings
        Of the coordinates: dimensions of arrays, labels of figures.
    """

    base: Array
    directions: Array
    names: tuple[str, ...]

    def __repr__(self) -> str:
        kind = "line" if len(self.names) == 1 else "plane"
        d = self.base.shape[0]
        return f"Section({kind} of {', '.join(self.names)} through the {d} x {d} matrices)"

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
        base = _square(at, "at").copy()
        d = len(base)
        pairs = [_entry(axis, d) for axis in _one_or_two(axes, "axes")]
        directions = np.zeros((len(pairs), d, d))
        for direction, pair in zip(directions, pairs, strict=True):
            direction[pair], base[pair] = 1.0, 0.0
        apart = "" if d < 10 else ","
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
        base = _square(at, "at")
        found = [_square(D, f"{name}[{i}]", len(base)) for i, D in enumerate(items)]
        return cls._of(base, np.array(found), names, name)

    @classmethod
    def singular_values(cls, at: ArrayLike, indices: Sequence[int]) -> Section:
        """One or two singular values of ``at`` vary, counted from 0 downwards; its frames stay.

        A negative one turns the sign of a singular vector. Where singular values of ``at`` are
        equal its frames are not determined: take :meth:`along` with u_k v_kᵀ of your own.
        """
        W = _square(at, "at")
        U, sigma, Vt = svd(W)
        chosen = [
            _checks.integer(k, "indices", 0, len(W) - 1) for k in _one_or_two(indices, "indices")
        ]
        directions = np.array([np.outer(U[:, k], Vt[k]) for k in chosen])
        base = W - np.tensordot(sigma[chosen], directions, axes=1)
        if len(chosen) == len(W):
            base = np.zeros_like(W)  # to rounding it is
        return cls._of(base, directions, [f"sigma_{k + 1}" for k in chosen], "indices")

    @classmethod
    def through(cls, matrices: Sequence[ArrayLike]) -> Section:
        """Through two or three given matrices A, B, C: W = A + s (B - A) + t (C - A)."""
        points = _checks.sequence(matrices, "matrices")
        if len(points) not in (2, 3):
            raise ValueError(f"matrices must be two or three, not {len(points)}")
        A = _square(points[0], "matrices[0]")
        others = [_square(M, f"matrices[{i}]", len(A)) for i, M in enumerate(points) if i]
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
        """The matrices (..., d, d) at coordinates (..., k)."""
        x = _checks.real_array(coordinates, "coordinates")
        if x.ndim < 1 or x.shape[-1] != len(self.names):
            raise ValueError(f"coordinates must have shape (..., {len(self.names)}), not {x.shape}")
        return np.asarray(self.base + np.tensordot(x, self.directions, axes=1))

    def coordinates(self, W: ArrayLike) -> Array:
        """The coordinates (..., k) of the point of the section nearest to W (..., d, d)."""
        d = len(self.base)
        apart = _checks.matrix(W, shape=(d, d)) - self.base
        flat = self.directions.reshape(len(self.names), -1)
        return np.asarray(apart.reshape(*apart.shape[:-2], d * d) @ np.linalg.pinv(flat))

    def distance(self, W: ArrayLike) -> Array:
        """The Frobenius distance of W (..., d, d) from the section."""
        near = self.points(self.coordinates(W))
        return np.asarray(frobenius(np.asarray(W) - near))


def determinants(section: Section, coordinates: Array) -> Array:
    """Det W at coordinates (..., k), up to one positive factor, so that it stays in the range."""
    W = section.points(coordinates)
    return np.asarray(np.linalg.det(W / (float(np.abs(W).max(initial=0.0)) or 1.0)))


def edges(section: Section, axes: tuple[Array, ...]) -> Array:
    """:func:`determinants` on a grid; zero where the section lies in det W = 0, to rounding."""
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
    if shape is not None and shape[0] != shape[1]:
        raise ValueError(f"landscapes need square W; the energy's are {shape[0]} x {shape[1]}")
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


def _entry(value: Any, d: int) -> tuple[int, int]:
    pair = _checks.sequence(value, "axes", "entries (i, j) of W")
    if len(pair) != 2:
        raise ValueError(f"axes must hold entries (i, j) of W, not {_checks.shown(value)}")
    i, j = (_checks.integer(k, "axes", 0, d - 1) for k in pair)
    return i, j


def _square(value: ArrayLike, name: str, d: int | None = None) -> Array:
    W = _checks.matrix(value, name)
    if W.ndim != 2 or W.shape[0] != W.shape[1] or (d is not None and len(W) != d):
        wanted = "one square matrix" if d is None else f"one {d} x {d} matrix"
        raise ValueError(f"{name} must be {wanted}; its shape is {W.shape}")
    return W
