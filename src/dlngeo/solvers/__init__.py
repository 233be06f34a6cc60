"""Solvers that SciPy lacks, for ``solve_ivp(..., method=RKC)`` and wherever SciPy's own go.

The gradient flow of a network is stiff, but its Jacobian is minus a Hessian, so the eigenvalues are
real:

- :class:`RKC`, Runge-Kutta-Chebyshev, is explicit and solves no linear system; its cost grows with
  the square root of the stiffness. The flows take it unless told otherwise.
- :class:`GaussLegendre` of order 4 is implicit and keeps every quadratic invariant to rounding, so
  the imbalances of a network; it is for conservation, not for speed.

Both choose their steps, interpolate between them, and warn and refuse as SciPy's solvers do. Used
by :mod:`dlngeo.flows`; they know nothing of networks.

Source: Sommeijer, Shampine and Verwer, J. Comput. Appl. Math. 88 (1998) 315-326; Hairer, Lubich and
Wanner, "Geometric Numerical Integration", II.1.3 and IV.2.
"""

from __future__ import annotations

from dlngeo.solvers._auto import Auto
from dlngeo.solvers._gauss_legendre import GaussLegendre
from dlngeo.solvers._rkc import RKC
from dlngeo.solvers._rock4 import ROCK4
from dlngeo.solvers._rock4_coefficients import OFFERED as OFFERED
from dlngeo.solvers._rock4_coefficients import Body as Body
from dlngeo.solvers._rock4_coefficients import coefficients as coefficients
from dlngeo.solvers._rock4_coefficients import reach as reach

__all__ = [
    "RKC",
    "ROCK4",
    "Auto",
    "GaussLegendre",
]


def __dir__() -> list[str]:
    return __all__
