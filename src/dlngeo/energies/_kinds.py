"""Energies by name, from plain numbers: what a TOML file or a command line may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from dlngeo import _plain
from dlngeo.energies._completion import MatrixCompletion
from dlngeo.energies._data import require_table
from dlngeo.energies._least_squares import Quadratic
from dlngeo.energies._linear_regression import LinearRegression
from dlngeo.energies._logistic import Logistic
from dlngeo.energies._protocol import Energy
from dlngeo.energies._sensing import MatrixSensing


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


_NAMED: tuple[type[NamedEnergy], ...] = (
    MatrixCompletion,
    Quadratic,
    LinearRegression,
    MatrixSensing,
    Logistic,
)

#: Every energy that a file can name: its ``kind`` to its class. An energy is added in two places:
#: a file of its own in this folder, with ``kind``, ``from_config`` and ``to_config``, and the tuple
#: above. One of yours may be put in when a program starts, ``KINDS["mine"] = Mine``.
KINDS: dict[str, type[NamedEnergy]] = {named.kind: named for named in _NAMED}


def from_config(energy: Mapping[str, Any], shape: tuple[int, int] | None = None) -> NamedEnergy:
    """The energy that a table of plain numbers describes, as ``[energy]`` of a TOML file does.

    Parameters
    ----------
    energy : mapping
        ``kind``, one of ``KINDS``, and the data that belong to it: ``table`` or ``triplets``
        for ``"completion"``, ``target`` for ``"quadratic"``, ``X`` and ``Y`` for ``"regression"``
        and ``"logistic"``, ``measurements`` and ``values`` for ``"sensing"``; lists of rows of
        numbers, nan among them where nothing is observed.
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
    """
    kind = require_table(energy).get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"energy.kind must be one of {', '.join(KINDS)}, not {_plain.shown(kind)}")
    return KINDS[kind].from_config(energy, shape)
