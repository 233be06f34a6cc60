"""The operator 𝒜_{N,W}, its inverse and root, and what is read off them (Menon, 4.3, 7.2).

The formula, and what ``depth``, ``rank`` and ``widths`` are, stand in :mod:`dlngeo.metric`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import svd_product
from dlngeo.energies import Energy, require_stacks
from dlngeo.spectral.divided_differences import degree, unit
from dlngeo.spectral.frame import (
    Frame,
    Widths,
    continuous,
    inverse,
    prepare,
    require_invertible,
)


def apply(
    W: ArrayLike, Z: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    r"""The metric operator 𝒜_{N,W}(Z).

    Parameters
    ----------
    W, Z : (..., m, n) arrays
    depth, rank, widths
        As :mod:`dlngeo.metric` describes them.

    Returns
    -------
    (..., m, n) array

    Raises
    ------
    ValueError
        For depth < 1, non-finite entries, shapes that differ, or a rank beyond the dimensions.

    Notes
    -----
    Source: Menon, (4.14), by its spectral form (7.13) corrected; (14.7)-(14.9) at depth ``inf``.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> W, Z = np.diag([3.0, 1.0]), np.ones((2, 2))
    >>> dln.metric.apply(W, Z, 2).round(12).tolist()  # (WWᵀ)^½ Z + Z (WᵀW)^½
    [[6.0, 4.0], [4.0, 2.0]]
    """
    return continuous(Frame.apply, W, {"Z": Z}, depth, rank, widths)


def sqrt(
    W: ArrayLike, Z: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    """The square root 𝒜_{N,W}^{1/2}(Z), symmetric and positive; parameters as :func:`apply`.

    It turns Gaussian noise in the entries of W into noise of covariance 𝒜 (Menon, (12.10)
    corrected), independent of the signs and order of singular vectors.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> dln.metric.sqrt(np.diag([8.0, 2.0]), np.eye(2), 2).round(12).tolist()
    [[4.0, 0.0], [0.0, 2.0]]
    """
    return continuous(Frame.sqrt, W, {"Z": Z}, depth, rank, widths)


def solve(
    W: ArrayLike, Z: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    """The inverse 𝒜_{N,W}⁻¹(Z); parameters as :func:`apply`.

    Below full rank 𝒜 is inverted on its range, the tangent space of the rank-r stratum, and Z is
    first projected on it orthogonally (at depth ``inf``: on {P_U Z P_V}).

    Raises
    ------
    numpy.linalg.LinAlgError
        If 𝒜 is singular at the stated rank: a singular value is zero, or its power underflows.

    Notes
    -----
    Source: Menon, (4.16), (7.15) corrected.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> W = np.diag([3.0, 1.0])
    >>> dln.metric.solve(W, [[6.0, 4.0], [4.0, 2.0]], 2).round(12).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    frame, (Z,) = prepare(W, {"Z": Z}, depth, rank, widths)
    require_invertible(frame)
    return frame.map(inverse, Z)


def inner(
    W: ArrayLike,
    Z1: ArrayLike,
    Z2: ArrayLike,
    depth: float,
    *,
    rank: int | None = None,
    widths: Widths = None,
) -> Array:
    r"""The inner product :math:`g^N(W)(Z_1, Z_2) = \mathrm{Tr}(Z_1^T\mathcal A^{-1}_{N,W}Z_2)`.

    Parameters and errors as :func:`solve`; shape ``(...)``. Below full rank it is the metric of the
    rank-r stratum, on the projections of Z1 and Z2 on its tangent space.

    Notes
    -----
    Summed in the frames of W, so that inner(W, Z, Z) is never negative.
    Source: Menon, (4.16)-(4.17), (7.15) corrected, (14.10).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> W, Z = np.diag([3.0, 1.0]), np.ones((2, 2))
    >>> round(float(dln.metric.inner(W, Z, Z, 2)), 6)  # 1/6 + 1/4 + 1/4 + 1/2
    1.166667
    """
    frame, (Z1, Z2) = prepare(W, {"Z1": Z1, "Z2": Z2}, depth, rank, widths)
    if frame.depth == 1:
        total = (Z1 * Z2).sum(axis=(-2, -1))
        stack = np.broadcast_shapes(total.shape, frame.shape[:-2])
        return np.broadcast_to(total, stack).copy()[()]
    require_invertible(frame)
    one, two = frame.split(Z1), frame.split(Z2)
    root = np.sqrt(frame.eigenvalues)  # each factor alone: products may leave the range
    total = ((one.inside / root) * (two.inside / root)).sum(axis=(-2, -1))
    if frame.border is not None:
        border = np.sqrt(inverse(frame.border))
        if one.right is not None and two.right is not None:
            share = border[..., :, None]
            total = total + ((one.right * share) * (two.right * share)).sum(axis=(-2, -1))
        if one.left is not None and two.left is not None:
            share = border[..., None, :]
            total = total + ((one.left * share) * (two.left * share)).sum(axis=(-2, -1))
    return total


