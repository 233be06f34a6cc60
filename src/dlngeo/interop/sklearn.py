"""A low-rank completion as an imputer of scikit-learn.

Names and conventions are scikit-learn's: rows of X are samples, columns are features, NaN is
missing, and so is what a masked array hides. The completion is :func:`dlngeo.lowrank.complete`.
Nothing else in the library imports this module.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import lowrank
from dlngeo._checks import Array

try:
    from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as missing:
    raise ImportError(
        "dlngeo.interop.sklearn needs scikit-learn 1.6 or later: pip install 'dlngeo[sklearn]'"
    ) from missing

if TYPE_CHECKING:
    from dlngeo.lowrank import LowRankCompletion

__all__ = ["DeepLinearImputer"]


class DeepLinearImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill in missing values by a deep linear network of low rank.

    ``fit`` completes the table: mean, biases of rows and columns, and a matrix U Σ Vᵀ of low rank.
    ``transform`` needs of it the mean, the biases c of the columns, and Σ and V: whatever row comes
    is folded in by regularised least squares on its observed entries, for its bias b and its place
    z,

    .. math:: \\min_{b,z}\\ \\sum_j (x_j - \\mu - c_j - b - V_j z)^2
       + s b^2 + \\rho^2 m \\sum_k z_k^2 / \\sigma_k^2,

    with the shrinkage s of the fit, its m rows and its validation error ρ: the ridge under which
    the rows of UΣ are as large as they were found to be. Observed entries are left as they are.

    Parameters
    ----------
    depth : real number >= 1
    rank, weight_decay : number or None
        None: chosen by validation.
    biases : bool
    validation : float between 0 and 1
    scale : float > 0, or None
    clip : bool
        Whether what is filled in keeps to the range of the values that ``fit`` saw.
    engine : "auto", "numpy" or "numba"
        All these as for :func:`dlngeo.lowrank.complete`.
    random_state : integer, RandomState or None
        Draws the entries that validate.

    Attributes
    ----------
    completion_ : dlngeo.lowrank.LowRankCompletion
        Of the table that was fitted.
    n_features_in_ : int
    feature_names_in_ : array of str
        Where X had names.

    Notes
    -----
    All columns share one rank, decay and noise, so that columns of different units should be
    scaled before, by scikit-learn's ``StandardScaler`` say, which lets NaN pass. A column without a
    value is kept, and filled with the mean of everything; so is a row.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> from dlngeo.interop.sklearn import DeepLinearImputer
    >>> rng = np.random.default_rng(0)
    >>> X = dln.lowrank.random_start((80, 30), 2, scale=40.0, rng=rng).dense()
    >>> gaps = np.where(rng.random(X.shape) < 0.3, np.nan, X)
    >>> imputer = DeepLinearImputer(rank=2, random_state=0).fit(gaps[:60])
    >>> new = imputer.transform(gaps[60:])
    >>> bool(np.abs(new - X[60:]).max() < 0.1)
    True
    """

    completion_: LowRankCompletion

    def __init__(
        self,
        *,
        depth: float = 3,
        rank: int | None = None,
        weight_decay: float | None = None,
        biases: bool = True,
        validation: float = 0.1,
        scale: float | None = None,
        clip: bool = False,
        engine: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.depth = depth
        self.rank = rank
        self.weight_decay = weight_decay
        self.biases = biases
        self.validation = validation
        self.scale = scale
        self.clip = clip
        self.engine = engine
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> DeepLinearImputer:
        """Complete X (m, n), NaN where a value is missing; ``y`` is not looked at."""
        table = self._table(X, reset=True)
        rows, cols = np.nonzero(~np.isnan(table))
        if not rows.size:
            raise ValueError("X must have values; all of it is NaN")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        options = {
            name: getattr(self, name)
            for name in (
                "depth", "rank", "weight_decay", "biases", "validation", "scale", "clip", "engine",
            )
        }  # fmt: skip
        self.completion_ = lowrank.complete(
            rows, cols, table[rows, cols], table.shape, rng=seed, **options
        )
        return self

    def transform(self, X: ArrayLike) -> Array:
        """X (any number of rows, n), with values where it had NaN."""
        check_is_fitted(self)
        table = self._table(X, reset=False)
        return _folded_in(table, self.completion_)

    def _table(self, X: ArrayLike, reset: bool) -> Array:
        if np.ma.isMaskedArray(X):  # scikit-learn would read what the mask hides
            X = np.ma.asarray(X, dtype=np.float64).filled(np.nan)
        found: Array = validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", copy=True
        )
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _folded_in(table: Array, fit: LowRankCompletion) -> Array:
    """The table with its NaN filled in, rows with the same gaps at once."""
    base = fit.mean + fit.column_biases
    m, shrinkage = len(fit.U), fit.summary["shrinkage"]
    parts = [fit.V * fit.sigma / math.sqrt(m)]
    ridge = [fit.summary["validation_rmse"]] * fit.sigma.size
    if math.isfinite(shrinkage):
        parts.append(np.ones((base.size, 1)))
        ridge.append(math.sqrt(shrinkage))
    design, penalty = np.hstack(parts), np.diag(ridge)
    gaps = np.isnan(table)
    patterns, which = np.unique(gaps, axis=0, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(which.reshape(-1)))[:-1])
    for missing, members in zip(patterns, groups, strict=True):
        if not missing.any():
            continue
        seen, places = ~missing, np.flatnonzero(missing)
        rest = (table[np.ix_(members, seen)] - base[seen]).T
        rest = np.vstack([rest, np.zeros((len(ridge), members.size))])
        x = np.linalg.lstsq(np.vstack([design[seen], penalty]), rest, rcond=None)[0]
        filled = base[places] + (design[places] @ x).T
        table[np.ix_(members, places)] = (
            filled if fit.limits is None else np.clip(filled, *fit.limits)
        )
    return table
