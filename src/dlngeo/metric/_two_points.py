r"""The geodesic of g^N between two matrices: a path of least energy, pulled taut.

Paths of low degree from several starts say roughly where geodesics are; those that differ are
followed to rounding, at the degree that the decay of their coefficients asks for, and the shortest
one that stays within the rank counts. The velocity at its start comes from the momentum there, the
derivative of the least energy by the end, which has twice the digits of the path
(:mod:`~dlngeo.metric._polynomial_paths`). Derived.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import completed, svd_product, transpose
from dlngeo._lobatto import rule
from dlngeo.metric._initial_paths import bent, polar_path
from dlngeo.metric._lagrangian import local, parts, stretches
from dlngeo.metric._polynomial_paths import Paths
from dlngeo.metric._straightening import Straightened, straighten
from dlngeo.spectral.frame import Frame

_ROUGH, _LEADS, _FINE, _ENOUGH = 1e-3, 0.1, 1e-13, 1e-11  # errors of a path, relative to its length
_TRIES = 60  # of the first, rough search
_FIRST, _LARGEST = 8, 200  # degrees
_INSIDE = 1e-6  # least a, relative to the largest, of a path within the rank


class Ends(NamedTuple):
    """Two matrices in the chart, square by zeros, in frames that serve both."""

    rows: Array  # (k, k) orthogonal: Y = rowsᵀ UΣ^{1/2}Vᵀ columns
    columns: Array
    paths: Paths  # of the least degree
    shape: tuple[int, int]


class Geodesic(NamedTuple):
    """A path between the ends that is a geodesic to rounding."""

    ends: Ends
    paths: Paths
    eta: Array
    length: float
    velocity: Array  # at the start, (m, n)

    def points(self, times: Array) -> Array:
        """W at the times, (time, m, n)."""
        return matrices(self.ends, self.paths.at(self.eta, times)[0])


def ends(start: Frame, end: Frame, difference: Array) -> Ends:
    """The two frames' matrices, and by how much they differ."""
    (m, n), r, k = difference.shape, start.sigma.size, max(difference.shape)
    U0, V0, U1, V1 = (_whole(Q, k) for f in (start, end) for Q in (f.U, transpose(f.Vt)))
    a, b = (np.concatenate((np.sqrt(f.sigma), np.zeros(k - r))) for f in (start, end))
    full = np.zeros((k, k))
    full[:m, :n] = difference
    # Singular vectors of both sides, as eigenvectors: a divided difference relates Y to W.
    one, other = U0.T @ full @ V1, V0.T @ full.T @ U1
    s, t = stretches(a, b)
    s, t = (np.where(x > 0, x, 1.0) for x in (s, t))
    step = U0 @ (0.5 * ((one + other) / s + (one - other) / t)) @ V1.T
    blocks = r < min(m, n)
    rows, columns = np.eye(k), np.eye(k)
    if blocks:
        rows, columns = (_whole(Q, k) for Q in _midway(start, end))
    first = rows.T @ ((U0 * a) @ V0.T) @ columns
    paths = Paths(first, rows.T @ step @ columns, start.depth, r, blocks, _FIRST)
    return Ends(rows, columns, paths, (m, n))


def _whole(Q: Array, k: int) -> Array:
    """An orthogonal k × k matrix that begins with a frame, zeros below it."""
    whole = np.eye(k)
    whole[: len(Q), : len(Q)] = completed(Q)
    return whole


def _midway(start: Frame, end: Frame) -> tuple[Array, Array]:
    """Frames of spaces midway between those of the ends.

    By the longer way round for one pair of directions, where the ends would otherwise lie on
    different sides of det A = 0.
    """
    sides, sign = [], 1.0
    for Q0, Q1 in ((start.U, end.U), (start.Vt.T, end.Vt.T)):
        L, cosines, Rt = np.linalg.svd(Q0.T @ Q1)
        sign *= float(np.linalg.det(L) * np.linalg.det(Rt))
        sides.append((Q0 @ L, Q1 @ Rt.T, cosines[-1]))
    if sign < 0:
        side = min(sides, key=lambda side: float(side[2]))
        side[1][:, -1] *= -1
    rows, columns = (_middle(one, other) for one, other, _ in sides)
    return rows, columns


def _middle(one: Array, other: Array) -> Array:
    middle = one + other
    opposite = np.linalg.norm(middle, axis=0) < 1e-8
    if opposite.any():  # any great circle between them
        middle = np.where(opposite, completed(one)[:, one.shape[1] :][:, :1], middle)
    return np.asarray(np.linalg.qr(middle)[0])


def matrices(ends: Ends, Y: Array) -> Array:
    """W of points of the chart, (..., m, n)."""
    U, a, Vt = np.linalg.svd(ends.rows @ Y @ ends.columns.T)
    a[..., ends.paths.rank :] = 0.0
    W = svd_product(U, a**2, Vt)
    return np.asarray(W[..., : ends.shape[0], : ends.shape[1]])


