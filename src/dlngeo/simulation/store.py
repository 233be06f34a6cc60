"""A simulation on disk: paths run in groups, each kept as soon as it is done, so none is run twice.

Path k of a seed is the same numbers in any company (:mod:`dlngeo._random`), so groups put
together are the run in one piece, bit for bit. They are the chunks of a store of runs along one
axis, ``path`` (:mod:`dlngeo._store.runs`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlngeo import _checks, langevin
from dlngeo._checks import Array
from dlngeo._engine import recorded
from dlngeo._environment import differences, numerics
from dlngeo._paths.run import report
from dlngeo._results import ensemble
from dlngeo._store.blocks import Block
from dlngeo._store.files import GROUPS
from dlngeo._store.runs import Runs, State, Variable, found, leftovers, require_extra
from dlngeo.simulation._beside import Comparison, beside
from dlngeo.simulation.config import Config, difference, from_toml, read, to_toml

GROUP = 128  # paths
_Record = Mapping[str, Any]


def run(
    config: Config,
    out: str | Path,
    *,
    progress: Callable[[int], None] | None = None,
    mix_environments: bool = False,
) -> Comparison:
    """Simulate, or go on from the paths that are in ``out`` already.

    Parameters
    ----------
    config : Config
    out : path
        A folder; paths are kept in ``out/runs.zarr`` (the extra ``study``). Where others may write
        to it meanwhile, hold it: ``dlngeo._store.files.held``.
    progress : callable or None
        ``progress(n)`` when n paths are on disk.
    mix_environments : bool
        Go on from paths that were made with other versions or on another kind of processor. They
        have the law of this run, but not the bits.

    Raises
    ------
    ValueError
        If the folder holds paths of another configuration or, unless asked to mix, of another
        environment; damaged paths, or those of an earlier version of the library; or a result of
        more paths than these.
    """
    _checks.instance(config, "config", Config)
    _checks.instance(out, "out", str, os.PathLike)
    _checks.flag(mix_environments, "mix_environments")
    if progress is not None:
        _checks.function(progress, "progress")
    require_extra()
    _require_room(config, Path(out))
    store, state = _opened(config, Path(out))
    now = numerics() | {"engine": recorded(config.engine_taken())}
    _require_environment(Path(out), state, now, mix_environments)
    made = None
    if store is None:
        made = _group(config, range(min(GROUP, config.paths)))  # refused before anything is there
        about = {"config": to_toml(config)}
        store = Runs.create(Path(out), {"path": range(config.paths)}, (GROUP,), about)
    blocks = _blocks(config, store)
    for block in blocks:
        if block.number not in state.finished:
            variables, record = made or _group(config, block.runs)
            made = None
            store.write(block, variables, record)
            state.finished[block.number] = record
        if progress is not None:
            progress(min(block.last + 1, config.paths))
    records = [state.finished[block.number] for block in blocks]
    return beside(config.build_energy(), _together(config, store, records))


def seconds(config: Config, out: str | Path) -> float:
    """How long the groups of this run took, interruptions not counted."""
    store, state = _opened(config, Path(out))
    assert store is not None
    return float(sum(state.finished[b.number]["seconds"] for b in _blocks(config, store)))


def save(
    config: Config, result: Comparison, folder: str | Path, beside: str | Path | None = None
) -> None:
    """Write ``paths.npz``, with the ensemble and both flows, and ``config.toml``.

    Where ``beside`` holds an equal configuration, maybe with somebody's comments, that one stays.
    """
    arrays: dict[str, Array] = {}
    paths, free, plain = result.ensemble, result.free_energy_flow, result.gradient_flow
    for prefix, part in (("", paths), ("free_energy_flow_", free), ("gradient_flow_", plain)):
        for name in ("t", "W", "singular_values", "energy", "effective_rank"):
            arrays[prefix + name] = getattr(part, name)
    arrays |= {"status": paths.status, "ends": paths.ends}
    arrays |= dict(zip(_layers(config), paths.weights or (), strict=True))
    np.savez(Path(folder) / "paths.npz", **arrays)  # type: ignore[arg-type]
    there = None if beside is None else kept(Path(beside))
    if there is None or to_toml(there) != to_toml(config):
        (Path(folder) / "config.toml").write_text(to_toml(config), encoding="utf-8")


# -------------------------------------------------------------------------------------- one group


def _group(config: Config, paths: range) -> tuple[dict[str, Variable], dict[str, Any]]:
    """The arrays of these paths, and how they were made."""
    begun = time.perf_counter()
    run = langevin.simulate(
        config.build_energy(),
        config.matrix(),
        depth=config.depth,
        beta=config.beta,
        kappa=config.kappa,
        weight_decay=config.weight_decay,
        dt=config.dt,
        n_steps=config.steps,
        n_paths=len(paths),
        first_path=paths.start,
        rng=config.seed,
        upstairs=config.upstairs,
        method=config.method,
        engine=config.engine,
        save_every=config.save_every,
    )
    variables = {"W": Variable(("time", "row", "column"), run.W), "ends": Variable((), run.ends)}
    for p, layer in enumerate(run.weights or (), start=1):
        variables[f"W_{p}"] = Variable(("time", f"node_{p}", f"node_{p - 1}"), layer)
    return variables, {
        "t": run.t.tolist(),
        "provenance": run.provenance,
        "seconds": time.perf_counter() - begun,
    }


def _together(config: Config, store: Runs, records: list[_Record]) -> ensemble.Ensemble:
    """One ensemble of all groups."""
    parts = [record["provenance"] for record in records]
    first = parts[0]
    provenance = {
        **first,
        "spawn_key": tuple(first["spawn_key"]),
        "cut": sum(part["cut"] for part in parts),
    }
    ends = store.read("ends")[: config.paths]
    message = report(ends, provenance)
    mixed = sorted({differences(_versions(first), _versions(part)) for part in parts} - {""})
    if mixed:
        message += f", the paths of one seed in several environments ({'; '.join(mixed)})"
    return ensemble.build(
        config.equation(),
        np.array(records[0]["t"]),
        store.read("W")[: config.paths],
        tuple(store.read(name)[: config.paths] for name in _layers(config)) or None,
        ends,
        message,
        provenance,
    )


def _layers(config: Config) -> list[str]:
    """The names of the weights' arrays; none downstairs."""
    return [f"W_{p}" for p in range(1, int(config.depth) + 1)] if config.upstairs else []


