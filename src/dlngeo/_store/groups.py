"""A long run kept in groups of its members, so that none is run twice, whatever interrupts it.

Members are numbered from 0, and a member is the same in any company: groups put together are the
run in one piece, and a longer run begins with the groups of a shorter one. Where others may write
to the folder meanwhile, hold it: :func:`dlngeo._store.files.held`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlngeo._environment import differences
from dlngeo._store import sealed
from dlngeo._store.files import GROUPS

Group = dict[str, Any]


@dataclass(frozen=True)
class Groups:
    """The first ``count`` members of a run in ``out``, ``size`` in a group but the last.

    ``members`` is what messages call them; ``read`` refuses a group of another run.
    """

    out: Path
    count: int
    size: int
    members: str
    read: Callable[[Path], Group]

    def files(self) -> Iterator[tuple[range, Path]]:
        """The members and the file of each group."""
        for first in range(0, self.count, self.size):
            span = range(first, min(first + self.size, self.count))
            yield span, self.out / GROUPS / name(span[0], span[-1])

    def present(self) -> list[Path]:
        """The groups that are there, of this many members or of more."""
        return sorted((self.out / GROUPS).glob("*.npz"))

    def finished(
        self, make: Callable[[range], Group], progress: Callable[[int], None] | None = None
    ) -> list[Group]:
        """All groups: those that are there, and those that ``make`` has to make.

        ``progress(n)`` is called when the first n members are on disk.
        """
        groups = []
        for span, file in self.files():
            if not file.exists():
                sealed.write(file, make(span))
            groups.append(self.read(file))
            if progress is not None:
                progress(span.stop)
        return groups

    def require_environment(
        self, versions: Callable[[Group], dict[str, str]], now: dict[str, str], mix: bool
    ) -> None:
        """Refuse members that were made with other versions than those of ``now``."""
        for file in self.present():
            differ = differences(versions(self.read(file)), now)
            if differ and not mix:
                raise ValueError(
                    f"{self.out} holds {self.members} of another environment: {differ}. Choose "
                    "another folder, or --mix-environments: then the numbers are no longer those "
                    "of one run"
                )


def name(first: int, last: int) -> str:
    """Of the file with these members."""
    return f"{first:06d}-{last:06d}.npz"


def require_name(file: Path, first: int, last: int, members: str) -> None:
    """Refuse a group under another one's name."""
    if file.name != name(first, last):
        raise ValueError(f"{file} holds the {members} {first} to {last}; give it back its name")
