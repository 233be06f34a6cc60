"""Matrix sensing: linear measurements of W (Wendin and Altafini, section 7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.energies._least_squares import LeastSquares


class MatrixSensing(LeastSquares):
    r"""Linear measurements, :math:`E(W) = \tfrac12\sum_i(\langle B_i, W\rangle_F - y_i)^2`.

    Parameters
    ----------
    measurements : (count, m, n) array of the matrices B_i
    values : (count,) array of the numbers y_i

    Notes
    -----
    Source: Wendin and Altafini, eq. (68).
    """

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
        return f"MatrixSensing({self.values.size} measurements of {self.shape})"

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
