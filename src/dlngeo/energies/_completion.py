"""Matrix completion: agreement on the observed entries (Menon, 3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlngeo import _checks, _incomplete, _plain
from dlngeo._checks import Array
from dlngeo.energies._kinds import keys, named, require_shape
from dlngeo.energies._least_squares import LeastSquares
from dlngeo.energies._protocol import Compiled, Fits, NullSpace


@named
class MatrixCompletion(LeastSquares):
    r"""Agreement on the observed entries, :math:`\tfrac12\sum_{(i,j)\in S}|W_{ij}-a_{ij}|^2`.

    Parameters
    ----------
    observed : (m, n) array
        The values a_ij. Entries outside the mask are not read; they may be NaN.
    mask : (m, n) array of bool
        The set S of observed entries; at least one.

    Notes
    -----
    Source: Menon, eq. (3.8).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])
    >>> float(energy.value(np.zeros((2, 2))))
    1.0
    >>> energy.gradient([[0.0, 5.0], [5.0, 0.0]]).tolist()
    [[-1.0, 0.0], [0.0, -1.0]]
    """

    kind = "completion"

    def __init__(self, observed: ArrayLike, mask: ArrayLike) -> None:
        observed = _checks.real_array(observed, "observed", finite=False)
        if _checks.masked(mask):
            raise ValueError("mask must be an array of booleans, not itself masked")
        mask = np.array(_checks.any_array(mask, "mask"))
        if mask.dtype != np.bool_:
            if mask.dtype.kind not in "iuf" or not np.isin(mask, (0, 1)).all():
                raise TypeError(f"mask must hold booleans; its dtype is {mask.dtype}")
            mask = mask.astype(bool)
        if observed.ndim != 2 or 0 in observed.shape or observed.shape != mask.shape:
            raise ValueError(
                "observed and mask must be matrices of one shape; "
                f"their shapes are {observed.shape} and {mask.shape}"
            )
        if not mask.any():
            raise ValueError("mask must have at least one observed entry; it has none")
        if not np.isfinite(observed[mask]).all():
            raise ValueError("observed must be finite wherever mask is true; it is not")
        self.mask, self._weights = mask, mask.astype(float)
        self.observed = np.where(mask, observed, 0.0)
        self.shape = (mask.shape[0], mask.shape[1])
        self.hessian_norm = 1.0

    def __repr__(self) -> str:
        m, n = self.shape
        return f"MatrixCompletion({m} x {n}, {self.mask.sum()} observed)"

    @classmethod
    def from_triplets(
        cls, i: ArrayLike, j: ArrayLike, values: ArrayLike, shape: tuple[int, int]
    ) -> MatrixCompletion:
        """The energy that observes W[i, j] = values, each entry at most once (0-based indices)."""
        rows, columns, values, size = checked_triplets(i, j, values, shape)
        mask, observed = np.zeros(size, dtype=bool), np.zeros(size)
        mask[rows, columns] = True
        observed[rows, columns] = values
        return cls(observed, mask)

    @classmethod
    def from_nan(cls, table: ArrayLike) -> MatrixCompletion:
        """The energy that observes every entry that is neither NaN, nor masked, nor pandas' NA."""
        table = _incomplete.array(table, "table")
        if table.ndim != 2 or 0 in table.shape:
            raise ValueError(f"table must be one matrix; its shape is {table.shape}")
        return cls(table, ~np.isnan(table))

    @classmethod
    def from_config(
        cls, energy: Mapping[str, Any], shape: tuple[int, int] | None = None
    ) -> MatrixCompletion:
        """From ``table``, rows with nan where nothing is observed, or ``triplets``.

        These are [row, column, value], counted from 0, of matrices of the given shape.
        """
        (key,) = keys(energy, cls.kind, ("table",), ("triplets",))
        rows = _plain.rows(energy[key], f"energy.{key}")
        if key == "triplets":
            return _of_triplets(_checks.real_array(rows, "energy.triplets"), shape)
        if np.isinf(rows).any():
            raise ValueError("energy.table must be finite, or nan where nothing is observed")
        if np.isnan(rows).all():
            raise ValueError("energy.table must have at least one entry that is not nan")
        found = cls.from_nan(rows)
        require_shape(found.shape, shape)
        return found

    def to_config(self) -> dict[str, Any]:
        """``kind`` and ``table``, with nan where nothing is observed."""
        return {"kind": self.kind, "table": np.where(self.mask, self.observed, np.nan).tolist()}

    def compiled(self) -> Compiled:
        """For the engine ``numba``."""
        from dlngeo._compiled.energies import entrywise

        return Compiled(entrywise, self._weights, self.observed)

    def null_space(self) -> NullSpace:
        """The entries that are not observed."""
        return NullSpace(~self.mask)

    def fits(self) -> Fits:
        """The matrices of the observed entries; multipliers (m, n), zero off the mask."""
        mask, observed = self.mask, self.observed
        return Fits(
            project=lambda W: np.where(mask, observed, W),
            normal=lambda Z: np.where(mask, Z, 0.0),
            multipliers=lambda Z: np.where(mask, Z, 0.0),
            pair=lambda Z: float((observed * Z).sum()),
        )

    def _residual(self, W: Array) -> Array:
        return self._linear(W) - self.observed

    def _linear(self, Z: Array) -> Array:
        return Z * self._weights

    def _adjoint(self, residual: Array) -> Array:
        return residual  # zero outside the mask already


