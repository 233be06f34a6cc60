"""Groups of paths on disk: interrupted or not, the numbers are those of one run, to the bit."""

import errno
import os
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dlngeo import _environment, _random, langevin, sweeps
from dlngeo._results import ensemble
from dlngeo.simulation import config, store
from swept import study

SIMULATE = langevin.simulate
SETTINGS = config.preset("hyperbola").replaced(paths=5, steps=8)


@pytest.fixture(autouse=True)
def pairs(monkeypatch):
    """Groups of two paths."""
    monkeypatch.setattr(store, "GROUP", 2)


def whole(settings):
    """All paths in one call."""
    return SIMULATE(
        settings.build_energy(), settings.matrix(), depth=settings.depth, beta=settings.beta,
        kappa=settings.kappa, weight_decay=settings.weight_decay, dt=settings.dt,
        n_steps=settings.steps, n_paths=settings.paths,
        rng=settings.seed, upstairs=settings.upstairs,
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
    return sorted(path.name for path in (folder / "seals").iterdir())


def contents(folder):
    """All files of the store."""
    files = [file for part in ("runs.zarr", "seals") for file in (folder / part).rglob("*")]
    return {file: file.read_bytes() for file in files if file.is_file()}


@pytest.mark.parametrize(("upstairs", "depth"), [(False, 2.5), (True, 3), (True, 11)])
def test_groups_are_one_run_in_parts(tmp_path, upstairs, depth):
    settings, reports = SETTINGS.replaced(upstairs=upstairs, depth=depth), []
    result = store.run(settings, tmp_path, progress=reports.append).ensemble
    wanted = whole(settings)
    assert reports == [2, 4, 5]
    assert names(tmp_path) == ["0.json", "1.json", "2.json"]
    for name in ("t", "W", "energy", "singular_values", "effective_rank"):
        assert_array_equal(getattr(result, name), getattr(wanted, name))
    assert (result.weights is None) == (wanted.weights is None)
    for ours, theirs in zip(result.weights or (), wanted.weights or (), strict=True):
        assert_array_equal(ours, theirs)
    assert_array_equal(result.status, wanted.status)
    assert_array_equal(result.ends, wanted.ends)
    assert result.message == wanted.message
    assert result.provenance == wanted.provenance


def test_interrupted_run_goes_on_and_nothing_is_run_twice(tmp_path, calls, monkeypatch):
    spied = langevin.simulate

    def interrupted(*args, **kwargs):
        if kwargs["first_path"] == 2:
            raise KeyboardInterrupt
        return spied(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(langevin, "simulate", interrupted)
        store.run(SETTINGS, tmp_path)
    assert names(tmp_path) == ["0.json"]
    result = store.run(SETTINGS, tmp_path)
    assert calls == [0, 2, 4]
    assert_array_equal(result.ensemble.W, whole(SETTINGS).W)


def test_more_paths_begin_with_those_that_are_there(tmp_path, calls):
    store.run(SETTINGS, tmp_path)
    more = SETTINGS.replaced(paths=7)
    result = store.run(more, tmp_path)
    assert calls == [0, 2, 4, 4, 6]  # the third group had one path, of two
    del calls[:]
    fewer = store.run(SETTINGS.replaced(paths=2), tmp_path)
    assert calls == []
    assert_array_equal(result.ensemble.W, whole(more).W)
    assert_array_equal(fewer.ensemble.W, result.ensemble.W[:2])


def test_write_that_fails_leaves_no_group(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match=f"no space .*{tmp_path}"):
        patch.setattr(os, "fsync", full)
        store.run(SETTINGS, tmp_path)
    assert not (tmp_path / "seals").exists()
    assert_array_equal(store.run(SETTINGS, tmp_path).ensemble.W, whole(SETTINGS).W)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"beta": 7.0}, "with beta = 60.0, not beta = 7.0"),
        ({"seed": 1}, "with seed = 0, not seed = 1"),
        ({"upstairs": True}, "with upstairs = false, not upstairs = true"),
        ({"save_every": 3}, "with save_every not given, not save_every = 3"),
    ],
)
def test_folder_of_another_run_is_refused_and_left_alone(tmp_path, changes, wanted):
    store.run(SETTINGS, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=wanted):
        store.run(SETTINGS.replaced(**changes), tmp_path)
    assert before == contents(tmp_path)


