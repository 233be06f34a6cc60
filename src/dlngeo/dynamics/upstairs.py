r"""The deep linear network as a total space with a gauge group (Menon, sections 10.3, 12.1).

:class:`BalancedWeights` is (M, ι) cut into gauge orbits; a step of the driver in
:mod:`~dlngeo.dynamics.submersion_sde` moves the weights along the tangent space by

.. math:: -\big[\nabla(E\circ\varphi)+\gamma\mathbf W\big]dt
   + \sqrt{2\,dt/\beta}\,\big(P_{\mathrm{orbit}}\,\xi+\sqrt\kappa\,P_{\mathrm{horizontal}}\,\xi\big)

and projects on the manifold. The projection is a retraction of second order, so it brings in the
curvature that drives W by grad S (Menon, 12.3, 12.11; 12.6-12.7 at κ = 0). ξ is one normal number
for each entry of each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import product, transpose
from dlngeo.dynamics.schemes import Terms, turning
from dlngeo.dynamics.submersion_sde import Tangential
from dlngeo.energies import Energy
from dlngeo.geometry.charts import coordinates
from dlngeo.geometry.retraction import nearest
from dlngeo.geometry.tangent import Split
from dlngeo.weights import flatten, gradient, unflatten


class BalancedWeights:
    """Balanced weights of full rank, layers of one width; a point is all weights as one vector.

    The smallest λ is reflected at zero: the sign of det W stays.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = _checks.widths(widths)
        if len(set(self.widths)) != 1:
            raise ValueError(f"widths must be equal, not {self.widths}")
        self.noise_size = (len(self.widths) - 1) * self.widths[0] ** 2

    def noise(self, normals: Array) -> Array:
        """One number for each entry of each layer."""
        return normals

    def split(self, m: Array, v: Array) -> tuple[Array, Array]:
        """The vertical and the horizontal part."""
        split = Split.within(unflatten(m, self.widths), unflatten(v, self.widths), self.widths[0])
        return flatten(split.vertical()), flatten(split.horizontal())

    def move(self, m: Array, v: Array) -> Array:
        """The metric projection of m + v, with λ_d reflected if det W changed its sign."""
        layers = unflatten(m, self.widths)
        new = nearest(layers, unflatten(v, self.widths), self.widths[0])
        return flatten(self._reflected(new, np.linalg.det(product(layers))))

    def observe(self, m: Array) -> Array:
        """The end-to-end matrix."""
        return product(unflatten(m, self.widths))

    def _reflected(self, layers: Weights, before: Array) -> Weights:
        turned = np.linalg.det(product(layers)) * before < 0
        if len(layers) == 1 or not turned.any():  # one layer is any matrix: no boundary
            return layers
        frames, lam = coordinates(tuple(W[turned] for W in layers), self.widths[0])
        last = layers[-1].copy()
        u, v = frames[-1][..., -1:], frames[-2][..., -1:]
        last[turned] -= 2 * lam[..., -1:, None] * u * transpose(v)
        return (*layers[:-1], last)


def lifted_gradient(
    energy: Energy | None, widths: tuple[int, ...], weight_decay: float = 0.0
) -> Callable[[Array], Array]:
    """The map m → ∇(E∘φ) + γ m on weights as one vector."""

    def slope(m: Array) -> Array:
        decay = weight_decay * m
        return decay if energy is None else flatten(gradient(energy, unflatten(m, widths))) + decay

    return slope


def upstairs(terms: Terms, space: BalancedWeights) -> Tangential:
    """The step of (12.3), (12.11), which also says how fast its drift turns."""

    def rate(m: Array) -> Array:
        layers = unflatten(m, space.widths)
        sigma = np.linalg.norm(layers[0], 2, axis=(-2, -1)) ** len(layers)
        return turning(terms.energy, product(layers), sigma, len(layers)) + terms.gamma

    slope = lifted_gradient(terms.energy, space.widths, terms.gamma)
    return Tangential(space, terms.beta, terms.kappa, slope, rate)
