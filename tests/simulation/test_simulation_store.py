"""Groups of paths on disk: interrupted or not, the numbers are those of one run, to the bit."""

import io
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dlngeo import _environment, _random, langevin
from dlngeo._results import ensemble
from dlngeo._store import sealed
from dlngeo.simulation import config, store

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
    return sorted(path.name for path in (folder / "groups").iterdir())


@pytest.mark.parametrize(("upstairs", "depth"), [(False, 2.5), (True, 3), (True, 11)])
def test_groups_are_one_run_in_parts(tmp_path, upstairs, depth):
    settings, reports = SETTINGS.replaced(upstairs=upstairs, depth=depth), []
    result = store.run(settings, tmp_path, progress=reports.append).ensemble
    wanted = whole(settings)
    assert reports == [2, 4, 5]
    assert names(tmp_path) == ["000000-000001.npz", "000002-000003.npz", "000004-000004.npz"]
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
    assert names(tmp_path) == ["000000-000001.npz"]
    result = store.run(SETTINGS, tmp_path)
    assert calls == [0, 2, 4]
    assert_array_equal(result.ensemble.W, whole(SETTINGS).W)


def test_more_paths_begin_with_those_that_are_there(tmp_path, calls):
    store.run(SETTINGS.replaced(paths=4), tmp_path)
    more = SETTINGS.replaced(paths=7)
    result = store.run(more, tmp_path)
    assert calls == [0, 2, 4, 6]
    del calls[:]
    fewer = store.run(SETTINGS.replaced(paths=2), tmp_path)
    assert calls == []
    assert_array_equal(result.ensemble.W, whole(more).W)
    assert_array_equal(fewer.ensemble.W, result.ensemble.W[:2])


def test_write_that_fails_leaves_no_group(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(np, "savez", full)
        store.run(SETTINGS, tmp_path)
    assert names(tmp_path) == []
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
    before = {path.name: path.read_bytes() for path in (tmp_path / "groups").iterdir()}
    with pytest.raises(ValueError, match=wanted):
        store.run(SETTINGS.replaced(**changes), tmp_path)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "groups").iterdir()}


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
    assert 0 < store.seconds(SETTINGS.replaced(paths=2), tmp_path) < total < 60


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
    shutil.rmtree(tmp_path / "groups")
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


OLD = """start = [[0.2, 0.9], [0.04, 0.2]]
depth = 3.0
beta = 60.0
dt = 0.05
steps = 8
kappa = 1.0
weight_decay = 0.05
paths = 1
seed = 0
upstairs = false

[energy]
kind = "completion"
triplets = [[0, 0, 1], [1, 1, 1.0]]
"""


def test_run_of_version_0_1_is_gone_on_with(tmp_path, calls):
    # its groups call their configuration "told", and its TOML was written in another hand
    energy = {"kind": "completion", "triplets": [[0, 0, 1.0], [1, 1, 1]]}
    settings = SETTINGS.replaced(energy=energy)
    store.save(settings, store.run(settings.replaced(paths=4), tmp_path), tmp_path)
    (tmp_path / "config.toml").write_text(OLD.replace("paths = 1", "paths = 4"))
    for file in (tmp_path / "groups").iterdir():
        arrays = sealed.read(file, "group")
        del arrays["config"]
        sealed.write(file, {"told": OLD, **arrays})
    before = {file: file.read_bytes() for file in (tmp_path / "groups").iterdir()}
    assert_array_equal(store.run(settings, tmp_path).ensemble.W, whole(settings).W)
    assert calls == [0, 2, 4]
    assert before == {file: file.read_bytes() for file in before}
    with pytest.raises(ValueError, match=r"another run, with beta = 60\.0, not beta = 7\.0"):
        store.run(settings.replaced(beta=7.0), tmp_path)


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
    return folder / "groups"


@pytest.fixture
def groups(sound, tmp_path, monkeypatch):
    """A copy of it, from which nothing may be simulated, only read."""

    def never(*args, **kwargs):
        raise AssertionError("simulated")

    monkeypatch.setattr(langevin, "simulate", never)
    shutil.copytree(sound, tmp_path / "groups")
    return tmp_path / "groups"


def refusal(groups):
    """The one line with which the groups are refused."""
    with pytest.raises(ValueError) as caught:
        store.run(SETTINGS, groups.parent)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def forged(file, arrays):
    """A file of these arrays with a good seal, as no accident makes it."""
    sealed.write(file, arrays)


FIRST, SECOND, THIRD = "000000-000001.npz", "000002-000003.npz", "000004-000004.npz"


