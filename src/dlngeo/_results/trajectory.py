"""The result of anything that moves through time: states, observables, and how the run went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius
from dlngeo._results import archive
from dlngeo._results.datasets import dataset
from dlngeo.observables import effective_rank
from dlngeo.weights import imbalances

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A path of end-to-end matrices, with the weights above it where the run had weights.

    Attributes
    ----------
    t : (time,) array
        Increasing times. For gradient descent the step number times the step size.
    W : (time, ..., m, n) array
        End-to-end matrices.
    weights : tuple of (time, ..., d_p, d_{p-1}) arrays, or None downstairs
    energy : (time, ...) array
        E(W), without weight decay.
    singular_values : (time, ..., min(m, n)) array, decreasing
    effective_rank : (time, ...) array
        Entropy kind, :func:`dlngeo.observables.effective_rank`.
    imbalance : (time, ...) array, or None downstairs
        max_p ‖G_p(t)‖_F.
    imbalance_drift : (time, ...) array, or None downstairs
        max_p ‖G_p(t) - e^{-2γt} G_p(0)‖_F, zero along the exact flow with weight decay γ.
    stats : dict
        ``steps``, ``evaluations`` of the right-hand side, and where the solver tells them
        ``rejected`` steps and ``jacobians``.
    status : int
        0: the end of the time span; 1: stopped early, as asked; -1: failed, the last state is good.
    message : str
        Why the run ended.
    """

    t: Array
    W: Array
    weights: Weights | None
    energy: Array
    singular_values: Array
    effective_rank: Array
    imbalance: Array | None
    imbalance_drift: Array | None
    status: int
    message: str
    stats: dict[str, int] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether the run ended as asked."""
        return self.status >= 0

    def __repr__(self) -> str:
        return (
            f"Trajectory({self.t.size} times from {self.t[0]:g} to {self.t[-1]:g}, "
            f"W {self.W.shape[1:]}, status {self.status}: {self.message})"
        )

    def to_xarray(self) -> xarray.Dataset:
        """The named arrays as an ``xarray.Dataset`` (needs the extra ``study``)."""
        base = ["time", *(f"batch_{k}" for k in range(self.energy.ndim - 1))]
        observables = {
            "energy": self.energy,
            "singular_values": self.singular_values,
            "effective_rank": self.effective_rank,
            "imbalance": self.imbalance,
            "imbalance_drift": self.imbalance_drift,
        }
        attributes = {"status": self.status, "message": self.message, **self.stats}
        return dataset(base, self.W, observables, self.weights, {"time": self.t}, attributes)

    def save(self, path: archive.File) -> None:
        """Write the trajectory to a file, which :meth:`load` reads: all of it, bit for bit.

        Parameters
        ----------
        path : str or path
            Taken as it is, whatever its suffix. A file that is there is replaced once the new one
            is whole.

        Notes
        -----
        The format is NumPy's ``.npz``, without pickle: the arrays under the names of the
        attributes, weights as ``W_1`` to ``W_N``, and one string ``about``, the JSON object
        ``{"format": "dlngeo", "version": 1, "kind": "Trajectory", "about": {"status": ...,
        "message": ..., "stats": ...}}``. What is None is left out or null.
        """
        archive.save(path, self)

    @classmethod
    def load(cls, path: archive.File) -> Trajectory:
        """The trajectory that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is no such archive, or not whole.
        OSError
            If there is no file that can be read.
        """
        return archive.load(path, cls)


def build(
    t: Array,
    W: Array,
    weights: Weights | None,
    energy: Array,
    *,
    weight_decay: float,
    rank: int | None,
    status: int,
    message: str,
    stats: dict[str, int],
) -> Trajectory:
    """A trajectory with everything that follows from the states read off them."""
    sigma = np.linalg.svd(W, compute_uv=False)
    if rank is not None:
        sigma[..., rank:] = 0.0
    imbalance = drift = None
    if weights is not None:
        shape = energy.shape
        decay = np.exp(-2 * weight_decay * (t - t[0])).reshape(-1, *[1] * (len(shape) + 1))
        largest = max(float(np.abs(w).max()) for w in weights)
        unit = 2.0**500 if largest > 1e150 else 1.0  # squares stay in range
        G = imbalances(tuple(w / unit for w in weights))
        zero = np.zeros(shape)
        imbalance = unit * (unit * np.max([zero, *(frobenius(g) for g in G)], axis=0))
        drift = np.max([zero, *(frobenius(g - decay * g[:1]) for g in G)], axis=0)
        drift = unit * (unit * drift)
    return Trajectory(
        t,
        W,
        weights,
        energy,
        sigma,
        effective_rank(sigma),
        imbalance,
        drift,
        status,
        message,
        stats,
    )
