r"""Noise that does not keep the imbalance: the fate of G (Menon, section 13.4).

On all weights, balanced or not, let Itô's noise lie in the tangent space of the G-balanced variety
through the present weights,

.. math:: d\mathbf W = -\nabla(E\circ\varphi)\,dt
   + \sqrt{2/\beta}\,\big(P_{\ker}+\sqrt\kappa\,(P_T-P_{\ker})\big)\,d\mathbf B, \qquad
   T = \ker dG,\quad \ker = \ker dG\cap\ker\varphi_*,

without the curvature that would keep the weights on the variety, as round-off or a plain Euler
step does. The gradient keeps G. The noise moves it:

.. math:: dG_p = \mathbb E\big[V_pV_p^T-V_{p+1}^TV_{p+1}\big]\,dt

for V the noise of unit time. At d = 1, N = 2, κ = 1 that is dG = -(2/β) G/|w|² dt. Derived.

Motion towards balance is what noise of κ = 1 and 3 gives at N = 2 with d_0 = d_2, equal input and
output widths: there balanced weights stay balanced in the mean, and ⟨G, dG⟩ < 0 at every random
network of widths up to 3. Other widths have a push of (2/β)(d_0 - d_2) besides (κ = 1); at widths
(1, 1, 2) the whole is dG = -(2/β)(1 + G/|w|²) dt, and balanced weights leave. At κ = 0, noise in
the gauge alone, ⟨G, dG⟩ > 0 at N = 2 and all widths 2 or 3: G is driven away; at d = 1 there is no
such noise. From N = 3 on and d >= 2 even balanced weights are driven out of balance, whatever κ.
These signs are observed, not proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import RNG, Array, Weights
from dlngeo._equation import Equation
from dlngeo._linalg import layer_widths, product, transpose
from dlngeo._paths.run import Callback, Run
from dlngeo._paths.stepping import all_paths
from dlngeo._results.ensemble import Ensemble, build
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, require_stacks
from dlngeo.langevin._start import end_to_end
from dlngeo.langevin._submersion_sde import Tangential
from dlngeo.langevin._upstairs import lifted_gradient
from dlngeo.weights import flatten, unflatten


class TangentNoise:
    """All weights, cut into G-balanced varieties; a point is all weights as one vector.

    A straight line leaves the variety: ``move`` has no curvature, on purpose.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = _checks.widths(widths)
        self.noise_size = sum(a * b for a, b in pairwise(self.widths))

    def noise(self, normals: Array) -> Array:
        """One number for each entry of each layer."""
        return normals

    def split(self, m: Array, v: Array) -> tuple[Array, Array]:
        """The part in ker dG ∩ ker φ_*, and the rest of the part in ker dG."""
        tangent, kernel = self.projectors(m)
        along = np.einsum("...ij,...j->...i", kernel, v)
        return along, np.einsum("...ij,...j->...i", tangent, v) - along

    def move(self, m: Array, v: Array) -> Array:
        """A straight line, NaN where W leaves the range of floating point."""
        new = m + v
        there = np.asarray(np.isfinite(self.observe(new)).all(axis=(-2, -1)))
        return np.where(there[..., None], new, np.nan)

    def observe(self, m: Array) -> Array:
        """The end-to-end matrix."""
        return product(unflatten(m, self.widths))

    def projectors(self, m: Array) -> tuple[Array, Array]:
        """The orthogonal projectors on ker dG and on ker dG ∩ ker φ_*, matrices."""
        layers = unflatten(m, self.widths)
        constraints = _imbalance_rows(layers)
        both = np.concatenate((constraints, _product_rows(layers)), axis=-2)
        return _off(constraints), _off(both)


def _off(rows: Array) -> Array:
    """The projector on what is orthogonal to all rows."""
    n = rows.shape[-1]
    if rows.shape[-2] == 0:
        return np.broadcast_to(np.eye(n), (*rows.shape[:-2], n, n))
    _, s, Vt = np.linalg.svd(rows, full_matrices=False)
    there = s > 1e-12 * s[..., :1]
    kept = Vt * there[..., None]
    return np.asarray(np.eye(n) - transpose(kept) @ kept)


def _imbalance_rows(layers: Weights) -> Array:
    """Rows of V → V_p W_pᵀ + W_p V_pᵀ - V_{p+1}ᵀ W_{p+1} - W_{p+1}ᵀ V_{p+1}, upper halves."""
    stack = layers[0].shape[:-2]
    rows = []
    for p, (left, right) in enumerate(pairwise(layers)):
        d = left.shape[-2]
        for i in range(d):
            for j in range(i, d):
                blocks = [np.zeros_like(W) for W in layers]
                blocks[p][..., i, :] += left[..., j, :]
                blocks[p][..., j, :] += left[..., i, :]
                blocks[p + 1][..., :, i] -= right[..., :, j]
                blocks[p + 1][..., :, j] -= right[..., :, i]
                rows.append(flatten(tuple(blocks)))
    size = sum(W.shape[-2] * W.shape[-1] for W in layers)
    return np.stack(rows, axis=-2) if rows else np.zeros((*stack, 0, size))


