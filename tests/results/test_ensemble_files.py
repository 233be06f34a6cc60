"""Ensembles on disk: every field comes back bit for bit, but for the energy."""

import dataclasses

import numpy as np
import pytest
from test_trajectory_files import equal

from dlngeo import energies, equilibrium, langevin
from dlngeo.equilibrium import GibbsSample
from dlngeo.langevin import Ensemble

ENERGY = energies.Quadratic(np.zeros((2, 2)))
START = np.array([[1.4, 0.3], [-0.2, 0.9]])
OPTIONS = {"beta": 2.0, "dt": 0.1, "n_steps": 12, "n_paths": 3}
RUNS = {
    "downstairs": lambda: langevin.simulate(ENERGY, START, depth=3, rng=2**90, **OPTIONS),
    "infinite": lambda: langevin.simulate(ENERGY, START, depth=np.inf, rng=[1, 2], **OPTIONS),
    "upstairs": lambda: langevin.simulate(
        ENERGY, START, depth=2, upstairs=True, rng=np.random.default_rng(0), **OPTIONS
    ),
    "brownian": lambda: langevin.brownian_motion(START, depth=2, rng=0, **OPTIONS),
    "cut": lambda: dataclasses.replace(
        langevin.simulate(ENERGY, START, depth=3, rng=0, **OPTIONS), end=None
    ),
    "metropolis": lambda: equilibrium.metropolis(ENERGY, START, depth=2, rng=0, **OPTIONS),
    "sample": lambda: equilibrium.sample(
        ENERGY, shape=(2, 2), depth=2, beta=2.0, widths=(2, 3, 2), n_draws=8, warmup=5, rng=0
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_field_comes_back(tmp_path, name):
    run = RUNS[name]()
    run.save(tmp_path / "run.npz")
    again = type(run).load(tmp_path / "run.npz")
    for field in dataclasses.fields(run):
        one, two = getattr(run, field.name), getattr(again, field.name)
        if field.name == "equation":
            one = dataclasses.replace(one, energy=None)
        assert equal(one, two), field.name
    assert repr(again) == repr(run)


def test_numpy_alone_reads_it(tmp_path):
    run = RUNS["upstairs"]()
    run.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as arrays:
        assert equal(arrays["W"], run.W) and equal(arrays["W_2"], run.weights[1])


def test_one_class_does_not_read_the_other(tmp_path):
    RUNS["downstairs"]().save(tmp_path / "ensemble")
    RUNS["sample"]().save(tmp_path / "sample")
    with pytest.raises(ValueError, match="'GibbsSample'"):
        GibbsSample.load(tmp_path / "ensemble")
    with pytest.raises(ValueError, match="'Ensemble'"):
        Ensemble.load(tmp_path / "sample")
    with pytest.raises(FileNotFoundError):
        Ensemble.load(tmp_path / "nothing")


def test_what_does_not_fit_together_is_refused(tmp_path):
    RUNS["downstairs"]().save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as arrays:
        whole = dict(arrays)
    for name in ("W", "energy", "ends", "end_streams"):
        np.savez(tmp_path / "cut.npz", **{**whole, name: whole[name][:2]})
        with pytest.raises(ValueError, match="of the same paths and times"):
            Ensemble.load(tmp_path / "cut.npz")


def test_ensembles_are_told_apart_by_identity():
    one, two = RUNS["brownian"](), RUNS["brownian"]()
    assert one == one and one != two and len({one, two}) == 2


def test_a_sample_as_xarray_says_how_it_mixed():
    data = RUNS["sample"]().to_xarray()
    assert data.acceptance.dims == ("path",) and data.r_hat.dims == data.effective_size.dims
