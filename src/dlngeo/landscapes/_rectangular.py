"""What a landscape shows of rectangular W, or of hidden layers of other widths: E, S, F, the slope.

The entropy is that of the hidden widths (:mod:`dlngeo.entropy`). The Hessian of S relative to g^N
and the law near singular matrices are derived for square W with hidden layers of its own width
alone, so that there is no curvature, no density and no search for critical points.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd, svd_product
from dlngeo.energies import Energy
from dlngeo.entropy.free_energies import decay_energy
from dlngeo.entropy.laplacian import slope_in_frame
from dlngeo.landscapes._landscape import Landscape
from dlngeo.landscapes._quantities import without_rounding
from dlngeo.spectral.divided_differences import quotient, table
from dlngeo.spectral.entropic_force import signed_log_ratio, total_force
from dlngeo.spectral.fibre_volume import State
from dlngeo.spectral.frame import Frame, Widths


def layers_of(
    widths: Widths, shape: tuple[int, ...], depth: float | Array
) -> tuple[int, ...] | None:
    """The widths of all layers, None where they are those of square W."""
    if widths is None:
        return None
    if np.ndim(depth):
        raise ValueError(f"widths are those of one depth, not of {np.size(depth)}")
    layers = _checks.widths(widths)
    _checks.rank(None, shape, layers, float(depth))  # refuses
    return None if set(layers) == {shape[0]} else layers


def require_rectangular(landscape: Landscape, names: tuple[str, ...]) -> None:
    """Refuse what rectangular W, and other widths, do not have."""
    m, n = landscape.section.base.shape
    what = f"{m} x {n} W" if m != n else "hidden layers of other widths"
    if np.isinf(landscape.numbers["depth"]).any():
        raise ValueError(
            f"depth must be finite for {what}: at depth inf its row and column spaces are frozen"
        )
    for name in ("curvature", "density"):
        if name in names:
            raise ValueError(
                f"{name} is known for square W with hidden layers of its own width, not for {what}"
            )
    felt = set(names) & {"S"} or (
        set(names) & {"F", "slope"} and np.isfinite(landscape.numbers["beta"]).any()
    )
    if felt and landscape.widths is None:
        raise ValueError(
            f"the entropy of a {m} x {n} matrix depends on the hidden layers: pass widths=, or ask "
            "for E, or at beta inf for F and slope, alone"
        )


class Slab(NamedTuple):
    """Points W (p, m, n), cut to a rank, in their frames, and what E says there."""

    U: Array
    sigma: Array
    Vt: Array
    point: Array
    value: Array
    gradient: Array
    widths: tuple[int, ...] | None

    @classmethod
    def of(cls, energy: Energy, W: Array, rank: int, widths: tuple[int, ...] | None) -> Slab:
        """The points, cut to the given rank."""
        U, sigma, Vt = svd(W)
        sigma = without_rounding(W, sigma)
        if rank < sigma.shape[-1]:
            U, sigma, Vt = U[..., :rank], sigma[..., :rank], Vt[..., :rank, :]
            W = svd_product(U, sigma, Vt)
        value, gradient = np.asarray(energy.value(W)), np.asarray(energy.gradient(W))
        return cls(U, sigma, Vt, W, value, gradient, widths)


class Oblong:
    """The quantities of one slab at one depth, β and γ; NaN where infinite, or without a value."""

    def __init__(self, slab: Slab, depth: float, beta: float, gamma: float) -> None:
        self.slab, self.depth, self.beta, self.gamma = slab, depth, beta, gamma

    def energy(self) -> Array:
        """E, without weight decay."""
        return self.slab.value

    def _state(self) -> State:
        """The entropy's view."""
        slab = self.slab
        m, n = slab.point.shape[-2:]
        plain = State.of(np.eye(m, n), self.depth, slab.sigma.shape[-1], slab.widths)
        return plain._replace(U=slab.U, sigma=slab.sigma, Vt=slab.Vt, point=slab.point)

    def entropy(self) -> Array:
        """S."""
        entropy = self._state().entropy()
        return np.where(np.isfinite(entropy), entropy, np.nan)

    def free_energy(self) -> Array:
        """F = E - S/β + decay."""
        F = self.slab.value
        if not math.isinf(self.beta):
            F = F - self.entropy() / self.beta
        return F + decay_energy(self.slab.sigma, self.depth, self.gamma) if self.gamma > 0 else F

    def slope(self) -> Array:
        """The length of grad F in g^N."""
        slab, N = self.slab, self.depth
        K, border = table(slab.sigma, N), quotient(slab.sigma, np.zeros(()), N)
        frame = Frame(slab.U, slab.sigma, slab.Vt, N, K, border)
        parts = frame.split(slab.gradient)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            inside = slope_in_frame(parts.inside, slab.sigma, K, N, math.inf, self.gamma)
            if not math.isinf(self.beta) and N > 1:
                t = signed_log_ratio(slab.sigma[..., :, None], slab.sigma[..., None, :])
                push = (total_force(t, N) + self._state().spare) / slab.sigma ** (1 / N)
                k = np.arange(slab.sigma.shape[-1])
                inside[..., k, k] -= push / (self.beta * math.sqrt(N))
            length = frobenius(inside)
            for beyond in (parts.right, None if parts.left is None else parts.left.mT):
                if beyond is not None:
                    length = np.hypot(length, frobenius(np.sqrt(border)[..., :, None] * beyond))
        return np.where(np.isfinite(length), length, np.nan)
