"""Files that are whole or absent, and folders that one process holds."""

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

from dlngeo._store import files

HOLD = """
import sys, time
from pathlib import Path
from dlngeo._store.files import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def another(tmp_path):
    """Another process that holds ``tmp_path / "out"``."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_stream_becomes_the_file(tmp_path):
    with files.replacing(tmp_path / "x") as stream:
        stream.write(b"new")
        assert not (tmp_path / "x").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"new"


def test_what_fails_leaves_the_old_file(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(OSError, match=r"disk full: .*x"), files.replacing(tmp_path / "x") as stream:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "disk full")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


@pytest.mark.skipif(os.name != "posix", reason="modes of files are a matter of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_modes_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        with files.replacing(tmp_path / "x") as stream:
            stream.write(b"new")
        with files.together(tmp_path, last="y") as draft:
            (draft / "y").write_text("new")
    finally:
        os.umask(before)
    for name in "xy":
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


def test_files_appear_together_and_the_last_at_last(tmp_path):
    with files.together(tmp_path, last="b") as draft:
        for name in "abc":
            (draft / name).write_text(name)
        assert not any((tmp_path / name).exists() for name in "abc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    changed = [(tmp_path / name).stat().st_ctime_ns for name in "acb"]
    assert changed == sorted(changed)


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from dlngeo._store.files import together
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
writes = {
    "text": lambda file: file.write_text("x" * 5000),
    "npy": lambda file: np.save(file, np.zeros(5000)),
    "npz": lambda file: np.savez(file, np.zeros(5000)),
}
try:
    with together(Path(sys.argv[1]), last="b") as draft:
        writes[sys.argv[2]](draft / "a.npy")
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of files are a matter of POSIX")
@pytest.mark.parametrize("what", ["text", "npy", "npz"])
def test_disk_that_is_full_is_told_with_its_place(tmp_path, what):
    # a file may hold 1000 bytes: what the system says then, as of a full disk, names nothing
    command = [sys.executable, "-c", FULL, str(tmp_path), what]
    said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    assert str(tmp_path) in said and len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_held_folder_is_refused_to_another_process_by_name(tmp_path, another):
    wanted = rf"out is being written by process {another.pid} on .*; wait for it, or choose"
    with pytest.raises(ValueError, match=wanted), files.held(tmp_path / "out"):
        pass
    assert another.poll() is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_lock_of_a_dead_process_is_none(tmp_path, another, how):
    another.send_signal(how)
    another.wait()
    with files.held(tmp_path / "out"):
        pass
    assert not (tmp_path / "out" / files._LOCK).exists()


def test_folder_is_refused_within_one_process_as_well(tmp_path):
    with files.held(tmp_path):
        with pytest.raises(ValueError, match="being written"), files.held(tmp_path):
            pass
        with pytest.raises(ValueError, match="being written"), files.held(tmp_path):
            pass  # the refusal took nothing away
    with files.held(tmp_path):
        pass


def test_folder_made_for_nothing_is_gone_again(tmp_path):
    with files.held(tmp_path / "out"):
        assert (tmp_path / "out").is_dir()
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with files.held(tmp_path / "out"):
        pass
    assert (tmp_path / "out").is_dir()  # it was there


def test_drafts_of_a_killed_run_are_cleared_away(tmp_path):
    (tmp_path / "seals").mkdir()
    (tmp_path / "seals" / f"{files.DRAFT}1-a.part").write_text("half")
    (tmp_path / f"{files.DRAFT}xyz").mkdir()
    (tmp_path / f"{files.DRAFT}xyz" / "paths.npz").write_text("half")
    (tmp_path / ".mine").write_text("kept")
    with files.held(tmp_path):
        left = sorted(path.name for path in tmp_path.rglob("*"))
    assert left == [files._LOCK, ".mine", "seals"]


def test_where_the_system_knows_no_locks_the_folder_is_used(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unknown(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with files.held(tmp_path):
        pass


def test_lock_file_that_its_holder_took_away_is_no_lock(tmp_path, monkeypatch):
    lock = files._lock

    def late(stream):  # between opening and locking the file, its holder ends and removes it
        monkeypatch.setattr(files, "_lock", lock)
        (tmp_path / files._LOCK).unlink()
        lock(stream)

    monkeypatch.setattr(files, "_lock", late)
    refused = pytest.raises(ValueError, match="being written")
    with files.held(tmp_path), refused, files.held(tmp_path):
        pass


CRITICAL = """
import os, sys, time
from pathlib import Path
from dlngeo._store.files import held
log = Path(sys.argv[2])
end = time.monotonic() + 1.0
while time.monotonic() < end:
    try:
        with held(Path(sys.argv[1])):
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, b"(")
            os.write(descriptor, b")")
            os.close(descriptor)
    except ValueError:
        pass
"""


def test_no_two_are_ever_inside(tmp_path):
    # the lock file comes and goes with each holder: nobody may hold one that is gone
    command = [sys.executable, "-c", CRITICAL, str(tmp_path / "out"), str(tmp_path / "log")]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    seen = (tmp_path / "log").read_text()
    assert len(seen) > 100
    assert seen == "()" * (len(seen) // 2)
