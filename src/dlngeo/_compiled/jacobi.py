r"""The singular value decomposition on lanes: one-sided Jacobi, warm; 2 × 2 in closed form.

Of Y (d, d) on eight lanes, entry (i, j) in row i d + j, comes Y = Σ_p λ_p u_p v_pᵀ: U and V with
u_p and v_p in rows p d, …, p d + d - 1, and λ with λ_p in row p, in no order. Rotations make the
columns of Y V orthogonal (Hestenes, 1958), from the V at hand: after a short step a few sweeps
suffice. A lane is at rest where every pair is orthogonal to rounding, relative to its own two
columns; what moves its neighbours then leaves it as it is, to the last bit. The arrays are
(rows, 8), or addresses.
"""

from __future__ import annotations

import math

import numpy as np

from dlngeo._checks import Array
from dlngeo._compiled.kernels import part
from dlngeo._compiled.lanes import (
    LANES,
    STACK,
    Lanes,
    at,
    bits,
    choose,
    lane,
    mul_add,
    put,
    root,
    signed,
    size,
    splat,
    stack,
    with_lane,
)

SWEEPS = 40  # at most
_EPS = 2.0**-52
_EIGHTH = math.sqrt(2) - 1  # tan π/8
# tan(atan(x)/4) = x/4 + x z (_HALF[0] + _HALF[1] z + …), z = x² <= 1: interpolated, to 4e-7
_HALF = (
    -0.07812486623207603,
    0.04490865109130903,
    -0.030845810494152515,
    0.022088528241850786,
    -0.013993720744299111,
    0.0061875342241802704,
    -0.001308021037177019,
)
_LARGE = 2.0**200  # beyond it, and below its inverse, a matrix is scaled by a power of two


@part
def svd(Y: Array, U: Array, lam: Array, V: Array, d: int) -> int:
    """Decompose; the lanes, as bits, that forty sweeps leave unfinished.

    V comes with an orthogonal matrix near the one that is sought, of determinant 1 for d > 2, and
    is turned into it. Where Y is not finite, λ is NaN or infinite.
    """
    scale = _scale(Y, d)
    if d == 2:
        _two_by_two(Y, U, lam, V, scale)
        return 0
    product(V, d, 1, Y, d, 1, U, d)
    return _orthogonalise(U, lam, V, scale, d)


@part
def _scale(Y: Array, d: int) -> Lanes:
    """The power of two next to the largest entry where squares might not be numbers; else 1."""
    largest = size(at(Y, 0))
    for k in range(1, d * d):
        entry = size(at(Y, k))
        largest = choose(entry > largest, entry, largest)
    if bits((largest > _LARGE) | (largest < 1 / _LARGE)) == 0:
        return splat(1.0)
    scale = splat(1.0)
    for k in range(LANES):
        number = lane(largest, k)
        if 0 < number < 1 / _LARGE or _LARGE < number < np.inf:
            power = min(max(math.frexp(number)[1], -1000), 1000)
            scale = with_lane(scale, k, math.ldexp(1.0, power))
    return scale


@part
def product(A: Array, i: int, k: int, B: Array, j: int, h: int, C: Array, d: int) -> None:
    """C_rs = Σ_t A[r i + t k] B[s j + t h], C in row r d + s; C is neither A nor B."""
    for r in range(0, d, 2):
        r0, r1 = r * i, min(r + 1, d - 1) * i
        for s in range(0, d, 2):
            s0, s1 = s * j, min(s + 1, d - 1) * j
            a, b = at(A, r0), at(A, r1)
            x, y = at(B, s0), at(B, s1)
            ax, ay, bx, by = a * x, a * y, b * x, b * y
            for t in range(1, d):
                a, b = at(A, r0 + t * k), at(A, r1 + t * k)
                x, y = at(B, s0 + t * h), at(B, s1 + t * h)
                ax, ay = mul_add(a, x, ax), mul_add(a, y, ay)
                bx, by = mul_add(b, x, bx), mul_add(b, y, by)
            put(C, r * d + s, ax)
            if s + 1 < d:
                put(C, r * d + s + 1, ay)
            if r + 1 < d:
                put(C, (r + 1) * d + s, bx)
                if s + 1 < d:
                    put(C, (r + 1) * d + s + 1, by)


@part
def _dot(A: Array, p: int, q: int, d: int) -> Lanes:
    """The product of two columns, its terms in four sums."""
    one = at(A, p) * at(A, q)
    two = three = four = splat(0.0)
    k = 1
    while k + 3 < d:
        one = mul_add(at(A, p + k), at(A, q + k), one)
        two = mul_add(at(A, p + k + 1), at(A, q + k + 1), two)
        three = mul_add(at(A, p + k + 2), at(A, q + k + 2), three)
        four = mul_add(at(A, p + k + 3), at(A, q + k + 3), four)
        k += 4
    while k < d:
        one = mul_add(at(A, p + k), at(A, q + k), one)
        k += 1
    return (one + two) + (three + four)


@part
def _turn(A: Array, p: int, q: int, c: Lanes, s: Lanes, d: int) -> None:
    for k in range(d):
        x, y = at(A, p + k), at(A, q + k)
        put(A, p + k, mul_add(c, x, -(s * y)))
        put(A, q + k, mul_add(s, x, c * y))


