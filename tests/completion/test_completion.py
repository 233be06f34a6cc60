"""Matrix completion by a deep linear network, on small matrices of known rank."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dlngeo import completion, tables
from dlngeo.completion import _training, baselines, report
from dlngeo.energies import MatrixCompletion
from dlngeo.flows import gradient_flow
from folds import few_folds

__all__ = ["few_folds"]  # a fixture
QUICK = {"rtol": 1e-2}  # the flow ends within a percent of a careful one


def low_rank_table(seed, shape=(20, 15), rank=2, observed=0.7):
    """A matrix of the given rank, and the same with gaps."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    return matrix, np.where(rng.random(shape) < observed, matrix, np.nan)


@pytest.fixture
def all_folds(monkeypatch):
    monkeypatch.setattr(baselines, "_FOLDS", 10)


@pytest.fixture(scope="module")
def table():
    return low_rank_table(1)[1]


@pytest.fixture(scope="module")
def result(table):
    return completion.complete(table, **QUICK)


# ------------------------------------------------------------------------------------ what is found


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_a_low_rank_matrix_is_recovered(seed):
    # these seeds give 0.4 to 0.7 % of the column mean's error; 10 % is allowed
    result = completion.complete(low_rank_table(seed)[1], **QUICK)
    assert result.network.rmse < 0.1 * result.column_mean.rmse


def test_entries_that_nobody_observed_are_recovered_too(table, result):
    matrix = low_rank_table(1)[0]
    gaps = np.isnan(table)
    error = np.sqrt(np.mean((result.completed - matrix)[gaps] ** 2))
    assert error < 0.1 * matrix.std()


def test_wide_equals_tall_in_kind():
    matrix, table = low_rank_table(3, shape=(15, 20))
    result = completion.complete(table, **QUICK)
    assert result.completed.shape == matrix.shape
    assert result.network.rmse < 0.1 * result.column_mean.rmse


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_is_the_number_of_layers(table, depth):
    result = completion.complete(table, depth=depth, **QUICK)
    assert result.widths == (15,) * depth + (20,)
    assert len(result.trajectory.weights) == depth
    assert result.network.name == f"network of depth {depth}"


def test_depth_lowers_the_rank_that_is_found(table):
    # one layer keeps every gap at the start: no better than a constant
    shallow, deep = (completion.complete(table, depth=depth, **QUICK) for depth in (1, 3))
    assert deep.network.rmse < 0.1 * shallow.network.rmse
    assert shallow.network.rmse == pytest.approx(
        np.sqrt(np.mean((table - shallow.centre)[shallow.split.test] ** 2)), rel=0.01
    )


def test_width_bounds_the_rank(table):
    result = completion.complete(table, width=1, **QUICK)
    assert result.widths == (15, 1, 1, 20)
    assert np.linalg.matrix_rank(result.completed - result.centre, tol=1e-9) == 1


@pytest.mark.parametrize("shape", [(2, 2), (1, 12), (12, 1), (3, 40)])
def test_odd_shapes_are_completed(shape, rng):
    table = rng.standard_normal(shape)
    result = completion.complete(table, **QUICK)
    assert result.completed.shape == shape
    assert np.isfinite(result.completed).all()
    assert report.verdict(result)


def test_rows_and_columns_without_data_stay_empty(table):
    table = table.copy()
    table[4] = table[:, [2, 9]] = np.nan
    result = completion.complete(table, **QUICK)
    summary = report.summary(result)
    empty = np.zeros(table.shape, bool)
    empty[4] = empty[:, [2, 9]] = True
    assert_array_equal(np.isnan(result.completed), empty)
    assert_array_equal(np.isnan(result.filled), empty)
    assert (summary["rows_without_data"], summary["columns_without_data"]) == (["4"], ["2", "9"])
    assert report.gaps_left(result) == (
        "Left empty, having no data: 1 row (4) and 2 columns (2, 9)."
    )


