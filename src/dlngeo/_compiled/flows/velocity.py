"""The velocity of a gradient flow on eight lanes: of all weights, or of W alone.

Upstairs the state of a lane is all its layers in a row, row by row, and the velocity is products
alone. Downstairs it is W, square, and 𝒜_{N,W} is applied in the frames of W.

Everything stands in one array of rows of eight, ``S``, and is named by its first row: an array that
is handed on costs more than a product of small matrices.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dlngeo._checks import Array
from dlngeo._compiled.jacobi import product, svd
from dlngeo._compiled.kernels import inlined, kernel
from dlngeo._compiled.lanes import LANES, Lanes, at, mul_add, put, splat


class Problem(NamedTuple):
    """What moves, and along which energy."""

    widths: Array  # (d_0, ..., d_N) upstairs, (n, n) downstairs
    energy: Any
    A: Array
    B: Array


class Rows(NamedTuple):
    """Where in S things begin, and the numbers of the equation."""

    size: int  # numbers of a state
    depth: float  # downstairs; 0 upstairs
    decay: float
    W: int  # W, then E'(W) times -step, then E
    work: int
    scalars: int  # five rows: h, atol, and what a step brings
    before: int
    stage: int
    after: int
    slopes: int


@kernel
def velocity(
    S: Array, rows: Rows, problem: Problem, W: Array, slope: Array, value: Array,
    y: int, step: Lanes, f: int,
) -> None:  # fmt: skip
    """F = step · dy/dt; W, slope and value are the views of S that the energy is asked with."""
    widths = problem.widths
    if rows.depth > 0:
        for k in range(rows.size):
            put(S, rows.W + k, at(S, y + k))
        ask(S, rows, problem, W, slope, value, step)
        _downstairs(S, rows, widths[0], y, f)
    else:
        begin = _end_to_end(S, rows, widths, y)
        ask(S, rows, problem, W, slope, value, step)
        _back(S, rows, widths, begin, y, f)
    if rows.decay > 0:
        rate = -rows.decay * step
        for k in range(rows.size):
            put(S, f + k, mul_add(rate, at(S, y + k), at(S, f + k)))


@inlined
def ask(
    S: Array, rows: Rows, problem: Problem, W: Array, slope: Array, value: Array, step: Lanes
) -> None:
    """E at W, and its slope times -step."""
    problem.energy(problem.A, problem.B, W, slope, value)
    entries = slope.shape[0] * slope.shape[1]
    for k in range(rows.W + entries, rows.W + 2 * entries):
        put(S, k, -(step * at(S, k)))


@inlined
def multiply(
    S: Array, out: int, a: int, ai: int, ak: int, b: int, bk: int, bj: int,
    rows: int, inner: int, columns: int,
) -> None:  # fmt: skip
    """The product at ``out``; entry (i, k) of a is row a + i ai + k ak, and so for b."""
    for i in range(0, rows, 2):
        i0, i1 = a + i * ai, a + min(i + 1, rows - 1) * ai
        o = out + i * columns
        for j in range(0, columns, 2):
            j0, j1 = b + j * bj, b + min(j + 1, columns - 1) * bj
            p, q, x, y = at(S, i0), at(S, i1), at(S, j0), at(S, j1)
            px, py, qx, qy = p * x, p * y, q * x, q * y
            for k in range(1, inner):
                p, q = at(S, i0 + k * ak), at(S, i1 + k * ak)
                x, y = at(S, j0 + k * bk), at(S, j1 + k * bk)
                px, py = mul_add(p, x, px), mul_add(p, y, py)
                qx, qy = mul_add(q, x, qx), mul_add(q, y, qy)
            put(S, o + j, px)
            if j + 1 < columns:
                put(S, o + j + 1, py)
            if i + 1 < rows:
                put(S, o + columns + j, qx)
                if j + 1 < columns:
                    put(S, o + columns + j + 1, qy)


@inlined
def _end_to_end(S: Array, rows: Rows, widths: Array, y: int) -> int:
    """W, and W_p ⋯ W_1 for 1 < p < N in the work rows; where the last layer begins."""
    depth, n = widths.size - 1, widths[0]
    if depth == 1:
        for k in range(rows.size):
            put(S, rows.W + k, at(S, y + k))
    begin, source, free = y, y, rows.work
    for p in range(2, depth + 1):
        begin += widths[p - 1] * widths[p - 2]
        d, e = widths[p], widths[p - 1]
        target = rows.W if p == depth else free
        multiply(S, target, begin, e, 1, source, n, 1, d, e, n)
        source, free = target, free + d * n
    return begin


@inlined
def _back(S: Array, rows: Rows, widths: Array, begin: int, y: int, f: int) -> None:
    """-(W_N ⋯ W_{p+1})ᵀ E'(W) (W_{p-1} ⋯ W_1)ᵀ for each p, from the last to the first."""
    depth, n = widths.size - 1, widths[0]
    free = rows.work
    for p in range(2, depth):
        free += widths[p] * n
    prefix, G = free, rows.W + widths[depth] * n
    if depth == 1:
        for k in range(rows.size):
            put(S, f + k, at(S, G + k))
    for p in range(depth, 1, -1):
        d, e = widths[p], widths[p - 1]
        prefix = y if p == 2 else prefix - e * n
        multiply(S, begin - y + f, G, n, 1, prefix, 1, n, d, n, e)
        target = f if p == 2 else free
        multiply(S, target, begin, 1, e, G, n, 1, e, d, n)
        G, free, begin = target, free + e * n, begin - e * widths[p - 2]


