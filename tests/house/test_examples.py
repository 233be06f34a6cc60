"""The examples in the docstrings of public functions: what can be pasted gives what it says."""

import doctest
import importlib
import re

import pytest

import dlngeo


def examples():
    """Every docstring of a public name that holds an example, as a doctest of its own."""
    for room in dlngeo.__all__:
        module = importlib.import_module(f"dlngeo.{room}")
        for name in module.__all__:
            text = getattr(module, name).__doc__ or ""
            if ">>>" in text:
                yield doctest.DocTestParser().get_doctest(text, {}, f"{room}.{name}", None, None)


class Checker(doctest.OutputChecker):
    """Zero has no sign here: LAPACK's singular vectors have either."""

    def check_output(self, want, got, optionflags):
        return super().check_output(want, re.sub(r"-0\.0\b", "0.0", got), optionflags)


EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_gives_what_it_says(example):
    said = []
    runner = doctest.DocTestRunner(Checker(), verbose=False)
    outcome = runner.run(example, out=said.append)
    assert outcome.attempted and not outcome.failed, "".join(said)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_can_be_pasted(example):
    assert "import dlngeo as dln\n" in [line.source for line in example.examples]


def test_the_main_functions_have_examples():
    assert len(EXAMPLES) >= 80
