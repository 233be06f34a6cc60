"""``dlngeo simulate``: what it writes, what it refuses, and that nothing reported is lost."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from commands import call, only_line
from dlngeo import cli
from dlngeo.dynamics import langevin
from dlngeo.studies import simulation_config, simulation_store

__all__ = ["call"]  # a fixture
SIMULATED = ["config.toml", "groups", "paths.npz", "simulation.png", "summary.json"]
SHORT = ["--paths", "5", "--steps", "6"]


def test_help_of_simulate_names_the_presets(call, capsys):
    assert call("simulate", "--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in simulation_config.PRESETS)


@pytest.fixture
def config(tmp_path):
    """A small configuration file."""
    path = tmp_path / "mine.toml"
    told = simulation_config.preset("repulsion").replaced(paths=4, steps=5)
    path.write_text(simulation_config.to_toml(told))
    return path


@pytest.mark.parametrize("name", list(simulation_config.PRESETS))
def test_every_preset_runs(call, tmp_path, capsys, name):
    out = tmp_path / "out"
    assert call("simulate", "--preset", name, *SHORT, "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == SIMULATED
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["run"], summary["config"]["paths"], summary["config"]["steps"]) == (name, 5, 6)
    assert summary["dlngeo"] == cli.__version__
    assert 0 < summary["simulation_seconds"] < summary["total_seconds"] < 60
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

    def stop(told, out, **options):
        asked.append(told)
        raise RuntimeError("seen")

    monkeypatch.setattr(simulation_store, "run", stop)
    wanted = {
        "paths": 7, "steps": 8, "dt": 0.5, "beta": 2.0, "kappa": 0.25, "depth": 2.0,
        "weight_decay": 0.125, "seed": 9,
    }  # fmt: skip
    options = [x for key, v in wanted.items() for x in ("--" + key.replace("_", "-"), v)]
    assert call("simulate", config, *options, "--upstairs", "--out", tmp_path / "out") == 1
    assert {key: getattr(asked[0], key) for key in wanted} == wanted
    assert asked[0].upstairs is True


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
    assert "holds paths of another run, with beta = 50.0, not beta = 3.0" in only_line(capsys)


def test_interrupted_simulation_is_one_line_and_exit_code_130(
    call, config, tmp_path, monkeypatch, capsys
):
    def interrupt(told, out, progress):
        progress(2)
        raise KeyboardInterrupt

    monkeypatch.setattr(simulation_store, "run", interrupt)
    assert call("simulate", config, "--out", tmp_path / "out") == 130
    assert "out holds 2 of 4 paths, and the same command goes on" in only_line(capsys)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_program_stopped_midway_goes_on_bit_for_bit(call, tmp_path, how):
    out, count = tmp_path / "out", 4 * simulation_store.GROUP
    options = ["simulate", "--paths", count, "--steps", "30", "--out", out]
    command = [sys.executable, "-m", "dlngeo.cli", *map(str, options)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") as run:
        deadline = time.monotonic() + 60
        while not list(out.glob("groups/*.npz")) and time.monotonic() < deadline:
            time.sleep(0.01)
        run.send_signal(how)
        _, said = run.communicate(timeout=60)
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert len(said.splitlines()) == 1 and "of 512 paths" in said
    assert not (out / "paths.npz").exists()
    kept = {path: path.read_bytes() for path in out.glob("groups/*.npz")}
    assert 1 <= len(kept) < 4
    assert call(*options) == 0
    assert all(path.read_bytes() == content for path, content in kept.items())
    told = simulation_config.preset("hyperbola").replaced(paths=count, steps=30)
    whole = langevin.simulate(
        told.build_energy(), told.matrix(), depth=3, beta=told.beta, dt=told.dt, n_steps=30,
        weight_decay=told.weight_decay, n_paths=count, rng=0,
    )  # fmt: skip
    with np.load(out / "paths.npz") as written:
        np.testing.assert_array_equal(written["W"], whole.W)
