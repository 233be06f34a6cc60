r"""The Riemannian Langevin equation upstairs, on balanced weights of square layers.

A step moves the weights along the tangent space of the balanced manifold by

.. math:: -\big[\nabla(E\circ\varphi)+\gamma\mathbf W\big]dt
   + \sqrt{2\,dt/\beta}\,\big(P_{\mathrm{orbit}}\,\xi+\sqrt\kappa\,P_{\mathrm{horizontal}}\,\xi\big)

and projects on the manifold. The projection is a retraction of second order, so it brings in the
curvature that drives W by grad S (Menon, 12.3, 12.11; 12.6-12.7 at κ = 0). ξ is one normal number
for each entry of each layer.
"""

from __future__ import annotations

import math

import numpy as np

from dlngeo._checks import Array, Weights
from dlngeo._linalg import product, transpose
from dlngeo.dynamics.schemes import Terms, turning
from dlngeo.geometry.charts import coordinates
from dlngeo.geometry.retraction import retract
from dlngeo.geometry.tangent import Split
from dlngeo.weights import flatten, gradient, unflatten


class Upstairs:
    """Tangential noise on the balanced manifold; a state is all weights as one vector."""

    def __init__(self, terms: Terms, layers: Weights) -> None:
        self._terms = terms
        self.widths = (layers[0].shape[-1], *(W.shape[-2] for W in layers))
        self.noise_size = sum(W.size for W in layers)
        # one layer is any matrix: it has no boundary to be reflected at
        sign = np.linalg.slogdet(product(layers))[0]
        self._orientation = float(sign) if len(layers) > 1 else 0.0

    def end_to_end(self, state: Array) -> Array:
        """The products of the weights."""
        return product(unflatten(state, self.widths))

    def look(self, state: Array) -> tuple[Array, None]:
        """How fast the drift turns."""
        layers = unflatten(state, self.widths)
        sigma = np.linalg.norm(layers[0], 2, axis=(-2, -1)) ** len(layers)
        rate = turning(self._terms.energy, product(layers), sigma, len(layers))
        return rate + self._terms.gamma, None

    def step(self, state: Array, normals: Array, dt: float | Array, known: object = None) -> Array:
        """One step."""
        layers = unflatten(state, self.widths)
        split = Split.of(layers, unflatten(normals, self.widths), None)
        energy, beta, kappa, gamma, _ = self._terms
        h = np.reshape(np.asarray(dt, dtype=float), (-1, 1, 1))
        amplitude = np.sqrt(2 * h / beta)
        V = [
            amplitude * (along + math.sqrt(kappa) * across) - h * gamma * W
            for along, across, W in zip(split.vertical(), split.horizontal(), layers, strict=True)
        ]
        if energy is not None:
            V = [v - h * slope for v, slope in zip(V, gradient(energy, layers), strict=True)]
        return flatten(self._reflected(retract(layers, V)))

    def _reflected(self, layers: Weights) -> Weights:
        """With the last layer's λ_d reflected, where the sign of det W is not the start's."""
        turned = np.linalg.det(product(layers)) * self._orientation < 0
        if not turned.any():
            return layers
        frames, lam = coordinates(tuple(W[turned] for W in layers), self.widths[0])
        last = layers[-1].copy()
        after, before = frames[-1][..., -1:], frames[-2][..., -1:]
        last[turned] -= 2 * lam[..., -1:, None] * after * transpose(before)
        return (*layers[:-1], last)
