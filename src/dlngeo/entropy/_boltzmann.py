"""The Boltzmann entropy of the fibre over W and its gradient (Menon, sections 6 and 12.2).

The formula, and what ``depth``, ``rank`` and ``widths`` are, stand in :mod:`dlngeo.entropy`.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from dlngeo._checks import Array
from dlngeo.spectral.fibre_volume import (
    State,
    Widths,
    continuous,
)


def boltzmann(
    W: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    r"""Boltzmann entropy S(W) = log vol(O_W), of shape ``(...)``.

    Parameters
    ----------
    W : (..., m, n) array
    depth, rank, widths
        As :mod:`dlngeo.entropy` describes them. At depth ``inf``
        :math:`S_\infty = \tfrac12\sum_{k<l\le r}\log\frac{\sigma_k^2-\sigma_l^2}
        {2\log(\sigma_k/\sigma_l)} + (d-r)\sum_{k\le r}\log\sigma_k`.

    Returns
    -------
    (...) array
        Finite where singular values meet; -inf at a zero singular value that ``rank`` leaves in and
        that the entropy feels.

    Raises
    ------
    ValueError
        For bad input, or a W that is not square while ``widths`` is None.

    Notes
    -----
    Source: Menon, (6.2), (6.5), (14.11) corrected; rank r and widths derived.

    Examples
    --------
    At depth 2 the orbit over diag(4, 1) is two circles of length 2π√(2·(4 + 1)):

    >>> import math
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> S = dln.entropy.boltzmann(np.diag([4.0, 1.0]), 2)
    >>> round((math.exp(S) / (4 * math.pi)) ** 2, 6)
    10.0
    """
    return continuous(State.entropy, W, depth, rank, widths, 0)


def gradient(
    W: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    r"""Riemannian gradient of the entropy, grad_{g^N} S = Q_N Σ′ Q_0ᵀ.

    .. math:: \Sigma'_k = \sigma_k^{1-2/N}\Big[\sum_{l\ne k}\varphi(\log\tfrac{\sigma_l}{\sigma_k})
       + \sum_p (d_p - r)\Big], \qquad
       \varphi(t) = \tfrac12\big[N - 1 - N\mathcal L(t) + \mathcal L(t/N)\big]

    with the Langevin function :math:`\mathcal L(y) = \coth y - 1/y`: the form of (12.8) without
    cancellation where singular values meet.

    Parameters
    ----------
    W, depth, rank, widths
        As for :func:`boltzmann`. At depth ``inf`` the gradient of S_∞ in g^∞, the limit of Σ′/N.

    Returns
    -------
    (..., m, n) array

    Raises
    ------
    numpy.linalg.LinAlgError
        At a zero singular value for depth between 1 and 2, at two of them for depth 2, where the
        gradient has no limit.

    Notes
    -----
    Source: Menon, (12.8), (12.13); rank r and depth ``inf`` derived.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> dln.entropy.gradient(np.diag([4.0, 1.0]), 2).round(6).tolist()  # σ_k/(σ_1 + σ_2)
    [[0.8, 0.0], [0.0, 0.2]]
    """
    return continuous(State.gradient, W, depth, rank, widths, 2)
