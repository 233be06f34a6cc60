"""Results on disk: whole or not at all, in a folder that one run holds at a time."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dlngeo._results.archive import DRAFT
from dlngeo._results.archive import replacing as replacing

_LOCK = ".dlngeo-lock"
RUNS = "runs.zarr"  # the folder of a store of runs (:mod:`dlngeo._store.runs`)
GROUPS = "groups"  # where version 0.1 kept the paths of a simulation
SEALS = "seals"  # the folder of what says that parts are whole (:mod:`dlngeo._store.seals`)


def require_folder(out: Path) -> None:
    """Refuse at once what could not be written to at the end."""
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise ValueError(f"--out {out}: {existing} is not a folder that can be written to")


@contextmanager
def together(folder: Path, *, last: str) -> Iterator[Path]:
    """A folder beside the files' place; all that is written in it is moved there, ``last`` last."""
    with named(folder), tempfile.TemporaryDirectory(dir=folder, prefix=DRAFT) as draft:
        yield Path(draft)
        for file in sorted(Path(draft).iterdir(), key=lambda file: file.name == last):
            file.replace(folder / file.name)


@contextmanager
def named(place: Path) -> Iterator[None]:
    """An error of the system names a place; of a full disk it does not say which."""
    try:
        yield
    except OSError as error:
        if error.filename:
            raise
        if error.errno is None:  # NumPy counts what it wrote
            raise OSError(f"{place} cannot be written to: {error}") from None
        raise OSError(error.errno, error.strerror, str(place)) from None


def write_json(file: Path, content: dict[str, object]) -> None:
    """Names and values as JSON that people can read."""
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, made where it is missing, to this process alone; refused if another has it.

    The lock is the system's, so it ends with the process, whatever ends that. On a file system that
    knows no locks there is none.
    """
    made = not folder.exists()
    lock = _locked(folder / _LOCK)
    try:
        for room in (".", SEALS):
            for stale in (folder / room).glob(f"{DRAFT}*"):  # of a run that was killed
                shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        yield
    finally:
        with suppress(OSError):  # Windows keeps a file that is open
            (folder / _LOCK).unlink()
        lock.close()
        if made:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def _locked(file: Path) -> IO[str]:
    """The file, open and locked, with our name in it."""
    while (lock := _taken(file)) is None:
        pass
    with named(file):
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
    return lock


def _taken(file: Path) -> IO[str] | None:
    """The file, open and locked; None where whoever had it took it away meanwhile."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.open("a+", encoding="utf-8")
    except FileExistsError:  # the folder went away while mkdir looked what it was
        if os.path.lexists(file.parent) and not file.parent.is_dir():
            raise
        return None
    except FileNotFoundError:
        return None
    try:
        _lock(lock)
        if os.path.samestat(os.fstat(lock.fileno()), file.stat()):
            return lock
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        lock.close()
        raise ValueError(
            f"{file.parent} is being written by {holder}; wait for it, or choose another folder"
        ) from None
    except FileNotFoundError:
        pass
    lock.close()
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[str]) -> None:
        """Lock a byte far behind the text, which stays readable."""
        stream.seek(2**20)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None

else:
    import errno
    import fcntl

    def _lock(stream: IO[str]) -> None:
        """Lock the file; on NFS, for every machine."""
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise BlockingIOError from None
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
