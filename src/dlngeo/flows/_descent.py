"""Gradient descent on the weights, step by step (survey, (67)): the flow's discrete companion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _callbacks, _checks
from dlngeo._callbacks import Callback
from dlngeo._equation import Equation
from dlngeo._results.trajectory import Trajectory
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, asked_value
from dlngeo.flows._control import energy_bound
from dlngeo.flows._record import Record
from dlngeo.flows._systems import WeightFlow


@one_blas_thread
def gradient_descent(
    energy: Energy,
    weights: Sequence[ArrayLike],
    step: float,
    n_steps: int,
    *,
    weight_decay: float = 0.0,
    save_every: int = 1,
    stop_loss: float | None = None,
    callback: Callback | None = None,
) -> Trajectory:
    r"""Gradient descent on the weights, W_p ← W_p - η (∇_{W_p} E∘φ + γ W_p).

    Parameters
    ----------
    energy : Energy
    weights : tuple of (..., d_p, d_{p-1}) arrays
    step : float > 0
        The step size η.
    n_steps : int >= 0
    weight_decay : float >= 0
    save_every : int >= 1
        Save every so many steps; start and end are saved in any case.
    stop_loss, callback
        As for :func:`gradient_flow`, looked at after every step.

    Returns
    -------
    Trajectory
        With t = η · step number, so that it lies beside the flow's. A run whose weights overflow
        has status -1 and keeps the last finite ones.

    Notes
    -----
    Source: Wendin and Altafini, (67) with its sign corrected.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([3.0, 1.0]))
    >>> start = dln.balanced.lift([[1.0, 0.5], [0.0, 1.0]], 2)
    >>> run = dln.flows.gradient_descent(energy, start, 0.1, 100)
    >>> run.singular_values[-1].round(2).tolist()
    [3.0, 1.0]
    """
    layers, eta = _checks.weights(weights), _checks.positive(step, "step")
    n_steps = _checks.integer(n_steps, "n_steps", 0)
    save_every = _checks.integer(save_every, "save_every", 1)
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    stop_loss, callback = energy_bound(stop_loss), _callbacks.checked(callback)
    system = WeightFlow(Equation(energy, len(layers), weight_decay=gamma), layers, "weights")
    record = Record(0.0, system.start)
    y, k, status, message = system.start, 0, 0, f"took all {n_steps} steps"
    with np.errstate(over="ignore", invalid="ignore"):  # overflow is seen to, not warned of
        if system.reading(y) is None:
            status, message, n_steps = -1, "failed: the energy is not finite at the start", 0
        for k in range(1, n_steps + 1):
            new = y + eta * system.velocity(0.0, y)
            W = system.end_to_end(new)
            value = asked_value(energy, W).max() if np.isfinite(W).all() else np.nan
            if not np.isfinite(value):
                status, message = -1, f"diverged: step {k} overflows; step {k - 1} is kept"
                k -= 1
                break
            y = new
            if k % save_every == 0:
                record.add(eta * k, y)
            if stop_loss is not None and value <= stop_loss:
                status, message = 1, f"the energy fell to stop_loss at step {k}"
                break
            if _callbacks.stops(callback, eta * k, W):
                status, message = 1, f"the callback stopped the run at step {k}"
                break
        record.finish(eta * k, y)
        return record.trajectory(system, status, message, {"steps": k, "evaluations": k})
