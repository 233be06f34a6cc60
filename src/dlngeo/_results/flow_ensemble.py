"""The result of an ensemble of flows: where each member ended, when and why."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dlngeo._checks import Array, Weights
from dlngeo._results import archive

if TYPE_CHECKING:
    import xarray

_STATS = "stats_"  # begins the names of statistics in an archive


@dataclass(frozen=True, eq=False)
class FlowEnsemble:
    """Flows from many starts, each to an end of its own.

    Attributes
    ----------
    W_end : (path, m, n) array
        The end-to-end matrix at each member's end; of one that failed, its last good state.
    t_end : (path,) array
    energy_end : (path,) array
        E(W_end), without weight decay.
    status : (path,) integer array
        0: the end of the time span; 1: stopped early, as asked; -1: failed.
    message : str
        How many members ended why, and which failed.
    t : (time,) array, or None
        The times ``t_eval``.
    W : (path, time, m, n) array, or None
        End-to-end matrices at these times; NaN after a member's end, and where a part of a step
        cannot be taken to ten tolerances.
    weights : tuple of (path, d_p, d_{p-1}) arrays, or None downstairs
        The weights at each member's end.
    stats : dict of (path,) integer arrays
        ``steps``, of which ``stabilised``; ``rejected`` ones; ``evaluations`` of the velocity.
    engine : str
        The engine and its version, on which the last bits depend.
    """

    W_end: Array
    t_end: Array
    energy_end: Array
    status: Array
    message: str
    t: Array | None
    W: Array | None
    weights: Weights | None
    stats: dict[str, Array] = field(default_factory=dict)
    engine: str = ""

    @property
    def success(self) -> bool:
        """Whether all members ended as asked."""
        return bool((self.status >= 0).all())

    def __repr__(self) -> str:
        frames = "" if self.t is None else f", {self.t.size} times"
        return (
            f"FlowEnsemble({len(self.W_end)} paths{frames}, W {self.W_end.shape[1:]}: "
            f"{self.message})"
        )

    def save(self, path: archive.File) -> None:
        """Write the ensemble to a file, which :meth:`load` reads: all of it, bit for bit.

        Parameters
        ----------
        path : str or path
            Taken as it is, whatever its suffix. A file that is there is replaced once the new one
            is whole.

        Notes
        -----
        The format is that of :meth:`dlngeo.flows.Trajectory.save`, of kind "FlowEnsemble".
        """
        about = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        stats, layers = about.pop("stats"), about.pop("weights") or ()
        arrays = {name: about.pop(name) for name in list(about) if _is_array(about[name])}
        arrays |= archive.numbered(layers) | {_STATS + name: x for name, x in stats.items()}
        archive.write(path, type(self).__name__, arrays, about)

    @classmethod
    def load(cls, path: archive.File) -> FlowEnsemble:
        """The ensemble that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is no such archive, or not whole.
        OSError
            If there is no file that can be read.
        """
        arrays, about = archive.read(path, cls.__name__)
        layers = tuple(arrays.pop(name) for name in archive.numbered(arrays) if name in arrays)
        stats = {
            name.removeprefix(_STATS): arrays.pop(name)
            for name in list(arrays)
            if name.startswith(_STATS)
        }
        fields: dict[str, Any] = {**arrays, **about, "weights": layers or None, "stats": stats}
        try:
            found = cls(**fields)
            count = len(found.t_end)
            members = (found.W_end, found.energy_end, found.status, *layers, *stats.values())
            whole = all(len(array) == count for array in members)
        except TypeError as error:
            raise ValueError(f"{path} must hold the fields of {cls.__name__}: {error}") from None
        if not whole:
            raise ValueError(f"{path} must hold arrays of the same paths")
        return found

    def to_xarray(self) -> xarray.Dataset:
        """The named arrays as an ``xarray.Dataset`` (needs the extra ``study``)."""
        import xarray

        matrix = ["row", "column"]
        variables: dict[str, tuple[list[str], Array]] = {"W_end": (["path", *matrix], self.W_end)}
        for name in ("t_end", "energy_end", "status"):
            variables[name] = (["path"], getattr(self, name))
        variables |= {name: (["path"], values) for name, values in self.stats.items()}
        if self.W is not None:
            variables["W"] = (["path", "time", *matrix], self.W)
        for p, layer in enumerate(self.weights or (), start=1):
            variables[f"W_{p}"] = (["path", f"node_{p}", f"node_{p - 1}"], layer)
        times = {} if self.t is None else {"time": self.t}
        attributes = {"message": self.message, "engine": self.engine}
        return xarray.Dataset(variables, coords=times, attrs=attributes)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)
