r"""The entropic force between two singular values, and how it changes.

At full rank S = ½ Σ_{k<l} log K(σ_k, σ_l) + (Σ_p(d_p - r)/N) Σ_k log σ_k, up to a constant, and

.. math:: s_k = \frac{\partial S}{\partial\sigma_k} = \frac1{N\sigma_k}\Big[\sum_{l\ne k}
   \varphi(t_{kl}) + \sum_p(d_p-r)\Big],\quad t_{kl} = \log\frac{\sigma_l}{\sigma_k},\quad
   \varphi(t) = \tfrac12\big[N-1-N\mathcal L(t)+\mathcal L(t/N)\big]

with the Langevin function 𝓛(y) = coth y - 1/y (Menon, 12.8, without its cancellation). φ falls
from N - 1 to 0. The first half of the file is φ and its divided differences; the second the second
derivative of S as a function of the matrix, which needs [s_k - s_l]/[σ_k - σ_l] where the two meet.
At depth ``inf`` every φ stands for the limit of φ/N.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import zeta

from dlngeo._checks import Array
from dlngeo.spectral.divided_differences import log_ratio, root, summed


def signed_log_ratio(a: Array, b: Array) -> Array:
    """log(b/a), accurate where the two meet."""
    return np.where(b < a, -1.0, 1.0) * log_ratio(a, b)


def total_force(t: Array, depth: float) -> Array:
    """Σ_{l≠k} φ(t_kl) for t_kl = log(σ_l/σ_k), (..., r, r): what pushes σ_k up."""
    force = pair_force(t, depth)
    diagonal = np.arange(t.shape[-1])
    force[..., diagonal, diagonal] = 0.0
    return np.asarray(force.sum(axis=-1))


def pair_force(t: Array, depth: float) -> Array:
    """φ(t); at depth inf the limit of φ/N, (1 - 𝓛(t))/2."""
    if math.isinf(depth):
        return np.asarray(0.5 * (1 - _langevin(t)))
    near = 0.5 * (depth - 1 - depth * _langevin(t) + _langevin(t / depth))
    # Far apart the Langevin functions cancel; N/(1 - e^{2t}) - 1/(1 - e^{2t/N}) does not.
    far = np.where(np.abs(t) > 1, t, 1.0)
    with np.errstate(over="ignore"):
        apart = 1 / np.expm1(2 * far / depth) - depth / np.expm1(2 * far)
    return np.where(np.abs(t) > 1, apart, near)


def mutual_forces(a: Array, b: Array, depth: float) -> tuple[Array, Array]:
    """φ(t) and φ(-t) for t = log(b/a), a >= b >= 0: how b pushes a up, and a pushes b."""
    if summed(depth):
        top = root(a, int(depth))
        ratio = root(b, int(depth)) / np.where(top > 0, top, 1.0)
        up, down = whole_depth_forces(ratio, int(depth))
        return up, ratio * down
    t = signed_log_ratio(a, b)
    return pair_force(t, depth), pair_force(-t, depth)


def whole_depth_forces(ratio: Array, depth: int) -> tuple[Array, Array]:
    r"""φ(t) and φ(-t)/x for x = e^{2t/N} <= 1 at whole N: quotients of positive sums.

    :math:`\varphi(t) = \sum_j (N-1-j)x^j/\sum_j x^j`, :math:`\varphi(-t) = \sum_j jx^j/\sum_j x^j`.
    """
    if depth == 1:
        return np.zeros_like(ratio), np.zeros_like(ratio)
    up, down, total = np.ones_like(ratio), np.full_like(ratio, depth - 1), 1 + ratio
    for j in range(2, depth):
        for polynomial, coefficient in ((up, j), (down, depth - j), (total, 1)):
            polynomial *= ratio
            polynomial += coefficient
    up /= total
    down /= total
    return up, down


def force_fall(t: Array, s: Array, gap: Array, depth: float) -> Array:
    """-φ[t, s]/N, the divided difference of φ at two places ``gap`` = ±(t - s) apart, |gap| < 1.

    Positive. At depth inf 𝓛[t, s]/2.
    """
    near = np.maximum(np.abs(t), np.abs(s)) <= _SERIES
    series = _series_fall(np.where(near, t, 0.0), np.where(near, s, 0.0), depth)
    t, s = (np.where(near, 2.0, np.abs(x)) for x in (t, s))
    wide = 1 / (t * s) if math.isinf(depth) else _coth_fall(t, s, gap, depth)
    return np.where(near, series, 0.5 * (wide - _coth_fall(t, s, gap, 1)))


def _coth_fall(t: Array, s: Array, gap: Array, depth: float) -> Array:
    """-(coth t/N - coth s/N)/(t - s)/N = sinhc(gap/N)/(N² sinh(t/N) sinh(s/N)) for t, s > 0."""
    x, y, h = t / depth, s / depth, gap / depth
    sinhc = np.where(h == 0, 1.0, np.sinh(h) / np.where(h == 0, 1.0, h))
    product = np.expm1(-2 * x) * np.expm1(-2 * y)
    return np.asarray(4 * sinhc * np.exp(-x - y) / product / depth**2)


def _series_fall(t: Array, s: Array, depth: float) -> Array:
    """½ Σ_n c_n (1 - N^{-2n}) h_{2n-2}(t, s), 𝓛 = Σ c_n y^{2n-1}: to rounding below 1.5."""
    log_depth = math.log(depth)
    power, homogeneous = np.ones_like(s), np.ones_like(s)
    total = np.zeros_like(s)
    for n, coefficient in enumerate(_LANGEVIN, start=1):
        total = total - 0.5 * coefficient * math.expm1(-2 * n * log_depth) * homogeneous
        for _ in range(2):
            power = power * s
            homogeneous = t * homogeneous + power
    return np.asarray(total)


def _langevin(y: Array) -> Array:
    """Coth y - 1/y: its Taylor series where the two cancel, 12 terms to rounding at |y| < 1/2."""
    small = np.where(np.abs(y) < 0.5, y, 0.0)
    z = small**2
    series = np.zeros_like(z)
    for coefficient in reversed(_LANGEVIN[:12]):
        series = series * z + coefficient
    large = np.where(np.abs(y) < 0.5, 1.0, y)
    return np.where(np.abs(y) < 0.5, small * series, 1 / np.tanh(large) - 1 / large)


_SERIES = 1.5  # the radius of convergence is π: (1.5/π)^{2·28} < 1e-17

# The coefficients 2^{2n} B_{2n}/(2n)! = (-1)^{n+1} 2 ζ(2n)/π^{2n} of y^{2n-1}, n = 1, 2, ...
_LANGEVIN = tuple(
    (-1) ** (n + 1) * 2 * float(zeta(2 * n)) / math.pi ** (2 * n) for n in range(1, 29)
)


# ------------------------------------------------------------------------ second derivatives of S


class Curvature(NamedTuple):
    """The second derivative of W ↦ S(W) on C = Uᵀ Z V, by parts; the ranges are W's own."""

    diagonal: Array  # (..., r, r): ∂²S/∂σ_k∂σ_l, on the diagonal of C
    symmetric: Array  # (..., r, r): (s_k - s_l)/(σ_k - σ_l), on (C + Cᵀ)/2 off the diagonal
    skew: Array  # (..., r, r): (s_k + s_l)/(σ_k + σ_l), on (C - Cᵀ)/2
    border: Array  # (..., r): s_k/σ_k, on what leaves one of the ranges


