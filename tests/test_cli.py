"""The command line: what it writes, and that every refusal is one line and exit code 2."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import cli
from dlngeo.dynamics import langevin
from dlngeo.studies import completion, simulation_config, simulation_store, tables

FILES = ["completed.csv", "completed.npy", "completion.png", "summary.json"]
QUICK = ["--rtol", "1e-2"]
SIMULATED = ["config.toml", "groups", "paths.npz", "simulation.png", "summary.json"]
SHORT = ["--paths", "5", "--steps", "6"]


@pytest.fixture
def call(monkeypatch):
    """Run ``dlngeo`` in this process; the exit code."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["dlngeo", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code

    return call


@pytest.fixture
def small(tmp_path):
    """A 12 x 8 table of rank 1 with labels and gaps, its matrix with NaN there."""
    rng = np.random.default_rng(0)
    matrix = np.outer(rng.uniform(1, 2, 12), rng.uniform(1, 2, 8)).round(4)
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    lines = ["name," + ",".join(f"c{j}" for j in range(8))]
    for i, row in enumerate(matrix.tolist()):
        lines.append(f"r{i}," + ",".join("" if np.isnan(x) else repr(x) for x in row))
    path = tmp_path / "small.csv"
    path.write_text("\n".join(lines))
    return path


def only_line(capsys):
    """The one line on stderr; nothing is on stdout."""
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("dlngeo: ")
    assert captured.out == ""
    return line


# ------------------------------------------------------------------------------ the real data, once


@pytest.fixture(scope="module")
def fertility(tmp_path_factory):
    """One run on the fertility table: its folder, and the Completion behind it."""
    out, results = tmp_path_factory.mktemp("fertility") / "new" / "folder", []
    original = completion.complete

    def spy(*args, **kwargs):
        results.append(original(*args, **kwargs))
        return results[0]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as caught:
        patch.setattr(completion, "complete", spy)
        options = ["--depth", "2", "--holdout", "0.5", *QUICK, "--out", str(out)]
        patch.setattr(sys, "argv", ["dlngeo", "complete", "--dataset", "fertility", *options])
        cli.main()
    assert caught.value.code == 0
    return out, results[0]


def test_all_files_are_written(fertility):
    out, _ = fertility
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert (out / "completion.png").read_bytes().startswith(b"\x89PNG")


def test_network_beats_the_column_mean_on_real_data(fertility):
    # with half of the entries held out its error is 6 % of the column mean's; half is allowed
    rmse = json.loads((fertility[0] / "summary.json").read_text())["held_out_rmse"]
    assert rmse["network of depth 2"] < 0.5 * rmse["column mean"]


def test_summary_agrees_with_the_files(fertility):
    out, result = fertility
    summary = json.loads((out / "summary.json").read_text())
    table = tables.dataset("fertility").values
    test = result.split.test
    completed = np.load(out / "completed.npy")
    assert (summary["observed"], summary["held_out"]) == (10284, test.sum())
    assert (summary["dlngeo"], summary["data"]) == (cli.__version__, "fertility")
    assert summary["held_out_rmse"]["network of depth 2"] == pytest.approx(
        np.sqrt(np.mean((completed - table)[test] ** 2))
    )
    sigma = np.linalg.svd((completed - summary["centre"]) / summary["spread"], compute_uv=False)
    assert_allclose(summary["network"]["singular_values"], sigma[:20], rtol=1e-6)


def test_csv_and_npy_hold_the_same_matrix_and_the_labels(fertility):
    out, _ = fertility
    table = tables.dataset("fertility")
    with (out / "completed.csv").open(newline="", encoding="utf-8") as file:
        header, *body = csv.reader(file)
    assert header[1:] == list(table.columns)
    assert [line[0] for line in body] == list(table.rows)
    numbers = np.array([line[1:] for line in body], dtype=float)
    assert_allclose(numbers, np.load(out / "completed.npy"), rtol=1e-5)


# --------------------------------------------------------------------------------------- good input


def test_options_reach_the_computation(call, small, tmp_path, monkeypatch):
    asked = {}

    def stop(values, **options):
        asked.update(options)
        raise RuntimeError("seen")

    monkeypatch.setattr(completion, "complete", stop)
    wanted = {
        "depth": 4,
        "width": 5,
        "holdout": 0.3,
        "scale": 0.1,
        "tolerance": 0.01,
        "rtol": 0.02,
        "t_max": 7.0,
        "seed": 9,
    }
    options = [x for key, v in wanted.items() for x in ("--" + key.replace("_", "-"), v)]
    assert call("complete", small, *options, "--out", tmp_path / "out") == 1
    del asked["progress"]
    assert asked == wanted


def test_failed_training_is_one_line_and_exit_code_1(call, small, tmp_path, monkeypatch, capsys):
    def fail(values, **options):
        raise RuntimeError("the network's\ntraining failed")

    monkeypatch.setattr(completion, "complete", fail)
    assert call("complete", small, "--out", tmp_path / "out") == 1
    assert only_line(capsys) == "dlngeo: the network's training failed"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["complete", "--help"]])
def test_help(call, arguments, capsys):
    assert call(*arguments) == 0
    assert "complete" in capsys.readouterr().out


