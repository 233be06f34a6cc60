r"""Studies of many runs: described in a file, run anywhere, kept so that nothing is lost.

A :class:`Study` names an energy, a start, a dynamics, a grid of settings, how many paths each cell
of the grid has, and what is read off them. It is a small TOML file, and the same as a dataclass.

- :func:`read` reads one, and says everything that is wrong with it at once;
- :func:`run` runs it in this process or on any ``concurrent.futures.Executor``, chunk after chunk,
  each kept on the disk as soon as it is done: interrupted, it goes on from there;
- :func:`load` gives the runs as an ``xarray.Dataset`` with the grid's axes as dimensions.

The numbers of a run depend on the study, the cell and the path alone: not on the executor, the size
or the order of chunks, or on restarts, to the last bit on one kind of machine. The store is a Zarr
group (the extra ``study``). ``dlngeo sweep`` and ``dlngeo show`` are the same for a terminal;
docs/sweeps.md has all keys and observables.
"""

from __future__ import annotations

from dlngeo._study import Mistakes
from dlngeo.sweeps.dynamics import Runs
from dlngeo.sweeps.reading import read
from dlngeo.sweeps.running import load, run
from dlngeo.sweeps.study import Study

__all__ = ["Mistakes", "Runs", "Study", "load", "read", "run"]


def __dir__() -> list[str]:
    return __all__
