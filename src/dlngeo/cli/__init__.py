"""The command line: ``dlngeo complete`` and ``dlngeo simulate``. No mathematics here."""

from dlngeo.cli._commands import main

__all__ = ["main"]


def __dir__() -> list[str]:
    return __all__
