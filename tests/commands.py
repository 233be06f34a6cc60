"""Running the command line in a test: in this process, or as a program."""

import subprocess
import sys

import pytest

from dlngeo import cli


@pytest.fixture
def call(monkeypatch):
    """Run ``dlngeo`` in this process; the exit code."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["dlngeo", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code

    return call


def only_line(capsys):
    """The one line on stderr; nothing is on stdout."""
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("dlngeo: ")
    assert captured.out == ""
    return line


def program(*arguments):
    command = [sys.executable, "-m", "dlngeo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
