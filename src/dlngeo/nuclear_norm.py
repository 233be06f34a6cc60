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

from dataclasses import dataclass

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import svd_product
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, Fits, MatrixCompletion, MatrixSensing

__all__ = [
    "NuclearNormSolution",
    "minimum_nuclear_norm",
]


def __dir__() -> list[str]:
    return __all__


_BALANCE_EVERY = 20  # iterations between changes of the penalty
_BALANCE_UNTIL = 2000  # a penalty that goes on changing need not converge


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        m, n = self.W.shape
        return (
            f"NuclearNormSolution({m} x {n}, value {self.value:.6g}, gap {self.gap:.1e}, "
            f"success {self.success})"
        )

    @property
    def gap(self) -> float:
        """The duality gap ``value - bound``, not below zero but for rounding."""
        return self.value - self.bound


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

    Examples
    --------
    Of all matrices with this first column and that corner, the one of rank one:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.MatrixCompletion.from_nan([[1.0, 1.0], [1.0, np.nan]])
    >>> found = dln.nuclear_norm.minimum_nuclear_norm(energy)
    >>> found.W.round(3).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    tol = _checks.positive(tol, "tol")
    max_iterations = _checks.integer(max_iterations, "max_iterations", 1)
    fits = _fits(energy)
    W = fits.project(np.zeros(energy.shape))  # the fit of least Frobenius norm
    size = float(np.linalg.norm(W, 2))
    if size == 0:
        return NuclearNormSolution(W, 0.0, fits.multipliers(W), 0.0, 0, True)
    threshold, dual, low = size / 2, np.zeros(energy.shape), np.zeros(energy.shape)
    best, proof = (_nuclear(W), W), (0.0, np.zeros(energy.shape))
    iteration = 0
    for iteration in range(1, max_iterations + 1):
        before = low
        U, sigma, Vt = np.linalg.svd(W + dual, full_matrices=False)
        low = svd_product(U, np.maximum(sigma - threshold, 0), Vt)
        dual = svd_product(U, np.minimum(sigma, threshold), Vt)  # of norm at most the threshold
        W = fits.project(low - dual)
        if iteration % 10 == 0 or iteration == max_iterations:
            fit = fits.project(low)
            best = min(best, (_nuclear(fit), fit), key=_first)
            proof = max(proof, _certificate(fits, dual), key=_first)
            if best[0] - proof[0] <= tol * best[0]:
                break
        if iteration % _BALANCE_EVERY == 0 and iteration <= _BALANCE_UNTIL:
            misfit = np.linalg.norm(W - low)
            motion = np.linalg.norm(low - before)
            factor = 2.0 if misfit < motion / 5 else 0.5 if misfit > 5 * motion else 1.0
            threshold, dual = threshold * factor, dual * factor
    (value, W), (bound, certificate) = best, proof
    success = value - bound <= tol * value
    multipliers = fits.multipliers(certificate)
    return NuclearNormSolution(W, value, multipliers, bound, iteration, success)


def _first(pair: tuple[float, Array]) -> float:
    return pair[0]


def _certificate(fits: Fits, dual: Array) -> tuple[float, Array]:
    """The part of the dual variable that measurements can make, scaled to be feasible."""
    candidate = fits.normal(dual)
    norm = float(np.linalg.norm(candidate, 2))
    if norm == 0:
        return 0.0, candidate
    candidate = candidate / norm
    return fits.pair(candidate), candidate


def _nuclear(W: Array) -> float:
    return float(np.linalg.svd(W, compute_uv=False).sum())


def _fits(energy: Energy) -> Fits:
    fits = getattr(energy, "fits", None)
    if not callable(fits):
        raise TypeError(
            "energy must be MatrixSensing or MatrixCompletion, or have their method fits(), not "
            f"{type(energy).__name__}"
        )
    found: Fits = fits()
    return found
