r"""Gradient descent at the edge of stability: sharpness beside 2/η, and orbits of period 2.

Source: Chemnitz, Engel, Kuehn and Kuntz, the part on stability of (stochastic) gradient descent.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, flows, hessian
from dlngeo._callbacks import Callback
from dlngeo._checks import Array, Weights
from dlngeo._linalg import transpose
from dlngeo._results.trajectory import Trajectory
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, require_stacks
from dlngeo.stability._batches import positive
from dlngeo.weights import end_to_end
from dlngeo.weights import gradient as lifted_gradient


class EdgeRun(NamedTuple):
    """Gradient descent with the sharpness along it and the ``edge`` 2/η."""

    trajectory: Trajectory
    sharpness: Array
    edge: float

    def __repr__(self) -> str:
        return (
            f"EdgeRun(sharpness {self.sharpness.shape} up to {self.sharpness.max():.4g}, edge "
            f"{self.edge:.4g}, {self.trajectory})"
        )


@one_blas_thread
def descend(
    energy: Energy,
    weights: Sequence[ArrayLike],
    step: float,
    n_steps: int,
    *,
    save_every: int = 1,
    callback: Callback | None = None,
) -> EdgeRun:
    r"""Gradient descent, its sharpness :math:`\lambda_{max}(\nabla^2 E\circ\varphi)` beside 2/η.

    Parameters
    ----------
    energy, weights, step, n_steps, save_every, callback
        As for :func:`dlngeo.flows.gradient_descent`.

    Returns
    -------
    EdgeRun
        ``sharpness`` has the shape (time, ...) of ``trajectory.energy``.
    """
    require_stacks(energy, end_to_end(weights), "weights")
    run = flows.gradient_descent(
        energy, weights, step, n_steps, save_every=save_every, callback=callback
    )
    sharpness = hessian.sharpness(energy, run.weights or ())
    return EdgeRun(run, sharpness, 2 / float(step))


def minimal_sharpness(sigma: ArrayLike, depth: int) -> Array:
    r"""The sharpness :math:`h\sigma_1^{2-2/h}` of the balanced minima of ½‖W - Φ‖², σ_1 = ‖Φ‖.

    For scalars no minimum is flatter. Gradient descent of step η can settle on a minimum of depth h
    only if this lies below 2/η.

    Notes
    -----
    Source: derived, for scalars by the inequality of the means.
    """
    h, sigma = _checks.integer(depth, "depth", 1), _checks.real_array(sigma, "sigma")
    if (sigma < 0).any():
        raise ValueError(f"sigma must be non-negative; its smallest entry is {sigma.min():g}")
    sharpness: Array = h * sigma ** (2 - 2 / h)
    return sharpness


def imbalance_change(energy: Energy, weights: Sequence[ArrayLike], step: float) -> Weights:
    r"""How one step of gradient descent changes the imbalances, exactly.

    .. math:: \Delta(W_pW_p^T - W_{p+1}^TW_{p+1}) = \eta^2(G_pG_p^T - G_{p+1}^TG_{p+1}),
       \qquad G_p = \nabla_{W_p}E\circ\varphi

    Parameters
    ----------
    energy : Energy
    weights : tuple of (..., d_p, d_{p-1}) arrays
    step : float > 0

    Returns
    -------
    tuple of N - 1 arrays (..., d_p, d_p)
    """
    eta, G = _checks.positive(step, "step"), lifted_gradient(energy, weights)
    return tuple(
        eta * (eta * (left @ transpose(left) - transpose(right) @ right))
        for left, right in itertools.pairwise(G)
    )


class TwoCycle(NamedTuple):
    """An orbit of period 2 of gradient descent: the common value of both layers, twice.

    ``multiplier`` belongs to a displacement that keeps the layers equal, ``transverse`` to one that
    does not; the orbit is ``stable`` where both are below 1 in size.
    """

    low: Array
    high: Array
    multiplier: Array
    transverse: Array
    stable: Array

    def __repr__(self) -> str:
        if np.ndim(self.stable) == 0:
            values = ", ".join(f"{name}={value:.6g}" for name, value in self._asdict().items())
            return f"TwoCycle({values})"
        return f"TwoCycle({self.stable.shape} orbits, {self.stable.sum()} of them stable)"


def two_cycle(sigma: ArrayLike, step: ArrayLike) -> TwoCycle:
    r"""The period-2 orbit of gradient descent on ½(σ - w_2w_1)² from w_1 = w_2 = z.

    The map z ← z + ηz(σ - z²) becomes x ← (1+a)x - x³ by x = √η z, a = ησ. Beyond the edge a = 1
    it has the orbit

    .. math:: xy = 1,\quad x^2 + y^2 = 1 + a

    with multiplier 9 - 2(1+a)², stable for a < √5 - 1, and 3 - 2a across.

    Parameters
    ----------
    sigma, step : arrays of positive numbers, broadcast

    Returns
    -------
    TwoCycle

    Raises
    ------
    ValueError
        Where ησ < 1: the fixed point is stable and there is no such orbit.

    Notes
    -----
    At ησ = 1 both points are the fixed point z = √σ.

    Examples
    --------
    >>> import dlngeo as dln
    >>> found = dln.stability.two_cycle(1.0, 1.1)
    >>> round(float(found.multiplier), 6), bool(found.stable)  # 9 - 2(1 + 1.1)²
    (0.18, True)
    """
    sigma, eta = positive(sigma, "sigma"), positive(step, "step")
    a = eta * sigma
    if (a < 1).any():
        raise ValueError(f"step * sigma must be at least 1, the edge; it is {a.min():g}")
    total, spread = np.sqrt(a + 3), np.sqrt(a - 1)  # x + y, y - x
    high = (total + spread) / 2
    multiplier, transverse = 9 - 2 * (1 + a) ** 2, 3 - 2 * a
    stable = (np.abs(multiplier) < 1) & (np.abs(transverse) < 1)
    root = np.sqrt(eta)
    return TwoCycle(1 / high / root, high / root, multiplier, transverse, stable)