# ------------------------------------------------------------------------------------- the protocol


def test_same_seed_same_result(table, result):
    again = completion.complete(table, **QUICK)
    assert_array_equal(again.completed, result.completed)
    assert_array_equal(again.truncated_svd.completed, result.truncated_svd.completed)
    assert again.network.rmse == result.network.rmse


def test_another_seed_another_split_and_start(table, result):
    other = completion.complete(table, seed=1, **QUICK)
    assert (other.split.test != result.split.test).any()
    assert not np.allclose(other.trajectory.W[0], result.trajectory.W[0])


def test_held_out_values_never_influence_training(table, result):
    changed = np.where(result.split.test, table + 100, table)
    other = completion.complete(changed, **QUICK)
    for before, after in zip(result.methods, other.methods, strict=True):
        assert_array_equal(before.completed, after.completed)
    assert other.network.rmse == pytest.approx(100, rel=0.01)


def test_held_out_is_the_asked_share(table):
    result = completion.complete(table, holdout=0.4, **QUICK)
    assert result.split.test.sum() == round(0.4 * np.isfinite(table).sum())
    assert result.entries == np.isfinite(table).sum() - result.split.test.sum()


def test_errors_are_those_on_the_held_out_entries(table, result):
    for method in result.methods:
        squares = [
            (method.completed[i, j] - table[i, j]) ** 2 for i, j in np.argwhere(result.split.test)
        ]
        assert method.rmse == pytest.approx(math.sqrt(sum(squares) / len(squares)))


def test_data_are_standardised_by_the_training_entries(table, result):
    values = table[result.split.train]
    assert result.centre == pytest.approx(values.mean())
    assert result.spread == pytest.approx(values.std())
    fitted = result.centre + result.spread * result.trajectory.W[-1]
    assert_allclose(result.network.completed, fitted)


def test_another_unit_changes_nothing_but_the_unit(table, result):
    # a power of two is exact in floating point, so even the steps are the same
    other = completion.complete(8 * table, **QUICK)
    assert_array_equal(other.completed, 8 * result.completed)
    assert report.verdict(other) == report.verdict(result)


def test_training_ends_where_validation_was_best(result):
    choice = result.choice
    assert (np.diff(choice.times) > 0).all()
    assert result.trajectory.t[-1] == choice.time == choice.times[choice.errors.argmin()]


@pytest.mark.parametrize(("seed", "observed"), [(1, 0.6), (7, 0.6), (6, 0.8)])
def test_a_plateau_is_not_the_end(all_folds, seed, observed):
    # 40 x 8 of rank 2: validation rises on the first plateau. Training that ends there has 5.7, 2.7
    # and 113 times the least error; now it has 1.02 times at most, and 1.45 on thirty such tables.
    # Half as much again is allowed. The oracle looks at the held-out entries all along a run.
    table = low_rank_table(seed, (40, 8), 2, observed)[1]
    result = completion.complete(table, **QUICK)
    standardised = (table - result.centre) / result.spread
    energy = MatrixCompletion(np.where(result.split.train, standardised, 0.0), result.split.train)
    start = [W[0] for W in result.trajectory.weights]
    path = gradient_flow(energy, start, (0, 300), rtol=1e-2)
    ends = result.centre + result.spread * path.W[:, result.split.test]
    errors = np.sqrt(((ends - table[result.split.test]) ** 2).mean(axis=1))
    assert result.network.rmse < 1.5 * errors.min()


def test_every_training_entry_validates_once(all_folds, table, monkeypatch):
    seen = []
    original = _training._validate

    def spy(setting, fit, groups, *progress):
        seen.append((fit, groups))
        return original(setting, fit, groups, *progress)

    monkeypatch.setattr(_training, "_validate", spy)
    result = completion.complete(table, **QUICK)
    assert result.choice.folds == len(seen) == 10
    for fit, (group,) in seen:
        assert not fit[tuple(group.T)].any()
        assert fit.sum() + len(group) == result.entries
    places = np.concatenate([group for _, (group,) in seen])
    assert_array_equal(np.unique(places, axis=0), np.argwhere(result.split.train))
    assert len(places) == result.entries


