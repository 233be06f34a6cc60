"""``dlngeo complete`` in factored form: from ratings to predictions, and on after a kill."""

import csv
import json
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from commands import call, only_line
from dlngeo import lowrank, tables
from dlngeo.completion import checkpoint, factored, study

__all__ = ["call"]  # a fixture
COLUMNS = ["--columns", "user,item,rating"]
QUICK = [*COLUMNS, "--rank", "2", "--weight-decay", "0"]
FILES = ["columns.csv", "completion.png", "factors.npz", "rows.csv", "summary.json"]


def written(path, users=150, items=100, share=0.09, header="User,Item,Rating"):
    """Ratings of rank 2 with biases, fewer than a tenth of all."""
    rng = np.random.default_rng(0)
    W = lowrank.random_start((users, items), 2, scale=120.0, rng=rng).dense()
    W += 3 + rng.standard_normal(users)[:, None] + 0.5 * rng.standard_normal(items)
    i, j = np.nonzero(rng.random(W.shape) < share)
    lines = [f"u{a},i{b},{W[a, b] + 0.3 * rng.standard_normal():.4f}" for a, b in zip(i, j)]  # noqa: B905
    path.write_text("\n".join([header, *lines]))
    return path


@pytest.fixture
def ratings(tmp_path):
    return written(tmp_path / "ratings.csv")


@pytest.fixture
def asked(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("note,ITEM,user\nx,i3,u5\nx,i99999,u5\nx,i3,stranger\nx,no,one\n")
    return path


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def said(capsys):
    return " ".join(capsys.readouterr().out.split())


# ------------------------------------------------------------------------------------- what it does


def test_ratings_become_factors_and_predictions(call, ratings, asked, tmp_path, capsys):
    out = tmp_path / "out"
    assert call("complete", ratings, *QUICK, "--predict", asked, "--out", out) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, "predictions.csv"])
    assert (out / "completion.png").read_bytes().startswith(b"\x89PNG")
    assert "Predicted 4 pairs; of 3 a label is unknown or without data, and mean and known" in said
    data = tables.read_triplets(ratings, columns="user,item,rating")
    found = lowrank.LowRankCompletion.load(out / "factors.npz")
    summary = json.loads((out / "summary.json").read_text())
    assert f"{data.values.size} entries observed" in said and summary["held_out"] > 200
    assert (summary["method"], summary["shape"]) == ("factored", [150, 100])
    assert f"{summary['held_out_rmse']['network of depth 3']:.4g}" in said

    title, *rows = read(out / "rows.csv")
    assert title == ["User", "observed", "bias"]
    assert [label for label, _, _ in rows] == list(data.rows)
    assert_array_equal([float(x) for _, _, x in rows], found.row_biases)
    assert_array_equal([int(x) for _, x, _ in rows], np.bincount(data.i, minlength=150))

    u5, i3 = data.rows.index("u5"), data.columns.index("i3")
    wanted = [
        float(found.predict([u5], [i3])[0]),
        found.mean + found.row_biases[u5],
        found.mean + found.column_biases[i3],
        found.mean,
    ]
    head, *answers = read(out / "predictions.csv")
    assert head == ["User", "Item", "prediction", "known"]
    assert_allclose([float(line[2]) for line in answers], wanted, rtol=1e-14)
    assert [line[3] for line in answers] == ["both", "row", "column", "neither"]
    assert answers[1][:2] == ["u5", "i99999"]


def test_held_out_error_is_by_the_definition(tmp_path):
    data = tables.read_triplets(written(tmp_path / "r.csv"), columns="user,item,rating")
    options = {"depth": 3, "rank": 2, "weight_decay": 0.0, "clip": False, "seed": 4}
    silent = {"done": {}, "progress": lambda stage, fraction: None}
    result = factored.complete(data, holdout=0.25, **options, **silent)
    order = np.random.default_rng(np.random.SeedSequence(4).spawn(1)[0]).permutation(len(data.i))
    test = order[: result.held_out]
    train = np.sort(order[result.held_out :])
    learned = lowrank.complete(
        *(x[train] for x in (data.i, data.j, data.values)), data.shape, depth=3, rank=2,
        weight_decay=0.0, rng=np.random.SeedSequence(4).spawn(2)[1],
    )  # fmt: skip
    i, j, values = data.i[test], data.j[test], data.values[test]
    predictions = {
        result.network: learned.predict(i, j),
        result.biases: learned.mean + learned.row_biases[i] + learned.column_biases[j],
        result.column_mean: [
            np.mean(data.values[train][data.j[train] == column]) for column in j.tolist()
        ],
    }
    for score, predicted in predictions.items():
        assert score.rmse == pytest.approx(np.sqrt(np.mean((predicted - values) ** 2)), rel=1e-12)
    assert result.network.rmse < 0.9 * result.biases.rmse < 0.9 * result.column_mean.rmse
    # what is handed out has seen them all
    fitted = result.found.predict(i, j) - values
    assert np.sqrt(np.mean(fitted**2)) < 0.8 * result.network.rmse
    assert sum(len(part) for part in np.array_split(test, 6)) == len(test)
    assert [round(count, 6) for count, _, _ in result.groups] == sorted(
        round(count, 6) for count, _, _ in result.groups
    )


