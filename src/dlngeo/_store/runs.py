"""Runs on a grid, kept in a folder as a Zarr group in chunks that are whole or not there.

The folder holds ``runs.zarr``, one array for each observable over the grid's axes, and ``seals``
(:mod:`dlngeo._store.seals`). A chunk of the arrays, one block of runs, is written, brought to the
disk and then sealed: what has no seal has not been computed, whatever lies there. Needs the extra
``study``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._store import seals
from dlngeo._store.blocks import Block, blocks
from dlngeo._store.files import RUNS, named

if TYPE_CHECKING:
    import xarray

_VERSION = 1
_LAYOUT = ("format", "seals", "grid", "block")  # attributes that say how the store is laid out
MISSING = -9  # in arrays of integers: not computed yet; NaN in others


class Variable(NamedTuple):
    """An observable of some runs: its dimensions after the grid's, and values (run, ...)."""

    dimensions: tuple[str, ...]
    values: Array


class State(NamedTuple):
    """Which chunks are finished, with their records; which are damaged, and how."""

    finished: dict[int, Mapping[str, Any]]
    damaged: dict[int, str]


def require_extra() -> None:
    """Refuse where Zarr or xarray is missing."""
    try:
        import xarray
        import zarr
    except ImportError as error:
        raise ImportError(
            f"a store of runs needs zarr and xarray ({error}): pip install 'dlngeo[study]'"
        ) from None
    if int(zarr.__version__.split(".")[0]) < 3 or not xarray.__version__:
        raise ImportError(
            f"a store of runs needs zarr 3 or later, not {zarr.__version__}: "
            "pip install -U 'dlngeo[study]'"
        )


