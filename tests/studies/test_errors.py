"""A small version of the study of completion errors."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlngeo as dln

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def errors():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import errors

        patch.setattr(errors, "SIZE", 40)
        errors.problem.cache_clear()
        yield errors
    sys.modules.pop("errors", None)


def test_the_problem(errors):
    truth, mask = errors.problem(2, 500, 0)
    assert np.linalg.matrix_rank(truth) == 2
    assert_allclose(np.linalg.norm(truth), 40)
    assert mask.sum() == 500
    energy = errors.seen(2, 500, 0)
    assert_allclose(energy.value(np.zeros((40, 40))), 0.5 * (truth[mask] ** 2).sum())


def test_depth_three_finds_what_depth_two_misses(errors, tmp_path):
    pytest.importorskip("zarr")
    study = dln.sweeps.read(STUDIES / "errors.toml")
    grid = {"energy.entries": [420], "energy.seed": [0, 1], "depth": [2, 3], "scale": [1e-3]}
    energy = {"call": "errors:seen", "rank": 2}
    small = dln.sweeps.Study(
        energy=energy, start=study.start, dynamics=study.dynamics, grid=grid, paths=1, seed=0,
        observables=study.observables, folder=study.folder,
    )  # fmt: skip
    ds = dln.sweeps.run(small, tmp_path)
    assert (ds.status == 1).all() and (ds.energy <= 1e-4).all()
    two, three = errors.middle(ds).isel(entries=0, scale=0).values
    assert three < 1e-3 < 3e-2 < two
