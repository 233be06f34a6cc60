"""``dlngeo sweep`` and ``dlngeo show``: what they print, write and refuse."""

import sys
from pathlib import Path

import pytest

from commands import call, only_line
from dlngeo import sweeps
from dlngeo.cli import _terminal
from dlngeo.sweeps import commands, executors
from swept import study

__all__ = ["call"]  # a fixture


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text(study().to_toml())
    return path


def test_sweep_prints_a_row_a_cell_and_goes_on(call, file, capsys):
    assert call("sweep", file) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    said = captured.out
    assert said.startswith("small: 40 of 40 runs, 10 paths in each of 4 cells\n")
    assert "in integrators\nWrote dlngeo-small/: runs.zarr, seals\n" in said
    data = sweeps.load("dlngeo-small").sel(depth=2, scale=0.1)
    mean, error = data.t_end.mean(), data.t_end.std(ddof=1) / 10**0.5
    row = next(line for line in said.splitlines() if line.startswith("│ 2     │ 0.1 "))
    assert f"{mean:.4g} ± {error:.2g}" in row
    assert call("sweep", file) == 0
    assert capsys.readouterr().out == said
    file.write_text(study(seed=11).to_toml())
    assert call("sweep", file) == 2
    assert "seed = 0, not 11" in only_line(capsys)


def test_a_study_without_a_number_for_each_run_has_a_table_of_cells(call, file, capsys):
    file.write_text(study(observables=["singular_values", "status"]).to_toml())
    assert call("sweep", file) == 0
    captured = capsys.readouterr()
    assert captured.err == "" and "│ 2     │ 0.1   │\n" in captured.out
    assert "to have a mean; kept are: singular_values." in captured.out
    assert call("show", "dlngeo-small") == 0
    said = capsys.readouterr().out
    assert "There is nothing to draw." in said and "Wrote" not in said
    assert not Path("dlngeo-small/figure.png").exists()


def test_show_draws_means_or_the_study_s_own_figure(call, file, capsys, tmp_path):
    assert call("sweep", file, "--out", "store", "--chunk", 10) == 0
    capsys.readouterr()
    assert call("show", "store") == 0
    said = capsys.readouterr().out
    assert said.startswith("store: 40 of 40 runs")
    assert said.endswith("Wrote store/: figure.png\n")
    plain = (tmp_path / "store" / "figure.png").read_bytes()
    (tmp_path / "drawing.py").write_text(
        "from matplotlib.figure import Figure\n"
        "def draw(data):\n    figure = Figure()\n    figure.suptitle(str(dict(data.sizes)))\n"
        "    return figure\n"
    )
    file.write_text(study(figure="drawing:draw", folder=str(tmp_path)).to_toml())
    (tmp_path / "store" / "seals" / "0-0-0.json").unlink()
    assert call("sweep", file, "--out", "store") == 0
    (tmp_path / "store" / "seals" / "1-1-0.json").unlink()
    assert call("show", "store", "--out", "pictures") == 0
    assert "store: 30 of 40 runs" in capsys.readouterr().out
    own = (tmp_path / "pictures" / "figure.png").read_bytes()
    assert own[:4] == plain[:4] == b"\x89PNG"
    assert own != plain


def test_a_figure_of_one_cell_is_a_histogram(call, file, capsys):
    one = study(grid={"scale": [0.5]}, dynamics={"kind": "flow", "t_end": 9.0, "depth": 2})
    file.write_text(one.to_toml())
    assert call("sweep", file) == 0
    assert call("show", "dlngeo-small") == 0


