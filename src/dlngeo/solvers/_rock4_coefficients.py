"""Coefficients of the fourth-order orthogonal Runge-Kutta-Chebyshev methods, computed, not listed.

The stability polynomial is R = w·P, w of degree 4 with complex roots near 0, P of degree s - 4 the
orthogonal polynomial with weight w²/√(1-x²) on the interval, so that R ripples evenly below
:data:`RIPPLE`. Given P, order 4 for linear problems makes w the beginning of e^z/P(z); given w, a
recurrence makes P: three rounds settle both.

P is shared between two bodies, every other zero each, each a recurrence again; w is the four stages
between them. At the end, where Abdulle has them, they would multiply the rounding of their first
stage by w, up to 0.01 z⁴; in the middle it is the root of that. What they must add for order 4
follows from the elementary weights of the bodies, in closed form but for two free nodes, and a null
vector of the conditions of order 3 estimates the error.

Source: A. Abdulle, "Fourth order Chebyshev methods with recurrence relation", SIAM J. Sci. Comput.
23 (2002) 2041-2054, for the construction; Hairer, Norsett and Wanner, "Solving ODEs I", II.1-II.2.
"""

from __future__ import annotations

import bisect
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

from dlngeo._checks import Array

RIPPLE = 0.95  # bound of |R| on the stability interval
_EDGE = -math.log(RIPPLE)  # R(-edge) = ripple: the interval of oscillation begins there
_ROUNDS = 3
_BEGIN = np.array([1, 0.674, 0.2325, 0.0545, 0.00972])  # w for many stages
_NODES = (0.36, 0.48)  # of the finish, in parts of its length: coefficients stay below 2.5
_ERROR = 0.002  # the estimate of a local error is this part of h⁴ times the fourth derivative


Body = tuple[tuple[float, float, float, float], ...]


class Coefficients(NamedTuple):
    """Two bodies of stages g = μhf(c) + νg' + κg'', and the four stages between them."""

    first: Body  # (μ, ν, κ, c) a stage; c is the time of the slope
    second: Body
    starts: tuple[float, float]  # the times at which the first body ends and the second begins
    A: tuple[Array, ...]  # the stages 2, 3, 4 between, on the slopes before them
    b: Array
    c: tuple[float, ...]
    error: Array  # of y, the first body's end, h times three slopes, and the new state


def reach(stages: int) -> float:
    """The length of the real stability interval, from below: 0.3508 s² - 2.85 for s >= 5."""
    return 0.3508 * stages**2 - 2.85


def _offered() -> list[int]:
    """The numbers of stages on offer, five percent apart; odd ones, beyond 12, round better."""
    stages = list(range(5, 13))
    while stages[-1] < 500:
        stages.append(2 * math.ceil(0.525 * stages[-1]) + 1)
    return stages


OFFERED = _offered()
_REACHES = [reach(s) for s in OFFERED]


def stages_for(z: float) -> int:
    """The least number of stages on offer that is stable for h·ρ = z."""
    return OFFERED[min(bisect.bisect_left(_REACHES, z), len(OFFERED) - 1)]


@lru_cache(maxsize=128)
def coefficients(stages: int) -> Coefficients:
    """The method with ``stages`` >= 5 evaluations a step."""
    length = reach(stages)
    slope = 2 / (length - _EDGE)
    w = _BEGIN
    for _ in range(_ROUNDS):
        a, b2 = _recurrence(w, stages - 4, length)
        w = _beginning(a, b2, slope)
    zeros = eigh_tridiagonal(a, np.sqrt(b2[1:]), eigvals_only=True)[::-1]
    size = np.abs(np.polyval(w[::-1], (zeros - 1) / slope - _EDGE))
    first, p, times = _body(zeros[::2], size[::2], slope)
    second, q, later = _body(zeros[1::2], size[1::2], slope)
    missing = _missing(p, _before(q))
    A, b, c = _finish(missing)
    start = 1 - float(q[0])
    return Coefficients(
        tuple(zip(*first.tolist(), times, strict=True)),
        tuple(zip(*second.tolist(), (start + t for t in later), strict=True)),
        (float(p[0]), start),
        tuple(A[i, :i] for i in (1, 2, 3)),
        b,
        tuple((p[0] + c).tolist()),
        _error(p, A, c),
    )


