"""Every public function refuses malformed arguments in one line that names the argument.

`PYTHONPATH=tests python tests/house/test_malformed.py` prints the counts and every case that is not
clear.
"""

from __future__ import annotations

import collections
import re
import signal
import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from malformed import (
    dynamics,
    equilibrium,
    geometry,
    landscape,
    landscapes,
    lowrank,
    studies,
)
from malformed.geometry import Call
from malformed.public import callables, parameters

FILES = (geometry, landscape, landscapes, dynamics, lowrank, equilibrium, studies)
PATIENCE = 5.0  # seconds of processor time for one refusal


@cache
def entries() -> dict[str, Call]:
    return {name: call for file in FILES for name, call in file.entries().items()}


def bound(name: str) -> Callable[..., Any]:
    """The callable, a method with its object."""
    module, *inside = name.split(".")
    if len(inside) == 2:
        for file in FILES:
            owner = file.instances().get(f"{module}.{inside[0]}")
            if owner is not None:
                return getattr(owner, inside[1])
    return callables()[name]


def outcome(function: Callable[..., Any], arguments: dict[str, Any], name: str) -> str:
    """What a call ends in: clear, unclear and why, or silent."""
    signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        function(**arguments)
    except (ValueError, TypeError) as error:  # LinAlgError is a ValueError
        message = str(error)
        if "\n" in message:
            return f"unclear: {type(error).__name__} of several lines: {message[:60]!r}"
        if re.search(rf"(?<![\w.]){name}(_\d+)?\b", message):
            return "clear"
        return f"unclear: {type(error).__name__} without the name: {message[:110]!r}"
    except Exception as error:
        return f"unclear: {type(error).__name__}: {str(error)[:90]!r}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return "silent"


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"no answer within {PATIENCE} s")


def walk(name: str) -> tuple[int, dict[str, str]]:
    """How many cases a function has, and those that are not clear."""
    call, function = entries()[name], bound(name)
    valid = {key: argument.valid for key, argument in call.items()}
    count, wrong = 0, {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for key, argument in call.items():
            for word, value in argument.malformed.items():
                count += 1
                answer = outcome(function, valid | {key: value}, key)
                if answer != "clear":
                    wrong[f"{name}({key}: {word})"] = answer
    return count, wrong


@pytest.mark.parametrize("name", sorted(callables()))
def test_valid_call(name):
    assert name in entries(), f"{name} is public: give it an entry in tests/malformed"
    call, function = entries()[name], bound(name)
    assert sorted(call) == sorted(parameters(callables()[name]))
    function(**{key: argument.valid for key, argument in call.items()})


@pytest.mark.parametrize("name", sorted(callables()))
def test_malformed_arguments(name):
    _, wrong = walk(name)
    assert not wrong, "\n".join(f"{case}: {answer}" for case, answer in wrong.items())


def main() -> None:
    total, wrong = 0, {}
    for name in sorted(callables()):
        if name in entries():
            count, more = walk(name)
            total, wrong = total + count, wrong | more
        else:
            print(f"{name} has no entry")
    for case, answer in wrong.items():
        print(f"{case}: {answer}")
    kinds = collections.Counter(answer.split(":")[0] for answer in wrong.values())
    print(f"{total} cases, {total - len(wrong)} clear, {dict(kinds)}", file=sys.stderr)


if __name__ == "__main__":
    main()
