"""What is asked of an energy: one cheap look at every public door, and a full examination.

Users find both in :mod:`dlngeo.energies`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import frobenius
from dlngeo.energies._check_parts import check_parts, require_own_shape

if TYPE_CHECKING:
    from dlngeo.energies._protocol import Energy

_DIRECTIONS = 64  # at most, in which derivatives are looked at


class Misses(NamedTuple):
    """The largest relative misses that :func:`check` has found."""

    stack: float
    gradient: float
    hessian: float
    symmetry: float


def require_stacks(energy: Energy, W: Array, name: str = "W", *, hessian: bool = True) -> None:
    """Refuse what is not an energy of stacks of matrices like those of W ``(..., m, n)``.

    One evaluation on a stack of copies of the first matrix; none for the energies of the library.

    Parameters
    ----------
    energy : Energy
    W : (..., m, n) array
        Where the energy is defined.
    name : str
        What the caller's users call the argument that W comes from.
    hessian : bool
        Whether the caller needs the second derivative.

    Raises
    ------
    TypeError
        For an object without the methods of an energy.
    ValueError
        Where a method's answer has another shape than the protocol says, or is not of real numbers.
    """
    methods = ("value", "gradient", "hessian") if hessian else ("value", "gradient")
    _require_methods(energy, methods)
    shape = W.shape[-2:]
    require_own_shape(energy, shape, name)
    if W.size and not type(energy).__module__.startswith("dlngeo."):
        _require_shapes(energy, W.reshape(-1, *shape)[0], methods)


def asked_slope(energy: Energy, W: Array) -> Array:
    """E'(W), refused where it is not of the shape of W: a first call says nothing of later ones."""
    slope = energy.gradient(W)
    if type(slope) is np.ndarray and slope.shape == W.shape and slope.dtype == np.float64:
        return slope
    return np.asarray(_answer("gradient", slope, W.shape, W.shape), dtype=np.float64)


def asked_value(energy: Energy, W: Array) -> Array:
    """E(W), refused where it is not a number for each matrix."""
    value = energy.value(W)
    return np.asarray(_answer("value", value, W.shape[:-2], W.shape), dtype=np.float64)


def _answer(name: str, answer: Any, wanted: tuple[int, ...], given: tuple[int, ...]) -> Array:
    """The array that a method's answer is."""
    try:
        found = np.asarray(answer)
    except ValueError:
        raise ValueError(
            f"energy.{name} must give an array of numbers, its rows of one length, at matrices of "
            f"shape {given}"
        ) from None
    if found.shape != wanted:
        kind = "one number a matrix" if name == "value" else "one matrix a matrix"
        raise ValueError(
            f"energy.{name} must give shape {wanted}, {kind}, at matrices of shape {given}; it "
            f"gives {found.shape}"
        )
    if found.dtype.kind not in "buif":
        raise ValueError(
            f"energy.{name} must give real numbers; its answer has dtype {found.dtype}"
        )
    return found


