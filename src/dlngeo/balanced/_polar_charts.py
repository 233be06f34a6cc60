r"""The charts 𝔵 and 𝔶 of the G-balanced varieties, and their inverses (Menon, section 5).

They build weights of any imbalance G layer by layer, 𝔵 from the input and 𝔶 from the output.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, psd_root, svd, svd_product, together, transpose
from dlngeo.balanced.charts import ORTHOGONAL, imbalance_argument
from dlngeo.weights import imbalances


def from_right_polar(
    W_1: ArrayLike, Q: Sequence[ArrayLike], G: Sequence[ArrayLike] | None = None
) -> Weights:
    """The chart 𝔵: weights of imbalance G, from W_1 and the polar factors of the layers above.

    W_{p+1} = Q_{p+1} P_{p+1}, P_{p+1} = (W_p W_pᵀ - G_p)^{1/2}.

    Parameters
    ----------
    W_1 : (..., d_1, d_0) array
    Q : tuple (Q_2, ..., Q_N) of (..., d_p, d_{p-1}) arrays
        Isometric on the range of P_p; orthogonal matrices always are.
    G : tuple (G_1, ..., G_{N-1}) of symmetric (..., d_p, d_p) arrays, or None for zero

    Raises
    ------
    ValueError
        If W_p W_pᵀ - G_p has a negative eigenvalue (it says which p, and how negative; G_p <= 0
        suffices for none), or a Q_p is not isometric where it must be.

    Notes
    -----
    Source: Menon, (5.5)-(5.9), (5.9) corrected: P_1² = W_1ᵀ W_1.
    """
    layers = [_checks.matrix(W_1, "W_1")]
    upper = [_checks.matrix(q, f"Q_{p}") for p, q in enumerate(_checks.sequence(Q, "Q"), start=2)]
    hidden = [W.shape[-2] for W in (*layers, *upper)][: len(upper)]
    wanted = imbalance_argument(G, hidden)
    for p, value in enumerate(upper, start=1):
        W = layers[-1]
        P = _shifted_root(transpose(W), -wanted[p - 1], f"W_{p} W_{p}ᵀ - G_{p}")
        layers.append(_isometry(value, P, f"Q_{p + 1}") @ P)
    return together(layers)


def to_right_polar(weights: Sequence[ArrayLike]) -> tuple[Array, tuple[Array, ...], Weights]:
    """W_1, (Q_2, ..., Q_N) and G of any weights: the inverse of :func:`from_right_polar`.

    Q_p is the polar factor of W_p = Q_p P_p, a partial isometry where W_p has a kernel.
    Source: Menon, (5.5)-(5.9), inverted.
    """
    layers = _checks.weights(weights)
    return layers[0], tuple(_polar_factor(W) for W in layers[1:]), imbalances(layers)


def from_left_polar(
    W_N: ArrayLike, U: Sequence[ArrayLike], G: Sequence[ArrayLike] | None = None
) -> Weights:
    """The chart 𝔶: weights of imbalance G, from W_N and the polar factors of the layers below.

    W_p = R_p U_pᵀ, R_p = (W_{p+1}ᵀ W_{p+1} + G_p)^{1/2}.

    Parameters
    ----------
    W_N : (..., d_N, d_{N-1}) array
    U : tuple (U_{N-1}, ..., U_1) of (..., d_{p-1}, d_p) arrays
        In the order in which they are used; isometric on the range of R_p.
    G : tuple (G_1, ..., G_{N-1}) of symmetric (..., d_p, d_p) arrays, or None for zero

    Raises
    ------
    ValueError
        As :func:`from_right_polar`; G_p >= 0 suffices for the roots to exist.

    Notes
    -----
    Source: Menon, (5.11)-(5.12).
    """
    layers = [_checks.matrix(W_N, "W_N")]
    U = _checks.sequence(U, "U")
    order = range(len(U), 0, -1)
    lower = [_checks.matrix(u, f"U_{p}") for p, u in zip(order, U, strict=True)]
    hidden = [layers[0].shape[-1], *(u.shape[-2] for u in lower)][: len(lower)]
    wanted = imbalance_argument(G, hidden[::-1])
    for p, value in zip(order, lower, strict=True):
        W = layers[-1]
        R = _shifted_root(W, wanted[p - 1], f"W_{p + 1}ᵀ W_{p + 1} + G_{p}")
        layers.append(R @ transpose(_isometry(value, R, f"U_{p}")))
    return together(reversed(layers))


def to_left_polar(weights: Sequence[ArrayLike]) -> tuple[Array, tuple[Array, ...], Weights]:
    """W_N, (U_{N-1}, ..., U_1) and G of any weights: the inverse of :func:`from_left_polar`.

    Source: Menon, (5.11)-(5.12), inverted.
    """
    layers = _checks.weights(weights)
    factors = tuple(transpose(_polar_factor(W)) for W in reversed(layers[:-1]))
    return layers[-1], factors, imbalances(layers)


def _shifted_root(W: Array, G: Array, name: str) -> Array:
    """(WᵀW + G)^{1/2}; eigenvalues that are negative within rounding are taken as zero."""
    if not G.any():  # without a square, whose rounding would come in as its root
        _, sigma, Vt = svd(W)
        return svd_product(transpose(Vt), sigma, Vt)
    square = transpose(W) @ W + G
    return psd_root(square, name, 1e-13 * np.maximum(frobenius(square), frobenius(W) ** 2))


def _isometry(Q: Array, P: Array, name: str) -> Array:
    if Q.shape[-1] != P.shape[-1]:
        raise ValueError(f"{name} must have {P.shape[-1]} columns, not {Q.shape[-1]}")
    image = Q @ P
    off = frobenius(transpose(image) @ image - P @ P) / np.maximum(frobenius(P) ** 2, 1e-300)
    if off.max(initial=0.0) > ORTHOGONAL:
        raise ValueError(
            f"{name} must be isometric on the range of the root it multiplies; it is off by "
            f"{off.max():.3g}"
        )
    return Q


def _polar_factor(W: Array) -> Array:
    """U Vᵀ over the singular values that are not zero to rounding."""
    U, sigma, Vt = svd(W)
    kept = sigma > max(W.shape[-2:]) * np.finfo(float).eps * sigma[..., :1]
    return svd_product(U, kept, Vt)
