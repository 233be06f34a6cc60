"""Coefficients of the fourth-order orthogonal Runge-Kutta-Chebyshev methods, computed, not listed.

The stability polynomial is R = w·P, w of degree 4 with complex roots near 0, P of degree s - 4 the
orthogonal polynomial with weight w²/√(1-x²) on the interval, so that R ripples evenly below
:data:`RIPPLE`. Given P, order 4 for linear problems makes w the beginning of e^z/P(z); given w,
three-term recurrences make P: two or three rounds settle both. P's recurrence is the method's body.
What a four-stage method must add for order 4 follows from the elementary weights of the body, in
closed form (two nodes are free), and a null vector of the conditions of order 3 is its estimate of
the error.

Source: A. Abdulle, "Fourth order Chebyshev methods with recurrence relation", SIAM J. Sci. Comput.
23 (2002) 2041-2054, for the construction; Hairer, Norsett and Wanner, "Solving ODEs I", II.1-II.2.
"""

from __future__ import annotations

import bisect
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array

RIPPLE = 0.95  # bound of |R| on the stability interval
_EDGE = -math.log(RIPPLE)  # R(-edge) = ripple: the interval of oscillation begins there
_ROUNDS = 3
_BEGIN = np.array([1, 0.674, 0.2325, 0.0545, 0.00972])  # w for many stages
_NODES = (0.36, 0.48)  # of the finish, in parts of its length: coefficients stay below 2.5
_ERROR = 0.01  # the estimate of a local error is this part of h⁴ times the fourth derivative


class Coefficients(NamedTuple):
    """Body and finish of the s-stage method."""

    body: tuple[tuple[float, float, float, float], ...]  # (μ, ν, κ, c): g = μhf(c) + νg' + κg''
    start: float  # the time of the finish's first stage
    A: tuple[Array, ...]  # the finish: stages 2, 3, 4
    b: Array
    c: tuple[float, ...]
    error: Array  # of the finish's four stages and the right-hand side at the end


def reach(stages: int) -> float:
    """The length of the real stability interval, from below: 0.3508 s² - 2.85 for s >= 5."""
    return 0.3508 * stages**2 - 2.85


def _offered() -> list[int]:
    """The numbers of stages on offer: all to 20, then in steps of five percent."""
    stages = list(range(5, 21))
    while stages[-1] < 1000:
        stages.append(math.ceil(1.05 * stages[-1]))
    return stages


OFFERED = _offered()
_REACHES = [reach(s) for s in OFFERED]


def stages_for(z: float) -> int:
    """The least number of stages on offer that is stable for h·ρ = z."""
    return OFFERED[min(bisect.bisect_left(_REACHES, z), len(OFFERED) - 1)]


@lru_cache(maxsize=128)
def coefficients(stages: int) -> Coefficients:
    """The method with ``stages`` >= 5 evaluations a step, one more for the estimate of its error."""
    mu, nu, kappa = _body(stages)
    weights = np.zeros((2, 8))  # elementary weights of the last two stages
    times = []
    for m, n, k in zip(mu, nu, kappa, strict=True):
        times.append(float(weights[1, 0]))
        weights = np.stack((weights[1], n * weights[1] + k * weights[0] + m * _grown(weights[1])))
    missing = _missing(weights[1])
    A, b, c = _finish(missing)
    return Coefficients(
        tuple(zip(mu.tolist(), nu.tolist(), kappa.tolist(), times, strict=True)),
        float(weights[1, 0]),
        tuple(A[i, :i] for i in (1, 2, 3)),
        b,
        tuple(c.tolist()),
        _error(A, c, missing),
    )


def _body(stages: int) -> tuple[Array, Array, Array]:
    """μ, ν, κ of P_j(z) = (μ_j z + ν_j) P_{j-1} + κ_j P_{j-2}, with P_j(0) = 1."""
    length = reach(stages)
    w, slope = _BEGIN, 2 / (length - _EDGE)
    for _ in range(_ROUNDS):
        a, b2 = _recurrence(w, stages - 4, length)
        w = _beginning(a, b2, slope)
    mu, nu, kappa = np.empty((3, stages - 4))
    ratio = math.inf  # of the monic polynomials at z = 0, of degrees j + 1 and j
    for j in range(stages - 4):
        at_zero, back = 1 + _EDGE * slope - a[j], b2[j] / ratio
        ratio = at_zero - back
        mu[j], nu[j], kappa[j] = slope / ratio, at_zero / ratio, -back / ratio
    return mu, nu, kappa


