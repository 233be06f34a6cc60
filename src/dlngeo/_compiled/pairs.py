r"""What pairs of singular values have between them, on lanes, in whatever order they stand.

Of λ_p and λ_q the larger is 1 and the smaller ``ratio``. At a whole depth, small enough, everything
is a quotient of positive sums of powers; at any other it is found lane by lane.
"""

from __future__ import annotations

import numpy as np

from dlngeo._compiled import scalars
from dlngeo._compiled.kernels import part
from dlngeo._compiled.lanes import (
    LANES,
    Lanes,
    bits,
    choose,
    lane,
    mul_add,
    near_cube_root,
    splat,
    with_lane,
)


@part
def power(x: Lanes, exponent: float) -> Lanes:
    """Powers: products where the exponent is small and whole."""
    whole = int(exponent) if 0 <= exponent <= 24 else -1
    if whole != exponent:
        for k in range(LANES):
            x = with_lane(x, k, lane(x, k) ** exponent)
        return x
    result, square = splat(1.0), x
    while whole > 0:
        if whole & 1:
            result = result * square
        whole >>= 1
        if whole:
            square = square * square
    return result


@part
def cube_root(x: Lanes) -> Lanes:
    """∛x of x >= 0 to its last bit but one: Halley's method, then Newton's with the exact rest."""
    there = (x > 1e-290) & (x < 1e300)
    a = choose(there, x, 1.0)
    y = near_cube_root(a)
    for _ in range(2):  # 6 %, 1e-4, 1e-12
        cube = y * y * y
        y = y * ((cube + (a + a)) / (cube + cube + a))
    square = y * y
    rest = mul_add(-square, y, a) - mul_add(y, y, -square) * y
    y = y + rest / (3.0 * square)
    if bits(~there):
        for k in range(LANES):
            if not 1e-290 < lane(x, k) < 1e300:
                y = with_lane(y, k, np.cbrt(lane(x, k)))
    return y


@part
def shapes(ratio: Lanes, gap: Lanes, depth: float, whole: int) -> tuple[Lanes, Lanes, Lanes]:
    """S, (σ_k - σ_l)/(λ_k - λ_l), (N - S)/(λ_k - λ_l) at λ_k = 1, λ_l = ratio = 1 - gap.

    ``whole`` is the depth where sums of powers serve, else 0.
    """
    if whole == 0:
        S = steep = short = ratio
        for k in range(LANES):
            r, g = lane(ratio, k), lane(gap, k)
            x = scalars.log_ratio(r, g)
            s = scalars.stretch(x, depth)
            S = with_lane(S, k, s)
            steep = with_lane(steep, k, scalars.steepness(x, depth))
            short = with_lane(short, k, scalars.shortfall(x, s, depth) / g if g > 0 else 0.0)
        return S, steep, short
    one = splat(1.0)
    if whole == 1:
        return one, one, splat(0.0)
    total, rest = 1.0 + ratio, splat(whole - 1.0)
    for j in range(whole - 3, -1, -1):
        total = mul_add(total, ratio, one)
        rest = mul_add(rest, ratio, splat((j + 1.0) * (whole - 1 - j)))
    below = 1.0 / (1.0 + power(ratio, float(whole)))
    return (1.0 + ratio) * total * below, total, rest * gap * below


@part
def entropic(ratio: Lanes, gap: Lanes, depth: float, whole: int) -> tuple[Lanes, Lanes]:
    """φ(log σ_l/σ_k) and φ(log σ_k/σ_l) λ_k/λ_l at λ_k = 1, λ_l = ratio."""
    if whole == 0:
        up = down = ratio
        for k in range(LANES):
            r = lane(ratio, k)
            t = -depth * scalars.log_ratio(r, lane(gap, k))
            up = with_lane(up, k, scalars.pull(t, depth))
            far = r < 1e-150  # then it is of the order of the ratio at most
            down = with_lane(down, k, 0.0 if far else scalars.pull(-t, depth) / r)
        return up, down
    up, down = whole_forces(ratio * ratio, whole)
    return up, ratio * down


@part
def whole_forces(x: Lanes, whole: int) -> tuple[Lanes, Lanes]:
    """φ(t) and φ(-t)/x for x = e^{2t/N} at a whole depth: quotients of positive sums."""
    if whole == 1:
        return splat(0.0), splat(0.0)
    up, down, total = splat(1.0), splat(whole - 1.0), 1.0 + x
    for j in range(2, whole):
        up = mul_add(up, x, splat(float(j)))
        down = mul_add(down, x, splat(float(whole - j)))
        total = mul_add(total, x, splat(1.0))
    below = 1.0 / total
    return up * below, down * below


@part
def brownian(S: Lanes, short: Lanes, ratio: Lanes, depth: float) -> tuple[Lanes, Lanes]:
    """What λ_l does to λ_k = 1, and λ_k to λ_l = ratio, in Brownian motion's drift (Itô)."""
    apart = short / (depth * S)
    together = (S - 1 / depth) / (1.0 + ratio)
    return -(apart + together), apart - together


@part
def stratonovich(
    S: Lanes, stretched: Lanes, short: Lanes, ratio: Lanes, depth: float
) -> tuple[Lanes, Lanes]:
    """The same in Stratonovich's form; ``stretched`` is √S."""
    whole = depth**0.5
    apart = short / (depth * stretched * (stretched + whole))
    together = (stretched - 1 / whole) / (whole * (1.0 + ratio))
    return -(apart + together), apart - together
