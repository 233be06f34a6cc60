"""The result of a stochastic simulation: paths, observables, and how to run them again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dlngeo._checks import Array, Weights
from dlngeo._equation import Equation
from dlngeo._linalg import frobenius, singular_values
from dlngeo._paths.run import End
from dlngeo._results import archive
from dlngeo._results.datasets import dataset
from dlngeo.observables import effective_rank
from dlngeo.weights import imbalances

if TYPE_CHECKING:
    import xarray

_GROUP = 256
_END = "end_"  # begins the names of what it takes to go on, in an archive


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Paths of end-to-end matrices, with the weights above them where the run had weights.

    A path that could not be followed to the end has NaN in all its frames after that; means over
    paths refuse them, so that nothing is averaged over survivors in silence.

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
    status : (path,) integer array
        0 where the path was followed to the end, -1 where it ended early.
    message : str
        Which paths ended early, when and why; how many steps were taken in parts.
    ends : (path,) array
        The time to which each path was followed.
    provenance : dict
        What it takes to run any path again: ``seed`` and ``spawn_key`` of the
        ``numpy.random.SeedSequence``, the number of the first path (the k-th drew from child
        ``first_path + k``), ``equation`` and its parameters, ``entropic_drift`` (whether W is
        driven by grad S), the method, dt and the number of steps; ``versions``, the software and
        the processor on which the same numbers come out bit for bit. ``origin`` and
        ``steps_before`` say where a run that went on began; it needs those before it besides.
        ``engine`` is what computed, with its version (``engines_before`` others that took earlier
        steps), ``aside`` how many whole steps it left to NumPy, for decompositions of small
        singular values that need more care.
    equation : Equation
        What moved the paths: ``energy`` (None in an ensemble from a file), ``depth``, ``beta``,
        ``kappa``, ``weight_decay``, ``entropy``.
    end : End or None
        What it takes to go on, :func:`dlngeo.langevin.simulate` with this as its start; None where
        that cannot be.
    """

    t: Array
    W: Array
    weights: Weights | None
    energy: Array
    singular_values: Array
    effective_rank: Array
    status: Array
    message: str
    ends: Array
    provenance: dict[str, Any] = field(default_factory=dict)
    equation: Equation | None = None
    end: End | None = None

    @property
    def success(self) -> bool:
        """Whether all paths were followed to the end."""
        return not self.status.any()

    def together(self) -> Ensemble:
        """The frames at which no path has ended yet; this ensemble where none ended early."""
        if self.success:
            return self
        kept = int(np.isfinite(self.W).all(axis=(0, 2, 3)).sum())
        cut = {
            name: getattr(self, name)[:, :kept]
            for name in ("W", "energy", "singular_values", "effective_rank")
        }
        weights = None if self.weights is None else tuple(W[:, :kept] for W in self.weights)
        return dataclasses.replace(self, t=self.t[:kept], weights=weights, end=None, **cut)

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
            f"{self.t[-1]:g}, W {self.W.shape[2:]}: {self.message})"
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
        The format is that of :meth:`dlngeo.flows.Trajectory.save`, of kind "Ensemble": the arrays
        under the names of the attributes, weights as ``W_1`` to ``W_N``, what it takes to go on as
        ``end_state``, ``end_kept``, ``end_streams``, ``end_bridges`` and ``end_frames``; in
        ``about`` the message, the provenance and the numbers of the equation. The energy is an
        object of yours and stays out.
        """
        about = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        layers, end, equation = (about.pop(name) for name in ("weights", "end", "equation"))
        arrays = {name: about.pop(name) for name in list(about) if _is_array(about[name])}
        arrays |= archive.numbered(layers or ())
        arrays |= {_END + k: x for k, x in end._asdict().items() if x is not None} if end else {}
        numbers = None if equation is None else equation.provenance()
        archive.write(path, type(self).__name__, arrays, about | {"equation": numbers})

    @classmethod
    def load(cls, path: archive.File) -> Self:
        """The ensemble that :meth:`save` wrote, but for the energy in its equation.

        :func:`dlngeo.langevin.simulate` takes it as a start and goes on, with the energy that it is
        given.

        Raises
        ------
        ValueError
            If the file is no such archive, or not whole.
        OSError
            If there is no file that can be read.
        """
        arrays, about = archive.read(path, cls.__name__)
        try:
            found = cls(**_fields(arrays, about))
            whole = _is_whole(found)
        except (TypeError, KeyError, AttributeError, IndexError) as error:
            raise ValueError(f"{path} must hold the fields of {cls.__name__}: {error}") from None
        if not whole:
            raise ValueError(f"{path} must hold arrays of the same paths and times")
        return found

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
        attributes: dict[str, float | str] = {"message": self.message}
        for name, value in self.provenance.items():  # a seed of 128 bits is too long for a number
            number = isinstance(value, int | float) and name != "seed"
            attributes[name] = float(value) if number else str(value)
        data = dataset(["path", "time"], self.W, observables, self.weights, coordinates, attributes)
        return data.assign(status=("path", self.status), ends=("path", self.ends))


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray)


def _is_whole(ensemble: Ensemble) -> bool:
    """Whether all arrays have the same paths and times."""
    paths, times = len(ensemble.status), len(ensemble.t)
    observables = (ensemble.energy, ensemble.singular_values, ensemble.effective_rank)
    frames = (ensemble.W, *observables, *(ensemble.weights or ()))
    end = () if ensemble.end is None else [part for part in ensemble.end if part is not None]
    return all(part.shape[:2] == (paths, times) for part in frames) and all(
        len(part) == paths for part in (ensemble.ends, *end)
    )


def _fields(arrays: dict[str, Array], about: dict[str, Any]) -> dict[str, Any]:
    """The fields of an ensemble from its archive."""
    layers = tuple(arrays.pop(name) for name in archive.numbered(arrays) if name in arrays)
    end = None
    if _END + "state" in arrays:
        state, streams, bridges = (arrays.pop(_END + k) for k in ("state", "streams", "bridges"))
        kept, known = (arrays.pop(_END + k, None) for k in ("kept", "frames"))
        end = End(state, kept, streams, bridges, known)
    numbers = about.pop("equation")
    provenance = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in about.pop("provenance").items()
    }
    return {
        **arrays,
        **about,
        "weights": layers or None,
        "provenance": provenance,
        "equation": None if numbers is None else Equation.recorded(numbers),
        "end": end,
    }


def refuse_early_ends(ensemble: Ensemble) -> None:
    """Refuse an ensemble with paths that ended early: when they do may depend on where they are."""
    lost = int((~np.isfinite(ensemble.W).all(axis=(1, 2, 3))).sum())
    if lost:
        raise ValueError(
            f"ensemble must have all its paths to the end; {lost} of {len(ensemble.W)} ended "
            "early: take ensemble.together()"
        )


def build(
    equation: Equation,
    t: Array,
    W: Array,
    weights: Weights | None,
    ends: Array,
    message: str,
    provenance: dict[str, Any],
    end: End | None = None,
) -> Ensemble:
    """An ensemble with everything that follows from the matrices, and from when the paths end."""
    sigma = np.full((*W.shape[:2], min(W.shape[2:])), np.nan)
    energy = equation.energy
    values, rank = np.full(W.shape[:2], np.nan), np.full(W.shape[:2], np.nan)
    for first in range(0, len(W), _GROUP):  # the temporaries of a few paths at a time
        part = slice(first, first + _GROUP)
        there = np.isfinite(W[part]).all(axis=(-2, -1))
        frames = W[part][there]
        sigma[part][there] = spectra = singular_values(frames)
        rank[part][there] = effective_rank(spectra)
        with np.errstate(over="ignore", invalid="ignore"):  # an energy may be infinite
            values[part][there] = 0.0 if energy is None else energy.value(frames)
    status = np.where(ends < t[-1], -1, 0)
    return Ensemble(
        t, W, weights, values, sigma, rank, status, message, ends, provenance, equation, end
    )
