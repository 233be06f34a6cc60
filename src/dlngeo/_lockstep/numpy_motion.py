"""Members of an ensemble of flows, moved by NumPy.

Inside a step the member is the last axis, so that a product of small matrices is a few sums of
whole rows; nothing is summed over members, and what comes out for one depends on no other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import svd
from dlngeo._lockstep.members import Members
from dlngeo._lockstep.motion import (
    ERROR_FIVE,
    ERROR_THREE,
    STAGES,
    TABLEAU,
    Limits,
    PairControl,
    StableControl,
    Step,
)
from dlngeo.energies import Energy, asked_slope, asked_value
from dlngeo.solvers import Body, coefficients
from dlngeo.spectral import two_by_two
from dlngeo.spectral.frame import Frame

_SMALL = 5  # up to this inner dimension a product is a sum of rows
_NUMBERS = 2**14  # of states that are in hand at once
_EPS = float(np.finfo(float).eps)
_ROUNDS = 50  # of the power method


class NumpyMotion:
    """Steps of one problem: weights of these widths, or W at a depth downstairs."""

    def __init__(
        self, energy: Energy, widths: tuple[int, ...], depth: float, decay: float, rtol: float
    ) -> None:
        self._energy, self._widths, self._depth = energy, widths, depth
        self._decay, self.rtol = decay, rtol
        sizes = [a * b for a, b in itertools.pairwise(widths)]
        self._ends = np.cumsum(sizes).tolist()
        self.size = self._ends[-1]
        self.group = max(8, min(2048, _NUMBERS // self.size))

    def look(self, y: Array) -> Step:
        """Velocities of states, E and ‖E'‖."""
        f, value, slope = self._see(np.ascontiguousarray(y.T))
        zero = np.zeros(len(y))
        return Step(y, np.ascontiguousarray(f.T), value, slope, zero, zero)

    def pair(self, y: Array, f: Array, h: Array, atol: Array, limit: float) -> Step:
        """A step of Dormand and Prince's pair."""
        before = np.ascontiguousarray(y.T)
        slopes = [h * np.ascontiguousarray(f.T)]
        for row in TABLEAU[:-1]:
            stage = _combined(before, row, slopes)
            slopes.append(h * self._velocity(stage))
        after = _combined(before, TABLEAU[-1], slopes)
        f_new, value, slope = self._see(after)
        scale = self._tolerance(before, after, atol)
        three, five = (
            _squares(_combined(np.zeros_like(after), weights, slopes) / scale)
            for weights in (ERROR_THREE, ERROR_FIVE)
        )
        both = five + 0.01 * three
        error = five / np.sqrt(np.where(both == 0, 1.0, both * self.size))
        turn, move = _squares(h * f_new - slopes[STAGES - 1]), _squares(after - stage)
        stiffness = np.sqrt(turn / np.where(move > 0, move, 1.0))
        return _chosen(y, f, after, f_new, value, slope, error, stiffness, limit)

    def stabilised(
        self, y: Array, f: Array, h: Array, atol: Array, stages: int, limit: float
    ) -> Step:
        """A step of ROCK4 with so many stages."""
        method, before = coefficients(stages), np.ascontiguousarray(y.T)
        start = self._recur(method.first, before, h * np.ascontiguousarray(f.T), h)
        slopes = [h * self._velocity(start)]
        for row in method.A:
            slopes.append(h * self._velocity(_combined(start, row, slopes)))
        after = _combined(start, method.b, slopes)
        if method.second:
            after = self._recur(method.second, after, h * self._velocity(after), h)
        error = method.error[0] * before + method.error[1] * start + method.error[5] * after
        error = _combined(error, method.error[2:5], slopes)
        f_new, value, size = self._see(after)
        error = np.sqrt(_squares(error / self._tolerance(before, after, atol)) / self.size)
        return _chosen(y, f, after, f_new, value, size, error, np.zeros_like(h), limit)

    def radii(self, y: Array, f: Array, direction: Array) -> tuple[Array, Array, Array]:
        """1.2 times the spectral radius at each state, a direction of it, and evaluations."""
        size = np.linalg.norm(y, axis=1)
        delta = np.sqrt(_EPS) * np.where(size > 0, size, 1.0)[:, None]
        v = _unit(direction, np.resize([1.0, -1.0], y.shape[1]) / np.sqrt(y.shape[1]))
        radius, count = np.zeros(len(y)), np.zeros(len(y), dtype=int)
        left = np.arange(len(y))
        for i in range(_ROUNDS):
            with np.errstate(over="ignore", invalid="ignore"):
                image = (self.look(y[left] + delta[left] * v[left]).f - f[left]) / delta[left]
                found = np.linalg.norm(image, axis=1)
            count[left] += 1
            found = np.where(np.isfinite(found), found, 0.0)
            settled = (np.abs(found - radius[left]) <= 0.01 * found) & (i > 0) | (found == 0)
            v[left] = _unit(np.where(found[:, None] > 0, image, v[left]), v[left])
            radius[left] = found
            left = left[~settled]
            if not left.size:
                break
        return 1.2 * radius, v, count

    def coast_pair(self, members: Members, limits: Limits, control: PairControl) -> None:
        """No step: here each is :meth:`pair`."""

    def coast_stabilised(self, members: Members, limits: Limits, control: StableControl) -> None:
        """No step: here each is :meth:`stabilised`."""

    def _recur(self, body: Body, y: Array, slope: Array, h: Array) -> Array:
        """The end of a recurrence from y, where h times the slope is known."""
        before, now = y, y + body[0][0] * slope
        for mu, nu, kappa, _ in body[1:]:
            slope = h * self._velocity(now)
            before, now = now, mu * slope + nu * now + kappa * before
        return np.asarray(now)

    def _tolerance(self, before: Array, after: Array, atol: Array) -> Array:
        return np.asarray(atol + self.rtol * np.maximum(np.abs(before), np.abs(after)))

    def _see(self, y: Array) -> tuple[Array, Array, Array]:
        """dy/dt, E and ‖E'‖; NaN where W is not finite."""
        W, sizes = self._safe(self._end_to_end(y)[-1])
        value, slope = asked_value(self._energy, W).copy(), asked_slope(self._energy, W)
        f = self._velocity(y)
        value[~sizes] = np.nan
        norm = np.sqrt(_squares(slope.reshape(len(W), -1).T))
        return f, value, norm

    def _velocity(self, y: Array) -> Array:
        prefixes = self._end_to_end(y)
        W, good = self._safe(prefixes[-1])
        slope = -asked_slope(self._energy, W)
        f = self._downstairs(W, slope) if self._depth > 0 else self._upstairs(y, prefixes, slope)
        if self._decay > 0:
            f = f - self._decay * y
        if not good.all():
            f[:, ~good] = np.nan
        return f

    def _safe(self, W: Array) -> tuple[Array, Array]:
        """W, member first, with zeros where it is not finite; where it is."""
        stack = np.ascontiguousarray(W.transpose(2, 0, 1))
        good = np.isfinite(stack).all(axis=(1, 2))
        if not good.all():
            stack[~good] = 0.0
        return stack, good

    def _layers(self, y: Array) -> list[Array]:
        parts = np.split(y, self._ends[:-1])
        shapes = zip(self._widths[1:], self._widths, strict=False)
        return [part.reshape(*shape, -1) for part, shape in zip(parts, shapes, strict=True)]

    def _end_to_end(self, y: Array) -> list[Array]:
        """W_1, W_2 W_1, ..., W."""
        first, *layers = self._layers(y)
        prefixes = [first]
        for layer in layers:
            prefixes.append(_product(layer, prefixes[-1]))
        return prefixes

    def _upstairs(self, y: Array, prefixes: list[Array], slope: Array) -> Array:
        G = np.ascontiguousarray(slope.transpose(1, 2, 0))
        layers, parts = self._layers(y), []
        for p in range(len(layers) - 1, 0, -1):
            parts.append(_product(G, prefixes[p - 1].transpose(1, 0, 2)))
            G = _product(layers[p].transpose(1, 0, 2), G)
        parts.append(G)
        return np.concatenate([part.reshape(-1, y.shape[1]) for part in reversed(parts)])

    def _downstairs(self, W: Array, slope: Array) -> Array:
        rank = min(W.shape[1:])
        decompose: Callable[[Array], tuple[Array, Array, Array]] = svd
        if W.shape[1:] == (2, 2):
            decompose = two_by_two.svd
        # how a product rounds depends on how its factors lie in memory: as for one, so for many
        U, sigma, Vt = (np.ascontiguousarray(part) for part in decompose(W))
        frame = Frame.with_frames(U, sigma, Vt, self._depth)
        assert rank == frame.sigma.shape[-1]
        return np.ascontiguousarray(frame.apply(slope).reshape(len(W), -1).T)