def entropy_curvature(sigma: Array, depth: float, spare: float) -> Curvature:
    """The second derivative of S at positive singular values; ``spare`` is Σ_p (d_p - r).

    Relative to the terms that make it up each entry is true to rounding, for singular values that
    meet or differ hugely; for a real depth within ε of 2 up to a factor 1/ε.
    """
    a, b = sigma[..., :, None], sigma[..., None, :]
    diagonal = np.arange(sigma.shape[-1])
    if depth == 2:
        slope, cross = 0.5 / (a + b), -0.5 / (a + b) ** 2
        own = cross.copy()
        between = np.zeros_like(cross)
        third = -0.5 / ((a + b)[..., :, None, :] * (a + b)[..., None, :, :])
    else:
        t = signed_log_ratio(a, b)
        share = pair_force(t, depth) / (1.0 if math.isinf(depth) else depth)
        fall = force_fall(t, t, np.zeros_like(t), depth)
        slope, cross = share / a, -fall / a / b
        own = (fall - share) / a / a
        between = -_pair_gap(t, share, depth) / a / b
        third = _third_party(sigma, t, share, depth)
    # third[..., k, l, m] is what m does to (s_k - s_l)/(σ_k - σ_l), m other than k and l
    third[..., diagonal, :, diagonal] = 0.0
    third[..., :, diagonal, diagonal] = 0.0
    for part in (slope, own):
        part[..., diagonal, diagonal] = 0.0
    extra = 0.0 if math.isinf(depth) else spare / depth
    force = slope.sum(axis=-1) + extra / sigma
    second = cross
    second[..., diagonal, diagonal] = own.sum(axis=-1) - extra / sigma / sigma
    return Curvature(
        diagonal=second,
        symmetric=between + third.sum(axis=-1) - extra / a / b,
        skew=(force[..., :, None] + force[..., None, :]) / (a + b),
        border=force / sigma,
    )


