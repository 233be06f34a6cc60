"""Energies by name, from plain numbers: what a TOML file or a command line may ask for.

And their data: arrays of the caller's, copied, and plain numbers of a file's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _plain
from dlngeo._checks import Array
from dlngeo.energies._protocol import Energy


class NamedEnergy(Energy, Protocol):
    """An energy with a name, from and to plain numbers (``KINDS``: kind to class)."""

    kind: str
    shape: tuple[int, int]

    @classmethod
    def from_config(
        cls, energy: Mapping[str, Any], shape: tuple[int, int] | None = None
    ) -> NamedEnergy:
        """The energy of a table of plain numbers."""
        ...

    def to_config(self) -> dict[str, Any]:
        """A table that :meth:`from_config` reads back."""
        ...


#: Every energy that a file can name: its ``kind`` to its class.
KINDS: dict[str, type[NamedEnergy]] = {}

Named = TypeVar("Named", bound=type[NamedEnergy])


def named(cls: Named) -> Named:
    """Enter a class in ``KINDS``. An energy is added by a file of its own, and at the door."""
    KINDS[cls.kind] = cls
    return cls


def from_config(energy: Mapping[str, Any], shape: tuple[int, int] | None = None) -> NamedEnergy:
    """The energy that a table of plain numbers describes, as ``[energy]`` of a TOML file does.

    Parameters
    ----------
    energy : mapping
        ``kind``, one of ``KINDS``, and the data that belong to it: ``table`` or ``triplets``
        for ``"completion"``, ``target`` for ``"quadratic"``, ``X`` and ``Y`` for ``"regression"``
        and ``"logistic"``, ``measurements`` and ``values`` for ``"sensing"``, ``triplets`` and
        ``shape`` for ``"sparse_completion"`` and its kin; lists of rows of numbers, nan among
        them where nothing is observed.
    shape : (m, n) or None
        Of the matrices, where the data do not tell it, as triplets do not.

    Returns
    -------
    Energy
        With a method ``to_config`` whose answer leads to an equal energy.

    Raises
    ------
    ValueError, TypeError
        In one line that names the key, ``energy.table[0][1]``, and what came.

    Notes
    -----
    A class of yours with ``kind``, ``from_config`` and ``to_config`` may be put in when a program
    starts: ``KINDS["mine"] = Mine``.

    Examples
    --------
    >>> import dlngeo as dln
    >>> energy = dln.energies.from_config({"kind": "quadratic", "target": [[3, 0], [0, 1]]})
    >>> energy
    Quadratic(2 x 2)
    >>> energy.to_config()
    {'kind': 'quadratic', 'target': [[3.0, 0.0], [0.0, 1.0]]}
    """
    kind = require_table(energy).get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(
            f"energy.kind must be one of {', '.join(sorted(KINDS))}, not {_plain.shown(kind)}"
        )
    return KINDS[kind].from_config(energy, shape)


# --------------------------------------------------------------------------------------- data


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
