"""Faults that really happen: killed parents and workers, full disks, damage, two at one store."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import zarr

from dlngeo import sweeps
from dlngeo._store import runs
from dlngeo._store.files import held
from dlngeo.sweeps import executors, running, settings
from swept import study, values

# An observable that takes its time and writes down which paths it saw.
SLOW = """\
import os, time
import numpy as np

def tally(runs):
    time.sleep(0.05)
    with open(os.environ["TALLY"], "a") as file:
        file.write(f"{runs.cell['depth']} {runs.start[0, 0, 0]!r}\\n")
    return runs.W[:, 0, 0]

def dies(runs):
    if os.path.exists(os.environ["TALLY"]):
        os._exit(1)
    return runs.W[:, 0, 0]
"""
PROCESSES = ["--executor", "processes", "--workers", "2"]


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A study of 20 chunks that is slow enough to be killed, and its file."""
    module = f"slowly_{tmp_path.name}"  # one of a name is loaded once
    (tmp_path / f"{module}.py").write_text(SLOW)
    monkeypatch.setenv("TALLY", str(tmp_path / "tally"))
    one = study(observables=["W", "status", f"{module}:tally"], folder=str(tmp_path),
                grid={"depth": [1, 2], "scale": [1.0]}, paths=100)  # fmt: skip
    (tmp_path / "a.toml").write_text(one.to_toml())
    return one


