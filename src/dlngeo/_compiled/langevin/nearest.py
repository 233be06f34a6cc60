r"""The balanced weights nearest to balanced weights and a tangent step, on lanes.

:func:`dlngeo.balanced.retraction.projection` seeks X with P_{T_X}(Y - X) = 0 by X ← E(X + T),
T = P_{T_X}(Y - X). Here X_s = G_s H G_{s-1}ᵀ with rotations G and a symmetric H near Λ, all in the
frames of where the step began, Y_s = Λ + V_s. A tangent vector is A_s Λ + Θ - Λ A_{s-1}, A_0 = 0,
and E turns G_s by A_s and adds Θ to H. Nothing is decomposed but H: once after the step along V,
for H is then diagonal but for squares of it and T is found as if it were; and at the end, for the
frames of where the step leads. X_s begins with the sign of det Y_s, as E gives it: where that is
negative the vector above the smallest λ is turned round; that of the output turns with det W.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dlngeo._compiled.jacobi import product, svd
from dlngeo._compiled.kernels import part
from dlngeo._compiled.lanes import (
    Lanes,
    at,
    bits,
    choose,
    mask_of,
    mul_add,
    put,
    root,
    splat,
)
from dlngeo._compiled.lanes import size as magnitude
from dlngeo._compiled.langevin.chart import Law, copy, zero
from dlngeo._compiled.langevin.heed import orientation
from dlngeo._compiled.langevin.tangent import (
    Pair,
    block,
    read,
    straighten,
    turn,
    without_normal_part,
)

_ITERATIONS = 60
_AGAIN = 5  # iterations after which H is made diagonal again, where the search goes on
_ROUNDING = 1e-17
_STEPS = 8  # of Newton and Schulz, where a step is long


class Search(NamedTuple):
    """Room for a projection: addresses."""

    Y: int  # (N, d, d): V_s in the frames, then Λ + V_s
    seen: int  # (N, d, d): G_sᵀ Y_s G_{s-1}
    turns: int  # (N, d, d): A_s
    G: int  # (N + 1, d, d): the columns of each G_s as rows
    H: int
    lam: int
    U: int
    R: int
    half: int
    pair: Pair


@part
def search(law: Law, lam: int, room: Search) -> tuple[int, Lanes]:
    """From V in ``room.Y`` to G and H diagonal; the lanes, as bits, that arrive, and a sign.

    It is -1 where det W has another sign than before.
    """
    d, rows, depth = law.d, law.d * law.d, law.whole
    before, scale, askew = _along(law, lam, room)
    good = ~_diagonalise(law, -1, True, room) & bits((scale > 1e-120) & (scale < 1e120))
    going, found, turned = -1, 0, splat(1.0)
    for count in range(_ITERATIONS):
        for s in range(1, depth + 1):
            above, below = block(room.G, s, rows), block(room.G, s - 1, rows)
            product(above, d, 1, block(room.Y, s - 1, rows), 1, d, room.half, d)
            product(room.half, d, 1, below, d, 1, block(room.seen, s - 1, rows), d)
        turned = turned * _turn_round(law, going, count == 0, room)
        size, angle = _tangent(law, going, count > 0, room)
        askew = _rotate_all(law, going, askew + angle, room)
        # T, its square over the one before (what is left of it next time), or rounding of it
        near = (size <= 1e-28 * scale) | (size * size <= 1e-32 * scale * before)
        near = near | ((size <= 1e-26 * scale) & (size > 0.25 * before))
        found |= going & bits(near)
        going &= ~bits(near) & bits(size <= scale)
        before = size
        if going & good == 0:
            break
        if count % _AGAIN == _AGAIN - 1:
            good &= ~_diagonalise(law, going, True, room)
    return found & good & ~_diagonalise(law, -1, False, room), turned


@part
def _along(law: Law, lam: int, room: Search) -> tuple[Lanes, Lanes, Lanes]:
    """Go along V: H and G. V becomes Y; the squared sizes of V and Y, and how askew G is."""
    d, rows, depth = law.d, law.d * law.d, law.whole
    mask, size, angle = mask_of(-1), splat(0.0), splat(0.0)
    zero(room.H, rows)
    zero(room.turns, depth * rows)
    copy(lam, room.lam, d)
    for k in range(depth * rows):
        size = mul_add(at(room.Y, k), at(room.Y, k), size)
    for p in range(d - 1):
        for q in range(p + 1, d):
            read(room.Y, p, q, splat(0.0), law, room.pair)
            angle = angle + turn(lam, room.H, room.turns, p, q, mask, law, room.pair)
    scale = splat(0.0)
    for p in range(d):
        k = p * d + p
        put(room.H, k, at(lam, p) + at(room.Y, k))
        for s in range(depth):
            put(room.Y, s * rows + k, at(room.Y, s * rows + k) + at(lam, p))
    for k in range(depth * rows):
        scale = mul_add(at(room.Y, k), at(room.Y, k), scale)
    for s in range(depth + 1):
        _identity(block(room.G, s, rows), d)
    return size, scale, _first_turn(law, angle, room)


@part
def _first_turn(law: Law, angle: Lanes, room: Search) -> Lanes:
    """I + A, made orthogonal; how far from it each GᵀG is at most. ``angle`` is the square of A."""
    rows, long = law.d * law.d, angle > 0.5
    most = 0.5 * angle  # the square of the norm of A, whose values come in pairs
    factor = choose(long, 1.0 / root(1.0 + most), 1.0)
    for s in range(1, law.whole + 1):
        A, G = block(room.turns, s - 1, rows), block(room.G, s, rows)
        for k in range(rows):
            put(G, k, factor * (at(G, k) - at(A, k)))
    askew = choose(long, most / (1.0 + most), most)
    for count in range(_STEPS):
        crooked = bits(askew > (_ROUNDING if count == 0 else 0.01))
        if crooked == 0:
            break
        mask = mask_of(crooked)
        for s in range(1, law.whole + 1):
            _make_orthogonal(block(room.G, s, rows), mask, room, law.d)
        askew = choose(mask, askew * askew, askew)
    return askew


@part
def _identity(A: int, d: int) -> None:
    zero(A, d * d)
    for p in range(d):
        put(A, p * d + p, 1.0)


@part
def _rotate_all(law: Law, lanes: int, askew: Lanes, room: Search) -> Lanes:
    """G (I + A) in some lanes, and how far at most GᵀG is from I then, which ``askew`` was before.

    Where that is more than rounding, one step of Newton and Schulz squares it.
    """
    d, rows, crooked = law.d, law.d * law.d, lanes & bits(askew > _ROUNDING)
    mask = mask_of(crooked)
    for s in range(1, law.whole + 1):
        A, G = block(room.turns, s - 1, rows), block(room.G, s, rows)
        product(A, d, 1, G, 1, d, room.half, d)
        for k in range(rows):
            put(G, k, at(G, k) - at(room.half, k))
        if crooked:
            _make_orthogonal(G, mask, room, d)
    return choose(mask, askew * askew, askew)


@part
def _make_orthogonal(G: int, mask: Any, room: Search, d: int) -> None:
    """G (3 - GᵀG)/2 in some lanes; the columns of G are rows."""
    product(G, d, 1, G, d, 1, room.half, d)
    for p in range(d):
        for q in range(d):
            entry = (0.5 if p == q else 0.0) - 0.5 * at(room.half, p * d + q)
            put(room.half, p * d + q, choose(mask, entry, 0.0))
    product(room.half, d, 1, G, 1, d, room.U, d)
    for k in range(d * d):
        put(G, k, at(G, k) + at(room.U, k))


@part
def _diagonalise(law: Law, lanes: int, signs: bool, room: Search) -> int:
    """Turn all frames to where H is diagonal, in some lanes; those, as bits, that could not be.

    With ``signs`` H may have negative eigenvalues, which become positive ones of another X.
    """
    d, rows, mask = law.d, law.d * law.d, mask_of(lanes)
    _identity(room.R, d)
    bad = svd(room.H, room.U, room.lam, room.R, d)
    for p in range(d):
        along = splat(0.0)
        for q in range(d):
            k, one = p * d + q, 1.0 if p == q else 0.0
            along = mul_add(at(room.U, k), at(room.R, k), along)
            put(room.R, k, choose(mask, at(room.R, k), one))
            put(room.H, k, choose(mask, one * at(room.lam, p), at(room.H, k)))
        if not signs:
            bad |= ~bits(along > 0.5)
    for s in range(law.whole + 1):
        G = block(room.G, s, rows)
        product(room.R, d, 1, G, 1, d, room.half, d)
        copy(room.half, G, rows)
    return bad & lanes


@part
def _turn_round(law: Law, lanes: int, start: bool, room: Search) -> Lanes:
    """Turn vectors of frames round so that all λ > 0: -1 where that was done to an output.

    At the start the smallest λ, in every layer whose determinant is negative.
    """
    d, rows, depth, turned = law.d, law.d * law.d, law.whole, splat(1.0)
    if start:
        some = _signs(law, lanes, room)
        least = at(room.lam, 0)
        for p in range(1, d):
            least = choose(at(room.lam, p) < least, at(room.lam, p), least)
        for p in range(d):
            this = some & bits(at(room.lam, p) == least)
            some &= ~this
            if this:
                turned = turned * _flip(law, p, this, room)
    for p in range(d):
        total = splat(0.0)
        for s in range(depth):
            total += at(room.seen, s * rows + p * d + p)
        some = lanes & bits(total < 0.0)
        if some:
            for s in range(1, depth + 1):
                put(room.pair.upper, s, -1.0)
            turned = turned * _flip(law, p, some, room)
    return turned


@part
def _signs(law: Law, lanes: int, room: Search) -> int:
    """The signs of the determinants of all layers, in rows; lanes, as bits, where one is -1."""
    d, some = law.d, 0
    for s in range(1, law.whole + 1):
        seen = block(room.seen, s - 1, d * d)
        unclear = lanes & ~_dominant(seen, d)
        put(room.pair.upper, s, 1.0)
        if unclear:
            negative = unclear & bits(orientation(seen, room.half, d) < 0.0)
            put(room.pair.upper, s, choose(mask_of(negative), -1.0, splat(1.0)))
            some |= negative
    return some


@part
def _dominant(A: int, d: int) -> int:
    """Lanes, as bits, where each diagonal entry exceeds the others of its row: then det A > 0."""
    lanes = -1
    for p in range(d):
        rest = splat(0.0)
        for q in range(d):
            if q != p:
                rest += magnitude(at(A, p * d + q))
        lanes &= bits(at(A, p * d + p) > rest)
    return lanes


@part
def _flip(law: Law, p: int, lanes: int, room: Search) -> Lanes:
    """Turn round the p-th vectors of frames: each layer's by its sign more than those below.

    What was done to the output's is returned; H's entries beside λ_p are set back.
    """
    d, rows, mask, below = law.d, law.d * law.d, mask_of(lanes), splat(1.0)
    for s in range(1, law.whole + 1):
        seen, G = block(room.seen, s - 1, rows), block(room.G, s, rows)
        above = choose(mask, below * at(room.pair.upper, s), 1.0)
        for k in range(p * d, p * d + d):
            put(seen, k, above * at(seen, k))
            put(G, k, above * at(G, k))
        for k in range(p, rows, d):
            put(seen, k, below * at(seen, k))
        below = above
    for k in range(d):
        for entry in (p * d + k, k * d + p):
            put(room.H, entry, choose(mask, 0.0, at(room.H, entry)))
    return below


@part
def _tangent(law: Law, lanes: int, bent: bool, room: Search) -> tuple[Lanes, Lanes]:
    """The step T = P_{T_X}(Y - X) as A and Θ, in some lanes; the squares of T and A.

    ``bent``: H is not diagonal.
    """
    d, rows, depth, mask = law.d, law.d * law.d, law.whole, mask_of(lanes)
    size = angle = splat(0.0)
    for p in range(d):
        total, k = splat(0.0), p * d + p
        for s in range(depth):
            total += at(room.seen, s * rows + k)
        mean, old = total / depth, at(room.H, k)
        size = mul_add(depth * (mean - old), mean - old, size)
        put(room.H, k, choose(mask, mean, old))
        put(room.lam, p, at(room.H, k))
    if bent:
        _bend(law, room)
    for p in range(d - 1):
        for q in range(p + 1, d):
            read(room.seen, p, q, at(room.H, p * d + q), law, room.pair)
            if bent:
                straighten(room.lam, room.turns, p, q, law, room.pair)
            size = size + without_normal_part(room.lam, p, q, law, room.pair)
            angle = angle + turn(room.lam, room.H, room.turns, p, q, mask, law, room.pair)
    return size, angle


@part
def _bend(law: Law, room: Search) -> None:
    """(R_s + R_{s+1}ᵀ)(H - Λ) for R = G_sᵀ Y_s G_{s-1} - Λ, R_{N+1} = 0; into ``room.turns``."""
    d, rows, depth = law.d, law.d * law.d, law.whole
    copy(room.H, room.U, rows)
    for p in range(d):
        put(room.U, p * d + p, 0.0)
    for s in range(depth):
        here, above = block(room.seen, s, rows), block(room.seen, s + 1, rows)
        last, out = s == depth - 1, block(room.turns, s, rows)
        for p in range(d):
            for q in range(d):
                entry = at(here, p * d + q)
                put(room.half, p * d + q, entry if last else entry + at(above, q * d + p))
            k = p * d + p
            put(room.half, k, at(room.half, k) - (1.0 if last else 2.0) * at(room.lam, p))
        product(room.half, d, 1, room.U, d, 1, out, d)
        for p in range(d):
            put(out, p * d + p, 0.0)