def check(energy: Energy, W: ArrayLike, *, tol: float = 1e-5) -> Misses:
    r"""Examine an energy near W: shapes, stacks, and derivatives against central differences.

    Parameters
    ----------
    energy : Energy
        Of yours, as a rule: an object with ``value``, ``gradient`` and ``hessian``.
    W : (..., m, n) array
        Where to look; the energy must be defined around it.
    tol : float > 0
        The largest relative miss that is let through. Differences of an energy
        that is smooth and not drowned in a large constant know some ten digits.

    Returns
    -------
    Misses
        ``stack``: of an answer for a stack against those of its members. ``gradient``: of ⟨E', Z⟩
        against a difference of values, relative to ‖E'‖ nearby. ``hessian``: of E''[Z] against a
        difference of gradients, relative to the largest ‖E''[Z]‖ (or 1e-3 ‖E'‖/‖W‖). ``symmetry``:
        of ⟨Z, E''[Z']⟩ - ⟨Z', E''[Z]⟩, relative to the largest of them. Z runs through up to 64
        orthonormal directions, which for small matrices is all of them.

    Raises
    ------
    TypeError
        For an object without those methods.
    ValueError
        In words, where a shape is wrong, a stack is not its members, an answer is not finite, W is
        written into, a miss exceeds ``tol``, or an optional part (``shape``, ``hessian_norm``,
        ``hessian_bound``, ``spectral``, ``null_space``, ``fits``, ``entries``, ``compiled``)
        does not say what the energy does.

    Examples
    --------
    An energy of one's own, whose gradient forgets a factor:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> class Fourth:
    ...     def value(self, W):
    ...         return 0.25 * np.sum(W**4, axis=(-2, -1))
    ...
    ...     def gradient(self, W):
    ...         return W**3
    ...
    ...     def hessian(self, W, Z):
    ...         return W**2 * Z
    >>> dln.energies.check(Fourth(), np.eye(2))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...
    """
    tol, stack = _checks.positive(tol, "tol"), _checks.matrix(W)
    methods = ("value", "gradient", "hessian")
    _require_methods(energy, methods)
    points = stack.reshape(-1, *stack.shape[-2:])
    if not len(points):
        raise ValueError(f"W must hold at least one matrix; its shape is {stack.shape}")
    _require_shapes(energy, points[0], methods)
    misses = Misses(
        _stack_miss(energy, points[0]),
        *np.max([_misses(energy, one) for W in points for one in _around(W)], axis=0),
    )
    said = (
        "energy of a stack must be the stack of its members'",
        "energy.gradient must be the derivative of energy.value",
        "energy.hessian(W, Z) must be the derivative of energy.gradient along Z",
        "energy.hessian must be symmetric",
    )
    for miss, words in zip(misses, said, strict=True):
        if not miss <= tol:
            raise ValueError(f"{words}; the largest relative miss is {miss:.3g}")
    for point in points:
        check_parts(energy, point, _form(energy, point), tol)
    return misses


def _require_methods(energy: object, methods: tuple[str, ...]) -> None:
    missing = [name for name in methods if not callable(getattr(energy, name, None))]
    if missing:
        raise TypeError(
            f"energy must have the methods {', '.join(methods)} (see dlngeo.energies.Energy); "
            f"{_described(energy)} has no {', '.join(missing)}"
        )
    if isinstance(energy, type):
        raise TypeError(f"energy must be an object, not the class {energy.__name__} itself")


def _described(energy: object) -> str:
    return "None" if energy is None else f"an object of type {type(energy).__name__}"


def _require_shapes(energy: Energy, point: Array, methods: tuple[str, ...]) -> None:
    """Shapes on a stack whose length is neither m nor n, so that no axis stands for another."""
    length = next(k for k in (2, 3, 4) if k not in point.shape)
    stack = np.stack([point] * length)
    given, Z = stack.copy(), stack.copy()
    calls: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
        "value": (lambda: energy.value(given), (length,)),
        "gradient": (lambda: energy.gradient(given), stack.shape),
        "hessian": (lambda: energy.hessian(given, Z), stack.shape),
    }
    for name in methods:
        call, wanted = calls[name]
        with np.errstate(all="ignore"):
            answer = call()
        if not (np.array_equal(given, stack) and np.array_equal(Z, stack)):
            raise ValueError(f"energy.{name} must not write into what it is given; it does")
        _answer(name, answer, wanted, stack.shape)


def _around(W: Array) -> tuple[Array, Array]:
    """W and a point beside it: at W the gradient may vanish, whatever it is a multiple of."""
    offset = np.random.default_rng(1).standard_normal(W.shape)
    return W, W + 1e-2 * (np.linalg.norm(W) or 1.0) * offset / np.linalg.norm(offset)


