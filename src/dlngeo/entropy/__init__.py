r"""Entropy of the fibre over W, its gradient, and the free energy (Menon, sections 6 and 12.2).

The fibre O_W is the set of balanced weights whose product is W. In the metric that it inherits from
the weights (Frobenius), for rank r and hidden widths d_1, ..., d_{N-1},

.. math:: \mathrm{vol}(O_W) = \prod_{p=1}^{N-1}\Big[\mathrm{vol}(\mathrm{St}(r,d_p))\,
   2^{r(d_p-r)/2}\prod_k \lambda_k^{d_p-r}\Big]\;
   \prod_{k<l\le r}\sqrt{\frac{\sigma_k^2-\sigma_l^2}{\lambda_k^2-\lambda_l^2}},
   \qquad \lambda = \sigma^{1/N}

and S = log vol(O_W) is :func:`boltzmann`, with :func:`gradient` in g^N. The free energy
F_β = E - S/β + (γN/2) Σ_k σ_k^{2/N}, of weight decay γ, is :func:`free_energy`, with its gradient,
Hessian and Laplacian beside it; :func:`minimise_free_energy` finds all its minimisers over the
closure of the d × d matrices, rank d - 1 included, or says why there are none.

The keywords ``depth``, ``rank`` and ``widths`` are those of :mod:`dlngeo.metric`, its rule for a
σ_r of rounding size included; ``widths`` None means hidden layers of W's own width: W must then be
square. At depth ``inf`` S is the limit without its divergent constant, (14.11) corrected; for a
real depth between whole numbers every formula is continued as it stands.
"""

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
