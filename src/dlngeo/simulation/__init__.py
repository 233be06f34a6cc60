r"""The Riemannian Langevin equation beside the two flows it fluctuates about (Menon, 6.7, 12.12).

From one start: an ensemble of noisy paths, the gradient flow of the free energy
:math:`F_\beta = E - S/\beta`, which the ensemble follows without noise in the observable (κ = 0),
and the gradient flow of E alone, all saved at the same times.

- :func:`beside_flow` runs all three, :func:`beside` puts the flows to an ensemble that there is;
  either returns a :class:`Comparison`.
- :func:`run` does the same from a :class:`Config` and keeps the paths in a folder, group after
  group: interrupted, it goes on from there, and the numbers are those of one run, bit for bit.
  A :class:`Config` is written in TOML; :func:`read` reads it, :data:`PRESETS` has three.
- :func:`on_hyperbola` says where a matrix lies beside the minimisers of rank one of Menon's 2 × 2
  completion problem (14.1), :func:`is_hyperbola` whether an energy is that problem's.

``dlngeo simulate`` is :func:`run` with a figure and a summary (``dlngeo.simulation.study``).
"""

from __future__ import annotations

from dlngeo.simulation._beside import (
    Comparison,
    Position,
    beside,
    beside_flow,
    is_hyperbola,
    on_hyperbola,
)
from dlngeo.simulation.config import PRESETS, Config, read
from dlngeo.simulation.store import run

__all__ = [
    "PRESETS",
    "Comparison",
    "Config",
    "Position",
    "beside",
    "beside_flow",
    "is_hyperbola",
    "on_hyperbola",
    "read",
    "run",
]


def __dir__() -> list[str]:
    return __all__
