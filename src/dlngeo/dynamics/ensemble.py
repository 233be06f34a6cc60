"""The result of a stochastic simulation: paths, observables, and how to run them again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, svd
from dlngeo.dynamics.datasets import dataset
from dlngeo.energies import Energy
from dlngeo.observables import effective_rank
from dlngeo.weights import imbalances

if TYPE_CHECKING:
    import xarray

_GROUP = 256


@dataclass(frozen=True)
class Ensemble:
    """Paths of end-to-end matrices, with the weights above them where the run had weights.

    Attributes
    ----------
    t : (time,) array
    W : (path, time, m, n) array
        End-to-end matrices.
    weights : tuple of (path, time, d_p, d_{p-1}) arrays, or None downstairs
    energy : (path, time) array
        E(W), without entropy and weight decay.
    singular_values : (path, time, min(m, n)) array, decreasing
    effective_rank : (path, time) array
        Entropy kind, :func:`dlngeo.observables.effective_rank`.
    status : int
        0: all steps taken; -1: a path left the range of floating point, and the frames end before.
    message : str
    provenance : dict
        What it takes to run any path again: the seed's entropy and spawn key, the number of the
        first path (the k-th drew from child ``first_path + k``), the method, dt, the number of
        steps, and the parameters of the equation.
    """

    t: Array
    W: Array
    weights: Weights | None
    energy: Array
    singular_values: Array
    effective_rank: Array
    status: int
    message: str
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether all steps were taken."""
        return self.status >= 0

    @property
    def imbalance(self) -> Array | None:
        """The largest ‖G_p‖_F of each frame, (path, time); None downstairs."""
        if self.weights is None:
            return None
        sizes = [np.zeros(self.W.shape[:2]), *(frobenius(G) for G in imbalances(self.weights))]
        return np.asarray(np.max(sizes, axis=0))

    def __repr__(self) -> str:
        return (
            f"Ensemble({len(self.W)} paths, {self.t.size} times from {self.t[0]:g} to "
            f"{self.t[-1]:g}, W {self.W.shape[2:]}, status {self.status}: {self.message})"
        )

    def to_xarray(self) -> xarray.Dataset:
        """The named arrays as an ``xarray.Dataset`` (needs the extra ``study``)."""
        observables: dict[str, Array | None] = {
            "energy": self.energy,
            "singular_values": self.singular_values,
            "effective_rank": self.effective_rank,
            "imbalance": self.imbalance,
        }
        first = self.provenance.get("first_path", 0)
        coordinates = {"path": first + np.arange(len(self.W)), "time": self.t}
        told: dict[str, float | str] = {
            name: float(value) if isinstance(value, int | float) else str(value)
            for name, value in self.provenance.items()
            if name != "entropy"
        }
        told["entropy"] = str(self.provenance.get("entropy"))  # 128 bits, too long for a number
        attributes = {"status": self.status, "message": self.message, **told}
        return dataset(["path", "time"], self.W, observables, self.weights, coordinates, attributes)


def build(
    energy: Energy | None,
    t: Array,
    W: Array,
    weights: Weights | None,
    status: int,
    message: str,
    provenance: dict[str, Any],
) -> Ensemble:
    """An ensemble with everything that follows from the matrices."""
    sigma = np.empty((*W.shape[:2], min(W.shape[2:])))
    values = np.zeros(W.shape[:2])
    for first in range(0, len(W), _GROUP):  # the temporaries of a few paths at a time
        part = slice(first, first + _GROUP)
        sigma[part] = svd(W[part])[1]
        if energy is not None:
            values[part] = energy.value(W[part])
    return Ensemble(
        t, W, weights, values, sigma, effective_rank(sigma), status, message, provenance
    )
