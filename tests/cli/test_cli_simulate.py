"""``dlngeo simulate``: what it writes, what it refuses, and that nothing reported is lost."""

import itertools
import json
import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from commands import call, only_line
from dlngeo import langevin
from dlngeo._environment import numerics
from dlngeo._results import ensemble
from dlngeo._store.files import held
from dlngeo.completion import study
from dlngeo.simulation import store
from dlngeo.simulation.config import PRESETS, preset, to_toml
from environments import other_kernel

__all__ = ["call"]  # a fixture
SIMULATED = [
    "config.toml", "paths.npz", "runs.zarr", "seals", "simulation.png", "summary.json",
]  # fmt: skip
SHORT = ["--paths", "5", "--steps", "6"]


def test_help_of_simulate_names_the_presets(call, capsys):
    assert call("simulate", "--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in PRESETS)


@pytest.fixture
def config(tmp_path):
    """A small configuration file."""
    path = tmp_path / "mine.toml"
    settings = preset("repulsion").replaced(paths=4, steps=5)
    path.write_text(to_toml(settings))
    return path


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_runs(call, tmp_path, capsys, name):
    out = tmp_path / "out"
    assert call("simulate", "--preset", name, *SHORT, "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == SIMULATED
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["run"], summary["config"]["paths"], summary["config"]["steps"]) == (name, 5, 6)
    assert {name: summary[name] for name in numerics()} == numerics()
    assert 0 < summary["simulation_seconds"] < summary["total_seconds"] < 600
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: ") and "σ_1" in said and "± " in said


def test_default_is_the_hyperbola_in_a_folder_of_its_name(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert call("simulate", *SHORT) == 0
    summary = json.loads((tmp_path / "dlngeo-hyperbola" / "summary.json").read_text())
    assert summary["hyperbola"]["log_abs_a"]["mean"] == pytest.approx(
        np.log(summary["hyperbola"]["flows"]["gradient flow"]["a"]), abs=0.2
    )
    assert "Wrote dlngeo-hyperbola/" in capsys.readouterr().out


def test_file_and_its_copy_in_the_output_give_the_same_numbers(call, config, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert call("simulate", config, "--seed", 3, "--out", first) == 0
    assert call("simulate", first / "config.toml", "--out", second) == 0
    with np.load(first / "paths.npz") as one, np.load(second / "paths.npz") as other:
        assert sorted(one.files) == sorted(other.files)
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
    assert (first / "config.toml").read_text() == (second / "config.toml").read_text()


def test_options_replace_what_the_file_says(call, config, tmp_path, monkeypatch):
    asked = []

    def stop(settings, out, **options):
        asked.append(settings)
        raise RuntimeError("seen")

    monkeypatch.setattr(store, "run", stop)
    wanted = {
        "paths": 7, "steps": 8, "dt": 0.5, "beta": 2.0, "kappa": 0.25, "depth": 2.0,
        "weight_decay": 0.125, "seed": 9,
    }  # fmt: skip
    options = [x for key, v in wanted.items() for x in ("--" + key.replace("_", "-"), v)]
    assert call("simulate", config, *options, "--upstairs", "--out", tmp_path / "out") == 1
    assert {key: getattr(asked[0], key) for key in wanted} == wanted
    assert asked[0].upstairs is True


def test_scheme_is_chosen_by_its_name(call, config, tmp_path, capsys):
    out = tmp_path / "out"
    assert call("simulate", config, "--method", "euler", "--out", out) == 0
    assert json.loads((out / "summary.json").read_text())["config"]["method"] == "euler"
    capsys.readouterr()
    assert call("simulate", config, "--method", "root", "--out", out) == 2
    assert 'with method = "euler", not method = "root"' in only_line(capsys)
    assert call("simulate", config, "--method", "nope", "--out", tmp_path / "x") == 2
    assert "method must be 'auto', 'weak2'" in only_line(capsys)


def test_rerun_takes_finished_paths_from_the_folder(call, config, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert call("simulate", config, "--out", out) == 0
    before = (out / "paths.npz").read_bytes()

    def never(*args, **kwargs):
        raise AssertionError("simulated again")

    monkeypatch.setattr(langevin, "simulate", never)
    assert call("simulate", config, "--out", out) == 0
    assert (out / "paths.npz").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--beta", "-1"], "beta must be finite and > 0, not -1"),
        (["--kappa", "nan"], "kappa must be finite and >= 0, not nan"),
        (["--depth", "0.5"], "depth must be a real number >= 1 or inf, not 0.5"),
        (["--depth", "2.5", "--upstairs"], "upstairs needs a whole depth, not 2.5"),
        (["--paths", "0"], "paths must be an integer >= 1, not 0"),
        (["--paths", "1.5"], "--paths"),
        (["--steps", "0"], "steps must be an integer >= 1, not 0"),
        (["--dt", "0"], "dt must be finite and > 0, not 0"),
        (["--seed", "-1"], "seed must be an integer >= 0, not -1"),
        (["--preset", "nope"], "one of hyperbola, curvature, repulsion, not 'nope'"),
        (["missing.toml"], "missing.toml"),
    ],
)
def test_bad_simulations_are_refused(call, tmp_path, capsys, options, wanted):
    out = tmp_path / "out"
    assert call("simulate", *options, "--out", out) == 2
    assert wanted in only_line(capsys)
    assert not out.exists()


def test_file_and_preset_are_one_too_many(call, config, tmp_path, capsys):
    assert call("simulate", config, "--preset", "hyperbola", "--out", tmp_path / "out") == 2
    assert "CONFIG or --preset, not both" in only_line(capsys)


def test_bad_key_in_a_file_is_named(call, config, tmp_path, capsys):
    config.write_text("bta = 3\n" + config.read_text())
    assert call("simulate", config, "--out", tmp_path / "out") == 2
    assert only_line(capsys).startswith("dlngeo: mine.toml: unknown key 'bta'; the keys are ")


def test_folder_of_another_run_is_refused(call, config, tmp_path, capsys):
    out = tmp_path / "out"
    assert call("simulate", config, "--out", out) == 0
    capsys.readouterr()
    assert call("simulate", config, "--beta", "3", "--out", out) == 2
    assert "holds the result of another run, with beta = 50.0, not beta = 3.0" in only_line(capsys)
    (out / "config.toml").unlink()
    assert call("simulate", config, "--beta", "3", "--out", out) == 2
    assert "holds paths of another run, with beta = 50.0, not beta = 3.0" in only_line(capsys)


def test_result_of_more_paths_is_kept(call, config, tmp_path, capsys):
    out = tmp_path / "out"
    assert call("simulate", config, "--out", out) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    capsys.readouterr()
    assert call("simulate", config, "--paths", 3, "--out", out) == 2
    assert "out holds the result of 4 paths, which 3 would overwrite" in only_line(capsys)
    assert before == {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_configuration_written_by_hand_keeps_its_comments(call, config, tmp_path):
    config.rename(tmp_path / "config.toml")
    text = "# why\n" + (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(text)
    assert call("simulate", tmp_path / "config.toml", "--out", tmp_path) == 0
    assert (tmp_path / "config.toml").read_text() == text
    assert call("simulate", tmp_path / "config.toml", "--beta", 2, "--out", tmp_path) == 2
    assert (tmp_path / "config.toml").read_text() == text


@pytest.mark.parametrize("command", ["simulate", "complete"])
@pytest.mark.parametrize("name", ["", " "])
def test_folder_must_be_named(call, tmp_path, monkeypatch, capsys, command, name):
    monkeypatch.chdir(tmp_path)
    assert call(command, "--out", name) == 2
    assert "--out" in only_line(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04", bytes(range(256))])
@pytest.mark.parametrize("name", ["groups/x.npz", "runs.zarr/zarr.json", "config.toml"])
def test_damaged_files_are_one_line_and_exit_code_2(call, config, tmp_path, capsys, name, content):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_bytes(content)
    assert call("simulate", config, "--out", out) == 2
    there = out / name if name == "config.toml" else (out / name).parent
    assert str(there) in only_line(capsys)
    assert (out / name).read_bytes() == content
    assert not (out / "paths.npz").exists()


def test_durations_do_not_see_the_clock_on_the_wall(call, config, tmp_path, monkeypatch):
    hours = iter(range(10**6, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: next(hours))
    assert call("simulate", config, "--out", tmp_path / "out") == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert 0 < summary["simulation_seconds"] < summary["total_seconds"] < 600


@pytest.mark.parametrize("command", ["simulate", "complete"])
def test_folder_in_use_is_refused_before_anything_is_run(
    call, tmp_path, capsys, monkeypatch, command
):
    def never(*args, **options):
        raise AssertionError("run")

    monkeypatch.setattr(study, "complete", never)
    monkeypatch.setattr(langevin, "simulate", never)
    with held(tmp_path / "out"):
        assert call(command, "--out", tmp_path / "out") == 2
    assert f"out is being written by process {os.getpid()} on " in only_line(capsys)


def test_paths_that_end_early_are_exit_code_1_and_are_written(
    call, config, tmp_path, monkeypatch, capsys
):
    simulate, out = langevin.simulate, tmp_path / "out"

    def ended(*args, **kwargs):
        run = simulate(*args, **kwargs)
        W, ends = run.W.copy(), run.ends.copy()
        W[1, 3:], ends[1] = np.nan, run.t[2]
        return ensemble.build(run.equation, run.t, W, None, ends, "lost", run.provenance)

    monkeypatch.setattr(langevin, "simulate", ended)
    assert call("simulate", config, "--out", out) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Cut short: the ensemble: 1 of 4 paths ended early: path 1 at t = 0.04;" in said
    assert "at t = 0.04" in said and "Wrote " in said
    assert json.loads((out / "summary.json").read_text())["paths_ended_early"] == 1
    with np.load(out / "paths.npz") as kept:
        np.testing.assert_array_equal(kept["status"], [0, -1, 0, 0])
        np.testing.assert_array_equal(
            np.isnan(kept["W"]).all(axis=(2, 3)).sum(axis=1), [0, 3, 0, 0]
        )


@pytest.mark.skipif(os.name != "posix", reason="modes of files are a matter of POSIX")
def test_modes_of_all_files_follow_the_umask(call, config, tmp_path):
    before = os.umask(0o027)
    try:
        assert call("simulate", config, "--out", tmp_path / "out") == 0
    finally:
        os.umask(before)
    for path in (tmp_path / "out").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path


# --------------------------------------------------------------------------------- being stopped


@pytest.mark.parametrize(
    ("how", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_interrupted_simulation_is_one_line_and_an_exit_code(
    call, config, tmp_path, monkeypatch, capsys, how, code, word
):
    def interrupt(settings, out, progress, **options):
        progress(2)
        os.kill(os.getpid(), how)
        time.sleep(60)

    monkeypatch.setattr(store, "run", interrupt)
    before = signal.getsignal(how)
    assert call("simulate", config, "--out", tmp_path / "out") == code
    said = only_line(capsys)
    assert f"{word}; " in said
    assert "out holds 2 of 4 paths, and the same command goes on" in said
    assert signal.getsignal(how) == before


@pytest.mark.parametrize(
    ("how", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_interrupted_completion_is_one_line_and_an_exit_code(
    call, tmp_path, monkeypatch, capsys, how, code, word
):
    def interrupt(*args, **options):
        os.kill(os.getpid(), how)
        time.sleep(60)

    monkeypatch.setattr(study, "complete", interrupt)
    assert call("complete", "--out", tmp_path / "out") == code
    assert only_line(capsys) == f"dlngeo: {word}"
    assert not (tmp_path / "out").exists()


def test_under_another_kernel_a_run_is_not_gone_on_with_unless_told(call, config, tmp_path):
    name, out = other_kernel(), tmp_path / "out"
    options = ["simulate", str(config), "--paths", "3", "--out", str(out)]
    assert call(*options) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "dlngeo", *options]
    there = {**os.environ, "OPENBLAS_CORETYPE": name}
    run = subprocess.run(command, env=there, capture_output=True, encoding="utf-8")
    assert run.returncode == 2 and run.stdout == ""
    (line,) = run.stderr.splitlines()
    ours = numerics()["kernel"]
    assert f"out holds paths of another environment: kernel {ours}, now {name}. Choose" in line
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_summary_tells_where_the_paths_were_made(call, config, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert call("simulate", config, "--out", out) == 0
    there = {**numerics(), "kernel": "Zen9"}
    monkeypatch.setattr(store, "numerics", lambda: there)
    assert call("simulate", config, "--out", out) == 2
    assert call("simulate", config, "--out", out, "--mix-environments") == 0
    assert json.loads((out / "summary.json").read_text())["kernel"] == numerics()["kernel"]


def test_signal_that_is_ignored_stays_ignored(call, config, tmp_path, monkeypatch):
    # as for a program in the background of a shell, or under nohup
    run = store.run

    def interrupt(*args, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return run(*args, **options)

    monkeypatch.setattr(store, "run", interrupt)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert call("simulate", config, "--out", tmp_path / "out") == 0
    finally:
        signal.signal(signal.SIGINT, before)


SLOW = """
import sys, time
from dlngeo import cli
from dlngeo.simulation import store
simulate = store._group
store.GROUP = 4
def slow(*args):
    time.sleep(float(pause))
    return simulate(*args)
store._group = slow
pause, sys.argv[1:] = sys.argv[1], sys.argv[2:]
cli.main()
"""


@pytest.fixture(scope="module")
def whole():
    """All paths of the run that is stopped again and again."""
    settings = preset("hyperbola").replaced(paths=320, steps=10)
    run = langevin.simulate(
        settings.build_energy(), settings.matrix(), depth=3, beta=settings.beta, dt=settings.dt,
        n_steps=10,
        weight_decay=settings.weight_decay, n_paths=320, rng=0,
    )  # fmt: skip
    return run.W


@pytest.mark.parametrize("enough", [2, pytest.param(40, marks=pytest.mark.slow)])
def test_killed_at_any_moment_nothing_that_was_kept_is_lost(tmp_path, whole, enough):
    # each start goes on from the one before, and is stopped soon after it has kept more groups
    out, draw = tmp_path / "out", np.random.default_rng(0)
    codes = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130}
    options = ["simulate", "--paths", "320", "--steps", "10", "--out", str(out)]
    before = {}
    for how in itertools.cycle(codes):
        command = [sys.executable, "-c", SLOW, "0.02", *options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") as run:
            deadline = time.monotonic() + 60
            while len(list(out.glob("seals/*.json"))) == len(before):
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.06))
            run.send_signal(how)
            _, said = run.communicate(timeout=60)
        assert run.returncode == codes[how]
        kept = {path: path.read_bytes() for path in out.glob("seals/*.json")}
        assert before == {path: kept[path] for path in before}
        assert len(before) < len(kept) < 80
        if how != signal.SIGKILL:
            *progress, line = said.splitlines()  # progress where the machine is slow
            assert all(one.endswith(" left") for one in progress)
            assert int(line.split(" holds ")[1].split(" of 320 paths")[0]) <= 4 * len(kept)
        before = kept
        if how != signal.SIGKILL and len(kept) >= enough:
            break
    subprocess.run([sys.executable, "-c", SLOW, "0", *options], check=True, capture_output=True)
    with np.load(out / "paths.npz") as written:
        np.testing.assert_array_equal(written["W"], whole)
    assert sorted(path.name for path in out.iterdir()) == SIMULATED
    assert len(list((out / "seals").iterdir())) == 80


def test_two_runs_into_one_folder_are_not_mixed(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "dlngeo", "simulate", "--paths", "96", "--steps", "20"]
    runs = [
        subprocess.Popen(
            [*command, "--seed", str(seed), "--out", str(out)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )
        for seed in (0, 1)
    ]  # fmt: skip
    said = [run.communicate(timeout=120)[1] for run in runs]
    codes = [run.returncode for run in runs]
    assert sorted(codes) == [0, 2]
    seed = codes.index(0)
    refused = said[1 - seed]
    assert "out is being written by" in refused or "of another run, with seed" in refused
    settings = preset("hyperbola").replaced(steps=20, seed=seed)
    alone = langevin.simulate(
        settings.build_energy(), settings.matrix(), depth=3, beta=settings.beta, dt=settings.dt,
        n_steps=20,
        weight_decay=settings.weight_decay, n_paths=96, rng=seed,
    )  # fmt: skip
    with np.load(out / "paths.npz") as written:
        np.testing.assert_array_equal(written["W"], alone.W)
