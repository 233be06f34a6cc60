"""Gradient flows and gradient descent: of the weights, of the end-to-end matrix, of the network.

Three state spaces for one motion. Upstairs the weights follow minus the lifted gradient (Menon,
3.4-3.6). Downstairs, from a balanced start, the end-to-end matrix follows the Riemannian gradient
flow dW/dt = -𝒜_{N,W}(E'(W)) (4.11), (4.21). The ground truth is the matrix ODE of the whole adjacency
matrix (Wendin and Altafini, 12). Weight decay γ adds (γ/2) Σ_p ‖W_p‖² upstairs, hence -γ W_p to
each velocity (survey, 24-25), and -γ N W downstairs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import BDF, DOP853, LSODA, RK23, RK45, OdeSolver, Radau
from scipy.optimize import brentq

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import product, svd
from dlngeo.dynamics.solvers import RKC
from dlngeo.dynamics.trajectory import Trajectory, build
from dlngeo.energies import Energy
from dlngeo.geometry.metric import Frame
from dlngeo.landscape import adjacency
from dlngeo.weights import flatten, pull_back, unflatten

METHODS: dict[str, type[OdeSolver]] = {
    solver.__name__: solver for solver in (RKC, RK45, RK23, DOP853, Radau, BDF, LSODA)
}
Callback = Callable[[float, Array], Any]


# ------------------------------------------------------------------------------ public functions


def gradient_flow(
    energy: Energy,
    start: ArrayLike | Sequence[ArrayLike],
    t_span: tuple[float, float],
    *,
    depth: float | None = None,
    rank: int | None = None,
    weight_decay: float = 0.0,
    method: str | type[OdeSolver] = "RKC",
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
        A stack is integrated as one system, with common steps.
    t_span : (t_0, t_1), finite, t_0 < t_1
    depth : real number >= 1, or inf
        Downstairs only; None means upstairs. ``inf`` is the limit of 𝒜_N / N, so time runs N times
        slower and weight decay adds -γW; W must be square of full rank.
    rank : int or None
        Downstairs only: stay on the matrices of this rank, starting from the nearest one.
    weight_decay : float >= 0
    method : "RKC", a SciPy solver's name, or an OdeSolver class
        RKC suits the flow, stiff with a real spectrum. See docs/performance.md.
    t_eval : array or None
        Increasing times to save; None saves every step. A run that ends early also saves its last
        state.
    stop_loss : float or None
        Stop where E(W), the largest of a stack, falls to this value.
    gtol : float
        Stop as stationary where ‖E'(W)‖_F <= gtol · max(‖E'(W_0)‖_F, ‖E'(0)‖_F). A saddle of the
        network has E' ≠ 0, so a plateau never ends a run; nor does an end state with E' ≠ 0 (weight
        decay, a bottleneck, rank below full), which runs to t_1. 0 switches it off.
    rtol, atol : float
        Local error tolerances. atol None: 1e-3 · rtol · the largest entry of the start.
    max_steps : int or None
        Give up, with status -1, after that many steps.
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
    A run that diverges or stalls has status -1, says where, and keeps its last good state.
    Source: Menon, (3.4)-(3.6), (4.11), (4.21), (14.7); Wendin and Altafini, (9), (24)-(25).
    """
    weight_decay = _checks.non_negative(weight_decay, "weight_decay")
    system: _System
    if depth is None:
        if rank is not None:
            raise ValueError("rank= belongs to a start downstairs, a matrix with depth=...")
        if isinstance(start, np.ndarray):
            raise TypeError("a matrix as start needs depth=...; without it, give weights")
        system = _WeightFlow(energy, _checks.weights(start), weight_decay)
    else:
        system = _EndToEndFlow(energy, start, depth, rank, weight_decay)
    return _integrate(
        system, t_span, method, t_eval, stop_loss, gtol, rtol, atol, max_steps, callback
    )


