"""A simulation on disk: paths run in groups, each kept as soon as it is done, so none is run twice.

Path k of a seed is the same numbers in any company (:mod:`dlngeo.dynamics.noise`), so groups put
together are the run in one piece, bit for bit, whatever was interrupted in between; and a run with
more paths begins with the groups of one with fewer.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlngeo import __version__
from dlngeo._checks import Array
from dlngeo.dynamics import ensemble, langevin
from dlngeo.dynamics.stepping import report
from dlngeo.studies.simulation import Comparison, beside
from dlngeo.studies.simulation_config import Config, to_toml

GROUP = 128  # paths
Progress = Callable[[int], None]


def run(config: Config, out: str | Path, *, progress: Progress | None = None) -> Comparison:
    """Simulate, or go on from the groups that are in ``out`` already.

    Parameters
    ----------
    config : Config
    out : path
        A folder; groups are kept in ``out/groups``.
    progress : callable or None
        ``progress(n)`` when the first n paths are on disk.

    Raises
    ------
    ValueError
        If the folder holds paths of another configuration or version.
    """
    told = _told(config)
    for file in sorted((Path(out) / "groups").glob("*.npz")):
        _require_same(file, told)
    groups = []
    for first, count, file in _groups(config, out):
        if not file.exists():
            _write(file, {"told": np.array(told), **_group(config, first, count)})
        groups.append(_read(file))
        if progress is not None:
            progress(first + count)
    return beside(config.build_energy(), _together(config, groups))


def seconds(config: Config, out: str | Path) -> float:
    """How long the groups of this run took, interruptions not counted."""
    return float(sum(_read(file)["seconds"] for *_, file in _groups(config, out)))


def _groups(config: Config, out: str | Path) -> Iterator[tuple[int, int, Path]]:
    """The first path, the number of paths and the file of each group."""
    for first in range(0, config.paths, GROUP):
        count = min(GROUP, config.paths - first)
        yield first, count, Path(out) / "groups" / f"{first:06d}-{first + count - 1:06d}.npz"


def save(config: Config, result: Comparison, folder: str | Path) -> None:
    """Write ``paths.npz``, with the ensemble and both flows, and ``config.toml``."""
    arrays: dict[str, Array] = {}
    paths, free, plain = result.ensemble, result.free_energy_flow, result.gradient_flow
    for prefix, part in (("", paths), ("free_energy_flow_", free), ("gradient_flow_", plain)):
        for name in ("t", "W", "singular_values", "energy", "effective_rank"):
            arrays[prefix + name] = getattr(part, name)
    for p, layer in enumerate(paths.weights or (), start=1):
        arrays[f"W_{p}"] = layer
    np.savez(Path(folder) / "paths.npz", **arrays)  # type: ignore[arg-type]
    (Path(folder) / "config.toml").write_text(to_toml(config), encoding="utf-8")


# -------------------------------------------------------------------------------------- one group


def _group(config: Config, first: int, count: int) -> dict[str, Any]:
    """The arrays of paths first .. first + count - 1."""
    begun = time.perf_counter()
    paths = langevin.simulate(
        config.build_energy(),
        config.matrix(),
        depth=config.depth,
        beta=config.beta,
        kappa=config.kappa,
        weight_decay=config.weight_decay,
        dt=config.dt,
        n_steps=config.steps,
        n_paths=count,
        first_path=first,
        rng=config.seed,
        upstairs=config.upstairs,
        save_every=config.save_every,
    )
    layers = {f"W_{p}": layer for p, layer in enumerate(paths.weights or (), start=1)}
    return {
        "t": paths.t,
        "W": paths.W,
        **layers,
        "ends": paths.ends,
        "provenance": json.dumps(paths.provenance),
        "seconds": time.perf_counter() - begun,
    }


def _together(config: Config, groups: list[dict[str, Array]]) -> ensemble.Ensemble:
    """One ensemble."""
    known = [json.loads(str(group["provenance"])) for group in groups]
    cut = sum(provenance["cut"] for provenance in known)
    told = {**known[0], "spawn_key": tuple(known[0]["spawn_key"]), "cut": cut}
    ends = np.concatenate([group["ends"] for group in groups])
    names = (f"W_{p}" for p in range(1, len(groups[0])) if f"W_{p}" in groups[0])
    layers = [np.concatenate([group[name] for group in groups]) for name in names]
    return ensemble.build(
        config.build_energy(),
        groups[0]["t"],
        np.concatenate([group["W"] for group in groups]),
        tuple(layers) or None,
        ends,
        report(ends, told),
        told,
    )


# ----------------------------------------------------------------------------------------- files


def _told(config: Config) -> str:
    """What determines a path: everything but how many there are."""
    return f"dlngeo = {__version__!r}\n" + to_toml(dataclasses.replace(config, paths=1))


def _require_same(file: Path, told: str) -> None:
    try:
        with file.open("rb") as stream, np.load(stream) as kept:
            other = str(kept["told"])
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile):
        raise ValueError(f"{file} is no group of paths; remove it") from None
    if other != told:
        theirs, ours = other.splitlines(), told.splitlines()
        there = next((line for line in theirs if line not in ours), "more")
        here = next((line for line in ours if line not in theirs), "more")
        raise ValueError(
            f"{file.parent.parent} holds paths of another run, with {there}, not {here}; "
            "choose another folder"
        )


def _write(file: Path, arrays: dict[str, Any]) -> None:
    """All or nothing: under another name first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, **arrays)
        os.replace(draft, file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _read(file: Path) -> dict[str, Array]:
    with np.load(file) as kept:
        return {name: kept[name] for name in kept.files if name != "told"}
