r"""What an energy does not see: lines and reflections, and the entropy there (Menon, 6.3, 14.2).

For depth N > 1 and d >= 2 the entropy grows along every line W + xD, W generic, like

.. math:: S = \big(1-\tfrac1N\big)\Big[\tfrac{\rho(\rho-1)}2 + \rho(d-\rho)\Big]\log x,
   \qquad \rho = \mathrm{rank}\,D,

since ρ singular values grow like x and the others stay, and K(σ_k, σ_l) is of degree 2 - 2/N in the
larger. So where E is constant along a line and there is no weight decay, the free energy is
unbounded below. The lines are found from E'' and E, for every energy alike: it need say nothing of
its null space.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import minimize

from dlngeo._checks import Array
from dlngeo.energies import Energy


def flat_directions(energy: Energy, d: int, generator: np.random.Generator) -> Array:
    """An orthonormal basis (k, d, d) of the directions along which E is constant, everywhere."""
    basis = np.eye(d * d).reshape(-1, d, d)
    bends = [
        energy.hessian(np.broadcast_to(W, basis.shape), basis).reshape(d * d, d * d)
        for W in generator.standard_normal((3, d, d))
    ]
    _, sizes, Vt = np.linalg.svd(np.concatenate(bends))
    null = Vt[sizes <= 1e-12 * max(sizes[0], np.finfo(float).tiny)].reshape(-1, d, d)
    points = generator.standard_normal((2, 1, 1, d, d))
    steps = np.array([1.0, 30.0, 1e3])[:, None, None, None]
    moved = energy.value(points + steps * null)
    still = energy.value(points)
    scale = np.abs(still) + np.linalg.norm(energy.gradient(points), axis=(-2, -1))
    constant = (np.abs(moved - still) <= 1e-9 * steps[..., 0, 0] * scale).all(axis=(0, 1))
    return np.asarray(null[constant])


def entropy_growth(direction: Array, depth: float) -> float:
    """The factor of log x in S along x · direction: (1 - 1/N)[ρ(ρ-1)/2 + ρ(d-ρ)]."""
    d, rank = len(direction), int(np.linalg.matrix_rank(direction))
    share = 1.0 if math.isinf(depth) else 1 - 1 / depth
    return share * (rank * (rank - 1) / 2 + rank * (d - rank))


def representative(flat: Array) -> Array:
    """The flat direction nearest to the matrix of ones, else the first."""
    shares = flat.sum(axis=(-2, -1))
    direction = np.tensordot(shares, flat, axes=1) if np.abs(shares).max() > 1e-6 else flat[0]
    direction = np.where(np.abs(direction) < 1e-12 * np.abs(direction).max(), 0.0, direction)
    return np.asarray(direction / np.linalg.norm(direction))


def stationary(energy: Energy, d: int, decay: float = 0.0) -> Array:
    """A minimum of E + decay/2 ‖W‖², by Newton's method with least-norm steps from zero."""
    W = np.zeros((d, d))
    basis = np.eye(d * d).reshape(-1, d, d)

    def value(w: Array) -> tuple[float, Array]:
        M = w.reshape(d, d)
        slope = energy.gradient(M) + decay * M
        return float(energy.value(M)) + decay / 2 * float((M**2).sum()), slope.ravel()

    for _ in range(50):
        fall, slope = value(W.ravel())
        bend = energy.hessian(W, basis).reshape(d * d, -1) + decay * np.eye(d * d)
        step = -np.linalg.lstsq((bend + bend.T) / 2, slope, rcond=1e-12)[0].reshape(d, d)
        if not value((W + step).ravel())[0] <= fall:
            W = minimize(value, W.ravel(), jac=True, method="BFGS").x.reshape(d, d)
            break
        W = W + step
        if np.abs(step).max() <= 1e-14 * (1 + np.abs(W).max()):
            break
    return W


def images(W: Array) -> Array:
    """W transposed, with rows or columns or one of each negated, with two indices exchanged.

    All leave the singular values alone: of equal free energy where the energy does not see them.
    """
    d = len(W)
    signs = np.ones((d + 1, d)) - 2 * np.eye(d + 1, d)  # the last flips none
    flipped = signs[:, None, :, None] * W * signs[None, :, None, :]
    swaps = []
    for i, j in itertools.combinations(range(d), 2):
        order = np.arange(d)
        order[[i, j]] = j, i
        swaps.append(W[order][:, order])
    return np.concatenate((W.T[None], flipped.reshape(-1, d, d), np.array(swaps).reshape(-1, d, d)))
