"""What a study may say: the keys of each table, what each must be; functions of yours."""

from __future__ import annotations

import functools
import hashlib
import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from dlngeo import _checks, _plain
from dlngeo._engine import ENGINES
from dlngeo.flows import METHODS
from dlngeo.langevin import SCHEMES

Check = Callable[[Any, str], Any]


class Key(NamedTuple):
    """What a key's value must be, and whether it must be given."""

    check: Check
    required: bool = False


def _integer(least: int) -> Check:
    return lambda value, name: _checks.integer(value, name, least)


def _choice(*words: str) -> Check:
    return lambda value, name: _checks.choice(value, name, words)


def _depth(value: Any, name: str) -> float:
    if not _checks.real(value, name) >= 1:
        raise ValueError(f"{name} must be a real number >= 1 or inf, not {_checks.shown(value)}")
    return float(value)


def _finite_depth(value: Any, name: str) -> float:
    if math.isinf(_depth(value, name)):
        raise ValueError(f"{name} must be finite for this kind of dynamics")
    return float(value)


def _whole_depth(value: Any, name: str) -> float:
    if not _depth(value, name).is_integer():
        raise ValueError(f"{name} must be whole where weights move, not {_checks.shown(value)}")
    return float(value)


def _sign(value: Any, name: str) -> int:
    if _checks.integer(value, name, -1) not in (-1, 1):
        raise ValueError(f"{name} must be 1 or -1, the sign of det W; leave it out for any")
    return int(value)


def _rows(value: Any, name: str) -> Any:
    return _checks.matrix(_plain.rows(value, name), name)


_POSITIVE, _NON_NEGATIVE = Key(_checks.positive), Key(_checks.non_negative)
_SCALE = {"scale": Key(_checks.positive, True)}

#: The laws of a start, and their keys.
LAWS: dict[str, dict[str, Key]] = {
    "gaussian": _SCALE | {"sign": Key(_sign), "width": Key(_integer(1))},
    "balanced": _SCALE | {"sign": Key(_sign), "width": Key(_integer(1))},
    "matrix": {"matrix": Key(_rows, True), "scale": _POSITIVE},
    "frames": _SCALE,
    "spectral": {},
    "slope": _SCALE,
}
LOW_RANK_LAWS = ("frames", "spectral", "slope")

_SPAN = {"t_end": Key(_checks.positive, True), "stop_loss": Key(_checks.finite)}
_CONTROL = {
    "rtol": _POSITIVE,
    "atol": _POSITIVE,
    "max_steps": Key(_integer(1)),
    "weight_decay": _NON_NEGATIVE,
}
_ENGINE = {"engine": Key(_choice(*ENGINES))}
_BETA = {"beta": Key(_checks.positive, True)}
_ANY_METHOD = {"method": Key(_choice("auto", *METHODS))}

#: The kinds of dynamics, and their keys; all are those of the door of the same purpose.
DYNAMICS: dict[str, dict[str, Key]] = {
    "flow": {"depth": Key(_depth, True), **_SPAN, "gtol": _NON_NEGATIVE, **_CONTROL, **_ENGINE}
    | {"method": Key(_choice("auto", "DOP853", "ROCK4")), "upstairs": Key(_checks.flag)},
    "free_energy_flow": {"depth": Key(_depth, True), **_BETA, **_SPAN, **_CONTROL, **_ANY_METHOD}
    | {"rank": Key(_integer(1))},
    "langevin": {"depth": Key(_depth, True), **_BETA, "dt": Key(_checks.positive, True)}
    | {"steps": Key(_integer(1), True), "kappa": _NON_NEGATIVE, "weight_decay": _NON_NEGATIVE}
    | {"method": Key(_choice("auto", *SCHEMES)), "upstairs": Key(_checks.flag), **_ENGINE},
    "descent": {"depth": Key(_whole_depth, True), "step": Key(_checks.positive, True)}
    | {"steps": Key(_integer(1), True), "stop_loss": Key(_checks.finite)}
    | {"weight_decay": _NON_NEGATIVE},
    "lowrank": {"depth": Key(_finite_depth, True), "rank": Key(_integer(1), True), **_SPAN}
    | {"gtol": _NON_NEGATIVE, **_CONTROL, **_ANY_METHOD, **_ENGINE},
}


def word(table: dict[str, Any], key: str) -> str:
    """The kind or law that a table names; empty where that is no word."""
    value = table.get(key)
    return value if isinstance(value, str) else ""


def function(name: Any, folder: str, key: str) -> Callable[..., Any]:
    """What "module:function" names, a module that is installed or lies in the folder.

    Raises
    ------
    ValueError
        In one line that begins with the key.
    """
    module, colon, attribute = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not (module and colon and attribute.isidentifier()):
        raise ValueError(f"{key} must be a text 'module:function', not {_checks.shown(name)}")
    if folder and folder not in sys.path:
        sys.path.append(folder)
        importlib.invalidate_caches()
    try:
        loaded = importlib.import_module(module)
        _require_beside(loaded, module, folder)
        digest(module)
        found = getattr(loaded, attribute)
    except Exception as error:  # whatever a module of yours raises
        raise ValueError(f"{key}: {name} cannot be imported ({error})") from None
    if not callable(found):
        raise ValueError(f"{key}: {name} must be a function, not {_checks.shown(found)}")
    return found


@functools.cache
def digest(module: str) -> str:
    """The SHA-256 of a module's file when it was loaded; empty where it has none."""
    file = Path(getattr(sys.modules[module], "__file__", None) or "")
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _require_beside(loaded: ModuleType, module: str, folder: str) -> None:
    """Refuse a module of the same name as one that lies in the folder."""
    own = Path(folder, *module.split(".")).with_suffix(".py")
    there = getattr(loaded, "__file__", None) or "built in"
    if folder and own.exists() and not (Path(there).exists() and own.samefile(there)):
        raise ImportError(f"another module of that name is loaded, {there}; rename {own}")
