r"""Whether a Gibbs measure is finite along the entries of W that its energy does not see.

Against Lebesgue measure on m × n matrices of full rank r the measure without its energy is, up to
factors between constants,

.. math:: p_r^{-t}\prod_{j<r} p_j^{-q}, \qquad p_j = \sigma_1\cdots\sigma_j = \|\wedge^j W\|,
   \qquad q = 2bs, \quad t = s(1+|m-n|) - \tfrac1{N\kappa}\sum_p(d_p-r),

with s = 1 - 1/N and b = 1 - 1/(2κ). Call those entries free, and let the others be of order one.

- On a rectangle of k × l free entries let ρ singular values be of size x. The measure goes like
  x^e dx/x with e = ρ(k+l-ρ) - Σ_{i≤ρ}[t + q(r-i)]. If e >= 0 for one ρ and one rectangle, Z = ∞. If
  e < 0 for all ρ <= min(k, l) and one rectangle that holds all that is free, Z is finite: by
  rotations the rectangle becomes diagonal, and what is left of p_j when its large entries are
  divided out is that of a Schur complement with a bounded density.
- Let q, t >= 0 and the entries be of sizes x^{v_kl}, v <= 0 where they are seen. Then p_j is at
  most of size x^{τ_j}, τ_j the largest sum of v along j places of which no two share a row or
  column. If the concave F(v) = Σv - tτ_r - qΣ_{j<r}τ_j reaches 0 with some v > 0, Z = ∞. If it does
  not, Z is finite as long as the minors' zeros are integrable, by Hölder's inequality when
  t + (r-2)q < 1; and since p_j is log-concave in j, one may also take p_1^{-qr/2} p_r^{-t-q(r-2)/2}
  in its place. The largest F is found by linear programming, τ_j being the minimum of its dual.

For two by two networks this decides every case: with the diagonal seen Z is finite exactly if
(N-1)(1 - 1/(2κ)) > 1, so for κ = 1 from depth 4 on. Derived.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import structural_rank

from dlngeo._checks import Array
from dlngeo.energies import NullSpace

Answer = tuple[bool | None, str]

_SLACK = 1e-9  # exponents this close to zero are zero: Z = ∞ by a logarithm
_SUBSETS = 12  # rows up to here: all rectangles are tried
_NOT_PROVED = "no divergence was found in what the energy does not see; not proved finite"
_LARGEST = 300_000  # free entries times the size of a programme


def judge(null: NullSpace, powers: tuple[float, float] | None) -> Answer:
    """Whether Z is finite without weight decay, where it is known, and why.

    The powers are (t, q), or None below full rank.
    """
    if not null.entries.any():
        return True, "the energy grows in every direction"
    if powers is None:
        return None, "what the energy does not see is not examined below full rank"
    for dimension, rank in null.spaces:
        answer = _across(dimension, rank, min(null.entries.shape), *powers)
        if answer[0] is False:
            return answer
    if null.exact:
        return confined(null.entries, *powers)
    if null.entries.all():  # and no rectangle is smaller than W
        return None, _NOT_PROVED
    answer = confined(null.entries, *powers)
    return answer if answer[0] else (None, _NOT_PROVED)


def confined(free: Array, t: float, q: float) -> Answer:
    """Whether Z is finite, where it is known, and why; ``free`` (m, n) of bool, some true."""
    r = min(free.shape)
    for large, directions in _directions(free):
        growth = directions - _fall(large, r, t, q)
        if growth >= -_SLACK:
            return False, _infinite(_way(directions, large, growth))
    rows, columns = int(free.any(axis=1).sum()), int(free.any(axis=0).sum())
    if all(
        rho * (rows + columns - rho) < _fall(rho, r, t, q) - _SLACK
        for rho in range(1, min(rows, columns) + 1)
    ):
        return True, (
            f"the volume of the metric falls fast enough along the {rows} x {columns} rectangle "
            "that holds what the energy does not see"
        )
    return _by_sizes(free, t, q) if min(q, t) >= 0 else (None, _NOT_PROVED)


def _across(directions: int, rank: int, r: int, t: float, q: float) -> Answer:
    """The same for a linear space of free matrices of this generic rank, where Z = ∞ shows."""
    growth = directions - _fall(rank, r, t, q)
    return (
        (False, _infinite(_way(directions, rank, growth)))
        if growth >= -_SLACK
        else (None, _NOT_PROVED)
    )


def _by_sizes(free: Array, t: float, q: float) -> Answer:
    """From the entries' separate sizes."""
    r = min(free.shape)
    powers = np.full(r, q)
    powers[-1] = t
    if free.sum() * free.size * r <= _LARGEST:
        if _largest(free, powers) >= -_SLACK:
            return False, _infinite("there is a way to infinity along what the energy does not see")
        spread = np.zeros(r)
        spread[0], spread[-1] = q * r / 2, t + q * (r - 2) / 2
        if powers[1:].sum() < 1 or (r > 2 and spread[-1] < 1 and _largest(free, spread) < -_SLACK):
            return True, "the volume of the metric falls fast enough in every such direction"
    return None, _NOT_PROVED