def begun(tmp_path, *options, **how):
    """``dlngeo sweep`` in a process of its own."""
    command = [sys.executable, "-m", "dlngeo", "sweep", str(tmp_path / "a.toml"), "--chunk", "10"]
    return subprocess.Popen(
        [*command, "--out", str(tmp_path / "store"), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", **how,
    )  # fmt: skip


def finished(tmp_path):
    return len(list((tmp_path / "store" / "seals").glob("*.json")))


def wait_for(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("options", [[], PROCESSES])
def test_a_killed_sweep_goes_on_and_is_one_run_bit_for_bit(options, slow, tmp_path):
    run = begun(tmp_path, *options)
    wait_for(lambda: finished(tmp_path) >= 3)
    workers = _children(run.pid)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert len(workers) >= 2 or not options
    wait_for(lambda: not any(map(_alive, workers)))
    there = sweeps.load(tmp_path / "store")
    assert 30 <= there.attrs["finished"] < 200
    assert there.attrs["finished"] % 10 == 0
    left = (there.status == -9).sum().item()
    assert left == 200 - there.attrs["finished"]
    assert int(there.tally.isnull().sum()) == left
    (tmp_path / "tally").unlink()
    again = sweeps.run(slow, tmp_path / "store")
    seen = (tmp_path / "tally").read_text().splitlines()
    assert len(seen) == len(set(seen)) == left // 10  # no finished chunk twice
    assert values(again) == values(sweeps.run(slow, tmp_path / "whole", chunk=100))
    kept = there.status.values != -9
    assert (there.W.values[kept] == again.W.values[kept]).all()


@pytest.mark.parametrize(
    ("number", "code", "options"),
    [(signal.SIGTERM, 143, []), (signal.SIGINT, 130, PROCESSES), (signal.SIGTERM, 143, PROCESSES)],
)
def test_a_sweep_that_is_told_to_stop_says_how_to_go_on(number, code, options, slow, tmp_path):
    run = begun(tmp_path, *options)
    wait_for(lambda: finished(tmp_path) >= 2)
    run.send_signal(number)
    out, said = run.communicate(timeout=20)
    assert (run.returncode, out) == (code, "")
    kept = 10 * finished(tmp_path)
    *progress, last = said.splitlines()
    assert [line for line in progress if not line.startswith("runs: ")] == []
    assert f"store keeps {kept} of 200 runs, and the same command goes on" in last
    assert sweeps.load(tmp_path / "store").attrs["finished"] == kept


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_that_dies_is_told_and_the_rest_is_kept(slow, tmp_path):
    one = study(observables=["W", f"slowly_{tmp_path.name}:dies"], folder=str(tmp_path))
    sweep = lambda out, **how: sweeps.run(one, tmp_path / out, chunk=10, **how)  # noqa: E731
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def half(runs):
        if runs == 20:
            (tmp_path / "tally").touch()

    with pool, pytest.raises(RuntimeError, match="a worker died") as caught:
        sweep("store", executor=pool, progress=half)
    kept = sweeps.load(tmp_path / "store").attrs["finished"]
    assert kept in (20, 30)  # the next chunk may have been under way
    assert f"keeps {kept} of 40 runs, and the same command goes on" in str(caught.value)
    (tmp_path / "tally").unlink()
    assert values(sweep("store")) == values(sweep("whole"))


def test_a_chunk_that_fails_does_not_keep_the_others_from_being_computed(tmp_path):
    (tmp_path / "picky.py").write_text(
        "def one(runs):\n    assert runs.depth == 1, 'too deep'\n    return runs.W[:, 0, 0]\n"
    )
    one = study(observables=["picky:one"], folder=str(tmp_path))
    with pytest.raises(RuntimeError, match=r"2 of 4 chunks failed: .*depth = 2") as caught:
        sweeps.run(one, tmp_path / "store", chunk=10)
    assert "AssertionError: too deep (picky.py, line 2)" in str(caught.value)
    assert "keeps 20 of 40 runs" in str(caught.value)
    assert sweeps.load(tmp_path / "store").one.notnull().sum() == 20


def test_a_full_disk_is_named_and_the_rest_kept(tmp_path, monkeypatch):
    whole = sweeps.run(study(), tmp_path / "whole", chunk=10)
    fsync, calls = os.fsync, []

    def full(number):
        calls.append(number)
        if len(calls) > 14:  # two chunks of six arrays and a seal
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*store"):
        sweeps.run(study(), tmp_path / "store", chunk=10)
    monkeypatch.undo()
    assert sweeps.load(tmp_path / "store").attrs["finished"] == 20
    assert values(sweeps.run(study(), tmp_path / "store")) == values(whole)


def test_a_file_that_may_not_grow_is_named_and_the_rest_kept(slow, tmp_path, monkeypatch):
    run = begun(tmp_path)
    wait_for(lambda: finished(tmp_path) >= 1)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    before = finished(tmp_path)

    def limit():  # the entries of ten matrices are 320 bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    run = begun(tmp_path, preexec_fn=limit)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "File too large" in said
    assert "store" in said
    assert finished(tmp_path) == before
    assert (
        values(sweeps.run(slow, tmp_path / "store"))["W"]
        == values(sweeps.run(slow, tmp_path / "whole", chunk=200))["W"]
    )


@pytest.mark.parametrize("how", ["truncated", "changed", "removed", "seal"])
def test_a_damaged_chunk_is_named_refused_and_computed_anew(how, tmp_path):
    store = tmp_path / "store"
    whole = values(sweeps.run(study(), store, chunk=10).load())
    part = store / "runs.zarr" / "W" / "c" / "1" / "0" / "0" / "0" / "0"
    file = store / "seals" / "1-0-0.json" if how == "seal" else part
    content = bytearray(file.read_bytes())
    if how == "removed":
        file.unlink()
    else:
        content[20] ^= 1
        file.write_bytes(content[:-7] if how == "truncated" else content)
    with pytest.raises(ValueError, match="is missing" if how == "removed" else "damaged") as caught:
        sweeps.load(store)
    assert str(file) in str(caught.value)
    said, told = [], []
    again = sweeps.run(study(), store, notice=said.append, progress=told.append)
    assert values(again) == whole
    assert told == [30, 40]
    assert len(said) == 1
    assert "it is computed anew" in said[0]


def test_what_was_half_written_is_not_reported(tmp_path):
    store = tmp_path / "store"
    whole = values(sweeps.run(study(), store, chunk=10).load())
    (store / "seals" / "1-1-0.json").unlink()  # killed before its seal
    (store / "runs.zarr" / "W" / "c" / ".123.partial").write_bytes(b"half")
    there = sweeps.load(store)
    assert there.attrs["finished"] == 30
    assert there.isel(depth=1, scale=1).W.isnull().all()
    assert (there.isel(depth=1, scale=1).status == -9).all()
    assert values(sweeps.run(study(), store)) == whole
    assert not list(store.rglob("*.partial"))


def test_killed_while_the_store_is_made(tmp_path):
    store = tmp_path / "store"
    (store / "runs.zarr").mkdir(parents=True)  # no zarr.json yet
    whole = values(sweeps.run(study(), store, chunk=10).load())
    for name in ("depth", "scale", "path"):  # labels that were not written yet
        (store / "runs.zarr" / name / "c" / "0").unlink()
    assert values(sweeps.run(study(), store)) == whole
    assert sweeps.load(store).scale.values.tolist() == [1.0, 0.1]
    (store / "runs.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match=r"is no store of runs .*remove it"):
        sweeps.load(store)
    with pytest.raises(ValueError, match="holds no runs"):
        sweeps.load(tmp_path / "nowhere")


def test_seals_of_another_version_are_refused(tmp_path):
    sweeps.run(study(), tmp_path)
    attributes = _group(tmp_path).attrs
    del attributes["seals"]  # as the first version's
    for refused in (lambda: sweeps.load(tmp_path), lambda: sweeps.run(study(), tmp_path)):
        with pytest.raises(ValueError, match=r"another version of dlngeo: .* format 1, not 2"):
            refused()


def test_a_changed_study_is_refused_with_the_difference(tmp_path):
    sweeps.run(study(), tmp_path)
    with pytest.raises(ValueError, match=r"another study: seed = 0, not 1; give"):
        sweeps.run(study(seed=1), tmp_path)
    changed = study(dynamics={"kind": "flow", "t_end": 1e3, "engine": "numpy", "rtol": 1e-8})
    with pytest.raises(ValueError, match=r"dynamics.rtol = nothing, not 1e-08"):
        sweeps.run(changed, tmp_path)


def test_a_changed_module_of_yours_is_refused(tmp_path, monkeypatch):
    (tmp_path / "trial.py").write_text("def one(runs):\n    return runs.W[:, 0, 0]\n")
    own = {"observables": ["trial:one"], "folder": str(tmp_path)}
    whole = values(sweeps.run(study(**own), tmp_path / "store", chunk=10).load())
    (tmp_path / "store" / "seals" / "0-0-0.json").unlink()
    (tmp_path / "trial.py").write_text("def one(runs):\n    return 2 * runs.W[:, 0, 0]\n")
    assert values(sweeps.run(study(**own), tmp_path / "store").load()) == whole  # what was loaded
    monkeypatch.delitem(sys.modules, "trial")
    settings.digest.cache_clear()
    for paths in (10, 20):  # nothing missing, and more
        with pytest.raises(ValueError, match=r"holds runs of another trial: the module has chang"):
            sweeps.run(study(**own, paths=paths), tmp_path / "store")
    assert dict(sweeps.load(tmp_path / "store").sizes)["path"] == 10


def test_killed_while_the_store_grows(tmp_path, monkeypatch):
    sweeps.run(study(paths=3), tmp_path, chunk=2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runs.Runs, "fit", _interrupted)
        patch.setattr(running, "found", lambda out: runs.Runs(out, _group(out)))
        sweeps.run(study(paths=5), tmp_path)
    there = sweeps.load(tmp_path)
    assert dict(there.sizes)["path"] == 5
    assert there.attrs["finished"] == 8  # the chunks of two
    whole = sweeps.run(study(paths=5), tmp_path / "whole")
    assert values(sweeps.run(study(paths=5), tmp_path)) == values(whole)


def _interrupted(*_):
    raise KeyboardInterrupt


def _group(out):
    return zarr.open_group(out / "runs.zarr", mode="r+")


def test_more_paths_begin_with_those_that_are_there(tmp_path):
    few = sweeps.run(study(paths=15), tmp_path / "store", chunk=4).load()
    told = []
    more = sweeps.run(study(paths=30), tmp_path / "store", progress=told.append)
    assert told[0] == 4 * 12  # the last chunk of each cell had three paths, of four
    assert values(more) == values(sweeps.run(study(paths=30), tmp_path / "whole"))
    assert values(more.isel(path=slice(15))) == values(few)
    with pytest.raises(ValueError, match="paths = 30, not 20"):
        sweeps.run(study(paths=20), tmp_path / "store")
    sweeps.run(study(), tmp_path / "flat", chunk=20)
    with pytest.raises(ValueError, match="to which none can be added"):
        sweeps.run(study(paths=11), tmp_path / "flat")


def test_another_environment_is_refused_unless_asked_for(tmp_path, monkeypatch):
    sweeps.run(study(), tmp_path, chunk=10)
    (tmp_path / "seals" / "0-1-0.json").unlink()
    from dlngeo.sweeps import work

    now = work.environment(study())
    monkeypatch.setattr(work, "environment", lambda study: now | {"numpy": "0.1"})
    with pytest.raises(ValueError, match=r"another environment: numpy .*, now 0.1.*--mix-"):
        sweeps.run(study(), tmp_path)
    mixed = sweeps.run(study(), tmp_path, mix_environments=True)
    assert mixed.attrs["finished"] == 40
    assert '"numpy": "0.1"' in mixed.attrs["mixed_with"]


def test_a_second_process_is_refused(slow, tmp_path):
    with held(tmp_path / "store"):
        second = begun(tmp_path)
        _, said = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"is being written by process {os.getpid()}" in said
    first = begun(tmp_path)
    wait_for(lambda: finished(tmp_path) >= 1)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    with held(tmp_path / "store"):  # a lock does not outlive its process
        pass


def test_a_dask_cluster_over_tcp_survives_a_killed_worker(slow, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            protocol="tcp", host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        victim = min(client.run(os.getpid).values())

        def kill(runs):
            if runs == 50:
                os.kill(victim, signal.SIGKILL)

        address = cluster.scheduler_address.replace("tcp", "dask")
        with executors.opened(address, None) as (executor, workers):
            assert workers == 2
            data = sweeps.run(
                slow, tmp_path / "store", executor=executor, workers=2, chunk=10, progress=kill
            )
        assert data.attrs["finished"] == 200
    assert values(data) == values(sweeps.run(slow, tmp_path / "whole", chunk=200))
