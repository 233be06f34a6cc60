"""Sphinx configuration."""

from importlib.metadata import version as _version

project = "dlngeo"
version = release = _version("dlngeo")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
html_theme = "alabaster"
