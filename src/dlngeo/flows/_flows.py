"""Gradient flows: of the weights, of the end-to-end matrix, of the network.

Three state spaces for one motion (:mod:`dlngeo.flows._systems` has their equations), carried
through time by any ``scipy.integrate.OdeSolver``.
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike
from scipy.integrate import OdeSolver

from dlngeo import _checks
from dlngeo._callbacks import Callback
from dlngeo._checks import Array
from dlngeo._equation import Equation
from dlngeo._results.trajectory import Trajectory
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy
from dlngeo.flows._control import Control
from dlngeo.flows._integration import integrate
from dlngeo.flows._systems import AdjacencyFlow, EndToEndFlow, FreeEnergyFlow, System, WeightFlow


@one_blas_thread
def gradient_flow(
    energy: Energy,
    start: Sequence[ArrayLike] | Array,
    t_span: tuple[float, float],
    *,
    depth: float | None = None,
    rank: int | None = None,
    weight_decay: float = 0.0,
    method: str | type[OdeSolver] = "auto",
    t_eval: ArrayLike | None = None,
    stop_loss: float | None = None,
    gtol: float = 1e-8,
    rtol: float = 1e-6,
    atol: float | None = None,
    max_steps: int | None = None,
    callback: Callback | None = None,
) -> Trajectory:
    r"""Integrate the gradient flow, upstairs from weights or downstairs from a matrix.

    .. math:: \dot W_p = -(W_N\cdots W_{p+1})^T E'(W)(W_{p-1}\cdots W_1)^T - \gamma W_p
       \quad\text{or}\quad \dot W = -\mathcal A_{N,W}(E'(W)) - \gamma N W

    Parameters
    ----------
    energy : Energy
    start : tuple of weights (..., d_p, d_{p-1}), or a matrix (..., m, n) together with ``depth``
        A stack is integrated as one system, with common steps as short as its stiffest member
        needs: it can cost more than a loop over its members.
    t_span : (t_0, t_1), finite, t_0 < t_1, of a length from 1e-100 to 1e100
    depth : real number >= 1, or inf
        Downstairs only; None means upstairs. ``inf`` is the limit of 𝒜_N / N, so time runs N times
        slower and weight decay adds -γW; W must be square of full rank.
    rank : int or None
        Downstairs only: stay on the matrices of this rank, starting from the nearest one.
    weight_decay : float >= 0
    method : "auto", another name of :data:`METHODS`, or an OdeSolver class
        "auto" takes DOP853 while the flow is not stiff and ROCK4 where it is; ``stats`` has the
        steps of either. See docs/performance.md.
    t_eval : array or None
        Increasing times to save; None saves every step. A run that ends early also saves its last
        state.
    stop_loss : float or None
        Stop where E(W), the largest of a stack, falls to this finite value.
    gtol : float
        Stop as stationary where ‖E'(W)‖_F <= gtol · max(‖E'(W_0)‖_F, ‖E'(0)‖_F). A saddle of the
        network has E' ≠ 0, so a plateau never ends a run; nor does an end state with E' ≠ 0 (weight
        decay, a bottleneck, rank below full), which runs to t_1. 0 switches it off.
    rtol, atol : float
        Local error tolerances. atol None: 1e-3 · rtol · the largest entry of the start (1 if all
        are zero), of each member of a stack its own.
    max_steps : int or None
        Give up, with status -1, after that many steps, or 100 times as many evaluations of the
        velocity: one step of a stabilised solver may take hundreds.
    callback : callable or None
        ``callback(t, W)`` after each step; it may raise StopIteration to end the run.

    Returns
    -------
    Trajectory

    Raises
    ------
    ValueError, TypeError
        For a start that is neither weights nor a matrix with its depth, or any other bad input.

    Notes
    -----
    A run that diverges or stalls has status -1, says where, and keeps its last good state: so has
    one whose energy or velocity is beyond the range of floating point at the start, which it keeps.
    Source: Menon, (3.4)-(3.6), (4.11), (4.21), (14.7); Wendin and Altafini, (9), (24)-(25).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([3.0, 1.0]))
    >>> start = dln.balanced.lift([[1.0, 0.5], [0.0, 1.0]], 2)
    >>> up = dln.flows.gradient_flow(energy, start, (0, 8), rtol=1e-4)
    >>> up.singular_values[-1].round(2).tolist()
    [3.0, 1.0]

    Downstairs the same from W and a depth, which need not be whole:

    >>> W = dln.weights.end_to_end(start)
    >>> down = dln.flows.gradient_flow(energy, W, (0, 8), depth=2, rtol=1e-4)
    >>> bool(np.allclose(up.W[-1], down.W[-1], atol=1e-2))
    True
    """
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    system: System
    if depth is None:
        if rank is not None:
            raise ValueError("rank= belongs to a start downstairs, a matrix with depth=...")
        layers = _checks.weights(start, "start")
        system = WeightFlow(Equation(energy, len(layers), weight_decay=gamma), layers)
    else:
        equation = Equation(energy, _checks.depth(depth), weight_decay=gamma)
        system = EndToEndFlow(equation, _checks.one_array(start, "start"), rank)
    control = Control.of(t_span, method, t_eval, stop_loss, gtol, rtol, atol, max_steps, callback)
    found: Trajectory = integrate(system, control)
    return found


@one_blas_thread
def adjacency_flow(
    energy: Energy,
    A: ArrayLike,
    widths: Sequence[int],
    t_span: tuple[float, float],
    *,
    weight_decay: float = 0.0,
    method: str | type[OdeSolver] = "auto",
    t_eval: ArrayLike | None = None,
    stop_loss: float | None = None,
    gtol: float = 1e-8,
    rtol: float = 1e-6,
    atol: float | None = None,
    max_steps: int | None = None,
    callback: Callback | None = None,
) -> Trajectory:
    r"""Integrate the n_v × n_v matrix ODE of the whole network, the ground truth.

    .. math:: \dot A = -\sum_{j=1}^N (A^{N-j})^T\,\mathrm{blk}_N(E'(W))\,(A^{j-1})^T - \gamma A

    Parameters
    ----------
    energy : Energy
    A : (..., n_v, n_v) array in block-shift form, n_v = Σ widths
    widths : (d_0, ..., d_N)
    t_span, weight_decay, method, t_eval, stop_loss, gtol, rtol, atol, max_steps, callback
        As for :func:`gradient_flow`.

    Returns
    -------
    Trajectory
        With the weights read off A(t).

    Notes
    -----
    Every product is one of whole n_v × n_v matrices: :func:`gradient_flow` gives the same path for
    a fraction of the work. Source: Wendin and Altafini, (12), (25).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([3.0, 1.0]))
    >>> A = dln.adjacency.from_weights(dln.balanced.lift([[1.0, 0.5], [0.0, 1.0]], 2))
    >>> run = dln.flows.adjacency_flow(energy, A, (2, 2, 2), (0, 8), rtol=1e-4)
    >>> run.singular_values[-1].round(2).tolist()
    [3.0, 1.0]
    """
    gamma, dims = _checks.non_negative(weight_decay, "weight_decay"), _checks.widths(widths)
    system = AdjacencyFlow(Equation(energy, len(dims) - 1, weight_decay=gamma), A, dims)
    control = Control.of(t_span, method, t_eval, stop_loss, gtol, rtol, atol, max_steps, callback)
    found: Trajectory = integrate(system, control)
    return found


@one_blas_thread
def free_energy_flow(
    energy: Energy,
    W: ArrayLike,
    t_span: tuple[float, float],
    *,
    depth: float,
    beta: float,
    rank: int | None = None,
    widths: Sequence[int] | None = None,
    weight_decay: float = 0.0,
    method: str | type[OdeSolver] = "auto",
    t_eval: ArrayLike | None = None,
    stop_loss: float | None = None,
    rtol: float = 1e-6,
    atol: float | None = None,
    max_steps: int | None = None,
    callback: Callback | None = None,
) -> Trajectory:
    r"""Integrate the gradient flow of the free energy F_β = E - S/β on (M_d, g^N).

    .. math:: \dot W = -\mathcal A_{N,W}(E'(W)) + \tfrac1\beta Q_N\Sigma'Q_0^T - \gamma NW

    Parameters
    ----------
    energy : Energy
    W : (..., m, n) array
        The start.
    t_span, method, t_eval, stop_loss, rtol, atol, max_steps, callback
        As for :func:`gradient_flow`. A run goes to t_1: its end need not have E' = 0.
    depth, rank, widths
        As for :func:`dlngeo.entropy.gradient`.
    beta : float > 0
        Inverse temperature.
    weight_decay : float >= 0

    Returns
    -------
    Trajectory
        Its ``energy`` is E(W), without entropy and decay.

    Notes
    -----
    The Riemannian Langevin equation without noise in the observable (κ = 0), (12.7).
    Source: Menon, (6.7), (12.13).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.diag([3.0, 1.0]))
    >>> run = dln.flows.free_energy_flow(energy, np.diag([1.0, 0.5]), (0, 20), depth=2, beta=10.0)
    >>> W = run.W[-1]
    >>> slope = dln.entropy.free_energy_gradient(energy, W, 2, 10.0)
    >>> bool(np.abs(slope).max() < 1e-3)
    True
    """
    equation = Equation.of(energy, depth, beta, 0.0, weight_decay)
    system = FreeEnergyFlow(equation, W, rank, widths)
    control = Control.of(t_span, method, t_eval, stop_loss, 0.0, rtol, atol, max_steps, callback)
    found: Trajectory = integrate(system, control)
    return found