def _combined(start: Array, weights: Array, slopes: list[Array]) -> Array:
    """Start + Σ_j w_j slope_j."""
    total = start.copy()
    for weight, slope in zip(weights.tolist(), slopes, strict=False):
        if weight:
            total += weight * slope
    return total


def _squares(x: Array) -> Array:
    """Sums of squares over the first axis, in turn; NumPy would sum a single column in pairs."""
    squares = x * x
    if x.shape[1] == 1:
        squares = np.repeat(squares, 2, axis=1)
    return np.asarray(squares.sum(axis=0)[: x.shape[1]])


def _product(A: Array, B: Array) -> Array:
    """The products of matrices (i, k, member) and (k, j, member)."""
    if A.shape[1] > _SMALL:
        first = [np.ascontiguousarray(X.transpose(2, 0, 1)) for X in (A, B)]
        return np.ascontiguousarray((first[0] @ first[1]).transpose(1, 2, 0))
    total = A[:, 0, None] * B[0]
    for k in range(1, A.shape[1]):
        total += A[:, k, None] * B[k]
    return total


def _chosen(
    y: Array, f: Array, after: Array, f_new: Array, value: Array, slope: Array, error: Array,
    stiffness: Array, limit: float,
) -> Step:  # fmt: skip
    """The step where its error is within the limit."""
    good = ((error <= limit) & np.isfinite(value))[:, None]
    states = np.where(good, after.T, y), np.where(good, f_new.T, f)
    return Step(*states, value, slope, error, stiffness)


def _unit(v: Array, otherwise: Array) -> Array:
    """Vectors to length 1; others where they have none."""
    length = np.linalg.norm(v, axis=1)[:, None]
    return np.where(length > 0, v / np.where(length > 0, length, 1.0), otherwise)
