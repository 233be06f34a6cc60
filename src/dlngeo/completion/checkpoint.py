"""What a long completion has computed so far, in a file: a run that was killed goes on from there.

Outcomes are plain numbers under names; each that is added is on disk, whole, before the run goes
on. With them stand the settings that they belong to, the data and whatever the last bits depend on:
another run's outcomes are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np

from dlngeo._engine import chosen, recorded
from dlngeo._environment import differences, numerics
from dlngeo._store import sealed
from dlngeo.tables import Triplets

NAME = "checkpoint.npz"
_WHAT = "checkpoint of a completion"


class Checkpoint(MutableMapping[str, dict[str, Any]]):
    """The outcomes of one run by name, kept in ``out/checkpoint.npz``."""

    def __init__(self, out: Path, settings: dict[str, str]) -> None:
        self._file, self._settings = out / NAME, settings
        self._done: dict[str, dict[str, Any]] = {}
        if self._file.exists():
            there, self._done = _read(self._file)
            differ = differences(there, settings)
            if differ:
                raise ValueError(
                    f"{out} holds an interrupted run of other settings: {differ}. The command it "
                    f"was begun with goes on from there; else choose another folder, or remove "
                    f"{self._file}"
                )

    def __getitem__(self, name: str) -> dict[str, Any]:
        return self._done[name]

    def __setitem__(self, name: str, outcome: dict[str, Any]) -> None:
        self._done[name] = outcome
        sealed.write(
            self._file,
            {"settings": json.dumps(self._settings), "done": json.dumps(self._done)},
        )

    def __delitem__(self, name: str) -> None:
        raise TypeError("what is done stays done")

    def __iter__(self) -> Iterator[str]:
        return iter(self._done)

    def __len__(self) -> int:
        return len(self._done)

    def remove(self) -> None:
        """Take the file away: the results are in place."""
        self._file.unlink(missing_ok=True)


def require_none(out: Path) -> None:
    """Refuse a folder in which a run in factored form was interrupted."""
    if (out / NAME).exists():
        raise ValueError(
            f"{out} holds an interrupted run of another method, factored, not dense. The command "
            f"it was begun with goes on from there; else choose another folder, or remove "
            f"{out / NAME}"
        )


def _read(file: Path) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    arrays = sealed.read(file, _WHAT)
    try:
        return json.loads(str(arrays["settings"])), dict(json.loads(str(arrays["done"])))
    except Exception as error:  # whole, but written by something else: anything may be in it
        raise sealed.foreign(file, _WHAT, error) from None


def settings_of(triplets: Triplets, **options: object) -> dict[str, str]:
    """What outcomes belong to: options, the data's digest, and what the last bits depend on."""
    said = {name: str(value) for name, value in options.items()}
    return said | {"data": _digest(triplets), "engine": recorded(chosen("auto"))} | numerics()


def _digest(triplets: Triplets) -> str:
    """Of entries and labels, wherever they were read from."""
    digest = hashlib.sha256()
    for array in (triplets.i, triplets.j, triplets.values):
        digest.update(np.ascontiguousarray(array).data)
    digest.update(json.dumps([triplets.rows, triplets.columns]).encode())
    return digest.hexdigest()[:12]
