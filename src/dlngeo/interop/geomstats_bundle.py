r"""The submersion φ as geomstats' fibre bundle; users find it in :mod:`dlngeo.interop.geomstats`.

Source: Menon, section 6.4, Theorem 13.
"""

from __future__ import annotations

import geomstats.backend as gs
import numpy as np
from geomstats.geometry.fiber_bundle import AlignerAlgorithm, FiberBundle
from geomstats.geometry.group_action import GroupAction
from geomstats.geometry.manifold import register_quotient
from numpy.typing import ArrayLike

from dlngeo import balanced, metric, submersion
from dlngeo._checks import Array
from dlngeo.balanced.integrability import integrability
from dlngeo.interop.geomstats_balanced import (
    BalancedManifold,
    EmbeddedMetric,
    layers_of,
    stacked,
)
from dlngeo.weights import end_to_end

_STEP = 2e-3  # of the differences in the derivative of the integrability tensor


class GaugeAction(GroupAction):
    """The orthogonal groups of the hidden layers, W_p → P_p W_p P_{p-1}ᵀ.

    Parameters
    ----------
    d : int >= 1
    depth : int >= 1
    """

    def __init__(self, d: int, depth: int) -> None:
        self.group_elem_shape = (depth - 1, d, d)

    def __call__(self, group_elem: ArrayLike, point: ArrayLike) -> Array:
        """Weights turned by P_1, ..., P_{depth-1}: (..., depth, d, d).

        See :func:`dlngeo.balanced.act`.
        """
        turn = stacked(group_elem, "group_elem", self.group_elem_shape)
        depth, d = turn.shape[-3] + 1, turn.shape[-1]
        W = stacked(point, "point", (depth, d, d))
        return np.stack(balanced.act(layers_of(W), layers_of(turn)), axis=-3)


class HorizontalAligner(AlignerAlgorithm):
    """Moves a point along its fibre to the end of a horizontal geodesic.

    The geodesic of g^N downstairs between the two end-to-end matrices, lifted to ``base_point``.
    """

    def align(self, point: ArrayLike, base_point: ArrayLike) -> Array:
        """The point of the fibre of ``point`` nearest to ``base_point``, (..., depth, d, d).

        Parameters
        ----------
        point, base_point : (..., depth, d, d) arrays
        """
        space = self._total_space
        W, base = (
            stacked(value, name, space.shape)
            for value, name in ((point, "point"), (base_point, "base_point"))
        )
        below, end = end_to_end(layers_of(base)), end_to_end(layers_of(W))
        velocity = metric.log(below, end, space.depth)
        return space.metric.exp(_lifted(velocity, base), base)


