r"""The free energy in g^N: |grad F|², its Laplacian Δ_g F, and the Hessian of S; square W.

With e = Uᵀ E′(W) V and the roots λ = σ^{1/N}, in whose √N-fold the radial part of g^N is flat,

.. math:: |\mathrm{grad}\,F|^2 = \sum_{k\ne l}K_{kl}e_{kl}^2 + \frac1N\sum_k
   \Big(\frac{\partial F}{\partial\lambda_k}\Big)^2,\qquad
   \Delta_gE = \sum_{kl}K_{kl}\,E''[u_kv_l^T,u_kv_l^T] + (N-1)\sum_k\lambda_k^{N-2}e_{kk}.

The orbits of W under rotations from both sides have volume Π(λ_k² - λ_l²) up to a constant, so on
functions of singular values

.. math:: \Delta_g = \frac1N\sum_k\Big[\partial_{\lambda_k}^2
   + \sum_{l\ne k}\frac{2\lambda_k}{\lambda_k^2-\lambda_l^2}\,\partial_{\lambda_k}\Big],

and weight decay (γN/2) Σλ² has Laplacian γd². With λ_k ∂S/∂λ_k = P_k = Σ_l φ(t_kl), the entropic
forces of :mod:`~dlngeo.spectral.entropic_force`, Δ_g S is a sum over pairs that stays finite where
two singular values meet or one of them vanishes. At depth ``inf`` everything stands for the limit
of 1/N of it, with coordinates log σ in the place of λ. Derived; Menon, (4.15), (6.5), (7.13),
(12.8)-(12.10).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import transpose
from dlngeo.energies import Energy, require_stacks
from dlngeo.entropy.free_energies import thermal
from dlngeo.spectral.divided_differences import table
from dlngeo.spectral.entropic_force import force_fall, pair_force, signed_log_ratio, total_force
from dlngeo.spectral.fibre_volume import State, continuous


def squared_slope(
    energy: Energy, W: ArrayLike, depth: float, beta: float, weight_decay: float = 0.0
) -> Array:
    r"""The squared length :math:`|\mathrm{grad}\,F_\beta|^2_{g^N}` of the free energy's gradient.

    Parameters
    ----------
    energy : Energy
    W : (..., d, d) array
        Of full rank, or of rank d - 1: at finite depth the length has a limit there.
    depth : real number >= 1, or inf
    beta : float > 0
    weight_decay : float >= 0
        At depth ``inf`` it must be 0.

    Returns
    -------
    (...) array

    Raises
    ------
    ValueError
        For bad input, or W that is not square.
    numpy.linalg.LinAlgError
        At two zero singular values for depth > 1, at one for depth ``inf``.

    Notes
    -----
    Source: Menon, (4.15) with (12.13).
    """
    beta, gamma = thermal(beta, weight_decay, depth)
    require_stacks(energy, _square(W), hessian=False)

    def slope(state: State) -> Array:
        _refuse_singular(state, 0 if math.isinf(state.depth) else 1)
        return squared_slope_at(energy, state, beta, gamma)

    return continuous(slope, W, depth, None, None, 0, stated=False)


def squared_slope_at(energy: Energy, state: State, beta: float, gamma: float) -> Array:
    """:func:`squared_slope` of a state, unchecked; NaN where it is infinite or has no limit."""
    K = table(state.sigma, state.depth)
    e = transpose(state.U) @ energy.gradient(state.point) @ transpose(state.Vt)
    parts = slope_in_frame(e, state.sigma, K, state.depth, beta, gamma)
    total = (parts**2).sum(axis=(-2, -1))
    return np.where(_too_singular(state, 0 if math.isinf(state.depth) else 1), np.nan, total)


def slope_in_frame(e: Array, sigma: Array, K: Array, N: float, beta: float, gamma: float) -> Array:
    """The components of grad F, (..., d, d), in the orthonormal basis √K_kl u_k v_lᵀ.

    From e = Uᵀ E′(W) V and the eigenvalues K of 𝒜, at one zero singular value at most. Zeros that a
    lower rank leaves out may be more: then it is that of the stratum.
    """
    diagonal = np.arange(sigma.shape[-1])
    parts = np.sqrt(K) * e
    own = parts[..., diagonal, diagonal]
    force = total_force(signed_log_ratio(sigma[..., :, None], sigma[..., None, :]), N)
    if math.isinf(N):
        radial = own - force / beta
    else:
        root = sigma ** (1 / N)
        push = np.where(root > 0, force / np.where(root > 0, root, 1.0), 0.0)
        radial = own - push / (beta * math.sqrt(N)) + gamma * math.sqrt(N) * root
    parts[..., diagonal, diagonal] = radial
    return np.asarray(parts)


def free_energy_laplacian(
    energy: Energy, W: ArrayLike, depth: float, beta: float, weight_decay: float = 0.0
) -> Array:
    r"""The Laplace-Beltrami operator of g^N applied to the free energy, Δ_g F_β.

    Parameters
    ----------
    energy, W, depth, beta, weight_decay
        As for :func:`free_energy`; rank d - 1 for depth > 2 only.

    Returns
    -------
    (...) array

    Raises
    ------
    ValueError
        For bad input, or W that is not square.
    numpy.linalg.LinAlgError
        At two zero singular values for depth > 1, at one for 1 < depth <= 2 and depth ``inf``, and
        where the result exceeds the range of floating point.

    Notes
    -----
    Takes d² products with E″. Source: derived.
    """
    beta, gamma = thermal(beta, weight_decay, depth)
    require_stacks(energy, _square(W))

    def laplacian(state: State) -> Array:
        _refuse_singular(state, _corank(state.depth))
        total = laplacian_at(energy, state, beta, gamma)
        if not np.isfinite(total).all():
            raise np.linalg.LinAlgError(
                "the Laplacian exceeds the range of floating point; the smallest singular value is "
                f"{state.sigma.min():g}"
            )
        return total

    return continuous(laplacian, W, depth, None, None, 0, stated=False)


def laplacian_at(energy: Energy, state: State, beta: float, gamma: float) -> Array:
    """:func:`free_energy_laplacian` of a state, unchecked; not finite where that refuses."""
    d = state.sigma.shape[-1]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        total = _energy_laplacian(energy, state)
        total = total - entropy_laplacian(state.sigma, state.depth) / beta + gamma * d * d
    return np.where(_too_singular(state, _corank(state.depth)), np.nan, total)


def _square(W: ArrayLike) -> Array:
    point = _checks.matrix(W)
    if point.shape[-1] != point.shape[-2]:
        raise ValueError(f"W must be square; its shape is {point.shape}")
    return point


def _corank(depth: float) -> int:
    """How many zero singular values the Laplacian has a limit at, for depth > 1."""
    return 1 if 2 < depth < math.inf else 0


def _too_singular(state: State, allowed: int) -> Array:
    return np.asarray((state.depth > 1) & ((state.sigma == 0).sum(axis=-1) > allowed))


def _refuse_singular(state: State, allowed: int) -> None:
    if _too_singular(state, allowed).any():
        zeros = int((state.sigma == 0).sum(axis=-1).max())
        raise np.linalg.LinAlgError(
            f"at depth {state.depth:g} this is infinite, or without a limit, at a matrix with "
            f"{zeros} zero singular values"
        )


def _energy_laplacian(energy: Energy, state: State) -> Array:
    """Σ K E″ over the basis u_k v_lᵀ, and E′ along Σ″."""
    U, sigma, Vt, N = state.U, state.sigma, state.Vt, state.depth
    slope = energy.gradient(state.point)
    own = np.einsum("...ik,...ij,...kj->...k", U, slope, Vt)
    if math.isinf(N):
        total = (sigma * own).sum(axis=-1)
    elif N == 1:
        total = np.zeros(sigma.shape[:-1])
    else:
        total = (N - 1) * (sigma ** (1 - 2 / N) * own).sum(axis=-1)
    K = table(sigma, N)
    for k, l in np.ndindex(K.shape[-2:]):  # noqa: E741
        Z = U[..., :, k, None] * Vt[..., None, l, :]
        total = total + K[..., k, l] * (Z * energy.hessian(state.point, Z)).sum(axis=(-2, -1))
    return np.asarray(total)


# ----------------------------------------------------------------------------- of the entropy


def entropy_laplacian(sigma: Array, depth: float) -> Array:
    r"""Δ_g S at singular values (..., d), at most one of them zero; unchecked.

    .. math:: \Delta_gS = \sum_{k\ne l}\frac{-\varphi'(t_{kl})-\varphi(t_{kl})/N}{\lambda_k^2}
       + \frac1N\,\frac{P_k-P_l}{\lambda_k^2-\lambda_l^2}
    """
    if depth == 1:
        return np.zeros(sigma.shape[:-1])
    t = signed_log_ratio(sigma[..., :, None], sigma[..., None, :])
    both = _second(t, depth) + _rise(t, depth)
    if not math.isinf(depth):
        larger = np.maximum(sigma[..., :, None], sigma[..., None, :])
        both = both / np.where(larger > 0, larger, 1.0) ** (2 / depth)
    diagonal = np.arange(sigma.shape[-1])
    both[..., diagonal, diagonal] = 0.0
    return np.asarray(both.sum(axis=(-2, -1)))


class EntropyHessian(NamedTuple):
    """Hess S of g^N in the orthonormal basis √K_kl u_k v_lᵀ: forms on its coordinates q_kl."""

    radial: Array  # (..., d, d): on the q_kk
    own: Array  # (..., d, d): on each q_kl, k and l distinct
    mixed: Array  # (..., d, d): between q_kl and q_lk


def entropy_hessian(sigma: Array, depth: float) -> EntropyHessian:
    r"""The Hessian of S relative to g^N at singular values (..., d); unchecked.

    In √N λ the radial part of g^N is flat and totally geodesic; along the orbits the Hessian is
    ½⟨grad S, grad |X|²⟩ for a field X of rotations:

    .. math:: \mathrm{own}_{kl} = \frac1N\frac{P_k-P_l}{\lambda_k^2-\lambda_l^2},\qquad
       \mathrm{mixed}_{kl} = \frac{\sigma_k\sigma_l}{\lambda_k^2K_{kl}}
       \Big[N\,\mathrm{own}_{kl} - \frac{P_l}{\lambda_l^2}\Big],\quad \lambda_l\le\lambda_k.

    Zero singular values that a lower rank leaves out may be several; what stands for pairs of them
    is then without meaning. Its trace is :func:`entropy_laplacian`.
    """
    zero = np.zeros((*sigma.shape, sigma.shape[-1]))
    if depth == 1:
        return EntropyHessian(zero, zero, zero)
    a, b = sigma[..., :, None], sigma[..., None, :]
    t = signed_log_ratio(a, b)
    infinite, larger, smaller = math.isinf(depth), np.maximum(a, b), np.minimum(a, b)
    K = table(sigma, depth)
    fall = force_fall(t, t, np.zeros_like(t), depth)
    second, own = _second(t, depth), _rise(t, depth)
    diagonal = np.arange(sigma.shape[-1])
    for part in (second, own):
        part[..., diagonal, diagonal] = 0.0
    share = a * b / np.where(K > 0, K, 1.0)
    if infinite:
        radial, mixed = -fall, own * share
    else:
        size = np.where(larger > 0, larger, 1.0) ** (-2 / depth)
        second, own = second * size, own * size
        with np.errstate(over="ignore", invalid="ignore"):
            radial = np.where(fall > 0, -depth * fall * np.exp(np.abs(t) / depth) * size, 0.0)
        force = total_force(t.copy(), depth)
        weak = np.where(a <= b, force[..., :, None], force[..., None, :])
        low = np.where(smaller > 0, smaller, 1.0) ** (-2 / depth)
        mixed = share * size * (depth * own - weak * low)
    mixed[..., diagonal, diagonal] = 0.0
    radial[..., diagonal, diagonal] = second.sum(axis=-1)
    return EntropyHessian(radial, own, mixed)


def _second(t: Array, depth: float) -> Array:
    """What l adds to λ² ∂²S/∂λ_k²/N, λ the larger of the two; at depth inf to ∂²S/∂(log σ_k)²."""
    fall = force_fall(t, t, np.zeros_like(t), depth)
    if math.isinf(depth):
        return fall
    x = 2 * np.maximum(t, 0.0) / depth  # λ²/λ_k² = e^x
    far = t > 1.5
    near = (depth * fall - pair_force(t, depth) / depth) * np.exp(np.where(far, 0.0, x))
    # There the forces are so small that they would underflow before e^x makes up for it.
    u, x = (np.where(far, y, 1.0) for y in (t, x))
    one, all_ = -np.expm1(-x), -np.expm1(-2 * u)
    share = np.exp(-2 * u * (1 - 1 / depth)) / all_
    apart = (2 / one - 1) / one / depth - (2 * depth / all_ - 1) * share
    return np.where(far, apart, near)


def _rise(t: Array, depth: float) -> Array:
    """λ² (P_k - P_l)/(λ_k² - λ_l²)/N, λ the larger; at depth inf half (P_k - P_l)/log(σ_k/σ_l)."""
    u = np.abs(t)
    apart = u >= 1
    force = total_force(t.copy(), depth)
    gain = np.abs(force[..., :, None] - force[..., None, :])  # the larger feels more
    wide = np.where(apart, u, 1.0)
    gap = np.where(apart[..., None], 0.0, t[..., None])
    k, l = (np.where(apart[..., None], 0.0, s) for s in (t[..., :, None, :], t[..., None, :, :]))  # noqa: E741
    steep = force_fall(k, l, gap, depth).sum(axis=-1)  # -φ[t_km, t_lm]/N over all m
    if math.isinf(depth):
        return 0.5 * np.where(apart, gain / wide, steep)
    close = np.where(apart, 1.0, np.where(u > 0, 2 * u / depth, 1.0))
    ratio = np.where(u > 0, close / -np.expm1(-close), 1.0)  # u over (λ_k² - λ_l²)/λ², times 2/N
    return np.where(apart, gain / depth / -np.expm1(-2 * wide / depth), 0.5 * depth * steep * ratio)
