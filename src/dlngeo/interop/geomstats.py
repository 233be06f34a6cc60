r"""Deep linear networks as geomstats' manifolds, so that its own tools run on them.

- :class:`EndToEndMatrices`, the invertible matrices downstairs, with :class:`DeepLinearMetric`, the
  metric g^N (Menon, sections 4.3 and 7): random points, exp, log, dist, geodesics, Fréchet means.
- :class:`BalancedManifold`, the balanced manifold M_d upstairs (Menon, sections 4 and 5), a level
  set of the imbalances, with :class:`EmbeddedMetric`, the Frobenius metric of the ambient space:
  exp, log, dist and geodesics too.
- :class:`EndToEndBundle`, the submersion from the second to the first (Menon, Theorem 13), with
  :class:`GaugeAction` and :class:`HorizontalAligner`:
  ``space.equip_with_group_action(GaugeAction(d, depth))`` and ``space.equip_with_quotient()`` make
  ``space.fiber_bundle``.

Keyword names, batch rules and tolerances are geomstats'; the computation is this library's, in
NumPy, so geomstats' NumPy backend is meant. Points are single arrays: (..., d, d) downstairs,
(..., depth, d, d) upstairs, layer W_1 first. Random points here come from geomstats' generator, and
``geomstats.backend.random.seed`` repeats them. Nothing else in the library imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geomstats.backend as gs
import numpy as np
from geomstats.geometry.base import VectorSpaceOpenSet
from geomstats.geometry.manifold import Manifold
from geomstats.geometry.matrices import Matrices
from geomstats.geometry.riemannian_metric import RiemannianMetric
from numpy.typing import ArrayLike

from dlngeo import _checks, metric
from dlngeo._checks import Array
from dlngeo._linalg import svd, svd_product
from dlngeo.interop.geomstats_balanced import (
    BalancedManifold,
    EmbeddedMetric,
    of_full_rank,
    raised,
    stacked,
)
from dlngeo.interop.geomstats_bundle import EndToEndBundle, GaugeAction, HorizontalAligner

__all__ = [
    "BalancedManifold",
    "DeepLinearMetric",
    "EmbeddedMetric",
    "EndToEndBundle",
    "EndToEndMatrices",
    "GaugeAction",
    "HorizontalAligner",
]


class EndToEndMatrices(VectorSpaceOpenSet):
    """Invertible d × d matrices, an open set in the space of all matrices.

    Parameters
    ----------
    d : int >= 1
    positive_det : bool
        Only the component of positive determinant. Between the components there are no geodesics.
    equip : bool
        Equip with the Frobenius metric, which is g^N at depth 1. For another depth:
        ``space.equip_with_metric(DeepLinearMetric, depth=3)``.
    """

    def __init__(self, d: int, positive_det: bool = False, equip: bool = True) -> None:
        self.d = _checks.integer(d, "d", 1)
        self.positive_det = positive_det
        super().__init__(dim=self.d**2, embedding_space=Matrices(self.d, self.d), equip=equip)

    @staticmethod
    def default_metric() -> tuple[type, dict[str, Any]]:
        """The metric of ``equip=True``: g^N at depth 1."""
        return DeepLinearMetric, {"depth": 1}

    def belongs(self, point: ArrayLike, atol: float = gs.atol) -> Array:
        """Whether the smallest singular value exceeds ``atol`` times the largest.

        Parameters
        ----------
        point : (..., d, d) array
            Of any other shape: the answer is False.
        atol : float
            Relative to the largest singular value, so that the unit of W does not matter.
        """
        W = np.asarray(point)
        if W.shape[-2:] != self.shape or W.dtype.kind not in "buif":
            return np.zeros(W.shape[:-2], dtype=bool)
        inside = of_full_rank(W, atol)
        if not self.positive_det:
            return inside
        regular = np.where(inside[..., None, None], W, np.eye(self.d))
        return np.asarray(inside & (np.linalg.slogdet(regular)[0] > 0))

    def is_tangent(
        self, vector: ArrayLike, base_point: ArrayLike | None = None, atol: float = gs.atol
    ) -> Array:
        """Whether ``vector`` is a finite d × d matrix: all of these are tangent."""
        Z, stack = np.asarray(vector), self._stack_of(base_point)
        inside = Z.shape[-2:] == self.shape and Z.dtype.kind in "buif"
        finite = np.isfinite(Z).all(axis=(-2, -1)) if inside else np.zeros(Z.shape[:-2], dtype=bool)
        return np.broadcast_to(finite, np.broadcast_shapes(finite.shape, stack)).copy()

    def to_tangent(self, vector: ArrayLike, base_point: ArrayLike | None = None) -> Array:
        """The vector itself, once for each base point."""
        Z, stack = stacked(vector, "vector", self.shape), self._stack_of(base_point)
        shape = np.broadcast_shapes(Z.shape[:-2], stack)
        return np.broadcast_to(Z, (*shape, *self.shape)).copy()

    def _stack_of(self, base_point: ArrayLike | None) -> tuple[int, ...]:
        """The leading dimensions of base points, which are checked."""
        if base_point is None:
            return ()
        return stacked(base_point, "base_point", self.shape).shape[:-2]

    def projection(self, point: ArrayLike) -> Array:
        """A matrix of the set: the point itself, or one beside it if it does not belong.

        Singular values of a singular matrix are raised to 2e-6 of the largest; a negative
        determinant, where a positive one is asked for, is reflected in the last singular direction.

        Parameters
        ----------
        point : (..., d, d) array
        """
        W = _checks.matrix(point, "point", self.shape)
        U, sigma, Vt = svd(W)
        sigma = raised(sigma)
        if self.positive_det:
            sigma[..., -1] *= np.linalg.slogdet(U)[0] * np.linalg.slogdet(Vt)[0]
        beside = svd_product(U, sigma, Vt)
        return np.where(self.belongs(W)[..., None, None], W, beside)


class DeepLinearMetric(RiemannianMetric):
    r"""The metric g^N on full-rank matrices, g^N(W)(Z, Z) = Tr(Zᵀ 𝒜_{N,W}⁻¹ Z).

    Parameters
    ----------
    space : Manifold
        Of matrices of full rank, such as :class:`EndToEndMatrices`.
    depth : real number >= 1, or inf
        ``inf`` is the limit of N·g^N.

    Notes
    -----
    At finite depth the metric is incomplete: exp, log and geodesics raise
    ``numpy.linalg.LinAlgError`` where they would meet a matrix of lower rank. What is not
    overridden here is geomstats'; its curvatures and Christoffel symbols want points that are
    vectors, and its parallel transport a closed form: these are not available.
    Source: Menon, (4.16), (7.15) corrected, (14.10).
    """

    def __init__(self, space: Manifold, depth: float) -> None:
        if space.point_ndim != 2:
            raise ValueError(f"space must hold matrices; its points have shape {space.shape}")
        self.depth = _checks.depth(depth)
        super().__init__(space)

    def inner_product(
        self, tangent_vec_a: ArrayLike, tangent_vec_b: ArrayLike, base_point: ArrayLike
    ) -> Array:
        """g^N of two tangent vectors, ``(...)``; see :func:`dlngeo.metric.inner`."""
        W, a = self._of(base_point, "base_point"), self._of(tangent_vec_a, "tangent_vec_a")
        return metric.inner(W, a, self._of(tangent_vec_b, "tangent_vec_b"), self.depth)

    def _of(self, value: ArrayLike, name: str) -> Array:
        """Matrices of the shape of the space's points."""
        return stacked(value, name, self._space.shape)

    def inner_coproduct(
        self, cotangent_vec_a: ArrayLike, cotangent_vec_b: ArrayLike, base_point: ArrayLike
    ) -> Array:
        """⟨a, 𝒜_{N,W}(b)⟩ of two covectors, matrices under the trace pairing; ``(...)``."""
        a, b = (
            self._of(cotangent_vec_a, "cotangent_vec_a"),
            self._of(cotangent_vec_b, "cotangent_vec_b"),
        )
        total = (a * metric.apply(self._of(base_point, "base_point"), b, self.depth)).sum((-2, -1))
        return np.asarray(total)

    def metric_matrix(self, base_point: ArrayLike) -> Array:
        """The matrix of 𝒜⁻¹ on the entries of a tangent vector, row by row: (..., mn, mn)."""
        return self._on_entries(metric.solve, base_point)

    def cometric_matrix(self, base_point: ArrayLike) -> Array:
        """The matrix of 𝒜 on the entries of a covector, row by row: (..., mn, mn)."""
        return self._on_entries(metric.apply, base_point)

    def _on_entries(self, operator: Callable[..., Array], base_point: ArrayLike) -> Array:
        W = self._of(base_point, "base_point")
        m, n = self._space.shape
        units = np.eye(m * n).reshape(m * n, m, n)
        images = operator(W[..., None, :, :], units, self.depth)  # a symmetric operator
        return images.reshape(*W.shape[:-2], m * n, m * n)

    def exp(self, tangent_vec: ArrayLike, base_point: ArrayLike) -> Array:
        """The exponential map, (..., m, n); see :func:`dlngeo.metric.exp`."""
        W, Z = self._of(base_point, "base_point"), self._of(tangent_vec, "tangent_vec")
        return metric.exp(W, Z, self.depth)

    def log(self, point: ArrayLike, base_point: ArrayLike) -> Array:
        """The logarithm, (..., m, n); see :func:`dlngeo.metric.log`."""
        W, V = self._of(base_point, "base_point"), self._of(point, "point")
        return metric.log(W, V, self.depth)

    def dist(self, point_a: ArrayLike, point_b: ArrayLike) -> Array:
        """The distance, ``(...)``; see :func:`dlngeo.metric.distance`."""
        A, B = self._of(point_a, "point_a"), self._of(point_b, "point_b")
        return metric.distance(A, B, self.depth)

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
        initial_point : (..., m, n) array
        end_point, initial_tangent_vec : (..., m, n) array or None
            One of the two.

        Returns
        -------
        callable
            From times, a number or ``(time,)``, to points ``(..., time, m, n)``.
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
            points = metric.geodesic(start, velocity, self.depth, times)
            return np.moveaxis(points, 0, -3)

        return path
