r"""The Riemannian Langevin equation in the root chart Y = UΛVᵀ, Λ = Σ^{1/N}.

Nothing degenerates there. Between λ_k and λ_l let x = |log λ_k/λ_l| and S = tanh(Nx/2)/tanh(x/2),
between 1 and N. On the frames of Y the metric g^N is N on the diagonal, S on symmetric and 1/S on
antisymmetric matrices beside it: never farther than a factor N from the Frobenius metric, up to the
boundary λ_d = 0 where W itself is a singular coordinate. For a Gaussian matrix B in the entries'
basis, G = UᵀBV,

.. math:: A_{kk} = G_{kk}/\sqrt N, \qquad
   A_{kl} = \tfrac12\big[(G_{kl}+G_{lk})/\sqrt S + (G_{kl}-G_{lk})\sqrt S\big]

is the noise 𝒜_{N,W}^{1/2}(B) of W carried to Y. The drift of Brownian motion is diagonal in the
frames, κ/β times

.. math:: \sum_{l\ne k}\frac{1/N-1/S}{\lambda_k-\lambda_l}+\frac{1/N-S}{\lambda_k+\lambda_l},
   \qquad \frac1{\sqrt N}\sum_{l\ne k}
   \frac{1/\sqrt N-1/\sqrt S}{\lambda_k-\lambda_l}+\frac{1/\sqrt N-\sqrt S}{\lambda_k+\lambda_l}

in Itô's and in Stratonovich's form. Derived; the equation is Menon's (12.12) with (12.8)-(12.10),
(12.10) corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._equation import Equation
from dlngeo._linalg import svd
from dlngeo.energies import Energy
from dlngeo.spectral.divided_differences import log_ratio, summed
from dlngeo.spectral.entropic_force import pair_force, whole_depth_forces
from dlngeo.spectral.square_svd import PairTable, SquareSVD, pairs, row_sums

# Coefficients of y, y³, ..., y^19 in tanh y.
_TANH = (
    1.0,
    -1 / 3,
    2 / 15,
    -17 / 315,
    62 / 2835,
    -1382 / 155925,
    21844 / 6081075,
    -929569 / 638512875,
    6404582 / 10854718875,
    -443861162 / 1856156927625,
)


def slope_at(energy: Energy, W: Array) -> Array:
    """E'(W) of a stack (path, d, d), NaN where W is not finite: no energy is asked there."""
    there = np.isfinite(W).all(axis=(-2, -1))
    if there.all():
        return energy.gradient(W)
    slope = np.full_like(W, np.nan)
    if there.any():
        slope[there] = energy.gradient(W[there])
    return slope


class RootChart:
    """Drift and noise of (12.12) in the root chart, for stacks of d × d matrices Y."""

    def __init__(self, equation: Equation) -> None:
        self.equation, self.energy, self.depth = equation, equation.energy, equation.depth

    def to_root(self, W: Array) -> Array:
        """Y of W."""
        U, sigma, Vt = svd(W)
        return np.asarray((U * sigma[..., None, :] ** (1 / self.depth)) @ Vt)

    def from_root(self, Y: Array) -> Array:
        """W of Y."""
        U, lam, Vt = np.linalg.svd(Y)
        return np.asarray((U * lam[..., None, :] ** self.depth) @ Vt)

    def frames(self, Y: Array) -> SquareSVD:
        """The singular value decomposition of Y."""
        return SquareSVD.of(Y)

    def end_to_end(self, frames: SquareSVD) -> Array:
        """W at a Y of these frames."""
        return frames.diagonal(_power(frames.values(), self.depth))

    def velocity(
        self,
        frames: SquareSVD,
        noise: Array | None,
        h: float | Array | None,
        slope: Array | None = None,
    ) -> Array:
        """Itô's drift times h, plus √(2κ/β) times the noise carried to a Y of these frames.

        ``h`` is a number, or one for each matrix, (..., 1, 1); with None the noise alone. ``slope``
        is the energy's E'(W), where it is known.
        """
        point = Point.of(frames, self.depth)
        terms = [] if noise is None else [self.noise(point, noise)]
        if h is not None:
            terms.append(self.drift(point, h, slope))
        return point.outside([(1.0, term) for term in terms])

    # Off the diagonal these two return even and odd parts, not what stands above and below.
    def noise(self, point: Point, noise: Array) -> PairTable:
        """√(2κ/β) times the noise carried to Y."""
        between, amplitude = point.between, math.sqrt(2 * self.equation.temperature)
        G = PairTable.of(point.frames.inside(noise))
        even, odd = G.upper + G.lower, G.upper - G.lower
        if not amplitude:
            return PairTable(0 * G.diagonal, 0 * even, 0 * odd)
        root = np.sqrt(between.stretch) / (0.5 * amplitude)
        even /= root
        odd *= (0.25 * amplitude**2) * root
        return PairTable(amplitude / math.sqrt(self.depth) * G.diagonal, even, odd)

    def drift(self, point: Point, h: float | Array, slope: Array | None = None) -> PairTable:
        """Itô's drift times h."""
        h = np.asarray(h)[..., 0, 0] if np.ndim(h) else h
        frames, lam, between = point
        diagonal = h * self._radial(lam, between)
        if self.energy is None:
            nothing = np.zeros_like(between.ratio)
            return PairTable(diagonal, nothing, nothing)
        if slope is None:
            slope = slope_at(self.energy, self.end_to_end(frames))
        E, steep = PairTable.of(frames.inside(slope)), (-0.5 * h) * between.steep
        even, odd = E.upper + E.lower, E.upper - E.lower
        odd *= steep
        even *= steep
        even /= between.stretch
        diagonal -= h * _power(lam, self.depth - 1) * E.diagonal
        return PairTable(diagonal, even, odd)

    def correction(self, point: Point, h: float | Array) -> PairTable:
        """Half the noise's derivative along itself, Itô's drift less Stratonovich's, times h."""
        h = np.asarray(h)[..., 0, 0] if np.ndim(h) else h
        between, nothing = point.between, np.zeros_like(point.between.ratio)
        ito, other = (_brownian(between, self.depth, ito) for ito in (True, False))
        total = row_sums(ito[0] - other[0], ito[1] - other[1])
        return PairTable(self.equation.temperature * h * total, nothing, nothing)

    def _radial(self, lam: Array, between: _Pairs) -> Array:
        """The drift but for the energy's: diagonal in the frames."""
        upper = lower = np.zeros_like(between.ratio)
        equation, depth = self.equation, self.depth
        if equation.entropy:
            up, down = _entropic(between, depth)
            upper, lower = up / (depth * equation.beta), down / (depth * equation.beta)
        if equation.kappa:
            up, down = _brownian(between, depth, True)
            upper = upper + equation.temperature * up
            lower = lower + equation.temperature * down
        return np.asarray(row_sums(upper, lower) - equation.weight_decay * lam)


