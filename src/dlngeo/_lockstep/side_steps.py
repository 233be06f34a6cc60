"""States between the steps: frames at given times, and where E falls to a bound.

Both are steps of the method itself, as exact as it is, from the last state before, which the path
then goes on from as if nobody had looked. They are gathered until there are enough of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._lockstep.members import Members, joined
from dlngeo._lockstep.methods import Method
from dlngeo._lockstep.motion import Step

_ROUNDS = 40  # of the search for a crossing
_TRIES = 5  # of a step, the spectral radius doubled each time
_COARSE = 10.0  # tolerances by which a frame may be off; else it is none
_EPS = float(np.finfo(float).eps)


class Found(NamedTuple):
    """Where members fell to the bound."""

    name: Array
    y: Array
    t: Array
    value: Array
    cost: Array  # evaluations


class _Frames(NamedTuple):
    members: Members  # before the step, one for each frame
    h: Array
    frame: Array


class _Crossings(NamedTuple):
    members: Members
    h: Array
    y: Array  # after the step
    value: Array


class SideSteps:
    """What lies between the steps of a group, and is yet to be found."""

    def __init__(self, times: Array, bound: float, rtol: float, frames: Array) -> None:
        self._times, self._bound, self._frames = times, bound, frames
        self._slack = rtol * abs(bound) + 1e-14 * np.sqrt(abs(bound)) if np.isfinite(bound) else 0.0
        self._open: list[_Frames] = []
        self._crossings: list[_Crossings] = []

    @property
    def waiting(self) -> int:
        """How many steps have been asked for."""
        return sum(len(p.h) for p in self._open) + sum(len(p.h) for p in self._crossings)

    def watch(
        self, members: Members, h: Array, step: Step, taken: Array, crossing: Array, final: Array
    ) -> None:
        """Note what lies in the steps that members are about to take."""
        if self._times.size:
            low = np.searchsorted(self._times, members.t, side="right")
            end = np.where(final, np.inf, members.later(h)[0])
            high = np.where(taken, np.searchsorted(self._times, end, side="right"), low)
            count = np.maximum(high - low, 0)
            rows = np.repeat(np.arange(len(h)), count)
            if rows.size:
                first = np.repeat(low - np.cumsum(count) + count, count)
                frame = first + np.arange(rows.size)
                part = members.take(rows)
                wait = np.clip(part.remaining(self._times[frame]), 0.0, h[rows])
                self._open.append(_Frames(part, wait, frame))
        if crossing.any():
            part = members.take(np.flatnonzero(crossing))
            self._crossings.append(
                _Crossings(part, h[crossing], step.y[crossing], step.value[crossing])
            )

    def finish(self, method: Method, group: int) -> list[Found]:
        """Take the steps that were asked for, so many at a time."""
        parts, self._open = self._open, []
        if parts:
            self._fill(method, joined([part.members for part in parts]), parts, group)
        crossings, self._crossings = self._crossings, []
        if not crossings:
            return []
        whole = _Crossings(
            joined([part.members for part in crossings]),
            *(np.concatenate([part[k] for part in crossings]) for k in (1, 2, 3)),
        )
        return [self._crossed(method, whole)]

    def _fill(self, method: Method, members: Members, parts: list[_Frames], group: int) -> None:
        h, frame = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
        for k in range(0, len(h), group):
            some = slice(k, k + group)
            part = members.take(np.arange(len(h))[some])
            step, _ = _exact(method, part, h[some])
            self._frames[part.name, frame[some]] = np.where(
                step.error <= _COARSE, step.y.T, np.nan
            ).T

    def _crossed(self, method: Method, part: _Crossings) -> Found:
        """Where within the steps E = bound: the secant with the Illinois rule, at its low end."""
        members, count = part.members, len(part.h)
        y, value = part.y.copy(), part.value.copy()
        left, right = np.zeros(count), np.ones(count)  # in parts of the step
        above, below = self._excess(members.value), self._excess(value)
        side, cost = np.zeros(count), np.zeros(count, dtype=int)
        for i in range(_ROUNDS):
            far = (self._bound - value > self._slack) & (right - left > 4 * _EPS)
            rows = np.flatnonzero(far)
            if not rows.size:
                break
            a, b = left[rows], right[rows]
            x = (a * below[rows] - b * above[rows]) / (below[rows] - above[rows])
            x = np.where((x > a) & (x < b) & (i < _ROUNDS // 2), x, 0.5 * (a + b))
            step, evaluations = _exact(method, members.take(rows), x * part.h[rows])
            cost[rows] += evaluations
            low = step.value <= self._bound
            new = self._excess(step.value)
            down, up = rows[low], rows[~low]
            right[down], below[down] = x[low], new[low]
            y[down], value[down] = step.y[low], step.value[low]
            left[up], above[up] = x[~low], new[~low]
            above[down[side[down] > 0]] *= 0.5
            below[up[side[up] < 0]] *= 0.5
            side[down], side[up] = 1.0, -1.0
        t = members.t + (members.t_low + right * part.h)
        return Found(members.name, y, t, value, cost)

    def _excess(self, value: Array) -> Array:
        """A function of E that falls through zero just below the bound, nearly linear in time."""
        aim = self._bound - 0.5 * self._slack
        if aim > 0:
            return np.log(np.maximum(value, 1e-300) / aim)
        return value - aim


def _exact(method: Method, members: Members, h: Array) -> tuple[Step, Array]:
    """Steps within the tolerance, or as near to it as can be, and what they cost.

    An estimate of the spectral radius that is too small may serve the whole step and not a part of
    it, which takes fewer stages: such a part is taken again, as if the radius were larger.
    """
    step, cost = method.attempt(members, h, np.inf)
    for k in range(1, _TRIES):
        rows = np.flatnonzero(~(step.error <= 1))
        if not rows.size:
            break
        part = members.take(rows)
        part.radius *= 2.0**k
        again, more = method.attempt(part, h[rows], np.inf)
        cost[rows] += more
        better = again.error < np.nan_to_num(step.error[rows], nan=np.inf, posinf=np.inf)
        for whole, some in zip(step, again, strict=True):
            whole[rows[better]] = some[better]
    return step, cost
