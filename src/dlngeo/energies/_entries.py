"""Energies of single entries, E(W) = Σ_k ℓ(W[i_k, j_k], a_k), kept as lists, for large tables.

They are energies like all others on small matrices. Besides, ``entries()`` says which entries they
see and what ℓ is, so that :mod:`dlngeo.lowrank` never forms W nor E'(W).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.energies._completion import MatrixCompletion
from dlngeo.energies._kinds import keys, matrix, named, require_shape
from dlngeo.energies._protocol import Compiled, Entries, Fits, NullSpace


class _EntryLoss:
    """Σ_k ℓ(W[i_k, j_k], a_k): the parts that such energies share, by rows and then columns."""

    kind: str
    numbers: ClassVar[tuple[str, ...]] = ()  # further keys of a configuration
    shape: tuple[int, int]

    def __init__(
        self, rows: ArrayLike, cols: ArrayLike, values: ArrayLike, shape: tuple[int, int]
    ) -> None:
        self.shape = m, n = _checks.shape(shape)
        vector = _checks.real_array(values, "values")
        if vector.ndim != 1 or not vector.size:
            raise ValueError(
                f"values must be a vector of at least one; its shape is {vector.shape}"
            )
        i, j = _indices(rows, "rows", m, vector), _indices(cols, "cols", n, vector)
        place = i * n + j
        order = np.argsort(place, kind="stable")
        if not (np.diff(place[order]) > 0).all():
            raise ValueError("rows and cols must name each entry once; some they name again")
        self.rows, self.cols, self.values = i[order], j[order], vector[order]

    def __repr__(self) -> str:
        m, n = self.shape
        return f"{type(self).__name__}({m} x {n}, {self.values.size} observed)"

    def _loss(self, w: Array) -> tuple[Array, Array]:
        """ℓ and ℓ' at w (..., k), the observed entries of W."""
        raise NotImplementedError

    def _curvature(self, w: Array) -> Array:
        """ℓ'' at w (..., k)."""
        raise NotImplementedError

    def value(self, W: ArrayLike) -> Array:
        """E(W), of shape ``(...)`` for W of shape ``(..., m, n)``."""
        total: Array = self._loss(self._observed(W))[0].sum(axis=-1)
        return total

    def gradient(self, W: ArrayLike) -> Array:
        """E'(W), of the shape ``(..., m, n)`` of W: dense, for small matrices."""
        return self._scattered(self._loss(self._observed(W))[1])

    def hessian(self, W: ArrayLike, Z: ArrayLike) -> Array:
        """E''(W) applied to Z, of the broadcast shape of W and Z."""
        return self._scattered(self._curvature(self._observed(W)) * self._observed(Z, "Z"))

    def entries(self) -> Entries:
        """What :mod:`dlngeo.lowrank` works with."""
        starts = np.searchsorted(self.rows, np.arange(self.shape[0] + 1))
        return Entries(starts, self.cols, self._loss, self._curvature)

    @classmethod
    def from_config(
        cls, energy: Mapping[str, Any], shape: tuple[int, int] | None = None
    ) -> _EntryLoss:
        """From ``triplets``, lists [row, column, value] counted from 0, and ``shape``."""
        keys(energy, cls.kind, ("triplets", "shape", *cls.numbers))
        triplets = matrix(energy, "triplets")
        if triplets.shape[1] != 3 or (triplets[:, :2] % 1 != 0).any():
            raise ValueError("energy.triplets must be a list of [row, column, value], from row 0")
        size = _checks.shape(energy["shape"], "energy.shape")
        require_shape(size, shape)
        i, j = triplets[:, :2].T.astype(int)
        if not ((triplets[:, :2] >= 0) & (triplets[:, :2] < size)).all():
            raise ValueError(
                f"energy.triplets must have rows and columns within energy.shape {size}"
            )
        return cls(i, j, triplets[:, 2], size, **{name: energy[name] for name in cls.numbers})

    def to_config(self) -> dict[str, Any]:
        """``kind``, ``triplets`` and ``shape``."""
        triplets = zip(self.rows.tolist(), self.cols.tolist(), self.values.tolist(), strict=True)
        plain = {"kind": self.kind, "triplets": [*map(list, triplets)], "shape": [*self.shape]}
        return plain | {name: getattr(self, name) for name in self.numbers}

    def _observed(self, W: ArrayLike, name: str = "W") -> Array:
        entries: Array = _checks.matrix(W, name, self.shape)[..., self.rows, self.cols]
        return entries

    def _scattered(self, entries: Array) -> Array:
        W = np.zeros((*entries.shape[:-1], *self.shape))
        W[..., self.rows, self.cols] = entries
        return W

    def _dense(self) -> MatrixCompletion:
        return MatrixCompletion.from_triplets(self.rows, self.cols, self.values, self.shape)


def _indices(index: ArrayLike, name: str, bound: int, values: Array) -> Array:
    if _checks.masked(index):
        raise ValueError(f"{name} must not be masked; leave such entries out")
    found = _checks.any_array(index, name)
    if found.shape != values.shape:
        raise ValueError(
            f"{name} and values must be vectors of one length; their shapes are {found.shape} and "
            f"{values.shape}"
        )
    if found.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers; its dtype is {found.dtype}")
    if not (found.min() >= 0 and found.max() < bound):
        raise ValueError(
            f"{name} must lie in 0..{bound - 1}; it runs from {found.min()} to {found.max()}"
        )
    return found.astype(np.int64)


