r"""Entropy of the fibre over W, its gradient, and the free energy (Menon, sections 6 and 12.2).

The fibre O_W is the set of balanced weights whose product is W. In the metric that it inherits from
the weights (Frobenius), for rank r and hidden widths d_1, ..., d_{N-1},

.. math:: \mathrm{vol}(O_W) = \prod_{p=1}^{N-1}\Big[\mathrm{vol}(\mathrm{St}(r,d_p))\,
   2^{r(d_p-r)/2}\prod_k \lambda_k^{d_p-r}\Big]\;
   \prod_{k<l\le r}\sqrt{\frac{\sigma_k^2-\sigma_l^2}{\lambda_k^2-\lambda_l^2}},
   \qquad \lambda = \sigma^{1/N}

and S = log vol(O_W). The keywords ``depth``, ``rank`` and ``widths`` are those of
:mod:`dlngeo.metric`; ``widths`` None means hidden layers of W's own width: W must then be square.
At depth ``inf`` S is the limit without its divergent constant, (14.11) corrected; for a real depth
between whole numbers every formula is continued as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, zeta

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._linalg import svd
from dlngeo.energies import Energy
from dlngeo.geometry.metric import Frame
from dlngeo.geometry.spectrum import log_ratio, quotient

Widths = Sequence[int] | None


# ------------------------------------------------------------------------------------- volumes


def orthogonal_group_log_volume(d: int) -> float:
    """The logarithm of c_d, the Frobenius volume of O_d (both components).

    c_d = 2 Π_{k=1}^{d-1} vol(S^k) · 2^{d(d-1)/4}; c_1, ..., c_4 = 2, 17.77, 446.6, 24937.
    Source: Menon, (6.2) with its constant corrected.
    """
    return stiefel_log_volume(d, d)


def stiefel_log_volume(r: int, d: int) -> float:
    """The logarithm of the Frobenius volume of St(r, d), the orthonormal r-frames in R^d.

    2^{r(r-1)/4} Π_{k=d-r}^{d-1} vol(S^k), vol(S^0) = 2. Source: derived; Menon, (5.20), (6.2).
    """
    d = _checks.integer(d, "d", 1)
    r = _checks.integer(r, "r", 1)
    if r > d:
        raise ValueError(f"r must be at most d = {d}, not {r}")
    spheres = sum(_sphere_log_volume(k) for k in range(d - r, d))
    return r * (r - 1) / 4 * math.log(2) + spheres


def _sphere_log_volume(k: int) -> float:
    """Log vol(S^k) = log 2 + (k+1)/2 log π - log Γ((k+1)/2)."""
    half = (k + 1) / 2
    return math.log(2) + half * math.log(math.pi) - float(gammaln(half))


# ------------------------------------------------------------------------------------- entropy


def boltzmann(
    W: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    r"""Boltzmann entropy S(W) = log vol(O_W), of shape ``(...)``.

    Parameters
    ----------
    W : (..., m, n) array
    depth, rank, widths
        As described at the head of this module. At depth ``inf``
        :math:`S_\infty = \tfrac12\sum_{k<l\le r}\log\frac{\sigma_k^2-\sigma_l^2}
        {2\log(\sigma_k/\sigma_l)} + (d-r)\sum_{k\le r}\log\sigma_k`.

    Returns
    -------
    (...) array
        Finite where singular values meet; -inf at a zero singular value that ``rank`` leaves in and
        that the entropy feels.

    Raises
    ------
    ValueError
        For bad input, or a W that is not square while ``widths`` is None.

    Notes
    -----
    Source: Menon, (6.2), (6.5), (14.11) corrected; rank r and widths derived.
    """
    return _State.of(W, depth, rank, widths).entropy()


def gradient(
    W: ArrayLike, depth: float, *, rank: int | None = None, widths: Widths = None
) -> Array:
    r"""Riemannian gradient of the entropy, grad_{g^N} S = Q_N Σ′ Q_0ᵀ.

    .. math:: \Sigma'_k = \sigma_k^{1-2/N}\Big[\sum_{l\ne k}\varphi(\log\tfrac{\sigma_l}{\sigma_k})
       + \sum_p (d_p - r)\Big], \qquad
       \varphi(t) = \tfrac12\big[N - 1 - N\mathcal L(t) + \mathcal L(t/N)\big]

    with the Langevin function :math:`\mathcal L(y) = \coth y - 1/y`: the form of (12.8) without
    cancellation where singular values meet.

    Parameters
    ----------
    W, depth, rank, widths
        As for :func:`boltzmann`. At depth ``inf`` the gradient of S_∞ in g^∞, the limit of Σ′/N.

    Returns
    -------
    (..., m, n) array

    Raises
    ------
    numpy.linalg.LinAlgError
        At a zero singular value for depth between 1 and 2, at two of them for depth 2, where the
        gradient has no limit.

    Notes
    -----
    Source: Menon, (12.8), (12.13); rank r and depth ``inf`` derived.
    """
    state = _State.of(W, depth, rank, widths)
    return state.matrix(state.force())


# --------------------------------------------------------------------------------- free energy


def free_energy(
    energy: Energy,
    W: ArrayLike,
    depth: float,
    beta: float,
    weight_decay: float = 0.0,
    *,
    rank: int | None = None,
    widths: Widths = None,
) -> Array:
    r"""The free energy :math:`F_\beta(W) = E(W) - S(W)/\beta + \tfrac{\gamma N}2\sum\sigma^{2/N}`.

    Parameters
    ----------
    energy : Energy
    W, depth, rank, widths
        As for :func:`boltzmann`.
    beta : float > 0
        Inverse temperature.
    weight_decay : float >= 0
        γ of the penalty (γ/2) Σ_p ‖W_p‖² upstairs, which on balanced weights is the last term. At
        depth ``inf`` it must be 0: the penalty has no limit there.

    Returns
    -------
    (...) array

    Notes
    -----
    Source: Menon, (6.6); Wendin and Altafini, (24).
    """
    state, beta, gamma = _thermal(W, depth, beta, weight_decay, rank, widths)
    value = energy.value(state.point) - state.entropy() / beta
    if gamma == 0:
        return np.asarray(value)
    penalty = (state.sigma ** (2 / state.depth)).sum(axis=-1)
    return np.asarray(value + gamma * state.depth / 2 * penalty)


def free_energy_gradient(
    energy: Energy,
    W: ArrayLike,
    depth: float,
    beta: float,
    weight_decay: float = 0.0,
    *,
    riemannian: bool = True,
    rank: int | None = None,
    widths: Widths = None,
) -> Array:
    r"""Gradient of the free energy.

    .. math:: \mathrm{grad}_{g^N}F_\beta = \mathcal A_{N,W}(E'(W)) - \tfrac1\beta Q_N\Sigma'Q_0^T
       + \gamma N W

    Parameters
    ----------
    energy, W, depth, beta, weight_decay, rank, widths
        As for :func:`free_energy`.
    riemannian : bool
        False gives the Euclidean gradient, 𝒜⁻¹ of the Riemannian one; full rank only.

    Returns
    -------
    (..., m, n) array

    Notes
    -----
    Source: Menon, (12.13).
    """
    state, beta, gamma = _thermal(W, depth, beta, weight_decay, rank, widths)
    force = -state.force() / beta
    if gamma > 0:
        force = force + gamma * state.depth * state.sigma
    slope = energy.gradient(state.point)
    if riemannian:
        frame = Frame.of(state.point, state.depth, state.sigma.shape[-1])
        return frame.map(lambda K: K, slope) + state.matrix(force)
    if rank is not None and rank < min(state.point.shape[-2:]):
        raise ValueError("the Euclidean gradient exists at full rank only; leave rank at None")
    diagonal = quotient(state.sigma, state.sigma, state.depth)
    if not (diagonal > 0).all():
        raise np.linalg.LinAlgError("the Euclidean gradient needs W of full rank; σ = 0 occurs")
    return np.asarray(slope + state.matrix(force / diagonal))


# ------------------------------------------------------------------------------ the common state


class _State(NamedTuple):
    """W in its singular frames, with what the entropy needs to know of the hidden layers."""

    U: Array
    sigma: Array
    Vt: Array
    point: Array  # W, of exactly the stated rank
    depth: float
    spare: float  # Σ_p (d_p - r); at depth inf its share per layer, d - r
    constant: float  # log of everything that does not depend on W

    @classmethod
    def of(cls, W: ArrayLike, depth: float, rank: int | None, widths: Widths) -> _State:
        point, depth = _checks.matrix(W), _checks.depth(depth)
        m, n = point.shape[-2:]
        r = _checks.rank(rank, point.shape, widths, depth)
        if widths is None and m != n:
            raise ValueError(
                f"the entropy of a {m} x {n} matrix depends on the hidden layers: pass widths="
            )
        U, sigma, Vt = svd(point)
        if r < min(m, n):
            U, sigma, Vt = U[..., :r], sigma[..., :r], Vt[..., :r, :]
            point = (U * sigma[..., None, :]) @ Vt
        if math.isinf(depth):
            return cls(U, sigma, Vt, point, depth, n - r, 0.0)
        if widths is None:
            spare = (depth - 1) * (n - r)
            volumes = (depth - 1) * stiefel_log_volume(r, n)
        else:
            hidden = _checks.widths(widths)[1:-1]
            spare = float(sum(d - r for d in hidden))
            volumes = sum(stiefel_log_volume(r, d) for d in hidden)
        return cls(U, sigma, Vt, point, depth, spare, volumes + r * spare / 2 * math.log(2))

    def entropy(self) -> Array:
        r = self.sigma.shape[-1]
        k, l = np.triu_indices(r, 1)  # noqa: E741
        with np.errstate(divide="ignore"):
            pairs = np.log(quotient(self.sigma[..., k], self.sigma[..., l], self.depth))
        total = self.constant + 0.5 * pairs.sum(axis=-1)
        if self.spare:
            layers = 1.0 if math.isinf(self.depth) else self.depth
            with np.errstate(divide="ignore"):  # log 0 = -inf is meant
                logs = np.log(self.sigma)
            total = total + self.spare / layers * logs.sum(axis=-1)
        return np.asarray(total)

    def force(self) -> Array:
        """Σ′, of the shape of sigma."""
        sigma, depth = self.sigma, self.depth
        if depth == 1:  # one point in each fibre
            return np.zeros_like(sigma)
        zeros = int((sigma == 0).sum(axis=-1).max())
        if zeros > (0 if depth < 2 else 1) and depth <= 2:
            raise np.linalg.LinAlgError(
                f"at depth {depth:g} the entropy has no gradient at a matrix with {zeros} zero "
                "singular values; pass rank= if its rank is lower"
            )
        t = signed_log_ratio(sigma[..., :, None], sigma[..., None, :])
        power = 1.0 if math.isinf(depth) else 1 - 2 / depth
        return np.asarray(sigma**power * (total_pull(t, depth) + self.spare))

    def matrix(self, diagonal: Array) -> Array:
        """U diag(...) Vᵀ."""
        return np.asarray((self.U * diagonal[..., None, :]) @ self.Vt)


def _thermal(
    W: ArrayLike,
    depth: float,
    beta: float,
    weight_decay: float,
    rank: int | None,
    widths: Widths,
) -> tuple[_State, float, float]:
    beta = _checks.positive(beta, "beta")
    gamma = _checks.non_negative(weight_decay, "weight_decay")
    if gamma > 0 and math.isinf(_checks.depth(depth)):
        raise ValueError("weight_decay must be 0 at depth inf: the penalty has no limit there")
    return _State.of(W, depth, rank, widths), beta, gamma


def signed_log_ratio(a: Array, b: Array) -> Array:
    """log(b/a), accurate where the two meet."""
    return np.where(b < a, -1.0, 1.0) * log_ratio(a, b)


def total_pull(t: Array, depth: float) -> Array:
    """Σ_{l≠k} φ(t_kl) for t_kl = log(σ_l/σ_k), (..., r, r): what pushes σ_k up."""
    pull = _pair_pull(t, depth)
    diagonal = np.arange(t.shape[-1])
    pull[..., diagonal, diagonal] = 0.0
    return np.asarray(pull.sum(axis=-1))


def _pair_pull(t: Array, depth: float) -> Array:
    """φ(t); at depth inf the limit of φ/N, (1 - 𝓛(t))/2."""
    if math.isinf(depth):
        return np.asarray(0.5 * (1 - _langevin(t)))
    near = 0.5 * (depth - 1 - depth * _langevin(t) + _langevin(t / depth))
    # Far apart the Langevin functions cancel; N/(1 - e^{2t}) - 1/(1 - e^{2t/N}) does not.
    far = np.where(np.abs(t) > 1, t, 1.0)
    with np.errstate(over="ignore"):
        apart = 1 / np.expm1(2 * far / depth) - depth / np.expm1(2 * far)
    return np.where(np.abs(t) > 1, apart, near)


def _langevin(y: Array) -> Array:
    """Coth y - 1/y: its Taylor series where the two cancel, 12 terms to rounding at |y| < 1/2."""
    small = np.where(np.abs(y) < 0.5, y, 0.0)
    z = small**2
    series = np.zeros_like(z)
    for coefficient in _LANGEVIN:
        series = series * z + coefficient
    large = np.where(np.abs(y) < 0.5, 1.0, y)
    return np.where(np.abs(y) < 0.5, small * series, 1 / np.tanh(large) - 1 / large)


# The coefficients 2^{2n} B_{2n}/(2n)! = (-1)^{n+1} 2 ζ(2n)/π^{2n} of y^{2n-1}, n = 12, ..., 1.
_LANGEVIN = tuple(
    (-1) ** (n + 1) * 2 * float(zeta(2 * n)) / math.pi ** (2 * n) for n in range(12, 0, -1)
)
