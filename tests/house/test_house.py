"""The house: how large its rooms are, what their doors show, and who may enter where."""

import ast
import importlib
import pydoc
from pathlib import Path

import pytest

import dlngeo

SOURCE = Path(dlngeo.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
ROOMS = sorted({file.parent for file in FILES} - {SOURCE})


def imported(file):
    """The modules of the house that a file imports, and the names that it takes from them."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dlngeo"):
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


@pytest.mark.parametrize("folder", ROOMS, ids=lambda folder: folder.name)
def test_a_room_has_at_most_12_files(folder):
    assert len(list(folder.glob("*.py"))) <= 12


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_file_has_at_most_350_lines_and_says_what_it_is_for(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 350
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_room_reaches_for_what_another_keeps_to_itself(file):
    mine = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    for name in imported(file):
        _, theirs, *inner = name.split(".")
        if theirs != mine:
            assert not any(part.startswith("_") for part in inner), f"{file.name}: {name}"


@pytest.mark.parametrize("name", dlngeo.__all__)
def test_a_public_module_shows_what_it_is_for_and_nothing_else(name):
    module = importlib.import_module(f"dlngeo.{name}")
    assert module is getattr(dlngeo, name)
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, attribute) for attribute in module.__all__)
    assert not any(attribute.startswith("_") for attribute in module.__all__)
    assert module.__doc__.splitlines()[0] in pydoc.render_doc(module).replace("\n    ", "\n")
