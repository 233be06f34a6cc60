r"""One equation behind every stochastic door, and behind the flows beside it.

.. math:: dW = \Big[-\mathrm{grad}_{g^N}\Big(E + \tfrac{\gamma N}2\sum_k\sigma_k^{2/N}
   - \tfrac1\beta S\Big) + \tfrac\kappa\beta Q_N\Sigma''Q_0^T\Big]dt
   + \sqrt{2\kappa/\beta}\;\mathcal A_{N,W}^{1/2}(dB)

(Menon, 12.12). At κ = 0 it is the gradient flow of the free energy, and at β = ∞ that of E.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlngeo import _checks
from dlngeo.energies import Energy


@dataclass(frozen=True)
class Equation:
    """What stands in the equation.

    Attributes
    ----------
    energy : Energy or None
        E; None where there is none.
    depth : real number >= 1, or inf
        N; at ``inf`` the limit, in the normalisation of g^∞.
    beta : float > 0
        Inverse temperature.
    kappa : float >= 0
        Strength of the noise in W relative to that in the gauge.
    weight_decay : float >= 0
        γ.
    entropy : bool
        Whether W is driven by grad S; not where noise is of W alone.
    """

    energy: Energy | None
    depth: float
    beta: float = math.inf
    kappa: float = 0.0
    weight_decay: float = 0.0
    entropy: bool = True

    @classmethod
    def of(
        cls, energy: Energy | None, depth: float, beta: float, kappa: float, weight_decay: float
    ) -> Equation:
        """The numbers of a public door, checked; who needs the energy looks at it."""
        return cls(
            energy,
            _checks.depth(depth),
            _checks.positive(beta, "beta"),
            _checks.non_negative(kappa, "kappa"),
            _checks.non_negative(weight_decay, "weight_decay"),
        )

    @property
    def temperature(self) -> float:
        """κ/β, half the variance of the noise in unit time."""
        return self.kappa / self.beta

    @property
    def shrinkage(self) -> float:
        """The rate γN at which weight decay shrinks W; γ at infinite depth."""
        return self.weight_decay * (1.0 if math.isinf(self.depth) else self.depth)

    @classmethod
    def recorded(cls, numbers: Mapping[str, Any]) -> Equation:
        """What :meth:`provenance` wrote down, without an energy."""
        depth, beta, kappa, decay = (
            numbers[name] for name in ("depth", "beta", "kappa", "weight_decay")
        )
        return cls(None, depth, beta, kappa, decay, numbers["entropic_drift"])

    def provenance(self) -> dict[str, Any]:
        """The parameters by name; an energy cannot be written down."""
        return {
            "entropic_drift": self.entropy, "depth": self.depth, "beta": self.beta,
            "kappa": self.kappa, "weight_decay": self.weight_decay,
        }  # fmt: skip
