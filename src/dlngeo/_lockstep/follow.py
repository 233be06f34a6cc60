"""A group of members from their starts to their ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._lockstep.members import Members, joined
from dlngeo._lockstep.methods import REFRESH, Method, Pair, Stabilised
from dlngeo._lockstep.motion import Limits, Motion
from dlngeo._lockstep.side_steps import SideSteps

REASONS = (
    "reached the end of the time span",
    "fell to stop_loss",
    "became stationary",
    "began where the energy is not finite",
    "began where the velocity is not finite",
    "gave up after max_steps",
    "failed: no step is short enough",
    "failed: the sign of det W changed, which the flow keeps: the tolerances are too coarse",
)
END, STOP_LOSS, STATIONARY, NO_ENERGY, NO_VELOCITY, GAVE_UP, TOO_SHORT, CROSSED = range(
    len(REASONS)
)
METHODS = ("auto", "DOP853", "ROCK4")
EVALUATIONS = 100  # of the velocity that max_steps allows for each step
_LEAST = 1e-28  # of the time: what its two parts can tell apart


class Rules(NamedTuple):
    """How far, how exactly, by what method, and when to stop."""

    t0: float
    t1: float
    times: Array  # of the frames that are kept, perhaps none
    bound: float  # of E; -inf for none
    gtol: float
    rtol: float
    atol: float | None
    max_steps: float
    method: str
    slope_at_zero: float  # ‖E'(0)‖


@dataclass
class Ends:
    """What became of the members: a row for each."""

    y: Array
    t: Array
    value: Array
    reason: Array  # an index of REASONS
    steps: Array
    stable_steps: Array
    evaluations: Array
    rejected: Array
    frames: Array  # (member, time, size); NaN after a member's end


_COUNTS = ("steps", "stable_steps", "evaluations", "rejected")


def follow(motion: Motion, y: Array, rules: Rules) -> Ends:
    """Follow the members that begin at the rows of y."""
    with np.errstate(all="ignore"):  # what is not finite is seen to
        return _Group(motion, y, rules).ends


class _Group:
    def __init__(self, motion: Motion, y: Array, rules: Rules) -> None:
        count = len(y)
        self._motion, self._rules, self._count = motion, rules, count
        steps, stable_steps, evaluations, rejected = np.zeros((4, count), dtype=int)
        self.ends = Ends(
            y.copy(),
            np.full(count, rules.t0),
            np.full(count, np.nan),
            np.zeros(count, dtype=int),
            steps,
            stable_steps,
            evaluations,
            rejected,
            np.full((count, len(rules.times), y.shape[1]), np.nan),
        )
        self._waiting = 0  # the first that has not begun
        self._sides = SideSteps(rules.times, rules.bound, rules.rtol, self.ends.frames)
        first: Method = Pair(motion)
        second: Method = Stabilised(motion)
        if rules.method == "ROCK4":
            first, second = second, first
        members = self._begin(motion.group)
        while len(members) or self._waiting < count:
            members = self._advance(members, first, fresh=True)
            members = self._advance(members, second, fresh=False)
        late = rules.times > self.ends.t[:, None]
        self.ends.frames[late] = np.nan

    def _begin(self, count: int) -> Members:
        """The next so many members, with their first step; those that need none end at once."""
        rules, names = self._rules, np.arange(len(self.ends.y))[self._waiting :][:count]
        self._waiting += len(names)
        y = self.ends.y[names]
        seen = self._motion.look(y)
        members = Members.start(names, y, seen.f, seen.value, rules.t0)
        members.evaluations += 2
        largest = np.abs(y).max(axis=1)
        members.atol[:] = 1e-3 * rules.rtol * np.where(largest > 0, largest, 1.0)
        if rules.atol is not None:
            members.atol[:] = max(rules.atol, float(np.finfo(float).tiny))
        members.threshold = rules.gtol * np.maximum(seen.slope, rules.slope_at_zero)
        if rules.gtol == 0:
            members.threshold[:] = -1.0
        if rules.method == "ROCK4":
            members.age[:], members.direction = REFRESH, seen.f.copy()
        if rules.times.size and rules.times[0] == rules.t0:
            self.ends.frames[names, 0] = y
        reason = np.full(len(names), -1)
        reason[seen.slope <= members.threshold] = STATIONARY
        reason[seen.value <= rules.bound] = STOP_LOSS
        reason[~np.isfinite(seen.f).all(axis=1)] = NO_VELOCITY
        reason[~np.isfinite(seen.value)] = NO_ENERGY
        members = self._without(members, reason)
        if len(members):
            members.h = _first_step(self._motion, members, rules)
        return members

    def _advance(self, members: Members, method: Method, fresh: bool) -> Members:
        """Follow members by one method, with fresh ones as others end; who is for the other one."""
        parting = [members.take(np.arange(0))]
        while True:
            while fresh and len(members) <= self._motion.group // 2 and self._waiting < self._count:
                members = joined([members, self._begin(self._motion.group - len(members))])
            method.coast(members, self._limits(members))
            members, h, final = self._next(members, method)
            if not len(members):
                break
            members, leaving = self._step(members, method, h, final)
            if self._rules.method == "auto" and leaving.any():
                parting.append(members.take(np.flatnonzero(leaving)))
                members = members.take(np.flatnonzero(~leaving))
            if self._sides.waiting > self._motion.group:
                self._finish_sides(method)
        self._finish_sides(method)
        for part in parting:
            part.direction = part.direction[:, :0]
        return joined(parting)

    def _limits(self, members: Members) -> Limits:
        """Up to where a step of each member is no more than that."""
        rules = self._rules
        frames = np.append(rules.times, np.inf)
        after = np.searchsorted(rules.times, members.t, side="right")
        most = EVALUATIONS * rules.max_steps
        return Limits(rules.t1, rules.bound, rules.max_steps, most, _LEAST, frames[after])

    def _next(self, members: Members, method: Method) -> tuple[Members, Array, Array]:
        """Who may take a step, how long it is, and whether it is the last of the time span."""
        rules = self._rules
        longest = method.longest(members)
        rest = members.remaining(rules.t1)
        final = longest >= rest
        spent = (members.evaluations >= EVALUATIONS * rules.max_steps) | (
            members.steps >= rules.max_steps
        )
        short = ~final & ~(longest > np.maximum(_LEAST * np.abs(members.t), 1e-300))
        h, ended = np.where(final, rest, longest), spent | short
        if not ended.any():
            return members, h, final
        reason = np.where(short, TOO_SHORT, np.where(spent, GAVE_UP, -1))
        return self._without(members, reason), h[~ended], final[~ended]

    def _step(
        self, members: Members, method: Method, h: Array, final: Array
    ) -> tuple[Members, Array]:
        """One step of each member, with all that follows; who is left, who should change."""
        rules = self._rules
        step, cost = method.attempt(members, h, 1.0)
        taken = (step.error <= 1) & np.isfinite(step.value)
        members.steps += taken
        members.rejected += ~taken
        members.evaluations += cost
        crossing = taken & (step.value <= rules.bound)
        self._sides.watch(members, h, step, taken, crossing, final)
        leaving = method.settle(members, h, step, taken)
        members.t, members.t_low = members.later(np.where(taken, h, 0.0))
        done = taken & final
        members.t[done], members.t_low[done] = rules.t1, 0.0
        members.y, members.f = step.y, step.f
        members.value = np.where(taken, step.value, members.value)
        stationary = taken & (step.slope <= members.threshold)
        ended = done | stationary | crossing
        if not ended.any():
            return members, leaving
        reason = np.where(done, END, -1)
        reason[stationary] = STATIONARY
        reason[crossing] = STOP_LOSS
        return self._without(members, reason), leaving[~ended]

    def _without(self, members: Members, reason: Array) -> Members:
        """The members that have no reason to end; the others' ends are kept."""
        ended = reason >= 0
        if not ended.any():
            return members
        names, ends = members.name[ended], self.ends
        ends.y[names], ends.t[names] = members.y[ended], members.t[ended]
        ends.value[names], ends.reason[names] = members.value[ended], reason[ended]
        for count in _COUNTS:
            getattr(ends, count)[names] = getattr(members, count)[ended]
        return members.take(np.flatnonzero(~ended))

    def _finish_sides(self, method: Method) -> None:
        """Frames, and where within their last steps members fell to the bound."""
        ends = self.ends
        for found in self._sides.finish(method, self._motion.group):
            ends.y[found.name], ends.t[found.name] = found.y, found.t
            ends.value[found.name] = found.value
            ends.evaluations[found.name] += found.cost


def _first_step(motion: Motion, members: Members, rules: Rules) -> Array:
    """Hairer, Norsett and Wanner, II.4, with time in units of |y|/|f|."""
    scale = members.atol[:, None] + rules.rtol * np.abs(members.y)
    size, speed = (_mean(x / scale) for x in (members.y, members.f))
    unit = np.where(size > 0, size, 1.0) / np.where(speed > 0, speed, 1.0)
    unit = np.where(speed > 0, np.minimum(unit, rules.t1 - rules.t0), rules.t1 - rules.t0)
    short = 0.01 * unit
    turn = motion.look(members.y + short[:, None] * members.f).f - members.f
    bend = _mean(turn / scale) / short * unit**2
    bend = np.where(np.isfinite(bend), bend, 1e300)
    h = unit * (0.01 / np.maximum(np.maximum(bend, size), 1e-300)) ** 0.125
    return np.where(speed > 0, np.minimum(h, unit), unit)


def _mean(x: Array) -> Array:
    """The root mean square of each row."""
    peak = np.maximum(np.abs(x).max(axis=1), 1e-300)
    return np.asarray(peak * np.sqrt(np.mean((x / peak[:, None]) ** 2, axis=1)))