def test_without_held_out_entries_no_error_is_reported(call, ratings, tmp_path, capsys):
    out = tmp_path / "out"
    assert call("complete", ratings, *QUICK, "--holdout", "0", "--out", out) == 0
    assert "there is no estimate of the error" in " ".join(capsys.readouterr().out.split())
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["held_out_rmse"].values()) == {None}


def test_clip_keeps_predictions_to_the_range(call, ratings, asked, tmp_path):
    out = tmp_path / "out"
    assert call("complete", ratings, *QUICK, "--clip", "--out", out) == 0
    values = tables.read_triplets(ratings, columns="user,item,rating").values
    assert lowrank.LowRankCompletion.load(out / "factors.npz").limits == (
        values.min(), values.max(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "observed", "method"),
    [
        ((219, 54), 10_284, "dense"),
        ((100, 100), 20, "dense"),
        ((1000, 100), 100_000, "dense"),
        ((1000, 100), 9_999, "factored"),
        ((1000, 101), 101_000, "factored"),
        ((943, 1682), 100_000, "factored"),
        ((10**6, 10**6), 10**7, "factored"),
    ],
)
def test_the_rule_of_size_and_density(shape, observed, method):
    assert factored.method_for(shape, observed) == method


@pytest.mark.parametrize("method", ["dense", "factored"])
def test_either_method_may_be_asked_for_and_answers_pairs(call, tmp_path, capsys, method):
    path = written(tmp_path / "small.csv", 12, 9, share=0.7)
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out"
    pairs.write_text("user,item\nu1,i1\nu1,x\ny,i1\ny,x\n")
    options = [*COLUMNS, "--method", method, "--predict", pairs]
    options += ["--rtol", "1e-2"] if method == "dense" else ["--rank", "1"]
    assert call("complete", path, *options, "--out", out) == 0
    assert json.loads((out / "summary.json").read_text())["method"] == method
    answers = read(out / "predictions.csv")[1:]
    assert [line[3] for line in answers] == ["both", "row", "column", "neither"]
    dense = "and the mean of the column, the row or everything answers"
    how = {"dense": dense, "factored": "and mean and known biases answer"}
    assert how[method] in said(capsys)
    if method == "dense":
        table = tables.read(path, columns="user,item,rating")
        u, i = table.rows.index("u1"), table.columns.index("i1")
        wanted = [np.nanmean(table.values[u]), np.nanmean(table.values[:, i])]
        wanted += [np.nanmean(table.values)]
        assert_allclose([float(line[2]) for line in answers[1:]], wanted, rtol=1e-14)
    # files of the other method go when their place is taken
    other = {"dense": ["factored", "--rank", "1"], "factored": ["dense", "--rtol", "1e-2"]}[method]
    assert call("complete", path, *COLUMNS, "--method", *other, "--out", out) == 0
    files = study.Complete.FILES if method == "factored" else study.Complete.FACTORED_FILES
    assert sorted(path.name for path in out.iterdir()) == sorted(files)


def test_a_table_may_be_completed_in_factored_form(call, tmp_path):
    table = np.outer(np.arange(1.0, 31), np.linspace(1, 2, 20))
    table[::3, ::2] = np.nan
    np.save(tmp_path / "table.npy", table)
    (tmp_path / "pairs.csv").write_text("0,0\n29,19\n")  # labels count from 0
    options = ["--method", "factored", "--rank", "1", "--predict", tmp_path / "pairs.csv"]
    assert call("complete", tmp_path / "table.npy", *options, "--out", tmp_path / "out") == 0
    head, *answers = read(tmp_path / "out" / "predictions.csv")
    assert head == ["row", "column", "prediction", "known"]
    # the rest of the table says what they are; biases do not
    assert_allclose([float(line[2]) for line in answers], [1.0, 60.0], atol=2.0)
    (title, *_), *_ = read(tmp_path / "out" / "rows.csv")
    assert title == "row"


