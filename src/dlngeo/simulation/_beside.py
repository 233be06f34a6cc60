"""An ensemble of the Langevin equation and the flows from its start (Menon, 6.7, 12.12).

For Menon's 2 × 2 completion problem (14.1), W_11 = W_22 = 1 observed, :func:`on_hyperbola` says
where a matrix sits beside the minimisers of rank one, (14.3).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, flows, langevin
from dlngeo._checks import RNG, Array
from dlngeo._linalg import frobenius
from dlngeo._paths.run import Callback
from dlngeo._results.brief import brief
from dlngeo._results.ensemble import Ensemble
from dlngeo._results.trajectory import Trajectory
from dlngeo.energies import Energy
from dlngeo.statistics import Estimate, mean

Observable = Literal["singular_values", "energy", "effective_rank"]
OBSERVABLES: tuple[Observable, ...] = get_args(Observable)
# Of the flows: an explicit method, as the ensemble's steps resolve the drift anyway, and an error
# far below any standard error.
_SOLVER = {"method": "DOP853", "rtol": 1e-8}
_LEAST = 1e-100  # time that a flow accepts
_MORE_STEPS = 2000  # than the ensemble's: a flow that needs more gives up, and says so


@dataclass(frozen=True)
class Comparison:
    """An ensemble of the Langevin equation and the flows from its start.

    Attributes
    ----------
    ensemble : Ensemble
    free_energy_flow, gradient_flow : Trajectory
        At the times of the ensemble up to where its first path ends. A flow that ends early has
        fewer frames, the last of them where it ended. On badly scaled data a flow gives up after
        2000 steps more than the ensemble took; ``notes`` tells.
    """

    ensemble: Ensemble
    free_energy_flow: Trajectory
    gradient_flow: Trajectory

    def __repr__(self) -> str:
        ends = (f"{name} to t = {flow.t[-1]:g}" for name, flow in self.flows.items())
        return f"Comparison({self.ensemble!r}, {', '.join(ends)})"

    @functools.cached_property
    def whole(self) -> Ensemble:
        """The frames of the ensemble that all its paths have.

        What is said of the ensemble is said of these: where a path ended early, a mean over the
        others would be a mean over survivors.
        """
        return self.ensemble.together()

    @property
    def flows(self) -> dict[str, Trajectory]:
        """The two flows by their names."""
        return {"free-energy flow": self.free_energy_flow, "gradient flow": self.gradient_flow}

    @property
    def notes(self) -> tuple[str, ...]:
        """What ended before its time, and why; empty where nothing did."""
        ended = [] if self.ensemble.success else [f"the ensemble: {self.ensemble.message}"]
        flows = [f"the {name}: {flow.message}" for name, flow in self.flows.items() if flow.status]
        return (*ended, *flows)

    def band(self, observable: Observable) -> Estimate:
        """Mean and standard error of an observable over all paths, at the times of ``whole``."""
        return mean(getattr(self.whole, _checks.choice(observable, "observable", OBSERVABLES)))

    def departure(self) -> Array:
        """Root mean square over paths of ‖W - W_F‖_F, W_F on the free-energy flow; (time,).

        At the times that all paths and the flow have. As dt → 0 it vanishes for κ = 0.
        """
        flow, paths = self.free_energy_flow, self.whole
        count = int((flow.t == paths.t[: flow.t.size]).sum())
        apart = frobenius(paths.W[:, :count] - flow.W[:count])
        return np.asarray(np.sqrt((apart**2).mean(axis=0)))


def beside_flow(
    energy: Energy,
    start: Sequence[ArrayLike] | Array,
    *,
    depth: float | None = None,
    beta: float,
    kappa: float = 1.0,
    weight_decay: float = 0.0,
    dt: float,
    n_steps: int,
    n_paths: int | None = None,
    rng: RNG = None,
    save_every: int | None = None,
    upstairs: bool | None = None,
    method: str = "auto",
    engine: str = "auto",
    workers: int = 1,
    callback: Callback | None = None,
) -> Comparison:
    r"""Simulate the Langevin equation, and integrate both flows from the same start.

    .. math:: dW = -\mathrm{grad}\,F_\beta\,dt + dX^{\beta/\kappa}, \qquad
       \dot W = -\mathrm{grad}\,F_\beta, \qquad \dot W = -\mathrm{grad}\,E

    Parameters
    ----------
    energy, start, depth, beta, kappa, weight_decay
        As for :func:`dlngeo.langevin.simulate`. Weight decay is part of E here, in all three.
    dt, n_steps, n_paths, rng, save_every, upstairs, method, engine, workers, callback
        Likewise.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        As :func:`dlngeo.langevin.simulate`.

    Notes
    -----
    Source: Menon, (6.7), (12.4), (12.7), (12.12).
    """
    ensemble = langevin.simulate(
        energy,
        start,
        depth=depth,
        beta=beta,
        kappa=kappa,
        weight_decay=weight_decay,
        dt=dt,
        n_steps=n_steps,
        n_paths=n_paths,
        rng=rng,
        save_every=save_every,
        upstairs=upstairs,
        method=method,
        engine=engine,
        workers=workers,
        callback=callback,
    )
    return beside(energy, ensemble)


def beside(energy: Energy, ensemble: Ensemble) -> Comparison:
    """The flows beside an ensemble of :func:`dlngeo.langevin.simulate` with this energy."""
    _checks.instance(ensemble, "ensemble", Ensemble)
    equation, t = ensemble.equation, ensemble.together().t
    if equation is None:
        raise ValueError("ensemble.equation must tell what moved the paths; it is None")
    if (ensemble.W[:, 0] != ensemble.W[:1, 0]).any():
        raise ValueError("ensemble must have one start for all its paths, as a flow has one")
    # Beside an ensemble that ended at once the flows have their start alone, as it has.
    least = float(t[0] + max(_LEAST, np.spacing(t[0])))
    span = (float(t[0]), max(float(t[-1]), least))
    start, common = (
        ensemble.W[0, 0],
        {
            "depth": equation.depth,
            "weight_decay": equation.weight_decay,
            "t_eval": t,
            # An ensemble that resolves its drift takes more steps than a flow needs.
            "max_steps": ensemble.provenance["n_steps"] + _MORE_STEPS,
            **_SOLVER,
        },
    )
    free = flows.free_energy_flow(energy, start, span, beta=equation.beta, **common)
    plain = flows.gradient_flow(energy, start, span, gtol=0.0, **common)
    return Comparison(ensemble, free, plain)


# ------------------------------------------------------------------ Menon's completion problem


class Position(NamedTuple):
    """The point [[1, a], [1/a, 1]] nearest to W, and the Frobenius distance to it; ``(...)``."""

    a: Array
    distance: Array

    def __repr__(self) -> str:
        return brief(self)


def is_hyperbola(energy: Energy) -> bool:
    """Whether the energy is (14.1): a 2 × 2 matrix whose diagonal is observed to be 1, 1."""
    _checks.instance(energy, "energy", Energy)
    mask: Any = getattr(energy, "mask", None)
    observed: Any = getattr(energy, "observed", None)
    return np.array_equal(mask, np.eye(2)) and bool((np.diagonal(observed) == 1).all())


def on_hyperbola(W: ArrayLike) -> Position:
    r"""Where W sits beside the rank-one minimisers of the 2 × 2 completion problem.

    .. math:: \min_a \Big\|W - \begin{pmatrix}1 & a\\ 1/a & 1\end{pmatrix}\Big\|_F:\qquad
       a^4 - W_{12}a^3 + W_{21}a - 1 = 0

    Parameters
    ----------
    W : (..., 2, 2) array

    Returns
    -------
    Position

    Raises
    ------
    ValueError
        If the matrices are not 2 × 2.

    Notes
    -----
    Where W_12 = W_21 lies outside [-2, 2] two points, a and 1/a, are nearest, and where
    W_12 = -W_21, a and -1/a; up to rounding of the distance the larger is returned.
    Source: Menon, (14.1)-(14.3).
    """
    W = _checks.matrix(W, shape=(2, 2))
    x, y = W[..., 0, 1], W[..., 1, 0]
    companion = np.zeros((*x.shape, 4, 4))
    companion[..., [1, 2, 3], [0, 1, 2]] = 1.0
    companion[..., 0, 0], companion[..., 0, 2], companion[..., 0, 3] = x, -y, 1.0
    # Where two roots have just left the real line, their real part is next to the minimiser: no
    # candidate lies nearer than it, so all four can be asked.
    roots = np.linalg.eigvals(companion).real
    roots = np.where(roots == 0, 1.0, roots)
    squares = (x[..., None] - roots) ** 2 + (y[..., None] - 1 / roots) ** 2
    nearest = squares <= squares.min(axis=-1, keepdims=True) * (1 + 1e-12)
    a = np.where(nearest, roots, -np.inf).max(axis=-1)
    diagonal = np.hypot(W[..., 0, 0] - 1, W[..., 1, 1] - 1)
    return Position(a, np.hypot(diagonal, np.hypot(x - a, y - 1 / a)))
