"""Energies and starts of cells: the start of a path is the same in any company.

Gaussian numbers are drawn for 64 paths at a time, from a stream of their own for each cell and each
such group: child (1, cell, group) of the seed. The noise of a cell's paths is that of its child
(0, cell).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from dlngeo import _checks, balanced, energies, lowrank, tables, weights
from dlngeo._checks import Array, Weights
from dlngeo.energies import Energy
from dlngeo.sweeps.settings import function
from dlngeo.sweeps.study import Cell, Study, matrix_of

_GROUP = 64  # paths that draw from one stream
_NOISE, _START = 0, 1


def noise(study: Study, cell: Cell) -> np.random.SeedSequence:
    """The seed of a cell's noise, whose child k is that of path k."""
    return np.random.SeedSequence(study.seed, spawn_key=(_NOISE, cell.number))


def energy_of(study: Study, cell: Cell) -> Energy:
    """The energy of a cell; the last few are kept."""
    return _energy(json.dumps(cell.energy), study.folder)


@lru_cache(maxsize=8)
def _energy(table: str, folder: str) -> Energy:
    energy: dict[str, Any] = json.loads(table)
    if "dataset" in energy:
        known = set(energy) - {"dataset"}
        if known:
            raise ValueError(f"[energy] with dataset needs no other key; it has {min(known)}")
        return energies.MatrixCompletion.from_nan(tables.dataset(energy["dataset"]).values)
    if "call" in energy:
        made: Energy = function(energy.pop("call"), folder, "energy.call")(**energy)
        return made
    return energies.from_config(energy)


def shape_of(energy: Energy, cell: Cell) -> tuple[int, int]:
    """Of W: the energy's, or that of the start where the energy has none."""
    shape = getattr(energy, "shape", None)
    if shape is None and cell.start.get("law") == "matrix":
        shape = matrix_of(cell).shape
    if shape is None:
        raise ValueError("energy must have a shape, or start.law must be matrix")
    return _checks.shape(tuple(shape))


def downstairs(study: Study, cell: Cell, shape: tuple[int, int], paths: range) -> Array:
    """The starts W (path, m, n) of these paths."""
    law = cell.start["law"]
    if law == "matrix":
        return np.repeat(matrix_of(cell)[None], len(paths), axis=0)
    if law == "balanced":
        return weights.end_to_end(upstairs(study, cell, shape, paths))

    def group(generator: np.random.Generator) -> Weights:
        W = cell.start["scale"] * generator.standard_normal((_GROUP, *shape))
        return (_signed(W, W, cell),)

    return _drawn(study, cell, paths, group)[0]


def upstairs(study: Study, cell: Cell, shape: tuple[int, int], paths: range) -> Weights:
    """The starts W_1, ..., W_N, each (path, d_p, d_{p-1})."""
    law, depth = cell.start["law"], int(cell.dynamics["depth"])
    if law == "matrix":
        layers = balanced.lift(matrix_of(cell), depth)
        return tuple(np.repeat(W[None], len(paths), axis=0) for W in layers)
    hidden = cell.start.get("width", min(shape))
    widths = (shape[1], *[hidden] * (depth - 1), shape[0])
    make = weights.random_balanced if law == "balanced" else weights.random

    def group(generator: np.random.Generator) -> Weights:
        layers = make(widths, cell.start["scale"], rng=generator, size=_GROUP)
        return (*layers[:-1], _signed(layers[-1], weights.end_to_end(layers), cell))

    return _drawn(study, cell, paths, group)


def downstairs_of(layers: Weights) -> Array:
    """The end-to-end matrices of starts upstairs."""
    return weights.end_to_end(layers)


def low_rank(
    study: Study, cell: Cell, energy: Energy, shape: tuple[int, int], path: int
) -> lowrank.Factors | Array | None:
    """The start of one flow of low rank; None where the scale says it."""
    law, rank = cell.start["law"], cell.dynamics["rank"]
    if law == "slope":
        return None
    if law == "spectral":
        return lowrank.spectral_start(energy, rank)
    if law == "frames":
        seed = np.random.SeedSequence(study.seed, spawn_key=(_START, cell.number, path))
        return lowrank.random_start(shape, rank, scale=cell.start["scale"], rng=seed)
    return downstairs(study, cell, shape, range(path, path + 1))[0]


def _drawn(
    study: Study, cell: Cell, paths: range, group: Callable[[np.random.Generator], Weights]
) -> Weights:
    """The layers of these paths, of all groups that have some of them."""
    drawn = []
    for number in range(paths.start // _GROUP, (paths.stop - 1) // _GROUP + 1):
        seed = np.random.SeedSequence(study.seed, spawn_key=(_START, cell.number, number))
        drawn.append(group(np.random.default_rng(seed)))
    first = paths.start % _GROUP
    part = slice(first, first + len(paths))
    return tuple(np.concatenate(several)[part] for several in zip(*drawn, strict=True))


def _signed(layer: Array, W: Array, cell: Cell) -> Array:
    """The layer with its first row turned over where det W has not the sign that is asked for."""
    if "sign" in cell.start:
        turned = np.sign(np.linalg.det(W)) == -cell.start["sign"]
        layer[turned, 0] *= -1
    return layer
