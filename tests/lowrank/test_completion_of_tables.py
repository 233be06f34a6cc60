"""Large tables completed: what is found, what is chosen, and what is refused."""

import json
import math

import numpy as np
import pytest

from dlngeo.lowrank import LowRankCompletion, _choosing, complete, random_start

SHAPE = (150, 100)


def table(noise=0.0, seed=0, share=0.3):
    """Biases and a matrix of rank 2."""
    rng = np.random.default_rng(seed)
    W = random_start(SHAPE, 2, scale=120.0, rng=rng).dense()
    W += 3 + rng.standard_normal(SHAPE[0])[:, None] + 0.5 * rng.standard_normal(SHAPE[1])
    rows, cols = np.nonzero(rng.random(SHAPE) < share)
    return W, rows, cols, W[rows, cols] + noise * rng.standard_normal(rows.size)


def missed(found, W, rows, cols):
    """The error where nothing was observed."""
    hidden = np.ones(SHAPE, dtype=bool)
    hidden[rows, cols] = False
    i, j = np.nonzero(hidden)
    return float(np.sqrt(np.mean((found.predict(i, j) - W[i, j]) ** 2)))


@pytest.mark.parametrize("depth", [2, 3, 2.5])
def test_it_finds_what_was_not_observed(depth):
    W, *seen = table()
    found = complete(*seen, SHAPE, depth=depth, rank=4, rng=0)
    assert missed(found, W, *seen[:2]) < 0.15  # W has entries of size 2
    assert found.summary["validation_rmse"] < 0.15 < found.summary["biases_rmse"]


def test_with_noise_it_stops_before_it_fits_the_noise():
    W, *seen = table(noise=1.0)
    found = complete(*seen, SHAPE, rng=0)
    fitted = found.predict(*seen[:2]) - seen[2]
    assert np.sqrt(np.mean(fitted**2)) > 0.6
    assert missed(found, W, *seen[:2]) < 0.75
    assert 5 <= found.summary["trials"] <= 40


def test_validation_error_is_one_of_entries_not_seen():
    W, *seen = table(noise=0.5)
    found = complete(*seen, SHAPE, rank=2, rng=0)
    expected = math.hypot(missed(found, W, *seen[:2]), 0.5)
    assert found.summary["validation_rmse"] == pytest.approx(expected, rel=0.15)


def test_mean_and_biases_alone():
    rng = np.random.default_rng(1)
    b, c = rng.standard_normal(SHAPE[0]), rng.standard_normal(SHAPE[1])
    rows, cols = np.nonzero(rng.random(SHAPE) < 0.3)
    found = complete(rows, cols, 2 + b[rows] + c[cols], SHAPE, rank=2, rng=0)
    assert missed(found, 2 + b[:, None] + c, rows, cols) < 0.1
    flat = complete(rows, cols, np.full(rows.size, 3.0), SHAPE, rng=0)
    assert flat.summary["rank"] == 0
    np.testing.assert_allclose(flat.predict([0, 5], [1, 2]), 3.0, rtol=1e-12)


def test_without_biases_there_is_the_mean():
    _, *seen = table()
    found = complete(*seen, SHAPE, biases=False, rank=4, rng=0)
    mean, of_rows, of_columns = found.biases
    assert mean == found.mean == pytest.approx(seen[2].mean())
    assert not of_rows.any() and not of_columns.any()


def test_predictions_are_clipped_on_request():
    _, *seen = table(noise=1.0)
    found = complete(*seen, SHAPE, rank=2, clip=True, rng=0)
    everything = found.predict(*map(np.ravel, np.indices(SHAPE)))
    assert everything.min() >= seen[2].min() and everything.max() <= seen[2].max()


def test_the_same_seed_gives_the_same_numbers_and_files_keep_them(tmp_path):
    _, *seen = table(noise=0.5)
    a, b = (complete(*seen, SHAPE, rank=2, clip=True, rng=7) for _ in range(2))
    np.testing.assert_array_equal(a.factors.dense(), b.factors.dense())
    a.save(tmp_path / "found")
    back = LowRankCompletion.load(tmp_path / "found")
    np.testing.assert_array_equal(back.predict([0, 1], [2, 3]), a.predict([0, 1], [2, 3]))
    assert back.summary == a.summary and back.limits == a.limits
    assert repr(a).startswith("LowRankCompletion(Factors(150 x 100 of rank 2), validation RMSE")