def gradient(
    energy: Energy,
    W: ArrayLike,
    depth: float,
    *,
    rank: int | None = None,
    widths: Widths = None,
) -> Array:
    """The Riemannian gradient grad_{g^N} E(W) = 𝒜_{N,W}(E'(W)).

    Parameters
    ----------
    energy : Energy
    W, depth, rank, widths
        As :func:`apply`. Below full rank E' is taken at the nearest point of that rank.

    Notes
    -----
    Minus the velocity of the end-to-end flow (4.11). Source: Menon, (4.15), (4.18)-(4.21), with
    (4.19) corrected.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([5.0, 5.0]))
    >>> dln.metric.gradient(energy, np.diag([3.0, 1.0]), 2).round(12).tolist()
    [[-12.0, 0.0], [0.0, -8.0]]
    """
    point = _checks.matrix(W)
    require_stacks(energy, point, hessian=False)
    return continuous(
        lambda frame: frame.apply(energy.gradient(frame.point(point))), W, {}, depth, rank, widths
    )


def log_volume_density(
    W: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    r"""Logarithm of the volume density of g^N, :math:`-\tfrac12\log\det\mathcal A_{N,W}`.

    Against Lebesgue measure at full rank; on the rank-r stratum against the measure that the
    Frobenius metric induces there, the determinant being that of 𝒜 on the tangent space.

    Parameters
    ----------
    W, depth, rank, widths
        As :func:`apply`.

    Returns
    -------
    (...) array
        +inf at depth ``inf`` below full square rank, where g is infinite on all that leaves the
        row and column spaces.

    Raises
    ------
    numpy.linalg.LinAlgError
        If 𝒜 is singular at the stated rank.

    Notes
    -----
    Source: Menon, (6.4) corrected, by Lemma 1; rank r derived.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> density = dln.metric.log_volume_density(np.diag([3.0, 1.0]), 2)
    >>> round(math.exp(-2 * density), 6)  # the product of the eigenvalues 6, 4, 4, 2
    192.0
    """
    with np.errstate(over="ignore"):  # of eigenvalues that are scaled below
        frame, () = prepare(W, {}, depth, rank, widths)
    if frame.depth == 1:
        return np.zeros(frame.shape[:-2])[()]
    size = unit(frame.sigma)
    scaled = frame.at(frame.sigma / size)
    require_invertible(scaled)
    m, n, r = *frame.shape[-2:], frame.sigma.shape[-1]
    total = np.log(scaled.eigenvalues).sum(axis=(-2, -1))
    if scaled.border is not None:
        with np.errstate(divide="ignore"):
            total = total + (m + n - 2 * r) * np.log(scaled.border).sum(axis=-1)
    total = total + (m + n - r) * r * degree(frame.depth) * np.log(size[..., 0])
    return -0.5 * total


def ito_drift(
    W: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    r"""The Laplace-Beltrami operator of g^N applied to the entries of W: Q_N Σ″ Q_0ᵀ.

    .. math:: \Sigma''_k = (N-1)\lambda_k^{N-2} = (N-1)\sigma_k^{1-2/N}

    Brownian motion at inverse temperature β, of generator Δ/β, drifts by 1/β of it.

    Parameters
    ----------
    W, depth, rank, widths
        As :func:`apply`. At depth ``inf`` the limit of Σ″/N, so that the result is W itself.

    Raises
    ------
    numpy.linalg.LinAlgError
        At a zero singular value for depth <= 2, where the limit depends on the approach.

    Notes
    -----
    Source: Menon, (12.9)-(12.10), the noise of (12.10) corrected; rank r and depth ``inf`` derived.
    """
    return continuous(drift, W, {}, depth, rank, widths)


def drift(frame: Frame) -> Array:
    """:func:`ito_drift` of a frame, unchecked."""
    if frame.depth == 1:
        return np.zeros(frame.shape)
    if frame.depth <= 2 and not (frame.sigma > 0).all():
        raise np.linalg.LinAlgError(
            f"at depth {frame.depth:g} Σ″ has no limit at a zero singular value; pass rank= if the "
            "rank of W is lower"
        )
    if math.isinf(frame.depth):
        speed = frame.sigma
    else:
        speed = (frame.depth - 1) * frame.sigma ** (1 - 2 / frame.depth)
    return svd_product(frame.U, speed, frame.Vt)
