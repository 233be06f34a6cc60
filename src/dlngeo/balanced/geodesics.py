r"""Geodesics of the balanced manifold M_d with the metric of its ambient space, full square layers.

On a level set of the imbalances the acceleration is normal, Ẅ_p = S_p W_p - W_p S_{p-1} with
symmetric S_1, …, S_{N-1} and S_0 = S_N = 0. In the frames of W, V̂_p = Q_pᵀ Ẇ_p Q_{p-1}, that the
imbalances stay zero says for each pair of directions

.. math:: (\lambda_k^2+\lambda_l^2)S_p - \lambda_k\lambda_l(S_{p-1}+S_{p+1})
   = \hat V_{p+1}^T\hat V_{p+1} - \hat V_p\hat V_p^T,

which sines diagonalise, as they do the orbit's Gram matrix. Between two points the equation is
solved for a polynomial in time by Newton's method with Krylov steps. Derived; Menon, (4.2)-(4.4).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import NoConvergence, newton_krylov

from dlngeo._checks import Array
from dlngeo._linalg import transpose
from dlngeo._lobatto import rule
from dlngeo.balanced.retraction import nearest_coordinates, projection
from dlngeo.balanced.tangent import solve_orbit

_EVALUATIONS = 5000
_DEGREES = (10, 16, 24, 36, 54)
_SOLVED, _MET, _TAIL = 1e-13, 1e-10, 1e-8
_BOUNDARY = 1e-6  # relative λ at which a geodesic is taken to have left full rank


def acceleration(W: Array, V: Array) -> Array:
    """Ẅ of the geodesic through W (..., N, d, d) with velocity V."""
    layers, depth = list(np.moveaxis(W, -3, 0)), W.shape[-3]
    if depth == 1:
        return np.zeros_like(W)
    frames, lam = nearest_coordinates(layers, W.shape[-1])
    hats = [transpose(Q) @ V[..., p, :, :] @ P for p, (P, Q) in enumerate(pairwise(frames))]
    right = np.stack([transpose(B) @ B - A @ transpose(A) for A, B in pairwise(hats)])
    S = solve_orbit(right, lam)
    zero = np.zeros_like(S[:1])
    S = np.concatenate((zero, S, zero))
    inside = S[1:] * lam[..., None, :] - lam[..., :, None] * S[:-1]
    bent = [Q @ A @ transpose(P) for A, (P, Q) in zip(inside, pairwise(frames), strict=True)]
    return np.stack(bent, axis=-3)


def path(W: Array, V: Array, times: Array) -> Array:
    """The geodesic of one network W (N, d, d) at the times, (time, N, d, d)."""
    points = np.empty((times.size, *W.shape))
    for side in (1.0, -1.0):
        chosen = np.flatnonzero(times >= 0 if side > 0 else times < 0)
        if chosen.size:
            order = chosen[np.argsort(side * times[chosen])]
            points[order] = _one_side(W, side * V, side * times[order])
    return points


def _one_side(W: Array, V: Array, times: Array) -> Array:
    """At increasing times >= 0."""
    if times[-1] == 0 or W.shape[-3] == 1:
        return np.asarray(W + times[:, None, None, None] * V)
    size, count = W.size, 0

    def rates(t: float, y: Array) -> Array:
        nonlocal count
        count += 1
        if count > _EVALUATIONS:
            raise np.linalg.LinAlgError(
                f"the geodesic could not be followed beyond t = {t:.6g}: it comes too close to "
                "weights of lower rank"
            )
        here, speed = y[:size].reshape(W.shape), y[size:].reshape(W.shape)
        return np.concatenate((speed.ravel(), acceleration(here, speed).ravel()))

    def margin(_: float, y: Array) -> float:
        """The least singular value of a layer, with the sign of its determinant."""
        first = y[: W[0].size].reshape(W[0].shape)
        sigma = np.linalg.svd(first, compute_uv=False)
        return float(side * np.linalg.slogdet(first)[0] * sigma[-1] / sigma[0]) - _BOUNDARY

    side = np.linalg.slogdet(W[0])[0]
    margin.terminal = True  # type: ignore[attr-defined]
    unit = max(float(np.linalg.norm(W)), 1e-300)
    speed = max(float(np.linalg.norm(V)), 1e-300)
    run = solve_ivp(
        rates,
        (0.0, times[-1]),
        np.concatenate((W.ravel(), V.ravel())),
        method="DOP853",
        t_eval=times,
        rtol=1e-13,
        atol=np.repeat((1e-15 * unit, 1e-15 * speed), size),
        events=margin,
    )
    if run.status != 0:
        reached = float(run.t_events[0][0]) if run.status == 1 else float(run.t[-1])
        raise np.linalg.LinAlgError(
            f"the geodesic reaches weights of lower rank at t = {reached:.6g}, before "
            f"t = {times[-1]:g}: the balanced manifold is incomplete"
        )
    points = run.y[:size].T.reshape(len(times), *W.shape)
    nearest, _ = projection(tuple(np.moveaxis(points, -3, 0)), W.shape[-1])
    return np.stack(nearest, axis=-3)


def logarithm(start: Array, end: Array) -> Array:
    """The velocity at one network (N, d, d) of a geodesic to another, the one near the line."""
    step = end - start
    if len(start) == 1 or not step.any():
        return step
    if (np.linalg.slogdet(start)[0] != np.linalg.slogdet(end)[0]).any():
        raise np.linalg.LinAlgError(
            "the layers of both must have determinants of the same signs: no path within full rank "
            "joins them"
        )
    degree = _DEGREES[0]
    times = rule(degree).times
    eta = _beside(start + times[:, None, None, None] * step)[1:-1]
    eta = eta - (start + times[1:-1, None, None, None] * step)
    for finer in (*_DEGREES[1:], 0):
        eta = _solved(start, step, eta, degree)
        points = rule(degree)
        full = np.concatenate((0 * eta[:1], eta, 0 * eta[:1])).reshape(degree + 1, -1)
        series = points.coefficients @ full
        if np.abs(series[-2:]).max() <= _TAIL * np.abs(step).max():
            return _checked(start, end, _opening(start, step, eta, degree))
        if finer:
            basis = np.polynomial.legendre.legvander(2 * rule(finer).times - 1, degree)
            eta = (basis @ series).reshape(finer + 1, *start.shape)[1:-1]
            degree = finer
    raise np.linalg.LinAlgError("no geodesic between the two was found")


def _beside(points: Array) -> Array:
    """Balanced weights beside each point."""
    nearest, _ = projection(tuple(np.moveaxis(points, -3, 0)), points.shape[-1])
    return np.stack(nearest, axis=-3)


def _motion(start: Array, step: Array, eta: Array, degree: int) -> tuple[Array, Array]:
    points = rule(degree)
    W = start + points.times[:, None, None, None] * step
    W[1:-1] += eta
    flat = eta.reshape(degree - 1, -1)
    V = (points.slope[:, 1:-1] @ flat).reshape(W.shape) + step
    return W, V


def _solved(start: Array, step: Array, eta: Array, degree: int) -> Array:
    """Inner values of the polynomial that obeys the equation at the points."""
    points, unit = rule(degree), float(np.abs(step).max())

    def miss(x: Array) -> Array:
        inner = unit * x.reshape(eta.shape)
        bent = acceleration(*_motion(start, step, inner, degree))
        pull = points.flat @ (points.weights[:, None] * bent.reshape(degree + 1, -1))[1:-1]
        return np.asarray(x + pull.ravel() / unit)

    first = eta.ravel() / unit
    if np.abs(miss(first)).max() <= _SOLVED:
        return eta
    try:
        found = newton_krylov(
            miss, first, f_tol=_SOLVED, maxiter=40, method="lgmres", inner_maxiter=40
        )
    except (NoConvergence, ValueError, FloatingPointError):
        raise np.linalg.LinAlgError("no geodesic between the two was found") from None
    return unit * np.asarray(found).reshape(eta.shape)


def _opening(start: Array, step: Array, eta: Array, degree: int) -> Array:
    """The velocity at the start, from the momentum there."""
    points = rule(degree)
    W, V = _motion(start, step, eta, degree)
    flat = (degree + 1, -1)
    total = points.slope.T @ (points.weights[:, None] * V.reshape(flat))
    total += points.weights[:, None] * acceleration(W, V).reshape(flat)
    return np.asarray(-total[0].reshape(start.shape))


def _checked(start: Array, end: Array, velocity: Array) -> Array:
    """The velocity, if its geodesic ends where it should."""
    reached = path(start, velocity, np.ones(1))[0]
    if np.abs(reached - end).max() > _MET * max(np.abs(start).max(), np.abs(end).max()):
        raise np.linalg.LinAlgError("no geodesic between the two was found")
    return velocity
