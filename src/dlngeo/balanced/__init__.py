r"""G-balanced varieties: charts and their inverses, the fibre over W, orbits (Menon, 4, 5, 8).

The variety of G = (G_1, ..., G_{N-1}) holds the weights whose imbalances
W_p W_pᵀ - W_{p+1}ᵀ W_{p+1} are the G_p. At G = 0 it is the union of the balanced manifolds M_r, one
for each rank r; for hidden widths d_p >= r these have the chart

.. math:: \mathfrak z:\ W_p = Q_p\Lambda Q_{p-1}^T, \qquad Q_p\in\mathrm{St}(r,d_p),\
   \Lambda = \Sigma^{1/N},\qquad W_N\cdots W_1 = Q_N\Sigma Q_0^T

(:func:`from_svd`, :func:`to_svd`), and the orthogonal groups of the hidden layers :func:`act` on
them. The charts 𝔵 and 𝔶 build weights of any G layer by layer, from the input
(:func:`from_right_polar`) or from the output (:func:`from_left_polar`). :func:`lift` finds balanced
weights over a given W, :func:`random` any; :func:`residual` measures how far weights are from a
variety. Of the tangent spaces there are the projection (:func:`project_tangent`), the basis of
Theorem 14 (:func:`orthonormal_basis`), a retraction of second order (:func:`retract`), the metric
in coordinates (:func:`pullback_metric`), and the curvature of the orbits (:func:`mean_curvature`,
:func:`second_fundamental_form`). The split into what moves W and what does not is that of
:mod:`dlngeo.submersion`.

``rank`` None stands for the least width. What is singular at lower rank (coordinates, projections,
retraction, curvature, lifts) refuses layers with σ_r(W_p) <= max(d_p, d_{p-1}) ε σ_1(W_p), unless
the entries determine σ_r to their own rounding, and names the numerical rank. It looks at each
layer, never at the product, whose singular values are N-th powers.
"""

from __future__ import annotations

from dlngeo.balanced._curvature import mean_curvature, second_fundamental_form
from dlngeo.balanced._orthonormal_basis import orthonormal_basis, pullback_metric
from dlngeo.balanced._polar_charts import (
    from_left_polar,
    from_right_polar,
    to_left_polar,
    to_right_polar,
)
from dlngeo.balanced._varieties import (
    act,
    contains,
    dimension,
    lift,
    orbit_dimension,
    random,
    residual,
    simons_cone,
    simons_coordinates,
)
from dlngeo.balanced.charts import chart_differential, from_svd, to_svd
from dlngeo.balanced.retraction import retract
from dlngeo.balanced.tangent import project_tangent

__all__ = [
    "act",
    "chart_differential",
    "contains",
    "dimension",
    "from_left_polar",
    "from_right_polar",
    "from_svd",
    "lift",
    "mean_curvature",
    "orbit_dimension",
    "orthonormal_basis",
    "project_tangent",
    "pullback_metric",
    "random",
    "residual",
    "retract",
    "second_fundamental_form",
    "simons_cone",
    "simons_coordinates",
    "to_left_polar",
    "to_right_polar",
    "to_svd",
]


def __dir__() -> list[str]:
    return __all__
