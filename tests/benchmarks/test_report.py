"""The table, the figures, the command, and the rows that there are."""

import json

import numpy as np
import pytest

import benchmarks.__main__ as command
from benchmarks.harness import BOUND, OURS, PEER, Contender, Figure, Goal, Measured, Row
from benchmarks.machine import machine
from benchmarks.report import exponent, goals, markdown, readable
from benchmarks.rows import every_row


def plain(name, ours, bound):
    row = Row("cost", name, "step", [], goals=[Goal("ours", "bare svd", 1.5)])
    absent = Figure("peer", PEER, skipped="no module peer")
    timed = [Figure("bare svd", BOUND, seconds=bound), Figure("ours", OURS, seconds=ours)]
    return Measured(row, [*timed, absent])


def scaling(power):
    row = Row("scaling", "over d", "step", [], axis="d")
    return Measured(row, [Figure("ours", OURS, d, 1e-6 * d**power) for d in (2.0, 4.0, 8.0)])


def precision():
    row = Row("precision", "to T", "path", [], axis="dt", error="weak error")
    figures = [
        Figure("ours", OURS, dt, 1e-6 / dt, error=dt**2, standard_error=1e-4)
        for dt in (0.1, 0.2, 0.4)
    ]
    return Measured(row, [*figures, Figure("peer", PEER, 0.1, 1e-4, error=0.3)])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2.5, "2.5 s"), (0.0125, "12.5 ms"), (3.1e-6, "3.1 µs"), (4e-8, "40 ns")],
)
def test_times_are_readable(seconds, words):
    assert readable(seconds) == words


def test_the_exponent_is_that_of_the_power():
    slope, error = exponent(scaling(2.5).figures)
    assert slope == pytest.approx(2.5)
    assert error < 1e-12
    rng = np.random.default_rng(0)
    at = np.geomspace(1, 100, 12)
    seconds = at**1.5 * np.exp(0.1 * rng.standard_normal(12))
    (line, covariance) = np.polyfit(np.log(at), np.log(seconds), 1, cov=True)
    found = exponent([Figure("x", OURS, a, s) for a, s in zip(at, seconds, strict=True)])
    assert found == pytest.approx((line[0], np.sqrt(covariance[0, 0])))
    assert exponent([Figure("x", OURS, 1.0, 1.0)]) is None


def test_goals_are_met_or_not_or_not_run():
    rows = [plain("d = 2", 1e-6, 1e-6), plain("d = 5", 2e-6, 1e-6)]
    rows.append(Measured(rows[0].row, []))
    assert [one["met"] for one in goals(rows)] == [True, False, None]


def test_the_table_names_figures_ratios_and_who_is_absent():
    rows = [plain("d = 2", 1e-6, 2e-6), plain("d = 5", 4e-6, 2e-6), precision(), scaling(1)]
    text = markdown(rows, machine(), "python -m benchmarks --quick")
    assert "`python -m benchmarks --quick`" in text
    assert "| ours | 1 µs (0.5) | 4 µs (2) |" in text
    assert "- peer: skipped: no module peer" in text
    assert "| ours | 10 µs, 0.01 ± 0.0001 |" in text
    assert "| peer | 100 µs, 0.3 | – | – |" in text
    assert "| 1.00 ± 0.00 |" in text
    assert "| cost, d = 5 | ours | bare svd | 1.5 | 2 | **not met** |" in text


def test_the_command_writes_table_results_and_figures(tmp_path, monkeypatch, capsys):
    def make():
        return lambda: None

    own = Contender("ours", make)
    rows = [
        Row("cost", "one", "call", [own, Contender("peer", make, kind=PEER)]),
        Row("scaling", "over d", "call", [Contender("ours", make, at=d) for d in (1.0, 2.0)],
            axis="d"),
    ]  # fmt: skip
    monkeypatch.setattr(command, "every_row", lambda quick: rows)
    assert command.main(["--quick", "--out", str(tmp_path)]) == 0
    kept = json.loads((tmp_path / "results.json").read_text())
    assert [len(row["figures"]) for row in kept["rows"]] == [2, 2]
    assert kept["machine"]["versions"]["numpy"] == np.__version__
    assert kept["command"] == f"python -m benchmarks --quick --out {tmp_path}"
    assert (tmp_path / "cost.png").stat().st_size > 1000
    assert (tmp_path / "scaling.png").stat().st_size > 1000
    assert "ours" in (tmp_path / "table.md").read_text()
    assert [len(r.contenders) for r in command.selected(rows, ["ONE"], ours=True)] == [1]
    capsys.readouterr()
    assert command.main(["--list", "-k", "over"]) == 0
    assert capsys.readouterr().out == "scaling, over d\n"
    assert command.main(["-k", "nothing"]) == 2


def test_a_failure_is_told_by_the_exit_status(tmp_path, monkeypatch, capsys):
    def make():
        raise ValueError("bad step")

    monkeypatch.setattr(
        command, "every_row", lambda quick: [Row("g", "r", "call", [Contender("ours", make)])]
    )
    assert command.main(["--quick", "--out", str(tmp_path)]) == 1
    assert "FAILED: ValueError: bad step" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize("quick", [True, False])
def test_rows_have_names_of_their_own_and_goals_that_name_contenders(quick):
    rows = every_row(quick)
    names = [(row.group, row.name) for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        contenders = [(one.name, one.at) for one in row.contenders]
        assert len(set(contenders)) == len(contenders), row.name
        assert all((one.at is None) == (row.axis is None) for one in row.contenders)
        for goal in row.goals:
            assert {goal.of, goal.beside} <= {name for name, _ in contenders} | {""}
