"""A process that is told to end: SIGTERM is heard like SIGINT, so that both end in good order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """The process was told to end; no handler of errors on the way is meant to see it.

    ``kept`` says what the run leaves behind.
    """

    def __init__(self, number: int, kept: str = "") -> None:
        word = "interrupted" if number == signal.SIGINT else "terminated"
        super().__init__(f"{word}; {kept}" if kept else word)
        self.number, self.code = number, 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGINT and SIGTERM raise :class:`Stopped`, once: a second one ends the process at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    heard = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