def _directions(shape: tuple[int, ...]) -> Array:
    """Orthonormal matrices (k, m, n), fixed."""
    size = shape[0] * shape[1]
    Z = np.random.default_rng(0).standard_normal((size, min(size, _DIRECTIONS)))
    return np.linalg.qr(Z)[0].T.reshape(-1, *shape)


def _stack_miss(energy: Energy, point: Array) -> float:
    """How far answers for a stack of different matrices are from those of its members."""
    Z = _directions(point.shape)
    reach = 1e-2 * (np.linalg.norm(point) or 1.0)
    W = point + reach * np.concatenate([0 * Z[:1], Z[:3]])
    given = W.copy()
    pairs = (
        (energy.value(given), [energy.value(one.copy()) for one in W]),
        (energy.gradient(given), [energy.gradient(one.copy()) for one in W]),
        (energy.hessian(given, W[::-1].copy()), [*map(energy.hessian, W.copy(), W[::-1])]),
        (energy.hessian(given[0], Z.copy()), [energy.hessian(W[0].copy(), one) for one in Z]),
    )
    if not np.array_equal(given, W):
        raise ValueError("energy must not write into the W that it is given; it does")
    names = ("value", "gradient", "hessian", "hessian (of one W and many Z)")
    largest = 0.0
    for name, (together, alone) in zip(names, pairs, strict=True):
        if np.shape(together) != np.shape(alone):
            raise ValueError(
                f"energy.{name} of a stack must have the shape {np.shape(alone)} of its members' "
                f"answers; it has {np.shape(together)}"
            )
        if not np.isfinite(alone).all():
            raise ValueError(f"energy.{name} must be finite around W; it is not")
        largest = max(largest, _ratio(np.abs(together - np.array(alone)), np.abs(alone)))
    return largest


def _misses(energy: Energy, W: Array) -> tuple[float, float, float]:
    """The misses of gradient, Hessian and symmetry at one W.

    A derivative that is right agrees with differences at some step, a wrong one at none.
    """
    Z = _directions(W.shape)
    slope, bend = energy.gradient(W.copy()), energy.hessian(np.broadcast_to(W, Z.shape).copy(), Z)
    if not (np.isfinite(slope).all() and np.isfinite(bend).all()):
        raise ValueError("energy.gradient and energy.hessian must be finite at W; they are not")
    size = float(np.linalg.norm(W)) or 1.0
    along = np.tensordot(Z, slope, axes=2)
    floor = 1e-3 * float(np.linalg.norm(slope)) / size
    first, second = [], []
    for h in np.concatenate([size * 10.0 ** -np.arange(7), 10.0 ** -np.arange(7)]):
        with np.errstate(all="ignore"):
            up, down = (energy.gradient(W + s * h * Z) for s in (1, -1))
            values = energy.value(W + h * Z) - energy.value(W - h * Z)
            near = np.maximum(np.linalg.norm(slope), np.maximum(frobenius(up), frobenius(down)))
            first.append(_ratio(np.abs(values / (2 * h) - along), near))
            second.append(
                _ratio(frobenius((up - down) / (2 * h) - bend), frobenius(bend), floor=floor)
            )
    form = _form(energy, W)
    return min(first), min(second), _ratio(np.abs(form - form.T), np.abs(form), floor=floor)


def _form(energy: Energy, W: Array) -> Array:
    """E''(W) in the fixed directions, (k, k)."""
    Z = _directions(W.shape)
    bend = energy.hessian(np.broadcast_to(W, Z.shape).copy(), Z)
    return np.asarray(np.tensordot(Z, bend, axes=([1, 2], [1, 2])))


def _ratio(miss: Any, size: Any, floor: float = 0.0) -> float:
    """The largest miss relative to the largest size, 0 for 0/0 and inf for NaN."""
    miss, size = np.max(miss, initial=0.0), max(float(np.max(size, initial=0.0)), floor)
    if miss == 0:
        return 0.0
    ratio = float(miss / size) if size > 0 else np.inf
    return ratio if np.isfinite(ratio) else np.inf
