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
from dlngeo._equation import Equation
from dlngeo._linalg import (
    frobenius,
    layer_widths,
    product,
    sign_changed,
    svd,
    svd_product,
    transpose,
)
from dlngeo._results.trajectory import Trajectory, build
from dlngeo.energies import Energy, asked_slope, asked_value, require_stacks
from dlngeo.spectral.fibre_volume import State
from dlngeo.spectral.frame import Frame, continuous
from dlngeo.weights import flatten, is_balanced


class System(Protocol):
    """A flow on flat vectors: where it starts, its velocity, and how to read a state."""

    equation: Equation
    start: Array
    members: int  # of the stack: the state is as many vectors of one length in a row

    def velocity(self, t: float, y: Array) -> Array:
        """dy/dt; NaN where y has run beyond the range of floating point."""
        ...

    def reading(self, y: Array) -> tuple[Any, float] | None:
        """What W is at a state, and E, the largest of a stack; None where one is out of range."""
        ...

    def slope(self, W: Any) -> float:
        """‖E'(W)‖_F at what was read, the largest of a stack."""
        ...

    def slope_at_zero(self) -> float:
        """‖E'(0)‖_F, a size that E' has somewhere; 0 where E is not defined there."""
        ...

    def seen(self, W: Any) -> Any:
        """What a callback is shown of what was read."""
        ...

    def crossed(self, y: Array) -> bool:
        """Whether a state lies, for certain, where the exact flow from the start does not come."""
        ...

    def trajectory(
        self, t: Array, y: Array, status: int, message: str, stats: dict[str, int]
    ) -> Any:
        """The result, of the states (time, size) that are saved."""
        ...


class _MatrixSystem:
    """What is read off a state that gives the matrix W.

    A system says besides whether its exact flow keeps the sign of det W.
    """

    equation: Equation
    energy: Energy
    rank: int | None
    start: Array

    def end_to_end(self, y: Array) -> Array:
        """The end-to-end matrices ``(..., *stack, m, n)`` of states ``(..., size)``."""
        raise NotImplementedError

    def weights(self, y: Array) -> Weights | None:
        """The weights of states ``(..., size)``; None downstairs."""
        raise NotImplementedError

    def reading(self, y: Array) -> tuple[Array, float] | None:
        if not _checks.all_finite(y):
            return None
        W = self.end_to_end(y)
        if not _checks.all_finite(W):
            return None
        value = asked_value(self.energy, W)
        return (W, float(value.max())) if _checks.all_finite(value) else None

    def slope(self, W: Array) -> float:
        return float(np.max(frobenius(asked_slope(self.energy, W))))

    def slope_at_zero(self) -> float:
        try:
            slope = self.slope(np.zeros_like(self.end_to_end(self.start)))
        except (ValueError, ArithmeticError):  # LinAlgError is a ValueError
            return 0.0
        return slope if math.isfinite(slope) else 0.0

    def seen(self, W: Array) -> Array:
        return W

    def keeps_sign(self) -> bool:
        return False

    def crossed(self, y: Array) -> bool:
        if not self.keeps_sign():
            return False
        return bool(sign_changed(self.end_to_end(self.start), self.end_to_end(y)).any())

    def trajectory(
        self, t: Array, y: Array, status: int, message: str, stats: dict[str, int]
    ) -> Trajectory:
        W = self.end_to_end(y)
        return build(
            t,
            W,
            self.weights(y),
            self.energy.value(W),
            weight_decay=self.equation.weight_decay,
            rank=self.rank,
            status=status,
            message=message,
            stats=stats,
        )


class WeightFlow(_MatrixSystem):
    """Upstairs: the state is all weights of the stack, network by network."""

    rank: int | None = None

    def __init__(self, equation: Equation, layers: Weights, name: str = "start") -> None:
        if 0 in layers[0].shape[:-2]:
            raise ValueError(f"{name} must hold a network; its first layer is {layers[0].shape}")
        with np.errstate(all="ignore"):
            W = product(layers)
        if not np.isfinite(W).all():
            raise ValueError(f"{name} must have a product within the range of floating point")
        self.equation, self.energy = equation, _energy(equation, W, name)
        self._stack = layers[0].shape[:-2]
        self._places = _places(layer_widths(layers))
        self.members = math.prod(self._stack)
        self.start = flatten(layers).reshape(-1)
        # room for W_p ⋯ W_1, for what comes of -E'(W) on its way back, and for the velocity
        rooms = [np.empty((*layer.shape[:-1], W.shape[-1])) for layer in layers]
        self._prefixes, self._velocity = rooms[1:-1], np.empty_like(self.start)
        self._parts = self.weights(self._velocity)
        self._covectors = [self._parts[0], *(np.empty_like(room) for room in rooms[1:])]
        self._multiply: Any = np.matmul if self._stack else np.dot  # the sooner where it serves

    def weights(self, y: Array) -> Weights:
        if y.ndim == 1 and not self._stack:
            return tuple([y[part].reshape(shape) for part, shape in self._places])
        rows = y.reshape(*y.shape[:-1], *self._stack, -1) if self._stack else y
        lead = rows.shape[:-1]
        return tuple(rows[..., part].reshape(*lead, *shape) for part, shape in self._places)

    def end_to_end(self, y: Array) -> Array:
        return product(self.weights(y))

    def keeps_sign(self) -> bool:
        layers = self.weights(self.start)
        square = len({size for W in layers for size in W.shape[-2:]}) == 1
        return square and len(layers) > 1 and bool(is_balanced(layers).all())

    def velocity(self, t: float, y: Array) -> Array:
        layers, multiply = self.weights(y), self._multiply
        prefixes, covectors, depth = [layers[0], *self._prefixes], self._covectors, len(layers)
        for p in range(1, depth - 1):
            multiply(layers[p], prefixes[p - 1], prefixes[p])
        W = multiply(layers[-1], prefixes[-1]) if depth > 1 else layers[0]
        if not _checks.all_finite(W):
            return np.full_like(y, np.nan)
        np.negative(asked_slope(self.energy, W), out=covectors[-1])
        for p in range(depth - 1, 0, -1):
            multiply(covectors[p], transpose(prefixes[p - 1]), self._parts[p])
            multiply(transpose(layers[p]), covectors[p], covectors[p - 1])
        gamma = self.equation.weight_decay
        return self._velocity - gamma * y if gamma else self._velocity.copy()