def power_curvature(sigma: Array, power: float) -> Curvature:
    """The same for Σ_k σ_k^{q+1}/(q+1), whose s_k are σ_k^q, -1 < q <= 1."""
    a, b = sigma[..., :, None], sigma[..., None, :]
    smaller, larger, u = np.minimum(a, b), np.maximum(a, b), log_ratio(a, b)
    # (a^q - b^q)/(a - b), in the form whose exponential cannot overflow
    rise = np.expm1(-abs(power) * u) / np.where(u > 0, np.expm1(-u), 1.0)
    head = larger ** (power - 1) if power > 0 else -(smaller**power) / larger
    own = power * sigma ** (power - 1)
    return Curvature(
        diagonal=own[..., :, None] * np.eye(sigma.shape[-1]),
        symmetric=np.where(u > 0, head * rise, own[..., :, None]),
        skew=(a**power + b**power) / (a + b),
        border=sigma ** (power - 1),
    )


def _pair_gap(t: Array, share: Array, depth: float) -> Array:
    """-ab (s_a - s_b)/(a - b) for two alone: (φ(u) + 2 o(u)/(e^u - 1))/N, u = |t|, o odd in φ."""
    u = np.abs(t)
    layers = 1.0 if math.isinf(depth) else depth
    upper = np.where(t >= 0, share, np.swapaxes(share, -1, -2))  # φ(|t|)/N
    odd = _langevin_slope(u) - (0.0 if math.isinf(depth) else _langevin_slope(u / layers)) / (
        layers**2
    )
    with np.errstate(over="ignore"):
        weight = np.where(u > 0, u / np.where(u > 0, np.expm1(u), 1.0), 1.0)
    return np.asarray(upper - odd * weight)


def _langevin_slope(y: Array) -> Array:
    """𝓛(y)/y, 1/3 at zero."""
    return np.where(y == 0, _LANGEVIN[0], _langevin(y) / np.where(y == 0, 1.0, y))


def _third_party(sigma: Array, t: Array, share: Array, depth: float) -> Array:
    """(φ(t_km)/σ_k - φ(t_lm)/σ_l)/(N (σ_k - σ_l)), (..., k, l, m)."""
    a, b = sigma[..., :, None], sigma[..., None, :]
    gap = np.broadcast_to(t[..., :, :, None], (*t.shape, t.shape[-1]))
    apart = np.abs(gap) >= 1
    rate = share / a
    width = np.where(np.abs(t) >= 1, a - b, 1.0)
    far = (rate[..., :, None, :] - rate[..., None, :, :]) / width[..., :, :, None]
    close = np.where(np.abs(t) < 1, np.abs(t), 0.0)
    larger = np.maximum(a, b)
    # (log a - log b)/(a - b)
    logs = 1 / (larger * np.where(close > 0, -np.expm1(-close) / _nonzero(close), 1.0))
    tk, tl = (np.where(apart, 0.0, x) for x in (t[..., :, None, :], t[..., None, :, :]))
    fall = force_fall(tk, tl, np.where(apart, 0.0, gap), depth)
    near = fall * (logs / a)[..., :, :, None] - share[..., None, :, :] / a[..., None] / b[..., None]
    return np.where(apart, far, near)


def _nonzero(x: Array) -> Array:
    return np.where(x == 0, 1.0, x)
