"""Results in one file: arrays by name and one text, whole or not at all, never a pickle.

An archive is a zip file of the kind that ``numpy.savez`` writes and ``numpy.load`` reads: a member
``<name>.npy`` for every array, and ``about.npy``, one string, the JSON object

    {"format": "dlngeo", "version": 1, "kind": ..., "about": {...}}

whose ``kind`` is the class of the result, and whose ``about`` holds what is no array: numbers,
texts, lists and objects of them. JSON's doubles come back bit for bit, infinite ones and NaN too;
tuples come back as lists.

A result, which is a dataclass, stands in it field by field: arrays under their names, weights as
``W_1`` to ``W_N``, all else in ``about``.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array

DRAFT = ".dlngeo-draft-"  # begins the name of a file that is not whole yet
File: TypeAlias = str | os.PathLike[str]
Result = TypeVar("Result")

_FORMAT, _VERSION = "dlngeo", 1


def write(path: File, kind: str, arrays: dict[str, Array], about: dict[str, Any]) -> None:
    """Write an archive of the given kind; a file that is there already is replaced when all is."""
    header = {"format": _FORMAT, "version": _VERSION, "kind": kind, "about": about}
    if "about" in arrays:
        raise ValueError("an array must not be called about: the archive's text is")
    members = {**arrays, "about": np.array(json.dumps(header))}
    with replacing(_file(path)) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def read(path: File, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays of an archive of the given kind, and what is said about them."""
    file = _file(path)
    with file.open("rb") as stream:
        try:
            arrays = _members(stream)
            header = json.loads(arrays.pop("about", np.array("{}")).item())
            found = tuple(header.get(name) for name in ("format", "version", "kind"))
        except Exception as error:  # bytes that are none of its own may raise anything in zipfile
            raise ValueError(f"{file} cannot be read as an archive of dlngeo: {error}") from None
    wanted = (_FORMAT, _VERSION, kind)
    if found != wanted:
        raise ValueError(
            f"{file} must be an archive of format, version and class {wanted}, not {found}"
        )
    return arrays, header["about"]


def save(path: File, result: Any) -> None:
    """Write a result, a dataclass of arrays, of weights, and of what JSON holds."""
    about = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    arrays = {name: about.pop(name) for name in list(about) if isinstance(about[name], np.ndarray)}
    layers = about.pop("weights") or ()
    write(path, type(result).__name__, arrays | numbered(layers), about)


def load(path: File, cls: type[Result]) -> Result:
    """The result of a class that :func:`save` wrote, equal bit for bit."""
    arrays, about = read(path, cls.__name__)
    layers = tuple(arrays.pop(name) for name in numbered(arrays) if name in arrays)
    fields: dict[str, Any] = {**arrays, **about, "weights": layers or None}
    try:
        return cls(**fields)
    except TypeError as error:
        raise ValueError(f"{path} must hold the fields of {cls.__name__}: {error}") from None


def numbered(layers: Collection[Any]) -> dict[str, Any]:
    """Layers under the names that they have in an archive; there are no more than its members."""
    return {f"W_{p}": layer for p, layer in enumerate(layers, start=1)}


def _members(stream: BinaryIO) -> dict[str, Array]:
    arrays = {}
    with zipfile.ZipFile(stream) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
                member.read()  # to the end, where the checksum is looked at
            arrays[name.removesuffix(".npy")] = array
    return arrays


def _file(path: File) -> Path:
    if not os.fspath(_checks.instance(path, "path", str, os.PathLike)):
        raise ValueError("path must not be empty")
    return Path(path)


@contextmanager
def replacing(file: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become ``file`` when all of them are on the disk.

    A link stays a link, and a file that is replaced keeps its permissions.
    """
    target = Path(os.path.realpath(file))
    if target.exists() and not target.is_file():
        raise OSError(errno.EISDIR if target.is_dir() else errno.EINVAL, "no file", str(file))
    draft = target.with_name(f"{DRAFT}{os.getpid()}-{threading.get_ident()}.part")
    try:
        with draft.open("w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        told = isinstance(error, OSError) and error.filename not in (None, str(draft))
        if isinstance(error, OSError) and error.errno and not told:
            # of a full disk the system does not say which file it speaks of
            raise OSError(error.errno, error.strerror, str(file)) from None
        raise