def test_help_of_simulate_names_the_presets(call, capsys):
    assert call("simulate", "--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in simulation_config.PRESETS)


# ---------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--depth", "0"], "depth must be an integer >= 1, not 0"),
        (["--depth", "2.5"], "--depth"),
        (["--width", "0"], "width must be an integer >= 1, not 0"),
        (["--holdout", "0"], "holdout must lie in (0, 1), not 0"),
        (["--holdout", "1"], "holdout must lie in (0, 1), not 1"),
        (["--holdout", "0.001"], "too few observed entries"),
        (["--scale", "-1"], "scale must be finite and > 0, not -1"),
        (["--rtol", "0"], "rtol must be finite and > 0, not 0"),
        (["--tolerance", "2"], "tolerance must lie in (0, 1), not 2"),
        (["--t-max", "nan"], "t_max must be finite and > 0, not nan"),
        (["--seed", "-1"], "seed must be an integer >= 0, not -1"),
        (["--layout", "nonsense"], "'table' or 'triplets', not 'nonsense'"),
        (["--layout", "triplets"], "3 columns"),
        (["--dataset", "fertility"], "not both"),
        (["--nonsense", "1"], "--nonsense"),
        (["another.csv"], "another.csv"),
    ],
)
def test_bad_options_are_refused(call, small, tmp_path, capsys, options, wanted):
    out = tmp_path / "out"
    assert call("complete", small, *options, "--out", out) == 2
    assert wanted in only_line(capsys)
    assert not any(out.glob("*"))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["complete", "--dataset", "nope"], "one of fertility, not 'nope'"),
        (["complete", "--out"], "--out"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_commands_are_refused(call, capsys, arguments, wanted):
    assert call(*arguments) == 2
    assert wanted in only_line(capsys)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("ragged.csv", b"1,2\n3,4,5\n"),
        ("words.csv", b"a,b\nc,d\n"),
        ("gaps.csv", b"nan,nan\nnan,nan\n"),
        ("junk.csv", bytes(range(128, 256))),
        ("junk.npy", b"junk"),
        ("junk.npz", b"junk"),
        ("table.xlsx", b"PK"),
    ],
)
def test_bad_files_are_refused_before_anything_is_written(call, tmp_path, capsys, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert call("complete", path, "--out", tmp_path / "out") == 2
    assert name in only_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_no_table(call, tmp_path, capsys):
    (tmp_path / "folder.csv").mkdir()
    assert call("complete", tmp_path / "folder.csv", "--out", tmp_path / "out") == 2
    assert "folder.csv" in only_line(capsys)


@pytest.mark.parametrize("inside", ["", "below"])
def test_out_that_is_a_file_is_refused_and_left_alone(call, small, tmp_path, capsys, inside):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert call("complete", small, "--out", taken / inside) == 2
    assert "taken" in only_line(capsys)
    assert taken.read_text() == "mine"


# ------------------------------------------------------------------------------------- as a program


def program(*arguments):
    command = [sys.executable, "-m", "dlngeo.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)


def test_program_completes_a_table(small, tmp_path):
    run = program("complete", small, *QUICK, "--out", tmp_path / "out")
    expected = completion.complete(tables.read(small).values, rtol=1e-2)
    assert (run.returncode, run.stderr) == (0, "")
    said = " ".join(run.stdout.split())  # lines may break anywhere
    assert f"12 × 8, {np.isfinite(expected.table).sum()} entries observed" in said
    assert f"{expected.network.rmse:.4g}" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    assert_allclose(np.load(tmp_path / "out" / "completed.npy"), expected.completed, rtol=1e-6)


def test_program_refuses_a_missing_file_in_one_line(tmp_path):
    run = program("complete", tmp_path / "missing.csv", "--out", tmp_path / "out")
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert "missing.csv" in run.stderr and "Traceback" not in run.stderr


def test_refusals_leave_nothing_behind(small, tmp_path):
    out = tmp_path / "out"
    assert program("complete", small, "--holdout", "1.5", "--out", out).returncode == 2
    assert not out.exists()


def test_folder_that_cannot_be_made_is_refused_first(small, tmp_path):
    (tmp_path / "file").write_text("")
    run = program("complete", small, "--out", tmp_path / "file" / "out")
    assert run.returncode == 2
    assert "is not a folder" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_odd_names_are_names(small, tmp_path):
    odd = tmp_path / r"a$\foo$[b].csv"
    odd.write_bytes(small.read_bytes())
    run = program("complete", odd, *QUICK, "--out", tmp_path / "o[/q]")
    assert (run.returncode, run.stderr) == (0, "")
    assert "[b].csv" in run.stdout
    assert len(list((tmp_path / "o[/q]").iterdir())) == 4


def test_what_is_written_reads_back(small, tmp_path):
    program("complete", small, *QUICK, "--out", tmp_path / "out")
    again = tables.read(tmp_path / "out" / "completed.csv")
    exact = np.load(tmp_path / "out" / "completed.npy")
    np.testing.assert_allclose(again.values, exact, rtol=1e-5)


# ----------------------------------------------------------------------------------------- simulate


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
