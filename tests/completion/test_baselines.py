"""The split of the observed entries, the column mean and the iterated truncated SVD."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dlngeo.completion import baselines


def low_rank(rng, m, n, rank):
    return rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))


def with_gaps(rng, matrix, observed):
    return np.where(rng.random(matrix.shape) < observed, matrix, np.nan)


def best_approximation(matrix, rank):
    """Eckart-Young, by numpy's SVD."""
    U, s, Vt = np.linalg.svd(matrix, full_matrices=False)
    return (U[:, :rank] * s[:rank]) @ Vt[:rank]


def silent(stage, fraction):
    pass


@pytest.fixture
def table(rng):
    return with_gaps(rng, low_rank(rng, 20, 15, 2), 0.7)


# ---------------------------------------------------------------------------------------- the split


def test_masks_share_out_the_observed_entries(table):
    split = baselines.hold_out(table, 0.25, rng=0)
    times_used = split.fit.astype(int) + split.validation + split.test
    assert_array_equal(times_used, np.isfinite(table))
    assert_array_equal(split.train, split.fit | split.validation)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_sizes_are_the_share_and_a_tenth_of_the_rest(table, share):
    split = baselines.hold_out(table, share, rng=0)
    count = np.isfinite(table).sum()
    assert split.test.sum() == pytest.approx(share * count, abs=0.5)
    assert split.validation.sum() == pytest.approx((count - split.test.sum()) / 10, abs=0.5)


