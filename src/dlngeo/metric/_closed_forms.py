r"""Pairs of matrices between which a shortest path is known in closed form.

Each function returns its length, its velocity at the start, and its points at some times.

Matrices of rank one are a cone. At W = σuvᵀ and finite depth, with ρ = √N σ^{1/N},

.. math:: g^N = d\rho^2 + \frac{\rho^2}N\big(|du|^2 + |dv|^2\big),

so a shortest path is a straight line in the plane of polar coordinates ρ, φ/√N, where φ² = α² + β²
of the angles α, β by which u and v turn along great circles. Of the two signs (u, v), (-u, -v) that
make the smaller φ is taken; φ/√N is then below π, and the line keeps off the tip.

Matrices with the same singular frames in the same order lie on a line in λ = σ^{1/N} (log σ at
depth inf). At depth 2 matrices with the same orthogonal polar factor Q, W = QRRᵀ, lie below a line
in R (Bures and Wasserstein). Derived; Menon, (7.15) corrected, Remark 9 corrected.
"""

from __future__ import annotations

import math

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd, svd_product
from dlngeo.spectral.divided_differences import log_ratio
from dlngeo.spectral.frame import Frame

_SAME = 2e-15  # rounding, a rank, of a product of frames with W
_APART = 1e-3  # relative distance from which on roots lose no digits that count

Known = tuple[float, Array, Array]


def rank_one_geodesic(start: Frame, end: Frame, times: Array) -> Known:
    """Matrices of rank one, 1 < N < ∞."""
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


def same_frames(start: Frame, end: Frame, times: Array) -> Known | None:
    """The straight line in λ, where both ends have the same frames in the same order."""
    A, B = (svd_product(f.U, f.sigma, f.Vt) for f in (start, end))
    depth, rank = start.depth, start.sigma.size
    U, _, Vt = svd(A / frobenius(A) + B / frobenius(B))
    U, Vt = U[:, :rank], Vt[:rank]
    left, right = np.abs(U) @ np.abs(U.T), np.abs(Vt.T) @ np.abs(Vt)
    for W, sigma in ((A, start.sigma), (B, end.sigma)):
        rounding = _SAME * rank * (left @ np.abs(W) @ right)
        if (np.abs(W - (U * sigma) @ Vt) > rounding).any():
            return None
    s, t, steps = start.sigma, end.sigma, times[:, None]
    if math.isinf(depth):
        rate = np.where(t < s, -1.0, 1.0) * log_ratio(s, t)
        sigma, velocity = s * np.exp(steps * rate), s * rate
        length = float(np.linalg.norm(rate))
    else:
        lam, change = s ** (1 / depth), t ** (1 / depth) - s ** (1 / depth)
        sigma = (lam + steps * change) ** depth
        velocity = depth * lam ** (depth - 1) * change
        length = math.sqrt(depth) * float(np.linalg.norm(change))
    return length, (U * velocity) @ Vt, (U * sigma[:, None, :]) @ Vt


def same_polar_factor(start: Frame, W: Array, times: Array) -> Known | None:
    """Depth 2, square, from a frame to a matrix W, where W = QP with the start's Q and P > 0."""
    Q, V = start.U @ start.Vt, start.Vt.T
    P = Q.T @ W
    size = frobenius(P)
    if frobenius(P - P.T) > _SAME * len(P) * size:
        return None
    values, vectors = np.linalg.eigh(0.5 * (P + P.T))
    root = svd_product(V, np.sqrt(start.sigma), V.T)
    if values[0] <= _SAME * len(P) * values[-1] or frobenius(P - root @ root) < _APART * size:
        return None
    other = svd_product(vectors, np.sqrt(values), vectors.T)
    left, _, right = np.linalg.svd(other @ root)
    step = other @ (left @ right) - root  # of the roots R of P = RRᵀ that are nearest
    R = root + times[:, None, None] * step
    half = step @ root
    return math.sqrt(2) * float(frobenius(step)), Q @ (half + half.T), Q @ (R @ R.mT)
