r"""The clock of one mode: v' = v^{1+a} (s - v) solved for time, and for v (survey, section 5.4).

A singular value u of a balanced network of depth h that learns the value σ moves by
u' = h u^{2-2/h} (σ - u). With v = u/|σ|, time counted in h |σ|^{2-2/h} and a = 1 - 2/h the equation
is that of the title, s the sign of σ. Its solution is implicit, time = G(v) - G(v_0), with G a
hypergeometric function:

* 0 < v < 1, s = 1:  G = ∫ (1 + e^{-ℓ})^a dℓ,  ℓ = log(v/(1-v)),
* v > 1,     s = 1:  G = ∫ (1 - e^{-ℓ})^a dℓ,  ℓ = log(v/(v-1)),
* s = -1:            G = ∫_v^∞ dq / (q^{1+a} (1+q)).

Here G is summed by series about v = 0, 1 and ∞, each where its argument is at most 2/3, so that it
has full relative accuracy from the plateau at v = 0 to the equilibrium v = 1, and a = 0 and a = 1
(depth 2 and infinity) are no special cases. All arrays are broadcast; a is one number in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy.special import digamma, wrightomega, zeta

from dlngeo._checks import Array

_ORDER = np.arange(1, 100)
_LARGEST = 1e300  # of a time
_FROZEN = 690.0  # where v^a < e^-690 nothing moves in any time


def evolve(log_v: Array, sign: Array, a: float, time: Array) -> Array:
    """The value of log v after ``time``, from log v at the start, for sign 1 or -1 (not 0)."""
    log_v, sign, time = np.broadcast_arrays(log_v, sign, time)
    limit = np.where(sign > 0, 0.0, np.where(sign < 0, -np.inf, log_v))
    inner = np.isfinite(log_v)
    over = inner & np.isinf(time)
    result = np.where(over, limit, log_v)
    moving = inner & ~over & (time > 0) & (-a * np.where(inner, log_v, 0.0) < _FROZEN)
    time = np.minimum(time, _LARGEST)
    for case, solve in (
        (moving & (sign > 0) & (log_v < 0), _evolve_below),
        (moving & (sign > 0) & (log_v > 0), _evolve_above),
        (moving & (sign < 0), _evolve_decay),
    ):
        if case.any():
            result[case] = solve(log_v[case], a, time[case])
    return result


def passage(log_v: Array, log_end: Array, sign: Array, a: float) -> Array:
    """The time from log v to ``log_end``; infinity where the mode never comes there."""
    log_v, log_end, sign = np.broadcast_arrays(log_v, log_end, sign)
    result = np.where(log_v == log_end, 0.0, np.inf)
    inner = np.isfinite(log_v) & np.isfinite(log_end)
    for case, clock, state in (
        (inner & (sign > 0) & (log_v < log_end) & (log_end < 0), _below, _logit_below),
        (inner & (sign > 0) & (log_v > log_end) & (log_end > 0), _above, _logit_above),
        (inner & (sign < 0) & (log_v > log_end), _decay, np.positive),
    ):
        if case.any():
            result[case] = clock(state(log_end[case]), a) - clock(state(log_v[case]), a)
    return result


# ------------------------------------------------------------------------- below the equilibrium


def _logit_below(log_v: Array) -> Array:
    return log_v + _log1mexp(-log_v)


def _below(ell: Array, a: float) -> Array:
    """G for 0 < v < 1 at ℓ = logit v."""
    near = ell >= np.log(2)
    x = np.exp(-np.where(near, ell, np.log(2)))
    log_v = -np.logaddexp(0.0, -np.where(near, 0.0, ell))
    b = 1 - a
    far = _power(log_v, -a) + _power(log_v, b) + digamma(1 + b) + np.euler_gamma
    far = far + np.exp(b * log_v) * polyval(np.exp(log_v), np.r_[0, 1 / (_ORDER + b)])
    return np.where(near, ell - _binomial(x, a), far)


def _evolve_below(log_v: Array, a: float, time: Array) -> Array:
    start = _logit_below(log_v)
    target = _below(start, a) + time
    guess = start
    if a == 0:
        guess = target
    elif a > 0.1:  # G is nearly ℓ - e^{-aℓ}/a, which Wright's omega inverts
        y = wrightomega(-a * target)
        with np.errstate(divide="ignore"):
            guess = np.where(target > 0, target + y / a, -np.log(y) / a)
    ell = _newton(
        lambda ell: (_below(ell, a) - target) * np.exp(-a * np.logaddexp(0.0, -ell)),
        np.maximum(guess, start),
    )
    return -np.logaddexp(0.0, -ell)


# ------------------------------------------------------------------------- above the equilibrium


def _logit_above(log_v: Array) -> Array:
    return _log1mexp(log_v)


def _above(ell: Array, a: float) -> Array:
    """G for v > 1 at ℓ = -log(1 - 1/v), zero at v = ∞."""
    near = ell >= np.log(2)
    r = -np.expm1(-np.where(near, 0.0, ell))
    x = -np.exp(-np.where(near, ell, np.log(2)))
    far = r ** (1 + a) * polyval(r, 1 / (_ORDER + a))
    return np.where(near, ell - _binomial(x, a) - digamma(1 + a) - np.euler_gamma, far)


def _evolve_above(log_v: Array, a: float, time: Array) -> Array:
    target = _above(_logit_above(log_v), a) + time
    lower = ((1 + a) * target) ** (1 / (1 + a))
    upper = target + digamma(1 + a) + np.euler_gamma
    ell = _newton(
        lambda ell: (_above(ell, a) - target) * (-np.expm1(-ell)) ** -a,
        np.where(target < 0.5, lower, upper),
    )
    return _log1mexp(ell)  # its own inverse


# ------------------------------------------------------------------------ decay to zero, s = -1


def _log_decay(log_v: Array, a: float) -> Array:
    """The logarithm of ∫_v^∞ dq / (q^{1+a} (1+q))."""
    b = 1 - a
    small = np.minimum(log_v, 0.0)
    log_w = -np.logaddexp(0.0, -small)
    rising = np.cumprod((b + _ORDER - 1) / _ORDER) / (_ORDER + b)  # (b)_k / k! / (k + b)
    left = -_power(small, -a) + _power(log_w, b) + _gap(a)
    left = left + np.exp(b * log_w) * polyval(np.exp(log_w), np.r_[0, rising])
    log_y = -np.logaddexp(0.0, np.maximum(log_v, 0.0))
    rising = np.r_[1, np.cumprod((a + _ORDER) / _ORDER)] / (np.r_[0, _ORDER] + 1 + a)
    right = (1 + a) * log_y + np.log(polyval(np.exp(log_y), rising))
    return np.where(log_v < 0, np.log(left), right)


def _decay(log_v: Array, a: float) -> Array:
    return np.exp(_log_decay(log_v, a))


def _evolve_decay(log_v: Array, a: float, time: Array) -> Array:
    target = np.logaddexp(_log_decay(log_v, a), np.log(time))

    def step(log_v: Array) -> Array:
        value = _log_decay(log_v, a)
        slope = -np.exp(-a * log_v - np.logaddexp(0.0, log_v) - value)
        return (value - target) / slope

    return _newton(step, log_v)


# ------------------------------------------------------------------------------------- pieces


def _power(log_v: Array, c: float) -> Array:
    """(v^c - 1) / c, and log v at c = 0."""
    return np.expm1(c * log_v) / c if c else log_v


def _log1mexp(x: Array) -> Array:
    """-log(1 - e^{-x}) for x > 0."""
    small = x < np.log(2)
    near = -np.log(-np.expm1(-np.where(small, x, 1.0)))
    return np.where(small, near, -np.log1p(-np.exp(-np.where(small, 1.0, x))))


def _gap(a: float) -> float:
    """1/a + 1/(1-a) - π/sin(πa), as π/sin(πx) = 1/x + 2 Σ_k η(2k) x^{2k-1}, η(k) = Σ ±n^{-k}."""
    x, k = min(a, 1 - a), 2.0 * _ORDER[:40]
    return float(1 / (1 - x) - 2 * ((1 - 2 ** (1 - k)) * zeta(k) * x ** (k - 1)).sum())


def _binomial(x: Array, a: float) -> Array:
    """K(x) = ∫_0^x ((1+y)^a - 1) dy/y = Σ_k binom(a, k) x^k / k for |x| <= 1/2."""
    coefficients = np.cumprod((a - _ORDER + 1) / _ORDER) / _ORDER
    return polyval(x, np.r_[0, coefficients])


def _newton(step: Callable[[Array], Array], x: Array) -> Array:
    for _ in range(200):
        change = step(x)
        x = x - change
        if ((np.abs(change) <= 1e-9 * np.abs(x)) | (np.abs(change) <= 1e-16)).all():
            break  # the next change would be its square
    return x
