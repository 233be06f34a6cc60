"""Sphinx configuration."""

from importlib.metadata import version as _version

project = "dlngeo"
version = release = _version("dlngeo")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
html_theme = "alabaster"


def escape_marks(app, what, name, obj, options, lines):
    """Let |x| and (*shape, n) in a docstring stand for themselves, outside formulas."""
    formula = None  # indentation of the directive that we are in
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if formula is not None and line.strip() and indent <= formula:
            formula = None
        if line.lstrip().startswith(".. math::"):
            formula = indent
        elif formula is None and ":math:`" not in line:
            lines[i] = line.replace("|", "\\|").replace("(*", "(\\*")


def setup(app):
    app.connect("autodoc-process-docstring", escape_marks, priority=900)