def _body(zeros: Array, size: Array, slope: float) -> tuple[Array, Array, list[float]]:
    """μ, ν, κ (3, stages) of the polynomial with these zeros, P_j(0) = 1; its weights and times.

    The P_j before it are orthogonal on the zeros, weighed by the size of w there.
    """
    x = 1 + _EDGE * slope - zeros
    steps = np.empty((3, zeros.size))
    weights, times = np.zeros((2, 8)), []  # elementary weights of the last two stages
    basis = np.empty((zeros.size + 1, zeros.size))
    basis[0] = np.sqrt(size) / max(np.linalg.norm(np.sqrt(size)), 1e-300)
    norm, ratio = 0.0, math.inf  # ratio: of the monic polynomials at z = 0, of degrees j + 1 and j
    for j in range(zeros.size):
        v = x * basis[j]
        at_zero, back = float(v @ basis[j]), norm**2 / ratio
        v -= (v @ basis[: j + 1].T) @ basis[: j + 1]
        norm = float(np.linalg.norm(v))
        basis[j + 1] = v / norm if norm > 0 else 0.0
        ratio = at_zero - back
        steps[:, j] = mu, nu, kappa = slope / ratio, at_zero / ratio, -back / ratio
        times.append(float(weights[1, 0]))
        grown = nu * weights[1] + kappa * weights[0] + mu * _grown(weights[1])
        weights = np.stack((weights[1], grown))
    return steps, weights[1], times


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


def _before(q: Array) -> Array:
    """The elementary weights that a method must have before one with weights q, for order 4."""
    q1, q2, q31, q32, q41, q42, q43, q44 = q
    b1 = 1 - q1
    b2 = 1 / 2 - q2 - b1 * q1
    b31 = 1 / 3 - q31 - b1**2 * q1 - 2 * b1 * q2
    b32 = 1 / 6 - q32 - b2 * q1 - b1 * q2
    b41 = 1 / 4 - q41 - b1**3 * q1 - 3 * b1**2 * q2 - 3 * b1 * q31
    b42 = 1 / 8 - q42 - b1 * b2 * q1 - (b1**2 + b2) * q2 - b1 * (q31 + q32)
    b43 = 1 / 12 - q43 - b31 * q1 - b1**2 * q2 - 2 * b1 * q32
    b44 = 1 / 24 - q44 - b32 * q1 - b2 * q2 - b1 * q32
    return np.array([b1, b2, b31, b32, b41, b42, b43, b44])


def _missing(p: Array, q: Array) -> Array:
    """Σb, ΣbC, ΣbC², ΣbAC, ΣbC³, ΣbC·AC, ΣbAC², ΣbAAC of what leads from the weights p to q.

    Elementary weights are those of the trees •, [•], [•,•], [[•]], [•,•,•], [•,[•]], [[•,•]],
    [[[•]]]; A, b, C are of the stages between alone.
    """
    p1, p2, p31, p32, p41, p42, p43, p44 = p
    q1, q2, q31, q32, q41, q42, q43, q44 = q
    s1 = q1 - p1
    s2 = q2 - p2 - p1 * s1
    s31 = q31 - p31 - p1**2 * s1 - 2 * p1 * s2
    s32 = q32 - p32 - p2 * s1 - p1 * s2
    s41 = q41 - p41 - p1**3 * s1 - 3 * p1**2 * s2 - 3 * p1 * s31
    s42 = q42 - p42 - p1 * p2 * s1 - (p1**2 + p2) * s2 - p1 * (s31 + s32)
    s43 = q43 - p43 - p31 * s1 - p1**2 * s2 - 2 * p1 * s32
    s44 = q44 - p44 - p32 * s1 - p2 * s2 - p1 * s32
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


def _error(p: Array, A: Array, c: Array) -> Array:
    """Weights of a difference that no tree of order 3 or less sees.

    It is made of the state before, the first body's end, h times the three slopes after it, and
    the new state: none of these grows with the stiffness but the last slope, and that slowly.
    """
    p1, p2, p31, p32 = p[:4]
    C, AC = p1 + c, p2 + p1 * c + A @ c
    conditions = np.zeros((5, 6))
    conditions[0, :2] = 1
    conditions[1:, 1] = p1, p2, p31, p32
    conditions[1:, 2:5] = np.stack((np.ones(4), C, C**2, AC))[:, :3]
    conditions[:, 5] = 1, 1, 1 / 2, 1 / 3, 1 / 6
    null = np.linalg.svd(conditions)[2][-1]
    fourth = null[1] * p[7] + null[2:5] @ (p32 + p2 * c + p1 * A @ c + A @ A @ c)[:3] + null[5] / 24
    return np.asarray(_ERROR * null / fourth)
