"""Functions of singular values that everybody reads: effective rank, nuclear and Schatten norms."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import svd


def singular_values(W: ArrayLike) -> Array:
    """Singular values of W ``(..., m, n)``, decreasing: ``(..., min(m, n))``."""
    return svd(_checks.matrix(W))[1]


def effective_rank(
    sigma: ArrayLike,
    kind: Literal["entropy", "stable", "threshold"] = "entropy",
    *,
    threshold: float = 1e-2,
) -> Array:
    r"""A count of the singular values that matter.

    Parameters
    ----------
    sigma : (..., r) array, non-negative, in any order
    kind : {"entropy", "stable", "threshold"}
        - ``entropy``: :math:`\exp(-\sum_k p_k\log p_k)`, :math:`p_k=\sigma_k/\sum_l\sigma_l`;
        - ``stable``: :math:`\|W\|_F^2/\|W\|_2^2 = \sum_k\sigma_k^2/\max_k\sigma_k^2`;
        - ``threshold``: how many exceed ``threshold`` times the largest.
    threshold : float
        Relative threshold in [0, 1), used by that kind alone.

    Returns
    -------
    (...) array
        Between 1 and r; 0 where every singular value vanishes.

    Notes
    -----
    Source: O. Roy and M. Vetterli (2007) for ``entropy``; scale-invariant, all three.

    Examples
    --------
    >>> import dlngeo as dln
    >>> round(float(dln.observables.effective_rank([1.0, 1.0, 0.0])), 6)
    2.0
    >>> float(dln.observables.effective_rank([2.0, 1.0, 1.0], kind="stable"))
    1.5
    """
    p = _checks.singular_values(sigma)
    largest = p.max(axis=-1, keepdims=True)
    p = p / np.where(largest > 0, largest, 1.0)  # no square of a large or small number
    _checks.choice(kind, "kind", ("entropy", "stable", "threshold"))
    if not 0 <= _checks.real(threshold, "threshold") < 1:
        raise ValueError(f"threshold must lie in [0, 1), not {threshold!r}")
    if kind == "stable":
        return (p**2).sum(axis=-1)
    if kind == "threshold":
        return (p > threshold).sum(axis=-1).astype(float)
    total = p.sum(axis=-1, keepdims=True)
    p = p / np.where(total > 0, total, 1.0)
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)
    return np.where(total[..., 0] > 0, np.exp(entropy), 0.0)[()]


def schatten_norm(sigma: ArrayLike, p: float) -> Array:
    r"""The Schatten norm :math:`(\sum_k \sigma_k^p)^{1/p}`; ``p = inf`` is the spectral norm.

    Parameters
    ----------
    sigma : (..., r) array, non-negative
    p : float > 0, or inf
        For p < 1 a quasi-norm. A network of depth N with weight decay is penalised by p = 2/N.

    Examples
    --------
    >>> import dlngeo as dln
    >>> float(dln.observables.schatten_norm([4.0, 3.0], 2))
    5.0
    """
    sigma = _checks.singular_values(sigma)
    if not _checks.real(p, "p") > 0:
        raise ValueError(f"p must be > 0, not {p!r}")
    largest = sigma.max(axis=-1)
    if math.isinf(p):
        return largest
    scale = np.where(largest > 0, largest, 1.0)
    powers = (sigma / scale[..., None]) ** p
    return largest * powers.sum(axis=-1) ** (1 / p)


def nuclear_norm(sigma: ArrayLike) -> Array:
    """The nuclear norm, the sum of the singular values ``(..., r)``."""
    return schatten_norm(sigma, 1)
