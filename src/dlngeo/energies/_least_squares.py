"""Least squares, E(W) = ½‖residual(W)‖²: what such energies share, and the distance to a target."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array


class LeastSquares:
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


class Quadratic(LeastSquares):
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
        self.target = one_matrix(target, "target")
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


def one_matrix(value: ArrayLike, name: str) -> Array:
    array = _checks.matrix(value, name)
    if array.ndim != 2:
        raise ValueError(f"{name} must be one matrix, not a stack; its shape is {array.shape}")
    return array.copy()  # the caller may go on writing into his own
