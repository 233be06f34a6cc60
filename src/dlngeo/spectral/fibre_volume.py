r"""The fibre over W: its volume, and how the logarithm of that changes with W (Menon, section 6).

The formula stands at the head of :mod:`dlngeo.entropy`, where users find all this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from dlngeo import _checks, _rank
from dlngeo._checks import Array
from dlngeo._linalg import svd, svd_product
from dlngeo.spectral.divided_differences import degree, quotient, unit
from dlngeo.spectral.entropic_force import signed_log_ratio, total_force
from dlngeo.spectral.frame import Widths

# ------------------------------------------------------------------------------------- volumes


def orthogonal_group_log_volume(d: int) -> float:
    """The logarithm of c_d, the Frobenius volume of O_d (both components).

    c_d = 2 Π_{k=1}^{d-1} vol(S^k) · 2^{d(d-1)/4}; c_1, ..., c_4 = 2, 17.77, 446.6, 24937.
    Source: Menon, (6.2) with its constant corrected.

    Examples
    --------
    O_2 is two circles of radius √2:

    >>> import math
    >>> import dlngeo as dln
    >>> round(math.exp(dln.entropy.orthogonal_group_log_volume(2)) / (4 * math.pi), 6)
    1.414214
    """
    return stiefel_log_volume(d, d)


def stiefel_log_volume(r: int, d: int) -> float:
    """The logarithm of the Frobenius volume of St(r, d), the orthonormal r-frames in R^d.

    2^{r(r-1)/4} Π_{k=d-r}^{d-1} vol(S^k), vol(S^0) = 2. Source: derived; Menon, (5.20), (6.2).

    Examples
    --------
    >>> import math
    >>> import dlngeo as dln
    >>> round(math.exp(dln.entropy.stiefel_log_volume(1, 3)) / math.pi, 6)  # the unit sphere
    4.0
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


# ------------------------------------------------------------------------------ the common state


class State(NamedTuple):
    """W in its singular frames, with what its entropy needs to know of the hidden layers."""

    U: Array
    sigma: Array
    Vt: Array
    point: Array  # W, of exactly the stated rank
    depth: float
    spare: float  # Σ_p (d_p - r); at depth inf its share per layer, d - r
    constant: float  # log of everything that does not depend on W

    @classmethod
    def of(cls, W: ArrayLike, depth: float, rank: int | None, widths: Widths) -> State:
        """Arguments checked but for the numerical rank, and W decomposed."""
        return cls.doubted(W, depth, rank, widths)[0]

    @classmethod
    def singular(cls, W: ArrayLike, depth: float, rank: int | None, widths: Widths) -> State:
        """:meth:`of`, for what exists at full rank only."""
        state, doubt = cls.doubted(W, depth, rank, widths)
        if doubt is not None:
            _rank.refuse(doubt, "W", stated=False)
        return state

    @classmethod
    def doubted(
        cls, W: ArrayLike, depth: float, rank: int | None, widths: Widths
    ) -> tuple[State, _rank.Doubt | None]:
        """:meth:`of`, and what is in doubt of the rank."""
        point, depth = _checks.matrix(W), _checks.depth(depth)
        m, n = point.shape[-2:]
        r = _checks.rank(rank, point.shape, widths, depth)
        if widths is None and m != n:
            raise ValueError(
                f"the entropy of a {m} x {n} matrix depends on the hidden layers: pass widths="
            )
        U, sigma, Vt = svd(point)
        doubt = None if depth == 1 else _rank.doubt(point, sigma, r)
        if r < min(m, n):
            U, sigma, Vt = U[..., :r], sigma[..., :r], Vt[..., :r, :]
            point = svd_product(U, sigma, Vt)
        if math.isinf(depth):
            return cls(U, sigma, Vt, point, depth, n - r, 0.0), doubt
        if widths is None:
            spare = (depth - 1) * (n - r)
            volumes = (depth - 1) * stiefel_log_volume(r, n)
        else:
            hidden = _checks.widths(widths)[1:-1]
            spare = float(sum(d - r for d in hidden))
            volumes = sum(stiefel_log_volume(r, d) for d in hidden)
        constant = volumes + r * spare / 2 * math.log(2)
        return cls(U, sigma, Vt, point, depth, spare, constant), doubt

    def entropy(self) -> Array:
        """S(W), of shape ``(...)``."""
        r = self.sigma.shape[-1]
        k, l = np.triu_indices(r, 1)  # noqa: E741
        size = unit(self.sigma)
        sigma = self.sigma / size
        with np.errstate(divide="ignore"):
            pairs = np.log(quotient(sigma[..., k], sigma[..., l], self.depth))
        total = self.constant + 0.5 * pairs.sum(axis=-1)
        total = total + 0.5 * k.size * degree(self.depth) * np.log(size[..., 0])
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
        zeros = int((sigma == 0).sum(axis=-1).max(initial=0))
        if zeros > (0 if depth < 2 else 1) and depth <= 2:
            raise np.linalg.LinAlgError(
                f"at depth {depth:g} the entropy has no gradient at a matrix with {zeros} zero "
                "singular values; pass rank= if its rank is lower"
            )
        t = signed_log_ratio(sigma[..., :, None], sigma[..., None, :])
        power = 1.0 if math.isinf(depth) else 1 - 2 / depth
        return np.asarray(sigma**power * (total_force(t, depth) + self.spare))

    def gradient(self) -> Array:
        """The Riemannian gradient of S."""
        return self.matrix(self.force())

    def matrix(self, diagonal: Array) -> Array:
        """U diag(...) Vᵀ."""
        return svd_product(self.U, diagonal, self.Vt)


def continuous(
    function: Callable[[State], Array],
    W: ArrayLike,
    depth: float,
    rank: int | None,
    widths: Widths,
    core: int,
    *,
    stated: bool = True,
) -> Array:
    """function(state of W), continuous in W, refused where rounding moves it.

    Its results have ``core`` dimensions of their own behind those of the stack; ``stated``: whether
    the caller takes ``rank=``.
    """
    state, doubt = State.doubted(W, depth, rank, widths)
    if doubt is None:
        return np.asarray(function(state))[()]
    return _rank.settled(
        lambda sigma: function(state._replace(sigma=sigma)), doubt, core, stated=stated
    )[()]
