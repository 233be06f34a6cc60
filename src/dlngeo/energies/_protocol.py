"""The protocol of an energy E(W) of the end-to-end matrix: what a network is trained to minimise.

An energy has three methods, each batched over the leading dimensions of W: ``value``, the Euclidean
``gradient`` E'(W) of Menon (3.7), and ``hessian``, the second derivative applied to a matrix. The
:class:`Energy` protocol says so, and any object of yours that keeps it works everywhere;
:func:`check` tells whether it does. What else an energy may say of itself, its docstring lists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from dlngeo._checks import Array

Spectral: TypeAlias = Callable[[Array], tuple[Array, Array]]


@runtime_checkable
class Energy(Protocol):
    """A twice differentiable function of an m × n matrix, evaluated on stacks ``(..., m, n)``.

    These three methods are all that is asked. What else an energy can say of itself, it may: the
    parts below are optional, and an energy of yours that has them is treated as those of the
    library are. :func:`check` examines them too.

    ``shape``
        (m, n): the shape of W. Without it an energy takes matrices of any shape.
    ``hessian_norm``
        The norm of E''(W) where it is the same at every W. Langevin paths bound their steps by it;
        without it they estimate the norm at each W by products with E''.
    ``hessian_bound``
        A number that the norm of E''(W) exceeds nowhere, where that norm varies: it serves as well.
    ``spectral``
        For an energy of the singular values alone: a function of σ ``(..., r)``, inf among them,
        to E(diag σ) ``(...)`` and its derivatives ``(..., r)``. None says that the energy sees
        more. Without it, invariance is tried at random matrices.
    ``null_space()``
        A :class:`NullSpace`: what E does not see of W. It decides whether a Gibbs measure is
        finite; without it nothing is said unless E is of the singular values alone. (Directions
        along which E is constant are found from E'' and E, for all energies alike.)
    ``fits()``
        The :class:`Fits` with E = 0, where they are an affine set: for the least nuclear norm.
    ``entries()``
        The :class:`Entries` of an energy that is a sum over entries of W: in low rank it is then
        asked by factors, and neither W nor E' is formed.
    ``compiled()``
        The :class:`Compiled` form of E and E', which the engine ``numba`` steps ensembles with.
    ``kind``, ``from_config(energy, shape)``, ``to_config()``
        A name, and the way from and to plain numbers: see :class:`NamedEnergy`.
    """

    def value(self, W: Array) -> Array:
        """E(W), of shape ``(...)``."""
        ...

    def gradient(self, W: Array) -> Array:
        """E'(W), the matrix of partial derivatives, of shape ``(..., m, n)``."""
        ...

    def hessian(self, W: Array, Z: Array) -> Array:
        """The derivative of E' at W in direction Z, of the broadcast shape of W and Z."""
        ...


class Compiled(NamedTuple):
    r"""An energy's value and gradient as numba compiles them, for many matrices at once.

    Attributes
    ----------
    function : numba.cfunc
        ``function(A, B, W, slope, value)`` reads W (m, n, lanes) and writes E'(W) into slope
        (m, n, lanes) and E(W) - offset into value (lanes,), each lane by itself.
        ``dlngeo._compiled.kernels.energy`` compiles a Python function of these arguments.
    A, B : C-contiguous arrays of two axes
        The energy's data, handed to the function as they are.
    offset : float
        A constant, added to value.
    """

    function: Any
    A: Array
    B: Array
    offset: float = 0.0

    def __repr__(self) -> str:
        return f"Compiled(A {self.A.shape}, B {self.B.shape}, offset {self.offset:g})"


class Entries(NamedTuple):
    """An energy that is a sum over some entries of W, E(W) = Σ_k ℓ_k(W[i_k, j_k]).

    Attributes
    ----------
    starts : (m + 1,) array of integers
        Where the entries of each row begin, rows in order.
    columns : (k,) array of integers
        j_k, increasing within a row.
    loss : callable
        w (k,), the entries of W, to ℓ_k(w_k) and ℓ_k'(w_k), both (k,).
    curvature : callable
        w (k,) to ℓ_k''(w_k).
    target : (k,) array or None
        a where ℓ_k(w) = ½(w - a_k)²; such an energy has a faster path.
    """

    starts: Array
    columns: Array
    loss: Callable[[Array], tuple[Array, Array]]
    curvature: Callable[[Array], Array]
    target: Array | None = None

    def __repr__(self) -> str:
        return f"Entries({self.columns.size} in {self.starts.size - 1} rows)"


class NullSpace(NamedTuple):
    """What an energy, bounded from below and on bounded sets, does not see of W.

    Attributes
    ----------
    entries : (m, n) array of bool
        In suitable orthonormal bases of the inputs and of the outputs, E goes to infinity with
        every entry but these.
    exact : bool
        Whether E depends on none of these entries. False: they hold what is not seen, and more.
    spaces : tuple of (int, int)
        Dimensions and generic ranks of linear spaces of matrices, along an open part of which E
        stays bounded: what is certainly not seen, where ``exact`` is False.
    """

    entries: Array
    exact: bool = True
    spaces: tuple[tuple[int, int], ...] = ()

    def __repr__(self) -> str:
        m, n = self.entries.shape
        least = "" if self.exact else "at most "
        return f"NullSpace({m} x {n}, {least}{self.entries.sum()} entries)"


class Fits(NamedTuple):
    """The affine set of all W with E(W) = 0, and multipliers of its normal space.

    Attributes
    ----------
    project : callable
        W to the nearest fit.
    normal : callable
        A matrix to its part normal to the set.
    multipliers : callable
        A normal matrix to its coefficients, one a measurement.
    pair : callable
        A normal matrix to its product with any fit.
    """

    project: Callable[[Array], Array]
    normal: Callable[[Array], Array]
    multipliers: Callable[[Array], Array]
    pair: Callable[[Array], float]
