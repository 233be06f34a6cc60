r"""Logarithm and distance of g^N. Users find them in :mod:`dlngeo.metric`.

In closed form where one is known (:mod:`~dlngeo.metric._closed_forms`); by pulling paths taut
otherwise (:mod:`~dlngeo.metric._two_points`); and where that fails, with the help of a discrete
geodesic upstairs (:mod:`~dlngeo.metric._discrete_geodesics`). Derived; the metric is Menon's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd_product
from dlngeo._results.brief import brief
from dlngeo._threads import one_blas_thread
from dlngeo.metric._closed_forms import rank_one_geodesic, same_frames, same_polar_factor
from dlngeo.metric._discrete_geodesics import discrete_geodesic
from dlngeo.metric._two_points import (
    Ends,
    Geodesic,
    along,
    aside,
    ends,
    matrices,
    shortest,
    starts,
)
from dlngeo.spectral.frame import Frame, prepare, require_invertible

_TIMES = np.linspace(0, 1, 17)
_TAIL = 1e-9  # of coefficients: its square is the error of length and velocity
_TAIL_OF_A_PATH = 1e-12  # the error of the points between
_LINKS = 4  # of the coarsest discrete path
_EDGE = 1e-3  # relative λ below which a path counts as touching the boundary


class NoGeodesicWarning(UserWarning):
    """No geodesic within the rank was found; the length of the best path stands in for it."""


class Connection(NamedTuple):
    """A shortest path between two matrices, as far as one was found.

    Attributes
    ----------
    distance : float
    velocity : (m, n) array or None
        At W_0; None where no geodesic within the rank was found. The path is then a discrete
        geodesic of 16 links, the best one known, and ``distance`` its length, to some 1e-4
        relative.
    path : (times, m, n) array
        Points of the path, the ends included.
    touches_boundary : bool
        Whether the path touches matrices of lower rank.
    """

    distance: float
    velocity: Array | None
    path: Array
    touches_boundary: bool

    def __repr__(self) -> str:
        return brief(self)


@one_blas_thread
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
        if no geodesic was found: :func:`connect` then has the best path, and says whether it
        touches matrices of lower rank.

    Notes
    -----
    Source: derived; the metric is Menon's, (4.16), (7.15) corrected, (14.10).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> dln.metric.log(np.diag([4.0, 1.0]), np.diag([9.0, 1.0]), 2).round(6).tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    velocities = []
    for found in _each(W0, W1, depth, rank):
        if found.velocity is None:
            raise np.linalg.LinAlgError(
                "no geodesic within the rank was found: the best path "
                f"{_boundary(found)}has length {found.distance:.6g}; metric.connect returns it"
            )
        velocities.append(found.velocity)
    return _stacked(velocities, W0, W1, np.shape(W0)[-2:])


@one_blas_thread
def distance(W0: ArrayLike, W1: ArrayLike, depth: float, *, rank: int | None = None) -> Array:
    r"""The Riemannian distance of g^N.

    Exact, :math:`\sqrt N\,\|\lambda-\lambda'\|` with λ = σ^{1/N} (at depth inf ‖log σ/σ'‖), where
    W0 and W1 have the same singular frames in the same order; by :func:`log` otherwise.

    Parameters and errors as :func:`log`; shape ``(...)``.

    Warns
    -----
    NoGeodesicWarning
        Where no geodesic within the rank was found: (M_d, g^N) is incomplete. The value is the
        length of the best path known, and the warning says if that touches the boundary. At depths
        that are not whole there is no such path, and ``LinAlgError`` is raised: near depth 1 also
        for pairs far apart whose geodesic exists.

    Notes
    -----
    Source: derived; by Menon, Theorem 13, it is the distance of the fibres over W0 and W1.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> far = dln.metric.distance(np.diag([4.0, 1.0]), np.diag([9.0, 1.0]), 2)
    >>> round(float(far), 6)  # √2 (√9 - √4)
    1.414214
    """
    lengths = []
    for found in _each(W0, W1, depth, rank):
        if found.velocity is None:
            place = _boundary(found) or "keeps off the boundary and "
            warnings.warn(
                "no geodesic within the rank was found; the distance is the length of a discrete "
                f"geodesic of 16 links, which {place}is the best path known",
                NoGeodesicWarning,
                stacklevel=2,
            )
        lengths.append(np.asarray(found.distance))
    return _stacked(lengths, W0, W1)


@one_blas_thread
def connect(W0: ArrayLike, W1: ArrayLike, depth: float, *, rank: int | None = None) -> Connection:
    """The shortest path from W0 to W1 that could be found, and what is known of it.

    Parameters and errors as :func:`log`, for one pair of matrices.

    Notes
    -----
    Where no closed form is known, the line between the roots UΣ^{1/2}Vᵀ and the polar path are
    pulled taut, as polynomials in time whose degree grows until they are geodesics to rounding; the
    shorter counts. If neither leads to one the line is bent aside, and then a discrete geodesic is
    found upstairs: it is the start of a last attempt, or the answer. That a
    geodesic is shortest among all is not proved. Source: derived; Menon, Theorem 13.
    """
    return _connection(W0, W1, depth, rank, _TAIL_OF_A_PATH)


def _connection(
    W0: ArrayLike, W1: ArrayLike, depth: float, rank: int | None, tail: float = _TAIL
) -> Connection:
    """:func:`connect`; the points of the path are only as good as ``tail`` says."""
    frames = _ends(W0, W1, depth, rank)
    points = [f.point(np.asarray(W, dtype=float)) for f, W in zip(frames, (W0, W1), strict=True)]
    if frames[0].depth == 1:  # the straight line, without the rounding of an SVD
        return _line(*points)
    # Lengths scale, d(cW0, cW1) = c^{1/N} d(W0, W1): what is small is judged at the size one. A
    # power of two keeps every digit.
    unit = math.ldexp(1.0, round(sum(0.5 * math.log2(f.sigma[0]) for f in frames)))
    start, end = (Frame.with_frames(f.U, f.sigma / unit, f.Vt, f.depth) for f in frames)
    found = _connect(start, end, points[1] / unit - points[0] / unit, tail)
    path = unit * found.path
    path[0], path[-1] = points
    return Connection(
        found.distance * unit ** (1 / start.depth),
        None if found.velocity is None else unit * found.velocity,
        path,
        found.touches_boundary,
    )


def _line(A: Array, B: Array) -> Connection:
    steps = _TIMES[:, None, None]
    return Connection(float(frobenius(B - A)), B - A, (1 - steps) * A + steps * B, False)


def _boundary(found: Connection) -> str:
    return "touches matrices of lower rank and " if found.touches_boundary else ""


def _each(W0: ArrayLike, W1: ArrayLike, depth: float, rank: int | None) -> Iterator[Connection]:
    first, second = _checks.matrix(W0, "W0"), _checks.matrix(W1, "W1")
    if first.shape[-2:] != second.shape[-2:]:
        raise ValueError(
            f"W0 and W1 must have the same shape; they have {first.shape} and {second.shape}"
        )
    for A, B in zip(*_flat_pairs(first, second), strict=True):
        yield _connection(A, B, depth, rank)


def _flat_pairs(first: Array, second: Array) -> tuple[Array, Array]:
    pairs = np.broadcast_arrays(first, second)
    shape = (-1, *first.shape[-2:])
    return pairs[0].reshape(shape), pairs[1].reshape(shape)


def _stacked(
    values: list[Array], W0: ArrayLike, W1: ArrayLike, inner: tuple[int, ...] = ()
) -> Array:
    stack = np.broadcast_shapes(np.shape(W0), np.shape(W1))[:-2]
    return np.asarray(values).reshape(stack + inner)[()]


def _ends(W0: ArrayLike, W1: ArrayLike, depth: float, rank: int | None) -> tuple[Frame, Frame]:
    first = _checks.matrix(W0, "W0")
    if first.ndim != 2:
        raise ValueError(f"W0 must be one matrix (m, n); its shape is {first.shape}")
    second = _checks.matrix(W1, "W1", (first.shape[0], first.shape[1]))
    frames = []
    for name, point in (("W0", first), ("W1", second)):
        frame, () = prepare(point, {}, depth, rank, name=name)
        require_invertible(frame)
        frames.append(frame)
    return frames[0], frames[1]


def _connect(start: Frame, end: Frame, difference: Array, tail: float) -> Connection:
    rank = start.sigma.size
    if math.isinf(start.depth) and rank < max(start.shape):
        return _within_frozen_spaces(start, end, tail)
    if (
        start.shape == (rank, rank)
        and np.linalg.det(start.U @ start.Vt) * np.linalg.det(end.U @ end.Vt) < 0
    ):
        raise np.linalg.LinAlgError(
            "W0 and W1 must have determinants of the same sign: no path within full rank joins them"
        )
    known = _closed_form(start, end)
    if known is not None:
        return Connection(*known, False)
    pair = ends(start, end, difference)
    found = shortest(pair, starts(pair), tail) or shortest(pair, aside(pair), tail)
    if found is not None:
        return _found(found)
    if math.isinf(start.depth) or not float(start.depth).is_integer():
        raise np.linalg.LinAlgError("no geodesic from W0 to W1 was found")
    return _by_discrete_geodesic(pair, int(start.depth), tail)


def _found(geodesic: Geodesic) -> Connection:
    return Connection(geodesic.length, geodesic.velocity, geodesic.points(_TIMES), False)


def _closed_form(start: Frame, end: Frame) -> tuple[float, Array, Array] | None:
    rank, depth = start.sigma.size, start.depth
    if rank == 1 and not math.isinf(depth):
        return rank_one_geodesic(start, end, _TIMES)
    known = same_frames(start, end, _TIMES)
    if known is None and depth == 2 and start.shape == (rank, rank):
        known = same_polar_factor(start, _point(end), _TIMES)
    return known


def _point(frame: Frame) -> Array:
    return svd_product(frame.U, frame.sigma, frame.Vt)


def _within_frozen_spaces(start: Frame, end: Frame, tail: float) -> Connection:
    """At depth inf both ends must share row and column spaces; the rest is a square matter."""
    core = start.U.T @ _point(end) @ start.Vt.T
    outside = frobenius(_point(end) - start.U @ core @ start.Vt)
    if outside > 1e-12 * frobenius(core):
        raise np.linalg.LinAlgError(
            "at depth inf W0 and W1 must have the same row and column spaces: these are frozen"
        )
    rank, point = start.sigma.size, np.diag(start.sigma)
    first, last = (Frame.of(W, start.depth, rank) for W in (point, core))
    inner = _connect(first, last, core - point, tail)
    velocity = None if inner.velocity is None else start.U @ inner.velocity @ start.Vt
    return inner._replace(velocity=velocity, path=start.U @ inner.path @ start.Vt)


def _by_discrete_geodesic(pair: Ends, depth: int, tail: float) -> Connection:
    """A discrete geodesic: one more start, or the answer."""
    links = np.linspace(0, 1, _LINKS + 1)
    paths = pair.paths
    relaxed = []
    for eta in starts(pair):
        points = matrices(pair, paths.at(eta[None], links)[0])
        relaxed.append(discrete_geodesic(points, depth, paths.rank))
    best = min(relaxed, key=lambda c: c.length)
    if best.least >= _EDGE:
        found = shortest(pair, [along(pair, best.path)], tail)
        if found is not None:
            return _found(found)
    return Connection(best.length, None, best.path, best.least < _EDGE)
