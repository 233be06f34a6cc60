"""``dlngeo complete``: what it writes, and that every refusal is one line and exit code 2."""

import csv
import json
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dlngeo
from commands import call, only_line, program
from dlngeo import cli, completion, tables
from dlngeo.completion import baselines, study
from folds import few_folds

__all__ = ["call", "few_folds"]  # fixtures
FILES = ["completed.csv", "completed.npy", "completion.png", "summary.json"]
QUICK = ["--rtol", "1e-2"]


@pytest.fixture
def small(tmp_path):
    """A 12 x 8 table of rank 1 with labels and gaps."""
    rng = np.random.default_rng(0)
    matrix = np.outer(rng.uniform(1, 2, 12), rng.uniform(1, 2, 8)).round(4)
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    lines = ["name," + ",".join(f"c{j}" for j in range(8))]
    for i, row in enumerate(matrix.tolist()):
        lines.append(f"r{i}," + ",".join("" if np.isnan(x) else repr(x) for x in row))
    path = tmp_path / "small.csv"
    path.write_text("\n".join(lines))
    return path


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
        patch.setattr(study, "complete", spy)
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


def test_summary_agrees_with_the_run(fertility):
    out, result = fertility
    summary = json.loads((out / "summary.json").read_text())
    table = tables.dataset("fertility").values
    test = result.split.test
    fitted = result.network.completed
    assert (summary["observed"], summary["held_out"]) == (10284, test.sum())
    assert (summary["dlngeo"], summary["data"]) == (dlngeo.__version__, "fertility")
    assert summary["held_out_rmse"]["network of depth 2"] == pytest.approx(
        np.sqrt(np.mean((fitted - table)[test] ** 2))
    )
    sigma = np.linalg.svd((fitted - summary["centre"]) / summary["spread"], compute_uv=False)
    assert_allclose(summary["network"]["singular_values"], sigma[:20], rtol=1e-6)


def test_observed_entries_stay_and_what_has_no_data_stays_empty(fertility):
    out, result = fertility
    table, completed = tables.dataset("fertility").values, np.load(out / "completed.npy")
    seen = np.isfinite(table)
    assert_array_equal(completed[seen], table[seen])
    empty = ~seen.any(axis=1)[:, None] | ~seen.any(axis=0)
    assert (empty.sum(axis=1) == 54).sum() == 9 and (empty.sum(axis=0) == 219).sum() == 2
    assert_array_equal(np.isnan(completed), empty)
    gaps = ~seen & ~empty
    assert_array_equal(completed[gaps], result.completed[gaps])


def test_csv_and_npy_hold_the_same_matrix_and_the_labels(fertility):
    out, _ = fertility
    table = tables.dataset("fertility")
    with (out / "completed.csv").open(newline="", encoding="utf-8") as file:
        header, *body = csv.reader(file)
    assert header[1:] == list(table.columns)
    assert [line[0] for line in body] == list(table.rows)
    numbers = np.array([[float(cell or "nan") for cell in line[1:]] for line in body])
    assert_array_equal(numbers, np.load(out / "completed.npy"))


# --------------------------------------------------------------------------------------- good input


def test_options_reach_the_computation(call, small, tmp_path, monkeypatch):
    asked = {}

    def stop(values, **options):
        asked.update(options)
        raise RuntimeError("seen")

    monkeypatch.setattr(study, "complete", stop)
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


def test_options_of_reading_reach_the_file(call, tmp_path, monkeypatch):
    path = tmp_path / "long.txt"
    path.write_text("note\nv;u;i\n1,5;a;x\n-9;b;x\n2;a;y\n4;b;y\n")
    seen = []

    def stop(table, **options):
        seen.append(table)
        raise RuntimeError("seen")

    monkeypatch.setattr(study, "complete", stop)
    options = ["--columns", "U,I,V", "--decimal", ",", "--delimiter", ";", "--missing", "-9"]
    options += ["--skip", "1", "--header"]
    assert call("complete", path, *options, "--out", tmp_path / "o") == 1
    assert_array_equal(seen[0].values, [[1.5, 2], [np.nan, 4]])
    assert (seen[0].rows, seen[0].columns) == (("a", "b"), ("x", "y"))


def test_smooth_writes_the_network_everywhere(call, small, tmp_path):
    for option in ([], ["--smooth"]):
        assert call("complete", small, *QUICK, *option, "--out", tmp_path / "".join(option)) == 0
    kept, smooth = (np.load(tmp_path / f / "completed.npy") for f in (".", "--smooth"))
    table = tables.read(small).values
    seen = np.isfinite(table)
    assert_array_equal(kept[seen], table[seen])
    assert (smooth[seen] != table[seen]).all()
    assert_array_equal(kept[~seen], smooth[~seen])


