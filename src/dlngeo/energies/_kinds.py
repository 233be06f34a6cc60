"""Energies by name, from plain numbers: what a TOML file or a command line may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from dlngeo import _plain
from dlngeo.energies._data import require_table
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
