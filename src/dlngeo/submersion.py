r"""The Riemannian submersion φ: M_r → (rank-r matrices, g^N) (Menon, section 6.4, Theorem 13).

dφ maps the horizontal part of a tangent vector at balanced weights isometrically onto the tangent
space at W = φ(weights) with the metric g^N; the vertical part is its kernel, the tangent space of
the gauge orbit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, prefix_products, psd_root, transpose
from dlngeo.balanced.charts import to_svd
from dlngeo.balanced.tangent import TangentSplit, profiles, tangent_argument
from dlngeo.spectral.divided_differences import quotient
from dlngeo.weights import pull_back, push_forward

__all__ = [
    "bures_wasserstein",
    "differential",
    "horizontal",
    "horizontal_lift",
    "thin_gradients",
    "vertical",
]


def __dir__() -> list[str]:
    return __all__


def differential(weights: Sequence[ArrayLike], V: Sequence[ArrayLike]) -> Array:
    r"""The differential :math:`d\phi(V) = \sum_p W_N\cdots W_{p+1}\,V_p\,W_{p-1}\cdots W_1`.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced or not
    V : tuple of arrays of the same shapes

    Returns
    -------
    (..., d_N, d_0) array

    Notes
    -----
    Source: Menon, (7.10) corrected.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = (np.eye(2), 2 * np.eye(2))
    >>> dln.submersion.differential(weights, (np.eye(2), np.eye(2))).tolist()  # W_2 V_1 + V_2 W_1
    [[3.0, 0.0], [0.0, 3.0]]
    """
    layers, vectors = _checks.weights(weights), tangent_argument(weights, V)
    prefixes = prefix_products(layers)
    result = push_forward(vectors, layers, prefixes)
    if len(layers) == 1:  # the result is V itself
        return np.broadcast_to(result, np.broadcast_shapes(result.shape, layers[0].shape)).copy()
    return result


def thin_gradients(weights: Sequence[ArrayLike]) -> Weights:
    """The gradients of the lifted energies W_lm ∘ φ, all d_N d_0 of them.

    They span the gradients of every E ∘ φ at these weights, a space of at most d_N d_0 dimensions
    among Σ d_p d_{p-1}; at balanced weights of rank r it is the horizontal space.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced or not

    Returns
    -------
    tuple of (d_N, d_0, ..., d_p, d_{p-1}) arrays
        Entry (l, m) is the gradient of W_lm, (3.6) with E' the unit matrix there.

    Notes
    -----
    Source: Menon, Remark 5.
    """
    layers = _checks.weights(weights)
    prefixes = prefix_products(layers)
    m, n = prefixes[-1].shape[-2:]
    stack = [1] * (prefixes[-1].ndim - 2)
    return pull_back(np.eye(m * n).reshape(m, n, *stack, m, n), layers, prefixes)


def vertical(
    weights: Sequence[ArrayLike], V: Sequence[ArrayLike], *, rank: int | None = None
) -> Weights:
    """Orthogonal projection of V on the tangent space of the gauge orbit through balanced weights.

    Parameters and errors as :func:`dlngeo.balanced.project_tangent`. Source: Menon, (8.13), (8.21)
    corrected, (8.22).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = dln.balanced.lift(np.diag([4.0, 1.0]), 2)
    >>> V = dln.submersion.vertical(weights, (np.ones((2, 2)), np.zeros((2, 2))))
    >>> bool(np.allclose(dln.submersion.differential(weights, V), 0))
    True
    """
    return TangentSplit.of(weights, V, rank).vertical()


def horizontal(
    weights: Sequence[ArrayLike], V: Sequence[ArrayLike], *, rank: int | None = None
) -> Weights:
    """Orthogonal projection of V on the horizontal space at balanced weights.

    The horizontal space is the orthogonal complement of the orbit within T_W M_r, and the space of
    all lifted gradients (3.6). Parameters and errors as :func:`dlngeo.balanced.project_tangent`.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = dln.balanced.lift(np.diag([4.0, 1.0]), 2)
    >>> V = dln.balanced.project_tangent(weights, (np.ones((2, 2)), np.zeros((2, 2))))
    >>> across, along = dln.submersion.horizontal(weights, V), dln.submersion.vertical(weights, V)
    >>> all(np.allclose(H + U, P) for H, U, P in zip(across, along, V, strict=True))
    True
    """
    return TangentSplit.of(weights, V, rank).horizontal()


def horizontal_lift(
    weights: Sequence[ArrayLike], Z: ArrayLike, *, rank: int | None = None
) -> Weights:
    """The horizontal vector V at balanced weights with dφ(V) = Z.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays, balanced
    Z : (..., d_N, d_0) array
        At rank r first projected on the tangent space of the rank-r matrices.
    rank : int or None
        None: the least width.

    Returns
    -------
    tuple of arrays
        Of squared norm g^N(W)(Z, Z) (Theorem 13).

    Raises
    ------
    ValueError, numpy.linalg.LinAlgError
        As :func:`dlngeo.balanced.to_svd`.

    Notes
    -----
    V_p = (W_N ⋯ W_{p+1})ᵀ 𝒜⁻¹(Z) (W_{p-1} ⋯ W_1)ᵀ, written in the frames of the weights so that
    small singular values cost no digits. Source: Menon, section 8.3.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> W, Z = np.diag([4.0, 1.0]), np.ones((2, 2))
    >>> weights = dln.balanced.lift(W, 2)
    >>> V = dln.submersion.horizontal_lift(weights, Z)
    >>> squared = sum(float((V_p**2).sum()) for V_p in V)
    >>> bool(np.isclose(squared, dln.metric.inner(W, Z, Z, 2)))  # a Riemannian submersion
    True
    """
    layers = _checks.weights(weights)
    Z = _checks.matrix(Z, "Z", (layers[-1].shape[-2], layers[0].shape[-1]))
    frames, lam = to_svd(layers, rank=rank)
    depth = len(layers)
    U, V = frames[-1], frames[0]
    rows, columns = transpose(U) @ Z, Z @ V
    inside = rows @ V
    lam = np.broadcast_to(lam, (*inside.shape[:-2], lam.shape[-1]))  # profiles lead with the layers
    # dφ sends the unit horizontal vector of (k, l) to √K_kl u_k v_lᵀ.
    sigma = lam**depth
    stretch = np.sqrt(quotient(sigma[..., :, None], sigma[..., None, :], depth))
    parts = profiles(lam, depth) * (inside / stretch)
    lifted = [frames[p + 1] @ part @ transpose(frames[p]) for p, part in enumerate(parts)]
    border = lam ** (depth - 1)
    right = (rows - inside @ transpose(V)) / border[..., :, None]
    left = (columns - U @ inside) / border[..., None, :]
    lifted[0] = lifted[0] + frames[1] @ right
    lifted[-1] = lifted[-1] + left @ transpose(frames[-2])
    return tuple(lifted)


def bures_wasserstein(A: ArrayLike, B: ArrayLike) -> Array:
    r"""The Bures-Wasserstein distance of positive semidefinite matrices, ``(...)``.

    .. math:: d_{BW}^2 = \mathrm{Tr}A+\mathrm{Tr}B-2\,\mathrm{Tr}(A^{1/2}BA^{1/2})^{1/2}
       = \min_{U\in O_d}\|A^{1/2}-B^{1/2}U\|_F^2

    The symmetric case of depth 2, W_2 = W_1ᵀ: between positive definite matrices
    metric.distance(A, B, 2) = √2 · d_BW.

    Parameters
    ----------
    A, B : (..., d, d) arrays, symmetric positive semidefinite
        Eigenvalues of at most d ε times the largest are rounding, and taken as zero.

    Notes
    -----
    Evaluated by the second form, which subtracts nothing at A = B.
    Source: Menon, Remark 9, its constant corrected: g² = 2 g^BW.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> round(float(dln.submersion.bures_wasserstein(np.diag([4.0, 1.0]), np.diag([9.0, 1.0]))), 6)
    1.0
    """
    R, T = _root(A, "A"), _root(B, "B")
    if R.shape[-1] != T.shape[-1]:
        raise ValueError(f"A and B must have the same size, not {R.shape} and {T.shape}")
    left, _, right = np.linalg.svd(T @ R)
    return frobenius(R - T @ (left @ right))


def _root(value: ArrayLike, name: str) -> Array:
    M = _checks.matrix(value, name)
    if M.shape[-1] != M.shape[-2] or (frobenius(M - transpose(M)) > 1e-12 * frobenius(M)).any():
        raise ValueError(f"{name} must be symmetric; its shape is {M.shape}")
    return psd_root(M, name, 1e-12 * frobenius(M), M.shape[-1] * np.finfo(float).eps)
