"""Logistic loss of ±1 labels: convex, not quadratic, and without a minimum on separable data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.energies._kinds import keys, matrix, named, require_shape, samples
from dlngeo.energies._protocol import Compiled, NullSpace


@named
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

    kind = "logistic"

    def __init__(self, X: ArrayLike, Y: ArrayLike) -> None:
        X, Y = samples(X, Y)
        if not (np.abs(Y) == 1).all():
            raise ValueError(f"Y must hold labels 1 and -1 alone; it has {Y[np.abs(Y) != 1][0]:g}")
        self.X, self.Y = X, Y
        self.shape = (Y.shape[0], X.shape[0])
        self.hessian_bound = 0.25 * float(np.linalg.norm(X, 2)) ** 2  # attained at W = 0

    def __repr__(self) -> str:
        return f"Logistic({self.shape[1]} -> {self.shape[0]}, {self.X.shape[1]} samples)"

    def compiled(self) -> Compiled:
        """For the engine ``numba``."""
        from dlngeo._compiled.energies import logistic

        return Compiled(logistic, self.X, self.Y)

    def null_space(self) -> NullSpace:
        """Along rows that separate their labels the energy falls to zero."""
        parted, free = np.array([_separation(self.X * labels) for labels in self.Y]).T
        entries = np.broadcast_to(free[:, None], self.shape)
        n, count = self.shape[1], int(parted.sum())
        ranks = sorted({1, count}) if count else []
        return NullSpace(entries, exact=False, spaces=tuple((k * n, min(k, n)) for k in ranks))

    @classmethod
    def from_config(
        cls, energy: Mapping[str, Any], shape: tuple[int, int] | None = None
    ) -> Logistic:
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


def _separation(signed: Array) -> tuple[bool, bool]:
    """Whether some w has signedᵀw > 0, and whether some w ≠ 0 has signedᵀw >= 0."""
    from scipy.optimize import linprog  # some 0.1 s to import, for few users

    n, count = signed.shape
    box = [(-1.0, 1.0)] * n
    margin = linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.column_stack([-signed.T, np.ones(count)]),
        b_ub=np.zeros(count),
        bounds=[*box, (None, None)],
    )
    weak = linprog(-signed.sum(axis=1), A_ub=-signed.T, b_ub=np.zeros(count), bounds=box)
    size = float(np.abs(signed).max()) * 1e-9
    whole = np.linalg.matrix_rank(signed) == n
    return bool(-margin.fun > size), bool(-weak.fun > size or not whole)