class Runs:
    """A store that is there; :meth:`create` makes one, :func:`found` opens one."""

    def __init__(self, out: Path, group: Any) -> None:
        self.out, self._group = out, group
        self.attributes: dict[str, Any] = dict(group.attrs)
        self.grid: dict[str, int] = self.attributes["grid"]
        self.block: tuple[int, ...] = tuple(self.attributes["block"])
        self._arrays: dict[str, Any] = {}

    @classmethod
    def create(
        cls,
        out: Path,
        coordinates: Mapping[str, Sequence[Any]],
        block: tuple[int, ...],
        attributes: Mapping[str, Any],
    ) -> Runs:
        """A store without runs, in a folder that has none."""
        import zarr

        grid = {name: len(values) for name, values in coordinates.items()}
        layout = {"format": f"dlngeo runs {_VERSION}", "seals": seals.VERSION}
        layout |= {"grid": grid, "block": list(block)}
        with named(out):
            seals.remove(out)
            group = zarr.create_group(
                out / RUNS, zarr_format=3, overwrite=True, attributes=layout | dict(attributes)
            )
            store = cls(out, group)
            store.label(coordinates)
        return store

    def grow(self, coordinates: Mapping[str, Sequence[Any]], **attributes: Any) -> None:
        """Make the last axis longer, and write attributes anew.

        What is finished stays so, but for blocks that were cut short by the old end of the axis.

        Raises
        ------
        ValueError
            Where blocks have runs of several places before that axis.
        """
        if any(size > 1 for size in self.block[:-1]):
            raise ValueError(
                f"{self.out} has chunks of {self.block} runs, to which none can be added; choose "
                "another folder"
            )
        *_, last = self.grid
        self.grid = self.grid | {last: len(coordinates[last])}
        with named(self.out):
            self.change(grid=self.grid, **attributes)
            self.fit()
            self.label(coordinates)

    def fit(self) -> None:
        """Make all arrays as long as the grid, which they are but where growing was cut short."""
        for name, array in self._group.arrays():
            inner = () if name in self.grid else array.shape[len(self.grid) :]
            shape = (self.grid[name],) if name in self.grid else (*self.grid.values(), *inner)
            if array.shape != shape:
                array.resize(shape)

    def label(self, coordinates: Mapping[str, Sequence[Any]]) -> None:
        """Write the coordinates that are numbers along their dimensions."""
        for name, values in coordinates.items():
            array = np.asarray(values)
            if array.dtype.kind in "iuf":
                if name not in self._group:
                    self._group.create_array(
                        name, shape=array.shape, dtype=array.dtype, dimension_names=[name]
                    )[:] = array
                elif not np.array_equal((there := self._group[name])[:], array):
                    there[:] = array

    @property
    def blocks(self) -> list[Block]:
        """All chunks, finished or not."""
        return list(blocks(tuple(self.grid.values()), self.block))

    def seal(self, block: Block) -> Path:
        """What says that a chunk is finished; without it the chunk is computed anew."""
        return seals.place_of(self.out, block)

    def state(self) -> State:
        """What is finished; every file of it is read and compared with its seal."""
        state = State({}, {})
        for block in self.blocks:
            try:
                record = seals.read(self.out, block)
            except seals.Damaged as error:
                state.damaged[block.number] = str(error)
            else:
                if record is not None:
                    state.finished[block.number] = record
        return state

    def write(self, block: Block, variables: Mapping[str, Variable], record: Any) -> None:
        """Keep one chunk, all of it or nothing."""
        with named(self.out):
            files = [self._put(block, name, part) for name, part in variables.items()]
            seals.write(self.out, block, files, record)

    def _put(self, block: Block, name: str, part: Variable) -> Path:
        array = self._array(name, part)
        inner = array.shape[len(self.grid) :]
        if part.values.shape[1:] != inner:
            raise ValueError(
                f"observable {name} must have one shape in all runs; it has {inner} and "
                f"{part.values.shape[1:]}"
            )
        array[block.box] = part.values.reshape(*block.shape, *inner)
        key = ("c", *map(str, block.place), *("0" for _ in inner))
        return Path(self.out / RUNS / name, "/".join(key))

    def _array(self, name: str, part: Variable) -> Any:
        """The array of an observable, made when its first chunk comes."""
        if name not in self._arrays and name in self._group:
            self._arrays[name] = self._group[name]
        if name not in self._arrays:
            inner, whole = part.values.shape[1:], part.values.dtype.kind in "iu"
            self._arrays[name] = self._group.create_array(
                name,
                shape=(*self.grid.values(), *inner),
                chunks=(*self.block, *(max(1, size) for size in inner)),
                dtype=part.values.dtype,
                fill_value=MISSING if whole else math.nan,
                compressors=None,
                dimension_names=[*self.grid, *part.dimensions],
                config={"write_empty_chunks": True},  # a seal wants a file
            )
        return self._arrays[name]

    def read(self, name: str) -> Array:
        """An observable of all runs, finished or not."""
        return np.asarray(self._group[name][:])

    def dataset(self, state: State) -> xarray.Dataset:
        """The arrays with their labels; what is not finished is NaN, in integers ``MISSING``."""
        import xarray

        found = xarray.open_zarr(
            self.out / RUNS, consolidated=False, chunks=None, mask_and_scale=False
        )
        open_blocks = [block for block in self.blocks if block.number not in state.finished]
        if open_blocks and found.data_vars:
            found = found.load()
            for variable in found.data_vars.values():
                gap = MISSING if variable.dtype.kind in "iu" else math.nan
                for block in open_blocks:
                    variable.values[block.box] = gap
        for name in _LAYOUT:
            found.attrs.pop(name)
        return found

    def change(self, **attributes: Any) -> None:
        """Write attributes anew, where they are not what they were."""
        if all(self.attributes.get(name) == value for name, value in attributes.items()):
            return
        self._group.attrs.update(attributes)
        self.attributes.update(attributes)


def found(out: Path) -> Runs | None:
    """The store in a folder; None where there is none.

    Raises
    ------
    ValueError
        Where what lies there is no store.
    """
    import zarr

    if not (out / RUNS / "zarr.json").exists():
        return None
    try:
        group = zarr.open_group(out / RUNS, mode="r+")
        store = Runs(out, group)
        if store.attributes.get("format") != f"dlngeo runs {_VERSION}":
            raise ValueError(f"format {store.attributes.get('format')!r}")
        if store.attributes.get("seals") == seals.VERSION:
            store.fit()
            return store
    except (FileNotFoundError, json.JSONDecodeError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{out / RUNS} is no store of runs ({error!r}); remove it") from None
    raise ValueError(
        f"{out} was written by another version of dlngeo: its seals are of format "
        f"{store.attributes.get('seals', 1)}, not {seals.VERSION}; choose another folder"
    )


def leftovers(out: Path) -> Iterator[Path]:
    """Files that a run which was killed left behind half-written."""
    return (out / RUNS).rglob("*.partial")