def _places(widths: tuple[int, ...]) -> list[tuple[slice, tuple[int, int]]]:
    """Where each layer stands in the vector of a network, and its shape."""
    places, start = [], 0
    for columns, rows in itertools.pairwise(widths):
        stop = start + rows * columns
        places.append((slice(start, stop), (rows, columns)))
        start = stop
    return places


class EndToEndFlow(_MatrixSystem):
    """Downstairs: the state is the end-to-end matrix."""

    def __init__(
        self, equation: Equation, start: Any, rank: int | None, name: str = "start"
    ) -> None:
        W = _checks.matrix(start, name)
        if 0 in W.shape:
            raise ValueError(f"{name} must hold a matrix; its shape is {W.shape}")
        depth = equation.depth
        self.equation, self.rank, self._shape = equation, rank, W.shape
        self._rank = _checks.rank(rank, W.shape, None, depth)
        if math.isinf(depth) and self._rank < max(W.shape[-2:]):
            raise ValueError(
                f"at depth inf the flow is defined for square matrices of full rank; {name} has "
                f"shape {W.shape} and rank {self._rank}"
            )
        self.members = math.prod(W.shape[:-2])
        self.energy = energy = _energy(equation, W, name)
        continuous(  # refuses a rank that rounding decides
            lambda frame: frame.apply(energy.gradient(frame.point(W))),
            W,
            {},
            depth,
            rank,
            finite=False,
        )
        self.start = self._stratum(W).reshape(-1)

    def weights(self, y: Array) -> None:
        return None

    def keeps_sign(self) -> bool:
        m, n = self._shape[-2:]
        return m == n and self.equation.depth >= 2

    def end_to_end(self, y: Array) -> Array:
        return self._stratum(y.reshape(*y.shape[:-1], *self._shape))

    def velocity(self, t: float, y: Array) -> Array:
        W = y.reshape(self._shape)
        if not np.isfinite(W).all():
            return np.full_like(y, np.nan)
        frame = Frame.of(W, self.equation.depth, self._rank)
        velocity = -frame.apply(asked_slope(self.energy, frame.point(W)))
        decay = self.equation.shrinkage
        return (velocity - decay * W if decay else velocity).reshape(-1)

    def _stratum(self, W: Array) -> Array:
        """The nearest matrix of the stated rank."""
        if self.rank is None:
            return W
        U, sigma, Vt = svd(W)
        r = self._rank
        return svd_product(U[..., :r], sigma[..., :r], Vt[..., :r, :])


class FreeEnergyFlow(EndToEndFlow):
    """Downstairs, with the entropy's force beside the energy's (Menon, 6.7, 12.13)."""

    def __init__(
        self, equation: Equation, start: Any, rank: int | None, widths: Sequence[int] | None
    ) -> None:
        super().__init__(equation, start, rank, "W")
        self._widths = widths
        W = self.start.reshape(self._shape)
        entropy.gradient(W, equation.depth, rank=rank, widths=widths)  # refuses what has none

    def velocity(self, t: float, y: Array) -> Array:
        if not np.isfinite(y).all():
            return np.full_like(y, np.nan)
        return super().velocity(t, y) + self._entropic_force(y)

    def _entropic_force(self, y: Array) -> Array:
        """Grad S / β."""
        W = y.reshape(self._shape)
        force = State.of(W, self.equation.depth, self.rank, self._widths).gradient()
        return np.asarray(force / self.equation.beta).reshape(-1)


class AdjacencyFlow(_MatrixSystem):
    """The ground truth: the state is the whole adjacency matrix."""

    rank: int | None = None

    def __init__(self, equation: Equation, A: Any, widths: tuple[int, ...]) -> None:
        self._widths = widths
        A = _checks.matrix(A, "A")
        if 0 in A.shape:
            raise ValueError(f"A must hold a network; its shape is {A.shape}")
        layers = adjacency.to_weights(A, self._widths)  # checks the block-shift form
        self.equation = equation
        self.energy = WeightFlow(equation, layers, "A").energy  # checks it and the stack
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
        return (-gradient - self.equation.weight_decay * A).reshape(-1)


def _energy(equation: Equation, W: Array, name: str) -> Energy:
    """The energy of the equation, once it is known to be one of stacks like W."""
    energy: Any = equation.energy
    require_stacks(energy, W, name, hessian=False)
    checked: Energy = energy
    return checked
