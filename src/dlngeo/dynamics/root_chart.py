r"""The Riemannian Langevin equation in the root chart Y = UΛVᵀ, Λ = Σ^{1/N}.

Nothing degenerates there. Between λ_k and λ_l let x = |log λ_k/λ_l| and S = tanh(Nx/2)/tanh(x/2),
between 1 and N. On the frames of Y the metric g^N is N on the diagonal, S on symmetric and 1/S on
antisymmetric matrices beside it: never farther than a factor N from the Frobenius metric, up to the
boundary λ_d = 0 where W itself is a singular coordinate. For a Gaussian matrix B in the entries'
basis, G = UᵀBV,

.. math:: A_{kk} = G_{kk}/\sqrt N, \qquad
   A_{kl} = \tfrac12\big[(G_{kl}+G_{lk})/\sqrt S + (G_{kl}-G_{lk})\sqrt S\big]

is the noise 𝒜_{N,W}^{1/2}(B) of W carried to Y. The drift of Brownian motion is diagonal in the
frames, κ/β times

.. math:: \sum_{l\ne k}\frac{1/N-1/S}{\lambda_k-\lambda_l}+\frac{1/N-S}{\lambda_k+\lambda_l},
   \qquad \frac1{\sqrt N}\sum_{l\ne k}
   \frac{1/\sqrt N-1/\sqrt S}{\lambda_k-\lambda_l}+\frac{1/\sqrt N-\sqrt S}{\lambda_k+\lambda_l}

in Itô's and in Stratonovich's form. Derived; the equation is Menon's (12.12) with (12.8)-(12.10),
(12.10) corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import transpose
from dlngeo.energies import Energy
from dlngeo.geometry.pulls import signed_log_ratio, total_pull
from dlngeo.geometry.spectrum import log_ratio, quotient

# Coefficients of y, y³, ..., y^19 in tanh y.
_TANH = (
    1.0,
    -1 / 3,
    2 / 15,
    -17 / 315,
    62 / 2835,
    -1382 / 155925,
    21844 / 6081075,
    -929569 / 638512875,
    6404582 / 10854718875,
    -443861162 / 1856156927625,
)


class Frames(NamedTuple):
    """Y = U diag(lam) Vt."""

    U: Array
    lam: Array
    Vt: Array


class RootChart:
    """Drift and noise of (12.12) in the root chart, for stacks of d × d matrices Y."""

    def __init__(
        self,
        energy: Energy | None,
        depth: float,
        beta: float,
        kappa: float,
        gamma: float,
        entropy: bool = True,
    ) -> None:
        self.energy, self.depth, self.beta = energy, depth, beta
        self.kappa, self.gamma, self.entropy = kappa, gamma, entropy

    def to_root(self, W: Array) -> Array:
        """Y of W."""
        U, sigma, Vt = np.linalg.svd(W)
        return np.asarray((U * sigma[..., None, :] ** (1 / self.depth)) @ Vt)

    def from_root(self, Y: Array) -> Array:
        """W of Y."""
        U, lam, Vt = np.linalg.svd(Y)
        return np.asarray((U * lam[..., None, :] ** self.depth) @ Vt)

    def frames(self, Y: Array) -> Frames:
        """The singular value decomposition of Y."""
        return Frames(*np.linalg.svd(Y))

    def field(self, Y: Array, noise: Array | None, h: float | Array | None, ito: bool) -> Array:
        """The drift, Itô's or Stratonovich's, times h, plus √(2κ/β) times the noise carried to Y.

        ``h`` is a number, or one for each matrix, (..., 1, 1); with None the noise alone.
        """
        return self.velocity(self.frames(Y), noise, h, ito)

    def velocity(
        self, frames: Frames, noise: Array | None, h: float | Array | None, ito: bool
    ) -> Array:
        """:meth:`field` at a Y whose frames are known."""
        U, lam, Vt = frames
        x = log_ratio(lam[..., :, None], lam[..., None, :])
        S = _stretch(x, self.depth)
        A = np.zeros_like(U)
        if noise is not None and self.kappa:
            A = math.sqrt(2 * self.kappa / self.beta) * self._noise(
                transpose(U) @ noise @ transpose(Vt), S
            )
        if h is not None:
            A = A + h * self._drift(U, lam, Vt, x, S, ito)
        return np.asarray(U @ A @ Vt)

    def _noise(self, G: Array, S: Array) -> Array:
        root = np.sqrt(S)
        A = 0.5 * ((G + transpose(G)) / root + (G - transpose(G)) * root)
        return np.asarray(A)  # on the diagonal S = N

    def _drift(self, U: Array, lam: Array, Vt: Array, x: Array, S: Array, ito: bool) -> Array:
        N = self.depth
        A = np.zeros_like(U) if self.energy is None else self._descent(U, lam, Vt)
        radial = -self.gamma * lam
        if self.entropy:
            pull = total_pull(N * signed_log_ratio(lam[..., :, None], lam[..., None, :]), N)
            inverse = np.where(lam > 0, 1 / np.where(lam > 0, lam, 1.0), 0.0)
            radial = radial + pull * inverse / (N * self.beta)
        if self.kappa:
            radial = radial + self.kappa / self.beta * _spread(lam, x, S, N, ito)
        diagonal = np.arange(lam.shape[-1])
        A[..., diagonal, diagonal] += radial
        return np.asarray(A)

    def _descent(self, U: Array, lam: Array, Vt: Array) -> Array:
        """Minus the gradient of the energy, in the frames of Y."""
        assert self.energy is not None
        sigma = lam**self.depth
        slope = transpose(U) @ self.energy.gradient((U * sigma[..., None, :]) @ Vt) @ transpose(Vt)
        k, l = lam[..., :, None], lam[..., None, :]  # noqa: E741
        total = k + l
        plus = (sigma[..., :, None] + sigma[..., None, :]) / np.where(total > 0, total, 1.0)
        root = np.sqrt(sigma)
        minus = quotient(root[..., :, None], root[..., None, :], self.depth)  # of σ by λ
        turned = transpose(slope)
        return np.asarray(-0.5 * ((slope + turned) * plus + (slope - turned) * minus))


def _stretch(x: Array, depth: float) -> Array:
    """S = tanh(Nx/2)/tanh(x/2), N at x = 0."""
    apart = x > 0
    safe = np.where(apart, x, 1.0)
    return np.where(apart, np.tanh(0.5 * depth * safe) / np.tanh(0.5 * safe), depth)


def _shortfall(x: Array, S: Array, depth: float) -> Array:
    """N - S without cancellation: a series where Nx is small."""
    y = 0.5 * x
    near = depth * y < 0.3
    small = np.where(near, y, 0.0) ** 2
    series = np.zeros_like(small)
    for j in range(len(_TANH) - 1, 0, -1):
        series = series * small + _TANH[j] * (depth - depth ** (2 * j + 1))
    inside = np.where(near & (y > 0), y, 0.3)
    ratio = np.where(y > 0, inside / np.tanh(inside), 1.0)  # y / tanh y
    return np.where(near, series * small * ratio, depth - S)


def _spread(lam: Array, x: Array, S: Array, depth: float, ito: bool) -> Array:
    """The sums over l of Brownian motion's drift in the chart."""
    k, l = lam[..., :, None], lam[..., None, :]  # noqa: E741
    larger = np.maximum(k, l)
    safe = np.where(larger > 0, larger, 1.0)
    short = _shortfall(x, S, depth)
    if ito:
        pushed = -short / (depth * S)  # 1/N - 1/S
        turned = (1 / depth - S) / safe / (1 + np.exp(-x))
    else:
        root = np.sqrt(S)
        pushed = -short / (math.sqrt(depth) * root * (root + math.sqrt(depth)))
        turned = (1 / math.sqrt(depth) - root) / safe / (1 + np.exp(-x))
    gap = -np.expm1(-x)
    sign = np.where(k >= l, 1.0, -1.0)
    apart = np.where(gap > 0, sign * pushed / safe / np.where(gap > 0, gap, 1.0), 0.0)
    both = apart + turned
    diagonal = np.arange(lam.shape[-1])
    both[..., diagonal, diagonal] = 0.0
    total: Array = both.sum(axis=-1)
    return total if ito else total / math.sqrt(depth)


def runge_kutta(Y: Array, field: Callable[[Array], Array], one: Array) -> Array:
    """The flow of a field over unit time, by one step of the classical method of order 4.

    ``one`` is the field at Y.
    """
    two = field(Y + 0.5 * one)
    three = field(Y + 0.5 * two)
    four = field(Y + three)
    return np.asarray(Y + (one + 2 * two + 2 * three + four) / 6)


def reflected(Y: Array, orientation: Array) -> Array:
    """Y, its smallest singular value reflected where its determinant has not this sign."""
    turned = np.linalg.det(Y) * orientation < 0
    if turned.any():
        U, lam, Vt = np.linalg.svd(Y[turned])
        Y = Y.copy()
        Y[turned] -= 2 * lam[:, -1, None, None] * U[:, :, -1:] * Vt[:, -1:, :]
    return Y
