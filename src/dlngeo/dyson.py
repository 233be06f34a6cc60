r"""Dyson Brownian motion and its lift to Hermitian matrices (Menon, section 11.1).

.. math:: dx_i = \sum_{j\ne i}\frac{dt}{x_i-x_j} + \sqrt{2/\beta}\,dW_i, \qquad
   dM = P_M\,dH + \sqrt{2/\beta}\,P_M^\perp dH

(11.1), (11.4): the eigenvalues of M have the law of x (Theorem 15a). At β = ∞ the noise turns the
eigenvectors alone, and the eigenvalues are driven apart by minus half the mean curvature of the
isospectral orbit, whose volume is van(x)² up to a constant (11.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import RNG, Array
from dlngeo._paths.run import Callback, Run
from dlngeo._paths.stepping import all_paths
from dlngeo._threads import one_blas_thread
from dlngeo.langevin import HermitianMatrices, Paths, submersion_sde

__all__ = [
    "log_orbit_volume",
    "simulate",
    "simulate_lift",
]


def __dir__() -> list[str]:
    return __all__


def log_orbit_volume(x: ArrayLike) -> Array:
    """S(x) = 2 log van(x), the entropy of the isospectral orbit up to a constant, (11.5)."""
    x = _checks.real_array(x, "x")
    if x.ndim < 1 or x.shape[-1] == 0:
        raise ValueError(f"x must have shape (..., d) with d >= 1, not {x.shape}")
    i, j = np.triu_indices(x.shape[-1], 1)
    with np.errstate(divide="ignore"):  # log 0 = -inf is meant
        return np.asarray(2 * np.log(np.abs(x[..., i] - x[..., j])).sum(axis=-1))[()]


def simulate(
    x: ArrayLike,
    *,
    beta: float,
    dt: float,
    n_steps: int,
    n_paths: int = 1,
    rng: RNG = None,
    save_every: int = 1,
    callback: Callback | None = None,
) -> Paths:
    """Sample paths of Dyson Brownian motion (11.1).

    Parameters
    ----------
    x : (d,) array, strictly increasing
    beta : float > 0, or inf
        ``inf``: no noise.
    dt, n_steps, n_paths, rng, save_every, callback
        As for :func:`dlngeo.langevin.submersion_sde`.

    Returns
    -------
    Paths
        ``m`` and ``x`` are the same, (path, time, d), increasing.

    Raises
    ------
    ValueError
        If x is not strictly increasing, or beta < 1: the particles then collide.

    Notes
    -----
    Drift-implicit Euler: each step minimises ½|x - y|² - dt Σ_{i<j} log(x_j - x_i), which has one
    minimum within the chamber, so particles never meet or change places.
    Source: Menon, (11.1)-(11.2), (11.6).

    Examples
    --------
    >>> import dlngeo as dln
    >>> run = dln.dyson.simulate([-1.0, 0.0, 1.0], beta=2.0, dt=0.01, n_steps=20, n_paths=5, rng=0)
    >>> run.x.shape, bool((run.x[..., 1:] > run.x[..., :-1]).all())  # they never meet
    ((5, 21, 3), True)
    """
    start = _checks.real_array(x, "x")
    if start.ndim != 1 or start.size == 0 or not (np.diff(start) > 0).all():
        raise ValueError("x must be a strictly increasing vector of d >= 1 numbers")
    if not _checks.real(beta, "beta") >= 1:
        raise ValueError(f"beta must be >= 1: below that the particles collide; it is {beta!r}")
    run = Run.of(dt, n_steps, save_every, n_paths, rng, callback=callback)
    outcome = all_paths(_Implicit(start.size, beta), start[None], run)
    return Paths.of(outcome, outcome.frames)


@one_blas_thread
def simulate_lift(
    M: ArrayLike,
    *,
    beta: float,
    dt: float,
    n_steps: int,
    n_paths: int = 1,
    rng: RNG = None,
    save_every: int = 1,
    callback: Callback | None = None,
) -> Paths:
    """Sample paths of the lift (11.4) to Hermitian matrices.

    Parameters
    ----------
    M : (d, d) Hermitian array
    beta : float > 0, or inf
        ``inf``: noise along the orbit alone.
    dt, n_steps, n_paths, rng, save_every, callback
        As for :func:`dlngeo.langevin.submersion_sde`.

    Returns
    -------
    Paths
        ``m (path, time, d, d)``, complex; ``x (path, time, d)``, its eigenvalues.

    Notes
    -----
    The instance of (12.1) on Her_d with inverse temperature 2 and anisotropy κ = 2/β: for (11.4)
    names β what there is κ (Remark 17). Source: Menon, (11.3)-(11.4), Theorem 15.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> M = np.diag([-1.0, 0.0, 1.0])
    >>> run = dln.dyson.simulate_lift(M, beta=2.0, dt=0.01, n_steps=20, n_paths=5, rng=0)
    >>> run.m.shape, bool(np.allclose(np.linalg.eigvalsh(run.m), run.x))
    ((5, 21, 3, 3), True)
    """
    matrix = _checks.complex_array(M, "M")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"M must be one square matrix; its shape is {matrix.shape}")
    if np.abs(matrix - matrix.conj().T).max() > 1e-12 * np.abs(matrix).max():
        raise ValueError("M must be Hermitian")
    if not _checks.real(beta, "beta") > 0:
        raise ValueError(f"beta must be > 0, not {beta!r}")
    return submersion_sde(
        HermitianMatrices(len(matrix)),
        matrix.astype(complex),
        beta=2.0,
        kappa=2 / beta,
        dt=dt,
        n_steps=n_steps,
        n_paths=n_paths,
        rng=rng,
        save_every=save_every,
        callback=callback,
    )


class _Implicit:
    """The drift-implicit Euler step."""

    def __init__(self, d: int, beta: float) -> None:
        self.noise_size, self._beta = d, beta

    def prepare(self, state: Array, kept: Array | None) -> tuple[Array, None]:
        """Its drift may be as stiff as it likes."""
        return np.zeros(len(state)), None

    def step(self, state: Array, normals: Array, dt: float | Array, ready: None) -> Array:
        """One step."""
        h = np.reshape(np.asarray(dt, dtype=float), (-1, 1))
        return _implicit(state, np.sqrt(2 * h / self._beta) * normals, h)


def _implicit(x: Array, noise: Array, dt: float | Array) -> Array:
    """The solution z > in order of z_i - dt Σ_j 1/(z_i - z_j) = x_i + noise_i, by Newton's method.

    Steps are cut so that no gap shrinks by more than half. NaN where no solution is found.
    """
    y, z = x + noise, x
    d = x.shape[-1]
    if d == 1:
        return np.asarray(y)
    one = np.eye(d, dtype=bool)
    active = np.isfinite(y).all(axis=-1)  # a path's numbers do not depend on its company
    found = np.zeros_like(active)
    for _ in range(200):
        gap = np.where(one, np.inf, z[..., :, None] - z[..., None, :])
        slope = z - y - dt * (1 / gap).sum(axis=-1)
        weight = np.asarray(dt)[..., None] / gap**2
        hessian = -weight
        hessian[..., one] = 1 + weight.sum(axis=-1)
        active &= np.isfinite(hessian).all(axis=(-2, -1)) & np.isfinite(slope).all(axis=-1)
        hessian = np.where(active[..., None, None], hessian, one)
        step = -np.linalg.solve(hessian, slope[..., None])[..., 0]
        rise, room = np.diff(step, axis=-1), np.diff(z, axis=-1)
        share = np.max(np.where(rise < 0, -rise / room, 0.0), axis=-1, keepdims=True)
        step = np.where(share > 0.5, 0.5 / np.maximum(share, 0.5), 1.0) * step
        z = np.where(active[..., None], z + step, z)
        size = np.abs(z) + room.max(axis=-1, keepdims=True)
        near = (np.abs(step) <= 1e-13 * size).all(axis=-1)
        found |= active & near
        active &= ~near
        if not active.any():
            break
    return np.where(found[..., None], z, np.nan)
