"""The rank that a matrix is said to have, against what double precision can tell of it.

``rank=None`` asserts full rank, an integer r asserts rank r. A singular value of rounding size,
σ_r <= max(m, n) ε σ_1, asserts nothing: it may be zero. One rule holds for every argument of a
public function (never for right-hand sides, stages of solvers, frames or states of the library):

- where the answer is singular at lower rank the call refuses and names the numerical rank;
- where it is continuous there it refuses only if an error of max(m, n) ε σ_1 in the doubtful
  singular values moves it by more than 1e-10 relatively;
- singular values that the entries of W determine to their own rounding are in no doubt. *Graded*
  matrices are such: D_1 C D_2 with diagonal D_i determines even its smallest singular values to a
  relative error of some κ(C) ε, and the Jacobi decomposition finds them (Demmel and Veselić, 1992).
  So the same rule is applied to W with its rows and columns scaled to one size. And *zeros* are
  known where the pattern of the entries of W allows no higher rank, as in diag(1, 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import structural_rank

from dlngeo._checks import Array, Weights
from dlngeo._linalg import graded, svd

_EPS = float(np.finfo(float).eps)
_SUBNORMAL = 5e-324
MOVED = 1e-10  # relative change of an answer that counts as one


class Doubt(NamedTuple):
    """Where a stack of matrices may have lower rank than asserted."""

    W: Array  # (..., m, n)
    sigma: Array  # (..., r): singular values, zeros that are known put in
    open: Array  # (...) bool: σ_r may be zero or not
    found: Array  # (...) int: the numerical rank; r or more where nothing is in doubt


def doubt(W: Array, sigma: Array, rank: int) -> Doubt | None:
    """What is in doubt of singular values ``sigma`` (..., k), k >= rank, of W; None for nothing."""
    doubtful = sigma[..., rank - 1] <= _rounding(W, sigma[..., 0])
    if not doubtful.any():
        return None
    size = _rounding(W, sigma[..., :1])
    found = np.array((sigma[..., :rank] > size).sum(axis=-1))
    found[~doubtful] = rank
    values, known = sigma[..., :rank].copy(), np.array(~doubtful)
    scaled = np.full(found.shape, -1)
    scaled[doubtful] = _scaled_rank(W[doubtful])
    for index in map(tuple, np.argwhere(doubtful)):
        count = int(scaled[index])
        if count >= rank and graded(W[index]):
            known[index], found[index] = True, rank
        elif count < rank and count == structural_rank(csr_array(W[index])):
            known[index], found[index] = True, count
            values[index][count:] = 0.0
        elif graded(W[index]):
            found[index] = max(int(found[index]), min(count, rank - 1))
    return None if (found >= rank).all() else Doubt(W, values, ~known, found)


def require(W: Array, sigma: Array, rank: int, name: str = "W", *, stated: bool = True) -> None:
    """Refuse matrices of lower numerical rank; ``stated``: whether the caller takes ``rank=``."""
    found = doubt(W, sigma, rank)
    if found is not None:
        refuse(found, name, stated=stated)


def require_full(W: Array, name: str = "W") -> None:
    """:func:`require` of full rank, for a start that has no ``rank=``."""
    require(W, svd(W)[1], min(W.shape[-2:]), name, stated=False)


def require_full_layers(weights: Weights, name: str = "weights") -> None:
    """:func:`require_full` of each layer: the product's singular values tell nothing of them."""
    for p, W in enumerate(weights):
        require_full(W, f"{name}[{p}]")


def settled(
    function: Callable[[Array], Array], found: Doubt, core: int, *, stated: bool = True
) -> Array:
    """function(singular values), refused where what is in doubt moves it.

    Its results have ``core`` dimensions of their own behind those of the stack.
    """
    value = function(found.sigma)
    if not found.open.any():
        return value
    slack = np.where(found.open[..., None], _rounding(found.W, found.sigma[..., :1]), 0.0)
    doubtful = found.sigma <= slack
    try:
        with np.errstate(all="ignore"):
            low = function(np.where(doubtful, 0.0, found.sigma))
            high = function(found.sigma + np.where(doubtful, slack, 0.0))
    except np.linalg.LinAlgError:  # no limit there
        refuse(found, "W", stated=stated)
    axes = tuple(range(-core, 0))
    with np.errstate(over="ignore", invalid="ignore"):
        moved = np.where(low == high, 0.0, np.abs(high - low)).max(axis=axes)
        steady = moved <= MOVED * np.abs(value).max(axis=axes)
    steady &= np.isfinite(moved)  # value is infinite too where an SVD happens to return σ = 0
    if (found.open & ~steady).any():
        refuse(found._replace(open=found.open & ~steady), "W", stated=stated)
    return value


def refuse(found: Doubt, name: str, *, stated: bool = True) -> NoReturn:
    """Say what the rank was taken for, and what it is as far as can be told."""
    r = found.sigma.shape[-1]
    bad = found.open if found.open.any() else found.found < r
    at = tuple(np.argwhere(bad)[0]) if bad.ndim else ()
    place = name + "".join(f"[{i}]" for i in at[bad.ndim - found.found.ndim :])
    count = int(np.broadcast_to(found.found, bad.shape)[at])
    m, n = found.W.shape[-2:]
    wanted = f"full rank {r}" if r == min(m, n) else f"rank {r}"
    remedy = f"; pass rank={count} to state it" if count else "; no rank= fits it"
    raise np.linalg.LinAlgError(
        f"{place} must have {wanted}; its numerical rank is {count}, σ_{count + 1} <= "
        f"{max(m, n)} ε σ_1 being rounding{remedy if stated else ''}"
    )


def _rounding(W: Array, largest: Array) -> Array:
    """max(m, n) ε σ_1, no less than subnormal numbers can tell; of any shape."""
    size = max(W.shape[-2:])
    return (size * _EPS) * largest + size * _SUBNORMAL


def _scaled_rank(W: Array) -> Array:
    """The numerical rank of matrices (k, m, n) whose rows and columns are scaled to one size."""
    C = W
    for axis in (-1, -2) * 3:
        peak = np.abs(C).max(axis=axis, keepdims=True)
        C = C / np.where(peak > 0, peak, 1.0)
    sigma = np.linalg.svd(C, compute_uv=False)
    return np.asarray((sigma > _rounding(C, sigma[..., :1])).sum(axis=-1))
