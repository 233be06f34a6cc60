r"""Wide matrices in equilibrium: singular values against the law of large width (Menon, 14.3).

For E = ½ Tr WᵀW and κ = 1, at several widths d, this study samples the log-gas of singular values
and sets beside its limits

- the moments of x = βσ²/d, whose limits are those of :func:`dlngeo.equilibrium.limit_moments`, and
  the exact mean at each width;
- the largest x, d^{2/3} A (x_max - edge), against the law of Tracy and Widom, β = 1;
- neighbouring spacings in the bulk, through the ratio of the smaller to the larger of two in a row
  (Oganesyan and Huse, 2007; Atas, Bogomolny, Giraud and Roux, 2013): no unfolding is needed.

Every number has a standard error from its effective sample size. What is measured at finite widths
is extrapolated by powers of 1/d.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import airy

from dlngeo import _checks, equilibrium
from dlngeo._checks import RNG, Array
from dlngeo._random import child, seed_sequence
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Quadratic
from dlngeo.equilibrium.mixing import effective_size

__all__ = [
    "LargeWidth",
    "Series",
    "converge",
    "edge_variable",
    "spacing_ratio_density",
    "spacing_ratios",
    "tracy_widom",
]


def __dir__() -> list[str]:
    return __all__


Progress = Callable[[str, float], None]

# Mean, variance and skewness of the Tracy-Widom law, β = 1 (Bornemann, 2010).
TRACY_WIDOM = (-1.2065335745820, 1.6077810345810, 0.2934645240800)
SPACING_RATIO = 0.5307  # of large matrices, β = 1 (Atas et al., 2013); 4 - 2√3 for three levels

_NODES, _REACH = 60, 20.0  # quadrature of the Fredholm determinant
_MOMENT_POWERS, _EDGE_POWERS, _SHAPE_POWERS = (1.0, 2.0), (1 / 3, 2 / 3), (2 / 3,)


class Series(NamedTuple):
    """A quantity at each width, what it tends to by extrapolation, and what it should tend to."""

    values: Array  # (width,)
    errors: Array  # (width,), standard errors
    extrapolated: float
    error: float
    limit: float

    @property
    def deviation(self) -> float:
        """(extrapolated - limit) in standard errors."""
        return (self.extrapolated - self.limit) / self.error

    def __repr__(self) -> str:
        return f"Series({self.extrapolated:.6g} ± {self.error:.2g}, limit {self.limit:.6g})"


@dataclass(frozen=True)
class LargeWidth:
    """The measured law of large width at one depth.

    Attributes
    ----------
    depth : float
    widths : (width,) array of int
    x : tuple of (path, draw, d) arrays
        βσ²/d, decreasing, one array a width.
    exact_mean : (width,) array
        The mean of x at each width, in closed form.
    moments : tuple of Series
        m_1, m_2, ... of x.
    edge_mean, edge_variance, edge_skewness : Series
        Mean, variance and skewness of d^{2/3} A (x_max - edge).
    spacing_ratio : Series
        Mean ratio of neighbouring spacings of σ in the middle half.
    r_hat : (width,) array
        The worst R̂ at each width.
    """

    depth: float
    widths: Array
    x: tuple[Array, ...]
    exact_mean: Array
    moments: tuple[Series, ...]
    edge_mean: Series
    edge_variance: Series
    edge_skewness: Series
    spacing_ratio: Series
    r_hat: Array

    def __repr__(self) -> str:
        worst = max(abs(series.deviation) for series in self.moments)
        return (
            f"LargeWidth(depth {self.depth:g}, widths {', '.join(map(str, self.widths))}, "
            f"moments within {worst:.1f} standard errors of their limits)"
        )


@one_blas_thread
def converge(
    depth: float,
    widths: Sequence[int] = (16, 32, 64, 128),
    *,
    n_moments: int = 3,
    n_paths: int = 8,
    n_draws: int = 300,
    warmup: int = 150,
    rng: RNG = None,
    report: Progress = lambda label, share: None,
) -> LargeWidth:
    """Sample the log-gas at growing widths and extrapolate to d = ∞.

    Parameters
    ----------
    depth : real number >= 1
        Not inf, where no width has a stationary measure at κ = 1.
    widths : sequence of int
        At least three different widths of at least 8.
    n_moments : int
    n_paths, n_draws, warmup
        As for :func:`dlngeo.equilibrium.sample`.
    rng : anything that ``numpy.random.default_rng`` takes
        Width k draws from child k.
    report : callable
        Told what is being done, and the share that is done.

    Returns
    -------
    LargeWidth

    Raises
    ------
    ValueError
        For depth inf, or widths too few or too small.

    Notes
    -----
    Moments are extrapolated by 1/d and 1/d², the mean at the edge by d^{-1/3} and d^{-2/3}, the
    variance and skewness there by d^{-2/3}, the ratio of spacings by 1/d; terms beyond those are in
    no error bar.
    """
    depth = _checks.depth(depth)
    n_moments = _checks.integer(n_moments, "n_moments", 1)
    widths = _checks.sequence(widths, "widths", "a sequence of integers")
    dims = [_checks.integer(d, "widths", 8) for d in widths]
    _checks.function(report, "report")
    if len(set(dims)) < 3:
        raise ValueError(f"widths must be at least three different integers, not {widths!r}")
    root = seed_sequence(rng)
    x, worst = [], []
    for k, d in enumerate(dims):
        report(f"width {d}", k / len(dims))
        sample = equilibrium.sample_singular_values(
            Quadratic(np.zeros((d, d))),
            shape=(d, d),
            depth=depth,
            beta=1.0,
            n_paths=n_paths,
            n_draws=n_draws,
            warmup=warmup,
            rng=child(root, k),
        )
        x.append(sample.sigma**2 / d)
        worst.append(sample.r_hat.max())
    report("done", 1.0)
    limits = equilibrium.limit_moments(depth, n_moments)
    moments = tuple(
        _series(dims, [(values**k).mean(axis=-1) for values in x], _MOMENT_POWERS, limits[k])
        for k in range(1, n_moments + 1)
    )
    tops = [edge_variable(values, depth) for values in x]
    mean, variance, skewness = TRACY_WIDOM
    spread = [(t - t.mean()) ** 2 for t in tops]
    third = [((t - t.mean()) / t.std()) ** 3 for t in tops]
    return LargeWidth(
        depth,
        np.array(dims),
        tuple(x),
        np.array([equilibrium.mean_square(d, depth=depth, beta=float(d)) for d in dims]),
        moments,
        _series(dims, tops, _EDGE_POWERS, mean),
        _series(dims, spread, _SHAPE_POWERS, variance),
        _series(dims, third, _SHAPE_POWERS, skewness),
        _series(dims, [spacing_ratios(v).mean(axis=-1) for v in x], (1.0,), SPACING_RATIO),
        np.array(worst),
    )


def edge_variable(x: Array, depth: float) -> Array:
    """d^{2/3} A (x_max - edge) of x (..., d), decreasing."""
    x, edge = _checks.singular_values(x, "x"), equilibrium.limit_support(depth)[1]
    scale = x.shape[-1] ** (2 / 3) * equilibrium.limit_edge_scale(depth)
    return np.asarray(scale * (x[..., 0] - edge))[()]


def spacing_ratios(x: Array) -> Array:
    """min/max of neighbouring spacings of σ in the middle half of x (..., d), decreasing."""
    x = _checks.singular_values(x, "x")
    d = x.shape[-1]
    gaps = -np.diff(np.sqrt(x[..., d // 4 : d - d // 4]), axis=-1)
    one, two = gaps[..., 1:], gaps[..., :-1]
    return np.asarray(np.minimum(one, two) / np.maximum(one, two))


def spacing_ratio_density(ratio: ArrayLike) -> Array:
    """The density of the ratio for three levels, β = 1: (27/4)(r + r²)/(1 + r + r²)^{5/2}."""
    r = _checks.real_array(ratio, "ratio")
    return np.where((r < 0) | (r > 1), 0.0, 6.75 * (r + r**2) / (1 + r + r**2) ** 2.5)[()]


def tracy_widom(s: ArrayLike) -> Array:
    r"""The distribution function of the Tracy-Widom law, β = 1, of the shape of s.

    .. math:: F_1(s) = \det\big(I - \tfrac12\mathrm{Ai}(\tfrac{x+y}2)\big)_{L^2(s,\infty)}

    by Gauss-Legendre quadrature of the determinant (Ferrari and Spohn, 2005; Bornemann, 2010), to
    some 1e-14 for s > -8.
    """
    s = _checks.real_array(s, "s")
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    length = np.maximum(_REACH - s, 1.0)[..., None]
    node, weight = s[..., None] + length * (node + 1) / 2, length * weight / 2
    kernel = 0.5 * airy((node[..., :, None] + node[..., None, :]) / 2)[0]
    root = np.sqrt(weight)
    matrix = np.eye(_NODES) - root[..., :, None] * kernel * root[..., None, :]
    return np.asarray(np.linalg.det(matrix))[()]


def _series(
    widths: Sequence[int], draws: Sequence[Array], powers: Sequence[float], limit: float
) -> Series:
    """Means over (path, draw), and the first coefficient of a fit by powers of 1/d."""
    values = np.array([d.mean() for d in draws])
    errors = np.array([float(d.std() / np.sqrt(effective_size(d))) for d in draws])
    inverse = 1 / np.array(widths, dtype=float)
    design = np.stack([inverse**p for p in (0.0, *powers)], axis=-1) / errors[:, None]
    inverse_design = np.linalg.pinv(design)[0]
    extrapolated = float(inverse_design @ (values / errors))
    return Series(values, errors, extrapolated, float(np.linalg.norm(inverse_design)), limit)
