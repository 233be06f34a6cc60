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
depth 1, whatever the depth. Other κ are in the study ``studies/width.toml``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array

_HALVINGS = 66  # of an interval of length 1500, down to rounding


def limit_moments(depth: float, n: int) -> Array:
    r"""The moments m_0, ..., m_n of x = βσ²/d for E = ½ Tr WᵀW, κ = 1, in the limit of large width.

    .. math:: m_k = \frac1{k+1}\prod_{i=1}^k\frac{k+i/N}{i}

    Parameters
    ----------
    depth : real number >= 1, or inf
    n : int >= 0

    Returns
    -------
    (n + 1,) array

    Raises
    ------
    ValueError
        For depth < 1 or n < 0.

    Notes
    -----
    Source: open in Menon, section 14.3; derived.

    Examples
    --------
    >>> import dlngeo as dln
    >>> dln.equilibrium.limit_moments(1, 3).round(12).tolist()  # Catalan numbers: Marchenko-Pastur
    [1.0, 1.0, 2.0, 5.0]
    """
    depth, n = _checks.depth(depth), _checks.integer(n, "n", 0)
    i = np.arange(1, n + 1)
    return np.array([np.prod((k + i[:k] / depth) / i[:k]) / (k + 1) for k in range(n + 1)])


def limit_support(depth: float) -> tuple[float, float]:
    """The interval (0, (1 + 1/N)^{N+1}) that x = βσ²/d fills; its upper edge is e at depth inf.

    For E = ½ Tr WᵀW and κ = 1, d × d matrices, d → ∞.

    Examples
    --------
    >>> import math
    >>> import dlngeo as dln
    >>> dln.equilibrium.limit_support(1)
    (0.0, 4.0)
    >>> dln.equilibrium.limit_support(math.inf)[1] == math.e
    True
    """
    return 0.0, _edge(_checks.depth(depth))


def limit_density(x: ArrayLike, depth: float) -> Array:
    r"""The density of x = βσ²/d for E = ½ Tr WᵀW and κ = 1 in the limit of large width.

    It vanishes like a square root at the upper edge and grows like x^{-N/(N+1)} at zero
    (1/(x log² x) at depth inf).

    Parameters
    ----------
    x : array
    depth : real number >= 1, or inf

    Returns
    -------
    array of the shape of x
        0 outside the support, inf at x = 0.

    Raises
    ------
    ValueError
        For depth < 1 or entries that are not finite.

    Notes
    -----
    The place v of x is found by halving intervals in τ = log((π - v)/v), so both ends of the
    support are resolved; the relative error is some 1e-16 (1 + |log x| + 1/(edge - x)), the last
    because x itself is rounded. Source: open in Menon, section 14.3; derived.

    Examples
    --------
    At depth 1 the law of Marchenko and Pastur, √(4/x - 1)/(2π):

    >>> import math
    >>> import dlngeo as dln
    >>> round(float(dln.equilibrium.limit_density(2.0, 1)) * 2 * math.pi, 6)
    1.0
    """
    x, depth = _checks.real_array(x, "x"), _checks.depth(depth)
    density = np.zeros(x.shape)
    inside = (x > 0) & (x < _edge(depth))
    place = _place(np.log(x[inside]), depth)
    density[inside] = np.exp(log_curve(place, depth)[1])
    density[x == 0] = np.inf
    return density[()]


def limit_edge_scale(depth: float) -> float:
    r"""The number A for which d^{2/3} A (x_max - edge) has the law of Tracy and Widom, β = 1.

    x = βσ²/d for E = ½ Tr WᵀW and κ = 1 in the limit of large width.

    .. math:: A = \Big(2\,\frac{N+1}N\Big)^{1/3} \Big(\frac N{N+1}\Big)^{N+1}, \qquad
       \rho(x) \approx \tfrac1\pi A^{3/2}\sqrt{\mathrm{edge} - x}.

    That the fluctuations at the edge are universal is measured, not proved. Source: open in Menon,
    section 14.3; derived.
    """
    depth = _checks.depth(depth)
    return float(np.cbrt(2 * (1 + 1 / depth)) / _edge(depth))


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


def _edge(depth: float) -> float:
    if math.isinf(depth):
        return math.e
    return math.exp((depth + 1) * math.log1p(1 / depth))
