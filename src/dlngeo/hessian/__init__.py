r"""The Hessian of the network's loss, without forming it (Wendin and Altafini, section 4.5).

Along a line of weights the end-to-end matrix is a polynomial, φ(A + εV) = W + ε ρ_1 + ε² ρ_2 + ...,
and the Hessian quadratic form of the lifted loss L = E ∘ φ is

.. math:: \mathfrak h(A, V) = \frac{d^2}{d\varepsilon^2} L(A + \varepsilon V)\Big|_0
   = \langle E''(W)\rho_1, \rho_1\rangle + 2\,\langle E'(W), \rho_2\rangle

(22); for :class:`~dlngeo.energies.Quadratic` of target Σ it is |ρ_1|² - 2 Tr(ρ_2 (Σ - W)ᵀ). Here
stand the form (:func:`form`), its product with a tangent tuple in O(N) matrix products
(:func:`apply`), the full matrix for small networks (:func:`dense`), and what its spectrum says:
:func:`extreme_eigenvalues`, :func:`nullity`, :func:`sharpness`, and :func:`sharpness_at_minimum`,
which needs no Hessian. Every function takes any :class:`~dlngeo.energies.Energy`, any widths, and
stacks of weights; where a tangent tuple V stands beside the weights, their leading dimensions
broadcast.
"""

from __future__ import annotations

from dlngeo.hessian._form import (
    Extremes,
    apply,
    dense,
    extreme_eigenvalues,
    form,
    nullity,
    sharpness,
    sharpness_at_minimum,
)

__all__ = [
    "Extremes",
    "apply",
    "dense",
    "extreme_eigenvalues",
    "form",
    "nullity",
    "sharpness",
    "sharpness_at_minimum",
]


def __dir__() -> list[str]:
    return __all__