@kernel
def rest(S: Array, rows: Rows, d: int) -> None:
    """Frames from which the first decomposition of a step begins."""
    if rows.depth > 0:
        for k in range(d * d):
            put(S, rows.work + k, splat(1.0 if k % (d + 1) == 0 else 0.0))


@kernel
def _downstairs(S: Array, rows: Rows, d: int, y: int, f: int) -> None:
    """-𝒜(E'(W)) = U (K ∘ UᵀZV) Vᵀ, where U may lack what belongs to singular values of zero.

    On what lies outside of U's range 𝒜 is the border, K(0, σ_l) = σ_l^{2-2/N}: that times ZVVᵀ is
    taken whole, and K less the border in the frames.
    """
    s, w, Z = d * d, rows.work, rows.W + d * d
    V, U, T, M = (
        S[w : w + s],
        S[w + s : w + 2 * s],
        S[w + 2 * s : w + 3 * s],
        S[w + 3 * s : w + 4 * s],
    )
    lam, border, K = S[w + 4 * s :], S[w + 4 * s + d :], S[w + 4 * s + 2 * d :]
    unfinished = svd(S[y : y + s], U, lam, V, d)
    _spectrum(lam, border, K, rows.depth, d)
    product(S[Z : Z + s], d, 1, V, d, 1, T, d)
    product(U, d, 1, T, 1, d, M, d)
    for k in range(d):
        for l in range(d):  # noqa: E741
            put(M, k * d + l, (at(K, k * d + l) - at(border, l)) * at(M, k * d + l))
    product(U, 1, d, M, 1, d, K, d)
    for k in range(d):
        for l in range(d):  # noqa: E741
            put(T, k * d + l, mul_add(at(border, l), at(T, k * d + l), at(K, k * d + l)))
    product(T, d, 1, V, 1, d, S[f : f + s], d)
    for lane in range(LANES):
        if unfinished >> lane & 1:  # no step is taken with what is not known
            S[f, lane] = math.nan


@kernel
def _spectrum(sigma: Array, border: Array, K: Array, depth: float, d: int) -> None:
    """K_kl and K(0, σ_l), lane by lane, as :mod:`dlngeo.spectral.divided_differences` has them."""
    power = 2.0 - 2.0 / depth
    for k in range(d):
        for p in range(LANES):
            whole = sigma[k, p] ** power
            K[k * d + k, p] = whole if math.isinf(depth) else depth * whole
            border[k, p] = 0.0 if math.isinf(depth) else whole
    for k in range(d):
        for l in range(k):  # noqa: E741
            for p in range(LANES):
                x, y = sigma[k, p], sigma[l, p]
                whole = max(border[k, p], border[l, p])
                K[k * d + l, p] = quotient(max(x, y), min(x, y), whole, depth)
                K[l * d + k, p] = K[k * d + l, p]


@kernel
def quotient(a: float, b: float, whole: float, depth: float) -> float:
    """(a² - b²)/(a^{2/N} - b^{2/N}) for a >= b >= 0, given a^{2-2/N}; at depth inf its limit."""
    if not a > 0.0:
        return a
    gap = (a - b) / a
    if gap < 0.5:
        u = -math.log1p(-gap)
    elif b > 0.0:
        u = math.log(a) - math.log(b)
    else:
        return whole
    square = gap * (2.0 - gap)  # 1 - (b/a)²
    if math.isinf(depth):
        return a * a if u == 0.0 else a * a * (square / (2.0 * u))
    return whole * (depth if u == 0.0 else square / -math.expm1(-2.0 * u / depth))