def _recurrence(w: Array, degree: int, length: float) -> tuple[Array, Array]:
    """Of the monic polynomials of weight w(z)²/√(1-x²): p_{j+1} = (x - a_j) p_j - b²_j p_{j-1}.

    x runs from 1 at z = -edge to -1 at z = -length. Lanczos on the Gauss-Chebyshev nodes, which
    integrate all that occurs exactly.
    """
    n = degree + 6
    x = np.cos((np.arange(n) + 0.5) * (math.pi / n))
    z = (x - 1) * ((length - _EDGE) / 2) - _EDGE
    q = np.polyval(w[::-1], z)
    q /= np.linalg.norm(q)
    before, norm = np.zeros(n), 0.0
    a, b2 = np.empty((2, degree))
    for j in range(degree):
        v = x * q - norm * before
        b2[j] = norm**2
        a[j] = v @ q
        v -= a[j] * q
        norm = float(np.linalg.norm(v))
        before, q = q, v / norm
    return a, b2


def _beginning(a: Array, b2: Array, slope: float) -> Array:
    """The terms of e^z/P(z) to degree 4, for P with P(0) = 1 and this recurrence."""
    before, P = np.zeros(5), np.array([1.0, 0, 0, 0, 0])
    for j in range(len(a)):
        after = (1 + _EDGE * slope - a[j]) * P - b2[j] * before
        after[1:] += slope * P[:-1]
        before, P = P / after[0], after / after[0]
    w = np.zeros(5)
    for k in range(5):
        w[k] = 1 / math.factorial(k) - w[:k] @ P[k:0:-1]
    return w


def _grown(w: Array) -> Array:
    """The elementary weights of h f(g), for those of g, trees ordered as in :func:`_missing`."""
    t1, t2, t31, t32 = w[:4]
    return np.array([1, t1, t1**2, t2, t1**3, t1 * t2, t31, t32])


def _missing(p: Array) -> Array:
    """Σb, ΣbC, ΣbC², ΣbAC, ΣbC³, ΣbC·AC, ΣbAC², ΣbAAC that the finish needs for order 4.

    p are the body's elementary weights of the trees •, [•], [•,•], [[•]], [•,•,•], [•,[•]],
    [[•,•]], [[[•]]]; A, b, C are the finish alone, which begins where the body ends.
    """
    p1, p2, p31, p32, p41, p42, p43, p44 = p
    s1 = 1 - p1
    s2 = 1 / 2 - p2 - p1 * s1
    s31 = 1 / 3 - p31 - p1**2 * s1 - 2 * p1 * s2
    s32 = 1 / 6 - p32 - p2 * s1 - p1 * s2
    s41 = 1 / 4 - p41 - p1**3 * s1 - 3 * p1**2 * s2 - 3 * p1 * s31
    s42 = 1 / 8 - p42 - p1 * p2 * s1 - (p1**2 + p2) * s2 - p1 * (s31 + s32)
    s43 = 1 / 12 - p43 - p31 * s1 - p1**2 * s2 - 2 * p1 * s32
    s44 = 1 / 24 - p44 - p32 * s1 - p2 * s2 - p1 * s32
    return np.array([s1, s2, s31, s32, s41, s42, s43, s44])


def _finish(missing: Array) -> tuple[Array, Array, Array]:
    """A, b, c of the four-stage method with these sums; all conditions are linear in turn."""
    s1, s2, s31, s32, s41, s42, s43, s44 = missing
    c2, c3 = _NODES[0] * s1, _NODES[1] * s1
    lack = s43 - c2 * s32
    c4 = (lack * s42 - s44 * (s41 - c2 * s31)) / (lack * s32 - s44 * (s31 - c2 * s2))
    c = np.array([0, c2, c3, c4])
    b = np.linalg.solve(np.vander(c, increasing=True).T, np.array([s1, s2, s31, s41]))
    b4a43 = lack / (c3 * (c3 - c2))
    b3a32 = (s42 - c4 * s32) / (c2 * (c3 - c4))
    b4a42 = (s32 - b4a43 * c3) / c2 - b3a32
    A = np.zeros((4, 4))
    A[2, 1], A[3, 1], A[3, 2] = b3a32 / b[2], b4a42 / b[3], b4a43 / b[3]
    A[:, 0] = c - A.sum(axis=1)
    return A, b, c


def _error(A: Array, c: Array, missing: Array) -> Array:
    """Weights of a difference to order 3: no tree of order 3 or less sees it."""
    s1, s2, _, s32 = missing[:4]
    C, AC, AAC = np.append(c, s1), np.append(A @ c, s2), np.append(A @ A @ c, s32)
    null = np.linalg.svd(np.stack((np.ones(5), C, C**2, AC)))[2][-1]
    return np.asarray(_ERROR * null / (null @ AAC))
