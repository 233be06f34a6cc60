"""The data of an energy: arrays of the caller's, copied, and plain numbers of a file's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _plain
from dlngeo._checks import Array


def one_matrix(value: ArrayLike, name: str) -> Array:
    """A copy, for the caller may go on writing into his own."""
    array = _checks.matrix(value, name)
    if array.ndim != 2:
        raise ValueError(f"{name} must be one matrix, not a stack; its shape is {array.shape}")
    return array.copy()


def samples(X: ArrayLike, Y: ArrayLike) -> tuple[Array, Array]:
    """Inputs and outputs, one sample a column."""
    X, Y = one_matrix(X, "X"), one_matrix(Y, "Y")
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            "X and Y must have as many columns, one a sample; "
            f"their shapes are {X.shape} and {Y.shape}"
        )
    return X, Y


def require_table(energy: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse a configuration that is no mapping."""
    if not isinstance(energy, Mapping):
        raise TypeError(f"energy must be a table [energy], not {_plain.shown(energy)}")
    return energy


def keys(energy: Mapping[str, Any], kind: str, *choices: tuple[str, ...]) -> tuple[str, ...]:
    """Which of the sets of keys a configuration holds beside its kind."""
    if require_table(energy).get("kind", kind) != kind:
        raise ValueError(f"energy.kind must be {kind}, not {_plain.shown(energy['kind'])}")
    found = [key for key in energy if key != "kind"]
    for choice in choices:
        if set(found) == set(choice):
            return choice
    wanted = " or ".join(" and ".join(choice) for choice in choices)
    count = "one key" if max(map(len, choices)) == 1 else "keys"
    raise ValueError(
        f"[energy] of kind {kind} needs {count} besides, {wanted}; it has "
        f"{', '.join(map(str, found)) or 'none'}"
    )


def matrix(energy: Mapping[str, Any], key: str) -> Array:
    """The finite matrix under a key."""
    return np.asarray(_checks.matrix(_plain.rows(energy[key], f"energy.{key}"), f"energy.{key}"))


def require_shape(own: tuple[int, int], shape: tuple[int, int] | None) -> None:
    """Refuse data of another shape than the one that is asked for, if any."""
    if shape is not None and _checks.shape(shape) != own:
        raise ValueError(
            f"energy must be of matrices of the shape {tuple(shape)} asked for; its data are of "
            f"shape {own}"
        )
