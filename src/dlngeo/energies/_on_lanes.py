"""An energy of yours for the engine ``numba``: compiled, and evaluated on the lanes of an array."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._engine import chosen
from dlngeo.energies._protocol import Compiled, Entries


def compile_energy(
    function: Callable[..., None], A: ArrayLike, B: ArrayLike, offset: float = 0.0
) -> Compiled:
    """Compile an energy's value and gradient, for the engine ``numba``.

    Parameters
    ----------
    function : Python function that numba can compile
        ``function(A, B, W, slope, value)`` reads W (m, n, lanes) and writes E'(W) into slope
        (m, n, lanes) and E(W) - offset into value (lanes,). A lane is one matrix; it must not
        depend on the others.
    A, B : arrays of two axes
        The energy's data, handed to the function as C-contiguous arrays of floats.
    offset : float

    Returns
    -------
    Compiled
        What the method ``compiled`` of an energy returns: make it once, in the constructor.

    Raises
    ------
    ImportError
        Without numba.
    numba.core.errors.NumbaError
        For a function that cannot be compiled.

    Examples
    --------
    A quartic potential, ¼ Σ A_ij (W_ij² - B_ij)²:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> def quartic(A, B, W, slope, value):
    ...     m, n, lanes = W.shape
    ...     value[:] = 0.0
    ...     for i in range(m):
    ...         for j in range(n):
    ...             for p in range(lanes):
    ...                 rest = W[i, j, p] ** 2 - B[i, j]
    ...                 slope[i, j, p] = A[i, j] * rest * W[i, j, p]
    ...                 value[p] += 0.25 * A[i, j] * rest * rest
    >>> dln.energies.compile_energy(quartic, np.ones((2, 2)), np.eye(2))  # doctest: +SKIP
    Compiled(A (2, 2), B (2, 2), offset 0)
    """
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"function must be a function, not {function!r}")
    A, B = (np.array(_checks.matrix(x, name), order="C") for x, name in ((A, "A"), (B, "B")))
    for x, name in ((A, "A"), (B, "B")):
        if x.ndim != 2:
            raise ValueError(f"{name} must be one matrix, not a stack; its shape is {x.shape}")
    offset = _checks.real(offset, "offset")
    if not math.isfinite(offset):
        raise ValueError(f"offset must be finite, not {offset!r}")
    chosen("numba")
    from dlngeo._compiled.kernels import energy

    return Compiled(energy(function), A, B, offset)


def compiled_part(energy: object) -> Compiled | None:
    """What ``energy.compiled()`` gives; None where it has no such part, or it is another's."""
    found: Compiled | None = _part(energy, "compiled")
    return found


def entries_part(energy: object) -> Entries | None:
    """What ``energy.entries()`` gives; None where it has no such part, or it is another's."""
    found: Entries | None = _part(energy, "entries")
    return found


def _part(energy: Any, name: str) -> Any:
    """A class that inherits a part and has a gradient or a value of its own is no longer that."""
    if not callable(getattr(energy, name, None)):
        return None
    nearer: list[str] = []
    for names in (getattr(energy, "__dict__", {}), *map(vars, type(energy).__mro__)):
        if name in names:
            break
        nearer += names
    own = {"value", "gradient", "_residual", "_linear", "_adjoint", "_sum"}
    return None if own & set(nearer) else getattr(energy, name)()


def on_lanes(compiled: Compiled, W: Array) -> tuple[Array, Array]:
    """E (...) and E' (..., m, n) of a stack, as the compiled function says."""
    from dlngeo._compiled.kernels import call

    lanes = np.ascontiguousarray(np.moveaxis(W.reshape(-1, *W.shape[-2:]), 0, -1))
    slope, value = np.empty_like(lanes), np.empty(lanes.shape[-1])
    call(compiled.function, compiled.A, compiled.B, lanes, slope, value)
    stack = W.shape[:-2]
    return value.reshape(stack) + compiled.offset, np.moveaxis(slope, -1, 0).reshape(W.shape)
