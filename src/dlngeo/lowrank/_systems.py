r"""The flow of rank r as systems of ordinary differential equations on factors.

At a whole depth N >= 2 the state is a network of widths (n, r, ..., r, m), balanced:
W = A W_{N-1} ⋯ W_2 Bᵀ with A = W_N and B = W_1ᵀ.

At a real depth N >= 1 it is its two outer layers, A = UΛ and B = VΛ up to one rotation, where
Λ = Σ^{1/N}: with M = AᵀA = BᵀB

.. math:: W = A M^{(N-2)/2} B^T, \quad \dot A = -S B M^{(N-2)/2} + \tfrac12 A\Omega, \quad
   \dot B = -S^T A M^{(N-2)/2} - \tfrac12 B\Omega,

and Ω, skew, keeps AᵀA = BᵀB: in the eigenvectors of M it is
(C_ji - C_ij) times the divided difference of x^{(N-2)/2}, C = AᵀSB. At N = 1 this is the flow
projected on the tangent spaces of the matrices of rank r.

Both follow from Menon (3.5), (4.11), S = E'(W).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dlngeo._checks import Array
from dlngeo._equation import Equation
from dlngeo._linalg import prefix_products, suffix_products
from dlngeo.lowrank._factors import Factors, of_product
from dlngeo.lowrank._pulls import Pull
from dlngeo.lowrank._trajectory import LowRankTrajectory, read

_HUGE = 1e100  # whose square is a number still


class _FactorFlow:
    """What both have: an energy by factors, and how states are read."""

    members = 1
    start: Array

    def __init__(self, equation: Equation, start: Factors, pull: Pull) -> None:
        self.equation, self._pull = equation, pull
        self._m, self._n, self._r = len(start.U), len(start.V), start.sigma.size

    def _outer(self, y: Array) -> tuple[Array, Array]:
        """A and B, the first and the last of a state."""
        m, n, r = self._m, self._n, self._r
        return y[: m * r].reshape(m, r), y[y.size - n * r :].reshape(n, r)

    def _core(self, y: Array) -> Array:
        """What stands between A and Bᵀ."""
        raise NotImplementedError

    def _two(self, y: Array) -> tuple[Array, Array]:
        """L and R with W = L Rᵀ."""
        A, B = self._outer(y)
        return A @ self._core(y), B

    def velocity(self, t: float, y: Array) -> Array:
        if not np.abs(y).max() < _HUGE:  # of a step that is too long
            return np.full_like(y, np.nan)
        slope = self._slope(y)
        gamma = self.equation.weight_decay
        if gamma:
            slope -= gamma * y
        return slope

    def _slope(self, y: Array) -> Array:
        """dy/dt without weight decay."""
        raise NotImplementedError

    def reading(self, y: Array) -> tuple[tuple[Array, Array], float] | None:
        if not np.isfinite(y).all():
            return None
        W = self._two(y)
        value = self._pull.value(*W)
        return (W, value) if math.isfinite(value) else None

    def crossed(self, y: Array) -> bool:
        return False

    def slope(self, W: tuple[Array, Array]) -> float:
        return self._pull.slope(*W)

    def slope_at_zero(self) -> float:
        return self._pull.slope(*(np.zeros((size, 1)) for size in (self._m, self._n)))

    def seen(self, W: tuple[Array, Array]) -> Factors:
        return of_product(W[0], np.eye(self._r), W[1])

    def trajectory(
        self, t: Array, y: Array, status: int, message: str, stats: dict[str, int]
    ) -> LowRankTrajectory:
        products = [self._two(one) for one in y]
        energy = np.array([self._pull.value(*W) for W in products])
        return read(t, [self.seen(W) for W in products], energy, status, message, stats)


class NetworkFlow(_FactorFlow):
    """At a whole depth: all layers of the narrow network."""

    def __init__(self, equation: Equation, start: Factors, pull: Pull) -> None:
        super().__init__(equation, start, pull)
        size = start.sigma ** (1 / equation.depth)
        inner = [np.diag(size)] * (int(equation.depth) - 2)
        parts = (start.U * size, *inner, start.V * size)
        self.start = np.concatenate([part.reshape(-1) for part in parts])

    def _inner(self, y: Array) -> Array:
        """W_2, ..., W_{N-1} (N - 2, r, r)."""
        r = self._r
        return y[self._m * r : y.size - self._n * r].reshape(-1, r, r)

    def _core(self, y: Array) -> Array:
        core = np.eye(self._r)
        for W in self._inner(y):
            core = W @ core
        return core

    def _slope(self, y: Array) -> Array:
        (A, B), inner = self._outer(y), self._inner(y)
        if not len(inner):
            _, by_A, by_B = self._pull(A, B)
            return np.concatenate((-by_A.reshape(-1), -by_B.reshape(-1)))
        core = self._core(y)
        _, by_L, by_B = self._pull(A @ core, B)
        middle = _between(A.T @ by_L, inner)
        found = np.empty_like(y)
        self._outer(found)[0][:] = by_L @ -core.T
        self._inner(found)[:] = middle
        np.negative(by_B, out=self._outer(found)[1])
        return found


def _between(X: Array, inner: Sequence[Array] | Array) -> list[Array]:
    """-(W_{N-1} ⋯ W_{p+1})ᵀ X (W_{p-1} ⋯ W_2)ᵀ for each inner layer, X = Aᵀ S B."""
    identity = np.eye(len(X))
    before = [identity, *prefix_products(inner)[:-1]]
    after = [*suffix_products(list(inner))[1:], identity]
    return [-(A.T @ X @ B.T) for A, B in zip(after, before, strict=True)]


class RootFlow(_FactorFlow):
    """At a real depth: the two outer layers."""

    def __init__(self, equation: Equation, start: Factors, pull: Pull) -> None:
        super().__init__(equation, start, pull)
        size = start.sigma ** (1 / equation.depth)
        self._power = (equation.depth - 2) / 2
        self.start = np.concatenate([(frame * size).reshape(-1) for frame in (start.U, start.V)])

    def _gram(self, y: Array) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of M."""
        A, B = self._outer(y)
        mu, Q = np.linalg.eigh(0.5 * (A.T @ A + B.T @ B))
        return np.maximum(mu, np.finfo(float).tiny), Q

    def _core(self, y: Array) -> Array:
        mu, Q = self._gram(y)
        return np.asarray((Q * mu**self._power) @ Q.T)

    def _slope(self, y: Array) -> Array:
        (A, B), (mu, Q) = self._outer(y), self._gram(y)
        core = (Q * mu**self._power) @ Q.T
        _, by_L, by_B = self._pull(A @ core, B)
        C = Q.T @ (A.T @ by_L) @ Q
        half = Q @ (0.5 * (C.T - C) * _quotients(mu, self._power)) @ Q.T
        found = np.empty_like(y)
        by_A, into_B = self._outer(found)
        np.subtract(A @ half, by_L @ core, out=by_A)
        np.subtract(B @ -half, by_B, out=into_B)
        return found


def system_of(equation: Equation, start: Factors, pull: Pull) -> _FactorFlow:
    """The flow at a depth."""
    whole = equation.depth >= 2 and equation.depth == int(equation.depth)
    return (NetworkFlow if whole else RootFlow)(equation, start, pull)


def _quotients(x: Array, power: float) -> Array:
    """Divided differences (a^p - b^p) / (a - b) of all pairs of positive numbers."""
    larger, smaller = np.maximum(x[:, None], x), np.minimum(x[:, None], x)
    t = np.log(smaller / larger)
    near = np.abs(t) < 1e-300
    ratio = np.expm1(power * t) / np.where(near, 1.0, np.expm1(t))
    return np.asarray(larger ** (power - 1) * np.where(near, power, ratio))
