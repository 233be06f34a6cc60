r"""The Riemannian Langevin equation in sdeint's form, so that its integrators run on it.

sdeint takes dy = f(y, t) dt + G(y, t) dw with y a vector: here the entries of W, row by row, and
(Menon, 12.12)

.. math:: f = -\mathrm{grad}_{g^N}F_\beta + \frac\kappa\beta\,Q_N\Sigma''Q_0^T, \qquad
   G = \sqrt{2\kappa/\beta}\;\mathcal A_{N,W}^{1/2}

as a d² × d² matrix. It knows nothing of the boundary det W = 0, which the library's own simulation
reflects at: an independent check for small d and short times. sdeint itself (GPL-3) is not needed
to import this module; nothing else in the library imports it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dlngeo import _checks, metric
from dlngeo._checks import Array
from dlngeo.energies import Energy, require_stacks
from dlngeo.entropy.free_energies import gradient_at, thermal
from dlngeo.spectral.fibre_volume import State
from dlngeo.spectral.frame import Frame

__all__ = ["Equations", "equations"]


class Equations(NamedTuple):
    """``f(y, t)`` and ``G(y, t)`` for sdeint, as in ``sdeint.itoEuler(f, G, y0, t)``."""

    f: Callable[[Array, float], Array]
    G: Callable[[Array, float], Array]


def equations(
    energy: Energy,
    d: int,
    *,
    depth: float,
    beta: float,
    kappa: float = 1.0,
    weight_decay: float = 0.0,
) -> Equations:
    """Drift and diffusion of (12.12) downstairs for d × d matrices of full rank.

    Parameters
    ----------
    energy : Energy
    d : int >= 1
    depth : real number >= 1, or inf
    beta : float > 0
    kappa : float >= 0
        Noise in W is of strength 2κ/β.
    weight_decay : float >= 0

    Returns
    -------
    Equations
        On vectors of length d²: ``y = W.ravel()``.

    Notes
    -----
    Source: Menon, (12.8)-(12.13), (12.10) corrected.
    """
    d = _checks.integer(d, "d", 1)
    depth, kappa = _checks.depth(depth), _checks.non_negative(kappa, "kappa")
    beta, weight_decay = thermal(beta, weight_decay, depth)
    require_stacks(energy, np.eye(d), "d", hessian=False)
    basis = np.eye(d * d).reshape(d * d, d, d)
    amplitude = math.sqrt(2 * kappa / beta)

    def matrix(y: Array) -> Array:
        vector = _checks.real_array(y, "y")
        if vector.shape != (d * d,):
            raise ValueError(f"y must have shape ({d * d},), W.ravel(); it has {vector.shape}")
        return vector.reshape(d, d)

    def drift(y: Array, t: float) -> Array:
        W = matrix(y)
        frame, state = Frame.of(W, depth, d), State.of(W, depth, None, None)
        slope = gradient_at(energy, state, beta, weight_decay)
        return (kappa / beta * metric.drift(frame) - slope).ravel()

    def diffusion(y: Array, t: float) -> Array:
        W = matrix(y)
        # 𝒜^{1/2} is symmetric: its rows are its columns
        return amplitude * Frame.of(W, depth, d).sqrt(basis).reshape(d * d, d * d)

    return Equations(drift, diffusion)
