"""Executors by the names that the command line has for them."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any

from dlngeo import _checks

_DASK = "dask://"
_SECONDS = 10  # in which a scheduler must answer


class Inline(Executor):
    """Runs what is submitted at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def opened(name: str, workers: int | None) -> Iterator[tuple[Executor | None, int]]:
    """The executor of a name, None for "inline", and how many chunks it computes at once.

    Raises
    ------
    ValueError, ImportError, OSError
        For a name that there is not, where ``distributed`` is missing or no scheduler answers.
    """
    if workers is not None:
        workers = _checks.integer(workers, "--workers", 1)
    if name == "inline":
        if workers not in (None, 1):
            raise ValueError(f"--workers {workers} needs --executor processes or dask://host:port")
        yield None, 1
    elif name == "processes":
        count = workers or _processors()
        with _processes(count) as pool:
            yield pool, count
    elif name.startswith(_DASK) and len(name) > len(_DASK):
        with _dask(name.removeprefix(_DASK)) as (executor, threads):
            yield executor, workers or threads
    else:
        raise ValueError(f"--executor must be inline, processes or {_DASK}host:port, not {name!r}")


def _processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Pool(ProcessPoolExecutor):
    """A pool whose futures cannot be cancelled.

    When its processes are ended, its thread tells all futures so, and in some versions of Python
    fails at those that have been cancelled.
    """

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that its processes fill, or break."""
        future = super().submit(fn, *args, **kwargs)
        future.cancel = lambda: False  # type: ignore[method-assign]
        return future


@contextlib.contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """New processes, which end with this one, however it ends."""
    before = set(multiprocessing.active_children())
    pool = _Pool(count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    except BaseException:
        children = set(multiprocessing.active_children()) - before
        for child in children:
            child.terminate()
        for child in children:
            child.join()
        pool.shutdown()  # to its end: what it leaves open is complained of when Python ends
        raise
    pool.shutdown()


def _begin() -> None:
    """A worker leaves it to its parent to hear of Ctrl-C, and ends when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _dask(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            f"--executor {_DASK}{address} needs distributed ({error}): pip install 'dlngeo[dask]'"
        ) from None
    try:
        client = distributed.Client(f"tcp://{address}", timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        threads = sum(client.ncores().values())
        if not threads:
            raise OSError(f"the Dask scheduler at {address} has no workers")
        executor = client.get_executor(pure=False)
        try:
            yield executor, threads
        finally:
            executor.shutdown(wait=False)
