"""Matrix sensing: linear measurements of W (Wendin and Altafini, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _plain
from dlngeo._checks import Array
from dlngeo.energies._kinds import keys, named, require_shape
from dlngeo.energies._least_squares import LeastSquares
from dlngeo.energies._protocol import Compiled, Fits, NullSpace


@named
class MatrixSensing(LeastSquares):
    r"""Linear measurements, :math:`E(W) = \tfrac12\sum_i(\langle B_i, W\rangle_F - y_i)^2`.

    Parameters
    ----------
    measurements : (count, m, n) array of the matrices B_i
    values : (count,) array of the numbers y_i

    Notes
    -----
    Source: Wendin and Altafini, eq. (68).

    Examples
    --------
    Two measurements ⟨X_k, W⟩ of a 2 × 2 matrix, its trace and one entry:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.MatrixSensing([np.eye(2), [[0, 1], [0, 0]]], [2, 3])
    >>> float(energy.value([[1.0, 3.0], [0.0, 1.0]]))
    0.0
    >>> energy.gradient(np.zeros((2, 2))).tolist()
    [[-2.0, -3.0], [0.0, -2.0]]
    """

    kind = "sensing"

    def __init__(self, measurements: ArrayLike, values: ArrayLike) -> None:
        B, y = _checks.matrix(measurements, "measurements"), _checks.real_array(values, "values")
        if B.ndim != 3 or B.shape[0] == 0 or y.shape != B.shape[:1]:
            raise ValueError(
                "measurements must have shape (count, m, n) and values (count,), count >= 1; "
                f"their shapes are {B.shape} and {y.shape}"
            )
        self.measurements, self.values = B.copy(), y.copy()
        self.shape = (B.shape[1], B.shape[2])
        self._rows = self.measurements.reshape(B.shape[0], -1)
        self.hessian_norm = float(np.linalg.norm(self._rows, 2)) ** 2

    def __repr__(self) -> str:
        m, n = self.shape
        return f"MatrixSensing({m} x {n}, {self.values.size} measurements)"

    @classmethod
    def from_config(
        cls, energy: Mapping[str, Any], shape: tuple[int, int] | None = None
    ) -> MatrixSensing:
        """From ``measurements``, a list of matrices, each a list of rows, and ``values``."""
        keys(energy, cls.kind, ("measurements", "values"))
        matrices, values = energy["measurements"], energy["values"]
        if not isinstance(matrices, list | tuple) or not matrices:
            raise TypeError(
                f"energy.measurements must be a list of matrices, not {_plain.shown(matrices)}"
            )
        B = [_plain.rows(M, f"energy.measurements[{k}]") for k, M in enumerate(matrices)]
        if len({M.shape for M in B}) != 1:
            raise ValueError("energy.measurements must be matrices of one shape")
        found = cls(np.array(B), np.array(_plain.numbers(values, "energy.values")))
        require_shape(found.shape, shape)
        return found

    def to_config(self) -> dict[str, Any]:
        """``kind``, ``measurements`` and ``values``."""
        return {
            "kind": self.kind,
            "measurements": self.measurements.tolist(),
            "values": self.values.tolist(),
        }

    def compiled(self) -> Compiled:
        """For the engine ``numba``."""
        from dlngeo._compiled.energies import sensing

        return Compiled(sensing, self._rows, self.values[None])

    def null_space(self) -> NullSpace:
        """The matrices that no measurement sees: a linear space, not entries in any bases."""
        size, Vt = np.linalg.svd(self._rows)[1:]
        seen = int((size > size[0] * max(self._rows.shape) * np.finfo(float).eps).sum())
        blind = Vt[seen:]
        entries = np.full(self.shape, len(blind) > 0)
        if not len(blind):
            return NullSpace(entries)
        generic = np.random.default_rng(0).standard_normal(len(blind)) @ blind
        rank = int(np.linalg.matrix_rank(generic.reshape(self.shape)))
        return NullSpace(entries, exact=False, spaces=((len(blind), rank),))

    def fits(self) -> Fits:
        """The solutions of the measurements, refused where there is none."""
        y = self.values
        U, s, Vt = np.linalg.svd(self._rows, full_matrices=False)
        kept = s > max(self._rows.shape) * np.finfo(float).eps * s.max(initial=0.0)
        U, s, Vt = U[:, kept], s[kept], Vt[kept]
        coordinates = U.T @ y / s
        misfit = float(np.linalg.norm(y - U @ (U.T @ y)))
        if misfit > 1e-10 * float(np.linalg.norm(y)):
            raise ValueError(
                f"no matrix fits the measurements: any misses the values by {misfit:.3g} or more"
            )
        fit = (coordinates @ Vt).reshape(self.shape)

        def normal(Z: Array) -> Array:
            return ((Vt @ Z.ravel()) @ Vt).reshape(self.shape)

        return Fits(
            project=lambda W: W - normal(W) + fit,
            normal=normal,
            multipliers=lambda Z: U @ ((Vt @ Z.ravel()) / s),
            pair=lambda Z: float((fit * Z).sum()),
        )

    def _residual(self, W: Array) -> Array:
        return self._linear(W) - self.values

    # One row a product: a stack as one matrix would be summed in an order that its size decides.
    def _linear(self, Z: Array) -> Array:
        rows = Z.reshape(*Z.shape[:-2], 1, self._rows.shape[1])
        return np.asarray((rows @ self._rows.T)[..., 0, :])

    def _adjoint(self, residual: Array) -> Array:
        return (residual[..., None, :] @ self._rows).reshape(*residual.shape[:-1], *self.shape)

    def _sum(self, squares: Array) -> Array:
        total: Array = squares.sum(axis=-1)
        return total
