"""Arrays in a file that tells whether it is whole.

A sealed file is an ``.npz`` archive whose comment is the SHA-256 of everything before it: no byte
can change, none be lost or added, without its being seen. Whatever can read an ``.npz`` reads it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dlngeo._store.files import replacing

_DIGITS = hashlib.sha256().digest_size * 2


def write(file: Path, arrays: dict[str, Any]) -> None:
    """All or nothing, in a folder that is made where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as stream:
        np.savez(stream, **arrays)
        stream.seek(-2, os.SEEK_END)
        stream.write(_DIGITS.to_bytes(2, "little"))  # the length of the comment
        size = stream.tell()
        stream.write(_digest(stream, size))


def read(file: Path, what: str) -> dict[str, Any]:
    """The arrays as they were written; the refusal says ``what`` the file ought to be."""
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END) - _DIGITS
        if size < 0 or _digest(stream, size) != stream.read():
            raise ValueError(f"{file} is damaged, or no {what}; remove it")
        stream.seek(0)
        try:
            with np.load(stream) as archive:
                return dict(archive)
        except Exception as error:  # whole, but written by something else: anything may be in it
            raise foreign(file, what, error) from None


def foreign(file: Path, what: str, error: Exception) -> ValueError:
    """The refusal of a whole file that is not ``what`` it ought to be."""
    return ValueError(f"{file} is no {what} ({error!r}); remove it")


def _digest(stream: BinaryIO, size: int) -> bytes:
    """The SHA-256, in hexadecimal digits, of the first bytes of a file; it stands behind them."""
    stream.seek(0)
    digest, left = hashlib.sha256(), size
    while left and (block := stream.read(min(left, 2**20))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()
