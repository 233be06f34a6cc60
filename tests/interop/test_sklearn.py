"""The face to scikit-learn: its own checks, new rows by their conditional mean, composition."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from dlngeo.interop.sklearn import DeepLinearImputer
from dlngeo.lowrank import complete, random_start

SHAPE = (90, 40)


def table(noise=0.1, seed=0, share=0.3):
    """Rank 2 and biases; the same with gaps."""
    rng = np.random.default_rng(seed)
    X = random_start(SHAPE, 2, scale=60.0, rng=rng).dense()
    X += 2 + rng.standard_normal(SHAPE[0])[:, None] + 0.5 * rng.standard_normal(SHAPE[1])
    X += noise * rng.standard_normal(SHAPE)
    return X, np.where(rng.random(SHAPE) < share, np.nan, X)


def rmse(found, X, gaps):
    missing = np.isnan(gaps)
    return float(np.sqrt(np.mean((found - X)[missing] ** 2)))


@parametrize_with_checks(
    [
        DeepLinearImputer(random_state=0),
        DeepLinearImputer(
            rank=1, depth=2.5, weight_decay=0.1, biases=False, clip=True, random_state=0
        ),
    ]
)
def test_what_scikit_learn_asks_of_an_estimator(estimator, check):
    check(estimator)  # without an exception


# ------------------------------------------------------------------------------------- new rows


def test_new_rows_are_filled_as_well_as_those_of_the_table():
    X, gaps = table()
    imputer = DeepLinearImputer(rank=4, random_state=0).fit(gaps[:60])
    assert rmse(imputer.transform(gaps[60:]), X[60:], gaps[60:]) < 0.16  # the noise is 0.1
    assert rmse(imputer.transform(gaps[:60]), X[:60], gaps[:60]) < 0.16
    assert rmse(np.broadcast_to(np.nanmean(gaps, axis=0), X.shape), X, gaps) > 1.5


@pytest.mark.parametrize("biases", [True, False])
def test_folding_in_is_the_conditional_mean(biases):
    """With variances σ²/m of z, ρ²/s of b and ρ² of noise: the mean of x given some of it.

    Written with covariances, where the code has least squares.
    """
    _, gaps = table(noise=0.5)
    imputer = DeepLinearImputer(rank=3, biases=biases, random_state=0).fit(gaps[:60])
    fit = imputer.completion_
    noise = fit.summary["validation_rmse"] ** 2
    covariance = (fit.V * fit.sigma**2 / 60) @ fit.V.T
    if biases:
        covariance += noise / fit.summary["shrinkage"]
    mean, filled = fit.mean + fit.column_biases, imputer.transform(gaps[60:])
    for row, found in zip(gaps[60:], filled, strict=True):
        o, u = ~np.isnan(row), np.isnan(row)
        known = covariance[np.ix_(o, o)] + noise * np.eye(o.sum())
        wanted = mean[u] + covariance[np.ix_(u, o)] @ np.linalg.solve(known, (row - mean)[o])
        np.testing.assert_allclose(found[u], wanted, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(found[o], row[o])


def test_rows_do_not_depend_on_their_neighbours():
    _, gaps = table()
    gaps[50] = gaps[3]
    gaps[70] = np.nan
    imputer = DeepLinearImputer(rank=2, random_state=0).fit(gaps)
    together = imputer.transform(gaps)
    alone = np.vstack([imputer.transform(row[None]) for row in gaps])
    np.testing.assert_allclose(together, alone, rtol=1e-10)
    np.testing.assert_allclose(together[50], together[3], rtol=1e-10)
    fit = imputer.completion_
    np.testing.assert_allclose(together[70], fit.mean + fit.column_biases, rtol=1e-12)


def test_a_column_without_a_value_is_kept():
    _, gaps = table()
    gaps[:, 5] = np.nan
    imputer = DeepLinearImputer(rank=2, biases=False, random_state=0)
    filled = imputer.fit_transform(gaps)
    assert filled.shape == SHAPE
    np.testing.assert_allclose(filled[:, 5], np.nanmean(gaps), rtol=1e-10)


def test_what_has_no_gaps_is_left_alone():
    X, gaps = table()
    kept = X.copy()
    imputer = DeepLinearImputer(rank=2, random_state=0).fit(X)
    np.testing.assert_array_equal(imputer.transform(X), X)
    imputer.transform(gaps)
    assert np.isnan(gaps).any() and (kept == X).all()


def test_clipping():
    _, gaps = table(noise=1.0)
    seen = np.nanmin(gaps), np.nanmax(gaps)
    filled = DeepLinearImputer(rank=2, clip=True, random_state=0).fit(gaps).transform(3 * gaps)
    missing = filled[np.isnan(gaps)]
    assert missing.min() == seen[0] and missing.max() == seen[1]


def test_it_is_the_completion_of_the_library():
    _, gaps = table()
    imputer = DeepLinearImputer(rank=2, depth=2, random_state=4).fit(gaps)
    rows, cols = np.nonzero(~np.isnan(gaps))
    seed = np.random.RandomState(4).randint(2**31 - 1)
    other = complete(rows, cols, gaps[rows, cols], SHAPE, rank=2, depth=2, rng=seed)
    np.testing.assert_array_equal(imputer.completion_.V, other.V)


# ----------------------------------------------------------------------------------- composition


def test_names_clones_and_seeds():
    _, gaps = table()
    imputer = DeepLinearImputer(rank=2, depth=2, random_state=1)
    a, b = clone(imputer).fit(gaps), imputer.fit(gaps)
    np.testing.assert_array_equal(a.transform(gaps), b.transform(gaps))
    names = [f"item{j}" for j in range(SHAPE[1])]
    assert a.n_features_in_ == SHAPE[1]
    assert a.get_feature_names_out(names).tolist() == names
    assert clone(b).get_params() == imputer.get_params()


def test_columns_of_different_units_in_a_pipeline():
    X, gaps = table()
    units = 10.0 ** (np.arange(SHAPE[1]) % 5)
    pipeline = make_pipeline(StandardScaler(), DeepLinearImputer(rank=4, random_state=0))
    filled = pipeline[0].fit(gaps * units).inverse_transform(pipeline.fit_transform(gaps * units))
    assert rmse(filled / units, X, gaps) < 0.2


def test_a_grid_over_depth_by_a_regressor_downstream():
    X, gaps = table()
    target = X[:, :3].sum(axis=1)
    pipeline = make_pipeline(DeepLinearImputer(rank=2, weight_decay=0.01, random_state=0), Ridge())
    search = GridSearchCV(pipeline, {"deeplinearimputer__depth": [2, 3]}, cv=3)
    search.fit(gaps, target)
    assert search.best_params_["deeplinearimputer__depth"] in (2, 3)
    assert search.best_score_ > 0.9


def test_a_grid_over_depth_by_entries_hidden_from_it():
    """Imputers have no score: a scoring function hides entries of rows that were not fitted."""
    _, gaps = table()

    def hidden(imputer, X, y=None):
        hide = np.random.default_rng(0).random(X.shape) < 0.2
        missed = (imputer.transform(np.where(hide, np.nan, X)) - X)[hide & ~np.isnan(X)]
        return -float(np.sqrt(np.mean(missed**2)))

    grid = {"depth": [2, 3], "rank": [1, 4]}
    search = GridSearchCV(
        DeepLinearImputer(weight_decay=0.01, random_state=0), grid, scoring=hidden, cv=3
    )
    search.fit(gaps)
    assert search.best_params_["rank"] == 4
    assert -0.2 < search.best_score_ < -0.1


def test_the_example_of_the_page_runs(capsys):
    page = (Path(__file__).parents[2] / "docs" / "imputer.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    found = {}
    exec(compile(code, "imputer.md", "exec"), found)
    assert np.isfinite(found["filled"]).all()
    downstream, by_entries = capsys.readouterr().out.splitlines()
    assert "deeplinearimputer__depth" in downstream and "depth" in by_entries
    assert -0.2 < found["search"].best_score_ < 0  # children a woman, of about 3


# -------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", 0.5), ("depth", math.inf), ("depth", "3"),
        ("rank", 0), ("rank", 41), ("rank", 1.5),
        ("weight_decay", -1.0), ("biases", 2), ("validation", 0.0), ("validation", 1.0),
        ("scale", 0.0), ("clip", "no"), ("engine", "fortran"), ("random_state", "abc"),
    ],
)  # fmt: skip
def test_parameters_are_refused_where_they_are_used(name, value):
    _, gaps = table()
    with pytest.raises((ValueError, TypeError)) as said:
        DeepLinearImputer(**{name: value}).fit(gaps)
    assert "\n" not in str(said.value)
    assert {"random_state": "RandomState"}.get(name, name) in str(said.value)


def test_tables_are_refused():
    imputer = DeepLinearImputer(random_state=0)
    with pytest.raises(NotFittedError, match="DeepLinearImputer"):
        imputer.transform([[1.0, np.nan]])
    with pytest.raises(ValueError, match="X must have values"):
        imputer.fit(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="infinity"):
        imputer.fit([[1.0, np.inf], [1.0, 2.0]])
    with pytest.raises(ValueError, match="features"):
        imputer.set_params(rank=2).fit(table()[1]).transform(np.ones((2, 3)))


def test_the_library_does_not_import_scikit_learn():
    code = (
        "import sys, dlngeo\n"
        "for name in dlngeo.__all__: getattr(dlngeo, name)\n"
        "assert 'sklearn' not in sys.modules\n"
        "sys.modules['sklearn'] = None\n"
        "try: import dlngeo.interop.sklearn\n"
        "except ImportError as error: assert 'dlngeo[sklearn]' in str(error)\n"
        "else: raise AssertionError"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_a_mask_hides_is_missing():
    X, gaps = table()
    hidden = np.isnan(gaps)
    masked = np.ma.array(np.where(hidden, 1e6, X), mask=hidden)
    imputer = DeepLinearImputer(rank=2, random_state=0)
    np.testing.assert_array_equal(imputer.fit_transform(masked), imputer.fit_transform(gaps))
