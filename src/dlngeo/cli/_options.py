"""A command from a study: the fields of its settings become the command's options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from dlngeo._study import Argument, Study
from dlngeo.cli._terminal import bar, show


def command(study: type[Study]) -> Callable[..., int]:
    """What typer makes a command of: a function with an argument for each field, and ``out``."""
    hints: dict[str, Any] = get_type_hints(study, include_extras=True)
    settings: Any = study
    parameters = [_parameter(field, hints[field.name]) for field in fields(settings)]
    parameters.append(_keyword("out", Annotated[Path | None, _folder_option(study.FOLDER)], None))

    def run(out: Path | None, **options: Any) -> int:
        one: Study = settings(**options)
        folder = one.folder if out is None else out
        with bar() as progress:
            report = one.run(folder, progress)
        show(report, folder)
        return report.code

    run.__doc__ = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(study.__doc__ or ""))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameter(field: Field[Any], kind: Any) -> inspect.Parameter:
    kind, said = get_args(kind)
    if isinstance(said, Argument):
        info = typer.Argument(help=said.help, show_default=False)
    else:
        flags = [said.flags] if said.flags else []
        info = typer.Option(*flags, help=said.help, show_default=field.default is not None)
    return _keyword(field.name, Annotated[kind, info], field.default)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _folder_option(help: str) -> Any:
    return typer.Option(parser=_folder, metavar="FOLDER", help=help, show_default=False)


def _folder(value: str | Path) -> Path:
    """What --out names; ``Path("")`` would be the folder one is in."""
    if not str(value).strip():
        raise typer.BadParameter("a folder must be named; the present one is .")
    return Path(value)