def test_split_follows_the_seed(table):
    first, again, other = (baselines.hold_out(table, 0.2, rng=seed).test for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert (first != other).any()


def test_split_does_not_look_at_the_values(table):
    assert_array_equal(
        baselines.hold_out(table, 0.2, rng=0).test, baselines.hold_out(-7 * table, 0.2, rng=0).test
    )


def test_every_entry_is_held_out_equally_often():
    # 400 splits, share 1/4 of 36 entries: counts of mean 100, deviation 8.7; 5.5 deviations allowed
    splits = [baselines.hold_out(np.ones((6, 6)), 0.25, rng=seed) for seed in range(400)]
    counts = sum(split.test.astype(int) for split in splits)
    assert counts.sum() == 400 * 9
    assert abs(counts - 100).max() < 48


def test_three_entries_are_enough():
    split = baselines.hold_out(np.array([[1.0, np.nan], [2.0, 3.0]]), 0.4, rng=0)
    assert (split.fit.sum(), split.validation.sum(), split.test.sum()) == (1, 1, 1)


@pytest.mark.parametrize(
    ("count", "share"), [(0, 0.2), (1, 0.2), (2, 0.2), (2, 0.5), (3, 0.1), (10, 0.99)]
)
def test_too_few_entries_are_refused(count, share):
    table = np.full((4, 5), np.nan)
    table.flat[:count] = 1.0
    with pytest.raises(ValueError, match=f"too few observed entries, {count}"):
        baselines.hold_out(table, share, rng=0)


@pytest.mark.parametrize(("size", "runs"), [(20, 10), (60, 1)])
def test_a_small_table_takes_turns_at_validation(rng, size, runs):
    split = baselines.hold_out(with_gaps(rng, np.ones((size, size)), 0.8), 0.2, rng=0)
    assert len(split.folds) == runs
    seen = np.zeros((size, size), int)
    for fit, places in split.folds:
        assert not fit[tuple(places.T)].any()
        assert fit.sum() + len(places) == split.train.sum()
        seen[tuple(places.T)] += 1
    assert_array_equal(seen, split.train if runs > 1 else split.validation)


def test_paths_of_a_stack_are_those_of_its_members(table, rng):
    masks = np.isfinite(table) & (rng.random((3, *table.shape)) < 0.8)
    guesses = rng.standard_normal(masks.shape)
    stack = itertools.islice(baselines.hard_impute(table, masks, 2, guesses), 5)
    for k, together in enumerate(zip(*stack, strict=True)):
        alone = itertools.islice(baselines.hard_impute(table, masks[k], 2, guesses[k]), 5)
        for one, other in zip(together, alone, strict=True):
            assert_allclose(one, other, atol=1e-12)


def test_nothing_held_out_leaves_everything_to_learn_from(table):
    split = baselines.hold_out(table, 0, rng=0)
    assert_array_equal(split.train, np.isfinite(table))
    assert not split.test.any()
    assert np.isnan(baselines.column_mean(table, split).rmse)


@pytest.mark.parametrize("share", [1, -0.1, 1.5, np.nan])
def test_share_outside_the_unit_interval_is_refused(table, share):
    with pytest.raises(ValueError, match=r"holdout must lie in \[0, 1\)"):
        baselines.hold_out(table, share)


def test_rmse_is_the_root_of_the_mean_square(table):
    guess = np.zeros(table.shape)
    split = baselines.hold_out(table, 0.3, rng=0)
    squares = [table[i, j] ** 2 for i in range(20) for j in range(15) if split.test[i, j]]
    assert baselines.rmse(guess, table, split.test) == pytest.approx(
        (sum(squares) / len(squares)) ** 0.5
    )


# ------------------------------------------------------------------------------------- column means


def test_column_mean_and_grand_mean_of_empty_columns(table):
    table[:, [0, 7]] = np.nan
    split = baselines.hold_out(table, 0.3, rng=0)
    completed = baselines.column_mean(table, split).completed
    grand = [table[i, j] for i in range(20) for j in range(15) if split.train[i, j]]
    for j in range(15):
        column = [table[i, j] for i in range(20) if split.train[i, j]] or grand
        assert_allclose(completed[:, j], sum(column) / len(column), rtol=1e-12)


@pytest.mark.parametrize("method", ["column_mean", "truncated_svd"])
def test_held_out_values_are_never_read(table, method):
    split = baselines.hold_out(table, 0.2, rng=0)
    changed = np.where(split.test, 1e3, table)
    extra = (silent,) if method == "truncated_svd" else ()
    before, after = (getattr(baselines, method)(data, split, *extra) for data in (table, changed))
    assert_array_equal(before.completed, after.completed)
    assert after.rmse > 100 > before.rmse


# ------------------------------------------------------------------------------------ truncated SVD


@pytest.mark.parametrize("shape", [(12, 7), (7, 12), (8, 8), (1, 5), (5, 1)])
def test_fully_observed_it_is_the_truncated_svd(rng, shape):
    matrix = rng.standard_normal(shape)
    for rank in range(1, min(shape) + 1):
        path = baselines.hard_impute(matrix, np.ones(shape, bool), rank, np.zeros(shape))
        assert_allclose(next(path), best_approximation(matrix, rank), atol=1e-12)


def settled(path, tol=1e-11):
    """The iterate at which a path has come to rest."""
    for before, after in itertools.pairwise(itertools.islice(path, 20_000)):
        if np.linalg.norm(after - before) <= tol * np.linalg.norm(after):
            return after
    raise AssertionError("the path does not come to rest")


@pytest.mark.parametrize("shape", [(30, 20), (20, 30)])
def test_an_exactly_low_rank_matrix_is_recovered(rng, shape):
    matrix = low_rank(rng, *shape, 2)
    table = with_gaps(rng, matrix, 0.8)
    mask = np.isfinite(table)
    filled = settled(baselines.hard_impute(table, mask, 2, np.zeros(shape)))
    assert_allclose(filled, matrix, atol=1e-6 * np.abs(matrix).max())


@pytest.mark.parametrize("shape", [(20, 15), (15, 20)])
def test_the_end_is_a_fixed_point_of_filling_and_truncating(rng, shape):
    noisy = low_rank(rng, *shape, 2) + 0.1 * rng.standard_normal(shape)
    table = with_gaps(rng, noisy, 0.8)
    mask = np.isfinite(table)
    end = settled(baselines.hard_impute(table, mask, 2, np.zeros(shape)))
    assert np.linalg.matrix_rank(end, tol=1e-10) == 2
    assert_allclose(best_approximation(np.where(mask, table, end), 2), end, atol=1e-8)


def test_the_first_round_is_one_truncation(table):
    mask, guess = np.isfinite(table), np.zeros(table.shape)
    once = next(baselines.hard_impute(table, mask, 2, guess))
    assert_allclose(once, best_approximation(np.where(mask, table, 0.0), 2), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_validation_finds_the_rank(seed):
    # rank 3 with noise of a hundredth; the fourth singular value is some 1/50 of the third. A first
    # round or two of rank 4 may still validate a little better.
    rng = np.random.default_rng(seed)
    matrix = low_rank(rng, 40, 30, 3)
    noisy = with_gaps(rng, matrix + 0.01 * rng.standard_normal(matrix.shape), 0.8)
    split = baselines.hold_out(noisy, 0.2, rng=seed)
    method = baselines.truncated_svd(noisy, split, silent)
    rank = int(method.chosen.removeprefix("rank "))
    assert rank in (3, 4)
    assert np.linalg.matrix_rank(method.completed, tol=1e-8) == rank
    assert method.rmse < 0.03  # noise 0.01; rank 2 leaves an error near 1


def test_rmse_is_that_of_the_completed_matrix_on_the_test_part(table):
    split = baselines.hold_out(table, 0.2, rng=0)
    for method in (
        baselines.column_mean(table, split),
        baselines.truncated_svd(table, split, silent),
    ):
        error = np.sqrt(np.mean((method.completed - table)[split.test] ** 2))
        assert method.rmse == pytest.approx(error)
        assert method.seconds >= 0


def test_progress_is_reported_up_to_the_end(table):
    reports = []
    split = baselines.hold_out(table, 0.2, rng=0)
    baselines.truncated_svd(table, split, lambda stage, fraction: reports.append(fraction))
    assert all(0 <= fraction <= 1 for fraction in reports)
    assert reports[-1] == 1
