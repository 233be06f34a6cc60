"""Loss, gradient and invariants of A (Wendin and Altafini, sections 2 and 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import svd, transpose
from dlngeo.adjacency._blocks import (
    blocks,
    network,
    place,
    square_matrix,
)
from dlngeo.energies import Energy, require_stacks


def loss(
    A: ArrayLike, energy: Energy, widths: Sequence[int], *, weight_decay: float = 0.0
) -> Array:
    r"""The lifted energy read off A^N, with weight decay: E(W_N ⋯ W_1) + (γ/2)‖A‖_F².

    Parameters
    ----------
    A : (..., n_v, n_v) array in block-shift form
    energy : Energy
    widths : (d_0, ..., d_N)
    weight_decay : float γ >= 0

    Returns
    -------
    (...) array

    Raises
    ------
    ValueError
        If A has an entry outside the blocks (p, p-1), here as in all that follows.

    Notes
    -----
    For :class:`~dlngeo.energies.Quadratic` of target Σ it is ½‖blk_N(Σ) - A^N‖² + (γ/2)‖A‖².
    Source: Wendin and Altafini, (11), (24).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> A = dln.adjacency.from_weights((np.array([[1.0, 2.0]]), np.array([[3.0]])))
    >>> float(dln.adjacency.loss(A, dln.energies.Quadratic([[3.0, 4.0]]), (2, 1, 1)))
    2.0
    """
    A, widths = network(A, widths)
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    W = _end_to_end(A, energy, widths)
    total: Array = energy.value(W) + 0.5 * gamma * (A**2).sum(axis=(-2, -1))
    return total


def gradient(
    A: ArrayLike,
    energy: Energy,
    widths: Sequence[int],
    *,
    weight_decay: float = 0.0,
    mask: ArrayLike | None = None,
) -> Array:
    r"""The gradient of :func:`loss` in the block-shift matrices.

    .. math:: \nabla\mathcal L(A) = \sum_{j=1}^N (A^{N-j})^T\,\mathrm{blk}_N(E'(W))\,(A^{j-1})^T
       + \gamma A

    Parameters
    ----------
    A, energy, widths, weight_decay
        As for :func:`loss`.
    mask : (n_v, n_v) array of bool, or None
        The entries that learn; the gradient is 0 elsewhere. None: all blocks do.

    Returns
    -------
    (..., n_v, n_v) array in block-shift form

    Notes
    -----
    For Quadratic(Σ) E' = W - Σ and minus this is the right-hand side of (12). A step of gradient
    descent is A - η∇L(A): the printed (67) has the sum, which is -∇L, with the wrong sign.
    Source: Wendin and Altafini, Props. 4 and 10, (67) corrected; section 7 for the mask.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> A = dln.adjacency.from_weights((np.array([[1.0, 2.0]]), np.array([[3.0]])))
    >>> slope = dln.adjacency.gradient(A, dln.energies.Quadratic([[3.0, 4.0]]), (2, 1, 1))
    >>> [W_p.tolist() for W_p in dln.adjacency.to_weights(slope, (2, 1, 1))]
    [[[0.0, 6.0]], [[4.0]]]
    """
    A, widths = network(A, widths)
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    _end_to_end(A, energy, widths)  # refuses what is no energy of it
    total = block_gradient(A, energy, widths) + gamma * A
    if mask is None:
        return total
    allowed = _checks.any_array(mask, "mask")
    if allowed.dtype != np.bool_ or allowed.shape != A.shape[-2:]:
        raise ValueError(
            f"mask must be a boolean array of shape {A.shape[-2:]}; it has shape "
            f"{allowed.shape} and dtype {allowed.dtype}"
        )
    return np.where(allowed, total, 0.0)


def block_gradient(A: Array, energy: Energy, widths: tuple[int, ...]) -> Array:
    """:func:`gradient` without checks."""
    depth = len(widths) - 1
    steps = [np.broadcast_to(np.eye(A.shape[-1]), A.shape)]
    for _ in range(depth):
        steps.append(A @ steps[-1])
    corner = (..., *place(widths, depth, 0))
    residual = np.zeros_like(A)
    residual[corner] = energy.gradient(steps[depth][corner])
    total = np.zeros_like(A)
    for j in range(1, depth + 1):
        total += transpose(steps[depth - j]) @ residual @ transpose(steps[j - 1])
    return total


def commutator(A: ArrayLike) -> Array:
    """Q = [A, Aᵀ] = A Aᵀ - Aᵀ A, eq. (18): block diagonal, with the imbalances inside.

    Q = blk_0(-W_1ᵀW_1, G_1, ..., G_{N-1}, W_N W_Nᵀ), G_p = W_p W_pᵀ - W_{p+1}ᵀ W_{p+1}.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> A = dln.adjacency.from_weights((np.array([[2.0]]), np.array([[3.0]])))
    >>> dln.adjacency.commutator(A).tolist()  # the imbalance 2² - 3² stands in the middle
    [[-4.0, 0.0, 0.0], [0.0, -5.0, 0.0], [0.0, 0.0, 9.0]]
    """
    A = square_matrix(A)
    Q: Array = A @ transpose(A) - transpose(A) @ A
    return Q


def hidden_projection(widths: Sequence[int]) -> Array:
    """J = blk_0(0, I, ..., I, 0): the projection on the hidden nodes, ``(n_v, n_v)``.

    Source: Wendin and Altafini, section 3.2.
    """
    widths = _checks.widths(widths)
    diagonal = np.ones(sum(widths))
    diagonal[: widths[0]] = 0
    diagonal[-widths[-1] :] = 0
    return np.diag(diagonal)


def conserved(A: ArrayLike, widths: Sequence[int]) -> Array:
    """J Q = blk_0(0, G_1, ..., G_{N-1}, 0), which the gradient flow leaves constant (Prop. 6)."""
    A, widths = network(A, widths)
    product: Array = hidden_projection(widths) @ commutator(A)
    return product


def commutator_velocity(A: ArrayLike, energy: Energy, widths: Sequence[int]) -> Array:
    r"""Velocity of Q = [A, Aᵀ] along the gradient flow: only its first and last block move.

    .. math:: \dot Q = [A^N, M^T] + [A^N, M^T]^T, \qquad M = -\mathrm{blk}_N(E'(W))

    Returns
    -------
    (..., n_v, n_v) array

    Notes
    -----
    For :class:`~dlngeo.energies.Quadratic` of target Σ, with E = blk_N(Σ), it is
    [A^N, Eᵀ] + [A^N, Eᵀ]ᵀ - 2[A^N, (A^N)ᵀ]; the printed sign of the last term is wrong.
    Source: Wendin and Altafini, Prop. 6 and (19) corrected.
    """
    A, widths = network(A, widths)
    power, M = _corner(A, energy, widths)
    half = power @ transpose(M) - transpose(M) @ power
    velocity: Array = half + transpose(half)
    return velocity


def norm_velocity(
    A: ArrayLike, energy: Energy, widths: Sequence[int], *, weight_decay: float = 0.0
) -> Array:
    r"""Velocity of ‖A‖_F² along the gradient flow, of shape ``(...)``.

    .. math:: \frac{d}{dt}\|A\|_F^2 = -2N\,\langle E'(W), W\rangle_F - 2\gamma\|A\|_F^2

    Notes
    -----
    For Quadratic(Σ) without weight decay 2N⟨E - A^N, A^N⟩. It vanishes at critical points, but not
    there alone. Source: Wendin and Altafini, Prop. 9, (23), (25).
    """
    A, widths = network(A, widths)
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    power, M = _corner(A, energy, widths)
    radial = (len(widths) - 1) * (M * power).sum(axis=(-2, -1))
    velocity: Array = 2 * radial - 2 * gamma * (A**2).sum(axis=(-2, -1))
    return velocity


def loss_velocity(
    A: ArrayLike, energy: Energy, widths: Sequence[int], *, weight_decay: float = 0.0
) -> Array:
    r"""Velocity of the loss along its gradient flow, -‖∇L(A)‖_F² <= 0, of shape ``(...)``.

    Source: Wendin and Altafini, Prop. 13, (27).
    """
    velocity: Array = -(gradient(A, energy, widths, weight_decay=weight_decay) ** 2).sum(
        axis=(-2, -1)
    )
    return velocity


def least_loss(target: ArrayLike, widths: Sequence[int]) -> Array:
    r"""The least loss of Quadratic(target) over all networks of these widths, ``(...)``.

    .. math:: \tfrac12\sum_{i>d_{\min}} \sigma_i^2, \qquad d_{\min} = \min_p d_p

    Zero without a bottleneck. Below it the end-to-end matrix has rank at most d_min, and every
    minimum is global: the leading d_min singular values of the target.

    Notes
    -----
    Source: Wendin and Altafini, section 7 ("Bottlenecked architectures"); Eckart and Young.
    """
    widths = _checks.widths(widths)
    target, shape = _checks.matrix(target, "target"), (widths[-1], widths[0])
    if target.shape[-2:] != shape:
        raise ValueError(
            f"target must have shape (..., {shape[0]}, {shape[1]}) for the widths {widths}, not "
            f"{target.shape}"
        )
    sigma = svd(target)[1]
    least: Array = 0.5 * (sigma[..., min(widths) :] ** 2).sum(axis=-1)
    return least


def _end_to_end(A: Array, energy: Energy, widths: tuple[int, ...]) -> Array:
    """The block of A^N that an energy is asked about."""
    depth = len(widths) - 1
    (W,) = blocks(np.linalg.matrix_power(A, depth), depth, widths)
    require_stacks(energy, W, "A", hessian=False)
    return W


def _corner(A: Array, energy: Energy, widths: tuple[int, ...]) -> tuple[Array, Array]:
    """A^N and M = -blk_N(E'(W)), the residual E - A^N of a quadratic energy."""
    depth = len(widths) - 1
    _end_to_end(A, energy, widths)
    power = np.linalg.matrix_power(A, depth)
    corner = (..., *place(widths, depth, 0))
    M = np.zeros_like(power)
    M[corner] = -energy.gradient(power[corner])
    return power, M
