r"""Whether Markov chains have mixed: split R̂ and effective sample size, over paths and draws.

Both compare the variance within a path to the variance between paths (Gelman and Rubin, 1992;
Vehtari, Gelman, Simpson, Carpenter and Bürkner, 2021, without their rank transform). Each path is
cut into halves first, so that a drift along a path counts as disagreement. An ensemble drawn from
a Gibbs measure carries both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._autocorrelation import lagged_sums, summed
from dlngeo._checks import Array
from dlngeo._results.ensemble import Ensemble

if TYPE_CHECKING:
    import xarray

LEAST = 8  # draws a path, below which there is nothing to say
_STILL, _JUDGED = 1e-4, 100  # mean chance of a move below which, after so many, a path is stuck


@dataclass(frozen=True, repr=False, eq=False)
class GibbsSample(Ensemble):
    """An :class:`~dlngeo.langevin.Ensemble` of draws, and how well its chains mixed.

    Attributes
    ----------
    r_hat : (r,) array
        Split R̂ of each singular value, near 1 where the paths agree; its function says of which.
    effective_size : (r,) array
        Independent draws that all draws of the same quantity amount to.
    acceptance : (path,) array
        Mean chance of a move.
    status : (path,) integer array
        0, or -1 where a path of 100 moves or more stood still: the mean chance of a move was below
        1e-4. Its frames say nothing of the measure, and ``effective_size`` is then 0.
    """

    r_hat: Array = field(kw_only=True)
    effective_size: Array = field(kw_only=True)
    acceptance: Array = field(kw_only=True)

    def to_xarray(self) -> xarray.Dataset:
        """The named arrays as an ``xarray.Dataset`` (needs the extra ``study``)."""
        return (
            super()
            .to_xarray()
            .assign(
                acceptance=("path", self.acceptance),
                r_hat=("quantity", self.r_hat),
                effective_size=("quantity", self.effective_size),
            )
        )

    def __repr__(self) -> str:
        paths, draws, m, n = self.W.shape
        return (
            f"GibbsSample({paths} paths of {draws} draws, W {(m, n)}, acceptance "
            f"{self.acceptance.mean():.2f}, R-hat {self.r_hat.max():.3f}, effective size "
            f"{self.effective_size.min():.0f})"
        )


def stood_still(acceptance: Array, moves: int, asked: int = 0) -> tuple[Array, str]:
    """Status of chains after so many moves, and one line on them.

    ``asked`` is how many there were to be, where a callback ended the run before them.
    """
    status = np.where((acceptance < _STILL) & (moves >= _JUDGED), -1, 0)
    still = np.flatnonzero(status)
    if not still.size:
        done = "all moves were tried"
        return status, (
            f"the callback stopped the run after {moves} of {asked} moves" if asked else done
        )
    named = ", ".join(str(k) for k in still[:5]) + (", ..." if still.size > 5 else "")
    return status, (
        f"{still.size} of {len(acceptance)} paths stood still (paths {named}): the mean chance of "
        f"a move was below {_STILL:g}; take a shorter dt, or another start"
    )


def split_rhat(draws: ArrayLike) -> Array:
    r"""The potential scale reduction R̂ of each quantity, near 1 where the paths agree.

    .. math:: \hat R = \sqrt{\frac{n-1}n + \frac{B}{nV}}

    with V the mean variance within the half paths of n draws, and B/n the variance of their means.

    Parameters
    ----------
    draws : (path, draw, ...) array
        At least 8 draws a path.

    Returns
    -------
    (...) array
        1 where nothing moves; inf where paths stand still at different places.

    Raises
    ------
    ValueError
        For fewer draws, or entries that are not finite.
    """
    halves = _halves(draws)
    n = halves.shape[1]
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    still = within == 0
    ratio = between / np.where(still, 1.0, within)
    rhat = np.sqrt((n - 1) / n + ratio)
    return np.where(still, np.where(between == 0, 1.0, np.inf), rhat)[()]


def effective_size(draws: ArrayLike) -> Array:
    """The number of independent draws whose mean would be as good as that of all draws.

    Autocorrelations, averaged over the half paths and corrected for their disagreement, are summed
    in pairs as long as the pairs stay positive and fall (Geyer, 1992).

    Parameters
    ----------
    draws : (path, draw, ...) array
        At least 8 draws a path.

    Returns
    -------
    (...) array
        At most size · log10(size), size = paths · draws; size itself where nothing moves.

    Raises
    ------
    ValueError
        For fewer draws, or entries that are not finite.
    """
    halves = _halves(draws)
    paths, n = halves.shape[:2]
    size = paths * n
    covariance = _autocovariance(halves).mean(axis=0)
    within = covariance[0] * n / (n - 1)
    variance = covariance[0] + halves.mean(axis=1).var(axis=0, ddof=1)
    still = variance == 0
    correlation = 1 - (within - covariance * n / (n - 1)) / np.where(still, 1.0, variance)
    correlation[0] = 1.0
    time = np.maximum(2 * summed(correlation), 1 / np.log10(size))
    return np.where(still, float(size), size / time)[()]


def _halves(draws: ArrayLike) -> Array:
    """(2 · path, draw // 2, ...); the middle draw of an odd number is left out."""
    draws = _checks.real_array(draws, "draws")
    if draws.ndim < 2 or draws.shape[0] == 0 or draws.shape[1] < LEAST:
        raise ValueError(
            f"draws must have shape (path, draw, ...) with at least {LEAST} draws a path; "
            f"their shape is {draws.shape}"
        )
    half = draws.shape[1] // 2
    return np.concatenate((draws[:, :half], draws[:, -half:]))


def _autocovariance(halves: Array) -> Array:
    """(2 · path, lag, ...), each sum divided by n."""
    n = halves.shape[1]
    centred = halves - halves.mean(axis=1, keepdims=True)
    return np.asarray(lagged_sums(centred) / n)
