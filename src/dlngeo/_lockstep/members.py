"""The members that are still moving: where each stands, and what it has cost."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from dlngeo._checks import Array


@dataclass
class Members:
    """Arrays with a row for each member.

    Time is kept in two parts, for a member may linger for 1e20 units of time and then move within
    one: the flow is autonomous, and its step may be far below the spacing of the time.
    """

    name: Array  # its number
    y: Array
    f: Array
    value: Array  # E
    t: Array
    t_low: Array  # what t lacks
    h: Array  # the step to try
    atol: Array
    threshold: Array  # of ‖E'‖, below which the member is stationary
    steps: Array
    stable_steps: Array  # those of the stabilised method
    evaluations: Array
    rejected: Array
    held: Array  # whether the last step was rejected
    signs: Array  # that the other method is better
    switches: Array  # between the methods
    radius: Array  # spectral, an estimate
    direction: Array  # (member, size), of the power method; (member, 0) where there is none yet
    age: Array  # steps since the estimate

    @classmethod
    def start(cls, name: Array, y: Array, f: Array, value: Array, t: float) -> Members:
        """Members at the beginning of their paths."""
        count = len(name)
        zeros = {n: np.zeros(count, dtype=int if n in _COUNTS else float) for n in _NAMES}
        given = {"name": name, "y": y, "f": f, "value": value, "direction": f[:, :0]}
        members = cls(**zeros | given | {"held": np.zeros(count, dtype=bool)})
        members.t += t
        return members

    def __len__(self) -> int:
        return len(self.name)

    def take(self, which: Array) -> Members:
        """Some of the members, by number; copies."""
        return Members(*(getattr(self, name).take(which, axis=0) for name in _NAMES))

    def remaining(self, t: float | Array) -> Array:
        """The time until t."""
        return np.asarray((t - self.t) - self.t_low)

    def later(self, h: Array) -> tuple[Array, Array]:
        """The time after h, in two parts (a sum without rounding: Knuth)."""
        total = self.t + h
        part = total - self.t
        low = self.t_low + ((self.t - (total - part)) + (h - part))
        t = total + low
        return t, low - (t - total)


_COUNTS = ("steps", "stable_steps", "evaluations", "rejected", "signs", "switches", "age")


_NAMES = [field.name for field in dataclasses.fields(Members)]


def joined(parts: list[Members]) -> Members:
    """The members of some groups."""
    return Members(*(np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES))
