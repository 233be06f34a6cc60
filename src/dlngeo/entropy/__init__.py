"""Entropy of the fibre over W, its gradient, and the free energy (Menon, sections 6 and 12.2)."""

from __future__ import annotations

from dlngeo.entropy._boltzmann import boltzmann, gradient
from dlngeo.entropy._minimisers import Minimisers, minimise_free_energy
from dlngeo.entropy.free_energies import free_energy, free_energy_gradient, free_energy_hessian
from dlngeo.entropy.laplacian import free_energy_laplacian
from dlngeo.spectral.fibre_volume import orthogonal_group_log_volume, stiefel_log_volume

__all__ = [
    "Minimisers",
    "boltzmann",
    "free_energy",
    "free_energy_gradient",
    "free_energy_hessian",
    "free_energy_laplacian",
    "gradient",
    "minimise_free_energy",
    "orthogonal_group_log_volume",
    "stiefel_log_volume",
]


def __dir__() -> list[str]:
    return __all__
