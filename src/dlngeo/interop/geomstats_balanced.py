r"""The balanced manifold for geomstats; users find it in :mod:`dlngeo.interop.geomstats`.

Source: Menon, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Callable

import geomstats.backend as gs
import numpy as np
from geomstats.geometry.base import LevelSet
from geomstats.geometry.matrices import Matrices
from geomstats.geometry.nfold_manifold import NFoldManifold
from geomstats.geometry.riemannian_metric import RiemannianMetric
from numpy.typing import ArrayLike

from dlngeo import _checks, balanced, weights
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, svd, transpose
from dlngeo.balanced import geodesics

_FLOOR = 2e-6  # relative, of raised singular values: geomstats' tests accept what exceeds 1e-6


class BalancedManifold(LevelSet):
    """Balanced weights of ``depth`` invertible d × d layers: the manifold M_d.

    Parameters
    ----------
    d : int >= 1
    depth : int >= 1
    equip : bool
        Equip with :class:`EmbeddedMetric`.

    Notes
    -----
    The zero level of the imbalances W_p W_pᵀ - W_{p+1}ᵀ W_{p+1}, which is regular at full rank.
    Source: Menon, (4.2)-(4.4), section 5.
    """

    def __init__(self, d: int, depth: int, equip: bool = True) -> None:
        self.d, self.depth = _checks.integer(d, "d", 1), _checks.integer(depth, "depth", 1)
        widths = [self.d] * (self.depth + 1)
        super().__init__(dim=balanced.dimension(widths, self.d), equip=equip)

    def _define_embedding_space(self) -> NFoldManifold:
        return NFoldManifold(Matrices(self.d, self.d), self.depth)

    @staticmethod
    def default_metric() -> type:
        """The metric of ``equip=True``."""
        return EmbeddedMetric

    def submersion(self, point: ArrayLike) -> Array:
        """The imbalances, (..., depth - 1, d, d), zero on the manifold."""
        W = self._stack(point, "point")
        here, above = W[..., :-1, :, :], W[..., 1:, :, :]
        return np.asarray(here @ transpose(here) - transpose(above) @ above)

    def tangent_submersion(self, vector: ArrayLike, point: ArrayLike) -> Array:
        """The derivative of the imbalances along ``vector``, (..., depth - 1, d, d)."""
        V, W = self._stack(vector, "vector"), self._stack(point, "point")
        left = V[..., :-1, :, :] @ transpose(W[..., :-1, :, :])
        right = transpose(V[..., 1:, :, :]) @ W[..., 1:, :, :]
        half = left - right
        return np.asarray(half + transpose(half))

    def belongs(self, point: ArrayLike, atol: float = gs.atol) -> Array:
        """Whether all layers are invertible and balanced, up to ``atol``.

        Parameters
        ----------
        point : (..., depth, d, d) array
            Of any other shape: the answer is False.
        atol : float
            Relative: of the imbalance to the square of the largest layer's norm, of a layer's
            smallest singular value to its largest.
        """
        W = np.asarray(point)
        if W.shape[-3:] != self.shape or W.dtype.kind not in "buif":
            return np.zeros(W.shape[:-3], dtype=bool)
        invertible = np.all(of_full_rank(W, atol), axis=-1)
        finite = np.where(invertible[..., None, None, None], W, np.eye(self.d))
        return np.asarray(invertible & weights.is_balanced(layers_of(finite), tol=atol))

    def is_tangent(self, vector: ArrayLike, base_point: ArrayLike, atol: float = gs.atol) -> Array:
        """Whether ``vector`` leaves the imbalances zero to first order.

        Parameters
        ----------
        vector, base_point : (..., depth, d, d) arrays
            For a vector of another shape the answer is False.
        atol : float
            Relative to the product of the largest norms of a layer of the two.
        """
        V, W = np.asarray(vector), self._stack(base_point, "base_point")
        if V.shape[-3:] != self.shape or V.dtype.kind not in "buif":
            return np.zeros(V.shape[:-3], dtype=bool)
        finite = np.isfinite(V).all(axis=(-3, -2, -1))
        V = np.where(finite[..., None, None, None], V, 0.0)
        change = np.abs(self.tangent_submersion(V, W)).max(axis=(-3, -2, -1), initial=0.0)
        scale = frobenius(V).max(axis=-1) * frobenius(W).max(axis=-1)
        return np.asarray(finite & (change <= atol * scale))

    def to_tangent(self, vector: ArrayLike, base_point: ArrayLike) -> Array:
        """Orthogonal projection on the tangent space, (..., depth, d, d).

        See :func:`dlngeo.balanced.project_tangent`.
        """
        V, W = self._stack(vector, "vector"), self._stack(base_point, "base_point")
        V, W = np.broadcast_arrays(V, W)
        if not np.all(weights.is_balanced(layers_of(W), tol=1e-8)):
            raise ValueError("base_point must be balanced; its imbalances do not vanish")
        return np.stack(balanced.project_tangent(layers_of(W), layers_of(V)), axis=-3)

    def projection(self, point: ArrayLike) -> Array:
        """Balanced weights beside any weights.

        Weights are read off layer by layer, frames by polar factors from W_1 on and singular values
        by their mean; once more after a step towards the point in the tangent space there. On the
        manifold nothing changes. Beside it this is the nearest point up to second order in the
        distance (the nearest itself is :func:`dlngeo.balanced.retract`'s, where it can); far from
        it merely a point. Singular values of singular layers are raised to 2e-6 of the largest.

        Parameters
        ----------
        point : (..., depth, d, d) array
        """
        layers = self._stack(point, "point")
        start = _read_off(layers)
        return _read_off(start + self.to_tangent(layers - start, start))

    def random_point(self, n_samples: int = 1, bound: float = 1.0) -> Array:
        """Random balanced weights, (depth, d, d) or (n_samples, depth, d, d).

        Haar frames and the singular values of a Gaussian matrix of standard deviation ``bound``
        (:func:`dlngeo.weights.random_balanced`), the seed being drawn from geomstats' generator.
        """
        size = () if n_samples == 1 else (n_samples,)
        seed = int(gs.random.randint(0, 2**31 - 1))
        widths = [self.d] * (self.depth + 1)
        return np.stack(weights.random_balanced(widths, bound, rng=seed, size=size), axis=-3)

    def _stack(self, value: ArrayLike, name: str) -> Array:
        return stacked(value, name, self.shape)


class EmbeddedMetric(RiemannianMetric):
    """The metric of the ambient space on :class:`BalancedManifold`: Σ_p Tr(A_pᵀ B_p).

    Geodesics are computed numerically, to some 1e-12: exp by the geodesic equation, log by a
    polynomial path that obeys it and starts out from the line between the two points. Where the
    manifold is left, its metric being incomplete, or no geodesic is found, they raise
    ``numpy.linalg.LinAlgError``; that a geodesic is shortest is not proved.
    """

    def inner_product(
        self,
        tangent_vec_a: ArrayLike,
        tangent_vec_b: ArrayLike,
        base_point: ArrayLike | None = None,
    ) -> Array:
        """The inner product, ``(...)``; the base point matters only by its leading dimensions."""
        shape = self._space.shape
        a = stacked(tangent_vec_a, "tangent_vec_a", shape)
        b = stacked(tangent_vec_b, "tangent_vec_b", shape)
        total = (a * b).sum(axis=(-3, -2, -1))
        if base_point is None:
            return np.asarray(total)
        point = stacked(base_point, "base_point", shape)
        return np.broadcast_to(total, np.broadcast_shapes(total.shape, point.shape[:-3])).copy()

    def exp(self, tangent_vec: ArrayLike, base_point: ArrayLike) -> Array:
        """The exponential map, (..., depth, d, d)."""
        V, W = self._of(tangent_vec, "tangent_vec"), self._of(base_point, "base_point")
        return self._each(lambda X, Y: geodesics.path(Y, X, np.ones(1))[0], V, W)

    def log(self, point: ArrayLike, base_point: ArrayLike) -> Array:
        """The logarithm, (..., depth, d, d), of the geodesic that the line between leads to."""
        X, W = self._of(point, "point"), self._of(base_point, "base_point")
        return self._each(lambda A, B: geodesics.logarithm(B, A), X, W)

    def dist(self, point_a: ArrayLike, point_b: ArrayLike) -> Array:
        """The length of the geodesic of :meth:`log`, ``(...)``."""
        A, B = self._of(point_a, "point_a"), self._of(point_b, "point_b")
        return np.asarray(np.linalg.norm(self.log(B, A).reshape(*_stack(A, B), -1), axis=-1))

    def squared_dist(self, point_a: ArrayLike, point_b: ArrayLike) -> Array:
        """The squared distance, ``(...)``."""
        return np.asarray(self.dist(point_a, point_b) ** 2)

    def geodesic(
        self,
        initial_point: ArrayLike,
        end_point: ArrayLike | None = None,
        initial_tangent_vec: ArrayLike | None = None,
    ) -> Callable[[ArrayLike], Array]:
        """The geodesic with given ends, or with given start and velocity.

        Parameters
        ----------
        initial_point : (..., depth, d, d) array
        end_point, initial_tangent_vec : (..., depth, d, d) array or None
            One of the two.

        Returns
        -------
        callable
            From times, a number or ``(time,)``, to points ``(..., time, depth, d, d)``.
        """
        start = self._of(initial_point, "initial_point")
        if initial_tangent_vec is not None and end_point is None:
            velocity = self._of(initial_tangent_vec, "initial_tangent_vec")
        elif end_point is not None and initial_tangent_vec is None:
            velocity = self.log(self._of(end_point, "end_point"), start)
        else:
            raise ValueError("a geodesic needs one of end_point and initial_tangent_vec")

        def path(t: ArrayLike) -> Array:
            times = np.atleast_1d(_checks.real_array(t, "t"))
            return self._each(lambda W, V: geodesics.path(W, V, times), start, velocity)

        return path

    def _of(self, value: ArrayLike, name: str) -> Array:
        return stacked(value, name, self._space.shape)

    def _each(self, function: Callable[[Array, Array], Array], one: Array, other: Array) -> Array:
        """The function of each pair of networks."""
        stack, shape = _stack(one, other), self._space.shape
        pairs = (np.broadcast_to(A, (*stack, *shape)).reshape(-1, *shape) for A in (one, other))
        values = [function(A, B) for A, B in zip(*pairs, strict=True)]
        if not values:
            return np.empty((*stack, *shape))
        return np.stack(values).reshape(*stack, *values[0].shape)


def _stack(one: Array, other: Array) -> tuple[int, ...]:
    """The leading dimensions that points of a manifold have together."""
    return np.broadcast_shapes(one.shape[:-3], other.shape[:-3])


def stacked(value: ArrayLike, name: str, shape: tuple[int, ...]) -> Array:
    """A finite array of shape (..., *shape)."""
    array = _checks.real_array(value, name)
    if array.shape[-len(shape) :] != shape:
        raise ValueError(f"{name} must have shape (..., *{shape}), not {array.shape}")
    return array


def layers_of(point: Array) -> Weights:
    """The layers of a stack (..., depth, d, d)."""
    return tuple(np.moveaxis(point, -3, 0))


def _read_off(point: Array) -> Array:
    """Balanced weights from any, exact on the manifold."""
    layers = layers_of(point)
    U, sigma, Vt = svd(layers[0])
    frames, values = [transpose(Vt), U], [sigma]
    for W in layers[1:]:
        left, _, right = np.linalg.svd(W @ frames[-1])
        frames.append(left @ right)
        values.append(np.einsum("...ik,...ij,...jk->...k", frames[-1], W, frames[-2]))
    lam = raised(np.mean(values, axis=0))
    return np.stack(balanced.from_svd(frames, lam), axis=-3)


def of_full_rank(W: Array, atol: float) -> Array:
    """Whether each matrix is finite and of smallest singular value > atol times the largest."""
    finite = np.asarray(np.isfinite(W).all(axis=(-2, -1)))
    _, sigma, _ = svd(np.where(finite[..., None, None], W, 0.0))
    return np.asarray(finite & (sigma[..., -1] > atol * sigma[..., 0]))


def raised(sigma: Array) -> Array:
    """Singular values, those of a singular matrix raised to 2e-6 of the largest (of 1 if zero)."""
    largest = sigma.max(axis=-1, keepdims=True)
    least = sigma.min(axis=-1, keepdims=True)
    floor = _FLOOR * np.where(largest > 0, largest, 1.0)
    return np.where(least > gs.atol * largest, sigma, np.maximum(sigma, floor))
