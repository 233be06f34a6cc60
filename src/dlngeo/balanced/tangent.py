r"""The tangent space of the balanced manifold and its orthogonal projections (Menon, section 8).

In the frames Q_p of balanced weights, V̂_p = Q_pᵀ V_p Q_{p-1}, everything falls apart into pairs
(k, l) of singular directions:

- horizontal vectors have V̂_s[k, l] proportional to λ_k^{N-s} λ_l^{s-1} (8.20), (8.23), (8.24);
- vertical vectors, along the orbit of the gauge group, are V̂_s = B_s Λ - Λ B_{s-1} with
  antisymmetric B_s and B_0 = B_N = 0 (8.13); their Gram matrix is tridiagonal and diagonalised by
  sines, with eigenvalues 2(λ_k² + λ_l² - 2 λ_k λ_l cos(jπ/N)) (8.10), (8.22).

Where a layer is wider than the rank, what leads out of the frames is horizontal at the input and
the output, and vertical at hidden layers. Both projections cost O(N d³); no Nd² × Nd² matrix is
formed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import transpose
from dlngeo.balanced.charts import coordinates, layer_rank, well_conditioned_coordinates


def project_tangent(
    weights: Sequence[ArrayLike], V: Sequence[ArrayLike], *, rank: int | None = None
) -> Weights:
    """Orthogonal projection of V on T_W M_r, the tangent space of the balanced manifold.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced
    V : tuple of arrays of the same shapes
    rank : int or None
        None: the least width.

    Returns
    -------
    tuple of arrays
        The sum of the vertical and the horizontal projection.

    Raises
    ------
    ValueError
        If the weights are not balanced, have another rank (a numerical rank that is lower too, see
        :func:`to_svd`), or V has other shapes.

    Notes
    -----
    Source: Menon, Theorem 14, (8.20)-(8.24) with (8.21) corrected; rank r derived.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = dln.balanced.lift(np.diag([4.0, 1.0]), 2)
    >>> V = (np.eye(2), np.zeros((2, 2)))
    >>> [P.round(12).tolist() for P in dln.balanced.project_tangent(weights, V)]
    [[[0.5, 0.0], [0.0, 0.5]], [[0.5, 0.0], [0.0, 0.5]]]
    """
    layers, vectors = _pair_argument(weights, V)
    r = layer_rank(layers, rank)
    at = well_conditioned_coordinates(layers, r) or coordinates(layers, r, name="weights")
    return TangentSplit.at(*at, vectors).tangent()


class TangentSplit(NamedTuple):
    """A tuple V at balanced weights, in the frames of the weights."""

    frames: tuple[Array, ...]  # Q_0, ..., Q_N
    lam: Array  # (..., r)
    inside: Array  # V̂, (N, ..., r, r)
    left: list[Array | None]  # (I - Q_p Q_pᵀ) V_p Q_{p-1}, (..., d_p, r); None where d_p = r
    right: list[Array | None]  # Q_pᵀ V_p (I - Q_{p-1} Q_{p-1}ᵀ), (..., r, d_{p-1}), likewise

    @classmethod
    def of(
        cls,
        weights: Sequence[ArrayLike],
        V: Sequence[ArrayLike],
        rank: int | None,
        name: str = "V",
    ) -> TangentSplit:
        """Decompose V; checks both arguments."""
        layers, vectors = _pair_argument(weights, V, name)
        return cls.at(*coordinates(layers, layer_rank(layers, rank), name="weights"), vectors)

    @classmethod
    def within(cls, layers: Weights, vectors: Sequence[Array], r: int) -> TangentSplit:
        """Decompose vectors at weights of the library's own, of rank r."""
        return cls.at(*coordinates(layers, r), vectors)

    @classmethod
    def at(cls, frames: Sequence[Array], lam: Array, vectors: Sequence[Array]) -> TangentSplit:
        """Decompose vectors in given frames."""
        r = lam.shape[-1]
        stack = np.broadcast_shapes(vectors[0].shape[:-2], lam.shape[:-1])
        lam = np.broadcast_to(lam, (*stack, r))
        inside = np.empty((len(vectors), *stack, r, r))
        left: list[Array | None] = []
        right: list[Array | None] = []
        for vector, part, (P, Q) in zip(vectors, inside, pairwise(frames), strict=True):
            rows = transpose(Q) @ vector
            np.matmul(rows, P, out=part)
            left.append(vector @ P - Q @ part if _spare(Q) else None)
            right.append(rows - part @ transpose(P) if _spare(P) else None)
        return cls(tuple(frames), lam, inside, left, right)

    def tangent(self) -> Weights:
        """The projection on the tangent space."""
        layers = self._joined(_without_normal_part(self.inside, self.lam))
        return tuple(self._outside_hidden(self._outside_ends(layers)))

    def horizontal(self) -> Weights:
        """The projection on (ker dφ)^⊥ within the tangent space."""
        return tuple(self._outside_ends(self._joined(self._along_profiles())))

    def vertical(self) -> Weights:
        """The projection on the tangent space of the orbit."""
        return tuple(self._outside_hidden(self._joined(_orbit_part(self.inside, self.lam))))

    def _along_profiles(self) -> Array:
        profile = profiles(self.lam, len(self.left))
        profile *= np.einsum("s...,s...->...", profile, self.inside)
        return profile

    def _joined(self, inside: Iterable[Array]) -> list[Array]:
        return [
            self.frames[p + 1] @ part @ transpose(self.frames[p]) for p, part in enumerate(inside)
        ]

    def _outside_ends(self, layers: list[Array]) -> list[Array]:
        """With what leads out of the frames of input and output."""
        first, last = self.right[0], self.left[-1]
        if first is not None:
            layers[0] = layers[0] + self.frames[1] @ first
        if last is not None:
            layers[-1] = layers[-1] + last @ transpose(self.frames[-2])
        return layers

    def _outside_hidden(self, layers: list[Array]) -> list[Array]:
        """With what leads out of the frames of hidden layers."""
        for p in range(len(layers) - 1):
            below, above = self.left[p], self.right[p + 1]
            if below is None or above is None:  # the hidden layer is no wider than the rank
                continue
            leaving = 0.5 * (below + transpose(above))
            layers[p] = layers[p] + leaving @ transpose(self.frames[p])
            layers[p + 1] = layers[p + 1] + self.frames[p + 2] @ transpose(leaving)
        return layers

    def gauge(self) -> Weights:
        """Antisymmetric (A_0 = 0, ..., A_N = 0) with A_p W_p - W_p A_{p-1} = vertical()."""
        zero = np.zeros_like(self.inside[0])
        angles: Array | tuple[()] = ()
        if len(self.inside) > 1:
            top = self.lam[..., :1]
            angles = _orbit_angles(self.inside, self.lam / top) / top[..., None]
        turns = [
            Q @ B @ transpose(Q) for Q, B in zip(self.frames, (zero, *angles, zero), strict=True)
        ]
        for p in range(1, len(turns) - 1):
            below, above = self.left[p - 1], self.right[p]
            if below is None or above is None:
                continue
            leaving = 0.5 * (below + transpose(above)) / self.lam[..., None, :]
            outward = leaving @ transpose(self.frames[p])
            turns[p] = turns[p] + outward - transpose(outward)
        return tuple(turns)


