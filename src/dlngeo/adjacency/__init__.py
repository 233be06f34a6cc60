"""The network as one matrix: loss, gradient and invariants of A (Wendin and Altafini, 2-3, 7)."""

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
