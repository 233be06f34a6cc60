"""Archives: bit for bit there and back, whole or not at all, and nothing else is read."""

import json
import math
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dlngeo._results import archive

ARRAYS = {
    "float": np.array([[0.1, -0.0, np.nan], [np.inf, 5e-324, -1 / 3]]),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(24.0).reshape(4, 6)[::2, ::-1],
    "complex": np.array([1 + 2j, complex(-0.0, np.nan)]),
    "int": np.array([-(2**63), 2**63 - 1]),
    "truth": np.array([True, False]),
    "scalar": np.array(0.1),
    "empty": np.empty((0, 3, 2)),
    "λ σ/W_1.npy \\ ü": np.arange(3),
    "": np.arange(2),
    "file": np.arange(1),
    "file.npy": np.arange(4),
}
ABOUT = {"seed": 2**127 + 1, "dt": 0.1, "end": math.inf, "path": [0, 1], "none": None, "é": "σ\0x"}


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.result"
    archive.write(path, "Thing", ARRAYS, ABOUT)
    return path


def test_round_trip_is_bit_for_bit(file):
    arrays, about = archive.read(str(file), "Thing")
    assert list(arrays) == list(ARRAYS)
    assert all(same(arrays[name], ARRAYS[name]) for name in ARRAYS)
    assert about == ABOUT
    assert os.listdir(file.parent) == ["run.result"]  # the suffix is kept, and no draft stays


def test_no_arrays_at_all(tmp_path):
    archive.write(tmp_path / "x", "Thing", {}, {})
    assert archive.read(tmp_path / "x", "Thing") == ({}, {})


def test_numpy_reads_an_archive(file):
    with np.load(file) as arrays:
        assert same(arrays["float"], ARRAYS["float"])
        assert json.loads(str(arrays["about"]))["about"] == ABOUT


def test_the_same_result_gives_the_same_bytes(file, tmp_path):
    archive.write(tmp_path / "again", "Thing", ARRAYS, ABOUT)
    assert file.read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("length", [0, 1, 100, 1000, -1])
def test_a_truncated_file_is_refused(file, length):
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ValueError, match="cannot be read"):
        archive.read(file, "Thing")


def test_no_damaged_byte_is_taken_for_a_number(tmp_path):
    file, rng = tmp_path / "x", np.random.default_rng(0)
    archive.write(file, "Thing", {"a": np.arange(3.0)}, {"b": 1})
    good = file.read_bytes()
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= rng.integers(1, 256)
        file.write_bytes(damaged)
        try:
            arrays, about = archive.read(file, "Thing")
        except ValueError:
            continue  # and nothing else is raised
        assert about == {"b": 1}
        assert list(arrays) == ["a"] and same(arrays["a"], np.arange(3.0))


def test_pickles_are_refused(tmp_path):
    thing = np.array([{}], dtype=object)
    (tmp_path / "pickle").write_bytes(pickle.dumps({"a": 1}))
    np.save(tmp_path / "object.npy", thing, allow_pickle=True)
    np.savez(tmp_path / "object.npz", a=thing)
    for name in ("pickle", "object.npy", "object.npz"):
        with pytest.raises(ValueError, match="cannot be read"):
            archive.read(tmp_path / name, "Thing")
    with pytest.raises(ValueError):
        archive.write(tmp_path / "new", "Thing", {"a": thing}, {})
    assert not (tmp_path / "new").exists()


def test_others_are_refused(file, tmp_path):
    with pytest.raises(ValueError, match=r"'Other'\), not \('dlngeo', 1, 'Thing'\)"):
        archive.read(file, "Other")
    np.savez(tmp_path / "plain.npz", a=np.arange(3))
    np.savez(tmp_path / "later.npz", about=json.dumps({"format": "dlngeo", "version": 2}))
    np.savez(tmp_path / "list.npz", about="[1, 2]")
    np.savez(tmp_path / "number.npz", about=3.5)
    np.save(tmp_path / "a.npy", np.arange(3))
    (tmp_path / "text").write_text("t,W\n0,1\n")
    with zipfile.ZipFile(tmp_path / "zip", "w") as other:
        other.writestr("a.txt", "text")
    for name in ("plain.npz", "later.npz", "list.npz", "number.npz", "a.npy", "text", "zip"):
        with pytest.raises(ValueError, match=rf"{name} (must|cannot) be"):
            archive.read(tmp_path / name, "Thing")


def test_folders_and_missing_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        archive.read(tmp_path / "none", "Thing")
    with pytest.raises(FileNotFoundError):
        archive.write(tmp_path / "none" / "x", "Thing", {}, {})
    for call in (archive.read, lambda path, kind: archive.write(path, kind, {}, {})):
        with pytest.raises(OSError):
            call(tmp_path, "Thing")
        with pytest.raises(TypeError, match="path must be"):
            call(3, "Thing")
    assert os.listdir(tmp_path) == []


def test_what_json_does_not_hold_is_refused(file):
    before = file.read_bytes()
    with pytest.raises(TypeError):
        archive.write(file, "Thing", {}, {"a": np.arange(3)})
    with pytest.raises(ValueError, match="about"):
        archive.write(file, "Thing", {"about": np.arange(3)}, {})
    assert file.read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, SystemExit])
def test_an_interrupted_write_leaves_the_old_file(file, monkeypatch, error):
    before, write = file.read_bytes(), np.lib.format.write_array

    def interrupted(stream, array, **options):
        write(stream, array, **options)
        raise error

    monkeypatch.setattr(np.lib.format, "write_array", interrupted)
    with pytest.raises(error):
        archive.write(file, "Thing", {"a": np.zeros(10)}, {})
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == ["run.result"]


def test_a_file_is_replaced_whole(file):
    archive.write(file, "Other", {"a": np.arange(2)}, {"b": 1})
    arrays, about = archive.read(file, "Other")
    assert list(arrays) == ["a"] and about == {"b": 1}


def test_links_and_permissions_stay(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to(real)
    archive.write(link, "Kind", {"x": np.arange(3.0)}, {})
    assert link.is_symlink() and real.stat().st_mode & 0o777 == 0o600
    assert archive.read(real, "Kind")[0]["x"].tolist() == [0.0, 1.0, 2.0]


def test_refusals_name_what_was_asked_for(tmp_path):
    for path, error in ((tmp_path / "none" / "x", FileNotFoundError), (tmp_path, OSError)):
        with pytest.raises(error) as told:
            archive.write(path, "Kind", {}, {})
        assert told.value.filename == str(path)
    with pytest.raises(ValueError, match="path must not be empty"):
        archive.write("", "Kind", {}, {})
    archive.write(tmp_path / ("x" * 250), "Kind", {}, {})


def test_threads_do_not_write_into_one_draft(tmp_path):
    arrays = {"x": np.arange(1000.0)}
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: archive.write(tmp_path / "x", "Kind", arrays, {}), range(60)))
    assert [file.name for file in tmp_path.iterdir()] == ["x"]
    assert archive.read(tmp_path / "x", "Kind")[0]["x"].size == 1000
