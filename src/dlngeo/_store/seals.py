"""Seals: what says that a chunk of a store is finished, and what its files are to the last bit.

A seal is a text of two lines: a JSON object with the place in the grid, the SHA-256 of each file
and a record of how they were made; and the SHA-256 of that line. It is written last, whole or not
at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dlngeo._store.blocks import Block
from dlngeo._store.files import SEALS, replacing

VERSION = 2  # of a seal, and of what it is named by; kept among the store's attributes


class Damaged(Exception):
    """A seal that is not whole, or files that are not those that were sealed."""


def write(out: Path, block: Block, files: Iterable[Path], record: Any) -> None:
    """Seal the files, which lie within ``out``, once they are on the disk."""
    with ThreadPoolExecutor(8) as pool:  # waiting for a disk takes as long for eight as for one
        digests = dict(pool.map(lambda file: (str(file.relative_to(out)), _settled(file)), files))
    content = {"box": block.ends, "files": digests, "record": record}
    line = json.dumps(content).encode()
    place = place_of(out, block)
    place.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place) as stream:
        stream.write(line + b"\n" + _digest(line).encode())


def read(out: Path, block: Block) -> Mapping[str, Any] | None:
    """The record of a chunk that is finished; None where there is none, or of fewer runs.

    Raises
    ------
    Damaged
        In words that name the file.
    """
    place = place_of(out, block)
    if not place.exists():
        return None
    line, _, digest = place.read_bytes().partition(b"\n")
    if _digest(line).encode() != digest:
        raise Damaged(f"{place} is damaged")
    content = json.loads(line)
    if content["box"] != block.ends:
        return None
    for name, sealed in content["files"].items():
        file = out / name
        if not file.exists():
            raise Damaged(f"{file} is missing")
        if _digest(file.read_bytes()) != sealed:
            raise Damaged(f"{file} is damaged")
    return dict(content["record"])


def place_of(out: Path, block: Block) -> Path:
    """Where the seal of a block is, or would be."""
    return out / SEALS / f"{block.name}.json"


def remove(out: Path) -> None:
    """Take all seals away: of a store that is not there any more."""
    for file in (out / SEALS).glob("*.json"):
        file.unlink()


def _settled(file: Path) -> str:
    """The digest of a file that has been brought to the disk."""
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())
        return _digest(stream.read())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
