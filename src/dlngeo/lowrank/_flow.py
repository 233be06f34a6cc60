"""The gradient flow of low rank: the door."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import OdeSolver

from dlngeo import _checks
from dlngeo._callbacks import Callback
from dlngeo._equation import Equation
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy
from dlngeo.flows import Control, integrate
from dlngeo.lowrank._factors import Factors, started
from dlngeo.lowrank._growing import grow
from dlngeo.lowrank._pulls import pull_of, require_energy, shape_of
from dlngeo.lowrank._systems import system_of
from dlngeo.lowrank._trajectory import LowRankTrajectory


@one_blas_thread
def flow(
    energy: Energy,
    start: Factors | ArrayLike | None,
    t_span: tuple[float, float],
    *,
    depth: float,
    rank: int | None = None,
    scale: float | None = None,
    weight_decay: float = 0.0,
    method: str | type[OdeSolver] = "auto",
    t_eval: ArrayLike | None = None,
    stop_loss: float | None = None,
    gtol: float = 1e-8,
    rtol: float = 1e-6,
    atol: float | None = None,
    max_steps: int | None = None,
    callback: Callback | None = None,
    engine: str = "auto",
) -> LowRankTrajectory:
    r"""Integrate the gradient flow downstairs on the matrices of rank r, in factored form.

    .. math:: \dot W = -\mathcal A_{N,W}(E'(W)) - \gamma N W

    Parameters
    ----------
    energy : Energy
        One with ``entries()``, as :class:`dlngeo.energies.SparseCompletion`, is asked by factors;
        any other by way of the dense W.
    start : (U, sigma, V), as :class:`Factors`, or an (m, n) array
        U diag(sigma) Vᵀ; the columns need not be orthonormal.
        None where ``scale`` says what it is.
    t_span : (t_0, t_1), finite, t_0 < t_1
    depth : real number >= 1
        A whole depth is carried as a narrow network, any other by its outer layers. At 1 it is
        -E'(W) projected on the tangent spaces of the matrices of rank r, which a network of one
        layer does not do.
    rank : int or None
        r, which the start must have; from a start of more it is the nearest matrix of this rank.
        None: the columns of the start. With ``scale``: so many at most.
    scale : float > 0, or None
        In the place of a start: from scale · U Vᵀ, U and V the singular frames of -E'(0). The state
        has the rank that has come up so far, beginning with 1; the amplitude σ of what has not is
        carried by σ̇ = N σ^{2-2/N} s - γNσ along the leading singular pairs of -E'(W), s its
        singular value there, outside the spaces of W. Where it begins to matter it is taken up, and
        let go where weight decay has brought it back. The energy must have a ``shape``.
    weight_decay : float >= 0
    method, stop_loss, gtol, rtol, atol, max_steps
        As for :func:`dlngeo.flows.gradient_flow`; tolerances are those of the layers' entries.
    t_eval : array or None
        Increasing times to save; None saves the start and the end alone.
    callback : callable or None
        ``callback(t, W)`` with :class:`Factors` W after each step; it may raise StopIteration to
        end the run.
    engine : "auto", "numpy" or "numba"
        What computes products of an energy of entries; "auto" is numba where installed.

    Returns
    -------
    LowRankTrajectory

    Raises
    ------
    ValueError, TypeError
        For a start that is neither factors nor a matrix, of a smaller rank, at depth inf, where
        the singular spaces do not move, or for any other bad input.

    Notes
    -----
    At depths above 1 the path of ``flows.gradient_flow(energy, W, t_span, depth=..., rank=...)``,
    which is that of every balanced network whose hidden layers are no narrower than r. A run ends
    as failed where σ_r reaches zero, which takes finite time at depths below 2. With ``scale`` a
    trajectory has zeros for directions that are not up, ``stats`` counts ``births`` and ``deaths``,
    and the times when directions come up are approximate: what is not up turns with E' at once, so
    where all directions of a square W come up the sign of its determinant may not be the flow's.
    Source: Menon, (3.5), (4.11), (4.21).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> rng = np.random.default_rng(0)
    >>> truth = dln.lowrank.random_start((60, 40), 2, scale=1.0, rng=rng)
    >>> rows, cols = np.nonzero(rng.random((60, 40)) < 0.4)
    >>> values = truth.entries(rows, cols)
    >>> energy = dln.energies.SparseCompletion(rows, cols, values, (60, 40))
    >>> start = dln.lowrank.spectral_start(energy, 2)
    >>> run = dln.lowrank.flow(energy, start, (0, 1000), depth=3, stop_loss=1e-10)
    >>> float(np.abs(run.factors().dense() - truth.dense()).max()) < 1e-3
    True
    """
    number = _checks.depth(depth)
    if math.isinf(number):
        raise ValueError(
            "depth must be finite: at inf the singular spaces of W do not move, and no flow of "
            "low rank is defined"
        )
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    equation = Equation(energy, number, weight_decay=gamma)
    control = Control.of(t_span, method, t_eval, stop_loss, gtol, rtol, atol, max_steps, callback)
    if scale is not None:
        amount = _checks.positive(scale, "scale")
        if start is not None:
            raise ValueError("start must be None where scale= says what it is")
        m, n = shape_of(energy)
        most = _checks.rank(rank, (m, n), None, number)
        return grow(equation, pull_of(energy, (m, n), engine), (m, n), amount, most, control)
    factors = started(start, rank)
    shape = len(factors.U), len(factors.V)
    sparse = callable(getattr(energy, "entries", None))
    require_energy(energy, np.broadcast_to(0.0, shape) if sparse else factors.dense(), "start")
    pull = pull_of(energy, shape, engine)
    if t_eval is None:
        control = dataclasses.replace(control, t_eval=np.array(control.t_span))
    found: LowRankTrajectory = integrate(system_of(equation, factors, pull), control)
    return found
