r"""The Riemannian Langevin equation, downstairs on W and upstairs on balanced weights.

.. math:: dW = \Big[-\mathcal A_{N,W}(E'(W)) + \tfrac1\beta Q_N\Sigma'Q_0^T
   + \tfrac\kappa\beta Q_N\Sigma''Q_0^T - \gamma NW\Big]dt
   + \sqrt{2\kappa/\beta}\;\mathcal A_{N,W}^{1/2}(dB)

(Menon, 12.12 with 12.8-12.10, corrected) for square W of full rank, at any real depth and in the
limit of infinite depth. :func:`simulate` follows many paths of it, or of the balanced weights above
(12.3, 12.11), by one of the :data:`SCHEMES`, and goes on from the :class:`Ensemble` that it
returned, bit for bit; :func:`brownian_motion` leaves the energy out (Theorem 18).

- Path k draws from child k of the seed's ``SeedSequence``, in the entries of W or of the weights: a
  path depends neither on its company nor on the signs and order of singular vectors.
- At λ_d = 0 paths are reflected: the sign of det W is kept, upstairs and downstairs alike.
- :func:`submersion_sde` is the general equation of a space cut into orbits by isometries (10.5,
  12.1); :class:`Sphere`, :class:`HermitianMatrices` and :class:`BalancedWeights` are its spaces.
- :func:`simulate_unbalanced` and :func:`imbalance_drift` tell what noise does to the imbalance
  where nothing keeps it (13.4).

Observables with standard errors are in :mod:`dlngeo.statistics`, the equation's equilibrium in
:mod:`dlngeo.equilibrium`, the same beside its flows in :mod:`dlngeo.simulation`.
"""

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