@part
def _sweep(G: Array, V: Array, squares: Array, d: int, tol: float) -> int:
    """One rotation of each pair of columns that is not orthogonal; in which lanes one was, bits.

    In rounds of disjoint pairs, first the angles of all, then the turns: they wait for nothing.
    """
    moved, turns = 0, stack()
    players = d + d % 2  # with an odd d one of them is nobody
    for turn in range(players - 1):
        for first in range(0, players // 2, STACK // 2):
            active, last = 0, min(first + STACK // 2, players // 2)
            for k in range(first, last):
                p, q = _pair(turn, k, players)
                if q < d:
                    lanes = _angle(G, squares, p, q, d, tol, turns, 2 * (k - first))
                    active |= (lanes != 0) << (k - first)
                    moved |= lanes
            for k in range(first, last):
                if active >> (k - first) & 1:
                    p, q = _pair(turn, k, players)
                    c, s = at(turns, 2 * (k - first)), at(turns, 2 * (k - first) + 1)
                    _turn(G, p * d, q * d, c, s, d)
                    _turn(V, p * d, q * d, c, s, d)
    return moved


@part
def _pair(turn: int, k: int, players: int) -> tuple[int, int]:
    """Who meets in a round, the smaller first; everybody meets everybody."""
    others = players - 1
    one = (turn + k) % others
    two = (turn - k) % others if k else others
    return min(one, two), max(one, two)


@part
def _angle(
    G: Array, squares: Array, p: int, q: int, d: int, tol: float, turns: int, row: int
) -> int:
    """Cosine and sine of a pair's rotation into two rows, and the lanes, as bits, that need one.

    With tan 2θ = x the half of θ has the tangent n/m = tan(atan(x)/4), to seven digits and better
    the smaller it is: orthogonal is the rotation whatever the angle.
    """
    g, a, b = _dot(G, p * d, q * d, d), at(squares, p), at(squares, q)
    wants = g * g > tol * (a * b)
    lanes = bits(wants)
    if lanes == 0:
        return 0
    gap, twice = b - a, g + g
    flat = size(twice) <= size(gap)
    x = choose(flat, twice, gap) / choose(flat, gap, twice)
    z = x * x
    series = mul_add(z, splat(_HALF[6]), splat(_HALF[5]))
    for k in range(4, -1, -1):
        series = mul_add(z, series, splat(_HALF[k]))
    half = x * mul_add(z, series, splat(0.25))
    n = choose(flat, half, signed(_EIGHTH - size(half), x))
    m = choose(flat, 1.0, 1.0 + _EIGHTH * size(half))
    below = 1.0 / mul_add(m, m, n * n)
    c = choose(wants, mul_add(m, m, -(n * n)) * below, 1.0)
    s = choose(wants, 2.0 * n * m * below, 0.0)
    put(turns, row, c)
    put(turns, row + 1, s)
    shift = s * (2.0 * c * g - s * gap)
    put(squares, p, a - shift)
    put(squares, q, b + shift)
    return lanes


@part
def _orthogonalise(U: Array, lam: Array, V: Array, scale: Lanes, d: int) -> int:
    """Sweeps over the columns of Y V in U until all pairs are orthogonal; then U and λ."""
    moved, tol, shrink = 1, 4 * d * _EPS * _EPS, 1.0 / scale
    for k in range(d * d):
        put(U, k, at(U, k) * shrink)
    for _ in range(SWEEPS):
        for p in range(d):
            put(lam, p, _dot(U, p * d, p * d, d))
        moved = _sweep(U, V, lam, d, tol)
        if moved == 0:
            break
    for p in range(d):
        value = root(_dot(U, p * d, p * d, d))
        put(lam, p, value * scale)
        inverse = 1.0 / choose(value > 0.0, value, 1.0)
        for k in range(p * d, p * d + d):
            put(U, k, at(U, k) * inverse)
    return moved


@part
def _two_by_two(Y: Array, U: Array, lam: Array, V: Array, scale: Lanes) -> None:
    """The closed form of :mod:`dlngeo.spectral.two_by_two`."""
    shrink = 1.0 / scale
    a, b, c, e = at(Y, 0) * shrink, at(Y, 1) * shrink, at(Y, 2) * shrink, at(Y, 3) * shrink
    x, y, sum_size = _direction(0.5 * (a + e), 0.5 * (c - b))
    u, v, difference_size = _direction(0.5 * (a - e), 0.5 * (b + c))
    first = sum_size + difference_size
    product_ = b * c  # the determinant to rounding (Kahan)
    det = mul_add(a, e, -product_) + mul_add(-b, c, product_)
    second = size(det) / choose(first > 0.0, first, 1.0)
    put(lam, 0, first * scale)
    put(lam, 1, choose(second > first, first, second) * scale)
    # U turns by half the sum of the angles, Vᵀ by the first less that.
    real, imaginary = x * u - y * v, x * v + y * u
    large = root(0.5 * (1.0 + size(real)))
    small = 0.5 * size(imaginary) / large
    right = real >= 0.0
    cosine = choose(right, large, small)
    sine = signed(choose(right, small, large), imaginary)
    put(U, 0, cosine)
    put(U, 1, sine)
    put(U, 2, -sine)
    put(U, 3, cosine)
    one, two = x * cosine + y * sine, x * sine - y * cosine
    sign = signed(splat(1.0), det)
    put(V, 0, one)
    put(V, 1, two)
    put(V, 2, -(sign * two))
    put(V, 3, sign * one)


@part
def _direction(x: Lanes, y: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """(x, y) to length 1, and its length; any direction serves where there is none."""
    square = mul_add(x, x, y * y)
    length, there = root(square), square > 1e-280
    inverse = 1.0 / choose(there, length, 1.0)
    return choose(there, x * inverse, 1.0), choose(there, y * inverse, 0.0), length