class Point(NamedTuple):
    """A stack of Y: its frames, λ as rows (d, ...), and what λ_k, λ_l have between them."""

    frames: SquareSVD
    lam: Array
    between: _Pairs

    @classmethod
    def of(cls, frames: SquareSVD, depth: float) -> Point:
        """A Y of these frames."""
        lam = frames.values()
        return cls(frames, lam, _Pairs.of(lam, depth))

    def outside(self, terms: Sequence[tuple[float, PairTable]]) -> Array:
        """The sum of multiples of tables, of even and odd parts, in the entries' basis."""
        (first, start), *rest = terms
        diagonal, even, odd = (first * part for part in start)
        for factor, table in rest:
            diagonal += factor * table.diagonal
            even += factor * table.upper
            odd += factor * table.lower
        return self.frames.outside(PairTable(diagonal, even + odd, even - odd).table())


class _Pairs(NamedTuple):
    """What λ_k >= λ_l have between them, k < l, as rows (pair, ...)."""

    ratio: Array  # λ_l/λ_k, 0 where both are 0
    inverse: Array  # 1/λ_k, 0 where λ_k = 0
    stretch: Array  # S
    steep: Array  # (σ_k - σ_l)/(λ_k - λ_l)
    short: Array  # (N - S)/(λ_k - λ_l)

    @classmethod
    def of(cls, lam: Array, depth: float) -> _Pairs:
        """The pairs of rows lam (d, ...), largest first."""
        k, l = pairs(len(lam))  # noqa: E741
        larger, smaller = lam[k], lam[l]
        safe = np.where(lam > 0, lam, 1.0)[k]
        ratio, gap = smaller / safe, (larger - smaller) / safe
        inverse = np.where(lam > 0, 1 / np.where(lam > 0, lam, 1.0), 0.0)[k]
        form = _whole if summed(depth) else _real
        stretch, steep, short = form(ratio, gap, depth)
        return cls(ratio, inverse, stretch, steep * _power(larger, depth - 1), short * inverse)


def _whole(ratio: Array, gap: Array, depth: float) -> tuple[Array, Array, Array]:
    r"""S, (σ_k - σ_l)/(λ_k - λ_l), (N - S)/(λ_k - λ_l) at λ_k = 1, as quotients of positive sums.

    With r = λ_l/λ_k: :math:`S = (1+r)\sum_j r^j/(1+r^N)` and
    :math:`N - S = (1-r)^2\sum_j (j+1)(N-1-j)r^j/(1+r^N)`.
    """
    N, one = int(depth), np.ones_like(ratio)
    if N == 1:
        return one, one, 0 * one
    onward = 1 + ratio
    total, rest, top = onward.copy(), (N - 1) * one, _power(ratio, N)
    for j in range(N - 3, -1, -1):  # in place: the rows are long
        total *= ratio
        total += 1
        rest *= ratio
        rest += (j + 1) * (N - 1 - j)
    top += 1
    rest *= gap
    rest /= top
    onward *= total
    onward /= top
    return onward, total, rest