class EndToEndBundle(FiberBundle):
    """The submersion φ: weights → end-to-end matrix, from the balanced manifold to (M_d, g^N).

    Parameters
    ----------
    total_space : BalancedManifold
        Its ``fiber_bundle`` after ``equip_with_group_action(GaugeAction(d, depth))`` and
        ``equip_with_quotient()``. The base is :class:`EndToEndMatrices` with
        :class:`DeepLinearMetric`, which is the quotient metric.
    """

    def __init__(self, total_space: BalancedManifold) -> None:
        super().__init__(total_space, aligner=HorizontalAligner(total_space))

    def riemannian_submersion(self, point: ArrayLike) -> Array:
        """The end-to-end matrix W_N ⋯ W_1, (..., d, d)."""
        return end_to_end(layers_of(self._of(point, "point")))

    def tangent_riemannian_submersion(self, tangent_vec: ArrayLike, base_point: ArrayLike) -> Array:
        """The differential dφ, (..., d, d); see :func:`dlngeo.submersion.differential`."""
        V, W = self._pair(tangent_vec, base_point)
        return submersion.differential(layers_of(W), layers_of(V))

    def lift(self, point: ArrayLike) -> Array:
        """Balanced weights over a matrix, (..., depth, d, d), in the symmetric gauge.

        See :func:`dlngeo.balanced.lift`.
        """
        space = self._total_space
        W = stacked(point, "point", (space.d, space.d))
        return np.stack(balanced.lift(W, space.depth), axis=-3)

    def horizontal_projection(self, tangent_vec: ArrayLike, base_point: ArrayLike) -> Array:
        """The horizontal part, (..., depth, d, d); see :func:`dlngeo.submersion.horizontal`."""
        V, W = self._pair(tangent_vec, base_point)
        return np.stack(submersion.horizontal(layers_of(W), layers_of(V)), axis=-3)

    def vertical_projection(self, tangent_vec: ArrayLike, base_point: ArrayLike) -> Array:
        """The vertical part, (..., depth, d, d); see :func:`dlngeo.submersion.vertical`."""
        V, W = self._pair(tangent_vec, base_point)
        return np.stack(submersion.vertical(layers_of(W), layers_of(V)), axis=-3)

    def is_horizontal(
        self, tangent_vec: ArrayLike, base_point: ArrayLike, atol: float = gs.atol
    ) -> Array:
        """Whether a tangent vector is its horizontal part, up to ``atol`` in each entry."""
        miss = self.horizontal_projection(tangent_vec, base_point) - np.asarray(tangent_vec)
        return np.asarray((np.abs(miss) <= atol).all(axis=(-3, -2, -1)))

    def horizontal_lift(
        self,
        tangent_vec: ArrayLike,
        base_point: ArrayLike | None = None,
        fiber_point: ArrayLike | None = None,
    ) -> Array:
        """The horizontal vector over a matrix, (..., depth, d, d).

        Parameters
        ----------
        tangent_vec : (..., d, d) array
        base_point : (..., d, d) array or None
            Lifted where ``fiber_point`` is None.
        fiber_point : (..., depth, d, d) array or None
        """
        if fiber_point is None:
            if base_point is None:
                raise ValueError("a horizontal lift needs one of base_point and fiber_point")
            d = self._total_space.d
            fiber_point = self.lift(stacked(base_point, "base_point", (d, d)))
        d = self._total_space.d
        Z, W = stacked(tangent_vec, "tangent_vec", (d, d)), self._of(fiber_point, "fiber_point")
        return _lifted(Z, W)

    def integrability_tensor(
        self, tangent_vec_a: ArrayLike, tangent_vec_b: ArrayLike, base_point: ArrayLike
    ) -> Array:
        """O'Neill's tensor A_a b, (..., depth, d, d).

        ver ∇_{hor a} hor b + hor ∇_{hor a} ver b, in closed form.
        """
        a, b = self._of(tangent_vec_a, "tangent_vec_a"), self._of(tangent_vec_b, "tangent_vec_b")
        a, b, W = np.broadcast_arrays(a, b, self._of(base_point, "base_point"))
        return np.stack(integrability(layers_of(W), layers_of(a), layers_of(b)), axis=-3)

    def integrability_tensor_derivative(
        self,
        horizontal_vec_x: ArrayLike,
        horizontal_vec_y: ArrayLike,
        nabla_x_y: ArrayLike,
        tangent_vec_e: ArrayLike,
        nabla_x_e: ArrayLike,
        base_point: ArrayLike,
    ) -> tuple[Array, Array]:
        """∇_X (A_Y E), by differences of fourth order (some 1e-9), and A_Y E.

        All (..., depth, d, d); Y and E are extended with the covariant derivatives that are given.
        """
        names = ("horizontal_vec_x", "horizontal_vec_y", "nabla_x_y", "tangent_vec_e", "nabla_x_e")
        values = (horizontal_vec_x, horizontal_vec_y, nabla_x_y, tangent_vec_e, nabla_x_e)
        vectors = [self._of(value, name) for name, value in zip(names, values, strict=True)]
        x, y, dy, e, de, W = np.broadcast_arrays(*vectors, self._of(base_point, "base_point"))
        space = self._total_space

        def moved(t: float) -> Array:
            there = np.stack(balanced.retract(layers_of(W), layers_of(t * x)), axis=-3)
            return self.integrability_tensor(
                space.to_tangent(y + t * dy, there), space.to_tangent(e + t * de, there), there
            )

        h = _STEP / max(float(np.abs(x).max(initial=0.0)), 1e-300)
        near, far = (moved(t) - moved(-t) for t in (h, 2 * h))
        slope = (8 * near - far) / (12 * h)
        return space.to_tangent(slope, W), self.integrability_tensor(y, e, W)

    def _of(self, value: ArrayLike, name: str) -> Array:
        return stacked(value, name, self._total_space.shape)

    def _pair(self, tangent_vec: ArrayLike, base_point: ArrayLike) -> tuple[Array, Array]:
        V, W = self._of(tangent_vec, "tangent_vec"), self._of(base_point, "base_point")
        V, W = np.broadcast_arrays(V, W)
        return V, W


def _lifted(Z: Array, W: Array) -> Array:
    return np.stack(submersion.horizontal_lift(layers_of(W), Z), axis=-3)


register_quotient(
    Space=BalancedManifold,
    Metric=EmbeddedMetric,
    GroupAction=GaugeAction,
    FiberBundle=EndToEndBundle,
)
