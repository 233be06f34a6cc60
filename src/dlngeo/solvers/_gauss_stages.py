"""One step of a Gauss-Legendre method: its stages, solved to rounding.

Fixed-point iteration solves them where h times the Jacobian's norm is below one or so; Newton's
method with GMRES, which sees the Jacobian through differences only, goes on where it does not.

Source: E. Hairer, C. Lubich and G. Wanner, "Geometric Numerical Integration", II.1.3 and VIII.6.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from dlngeo._checks import Array
from dlngeo.solvers._step_control import RHS

_EPS = float(np.finfo(float).eps)
_ITERATIONS = 60
_NEWTON = 12
_KRYLOV = 1e-4  # by which GMRES reduces the residual of a Newton step
_MOST_KRYLOV = 120  # its most iterations


class Tableau(NamedTuple):
    """A, b, c of a collocation method at the Gauss points."""

    A: Array
    b: Array
    c: tuple[float, ...]


def _tableaus() -> dict[int, Tableau]:
    r, q = math.sqrt(3) / 6, math.sqrt(15)
    six = [
        [5 / 36, 2 / 9 - q / 15, 5 / 36 - q / 30],
        [5 / 36 + q / 24, 2 / 9, 5 / 36 - q / 24],
        [5 / 36 + q / 30, 2 / 9 + q / 15, 5 / 36],
    ]
    return {
        2: Tableau(np.array([[0.5]]), np.array([1.0]), (0.5,)),
        4: Tableau(
            np.array([[0.25, 0.25 - r], [0.25 + r, 0.25]]), np.full(2, 0.5), (0.5 - r, 0.5 + r)
        ),
        6: Tableau(np.array(six), np.array([5, 8, 5]) / 18, (0.5 - q / 10, 0.5, 0.5 + q / 10)),
    }


TABLEAUS = _tableaus()


def gauss_step(
    fun: RHS, t: float, y: Array, f: Array, h: float, order: int = 4
) -> tuple[Array, bool]:
    """One step of size h from (t, y).

    Parameters
    ----------
    fun : callable
        ``fun(t, y)``, of the shape of y.
    y, f : (n,) array
        The state and ``fun(t, y)``.
    order : 2, 4 or 6
        One, two or three stages.

    Returns
    -------
    y_new : array
    solved : bool
        Whether the stages were solved to rounding.
    """
    new, _, solved = carried_step(fun, t, y, np.zeros_like(y), f, h, order)
    return new, solved


def carried_step(
    fun: RHS, t: float, y: Array, rest: Array, f: Array, h: float, order: int
) -> tuple[Array, Array, bool]:
    """:func:`gauss_step` from y + rest, where rest is what rounding left of the sum so far.

    Without the rest, changes too small for the large entries of y and not for the small ones would
    make a drift of the invariants that grows with the number of steps.
    """
    k = TABLEAUS[order]
    base = Base(y, rest)
    first = np.repeat(f[None], len(k.c), axis=0)
    slopes, solved = _by_fixed_point(fun, t, base, h, first, k)
    if not solved:
        slopes, solved = _by_newton(fun, t, base, h, first, k)
    if not solved:
        return y, rest, False
    change = rest + h * (k.b @ slopes)
    new = y + change
    return new, change - (new - y), True


class Base(NamedTuple):
    """Where a step begins: a state and what rounding left of it."""

    y: Array
    rest: Array

    def stages(self, h: float, slopes: Array, k: Tableau) -> Array:
        """The stages that these slopes make."""
        return self.y + (self.rest + h * (k.A @ slopes))


def _by_fixed_point(
    fun: RHS, t: float, base: Base, h: float, slopes: Array, k: Tableau
) -> tuple[Array, bool]:
    watch = _Watch(base.y)
    for _ in range(_ITERATIONS):
        new = _slopes(fun, t, base, h, slopes, k)
        watch.see(h * (new - slopes))
        slopes = new
        if watch.settled or watch.grows:
            break
    return slopes, watch.settled


def _by_newton(
    fun: RHS, t: float, base: Base, h: float, slopes: Array, k: Tableau
) -> tuple[Array, bool]:
    watch = _Watch(base.y)
    for _ in range(_NEWTON):
        image = _slopes(fun, t, base, h, slopes, k)
        change = _newton_step(fun, t, base, h, slopes, image, k)
        watch.see(h * change)
        if not watch.finite:
            break
        slopes = slopes + change
        if watch.settled:
            break
    return slopes, watch.settled


class _Watch:
    """Whether an iteration has come to rest: its changes of the state, against rounding."""

    def __init__(self, y: Array) -> None:
        self._unit = _EPS * (float(np.abs(y).max(initial=0.0)) + float(np.finfo(float).tiny))
        self._before = math.inf
        self.settled = self.grows = False
        self.finite = True

    def see(self, changes: Array) -> None:
        change, before = float(np.abs(changes).max(initial=0.0)), self._before
        self.finite = math.isfinite(change)
        self.grows = not self.finite or change > 2 * before
        # Near rounding it may go round in circles.
        self.settled = change <= self._unit or (before <= 100 * self._unit and change >= before)
        self._before = change


def _slopes(fun: RHS, t: float, base: Base, h: float, slopes: Array, k: Tableau) -> Array:
    """The right-hand sides at the stages that these slopes make."""
    stages = base.stages(h, slopes, k)
    return np.stack([fun(t + c * h, Y) for c, Y in zip(k.c, stages, strict=True)])


def _newton_step(
    fun: RHS, t: float, base: Base, h: float, slopes: Array, image: Array, k: Tableau
) -> Array:
    """The solution V of V - J(hAV) = image - slopes, where J are the Jacobians at the stages."""
    residual = image - slopes
    unit = float(np.abs(residual).max(initial=0.0))
    if not 0 < unit < math.inf:
        return residual
    size = float(np.abs(base.stages(h, slopes, k)).max()) or 1.0

    def product(v: Array) -> Array:
        V = v.reshape(slopes.shape)
        shift = float(np.abs(h * (k.A @ V)).max())
        if not shift > 0:
            return v
        step = math.sqrt(_EPS) * size / shift
        moved = _slopes(fun, t, base, h, slopes + step * V, k)
        return (V - (moved - image) / step).reshape(-1)

    n = slopes.size
    operator = LinearOperator((n, n), matvec=product, dtype=float)
    solution, _ = gmres(
        operator,
        (residual / unit).reshape(-1),
        rtol=_KRYLOV,
        restart=min(n, _MOST_KRYLOV),
        maxiter=1,
    )
    return np.asarray(unit * solution).reshape(slopes.shape)