def test_a_large_table_validates_on_a_tenth_in_one_run():
    table = low_rank_table(0, (60, 60), 1)[1]
    result = completion.complete(table, tolerance=1e-2, **QUICK)
    assert result.choice.folds == 1
    assert result.choice.entries == result.split.train.sum() > 2000
    # times are those of a run on all training entries: nine tenths of them ran longer by as much
    _, curve = _training._validate(
        _training.Setting(
            (table - result.centre) / result.spread,
            tuple(W[0] for W in result.trajectory.weights),
            1e-2, QUICK["rtol"], 1e4, lambda stage, fraction: None,
        ),
        result.split.fit, [np.argwhere(result.split.validation)], 0.0, 1.0,
    )  # fmt: skip
    assert_allclose(result.choice.errors, np.sqrt(curve[0]), rtol=1e-6)


def test_time_times_entries_is_kept():
    choice = _training.Choice(6.0, 50, np.array([6.0]), np.array([1.0]), 1, "")
    assert choice.time_for(75) == 4.0


def test_what_is_handed_out_learnt_from_every_observed_entry(table, result):
    matrix = low_rank_table(1)[0]
    gaps = np.isnan(table)
    error, before = (
        np.sqrt(np.mean((m - matrix)[gaps] ** 2))
        for m in (result.completed, result.network.completed)
    )
    assert error < before
    assert_array_equal(result.filled[~gaps], table[~gaps])
    assert_array_equal(result.filled[gaps], result.completed[gaps])


def test_without_held_out_entries_there_is_no_error(table):
    result = completion.complete(table, holdout=0, **QUICK)
    assert_array_equal(result.completed, result.network.completed)
    assert result.entries == np.isfinite(table).sum()
    summary = report.summary(result)
    assert set(summary["held_out_rmse"].values()) == {None}
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert report.verdict(result).startswith("Nothing was held out")
    assert [row[1] for row in report.rows(result)] == ["-", "-", "-"]


# ------------------------------------------------------------------------------------- what is sure

TIMES = np.array([0.0, 1.0, 2.0, 5.0, 20.0, 100.0, 200.0, 1000.0])


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        # from 2 to 200 the groups exceed their least by less than the excess scatters
        ([[9, 8, 5, 4, 2, 4, 5, 9], [9, 8, 1, 2, 3, 2, 1, 9]], "from t = 2 to 200 lie within one"),
        # the same everywhere but at one time
        ([[9, 8, 3, 3, 1, 3, 3, 9], [9, 8, 3.1, 3, 1, 3, 3, 9]], ""),
        ([[9, 8, 3, 3, 2, 2, 2, 1], [9, 8, 3, 3, 2, 2, 2, 1]], "least at the end of the run"),
        ([[1, 2, 2, 2, 2, 2, 2, 2], [1, 2, 2, 2, 2, 2, 2, 2]], "no time of training did better"),
    ],
)
def test_doubt_about_the_time(curves, said):
    squares = np.array(curves, dtype=float)
    doubt = _training._doubt(TIMES, squares, int(squares.mean(axis=0).argmin()))
    assert said in doubt
    assert bool(said) == bool(doubt)


def test_doubt_is_said(result):
    sure = dataclasses.replace(result, choice=dataclasses.replace(result.choice, doubt=""))
    unsure = dataclasses.replace(result, choice=dataclasses.replace(result.choice, doubt="so"))
    assert "uncertain" not in report.verdict(sure)
    assert report.verdict(unsure).endswith("How long to train is uncertain: so.")
    assert report.summary(unsure)["network"]["uncertain"] == "so"


# ------------------------------------------------------------------------------------------- labels


