r"""The Levi-Civita connection of g^N: Riemannian Hessians from Euclidean ones.

A geodesic with velocity Z = 𝒜P bends, in the frames of W and with p = UᵀPV, by

.. math:: (U^T\ddot WV)_{kl} = 2\sum_j G_{kjl}\,\sigma_j\,p_{kj}\,p_{jl},

where G is the second divided difference of t^N, 2PWᵀP at depth 2; so
Hess E(Z, Z) = ⟨E″Z, Z⟩ + ⟨E′, Ẅ⟩, and polarised and raised, with e = UᵀE′V,

.. math:: U^T\mathrm{Hess}\,E[Z]\,V = U^T\mathcal A(E''Z)V + c,\qquad
   c_{kj} \mathrel{+}= \sigma_j\sum_l G_{kjl}\,e_{kl}\,p_{jl},\quad
   c_{jl} \mathrel{+}= \sigma_j\sum_k G_{kjl}\,p_{kj}\,e_{kl}.

Nothing is subtracted, so singular values may meet. Derived, from the Hamiltonian form of
:mod:`~dlngeo.metric._geodesics`; the metric is Menon's, (4.16), (7.13)-(7.15) corrected.
"""

from __future__ import annotations

import math

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import completed, diagonal_matrix, transpose
from dlngeo.spectral.divided_differences import second_quotient
from dlngeo.spectral.frame import Frame, inverse


def riemannian_hessian(frame: Frame, slope: Array, bend: Array, Z: Array) -> Array:
    """Hess E[Z] at W of full rank from E′(W) and E″(W)[Z], (..., m, n); unchecked.

    At depth ``inf`` for square W.
    """
    raised = frame.map(lambda K: K, bend)
    if frame.depth == 1:
        return raised
    U, V = completed(frame.U), completed(transpose(frame.Vt))
    e, p = (transpose(U) @ M @ V for M in (slope, frame.map(inverse, Z)))
    sigma, r = frame.sigma, frame.sigma.shape[-1]
    Sigma = diagonal_matrix(sigma, U.shape[-1], V.shape[-1])
    rows, columns = Sigma.sum(axis=-1), Sigma.sum(axis=-2)  # σ, with zeros beyond the rank
    G = second_quotient(
        rows[..., :, None, None],
        sigma[..., None, :, None],
        columns[..., None, None, :],
        frame.depth,
    )
    G = G * sigma[..., None, :, None]
    change = np.zeros(np.broadcast_shapes(e.shape, p.shape))
    change[..., :r] += np.einsum("...kjl,...kl,...jl->...kj", G, e, p[..., :r, :])
    change[..., :r, :] += np.einsum("...kjl,...kj,...kl->...jl", G, p[..., :r], e)
    return np.asarray(raised + U @ change @ transpose(V))


def connection_form(e: Array, sigma: Array, K: Array, depth: float) -> Array:
    """⟨E′, Ẅ⟩ as a form on square W, in the orthonormal basis √K_kl u_k v_lᵀ; unchecked.

    ``e`` is UᵀE′V, K the eigenvalues of 𝒜; (..., d, d, d, d). Where W is singular it has the limit
    along the stratum, for σ_d alone in u_d v_dᵀ too if the depth is above 2.
    """
    d = sigma.shape[-1]
    form = np.zeros((*e.shape, d, d))
    if depth == 1:
        return form
    a, b, c = sigma[..., :, None, None], sigma[..., None, :, None], sigma[..., None, None, :]
    diagonal = np.arange(d)
    with np.errstate(divide="ignore", invalid="ignore"):
        G = second_quotient(a, b, c, depth)
        root = np.where(K > 0, 1 / np.sqrt(K), 0.0)
        if math.isinf(depth):
            share, alone = np.ones_like(sigma), 0.5 * sigma
        else:
            share, alone = (
                sigma ** (1 / depth) / math.sqrt(depth),
                (depth - 1) / 2 * sigma ** (1 - 2 / depth),
            )
        first = sigma[..., None, :] * root  # σ_j/√K_kj, with its limit where k = j
        first[..., diagonal, diagonal] = share
        weight = G * first[..., :, :, None] * root[..., None, :, :]
        # p_jj is always multiplied by σ_j, the other factor then has none
        for j in range(d):
            weight[..., :, j, j] = G[..., :, j, j] * root[..., :, j] * share[..., j, None]
            weight[..., j, j, j] = alone[..., j]
    for j in range(d):
        form[..., :, j, j, :] += weight[..., :, j, :] * e
    pairs = form.reshape(*e.shape[:-2], d * d, d * d)
    return np.asarray(pairs + transpose(pairs)).reshape(form.shape)