@named
class SparseCompletion(_EntryLoss):
    r"""Agreement on the observed entries, :math:`\tfrac12\sum_k|W_{i_kj_k}-a_k|^2`, kept as a list.

    Parameters
    ----------
    rows, cols : (k,) arrays of integers
        Which entries are observed, counted from 0, each once, in any order.
    values : (k,) array
        The values a_k.
    shape : (m, n)

    Notes
    -----
    The same energy as :class:`MatrixCompletion`, without a table of m × n numbers; its ``value``,
    ``gradient`` and ``hessian`` take dense W all the same. Source: Menon, eq. (3.8).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.SparseCompletion([0, 1], [0, 1], [1.0, 1.0], (2, 2))
    >>> float(energy.value(np.zeros((2, 2))))
    1.0
    >>> energy.gradient([[0.0, 5.0], [5.0, 0.0]]).tolist()
    [[-1.0, 0.0], [0.0, -1.0]]
    """

    kind = "sparse_completion"
    hessian_norm = 1.0

    def _loss(self, w: Array) -> tuple[Array, Array]:
        rest = w - self.values
        return 0.5 * rest * rest, rest

    def _curvature(self, w: Array) -> Array:
        return np.ones_like(w)

    def entries(self) -> Entries:
        """What :mod:`dlngeo.lowrank` works with."""
        return super().entries()._replace(target=self.values)

    def compiled(self) -> Compiled:
        """For the engine ``numba``: dense, for small matrices."""
        return self._dense().compiled()

    def null_space(self) -> NullSpace:
        """The entries that are not observed."""
        return self._dense().null_space()

    def fits(self) -> Fits:
        """The matrices of the observed entries."""
        return self._dense().fits()


@named
class SparseHuber(_EntryLoss):
    r"""Huber's loss of the observed entries, quadratic to the threshold δ and linear beyond.

    .. math:: E(W) = \sum_k h_\delta(W_{i_kj_k} - a_k), \quad
       h_\delta(x) = \tfrac12x^2 \text{ for } |x| \le \delta, \quad \delta|x| - \tfrac12\delta^2
       \text{ beyond}

    Parameters
    ----------
    rows, cols, values, shape
        As for :class:`SparseCompletion`.
    threshold : float > 0
        δ.

    Examples
    --------
    >>> import dlngeo as dln
    >>> energy = dln.energies.SparseHuber([0], [0], [3.0], (1, 1), threshold=1.0)
    >>> float(energy.value([[0.0]])), float(energy.value([[2.5]]))
    (2.5, 0.125)
    """

    kind = "sparse_huber"
    numbers = ("threshold",)
    hessian_bound = 1.0

    def __init__(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        values: ArrayLike,
        shape: tuple[int, int],
        threshold: float = 1.0,
    ) -> None:
        super().__init__(rows, cols, values, shape)
        self.threshold = _checks.positive(threshold, "threshold")

    def _loss(self, w: Array) -> tuple[Array, Array]:
        rest = w - self.values
        slope = np.clip(rest, -self.threshold, self.threshold)
        return slope * (rest - 0.5 * slope), slope

    def _curvature(self, w: Array) -> Array:
        return (np.abs(w - self.values) <= self.threshold).astype(float)

    def null_space(self) -> NullSpace:
        """The entries that are not observed."""
        return self._dense().null_space()

    def fits(self) -> Fits:
        """The matrices of the observed entries."""
        return self._dense().fits()


@named
class SparseLogistic(_EntryLoss):
    r"""Logistic loss of ±1 labels of entries, :math:`\sum_k\log(1 + e^{-a_kW_{i_kj_k}})`.

    Parameters
    ----------
    rows, cols, shape
        As for :class:`SparseCompletion`.
    values : (k,) array of ±1
        The labels a_k.

    Notes
    -----
    Its infimum 0 is attained nowhere: gradient flows run to infinity but for weight decay.

    Examples
    --------
    >>> import dlngeo as dln
    >>> energy = dln.energies.SparseLogistic([0], [1], [1], (1, 2))
    >>> energy.gradient([[7.0, 0.0]]).tolist()
    [[0.0, -0.5]]
    """

    kind = "sparse_logistic"
    hessian_bound = 0.25

    def __init__(
        self, rows: ArrayLike, cols: ArrayLike, values: ArrayLike, shape: tuple[int, int]
    ) -> None:
        super().__init__(rows, cols, values, shape)
        if not (np.abs(self.values) == 1).all():
            wrong = self.values[np.abs(self.values) != 1][0]
            raise ValueError(f"values must be labels 1 and -1 alone; they have {wrong:g}")

    def _loss(self, w: Array) -> tuple[Array, Array]:
        margin = self.values * w
        return np.logaddexp(0.0, -margin), -self.values * expit(-margin)

    def _curvature(self, w: Array) -> Array:
        return np.asarray(expit(w) * expit(-w))

    def null_space(self) -> NullSpace:
        """Along matrices of the labels' signs the energy falls to zero."""
        m, n = self.shape
        return NullSpace(np.ones((m, n), dtype=bool), exact=False, spaces=((m * n, min(m, n)),))
