r"""The Riemannian submersion φ: M_r → (rank-r matrices, g^N) (Menon, section 6.4, Theorem 13).

dφ maps the horizontal part of a tangent vector at balanced weights isometrically onto the tangent
space at W = φ(weights) with the metric g^N; the vertical part is its kernel, the tangent space of
the gauge orbit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import transpose
from dlngeo.geometry.charts import to_svd
from dlngeo.geometry.spectrum import quotient
from dlngeo.geometry.tangent import Split, profiles, tangent_argument
from dlngeo.weights import push_forward


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
    """
    layers, vectors = _checks.weights(weights), tangent_argument(weights, V)
    prefixes = list(itertools.accumulate(layers, lambda B, W: W @ B))
    return push_forward(vectors, layers, prefixes)


def vertical(
    weights: Sequence[ArrayLike], V: Sequence[ArrayLike], *, rank: int | None = None
) -> Weights:
    """Orthogonal projection of V on the tangent space of the gauge orbit through balanced weights.

    Parameters and errors as :func:`dlngeo.balanced.project_tangent`.
    """
    return Split.of(weights, V, rank).vertical()


def horizontal(
    weights: Sequence[ArrayLike], V: Sequence[ArrayLike], *, rank: int | None = None
) -> Weights:
    """Orthogonal projection of V on the horizontal space at balanced weights.

    The horizontal space is the orthogonal complement of the orbit within T_W M_r, and the space of
    all lifted gradients (3.6). Parameters and errors as :func:`dlngeo.balanced.project_tangent`.
    """
    return Split.of(weights, V, rank).horizontal()


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

    Notes
    -----
    V_p = (W_N ⋯ W_{p+1})ᵀ 𝒜⁻¹(Z) (W_{p-1} ⋯ W_1)ᵀ, written in the frames of the weights so that
    small singular values cost no digits. Source: Menon, section 8.3.
    """
    layers = _checks.weights(weights)
    Z = _checks.matrix(Z, "Z", (layers[-1].shape[-2], layers[0].shape[-1]))
    frames, lam = to_svd(layers, rank=rank)
    depth = len(layers)
    U, V = frames[-1], frames[0]
    rows, columns = transpose(U) @ Z, Z @ V
    inside = rows @ V
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