def _spare(Q: Array) -> bool:
    """Whether a frame leaves room in its layer."""
    return Q.shape[-2] > Q.shape[-1]


def tangent_argument(weights: Sequence[ArrayLike], V: Sequence[ArrayLike]) -> Weights:
    """V as a tuple of arrays that fit the weights."""
    return _pair_argument(weights, V)[1]


def _pair_argument(
    weights: Sequence[ArrayLike], V: Sequence[ArrayLike], name: str = "V"
) -> tuple[Weights, Weights]:
    layers, vectors = _checks.weights(weights), _checks.weights(V, name)
    shapes = [[W.shape[-2:] for W in part] for part in (layers, vectors)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{name} must have the shapes of the weights, {shapes[0]}, not {shapes[1]}"
        )
    return layers, vectors


def profiles(lam: Array, depth: int) -> Array:
    """Unit vectors over s with entries proportional to λ_k^{N-s} λ_l^{s-1}: (N, ..., r, r)."""
    k, l = lam[..., :, None], lam[..., None, :]  # noqa: E741
    larger = np.maximum(k, l)
    larger = np.where(larger > 0, larger, 1.0)  # zeros occur for one layer only
    below, above = k / larger, l / larger
    profile = np.ones((depth, *larger.shape))
    for s in range(1, depth):
        np.multiply(profile[s - 1], above, out=profile[s])
    power = np.ones_like(larger)
    for s in range(depth - 2, -1, -1):
        power *= below
        profile[s] *= power
    profile /= np.sqrt(np.einsum("s...,s...->...", profile, profile))
    return profile


