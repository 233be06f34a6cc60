r"""Geodesics of g^N in Hamiltonian form, and the exponential map.

A geodesic is the motion of H(W, P) = ½⟨P, 𝒜_{N,W} P⟩: Ẇ = 𝒜_{N,W} P, Ṗ = -∂_W H. In the frames of
W, p = UᵀPV, the derivative of the eigenvalue K is a divided difference,
K(a, c) - K(b, c) = G(a, b, c)(a^{2/N} - b^{2/N}), so that

.. math:: U^T\dot PV = X\Sigma + \Sigma Y,\qquad
   X_{kj} = -\frac1{K_{kj}}\sum_l p_{kl}p_{jl}G_{kjl},\quad
   Y_{lj} = -\frac1{K_{lj}}\sum_k p_{kl}p_{kj}G_{klj}.

Nothing is subtracted, so singular values may meet. H, PWᵀ - WPᵀ and WᵀP - PᵀW are conserved. On
the rank-r stratum P stays in the cotangent space: its part outside both ranges is kept at zero.
Derived; the metric is Menon's, (4.16), (7.13)-(7.15) corrected, (14.7)-(14.10).

Singular values of W reach zero in finite time at finite depth: (M_d, g^N) is incomplete. Such a
geodesic is followed no further, and the calls say when. g^∞ is complete.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import diagonal_matrix, svd_product, transpose
from dlngeo._threads import one_blas_thread
from dlngeo.spectral.divided_differences import second_quotient
from dlngeo.spectral.frame import Frame, Parts, inverse, prepare, require_invertible

_BOUNDARY = 1e-13  # relative singular value at which a geodesic is taken to have left


class Effort(NamedTuple):
    """What a geodesic may cost: a relative tolerance, and evaluations of its equations."""

    rtol: float
    evaluations: int  # some 300 as a rule; more means that rounding of the smallest σ rules


_FULL = Effort(1e-13, 12000)


@one_blas_thread
def geodesic(
    W: ArrayLike, Z: ArrayLike, depth: float, times: ArrayLike, *, rank: int | None = None
) -> Array:
    """The geodesic of g^N from W with velocity Z, at the given times.

    Parameters
    ----------
    W, Z : (..., m, n) arrays
    depth : real number >= 1, or inf
        At 1 the geodesic is the straight line W + tZ, at any rank.
    times : (time,) array, in any order, negative ones too
    rank : int or None
        As for :func:`dlngeo.metric.solve`: an integer gives the geodesic in the rank-r stratum, Z
        being first projected on its tangent space.

    Returns
    -------
    (time, ..., m, n) array
        Relative error some 1e-12.

    Raises
    ------
    numpy.linalg.LinAlgError
        If 𝒜 is singular at W, or the geodesic reaches a matrix of lower rank before the last time.

    Notes
    -----
    Source: derived; the metric is Menon's, (4.16), (7.15) corrected, (14.10).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> path = dln.metric.geodesic(np.diag([4.0, 1.0]), np.diag([4.0, 0.0]), 2, [0.0, 0.5, 1.0])
    >>> path[:, 0, 0].round(6).tolist()  # (2 + t)²
    [4.0, 6.25, 9.0]
    """
    frame, (Z,) = prepare(W, {"Z": Z}, depth, rank)
    moments = _checks.real_array(times, "times")
    if moments.ndim != 1 or moments.size == 0:
        raise ValueError(f"times must have shape (time,), time >= 1; its shape is {moments.shape}")
    require_invertible(frame)
    return _from(frame, W, Z, moments)


@one_blas_thread
def exp(W: ArrayLike, Z: ArrayLike, depth: float, *, rank: int | None = None) -> Array:
    """The exponential map of g^N: the end at t = 1 of the geodesic from W with velocity Z.

    Parameters, errors and source as :func:`geodesic`; shape ``(..., m, n)``.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> W = np.diag([4.0, 1.0])
    >>> dln.metric.exp(W, np.diag([4.0, 0.0]), 2).round(6).tolist()  # √σ moves at constant speed
    [[9.0, 0.0], [0.0, 1.0]]
    """
    frame, (Z,) = prepare(W, {"Z": Z}, depth, rank)
    require_invertible(frame)
    return np.asarray(_from(frame, W, Z, np.ones(1))[0])


def _from(frame: Frame, W: ArrayLike, Z: Array, times: Array) -> Array:
    """The geodesic; at depth 1, where g is the Frobenius metric, the straight line."""
    if frame.depth > 1:
        return trace(frame, Z, times)
    point, Z = np.broadcast_arrays(frame.point(np.asarray(W, dtype=float)), Z)
    return np.asarray(point + np.multiply.outer(times, Z))


def trace(frame: Frame, Z: Array, times: Array, effort: Effort = _FULL) -> Array:
    """:func:`geodesic` of a frame at depth > 1, unchecked; a stack takes common steps."""
    shape = np.broadcast_shapes(frame.shape, Z.shape)
    if 0 in shape:
        return np.empty((times.size, *shape))
    r = frame.sigma.shape[-1]
    if math.isinf(frame.depth) and max(shape[-2:]) > r:  # row and column spaces are frozen
        core = Frame.of(diagonal_matrix(frame.sigma, r, r), frame.depth, r)
        inside = trace(core, frame.split(Z).inside, times, effort)
        return np.asarray(frame.U @ inside @ frame.Vt)
    # g^N(cW)(cZ, cZ) = c^{2/N} g^N(W)(Z, Z): lengths scale, geodesics do not change.
    scale = frame.sigma[..., :1, None]  # of each member of a stack its own
    frame = Frame.of(svd_product(frame.U, frame.sigma, frame.Vt) / scale, frame.depth, r)
    W = np.broadcast_to(svd_product(frame.U, frame.sigma, frame.Vt), shape)
    P = np.broadcast_to(frame.map(inverse, Z / scale), shape)
    return np.asarray(scale * _integrate(W, P, times, frame.depth, r, effort))


def _integrate(W: Array, P: Array, times: Array, depth: float, rank: int, effort: Effort) -> Array:
    """W at the times, on both sides of t = 0."""
    result = np.empty((times.size, *W.shape))
    for side in (1.0, -1.0):
        chosen = np.flatnonzero(times * side >= 0 if side > 0 else times < 0)
        if chosen.size == 0:
            continue
        order = chosen[np.argsort(side * times[chosen])]
        result[order] = _one_side(W, side * P, side * times[order], depth, rank, effort)
    return result


def _one_side(W: Array, P: Array, times: Array, depth: float, rank: int, effort: Effort) -> Array:
    """W at increasing times >= 0."""
    if times[-1] == 0:
        return np.broadcast_to(W, (times.size, *W.shape))

    def margin(_: float, y: Array) -> float:
        """How far the least singular value is above what counts as the boundary."""
        sigma = np.linalg.svd(y[: W.size].reshape(W.shape), compute_uv=False)
        return float((sigma[..., rank - 1] / sigma[..., 0]).min()) - _BOUNDARY

    margin.terminal = True  # type: ignore[attr-defined]
    try:
        with np.errstate(over="raise", invalid="raise"):
            run = solve_ivp(
                _equations(W.shape, depth, rank, effort),
                (0.0, times[-1]),
                np.concatenate((W.ravel(), P.ravel())),
                method="DOP853",
                t_eval=times,
                rtol=effort.rtol,
                atol=np.repeat((1e-16, 1e-16 * max(np.abs(P).max(), 1e-300)), W.size),
                events=None if math.isinf(depth) else margin,
            )
    except FloatingPointError:
        raise np.linalg.LinAlgError(
            f"the geodesic leaves the range of floating point before t = {times[-1]:g}"
        ) from None
    if run.status != 0:
        reached = float(run.t_events[0][0]) if run.status == 1 else float(_last(run))
        raise np.linalg.LinAlgError(
            f"the geodesic reaches a matrix of rank below {rank} at t = {reached:.6g}, "
            f"before t = {times[-1]:g}: (M_r, g^N) is incomplete"
        )
    return np.asarray(run.y[: W.size].T.reshape(times.size, *W.shape))


def _equations(
    shape: tuple[int, ...], depth: float, rank: int, effort: Effort
) -> Callable[[float, Array], Array]:
    """The rates of (W, P) as one vector, refused once they were asked for too often."""
    size, count = math.prod(shape), 0

    def rates(t: float, y: Array) -> Array:
        nonlocal count
        count += 1
        if count > effort.evaluations:
            raise np.linalg.LinAlgError(
                f"the geodesic could not be followed beyond t = {t:.6g} in {effort.evaluations} "
                f"evaluations: it comes too close to a matrix of rank below {rank}, or grows too "
                "fast, for double precision"
            )
        here, momentum = y[:size].reshape(shape), y[size:].reshape(shape)
        velocity, force = hamilton(Frame.of(here, depth, rank), momentum)
        return np.concatenate((velocity.ravel(), force.ravel()))

    return rates


def _last(run: object) -> float:
    t: Sequence[float] = run.t  # type: ignore[attr-defined]
    return t[-1] if len(t) else 0.0


def hamilton(frame: Frame, P: Array) -> tuple[Array, Array]:
    """Ẇ = 𝒜P and Ṗ = -∂_W ½⟨P, 𝒜P⟩ at depth > 1, P tangent to the stratum."""
    p, right, left = frame.split(P)
    sigma, K = frame.sigma, frame.eigenvalues
    a, b, c = sigma[..., :, None, None], sigma[..., None, :, None], sigma[..., None, None, :]
    G = second_quotient(a, b, c, frame.depth)
    X = -np.einsum("...kl,...jl,...kjl->...kj", p, p, G) / K
    Y = -np.einsum("...kl,...kj,...klj->...lj", p, p, G) / K
    if frame.border is None:
        inside = Parts(_between(X, Y, sigma), None, None)
        return frame.join(Parts(K * p, None, None)), frame.join(inside)
    border = frame.border
    G0 = second_quotient(sigma[..., :, None], sigma[..., None, :], np.zeros(()), frame.depth)
    lever = p * G0
    speeds: list[Array | None] = [None, None]
    forces: list[Array | None] = [None, None]
    if right is not None:
        X = X - right @ transpose(right) * G0 / K
        speeds[0] = border[..., :, None] * right
        forces[0] = -(sigma / border)[..., :, None] * (transpose(lever) @ right)
    if left is not None:
        Y = Y - transpose(left) @ left * G0 / K
        speeds[1] = border[..., None, :] * left
        forces[1] = -(sigma / border)[..., None, :] * (left @ transpose(lever))
    velocity = frame.join(Parts(K * p, *speeds))
    force = frame.join(Parts(_between(X, Y, sigma), *forces))
    if right is not None and left is not None:  # P keeps no part outside both ranges as these turn
        force = force + (left * (2 * border / sigma)[..., None, :]) @ right
    return velocity, force


def _between(X: Array, Y: Array, sigma: Array) -> Array:
    """X Σ + Σ Y."""
    return np.asarray(X * sigma[..., None, :] + sigma[..., :, None] * Y)