def test_pairs_without_a_header_where_data_have_none(call, tmp_path, capsys):
    path, pairs = tmp_path / "r.csv", tmp_path / "pairs.csv"
    rng = np.random.default_rng(0)
    places = rng.permutation(120 * 100)[:1000]
    path.write_text("".join(f"{p // 100},{p % 100},{p % 5}.5\n" for p in places.tolist()))
    options = ["--columns", "1,2,3", "--rank", "1", "--weight-decay", "0", "--predict", pairs]
    pairs.write_text("5,7\n6,8\n")
    assert call("complete", path, *options, "--out", tmp_path / "out") == 0
    assert len(read(tmp_path / "out" / "predictions.csv")) == 3
    capsys.readouterr()
    pairs.write_text("user,item\n5,7\n")
    assert call("complete", path, *options, "--out", tmp_path / "out") == 2
    assert "line 1 may be a header or a pair (user, item): say --no-header" in only_line(capsys)


def test_many_rows_and_columns_take_little_memory():
    # 5000 × 5000, each row and column once: one dense matrix of it would be 200 MB
    labels = tuple(map(str, range(5000)))
    values = np.random.default_rng(0).standard_normal(5000)
    data = tables.Triplets("long", np.arange(5000), np.arange(5000), values, labels, labels)
    options = {"depth": 3, "rank": 2, "weight_decay": 0.0, "clip": False, "seed": 0}
    tracemalloc.start()
    result = factored.complete(
        data, holdout=0.2, done={}, progress=lambda stage, fraction: None, **options
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.found.summary["rank"] == 0  # nothing is to be learned
    assert peak < 30_000_000


@pytest.mark.parametrize("method", ["dense", "factored"])
def test_a_row_listed_without_a_value_is_not_known(call, tmp_path, capsys, method):
    path, pairs = written(tmp_path / "r.csv", 12, 9, share=0.7), tmp_path / "pairs.csv"
    path.write_text(path.read_text() + "\nghost,i1,\nu1,nothing,\nghost,nothing,\n")
    pairs.write_text("user,item\nghost,i1\nu1,nothing\nghost,nothing\n")
    options = [*COLUMNS, "--method", method, "--predict", pairs, "--out", tmp_path / "out"]
    options += ["--rtol", "1e-2"] if method == "dense" else ["--rank", "1"]
    assert call("complete", path, *options) == 0
    answers = read(tmp_path / "out" / "predictions.csv")[1:]
    assert [line[3] for line in answers] == ["column", "row", "neither"]
    assert "Predicted 3 pairs; of 3 a label is unknown or without data" in said(capsys)
    pairs.write_text("user,item\nu1,i1\n")
    assert call("complete", path, *options) == 0
    assert "Predicted 1 pair. " in said(capsys)


# ----------------------------------------------------------------------------------- interruptions


def killed(arguments, out):
    """The command, killed when its first trial is kept."""
    command = [sys.executable, "-m", "dlngeo", "complete", *map(str, arguments), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        end = time.monotonic() + 100
        while not (out / checkpoint.NAME).exists() and time.monotonic() < end:
            assert child.poll() is None
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL


def same(one, other):
    """Whether two folders hold the same results, bit for bit; the time that they took apart."""
    a, b = (lowrank.LowRankCompletion.load(out / "factors.npz") for out in (one, other))
    for name in ("U", "sigma", "V", "row_biases", "column_biases"):
        assert_array_equal(getattr(a, name), getattr(b, name))
    summaries = [json.loads((out / "summary.json").read_text()) for out in (one, other)]
    for summary in summaries:
        del summary["total_seconds"]
    assert summaries[0] == summaries[1]
    for name in ("rows.csv", "columns.csv", "predictions.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_run_that_was_killed_goes_on_to_the_same_result(call, ratings, asked, tmp_path, capsys):
    options = [ratings, *COLUMNS, "--predict", asked]
    killed(options, tmp_path / "killed")
    left = {path.name for path in (tmp_path / "killed").iterdir()}
    assert checkpoint.NAME in left and not left & {*FILES, "predictions.csv"}

    assert call("complete", *options, "--depth", "2", "--out", tmp_path / "killed") == 2
    line = only_line(capsys)
    assert "holds an interrupted run of other settings: depth 3, now 2. The command" in line
    data = ratings.read_text()
    ratings.write_text(data + "\nu0,new,3")
    assert call("complete", *options, "--out", tmp_path / "killed") == 2
    assert "other settings: data " in only_line(capsys)
    ratings.write_text(data)
    dense = [ratings, *COLUMNS, "--method", "dense", "--out", tmp_path / "killed"]
    assert call("complete", *dense) == 2
    assert "of another method, factored, not dense" in only_line(capsys)

    for name in ("killed", "straight"):
        assert call("complete", *options, "--out", tmp_path / name) == 0
    same(tmp_path / "killed", tmp_path / "straight")
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {*FILES, "predictions.csv"}


def test_trials_and_judgement_are_kept(call, ratings, asked, tmp_path, monkeypatch):
    class Killed(checkpoint.Checkpoint):
        most = 0

        def __setitem__(self, name, outcome):
            super().__setitem__(name, outcome)
            if len(self) == self.most:
                raise RuntimeError("killed")

    options = [ratings, *COLUMNS, "--rank", "2", "--predict", asked]
    assert call("complete", *options, "--out", tmp_path / "straight") == 0
    out = tmp_path / "killed"
    monkeypatch.setattr(checkpoint, "Checkpoint", Killed)
    trials = json.loads((tmp_path / "straight" / "summary.json").read_text())["network"]["trials"]
    for most in (1, trials, trials + 1):  # then what the held-out entries say is there as well
        Killed.most = most
        assert call("complete", *options, "--out", out) == 1
    kept = checkpoint._read(out / checkpoint.NAME)[1]
    assert len(kept) == trials + 1 and factored.JUDGED in kept
    monkeypatch.undo()
    tried = []
    original = lowrank._completion.run_flow
    for module in (lowrank._choosing, lowrank._completion):
        spy = lambda *a, **k: tried.append(k) or original(*a, **k)  # noqa: E731
        monkeypatch.setattr(module, "run_flow", spy)
    assert call("complete", *options, "--out", out) == 0
    assert tried == [{}]  # the last training alone
    same(out, tmp_path / "straight")


def test_a_damaged_checkpoint_is_refused(call, ratings, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / checkpoint.NAME).write_bytes(b"junk" * 40)
    assert call("complete", ratings, *QUICK, "--out", out) == 2
    assert "is damaged, or no checkpoint of a completion; remove it" in only_line(capsys)


def test_a_signal_says_what_is_kept(call, ratings, tmp_path, monkeypatch, capsys):
    def stop(*args, done, **options):
        done["rank 2, weight decay 0"] = {"error": 1.0, "time": 0.0, "times": [], "errors": []}
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(factored, "complete", stop)
    assert call("complete", ratings, *QUICK, "--out", tmp_path / "out") == 143
    wanted = "out holds 1 part of the run, and the same command goes on from there"
    assert wanted in only_line(capsys)


# ---------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--columns", "user,film,rating"], "--columns film: no columns have that name"),
        (["--columns", "1,2,9"], "--columns 9: there are 3 columns"),
        ([*QUICK, "--method", "nonsense"], "method must be 'auto', 'dense' or 'factored'"),
        ([*QUICK, "--width", "5"], "--width belongs to --method dense; "),
        ([*QUICK, "--smooth"], "is completed by factored"),
        ([*COLUMNS, "--method", "dense", "--rank", "2"], "--rank belongs to --method factored"),
        ([*COLUMNS, "--rank", "0"], "rank must be an integer >= 1, not 0"),
        ([*COLUMNS, "--rank", "2", "--weight-decay", "-1"], "weight_decay must be finite and >= 0"),
        ([*QUICK, "--depth", "0"], "depth must be"),
        ([*QUICK, "--holdout", "1"], "holdout must lie in [0, 1), not 1"),
        ([*QUICK, "--holdout", "0.999"], "too few observed entries"),
        ([*QUICK, "--seed", "-1"], "seed must be an integer >= 0"),
        ([*QUICK, "--predict", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_bad_options_are_one_line(call, ratings, tmp_path, capsys, options, wanted):
    assert call("complete", ratings, *options, "--out", tmp_path / "out") == 2
    assert wanted in only_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["rows.csv", "columns.csv", "predictions.csv", "completed.csv"])
@pytest.mark.parametrize("what", ["DATA", "--predict"])
def test_what_is_read_is_not_written_over(call, ratings, tmp_path, capsys, name, what):
    data, pairs = ratings, tmp_path / name
    if what == "DATA":
        data, pairs = ratings.rename(tmp_path / name), tmp_path / "pairs.csv"
    pairs.write_text("user,item\nu1,i1\n")
    assert call("complete", data, *QUICK, "--predict", pairs, "--out", tmp_path) == 2
    assert f"would overwrite {what}, " in only_line(capsys)


@pytest.mark.parametrize("name", [*FILES, "predictions.csv"])
@pytest.mark.parametrize("content", [b"mine", b'{"data": "mine", "predicted": 1}', b"[1]"])
def test_files_of_others_stay_as_they_are(call, ratings, asked, tmp_path, capsys, name, content):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(content)
    assert call("complete", ratings, *QUICK, "--predict", asked, "--out", out) == 2
    assert f"out holds {name}, which no completion is known to have written" in only_line(capsys)
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_bytes() == content


def test_what_an_earlier_run_did_not_write_stays(call, tmp_path, capsys):
    path, out = written(tmp_path / "small.csv", 12, 9, share=0.7), tmp_path / "out"
    factored = [*COLUMNS, "--method", "factored", "--rank", "1", "--out", out]
    dense = [*COLUMNS, "--method", "dense", "--rtol", "1e-2", "--out", out]
    assert call("complete", path, *factored) == 0
    for name in ("predictions.csv", "completed.npy.txt"):
        (out / name).write_text("mine")
    assert call("complete", path, *dense) == 0
    (out / "rows.csv").write_text("mine")
    assert call("complete", path, *dense) == 0
    assert {path.name for path in out.iterdir()} == {
        *study.Complete.FILES, "predictions.csv", "rows.csv", "completed.npy.txt",
    }  # fmt: skip
    for name in ("predictions.csv", "rows.csv"):
        assert (out / name).read_text() == "mine"
    capsys.readouterr()
    assert call("complete", path, *factored) == 2
    assert "out holds rows.csv, which no completion is known" in only_line(capsys)


def test_labels_that_repeat_are_no_places(call, tmp_path, capsys):
    path, pairs = tmp_path / "t.csv", tmp_path / "pairs.csv"
    path.write_text("x,a,a\nu,1.5,2\nv,2,3.5\n")
    pairs.write_text("u,a\n")
    options = ["--header", "--labels", "1", "--predict", pairs, "--out", tmp_path / "out"]
    assert call("complete", path, *options) == 2
    assert "--predict: the label 'a' names more than one column of DATA" in only_line(capsys)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("u1,i1,five", "column 'Rating': 'five' is not a number"),
        ("u1,i1,inf", "is infinite"),
        ("u1,,3", "a label is empty"),
        ("u1,i1", "not a matrix, line 3 has 2 cells and line 1 has 3"),
        ("ann,tea,4", "the entry (ann, tea) occurs twice, in lines 2 and 3"),
    ],
)
def test_bad_ratings_are_one_line(call, tmp_path, capsys, line, wanted):
    path = tmp_path / "r.csv"
    path.write_text(f"User,Item,Rating\nann,tea,3\n{line}\nbob,tea,2\n")
    assert call("complete", path, *COLUMNS, "--method", "factored", "--out", tmp_path / "o") == 2
    assert wanted in only_line(capsys)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("user,film\nu1,i1\n", "no columns are named 'Item', as in DATA; line 1 holds 'user'"),
        ("user\nu1\n", "no columns are named 'Item'"),
        ("user,item\nu1,i1\nu2\n", "line 3 has 1 cells where the first has 2"),
        ("user,item\nu1,\n", "line 2: a label is empty"),
        ("user,user,item\nu1,u2,i1\n", "2 columns are named 'User'"),
        ("", "it is empty"),
    ],
)
def test_bad_pairs_are_one_line_before_anything_runs(
    call, ratings, tmp_path, capsys, content, wanted
):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(content)
    assert call("complete", ratings, *QUICK, "--predict", pairs, "--out", tmp_path / "out") == 2
    assert wanted in only_line(capsys)
    assert not (tmp_path / "out").exists()
