r"""Signatures: the critical values of the loss and the arcs between (Wendin-Altafini, 4.2, 4.6).

The loss is ½|Σ - W_N ⋯ W_1|² with Σ rectangular diagonal, d_y × d_x, of distinct positive entries
σ_1, ..., σ_{d_y} in any order. At a critical point the end-to-end matrix is SΣ, S a diagonal matrix
of zeros and ones: it keeps some of the σ_i and drops the others. The set of those it keeps is the
point's *signature*, here a tuple of 0-based indices in ascending order. A network whose narrowest
layer has d_min nodes has the signatures of at most d_min indices.

What is zero and what agrees is measured by u = N d_max ε σ_max, for N layers of d_max nodes: the
rounding with which floating point forms an end-to-end matrix of the size of Σ. σ of at most u are
zero; two σ whose gap is not known to three digits, below 1000 u, agree.

Along the arc A(α) between two critical points the end-to-end matrix moves on a straight line, so
that the loss is a strictly convex quadratic in α, the same for all arcs between two signatures.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._results.brief import brief

Signature: TypeAlias = tuple[int, ...]

_DIGITS = 1e3  # a gap of σ counts where it is known to three digits


class ArcMinimum(NamedTuple):
    """Where along an arc the loss is least, and how much it is there."""

    alpha: float
    value: float

    def __repr__(self) -> str:
        return brief(self)


class Graph(NamedTuple):
    """All signatures, their critical values, and the arcs along which the loss falls throughout.

    ``descends[i, j]`` is true where signature i is a proper subset of j: that arc is unstable at
    its start and stable at its end.
    """

    signatures: list[Signature]
    values: Array
    descends: Array

    def __repr__(self) -> str:
        return brief(self)


def check_target(sigma: ArrayLike, widths: Sequence[int] | None = None) -> Array:
    """The entries of Σ as a vector; without widths they stand for themselves, in no network.

    Raises
    ------
    ValueError
        If they are not positive and distinct beyond rounding, as measured at the module's head
        (without widths: zero, or agreeing to some thousand roundings of their own): critical points
        are then no longer isolated downstairs and have no signature.
    """
    values = _checks.singular_values(sigma)
    if values.ndim != 1:
        raise ValueError(
            f"sigma must be one vector (d_y,), the diagonal of Σ; its shape is {values.shape}"
        )
    rising, largest = np.sort(values), values.max()
    relative = 0.0 if widths is None else rounding(_checks.widths(widths))
    if rising[0] <= relative * largest:
        raise ValueError(
            f"sigma must be positive; its smallest entry is {rising[0]:g}, zero up to the rounding "
            f"{relative:.2g} relative to the largest, {largest:g}"
        )
    gaps = np.diff(rising)
    told_apart = _DIGITS * (relative * largest if relative else np.finfo(float).eps * rising[1:])
    if (gaps < told_apart).any():
        raise ValueError(
            f"sigma must have distinct entries; two agree up to {gaps.min():.2g}, and "
            f"{np.max(told_apart):.2g} is told apart; they are {values.tolist()}"
        )
    return values


def rounding(widths: Sequence[int]) -> float:
    """N d_max ε, the relative rounding of an end-to-end matrix."""
    return (len(widths) - 1) * max(widths) * float(np.finfo(float).eps)


def check_signature(value: Iterable[int], count: int, name: str = "signature") -> Signature:
    """A signature in ascending order: distinct indices in 0..count-1.

    Raises
    ------
    TypeError
        If an index is not an integer.
    ValueError
        If one lies outside or stands twice.
    """
    listed = list(value) if isinstance(value, (set, frozenset)) else value  # no order is needed
    members = _checks.sequence(listed, name, "a sequence of 0-based indices")
    indices = tuple(sorted(_checks.integer(i, f"an index in {name}", 0) for i in members))
    if len(set(indices)) < len(indices) or (indices and indices[-1] >= count):
        raise ValueError(f"{name} must hold distinct indices in 0..{count - 1}; it is {members}")
    return indices


def check_widths(sigma: Array, value: Sequence[int]) -> tuple[int, ...]:
    """Layer widths that fit Σ.

    Raises
    ------
    ValueError
        For fewer than two layers, an output width other than d_y, or an input width below it.
    """
    widths = _checks.widths(value)
    if len(widths) < 3:
        raise ValueError(f"widths must name two layers or more, (d_0, d_1, d_2, ...); got {widths}")
    if widths[-1] != sigma.size or widths[0] < sigma.size:
        raise ValueError(
            f"widths must end at {sigma.size}, the number of sigma, and start at that or more; "
            f"they lead from {widths[0]} to {widths[-1]}"
        )
    return widths


def leading(sigma: Array, rank: int) -> Signature:
    """The signature of the ``rank`` largest σ."""
    return tuple(sorted(int(i) for i in np.argsort(-sigma)[:rank]))


def signatures(count: int, largest: int | None = None) -> list[Signature]:
    """All subsets of 0..count-1 with at most ``largest`` members: smaller first, then in order.

    Examples
    --------
    >>> import dlngeo as dln
    >>> dln.critical_points.signatures(2, 2)
    [(), (0,), (1,), (0, 1)]
    """
    count = _checks.integer(count, "count", 1)
    largest = count if largest is None else min(_checks.integer(largest, "largest", 0), count)
    return [s for r in range(largest + 1) for s in itertools.combinations(range(count), r)]


def critical_value(sigma: ArrayLike, signature: Iterable[int]) -> float:
    r"""The loss at every critical point of a signature, :math:`\tfrac12\sum_{i\notin S}\sigma_i^2`.

    Source: Wendin and Altafini, (31).

    Examples
    --------
    >>> import dlngeo as dln
    >>> float(dln.critical_points.critical_value([3.0, 2.0, 1.0], (0, 2)))  # 2²/2
    2.0
    """
    values = check_target(sigma)
    return _value(values, check_signature(signature, values.size))


def graph(sigma: ArrayLike, widths: Sequence[int] | None = None) -> Graph:
    """The signatures with their critical values and the arcs that descend.

    Parameters
    ----------
    sigma : (d_y,) array
    widths : (d_0, ..., d_N) or None
        A network whose narrowest layer limits the signatures; None: no bottleneck, 2^{d_y} of them.

    Returns
    -------
    Graph

    Notes
    -----
    From a signature of k indices 2^{d_y-k} - 1 arcs descend, and 2^k - 1 come down to it. Arcs
    between signatures neither of which holds the other fall from both ends to a minimum between,
    see :func:`arc_minimum`. These are counts of arcs, not of stable manifolds: none comes down to
    zero weights, which yet have stable directions. Source: Wendin and Altafini, Theorem 24
    corrected.
    """
    values = check_target(sigma, widths)
    largest = None if widths is None else min(check_widths(values, widths))
    nodes = signatures(values.size, largest)
    member = np.zeros((len(nodes), values.size), dtype=bool)
    for k, node in enumerate(nodes):
        member[k, list(node)] = True
    size = member.sum(axis=1)
    shared = member.astype(np.int64) @ member.T.astype(np.int64)
    descends = (shared == size[:, None]) & (size[:, None] < size[None, :])
    return Graph(nodes, np.array([_value(values, node) for node in nodes]), descends)


def arc(
    sigma: ArrayLike, start: Iterable[int], end: Iterable[int], alpha: ArrayLike, depth: int
) -> Array:
    r"""The loss along an arc, where the end-to-end matrix is (1-α) S_1 Σ + α S_2 Σ.

    .. math:: L(A(\alpha)) = \tfrac12\sum_{\text{neither}}\sigma_i^2
       + \tfrac12\alpha^2\sum_{S_1\setminus S_2}\sigma_i^2
       + \tfrac12(1-\alpha)^2\sum_{S_2\setminus S_1}\sigma_i^2

    Parameters
    ----------
    sigma : (d_y,) array
    start, end : signatures S_1 and S_2, 0-based
    alpha : (...) array in [0, 1]
    depth : int
        The number of layers; the loss is the same for all of them and for every lift of the line.

    Returns
    -------
    (...) array

    Notes
    -----
    Source: Wendin and Altafini, Theorem 24 corrected: convex, so that arcs have no maximum between
    their ends.

    Examples
    --------
    >>> import dlngeo as dln
    >>> dln.critical_points.arc([2.0, 1.0], (), (0,), [0.0, 0.5, 1.0], 2).tolist()
    [2.5, 1.0, 0.5]
    """
    _checks.integer(depth, "depth", 1)
    neither, lost, won = _split(sigma, start, end)
    t = _unit_interval(alpha)
    return np.asarray(0.5 * neither + 0.5 * (lost * t**2 + won * (1 - t) ** 2))[()]


def arc_minimum(sigma: ArrayLike, start: Iterable[int], end: Iterable[int]) -> ArcMinimum:
    r"""Where the loss along an arc is least: :math:`\alpha^* = b/(a+b)`.

    .. math:: L^* = \tfrac12\sum_{\text{neither}}\sigma_i^2 + \frac{ab}{2(a+b)},\quad
       a = \sum_{S_1\setminus S_2}\sigma_i^2,\ b = \sum_{S_2\setminus S_1}\sigma_i^2

    Between the ends for signatures neither of which holds the other, else at the larger of the two.

    Raises
    ------
    ValueError
        If the signatures agree: the loss is constant.

    Notes
    -----
    Source: Wendin and Altafini, Theorem 24.4 corrected.
    """
    unit = check_target(sigma).max()
    neither, lost, won = _split(np.asarray(sigma) / unit, start, end)
    if lost + won == 0:
        raise ValueError("start and end must differ; between equal signatures the loss is constant")
    share = won / (lost + won)
    return ArcMinimum(share, unit * (0.5 * neither + 0.5 * lost * share) * unit)


def arc_weights(
    sigma: ArrayLike,
    start: Iterable[int],
    end: Iterable[int],
    alpha: ArrayLike,
    widths: Sequence[int],
) -> Weights:
    """Weights A(α) along an arc: diagonal layers φ_i(α)^{1/N} from (32), σ_i in the first.

    φ_i = (1-α) [i in S_1] + α [i in S_2], on as many hidden nodes as S_1 and S_2 have indices
    together. The ends are critical points (32), up to an order of the hidden nodes.

    Returns
    -------
    tuple of (..., d_p, d_{p-1}) arrays, ... the shape of alpha

    Raises
    ------
    ValueError
        If a hidden layer is too narrow.

    Notes
    -----
    From a critical point with Z ≠ 0 a continuous arc need not exist. Source: Wendin and Altafini,
    Theorem 24.2 corrected.
    """
    values = check_target(sigma, widths)
    dims, t = check_widths(values, widths), _unit_interval(alpha)
    one, two = (
        check_signature(start, values.size, "start"),
        check_signature(end, values.size, "end"),
    )
    union = sorted({*one, *two})
    if min(dims) < len(union):
        raise ValueError(
            f"widths must be at least {len(union)}, the indices of start and end together; "
            f"the least of {dims} is {min(dims)}"
        )
    phi = (1 - t[..., None]) * np.isin(union, one) + t[..., None] * np.isin(union, two)
    root, nodes = phi ** (1 / (len(dims) - 1)), np.arange(len(union))
    layers = []
    for columns, rows in itertools.pairwise(dims):
        layers.append(np.zeros((*t.shape, rows, columns)))
    layers[0][..., nodes, union] = root * values[union]
    for W in layers[1:-1]:
        W[..., nodes, nodes] = root
    layers[-1][..., union, nodes] = root
    return tuple(layers)


def _value(sigma: Array, members: Signature) -> float:
    return 0.5 * float((np.delete(sigma, list(members)) ** 2).sum())


def _unit_interval(alpha: ArrayLike) -> Array:
    t = _checks.real_array(alpha, "alpha")
    if ((t < 0) | (t > 1)).any():
        raise ValueError(f"alpha must lie in [0, 1]; it runs from {t.min():g} to {t.max():g}")
    return t


def _split(
    sigma: ArrayLike, start: Iterable[int], end: Iterable[int]
) -> tuple[float, float, float]:
    """The sums of σ² over neither signature, over the start's alone, and over the end's alone."""
    values = check_target(sigma)
    one, two = (
        check_signature(start, values.size, "start"),
        check_signature(end, values.size, "end"),
    )
    index = np.arange(values.size)
    first, second = np.isin(index, one), np.isin(index, two)
    squares = values**2
    return (
        float(squares[~first & ~second].sum()),
        float(squares[first & ~second].sum()),
        float(squares[second & ~first].sum()),
    )
