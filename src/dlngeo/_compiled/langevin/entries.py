r"""Euler-Maruyama's step in the entries of W on lanes: drift and noise in the frames of W."""

from __future__ import annotations

import math

import numpy as np

from dlngeo._compiled import scalars
from dlngeo._compiled.kernels import part
from dlngeo._compiled.lanes import LANES, Lanes, at, choose, lane, put, root, splat, with_lane
from dlngeo._compiled.langevin.chart import Frames, Law, Tables, inside, outside, zero
from dlngeo._compiled.pairs import cube_root, power, whole_forces


@part
def layer_size(sigma: Lanes, depth: float) -> Lanes:
    """λ = σ^{1/N}; at depth inf σ."""
    if depth == 1 or depth == np.inf:
        return sigma
    if depth == 2:
        return root(sigma)
    if depth == 4:
        return root(root(sigma))
    if depth == 3:
        return cube_root(sigma)
    for k in range(LANES):
        sigma = with_lane(sigma, k, lane(sigma, k) ** (1 / depth))
    return sigma


@part
def increment(law: Law, frames: Frames, B: int, noisy: bool, h: float, room: Tables) -> None:
    """The step of W in a time h, into ``room.drift``."""
    d, A, E = law.d, room.drift, room.noise
    if noisy:
        inside(frames, B, A, room.half, d)
    else:
        zero(A, d * d)
    if law.slopes:
        inside(frames, frames.slope, E, room.half, d)
    amplitude = math.sqrt(2 * law.temperature)
    for p in range(d):
        put(room.half, p, layer_size(at(frames.lam, p), law.depth))
    for p in range(d):
        sigma, lam, k = at(frames.lam, p), at(room.half, p), p * d + p
        beside = _between(sigma, sigma, lam, lam, law)
        force = splat(0.0)
        if law.entropy:
            for q in range(d):
                if q != p:
                    force += _pull(sigma, at(frames.lam, q), lam, at(room.half, q), law)
        move = beside * amplitude * at(A, k) + h * _radial(sigma, lam, force, law)
        if law.slopes:
            move -= h * beside * beside * at(E, k)
        put(A, k, move)
    for p in range(d - 1):
        for q in range(p + 1, d):
            x, y = at(frames.lam, p), at(frames.lam, q)
            between = _between(x, y, at(room.half, p), at(room.half, q), law)
            for k in (p * d + q, q * d + p):
                move = amplitude * at(A, k)
                if law.slopes:
                    move -= h * between * at(E, k)
                put(A, k, between * move)
    outside(frames, A, room.half, A, d)


@part
def _between(a: Lanes, b: Lanes, x: Lanes, y: Lanes, law: Law) -> Lanes:
    """√K of singular values a and b, of λ = x and y."""
    if law.whole:
        x, y = x * x, y * y
        top, total = splat(1.0), splat(1.0)
        for _ in range(law.whole - 1):
            top = top * y
            total = total * x + top
        return root(total)
    K = a
    for k in range(LANES):
        larger, smaller = max(lane(a, k), lane(b, k)), min(lane(a, k), lane(b, k))
        K = with_lane(K, k, scalars.quotient(larger, _apart(larger, smaller), law.depth))
    return root(K)


@part
def _apart(larger: float, smaller: float) -> float:
    """The logarithm of a quotient of at least 1; 0 where both are 0."""
    if not larger > 0:
        return larger
    return scalars.log_ratio(smaller / larger, (larger - smaller) / larger)


@part
def _pull(a: Lanes, b: Lanes, x: Lanes, y: Lanes, law: Law) -> Lanes:
    """φ(log b/a): how b pushes a up."""
    if law.whole:
        x, y = x * x, y * y
        first = x >= y
        larger, smaller = choose(first, x, y), choose(first, y, x)
        ratio = smaller / choose(larger > 0.0, larger, 1.0)
        up, down = whole_forces(ratio, law.whole)
        return choose(first, up, ratio * down)
    force = a
    for k in range(LANES):
        one, two = lane(a, k), lane(b, k)
        t = _apart(max(one, two), min(one, two))
        force = with_lane(force, k, scalars.pull(t if two > one else -t, law.depth))
    return force


@part
def _radial(sigma: Lanes, lam: Lanes, force: Lanes, law: Law) -> Lanes:
    """The drift but for the energy's: diagonal in the frames."""
    if law.depth == 1:
        return -law.decay * sigma
    infinite = law.depth == np.inf
    force = force / law.beta + law.temperature * (1.0 if infinite else law.depth - 1)
    drift = (sigma if infinite else power(lam, law.depth - 2)) * force - law.decay * sigma
    # at depth 2 and below there is no drift at a singular W
    return choose(sigma > 0.0, drift, np.nan) if law.depth <= 2 else drift
