"""Energies E(W) of the end-to-end matrix: what a network is trained to minimise.

An energy has three methods, each batched over the leading dimensions of W: ``value``, the Euclidean
``gradient`` E'(W) of Menon (3.7), and ``hessian``, the second derivative applied to a matrix. The
:class:`Energy` protocol says so, and any object of yours that keeps it works everywhere;
:func:`check` tells whether it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from dlngeo import _checks, _incomplete
from dlngeo._checks import Array, Weights


@runtime_checkable
class Energy(Protocol):
    """A twice differentiable function of an m × n matrix, evaluated on stacks ``(..., m, n)``."""

    def value(self, W: Array) -> Array:
        """E(W), of shape ``(...)``."""
        ...

    def gradient(self, W: Array) -> Array:
        """E'(W), the matrix of partial derivatives, of shape ``(..., m, n)``."""
        ...

    def hessian(self, W: Array, Z: Array) -> Array:
        """The derivative of E' at W in direction Z, of the broadcast shape of W and Z."""
        ...


class _LeastSquares:
    """E(W) = ½‖residual(W)‖², the residual being affine in W: the parts all energies share."""

    shape: tuple[int, int]
    hessian_norm: float  # the norm of E'', the same at every W

    def _residual(self, W: Array) -> Array:
        raise NotImplementedError

    def _linear(self, Z: Array) -> Array:
        """The residual's linear part."""
        raise NotImplementedError

    def _adjoint(self, residual: Array) -> Array:
        raise NotImplementedError

    def _sum(self, squares: Array) -> Array:
        total: Array = squares.sum(axis=(-2, -1))
        return total

    def value(self, W: ArrayLike) -> Array:
        """E(W), of shape ``(...)`` for W of shape ``(..., m, n)``."""
        return 0.5 * self._sum(self._residual(_checks.matrix(W, shape=self.shape)) ** 2)

    def gradient(self, W: ArrayLike) -> Array:
        """E'(W), Menon (3.7), of the shape ``(..., m, n)`` of W."""
        return self._adjoint(self._residual(_checks.matrix(W, shape=self.shape)))

    def hessian(self, W: ArrayLike, Z: ArrayLike) -> Array:
        """E''(W) applied to Z, of the broadcast shape of W and Z."""
        W, Z = _checks.matrix(W, shape=self.shape), _checks.matrix(Z, "Z", self.shape)
        return np.broadcast_to(
            self._adjoint(self._linear(Z)), np.broadcast_shapes(W.shape, Z.shape)
        ).copy()


class Quadratic(_LeastSquares):
    r"""The distance to a target, :math:`E(W) = \tfrac12\|W - \Phi\|_F^2`.

    Parameters
    ----------
    target : (m, n) array Φ

    Raises
    ------
    ValueError
        If the target is not one finite matrix.

    Notes
    -----
    Source: Wendin and Altafini, eq. (5) with Φ = Σ.
    """

    def __init__(self, target: ArrayLike) -> None:
        self.target = _one_matrix(target, "target")
        self.shape = self.target.shape
        self.hessian_norm = 1.0

    def __repr__(self) -> str:
        return f"Quadratic(target of shape {self.shape})"

    def _residual(self, W: Array) -> Array:
        return W - self.target

    def _linear(self, Z: Array) -> Array:
        return Z

    def _adjoint(self, residual: Array) -> Array:
        return residual


class WeightMaps(NamedTuple):
    """The change of variables between the weights before and after whitening, both ways."""

    to_input: Array
    from_input: Array
    to_output: Array

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


