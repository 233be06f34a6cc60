"""The package as a whole: what an import costs, what it names, what the README promises."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import dlngeo

ROOT = Path(__file__).parents[2]
OPTIONAL = ("xarray", "geomstats", "sdeint", "pymanopt", "numba", "jax", "torch", "statsmodels")


def modules_after(code):
    """The top-level modules that a fresh interpreter holds after running ``code``."""
    program = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_import_is_lazy():
    assert not {"numpy", "scipy", "matplotlib"} & modules_after("import dlngeo")


def test_nothing_optional_is_imported_by_any_module():
    use = "import dlngeo\nfor name in dlngeo.__all__: getattr(dlngeo, name)\nimport dlngeo.cli"
    loaded = modules_after(use)
    assert "numpy" in loaded
    assert not loaded & set(OPTIONAL)


def test_mathematics_does_not_load_matplotlib():
    use = "import dlngeo as dln\ndln.flows, dln.metric, dln.adjacency, dln.weights, dln.energies"
    assert "matplotlib" not in modules_after(use)


def test_flat_names_are_the_modules():
    from dlngeo import metric

    assert dlngeo.metric is metric
    assert "flows" in dir(dlngeo)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dlngeo.nonsense


def test_versions_agree():
    assert dlngeo.__version__ == version("dlngeo")
    assert f"version: {dlngeo.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_readme_example_runs(capsys):
    readme = (ROOT / "README.md").read_text()
    code, ensembles = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert "Trajectory(" in capsys.readouterr().out
    exec(
        compile(ensembles.replace("10_000", "20").replace("1000", "10"), "README.md", "exec"), names
    )
    assert "FlowEnsemble(20 paths" in capsys.readouterr().out


def test_example_of_the_page_of_results_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(code, "results.md", "exec"), {})


def test_readme_has_its_two_commands():
    section = (ROOT / "README.md").read_text().split("## Two commands")[1].split("\n## ")[0]
    (block,) = re.findall(r"```\w*\n(.*?)```", section, flags=re.DOTALL)
    main, tests = block.strip().splitlines()
    assert main.endswith("dlngeo complete")
    assert tests.endswith("-m pytest -n auto")


def test_hooks_run_the_versions_of_ci():
    pinned = re.findall(
        r'"((?:ruff|mypy|import-linter)==[\d.]+)"', (ROOT / "pyproject.toml").read_text()
    )
    hooks = set(re.findall(r"\w+==[\d.]+", (ROOT / ".pre-commit-config.yaml").read_text()))
    assert len(pinned) == 3
    assert hooks and hooks <= set(pinned)
