"""Everything in the metric that depends on singular values alone, stable at coincidence and zero.

The eigenvalue of the metric operator on u_k v_lᵀ is the quotient
(σ_k² - σ_l²)/(σ_k^{2/N} - σ_l^{2/N}) (Menon, 7.13 corrected). Evaluated as printed it loses every
digit where the two meet. Both forms below are free of subtraction:

- whole N up to ``_LARGEST_SUM``: the sum Σ_j a_k^{N-1-j} a_l^j with a = σ^{2/N};
- any other N: with u = log(larger/smaller), larger^{2-2/N} · expm1(-2u)/expm1(-2u/N).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array

# Up to here the sum is cheaper than the quotient of expm1 (docs/accuracy.md).
_LARGEST_SUM = 12


def spectrum(sigma: ArrayLike, depth: float) -> Array:
    r"""Eigenvalues of the metric operator in singular-value coordinates.

    .. math:: K_{kl} = \frac{\sigma_k^2-\sigma_l^2}{\sigma_k^{2/N}-\sigma_l^{2/N}}, \qquad
       K_{kk} = N\sigma_k^{2-2/N}

    Parameters
    ----------
    sigma : (..., r) array, non-negative, in any order
    depth : real number >= 1, or inf
        At ``inf`` the limit of K / N: (σ_k² - σ_l²)/(2 log(σ_k/σ_l)), and σ_k² where they meet.

    Returns
    -------
    (..., r, r) array
        Relative error below 1e-13 for singular values between 1e-100 and 1e100, equal, nearly
        equal, or zero.

    Raises
    ------
    ValueError
        For negative or non-finite sigma, or depth < 1.

    Notes
    -----
    The case split is σ_k = σ_l or not (not k = l). Source: Menon, (7.13) corrected, (7.14),
    (14.8)-(14.9).

    Examples
    --------
    At depth 2 the eigenvalues are σ_k + σ_l, at infinite depth (σ_k² - σ_l²)/log(σ_k²/σ_l²).

    >>> import math
    >>> import dlngeo as dln
    >>> dln.metric.spectrum([3.0, 1.0], 2).round(12).tolist()
    [[6.0, 4.0], [4.0, 2.0]]
    >>> dln.metric.spectrum([3.0, 1.0], math.inf).round(6).tolist()
    [[9.0, 3.640957], [3.640957, 1.0]]
    """
    return table(_checks.singular_values(sigma), _checks.depth(depth))


def table(sigma: Array, depth: float) -> Array:
    """:func:`spectrum` without checks: each pair once where its quotient is costly."""
    if summed(depth):
        return quotient(sigma[..., :, None], sigma[..., None, :], depth)
    k, l = np.triu_indices(sigma.shape[-1])  # noqa: E741
    K = np.empty((*sigma.shape, sigma.shape[-1]))
    K[..., k, l] = K[..., l, k] = quotient(sigma[..., k], sigma[..., l], depth)
    return K


def summed(depth: float) -> bool:
    """Whether quotients at this depth are formed as sums of powers: if it is whole, and small."""
    return depth <= _LARGEST_SUM and float(depth).is_integer()


def quotient(a: Array, b: Array, depth: float) -> Array:
    """(a² - b²)/(a^{2/N} - b^{2/N}), or (a² - b²)/(2 log(a/b)) at depth inf, broadcast; unchecked.

    The limits where a = b, or one of them is zero, are taken; depth 1 gives 1 everywhere.
    """
    if summed(depth):
        return _power_sum(a, b, int(depth))
    larger, u = np.maximum(a, b), log_ratio(a, b)
    if math.isinf(depth):
        return larger**2 * _ratio(2 * u)
    exponent = 2 / depth
    with np.errstate(invalid="ignore"):
        factor = np.expm1(-2 * u) / np.expm1(-exponent * u)
    return larger ** (2 - exponent) * np.where(u == 0, depth, factor)


def _power_sum(a: Array, b: Array, depth: int) -> Array:
    """Σ_j a^{2(N-1-j)/N} b^{2j/N} for whole N, by Horner's rule: only positive terms."""
    x, y = root(a, depth), root(b, depth)
    power = np.ones_like(y)
    total = np.ones(np.broadcast_shapes(a.shape, b.shape))
    for _ in range(depth - 1):
        power = power * y
        total = total * x + power
    return total


def unit(sigma: Array) -> Array:
    """A power of two near the largest singular value, (..., 1), where powers of it may overflow.

    1 elsewhere: S and the volume of g^N are found at σ/unit, and moved by logarithms.
    """
    top = sigma.max(axis=-1, keepdims=True, initial=0.0)
    far = (top > 1e60) | ((top < 1e-60) & (top > 0))
    if not far.any():
        return np.ones_like(top)
    return np.where(far, np.exp2(np.round(np.log2(np.where(far, top, 1.0)))), 1.0)


