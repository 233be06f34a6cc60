"""The protocol of an energy E(W) of the end-to-end matrix: what a network is trained to minimise.

An energy has three methods, each batched over the leading dimensions of W: ``value``, the Euclidean
``gradient`` E'(W) of Menon (3.7), and ``hessian``, the second derivative applied to a matrix. The
:class:`Energy` protocol says so, and any object of yours that keeps it works everywhere;
:func:`check` tells whether it does.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from dlngeo._checks import Array


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