def test_sound_groups_are_read(groups):
    assert_array_equal(store.run(SETTINGS, groups.parent).ensemble.W, whole(SETTINGS).W)


def test_no_byte_can_be_flipped(groups, rng):
    file = groups / SECOND
    good = file.read_bytes()
    for place in [0, len(good) - 1, *rng.integers(len(good), size=200)]:
        bad = bytearray(good)
        bad[place] ^= 1 << rng.integers(8)
        file.write_bytes(bad)
        assert f"{SECOND} is damaged" in refusal(groups)


def test_no_file_can_be_cut_or_grown(groups, rng):
    file = groups / SECOND
    good = file.read_bytes()
    for size in [0, 1, 63, 64, 65, len(good) - 1, *rng.integers(len(good), size=60)]:
        file.write_bytes(good[:size])
        assert f"{SECOND} is damaged" in refusal(groups)
    file.write_bytes(good + b"\0")
    assert f"{SECOND} is damaged" in refusal(groups)


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(18),  # an empty archive
        npy(np.eye(3)),
        npy(np.array([None, "x"]), allow_pickle=True),
        bytes(range(256)) * 40,
    ],
)
def test_file_that_is_no_group_is_named(groups, content):
    (groups / FIRST).write_bytes(content)
    assert f"{FIRST} is damaged, or no group of paths; remove it" in refusal(groups)


def test_archive_without_seal_is_no_group(groups):
    with np.load(groups / FIRST) as kept:
        np.savez(groups / FIRST, **kept)
    assert f"{FIRST} is damaged, or no group of paths; remove it" in refusal(groups)


def test_groups_cannot_be_swapped_renamed_or_doubled(groups):
    (groups / FIRST).rename(groups / "x")
    (groups / SECOND).rename(groups / FIRST)
    assert f"{FIRST} holds the paths 2 to 3" in refusal(groups)
    (groups / "x").rename(groups / SECOND)
    (groups / FIRST).unlink()
    assert f"{SECOND} holds the paths 0 to 1" in refusal(groups)
    (groups / SECOND).rename(groups / FIRST)
    shutil.copy(groups / THIRD, groups / SECOND)
    assert f"{SECOND} holds the paths 4 to 4" in refusal(groups)


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in ("config", "paths", "t", "W", "ends", "provenance", "seconds")),
        {"W": np.zeros((1, 9, 2, 2))},
        {"W": np.zeros(3)},
        {"W": "text"},
        {"t": np.zeros(3)},
        {"t": 0.0},
        {"ends": np.zeros(3)},
        {"paths": [0]},
        {"paths": "01"},
        {"config": 3.0},
        {"config": np.array([SETTINGS, None], dtype=object)},  # a pickle
        {"seconds": np.zeros(2)},
        {"provenance": "{"},
        {"provenance": "[]"},
        {"provenance": "{}"},
        {"provenance": "[" * 10_000},
        {"provenance": '{"versions": {}, "cut": ' + "9" * 5000 + "}"},
    ],
)
def test_group_of_other_content_is_refused(groups, change):
    with np.load(groups / FIRST) as kept:
        arrays = {**kept, **change}
    forged(groups / FIRST, {name: x for name, x in arrays.items() if x is not None})
    said = refusal(groups)
    assert f"{FIRST} is no group of paths (" in said or "holds paths of another run, with" in said


def test_folder_in_the_place_of_a_group_is_refused(groups):
    (groups / FIRST).unlink()
    (groups / FIRST).mkdir()
    with pytest.raises(OSError, match=FIRST):
        store.run(SETTINGS, groups.parent)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"\xff\xfe", b"beta = 1e999", b"[" * 5000, b"beta = " + b"9" * 5000, b"a = [["],
)
def test_damaged_configuration_of_the_result_is_refused(groups, content):
    (groups.parent / "config.toml").write_bytes(content)
    assert "config.toml is no configuration of a run; remove it" in refusal(groups)


def test_group_that_another_process_put_there_is_not_taken(tmp_path, monkeypatch):
    # it writes after our look at the folder: the group that is read is not the one that was written
    write, other = sealed.write, SETTINGS.replaced(seed=1)
    theirs = store._group(other, range(2))

    def overtaken(file, arrays):
        write(file, arrays)
        write(file, theirs)

    monkeypatch.setattr(sealed, "write", overtaken)
    with pytest.raises(ValueError, match="holds paths of another run, with seed = 1, not seed = 0"):
        store.run(SETTINGS, tmp_path)
