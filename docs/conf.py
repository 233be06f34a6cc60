"""Sphinx configuration: built offline, and read offline, formulas being MathML."""

import inspect
import re
from importlib.metadata import version as _version
from inspect import isclass, isroutine

import typer
from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.inspect import stringify_signature

project = "dlngeo"
author = "The dlngeo developers"
version = release = _version("dlngeo")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"dlngeo {version}"
html_math_renderer = "mathml"
nitpicky = True
smartquotes = False  # --option is no dash

# A page for each module that api.rst lists: its docstring, and what its ``__all__`` names.
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections say them
autodoc_mock_imports = ["geomstats", "pymanopt", "sklearn"]
numpydoc_show_class_members = False
myst_heading_anchors = 3


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


def contents(app, what, name, obj, options, lines):
    """After a module's docstring what it names, in a line each, and the data among it."""
    if what != "module":
        return
    named = {member: getattr(obj, member) for member in obj.__all__}
    code = [member for member, value in named.items() if isclass(value) or isroutine(value)]
    lines += ["", ".. autosummary::", "   :nosignatures:", "", *[f"   {it}" for it in code]]
    for member in [it for it in named if it not in code]:
        lines += ["", f".. py:data:: {member}", *value_of(named[member])]


def value_of(value):
    """Data as they are; of a registry each name, and the first line of what it stands for."""
    if not isinstance(value, dict):
        return [f"   :value: {value!r}"]
    said = {key: it if isinstance(it, str) else inspect.getdoc(it) for key, it in value.items()}
    return ["", *[f"   - ``{key}``: {text.splitlines()[0]}" for key, text in said.items()]]


def bare_fields(app, what, name, obj, options, lines):
    """Python says no more of a named tuple's field than its number."""
    if any(line.startswith("Alias for field number") for line in lines):
        lines.clear()


def signature_of_init(app, what, name, obj, options, signature, returned):
    """None for a protocol; that of __init__ where the base, another library's, is a stand-in."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    if getattr(obj, "_is_protocol", False):
        return "", ""
    own = inspect.signature(obj.__init__)
    rest = list(own.parameters.values())[1:]
    bare = own.replace(parameters=rest, return_annotation=own.empty)
    return stringify_signature(bare, show_annotation=False), returned


def commands(app, docname, source):
    """To the page of the command line, a section for each command: what it says of itself."""
    if docname != "commands":
        return
    from dlngeo.cli._commands import app as cli

    for name, command in typer.main.get_command(cli).commands.items():
        source[0] += f"\n## dlngeo {name}\n\n{command.help}\n\n| | |\n|---|---|\n"
        for given in command.params:
            spelt = " / ".join(given.opts + given.secondary_opts)
            spelt = spelt.upper() if given.param_type_name == "argument" else spelt
            plain = given.default is None or given.default is False or not given.show_default
            default = "" if plain else f" Default: `{given.default}`."
            source[0] += f"| `{spelt}` | {given.help}{default} |\n"


def mathml(node, **how):
    """A formula as browsers draw it by themselves, brackets as large as what they hold."""
    tex = re.sub(r"\\[bB]ig(?![a-zA-Z])", "", node.astext()).replace(r"\dots", r"\ldots")
    tex = re.sub(r"(\\[td]?frac) *(\w)", r"\1{\2}", tex)
    tex = re.sub(r"(\\[td]?frac{\w})(\w)", r"\1{\2}", tex)
    return tex2mathml(tex, **how)


def inline_formula(writer, node):
    """A formula within a line."""
    writer.body.append(mathml(node))
    raise SkipNode


def displayed_formula(writer, node):
    """A formula on lines of its own."""
    writer.body.append(f'<div class="math">{mathml(node, as_block=True)}</div>\n')
    raise SkipNode


def setup(app):
    app.connect("autodoc-process-docstring", escape_marks, priority=900)
    app.connect("autodoc-process-docstring", contents, priority=950)
    app.connect("autodoc-process-docstring", bare_fields)
    app.connect("autodoc-process-signature", signature_of_init)
    app.connect("source-read", commands)
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
