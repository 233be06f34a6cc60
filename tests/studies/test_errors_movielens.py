"""The study of completed ratings, on a table of ratings that is made up."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose


@pytest.fixture
def movies():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import errors_movielens

        rng = np.random.default_rng(0)
        rows, cols = np.nonzero(rng.random((60, 50)) < 0.6)
        U, V = rng.standard_normal((60, 2)), rng.standard_normal((50, 2))
        stars = 3 + 0.5 * rng.standard_normal(60)[rows] + 0.4 * rng.standard_normal(50)[cols]
        stars = np.clip(np.round(stars + 0.6 * (U[rows] * V[cols]).sum(axis=1)), 1, 5)
        made = errors_movielens.Ratings(rows, cols, stars, (60, 50))
        patch.setattr(errors_movielens, "ratings", lambda: made)
        errors_movielens.split.cache_clear()
        yield errors_movielens
    sys.modules.pop("errors_movielens", None)


def test_biases_are_the_least_squares_that_are_said(movies):
    whole = movies.ratings()
    mean, b, c = movies.biases(whole)
    m, n = whole.shape
    design = np.zeros((whole.values.size, m + n))
    design[np.arange(whole.values.size), whole.rows] = 1
    design[np.arange(whole.values.size), m + whole.cols] = 1
    normal = design.T @ design + movies.SHRINKAGE * np.eye(m + n)
    wanted = np.linalg.solve(normal, design.T @ (whole.values - mean))
    assert_allclose(np.concatenate([b, c]), wanted, atol=1e-4)  # after 20 rounds


def test_parts_are_apart_and_what_is_held_out_does_not_depend_on_the_share(movies):
    few, many = movies.split(0.2, 1), movies.split(0.8, 1)
    places = [set(zip(p.rows, p.cols, strict=True)) for p in (many.judge, many.stop, many.learn)]
    assert sum(map(len, places)) == len(set.union(*places)) == movies.ratings().values.size
    assert (few.judge.values == many.judge.values).all() and len(few.learn.rows) < len(places[2])
    with pytest.raises(ValueError, match="share must be above 0"):
        movies.split(0.9, 0)


@pytest.mark.parametrize("start", ["slope", "random"])
def test_the_flow_learns_more_than_biases(movies, start):
    energy = movies.seen(0.8, 0, start)
    part = energy.part
    assert_allclose(
        energy.value(np.zeros((60, 50))),
        0.5 * ((part.learn.values - part.expected(part.learn)) ** 2).sum(),
    )
    runs = SimpleNamespace(
        energy=energy, depth=3.0, cell={"scale": 0.1, "seed": 0}, status=np.zeros(2)
    )
    rows = movies.errors(runs)
    assert (rows[0] == rows[1]).all()
    biases, error, best, rank, misfit = rows[0]
    said = np.clip(part.expected(part.judge), 1, 5) - part.judge.values
    assert_allclose(biases, np.sqrt(np.mean(said**2)))
    assert best <= error < biases - 0.1 and 1 <= rank <= 5 and misfit < biases


def test_what_is_refused(movies, monkeypatch):
    with pytest.raises(ValueError, match="start must be slope or random, not 'warm'"):
        movies.seen(0.8, 0, "warm")
    monkeypatch.undo()
    original = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "neighbors" else original(name)
    )
    sys.modules.pop("errors_movielens")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
    import errors_movielens

    with pytest.raises(ModuleNotFoundError, match=r"neighbors==0\.2\.1, which is not installed"):
        errors_movielens.ratings()
