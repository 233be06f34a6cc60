r"""The Levi-Civita connection of g^N: Riemannian Hessians from Euclidean ones.

A geodesic has velocity 𝒜P and momentum Ṗ = -½∂_W⟨P, 𝒜_W P⟩ (:mod:`~dlngeo.metric._geodesics`),
so along it E has the second derivative ⟨E″Z, Z⟩ + ⟨E′, Ẅ⟩ with Z = 𝒜P. Polarised and raised,

.. math:: \mathrm{Hess}\,E[Z] = \mathcal A(E''Z) + \tfrac12\big(D\mathcal A[\mathcal AP]\,E'
   - D\mathcal A[\mathcal AE']\,P + \mathcal A\,\partial_W\langle E', \mathcal A_WP\rangle\big).

In the frames of W the derivative of the eigenvalue K is the second divided difference G, and the
eigenvalues of 𝒜 that the chain rule divides by are those that raising multiplies with: with p, e of
P, E′,

.. math:: (D\mathcal A[\mathcal AP]\,b)_{kl} = \sum_j G_{kjl}\,(p\Sigma^T+\Sigma p^T)_{kj}\,b_{jl}
   + \sum_j G_{klj}\,b_{kj}\,(\Sigma^Tp+p^T\Sigma)_{jl},\qquad
   \mathcal A\,\partial_W\langle e,\mathcal A_Wp\rangle = X\Sigma+\Sigma Y,

X_kj = Σ_l (e_kl p_jl + p_kl e_jl) G_kjl and Y_lj = Σ_k (e_kl p_kj + p_kl e_kj) G_klj. Nothing is
subtracted in G, so singular values may meet. Derived; the metric is Menon's, (4.16), (7.13)-(7.15)
corrected.
"""

from __future__ import annotations

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
    Sigma = diagonal_matrix(frame.sigma, U.shape[-1], V.shape[-1])
    rows, columns = Sigma.sum(axis=-1), Sigma.sum(axis=-2)  # σ, with zeros beyond the rank
    left = second_quotient(
        rows[..., :, None, None], rows[..., None, :, None], columns[..., None, None, :], frame.depth
    )
    right = second_quotient(
        rows[..., :, None, None],
        columns[..., None, :, None],
        columns[..., None, None, :],
        frame.depth,
    )

    def change(a: Array, b: Array) -> Array:
        """D𝒜[𝒜a] b."""
        before, after = a @ transpose(Sigma), transpose(Sigma) @ a
        before, after = before + transpose(before), after + transpose(after)
        return np.asarray(
            np.einsum("...kjl,...kj,...jl->...kl", left, before, b)
            + np.einsum("...klj,...kj,...jl->...kl", right, b, after)
        )

    X = np.einsum("...kl,...jl,...kjl->...kj", e, p, left)
    Y = np.einsum("...kl,...kj,...klj->...lj", e, p, right)
    change_of_W = (X + transpose(X)) @ Sigma + Sigma @ (Y + transpose(Y))
    return np.asarray(raised + 0.5 * U @ (change(p, e) - change(e, p) + change_of_W) @ transpose(V))