def starts(ends: Ends) -> list[Array]:
    """Values η of paths to begin with: the line, and the polar path at full rank.

    At depth inf, where det = 0 is infinitely far, not a line that crosses it.
    """
    paths = ends.paths
    times = rule(paths.degree).times
    line = np.zeros((len(times) - 2, *paths.start.shape))
    found = [line] if math.isfinite(paths.depth) or _inside(paths, line[None]) else []
    if paths.rank == len(paths.start):
        path = polar_path(paths.start, paths.start + paths.step, paths.depth, times)
        found.append((path - paths.line)[1:-1])
    return found


def aside(ends: Ends) -> list[Array]:
    """The line bent aside, one way and the other."""
    bow = bent(ends.paths.step, rule(ends.paths.degree).times[1:-1])
    return [bow, -bow]


def along(ends: Ends, path: Array) -> Array:
    """Values η of the path through equidistant W (time, m, n)."""
    paths, k = ends.paths, len(ends.rows)
    padded = np.zeros((len(path), k, k))
    padded[:, : ends.shape[0], : ends.shape[1]] = path
    U, sigma, Vt = np.linalg.svd(padded)
    roots = svd_product(U, np.sqrt(sigma), Vt)
    Y = ends.rows.T @ roots @ ends.columns
    times = rule(paths.degree).times
    place = np.clip((times * (len(path) - 1)).astype(int), 0, len(path) - 2)
    share = (times * (len(path) - 1) - place)[:, None, None]
    eta = (1 - share) * Y[place] + share * Y[place + 1] - paths.line
    if paths.blocks:
        eta[:, paths.rank :, paths.rank :] = 0.0
    return np.asarray(eta[1:-1])


def shortest(ends: Ends, candidates: list[Array], tail: float) -> Geodesic | None:
    """The shortest geodesic that the candidates lead to, their last coefficients below ``tail``."""
    paths = ends.paths
    rough = straighten(paths, np.stack(candidates), _ROUGH, _TRIES)
    best: Geodesic | None = None
    tried: list[int] = []
    outside = np.array([not _inside(paths, eta[None]) for eta in rough.eta])
    for i in np.lexsort((rough.value.energy, outside)):
        length = math.sqrt(2 * max(float(rough.value.energy[i]), 0.0))
        if not rough.error[i] < _LEADS or (best is not None and length > 1.01 * best.length):
            continue
        if outside[i] and (best is not None or math.isinf(paths.depth)):
            continue
        if any(_close(paths, rough, i, other) for other in tried):
            continue
        tried.append(i)
        found = _followed(ends, rough.eta[i : i + 1], tail)
        if found is not None and (best is None or found.length < best.length):
            best = found
    return best


def _close(paths: Paths, rough: Straightened, i: int, j: int) -> bool:
    here, _ = local(paths.start, paths.depth, paths.rank)
    one, other = (here.map(-0.5, rough.value.momentum[k]) for k in (i, j))
    return bool(np.linalg.norm(one - other) < 0.05 * np.linalg.norm(other))


def _followed(ends: Ends, eta: Array, tail: float) -> Geodesic | None:
    """The geodesic near a rough path, at the degree it needs."""
    paths = ends.paths
    tail = min(tail, 1e-12) if paths.blocks else tail
    while True:
        left = paths.tail(eta)
        if left > tail:
            if paths.degree >= _LARGEST:
                return None
            needed = paths.degree * math.log(tail) / math.log(min(max(left, tail), 0.1))
            degree = int(min(max(needed + 1, 1.25 * paths.degree), 2 * paths.degree, _LARGEST))
            paths, eta = paths.refined(eta, degree)
        done = straighten(paths, eta, _FINE)
        eta = done.eta
        if not np.isfinite(done.error[0]):
            return None
        if paths.tail(eta) <= 10 * tail:
            break
    if done.error[0] > _ENOUGH or not _inside(paths, eta):
        return None
    length = math.sqrt(2 * float(done.value.energy[0]))
    if paths.blocks:
        speed = paths.motion(eta)[1][0, 0]
    else:
        speed = local(paths.start, paths.depth, paths.rank)[0].map(-1.0, done.value.momentum[0])
    return Geodesic(ends, paths, eta, length, _velocity(ends, speed))


def _inside(paths: Paths, eta: Array) -> bool:
    """Whether a path keeps its rank, and its side of det = 0."""
    Y = paths.at(eta, np.linspace(0, 1, 2 * paths.degree + 1))[0]
    a = np.linalg.svd(Y, compute_uv=False)
    if (a[:, paths.rank - 1] < _INSIDE * a[:, 0]).any():
        return False
    if paths.rank < len(paths.start):
        return True
    sign = np.linalg.slogdet(Y)[0]
    return bool((sign == sign[0]).all())


def _velocity(ends: Ends, speed: Array) -> Array:
    """Ẇ at the start from Ẏ, (m, n)."""
    paths = ends.paths
    here, a = local(paths.start, paths.depth, paths.rank)
    S, A = parts(transpose(here.U) @ speed @ transpose(here.Vt))
    s, t = stretches(a, a)
    W = ends.rows @ here.U @ (s * S + t * A) @ here.Vt @ ends.columns.T
    return np.asarray(W[: ends.shape[0], : ends.shape[1]])
