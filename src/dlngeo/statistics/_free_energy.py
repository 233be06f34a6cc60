r"""Observables of ensembles, with their standard errors (Menon, sections 6 and 12).

What is measured on each path is an array (path, time, ...): ``ensemble.singular_values``,
``ensemble.energy``, ``ensemble.effective_rank``, and from here :func:`free_energy` and
:func:`dissipation`. :func:`mean` takes it over paths, which are independent, so its error needs no
autocorrelation time; a mean over late times of stationary paths is
``mean(values[:, late].mean(axis=1))``. By Itô's formula, for the Langevin equation (12.12),

.. math:: F(t) - F(0) = -\int_0^t|\mathrm{grad}\,F|^2ds + \frac\kappa\beta\int_0^t\Delta_gF\,ds
   + M_t

with a martingale M of zero mean (:func:`free_energy_balance`, derived). There is no term from the
reflection at λ_d = 0: at depth > 1 the derivative of F along λ_d vanishes there, and at depth 1
there is no boundary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.integrate import cumulative_trapezoid

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._equation import Equation
from dlngeo._results.ensemble import Ensemble, refuse_early_ends
from dlngeo.energies import Energy, require_stacks
from dlngeo.entropy.free_energies import free_energy_at, thermal
from dlngeo.entropy.laplacian import laplacian_at, squared_slope_at
from dlngeo.spectral.fibre_volume import State
from dlngeo.statistics._estimates import Estimate, mean

_BLOCK = 2**20  # numbers in the largest temporary array


def free_energy(ensemble: Ensemble, energy: Energy) -> Array:
    """F_β at every frame, (path, time), at the ensemble's own depth, β and weight decay.

    Parameters
    ----------
    ensemble : Ensemble
        Of square W, with its equation.
    energy : Energy
        The one it was run with.

    Raises
    ------
    ValueError
        For an ensemble of other shape or without its equation, and for weight decay at depth
        ``inf``, where it has no limit. After the end of a path the values are NaN.

    Notes
    -----
    Source: Menon, (6.6).
    """
    return _everywhere(free_energy_at, ensemble, energy)


def dissipation(ensemble: Ensemble, energy: Energy) -> Array:
    r"""The squared length :math:`|\mathrm{grad}\,F_\beta|^2_{g^N}` at every frame, (path, time).

    Parameters and errors as :func:`free_energy`; NaN where F has no gradient, at two zero singular
    values, or one at depth ``inf``. It is summed in the frames of W, and finite where one singular
    value comes to zero or several meet. Source: Menon, (4.15), (12.13).
    """
    return _everywhere(squared_slope_at, ensemble, energy)


class Balance(NamedTuple):
    """Means over paths, each (time,): change = -dissipation + diffusion + residual."""

    t: Array
    change: Estimate  # F(t) - F(0)
    dissipation: Estimate  # ∫ |grad F|² ds
    diffusion: Estimate  # (κ/β) ∫ Δ_g F ds
    residual: Estimate  # of zero mean, but for what time steps and frames leave

    def __repr__(self) -> str:
        value, error = self.residual.value[-1], self.residual.error[-1]
        return f"Balance({len(self.t)} frames, residual {value:.2g} ± {error:.2g} at the end)"


def free_energy_balance(ensemble: Ensemble, energy: Energy) -> Balance:
    r"""Where the free energy goes along the mean, and whether the account closes.

    .. math:: \mathbb E F(t) - F(0) = -\int_0^t\mathbb E|\mathrm{grad}\,F|^2ds
       + \frac\kappa\beta\int_0^t\mathbb E\,\Delta_gF\,ds

    Parameters
    ----------
    ensemble : Ensemble
        From :func:`dlngeo.langevin.simulate`: the noise 2κ/β of its equation and no other.
    energy : Energy
        The one it was run with.

    Returns
    -------
    Balance
        The three terms and their residual path by path, averaged: each an :class:`Estimate`. The
        residual's error is that of the martingale, whose variance is (2κ/β) ∫ E|grad F|² ds. At
        κ = 0 it is the identity of the gradient flow of F.

    Raises
    ------
    ValueError
        As for :func:`free_energy`, and where paths ended early
        (:meth:`dlngeo.langevin.Ensemble.together` ends all with the first).
    numpy.linalg.LinAlgError
        Where F has no gradient or Laplacian at a frame.

    Notes
    -----
    Integrals are by the trapezoidal rule over the saved frames, which errs by the square of their
    distance; frames too far apart show as a residual. At 1 < N < 2 the Laplacian is
    unbounded, though integrable, at the boundary. The Brownian motion on end-to-end matrices
    lacks the drift -grad F, and its account does not close. Source: derived from Menon, (12.12).
    """
    equation = _equation(ensemble)
    refuse_early_ends(ensemble)
    require_stacks(energy, ensemble.W[0, 0], "ensemble")
    F = free_energy(ensemble, energy)
    with np.errstate(invalid="ignore"):  # an infinite F is refused below
        change = F - F[:, :1]
    spent = _integral(dissipation(ensemble, energy), ensemble.t)
    gained = np.zeros_like(spent)
    if equation.kappa > 0:
        laplacian = _everywhere(laplacian_at, ensemble, energy)
        gained = equation.temperature * _integral(laplacian, ensemble.t)
    parts = (change, spent, gained, change + spent - gained)
    if not np.isfinite(parts[-1]).all():
        raise np.linalg.LinAlgError(
            "the balance needs the gradient and the Laplacian of F at every frame; at "
            f"{int((~np.isfinite(parts[-1])).any(axis=1).sum())} of {len(F)} paths they are "
            "infinite or without a limit somewhere"
        )
    return Balance(ensemble.t, *(mean(part) for part in parts))


def _integral(values: Array, t: Array) -> Array:
    return np.asarray(cumulative_trapezoid(values, t, axis=1, initial=0.0))


def _equation(ensemble: Ensemble) -> Equation:
    """The equation of an ensemble; hidden layers must be as wide as W."""
    _checks.instance(ensemble, "ensemble", Ensemble)
    if ensemble.equation is None:
        raise ValueError("ensemble.equation must tell what moved the paths; it is None")
    m, n = ensemble.W.shape[-2:]
    widths = ensemble.provenance.get("widths")
    if m != n or set(widths or (n,)) != {n}:
        raise ValueError(
            f"ensemble must be of square networks, d × d in every layer; W is {m} × {n} and "
            f"widths {widths}"
        )
    return ensemble.equation


def _everywhere(function: Callable[..., Array], ensemble: Ensemble, energy: Energy) -> Array:
    """A function of W at all frames, (path, time), some at a time: temporaries are large.

    NaN after the end of a path.
    """
    equation = _equation(ensemble)
    require_stacks(energy, ensemble.W[0, 0], "ensemble", hessian=False)
    depth, d = equation.depth, ensemble.W.shape[-1]
    beta, gamma = thermal(equation.beta, equation.weight_decay, depth)
    there = np.isfinite(ensemble.W).all(axis=(-2, -1))
    W, values = ensemble.W[there], np.full(there.shape, np.nan)
    result = np.empty(len(W))
    size = max(1, _BLOCK // d**3)
    for first in range(0, len(W), size):
        part = slice(first, first + size)
        result[part] = function(energy, State.of(W[part], depth, None, None), beta, gamma)
    values[there] = result
    return values
