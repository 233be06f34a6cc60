r"""Whether the Gibbs measure has a finite mass, and whether an energy sees singular values alone.

Let ρ singular values be of size x and the others of order one. Then the Gibbs density of
:mod:`dlngeo.equilibrium`, without its energy and integrated over those ρ, is x^{n_ρ} dx/x with

.. math:: n_\rho = 2\Big(a+\frac bN\Big)\Big[\frac{\rho(\rho-1)}2+\rho(r-\rho)\Big]
   + \rho\,\frac{c+1}N, \qquad a = \frac1{2\kappa},\quad b = 1-a,

and c as in :func:`~dlngeo.equilibrium._sampling.log_density`. At infinity an energy that grows like
s log x confines them if (β/κ)s > n_ρ. At zero all is integrable, but for depth ``inf``: with the
smallest σ alone near zero and u = -log σ the density is u^{(d-1)(1-a)} du, integrable only for
κ < (d-1)/(2d).

What an energy does not see need not make Z infinite: square networks have Z = ∞ in unregularised
completion for every κ <= ½, but at larger κ the volume of g^N falls faster than the entropy grows,
and the measure of a deep network can be finite where the data leave entries free. See
:mod:`dlngeo.equilibrium._null_space`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._equation import Equation
from dlngeo._linalg import diagonal_matrix
from dlngeo.energies import Energy, Spectral, require_stacks
from dlngeo.entropy.free_energies import decay_energy
from dlngeo.equilibrium._log_gas import Potential
from dlngeo.equilibrium._null_space import judge
from dlngeo.spectral.fibre_volume import Widths
from dlngeo.weights import haar_frame


class Setting(NamedTuple):
    """All that the Gibbs measure depends on, checked."""

    equation: Equation
    shape: tuple[int, int]
    rank: int
    extra: float  # c, the power of λ

    @classmethod
    def of(
        cls,
        energy: Energy,
        shape: tuple[int, int],
        depth: float,
        beta: float,
        kappa: float,
        widths: Widths,
        weight_decay: float,
    ) -> Setting:
        """Arguments checked; the rank is the largest that the widths allow."""
        m, n = _checks.shape(shape)
        kappa = _checks.positive(kappa, "kappa")
        equation = Equation.of(energy, depth, beta, kappa, weight_decay)
        rank = _checks.rank(None, (m, n), widths, equation.depth)
        if math.isinf(equation.depth) and (m != n or equation.weight_decay > 0):
            raise ValueError(
                "at depth inf W must be square, its row and column spaces being frozen otherwise, "
                f"and weight_decay 0; shape is {(m, n)} and weight_decay {weight_decay:g}"
            )
        if widths is None and m != n:
            raise ValueError(
                f"the entropy of a {m} x {n} matrix depends on the hidden layers: pass widths="
            )
        hidden = () if widths is None else _checks.widths(widths)[1:-1]
        extra = m + n - 2 * rank + sum(d - rank for d in hidden) / kappa
        return cls(equation, (m, n), rank, extra)

    @property
    def energy(self) -> Energy:
        """E; who uses it first refuses what is no energy."""
        return cast("Energy", self.equation.energy)

    @property
    def strength(self) -> float:
        """β/κ."""
        return self.equation.beta / self.equation.kappa

    @property
    def share(self) -> float:
        """A = 1/(2κ)."""
        return 1 / (2 * self.equation.kappa)

    def growth(self, large: int) -> float:
        """The exponent n_ρ at the head of this file."""
        share, r = self.share, self.rank
        pair = share + (1 - share) / self.equation.depth
        return 2 * pair * _pairs(large, r) + large * (self.extra + 1) / self.equation.depth

    def null_space_powers(self) -> tuple[float, float]:
        """The powers t and q of :mod:`dlngeo.equilibrium._null_space`, at full rank."""
        m, n = self.shape
        share = 1 - 1 / self.equation.depth
        whole = share * (abs(m - n) + 1) - (self.extra - abs(m - n)) / self.equation.depth
        return whole, 2 * (1 - self.share) * share


@dataclass(frozen=True)
class Normalisability:
    """Whether Z is finite: ``finite`` True, False, or None where it is not known; and why.

    True as a condition only where Z is known to be finite.
    """

    finite: bool | None
    reason: str

    def __bool__(self) -> bool:
        return self.finite is True


def normalisable(
    energy: Energy,
    *,
    shape: tuple[int, int],
    depth: float,
    beta: float,
    kappa: float = 1.0,
    widths: Widths = None,
    weight_decay: float = 0.0,
) -> Normalisability:
    """Whether the Gibbs measure of the Riemannian Langevin equation can be normalised.

    Parameters
    ----------
    energy : Energy
        Rotation-invariant energies are decided by their growth, those with a method ``null_space``,
        as :mod:`dlngeo.energies` has, by what they see of W. Of others nothing is said, but at
        depth inf.
    shape, depth, beta, kappa, widths, weight_decay
        As for :func:`sample`.

    Returns
    -------
    Normalisability
        ``finite`` (True, False or None) and ``reason``.

    Notes
    -----
    An energy of the user's is taken to be bounded on bounded sets, to forbid W where it is NaN,
    and its growth to go on as it does between 1e4 and 1e16. True and False are otherwise proved;
    None means that neither proof goes through. Source: derived from Menon, (12.12).

    Examples
    --------
    Completion of a diagonal leaves lines free; weight decay confines them:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])
    >>> dln.equilibrium.normalisable(energy, shape=(2, 2), depth=2, beta=1.0).finite
    False
    >>> dln.equilibrium.normalisable(
    ...     energy, shape=(2, 2), depth=2, beta=1.0, weight_decay=0.1
    ... ).finite
    True
    """
    return verdict(Setting.of(energy, shape, depth, beta, kappa, widths, weight_decay))


def refuse_infinite(setting: Setting) -> None:
    """Raise ValueError where Z is known to be infinite."""
    answer = verdict(setting)
    if answer.finite is False:
        raise ValueError(f"the Gibbs measure cannot be normalised: {answer.reason}")


def verdict(setting: Setting) -> Normalisability:
    """The answer of :func:`normalisable`, arguments checked."""
    energy = setting.energy
    invariant = is_rotation_invariant(energy, setting.shape)
    d, kappa = setting.rank, setting.equation.kappa
    if math.isinf(setting.equation.depth) and not kappa < (d - 1) / (2 * d):
        return Normalisability(
            False,
            f"Z = ∞: at depth inf the mass runs off to a singular value zero unless "
            f"kappa < (d-1)/(2d) = {(d - 1) / (2 * d):g}; kappa is {kappa:g}",
        )
    if invariant:
        return _by_growth(setting)
    null_space = getattr(energy, "null_space", None)
    if not callable(null_space):
        return Normalisability(
            None, f"{energy!r} is neither rotation-invariant nor known by structure"
        )
    if setting.equation.weight_decay > 0:
        return Normalisability(True, "the weight decay confines what the energy does not see")
    full = setting.rank == min(setting.shape)
    return Normalisability(*judge(null_space(), setting.null_space_powers() if full else None))


def is_rotation_invariant(energy: Energy, d: int | tuple[int, int]) -> bool:
    """Whether E(PWQ) = E(W) for orthogonal P and Q, so that E sees singular values alone.

    Decided by structure for energies that say so (``spectral``; of a
    :class:`~dlngeo.energies.Quadratic` the target must be zero), by Haar rotations of random
    matrices of several sizes for any other.

    Parameters
    ----------
    energy : Energy
    d : int or (m, n)
        The matrices are d × d, or m × n.

    Raises
    ------
    ValueError
        If the energy takes matrices of another shape.
    """
    m, n = _checks.shape(d if isinstance(d, tuple | list) else (d, d), "d")
    own = getattr(energy, "shape", (m, n))
    if tuple(own) != (m, n):
        raise ValueError(
            f"d must lead to matrices of shape {tuple(own)}, which the energy takes, not {(m, n)}"
        )
    require_stacks(energy, np.zeros((m, n)), "d", hessian=False)
    if hasattr(energy, "spectral"):
        return energy.spectral is not None
    generator = np.random.default_rng(20)
    sizes = np.array([0.03, 1.0, 30.0])[:, None, None, None]
    W = sizes * generator.standard_normal((3, 1, m, n)) / math.sqrt(max(m, n))
    P, Q = (haar_frame(k, k, generator, (6,)) for k in (m, n))
    with np.errstate(over="ignore", invalid="ignore"):
        rotated, plain = energy.value(P @ W @ Q), energy.value(W)
        slope = np.linalg.norm(energy.gradient(W), axis=(-2, -1)) * np.linalg.norm(W, axis=(-2, -1))
        same = np.abs(rotated - plain) <= 1e-11 * (np.abs(plain) + slope)
    return bool((same | (np.isinf(rotated) & np.isinf(plain))).all())


def potential(setting: Setting) -> Potential:
    """E + decay of diag(σ), and its derivatives.

    Raises ValueError for an energy that is not rotation-invariant.
    """
    energy, equation = setting.energy, setting.equation
    if not is_rotation_invariant(energy, setting.shape):
        raise ValueError(
            "the energy must be rotation-invariant, E(PWQ) = E(W) for orthogonal P, Q; "
            f"{energy!r} is not"
        )

    spectral: Spectral | None = getattr(energy, "spectral", None)

    def bare(sigma: Array) -> tuple[Array, Array]:
        if spectral is not None:
            return spectral(sigma)
        # energies refuse what is infinite, as a leap too far is
        inside = np.asarray(np.isfinite(sigma).all(axis=-1))
        W = diagonal_matrix(np.where(inside[..., None], sigma, 0.0), *setting.shape)
        slope = np.diagonal(energy.gradient(W), axis1=-2, axis2=-1)[..., : sigma.shape[-1]]
        return np.where(inside, energy.value(W), np.inf), slope

    if equation.weight_decay == 0:
        return bare

    def decayed(sigma: Array) -> tuple[Array, Array]:
        value, slope = bare(sigma)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = slope + equation.weight_decay * sigma ** (2 / equation.depth) / sigma
        return value + decay_energy(sigma, equation.depth, equation.weight_decay), slope

    return decayed


def _by_growth(setting: Setting) -> Normalisability:
    energy, total = setting.energy, potential(setting)
    for large in range(1, setting.rank + 1):
        sigma = np.ones((3, setting.rank))
        sigma[:, :large] = np.array([1e4, 1e8, 1e16])[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            bare = energy.value(diagonal_matrix(sigma, *setting.shape))
            if setting.equation.weight_decay > 0 and not (np.diff(bare) < 0).any():
                continue  # σ^{2/N} outgrows every logarithm, however slowly
            values = total(sigma)[0]
            near, far = np.diff(values) / np.diff(np.log([1e4, 1e8, 1e16]))
        faster = values[-1] == np.inf or np.isnan(values[-1]) or (near > 0 and far > 1.01 * near)
        growth, held = setting.growth(large), setting.strength * far
        if not faster and not held > growth * (1 + 1e-9):
            return Normalisability(
                False,
                f"Z = ∞: with {large} of {setting.rank} singular values of size x the density "
                f"grows like x^{growth:.4g} dx/x, and the energy holds it by x^-{held:.4g} only; "
                "more weight_decay would help",
            )
    return Normalisability(True, "energy and decay outgrow the entropy for every number of large σ")


def _pairs(large: int, rank: int) -> int:
    """Pairs of singular values with one of ``large`` in them."""
    return large * (large - 1) // 2 + large * (rank - large)
