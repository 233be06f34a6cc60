"""How long a step is, what follows from its error, and when the other method is better.

Each member by itself. The pair leaves a member whose steps its own stability bounds (Hairer and
Wanner, "Solving ODEs II", IV.2); the stabilised method leaves one whose steps cost more than the
pair's would.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from dlngeo._checks import Array
from dlngeo._lockstep.members import Members
from dlngeo._lockstep.motion import STAGES, Limits, Motion, PairControl, StableControl, Step
from dlngeo.solvers import OFFERED, reach

EDGE = 6.0  # of the pair's stability on the negative axis, to which its steps are held
NEAR = 4.0  # h·ρ that is near it
REFRESH = 25  # steps between estimates of the spectral radius
PATIENCE = 15  # steps near the edge before the pair gives way; doubled at each return
_EPS = float(np.finfo(float).eps)
_STAGES = np.array([5, 6, 8, 10, *OFFERED[OFFERED.index(12) + 1 :: 4]])  # few: they go together
_REACHES = np.array([reach(s) for s in _STAGES.tolist()])


class Method(Protocol):
    """A method with its control of the step."""

    def coast(self, members: Members, limits: Limits) -> None:
        """Take the steps that are no more than steps, where the motion can by itself."""
        ...

    def longest(self, members: Members) -> Array:
        """The step that each member tries."""
        ...

    def attempt(self, members: Members, h: Array, limit: float) -> tuple[Step, Array]:
        """A step of size h, and the evaluations that it takes."""
        ...

    def settle(self, members: Members, h: Array, step: Step, taken: Array) -> Array:
        """Choose the next step; which members should go on with the other method."""
        ...


class Pair:
    """Dormand and Prince's."""

    def __init__(self, motion: Motion) -> None:
        self._motion = motion

    def coast(self, members: Members, limits: Limits) -> None:
        self._motion.coast_pair(members, limits, PairControl(NEAR, EDGE, PATIENCE))

    def longest(self, members: Members) -> Array:
        return members.h

    def attempt(self, members: Members, h: Array, limit: float) -> tuple[Step, Array]:
        step = self._motion.pair(members.y, members.f, h, members.atol, limit)
        return step, np.full(len(h), STAGES)

    def settle(self, members: Members, h: Array, step: Step, taken: Array) -> Array:
        most = np.where(taken & ~members.held, 10.0, 1.0)
        members.h = h * _factor(step.error, 0.9, 8, 0.2, most)
        members.held = ~taken
        near = taken & (step.stiffness > NEAR)
        edge = EDGE * h / np.maximum(step.stiffness, NEAR)
        members.h = np.where(near, np.minimum(members.h, edge), members.h)
        members.signs += np.where(near, 1, -1) * taken
        members.signs = np.maximum(members.signs, 0)
        leaving = members.signs >= PATIENCE << np.minimum(members.switches, 40)
        members.age[leaving] = REFRESH
        members.signs[leaving] = 0
        return leaving


class Stabilised:
    """ROCK4, with as many stages as h and the spectral radius ask for."""

    def __init__(self, motion: Motion) -> None:
        self._motion = motion
        most = min(1.6 * (motion.rtol / _EPS) ** 0.35, 1.2e4)  # rounding stays below the tolerance
        self._most = max(_REACHES[0], most)

    def coast(self, members: Members, limits: Limits) -> None:
        control = StableControl(_STAGES, _REACHES, self._most, STAGES / EDGE, REFRESH, PATIENCE)
        self._motion.coast_stabilised(members, limits, control)

    def longest(self, members: Members) -> Array:
        if not members.direction.size:
            members.direction = members.f.copy()
        old = np.flatnonzero(members.age >= REFRESH)
        if old.size:
            part = members.take(old)
            radius, direction, count = self._motion.radii(part.y, part.f, part.direction)
            members.radius[old], members.direction[old] = radius, direction
            members.evaluations[old] += count
            members.age[old] = 0
        return np.minimum(members.h, self._most / np.maximum(members.radius, 1e-300))

    def attempt(self, members: Members, h: Array, limit: float) -> tuple[Step, Array]:
        stages = _stages(h * members.radius)
        if (stages == stages[0]).all():
            y, f, atol = members.y, members.f, members.atol
            return self._motion.stabilised(y, f, h, atol, int(stages[0]), limit), stages
        step = Step(*(np.empty_like(members.y) for _ in range(2)), *np.empty((4, len(h))))
        for s in np.unique(stages):
            rows = np.flatnonzero(stages == s)
            y, f, atol = members.y[rows], members.f[rows], members.atol[rows]
            part = self._motion.stabilised(y, f, h[rows], atol, int(s), limit)
            for whole, some in zip(step, part, strict=True):
                whole[rows] = some
        return step, stages

    def settle(self, members: Members, h: Array, step: Step, taken: Array) -> Array:
        # the estimate has zeros along the interval: a small one is not to be trusted far
        members.h = h * _factor(step.error, 0.6, 4, 0.1, np.where(taken, 2.0, 1.0))
        members.age = np.where(taken, members.age + 1, np.where(members.age > 0, REFRESH, 0))
        members.stable_steps += taken
        z = h * members.radius
        dear = taken & (_stages(z) > STAGES / EDGE * z)
        members.signs = np.where(dear, members.signs + 1, np.where(taken, 0, members.signs))
        leaving = members.signs >= PATIENCE
        members.switches += leaving
        members.held &= ~leaving
        members.signs[leaving] = 0
        return leaving


def _factor(error: Array, safety: float, order: int, least: float, most: Array | float) -> Array:
    """What becomes of the step size, for an error in units of the tolerance, at order 4 or 8."""
    root = np.sqrt(np.sqrt(error))  # roots round alike everywhere, powers do not
    root = np.sqrt(root) if order == 8 else root
    return np.asarray(np.minimum(np.fmax(safety / root, least), most))


def _stages(z: Array) -> Array:
    """The least numbers of stages on offer that are stable for h·ρ = z."""
    return _STAGES[np.minimum(np.searchsorted(_REACHES, z), len(_STAGES) - 1)]
