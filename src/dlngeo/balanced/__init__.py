"""G-balanced varieties: charts and their inverses, the fibre over W, orbits (Menon, 4 and 5)."""

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
