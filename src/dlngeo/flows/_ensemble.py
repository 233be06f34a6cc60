"""Gradient flows from many starts at once, each with steps and an end of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _engine, _rank
from dlngeo._checks import Array, Weights
from dlngeo._equation import Equation
from dlngeo._linalg import (
    frobenius,
    layer_widths,
    product,
    sign_changed,
    svd,
    svd_product,
    transpose,
)
from dlngeo._lockstep.follow import (
    CROSSED,
    METHODS,
    REASONS,
    STATIONARY,
    STOP_LOSS,
    Ends,
    Rules,
    follow,
)
from dlngeo._lockstep.motion import Motion
from dlngeo._results.flow_ensemble import FlowEnsemble
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, compiled_part
from dlngeo.flows._control import Control
from dlngeo.flows._systems import EndToEndFlow, WeightFlow
from dlngeo.spectral import two_by_two
from dlngeo.weights import flatten, unflatten

LARGEST = 12  # whole depth up to which W is followed as the balanced weights over it
_NAMED = 5  # members that a message names


@one_blas_thread
def ensemble(
    energy: Energy,
    starts: Sequence[ArrayLike] | Array,
    t_span: tuple[float, float],
    *,
    depth: float | None = None,
    t_eval: ArrayLike | None = None,
    weight_decay: float = 0.0,
    method: str = "auto",
    stop_loss: float | None = None,
    gtol: float = 1e-8,
    rtol: float = 1e-6,
    atol: float | None = None,
    max_steps: int | None = None,
    workers: int = 1,
    engine: str = "auto",
) -> FlowEnsemble:
    r"""Integrate the gradient flow from many starts, each with its own steps and its own end.

    .. math:: \dot W_p = -(W_N\cdots W_{p+1})^T E'(W)(W_{p-1}\cdots W_1)^T - \gamma W_p
       \quad\text{or}\quad \dot W = -\mathcal A_{N,W}(E'(W)) - \gamma N W

    Parameters
    ----------
    energy : Energy
    starts : weights (path, d_p, d_{p-1}), or matrices (path, m, n) together with ``depth``
    t_span, t_eval, weight_decay, stop_loss, gtol, max_steps
        As for :func:`gradient_flow`, for each member by itself. With ``t_eval`` also the matrices
        at those times are kept; how a member goes does not depend on them.
    depth : real number >= 1, or inf
        Downstairs only; None means upstairs.
    method : "auto", "DOP853" or "ROCK4"
        Explicit of order 8, or stabilised of order 4; "auto" begins with the first, and changes
        over, member by member, where stability bounds the steps, and back.
    rtol, atol : float
        Local error tolerances of the state that is integrated: weights upstairs; downstairs at
        whole depth up to 12 the balanced weights over W, else W. atol None: 1e-3 · rtol · the
        largest entry of a member's start.
    workers : int >= 1
        Threads that share the members.
    engine : "auto", "numpy" or "numba"
        "auto" takes numba (the extra ``fast``) where it is installed and knows the energy: those of
        the library, and yours if it has the part ``compiled``. At real depth it takes square W.

    Returns
    -------
    FlowEnsemble

    Raises
    ------
    ValueError, TypeError
        For starts that are neither weights nor matrices with their depth, or any other bad input.
    numpy.linalg.LinAlgError
        Downstairs, where rounding decides over the rank of a start, as for :func:`gradient_flow`.

    Notes
    -----
    What becomes of a member depends on no other, to the last bit: neither on how many there are,
    nor on their order or the number of workers. A member that diverges or stalls has status -1 and
    keeps its last good state; the others go on. Time is kept in two parts, so that a member may
    linger near a saddle for 1e20 units of time and leave it within one. Frames and the times of
    ``stop_loss`` are steps of the method from the last state before them.

    The singular values of a start that are of rounding size are zeros.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])
    >>> starts = np.random.default_rng(0).standard_normal((100, 2, 2))
    >>> run = dln.flows.ensemble(energy, starts, (0, 1000), depth=3, stop_loss=1e-12)
    >>> run.W_end.shape, bool((run.energy_end <= 1e-12).all())
    ((100, 2, 2), True)
    >>> run.message
    '100 fell to stop_loss'
    """
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    method = _checks.choice(method, "method", METHODS)
    control = Control.of(t_span, "DOP853", t_eval, stop_loss, gtol, rtol, atol, max_steps, None)
    workers = _checks.integer(workers, "workers", 1)
    state = _State.of(energy, starts, depth, gamma)
    kind = _kind(energy, state, engine)
    rules = Rules(
        *control.t_span,
        np.empty(0) if control.t_eval is None else control.t_eval,
        -math.inf if control.stop_loss is None else control.stop_loss,
        0.0 if gamma > 0 else control.gtol,
        control.rtol,
        control.atol,
        control.max_steps,
        method,
        _slope_at_zero(energy, state.shape),
    )

    def some(y: Array) -> Ends:
        return follow(_motion(kind, energy, state, control.rtol), y, rules)

    parts = np.array_split(state.y, min(workers, len(state.y)))
    if len(parts) == 1:
        ends = some(state.y)
    else:
        with ThreadPoolExecutor(len(parts)) as pool:
            ends = _joined(list(pool.map(some, parts)))
    return _result(state, ends, control.t_span[0], control.t_eval, _engine.recorded(kind))


class _State:
    """What is integrated: weights of some widths, or W at a depth; downstairs also the starts."""

    def __init__(
        self, y: Array, W: Array | None, widths: tuple[int, ...], depth: float, decay: float
    ) -> None:
        self.y, self.W, self.widths, self.depth, self.decay = y, W, widths, depth, decay
        self.shape = widths[-1], widths[0]

    @classmethod
    def of(cls, energy: Energy, starts: Any, depth: float | None, gamma: float) -> _State:
        """What starts and depth ask for, checked as :func:`gradient_flow` does."""
        if depth is None:
            layers = _checks.weights(starts, "starts")
            if layers[0].ndim != 3:
                raise ValueError(
                    "starts must be weights (path, d_p, d_{p-1}), or matrices with depth=...; "
                    f"the first layer has shape {layers[0].shape}"
                )
            WeightFlow(Equation(energy, len(layers), weight_decay=gamma), layers, "starts")
            return cls(flatten(layers), None, layer_widths(layers), 0.0, gamma)
        depth = _checks.depth(depth)
        if isinstance(starts, list | tuple) and len(starts) and np.ndim(starts[0]) > 2:
            raise ValueError(
                "starts must be one array where depth is given: weights know their depth"
            )
        W = _checks.matrix(_checks.one_array(starts, "starts"), "starts")
        if W.ndim != 3:
            raise ValueError(f"starts must be matrices (path, m, n), not of shape {W.shape}")
        equation = Equation(energy, depth, weight_decay=gamma)
        frames = _decomposed(W)
        sigma = frames[1]
        doubtful = sigma[:, -1] <= 1e-10 * sigma[:, 0]
        doubtful[:1] = True
        EndToEndFlow(equation, W[doubtful], None, "starts")
        if float(depth).is_integer() and depth <= LARGEST:
            layers = _lift(W, frames, int(depth))
            return cls(flatten(layers), W, layer_widths(layers), 0.0, gamma)
        y = W.reshape(len(W), -1).copy()
        return cls(y, W, (W.shape[2], W.shape[1]), depth, equation.shrinkage)

    def weights(self, y: Array) -> Weights:
        return unflatten(y, self.widths)

    def end_to_end(self, y: Array) -> Array:
        if self.depth > 0:
            return y.reshape(*y.shape[:-1], *self.shape)
        return product(self.weights(y))


def _decomposed(W: Array) -> tuple[Array, Array, Array]:
    U, sigma, Vt = two_by_two.svd(W) if W.shape[1:] == (2, 2) else svd(W)
    # how a product rounds depends on how its factors lie in memory: as for one, so for many
    return np.ascontiguousarray(U), sigma, np.ascontiguousarray(Vt)


def _lift(W: Array, frames: tuple[Array, Array, Array], depth: int) -> Weights:
    """Balanced weights over W, hidden layers of its least dimension in the symmetric gauge."""
    if depth == 1:
        return (W,)
    U, sigma, Vt = frames
    found = _rank.doubt(W, sigma, sigma.shape[-1])
    if found is not None:
        noise = max(W.shape[1:]) * np.finfo(float).eps * sigma[:, :1]
        sigma = np.where(found.open[:, None] & (sigma <= noise), 0.0, found.sigma)
    lam = sigma ** (1 / depth)
    tall = W.shape[1] >= W.shape[2]
    frame = transpose(Vt) if tall else U
    hidden, outer = svd_product(frame, lam, transpose(frame)), svd_product(U, lam, Vt)
    rest = [hidden] * (depth - 1)
    return (*rest, outer) if tall else (outer, *rest)


def _slope_at_zero(energy: Energy, shape: tuple[int, int]) -> float:
    """‖E'(0)‖, a size that E' has somewhere; 0 where E is not defined there."""
    try:
        with np.errstate(all="ignore"):
            slope = float(frobenius(np.asarray(energy.gradient(np.zeros((1, *shape))))).max())
    except (ValueError, ArithmeticError):  # LinAlgError is a ValueError
        return 0.0
    return slope if math.isfinite(slope) else 0.0


def _kind(energy: Any, state: _State, engine: str) -> str:
    """The engine that can and should."""
    kind = _engine.chosen(engine)
    m, n = state.shape
    if kind == "numba" and (compiled_part(energy) is None or (state.depth > 0 and m != n)):
        if engine == "numba":
            raise ValueError(
                "engine='numba' needs an energy that has the part compiled, and square W where the "
                "depth is not whole or above 12"
            )
        return "numpy"
    return kind


def _motion(kind: str, energy: Any, state: _State, rtol: float) -> Motion:
    arguments = energy, state.widths, state.depth, state.decay, rtol
    if kind == "numba":
        from dlngeo._lockstep.compiled_motion import CompiledMotion

        return CompiledMotion(*arguments)
    from dlngeo._lockstep.numpy_motion import NumpyMotion

    return NumpyMotion(*arguments)


def _joined(parts: list[Ends]) -> Ends:
    return Ends(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Ends))
    )


def _result(
    state: _State, ends: Ends, t0: float, t_eval: Array | None, engine: str
) -> FlowEnsemble:
    W_end = state.end_to_end(ends.y)
    ends.reason[_crossed(state, W_end) & (ends.reason <= STATIONARY)] = CROSSED
    asked = (ends.reason == STOP_LOSS) | (ends.reason == STATIONARY)
    status = np.where(asked, 1, np.where(ends.reason == 0, 0, -1))
    W = None if t_eval is None else state.end_to_end(ends.frames)
    if state.W is not None:  # a lift is one to rounding
        still = ends.steps == 0
        W_end[still] = state.W[still]
        if W is not None:
            first = np.flatnonzero(t_eval == t0)
            W[:, first] = state.W[:, None]
    return FlowEnsemble(
        W_end,
        ends.t,
        ends.value,
        status,
        _message(ends),
        t_eval,
        W,
        tuple(W.copy() for W in state.weights(ends.y)) if state.W is None else None,
        {
            "steps": ends.steps,
            "stabilised": ends.stable_steps,
            "rejected": ends.rejected,
            "evaluations": ends.evaluations,
        },
        engine,
    )


def _crossed(state: _State, W: Array) -> Array:
    """Whose det W has changed its sign: flows downstairs keep it, from depth 2 on."""
    low = max(state.depth, len(state.widths) - 1) < 2
    if state.W is None or state.shape[0] != state.shape[1] or low:
        return np.zeros(len(W), dtype=bool)
    return sign_changed(state.W, W)


def _message(ends: Ends) -> str:
    """How many members ended why; of those that failed the first few by number."""
    parts = []
    for k, words in enumerate(REASONS):
        names = np.flatnonzero(ends.reason == k)
        if not names.size:
            continue
        part = f"{names.size} {words}"
        if k > STATIONARY:
            some = ", ".join(f"{name} at t = {ends.t[name]:.6g}" for name in names[:_NAMED])
            part += f" (path {some}{', ...' if names.size > _NAMED else ''})"
        parts.append(part)
    return "; ".join(parts)