class LinearRegression(_LeastSquares):
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
    """

    def __init__(self, X: ArrayLike, Y: ArrayLike) -> None:
        X, Y = _one_matrix(X, "X"), _one_matrix(Y, "Y")
        if X.shape[1] != Y.shape[1]:
            raise ValueError(
                "X and Y must have as many columns, one a sample; "
                f"their shapes are {X.shape} and {Y.shape}"
            )
        self.X, self.Y = X, Y
        self.shape = (Y.shape[0], X.shape[0])
        basis, triangle = np.linalg.qr(X.T)
        self._design = triangle.T  # X = design · basisᵀ
        self.hessian_norm = float(np.linalg.norm(self._design, 2)) ** 2
        self._response = Y @ basis
        self._unexplained = 0.5 * float(((Y - self._response @ basis.T) ** 2).sum())

    def __repr__(self) -> str:
        return f"LinearRegression({self.shape[1]} -> {self.shape[0]}, {self.X.shape[1]} samples)"

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
        target = np.zeros(self.shape)
        np.fill_diagonal(target, values)
        maps = WeightMaps(
            to_input=(U_X * scale) @ Vt_Y.T,
            from_input=(Vt_Y / scale) @ U_X.T,
            to_output=U_Y.T,
        )
        return Whitening(Quadratic(target), maps, self._unexplained)

    def _residual(self, W: Array) -> Array:
        return W @ self._design - self._response

    def _linear(self, Z: Array) -> Array:
        return Z @ self._design

    def _adjoint(self, residual: Array) -> Array:
        return residual @ self._design.T


class MatrixCompletion(_LeastSquares):
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
    """

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
        self.mask = mask
        self.observed = np.where(mask, observed, 0.0)
        self.shape = (mask.shape[0], mask.shape[1])
        self.hessian_norm = 1.0

    def __repr__(self) -> str:
        return f"MatrixCompletion({self.mask.sum()} of {self.shape[0]} x {self.shape[1]} entries)"

    @classmethod
    def from_triplets(
        cls, i: ArrayLike, j: ArrayLike, values: ArrayLike, shape: tuple[int, int]
    ) -> MatrixCompletion:
        """The energy that observes W[i, j] = values, each entry at most once (0-based indices)."""
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
                    f"{name} must lie in 0..{bound - 1}; it runs from {index.min()} to "
                    f"{index.max()}"
                )
        mask = np.zeros((m, n), dtype=bool)
        observed = np.zeros((m, n))
        mask[rows.astype(int), columns.astype(int)] = True
        observed[rows.astype(int), columns.astype(int)] = values
        if mask.sum() != values.size:
            raise ValueError(
                f"each entry may be observed once; {values.size} triplets name only "
                f"{mask.sum()} entries"
            )
        return cls(observed, mask)

    @classmethod
    def from_nan(cls, table: ArrayLike) -> MatrixCompletion:
        """The energy that observes every entry that is neither NaN, nor masked, nor pandas' NA."""
        table = _incomplete.array(table, "table")
        if table.ndim != 2 or 0 in table.shape:
            raise ValueError(f"table must be one matrix; its shape is {table.shape}")
        return cls(table, ~np.isnan(table))

    def _residual(self, W: Array) -> Array:
        return self._linear(W) - self.observed

    def _linear(self, Z: Array) -> Array:
        return Z * self.mask

    def _adjoint(self, residual: Array) -> Array:
        return residual  # zero outside the mask already


class MatrixSensing(_LeastSquares):
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


class Logistic:
    r"""Logistic loss of ±1 labels, :math:`E(W) = \sum_{is}\log(1 + e^{-Y_{is}(WX)_{is}})`.

    Each output is one binary classifier. Convex, not quadratic; on data that W can separate the
    infimum 0 is not attained and gradient flows run to infinity.

    Parameters
    ----------
    X : (n, samples) array
        Inputs, one sample a column.
    Y : (m, samples) array of ±1
        Labels, in the same order.

    Raises
    ------
    ValueError
        If X and Y are not matrices with as many columns, or a label is neither 1 nor -1.
    """

    def __init__(self, X: ArrayLike, Y: ArrayLike) -> None:
        X, Y = _one_matrix(X, "X"), _one_matrix(Y, "Y")
        if X.shape[1] != Y.shape[1]:
            raise ValueError(
                "X and Y must have as many columns, one a sample; "
                f"their shapes are {X.shape} and {Y.shape}"
            )
        if not (np.abs(Y) == 1).all():
            raise ValueError(f"Y must hold labels 1 and -1 alone; it has {Y[np.abs(Y) != 1][0]:g}")
        self.X, self.Y = X, Y
        self.shape = (Y.shape[0], X.shape[0])

    def __repr__(self) -> str:
        return f"Logistic({self.shape[1]} -> {self.shape[0]}, {self.X.shape[1]} samples)"

    def value(self, W: ArrayLike) -> Array:
        """E(W), of shape ``(...)`` for W of shape ``(..., m, n)``."""
        total: Array = np.logaddexp(0.0, -self._margins(W)).sum(axis=(-2, -1))
        return total

    def gradient(self, W: ArrayLike) -> Array:
        """E'(W), of the shape ``(..., m, n)`` of W."""
        gradient: Array = (-self.Y * expit(-self._margins(W))) @ self.X.T
        return gradient

    def hessian(self, W: ArrayLike, Z: ArrayLike) -> Array:
        """E''(W) applied to Z, of the broadcast shape of W and Z."""
        margins, Z = self._margins(W), _checks.matrix(Z, "Z", self.shape)
        curvature = expit(margins) * expit(-margins)
        hessian: Array = (curvature * (Z @ self.X)) @ self.X.T
        return hessian

    def _margins(self, W: ArrayLike) -> Array:
        margins: Array = self.Y * (_checks.matrix(W, shape=self.shape) @ self.X)
        return margins


def _one_matrix(value: ArrayLike, name: str) -> Array:
    array = _checks.matrix(value, name)
    if array.ndim != 2:
        raise ValueError(f"{name} must be one matrix, not a stack; its shape is {array.shape}")
    return array.copy()  # the caller may go on writing into his own


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
