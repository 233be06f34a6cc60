"""The Gibbs measure of the Riemannian Langevin equation, sampled (Menon, 12.2, 14.3)."""

from __future__ import annotations

from dlngeo.equilibrium._limit_law import (
    limit_density,
    limit_edge_scale,
    limit_moments,
    limit_support,
    mean_square,
)
from dlngeo.equilibrium._metropolis import metropolis
from dlngeo.equilibrium._normalisation import Normalisability, is_rotation_invariant, normalisable
from dlngeo.equilibrium._sampling import (
    SingularValueSample,
    log_density,
    sample,
    sample_singular_values,
)
from dlngeo.equilibrium.mixing import GibbsSample

__all__ = [
    "GibbsSample",
    "Normalisability",
    "SingularValueSample",
    "is_rotation_invariant",
    "limit_density",
    "limit_edge_scale",
    "limit_moments",
    "limit_support",
    "log_density",
    "mean_square",
    "metropolis",
    "normalisable",
    "sample",
    "sample_singular_values",
]


def __dir__() -> list[str]:
    return __all__
