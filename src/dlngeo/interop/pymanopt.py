"""Full-rank matrices with the metric g^N as a manifold of pymanopt, for its optimisers.

Keyword names and conventions are pymanopt's; points and tangent vectors are m × n arrays, one at a
time. The metric is Menon's, (4.16), (7.15) corrected. Nothing else in the library imports this
module.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from pymanopt.manifolds.manifold import Manifold

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.geometry import metric
from dlngeo.weights import RNG


class DeepLinearManifold(Manifold):
    """The m × n matrices of full rank with g^N.

    Parameters
    ----------
    m, n : int >= 1
    depth : real number >= 1, or inf
        At ``inf`` only m == n: a rectangular matrix keeps its row and column spaces there.
    rng : anything that ``numpy.random.default_rng`` takes, or None
        For random points and tangent vectors.

    Notes
    -----
    Steepest descent from here follows the end-to-end gradient flow of a balanced deep linear
    network, (4.11). The Riemannian Hessian is left out, so ``TrustRegions`` has none.
    """

    def __init__(self, m: int, n: int, depth: float, *, rng: RNG = None) -> None:
        self._shape = m, n = _checks.integer(m, "m", 1), _checks.integer(n, "n", 1)
        self._depth = _checks.depth(depth)
        if math.isinf(self._depth) and m != n:
            raise ValueError(f"at depth inf m and n must be equal, not {m} and {n}")
        self._rng = _checks.rng(rng)
        name = f"Full-rank {m}x{n} matrices with the deep linear metric of depth {self._depth:g}"
        super().__init__(name, m * n)

    # ------------------------------------------------------------------------- the metric

    def inner_product(
        self, point: ArrayLike, tangent_vector_a: ArrayLike, tangent_vector_b: ArrayLike
    ) -> float:
        """g^N of two tangent vectors; see :func:`dlngeo.metric.inner`."""
        point = self._matrix(point, "point")
        a = self._matrix(tangent_vector_a, "tangent_vector_a")
        b = self._matrix(tangent_vector_b, "tangent_vector_b")
        return float(metric.inner(point, a, b, self._depth))

    def norm(self, point: ArrayLike, tangent_vector: ArrayLike) -> float:
        """The length of a tangent vector."""
        vector = self._matrix(tangent_vector, "tangent_vector")
        return math.sqrt(self.inner_product(point, vector, vector))

    def euclidean_to_riemannian_gradient(
        self, point: ArrayLike, euclidean_gradient: ArrayLike
    ) -> Array:
        """𝒜_{N,W} of the Euclidean gradient; see :func:`dlngeo.metric.apply`."""
        gradient = self._matrix(euclidean_gradient, "euclidean_gradient")
        return metric.apply(self._matrix(point, "point"), gradient, self._depth)

    # ---------------------------------------------------------------- points and vectors

    @property
    def typical_dist(self) -> float:
        """√(mn), pymanopt's scale of a Euclidean space of this dimension."""
        return math.sqrt(self.dim)

    def random_point(self) -> Array:
        """A matrix of independent standard normal entries."""
        return self._rng.standard_normal(self._shape)

    def random_tangent_vector(self, point: ArrayLike) -> Array:
        """A tangent vector of length 1 whose direction is uniform in the sense of g^N."""
        point, noise = self._matrix(point, "point"), self._rng.standard_normal(self._shape)
        return metric.sqrt(point, noise / np.linalg.norm(noise), self._depth)

    def zero_vector(self, point: ArrayLike) -> Array:
        """The zero matrix."""
        self._matrix(point, "point")
        return np.zeros(self._shape)

    def projection(self, point: ArrayLike, vector: ArrayLike) -> Array:
        """The vector itself: the matrices of full rank are an open set."""
        self._matrix(point, "point")
        return self._matrix(vector, "vector")

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
        step = self._matrix(tangent_vector, "tangent_vector")
        return np.asarray(self._matrix(point, "point") + step)

    def transport(
        self, point_a: ArrayLike, point_b: ArrayLike, tangent_vector_a: ArrayLike
    ) -> Array:
        """The isometry 𝒜_b^{1/2} 𝒜_a^{-1/2} of the tangent spaces.

        A vector transport that keeps inner products, but not parallel transport.
        """
        point_a, point_b = self._ends(point_a, point_b)
        vector = self._matrix(tangent_vector_a, "tangent_vector_a")
        solved = metric.solve(point_a, vector, self._depth)
        return metric.sqrt(point_b, metric.sqrt(point_a, solved, self._depth), self._depth)

    def exp(self, point: ArrayLike, tangent_vector: ArrayLike) -> Array:
        """The exponential map; raises where a geodesic meets lower rank.

        See :func:`dlngeo.metric.exp`.
        """
        vector = self._matrix(tangent_vector, "tangent_vector")
        return metric.exp(self._matrix(point, "point"), vector, self._depth)

    def log(self, point_a: ArrayLike, point_b: ArrayLike) -> Array:
        """The velocity at ``point_a`` of the geodesic to ``point_b``; :func:`dlngeo.metric.log`."""
        return metric.log(*self._ends(point_a, point_b), self._depth)

    def dist(self, point_a: ArrayLike, point_b: ArrayLike) -> float:
        """The geodesic distance; see :func:`dlngeo.metric.distance`."""
        return float(metric.distance(*self._ends(point_a, point_b), self._depth))

    def pair_mean(self, point_a: ArrayLike, point_b: ArrayLike) -> Array:
        """The middle of the geodesic from one point to the other."""
        return self.exp(point_a, self.log(point_a, point_b) / 2)

    # ---------------------------------------------------------------------------- arguments

    def _matrix(self, value: ArrayLike, name: str) -> Array:
        """One matrix of the manifold's shape."""
        array = _checks.matrix(value, name, self._shape)
        if array.ndim != 2:
            raise ValueError(f"{name} must be one matrix, not a stack of shape {array.shape}")
        return array

    def _ends(self, point_a: ArrayLike, point_b: ArrayLike) -> tuple[Array, Array]:
        return self._matrix(point_a, "point_a"), self._matrix(point_b, "point_b")
