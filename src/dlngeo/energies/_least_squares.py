"""Least squares, E(W) = ½‖residual(W)‖²: what such energies share, and the distance to a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.energies._kinds import keys, matrix, named, one_matrix, require_shape
from dlngeo.energies._protocol import Compiled, NullSpace, Spectral


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


@named
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

    Examples
    --------
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic([[3.0, 0.0], [0.0, 1.0]])
    >>> W = [[1.0, 0.0], [0.0, 1.0]]
    >>> float(energy.value(W))
    2.0
    >>> energy.gradient(W).tolist()
    [[-2.0, 0.0], [0.0, 0.0]]
    """

    kind = "quadratic"

    def __init__(self, target: ArrayLike) -> None:
        self.target = one_matrix(target, "target")
        self.shape = self.target.shape
        self.hessian_norm = 1.0

    def __repr__(self) -> str:
        return f"Quadratic({self.shape[0]} x {self.shape[1]})"

    @property
    def spectral(self) -> Spectral | None:
        """½ Σσ² where the target is zero, else None."""
        return None if self.target.any() else _half_squares

    def compiled(self) -> Compiled:
        """For the engine ``numba``."""
        from dlngeo._compiled.energies import entrywise

        return Compiled(entrywise, np.ones(self.shape), self.target)

    def null_space(self) -> NullSpace:
        """Everything is seen."""
        return NullSpace(np.zeros(self.shape, dtype=bool))

    @classmethod
    def from_config(
        cls, energy: Mapping[str, Any], shape: tuple[int, int] | None = None
    ) -> Quadratic:
        """From ``target``, a list of rows."""
        keys(energy, cls.kind, ("target",))
        found = cls(matrix(energy, "target"))
        require_shape(found.shape, shape)
        return found

    def to_config(self) -> dict[str, Any]:
        """``kind`` and ``target``."""
        return {"kind": self.kind, "target": self.target.tolist()}

    def _residual(self, W: Array) -> Array:
        return W - self.target

    def _linear(self, Z: Array) -> Array:
        return Z

    def _adjoint(self, residual: Array) -> Array:
        return residual


def _half_squares(sigma: Array) -> tuple[Array, Array]:
    return 0.5 * (sigma**2).sum(axis=-1), sigma
