r"""The Gibbs measure of the Riemannian Langevin equation, sampled (Menon, 12.2, 14.3).

For an energy that sees singular values alone, (12.12) with parameters β and κ leaves invariant

.. math:: e^{-\beta E/\kappa}\;
   \Big[\frac{\mathrm{van}(\Lambda^{2N})}{\mathrm{van}(\Lambda^2)}\Big]^{1/(2\kappa)}
   \mathrm{van}(\Lambda^2)\, d\Lambda \times \text{Haar} \times \text{Haar},

which is e^{(S - βE)/κ} times the volume of g^N: the entropy S enters divided by κ, the energy
multiplied by β/κ. Whether that can be normalised, :func:`normalisable` says; :func:`sample` draws
from it, and :func:`limit_density` is its law for wide matrices, with :func:`limit_moments` and
:func:`limit_support`. For any other energy the measure is
e^{(S - βE)/κ} times the volume all the same, and :func:`metropolis` draws from it.

The Langevin equation itself keeps the sign of det W; the measure here is its equilibrium over both
signs, which are equally likely where the energy is rotation-invariant.

What is drawn is a :class:`GibbsSample`, an :class:`~dlngeo.langevin.Ensemble` that says how well
its chains mixed. :mod:`dlngeo.large_width` holds wide samples against the limit.
"""

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
