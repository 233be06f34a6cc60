"""The Riemannian Langevin equation, downstairs on W and upstairs on balanced weights."""

from __future__ import annotations

from dlngeo._results.ensemble import Ensemble
from dlngeo.langevin._simulate import brownian_motion, simulate
from dlngeo.langevin._submersion_sde import HermitianMatrices, Sphere, submersion_sde
from dlngeo.langevin._submersion_sde import Paths as Paths
from dlngeo.langevin._unbalanced import TangentNoise, imbalance_drift, simulate_unbalanced
from dlngeo.langevin._upstairs import BalancedWeights
from dlngeo.langevin.schemes import SCHEMES

__all__ = [
    "SCHEMES",
    "BalancedWeights",
    "Ensemble",
    "HermitianMatrices",
    "Sphere",
    "TangentNoise",
    "brownian_motion",
    "imbalance_drift",
    "simulate",
    "simulate_unbalanced",
    "submersion_sde",
]


def __dir__() -> list[str]:
    return __all__
