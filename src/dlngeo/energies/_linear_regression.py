"""Least squares on data, and its reduction to a diagonal target (Wendin and Altafini, A.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import diagonal_matrix
from dlngeo.energies._kinds import keys, matrix, named, require_shape, samples
from dlngeo.energies._least_squares import LeastSquares, Quadratic
from dlngeo.energies._protocol import Compiled, NullSpace


class WeightMaps(NamedTuple):
    """The change of variables between the weights before and after whitening, both ways."""

    to_input: Array
    from_input: Array
    to_output: Array

    def __repr__(self) -> str:
        return f"WeightMaps({len(self.to_input)} -> {len(self.to_output)})"

    def whiten(self, weights: Sequence[ArrayLike]) -> Weights:
        """W_1 = W̄_1 U_X Λ_X V_Y and W_N = U_Yᵀ W̄_N, the layers between unchanged."""
        return _replace_ends(weights, self.to_input, self.to_output)

    def unwhiten(self, weights: Sequence[ArrayLike]) -> Weights:
        """The inverse of :meth:`whiten`: W̄_1 = W_1 V_Yᵀ Λ_X⁻¹ U_Xᵀ and W̄_N = U_Y W_N."""
        return _replace_ends(weights, self.from_input, self.to_output.T)


class Whitening(NamedTuple):
    """A regression reduced to :class:`Quadratic`: E(W̄) = energy(W) + constant."""

    energy: Quadratic
    maps: WeightMaps
    constant: float


@named
class LinearRegression(LeastSquares):
    r"""Least squares on data, :math:`E(W) = \tfrac12\|Y - W X\|_F^2`.

    Parameters
    ----------
    X : (n, samples) array
        Inputs, one sample a column.
    Y : (m, samples) array
        Outputs, in the same order.

    Notes
    -----
    The data enter through the triangular factor of X alone, so an evaluation costs no more than n
    samples do. Half of the printed loss (4). Source: Wendin and Altafini, eqs. (3)-(4), A.2.

    Examples
    --------
    Three samples, in columns, that W = [2, 1] fits:

    >>> import dlngeo as dln
    >>> energy = dln.energies.LinearRegression([[1, 0, 1], [0, 1, 1]], [[2, 1, 3]])
    >>> abs(round(float(energy.value([[2.0, 1.0]])), 6))
    0.0
    >>> energy.gradient([[0.0, 0.0]]).round(6).tolist()
    [[-5.0, -4.0]]
    """

    kind = "regression"

    def __init__(self, X: ArrayLike, Y: ArrayLike) -> None:
        X, Y = samples(X, Y)
        self.X, self.Y = X, Y
        self.shape = (Y.shape[0], X.shape[0])
        basis, triangle = np.linalg.qr(X.T)
        self._design = triangle.T  # X = design · basisᵀ
        self.hessian_norm = float(np.linalg.norm(self._design, 2)) ** 2
        self._response = Y @ basis
        self._unexplained = 0.5 * float(((Y - self._response @ basis.T) ** 2).sum())

    def __repr__(self) -> str:
        return f"LinearRegression({self.shape[1]} -> {self.shape[0]}, {self.X.shape[1]} samples)"

    def compiled(self) -> Compiled:
        """For the engine ``numba``."""
        from dlngeo._compiled.energies import regression

        return Compiled(regression, self._design.copy(), self._response.copy(), self._unexplained)

    def null_space(self) -> NullSpace:
        """The directions of the inputs in which there are no data."""
        entries = np.zeros(self.shape, dtype=bool)
        entries[:, int(np.linalg.matrix_rank(self.X)) :] = True
        return NullSpace(entries)

    @classmethod
    def from_config(
        cls, energy: Mapping[str, Any], shape: tuple[int, int] | None = None
    ) -> LinearRegression:
        """From ``X`` and ``Y``, lists of rows."""
        keys(energy, cls.kind, ("X", "Y"))
        found = cls(matrix(energy, "X"), matrix(energy, "Y"))
        require_shape(found.shape, shape)
        return found

    def to_config(self) -> dict[str, Any]:
        """``kind``, ``X`` and ``Y``."""
        return {"kind": self.kind, "X": self.X.tolist(), "Y": self.Y.tolist()}

    def value(self, W: ArrayLike) -> Array:
        """E(W), of shape ``(...)`` for W of shape ``(..., m, n)``."""
        return super().value(W) + self._unexplained

    def whiten(self) -> Whitening:
        r"""Reduce to a diagonal target Σ (survey A.2, corrected).

        With X = U_X [Λ_X 0] [V_1 V_2]ᵀ and Y V_1 = U_Y Σ V_Yᵀ, the weights W_1 = W̄_1 U_X Λ_X V_Y,
        W_N = U_Yᵀ W̄_N have :math:`E(\bar W) = \tfrac12\|\Sigma - W\|_F^2 + \tfrac12\|Y V_2\|_F^2`.

        Returns
        -------
        Whitening
            ``energy`` (:class:`Quadratic` of Σ, (m, n)), ``maps`` with methods ``whiten`` and
            ``unwhiten`` from one tuple of weights to the other, and ``constant`` ½‖Y V_2‖².

        Raises
        ------
        ValueError
            If X has not full row rank.

        Notes
        -----
        The two gradient flows agree only where Λ_X is a multiple of the identity: the map to the
        new weights is not an isometry. Source: Wendin and Altafini, (69)-(71); corrected: the
        printed loss (4) is twice (5) plus ‖Y V_2‖².
        """
        U_X, scale, Vt_X = np.linalg.svd(self._design)
        n = self.shape[1]
        least = scale[-1] if scale.size == n else 0.0
        if not least > scale[0] * n * np.finfo(float).eps:
            raise ValueError(
                f"whitening needs X of full row rank {n}; its singular values go from "
                f"{scale[0]:.3g} down to {least:.3g}, over {self.X.shape[1]} samples"
            )
        U_Y, values, Vt_Y = np.linalg.svd(self._response @ Vt_X.T)
        maps = WeightMaps(
            to_input=(U_X * scale) @ Vt_Y.T,
            from_input=(Vt_Y / scale) @ U_X.T,
            to_output=U_Y.T,
        )
        return Whitening(Quadratic(diagonal_matrix(values, *self.shape)), maps, self._unexplained)

    def _residual(self, W: Array) -> Array:
        return W @ self._design - self._response

    def _linear(self, Z: Array) -> Array:
        return Z @ self._design

    def _adjoint(self, residual: Array) -> Array:
        return residual @ self._design.T


def _replace_ends(weights: Sequence[ArrayLike], right: Array, left: Array) -> Weights:
    layers = list(_checks.weights(weights))
    if layers[0].shape[-1] != right.shape[0] or layers[-1].shape[-2] != left.shape[1]:
        raise ValueError(
            f"weights must lead from {right.shape[0]} to {left.shape[1]}, as the data do; they "
            f"lead from {layers[0].shape[-1]} to {layers[-1].shape[-2]}"
        )
    layers[0] = layers[0] @ right
    layers[-1] = left @ layers[-1]
    return tuple(layers)