def _versions(provenance: _Record) -> dict[str, str]:
    """On what the last bits depend."""
    return dict(provenance["versions"]) | {"engine": provenance["engine"]}


# -------------------------------------------------------------------------------------- the store


def _opened(config: Config, out: Path) -> tuple[Runs | None, State]:
    """The store of this run, made larger where it must be, and what is finished of it."""
    if (out / GROUPS).exists():
        raise ValueError(
            f"{out / GROUPS} holds paths as version 0.1 kept them, which are not read any more; "
            "choose another folder, or remove it, and they are simulated again"
        )
    store = found(out)
    if store is None:
        return None, State({}, {})
    if "config" not in store.attributes:
        raise ValueError(f"{out} holds runs of dlngeo sweep; choose another folder")
    for file in leftovers(out):
        file.unlink()
    _require_same(from_toml(str(store.attributes["config"])), config, f"{out} holds paths")
    if store.grid["path"] < config.paths:
        store.grow({"path": range(config.paths)}, config=to_toml(config))
    state = store.state()
    if state.damaged:
        number, words = next(iter(state.damaged.items()))
        seal = store.seal(store.blocks[number])
        raise ValueError(f"{words}; remove {seal}, and its paths are simulated again")
    return store, state


def _blocks(config: Config, store: Runs) -> list[Block]:
    """The groups that have paths of this run; there may be more."""
    return [block for block in store.blocks if block.first < config.paths]


def _require_environment(out: Path, state: State, now: dict[str, str], mix: bool) -> None:
    """Refuse paths that were made with other versions than those of ``now``."""
    for record in state.finished.values():
        differ = differences(_versions(record["provenance"]), now)
        if differ and not mix:
            raise ValueError(
                f"{out} holds paths of another environment: {differ}. Choose another "
                "folder, or --mix-environments: then the numbers are no longer those of one run"
            )


def kept(out: Path) -> Config | None:
    """The configuration whose result is in the folder."""
    file = out / "config.toml"
    if not file.exists():
        return None
    try:
        return read(file)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{file} is no configuration of a run; remove it, or choose another folder ({error})"
        ) from None


def _require_room(config: Config, out: Path) -> None:
    """Refuse where the result would take the place of another, or of more paths."""
    there = kept(out)
    if there is None:
        return
    _require_same(there, config, f"{out} holds the result")
    if there.paths > config.paths:
        raise ValueError(
            f"{out} holds the result of {there.paths} paths, which {config.paths} would overwrite; "
            f"give --paths {there.paths} or more, or choose another folder"
        )


def _require_same(there: Config, config: Config, what: str) -> None:
    """Refuse the paths of another run; how many there are makes no other run."""
    key, theirs, ours = difference(there.replaced(paths=config.paths), config)
    if key:
        differs = f"{theirs}, not {ours}"
        differs = differs if len(differs) < 200 else f"another {key}"
        raise ValueError(f"{what} of another run, with {differs}; choose another folder")
