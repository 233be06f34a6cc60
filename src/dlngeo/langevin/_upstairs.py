r"""The deep linear network as a total space with a gauge group (Menon, sections 10.3, 12.1).

:class:`BalancedWeights` is (M, ι) cut into gauge orbits; a step of the driver in
:mod:`~dlngeo.langevin._submersion_sde` moves the weights along the tangent space by

.. math:: -\big[\nabla(E\circ\varphi)+\gamma\mathbf W\big]dt
   + \sqrt{2\,dt/\beta}\,\big(P_{\mathrm{orbit}}\,\xi+\sqrt\kappa\,P_{\mathrm{horizontal}}\,\xi\big)

and projects on the manifold. The projection is a retraction of second order, so it brings in the
curvature that drives W by grad S (Menon, 12.3, 12.11; 12.6-12.7 at κ = 0). ξ is one normal number
for each entry of each layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._equation import Equation
from dlngeo._linalg import frobenius, product, transpose
from dlngeo._paths.compiled import Plan
from dlngeo.balanced.charts import coordinates
from dlngeo.balanced.retraction import nearest_coordinates, projection
from dlngeo.balanced.tangent import TangentSplit
from dlngeo.energies import Energy
from dlngeo.langevin._submersion_sde import Tangential
from dlngeo.langevin.engines import plan_upstairs
from dlngeo.langevin.lipschitz import lipschitz, lipschitz_ahead, pole
from dlngeo.langevin.root_chart import within_range
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
        layers = unflatten(m, self.widths)
        frames, lam = coordinates(layers, self.widths[0], tol=math.inf)
        split = TangentSplit.at(frames, lam, unflatten(v, self.widths))
        return flatten(split.vertical()), flatten(split.horizontal())

    def move(self, m: Array, v: Array) -> Array:
        """The metric projection of m + v, with λ_d reflected if det W changed its sign.

        NaN where v is too long for a projection, or W leaves the range of floating point.
        """
        layers = unflatten(m, self.widths)
        wanted = tuple(W + Y for W, Y in zip(layers, unflatten(v, self.widths), strict=True))
        new, found = projection(wanted, self.widths[0])
        new = self._reflected(new, _orientation(layers) * found)
        state = within_range(flatten(new), frobenius(new[0]), len(new))
        return np.where(found[..., None], state, np.nan)

    def observe(self, m: Array) -> Array:
        """The end-to-end matrix."""
        return product(unflatten(m, self.widths))

    def _reflected(self, layers: Weights, before: Array) -> Weights:
        turned = _orientation(layers) * before < 0  # no path without a projection: before is 0
        if len(layers) == 1 or not turned.any():  # one layer is any matrix: no boundary
            return layers
        frames, lam = nearest_coordinates(tuple(W[turned] for W in layers), self.widths[0])
        last = layers[-1].copy()
        u, v = frames[-1][..., -1:], frames[-2][..., -1:]
        last[turned] -= 2 * lam[..., -1:, None] * u * transpose(v)
        return (*layers[:-1], last)


def _orientation(layers: Weights) -> Array:
    """The sign of det W, layer by layer: that of the product is lost where λ_d is small."""
    return np.asarray(np.prod([np.linalg.slogdet(W)[0] for W in layers], axis=0))


def lifted_gradient(
    energy: Energy | None, widths: tuple[int, ...], weight_decay: float = 0.0
) -> Callable[[Array], Array]:
    """The map m → ∇(E∘φ) + γ m on weights as one vector."""

    def slope(m: Array) -> Array:
        decay = weight_decay * m
        return decay if energy is None else flatten(gradient(energy, unflatten(m, widths))) + decay

    return slope


class Projection(Tangential):
    """The scheme of (12.3), (12.11): Euler-Maruyama along the tangent space, then projection."""

    upstairs: ClassVar[bool] = True
    depths: ClassVar[str] = "whole"
    kernel: ClassVar[str | None] = "LAYERS"  # it has compiled ones

    def __init__(self, equation: Equation, d: int) -> None:
        self.equation, depth = equation, int(equation.depth)
        space = BalancedWeights((d,) * (depth + 1))
        slope = lifted_gradient(equation.energy, space.widths, equation.weight_decay)
        super().__init__(space, equation.beta, equation.kappa, slope)
        self._widths, self.shape = space.widths, (d, d)

    def keep(self, W: Array) -> None:
        """Nothing: the sign of det W is read off the layers."""

    def start(self, weights: Weights) -> Array:
        """The layers as one vector."""
        return flatten(weights)

    def record(self, state: Array) -> Array:
        """The layers."""
        return state

    def read(self, frames: Array) -> tuple[Array, Weights]:
        """W and the weights."""
        weights = unflatten(frames, self._widths)
        return product(weights), weights

    def prepare(self, state: Array, kept: Array | None = None) -> tuple[Array, None]:
        """A Lipschitz constant of the drift."""
        layers, equation = unflatten(state, self._widths), self.equation
        lam, depth = np.linalg.svd(layers[0], compute_uv=False), len(layers)
        rate = lipschitz(equation.energy, product(layers), lam[..., 0] ** depth, depth)
        spread = math.sqrt(2 * equation.temperature / depth)
        rate = lipschitz_ahead(rate, lam[..., 0], depth, spread) + equation.weight_decay
        return rate + pole(lam, depth, equation.beta, equation.kappa), None

    def on_lanes(self, dt: float) -> Plan:
        """The scheme as the compiled kernels take it."""
        return plan_upstairs(self.equation, self.shape[0], dt, self._frames)

    def _frames(self, state: Array) -> Array:
        """The columns of all frames as rows, and λ, of states as one row each."""
        d = self.shape[0]
        frames, lam = coordinates(unflatten(state, self._widths), d, tol=math.inf)
        rows = [transpose(Q).reshape(len(state), d * d) for Q in frames]
        return np.concatenate([*rows, lam], axis=-1)