def _real(ratio: Array, gap: Array, depth: float) -> tuple[Array, Array, Array]:
    """The same at any depth, by exponentials of x = log λ_k/λ_l."""
    x = log_ratio(np.ones_like(ratio), ratio)
    apart = x > 0
    S = stretch(x, depth)
    steep = np.expm1(-depth * x) / np.where(apart, np.expm1(-x), 1.0)
    short = _shortfall(x, S, depth) / np.where(gap > 0, gap, 1.0)
    return S, np.where(apart, steep, depth), np.where(gap > 0, short, 0.0)


def _power(x: Array, exponent: float) -> Array:
    """Powers of exponent >= 0: a product where that is small and whole."""
    if not (exponent <= 12 and float(exponent).is_integer()):
        return np.asarray(x**exponent)
    if exponent == 0:
        return np.ones_like(x)
    result = x
    for bit in f"{int(exponent):b}"[1:]:
        result = result * result
        if bit == "1":
            result = result * x
    return result


def _entropic(between: _Pairs, depth: float) -> tuple[Array, Array]:
    """φ(log σ_l/σ_k)/λ_k and φ(log σ_k/σ_l)/λ_l."""
    ratio = between.ratio
    if summed(depth):
        up, down = whole_depth_forces(ratio * ratio, int(depth))
        return up * between.inverse, ratio * down * between.inverse
    t = -depth * log_ratio(np.ones_like(ratio), ratio)
    up, down = pair_force(t, depth), pair_force(-t, depth)
    far = ratio < 1e-150  # then the second is of the order of the ratio at most
    down = np.where(far, 0.0, down / np.where(far, 1.0, ratio))
    return up * between.inverse, down * between.inverse


def _brownian(between: _Pairs, depth: float, ito: bool) -> tuple[Array, Array]:
    """The terms of Brownian motion's drift, what λ_l does to λ_k and what λ_k does to λ_l."""
    S = between.stretch
    if ito:
        apart = between.short / (depth * S)  # (1/S - 1/N)/(λ_k - λ_l)
        together = S - 1 / depth
    else:
        root, whole = np.sqrt(S), math.sqrt(depth)
        apart = between.short / (depth * root * (root + whole))
        together = (root - 1 / whole) / whole
    together *= between.inverse
    together /= 1 + between.ratio
    return -(apart + together), apart - together


def stretch(x: Array, depth: float) -> Array:
    """S = tanh(Nx/2)/tanh(x/2), N at x = 0."""
    apart = x > 0
    safe = np.where(apart, x, 1.0)
    return np.where(apart, np.tanh(0.5 * depth * safe) / np.tanh(0.5 * safe), depth)


def _shortfall(x: Array, S: Array, depth: float) -> Array:
    """N - S without cancellation: a series where Nx is small."""
    y = 0.5 * x
    near = depth * y < 0.3
    small = np.where(near, y, 0.0) ** 2
    series = np.zeros_like(small)
    for j in range(len(_TANH) - 1, 0, -1):
        series = series * small + _TANH[j] * (depth - depth ** (2 * j + 1))
    inside = np.where(near & (y > 0), y, 0.3)
    ratio = np.where(y > 0, inside / np.tanh(inside), 1.0)  # y / tanh y
    return np.where(near, series * small * ratio, depth - S)


def runge_kutta(Y: Array, field: Callable[[Array], Array], one: Array) -> Array:
    """The flow of a field over unit time, by one step of the classical method of order 4.

    ``one`` is the field at Y.
    """
    two = field(Y + 0.5 * one)
    three = field(Y + 0.5 * two)
    four = field(Y + three)
    return np.asarray(Y + (one + 2 * two + 2 * three + four) / 6)


def orientation(W: Array) -> Array:
    """The signs of det W, by the frames that :meth:`RootChart.to_root` takes."""
    U, _, Vt = svd(W)
    return np.sign(np.linalg.det(U) * np.linalg.det(Vt))


def reflected(Y: Array, orientation: float | Array, near: Array | None = None) -> Array:
    """Y, its smallest singular value reflected where its determinant has not this sign.

    ``near`` (path,) says where it may not have it; None: everywhere.
    """
    where = np.arange(len(Y)) if near is None else np.flatnonzero(near)
    sign = np.broadcast_to(orientation, len(Y))[where]
    turned = where[_determinant(Y if near is None else Y[where]) * sign < 0]
    if turned.size:
        frames = SquareSVD.of(Y[turned])
        last = np.zeros_like(frames.values())
        last[-1] = -2 * frames.lam[:, -1]
        Y = Y.copy()
        Y[turned] += frames.diagonal(last)
    return Y


def within_range(new: Array, norm: Array, depth: float) -> Array:
    """States (path, ...) of roots of this norm, NaN where W = Y^N leaves floating point."""
    there = np.isfinite(norm**depth)
    axes = tuple(range(there.ndim, new.ndim))
    return new if there.all() else np.where(np.expand_dims(there, axes), new, np.nan)


def _determinant(Y: Array) -> Array:
    if Y.shape[-1] == 2:
        return np.asarray(Y[:, 0, 0] * Y[:, 1, 1] - Y[:, 0, 1] * Y[:, 1, 0])
    return np.asarray(np.linalg.det(Y))