def _product_rows(layers: Weights) -> Array:
    """φ_* as a matrix: the entry (i, j) of Σ_p W_N⋯W_{p+1} V_p W_{p-1}⋯W_1 in each row."""
    columns = []
    for p, W in enumerate(layers):
        m, n = layers[-1].shape[-2], layers[0].shape[-1]
        after = product(layers[p + 1 :]) if p + 1 < len(layers) else _eye(W, m)
        before = product(layers[:p]) if p else _eye(W, n)
        block = np.einsum("...ia,...bj->...ijab", after, before)
        columns.append(block.reshape(*W.shape[:-2], m * n, W.shape[-2] * W.shape[-1]))
    return np.concatenate(columns, axis=-1)


def _eye(W: Array, d: int) -> Array:
    return np.broadcast_to(np.eye(d), (*W.shape[:-2], d, d))


@one_blas_thread
def simulate_unbalanced(
    energy: Energy | None,
    weights: Sequence[ArrayLike],
    *,
    beta: float,
    kappa: float = 1.0,
    dt: float,
    n_steps: int,
    n_paths: int = 1,
    rng: RNG = None,
    save_every: int | None = None,
    first_path: int = 0,
    workers: int = 1,
    callback: Callback | None = None,
) -> Ensemble:
    """Simulate Itô noise tangent to the G-balanced varieties, which moves G.

    Parameters
    ----------
    energy : Energy or None
        None: noise alone.
    weights : tuple of (d_p, d_{p-1}) arrays
        Any one network, balanced or not: the start of every path.
    beta : float > 0
        Inverse temperature.
    kappa : float >= 0
        Strength of the noise that moves W relative to that in the gauge; at 0 noise lies in
        ker dG ∩ ker φ_*.
    dt, n_steps, n_paths, rng, save_every, first_path, workers, callback
        As for :func:`dlngeo.langevin.simulate`.

    Returns
    -------
    Ensemble
        ``weights.imbalance(run.weights)`` is G along the paths.

    Raises
    ------
    ValueError
        For bad input.

    Notes
    -----
    Euler-Maruyama; the energy's own Euler steps move G by O(dt) besides. Projections cost
    O((N d²)³). Source: Menon, section 13.4; :func:`imbalance_drift` is the mean motion.
    """
    layers = _checks.weights(weights)
    if any(W.ndim != 2 for W in layers):
        raise ValueError(f"weights must be one network; the shapes are {[W.shape for W in layers]}")
    point = end_to_end(layers, "weights")
    if energy is not None:
        require_stacks(energy, point, "weights")
    space = TangentNoise(layer_widths(layers))
    depth = float(len(layers))
    equation = Equation(energy, depth, beta, kappa, entropy=False)
    run = Run.of(
        dt, n_steps, save_every, n_paths, rng,
        first_path=first_path, workers=workers, callback=callback,
    )  # fmt: skip
    stepper = Tangential(space, beta, kappa, lifted_gradient(energy, space.widths))
    outcome = all_paths(stepper, flatten(layers)[None], run, show=space.observe)
    frames = unflatten(outcome.frames, space.widths)
    name = "Ito noise tangent to the G-balanced variety"
    provenance = outcome.provenance() | equation.provenance() | {"equation": name, "upstairs": True}
    ends = outcome.ends()
    message = outcome.message(ends)
    return build(equation, outcome.times, product(frames), frames, ends, message, provenance)


def imbalance_drift(weights: Sequence[ArrayLike], *, beta: float, kappa: float = 1.0) -> Weights:
    """The mean velocity dG/dt of the imbalances under noise tangent to their variety.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays
        Any weights.
    beta : float > 0
    kappa : float >= 0
        At 0 the noise is in the gauge alone, ker dG ∩ ker φ_*.

    Returns
    -------
    tuple of N - 1 (..., d_p, d_p) arrays

    Notes
    -----
    Source: derived, for the question of Menon, section 13.4.
    """
    layers = _checks.weights(weights)
    space = TangentNoise(layer_widths(layers))
    tangent, kernel = space.projectors(flatten(layers))
    beta, kappa = _checks.positive(beta, "beta"), _checks.non_negative(kappa, "kappa")
    covariance = 2 / beta * (kappa * tangent + (1 - kappa) * kernel)
    blocks, start = [], 0
    for W in layers:
        m, n = W.shape[-2:]
        part = slice(start, start + m * n)
        block = covariance[..., part, part].reshape(*W.shape[:-2], m, n, m, n)
        blocks.append(block)
        start = part.stop
    return tuple(
        np.einsum("...iaja->...ij", left) - np.einsum("...aiaj->...ij", right)
        for left, right in pairwise(blocks)
    )
