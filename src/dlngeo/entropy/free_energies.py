r"""The free energy F_β = E - S/β + weight decay, its gradient and Hessian (Menon, 6.6, 12.13).

Users find it in :mod:`dlngeo.entropy`, whose head says what ``depth``, ``rank`` and ``widths`` are.
The weight decay is that of balanced weights, (γ/2) Σ_p ‖W_p‖² = (γN/2) Σ_k σ_k^{2/N}.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import transpose
from dlngeo.energies import Energy, require_stacks
from dlngeo.spectral.divided_differences import quotient
from dlngeo.spectral.entropic_force import Curvature, entropy_curvature, power_curvature
from dlngeo.spectral.fibre_volume import State, Widths, continuous
from dlngeo.spectral.frame import Frame, Parts


def free_energy(
    energy: Energy,
    W: ArrayLike,
    depth: float,
    beta: float,
    weight_decay: float = 0.0,
    *,
    rank: int | None = None,
    widths: Widths = None,
) -> Array:
    r"""The free energy :math:`F_\beta(W) = E(W) - S(W)/\beta + \tfrac{\gamma N}2\sum\sigma^{2/N}`.

    Parameters
    ----------
    energy : Energy
    W, depth, rank, widths
        As for :func:`boltzmann`.
    beta : float > 0
        Inverse temperature.
    weight_decay : float >= 0
        γ of the penalty (γ/2) Σ_p ‖W_p‖² upstairs, which on balanced weights is the last term. At
        depth ``inf`` it must be 0: the penalty has no limit there.

    Returns
    -------
    (...) array

    Notes
    -----
    Source: Menon, (6.6); Wendin and Altafini, (24).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy, W = dln.energies.Quadratic(np.eye(2)), np.diag([4.0, 1.0])
    >>> F = dln.entropy.free_energy(energy, W, 2, 10.0)  # E - S/β
    >>> bool(np.isclose(F, energy.value(W) - dln.entropy.boltzmann(W, 2) / 10))
    True
    """
    beta, gamma = thermal(beta, weight_decay, depth)
    require_stacks(energy, _checks.matrix(W), hessian=False)
    return continuous(
        lambda state: free_energy_at(energy, state, beta, gamma), W, depth, rank, widths, 0
    )


def free_energy_at(energy: Energy, state: State, beta: float, gamma: float) -> Array:
    """:func:`free_energy` of a state, unchecked."""
    value = energy.value(state.point) - state.entropy() / beta
    if gamma == 0:
        return np.asarray(value)
    return np.asarray(value + decay_energy(state.sigma, state.depth, gamma))


def decay_energy(sigma: Array, depth: float, gamma: float) -> Array:
    """The weight decay (γN/2) Σ_k σ_k^{2/N} of balanced weights."""
    return np.asarray(gamma * depth / 2 * (sigma ** (2 / depth)).sum(axis=-1))


def free_energy_gradient(
    energy: Energy,
    W: ArrayLike,
    depth: float,
    beta: float,
    weight_decay: float = 0.0,
    *,
    riemannian: bool = True,
    rank: int | None = None,
    widths: Widths = None,
) -> Array:
    r"""Gradient of the free energy.

    .. math:: \mathrm{grad}_{g^N}F_\beta = \mathcal A_{N,W}(E'(W)) - \tfrac1\beta Q_N\Sigma'Q_0^T
       + \gamma N W

    Parameters
    ----------
    energy, W, depth, beta, weight_decay, rank, widths
        As for :func:`free_energy`.
    riemannian : bool
        False gives the Euclidean gradient, 𝒜⁻¹ of the Riemannian one; full rank only.

    Returns
    -------
    (..., m, n) array

    Notes
    -----
    Source: Menon, (12.13).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy, W = dln.energies.Quadratic(np.eye(2)), np.diag([4.0, 1.0])
    >>> slope = dln.entropy.free_energy_gradient(energy, W, 2, 10.0)
    >>> parts = dln.metric.gradient(energy, W, 2) - dln.entropy.gradient(W, 2) / 10
    >>> bool(np.allclose(slope, parts))
    True
    """
    beta, gamma = thermal(beta, weight_decay, depth)
    require_stacks(energy, _checks.matrix(W), hessian=False)
    _checks.flag(riemannian, "riemannian")
    if riemannian:
        return continuous(
            lambda state: gradient_at(energy, state, beta, gamma), W, depth, rank, widths, 2
        )
    _require_full_rank(rank, np.shape(W)[-2:], "gradient")
    state = State.singular(W, depth, rank, widths)
    diagonal = quotient(state.sigma, state.sigma, state.depth)
    if not (diagonal > 0).all():
        raise np.linalg.LinAlgError("the Euclidean gradient needs W of full rank; σ = 0 occurs")
    force = _force(state, beta, gamma) / diagonal
    return np.asarray(energy.gradient(state.point) + state.matrix(force))


def gradient_at(energy: Energy, state: State, beta: float, gamma: float) -> Array:
    """The Riemannian :func:`free_energy_gradient` of a state, unchecked."""
    frame = Frame.with_frames(state.U, state.sigma, state.Vt, state.depth)
    return frame.apply(energy.gradient(state.point)) + state.matrix(_force(state, beta, gamma))


def _force(state: State, beta: float, gamma: float) -> Array:
    force = -state.force() / beta
    return force + gamma * state.depth * state.sigma if gamma > 0 else force


def free_energy_hessian(
    energy: Energy,
    W: ArrayLike,
    depth: float,
    beta: float,
    Z: ArrayLike,
    weight_decay: float = 0.0,
    *,
    rank: int | None = None,
    widths: Widths = None,
) -> Array:
    r"""Euclidean Hessian of the free energy applied to Z, the derivative of F′ in direction Z.

    .. math:: E''(W)[Z] + U\big[\tfrac{f_k-f_l}{\sigma_k-\sigma_l}\,\tfrac{C+C^T}2
       + \tfrac{f_k+f_l}{\sigma_k+\sigma_l}\,\tfrac{C-C^T}2\big]V^T, \quad C = U^TZV,\quad
       f_k = -\tfrac1\beta\tfrac{\partial S}{\partial\sigma_k} + \gamma\sigma_k^{2/N-1}

    off the diagonal, with Σ_l ∂f_k/∂σ_l C_ll on it; the quotients are formed without cancellation.
    This is the ordinary second derivative, not the Riemannian Hessian of g^N.

    Parameters
    ----------
    energy, W, depth, beta, weight_decay, widths
        As for :func:`free_energy`; W of full rank.
    Z : (..., m, n) array
    rank : int or None
        Full rank, or None.

    Returns
    -------
    (..., m, n) array

    Raises
    ------
    ValueError
        For bad input, or a rank below the full one.
    numpy.linalg.LinAlgError
        At a zero singular value for depth > 1, and where a second derivative exceeds the range of
        floating point.

    Notes
    -----
    Source: derived from Menon, (6.5), (6.6), (12.8).
    """
    beta, gamma = thermal(beta, weight_decay, depth)
    W = _checks.matrix(W)
    _require_full_rank(rank, W.shape[-2:], "Hessian")
    state = State.singular(W, depth, rank, widths)
    m, n = state.point.shape[-2:]
    Z = _checks.matrix(Z, "Z", (m, n))
    require_stacks(energy, state.point)
    bend = np.asarray(energy.hessian(state.point, Z))
    if state.depth == 1:
        return bend + gamma * Z
    if not (state.sigma > 0).all():
        raise np.linalg.LinAlgError("the Euclidean Hessian needs W of full rank; σ = 0 occurs")
    with np.errstate(over="ignore", invalid="ignore"):
        curvature = thermal_curvature(state, beta, gamma)
        total = bend + apply_curvature(curvature, state, Z)
    if not np.isfinite(total).all():
        raise np.linalg.LinAlgError(
            "the Hessian exceeds the range of floating point; the smallest singular value is "
            f"{state.sigma.min():g}"
        )
    return total


def thermal_curvature(state: State, beta: float, gamma: float) -> Curvature:
    """The second derivative of -S/β + decay, by parts."""
    entropy = entropy_curvature(state.sigma, state.depth, state.spare)
    parts = [-part / beta for part in entropy]
    if gamma > 0:
        decay = power_curvature(state.sigma, 2 / state.depth - 1)
        parts = [part + gamma * extra for part, extra in zip(parts, decay, strict=True)]
    return Curvature(*parts)


def apply_curvature(curvature: Curvature, state: State, Z: Array) -> Array:
    """The second derivative of a spectral function, given by parts, applied to Z."""
    frame = Frame(state.U, state.sigma, state.Vt, state.depth, curvature.symmetric, None)
    C, right, left = frame.split(Z)
    inside = 0.5 * (curvature.symmetric * (C + transpose(C)) + curvature.skew * (C - transpose(C)))
    diagonal = np.arange(C.shape[-1])
    own = np.diagonal(C, axis1=-2, axis2=-1)
    inside[..., diagonal, diagonal] = (curvature.diagonal @ own[..., :, None])[..., 0]
    border = curvature.border
    right = None if right is None else border[..., :, None] * right
    left = None if left is None else border[..., None, :] * left
    return frame.join(Parts(inside, right, left))


def _require_full_rank(rank: int | None, shape: tuple[int, ...], what: str) -> None:
    if rank is not None and _checks.integer(rank, "rank", 1) < min(shape):
        raise ValueError(f"the Euclidean {what} exists at full rank only; leave rank at None")


def thermal(beta: float, weight_decay: float, depth: float) -> tuple[float, float]:
    """β and γ, checked."""
    beta, gamma = _checks.positive(beta, "beta"), _checks.non_negative(weight_decay, "weight_decay")
    if gamma > 0 and math.isinf(_checks.depth(depth)):
        raise ValueError("weight_decay must be 0 at depth inf: the penalty has no limit there")
    return beta, gamma