def test_what_table_and_figure_leave_out_is_said(call, file, capsys):
    names = ["det", "effective_rank", "energy", "t_end", "W_0_0", "W_0_1", "W_1_0", "status"]
    grid = {"depth": [1, 2, 3], "scale": [1.0, 0.5], "sign": [1, -1], "dynamics.rtol": [1e-3, 1e-4]}
    grid["dynamics.weight_decay"] = [0.0, 0.1]
    one = study(grid=grid, observables=names, paths=2, dynamics={"kind": "flow", "t_end": 0.1})
    file.write_text(one.to_toml())
    assert call("sweep", file, "--out", "store", "--chunk", 96) == 0
    assert "leaves out: W_0_0, W_0_1, W_1_0" in capsys.readouterr().out
    assert call("show", "store") == 0
    said = capsys.readouterr().out
    assert "drawn are the first 8 of 16 lines" in said
    assert "not drawn: W_1_0" in said
    figure = commands.overview(sweeps.load("store")[["det"]])
    figure.savefig("one.png")
    (legend,) = figure.legends
    assert "the first 8 of 16 lines" in legend.get_title().get_text()
    box = legend.get_window_extent()
    width, height = figure.get_size_inches() * figure.dpi
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height
    assert all(axes.get_window_extent().height > 100 for axes in figure.axes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--executor", "threads"], "inline, processes or dask://host:port, not 'threads'"),
        (["--workers", 3], "--workers 3 needs --executor processes"),
        (["--executor", "processes", "--workers", 0], "--workers must be an integer >= 1"),
        (["--chunk", 0], "chunk must be an integer >= 1"),
        (["--executor", "dask://127.0.0.1:1"], "no Dask scheduler answers at 127.0.0.1:1"),
    ],
)
def test_options_that_cannot_be_used(options, words, call, file, capsys, monkeypatch):
    monkeypatch.setattr(executors, "_SECONDS", 0.5)
    assert call("sweep", file, *options) == 2
    assert words in only_line(capsys)


def test_mistakes_are_a_line_each(call, file, capsys):
    file.write_text("paths = 0\nseed = -1\n")
    assert call("sweep", file) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[3].startswith("dlngeo: small.toml, line 1: paths must be")
    assert lines[4].startswith("dlngeo: small.toml, line 2: seed must be")


def test_what_is_not_there(call, file, capsys):
    for arguments, words in (
        (["sweep"], "STUDY must be given"), (["show"], "STORE must be given"),
        (["show", "nowhere"], "nowhere holds no runs"), (["sweep", "no.toml"], "no.toml"),
    ):  # fmt: skip
        assert call(*arguments) == 2
        assert words in only_line(capsys)


def test_a_store_without_runs_is_told(call, file, capsys, monkeypatch):
    from dlngeo._store.runs import Runs

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Runs, "write", _interrupted)  # before the first chunk is on the disk
        sweeps.run(study(), "store", chunk=10)
    assert call("show", "store") == 2
    assert "store: no run is finished yet" in only_line(capsys)
    sweeps.run(study(), "store")
    for seal in Path("store", "seals").glob("*.json"):  # before the first chunk is sealed
        seal.unlink()
    assert call("show", "store") == 2
    assert "store: no run is finished yet" in only_line(capsys)


def _interrupted(*_):
    raise KeyboardInterrupt


def test_failed_runs_are_counted_and_the_code_is_1(call, file, capsys):
    file.write_text(study(dynamics={"kind": "flow", "t_end": 1e3, "max_steps": 3}).to_toml())
    assert call("sweep", file) == 1
    assert "runs failed: their status is -1" in capsys.readouterr().out


@pytest.mark.parametrize(("module", "extra"), [("zarr", "study"), ("xarray", "study")])
def test_what_is_missing_is_named_with_its_extra(module, extra, call, file, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    assert call("sweep", file) == 2
    assert f"pip install 'dlngeo[{extra}]'" in only_line(capsys)


def test_without_distributed_the_extra_is_named(call, file, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert call("sweep", file, "--executor", "dask://127.0.0.1:1") == 2
    assert "pip install 'dlngeo[dask]'" in only_line(capsys)


def test_progress_counts_what_was_there_before_out_of_the_rate(capsys):
    clock = [100.0]
    progress = _terminal.Lines(sys.stderr, lambda: clock[0])
    for seconds, done in ((0, 200), (2, 300), (6, 400), (7, 450)):
        clock[0] = 100.0 + seconds
        progress("runs", done / 1000, 1000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "runs: 40 %, 400 of 1000, 33.3/s, 0:18 left"
