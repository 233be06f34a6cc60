"""The site: a page for every public module, every public name on it, no warning, short README."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import dlngeo

ROOT = Path(__file__).parents[2]
FACES = sorted(file.stem for file in (ROOT / "src/dlngeo/interop").glob("[!_]*.py"))


def linked(page):
    """The files that a page links to or shows, without those of the web."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [link.split("#")[0] for link in re.findall(r"\]\(([^)]*)\)", text) if "//" not in link]


def test_every_public_module_has_its_page():
    listed = re.findall(r"^   (dlngeo\.[\w.]+)$", (ROOT / "docs/api.rst").read_text(), re.MULTILINE)
    faces = {f"dlngeo.interop.{name}" for name in FACES if not name.startswith("geomstats_")}
    assert len(listed) == len(set(listed))
    assert set(listed) == {f"dlngeo.{name}" for name in dlngeo.__all__} | faces


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))])
def test_links_of_a_page_lead_to_files(page):
    page = ROOT / page
    assert all((page.parent / link).exists() for link in linked(page) if link)


def test_every_page_is_in_the_contents():
    contents = (ROOT / "docs/index.md").read_text().split()
    assert {page.stem for page in ROOT.glob("docs/*.md")} - {"index"} <= set(contents)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 100


def test_site_is_built_without_a_warning_and_names_everything(tmp_path):
    for needed in ("sphinx", "furo", "myst_parser", "numpydoc"):
        pytest.importorskip(needed)
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-E", "-q", "docs", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for module in dlngeo.__all__:
        page = (tmp_path / f"api/dlngeo.{module}.html").read_text(encoding="utf-8")
        for name in importlib.import_module(f"dlngeo.{module}").__all__:
            assert page.count(f'id="dlngeo.{module}.{name}"') == 1, f"{module}.{name}"
    assert "Two commands" in (tmp_path / "index.html").read_text(encoding="utf-8")


def architecture():
    """The tables of floors and of rooms."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    return page[page.index("| floor |") : page.index("## Doors")].split("## Rooms")


def test_architecture_names_every_room_and_every_file():
    source = ROOT / "src/dlngeo"
    files = {file for file in source.rglob("*.py") if "__" not in file.stem}
    rooms = {file.parent for file in files} - {source}
    assert set(re.findall(r"`(\w+)`", architecture()[1])) == {it.stem for it in files | rooms}


def test_architecture_has_the_floors_that_are_kept():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (floors, *_) = project["tool"]["importlinter"]["contracts"]
    kept = [set(floor.split(" | ")) for floor in floors["layers"]][1:]  # without __main__
    rows = re.findall(r"^\| (?:\d+) \| (.*) \|$", architecture()[0], re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == kept
