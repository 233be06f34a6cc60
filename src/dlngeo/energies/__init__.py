"""Energies E(W) of the end-to-end matrix: what a network is trained to minimise.

Any object with the three methods of :class:`Energy` is one, and works wherever an energy is asked
for; what else it may say of itself, its docstring lists. :func:`check` examines an energy of yours.
``KINDS`` holds the energies that a TOML file can name, by name, and :func:`from_config` makes one
from a table of plain numbers.
"""

from __future__ import annotations

from dlngeo.energies._check import Misses, check
from dlngeo.energies._check import asked_slope as asked_slope
from dlngeo.energies._check import asked_value as asked_value
from dlngeo.energies._check import require_stacks as require_stacks
from dlngeo.energies._completion import MatrixCompletion
from dlngeo.energies._completion import checked_triplets as checked_triplets
from dlngeo.energies._entries import SparseCompletion, SparseHuber, SparseLogistic
from dlngeo.energies._kinds import KINDS, NamedEnergy, from_config
from dlngeo.energies._least_squares import Quadratic
from dlngeo.energies._linear_regression import LinearRegression, WeightMaps, Whitening
from dlngeo.energies._logistic import Logistic
from dlngeo.energies._on_lanes import compile_energy
from dlngeo.energies._on_lanes import compiled_part as compiled_part
from dlngeo.energies._on_lanes import entries_part as entries_part
from dlngeo.energies._on_lanes import on_lanes as on_lanes
from dlngeo.energies._protocol import Compiled, Energy, Entries, Fits, NullSpace
from dlngeo.energies._protocol import Spectral as Spectral
from dlngeo.energies._sensing import MatrixSensing

__all__ = [
    "KINDS",
    "Compiled",
    "Energy",
    "Entries",
    "Fits",
    "LinearRegression",
    "Logistic",
    "MatrixCompletion",
    "MatrixSensing",
    "Misses",
    "NamedEnergy",
    "NullSpace",
    "Quadratic",
    "SparseCompletion",
    "SparseHuber",
    "SparseLogistic",
    "WeightMaps",
    "Whitening",
    "check",
    "compile_energy",
    "from_config",
]


def __dir__() -> list[str]:
    return __all__
