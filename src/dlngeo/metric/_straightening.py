"""Geodesics as polynomial paths of least energy: a quasi-Newton method (L-BFGS) in path space.

The gradient is taken by the Hessian of the flat energy in orthonormal frames of the metric; what
curvature adds to it, the method learns. Several paths move in lockstep, each for itself. A step is
taken where the energy falls, or, where its fall is below rounding, where its slope does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo.metric._polynomial_paths import Paths, Value

_MEMORY = 20
_HALVINGS = 8
_REACH = 0.5  # of one step, relative to the length
_CLOSE = 1e-3  # error below which a slope counts for a fall


class Straightened(NamedTuple):
    """Where the paths have come to."""

    eta: Array
    value: Value
    error: Array  # (members,), of the path in the metric, relative to its length


def straighten(paths: Paths, eta: Array, tolerance: float, iterations: int = 400) -> Straightened:
    """Paths of least energy near the given ones."""
    with np.errstate(all="ignore"):
        return _descend(paths, eta, tolerance, iterations)


def _descend(paths: Paths, eta: Array, tolerance: float, iterations: int) -> Straightened:
    here = paths.value(eta)
    memory: list[tuple[Array, Array, Array]] = []
    given_up = ~np.isfinite(here.energy)
    for _ in range(iterations):
        step = _direction(paths, here, memory)
        slope = _dot(here.gradient, step)
        error = np.sqrt(np.abs(slope) / (2 * here.energy))
        given_up |= ~(slope >= 0)
        done = given_up | (error <= tolerance)
        if done.all():
            break
        moved, there, took = _search(paths, eta, here, step, slope, error, done)
        memory = _learned(memory, moved - eta, there.gradient - here.gradient, took)
        stuck = ~took & ~done
        if stuck.any():
            if not memory:
                given_up |= stuck
            memory = []
        eta, here = moved, there
    error = np.where(np.isfinite(error) & (slope >= 0), error, np.inf)
    return Straightened(eta, here, error)


def _direction(paths: Paths, here: Value, memory: list[tuple[Array, Array, Array]]) -> Array:
    """Minus the step, by the two loops of L-BFGS."""
    left, shares = here.gradient, []
    for move, change, scale in reversed(memory):
        share = scale * _dot(move, left)
        shares.append(share)
        left = left - _each(share) * change
    step = paths.precondition(left, here.local)
    for (move, change, scale), share in zip(memory, reversed(shares), strict=True):
        step = step + _each(share - scale * _dot(change, step)) * move
    return step


def _search(
    paths: Paths,
    eta: Array,
    here: Value,
    step: Array,
    slope: Array,
    error: Array,
    done: Array,
) -> tuple[Array, Value, Array]:
    """Along the step, halved where it does not help; who is done, or stuck, stays."""
    size = np.where(done, 0.0, np.minimum(1.0, _REACH / np.where(error > 0, error, 1.0)))
    for _ in range(_HALVINGS):
        moved = eta - _each(size) * np.where(_each(done), 0.0, step)
        finite = np.isfinite(moved).all(axis=(-3, -2, -1))
        moved = np.where(_each(finite), moved, eta)
        there = paths.value(moved)
        falls = there.energy <= here.energy - 1e-4 * size * slope
        flat = (error < _CLOSE) & (there.energy <= here.energy * (1 + 1e-9))
        took = finite & (falls | (flat & (_dot(there.gradient, step) >= -0.9 * slope)))
        took &= ~done
        if (took | done).all():
            return moved, there, took
        size = np.where(took | done, size, 0.35 * size)
    moved = np.where(_each(took), moved, eta)
    return moved, paths.value(moved), took


def _learned(
    memory: list[tuple[Array, Array, Array]], move: Array, change: Array, took: Array
) -> list[tuple[Array, Array, Array]]:
    product = _dot(move, change)
    bound = 1e-10 * np.sqrt(_dot(move, move) * _dot(change, change))
    useful = took & (product > bound) & (bound > 0)
    scale = np.where(useful, 1 / np.where(useful, product, 1.0), 0.0)
    if not useful.any():
        return memory
    change = np.where(_each(useful), change, 0.0)
    return [*memory, (move, change, scale)][-_MEMORY:]


def _dot(one: Array, other: Array) -> Array:
    return np.asarray((one * other).sum(axis=(-3, -2, -1)))


def _each(value: Array) -> Array:
    """One number to a member, beside its path."""
    return value[:, None, None, None]
