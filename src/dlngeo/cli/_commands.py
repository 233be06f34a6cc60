"""The command line: a command for each study, and what it says where one fails."""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer

from dlngeo import __version__
from dlngeo._store.signals import Stopped, stoppable
from dlngeo._study import Mistakes, Study
from dlngeo.cli._options import command
from dlngeo.completion.study import Complete
from dlngeo.landscapes.study import Landscapes
from dlngeo.simulation.study import Simulate
from dlngeo.sweeps.commands import Show, Sweep

STUDIES: dict[str, type[Study]] = {
    "complete": Complete,
    "landscape": Landscapes,
    "simulate": Simulate,
    "sweep": Sweep,
    "show": Show,
}

# What typer raises for an argument that it cannot parse; it has no public name there.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Geometry and stochastic dynamics of deep linear networks.",
)
for _name, _study in STUDIES.items():
    app.command(_name)(command(_study))


def _version(asked: bool) -> None:
    if asked:
        print(f"dlngeo {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say which version this is.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Geometry and stochastic dynamics of deep linear networks."""


def main() -> None:
    """Run the command line: a bad argument or file gives one line and exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without × gets a question mark
    try:
        with stoppable():
            code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except Stopped as stop:
        code = _fail(str(stop), stop.code)
    except typer.Abort:
        code = _fail("interrupted", 130)
    except _UsageError as error:
        code = _fail(error.format_message(), 2)
    except Mistakes as error:
        for line in error.lines:
            code = _fail(line, 2)
    except (ValueError, TypeError, OSError, ImportError) as error:
        code = _fail(str(error), 2)
    except MemoryError:
        code = _fail("the matrix does not fit into memory", 2)
    except RuntimeError as error:
        code = _fail(str(error), 1)
    raise SystemExit(code or 0)


def _fail(message: str, code: int) -> int:
    print("dlngeo:", " ".join(message.split()), file=sys.stderr)
    return code
