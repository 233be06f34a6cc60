r"""Deep linear networks as geomstats' manifolds, so that its own tools run on them.

- :class:`EndToEndMatrices`, the invertible matrices downstairs, with :class:`DeepLinearMetric`, the
  metric g^N (Menon, sections 4.3 and 7): random points, exp, log, dist, geodesics, Fréchet means.
- :class:`BalancedManifold`, the balanced manifold M_d upstairs (Menon, sections 4 and 5), a level
  set of the imbalances, with :class:`EmbeddedMetric`, the Frobenius metric of the ambient space.

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
from geomstats.geometry.base import LevelSet, VectorSpaceOpenSet
from geomstats.geometry.manifold import Manifold
from geomstats.geometry.matrices import Matrices
from geomstats.geometry.nfold_manifold import NFoldManifold
from geomstats.geometry.riemannian_metric import RiemannianMetric
from numpy.typing import ArrayLike

from dlngeo import _checks, weights
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, svd, transpose
from dlngeo.geometry import balanced, metric

_FLOOR = 2e-6  # relative, of raised singular values: geomstats' tests accept what exceeds 1e-6

# ------------------------------------------------------------------------------------ downstairs


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
        if W.shape[-2:] != self.shape:
            return np.zeros(W.shape[:-2], dtype=bool)
        inside = _of_full_rank(W, atol)
        return inside & (np.linalg.slogdet(W)[0] > 0) if self.positive_det else inside

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
        sigma = _raised(sigma)
        if self.positive_det:
            sigma[..., -1] *= np.linalg.slogdet(U)[0] * np.linalg.slogdet(Vt)[0]
        beside = (U * sigma[..., None, :]) @ Vt
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
        return metric.inner(base_point, tangent_vec_a, tangent_vec_b, self.depth)

    def inner_coproduct(
        self, cotangent_vec_a: ArrayLike, cotangent_vec_b: ArrayLike, base_point: ArrayLike
    ) -> Array:
        """⟨a, 𝒜_{N,W}(b)⟩ of two covectors, matrices under the trace pairing; ``(...)``."""
        raised = metric.apply(base_point, cotangent_vec_b, self.depth)
        total = (np.asarray(cotangent_vec_a) * raised).sum(axis=(-2, -1))
        return np.asarray(total)

    def metric_matrix(self, base_point: ArrayLike) -> Array:
        """The matrix of 𝒜⁻¹ on the entries of a tangent vector, row by row: (..., mn, mn)."""
        return self._on_entries(metric.solve, base_point)

    def cometric_matrix(self, base_point: ArrayLike) -> Array:
        """The matrix of 𝒜 on the entries of a covector, row by row: (..., mn, mn)."""
        return self._on_entries(metric.apply, base_point)

    def _on_entries(self, operator: Callable[..., Array], base_point: ArrayLike) -> Array:
        W = _checks.matrix(base_point, "base_point", self._space.shape)
        m, n = self._space.shape
        units = np.eye(m * n).reshape(m * n, m, n)
        images = operator(W[..., None, :, :], units, self.depth)  # a symmetric operator
        return images.reshape(*W.shape[:-2], m * n, m * n)

    def exp(self, tangent_vec: ArrayLike, base_point: ArrayLike) -> Array:
        """The exponential map, (..., m, n); see :func:`dlngeo.metric.exp`."""
        return metric.exp(base_point, tangent_vec, self.depth)

    def log(self, point: ArrayLike, base_point: ArrayLike) -> Array:
        """The logarithm, (..., m, n); see :func:`dlngeo.metric.log`."""
        return metric.log(base_point, point, self.depth)

    def dist(self, point_a: ArrayLike, point_b: ArrayLike) -> Array:
        """The distance, ``(...)``; see :func:`dlngeo.metric.distance`."""
        return metric.distance(point_a, point_b, self.depth)

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
        if initial_tangent_vec is not None and end_point is None:
            velocity = initial_tangent_vec
        elif end_point is not None and initial_tangent_vec is None:
            velocity = self.log(end_point, initial_point)
        else:
            raise ValueError("a geodesic needs one of end_point and initial_tangent_vec")

        def path(t: ArrayLike) -> Array:
            times = np.atleast_1d(np.asarray(t, dtype=float))
            points = metric.geodesic(initial_point, velocity, self.depth, times)
            return np.moveaxis(points, 0, -3)

        return path


# -------------------------------------------------------------------------------------- upstairs


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
        if W.shape[-3:] != self.shape:
            return np.zeros(W.shape[:-3], dtype=bool)
        invertible = np.all(_of_full_rank(W, atol), axis=-1)
        finite = np.where(invertible[..., None, None, None], W, np.eye(self.d))
        return np.asarray(invertible & weights.is_balanced(_layers(finite), tol=atol))

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
        if V.shape[-3:] != self.shape:
            return np.zeros(V.shape[:-3], dtype=bool)
        change = np.abs(self.tangent_submersion(V, W)).max(axis=(-3, -2, -1), initial=0.0)
        scale = frobenius(V).max(axis=-1) * frobenius(W).max(axis=-1)
        return np.asarray(change <= atol * scale)

    def to_tangent(self, vector: ArrayLike, base_point: ArrayLike) -> Array:
        """Orthogonal projection on the tangent space, (..., depth, d, d).

        See :func:`dlngeo.balanced.project_tangent`.
        """
        V, W = self._stack(vector, "vector"), self._stack(base_point, "base_point")
        V, W = np.broadcast_arrays(V, W)
        return np.stack(balanced.project_tangent(_layers(W), _layers(V)), axis=-3)

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
        array = _checks.real_array(value, name)
        if array.shape[-3:] != self.shape:
            raise ValueError(f"{name} must have shape (..., *{self.shape}), not {array.shape}")
        return array


class EmbeddedMetric(RiemannianMetric):
    """The metric of the ambient space on :class:`BalancedManifold`: Σ_p Tr(A_pᵀ B_p).

    Its geodesics are not known in closed form; exp, log and dist are not available. Those of its
    quotient by the orthogonal groups are: :class:`DeepLinearMetric`.
    """

    def inner_product(
        self,
        tangent_vec_a: ArrayLike,
        tangent_vec_b: ArrayLike,
        base_point: ArrayLike | None = None,
    ) -> Array:
        """The inner product, ``(...)``; the base point matters only by its leading dimensions."""
        a, b = np.asarray(tangent_vec_a), np.asarray(tangent_vec_b)
        total = (a * b).sum(axis=(-3, -2, -1))
        if base_point is None:
            return np.asarray(total)
        stack = np.broadcast_shapes(total.shape, np.shape(base_point)[:-3])
        return np.broadcast_to(total, stack).copy()


# ---------------------------------------------------------------------------------------- shared


def _layers(point: Array) -> Weights:
    """The layers of a stack (..., depth, d, d)."""
    return tuple(np.moveaxis(point, -3, 0))


def _read_off(point: Array) -> Array:
    """Balanced weights from any, exact on the manifold."""
    layers = _layers(point)
    U, sigma, Vt = svd(layers[0])
    frames, values = [transpose(Vt), U], [sigma]
    for W in layers[1:]:
        left, _, right = np.linalg.svd(W @ frames[-1])
        frames.append(left @ right)
        values.append(np.einsum("...ik,...ij,...jk->...k", frames[-1], W, frames[-2]))
    lam = _raised(np.mean(values, axis=0))
    return np.stack(balanced.from_svd(frames, lam), axis=-3)


def _of_full_rank(W: Array, atol: float) -> Array:
    """Whether each matrix is finite and of smallest singular value > atol times the largest."""
    finite = np.asarray(np.isfinite(W).all(axis=(-2, -1)))
    _, sigma, _ = svd(np.where(finite[..., None, None], W, 0.0))
    return np.asarray(finite & (sigma[..., -1] > atol * sigma[..., 0]))


def _raised(sigma: Array) -> Array:
    """Singular values, those of a singular matrix raised to 2e-6 of the largest (of 1 if zero)."""
    largest = sigma.max(axis=-1, keepdims=True)
    least = sigma.min(axis=-1, keepdims=True)
    floor = _FLOOR * np.where(largest > 0, largest, 1.0)
    return np.where(least > gs.atol * largest, sigma, np.maximum(sigma, floor))