def test_a_frame_keeps_its_labels(table, result):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        table, index=[f"r{i}" for i in range(20)], columns=[f"c{j}" for j in range(15)]
    )
    for data in (frame, frame.convert_dtypes(), tables.from_matrix(frame)):
        labelled = completion.complete(data, **QUICK)
        assert labelled.rows == tuple(frame.index)
        assert labelled.columns == tuple(frame.columns)
        assert_array_equal(labelled.completed, result.completed)
    assert (result.rows[:2], result.columns[-1]) == (("0", "1"), "14")


def test_a_mask_means_missing(table, result):
    masked = np.ma.masked_array(np.where(np.isnan(table), -999.0, table), np.isnan(table))
    assert_array_equal(completion.complete(masked, **QUICK).completed, result.completed)


def test_infinite_entries_are_refused(table):
    with pytest.raises(ValueError, match="table must be finite or NaN"):
        completion.complete(np.where(np.isnan(table), np.inf, table))


def test_start_is_small_and_balanced(table, result):
    shown = np.where(result.split.train, (table - result.centre) / result.spread, 0.0)
    size = np.linalg.norm(shown, 2) / result.split.train.mean()
    start = result.trajectory.W[0]
    assert np.linalg.norm(start, 2) == pytest.approx(1e-3 * size)
    layers = [W[0] for W in result.trajectory.weights]
    for left, right in itertools.pairwise(layers):
        assert_allclose(left @ left.T, right.T @ right, atol=1e-12)


def test_progress_covers_every_stage(table):
    reports = []
    completion.complete(table, progress=lambda *report: reports.append(report), **QUICK)
    assert {stage for stage, _ in reports} == {"choosing", "training", "refitting", "baselines"}
    assert reports[-1][1] == 1
    assert all(math.isfinite(fraction) for _, fraction in reports)


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", 0),
        ("depth", 2.5),
        ("width", 0),
        ("holdout", -0.5),
        ("holdout", 1.5),
        ("scale", -1),
        ("scale", np.inf),
        ("tolerance", 0),
        ("tolerance", 2),
        ("rtol", 0),
        ("t_max", np.nan),
        ("seed", -1),
        ("seed", 0.5),
    ],
)
def test_bad_parameters_are_refused_by_name(table, name, value):
    with pytest.raises((ValueError, TypeError), match=f"^{name} must .*not {value}"):
        completion.complete(table, **{name: value})


@pytest.mark.parametrize("scale", [1e51, 1e99, 1e150, 1e300, 1.7e308])
@pytest.mark.parametrize("depth", [1, 3])
def test_a_start_of_any_size_is_refused_or_trained_without_a_warning(table, scale, depth):
    with pytest.raises(ValueError, match="scale must be at most 1e\\+50, not 1"):
        completion.complete(table, scale=scale, depth=depth)
    completion.complete(table, scale=1e50, depth=depth, t_max=1.0, **QUICK)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_entries_are_refused(count):
    table = np.full((4, 4), np.nan)
    table.flat[:count] = range(count)
    with pytest.raises(ValueError, match=f"too few observed entries, {count}"):
        completion.complete(table)


def test_words_are_refused():
    with pytest.raises(TypeError, match="table must be an array of real numbers"):
        completion.complete(np.array([["a", "b"]]))


# ------------------------------------------------------------------------------------- what is said


def test_summary_agrees_with_the_data(table, result):
    summary = report.summary(result, [("data", "small")])
    observed = np.isfinite(table)
    assert summary["data"] == "small"
    assert summary["shape"] == [20, 15]
    assert summary["observed"] == observed.sum()
    assert summary["missing_share"] == pytest.approx(1 - observed.mean())
    assert summary["held_out"] == result.split.test.sum()
    assert (summary["rows_without_data"], summary["columns_without_data"]) == ([], [])
    assert summary["held_out_rmse"] == {method.name: method.rmse for method in result.methods}
    assert json.loads(json.dumps(summary)) == summary


