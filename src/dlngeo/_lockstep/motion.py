"""What moves: a flow of many members, and steps of it.

Dormand and Prince's pair of order 8 with errors of order 5 and 3 is for members that are not stiff
(Hairer, Norsett and Wanner, "Solving ODEs I", II.5 and II.10), ROCK4 for those that are.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from scipy.integrate import DOP853

from dlngeo._checks import Array
from dlngeo._lockstep.members import Members

STAGES = 12
TABLEAU = [*DOP853.A[1:STAGES, :STAGES], DOP853.B]  # from the second stage to the step itself
ERROR_THREE, ERROR_FIVE = (np.array(error[:STAGES]) for error in (DOP853.E3, DOP853.E5))


class Step(NamedTuple):
    """What a step brought."""

    y: Array  # (member, size): where the error is at most the limit, else what was before
    f: Array  # dy/dt there
    value: Array  # (member,): E at the step's end in any case
    slope: Array  # ‖E'‖ there
    error: Array  # in units of the tolerance
    stiffness: Array  # h times the spectral radius as the pair's last slopes show it; else 0


class Limits(NamedTuple):
    """What ends a path, or interrupts it."""

    t1: float
    bound: float  # of E
    steps: float
    evaluations: float
    least: float  # a step, as a part of the time
    frames: Array  # (member,): the time of the next frame; inf for none


class PairControl(NamedTuple):
    """What the pair's control of the step is told."""

    near: float  # h·ρ that is near the edge of stability
    edge: float
    patience: int  # steps near it before the method changes, doubled at each return


class StableControl(NamedTuple):
    """What ROCK4's control of the step is told."""

    stages: Array  # numbers of stages on offer
    reaches: Array  # h·ρ up to which they are stable
    longest: float  # h·ρ of a step
    price: float  # in evaluations, of the pair, for a step of h·ρ = 1
    refresh: int  # steps between estimates of ρ
    patience: int  # steps dearer than the pair's before the method changes


class Motion(Protocol):
    """A flow of many members: states are rows, ``(member, size)``."""

    size: int  # numbers of a state
    group: int  # members that are best taken at once
    rtol: float

    def look(self, y: Array) -> Step:
        """Velocities of states, E and ‖E'‖."""
        ...

    def pair(self, y: Array, f: Array, h: Array, atol: Array, limit: float) -> Step:
        """A step of Dormand and Prince's pair, each member with its own h."""
        ...

    def stabilised(
        self, y: Array, f: Array, h: Array, atol: Array, stages: int, limit: float
    ) -> Step:
        """A step of ROCK4 with so many stages."""
        ...

    def radii(self, y: Array, f: Array, direction: Array) -> tuple[Array, Array, Array]:
        """1.2 times the spectral radius at each state, a direction of it, and evaluations.

        A power method, which begins with a direction for each state, until it moves by a percent.
        """
        ...

    def coast_pair(self, members: Members, limits: Limits, control: PairControl) -> None:
        """Take steps of the pair that are no more than steps, as many as it likes."""
        ...

    def coast_stabilised(self, members: Members, limits: Limits, control: StableControl) -> None:
        """The same with ROCK4."""
        ...
