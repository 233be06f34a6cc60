r"""The law of large width: where the singular values lie when the matrix is large (Menon, 14.3).

For E = ½ Tr WᵀW and κ = 1 the empirical law of x = βσ²/d under the Gibbs measure of
:mod:`dlngeo.equilibrium` tends, as d → ∞, to the measure with moments

.. math:: m_k = \frac1{N^k(k+1)}\binom{(N+1)k}{k} \qquad
   \Big(N = \infty:\ \frac{k^k}{(k+1)!}\Big).

It is the analogue of the semicircle law that Menon asks for. At N = 1 it is the law of Marchenko
and Pastur, at N = ∞ that of Dykema and Haagerup. With v from 0 (upper edge) to π (x = 0) and
φ = v/(N+1), q = sin(Nφ)/sin v,

.. math:: x = \frac{\sin v}{N\sin\varphi}\,q^{-N},\qquad \rho(x) = \frac1\pi\sin(N\varphi)\,q^N,
   \qquad N = \infty:\ x = \tfrac{\sin v}v e^{v\cot v},\ \rho = \tfrac1\pi\sin v\,e^{-v\cot v}.

The limit d → ∞ comes first: at depth ``inf`` itself, κ = 1, the Gibbs measure of no finite d can be
normalised. For κ = ½ the pair terms of λ drop out and 2βσ²/d follows Marchenko-Pastur, the law of
depth 1, whatever the depth. Other κ ≥ ½ are those of :mod:`dlngeo.equilibrium._limit_kappa`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.equilibrium import _limit_kappa

_HALVINGS = 66  # of an interval of length 1500, down to rounding


def limit_moments(depth: float, n: int, *, kappa: float = 1.0) -> Array:
    r"""The moments m_0, ..., m_n of x = βσ²/d for E = ½ Tr WᵀW in the limit of large width.

    .. math:: m_k = \frac1{k+1}\prod_{i=1}^k\frac{k+i/N}{i}\quad(\kappa = 1),\qquad
       m_k = \frac{L^kP(0)}{(1+k)P(k)}

    with the upper edge L and, a = 1/(2κ), b = 1 - a,

    .. math:: \log P(s) = \frac s\pi\int_0^\infty
       \log\big[\pi y\,(a\coth\pi y + b\coth\pi Ny)\big]\frac{dy}{s^2 + y^2}.

    Parameters
    ----------
    depth : real number >= 1, or inf
    n : int >= 0
    kappa : float >= 1/2, or > 0 at depth 1

    Returns
    -------
    (n + 1,) array

    Raises
    ------
    ValueError
        For depth < 1 or n < 0; for kappa < 1/2 at depth > 1, where the law leaves zero and has no
        closed form.

    Notes
    -----
    Source: open in Menon, section 14.3; derived (docs/studies.md).

    Examples
    --------
    >>> import dlngeo as dln
    >>> dln.equilibrium.limit_moments(1, 3).round(12).tolist()  # Catalan numbers: Marchenko-Pastur
    [1.0, 1.0, 2.0, 5.0]
    >>> dln.equilibrium.limit_moments(2, 3, kappa=2).round(6).tolist()
    [1.0, 1.25, 3.718469, 14.003556]
    """
    n = _checks.integer(n, "n", 0)
    depth, kappa = _setting(depth, kappa)
    if kappa != 1:
        return _limit_kappa.moments(depth, n, kappa)
    i = np.arange(1, n + 1)
    return np.array([np.prod((k + i[:k] / depth) / i[:k]) / (k + 1) for k in range(n + 1)])


def limit_support(depth: float, *, kappa: float = 1.0) -> tuple[float, float]:
    r"""The interval (0, L) that x = βσ²/d fills, for E = ½ Tr WᵀW, d × d matrices, d → ∞.

    .. math:: L = \Big(1 + \frac1N\Big)^{N+1}\quad(\kappa = 1),\qquad L = 2\kappa P(0)P(1)

    L = e at depth inf and κ = 1; P and kappa as for :func:`limit_moments`.

    Examples
    --------
    >>> import math
    >>> import dlngeo as dln
    >>> dln.equilibrium.limit_support(1)
    (0.0, 4.0)
    >>> dln.equilibrium.limit_support(math.inf)[1] == math.e
    True
    """
    depth, kappa = _setting(depth, kappa)
    return 0.0, _edge(depth) if kappa == 1 else _limit_kappa.edge(depth, kappa)


def limit_density(x: ArrayLike, depth: float, *, kappa: float = 1.0) -> Array:
    r"""The density of x = βσ²/d for E = ½ Tr WᵀW in the limit of large width.

    It vanishes like a square root at the upper edge and grows like x^{r-1} at zero, where
    κ sin π(N+1)r = (κ-1) sin π(N-1)r: r = 1/(N+1) at κ = 1 (1/(x log² x) at depth inf).

    Parameters
    ----------
    x : array
    depth : real number >= 1, or inf
    kappa : float
        As for :func:`limit_moments`.

    Returns
    -------
    array of the shape of x
        0 outside the support, inf at x = 0.

    Raises
    ------
    ValueError
        For depth < 1, entries that are not finite, or kappa < 1/2 at depth > 1.

    Notes
    -----
    For κ ≠ 1 the Laplace transform ∫ x^s ρ dx is inverted along a hyperbola, the relative error
    some 1e-13, and near x = 0 as much more as κ is near 1/2. For κ = 1 the place v of x is found by
    halving intervals in τ = log((π - v)/v), so both ends of the support are resolved; the relative
    error is some 1e-16 (1 + |log x| + 1/(edge - x)), the last because x itself is rounded. Source:
    open in Menon, section 14.3; derived.

    Examples
    --------
    At depth 1 the law of Marchenko and Pastur, √(4/x - 1)/(2π):

    >>> import math
    >>> import dlngeo as dln
    >>> round(float(dln.equilibrium.limit_density(2.0, 1)) * 2 * math.pi, 6)
    1.0
    """
    x = _checks.real_array(x, "x")
    high = limit_support(depth, kappa=kappa)[1]
    depth, kappa = _setting(depth, kappa)
    density = np.zeros(x.shape)
    inside = (x > 0) & (x < high)
    if kappa == 1:
        density[inside] = np.exp(log_curve(_place(np.log(x[inside]), depth), depth)[1])
    else:
        density[inside] = _limit_kappa.density(x[inside], high, depth, kappa)
    density[x == 0] = np.inf
    return density[()]


def limit_edge_scale(depth: float, *, kappa: float = 1.0) -> float:
    r"""The number A for which d^{2/3} A (x_max - L) has the law of Tracy and Widom, β = 1.

    x = βσ²/d for E = ½ Tr WᵀW in the limit of large width, L its upper edge, kappa as for
    :func:`limit_moments`.

    .. math:: A = \frac1L\Big(\frac{2(N+2\kappa-1)}{N\kappa}\Big)^{1/3}, \qquad
       \rho(x) \approx \tfrac1\pi A^{3/2}\sqrt{L - x}.

    That the fluctuations at the edge are universal is measured, not proved. Source: open in Menon,
    section 14.3; derived.
    """
    high = limit_support(depth, kappa=kappa)[1]
    a = 1 / (2 * kappa)
    return float(np.cbrt(4 * (a + (1 - a) / depth)) / high)


def mean_square(d: int, *, depth: float, beta: float, kappa: float = 1.0) -> float:
    r"""The mean of (1/d) Σσ² for E = ½ Tr WᵀW on d × d matrices, exact at every width.

    .. math:: \mathbb E\,\frac1d\sum_k\sigma_k^2
       = \frac\kappa\beta\Big[(d-1)\Big(a + \frac bN\Big) + \frac1N\Big], \qquad
       a = \frac1{2\kappa},\quad b = 1 - a

    Parameters
    ----------
    d : int >= 1
    depth : real number >= 1, or inf
    beta, kappa : float > 0

    Raises
    ------
    ValueError
        For arguments out of range, among them κ >= (d-1)/(2d) at depth inf, where there is no
        stationary measure.

    Notes
    -----
    The Gibbs density, apart from e^{-βE/κ}, is homogeneous. Source: derived from Menon, (12.12).
    """
    d, depth = _checks.integer(d, "d", 1), _checks.depth(depth)
    beta, kappa = _checks.positive(beta, "beta"), _checks.positive(kappa, "kappa")
    if math.isinf(depth) and kappa >= (d - 1) / (2 * d):
        raise ValueError(
            f"at depth inf there is a stationary measure only for kappa < (d-1)/(2d) = "
            f"{(d - 1) / (2 * d):g}, not {kappa:g}"
        )
    return ((d - 1) * (0.5 + (kappa - 0.5) / depth) + kappa / depth) / beta


def log_curve(place: Array, depth: float) -> tuple[Array, Array]:
    """(log x, log ρ) at v = π/(1 + e^τ), τ = ``place``: τ → ∞ at the upper edge, -∞ at zero."""
    with np.errstate(over="ignore"):
        v, rest = math.pi / (1 + np.exp(place)), math.pi / (1 + np.exp(-place))
    near = np.minimum(v, rest)  # sin v = sin(π - v)
    sine, slope = np.sin(near), np.where(place >= 0, 1.0, -1.0) * np.cos(near)  # sin v, cos v
    cot = slope / sine
    if math.isinf(depth):
        power, ratio, top = -v * cot, sine / v, sine
    else:
        phi, rest_angle = v / (depth + 1), v * (depth / (depth + 1))
        # q = sin(v - φ)/sin v = cos φ - cot v sin φ
        power = depth * np.log1p(-2 * np.sin(phi / 2) ** 2 - cot * np.sin(phi))
        ratio, top = sine / (depth * np.sin(phi)), np.sin(rest_angle)
    return np.log(ratio) - power, np.log(top / math.pi) + power


def _place(log_x: Array, depth: float) -> Array:
    """τ with log x(τ) = log_x: x grows with τ."""
    low, high = np.full(log_x.shape, -750.0), np.full(log_x.shape, 700.0)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = log_curve(middle, depth)[0] < log_x
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def _setting(depth: float, kappa: float) -> tuple[float, float]:
    """Depth and kappa, checked; depth 1 where only that counts."""
    depth, kappa = _checks.depth(depth), _checks.positive(kappa, "kappa")
    if kappa < 0.5 and depth > 1:
        raise ValueError(
            f"kappa must be >= 1/2 at depth > 1, not {kappa:g}: below it the law of large width "
            "leaves zero, and has no closed form"
        )
    return (1.0 if kappa == 0.5 else depth), kappa


def _edge(depth: float) -> float:
    if math.isinf(depth):
        return math.e
    return math.exp((depth + 1) * math.log1p(1 / depth))
