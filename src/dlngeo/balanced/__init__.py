"""G-balanced varieties: charts and their inverses, the fibre over W, orbits (Menon, 4 and 5)."""

from __future__ import annotations

from dlngeo.balanced._curvature import mean_curvature, second_fundamental_form
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
from dlngeo.balanced.charts import (
    chart_differential,
    from_left_polar,
    from_right_polar,
    from_svd,
    to_left_polar,
    to_right_polar,
    to_svd,
)
from dlngeo.balanced.retraction import retract
from dlngeo.balanced.tangent import orthonormal_basis, project_tangent, pullback_metric

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