def test_refused_start_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="numerical rank is 1"):
        store.run(SETTINGS.replaced(start=[[1.0, 1.0], [1.0, 1.0]]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def path_three_ends_early(monkeypatch):
    """Path 3 of any run is followed up to its third frame only."""
    simulate = langevin.simulate

    def ended(*args, **kwargs):
        run, first = simulate(*args, **kwargs), kwargs["first_path"]
        W, ends = run.W.copy(), run.ends.copy()
        lost = np.arange(first, first + len(W)) == 3
        W[lost, 3:], ends[lost] = np.nan, run.t[2]
        provenance = {**run.provenance, "cut": 7}
        return ensemble.build(run.equation, run.t, W, None, ends, "lost", provenance)

    monkeypatch.setattr(langevin, "simulate", ended)


def test_path_that_ends_early_is_kept_with_its_end(tmp_path, path_three_ends_early, monkeypatch):
    first = store.run(SETTINGS, tmp_path).ensemble
    monkeypatch.undo()
    monkeypatch.setattr(store, "GROUP", 2)
    again = store.run(SETTINGS, tmp_path).ensemble  # from disk
    for run in (first, again):
        assert_array_equal(run.status, [0, 0, 0, -1, 0])
        assert run.ends[3] == run.t[2] and (run.ends[[0, 1, 2, 4]] == run.t[-1]).all()
        assert_array_equal(run.W[[0, 1, 2, 4]], whole(SETTINGS).W[[0, 1, 2, 4]])
        assert np.isnan(run.W[3, 3:]).all() and np.isfinite(run.W[3, :3]).all()
        assert run.message.startswith(f"1 of 5 paths ended early: path 3 at t = {run.t[2]:g};")
        assert run.message.endswith(", 21 of 40 in parts")


def test_flows_go_as_far_as_all_paths(tmp_path, path_three_ends_early):
    result = store.run(SETTINGS, tmp_path)
    for flow in result.flows.values():
        assert_array_equal(flow.t, result.ensemble.t[:3])
    (note,) = result.notes
    assert note.startswith("the ensemble: 1 of 5 paths ended early")


def test_saved_paths_are_the_ensemble_and_both_flows(tmp_path):
    settings = SETTINGS.replaced(upstairs=True)
    result = store.run(settings, tmp_path)
    store.save(settings, result, tmp_path)
    assert store.kept(tmp_path) is not None
    with np.load(tmp_path / "paths.npz") as kept:
        assert_array_equal(kept["W"], result.ensemble.W)
        assert_array_equal(kept["t"], result.ensemble.t)
        assert_array_equal(kept["free_energy_flow_W"], result.free_energy_flow.W)
        assert_array_equal(kept["gradient_flow_energy"], result.gradient_flow.energy)
        assert_array_equal(kept["status"], np.zeros(5))
        assert_array_equal(kept["ends"], np.full(5, result.ensemble.t[-1]))
        product = kept["W_3"] @ kept["W_2"] @ kept["W_1"]
        assert np.abs(product - kept["W"]).max() < 1e-13
    assert config.to_toml(config.read(tmp_path / "config.toml")) == config.to_toml(settings)


def test_seconds_are_those_of_this_run(tmp_path):
    store.run(SETTINGS, tmp_path)
    total = store.seconds(SETTINGS, tmp_path)
    assert 0 < store.seconds(SETTINGS.replaced(paths=2), tmp_path) < total < 600


def test_result_of_more_paths_is_not_overwritten(tmp_path):
    store.save(SETTINGS, store.run(SETTINGS, tmp_path), tmp_path)
    before = (tmp_path / "paths.npz").read_bytes()
    wanted = "holds the result of 5 paths, which 3 would overwrite; give --paths 5 or more, or"
    with pytest.raises(ValueError, match=wanted):
        store.run(SETTINGS.replaced(paths=3), tmp_path)
    assert (tmp_path / "paths.npz").read_bytes() == before
    assert len(store.run(SETTINGS.replaced(paths=7), tmp_path).ensemble.W) == 7


def test_paths_of_an_unfinished_run_are_enough_for_a_smaller_one(tmp_path):
    store.run(SETTINGS, tmp_path)  # was stopped before its result was written
    assert len(store.run(SETTINGS.replaced(paths=3), tmp_path).ensemble.W) == 3


def test_result_of_another_run_is_not_overwritten(tmp_path):
    store.save(SETTINGS, store.run(SETTINGS, tmp_path), tmp_path)
    shutil.rmtree(tmp_path / "runs.zarr")
    with pytest.raises(ValueError, match=r"the result of another run, with beta = 60\.0, not beta"):
        store.run(SETTINGS.replaced(beta=2.0), tmp_path)
    assert_array_equal(store.run(SETTINGS, tmp_path).ensemble.W, whole(SETTINGS).W)


def test_long_values_that_differ_are_named_only(tmp_path):
    size, options = np.eye(9), {"paths": 2, "steps": 3}
    energy = {"kind": "quadratic", "target": size.tolist()}
    settings = config.preset("repulsion").replaced(energy=energy, start=size.tolist(), **options)
    store.run(settings, tmp_path)
    other = settings.replaced(start=(2 * size).tolist())
    with pytest.raises(ValueError, match="of another run, with another start; choose") as caught:
        store.run(other, tmp_path)
    assert len(str(caught.value)) < 300


def test_paths_of_version_0_1_are_refused_with_what_to_do(tmp_path, calls):
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "000000-000001.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"groups holds paths as version 0\.1 kept them") as caught:
        store.run(SETTINGS, tmp_path)
    assert "choose another folder, or remove it, and they are simulated again" in str(caught.value)
    assert calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["groups"]


def test_a_configuration_written_in_another_hand_is_the_same(tmp_path, calls):
    energy = {"kind": "completion", "triplets": [[0, 0, 1.0], [1, 1, 1]]}
    store.run(SETTINGS.replaced(paths=4), tmp_path)
    assert_array_equal(store.run(SETTINGS.replaced(energy=energy), tmp_path).ensemble.W,
                       whole(SETTINGS).W)  # fmt: skip
    assert calls == [0, 2, 4]


def test_runs_of_a_sweep_are_refused(tmp_path):
    sweeps.run(study(), tmp_path)
    with pytest.raises(ValueError, match="holds runs of dlngeo sweep"):
        store.run(SETTINGS, tmp_path)
    store.run(SETTINGS, tmp_path / "paths")
    with pytest.raises(ValueError, match="holds paths of dlngeo simulate"):
        sweeps.run(study(), tmp_path / "paths")
    with pytest.raises(ValueError, match="holds paths of dlngeo simulate"):
        sweeps.load(tmp_path / "paths")


# ------------------------------------------------------------------------------------ environments


@pytest.fixture
def elsewhere(monkeypatch):
    """From now on the processor and the version are others."""

    def move():
        other = {**_environment.numerics(), "kernel": "Zen9", "dlngeo": "9.9"}
        for module in (store, _random):
            monkeypatch.setattr(module, "numerics", lambda: other)

    return move


def test_paths_of_another_environment_are_refused_by_what_differs(tmp_path, elsewhere, calls):
    store.run(SETTINGS.replaced(paths=2), tmp_path)
    ours = _environment.numerics()
    elsewhere()
    with pytest.raises(ValueError) as caught:
        store.run(SETTINGS, tmp_path)
    said = str(caught.value)
    assert f"dlngeo {ours['dlngeo']}, now 9.9; kernel {ours['kernel']}, now Zen9. Choose" in said
    assert "--mix-environments" in said
    assert calls == [0]


def test_told_to_mix_environments_a_run_goes_on_and_says_so(tmp_path, elsewhere, calls):
    store.run(SETTINGS.replaced(paths=2), tmp_path)
    elsewhere()
    result = store.run(SETTINGS, tmp_path, mix_environments=True)
    assert calls == [0, 2, 4]
    assert_array_equal(result.ensemble.W, whole(SETTINGS).W)  # here nothing really differs
    assert "in several environments (dlngeo " in result.ensemble.message
    assert result.ensemble.message.endswith(", now Zen9)")
    again = store.run(SETTINGS, tmp_path, mix_environments=True)
    assert again.ensemble.message == result.ensemble.message
    with pytest.raises(ValueError, match="another environment"):
        store.run(SETTINGS, tmp_path)


# ------------------------------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with three groups, which is copied and never changed."""
    folder = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "GROUP", 2)
        store.run(SETTINGS, folder)
    return folder


@pytest.fixture
def groups(sound, tmp_path, monkeypatch):
    """A copy of it, from which nothing may be simulated, only read."""

    def never(*args, **kwargs):
        raise AssertionError("simulated")

    monkeypatch.setattr(langevin, "simulate", never)
    shutil.copytree(sound, tmp_path, dirs_exist_ok=True)
    return tmp_path


def refusal(groups):
    """The one line with which the groups are refused."""
    with pytest.raises(ValueError) as caught:
        store.run(SETTINGS, groups)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SEAL = ("seals", "1.json")
PARTS = [("runs.zarr", "W", "c", "1", "0", "0", "0"), ("runs.zarr", "ends", "c", "1"), SEAL]


def test_sound_groups_are_read(groups):
    assert_array_equal(store.run(SETTINGS, groups).ensemble.W, whole(SETTINGS).W)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part[-2])
