"""Draws from the Gibbs measure of an energy that sees singular values alone (Menon, 12.2, 14.3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._callbacks import Callback, checked
from dlngeo._checks import RNG, Array
from dlngeo._linalg import transpose
from dlngeo._random import child, recorded, seed_sequence
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, require_stacks
from dlngeo.equilibrium._log_gas import LogGas, sample_log_gas
from dlngeo.equilibrium._normalisation import (
    Setting,
    potential,
    refuse_infinite,
)
from dlngeo.equilibrium.mixing import LEAST, GibbsSample, effective_size, split_rhat, stood_still
from dlngeo.observables import effective_rank
from dlngeo.spectral.divided_differences import log_ratio, quotient
from dlngeo.spectral.fibre_volume import Widths
from dlngeo.weights import haar_frame

_GAS, _FRAMES = 0, 1  # what a path draws, each from its own stream


class SingularValueSample(NamedTuple):
    """Draws of singular values, and how well the chains mixed."""

    sigma: Array  # (path, draw, r), decreasing
    r_hat: Array  # (r,), split R̂ of each log σ_k
    effective_size: Array  # (r,), of the draws of each log σ_k
    acceptance: Array  # (path,), mean chance of a move


def log_density(
    energy: Energy,
    sigma: ArrayLike,
    *,
    depth: float,
    beta: float,
    kappa: float = 1.0,
    widths: Widths = None,
    weight_decay: float = 0.0,
) -> Array:
    r"""Logarithm of the Gibbs density of the singular values, without its normalisation.

    .. math:: -\tfrac\beta\kappa E + \tfrac1{2\kappa}\sum_{k<l}\log K_{kl}
       + \sum_{k<l}\log|\lambda_k^2-\lambda_l^2| + c\sum_k\log\lambda_k, \qquad
       \lambda = \sigma^{1/N},

    against Π dλ_k. K is :func:`dlngeo.metric.spectrum`, and
    c = m + n - 2r + Σ_p (d_p - r)/κ over the hidden layers, 0 for square matrices of full rank. At
    depth ``inf``, against Π dσ_k:

    .. math:: -\tfrac\beta\kappa E + \tfrac1{2\kappa}\sum_{k<l}\log K_{kl}
       + \sum_{k<l}\log|\log\sigma_k-\log\sigma_l| - \sum_k\log\sigma_k.

    Parameters
    ----------
    energy : Energy
        Rotation-invariant.
    sigma : (..., r) array, in any order
        Positive at depth inf.
    depth : real number >= 1, or inf
    beta, kappa : float > 0
    widths : (d_0, ..., d_N) or None
        Layer widths, r = min_p d_p; None: square matrices of full rank.
    weight_decay : float >= 0
        γ, adds (γN/2) Σσ^{2/N} to the energy; 0 at depth inf.

    Returns
    -------
    (...) array
        -inf where two singular values meet.

    Raises
    ------
    ValueError
        For bad input, or an energy that is not rotation-invariant.

    Notes
    -----
    Defined whether or not the measure can be normalised. Source: derived from Menon, (12.12),
    (6.4) corrected.

    Examples
    --------
    At depth 1 and κ = 1, -βE + log(σ_1² - σ_2²), up to a constant:

    >>> import math
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.zeros((2, 2)))
    >>> low, high = dln.equilibrium.log_density(energy, [[2, 1], [3, 1]], depth=1, beta=1.0)
    >>> bool(np.isclose(high - low, -2.5 + math.log(8 / 3)))
    True
    """
    sigma, depth = _checks.singular_values(sigma), _checks.depth(depth)
    r = sigma.shape[-1]
    dims = (r, r) if widths is None else _checks.widths(widths)
    setting = Setting.of(energy, (dims[-1], dims[0]), depth, beta, kappa, widths, weight_decay)
    if setting.rank != r:
        raise ValueError(f"sigma must hold {setting.rank} numbers, the least width, not {r}")
    if math.isinf(depth) and not (sigma > 0).all():
        raise ValueError("sigma must be positive at depth inf, where the density diverges at zero")
    named = "sigma" if widths is None else "widths"
    require_stacks(energy, np.zeros(setting.shape), named, hessian=False)
    value = potential(setting)(sigma)[0]
    k, l = np.triu_indices(r, 1)  # noqa: E741
    one, two = sigma[..., k], sigma[..., l]
    u = log_ratio(one, two)
    with np.errstate(divide="ignore"):  # log 0 = -inf is meant
        pairs = np.log(quotient(one, two, depth)).sum(axis=-1) * setting.share
        if math.isinf(depth):
            volume = np.log(u).sum(axis=-1) - np.log(sigma).sum(axis=-1)
        else:
            larger = np.log(np.maximum(one, two))
            volume = (np.log(-np.expm1(-2 * u / depth)) + 2 / depth * larger).sum(axis=-1)
            if setting.extra:
                volume = volume + setting.extra / depth * np.log(sigma).sum(axis=-1)
    return np.asarray(pairs + volume - setting.strength * value)[()]


def sample_singular_values(
    energy: Energy,
    *,
    shape: tuple[int, int],
    depth: float,
    beta: float,
    kappa: float = 1.0,
    widths: Widths = None,
    weight_decay: float = 0.0,
    n_paths: int = 4,
    n_draws: int = 250,
    warmup: int = 250,
    thin: int = 1,
    rng: RNG = None,
    callback: Callback | None = None,
) -> SingularValueSample:
    """Draw singular values from the Gibbs measure; as :func:`sample`, without the matrices."""
    setting = Setting.of(energy, shape, depth, beta, kappa, widths, weight_decay)
    run = _Run.of(n_paths, n_draws, warmup, thin, callback)
    return _chains(setting, run, seed_sequence(rng))


@one_blas_thread
def sample(
    energy: Energy,
    *,
    shape: tuple[int, int],
    depth: float,
    beta: float,
    kappa: float = 1.0,
    widths: Widths = None,
    weight_decay: float = 0.0,
    n_paths: int = 4,
    n_draws: int = 250,
    warmup: int = 250,
    thin: int = 1,
    rng: RNG = None,
    callback: Callback | None = None,
) -> GibbsSample:
    r"""Draw matrices W = U diag(σ) Vᵀ from the Gibbs measure of the Riemannian Langevin equation.

    Singular values come from Hamiltonian Monte Carlo (exact but for the mixing of its chains, which
    ``r_hat`` and ``effective_size`` report), U and V from Haar measure.

    Parameters
    ----------
    energy : Energy
        Rotation-invariant; see :func:`is_rotation_invariant`.
    shape : (m, n)
    depth : real number >= 1, or inf
    beta, kappa : float > 0
    widths : (d_0, ..., d_N) or None
        Layer widths from n to m. None: hidden layers as wide as the square W. A bottleneck bounds
        the rank, and W is drawn from the stratum of that rank.
    weight_decay : float >= 0
        γ of (γ/2) Σ_p ‖W_p‖² upstairs; 0 at depth inf.
    n_paths, n_draws : int
        Independent chains, and draws kept from each; at least 8 draws.
    warmup, thin : int
        Moves before the first draw is kept, in which the step adapts, and moves a draw.
    rng : anything that ``numpy.random.default_rng`` takes
        Path k draws from child k of its SeedSequence, however many paths there are.
    callback : callable or None
        ``callback(count, sigma)`` after each draw that is kept, sigma (path, r); it may raise
        StopIteration, and these are the draws.

    Returns
    -------
    GibbsSample
        An :class:`~dlngeo.langevin.Ensemble` with ``t`` the number of the draw,
        ``W (path, draw, m, n)``, ``singular_values (path, draw, min(m, n))``, and ``acceptance``,
        ``r_hat`` and ``effective_size`` of each log σ_k.

    Raises
    ------
    ValueError
        For bad input, an energy that is not rotation-invariant, or a measure that cannot be
        normalised; the message says why.

    Notes
    -----
    The first draws of a longer run have the same singular values; U and V are drawn for all draws
    at once. Source: derived from Menon, (12.12); rank r and rectangular W likewise.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.zeros((2, 2)))
    >>> draws = dln.equilibrium.sample(energy, shape=(2, 2), depth=2, beta=1.0, rng=0)
    >>> draws.W.shape, bool((draws.r_hat < 1.1).all())
    ((4, 250, 2, 2), True)
    """
    setting = Setting.of(energy, shape, depth, beta, kappa, widths, weight_decay)
    run, seed = _Run.of(n_paths, n_draws, warmup, thin, callback), seed_sequence(rng)
    gas = _chains(setting, run, seed)
    (m, n), r = setting.shape, setting.rank
    W = np.empty((*gas.sigma.shape[:2], m, n))
    for path, sigma in enumerate(gas.sigma):
        generator = _generator(seed, path, _FRAMES)
        U, V = (haar_frame(k, r, generator, (len(sigma),)) for k in (m, n))
        W[path] = (U * sigma[:, None, :]) @ transpose(V)
    sigma = np.zeros((*gas.sigma.shape[:2], min(m, n)))
    sigma[..., :r] = gas.sigma
    t = np.arange(W.shape[1], dtype=float)
    moves, asked = W.shape[1] * run.thin, run.n_draws * run.thin
    status, message = stood_still(gas.acceptance, moves, asked if asked > moves else 0)
    provenance = recorded(seed) | setting.equation.provenance() | {
        "equation": "Gibbs measure", "method": "hamiltonian",
        "n_draws": W.shape[1], "warmup": run.warmup, "thin": run.thin, "widths": widths,
    }  # fmt: skip
    return GibbsSample(
        t=t,
        W=W,
        weights=None,
        energy=np.asarray(energy.value(W)),
        singular_values=sigma,
        effective_rank=effective_rank(sigma),
        status=status,
        message=message,
        ends=np.full(run.n_paths, t[-1]),
        provenance=provenance,
        equation=setting.equation,
        r_hat=np.where(status.any(), np.inf, gas.r_hat),
        effective_size=np.where(status.any(), 0.0, gas.effective_size),
        acceptance=gas.acceptance,
    )


class _Run(NamedTuple):
    n_paths: int
    n_draws: int
    warmup: int
    thin: int
    callback: Callback | None

    @classmethod
    def of(
        cls, n_paths: int, n_draws: int, warmup: int, thin: int, callback: Callback | None
    ) -> _Run:
        """Arguments checked."""
        return cls(
            _checks.integer(n_paths, "n_paths", 1),
            _checks.integer(n_draws, "n_draws", LEAST),
            _checks.integer(warmup, "warmup", 1),
            _checks.integer(thin, "thin", 1),
            checked(callback),
        )


def _generator(seed: np.random.SeedSequence, path: int, part: int) -> np.random.Generator:
    """What path k draws its gas, or its frames, from: child (k, part) of the seed."""
    return np.random.default_rng(child(seed, path, part))


def _chains(setting: Setting, run: _Run, seed: np.random.SeedSequence) -> SingularValueSample:
    refuse_infinite(setting)
    gas = LogGas(
        potential(setting),
        setting.strength,
        setting.share,
        setting.equation.depth,
        setting.extra,
        setting.rank,
    )
    chains = sample_log_gas(
        gas,
        [_generator(seed, path, _GAS) for path in range(run.n_paths)],
        n_draws=run.n_draws,
        warmup=run.warmup,
        thin=run.thin,
        callback=run.callback,
    )
    drawn = chains.log_sigma
    enough = drawn.shape[1] >= LEAST
    return SingularValueSample(
        np.exp(drawn),
        split_rhat(drawn) if enough else np.full(setting.rank, np.inf),
        effective_size(drawn) if enough else np.zeros(setting.rank),
        chains.acceptance,
    )
