"""Geometry and stochastic dynamics of deep linear networks.

``import dlngeo as dln``, then one flat name for each module: ``dln.energies``, ``dln.weights``,
``dln.metric``, ``dln.adjacency``, ``dln.flows`` and so on, wherever its file lies. A module is
imported when it is first used.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_MODULES = {
    "energies": "dlngeo.energies",
    "weights": "dlngeo.weights",
    "observables": "dlngeo.observables",
    "metric": "dlngeo.geometry.metric",
    "balanced": "dlngeo.geometry.balanced",
    "submersion": "dlngeo.geometry.submersion",
    "entropy": "dlngeo.geometry.entropy",
    "adjacency": "dlngeo.landscape.adjacency",
    "critical_points": "dlngeo.landscape.critical_points",
    "hessian": "dlngeo.landscape.hessian",
    "rates": "dlngeo.landscape.rates",
    "solvers": "dlngeo.dynamics.solvers",
    "flows": "dlngeo.dynamics.flows",
    "exact": "dlngeo.dynamics.exact",
    "stability": "dlngeo.dynamics.stability",
    "langevin": "dlngeo.dynamics.langevin",
    "statistics": "dlngeo.dynamics.statistics",
    "dyson": "dlngeo.dynamics.dyson",
    "equilibrium": "dlngeo.dynamics.equilibrium",
    "nuclear_norm": "dlngeo.studies.nuclear_norm",
    "large_width": "dlngeo.studies.large_width",
    "sequential": "dlngeo.studies.sequential",
    "survey_figures": "dlngeo.studies.survey_figures",
    "simulation": "dlngeo.studies.simulation",
    "completion": "dlngeo.studies.completion",
    "tables": "dlngeo.studies.tables",
}
__all__ = [*_MODULES, "__version__"]

if TYPE_CHECKING:
    from dlngeo import energies as energies
    from dlngeo import observables as observables
    from dlngeo import weights as weights
    from dlngeo.dynamics import dyson as dyson
    from dlngeo.dynamics import equilibrium as equilibrium
    from dlngeo.dynamics import exact as exact
    from dlngeo.dynamics import flows as flows
    from dlngeo.dynamics import langevin as langevin
    from dlngeo.dynamics import solvers as solvers
    from dlngeo.dynamics import stability as stability
    from dlngeo.dynamics import statistics as statistics
    from dlngeo.geometry import balanced as balanced
    from dlngeo.geometry import entropy as entropy
    from dlngeo.geometry import metric as metric
    from dlngeo.geometry import submersion as submersion
    from dlngeo.landscape import adjacency as adjacency
    from dlngeo.landscape import critical_points as critical_points
    from dlngeo.landscape import hessian as hessian
    from dlngeo.landscape import rates as rates
    from dlngeo.studies import completion as completion
    from dlngeo.studies import large_width as large_width
    from dlngeo.studies import nuclear_norm as nuclear_norm
    from dlngeo.studies import sequential as sequential
    from dlngeo.studies import simulation as simulation
    from dlngeo.studies import survey_figures as survey_figures
    from dlngeo.studies import tables as tables


def __getattr__(name: str) -> ModuleType:
    if name not in _MODULES:
        raise AttributeError(f"module 'dlngeo' has no attribute {name!r}")
    return importlib.import_module(_MODULES[name])


def __dir__() -> list[str]:
    return sorted(__all__)
