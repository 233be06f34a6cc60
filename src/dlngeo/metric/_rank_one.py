r"""Matrices of rank one: a cone, on which shortest paths are known.

At W = σuvᵀ and finite depth, with ρ = √N σ^{1/N},

.. math:: g^N = d\rho^2 + \frac{\rho^2}N\big(|du|^2 + |dv|^2\big),

so a shortest path is a straight line in the plane of polar coordinates ρ, φ/√N, where φ² = α² + β²
of the angles α, β by which u and v turn along great circles. Of the two signs (u, v), (-u, -v) that
make the smaller φ is taken; φ/√N is then below π, and the line keeps off the tip. Derived;
Menon, (7.15) corrected.
"""

from __future__ import annotations

import math

import numpy as np

from dlngeo._checks import Array
from dlngeo.spectral.frame import Frame


def rank_one_geodesic(start: Frame, end: Frame, times: Array) -> tuple[float, Array, Array]:
    """Length, velocity at the start, and points at the times of the shortest path, 1 < N < ∞."""
    N, sigma = start.depth, float(start.sigma[0])
    root = math.sqrt(N)
    r, s = (root * float(f.sigma[0]) ** (1 / N) for f in (start, end))
    u, v = start.U[:, 0], start.Vt[0]
    turns = [(sign * end.U[:, 0], sign * end.Vt[0]) for sign in (1.0, -1.0)]
    if u.size == 1 or v.size == 1:  # a number keeps its sign
        turns = [
            (a, b) for a, b in turns if (u.size > 1 or a @ u > 0) and (v.size > 1 or b @ v > 0)
        ]
    pairs = [(_turn(u, a), _turn(v, b)) for a, b in turns]
    (alpha, du), (beta, dv) = min(pairs, key=lambda pair: math.hypot(pair[0][0], pair[1][0]))
    angle = math.hypot(alpha, beta)
    psi = angle / root
    along, across = (s - r) - 2 * s * math.sin(psi / 2) ** 2, s * math.sin(psi)
    # dσ = N σ dρ/ρ, and the angles turn at √N times the rate of ψ.
    rate = root * across / r / angle if angle > 0 else 0.0
    velocity = sigma * (
        N * along / r * np.outer(u, v) + rate * (alpha * np.outer(du, v) + beta * np.outer(u, dv))
    )
    x, y = r + times * along, times * across
    sizes = (np.hypot(x, y) / root) ** N
    share = np.arctan2(y, x) / psi if angle > 0 else np.zeros_like(times)
    left, right = (
        np.cos(share * size)[:, None] * w + np.sin(share * size)[:, None] * dw
        for size, w, dw in ((alpha, u, du), (beta, v, dv))
    )
    path = sizes[:, None, None] * left[:, :, None] * right[:, None, :]
    return math.hypot(s - r, 2 * math.sqrt(r * s) * math.sin(psi / 2)), velocity, path


def _turn(a: Array, b: Array) -> tuple[float, Array]:
    """The angle between unit vectors, and the unit vector normal to a in which a turns into b."""
    angle = 2 * math.atan2(float(np.linalg.norm(b - a)), float(np.linalg.norm(b + a)))
    apart = b - a if a @ b > 0 else b + a  # whichever is small, and so has all its digits
    for direction in (apart, np.eye(a.size)[np.argmin(np.abs(a))]):  # at b = ±a any great circle
        normal = direction - a * (a @ direction)
        length = float(np.linalg.norm(normal))
        if length > 1e-15:
            normal = normal / length
            normal = normal - a * (a @ normal)
            return angle, normal / float(np.linalg.norm(normal))
    return angle, np.zeros_like(a)  # of one entry
