"""The public callables of the library, by name."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import dlngeo

MODULES = {name: f"dlngeo.{name}" for name in dlngeo.__all__}
if importlib.util.find_spec("pymanopt"):  # optional
    MODULES["pymanopt"] = "dlngeo.interop.pymanopt"

# They take what the library has checked already, and say so: stages of a solver or of a path.
INNER = {
    "weights.flatten",
    "weights.unflatten",
    "weights.pull_back",
    "weights.push_forward",
    "weights.imbalances",
    "weights.haar_frame",
    "adjacency.block_gradient",
    "energies.require_stacks",
    "energies.on_lanes",
    "metric.drift",
}
if not importlib.util.find_spec("numba"):  # optional
    INNER.add("energies.compile_energy")
# Methods of these are stages too; their constructors are doors.
INNER_CLASSES = {
    "metric.Frame",
    "langevin.HermitianMatrices",
    "langevin.Sphere",
    "langevin.TangentNoise",
    "langevin.BalancedWeights",
}


def _own_names(module: ModuleType) -> Iterator[str]:
    """What the module defines, and what it imports ``as`` itself for its users."""
    assert module.__file__ is not None
    for node in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.name == alias.asname)


def _is_result(cls: type) -> bool:
    """Whether the library builds it and users read it, or it is a protocol or a warning."""
    if dataclasses.is_dataclass(cls) or issubclass(cls, tuple | BaseException):
        return True
    return bool(getattr(cls, "_is_protocol", False))


@cache
def callables() -> dict[str, Callable[..., Any]]:
    """Functions, constructors and methods (called on an instance of the registry's)."""
    found: dict[str, Callable[..., Any]] = {}
    for short, path in MODULES.items():
        module = importlib.import_module(path)
        for name in getattr(module, "__all__", None) or _own_names(module):
            value = getattr(module, name, None)
            if name.startswith("_") or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            if not inspect.isclass(value):
                found[f"{short}.{name}"] = value
                continue
            if not _is_result(value):
                found[f"{short}.{name}"] = value
            if issubclass(value, BaseException) or getattr(value, "_is_protocol", False):
                continue
            for method, function in inspect.getmembers(value, callable):
                inside = str(getattr(function, "__module__", "")).startswith("dlngeo")
                inside = inside and f"{short}.{name}" not in INNER_CLASSES
                if inside and not method.startswith("_") and not inspect.isclass(function):
                    found[f"{short}.{name}.{method}"] = function
    return {name: f for name, f in found.items() if name not in INNER and parameters(f)}


def parameters(function: Callable[..., Any]) -> list[str]:
    """What a caller passes."""
    found = inspect.signature(function).parameters.values()
    return [p.name for p in found if p.name != "self" and p.kind is not p.VAR_KEYWORD]