def test_a_run_that_was_interrupted_goes_on_to_the_same_result():
    _, *seen = table(noise=0.5)
    whole: dict = {}
    straight = complete(*seen, SHAPE, rng=3, trials=whole)

    class Killed(dict):
        def __setitem__(self, name, outcome):
            if len(self) == 5:
                raise KeyboardInterrupt
            super().__setitem__(name, outcome)

    half = Killed()
    with pytest.raises(KeyboardInterrupt):
        complete(*seen, SHAPE, rng=3, trials=half)
    kept, told = json.loads(json.dumps(half)), []
    again = complete(*seen, SHAPE, rng=3, trials=kept, progress=lambda *told_: told.append(told_))
    assert len(half) == 5 and kept == whole
    assert [stage for stage, _ in told] == sorted(stage for stage, _ in told)
    for stage in ("choosing", "training"):
        parts = [part for name, part in told if name == stage]
        assert parts == sorted(parts) and parts[-1] == 1.0
    assert again.summary == straight.summary
    for name in ("U", "sigma", "V", "row_biases", "column_biases"):
        np.testing.assert_array_equal(getattr(again, name), getattr(straight, name))


def small_table(rank, shape=(120, 8)):
    rng = np.random.default_rng(0)
    W = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    W += 0.05 * rng.standard_normal(shape)
    seen = rng.random(shape) > 0.2
    return W, np.nonzero(seen), np.nonzero(~seen)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_table_of_few_columns_is_given_rank_enough(rank):
    W, seen, hidden = small_table(rank)
    found = complete(*seen, W[seen], W.shape, rng=0)
    assert found.summary["rank"] >= rank
    error = np.sqrt(np.mean((found.predict(*hidden) - W[hidden]) ** 2))
    assert error < 0.15 < 0.5 < np.std(W[hidden])


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("unit", [2.0**-300, 1e-8, 2.0**27, 1e95])
def test_the_unit_of_the_values_does_not_matter(unit, depth):
    W, seen, hidden = small_table(2)
    one, other = (
        complete(*seen, c * W[seen], W.shape, rank=2, depth=depth, rng=0) for c in (1.0, unit)
    )
    np.testing.assert_allclose(other.predict(*hidden) / unit, one.predict(*hidden), atol=0.01)
    # the equation says which units time and weight decay have
    power = 2 - 2 / depth
    assert other.summary["validation_rmse"] / unit == pytest.approx(
        one.summary["validation_rmse"], rel=1e-3
    )
    assert other.summary["weight_decay"] == pytest.approx(
        one.summary["weight_decay"] * unit**power, rel=1e-9
    )
    if depth == 2 and math.frexp(unit)[0] == 0.5:
        # every number is scaled exactly; else the least of a flat curve may be at another time
        ratio = other.summary["time"] * unit**power / one.summary["time"]
        assert ratio == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("size", [1e-101, 1e101, 1e200])
def test_values_whose_squares_are_out_of_range_are_refused(size):
    with pytest.raises(ValueError, match="values must have a largest magnitude from 1e-100 to"):
        complete([0, 1], [0, 1], [size, 0.0], (2, 2), validation=0.5)


def test_a_choice_is_taken_to_other_entries():
    W, *seen = table(noise=0.5)
    part = [x[::2] for x in seen]
    first = complete(*part, SHAPE, rng=0)
    more = complete(*seen, SHAPE, chosen=first.summary)
    assert more.summary["rank"] == first.summary["rank"]
    assert more.summary["entries"] == len(seen[0])
    # E is a sum over the entries: as much training takes less time
    ratio = more.summary["time"] / first.summary["time"]
    assert ratio == pytest.approx(len(part[0]) / len(seen[0]))
    assert missed(more, W, *seen[:2]) < 0.9 * missed(first, W, *seen[:2])


def test_refusals():
    with pytest.raises(ValueError, match="chosen must be the summary of a completion; entries"):
        complete([0, 1], [0, 1], [1.0, 2.0], (2, 2), validation=0.5, chosen={"rank": 1})
    with pytest.raises(ValueError, match="validation must leave entries on both sides"):
        complete([0, 1], [0, 1], [1.0, 2.0], (2, 2))
    with pytest.raises(ValueError, match="depth must be finite"):
        complete([0, 1], [0, 1], [1.0, 2.0], (2, 2), depth=math.inf, validation=0.5)


def test_training_that_does_not_come_to_its_time_is_refused(monkeypatch):
    W, seen, _ = small_table(2)
    arguments = (*seen, W[seen], W.shape)
    found = complete(*arguments, rank=2, rng=0)
    monkeypatch.setattr(_choosing, "_STEPS", 1)
    with pytest.raises(RuntimeError, match=r"training ended at time .* of 1e\+06"):
        complete(*arguments, rank=2, chosen=found.summary | {"time": 1e6})
