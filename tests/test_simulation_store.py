"""Groups of paths on disk: interrupted or not, the numbers are those of one run, to the bit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dlngeo.dynamics import langevin
from dlngeo.studies import simulation_config as config
from dlngeo.studies import simulation_store as store

SIMULATE = langevin.simulate
TOLD = config.preset("hyperbola").replaced(paths=5, steps=8)


@pytest.fixture(autouse=True)
def pairs(monkeypatch):
    """Groups of two paths."""
    monkeypatch.setattr(store, "GROUP", 2)


def whole(told):
    """All paths in one call."""
    return SIMULATE(
        told.build_energy(), told.matrix(), depth=told.depth, beta=told.beta, kappa=told.kappa,
        weight_decay=told.weight_decay, dt=told.dt, n_steps=told.steps, n_paths=told.paths,
        rng=told.seed, upstairs=told.upstairs,
    )  # fmt: skip


@pytest.fixture
def calls(monkeypatch):
    """The first path of each group that is simulated."""
    seen, simulate = [], langevin.simulate

    def spy(*args, **kwargs):
        seen.append(kwargs["first_path"])
        return simulate(*args, **kwargs)

    monkeypatch.setattr(langevin, "simulate", spy)
    return seen


def names(folder):
    return sorted(path.name for path in (folder / "groups").iterdir())


@pytest.mark.parametrize(("upstairs", "depth"), [(False, 2.5), (True, 3), (True, 11)])
def test_groups_are_one_run_in_parts(tmp_path, upstairs, depth):
    told, reports = TOLD.replaced(upstairs=upstairs, depth=depth), []
    result = store.run(told, tmp_path, progress=reports.append).ensemble
    wanted = whole(told)
    assert reports == [2, 4, 5]
    assert names(tmp_path) == ["000000-000001.npz", "000002-000003.npz", "000004-000004.npz"]
    for name in ("t", "W", "energy", "singular_values", "effective_rank"):
        assert_array_equal(getattr(result, name), getattr(wanted, name))
    assert (result.weights is None) == (wanted.weights is None)
    for ours, theirs in zip(result.weights or (), wanted.weights or (), strict=True):
        assert_array_equal(ours, theirs)
    assert (result.status, result.message) == (wanted.status, wanted.message)
    assert result.provenance == wanted.provenance


def test_interrupted_run_goes_on_and_nothing_is_run_twice(tmp_path, calls, monkeypatch):
    spied = langevin.simulate

    def interrupted(*args, **kwargs):
        if kwargs["first_path"] == 2:
            raise KeyboardInterrupt
        return spied(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(langevin, "simulate", interrupted)
        store.run(TOLD, tmp_path)
    assert names(tmp_path) == ["000000-000001.npz"]
    result = store.run(TOLD, tmp_path)
    assert calls == [0, 2, 4]
    assert_array_equal(result.ensemble.W, whole(TOLD).W)


def test_more_paths_begin_with_those_that_are_there(tmp_path, calls):
    store.run(TOLD.replaced(paths=4), tmp_path)
    more = TOLD.replaced(paths=7)
    result = store.run(more, tmp_path)
    assert calls == [0, 2, 4, 6]
    del calls[:]
    fewer = store.run(TOLD.replaced(paths=2), tmp_path)
    assert calls == []
    assert_array_equal(result.ensemble.W, whole(more).W)
    assert_array_equal(fewer.ensemble.W, result.ensemble.W[:2])


def test_write_that_fails_leaves_no_group(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(np, "savez", full)
        store.run(TOLD, tmp_path)
    assert names(tmp_path) == []
    assert_array_equal(store.run(TOLD, tmp_path).ensemble.W, whole(TOLD).W)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"beta": 7.0}, "with beta = 60.0, not beta = 7.0"),
        ({"seed": 1}, "with seed = 0, not seed = 1"),
        ({"upstairs": True}, "with upstairs = false, not upstairs = true"),
        ({"save_every": 3}, "with more, not save_every = 3"),
    ],
)
def test_folder_of_another_run_is_refused_and_left_alone(tmp_path, changes, wanted):
    store.run(TOLD, tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "groups").iterdir()}
    with pytest.raises(ValueError, match=wanted):
        store.run(TOLD.replaced(**changes), tmp_path)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "groups").iterdir()}


def test_another_version_is_another_run(tmp_path, monkeypatch):
    store.run(TOLD, tmp_path)
    monkeypatch.setattr(store, "__version__", "9.9")
    with pytest.raises(ValueError, match=r"not dlngeo = '9\.9'"):
        store.run(TOLD, tmp_path)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_file_that_is_no_group_is_named(tmp_path, content):
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "000000-000001.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"000000-000001\.npz is no group of paths; remove it"):
        store.run(TOLD, tmp_path)


def test_refused_start_leaves_nothing(tmp_path):
    told = TOLD.replaced(start=[[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="start.* rank"):
        store.run(told, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_paths_end_with_the_first_that_could_not_be_followed(tmp_path, monkeypatch):
    simulate = langevin.simulate

    def cut_short(*args, **kwargs):
        run = simulate(*args, **kwargs)
        if kwargs["first_path"] != 2:
            return run
        fields = {**vars(run), "t": run.t[:3], "W": run.W[:, :3], "status": -1, "message": "lost"}
        return type(run)(**fields)

    monkeypatch.setattr(langevin, "simulate", cut_short)
    result = store.run(TOLD, tmp_path)
    assert result.ensemble.W.shape == (5, 3, 2, 2)
    assert (result.ensemble.status, result.ensemble.message) == (-1, "lost")
    assert result.notes == ("the ensemble: lost",)
    assert_array_equal(result.free_energy_flow.t, result.ensemble.t)


def test_saved_paths_are_the_ensemble_and_both_flows(tmp_path):
    told = TOLD.replaced(upstairs=True)
    result = store.run(told, tmp_path)
    store.save(told, result, tmp_path)
    with np.load(tmp_path / "paths.npz") as kept:
        assert_array_equal(kept["W"], result.ensemble.W)
        assert_array_equal(kept["t"], result.ensemble.t)
        assert_array_equal(kept["free_energy_flow_W"], result.free_energy_flow.W)
        assert_array_equal(kept["gradient_flow_energy"], result.gradient_flow.energy)
        product = kept["W_3"] @ kept["W_2"] @ kept["W_1"]
        assert np.abs(product - kept["W"]).max() < 1e-13
    assert config.to_toml(config.read(tmp_path / "config.toml")) == config.to_toml(told)


def test_seconds_are_those_of_this_run(tmp_path):
    store.run(TOLD, tmp_path)
    total = store.seconds(TOLD, tmp_path)
    assert 0 < store.seconds(TOLD.replaced(paths=2), tmp_path) < total < 60
