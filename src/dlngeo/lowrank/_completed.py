"""What completing a large table leaves: mean, biases and a matrix of low rank."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo._checks import Array
from dlngeo._results import archive
from dlngeo.lowrank._factors import Factors


@dataclass(frozen=True, eq=False)
class LowRankCompletion:
    """A table completed: mean, biases of rows and columns, and a matrix of low rank.

    Attributes
    ----------
    U, sigma, V : (m, r), (r,) and (n, r) arrays
        The matrix of low rank, as :class:`Factors` have it.
    row_biases, column_biases : (m,) and (n,) arrays
    mean : float
    limits : tuple of two floats, or None
        Predictions are clipped to them.
    summary : dict
        ``rank``, ``weight_decay``, ``time`` and ``shrinkage``, chosen or given; rank 0 where mean
        and biases alone predict best;
        ``validation_rmse``, and ``biases_rmse`` of mean and biases alone; ``trials``; ``entries``,
        how many it was trained on. Errors are in the unit c of the values, weight decay in that of
        the equation, c^{2-2/N} at depth N, and time in one over it.
    """

    U: Array
    sigma: Array
    V: Array
    row_biases: Array
    column_biases: Array
    mean: float
    limits: tuple[float, float] | None = None
    summary: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        error = self.summary["validation_rmse"]
        return f"LowRankCompletion({self.factors!r}, validation RMSE {error:.4g})"

    @property
    def factors(self) -> Factors:
        """The matrix of low rank, without mean and biases."""
        return Factors(self.U, self.sigma, self.V)

    @property
    def biases(self) -> tuple[float, Array, Array]:
        """The mean, and the biases of rows and columns; zeros where none were taken."""
        return self.mean, self.row_biases, self.column_biases

    def predict(self, rows: ArrayLike, cols: ArrayLike) -> Array:
        """What is expected at these places, counted from 0."""
        found = self.factors.entries(rows, cols)
        found += self.mean + self.row_biases[np.asarray(rows, dtype=np.intp)]
        found += self.column_biases[np.asarray(cols, dtype=np.intp)]
        return found if self.limits is None else np.clip(found, *self.limits)

    def save(self, path: archive.File) -> None:
        """Write the completion to a file, which :meth:`load` reads, as trajectories are."""
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        arrays = {name: parts.pop(name) for name in list(parts) if hasattr(parts[name], "dtype")}
        archive.write(path, type(self).__name__, arrays, parts)

    @classmethod
    def load(cls, path: archive.File) -> LowRankCompletion:
        """The completion that :meth:`save` wrote."""
        arrays, about = archive.read(path, cls.__name__)
        limits = about.pop("limits")
        parts: dict[str, Any] = {**arrays, **about}
        return cls(**parts, limits=None if limits is None else (limits[0], limits[1]))