def _of_triplets(triplets: Array, shape: tuple[int, int] | None) -> MatrixCompletion:
    if triplets.shape[1] != 3 or (triplets[:, :2] % 1 != 0).any():
        raise ValueError("energy.triplets must be a list of [row, column, value], from row 0")
    if shape is None:
        raise ValueError("shape must be given with energy.triplets, which do not tell it")
    m, n = _checks.shape(shape)
    pairs = triplets[:, :2]
    if not ((pairs >= 0) & (pairs < (m, n))).all():
        raise ValueError(
            f"energy.triplets must have rows from 0 to {m - 1} and columns from 0 to {n - 1}; they "
            f"run from {pairs.min():g} to {pairs.max():g}"
        )
    if len(np.unique(pairs, axis=0)) < len(pairs):
        raise ValueError("energy.triplets must name each entry once")
    i, j = pairs.T.astype(int)
    return MatrixCompletion.from_triplets(i, j, triplets[:, 2], (m, n))


def checked_triplets(
    i: ArrayLike, j: ArrayLike, values: ArrayLike, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, tuple[int, int]]:
    """Indices, values and shape, if each entry is within the shape and is named once."""
    if _checks.masked(i) or _checks.masked(j):
        raise ValueError("i and j must not be masked; leave such triplets out")
    rows, columns = (np.atleast_1d(_checks.any_array(x, n)) for x, n in ((i, "i"), (j, "j")))
    values = np.atleast_1d(_checks.real_array(values, "values"))
    if values.ndim != 1 or not (rows.shape == columns.shape == values.shape):
        raise ValueError(
            "i, j and values must be vectors of one length; "
            f"their shapes are {rows.shape}, {columns.shape} and {values.shape}"
        )
    m, n = _checks.shape(shape)
    for name, index, bound in (("i", rows, m), ("j", columns, n)):
        if index.size and index.dtype.kind not in "iu":
            raise TypeError(f"{name} must hold integers; its dtype is {index.dtype}")
        if index.size and not (index.min() >= 0 and index.max() < bound):
            raise ValueError(
                f"{name} must lie in 0..{bound - 1}; it runs from {index.min()} to {index.max()}"
            )
    rows, columns = rows.astype(np.int64), columns.astype(np.int64)
    entries = np.unique(rows * n + columns).size
    if entries != values.size:
        raise ValueError(
            f"each entry may be observed once; {values.size} triplets name only {entries} entries"
        )
    return rows, columns, values, (m, n)