def _orbit_part(inside: Array, lam: Array) -> Array:
    """The vectors B_s Λ - Λ B_{s-1} nearest to V̂."""
    if len(inside) == 1:
        return np.zeros_like(inside)
    lam = lam / lam[..., :1]  # the vectors are the same, and squares stay in range
    return np.stack(list(_differences(_orbit_angles(inside, lam), lam)))


def _differences(B: Array, lam: Array) -> Iterator[Array]:
    """B_s Λ - Λ B_{s-1} for B_1, ..., B_{N-1} and B_0 = B_N = 0, one by one.

    What is done with each stays in the cache; of all of them fresh memory would cost more.
    """
    rows, columns = lam[..., :, None], lam[..., None, :]
    yield B[0] * columns
    for before, here in pairwise(B):
        part = here * columns
        part -= before * rows
        yield part
    yield -B[-1] * rows


def _without_normal_part(inside: Array, lam: Array) -> Iterable[Array]:
    """V̂ without what is normal: vectors S_s Λ - Λ S_{s-1} with symmetric S."""
    if len(inside) == 1:
        return inside
    lam = lam / lam[..., :1]
    rows, columns = lam[..., :, None], lam[..., None, :]
    right = np.empty_like(inside[1:])
    for total, (before, after) in zip(right, pairwise(inside), strict=True):
        slope = before * columns
        slope -= after * rows
        np.add(slope, transpose(slope), out=total)
    normal = _differences(solve_orbit(right, lam, 0.5), lam)
    return (part - other for part, other in zip(inside, normal, strict=True))


def _orbit_angles(inside: Array, lam: Array) -> Array:
    """The antisymmetric B_1, ..., B_{N-1} of the nearest vertical vector, N > 1."""
    rows, columns = lam[..., :, None], lam[..., None, :]
    right = np.empty_like(inside[1:])
    for total, (before, after) in zip(right, pairwise(inside), strict=True):
        slope = before * columns
        slope -= after * rows
        np.subtract(slope, transpose(slope), out=total)
    return solve_orbit(right, lam, 0.5)


def solve_orbit(right: Array, lam: Array, share: float = 1.0) -> Array:
    """B_1, ..., B_{N-1} with (λ_k² + λ_l²)B_p - λ_k λ_l (B_{p-1} + B_{p+1}) = share·right_p, N > 1.

    B_0 = B_N = 0. In place of ``right``, (N - 1, ..., r, r).
    """
    depth = len(right) + 1
    work = np.empty_like(right)
    p = np.arange(1, depth)
    sines = np.sqrt(2 / depth) * np.sin(np.outer(p, p) * (np.pi / depth))  # its own inverse
    k, l = lam[..., :, None], lam[..., None, :]  # noqa: E741
    _mix(sines, right, work)
    for row, half in zip(work, p * (np.pi / (2 * depth)), strict=True):
        row /= chebyshev_square(k, l, half)
    _mix(share * sines, work, right)
    return right


def _mix(sines: Array, layers: Array, out: Array) -> None:
    """Combinations over layers, one product a network, so that none depends on its company."""
    count, size = layers.shape[0], layers.shape[-1] ** 2
    if layers.ndim == 3:
        np.dot(sines, layers.reshape(count, size), out=out.reshape(count, size))
        return
    rows = np.moveaxis(layers.reshape(count, -1, size), 0, 1)
    out.reshape(count, -1, size)[...] = np.moveaxis(sines @ rows, 1, 0)


def chebyshev_square(a: Array, b: Array, half: Array | float) -> Array:
    """a² + b² - 2ab cos(2 half), free of cancellation."""
    square: Array = (2 * np.sin(half)) ** 2 * (a * b)
    square += (a - b) ** 2
    return square
