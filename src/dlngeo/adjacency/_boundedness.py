r"""Why gradient flows stay bounded, with explicit constants (Wendin and Altafini, 4.1 and A.3).

The imbalances G_p = W_p W_pᵀ - W_{p+1}ᵀ W_{p+1} are conserved, and where they are given the product
of the layers cannot be small unless the layers are: with x = ‖A‖_F²,

.. math:: \gamma x^N - p(x) \le \|A^N\|_F^2 \le x^N

(the upper bound by submultiplicativity). Here γ = r^{1-N} N^{-N}, r = min(d_N, d_{N-1}), and

.. math:: p(x) = \gamma N c_+\, x^{N-1} + \sum_{p=1}^{N-1} x^{N-p}\big((x + g_p)^p - x^p\big),
   \qquad c = \sum_p p\,\mathrm{Tr}\,G_p,\quad g_p = \|G_p\|_2

has degree N - 1 and coefficients >= 0. It comes of replacing W_p W_pᵀ by W_{p+1}ᵀ W_{p+1} + G_p
layer after layer, from ‖A^N‖² to Tr (W_N W_Nᵀ)^N; then Tr B^N >= r^{1-N} (Tr B)^N (Lemma 38
corrected) and N Tr W_N W_Nᵀ = x - c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo import weights as networks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius
from dlngeo._results.brief import brief
from dlngeo.adjacency._blocks import to_weights


class NormConstants(NamedTuple):
    """The constants of γ x^N - p(x) <= ‖A^N‖_F², x = ‖A‖_F²."""

    gamma: float
    coefficients: Array
    """(..., N) array: of 1, x, ..., x^{N-1} in p."""

    def lower(self, x: ArrayLike) -> Array:
        """γ x^N - p(x), which may be negative."""
        x = _checks.real_array(x, "x")
        if (x < 0).any():
            raise ValueError(f"x must be non-negative, a norm; its smallest entry is {x.min():g}")
        N = self.coefficients.shape[-1]
        powers = x[..., None] ** np.arange(N + 1)
        lower: Array = self.gamma * powers[..., N] - (powers[..., :N] * self.coefficients).sum(-1)
        return lower

    def __repr__(self) -> str:
        return brief(self)


def norm_constants(A: ArrayLike, widths: Sequence[int]) -> NormConstants:
    """Explicit γ and p of Lemma 37, from the imbalances of the network.

    Parameters
    ----------
    A : (..., n_v, n_v) array in block-shift form
    widths : (d_0, ..., d_N)

    Returns
    -------
    NormConstants
        Constant along the gradient flow of every energy.

    Notes
    -----
    Source: Wendin and Altafini, Lemmas 37 and 38 (corrected), (72)-(74); the constants derived.
    """
    widths = _checks.widths(widths)
    return _constants(to_weights(A, widths), widths)


def norm_bound(A: ArrayLike, target: ArrayLike, widths: Sequence[int]) -> Array:
    r"""A bound on ‖A(t)‖_F for all t >= 0 along the gradient flow of Quadratic(target) from A.

    ‖A‖ decreases while ‖A^N‖ >= ‖Σ‖, so it never exceeds the larger of its start and the root of
    γ x^N - p(x) = ‖Σ‖², x = ‖A‖².

    Parameters
    ----------
    A : (..., n_v, n_v) array in block-shift form
    target : (d_N, d_0) array Σ, or a stack
    widths : (d_0, ..., d_N)

    Returns
    -------
    (...) array
        Safe, not sharp: the constants of :func:`norm_constants` give away much at large depth.

    Notes
    -----
    Source: Wendin and Altafini, (23), (26), Prop. 12.1 corrected: forward in time only.
    """
    widths = _checks.widths(widths)
    layers = to_weights(A, widths)
    size = frobenius(_checks.matrix(target, "target", (widths[-1], widths[0])))
    start = networks.norm(layers)
    # Measured by the larger of the start and ‖Σ‖^{1/N}, no power leaves the range.
    root = size ** (1 / len(layers))
    scale = np.maximum(start, root)
    scale = np.where(scale > 0, scale, 1.0)
    scaled = tuple(W / scale[..., None, None] for W in layers)
    largest = _root(_constants(scaled, widths), (root / scale) ** (2 * len(layers)))
    return np.maximum(start, scale * np.sqrt(largest))


def _constants(layers: Weights, widths: tuple[int, ...]) -> NormConstants:
    depth = len(layers)
    G = networks.imbalances(layers)
    gamma = float(min(widths[-2:])) ** (1 - depth) * float(depth) ** -depth
    coefficients = np.zeros((*layers[0].shape[:-2], depth))
    drift = np.zeros(layers[0].shape[:-2])
    for p, G_p in enumerate(G, start=1):
        drift = drift + p * np.trace(G_p, axis1=-2, axis2=-1)
        size = np.linalg.norm(G_p, ord=2, axis=(-2, -1))
        for k in range(1, p + 1):  # x^{N-p} times the terms of (x + g)^p - x^p
            coefficients[..., depth - k] += math.comb(p, k) * size**k
    if depth > 1:
        coefficients[..., depth - 1] += gamma * depth * np.maximum(drift, 0.0)
    return NormConstants(gamma, coefficients)


def _root(constants: NormConstants, level: Array) -> Array:
    """The only x >= 0 with γ x^N - p(x) = level, by Newton's method in y = 1/x.

    Σ p_k y^{N-k} + level y^N = γ has an increasing convex left side. Where a single term makes up
    γ, the start, it is at least γ, and the iterates fall to the root without passing it.
    """
    p = constants.coefficients
    N = p.shape[-1]
    stack = np.broadcast_shapes(p.shape[:-1], level.shape)
    terms = np.broadcast_to(p, (*stack, N)).copy()  # of y^N, ..., y^1
    terms[..., 0] += level
    exponents = np.arange(N, 0, -1)
    present = terms > 0
    alone = (constants.gamma / np.where(present, terms, 1.0)) ** (1 / exponents)
    y = np.where(present, alone, math.inf).min(axis=-1)
    everything_zero = ~present.any(axis=-1)
    y = np.where(everything_zero, 1.0, y)
    for _ in range(200):
        powers = terms * y[..., None] ** (exponents - 1)
        value = (powers * y[..., None]).sum(axis=-1) - constants.gamma
        step = value / np.where(everything_zero, 1.0, (powers * exponents).sum(axis=-1))
        y = np.where(everything_zero, y, y - step)
        if (everything_zero | (np.abs(step) <= 1e-15 * y)).all():
            break
    return np.where(everything_zero, 0.0, 1.0 / y)
