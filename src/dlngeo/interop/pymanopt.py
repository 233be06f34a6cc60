"""Full-rank matrices with the metric g^N as a manifold of pymanopt, for its optimisers.

Keyword names and conventions are pymanopt's; points and tangent vectors are m × n arrays, one at a
time. The metric is Menon's, (4.16), (7.15) corrected. Nothing else in the library imports this
module.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pymanopt.manifolds.manifold import Manifold

from dlngeo import _checks, metric
from dlngeo._checks import RNG, Array
from dlngeo.metric import riemannian_hessian
from dlngeo.spectral.frame import prepare, require_invertible

__all__ = ["DeepLinearManifold"]


class DeepLinearManifold(Manifold):
    """The m × n matrices of full rank with g^N.

    Parameters
    ----------
    m, n : int >= 1
    depth : real number >= 1, or inf
        At 1 the Euclidean space of m × n matrices, without any decomposition. At ``inf`` only
        m == n: a rectangular matrix keeps its row and column spaces there.
    rng : anything that ``numpy.random.default_rng`` takes, or None
        For random points and tangent vectors.
    component : 1, -1 or None
        The sign of the determinant of random points, for m == n and depth > 1: between the two
        components there are no geodesics, so all points are taken from one. None: either sign.

    Notes
    -----
    Steepest descent from here follows the end-to-end gradient flow of a balanced deep linear
    network, (4.11). Points must be finite and of the shape (m, n); that their rank is full is
    checked where the metric is singular if it is not.
    """

    def __init__(
        self, m: int, n: int, depth: float, *, rng: RNG = None, component: int | None = 1
    ) -> None:
        self._shape = _checks.integer(m, "m", 1), _checks.integer(n, "n", 1)
        self._depth = _checks.depth(depth)
        if math.isinf(self._depth) and m != n:
            raise ValueError(f"at depth inf m and n must be equal, not {m} and {n}")
        if component is not None:
            component = _checks.integer(component, "component", -1)
        if component not in (None, 1, -1) or (component == -1 and m != n):
            raise ValueError(
                "component must be 1 or -1, the sign of the determinant of square matrices, or "
                f"None; it is {component!r} at m, n = {m}, {n}"
            )
        self._metric: Any = metric if self._depth > 1 else _Euclidean
        apart = m == n and self._depth > 1
        self._rng, self._component = _checks.rng(rng), component if apart else None
        name = f"Full-rank {m}x{n} matrices with the deep linear metric of depth {self._depth:g}"
        super().__init__(name, m * n)

    def _one(self, value: ArrayLike, name: str) -> Array:
        """One finite m × n matrix."""
        array = _checks.matrix(value, name, self._shape)
        if array.ndim > 2:
            raise ValueError(f"{name} must be one matrix {self._shape}, not {array.shape}")
        return array

    # ------------------------------------------------------------------------- the metric

    def inner_product(
        self, point: ArrayLike, tangent_vector_a: ArrayLike, tangent_vector_b: ArrayLike
    ) -> float:
        """g^N of two tangent vectors; see :func:`dlngeo.metric.inner`."""
        W, a = self._one(point, "point"), self._one(tangent_vector_a, "tangent_vector_a")
        b = self._one(tangent_vector_b, "tangent_vector_b")
        return float(self._metric.inner(W, a, b, self._depth))

    def norm(self, point: ArrayLike, tangent_vector: ArrayLike) -> float:
        """The length of a tangent vector."""
        Z = self._one(tangent_vector, "tangent_vector")
        return math.sqrt(self.inner_product(point, Z, Z))

    def euclidean_to_riemannian_gradient(
        self, point: ArrayLike, euclidean_gradient: ArrayLike
    ) -> Array:
        """𝒜_{N,W} of the Euclidean gradient; see :func:`dlngeo.metric.apply`."""
        slope = self._one(euclidean_gradient, "euclidean_gradient")
        return np.asarray(self._metric.apply(self._one(point, "point"), slope, self._depth))

    def euclidean_to_riemannian_hessian(
        self,
        point: ArrayLike,
        euclidean_gradient: ArrayLike,
        euclidean_hessian: ArrayLike,
        tangent_vector: ArrayLike,
    ) -> Array:
        """The covariant derivative of the Riemannian gradient along ``tangent_vector``.

        Of the Levi-Civita connection of g^N, so that ⟨Hess E[Z], Z⟩ is the second derivative of E
        along the geodesic of velocity Z.
        """
        W, slope = self._one(point, "point"), self._one(euclidean_gradient, "euclidean_gradient")
        bend = self._one(euclidean_hessian, "euclidean_hessian")
        Z = self._one(tangent_vector, "tangent_vector")
        if self._depth == 1:
            return bend.copy()
        frame, () = prepare(W, {}, self._depth, None)
        require_invertible(frame)
        return riemannian_hessian(frame, slope, bend, Z)

    # ---------------------------------------------------------------- points and vectors

    @property
    def typical_dist(self) -> float:
        """√(mn), pymanopt's scale of a Euclidean space of this dimension."""
        return math.sqrt(self.dim)

    def random_point(self) -> Array:
        """A matrix of independent standard normal entries, given its component."""
        point = self._rng.standard_normal(self._shape)
        if self._component is not None and np.linalg.slogdet(point)[0] != self._component:
            point[0] *= -1  # which keeps the law of the entries
        return point

    def random_tangent_vector(self, point: ArrayLike) -> Array:
        """A tangent vector of length 1 whose direction is uniform in the sense of g^N."""
        W, noise = self._one(point, "point"), self._rng.standard_normal(self._shape)
        return np.asarray(self._metric.sqrt(W, noise / np.linalg.norm(noise), self._depth))

    def zero_vector(self, point: ArrayLike) -> Array:
        """The zero matrix."""
        return np.zeros_like(self._one(point, "point"))

    def projection(self, point: ArrayLike, vector: ArrayLike) -> Array:
        """The vector itself: the matrices of full rank are an open set."""
        self._one(point, "point")
        return self._one(vector, "vector").copy()

    def to_tangent_space(self, point: ArrayLike, vector: ArrayLike) -> Array:
        """The vector itself."""
        return self.projection(point, vector)

    # -------------------------------------------------------------------- moving about

    def retraction(self, point: ArrayLike, tangent_vector: ArrayLike) -> Array:
        """W + Z, a retraction of first order.

        It does not see the boundary: a long step may pass the matrices of lower rank, so that the
        determinant changes its sign, which the flow and the geodesics never do. The end has full
        rank except for finitely many steps along a line; at those the metric raises
        ``numpy.linalg.LinAlgError``.
        """
        step = self._one(tangent_vector, "tangent_vector")
        return np.asarray(self._one(point, "point") + step)

    def transport(
        self, point_a: ArrayLike, point_b: ArrayLike, tangent_vector_a: ArrayLike
    ) -> Array:
        """The isometry 𝒜_b^{1/2} 𝒜_a^{-1/2} of the tangent spaces.

        A vector transport that keeps inner products, but not parallel transport.
        """
        A, B = self._one(point_a, "point_a"), self._one(point_b, "point_b")
        Z = self._one(tangent_vector_a, "tangent_vector_a")
        flat = self._metric.sqrt(A, self._metric.solve(A, Z, self._depth), self._depth)
        return np.asarray(self._metric.sqrt(B, flat, self._depth))

    def exp(self, point: ArrayLike, tangent_vector: ArrayLike) -> Array:
        """The exponential map; raises where a geodesic meets lower rank.

        See :func:`dlngeo.metric.exp`.
        """
        W, Z = self._one(point, "point"), self._one(tangent_vector, "tangent_vector")
        return np.asarray(self._metric.exp(W, Z, self._depth))

    def log(self, point_a: ArrayLike, point_b: ArrayLike) -> Array:
        """The velocity at ``point_a`` of the geodesic to ``point_b``; :func:`dlngeo.metric.log`."""
        A, B = self._one(point_a, "point_a"), self._one(point_b, "point_b")
        return np.asarray(self._metric.log(A, B, self._depth))

    def dist(self, point_a: ArrayLike, point_b: ArrayLike) -> float:
        """The geodesic distance; see :func:`dlngeo.metric.distance`."""
        A, B = self._one(point_a, "point_a"), self._one(point_b, "point_b")
        return float(self._metric.distance(A, B, self._depth))

    def pair_mean(self, point_a: ArrayLike, point_b: ArrayLike) -> Array:
        """The middle of the geodesic from one point to the other."""
        return self.exp(point_a, self.log(point_a, point_b) / 2)


class _Euclidean:
    """The functions of :mod:`dlngeo.metric` at depth 1, for arguments that are checked."""

    @staticmethod
    def inner(W: Array, Y: Array, Z: Array, depth: float) -> float:
        return float(np.vdot(Y, Z))

    @staticmethod
    def apply(W: Array, Z: Array, depth: float) -> Array:
        return Z.copy()

    sqrt = solve = apply

    @staticmethod
    def exp(W: Array, Z: Array, depth: float) -> Array:
        return np.asarray(W + Z)

    @staticmethod
    def log(W: Array, V: Array, depth: float) -> Array:
        return np.asarray(V - W)

    @staticmethod
    def distance(W: Array, V: Array, depth: float) -> float:
        return float(np.linalg.norm(V - W))
