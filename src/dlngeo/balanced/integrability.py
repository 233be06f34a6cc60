r"""O'Neill's tensor A of the submersion φ on the balanced manifold: how horizontal spaces turn.

A_X Y = ver ∇_{hor X} hor Y + hor ∇_{hor X} ver Y. The field V_A of a gauge A, which is
A_p W_p - W_p A_{p-1}, is a Killing field, so that the first part is the vertical vector with

.. math:: \langle A_XY, V_A\rangle = -\langle Y, \nabla_X V_A\rangle
   = -\sum_p \langle Y_p, A_pX_p - X_pA_{p-1}\rangle,

and the second, for the gauge B of ver Y, the horizontal part of B_p X_p - X_p B_{p-1}. Derived;
O'Neill (1966).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from dlngeo._checks import Weights
from dlngeo._linalg import transpose
from dlngeo.balanced.tangent import TangentSplit, solve_orbit


def integrability(layers: Weights, X: Weights, Y: Weights) -> Weights:
    """A_X Y at balanced weights of full square layers; unchecked."""
    r = layers[0].shape[-1]
    if len(layers) == 1:
        return (np.zeros(np.broadcast_shapes(layers[0].shape, X[0].shape, Y[0].shape)),)
    split, moved = (TangentSplit.within(layers, V, r) for V in (Y, X))
    across, along, gauge = moved.horizontal(), split.horizontal(), split.gauge()
    bent = tuple(gauge[p + 1] @ V - V @ gauge[p] for p, V in enumerate(across))
    turned = TangentSplit.within(layers, bent, r).horizontal()
    vertical = _vertical(split, across, along)
    return tuple(H + V for H, V in zip(turned, vertical, strict=True))


def _vertical(split: TangentSplit, X: Weights, Y: Weights) -> Weights:
    """The vertical vector with the inner products above, X and Y being horizontal."""
    Q, lam = split.frames, split.lam
    products = []
    for p in range(1, len(X)):
        C = transpose(X[p]) @ Y[p] - Y[p - 1] @ transpose(X[p - 1])
        C = transpose(Q[p]) @ C @ Q[p]
        products.append(0.5 * (C - transpose(C)))
    turn = solve_orbit(np.stack(products), lam)
    zero = np.zeros_like(turn[:1])
    turn = np.concatenate((zero, turn, zero))
    inside = turn[1:] * lam[..., None, :] - lam[..., :, None] * turn[:-1]
    return tuple(L @ V @ transpose(R) for V, (R, L) in zip(inside, pairwise(Q), strict=True))
