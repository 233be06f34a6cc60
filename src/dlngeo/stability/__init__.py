r"""When training by steps is stable: sharpness against 2/η, and Lyapunov exponents of SGD.

Gradient descent of step η is linearly stable at a minimum exactly if the sharpness, the largest
eigenvalue of the Hessian upstairs, is below 2/η; beyond that edge it can settle on orbits of
period 2.

- :func:`descend` follows the sharpness along gradient descent, :func:`minimal_sharpness` says what
  it is at the flattest minimum, :func:`two_cycle` where the orbits are, and
  :func:`imbalance_change` what a step does to the imbalances.

Stochastic gradient descent of a network that interpolates its data moves, to first order, by a
random product of matrices, and is stable exactly if the largest Lyapunov exponent of that product
is negative, which may hold beyond the edge of gradient descent and fail before it.

- :func:`lyapunov` estimates the exponents from the :func:`tangent_kernel`, and
  :func:`sum_of_exponents` has their sum exactly; :func:`stability_map` goes over steps and batches.
- :func:`commuting_exponent` and :func:`critical_steps` are for scalar data, in closed form.

The loss is the mean over samples, (1/n) Σ_i ½‖W x_i - y_i‖², unless an energy is given; gradient
descent with :class:`~dlngeo.energies.LinearRegression` and step η/n is the same motion.

Source: Chemnitz, Engel, Kuehn and Kuntz, the part on stability of (stochastic) gradient descent.
"""

from __future__ import annotations

from dlngeo.stability._commuting import commuting_exponent, critical_steps
from dlngeo.stability._edge import (
    EdgeRun,
    TwoCycle,
    descend,
    imbalance_change,
    minimal_sharpness,
    two_cycle,
)
from dlngeo.stability._lyapunov import (
    LyapunovEstimate,
    StabilityMap,
    lyapunov,
    stability_map,
    sum_of_exponents,
    tangent_kernel,
)

__all__ = [
    "EdgeRun",
    "LyapunovEstimate",
    "StabilityMap",
    "TwoCycle",
    "commuting_exponent",
    "critical_steps",
    "descend",
    "imbalance_change",
    "lyapunov",
    "minimal_sharpness",
    "stability_map",
    "sum_of_exponents",
    "tangent_kernel",
    "two_cycle",
]


def __dir__() -> list[str]:
    return __all__