def test_results_that_are_replaced_are_named(call, small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = "completed.csv, completed.npy, summary.json, completion.png"
    assert call("complete", small, *QUICK) == 0
    assert f"Wrote dlngeo-completion/: {files}\n" in capsys.readouterr().out
    other = small.rename(tmp_path / "other.csv")
    assert call("complete", other, *QUICK) == 0
    wanted = f"Wrote dlngeo-completion/: {files}, in place of those of {small}\n"
    assert wanted in capsys.readouterr().out
    (tmp_path / "dlngeo-completion" / "summary.json").write_text("{")
    assert call("complete", other, *QUICK) == 2
    assert "holds completed.csv, which no completion is known to have" in only_line(capsys)


def test_without_held_out_entries_no_error_is_reported(call, small, tmp_path, capsys):
    assert call("complete", small, *QUICK, "--holdout", "0", "--out", tmp_path / "out") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "0 held out" in said and "there is no estimate of the error" in said
    assert "0." not in said.split("┃ time")[1].split("│")[3]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert set(summary["held_out_rmse"].values()) == {None}


def test_what_stays_empty_is_said(call, small, tmp_path, capsys):
    lines = small.read_text().splitlines()
    path = tmp_path / "gap.csv"
    path.write_text("\n".join([*lines, "lonely" + "," * 8]))
    assert call("complete", path, *QUICK, "--out", tmp_path / "out") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Left empty, having no data: 1 row (lonely)." in said
    *_, last = (tmp_path / "out" / "completed.csv").read_text().splitlines()
    assert last == "lonely" + "," * 8


def test_failed_training_is_one_line_and_exit_code_1(call, small, tmp_path, monkeypatch, capsys):
    def fail(values, **options):
        raise RuntimeError("the network's\ntraining failed")

    monkeypatch.setattr(study, "complete", fail)
    assert call("complete", small, "--out", tmp_path / "out") == 1
    assert only_line(capsys) == "dlngeo: the network's training failed"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["complete", "--help"]])
def test_help(call, arguments, capsys):
    assert call(*arguments) == 0
    assert "complete" in capsys.readouterr().out


# ---------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--depth", "0"], "depth must be an integer >= 1, not 0"),
        (["--depth", "2.5"], "--depth"),
        (["--width", "0"], "width must be an integer >= 1, not 0"),
        (["--holdout", "-0.1"], "holdout must lie in [0, 1), not -0.1"),
        (["--holdout", "1"], "holdout must lie in [0, 1), not 1"),
        (["--columns", "1,2"], "--columns must name 3 columns"),
        (["--columns", "name,c0,c9"], "--columns c9: no columns have that name"),
        (["--labels", "9"], "no column holds numbers"),
        (["--decimal", ";"], "--decimal must be . or ,"),
        (["--skip", "-1"], "skip must be an integer >= 0, not -1"),
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
        (["complete", "--dataset", "nope"], "must be 'fertility', not 'nope'"),
        (["complete", "--out"], "--out"),
        (["complete", "--columns", "1,2,3"], "say how DATA is read; DATA is missing"),
        (["complete", "--no-header"], "say how DATA is read; DATA is missing"),
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


def test_program_completes_a_table(small, tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "_FOLDS", 10)
    run = program("complete", small, *QUICK, "--out", tmp_path / "out")
    expected = completion.complete(tables.read(small).values, rtol=1e-2)
    assert run.returncode == 0
    assert all(" %/s, " in line for line in run.stderr.splitlines())  # progress, where it is slow
    said = " ".join(run.stdout.split())  # lines may break anywhere
    assert f"12 × 8, {np.isfinite(expected.table).sum()} entries observed" in said
    assert f"{expected.network.rmse:.4g}" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    assert_allclose(np.load(tmp_path / "out" / "completed.npy"), expected.filled, rtol=1e-6)


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
    assert_array_equal(again.values, np.load(tmp_path / "out" / "completed.npy"))
    assert (again.rows, again.columns) == (tables.read(small).rows, tables.read(small).columns)


def test_what_is_read_is_not_written_over(call, small, tmp_path, capsys):
    text = small.read_bytes()
    small = small.rename(tmp_path / "completed.csv")
    assert call("complete", small, "--out", tmp_path) == 2
    assert "would overwrite DATA" in only_line(capsys)
    assert small.read_bytes() == text and not (tmp_path / "summary.json").exists()


def test_a_simulation_is_not_written_over(call, small, tmp_path, capsys):
    (tmp_path / "run" / "groups").mkdir(parents=True)
    assert call("complete", small, "--out", tmp_path / "run") == 2
    assert "holds a simulation" in only_line(capsys)
