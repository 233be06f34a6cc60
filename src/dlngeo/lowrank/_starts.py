"""Starts of low rank: from the data, and at random."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import svds

from dlngeo import _checks
from dlngeo._checks import RNG
from dlngeo._linalg import orthonormalise, svd
from dlngeo.energies import Energy
from dlngeo.lowrank._factors import Factors
from dlngeo.lowrank._pulls import pull_of, shape_of

_DENSE = 500  # of the lesser dimension: below, one dense decomposition is quick


def random_start(shape: tuple[int, int], rank: int, *, scale: float, rng: RNG = None) -> Factors:
    """A matrix of the given rank in random directions, all of whose singular values are ``scale``.

    Parameters
    ----------
    shape : (m, n)
    rank : int
    scale : float > 0
    rng : Generator, SeedSequence, integer or None

    Returns
    -------
    Factors
        U and V are independent, uniformly distributed frames.

    Examples
    --------
    >>> import dlngeo as dln
    >>> dln.lowrank.random_start((4, 3), 2, scale=0.1, rng=0).sigma.tolist()
    [0.1, 0.1]
    """
    m, n = _checks.shape(shape)
    r = _checks.rank(_checks.integer(rank, "rank", 1), (m, n), None, 2)
    scale, generator = _checks.positive(scale, "scale"), _checks.rng(rng)
    U, V = (orthonormalise(generator.standard_normal((size, r))) for size in (m, n))
    return Factors(U, np.full(r, scale), V)


def spectral_start(energy: Energy, rank: int) -> Factors:
    r"""The matrix of the given rank that the slope at zero points to, as far as a Newton step goes.

    The nearest matrix Z of rank r to -E'(0), times ⟨-E'(0), Z⟩ / ⟨Z, E''(0)Z⟩: for a completion the
    truncated decomposition of the observed entries, filled up with zeros and rescaled.

    Parameters
    ----------
    energy : Energy
        With a ``shape``; sparse where it has ``entries()``.
    rank : int

    Returns
    -------
    Factors

    Examples
    --------
    >>> import dlngeo as dln
    >>> energy = dln.energies.SparseCompletion([0, 1], [0, 1], [3.0, 2.0], (2, 2))
    >>> dln.lowrank.spectral_start(energy, 2).sigma.round(6).tolist()
    [3.0, 2.0]
    """
    shape = shape_of(energy)
    r = _checks.rank(_checks.integer(rank, "rank", 1), shape, None, 2)
    pull = pull_of(energy, shape, "numpy")
    zero = np.zeros((shape[0], 1)), np.zeros((shape[1], 1))
    S = pull.gradient(*zero)
    if min(shape) <= max(_DENSE, 2 * r):
        U, sigma, Vt = svd(S.toarray() if hasattr(S, "toarray") else S)
    else:
        begin = np.random.default_rng(0).standard_normal(min(shape))
        U, sigma, Vt = svds(S, k=r, v0=begin)
        U, sigma, Vt = U[:, ::-1], sigma[::-1], Vt[::-1]
    U, sigma, V = -U[:, :r], sigma[:r], Vt[:r].T
    bend = pull.along(*zero, (U * sigma, V))
    if not (sigma[-1] > max(shape) * np.finfo(float).eps * sigma[0] and bend > 0):
        raise ValueError(
            f"energy must have a slope of rank {r} at zero, and bend there; it has not"
        )
    return Factors(U, sigma * (float((sigma**2).sum()) / bend), V)
