"""Solvers that SciPy lacks, for ``solve_ivp(..., method=ROCK4)`` and wherever SciPy's own go.

The gradient flow of a network is stiff, but its Jacobian is minus a Hessian, so the eigenvalues are
real:

- :class:`ROCK4`, of order 4, and :class:`RKC`, of order 2, are explicit and solve no linear system;
  their cost grows with the square root of the stiffness.
- :class:`Auto` is of order 8 where the problem is not stiff and :class:`ROCK4` where it is. The
  flows take it unless told otherwise.
- :class:`GaussLegendre` is implicit and keeps every quadratic invariant to rounding, so the
  imbalances of a network; it is for conservation, not for speed.

All choose their steps, interpolate between them, and warn and refuse as SciPy's solvers do. Used
by :mod:`dlngeo.flows`; they know nothing of networks.

Source: Abdulle, SIAM J. Sci. Comput. 23 (2002) 2041-2054; Sommeijer, Shampine and Verwer, J.
Comput. Appl. Math. 88 (1998) 315-326; Hairer, Lubich and Wanner, "Geometric Numerical Integration",
II.1.3 and IV.2.
"""

from __future__ import annotations

from dlngeo.solvers._auto import Auto
from dlngeo.solvers._gauss_legendre import GaussLegendre, GaussLegendre2, GaussLegendre6
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
    "GaussLegendre2",
    "GaussLegendre6",
]


def __dir__() -> list[str]:
    return __all__
