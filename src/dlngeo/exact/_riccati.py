"""Networks of two layers whose gradient flow is a Riccati equation.

Stack the weights as R = [W_1ᵀ; W_2]. If W_2ᵀW_2 - W_1W_1ᵀ = λ1, then ½RᵀR ± ½λ1 are the two Gram
matrices of the hidden layer, and the gradient flow of ½‖W - Φ‖² reads

    R' = F R - ½ R RᵀR,      F = [-½λ1, Φᵀ; Φ, ½λ1],

so that S = RRᵀ obeys the Riccati equation S' = FS + SF - S², solved by
S(t) = e^{Ft} R_0 (1 + R_0ᵀ ∫_0^t e^{2Fs}ds R_0)⁻¹ R_0ᵀ e^{Ft} (Fukumizu 1998; Saxe et al. 2014;
Braun et al. 2022 for λ = 0; Dominé et al. 2025). One hidden node is always of this kind: survey,
section 6.2. Nothing here grows with time: exponentials enter as differences of their logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, transpose


def single_node(t: ArrayLike, w: ArrayLike, sigma: ArrayLike) -> Array:
    r"""The solution of :math:`\dot w_1 = w_2(\sigma - w_1w_2),\ \dot w_2 = w_1(\sigma - w_1w_2)`.

    With p = w_1 + w_2 and q = w_1 - w_2, pq = c is conserved and p², q² obey Riccati equations:
    for κ² = σ² + c²/4, E = e^{-2κt},

    .. math:: p^2(t) = p^2\,\frac{\kappa+\sigma + E(\kappa-\sigma) + \tfrac12q^2(1-E)}
       {\kappa-\sigma + E(\kappa+\sigma) + \tfrac12p^2(1-E)},

    and q² the same with -σ, p and q exchanged. p and q keep their signs.

    Parameters
    ----------
    t : array of times >= 0, infinity included
    w : (..., 2) array
        The start.
    sigma : array

    Returns
    -------
    (..., 2) array
        Leading dimensions: those of t, of w and of sigma, broadcast. At infinity the equilibrium
        (64), its sign corrected; on the line w_1 = -w_2 that is the origin (σ >= 0).

    Notes
    -----
    Accurate relative to |w|. Source: Wendin and Altafini, (62)-(64), corrected.
    """
    w = _checks.real_array(w, "w")
    if w.ndim < 1 or w.shape[-1] != 2:
        raise ValueError(f"w must have shape (..., 2), not {w.shape}")
    t, w1, w2, sigma = np.broadcast_arrays(
        times(t), w[..., 0], w[..., 1], _checks.real_array(sigma, "sigma")
    )
    scale = np.maximum(np.sqrt(np.abs(sigma)), np.maximum(np.abs(w1), np.abs(w2)))
    scale = np.where(scale > 0, scale, 1.0)
    p, q, s = (w1 / scale + w2 / scale), (w1 / scale - w2 / scale), sigma / scale / scale
    kappa = np.hypot(s, p * q / 2)
    still = kappa == 0
    wide = np.where(still, 1.0, kappa + np.abs(s))  # κ + |σ|, and κ - |σ| without cancellation
    narrow = np.where(still, 1.0, np.abs(p * q) / 2 / np.sqrt(wide)) ** 2
    with np.errstate(over="ignore", invalid="ignore"):
        time = np.where(t > 0, scale * (scale * t), 0.0)
        decay = np.where(still, 0.0, np.exp(-np.where(still, 1.0, kappa) * time))
        lost = np.where(still, time, -np.expm1(-2 * np.where(still, 1.0, kappa) * time))
    plus, minus = np.where(s >= 0, (wide, narrow), (narrow, wide))  # κ + σ, κ - σ
    up = np.hypot(np.sqrt(plus), decay * np.sqrt(minus))
    down = np.hypot(np.sqrt(minus), decay * np.sqrt(plus))
    p_gone, q_gone = (_times_root(x, lost) for x in (p, q))
    rise, fall = np.hypot(up, q_gone), np.hypot(down, p_gone)
    p_end, q_end = _scaled(p, rise, fall), _scaled(q, fall, rise)
    return np.stack([(p_end + q_end) / 2 * scale, (p_end - q_end) / 2 * scale], axis=-1)


def two_layer(
    t: ArrayLike, weights: Sequence[ArrayLike], target: ArrayLike, *, tol: float = 1e-10
) -> Weights:
    r"""The gradient flow of ½‖W_2W_1 - Φ‖² in closed form, up to a rotation of the hidden layer.

    .. math:: R(t) = e^{Ft}R\,\Big(1 + R^T\!\int_0^te^{2Fs}ds\,R\Big)^{-1/2}, \quad
       R = \begin{pmatrix}W_1^T\\W_2\end{pmatrix},\
       F = \begin{pmatrix}-\tfrac\lambda2&\Phi^T\\\Phi&\tfrac\lambda2\end{pmatrix}

    Parameters
    ----------
    t : array of finite times >= 0
    weights : (W_1, W_2), of shapes (..., d_1, d_0) and (..., d_2, d_1)
        With W_2ᵀW_2 - W_1W_1ᵀ = λ1 for some number λ, one for each network of the stack.
    target : (..., d_2, d_0) array Φ
    tol : float >= 0
        How far ‖W_2ᵀW_2 - W_1W_1ᵀ - λ1‖_F may be from 0, relative to the sum of the squared norms.

    Returns
    -------
    (W_1(t), W_2(t))
        Shapes (*t.shape, ..., d_1, d_0) and (*t.shape, ..., d_2, d_1). The weights of the flow are
        (O W_1, W_2 Oᵀ) with an orthogonal O(t) of no closed form: W_2 W_1, W_1ᵀW_1 and W_2W_2ᵀ are
        theirs. The root is the symmetric one, so O(0) = 1 and Ȯ(0) = 0: the path begins at the
        weights, with their velocity.

    Raises
    ------
    ValueError
        If there are not two layers, or their imbalance is no multiple of the identity.

    Notes
    -----
    Source: Fukumizu (1998); Braun, Dominé, Fitzgerald and Saxe (2022); Dominé et al. (2025).
    """
    W_1, W_2, Phi, t = _two_layers(t, weights, target)
    n, hidden = W_1.shape[-1], W_1.shape[-2]
    lam = _multiple(W_1, W_2, _checks.non_negative(tol, "tol"))
    m = W_2.shape[-2]
    shift = lam[..., None, None] / 2 * np.diag(np.repeat([-1.0, 1.0], [n, m]))
    F = shift + _off_diagonal(Phi)
    omega, P = np.linalg.eigh(F)
    start = transpose(P) @ np.concatenate([transpose(W_1), W_2], axis=-2)
    time = t.reshape(*t.shape, *[1] * omega.ndim)
    rising, falling = np.maximum(omega, 0.0) * time, np.minimum(omega, 0.0) * time
    log_spent = _log_spent(np.abs(omega), time)
    basis = _graded_basis(
        np.concatenate([rising + log_spent, np.zeros((*log_spent.shape[:-1], hidden))], axis=-1),
        np.concatenate([start, np.broadcast_to(np.eye(hidden), (*lam.shape, hidden, hidden))], -2),
    )
    past, present = basis[..., : n + m, :], basis[..., n + m :, :]
    early = rising + log_spent < 0
    from_start = np.exp(np.where(early, omega * time, 0.0))[..., None] * (start @ present)
    from_end = np.exp(np.where(early, 0.0, falling - log_spent))[..., None] * past
    R = P @ np.where(early[..., None], from_start, from_end) @ _symmetric_gauge(present)
    return transpose(R[..., :n, :]), R[..., n:, :]


def times(value: ArrayLike) -> Array:
    """Times >= 0, infinity included."""
    t = _checks.real_array(value, "t", finite=False)
    if not (t >= 0).all():
        raise ValueError("t must be >= 0; it has a negative entry or NaN")
    return t


def _times_root(x: Array, lost: Array) -> Array:
    """|x| (lost / 2)^{1/2}, zero at x = 0 even after infinite time."""
    return np.abs(x) * np.sqrt(np.where(x == 0, 0.0, lost) / 2)


def _scaled(x: Array, numerator: Array, denominator: Array) -> Array:
    """The product x · numerator / denominator, zero with x: the other mode may be anything then."""
    zero = x == 0
    return np.where(zero, 0.0, x * (np.where(zero, 0, numerator) / np.where(zero, 1, denominator)))


def _two_layers(
    t: ArrayLike, weights: Sequence[ArrayLike], target: ArrayLike
) -> tuple[Array, Array, Array, Array]:
    layers = _checks.weights(weights)
    if len(layers) != 2:
        raise ValueError(f"weights must be two layers (W_1, W_2), not {len(layers)}")
    W_1, W_2 = layers
    Phi = _checks.matrix(target, "target", (W_2.shape[-2], W_1.shape[-1]))
    stack = np.broadcast_shapes(W_1.shape[:-2], Phi.shape[:-2])
    W_1, W_2, Phi = (np.broadcast_to(M, (*stack, *M.shape[-2:])) for M in (W_1, W_2, Phi))
    t = times(t)
    if not np.isfinite(t).all():
        raise ValueError("t must be finite; it has infinite entries")
    return W_1, W_2, Phi, t


def _multiple(W_1: Array, W_2: Array, tol: float) -> Array:
    """λ with W_2ᵀW_2 - W_1W_1ᵀ = λ1."""
    gap = transpose(W_2) @ W_2 - W_1 @ transpose(W_1)
    lam: Array = np.trace(gap, axis1=-2, axis2=-1) / gap.shape[-1]
    off = frobenius(gap - lam[..., None, None] * np.eye(gap.shape[-1]))
    if not (off <= tol * (frobenius(W_1) ** 2 + frobenius(W_2) ** 2)).all():
        raise ValueError(
            "weights must have W_2ᵀW_2 - W_1W_1ᵀ a multiple of the identity; "
            f"they are off by {off.max():.3g}"
        )
    return lam


def _off_diagonal(Phi: Array) -> Array:
    m, n = Phi.shape[-2:]
    block = np.zeros((*Phi.shape[:-2], n + m, n + m))
    block[..., n:, :n] = Phi
    block[..., :n, n:] = transpose(Phi)
    return block


def _log_spent(rate: Array, t: Array) -> Array:
    """½ log ∫_0^t e^{-2|ω|s} ds, and -∞ at t = 0; for ω > 0 the integral of e^{2ωs} adds ωt."""
    still = rate * t < 1e-300
    spent = np.where(still, t, -np.expm1(-2 * rate * t) / (2 * np.where(still, 1.0, rate)))
    with np.errstate(divide="ignore"):
        return 0.5 * np.log(spent)


def _symmetric_gauge(present: Array) -> Array:
    """The rotation Oᵀ from a root M^{-1/2} O to the symmetric one, M^{-1/2}."""
    U, _, Vt = np.linalg.svd(present)
    gauge: Array = transpose(U @ Vt)
    return gauge


def _graded_basis(log_scale: Array, C: Array) -> Array:
    """An orthonormal basis of the columns of diag(exp(log_scale)) C, whatever the scales.

    Gaussian elimination with complete pivoting, the pivot chosen by its scaled size, leaves
    columns of entries at most 1 that span the same space; rows are never mixed before scaling.
    """
    C = np.broadcast_to(C, (*log_scale.shape, C.shape[-1])).copy()
    k = C.shape[-1]
    columns = []
    for _ in range(k):
        with np.errstate(divide="ignore"):
            size = log_scale[..., None] + np.log(np.abs(C))
        flat = size.reshape(*size.shape[:-2], -1)
        row, column = np.divmod(flat.argmax(axis=-1)[..., None, None], k)
        chosen = np.take_along_axis(C, column, axis=-1)
        pivot_row = np.take_along_axis(C, row, axis=-2)
        pivot = np.take_along_axis(pivot_row, column, axis=-1)
        relative = np.take_along_axis(size, column, axis=-1) - flat.max(axis=-1)[..., None, None]
        columns.append(np.sign(chosen) * np.sign(pivot) * np.exp(relative))
        C -= chosen / pivot * pivot_row
        np.put_along_axis(C, row, 0.0, axis=-2)
        np.put_along_axis(C, column, 0.0, axis=-1)
    basis: Array = np.linalg.qr(np.concatenate(columns, axis=-1)).Q
    return basis