def test_summary_of_the_network_agrees_with_its_matrix(table, result):
    network = report.summary(result)["network"]
    fitted = result.network.completed
    fit = (fitted - table)[result.split.train]
    sigma = np.linalg.svd((fitted - result.centre) / result.spread, compute_uv=False)
    p = sigma / sigma.sum()
    assert network["training_rmse"] == pytest.approx(np.sqrt(np.mean(fit**2)))
    assert_allclose(network["singular_values"], sigma, rtol=1e-8)
    assert network["effective_rank"] == pytest.approx(
        {
            "entropy": math.prod(x**-x for x in p),
            "stable": (sigma**2).sum() / sigma[0] ** 2,
            "threshold": (sigma > 0.01 * sigma[0]).sum(),
        }
    )


def test_rank_of_a_rank_one_matrix_is_one(result):
    matrix = result.centre + np.outer(np.arange(1.0, 21), np.ones(15))
    one = dataclasses.replace(result.column_mean, completed=matrix)
    assert report.rank_of(result, one) == pytest.approx(1)


@pytest.mark.parametrize(
    ("mean", "svd", "said"),
    [
        (2.0, 0.5, "50.0% below the column mean's and 100.0% above the truncated SVD's"),
        (0.8, 1.25, "25.0% above the column mean's and 20.0% below the truncated SVD's"),
        (4.0, 10.0, "75.0% below the column mean's and 90.0% below the truncated SVD's"),
    ],
)
def test_verdict_is_honest(result, mean, svd, said):
    made_up = dataclasses.replace(
        result,
        network=dataclasses.replace(result.network, rmse=1.0),
        column_mean=dataclasses.replace(result.column_mean, rmse=mean),
        truncated_svd=dataclasses.replace(result.truncated_svd, rmse=svd),
    )
    assert said in report.verdict(made_up)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0])
def test_a_constant_table_is_completed_as_the_constant(value):
    table = np.full((5, 4), value)
    table[1, 2] = np.nan
    result = completion.complete(table, **QUICK)
    assert_allclose(result.completed, value, rtol=1e-14)
    assert result.network.rmse <= 1e-15
    assert "held-out error" in report.verdict(result)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_extreme_units_are_refused(table, size):
    with pytest.raises(ValueError, match="change its unit"):
        completion.complete(size * table, **QUICK)


@pytest.mark.parametrize("shape", [(12,), (3, 2, 2)])
def test_a_table_must_be_a_matrix(shape):
    with pytest.raises(ValueError, match="must be a matrix"):
        completion.complete(np.arange(12.0).reshape(shape))


def test_a_network_that_stays_at_its_start_says_so(table):
    result = completion.complete(table, **QUICK | {"t_max": 1e-9})
    assert "hardly left its start" in report.verdict(result)


def test_validation_of_a_deep_network_ends(monkeypatch):
    """From a small start it may hardly move for longer than anybody waits."""
    monkeypatch.setattr(_training, "_STEPS", 50)
    table = np.outer([1.0, 2.0, 3.0, 1.5], [1.0, 0.5, 2.0])
    found = completion.complete(table, depth=8, holdout=0)
    assert np.isfinite(found.completed).all() and found.choice.doubt


def test_a_large_table_keeps_the_frames_that_there_is_room_for(table, result, monkeypatch):
    monkeypatch.setattr(_training, "_ROOM", 25 * (table.size + 15 * 20 + 2 * 15 * 15))
    few = completion.complete(table, **QUICK)
    assert 20 <= few.trajectory.t.size <= 26 < result.trajectory.t.size
    # the run is the same, and so is all that comes of it
    assert few.trajectory.t[-1] == result.trajectory.t[-1]
    for name in ("table", "completed"):
        assert_array_equal(getattr(few, name), getattr(result, name))
    assert_array_equal(few.trajectory.W[-1], result.trajectory.W[-1])
    assert few.network.rmse == result.network.rmse
