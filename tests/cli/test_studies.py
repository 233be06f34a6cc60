"""The socket: a study becomes a command, its fields the options, its docstring the help."""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from typer import Typer

import dlngeo
from commands import call, program
from dlngeo import cli
from dlngeo._study import Argument, Option, Report, Study
from dlngeo.cli._options import command
from dlngeo.cli._terminal import Lines
from dlngeo.completion.study import Complete
from dlngeo.simulation.study import Simulate

__all__ = ["call"]  # a fixture


@dataclass(frozen=True)
class Count:
    """Count to a number.

    In a paragraph that goes on for more than
    a line.
    """

    FOLDER: ClassVar[str] = "Where the count goes."

    number: Annotated[int | None, Argument("How far.")] = None
    by: Annotated[float, Option("In steps of what length.")] = 0.5
    words: Annotated[list[str] | None, Option("Said aloud.")] = None
    aloud: Annotated[bool | None, Option("Whether it is said.", "--aloud/--silently")] = None

    @property
    def folder(self):
        return Path(f"count-{self.number}")

    def run(self, out, progress):
        progress("counting", 1.0)
        out.mkdir()
        (out / "count").write_text(repr(self))
        return Report(["Counted:"], ["step"], [[f"{self.by:g}"]], ["Done."], ["count"], "ten", 1)


@pytest.fixture
def count(tmp_path, monkeypatch):
    """The command of a study that nobody has written a command for."""
    monkeypatch.chdir(tmp_path)
    study: type[Study] = Count
    app = Typer(add_completion=False)
    app.command("count")(command(study))
    return lambda *arguments: app(args=[*map(str, arguments)], standalone_mode=False)


def test_fields_are_options_and_the_code_is_the_report_s(count):
    options = ["--by", 0.25, "--words", "one", "--words", "two", "--silently", "--out", "there"]
    assert count(3, *options) == 1
    wanted = Count(3, by=0.25, words=["one", "two"], aloud=False)
    assert Path("there", "count").read_text() == repr(wanted)


def test_what_is_not_given_has_the_default_and_its_own_folder(count, capsys):
    assert count(4) == 1
    assert Path("count-4", "count").read_text().startswith("Count(number=4, by=0.5, ")
    first, *_, last, wrote = capsys.readouterr().out.splitlines()
    assert (first, last, wrote) == (
        "Counted:",
        "Done.",
        "Wrote count-4/: count, in place of those of ten",
    )


def test_help_is_the_docstring_and_what_the_fields_say(count, capsys):
    assert count("--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Count to a number. In a paragraph that goes on for more than a line." in said
    for words in ("How far.", "In steps of what length.", "[default: 0.5]", "--silently"):
        assert words in said
    assert "Where the count goes." in said


def test_every_study_is_a_command_with_an_option_for_each_field(call, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert list(cli.STUDIES) == ["complete", "landscape", "simulate", "sweep", "show"]
    for name, study in cli.STUDIES.items():
        assert call(name, "--help") == 0
        said = capsys.readouterr().out
        assert study.__doc__.splitlines()[0] in said
        for field in fields(study):
            assert f"--{field.name.replace('_', '-')}" in said or f" {field.name} " in said


@pytest.mark.parametrize("study", [Complete(depth=0), Simulate(beta=-1.0)])
def test_a_study_runs_without_a_command_line_and_refuses_alike(study, tmp_path):
    with pytest.raises(ValueError, match="must be"):
        study.run(tmp_path / "out", lambda stage, fraction: None)
    assert not (tmp_path / "out").exists()


def test_a_study_of_python_is_the_command_s(tmp_path):
    stages = []
    study = Simulate(preset="repulsion", paths=3, steps=4)
    report = study.run(tmp_path / "out", lambda *stage: stages.append(stage))
    assert stages == [("paths", 1.0)]
    assert (study.folder, report.code) == (Path("dlngeo-repulsion"), 0)
    assert all((tmp_path / "out" / name).stat().st_size for name in report.files)


def test_version_is_said(call, capsys):
    assert call("--version") == 0
    assert capsys.readouterr().out == f"dlngeo {dlngeo.__version__}\n"


def test_module_is_the_command():
    run = program("--version")
    assert (run.returncode, run.stdout) == (0, f"dlngeo {dlngeo.__version__}\n")


def test_progress_is_lines_where_there_is_no_terminal():
    now, stream = [0.0], io.StringIO()
    progress = Lines(stream, lambda: now[0])
    for second in range(61):
        now[0] = second
        progress("counting", 0.25 + 0.0125 * second)  # a quarter was there before
    assert stream.getvalue().splitlines()[0] == "counting: 31 %, 1.2 %/s, 0:55 left"
    assert stream.getvalue().splitlines()[1:3] == [
        "counting: 38 %, 1.2 %/s, 0:50 left",
        "counting: 44 %, 1.2 %/s, 0:45 left",
    ]
    now[0] = 10_000.0
    progress("measuring", 0.0)
    now[0] = 10_010.0
    progress("measuring", 0.001)
    assert stream.getvalue().splitlines()[-1] == "measuring: 0 %, 0.01 %/s, 2:46:30 left"


def test_a_quick_run_has_no_lines():
    stream = io.StringIO()
    progress = Lines(stream, lambda: 0.0)
    progress("counting", 0.0)
    progress("counting", 1.0)
    assert stream.getvalue() == ""
