r"""Logarithm and distance of g^N: shooting, with a start that is right for neighbours.

The unknown is ξ, the velocity at W_0 in an orthonormal frame of g^N, Z = 𝒜_{W_0}^{1/2} ξ; what must
vanish is the miss at W_1 in the same measure, 𝒜_{W_1}^{-1/2}(exp(Z) - W_1). Between the two the map
is close to an isometry, whatever the singular values. Newton's method takes its Jacobian from a
stack of geodesics and keeps it while it serves.

Starts: the straight line between the roots Y = UΛVᵀ, Λ = Σ^{1/N}, in which g^N differs from the
Frobenius metric by a factor N at most; the polar path; and, where the boundary is near, a chain
pulled taut upstairs (:mod:`dlngeo.geometry.chains`). Users find all of it in :mod:`dlngeo.metric`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import schur

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd, transpose
from dlngeo.geometry.chains import shortest
from dlngeo.geometry.frame import Frame, inverse, prepare, require_invertible
from dlngeo.geometry.geodesics import trace
from dlngeo.geometry.spectrum import log_ratio

_TOLERANCE = 1e-12  # of the miss, relative to the length
_SAME = 2e-15  # rounding, a rank, of a product of frames with W
_LINKS = 4  # of the coarsest chain
_CHART = 8  # the depth whose root gives the chart at depth inf
_EDGE = 1e-3  # relative λ below which a chain counts as touching the boundary


class BoundaryWarning(UserWarning):
    """The shortest path that was found touches matrices of lower rank."""


class Connection(NamedTuple):
    """A shortest path between two matrices, as far as one was found.

    Attributes
    ----------
    distance : float
    velocity : (m, n) array or None
        At W_0; None where the path touches the boundary.
    path : (times, m, n) array
        Points of the path, the ends included.
    touches_boundary : bool
        Whether no geodesic within the rank was found. The path then runs along matrices of lower
        rank, and ``distance`` is its length from a chain of 16 links, to some 1e-3 relative.
    """

    distance: float
    velocity: Array | None
    path: Array
    touches_boundary: bool


def log(W0: ArrayLike, W1: ArrayLike, depth: float, *, rank: int | None = None) -> Array:
    """The Riemannian logarithm: the velocity at W0 of the shortest geodesic to W1.

    Parameters
    ----------
    W0, W1 : (..., m, n) arrays
    depth : real number >= 1, or inf
    rank : int or None
        None: full rank; an integer: within the rank-r stratum.

    Returns
    -------
    (..., m, n) array
        Of squared norm inner(W0, Z, Z) = distance². The shortest of the geodesics that two starts
        lead to (see :func:`connect`).

    Raises
    ------
    numpy.linalg.LinAlgError
        If the determinants are of opposite sign, so that no path within full rank joins the two; or
        if the shortest path touches the boundary: :func:`connect` then has it.
    """
    velocities = []
    for found in _each(W0, W1, depth, rank):
        if found.velocity is None:
            raise np.linalg.LinAlgError(
                "no geodesic within the rank was found: the best path touches matrices of lower "
                f"rank and has length {found.distance:.6g}; metric.connect returns it"
            )
        velocities.append(found.velocity)
    return _stacked(velocities, W0, W1)


def distance(W0: ArrayLike, W1: ArrayLike, depth: float, *, rank: int | None = None) -> Array:
    r"""The Riemannian distance of g^N.

    Exact, :math:`\sqrt N\,\|\lambda-\lambda'\|` with λ = σ^{1/N} (at depth inf ‖log σ/σ'‖), where
    W0 and W1 have the same singular frames in the same order; by :func:`log` otherwise.

    Parameters and errors as :func:`log`; shape ``(...)``.

    Warns
    -----
    BoundaryWarning
        Where the shortest path found touches matrices of lower rank: (M_d, g^N) is incomplete, and
        no geodesic within the rank was found. The value is the length of that path.
    """
    lengths = []
    for found in _each(W0, W1, depth, rank):
        if found.touches_boundary:
            warnings.warn(
                "the shortest path found touches matrices of lower rank; its length is from a "
                "chain of 16 links",
                BoundaryWarning,
                stacklevel=2,
            )
        lengths.append(np.asarray(found.distance))
    return _stacked(lengths, W0, W1)


def connect(W0: ArrayLike, W1: ArrayLike, depth: float, *, rank: int | None = None) -> Connection:
    """The shortest path from W0 to W1 that could be found, and what is known of it.

    Parameters and errors as :func:`log`, for one pair of matrices.

    Notes
    -----
    Newton's method is started from the line between the roots UΛVᵀ and from the polar path; of two
    geodesics the shorter counts. If neither start succeeds, a chain is pulled taut upstairs: it is
    the start of a last attempt, or, where it touches the boundary, the answer. That a geodesic is
    shortest among all is not proved.
    """
    frames, r = _ends(W0, W1, depth, rank)
    return _connect(*frames, r)


def _each(W0: ArrayLike, W1: ArrayLike, depth: float, rank: int | None) -> Iterator[Connection]:
    first, second = _checks.matrix(W0, "W0"), _checks.matrix(W1, "W1")
    if first.shape[-2:] != second.shape[-2:]:
        raise ValueError(
            f"W0 and W1 must have the same shape; they have {first.shape} and {second.shape}"
        )
    for A, B in zip(*_flat_pairs(first, second), strict=True):
        yield connect(A, B, depth, rank=rank)


def _flat_pairs(first: Array, second: Array) -> tuple[Array, Array]:
    pairs = np.broadcast_arrays(first, second)
    shape = (-1, *first.shape[-2:])
    return pairs[0].reshape(shape), pairs[1].reshape(shape)


def _stacked(values: list[Array], W0: ArrayLike, W1: ArrayLike) -> Array:
    stack = np.broadcast_shapes(np.shape(W0), np.shape(W1))[:-2]
    inner = values[0].shape if values else ()
    return np.asarray(values).reshape(stack + inner)


def _ends(
    W0: ArrayLike, W1: ArrayLike, depth: float, rank: int | None
) -> tuple[tuple[Frame, Frame], int]:
    first = _checks.matrix(W0, "W0")
    if first.ndim != 2:
        raise ValueError(f"W0 must be one matrix (m, n); its shape is {first.shape}")
    second = _checks.matrix(W1, "W1", (first.shape[0], first.shape[1]))
    frames = []
    for point in (first, second):
        frame, () = prepare(point, (), depth, rank, None)
        require_invertible(frame)
        frames.append(frame)
    return (frames[0], frames[1]), frames[0].sigma.size


# ---------------------------------------------------------------------------------- the solver


def _connect(start: Frame, end: Frame, rank: int) -> Connection:
    A, B = _point(start), _point(end)
    if start.depth == 1:
        return Connection(float(frobenius(B - A)), B - A, np.stack((A, B)), False)
    if math.isinf(start.depth) and rank < max(A.shape):
        return _within_frozen_spaces(start, end, rank)
    if (
        A.shape == (rank, rank)
        and np.linalg.det(start.U @ start.Vt) * np.linalg.det(end.U @ end.Vt) < 0
    ):
        raise np.linalg.LinAlgError(
            "W0 and W1 must have determinants of the same sign: no path within full rank joins them"
        )
    exact = _same_frames(start, end, rank)
    if exact is not None:
        return exact
    found = [_shoot(start, end, path) for path in _starts(start, end)]
    best = min((c for c in found if c is not None), key=lambda c: c.distance, default=None)
    if best is None and not math.isinf(start.depth):
        best = _by_chain(start, end, rank)
    if best is None:
        raise np.linalg.LinAlgError("no geodesic from W0 to W1 was found")
    return best


def _point(frame: Frame) -> Array:
    return np.asarray((frame.U * frame.sigma[..., None, :]) @ frame.Vt)


def _same_frames(start: Frame, end: Frame, rank: int) -> Connection | None:
    """The straight line in λ, where both ends have the same frames in the same order."""
    A, B, depth = _point(start), _point(end), start.depth
    U, _, Vt = svd(A / frobenius(A) + B / frobenius(B))
    U, Vt = U[:, :rank], Vt[:rank]
    left, right = np.abs(U) @ np.abs(U.T), np.abs(Vt.T) @ np.abs(Vt)
    for W, sigma in ((A, start.sigma), (B, end.sigma)):
        rounding = _SAME * rank * (left @ np.abs(W) @ right)
        if (np.abs(W - (U * sigma) @ Vt) > rounding).any():
            return None
    s, t = start.sigma, end.sigma
    steps = np.linspace(0, 1, 17)[:, None]
    if math.isinf(depth):
        rate = np.where(t < s, -1.0, 1.0) * log_ratio(s, t)
        sigma, velocity = s * np.exp(steps * rate), s * rate
        length = float(np.linalg.norm(rate))
    else:
        lam, change = s ** (1 / depth), t ** (1 / depth) - s ** (1 / depth)
        sigma = (lam + steps * change) ** depth
        velocity = depth * lam ** (depth - 1) * change
        length = math.sqrt(depth) * float(np.linalg.norm(change))
    return Connection(length, (U * velocity) @ Vt, (U * sigma[:, None, :]) @ Vt, False)


def _within_frozen_spaces(start: Frame, end: Frame, rank: int) -> Connection:
    """At depth inf both ends must share row and column spaces; the rest is a square matter."""
    core = start.U.T @ _point(end) @ start.Vt.T
    outside = frobenius(_point(end) - start.U @ core @ start.Vt)
    if outside > 1e-12 * frobenius(core):
        raise np.linalg.LinAlgError(
            "at depth inf W0 and W1 must have the same row and column spaces: these are frozen"
        )
    first = Frame.of(np.diag(start.sigma), start.depth, rank)
    inner = _connect(first, Frame.of(core, start.depth, rank), rank)
    velocity = None if inner.velocity is None else start.U @ inner.velocity @ start.Vt
    return inner._replace(velocity=velocity, path=start.U @ inner.path @ start.Vt)


def _shoot(start: Frame, end: Frame, path: Callable[[float], Array]) -> Connection | None:
    """Newton's method from the velocity with which ``path`` begins; None where it fails."""
    step = 1e-6
    target = _point(end)
    velocity = (path(step) - path(0.0)) / step
    velocity = start.map(lambda K: K, start.map(inverse, velocity))  # tangent to the stratum
    problem = _Miss(start, end, target)
    xi = _newton(problem, problem.coordinates(velocity))
    if xi is None:
        return None
    velocity = problem.velocity(xi)
    points = trace(start, velocity, np.linspace(0, 1, 17))
    return Connection(float(np.linalg.norm(xi)), velocity, points, False)


class _Miss:
    """By how much a geodesic misses its target, in orthonormal coordinates at both ends."""

    def __init__(self, start: Frame, end: Frame, target: Array) -> None:
        self.start, self.end, self.target = start, end, target
        m, n = target.shape
        r = start.sigma.size
        basis = np.eye(m * n).reshape(-1, m, n)
        if r < min(m, n):  # an orthonormal basis of the tangent space: range of the projector
            outside = (
                (np.eye(m) - start.U @ start.U.T) @ basis @ (np.eye(n) - start.Vt.T @ start.Vt)
            )
            tangent = (basis - outside).reshape(m * n, m * n)
            values, vectors = np.linalg.eigh(tangent)
            basis = vectors[:, values > 0.5].T.reshape(-1, m, n)
        self.basis = basis

    def coordinates(self, Z: Array) -> Array:
        """ξ of a velocity."""
        xi = self.start.map(lambda K: np.sqrt(inverse(K)), Z)
        return np.asarray(np.tensordot(self.basis, xi, axes=2))

    def velocity(self, xi: Array) -> Array:
        """𝒜^{1/2} ξ, of a stack of coordinates."""
        return self.start.map(np.sqrt, np.tensordot(xi, self.basis, axes=1))

    def __call__(self, xi: Array, rtol: float = 1e-13) -> Array:
        """The miss (..., m n) of a stack of coordinates."""
        reached = trace(self.start, self.velocity(xi), np.ones(1), rtol)[0]
        miss = self.end.map(lambda K: np.sqrt(inverse(K)), reached - self.target)
        return miss.reshape(*xi.shape[:-1], -1)


def _newton(miss: _Miss, xi: Array, iterations: int = 40) -> Array | None:
    """A zero of the miss, or None. Steps that do not help or leave the manifold are halved."""
    value, jacobian, fresh = _try(miss, xi), None, False
    while value is None and np.linalg.norm(xi) > 0:  # the start leaves the manifold: a shorter one
        xi = 0.5 * xi
        value = _try(miss, xi)
        if np.linalg.norm(xi) < 1e-3:
            return None
    for _ in range(iterations):
        if value is None:
            return None
        size = float(np.linalg.norm(value))
        if size <= _TOLERANCE * max(float(np.linalg.norm(xi)), 1e-3):
            return xi
        if jacobian is None:
            jacobian, fresh = _jacobian(miss, xi), True
            if jacobian is None:
                return None
        step = -np.linalg.lstsq(jacobian, value, rcond=1e-10)[0]
        trial, new = _damped(miss, xi, step, size)
        if trial is None or new is None:
            if fresh:
                return xi if size <= 1e-10 * float(np.linalg.norm(xi)) else None
            jacobian = None
            continue
        if np.linalg.norm(new) > 0.1 * size:
            jacobian = None  # it no longer serves
        xi, value, fresh = trial, new, False
    return None


def _damped(miss: _Miss, xi: Array, step: Array, size: float) -> tuple[Array | None, Array | None]:
    for halving in range(8):
        trial = xi + step * 0.5**halving
        value = _try(miss, trial)
        if value is not None and np.linalg.norm(value) < size * (1 - 0.1 * 0.5**halving):
            return trial, value
    return None, None


def _try(miss: _Miss, xi: Array) -> Array | None:
    try:
        return miss(xi)
    except np.linalg.LinAlgError:
        return None


def _jacobian(miss: _Miss, xi: Array) -> Array | None:
    """Differences within one stack of geodesics, whose common steps make the errors cancel."""
    h = 1e-5 * max(float(np.linalg.norm(xi)), 1e-3)
    try:
        values = miss(xi + h * np.concatenate((np.zeros((1, xi.size)), np.eye(xi.size))), 1e-9)
    except np.linalg.LinAlgError:
        return None
    return np.asarray((values[1:] - values[0]).T / h)


# ---------------------------------------------------------------------------------- the starts


def _starts(start: Frame, end: Frame) -> list[Callable[[float], Array]]:
    paths = [_root_path(start, end)]
    if start.shape[0] == start.shape[1] == start.sigma.size:
        paths.append(_polar_path(start, end))
    return paths


def _root_path(start: Frame, end: Frame) -> Callable[[float], Array]:
    """The straight line between the roots U Σ^{1/N} Vᵀ."""
    depth, r = min(start.depth, _CHART), start.sigma.size
    roots = [(f.U * f.sigma ** (1 / depth)) @ f.Vt for f in (start, end)]

    def path(t: float) -> Array:
        U, lam, Vt = svd((1 - t) * roots[0] + t * roots[1])
        return np.asarray((U[:, :r] * lam[:r] ** depth) @ Vt[:r])

    return path


def _polar_path(start: Frame, end: Frame) -> Callable[[float], Array]:
    """Q_0 exp(tΩ) with the line between the P^{1/N} (log P) of the polar decompositions QP."""
    depth = start.depth
    Q = [f.U @ f.Vt for f in (start, end)]
    P = []
    for f in (start, end):
        values = np.log(f.sigma) if math.isinf(depth) else f.sigma ** (1 / depth)
        P.append(transpose(f.Vt) @ (values[:, None] * f.Vt))
    turn = _rotation(Q[0].T @ Q[1])

    def path(t: float) -> Array:
        values, vectors = np.linalg.eigh((1 - t) * P[0] + t * P[1])
        sigma = np.exp(values) if math.isinf(depth) else values**depth
        return np.asarray(Q[0] @ turn(t) @ (vectors * sigma) @ vectors.T)

    return path


def _rotation(Q: Array) -> Callable[[float], Array]:
    """T → Q^t for a rotation Q: planes turn by the shorter way."""
    T, V = schur(Q, output="real")
    planes, k = [], 0
    flips = []
    while k < len(T):
        if k + 1 < len(T) and abs(T[k + 1, k]) > 1e-14:
            planes.append((k, k + 1, math.atan2(T[k + 1, k], T[k, k])))
            k += 2
            continue
        if T[k, k] < 0:
            flips.append(k)
        k += 1
    planes += [(i, j, math.pi) for i, j in zip(flips[::2], flips[1::2], strict=False)]

    def power(t: float) -> Array:
        R = np.eye(len(T))
        for i, j, angle in planes:
            c, s = math.cos(t * angle), math.sin(t * angle)
            R[i, i], R[i, j], R[j, i], R[j, j] = c, -s, s, c
        return np.asarray(V @ R @ V.T)

    return power


def _by_chain(start: Frame, end: Frame, rank: int) -> Connection | None:
    """A chain pulled taut: the answer where it touches the boundary, else one more start."""
    depth = round(start.depth)
    if depth != start.depth:
        return None
    times = np.linspace(0, 1, _LINKS + 1)
    chains = []
    for path in _starts(start, end):
        points = np.stack([path(t) for t in times])
        points[0], points[-1] = _point(start), _point(end)
        chains.append(shortest(points, depth, rank))
    chain = min(chains, key=lambda c: c.length)
    if chain.least >= _EDGE:
        h = 1 / (len(chain.path) - 1)
        opening = (-3 * chain.path[0] + 4 * chain.path[1] - chain.path[2]) / (2 * h)
        found = _shoot(start, end, lambda t: _point(start) + t * opening)
        if found is not None:
            return found
    return Connection(chain.length, None, chain.path, True)