def degree(depth: float) -> float:
    """K(cσ) = c^degree K(σ): 2 - 2/N."""
    return 2 - 2 / depth


def second_quotient(a: Array, b: Array, c: Array, depth: float) -> Array:
    r"""The second divided difference of t^N at a^{2/N}, b^{2/N}, c^{2/N}, broadcast; unchecked.

    The derivative of K: K(a, c) - K(b, c) = G(a, b, c) (a^{2/N} - b^{2/N}). Symmetric, and free of
    cancellation where arguments meet or vanish. At depth inf the limit of G/N², the second divided
    difference of exp at the log a²; 0 at depth 1.
    """
    if depth == 1:
        return np.zeros(np.broadcast_shapes(a.shape, b.shape, c.shape))
    if summed(depth):
        x, y, z = (root(s, int(depth)) for s in (a, b, c))
        return homogeneous_sum(x, y, z, int(depth) - 2)
    stacked = np.sort(np.stack(np.broadcast_arrays(a, b, c)), axis=0)
    low, middle, high = stacked
    spread = 2 * log_ratio(high, low)
    apart = spread > 1
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        rise = quotient(middle, high, depth) - quotient(middle, low, depth)
        if math.isinf(depth):
            far = np.where(np.isinf(spread), 0.0, rise / spread)
        else:
            far = rise / (-(high ** (2 / depth)) * np.expm1(-spread / depth))
    if apart.all():
        return np.asarray(far)
    s, t = (np.where(apart, 0.0, -2 * log_ratio(high, x)) for x in (middle, low))
    return np.where(high > 0, np.where(apart, far, _near(high, s, t, depth)), _at_zero(depth))


def homogeneous_sum(x: Array, y: Array, z: Array, degree: int) -> Array:
    """The complete homogeneous polynomial h_degree(x, y, z): the divided difference of t^N."""
    one = np.ones(np.broadcast_shapes(x.shape, y.shape, z.shape))
    pair, triple, power = one, one, one  # h_j(y, z), h_j(x, y, z), z^j
    for _ in range(degree):
        power = power * z
        pair = y * pair + power
        triple = x * triple + pair
    return np.asarray(triple)


def _near(high: Array, s: Array, t: Array, depth: float) -> Array:
    """The same at high, high e^{s/2}, high e^{t/2}, -1 <= s, t <= 0, by its Taylor series.

    With x = N expm1(s/N), y = N expm1(t/N): Σ_n c_n h_n(x, y), c_n = Π_{i<n+2} (1 - i/N)/(n+2)!.
    """
    share = 0.0 if math.isinf(depth) else 1 / depth
    x, y = (v if share == 0 else depth * np.expm1(v * share) for v in (s, t))
    coefficient = 0.5 * (1 - share)
    power, homogeneous = np.ones_like(x), np.ones_like(x)
    total = coefficient * homogeneous
    for n in range(1, 400):  # some 18 terms at large N, 60 near N = 1, 250 at N = 1/2
        coefficient *= (1 - (n + 1) * share) / (n + 2)
        power = power * y
        homogeneous = x * homogeneous + power
        term = coefficient * homogeneous
        total = total + term
        if np.abs(term).max() <= 1e-17 * abs(1 - share):
            break
    scale = 1.0 if share == 0 else depth**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(scale * high ** (2 - 4 * share) * total)


def _at_zero(depth: float) -> float:
    """The second divided difference at (0, 0, 0): finite for N >= 2 only."""
    return 0.0 if depth > 2 else (1.0 if depth == 2 else math.inf)


def root(sigma: Array, depth: int) -> Array:
    """σ^{2/N}; where N is a power of two or three, without the rounding of 2/N."""
    if depth == 1:
        return sigma**2
    if depth == 2:
        return sigma
    if depth == 3:
        return np.asarray(np.cbrt(sigma)) ** 2
    return np.asarray(np.sqrt(sigma)) if depth == 4 else sigma ** (2 / depth)


def log_ratio(a: Array, b: Array) -> Array:
    """The absolute value of log(a/b), to small absolute *and* relative error.

    inf where one of the two is zero, 0 where both are.
    """
    larger, smaller = np.maximum(a, b), np.minimum(a, b)
    safe = np.where(larger > 0, larger, 1.0)
    ratio = smaller / safe
    with np.errstate(divide="ignore"):
        u = np.where(ratio > 0.5, -np.log1p((smaller - larger) / safe), -np.log(ratio))
        if (ratio <= 1e-300).any():  # it may have underflowed
            u = np.where(ratio > 1e-300, u, np.log(safe) - np.log(smaller))
    return np.where(larger > 0, u, 0.0)


def _ratio(x: Array) -> Array:
    """(1 - exp(-x))/x for x >= 0, with its limits 1 at zero and 0 at infinity."""
    return np.where(x > 0, -np.expm1(-x) / np.where(x > 0, x, 1.0), 1.0)
