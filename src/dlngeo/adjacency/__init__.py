r"""The network as one matrix: loss, gradient and invariants of A (Wendin and Altafini, 2-3, 7).

A network of widths (d_0, ..., d_N) is the n_v × n_v matrix A = blk_1(W_1, ..., W_N), n_v = Σ d_p:
block (p, p-1) is W_p, all others vanish (:func:`from_weights`, :func:`to_weights`). Its powers hold
the products of consecutive layers, A^N = blk_N(W_N ⋯ W_1), and the gradient flow of the whole
network is one matrix ODE, Ȧ = -∇L(A) (:func:`loss`, :func:`gradient`). Everything is written in
whole matrices as the paper writes it: the ground truth that :mod:`dlngeo.weights` is compared with,
not the fast path.

- The block calculus: :func:`blk`, :func:`blocks`, :func:`powers`, :func:`mixed_product`,
  :func:`rho` (section 2.1.1, (20), (21)).
- What the flow conserves, and how the rest moves: :func:`commutator`, :func:`conserved`,
  :func:`commutator_velocity`, :func:`loss_velocity`, :func:`norm_velocity` (section 3).
- Both singular value decompositions of A: :func:`block_svd`, :func:`standard_svd`, and the
  :func:`misalignment` of layers (3.4, 5.3.1, A.4); its numerical range: :func:`numerical_radius`
  (3.6.3).
- Networks of one end-to-end matrix: :func:`are_equivalent`, :func:`change_basis`,
  :func:`is_annihilated` (4.3, A.5); bounds on trajectories: :func:`norm_bound` (4.1, A.3).
- Skip connections as a wider network: :func:`with_skips`, :func:`without_skips` (section 7).

Blocks are numbered from 0. Every function accepts stacks ``(..., n_v, n_v)``.
"""

from __future__ import annotations

from dlngeo.adjacency._block_svd import BlockSVD, StandardSVD, block_svd, misalignment, standard_svd
from dlngeo.adjacency._blocks import (
    blk,
    blocks,
    from_weights,
    mixed_product,
    nilpotency_index,
    powers,
    rho,
    to_weights,
)
from dlngeo.adjacency._boundedness import NormConstants, norm_bound, norm_constants
from dlngeo.adjacency._equivalence import are_equivalent, change_basis, is_annihilated
from dlngeo.adjacency._loss import block_gradient as block_gradient
from dlngeo.adjacency._loss import (
    commutator,
    commutator_velocity,
    conserved,
    gradient,
    hidden_projection,
    least_loss,
    loss,
    loss_velocity,
    norm_velocity,
)
from dlngeo.adjacency._numerical_range import numerical_radius
from dlngeo.adjacency._skip import skip_mask, skip_widths, with_skips, without_skips

__all__ = [
    "BlockSVD",
    "NormConstants",
    "StandardSVD",
    "are_equivalent",
    "blk",
    "block_svd",
    "blocks",
    "change_basis",
    "commutator",
    "commutator_velocity",
    "conserved",
    "from_weights",
    "gradient",
    "hidden_projection",
    "is_annihilated",
    "least_loss",
    "loss",
    "loss_velocity",
    "misalignment",
    "mixed_product",
    "nilpotency_index",
    "norm_bound",
    "norm_constants",
    "norm_velocity",
    "numerical_radius",
    "powers",
    "rho",
    "skip_mask",
    "skip_widths",
    "standard_svd",
    "to_weights",
    "with_skips",
    "without_skips",
]


def __dir__() -> list[str]:
    return __all__
