r"""Gibbs measures of any energy: the Riemannian Langevin equation with Metropolis and Hastings.

In the root chart Y = UΛVᵀ, Λ = Σ^{1/N}, the volume of g^N is a multiple of Lebesgue measure dY =
van(Λ²) dΛ × Haar × Haar, so that the equilibrium e^{(S - βE)/κ} vol(g^N) of (12.12) has there the
density

.. math:: \log\pi(Y) = -\tfrac\beta\kappa\Big[E(W) + \tfrac{\gamma N}2\sum_k\lambda_k^2\Big]
   + \tfrac1{2\kappa}\sum_{k<l}\log\frac{\lambda_k^{2N}-\lambda_l^{2N}}{\lambda_k^2-\lambda_l^2},

smooth up to the boundary λ_d = 0. One step of Euler and Maruyama proposes Y' from the normal law of
mean Y + h b(Y) and covariance (2κh/β) A(Y), A diagonal on the symmetric and antisymmetric matrices
in the frames of Y and of constant determinant; it is taken with the chance that makes π stationary
(Metropolis et al., 1953; Hastings, 1970; Roberts and Tweedie, 1996). So the law is exact at every
dt, and the path that of the Langevin equation as dt → 0: a proposal across λ_d = 0, where the
equation reflects, is refused. Derived from Menon, (12.12).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr

from dlngeo import _checks, _rank
from dlngeo._checks import RNG, Array
from dlngeo._linalg import transpose
from dlngeo._paths.run import Callback, Run
from dlngeo._random import Streams
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, require_stacks
from dlngeo.equilibrium._normalisation import Setting, refuse_infinite
from dlngeo.equilibrium.mixing import LEAST, GibbsSample, effective_size, split_rhat, stood_still
from dlngeo.langevin.lipschitz import lipschitz, pole
from dlngeo.langevin.root_chart import RootChart, SquareSVD, orientation, stretch
from dlngeo.observables import effective_rank
from dlngeo.spectral.divided_differences import log_ratio, quotient

_BLOCK = 32  # steps whose noise is drawn at once


@one_blas_thread
def metropolis(
    energy: Energy,
    start: ArrayLike,
    *,
    depth: float,
    beta: float,
    kappa: float = 1.0,
    weight_decay: float = 0.0,
    dt: float,
    n_steps: int,
    n_paths: int = 4,
    rng: RNG = None,
    save_every: int | None = None,
    callback: Callback | None = None,
) -> GibbsSample:
    r"""Paths of the Langevin equation with its equilibrium exact at every dt, for any energy.

    Parameters
    ----------
    energy : Energy
        Where it is infinite or NaN no path goes.
    start : (d, d) array of full rank
        One start for all paths; they stay where det W has its sign, unless depth is 1.
    depth : real number >= 1
    beta, kappa : float > 0
    weight_decay : float >= 0
        γ of (γ/2) Σ_p ‖W_p‖² upstairs.
    dt : float > 0
        Time of a step. Where it is too long for the drift (see
        :func:`dlngeo.langevin.simulate`) a shorter step is proposed instead. About one that is
        accepted half of the time mixes best; in large matrices that is a short one.
    n_steps, n_paths : int >= 1
    rng : anything that ``numpy.random.default_rng`` takes
        Path k draws from child k of its seed, whatever the number of paths.
    save_every : int or None
        A frame is kept every so many steps, the start and the last step in any case; None: some
        100.
    callback : callable or None
        ``callback(t, W)`` at each frame after the start that is kept, W (path, d, d); it may raise
        StopIteration, and the run ends there.

    Returns
    -------
    GibbsSample
        An :class:`~dlngeo.langevin.Ensemble` with ``t`` the times, ``acceptance``,
        and of the second half of the frames the ``r_hat`` and
        ``effective_size`` of each λ_k = σ_k^{1/N}: inf and 0 where that is fewer than 8 frames, or
        a path stood still, which its ``status`` then says.

    Raises
    ------
    ValueError, TypeError
        For bad input, a start of lower numerical rank (as :func:`dlngeo.langevin.simulate`), depth
        inf, or a measure that is known to have infinite mass. One of which
        :func:`normalisable` knows nothing is run.

    Notes
    -----
    The first frames remember the start. Source: derived from Menon, (12.12).
    """
    setting, point = _place(energy, start, depth, beta, kappa, weight_decay)
    run = Run.of(dt, n_steps, save_every, n_paths, rng, callback=callback)
    require_stacks(energy, point, "start")
    refuse_infinite(setting)
    walk = _Walk(setting, run.dt, float(orientation(point)))
    run, roots, acceptance = _follow(walk, point, run)
    U, lam, Vt = np.linalg.svd(roots)
    sigma = lam**setting.equation.depth
    W = (U * sigma[..., None, :]) @ Vt
    W[:, 0] = point
    late = lam[:, lam.shape[1] // 2 :]
    status, message = stood_still(acceptance, run.n_steps, run.asked)
    enough = late.shape[1] >= LEAST and not status.any()
    t = run.time(run.saved())
    provenance = run.provenance() | walk.equation.provenance()
    provenance |= {"equation": "Langevin", "method": "metropolis"}
    return GibbsSample(
        t=t,
        W=W,
        weights=None,
        energy=np.asarray(energy.value(W)),
        singular_values=sigma,
        effective_rank=effective_rank(sigma),
        status=status,
        message=message,
        ends=np.full(len(W), t[-1]),
        provenance=provenance,
        equation=walk.equation,
        r_hat=split_rhat(late) if enough else np.full(setting.rank, np.inf),
        effective_size=effective_size(late) if enough else np.zeros(setting.rank),
        acceptance=acceptance,
    )


def _place(
    energy: Energy, start: ArrayLike, depth: float, beta: float, kappa: float, weight_decay: float
) -> tuple[Setting, Array]:
    point = _checks.matrix(start, "start")
    if point.ndim != 2 or point.shape[0] != point.shape[1]:
        raise ValueError(f"start must be one square matrix; its shape is {point.shape}")
    if math.isinf(_checks.depth(depth)):
        raise ValueError(
            "depth must be finite: at depth inf there is no root chart in which to propose; "
            "rotation-invariant energies have equilibrium.sample"
        )
    setting = Setting.of(energy, point.shape, depth, beta, kappa, None, weight_decay)
    if setting.equation.depth > 1:
        _rank.require_full(point, "start")
    return setting, point


class _State(NamedTuple):
    """Where the paths are, and what the next step needs to know there."""

    Y: Array
    frames: SquareSVD
    W: Array
    level: Array  # log π
    h: Array  # (path, 1, 1), the time of the step from here
    move: Array  # h b(Y)

    def where(self, taken: Array, other: _State) -> _State:
        """The other state where a proposal is taken."""

        def choose(new: Array, old: Array) -> Array:
            return np.where(taken.reshape(-1, *(1,) * (old.ndim - 1)), new, old)

        return _State(
            choose(other.Y, self.Y),
            SquareSVD(*(choose(n, o) for n, o in zip(other.frames, self.frames, strict=True))),
            *(choose(n, o) for n, o in zip(other[2:], self[2:], strict=True)),
        )


class _Walk:
    """One step for a stack of paths."""

    def __init__(self, setting: Setting, dt: float, orientation: float) -> None:
        self.setting, self.dt, self.orientation = setting, dt, orientation
        self.energy, self.equation = setting.energy, setting.equation
        self.chart = RootChart(self.equation)

    def at(self, Y: Array, inside: Array) -> _State:
        """The state at Y; where the energy is not finite the level is -inf or NaN.

        ``inside`` (path, d, d) are matrices of finite energy, at which derivatives are taken there.
        """
        N, beta, kappa = self.equation.depth, self.equation.beta, self.equation.kappa
        frames = self.chart.frames(Y)
        sigma = frames.lam**N
        W = (frames.U * sigma[..., None, :]) @ frames.Vt
        far = np.asarray(~np.isfinite(W).all(axis=(-2, -1)))
        value = np.asarray(self.energy.value(np.where(far[:, None, None], inside, W)))
        lost = far | ~np.isfinite(value)
        known = np.where(lost[:, None, None], inside, W)
        rate = lipschitz(self.energy, known, sigma[..., 0], N) + pole(frames.lam, N, beta, kappa)
        h = (self.dt / np.maximum(1.0, self.dt * (rate + self.equation.weight_decay)))[
            :, None, None
        ]
        safe = self.chart.frames(self.chart.to_root(known)) if lost.any() else frames
        move = self.chart.velocity(safe, None, h)
        decay = self.equation.weight_decay * N / 2 * (frames.lam**2).sum(axis=-1)
        k, l = np.triu_indices(sigma.shape[-1], 1)  # noqa: E741
        pairs = np.log(quotient(sigma.take(k, axis=-1), sigma.take(l, axis=-1), N)).sum(axis=-1)
        level = pairs / (2 * kappa) - beta / kappa * (value + decay)
        return _State(Y, frames, W, np.where(lost, -np.inf, level), h, move)

    def step(self, state: _State, normals: Array) -> tuple[_State, Array]:
        """The next state and the chance of a move; ``normals`` (path, d² + 1)."""
        G = normals[:, :-1].reshape(state.Y.shape)
        noise = self.chart.velocity(state.frames, np.sqrt(state.h) * G, None)
        new = self.at(state.Y + state.move + noise, state.W)
        forth = -0.5 * (G**2).sum(axis=(-2, -1)) - self._spread(state)
        gain = new.level - state.level + self._log_chance(new, state.Y) - forth
        allowed = ~np.isnan(gain)
        if self.equation.depth > 1:
            allowed &= np.linalg.slogdet(new.Y)[0] == self.orientation
        gain = np.where(allowed, np.minimum(gain, 0.0), -np.inf)
        taken = log_ndtr(normals[:, -1]) < gain  # the logarithm of a uniform number
        return state.where(taken, new), np.exp(gain)

    def _log_chance(self, state: _State, Y: Array) -> Array:
        """Log density of the proposal Y from a state, but for a constant."""
        U, lam, Vt = state.frames
        R = transpose(U) @ (Y - state.Y - state.move) @ transpose(Vt)
        S = stretch(log_ratio(lam[..., :, None], lam[..., None, :]), self.equation.depth)
        turned = transpose(R)
        norm = (0.25 * (S * (R + turned) ** 2 + (R - turned) ** 2 / S)).sum(axis=(-2, -1))
        scale = self.setting.strength / 4 / state.h[:, 0, 0]
        return np.asarray(-scale * norm - self._spread(state))

    def _spread(self, state: _State) -> Array:
        """Half the logarithm of the determinant of the covariance, but for a constant."""
        return np.asarray(0.5 * self.setting.rank**2 * np.log(state.h[:, 0, 0]))


def _follow(walk: _Walk, point: Array, run: Run) -> tuple[Run, Array, Array]:
    """The run as far as it went, the roots of its frames, each path's mean chance of a move."""
    count, saved, d = len(run.paths), run.saved(), len(point)
    first = np.broadcast_to(walk.chart.to_root(point), (count, d, d)).copy()
    frames, chances = np.empty((count, len(saved), d, d)), np.zeros(count)
    frames[:, 0], slot, streams = first, 1, Streams(run.seed, run.paths)
    with np.errstate(all="ignore"):  # a proposal too far overflows, and is refused
        state = walk.at(first, np.broadcast_to(point, first.shape))
        if not (np.isfinite(state.level) & np.isfinite(state.move).all(axis=(-2, -1))).all():
            raise ValueError("start must be a matrix of finite energy, with finite derivatives")
        for step in range(1, run.n_steps + 1):
            if (step - 1) % _BLOCK == 0:
                block = streams.normals(min(_BLOCK, run.n_steps + 1 - step), d * d + 1)
            state, chance = walk.step(state, block[(step - 1) % _BLOCK])
            chances += chance
            if step == saved[slot]:
                frames[:, slot] = state.Y
                slot += 1
                if run.stops(step, state.W):
                    run = run.stopped(step)
                    break
    return run, frames[:, :slot], chances / run.n_steps