def test_no_byte_can_be_flipped(groups, rng, part):
    file = groups.joinpath(*part)
    good = file.read_bytes()
    for place in [0, len(good) - 1, *rng.integers(len(good), size=40)]:
        bad = bytearray(good)
        bad[place] ^= 1 << rng.integers(8)
        file.write_bytes(bad)
        said = refusal(groups)
        assert said == f"{file} is damaged; remove {groups.joinpath(*SEAL)}, and its paths are " \
                       "simulated again"  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part[-2])
def test_no_file_can_be_cut_or_grown(groups, rng, part):
    file = groups.joinpath(*part)
    good = file.read_bytes()
    for size in [0, 1, len(good) - 1, *rng.integers(len(good), size=10)]:
        file.write_bytes(good[:size])
        assert f"{file} is damaged" in refusal(groups)
    file.write_bytes(good + b"\0")
    assert f"{file} is damaged" in refusal(groups)


@pytest.mark.parametrize("content", [b"", b"junk", b"{}\n", bytes(range(256)) * 40])
def test_what_is_no_seal_is_named(groups, content):
    groups.joinpath(*SEAL).write_bytes(content)
    assert "1.json is damaged; remove" in refusal(groups)


def test_groups_cannot_be_swapped_or_doubled(groups, monkeypatch):
    first, second = groups / "seals" / "0.json", groups.joinpath(*SEAL)
    shutil.copy(first, second)  # of other paths: it says nothing of these
    monkeypatch.undo()
    monkeypatch.setattr(store, "GROUP", 2)
    assert_array_equal(store.run(SETTINGS, groups).ensemble.W, whole(SETTINGS).W)
    parts = groups / "runs.zarr" / "ends" / "c", groups / "runs.zarr" / "W" / "c"
    for part in parts[1:]:
        (part / "0").rename(part / "x")
        (part / "1").rename(part / "0")
        (part / "x").rename(part / "1")
    assert "is damaged; remove" in refusal(groups)


def test_what_is_removed_is_simulated_again_as_the_refusal_says(groups, monkeypatch):
    groups.joinpath(*PARTS[0]).unlink()
    assert "is missing; remove" in refusal(groups)
    groups.joinpath(*SEAL).unlink()
    monkeypatch.undo()
    monkeypatch.setattr(store, "GROUP", 2)
    assert_array_equal(store.run(SETTINGS, groups).ensemble.W, whole(SETTINGS).W)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"zarr_format": 3}'])
def test_a_store_that_is_none_is_refused(groups, content):
    (groups / "runs.zarr" / "zarr.json").write_text(content)
    assert "is no store of runs (" in refusal(groups)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"\xff\xfe", b"beta = 1e999", b"[" * 5000, b"beta = " + b"9" * 5000, b"a = [["],
)
def test_damaged_configuration_of_the_result_is_refused(groups, content):
    (groups / "config.toml").write_bytes(content)
    assert "config.toml is no configuration of a run; remove it" in refusal(groups)
