r"""The numerical range of a network is a disk about the origin (Wendin and Altafini, 3.6.3).

In block-shift form A and e^{iθ}A are unitarily similar through blk_0(1, e^{iθ}, e^{2iθ}, ...), so
{x*Ax : ‖x‖ = 1} is a disk and its radius is the largest eigenvalue of the symmetric part of A. What
the argument needs is that nodes have levels which every edge raises by one; that is checked, so
skip connections made of edges that jump over layers are refused.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dlngeo._checks import Array
from dlngeo._linalg import transpose
from dlngeo.adjacency._blocks import square_matrix


def numerical_radius(A: ArrayLike) -> Array:
    r"""The radius :math:`\lambda_{\max}\big(\tfrac12(A + A^T)\big)` of the numerical range of A.

    At depth 2 it is ½ λ_max(W_1W_1ᵀ + W_2ᵀW_2)^{1/2}. Never below half the spectral norm.

    Parameters
    ----------
    A : (..., n, n) array
        In block-shift form, for any widths; a stack in one and the same.

    Returns
    -------
    (...) array

    Raises
    ------
    ValueError
        If A is not in block-shift form for any widths and order of the nodes.

    Notes
    -----
    Half the largest singular value of the edges between even and odd levels, both ways: bipartite
    A + Aᵀ has the eigenvalues ±. Source: Wendin and Altafini, Prop. 11; Tam (1994).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> A = dln.adjacency.from_weights((np.array([[2.0]]), np.array([[2.0]])))
    >>> round(float(dln.adjacency.numerical_radius(A)), 6)  # 2 cos(π/4)
    1.414214
    """
    A = square_matrix(A)
    present = (A != 0).any(axis=tuple(range(A.ndim - 2)))
    odd = _levels(present) % 2 == 1
    symmetric = A + transpose(A)
    if not present.any():
        return np.zeros(A.shape[:-2])
    largest: Array = np.linalg.norm(symmetric[..., odd, :][..., ~odd], ord=2, axis=(-2, -1))
    return 0.5 * largest


def _levels(present: Array) -> Array:
    """Integers with level(i) = level(j) + 1 wherever there is an edge j -> i."""
    level = np.zeros(len(present), dtype=int)
    seen = np.zeros(len(present), dtype=bool)
    for root in range(len(present)):
        queue = [] if seen[root] else [root]
        seen[root] = True
        while queue:
            node = queue.pop()
            for step, neighbours in ((1, present[:, node]), (-1, present[node])):
                new = np.flatnonzero(neighbours & ~seen)
                level[new], seen[new] = level[node] + step, True
                queue += new.tolist()
    rows, columns = np.nonzero(present)
    if (level[rows] != level[columns] + 1).any():
        raise ValueError(
            "A must be in block-shift form: its nodes must have levels that every edge raises by "
            "one; they do not"
        )
    return level
