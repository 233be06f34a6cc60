"""A simulation on disk: paths run in groups, each kept as soon as it is done, so none is run twice.

Path k of a seed is the same numbers in any company (:mod:`dlngeo._random`), so groups put
together are the run in one piece, bit for bit (:mod:`dlngeo._store.groups`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dlngeo import _checks, langevin
from dlngeo._checks import Array
from dlngeo._engine import recorded
from dlngeo._environment import differences, numerics
from dlngeo._paths.run import report
from dlngeo._results import ensemble
from dlngeo._store import sealed
from dlngeo._store.groups import Group, Groups, require_name
from dlngeo.simulation._beside import Comparison, beside
from dlngeo.simulation.config import Config, difference, from_toml, read, to_toml

GROUP = 128  # paths
_WHAT = "group of paths"


def run(
    config: Config,
    out: str | Path,
    *,
    progress: Callable[[int], None] | None = None,
    mix_environments: bool = False,
) -> Comparison:
    """Simulate, or go on from the groups that are in ``out`` already.

    Parameters
    ----------
    config : Config
    out : path
        A folder; groups are kept in ``out/groups``. Where others may write to it meanwhile, hold
        it: ``dlngeo._store.files.held``.
    progress : callable or None
        ``progress(n)`` when the first n paths are on disk.
    mix_environments : bool
        Go on from paths that were made with other versions or on another kind of processor. They
        have the law of this run, but not the bits.

    Raises
    ------
    ValueError
        If the folder holds paths of another configuration or, unless asked to mix, of another
        environment; a damaged group; or a result of more paths than these.
    """
    _checks.instance(config, "config", Config)
    _checks.instance(out, "out", str, os.PathLike)
    _checks.flag(mix_environments, "mix_environments")
    if progress is not None:
        _checks.function(progress, "progress")
    _require_room(config, Path(out))
    groups = _groups(config, out)
    now = numerics() | {"engine": recorded(config.engine_taken())}
    groups.require_environment(lambda group: _versions(_provenance(group)), now, mix_environments)
    finished = groups.finished(lambda paths: _group(config, paths), progress)
    return beside(config.build_energy(), _together(config, finished))


def seconds(config: Config, out: str | Path) -> float:
    """How long the groups of this run took, interruptions not counted."""
    groups = _groups(config, out)
    return float(sum(groups.read(file)["seconds"] for _, file in groups.files()))


def _groups(config: Config, out: str | Path) -> Groups:
    return Groups(Path(out), config.paths, GROUP, "paths", lambda file: _read(file, config))


def _provenance(group: Group) -> dict[str, Any]:
    return dict(json.loads(str(group["provenance"])))


def _versions(provenance: dict[str, Any]) -> dict[str, str]:
    """On what the last bits depend."""
    return dict(provenance["versions"]) | {"engine": provenance["engine"]}


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


def _group(config: Config, paths: range) -> Group:
    """The arrays of these paths."""
    begun = time.perf_counter()
    found = langevin.simulate(
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
    return {
        "config": to_toml(config),
        "paths": (paths[0], paths[-1]),
        "t": found.t,
        "W": found.W,
        **dict(zip(_layers(config), found.weights or (), strict=True)),
        "ends": found.ends,
        "provenance": json.dumps(found.provenance),
        "seconds": time.perf_counter() - begun,
    }


def _together(config: Config, groups: list[Group]) -> ensemble.Ensemble:
    """One ensemble of all groups."""
    parts = [_provenance(group) for group in groups]
    first = parts[0]
    provenance = {
        **first,
        "spawn_key": tuple(first["spawn_key"]),
        "cut": sum(part["cut"] for part in parts),
    }
    ends = np.concatenate([group["ends"] for group in groups])
    message = report(ends, provenance)
    mixed = sorted({differences(_versions(first), _versions(part)) for part in parts} - {""})
    if mixed:
        message += f", the paths of one seed in several environments ({'; '.join(mixed)})"
    return ensemble.build(
        config.equation(),
        groups[0]["t"],
        np.concatenate([group["W"] for group in groups]),
        tuple(np.concatenate([group[p] for group in groups]) for p in _layers(config)) or None,
        ends,
        message,
        provenance,
    )


def _layers(config: Config) -> list[str]:
    """The names of the weights' arrays; none downstairs."""
    return [f"W_{p}" for p in range(1, int(config.depth) + 1)] if config.upstairs else []


# ----------------------------------------------------------------------------------------- files


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


def _read(file: Path, config: Config) -> Group:
    """A group as it was written, of this run and of the paths in its name."""
    group = sealed.read(file, _WHAT)
    try:
        # Groups of version 0.1 and before call their configuration "told".
        there = from_toml(str(group["config" if "config" in group else "told"]))
        first, last = group["paths"].tolist()
        _require_whole(group, there)
    except Exception as error:  # whole, but written by something else: anything may be in it
        raise sealed.foreign(file, _WHAT, error) from None
    _require_same(there, config, f"{file.parent.parent} holds paths")
    require_name(file, first, last, "paths")
    return group


def _require_whole(group: Group, config: Config) -> None:
    first, last = group["paths"].tolist()
    paths, frames = last - first + 1, len(group["t"])
    shapes = {group[name].shape[:2] for name in ("W", *_layers(config))}
    if shapes != {(paths, frames)} or group["ends"].shape != (paths,):
        raise ValueError("arrays of other shapes")
    if not {"cut", "engine", "versions"} <= set(_provenance(group)) or group["seconds"].shape != ():
        raise ValueError("an incomplete record")
