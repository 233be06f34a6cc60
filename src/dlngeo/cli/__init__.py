"""The command line: ``dlngeo complete`` and ``dlngeo simulate``. No mathematics here.

:data:`STUDIES` names the studies (:mod:`dlngeo._study`). Each becomes a command of that name, whose
options are the study's fields and whose help is its docstring; ``--out`` names its folder.

A refusal is one line on stderr. Exit codes: 0; 1 where a computation failed or ended before its
time; 2 for arguments and files that cannot be used; 130 and 143 when interrupted or terminated.
"""

from dlngeo.cli._commands import STUDIES, main

__all__ = ["STUDIES", "main"]


def __dir__() -> list[str]:
    return __all__