def adjacency_flow(
    energy: Energy,
    A: ArrayLike,
    widths: Sequence[int],
    t_span: tuple[float, float],
    *,
    weight_decay: float = 0.0,
    method: str | type[OdeSolver] = "RKC",
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
    """
    weight_decay = _checks.non_negative(weight_decay, "weight_decay")
    system = _AdjacencyFlow(energy, A, widths, weight_decay)
    return _integrate(
        system, t_span, method, t_eval, stop_loss, gtol, rtol, atol, max_steps, callback
    )


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
    """
    layers, eta = _checks.weights(weights), _checks.positive(step, "step")
    n_steps = _checks.integer(n_steps, "n_steps", 0)
    save_every = _checks.integer(save_every, "save_every", 1)
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    system = _WeightFlow(energy, layers, gamma)
    y, saved, numbers = system.start, [system.start], [0]
    status, message, k = 0, f"took all {n_steps} steps", 0
    for k in range(1, n_steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            new = y + eta * system.velocity(0.0, y)
            finite = bool(np.isfinite(new).all())
            W = system.end_to_end(new)
        if not finite or not np.isfinite(W).all():
            status, message = -1, f"diverged: step {k} is not finite; step {k - 1} is kept"
            k -= 1
            break
        y = new
        if k % save_every == 0:
            saved.append(y)
            numbers.append(k)
        if stop_loss is not None and energy.value(W).max() <= stop_loss:
            status, message = 1, f"the energy fell to stop_loss at step {k}"
            break
        if callback is not None:
            try:
                callback(eta * k, W)
            except StopIteration:
                status, message = 1, f"the callback stopped the run at step {k}"
                break
    if numbers[-1] != k:
        saved.append(y)
        numbers.append(k)
    stats = {"steps": k, "evaluations": k}
    return _trajectory(system, eta * np.array(numbers), np.array(saved), status, message, stats)


# ------------------------------------------------------------------ the three state spaces


class _System(Protocol):
    """A flow on flat vectors: where it starts, its velocity, and how to read a state."""

    energy: Energy
    gamma: float
    rank: int | None
    start: Array

    def velocity(self, t: float, y: Array) -> Array: ...

    def end_to_end(self, y: Array) -> Array: ...

    def weights(self, y: Array) -> Weights | None: ...


class _WeightFlow:
    """Upstairs: the state is all weights of the stack, network by network."""

    rank = None

    def __init__(self, energy: Energy, layers: Weights, gamma: float) -> None:
        self.energy, self.gamma = energy, gamma
        self._widths = (layers[0].shape[-1], *(W.shape[-2] for W in layers))
        self._stack = layers[0].shape[:-2]
        self.start = flatten(layers).reshape(-1)

    def weights(self, y: Array) -> Weights:
        return unflatten(y.reshape(*y.shape[:-1], *self._stack, -1), self._widths)

    def end_to_end(self, y: Array) -> Array:
        return product(self.weights(y))

    def velocity(self, t: float, y: Array) -> Array:
        layers = self.weights(y)
        prefixes = list(itertools.accumulate(layers, lambda B, W: W @ B))
        if not np.isfinite(prefixes[-1]).all():
            return np.full_like(y, np.nan)
        gradient = pull_back(self.energy.gradient(prefixes[-1]), layers, prefixes)
        velocity: Array = -flatten(gradient).reshape(-1)
        return velocity - self.gamma * y if self.gamma else velocity


class _EndToEndFlow:
    """Downstairs: the state is the end-to-end matrix."""

    def __init__(
        self, energy: Energy, start: Any, depth: float, rank: int | None, gamma: float
    ) -> None:
        W = _checks.matrix(start, "start")
        self.energy, self.gamma, self.rank = energy, gamma, rank
        self._depth, self._shape = _checks.depth(depth), W.shape
        self._rank = _checks.rank(rank, W.shape, None, self._depth)
        if math.isinf(self._depth) and self._rank < max(W.shape[-2:]):
            raise ValueError(
                "at depth inf the flow is defined for square matrices of full rank; start has "
                f"shape {W.shape} and rank {self._rank}"
            )
        self._decay = gamma * (1.0 if math.isinf(self._depth) else self._depth)
        self.start = self._stratum(W).reshape(-1)

    def weights(self, y: Array) -> None:
        return None

    def end_to_end(self, y: Array) -> Array:
        return self._stratum(y.reshape(*y.shape[:-1], *self._shape))

    def velocity(self, t: float, y: Array) -> Array:
        W = y.reshape(self._shape)
        if not np.isfinite(W).all():
            return np.full_like(y, np.nan)
        frame = Frame.of(W, self._depth, self._rank)
        point = W if self.rank is None else (frame.U * frame.sigma[..., None, :]) @ frame.Vt
        velocity = -frame.map(lambda K: K, self.energy.gradient(point))
        return (velocity - self._decay * W if self._decay else velocity).reshape(-1)

    def _stratum(self, W: Array) -> Array:
        """The nearest matrix of the stated rank."""
        if self.rank is None:
            return W
        U, sigma, Vt = svd(W)
        r = self._rank
        nearest: Array = (U[..., :r] * sigma[..., None, :r]) @ Vt[..., :r, :]
        return nearest


class _AdjacencyFlow:
    """The ground truth: the state is the whole adjacency matrix."""

    rank = None

    def __init__(self, energy: Energy, A: Any, widths: Sequence[int], gamma: float) -> None:
        self._widths = _checks.widths(widths)
        layers = adjacency.to_weights(A, self._widths)  # checks the block-shift form
        self.energy, self.gamma = energy, gamma
        matrix = adjacency.from_weights(layers)
        self._shape, self.start = matrix.shape, matrix.reshape(-1)

    def weights(self, y: Array) -> Weights:
        return adjacency.blocks(y.reshape(*y.shape[:-1], *self._shape), 1, self._widths)

    def end_to_end(self, y: Array) -> Array:
        return product(self.weights(y))

    def velocity(self, t: float, y: Array) -> Array:
        A = y.reshape(self._shape)
        if not np.isfinite(A).all():
            return np.full_like(y, np.nan)
        gradient = adjacency.block_gradient(A, self.energy, self._widths)
        return (-gradient - self.gamma * A).reshape(-1)


# -------------------------------------------------------------------------------- integration


def _integrate(
    system: _System,
    t_span: tuple[float, float],
    method: str | type[OdeSolver],
    t_eval: ArrayLike | None,
    stop_loss: float | None,
    gtol: float,
    rtol: float,
    atol: float | None,
    max_steps: int | None,
    callback: Callback | None,
) -> Trajectory:
    t0, t1 = _time_span(t_span)
    wanted = _times(t_eval, t0, t1)
    solver_class = _solver_class(method)
    rtol = _checks.positive(rtol, "rtol")
    if atol is None:
        atol = 1e-3 * rtol * (float(np.abs(system.start).max()) or 1.0)
    atol = _checks.non_negative(atol, "atol")
    steps_left = math.inf if max_steps is None else _checks.integer(max_steps, "max_steps", 1)
    threshold = _stationary_threshold(system, _checks.non_negative(gtol, "gtol"))

    times, states = [t0], [system.start]
    if wanted is not None and wanted[0] > t0:
        times, states = [], []
    status, message = _standing(system, system.start, stop_loss, threshold)
    steps = 0
    t, y = t0, system.start
    if status == 0:
        with np.errstate(over="ignore", invalid="ignore"):
            solver = solver_class(system.velocity, t0, system.start, t1, rtol=rtol, atol=atol)
    while status == 0 and solver.status == "running":
        if steps >= steps_left:
            status, message = -1, f"gave up after {steps} steps, at t = {t:.6g} of {t1:g}"
            break
        with np.errstate(over="ignore", invalid="ignore"):
            trouble = solver.step()
        if solver.status == "failed" or not np.isfinite(solver.y).all():
            status, message = -1, f"failed at t = {t:.6g}: {trouble or 'a state is not finite'}"
            message += f"; the last good state has largest entry {np.abs(y).max():.3g}"
            break
        steps += 1
        t_old, t, y = t, float(solver.t), solver.y
        status, message = _standing(system, y, stop_loss, threshold)
        if status and stop_loss is not None and "stop_loss" in message:
            t, y = _crossing(system, solver, t_old, t, stop_loss)
        if wanted is None:
            times.append(t)
            states.append(y)
        else:
            inside = wanted[(wanted > t_old) & (wanted <= t)]
            if inside.size:
                dense = solver.dense_output()
                times += inside.tolist()
                states += [y if s == t else dense(s) for s in inside]
        if callback is not None:
            try:
                callback(t, system.end_to_end(y))
            except StopIteration:
                status, message = 1, f"the callback stopped the run at t = {t:.6g}"
    if not times or (status != 0 and times[-1] < t):
        times.append(t)
        states.append(y)
    stats = {"steps": steps, "evaluations": 0, "jacobians": 0}
    if steps or status == 0:
        stats |= {"evaluations": int(solver.nfev), "jacobians": int(solver.njev)}
        if isinstance(solver, RKC):
            stats["rejected"] = solver.rejected
    return _trajectory(system, np.array(times), np.array(states), status, message, stats)


def _trajectory(
    system: _System, t: Array, states: Array, status: int, message: str, stats: dict[str, int]
) -> Trajectory:
    W = system.end_to_end(states)
    return build(
        t,
        W,
        system.weights(states),
        system.energy.value(W),
        weight_decay=system.gamma,
        rank=system.rank,
        status=status,
        message=message,
        stats=stats,
    )


def _standing(
    system: _System, y: Array, stop_loss: float | None, threshold: float | None
) -> tuple[int, str]:
    """(0, ...) to go on, (1, why) to stop here."""
    if stop_loss is None and threshold is None:
        return 0, "reached the end of the time span"
    W = system.end_to_end(y)
    if stop_loss is not None and np.max(system.energy.value(W)) <= stop_loss:
        return 1, "the energy fell to stop_loss"
    if threshold is not None and np.max(_size(system.energy.gradient(W))) <= threshold:
        return 1, "stationary: the gradient of the energy has vanished"
    return 0, "reached the end of the time span"


def _stationary_threshold(system: _System, gtol: float) -> float | None:
    """The size of E' that counts as zero; None where E' need not vanish at the end."""
    if gtol == 0 or system.gamma > 0:
        return None
    W = system.end_to_end(system.start)
    return gtol * float(
        max(np.max(_size(system.energy.gradient(X))) for X in (W, np.zeros_like(W)))
    )


def _size(gradient: Array) -> Array:
    return np.asarray(np.linalg.norm(gradient, axis=(-2, -1)))


def _crossing(
    system: _System, solver: OdeSolver, t_old: float, t: float, stop_loss: float
) -> tuple[float, Array]:
    """Where within the last step the energy falls to stop_loss."""
    dense = solver.dense_output()

    def excess(s: float) -> float:
        return float(np.max(system.energy.value(system.end_to_end(dense(s))))) - stop_loss

    if not excess(t_old) > 0 > excess(t):
        return t, solver.y
    # The last bit on the low side, so that the state returned does fulfil the bound.
    root = brentq(excess, t_old, t, xtol=4 * np.finfo(float).eps * abs(t), rtol=1e-15)
    while excess(root) > 0 and root < t:
        root = min(t, root + 4 * np.spacing(t))
    return float(root), np.asarray(dense(root))


def _time_span(t_span: tuple[float, float]) -> tuple[float, float]:
    try:
        t0, t1 = (float(t) for t in t_span)
    except (TypeError, ValueError):
        raise TypeError(f"t_span must be two numbers (t_0, t_1), not {t_span!r}") from None
    if not (math.isfinite(t0) and math.isfinite(t1) and t0 < t1):
        raise ValueError(f"t_span must be finite and increasing, not {t_span!r}")
    return t0, t1


def _times(t_eval: ArrayLike | None, t0: float, t1: float) -> Array | None:
    if t_eval is None:
        return None
    times = np.atleast_1d(_checks.real_array(t_eval, "t_eval"))
    if times.ndim != 1 or not times.size or (np.diff(times) <= 0).any():
        raise ValueError("t_eval must be a vector of increasing times")
    if times[0] < t0 or times[-1] > t1:
        raise ValueError(
            f"t_eval must lie within t_span ({t0:g}, {t1:g}); it runs from {times[0]:g} to "
            f"{times[-1]:g}"
        )
    return times


def _solver_class(method: str | type[OdeSolver]) -> type[OdeSolver]:
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
        return METHODS[method]
    if isinstance(method, type) and issubclass(method, OdeSolver):
        return method
    raise TypeError(f"method must be a solver's name or an OdeSolver class, not {method!r}")
