r"""The energy ½ g^N(Ẇ, Ẇ) of a moving W in the chart Y = UΣ^{1/2}Vᵀ, and both its derivatives.

With a = σ^{1/2} the derivative of Y → W multiplies the symmetric part of ŷ = UᵀẎV by
s = a_k + a_l and the antisymmetric part by t = (a_k² + a_l²)/(a_k + a_l), and s t κ⁻¹ is the
eigenvalue K of 𝒜. So, ŷ = S + A split into these parts,

.. math:: L = \tfrac12\sum_{kl} g_{kl}S_{kl}^2 + h_{kl}A_{kl}^2,
   \qquad g = \kappa s/t,\ h = \kappa t/s.

The momentum ∂L/∂Ẏ is g∘S + h∘A in these frames. For the force ∂L/∂Y the frames are turned by
S/(a_l - a_k) and A/(a_l + a_k) half the sum and half the difference of what turns U and V, and the
commutators that stand beside them are divided differences:

.. math:: F^S_{kl} = \sum_j g_{k,l;j}S_{kj}S_{lj} + h_{k,l;j}A_{kj}A_{lj},\qquad
   F^A_{kl} = \frac{\{g\circ S, A\}_{kl} - \{S, h\circ A\}_{kl}}{a_k + a_l},

g_{k,l;j} = (g_kj - g_lj)/(a_k - a_l). In this chart s/t lies between 1 and 2, and nothing below is
subtracted where singular values meet. Directions beyond the rank have a = 0; what two of them span
takes no part. Derived; the metric is Menon's, (4.16), (7.13)-(7.15) corrected, (14.7)-(14.10).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import transpose
from dlngeo.spectral.divided_differences import homogeneous_sum, quotient, second_quotient, summed


class Local(NamedTuple):
    """The metric at one Y: frames and eigenvalues on symmetric and antisymmetric parts."""

    U: Array
    Vt: Array
    along: Array
    across: Array

    def map(self, power: float, X: Array) -> Array:
        """The metric to a power, applied to X."""
        S, A = parts(transpose(self.U) @ X @ transpose(self.Vt))
        return np.asarray(self.U @ (self.along**power * S + self.across**power * A) @ self.Vt)


def parts(x: Array) -> tuple[Array, Array]:
    """The symmetric and the antisymmetric part."""
    half, flipped = 0.5 * x, 0.5 * transpose(x)
    return half + flipped, half - flipped


def stretches(a: Array, b: Array) -> tuple[Array, Array]:
    """The factors s and t of dW by dY between values a and b, 0 where both are."""
    rows, columns = a[..., :, None], b[..., None, :]
    total = rows + columns
    return total, (rows**2 + columns**2) / np.where(total > 0, total, 1.0)


def local(Y: Array, depth: float, rank: int) -> tuple[Local, Array]:
    """The metric at square Y (..., k, k) of this rank, and the values a."""
    U, a, Vt = np.linalg.svd(Y)
    a[..., rank:] = 0.0
    ratio, weight = _ratio(a), _weight(a, depth)
    return Local(U, Vt, weight * ratio, weight / ratio), a


def energy(Y: Array, v: Array, depth: float, rank: int) -> tuple[Array, Array, Array, Local]:
    """L (...), the momentum ∂L/∂v and the force ∂L/∂Y (..., k, k), and the metric there."""
    here, a = local(Y, depth, rank)
    left, right = transpose(here.U), transpose(here.Vt)
    S, A = parts(left @ v @ right)
    if rank < a.shape[-1]:
        for part in (S, A):
            part[..., rank:, rank:] = 0.0
    P, Q = here.along * S, here.across * A
    L = 0.5 * ((P * S).sum(axis=(-2, -1)) + (Q * A).sum(axis=(-2, -1)))
    along, across = _differences(a, here, depth)
    force = along * (S[..., :, None, :] * S[..., None, :, :])
    force += across * (A[..., :, None, :] * A[..., None, :, :])
    turning = P @ A - S @ Q
    total = a[..., :, None] + a[..., None, :]
    turning = (turning - transpose(turning)) / np.where(total > 0, total, 1.0)
    inside = force.sum(axis=-1) + turning
    if rank < a.shape[-1]:
        inside[..., rank:, rank:] = 0.0
    return L, here.U @ (P + Q) @ here.Vt, here.U @ inside @ here.Vt, here


def _ratio(a: Array) -> Array:
    """s/t."""
    rows, columns = a[..., :, None], a[..., None, :]
    squares = rows**2 + columns**2
    return np.asarray(1 + 2 * rows * columns / np.where(squares > 0, squares, 1.0))


def _weight(a: Array, depth: float) -> Array:
    """κ = s t/K, which is 1/K at depth N/2 in the values a; 1 beyond the rank."""
    with np.errstate(divide="ignore"):  # below depth 2 a power of zero
        K = quotient(a[..., :, None], a[..., None, :], depth / 2)
    scale = 2.0 if math.isinf(depth) else 1.0
    return np.asarray(scale / np.where((K > 0) & np.isfinite(K), K, scale))


def _differences(a: Array, here: Local, depth: float) -> tuple[Array, Array]:
    """g_{k,l;j} and h_{k,l;j}, (..., k, l, j)."""
    weight = np.sqrt(here.along * here.across)
    k, l = a[..., :, None, None], a[..., None, :, None]  # noqa: E741
    change = -_bend(a, weight, depth) * (k + l)
    ratio = _ratio(a)
    squares = a[..., :, None] ** 2 + a[..., None, :] ** 2
    squares = np.where(squares > 0, squares, 1.0)
    j = a[..., None, None, :]
    turn = 2 * j * (j * j - k * l) / (squares[..., :, None, :] * squares[..., None, :, :])
    turn = turn * weight[..., :, None, :]
    one, other = ratio[..., :, None, :], ratio[..., None, :, :]
    return turn + other * change, (change - turn / one) / other


def _bend(a: Array, weight: Array, depth: float) -> Array:
    """G at depth N/2, over the three K: κ_{k,l;j} = -(a_k + a_l) times it."""
    every = weight[..., :, :, None] * weight[..., :, None, :] * weight[..., None, :, :]
    if depth == 2:
        return np.zeros_like(every)
    if depth > 2 and summed(depth):
        return every * _half(a ** (2 / depth), int(depth))
    with np.errstate(invalid="ignore", divide="ignore"):
        which, place = _triples(a.shape[-1])
        k, l, j = (a[..., index] for index in which)  # noqa: E741
        G = second_quotient(k, l, j, depth / 2)
    if math.isinf(depth):
        every = every / 4
    return np.asarray(np.where(np.isfinite(G), G, 0.0)[..., place] * every)


@lru_cache(maxsize=32)
def _triples(k: int) -> tuple[Array, Array]:
    """The triples of indices without order (3, count), and the place of each (k, k, k) in them."""
    ordered = np.sort(np.indices((k, k, k)).reshape(3, -1), axis=0)
    which, place = np.unique(ordered, axis=1, return_inverse=True)
    return which, place.reshape(k, k, k)


def _half(lam: Array, depth: int) -> Array:
    """The second divided difference of x^{N/2} at the λ², for whole N > 2: positive terms only.

    (xy h_{N-3}(x, y) + (x + y)z h_{N-3}(x, y, z))/((x + y)(x + z)(y + z)).
    """
    x, y, z = lam[..., :, None, None], lam[..., None, :, None], lam[..., None, None, :]
    sums = lam[..., :, None] + lam[..., None, :]
    sums = np.where(sums > 0, sums, 1.0)
    pair = homogeneous_sum(x, y, np.zeros(()), depth - 3)
    total = x * y * pair + (x + y) * z * homogeneous_sum(x, y, z, depth - 3)
    below = sums[..., :, :, None] * sums[..., :, None, :] * sums[..., None, :, :]
    return np.asarray(total / below)
