r"""The matrix of least nuclear norm that fits the measurements, beside the network's own solution.

Matrix sensing with fewer measurements than entries has many solutions. A deep network started near
zero finds one of low rank, sometimes but not always the one of least nuclear norm ‖W‖_* = Σ σ_k.
This file solves

.. math:: \min\ \|W\|_* \quad\text{subject to}\quad \langle B_i, W\rangle = y_i

by the alternating direction method of multipliers, and certifies the answer by the dual problem
max ⟨y, ν⟩ subject to ‖Σ_i ν_i B_i‖ <= 1, whose every feasible ν bounds the minimum from below.
Section 7 of Wendin and Altafini, around (68).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._threads import one_blas_thread
from dlngeo.energies import MatrixCompletion, MatrixSensing

__all__ = [
    "NuclearNormSolution",
    "minimum_nuclear_norm",
]


def __dir__() -> list[str]:
    return __all__


_BALANCE_EVERY = 20  # iterations between changes of the penalty
_BALANCE_UNTIL = 2000  # a penalty that goes on changing need not converge


@dataclass(frozen=True)
class NuclearNormSolution:
    """A matrix of least nuclear norm with its certificate.

    Attributes
    ----------
    W : (m, n) array
        Fits the measurements to rounding.
    value : float
        ‖W‖_*.
    multipliers : array
        Dual variables ν, one a measurement; for completion an (m, n) array, zero off the mask.
    bound : float
        ⟨y, ν⟩, a lower bound of the minimum: W is optimal up to ``value - bound``.
    iterations : int
    success : bool
        Whether value - bound <= tol · value.
    """

    W: Array
    value: float
    multipliers: Array
    bound: float
    iterations: int
    success: bool

    @property
    def gap(self) -> float:
        """The duality gap ``value - bound``, not below zero but for rounding."""
        return self.value - self.bound


@dataclass(frozen=True)
class _Constraint:
    """The affine set of all fits: its projection, and multipliers from its normal space."""

    project: Callable[[Array], Array]
    normal: Callable[[Array], Array]
    multipliers: Callable[[Array], Array]
    pair: Callable[[Array], float]


@one_blas_thread
def minimum_nuclear_norm(
    energy: MatrixSensing | MatrixCompletion, *, tol: float = 1e-8, max_iterations: int = 20_000
) -> NuclearNormSolution:
    r"""Solve min ‖W‖_* subject to energy(W) = 0.

    Parameters
    ----------
    energy : MatrixSensing or MatrixCompletion
        Its measurements; they must be consistent, and may depend on each other linearly.
    tol : float > 0
        Relative duality gap at which to stop.
    max_iterations : int >= 1

    Returns
    -------
    NuclearNormSolution
        ``success`` is False where the gap was not closed in time; its bound holds all the same.

    Raises
    ------
    TypeError
        For any other energy.
    ValueError
        If no matrix fits the measurements.

    Notes
    -----
    Douglas-Rachford splitting of ‖·‖_* and the affine set; each iterate is one singular value
    decomposition. Source: Wendin and Altafini, section 7.
    """
    tol = _checks.positive(tol, "tol")
    max_iterations = _checks.integer(max_iterations, "max_iterations", 1)
    constraint = _constraint(energy)
    W = constraint.project(np.zeros(energy.shape))  # the fit of least Frobenius norm
    size = float(np.linalg.norm(W, 2))
    if size == 0:
        return NuclearNormSolution(W, 0.0, constraint.multipliers(W), 0.0, 0, True)
    threshold, dual, low = size / 2, np.zeros(energy.shape), np.zeros(energy.shape)
    best, proof = (_nuclear(W), W), (0.0, np.zeros(energy.shape))
    iteration = 0
    for iteration in range(1, max_iterations + 1):
        before = low
        U, sigma, Vt = np.linalg.svd(W + dual, full_matrices=False)
        low = (U * np.maximum(sigma - threshold, 0)) @ Vt
        dual = (U * np.minimum(sigma, threshold)) @ Vt  # its spectral norm is the threshold at most
        W = constraint.project(low - dual)
        if iteration % 10 == 0 or iteration == max_iterations:
            fit = constraint.project(low)
            best = min(best, (_nuclear(fit), fit), key=_first)
            proof = max(proof, _certificate(constraint, dual), key=_first)
            if best[0] - proof[0] <= tol * best[0]:
                break
        if iteration % _BALANCE_EVERY == 0 and iteration <= _BALANCE_UNTIL:
            misfit = np.linalg.norm(W - low)
            motion = np.linalg.norm(low - before)
            factor = 2.0 if misfit < motion / 5 else 0.5 if misfit > 5 * motion else 1.0
            threshold, dual = threshold * factor, dual * factor
    (value, W), (bound, certificate) = best, proof
    success = value - bound <= tol * value
    multipliers = constraint.multipliers(certificate)
    return NuclearNormSolution(W, value, multipliers, bound, iteration, success)


def _first(pair: tuple[float, Array]) -> float:
    return pair[0]


def _certificate(constraint: _Constraint, dual: Array) -> tuple[float, Array]:
    """The part of the dual variable that measurements can make, scaled to be feasible."""
    candidate = constraint.normal(dual)
    norm = float(np.linalg.norm(candidate, 2))
    if norm == 0:
        return 0.0, candidate
    candidate = candidate / norm
    return constraint.pair(candidate), candidate


def _nuclear(W: Array) -> float:
    return float(np.linalg.svd(W, compute_uv=False).sum())


def _constraint(energy: MatrixSensing | MatrixCompletion) -> _Constraint:
    if isinstance(energy, MatrixCompletion):
        return _observed(energy)
    if isinstance(energy, MatrixSensing):
        return _measured(energy)
    raise TypeError(
        f"energy must be MatrixSensing or MatrixCompletion, not {type(energy).__name__}"
    )


def _observed(energy: MatrixCompletion) -> _Constraint:
    mask, observed = energy.mask, energy.observed
    return _Constraint(
        project=lambda W: np.where(mask, observed, W),
        normal=lambda Z: np.where(mask, Z, 0.0),
        multipliers=lambda Z: np.where(mask, Z, 0.0),
        pair=lambda Z: float((observed * Z).sum()),
    )


def _measured(energy: MatrixSensing) -> _Constraint:
    y, shape = energy.values, energy.shape
    rows = energy.measurements.reshape(y.size, -1)
    U, s, Vt = np.linalg.svd(rows, full_matrices=False)
    kept = s > max(rows.shape) * np.finfo(float).eps * s.max(initial=0.0)
    U, s, Vt = U[:, kept], s[kept], Vt[kept]
    coordinates = U.T @ y / s
    misfit = float(np.linalg.norm(y - U @ (U.T @ y)))
    if misfit > 1e-10 * float(np.linalg.norm(y)):
        raise ValueError(
            f"no matrix fits the measurements: any misses the values by {misfit:.3g} or more"
        )
    fit = (coordinates @ Vt).reshape(shape)

    def normal(Z: Array) -> Array:
        return ((Vt @ Z.ravel()) @ Vt).reshape(shape)

    return _Constraint(
        project=lambda W: W - normal(W) + fit,
        normal=normal,
        multipliers=lambda Z: U @ ((Vt @ Z.ravel()) / s),
        pair=lambda Z: float((fit * Z).sum()),
    )