def _way(directions: int, rank: int, growth: float) -> str:
    return (
        f"in {directions} directions of rank {rank} that the energy does not see, of size x, the "
        f"measure goes like x^{growth:.4g} dx/x"
    )


def _infinite(way: str) -> str:
    return f"Z = ∞: {way}; weight_decay would confine what the energy does not see"


def _fall(large: int, r: int, t: float, q: float) -> float:
    """Σ_{i<=ρ} [t + q(r-i)]."""
    return large * t + q * (large * r - large * (large + 1) / 2)


def _directions(free: Array) -> Iterator[tuple[int, int]]:
    """Ranks, and numbers of free directions of these ranks."""
    if free.shape[0] > free.shape[1]:
        free = free.T
    yield structural_rank(csr_array(free.astype(float))), int(free.sum())
    yield 1, int(max(free.sum(axis=0).max(), free.sum(axis=1).max()))
    m = len(free)
    if m > _SUBSETS:
        return
    chosen = (np.arange(1, 2**m)[:, None] >> np.arange(m)) & 1
    columns = (chosen @ ~free == 0).sum(axis=1)  # seen in none of the chosen rows
    sides = {(int(k), int(l)) for k, l in zip(chosen.sum(axis=1), columns, strict=True) if l}  # noqa: E741
    for k, l in sorted(sides):  # noqa: E741
        for rho in range(1, min(k, l) + 1):
            yield rho, rho * (k + l - rho)


def _largest(free: Array, powers: Array) -> float:
    """The largest Σv - Σ_j powers_j τ_j with v = 1 at one free place, v <= 1, v <= 0 where seen.

    The variables are v, and u_j (m), w_j (n), θ_j for each j: τ_j is the least Σu_j + Σw_j + jθ_j
    with u, w >= 0 and u_k + w_l + θ >= v_kl.
    """
    m, n = free.shape
    used = np.flatnonzero(powers)
    places, block = m * n, m + n + 1
    place = np.arange(places)
    cost, rows, columns, entries = [-np.ones(places)], [], [], []
    for position, j in enumerate(used):
        row, first = place + position * places, places + position * block
        rows += [row] * 4
        columns += [place, first + place // n, first + m + place % n, first + m + n + 0 * place]
        entries += [np.ones(places), *[-np.ones(places)] * 3]
        cost.append(powers[j] * np.append(np.ones(m + n), j + 1.0))
    size = places + used.size * block
    above = coo_array(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))),
        shape=(used.size * places, size),
    ).tocsr()
    bounds = [(-math.inf, 1.0 if one else 0.0) for one in free.ravel()]
    bounds += ([(0.0, math.inf)] * (m + n) + [(-math.inf, math.inf)]) * used.size
    best = -math.inf
    for one in np.flatnonzero(free):
        fixed = [*bounds[:one], (1.0, 1.0), *bounds[one + 1 :]]
        found = linprog(
            np.concatenate(cost), A_ub=above, b_ub=np.zeros(above.shape[0]), bounds=fixed
        )
        best = max(best, math.inf if found.fun is None else -found.fun)
    return best
