"""A study: a computation with a command of its own and results in a folder.

It is a frozen dataclass. Its fields are the settings, declared once for Python and the command
line, ``Annotated`` with an :class:`Option` each; its docstring is the command's help;
:meth:`Study.run` computes, writes, and returns what is shown. :data:`dlngeo.cli.STUDIES` lists the
studies and makes the commands: a new one is a room of its own and a line there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol


class Progress(Protocol):
    """Told of a stage, the fraction of it that is done, and of how many steps that is."""

    def __call__(self, stage: str, fraction: float, total: int = 0) -> None:
        """Show it; ``total`` is 0 where the stage has no steps to be counted."""


class Study(Protocol):
    """One run of a study, made from its settings."""

    FOLDER: ClassVar[str]  # what is said of the folder in the command's help

    @property
    def folder(self) -> Path:
        """Where results go unless another folder is named."""

    def run(self, out: Path, progress: Progress) -> Report:
        """Compute and write into ``out``, which others may want to write to as well.

        Raises
        ------
        ValueError, TypeError, OSError
            In one line, for settings and files that cannot be used.
        RuntimeError
            In one line, where the computation fails.
        """


@dataclass(frozen=True)
class Report:
    """What is shown of a finished run: lines, a table, lines, and the files written.

    ``replaced`` names the run whose results these files took the place of; empty if none. ``code``
    is the command's: 0, or 1 where something ended before its time.
    """

    above: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: Sequence[str]
    files: Sequence[str]
    replaced: str = ""
    code: int = 0


@dataclass(frozen=True)
class Option:
    """What ``Annotated`` says of a field that is an option: ``--its-name``, or other flags."""

    help: str
    flags: str = ""  # such as "--on/--off"


@dataclass(frozen=True)
class Argument:
    """The same of the one field that the command takes without a name."""

    help: str


class Mistakes(ValueError):
    """Everything that is wrong with a description, each in a line of its own.

    ``found`` holds the place of each, such as "grid.depth", and what is to be said of it.
    """

    def __init__(self, found: Sequence[tuple[str, str]], lines: Sequence[str] = ()) -> None:
        self.found = tuple(found)
        self.lines = tuple(lines or (words for _, words in self.found))
        super().__init__("\n".join(self.lines))

    def __reduce__(self) -> tuple[type[Mistakes], tuple[object, ...]]:
        return type(self), (self.found, self.lines)
