"""The three state spaces of one motion, as systems of ordinary differential equations.

Upstairs the weights follow minus the lifted gradient (Menon, 3.4-3.6). Downstairs, from a balanced
start, the end-to-end matrix follows dW/dt = -𝒜_{N,W}(E'(W)) (4.11), (4.21). The ground truth is the
matrix ODE of the whole adjacency matrix (Wendin and Altafini, 12). Weight decay γ adds -γ W_p to
each velocity upstairs (survey, 24-25), hence -γ N W downstairs (-γ W at depth inf).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from dlngeo import _checks, adjacency, entropy
from dlngeo._checks import Array, Weights
from dlngeo._linalg import product, svd
from dlngeo.energies import Energy, require_stacks
from dlngeo.spectral.fibre_volume import State
from dlngeo.spectral.frame import Frame, continuous
from dlngeo.weights import flatten, pull_back, unflatten


class System(Protocol):
    """A flow on flat vectors: where it starts, its velocity, and how to read a state."""

    energy: Energy
    gamma: float
    rank: int | None
    start: Array
    members: int  # of the stack: the state is as many vectors of one length in a row

    def velocity(self, t: float, y: Array) -> Array:
        """dy/dt; NaN where y has run beyond the range of floating point."""
        ...

    def end_to_end(self, y: Array) -> Array:
        """The end-to-end matrices ``(..., *stack, m, n)`` of states ``(..., size)``."""
        ...

    def weights(self, y: Array) -> Weights | None:
        """The weights of states ``(..., size)``; None downstairs."""
        ...


class WeightFlow:
    """Upstairs: the state is all weights of the stack, network by network."""

    rank: int | None = None

    def __init__(self, energy: Energy, layers: Weights, gamma: float, name: str = "start") -> None:
        if 0 in layers[0].shape[:-2]:
            raise ValueError(f"{name} must hold a network; its first layer is {layers[0].shape}")
        with np.errstate(all="ignore"):
            W = product(layers)
        if not np.isfinite(W).all():
            raise ValueError(f"{name} must have a product within the range of floating point")
        require_stacks(energy, W, name, hessian=False)
        self.energy, self.gamma = energy, gamma
        self._widths = (layers[0].shape[-1], *(W.shape[-2] for W in layers))
        self._stack = layers[0].shape[:-2]
        self.members = math.prod(self._stack)
        self.start = flatten(layers).reshape(-1)

    def weights(self, y: Array) -> Weights:
        return unflatten(y.reshape(*y.shape[:-1], *self._stack, -1), self._widths)

    def end_to_end(self, y: Array) -> Array:
        return product(self.weights(y))

    def velocity(self, t: float, y: Array) -> Array:
        layers = self.weights(y)
        prefixes = list(itertools.accumulate(layers, lambda B, W: W @ B))
        if not np.isfinite(prefixes[-1]).all():
            return np.full_like(y, np.nan)
        gradient = pull_back(self.energy.gradient(prefixes[-1]), layers, prefixes)
        velocity: Array = -flatten(gradient).reshape(-1)
        return velocity - self.gamma * y if self.gamma else velocity


class EndToEndFlow:
    """Downstairs: the state is the end-to-end matrix."""

    def __init__(
        self,
        energy: Energy,
        start: Any,
        depth: float,
        rank: int | None,
        gamma: float,
        name: str = "start",
    ) -> None:
        W = _checks.matrix(start, name)
        if 0 in W.shape:
            raise ValueError(f"{name} must hold a matrix; its shape is {W.shape}")
        self.energy, self.gamma, self.rank = energy, gamma, rank
        self._depth, self._shape = _checks.depth(depth), W.shape
        self._rank = _checks.rank(rank, W.shape, None, self._depth)
        if math.isinf(self._depth) and self._rank < max(W.shape[-2:]):
            raise ValueError(
                f"at depth inf the flow is defined for square matrices of full rank; {name} has "
                f"shape {W.shape} and rank {self._rank}"
            )
        self.members = math.prod(W.shape[:-2])
        self._decay = gamma * (1.0 if math.isinf(self._depth) else self._depth)
        require_stacks(energy, W, name, hessian=False)
        continuous(  # refuses a rank that rounding decides
            lambda frame: frame.apply(energy.gradient(frame.point(W))),
            W,
            {},
            self._depth,
            rank,
            finite=False,
        )
        self.start = self._stratum(W).reshape(-1)

    def weights(self, y: Array) -> None:
        return None

    def end_to_end(self, y: Array) -> Array:
        return self._stratum(y.reshape(*y.shape[:-1], *self._shape))

    def velocity(self, t: float, y: Array) -> Array:
        W = y.reshape(self._shape)
        if not np.isfinite(W).all():
            return np.full_like(y, np.nan)
        frame = Frame.of(W, self._depth, self._rank)
        velocity = -frame.apply(self.energy.gradient(frame.point(W)))
        return (velocity - self._decay * W if self._decay else velocity).reshape(-1)

    def _stratum(self, W: Array) -> Array:
        """The nearest matrix of the stated rank."""
        if self.rank is None:
            return W
        U, sigma, Vt = svd(W)
        r = self._rank
        nearest: Array = (U[..., :r] * sigma[..., None, :r]) @ Vt[..., :r, :]
        return nearest


class FreeEnergyFlow(EndToEndFlow):
    """Downstairs, with the entropy's force beside the energy's (Menon, 6.7, 12.13)."""

    def __init__(
        self,
        energy: Energy,
        start: Any,
        depth: float,
        beta: float,
        rank: int | None,
        gamma: float,
        widths: Sequence[int] | None,
    ) -> None:
        super().__init__(energy, start, depth, rank, gamma, "W")
        self._beta, self._widths = _checks.positive(beta, "beta"), widths
        W = self.start.reshape(self._shape)
        entropy.gradient(W, self._depth, rank=rank, widths=widths)  # refuses what has none

    def velocity(self, t: float, y: Array) -> Array:
        if not np.isfinite(y).all():
            return np.full_like(y, np.nan)
        return super().velocity(t, y) + self._push(y)

    def _push(self, y: Array) -> Array:
        W = y.reshape(self._shape)
        force = State.of(W, self._depth, self.rank, self._widths).gradient()
        return np.asarray(force / self._beta).reshape(-1)


class AdjacencyFlow:
    """The ground truth: the state is the whole adjacency matrix."""

    rank: int | None = None

    def __init__(self, energy: Energy, A: Any, widths: Sequence[int], gamma: float) -> None:
        self._widths = _checks.widths(widths)
        A = _checks.matrix(A, "A")
        if 0 in A.shape:
            raise ValueError(f"A must hold a network; its shape is {A.shape}")
        layers = adjacency.to_weights(A, self._widths)  # checks the block-shift form
        WeightFlow(energy, layers, gamma, "A")  # checks the energy and the stack
        self.energy, self.gamma = energy, gamma
        matrix = adjacency.from_weights(layers)
        self.members = math.prod(matrix.shape[:-2])
        self._shape, self.start = matrix.shape, matrix.reshape(-1)

    def weights(self, y: Array) -> Weights:
        return adjacency.blocks(y.reshape(*y.shape[:-1], *self._shape), 1, self._widths)

    def end_to_end(self, y: Array) -> Array:
        return product(self.weights(y))

    def velocity(self, t: float, y: Array) -> Array:
        A = y.reshape(self._shape)
        if not np.isfinite(A).all():
            return np.full_like(y, np.nan)
        gradient = adjacency.block_gradient(A, self.energy, self._widths)
        return (-gradient - self.gamma * A).reshape(-1)
