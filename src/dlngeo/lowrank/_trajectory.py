"""What a flow of low rank leaves: factors at some times, and how the run went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._results import archive
from dlngeo.lowrank._factors import Factors
from dlngeo.observables import effective_rank


@dataclass(frozen=True, eq=False)
class LowRankTrajectory:
    """A path of matrices of low rank, W = U diag(σ) Vᵀ.

    Attributes
    ----------
    t : (time,) array
        Increasing times.
    U : (time, m, r) array
        Left singular vectors; of each time by itself, so that signs may change between times.
    singular_values : (time, r) array, decreasing
    V : (time, n, r) array
    energy : (time,) array
        E(W), without weight decay.
    effective_rank : (time,) array
        Entropy kind, :func:`dlngeo.observables.effective_rank`.
    stats : dict
        ``steps``, ``evaluations`` of the right-hand side, and where the solver tells them
        ``rejected`` steps and steps by method.
    status : int
        0: the end of the time span; 1: stopped early, as asked; -1: failed, the last state is good.
    message : str
        Why the run ended.
    """

    t: Array
    U: Array
    singular_values: Array
    V: Array
    energy: Array
    effective_rank: Array
    status: int
    message: str
    stats: dict[str, int] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether the run ended as asked."""
        return self.status >= 0

    def __repr__(self) -> str:
        shape = f"{self.U.shape[1]} x {self.V.shape[1]} of rank {self.U.shape[2]}"
        return (
            f"LowRankTrajectory({self.t.size} times from {self.t[0]:g} to {self.t[-1]:g}, "
            f"{shape}, status {self.status}: {self.message})"
        )

    def factors(self, k: int = -1) -> Factors:
        """W at the time ``t[k]``; the last one unless told otherwise."""
        times = self.t.size
        k = _checks.integer(k, "k", -times, times - 1)
        return Factors(self.U[k], self.singular_values[k], self.V[k])

    def save(self, path: archive.File) -> None:
        """Write the trajectory to a file, which :meth:`load` reads: all of it, bit for bit.

        Parameters
        ----------
        path : str or path
            Taken as it is, whatever its suffix. A file that is there is replaced once the new one
            is whole. The format is that of :meth:`dlngeo.flows.Trajectory.save`.
        """
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        arrays = {name: parts.pop(name) for name in list(parts) if hasattr(parts[name], "dtype")}
        archive.write(path, type(self).__name__, arrays, parts)

    @classmethod
    def load(cls, path: archive.File) -> LowRankTrajectory:
        """The trajectory that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is no such archive, or not whole.
        OSError
            If there is no file that can be read.
        """
        arrays, about = archive.read(path, cls.__name__)
        parts: dict[str, Any] = {**arrays, **about}
        return cls(**parts)


def read(
    t: Array,
    factors: Sequence[Factors],
    energy: Array,
    status: int,
    message: str,
    stats: dict[str, int],
) -> LowRankTrajectory:
    """A trajectory with everything that follows from the factors."""
    U, sigma, V = (np.stack(parts) for parts in zip(*factors, strict=True))
    return LowRankTrajectory(t, U, sigma, V, energy, effective_rank(sigma), status, message, stats)
