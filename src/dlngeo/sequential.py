r"""Sequential and simultaneous learning told apart by numbers (Wendin and Altafini, 5.3.1, 6.1).

Near the origin a deep network learns the singular values of its target one by one: W(t) waits near
one saddle after another, the truncations Φ_0 = 0, Φ_1, Φ_2, ... of the target's singular value
decomposition. From a start away from the origin it learns all at once. The paper shows this by
plots; here two criteria decide it on any trajectory:

1. *Saddle to saddle*: how near W(t) comes to each Φ_k, and whether it does so in order.
2. *One at a time*: whether each singular value has settled before the next one rises.

The order of half-rises alone decides nothing: sorted singular values are always ordered.

- :func:`learning` judges a trajectory by both: a :class:`Learning`, which has its plateaus too.
- :func:`saddle_distances` has the distances behind the first, to any truncations Φ_S.
- :func:`train` is the experiment of section 6.1, a flow from random weights to the
  :func:`diagonal_target`: sequential from a start near the origin, simultaneous away from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, weights
from dlngeo._checks import RNG, Array
from dlngeo._linalg import svd
from dlngeo._results.brief import brief
from dlngeo._results.trajectory import Trajectory
from dlngeo.critical_points import check_signature
from dlngeo.energies import Quadratic
from dlngeo.flows import gradient_flow
from dlngeo.observables import Plateaus, plateaus

__all__ = [
    "Learning",
    "diagonal_target",
    "learning",
    "saddle_distances",
    "train",
]


def __dir__() -> list[str]:
    return __all__


WIDTHS = (11, 6, 6, 6, 6, 4)  # section 6.1: five layers, 198 weights, 84 conservation laws
SIGMA = (4.0, 3.0, 2.0, 1.0)
NEAR, AWAY = 0.05, 1.0  # standard deviations of a start near the origin, and of one away from it

_REACHED, _MISSED = 0.05, 0.5  # a saddle is, within and beyond this distance over the least σ
_EARLY = -0.5  # gap of a stage that begins before the one before it is half over
_BAND = 0.1  # a singular value rises at 10 % of σ, and has settled within 10 % of it


@dataclass(frozen=True)
class Learning:
    """In what order a trajectory learns the singular values of its target.

    A *stage* is a singular value of the target, or several that agree; K stages in all. For a
    stack of networks the arrays have its leading dimensions.

    Attributes
    ----------
    rank : (K,) array of int
        How many singular values are learnt after each stage: Φ_k keeps that many.
    sigma : (K,) array
        The singular value of each stage, decreasing.
    distance : (..., K) array
        D_k = min_t ‖W(t) - Φ_k‖_F / σ_K.
    tau : (..., K) array
        When that minimum is taken.
    rise : (..., K) array
        The first time at which a singular value of the stage is 10 % of σ_k or more; inf if none.
    settle : (..., K) array
        The first time after which all of them stay within 10 % of σ_k; inf if never.
    gap : (..., K - 1) array
        (rise_{k+1} - settle_k) / (settle_k - rise_k): the pause between two stages over the length
        of the first. Negative where the next rises before the one before has settled, -1 where
        both rise at once or the first never settles.
    verdict : str, or (...) array of objects
        "sequential": every D_k <= 0.05, tau increasing, every gap > 0. "simultaneous": the first
        two saddles missed by D_k >= 0.5, every gap <= -0.5, all settled. Otherwise "neither".
    t : (time,) array
    learnt : (time, ...) array
        How many directions are: Σ_k u_kᵀW(t)v_k/σ_k, k <= rank[-1], each stage's share kept within
        0 and its size. At Φ_S it is the size of S, whatever comes first.
    """

    rank: Array
    sigma: Array
    distance: Array
    tau: Array
    rise: Array
    settle: Array
    gap: Array
    verdict: Any
    t: Array = field(repr=False)
    learnt: Array = field(repr=False)

    @cached_property
    def plateaus(self) -> Any:
        """Plateaus and jumps of ``learnt``: a ``Plateaus``, for a stack a (...) array of objects.

        By :func:`dlngeo.observables.plateaus` on the clock √(t - t[0]), as stages last ever longer;
        a path whose stages all settle is at rest for a quarter of the clock more. Given in t.
        """
        found = np.empty(self.settle.shape[:-1], dtype=object)
        for k, rests in np.ndenumerate(np.isfinite(self.settle).all(axis=-1)):
            found[k] = _plateaus(self.t, self.learnt[(slice(None), *k)], bool(rests))
        return found[()]

    def __repr__(self) -> str:
        return brief(self)


def learning(path: Trajectory, target: ArrayLike, *, rank: int | None = None) -> Learning:
    r"""Judge a trajectory by both criteria.

    .. math:: D_k = \min_t \|W(t) - \Phi_k\|_F / \sigma_K, \qquad
       \mathrm{gap}_k = \frac{\mathrm{rise}_{k+1} - \mathrm{settle}_k}
       {\mathrm{settle}_k - \mathrm{rise}_k}

    Parameters
    ----------
    path : Trajectory
        Of any flow or descent; what happens between two saved times is not seen.
    target : (m, n) array Φ
        Where the trajectory is meant to end: of a regression, its least-squares solution.
    rank : int or None
        Judge the learning of that many singular values only, and measure D_k by the last of them.
        None: all, or as many as the narrowest layer lets through.

    Returns
    -------
    Learning

    Raises
    ------
    ValueError
        If the target is not one matrix of the trajectory's shape or vanishes; if ``rank`` is out of
        range or cuts between singular values that agree.

    Notes
    -----
    Singular values of the target below rounding are not learnt; those that agree up to 1e-9 are one
    stage. The saddles of a target with a single stage are none: no verdict but "neither". Source:
    Wendin and Altafini, section 6.1; the criteria make its figures 2 and 3 quantitative.
    """
    Phi = _target(path, target)
    U, values, Vt = svd(Phi)
    ranks = _stages(path, values, rank)
    sigma, most = values[ranks - 1], ranks[-1]
    share = np.einsum("ik,...ij,kj->...k", U[:, :most], path.W, Vt[:most]) / values[:most]
    first = np.append(0, ranks[:-1])
    learnt = np.add.reduceat(share, first, axis=-1).clip(0, ranks - first).sum(axis=-1)
    apart = saddle_distances(path, Phi, [range(r) for r in ranks])
    distance, tau = apart.min(axis=0) / sigma[-1], path.t[apart.argmin(axis=0)]
    rise, settle = _rise_and_settle(path, values, ranks)
    gap = _gaps(rise, settle)
    verdict = _verdict(distance, tau, settle, gap)
    return Learning(ranks, sigma, distance, tau, rise, settle, gap, verdict, path.t, learnt)


def saddle_distances(
    path: Trajectory, target: ArrayLike, signatures: Sequence[Iterable[int]]
) -> Array:
    r"""How far W(t) lies from where critical points lie downstairs.

    .. math:: \Big\|W(t) - \sum_{i\in S}\sigma_iu_iv_i^T\Big\|_F

    Parameters
    ----------
    path : Trajectory
    target : (m, n) array Φ = Σ_i σ_i u_i v_iᵀ
    signatures : sequence of S, each a collection of 0-based indices into the decreasing σ
        ``[(), (0,), (0, 1)]`` are Φ_0 = 0, Φ_1 and Φ_2.

    Returns
    -------
    (time, ..., len(signatures)) array

    Raises
    ------
    ValueError
        If the target is not one matrix of the trajectory's shape, there are no signatures, or an
        index is out of range or stands twice.

    Notes
    -----
    Where singular values agree the Φ_S that keep some of them only are not determined. Source:
    Wendin and Altafini, Prop. 16.
    """
    Phi = _target(path, target)
    U, sigma, Vt = svd(Phi)
    kept = _checks.sequence(signatures, "signatures", "a sequence of signatures")
    if not kept:
        raise ValueError("signatures must hold at least one signature; it is empty")
    columns = []
    for p, signature in enumerate(kept):
        keep = np.zeros(sigma.size)
        keep[list(check_signature(signature, sigma.size, f"signatures[{p}]"))] = 1.0
        columns.append(np.linalg.norm(path.W - (U * (keep * sigma)) @ Vt, axis=(-2, -1)))
    return np.stack(columns, axis=-1)


def diagonal_target(sigma: ArrayLike = SIGMA, widths: Sequence[int] = WIDTHS) -> Array:
    """Σ of section 6.1: d_y × d_x with ``sigma`` on its diagonal and zeros after them."""
    values, dims = _checks.singular_values(sigma), _checks.widths(widths)
    most = min(dims[0], dims[-1])
    if values.ndim != 1 or values.size > most:
        raise ValueError(
            f"sigma must be one vector of at most {most} entries, to fit {dims[-1]} x {dims[0]}; "
            f"its shape is {values.shape}"
        )
    target = np.zeros((dims[-1], dims[0]))
    target[range(values.size), range(values.size)] = values
    return target


def train(
    scale: float,
    sigma: ArrayLike = SIGMA,
    *,
    widths: Sequence[int] = WIDTHS,
    rng: RNG = None,
    rtol: float = 1e-6,
) -> Trajectory:
    """The experiment of section 6.1: the gradient flow from independent Gaussian weights.

    Parameters
    ----------
    scale : float > 0
        Standard deviation of a weight; the flow takes time in proportion to scale^{-(h-2)}.
    sigma : (d_y,) array
        The singular values to learn.
    widths : (d_0, ..., d_h)
    rng : anything that ``numpy.random.default_rng`` takes
    rtol : float
        Local tolerance of the integrator.

    Returns
    -------
    Trajectory
        Saved at every step, up to a loss of 1e-8 of that of zero weights.

    Raises
    ------
    ValueError
        If a layer is too narrow to learn as many singular values.
    RuntimeError
        If the target is not learnt by the time 1e9.

    Notes
    -----
    Source: section 6.1, figures 2 and 3.
    """
    energy = Quadratic(diagonal_target(sigma, widths))
    if np.count_nonzero(sigma) > min(widths):
        raise ValueError(
            f"widths must be at least {np.count_nonzero(sigma)}, the number of singular values to "
            f"learn; the least is {min(widths)}"
        )
    start = weights.random(widths, scale, rng=rng)
    done = 1e-8 * float(energy.value(np.zeros(energy.shape)))
    path = gradient_flow(energy, start, (0.0, 1e9), stop_loss=done, gtol=0.0, rtol=rtol)
    if path.status != 1:
        raise RuntimeError(f"the network has not learnt its target: {path.message}")
    return path


# --------------------------------------------------------------------------------- the criteria


def _target(path: Trajectory, target: ArrayLike) -> Array:
    _checks.instance(path, "path", Trajectory)
    Phi = _checks.matrix(target, "target", path.W.shape[-2:])
    if Phi.ndim != 2 or not Phi.any():
        raise ValueError(f"target must be one matrix other than zero; its shape is {Phi.shape}")
    return Phi


def _stages(path: Trajectory, values: Array, rank: int | None) -> Array:
    """The ranks at which a group of equal singular values ends, up to the last to be learnt."""
    positive = values > values[0] * max(path.W.shape[-2:]) * np.finfo(float).eps
    most = int(positive.sum())
    if path.weights is not None:
        most = min(most, *(W.shape[-2] for W in path.weights))
    if rank is not None and _checks.integer(rank, "rank", 1) > most:
        raise ValueError(f"rank must be at most {most}, what the network can learn; it is {rank}")
    last = most if rank is None else rank
    following = np.append(values[1:], 0.0)
    ends = np.flatnonzero(values - following > 1e-9 * values) + 1
    ranks: Array = ends[ends <= last]
    if not ranks.size or (rank is not None and ranks[-1] != last):
        raise ValueError(f"rank must not cut between equal singular values of target; got {last}")
    return ranks


def _rise_and_settle(path: Trajectory, values: Array, ranks: Array) -> tuple[Array, Array]:
    count = ranks[-1]
    sigma, s = values[:count], path.singular_values[..., :count]
    risen = s >= _BAND * sigma
    outside = np.abs(s - sigma) > _BAND * sigma
    later = np.append(path.t, np.inf)
    first = np.where(risen.any(axis=0), risen.argmax(axis=0), path.t.size)
    last = np.where(outside.any(axis=0), path.t.size - outside[::-1].argmax(axis=0), 0)
    starts = np.concatenate([[0], ranks[:-1]])
    rise = np.minimum.reduceat(later[first], starts, axis=-1)
    settle = np.maximum.reduceat(later[last], starts, axis=-1)
    return rise, settle


def _gaps(rise: Array, settle: Array) -> Array:
    end, start, following = settle[..., :-1], rise[..., :-1], rise[..., 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = (following - end) / (end - start)
    # Unsettled: the limit. A stage within one step, with the next in the same: both at once.
    gap = np.where(np.isinf(end) | ((end == start) & (following == end)), -1.0, gap)
    return np.asarray(gap)


def _plateaus(t: Array, learnt: Array, settled: bool) -> Plateaus:
    clock, first = np.unique(np.sqrt(t - t[0]), return_index=True)  # but for rounding, all
    learnt = learnt[first]
    if clock.size < 2:
        return Plateaus(*(np.empty(0) for _ in range(6)))
    if settled:
        clock, learnt = np.append(clock, 1.25 * clock[-1]), np.append(learnt, learnt[-1])
    found = plateaus(clock, learnt)
    moments = {name: t[0] + getattr(found, name) ** 2 for name in ("start", "end", "jump")}
    return replace(found, **{name: np.minimum(one, t[-1]) for name, one in moments.items()})


def _verdict(distance: Array, tau: Array, settle: Array, gap: Array) -> Any:
    if gap.shape[-1] == 0:  # one stage: nothing to be in order
        return np.full(gap.shape[:-1], "neither", dtype=object)[()]
    ordered = (np.diff(tau, axis=-1) > 0).all(axis=-1)
    sequential = (distance <= _REACHED).all(axis=-1) & ordered & (gap > 0).all(axis=-1)
    saddles = distance[..., : min(2, gap.shape[-1])]
    together = (saddles >= _MISSED).all(axis=-1) & (gap <= _EARLY).all(axis=-1)
    together &= np.isfinite(settle).all(axis=-1)
    verdict = np.full(sequential.shape, "neither", dtype=object)
    verdict[sequential], verdict[together] = "sequential", "simultaneous"
    return verdict[()]
