"""Logistic loss of ±1 labels: convex, not quadratic, and without a minimum on separable data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.energies._least_squares import one_matrix


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
        X, Y = one_matrix(X, "X"), one_matrix(Y, "Y")
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
